//! Patterns taken apart, and patterns of what an outcome has.

use crate::outcome::Outcome;
use crate::pattern::{Pattern, StatusPattern};
use indexmap::IndexMap;
use std::collections::BTreeMap;

impl Pattern {
    /// The pattern's parts, each about one thing: the end, one label, one thread's routines, the
    /// blocked threads, one OVERLAPPED, one exit code. An outcome matches the pattern if it
    /// matches all of them.
    pub fn parts(&self) -> Vec<Pattern> {
        let Pattern { end, labels, apcs, blocked, overlapped, exits } = self;
        let none = Pattern::default;
        let mut parts = Vec::new();
        parts.extend(end.map(|end| Pattern { end: Some(end), ..none() }));
        parts.extend(each(labels.as_ref(), |labels| Pattern { labels, ..none() }));
        parts.extend(each(apcs.as_ref(), |apcs| Pattern { apcs, ..none() }));
        parts.extend(blocked.clone().map(|blocked| Pattern { blocked: Some(blocked), ..none() }));
        parts.extend(each(overlapped.as_ref(), |overlapped| Pattern { overlapped, ..none() }));
        parts.extend(each(exits.as_ref(), |exits| Pattern { exits, ..none() }));
        parts
    }

    /// What an outcome has where the pattern speaks: a pattern of the same things that it matches.
    /// Of a thread that has not ended, this is that it is blocked; of a block that was never
    /// written there is nothing to say.
    #[must_use = "the pattern itself does not change"]
    pub fn as_in(&self, outcome: &Outcome) -> Pattern {
        let Pattern { end, labels, apcs, blocked, overlapped, exits } = self;
        let whole = Pattern::from(outcome);
        let is_alive = |thread: &String| !outcome.exits.contains_key(thread);
        let tells_blocked =
            blocked.is_some() || exits.as_ref().is_some_and(|exits| exits.keys().any(is_alive));
        Pattern {
            end: end.and(whole.end),
            labels: labels.as_ref().map(|wanted| lists(wanted, whole.labels.as_ref())),
            apcs: apcs.as_ref().map(|wanted| lists(wanted, whole.apcs.as_ref())),
            blocked: if tells_blocked { whole.blocked } else { None },
            overlapped: picked(overlapped.as_ref(), whole.overlapped),
            exits: picked(exits.as_ref(), whole.exits),
        }
    }

    /// Adds what another pattern says about other things.
    pub fn add(&mut self, other: Pattern) {
        fn merge<T>(all: &mut Option<IndexMap<String, T>>, more: Option<IndexMap<String, T>>) {
            match (all, more) {
                (Some(all), Some(more)) => all.extend(more),
                (all @ None, more) => *all = more,
                (Some(_), None) => {}
            }
        }
        let Pattern { end, labels, apcs, blocked, overlapped, exits } = other;
        self.end = self.end.or(end);
        merge(&mut self.labels, labels);
        merge(&mut self.apcs, apcs);
        if self.blocked.is_none() {
            self.blocked = blocked;
        }
        merge(&mut self.overlapped, overlapped);
        merge(&mut self.exits, exits);
    }
}

/// Everything that an outcome has.
impl From<&Outcome> for Pattern {
    fn from(outcome: &Outcome) -> Self {
        let Outcome { end, labels, apcs, blocked, overlapped, exits } = outcome.clone();
        Pattern {
            end: Some(end),
            labels: Some(converted(labels, |list| list.into_iter().map(Into::into).collect())),
            apcs: Some(converted(apcs, |list| list.into_iter().map(Into::into).collect())),
            blocked: Some(blocked),
            overlapped: Some(converted(overlapped, StatusPattern::from)),
            exits: Some(converted(exits, |code| code)),
        }
    }
}

fn converted<T, U>(map: BTreeMap<String, T>, convert: impl Fn(T) -> U) -> IndexMap<String, U> {
    map.into_iter().map(|(name, value)| (name, convert(value))).collect()
}

/// Patterns of a section's members, one each; a section without members is itself a part.
fn each<T: Clone>(
    section: Option<&IndexMap<String, T>>,
    part: impl Fn(Option<IndexMap<String, T>>) -> Pattern,
) -> Vec<Pattern> {
    match section {
        None => Vec::new(),
        Some(section) if section.is_empty() => vec![part(Some(IndexMap::new()))],
        Some(section) => section
            .iter()
            .map(|(name, value)| part(Some(IndexMap::from([(name.clone(), value.clone())]))))
            .collect(),
    }
}

/// The lists of those names, or all where none is wanted.
fn lists<T: Clone>(
    wanted: &IndexMap<String, Vec<T>>,
    got: Option<&IndexMap<String, Vec<T>>>,
) -> IndexMap<String, Vec<T>> {
    let got = got.cloned().unwrap_or_default();
    if wanted.is_empty() {
        return got;
    }
    let list = |name: &String| (name.clone(), got.get(name).cloned().unwrap_or_default());
    wanted.keys().map(list).collect()
}

/// The values of those names that have one, or all where none is wanted.
fn picked<T>(
    wanted: Option<&IndexMap<String, T>>,
    got: Option<IndexMap<String, T>>,
) -> Option<IndexMap<String, T>> {
    let (wanted, mut got) = (wanted?, got?);
    got.retain(|name, _| wanted.is_empty() || wanted.contains_key(name));
    (!got.is_empty()).then_some(got)
}

#[cfg(test)]
mod tests {
    use crate::pattern::Pattern;
    use crate::{read_outcome, read_pattern};

    const OUTCOME: &str = r#"{"alertable": 1, "kind": "outcome", "end": "blocked",
        "labels": {"a": [{"ret": "WAIT_TIMEOUT"}], "b": [{"ret": 0}, {"ret": 1}]}, "apcs": {"t": [{"routine": "A", "data": 1}]},
        "blocked": ["u"], "overlapped": {"ov": {"status": "STATUS_PENDING", "bytes": 0}},
        "exits": {"t": 5}}"#;

    /// What the outcome has where a pattern speaks.
    fn as_in(pattern: &str) -> Pattern {
        let outcome = read_outcome(OUTCOME, None).unwrap();
        let read = read_pattern(pattern).unwrap().as_in(&outcome);
        assert!(read.matches(&outcome), "{read:?}");
        read
    }

    #[test]
    fn an_outcome_matches_itself_and_each_of_its_parts() {
        let outcome = read_outcome(OUTCOME, None).unwrap();
        let whole = Pattern::from(&outcome);
        let parts = whole.parts();
        assert_eq!(parts.len(), 7, "the end, two labels, a thread, the blocked, a block, an exit");
        assert!(whole.matches(&outcome) && parts.iter().all(|part| part.matches(&outcome)));
        let mut sum = Pattern::default();
        parts.into_iter().for_each(|part| sum.add(part));
        assert_eq!(sum, whole);
    }

    #[test]
    fn what_an_outcome_has_is_told_where_the_pattern_speaks() {
        let pattern = |text: &str| read_pattern(text).unwrap();
        assert_eq!(as_in("a=0"), pattern(r#"{"labels": {"a": "WAIT_TIMEOUT"}}"#));
        assert_eq!(as_in("c=0"), pattern(r#"{"labels": {"c": []}}"#));
        let both = pattern(r#"{"labels": {"a": "WAIT_TIMEOUT", "b": [0, 1]}}"#);
        assert_eq!(as_in(r#"{"labels": {}}"#), both);
        assert_eq!(as_in(r#"{"exits": {"u": 0}}"#), pattern(r#"{"blocked": ["u"]}"#));
        assert_eq!(as_in(r#"{"exits": {"t": 0}}"#), pattern(r#"{"exits": {"t": 5}}"#));
        assert_eq!(as_in(r#"{"overlapped": {"no": {"bytes": 1}}}"#), Pattern::default());
    }

    #[test]
    fn a_section_without_members_is_a_part() {
        let pattern = read_pattern(r#"{"end": "finished", "apcs": {}}"#).unwrap();
        assert_eq!(pattern.parts().len(), 2);
    }
}
