//! Many random runs of one system.
//!
//! Where a run comes to a state that runs came to before, and goes on as one of them did, nothing
//! is found out anew.

use super::chart::{Chart, Place};
use super::memo::{Lazy, Made, Memo};
use super::policy::Policy;
use super::sources::{Since, Sources};
use super::visited::scramble;
use super::{Ending, Parts, TransitionSystem};

/// Runs a system along the schedules of policies, and remembers from one run to the next what
/// steps do.
pub struct Sampler<'a, S: TransitionSystem> {
    system: &'a S,
    memo: Memo<S::Transition>,
    /// The digests of the initial state's slots.
    initial: Vec<u64>,
    digests: Vec<u64>,
    /// The sum of everything: initially, and where the last run is.
    sums: (u64, u64),
    follower: Follower<'a, S>,
    /// None when it was of no use.
    chart: Option<Chart<S::Transition>>,
    /// Where the run is on the chart, if it is.
    place: Option<Place>,
    /// The digests are those of where the run is.
    has_digests: bool,
    sources: Sources<S::Transition>,
    /// What the sources can do is known of where the run is.
    is_known: bool,
    /// The last step, if what the sources could do before it is known.
    since: Option<Since>,
    violations: Vec<S::Violation>,
}

/// What a run did.
#[derive(Debug)]
pub struct Sample<V> {
    /// Why it ended.
    pub ending: Ending,
    /// What was wrong with its last step.
    pub violations: Vec<V>,
}

impl<S: TransitionSystem> std::fmt::Debug for Sampler<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler").field("schedule", &self.follower.schedule).finish_non_exhaustive()
    }
}

impl<'a, S: TransitionSystem> Sampler<'a, S> {
    /// Before the first run.
    pub fn new(system: &'a S) -> Self {
        let mut initial = vec![0; system.slot_count()];
        let mut state = system.initial();
        let (_, rest) = system.update_digests(None, &mut state, S::Parts::ALL, &mut initial);
        system.take_looked_at(&state);
        let sum = initial.iter().fold(rest, |sum, digest| sum.wrapping_add(*digest));
        Sampler {
            system,
            memo: Memo::new(),
            digests: initial.clone(),
            sums: (sum, sum),
            follower: Follower {
                system,
                initial: state.clone(),
                scratch: state.clone(),
                differs: S::Parts::ALL,
                state,
                made: 0,
                schedule: Vec::new(),
                monitor: S::Monitor::default(),
                digests: initial.clone(),
            },
            initial,
            chart: Some(Chart::new(system.slot_count())),
            place: None,
            has_digests: true,
            sources: Sources::new(system),
            is_known: false,
            since: None,
            violations: Vec::new(),
        }
    }

    /// One run of at most `step_count_max` steps, to its end or to the first step that violates
    /// something.
    pub fn run(
        &mut self,
        policy: &mut impl Policy<S>,
        step_count_max: u32,
    ) -> Sample<S::Violation> {
        self.run_watched(policy, step_count_max, |_| {})
    }

    /// As [`Sampler::run`]; `on_state` sees the fingerprint of the state after each step.
    pub fn run_watched(
        &mut self,
        policy: &mut impl Policy<S>,
        step_count_max: u32,
        mut on_state: impl FnMut(u64),
    ) -> Sample<S::Violation> {
        self.restart();
        loop {
            let enabled = if let Some(known) = charted(self.chart.as_ref(), self.place) {
                (self.is_known, self.since) = (false, None);
                known
            } else {
                self.find_transitions();
                self.sources.enabled()
            };
            if enabled.is_empty() {
                return Sample { ending: Ending::Rest, violations: Vec::new() };
            }
            if self.follower.schedule.len() as u32 >= step_count_max {
                return Sample { ending: Ending::StepLimit, violations: Vec::new() };
            }
            let pick = policy.pick(self.system, enabled);
            let transition = enabled[pick];
            self.step(pick, transition);
            on_state(self.fingerprint());
            if !self.violations.is_empty() {
                let violations = std::mem::take(&mut self.violations);
                return Sample { ending: Ending::Rest, violations };
            }
        }
    }

    fn restart(&mut self) {
        self.sums.1 = self.sums.0;
        self.digests.copy_from_slice(&self.initial);
        self.has_digests = true;
        (self.is_known, self.since) = (false, None);
        let chart = self.chart.as_mut();
        self.place = chart.and_then(|chart| chart.place(self.sums.0, &self.initial));
        if self.place.is_none() {
            self.is_known = self.sources.restart(&self.memo);
        }
        self.follower.restart();
    }

    /// Finds out what is possible where the run is, which the chart does not tell.
    fn find_transitions(&mut self) {
        if self.is_known {
            return;
        }
        self.find_digests();
        let since = self.since.take();
        let (follower, digests) = (&mut self.follower, &self.digests);
        self.sources.find(self.system, &mut self.memo, follower, digests, since);
        self.is_known = true;
        if self.follower.schedule.is_empty() {
            self.sources.note_initial();
        }
        if let (Some(place), Some(chart)) = (self.place, &mut self.chart) {
            chart.note(place, self.sources.enabled());
        }
    }

    /// Makes a step, of those that are possible.
    fn step(&mut self, pick: usize, transition: S::Transition) {
        let place = self.place.zip(self.chart.as_mut());
        let target = place.and_then(|(place, chart)| Some((chart.target(place, pick)?, chart)));
        if let Some((target, chart)) = target {
            self.follower.schedule.push(transition);
            self.sums.1 = chart.sum(target);
            self.place = Some(target);
            self.has_digests = false;
            self.is_known = false;
            return;
        }
        self.find_digests();
        let since = self.sources.step(
            self.system,
            &mut self.memo,
            &mut self.follower,
            transition,
            &mut self.digests,
            &mut self.violations,
        );
        self.follower.schedule.push(transition);
        self.sums.1 = self.sums.1.wrapping_add(since.change.sum);
        self.since = self.is_known.then_some(since);
        self.is_known = false;
        let (Some(place), Some(chart)) = (self.place, &mut self.chart) else { return };
        self.place = chart.place(self.sums.1, &self.digests);
        // A step that violates something is made, and reported, each time. Whoever has left the chart,
        // because it is full, does not look for the way back: it is large, and each look at it waits
        // for memory.
        if let (Some(target), true) = (self.place, self.violations.is_empty()) {
            chart.link(place, pick, target);
        }
        if !chart.is_of_use() {
            (self.chart, self.place) = (None, None);
        }
    }

    /// Brings the digests up to date.
    fn find_digests(&mut self) {
        if let (Some(place), Some(chart), false) = (self.place, &self.chart, self.has_digests) {
            self.digests.copy_from_slice(chart.digests(place));
            self.has_digests = true;
        }
    }

    /// The schedule of the last run.
    pub fn schedule(&self) -> &[S::Transition] {
        &self.follower.schedule
    }

    /// A number that stands for the last state of the last run.
    pub fn fingerprint(&self) -> u64 {
        scramble(self.sums.1)
    }

    /// The last state of the last run.
    pub fn state(&mut self) -> &S::State {
        self.follower.state()
    }
}

/// What is possible at a place of a chart, if that is known.
fn charted<T: Copy>(chart: Option<&Chart<T>>, place: Option<Place>) -> Option<&[T]> {
    chart?.transitions(place?)
}

/// The state that a schedule leads to, made when somebody looks at it.
struct Follower<'a, S: TransitionSystem> {
    system: &'a S,
    initial: S::State,
    /// The state after the first `made` steps of the schedule.
    state: S::State,
    made: usize,
    schedule: Vec<S::Transition>,
    /// Where a step is made that the schedule does not have yet.
    scratch: S::State,
    /// In what `scratch` may differ from `state`.
    differs: S::Parts,
    monitor: S::Monitor,
    digests: Vec<u64>,
}

impl<S: TransitionSystem> Follower<'_, S> {
    fn restart(&mut self) {
        if self.made > 0 {
            self.system.copy(&mut self.state, &self.initial, S::Parts::ALL);
            self.differs = S::Parts::ALL;
            self.made = 0;
        }
        self.schedule.clear();
    }
}

impl<S: TransitionSystem> Lazy<S> for Follower<'_, S> {
    fn state(&mut self) -> &S::State {
        for transition in &self.schedule[self.made..] {
            let changed = self.system.step(&mut self.state, *transition, &mut self.monitor);
            self.system.update_digests(None, &mut self.state, changed, &mut self.digests);
            self.differs = self.differs.union(changed);
        }
        if self.made < self.schedule.len() {
            self.made = self.schedule.len();
            self.system.take_looked_at(&self.state);
        }
        &self.state
    }

    fn step(&mut self, transition: S::Transition) -> Made<'_, S> {
        self.state();
        self.system.copy(&mut self.scratch, &self.state, self.differs);
        let changed = self.system.step(&mut self.scratch, transition, &mut self.monitor);
        self.differs = changed;
        Made { before: &self.state, after: &mut self.scratch, changed, monitor: &self.monitor }
    }
}

#[cfg(test)]
mod tests {
    use super::Sampler;
    use crate::engine::Ending;
    use crate::engine::policy::Uniform;
    use crate::engine::simulate::simulate;
    use crate::engine::toys::{Counters, Locks};

    #[test]
    fn runs_end_where_nothing_is_possible_or_too_many_steps_were_made() {
        let system = Counters { count: 3, max: 4 };
        let mut sampler = Sampler::new(&system);
        for seed in 0..10 {
            assert_eq!(sampler.run(&mut Uniform::new(seed), 100).ending, Ending::Rest);
            assert_eq!((sampler.schedule().len(), sampler.state()), (12, &vec![4; 3]));
        }
        assert_eq!(sampler.run(&mut Uniform::new(0), 5).ending, Ending::StepLimit);
        assert_eq!(sampler.schedule().len(), 5);
    }

    /// So many states that the chart is given up, and steps are found otherwise.
    #[test]
    fn runs_are_those_that_are_made_step_by_step() {
        let system = Counters { count: 6, max: 8 };
        let mut sampler = Sampler::new(&system);
        for seed in 0..1_200 {
            sampler.run(&mut Uniform::new(seed), 1_000);
            let mut schedule = Vec::new();
            let run = simulate(&system, &mut Uniform::new(seed), 1_000, |enabled, pick, &()| {
                schedule.push(enabled[pick]);
            });
            assert_eq!(sampler.schedule(), schedule);
            assert_eq!(sampler.state(), &run.state);
        }
        assert!(sampler.chart.is_none(), "the chart was of use after all");
    }

    #[test]
    fn every_run_reports_what_it_violates() {
        let system = Locks { ordered: true };
        let mut sampler = Sampler::new(&system);
        for seed in 0..10 {
            assert_eq!(sampler.run(&mut Uniform::new(seed), 100).violations.len(), 1);
        }
    }
}
