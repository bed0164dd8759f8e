//! Creating and starting threads.

use crate::event::{Event, Observer, ThreadChange};
use crate::ids::ThreadId;
use crate::ke::thread::{Kthread, ThreadState};
use crate::ke::{Context, Kernel};
use crate::rule::thread as rule;
use alertable_traces::status::NtStatus;

impl Kernel {
    /// Creates a thread that is to run at once (THR-01).
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` when it exists already: a scenario's thread is created once.
    pub(crate) fn create_thread<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) -> Result<(), NtStatus> {
        if self.thread(thread).state != ThreadState::NotCreated {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        cx.rules([rule::THR_01, rule::THR_06]);
        *self.thread_mut(thread) = Kthread { state: ThreadState::Starting, ..Kthread::running() };
        cx.event(Event::Thread { thread, change: ThreadChange::Created });
        Ok(())
    }

    /// What a thread does before its entry point, as far as APCs are concerned.
    ///
    /// THR-03: it ends with an alertable test, so that the APCs queued so far run. The loader
    /// tests twice, and so an alert is consumed without holding them up.
    pub(crate) fn start_thread<O: Observer>(&mut self, cx: &mut Context<'_, O>, thread: ThreadId) {
        cx.rules([rule::THR_03, rule::THR_07, crate::rule::apc::APC_U_24]);
        cx.event(Event::Thread { thread, change: ThreadChange::Started });
        self.thread_mut(thread).state = ThreadState::User;
        self.thread_mut(thread).alerted = false;
        let _ = self.test_alert(cx, thread);
    }
}
