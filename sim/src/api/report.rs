//! What is said of a trace that is not explained.

use super::config::{Actor, Config, Move, Output, Stepper};
use super::progress::Progress;
use super::search::{Goal, Search};
use super::{End, Step};
use crate::describe::{apc_text, call_text, result_text};
use crate::state_text::{IN_USER_MODE, state_text};
use alertable_models::ids::ThreadId;
use alertable_models::machine::Model;
use alertable_models::program::{Place, Program};
use alertable_models::rule::RuleId;
use alertable_traces::call::Call;
use alertable_traces::trace::api::ApiEventKind;
use std::collections::{BTreeMap, BTreeSet};

/// The most steps that are made to find what would have been allowed.
const STEP_COUNT_MAX: u64 = 200_000;

/// Why an event of a trace is not explained.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many events before it are.
    pub explained_count: u64,
    /// The line of the event.
    pub line: u32,
    /// Its thread.
    pub thread: String,
    /// The event in words.
    pub event: String,
    /// What is wrong with it, in one sentence.
    pub message: String,
    /// What could have come instead.
    pub allowed: Vec<Allowed>,
    /// What the threads and objects are like, in one of the states that explain the events before.
    pub state: Vec<(String, String)>,
}

/// Something that could have come instead.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Allowed {
    /// What, in words.
    pub text: String,
    /// The rules that lead to it.
    pub rules: Vec<&'static str>,
}

impl Report {
    pub(super) fn new(stepper: &mut Stepper<'_>, end: &End) -> Self {
        let End { count, step: Step { thread, event, .. }, states, progress } = end;
        let program = &stepper.model.program;
        let name = program.thread_name(*thread).to_owned();
        let mismatch = mismatch(stepper.model, end);
        let state = states.first().map(|config| state_of(stepper.model, progress, config));
        let allowed = if mismatch.is_some() { Vec::new() } else { allowed(stepper, end) };
        let message = mismatch.unwrap_or_else(|| match allowed.as_slice() {
            [] => format!("{name} could not have got so far"),
            _ => "nothing that is allowed leads to it".to_owned(),
        });
        Report {
            explained_count: *count,
            line: event.line,
            thread: name,
            event: event_text(&event.what, progress.thread(*thread).call()),
            message,
            allowed,
            state: state.unwrap_or_default(),
        }
    }
}

/// The threads and objects of a state, and where the threads are in their programs.
fn state_of(model: &Model, progress: &Progress, config: &Config) -> Vec<(String, String)> {
    let mut state = state_text(&model.program, &config.machine);
    for thread in model.program.thread_ids() {
        let name = model.program.thread_name(thread);
        let Some(text) = place_text(model, progress, config, thread) else { continue };
        if let Some((_, line)) = state.iter_mut().find(|(other, _)| other == name) {
            *line = line.replacen(IN_USER_MODE, &text, 1);
        }
    }
    state
}

/// Where a thread in user mode is in its program.
fn place_text(
    model: &Model,
    progress: &Progress,
    config: &Config,
    thread: ThreadId,
) -> Option<String> {
    let told = progress.thread(thread);
    if let Some(output) = config.output(thread) {
        let output = output_text(output, &model.program)?;
        return Some(format!("{output}, which the trace has not told yet"));
    }
    Some(match model.place(&config.machine, thread) {
        Place::Call(call) => {
            let text = call_text(&model.program.call(call).source);
            if told.is_in_call() {
                format!("has called {text}, which has not taken effect")
            } else {
                format!("is about to call {text}")
            }
        }
        Place::RoutineEnd => "is at the end of its routine".to_owned(),
        Place::ThreadEnd => "is at its end".to_owned(),
        Place::Work | Place::Away | Place::Ended => return None,
    })
}

/// What has reached a thread, in words.
fn output_text(output: &Output, program: &Program) -> Option<String> {
    let result = output.result(program).map(|result| format!("returns {}", result_text(&result)));
    result.or_else(|| output.entry(program).map(|entry| format!("runs {}", apc_text(&entry))))
}

fn event_text(what: &ApiEventKind, call: Option<&Call>) -> String {
    match what {
        ApiEventKind::Return(result) => match call {
            Some(call) => format!("returns {} from {}", result_text(result), call_text(call)),
            None => format!("returns {}", result_text(result)),
        },
        ApiEventKind::Call(call) => format!("calls {}", call_text(call)),
        ApiEventKind::Apc(entry) => format!("runs {}", apc_text(entry)),
        ApiEventKind::ApcReturn => "returns from its routine".to_owned(),
        ApiEventKind::Started => "starts".to_owned(),
        ApiEventKind::Ending => "ends".to_owned(),
    }
}

/// Whether the scenario's program does something else here, and what.
fn mismatch(model: &Model, end: &End) -> Option<String> {
    let End { step: Step { thread, event, .. }, states, .. } = end;
    let thread = *thread;
    let mut steps = BTreeSet::new();
    for config in states {
        if config.output(thread).is_some() {
            return None;
        }
        let step = match model.place(&config.machine, thread) {
            Place::Call(call) => {
                let source = &model.program.call(call).source;
                if matches!(&event.what, ApiEventKind::Call(call) if call == source) {
                    return None;
                }
                format!("calls {} next", call_text(source))
            }
            Place::RoutineEnd if event.what == ApiEventKind::ApcReturn => return None,
            Place::RoutineEnd => "returns from its routine next".to_owned(),
            Place::ThreadEnd if event.what == ApiEventKind::Ending => return None,
            Place::ThreadEnd => "is at its end".to_owned(),
            Place::Work | Place::Away | Place::Ended => return None,
        };
        let is_step = matches!(
            event.what,
            ApiEventKind::Call(_) | ApiEventKind::ApcReturn | ApiEventKind::Ending
        );
        if !is_step {
            return None;
        }
        steps.insert(step);
    }
    let steps: Vec<String> = steps.into_iter().collect();
    let name = model.program.thread_name(thread);
    Some(format!("by the scenario, {name} {}", steps.join(" or ")))
}

/// What could have reached the thread instead of the event.
fn allowed(stepper: &mut Stepper<'_>, end: &End) -> Vec<Allowed> {
    let End { step: Step { thread, event, .. }, states, progress, .. } = end;
    let thread = *thread;
    let mut steps: Vec<(Config, Move)> = Vec::new();
    let goal = Goal::of(&event.what);
    let limit = stepper.step_count.saturating_add(STEP_COUNT_MAX);
    stepper.looks_beyond = true;
    let mut search = Search { stepper, progress, thread, goal };
    let mut seen = BTreeMap::new();
    search.full(states, limit, |config, moves| {
        let own = |chosen: &&Move| chosen.actor() == Actor::Thread(thread);
        steps.extend(moves.iter().filter(own).map(|chosen| (config.clone(), *chosen)));
        if config.output(thread).is_some() {
            seen.entry(config.fingerprint()).or_insert_with(|| config.clone());
        }
    });
    let mut allowed: BTreeMap<String, BTreeSet<RuleId>> = BTreeMap::new();
    let program = &stepper.model.program;
    let text = |config: &Config| output_text(config.output(thread)?, program);
    for config in seen.values() {
        if let Some(text) = text(config) {
            allowed.entry(text).or_default();
        }
    }
    for (config, chosen) in steps {
        let Ok((after, _)) = stepper.step(&config, chosen, progress) else { continue };
        if let Some(text) = text(&after) {
            let rules = stepper.rules(&config, chosen, progress);
            allowed.entry(text).or_default().extend(rules);
        }
    }
    stepper.looks_beyond = false;
    let entry = |(text, rules): (String, BTreeSet<RuleId>)| Allowed {
        text,
        rules: rules.into_iter().map(|rule| rule.rule().id).collect(),
    };
    allowed.into_iter().map(entry).collect()
}
