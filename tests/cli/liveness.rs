//! What goes on for ever.

use super::*;

/// What `--liveness` finds in a scenario of the corpus.
#[track_caller]
fn liveness(scenario: &str, status: i32) -> Value {
    let path = format!("{SCENARIOS}/{scenario}.json");
    let ran = alertable(["explore", "--json", "--liveness", &path]).ends_with(status);
    let found = document(&ran)["liveness"].clone();
    assert_fields(&found, &["complete", "states", "livelocks", "starvations", "endless"]);
    assert_eq!(found["complete"], true);
    found
}

/// How many livelocks, starvations, and threads without an end that are meant to have one.
fn counts(found: &Value) -> [usize; 3] {
    let list = |name: &str| found[name].as_array().unwrap();
    let endless = list("endless").iter().filter(|endless| endless["expected"] == false);
    [list("livelocks").len(), list("starvations").len(), endless.count()]
}

#[test]
fn programs_that_poll_and_serve_have_no_livelock() {
    for (scenario, meant) in [
        ("apc/two-apcs-race-one-wait", 0),
        ("kapc/kernel-apc-in-program-loop", 0),
        ("port/workers-share-a-port", 0),
        ("cancel/reads-complete-or-are-cancelled", 1),
    ] {
        let found = liveness(scenario, 0);
        assert_eq!(counts(&found), [0, 0, 0], "{scenario}: {found:#}");
        assert_eq!(found["endless"].as_array().unwrap().len(), meant, "{scenario}: {found:#}");
    }
}

#[test]
fn threads_that_give_way_for_ever_are_a_livelock() {
    let found = liveness("mutex/giving-way-can-go-on-for-ever", 1);
    assert_eq!(counts(&found), [1, 0, 0], "{found:#}");
    let livelock = &found["livelocks"][0];
    assert_eq!(livelock["threads"], serde_json::json!(["one", "two"]));
    let steps: Vec<&Value> = livelock["lasso"]["cycle"].as_array().unwrap().iter().collect();
    for thread in ["run one", "run two"] {
        assert_eq!(steps.iter().filter(|step| **step == thread).count(), 3, "{found:#}");
    }
    let path = format!("{SCENARIOS}/mutex/giving-way-can-go-on-for-ever.json");
    let ran = alertable(["explore", "--liveness", &path]).ends_with(1);
    // The command runs to the end of the first cycle, where the limit of steps stops it.
    let run = alertable(["run"].iter().chain(&hint(&ran))).ends_with(3);
    assert_eq!(run.stdout.matches("ReleaseMutex").count(), 2, "{run}");
}

#[test]
fn who_asks_for_a_spin_lock_may_starve() {
    let found = liveness("kapc/spin-lock-is-not-handed-over", 1);
    assert_eq!(counts(&found), [0, 1, 0], "{found:#}");
    assert_eq!(found["starvations"][0]["thread"], "modest");
    let cycle = &found["starvations"][0]["lasso"]["cycle"];
    assert_eq!(*cycle, serde_json::json!(["run greedy", "run greedy"]));
}

#[test]
fn deadlocks_are_told_from_where_they_cannot_be_escaped() {
    let found = liveness("mutex/opposite-orders-deadlock", 1);
    assert_eq!(counts(&found), [0, 0, 2], "{found:#}");
    for endless in found["endless"].as_array().unwrap() {
        // Each has its first mutex; both have still to ask for the other.
        assert_eq!((&endless["from_step"], &endless["certain"]), (&2.into(), &false.into()));
        assert_eq!(endless["lasso"]["cycle"], serde_json::json!([]));
    }
}

#[test]
fn threads_without_an_end_are_those_that_outcomes_leave_blocked() {
    // Two searches that have nothing in common: of outcomes, and of the graph backwards.
    for folder in ["mutex", "suspend", "exit"] {
        let files = fs::read_dir(program::root().join(SCENARIOS).join(folder)).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        let flags = ["explore", "--json", "--liveness"].map(Path::new);
        let ran = alertable(flags.iter().copied().chain(files.iter().map(AsRef::as_ref)));
        assert!(ran.status <= 1 && ran.stdout.lines().count() == files.len(), "{ran}");
        for line in ran.stdout.lines() {
            let explored: Value = serde_json::from_str(line).unwrap();
            let names = |list: &Value| -> BTreeSet<String> {
                list.as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()
            };
            let outcomes = explored["outcomes"].as_array().unwrap();
            let blocked: BTreeSet<String> =
                outcomes.iter().flat_map(|outcome| names(&outcome["blocked"])).collect();
            let endless = explored["liveness"]["endless"].as_array().unwrap();
            let endless = endless.iter().map(|e| e["thread"].as_str().unwrap().to_owned());
            assert_eq!(endless.collect::<BTreeSet<_>>(), blocked, "{explored:#}");
        }
    }
}

#[test]
fn a_clock_that_stands_still_is_no_livelock() {
    let folder = Folder::new("a_clock_that_stands_still");
    let path = folder.file("poll.json", scenarios::poller());
    // In urgent time the poller never lets the sleeper wake up.
    let ran = alertable(["explore", "--json", "--liveness", text(&path)]).ends_with(0);
    let explored = document(&ran);
    assert_eq!(explored["outcomes"][0]["end"], "limit");
    assert_eq!(counts(&explored["liveness"]), [0, 0, 0], "{explored:#}");
}

#[test]
fn liveness_is_undecided_beyond_the_limit_of_states() {
    let path = format!("{SCENARIOS}/port/workers-share-a-port.json");
    let ran =
        alertable(["explore", "--json", "--liveness", &path, "--limit-states", "20"]).ends_with(3);
    let found = document(&ran)["liveness"].clone();
    assert_eq!((&found["complete"], counts(&found)), (&false.into(), [0, 0, 0]));
}
