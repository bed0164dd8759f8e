//! Random small scenarios of I/O.
//!
//! As in the scenarios without I/O, a plan is drawn and made into a scenario. Each request has an
//! OVERLAPPED of its own, since a program that uses one twice breaks an invariant by itself.

use alertable_traces::read_scenario;
use alertable_traces::scenario::Scenario;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Small scenarios of files, pipes, devices and a port.
pub(crate) fn scenarios() -> BoxedStrategy<Scenario> {
    let thread = || vec(act(), 1..=4);
    let plan = (
        vec(thread(), 2..=3),
        select(vec!["hold", "immediate", "eventual", "delay", "now"]),
        select(vec!["byte", "message"]),
        any::<[bool; 2]>(),
        1_u32..=2,
    );
    plan.prop_map(|(threads, model, mode, bound, concurrency)| {
        Builder { requests: 0 }.build(&threads, model, mode, bound, concurrency)
    })
    .boxed()
}

/// The files: the ends of the pipe and one of the device.
const FILES: [&str; 3] = ["server", "client", "file"];

/// One thing that a thread does. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Act {
    /// A request: on which file, of how many bytes, how its end is told.
    Request {
        file: u8,
        write: bool,
        bytes: u32,
        told: u8,
    },
    Complete,
    Cancel {
        file: u8,
        extended: bool,
    },
    Close(u8),
    Result {
        ms: u32,
    },
    Post,
    Get {
        ms: Value,
        several: bool,
        alertable: bool,
    },
    Queue(u8),
    Sleep {
        ms: u32,
        alertable: bool,
    },
    Exit,
    Terminate(u8),
}

fn act() -> BoxedStrategy<Act> {
    let wait = || select(vec![json!(0), json!(10), json!("INFINITE")]);
    prop_oneof![
        2 => (select(vec![0, 10, 20]), any::<bool>())
            .prop_map(|(ms, alertable)| Act::Sleep { ms, alertable }),
        8 => (any::<u8>(), any::<bool>(), 0_u32..=2, any::<u8>())
            .prop_map(|(file, write, bytes, told)| Act::Request { file, write, bytes, told }),
        2 => Just(Act::Complete),
        2 => (any::<u8>(), any::<bool>())
            .prop_map(|(file, extended)| Act::Cancel { file, extended }),
        1 => any::<u8>().prop_map(Act::Close),
        1 => select(vec![0, 10]).prop_map(|ms| Act::Result { ms }),
        3 => Just(Act::Post),
        3 => (wait(), any::<bool>(), any::<bool>())
            .prop_map(|(ms, several, alertable)| Act::Get { ms, several, alertable }),
        1 => any::<u8>().prop_map(Act::Queue),
        1 => Just(Act::Exit),
        1 => any::<u8>().prop_map(Act::Terminate),
    ]
    .boxed()
}

struct Builder {
    /// How many requests there are; each has an OVERLAPPED with its number.
    requests: usize,
}

impl Builder {
    fn build(
        mut self,
        threads: &[Vec<Act>],
        model: &str,
        mode: &str,
        bound: [bool; 2],
        concurrency: u32,
    ) -> Scenario {
        let device = match model {
            "delay" => json!({ "type": "device", "model": "delay", "ms": 10 }),
            "now" => json!({ "type": "device", "model": "delay", "ms": 0 }),
            model => json!({ "type": "device", "model": model }),
        };
        let mut server = json!({ "type": "file", "pipe": "pipe", "end": "server" });
        let mut file = json!({ "type": "file", "device": "device" });
        if bound[0] {
            server["port"] = json!("port");
        }
        if bound[1] {
            file["port"] = json!("port");
        }
        let mut objects = json!({
            "device": device,
            "pipe": { "type": "pipe", "mode": mode, "quota": 2 },
            "server": server,
            "client": { "type": "file", "pipe": "pipe", "end": "client" },
            "file": file,
            "port": { "type": "port", "concurrency": concurrency },
            "done": { "type": "event", "reset": "manual" },
        });
        let count = threads.len();
        let steps: Map<String, Value> = (0..count)
            .map(|at| {
                let steps = threads[at].iter().enumerate();
                let steps: Vec<Value> = steps
                    .map(|(step, act)| {
                        let mut call = self.step(act, at, count);
                        call["as"] = json!(format!("r{at}{step}"));
                        call
                    })
                    .collect();
                (format!("t{at}"), Value::Array(steps))
            })
            .collect();
        for request in 0..self.requests {
            if request % 3 == 1 {
                objects[format!("ov{request}")] = json!({ "type": "overlapped", "event": "done" });
            }
        }
        let scenario = json!({
            "alertable": 1,
            "kind": "scenario",
            "title": "drawn",
            "objects": objects,
            "routines": { "R": [] },
            "threads": steps,
        });
        read_scenario(&scenario.to_string(), None).unwrap_or_else(|error| panic!("{error}"))
    }

    fn step(&mut self, act: &Act, caller: usize, threads: usize) -> Value {
        let file = |file: &u8| FILES[usize::from(*file) % FILES.len()];
        let thread = |thread: &u8| format!("t{}", usize::from(*thread) % threads);
        match act {
            Act::Request { file: at, write, bytes, told } => {
                let overlapped = format!("ov{}", self.requests);
                self.requests += 1;
                let name = if *write { "WriteFile" } else { "ReadFile" };
                let mut call =
                    json!({ "file": file(at), "bytes": bytes, "overlapped": overlapped });
                if told % 3 == 0 {
                    call["call"] = json!(format!("{name}Ex"));
                    call["routine"] = json!("R");
                } else {
                    call["call"] = json!(name);
                }
                call
            }
            Act::Complete => json!({
                "call": "CompleteRequest", "device": "device", "status": "STATUS_SUCCESS", "bytes": 0,
            }),
            Act::Cancel { file: at, extended } => {
                let name = if *extended { "CancelIoEx" } else { "CancelIo" };
                json!({ "call": name, "file": file(at) })
            }
            Act::Close(at) => json!({ "call": "CloseHandle", "object": file(at) }),
            Act::Result { ms } => json!({
                "call": "GetOverlappedResultEx", "file": "server",
                "overlapped": format!("ov{}", self.requests.saturating_sub(1)),
                "ms": ms, "alertable": true,
            }),
            Act::Post => json!({
                "call": "PostQueuedCompletionStatus", "port": "port", "bytes": 0, "key": 7,
            }),
            Act::Get { ms, several: false, .. } => {
                json!({ "call": "GetQueuedCompletionStatus", "port": "port", "ms": ms })
            }
            Act::Get { ms, several: true, alertable } => json!({
                "call": "GetQueuedCompletionStatusEx", "port": "port", "max": 2, "ms": ms,
                "alertable": alertable,
            }),
            Act::Queue(at) => {
                json!({ "call": "QueueUserAPC", "thread": thread(at), "routine": "R", "data": 1 })
            }
            Act::Sleep { ms, alertable } => {
                json!({ "call": "SleepEx", "ms": ms, "alertable": alertable })
            }
            Act::Terminate(at) if thread(at) != format!("t{caller}") => {
                json!({ "call": "TerminateThread", "thread": thread(at), "code": 1 })
            }
            Act::Exit | Act::Terminate(_) => json!({ "call": "ExitThread", "code": 0 }),
        }
    }
}
