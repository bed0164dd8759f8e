//! What `alertable explore --witness` says: a schedule to an outcome that matches a pattern, or what
//! keeps every outcome from matching.

use super::Status;
use super::explore::print_schedule;
use super::output::{self, BAD, GOOD, STRONG, say, styled, wrapped};
use alertable::describe::{picks, schedule_names, transition_name};
use alertable::exploration::Exploration;
use alertable::nearest::{NearestMiss, RuledStep, nearest_miss};
use alertable_models::machine::{Model, Transition};
use alertable_models::rule::Rule;
use alertable_traces::expectation::Expectations;
use alertable_traces::pattern::Pattern;
use serde_json::{Value, json};
use std::path::Path;

/// What there is to say about outcomes that match a pattern.
pub(super) enum Witness {
    /// The number of one, and a shortest schedule to it; none if the space is too large to search
    /// for that.
    Found(usize, Option<Vec<Transition>>),
    /// None matches; why not, and the one that comes nearest.
    None(String, Option<NearestMiss>),
}

/// Reads a pattern.
pub(super) fn pattern(text: &str) -> Result<Box<Pattern>, String> {
    alertable_traces::read_pattern(text).map(Box::new).map_err(|error| error.to_string())
}

impl Witness {
    pub(super) fn of(model: &Model, exploration: &Exploration, pattern: &Pattern) -> Self {
        let outcomes = &exploration.outcomes;
        if let Some(outcome) = outcomes.iter().position(|outcome| pattern.matches(outcome)) {
            return Witness::Found(outcome, exploration.schedule_to(model, outcome));
        }
        let sometimes =
            Expectations { sometimes: vec![pattern.clone()], ..Expectations::default() };
        let failure = sometimes.failures(outcomes).into_iter().next();
        let reason = failure.map(|failure| failure.reason).unwrap_or_default();
        Witness::None(reason, nearest_miss(model, exploration, pattern))
    }

    pub(super) fn status(&self, exploration: &Exploration) -> Status {
        match (self, exploration.coverage.stop) {
            (Witness::Found(..), _) => Status::Good,
            (Witness::None(..), None) => Status::Finding,
            // One may be among what was not looked at.
            (Witness::None(..), Some(_)) => Status::Undecided,
        }
    }

    pub(super) fn print(&self, path: &Path, model: &Model, exploration: &Exploration) {
        match self {
            Witness::Found(outcome, schedule) => {
                let count = exploration.outcomes.len();
                let text = format!("outcome {} of {count} matches", outcome + 1);
                say!("  {}", styled(GOOD, text));
                match schedule {
                    Some(schedule) => print_schedule(path, model, schedule),
                    None => {
                        say!(
                            "    no shortest schedule: it never comes to rest, or is too far away"
                        );
                    }
                }
            }
            Witness::None(reason, None) => say!("{}", styled(BAD, wrapped(reason, 2))),
            Witness::None(_, Some(nearest)) => print_nearest(path, model, exploration, nearest),
        }
    }

    pub(super) fn json(&self, model: &Model) -> Value {
        match self {
            Witness::Found(outcome, schedule) => json!({
                "outcome": outcome,
                "schedule": schedule.as_ref().map(|s| schedule_names(&model.program, s)),
                "picks": schedule.as_ref().map(|schedule| picks(model, schedule)),
            }),
            Witness::None(reason, nearest) => json!({
                "outcome": null,
                "reason": reason,
                "nearest": nearest.as_ref().map(|nearest| nearest_json(model, nearest)),
            }),
        }
    }
}

/// The outcome that is nearest to what was asked for, and what makes it another.
fn print_nearest(path: &Path, model: &Model, exploration: &Exploration, nearest: &NearestMiss) {
    let so_far = if exploration.coverage.stop.is_some() { " found so far" } else { "" };
    let none = match exploration.outcomes.len() {
        1 => format!("the only outcome{so_far} does not match"),
        count => format!("none of the {count} outcomes{so_far} matches"),
    };
    let number = nearest.outcome + 1;
    let has = match (nearest.matched_count, nearest.part_count) {
        (_, 1) => String::new(),
        (matched, all) => format!("; outcome {number} has {matched} of {all} parts"),
    };
    say!("  {}", styled(BAD, none + &has));
    print_schedule(path, model, &nearest.schedule);
    say!("{}", wrapped(&format!("in outcome {number}, {}", nearest.mismatch), 4));
    if nearest.steps.is_empty() {
        say!("    no step is in the way: nothing can happen any more, and it has not happened");
    }
    for RuledStep { at, rules } in &nearest.steps {
        let name = transition_name(&model.program, nearest.schedule[*at]);
        say!("    step {}, {}, goes by", at + 1, styled(STRONG, name));
        rules.iter().for_each(|rule| print_rule(rule.rule()));
    }
}

/// A rule on one line; `alertable rules` tells the rest.
fn print_rule(rule: &Rule) {
    let room = output::width().saturating_sub(8 + rule.id.chars().count()).max(20);
    let is_long = rule.statement.chars().count() > room;
    let shown: String =
        rule.statement.chars().take(if is_long { room - 1 } else { room }).collect();
    let end = if is_long { "…" } else { "" };
    say!("      {}  {}{end}", rule.id, shown.trim_end());
}

fn nearest_json(model: &Model, nearest: &NearestMiss) -> Value {
    let names = schedule_names(&model.program, &nearest.schedule);
    let steps = nearest.steps.iter().map(|RuledStep { at, rules }| {
        let rules: Vec<&str> = rules.iter().map(|rule| rule.rule().id).collect();
        json!({ "step": at + 1, "transition": names[*at], "rules": rules })
    });
    json!({
        "outcome": nearest.outcome,
        "matched": nearest.matched_count,
        "parts": nearest.part_count,
        "mismatch": nearest.mismatch,
        "steps": steps.collect::<Vec<_>>(),
        "schedule": names,
        "picks": picks(model, &nearest.schedule),
    })
}
