//! What goes on for ever in a program: livelocks, threads that starve, threads without an end.

use crate::engine::TransitionSystem;
use crate::engine::liveness::{Liveness, liveness};
use crate::engine::state_graph::{Progress, ThreadSet};
use crate::system::System;
use alertable_models::ids::ThreadId;
use alertable_models::ke::thread::{ThreadRole, ThreadState};
use alertable_models::machine::{Machine, Model, Settings, Time, Transition};
use alertable_models::outcome::unfinished;
use alertable_traces::scenario::{Count, Scenario, Step};
use std::sync::atomic::AtomicBool;

/// The most states of the graph in which schedules without an end are looked for.
pub const LIVENESS_STATE_COUNT_MAX: usize = 500_000;

/// The model in which schedules without an end are judged. If the program has loops without an end
/// of their own, time is free: in urgent time a thread that never waits stops the clock, which no
/// machine does. What the program has seen is forgotten, so that it comes back to the same state
/// with the next result of the same call.
pub fn endless_model(model: &Model) -> Model {
    let time = if model.program.may_run_for_ever() { Time::Free } else { model.settings.time };
    let settings = Settings { time, ..model.settings };
    Model { program: model.program.clone().without_history(), settings }
}

/// What goes on for ever, in the model that [`endless_model`] gives, among at most so many states, or
/// those that there are when somebody asks for the end.
pub fn liveness_of(
    endless_model: &Model,
    state_count_max: usize,
    interrupt: &AtomicBool,
) -> Liveness<Transition> {
    let system =
        System { model: endless_model, checked: false, hits: None, futures: None, symmetry: None };
    liveness(&system, state_count_max.min(LIVENESS_STATE_COUNT_MAX), interrupt)
}

/// Whether a thread's own program says that it has no end: a loop without a condition.
pub fn has_no_end(scenario: &Scenario, thread: &str) -> bool {
    let is_endless = |step: &Step| match step {
        Step::Call(_) => false,
        Step::Repeat(repeat) => repeat.count == Count::Infinite && repeat.condition.is_none(),
    };
    scenario.threads.get(thread).is_some_and(|thread| thread.steps.iter().any(is_endless))
}

/// The threads of the program among some, as a set.
fn set_of(state: &Machine, threads: impl Iterator<Item = ThreadId>) -> ThreadSet {
    let is_own = |thread: &ThreadId| {
        let role = state.kernel().thread(*thread).role;
        matches!(role, ThreadRole::Program | ThreadRole::System)
            && thread.index() < ThreadSet::BITS as usize
    };
    threads.filter(is_own).fold(0, |set, thread| set | 1 << thread.index())
}

impl Progress for System<'_> {
    fn unfinished(&self, state: &Machine) -> ThreadSet {
        set_of(state, unfinished(state.kernel()))
    }

    fn ended(&self, state: &Machine) -> ThreadSet {
        let has_ended =
            |thread: &ThreadId| state.kernel().thread(*thread).state == ThreadState::Terminated;
        set_of(state, state.kernel().thread_ids().filter(has_ended))
    }

    /// The system need never end a thread of a pool.
    fn able(&self, state: &Machine, out: &mut Vec<usize>) {
        let mut transitions = Vec::new();
        self.enabled(state, &mut transitions);
        let owed = transitions.iter().filter(|t| !matches!(t, Transition::Retire(_)));
        out.extend(owed.map(|transition| self.actor(*transition)));
    }

    /// The clock passes, even if there are moments in which something else has to be done first.
    fn is_relentless(&self, actor: usize) -> bool {
        actor == self.actor(Transition::PassTime)
    }

    fn is_cut(&self, state: &Machine) -> bool {
        state.has_full_stack()
    }
}
