//! Attaching a thread to another process: which of its APCs are in force meanwhile.
//!
//! A thread has one APC state for its own process and one for each that it is attached to. The
//! APCs of all of them are in one list here, each with the state that it belongs to; those of the
//! state in force are what the system looks at.

use crate::deviation::{Deviation, Deviations};
use crate::event::{Event, Observer};
use crate::ids::{KapcId, ThreadId};
use crate::io::BugCheck;
use crate::io::packet::IrpRef;
use crate::ke::kapc::KernelApc;
use crate::ke::{Context, Kernel};
use crate::parts::{Entry, Key};
use crate::rule::apc as rule;
use alertable_traces::kernel::Environment;

/// How often a thread can attach without detaching.
const ATTACHMENT_COUNT_MAX: usize = 100;

/// What a thread comes back to when it detaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// The process in which it was.
    pub process: u8,
    /// It was attached to the process in which it was: nothing changed.
    pub is_same: bool,
    /// A normal routine of a kernel APC ran (KernelApcInProgress).
    pub kernel_apc_in_progress: bool,
    /// A user APC was due (UserApcPending).
    pub user_apc_pending: bool,
}

impl Entry for Attachment {
    fn digest(&self, key: Key) -> u64 {
        let Attachment { process, is_same, kernel_apc_in_progress, user_apc_pending } = *self;
        key.hash(
            u64::from(process)
                | u64::from(is_same) << 8
                | u64::from(kernel_apc_in_progress) << 9
                | u64::from(user_apc_pending) << 10,
        )
    }
}

impl Kernel {
    /// The process in whose address space a thread is.
    fn process_of<O>(&self, cx: &Context<'_, O>, thread: ThreadId) -> u8 {
        let own = cx.io.thread_processes[thread.index()];
        self.km().thread(thread).process.unwrap_or(own)
    }

    /// Whether a thread is attached to another process than its own.
    pub(crate) fn is_attached(&self, thread: ThreadId) -> bool {
        self.kernel_mode().is_some_and(|km| km.thread(thread).attach_depth != 0)
    }

    /// Whether a thread has attached as often as is simulated.
    pub(crate) fn is_attached_too_deep(&self, thread: ThreadId) -> bool {
        let km = self.kernel_mode();
        km.is_some_and(|km| km.attachments.len(thread.index()) >= ATTACHMENT_COUNT_MAX)
    }

    /// A thread goes into another process (KeStackAttachProcess): an APC state of its own is in
    /// force there.
    ///
    /// APC-S-08: what belongs to the state that it leaves waits for its return.
    pub(crate) fn attach_process<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        process: u8,
    ) {
        cx.rule(rule::APC_S_08);
        let before = self.process_of(cx, thread);
        let is_same = before == process;
        let attachment = Attachment {
            process: before,
            is_same,
            kernel_apc_in_progress: self.km().thread(thread).kernel_apc_in_progress,
            user_apc_pending: self.thread(thread).user_apc_pending,
        };
        self.km_mut().attachments.push(thread.index(), attachment);
        if is_same {
            return;
        }
        let here = self.km_thread_mut(thread);
        here.attach_depth += 1;
        here.process = Some(process);
        here.kernel_apc_in_progress = false;
        self.thread_mut(thread).user_apc_pending = false;
    }

    /// A thread comes back (KeUnstackDetachProcess).
    ///
    /// APC-S-10: nothing of the state that it leaves may be left. APC-S-09: what was queued to the
    /// other one meanwhile is delivered before the call returns.
    pub(crate) fn detach_process<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rule(rule::APC_S_10);
        let list = thread.index();
        let Some(attachment) = self.km().attachments.last(list).copied() else {
            return self.stop_system(cx, thread, BugCheck::InvalidProcessDetachAttempt);
        };
        if !attachment.is_same {
            let has_apc = self.next_in_force(Deviations::NONE, thread).is_some();
            if has_apc || self.km().thread(thread).kernel_apc_in_progress {
                return self.stop_system(cx, thread, BugCheck::InvalidProcessDetachAttempt);
            }
        }
        self.km_mut().attachments.pop(list);
        if attachment.is_same {
            return;
        }
        let own = cx.io.thread_processes[list];
        let here = self.km_thread_mut(thread);
        here.attach_depth -= 1;
        here.process =
            (attachment.process != own || here.attach_depth > 0).then_some(attachment.process);
        here.kernel_apc_in_progress = attachment.kernel_apc_in_progress;
        let pending = attachment.user_apc_pending && !self.user_apcs(thread).is_empty();
        self.thread_mut(thread).user_apc_pending = pending;
        if !self.km().kernel_apcs(thread).is_empty() {
            cx.rule(rule::APC_S_09);
        }
    }

    /// The first of a thread's kernel APCs that belongs to the state in force, with its place.
    pub(crate) fn next_in_force(
        &self,
        deviations: Deviations,
        thread: ThreadId,
    ) -> Option<(usize, KernelApc)> {
        let km = self.kernel_mode()?;
        let apcs = km.kernel_apcs(thread);
        let depth = km.thread(thread).attach_depth;
        let at = if deviations.contains(Deviation::EveryApcStateInForce) {
            0
        } else {
            apcs.iter().position(|apc| self.depth_of_apc(*apc) == depth)?
        };
        apcs.get(at).map(|apc| (at, *apc))
    }

    /// Which of its thread's APC states a queued kernel APC belongs to: 0 is that of its own
    /// process.
    pub(crate) fn depth_of_apc(&self, apc: KernelApc) -> u8 {
        match apc {
            KernelApc::Object { kapc, .. } => self.km().kapc(kapc).depth,
            KernelApc::OwnIrp(var) => {
                self.driver_irp(IrpRef::Own(var)).map_or(0, |record| record.attach_depth)
            }
            // Initialised for the thread's own process.
            KernelApc::Io(_) | KernelApc::Suspend | KernelApc::Exit => 0,
        }
    }

    /// The state to which an APC object goes that is queued now.
    ///
    /// APC-S-08: as its environment says; nowhere, if that is a state which does not exist.
    pub(crate) fn depth_for<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        caller: ThreadId,
        thread: ThreadId,
        kapc: KapcId,
    ) -> Option<u8> {
        let depth = self.km().thread(thread).attach_depth;
        match self.km().kapc(kapc).environment {
            Environment::Original => Some(0),
            Environment::Insert => Some(depth),
            Environment::Attached | Environment::Current if depth > 0 => Some(depth),
            Environment::Attached | Environment::Current => {
                let how = "queued an APC for a process that its thread is not attached to";
                cx.event(Event::ContractBroken { thread: caller, how });
                None
            }
        }
    }

    /// The environment that an APC object gets when it is initialised (APC-S-08).
    pub(crate) fn environment_for(
        &self,
        thread: ThreadId,
        environment: Environment,
    ) -> Environment {
        match environment {
            Environment::Current if self.is_attached(thread) => Environment::Attached,
            Environment::Current => Environment::Original,
            other => other,
        }
    }
}
