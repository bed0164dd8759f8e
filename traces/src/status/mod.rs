//! NTSTATUS values, last-error values and wait results, by value and by name.

mod values;

use std::fmt;
use values::{ERRORS, STATUSES};

/// The highest index of a wait result, as in `WAIT_OBJECT_0+63` (`MAXIMUM_WAIT_OBJECTS` - 1).
const WAIT_INDEX_MAX: u8 = 63;

/// The wait results that carry no index, and what else calls return by name.
const RESULTS: &[&str] = &[
    "TRUE",
    "FALSE",
    "WAIT_OBJECT_0",
    "WAIT_ABANDONED_0",
    "WAIT_TIMEOUT",
    "WAIT_IO_COMPLETION",
    "WAIT_FAILED",
    "PASSIVE_LEVEL",
    "APC_LEVEL",
    "DISPATCH_LEVEL",
    "DIRQL",
];

/// `WAIT_OBJECT_0`: the wait was satisfied; the index of the object is added.
pub const WAIT_OBJECT_0: u32 = 0;
/// `WAIT_ABANDONED_0`: satisfied by a mutex that was abandoned; the index is added.
pub const WAIT_ABANDONED_0: u32 = 0x80;
/// `WAIT_IO_COMPLETION`: the wait was ended by user APCs.
pub const WAIT_IO_COMPLETION: u32 = 0xC0;
/// `WAIT_TIMEOUT`: the time was over.
pub const WAIT_TIMEOUT: u32 = 0x102;
/// `WAIT_FAILED`: the last error says why.
pub const WAIT_FAILED: u32 = 0xFFFF_FFFF;
/// `INFINITE`: a time-out that never comes.
pub const INFINITE: u32 = 0xFFFF_FFFF;

/// A value of the kernel's status type (NTSTATUS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtStatus(pub u32);

/// A last-error value (`GetLastError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Win32Error(pub u32);

impl NtStatus {
    /// The name in the headers, as `STATUS_PENDING`, when it is one that this crate knows.
    pub fn name(self) -> Option<&'static str> {
        name_of(STATUSES, self.0)
    }

    /// The status with a name, or with a value written as `0x` and eight hexadecimal digits.
    pub fn from_name(name: &str) -> Option<Self> {
        value_of(STATUSES, name).or_else(|| hexadecimal(name)).map(NtStatus)
    }

    /// All names that this crate knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        STATUSES.iter().map(|(name, _)| *name)
    }

    /// `NT_SUCCESS`: success or information; the top bit is clear.
    pub const fn is_success(self) -> bool {
        self.0 < 0x8000_0000
    }

    /// `NT_WARNING`: the top bits are 10. Neither success nor error.
    pub const fn is_warning(self) -> bool {
        self.0 >> 30 == 2
    }

    /// `NT_ERROR`: the top bits are 11.
    pub const fn is_error(self) -> bool {
        self.0 >> 30 == 3
    }
}

impl Win32Error {
    /// The name in the headers, as `ERROR_IO_PENDING`, when it is one that this crate knows.
    pub fn name(self) -> Option<&'static str> {
        name_of(ERRORS, self.0)
    }

    /// The error with a name, or with a value written in decimal digits.
    pub fn from_name(name: &str) -> Option<Self> {
        let is_decimal = name.bytes().all(|byte| byte.is_ascii_digit());
        let decimal = || name.parse().ok().filter(|_| is_decimal);
        value_of(ERRORS, name).or_else(decimal).map(Win32Error)
    }

    /// All names that this crate knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ERRORS.iter().map(|(name, _)| *name)
    }
}

/// The name, or `0x` and eight digits when there is none.
impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

/// The name, or the number when there is none.
impl fmt::Display for Win32Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The name of a value that a wait function returned: `WAIT_OBJECT_0+1`, `WAIT_TIMEOUT`, ….
pub fn wait_result_name(value: u32) -> Option<String> {
    let indexed = |name: &str, index: u32| match index {
        0 => name.to_owned(),
        _ => format!("{name}+{index}"),
    };
    let count = u32::from(WAIT_INDEX_MAX) + 1;
    match value {
        WAIT_IO_COMPLETION => Some("WAIT_IO_COMPLETION".to_owned()),
        WAIT_TIMEOUT => Some("WAIT_TIMEOUT".to_owned()),
        WAIT_FAILED => Some("WAIT_FAILED".to_owned()),
        index if index < count => Some(indexed("WAIT_OBJECT_0", index)),
        value if (WAIT_ABANDONED_0..WAIT_ABANDONED_0 + count).contains(&value) => {
            Some(indexed("WAIT_ABANDONED_0", value - WAIT_ABANDONED_0))
        }
        _ => None,
    }
}

/// The value behind the name of a wait result.
pub fn wait_result_from_name(name: &str) -> Option<u32> {
    let (base, index) = match name.split_once('+') {
        None => (name, 0),
        Some((base, index)) => (base, canonical_index(index)?),
    };
    match base {
        "WAIT_OBJECT_0" => Some(WAIT_OBJECT_0 + index),
        "WAIT_ABANDONED_0" => Some(WAIT_ABANDONED_0 + index),
        _ if index > 0 => None,
        "WAIT_IO_COMPLETION" => Some(WAIT_IO_COMPLETION),
        "WAIT_TIMEOUT" => Some(WAIT_TIMEOUT),
        "WAIT_FAILED" => Some(WAIT_FAILED),
        _ => None,
    }
}

/// An index from 1 to 63 without leading zeros, as it is written behind `+`.
fn canonical_index(digits: &str) -> Option<u32> {
    let index = digits.parse::<u8>().ok()?;
    let is_canonical = (1..=WAIT_INDEX_MAX).contains(&index) && index.to_string() == digits;
    is_canonical.then_some(index.into())
}

/// Whether a call can return this by name: TRUE, FALSE, a wait result, an IRQL, a status.
pub fn is_result_name(name: &str) -> bool {
    RESULTS.contains(&name)
        || wait_result_from_name(name).is_some()
        || NtStatus::from_name(name).is_some()
}

/// The names that a call can return, for suggestions; indices left out.
pub fn result_names() -> impl Iterator<Item = &'static str> {
    RESULTS.iter().copied().chain(NtStatus::names())
}

fn name_of(table: &[(&'static str, u32)], value: u32) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == value).map(|(name, _)| *name)
}

fn value_of(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn hexadecimal(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("0x").filter(|digits| digits.len() == 8)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_and_error_name_gives_its_value_back() {
        for (name, value) in STATUSES {
            assert_eq!(NtStatus::from_name(name), Some(NtStatus(*value)));
            let written = NtStatus(*value).name().unwrap();
            assert_eq!(NtStatus::from_name(written), Some(NtStatus(*value)));
        }
        for (name, value) in ERRORS {
            assert_eq!(Win32Error::from_name(name), Some(Win32Error(*value)));
            assert!(Win32Error(*value).name().is_some());
        }
    }

    #[test]
    fn of_two_names_the_usual_one_is_written() {
        assert_eq!(NtStatus(0).to_string(), "STATUS_SUCCESS");
        assert_eq!(NtStatus(0x80).to_string(), "STATUS_ABANDONED_WAIT_0");
        assert_eq!(Win32Error(192).to_string(), "WAIT_IO_COMPLETION");
        assert_eq!(Win32Error(258).to_string(), "WAIT_TIMEOUT");
    }

    #[test]
    fn values_without_a_name_are_written_as_numbers() {
        assert_eq!(NtStatus(0x4EAD_BEEF).to_string(), "0x4EADBEEF");
        assert_eq!(NtStatus::from_name("0x4EADBEEF"), Some(NtStatus(0x4EAD_BEEF)));
        assert_eq!(NtStatus::from_name("0x+EADBEE"), None);
        assert_eq!(Win32Error(54321).to_string(), "54321");
        assert_eq!(Win32Error::from_name("54321"), Some(Win32Error(54321)));
        assert_eq!(Win32Error::from_name("+5"), None);
    }

    #[test]
    fn severities_are_the_top_two_bits() {
        assert!(NtStatus::PENDING.is_success() && !NtStatus::PENDING.is_error());
        assert!(NtStatus::BUFFER_OVERFLOW.is_warning() && !NtStatus::BUFFER_OVERFLOW.is_success());
        assert!(NtStatus::CANCELLED.is_error() && !NtStatus::CANCELLED.is_success());
    }

    #[test]
    fn wait_results_have_an_index_unless_it_is_zero() {
        for value in [0, 1, 63, 0x80, 0x81, 0xBF, 0xC0, 0x102, WAIT_FAILED] {
            let name = wait_result_name(value).unwrap();
            assert_eq!(wait_result_from_name(&name), Some(value), "{name}");
        }
        assert_eq!(wait_result_name(1).as_deref(), Some("WAIT_OBJECT_0+1"));
        for name in ["WAIT_OBJECT_0+0", "WAIT_OBJECT_0+64", "WAIT_OBJECT_0+01", "WAIT_TIMEOUT+1"] {
            assert_eq!(wait_result_from_name(name), None, "{name}");
        }
    }
}
