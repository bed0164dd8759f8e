//! What must hold of the tool: runs, traces and explorations agree with each other.
//!
//! Each property looks at a scenario in two ways, one of them always without deviations. Under
//! a deviation the two have to be found different, which shows that the comparison sees
//! something.

use crate::walk::{Step, Watcher, model, walk};
use alertable::engine::explore::{Control, Limits};
use alertable::exploration::{Exploration, Reduction, Verdict, explore_model};
use alertable::replay::{Replay, replay_file};
use alertable::run::{PolicyName, Run, RunOptions, Schedule, run_model};
use alertable_models::deviation::Deviations;
use alertable_models::machine::{Model, Settings, Time};
use alertable_models::outcome::outcome_of;
use alertable_traces::call::{Call, Timeout};
use alertable_traces::outcome::Outcome;
use alertable_traces::scenario::{CallStep, Scenario, Start, Step as ScenarioStep, Thread};
use std::collections::BTreeSet;
use std::path::Path;

const POLICIES: [PolicyName; 3] = [PolicyName::Random, PolicyName::Pct, PolicyName::RoundRobin];

/// How many runs are made with each policy.
const SEED_COUNT: u64 = 4;

/// Larger scenarios are left out: half an exploration compares with nothing.
const STATE_COUNT_MAX: u64 = 4_000;

fn run(
    scenario: &Scenario,
    deviations: Deviations,
    policy: PolicyName,
    seed: u64,
) -> Result<Run, String> {
    let schedule = Schedule::Policy { policy, seed };
    let options = RunOptions { schedule, step_count_max: 10_000, with_trace: true };
    let run = run_model(&model(scenario, deviations)?, scenario, &options);
    run.map_err(|error| error.to_string())
}

/// What an exploration finds; none when there are too many states.
fn explored(model: &Model, worker_count: usize) -> Option<Exploration> {
    explored_by(model, Reduction::Persistent, worker_count)
}

fn explored_by(model: &Model, reduction: Reduction, worker_count: usize) -> Option<Exploration> {
    let limits = Limits { state_count_max: STATE_COUNT_MAX, worker_count, ..Limits::default() };
    let found = explore_model(model, None, reduction, &limits, &Control::default(), None);
    found.coverage.stop.is_none().then_some(found)
}

fn outcomes(model: &Model) -> Option<BTreeSet<Outcome>> {
    Some(explored(model, 1)?.outcomes.into_iter().collect())
}

/// Sets that should be equal, or the first one a part of the second.
fn compare(one: &BTreeSet<Outcome>, other: &BTreeSet<Outcome>, equal: bool) -> Result<(), String> {
    if let Some(outcome) = one.difference(other).next() {
        return Err(format!("only the first has {outcome:?}"));
    }
    match other.difference(one).next() {
        Some(outcome) if equal => Err(format!("only the second has {outcome:?}")),
        _ => Ok(()),
    }
}

/// The outcome of every run is among those that the exploration found.
pub(crate) fn runs_are_explored(scenario: &Scenario, deviations: Deviations) -> Result<(), String> {
    let Some(explored) = outcomes(&model(scenario, Deviations::NONE)?) else { return Ok(()) };
    for policy in POLICIES {
        for seed in 0..SEED_COUNT {
            let run = run(scenario, deviations, policy, seed)?;
            let name = policy.name();
            if !explored.contains(&run.outcome) {
                return Err(format!("`{name}` with seed {seed} led to {:?}", run.outcome));
            }
        }
    }
    Ok(())
}

/// No step of any schedule breaks an invariant.
pub(crate) fn invariants_hold(scenario: &Scenario, deviations: Deviations) -> Result<(), String> {
    let found = explored(&model(scenario, deviations)?, 1);
    let finding = found.as_ref().and_then(|found| found.findings.first());
    finding.map_or(Ok(()), |finding| Err(format!("{}: {}", finding.invariant.id, finding.message)))
}

/// What a trace says after its header, which names the deviations.
fn events(trace: &[u8]) -> &[u8] {
    let header = trace.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    &trace[header..]
}

/// The same seed gives the same trace.
pub(crate) fn same_seed_same_trace(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    for policy in POLICIES {
        for seed in 0..SEED_COUNT {
            let first = run(scenario, Deviations::NONE, policy, seed)?.trace.unwrap_or_default();
            let second = run(scenario, deviations, policy, seed)?.trace.unwrap_or_default();
            let same_header = !deviations.is_empty() || first == second;
            if events(&first) != events(&second) || !same_header {
                return Err(format!("`{}` with seed {seed} gave two traces", policy.name()));
            }
        }
    }
    Ok(())
}

/// Every seed gives the same trace: not a property, but what the one above has to rule out.
pub(crate) fn any_seed_same_trace(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let of = |seed| run(scenario, deviations, PolicyName::Random, seed).map(|run| run.trace);
    let (one, other) = (of(1)?.unwrap_or_default(), of(2)?.unwrap_or_default());
    let same = events(&one) == events(&other);
    if same { Ok(()) } else { Err("two seeds gave two traces".to_owned()) }
}

fn replayed(trace: &[u8]) -> Result<Replay, String> {
    // Tests run side by side, each in a thread that has its name.
    let test = std::thread::current().name().unwrap_or("properties").replace("::", "-");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).with_extension("jsonl");
    std::fs::write(&file, trace).map_err(|error| error.to_string())?;
    replay_file(&file).map_err(|error| error.to_string())
}

/// The replay of a trace, in whose header no deviation is left, reproduces it byte for byte.
pub(crate) fn replay_reproduces(scenario: &Scenario, deviations: Deviations) -> Result<(), String> {
    for policy in POLICIES {
        let trace = run(scenario, deviations, policy, 7)?.trace.unwrap_or_default();
        let mut text = String::from_utf8(trace).map_err(|error| error.to_string())?;
        for deviation in deviations.iter() {
            text = text.replacen(&format!("\"{}\"", deviation.entry().id), "", 1);
        }
        let event_count = text.lines().count() as u64 - 1;
        let replay = replayed(text.as_bytes())?;
        if replay != (Replay::Same { event_count }) {
            return Err(format!("a trace of `{}`: {replay:?}", policy.name()));
        }
    }
    Ok(())
}

/// A trace that was changed after its header is not taken for what happened: without any one of
/// its lines, with any one of them twice, with a bit turned, or with another choice picked.
pub(crate) fn changed_traces_are_refused(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let trace = run(scenario, deviations, PolicyName::Random, 3)?.trace.unwrap_or_default();
    let lines: Vec<&[u8]> = trace.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 1..lines.len() {
        let (before, after) = (lines[..at].concat(), lines[at + 1..].concat());
        let line = lines[at];
        let mut turned = line.to_vec();
        turned[at % (line.len() - 1)] ^= 1;
        let text = String::from_utf8_lossy(line);
        let (picked, not_picked) = ("\"picked\":0", "\"picked\":1");
        let picked = text.replace(picked, "\"picked\":2").replace(not_picked, picked);
        let changes =
            [Vec::new(), [line, line].concat(), turned, picked.replace(":2", ":1").into_bytes()];
        for change in changes.into_iter().filter(|change| change != line) {
            let changed = [&before[..], &change, &after].concat();
            if let Ok(Replay::Same { .. }) = replayed(&changed) {
                let change = String::from_utf8_lossy(&change);
                return Err(format!("line {} can as well be {change:?}", at + 1));
            }
        }
    }
    Ok(())
}

/// Two workers find what one does.
pub(crate) fn workers_agree(scenario: &Scenario, deviations: Deviations) -> Result<(), String> {
    let Some(one) = explored(&model(scenario, Deviations::NONE)?, 1) else { return Ok(()) };
    let two = explored(&model(scenario, deviations)?, 2).ok_or("two workers find more")?;
    let counts =
        |found: &Exploration| (found.coverage.state_count, found.coverage.transition_count);
    if counts(&one) != counts(&two) || one.outcomes != two.outcomes {
        return Err(format!("one worker: {one:?}\ntwo workers: {two:?}"));
    }
    Ok(())
}

#[derive(Clone)]
struct Nobody;

impl Watcher for Nobody {
    fn new(_: &Model) -> Self {
        Nobody
    }

    fn step(&mut self, _: &Step<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// The engine, which keeps fingerprints, finds what a search that keeps whole states does.
pub(crate) fn exploration_is_exact(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let exact_model = model(scenario, Deviations::NONE)?;
    let exact = walk::<Nobody>(&exact_model, STATE_COUNT_MAX as usize)?;
    let model = model(scenario, deviations)?;
    let Some(found) = explored_by(&model, Reduction::None, 1) else { return Ok(()) };
    if !exact.complete {
        return Ok(());
    }
    let counts = (found.coverage.state_count, found.coverage.transition_count);
    if counts != (exact.state_count, exact.transition_count) {
        let expected = (exact.state_count, exact.transition_count);
        return Err(format!("{counts:?} states and transitions, not {expected:?}"));
    }
    let ends = exact.ends.iter().map(|way| outcome_of(&exact_model, way, false)).collect();
    compare(&ends, &found.outcomes.into_iter().collect(), true)
}

/// Steps are as large as nobody can look inside; somebody who could, but never comes, changes
/// no outcome. Results of several threads under one label are compared without their order: with
/// an onlooker a thread can be stopped between a call and its result.
pub(crate) fn absent_onlookers_change_nothing(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let mut watched = scenario.clone();
    let mut steps = Vec::new();
    for thread in scenario.threads.keys().cloned() {
        let (object, ms) = (thread.clone(), Timeout::Finite(0));
        let calls = [
            Call::SuspendThread { thread: thread.clone() },
            Call::NtAlertThread { thread },
            Call::WaitForSingleObject { object, ms },
        ];
        let label = |call: &Call| Some(format!("absent-{}", call.name()));
        let step = |call: Call| ScenarioStep::Call(CallStep { label: label(&call), call });
        steps.extend(calls.into_iter().map(step));
    }
    let onlooker = Thread { start: Start::Later, ..Thread::of(steps) };
    watched.threads.insert("absent".to_owned(), onlooker);
    let plain = outcomes(&model(scenario, Deviations::NONE)?);
    let with_onlooker = outcomes(&model(&watched, deviations)?);
    match (plain, with_onlooker) {
        (Some(plain), Some(with_onlooker)) => {
            let unordered = |mut outcome: Outcome| {
                outcome.labels.values_mut().for_each(|results| results.sort());
                outcome
            };
            let of = |outcomes: BTreeSet<Outcome>| outcomes.into_iter().map(unordered).collect();
            compare(&of(plain), &of(with_onlooker), true)
        }
        _ => Ok(()),
    }
}

/// What keeps no results leads to the same outcomes, but for the results.
pub(crate) fn labels_only_show(scenario: &Scenario, deviations: Deviations) -> Result<(), String> {
    let mut unlabelled = scenario.clone();
    let of_threads = unlabelled.threads.values_mut().map(|thread| &mut thread.steps);
    for step in of_threads.chain(unlabelled.routines.values_mut()).flatten() {
        if let ScenarioStep::Call(step) = step {
            step.label = None;
        }
    }
    let labelled = outcomes(&model(scenario, Deviations::NONE)?);
    let unlabelled = outcomes(&model(&unlabelled, deviations)?);
    let (Some(labelled), Some(unlabelled)) = (labelled, unlabelled) else { return Ok(()) };
    let without = |mut outcome: Outcome| {
        outcome.labels.clear();
        outcome
    };
    compare(&labelled.into_iter().map(without).collect(), &unlabelled, true)
}

/// What one processor in urgent time can do, others can in any time.
pub(crate) fn freer_machines_do_more(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let with = |deviations, processors, time| {
        let model = model(scenario, deviations)?;
        let settings = Settings { processors, time, ..model.settings };
        Ok::<_, String>(outcomes(&Model { settings, ..model }))
    };
    let narrow = with(deviations, 1, Time::Urgent)?;
    for (processors, time) in [(2, Time::Urgent), (1, Time::Free)] {
        let wide = with(Deviations::NONE, processors, time)?;
        if let (Some(narrow), Some(wide)) = (&narrow, wide) {
            compare(narrow, &wide, false)?;
        }
    }
    Ok(())
}

/// The order in which threads, objects and routines are declared changes no outcome.
pub(crate) fn order_does_not_matter(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let mut reversed = scenario.clone();
    reversed.threads.reverse();
    reversed.objects.reverse();
    reversed.routines.reverse();
    let plain = outcomes(&model(scenario, deviations)?);
    let reversed = outcomes(&model(&reversed, deviations)?);
    match (plain, reversed) {
        (Some(plain), Some(reversed)) => compare(&plain, &reversed, true),
        _ => Ok(()),
    }
}

/// The expectations of a scenario are met.
pub(crate) fn expectations_are_met(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let expectations = scenario.expect.as_ref();
    let model = model(scenario, deviations)?;
    let found = explore_model(
        &model,
        expectations,
        Reduction::Persistent,
        &Limits::default(),
        &Control::default(),
        None,
    );
    if found.verdict == Verdict::Met { Ok(()) } else { Err(format!("{:?}", found.failures)) }
}
