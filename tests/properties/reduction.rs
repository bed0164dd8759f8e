//! What must hold of searches that leave schedules out: they find what the search of every
//! schedule finds.

use crate::walk::model;
use alertable::engine::explore::{Control, Limits, Stop};
use alertable::executions::executions_of;
use alertable::exploration::{Exploration, Reduction, explore_model};
use alertable_models::deviation::Deviations;
use alertable_models::machine::{Model, Time};
use alertable_traces::outcome::Outcome;
use alertable_traces::scenario::Scenario;
use alertable_traces::{read_scenario, scenario_to_json};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Larger scenarios are left out: half an exploration compares with nothing.
const STATE_COUNT_MAX: u64 = 600;

/// The scenario with states that come to the same: no result is kept, the first `copies` of the
/// threads that nobody names are there twice more, and routines do nothing.
pub(crate) fn with_like_states(scenario: &Scenario, copies: usize, empty: bool) -> Scenario {
    let mut document: Value = serde_json::from_str(&scenario_to_json(scenario)).unwrap();
    forget_labels(&mut document);
    document.as_object_mut().unwrap().remove("expect");
    if empty && let Some(routines) = document.get_mut("routines").and_then(Value::as_object_mut) {
        routines.values_mut().for_each(|steps| *steps = json!([]));
    }
    let threads = document["threads"].as_object_mut().unwrap();
    let names: Vec<String> = threads.keys().take(copies).cloned().collect();
    for name in names {
        let steps = threads[&name].clone();
        threads.insert(format!("{name}-again"), steps.clone());
        threads.insert(format!("{name}-once-more"), steps);
    }
    read_scenario(&document.to_string(), None).unwrap()
}

/// The scenario with endless loops around the steps of some threads, by the bits of `loops`: no
/// result is kept, so that states come back.
pub(crate) fn with_endless_loops(scenario: &Scenario, loops: u8) -> Scenario {
    let mut document: Value = serde_json::from_str(&scenario_to_json(scenario)).unwrap();
    forget_labels(&mut document);
    document.as_object_mut().unwrap().remove("expect");
    let threads = document["threads"].as_object_mut().unwrap();
    for (at, (_, thread)) in threads.iter_mut().enumerate() {
        // Some of what a thread does comes before its loop.
        let steps = match thread {
            Value::Array(steps) => steps,
            thread => thread["steps"].as_array_mut().unwrap(),
        };
        if loops >> at & 1 != 0 && !steps.is_empty() {
            let body = steps.split_off(usize::from(loops >> 4) % steps.len());
            steps.push(json!({ "repeat": "INFINITE", "steps": body }));
        }
    }
    read_scenario(&document.to_string(), None).unwrap()
}

/// The scenario with threads that differ in their labels alone: the first `copies` of the threads
/// are there once more each, with results of their own.
pub(crate) fn with_copies(scenario: &Scenario, copies: usize) -> Scenario {
    let mut document: Value = serde_json::from_str(&scenario_to_json(scenario)).unwrap();
    document.as_object_mut().unwrap().remove("expect");
    let threads = document["threads"].as_object_mut().unwrap();
    let names: Vec<String> = threads.keys().take(copies).cloned().collect();
    for name in names {
        let mut steps = threads[&name].clone();
        rename_labels(&mut steps);
        threads.insert(format!("{name}-again"), steps);
    }
    read_scenario(&document.to_string(), None).unwrap()
}

fn rename_labels(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            if let Some(Value::String(label)) = fields.get_mut("as") {
                label.push_str("-again");
            }
            fields.values_mut().for_each(rename_labels);
        }
        Value::Array(items) => items.iter_mut().for_each(rename_labels),
        _ => {}
    }
}

fn forget_labels(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            if fields.contains_key("call") {
                fields.remove("as");
            }
            fields.values_mut().for_each(forget_labels);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_labels),
        _ => {}
    }
}

/// As [`compare`], of models that do not remember what was seen: only how the threads end and
/// what is in the status blocks is compared.
pub(crate) fn compare_ends(plain: &Model, reduced: &Model) -> Result<Option<(u64, u64)>, String> {
    let forgetful = |model: &Model| Model {
        program: model.program.clone().without_history(),
        settings: model.settings,
    };
    let ends = |found: &mut Found| {
        let bare = |outcome: &Outcome| {
            let (labels, apcs) = Default::default();
            Outcome { labels, apcs, ..outcome.clone() }
        };
        let ends: BTreeSet<Outcome> = found.outcomes.iter().map(bare).collect();
        found.outcomes = ends.into_iter().collect();
        found.deadlocks.clear();
    };
    compare_with(&forgetful(plain), &forgetful(reduced), ends)
}

/// What an exploration finds.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    outcomes: Vec<Outcome>,
    deadlocks: BTreeSet<(usize, String)>,
    broken: BTreeSet<&'static str>,
}

/// Every schedule, or those that differ; nothing when there are too many.
fn explored(model: &Model, reduction: Reduction) -> Option<(Found, Exploration)> {
    let limits = Limits { state_count_max: STATE_COUNT_MAX, ..Limits::default() };
    let found = explore_model(model, None, reduction, &limits, &Control::default(), None);
    let broken = found.findings.iter().map(|finding| finding.invariant.id).collect();
    found.coverage.stop.is_none().then(|| {
        let (outcomes, deadlocks) = (found.outcomes.clone(), found.deadlocks.clone());
        (Found { outcomes, deadlocks, broken }, found)
    })
}

/// How many states both searches of a model took, if all was covered; an error if they found
/// different things.
pub(crate) fn compare(plain: &Model, reduced: &Model) -> Result<Option<(u64, u64)>, String> {
    compare_with(plain, reduced, |_| {})
}

fn compare_with(
    plain: &Model,
    reduced: &Model,
    strip: impl Fn(&mut Found),
) -> Result<Option<(u64, u64)>, String> {
    let Some((mut expected, all)) = explored(plain, Reduction::None) else { return Ok(None) };
    let (mut found, fewer) = explored(reduced, Reduction::Persistent)
        .ok_or("the search of fewer schedules has more states")?;
    strip(&mut expected);
    strip(&mut found);
    let counts = (all.coverage.state_count, fewer.coverage.state_count);
    if counts.0 < counts.1 {
        return Err(format!("{} states instead of {}", counts.1, counts.0));
    }
    if found == expected {
        return Ok(Some(counts));
    }
    Err(format!("{:?}: {found:?} instead of {expected:?}", plain.settings.time))
}

/// The two models of a scenario, in urgent and in free time.
pub(crate) fn in_both_times(
    scenario: &Scenario,
    of_plain: Deviations,
    of_reduced: Deviations,
) -> Result<[(Model, Model); 2], String> {
    let (plain, reduced) = (model(scenario, of_plain)?, model(scenario, of_reduced)?);
    Ok([Time::Urgent, Time::Free].map(|time| {
        let mut models = (plain.clone(), reduced.clone());
        (models.0.settings.time, models.1.settings.time) = (time, time);
        models
    }))
}

/// A search that leaves schedules out finds the same as the search of every schedule.
pub(crate) fn reduction_is_exact(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    for (plain, reduced) in in_both_times(scenario, Deviations::NONE, deviations)? {
        compare(&plain, &reduced)?;
    }
    Ok(())
}

/// Executions that differ are not fewer than outcomes, and come to all of these.
pub(crate) fn executions_come_to_every_outcome(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    for (plain, other) in in_both_times(scenario, Deviations::NONE, deviations)? {
        let Some((expected, _)) = explored(&plain, Reduction::None) else { continue };
        let limits = Limits::default();
        let (found, outcomes) = executions_of(&other, &limits, &Control::default());
        if found.stop == Some(Stop::Steps) {
            // A timer that ticks for ever: some schedule has no end.
            continue;
        }
        if found.stop.is_some() || outcomes.into_iter().collect::<Vec<_>>() != expected.outcomes {
            return Err(format!("{found:?} instead of {:?}", expected.outcomes));
        }
        if found.complete < expected.outcomes.len() as u128 {
            return Err(format!("{found:?} are fewer than outcomes"));
        }
    }
    Ok(())
}
