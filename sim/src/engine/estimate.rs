//! How many states there may be, while only some of them were visited.
//!
//! Random walks from the initial state sample states. Of the samples at a depth, about that share
//! was visited that was visited of all states there, so the states that were visited there are
//! divided by it. Where none was visited yet, what the samples repeat says how many there are at
//! least (Chao, "Nonparametric Estimation of the Number of Classes in a Population", 1984).
//!
//! The walks do not come to all states alike, and a search goes deep in one corner before it looks
//! at the next: it is an estimate, that may be wrong by several times early on, and becomes right
//! as the search comes to its end.

use super::visited::Visited;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Asks for estimates, and has the last one.
#[derive(Debug, Default)]
pub struct Estimates {
    /// Estimate at the end too, when the search is stopped before it is complete.
    pub at_end: AtomicBool,
    /// Halt for an estimate now.
    pub now: AtomicBool,
    /// The last estimate; 0 if there is none.
    pub states: AtomicU64,
}

/// Steps of the first walks, and of those before each later estimate. Debug builds make every step
/// although it is known.
const STEP_COUNTS: (usize, usize) =
    if cfg!(debug_assertions) { (1_000, 500) } else { (40_000, 10_000) };

/// The most samples that are kept.
const SAMPLE_COUNT_MAX: usize = 400_000;

/// States that random walks came to.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// By depth and fingerprint, sorted.
    states: Vec<(u32, u64)>,
}

impl Samples {
    /// How many more steps are walked before the next estimate.
    pub(super) fn step_count_wanted(&self) -> usize {
        match self.states.len() {
            0 => STEP_COUNTS.0,
            count if count < SAMPLE_COUNT_MAX => STEP_COUNTS.1,
            _ => 0,
        }
    }

    /// Adds the states of walks: depths and fingerprints.
    pub(super) fn add(&mut self, states: Vec<(u32, u64)>) {
        self.states.extend(states);
        self.states.sort_unstable();
    }

    /// About how many states there are, when so many were visited at each depth; 0 if nothing is
    /// known of those that were not.
    pub(super) fn estimate(&self, visited: &Visited, visited_by_depth: &[u64]) -> u64 {
        if self.states.is_empty() {
            return 0;
        }
        let known: u64 = visited_by_depth.iter().sum();
        #[allow(clippy::cast_sign_loss, reason = "no summand is less than 0")]
        let missing = self
            .states
            .chunk_by(|one, next| one.0 == next.0)
            .map(|samples| {
                let here = visited_by_depth.get(samples[0].0 as usize).copied().unwrap_or(0) as f64;
                (at_depth(samples, visited, here) - here).max(0.0)
            })
            .sum::<f64>() as u64;
        known.saturating_add(missing)
    }
}

/// About how many states there are at a depth.
fn at_depth(samples: &[(u32, u64)], visited: &Visited, visited_here: f64) -> f64 {
    let (mut distinct, mut once, mut twice, mut seen) = (0.0, 0.0, 0.0, 0.0);
    for same in samples.chunk_by(|one, next| one == next) {
        distinct += 1.0;
        once += f64::from(u8::from(same.len() == 1));
        twice += f64::from(u8::from(same.len() == 2));
        if visited.contains(same[0].1) {
            seen += same.len() as f64;
        }
    }
    let by_repetition = distinct + once * (once - 1.0) / (2.0 * (twice + 1.0));
    let by_share = visited_here * (samples.len() as f64 + 1.0) / (seen + 1.0);
    // With no more than a few samples visited, their share says little.
    if seen >= 8.0 { by_share.max(distinct) } else { by_repetition.max(visited_here) }
}

#[cfg(test)]
mod tests {
    use super::Samples;
    use crate::engine::explore::{Control, Limits, Stop, Visitor, explore_from};
    use crate::engine::toys::Counters;
    use crate::engine::visited::Visited;
    use crate::engine::{Ending, TransitionSystem};
    use std::sync::atomic::Ordering;

    struct Blind;

    impl<S: TransitionSystem> Visitor<S> for Blind {
        fn end(&mut self, _: &S::State, _: &[S::Transition], _: Ending) {}
        fn violation(&mut self, _: S::Violation, _: &[S::Transition]) {}
    }

    /// The estimate after so many of the 6⁵ states of five counters.
    fn estimate_after(state_count: u64) -> u64 {
        let system = Counters { count: 5, max: 5 };
        let limits = Limits { state_count_max: state_count, ..Limits::default() };
        let control = Control::default();
        control.estimates.at_end.store(true, Ordering::Relaxed);
        let coverage = explore_from(&system, &limits, &control, &mut [Blind], None, |_| true);
        assert_eq!(coverage.stop, Some(Stop::States));
        control.estimates.states.load(Ordering::Relaxed)
    }

    #[test]
    fn estimates_are_of_the_right_order_and_become_right() {
        let states = 7_776;
        for (part, worst) in [(10, 4.0), (3, 3.0)] {
            let estimate = estimate_after(states / part) as f64;
            let ratio = estimate / states as f64;
            assert!((1.0 / worst..worst).contains(&ratio), "{estimate} after 1 of {part}");
        }
        let late = estimate_after(states * 19 / 20);
        assert!((states * 9 / 10..states * 11 / 10).contains(&late), "{late}");
    }

    #[test]
    fn there_is_an_estimate_before_the_first_step() {
        let control = Control::default();
        control.estimates.now.store(true, Ordering::Relaxed);
        let system = Counters { count: 4, max: 4 };
        let mut first = None;
        explore_from(&system, &Limits::default(), &control, &mut [Blind], None, |halt| {
            if halt.coverage.state_count == 1 {
                first = Some(control.estimates.states.load(Ordering::Relaxed));
            }
            true
        });
        assert!((300..1_250).contains(&first.expect("there is a beginning")), "{first:?}, not 625");
    }

    #[test]
    fn what_was_visited_whole_is_not_estimated_higher() {
        let mut visited = Visited::default();
        let mut samples = Samples::default();
        let states: Vec<(u32, u64)> = (1..=100).map(|state| (state as u32 % 4, state)).collect();
        samples.add(states.clone());
        samples.add(states);
        (1..=100).for_each(|state| assert!(visited.insert_mut(state)));
        assert_eq!(samples.estimate(&visited, &[25; 4]), 100);
    }
}
