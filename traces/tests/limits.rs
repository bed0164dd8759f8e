//! Scenarios beyond a limit are refused, and ones at the limit are read, both quickly.

#![allow(clippy::unwrap_used)]

use alertable_traces::limits::{
    DOCUMENT_BYTES_MAX, EXPECTED_COUNT_MAX, OBJECT_COUNT_MAX, ROUTINE_COUNT_MAX, STEP_COUNT_MAX,
};
use alertable_traces::read_scenario;

fn scenario(sections: &str) -> String {
    format!(r#"{{"alertable":1,"kind":"scenario","title":"big",{sections}}}"#)
}

/// The message for a scenario, without its place.
fn message(sections: &str) -> String {
    match read_scenario(&scenario(sections), None) {
        Ok(_) => "read".to_owned(),
        Err(error) => error.message,
    }
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

#[test]
fn steps_are_limited() {
    let steps = |count| {
        let steps = list(count, |_| r#"{"call":"NtTestAlert"}"#.to_owned());
        format!(r#""threads":{{"main":[{steps}]}}"#)
    };
    assert_eq!(message(&steps(STEP_COUNT_MAX)), "read");
    assert_eq!(message(&steps(STEP_COUNT_MAX + 1)), "more than 65000 steps");
}

#[test]
fn objects_are_limited_with_those_that_are_only_named() {
    let objects = |count, steps: &str| {
        let objects = list(count, |index| format!(r#""o{index}":{{"type":"iosb"}}"#));
        format!(r#""objects":{{{objects}}},"threads":{{"main":[{steps}]}}"#)
    };
    let step = r#"{"call":"HasOverlappedIoCompleted","overlapped":"ov"}"#;
    assert_eq!(message(&objects(OBJECT_COUNT_MAX, "")), "read");
    assert_eq!(message(&objects(OBJECT_COUNT_MAX + 1, "")), "more than 1024 objects");
    assert_eq!(message(&objects(OBJECT_COUNT_MAX, step)), "more than 1024 objects");
}

#[test]
fn routines_are_limited() {
    let routines = |count| {
        let routines = list(count, |index| format!(r#""r{index}":[]"#));
        format!(r#""routines":{{{routines}}},"threads":{{}}"#)
    };
    assert_eq!(message(&routines(ROUTINE_COUNT_MAX)), "read");
    assert_eq!(message(&routines(ROUTINE_COUNT_MAX + 1)), "more than 1024 routines");
}

#[test]
fn expectations_are_limited() {
    let results = list(EXPECTED_COUNT_MAX, |_| "0".to_owned());
    let step = r#"{"call":"NtTestAlert","as":"a"}"#;
    let expect = format!(r#"{{"always":{{"labels":{{"a":[{results}]}}}}}}"#);
    let sections = format!(r#""threads":{{"main":[{step}]}},"expect":{expect}"#);
    assert_eq!(message(&sections), "more than 100000 patterns and results");
}

#[test]
fn a_long_chain_of_handles_is_followed() {
    let count = OBJECT_COUNT_MAX - 1;
    let handles =
        list(count, |index| format!(r#""h{index}":{{"type":"handle","of":"h{}"}}"#, index + 1));
    let last = format!(r#""h{count}":{{"type":"mutex"}}"#);
    let step = r#"{"call":"SetEvent","event":"h0"}"#;
    let sections = format!(r#""objects":{{{handles},{last}}},"threads":{{"main":[{step}]}}"#);
    assert_eq!(message(&sections), "\"h0\" is a handle of a mutex, not an event");
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let text = " ".repeat(usize::try_from(DOCUMENT_BYTES_MAX).unwrap() + 1);
    assert_eq!(read_scenario(&text, None).unwrap_err().to_string(), "larger than 16 MiB");
}
