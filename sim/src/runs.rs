//! The workers that make random runs, each with a part of the seeds.

use crate::engine::Ending;
use crate::engine::explore::Control;
use crate::engine::guided::Pool;
use crate::engine::policy::{Pct, Uniform};
use crate::engine::rng::Rng;
use crate::engine::sample::{Sample, Sampler};
use crate::engine::visited::Visited;
use crate::sampling::{Drawn, Met, SamplingOptions, Walk};
use crate::system::{RuleHits, System};
use alertable_models::invariant::Violation;
use alertable_models::machine::Transition;
use alertable_models::outcome::outcome_of;
use alertable_models::rule;
use alertable_traces::outcome::Outcome;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

/// A worker takes so many seeds at a time, and brings the runs to their end.
const TAKEN: u64 = 16;

/// The runs that came to the same, and what they came to.
pub(crate) struct Tally<W> {
    /// The place of the first among all runs.
    number: u64,
    pub(crate) what: W,
    pub(crate) met: Met,
}

impl<W> Tally<W> {
    /// Adds runs that came to the same.
    fn join(&mut self, other: Self) {
        let run_count = self.met.run_count + other.met.run_count;
        if other.number < self.number {
            *self = other;
        }
        self.met.run_count = run_count;
    }
}

/// Adds runs to those that came to the same.
pub(crate) fn join<K: Ord, W>(all: &mut BTreeMap<K, Tally<W>>, key: K, tally: Tally<W>) {
    match all.entry(key) {
        Entry::Vacant(place) => {
            place.insert(tally);
        }
        Entry::Occupied(mut known) => known.get_mut().join(tally),
    }
}

/// What runs learn from those that came before.
pub(crate) struct Lessons {
    /// The length of the longest run.
    pub(crate) longest: u32,
    pool: Pool<Transition>,
    pub(crate) visited: Visited,
    rules: Vec<bool>,
}

impl Default for Lessons {
    fn default() -> Self {
        let rules = vec![false; rule::COUNT];
        Lessons { longest: 1, pool: Pool::default(), visited: Visited::default(), rules }
    }
}

impl Lessons {
    /// Takes in what a run came to, after those before it.
    pub(crate) fn learn(&mut self, seen: &Seen) {
        let mut last_new = 0;
        for (at, fingerprint) in seen.fingerprints.iter().enumerate() {
            if self.visited.insert_mut(*fingerprint) {
                last_new = at + 1;
            }
        }
        for rule in &seen.rules {
            if !std::mem::replace(&mut self.rules[*rule], true) {
                last_new = seen.schedule.len();
            }
        }
        if last_new > 0 {
            self.pool.add(&seen.schedule[..last_new]);
        }
    }
}

/// What a guided run came to.
pub(crate) struct Seen {
    /// Its place among all runs.
    pub(crate) number: u64,
    schedule: Vec<Transition>,
    /// Of the state after each step.
    fingerprints: Vec<u64>,
    /// Those that took effect, but for those that are known from earlier runs of its worker.
    rules: Vec<usize>,
}

/// Makes runs.
pub(crate) struct Worker<'a> {
    system: &'a System<'a>,
    options: &'a SamplingOptions,
    sampler: Sampler<'a, System<'a>>,
    /// By the last state and why it was the last: which outcome.
    ends: HashMap<(u64, bool), usize>,
    pub(crate) outcomes: Vec<Tally<Outcome>>,
    pub(crate) violations: BTreeMap<&'static str, Tally<Violation>>,
    pub(crate) step_count: u64,
    pub(crate) longest: u32,
    rules: Vec<bool>,
    rule_count: usize,
    /// What guided runs came to, until somebody takes it.
    pub(crate) seen: Vec<Seen>,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(system: &'a System<'a>, options: &'a SamplingOptions) -> Self {
        Worker {
            system,
            options,
            sampler: Sampler::new(system),
            ends: HashMap::new(),
            outcomes: Vec::new(),
            violations: BTreeMap::new(),
            step_count: 0,
            longest: 1,
            rules: vec![false; rule::COUNT],
            rule_count: 0,
            seen: Vec::new(),
        }
    }

    /// Makes runs, and takes the numbers of the next ones, until they are all taken or somebody asks
    /// for the end.
    pub(crate) fn work(
        &mut self,
        next: &AtomicU64,
        end: u64,
        lessons: &Lessons,
        control: &Control,
    ) {
        while !control.interrupt.load(Ordering::Relaxed) {
            let first = next.fetch_add(TAKEN, Ordering::Relaxed);
            if first >= end {
                return;
            }
            (first..end.min(first + TAKEN)).for_each(|number| self.run(number, lessons));
        }
    }

    fn run(&mut self, number: u64, lessons: &Lessons) {
        let seed = self.options.seed.wrapping_add(number);
        let max = self.options.step_count_max;
        let (drawn, sample) = match self.options.walk {
            Walk::Uniform => {
                (Drawn::Uniform { seed }, self.sampler.run(&mut Uniform::new(seed), max))
            }
            Walk::Pct => {
                let depth = depth_of(seed, &self.options.depths);
                let step_count = lessons.longest;
                let mut policy = Pct::new(seed, depth, step_count);
                (Drawn::Pct { seed, depth, step_count }, self.sampler.run(&mut policy, max))
            }
            Walk::Guided => self.run_guided(number, seed, &lessons.pool),
        };
        let schedule = self.sampler.schedule();
        self.step_count += schedule.len() as u64;
        self.longest = self.longest.max(schedule.len() as u32);
        if sample.violations.is_empty() {
            self.end(number, drawn, sample.ending);
        }
        for violation in sample.violations {
            let schedule = self.sampler.schedule().to_vec();
            let id = violation.invariant.id;
            let met = Met { run_count: 1, drawn, schedule };
            join(&mut self.violations, id, Tally { number, what: violation, met });
        }
    }

    fn run_guided(
        &mut self,
        number: u64,
        seed: u64,
        pool: &Pool<Transition>,
    ) -> (Drawn, Sample<Violation>) {
        let mut policy = pool.draw(seed);
        let (remembered, followed) = (pool.count(), policy.followed_count());
        let mut fingerprints = Vec::with_capacity(self.longest as usize);
        let max = self.options.step_count_max;
        let sample = self.sampler.run_watched(&mut policy, max, |state| fingerprints.push(state));
        let schedule = self.sampler.schedule().to_vec();
        let rules = self.system.hits.map(|hits| self.new_rules(hits)).unwrap_or_default();
        self.seen.push(Seen { number, schedule, fingerprints, rules });
        (Drawn::Guided { seed, remembered, followed }, sample)
    }

    /// The rules that took effect for the first time here.
    ///
    /// Only steps that this worker has not made before note their rules. So a rule that is new among
    /// all runs is always among these: a worker makes its runs in their order, and had it made the
    /// step before, the rule would not be new.
    fn new_rules(&mut self, hits: &RuleHits) -> Vec<usize> {
        let count = hits.count();
        if std::mem::replace(&mut self.rule_count, count) == count {
            return Vec::new();
        }
        let known = &mut self.rules;
        let is_new = |rule: &usize| !std::mem::replace(&mut known[*rule], true);
        hits.indices().filter(is_new).collect()
    }

    /// A run that broke no invariant has ended.
    fn end(&mut self, number: u64, drawn: Drawn, ending: Ending) {
        let at_step_limit = ending == Ending::StepLimit;
        let outcomes = &mut self.outcomes;
        let end = (self.sampler.fingerprint(), at_step_limit);
        let at = *self.ends.entry(end).or_insert_with(|| {
            let schedule = self.sampler.schedule();
            let what = outcome_of(self.system.model, schedule, at_step_limit);
            let met = Met { run_count: 0, drawn, schedule: schedule.to_vec() };
            outcomes.push(Tally { number, what, met });
            outcomes.len() - 1
        });
        outcomes[at].met.run_count += 1;
    }
}

/// The depth that belongs to a seed.
fn depth_of(seed: u64, depths: &RangeInclusive<u32>) -> u32 {
    let count = depths.end() - depths.start() + 1;
    // Not the numbers that the priorities are drawn from.
    let mut rng = Rng::new(!seed);
    depths.start() + rng.below(count as usize) as u32
}
