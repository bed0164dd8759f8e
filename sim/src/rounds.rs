//! Explorations with a bound on switches, again and again with a higher one: what needs few
//! switches is found first, and it is known how many each finding needs.

use crate::engine::explore::{Control, Coverage, Limits, Stop, explore_from};
use crate::exploration::Collector;
use crate::system::System;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// What one bound came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Round {
    /// The most switches of a schedule.
    pub switch_count_max: u32,
    /// What was covered.
    pub coverage: Coverage,
    /// The outcomes that no lower bound had, by their numbers among all.
    pub outcomes: Vec<usize>,
    /// The invariants that no lower bound saw broken.
    pub violations: Vec<&'static str>,
}

/// A round, with its outcomes by their keys.
pub(crate) struct Found {
    pub(crate) round: Round,
    pub(crate) keys: Vec<u64>,
}

/// Explores with each of the bounds until no schedule is cut off by one, or another limit is met.
/// Returns what the last one covered.
pub(crate) fn explore_in_rounds(
    system: &System<'_>,
    limits: &Limits,
    control: &Control,
    collectors: &mut [Collector<'_>],
    bounds: RangeInclusive<u32>,
) -> (Coverage, Vec<Found>) {
    let mut rounds = Vec::new();
    let mut known = BTreeSet::new();
    // A schedule of the first round that breaks an invariant has the fewest switches.
    let mut violations = Collector::new(system).violations;
    let mut bounds = bounds;
    let last = loop {
        let switch_count_max = bounds.next().unwrap_or(*bounds.end());
        let limits = Limits { switch_count_max: Some(switch_count_max), ..*limits };
        let coverage = explore_from(system, &limits, control, collectors, None, |_| true);
        let keys: Vec<u64> = collectors
            .iter()
            .flat_map(|collector| collector.outcomes.keys().copied())
            .filter(|key| known.insert(*key))
            .collect();
        let mut found = Collector::new(system);
        for collector in &mut *collectors {
            for (violation, schedule) in std::mem::take(&mut collector.violations).into_values() {
                found.keep(violation, &schedule);
            }
        }
        found.violations.retain(|id, _| !violations.contains_key(id));
        let broken = found.violations.keys().copied().collect();
        violations.append(&mut found.violations);
        let round = Round { switch_count_max, coverage, outcomes: Vec::new(), violations: broken };
        rounds.push(Found { round, keys });
        if coverage.stop != Some(Stop::Switches) || bounds.is_empty() {
            break coverage;
        }
    };
    collectors[0].violations = violations;
    (last, rounds)
}
