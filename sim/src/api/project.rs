//! What a simulated run looks like from inside its program: its `api` trace.

use crate::engine::rng::Rng;
use crate::trace::TraceSettings;
use alertable_models::event::{Event, Observer, ThreadChange};
use alertable_models::ids::{CallId, ThreadId};
use alertable_models::io::port::Packet;
use alertable_models::ke::thread::ThreadRole;
use alertable_models::machine::{Machine, Model, Transition};
use alertable_models::outcome::apc_entry;
use alertable_models::program::Place;
use alertable_traces::outcome::ApcEntry;
use alertable_traces::scenario::Scenario;
use alertable_traces::trace::{
    EventKind, Level, ThreadEvent, TraceEvent, TraceHeader, TraceWriter,
};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, Write};

/// How long a step takes, in nanoseconds. What is written down in it has times of its own.
const STEP_NS: u64 = 1_000;

const NS_PER_MS: u64 = 1_000_000;

/// How the times of a trace are made up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread {
    /// How many steps a call can be written down before it takes effect, and a result after it
    /// was there, at most.
    pub steps: u64,
    /// The seed of the random numbers that say how many.
    pub seed: u64,
}

/// Writes the `api` trace of a run while it makes the run's steps.
///
/// A step takes effect at its moment. A call is written down at some time before that and a
/// result at some time after it, so that calls of different threads overlap as they do on a
/// real machine.
#[derive(Debug)]
pub struct Projector<'a, W: Write> {
    model: &'a Model,
    machine: Machine,
    writer: TraceWriter<W>,
    rng: Rng,
    spread_ns: u64,
    /// The time of the step.
    now: u64,
    noted: Noted,
    threads: Vec<Thread>,
    /// What has its time and is not written yet.
    timed: BinaryHeap<Reverse<Timed>>,
    sequence: u64,
    n: u64,
    error: Option<io::Error>,
}

/// What is known of a thread.
#[derive(Default, Debug)]
struct Thread {
    /// The calls and routines that it is in.
    open: Vec<Option<ApcEntry>>,
    /// It runs what comes before its entry point.
    is_starting: bool,
    /// What it has seen last: not before this time, and at best at that one.
    held: VecDeque<(u64, u64, Told)>,
    /// The time of its last event.
    last: u64,
    /// The numbers of the calls that it is in, as they are written.
    calls: Vec<u64>,
}

/// What is told in one event.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Call(CallId),
    Return(alertable_traces::outcome::CallResult),
    Apc(ApcEntry),
    ApcReturn(ApcEntry),
    Started,
    Ending,
}

impl Told {
    fn is_intent(&self) -> bool {
        matches!(self, Told::Call(_) | Told::ApcReturn(_) | Told::Ending)
    }
}

#[derive(PartialEq, Eq, Debug)]
struct Timed {
    t: u64,
    sequence: u64,
    thread: ThreadId,
    told: Told,
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.t, self.sequence).cmp(&(other.t, other.sequence))
    }
}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The events of a step.
#[derive(Default, Debug)]
struct Noted(Vec<Event>);

impl Observer for Noted {
    fn event(&mut self, event: Event) {
        self.0.push(event);
    }
}

impl<'a, W: Write> Projector<'a, W> {
    /// Writes the header; the run begins in the model's first state.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(
        model: &'a Model,
        scenario: Option<&Scenario>,
        settings: &TraceSettings,
        spread: Spread,
        writer: W,
    ) -> io::Result<Self> {
        let header = TraceHeader {
            level: Level::Api,
            source: settings.source().clone(),
            scenario: scenario.cloned(),
        };
        let writer = TraceWriter::new(writer, &header)?;
        let thread_count = model.program.thread_ids().count();
        Ok(Projector {
            model,
            machine: model.initial(),
            writer,
            rng: Rng::new(spread.seed),
            spread_ns: spread.steps.saturating_mul(STEP_NS),
            now: spread.steps.saturating_mul(STEP_NS),
            noted: Noted::default(),
            threads: (0..thread_count).map(|_| Thread::default()).collect(),
            timed: BinaryHeap::new(),
            sequence: 0,
            n: 0,
            error: None,
        })
    }

    /// The state that the run has come to.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// How many events were written.
    pub fn event_count(&self) -> u64 {
        self.n
    }

    /// Makes a step that is possible.
    pub fn step(&mut self, transition: Transition) {
        self.now += STEP_NS;
        let could_end: Vec<bool> =
            self.threads().map(|thread| self.could_end(thread, transition)).collect();
        self.noted.0.clear();
        self.model.step(&mut self.machine, transition, &mut self.noted);
        let events = std::mem::take(&mut self.noted.0);
        let mut received = Vec::new();
        for (place, event) in events.iter().enumerate() {
            let at = self.now + (place as u64).min(STEP_NS - 2);
            self.event(event, at, &mut received);
        }
        self.noted.0 = events;
        for (thread, could_end) in self.threads().zip(could_end) {
            self.see_place(thread, could_end);
        }
        self.write_due();
    }

    fn threads(&self) -> impl Iterator<Item = ThreadId> + use<W> {
        self.model.program.thread_ids()
    }

    /// Whether a thread of the program, of which nobody else has asked that it end, goes on.
    fn could_end(&self, thread: ThreadId, transition: Transition) -> bool {
        let record = self.machine.kernel().thread(thread);
        transition == Transition::Run(thread)
            && record.role == ThreadRole::Program
            && record.is_alive()
            && !record.terminated
    }

    /// A thread has begun its own steps, has ended, or cannot write anything down any more.
    fn see_place(&mut self, thread: ThreadId, could_end: bool) {
        let end = self.now + STEP_NS - 1;
        let place = self.model.place(&self.machine, thread);
        let frames = self.machine.program().frames(thread).len();
        let log = &mut self.threads[thread.index()];
        let is_in_nothing = log.open.is_empty();
        if log.is_starting && is_in_nothing && frames < 2 && place != Place::Away {
            log.is_starting = false;
            self.tell(thread, Told::Started, end - 1);
        }
        match place {
            Place::Ended if could_end && is_in_nothing => self.tell(thread, Told::Ending, end),
            Place::Ended | Place::Away => self.settle(thread, end),
            Place::Call(_) | Place::Work | Place::RoutineEnd | Place::ThreadEnd => {}
        }
    }

    fn event(&mut self, event: &Event, at: u64, received: &mut Vec<Packet>) {
        let program = &self.model.program;
        match *event {
            Event::TimePassed { ms } => self.now += u64::from(ms) * NS_PER_MS,
            Event::Call { thread, call } => {
                self.threads[thread.index()].open.push(None);
                self.tell(thread, Told::Call(call), at);
            }
            Event::Received { packet, .. } => received.push(packet),
            Event::Return { thread, call, result } => {
                let packets = std::mem::take(received);
                let result = program.call(call).convention.result(program, result, &packets);
                self.threads[thread.index()].open.pop();
                self.tell(thread, Told::Return(result), at);
            }
            Event::ApcEntered { thread, kapc, result } => {
                let entry = apc_entry(program, kapc, result);
                self.threads[thread.index()].open.push(Some(entry.clone()));
                self.tell(thread, Told::Apc(entry), at);
            }
            Event::ApcReturned { thread, .. } => {
                if let Some(Some(entry)) = self.threads[thread.index()].open.pop() {
                    self.tell(thread, Told::ApcReturn(entry), at);
                }
            }
            Event::Thread { thread, change: ThreadChange::Started } => {
                self.threads[thread.index()].is_starting = true;
            }
            _ => {}
        }
    }

    /// Something is told that takes effect at `at`: before it, or after it.
    fn tell(&mut self, thread: ThreadId, told: Told, at: u64) {
        let away = match self.spread_ns {
            0 => 0,
            spread => self.rng.below(spread as usize + 1) as u64,
        };
        self.settle(thread, at);
        let log = &mut self.threads[thread.index()];
        if told.is_intent() {
            let t = at.saturating_sub(away).max(log.last);
            log.last = t;
            self.time(thread, t, told);
        } else {
            log.held.push_back((at, at + away, told));
        }
    }

    /// What a thread has seen before `now` has its time, since something else follows.
    fn settle(&mut self, thread: ThreadId, now: u64) {
        while let Some((earliest, best, told)) = self.threads[thread.index()].held.pop_front() {
            let log = &mut self.threads[thread.index()];
            let t = best.min(now).max(earliest).max(log.last);
            log.last = t;
            self.time(thread, t, told);
        }
    }

    fn time(&mut self, thread: ThreadId, t: u64, told: Told) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.timed.push(Reverse(Timed { t, sequence, thread, told }));
    }

    /// Writes what nothing can come before any more.
    fn write_due(&mut self) {
        for thread in self.threads() {
            let best = self.threads[thread.index()].held.back().map(|(_, best, _)| *best);
            if best.is_some_and(|best| best <= self.now) {
                self.settle(thread, self.now);
            }
        }
        let settled = self.now.saturating_sub(self.spread_ns);
        self.write_before(settled);
    }

    fn write_before(&mut self, settled: u64) {
        while self.timed.peek().is_some_and(|Reverse(first)| first.t < settled) {
            let Some(Reverse(Timed { t, thread, told, .. })) = self.timed.pop() else { return };
            self.write(thread, t, &told);
        }
    }

    fn write(&mut self, thread: ThreadId, t: u64, told: &Told) {
        let program = &self.model.program;
        let calls = &mut self.threads[thread.index()].calls;
        let what = match told {
            Told::Call(call) => {
                calls.push(self.n);
                EventKind::Call { call: Cow::Borrowed(&program.call(*call).source) }
            }
            Told::Return(result) => {
                let of = calls.pop().unwrap_or_default();
                EventKind::Return { of, result: Cow::Borrowed(result) }
            }
            Told::Apc(entry) => EventKind::Apc(Cow::Borrowed(entry)),
            Told::ApcReturn(entry) => EventKind::ApcReturn(Cow::Borrowed(entry)),
            Told::Started => EventKind::Thread { what: ThreadEvent::Started },
            Told::Ending => EventKind::Thread { what: ThreadEvent::Terminated },
        };
        let name = Some(Cow::Borrowed(program.thread_name(thread)));
        let event = TraceEvent { n: self.n, t, thread: name, what };
        self.n += 1;
        if self.error.is_none() {
            self.error = self.writer.event(&event).err();
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        for thread in self.threads() {
            self.settle(thread, u64::MAX);
        }
        self.write_before(u64::MAX);
        match self.error {
            Some(error) => Err(error),
            None => self.writer.finish(),
        }
    }
}

/// The `api` trace of a run along these transitions.
///
/// # Panics
/// If a transition is not possible when its turn comes.
pub fn project(
    model: &Model,
    scenario: &Scenario,
    settings: &TraceSettings,
    spread: Spread,
    transitions: &[Transition],
) -> Vec<u8> {
    let written = Projector::new(model, Some(scenario), settings, spread, Vec::new());
    let written = written.and_then(|mut projector| {
        transitions.iter().for_each(|transition| projector.step(*transition));
        projector.finish()
    });
    written.expect("memory can be written")
}
