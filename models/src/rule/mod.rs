//! The registry of rules: what is true of the systems that the machine models.
//!
//! Each rule has an id that never changes its meaning, a statement, its sources and how sure it
//! is. The functions that implement a rule mark it, so that a run can say which rules it
//! exercised. Documents and listings are made from this registry.

pub mod apc;
pub mod cancel;
pub mod device;
pub mod exit;
pub mod io;
pub mod iocp;
pub mod irp;
mod sources;
pub mod thread;
pub mod threadpool;
pub mod timer;
pub mod wait;

pub use sources::SOURCES;

use std::fmt;

/// A rule's place in the registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u16);

impl RuleId {
    /// The number of the rule, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The rule's entry.
    pub fn rule(self) -> &'static Rule {
        let mut index = self.index();
        for subject in SUBJECTS {
            match subject.rules.get(index) {
                Some(rule) => return rule,
                None => index -= subject.rules.len(),
            }
        }
        unreachable!("ids are made from the registry")
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule().id)
    }
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, for ever.
    pub id: &'static str,
    /// What is true.
    pub statement: &'static str,
    /// Where it can be seen.
    pub level: Level,
    /// How to see it; may be empty.
    pub observe: &'static str,
    /// Where it is known from: keys of [`SOURCES`], with details.
    pub sources: &'static str,
    /// How sure it is.
    pub confidence: Confidence,
    /// More about how sure it is; mostly empty.
    pub note: &'static str,
    /// What other systems or versions do; empty where nothing is known.
    pub divergence: &'static str,
    /// Whether the machine follows it.
    pub standing: Standing,
}

/// Where a rule can be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// In what Win32 functions do.
    UserApi,
    /// In what system calls do.
    NtSyscall,
    /// Only in the kernel.
    Kernel,
    /// In what drivers see and do.
    Driver,
    /// Only in a model.
    Model,
}

impl Level {
    /// The level in words.
    pub fn name(self) -> &'static str {
        match self {
            Level::UserApi => "user API",
            Level::NtSyscall => "NT system call",
            Level::Kernel => "kernel",
            Level::Driver => "driver",
            Level::Model => "model",
        }
    }
}

/// How sure a rule is, by its best evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confidence {
    /// Microsoft's documentation says so.
    Documented,
    /// A test suite asserts it on real Windows.
    Tested,
    /// Read from an independent implementation of the same design.
    SourceDerived,
    /// Seen on a real system.
    Observed,
    /// It follows from other rules.
    Inferred,
    /// The sources are silent or contradict each other.
    Doubtful,
}

impl Confidence {
    /// The confidence in words.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Documented => "documented",
            Confidence::Tested => "tested",
            Confidence::SourceDerived => "source-derived",
            Confidence::Observed => "observed",
            Confidence::Inferred => "inferred",
            Confidence::Doubtful => "doubtful",
        }
    }
}

/// Whether the machine follows a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It does, and marks where.
    Modelled,
    /// It does not, for this reason.
    Missing(&'static str),
}

/// A page of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Its name.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it is about.
    pub introduction: &'static str,
    /// Its rules.
    pub rules: &'static [Rule],
}

/// The pages of the registry, in order.
pub const SUBJECTS: &[Subject] = &[
    apc::SUBJECT,
    wait::SUBJECT,
    timer::SUBJECT,
    thread::SUBJECT,
    irp::SUBJECT,
    io::SUBJECT,
    cancel::SUBJECT,
    iocp::SUBJECT,
    exit::SUBJECT,
    device::SUBJECT,
    threadpool::SUBJECT,
];

/// How many rules there are.
pub const COUNT: usize = threadpool::END;

/// Every rule, in order.
pub fn all() -> impl Iterator<Item = (RuleId, &'static Rule)> {
    let rules = SUBJECTS.iter().flat_map(|subject| subject.rules);
    rules.enumerate().map(|(index, rule)| (RuleId(index as u16), rule))
}

/// The rule of that name.
pub fn find(id: &str) -> Option<RuleId> {
    all().find(|(_, rule)| rule.id == id).map(|(place, _)| place)
}

/// Declares the rules of a page: a constant for each, documented by its statement, and the table.
macro_rules! rules {
    (base: $base:expr;
     $($name:ident $id:literal $level:ident $confidence:ident $(missing $reason:literal)? {
        statement: $statement:literal,
        observe: $observe:literal,
        sources: $sources:literal,
        note: $note:literal,
        divergence: $divergence:literal,
     })*) => {
        /// The place of each rule on this page.
        #[allow(non_camel_case_types, clippy::enum_variant_names)]
        #[derive(Clone, Copy)]
        enum Place {
            $($name,)*
        }

        $(
            #[doc = $statement]
            pub const $name: super::RuleId = super::RuleId((BASE + Place::$name as usize) as u16);
        )*

        /// How many rules come on earlier pages.
        const BASE: usize = $base;

        /// How many rules there are up to this page.
        pub(super) const END: usize = BASE + RULES.len();

        /// The rules of this page.
        const RULES: &[Rule] = &[$(Rule {
            id: $id,
            statement: $statement,
            level: Level::$level,
            observe: $observe,
            sources: $sources,
            confidence: Confidence::$confidence,
            note: $note,
            divergence: $divergence,
            standing: rules!(@standing $($reason)?),
        }),*];
    };
    (@standing) => { Standing::Modelled };
    (@standing $reason:literal) => { Standing::Missing($reason) };
}
use rules;

#[cfg(test)]
mod tests {
    use super::{COUNT, all, find};

    #[test]
    fn ids_are_unique_and_lead_back_to_their_rules() {
        assert_eq!(all().count(), COUNT);
        for (place, rule) in all() {
            assert_eq!(find(rule.id), Some(place));
            assert_eq!(place.rule().id, rule.id);
        }
        assert_eq!(super::wait::WAIT_02.rule().id, "WAIT-02");
        assert_eq!(find("APC-U-99"), None);
    }

    #[test]
    fn statements_are_sentences() {
        for (_, rule) in all() {
            assert!(rule.statement.ends_with(['.', ')']), "{}", rule.id);
            assert!(!rule.statement.contains("  "), "{}", rule.id);
        }
    }

    #[test]
    fn every_source_key_is_explained() {
        for (_, rule) in all() {
            let keys = rule.sources.split(|c: char| !(c.is_alphanumeric() || c == '-'));
            for key in keys.filter(|key| key.starts_with("R-") || key.starts_with("W-")) {
                let known = super::SOURCES.iter().any(|(name, _)| *name == key);
                assert!(known || key.len() == 2, "{}: {key}", rule.id);
            }
        }
    }
}
