//! What must hold of user APCs, from the events and the calls of the scenario.

use crate::journal::{
    Journal, Open, PerCall, WaitResult, is_alertable, is_special, source, thread_named, wait_of,
    wait_result,
};
use crate::object::would_be_satisfied;
use crate::walk::{Step, Watcher};
use alertable_models::event::{Event, KapcChange, ObjectChange, ThreadChange};
use alertable_models::ids::{CallId, ThreadId};
use alertable_models::ke::apc::{ApcSource, Kapc};
use alertable_models::machine::{Machine, Model};
use alertable_models::service::ServiceReturn;
use alertable_traces::call::Call;
use std::collections::BTreeMap;

fn name<'a>(step: &'a Step<'_>, thread: ThreadId) -> &'a str {
    step.model.program.thread_name(thread)
}

/// A regular user APC runs only within an alertable call, or before a thread's first step.
#[derive(Clone)]
pub(crate) struct RunsWhereAlertable {
    journal: Journal,
    /// The threads that are in what comes before their entry points.
    starting: Vec<bool>,
}

impl Watcher for RunsWhereAlertable {
    fn new(model: &Model) -> Self {
        let starting = model.program.thread_ids().map(|_| false).collect();
        RunsWhereAlertable { journal: Journal::new(model), starting }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::Thread { thread, change: ThreadChange::Started } => {
                    self.starting[thread.index()] = true;
                }
                Event::ApcEntered { thread, kapc, .. } if !is_special(kapc) => {
                    let allowed = match self.journal.stack(thread).last() {
                        None => self.starting[thread.index()],
                        Some(Open::Routine(_)) => false,
                        Some(Open::Call(call)) => is_alertable(source(step.model, *call)),
                    };
                    if !allowed {
                        let stack = self.journal.stack(thread);
                        return Err(format!("`{}` ran {kapc:?} in {stack:?}", name(step, thread)));
                    }
                }
                _ => {}
            }
            self.journal.note(event)?;
        }
        for thread in step.model.program.thread_ids() {
            self.starting[thread.index()] &= !self.journal.stack(thread).is_empty();
        }
        Ok(())
    }
}

/// APCs in a queue, each with a number of its own.
#[derive(Clone, Default)]
struct Queues {
    queued: BTreeMap<ThreadId, Vec<(u64, Kapc)>>,
    next: u64,
}

impl Queues {
    /// Follows an event; for a delivery, the place that the APC had in the queue.
    fn note(&mut self, event: &Event) -> Result<Option<usize>, String> {
        let Event::Kapc { thread, kapc, change } = *event else { return Ok(None) };
        let queue = self.queued.entry(thread).or_default();
        if change == KapcChange::Queued {
            let specials = queue.iter().filter(|(_, queued)| is_special(*queued)).count();
            let place = if is_special(kapc) { specials } else { queue.len() };
            queue.insert(place, (self.next, kapc));
            self.next += 1;
            return Ok(None);
        }
        let place = queue.iter().position(|(_, queued)| *queued == kapc);
        let place = place.ok_or_else(|| format!("{kapc:?} left a queue that it was not in"))?;
        queue.remove(place);
        Ok((change == KapcChange::Delivered).then_some(place))
    }

    fn of(&self, thread: ThreadId) -> &[(u64, Kapc)] {
        self.queued.get(&thread).map_or(&[], Vec::as_slice)
    }
}

/// APCs that are queued when a thread comes to an alertable point run there.
#[derive(Clone)]
pub(crate) struct RunsAtNextPoint {
    queues: Queues,
    points: PerCall<Point>,
}

/// A call, which may be alertable.
#[derive(Clone)]
struct Point {
    /// The APCs that were queued when the thread made it.
    queued: Vec<u64>,
    /// Whether the chain of APCs may end early, after an alert (ALERT-10).
    may_end_early: bool,
}

impl RunsAtNextPoint {
    fn left(&self, thread: ThreadId, point: &Point) -> bool {
        self.queues.of(thread).iter().any(|(number, _)| point.queued.contains(number))
    }

    fn leave(
        &mut self,
        step: &Step<'_>,
        thread: ThreadId,
        call: CallId,
        result: ServiceReturn,
    ) -> Result<(), String> {
        let source = source(step.model, call);
        let point = self.points.end(thread)?;
        if !is_alertable(source) {
            return Ok(());
        }
        let looked = match (source, wait_result(result)) {
            (Call::NtTestAlert, _) => result.status.0 == 0,
            (_, WaitResult::Apc | WaitResult::TimedOut) => true,
            (_, WaitResult::Object { .. } | WaitResult::Failed) => false,
        };
        if looked && !point.may_end_early && self.left(thread, &point) {
            let name = name(step, thread);
            return Err(format!("`{name}` left {source:?} with an APC queued that it had before"));
        }
        Ok(())
    }

    fn note(&mut self, step: &Step<'_>, event: &Event) -> Result<(), String> {
        match *event {
            Event::Call { thread, call } => {
                let call = source(step.model, call);
                if let Call::NtAlertThread { thread } = call
                    && let Some(target) = thread_named(step.model, thread)
                {
                    let points = self.points.of(target);
                    points.iter_mut().for_each(|point| point.may_end_early = true);
                }
                let queued = self.queues.of(thread).iter().map(|(number, _)| *number).collect();
                self.points.begin(thread, Point { queued, may_end_early: false });
            }
            Event::Return { thread, call, result } => self.leave(step, thread, call, result)?,
            Event::Thread { thread, change: ThreadChange::Terminated } => {
                self.points.forget(thread);
            }
            _ => {}
        }
        self.queues.note(event).map(|_| ())
    }
}

impl Watcher for RunsAtNextPoint {
    fn new(_: &Model) -> Self {
        RunsAtNextPoint { queues: Queues::default(), points: PerCall::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            self.note(step, event)?;
        }
        for thread in step.model.program.thread_ids() {
            let in_wait = step.after.kernel().thread(thread).waits_alertably();
            if in_wait && !self.queues.of(thread).is_empty() {
                let name = name(step, thread);
                return Err(format!("`{name}` is blocked alertably with an APC queued"));
            }
        }
        Ok(())
    }
}

/// APCs run in the order in which they were queued, special ones before the others.
#[derive(Clone)]
pub(crate) struct RunsInOrder(Queues);

impl Watcher for RunsInOrder {
    fn new(_: &Model) -> Self {
        RunsInOrder(Queues::default())
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            if let Some(place @ 1..) = self.0.note(event)? {
                return Err(format!(
                    "an APC ran that {place} others were queued before: {event:?}"
                ));
            }
        }
        Ok(())
    }
}

/// What became of the APCs of one kind in one thread.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Account {
    /// How many calls asked for it; timers ask by themselves.
    calls: usize,
    queued: usize,
    entered: usize,
    taken_back: usize,
    discarded: usize,
}

/// Each APC runs once; or is still queued, was taken back, or was discarded with its thread.
#[derive(Clone)]
pub(crate) struct RunsOnce {
    accounts: BTreeMap<(ThreadId, Kapc), Account>,
    ended: Vec<ThreadId>,
}

impl RunsOnce {
    fn account(&mut self, thread: ThreadId, kapc: Kapc) -> &mut Account {
        self.accounts.entry((thread, kapc)).or_default()
    }

    fn note(&mut self, step: &Step<'_>, event: &Event) -> Result<(), String> {
        match *event {
            Event::ApcEntered { thread, kapc, .. } => {
                self.account(thread, kapc).entered += 1;
            }
            Event::Kapc { thread, kapc, change } => {
                let account = self.account(thread, kapc);
                match change {
                    KapcChange::Queued => account.queued += 1,
                    KapcChange::Delivered => {}
                    KapcChange::Removed => account.taken_back += 1,
                    KapcChange::RunDown => account.discarded += 1,
                }
                let is_call = !matches!(kapc.source, ApcSource::Timer(_));
                if is_call && change == KapcChange::Removed {
                    return Err(format!("{kapc:?} was taken back, but only timers do that"));
                }
                if is_call && change == KapcChange::Queued {
                    account.calls += calls_for(step, thread, kapc);
                }
            }
            Event::Thread { thread, change: ThreadChange::Terminated } => self.ended.push(thread),
            _ => {}
        }
        Ok(())
    }
}

/// How many calls of the step queue such an APC.
fn calls_for(step: &Step<'_>, target: ThreadId, kapc: Kapc) -> usize {
    let program = &step.model.program;
    let asks = |call: &Call| match call {
        Call::QueueUserApc { thread, routine, data }
        | Call::QueueUserApc2 { thread, routine, data, .. } => {
            thread == program.thread_name(target)
                && routine == program.routine_name(kapc.routine)
                && *data == program.datum(kapc.context)
        }
        _ => false,
    };
    let calls = step.events.iter().filter(|event| match event {
        Event::Call { call, .. } => asks(source(step.model, *call)),
        _ => false,
    });
    calls.count()
}

impl Watcher for RunsOnce {
    fn new(_: &Model) -> Self {
        RunsOnce { accounts: BTreeMap::new(), ended: Vec::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            self.note(step, event)?;
        }
        for ((thread, kapc), account) in &self.accounts {
            let waiting =
                step.after.kernel().user_apcs(*thread).iter().filter(|one| *one == kapc).count();
            let Account { calls, queued, entered, taken_back, discarded } = *account;
            let from_call = !matches!(kapc.source, ApcSource::Timer(_));
            let lost = waiting + entered + taken_back + discarded != queued;
            let invented = from_call && calls != queued;
            let early = discarded > 0 && !is_ending(step, *thread);
            if lost || invented || early {
                let name = name(step, *thread);
                return Err(format!("{kapc:?} of `{name}`: {account:?}, {waiting} still queued"));
            }
        }
        Ok(())
    }

    fn rest(&self, model: &Model, state: &Machine) -> Result<(), String> {
        for thread in &self.ended {
            if !state.kernel().user_apcs(*thread).is_empty() {
                let name = model.program.thread_name(*thread);
                return Err(format!("`{name}` has ended and still has APCs queued"));
            }
        }
        Ok(())
    }
}

fn is_ending(step: &Step<'_>, thread: ThreadId) -> bool {
    !step.after.kernel().thread(thread).is_alive()
}

/// Objects that satisfy a wait at its entry win over APCs, and a wait that an object or the
/// time ended has run no regular APC.
#[derive(Clone)]
pub(crate) struct ObjectOrApc {
    journal: Journal,
    /// Whether a regular APC ran in the call itself.
    ran: PerCall<bool>,
}

impl ObjectOrApc {
    fn note(&mut self, step: &Step<'_>, event: &Event) -> Result<(), String> {
        match *event {
            Event::Call { thread, call } => {
                self.ran.begin(thread, false);
                let satisfied = would_be_satisfied(step.model, step.before, thread, call);
                let took = step.events.iter().any(|event| {
                    matches!(event, Event::Object { change: ObjectChange::Acquired(who), .. }
                        if *who == thread)
                });
                if satisfied && !took {
                    let name = name(step, thread);
                    let call = source(step.model, call);
                    return Err(format!("`{name}` did not take what satisfies {call:?}"));
                }
            }
            Event::ApcEntered { thread, kapc, .. } if !is_special(kapc) => {
                if self.journal.open_call(thread).is_some()
                    && let Some(ran) = self.ran.innermost(thread)
                {
                    *ran = true;
                }
            }
            Event::Return { thread, call, result } => {
                let ran = self.ran.end(thread)?;
                let call = source(step.model, call);
                let waits = wait_of(call).is_some() || matches!(call, Call::SleepEx { .. });
                if waits && ran && wait_result(result) != WaitResult::Apc {
                    let name = name(step, thread);
                    return Err(format!("`{name}` ran an APC in {call:?}, which gave {result:?}"));
                }
            }
            Event::Thread { thread, change: ThreadChange::Terminated } => {
                self.ran.forget(thread);
            }
            _ => {}
        }
        self.journal.note(event)
    }
}

impl Watcher for ObjectOrApc {
    fn new(model: &Model) -> Self {
        ObjectOrApc { journal: Journal::new(model), ran: PerCall::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        step.events.iter().try_for_each(|event| self.note(step, event))
    }
}
