//! The bounds of a document. What goes beyond one is refused with an error that names it.

/// The largest scenario or outcome file, in bytes (16 MiB).
pub const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The longest line of a trace or of a file of observations, in bytes (1 MiB). The header of a
/// trace may be longer, because it holds a scenario: up to [`DOCUMENT_BYTES_MAX`].
pub const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// The most JSON values (objects, lists, strings, numbers, …) in one document.
pub const VALUE_COUNT_MAX: usize = 1_000_000;

/// The most patterns, results and routines in the expectations of a scenario.
pub const EXPECTED_COUNT_MAX: usize = 100_000;

/// The deepest nesting of lists and objects in a document.
pub const NESTING_MAX: usize = 128;

/// The most threads of a scenario.
pub const THREAD_COUNT_MAX: usize = 64;

/// The most objects of a scenario, with the OVERLAPPEDs and status blocks that are only named.
pub const OBJECT_COUNT_MAX: usize = 1024;

/// The most routines of a scenario.
pub const ROUTINE_COUNT_MAX: usize = 1024;

/// The most steps of a scenario in all threads and routines, a repeat and its steps counted
/// once.
pub const STEP_COUNT_MAX: usize = 65_000;

/// How deep repeats may nest.
pub const REPEAT_NESTING_MAX: usize = 16;

/// The longest name of a thread, object, routine or label, in characters.
pub const NAME_LENGTH_MAX: usize = 256;

/// The largest finite time-out, in milliseconds: one less than the value of `INFINITE`.
pub const TIMEOUT_MS_MAX: u32 = 0xFFFF_FFFE;
