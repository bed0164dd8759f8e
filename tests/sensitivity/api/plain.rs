//! A second way to find out whether a trace is allowed: every schedule of its scenario is tried,
//! by a search that knows nothing of how the checker searches. It does not look at times, and
//! whatever waits for its time may do so for as short or as long as it likes, so it says yes to
//! more.

use super::trace::{Accepted, Events};
use alertable_models::event::{Event, Observer};
use alertable_models::ids::ThreadId;
use alertable_models::io::port::Packet;
use alertable_models::machine::{Machine, Model, Settings, Time, Transition};
use alertable_models::outcome::apc_entry;
use alertable_models::parts::Parts;
use alertable_models::program::{Program, compile};
use alertable_traces::call::Call;
use alertable_traces::outcome::{ApcEntry, CallResult};
use alertable_traces::trace::api::{ApiEventKind, ApiReader};
use std::collections::HashSet;

/// The most states that are looked at.
const STATE_COUNT_MAX: usize = 100_000;

/// What each thread has to do, in its order.
type Duties = Vec<Vec<ApiEventKind>>;

/// What threads do in a step.
enum Deed {
    Call(Call),
    Return(CallResult),
    Routine(ApcEntry),
    RoutineEnd,
}

struct Deeds<'a> {
    program: &'a Program,
    received: Vec<Packet>,
    done: Vec<(ThreadId, Deed)>,
}

impl Observer for Deeds<'_> {
    fn event(&mut self, event: Event) {
        let program = self.program;
        match event {
            Event::Received { packet, .. } => self.received.push(packet),
            Event::Call { thread, call } => {
                self.done.push((thread, Deed::Call(program.call(call).source.clone())));
            }
            Event::Return { thread, call, result } => {
                let packets = std::mem::take(&mut self.received);
                let result = program.call(call).convention.result(program, result, &packets);
                self.done.push((thread, Deed::Return(result)));
            }
            Event::ApcEntered { thread, kapc, result } => {
                self.done.push((thread, Deed::Routine(apc_entry(program, kapc, result))));
            }
            Event::ApcReturned { thread, .. } => self.done.push((thread, Deed::RoutineEnd)),
            _ => {}
        }
    }
}

impl Deed {
    fn is(&self, duty: &ApiEventKind) -> bool {
        match (self, duty) {
            (Deed::Call(call), ApiEventKind::Call(wanted)) => call == wanted,
            (Deed::Return(result), ApiEventKind::Return(wanted)) => wanted.matches(result),
            (Deed::Routine(entry), ApiEventKind::Apc(wanted)) => wanted.matches(entry),
            (Deed::RoutineEnd, ApiEventKind::ApcReturn) => true,
            _ => false,
        }
    }
}

fn duties(model: &Model, trace: &str) -> Duties {
    let mut reader = ApiReader::new(trace.as_bytes(), None).unwrap();
    let mut duties: Duties = model.program.thread_ids().map(|_| Vec::new()).collect();
    while let Some(event) = reader.next_event().unwrap() {
        let thread = model.program.thread_named(&reader.threads()[event.thread]).unwrap();
        match event.what {
            ApiEventKind::Started | ApiEventKind::Ending => {}
            what => duties[thread.index()].push(what),
        }
    }
    for duties in &mut duties {
        // What was about to happen when the trace ended need not have happened.
        while duties.last().is_some_and(ApiEventKind::is_intent) {
            duties.pop();
        }
    }
    duties
}

/// The same, with routines of special user APCs before the call after which a thread wrote them
/// down. They may interrupt a thread between writing a call down and making it, which is one step
/// in a simulated run.
fn interrupted_before_calls(duties: &Duties) -> Duties {
    let special: HashSet<&str> = duties
        .iter()
        .flatten()
        .filter_map(|duty| match duty {
            ApiEventKind::Call(Call::QueueUserApc2 { routine, .. }) => Some(routine.as_str()),
            _ => None,
        })
        .collect();
    let is_special = |duty: &ApiEventKind| match duty {
        ApiEventKind::Apc(entry) => special.contains(entry.routine.as_str()),
        _ => false,
    };
    let mut duties = duties.clone();
    for duties in &mut duties {
        for at in 0..duties.len().saturating_sub(1) {
            if !matches!(duties[at], ApiEventKind::Call(_)) || !is_special(&duties[at + 1]) {
                continue;
            }
            let mut depth = 0;
            let length = duties[at + 1..].iter().take_while(|duty| {
                let is_inside = depth > 0 || is_special(duty);
                match duty {
                    ApiEventKind::Apc(_) if is_inside => depth += 1,
                    ApiEventKind::ApcReturn if is_inside => depth -= 1,
                    _ => {}
                }
                is_inside
            });
            let length = length.count();
            duties[at..=at + length].rotate_left(1);
        }
    }
    duties
}

/// Whether some schedule of the scenario lets every thread do what the trace says.
pub(super) fn is_a_schedule(trace: &Accepted, events: &Events) -> bool {
    let model = model(trace);
    let duties = duties(&model, &trace.document(events));
    is_done_by_some(&model, &duties) || is_done_by_some(&model, &interrupted_before_calls(&duties))
}

fn model(trace: &Accepted) -> Model {
    let program = compile(&trace.scenario).unwrap().traced();
    let processors = trace.scenario.machine.processors.unwrap_or(2);
    let settings = Settings { deviations: trace.deviations, processors, time: Time::Free };
    Model { program, settings }
}

fn is_done_by_some(model: &Model, duties: &Duties) -> bool {
    let first = model.initial();
    let mut stack = vec![(first, vec![0_usize; duties.len()])];
    let mut seen = HashSet::new();
    let mut enabled: Vec<Transition> = Vec::new();
    let mut waiting = Vec::new();
    while let Some((machine, done)) = stack.pop() {
        if done.iter().zip(duties).all(|(done, duties)| *done >= duties.len()) {
            return true;
        }
        if seen.len() > STATE_COUNT_MAX {
            return false;
        }
        enabled.clear();
        waiting.clear();
        model.enabled(&machine, &mut enabled);
        model.not_due(&machine, &mut waiting);
        enabled.retain(|transition| *transition != Transition::PassTime);
        enabled.extend(waiting.iter().map(|(transition, _)| *transition));
        for transition in &enabled {
            let Some((mut after, done)) = follow(model, &machine, *transition, duties, &done)
            else {
                continue;
            };
            if seen.insert((after.fingerprint(Parts::ALL), done.clone())) {
                stack.push((after, done));
            }
        }
    }
    false
}

/// A step, if what threads do in it is what they have to do next.
fn follow(
    model: &Model,
    machine: &Machine,
    transition: Transition,
    duties: &Duties,
    done: &[usize],
) -> Option<(Machine, Vec<usize>)> {
    let mut after = machine.clone();
    after.make_due(transition);
    let program = &model.program;
    let mut deeds = Deeds { program, received: Vec::new(), done: Vec::new() };
    model.step(&mut after, transition, &mut deeds);
    let mut done = done.to_vec();
    for (thread, deed) in deeds.done {
        let at = &mut done[thread.index()];
        // Beyond the end of the trace anything may have been done.
        if duties[thread.index()].get(*at).is_some_and(|duty| !deed.is(duty)) {
            return None;
        }
        *at = (*at + 1).min(duties[thread.index()].len());
    }
    Some((after, done))
}
