//! Traces, written and replayed.

use super::*;

#[test]
fn traces_replay_byte_for_byte() {
    let folder = Folder::new("traces_replay_byte_for_byte");
    let race = folder.file("race.json", scenarios::race());
    for scenario in [MET, text(&race)] {
        for (policy, seed) in [("random", "0"), ("random", "7"), ("pct", "7"), ("round-robin", "0")]
        {
            let path = folder.path("trace.jsonl");
            let path = text(&path);
            alertable(["run", scenario, "--policy", policy, "--seed", seed, "--trace", path])
                .ends_with(0);
            let replayed = document(&alertable(["replay", path, "--json"]).ends_with(0));
            assert_eq!(replayed["same"], true);
            assert_fields(&replayed, &["file", "events"]);
            let ran = alertable(["replay", path]).ends_with(0);
            assert!(ran.stdout.starts_with("same  "), "{ran}");
            alertable(["check", path]).ends_with(0);
        }
    }
}

#[test]
fn same_run_writes_the_same_trace() {
    let folder = Folder::new("same_run_writes_the_same_trace");
    let write = |name: &str| {
        let path = folder.path(name);
        alertable(["run", MET, "--seed", "4", "--trace", text(&path)]).ends_with(0);
        fs::read(&path).unwrap()
    };
    assert_eq!(write("one.jsonl"), write("other.jsonl"));
}

#[test]
fn traces_of_deviations_and_free_time_replay() {
    let folder = Folder::new("traces_of_deviations_and_free_time_replay");
    let path = folder.path("trace.jsonl");
    let path = text(&path);
    // The deviation breaks an invariant, so that the runs that meet it end with 1.
    for behaviour in [["--time", "free"], ["--deviation", "apc-lifo"], ["--dialect", "wine-8.0"]] {
        for seed in ["0", "1", "2"] {
            let arguments = ["run", MET, "--trace", path, "--seed", seed];
            let ran = alertable(arguments.iter().chain(&behaviour));
            assert!(ran.status == 0 || ran.status == 1, "{ran}");
            alertable(["replay", path]).ends_with(0);
        }
    }
}

#[test]
fn tampered_traces_give_1() {
    let folder = Folder::new("tampered_traces_give_1");
    let path = folder.path("trace.jsonl");
    alertable(["run", MET, "--trace", text(&path)]).ends_with(0);
    let trace = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let last = lines.len() - 1;
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
        kept.flat_map(|(_, line)| [*line, "\n"]).collect::<String>()
    };
    let mut tampered = vec![format!("{trace}{}\n", lines[last]), format!("{trace}\n")];
    tampered.extend((1..=last).map(without));
    tampered.push(trace.replace("\"t\":0,", "\"t\":1,"));
    tampered.push(trace.replacen("\"ev\":\"return\"", "\"ev\": \"return\"", 1));
    tampered.push(trace.trim_end().to_owned());
    for (index, text_of_it) in tampered.iter().enumerate() {
        let path = folder.file(&format!("{index}.jsonl"), text_of_it);
        let ran = alertable(["replay", text(&path)]).ends_with(1);
        assert!(ran.stdout.starts_with("different  "), "{ran}");
        let ran = alertable(["replay", "--json", text(&path)]).ends_with(1);
        let replayed = document(&ran);
        assert_eq!(replayed["same"], false);
        assert!(replayed["line"].is_u64(), "{replayed}");
        alertable(["check", text(&path)]).ends_with(1);
    }
}

#[test]
fn choices_that_do_not_exist_give_1() {
    let folder = Folder::new("choices_that_do_not_exist_give_1");
    let path = folder.path("trace.jsonl");
    alertable(["run", MET, "--trace", text(&path)]).ends_with(0);
    let trace = fs::read_to_string(&path).unwrap();
    let start = trace.find("\"picked\":").unwrap() + "\"picked\":".len();
    for pick in ["99", "-1", "1.5", "null", "18446744073709551616"] {
        let path = folder.file("tampered.jsonl", {
            format!("{}{pick}{}", &trace[..start], &trace[start + 1..])
        });
        let ran = alertable(["replay", text(&path)]);
        assert!(ran.status == 1 || ran.status == 2, "{pick}: {ran}");
    }
}

/// A trace whose header says one thing differently.
fn with_header(folder: &Folder, said: &str, instead: &str) -> Ran {
    let path = folder.path("trace.jsonl");
    alertable(["run", MET, "--seed", "3", "--trace", text(&path)]).ends_with(0);
    let trace = fs::read_to_string(&path).unwrap();
    assert!(trace.contains(said), "{said} is in {trace}");
    let path = folder.file("tampered.jsonl", trace.replacen(said, instead, 1));
    alertable(["replay", text(&path)])
}

#[test]
fn unknown_names_in_the_header_of_a_trace_give_2() {
    let folder = Folder::new("unknown_names_in_the_header");
    let ran = with_header(&folder, "\"deviations\":[]", "\"deviations\":[\"apc-life\"]");
    assert_error(ran, &["apc-life"]);
    let ran = with_header(&folder, "\"level\":\"full\"", "\"level\":\"fulll\"");
    assert_error(ran, &[":1:", "\"fulll\"", "did you mean \"full\"?"]);
    let ran = with_header(&folder, "\"system\":\"alertable\"", "\"system\":\"wine\"");
    assert_error(ran, &["\"alertable\""]);
}

#[test]
fn nonsense_in_the_header_of_a_trace_is_not_taken_for_a_default() {
    let folder = Folder::new("nonsense_in_the_header");
    for (said, instead) in [
        ("\"time\":\"urgent\"", "\"time\":\"later\""),
        ("\"processors\":2", "\"processors\":300"),
        ("\"deviations\":[]", "\"deviations\":\"apc-lifo\""),
        ("\"step_limit\":10000", "\"step_limit\":\"x\""),
    ] {
        assert_ne!(with_header(&folder, said, instead).status, 0, "{instead}");
    }
}

#[test]
fn replay_refuses_what_is_no_full_trace() {
    let folder = Folder::new("replay_refuses_what_is_no_full_trace");
    let header = r#"{"alertable":1,"kind":"trace","level":"api","source":{"system":"wine"},"#;
    let captured = folder.file("captured.jsonl", format!("{header}\"scenario\":null}}\n"));
    assert_error(alertable(["replay", text(&captured)]), &["full"]);
    assert_error(alertable(["replay", MET]), &[MET]);
    assert_error(alertable(["run", OBSERVED]), &[OBSERVED, "observation"]);
}
