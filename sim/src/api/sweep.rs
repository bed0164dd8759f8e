//! Following a trace with everything that could explain it.

use super::config::{Config, Stepper};
use super::progress::Progress;
use super::search::{Goal, Search, without_reachable};
use super::{End, Step};
use alertable_models::machine::Model;

/// The most states that are kept for one place in the trace.
const STATE_COUNT_MAX: usize = 20_000;

/// Follows a trace, event by event, with all states that explain it so far or from which these
/// can be reached.
pub(super) struct Sweep<'s, 'a> {
    stepper: &'s mut Stepper<'a>,
    states: Vec<Config>,
    progress: Progress,
    /// No state was left out.
    is_complete: bool,
    step_count_max: u64,
    /// How many events are explained.
    count: u64,
    end: Option<End>,
}

impl<'s, 'a> Sweep<'s, 'a> {
    pub(super) fn new(model: &Model, stepper: &'s mut Stepper<'a>, step_count_max: u64) -> Self {
        Sweep {
            stepper,
            states: vec![Config::first(model)],
            progress: Progress::new(model.program.thread_ids().count()),
            is_complete: true,
            step_count_max,
            count: 0,
            end: None,
        }
    }

    /// How many events are explained.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether no state was left out, so that what is not explained has no explanation.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Where the trace could not be followed.
    pub(super) fn into_end(self) -> Option<End> {
        self.end
    }

    /// Explains one more event. False if that is not possible, or a limit was met.
    pub(super) fn event(&mut self, step: Step) -> bool {
        let Step { thread, event, next, .. } = &step;
        self.progress.advance(event.t);
        let (progress, goal) = (&self.progress, Goal::of(&event.what));
        let mut search = Search { stepper: &mut *self.stepper, progress, thread: *thread, goal };
        let found = search.full(&self.states, self.step_count_max, |_, _| ());
        self.is_complete &= found.is_complete && found.states.len() <= STATE_COUNT_MAX;
        if found.states.is_empty() || !self.is_complete {
            let states = std::mem::take(&mut self.states);
            let (count, progress) = (self.count, self.progress.clone());
            self.end = Some(End { count, step, states, progress });
            return false;
        }
        let mut states = found.states;
        states.iter_mut().for_each(|state| state.tell(*thread));
        self.progress.tell(*thread, event, next.as_ref());
        let states = without_reachable(self.stepper, &self.progress, states);
        for state in std::mem::replace(&mut self.states, states) {
            self.stepper.recycle(state);
        }
        self.count += 1;
        true
    }
}
