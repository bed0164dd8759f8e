//! Properties of generated scenarios, and that each of them can fail.
//!
//! A property is a function of a scenario and of deviations. It has to hold of every scenario
//! without deviations, and has to be found broken, among the same scenarios, under each
//! deviation that it is there to catch. Properties of the machine follow each transition of a
//! scenario with a watcher that tells right from wrong by the events, the calls and a ledger of
//! its own, not by the invariants of `alertable-models`; properties of the tool compare what it
//! says in two ways.
//!
//! The random numbers are the same in every run. `PROPTEST_CASES` says how many scenarios each
//! property is tried on.

#![allow(clippy::unwrap_used)]

#[path = "properties/alert.rs"]
mod alert;
#[path = "properties/apc.rs"]
mod apc;
mod generator;
#[path = "properties/io.rs"]
mod io;
#[path = "properties/journal.rs"]
mod journal;
#[path = "properties/kernel.rs"]
mod kernel;
#[path = "properties/object.rs"]
mod object;
#[path = "properties/reduction.rs"]
mod reduction;
#[path = "properties/thread.rs"]
mod thread;
#[path = "properties/timer.rs"]
mod timer;
#[path = "properties/tool.rs"]
mod tool;
#[path = "properties/walk.rs"]
mod walk;

use alertable_models::deviation::{DIALECTS, Deviation, Deviations, Kind};
use alertable_models::symmetry::Symmetry;
use alertable_traces::scenario::Scenario;
use alertable_traces::{read_scenario, scenario_to_json};
use generator::{Topic, scenarios};
use proptest::prelude::any;
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::path::{Path, PathBuf};

/// How many scenarios a property is tried on, unless `PROPTEST_CASES` says otherwise.
const CASE_COUNT: u32 = 64;

/// On how many scenarios at most a property is tried to see it fail.
const MISTAKE_CASE_COUNT: u32 = 4_000;

/// Says what is wrong with a scenario.
type Property = fn(&Scenario, Deviations) -> Result<(), String>;

fn runner(cases: u32, max_shrink_iters: u32) -> TestRunner {
    let config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn case_count(unless_given: u32) -> u32 {
    let given = std::env::var("PROPTEST_CASES").ok();
    given.and_then(|count| count.parse().ok()).unwrap_or(unless_given)
}

/// The first scenario on which a property fails, shrunk, and how.
fn failure(
    mut runner: TestRunner,
    topics: &[Topic],
    property: Property,
    deviations: Deviations,
) -> Option<(Scenario, String)> {
    let result = runner.run(&scenarios(topics), |scenario| {
        property(&scenario, deviations).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => None,
        Err(TestError::Fail(reason, scenario)) => Some((scenario, reason.to_string())),
        Err(TestError::Abort(reason)) => panic!("no scenarios: {reason}"),
    }
}

#[track_caller]
fn holds(topics: &[Topic], property: Property) {
    let found = failure(runner(case_count(CASE_COUNT), 2_000), topics, property, Deviations::NONE);
    if let Some((scenario, reason)) = found {
        panic!("{reason}\nin {}", scenario_to_json(&scenario));
    }
}

#[track_caller]
fn catches(topics: &[Topic], property: Property, deviation: Deviation) {
    let deviations = Deviations::NONE.with(deviation);
    let found = failure(runner(MISTAKE_CASE_COUNT, 0), topics, property, deviations);
    let id = deviation.entry().id;
    let (_, reason) = found.unwrap_or_else(|| panic!("`{id}` is not noticed"));
    assert!(!reason.contains("panicked"), "`{id}` makes the model panic: {reason}");
}

macro_rules! properties {
    ($($name:ident: $property:expr, about $topics:expr, catches [$($deviation:ident),* $(,)?];)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn holds() {
                super::holds($topics, $property);
            }

            #[test]
            fn fails_under_its_mistakes() {
                for deviation in [$(Deviation::$deviation),*] {
                    super::catches($topics, $property, deviation);
                }
            }
        })*

        /// The deviations that some property is seen to fail under.
        const CAUGHT: &[Deviation] = &[$($(Deviation::$deviation,)*)*];
    };
}

use Topic::*;
use walk::watch;

properties! {
    apcs_run_where_alertable: watch::<apc::RunsWhereAlertable>, about &[Apcs],
        catches [ApcAtPlainWait, ExitRunsApcs, SpecialOpensDoor];
    apcs_run_at_the_next_alertable_point: watch::<apc::RunsAtNextPoint>, about &[Apcs, Sleeps],
        catches [ApcIgnoredAtEntry, ApcOnePerWait];
    apcs_run_in_order: watch::<apc::RunsInOrder>, about &[Apcs, SpecialApcs],
        catches [ApcLifo];
    apcs_run_once: watch::<apc::RunsOnce>, about &[Apcs, Timers, Ends],
        catches [ApcQueuedTwice, ApcLostAtObject, ExitKeepsApcs];
    objects_win_over_apcs: watch::<apc::ObjectOrApc>, about &[Apcs, Waits],
        catches [ApcBeforeObject];
    waits_take_all_or_nothing: watch_signals::<object::TakesAllOrNothing>, about &[WaitsForAll],
        catches [WaitAllPiecemeal];
    one_signal_satisfies_one_wait: watch::<object::OneSignalOneWait>, about &[Events, Timers],
        catches [AutoResetReleasesAll, TimerSetKeepsSignal];
    mutexes_have_one_owner: watch_signals::<object::OneOwner>, about &[Mutexes, Waits],
        catches [MutexOwnerUnchecked, MutexNotTaken];
    abandonment_is_told: watch_signals::<object::AbandonmentIsTold>, about &[Mutexes, Waits, Ends],
        catches [MutexNotAbandoned];
    semaphores_count_within_bounds: watch_signals::<object::CountsWithinBounds>, about &[Semaphores, Waits],
        catches [SemaphoreUnbounded, SemaphoreReleaseOfZero];
    no_wake_up_is_lost: watch::<object::NoLostWakeUp>, about &[Events, Waits],
        catches [SignalWakesNobody];
    the_longest_waiter_comes_first: watch::<object::LongestWaiterFirst>, about &[Events, Waits],
        catches [NewestWaiterFirst];
    timer_apcs_go_to_the_setter: watch::<timer::GoesToSetter>, about &[Timers],
        catches [TimerApcToFirstThread];
    timer_apcs_are_of_this_setting: watch::<timer::OneOfThisSetting>, about &[Timers, Sleeps],
        catches [TimerCancelKeepsApc, TimerApcAccumulates];
    timers_expire_when_due: watch::<timer::ExpiresWhenDue>, about &[Timers, Ends],
        catches [TimerOutlivesSetter];
    alerts_are_told: watch::<alert::AlertsAreTold>, about &[Alerts, Apcs],
        catches [NoAlerts];
    special_apcs_do_not_wait: watch::<alert::SpecialsDoNotWait>, about &[SpecialApcs, Apcs],
        catches [NoSpecialApcs];
    suspended_threads_stop: watch::<thread::SuspendedStops>, about &[Suspension, Waits],
        catches [SuspensionIgnored];
    deadlines_are_kept: watch::<thread::KeepsDeadlines>, about &[Suspension, Sleeps],
        catches [RestartForgetsTimeout];
    ended_threads_leave_nothing: watch::<thread::EndsForGood>, about &[Ends, Mutexes, Apcs],
        catches [ExitKeepsApcs, MutexNotAbandoned];

    requests_end_once: watch::<io::RequestsEndOnce>, about &[Io],
        catches [IrpNotFreed];
    cancelled_or_done: watch::<io::CancelledOrDone>, about &[Io],
        catches [CancelKeepsRequest];
    status_is_written_first: watch::<io::StatusIsWrittenFirst>, about &[Io],
        catches [EventBeforeStatusBlock];
    ends_are_told_once: watch::<io::EndsAreToldOnce>, about &[Io],
        catches [CompletionApcLost, CompletionApcTwice, PacketLost];
    packets_keep_order: watch::<io::PacketsKeepOrder>, about &[Io],
        catches [PacketDoubled];
    port_limit_holds: watch::<io::PortLimitHolds>, about &[Io],
        catches [PortIgnoresLimit, NoPortConcurrency];
    port_waits_run_no_apc: watch::<io::PortWaitsRunNoApc>, about &[Io],
        catches [PortWaitRunsApcs];
    ends_cancel_requests: watch::<io::EndsCancelRequests>, about &[Io],
        catches [ExitKeepsIrps];
    io_runs_are_explored: tool::runs_are_explored, about &[Io], catches [CompletionApcLost];
    io_replays: tool::replay_reproduces, about &[Io], catches [PacketLost];
    io_labels_only_show: tool::labels_only_show, about &[Io], catches [CompletionApcLost];
    io_freer_machines_do_more: tool::freer_machines_do_more, about &[Io],
        catches [CompletionApcLost];
    io_workers_agree: tool::workers_agree, about &[Io], catches [CompletionApcLost];
    invariants_hold_of_io: tool::invariants_hold, about &[Io],
        catches [CompletionApcLost, PacketDoubled];

    normal_apcs_stay_out: watch::<kernel::NormalApcsStayOut>, about &[Kernel],
        catches [CriticalRegionIgnored, NormalApcsNest];
    kernel_apcs_wait_where_masked: watch::<kernel::NoneWhereMasked>, about &[Kernel],
        catches [GuardedRegionIgnored, ApcLevelIgnored, FastMutexKeepsApcs];
    kernel_apcs_wait_for_their_process: watch::<kernel::NoneInAnotherProcess>, about &[Kernel],
        catches [EveryApcStateInForce];
    special_kernel_apcs_do_not_wait: watch::<kernel::SpecialsDoNotWait>, about &[Kernel],
        catches [CriticalRegionMasksSpecial];
    special_kernel_apcs_come_first: watch::<kernel::SpecialsComeFirst>, about &[Kernel],
        catches [KernelApcFifo];
    apc_objects_are_queued_once: watch::<kernel::InsertedOnce>, about &[Kernel],
        catches [KapcInsertedTwice];
    routines_run_at_their_levels: watch::<kernel::LevelsAreRight>, about &[Kernel],
        catches [NormalRoutineAtApcLevel];
    user_apcs_come_last: watch::<kernel::UserApcsComeLast>, about &[Kernel],
        catches [UserApcsFirst];
    masked_apcs_let_wait: watch::<kernel::MaskedApcsWait>, about &[Kernel],
        catches [MaskedApcWakes];
    invariants_hold_of_kernel_mode: tool::invariants_hold, about &[Kernel],
        catches [CriticalRegionIgnored, GuardedRegionIgnored];
    kernel_runs_are_explored: tool::runs_are_explored, about &[Kernel], catches [KernelApcFifo];
    kernel_replays: tool::replay_reproduces, about &[Kernel], catches [KernelApcFifo];
    kernel_labels_only_show: tool::labels_only_show, about &[Kernel], catches [KernelApcFifo];
    kernel_workers_agree: tool::workers_agree, about &[Kernel], catches [KernelApcFifo];

    runs_are_explored: tool::runs_are_explored, about &[], catches [ApcLifo, SignalWakesNobody];
    same_seed_same_trace: tool::same_seed_same_trace, about &[], catches [ApcLifo];
    replay_reproduces: tool::replay_reproduces, about &[], catches [ApcLifo, ApcAtPlainWait];
    changed_traces_are_refused: tool::changed_traces_are_refused, about &[], catches [];
    workers_agree: tool::workers_agree, about &[], catches [ApcLifo];
    reduction_is_exact: reduction::reduction_is_exact, about &[], catches [ApcLifo];
    executions_come_to_every_outcome: reduction::executions_come_to_every_outcome, about &[],
        catches [ApcLifo];
    io_executions_come_to_every_outcome: reduction::executions_come_to_every_outcome,
        about &[Io], catches [];
    exploration_is_exact: tool::exploration_is_exact, about &[], catches [ApcLifo];
    absent_onlookers_change_nothing: tool::absent_onlookers_change_nothing, about &[],
        catches [ApcLifo, ExitAtOnce];
    labels_only_show: tool::labels_only_show, about &[], catches [ApcLifo];
    order_does_not_matter: tool::order_does_not_matter, about &[Timers],
        catches [TimerApcToFirstThread];
    freer_machines_do_more: tool::freer_machines_do_more, about &[], catches [ApcLifo];
}

#[test]
fn every_mistake_has_a_property() {
    let is_missing = |deviation: &Deviation| {
        deviation.entry().kind == Kind::Mistake && !CAUGHT.contains(deviation)
    };
    let missing: Vec<_> = Deviation::ALL.iter().copied().filter(is_missing).collect();
    assert!(missing.is_empty(), "no property fails under {missing:?}");
}

/// On how many scenarios reduction is compared with the search of every schedule, with one
/// deviation each.
const REDUCTION_CASE_COUNT: u32 = 1_500;

/// Compares reduction with the search of every schedule on random scenarios, with one deviation
/// each. How many were compared, and how many of them had fewer states.
fn compare_under_every_deviation(strategy: BoxedStrategy<Scenario>, cases: u32) -> (u32, u32) {
    let (mut compared, mut reduced) = (0, 0);
    let (mut all_states, mut fewer_states) = (0, 0);
    let strategy = (strategy, 0..=Deviation::ALL.len());
    let mut runner = runner(1, 0);
    for _ in 0..cases {
        let (scenario, number) = strategy.new_tree(&mut runner).unwrap().current();
        let deviations =
            Deviation::ALL.get(number).map_or(Deviations::NONE, |d| Deviations::NONE.with(*d));
        for (one, other) in reduction::in_both_times(&scenario, deviations, deviations).unwrap() {
            let counts = reduction::compare(&one, &other).unwrap_or_else(|reason| {
                panic!("{deviations:?}: {reason}\nin {}", scenario_to_json(&scenario))
            });
            let Some((all, fewer)) = counts else { continue };
            compared += 1;
            reduced += u32::from(fewer < all);
            (all_states, fewer_states) = (all_states + all, fewer_states + fewer);
        }
    }
    println!("{reduced} of {compared} reduced, {all_states} states to {fewer_states}");
    (compared, reduced)
}

#[test]
fn reduction_is_exact_under_every_deviation() {
    let cases = case_count(REDUCTION_CASE_COUNT);
    let (compared, reduced) = compare_under_every_deviation(scenarios(&[]).boxed(), cases);
    assert!(compared > cases && reduced > cases / 2, "{reduced} of {compared} were reduced");
}

#[test]
fn reduction_is_exact_with_io_under_every_deviation() {
    let cases = case_count(REDUCTION_CASE_COUNT);
    let (compared, reduced) = compare_under_every_deviation(scenarios(&[Io]).boxed(), cases);
    assert!(compared > cases / 2 && reduced > compared / 3, "{reduced} of {compared} were reduced");
}

/// On how many scenarios with endless loops reduction is compared with the search of every
/// schedule.
const ENDLESS_CASE_COUNT: u32 = 200;

#[test]
fn reduction_is_exact_with_endless_loops() {
    let (mut compared, mut reduced) = (0, 0);
    let mut runner = runner(1, 0);
    let strategies = [scenarios(&[]), scenarios(&[Io])];
    let shape = (any::<u8>(), 0..=2 * Deviation::ALL.len());
    for case in 0..case_count(ENDLESS_CASE_COUNT) {
        let scenario = strategies[case as usize % 2].new_tree(&mut runner).unwrap().current();
        let (loops, number) = shape.new_tree(&mut runner).unwrap().current();
        let deviations =
            Deviation::ALL.get(number).map_or(Deviations::NONE, |d| Deviations::NONE.with(*d));
        let scenario = reduction::with_endless_loops(&scenario, loops);
        for (one, other) in reduction::in_both_times(&scenario, deviations, deviations).unwrap() {
            let counts = reduction::compare_ends(&one, &other).unwrap_or_else(|reason| {
                panic!("{deviations:?}: {reason}\nin {}", scenario_to_json(&scenario))
            });
            compared += u32::from(counts.is_some());
            reduced += u32::from(counts.is_some_and(|(all, fewer)| fewer < all));
        }
    }
    println!("{reduced} of {compared} reduced");
    assert!(reduced > compared / 5, "{reduced} of {compared} were reduced");
}

/// On how many scenarios the search of one of several like states is compared with that of all.
const LIKE_STATES_CASE_COUNT: u32 = 100;

#[test]
fn one_of_several_like_states_is_enough() {
    let (mut compared, mut reduced) = (0, 0);
    let mut runner = runner(1, 0);
    let strategies = [scenarios(&[]), scenarios(&[Io])];
    let shape = (0..=2_usize, any::<bool>());
    for case in 0..case_count(LIKE_STATES_CASE_COUNT) {
        let scenario = strategies[case as usize % 2].new_tree(&mut runner).unwrap().current();
        let (copies, empty) = shape.new_tree(&mut runner).unwrap().current();
        let scenario = reduction::with_like_states(&scenario, copies, empty);
        let models = reduction::in_both_times(&scenario, Deviations::NONE, Deviations::NONE);
        for (one, other) in models.unwrap() {
            for compare in [reduction::compare, reduction::compare_ends] {
                let counts = compare(&one, &other).unwrap_or_else(|reason| {
                    panic!("{reason}\nin {}", scenario_to_json(&scenario))
                });
                compared += u32::from(counts.is_some());
                reduced += u32::from(counts.is_some_and(|(all, fewer)| fewer < all));
            }
        }
    }
    assert!(reduced > compared / 5, "{reduced} of {compared} were reduced");
}

/// On how many scenarios with copied threads that keep results the same is compared.
const COPIES_CASE_COUNT: u32 = 40;

#[test]
fn one_of_several_threads_that_keep_results_is_enough() {
    let (mut compared, mut reduced, mut kept) = (0, 0, 0);
    let mut runner = runner(1, 0);
    let strategies = [scenarios(&[Waits, Events, Semaphores]), scenarios(&[Io])];
    for case in 0..case_count(COPIES_CASE_COUNT) {
        let scenario = strategies[case as usize % 2].new_tree(&mut runner).unwrap().current();
        let copies = (1..=2_usize).new_tree(&mut runner).unwrap().current();
        let scenario = reduction::with_copies(&scenario, copies);
        let models = reduction::in_both_times(&scenario, Deviations::NONE, Deviations::NONE);
        for (one, other) in models.unwrap() {
            let counts = reduction::compare(&one, &other)
                .unwrap_or_else(|reason| panic!("{reason}\nin {}", scenario_to_json(&scenario)));
            compared += u32::from(counts.is_some());
            reduced += u32::from(counts.is_some_and(|(all, fewer)| fewer < all));
            let symmetry = Symmetry::new(&one.program, Deviations::NONE);
            let has_kept = symmetry.is_some_and(|symmetry| {
                symmetry.groups().flatten().any(|(_, labels)| !labels.is_empty())
            });
            kept += u32::from(has_kept && counts.is_some());
        }
    }
    assert!(reduced > compared / 5 && kept > compared / 20, "{kept}, {reduced} of {compared}");
}

fn scenario_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders = vec![root.join("traces/corpus/scenarios")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

#[test]
fn reduction_is_exact_on_the_corpus() {
    let (mut all, mut fewer) = (0, 0);
    for path in scenario_files() {
        let scenario = read_scenario(&std::fs::read_to_string(&path).unwrap(), None).unwrap();
        let dialect = scenario.dialect.as_deref().unwrap_or("windows");
        let deviations = DIALECTS.iter().find(|d| d.name == dialect).unwrap().deviations;
        for (one, other) in reduction::in_both_times(&scenario, deviations, deviations).unwrap() {
            let counts = reduction::compare(&one, &other)
                .unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
            let (one, other) = counts.unwrap_or_default();
            (all, fewer) = (all + one, fewer + other);
        }
    }
    assert!(fewer < all, "{fewer} of {all} states");
}

#[test]
fn another_seed_gives_another_trace() {
    let runner = runner(MISTAKE_CASE_COUNT, 0);
    assert!(failure(runner, &[], tool::any_seed_same_trace, Deviations::NONE).is_some());
}

/// Watches a scenario in which every signal is a call that the events show. An alert can make
/// the system repeat a signal-and-wait, which signals again (ALERT-07).
fn watch_signals<W: walk::Watcher>(
    scenario: &Scenario,
    deviations: Deviations,
) -> Result<(), String> {
    let text = scenario_to_json(scenario);
    if text.contains("NtAlertThread") && text.contains("SignalObjectAndWait") {
        return Ok(());
    }
    watch::<W>(scenario, deviations)
}

#[test]
fn generated_scenarios_are_read_back_and_compile() {
    holds(&[], |scenario, deviations| {
        let text = scenario_to_json(scenario);
        let read = read_scenario(&text, None).map_err(|error| error.to_string())?;
        if read != *scenario {
            return Err(format!("it is read back as {}", scenario_to_json(&read)));
        }
        walk::model(scenario, deviations).map(|_| ())
    });
}

/// What properties have found and the machine does not do right yet. Each goes back to the
/// properties above when it does.
mod found {
    use super::*;

    #[track_caller]
    fn holds_of(text: &str, property: Property) {
        let scenario = read_scenario(text, None).unwrap();
        property(&scenario, Deviations::NONE).unwrap();
    }

    #[test]
    fn stopped_again() {
        let text = include_str!("properties/found/stopped-again.json");
        holds_of(text, tool::exploration_is_exact);
    }

    #[test]
    fn stopped_before_its_apcs() {
        let text = include_str!("properties/found/stopped-before-its-apcs.json");
        holds_of(text, watch::<apc::RunsWhereAlertable>);
    }

    #[test]
    fn special_at_test_alert() {
        let text = include_str!("properties/found/special-at-test-alert.json");
        holds_of(text, tool::expectations_are_met);
    }

    #[test]
    fn special_ends_a_call() {
        let text = include_str!("properties/found/special-ends-a-call.json");
        holds_of(text, tool::absent_onlookers_change_nothing);
    }

    #[test]
    fn special_between_alert_and_repetition() {
        let text = include_str!("properties/found/special-between-alert-and-repetition.json");
        holds_of(text, tool::absent_onlookers_change_nothing);
    }

    #[test]
    fn timer_beside_a_last_step() {
        let text = include_str!("properties/found/timer-beside-a-last-step.json");
        holds_of(text, reduction::reduction_is_exact);
    }
}

/// The number of calls in threads and routines.
fn step_count(scenario: &Scenario) -> usize {
    let threads = scenario.threads.values().map(|thread| thread.steps.len());
    threads.chain(scenario.routines.values().map(Vec::len)).sum()
}

#[test]
fn failures_shrink_to_a_few_steps() {
    let deviations = Deviations::NONE.with(Deviation::ApcLifo);
    let runner = runner(MISTAKE_CASE_COUNT, 4_000);
    let found = failure(runner, &[Apcs], watch::<apc::RunsInOrder>, deviations);
    let (scenario, _) = found.unwrap();
    // Two APCs, and a point at which they run.
    let text = scenario_to_json(&scenario);
    assert!(scenario.threads.len() == 2 && step_count(&scenario) <= 4, "{text}");
}

/// So that the properties speak of everything, and of whole scenarios.
#[test]
fn generated_scenarios_are_of_all_kinds_and_mostly_small() {
    const CALLS: [&str; 22] = [
        "QueueUserAPC",
        "QueueUserAPC2",
        "NtTestAlert",
        "NtAlertThread",
        "SleepEx",
        "WaitForSingleObjectEx",
        "WaitForMultipleObjectsEx",
        "SignalObjectAndWait",
        "SetEvent",
        "ResetEvent",
        "PulseEvent",
        "ReleaseMutex",
        "ReleaseSemaphore",
        "SetWaitableTimer",
        "CancelWaitableTimer",
        "CreateThread",
        "ResumeThread",
        "SuspendThread",
        "ExitThread",
        "TerminateThread",
        "free",
        "processors",
    ];
    let mut runner = runner(1, 0);
    let mut texts = String::new();
    let mut whole_count = 0;
    for _ in 0..200 {
        let scenario = scenarios(&[]).new_tree(&mut runner).unwrap().current();
        texts += &scenario_to_json(&scenario);
        let model = walk::model(&scenario, Deviations::NONE).unwrap();
        let walk = walk::walk::<thread::EndsForGood>(&model, walk::STATE_COUNT_MAX).unwrap();
        whole_count += u32::from(walk.complete);
    }
    let missing: Vec<_> =
        CALLS.iter().filter(|name| !texts.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(whole_count >= 190, "only {whole_count} of 200 were walked as a whole");
}
