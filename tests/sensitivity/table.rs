//! What became of the changes of each kind.

use std::collections::BTreeMap;
use std::fmt;

/// The changes of one kind.
#[derive(Default)]
pub(crate) struct Row {
    /// How many were noticed.
    pub(crate) rejected: usize,
    /// How many were not, by the argument that the rules allow them.
    pub(crate) allowed: BTreeMap<&'static str, usize>,
    /// How many were not, without an argument: where they were.
    pub(crate) missed: Vec<String>,
}

/// The rows by their kinds.
#[derive(Default)]
pub(crate) struct Table(pub(crate) BTreeMap<&'static str, Row>);

impl Table {
    pub(crate) fn row(&mut self, kind: &'static str) -> &mut Row {
        self.0.entry(kind).or_default()
    }

    /// How many changes were noticed.
    pub(crate) fn rejected(&self) -> usize {
        self.0.values().map(|row| row.rejected).sum()
    }

    /// How many were not, and are allowed.
    pub(crate) fn allowed(&self) -> usize {
        self.0.values().flat_map(|row| row.allowed.values()).sum()
    }

    /// How many were not, and should have been.
    pub(crate) fn missed(&self) -> usize {
        self.0.values().map(|row| row.missed.len()).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<44} {:>8} {:>8} {:>8}", "change", "rejected", "allowed", "missed")?;
        for (kind, row) in &self.0 {
            let allowed: usize = row.allowed.values().sum();
            let (rejected, missed) = (row.rejected, row.missed.len());
            writeln!(f, "{kind:<44} {rejected:>8} {allowed:>8} {missed:>8}")?;
            for (argument, count) in &row.allowed {
                writeln!(f, "    {count} allowed: {argument}")?;
            }
            for place in row.missed.iter().take(5) {
                writeln!(f, "    missed: {place}")?;
            }
        }
        let (rejected, allowed, missed) = (self.rejected(), self.allowed(), self.missed());
        writeln!(f, "{:<44} {rejected:>8} {allowed:>8} {missed:>8}", "all")
    }
}
