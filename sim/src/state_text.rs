//! What the threads and objects of a state are like, in words.

use crate::describe::{content_text, kapc_text};
use alertable_models::ids::{ObjectId, ThreadId};
use alertable_models::ke::Kernel;
use alertable_models::ke::dispatcher::DispatcherObject;
use alertable_models::ke::thread::{InService, ThreadState};
use alertable_models::machine::Machine;
use alertable_models::program::Program;
use std::fmt::Write;

/// What is said of a thread in user mode.
pub(crate) const IN_USER_MODE: &str = "runs its program";

/// The threads and objects of a state, each with what it is like; those without a name are left
/// out.
pub fn state_text(program: &Program, machine: &Machine) -> Vec<(String, String)> {
    let kernel = machine.kernel();
    let threads = kernel.thread_ids().map(|thread| {
        (program.thread_name(thread).to_owned(), thread_text(program, machine, thread))
    });
    let objects = kernel.object_ids().filter_map(|object| {
        let text = object_text(program, kernel, object)?;
        Some((program.object_name(object).to_owned(), text))
    });
    threads.chain(objects).filter(|(name, _)| !name.is_empty()).collect()
}

fn thread_text(program: &Program, machine: &Machine, thread: ThreadId) -> String {
    let kernel = machine.kernel();
    let record = kernel.thread(thread);
    let objects: Vec<&str> = kernel
        .wait_objects(thread)
        .iter()
        .map(|object| program.object_name(*object))
        .filter(|name| !name.is_empty())
        .collect();
    let mut text = match record.state {
        ThreadState::NotCreated => "not created".to_owned(),
        ThreadState::Starting => "about to start".to_owned(),
        ThreadState::User => IN_USER_MODE.to_owned(),
        ThreadState::Waiting | ThreadState::Restarting => {
            let how = if record.wait.alertable { "waits alertably" } else { "waits" };
            if objects.is_empty() {
                how.to_owned()
            } else {
                format!("{how} for {}", objects.join(", "))
            }
        }
        ThreadState::Woken(status) if record.service == InService::Finish => {
            format!("its request is done, with {status}, and is about to tell of it")
        }
        ThreadState::Woken(status) => format!("its wait has ended with {status}"),
        ThreadState::Returning(result) => format!("its call is done, with {}", result.status),
        ThreadState::Exiting(_) => "ends".to_owned(),
        ThreadState::Terminated => "has ended".to_owned(),
    };
    let routines: Vec<String> = machine
        .program()
        .frames(thread)
        .iter()
        .filter_map(|frame| frame.kapc)
        .map(|kapc| kapc_text(program, kapc))
        .collect();
    if !routines.is_empty() {
        let _ = write!(text, ", in {}", routines.join(", in "));
    }
    let queued: Vec<String> =
        kernel.user_apcs(thread).iter().map(|kapc| kapc_text(program, *kapc)).collect();
    if !queued.is_empty() {
        let _ = write!(text, ", queued: {}", queued.join(", "));
    }
    if record.alerted {
        text += ", alerted";
    }
    match (record.stopped, record.suspend_count) {
        (true, count) => {
            let _ = write!(text, ", suspended {count} times");
        }
        (false, 1..) => text += ", about to be suspended",
        (false, 0) => {}
    }
    if record.terminated {
        text += ", about to be terminated";
    }
    text
}

fn object_text(program: &Program, kernel: &Kernel, object: ObjectId) -> Option<String> {
    let signaled = |signaled: bool| if signaled { "signaled" } else { "not signaled" };
    let mut text = match kernel.object(object) {
        DispatcherObject::Event(event) => signaled(event.signaled).to_owned(),
        DispatcherObject::Mutant(mutant) => match mutant.owner {
            Some(owner) => {
                let times = if mutant.recursion == 1 { "once" } else { "more than once" };
                format!("owned by {}, {times}", program.thread_name(owner))
            }
            None if mutant.abandoned => "abandoned".to_owned(),
            None => "free".to_owned(),
        },
        DispatcherObject::Semaphore(semaphore) => format!("count {}", semaphore.count),
        DispatcherObject::Timer(timer) => {
            let active = if timer.is_active() { "active" } else { "not active" };
            format!("{}, {active}", signaled(timer.signaled))
        }
        DispatcherObject::File(file) => signaled(file.signaled).to_owned(),
        DispatcherObject::Port(port) => port_text(program, kernel, usize::from(port.slot)),
        DispatcherObject::Thread { .. }
        | DispatcherObject::Device
        | DispatcherObject::Pipe
        | DispatcherObject::MessageQueue => return None,
    };
    let waiters: Vec<&str> =
        kernel.waiters(object).iter().map(|block| program.thread_name(block.thread)).collect();
    if !waiters.is_empty() {
        let _ = write!(text, ", {} in line", waiters.join(", "));
    }
    Some(text)
}

/// The packets at a port, and who waits for one.
fn port_text(program: &Program, kernel: &Kernel, slot: usize) -> String {
    /// More than the first ones nobody reads.
    const SHOWN_COUNT: usize = 8;
    let packets = kernel.io().packets(slot);
    let mut text = match packets.len() {
        0 => "no packets".to_owned(),
        1 => "1 packet".to_owned(),
        count => format!("{count} packets"),
    };
    let shown: Vec<String> =
        packets.iter().take(SHOWN_COUNT).map(|packet| content_text(program, *packet)).collect();
    if !shown.is_empty() {
        let more = if packets.len() > SHOWN_COUNT { "; …" } else { "" };
        let _ = write!(text, " ({}{more})", shown.join("; "));
    }
    let removers: Vec<&str> =
        kernel.io().removers(slot).iter().map(|thread| program.thread_name(*thread)).collect();
    if !removers.is_empty() {
        let _ = write!(text, ", {} in line", removers.join(", "));
    }
    text
}
