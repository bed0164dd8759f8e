//! Full traces: every step of a run, with every choice it made.

use crate::describe::transition_name;
use crate::run::{PCT_DEPTH, PCT_STEP_COUNT, PolicyName, RunOptions, Schedule};
use alertable_models::event::{
    DpcChange, Event, FileChange, IoResult, IrpChange, KapcChange, ObjectChange, PacketChange,
    ThreadChange, TimerChange,
};
use alertable_models::ids::{IrpId, RequestId, ThreadId};
use alertable_models::io::port::{Packet, PacketValue};
use alertable_models::ke::apc::Kapc;
use alertable_models::ke::kapc::KernelApc;
use alertable_models::machine::{Model, Time, Transition};
use alertable_models::outcome::apc_entry;
use alertable_models::program::Program;
use alertable_traces::outcome::ApcEntry;
use alertable_traces::scenario::Scenario;
use alertable_traces::trace::{
    ApcKind, DpcEvent, EventKind, IrpEvent, KapcEvent, Level, ObjectEvent, PacketEvent,
    ProcessorMode, ThreadEvent, TimerEvent, TraceEvent, TraceHeader, TraceWriter,
};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::io::{self, Write};

/// The name of this simulator in the `source` of its traces.
pub const SYSTEM: &str = "alertable";

/// The version of this simulator in the `source` of its traces.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a traced run was made: what the `source` of its header says.
#[derive(Clone, PartialEq, Debug)]
pub struct TraceSettings {
    source: Map<String, Value>,
}

impl TraceSettings {
    /// What a run's options and model say.
    pub fn new(model: &Model, options: &RunOptions) -> Self {
        let settings = &model.settings;
        let deviations: Vec<&str> = settings.deviations.iter().map(|d| d.entry().id).collect();
        let time = match settings.time {
            Time::Urgent => "urgent",
            Time::Free => "free",
        };
        let mut source = json!({
            "system": SYSTEM,
            "version": VERSION,
            "deviations": deviations,
            "processors": settings.processors,
            "time": time,
            "step_limit": options.step_count_max,
        });
        match &options.schedule {
            Schedule::Policy { policy, seed } => {
                source["policy"] = json!(policy.name());
                source["seed"] = json!(seed);
                if *policy == PolicyName::Pct {
                    source["depth"] = json!(PCT_DEPTH);
                    source["steps"] = json!(PCT_STEP_COUNT);
                }
            }
            Schedule::Picks(_) => source["policy"] = json!("given"),
        }
        match source {
            Value::Object(source) => TraceSettings { source },
            _ => unreachable!("it was made as an object"),
        }
    }

    /// What the header of a trace says.
    pub(crate) fn of_header(header: &TraceHeader) -> Self {
        TraceSettings { source: header.source.clone() }
    }
}

/// Writes the trace of a run, step by step.
#[derive(Debug)]
pub struct Tracer<'a, W: Write> {
    program: &'a Program,
    writer: TraceWriter<W>,
    /// The names of all transitions seen so far.
    names: Vec<(Transition, String)>,
    /// For each thread, the number of the event of each call that it is in, the innermost last.
    open_calls: Vec<Vec<u64>>,
    /// For each thread, the routines that it is in, the innermost last.
    open_apcs: Vec<Vec<ApcEntry>>,
    /// The numbers of the request packets that exist.
    irps: Vec<(IrpId, u64)>,
    /// How many request packets there have been.
    irp_count: u64,
    /// The packets of the call that is about to return.
    received: Vec<Packet>,
    next: u64,
    time_ns: u64,
    error: Option<io::Error>,
}

const NANOSECONDS_PER_MS: u64 = 1_000_000;

impl<'a, W: Write> Tracer<'a, W> {
    /// Writes the header.
    pub fn new(model: &'a Model, scenario: &Scenario, settings: &TraceSettings, writer: W) -> Self {
        let header = TraceHeader {
            level: Level::Full,
            source: settings.source.clone(),
            scenario: Some(scenario.clone()),
        };
        let program = &model.program;
        match TraceWriter::new(writer, &header) {
            Ok(writer) => Tracer {
                program,
                writer,
                names: Vec::new(),
                open_calls: vec![Vec::new(); program.thread_ids().count()],
                open_apcs: vec![Vec::new(); program.thread_ids().count()],
                irps: Vec::new(),
                irp_count: 0,
                received: Vec::new(),
                next: 0,
                time_ns: 0,
                error: None,
            },
            Err(error) => unreachable!("writers of traces keep their errors: {error}"),
        }
    }

    /// Writes a step: the choice, where there was one, and what happened.
    pub fn step(&mut self, enabled: &[Transition], pick: usize, events: &[Event]) {
        if enabled.len() > 1 {
            for transition in enabled {
                self.learn_name(*transition);
            }
            let among = enabled.iter().map(|t| Cow::Owned(self.name(*t).to_owned())).collect();
            self.write(None, EventKind::Choice { among, picked: pick });
        }
        for event in events {
            self.event(event);
        }
    }

    fn learn_name(&mut self, transition: Transition) {
        if self.names.iter().all(|(known, _)| *known != transition) {
            self.names.push((transition, transition_name(self.program, transition)));
        }
    }

    fn name(&self, transition: Transition) -> &str {
        let known = self.names.iter().find(|(known, _)| *known == transition);
        known.map_or("", |(_, name)| name)
    }

    fn event(&mut self, event: &Event) {
        let program = self.program;
        match *event {
            Event::TimePassed { ms } => self.time_ns += u64::from(ms) * NANOSECONDS_PER_MS,
            Event::Call { thread, call } => {
                self.open_calls[thread.index()].push(self.next);
                let call = Cow::Borrowed(&program.call(call).source);
                self.write(Some(program.thread_name(thread)), EventKind::Call { call });
            }
            Event::Return { thread, call, result } => {
                let of = self.open_calls[thread.index()].pop().unwrap_or_default();
                let packets = std::mem::take(&mut self.received);
                let result = program.call(call).convention.result(program, result, &packets);
                let result = Cow::Owned(result);
                self.write(Some(program.thread_name(thread)), EventKind::Return { of, result });
            }
            Event::ApcEntered { thread, kapc, result } => {
                let entry = apc_entry(program, kapc, result);
                self.open_apcs[thread.index()].push(entry.clone());
                let entry = Cow::Owned(entry);
                self.write(Some(program.thread_name(thread)), EventKind::Apc(entry));
            }
            Event::ApcReturned { thread, .. } => {
                if let Some(entry) = self.open_apcs[thread.index()].pop() {
                    let entry = Cow::Owned(entry);
                    self.write(Some(program.thread_name(thread)), EventKind::ApcReturn(entry));
                }
            }
            Event::Thread { thread, change } => {
                let what = thread_event(change);
                self.write(Some(program.thread_name(thread)), EventKind::Thread { what });
            }
            Event::Kapc { thread, kapc, change } => {
                let kind = kapc_event(program, kapc, change);
                self.write(Some(program.thread_name(thread)), kind);
            }
            Event::Timer { timer, change } => {
                let timer = Cow::Borrowed(program.object_name(timer));
                self.write(None, EventKind::Timer { timer, what: timer_event(change) });
            }
            Event::Irp { irp, issuer, request, change } => {
                self.irp(irp, issuer, request, change);
            }
            Event::Packet { port, packet, change } => {
                let (what, thread) = match change {
                    PacketChange::Queued => (PacketEvent::Queued, None),
                    PacketChange::Dequeued(thread) => (PacketEvent::Dequeued, Some(thread)),
                    PacketChange::Discarded => (PacketEvent::Discarded, None),
                };
                let overlapped = match packet.value {
                    PacketValue::Block(block) => program.io().block_name(block),
                    PacketValue::Null | PacketValue::Number(_) | PacketValue::Timer(_) => None,
                };
                let kind = EventKind::Packet {
                    port: Cow::Borrowed(program.object_name(port)),
                    what,
                    key: Some(program.datum(packet.key)),
                    overlapped: overlapped.map(Cow::Borrowed),
                };
                self.write(thread.map(|thread| program.thread_name(thread)), kind);
            }
            Event::Received { packet, .. } => self.received.push(packet),
            // What code in kernel mode does wrong is told by the invariants.
            Event::StatusBlock { .. }
            | Event::CalledTooHigh { .. }
            | Event::ContractBroken { .. } => {}
            Event::File { file, change } => {
                let what = match change {
                    FileChange::CleanedUp => ObjectEvent::CleanedUp,
                    FileChange::Closed => ObjectEvent::Closed,
                };
                let object = Cow::Borrowed(program.object_name(file));
                self.write(None, EventKind::Object { object, what });
            }
            Event::KernelApc { thread, apc, change } => {
                let kind = kernel_apc_event(program, apc, change);
                self.write(Some(program.thread_name(thread)), kind);
            }
            Event::Irql { thread, irql } => {
                self.write(Some(program.thread_name(thread)), EventKind::Irql { irql });
            }
            Event::Dpc { dpc, change } => {
                let dpc = Cow::Borrowed(program.kernel_mode().dpcs[dpc.index()].name.as_str());
                let what = match change {
                    DpcChange::Queued => DpcEvent::Queued,
                    DpcChange::Removed => DpcEvent::Removed,
                };
                self.write(None, EventKind::Dpc { dpc, what });
            }
            Event::Stop { thread, bug_check } => {
                let bug_check = Cow::Borrowed(bug_check.entry().0);
                self.write(Some(program.thread_name(thread)), EventKind::Stop { bug_check });
            }
            // The lock of a file has no name, and is no object of the program.
            Event::Object { object, .. } if program.object_name(object).is_empty() => {}
            Event::Object { object, change } => {
                let (what, thread) = object_event(change);
                let object = Cow::Borrowed(program.object_name(object));
                let thread = thread.map(|thread| program.thread_name(thread));
                self.write(thread, EventKind::Object { object, what });
            }
        }
    }

    /// A request packet's event; its number is given when it is allocated.
    fn irp(&mut self, irp: IrpId, issuer: ThreadId, request: RequestId, change: IrpChange) {
        let program = self.program;
        if matches!(change, IrpChange::Allocated { .. }) {
            self.irp_count += 1;
            self.irps.push((irp, self.irp_count));
        }
        let number = self.irps.iter().find(|(known, _)| *known == irp);
        let number = number.map_or(0, |(_, number)| *number);
        let (what, stack, status) = match change {
            IrpChange::Allocated { .. } => (IrpEvent::Allocated, None, None),
            IrpChange::Dispatched { location } => (IrpEvent::Dispatched, Some(location), None),
            IrpChange::Pending => (IrpEvent::Pending, None, None),
            IrpChange::CompletionRoutine { location } => {
                (IrpEvent::CompletionRoutine, Some(location), None)
            }
            IrpChange::Completed { status } => (IrpEvent::Completed, None, Some(status)),
            IrpChange::CancelRequested => (IrpEvent::CancelRequested, None, None),
            IrpChange::Cancelled => (IrpEvent::Cancelled, None, None),
            IrpChange::Finished { .. } => (IrpEvent::Finished, None, None),
            IrpChange::Freed => (IrpEvent::Freed, None, None),
            IrpChange::Dissociated => (IrpEvent::Dissociated, None, None),
            // What a driver does wrong is told by the invariants, and a stopped system is.
            IrpChange::ContractBroken(_) | IrpChange::BugCheck(_) => return,
        };
        let request = program.io().request(request);
        let device = program.io().device_of(program.handle_target(request.file));
        let kind = EventKind::Irp {
            irp: number,
            what,
            device: Some(Cow::Borrowed(program.object_name(device))),
            stack: stack.map(u32::from),
            status: status.map(|status| Cow::Owned(status.to_string())),
        };
        self.write(Some(program.thread_name(issuer)), kind);
        if what == IrpEvent::Freed {
            self.irps.retain(|(known, _)| *known != irp);
        }
    }

    fn write(&mut self, thread: Option<&str>, what: EventKind<'_>) {
        let thread = thread.map(Cow::Borrowed);
        let event = TraceEvent { n: self.next, t: self.time_ns, thread, what };
        self.next += 1;
        if self.error.is_none() {
            self.error = self.writer.event(&event).err();
        }
    }

    /// How many events were written.
    pub(crate) fn event_count(&self) -> u64 {
        self.next
    }

    /// The first error of the writer, if there was one.
    pub(crate) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// The writer, after the last event.
    pub fn finish(self) -> W {
        match self.writer.finish() {
            Ok(writer) => writer,
            Err(error) => unreachable!("writers of traces keep their errors: {error}"),
        }
    }
}

fn thread_event(change: ThreadChange) -> ThreadEvent {
    match change {
        ThreadChange::Created => ThreadEvent::Created,
        ThreadChange::Started => ThreadEvent::Started,
        ThreadChange::Waiting => ThreadEvent::Waiting,
        ThreadChange::Ready => ThreadEvent::Ready,
        ThreadChange::Suspended => ThreadEvent::Suspended,
        ThreadChange::Resumed => ThreadEvent::Resumed,
        ThreadChange::Terminated => ThreadEvent::Terminated,
    }
}

fn kernel_apc_event(program: &Program, apc: KernelApc, change: KapcChange) -> EventKind<'_> {
    let routine = match apc {
        KernelApc::Object { kapc, .. } => {
            let setup = &program.kernel_mode().kapcs[kapc.index()];
            setup.normal.or(setup.kernel).map(|routine| program.routine_name(routine))
        }
        KernelApc::Io(_) | KernelApc::OwnIrp(_) | KernelApc::Suspend | KernelApc::Exit => None,
    };
    EventKind::Kapc {
        what: kapc_change(change),
        mode: ProcessorMode::Kernel,
        kind: if apc.is_special() { ApcKind::Special } else { ApcKind::Normal },
        routine: routine.map(Cow::Borrowed),
        data: None,
    }
}

fn kapc_change(change: KapcChange) -> KapcEvent {
    match change {
        KapcChange::Queued => KapcEvent::Queued,
        KapcChange::Delivered => KapcEvent::Delivered,
        KapcChange::Removed => KapcEvent::Removed,
        KapcChange::RunDown => KapcEvent::Rundown,
    }
}

fn kapc_event(program: &Program, kapc: Kapc, change: KapcChange) -> EventKind<'_> {
    let what = kapc_change(change);
    let entry = apc_entry(program, kapc, IoResult::NONE);
    let is_special = matches!(kapc.source, alertable_models::ke::apc::ApcSource::Special);
    EventKind::Kapc {
        what,
        mode: ProcessorMode::User,
        kind: if is_special { ApcKind::Special } else { ApcKind::Normal },
        routine: Some(Cow::Borrowed(program.routine_name(kapc.routine))),
        data: entry.data,
    }
}

fn timer_event(change: TimerChange) -> TimerEvent {
    match change {
        TimerChange::Set => TimerEvent::Set,
        TimerChange::Expired => TimerEvent::Expired,
        TimerChange::Cancelled => TimerEvent::Cancelled,
    }
}

fn object_event(change: ObjectChange) -> (ObjectEvent, Option<alertable_models::ids::ThreadId>) {
    match change {
        ObjectChange::Signaled => (ObjectEvent::Signaled, None),
        ObjectChange::Reset => (ObjectEvent::Reset, None),
        ObjectChange::Acquired(thread) => (ObjectEvent::Acquired, Some(thread)),
        ObjectChange::Released(thread) => (ObjectEvent::Released, Some(thread)),
        ObjectChange::Abandoned(thread) => (ObjectEvent::Abandoned, Some(thread)),
    }
}
