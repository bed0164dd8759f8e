//! Calls about objects, and what their answers have to be.

use super::follower::{Follower, Step};
use super::{Stop, Unexplained};
use alertable_models::ids::ObjectId;
use alertable_models::ke::dispatcher::DispatcherObject;
use alertable_models::open::{Effects, PACKET_RULES, PacketContent, UserApc};
use alertable_models::rule::{RuleId, apc, thread as thr, timer, wait};
use alertable_traces::status::NtStatus;
use alertable_traces::trace::object::{EventAction, ObjectCall, ObjectKind, Reply};

/// The errors of a call that had no right to what it named.
const REFUSED: [NtStatus; 3] =
    [NtStatus::INVALID_HANDLE, NtStatus::ACCESS_DENIED, NtStatus::OBJECT_TYPE_MISMATCH];

/// What a call has to be answered with.
struct Answer {
    status: NtStatus,
    previous: Option<u32>,
}

impl Answer {
    fn success() -> Self {
        Answer { status: NtStatus::SUCCESS, previous: None }
    }

    fn previous(previous: u32) -> Self {
        Answer { previous: Some(previous), ..Self::success() }
    }

    fn failure(status: NtStatus) -> Self {
        Answer { status, previous: None }
    }
}

impl Follower {
    /// The answer to a call.
    pub(super) fn answered(
        &mut self,
        name: &str,
        call: &ObjectCall,
        status: &str,
        reply: &Reply,
    ) -> Step {
        let status = NtStatus::from_name(status);
        if let ObjectCall::Issue { .. } = call {
            return self.issue_answered(name, call, status, reply);
        }
        // A status without a name here is some refusal.
        let Some(status) = status else { return Ok(()) };
        if let ObjectCall::Wait { .. } = call {
            return self.wait_answered(name, call, status, reply);
        }
        if REFUSED.contains(&status) {
            return self.refused(name, call, status);
        }
        match call {
            ObjectCall::Event { object, action } => {
                self.event_answered(name, object, *action, status, reply)
            }
            ObjectCall::ReleaseMutex { object } => self.mutex_answered(name, object, status, reply),
            ObjectCall::ReleaseSemaphore { object, count } => {
                self.semaphore_answered(name, object, *count, status, reply)
            }
            ObjectCall::QueueApc { target, routine, arguments } => {
                let apc = UserApc { routine: *routine, arguments: arguments.clone() };
                self.apc_answered(name, target, apc, status)
            }
            ObjectCall::SetTimer { .. } | ObjectCall::CancelTimer { .. } => {
                self.timer_answered(name, call, status, reply)
            }
            ObjectCall::Suspend { target } => self.suspend_answered(name, target, status, reply),
            ObjectCall::Resume { target } => self.resume_answered(name, target, status, reply),
            ObjectCall::DirectResult { .. } => self.direct_answered(name, call),
            ObjectCall::Cancel { .. } => self.cancel_answered(name, call, status),
            ObjectCall::Post { .. } => self.post_answered(call, status),
            ObjectCall::Take { object } => self.take_answered(name, object, status, reply),
            ObjectCall::Associate { file, port, key } if status == NtStatus::SUCCESS => {
                let port = self.thing(port, ObjectKind::Port)?;
                self.pin(port);
                if let Some((old, _)) = self.associations.insert(file.clone(), (port, *key)) {
                    self.unpin(old);
                }
                Ok(())
            }
            ObjectCall::Touch { object, .. } => {
                let object = self.thing(object, ObjectKind::Other)?;
                self.world.make_opaque(object);
                Ok(())
            }
            ObjectCall::Associate { .. }
            | ObjectCall::Terminate { .. }
            | ObjectCall::FetchResult { .. }
            | ObjectCall::Other { .. }
            | ObjectCall::Wait { .. }
            | ObjectCall::Issue { .. } => Ok(()),
        }
    }

    /// A handle that is open is not invalid.
    fn refused(&mut self, name: &str, call: &ObjectCall, status: NtStatus) -> Step {
        let (ObjectCall::Event { object, .. }
        | ObjectCall::ReleaseMutex { object }
        | ObjectCall::ReleaseSemaphore { object, .. }
        | ObjectCall::Take { object }) = call
        else {
            return Ok(());
        };
        let is_known = self.things.get(object).is_some_and(|t| !self.world.is_opaque(t.id));
        if status != NtStatus::ACCESS_DENIED && is_known {
            let answer = Answer::success();
            return Err(self.wrong(
                "a handle that is open was refused",
                name,
                object,
                status,
                None,
                &answer,
                &[wait::WAIT_43],
            ));
        }
        Ok(())
    }

    /// Compares an answer with what it has to be.
    #[allow(clippy::too_many_arguments)]
    fn compare(
        &mut self,
        kind: &'static str,
        name: &str,
        object: &str,
        status: NtStatus,
        reply: &Reply,
        answer: &Answer,
        rules: &[RuleId],
    ) -> Step {
        let previous_fits = match (answer.previous, reply.previous) {
            (Some(right), Some(said)) => right == said,
            _ => true,
        };
        if status == answer.status && previous_fits {
            return Ok(());
        }
        Err(self.wrong(kind, name, object, status, reply.previous, answer, rules))
    }

    #[allow(clippy::too_many_arguments)]
    fn wrong(
        &self,
        kind: &'static str,
        name: &str,
        object: &str,
        status: NtStatus,
        previous: Option<u32>,
        answer: &Answer,
        rules: &[RuleId],
    ) -> Stop {
        let with = |status: NtStatus, previous: Option<u32>| match previous {
            Some(previous) => format!("{status}, {previous} before"),
            None => status.to_string(),
        };
        self.unexplained(Unexplained {
            kind,
            seen: format!(
                "the call of thread {name} on {object} returned {}",
                with(status, previous)
            ),
            allowed: vec![with(answer.status, answer.previous)],
            state: Vec::new(),
            rules: rules.to_vec(),
            concerned: vec![name.to_owned(), object.to_owned()],
        })
    }

    fn event_answered(
        &mut self,
        name: &str,
        object: &str,
        action: EventAction,
        status: NtStatus,
        reply: &Reply,
    ) -> Step {
        let id = self.thing(object, ObjectKind::Event)?;
        let DispatcherObject::Event(before) = *self.world.kernel().object(id) else {
            if let Some(thing) = self.things.get_mut(object) {
                thing.was_set = action == EventAction::Set;
            }
            return Ok(());
        };
        let effects = match action {
            EventAction::Set => self.world.set_event(id),
            EventAction::Reset => self.world.reset_event(id),
            EventAction::Pulse => self.world.pulse_event(id),
        };
        self.expect(effects);
        let answer = Answer::previous(u32::from(before.signaled));
        let rules = [wait::WAIT_47, wait::WAIT_48, wait::WAIT_51];
        let kind = "an event was in another state before the call";
        self.compare(kind, name, object, status, reply, &answer, &rules)
    }

    fn mutex_answered(
        &mut self,
        name: &str,
        object: &str,
        status: NtStatus,
        reply: &Reply,
    ) -> Step {
        let id = self.thing(object, ObjectKind::Mutex)?;
        let thread = self.thread(name)?.id;
        let DispatcherObject::Mutant(before) = *self.world.kernel().object(id) else {
            // It may have other names, so that nothing that is learned of it would last.
            return Ok(());
        };
        let (released, effects) = self.world.release_mutant(id, thread);
        self.expect(effects);
        let answer = released.map_or_else(Answer::failure, |()| Answer::previous(before.recursion));
        let rules = [wait::WAIT_57, wait::WAIT_58, wait::WAIT_64];
        self.compare("a mutex was released otherwise", name, object, status, reply, &answer, &rules)
    }

    fn semaphore_answered(
        &mut self,
        name: &str,
        object: &str,
        count: u32,
        status: NtStatus,
        reply: &Reply,
    ) -> Step {
        let id = self.thing(object, ObjectKind::Semaphore)?;
        let DispatcherObject::Semaphore(before) = *self.world.kernel().object(id) else {
            return Ok(());
        };
        let (released, effects) = self.world.release_semaphore(id, count.cast_signed());
        self.expect(effects);
        let answer = match released {
            Ok(previous) => Answer::previous(previous),
            Err(status) => Answer { status, previous: Some(before.count) },
        };
        let rules = [wait::WAIT_71, wait::WAIT_72, wait::WAIT_73];
        let kind = "a semaphore was released otherwise";
        self.compare(kind, name, object, status, reply, &answer, &rules)
    }

    fn apc_answered(&mut self, name: &str, target: &str, apc: UserApc, status: NtStatus) -> Step {
        let Some(of) = self.thread_of_object(target).map(str::to_owned) else {
            self.has_wandering_apcs = true;
            return Ok(());
        };
        let thread = self.thread(&of)?.clone();
        let (queued, effects) = self.world.queue_apc(thread.id, apc)?;
        self.expect(effects);
        let answer = queued.map_or_else(Answer::failure, |()| Answer::success());
        if answer.status.is_error() == status.is_error() {
            return Ok(());
        }
        let rules = [apc::APC_I_02, apc::APC_I_03, apc::APC_U_18];
        let kind = "a user APC was queued otherwise";
        Err(self.wrong(kind, name, target, status, None, &answer, &rules))
    }

    fn timer_answered(
        &mut self,
        name: &str,
        call: &ObjectCall,
        status: NtStatus,
        reply: &Reply,
    ) -> Step {
        let (ObjectCall::SetTimer { object, .. } | ObjectCall::CancelTimer { object }) = call
        else {
            return Ok(());
        };
        let id = self.thing(object, ObjectKind::Timer)?;
        if !matches!(self.world.kernel().object(id), DispatcherObject::Timer(_)) {
            return self.unknown_timer_set(name, call);
        }
        if reply.previous == Some(1) && self.world.can_expire(id) {
            let effects = self.world.expire_timer_before(id);
            self.expect(effects);
        }
        let DispatcherObject::Timer(before) = *self.world.kernel().object(id) else {
            return Ok(());
        };
        let thread = self.thread(name)?.id;
        let (result, effects) = if let ObjectCall::SetTimer { period, routine, context, .. } = call
        {
            let apc = routine.map(|routine| UserApc { routine, arguments: vec![*context] });
            self.world.set_timer(id, thread, *period, apc)
        } else {
            (Ok(()), self.world.cancel_timer(id))
        };
        self.expect(effects);
        let answer =
            result.map_or_else(Answer::failure, |()| Answer::previous(u32::from(before.signaled)));
        let rules = [timer::TIMER_03, timer::TIMER_05, timer::TIMER_25];
        let kind = "a timer was in another state before the call";
        self.compare(kind, name, object, status, reply, &answer, &rules)
    }

    /// A timer of which nothing is known can queue its APC at any moment from here on.
    fn unknown_timer_set(&mut self, name: &str, call: &ObjectCall) -> Step {
        if let ObjectCall::SetTimer { routine: Some(routine), context, .. } = call {
            let apc = UserApc { routine: *routine, arguments: vec![*context] };
            let thread = self.thread(name)?;
            if !thread.loose_apcs.contains(&apc) {
                thread.loose_apcs.push(apc);
            }
        }
        Ok(())
    }

    fn suspend_answered(
        &mut self,
        name: &str,
        target: &str,
        status: NtStatus,
        reply: &Reply,
    ) -> Step {
        let Some(of) = self.thread_of_object(target).map(str::to_owned) else { return Ok(()) };
        self.learn_count(&of, reply)?;
        let (caller, thread) = (self.thread(name)?.id, self.thread(&of)?.id);
        let (suspended, effects) = self.world.suspend(caller, thread);
        self.expect(effects);
        let answer =
            suspended.map_or_else(Answer::failure, |previous| Answer::previous(previous.into()));
        let rules = [thr::THR_09, thr::THR_11, thr::THR_12];
        self.compare("a suspend count was another", name, target, status, reply, &answer, &rules)
    }

    fn resume_answered(
        &mut self,
        name: &str,
        target: &str,
        status: NtStatus,
        reply: &Reply,
    ) -> Step {
        let Some(of) = self.thread_of_object(target).map(str::to_owned) else { return Ok(()) };
        self.learn_count(&of, reply)?;
        let thread = self.thread(&of)?.id;
        let (previous, goes_on, effects) = self.world.resume(thread);
        if goes_on {
            self.expected.push_back(super::follower::Expected {
                thread,
                status: NtStatus::TIMEOUT,
                from_stop: true,
                rules: vec![thr::THR_23, wait::WAIT_21],
            });
        }
        self.expect(effects);
        let answer = Answer::previous(previous.into());
        let rules = [thr::THR_09, thr::THR_10];
        self.compare("a suspend count was another", name, target, status, reply, &answer, &rules)
    }

    /// The suspend count of a thread that was there before the trace is what an answer says.
    fn learn_count(&mut self, of: &str, reply: &Reply) -> Step {
        let thread = self.thread(of)?.clone();
        if !thread.is_known
            && let Some(previous) = reply.previous
        {
            self.world.learn_suspend_count(thread.id, u8::try_from(previous).unwrap_or(u8::MAX));
        }
        Ok(())
    }

    fn post_answered(&mut self, call: &ObjectCall, status: NtStatus) -> Step {
        let ObjectCall::Post { object, key, value, status: told, bytes } = call else {
            return Ok(());
        };
        if status != NtStatus::SUCCESS {
            return Ok(());
        }
        let port = match key {
            Some(key) => Some((self.thing(object, ObjectKind::Port)?, *key)),
            None => self.associations.get(object).copied(),
        };
        let Some((port, key)) = port.filter(|(port, _)| !self.world.is_opaque(*port)) else {
            return Ok(());
        };
        let (status, information) = (NtStatus::from_name(told), *bytes);
        let content = PacketContent { key, value: *value, status, information };
        let effects = self.world.post(port, content)?;
        self.expect(effects);
        Ok(())
    }

    /// IOCP-10, IOCP-12: the oldest packet, or none if there is none.
    fn take_answered(&mut self, name: &str, object: &str, status: NtStatus, reply: &Reply) -> Step {
        let port = self.thing(object, ObjectKind::Port)?;
        if !self.world.is_port(port) {
            return Ok(());
        }
        let thread = self.thread(name)?.id;
        let (packet, effects) = self.world.take_packet(port, thread);
        self.expect(effects);
        let fits = match &packet {
            Some(packet) => status == NtStatus::SUCCESS && is_packet(packet, reply),
            None => status == NtStatus::PENDING,
        };
        if fits {
            self.count(if packet.is_some() { "packet" } else { "no-packet" });
            return Ok(());
        }
        let seen = match status {
            NtStatus::SUCCESS => super::describe::packet_in(reply),
            status => status.to_string(),
        };
        let allowed = match &packet {
            Some(packet) => super::describe::packet(packet),
            None => NtStatus::PENDING.to_string(),
        };
        Err(self.unexplained(Unexplained {
            kind: "another packet was due",
            seen: format!("thread {name} takes {seen} from {object}"),
            allowed: vec![allowed],
            state: Vec::new(),
            rules: PACKET_RULES.to_vec(),
            concerned: vec![name.to_owned(), object.to_owned()],
        }))
    }

    /// The object that a wait signals before it begins (WAIT-76 to WAIT-79).
    pub(super) fn signal_first(&mut self, name: &str, object: &str) -> Step {
        let id = self.thing(object, ObjectKind::Other)?;
        let thread = self.thread(name)?.id;
        let effects = match *self.world.kernel().object(id) {
            DispatcherObject::Event(_) => self.world.set_event(id),
            DispatcherObject::Mutant(_) => self.world.release_mutant(id, thread).1,
            DispatcherObject::Semaphore(_) => self.world.release_semaphore(id, 1).1,
            _ => Effects::default(),
        };
        self.expect(effects);
        Ok(())
    }

    /// An object that can be the same as this one under another name.
    pub(super) fn alias_of(&self, known: &str) -> Option<String> {
        let thing = self.things.get(known)?;
        if !thing.is_shared {
            return None;
        }
        let fits = |(name, other): &(&String, &super::follower::Thing)| {
            name.as_str() != known
                && other.kind == thing.kind
                && self.world.is_opaque(other.id)
                && other.was_set
        };
        let mut names: Vec<&String> =
            self.things.iter().filter(fits).map(|(name, _)| name).collect();
        names.sort();
        names.first().map(|name| (*name).clone())
    }

    /// Two names turn out to be of one object: what was done by the unknown one was done to it.
    pub(super) fn unify(&mut self, alias: &str, known: &str) -> Effects {
        let id: ObjectId = self.things[known].id;
        let Some(thing) = self.things.get_mut(alias) else { return Effects::default() };
        thing.id = id;
        thing.was_set = false;
        self.pin(id);
        if !matches!(self.world.kernel().object(id), DispatcherObject::Event(_)) {
            return Effects::default();
        }
        self.world.set_event(id)
    }
}

/// Whether a packet is the one that an answer brings, as far as both are known.
fn is_packet(packet: &PacketContent, reply: &Reply) -> bool {
    let status = reply.status.as_deref().and_then(NtStatus::from_name);
    let same = |known: u64, said: Option<u64>| said.is_none_or(|said| said == known);
    same(packet.key, reply.key)
        && same(packet.value, reply.value)
        && (packet.status.is_none() || status.is_none() || packet.status == status)
}
