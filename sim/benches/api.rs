//! How fast `api` traces are checked, beside what merely parsing them costs, so that ratios hold on
//! any machine.

#![allow(missing_docs)]

use alertable::api::{Options, Spread, Verdict, check, project};
use alertable::engine::policy::Uniform;
use alertable::engine::simulate::simulate;
use alertable::models::deviation::Deviations;
use alertable::models::machine::{Model, Settings};
use alertable::models::program::compile;
use alertable::run::{PolicyName, RunOptions, Schedule};
use alertable::system::{StepEvents, System};
use alertable::trace::TraceSettings;
use alertable::traces::read_scenario;
use alertable::traces::scenario::Scenario;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::hint::black_box;

const STEP_COUNT_MAX: u64 = 10_000_000;

/// What an ordinary program does, over and over: reads and writes with completion routines on a
/// pipe, packets of a completion port, APCs from thread to thread, a timer.
fn ordinary(rounds: usize) -> Scenario {
    let wait = json!({ "call": "SleepEx", "ms": "INFINITE", "alertable": true });
    let each = |steps: Value| json!([{ "repeat": rounds, "steps": steps }]);
    let document = json!({
        "alertable": 1,
        "kind": "scenario",
        "title": format!("{rounds} rounds of what programs do"),
        "objects": {
            "pipe": { "type": "pipe", "mode": "message" },
            "server": { "type": "file", "pipe": "pipe", "end": "server" },
            "client": { "type": "file", "pipe": "pipe", "end": "client" },
            "port": { "type": "port", "concurrency": 2 },
            "timer": { "type": "timer", "reset": "auto" },
        },
        "routines": { "read": [], "written": [], "work": [] },
        "threads": {
            "reader": each(json!([
                { "call": "ReadFileEx", "file": "server", "bytes": 8, "overlapped": "in",
                  "routine": "read" },
                wait,
            ])),
            "writer": each(json!([
                { "call": "WriteFileEx", "file": "client", "bytes": 4, "overlapped": "out",
                  "routine": "written" },
                wait,
            ])),
            "consumer": each(json!([
                { "call": "GetQueuedCompletionStatus", "port": "port", "ms": "INFINITE" },
            ])),
            "producer": each(json!([
                { "call": "PostQueuedCompletionStatus", "port": "port", "bytes": 1, "key": 1 },
                { "call": "QueueUserAPC", "thread": "worker", "routine": "work", "data": 1 },
            ])),
            "worker": each(json!([{ "call": "SleepEx", "ms": 0, "alertable": true }])),
            "clock": json!([{ "repeat": rounds / 8, "steps": [
                { "call": "SetWaitableTimer", "timer": "timer", "due_ms": 1, "period_ms": 0 },
                { "call": "WaitForSingleObject", "object": "timer", "ms": "INFINITE" },
            ] }]),
        },
    });
    scenario(&document)
}

/// Workers that contend for the packets of several producers at one port.
fn contended(rounds: usize) -> Scenario {
    let get = json!({ "call": "GetQueuedCompletionStatus", "port": "port", "ms": "INFINITE" });
    let post = |key: usize| json!({ "call": "PostQueuedCompletionStatus", "port": "port", "bytes": 1, "key": key });
    let each = |step: Value| json!([{ "repeat": rounds, "steps": [step] }]);
    let workers = (0..3).map(|at| (format!("worker{at}"), each(get.clone())));
    let producers = (0..3).map(|at| (format!("producer{at}"), each(post(at))));
    let threads: serde_json::Map<String, Value> = workers.chain(producers).collect();
    scenario(&json!({
        "alertable": 1,
        "kind": "scenario",
        "title": format!("{rounds} rounds of three workers and three producers at a port"),
        "objects": { "port": { "type": "port", "concurrency": 3 } },
        "threads": threads,
    }))
}

fn scenario(document: &Value) -> Scenario {
    read_scenario(&document.to_string(), None).expect("workloads are well formed")
}

/// The trace of a random run.
fn traced(scenario: &Scenario) -> Vec<u8> {
    let program = compile(scenario).expect("workloads can be simulated");
    let model = Model { program, settings: Settings::default() };
    let system =
        System { model: &model, checked: false, hits: None, futures: None, symmetry: None };
    let (seed, step_count_max) = (1, 10_000_000);
    let mut transitions = Vec::new();
    simulate(&system, &mut Uniform::new(seed), step_count_max, |enabled, pick, _: &StepEvents| {
        transitions.push(enabled[pick]);
    });
    let schedule = Schedule::Policy { policy: PolicyName::Random, seed };
    let options = RunOptions { schedule, step_count_max, with_trace: false };
    let source = TraceSettings::new(&model, &options);
    project(&model, scenario, &source, Spread { steps: 4, seed }, &transitions)
}

/// The events as serde derives them: what merely parsing costs.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only parsed")]
struct Typed<'a> {
    n: u64,
    t: u64,
    #[serde(borrow)]
    thread: Cow<'a, str>,
    ev: Cow<'a, str>,
    call: Option<Cow<'a, str>>,
    of: Option<u64>,
    ret: Option<Value>,
    routine: Option<Cow<'a, str>>,
    data: Option<u64>,
    bytes: Option<u64>,
    key: Option<u64>,
    overlapped: Option<Cow<'a, str>>,
}

/// An event an element.
fn checking(criterion: &mut Criterion) {
    let workloads = [("ordinary", ordinary(2_000)), ("contended", contended(2_000))];
    for (name, scenario) in workloads {
        let trace = traced(&scenario);
        let text = std::str::from_utf8(&trace).expect("traces are text");
        let events = || text.lines().skip(1);
        let mut group = criterion.benchmark_group(format!("an api trace, {name}"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(events().count() as u64));
        let options = Options {
            deviations: Deviations::NONE,
            tolerance_ns: None,
            step_count_max: STEP_COUNT_MAX,
        };
        group.bench_function("check", |bencher| {
            bencher.iter(|| {
                let verdict = check("the trace", || Ok(&trace[..]), &options);
                assert!(matches!(verdict, Ok(Verdict::Explained { .. })));
            });
        });
        group.bench_function("serde_json into typed events", |bencher| {
            bencher.iter(|| {
                for line in events() {
                    black_box(serde_json::from_str::<Typed<'_>>(line).expect("events parse"));
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, checking);
criterion_main!(benches);
