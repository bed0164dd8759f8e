//! States that come to the same: a search need go on from one of them alone.
//!
//! Two states are alike if they differ only
//! - in the order of queued APCs, where nobody can tell in which order they are delivered: each
//!   routine is empty, over in the step that delivers it, and nothing keeps which came first;
//! - in which of some threads is where, where these have the same steps, each with labels of its own
//!   for the results that it keeps, and nobody calls one of them by its name.
//!
//! Whatever can follow one of two such states can follow the other, but for that order and with
//! the threads exchanged. States that are alike have the same sum of digests once
//! [`Symmetry::growth`] is added with each step.

mod order;
mod threads;

use crate::deviation::Deviations;
use crate::ids::{LabelId, ThreadId};
use crate::machine::{Machine, Model};
use crate::program::{Instruction, Pc, Program};
use crate::service::Service;
use threads::Group;

/// Which states of a program are alike.
#[derive(Clone, Debug)]
pub struct Symmetry {
    /// The threads to which APCs are queued in an order that nobody can tell.
    unordered: Vec<ThreadId>,
    /// Threads that can be exchanged for each other.
    groups: Vec<Group>,
}

impl Symmetry {
    /// Of a program; none if no two states are alike, or if it is not known which are.
    pub fn new(program: &Program, deviations: Deviations) -> Option<Self> {
        let is_known = deviations == Deviations::NONE && !program.kernel.has_kernel_mode();
        if !is_known || !program.calls.iter().all(|call| is_known_service(&call.service)) {
            return None;
        }
        let unordered: Vec<ThreadId> =
            program.thread_ids().filter(|thread| order::is_unordered(program, *thread)).collect();
        let groups = threads::groups(program);
        let is_any = !unordered.is_empty() || !groups.is_empty();
        is_any.then_some(Symmetry { unordered, groups })
    }

    /// The threads that can be exchanged for each other, each with the labels of its results, in
    /// the same order.
    pub fn groups(&self) -> impl Iterator<Item = Vec<(ThreadId, &[LabelId])>> {
        self.groups.iter().map(|group| {
            let threads = group.threads().iter().copied();
            threads.zip(group.labels()).collect()
        })
    }

    /// By how much a step changes the sum of digests beside what it changes in the digests, and
    /// the slots that this depends on beside those that the step looks at.
    pub fn growth(&self, model: &Model, before: &Machine, after: &Machine) -> (u64, u64) {
        let order = |machine| {
            let digests = self.unordered.iter().map(|thread| order::order_digest(machine, *thread));
            digests.fold(0, u64::wrapping_add)
        };
        let growth = order(before).wrapping_sub(order(after));
        self.groups.iter().fold((growth, 0), |(sum, looked_at), group| {
            let (growth, more) = group.growth(model, before, after);
            (sum.wrapping_add(growth), looked_at | more)
        })
    }
}

/// For each label, whether its results have to be kept apart from those of others because their
/// thread can be exchanged for another one; empty if there is no such thread.
pub(crate) fn told_apart(program: &Program) -> Vec<bool> {
    let Some(symmetry) = Symmetry::new(program, Deviations::NONE) else { return Vec::new() };
    let mut told = vec![false; program.labels.len()];
    for label in symmetry.groups.iter().flat_map(Group::labels).flatten() {
        told[label.index()] = !program.label(*label).is_empty();
    }
    if told.contains(&true) { told } else { Vec::new() }
}

/// The services that are called between an instruction and the end of its steps.
fn services_of(program: &Program, entry: Pc) -> Vec<&Service> {
    let code = program.code[entry as usize..].iter();
    let body = code.take_while(|instruction| **instruction != Instruction::End);
    body.filter_map(|instruction| match instruction {
        Instruction::Call(call) => Some(&program.call(*call).service),
        _ => None,
    })
    .collect()
}

/// Whether a service has no say in whether states are alike.
fn is_known_service(service: &Service) -> bool {
    match service {
        Service::QueueApcThread { special, .. } => !special,
        Service::SetTimer { apc, .. } => apc.is_none(),
        Service::Close { .. }
        | Service::DuplicateObject { .. }
        | Service::SubmitWork { .. }
        | Service::SetPoolTimer { .. }
        | Service::SetPoolWait { .. }
        | Service::StartPoolIo
        | Service::Kernel(_)
        | Service::Driver(_) => false,
        _ => true,
    }
}
