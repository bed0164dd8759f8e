//! What stands in the way of an outcome that no schedule comes to: the outcome that is nearest to
//! what was asked for, and the steps, with the rules that take effect in them, that make it
//! another.

use crate::engine::policy::Uniform;
use crate::engine::simulate::simulate;
use crate::exploration::Exploration;
use crate::system::{StepEvents, System};
use alertable_models::deviation::Deviation;
use alertable_models::event::{Event, Observer, ThreadChange};
use alertable_models::ids::ThreadId;
use alertable_models::machine::{Model, Settings, Transition};
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
    /// The rules that make a difference there, in order.
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

/// So many random schedules are looked at to see what rules do elsewhere, up to so many steps each.
const OTHERS: (u64, u32) = (64, 500);

/// What a schedule does, step by step.
struct Story<'a> {
    model: &'a Model,
    schedule: Vec<Transition>,
    steps: Vec<Told>,
}

/// What happens in a step.
struct Told {
    events: Vec<Event>,
    /// The rules that take effect, each with how many of the events come before that first.
    rules: Vec<(usize, RuleId)>,
    /// What can be seen after it.
    seen: Outcome,
}

/// Watches a step.
struct Watch<'a> {
    recorder: Recorder<'a>,
    events: Vec<Event>,
    rules: Vec<(usize, RuleId)>,
}

impl Observer for Watch<'_> {
    fn event(&mut self, event: Event) {
        self.recorder.event(event);
        self.events.push(event);
    }

    fn rule(&mut self, rule: RuleId) {
        if !self.rules.iter().any(|(_, known)| *known == rule) {
            self.rules.push((self.events.len(), rule));
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
            let (events, rules) =
                (std::mem::take(&mut watch.events), std::mem::take(&mut watch.rules));
            Told { events, rules, seen }
        });
        let steps = steps.collect();
        Story { model, schedule: schedule.to_vec(), steps }
    }

    /// Of random schedules, always the same.
    fn others(model: &'a Model) -> Vec<Self> {
        let system = System { model, checked: false, hits: None, futures: None, symmetry: None };
        let other = |seed| {
            let mut schedule = Vec::new();
            simulate(&system, &mut Uniform::new(seed), OTHERS.1, |enabled, pick, _: &_| {
                schedule.push(enabled[pick]);
            });
            Story::of(model, &schedule)
        };
        (0..OTHERS.0).map(other).collect()
    }

    /// What was seen before a step.
    fn seen_before(&self, at: usize) -> Option<&Outcome> {
        at.checked_sub(1).map(|before| &self.steps[before].seen)
    }

    /// The step after which it is plain that the end will not have a part of a pattern: a result
    /// or a routine is another, or the rest has its last value.
    fn turn(&self, part: &Pattern) -> Option<usize> {
        let seen = |at: usize| &self.steps[at].seen;
        if part.labels.is_some() || part.apcs.is_some() {
            return (0..self.steps.len()).find(|at| !can_become(part, seen(*at)));
        }
        let last = self.steps.len().checked_sub(1)?;
        if part.end.is_some() || part.blocked.is_some() {
            // Before the end, every thread could still go on.
            return Some(last);
        }
        let value = part.as_in(seen(last));
        (0..=last).rev().take_while(|at| part.as_in(seen(*at)) == value).last()
    }

    /// The steps that decide and tell what is seen after a step.
    fn steps(&self, told: usize, part: &Pattern) -> Vec<RuledStep> {
        let others = Story::others(self.model);
        let shows = self.steps[told].events.iter().position(|event| self.shows(event, part));
        let Some(event) = shows else {
            let ends = part.end.is_some() || part.blocked.is_some();
            let changes = |story: &Story<'_>, at: usize| {
                if ends {
                    return at + 1 == story.steps.len();
                }
                let before = story.seen_before(at).map(|seen| part.as_in(seen));
                before != Some(part.as_in(&story.steps[at].seen))
            };
            let rules = self.contrasted((told, usize::MAX), &others, changes);
            return vec![RuledStep { at: told, rules }];
        };
        let shown = self.steps[told].events[event];
        let decided = thread_of(&shown).and_then(|thread| self.let_go(thread, told));
        let decided = decided.map(|(at, event)| {
            let is_alike = |story: &Story<'_>, at: usize| {
                story.steps[at].events.iter().any(|event| ready(event).is_some())
            };
            let rules = self.contrasted((at, event), &others, is_alike);
            let happens = |event: &Event| ready(event) == thread_of(&shown);
            RuledStep { at, rules: self.confirmed(at, rules, happens) }
        });
        let is_alike = |story: &Story<'_>, at: usize| {
            story.steps[at].events.iter().any(|event| is_same(event, &shown))
        };
        let rules = self.contrasted((told, event), &others, is_alike);
        let happens =
            |event: &Event| thread_of(event) == thread_of(&shown) && is_same(event, &shown);
        let shows = RuledStep { at: told, rules: self.confirmed(told, rules, happens) };
        let steps: Vec<RuledStep> = decided.into_iter().chain([shows]).collect();
        // Where it is decided before, no rule need be left for the step that only shows it.
        if steps.iter().all(|step| step.rules.is_empty()) {
            return steps;
        }
        steps.into_iter().filter(|step| !step.rules.is_empty()).collect()
    }

    /// The step and the event that let a thread go on from the call that it is in at a step.
    fn let_go(&self, thread: ThreadId, told: usize) -> Option<(usize, usize)> {
        let is_call =
            |event: &Event| matches!(event, Event::Call { thread: other, .. } if *other == thread);
        let call = (0..=told).rev().find(|at| self.steps[*at].events.iter().any(is_call))?;
        let is_let_go = |event: &Event| ready(event) == Some(thread);
        (call..told)
            .rev()
            .find_map(|at| Some((at, self.steps[at].events.iter().position(is_let_go)?)))
    }

    /// The rules that take effect in a step before an event, and in no step that is not alike, here or
    /// in other schedules; if there is none, in fewer than half of those.
    fn contrasted(
        &self,
        (at, event): (usize, usize),
        others: &[Story<'_>],
        is_alike: impl Fn(&Story<'_>, usize) -> bool,
    ) -> Vec<RuleId> {
        let before = self.steps[at].rules.iter().filter(|(count, _)| *count <= event);
        // With how many of the other steps they take effect in.
        let mut rules: Vec<(RuleId, usize)> = before.map(|(_, rule)| (*rule, 0)).collect();
        let mut other_count = 0;
        for story in others.iter().chain([self]) {
            for at in (0..story.steps.len()).filter(|at| !is_alike(story, *at)) {
                let elsewhere = &story.steps[at].rules;
                other_count += 1;
                for (rule, count) in &mut rules {
                    *count += usize::from(elsewhere.iter().any(|(_, other)| other == rule));
                }
            }
        }
        let only_here = rules.iter().any(|(_, count)| *count == 0);
        rules.retain(|(_, count)| if only_here { *count == 0 } else { count * 2 < other_count });
        rules.into_iter().map(|(rule, _)| rule).collect()
    }

    /// Those of some rules without which an event does not happen in a step: under a deviation from
    /// them it does not. If none is found so, since not every rule has a deviation, all of them.
    fn confirmed(
        &self,
        at: usize,
        rules: Vec<RuleId>,
        happens: impl Fn(&Event) -> bool,
    ) -> Vec<RuleId> {
        let mut machine = self.model.initial();
        for transition in &self.schedule[..at] {
            self.model.step(&mut machine, *transition, &mut ());
        }
        let mut confirmed: Vec<RuleId> = Vec::new();
        for deviation in Deviation::ALL {
            let entry = deviation.entry();
            if !entry.rules.iter().any(|rule| rules.contains(rule)) {
                continue;
            }
            let deviations = self.model.settings.deviations.with(*deviation);
            let settings = Settings { deviations, ..self.model.settings };
            let model = Model { program: self.model.program.clone(), settings };
            let (mut machine, mut enabled) = (machine.clone(), Vec::new());
            model.enabled(&machine, &mut enabled);
            let mut events = StepEvents::default();
            if enabled.contains(&self.schedule[at]) {
                model.step(&mut machine, self.schedule[at], &mut events);
            }
            if !events.events.iter().any(&happens) {
                confirmed.extend(entry.rules);
            }
        }
        let is_confirmed = |rule: &RuleId| confirmed.contains(rule);
        if rules.iter().any(is_confirmed) {
            rules.into_iter().filter(is_confirmed).collect()
        } else {
            rules
        }
    }

    /// Whether an event shows what a part of a pattern is about.
    fn shows(&self, event: &Event, part: &Pattern) -> bool {
        let program = &self.model.program;
        match event {
            Event::Return { call, .. } => {
                let label = program.call(*call).label.map(|label| program.label(label));
                part.labels
                    .as_ref()
                    .zip(label)
                    .is_some_and(|(labels, label)| labels.is_empty() || labels.contains_key(label))
            }
            Event::ApcEntered { thread, .. } => part.apcs.as_ref().is_some_and(|apcs| {
                apcs.is_empty() || apcs.contains_key(program.thread_name(*thread))
            }),
            _ => false,
        }
    }
}

/// The thread whose result or routine an event shows.
fn thread_of(event: &Event) -> Option<ThreadId> {
    match event {
        Event::Return { thread, .. } | Event::ApcEntered { thread, .. } => Some(*thread),
        _ => None,
    }
}

/// The thread that is let go on in an event.
fn ready(event: &Event) -> Option<ThreadId> {
    match event {
        Event::Thread { thread, change: ThreadChange::Ready } => Some(*thread),
        _ => None,
    }
}

/// Whether two events show the same: the same result, or that a routine runs.
fn is_same(event: &Event, other: &Event) -> bool {
    match (event, other) {
        (Event::Return { result, .. }, Event::Return { result: other, .. }) => result == other,
        (Event::ApcEntered { .. }, Event::ApcEntered { .. }) => true,
        _ => false,
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
