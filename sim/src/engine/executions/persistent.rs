//! Persistent sets: steps of which one comes first in some execution of each kind.

use super::graph::{Edge, Graph};
use super::settling::Settling;
use std::collections::HashSet;

/// What the others can do is followed to so many states for each set that is tried.
const STATE_COUNT_MAX: usize = 2_000;

/// So many states are looked at for all sets; then every step is begun with.
const LOOK_COUNT_MAX: usize = 20_000_000;

/// Finds persistent sets.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    look_count: usize,
}

impl Chooser {
    /// The steps of a persistent set of a state, with as few of them as were found: nothing that
    /// the others can do, without a step of the set, depends on one of the set.
    pub(super) fn set(&mut self, graph: &Graph, settling: &mut Settling, state: u32) -> Vec<Edge> {
        let edges = graph.edges(state);
        let mut smallest: Vec<u32> = edges.iter().map(|edge| edge.transition).collect();
        let mut tried: HashSet<Vec<u32>> = HashSet::new();
        for first in edges {
            let mut set = vec![first.transition];
            while set.len() < smallest.len() && tried.insert(set.clone()) {
                let Some(step) = self.dependent(graph, settling, state, &set) else {
                    smallest = set;
                    break;
                };
                let added = set.len();
                let outside = edges.iter().filter(|edge| !set.contains(&edge.transition));
                let own = outside.filter(|edge| edge.actor == step.actor);
                let own: Vec<u32> = own.map(|edge| edge.transition).collect();
                if own.contains(&step.transition) {
                    set.push(step.transition);
                } else {
                    set.extend(own);
                }
                if set.len() == added {
                    // Somebody else leads there: it is not known who.
                    break;
                }
                set.sort_unstable();
            }
        }
        edges.iter().filter(|edge| smallest.contains(&edge.transition)).copied().collect()
    }

    /// A step that depends on one of a set of steps of a state, among those that can happen
    /// without these; none if there is none.
    fn dependent(
        &mut self,
        graph: &Graph,
        settling: &mut Settling,
        state: u32,
        set: &[u32],
    ) -> Option<Edge> {
        let mut reached = HashSet::from([state]);
        let mut open = vec![state];
        while let Some(at) = open.pop() {
            self.look_count += 1;
            let is_too_far = reached.len() > STATE_COUNT_MAX || self.look_count > LOOK_COUNT_MAX;
            for edge in graph.edges(at).iter().filter(|edge| !set.contains(&edge.transition)) {
                let mut is_apart =
                    |member: &u32| settling.is_independent(graph, at, *member, edge.transition);
                if is_too_far || !set.iter().all(&mut is_apart) {
                    return Some(*edge);
                }
                if reached.insert(edge.to) {
                    open.push(edge.to);
                }
            }
        }
        None
    }
}
