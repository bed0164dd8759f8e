//! What stands in the way of an outcome that no schedule comes to: the outcome that is nearest to
//! what was asked for, and the steps, with the rules that take effect in them, that make it
//! another.

use crate::exploration::Exploration;
use alertable_models::event::{Event, Observer, ThreadChange};
use alertable_models::ids::ThreadId;
use alertable_models::machine::{Model, Transition};
use alertable_models::outcome::{Recorder, outcome_of};
use alertable_models::rule::RuleId;
use alertable_traces::outcome::Outcome;
use alertable_traces::pattern::Pattern;

/// The outcome that has most of what a pattern asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NearestMiss {
    /// Its number among all.
    pub outcome: usize,
    /// How many of the pattern's parts it has: each label, each thread's routines, …
    pub matched_count: usize,
    /// How many parts there are.
    pub part_count: usize,
    /// A shortest schedule to it; no outcome that has as many parts has a shorter one.
    pub schedule: Vec<Transition>,
    /// The first part that comes out differently, in one sentence.
    pub mismatch: String,
    /// The steps in which it does: where it is decided, and where it can be seen. None if it is
    /// nothing that happens: something that was asked for is missing at the end.
    pub steps: Vec<RuledStep>,
}

/// A step of a schedule, with what it goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuledStep {
    /// Its place in the schedule, from 0.
    pub at: usize,
    /// The rules that take effect in it, in order.
    pub rules: Vec<RuleId>,
}

/// The outcome that has most of a pattern's parts, and among those has the shortest schedule; none
/// if every such outcome is one of schedules without an end, or too far away.
pub fn nearest_miss(
    model: &Model,
    exploration: &Exploration,
    pattern: &Pattern,
) -> Option<NearestMiss> {
    let parts = pattern.parts();
    let outcomes = &exploration.outcomes;
    let matched = |outcome: &Outcome| parts.iter().filter(|part| part.matches(outcome)).count();
    let matched_count = outcomes.iter().map(matched).max()?;
    let nearest: Vec<usize> =
        (0..outcomes.len()).filter(|at| matched(&outcomes[*at]) == matched_count).collect();
    let schedule = exploration.schedule_to_any(model, &nearest)?;
    let outcome = outcome_of(model, &schedule, false);
    let at = outcomes.iter().position(|other| *other == outcome)?;
    let story = Story::of(model, &schedule);
    let missed = parts.iter().filter(|part| !part.matches(&outcome));
    // What never happens comes after everything that does.
    let turn = |part: &Pattern| story.turn(part).unwrap_or(usize::MAX);
    let missed = missed.min_by_key(|part| turn(part))?;
    let steps = story.turn(missed).map(|told| story.steps(told, missed)).unwrap_or_default();
    let mismatch = missed.mismatch(&outcome).map(|mismatch| mismatch.to_string())?;
    let part_count = parts.len();
    Some(NearestMiss { outcome: at, matched_count, part_count, schedule, mismatch, steps })
}

/// What a schedule does, step by step.
struct Story<'a> {
    model: &'a Model,
    /// Of each step, what happens in it, by which rules, and what can be seen after it.
    steps: Vec<(Vec<Event>, Vec<RuleId>, Outcome)>,
}

/// Watches a step.
struct Watch<'a> {
    recorder: Recorder<'a>,
    events: Vec<Event>,
    rules: Vec<RuleId>,
}

impl Observer for Watch<'_> {
    fn event(&mut self, event: Event) {
        self.recorder.event(event);
        self.events.push(event);
    }

    fn rule(&mut self, rule: RuleId) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }
}

impl<'a> Story<'a> {
    fn of(model: &'a Model, schedule: &[Transition]) -> Self {
        let recorder = Recorder::new(&model.program);
        let mut watch = Watch { recorder, events: Vec::new(), rules: Vec::new() };
        let mut machine = model.initial();
        let steps = schedule.iter().map(|transition| {
            model.step(&mut machine, *transition, &mut watch);
            let seen = watch.recorder.outcome(&machine, false);
            (std::mem::take(&mut watch.events), std::mem::take(&mut watch.rules), seen)
        });
        let steps = steps.collect();
        Story { model, steps }
    }

    /// The step after which it is plain that the end will not have a part of a pattern: a result
    /// or a routine is another, or the rest has its last value.
    fn turn(&self, part: &Pattern) -> Option<usize> {
        let seen = |at: usize| &self.steps[at].2;
        if part.labels.is_some() || part.apcs.is_some() {
            return (0..self.steps.len()).find(|at| !can_become(part, seen(*at)));
        }
        let last = self.steps.len().checked_sub(1)?;
        let value = part.as_in(seen(last));
        (0..=last).rev().take_while(|at| part.as_in(seen(*at)) == value).last()
    }

    /// The steps that decide and tell what is seen after a step.
    fn steps(&self, told: usize, part: &Pattern) -> Vec<RuledStep> {
        let thread = self.steps[told].0.iter().find_map(|event| self.shown_by(event, part));
        let decided = thread.and_then(|thread| {
            let is_call = |event: &Event| match event {
                Event::Call { thread: other, .. } => *other == thread,
                _ => false,
            };
            let is_let_go = |event: &Event| match event {
                Event::Thread { thread: other, change: ThreadChange::Ready } => *other == thread,
                _ => false,
            };
            let call = (0..=told).rev().find(|at| self.steps[*at].0.iter().any(is_call))?;
            (call..told).rev().find(|at| self.steps[*at].0.iter().any(is_let_go))
        });
        let steps = decided.into_iter().chain([told]);
        steps.map(|at| RuledStep { at, rules: self.steps[at].1.clone() }).collect()
    }

    /// The thread that shows in an event what a part of a pattern is about.
    fn shown_by(&self, event: &Event, part: &Pattern) -> Option<ThreadId> {
        let program = &self.model.program;
        match event {
            Event::Return { thread, call, .. } => {
                let label = program.label(program.call(*call).label?);
                let labels = part.labels.as_ref()?;
                (labels.is_empty() || labels.contains_key(label)).then_some(*thread)
            }
            Event::ApcEntered { thread, .. } => {
                let name = program.thread_name(*thread);
                let apcs = part.apcs.as_ref()?;
                (apcs.is_empty() || apcs.contains_key(name)).then_some(*thread)
            }
            _ => None,
        }
    }
}

/// Whether lists that grow can still become what a part of a pattern says.
fn can_become(part: &Pattern, seen: &Outcome) -> bool {
    let mut begun = part.clone();
    let mut fits = true;
    for (name, wanted) in begun.labels.iter_mut().flatten() {
        let length = seen.labels.get(name).map_or(0, Vec::len);
        fits &= length <= wanted.len();
        wanted.truncate(length);
    }
    for (name, wanted) in begun.apcs.iter_mut().flatten() {
        let length = seen.apcs.get(name).map_or(0, Vec::len);
        fits &= length <= wanted.len();
        wanted.truncate(length);
    }
    fits && begun.matches(seen)
}
