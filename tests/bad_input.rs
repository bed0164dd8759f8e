//! Whatever the program is given, it says one clear thing about it, or meets a limit that it
//! names: soon, and in bounded memory.
//!
//! The messages for each kind of mistake are tested beside the reader, in
//! `traces/tests/bad-input`. Here are the inputs that are large, deep, broken or endless.

#![allow(clippy::unwrap_used)]

#[path = "bad_input/limits.rs"]
mod limits;
#[path = "support/program.rs"]
mod program;
#[path = "support/scenarios.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod scenarios;

use alertable_traces::trace::TraceReader;
use program::{Folder, Ran, alertable, root};
use scenarios::scenario;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const VALID: &str = "traces/corpus/scenarios/apc/two-apcs-race-one-wait.json";
const BAD_INPUT: &str = "traces/tests/bad-input";

/// Far more than is needed: what these tests tell apart is a second and for ever.
const DURATION_MAX: Duration = Duration::from_secs(30);

const MEBIBYTE: u64 = 1024 * 1024;
/// What reading the largest document may take.
const REFUSAL_BYTES_MAX: u64 = 128 * MEBIBYTE;
/// What the default limits let a small scenario take.
const LIMIT_BYTES_MAX: u64 = 512 * MEBIBYTE;

#[track_caller]
fn assert_bounded(ran: &Ran, bytes_max: u64) {
    assert!(ran.duration < DURATION_MAX, "{ran}");
    assert!(ran.peak_bytes < bytes_max, "{ran}");
}

/// It was refused with one error, which has these parts, and nothing else was printed.
#[track_caller]
fn assert_refused(ran: Ran, parts: &[&str]) {
    assert_bounded(&ran, REFUSAL_BYTES_MAX);
    let ran = ran.ends_with(2);
    let errors = ran.stderr.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "{ran}");
    assert!(ran.stderr.lines().count() <= 10 && ran.stderr.len() < 2000, "{ran}");
    for part in parts {
        assert!(ran.stderr.contains(part), "{part:?} is missing: {ran}");
    }
}

/// Every verb that takes scenarios refuses a file alike.
#[track_caller]
fn assert_file_refused(path: &Path, parts: &[&str]) {
    let path = path.to_str().unwrap();
    for verb in ["run", "explore"] {
        let ran = alertable([verb, path]);
        assert_eq!(ran.stdout, "", "{ran}");
        assert_refused(ran, parts);
    }
    assert_refused(alertable(["check", path]), parts);
}

#[track_caller]
fn assert_text_refused(name: &str, contents: impl AsRef<[u8]>, parts: &[&str]) {
    let folder = Folder::new(name);
    assert_file_refused(&folder.file("scenario.json", contents), parts);
}

fn valid_text() -> String {
    fs::read_to_string(root().join(VALID)).unwrap()
}

#[test]
fn scenario_cut_off_anywhere_is_refused_with_a_place() {
    let text = valid_text();
    let text = text.trim_end();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let error = alertable_traces::read_scenario(&text[..end], Some("cut.json")).unwrap_err();
        let line_count = text[..end].lines().count().max(1) + 1;
        assert!((1..=line_count).contains(&(error.line as usize)), "{end}: {error}");
        assert!(error.source_line.get(error.mark()).is_some(), "{end}: {error}");
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{end}: {error}");
    }
    alertable_traces::read_scenario(text, None).unwrap();
}

#[test]
fn scenario_without_any_byte_is_read_or_refused() {
    let text = valid_text();
    for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
        let rest = text[at..].chars().next().map_or("", |c| &text[at + c.len_utf8()..]);
        let result = alertable_traces::read_scenario(&format!("{}{rest}", &text[..at]), None);
        if let Err(error) = result {
            assert!(error.line >= 1, "{at}: {error}");
        }
    }
}

#[test]
fn trace_cut_off_anywhere_is_read_so_far_or_refused_with_a_place() {
    let folder = Folder::new("trace_cut_off_anywhere");
    let path = folder.path("trace.jsonl");
    alertable(["run", VALID, "--trace", path.to_str().unwrap()]).ends_with(0);
    let trace = fs::read(&path).unwrap();
    for end in 0..trace.len() {
        let read = TraceReader::new(&trace[..end], Some("cut.jsonl"))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>);
        if let Err(error) = read {
            assert!(error.line >= 1 || end == 0, "{end}: {error}");
        }
    }
}

#[test]
fn every_bad_document_gives_its_one_message() {
    let mut count = 0;
    for entry in fs::read_dir(root().join(BAD_INPUT)).unwrap() {
        let name = entry.unwrap().file_name();
        let path = Path::new(BAD_INPUT).join(&name);
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        count += 1;
        let told = fs::read_to_string(root().join(path.with_extension("txt"))).unwrap();
        let told = told.trim_end().strip_prefix(name.to_str().unwrap()).unwrap();
        // The place, the message and the help are in lines of their own.
        let (place, message) = told.split_once(": ").unwrap();
        let (message, help) = message.split_once("; did you mean").unwrap_or((message, ""));
        let message = if help.is_empty() { message.split("; ").next().unwrap() } else { message };
        let place = format!("{}{place}", path.display());
        let ran = alertable(["run", path.to_str().unwrap()]);
        assert_eq!(ran.stdout, "", "{ran}");
        assert_refused(ran, &[&place, message, help]);
    }
    assert!(count > 50);
    let ran = alertable(["check", BAD_INPUT]).ends_with(2);
    let errors = ran.stderr.lines().filter(|line| line.starts_with("error")).count();
    // One of them is a good outcome, which is just no scenario.
    assert_eq!(errors, count - 1, "{ran}");
}

#[test]
fn empty_file_is_refused() {
    assert_text_refused("empty_file_is_refused", "", &[":1:1", "empty"]);
}

#[test]
fn empty_object_is_refused() {
    assert_text_refused("empty_object_is_refused", "{}", &[":1:1", "missing field \"alertable\""]);
}

#[test]
fn binary_rubbish_is_refused() {
    let rubbish: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_text_refused("binary_rubbish_is_refused", rubbish, &["not UTF-8"]);
}

#[test]
fn zeros_are_refused() {
    assert_text_refused("zeros_are_refused", [0; 10_000], &[":1:1", "expected a value"]);
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = valid_text().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xFF, 0xFE][..], &utf16].concat();
    assert_text_refused("utf_16_is_refused", marked, &[":1:1", "not UTF-8"]);
    let latin1 = valid_text().replacen("APC", "\u{1}", 1).into_bytes();
    let latin1: Vec<u8> = latin1.into_iter().map(|b| if b == 1 { 0xE9 } else { b }).collect();
    assert_text_refused("latin_1_is_refused", latin1, &[":4:", "not UTF-8"]);
}

#[test]
fn byte_order_mark_is_refused() {
    let marked = format!("\u{FEFF}{}", valid_text());
    assert_text_refused("byte_order_mark_is_refused", marked, &[":1:1", "byte order mark"]);
}

#[test]
fn windows_line_ends_are_fine_and_counted_once() {
    let folder = Folder::new("windows_line_ends");
    let text = valid_text().replace('\n', "\r\n");
    let path = folder.file("crlf.json", &text);
    alertable(["check", path.to_str().unwrap()]).ends_with(0);
    let wrong = text.replacen("\"SleepEx\"", "\"SleepExx\"", 1);
    let line = wrong.lines().position(|line| line.contains("\"SleepExx\"")).unwrap() + 1;
    let path = folder.file("wrong.json", &wrong);
    assert_file_refused(&path, &[&format!("wrong.json:{line}:"), "\"SleepEx\""]);
}

#[test]
fn wrong_types_are_refused() {
    for (index, threads) in [
        json!([]),
        json!({ "main": 1 }),
        json!({ "main": [1] }),
        json!({ "main": [[]] }),
        json!({ "main": [{ "call": 1 }] }),
        json!({ "main": [{ "call": "Sleep", "ms": [] }] }),
        json!({ "main": [{ "call": "Sleep", "ms": null }] }),
        json!({ "main": [{ "repeat": "often", "steps": [] }] }),
        json!({ "main": { "steps": [], "start": true } }),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("wrong_types_{index}");
        assert_text_refused(&name, scenario(threads).to_string(), &["scenario.json:1:"]);
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let numbers = ["-1", "4294967295", "1e400", "-0.5", "99999999999999999999999999", "1.5"];
    let text = scenario(&json!({ "main": [{ "call": "Sleep", "ms": 777 }] })).to_string();
    for (index, number) in numbers.iter().enumerate() {
        let name = format!("numbers_out_of_range_{index}");
        assert_text_refused(&name, text.replace("777", number), &[number]);
    }
    let text = text.replace("\"title\"", "\"machine\":{\"processors\":777},\"title\"");
    for (index, number) in ["0", "65", "-2", "1e9"].iter().enumerate() {
        let name = format!("processors_out_of_range_{index}");
        assert_text_refused(&name, text.replacen("777", number, 1), &[number]);
    }
}

#[test]
fn deep_nesting_is_refused() {
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    assert_text_refused("deep_lists", format!("{open}{close}"), &["128 deep"]);
    assert_text_refused("deep_open_lists", &open, &["128 deep"]);
    assert_text_refused("deep_objects", "{\"a\":".repeat(10_000), &["128 deep"]);
    let (open, close) = ("{\"repeat\":2,\"steps\":[".repeat(10_000), "]}".repeat(10_000));
    let text = scenario(&json!({ "main": ["777"] })).to_string();
    let text = text.replace("\"777\"", &format!("{open}{close}"));
    assert_text_refused("deep_repeats", text, &["128 deep"]);
}

#[test]
fn deep_nesting_in_a_trace_is_refused() {
    let folder = Folder::new("deep_nesting_in_a_trace");
    let header = r#"{"alertable":1,"kind":"trace","level":"full","source":"#;
    let deep = "{\"a\":".repeat(10_000);
    let path = folder.file("header.jsonl", format!("{header}{deep}"));
    for verb in ["replay", "check"] {
        assert_refused(alertable([verb, path.to_str().unwrap()]), &["header.jsonl:1:", "128 deep"]);
    }
    let valid = folder.path("trace.jsonl");
    alertable(["run", VALID, "--trace", valid.to_str().unwrap()]).ends_with(0);
    let event = format!("{{\"n\":0,\"t\":0,\"ev\":{}", "[".repeat(10_000));
    let mut lines: Vec<String> =
        fs::read_to_string(&valid).unwrap().lines().map(str::to_owned).collect();
    lines[1] = event;
    let path = folder.file("event.jsonl", lines.join("\n"));
    for verb in ["replay", "check"] {
        let ran = alertable([verb, path.to_str().unwrap()]);
        assert_bounded(&ran, REFUSAL_BYTES_MAX);
        assert!(ran.status == 1 || ran.status == 2, "{ran}");
    }
}

#[test]
fn huge_file_is_refused_unread() {
    let folder = Folder::new("huge_file_is_refused_unread");
    for (name, start) in [("zeros.json", ""), ("scenario.json", valid_text().as_str())] {
        let path = folder.file(name, start);
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
        for verb in ["run", "explore"] {
            let ran = alertable([verb, path.to_str().unwrap()]);
            assert_refused(ran, &[name, "larger than 16 MiB"]);
        }
        for verb in ["check", "replay"] {
            assert_refused(alertable([verb, path.to_str().unwrap()]), &[name]);
        }
    }
}

#[test]
fn huge_line_of_a_trace_is_not_read() {
    let folder = Folder::new("huge_line_of_a_trace_is_not_read");
    let path = folder.path("trace.jsonl");
    let trace = path.to_str().unwrap();
    alertable(["run", VALID, "--trace", trace]).ends_with(0);
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    for verb in ["replay", "check"] {
        let ran = alertable([verb, trace]);
        assert_bounded(&ran, REFUSAL_BYTES_MAX);
        assert!(ran.status == 1 || ran.status == 2, "{ran}");
    }
}

#[cfg(unix)]
#[test]
fn endless_file_is_refused() {
    for verb in ["run", "explore", "check", "replay"] {
        assert_refused(alertable([verb, "/dev/zero"]), &["/dev/zero"]);
    }
}

#[cfg(unix)]
#[test]
fn folders_that_link_to_themselves_are_judged_once() {
    let folder = Folder::new("folders_that_link_to_themselves");
    folder.file("scenario.json", valid_text());
    std::os::unix::fs::symlink(folder.path(""), folder.path("again")).unwrap();
    let ran = alertable(["check", folder.path("").to_str().unwrap(), "--json"]).ends_with(0);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["documents"].as_array().unwrap().len(), 1);
}

#[test]
fn handles_of_each_other_are_refused() {
    let mut text = scenario(&json!({ "main": [] }));
    let handle = |of: &str| json!({ "type": "handle", "of": of });
    text["objects"] = json!({ "a": handle("b"), "b": handle("c"), "c": handle("a") });
    assert_text_refused("handles_of_each_other", text.to_string(), &["handle of itself"]);
}

#[test]
fn names_and_titles_of_any_kind_are_told_in_one_line() {
    let folder = Folder::new("names_of_any_kind");
    let name = "\u{1b}[31m\u{202e}\u{0}line\nend";
    let mut file = fs::File::create(folder.path("scenario.json")).unwrap();
    let text = scenario(&json!({ "main": [{ "call": name }] })).to_string();
    file.write_all(text.as_bytes()).unwrap();
    let ran = alertable(["run", folder.path("scenario.json").to_str().unwrap()]);
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains('\u{0}'), "{ran}");
    assert_refused(ran, &["unknown call"]);
}

#[test]
fn more_objects_of_kernel_mode_than_have_numbers_are_refused() {
    let system = json!({ "mode": "system", "steps": [] });
    let with = |count: usize, object: &Value| {
        let objects: serde_json::Map<String, Value> =
            (0..count).map(|at| (format!("o{at}"), object.clone())).collect();
        let text = json!({
            "alertable": 1,
            "kind": "scenario",
            "title": "Many",
            "objects": objects,
            "routines": { "R": [] },
            "threads": { "s": system },
        });
        text.to_string()
    };
    let kapc = json!({ "type": "kapc", "thread": "s" });
    let dpc = json!({ "type": "dpc", "routine": "R" });
    assert_text_refused("too_many_kapcs", with(251, &kapc), &["more than 250 objects of a kind"]);
    assert_text_refused("too_many_dpcs", with(250, &dpc), &["more than 250", "DPCs"]);
    let folder = Folder::new("many_dpcs");
    let path = folder.file("scenario.json", with(249, &dpc));
    alertable(["run", path.to_str().unwrap()]).ends_with(0);
}

#[test]
fn calls_that_code_cannot_make_where_it_is_are_refused_with_the_place() {
    let system = |steps: Value| json!({ "mode": "system", "steps": steps });
    let with = |objects: Value, thread: Value| {
        let text = json!({
            "alertable": 1,
            "kind": "scenario",
            "title": "Misplaced",
            "objects": objects,
            "routines": { "R": [] },
            "threads": { "worker": thread },
        });
        text.to_string()
    };
    let none = || json!({});
    let device = json!({ "d": { "type": "device", "model": "hold" }, "i": { "type": "irp" } });
    let driver = json!({ "d": { "type": "device", "model": "driver", "dispatch": "R" } });
    let cases = [
        (none(), system(json!([{ "call": "Return" }])), "`worker` is a thread: only a routine"),
        (none(), json!([{ "call": "KeGetCurrentIrql" }]), "`worker` runs in user mode"),
        (none(), system(json!([{ "call": "Sleep", "ms": 0 }])), "`worker` runs in kernel mode"),
        (
            device,
            system(json!([{ "call": "IoCallDriver", "irp": "i", "device": "d" }])),
            "`d`, which is the device of no driver",
        ),
        (
            driver,
            system(json!([{ "call": "IoRequestDpc", "device": "d" }])),
            "`d`, which has no \"dpc\"",
        ),
        (
            none(),
            system(json!([{ "call": "KeStackAttachProcess", "process": "nowhere" }])),
            "`nowhere`, which no thread or handle names",
        ),
    ];
    for (at, (objects, thread, part)) in cases.into_iter().enumerate() {
        assert_text_refused(&format!("misplaced_{at}"), with(objects, thread), &[part]);
    }
}
