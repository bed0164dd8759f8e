//! Who goes next: the schedules of single runs.

use super::TransitionSystem;
use super::rng::Rng;

/// Picks one of the transitions that are possible.
pub trait Policy<S: TransitionSystem> {
    /// The position of the pick in `enabled`, which is not empty.
    fn pick(&mut self, system: &S, enabled: &[S::Transition]) -> usize;

    /// The step that was picked has been made, and has left this in the monitor.
    fn stepped(&mut self, system: &S, monitor: &S::Monitor) {
        let _ = (system, monitor);
    }
}

/// Every possible transition is as likely as any other.
#[derive(Clone, Debug)]
pub struct Uniform {
    rng: Rng,
}

impl Uniform {
    /// The schedule that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        Uniform { rng: Rng::new(seed) }
    }
}

impl<S: TransitionSystem> Policy<S> for Uniform {
    fn pick(&mut self, _: &S, enabled: &[S::Transition]) -> usize {
        match enabled.len() {
            1 => 0,
            count => self.rng.below(count),
        }
    }
}

/// The actors take turns.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    next: usize,
}

impl<S: TransitionSystem> Policy<S> for RoundRobin {
    fn pick(&mut self, system: &S, enabled: &[S::Transition]) -> usize {
        let turns_away =
            |transition: &S::Transition| system.actor(*transition).wrapping_sub(self.next);
        // Actors behind the last one come first, then those before it.
        let pick = (0..enabled.len())
            .min_by_key(|at| turns_away(&enabled[*at]))
            .expect("something is possible");
        self.next = system.actor(enabled[pick]) + 1;
        pick
    }
}

/// Priority schedules after Burckhardt, Kothari, Musuvathi and Nagarakatte (2010).
///
/// Actors get random priorities; the highest that can go goes. At `depth - 1` random moments the
/// one that goes falls below all others. A fault that needs `depth` ordering constraints is found
/// with a probability of at least one in `actors * steps^(depth-1)`.
#[derive(Clone, Debug)]
pub struct Pct {
    rng: Rng,
    /// Priorities by actor; drawn when an actor is first seen, always above the lowered ones.
    priorities: Vec<u64>,
    /// Steps at which the actor that goes is lowered, in descending order.
    changes: Vec<u64>,
    step: u64,
}

impl Pct {
    /// The schedule that belongs to a seed, with `depth - 1` changes among the first
    /// `step_count` steps.
    pub fn new(seed: u64, depth: u32, step_count: u32) -> Self {
        let mut rng = Rng::new(seed);
        let mut changes: Vec<u64> =
            (1..depth).map(|_| rng.below(step_count.max(1) as usize) as u64).collect();
        changes.sort_unstable_by(|a, b| b.cmp(a));
        Pct { rng, priorities: Vec::new(), changes, step: 0 }
    }

    fn priority(&mut self, actor: usize) -> u64 {
        while self.priorities.len() <= actor {
            self.priorities.push(self.rng.next_u64() | 1 << 63);
        }
        self.priorities[actor]
    }
}

impl<S: TransitionSystem> Policy<S> for Pct {
    fn pick(&mut self, system: &S, enabled: &[S::Transition]) -> usize {
        let mut pick = 0;
        for at in 1..enabled.len() {
            if self.priority(system.actor(enabled[at])) > self.priority(system.actor(enabled[pick]))
            {
                pick = at;
            }
        }
        let actor = system.actor(enabled[pick]);
        while self.changes.last() == Some(&self.step) {
            self.changes.pop();
            self.priority(actor);
            self.priorities[actor] = self.changes.len() as u64;
        }
        self.step += 1;
        pick
    }
}
