//! Random small scenarios of code in kernel mode: APC objects, regions, levels, waits.
//!
//! As in the other scenarios, a plan is drawn and made into a scenario. Regions and raised levels
//! are blocks, so that they are balanced, and a routine queues only APC objects behind its own, so
//! that every run comes to an end.

use alertable_traces::read_scenario;
use alertable_traces::scenario::Scenario;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Small scenarios of two system threads, a thread of a program, one of another program and five
/// APC objects.
pub(crate) fn scenarios() -> BoxedStrategy<Scenario> {
    let plan = (
        vec(vec(block(), 1..=3), 2),
        (vec(program_act(), 1..=3), vec(program_act(), 0..=1)),
        vec(vec(act(), 0..=1), KAPCS.len()),
        vec(0_u8..3, KAPCS.len()),
        select(vec![2_u8, 1]),
    );
    plan.prop_map(|(systems, programs, routines, targets, processors)| {
        Builder::default().build(&systems, &programs, &routines, &targets, processors)
    })
    .boxed()
}

/// The APC objects: two special ones, two normal ones, one of user mode.
const KAPCS: [&str; 5] = ["s1", "s2", "n1", "n2", "u"];

/// The threads that others act on: two of the system, one of a program.
const THREADS: [&str; 3] = ["t1", "t2", "t3"];

const EVENTS: [&str; 2] = ["auto", "manual"];

/// One thing that code in kernel mode does. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Act {
    Insert(u8),
    Remove(u8),
    Set(u8),
    Pulse(u8),
    Wait { event: u8, ms: Value },
    Delay,
    Level,
    Disabled,
}

/// An act, or several in a region or at a raised level.
#[derive(Clone, Debug)]
enum Block {
    Act(Act),
    Critical(Vec<Block>),
    Guarded(Vec<Block>),
    Raised(Vec<Block>),
    Attached(Vec<Block>),
    /// With the fast mutex.
    Owned(Vec<Block>),
}

/// One thing that a program does.
#[derive(Clone, Debug)]
enum ProgramAct {
    Sleep { ms: u32, alertable: bool },
    Wait { event: u8, alertable: bool },
    Suspend(u8),
    Resume(u8),
    Queue,
}

fn act() -> BoxedStrategy<Act> {
    let wait = select(vec![json!(0), json!(10), json!("INFINITE")]);
    prop_oneof![
        6 => any::<u8>().prop_map(Act::Insert),
        2 => (any::<u8>(), wait).prop_map(|(event, ms)| Act::Wait { event, ms }),
        2 => any::<u8>().prop_map(Act::Set),
        1 => any::<u8>().prop_map(Act::Pulse),
        1 => any::<u8>().prop_map(Act::Remove),
        1 => Just(Act::Delay),
        2 => Just(Act::Level),
        1 => Just(Act::Disabled),
    ]
    .boxed()
}

fn block() -> BoxedStrategy<Block> {
    let leaf = act().prop_map(Block::Act);
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 1..=2).prop_map(Block::Critical),
            1 => vec(inner.clone(), 1..=2).prop_map(Block::Guarded),
            1 => vec(inner.clone(), 1..=2).prop_map(Block::Raised),
            1 => vec(inner.clone(), 1..=2).prop_map(Block::Attached),
            1 => vec(inner, 1..=2).prop_map(Block::Owned),
        ]
    })
    .boxed()
}

fn program_act() -> BoxedStrategy<ProgramAct> {
    prop_oneof![
        3 => (select(vec![0, 10]), any::<bool>())
            .prop_map(|(ms, alertable)| ProgramAct::Sleep { ms, alertable }),
        2 => (any::<u8>(), any::<bool>())
            .prop_map(|(event, alertable)| ProgramAct::Wait { event, alertable }),
        1 => any::<u8>().prop_map(ProgramAct::Suspend),
        1 => any::<u8>().prop_map(ProgramAct::Resume),
        1 => Just(ProgramAct::Queue),
    ]
    .boxed()
}

#[derive(Default)]
struct Builder {
    /// How many labels there are.
    labels: usize,
}

fn pick<'a>(names: &'a [&str], number: u8) -> &'a str {
    names[usize::from(number) % names.len()]
}

impl Builder {
    fn build(
        mut self,
        systems: &[Vec<Block>],
        (program, other): &(Vec<ProgramAct>, Vec<ProgramAct>),
        routines: &[Vec<Act>],
        targets: &[u8],
        processors: u8,
    ) -> Scenario {
        let mut objects = Map::new();
        for event in EVENTS {
            objects.insert(event.to_owned(), json!({ "type": "event", "reset": event }));
        }
        objects.insert("fast".to_owned(), json!({ "type": "fast-mutex" }));
        let mut declared = Map::new();
        for (at, name) in KAPCS.iter().enumerate() {
            let mut kapc = json!({
                "type": "kapc",
                "kernel": format!("K {name}"),
                "thread": if *name == "u" { "t3" } else { pick(&THREADS, targets[at]) },
            });
            declared.insert(format!("K {name}"), self.acts(&routines[at][..0], at));
            if !name.starts_with('s') {
                kapc["normal"] = json!(format!("N {name}"));
            }
            if *name == "u" {
                kapc["mode"] = json!("user");
            }
            // The kernel routine of a special one and of that of user mode does something, the
            // normal routine of another.
            let place = if name.starts_with('n') { "N" } else { "K" };
            let steps = self.acts(&routines[at], at + 1);
            if *name == "u" {
                declared.insert("N u".to_owned(), json!([]));
            }
            declared.insert(format!("{place} {name}"), steps);
            objects.insert((*name).to_owned(), kapc);
        }
        declared.insert("A".to_owned(), json!([]));
        let mut threads = Map::new();
        for (thread, blocks) in THREADS.iter().zip(systems) {
            let mut steps = Vec::new();
            for block in blocks {
                self.block(block, &mut steps);
            }
            let steps = json!({ "mode": "system", "steps": steps });
            threads.insert((*thread).to_owned(), steps);
        }
        let steps: Vec<Value> = program.iter().map(program_call).collect();
        threads.insert(THREADS[2].to_owned(), json!(steps));
        let steps: Vec<Value> = other.iter().map(program_call).collect();
        threads.insert("t4".to_owned(), json!({ "process": "other", "steps": steps }));
        let scenario = json!({
            "alertable": 1,
            "kind": "scenario",
            "title": "Generated",
            "machine": { "processors": processors },
            "objects": objects,
            "routines": declared,
            "threads": threads,
        });
        read_scenario(&scenario.to_string(), None).unwrap()
    }

    fn block(&mut self, block: &Block, steps: &mut Vec<Value>) {
        let (begin, inner, end) = match block {
            Block::Act(act) => return steps.push(self.call(act, 0)),
            Block::Critical(inner) => (
                json!({ "call": "KeEnterCriticalRegion" }),
                inner,
                json!({ "call": "KeLeaveCriticalRegion" }),
            ),
            Block::Guarded(inner) => (
                json!({ "call": "KeEnterGuardedRegion" }),
                inner,
                json!({ "call": "KeLeaveGuardedRegion" }),
            ),
            Block::Raised(inner) => (
                json!({ "call": "KeRaiseIrql", "irql": "APC_LEVEL" }),
                inner,
                json!({ "call": "KeLowerIrql", "irql": "PASSIVE_LEVEL" }),
            ),
            Block::Attached(inner) => (
                json!({ "call": "KeStackAttachProcess", "process": "other" }),
                inner,
                json!({ "call": "KeUnstackDetachProcess" }),
            ),
            Block::Owned(inner) => (
                json!({ "call": "ExAcquireFastMutex", "mutex": "fast" }),
                inner,
                json!({ "call": "ExReleaseFastMutex", "mutex": "fast" }),
            ),
        };
        let raises = matches!(block, Block::Raised(_) | Block::Owned(_));
        steps.push(begin);
        for block in inner {
            // Inside a raised level the end of another block must not lower it.
            match block {
                _ if raises => self.leaf(block, steps),
                _ => self.block(block, steps),
            }
        }
        steps.push(end);
    }

    /// The acts of a block, without what is around them.
    fn leaf(&mut self, block: &Block, steps: &mut Vec<Value>) {
        match block {
            Block::Act(act) => steps.push(self.call(act, 0)),
            Block::Critical(inner)
            | Block::Guarded(inner)
            | Block::Raised(inner)
            | Block::Attached(inner)
            | Block::Owned(inner) => {
                inner.iter().for_each(|block| self.leaf(block, steps));
            }
        }
    }

    /// The steps of a routine, which queues only APC objects from `kapc_min` on.
    fn acts(&mut self, acts: &[Act], kapc_min: usize) -> Value {
        let usable = acts.iter().filter(|act| {
            kapc_min < KAPCS.len() || !matches!(act, Act::Insert(_) | Act::Remove(_))
        });
        json!(usable.map(|act| self.call(act, kapc_min)).collect::<Vec<_>>())
    }

    fn call(&mut self, act: &Act, kapc_min: usize) -> Value {
        self.labels += 1;
        let label = format!("r{}", self.labels);
        let event = |number: u8| pick(&EVENTS, number);
        match act {
            Act::Insert(kapc) => {
                let kapc = pick(&KAPCS[kapc_min..], *kapc);
                json!({ "call": "KeInsertQueueApc", "apc": kapc, "as": label })
            }
            Act::Remove(kapc) => {
                json!({ "call": "KeRemoveQueueApc", "apc": pick(&KAPCS[kapc_min..], *kapc) })
            }
            Act::Set(number) => json!({ "call": "KeSetEvent", "event": event(*number) }),
            Act::Pulse(number) => json!({ "call": "KePulseEvent", "event": event(*number) }),
            Act::Wait { event: number, ms } => json!({
                "call": "KeWaitForSingleObject", "object": event(*number), "ms": ms, "as": label
            }),
            Act::Delay => json!({ "call": "KeDelayExecutionThread", "ms": 10 }),
            Act::Level => json!({ "call": "KeGetCurrentIrql", "as": label }),
            Act::Disabled => json!({ "call": "KeAreApcsDisabled", "as": label }),
        }
    }
}

fn program_call(act: &ProgramAct) -> Value {
    match act {
        ProgramAct::Sleep { ms, alertable } => {
            json!({ "call": "SleepEx", "ms": ms, "alertable": alertable })
        }
        ProgramAct::Wait { event, alertable } => json!({
            "call": "WaitForSingleObjectEx",
            "object": pick(&EVENTS, *event),
            "ms": 10,
            "alertable": alertable,
        }),
        ProgramAct::Suspend(thread) => {
            json!({ "call": "SuspendThread", "thread": pick(&THREADS, *thread) })
        }
        ProgramAct::Resume(thread) => {
            json!({ "call": "ResumeThread", "thread": pick(&THREADS, *thread) })
        }
        ProgramAct::Queue => {
            json!({ "call": "QueueUserAPC", "thread": THREADS[2], "routine": "A", "data": 1 })
        }
    }
}
