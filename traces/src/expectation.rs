//! What must come of a scenario, over the set of all outcomes of all schedules.

use crate::context::Context;
use crate::declare::{names, record, stands_alone};
use crate::error::Fault;
use crate::json::Node;
use crate::outcome::{End, Outcome};
use crate::pattern::Pattern;
use crate::read::Members;
use crate::reader::{OneOrList, Reader, one_or_list, read_one_or_list};
use schemars::{Schema, SchemaGenerator};
use std::fmt;

record! {
    /// What must come of a scenario. Each clause is a pattern or a list of patterns.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Expectations {
        /// Each of these matches every outcome.
        always: Vec<Pattern> = Vec::new() => Patterns,
        /// Each of these matches some outcome.
        sometimes: Vec<Pattern> = Vec::new() => Patterns,
        /// None of these matches any outcome.
        never: Vec<Pattern> = Vec::new() => Patterns,
        /// All outcomes: each matches one of these, and each of these matches one.
        exactly: Option<Vec<Pattern>> => Patterns,
        /// The invariants that the scenario is there to break: these are violated, and no others.
        violates: Vec<String> = Vec::new(),
    }
}

stands_alone!(Expectations);

struct Patterns;

impl Reader<Vec<Pattern>> for Patterns {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Vec<Pattern>, Fault> {
        read_one_or_list(node, cx)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        one_or_list::<Pattern>(generator)
    }

    fn write<M: Members>(map: &mut M, name: &str, value: &Vec<Pattern>) -> Result<(), M::Error> {
        map.member(name, &OneOrList(value))
    }
}

impl Reader<Option<Vec<Pattern>>> for Patterns {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Option<Vec<Pattern>>, Fault> {
        read_one_or_list(node, cx).map(Some)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        one_or_list::<Pattern>(generator)
    }
}

names! {
    /// A part of the expectations.
    pub enum Clause: "clause" {
        /// Every outcome matches.
        Always = "always",
        /// Some outcome matches.
        Sometimes = "sometimes",
        /// No outcome matches.
        Never = "never",
        /// The outcomes are these.
        Exactly = "exactly",
    }
}

/// One expectation that is not met; `Display` says it in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The clause.
    pub clause: Clause,
    /// The index of the pattern in its clause; none when an outcome is left over that no
    /// pattern of `exactly` matches.
    pub pattern: Option<usize>,
    /// The index of the first outcome that shows it; none when no outcome does.
    pub outcome: Option<usize>,
    /// How many outcomes show it.
    pub outcome_count: usize,
    /// Why, in plain words.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { clause, pattern, outcome, outcome_count, reason } = self;
        write!(f, "{clause}")?;
        if let Some(pattern) = pattern {
            write!(f, ", pattern {}", pattern + 1)?;
        }
        match (outcome, outcome_count) {
            (None, _) => write!(f, ": {reason}"),
            (Some(outcome), 0 | 1) => write!(f, ", outcome {}: {reason}", outcome + 1),
            (Some(outcome), count) => {
                write!(f, ", outcome {} (and {} more): {reason}", outcome + 1, count - 1)
            }
        }
    }
}

impl Expectations {
    /// Whether some pattern names the end `limit`.
    pub fn names_limit(&self) -> bool {
        let Expectations { always, sometimes, never, exactly, .. } = self;
        let patterns = [always, sometimes, never].into_iter().chain(exactly).flatten();
        patterns.into_iter().any(|pattern| pattern.end == Some(End::Limit))
    }

    /// What of it does not hold for the set of all outcomes, in the order of the clauses. Empty
    /// when everything holds.
    pub fn failures(&self, outcomes: &[Outcome]) -> Vec<Failure> {
        let Expectations { always, sometimes, never, exactly, .. } = self;
        let mut failures = Vec::new();
        let each = |patterns: &[Pattern], check: fn(&Pattern, &[Outcome]) -> Option<Failure>| {
            let checked = patterns.iter().enumerate().filter_map(|(index, pattern)| {
                let failure = check(pattern, outcomes)?;
                Some(Failure { pattern: Some(index), ..failure })
            });
            checked.collect::<Vec<_>>()
        };
        failures.extend(each(always, check_always));
        failures.extend(each(sometimes, |pattern, outcomes| {
            check_sometimes(Clause::Sometimes, pattern, outcomes)
        }));
        failures.extend(each(never, check_never));
        if let Some(exactly) = exactly {
            failures.extend(each(exactly, |pattern, outcomes| {
                check_sometimes(Clause::Exactly, pattern, outcomes)
            }));
            failures.extend(left_over(exactly, outcomes));
        }
        failures
    }

    /// Whether nothing is expected at all.
    pub fn is_empty(&self) -> bool {
        let Expectations { always, sometimes, never, exactly, violates } = self;
        always.is_empty()
            && sometimes.is_empty()
            && never.is_empty()
            && exactly.is_none()
            && violates.is_empty()
    }
}

fn check_always(pattern: &Pattern, outcomes: &[Outcome]) -> Option<Failure> {
    let mut failing = outcomes
        .iter()
        .enumerate()
        .filter_map(|(index, outcome)| Some((index, pattern.mismatch(outcome)?)));
    let (outcome, mismatch) = failing.next()?;
    Some(Failure {
        clause: Clause::Always,
        pattern: None,
        outcome: Some(outcome),
        outcome_count: 1 + failing.count(),
        reason: mismatch.to_string(),
    })
}

fn check_sometimes(clause: Clause, pattern: &Pattern, outcomes: &[Outcome]) -> Option<Failure> {
    if outcomes.iter().any(|outcome| pattern.matches(outcome)) {
        return None;
    }
    let reason = match outcomes {
        [] => "there is no outcome".to_owned(),
        [only] => {
            let mismatch = pattern.mismatch(only).map(|mismatch| mismatch.to_string());
            format!("the only outcome does not match: {}", mismatch.unwrap_or_default())
        }
        [first, ..] => {
            let mismatch = pattern.mismatch(first).map(|mismatch| mismatch.to_string());
            let count = outcomes.len();
            let mismatch = mismatch.unwrap_or_default();
            format!("none of the {count} outcomes matches; in outcome 1, {mismatch}")
        }
    };
    Some(Failure { clause, pattern: None, outcome: None, outcome_count: 0, reason })
}

fn check_never(pattern: &Pattern, outcomes: &[Outcome]) -> Option<Failure> {
    let mut matching = outcomes.iter().enumerate().filter(|(_, outcome)| pattern.matches(outcome));
    let (outcome, _) = matching.next()?;
    Some(Failure {
        clause: Clause::Never,
        pattern: None,
        outcome: Some(outcome),
        outcome_count: 1 + matching.count(),
        reason: "it matches".to_owned(),
    })
}

/// The outcomes that no pattern of `exactly` matches.
fn left_over(patterns: &[Pattern], outcomes: &[Outcome]) -> Vec<Failure> {
    let expected = |outcome: &Outcome| patterns.iter().any(|pattern| pattern.matches(outcome));
    let others = outcomes.iter().enumerate().filter(|(_, outcome)| !expected(outcome));
    let failure = |(index, outcome): (usize, &Outcome)| {
        let reason = match patterns {
            [only] => {
                let mismatch = only.mismatch(outcome).map(|mismatch| mismatch.to_string());
                mismatch.unwrap_or_default()
            }
            _ => format!("none of the {} patterns matches it", patterns.len()),
        };
        Failure {
            clause: Clause::Exactly,
            pattern: None,
            outcome: Some(index),
            outcome_count: 1,
            reason,
        }
    };
    others.map(failure).collect()
}

#[cfg(test)]
mod tests {
    use crate::scenario::Expectations;
    use crate::{read_outcome, read_scenario};

    /// Expectations about a world with two labels, a routine and an OVERLAPPED.
    fn expect(expectations: &str) -> Expectations {
        let text = format!(
            r#"{{"alertable":1,"kind":"scenario","routines":{{"A":[]}},"threads":{{"t":[
                {{"call":"NtTestAlert","as":"a"}},{{"call":"NtTestAlert","as":"b"}},
                {{"call":"HasOverlappedIoCompleted","overlapped":"ov"}}]}},
                "expect":{expectations}}}"#
        );
        read_scenario(&text, None).unwrap_or_else(|error| panic!("{error}")).expect.unwrap()
    }

    fn failures(expectations: &str, outcomes: &[&str]) -> Vec<String> {
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|outcome| {
                let text = format!(r#"{{"alertable":1,"kind":"outcome",{outcome}}}"#);
                read_outcome(&text, None).unwrap_or_else(|error| panic!("{error}"))
            })
            .collect();
        expect(expectations).failures(&outcomes).iter().map(ToString::to_string).collect()
    }

    const NONE: &str =
        r#""end":"finished","labels":{},"apcs":{},"blocked":[],"overlapped":{},"exits":{"t":0}"#;
    const SOME: &str = r#""end":"blocked","labels":{"a":[{"ret":"WAIT_TIMEOUT"}]},
        "apcs":{"t":[{"routine":"A","data":1}]},"blocked":["t"],
        "overlapped":{"ov":{"status":"STATUS_PENDING","bytes":0}},"exits":{}"#;

    #[test]
    fn always_names_the_first_outcome_that_does_not_match() {
        let always = r#"{"always":{"end":"finished"}}"#;
        assert!(failures(always, &[NONE, NONE]).is_empty());
        assert_eq!(
            failures(always, &[NONE, SOME, SOME]),
            ["always, pattern 1, outcome 2 (and 1 more): end is \"blocked\", not \"finished\""]
        );
    }

    #[test]
    fn sometimes_needs_one_and_never_needs_none() {
        let sometimes = r#"{"sometimes":[{"labels":{"a":0}},{"blocked":["t"]}]}"#;
        assert_eq!(
            failures(sometimes, &[SOME]),
            [
                "sometimes, pattern 1: the only outcome does not match: result of label \"a\": ret is \"WAIT_TIMEOUT\", not 0"
            ]
        );
        let never = r#"{"never":[{"end":"limit"},{"end":"blocked"}]}"#;
        assert_eq!(failures(never, &[NONE, SOME]), ["never, pattern 2, outcome 2: it matches"]);
    }

    #[test]
    fn exactly_leaves_nothing_over_on_either_side() {
        let exactly = r#"{"exactly":[{"end":"finished"},{"end":"blocked"}]}"#;
        assert!(failures(exactly, &[NONE, SOME]).is_empty());
        assert_eq!(
            failures(exactly, &[NONE]),
            [
                "exactly, pattern 2: the only outcome does not match: end is \"finished\", not \"blocked\""
            ]
        );
        let exactly = r#"{"exactly":[{"end":"limit"},{"end":"blocked"}]}"#;
        assert_eq!(
            failures(exactly, &[SOME, NONE]),
            [
                "exactly, pattern 1: none of the 2 outcomes matches; in outcome 1, end is \"blocked\", not \"limit\"",
                "exactly, outcome 2: none of the 2 patterns matches it",
            ]
        );
        let nothing = r#"{"exactly":[]}"#;
        assert_eq!(failures(nothing, &[NONE]).len(), 1);
    }

    #[test]
    fn an_empty_section_says_that_there_is_none() {
        let none = r#"{"always":[{"labels":{}},{"apcs":{}},{"overlapped":{}},{"blocked":[]}]}"#;
        assert!(failures(none, &[NONE]).is_empty());
        assert_eq!(
            failures(none, &[SOME]),
            [
                "always, pattern 1, outcome 1: label \"a\" has 1 result ({\"ret\":\"WAIT_TIMEOUT\"}), none was expected",
                "always, pattern 2, outcome 1: thread \"t\" has 1 routine ({\"routine\":\"A\",\"data\":1}), none was expected",
                "always, pattern 3, outcome 1: there is an OVERLAPPED \"ov\", none was expected",
                "always, pattern 4, outcome 1: thread \"t\" is blocked",
            ]
        );
        let exits = r#"{"always":{"exits":{}}}"#;
        assert!(failures(exits, &[SOME]).is_empty());
        assert_eq!(failures(exits, &[NONE]).len(), 1);
    }

    #[test]
    fn lists_match_in_full_and_in_order() {
        let two = r#"{"always":{"labels":{"a":["WAIT_TIMEOUT",0],"b":[]}}}"#;
        assert_eq!(
            failures(two, &[SOME]),
            [
                "always, pattern 1, outcome 1: label \"a\" has 1 result ({\"ret\":\"WAIT_TIMEOUT\"}), 2 were expected"
            ]
        );
        let open = r#"{"always":{"apcs":{"t":[{"routine":"A"}]},"overlapped":{"ov":{"bytes":0}}}}"#;
        assert!(failures(open, &[SOME]).is_empty());
        let order = r#"{"always":{"apcs":{"t":[{"data":2}]}}}"#;
        assert_eq!(
            failures(order, &[SOME]),
            ["always, pattern 1, outcome 1: routine of thread \"t\": data is 1, not 2"]
        );
    }

    #[test]
    fn a_pattern_may_say_that_it_is_an_outcome() {
        let whole = format!(r#"{{"always":{{"alertable":1,"kind":"outcome",{NONE}}}}}"#);
        assert!(failures(&whole, &[NONE]).is_empty());
        assert_eq!(failures(&whole, &[SOME]).len(), 1);
    }
}
