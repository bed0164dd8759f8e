//! Every state of a system and the steps between them, as numbers.

use super::Orders;
use super::log::{LogId, Logs};
use crate::engine::explore::{Control, Limits, Stop};
use crate::engine::{Parts, TransitionSystem};
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// A step from a state to another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// The number of the transition.
    pub(super) transition: u32,
    /// Who makes it.
    pub(super) actor: u32,
    /// The state that it leads to.
    pub(super) to: u32,
    /// What it adds to the orders that are kept.
    pub(super) log: LogId,
    /// It violates something: then it matters what came before it.
    pub(super) violates: bool,
}

/// The states, each with the steps from it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Where in `edges` those of each state are.
    places: Vec<(u32, u32)>,
    edges: Vec<Edge>,
    /// Every state, behind all that can follow it.
    pub(super) order: Vec<u32>,
    /// The longest schedule, in steps.
    pub(super) depth_max: u32,
    pub(super) logs: Logs,
}

impl Graph {
    pub(super) fn state_count(&self) -> usize {
        self.places.len()
    }

    pub(super) fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// The steps that are possible in a state.
    pub(super) fn edges(&self, state: u32) -> &[Edge] {
        let (first, count) = self.places[state as usize];
        &self.edges[first as usize..][..count as usize]
    }

    /// The step of a transition in a state, if it is possible there.
    pub(super) fn edge(&self, state: u32, transition: u32) -> Option<Edge> {
        self.edges(state).iter().find(|edge| edge.transition == transition).copied()
    }

    /// The memory that it takes, in bytes.
    fn bytes(&self) -> usize {
        // In the table of states, in `places`, `order`, and what is settled: about so much a state.
        const STATE_BYTES: usize = 96;
        self.places.len() * STATE_BYTES + self.edges.len() * size_of::<Edge>()
    }
}

/// A state whose steps are being followed.
struct Frame<S: TransitionSystem> {
    state: u32,
    /// How the state was reached, but for the initial one.
    reached_by: Option<S::Transition>,
    /// Where its steps lead, as far as nobody had been there.
    open: Vec<(S::Transition, u32, S::State)>,
}

/// Follows every schedule, each state once. `on_rest` is shown the states in which nothing is
/// possible, with their numbers and how each was reached.
///
/// Fails with what stopped it: a limit; a schedule without an end counts as too long.
pub(super) fn graph<S: Orders>(
    system: &S,
    limits: &Limits,
    control: &Control,
    on_rest: impl FnMut(u32, &S::State, &[S::Transition]),
) -> (Graph, Option<Stop>) {
    let mut builder = Builder {
        system,
        graph: Graph::default(),
        progress: Vec::new(),
        numbers: HashMap::new(),
        schedule: Vec::new(),
        transitions: Vec::new(),
        orders: Vec::new(),
        violations: Vec::new(),
        monitor: S::Monitor::default(),
        on_rest,
    };
    let stop = builder.build(limits, control).err();
    let graph = builder.graph;
    control.state_count.store(graph.state_count() as u64, Ordering::Relaxed);
    (graph, stop)
}

/// How far the search is with a state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Unseen,
    OnTheWay,
    Left,
}

struct Builder<'a, S: TransitionSystem, F> {
    system: &'a S,
    graph: Graph,
    progress: Vec<Progress>,
    /// By fingerprint.
    numbers: HashMap<u64, u32>,
    schedule: Vec<S::Transition>,
    transitions: Vec<S::Transition>,
    orders: Vec<(u32, u32)>,
    violations: Vec<S::Violation>,
    monitor: S::Monitor,
    on_rest: F,
}

impl<S: Orders, F: FnMut(u32, &S::State, &[S::Transition])> Builder<'_, S, F> {
    fn build(&mut self, limits: &Limits, control: &Control) -> Result<(), Stop> {
        let mut initial = self.system.initial();
        let fingerprint = self.system.fingerprint(&mut initial, S::Parts::ALL);
        let number = self.number(fingerprint);
        let state_bytes = self.system.state_bytes(&initial);
        let mut way: Vec<Frame<S>> = vec![self.enter(None, number, &initial, limits)?];
        let mut open_count = way[0].open.len();
        while let Some(frame) = way.last_mut() {
            let Some((transition, number, state)) = frame.open.pop() else {
                self.progress[frame.state as usize] = Progress::Left;
                self.graph.order.push(frame.state);
                if frame.reached_by.is_some() {
                    self.schedule.pop();
                }
                way.pop();
                continue;
            };
            open_count -= 1;
            if self.progress[number as usize] == Progress::Left {
                continue;
            }
            self.schedule.push(transition);
            let next = self.enter(Some(transition), number, &state, limits)?;
            open_count += next.open.len();
            way.push(next);
            self.compare_with_limits(limits, control, open_count * state_bytes)?;
        }
        self.find_depth();
        if self.graph.depth_max > limits.step_count_max { Err(Stop::Steps) } else { Ok(()) }
    }

    fn compare_with_limits(
        &self,
        limits: &Limits,
        control: &Control,
        open_bytes: usize,
    ) -> Result<(), Stop> {
        let state_count = self.graph.state_count() as u64;
        let bytes = (self.graph.bytes() + open_bytes) as u64;
        if state_count.is_multiple_of(1024) {
            control.state_count.store(state_count, Ordering::Relaxed);
            control.bytes.store(bytes, Ordering::Relaxed);
        }
        match () {
            () if control.interrupt.load(Ordering::Relaxed) => Err(Stop::Interrupted),
            () if state_count > limits.state_count_max => Err(Stop::States),
            () if bytes > limits.memory_bytes_max => Err(Stop::Memory),
            () => Ok(()),
        }
    }

    /// The number of a state.
    fn number(&mut self, fingerprint: u64) -> u32 {
        *self.numbers.entry(fingerprint).or_insert_with(|| {
            self.progress.push(Progress::Unseen);
            self.graph.places.push((0, 0));
            self.graph.places.len() as u32 - 1
        })
    }

    /// Makes the steps from a state.
    fn enter(
        &mut self,
        reached_by: Option<S::Transition>,
        number: u32,
        state: &S::State,
        limits: &Limits,
    ) -> Result<Frame<S>, Stop> {
        self.progress[number as usize] = Progress::OnTheWay;
        let mut transitions = std::mem::take(&mut self.transitions);
        transitions.clear();
        self.system.enabled(state, &mut transitions);
        if transitions.is_empty() {
            (self.on_rest)(number, state, &self.schedule);
        } else if self.schedule.len() as u64 >= u64::from(limits.step_count_max) {
            return Err(Stop::Steps);
        }
        let first = self.graph.edges.len() as u32;
        let mut open = Vec::new();
        for transition in &transitions {
            let mut after = state.clone();
            let changed = self.system.step(&mut after, *transition, &mut self.monitor);
            let fingerprint = self.system.fingerprint(&mut after, changed);
            self.orders.clear();
            self.system.orders(&self.monitor, &mut self.orders);
            self.violations.clear();
            self.system.check(state, *transition, &after, &self.monitor, &mut self.violations);
            let to = self.number(fingerprint);
            match self.progress[to as usize] {
                Progress::OnTheWay => return Err(Stop::Steps),
                Progress::Unseen => open.push((*transition, to, after)),
                Progress::Left => {}
            }
            self.graph.edges.push(Edge {
                transition: self.system.number(*transition) as u32,
                actor: self.system.actor(*transition) as u32,
                to,
                log: self.graph.logs.of(&self.orders),
                violates: !self.violations.is_empty(),
            });
        }
        self.graph.places[number as usize] = (first, transitions.len() as u32);
        self.transitions = transitions;
        Ok(Frame { state: number, reached_by, open })
    }

    /// The longest schedule.
    fn find_depth(&mut self) {
        let mut left = vec![0_u32; self.graph.state_count()];
        for state in &self.graph.order {
            let next = self.graph.edges(*state).iter().map(|edge| left[edge.to as usize] + 1);
            left[*state as usize] = next.max().unwrap_or(0);
        }
        self.graph.depth_max = left.first().copied().unwrap_or(0);
    }
}
