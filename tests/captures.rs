//! What real systems were captured doing: the importers read it, and the machine explains it.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
mod program;

use alertable::object::{ObjectChecker, ObjectOptions, ObjectReport};
use alertable_models::deviation::dialect;
use alertable_traces::import::wine_server::Importer;
use program::{Folder, alertable, root};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

const CAPTURES: &str = "traces/corpus/captures/wine-server";

fn captures() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(root().join(CAPTURES)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_capture_is_explained_whole_under_its_own_dialect() {
    assert_eq!(captures().len(), 6);
    for file in captures() {
        let ran = alertable(["check", "--dialect", "wine-8.0", "--json", text(&file)]);
        assert_eq!(ran.status, 0, "{}", ran.stdout);
        let document = &json(&ran.stdout)["documents"][0];
        assert_eq!(document["judgement"], "explained");
        assert_eq!(document["unexplained"], Value::Array(Vec::new()));
        assert!(document["events"].as_u64().unwrap() > 10_000, "{document}");
    }
}

#[test]
fn what_programs_on_wine_wrote_down_is_explained() {
    let folder = "traces/corpus/captures/wine-api";
    let count = fs::read_dir(root().join(folder)).unwrap().count();
    assert!(count >= 12, "{count}");
    for dialect in ["windows", "wine-8.0"] {
        let ran = alertable(["check", "--dialect", dialect, "--json", folder]);
        assert_eq!(ran.status, 0, "{}", ran.stdout);
        let documents = json(&ran.stdout)["documents"].as_array().unwrap().clone();
        assert_eq!(documents.len(), count);
        for document in documents {
            assert_eq!(document["judgement"], "explained", "{document}");
            assert!(document["events"].as_u64().unwrap() >= 8, "{document}");
        }
    }
}

#[test]
fn a_capture_as_a_trace_says_the_same() {
    let folder = Folder::new("as-a-trace");
    let log = &captures()[0];
    let trace = folder.path("trace.jsonl");
    let imported = alertable(["import", "wine-server", text(log), "--json", "--out", text(&trace)]);
    assert_eq!(imported.status, 0);
    let report = json(&imported.stdout);
    assert_eq!(report["broken_lines"], 0);
    let (direct, by_trace) = (
        json(&alertable(["check", "--dialect", "wine-8.0", "--json", text(log)]).stdout),
        json(&alertable(["check", "--dialect", "wine-8.0", "--json", text(&trace)]).stdout),
    );
    for part in ["events", "counts", "rules", "judgement", "dialect"] {
        assert_eq!(direct["documents"][0][part], by_trace["documents"][0][part], "{part}");
    }
    assert_eq!(report["events"], by_trace["documents"][0]["events"]);
}

/// A log in which a manual-reset event has two waiters, and a second event one.
const LOG: &str = r"0024: init_first_thread( unix_pid=1 )
0024: init_first_thread() = 0 { pid=0020, tid=0024 }
0024: create_event( access=001f0003, manual_reset=0, initial_state=0, objattr={} )
0024: create_event() = 0 { handle=0004 }
0024: new_thread( process=ffffffff, access=001fffff, flags=00000000, request_fd=1, objattr={} )
0024: new_thread() = 0 { tid=0028, handle=0008 }
0024: new_thread( process=ffffffff, access=001fffff, flags=00000000, request_fd=1, objattr={} )
0024: new_thread() = 0 { tid=002c, handle=000c }
0028: select( flags=2, cookie=1, timeout=infinite, size=8, prev_apc=0000, result={}, data={WAIT,handles={0004}}, contexts={} )
0028: select() = PENDING { call={APC_NONE}, apc_handle=0000, signaled=0, contexts={} }
002c: select( flags=2, cookie=1, timeout=infinite, size=8, prev_apc=0000, result={}, data={WAIT,handles={0004}}, contexts={} )
002c: select() = PENDING { call={APC_NONE}, apc_handle=0000, signaled=0, contexts={} }
0024: event_op( handle=0004, op=1 )
WOKEN
0024: event_op() = 0 { state=0 }
0024: close_handle( handle=0004 )
0024: close_handle() = 0
";

fn check_log(name: &str, woken: &str, more: &[&str]) -> program::Ran {
    let folder = Folder::new(name);
    let file = folder.file("small.wineserver.log", LOG.replace("WOKEN", woken));
    let arguments = ["check", "--dialect", "wine-8.0", text(&file)];
    alertable(arguments.iter().chain(more))
}

#[test]
fn what_is_not_explained_is_said_with_its_reasons() {
    let right = check_log("right", "0028: *wakeup* signaled=0", &[]);
    assert_eq!(right.status, 0, "{}", right.stdout);
    let wrong = check_log("newest-first", "002c: *wakeup* signaled=0", &[]);
    assert_eq!(wrong.status, 1);
    for part in [
        "small.wineserver.log:15",
        "the wait of thread 002c ended with STATUS_SUCCESS",
        "allowed: the wait of thread 0028 ends with STATUS_SUCCESS",
        "event:1: auto-reset event, not signaled; waited for by 002c",
        "WAIT-49",
        "explained with newest-waiter-first",
    ] {
        assert!(wrong.stdout.contains(part), "{part}\n{}", wrong.stdout);
    }
    let both = "0028: *wakeup* signaled=0\n002c: *wakeup* signaled=0";
    let both = check_log("both", both, &["--json"]);
    let difference = &json(&both.stdout)["documents"][0]["difference"];
    assert_eq!(difference["explained_by"][0]["deviation"], "auto-reset-releases-all");
    assert_eq!((both.status, &difference["line"]), (1, &Value::from(16)));
}

#[test]
fn checking_goes_on_if_asked_to() {
    let none = check_log("none", "", &["--keep-going", "--json"]);
    let document = &json(&none.stdout)["documents"][0];
    assert_eq!(none.status, 1);
    assert_eq!(document["unexplained"][0]["kind"], "a wait did not end that should have");
    assert_eq!(document["unexplained"][0]["count"], 1);
}

#[test]
fn a_cut_capture_is_still_explained() {
    // What existed before is not known, and what follows is consistent with it.
    for (at, file) in captures().into_iter().enumerate() {
        let log = fs::read(&file).unwrap();
        let mut text = String::new();
        let mut unpacked = alertable_traces::import::input::unpacked(&log[..], None).unwrap();
        unpacked.read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for first in [1, 777 + 131 * at, 6_000 + 97 * at, 12_000] {
            let report = followed(&lines[first..]);
            let difference = report.difference;
            assert!(difference.is_none(), "{} from line {first}: {difference:#?}", file.display());
        }
    }
}

fn followed(lines: &[&str]) -> ObjectReport {
    let options = ObjectOptions::new(dialect("wine-8.0").unwrap().deviations);
    let mut checker = ObjectChecker::new(options);
    let mut importer = Importer::new();
    for line in lines {
        importer.line(line);
        for event in importer.take_events() {
            checker.event(event, 0);
        }
    }
    checker.finish()
}

#[test]
fn what_is_kept_does_not_grow_with_the_trace() {
    let mut importer = Importer::new();
    let mut checker =
        ObjectChecker::new(ObjectOptions::new(dialect("wine-8.0").unwrap().deviations));
    let mut kept = 0;
    for round in 0..600 {
        let ends =
            "0028: *killed* exit_code=0\n002c: *killed* exit_code=0\n0024: *killed* exit_code=0\n";
        let log = LOG.replace("WOKEN", "0028: *wakeup* signaled=0") + ends;
        for line in log.lines() {
            importer.line(line);
            for event in importer.take_events() {
                assert!(checker.event(event, 0), "{:#?}", checker.finish().difference);
            }
        }
        if round == 0 {
            kept = checker.kept();
        }
    }
    assert_eq!(checker.kept(), kept);
}

#[test]
fn bad_input_is_one_error() {
    let folder = Folder::new("bad-capture");
    let packed = fs::read(&captures()[0]).unwrap();
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("cut.wineserver.log.xz", packed[..packed.len() / 2].to_vec(), "cannot be read after line"),
        ("garbage.wineserver.log", vec![0xAA; 100_000], "there is no line of a Wine server log"),
        ("long.wineserver.log", vec![b'0'; 2_000_000], "this line has more than 1048576 bytes"),
        ("empty.wineserver.log", Vec::new(), "there is no line of a Wine server log"),
    ];
    for (name, bytes, message) in cases {
        let file = folder.file(name, bytes);
        let ran =
            alertable(["import", "wine-server", text(&file), "--out", text(&folder.path("o"))]);
        let ran = ran.ends_with(2);
        assert!(ran.stderr.contains(message), "{name}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("error").count(), 1, "{name}: {}", ran.stderr);
        assert!(!folder.path("o").exists(), "{name}: nothing is written");
    }
}
