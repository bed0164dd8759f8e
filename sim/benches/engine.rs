//! What the engine does in a second: random simulation, exploration, replay.
//!
//! Each group has beside ours what it is measured against, so that ratios hold on any machine.

#![allow(missing_docs)]

mod workloads;

use alertable::engine::explore::{Control, Limits, Visitor, explore};
use alertable::engine::policy::Uniform;
use alertable::engine::sample::Sampler;
use alertable::engine::{Ending, STEP_COUNT_MAX};
use alertable::models::invariant::Violation;
use alertable::models::machine::{Machine, Model, Settings, Transition};
use alertable::models::program::compile;
use alertable::replay::replay_file;
use alertable::run::{PolicyName, RunOptions, Schedule, run_model};
use alertable::system::System;
use alertable::traces::scenario::Scenario;
use alertable::traces::trace::TraceReader;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use std::borrow::Cow;
use std::hint::black_box;

fn model(scenario: &Scenario) -> Model {
    let program = compile(scenario).expect("workloads can be simulated");
    Model { program, settings: Settings::default() }
}

/// Random runs with every invariant checked, a run an element: what is printed is the executions a
/// second of one thread.
fn simulation(criterion: &mut Criterion) {
    const BATCH: u64 = 1_000;
    let mut group = criterion.benchmark_group("random executions");
    for (name, scenario) in [
        ("a ring of 6 threads with 5 APCs each", workloads::ring(6, 5)),
        ("3 threads that take a lock 3 times", workloads::locks(3, 3)),
    ] {
        let model = model(&scenario);
        let system =
            System { model: &model, checked: true, hits: None, futures: None, symmetry: None };
        let mut sampler = Sampler::new(&system);
        let mut seed = 0;
        group.throughput(Throughput::Elements(BATCH));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for _ in 0..BATCH {
                    // Each run is another one: those that were made before are known by heart.
                    seed += 1;
                    let run = sampler.run(&mut Uniform::new(seed), STEP_COUNT_MAX);
                    assert!(run.violations.is_empty() && run.ending == Ending::Rest);
                }
            });
        });
    }
    group.finish();
}

/// Looks at nothing.
struct Blind;

impl Visitor<System<'_>> for Blind {
    fn end(&mut self, _: &Machine, _: &[Transition], _: Ending) {}
    fn violation(&mut self, _: Violation, _: &[Transition]) {}
}

/// Every schedule of the ring of 5 threads with 3 APCs each, a state an element.
fn exploration(criterion: &mut Criterion) {
    let model = model(&workloads::ring(5, 3));
    let mut group = criterion.benchmark_group("explore the ring of 5 threads");
    group.sample_size(10);
    for (name, checked, worker_count) in [
        ("nothing checked", false, 1),
        ("nothing checked, 2 threads", false, 2),
        ("every invariant checked", true, 1),
    ] {
        let system = System { model: &model, checked, hits: None, futures: None, symmetry: None };
        let limits = Limits { worker_count, ..Limits::default() };
        let explored = || {
            let mut visitors: Vec<Blind> = (0..worker_count).map(|_| Blind).collect();
            explore(&system, &limits, &Control::default(), &mut visitors).state_count
        };
        group.throughput(Throughput::Elements(explored()));
        group.bench_function(name, |bencher| bencher.iter(explored));
    }
    group.finish();
}

/// The events of the trace below as serde derives them: what merely parsing costs.
#[derive(Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
#[allow(dead_code, reason = "only parsed")]
enum Typed<'a> {
    Choice {
        n: u64,
        t: u64,
        #[serde(borrow)]
        among: Vec<Cow<'a, str>>,
        picked: usize,
    },
    Call {
        n: u64,
        t: u64,
        thread: Cow<'a, str>,
        call: Cow<'a, str>,
        target: Option<Cow<'a, str>>,
        routine: Option<Cow<'a, str>>,
        data: Option<u64>,
        alertable: Option<bool>,
        ms: Option<serde_json::Value>,
    },
    Return {
        n: u64,
        t: u64,
        thread: Cow<'a, str>,
        of: u64,
        ret: serde_json::Value,
    },
    #[serde(rename = "apc", alias = "apc-return")]
    Apc {
        n: u64,
        t: u64,
        thread: Cow<'a, str>,
        routine: Cow<'a, str>,
        data: Option<u64>,
    },
    Thread {
        n: u64,
        t: u64,
        thread: Cow<'a, str>,
        what: Cow<'a, str>,
    },
    Kapc {
        n: u64,
        t: u64,
        thread: Cow<'a, str>,
        what: Cow<'a, str>,
        mode: Cow<'a, str>,
        kind: Cow<'a, str>,
        routine: Cow<'a, str>,
        data: u64,
    },
    #[serde(other)]
    Other,
}

/// A full trace, an event an element.
fn replay(criterion: &mut Criterion) {
    let scenario = workloads::rounds(8, 100);
    let model = model(&scenario);
    let schedule = Schedule::Policy { policy: PolicyName::Random, seed: 1 };
    let options = RunOptions { schedule, step_count_max: 1_000_000, with_trace: true };
    let run = run_model(&model, &scenario, &options).expect("a policy picks what is there");
    let trace = run.trace.expect("a trace was asked for");
    let text = String::from_utf8(trace).expect("traces are text");
    let path = std::env::temp_dir().join(format!("alertable-bench-{}.jsonl", std::process::id()));
    std::fs::write(&path, &text).expect("the trace can be written");
    let events = || text.lines().skip(1);
    let mut group = criterion.benchmark_group("a full trace");
    group.throughput(Throughput::Elements(events().count() as u64));
    group.bench_function("replay", |bencher| {
        bencher.iter(|| replay_file(&path).expect("it is whole"));
    });
    group.bench_function("serde_json into typed events", |bencher| {
        bencher.iter(|| {
            for line in events() {
                black_box(serde_json::from_str::<Typed<'_>>(line).expect("events are well formed"));
            }
        });
    });
    group.bench_function("read and validate", |bencher| {
        bencher.iter(|| {
            let reader = TraceReader::new(text.as_bytes(), None).expect("the header is whole");
            reader.for_each(|event| drop(black_box(event.expect("events are well formed"))));
        });
    });
    group.finish();
    std::fs::remove_file(&path).expect("the trace was there");
}

criterion_group!(benches, simulation, exploration, replay);
criterion_main!(benches);
