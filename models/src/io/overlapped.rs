//! What the Win32 functions around an OVERLAPPED do in user mode: look at it, wait, look again.

use crate::event::{IoResult, Observer};
use crate::ids::{BlockId, HandleId, ThreadId};
use crate::ke::apc::Kapc;
use crate::ke::thread::InService;
use crate::ke::wait::{WaitKind, WaitRequest};
use crate::ke::{Context, Kernel};
use crate::rule::io as rule;
use crate::service::{ServiceOutcome, ServiceReturn};
use alertable_traces::status::NtStatus;

/// How GetOverlappedResult waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResultWait {
    /// User APCs end it.
    pub alertable: bool,
    /// How long, in milliseconds.
    pub timeout_ms: u32,
}

/// Beside a status: it is that of the wait, or of not waiting, and not that of the request.
pub(crate) const NOT_THE_REQUEST: u32 = u32::MAX;

/// Beside a warning: the Win32 function fails with it.
pub(crate) const TAKEN_FOR_AN_ERROR: u32 = u32::MAX;

impl Kernel {
    /// Looks at an OVERLAPPED, and waits if its request is pending (IO-50, IO-51).
    pub(crate) fn overlapped_result<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        block: BlockId,
        object: HandleId,
        wait: Option<ResultWait>,
    ) -> ServiceOutcome {
        cx.rules([rule::IO_35, rule::IO_50]);
        let here = self.io().block(block);
        if here.status != NtStatus::PENDING {
            let value = here.information;
            return ServiceOutcome::Returned(ServiceReturn { status: here.status, value });
        }
        let Some(ResultWait { alertable, timeout_ms }) = wait else {
            let value = NOT_THE_REQUEST;
            return ServiceOutcome::Returned(ServiceReturn { status: here.status, value });
        };
        let object = match self.reference_any(cx, object) {
            Ok(object) => object,
            Err(status) => {
                let value = NOT_THE_REQUEST;
                return ServiceOutcome::Returned(ServiceReturn { status, value });
            }
        };
        cx.rule(rule::IO_51);
        self.thread_mut(thread).service = InService::Wrapper;
        let request = WaitRequest { kind: WaitKind::Any, alertable, remaining_ms: timeout_ms };
        self.prepare_wait(thread, object, request);
        ServiceOutcome::InWait
    }

    /// The wait of a Win32 function for a request is over; it looks at the status block again.
    pub(crate) fn wrapper_wait_over(
        &mut self,
        thread: ThreadId,
        block: BlockId,
        status: NtStatus,
    ) -> ServiceOutcome {
        self.thread_mut(thread).service = InService::None;
        if status == NtStatus::USER_APC {
            return self.after_wait_entry(thread, Some(status));
        }
        if status != NtStatus::WAIT_0 {
            let value = NOT_THE_REQUEST;
            return ServiceOutcome::Returned(ServiceReturn { status, value });
        }
        let block = self.io().block(block);
        ServiceOutcome::Returned(ServiceReturn { status: block.status, value: block.information })
    }

    /// What the routine of a completed request reads from its status block (IO-48).
    pub(crate) fn completion_of(&self, kapc: Kapc) -> IoResult {
        kapc.block().map_or(IoResult::NONE, |block| {
            let block = self.io().block(block);
            IoResult { status: block.status, information: block.information }
        })
    }

    /// Whether the request of an OVERLAPPED is over, as its status says (IO-34).
    pub(crate) fn has_completed<O: Observer>(
        &self,
        cx: &mut Context<'_, O>,
        block: BlockId,
    ) -> ServiceReturn {
        cx.rules([rule::IO_18, rule::IO_34]);
        let value = u32::from(self.io().block(block).status != NtStatus::PENDING);
        ServiceReturn { status: NtStatus::SUCCESS, value }
    }
}
