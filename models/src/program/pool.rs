//! How the threads of pools take a step: their callbacks, their waits, and their end.

use crate::event::Observer;
use crate::ids::{RoutineId, ThreadId};
use crate::io::port::Packet;
use crate::ke::Context;
use crate::ke::thread::{ExitPhase, ThreadState};
use crate::machine::{Machine, Model};
use crate::rule::threadpool as tp;
use crate::tp::callback_of;

impl Machine {
    /// A pool's thread runs a callback and then asks for the next one.
    pub(super) fn run_callback<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
        packet: Option<&Packet>,
    ) {
        let Some(packet) = packet else { return };
        cx.rules([tp::TP_02, tp::TP_06, tp::TP_08]);
        let routine = RoutineId(model.program.datum(packet.key) as u16);
        let kapc = callback_of(routine, packet);
        let result = self.kernel.completion_of(kapc);
        self.begin_routine(model, cx, thread, kapc, result);
    }

    /// A wait of a pool goes on: it makes its tests again, or is over.
    pub(super) fn run_pool_waiter<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        let status = match self.kernel.thread(thread).state {
            ThreadState::Woken(status) => Some(status),
            _ => self.kernel.restart_wait(cx, thread),
        };
        if let Some(status) = status {
            self.kernel.pool_wait_over(cx, thread, status);
        }
    }

    /// The system ends a thread of a pool that waits for work.
    pub(crate) fn retire<O: Observer>(
        &mut self,
        model: &Model,
        cx: &mut Context<'_, O>,
        thread: ThreadId,
    ) {
        cx.rules([tp::TP_01, tp::TP_06, tp::TP_07]);
        self.kernel.begin_exit(cx, thread, 0);
        self.exit(model, cx, thread, ExitPhase::CancelIrps);
    }
}
