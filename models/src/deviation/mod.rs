//! Deviations: named changes of a rule.
//!
//! What another system does, what an older Windows did, a reading that the sources leave in
//! doubt, or a plausible mistake. The same mechanism gives dialects, explains captured
//! differences, and proves that the invariants can fail.

mod table;

pub use table::Deviation;

use crate::rule::RuleId;

/// Why a deviation is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Another system, or another version of Windows, behaves so.
    System,
    /// The sources leave it in doubt; the model's default is the more credible reading.
    Option,
    /// Nobody should behave so: it is there to be caught.
    Mistake,
}

impl Kind {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::System => "system",
            Kind::Option => "option",
            Kind::Mistake => "mistake",
        }
    }
}

/// A deviation's entry in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name on the command line and in reports.
    pub id: &'static str,
    /// What the system does, in one sentence.
    pub statement: &'static str,
    /// The rules that it changes.
    pub rules: &'static [RuleId],
    /// Why it is there.
    pub kind: Kind,
}

/// A set of deviations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Deviations(u128);

impl Deviations {
    /// Windows as the rules say.
    pub const NONE: Self = Deviations(0);

    /// Whether a deviation is in the set.
    pub fn contains(self, deviation: Deviation) -> bool {
        self.0 & deviation.bit() != 0
    }

    /// The set with one more.
    #[must_use = "the set itself does not change"]
    pub const fn with(self, deviation: Deviation) -> Self {
        Deviations(self.0 | deviation.bit())
    }

    /// The set with one less.
    #[must_use = "the set itself does not change"]
    pub fn without(self, deviation: Deviation) -> Self {
        Deviations(self.0 & !deviation.bit())
    }

    /// The deviations in the set, in the order of the registry.
    pub fn iter(self) -> impl Iterator<Item = Deviation> {
        Deviation::ALL.iter().copied().filter(move |deviation| self.contains(*deviation))
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Deviation> for Deviations {
    fn from_iter<I: IntoIterator<Item = Deviation>>(deviations: I) -> Self {
        deviations.into_iter().fold(Self::NONE, Self::with)
    }
}

/// A named set of deviations: whose behaviour it is.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Its name in scenarios and on the command line.
    pub name: &'static str,
    /// Whose behaviour it is, in one sentence.
    pub statement: &'static str,
    /// How that differs from the rules.
    pub deviations: Deviations,
    /// The `system` and `version` of the captures that it speaks for.
    pub source: Option<(&'static str, &'static str)>,
}

/// The dialects, the default one first.
pub const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "windows",
        statement: "Current Windows, as the rules say.",
        deviations: Deviations::NONE,
        source: None,
    },
    Dialect {
        name: "wine-8.0",
        statement: "Wine 8.0, as observed and as the divergence notes of the rules say.",
        deviations: table::WINE_8_0,
        source: Some(("wine", "8.0")),
    },
];

/// The dialect of that name.
pub fn dialect(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name)
}

/// The deviation of that name.
pub fn find(id: &str) -> Option<Deviation> {
    Deviation::ALL.iter().copied().find(|deviation| deviation.entry().id == id)
}

#[cfg(test)]
mod tests {
    use super::{Deviation, Deviations};

    #[test]
    fn ids_are_unique_and_kebab_case() {
        for (at, deviation) in Deviation::ALL.iter().enumerate() {
            let id = deviation.entry().id;
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{id}");
            assert!(Deviation::ALL[..at].iter().all(|other| other.entry().id != id), "{id}");
            assert_eq!(super::find(id), Some(*deviation));
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Deviations = [Deviation::ApcLifo, Deviation::NoAlerts].into_iter().collect();
        assert!(set.contains(Deviation::ApcLifo) && !set.contains(Deviation::ApcQueuedTwice));
        assert_eq!(set.iter().count(), 2);
        assert_eq!(set.without(Deviation::ApcLifo), Deviations::NONE.with(Deviation::NoAlerts));
    }
}
