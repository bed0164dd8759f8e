//! One run along one schedule.

use super::policy::Policy;
use super::{Ending, Parts, TransitionSystem};

/// What a run did.
#[derive(Debug)]
pub struct Run<S: TransitionSystem> {
    /// The last state.
    pub state: S::State,
    /// Why it ended.
    pub ending: Ending,
    /// How many steps it took.
    pub step_count: u32,
    /// What was wrong, with the number of the step (from 0), in the order of the steps.
    pub violations: Vec<(u32, S::Violation)>,
}

/// Runs a system along the schedule of a policy, for at most `step_count_max` steps.
///
/// `on_step` sees each step: the transitions that were possible, the one picked, and what the
/// step left in the monitor. The run stops at the first step that violates something.
pub fn simulate<S: TransitionSystem>(
    system: &S,
    policy: &mut impl Policy<S>,
    step_count_max: u32,
    mut on_step: impl FnMut(&[S::Transition], usize, &S::Monitor),
) -> Run<S> {
    let mut state = system.initial();
    let mut before = state.clone();
    let mut monitor = S::Monitor::default();
    let mut enabled = Vec::new();
    let mut found = Vec::new();
    let mut changed = S::Parts::NONE;
    for step in 0..step_count_max {
        enabled.clear();
        system.enabled(&state, &mut enabled);
        if enabled.is_empty() {
            return Run { state, ending: Ending::Rest, step_count: step, violations: Vec::new() };
        }
        let pick = policy.pick(system, &enabled);
        if system.is_checked() {
            system.copy(&mut before, &state, changed);
        }
        changed = system.step(&mut state, enabled[pick], &mut monitor);
        on_step(&enabled, pick, &monitor);
        policy.stepped(system, &monitor);
        system.check(&before, enabled[pick], &state, &monitor, &mut found);
        if !found.is_empty() {
            let violations = found.into_iter().map(|violation| (step, violation)).collect();
            return Run { state, ending: Ending::Rest, step_count: step + 1, violations };
        }
    }
    enabled.clear();
    system.enabled(&state, &mut enabled);
    let ending = if enabled.is_empty() { Ending::Rest } else { Ending::StepLimit };
    Run { state, ending, step_count: step_count_max, violations: Vec::new() }
}
