//! Which steps are independent.

use super::graph::{Edge, Graph};
use super::log::{EMPTY, LogId, Logs};

/// The steps that are independent of everything that can happen until they are made.
pub(super) struct Settling {
    /// Of each state: those of its steps, a bit for each. From the 65th on none is one.
    steps: Vec<u64>,
    /// Of each state: where it comes to once all such steps have been made, and the orders that
    /// are kept of them. The order of these steps makes no difference.
    settled: Vec<(u32, LogId)>,
    logs: Logs,
}

impl Settling {
    /// What can follow a state is looked at before it.
    pub(super) fn new(graph: &Graph, logs: Logs) -> Self {
        let count = graph.state_count();
        let settled = (0..count as u32).map(|state| (state, EMPTY)).collect();
        let mut settling = Settling { steps: vec![0; count], settled, logs };
        for state in &graph.order {
            let mut steps = 0;
            for (at, edge) in graph.edges(*state).iter().take(64).enumerate() {
                steps |= u64::from(settling.is_settling(graph, *state, *edge)) << at;
            }
            settling.steps[*state as usize] = steps;
            if let Some(edge) = settling.step(graph, *state) {
                settling.settled[*state as usize] = settling.then(edge.log, edge);
            }
        }
        settling
    }

    /// The settling steps of a state.
    pub(super) fn steps<'g>(
        &self,
        graph: &'g Graph,
        state: u32,
    ) -> impl Iterator<Item = &'g Edge> + use<'g> {
        let steps = self.steps[state as usize];
        let edges = graph.edges(state).iter().take(64).enumerate();
        edges.filter(move |(at, _)| steps >> at & 1 == 1).map(|(_, edge)| edge)
    }

    /// The first of them.
    pub(super) fn step(&self, graph: &Graph, state: u32) -> Option<Edge> {
        self.steps(graph, state).next().copied()
    }

    /// Whether a step is independent of all others, and stays a settling one behind each.
    fn is_settling(&mut self, graph: &Graph, state: u32, step: Edge) -> bool {
        let transition = step.transition;
        !step.violates
            && graph.edges(state).iter().all(|other| {
                other.transition == transition
                    || (self.steps(graph, other.to).any(|same| same.transition == transition)
                        && self.is_independent(graph, state, transition, other.transition))
            })
    }

    /// Whether two transitions, both possible in a state, are independent there.
    pub(super) fn is_independent(
        &mut self,
        graph: &Graph,
        state: u32,
        one: u32,
        other: u32,
    ) -> bool {
        let mut both = |first: u32, second: u32| {
            let first = graph.edge(state, first).filter(|edge| !edge.violates)?;
            let second = graph.edge(first.to, second).filter(|edge| !edge.violates)?;
            let log = self.logs.join(first.log, second.log);
            Some(self.then(log, second))
        };
        match both(one, other) {
            Some(here) => both(other, one) == Some(here),
            None => false,
        }
    }

    /// What some steps come to that end with one, once everything is settled.
    fn then(&mut self, log: LogId, last: Edge) -> (u32, LogId) {
        let (settled, rest) = self.settled[last.to as usize];
        (settled, self.logs.join(log, rest))
    }
}
