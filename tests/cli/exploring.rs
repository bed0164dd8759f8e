//! What `explore` finds, and how it says so.

use super::*;

#[test]
fn explore_says_that_expectations_are_met() {
    let ran = alertable(["explore", MET]).ends_with(0);
    assert!(ran.stdout.starts_with("met  "), "{ran}");
    assert_eq!(ran.stderr, "");
}

/// The fields of an exploration; what came to the page later stands last.
const EXPLORED_FIELDS: [&str; 14] = [
    "scenario",
    "file",
    "complete",
    "states",
    "transitions",
    "reduced",
    "outcomes",
    "violations",
    "expectations",
    "failures",
    "seconds",
    "peak_bytes",
    "deadlocks",
    "redundant",
];

#[test]
fn explore_json_is_a_line_a_scenario() {
    let ran = alertable(["explore", "--json", MET, MET]).ends_with(0);
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.stdout.lines().count(), 2);
    for line in ran.stdout.lines() {
        let explored: Value = serde_json::from_str(line).unwrap();
        let fields: Vec<&String> = explored.as_object().unwrap().keys().collect();
        assert_eq!(fields, EXPLORED_FIELDS);
        assert_eq!(explored["file"], MET);
        assert_eq!(explored["complete"], true);
        assert_eq!(explored["expectations"], "met");
        assert_eq!(explored["outcomes"].as_array().unwrap().len(), 2);
        assert_eq!(explored["outcomes"][0]["kind"], "outcome");
        assert!(explored["states"].is_u64() && explored["transitions"].is_u64());
        assert!(explored["seconds"].is_f64() && explored["peak_bytes"].is_u64());
    }
}

#[test]
fn witness_shows_a_schedule_to_an_outcome_that_matches() {
    let ran = alertable(["explore", MET, "--witness", "second=0"]).ends_with(0);
    assert!(ran.stdout.contains("outcome 2 of 2 matches"), "{ran}");
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("second = 0"), "{run}");

    let ran = alertable(["explore", MET, "--witness", r#"{"end": "blocked"}"#]).ends_with(1);
    assert!(ran.stdout.contains("none of the 2 outcomes matches"), "{ran}");
    let json = alertable(["explore", "--json", MET, "--witness", "second=0"]).ends_with(0);
    assert_eq!(document(&json)["witness"]["outcome"], 1);
    let ran = alertable(["explore", MET, "--witness", r#"{"lables": {}}"#]).ends_with(2);
    assert!(ran.stderr.contains("did you mean \"labels\"?"), "{ran}");
}

#[test]
fn witness_says_which_rules_keep_an_outcome_away() {
    let pattern =
        r#"{"labels": {"first": "WAIT_IO_COMPLETION", "second": "WAIT_TIMEOUT"}, "apcs": {}}"#;
    let ran = alertable(["explore", "--json", MET, "--witness", pattern]).ends_with(1);
    let nearest = document(&ran)["witness"]["nearest"].clone();
    // Both outcomes have the first label only, and both run APCs; the first APC comes before the
    // second result.
    assert_eq!((&nearest["matched"], &nearest["parts"]), (&1.into(), &3.into()));
    assert_eq!(
        nearest["mismatch"].as_str().unwrap().split(" has ").next(),
        Some("thread \"worker\"")
    );
    let pattern = r#"{"labels": {"first": "WAIT_IO_COMPLETION", "second": "WAIT_TIMEOUT"}}"#;
    let ran = alertable(["explore", "--json", MET, "--witness", pattern]).ends_with(1);
    let nearest = document(&ran)["witness"]["nearest"].clone();
    assert_eq!((&nearest["matched"], &nearest["parts"]), (&1.into(), &2.into()));
    let steps = nearest["steps"].as_array().unwrap();
    let names: Vec<&Value> = steps.iter().map(|step| &step["transition"]).collect();
    // The second APC, or the time, lets the worker go on; then the worker returns.
    assert_eq!(names, ["run main", "run worker"], "{nearest:#}");
    let rules = steps[0]["rules"].as_array().unwrap();
    assert!(rules.contains(&"APC-I-13".into()), "an APC wakes an alertable waiter: {rules:?}");
    let ran = alertable(["explore", MET, "--witness", pattern]).ends_with(1);
    assert!(ran.stdout.contains("step 9, run main, goes by"), "{ran}");
    assert!(ran.stdout.contains("      APC-I-13  "), "{ran}");
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("second = WAIT_IO_COMPLETION"), "{run}");
}

/// The steps of the nearest miss that are in the way, each with its rules.
fn in_the_way(scenario: &str, pattern: &str) -> Vec<(u64, Vec<String>)> {
    let path = format!("{SCENARIOS}/{scenario}.json");
    let ran = alertable(["explore", "--json", &path, "--witness", pattern]).ends_with(1);
    let nearest = document(&ran)["witness"]["nearest"].clone();
    let rules = |step: &Value| {
        let rules = step["rules"].as_array().unwrap().iter();
        rules.map(|rule| rule.as_str().unwrap().to_owned()).collect()
    };
    let steps = nearest["steps"].as_array().unwrap().iter();
    steps.map(|step| (step["step"].as_u64().unwrap(), rules(step))).collect()
}

#[test]
fn witness_shows_only_rules_that_are_in_the_way() {
    // What lets the worker go on, and nothing of how an APC is queued or the caller ends.
    let steps = in_the_way(
        "apc/two-apcs-race-one-wait",
        r#"{"labels": {"first": "WAIT_IO_COMPLETION", "second": "WAIT_TIMEOUT"}}"#,
    );
    assert_eq!(steps[0].1, ["APC-I-13", "WAIT-10", "WAIT-13"]);
    // The step in which the waiter returns only shows what the one that signals has decided.
    let steps = in_the_way("event/apc-costs-the-place-in-line", r#"{"labels": {"two": []}}"#);
    assert_eq!(steps, [(18, vec!["WAIT-16".to_owned(), "WAIT-75".to_owned()])]);
    // A routine runs: by what delivers it, not by what its thread did before.
    let steps = in_the_way("apc/apc-not-at-plain-wait", r#"{"apcs": {}}"#);
    assert_eq!(steps[0].1, ["APC-U-01", "APC-U-06", "APC-I-19"]);
    for (scenario, pattern, rule) in [
        ("event/pulse-is-not-remembered", "after=WAIT_OBJECT_0", "WAIT-07"),
        ("mutex/waiters-are-served-in-order", "other=WAIT_OBJECT_0", "WAIT-07"),
    ] {
        let steps = in_the_way(scenario, pattern);
        let rules: Vec<&String> = steps.iter().flat_map(|(_, rules)| rules).collect();
        assert!(rules.iter().any(|other| *other == rule), "{scenario}: {rules:?}");
        // They take effect in every step of a thread.
        let always = ["APC-U-33", "WAIT-98"];
        assert!(!rules.iter().any(|rule| always.contains(&rule.as_str())), "{scenario}: {rules:?}");
    }
}

#[test]
fn witness_says_that_something_just_does_not_happen() {
    let three = r#"{"apcs": {"worker": [{"data": 1}, {"data": 2}, {"data": 2}]}}"#;
    let ran = alertable(["explore", MET, "--witness", three]).ends_with(1);
    assert!(ran.stdout.contains("no step is in the way"), "{ran}");
    let json = alertable(["explore", "--json", MET, "--witness", three]).ends_with(1);
    assert_eq!(document(&json)["witness"]["nearest"]["steps"], serde_json::json!([]));
}

#[test]
fn searches_with_and_without_reduction_find_the_same() {
    let reduced = alertable(["explore", "--json", MET]).ends_with(0);
    let plain = alertable(["explore", "--json", MET, "--no-reduction"]).ends_with(0);
    let (reduced, plain) = (document(&reduced), document(&plain));
    assert_eq!((&reduced["reduced"], &plain["reduced"]), (&true.into(), &false.into()));
    assert_eq!(reduced["outcomes"], plain["outcomes"]);
    assert!(reduced["states"].as_u64() < plain["states"].as_u64());
}

#[test]
fn outcomes_that_explore_prints_are_documents() {
    let ran = alertable(["explore", "--json", MET]);
    for outcome in document(&ran)["outcomes"].as_array().unwrap() {
        alertable_traces::read_outcome(&outcome.to_string(), None).unwrap();
    }
}

#[test]
fn failed_expectations_give_1_and_a_schedule_that_shows_it() {
    let folder = Folder::new("failed_expectations_give_1");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    let ran = alertable(["explore", text(&wrong)]).ends_with(1);
    assert!(ran.stdout.starts_with("failed  "), "{ran}");
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("WAIT_TIMEOUT"), "{run}");

    let ran = alertable(["explore", "--json", text(&wrong)]).ends_with(1);
    let explored = document(&ran);
    assert_eq!(explored["expectations"], "failed");
    assert_eq!(explored["failures"].as_array().unwrap().len(), 1);
    assert!(explored["failures"][0].is_string());
    alertable(["check", text(&wrong)]).ends_with(1);
}

#[test]
fn counterexamples_under_free_time_can_be_repeated() {
    let folder = Folder::new("counterexamples_under_free_time");
    let path = folder.file("free.json", scenarios::time_out_on_a_loaded_machine());
    alertable(["explore", text(&path)]).ends_with(0);
    let ran = alertable(["explore", text(&path), "--time", "free"]).ends_with(1);
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("WAIT_TIMEOUT"), "{run}");
}

#[cfg(unix)]
#[test]
fn counterexamples_can_be_repeated_by_a_shell() {
    let folder = Folder::new("counterexamples of a path with spaces");
    let path = folder.file("it's wrong.json", scenarios::wrong_expectation());
    let ran = alertable(["explore", text(&path)]).ends_with(1);
    let line = hint(&ran).join(" ");
    let line = format!("\"{}\" run {line}", env!("CARGO_BIN_EXE_alertable"));
    let run = program::run(Command::new("sh").args(["-c", &line])).ends_with(0);
    assert!(run.stdout.contains("WAIT_TIMEOUT"), "{run}");
}

#[test]
fn long_counterexamples_are_short_to_read_and_can_be_repeated() {
    let folder = Folder::new("long_counterexamples");
    let path = folder.file("far.json", scenarios::wrong_beyond_the_step_limit());
    let ran = alertable(["explore", text(&path), "--limit-steps", "30000"]).ends_with(1);
    assert!(ran.stdout.lines().count() < 100, "{} lines", ran.stdout.lines().count());
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(0);
    assert!(run.stdout.contains("done = 0"), "{run}");
}

#[test]
fn expectations_are_undecided_beyond_the_step_limit() {
    let folder = Folder::new("expectations_beyond_the_step_limit");
    let path = folder.file("far.json", scenarios::wrong_beyond_the_step_limit());
    let ran = alertable(["explore", "--json", text(&path)]).ends_with(3);
    let explored = document(&ran);
    assert_eq!(explored["complete"], false);
    assert_eq!(explored["expectations"], "undecided");
    alertable(["check", text(&path)]).ends_with(3);
}

#[test]
fn run_that_breaks_an_invariant_claims_no_end() {
    let ran = alertable(["run", MET, "--deviation", "apc-lifo"]).ends_with(1);
    assert!(ran.stdout.contains("apc-fifo"), "{ran}");
    assert!(!ran.stdout.contains("for ever"), "{ran}");
}

#[test]
fn broken_invariants_give_1_and_a_schedule_that_shows_it() {
    let arguments = ["explore", MET, "--deviation", "apc-lifo"];
    let ran = alertable(arguments).ends_with(1);
    assert!(ran.stdout.contains("apc-fifo"), "{ran}");
    let ran = alertable(arguments.iter().chain(&["--json"])).ends_with(1);
    let violation = &document(&ran)["violations"][0];
    assert_fields(violation, &["invariant", "rules", "message", "schedule"]);
    assert!(violation["rules"].as_array().is_some_and(|rules| !rules.is_empty()));
    assert!(violation["schedule"].as_array().is_some_and(|steps| !steps.is_empty()));
}

#[test]
fn worst_status_of_several_scenarios_counts() {
    let folder = Folder::new("worst_status_of_several_scenarios_counts");
    let wrong = folder.file("wrong.json", scenarios::wrong_expectation());
    alertable(["explore", MET, text(&wrong), MET]).ends_with(1);
}

#[test]
fn limits_give_3() {
    let folder = Folder::new("limits_give_3");
    let race = folder.file("race.json", scenarios::race());
    let all = document(&alertable(["explore", "--json", text(&race)]).ends_with(0));
    assert!(all["states"].as_u64().unwrap() > 2000, "{}", all["states"]);
    for limit in [["--limit-states", "1000"], ["--memory", "0"]] {
        let ran = alertable(["explore", text(&race)].iter().chain(&limit)).ends_with(3);
        assert!(ran.stdout.starts_with("undecided  "), "{ran}");
        let ran = alertable(["explore", "--json", text(&race)].iter().chain(&limit)).ends_with(3);
        let explored = document(&ran);
        assert_eq!(explored["complete"], false);
        assert_eq!(explored["expectations"], "undecided");
        assert!(explored["states"].as_u64() < all["states"].as_u64());
    }
    alertable(["check", text(&race), "--limit-states", "1000"]).ends_with(3);
}

#[test]
fn small_limits_count_too() {
    alertable(["explore", MET, "--limit-states", "2"]).ends_with(3);
}

#[test]
fn number_of_threads_does_not_show() {
    let folder = Folder::new("number_of_threads_does_not_show");
    let race = folder.file("race.json", scenarios::race());
    let race = text(&race);
    let text_of = |threads: &str| {
        let ran = alertable(["explore", race, MET, "--threads", threads]);
        without_seconds(&ran.stdout)
    };
    assert_eq!(text_of("1"), text_of("2"));
    let values_of = |threads: &str| -> Vec<Value> {
        let ran = alertable(["explore", "--json", race, MET, "--threads", threads]);
        let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut values: Vec<Value> = lines.collect();
        for value in &mut values {
            value["seconds"] = Value::Null;
            value["peak_bytes"] = Value::Null;
        }
        values
    };
    assert_eq!(values_of("1"), values_of("2"));
    let checked = |threads: &str| {
        alertable(["check", "--json", "traces/corpus", "--threads", threads]).ends_with(0).stdout
    };
    assert_eq!(checked("1"), checked("2"));
}

/// Without the only number that two runs may differ in.
fn without_seconds(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words = line.split(' ').collect::<Vec<_>>();
        let kept = words.iter().enumerate().filter(|(index, _)| {
            words.get(index + 1).is_none_or(|next| next.trim_end_matches(',') != "s")
        });
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn graph_is_a_graph_of_every_state_and_transition() {
    let folder = Folder::new("graph_is_a_graph");
    let path = folder.path("states.dot");
    let arguments = ["explore", "--json", "--no-reduction", MET, "--graph", text(&path)];
    let explored = document(&alertable(arguments).ends_with(0));
    let graph = parse_dot(&fs::read_to_string(&path).unwrap());
    assert_eq!(Some(graph.nodes.len() as u64), explored["states"].as_u64());
    assert_eq!(Some(graph.edges.len() as u64), explored["transitions"].as_u64());
    for (from, to) in &graph.edges {
        assert!(graph.nodes.contains(from) && graph.nodes.contains(to), "{from} -> {to}");
    }
    assert_error(alertable(["explore", MET, MET, "--graph", text(&path)]), &["one scenario"]);
}

struct Graph {
    nodes: Vec<String>,
    edges: Vec<(String, String)>,
}

/// Reads the part of Graphviz's language that a list of nodes and edges needs.
fn parse_dot(text: &str) -> Graph {
    let body = text.trim().strip_prefix("digraph").unwrap().trim();
    let body = body.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let mut graph = Graph { nodes: Vec::new(), edges: Vec::new() };
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (what, attributes) = line.split_once('[').unwrap();
        assert!(attributes.ends_with(']') && attributes.matches('"').count() % 2 == 0, "{line}");
        match what.trim().split_once("->") {
            Some((from, to)) => graph.edges.push((from.trim().into(), to.trim().into())),
            None => graph.nodes.push(what.trim().into()),
        }
    }
    graph
}
