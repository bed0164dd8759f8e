//! Asynchronous requests, as whoever looks at them from outside sees them.
//!
//! **Divergence.** The machine's requests are IRPs of declared drivers. Here nothing is known of
//! the driver: it completes a request at any moment. What the end of a request does to events,
//! ports and APC queues is the same, and goes through the kernel.

use super::{Effects, Full, OpenWorld, PacketContent, UserApc};
use crate::ids::{ObjectId, ThreadId};
use crate::rule::{RuleId, cancel, io, iocp, irp};
use alertable_traces::status::NtStatus;

/// Where a request is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestState {
    /// Its call has not returned.
    Issued,
    /// Its result was given to the call; what it tells others is done when its thread looks.
    Direct,
    /// It goes on.
    Pending,
    /// Its thread is to finish it: it has been told so by a system APC, or by its call.
    Handed,
    /// It is over.
    Over,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Who issued it.
    pub thread: ThreadId,
    /// Where it is on its way.
    pub state: RequestState,
    /// It was pending at some time: its failure is told as its success is (IRP-45).
    pub pended: bool,
    /// The object that its thread can wait for, as long as there is a handle of it.
    pub object: Option<ObjectId>,
    /// The event that it sets.
    pub event: Option<ObjectId>,
    /// The port of its file, with its key.
    pub port: Option<(ObjectId, u64)>,
    /// The routine of its APC.
    pub routine: Option<u64>,
    /// What its APC is given, or the value of its packet.
    pub context: u64,
    /// Its status block.
    pub block: u64,
    /// Its cancellation was asked for.
    pub cancelled: bool,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Its status; none if the system did not say which.
    pub status: Option<NtStatus>,
    /// Bytes transferred.
    pub information: u64,
}

impl Outcome {
    fn is_error(self) -> bool {
        self.status.is_none_or(NtStatus::is_error)
    }
}

/// The rules that the end of a request follows.
pub const COMPLETION_RULES: [RuleId; 4] = [irp::IRP_44, irp::IRP_45, irp::IRP_51, io::IO_33];

/// The rule that a request is over once, and by whom it is told.
pub const ONCE_RULES: [RuleId; 3] = [irp::IRP_30, irp::IRP_37, io::IO_46];

/// The rules of cancellation.
pub const CANCEL_RULES: [RuleId; 2] = [cancel::CAN_17, cancel::CAN_26];

/// The rules of taking packets.
pub const PACKET_RULES: [RuleId; 2] = [iocp::IOCP_10, iocp::IOCP_12];

impl OpenWorld {
    /// A request is over: tells of it.
    ///
    /// IRP-45: a failure of one that never was pending is told by its call alone. IRP-51: an APC
    /// or else a packet. **Divergence.** IRP-44 has the event before them; Wine sets it after,
    /// which only the order of two wake-ups of one step can show. Where a port is not the file's
    /// (no `port`), or a packet has no value (IO-41), none is queued.
    ///
    /// # Errors
    /// [`Full`].
    pub fn finish_request(
        &mut self,
        request: &mut Request,
        outcome: Outcome,
    ) -> Result<Effects, Full> {
        request.state = RequestState::Over;
        let mut effects = Effects { wakes: Vec::new(), rules: COMPLETION_RULES.to_vec() };
        if request.pended || !outcome.is_error() {
            if let Some(routine) = request.routine {
                let arguments = vec![request.context, request.block, 0];
                let apc = UserApc { routine, arguments };
                effects.add(self.queue_apc(request.thread, apc)?.1);
            } else if let Some((port, key)) = request.port
                && request.context != 0
            {
                let Outcome { status, information } = outcome;
                let content = PacketContent { key, value: request.context, status, information };
                effects.add(self.post(port, content)?);
            }
            if let Some(event) = request.event
                && !self.is_opaque(event)
            {
                effects.add(self.set_event(event));
            }
        }
        if let Some(object) = request.object {
            effects.add(self.set_event(object));
        }
        Ok(effects)
    }
}

impl Effects {
    /// What another call did, after this one.
    pub fn add(&mut self, other: Effects) {
        self.wakes.extend(other.wakes);
        for rule in other.rules {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
    }
}
