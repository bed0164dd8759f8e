//! What must hold of waitable timers' APCs.

use crate::journal::source;
use crate::walk::{Step, Watcher};
use alertable_models::event::{Event, KapcChange, ThreadChange, TimerChange};
use alertable_models::ids::{ObjectId, ThreadId};
use alertable_models::ke::apc::ApcSource;
use alertable_models::machine::Model;
use alertable_traces::call::Call;
use std::collections::BTreeMap;

fn is_of(step: &Step<'_>, timer: ObjectId, name: &str) -> bool {
    step.model.program.object_name(timer) == name
}

fn timer_named(step: &Step<'_>, name: &str) -> Option<ObjectId> {
    step.after.kernel().object_ids().find(|object| is_of(step, *object, name))
}

/// The thread that set a timer last, and with which routine and data.
type Setting = (ThreadId, Option<String>, u64);

/// A timer's APC goes to the thread that set the timer last, with what it asked for.
#[derive(Clone)]
pub(crate) struct GoesToSetter(BTreeMap<ObjectId, Setting>);

impl Watcher for GoesToSetter {
    fn new(_: &Model) -> Self {
        GoesToSetter(BTreeMap::new())
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let program = &step.model.program;
        for event in step.events {
            match *event {
                Event::Call { thread, call } => {
                    let call = source(step.model, call);
                    if let Call::SetWaitableTimer { timer, routine, data, .. } = call
                        && let Some(timer) = timer_named(step, timer)
                    {
                        self.0.insert(timer, (thread, routine.clone(), *data));
                    }
                }
                Event::Kapc { thread, kapc, change: KapcChange::Queued }
                | Event::ApcEntered { thread, kapc, .. } => {
                    let ApcSource::Timer(timer) = kapc.source else { continue };
                    let routine = Some(program.routine_name(kapc.routine).to_owned());
                    let found = (thread, routine, program.datum(kapc.context));
                    let expected = self.0.get(&timer);
                    if expected != Some(&found) {
                        return Err(format!("{timer:?} was set as {expected:?}, not {found:?}"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A timer's APC is queued at most once, and what was queued for an earlier setting never runs.
#[derive(Clone)]
pub(crate) struct OneOfThisSetting {
    /// How often each timer was set, cancelled or run down.
    settings: BTreeMap<ObjectId, u64>,
    /// The APCs that are queued, each with its timer's setting.
    queued: Vec<(ObjectId, u64)>,
}

impl OneOfThisSetting {
    fn kapc(&mut self, timer: ObjectId, change: KapcChange) -> Result<(), String> {
        let setting = self.settings.get(&timer).copied().unwrap_or(0);
        let place = self.queued.iter().position(|(other, _)| *other == timer);
        match (change, place) {
            (KapcChange::Queued, None) => self.queued.push((timer, setting)),
            (KapcChange::Queued, Some(_)) => return Err(format!("{timer:?} has two APCs queued")),
            (_, None) => return Err(format!("{timer:?} had no APC queued")),
            (KapcChange::Delivered, Some(place)) if self.queued[place].1 != setting => {
                return Err(format!("the APC of an earlier setting of {timer:?} ran"));
            }
            (_, Some(place)) => drop(self.queued.remove(place)),
        }
        Ok(())
    }
}

impl Watcher for OneOfThisSetting {
    fn new(_: &Model) -> Self {
        OneOfThisSetting { settings: BTreeMap::new(), queued: Vec::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            let stopped = match *event {
                Event::Call { call, .. } => match source(step.model, call) {
                    Call::SetWaitableTimer { timer, .. } | Call::CancelWaitableTimer { timer } => {
                        timer_named(step, timer)
                    }
                    _ => None,
                },
                // Also when the thread that set it ends.
                Event::Timer { timer, change: TimerChange::Cancelled } => Some(timer),
                Event::Kapc { kapc, change, .. } => {
                    if let ApcSource::Timer(timer) = kapc.source {
                        self.kapc(timer, change)?;
                    }
                    None
                }
                _ => None,
            };
            if let Some(timer) = stopped {
                *self.settings.entry(timer).or_default() += 1;
            }
        }
        Ok(())
    }
}

/// When a timer is due next, how often, and whose APC it carries.
#[derive(Clone, Copy)]
struct Armed {
    due_ms: u64,
    period_ms: u64,
    apc_of: Option<ThreadId>,
}

/// A timer expires when it is due, neither before nor after, and not without being set; one
/// that carries an APC ends with the thread that set it.
#[derive(Clone)]
pub(crate) struct ExpiresWhenDue {
    now_ms: u64,
    armed: BTreeMap<ObjectId, Armed>,
}

impl ExpiresWhenDue {
    fn call(&mut self, step: &Step<'_>, thread: ThreadId, call: &Call) {
        match call {
            Call::SetWaitableTimer { timer, due_ms, period_ms, routine, .. } => {
                let Some(timer) = timer_named(step, timer) else { return };
                let due_ms = self.now_ms + u64::from(*due_ms);
                let period_ms = u64::try_from(*period_ms).unwrap_or(0);
                let apc_of = routine.as_ref().map(|_| thread);
                self.armed.insert(timer, Armed { due_ms, period_ms, apc_of });
            }
            Call::CancelWaitableTimer { timer } => {
                let timer = timer_named(step, timer);
                self.armed.retain(|other, _| Some(*other) != timer);
            }
            _ => {}
        }
    }

    fn expired(&mut self, timer: ObjectId) -> Result<(), String> {
        let now_ms = self.now_ms;
        let Some(armed) = self.armed.get_mut(&timer).filter(|armed| armed.due_ms == now_ms) else {
            return Err(format!("{timer:?} expired at {now_ms}, when it was not due"));
        };
        armed.due_ms += armed.period_ms;
        if armed.period_ms == 0 {
            self.armed.remove(&timer);
        }
        Ok(())
    }
}

impl Watcher for ExpiresWhenDue {
    fn new(_: &Model) -> Self {
        ExpiresWhenDue { now_ms: 0, armed: BTreeMap::new() }
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for event in step.events {
            match *event {
                Event::TimePassed { ms } => self.now_ms += u64::from(ms),
                Event::Call { thread, call } => {
                    self.call(step, thread, source(step.model, call));
                }
                Event::Timer { timer, change: TimerChange::Expired } => self.expired(timer)?,
                Event::Timer { timer, change: TimerChange::Cancelled } => {
                    self.armed.remove(&timer);
                }
                Event::Thread { thread, change: ThreadChange::Terminated } => {
                    self.armed.retain(|_, armed| armed.apc_of != Some(thread));
                }
                _ => {}
            }
        }
        match self.armed.iter().find(|(_, armed)| armed.due_ms < self.now_ms) {
            Some((timer, armed)) => {
                Err(format!("{timer:?} was due at {}, and it is {}", armed.due_ms, self.now_ms))
            }
            None => Ok(()),
        }
    }
}
