//! Walking every transition of a scenario with something that watches.
//!
//! A search of its own, beside the engine's: it keeps whole states, not their fingerprints, and
//! hands each transition to a watcher that remembers the way there. Only the first way to a
//! state is followed further, but every transition is seen.

use alertable_models::deviation::Deviations;
use alertable_models::event::{Event, Observer};
use alertable_models::machine::{Machine, Model, Settings, Time, Transition};
use alertable_models::program::compile;
use alertable_traces::scenario::{Scenario, TimeMode};
use std::collections::HashSet;

/// The model of a scenario under deviations.
pub(crate) fn model(scenario: &Scenario, deviations: Deviations) -> Result<Model, String> {
    let program = compile(scenario).map_err(|error| error.to_string())?;
    let time = match scenario.machine.time {
        Some(TimeMode::Free) => Time::Free,
        Some(TimeMode::Urgent) | None => Time::Urgent,
    };
    let processors = scenario.machine.processors.unwrap_or(2);
    Ok(Model { program, settings: Settings { deviations, processors, time } })
}

/// A step, as a watcher sees it.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) model: &'a Model,
    pub(crate) before: &'a Machine,
    pub(crate) events: &'a [Event],
    pub(crate) after: &'a Machine,
}

/// Watches one run and says what is wrong with it.
pub(crate) trait Watcher: Clone {
    /// Before the first step.
    fn new(model: &Model) -> Self;

    /// A step was made.
    fn step(&mut self, step: &Step<'_>) -> Result<(), String>;

    /// Nothing is possible any more.
    fn rest(&self, model: &Model, state: &Machine) -> Result<(), String> {
        let _ = (model, state);
        Ok(())
    }
}

/// What a walk covered.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) state_count: u64,
    pub(crate) transition_count: u64,
    /// A way to each state at rest.
    pub(crate) ends: Vec<Vec<Transition>>,
    /// Whether that is all there is.
    pub(crate) complete: bool,
}

/// The most states that a walk covers; what lies beyond is left out.
pub(crate) const STATE_COUNT_MAX: usize = 1_000;

/// The most steps of one way.
const STEP_COUNT_MAX: usize = 400;

#[derive(Default)]
struct Events(Vec<Event>);

impl Observer for Events {
    fn event(&mut self, event: Event) {
        self.0.push(event);
    }
}

/// A state on the way and what is still to be tried from it.
struct Place<W> {
    state: Machine,
    watcher: W,
    transitions: Vec<Transition>,
}

/// Watches all transitions of a scenario.
pub(crate) fn watch<W: Watcher>(scenario: &Scenario, deviations: Deviations) -> Result<(), String> {
    walk::<W>(&model(scenario, deviations)?, STATE_COUNT_MAX).map(|_| ())
}

/// Walks up to `state_count_max` states of a model.
#[allow(clippy::mutable_key_type, reason = "what was looked at is no part of a state's value")]
pub(crate) fn walk<W: Watcher>(model: &Model, state_count_max: usize) -> Result<Walk, String> {
    let initial = model.initial();
    let mut walk = Walk { complete: true, ..Walk::default() };
    let mut visited = HashSet::from([initial.clone()]);
    let mut way = Vec::new();
    let mut places = Vec::new();
    let watcher = W::new(model);
    enter(model, &mut walk, &way, initial, watcher, &mut places)?;
    while let Some(place) = places.last_mut() {
        let Some(transition) = place.transitions.pop() else {
            places.pop();
            way.pop();
            continue;
        };
        let mut events = Events::default();
        let mut after = place.state.clone();
        model.step(&mut after, transition, &mut events);
        walk.transition_count += 1;
        way.push(transition);
        let mut watcher = place.watcher.clone();
        let step = Step { model, before: &place.state, events: &events.0, after: &after };
        watcher.step(&step).map_err(|message| format!("{message}\nafter {way:?}"))?;
        let full = visited.len() >= state_count_max || way.len() >= STEP_COUNT_MAX;
        if visited.contains(&after) || full {
            walk.complete &= visited.contains(&after);
            way.pop();
        } else {
            visited.insert(after.clone());
            enter(model, &mut walk, &way, after, watcher, &mut places)?;
        }
    }
    walk.state_count = visited.len() as u64;
    Ok(walk)
}

/// Arrives at a new state.
fn enter<W: Watcher>(
    model: &Model,
    walk: &mut Walk,
    way: &[Transition],
    state: Machine,
    watcher: W,
    places: &mut Vec<Place<W>>,
) -> Result<(), String> {
    let mut transitions = Vec::new();
    model.enabled(&state, &mut transitions);
    if transitions.is_empty() {
        watcher
            .rest(model, &state)
            .map_err(|message| format!("{message}\nat rest after {way:?}"))?;
        walk.ends.push(way.to_vec());
    }
    places.push(Place { state, watcher, transitions });
    Ok(())
}
