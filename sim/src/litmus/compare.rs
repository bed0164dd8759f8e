//! What a real system was seen to do, beside what is allowed.

use crate::engine::explore::{Control, Limits};
use crate::exploration::{Reduction, explore_model};
use crate::judge::{Judgement, OutcomeSource, judge};
use alertable_models::deviation::{Deviation, Deviations, Dialect};
use alertable_models::machine::{Model, Settings, Time};
use alertable_models::program::compile;
use alertable_traces::observation::Observation;
use alertable_traces::outcome::Outcome;
use alertable_traces::scenario::{Scenario, TimeMode};
use std::collections::HashMap;

/// Observations of one scenario, equal ones counted together, the most frequent first.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    observations: Vec<Observation>,
}

impl Sightings {
    /// Counts one more.
    pub fn add(&mut self, observation: Observation) {
        let same = |known: &&mut Observation| known.outcome == observation.outcome;
        match self.observations.iter_mut().find(same) {
            Some(known) => known.count += observation.count,
            None => self.observations.push(observation),
        }
    }

    /// The different ones, the most frequent first.
    pub fn sorted(mut self) -> Vec<Observation> {
        self.observations.sort_by_key(|seen| std::cmp::Reverse(seen.count));
        self.observations
    }
}

/// Whether what was seen is allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judged {
    /// By the rules.
    Allowed,
    /// By the dialect of the system that was observed: the deviations that explain it.
    Difference(Vec<Deviation>),
    /// Only if time may pass while threads could run, as it does on a real machine: something
    /// was late. The deviations that it takes beside that.
    Late(Vec<Deviation>),
    /// By nothing. How it disagrees with the nearest outcome.
    NotAllowed(String),
    /// A limit was met before that was known.
    Undecided,
}

/// Observations beside the outcomes that are allowed.
#[derive(Debug)]
pub struct Comparison {
    /// What was seen, with its judgement and, where it is allowed, the numbers of the outcomes
    /// that agree with it.
    pub seen: Vec<(Observation, Judged, Vec<usize>)>,
    /// Every outcome that the rules allow.
    pub allowed: Vec<Outcome>,
    /// Whether these are all.
    pub complete: bool,
    /// How many rounds were left out, because something else than the scenario held threads up.
    pub held_up: u64,
}

impl Comparison {
    /// The outcomes that are allowed and were not seen.
    pub fn never_seen(&self) -> impl Iterator<Item = &Outcome> {
        let is_seen = |at: usize| self.seen.iter().any(|(.., agreeing)| agreeing.contains(&at));
        self.allowed.iter().enumerate().filter(move |(at, _)| !is_seen(*at)).map(|(_, o)| o)
    }

    /// Whether something was seen that nothing allows.
    pub fn has_contradiction(&self) -> bool {
        self.seen.iter().any(|(_, judged, _)| matches!(judged, Judged::NotAllowed(_)))
    }

    /// Whether a limit kept something from being judged.
    pub fn is_undecided(&self) -> bool {
        self.seen.iter().any(|(_, judged, _)| *judged == Judged::Undecided)
    }
}

/// Explores a scenario under any deviations, once each, in one way of passing time.
struct Explorer<'a> {
    scenario: &'a Scenario,
    limits: &'a Limits,
    control: &'a Control,
    time: Option<Time>,
    known: HashMap<Deviations, (Vec<Outcome>, bool)>,
}

impl OutcomeSource for Explorer<'_> {
    fn outcomes(&mut self, deviations: Deviations) -> (Vec<Outcome>, bool) {
        let (scenario, time) = (self.scenario, self.time);
        let explore = || {
            let Some(model) = model(scenario, deviations, time) else { return (Vec::new(), false) };
            let found =
                explore_model(&model, None, Reduction::Persistent, self.limits, self.control, None);
            (found.outcomes, found.coverage.stop.is_none())
        };
        self.known.entry(deviations).or_insert_with(explore).clone()
    }
}

fn model(scenario: &Scenario, deviations: Deviations, time: Option<Time>) -> Option<Model> {
    let usual = Settings::default();
    let of_scenario = match scenario.machine.time {
        Some(TimeMode::Free) => Time::Free,
        Some(TimeMode::Urgent) | None => Time::Urgent,
    };
    let settings = Settings {
        deviations,
        processors: scenario.machine.processors.unwrap_or(usual.processors),
        time: time.unwrap_or(of_scenario),
    };
    Some(Model { program: compile(scenario).ok()?, settings })
}

/// Whether all outcomes of a scenario can be found within the limits.
pub fn is_explorable(
    scenario: &Scenario,
    dialect: &Dialect,
    limits: &Limits,
    control: &Control,
) -> bool {
    let mut explorer = Explorer { scenario, limits, control, time: None, known: HashMap::new() };
    explorer.outcomes(dialect.deviations).1
}

/// Judges what was seen against every outcome of the scenario.
pub fn compare(
    scenario: &Scenario,
    seen: Vec<Observation>,
    dialect: &Dialect,
    limits: &Limits,
    control: &Control,
) -> Comparison {
    let explorer = |time| Explorer { scenario, limits, control, time, known: HashMap::new() };
    let (mut urgent, mut free) = (explorer(None), explorer(Some(Time::Free)));
    let (allowed, complete) = urgent.outcomes(dialect.deviations);
    let seen = seen
        .into_iter()
        .map(|observation| {
            let judged = judged(&observation, dialect, &mut urgent, &mut free);
            let agreeing =
                (0..allowed.len()).filter(|at| observation.agrees_with(&allowed[*at])).collect();
            (observation, judged, agreeing)
        })
        .collect();
    Comparison { seen, allowed, complete, held_up: 0 }
}

/// What the judge says; where time decides, with time that passes as it likes.
fn judged(
    observation: &Observation,
    dialect: &Dialect,
    urgent: &mut Explorer<'_>,
    free: &mut Explorer<'_>,
) -> Judged {
    match judge(observation, dialect, urgent) {
        Judgement::Allowed => Judged::Allowed,
        Judgement::Difference { deviations, .. } => Judged::Difference(deviations),
        Judgement::Undecided => Judged::Undecided,
        Judgement::NotAllowed(why) => match judge(observation, dialect, free) {
            Judgement::Allowed => Judged::Late(Vec::new()),
            Judgement::Difference { deviations, .. } => Judged::Late(deviations),
            Judgement::Undecided => Judged::Undecided,
            Judgement::NotAllowed(_) => Judged::NotAllowed(why),
        },
    }
}
