//! What an exploration found as scenarios of their own: as small as they get, each with an
//! expectation that says what was found, and with a shortest schedule that shows it.
//!
//! A smaller scenario is good if exploring it finds the same again: the same invariant broken, or
//! an outcome that has what was wrong with the first one. How much is explored for that is
//! bounded by numbers of states, so that the result is the same on every machine.

use crate::engine::Ending;
use crate::engine::explore::{Control, Limits, Visitor, explore};
use crate::exploration::{Exploration, FailedExpectation, Reduction, explore_model, outcome_key};
use crate::fuzz::shrink;
use crate::system::System;
use alertable_models::deviation::{DIALECTS, Deviations, dialect};
use alertable_models::future::Futures;
use alertable_models::invariant::{Invariant, Violation};
use alertable_models::machine::{Machine, Model, Settings, Time, Transition};
use alertable_models::outcome::outcome_of;
use alertable_models::program::compile;
use alertable_traces::expectation::{Clause, Expectations, Failure};
use alertable_traces::outcome::{End, Outcome};
use alertable_traces::pattern::Pattern;
use alertable_traces::scenario::{Scenario, TimeMode};
use std::collections::HashSet;
use std::sync::atomic::Ordering;

/// The most states that are explored of one smaller scenario.
const CANDIDATE_STATE_COUNT_MAX: u64 = 100_000;

/// The most states that are explored to make one scenario smaller.
const STATE_COUNT_MAX: u64 = 2_000_000;

/// A scenario with more outcomes says nothing of all of them.
const OUTCOME_COUNT_MAX: usize = 20;

/// Something found, as a scenario of its own.
#[derive(Debug)]
pub struct Keepsake {
    /// A name for it, of letters, digits and hyphens: the invariant that is broken, the clause that
    /// fails (`always-1`), the outcome (`outcome-1`).
    pub name: String,
    /// What was found, in one sentence.
    pub what: String,
    /// The scenario. By itself it is as it expects; departures from the rules that no dialect has
    /// cannot be said in it, and where there are such it expects what is right without them.
    pub scenario: Scenario,
    /// How it was found: the scenario's behaviour with all departures from the rules.
    pub model: Model,
    /// The departures that the scenario cannot say.
    pub unsaid: Deviations,
    /// A shortest schedule that shows it, with the fewest switches between threads; none if it
    /// never comes to rest, or is too far away.
    pub schedule: Option<Vec<Transition>>,
}

/// What is looked for in a smaller scenario.
enum Sight {
    /// An invariant is broken.
    Violation(&'static Invariant),
    /// An outcome matches.
    Outcome(Box<Pattern>),
}

/// What was found in a scenario, made small: each broken invariant, each failed expectation for
/// which an outcome is to blame, each of the first `outcome_count_max` outcomes.
pub fn keepsakes(
    scenario: &Scenario,
    model: &Model,
    exploration: &Exploration,
    outcome_count_max: usize,
    limits: &Limits,
    control: &Control,
) -> Vec<Keepsake> {
    let smith = Smith::new(scenario, model, limits, control);
    let title = &scenario.title;
    let mut kept = Vec::new();
    for finding in &exploration.findings {
        let id = finding.invariant.id;
        let what = format!("{id}: {}", finding.message);
        let sight = Sight::Violation(finding.invariant);
        kept.push(smith.keepsake(&sight, id.to_owned(), &format!("Breaks {id}: {title}"), what));
    }
    for failed in &exploration.failures {
        let FailedExpectation { message, failure: Some(failure), .. } = failed else { continue };
        let Some((name, pattern)) = scenario
            .expect
            .as_ref()
            .and_then(|expected| wrong_pattern(expected, failure, &exploration.outcomes))
        else {
            continue;
        };
        let title = format!("Not as expected ({name}): {title}");
        kept.push(smith.keepsake(
            &Sight::Outcome(Box::new(pattern)),
            name,
            &title,
            message.clone(),
        ));
    }
    for (at, outcome) in exploration.outcomes.iter().take(outcome_count_max).enumerate() {
        let number = at + 1;
        let sight = Sight::Outcome(Box::new(what_is_seen(outcome)));
        let what = format!("outcome {number} of {}", exploration.outcomes.len());
        let (name, title) = (format!("outcome-{number}"), format!("Outcome {number}: {title}"));
        kept.push(smith.keepsake(&sight, name, &title, what));
    }
    kept
}

/// A name for a failed expectation for which an outcome is to blame, and what is wrong with that.
fn wrong_pattern(
    expected: &Expectations,
    failure: &Failure,
    outcomes: &[Outcome],
) -> Option<(String, Pattern)> {
    let outcome = &outcomes[failure.outcome?];
    let number = failure.pattern.map(|at| at + 1);
    let pattern = |patterns: &[Pattern]| patterns.get(failure.pattern?).cloned();
    let mut wrong = Pattern::default();
    let mut add_what_differs = |pattern: &Pattern| {
        for part in pattern.parts().iter().filter(|part| !part.matches(outcome)) {
            wrong.add(part.as_in(outcome));
        }
    };
    let name = match failure.clause {
        Clause::Never => return Some((format!("never-{}", number?), pattern(&expected.never)?)),
        Clause::Sometimes => return None,
        Clause::Always => {
            add_what_differs(&pattern(&expected.always)?);
            format!("always-{}", number?)
        }
        Clause::Exactly => {
            expected.exactly.iter().flatten().for_each(add_what_differs);
            format!("exactly-outcome-{}", failure.outcome? + 1)
        }
    };
    // What differs is that something is not there, of which a pattern says nothing.
    let is_said = wrong != Pattern::default();
    Some((name, if is_said { wrong } else { what_is_seen(outcome) }))
}

/// All that can be seen of an outcome, without the threads that ended as usual.
fn what_is_seen(outcome: &Outcome) -> Pattern {
    let whole = Pattern::from(outcome);
    let exits = whole.exits.map(|mut exits| {
        exits.retain(|_, code| *code != 0);
        exits
    });
    Pattern { exits: exits.filter(|exits| !exits.is_empty()), ..whole }
}

/// Makes scenarios small.
struct Smith<'a> {
    /// The scenario without its expectations, behaving as the model does as far as it can say so.
    scenario: Scenario,
    /// The departures from the rules that it cannot say.
    unsaid: Deviations,
    limits: &'a Limits,
    control: &'a Control,
}

impl<'a> Smith<'a> {
    fn new(scenario: &Scenario, model: &Model, limits: &'a Limits, control: &'a Control) -> Self {
        let all = model.settings.deviations;
        let said = DIALECTS
            .iter()
            .filter(|dialect| dialect.deviations.iter().all(|deviation| all.contains(deviation)));
        let said = said.max_by_key(|dialect| dialect.deviations.iter().count());
        let unsaid = said.map_or(all, |said| said.deviations.iter().fold(all, Deviations::without));
        let mut scenario = Scenario {
            doc: None,
            rules: Vec::new(),
            dialect: said.map(|said| said.name.to_owned()).filter(|name| name != "windows"),
            expect: None,
            ..scenario.clone()
        };
        scenario.machine.time = (model.settings.time == Time::Free).then_some(TimeMode::Free);
        Smith { scenario, unsaid, limits, control }
    }

    fn keepsake(&self, sight: &Sight, name: String, title: &str, what: String) -> Keepsake {
        let expect = match sight {
            Sight::Violation(broken) => {
                Expectations { violates: vec![broken.id.to_owned()], ..Expectations::default() }
            }
            Sight::Outcome(pattern) => {
                Expectations { sometimes: vec![(**pattern).clone()], ..Expectations::default() }
            }
        };
        let scenario =
            Scenario { title: title.to_owned(), expect: Some(expect), ..self.scenario.clone() };
        let mut scenario = self.smallest(&scenario, sight);
        let model = model_of(&scenario, self.unsaid).expect("it was explored before");
        let exploration = self.explored(&model);
        let schedule = match sight {
            Sight::Violation(broken) => {
                let mut findings = exploration.findings.iter();
                findings.find(|f| f.invariant.id == broken.id).map(|f| f.schedule.clone())
            }
            Sight::Outcome(pattern) => {
                let outcomes = exploration.outcomes.iter().enumerate();
                let matching = outcomes.filter(|(_, outcome)| pattern.matches(outcome));
                let matching: Vec<usize> = matching.map(|(at, _)| at).collect();
                exploration.schedule_to_any(&model, &matching)
            }
        };
        scenario.expect = self.expectations(&scenario, &exploration);
        Keepsake { name, what, scenario, model, unsaid: self.unsaid, schedule }
    }

    /// The expectations with which the scenario by itself is as it should be.
    fn expectations(&self, scenario: &Scenario, found: &Exploration) -> Option<Expectations> {
        let violates = |exploration: &Exploration| {
            exploration.findings.iter().map(|finding| finding.invariant.id.to_owned()).collect()
        };
        if self.unsaid == Deviations::NONE {
            let pinned = scenario.expect.clone().unwrap_or_default();
            return Some(Expectations { violates: violates(found), ..pinned });
        }
        let right = self.explored(&model_of(scenario, Deviations::NONE)?);
        let is_told = right.coverage.stop.is_none() && right.outcomes.len() <= OUTCOME_COUNT_MAX;
        let exactly = is_told.then(|| right.outcomes.iter().map(Pattern::from).collect());
        let expected =
            Expectations { exactly, violates: violates(&right), ..Expectations::default() };
        (!expected.is_empty()).then_some(expected)
    }

    fn explored(&self, model: &Model) -> Exploration {
        explore_model(model, None, Reduction::Persistent, self.limits, self.control, None)
    }

    /// The smallest scenario found that shows the same.
    fn smallest(&self, scenario: &Scenario, sight: &Sight) -> Scenario {
        let mut states_left = STATE_COUNT_MAX;
        shrink(scenario, |smaller| {
            if states_left == 0 || self.control.interrupt.load(Ordering::Relaxed) {
                return false;
            }
            let Some(model) = model_of(smaller, self.unsaid) else { return false };
            let limits = Limits {
                state_count_max: CANDIDATE_STATE_COUNT_MAX.min(self.limits.state_count_max),
                worker_count: 1,
                ..*self.limits
            };
            let (shows, state_count) = shows(&model, sight, &limits);
            states_left = states_left.saturating_sub(state_count);
            shows
        })
    }
}

/// The model that a scenario and further departures from the rules describe.
fn model_of(scenario: &Scenario, further: Deviations) -> Option<Model> {
    let of_dialect = scenario.dialect.as_deref().map_or(Some(&DIALECTS[0]), dialect)?;
    let settings = Settings {
        deviations: further.iter().fold(of_dialect.deviations, Deviations::with),
        processors: scenario.machine.processors.unwrap_or(Settings::default().processors),
        time: match scenario.machine.time {
            Some(TimeMode::Free) => Time::Free,
            Some(TimeMode::Urgent) | None => Time::Urgent,
        },
    };
    Some(Model { program: compile(scenario).ok()?, settings })
}

/// Whether something shows within limits, and how many states were explored for the answer.
fn shows(model: &Model, sight: &Sight, limits: &Limits) -> (bool, u64) {
    if let Sight::Outcome(pattern) = sight
        && pattern.end == Some(End::Limit)
    {
        let control = Control::default();
        let found = explore_model(model, None, Reduction::None, limits, &control, None);
        let shows = found.outcomes.iter().any(|outcome| pattern.matches(outcome));
        return (shows, found.coverage.state_count);
    }
    let futures = if model.program.may_run_for_ever() {
        None
    } else {
        Futures::new(&model.program, model.settings.deviations)
    };
    let checked = matches!(sight, Sight::Violation(_));
    let system = System { model, checked, hits: None, futures: futures.as_ref(), symmetry: None };
    let control = Control::default();
    let seen = HashSet::new();
    let mut lookout = Lookout { model, sight, control: &control, seen, shows: false };
    let coverage = explore(&system, limits, &control, std::slice::from_mut(&mut lookout));
    (lookout.shows, coverage.state_count)
}

/// Looks for something, and ends the search when it is there.
struct Lookout<'a> {
    model: &'a Model,
    sight: &'a Sight,
    control: &'a Control,
    /// The keys of the outcomes that were looked at.
    seen: HashSet<u64>,
    shows: bool,
}

impl Lookout<'_> {
    fn look(&mut self, shows: bool) {
        if shows {
            self.shows = true;
            self.control.interrupt.store(true, Ordering::Relaxed);
        }
    }
}

impl Visitor<System<'_>> for Lookout<'_> {
    fn end(&mut self, state: &Machine, schedule: &[Transition], ending: Ending) {
        if let Sight::Outcome(pattern) = self.sight
            && self.seen.insert(outcome_key(state, ending))
        {
            let outcome = outcome_of(self.model, schedule, ending == Ending::StepLimit);
            self.look(pattern.matches(&outcome));
        }
    }

    fn violation(&mut self, violation: Violation, _: &[Transition]) {
        if let Sight::Violation(broken) = self.sight {
            self.look(violation.invariant.id == broken.id);
        }
    }
}
