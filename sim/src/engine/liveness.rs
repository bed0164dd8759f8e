//! What goes on for ever: schedules without an end, found in the graph of all states.
//!
//! An infinite schedule says something only if it is fair: it must not leave out for ever what
//! could happen all the time. Here it is *weakly fair*: whoever is able to make a step from some
//! moment on without interruption makes one, again and again. That is owed to threads, to the
//! clock, to timers and to devices alike. Somebody who is able now and then but not all the time
//! is owed nothing, but for the relentless, such as the clock: it gets a turn all the same.
//!
//! In a finite graph an infinite schedule stays in one strongly connected set of states at last.
//! It can be fair there if each actor either makes a step in it or is not able to in one of its
//! states, then the schedule that goes round through all of it is; so the greatest sets, the
//! components, are enough to look at. Only where a relentless actor is able and makes no step in a
//! component are the states where it is able left out, and what is left is taken apart again.

use super::state_graph::{Edge, Progress, StateGraph, Step, ThreadSet, state_graph};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeFiltered, EdgeRef, NodeFiltered};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// A schedule without an end: a stem, and then a cycle again and again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lasso<T> {
    /// From the initial state to the cycle.
    pub stem: Vec<T>,
    /// From a state back to it; empty if nothing can happen there any more.
    pub cycle: Vec<T>,
}

/// Threads that do not end in a fair schedule without an end, though at each moment they could.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Livelock<T> {
    /// Those that make steps for ever.
    pub busy: Vec<usize>,
    /// Those that are never able to make one.
    pub waiting: Vec<usize>,
    /// Such a schedule; each of the busy threads makes a step in its cycle.
    pub lasso: Lasso<T>,
}

/// A thread that is able to make a step again and again in a fair schedule, and makes none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Starvation<T> {
    /// The thread.
    pub thread: usize,
    /// Such a schedule; the thread is able to make a step in one state of its cycle and not in
    /// another.
    pub lasso: Lasso<T>,
}

/// A thread that from some moment on has no way to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endless<T> {
    /// The thread.
    pub thread: usize,
    /// How many steps lead to the first such moment: no schedule leads to one in fewer.
    pub from_step: usize,
    /// A schedule through it, fair in its cycle.
    pub lasso: Lasso<T>,
    /// It ends in no schedule at all.
    pub is_certain: bool,
}

/// What goes on for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Liveness<T> {
    /// One for each set of such threads.
    pub livelocks: Vec<Livelock<T>>,
    /// One for each thread that can starve.
    pub starvations: Vec<Starvation<T>>,
    /// One for each thread that can come to where it has no end.
    pub endless: Vec<Endless<T>>,
    /// The states of the graph.
    pub state_count: usize,
    /// They are all. If not, there may be more to find; what was found holds.
    pub is_complete: bool,
    /// They are not all because somebody asked for the end.
    pub was_interrupted: bool,
}

/// Looks for what goes on for ever, in a graph of at most so many states, or of those that there are
/// when somebody asks for the end. From then on no better cycle is looked for where there is one.
///
/// Time and memory are linear in the states and transitions, times the threads.
pub fn liveness<S: Progress>(
    system: &S,
    state_count_max: usize,
    interrupt: &AtomicBool,
) -> Liveness<S::Transition> {
    let states = state_graph(system, state_count_max, interrupt);
    let components = kosaraju_scc(&states.graph);
    let ends = Ends::new(&states, &components);
    let lassos = Lassos { states: &states, interrupt };
    Liveness {
        livelocks: livelocks(&lassos, &ends),
        starvations: starvations(&lassos),
        endless: endless(&lassos, &components, &ends),
        state_count: states.graph.node_count(),
        is_complete: states.is_complete,
        was_interrupted: states.was_interrupted,
    }
}

/// For each state, the threads that can still end.
struct Ends {
    /// Those for which a way is known.
    known: Vec<ThreadSet>,
    /// Those for which there may be one, where not every way was followed.
    possible: Vec<ThreadSet>,
}

impl Ends {
    /// `components` come after those that they lead to.
    fn new<T: Copy>(states: &StateGraph<T>, components: &[Vec<NodeIndex>]) -> Self {
        let count = states.graph.node_count();
        let mut ends = Ends { known: vec![0; count], possible: vec![0; count] };
        for component in components {
            let (mut known, mut possible) = (0, 0);
            for node in component {
                known |= states.graph[*node].ended;
                if states.graph[*node].is_open {
                    possible = ThreadSet::MAX;
                }
                for next in states.graph.neighbors(*node) {
                    known |= ends.known[next.index()];
                    possible |= ends.possible[next.index()];
                }
            }
            for node in component {
                ends.known[node.index()] = known;
                ends.possible[node.index()] = possible | known;
            }
        }
        ends
    }
}

fn livelocks<T: Copy>(lassos: &Lassos<'_, T>, ends: &Ends) -> Vec<Livelock<T>> {
    let states = lassos.states;
    let mut found: BTreeMap<(ThreadSet, ThreadSet), Lasso<T>> = BTreeMap::new();
    for round in rounds(states, None) {
        let first = round.nodes[0];
        let hopeful = states.graph[first].unfinished & ends.known[first.index()];
        let busy = hopeful & round.threads;
        let waiting = hopeful & !round.threads & !states.threads_of(round.able_once);
        if busy | waiting == 0 {
            continue;
        }
        let demands = Demands { steps: states.actors_of(busy), ..Demands::default() };
        let Some(lasso) = lassos.through(&round, &demands) else { continue };
        let kept = found.entry((busy, waiting)).or_insert_with(|| lasso.clone());
        if length(&lasso) < length(kept) {
            *kept = lasso;
        }
    }
    let livelock = |((busy, waiting), lasso)| Livelock {
        busy: members(busy),
        waiting: members(waiting),
        lasso,
    };
    found.into_iter().map(livelock).collect()
}

fn starvations<T: Copy>(lassos: &Lassos<'_, T>) -> Vec<Starvation<T>> {
    let states = lassos.states;
    let all = states.graph.node_weights().fold(0, |all, node| all | node.unfinished);
    let mut found = Vec::new();
    for thread in members(all) {
        let actor = states.actors_of(1 << thread);
        let mut best: Option<Lasso<T>> = None;
        for round in rounds(states, Some(thread)) {
            if actor & round.able_once & !round.able_always == 0 {
                continue;
            }
            let demands = Demands { able: actor, unable: actor, ..Demands::default() };
            let lasso = lassos.through(&round, &demands);
            best = best.into_iter().chain(lasso).min_by_key(length);
        }
        found.extend(best.map(|lasso| Starvation { thread, lasso }));
    }
    found
}

fn endless<T: Copy>(
    lassos: &Lassos<'_, T>,
    components: &[Vec<NodeIndex>],
    ends: &Ends,
) -> Vec<Endless<T>> {
    let states = lassos.states;
    let mut component_of = vec![0; states.graph.node_count()];
    for (number, component) in components.iter().enumerate() {
        component.iter().for_each(|node| component_of[node.index()] = number);
    }
    let is_lost = |node: NodeIndex| states.graph[node].unfinished & !ends.possible[node.index()];
    let all = states.graph.node_indices().fold(0, |all, node| all | is_lost(node));
    let mut found = Vec::new();
    for thread in members(all) {
        // States are numbered by their distance from the initial one.
        let mut nodes = states.graph.node_indices();
        let Some(first) = nodes.find(|node| is_lost(*node) >> thread & 1 == 1) else { continue };
        let mut rounds: BTreeMap<usize, Option<Round>> = BTreeMap::new();
        let way = states.way(
            first,
            |_, _| true,
            |node, _| {
                let is_at_rest = states.graph.edges(node).next().is_none();
                let number = component_of[node.index()];
                let round = rounds.entry(number).or_insert_with(|| {
                    let round = Round::new(states, &components[number], None);
                    round.is_fair(states).then_some(round)
                });
                is_at_rest || round.is_some()
            },
        );
        let Some(way) = way else { continue };
        let last = way.last().map_or(first, |step| step.to);
        let cycle = rounds
            .remove(&component_of[last.index()])
            .flatten()
            .and_then(|round| lassos.cycle(&round, &Demands::default(), last));
        let mut stem = states.stem(first);
        let from_step = stem.len();
        stem.extend(way.iter().map(|step| step.edge.transition));
        let lasso = Lasso { stem, cycle: cycle.unwrap_or_default() };
        let is_certain = states.is_complete && ends.known[0] >> thread & 1 == 0;
        found.push(Endless { thread, from_step, lasso, is_certain });
    }
    found
}

fn length<T>(lasso: &Lasso<T>) -> usize {
    lasso.stem.len() + lasso.cycle.len()
}

/// The numbers of a set's members.
fn members(set: ThreadSet) -> Vec<usize> {
    (0..ThreadSet::BITS as usize).filter(|member| set >> member & 1 == 1).collect()
}

/// The greatest sets of states that a fair schedule can go round in, without the steps of one
/// thread if one is given: that is starved, and owed nothing.
fn rounds<T: Copy>(states: &StateGraph<T>, without: Option<usize>) -> Vec<Round> {
    let graph =
        EdgeFiltered::from_fn(&states.graph, |e| without.is_none() || e.weight().thread != without);
    let mut components = kosaraju_scc(&graph);
    let mut rounds = Vec::new();
    while let Some(component) = components.pop() {
        let round = Round::new(states, &component, without);
        let waits = states.relentless & round.able_once & !round.steps;
        if waits == 0 || round.steps == 0 {
            rounds.extend(round.is_fair(states).then_some(round));
            continue;
        }
        let is_left = |node: NodeIndex| {
            round.nodes.binary_search(&node).is_ok() && states.graph[node].able & waits == 0
        };
        components.extend(kosaraju_scc(&NodeFiltered::from_fn(&graph, is_left)));
    }
    rounds
}

/// A strongly connected set of states, and what happens on a way through all of it.
struct Round {
    /// By their numbers.
    nodes: Vec<NodeIndex>,
    /// The thread that makes no steps here, if one does not.
    without: Option<usize>,
    /// The threads that make steps.
    threads: ThreadSet,
    /// The actors that make steps.
    steps: u128,
    /// The actors that are able to in some state.
    able_once: u128,
    /// The actors that are able to in every state.
    able_always: u128,
    /// The actor of the thread that makes no steps here.
    starved: u128,
}

impl Round {
    fn new<T: Copy>(
        states: &StateGraph<T>,
        component: &[NodeIndex],
        without: Option<usize>,
    ) -> Self {
        let mut nodes = component.to_vec();
        nodes.sort();
        let mut round = Round {
            nodes,
            without,
            threads: 0,
            steps: 0,
            able_once: 0,
            able_always: u128::MAX,
            starved: without.map_or(0, |thread| states.actors_of(1 << thread)),
        };
        for node in component {
            round.able_once |= states.graph[*node].able;
            round.able_always &= states.graph[*node].able;
            for edge in states.graph.edges(*node) {
                if round.has(edge.weight(), edge.target()) {
                    round.steps |= 1 << edge.weight().actor;
                    round.threads |= edge.weight().thread.map_or(0, |thread| 1 << thread);
                }
            }
        }
        round
    }

    /// Whether a step is one of those that go round here.
    fn has<T>(&self, edge: &Edge<T>, target: NodeIndex) -> bool {
        (self.without.is_none() || edge.thread != self.without)
            && self.nodes.binary_search(&target).is_ok()
    }

    /// Whether a fair schedule can go round here for ever.
    fn is_fair<T>(&self, states: &StateGraph<T>) -> bool {
        let owed = self.able_always | self.able_once & states.relentless;
        self.steps != 0 && owed & !self.steps & !self.starved == 0
    }
}

/// What a cycle has to have beside being fair.
#[derive(Default)]
struct Demands {
    /// Actors that make a step.
    steps: u128,
    /// Actors that are able to somewhere.
    able: u128,
    /// Actors that are not able to somewhere.
    unable: u128,
}

/// How many states of a component are tried as the beginning of a cycle.
const START_COUNT_MAX: usize = 32;

/// Makes lassos.
struct Lassos<'a, T> {
    states: &'a StateGraph<T>,
    interrupt: &'a AtomicBool,
}

impl<T: Copy> Lassos<'_, T> {
    /// A short lasso whose cycle is in a component: of those that begin at one of the states that
    /// are the fewest steps away.
    fn through(&self, round: &Round, demands: &Demands) -> Option<Lasso<T>> {
        let mut best: Option<Lasso<T>> = None;
        for start in round.nodes.iter().take(START_COUNT_MAX) {
            if best.is_some() && self.interrupt.load(Ordering::Relaxed) {
                break;
            }
            let Some(cycle) = self.cycle(round, demands, *start) else { continue };
            let lasso = Lasso { stem: self.states.stem(*start), cycle };
            if best.as_ref().is_none_or(|best| length(&lasso) < length(best)) {
                best = Some(lasso);
            }
        }
        best
    }

    /// A fair cycle from a state of a component, that goes to whatever is missing and nearest
    /// until nothing is.
    fn cycle(&self, round: &Round, demands: &Demands, start: NodeIndex) -> Option<Vec<T>> {
        let graph = &self.states.graph;
        let able = graph[start].able;
        let (mut steps, mut able_once, mut unable_once) = (0, able, !able);
        let mut cycle = Vec::new();
        let mut at = start;
        loop {
            let missing = Demands {
                steps: demands.steps & !steps,
                able: demands.able & !able_once,
                unable: demands.unable & !unable_once,
            };
            // Whoever is able everywhere has to make a step, and a relentless actor who is at all.
            let relentless = self.states.relentless;
            let owed = able_once & !(steps | unable_once & !relentless | round.starved);
            let is_complete = missing.steps | missing.able | missing.unable | owed == 0;
            if is_complete && at == start && !cycle.is_empty() {
                return Some(cycle);
            }
            let is_wanted = |node: NodeIndex, edge: Option<&Edge<T>>| {
                let Some(edge) = edge else { return false };
                let actor: u128 = 1 << edge.actor;
                let able = graph[node].able;
                if is_complete {
                    return node == start;
                }
                (missing.steps | owed) & actor != 0
                    || missing.able & able != 0
                    || (missing.unable | owed & !relentless) & !able != 0
            };
            let in_round = |edge: &Edge<T>, to| round.has(edge, to);
            for Step { edge, to } in self.states.way(at, in_round, is_wanted)? {
                steps |= 1 << edge.actor;
                able_once |= graph[to].able;
                unable_once |= !graph[to].able;
                cycle.push(edge.transition);
                at = to;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lasso, Livelock, Liveness, Starvation, liveness};
    use crate::engine::TransitionSystem;
    use crate::engine::rng::Rng;
    use crate::engine::state_graph::Progress;
    use crate::engine::toys::{Counters, Locks, Ring, Table, TableStep, TryLocks, Turnstile};
    use std::sync::atomic::AtomicBool;

    fn of<S: Progress>(system: &S) -> Liveness<S::Transition> {
        liveness(system, 10_000, &AtomicBool::new(false))
    }

    #[test]
    fn programs_that_always_end_have_nothing() {
        for nothing in [of(&Counters { count: 3, max: 3 }), of(&Locks { ordered: true })] {
            assert!(nothing.livelocks.is_empty() && nothing.starvations.is_empty());
            assert!(nothing.endless.is_empty() && nothing.is_complete);
        }
        let ordered = of(&TryLocks { ordered: true });
        assert_eq!(
            (ordered.livelocks, ordered.starvations, ordered.endless),
            (vec![], vec![], vec![])
        );
    }

    #[test]
    fn a_deadlock_takes_their_ends_from_both_threads() {
        let found = of(&Locks { ordered: false });
        assert!(found.livelocks.is_empty() && found.starvations.is_empty());
        let endless: Vec<_> =
            found.endless.iter().map(|e| (e.thread, e.from_step, &e.lasso.stem[..])).collect();
        assert_eq!(endless, [(0, 2, &[0, 1][..]), (1, 2, &[0, 1][..])]);
        assert!(found.endless.iter().all(|e| e.lasso.cycle.is_empty() && !e.is_certain));
    }

    #[test]
    fn who_may_go_round_for_ever_or_stop_lives_locked() {
        for stem in 0..4 {
            let found = of(&Ring { stem, length: 3 });
            let lasso = Lasso { stem: vec![true; usize::from(stem)], cycle: vec![true; 3] };
            assert_eq!(found.livelocks, [Livelock { busy: vec![0], waiting: vec![], lasso }]);
            assert!(found.starvations.is_empty() && found.endless.is_empty());
        }
    }

    #[test]
    fn threads_that_give_way_to_each_other_can_do_so_for_ever() {
        let found = of(&TryLocks { ordered: false });
        let [livelock] = &found.livelocks[..] else { panic!("{found:?}") };
        assert_eq!((&livelock.busy[..], &livelock.waiting[..]), (&[0, 1][..], &[][..]));
        // Each takes its first lock; each fails at its second and gives the first back.
        assert_eq!(livelock.lasso.cycle.len(), 6);
        assert!(found.starvations.is_empty() && found.endless.is_empty());
    }

    #[test]
    fn who_comes_too_late_each_time_starves() {
        let found = of(&Turnstile);
        let [Starvation { thread: 1, lasso }] = &found.starvations[..] else { panic!("{found:?}") };
        assert_eq!((&lasso.stem[..], &lasso.cycle[..]), (&[][..], &[0, 0][..]));
        assert!(found.livelocks.is_empty(), "the other one has no end");
        let endless: Vec<_> = found.endless.iter().map(|e| (e.thread, e.is_certain)).collect();
        assert_eq!(endless, [(0, true)]);
    }

    #[test]
    fn what_is_beyond_the_limit_is_not_judged() {
        let found = liveness(&Ring { stem: 5, length: 3 }, 4, &AtomicBool::new(false));
        assert!(!found.is_complete);
        assert!(found.livelocks.is_empty() && found.endless.is_empty(), "{found:?}");
    }

    #[test]
    fn who_is_interrupted_says_so_and_judges_nothing_that_was_not_followed() {
        let found = liveness(&Ring { stem: 5, length: 3 }, 1_000, &AtomicBool::new(true));
        assert!(found.was_interrupted && !found.is_complete);
        assert_eq!(found.state_count, 1);
        assert!(found.livelocks.is_empty() && found.endless.is_empty(), "{found:?}");
        let found = of(&Ring { stem: 5, length: 3 });
        assert!(!found.was_interrupted && found.is_complete);
    }

    /// Follows a lasso; what its cycle does: the states on it, and the actors that make a step.
    fn walk(table: &Table, lasso: &Lasso<TableStep>) -> (Vec<usize>, Vec<usize>) {
        let mut state = table.initial();
        let mut go = |steps: &[TableStep]| -> Vec<usize> {
            let go = |step: &TableStep| {
                assert!(table.states[state].contains(step));
                state = step.to;
                state
            };
            steps.iter().map(go).collect()
        };
        let start = go(&lasso.stem).last().copied().unwrap_or(table.initial());
        let states = go(&lasso.cycle);
        assert_eq!(states.last().copied().unwrap_or(start), start, "the cycle closes");
        (states, lasso.cycle.iter().map(|step| table.actor(*step)).collect())
    }

    fn is_able(table: &Table, state: usize, actor: usize) -> bool {
        table.states[state].iter().any(|step| table.actor(*step) == actor)
    }

    /// Whether a cycle through these states with steps of these actors is fair, but to one actor.
    fn is_fair(table: &Table, states: &[usize], steps: &[usize], but: Option<usize>) -> bool {
        let is_owed = |actor: usize| {
            let able = |state: &usize| is_able(table, *state, actor);
            let is_relentless = table.is_relentless(actor);
            states.iter().all(able) || is_relentless && states.iter().any(able)
        };
        let actors = table.states.iter().flatten().map(|step| table.actor(*step));
        actors.filter(|actor| Some(*actor) != but).all(|a| !is_owed(a) || steps.contains(&a))
    }

    /// All sets of states that a schedule can go round in, without the steps of one thread, with
    /// the actors that make steps there. Found the slow way: set by set.
    fn rounds(table: &Table, without: Option<usize>) -> Vec<(Vec<usize>, Vec<usize>)> {
        let count = table.states.len();
        let steps = |from: usize| {
            table.states[from]
                .iter()
                .filter(move |step| without.is_none() || step.thread != without)
        };
        let closure = |from: usize, set: u32| {
            let mut reached = 0_u32;
            let mut open = vec![from];
            while let Some(state) = open.pop() {
                for step in steps(state).filter(|step| set >> step.to & 1 == 1) {
                    if reached >> step.to & 1 == 0 {
                        reached |= 1 << step.to;
                        open.push(step.to);
                    }
                }
            }
            reached
        };
        let reachable = reachable(table, 0).iter().fold(0_u32, |set, state| set | 1 << state);
        let members = |set: u32| (0..count).filter(move |state| set >> state & 1 == 1);
        let is_round = |set: &u32| {
            set & !reachable == 0 && members(*set).all(|state| closure(state, *set) == *set)
        };
        (1..1 << count)
            .filter(is_round)
            .map(|set| {
                let inside = |step: &&TableStep| set >> step.to & 1 == 1;
                let actors = members(set).flat_map(|state| steps(state).filter(inside));
                (members(set).collect(), actors.map(|step| table.actor(*step)).collect())
            })
            .collect()
    }

    #[test]
    fn lassos_are_fair_schedules_and_none_is_missed() {
        let (mut livelock_count, mut starvation_count, mut endless_count) = (0, 0, 0);
        for seed in 0..300 {
            let mut table = Table::random(&mut Rng::new(seed), 7);
            // The last state is where both threads have ended.
            table.states[6].clear();
            let found = of(&table);
            let ends = |state: usize| reachable(&table, state).contains(&6);
            for livelock in &found.livelocks {
                let (states, steps) = walk(&table, &livelock.lasso);
                assert!(is_fair(&table, &states, &steps, None), "seed {seed}: {livelock:?}");
                assert!(livelock.busy.iter().all(|thread| steps.contains(thread)));
                assert!(ends(states[0]), "seed {seed}: {livelock:?}");
            }
            let rounds_of_all = rounds(&table, None);
            let any_fair = |holds: &dyn Fn(&[usize], &[usize]) -> bool| {
                rounds_of_all.iter().any(|(states, steps)| {
                    ends(states[0]) && is_fair(&table, states, steps, None) && holds(states, steps)
                })
            };
            let has_busy = any_fair(&|_, steps| steps.iter().any(|actor| *actor < 2));
            let never_able = |states: &[usize], thread| {
                states.iter().all(|state| !is_able(&table, *state, thread))
            };
            let has_waiting = any_fair(&|states, _| (0..2).any(|t| never_able(states, t)));
            let has_livelock = !found.livelocks.is_empty();
            assert!(has_livelock || !has_busy, "seed {seed}: {table:?}");
            assert!(!has_livelock || has_busy || has_waiting, "seed {seed}: {table:?}");
            let is_told = has_livelock || !found.starvations.is_empty();
            assert!(is_told || !has_waiting, "seed {seed}: {table:?}");
            for thread in 0..2 {
                let is_starving = |states: &[usize], steps: &[usize]| {
                    let able = |state: &usize| is_able(&table, *state, thread);
                    let is_able_now_and_then = states.iter().any(able) && !states.iter().all(able);
                    is_able_now_and_then
                        && !steps.contains(&thread)
                        && is_fair(&table, states, steps, Some(thread))
                };
                let starvation = found.starvations.iter().find(|found| found.thread == thread);
                if let Some(starvation) = starvation {
                    let (states, steps) = walk(&table, &starvation.lasso);
                    assert!(is_starving(&states, &steps), "seed {seed}: {starvation:?}");
                }
                let mut rounds = rounds(&table, Some(thread)).into_iter();
                let expected = rounds.any(|(states, steps)| is_starving(&states, &steps));
                assert_eq!(starvation.is_some(), expected, "seed {seed}: {table:?}");
            }
            for endless in &found.endless {
                let (states, steps) = walk(&table, &endless.lasso);
                assert!(is_fair(&table, &states, &steps, None) || states.is_empty());
                let stem = &endless.lasso.stem[..endless.from_step];
                let lost = stem.last().map_or(0, |step| step.to);
                assert!(!ends(lost), "seed {seed}: {endless:?}");
                let before = stem.iter().rev().nth(1).map_or(0, |step| step.to);
                assert!(stem.is_empty() || ends(before), "seed {seed}: {endless:?}");
            }
            let is_lost = reachable(&table, 0).into_iter().any(|state| !ends(state));
            assert_eq!(found.endless.len(), if is_lost { 2 } else { 0 }, "seed {seed}");
            livelock_count += found.livelocks.len();
            starvation_count += found.starvations.len();
            endless_count += found.endless.len();
        }
        let counts = (livelock_count, starvation_count, endless_count);
        assert!(livelock_count > 20 && starvation_count > 20 && endless_count > 20, "{counts:?}");
    }

    /// The states that can be reached from a state, that one included.
    fn reachable(table: &Table, from: usize) -> Vec<usize> {
        let mut seen = vec![from];
        let mut at = 0;
        while at < seen.len() {
            let next = table.states[seen[at]].iter().map(|step| step.to);
            let next: Vec<usize> = next.filter(|to| !seen.contains(to)).collect();
            seen.extend(next);
            at += 1;
        }
        seen
    }
}
