//! Traces of the level `api`: every run of the simulator, seen from inside its program, is
//! explained.

#![allow(clippy::unwrap_used)]

#[path = "generator/mod.rs"]
#[allow(dead_code)]
mod generator;
#[path = "support/traced.rs"]
mod traced;

use alertable::api::{Options, Verdict, check};
use alertable_models::deviation::Deviations;
use alertable_models::machine::Time;
use std::path::{Path, PathBuf};
use traced::traced;

fn explained(trace: &[u8], deviations: Deviations) -> Result<(), String> {
    let options = Options { deviations, tolerance_ns: None, step_count_max: 20_000_000 };
    match check("a trace", || Ok(trace), &options) {
        Ok(Verdict::Explained { .. }) => Ok(()),
        Ok(other) => Err(format!("{other:#?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn scenario_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scenario_files(&path, out);
        } else if path.extension().is_some_and(|end| end == "json") {
            out.push(path);
        }
    }
}

#[test]
fn runs_of_the_corpus_are_explained() {
    let mut files = Vec::new();
    scenario_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/scenarios"),
        &mut files,
    );
    // What code in kernel mode does is not seen from inside a program.
    files.retain(|file| {
        let folder = file.parent().and_then(Path::file_name);
        folder.is_none_or(|folder| {
            !["driver", "interrupt", "kapc"].iter().any(|name| folder == *name)
        })
    });
    files.sort();
    let mut failures = Vec::new();
    for file in &files {
        let scenario = alertable_traces::read_scenario_file(file).unwrap();
        'runs: for time in [Time::Urgent, Time::Free] {
            for seed in 0..4 {
                for steps in [0, 6] {
                    let (trace, deviations) = traced(&scenario, time, seed, steps);
                    let r = std::panic::catch_unwind(|| explained(&trace, deviations))
                        .unwrap_or(Err("panic".into()));
                    if let Err(message) = r {
                        let trace = String::from_utf8(trace).unwrap();
                        let body: Vec<&str> = trace.lines().skip(1).take(60).collect();
                        failures.push(format!(
                            "{} {time:?} {seed} {steps}\n{message}\n{}",
                            file.display(),
                            body.join("\n")
                        ));
                        break 'runs;
                    }
                }
            }
        }
    }
    for failure in failures.iter().take(6) {
        println!("{failure}");
    }
    let names: Vec<&str> = failures.iter().map(|f| f.lines().next().unwrap()).collect();
    assert!(failures.is_empty(), "{} of {}\n{}", failures.len(), files.len(), names.join("\n"));
}

#[test]
fn runs_of_generated_scenarios_are_explained() {
    use generator::Topic::*;
    let cases: u32 =
        std::env::var("PROPTEST_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(64);
    let topics: [&[generator::Topic]; 5] = [
        &[Apcs, SpecialApcs, Alerts, Sleeps, Waits],
        &[Events, Waits, WaitsForAll, Mutexes, Semaphores],
        &[Timers, Apcs, Sleeps],
        &[Suspension, Ends, SpecialApcs, Waits],
        &[Io],
    ];
    for topics in topics {
        let config = proptest::test_runner::Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: 500,
            ..Default::default()
        };
        let rng = proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        );
        let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
        let result = runner.run(&generator::scenarios(topics), |scenario| {
            for time in [Time::Urgent, Time::Free] {
                for seed in 0..3 {
                    for steps in [0, 3, 12] {
                        let (trace, deviations) = traced(&scenario, time, seed, steps);
                        explained(&trace, deviations).map_err(|message| {
                            let trace = String::from_utf8(trace).unwrap();
                            proptest::test_runner::TestCaseError::fail(format!(
                                "{message}\n{trace}"
                            ))
                        })?;
                    }
                }
            }
            Ok(())
        });
        if let Err(e) = result {
            panic!("{topics:?} {e}");
        }
    }
}
