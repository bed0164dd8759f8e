//! The graph of all states of a system, with what has to be known of each to judge schedules
//! without an end.

use super::{Parts, TransitionSystem};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

/// A set of threads, a bit for the number of each.
pub type ThreadSet = u128;

/// A system whose threads have ends, and of which it is known what has to happen at last.
pub trait Progress: TransitionSystem {
    /// The threads that have begun and not ended. A thread begins and ends once.
    fn unfinished(&self, state: &Self::State) -> ThreadSet;

    /// The threads that have ended.
    fn ended(&self, state: &Self::State) -> ThreadSet;

    /// Appends the actors that are able to make a step in a state, each with a step that they are
    /// owed: which has to happen at last if it is possible all the time.
    fn able(&self, state: &Self::State, out: &mut Vec<usize>) {
        let mut transitions = Vec::new();
        self.enabled(state, &mut transitions);
        out.extend(transitions.into_iter().map(|transition| self.actor(transition)));
    }

    /// Whether an actor has its turn at last even if it is able only now and then, as a clock.
    fn is_relentless(&self, actor: usize) -> bool {
        let _ = actor;
        false
    }

    /// Whether more would happen from a state than the system says.
    fn is_cut(&self, state: &Self::State) -> bool {
        let _ = state;
        false
    }
}

/// What has to be known of a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// The actors that are able to make a step, by their places.
    pub(super) able: u128,
    pub(super) unfinished: ThreadSet,
    pub(super) ended: ThreadSet,
    /// Not everything that can happen was followed.
    pub(super) is_open: bool,
}

/// A step from one state to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<T> {
    pub(super) transition: T,
    /// Whose step it is, by its place among the actors.
    pub(super) actor: usize,
    pub(super) thread: Option<usize>,
}

/// A step on a way through the graph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<T> {
    pub(super) edge: Edge<T>,
    pub(super) to: NodeIndex,
}

/// The states of a system, numbered by their distance from the initial one.
#[derive(Debug)]
pub(super) struct StateGraph<T> {
    pub(super) graph: DiGraph<Node, Edge<T>>,
    /// Everything that can happen was followed.
    pub(super) is_complete: bool,
    /// Somebody asked for the end before it was.
    pub(super) was_interrupted: bool,
    /// How each state was first reached, but for the initial one.
    reached_by: Vec<Option<(NodeIndex, T)>>,
    /// The actors that have their turn even if they are able only now and then.
    pub(super) relentless: u128,
    /// The actors. Their places in this list are their bits in sets.
    actors: Vec<usize>,
}

/// Sets have room for so many actors.
const ACTOR_COUNT_MAX: usize = 128;

/// Follows everything that can happen, in a breadth-first search, until there are so many states or
/// somebody asks for the end.
///
/// Keeps two levels of states, and of each state about 100 bytes and 40 for each step.
pub(super) fn state_graph<S: Progress>(
    system: &S,
    state_count_max: usize,
    interrupt: &AtomicBool,
) -> StateGraph<S::Transition> {
    let mut builder = Builder {
        system,
        states: StateGraph {
            graph: DiGraph::new(),
            is_complete: true,
            was_interrupted: false,
            reached_by: Vec::new(),
            relentless: 0,
            actors: Vec::new(),
        },
        places: HashMap::new(),
        state_count_max,
    };
    let mut initial = system.initial();
    let fingerprint = system.fingerprint(&mut initial, S::Parts::ALL);
    let mut level: Vec<(NodeIndex, S::State)> = Vec::new();
    level.extend(builder.add(fingerprint, &initial, None).map(|node| (node, initial)));
    while !level.is_empty() {
        let mut next = Vec::new();
        for (node, state) in level {
            if interrupt.load(Ordering::Relaxed) {
                builder.leave_open(node);
                builder.states.was_interrupted = true;
                continue;
            }
            builder.expand(node, &state, &mut next);
        }
        level = next;
    }
    builder.states
}

struct Builder<'a, S: Progress> {
    system: &'a S,
    states: StateGraph<S::Transition>,
    places: HashMap<u64, NodeIndex>,
    state_count_max: usize,
}

impl<S: Progress> Builder<'_, S> {
    /// The place of an actor; none if there are too many.
    fn actor(&mut self, actor: usize) -> Option<usize> {
        let actors = &mut self.states.actors;
        if let Some(place) = actors.iter().position(|known| *known == actor) {
            return Some(place);
        }
        let place = actors.len();
        if place == ACTOR_COUNT_MAX {
            return None;
        }
        actors.push(actor);
        self.states.relentless |= u128::from(self.system.is_relentless(actor)) << place;
        Some(place)
    }

    /// Adds a state that is not there yet; none if there is no room.
    fn add(
        &mut self,
        fingerprint: u64,
        state: &S::State,
        reached_by: Option<(NodeIndex, S::Transition)>,
    ) -> Option<NodeIndex> {
        if self.states.graph.node_count() >= self.state_count_max {
            return None;
        }
        let mut actors = Vec::new();
        self.system.able(state, &mut actors);
        let mut able = 0;
        for actor in actors {
            able |= 1 << self.actor(actor)?;
        }
        let node = self.states.graph.add_node(Node {
            able,
            unfinished: self.system.unfinished(state),
            ended: self.system.ended(state),
            is_open: self.system.is_cut(state),
        });
        self.states.is_complete &= !self.system.is_cut(state);
        self.states.reached_by.push(reached_by);
        self.places.insert(fingerprint, node);
        Some(node)
    }

    /// Not everything that can happen from a state is followed.
    fn leave_open(&mut self, node: NodeIndex) {
        self.states.is_complete = false;
        self.states.graph[node].is_open = true;
    }

    /// Adds the steps from a state, and the states that they lead to.
    fn expand(&mut self, node: NodeIndex, state: &S::State, next: &mut Vec<(NodeIndex, S::State)>) {
        let mut transitions = Vec::new();
        self.system.enabled(state, &mut transitions);
        for transition in transitions {
            let mut after = state.clone();
            let changed = self.system.step(&mut after, transition, &mut S::Monitor::default());
            let fingerprint = self.system.fingerprint(&mut after, changed);
            let to = match self.places.get(&fingerprint) {
                Some(to) => Some(*to),
                None => self.add(fingerprint, &after, Some((node, transition))).inspect(|to| {
                    next.push((*to, after));
                }),
            };
            let actor = self.actor(self.system.actor(transition));
            let (Some(to), Some(actor)) = (to, actor) else {
                self.leave_open(node);
                continue;
            };
            let thread = self.system.thread(transition);
            self.states.graph.add_edge(node, to, Edge { transition, actor, thread });
        }
    }
}

impl<T: Copy> StateGraph<T> {
    /// The bits of threads as actors.
    pub(super) fn actors_of(&self, threads: ThreadSet) -> u128 {
        let is_in = |actor: &usize| *actor < ThreadSet::BITS as usize && threads >> *actor & 1 == 1;
        let actors = self.actors.iter().enumerate();
        actors.filter(|(_, actor)| is_in(actor)).fold(0, |set, (place, _)| set | 1 << place)
    }

    /// The threads among actors.
    pub(super) fn threads_of(&self, actors: u128) -> ThreadSet {
        let numbers = self.actors.iter().enumerate();
        let numbers = numbers.filter(|(place, _)| actors >> place & 1 == 1);
        let threads = numbers.filter(|(_, actor)| **actor < ThreadSet::BITS as usize);
        threads.fold(0, |set, (_, actor)| set | 1 << actor)
    }

    /// A shortest schedule from the initial state to a state.
    pub(super) fn stem(&self, to: NodeIndex) -> Vec<T> {
        let mut stem = Vec::new();
        let mut at = to;
        while let Some((before, transition)) = self.reached_by[at.index()] {
            stem.push(transition);
            at = before;
        }
        stem.reverse();
        stem
    }

    /// A shortest way along steps that are allowed to a state, or over a step, that is wanted;
    /// none if there is none. The state where it begins is asked for without a step.
    pub(super) fn way(
        &self,
        from: NodeIndex,
        is_allowed: impl Fn(&Edge<T>, NodeIndex) -> bool,
        mut is_wanted: impl FnMut(NodeIndex, Option<&Edge<T>>) -> bool,
    ) -> Option<Vec<Step<T>>> {
        if is_wanted(from, None) {
            return Some(Vec::new());
        }
        let mut reached: HashMap<NodeIndex, Option<(NodeIndex, Edge<T>)>> =
            HashMap::from([(from, None)]);
        let mut open = VecDeque::from([from]);
        while let Some(node) = open.pop_front() {
            for edge in self.graph.edges(node) {
                let (to, edge) = (edge.target(), *edge.weight());
                if !is_allowed(&edge, to) {
                    continue;
                }
                if is_wanted(to, Some(&edge)) {
                    let mut way = vec![Step { edge, to }];
                    let mut at = node;
                    while let Some((before, edge)) = reached[&at] {
                        way.push(Step { edge, to: at });
                        at = before;
                    }
                    way.reverse();
                    return Some(way);
                }
                reached.entry(to).or_insert_with(|| {
                    open.push_back(to);
                    Some((node, edge))
                });
            }
        }
        None
    }
}
