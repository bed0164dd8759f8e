//! Explorations in files, to go on with later: what was covered and found, what is left.
//!
//! `docs/long-searches.md` has the form of the file.

use crate::engine::TransitionSystem;
use crate::engine::explore::{Coverage, Limits, Stop};
use crate::engine::frontier::{
    Branch, Halt, NoSuchSchedule, Start, branch_of, numbers_of, transitions_of,
};
use crate::engine::visited::Visited;
use crate::exploration::{Collector, Reduction};
use crate::file::{replace_streamed, sync_folder};
use crate::system::{StepEvents, System};
use alertable_models::invariant::Violation;
use alertable_models::machine::{Model, Time, Transition};
use alertable_traces::outcome::Outcome;
use alertable_traces::scenario::Scenario;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// What a checkpoint begins with.
const MAGIC: &[u8; 20] = b"alertable checkpoint";

/// The version of the form of checkpoints.
const FORM: u32 = 1;

/// The bytes before the head: the magic, the form, the length of all, that of the head.
const PREFIX_BYTES: u64 = MAGIC.len() as u64 + 4 + 8 + 8;

/// What has to be the same for an exploration to go on: everything that decides which states there
/// are, and what is found in them.
#[derive(Clone, PartialEq, Debug)]
pub struct Identity(Map<String, Value>);

impl Identity {
    /// Of exploring a scenario.
    pub fn new(scenario: &Scenario, model: &Model, reduction: Reduction, limits: &Limits) -> Self {
        let settings = &model.settings;
        let deviations: Vec<&str> = settings.deviations.iter().map(|d| d.entry().id).collect();
        let identity = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "sources": env!("ALERTABLE_SOURCES"),
            "scenario": scenario,
            "deviations": deviations,
            "processors": settings.processors,
            "time": match settings.time { Time::Urgent => "urgent", Time::Free => "free" },
            "reduced": reduction != Reduction::None,
            "symmetry": reduction == Reduction::Persistent,
            "limit_steps": limits.step_count_max,
            "switches": limits.switch_count_max,
        });
        match identity {
            Value::Object(identity) => Identity(identity),
            _ => unreachable!("it was made as an object"),
        }
    }

    /// What differs, if anything does.
    fn difference(&self, saved: &Map<String, Value>) -> Option<Difference> {
        let is_same = |field: &str| self.0.get(field) == saved.get(field);
        [
            (Difference::Program, &["version", "sources"][..]),
            (Difference::Scenario, &["scenario"]),
            (Difference::Behaviour, &["deviations", "processors", "time"]),
            (Difference::Search, &["reduced", "symmetry", "limit_steps", "switches"]),
        ]
        .into_iter()
        .find_map(|(what, fields)| (!fields.iter().all(|field| is_same(field))).then_some(what))
    }
}

/// In what a checkpoint belongs to something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference {
    /// The program is another one.
    Program,
    /// The scenario was changed.
    Scenario,
    /// Time, dialect or deviations.
    Behaviour,
    /// Which schedules are followed, and how far.
    Search,
}

/// Why an exploration cannot go on from a file.
#[derive(Debug)]
pub enum Error {
    /// It cannot be read.
    Io(io::Error),
    /// It is something else.
    NoCheckpoint,
    /// Its form is that of another version of this program.
    Form(u32),
    /// Its end is missing, or something comes after it.
    Length {
        /// How many bytes it should have.
        expected: u64,
        /// How many it has.
        found: u64,
    },
    /// It is not as it was written.
    Damaged,
    /// It belongs to something else.
    Different(Difference),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::NoCheckpoint => f.write_str("this is no checkpoint"),
            Error::Form(form) => {
                write!(f, "this checkpoint has the form {form}; this program reads the form {FORM}")
            }
            Error::Length { expected, found } => {
                write!(f, "this checkpoint is not whole: it has {found} bytes, not {expected}")
            }
            Error::Damaged => f.write_str("this checkpoint is damaged"),
            Error::Different(what) => f.write_str(match what {
                Difference::Program => {
                    "this checkpoint was written by another version of the program"
                }
                Difference::Scenario => "this checkpoint is of another scenario, or of what it was",
                Difference::Behaviour => {
                    "this checkpoint is of another behaviour: --time, --dialect and --deviation have \
                     to be as they were"
                }
                Difference::Search => {
                    "this checkpoint is of another search: --no-reduction, --no-symmetry, \
                     --limit-steps and --switches have to be as they were"
                }
            }),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Damaged,
            _ => Error::Io(error),
        }
    }
}

impl From<NoSuchSchedule> for Error {
    fn from(_: NoSuchSchedule) -> Self {
        Error::Damaged
    }
}

/// An exploration that is at a halt, to be written down.
#[derive(Debug)]
pub struct Kept<'m, 'h> {
    pub(crate) system: System<'m>,
    pub(crate) halt: &'h Halt<'h, System<'m>, Collector<'m>>,
}

/// What a checkpoint says beside the fingerprints.
#[derive(Serialize, Deserialize)]
struct Head<O> {
    identity: Map<String, Value>,
    /// How long the search took so far.
    seconds: f64,
    states: u64,
    transitions: u64,
    depth: u32,
    /// The states by the length of the schedules that first led there.
    depths: Vec<u64>,
    peak_bytes: u64,
    cut: Option<Cut>,
    open: Vec<Open>,
    /// By what tells the states apart that have them.
    outcomes: Vec<(u64, O)>,
    deadlocks: Vec<(u64, String)>,
    /// By the invariant: the schedule that ends with the step.
    violations: Vec<(String, Vec<u64>)>,
    full_stack: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cut {
    Steps,
    Switches,
}

#[derive(Serialize, Deserialize)]
struct Open {
    schedule: Vec<u64>,
    end: bool,
    steps: Vec<(usize, Vec<u64>)>,
}

impl<'h> Kept<'_, 'h> {
    /// Writes a checkpoint, whole or not at all.
    ///
    /// # Errors
    /// When the folder does not exist, or cannot be written to. The file is as it was then.
    pub fn write(&self, path: &Path, identity: &Identity, seconds: f64) -> io::Result<()> {
        let head = serde_json::to_vec(&self.head(identity, seconds))?;
        let visited = self.halt.visited;
        let length = PREFIX_BYTES + head.len() as u64 + 8 + visited.count() * 8 + 8;
        replace_streamed(path, |writer| -> io::Result<()> {
            let mut sum = Sum::default();
            let mut write = |bytes: &[u8]| {
                sum.add(bytes);
                writer.write_all(bytes)
            };
            write(MAGIC)?;
            write(&FORM.to_le_bytes())?;
            write(&length.to_le_bytes())?;
            write(&(head.len() as u64).to_le_bytes())?;
            write(&head)?;
            write(&visited.count().to_le_bytes())?;
            visited.each(|fingerprint| write(&fingerprint.to_le_bytes()))?;
            writer.write_all(&sum.0.to_le_bytes())
        })?;
        sync_folder(path)
    }

    fn head(&self, identity: &Identity, seconds: f64) -> Head<&'h Outcome> {
        let halt = self.halt;
        let collectors = &halt.visitors;
        let outcomes: BTreeMap<u64, &Outcome> = collectors
            .iter()
            .flat_map(|c| c.outcomes.iter().map(|(key, outcome)| (*key, outcome)))
            .collect();
        let deadlocks: BTreeSet<&(u64, String)> =
            collectors.iter().flat_map(|collector| &collector.deadlocks).collect();
        let mut violations: BTreeMap<&str, &[Transition]> = BTreeMap::new();
        for (id, (_, schedule)) in collectors.iter().flat_map(|collector| &collector.violations) {
            let kept = violations.entry(id).or_insert(schedule);
            if (schedule.len(), &schedule[..]) < (kept.len(), kept) {
                *kept = schedule;
            }
        }
        let numbers = |schedule: &[Transition]| -> Vec<u64> {
            schedule.iter().map(|step| self.system.number(*step) as u64).collect()
        };
        let open = halt.open.iter().map(|branch| {
            let Branch { schedule, is_end_open, open } = numbers_of(&self.system, branch);
            Open { schedule, end: is_end_open, steps: open }
        });
        Head {
            identity: identity.0.clone(),
            seconds,
            states: halt.coverage.state_count,
            transitions: halt.coverage.transition_count,
            depth: halt.coverage.depth_max,
            depths: halt.by_depth.clone(),
            peak_bytes: halt.coverage.peak_bytes,
            cut: match halt.cut {
                Some(Stop::Steps) => Some(Cut::Steps),
                Some(Stop::Switches) => Some(Cut::Switches),
                Some(Stop::States | Stop::Memory | Stop::Interrupted) | None => None,
            },
            open: open.collect(),
            outcomes: outcomes.into_iter().collect(),
            deadlocks: deadlocks.into_iter().cloned().collect(),
            violations: violations
                .into_iter()
                .map(|(id, schedule)| (id.to_owned(), numbers(schedule)))
                .collect(),
            full_stack: collectors.iter().any(|collector| collector.met_full_stack),
        }
    }
}

/// An exploration that was written down.
pub struct Checkpoint {
    head: Head<Value>,
    visited: Visited,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("states", &self.head.states).finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Reads a checkpoint of what `identity` says.
    ///
    /// Linear in the length of the file.
    ///
    /// # Errors
    /// When the file cannot be read, is none or not whole, or belongs to something else.
    pub fn read(path: &Path, identity: &Identity) -> Result<Self, Error> {
        let file = File::open(path)?;
        let found = file.metadata()?.len();
        let mut reader = Summing { reader: BufReader::new(file), sum: Sum::default() };
        let mut magic = [0; MAGIC.len()];
        let is_one = reader.fill(&mut magic).is_ok() && magic == *MAGIC;
        if !is_one {
            return Err(Error::NoCheckpoint);
        }
        let mut form = [0; 4];
        reader.fill(&mut form)?;
        let form = u32::from_le_bytes(form);
        if form != FORM {
            return Err(Error::Form(form));
        }
        let expected = reader.word()?;
        if expected != found {
            return Err(Error::Length { expected, found });
        }
        let head_bytes = reader.word()?;
        if head_bytes > found {
            return Err(Error::Damaged);
        }
        let mut head = vec![0; head_bytes as usize];
        reader.fill(&mut head)?;
        let count = reader.word()?;
        let mut visited = Visited::with_room_for(count.min(found / 8));
        for _ in 0..count {
            visited.insert_mut(reader.word()?);
        }
        let sum = reader.sum.0;
        if reader.word()? != sum || visited.count() != count {
            return Err(Error::Damaged);
        }
        let head: Head<Value> = serde_json::from_slice(&head).map_err(|_| Error::Damaged)?;
        match identity.difference(&head.identity) {
            Some(what) => Err(Error::Different(what)),
            None => Ok(Checkpoint { head, visited }),
        }
    }

    /// How long the search took so far, in seconds.
    pub fn seconds(&self) -> f64 {
        self.head.seconds
    }

    /// What the search begins with, and what was found before.
    pub(crate) fn start<'a>(
        self,
        system: &System<'a>,
    ) -> Result<(Start<Transition>, Collector<'a>), Error> {
        let Checkpoint { head, visited } = self;
        let branches = head.open.into_iter().map(|Open { schedule, end, steps }| {
            branch_of(system, &Branch { schedule, is_end_open: end, open: steps })
        });
        let open = branches.collect::<Result<Vec<_>, NoSuchSchedule>>()?;
        let coverage = Coverage {
            state_count: head.states,
            transition_count: head.transitions,
            open_count: open.iter().map(Branch::open_count).sum(),
            depth_max: head.depth,
            peak_bytes: head.peak_bytes,
            stop: head.cut.map(|cut| match cut {
                Cut::Steps => Stop::Steps,
                Cut::Switches => Stop::Switches,
            }),
        };
        let mut collector = Collector::new(system);
        for (key, outcome) in head.outcomes {
            let outcome = alertable_traces::read_outcome(&outcome.to_string(), None);
            collector.keep_outcome(key, outcome.map_err(|_| Error::Damaged)?);
        }
        collector.deadlocks.extend(head.deadlocks);
        collector.met_full_stack = head.full_stack;
        for (id, numbers) in head.violations {
            let schedule = transitions_of(system, &numbers)?;
            let violation = last_violation(system, &schedule, &id).ok_or(Error::Damaged)?;
            collector.keep(violation, &schedule);
        }
        Ok((Start { visited, by_depth: head.depths, open, coverage }, collector))
    }
}

/// What the last step of a schedule does to an invariant.
fn last_violation(
    system: &System<'_>,
    schedule: &[Transition],
    invariant: &str,
) -> Option<Violation> {
    let (last, before) = schedule.split_last()?;
    let mut monitor = StepEvents::default();
    let mut state = system.initial();
    for step in before {
        system.step(&mut state, *step, &mut monitor);
    }
    let earlier = state.clone();
    system.step(&mut state, *last, &mut monitor);
    let mut violations = Vec::new();
    system.check(&earlier, *last, &state, &monitor, &mut violations);
    violations.into_iter().find(|violation| violation.invariant.id == invariant)
}

/// The checksum of a file: FNV-1a, 64 bits.
struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Sum(0xCBF2_9CE4_8422_2325)
    }
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    }
}

/// Reads and sums up.
struct Summing<R> {
    reader: R,
    sum: Sum,
}

impl<R: Read> Summing<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(bytes)?;
        self.sum.add(bytes);
        Ok(())
    }

    fn word(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
