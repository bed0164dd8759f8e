//! Drawing scenarios.

use crate::engine::rng::Rng;
use alertable_traces::read_scenario;
use alertable_traces::scenario::Scenario;
use serde_json::{Map, Value, json};

/// Which scenarios are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// All that the model simulates.
    Any,
    /// Those that a program of a real system can run.
    Runnable,
}

/// What a scenario is about. It decides what there is and which calls are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum World {
    /// Events, mutexes, semaphores, timers, APCs.
    Dispatcher,
    /// Threads that suspend, resume and end each other.
    Lives,
    /// A pipe and its two ends.
    Pipe,
    /// A completion port, and a pipe that has it.
    Port,
    /// A device that no program could be the driver of.
    Device,
}

impl World {
    fn name(self) -> &'static str {
        match self {
            World::Dispatcher => "objects and APCs",
            World::Lives => "suspension and termination",
            World::Pipe => "pipes",
            World::Port => "completion ports",
            World::Device => "devices",
        }
    }

    /// The first thing that is drawn.
    fn draw(rng: &mut Rng, kind: Kind) -> Self {
        let worlds = match kind {
            Kind::Any => {
                &[World::Dispatcher, World::Lives, World::Pipe, World::Port, World::Device][..]
            }
            Kind::Runnable => &[World::Dispatcher, World::Lives, World::Pipe, World::Port][..],
        };
        worlds[rng.below(worlds.len())]
    }
}

/// What the scenario that belongs to a seed is about, in a few words.
pub fn subject(seed: u64, kind: Kind) -> &'static str {
    World::draw(&mut Rng::new(seed), kind).name()
}

/// The scenario that belongs to a seed.
pub fn generate(seed: u64, kind: Kind) -> Scenario {
    let mut rng = Rng::new(seed);
    let world = World::draw(&mut rng, kind);
    let draw =
        Draw { rng, kind, world, request_count: 0, datum: 0, thread_count: 0, objects: Map::new() };
    draw.scenario(seed)
}

const ROUTINES: [&str; 2] = ["A", "B"];

struct Draw {
    rng: Rng,
    kind: Kind,
    world: World,
    request_count: usize,
    /// What the next APC is given: each its own, so that they can be told apart.
    datum: u64,
    thread_count: usize,
    objects: Map<String, Value>,
}

impl Draw {
    fn pick<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among[self.rng.below(among.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.rng.below(one_in) == 0
    }

    fn boolean(&mut self) -> bool {
        self.chance(2)
    }

    fn scenario(mut self, seed: u64) -> Scenario {
        self.thread_count = 2 + self.rng.below(2);
        self.declare();
        let mut routines = Map::new();
        // The last routine has no steps; each queues only those behind it.
        for (at, name) in ROUTINES.iter().enumerate() {
            let is_last = at + 1 == ROUTINES.len();
            let count = if is_last || self.boolean() { 0 } else { 1 + self.rng.below(2) };
            let steps = (0..count).map(|step| self.step(&format!("{name}{step}"), at + 1));
            let steps: Vec<Value> = steps.collect();
            routines.insert(ROUTINES[at].to_owned(), json!(steps));
        }
        let mut threads = Map::new();
        for at in 0..self.thread_count {
            let count = 1 + self.rng.below(4);
            let steps: Vec<Value> =
                (0..count).map(|step| self.step(&format!("r{at}{step}"), 0)).collect();
            let is_suspended = self.world == World::Lives && at > 0 && self.chance(4);
            let thread = if is_suspended {
                json!({ "steps": steps, "start": "suspended" })
            } else {
                json!(steps)
            };
            threads.insert(format!("t{at}"), thread);
        }
        self.drop_unused(&threads, &mut routines);
        let mut scenario = json!({
            "alertable": 1, "kind": "scenario", "title": format!("drawn from the seed {seed}"),
            "objects": self.objects, "routines": routines, "threads": threads,
        });
        if self.kind == Kind::Any && self.chance(8) {
            scenario["machine"] = json!({ "time": "free" });
        }
        read_scenario(&scenario.to_string(), None)
            .unwrap_or_else(|error| unreachable!("what is drawn is a scenario: {error}"))
    }

    /// What there is.
    fn declare(&mut self) {
        let mut add = |name: &str, object: Value| {
            self.objects.insert(name.to_owned(), object);
        };
        add("auto", json!({ "type": "event", "reset": "auto" }));
        add("manual", json!({ "type": "event", "reset": "manual" }));
        match self.world {
            World::Dispatcher => {
                add("mutex", json!({ "type": "mutex" }));
                add("semaphore", json!({ "type": "semaphore", "count": 1, "max": 2 }));
                add("tick", json!({ "type": "timer", "reset": "auto" }));
                add("alarm", json!({ "type": "timer", "reset": "manual" }));
            }
            World::Lives => add("mutex", json!({ "type": "mutex" })),
            World::Pipe | World::Port => self.declare_pipe(),
            World::Device => {
                let model = self.pick(&["hold", "immediate", "eventual"]);
                let device = json!({ "type": "device", "model": model });
                self.objects.insert("device".to_owned(), device);
                self.objects
                    .insert("file".to_owned(), json!({ "type": "file", "device": "device" }));
            }
        }
        if self.world == World::Dispatcher && self.boolean() {
            self.objects["mutex"]["owner"] = json!("t0");
        }
        for event in ["auto", "manual"] {
            if self.chance(4) {
                self.objects[event]["signaled"] = json!(true);
            }
        }
    }

    fn declare_pipe(&mut self) {
        let mode = self.pick(&["byte", "message"]);
        let quota = if self.boolean() { 2 } else { 64 };
        let is_synchronous = self.world == World::Pipe && self.chance(4);
        let mut server = json!({ "type": "file", "pipe": "pipe", "end": "server" });
        let mut client = json!({ "type": "file", "pipe": "pipe", "end": "client" });
        if is_synchronous {
            client["overlapped"] = json!(false);
        }
        if self.world == World::Port {
            let concurrency = 1 + self.rng.below(2);
            let port = json!({ "type": "port", "concurrency": concurrency });
            self.objects.insert("port".to_owned(), port);
            if self.boolean() {
                server["port"] = json!("port");
                server["key"] = json!(7);
            }
        }
        let pipe = json!({ "type": "pipe", "mode": mode, "quota": quota });
        self.objects.insert("pipe".to_owned(), pipe);
        self.objects.insert("server".to_owned(), server);
        self.objects.insert("client".to_owned(), client);
    }

    /// Removes the objects and routines that no step names.
    fn drop_unused(&mut self, threads: &Map<String, Value>, routines: &mut Map<String, Value>) {
        let text = Value::Object(threads.clone()).to_string();
        // A routine that is used keeps what its own steps name.
        let first = format!("{}{}", text, routines["A"]);
        let names = |text: &str, name: &str| text.contains(&format!("\"{name}\""));
        let uses_a = names(&text, "A");
        let seen = if uses_a { first } else { text };
        routines.retain(|name, _| names(&seen, name));
        let used_pipe = names(&seen, "server") || names(&seen, "client");
        let declared = self.objects.clone();
        self.objects.retain(|name, object| match object["type"].as_str() {
            Some("overlapped") => true,
            Some("pipe") => used_pipe,
            Some("file") if name == "server" || name == "client" => used_pipe,
            Some("device") => names(&seen, "file") || names(&seen, "device"),
            Some("event") => {
                names(&seen, name)
                    || declared.values().any(|other| other["event"].as_str() == Some(name))
            }
            Some("port") => names(&seen, name) || used_pipe,
            _ => names(&seen, name),
        });
    }

    fn time(&mut self) -> Value {
        match self.rng.below(5) {
            0 | 1 => json!(0),
            2 => json!(10),
            3 => json!(20),
            _ => json!("INFINITE"),
        }
    }

    fn other_thread(&mut self) -> String {
        format!("t{}", self.rng.below(self.thread_count))
    }

    /// A step under a label; `routine` is the first routine that it may queue.
    fn step(&mut self, label: &str, routine: usize) -> Value {
        let mut call = match (self.world, self.rng.below(12)) {
            (_, 0 | 1) => self.sleep(),
            (_, 2) | (World::Dispatcher, 9) => self.queue(routine),
            (World::Dispatcher, 5 | 6) | (World::Lives, 9) => self.signal(),
            (World::Dispatcher, 7) => self.timer(routine),
            (World::Dispatcher, 8) => self.wait_for_several(),
            (World::Lives, 5..=8) => self.life(),
            // A routine can run twice, and would use its OVERLAPPED twice.
            (World::Pipe, 3..=7) | (World::Port, 3 | 4) | (World::Device, 3..=5)
                if routine == 0 =>
            {
                self.request(routine)
            }
            (World::Port, 5..=7) => self.remove_packet(),
            (World::Port, 8) => self.post(),
            (World::Device, 7 | 8) => json!({
                "call": "CompleteRequest", "device": "device", "status": "STATUS_SUCCESS",
                "bytes": 0,
            }),
            (World::Pipe | World::Port | World::Device, 9 | 10) => self.manage_request(),
            (World::Pipe | World::Port | World::Device, 3..=8)
            | (World::Dispatcher | World::Lives, _) => self.wait(),
            (World::Pipe | World::Port | World::Device, _) => self.end_something(),
        };
        if call["call"] != "Sleep" && call["call"] != "ExitThread" {
            call["as"] = json!(label);
        }
        call
    }

    fn sleep(&mut self) -> Value {
        match self.rng.below(5) {
            0 => json!({ "call": "Sleep", "ms": 10 }),
            1 => json!({ "call": "NtTestAlert" }),
            _ => json!({ "call": "SleepEx", "ms": self.time(), "alertable": true }),
        }
    }

    fn queue(&mut self, routine: usize) -> Value {
        if routine >= ROUTINES.len() {
            return json!({ "call": "SetEvent", "event": "auto" });
        }
        let routine = ROUTINES[routine + self.rng.below(ROUTINES.len() - routine)];
        self.datum += 1;
        let (thread, data) = (self.other_thread(), self.datum);
        if self.kind == Kind::Any && self.chance(6) {
            return json!({
                "call": "QueueUserAPC2", "thread": thread, "routine": routine, "data": data,
                "flags": ["special"],
            });
        }
        json!({ "call": "QueueUserAPC", "thread": thread, "routine": routine, "data": data })
    }

    /// Something that a thread can wait for.
    fn waitable(&mut self) -> String {
        let names: &[&str] = match self.world {
            World::Dispatcher => &["auto", "manual", "mutex", "semaphore", "tick", "alarm"],
            World::Lives => &["auto", "mutex"],
            World::Pipe => &["auto", "manual", "server"],
            World::Port => &["auto", "manual"],
            World::Device => &["auto", "manual", "file"],
        };
        if self.chance(if self.world == World::Lives { 2 } else { 6 }) {
            return self.other_thread();
        }
        self.pick(names).to_owned()
    }

    fn wait(&mut self) -> Value {
        let (object, ms) = (self.waitable(), self.time());
        if self.boolean() {
            return json!({
                "call": "WaitForSingleObjectEx", "object": object, "ms": ms, "alertable": true,
            });
        }
        json!({ "call": "WaitForSingleObject", "object": object, "ms": ms })
    }

    fn wait_for_several(&mut self) -> Value {
        if self.chance(4) {
            let signal = self.pick(&["auto", "manual", "mutex", "semaphore"]);
            let (object, ms, alertable) = (self.waitable(), self.time(), self.boolean());
            return json!({
                "call": "SignalObjectAndWait", "signal": signal, "object": object, "ms": ms,
                "alertable": alertable,
            });
        }
        let mut objects = Vec::new();
        for _ in 0..2 + self.rng.below(2) {
            let object = self.waitable();
            if !objects.contains(&object) {
                objects.push(object);
            }
        }
        json!({
            "call": "WaitForMultipleObjectsEx", "objects": objects, "all": self.boolean(),
            "ms": self.time(), "alertable": self.boolean(),
        })
    }

    fn signal(&mut self) -> Value {
        let event = self.pick(&["auto", "manual"]);
        match self.rng.below(if self.world == World::Dispatcher { 7 } else { 3 }) {
            0 | 1 => json!({ "call": "SetEvent", "event": event }),
            2 => json!({ "call": "ResetEvent", "event": event }),
            3 => json!({ "call": "PulseEvent", "event": event }),
            4 => json!({ "call": "ReleaseMutex", "mutex": "mutex" }),
            _ => json!({
                "call": "ReleaseSemaphore", "semaphore": "semaphore",
                "count": 1 + self.rng.below(2),
            }),
        }
    }

    fn timer(&mut self, routine: usize) -> Value {
        let timer = self.pick(&["tick", "alarm"]);
        if self.chance(4) {
            return json!({ "call": "CancelWaitableTimer", "timer": timer });
        }
        let due_ms = 10 * self.rng.below(3);
        let mut call = json!({
            "call": "SetWaitableTimer", "timer": timer, "due_ms": due_ms, "period_ms": 0,
        });
        if routine < ROUTINES.len() && self.boolean() {
            call["routine"] = json!(ROUTINES[routine]);
        }
        call
    }

    fn life(&mut self) -> Value {
        let thread = self.other_thread();
        match self.rng.below(6) {
            0 | 1 => json!({ "call": "SuspendThread", "thread": thread }),
            2 | 3 => json!({ "call": "ResumeThread", "thread": thread }),
            4 => json!({ "call": "TerminateThread", "thread": thread, "code": 1 }),
            _ => json!({ "call": "ReleaseMutex", "mutex": "mutex" }),
        }
    }

    /// The end of a pipe, or the file of the device.
    fn file(&mut self) -> &'static str {
        if self.world == World::Device { "file" } else { self.pick(&["server", "client"]) }
    }

    fn request(&mut self, routine: usize) -> Value {
        let (file, bytes) = (self.file(), self.rng.below(4));
        let verb = if self.boolean() { "ReadFile" } else { "WriteFile" };
        let is_synchronous =
            self.objects.get(file).is_some_and(|file| file["overlapped"] == json!(false));
        if is_synchronous {
            return json!({ "call": verb, "file": file, "bytes": bytes });
        }
        let overlapped = format!("ov{}", self.request_count);
        self.request_count += 1;
        if routine < ROUTINES.len() && self.chance(3) {
            return json!({
                "call": format!("{verb}Ex"), "file": file, "bytes": bytes,
                "overlapped": overlapped, "routine": ROUTINES[routine],
            });
        }
        if self.chance(3) {
            let event = self.pick(&["auto", "manual"]);
            let object = json!({ "type": "overlapped", "event": event });
            self.objects.insert(overlapped.clone(), object);
        }
        json!({ "call": verb, "file": file, "bytes": bytes, "overlapped": overlapped })
    }

    fn manage_request(&mut self) -> Value {
        let file = self.file();
        let known = self.request_count.checked_sub(1).map(|last| self.rng.below(last + 1));
        match (self.rng.below(6), known) {
            (0, _) => json!({ "call": "CancelIo", "file": file }),
            (1, _) | (_, None) => json!({ "call": "CancelIoEx", "file": file }),
            (2, Some(at)) => {
                let overlapped = format!("ov{at}");
                json!({ "call": "CancelIoEx", "file": file, "overlapped": overlapped })
            }
            (3, Some(at)) => {
                json!({ "call": "HasOverlappedIoCompleted", "overlapped": format!("ov{at}") })
            }
            (4, Some(at)) => {
                let overlapped = format!("ov{at}");
                json!({
                    "call": "GetOverlappedResult", "file": file, "overlapped": overlapped,
                    "wait": false,
                })
            }
            (_, Some(at)) => {
                let ms = 10 * self.rng.below(2);
                json!({
                    "call": "GetOverlappedResultEx", "file": file, "overlapped": format!("ov{at}"),
                    "ms": ms, "alertable": self.boolean(),
                })
            }
        }
    }

    fn remove_packet(&mut self) -> Value {
        let ms = self.time();
        if self.boolean() {
            return json!({ "call": "GetQueuedCompletionStatus", "port": "port", "ms": ms });
        }
        json!({
            "call": "GetQueuedCompletionStatusEx", "port": "port", "max": 1 + self.rng.below(2),
            "ms": ms, "alertable": self.boolean(),
        })
    }

    fn post(&mut self) -> Value {
        self.datum += 1;
        json!({
            "call": "PostQueuedCompletionStatus", "port": "port", "bytes": 0, "key": self.datum,
        })
    }

    fn end_something(&mut self) -> Value {
        match self.rng.below(4) {
            0 => json!({ "call": "ExitThread", "code": 0 }),
            1 => json!({ "call": "SetEvent", "event": self.pick(&["auto", "manual"]) }),
            _ => json!({ "call": "CloseHandle", "object": self.file() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_scenario_and_seeds_give_many() {
        for kind in [Kind::Any, Kind::Runnable] {
            assert_eq!(generate(7, kind), generate(7, kind));
            let mut drawn: Vec<String> = (0..200)
                .map(|seed| {
                    serde_json::to_string(&generate(seed, kind).threads).expect("it is JSON")
                })
                .collect();
            drawn.sort();
            drawn.dedup();
            assert!(drawn.len() > 190, "{} are different", drawn.len());
        }
    }

    #[test]
    fn what_is_drawn_to_run_has_no_obstacle() {
        for seed in 0..500 {
            let scenario = generate(seed, Kind::Runnable);
            assert_eq!(crate::litmus::obstacles(&scenario), [""; 0], "seed {seed}");
        }
    }
}
