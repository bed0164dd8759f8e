//! Programs: what the threads of a scenario do.
//!
//! A scenario is compiled once into flat code with ids for names. Running it is the work of
//! [`crate::machine`], which takes one step at a time and hands system calls to the kernel.

mod compile;
mod compile_error;
mod compile_io;
mod compile_kernel;
mod driver;
mod driver_check;
mod driver_return;
mod history;
mod interpreter;
mod kernel;
mod pool;
mod state;
mod traced;
mod user_mode;
pub(crate) mod users;

pub use compile::compile;
pub use compile_error::CompileError;
pub use history::History;
pub use state::{Frame, ProgramState};
pub use traced::Place;

use crate::ids::{CallId, DatumId, HandleId, LabelId, ObjectId, RoutineId, ThreadId};
use crate::io::setup::{IoSetup, Request};
use crate::ke::Kernel;
use crate::ke::kmode::KernelSetup;
use crate::service::Service;
use crate::slots::SlotMap;
use crate::win32::Convention;
use alertable_traces::call::Call;
use alertable_traces::outcome::CallResult;

/// A place in the code.
pub type Pc = u32;

/// One instruction of the compiled code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instruction {
    /// Mark the OVERLAPPED of a request as pending, as the call that follows does before its
    /// system call (IO-14). A step of its own where somebody could look in between.
    MarkPending(CallId),
    /// Clear the event of a request, or its file where it has none, as the system does before it
    /// builds the request packet (IO-09). A step of its own where another thread uses that.
    ClearEvent(CallId),
    /// Make a call.
    Call(CallId),
    /// Begin a loop that runs this often.
    LoopBegin {
        /// How often the steps run, at least once; none for ever.
        count: Option<u32>,
    },
    /// End of the steps of a loop: run them again, or go on.
    LoopEnd {
        /// The first of the loop's steps.
        body: Pc,
        /// The loop counts its turns.
        counted: bool,
    },
    /// Leave a loop when its condition does not hold any more.
    BreakUnless {
        /// The condition's number.
        condition: u16,
        /// Behind the loop.
        target: Pc,
        /// How many counted loops end with it, the inner ones first.
        loops: u8,
    },
    /// The end of a thread's or routine's steps.
    End,
}

/// A call of the program: one step of the scenario.
#[derive(Clone, Debug)]
pub struct ProgramCall {
    /// The system call behind it.
    pub service: Service,
    /// How its result looks to the program.
    pub convention: Convention,
    /// Where its result is kept.
    pub label: Option<LabelId>,
    /// The step as the scenario says it.
    pub source: Call,
}

/// A thread's part of a program.
#[derive(Clone, Debug)]
pub struct ProgramThread {
    /// Its name.
    pub name: String,
    /// Where its steps begin.
    pub entry: Pc,
    /// What other threads can see of it.
    pub watch: Watch,
}

/// What other threads can see of a thread, by the calls that the program has.
///
/// A step is as large as nobody can look inside. What nobody can look inside depends on who
/// looks: where the program has no call that could tell two moments of a thread apart, they are
/// one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Watch {
    /// A call can suspend or terminate it, and so see it between a call and its result.
    pub interruptible: bool,
    /// A call can alert it, or queue a special user APC to it.
    pub alertable: bool,
    /// A call can wait for its end.
    pub awaited: bool,
    /// A call that uses its handle keeps its result.
    pub reported: bool,
    /// A kernel APC of code in kernel mode can interrupt it.
    pub kernel_apcs: bool,
    /// Somebody writes down when each of its routines begins and ends, and when it ends itself.
    pub traced: bool,
}

impl Watch {
    /// Whether nothing but queueing can reach it from outside, so that an APC routine without
    /// steps is over before anybody can tell that it began.
    ///
    /// Whatever others do between such a routine's delivery and its return they could as well
    /// have done before it: they cannot have seen it, and an APC that they add is found by the
    /// same test-alert.
    pub(crate) fn only_queued_to(self) -> bool {
        !self.interruptible && !self.alertable && !self.kernel_apcs
    }

    /// Whether nobody can tell when it ends.
    pub(crate) fn ends_unseen(self) -> bool {
        self.only_queued_to() && !self.awaited && !self.reported && !self.traced
    }
}

/// A routine of a program.
#[derive(Clone, Debug)]
pub struct ProgramRoutine {
    /// Its name.
    pub name: String,
    /// Where its steps begin.
    pub entry: Pc,
}

/// What ends a loop early.
#[derive(Clone, Debug)]
pub struct ProgramCondition {
    /// The label that is looked at.
    pub label: LabelId,
    /// What its last result has to match.
    pub is: CallResult,
}

/// A compiled scenario: everything about it that does not change while it runs.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) code: Vec<Instruction>,
    pub(crate) calls: Vec<ProgramCall>,
    pub(crate) threads: Vec<ProgramThread>,
    pub(crate) routines: Vec<ProgramRoutine>,
    pub(crate) labels: Vec<String>,
    pub(crate) data: Vec<u64>,
    pub(crate) conditions: Vec<ProgramCondition>,
    /// Names of the objects, thread objects first; unnamed ones are empty.
    pub(crate) objects: Vec<String>,
    /// What each handle refers to.
    pub(crate) handles: Vec<ObjectId>,
    /// The objects that are timers.
    pub(crate) timers: Vec<ObjectId>,
    /// The largest unit, in milliseconds, of which all times of the scenario are multiples.
    pub(crate) time_unit_ms: u32,
    /// What files, devices, pipes, ports and requests are.
    pub(crate) io: IoSetup,
    /// What APC objects, DPCs and spin locks are.
    pub(crate) kernel_mode: KernelSetup,
    /// What a run shows is a part of the state; see [`Program::without_history`].
    pub(crate) keeps_history: bool,
    /// For each label: its results are those of a thread that can be exchanged for another one,
    /// and are kept apart from those of others. Empty if there is no such thread.
    pub(crate) told: Vec<bool>,
    /// The kernel before the first step.
    pub(crate) kernel: Kernel,
    /// Which slot each piece of a state is in.
    pub(crate) slots: SlotMap,
}

impl Program {
    /// The program without a memory of what was seen, for who asks only what can happen and
    /// whether it breaks an invariant: situations that differ in nothing else are one, and there
    /// are no outcomes to tell apart.
    #[must_use = "the program itself does not change"]
    pub fn without_history(mut self) -> Self {
        self.keeps_history = false;
        self
    }

    /// The program with fewer steps, for who searches: a completion that nobody but its issuer can
    /// tell is one step with its second stage also while its thread is woken and has not gone on.
    /// The thread runs the second stage before anything else, and so comes to the same.
    #[must_use = "the program itself does not change"]
    pub fn with_joined_completions(mut self) -> Self {
        self.io.joins_when_woken = true;
        self
    }

    /// Whether [`Program::with_joined_completions`] may make a difference.
    pub fn has_private_requests(&self) -> bool {
        self.io.private_requests.contains(&true)
    }

    /// A call of the program.
    pub fn call(&self, call: CallId) -> &ProgramCall {
        &self.calls[call.index()]
    }

    /// A thread's name.
    pub fn thread_name(&self, thread: ThreadId) -> &str {
        &self.threads[thread.index()].name
    }

    /// A routine's name.
    pub fn routine_name(&self, routine: RoutineId) -> &str {
        &self.routines[routine.index()].name
    }

    /// An object's name; a thread object has that of its thread.
    pub fn object_name(&self, object: ObjectId) -> &str {
        &self.objects[object.index()]
    }

    /// How many objects there are.
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// A label.
    pub fn label(&self, label: LabelId) -> &str {
        &self.labels[label.index()]
    }

    /// A value given to routines.
    pub fn datum(&self, datum: DatumId) -> u64 {
        self.data[datum.index()]
    }

    /// What a handle refers to while it is open.
    pub fn handle_target(&self, handle: HandleId) -> ObjectId {
        self.handles[handle.index()]
    }

    /// What files, devices, pipes, ports and requests are.
    pub fn io(&self) -> &IoSetup {
        &self.io
    }

    /// What APC objects, DPCs and spin locks are.
    pub fn kernel_mode(&self) -> &KernelSetup {
        &self.kernel_mode
    }

    /// The threads, by id.
    pub fn thread_ids(&self) -> impl Iterator<Item = ThreadId> + use<> {
        (0..self.threads.len()).map(ThreadId::from_index)
    }

    /// The labels, by id.
    pub fn label_ids(&self) -> impl Iterator<Item = LabelId> + use<> {
        (0..self.labels.len()).map(LabelId::from_index)
    }

    /// Whether some loop has no end of its own, so that a run may never end though its states
    /// repeat.
    pub fn may_run_for_ever(&self) -> bool {
        self.code.iter().any(|code| matches!(code, Instruction::LoopBegin { count: None }))
    }

    /// The request that a call makes, if it is one.
    pub(crate) fn request_of(&self, call: CallId) -> Option<&Request> {
        match self.call(call).service {
            Service::Io { request } => Some(self.io.request(request)),
            _ => None,
        }
    }

    pub(crate) fn instruction(&self, pc: Pc) -> Instruction {
        self.code[pc as usize]
    }

    /// The largest unit, in milliseconds, of which all times of the scenario are multiples.
    pub fn time_unit_ms(&self) -> u32 {
        self.time_unit_ms
    }
}
