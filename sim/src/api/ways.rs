//! The ways to explain one event, the cheapest first.

use super::config::{Config, Move, Stepper};
use super::search::Search;
use crate::engine::memo::SlotSet;
use alertable_models::ids::ThreadId;
use std::collections::HashSet;

/// The most states that are looked at for one event.
const STATE_COUNT_MAX: usize = 20_000;

/// How many steps more it counts for if those that others make make no difference alone.
const ALIKE_COST: usize = 2;

/// How hard the ways are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effort {
    /// What others do comes before the thread's own steps only where it makes a difference.
    Likely,
    /// Whatever others can do may come before the thread's own steps.
    Thorough,
}

/// A state that the search has come to.
struct Task {
    config: Config,
    /// What the steps that lead to it have looked at.
    looked_at: SlotSet,
    what: Next,
    is_root: bool,
}

enum Next {
    /// The thread goes on.
    Own,
    /// Others go first.
    Others,
}

/// The ways to explain an event that have not been tried yet: first those in which only its own
/// thread goes on, then those in which others make more and more steps first. They are found when
/// they are asked for.
pub(super) struct Ways {
    /// By how many steps others have made.
    tasks: Vec<Vec<Task>>,
    seen: HashSet<u64>,
    effort: Effort,
    /// The first state, when all that can follow from it has been found.
    root: Option<Config>,
    /// What the steps that were tried have looked at.
    pub(super) looked_at: SlotSet,
    /// How many states it keeps.
    kept: usize,
}

impl Ways {
    pub(super) fn new(config: Config, effort: Effort) -> Self {
        let task = Task { config, looked_at: 0, what: Next::Own, is_root: true };
        let tasks = vec![vec![task]];
        Ways { tasks, seen: HashSet::new(), effort, root: None, looked_at: 0, kept: 1 }
    }

    /// Tries first that these threads make their calls before that of the event takes effect.
    pub(super) fn put_sooner(&mut self, search: &mut Search<'_, '_>, sooner: &[ThreadId]) {
        let Some(root) = self.tasks.first().and_then(|tasks| tasks.first()) else { return };
        let mut here = None;
        let (mut looked_at, mut moves) = (0, Vec::new());
        for thread in sooner.iter().copied() {
            let from = here.as_ref().unwrap_or(&root.config);
            if !search.stepper.is_about_to_call(from, search.thread) {
                break;
            }
            if !search.stepper.is_about_to_call(from, thread) {
                continue;
            }
            search.stepper.moves_of(from, search.progress, thread, &mut moves);
            let chosen = moves.first().copied();
            let stepped = chosen.and_then(|m| search.stepper.step(from, m, search.progress).ok());
            if let Some((after, seen)) = stepped {
                looked_at |= seen;
                here = Some(after);
            }
        }
        if let Some(config) = here {
            self.put(0, Task { config, looked_at, what: Next::Own, is_root: false });
        }
    }

    /// How many states it keeps.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// The next way: the state that it leads to.
    pub(super) fn next(&mut self, search: &mut Search<'_, '_>) -> Option<Config> {
        while let Some((cost, task)) = self.take() {
            if matches!(task.what, Next::Own) && search.is_reached(&task.config) {
                self.looked_at |= task.looked_at;
                return Some(task.config);
            }
            if self.seen.len() > STATE_COUNT_MAX && !task.is_root {
                search.stepper.recycle(task.config);
                continue;
            }
            match task.what {
                Next::Own => self.go_on(search, cost, task),
                Next::Others => self.let_others(search, cost, task),
            }
        }
        None
    }

    fn take(&mut self) -> Option<(usize, Task)> {
        let (cost, tasks) = self.tasks.iter_mut().enumerate().find(|(_, t)| !t.is_empty())?;
        self.kept -= 1;
        tasks.pop().map(|task| (cost, task))
    }

    fn put(&mut self, cost: usize, task: Task) {
        if self.tasks.len() <= cost {
            self.tasks.resize_with(cost + 1, Vec::new);
        }
        self.kept += 1;
        self.tasks[cost].push(task);
    }

    /// A state that was not seen before is one to go on from.
    fn found(&mut self, search: &mut Search<'_, '_>, cost: usize, task: Task) {
        self.looked_at |= task.looked_at;
        if self.seen.insert(task.config.fingerprint()) {
            self.put(cost, task);
        } else {
            search.stepper.recycle(task.config);
        }
    }

    fn go_on(&mut self, search: &mut Search<'_, '_>, cost: usize, task: Task) {
        let Task { config, looked_at, is_root, .. } = task;
        let mut own: Vec<Move> = Vec::new();
        search.stepper.moves_of(&config, search.progress, search.thread, &mut own);
        // What comes first is tried first.
        for chosen in own.into_iter().rev() {
            let (after, seen) = match search.stepper.step(&config, chosen, search.progress) {
                Ok(stepped) => stepped,
                Err(seen) => {
                    self.looked_at |= seen;
                    continue;
                }
            };
            let looked_at = looked_at | seen;
            self.found(
                search,
                cost,
                Task { config: after, looked_at, what: Next::Own, is_root: false },
            );
        }
        self.put(cost + 1, Task { config, looked_at, what: Next::Others, is_root });
    }

    fn let_others(&mut self, search: &mut Search<'_, '_>, cost: usize, task: Task) {
        let Task { config, looked_at, is_root, .. } = task;
        let mut moves = Vec::new();
        search.stepper.moves(&config, search.progress, &mut moves);
        let own = match self.effort {
            Effort::Likely => search.own_steps(&config, &moves),
            Effort::Thorough => Vec::new(),
        };
        // The cost of the first of the steps has been paid.
        for chosen in moves.iter().copied() {
            if search.is_own(chosen) {
                continue;
            }
            let (after, seen, count) = match self.effort {
                Effort::Likely => match search.follow(&config, &own, chosen, &moves) {
                    Some(others) => {
                        let late = if others.is_alike { ALIKE_COST } else { 0 };
                        (others.after, others.looked_at, others.count + late)
                    }
                    None => continue,
                },
                Effort::Thorough => match search.stepper.step(&config, chosen, search.progress) {
                    Ok((after, seen)) => (after, seen, 1),
                    Err(_) => continue,
                },
            };
            let looked_at = looked_at | seen;
            let task = Task { config: after, looked_at, what: Next::Own, is_root: false };
            self.found(search, cost + count - 1, task);
        }
        for after in own.into_iter().filter_map(|own| own.after) {
            search.stepper.recycle(after);
        }
        if is_root {
            self.root = Some(config);
        } else {
            search.stepper.recycle(config);
        }
    }

    /// The state that the ways begin in, when none is left.
    pub(super) fn take_root(&mut self) -> Option<Config> {
        self.root.take()
    }

    /// Gives back what is kept.
    pub(super) fn recycle(self, stepper: &mut Stepper<'_>) {
        let left = self.tasks.into_iter().flatten().map(|task| task.config);
        left.chain(self.root).for_each(|config| stepper.recycle(config));
    }
}
