//! What `alertable check` says of an `api` trace.

use super::Status;
use super::output::{BAD, DIM, GOOD, NAME, UNSURE, say, styled, wrapped};
use alertable::api::{Judged, Report, TRIED_EVENT_COUNT_MAX, Verdict};
use alertable_models::deviation::Deviation;
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn status_of(judged: &Judged) -> Status {
    match &judged.verdict {
        _ if judged.difference.is_some() => Status::Good,
        Verdict::Explained { .. } => Status::Good,
        Verdict::Unexplained(_) => Status::Finding,
        Verdict::Undecided(_) => Status::Undecided,
    }
}

/// Under which word a summary counts it.
pub(super) fn count_word(judged: &Judged) -> &'static str {
    match &judged.verdict {
        _ if judged.difference.is_some() => "trace# explained by a deviation",
        Verdict::Explained { .. } => "trace# explained",
        Verdict::Unexplained(_) => "trace# not explained",
        Verdict::Undecided(_) => "trace# undecided",
    }
}

fn report_of(judged: &Judged) -> Option<&Report> {
    match &judged.verdict {
        Verdict::Explained { .. } => None,
        Verdict::Unexplained(report) | Verdict::Undecided(report) => Some(report),
    }
}

fn ids(deviations: &[Deviation]) -> Vec<&'static str> {
    deviations.iter().map(|deviation| deviation.entry().id).collect()
}

pub(super) fn json_of(file: &str, judged: &Judged) -> Value {
    let word = match &judged.verdict {
        _ if judged.difference.is_some() => "difference",
        Verdict::Explained { .. } => "explained",
        Verdict::Unexplained(_) => "not explained",
        Verdict::Undecided(_) => "undecided",
    };
    let mut json = json!({
        "file": file,
        "kind": "trace",
        "judgement": word,
        "events": judged.verdict.explained_count(),
    });
    if let Some((dialect, deviations)) = &judged.difference {
        json["dialect"] = json!(dialect);
        json["deviations"] = json!(ids(deviations));
    }
    if let Some(report) = report_of(judged) {
        json["line"] = json!(report.line);
        json["thread"] = json!(report.thread);
        json["event"] = json!(report.event);
        json["message"] = json!(report.message);
        json["allowed"] = report
            .allowed
            .iter()
            .map(|allowed| json!({ "event": allowed.text, "rules": allowed.rules }))
            .collect();
        json["state"] =
            report.state.iter().map(|(name, text)| json!({ "name": name, "is": text })).collect();
        json["explained_by"] = json!(ids(&judged.explained_by));
    }
    json
}

/// Prints what a reader has to know; of a single document, in any case.
pub(super) fn print(path: &Path, judged: &Judged, single: bool) {
    let file = path.display();
    if let Some((dialect, deviations)) = &judged.difference {
        let deviations = ids(deviations).join(", ");
        say!("{}  {file}: explained under {dialect} alone", styled(UNSURE, "difference"));
        say!("{}", wrapped(&deviations, 2));
    }
    match &judged.verdict {
        Verdict::Explained { event_count } if single => {
            say!("{}  {file}: {event_count} events", styled(GOOD, "explained"));
        }
        Verdict::Explained { .. } => {}
        Verdict::Unexplained(report) if judged.difference.is_none() => {
            say!("{}  {file}:{}", styled(BAD, "not explained"), report.line);
            print_report(report, judged);
        }
        Verdict::Unexplained(report) => print_event(report),
        Verdict::Undecided(report) => {
            let line = report.line;
            let word = styled(UNSURE, "undecided");
            say!("{word}  {file}:{line}: nothing that was tried explains it; not all was");
            print_report(report, judged);
        }
    }
}

/// The event, and what is wrong with it.
fn print_event(report: &Report) {
    let Report { explained_count, thread, event, message, .. } = report;
    say!("  {} {event}: {message}", styled(NAME, thread));
    say!("  {}", styled(DIM, format_args!("the {explained_count} events before are explained")));
}

fn print_report(report: &Report, judged: &Judged) {
    print_event(report);
    for allowed in &report.allowed {
        say!("  allowed: {} {}", report.thread, allowed.text);
        if !allowed.rules.is_empty() {
            say!("{}", styled(DIM, wrapped(&allowed.rules.join(", "), 4)));
        }
    }
    if report.allowed.iter().any(|allowed| !allowed.rules.is_empty()) {
        say!("  {}", styled(DIM, "(`alertable rules ID` says each rule)"));
    }
    say!("  where");
    for (name, text) in &report.state {
        say!("    {}: {text}", styled(NAME, name));
    }
    if !judged.explained_by.is_empty() {
        let ids = ids(&judged.explained_by).join(", ");
        say!("{}", wrapped(&format!("explained under each of: {ids}"), 2));
    } else if report.explained_count <= TRIED_EVENT_COUNT_MAX {
        say!("  no single deviation was found to explain it");
    }
}
