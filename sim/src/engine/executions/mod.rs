//! How many executions there are that somebody can tell apart.
//!
//! Two steps are independent in a state if each stays possible after the other and both orders
//! come to the same. Executions that can be turned into each other by exchanging independent
//! neighbours are equivalent: they are linearizations of one partial order (Mazurkiewicz, "Trace
//! theory", 1986), and one of them is enough. This counts one of each.
//!
//! A step that is independent of everything that can happen until it is made can as well be made
//! at once, and states from which the same is left once all such steps have been made come to the
//! same: a thread that waits for a lock and is then given it, and one that comes when it is free,
//! differ in nothing that anybody sees. Such a step is *settling*, a state without any *settled*.
//!
//! The search is one with sleep sets (Godefroid, "Partial-Order Methods for the Verification of
//! Concurrent Systems", 1996): a step that was followed sleeps behind those that are independent
//! of it, and an execution in which it would be made all the same is blocked. It is done on the
//! graph of states, where one look shows whether steps are independent in a state, each state with
//! the same sleep set once: so executions are counted and not enumerated, and there may be more
//! than anybody could follow. Where a persistent set is known, the other steps are not begun with,
//! so that few executions are blocked.

#[cfg(test)]
pub(crate) mod enumeration;
mod graph;
mod log;
mod persistent;
mod settling;
#[cfg(test)]
mod tests;

use super::TransitionSystem;
use super::explore::{Control, Limits, Stop};
use graph::{Edge, Graph, graph};
use persistent::Chooser;
use settling::Settling;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

/// What counting executions came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executions {
    /// The executions; at most `u128::MAX`. Nothing, if not all was covered.
    pub complete: u128,
    /// The executions that the search began and that came to be blocked: what it wasted.
    pub blocked: u128,
    /// The numbers of the states at rest that the executions come to.
    pub rests: BTreeSet<u32>,
    /// All states, each looked at once.
    pub state_count: u64,
    /// The steps between them.
    pub transition_count: u64,
    /// The settled states, each with each sleep set that it was gone on from with.
    pub situation_count: u64,
    /// Why not everything was covered; none when it was.
    pub stop: Option<Stop>,
}

/// A system in which some orders are kept though no state tells of them.
pub trait Orders: TransitionSystem {
    /// Appends, for each place that orders those who come there, who has come in the last step: a
    /// lock and who has it now. Executions in which the same come in another order differ.
    fn orders(&self, monitor: &Self::Monitor, out: &mut Vec<(u32, u32)>);
}

/// Counts the executions of a system. `on_rest` is shown each state at rest, with its number and
/// how it is reached.
///
/// Time and memory are linear in the number of states and of pairs of a state and a sleep set. A
/// schedule without an end counts as one that meets the step limit: then nothing is counted.
pub fn executions<S: Orders>(
    system: &S,
    limits: &Limits,
    control: &Control,
    on_rest: impl FnMut(u32, &S::State, &[S::Transition]),
) -> Executions {
    let (mut graph, stop) = graph(system, limits, control, on_rest);
    let mut found = Executions {
        complete: 0,
        blocked: 0,
        rests: BTreeSet::new(),
        state_count: graph.state_count() as u64,
        transition_count: graph.edge_count() as u64,
        situation_count: 0,
        stop,
    };
    if stop.is_none() {
        let logs = std::mem::take(&mut graph.logs);
        let settling = Settling::new(&graph, logs);
        let mut counter = Counter::new(&graph, settling);
        match counter.count(limits, control) {
            Ok(Counts { complete, blocked }) => {
                (found.complete, found.blocked) = (complete, blocked);
                found.rests = counter.rests;
            }
            Err(stop) => found.stop = Some(stop),
        }
        found.situation_count = counter.known.len() as u64;
    }
    found
}

/// Executions from somewhere on.
#[derive(Clone, Copy, Default, Debug)]
struct Counts {
    complete: u128,
    blocked: u128,
}

impl Counts {
    const BLOCKED: Self = Counts { complete: 0, blocked: 1 };

    fn add(&mut self, other: Self) {
        self.complete = self.complete.saturating_add(other.complete);
        self.blocked = self.blocked.saturating_add(other.blocked);
    }
}

/// The transitions that sleep, by their numbers, sorted.
type Sleep = Box<[u32]>;

/// A settled state and what sleeps there.
type Situation = (u32, Sleep);

struct Counter<'a> {
    graph: &'a Graph,
    settling: Settling,
    chooser: Chooser,
    /// The steps that are begun with, by state.
    chosen: HashMap<u32, Vec<Edge>>,
    known: HashMap<Situation, Counts>,
    rests: BTreeSet<u32>,
    sleep_bytes: usize,
}

/// Where a situation leads before anybody has a choice.
enum Settled {
    Counted(Counts),
    At(Situation),
}

/// A situation whose steps are being followed.
struct Frame {
    situation: Situation,
    counts: Counts,
    next: std::vec::IntoIter<(u32, Sleep)>,
}

impl<'a> Counter<'a> {
    fn new(graph: &'a Graph, settling: Settling) -> Self {
        Counter {
            graph,
            settling,
            chooser: Chooser::default(),
            chosen: HashMap::new(),
            known: HashMap::new(),
            rests: BTreeSet::new(),
            sleep_bytes: 0,
        }
    }

    fn count(&mut self, limits: &Limits, control: &Control) -> Result<Counts, Stop> {
        let mut all = Counts::default();
        let mut way: Vec<Frame> = Vec::new();
        let (mut state, mut sleep) = (0, Sleep::default());
        loop {
            match self.settled(state, sleep) {
                Settled::Counted(counts) => {
                    way.last_mut().map_or(&mut all, |frame| &mut frame.counts).add(counts);
                }
                Settled::At(situation) => {
                    let (counts, next) = match self.known.get(&situation) {
                        Some(counts) => (*counts, Vec::new()),
                        None => self.following(&situation),
                    };
                    way.push(Frame { situation, counts, next: next.into_iter() });
                }
            }
            (state, sleep) = loop {
                let Some(frame) = way.last_mut() else { return Ok(all) };
                if let Some(next) = frame.next.next() {
                    break next;
                }
                let Frame { situation, counts, .. } = way.pop().expect("it is the last one");
                way.last_mut().map_or(&mut all, |frame| &mut frame.counts).add(counts);
                let sleep_bytes = size_of_val(&*situation.1);
                if self.known.insert(situation, counts).is_none() {
                    self.sleep_bytes += sleep_bytes;
                    self.compare_with_limits(limits, control)?;
                }
            };
        }
    }

    fn compare_with_limits(&self, limits: &Limits, control: &Control) -> Result<(), Stop> {
        let bytes = self.known.len() * 2 * size_of::<(Situation, Counts)>() + self.sleep_bytes;
        match () {
            () if control.interrupt.load(Ordering::Relaxed) => Err(Stop::Interrupted),
            () if bytes as u64 > limits.memory_bytes_max => Err(Stop::Memory),
            () => Ok(()),
        }
    }

    /// Makes the steps that are independent of everything.
    fn settled(&mut self, mut state: u32, sleep: Sleep) -> Settled {
        while let Some(edge) = self.settling.step(self.graph, state) {
            // What sleeps could be made first in all that follows.
            let is_asleep = |edge: &Edge| sleep.binary_search(&edge.transition).is_ok();
            if self.settling.steps(self.graph, state).any(is_asleep) {
                return Settled::Counted(Counts::BLOCKED);
            }
            state = edge.to;
        }
        if self.graph.edges(state).is_empty() {
            self.rests.insert(state);
            return Settled::Counted(Counts { complete: 1, blocked: 0 });
        }
        Settled::At((state, sleep))
    }

    /// Where a situation is gone on to, each with what sleeps there; and what is blocked.
    fn following(&mut self, (state, sleep): &Situation) -> (Counts, Vec<(u32, Sleep)>) {
        let (graph, settling, chooser) = (self.graph, &mut self.settling, &mut self.chooser);
        let chosen =
            self.chosen.entry(*state).or_insert_with(|| chooser.set(graph, settling, *state));
        let mut asleep: Vec<u32> = sleep.to_vec();
        let mut following = Vec::new();
        for edge in chosen.iter() {
            if sleep.binary_search(&edge.transition).is_ok() {
                continue;
            }
            let mut left = asleep.clone();
            left.retain(|other| settling.is_independent(graph, *state, edge.transition, *other));
            left.sort_unstable();
            following.push((edge.to, left.into_boxed_slice()));
            asleep.push(edge.transition);
        }
        let blocked = if following.is_empty() { Counts::BLOCKED } else { Counts::default() };
        (blocked, following)
    }
}
