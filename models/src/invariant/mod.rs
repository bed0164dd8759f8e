//! Invariants: what must hold of every step.
//!
//! Each looks at one step: the state before it, what happened, the state after it. None needs to
//! remember earlier steps, so that states reached on different ways can be treated as one.

mod apc;
mod io;
mod kernel;
mod object;
mod thread;
mod timer;

use crate::deviation::{Deviation, Deviations, Kind};
use crate::event::Event;
use crate::ids::{CallId, ThreadId};
use crate::ke::apc::ApcSource;
use crate::machine::{Machine, Model, Transition};
use crate::program::Instruction;
use crate::rule::RuleId;
use crate::service::Service;
use std::cell::OnceCell;
use std::fmt;

/// One step of a machine, as an invariant sees it.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The program and how it is run.
    pub model: &'a Model,
    /// The state before.
    pub before: &'a Machine,
    /// What was picked.
    pub transition: Transition,
    /// What happened.
    pub events: &'a [Event],
    /// The state after.
    pub after: &'a Machine,
    /// Whether every APC queue changed plainly, once somebody has asked.
    queues_changed_plainly: OnceCell<bool>,
}

impl<'a> Step<'a> {
    /// A step from one state to another.
    pub fn new(
        model: &'a Model,
        before: &'a Machine,
        transition: Transition,
        events: &'a [Event],
        after: &'a Machine,
    ) -> Self {
        let queues_changed_plainly = OnceCell::new();
        Step { model, before, transition, events, after, queues_changed_plainly }
    }
}

/// Which steps an invariant has to look at: those with such events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Concern(u8);

impl Concern {
    /// Calls, returns, routines.
    const CALL: Concern = Concern(1);
    /// APC queues.
    const KAPC: Concern = Concern(2);
    /// Dispatcher objects.
    const OBJECT: Concern = Concern(4);
    /// Threads.
    const THREAD: Concern = Concern(8);
    /// Timers and their APCs.
    const TIMER: Concern = Concern(16);
    /// Every step.
    const ALWAYS: Concern = Concern(32);
    /// Requests and packets.
    const IO: Concern = Concern(64);
    /// Kernel APCs, levels, and what code in kernel mode does wrong.
    const KERNEL: Concern = Concern(128);

    const fn and(self, other: Concern) -> Concern {
        Concern(self.0 | other.0)
    }

    fn of(event: &Event) -> Concern {
        match event {
            Event::Call { .. }
            | Event::Return { .. }
            | Event::ApcEntered { .. }
            | Event::ApcReturned { .. } => Concern::CALL,
            Event::Kapc { kapc, .. } => match kapc.source {
                ApcSource::Timer(_) => Concern::KAPC.and(Concern::TIMER),
                _ => Concern::KAPC,
            },
            Event::Object { .. } => Concern::OBJECT,
            Event::Thread { .. } => Concern::THREAD,
            Event::Timer { .. } => Concern::TIMER,
            Event::Irp { .. } | Event::StatusBlock { .. } | Event::Packet { .. } => Concern::IO,
            Event::KernelApc { .. }
            | Event::Irql { .. }
            | Event::CalledTooHigh { .. }
            | Event::ContractBroken { .. }
            | Event::Stop { .. } => Concern::KERNEL,
            Event::Received { .. }
            | Event::File { .. }
            | Event::Dpc { .. }
            | Event::TimePassed { .. } => Concern(0),
        }
    }
}

/// What must hold of every step.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its name.
    pub id: &'static str,
    /// What must hold, in one sentence.
    pub statement: &'static str,
    /// The rules that it follows from.
    pub rules: &'static [RuleId],
    /// The steps that it looks at.
    concern: Concern,
    /// The test.
    check: fn(&Step<'_>) -> Result<(), Broken>,
}

impl Invariant {
    /// Whether it must hold of a system with these deviations: not where one of its rules is
    /// another on purpose. Mistakes change rules as well, but are there to be caught.
    pub fn holds_for(&self, deviations: Deviations) -> bool {
        deviations.iter().map(Deviation::entry).all(|entry| {
            entry.kind == Kind::Mistake || !entry.rules.iter().any(|rule| self.rules.contains(rule))
        })
    }
}

/// How an invariant does not hold: who and what, in one sentence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A step that breaks an invariant.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static Invariant,
    /// How.
    pub broken: Broken,
}

/// The invariants of each subject.
const SUBJECTS: [&[Invariant]; 6] = [
    apc::INVARIANTS,
    object::INVARIANTS,
    thread::INVARIANTS,
    timer::INVARIANTS,
    io::INVARIANTS,
    kernel::INVARIANTS,
];

/// The invariants, by subject.
pub fn all() -> impl Iterator<Item = &'static Invariant> {
    SUBJECTS.into_iter().flatten()
}

/// Appends what a step breaks.
pub fn check(step: &Step<'_>, out: &mut Vec<Violation>) {
    let happened = step.events.iter().fold(0, |sum, event| sum | Concern::of(event).0);
    for subject in SUBJECTS {
        for invariant in subject {
            if invariant.concern.0 & (happened | Concern::ALWAYS.0) != 0
                && let Err(broken) = (invariant.check)(step)
                && invariant.holds_for(step.model.settings.deviations)
            {
                out.push(Violation { invariant, broken });
            }
        }
    }
}

impl Step<'_> {
    fn thread_name(&self, thread: ThreadId) -> &str {
        self.model.program.thread_name(thread)
    }

    /// The call that a thread was in, or was about to make, before the step.
    fn call_before(&self, thread: ThreadId) -> Option<CallId> {
        self.call_at(self.before.program.pc(thread)?)
    }

    fn call_at(&self, pc: crate::program::Pc) -> Option<CallId> {
        match self.model.program.instruction(pc) {
            Instruction::MarkPending(call)
            | Instruction::ClearEvent(call)
            | Instruction::Call(call) => Some(call),
            _ => None,
        }
    }

    fn service(&self, call: CallId) -> &Service {
        &self.model.program.call(call).service
    }
}
