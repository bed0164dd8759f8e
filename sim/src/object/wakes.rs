//! Waits that end: those that had to, and those that the world could not know of.

use super::follower::{Expected, Follower, Step, Wait};
use super::{Stop, Unexplained};
use alertable_models::open::RequestState;
use alertable_models::rule::{apc, irp, timer, wait};
use alertable_traces::status::NtStatus;
use alertable_traces::trace::object::WaitMode;

impl Follower {
    /// A wait ends with a status: is that the next one that has to, or one that may?
    pub(super) fn match_wake(&mut self, name: &str, status: NtStatus) -> Step {
        let thread = self.thread(name)?.id;
        if let Some(next) = self.expected.front().cloned()
            && next.thread == thread
            && next.status == status
        {
            self.expected.pop_front();
            if !next.from_stop {
                self.wait_is_over(name, status)?;
            }
            return Ok(());
        }
        if self.may_end(name, status)? || self.may_be_earlier(name, status)? {
            return Ok(());
        }
        let allowed = match self.expected.front().cloned() {
            Some(next) => vec![self.wake_in_words(&next)],
            None => self.allowed_ends(name),
        };
        let rules = match self.expected.front() {
            Some(next) => next.rules.clone(),
            None => vec![wait::WAIT_12, wait::WAIT_09],
        };
        let (kind, concerned) = (self.kind_of_wake(name, status), self.concerned_by_wait(name));
        Err(self.unexplained(Unexplained {
            kind,
            seen: format!("the wait of thread {name} ended with {status}"),
            allowed,
            state: Vec::new(),
            rules,
            concerned,
        }))
    }

    /// A wait that has to end for an APC or in time can have ended for an object of which nothing
    /// is known: objects come first (WAIT-07).
    fn may_be_earlier(&mut self, name: &str, status: NtStatus) -> Result<bool, Stop> {
        let thread = self.thread(name)?.clone();
        let Some(next) = self.expected.front() else { return Ok(false) };
        let is_later = matches!(next.status, NtStatus::USER_APC | NtStatus::TIMEOUT);
        let Some(wait) = thread.wait.filter(|_| is_later && next.thread == thread.id) else {
            return Ok(false);
        };
        let ids = self.ids(&wait.objects)?;
        let object = super::waits::index_of(status).and_then(|index| ids.get(index));
        if !object.is_some_and(|object| self.world.is_opaque(*object)) {
            return Ok(false);
        }
        self.expected.pop_front();
        self.wait_is_over(name, status)?;
        Ok(true)
    }

    fn kind_of_wake(&self, name: &str, status: NtStatus) -> &'static str {
        match &self.threads[name].wait {
            None => "a wait ended of a thread that did not wait",
            Some(_) if self.expected.front().is_some_and(|e| e.thread != self.threads[name].id) => {
                "another wait should have ended first"
            }
            Some(_) => match status {
                NtStatus::TIMEOUT => "a wait without a time-out timed out",
                NtStatus::USER_APC => "a user APC ended a wait that it could not",
                NtStatus::KERNEL_APC => "a system APC ended a wait that it could not",
                _ => "a wait ended for an object that could not end it",
            },
        }
    }

    /// Marks that a wait is over, after the world has ended it.
    pub(super) fn wait_is_over(&mut self, name: &str, status: NtStatus) -> Step {
        let thread = self.thread(name)?;
        if let Some(over) = thread.wait.take()
            && !matches!(status, NtStatus::TIMEOUT | NtStatus::USER_APC | NtStatus::KERNEL_APC)
        {
            self.request_was_waited_for(&over.objects)?;
        }
        Ok(())
    }

    /// Whether something that the world does not know of may have ended a wait so; then it has.
    fn may_end(&mut self, name: &str, status: NtStatus) -> Result<bool, Stop> {
        let thread = self.thread(name)?.clone();
        let Some(wait) = thread.wait.clone() else {
            // It may have waited since before the trace began.
            return Ok(!thread.is_known && !self.world.is_waiting(thread.id));
        };
        if !self.world.is_waiting(thread.id) {
            return Ok(false);
        }
        let ends = match status {
            NtStatus::TIMEOUT => self.world.can_time_out(thread.id),
            NtStatus::KERNEL_APC => wait.interruptible && self.may_have_system_apc(name),
            NtStatus::USER_APC => return self.may_be_user_apc(name, &wait),
            _ => return self.may_be_satisfied(name, &wait, status),
        };
        if ends && status == NtStatus::TIMEOUT {
            let effects = self.world.time_out(thread.id);
            self.expect(effects);
        } else if ends {
            self.world.end_wait(thread.id);
            self.thread(name)?.awaits_system_apc = true;
        }
        if ends {
            self.thread(name)?.wait = None;
        }
        Ok(ends)
    }

    /// IRP-37: a system APC carries the end of a request into its thread. That of a thread that
    /// has ended goes to another one of its process.
    pub(super) fn may_have_system_apc(&self, name: &str) -> bool {
        let thread = &self.threads[name];
        let has_request = self.requests.values().any(|followed| {
            let is_own = followed.request.thread == thread.id;
            let is_orphan =
                followed.process == thread.process && self.is_thread_over(followed.request.thread);
            followed.request.state == RequestState::Pending && (is_own || is_orphan)
        });
        has_request
            || !thread.is_known
            || self.is_lossy
            || self.world.is_reported_stopped(thread.id)
    }

    pub(super) fn is_thread_over(&self, thread: alertable_models::ids::ThreadId) -> bool {
        let name = self.thread_names.get(&thread);
        name.is_none_or(|name| self.threads.get(name).is_none_or(|thread| thread.is_over))
    }

    /// A timer can have expired and queued its APC.
    fn may_be_user_apc(&mut self, name: &str, wait: &Wait) -> Result<bool, Stop> {
        let thread = self.thread(name)?.clone();
        if !wait.alertable {
            return Ok(false);
        }
        let timers = self.world.apc_timers(thread.id);
        if let Some((timer, _)) = timers.first() {
            let timer = *timer;
            let mut effects = self.world.expire_timer(timer);
            let own = (thread.id, NtStatus::USER_APC);
            let ended = effects.wakes.contains(&own);
            effects.wakes.retain(|wake| *wake != own);
            self.expect(effects);
            self.thread(name)?.wait = None;
            return Ok(ended);
        }
        if !self.may_have_more_apcs(&thread) {
            return Ok(false);
        }
        self.world.end_wait(thread.id);
        self.thread(name)?.wait = None;
        Ok(true)
    }

    /// An object of which nothing is known, or a timer, can have been signaled.
    fn may_be_satisfied(
        &mut self,
        name: &str,
        wait: &Wait,
        status: NtStatus,
    ) -> Result<bool, Stop> {
        let thread = self.thread(name)?.clone();
        if self.world.is_stopped(thread.id) && thread.is_known {
            return Ok(false);
        }
        let ids = self.ids(&wait.objects)?;
        if wait.mode == WaitMode::Keyed || wait.mode == WaitMode::Release {
            self.world.end_wait(thread.id);
            self.wait_is_over(name, status)?;
            return Ok(true);
        }
        let index = super::waits::index_of(status);
        let decisive: Vec<usize> = match (wait.mode, index) {
            (WaitMode::All, Some(0)) => (0..ids.len()).collect(),
            (WaitMode::Any, Some(index)) if index < ids.len() => vec![index],
            _ => return Ok(false),
        };
        if let Some(timer) =
            decisive.iter().map(|at| ids[*at]).find(|id| self.world.can_expire(*id))
        {
            let own = |wake: &(_, NtStatus)| wake.0 == thread.id;
            let mut effects = self.world.expire_timer(timer);
            let first = effects.wakes.iter().position(own);
            let ended = first.is_some_and(|at| effects.wakes.remove(at).1 == status);
            self.expect(effects);
            self.wait_is_over(name, status)?;
            return Ok(ended);
        }
        let opaque = |at: &&usize| self.world.is_opaque(ids[**at]);
        if decisive.iter().any(|at| opaque(&at)) {
            let others: Vec<_> =
                decisive.iter().filter(|at| !opaque(at)).map(|at| ids[*at]).collect();
            if !others.iter().all(|id| self.world.is_signaled_for(*id, thread.id)) {
                return Ok(false);
            }
            self.world.end_wait(thread.id);
            let (_, effects) = self.world.satisfy(thread.id, &others);
            self.expect(effects);
            self.wait_is_over(name, status)?;
            return Ok(true);
        }
        self.may_be_an_alias(name, &wait.objects, status)
    }

    /// Two names may be of one object: one that was created here and one that was opened unseen.
    /// If a call on the second one explains what happens to the first, they are.
    fn may_be_an_alias(
        &mut self,
        name: &str,
        objects: &[String],
        status: NtStatus,
    ) -> Result<bool, Stop> {
        let index = super::waits::index_of(status).unwrap_or(usize::MAX);
        let Some(known) = objects.get(index).or_else(|| objects.first()).cloned() else {
            return Ok(false);
        };
        let Some(alias) = self.alias_of(&known) else { return Ok(false) };
        let effects = self.unify(&alias, &known);
        self.expect(effects);
        let next = self.expected.front();
        let thread = self.threads[name].id;
        if next.is_some_and(|next| next.thread == thread && next.status == status) {
            self.expected.pop_front();
            self.wait_is_over(name, status)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// What would have been a wait's end.
    fn allowed_ends(&self, name: &str) -> Vec<String> {
        let thread = &self.threads[name];
        let Some(wait) = &thread.wait else {
            return vec![format!("thread {name} does not wait")];
        };
        let mut allowed = vec!["no wait ends here".to_owned()];
        if self.world.can_time_out(thread.id) {
            allowed.push(format!("thread {name}: {}", NtStatus::TIMEOUT));
        }
        if wait.interruptible && self.may_have_system_apc(name) {
            allowed.push(format!("thread {name}: {}", NtStatus::KERNEL_APC));
        }
        allowed
    }

    /// A wait that had to end has not.
    pub(super) fn missing_wake(&mut self, expected: &Expected) -> Stop {
        let name = self.thread_names.get(&expected.thread).cloned().unwrap_or_default();
        let concerned = self.concerned_by_wait(&name);
        self.unexplained(Unexplained {
            kind: "a wait did not end that should have",
            seen: format!("thread {name} goes on waiting"),
            allowed: vec![self.wake_in_words(expected)],
            state: Vec::new(),
            rules: if expected.rules.is_empty() {
                vec![wait::WAIT_16, apc::APC_I_13, timer::TIMER_14, irp::IRP_44]
            } else {
                expected.rules.clone()
            },
            concerned,
        })
    }

    fn wake_in_words(&self, expected: &Expected) -> String {
        let name = self.thread_names.get(&expected.thread).map_or("?", String::as_str);
        format!("the wait of thread {name} ends with {}", expected.status)
    }

    pub(super) fn concerned_by_wait(&self, name: &str) -> Vec<String> {
        let mut concerned = vec![name.to_owned()];
        if let Some(wait) = self.threads.get(name).and_then(|thread| thread.wait.as_ref()) {
            concerned.extend(wait.objects.iter().cloned());
        }
        if let Some(next) = self.expected.front()
            && let Some(other) = self.thread_names.get(&next.thread)
            && other != name
        {
            concerned.push(other.clone());
        }
        concerned
    }
}
