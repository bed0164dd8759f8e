//! What is said of a trace that is not explained.

use super::Session;
use super::config::{Actor, Config, Move};
use super::search::{Goal, Search};
use crate::describe::{apc_text, result_text};
use alertable_models::ids::ThreadId;
use alertable_models::program::Place;
use alertable_models::rule::RuleId;
use alertable_traces::trace::api::{ApiEvent, ApiEventKind};
use std::collections::{BTreeMap, BTreeSet};

/// Why an event of a trace is not explained.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many events before it are.
    pub explained_count: u64,
    /// The line of the event; 0 when a limit was met instead.
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
    /// For the search having met its limit.
    pub(super) fn at_limit(session: &Session<'_>) -> Self {
        Report {
            explained_count: session.count,
            line: 0,
            thread: String::new(),
            event: String::new(),
            message: "the search met its limit".to_owned(),
            allowed: Vec::new(),
            state: Vec::new(),
        }
    }

    pub(super) fn new(session: &mut Session<'_>, thread: ThreadId, event: &ApiEvent) -> Self {
        let program = &session.stepper.model.program;
        let name = program.thread_name(thread).to_owned();
        let mismatch = mismatch(session, thread, event);
        let allowed = if mismatch.is_some() { Vec::new() } else { allowed(session, thread, event) };
        let message = mismatch.unwrap_or_else(|| match allowed.as_slice() {
            [] => format!("{name} could not have got so far"),
            _ => "nothing that is allowed leads to it".to_owned(),
        });
        let state = session.states.first().map(|config| state_text(session, config));
        Report {
            explained_count: session.count,
            line: event.line,
            thread: name,
            event: event_text(&event.what),
            message,
            allowed,
            state: state.unwrap_or_default(),
        }
    }
}

fn event_text(what: &ApiEventKind) -> String {
    match what {
        ApiEventKind::Call(call) => format!("calls {}", crate::describe::call_text(call)),
        ApiEventKind::Return(result) => format!("returns {}", result_text(result)),
        ApiEventKind::Apc(entry) => format!("runs {}", apc_text(entry)),
        ApiEventKind::ApcReturn => "returns from its routine".to_owned(),
        ApiEventKind::Started => "starts".to_owned(),
        ApiEventKind::Ending => "ends".to_owned(),
    }
}

/// Whether the scenario's program does something else here, and what.
fn mismatch(session: &Session<'_>, thread: ThreadId, event: &ApiEvent) -> Option<String> {
    let model = session.stepper.model;
    let mut steps = BTreeSet::new();
    for config in &session.states {
        if config.output(thread).is_some() {
            return None;
        }
        let step = match model.place(&config.machine, thread) {
            Place::Call(call) => {
                let source = &model.program.call(call).source;
                if matches!(&event.what, ApiEventKind::Call(call) if call == source) {
                    return None;
                }
                format!("calls {} next", crate::describe::call_text(source))
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
fn allowed(session: &mut Session<'_>, thread: ThreadId, event: &ApiEvent) -> Vec<Allowed> {
    let mut steps: Vec<(Config, Move)> = Vec::new();
    let progress = session.progress.clone();
    let goal = Goal::of(&event.what);
    let states: Vec<Config> = session.states.clone();
    let mut search = Search { stepper: &mut session.stepper, progress: &progress, thread, goal };
    let mut seen = BTreeMap::new();
    search.full(&states, |config, moves| {
        let own = |chosen: &&Move| chosen.actor() == Actor::Thread(thread);
        steps.extend(moves.iter().filter(own).map(|chosen| (config.clone(), *chosen)));
        if config.output(thread).is_some() {
            seen.entry(config.fingerprint()).or_insert_with(|| config.clone());
        }
    });
    let mut allowed: BTreeMap<String, BTreeSet<RuleId>> = BTreeMap::new();
    let program = &session.stepper.model.program;
    let text = |config: &Config| {
        let output = config.output(thread)?;
        let result =
            output.result(program).map(|result| format!("returns {}", result_text(&result)));
        result.or_else(|| output.entry(program).map(|entry| format!("runs {}", apc_text(&entry))))
    };
    for config in seen.values() {
        if let Some(text) = text(config) {
            allowed.entry(text).or_default();
        }
    }
    for (config, chosen) in steps {
        let Some((after, _)) = session.stepper.step(&config, chosen, &progress) else { continue };
        if let Some(text) = text(&after) {
            let rules = session.stepper.rules(&config, chosen, &progress);
            allowed.entry(text).or_default().extend(rules);
        }
    }
    let entry = |(text, rules): (String, BTreeSet<RuleId>)| Allowed {
        text,
        rules: rules.into_iter().map(|rule| rule.rule().id).collect(),
    };
    allowed.into_iter().map(entry).collect()
}

/// The threads and objects of a state.
fn state_text(session: &Session<'_>, config: &Config) -> Vec<(String, String)> {
    crate::state_text::state_text(&session.stepper.model.program, &config.machine)
}
