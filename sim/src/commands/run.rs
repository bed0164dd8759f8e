//! `alertable run`.

use super::input::{self, BehaviourArguments};
use super::output::{self, BAD, DIM, NAME, STRONG, say, styled};
use super::sample::sample;
use super::{Failure, Status};
use alertable::api::{Spread, project};
use alertable::describe::{
    apc_text, blocked_text, event_subject, event_text, result_text, status_block_text,
};
use alertable::engine::STEP_COUNT_MAX;
use alertable::run::{PolicyName, Run, RunOptions, Schedule, run_model};
use alertable::sampling::{SamplingOptions, Walk};
use alertable::trace::TraceSettings;
use alertable_models::event::{Event, IrpChange, KapcChange, ObjectChange, ThreadChange};
use alertable_models::io::port::Packet;
use alertable_models::machine::Model;
use alertable_traces::outcome::{End, Outcome};
use alertable_traces::scenario::Scenario;
use clap::ValueEnum;
use serde_json::json;
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The scenario
    scenario: PathBuf,
    /// The seed of the schedule
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Who goes next
    #[arg(long, value_enum, default_value_t = PolicyArgument::Random)]
    policy: PolicyArgument,
    /// Run so often, each time with the next seed, and tell what came of it (random, pct, guided)
    #[arg(long, value_name = "N", conflicts_with_all = ["schedule", "trace"])]
    runs: Option<u64>,
    /// With --runs --policy pct: how deep the races are that are looked for. Each run draws its
    /// depth from A..B, B included
    #[arg(long, value_name = "D|A..B", default_value = "1..5", value_parser = depths,
          requires = "runs")]
    depth: RangeInclusive<u32>,
    /// With --runs: make them with so many threads, which does not change the result; every
    /// processor by default
    #[arg(long, value_name = "N", requires = "runs")]
    threads: Option<usize>,
    /// Follow these picks, separated by commas, as `explore` prints them
    #[arg(long, value_name = "PICKS", value_delimiter = ',', num_args = 0..)]
    schedule: Option<Vec<usize>>,
    #[command(flatten)]
    behaviour: BehaviourArguments,
    /// End the run after so many steps
    #[arg(long, value_name = "N", default_value_t = STEP_COUNT_MAX)]
    limit_steps: u32,
    /// Write a trace
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How much the trace tells
    #[arg(long, value_enum, default_value_t = LevelArgument::Full, requires = "trace")]
    level: LevelArgument,
    /// In an `api` trace, how many steps a call is written down before it takes effect, and a
    /// result after it was there, at most
    #[arg(long, value_name = "STEPS", default_value_t = 4,
          value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    spread: u64,
    /// One JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum PolicyArgument {
    /// Every possible step is as likely as any other
    Random,
    /// Random priorities that change a few times: finds deep races
    Pct,
    /// With --runs: as a run before that came to a new state or rule, for a while, then at random
    Guided,
    /// The threads take turns
    RoundRobin,
    /// As the system's own scheduler decides: priorities, quanta, boosts; nothing is random
    Nt,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum LevelArgument {
    /// Every step with every choice, for replay
    Full,
    /// What the program sees of itself: calls, results, routines, with times that overlap
    Api,
}

fn depths(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| {
        let wanted = "a number is wanted, as 3, or two that rise, as 1..5";
        text.parse::<u32>().map_err(|_| wanted.to_owned())
    };
    match text.split_once("..") {
        Some((from, to)) => Ok(number(from)?..=number(to)?),
        None => number(text).map(|depth| depth..=depth),
    }
}

/// How many runs are drawn.
fn walk(policy: PolicyArgument) -> Result<Walk, Failure> {
    match policy {
        PolicyArgument::Random => Ok(Walk::Uniform),
        PolicyArgument::Pct => Ok(Walk::Pct),
        PolicyArgument::Guided => Ok(Walk::Guided),
        PolicyArgument::RoundRobin | PolicyArgument::Nt => {
            let message =
                "with this policy every run is the same: --runs is for random, pct, guided";
            Err(Failure::Other(message.to_owned()))
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let policy = match arguments.policy {
        PolicyArgument::Pct => PolicyName::Pct,
        PolicyArgument::Guided if arguments.runs.is_none() => {
            return Err(Failure::Other("--policy guided needs several runs: --runs N".to_owned()));
        }
        // Many runs are drawn otherwise.
        PolicyArgument::Random | PolicyArgument::Guided => PolicyName::Random,
        PolicyArgument::RoundRobin => PolicyName::RoundRobin,
        PolicyArgument::Nt => PolicyName::Nt,
    };
    let schedule = match &arguments.schedule {
        Some(picks) => Schedule::Picks(picks.clone()),
        None => Schedule::Policy { policy, seed: arguments.seed },
    };
    let scenario = input::read_scenario(&arguments.scenario)?;
    let model = input::model(&scenario, &arguments.scenario, &arguments.behaviour)?;
    if let Some(run_count) = arguments.runs {
        let options = SamplingOptions {
            walk: walk(arguments.policy)?,
            seed: arguments.seed,
            run_count,
            depths: arguments.depth.clone(),
            step_count_max: arguments.limit_steps,
            worker_count: input::worker_count(arguments.threads),
        };
        return sample(&arguments.scenario, (&scenario, &model), &options, arguments.json);
    }
    let options = RunOptions {
        schedule,
        step_count_max: arguments.limit_steps,
        with_trace: arguments.trace.is_some() && arguments.level == LevelArgument::Full,
    };
    let run = run_model(&model, &scenario, &options)
        .map_err(|error| Failure::Other(error.to_string()))?;
    if let Some(path) = &arguments.trace {
        let trace = match &run.trace {
            Some(trace) => Cow::Borrowed(trace),
            None => Cow::Owned(project(
                &model,
                &scenario,
                &TraceSettings::new(&model, &options),
                Spread { steps: arguments.spread, seed: arguments.seed },
                &run.transitions,
            )),
        };
        alertable::file::write_whole(path, &trace)
            .map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    }
    if arguments.json {
        print_json(arguments, &scenario, &run);
    } else {
        print_text(arguments, &model, &run);
    }
    Ok(match run.outcome.end {
        _ if !run.violations.is_empty() => Status::Finding,
        End::Limit => Status::Undecided,
        End::Finished | End::Blocked => Status::Good,
    })
}

fn print_json(arguments: &Arguments, scenario: &Scenario, run: &Run) {
    let violations: Vec<_> = run
        .violations
        .iter()
        .map(|violation| {
            json!({ "invariant": violation.invariant.id, "message": violation.broken.to_string() })
        })
        .collect();
    output::print_json(&json!({
        "scenario": scenario.title,
        "file": arguments.scenario.display().to_string(),
        "seed": arguments.seed,
        "schedule": run.picks,
        "steps": run.step_count,
        "time_ms": run.time_ms,
        "outcome": run.outcome,
        "violations": violations,
    }));
}

fn print_text(arguments: &Arguments, model: &Model, run: &Run) {
    print_timeline(model, run);
    if !run.timeline.is_empty() {
        say!("");
    }
    if !run.violations.is_empty() {
        // What came after is not known: there is no outcome.
        for violation in &run.violations {
            say!("{}: {}", styled(BAD, violation.invariant.id), violation.broken);
        }
        say!("the run ends with this step");
        return print_trace_place(arguments);
    }
    print_outcome(&run.outcome, 0);
    for line in blocked_text(&model.program, &run.machine) {
        if run.outcome.end == End::Blocked {
            say!("  {line}");
        }
    }
    for cycle in alertable::describe::deadlock_texts(&model.program, &run.machine) {
        say!("  {}: {cycle}", styled(BAD, "deadlock"));
    }
    print_trace_place(arguments);
}

fn print_trace_place(arguments: &Arguments) {
    if let Some(path) = &arguments.trace {
        say!("{}", styled(DIM, format_args!("the trace is in {}", path.display())));
    }
}

/// The events that a reader of a timeline wants: not those that only repeat the call before.
fn is_told(event: &Event) -> bool {
    match event {
        Event::Thread { change, .. } => *change != ThreadChange::Ready,
        Event::Object { change, .. } => {
            matches!(change, ObjectChange::Acquired(_) | ObjectChange::Abandoned(_))
        }
        Event::Kapc { change, .. } => {
            matches!(change, KapcChange::Removed | KapcChange::RunDown)
        }
        Event::KernelApc { change, .. } => *change != KapcChange::Queued,
        Event::ApcReturned { .. } | Event::StatusBlock { .. } | Event::TimePassed { .. } => false,
        Event::Irp { change, .. } => {
            !matches!(change, IrpChange::Allocated { .. } | IrpChange::Dispatched { location: 1 })
        }
        Event::Call { .. }
        | Event::Return { .. }
        | Event::ApcEntered { .. }
        | Event::Packet { .. }
        | Event::Received { .. }
        | Event::File { .. }
        | Event::Irql { .. }
        | Event::Dpc { .. }
        | Event::CalledTooHigh { .. }
        | Event::ContractBroken { .. }
        | Event::Stop { .. }
        | Event::Timer { .. } => true,
    }
}

/// How many events of a long timeline are shown, at its beginning and at its end.
const TOLD_FIRST: usize = 400;
const TOLD_LAST: usize = 40;

fn print_timeline(model: &Model, run: &Run) {
    let program = &model.program;
    let is_named = |event: &Event| !event_subject(program, event).is_empty();
    let mut told: Vec<_> =
        run.timeline.iter().filter(|(_, event)| is_told(event) && is_named(event)).collect();
    // The return of a wait that does not block says by itself that its object was there.
    let is_said_next =
        told.windows(3).map(|events| match [events[0].1, events[1].1, events[2].1] {
            [
                Event::Call { thread, .. },
                Event::Object { change: ObjectChange::Acquired(by), .. },
                Event::Return { thread: returned, .. },
            ] => thread == by && by == returned,
            _ => false,
        });
    let said: Vec<bool> = std::iter::once(false).chain(is_said_next).collect();
    let mut said = said.into_iter();
    told.retain(|_| !said.next().unwrap_or(false));
    let subjects = told.iter().map(|(_, event)| event_subject(program, event).chars().count());
    let name_width = subjects.max().unwrap_or(0);
    let mut last_ms = None;
    // The packets of the call that returns next.
    let mut received: Vec<Packet> = Vec::new();
    let end = told.len();
    let mut told = told.into_iter().peekable();
    while let Some((ms, event)) = told.next() {
        let at = end - told.len() - 1;
        if at >= TOLD_FIRST && told.len() > TOLD_LAST {
            let rest = told.len() - TOLD_LAST;
            let hidden = told.by_ref().take(rest).count() + 1;
            let text = format!("… {hidden} events more; --trace keeps them all …");
            say!("{:>9}  {}", "", styled(DIM, text));
            last_ms = None;
            continue;
        }
        if let Event::Received { packet, .. } = event {
            received.push(*packet);
            continue;
        }
        let time = if last_ms == Some(ms) { String::new() } else { format!("{ms} ms") };
        last_ms = Some(ms);
        let name = event_subject(program, event);
        let text = event_text(program, event, &received);
        let text = match event {
            Event::Call { .. } => match return_of(event, &mut told, &mut received) {
                Some((_, Event::Return { call, result, .. })) => {
                    let result = program.call(*call).convention.result(program, *result, &received);
                    format!("{text} = {}", styled(STRONG, result_text(&result)))
                }
                _ => text,
            },
            Event::Return { .. } | Event::ApcEntered { .. } => styled(STRONG, text),
            _ => styled(DIM, text),
        };
        if matches!(event, Event::Call { .. } | Event::Return { .. }) {
            received.clear();
        }
        let pad = " ".repeat(name_width - name.chars().count());
        say!("{time:>9}  {}{pad}  {text}", styled(NAME, name));
    }
}

/// The return of a call that comes next, but for the packets that it returns with.
fn return_of<'a>(
    call: &Event,
    told: &mut std::iter::Peekable<impl Iterator<Item = &'a (u64, Event)>>,
    received: &mut Vec<Packet>,
) -> Option<&'a (u64, Event)> {
    while let Some((_, Event::Received { packet, .. })) =
        told.next_if(|(_, next)| matches!(next, Event::Received { .. }))
    {
        received.push(*packet);
    }
    told.next_if(|(_, next)| is_return_of(call, next))
}

/// Whether a call returns with the next event, and so is told in one line.
fn is_return_of(event: &Event, next: &Event) -> bool {
    match (event, next) {
        (Event::Call { thread, .. }, Event::Return { thread: other, .. }) => thread == other,
        _ => false,
    }
}

/// An outcome for people.
pub(super) fn print_outcome(outcome: &Outcome, indent: usize) {
    let pad = " ".repeat(indent);
    let end = match outcome.end {
        End::Finished => "finished: every started thread has ended".to_owned(),
        End::Blocked => format!("blocked for ever: {}", outcome.blocked.join(", ")),
        End::Limit => "the step limit was met".to_owned(),
    };
    say!("{pad}{end}");
    let label_width = outcome.labels.keys().map(|label| label.chars().count()).max().unwrap_or(0);
    for (label, results) in &outcome.labels {
        let results: Vec<String> = results.iter().map(result_text).collect();
        say!(
            "{pad}  {} = {}",
            styled(NAME, format_args!("{label:label_width$}")),
            shortened(&results)
        );
    }
    for (thread, entries) in &outcome.apcs {
        let entries: Vec<String> = entries.iter().map(apc_text).collect();
        say!("{pad}  {} ran {}", styled(NAME, thread), shortened(&entries));
    }
    for (name, block) in &outcome.overlapped {
        say!("{pad}  {} reads {}", styled(NAME, name), status_block_text(block));
    }
    let codes: Vec<String> = outcome
        .exits
        .iter()
        .filter(|(_, code)| **code != 0)
        .map(|(thread, code)| format!("{thread} with {code}"))
        .collect();
    if !codes.is_empty() {
        say!("{pad}  ended: {}", codes.join(", "));
    }
}

/// A list with runs of equal entries counted, and without the middle of a long one.
pub(super) fn shortened(items: &[String]) -> String {
    const SHOWN: usize = 12;
    let items: Vec<String> = items
        .chunk_by(|one, next| one == next)
        .map(|run| match run {
            [] => String::new(),
            [one] => one.clone(),
            [one, ..] => format!("{one} ({} times)", run.len()),
        })
        .collect();
    if items.len() <= SHOWN {
        return items.join("; ");
    }
    let hidden = items.len() - SHOWN;
    let head = items[..SHOWN - 2].join("; ");
    format!("{head}; … {hidden} more …; {}", items[items.len() - 2..].join("; "))
}
