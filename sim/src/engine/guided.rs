//! Random schedules that follow, for a while, one that came to something new.

use super::TransitionSystem;
use super::policy::Policy;
use super::rng::Rng;

/// The most schedules that are remembered.
const SCHEDULE_COUNT_MAX: usize = 4_096;

/// Schedules that came to something new, each up to where the last new thing was.
#[derive(Clone, Debug)]
pub struct Pool<T> {
    schedules: Vec<Vec<T>>,
    /// The one to be replaced next when there is no room.
    oldest: usize,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool { schedules: Vec::new(), oldest: 0 }
    }
}

impl<T: Copy> Pool<T> {
    /// Remembers a schedule.
    pub fn add(&mut self, schedule: &[T]) {
        if self.schedules.len() < SCHEDULE_COUNT_MAX {
            self.schedules.push(schedule.to_vec());
            return;
        }
        self.schedules[self.oldest] = schedule.to_vec();
        self.oldest = (self.oldest + 1) % SCHEDULE_COUNT_MAX;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.schedules.len()
    }

    /// The schedule that belongs to a seed: it follows one of those for a part of it, or none, and
    /// goes on at random.
    pub fn draw(&self, seed: u64) -> Guided<'_, T> {
        let mut rng = Rng::new(seed);
        // One in four begins anew, so that what is remembered does not bind all.
        let follows = !self.schedules.is_empty() && rng.below(4) > 0;
        let followed = if follows {
            let schedule = &self.schedules[rng.below(self.schedules.len())];
            &schedule[..rng.below(schedule.len() + 1)]
        } else {
            &[]
        };
        Guided { rng, followed, step: 0 }
    }
}

/// A schedule that follows another one, then goes on at random.
#[derive(Clone, Debug)]
pub struct Guided<'a, T> {
    rng: Rng,
    followed: &'a [T],
    step: usize,
}

impl<T> Guided<'_, T> {
    /// How many steps of another schedule it follows.
    pub fn followed_count(&self) -> usize {
        self.followed.len()
    }
}

impl<S: TransitionSystem> Policy<S> for Guided<'_, S::Transition> {
    fn pick(&mut self, _: &S, enabled: &[S::Transition]) -> usize {
        let wanted = self.followed.get(self.step);
        self.step += 1;
        let followed = wanted.and_then(|step| enabled.iter().position(|other| other == step));
        followed.unwrap_or_else(|| self.rng.below(enabled.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pool, SCHEDULE_COUNT_MAX};
    use crate::engine::sample::Sampler;
    use crate::engine::toys::Counters;

    #[test]
    fn runs_follow_what_is_remembered_for_a_while() {
        let system = Counters { count: 2, max: 20 };
        let mut pool = Pool::default();
        pool.add(&[0; 20]);
        let mut sampler = Sampler::new(&system);
        let mut followed = 0;
        for seed in 0..40 {
            let mut policy = pool.draw(seed);
            let count = policy.followed_count();
            sampler.run(&mut policy, 100);
            assert!(sampler.schedule()[..count].iter().all(|counter| *counter == 0));
            followed += usize::from(count > 0);
        }
        assert!((20..40).contains(&followed), "{followed}");
    }

    #[test]
    fn the_newest_are_remembered() {
        let mut pool = Pool::default();
        (0..SCHEDULE_COUNT_MAX + 5).for_each(|number| pool.add(&[number]));
        assert_eq!(pool.count(), SCHEDULE_COUNT_MAX);
        assert!(pool.schedules.contains(&vec![SCHEDULE_COUNT_MAX + 4]));
        assert!(!pool.schedules.contains(&vec![4]) && pool.schedules.contains(&vec![5]));
    }
}
