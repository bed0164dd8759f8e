//! The program that the peers' harness calls: builds a workload, explores every schedule of it
//! and prints what it counted.
//!
//! `peers ring N K`, `peers port W M C`, `peers cancel R`. With `--checked` every invariant is checked
//! after each step; the expectation (every thread ends) always is. With `--reduced` schedules that
//! come to the same as others are left out. With `--random` it makes random runs for some seconds
//! instead, and prints how many it made in a second;
//! `peers locks N K` is for that.

mod workloads;

use alertable::engine::explore::{Control, Coverage, Limits, Visitor, explore};
use alertable::engine::policy::Uniform;
use alertable::engine::sample::Sampler;
use alertable::engine::{Ending, STEP_COUNT_MAX, TransitionSystem};
use alertable::exploration::Reduction;
use alertable::models::machine::{Machine, Model, Settings, Transition};
use alertable::models::outcome::unfinished;
use alertable::models::program::compile;
use alertable::reduction::Knowledge;
use alertable::system::System;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Counts the schedules' ends that are not as they should be.
struct Watcher {
    /// A thread waits for ever at the end, and no request is left.
    ends_waiting: bool,
    bad_ends: u64,
    violations: u64,
}

impl<'a> Visitor<System<'a>> for Watcher {
    fn end(&mut self, state: &Machine, _: &[Transition], ending: Ending) {
        let kernel = state.kernel();
        let is_over = if self.ends_waiting {
            unfinished(kernel).all(|thread| kernel.thread(thread).waits_alertably())
                && kernel.io().irps().is_empty()
        } else {
            kernel.all_ended()
        };
        self.bad_ends += u64::from(!is_over || ending != Ending::Rest);
    }

    fn violation(&mut self, _: <System<'a> as TransitionSystem>::Violation, _: &[Transition]) {
        self.violations += 1;
    }
}

/// How long random runs are made.
const SAMPLING: Duration = Duration::from_secs(3);

/// Makes random runs with some threads, and prints what came of them.
fn sample(system: &System<'_>, worker_count: usize) -> ExitCode {
    let start = Instant::now();
    let worker = |number: u64| {
        let mut sampler = Sampler::new(system);
        let (mut runs, mut steps, mut bad) = (0_u64, 0_u64, 0_u64);
        while runs % 64 != 0 || start.elapsed() < SAMPLING {
            let sample = sampler.run(&mut Uniform::new(number << 32 | runs), STEP_COUNT_MAX);
            runs += 1;
            steps += sampler.schedule().len() as u64;
            bad += u64::from(!sample.violations.is_empty() || sample.ending != Ending::Rest);
        }
        (runs, steps, bad)
    };
    let (runs, steps, bad) = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..worker_count as u64).map(|number| scope.spawn(move || worker(number))).collect();
        let done = workers.into_iter().map(|worker| worker.join().expect("it ends"));
        done.fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2))
    });
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "runs={runs} steps={steps} runs_per_second={:.0} result={}",
        runs as f64 / seconds,
        if bad == 0 { "ok" } else { "failed" }
    );
    ExitCode::from(u8::from(bad > 0))
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let checked = arguments.iter().any(|argument| argument == "--checked");
    let reduced = arguments.iter().any(|argument| argument == "--reduced");
    let two_threads = arguments.iter().any(|argument| argument == "--two-threads");
    let random = arguments.iter().any(|argument| argument == "--random");
    arguments.retain(|argument| !argument.starts_with("--"));
    let numbers: Vec<usize> = arguments.iter().skip(1).flat_map(|number| number.parse()).collect();
    let scenario = match (arguments.first().map(String::as_str), &numbers[..]) {
        (Some("ring"), [threads, apcs]) => workloads::ring(*threads, *apcs),
        (Some("port"), [workers, packets, concurrency]) => {
            workloads::port(*workers, *packets, *concurrency)
        }
        (Some("cancel"), [requests]) => workloads::cancel(*requests),
        (Some("locks"), [threads, rounds]) => workloads::locks(*threads, *rounds),
        _ => {
            eprintln!(
                "usage: peers ring THREADS APCS | port WORKERS PACKETS CONCURRENCY | cancel REQUESTS"
            );
            eprintln!("       | locks THREADS ROUNDS");
            eprintln!("       [--checked] [--reduced] [--two-threads] [--random]");
            return ExitCode::from(2);
        }
    };
    let ends_waiting = arguments.first().is_some_and(|name| name == "cancel");
    // The workloads ask for no outcomes.
    let program = compile(&scenario).expect("workloads can be simulated").without_history();
    let model = Model { program, settings: Settings::default() };
    let reduction = if reduced { Reduction::Persistent } else { Reduction::None };
    let knowledge = Knowledge::of(&model, reduction);
    let plain = System { model: &model, checked, hits: None, futures: None, symmetry: None };
    let system = knowledge.system(plain);
    let worker_count = if two_threads { 2 } else { 1 };
    if random {
        return sample(&system, worker_count);
    }
    let mut watchers: Vec<Watcher> =
        (0..worker_count).map(|_| Watcher { ends_waiting, bad_ends: 0, violations: 0 }).collect();
    let limits = Limits { worker_count, ..Limits::default() };
    let coverage: Coverage = explore(&system, &limits, &Control::default(), &mut watchers);
    let good = watchers.iter().all(|watcher| watcher.bad_ends == 0 && watcher.violations == 0);
    println!(
        "states={} transitions={} result={}",
        coverage.state_count,
        coverage.transition_count,
        if good && coverage.stop.is_none() { "ok" } else { "failed" }
    );
    ExitCode::from(u8::from(!good))
}
