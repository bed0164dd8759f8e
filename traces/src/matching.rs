//! Whether an outcome is what a pattern says, and where it first is not.

use crate::outcome::{ApcEntry, CallResult, Outcome, PortEntry, StatusBlock};
use crate::pattern::{ApcPattern, EntryPattern, Pattern, ResultPattern, StatusPattern};
use indexmap::IndexMap;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The first thing in which an outcome is not what was wanted; one plain sentence by `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the absence of a name means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Nothing is said about it.
    Open,
    /// It did not happen.
    Nothing,
}

impl Pattern {
    /// Whether the outcome is what the pattern says.
    pub fn matches(&self, outcome: &Outcome) -> bool {
        self.mismatch(outcome).is_none()
    }

    /// The first thing in which the outcome is not what the pattern says.
    pub fn mismatch(&self, outcome: &Outcome) -> Option<Mismatch> {
        self.difference(outcome, Absent::Open)
    }

    /// As [`mismatch`](Self::mismatch); labels, threads and routines that a section leaves out
    /// can mean that nothing happened there.
    pub(crate) fn difference(&self, outcome: &Outcome, absent: Absent) -> Option<Mismatch> {
        value("end", self.end.as_ref(), Some(&outcome.end))
            .or_else(|| lists(self.labels.as_ref()?, &outcome.labels, absent, &LABELS))
            .or_else(|| lists(self.apcs.as_ref()?, &outcome.apcs, absent, &APCS))
            .or_else(|| blocked(self.blocked.as_deref()?, &outcome.blocked))
            .or_else(|| blocks(self.overlapped.as_ref()?, &outcome.overlapped))
            .or_else(|| exits(self.exits.as_ref()?, &outcome.exits, absent))
            .map(Mismatch)
    }
}

fn open<T: PartialEq>(wanted: Option<&T>, got: Option<&T>) -> bool {
    wanted.is_none() || wanted == got
}

/// Whether a routine's run has the fields of another one.
pub(crate) fn agrees_entry(wanted: &ApcEntry, got: &ApcEntry) -> bool {
    wanted.routine == got.routine
        && open(wanted.data.as_ref(), got.data.as_ref())
        && open(wanted.error.as_ref(), got.error.as_ref())
        && open(wanted.bytes.as_ref(), got.bytes.as_ref())
        && open(wanted.overlapped.as_ref(), got.overlapped.as_ref())
        && open(wanted.timer.as_ref(), got.timer.as_ref())
}

/// Whether a result has the fields of another one.
pub(crate) fn agrees(wanted: &CallResult, got: &CallResult) -> bool {
    wanted.ret == got.ret
        && open(wanted.error.as_ref(), got.error.as_ref())
        && open(wanted.bytes.as_ref(), got.bytes.as_ref())
        && open(wanted.previous.as_ref(), got.previous.as_ref())
        && open(wanted.key.as_ref(), got.key.as_ref())
        && open(wanted.overlapped.as_ref(), got.overlapped.as_ref())
        && agrees_entries(wanted.entries.as_deref(), got.entries.as_deref())
        && open(wanted.value.as_ref(), got.value.as_ref())
        && open(wanted.status.as_ref(), got.status.as_ref())
        && open(wanted.information.as_ref(), got.information.as_ref())
}

/// Whether packets agree in all that is known of the wanted ones: their status can be unknown.
fn agrees_entries(wanted: Option<&[PortEntry]>, got: Option<&[PortEntry]>) -> bool {
    let Some(wanted) = wanted else { return true };
    let agree = |(wanted, got): (&PortEntry, &PortEntry)| {
        let status = wanted.status.as_ref().or(got.status.as_ref()).cloned();
        PortEntry { status, ..wanted.clone() } == *got
    };
    got.is_some_and(|got| wanted.len() == got.len() && wanted.iter().zip(got).all(agree))
}

/// How the lists of a section are spoken of.
struct Words {
    /// Before the name of a list.
    of: &'static str,
    /// One item.
    one: &'static str,
    /// Several.
    many: &'static str,
}

const LABELS: Words = Words { of: "label", one: "result", many: "results" };
const APCS: Words = Words { of: "thread", one: "routine", many: "routines" };

impl Words {
    fn count(&self, count: usize) -> String {
        match count {
            0 => format!("no {}", self.one),
            1 => format!("1 {}", self.one),
            _ => format!("{count} {}", self.many),
        }
    }
}

/// An item that may leave things open.
trait Item<T> {
    fn difference(&self, got: &T) -> Option<String>;
}

fn lists<P: Item<T>, T: Serialize>(
    wanted: &IndexMap<String, Vec<P>>,
    got: &BTreeMap<String, Vec<T>>,
    absent: Absent,
    words: &Words,
) -> Option<String> {
    let none = Vec::new();
    for (name, wanted) in wanted {
        let got = got.get(name).unwrap_or(&none);
        if let Some(difference) = list(wanted, got, name, words) {
            return Some(difference);
        }
    }
    if wanted.is_empty() || absent == Absent::Nothing {
        let mut others =
            got.iter().filter(|(name, got)| !wanted.contains_key(*name) && !got.is_empty());
        let (name, got) = others.next()?;
        let (of, count, shown) = (words.of, words.count(got.len()), shown(got));
        return Some(format!("{of} {name:?} has {count} ({shown}), none was expected"));
    }
    None
}

fn list<P: Item<T>, T: Serialize>(
    wanted: &[P],
    got: &[T],
    name: &str,
    words: &Words,
) -> Option<String> {
    let Words { of, one, .. } = words;
    let items = wanted.iter().zip(got).enumerate();
    let mut differences =
        items.filter_map(|(index, (wanted, got))| Some((index, wanted.difference(got)?)));
    if let Some((index, difference)) = differences.next() {
        let number = if got.len() > 1 { format!(" {}", index + 1) } else { String::new() };
        return Some(format!("{one}{number} of {of} {name:?}: {difference}"));
    }
    (wanted.len() != got.len()).then(|| {
        let count = words.count(got.len());
        let shown = if got.is_empty() { String::new() } else { format!(" ({})", shown(got)) };
        format!("{of} {name:?} has {count}{shown}, {} expected", were(wanted.len()))
    })
}

fn were(count: usize) -> String {
    match count {
        0 => "none was".to_owned(),
        1 => "1 was".to_owned(),
        _ => format!("{count} were"),
    }
}

fn blocked(wanted: &[String], got: &[String]) -> Option<String> {
    let missing = wanted.iter().find(|name| !got.contains(name));
    let extra = got.iter().find(|name| !wanted.contains(name));
    match (missing, extra) {
        (Some(name), _) => Some(format!("thread {name:?} is not blocked")),
        (None, Some(name)) => Some(format!("thread {name:?} is blocked")),
        (None, None) => None,
    }
}

fn blocks(
    wanted: &IndexMap<String, StatusPattern>,
    got: &BTreeMap<String, StatusBlock>,
) -> Option<String> {
    if let (true, Some(name)) = (wanted.is_empty(), got.keys().next()) {
        return Some(format!("there is an OVERLAPPED {name:?}, none was expected"));
    }
    wanted.iter().find_map(|(name, wanted)| match got.get(name) {
        None => Some(format!("there is nothing in {name:?}")),
        Some(got) => {
            let difference = wanted.difference(got)?;
            Some(format!("in {name:?}, {difference}"))
        }
    })
}

fn exits(
    wanted: &IndexMap<String, u32>,
    got: &BTreeMap<String, u32>,
    absent: Absent,
) -> Option<String> {
    let mut named = wanted.iter().filter_map(|(name, wanted)| match got.get(name) {
        None => Some(format!("thread {name:?} has not ended")),
        Some(got) if got != wanted => {
            Some(format!("thread {name:?} ended with {got}, not {wanted}"))
        }
        Some(_) => None,
    });
    named.next().or_else(|| {
        let closed = wanted.is_empty() || absent == Absent::Nothing;
        let (name, code) = got.iter().find(|(name, _)| closed && !wanted.contains_key(*name))?;
        Some(format!("thread {name:?} has ended, with {code}"))
    })
}

/// One field: nothing wanted, or the same.
fn value<T: PartialEq + Serialize>(
    name: &str,
    wanted: Option<&T>,
    got: Option<&T>,
) -> Option<String> {
    let wanted = wanted?;
    match got {
        Some(got) if got == wanted => None,
        Some(got) => Some(format!("{name} is {}, not {}", shown_one(got), shown_one(wanted))),
        None => Some(format!("there is no {name}; {} was expected", shown_one(wanted))),
    }
}

fn shown_one<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn shown<T: Serialize>(values: &[T]) -> String {
    const COUNT_MAX: usize = 4;
    let mut shown: Vec<_> = values.iter().take(COUNT_MAX).map(shown_one).collect();
    if values.len() > COUNT_MAX {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

impl Item<CallResult> for ResultPattern {
    fn difference(&self, got: &CallResult) -> Option<String> {
        value("ret", self.ret.as_ref(), Some(&got.ret))
            .or_else(|| value("error", self.error.as_ref(), got.error.as_ref()))
            .or_else(|| value("bytes", self.bytes.as_ref(), got.bytes.as_ref()))
            .or_else(|| value("previous", self.previous.as_ref(), got.previous.as_ref()))
            .or_else(|| value("key", self.key.as_ref(), got.key.as_ref()))
            .or_else(|| value("overlapped", self.overlapped.as_ref(), got.overlapped.as_ref()))
            .or_else(|| entries(self.entries.as_deref()?, got.entries.as_deref()))
            .or_else(|| value("value", self.value.as_ref(), got.value.as_ref()))
            .or_else(|| value("status", self.status.as_ref(), got.status.as_ref()))
            .or_else(|| value("information", self.information.as_ref(), got.information.as_ref()))
    }
}

fn entries(wanted: &[EntryPattern], got: Option<&[PortEntry]>) -> Option<String> {
    let Some(got) = got else {
        return Some("there are no entries".to_owned());
    };
    if wanted.len() != got.len() {
        let (count, shown) = (got.len(), shown(got));
        return Some(format!("there are {count} entries ({shown}), not {}", wanted.len()));
    }
    let mut items = wanted.iter().zip(got).enumerate();
    items.find_map(|(index, (wanted, got))| {
        let difference = wanted.difference(got)?;
        Some(format!("in entry {}, {difference}", index + 1))
    })
}

impl Item<PortEntry> for EntryPattern {
    fn difference(&self, got: &PortEntry) -> Option<String> {
        value("key", self.key.as_ref(), Some(&got.key))
            .or_else(|| value("bytes", self.bytes.as_ref(), Some(&got.bytes)))
            .or_else(|| value("overlapped", self.overlapped.as_ref(), Some(&got.overlapped)))
            .or_else(|| value("status", self.status.as_ref(), got.status.as_ref()))
    }
}

impl Item<ApcEntry> for ApcPattern {
    fn difference(&self, got: &ApcEntry) -> Option<String> {
        value("routine", self.routine.as_ref(), Some(&got.routine))
            .or_else(|| value("data", self.data.as_ref(), got.data.as_ref()))
            .or_else(|| value("error", self.error.as_ref(), got.error.as_ref()))
            .or_else(|| value("bytes", self.bytes.as_ref(), got.bytes.as_ref()))
            .or_else(|| value("overlapped", self.overlapped.as_ref(), got.overlapped.as_ref()))
            .or_else(|| value("timer", self.timer.as_ref(), got.timer.as_ref()))
    }
}

impl Item<StatusBlock> for StatusPattern {
    fn difference(&self, got: &StatusBlock) -> Option<String> {
        value("status", self.status.as_ref(), Some(&got.status))
            .or_else(|| value("bytes", self.bytes.as_ref(), Some(&got.bytes)))
    }
}
