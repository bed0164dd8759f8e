//! Many random runs of a scenario: what they came to, and how each can be had again.

use crate::engine::Ending;
use crate::engine::explore::Control;
use crate::engine::guided::Pool;
use crate::engine::policy::{Pct, Uniform};
use crate::engine::rng::Rng;
use crate::engine::sample::{Sample, Sampler};
use crate::engine::visited::Visited;
use crate::exploration::is_settled;
use crate::system::{RuleHits, System};
use alertable_models::invariant::{Invariant, Violation};
use alertable_models::machine::{Model, Transition};
use alertable_models::outcome::outcome_of;
use alertable_traces::expectation::Expectations;
use alertable_traces::outcome::{End, Outcome};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

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
        /// Over how many steps the changes are spread: the length of the longest run before.
        step_count: u32,
    },
    /// A guided walk.
    Guided {
        /// Its seed.
        seed: u64,
        /// How many schedules it could have followed.
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
#[derive(Debug)]
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

/// Runs a model many times along random schedules. The same options give the same runs.
pub fn sample_model(model: &Model, options: &SamplingOptions, control: &Control) -> Sampling {
    let hits = RuleHits::default();
    let guided = options.walk == Walk::Guided;
    let system = System {
        model,
        checked: true,
        hits: guided.then_some(&hits),
        futures: None,
        symmetry: None,
    };
    let mut sampler = Sampler::new(&system);
    let mut pool = Pool::default();
    let mut visited = Visited::default();
    let mut rule_count = 0;
    let mut collected = Collected { model, ends: HashMap::new(), outcomes: Vec::new() };
    let mut violations: BTreeMap<&'static str, (Violation, Met)> = BTreeMap::new();
    let (mut run_count, mut step_count, mut longest) = (0, 0, 1);
    while run_count < options.run_count && !control.interrupt.load(Ordering::Relaxed) {
        let seed = options.seed.wrapping_add(run_count);
        let max = options.step_count_max;
        let (drawn, sample) = match options.walk {
            Walk::Uniform => (Drawn::Uniform { seed }, sampler.run(&mut Uniform::new(seed), max)),
            Walk::Pct => {
                let depth = depth_of(seed, &options.depths);
                let mut policy = Pct::new(seed, depth, longest);
                (Drawn::Pct { seed, depth, step_count: longest }, sampler.run(&mut policy, max))
            }
            Walk::Guided => {
                let mut policy = pool.draw(seed);
                let (remembered, followed) = (pool.count(), policy.followed_count());
                let (mut step, mut last_new) = (0, 0);
                let sample = sampler.run_watched(&mut policy, max, |fingerprint| {
                    step += 1;
                    if visited.insert_mut(fingerprint) {
                        last_new = step;
                    }
                });
                let known = std::mem::replace(&mut rule_count, hits.count());
                if rule_count > known {
                    last_new = step;
                }
                if last_new > 0 {
                    pool.add(&sampler.schedule()[..last_new]);
                }
                (Drawn::Guided { seed, remembered, followed }, sample)
            }
        };
        run_count += 1;
        step_count += sampler.schedule().len() as u64;
        longest = longest.max(sampler.schedule().len() as u32);
        let Sample { ending, violations: found } = sample;
        if found.is_empty() {
            collected.end(&sampler, drawn, ending);
        }
        for violation in found {
            let met = Met { run_count: 0, drawn, schedule: sampler.schedule().to_vec() };
            let id = violation.invariant.id;
            violations.entry(id).or_insert((violation, met)).1.run_count += 1;
        }
    }
    Sampling {
        run_count,
        step_count,
        state_count: guided.then(|| visited.count()),
        outcomes: collected.joined(),
        violations,
        was_interrupted: run_count < options.run_count,
    }
}

/// The depth that belongs to a seed.
fn depth_of(seed: u64, depths: &RangeInclusive<u32>) -> u32 {
    let count = depths.end() - depths.start() + 1;
    // Not the numbers that the priorities are drawn from.
    let mut rng = Rng::new(!seed);
    depths.start() + rng.below(count as usize) as u32
}

/// Collects outcomes.
struct Collected<'a> {
    model: &'a Model,
    /// By the last state and why it was the last: which outcome.
    ends: HashMap<(u64, bool), usize>,
    outcomes: Vec<(Outcome, Met)>,
}

impl Collected<'_> {
    fn end(&mut self, sampler: &Sampler<'_, System<'_>>, drawn: Drawn, ending: Ending) {
        let at_step_limit = ending == Ending::StepLimit;
        let outcomes = &mut self.outcomes;
        let at = *self.ends.entry((sampler.fingerprint(), at_step_limit)).or_insert_with(|| {
            let schedule = sampler.schedule();
            let outcome = outcome_of(self.model, schedule, at_step_limit);
            outcomes.push((outcome, Met { run_count: 0, drawn, schedule: schedule.to_vec() }));
            outcomes.len() - 1
        });
        outcomes[at].1.run_count += 1;
    }

    /// By outcome, since states that have the same may be many.
    fn joined(self) -> BTreeMap<Outcome, Met> {
        let mut joined: BTreeMap<Outcome, Met> = BTreeMap::new();
        for (outcome, met) in self.outcomes {
            let count = met.run_count;
            let known = joined.entry(outcome).or_insert(Met { run_count: 0, ..met });
            known.run_count += count;
        }
        joined
    }
}
