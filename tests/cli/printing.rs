//! How it is printed: rules, schemas, colours, widths, pipes.

use super::*;

#[test]
fn rules_are_listed_and_told_one_by_one() {
    assert!(alertable(["rules"]).ends_with(0).stdout.contains("APC-U-03"));
    assert!(alertable(["rules", "apc-u-03"]).ends_with(0).stdout.starts_with("APC-U-03"));
    assert!(alertable(["rules", "apc-lifo"]).ends_with(0).stdout.starts_with("apc-lifo"));
    let listed = document(&alertable(["rules", "--json"]).ends_with(0));
    let fields = ["id", "statement", "sources", "confidence", "missing"];
    assert!(listed.as_array().unwrap().len() > 100);
    for rule in listed.as_array().unwrap() {
        assert_fields(rule, &fields);
    }
    let one = document(&alertable(["rules", "APC-U-03", "--json"]).ends_with(0));
    assert_eq!(one["id"], "APC-U-03");
    for list in ["--missing", "--deviations", "--invariants"] {
        alertable(["rules", list]).ends_with(0);
        assert!(document(&alertable(["rules", list, "--json"]).ends_with(0)).is_array());
    }
}

#[test]
fn coverage_gives_1_when_rules_are_missed() {
    let all = document(&alertable(["rules", "--coverage", SCENARIOS, "--json"]).ends_with(0));
    assert!(all["missed"].as_array().unwrap().is_empty());
    let one = document(&alertable(["rules", "--coverage", MET, "--json"]).ends_with(1));
    assert_eq!(one["scenarios"], 1);
    assert!(!one["missed"].as_array().unwrap().is_empty());
    assert!(!one["exercised"].as_array().unwrap().is_empty());
    assert_error(alertable(["rules", "--coverage", BAD]), &[BAD, "8:16"]);
}

#[test]
fn schemas_are_schemas() {
    for kind in ["scenario", "outcome", "trace"] {
        let schema = document(&alertable(["schema", kind]).ends_with(0));
        assert_fields(&schema, &["$schema", "title"]);
        assert_eq!(schema, document(&alertable(["schema", kind, "--json"]).ends_with(0)));
    }
}

#[test]
fn nothing_is_coloured_away_from_a_terminal() {
    let folder = Folder::new("nothing_is_coloured_away_from_a_terminal");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    let wrong = text(&wrong);
    let calls: [&[&str]; 9] = [
        &["run", MET],
        &["explore", MET, wrong],
        &["check", MET, wrong, BAD],
        &["replay", MET],
        &["rules"],
        &["rules", "APC-U-03"],
        &["rules", "--coverage", MET],
        &["--help"],
        &["bogus"],
    ];
    for call in calls {
        let mut command = command();
        command.args(call).env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        let ran = program::run(&mut command);
        assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'), "{ran}");
    }
}

#[test]
fn text_is_no_wider_than_the_terminal() {
    assert_fits(&["rules"]);
    assert_fits(&["rules", "APC-U-03"]);
}

#[test]
fn results_and_lists_are_no_wider_than_the_terminal() {
    assert_fits(&["rules", "--deviations"]);
    assert_fits(&["rules", "--invariants"]);
    assert_fits(&["run", MET]);
    assert_fits(&["explore", MET]);
}

#[track_caller]
fn assert_fits(arguments: &[&str]) {
    let ran = program::run(command().args(arguments).env("COLUMNS", "72"));
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= 72, "{arguments:?}: {line:?}");
    }
}

#[test]
fn reader_that_goes_away_is_no_panic() {
    let folder = Folder::new("reader_that_goes_away_is_no_panic");
    let race = folder.file("race.json", scenarios::race());
    let race = text(&race);
    let calls: [&[&str]; 7] = [
        &["rules"],
        &["rules", "--json"],
        &["schema", "scenario"],
        &["run", MET],
        &["--help"],
        &["explore", race, "--outcomes", "1000000"],
        &["explore", race, "--json"],
    ];
    for call in calls {
        let mut child = command()
            .args(call)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "", "{call:?}");
        assert_ne!(output.status.code(), Some(101), "{call:?}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_to_head_are_quiet() {
    let program = env!("CARGO_BIN_EXE_alertable");
    let line = format!("\"{program}\" rules | head -n 1");
    let ran = program::run(Command::new("sh").args(["-c", &line])).ends_with(0);
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, ""), "{ran}");
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_not_taken_for_success() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command().args(["explore", MET]).stdout(full).status().unwrap();
    assert_ne!(status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn traces_are_written_whole_or_not_at_all() {
    let ran = alertable(["run", MET, "--trace", "/dev/full/trace"]);
    assert_error(ran, &["/dev/full/trace"]);
}
