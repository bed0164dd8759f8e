//! Long explorations survive: killed at any moment, and taken up again, they come to the report of
//! one that nobody disturbed. Files that are no checkpoint of just this are refused.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;
#[path = "support/scenarios.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod scenarios;

use alertable::engine::rng::Rng;
use program::{Folder, Ran, command, run};
use scenarios::ring;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Threads that queue APCs to each other in a ring, and two that lock in opposite orders: many
/// states, many outcomes, a deadlock.
fn scenario(thread_count: usize, apc_count: usize) -> String {
    let lock =
        |object: &str| json!({ "call": "WaitForSingleObject", "object": object, "ms": "INFINITE" });
    let mut scenario = ring(thread_count, apc_count);
    for (name, order) in [("a", ["m", "n"]), ("b", ["n", "m"])] {
        scenario["threads"][name] = Value::Array(order.map(lock).to_vec());
    }
    scenario["objects"] = json!({ "m": { "type": "mutex" }, "n": { "type": "mutex" } });
    scenario["expect"] = json!({ "sometimes": [{ "end": "blocked" }] });
    scenario.to_string()
}

/// Exploring a scenario under a deviation that breaks an invariant.
fn explore(scenario: &Path, options: &[&str]) -> Command {
    let mut command = command();
    command.args(["explore", "--json", "--no-reduction", "--deviation", "apc-lifo"]);
    command.arg(scenario).args(options);
    command
}

/// What a report says, but for the time and memory that it took.
#[track_caller]
fn report(ran: &Ran) -> Value {
    let mut report: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    report["seconds"] = Value::Null;
    report["peak_bytes"] = Value::Null;
    report
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_search_that_is_killed_twenty_times_comes_to_the_same_report() {
    let folder = Folder::new("a_search_that_is_killed");
    let scenario = folder.file("scenario.json", scenario(4, 2));
    let undisturbed = run(&mut explore(&scenario, &["--threads", "1"])).ends_with(1);
    let expected = report(&undisturbed);
    assert_eq!(expected["complete"], true);
    assert!(expected["outcomes"].as_array().unwrap().len() > 10, "{undisturbed}");
    assert!(!expected["deadlocks"].as_array().unwrap().is_empty(), "{undisturbed}");
    assert!(!expected["violations"].as_array().unwrap().is_empty(), "{undisturbed}");
    let file = folder.path("checkpoint");
    let mut moments = Rng::new(6);
    let mut states = Vec::new();
    for life in 0..20 {
        let threads = ["1", "2", "3"][life % 3];
        let mut options = vec!["--threads", threads, "--checkpoint", text(&file)];
        options.extend(["--checkpoint-every", "0.02"]);
        // It may have been killed before there was anything to go on from.
        if file.exists() {
            options.extend(["--resume", text(&file)]);
        }
        let lifetime = undisturbed.duration.as_millis() as usize / 10;
        let moment = Duration::from_millis(1 + moments.below(lifetime.clamp(100, 400)) as u64);
        let start = Instant::now();
        let mut child = explore(&scenario, &options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment.saturating_sub(start.elapsed()));
        child.kill().unwrap();
        child.wait().unwrap();
        states.push(file.exists().then(|| state_count(&file)));
    }
    // It got on between the moments, and never lost what it had.
    assert!(states.is_sorted(), "{states:?}");
    assert!(states[19] > states[0] && states[19] > Some(1), "{states:?}");
    for threads in ["1", "2"] {
        let ran = run(&mut explore(&scenario, &["--threads", threads, "--resume", text(&file)]));
        assert_eq!(report(&ran.ends_with(1)), expected);
    }
}

/// How many states a checkpoint has: its head is between 40 bytes and the fingerprints.
fn state_count(file: &Path) -> u64 {
    let bytes = fs::read(file).unwrap();
    let head = head(&bytes);
    assert_eq!(head["states"], word(&bytes, 40 + word(&bytes, 32) as usize));
    head["states"].as_u64().unwrap()
}

fn head(bytes: &[u8]) -> Value {
    serde_json::from_slice(&bytes[40..][..word(bytes, 32) as usize]).unwrap()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn a_search_that_met_its_limit_goes_on_with_a_higher_one() {
    let folder = Folder::new("a_search_that_met_its_limit");
    let scenario = folder.file("scenario.json", scenario(3, 2));
    let expected = report(&run(&mut explore(&scenario, &[])).ends_with(1));
    let file = folder.path("checkpoint");
    let first = ["--limit-states", "500", "--checkpoint", text(&file)];
    // What is broken is known all the same.
    let cut = report(&run(&mut explore(&scenario, &first)).ends_with(1));
    assert_eq!(cut["complete"], false);
    assert!(state_count(&file) >= 500);
    let more = ["--memory", "0", "--resume", text(&file), "--checkpoint", text(&file)];
    let cut = report(&run(&mut explore(&scenario, &more)).ends_with(1));
    assert_eq!(cut["complete"], false);
    let rest = ["--resume", text(&file), "--checkpoint", text(&file)];
    assert_eq!(report(&run(&mut explore(&scenario, &rest)).ends_with(1)), expected);
    // What is complete is so at once.
    assert_eq!(report(&run(&mut explore(&scenario, &rest)).ends_with(1)), expected);
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_was_done() {
    let folder = Folder::new("an_interrupt_keeps_what_was_done");
    let scenario = folder.file("scenario.json", scenario(4, 4));
    let file = folder.path("checkpoint");
    let child = explore(&scenario, &["--checkpoint", text(&file)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let (printed, _) = interrupted(child);
    assert_eq!(printed["complete"], false);
    assert_eq!(printed["states"], state_count(&file));
}

/// What a process says, and its exit status, when it is asked once to end.
#[cfg(unix)]
fn interrupted(child: std::process::Child) -> (Value, Option<i32>) {
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_look_for_what_goes_on_for_ever() {
    let folder = Folder::new("an_interrupt_ends_the_look");
    let scenario = folder.file("scenario.json", ring(6, 3).to_string());
    let file = folder.path("checkpoint");
    let child = command()
        .args(["explore", "--json", "--liveness", "--checkpoint", text(&file), text(&scenario)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The look begins when the search is done, which its last checkpoint tells.
    let start = Instant::now();
    while !file.exists() || has_more(&file) {
        assert!(start.elapsed() < Duration::from_secs(60), "the search does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (printed, status) = interrupted(child);
    assert_eq!((&printed["complete"], status), (&json!(true), Some(3)), "{printed}");
    assert_eq!(printed["liveness"]["complete"], false);
    assert!(printed["liveness"]["states"].as_u64().unwrap() > 0, "{printed}");
}

/// Whether there is something left to do from a checkpoint on.
#[cfg(unix)]
fn has_more(file: &Path) -> bool {
    head(&fs::read(file).unwrap())["open"].as_array().is_none_or(|open| !open.is_empty())
}

#[track_caller]
fn assert_refused(ran: Ran, part: &str) {
    let ran = ran.ends_with(2);
    assert!(ran.stdout.is_empty() && ran.stderr.contains(part), "{part:?}: {ran}");
}

#[test]
fn what_is_no_checkpoint_of_just_this_is_refused() {
    let folder = Folder::new("what_is_no_checkpoint_of_just_this");
    let original = folder.file("scenario.json", scenario(2, 2));
    let file = folder.path("checkpoint");
    run(&mut explore(&original, &["--limit-states", "50", "--checkpoint", text(&file)]));
    let resume = |file: &Path, options: &[&str]| {
        let mut all = vec!["--resume", text(file)];
        all.extend(options);
        run(&mut explore(&original, &all))
    };
    resume(&file, &[]).ends_with(1);
    let whole = fs::read(&file).unwrap();
    let refused = |bytes: &[u8], part: &str| {
        assert_refused(resume(&folder.file("changed", bytes), &[]), part);
    };
    refused(b"", "no checkpoint");
    refused(b"{}", "no checkpoint");
    refused(&fs::read(&original).unwrap(), "no checkpoint");
    for length in [10, 22, 40, whole.len() / 2, whole.len() - 1] {
        assert_refused(resume(&folder.file("changed", &whole[..length]), &[]), "checkpoint");
    }
    refused(&whole[..whole.len() - 8], "not whole");
    refused(&[&whole[..], b"\n"].concat(), "not whole");
    for at in [24, 32, 39, 41, 200, whole.len() - 100, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert_refused(resume(&folder.file("changed", &bytes), &[]), "checkpoint");
    }
    let mut newer = whole.clone();
    newer[20] += 1;
    refused(&newer, "the form 2");
    assert_refused(resume(&folder.path("missing"), &[]), "o such file");
    assert_refused(resume(&file, &["--time", "free"]), "--time");
    assert_refused(resume(&file, &["--deviation", "apc-life"]), "did you mean");
    assert_refused(resume(&file, &["--deviation", "apc-at-plain-wait"]), "--deviation");
    assert_refused(resume(&file, &["--limit-steps", "7"]), "--limit-steps");
    let other = folder.file("other.json", scenario(2, 3));
    let ran = run(&mut explore(&other, &["--resume", text(&file)]));
    assert_refused(ran, "another scenario");
}

#[test]
fn another_version_of_the_program_is_refused() {
    let folder = Folder::new("another_version_of_the_program");
    let scenario = folder.file("scenario.json", scenario(2, 2));
    let file = folder.path("checkpoint");
    run(&mut explore(&scenario, &["--checkpoint", text(&file)]));
    let mut bytes = fs::read(&file).unwrap();
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let at = bytes.windows(version.len()).position(|window| window == version.as_bytes()).unwrap();
    bytes[at + version.len() - 2] ^= 1;
    // Whoever changes a checkpoint so can make its sum right too.
    let end = bytes.len() - 8;
    let sum = bytes[..end].iter().fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    let changed = folder.file("changed", bytes);
    let ran = run(&mut explore(&scenario, &["--resume", text(&changed)]));
    assert_refused(ran, "another version");
}

#[test]
fn checkpoints_that_cannot_be_written_are_known_before_the_search() {
    let folder = Folder::new("checkpoints_that_cannot_be_written");
    let scenario = folder.file("scenario.json", scenario(5, 5));
    let missing = folder.path("no-such-folder/checkpoint");
    let ran = run(&mut explore(&scenario, &["--checkpoint", text(&missing)]));
    assert_refused(ran, "no-such-folder");
    let many = [text(&scenario), "--checkpoint", text(&missing)];
    assert_refused(run(&mut explore(&scenario, &many)), "one scenario");
}
