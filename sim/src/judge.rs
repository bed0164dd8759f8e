//! Judging what a real system did: whether it is allowed, and by which deviation.

use alertable_models::deviation::{Deviation, Deviations, Dialect};
use alertable_traces::observation::Observation;
use alertable_traces::outcome::Outcome;

/// Whether an observation is allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// The dialect that was asked for allows it.
    Allowed,
    /// Only the dialect of the observed system does: a known difference.
    Difference {
        /// That dialect.
        dialect: &'static str,
        /// The deviations that explain it: one that suffices by itself, or several together.
        deviations: Vec<Deviation>,
    },
    /// No dialect does. How it disagrees with the outcome that it is nearest to.
    NotAllowed(String),
    /// The space could not be exhausted within the limits, and what was covered does not have
    /// it.
    Undecided,
}

/// The outcomes of a scenario under some deviations, and whether they are all.
pub trait OutcomeSource {
    /// The outcomes, and whether the space was exhausted.
    fn outcomes(&mut self, deviations: Deviations) -> (Vec<Outcome>, bool);
}

/// Judges an observation against the outcomes of its scenario under a dialect and, if that does
/// not allow it, under the dialect of the observed system.
pub fn judge(
    observation: &Observation,
    dialect: &Dialect,
    source: &mut impl OutcomeSource,
) -> Judgement {
    let allows = |outcomes: &[Outcome]| outcomes.iter().any(|o| observation.agrees_with(o));
    let (outcomes, complete) = source.outcomes(dialect.deviations);
    if allows(&outcomes) {
        return Judgement::Allowed;
    }
    let own = alertable_models::deviation::DIALECTS.iter().find(|dialect| {
        dialect.source.is_some_and(|(system, version)| {
            observation.source.system == system && observation.source.version == version
        })
    });
    if let Some(own) = own.filter(|own| own.name != dialect.name)
        && allows(&source.outcomes(own.deviations).0)
    {
        let mut suffices = |deviations| allows(&source.outcomes(deviations).0);
        let deviations = explaining(dialect.deviations, own.deviations, &mut suffices);
        return Judgement::Difference { dialect: own.name, deviations };
    }
    if !complete {
        return Judgement::Undecided;
    }
    Judgement::NotAllowed(nearest(observation, &outcomes))
}

/// The deviations of a dialect that it takes beside those of another: one that suffices by itself,
/// or some of which none can be left out.
fn explaining(
    base: Deviations,
    own: Deviations,
    suffices: &mut impl FnMut(Deviations) -> bool,
) -> Vec<Deviation> {
    let further = || own.iter().filter(move |deviation| !base.contains(*deviation));
    if let Some(alone) = further().find(|deviation| suffices(base.with(*deviation))) {
        return vec![alone];
    }
    let mut needed = own;
    for deviation in further() {
        let fewer = needed.without(deviation);
        if suffices(fewer) {
            needed = fewer;
        }
    }
    needed.iter().filter(|deviation| !base.contains(*deviation)).collect()
}

/// The disagreement with the outcome that ends alike, or with the first one.
fn nearest(observation: &Observation, outcomes: &[Outcome]) -> String {
    let disagreement = outcomes.iter().find_map(|outcome| observation.disagreement(outcome));
    match (disagreement, outcomes.len()) {
        (Some(mismatch), 1) => format!("the only outcome is another: {mismatch}"),
        (Some(mismatch), count) => format!("none of {count} outcomes; of the first, {mismatch}"),
        (None, _) => "the scenario has no outcome".to_owned(),
    }
}
