//! Following a trace with the least that explains it, and going back where that fails.
//!
//! Each event is explained in the cheapest way that there is, and the ways that were not tried are
//! kept with it for a while. Where nothing explains an event, the latest event before it that had
//! to do with what was tried in vain is explained in another way, and the trace is followed again
//! from there: conflict-directed backjumping, as in P. Prosser, "Hybrid algorithms for the
//! constraint satisfaction problem" (1993). What has to do with each other is what looked at the
//! same slots of the state. States that led nowhere are remembered. What is further back than the
//! events that are kept is settled and forgotten.

use super::config::{Config, Stepper};
use super::progress::{Progress, Told};
use super::search::{Goal, Search};
use super::ways::{Effort, Ways};
use super::{End, Step};
use crate::engine::memo::SlotSet;
use alertable_models::machine::Transition;
use std::collections::{HashMap, VecDeque};

/// The most events that can be explained in another way.
const FRAME_COUNT_MAX: usize = 4_096;

/// The most memory that their states take, in bytes.
const FRAME_BYTES_MAX: usize = 128 << 20;

/// How often a state is kept from which everything can be tried again, in events.
const START_DISTANCE: u64 = 64;

/// How many of these states are kept.
const START_COUNT_MAX: usize = 4;

/// The most states that are remembered for having led nowhere.
const DEAD_COUNT_MAX: usize = 1 << 18;

/// The most steps that are made to explain one event when others have to be explained anew; and
/// that when anything may have happened.
const STEP_COUNTS_MAX: [(Effort, u64); 2] =
    [(Effort::Likely, 1_000_000), (Effort::Thorough, 4_000_000)];

/// An event that is explained.
struct Frame {
    step: Step,
    /// The ways to explain it that were not tried.
    ways: Ways,
    /// What its thread's trace had told before.
    told: Told,
    /// What led nowhere after it has to do with this.
    conflict: SlotSet,
}

/// A state that explained a trace up to some event.
struct Start {
    count: u64,
    config: Config,
    progress: Progress,
}

/// Follows a trace.
pub(super) struct Trail<'a> {
    pub(super) stepper: Stepper<'a>,
    /// A state that explains the events so far; none while it is looked for.
    config: Option<Config>,
    progress: Progress,
    frames: VecDeque<Frame>,
    starts: VecDeque<Start>,
    /// How many states the frames keep.
    kept: usize,
    /// The events that have to be explained again, the first one last.
    redo: Vec<Step>,
    /// What was tried from these states, after so many events, has failed; what that has to do
    /// with.
    dead: HashMap<(u64, u64), SlotSet>,
    /// How many events are explained.
    count: u64,
    /// Where the most events were explained and no more could be.
    furthest: Option<End>,
    /// The most steps that are made to explain one event.
    step_count_max: u64,
}

impl<'a> Trail<'a> {
    pub(super) fn new(stepper: Stepper<'a>, step_count_max: u64) -> Self {
        let model = stepper.model;
        Trail {
            config: Some(Config::first(model)),
            progress: Progress::new(model.program.thread_ids().count()),
            stepper,
            frames: VecDeque::new(),
            starts: VecDeque::new(),
            kept: 0,
            redo: Vec::new(),
            dead: HashMap::new(),
            count: 0,
            furthest: None,
            step_count_max,
        }
    }

    /// How many events are explained.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Where the most events were explained and no more could be.
    pub(super) fn into_end(self) -> (End, Stepper<'a>) {
        let end = self.furthest.expect("a trail ends where nothing was found");
        (end, self.stepper)
    }

    /// Explains one more event, and those before it anew if need be. False if no way to do so was
    /// found.
    pub(super) fn event(&mut self, step: Step) -> bool {
        self.redo.push(step);
        for (effort, step_count) in STEP_COUNTS_MAX {
            if effort == Effort::Thorough && !self.start_again() {
                return false;
            }
            let step_count = step_count.min(self.step_count_max);
            if self.forward(effort, self.stepper.step_count.saturating_add(step_count)) {
                return true;
            }
        }
        false
    }

    /// Explains what has to be explained.
    fn forward(&mut self, effort: Effort, limit: u64) -> bool {
        while let Some(step) = self.redo.pop() {
            if let Some(conflict) = self.explain(step, effort)
                && !self.go_back(conflict, effort, limit)
            {
                return false;
            }
        }
        true
    }

    /// Explains the next event with the least that does. If nothing does, what that has to do with.
    fn explain(&mut self, step: Step, effort: Effort) -> Option<SlotSet> {
        let config = self.config.take().expect("there is a state between two events");
        if !self.dead.is_empty()
            && let Some(conflict) = self.dead.get(&(self.count, config.fingerprint()))
        {
            self.redo.push(step);
            self.stepper.recycle(config);
            return Some(*conflict);
        }
        if self.count.is_multiple_of(START_DISTANCE) {
            self.keep_start(&config);
        }
        self.progress.advance(step.event.t);
        let mut ways = Ways::new(config, effort);
        let (thread, goal) = (step.thread, Goal::of(&step.event.what));
        let progress = &self.progress;
        let mut search = Search { stepper: &mut self.stepper, progress, thread, goal };
        if !step.sooner.is_empty() {
            ways.put_sooner(&mut search, &step.sooner);
        }
        if let Some(config) = ways.next(&mut search) {
            let told = self.progress.thread(thread).clone();
            self.push(Frame { step, ways, told, conflict: 0 }, config);
            return None;
        }
        let home = self.stepper.model.home(Transition::Run(thread));
        let mut conflict = ways.looked_at | 1 << home;
        if let Some(root) = ways.take_root() {
            conflict |= root.looked_at_by(thread);
            self.remember_dead(root.fingerprint(), conflict);
            self.note_furthest(&step, &root);
            self.stepper.recycle(root);
        }
        ways.recycle(&mut self.stepper);
        self.redo.push(step);
        Some(conflict)
    }

    fn keep_start(&mut self, config: &Config) {
        let Trail { starts, count, .. } = self;
        starts.retain(|start| start.count < *count);
        if starts.len() == START_COUNT_MAX
            && let Some(oldest) = starts.pop_front()
        {
            self.stepper.recycle(oldest.config);
        }
        let (config, progress) = (self.stepper.copy(config), self.progress.clone());
        self.starts.push_back(Start { count: self.count, config, progress });
    }

    /// Goes back to the oldest state that is kept, to try everything from there.
    fn start_again(&mut self) -> bool {
        let Some(start) = self.starts.front() else { return false };
        self.count -= self.frames.len() as u64;
        while let Some(frame) = self.frames.pop_back() {
            self.redo.push(frame.step);
            frame.ways.recycle(&mut self.stepper);
        }
        self.kept = 0;
        // What is before it stays as it is.
        let settled = start.count.saturating_sub(self.count) as usize;
        self.redo.truncate(self.redo.len().saturating_sub(settled));
        self.count = start.count;
        self.config = Some(self.stepper.copy(&start.config));
        self.progress = start.progress.clone();
        self.dead.clear();
        true
    }

    /// An event is explained by a state.
    fn push(&mut self, frame: Frame, config: Config) {
        let mut config = config;
        let Step { thread, event, next, .. } = &frame.step;
        config.tell(*thread);
        let bytes = config.machine.bytes();
        self.config = Some(config);
        self.progress.tell(*thread, event, next.as_ref());
        self.count += 1;
        self.kept += frame.ways.kept();
        self.frames.push_back(frame);
        while self.frames.len() > FRAME_COUNT_MAX
            || (self.kept.saturating_mul(bytes) > FRAME_BYTES_MAX && self.frames.len() > 1)
        {
            let Some(frame) = self.frames.pop_front() else { break };
            self.kept -= frame.ways.kept();
            frame.ways.recycle(&mut self.stepper);
        }
    }

    fn remember_dead(&mut self, digest: u64, conflict: SlotSet) {
        if self.dead.len() >= DEAD_COUNT_MAX {
            self.dead.clear();
        }
        self.dead.insert((self.count, digest), conflict);
    }

    fn note_furthest(&mut self, step: &Step, config: &Config) {
        if self.furthest.as_ref().is_none_or(|furthest| furthest.count < self.count) {
            let states = vec![self.stepper.copy(config)];
            let (step, progress) = (step.clone(), self.progress.clone());
            self.furthest = Some(End { count: self.count, step, states, progress });
        }
    }

    /// Goes back to an event that had to do with what was tried in vain and can be explained in
    /// another way.
    fn go_back(&mut self, conflict: SlotSet, effort: Effort, limit: u64) -> bool {
        let mut conflict = conflict;
        while self.stepper.step_count <= limit {
            let Some(mut frame) = self.frames.pop_back() else { return false };
            self.kept -= frame.ways.kept();
            self.count -= 1;
            self.progress.go_back(frame.step.thread, &frame.told, frame.step.event.t);
            let is_concerned = effort == Effort::Thorough
                || conflict & (frame.ways.looked_at | frame.conflict) != 0;
            if is_concerned {
                frame.conflict |= conflict;
                if let Some(config) = self.another(&mut frame) {
                    self.push(frame, config);
                    return true;
                }
                conflict = frame.conflict | frame.ways.looked_at;
                if let Some(root) = frame.ways.take_root() {
                    self.remember_dead(root.fingerprint(), conflict);
                    self.stepper.recycle(root);
                }
            }
            frame.ways.recycle(&mut self.stepper);
            self.redo.push(frame.step);
        }
        false
    }

    /// Another way to explain an event, if there is one that has not failed before.
    fn another(&mut self, frame: &mut Frame) -> Option<Config> {
        let Frame { step: Step { thread, event, .. }, ways, conflict, .. } = frame;
        let (thread, goal) = (*thread, Goal::of(&event.what));
        loop {
            let progress = &self.progress;
            let mut search = Search { stepper: &mut self.stepper, progress, thread, goal };
            let mut config = ways.next(&mut search)?;
            config.tell(thread);
            let Some(failed) = self.dead.get(&(self.count + 1, config.fingerprint())) else {
                return Some(config);
            };
            *conflict |= failed;
            self.stepper.recycle(config);
        }
    }
}
