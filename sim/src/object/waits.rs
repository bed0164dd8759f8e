//! Waits that begin, and the APCs that their answers bring.

use super::follower::{Follower, Step, Wait};
use super::{Stop, Unexplained};
use alertable_models::ids::{ObjectId, ThreadId};
use alertable_models::ke::wait::WaitKind;
use alertable_models::open::{Entry, RequestState, Span, UserApc};
use alertable_models::rule::{apc, irp, thread as thr, wait as rule};
use alertable_traces::status::NtStatus;
use alertable_traces::trace::object::{ObjectCall, ObjectKind, Reply, WaitMode};

/// The most objects of a wait (MAXIMUM_WAIT_OBJECTS).
const OBJECT_COUNT_MAX: u32 = 64;

/// The index that a status tells, of an object or of an abandoned mutex.
pub(super) fn index_of(status: NtStatus) -> Option<usize> {
    let abandoned = NtStatus::ABANDONED_WAIT_0.0;
    match status.0 {
        index if index < OBJECT_COUNT_MAX => Some(index as usize),
        value if (abandoned..abandoned + OBJECT_COUNT_MAX).contains(&value) => {
            Some((value - abandoned) as usize)
        }
        _ => None,
    }
}

impl Follower {
    /// The answer to a wait.
    pub(super) fn wait_answered(
        &mut self,
        name: &str,
        call: &ObjectCall,
        status: NtStatus,
        reply: &Reply,
    ) -> Step {
        let ObjectCall::Wait { finished, signal, interruptible, .. } = call else { return Ok(()) };
        if let (Some(request), ObjectCall::Wait { status: Some(ended), bytes, .. }) =
            (finished, call)
        {
            self.finished_by(name, request, ended, *bytes)?;
        }
        if let Some(signal) = signal {
            self.signal_first(name, signal)?;
        }
        if status == NtStatus::KERNEL_APC {
            return self.system_apc(name, *interruptible, reply);
        }
        let awaits = std::mem::take(&mut self.thread(name)?.awaits_system_apc);
        if awaits && *interruptible {
            return Err(self.answer_differs(
                "a system APC was not handed to its thread",
                name,
                status,
                &["STATUS_KERNEL_APC".to_owned()],
                &[irp::IRP_37, apc::APC_I_11],
            ));
        }
        if self.is_report_of_stop(name, call) {
            return self.stop_reported(name, status);
        }
        self.wait_begins(name, call, status)?;
        if status == NtStatus::USER_APC { self.user_apc(name, reply) } else { Ok(()) }
    }

    /// A thread is interrupted by a signal, inside a wait or not, and says where it was.
    fn is_report_of_stop(&self, name: &str, call: &ObjectCall) -> bool {
        let ObjectCall::Wait { stopped, mode, timeout, .. } = call else { return false };
        let thread = &self.threads[name];
        let is_inside_wait = self.world.is_waiting(thread.id) && thread.wait.is_some();
        *stopped || (*mode == WaitMode::None && *timeout == Some(0) && is_inside_wait)
    }

    /// THR-18: such a thread stays there while it is suspended.
    fn stop_reported(&mut self, name: &str, status: NtStatus) -> Step {
        let thread = self.thread(name)?.clone();
        let is_stopped = self.world.is_stopped(thread.id);
        match status {
            NtStatus::PENDING if is_stopped || !thread.is_known => {
                self.world.report_stopped(thread.id);
                Ok(())
            }
            NtStatus::TIMEOUT if !is_stopped || !thread.is_known => Ok(()),
            _ => {
                let allowed = if is_stopped { NtStatus::PENDING } else { NtStatus::TIMEOUT };
                Err(self.answer_differs(
                    "a suspended thread went on, or another one did not",
                    name,
                    status,
                    &[allowed.to_string()],
                    &[thr::THR_18, thr::THR_21],
                ))
            }
        }
    }

    /// IRP-37: a system APC is handed to a thread, which is to finish a request.
    fn system_apc(&mut self, name: &str, interruptible: bool, reply: &Reply) -> Step {
        self.count("system-apc");
        self.thread(name)?.awaits_system_apc = false;
        if !interruptible {
            return Err(self.answer_differs(
                "a system APC came to a wait that none can interrupt",
                name,
                NtStatus::KERNEL_APC,
                &[],
                &[apc::APC_I_11],
            ));
        }
        match &reply.request {
            Some(request) => self.handed_to(name, request, reply.block),
            None => Ok(()),
        }
    }

    /// The objects of these names.
    pub(super) fn ids(&mut self, objects: &[String]) -> Result<Vec<ObjectId>, Stop> {
        objects.iter().map(|object| self.thing(object, ObjectKind::Other)).collect()
    }

    /// A wait begins: the world decides whether it is over at once, and the answer has to say so.
    fn wait_begins(&mut self, name: &str, call: &ObjectCall, status: NtStatus) -> Step {
        let ObjectCall::Wait { objects, mode, alertable, interruptible, timeout, .. } = call else {
            return Ok(());
        };
        let thread = self.thread(name)?.clone();
        if self.world.is_waiting(thread.id) {
            if thread.is_known {
                return Err(self.waits_already(name));
            }
            self.world.end_wait(thread.id);
        }
        let ids = self.ids(objects)?;
        let wait = Wait {
            objects: objects.clone(),
            mode: *mode,
            alertable: *alertable,
            interruptible: *interruptible,
        };
        if status.is_error() {
            return self.wait_refused(name, objects, status);
        }
        self.let_timers_expire(&ids, *mode, status);
        if status == NtStatus::USER_APC {
            self.let_apc_timer_expire(thread.id, *alertable);
        }
        if self.is_satisfied_unseen(thread.id, &ids, &wait, status) {
            self.thread(name)?.wait = Some(wait);
            return self.wait_is_over(name, status);
        }
        let kind = match mode {
            WaitMode::All if ids.len() > 1 => WaitKind::All,
            WaitMode::None => WaitKind::Delay,
            // A keyed event is an object of which nothing is known.
            WaitMode::Any | WaitMode::All | WaitMode::Keyed | WaitMode::Release => WaitKind::Any,
        };
        let span = match timeout {
            None => Span::Infinite,
            Some(0) => Span::Zero,
            Some(_) => Span::Finite,
        };
        let entry = Entry { objects: &ids, kind, alertable: *alertable, span };
        let (result, effects) = self.world.begin_wait(thread.id, &entry);
        self.expect(effects);
        self.thread(name)?.wait = Some(wait);
        self.compare_entry(name, result, status)
    }

    fn compare_entry(&mut self, name: &str, result: Option<NtStatus>, status: NtStatus) -> Step {
        let thread = self.thread(name)?.clone();
        let result = match result {
            Some(result) => self.status_of_request(thread.id, result),
            None => NtStatus::PENDING,
        };
        if result == status {
            if status != NtStatus::PENDING {
                self.wait_is_over(name, status)?;
            }
            return Ok(());
        }
        if self.is_unknown_apc(&thread, status) || self.is_over_in_time(&thread, result, status) {
            self.world.end_wait(thread.id);
            self.thread(name)?.wait = None;
            return Ok(());
        }
        if self.is_alias_at_entry(name, result, status)? {
            return Ok(());
        }
        let kind = match (result, status) {
            (NtStatus::PENDING, NtStatus::USER_APC) => {
                "a user APC was delivered where none was due"
            }
            (NtStatus::USER_APC, _) => "a user APC that was due was not delivered",
            (NtStatus::PENDING | NtStatus::TIMEOUT, _) => {
                "a wait was over that should have gone on"
            }
            _ => "a wait ended with another status",
        };
        let rules = [rule::WAIT_01, rule::WAIT_02, rule::WAIT_07, rule::WAIT_30];
        Err(self.answer_differs(kind, name, status, &[result.to_string()], &rules))
    }

    /// APCs that were queued to a thread before the trace began.
    fn is_unknown_apc(&self, thread: &super::follower::Thread, status: NtStatus) -> bool {
        let alertable = thread.wait.as_ref().is_some_and(|wait| wait.alertable);
        status == NtStatus::USER_APC && alertable && self.may_have_more_apcs(thread)
    }

    /// A finite time that is over when the wait begins.
    fn is_over_in_time(
        &self,
        thread: &super::follower::Thread,
        result: NtStatus,
        status: NtStatus,
    ) -> bool {
        result == NtStatus::PENDING
            && status == NtStatus::TIMEOUT
            && self.world.can_time_out(thread.id)
    }

    /// The state of an object was changed by another name.
    fn is_alias_at_entry(
        &mut self,
        name: &str,
        result: NtStatus,
        status: NtStatus,
    ) -> Result<bool, Stop> {
        let thread = self.thread(name)?.clone();
        let Some(wait) = thread.wait.clone() else { return Ok(false) };
        let seen = if result == NtStatus::PENDING { status } else { result };
        let known = index_of(seen).and_then(|index| wait.objects.get(index)).cloned();
        let Some((known, alias)) = known.and_then(|known| {
            let alias = self.alias_of(&known)?;
            Some((known, alias))
        }) else {
            return Ok(false);
        };
        if result != NtStatus::PENDING {
            return Ok(false);
        }
        let effects = self.unify(&alias, &known);
        let own = (thread.id, status);
        let explains = effects.wakes.contains(&own);
        let mut effects = effects;
        effects.wakes.retain(|wake| *wake != own);
        self.expect(effects);
        if explains {
            self.wait_is_over(name, status)?;
        }
        Ok(explains)
    }

    /// A wait of a thread that, for all that is known, is still in another one.
    fn waits_already(&mut self, name: &str) -> Stop {
        let concerned = self.concerned_by_wait(name);
        self.unexplained(Unexplained {
            kind: "a thread went on whose wait did not end",
            seen: format!("thread {name} waits again"),
            allowed: vec![format!("thread {name} is in its wait until that ends")],
            state: Vec::new(),
            rules: vec![rule::WAIT_12, rule::WAIT_16],
            concerned,
        })
    }

    /// A wait that fails: what it names is no object that it could wait for.
    fn wait_refused(&mut self, name: &str, objects: &[String], status: NtStatus) -> Step {
        let all_known = objects.iter().all(|object| {
            self.thread_of_object(object).is_some()
                || self
                    .things
                    .get(object)
                    .is_some_and(|t| !self.world.is_opaque(t.id) && !t.is_gone)
        });
        let request = objects.first().and_then(|object| self.requests.get(object));
        if request.is_some_and(|followed| followed.status == Some(status)) {
            // The status of the request that it waited for.
            let wait = Wait {
                objects: objects.to_vec(),
                mode: WaitMode::Any,
                alertable: false,
                interruptible: false,
            };
            self.thread(name)?.wait = Some(wait);
            return self.wait_is_over(name, status);
        }
        if status == NtStatus::INVALID_HANDLE && all_known && !objects.is_empty() {
            let allowed = ["the wait of these objects".to_owned()];
            return Err(self.answer_differs(
                "a handle that is open was refused",
                name,
                status,
                &allowed,
                &[rule::WAIT_43],
            ));
        }
        Ok(())
    }

    /// A timer that the answer says was signaled has expired at some time.
    fn let_timers_expire(&mut self, ids: &[ObjectId], mode: WaitMode, status: NtStatus) {
        let signaled: Vec<ObjectId> = match (mode, index_of(status)) {
            (WaitMode::All, Some(_)) => ids.to_vec(),
            (WaitMode::Any, Some(index)) => ids.get(index).copied().into_iter().collect(),
            _ => Vec::new(),
        };
        for timer in signaled {
            if self.world.can_expire(timer) {
                let effects = self.world.expire_timer_before(timer);
                self.expect(effects);
            }
        }
    }

    /// A timer's APC that the answer says was due was queued at some time.
    fn let_apc_timer_expire(&mut self, thread: ThreadId, alertable: bool) {
        if !alertable || !self.world.user_apcs(thread).is_empty() {
            return;
        }
        let timer = self.world.apc_timers(thread).first().map(|(timer, _)| *timer);
        if let Some(timer) = timer {
            let effects = self.world.expire_timer_before(timer);
            self.expect(effects);
        }
    }

    /// Whether the answer is that of an object of which nothing is known, and those before it
    /// do not contradict it; then the wait is over.
    fn is_satisfied_unseen(
        &mut self,
        thread: ThreadId,
        ids: &[ObjectId],
        wait: &Wait,
        status: NtStatus,
    ) -> bool {
        if let [object] = ids
            && self.world.is_opaque(*object)
            && is_of_request(status)
        {
            return true;
        }
        let Some(index) = index_of(status) else { return false };
        if matches!(wait.mode, WaitMode::Keyed | WaitMode::Release) {
            return true;
        }
        let is_all = wait.mode == WaitMode::All && ids.len() > 1;
        let opaque: Vec<bool> = ids.iter().map(|id| self.world.is_opaque(*id)).collect();
        let unseen = if is_all {
            opaque.contains(&true)
        } else {
            opaque.get(index).copied().unwrap_or(false)
        };
        if !unseen {
            return false;
        }
        let known: Vec<ObjectId> =
            ids.iter().zip(&opaque).filter(|(_, opaque)| !**opaque).map(|(id, _)| *id).collect();
        if is_all {
            let all = known.iter().all(|id| self.world.is_signaled_for(*id, thread));
            if all {
                let (_, effects) = self.world.satisfy(thread, &known);
                self.expect(effects);
            }
            return all;
        }
        let before = ids[..index].iter().any(|id| self.world.is_signaled_for(*id, thread));
        !before
    }

    /// APC-U-03: the routine of the oldest user APC is run.
    fn user_apc(&mut self, name: &str, reply: &Reply) -> Step {
        self.count("user-apc");
        let thread = self.thread(name)?.clone();
        let seen =
            UserApc { routine: reply.routine.unwrap_or(0), arguments: reply.arguments.clone() };
        let is_next = self.world.user_apcs(thread.id).first().is_some_and(|apc| fits(apc, &seen));
        if !is_next {
            self.let_timer_be_first(thread.id, &seen);
        }
        let is_next = self.world.user_apcs(thread.id).first().is_some_and(|apc| fits(apc, &seen));
        if !is_next && thread.loose_apcs.iter().any(|apc| fits(apc, &seen)) {
            return Ok(());
        }
        let next = self.world.take_apc(thread.id);
        match next {
            Some(next) if fits(&next, &seen) => Ok(()),
            _ if !thread.is_known || self.has_wandering_apcs => Ok(()),
            next => {
                let allowed: Vec<String> = next.iter().map(super::describe::apc).collect();
                let mut stop = self.answer_differs(
                    "another user APC was due",
                    name,
                    NtStatus::USER_APC,
                    &allowed,
                    &[apc::APC_U_03, apc::APC_I_04],
                );
                if let Stop::Unexplained(unexplained) = &mut stop {
                    unexplained.seen =
                        format!("thread {name} runs {}", super::describe::apc(&seen));
                }
                Err(stop)
            }
        }
    }

    /// A timer's APC can have been queued before those that are.
    fn let_timer_be_first(&mut self, thread: ThreadId, seen: &UserApc) {
        if self.world.hasten_timer_apc(thread, |apc| fits(apc, seen)) {
            return;
        }
        let due = self.world.apc_timers(thread);
        let timer = due.iter().find(|(_, apc)| fits(apc, seen)).map(|(timer, _)| *timer);
        if let Some(timer) = timer {
            let effects = self.world.expire_timer_before(timer);
            self.expect(effects);
            self.world.hasten_timer_apc(thread, |apc| fits(apc, seen));
        }
    }

    /// A request whose direct result is known is over when its thread looks (IRP-35).
    pub(super) fn request_was_waited_for(&mut self, objects: &[String]) -> Step {
        let [object] = objects else { return Ok(()) };
        let Some(followed) = self.requests.get(object) else { return Ok(()) };
        match followed.request.state {
            RequestState::Direct => self.direct_request_is_over(object),
            RequestState::Over => {
                self.requests.remove(object);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An answer that is not the one that it should have been.
    pub(super) fn answer_differs(
        &self,
        kind: &'static str,
        name: &str,
        status: NtStatus,
        allowed: &[String],
        rules: &[alertable_models::rule::RuleId],
    ) -> Stop {
        self.unexplained(Unexplained {
            kind,
            seen: format!("the call of thread {name} returned {status}"),
            allowed: allowed.to_vec(),
            state: Vec::new(),
            rules: rules.to_vec(),
            concerned: self.concerned_by_wait(name),
        })
    }
}

/// Whether a wait for a request, which ends with the status of the request, can have ended so.
fn is_of_request(status: NtStatus) -> bool {
    let of_waits = [NtStatus::PENDING, NtStatus::TIMEOUT, NtStatus::USER_APC, NtStatus::KERNEL_APC];
    index_of(status).is_none() && !of_waits.contains(&status)
}

/// Whether an APC is the one that was seen. A timer's is given its due time, which is not known.
fn fits(apc: &UserApc, seen: &UserApc) -> bool {
    apc.routine == seen.routine
        && apc.arguments.iter().zip(&seen.arguments).all(|(known, seen)| known == seen)
}
