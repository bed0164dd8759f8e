//! Searching for the states that explain one more event.
//!
//! A state stands for all those that can be reached from it by steps that may still happen, so
//! nothing happens in a state before an event needs it: just-in-time linearization, as in
//! G. Lowe, "Testing for linearizability" (2017). To explain an event of a thread, the thread goes
//! on; whatever another one does first matters only if it makes a difference to what the thread
//! does, that is, if the two do not commute.

use super::config::{Actor, Config, Move, Output, Stepper};
use super::progress::Progress;
use crate::engine::memo::SlotSet;
use alertable_models::ids::ThreadId;
use alertable_models::program::Place;
use alertable_traces::call::Call;
use alertable_traces::outcome::{ApcEntry, CallResult};
use alertable_traces::trace::api::ApiEventKind;
use std::collections::{HashMap, HashSet};

/// How far what another actor does by itself is followed until it makes a difference.
const CHAIN_LENGTH_MAX: usize = 12;

/// The slot of what belongs to no thread or object.
const SYSTEM: SlotSet = 1;

/// The most states that one search looks at.
const STATE_COUNT_MAX: usize = 200_000;

/// What a state has to be for an event to be explained.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal<'e> {
    /// The thread is about to make this call.
    Call(&'e Call),
    /// This result has reached it.
    Return(&'e CallResult),
    /// It has entered this routine.
    Apc(&'e ApcEntry),
    /// It is at the end of a routine.
    RoutineEnd,
    /// It runs its own steps.
    Started,
    /// It is at the end of its own steps.
    Ending,
}

impl<'e> Goal<'e> {
    pub(super) fn of(what: &'e ApiEventKind) -> Self {
        match what {
            ApiEventKind::Call(call) => Goal::Call(call),
            ApiEventKind::Return(result) => Goal::Return(result),
            ApiEventKind::Apc(entry) => Goal::Apc(entry),
            ApiEventKind::ApcReturn => Goal::RoutineEnd,
            ApiEventKind::Started => Goal::Started,
            ApiEventKind::Ending => Goal::Ending,
        }
    }
}

/// What a search has found.
pub(super) struct Found {
    /// The states that explain the event.
    pub(super) states: Vec<Config>,
    /// All of them are reachable from these: nothing was left out.
    pub(super) is_complete: bool,
}

/// Explains an event of a thread.
pub(super) struct Search<'s, 'a> {
    pub(super) stepper: &'s mut Stepper<'a>,
    pub(super) progress: &'s Progress,
    pub(super) thread: ThreadId,
    pub(super) goal: Goal<'s>,
}

/// A step of the thread itself.
pub(super) struct Own {
    chosen: Move,
    /// None if the trace tells something else than it leads to.
    pub(super) after: Option<Config>,
    pub(super) looked_at: SlotSet,
}

/// Where what others did has come to make a difference to a thread.
pub(super) struct Others {
    pub(super) after: Config,
    pub(super) looked_at: SlotSet,
    /// How many steps there were.
    pub(super) count: usize,
    /// They alone make no difference, but with what still others do they may: of two packets that
    /// are alike it is all the same who takes the first, but not who takes the third.
    pub(super) is_alike: bool,
}

impl Search<'_, '_> {
    /// Whether a state is as the goal wants it.
    pub(super) fn is_reached(&self, config: &Config) -> bool {
        let model = self.stepper.model;
        let place = model.place(&config.machine, self.thread);
        let output = config.output(self.thread);
        let depth = config.machine.program().frames(self.thread).len().saturating_sub(1);
        let level = self.progress.thread(self.thread).routine_count();
        let is_away = matches!(place, Place::Away | Place::Ended);
        match (self.goal, output) {
            (Goal::Return(wanted), Some(output @ Output::Return { .. })) => {
                let program = &model.program;
                !is_away && output.result(program).is_some_and(|result| wanted.matches(&result))
            }
            (Goal::Apc(wanted), Some(output @ Output::Apc { .. })) => {
                let program = &model.program;
                !is_away && output.entry(program).is_some_and(|entry| wanted.matches(&entry))
            }
            (_, Some(_)) | (Goal::Return(_) | Goal::Apc(_), None) => false,
            (Goal::Call(wanted), None) => match place {
                Place::Call(call) => depth == level && model.program.call(call).source == *wanted,
                _ => false,
            },
            (Goal::RoutineEnd, None) => place == Place::RoutineEnd && depth == level,
            (Goal::Started, None) => !is_away && depth == 0,
            (Goal::Ending, None) => place == Place::ThreadEnd && depth == level,
        }
    }

    pub(super) fn is_own(&self, chosen: Move) -> bool {
        chosen.actor() == Actor::Thread(self.thread)
    }

    pub(super) fn own_steps(&mut self, config: &Config, moves: &[Move]) -> Vec<Own> {
        let own: Vec<Move> = moves.iter().copied().filter(|chosen| self.is_own(*chosen)).collect();
        let step = |chosen| match self.stepper.step(config, chosen, self.progress) {
            Ok((after, looked_at)) => Own { chosen, after: Some(after), looked_at },
            Err(looked_at) => Own { chosen, after: None, looked_at },
        };
        own.into_iter().map(step).collect()
    }

    /// Follows what another actor does until it makes a difference to the thread; the state in
    /// which it does.
    pub(super) fn follow(
        &mut self,
        config: &Config,
        own: &[Own],
        first: Move,
        before: &[Move],
    ) -> Option<Others> {
        let mut path = vec![first];
        let first_step = self.stepper.step(config, first, self.progress);
        let (mut here, mut looked_at) = first_step.ok()?;
        let mut moves = Vec::new();
        loop {
            self.stepper.moves(&here, self.progress, &mut moves);
            let matters = if own.is_empty() {
                moves.iter().any(|chosen| self.is_own(*chosen))
            } else {
                own.iter().any(|own| {
                    own.looked_at & looked_at != 0 && !self.commutes(own, &path, &here, &moves)
                })
            };
            if matters {
                let count = path.len();
                return Some(Others { after: here, looked_at, count, is_alike: false });
            }
            let is_next = |chosen: &&Move| {
                !self.is_own(**chosen)
                    && (chosen.actor() == first.actor() || !before.contains(chosen))
            };
            let next = moves.iter().find(is_next).copied();
            let next = next.filter(|_| path.len() < CHAIN_LENGTH_MAX);
            let stepped = next.and_then(|next| {
                let stepped = self.stepper.step(&here, next, self.progress).ok()?;
                path.push(next);
                Some(stepped)
            });
            let Some((after, seen)) = stepped else {
                if own.iter().any(|own| own.looked_at & looked_at & !SYSTEM != 0) {
                    let count = path.len();
                    return Some(Others { after: here, looked_at, count, is_alike: true });
                }
                self.stepper.recycle(here);
                return None;
            };
            self.stepper.recycle(std::mem::replace(&mut here, after));
            looked_at |= seen;
        }
    }

    /// Whether it is the same whether the thread's step comes before others or after them.
    fn commutes(&mut self, own: &Own, path: &[Move], here: &Config, moves: &[Move]) -> bool {
        let (true, Some(own_after)) = (moves.contains(&own.chosen), &own.after) else {
            return false;
        };
        let Ok((one, _)) = self.stepper.step(here, own.chosen, self.progress) else {
            return false;
        };
        let mut possible = Vec::new();
        let mut other = self.stepper.copy(own_after);
        for chosen in path {
            self.stepper.moves(&other, self.progress, &mut possible);
            if !possible.contains(chosen) {
                return false;
            }
            let Ok((after, _)) = self.stepper.step(&other, *chosen, self.progress) else {
                return false;
            };
            self.stepper.recycle(std::mem::replace(&mut other, after));
        }
        let same = one.fingerprint() == other.fingerprint();
        self.stepper.recycle(one);
        self.stepper.recycle(other);
        same
    }

    /// Tries everything that can happen. `on_state` is told of each state and what is possible
    /// in it.
    pub(super) fn full(
        &mut self,
        from: &[Config],
        step_count_max: u64,
        mut on_state: impl FnMut(&Config, &[Move]),
    ) -> Found {
        let mut found = Found { states: Vec::new(), is_complete: true };
        let mut seen = HashSet::new();
        let mut queue = std::collections::VecDeque::new();
        for config in from {
            if seen.insert(config.fingerprint()) {
                queue.push_back(self.stepper.copy(config));
            }
        }
        let mut moves = Vec::new();
        while let Some(config) = queue.pop_front() {
            if self.is_reached(&config) {
                found.states.push(config);
                continue;
            }
            if seen.len() > STATE_COUNT_MAX || self.stepper.step_count > step_count_max {
                found.is_complete = false;
                break;
            }
            self.stepper.moves(&config, self.progress, &mut moves);
            on_state(&config, &moves);
            for chosen in &moves {
                let Ok((after, _)) = self.stepper.step(&config, *chosen, self.progress) else {
                    continue;
                };
                if seen.insert(after.fingerprint()) {
                    queue.push_back(after);
                } else {
                    self.stepper.recycle(after);
                }
            }
            self.stepper.recycle(config);
        }
        found
    }
}

/// Leaves out the states that can be reached from others of them.
pub(super) fn without_reachable(
    stepper: &mut Stepper<'_>,
    progress: &Progress,
    states: Vec<Config>,
) -> Vec<Config> {
    if states.len() < 2 {
        return states;
    }
    let mut places = HashMap::new();
    let mut kept: Vec<Option<Config>> = Vec::new();
    for state in states {
        let digest = state.fingerprint();
        if let std::collections::hash_map::Entry::Vacant(entry) = places.entry(digest) {
            entry.insert(kept.len());
            kept.push(Some(state));
        } else {
            stepper.recycle(state);
        }
    }
    let mut is_reachable = vec![false; kept.len()];
    let mut moves = Vec::new();
    for root in 0..kept.len() {
        if is_reachable[root] {
            continue;
        }
        let mut passed = vec![false; kept.len()];
        let mut stack = vec![root];
        while let Some(at) = stack.pop() {
            let Some(state) = &kept[at] else { continue };
            stepper.moves(state, progress, &mut moves);
            for chosen in &moves {
                let Ok((after, _)) = stepper.step(state, *chosen, progress) else { continue };
                let place = places.get(&after.fingerprint()).copied();
                stepper.recycle(after);
                if let Some(place) = place.filter(|place| *place != root && !passed[*place]) {
                    passed[place] = true;
                    // What was found reachable before has been gone on from before.
                    if !std::mem::replace(&mut is_reachable[place], true) {
                        stack.push(place);
                    }
                }
            }
        }
    }
    let states = kept.into_iter().zip(is_reachable);
    states.filter_map(|(state, is_reachable)| state.filter(|_| !is_reachable)).collect()
}
