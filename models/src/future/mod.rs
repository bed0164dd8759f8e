//! What may still be done by whom: which slots the steps of a thread or timer, now or later, can
//! look at and change, whatever everybody else does.
//!
//! A search that wants to leave out schedules has to know what it leaves out. This is read off
//! the program: each call touches what it names, and what is tied to that (who waits for an event
//! that it sets). It is an upper bound; debug builds hold every step of a search against it.
//! There is none for programs with pools, code in kernel mode, several processes, or devices that
//! stop the system.
//!
//! It says also which calls every schedule without an end makes again and again (`cycle`).

mod call;
mod cycle;
mod io;
mod relation;
mod request;

use crate::deviation::{Deviation, Deviations};
use crate::ids::ThreadId;
use crate::ke::Kernel;
use crate::ke::thread::ThreadState;
use crate::machine::{Machine, Model, Source};
use crate::program::{Instruction, Pc, Program};
use crate::service::Service;
use relation::Relations;
use std::ops::{BitOr, BitOrAssign};

/// The deviations under which threads touch what is not theirs.
const UNKNOWN: [Deviation; 3] =
    [Deviation::MutexOwnerUnchecked, Deviation::MutexNotTaken, Deviation::TimerApcToFirstThread];

/// As [`UNKNOWN`], in programs with I/O.
const UNKNOWN_IN_IO: [Deviation; 5] = [
    Deviation::OrphansFinishLate,
    Deviation::RepeatedWaitChecksHandles,
    Deviation::CancelKeepsRequest,
    Deviation::IrpNotFreed,
    Deviation::RemoversFetchPackets,
];

/// What steps may look at and change, as sets of slots.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Touch {
    /// What is looked at.
    pub looked_at: u64,
    /// What is changed.
    pub changed: u64,
    /// The threads that are looked at, and woken, if they wait, a bit for the number of each.
    pub woken: u64,
}

impl Touch {
    /// Whatever there is.
    const EVERYTHING: Self = Touch { looked_at: u64::MAX, changed: u64::MAX, woken: 0 };

    /// Slots that are looked at and changed.
    fn of(slots: u64) -> Self {
        Touch { looked_at: slots, changed: slots, woken: 0 }
    }

    /// Slots that are looked at.
    fn look(slots: u64) -> Self {
        Touch { looked_at: slots, ..Touch::default() }
    }
}

impl BitOrAssign for Touch {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl BitOr for Touch {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Touch {
            looked_at: self.looked_at | other.looked_at,
            changed: self.changed | other.changed,
            woken: self.woken | other.woken,
        }
    }
}

/// What may still be done in the states of a program.
#[derive(Clone, Debug)]
pub struct Futures {
    /// What is done from an instruction on, by it and all that can follow.
    from: Vec<Touch>,
    /// By call: what it does, if what its thread does next does not depend on it.
    calls: Vec<Option<Touch>>,
    threads: Vec<ThreadFuture>,
    /// By thread.
    pending: Vec<Pending>,
    /// By timer, in the order of [`Program`]'s timers.
    timers: Vec<Touch>,
    /// By status block: what is done by the device that completes its requests by itself.
    blocks: Vec<Touch>,
    time: Touch,
    /// By instruction: whether it is a call that has to be made in each turn of an endless loop.
    cyclic: Vec<bool>,
    /// A process that ends closes handles, which touches everything.
    has_rundown: bool,
    /// Threads that are out of their wait may still be in a wait list.
    keeps_places: bool,
}

/// What a thread does whatever its steps are.
#[derive(Clone, Copy, Default, Debug)]
struct ThreadFuture {
    /// As long as it has not ended: looks at itself, runs the routines that can be queued to it,
    /// and ends.
    always: Touch,
    /// What changes when it is woken.
    woken: u64,
}

/// What a thread does for its requests that are not over, by their status blocks.
type Pending = Vec<Touch>;

impl Futures {
    /// For a program; none if it, or the system, does something that this does not know.
    pub fn new(program: &Program, deviations: Deviations) -> Option<Self> {
        let has_io = program.kernel.has_io();
        let unknown = UNKNOWN.iter().chain(UNKNOWN_IN_IO.iter().filter(|_| has_io));
        // A wait that begins again then looks at every handle of what it waits for.
        let closes = program.calls.iter().any(|call| matches!(call.service, Service::Close { .. }));
        let checks = closes.then_some(&Deviation::RepeatedWaitChecksHandles);
        if unknown.chain(checks).any(|deviation| deviations.contains(*deviation)) {
            return None;
        }
        let relations = Relations::new(program)?;
        let calls: Vec<Touch> = program.calls.iter().map(|call| relations.call(call)).collect();
        let keeps_places = deviations != Deviations::NONE;
        (!relations.has_hub(&calls))
            .then(|| Futures::of_relations(&relations, &calls, keeps_places))
    }

    fn of_relations(relations: &Relations<'_>, calls: &[Touch], keeps_places: bool) -> Self {
        let program = relations.program;
        let from = sum_up(relations, calls);
        let threads = program.thread_ids().map(|thread| ThreadFuture {
            always: relations.always(thread, &from),
            woken: relations.woken_slots(thread),
        });
        let threads = threads.collect();
        let pending = program.thread_ids().map(|thread| relations.pending(thread)).collect();
        let has_io = program.kernel.has_io();
        let independent = program.calls.iter().zip(calls).map(|(call, touch)| {
            let is_tested = program.conditions.iter().any(|c| Some(c.label) == call.label);
            (!has_io && call::is_detached(&call.service) && !is_tested).then_some(*touch)
        });
        Futures {
            calls: independent.collect(),
            threads,
            pending,
            timers: program.timers.iter().map(|timer| relations.timer(*timer)).collect(),
            blocks: relations.blocks(),
            time: relations.time(),
            cyclic: cycle::calls(relations, calls),
            has_rundown: has_io,
            keeps_places,
            from,
        }
    }

    /// What the transitions of a source can look at and change, from a state on.
    pub fn of(&self, model: &Model, machine: &Machine, source: Source) -> Touch {
        match source {
            Source::System => Touch::default(),
            Source::Block(block) => self.blocks[block.index()],
            Source::Thread(thread) => {
                if machine.kernel.thread(thread).state == ThreadState::Terminated {
                    return Touch::default();
                }
                let always = self.threads[thread.index()].always;
                let frames = machine.program.frames(thread);
                let touch =
                    frames.iter().fold(always, |touch, frame| touch | self.from[frame.pc as usize]);
                let pending = &self.pending[thread.index()];
                let irps = machine.kernel.io.as_deref().filter(|_| !pending.is_empty());
                let irps = irps.map_or(&[][..], |io| io.thread_irps(thread));
                irps.iter().fold(touch, |touch, irp| touch | pending[irp.block().index()])
            }
            Source::Timer(timer) => {
                let mut timers = model.program.timers.iter().zip(&self.timers);
                timers
                    .find(|(other, _)| **other == timer)
                    .map_or(Touch::EVERYTHING, |(_, touch)| *touch)
            }
            Source::Time => self.time,
        }
    }

    /// What the next step of a thread looks at and changes, if it makes a call that leads to the
    /// same next step of its own whatever others have done.
    pub fn next_call(&self, model: &Model, machine: &Machine, thread: ThreadId) -> Option<Touch> {
        if machine.kernel.thread(thread).state != ThreadState::User {
            return None;
        }
        match model.program.instruction(machine.program.pc(thread)?) {
            Instruction::Call(call) => self.calls[call.index()],
            _ => None,
        }
    }

    /// Whether a thread can be woken, or has a place in some list of waiters.
    pub fn waits(&self, machine: &Machine, thread: ThreadId) -> bool {
        let record = machine.kernel.thread(thread);
        record.waits_for_time() || (self.keeps_places && record.state == ThreadState::Restarting)
    }

    /// Whether a process cannot end, and its handles be closed, as long as a thread does nothing.
    pub fn holds(&self, machine: &Machine, thread: ThreadId) -> bool {
        let record = machine.kernel.thread(thread);
        let can_count_as_gone = record.state == ThreadState::Starting || Kernel::has_left(record);
        self.has_rundown && !can_count_as_gone
    }

    /// Whether a process that ends touches everything; see [`Futures::holds`].
    pub fn has_rundown(&self) -> bool {
        self.has_rundown
    }

    /// Whether a thread is about to make a call that every schedule without an end makes again.
    pub fn is_cyclic(&self, machine: &Machine, thread: ThreadId) -> bool {
        machine.kernel.thread(thread).state == ThreadState::User
            && machine.program.pc(thread).is_some_and(|pc| self.cyclic[pc as usize])
    }

    /// What changes when a thread is woken.
    pub fn woken(&self, thread: usize) -> u64 {
        self.threads[thread].woken
    }
}

/// What each instruction and all that can follow it do.
fn sum_up(relations: &Relations<'_>, calls: &[Touch]) -> Vec<Touch> {
    let program = relations.program;
    let code = &program.code;
    let mut from = vec![Touch::default(); code.len()];
    loop {
        let mut is_settled = true;
        for pc in (0..code.len()).rev() {
            let at = |pc: Pc| from[pc as usize];
            let next = pc as Pc + 1;
            let touch = match code[pc] {
                Instruction::Call(call) => calls[call.index()] | at(next),
                Instruction::LoopBegin { .. }
                | Instruction::MarkPending(_)
                | Instruction::ClearEvent(_) => at(next),
                Instruction::LoopEnd { body, .. } => at(body) | at(next),
                Instruction::BreakUnless { condition, target, .. } => {
                    let label = program.conditions[usize::from(condition)].label;
                    let looked_at = relations.result(label);
                    at(target) | at(next) | Touch { looked_at, ..Touch::default() }
                }
                Instruction::End => Touch::default(),
            };
            is_settled &= from[pc] == touch;
            from[pc] = touch;
        }
        if is_settled {
            return from;
        }
    }
}
