//! Many random runs of a scenario: what they came to, and how each can be had again.

use crate::engine::explore::Control;
use crate::exploration::is_settled;
use crate::runs::{Lessons, Worker, join};
use crate::system::{RuleHits, System};
use alertable_models::invariant::{Invariant, Violation};
use alertable_models::machine::{Model, Transition};
use alertable_traces::expectation::Expectations;
use alertable_traces::outcome::{End, Outcome};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

/// How random schedules are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Walk {
    /// Every possible step is as likely as any other.
    Uniform,
    /// Random priorities that change a few times.
    Pct,
    /// As one that came to a new state or rule, for a while, then at random.
    Guided,
}

impl Walk {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Walk::Uniform => "random",
            Walk::Pct => "pct",
            Walk::Guided => "guided",
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct SamplingOptions {
    /// How the schedules are drawn.
    pub walk: Walk,
    /// The seed of the first run; each other has the next.
    pub seed: u64,
    /// How many runs.
    pub run_count: u64,
    /// The depth of PCT schedules: each draws its own from these.
    pub depths: RangeInclusive<u32>,
    /// The most steps of a run.
    pub step_count_max: u32,
    /// How many threads make runs; the result does not depend on it.
    pub worker_count: usize,
}

/// The options that a run drew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drawn {
    /// A uniform walk.
    Uniform {
        /// Its seed.
        seed: u64,
    },
    /// A PCT schedule.
    Pct {
        /// Its seed.
        seed: u64,
        /// How many orderings it may force: the changes of priority, and one.
        depth: u32,
        /// Over how many steps the changes are spread: the length of the longest of the first 1, 2,
        /// 4, … runs, as many as were made before.
        step_count: u32,
    },
    /// A guided walk.
    Guided {
        /// Its seed.
        seed: u64,
        /// How many schedules it could have followed: those of the runs before its batch.
        remembered: usize,
        /// How many steps of one it followed.
        followed: usize,
    },
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Drawn::Uniform { seed } => write!(f, "random, seed {seed}"),
            Drawn::Pct { seed, depth, step_count } => {
                write!(f, "pct, seed {seed}, depth {depth}, over {step_count} steps")
            }
            Drawn::Guided { seed, remembered, followed } => {
                write!(f, "guided, seed {seed}, after {followed} steps of one of {remembered}")
            }
        }
    }
}

/// What runs have in common: the first that came to it, and how many did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Met {
    /// How many runs.
    pub run_count: u64,
    /// What the first of them had drawn.
    pub drawn: Drawn,
    /// Its schedule.
    pub schedule: Vec<Transition>,
}

/// What the runs came to.
#[derive(Debug, Default)]
pub struct Sampling {
    /// How many runs there were.
    pub run_count: u64,
    /// Their steps, all together.
    pub step_count: u64,
    /// The different states, where they were noted: in guided walks.
    pub state_count: Option<u64>,
    /// The different outcomes of the runs that broke no invariant.
    pub outcomes: BTreeMap<Outcome, Met>,
    /// The invariants that were broken.
    pub violations: BTreeMap<&'static str, (Violation, Met)>,
    /// Somebody asked for the end.
    pub was_interrupted: bool,
}

impl Sampling {
    /// The invariants that were broken, with how and by what.
    pub fn findings(&self) -> impl Iterator<Item = (&'static Invariant, String, &Met)> {
        let found = self.violations.values();
        found.map(|(violation, met)| (violation.invariant, violation.broken.to_string(), met))
    }

    /// The expectations that more runs could not meet any more, and the run that says so.
    pub fn failures(&self, expectations: &Expectations) -> Vec<(String, &Met)> {
        let outcomes: Vec<Outcome> = self.outcomes.keys().cloned().collect();
        let names_limit = expectations.names_limit();
        let failures = expectations.failures(&outcomes).into_iter().filter(is_settled);
        failures
            .filter_map(|failure| {
                let outcome = &outcomes[failure.outcome?];
                let is_final = names_limit || outcome.end != End::Limit;
                is_final.then(|| (failure.to_string(), &self.outcomes[outcome]))
            })
            .collect()
    }
}

/// The most guided runs between two moments at which what they came to is looked at.
const GUIDED_BATCH_MAX: u64 = 256;

impl Walk {
    /// How many runs are made without looking at what the others of them come to, when so many were
    /// made before.
    fn batch_size(self, run_count: u64) -> u64 {
        match self {
            Walk::Uniform => u64::MAX,
            Walk::Pct => run_count.max(1),
            Walk::Guided => run_count.clamp(1, GUIDED_BATCH_MAX),
        }
    }
}

/// Runs a model many times along random schedules. The same options give the same runs, whatever the
/// number of threads.
///
/// # Panics
/// When a worker does.
pub fn sample_model(model: &Model, options: &SamplingOptions, control: &Control) -> Sampling {
    let is_guided = options.walk == Walk::Guided;
    let hits: Vec<RuleHits> =
        (0..options.worker_count.max(1)).map(|_| RuleHits::default()).collect();
    let system = |hits| System { model, checked: true, hits, futures: None, symmetry: None };
    let systems: Vec<System<'_>> =
        hits.iter().map(|hits| system(is_guided.then_some(hits))).collect();
    let mut workers: Vec<Worker<'_>> =
        systems.iter().map(|system| Worker::new(system, options)).collect();
    let mut lessons = Lessons::default();
    let mut run_count = 0;
    while run_count < options.run_count && !control.interrupt.load(Ordering::Relaxed) {
        let left = options.run_count - run_count;
        let end = run_count + options.walk.batch_size(run_count).min(left);
        let next = AtomicU64::new(run_count);
        let work = |worker: &mut Worker<'_>| worker.work(&next, end, &lessons, control);
        if let [worker] = &mut workers[..] {
            work(worker);
        } else {
            std::thread::scope(|scope| {
                let running: Vec<_> =
                    workers.iter_mut().map(|worker| scope.spawn(|| work(worker))).collect();
                running.into_iter().for_each(|worker| worker.join().expect("a worker panicked"));
            });
        }
        // What was begun was brought to its end.
        run_count = next.into_inner().min(end);
        let seen = workers.iter_mut().flat_map(|worker| std::mem::take(&mut worker.seen));
        let mut seen: Vec<_> = seen.collect();
        seen.sort_unstable_by_key(|seen| seen.number);
        seen.iter().for_each(|seen| lessons.learn(seen));
        lessons.longest = workers.iter().map(|worker| worker.longest).max().unwrap_or(1);
    }
    Sampling {
        run_count,
        step_count: workers.iter().map(|worker| worker.step_count).sum(),
        state_count: is_guided.then(|| lessons.visited.count()),
        was_interrupted: run_count < options.run_count,
        ..joined(workers)
    }
}

/// What all workers' runs came to.
fn joined(workers: Vec<Worker<'_>>) -> Sampling {
    let (mut outcomes, mut violations) = (BTreeMap::new(), BTreeMap::new());
    for worker in workers {
        // Several states may have the same outcome.
        for tally in worker.outcomes {
            join(&mut outcomes, tally.what.clone(), tally);
        }
        for (id, tally) in worker.violations {
            join(&mut violations, id, tally);
        }
    }
    let violations = violations.into_iter().map(|(id, tally)| (id, (tally.what, tally.met)));
    Sampling {
        outcomes: outcomes.into_iter().map(|(outcome, tally)| (outcome, tally.met)).collect(),
        violations: violations.collect(),
        ..Sampling::default()
    }
}
