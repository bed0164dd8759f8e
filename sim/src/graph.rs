//! The graph of states, for Graphviz.

use crate::describe::transition_name;
use alertable_models::machine::{Machine, Model, Transition};
use petgraph::dot::{Config, Dot};
use petgraph::graph::{DiGraph, EdgeReference, NodeIndex};
use std::collections::HashMap;
use std::fmt;

/// The most states of a graph: more can neither be drawn nor read.
pub const GRAPH_STATE_COUNT_MAX: usize = 10_000;

/// The space has more than [`GRAPH_STATE_COUNT_MAX`] states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyStates;

impl fmt::Display for TooManyStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the graph has more than {GRAPH_STATE_COUNT_MAX} states")
    }
}

impl std::error::Error for TooManyStates {}

/// Every state and transition of a model.
///
/// # Errors
/// When there are too many states.
#[allow(clippy::mutable_key_type, reason = "what was looked at is no part of a state's value")]
pub fn state_graph(model: &Model) -> Result<DiGraph<Machine, Transition>, TooManyStates> {
    let mut graph = DiGraph::new();
    let mut places: HashMap<Machine, NodeIndex> = HashMap::new();
    let initial = model.initial();
    places.insert(initial.clone(), graph.add_node(initial));
    let mut next = 0;
    let mut enabled = Vec::new();
    while next < graph.node_count() {
        let from = NodeIndex::new(next);
        next += 1;
        enabled.clear();
        model.enabled(&graph[from], &mut enabled);
        for transition in &enabled {
            let mut after = graph[from].clone();
            model.step(&mut after, *transition, &mut ());
            let to = match places.get(&after) {
                Some(to) => *to,
                None if graph.node_count() == GRAPH_STATE_COUNT_MAX => return Err(TooManyStates),
                None => {
                    let to = graph.add_node(after.clone());
                    places.insert(after, to);
                    to
                }
            };
            graph.add_edge(from, to, *transition);
        }
    }
    Ok(graph)
}

/// The graph of states in the language of Graphviz: states at rest are doubly framed.
///
/// # Errors
/// When there are too many states.
pub fn state_graph_dot(model: &Model) -> Result<String, TooManyStates> {
    let graph = state_graph(model)?;
    let edge_label = |_: &_, edge: EdgeReference<'_, Transition>| {
        format!("label = {:?}", transition_name(&model.program, *edge.weight()))
    };
    let node_label = |graph: &DiGraph<Machine, Transition>, (node, _): (NodeIndex, &Machine)| {
        let at_rest = graph.edges(node).next().is_none();
        let shape = if at_rest { "doublecircle" } else { "circle" };
        format!("label = \"{}\", shape = {shape}", node.index())
    };
    let borrowed = &graph;
    let config = [Config::EdgeNoLabel, Config::NodeNoLabel];
    let dot = Dot::with_attr_getters(borrowed, &config, &edge_label, &node_label);
    Ok(format!("{dot:?}"))
}
