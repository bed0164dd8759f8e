//! A state that explains a trace so far, and what can happen in it next.

use super::progress::Progress;
use crate::engine::memo::SlotSet;
use crate::engine::visited::fingerprint;
use alertable_models::event::{Event, IoResult, Observer, TimerChange};
use alertable_models::ids::{CallId, ObjectId, ThreadId};
use alertable_models::io::port::Packet;
use alertable_models::ke::apc::Kapc;
use alertable_models::ke::thread::{ThreadRole, ThreadState};
use alertable_models::machine::{Machine, Model, Seen, Transition};
use alertable_models::outcome::apc_entry;
use alertable_models::parts::Parts;
use alertable_models::program::{Place, Program};
use alertable_models::rule::RuleId;
use alertable_models::service::ServiceReturn;
use alertable_traces::outcome::{ApcEntry, CallResult};
use alertable_traces::trace::api::ApiEventKind;

/// What has reached a thread and has not been told by the trace yet.
#[derive(Clone, Debug)]
pub(super) enum Output {
    Return { call: CallId, result: ServiceReturn, packets: Vec<Packet> },
    Apc { kapc: Kapc, result: IoResult },
}

impl Output {
    pub(super) fn result(&self, program: &Program) -> Option<CallResult> {
        let Output::Return { call, result, packets } = self else { return None };
        Some(program.call(*call).convention.result(program, *result, packets))
    }

    pub(super) fn entry(&self, program: &Program) -> Option<ApcEntry> {
        let Output::Apc { kapc, result } = self else { return None };
        Some(apc_entry(program, *kapc, *result))
    }

    /// Whether it is what an event tells.
    pub(super) fn is(&self, program: &Program, what: &ApiEventKind) -> bool {
        match what {
            ApiEventKind::Return(wanted) => {
                self.result(program).is_some_and(|result| wanted.matches(&result))
            }
            ApiEventKind::Apc(wanted) => {
                self.entry(program).is_some_and(|entry| wanted.matches(&entry))
            }
            _ => false,
        }
    }

    fn hash(&self) -> u64 {
        match self {
            Output::Return { call, result, packets } => {
                let packets = packets.iter().fold(0_u64, |sum, packet| {
                    let Packet { key, value, status, information, irp } = packet;
                    let of = (*key, *value, status.0, *information, *irp);
                    sum.rotate_left(7).wrapping_add(fingerprint(&of))
                });
                fingerprint(&(0_u8, *call, result.status.0, result.value, packets))
            }
            Output::Apc { kapc, result } => {
                let source = fingerprint(&kapc.source);
                let of = (kapc.routine, kapc.context, source);
                fingerprint(&(1_u8, of, result.status.0, result.information))
            }
        }
    }
}

/// A state of the machine, and what it has brought forth that is still to be told.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) machine: Machine,
    machine_print: u64,
    /// By thread, sorted: at most one for each.
    pub(super) outputs: Vec<(ThreadId, Output)>,
    /// For each timer, the earliest moment at which it can be due, in nanoseconds.
    dues: Vec<u64>,
    /// By thread, what its latest step has looked at.
    looked_at: Vec<SlotSet>,
}

impl Config {
    /// The first state.
    pub(super) fn first(model: &Model) -> Self {
        let mut machine = model.initial();
        let machine_print = machine.fingerprint(Parts::ALL);
        let dues = vec![0; model.program.timers().len()];
        let looked_at = vec![0; model.program.thread_ids().count()];
        Config { machine, machine_print, outputs: Vec::new(), dues, looked_at }
    }

    /// Equal for equal situations, and for others but for a chance of one in 2⁶⁴.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut digest = self.machine_print;
        for (thread, output) in &self.outputs {
            digest = digest.wrapping_add(fingerprint(&(*thread, output.hash())));
        }
        for (at, due) in self.dues.iter().enumerate().filter(|(_, due)| **due != 0) {
            digest = digest.wrapping_add(fingerprint(&(at as u64, *due)));
        }
        digest
    }

    pub(super) fn output(&self, thread: ThreadId) -> Option<&Output> {
        self.outputs.iter().find(|(owner, _)| *owner == thread).map(|(_, output)| output)
    }

    /// What a thread's latest step has looked at: where it waits, what for.
    pub(super) fn looked_at_by(&self, thread: ThreadId) -> SlotSet {
        self.looked_at[thread.index()]
    }

    /// The trace has told of a thread's output.
    pub(super) fn tell(&mut self, thread: ThreadId) {
        self.outputs.retain(|(owner, _)| *owner != thread);
    }

    fn copy_from(&mut self, source: &Self) {
        self.machine.copy_parts(&source.machine, Parts::ALL);
        self.machine_print = source.machine_print;
        self.outputs.clone_from(&source.outputs);
        self.dues.clone_from(&source.dues);
        self.looked_at.clone_from(&source.looked_at);
    }
}

/// Something that can happen in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Move {
    pub(super) transition: Transition,
    /// The machine does not know that its time has come.
    is_due_now: bool,
}

/// Who makes a move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Actor {
    Thread(ThreadId),
    Timer(ObjectId),
    Device,
    Time,
}

impl Move {
    pub(super) fn actor(self) -> Actor {
        match self.transition {
            Transition::Run(thread)
            | Transition::Interrupt(thread)
            | Transition::TimeOut(thread)
            | Transition::Retire(thread) => Actor::Thread(thread),
            Transition::Expire(timer) => Actor::Timer(timer),
            Transition::Complete(_) => Actor::Device,
            Transition::PassTime => Actor::Time,
        }
    }
}

/// Notes what a step brings forth.
#[derive(Default)]
struct Notes {
    outputs: Vec<(ThreadId, Output)>,
    received: Vec<Packet>,
    timers: Vec<(ObjectId, TimerChange)>,
    rules: Option<Vec<RuleId>>,
}

impl Observer for Notes {
    fn event(&mut self, event: Event) {
        match event {
            Event::Received { packet, .. } => self.received.push(packet),
            Event::Return { thread, call, result } => {
                let packets = std::mem::take(&mut self.received);
                self.outputs.push((thread, Output::Return { call, result, packets }));
            }
            Event::ApcEntered { thread, kapc, result } => {
                self.outputs.push((thread, Output::Apc { kapc, result }));
            }
            Event::Timer { timer, change } => self.timers.push((timer, change)),
            _ => {}
        }
    }

    fn rule(&mut self, rule: RuleId) {
        if let Some(rules) = &mut self.rules {
            rules.push(rule);
        }
    }
}

/// Steps from state to state, as far as the trace lets it.
pub(super) struct Stepper<'a> {
    pub(super) model: &'a Model,
    /// How much too early a captured time can seem, in nanoseconds.
    pub(super) tolerance_ns: u64,
    /// How long a millisecond of the program takes, in nanoseconds.
    pub(super) ns_per_ms: u64,
    /// How many steps were made.
    pub(super) step_count: u64,
    /// Threads may be told something else than the trace tells next.
    pub(super) looks_beyond: bool,
    /// States that are not needed any more.
    spare: Vec<Config>,
    notes: Notes,
    /// What waits for its time; kept for its memory.
    waiting: Vec<(Transition, u32)>,
    enabled: Vec<Transition>,
}

impl<'a> Stepper<'a> {
    pub(super) fn new(model: &'a Model, tolerance_ns: u64, ns_per_ms: u64) -> Self {
        Stepper {
            model,
            tolerance_ns,
            ns_per_ms,
            step_count: 0,
            looks_beyond: false,
            spare: Vec::new(),
            notes: Notes::default(),
            waiting: Vec::new(),
            enabled: Vec::new(),
        }
    }

    /// Everything that can happen in a state after what the trace has told so far.
    pub(super) fn moves(&mut self, config: &Config, progress: &Progress, out: &mut Vec<Move>) {
        out.clear();
        let mut enabled = std::mem::take(&mut self.enabled);
        enabled.clear();
        self.model.enabled(&config.machine, &mut enabled);
        for transition in &enabled {
            if self.is_told(config, progress, *transition) {
                out.push(Move { transition: *transition, is_due_now: false });
            }
        }
        self.enabled = enabled;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.clear();
        self.model.not_due(&config.machine, &mut waiting);
        for (transition, ms) in &waiting {
            if self.is_due(config, progress, *transition, *ms) {
                out.push(Move { transition: *transition, is_due_now: true });
            }
        }
        self.waiting = waiting;
    }

    /// Whether a thread's next step is a call.
    pub(super) fn is_about_to_call(&self, config: &Config, thread: ThreadId) -> bool {
        matches!(self.model.place(&config.machine, thread), Place::Call(_))
            && config.output(thread).is_none()
    }

    /// As [`Stepper::moves`], of one thread.
    pub(super) fn moves_of(
        &mut self,
        config: &Config,
        progress: &Progress,
        thread: ThreadId,
        out: &mut Vec<Move>,
    ) {
        const SYSTEM: usize = 0;
        out.clear();
        let mut enabled = std::mem::take(&mut self.enabled);
        enabled.clear();
        let seen = self.model.enabled_from(&config.machine, SYSTEM, Seen::default(), &mut enabled);
        let source = SYSTEM + 1 + thread.index();
        self.model.enabled_from(&config.machine, source, seen, &mut enabled);
        let told = enabled.iter().filter(|t| self.is_told(config, progress, **t));
        out.extend(told.map(|transition| Move { transition: *transition, is_due_now: false }));
        self.enabled = enabled;
        if config.machine.kernel().thread(thread).state != ThreadState::User {
            let mut waiting = std::mem::take(&mut self.waiting);
            waiting.clear();
            self.model.not_due(&config.machine, &mut waiting);
            for (transition, ms) in &waiting {
                if *transition == Transition::TimeOut(thread)
                    && self.is_due(config, progress, *transition, *ms)
                {
                    out.push(Move { transition: *transition, is_due_now: true });
                }
            }
            self.waiting = waiting;
        }
    }

    /// Whether what the trace has told so far lets a step happen: a thread goes on from user mode
    /// only where its own trace says that it does.
    fn is_told(&self, config: &Config, progress: &Progress, transition: Transition) -> bool {
        let Transition::Run(thread) = transition else {
            return transition != Transition::PassTime;
        };
        let machine = &config.machine;
        let place = self.model.place(machine, thread);
        if !matches!(place, Place::Away | Place::Ended) && config.output(thread).is_some() {
            return false;
        }
        let depth = machine.program().frames(thread).len().saturating_sub(1);
        let told = progress.thread(thread);
        match place {
            Place::Away | Place::Ended => true,
            Place::Work => depth == told.routine_count(),
            Place::Call(_) => told.is_in_call() && depth == told.routine_count(),
            Place::RoutineEnd => depth == told.routine_count() + 1,
            Place::ThreadEnd => !told.is_in_call() && told.routine_count() == 0,
        }
    }

    /// Whether the time of something that waits for it may have come.
    fn is_due(
        &self,
        config: &Config,
        progress: &Progress,
        transition: Transition,
        ms: u32,
    ) -> bool {
        let due = match transition {
            Transition::TimeOut(thread) => {
                let since = match config.machine.kernel().thread(thread).role {
                    ThreadRole::Program => progress.thread(thread).since(),
                    // Nobody writes down when a pool's wait began.
                    ThreadRole::Worker(_)
                    | ThreadRole::PoolWaiter
                    | ThreadRole::System
                    | ThreadRole::Dpc => progress.first(),
                };
                since.saturating_add(u64::from(ms).saturating_mul(self.ns_per_ms))
            }
            Transition::Expire(timer) => config.dues[self.timer_place(timer)],
            // A device takes its time, which nobody has measured.
            _ => 0,
        };
        progress.now().saturating_add(self.tolerance_ns) >= due
    }

    fn timer_place(&self, timer: ObjectId) -> usize {
        let timers = self.model.program.timers();
        timers.iter().position(|other| *other == timer).expect("timers are listed")
    }

    /// Makes a move; with the slots that it looked at. Only these when it would tell a thread
    /// something before the trace has told what came before, or something else than the trace
    /// tells next.
    pub(super) fn step(
        &mut self,
        from: &Config,
        chosen: Move,
        progress: &Progress,
    ) -> Result<(Config, SlotSet), SlotSet> {
        self.step_count += 1;
        let mut config = self.copy(from);
        let machine = &mut config.machine;
        if chosen.is_due_now {
            machine.make_due(chosen.transition);
        }
        self.notes.outputs.clear();
        self.notes.timers.clear();
        let _ = machine.take_looked_at(self.model.slots());
        self.model.step(machine, chosen.transition, &mut self.notes);
        let looked_at = machine.take_looked_at(self.model.slots());
        let parts = machine.take_touched();
        config.machine_print = machine.fingerprint(parts);
        if let Actor::Thread(thread) = chosen.actor() {
            config.looked_at[thread.index()] = looked_at;
        }
        self.note_timers(&mut config, chosen, progress);
        for (thread, output) in self.notes.outputs.drain(..) {
            let is_told = self.looks_beyond
                || progress.thread(thread).comes_next(|next| output.is(&self.model.program, next));
            match config.outputs.binary_search_by_key(&thread, |(owner, _)| *owner) {
                Err(at) if is_told => config.outputs.insert(at, (thread, output)),
                _ => {
                    self.spare.push(config);
                    return Err(looked_at);
                }
            }
        }
        Ok((config, looked_at))
    }

    /// When the timers are due that a step has set, or that have expired and go on.
    fn note_timers(&mut self, config: &mut Config, chosen: Move, progress: &Progress) {
        for at in 0..self.notes.timers.len() {
            let (timer, change) = self.notes.timers[at];
            let place = self.timer_place(timer);
            let remaining = config.machine.timer_ms(timer).map(u64::from);
            let base = match (change, chosen.actor()) {
                (TimerChange::Set, Actor::Thread(thread)) => progress.thread(thread).since(),
                _ => config.dues[place],
            };
            // One that expires as it is set goes on from the moment when it was set.
            let goes_on = change == TimerChange::Set || chosen.actor() == Actor::Timer(timer);
            config.dues[place] = match remaining {
                Some(ms) if goes_on => base.saturating_add(ms.saturating_mul(self.ns_per_ms)),
                Some(_) => base,
                None => 0,
            };
        }
    }

    /// The rules that take effect in a move.
    pub(super) fn rules(
        &mut self,
        from: &Config,
        chosen: Move,
        progress: &Progress,
    ) -> Vec<RuleId> {
        self.notes.rules = Some(Vec::new());
        if let Ok((config, _)) = self.step(from, chosen, progress) {
            self.recycle(config);
        }
        self.notes.rules.take().unwrap_or_default()
    }

    pub(super) fn copy(&mut self, from: &Config) -> Config {
        match self.spare.pop() {
            Some(mut config) => {
                config.copy_from(from);
                config
            }
            None => from.clone(),
        }
    }

    /// Gives back a state that is not needed any more.
    pub(super) fn recycle(&mut self, config: Config) {
        const SPARE_COUNT_MAX: usize = 256;
        if self.spare.len() < SPARE_COUNT_MAX {
            self.spare.push(config);
        }
    }
}
