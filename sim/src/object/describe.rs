//! States and things in words, for whoever reads why a trace is not explained.

use super::follower::Follower;
use alertable_models::ke::dispatcher::{DispatcherObject, ResetKind};
use alertable_models::open::{PacketContent, UserApc};
use alertable_traces::trace::object::Reply;

/// A user APC.
pub(super) fn apc(apc: &UserApc) -> String {
    let arguments: Vec<String> = apc.arguments.iter().map(|value| format!("{value:#x}")).collect();
    format!("the routine {:#x}({})", apc.routine, arguments.join(", "))
}

/// A packet.
pub(super) fn packet(packet: &PacketContent) -> String {
    let status = packet.status.map_or("an unknown status".to_owned(), |status| status.to_string());
    format!(
        "the packet with key {:#x}, value {:#x}, {status}, {} bytes",
        packet.key, packet.value, packet.information
    )
}

/// The packet that an answer brings.
pub(super) fn packet_in(reply: &Reply) -> String {
    packet(&PacketContent {
        key: reply.key.unwrap_or(0),
        value: reply.value.unwrap_or(0),
        status: reply.status.as_deref().and_then(alertable_traces::status::NtStatus::from_name),
        information: reply.bytes.unwrap_or(0),
    })
}

impl Follower {
    /// How a thread, object or request is now.
    pub(super) fn state_of(&self, name: &str) -> Option<String> {
        let of = name.strip_prefix("thread:").unwrap_or(name);
        if self.threads.contains_key(of) {
            return Some(self.thread_state(of));
        }
        if let Some(followed) = self.requests.get(name) {
            let state = format!("{:?}", followed.request.state).to_lowercase();
            return Some(format!("{name}: {state}, on {}", followed.file));
        }
        let thing = self.things.get(name)?;
        let object = self.object_state(self.world.kernel().object(thing.id));
        let waiters = self.world.kernel().waiters(thing.id);
        if waiters.is_empty() {
            return Some(format!("{name}: {object}"));
        }
        let names: Vec<&str> = waiters
            .iter()
            .filter_map(|block| self.thread_names.get(&block.thread).map(String::as_str))
            .collect();
        Some(format!("{name}: {object}; waited for by {}", names.join(", ")))
    }

    fn thread_state(&self, name: &str) -> String {
        let thread = &self.threads[name];
        let kernel = self.world.kernel();
        let mut parts = Vec::new();
        if thread.is_over {
            parts.push("ended".to_owned());
        }
        if !thread.is_known {
            parts.push("there before the trace".to_owned());
        }
        if let Some(wait) = &thread.wait {
            let objects =
                if wait.objects.is_empty() { "time".to_owned() } else { wait.objects.join(", ") };
            let alertable = if wait.alertable { ", alertable" } else { "" };
            parts.push(format!("waits for {objects} ({}{alertable})", wait.mode));
        }
        if kernel.thread(thread.id).suspend_count > 0 {
            parts.push(format!("suspended {} times", kernel.thread(thread.id).suspend_count));
        }
        let apcs = self.world.user_apcs(thread.id);
        if !apcs.is_empty() {
            let apcs: Vec<String> = apcs.into_iter().map(apc).collect();
            parts.push(format!("queued APCs: {}", apcs.join("; ")));
        }
        if parts.is_empty() {
            parts.push("runs".to_owned());
        }
        format!("thread {name}: {}", parts.join(", "))
    }

    fn object_state(&self, object: &DispatcherObject) -> String {
        let signaled = |signaled: bool| if signaled { "signaled" } else { "not signaled" };
        let reset = |kind: ResetKind| match kind {
            ResetKind::Manual => "manual-reset",
            ResetKind::Auto => "auto-reset",
        };
        match object {
            DispatcherObject::Thread { signaled: ended } => signaled(*ended).to_owned(),
            DispatcherObject::Event(event) => {
                format!("{} event, {}", reset(event.kind), signaled(event.signaled))
            }
            DispatcherObject::Mutant(mutant) => match mutant.owner {
                Some(owner) => {
                    let name = self.thread_names.get(&owner).map_or("?", String::as_str);
                    format!("mutex owned by {name}, {} levels", mutant.recursion)
                }
                None if mutant.abandoned => "abandoned mutex".to_owned(),
                None => "free mutex".to_owned(),
            },
            DispatcherObject::Semaphore(semaphore) => {
                format!("semaphore, count {} of {}", semaphore.count, semaphore.limit)
            }
            DispatcherObject::Timer(timer) => {
                let set = if timer.is_active() { "set" } else { "not set" };
                format!("{} timer, {}, {set}", reset(timer.kind), signaled(timer.signaled))
            }
            DispatcherObject::Port(port) => format!("port, {}", signaled(port.signaled)),
            DispatcherObject::File(_)
            | DispatcherObject::Device
            | DispatcherObject::Pipe
            | DispatcherObject::MessageQueue => "nothing is known of it".to_owned(),
        }
    }
}
