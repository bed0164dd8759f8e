//! `alertable rules`.

use super::input::{self, BehaviourArguments};
use super::output::{self, BAD, DIM, GOOD, NAME, STRONG, say, styled, wrapped};
use super::{Failure, Status};
use alertable::engine::explore::{Control, Limits};
use alertable::exploration::{Reduction, explore_model};
use alertable::system::RuleHits;
use alertable_models::deviation::Deviation;
use alertable_models::invariant::{self, Invariant};
use alertable_models::rule::{self, Rule, RuleId, SOURCES, SUBJECTS, Standing};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A rule, a deviation or an invariant, by its name
    id: Option<String>,
    /// Which rules these scenarios, or folders of them, exercised
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "id")]
    coverage: Option<Vec<PathBuf>>,
    /// The rules that the machine does not follow, and why
    #[arg(long, conflicts_with_all = ["id", "coverage"])]
    missing: bool,
    /// The named changes of rules: other systems, options in doubt, mistakes
    #[arg(long, conflicts_with_all = ["id", "coverage", "missing"])]
    deviations: bool,
    /// What must hold of every step
    #[arg(long, conflicts_with_all = ["id", "coverage", "missing", "deviations"])]
    invariants: bool,
    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    if let Some(id) = &arguments.id {
        return one(id, arguments.json);
    }
    if let Some(paths) = &arguments.coverage {
        return coverage(paths, arguments.json);
    }
    if arguments.deviations {
        list_deviations(arguments.json);
    } else if arguments.invariants {
        list_invariants(arguments.json);
    } else {
        list_rules(arguments.missing, arguments.json);
    }
    Ok(Status::Good)
}

fn rule_json(rule: &Rule) -> serde_json::Value {
    let missing = match rule.standing {
        Standing::Modelled => None,
        Standing::Missing(reason) => Some(reason),
    };
    json!({
        "id": rule.id,
        "statement": rule.statement,
        "level": rule.level.name(),
        "observe": rule.observe,
        "sources": rule.sources,
        "confidence": rule.confidence.name(),
        "note": rule.note,
        "divergence": rule.divergence,
        "missing": missing,
    })
}

fn deviation_json(deviation: Deviation) -> serde_json::Value {
    let entry = deviation.entry();
    json!({
        "id": entry.id,
        "kind": entry.kind.name(),
        "statement": entry.statement,
        "rules": entry.rules.iter().map(|rule| rule.rule().id).collect::<Vec<_>>(),
    })
}

fn invariant_json(invariant: &Invariant) -> serde_json::Value {
    json!({
        "id": invariant.id,
        "statement": invariant.statement,
        "rules": invariant.rules.iter().map(|rule| rule.rule().id).collect::<Vec<_>>(),
    })
}

fn one(id: &str, json: bool) -> Result<Status, Failure> {
    let upper = id.to_uppercase();
    if let Some(place) = rule::find(&upper) {
        if json {
            output::print_json(&rule_json(place.rule()));
        } else {
            print_rule(place);
        }
    } else if let Some(deviation) = alertable_models::deviation::find(id) {
        if json {
            output::print_json(&deviation_json(deviation));
        } else {
            print_deviation(deviation);
        }
    } else if let Some(invariant) = invariant::all().find(|invariant| invariant.id == id) {
        if json {
            output::print_json(&invariant_json(invariant));
        } else {
            print_invariant(invariant);
        }
    } else {
        let names = rule::all().map(|(_, rule)| rule.id);
        let names = names
            .chain(Deviation::ALL.iter().map(|deviation| deviation.entry().id))
            .chain(invariant::all().map(|invariant| invariant.id));
        return Err(input::unknown("rule, deviation or invariant", id, names));
    }
    Ok(Status::Good)
}

fn print_rule(place: RuleId) {
    let rule = place.rule();
    say!("{}  {}", styled(STRONG, rule.id), styled(DIM, rule.level.name()));
    say!("{}", wrapped(rule.statement, 2));
    say!("");
    let confidence = match rule.note {
        "" => rule.confidence.name().to_owned(),
        note => format!("{} ({note})", rule.confidence.name()),
    };
    let deviations: Vec<&str> = Deviation::ALL
        .iter()
        .map(|deviation| deviation.entry())
        .filter(|entry| entry.rules.contains(&place))
        .map(|entry| entry.id)
        .collect();
    let invariants: Vec<&str> = invariant::all()
        .filter(|invariant| invariant.rules.contains(&place))
        .map(|invariant| invariant.id)
        .collect();
    let missing = match rule.standing {
        Standing::Modelled => "",
        Standing::Missing(reason) => reason,
    };
    for (name, text) in [
        ("see it", rule.observe),
        ("sources", rule.sources),
        ("how sure", &confidence),
        ("elsewhere", rule.divergence),
        ("changed by", &deviations.join(", ")),
        ("held by", &invariants.join(", ")),
        ("not modelled", missing),
    ] {
        if !text.is_empty() {
            let text = wrapped(text, 16);
            say!("  {}{}", styled(NAME, format_args!("{name:<14}")), &text[16..]);
        }
    }
    let names_source = |key: &str| {
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-');
        rule.sources.match_indices(key).any(|(at, _)| {
            is_edge(rule.sources[..at].chars().next_back())
                && is_edge(rule.sources[at + key.len()..].chars().next())
        })
    };
    let named: Vec<_> = SOURCES.iter().filter(|(key, _)| names_source(key)).collect();
    if !named.is_empty() {
        say!("");
    }
    for (key, meaning) in named {
        say!("  {}", styled(DIM, format_args!("{key:<14}{meaning}")));
    }
}

fn print_deviation(deviation: Deviation) {
    let entry = deviation.entry();
    let rules: Vec<&str> = entry.rules.iter().map(|rule| rule.rule().id).collect();
    let kind = styled(DIM, format_args!("{}, changes {}", entry.kind.name(), rules.join(", ")));
    say!("{}  {kind}", styled(STRONG, entry.id));
    say!("{}", wrapped(entry.statement, 2));
}

fn print_invariant(invariant: &Invariant) {
    let rules: Vec<&str> = invariant.rules.iter().map(|rule| rule.rule().id).collect();
    let from = styled(DIM, format_args!("from {}", rules.join(", ")));
    say!("{}  {from}", styled(STRONG, invariant.id));
    say!("{}", wrapped(invariant.statement, 2));
}

fn list_rules(missing: bool, json: bool) {
    let wanted = |rule: &Rule| !missing || rule.standing != Standing::Modelled;
    if json {
        let rules: Vec<_> =
            rule::all().filter(|(_, rule)| wanted(rule)).map(|(_, rule)| rule_json(rule)).collect();
        return output::print_json(&rules);
    }
    for subject in SUBJECTS {
        say!("{}", styled(STRONG, subject.title));
        if !missing {
            say!("{}", wrapped(subject.introduction, 2));
        }
        say!("");
        for rule in subject.rules.iter().filter(|rule| wanted(rule)) {
            let text = match rule.standing {
                Standing::Missing(reason) if missing => reason.to_owned(),
                Standing::Missing(_) => format!("{} (not modelled)", rule.statement),
                Standing::Modelled => rule.statement.to_owned(),
            };
            say!(
                "  {}{}",
                styled(NAME, format_args!("{:<10}", rule.id)),
                &wrapped(&text, 12)[12..]
            );
        }
        say!("");
    }
    let (all, modelled) = (rule::COUNT, modelled().count());
    say!("{modelled} of {all} rules are modelled; `alertable rules ID` shows one in full");
}

fn list_deviations(json: bool) {
    if json {
        let all: Vec<_> = Deviation::ALL.iter().map(|d| deviation_json(*d)).collect();
        return output::print_json(&all);
    }
    Deviation::ALL.iter().for_each(|deviation| print_deviation(*deviation));
}

fn list_invariants(json: bool) {
    if json {
        return output::print_json(&invariant::all().map(invariant_json).collect::<Vec<_>>());
    }
    invariant::all().for_each(print_invariant);
}

fn modelled() -> impl Iterator<Item = (RuleId, &'static Rule)> {
    rule::all().filter(|(_, rule)| rule.standing == Standing::Modelled)
}

/// Explores the scenarios and tells which rules took effect in some schedule.
fn coverage(paths: &[PathBuf], json: bool) -> Result<Status, Failure> {
    let hits = RuleHits::default();
    let control = Control::default();
    let behaviour = BehaviourArguments { time: None, dialect: None, deviations: Vec::new() };
    let mut scenario_count = 0;
    for path in super::check::scenario_files(paths)? {
        let scenario = input::read_scenario(&path)?;
        let model = input::model(&scenario, &path, &behaviour)?;
        explore_model(&model, None, Reduction::None, &Limits::default(), &control, Some(&hits));
        scenario_count += 1;
    }
    let (exercised, missed): (Vec<_>, Vec<_>) =
        modelled().partition(|(place, _)| hits.contains(*place));
    if json {
        let ids = |rules: &[(RuleId, &Rule)]| rules.iter().map(|(_, r)| r.id).collect::<Vec<_>>();
        output::print_json(&json!({
            "scenarios": scenario_count,
            "exercised": ids(&exercised),
            "missed": ids(&missed),
        }));
    } else {
        let (count, all) = (exercised.len(), exercised.len() + missed.len());
        let style = if missed.is_empty() { GOOD } else { BAD };
        let word = styled(style, format_args!("{count} of {all}"));
        say!("{word} modelled rules were exercised by {scenario_count} scenarios");
        for (_, rule) in &missed {
            say!(
                "  {}{}",
                styled(NAME, format_args!("{:<10}", rule.id)),
                &wrapped(rule.statement, 12)[12..]
            );
        }
    }
    Ok(if missed.is_empty() { Status::Good } else { Status::Finding })
}
