//! A search with halts on the way, at which all workers stop together: to show what there is to
//! whoever keeps it, and to estimate how much there is in all.

use super::estimate::Samples;
use super::explore::{Coverage, Job, Shared, Stop, Visitor, lock};
use super::frontier::{Branch, Halt};
use super::memo::Memo;
use super::rng::Rng;
use super::visited::{Access, Untouched, Visited};
use super::worker::{Tally, Worker};
use super::{Ending, TransitionSystem};
use std::sync::atomic::Ordering;

/// Lets the workers search to the end, with halts on the way.
pub(super) fn search<S: TransitionSystem, V: Visitor<S>, A: Access + Send>(
    shared: &Shared<'_, S>,
    workers: &mut [Worker<'_, S, V, A>],
    before: &(Coverage, Vec<u64>),
    mut keep: impl FnMut(&Halt<'_, S, V>) -> bool,
) -> Coverage {
    let mut now = halt(shared, workers, before);
    let mut is_first = true;
    let mut scout = Scout::default();
    let (mut is_asked, mut goes_on) = (false, true);
    loop {
        let estimates = &shared.control.estimates;
        let is_partial = !goes_on && lock(&shared.stop).is_some();
        let is_estimated = (goes_on && estimates.now.load(Ordering::Relaxed))
            || (is_partial && estimates.at_end.load(Ordering::Relaxed));
        if is_estimated {
            let states = scout.estimate(shared, now.visited, &now.by_depth);
            estimates.states.store(states, Ordering::Relaxed);
            estimates.now.store(false, Ordering::Relaxed);
        }
        let is_kept = is_asked || !goes_on || is_first;
        is_first = false;
        if is_kept && !keep(&now) {
            now.coverage.stop.get_or_insert(Stop::Interrupted);
            return now.coverage;
        }
        if !goes_on {
            return now.coverage;
        }
        drop(now);
        if is_asked {
            shared.control.halt.store(false, Ordering::Relaxed);
        }
        shared.stopped.store(false, Ordering::Relaxed);
        shared.idle_count.store(0, Ordering::Relaxed);
        if let [worker] = &mut *workers {
            worker.run();
        } else {
            std::thread::scope(|scope| {
                let running: Vec<_> =
                    workers.iter_mut().map(|worker| scope.spawn(|| worker.run())).collect();
                running.into_iter().for_each(|worker| worker.join().expect("a worker panicked"));
            });
        }
        now = halt(shared, workers, before);
        is_asked = shared.control.halt.load(Ordering::Relaxed);
        goes_on = (is_asked || shared.control.estimates.now.load(Ordering::Relaxed))
            && lock(&shared.stop).is_none()
            && !now.open.is_empty();
    }
}

/// What workers that have stopped leave.
fn halt<'w, S: TransitionSystem, V: Visitor<S>, A: Access>(
    shared: &Shared<'_, S>,
    workers: &'w [Worker<'_, S, V, A>],
    (before, depths_before): &(Coverage, Vec<u64>),
) -> Halt<'w, S, V> {
    let visited = workers[0].visited.set();
    let jobs = lock(&shared.jobs);
    let open = jobs.iter().map(Job::branch).chain(workers.iter().flat_map(Worker::branches));
    let open: Vec<_> = open.collect();
    let sum = |of: fn(&Tally) -> u64| workers.iter().map(|worker| of(&worker.tally)).sum::<u64>();
    let any = |of: fn(&Tally) -> bool| workers.iter().any(|worker| of(&worker.tally));
    let cut = if before.stop == Some(Stop::Switches) || any(|tally| tally.was_bounded) {
        Some(Stop::Switches)
    } else {
        before.stop.or(any(|tally| tally.was_cut).then_some(Stop::Steps))
    };
    let mut by_depth = depths_before.clone();
    for tally in workers.iter().map(|worker| &worker.tally) {
        by_depth.resize(by_depth.len().max(tally.by_depth.len()), 0);
        by_depth.iter_mut().zip(&tally.by_depth).for_each(|(sum, count)| *sum += count);
    }
    let deepest = workers.iter().map(|worker| worker.tally.depth_max).max().unwrap_or(0);
    let bytes = visited.bytes() + shared.worker_bytes.load(Ordering::Relaxed);
    let coverage = Coverage {
        state_count: before.state_count + sum(|tally| tally.new_states),
        transition_count: before.transition_count + sum(|tally| tally.transitions),
        open_count: open.iter().map(Branch::open_count).sum(),
        depth_max: deepest.max(before.depth_max),
        peak_bytes: bytes.max(before.peak_bytes),
        stop: lock(&shared.stop).or(cut),
    };
    let visitors = workers.iter().map(|worker| &*worker.visitor).collect();
    Halt { visited, open, coverage, cut, by_depth, visitors }
}

/// Walks at random to estimate how many states there are.
struct Scout<S: TransitionSystem> {
    rng: Rng,
    samples: Samples,
    /// What it knows of steps from its last walks.
    memo: Memo<S::Transition>,
}

impl<S: TransitionSystem> Default for Scout<S> {
    fn default() -> Self {
        Scout { rng: Rng::new(0), samples: Samples::default(), memo: Memo::new() }
    }
}

impl<S: TransitionSystem> Scout<S> {
    fn estimate(&mut self, shared: &Shared<'_, S>, visited: &Visited, by_depth: &[u64]) -> u64 {
        let mut nobody = Nobody;
        let mut walker = Worker::new(shared, Untouched(visited), &mut nobody);
        std::mem::swap(&mut walker.memo, &mut self.memo);
        let wanted = self.samples.step_count_wanted();
        let taken = visited.bytes() + shared.worker_bytes.load(Ordering::Relaxed);
        let bytes_max = shared.limits.memory_bytes_max.saturating_sub(taken);
        let mut states = Vec::new();
        // Each walk comes to at least one step, or there is none.
        for _ in 0..wanted {
            let is_enough = states.len() >= wanted || bytes_max == 0;
            if is_enough || !walker.walk(&mut self.rng, bytes_max, &mut states) {
                break;
            }
        }
        std::mem::swap(&mut walker.memo, &mut self.memo);
        self.samples.add(states);
        self.samples.estimate(visited, by_depth)
    }
}

/// Is shown what a walk comes to, which a search comes to as well.
struct Nobody;

impl<S: TransitionSystem> Visitor<S> for Nobody {
    fn end(&mut self, _: &S::State, _: &[S::Transition], _: Ending) {}
    fn violation(&mut self, _: S::Violation, _: &[S::Transition]) {}
}
