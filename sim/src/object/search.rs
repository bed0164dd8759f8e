//! Which deviations explain what a dialect does not.

use super::follower::Follower;
use alertable_models::deviation::{Deviation, Deviations};
use alertable_traces::trace::ObjectTraceEvent;

/// How many events are kept to be followed again.
const EVENT_COUNT: usize = 2_000;

/// The latest events, and how things were before them.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    /// Before the events that are kept.
    before: Follower,
    events: Vec<ObjectTraceEvent>,
    /// A later moment, and the events since then.
    later: Follower,
    later_count: usize,
}

impl Recent {
    pub(super) fn new(follower: &Follower) -> Self {
        let (before, later) = (follower.clone(), follower.clone());
        Recent { before, events: Vec::new(), later, later_count: 0 }
    }

    /// Keeps an event that was followed.
    pub(super) fn push(&mut self, event: ObjectTraceEvent, after: &Follower) {
        self.events.push(event);
        self.later_count += 1;
        if self.later_count == EVENT_COUNT {
            let kept = self.events.len() - self.later_count;
            self.events.drain(..kept);
            self.before = std::mem::replace(&mut self.later, after.clone());
            self.later_count = 0;
        }
    }

    /// The deviations under which the last event, and all that is kept before it, is explained:
    /// one added or one taken away at a time.
    pub(super) fn explained_by(&self, deviations: Deviations) -> Vec<(Deviation, bool)> {
        let changed = |deviation: Deviation| {
            if deviations.contains(deviation) {
                deviations.without(deviation)
            } else {
                deviations.with(deviation)
            }
        };
        let explains = |deviation: &&Deviation| {
            let mut follower = self.before.clone();
            follower.set_deviations(changed(**deviation));
            self.events.iter().all(|event| follower.event(event).is_ok())
        };
        let explaining = Deviation::ALL.iter().filter(explains);
        explaining.map(|deviation| (*deviation, !deviations.contains(*deviation))).collect()
    }
}
