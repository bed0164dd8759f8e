//! Due times for who keeps the time himself.
//!
//! In a machine time passes for everything at once. Who follows a system that has a clock of its
//! own knows when each wait began, and says by himself what is due: nothing before its time, and
//! anything as late as it likes.

use crate::ids::ObjectId;
use crate::io::irp::Irp;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::wait::NEVER;
use crate::machine::{Machine, Model, Transition};

impl Model {
    /// Appends the transitions that wait for a moment that has not come, each with how many
    /// milliseconds there are between the moment when its wait began and that one.
    pub fn not_due(&self, machine: &Machine, out: &mut Vec<(Transition, u32)>) {
        let kernel = &machine.kernel;
        if kernel.io.as_deref().is_some_and(|io| io.bug_check().is_some()) {
            return;
        }
        for thread in kernel.thread_ids() {
            let record = kernel.thread(thread);
            let goes_on = kernel.has_io_apc(thread)
                || (!record.is_alive() && kernel.has_io() && !kernel.awaits_irps(thread));
            if record.waits_for_time() && !goes_on {
                out.push((Transition::TimeOut(thread), record.wait.remaining_ms));
            }
        }
        for timer in &self.program.timers {
            if let DispatcherObject::Timer(record) = kernel.object(*timer) {
                out.push((Transition::Expire(*timer), record.remaining_ms));
            }
        }
        if let Some(io) = kernel.io.as_deref() {
            for irp in io.irps() {
                if self.program.io.can_complete(&Irp { remaining_ms: 0, ..*irp }) {
                    out.push((Transition::Complete(irp.id), irp.remaining_ms));
                }
            }
        }
        out.retain(|(_, ms)| *ms != 0 && *ms != NEVER);
    }
}

impl Machine {
    /// Milliseconds until a timer expires; none while it is not active.
    pub fn timer_ms(&self, timer: ObjectId) -> Option<u32> {
        match self.kernel.object(timer) {
            DispatcherObject::Timer(record) if record.is_active() => Some(record.remaining_ms),
            _ => None,
        }
    }

    /// The moment of one of [`Model::not_due`] has come.
    pub fn make_due(&mut self, transition: Transition) {
        match transition {
            Transition::TimeOut(thread) => self.kernel.thread_mut(thread).wait.remaining_ms = 0,
            Transition::Expire(timer) => {
                if let DispatcherObject::Timer(record) = self.kernel.object_mut(timer) {
                    record.remaining_ms = 0;
                }
            }
            Transition::Complete(irp) => {
                self.kernel.update_irp(irp, |irp| irp.remaining_ms = 0);
            }
            Transition::Run(_)
            | Transition::Interrupt(_)
            | Transition::Retire(_)
            | Transition::PassTime => {}
        }
    }
}
