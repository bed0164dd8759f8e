//! Semaphores (KSEMAPHORE).

use crate::deviation::Deviation;
use crate::event::{Event, ObjectChange, Observer};
use crate::ids::ObjectId;
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::{Context, Kernel};
use crate::rule::wait as rule;
use alertable_traces::status::NtStatus;

/// A semaphore.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ksemaphore {
    /// How many waits it can satisfy.
    pub count: u32,
    /// The most that the count can be.
    pub limit: u32,
}

impl Kernel {
    /// Adds to a semaphore's count, releases waiters and returns the count before
    /// (NtReleaseSemaphore; WAIT-71).
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` for a count below 1 (WAIT-73),
    /// `STATUS_SEMAPHORE_LIMIT_EXCEEDED` when it would pass the limit (WAIT-72); nothing has
    /// changed then.
    pub(crate) fn release_semaphore<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        semaphore: ObjectId,
        count: i32,
    ) -> Result<u32, NtStatus> {
        let DispatcherObject::Semaphore(record) = self.object_mut(semaphore) else {
            unreachable!("handles of semaphores are checked for their type");
        };
        let previous = record.count;
        let zero_is_fine = cx.deviates(Deviation::SemaphoreReleaseOfZero);
        let Ok(added) = u32::try_from(count) else {
            cx.rule(rule::WAIT_73);
            return Err(if zero_is_fine {
                NtStatus::SEMAPHORE_LIMIT_EXCEEDED
            } else {
                NtStatus::INVALID_PARAMETER
            });
        };
        if added == 0 && !zero_is_fine {
            cx.rule(rule::WAIT_73);
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let limit =
            if cx.deviates(Deviation::SemaphoreUnbounded) { u32::MAX } else { record.limit };
        record.count = match previous.checked_add(added) {
            Some(sum) if sum <= limit => sum,
            _ => {
                cx.rule(rule::WAIT_72);
                return Err(NtStatus::SEMAPHORE_LIMIT_EXCEEDED);
            }
        };
        cx.rule(rule::WAIT_71);
        cx.event(Event::Object { object: semaphore, change: ObjectChange::Signaled });
        self.wait_test(cx, semaphore);
        Ok(previous)
    }
}
