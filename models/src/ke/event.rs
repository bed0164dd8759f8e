//! Events (KEVENT).

use crate::deviation::Deviation;
use crate::event::{Event, ObjectChange, Observer};
use crate::ids::ObjectId;
use crate::ke::dispatcher::{DispatcherObject, ResetKind};
use crate::ke::{Context, Kernel};
use crate::rule::wait as rule;

/// An event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kevent {
    /// How it stops being signaled.
    pub kind: ResetKind,
    /// Whether it is signaled.
    pub signaled: bool,
}

impl Kernel {
    fn event_mut(&mut self, event: ObjectId) -> &mut Kevent {
        match self.object_mut(event) {
            DispatcherObject::Event(event) => event,
            other => unreachable!("handles of events are checked for their type: {other:?}"),
        }
    }

    /// Signals an event (KeSetEvent).
    ///
    /// WAIT-47, WAIT-48, WAIT-50: releases all waiters of a manual-reset event, or hands the
    /// signal of an auto-reset one over to its first waiter; signals do not accumulate.
    pub(crate) fn set_event<O: Observer>(&mut self, cx: &mut Context<'_, O>, event: ObjectId) {
        cx.rule(match self.event_mut(event).kind {
            ResetKind::Manual => rule::WAIT_47,
            ResetKind::Auto => rule::WAIT_48,
        });
        cx.rules([rule::WAIT_49, rule::WAIT_50]);
        self.event_mut(event).signaled = true;
        cx.event(Event::Object { object: event, change: ObjectChange::Signaled });
        if !cx.deviates(Deviation::SignalWakesNobody) {
            self.wait_test(cx, event);
        }
    }

    /// Clears an event; threads that were released stay released (WAIT-51).
    pub(crate) fn reset_event<O: Observer>(&mut self, cx: &mut Context<'_, O>, event: ObjectId) {
        cx.rule(rule::WAIT_51);
        self.event_mut(event).signaled = false;
        cx.event(Event::Object { object: event, change: ObjectChange::Reset });
    }

    /// Releases who waits now and leaves the event unset (KePulseEvent).
    ///
    /// WAIT-52: a set event is only reset. WAIT-37: a wait-all tests again after the pulse is
    /// over and so misses it, unless waits for all are decided in place.
    pub(crate) fn pulse_event<O: Observer>(&mut self, cx: &mut Context<'_, O>, event: ObjectId) {
        cx.rules([rule::WAIT_52, rule::WAIT_37, rule::WAIT_25]);
        if !self.event_mut(event).signaled {
            self.set_event(cx, event);
        }
        self.reset_event(cx, event);
    }
}
