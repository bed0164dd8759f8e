//! Reading a trace some way ahead.
//!
//! What a thread will say next bounds what can happen to it before that. And two threads may queue
//! an APC to a third, or post to a port, at the same time: which of them was first shows when the
//! APCs run or the packets are taken, and that can be many events later. To go back from there
//! would be slow, so each such call is given its place among what comes out of its queue. That is a guess: which packet of two that are
//! alike is whose is not known, nor which of two that are taken at the same time was the first.
//! Where a guess is wrong, the other way is still there to be tried.

use super::order::Ordered;
use crate::engine::visited::fingerprint;
use alertable_traces::Error;
use alertable_traces::call::Call;
use alertable_traces::outcome::{CallResult, PortEntry, Value};
use alertable_traces::trace::api::{ApiEvent, ApiEventKind, ApiReader};
use std::collections::{HashMap, VecDeque};
use std::io::BufRead;
use std::rc::Rc;

/// How many events are read ahead.
const AHEAD_COUNT: usize = 65_536;

/// For how many of them it is known what becomes of what they queue.
const RANKED_COUNT: usize = 128;

/// When what a call queues comes out again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Rank {
    /// Which queue it is in.
    queue: u64,
    /// The lower the sooner.
    order: u64,
}

/// The events of a trace.
pub(super) struct Ahead<R> {
    ordered: Ordered<R>,
    /// What was read, each with what it takes out of a queue.
    events: VecDeque<(Rc<ApiEvent>, Vec<u64>)>,
    /// What comes before that, with when it comes out if it puts something into a queue.
    ranked: VecDeque<(Rc<ApiEvent>, Option<Rank>)>,
    /// By what comes out, when it does.
    taken: HashMap<u64, VecDeque<u64>>,
    /// By what was queued, how much of it comes out later than what was read so far.
    owed: HashMap<u64, u64>,
    /// By thread, the ports that its open calls take packets from.
    ports: Vec<Vec<Option<u64>>>,
    /// By thread, what its open calls queue.
    calls: Vec<Vec<Option<Rank>>>,
    /// By thread, its events.
    own: Vec<VecDeque<Rc<ApiEvent>>>,
    /// How many events were read.
    read: u64,
    is_at_end: bool,
}

/// An event that comes next.
pub(super) struct Coming {
    pub(super) event: Rc<ApiEvent>,
    /// The next one of its thread, as far as that has been read.
    pub(super) next: Option<Rc<ApiEvent>>,
    /// The threads whose calls probably took effect before that which it is the return of.
    pub(super) sooner: Vec<usize>,
}

impl<R: BufRead> Ahead<R> {
    pub(super) fn new(reader: ApiReader<R>) -> Self {
        Ahead {
            ordered: Ordered::new(reader),
            events: VecDeque::new(),
            ranked: VecDeque::new(),
            taken: HashMap::new(),
            owed: HashMap::new(),
            ports: Vec::new(),
            calls: Vec::new(),
            own: Vec::new(),
            read: 0,
            is_at_end: false,
        }
    }

    pub(super) fn threads(&self) -> &[String] {
        self.ordered.threads()
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<Option<Coming>, Error> {
        while !self.is_at_end && self.events.len() < AHEAD_COUNT {
            match self.ordered.next()? {
                Some(event) => self.take_in(event),
                None => self.is_at_end = true,
            }
        }
        while self.ranked.len() < RANKED_COUNT && !self.events.is_empty() {
            self.rank_next();
        }
        let Some((event, rank)) = self.ranked.pop_front() else { return Ok(None) };
        let calls = &mut self.calls[event.thread];
        let sooner = match &event.what {
            ApiEventKind::Call(_) => {
                calls.push(rank);
                Vec::new()
            }
            ApiEventKind::Return(_) => match calls.pop().flatten() {
                Some(rank) => self.sooner(rank),
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        let own = &mut self.own[event.thread];
        own.pop_front();
        let next = own.front().cloned();
        Ok(Some(Coming { event, next, sooner }))
    }

    /// The threads in calls that queue something which comes out before this, the first one first.
    fn sooner(&self, rank: Rank) -> Vec<usize> {
        let open = |(thread, calls): (usize, &Vec<Option<Rank>>)| {
            let other = calls.last().copied().flatten()?;
            let is_sooner = other.queue == rank.queue && other.order < rank.order;
            (is_sooner && other.order < self.least_before_return(thread, rank.queue))
                .then_some((other.order, thread))
        };
        let mut sooner: Vec<_> = self.calls.iter().enumerate().filter_map(open).collect();
        sooner.sort_unstable();
        sooner.into_iter().map(|(_, thread)| thread).collect()
    }

    /// The first to come out of what is put into a queue from here to the return of the thread's
    /// call: what has been put in before comes out before that.
    fn least_before_return(&self, thread: usize, queue: u64) -> u64 {
        let until = self.ranked.iter().take_while(|(event, _)| event.thread != thread);
        let ranks = until.filter_map(|(_, rank)| rank.filter(|rank| rank.queue == queue));
        ranks.map(|rank| rank.order).min().unwrap_or(u64::MAX)
    }

    fn rank_next(&mut self) {
        let number = self.read - self.events.len() as u64;
        let Some((event, items)) = self.events.pop_front() else { return };
        for item in items {
            self.forget(item, number);
        }
        let rank = match &event.what {
            ApiEventKind::Call(call) => queued(call).map(|(queue, item)| self.rank(queue, item)),
            _ => None,
        };
        self.ranked.push_back((event, rank));
    }

    fn take_in(&mut self, event: ApiEvent) {
        let thread = event.thread;
        if self.ports.len() <= thread {
            self.ports.resize_with(thread + 1, Vec::new);
            self.calls.resize_with(thread + 1, Vec::new);
            self.own.resize_with(thread + 1, VecDeque::new);
        }
        let items = match &event.what {
            ApiEventKind::Call(call) => {
                self.ports[thread].push(port_of(call));
                Vec::new()
            }
            ApiEventKind::Return(result) => match self.ports[thread].pop().flatten() {
                Some(port) => packets(port, result),
                None => Vec::new(),
            },
            ApiEventKind::Apc(entry) => {
                let queue = queue_of(&self.ordered.threads()[thread]);
                entry.data.map(|data| apc(queue, &entry.routine, data)).into_iter().collect()
            }
            ApiEventKind::ApcReturn | ApiEventKind::Started | ApiEventKind::Ending => Vec::new(),
        };
        for item in &items {
            match self.owed.get_mut(item) {
                Some(1) => drop(self.owed.remove(item)),
                Some(count) => *count -= 1,
                None => self.taken.entry(*item).or_default().push_back(self.read),
            }
        }
        let event = Rc::new(event);
        self.own[thread].push_back(Rc::clone(&event));
        self.events.push_back((event, items));
        self.read += 1;
    }

    /// What comes out in the event of this number came in by no call.
    fn forget(&mut self, item: u64, number: u64) {
        if let Some(taken) = self.taken.get_mut(&item) {
            if taken.front().is_some_and(|first| *first <= number) {
                taken.pop_front();
            }
            if taken.is_empty() {
                self.taken.remove(&item);
            }
        }
    }

    fn rank(&mut self, queue: u64, item: u64) -> Rank {
        let order = self.taken.get_mut(&item).and_then(VecDeque::pop_front);
        if order.is_none() {
            *self.owed.entry(item).or_default() += 1;
        }
        Rank { queue, order: order.unwrap_or(u64::MAX) }
    }
}

fn name_of(value: &Value) -> Option<&str> {
    match value {
        Value::Name(name) => Some(name),
        Value::Number(_) => None,
    }
}

fn queue_of(name: &str) -> u64 {
    fingerprint(&name)
}

fn apc(queue: u64, routine: &str, data: u64) -> u64 {
    fingerprint(&(queue, routine, data))
}

fn packet(port: u64, key: u64, bytes: u64, value: Option<&str>) -> u64 {
    fingerprint(&(port, key, bytes, value))
}

/// Which queue a call puts something into, and what.
fn queued(call: &Call) -> Option<(u64, u64)> {
    match call {
        Call::QueueUserApc { thread, routine, data }
        | Call::QueueUserApc2 { thread, routine, data, .. } => {
            let queue = queue_of(thread);
            Some((queue, apc(queue, routine, *data)))
        }
        Call::PostQueuedCompletionStatus { port, bytes, key, overlapped } => {
            let port = queue_of(port);
            Some((port, packet(port, *key, u64::from(*bytes), overlapped.as_deref())))
        }
        Call::NtSetIoCompletion { port, key, value, information, .. } => {
            let port = queue_of(port);
            let value = name_of(value);
            Some((port, packet(port, *key, u64::from(*information), value)))
        }
        _ => None,
    }
}

/// The port that a call takes packets from.
fn port_of(call: &Call) -> Option<u64> {
    match call {
        Call::GetQueuedCompletionStatus { port, .. }
        | Call::GetQueuedCompletionStatusEx { port, .. }
        | Call::NtRemoveIoCompletion { port, .. } => Some(queue_of(port)),
        _ => None,
    }
}

/// The packets that a call has taken from a port.
fn packets(port: u64, result: &CallResult) -> Vec<u64> {
    if let Some(entries) = &result.entries {
        let of =
            |entry: &PortEntry| packet(port, entry.key, entry.bytes, entry.overlapped.as_deref());
        return entries.iter().map(of).collect();
    }
    let Some(key) = result.key else { return Vec::new() };
    let bytes = result.bytes.or(result.information).unwrap_or_default();
    let named = result.overlapped.as_ref().and_then(|name| name.as_deref());
    let value = named.or(result.value.as_ref().and_then(name_of));
    vec![packet(port, key, bytes, value)]
}
