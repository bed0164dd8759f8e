//! Why threads are blocked for ever: who waits for whom.

use alertable_models::ids::{ObjectId, ThreadId};
use alertable_models::ke::Kernel;
use alertable_models::ke::dispatcher::DispatcherObject;
use alertable_models::ke::thread::ThreadState;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

/// One edge of the wait-for graph: a thread waits for an object that only another can give.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WaitsFor {
    /// Who waits.
    pub waiter: ThreadId,
    /// For what: a mutex, or a thread's end.
    pub object: ObjectId,
    /// Who owns it, or has to end.
    pub holder: ThreadId,
}

/// The cycles of the wait-for graph of a state: threads that wait for each other.
///
/// Each cycle begins with its lowest thread; a thread that waits for any one of several objects
/// counts as waiting for each.
pub fn wait_for_cycles(kernel: &Kernel) -> Vec<Vec<WaitsFor>> {
    let mut graph: DiGraph<ThreadId, WaitsFor> = DiGraph::new();
    let nodes: Vec<NodeIndex> = kernel.thread_ids().map(|thread| graph.add_node(thread)).collect();
    for waiter in kernel.thread_ids() {
        if kernel.thread(waiter).state != ThreadState::Waiting {
            continue;
        }
        for object in kernel.wait_objects(waiter) {
            if let Some(holder) = holder(kernel, *object) {
                let edge = WaitsFor { waiter, object: *object, holder };
                graph.add_edge(nodes[waiter.index()], nodes[holder.index()], edge);
            }
        }
    }
    let mut cycles: Vec<_> = tarjan_scc(&graph)
        .into_iter()
        .filter_map(|component| cycle_in(&graph, &component))
        .collect();
    cycles.sort();
    cycles
}

/// Who alone can make an object satisfy somebody else's wait.
fn holder(kernel: &Kernel, object: ObjectId) -> Option<ThreadId> {
    match kernel.object(object) {
        DispatcherObject::Mutant(mutant) => mutant.owner,
        DispatcherObject::Thread { signaled: false } => Some(ThreadId::from_index(object.index())),
        _ => None,
    }
}

/// A cycle through the lowest thread of a strongly connected component.
fn cycle_in(graph: &DiGraph<ThreadId, WaitsFor>, component: &[NodeIndex]) -> Option<Vec<WaitsFor>> {
    let first = *component.iter().min_by_key(|node| graph[**node])?;
    let mut cycle = Vec::new();
    let mut at = first;
    // Any edge that stays inside the component leads on; following them repeats a thread after
    // as many steps as there are, and what lies between is a cycle.
    loop {
        let edge = graph.edges(at).find(|edge| component.contains(&edge.target()))?;
        let next = edge.target();
        cycle.push(*edge.weight());
        if let Some(from) = cycle.iter().position(|edge| edge.waiter == graph[next]) {
            return Some(cycle.split_off(from));
        }
        at = next;
    }
}
