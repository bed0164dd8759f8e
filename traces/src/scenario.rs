//! A closed little world: what exists, what each thread does, and what must come of it.

pub use crate::expectation::Expectations;
pub use crate::object::{DeviceModel, Object, PipeEnd, PipeMode, Reset, worker_name};

use crate::call::Call;
use crate::context::{Context, Kind, kinds};
use crate::declare::{document, names, record, stands_alone};
use crate::document::DocumentKind;
use crate::error::Fault;
use crate::json::{Json, Node};
use crate::limits::{REPEAT_NESTING_MAX, ROUTINE_COUNT_MAX, THREAD_COUNT_MAX};
use crate::object::Objects;
use crate::outcome::CallResult;
use crate::read::{Fields, Properties, Read, Record};
use crate::reader::{Between, Line, OrNull, Reader, To};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};

record! {
    /// A scenario: what exists, what each thread does, and what must come of it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Scenario {
        /// What it shows, in one line.
        title: String = String::new() => Line,
        /// Free text.
        doc: Option<String>,
        /// The rules of the specification that it shows.
        rules: Vec<String> = Vec::new(),
        /// Whose behaviour: `windows`, or another named set of deviations.
        dialect: Option<String>,
        /// The machine on which it runs.
        machine: MachineOptions = MachineOptions::default(),
        /// What exists, by name.
        objects: IndexMap<String, Object> = IndexMap::new() => Objects,
        /// What APCs, completions and timers run, by name. Without steps, a routine just
        /// records that it ran.
        routines: IndexMap<String, Vec<Step>> = IndexMap::new(),
        /// Who does what, by name.
        threads: IndexMap<String, Thread>,
        /// What must come of it.
        expect: Option<Expectations>,
    }
}

record! {
    /// The machine on which a scenario runs.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct MachineOptions {
        /// The number of processors, 1 to 64.
        processors: Option<u8> => Between<1, 64>,
        /// When time passes.
        time: Option<TimeMode>,
    }
}

names! {
    /// When virtual time passes.
    pub enum TimeMode: "time" {
        /// Only when no thread can take a step.
        Urgent = "urgent",
        /// Also while threads could run, as on a loaded machine.
        Free = "free",
    }
}

record! {
    /// A thread: its steps, and how it begins. As JSON, the steps alone when all else is as
    /// usual.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Thread {
        /// What it does, in order.
        steps: Vec<Step>,
        /// How it begins.
        start: Start = Start::Now,
        /// Its priority, 0 to 31.
        priority: u8 = PRIORITY_NORMAL => Between<0, 31>,
        /// Whether it runs in user mode.
        mode: ThreadMode = ThreadMode::User,
        /// Its process; the first one when left out.
        process: Option<String> => Line,
    }
}

/// The priority of a thread that does not say another (`NORMAL_PRIORITY_CLASS`).
pub const PRIORITY_NORMAL: u8 = 8;

impl Thread {
    /// A thread that is already running, with the usual priority and mode.
    pub fn of(steps: Vec<Step>) -> Self {
        Thread {
            steps,
            start: Start::Now,
            priority: PRIORITY_NORMAL,
            mode: ThreadMode::User,
            process: None,
        }
    }
}

names! {
    /// How a thread begins.
    pub enum Start: "start" {
        /// It is already running, about to take its first step.
        Now = "now",
        /// Created and not yet run; it waits for `ResumeThread`.
        Suspended = "suspended",
        /// It waits for a `CreateThread` step.
        Later = "later",
    }
}

names! {
    /// Where a thread runs.
    pub enum ThreadMode: "mode" {
        /// In user mode.
        User = "user",
        /// In kernel mode only (a system thread).
        System = "system",
    }
}

/// What a thread or routine does: a call, or steps several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A call.
    Call(CallStep),
    /// Steps that are done several times.
    Repeat(Repeat),
}

/// A call and the label under which its result is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallStep {
    /// The call.
    pub call: Call,
    /// Where its result is kept (`as`); several steps may share a label.
    pub label: Option<String>,
}

record! {
    /// Steps that are done several times.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Repeat {
        /// How often, at most; `"INFINITE"` for ever.
        count as "repeat": Count,
        /// What must hold to go on.
        condition as "while": Option<Condition>,
        /// The steps.
        steps: Vec<Step>,
    }
}

/// How often steps are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many times.
    Times(u32),
    /// Until something else ends it: an extension of version 1 for event loops.
    Infinite,
}

impl Read for Count {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        match &node.value {
            Json::String(text) if text == "INFINITE" => Ok(Count::Infinite),
            Json::Number(_) => u32::read(node, cx).map(Count::Times),
            _ => Err(node.mismatch("a number or \"INFINITE\"")),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Count::Times(times) => serializer.serialize_u32(*times),
            Count::Infinite => serializer.serialize_str("INFINITE"),
        }
    }
}

impl JsonSchema for Count {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 0xFFFF_FFFF_u32 },
            { "const": "INFINITE" }
        ] })
    }
}

record! {
    /// Holds as long as the last result under a label, or of the loop's last step, matches.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Condition {
        /// The label; without one, the result of the loop's last step is looked at, which then
        /// has to be a call.
        label: Option<String> => OrNull<To<{ kinds::LABEL }>>,
        /// What the result must be; fields that it leaves out may be anything.
        is: CallResult => BareResult,
    }
}

stands_alone!(MachineOptions, Condition, Repeat);
document!(Scenario => predeclare, DocumentKind::Scenario);

/// Routines and threads are known before any step is read, so that a step that names one where
/// an OVERLAPPED belongs does not declare it.
fn predeclare(fields: Fields<'_, '_>, cx: &mut Context) -> Result<(), Fault> {
    let sections = [
        ("routines", Kind::Routine, ROUTINE_COUNT_MAX),
        ("threads", Kind::Thread, THREAD_COUNT_MAX),
    ];
    for (section, kind, count_max) in sections {
        let Some(Json::Object(members)) = fields.get(section).map(|node| &node.value) else {
            continue;
        };
        for (index, member) in members.iter().enumerate() {
            if index == count_max {
                let message = format!("more than {count_max} {section}");
                return Err(Fault::new(member.key_span, message));
            }
            cx.declare(&member.key, member.key_span, kind)?;
        }
    }
    Ok(())
}

/// A result, of which a bare name or number is the part that the call returned.
struct BareResult;

impl Reader<CallResult> for BareResult {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<CallResult, Fault> {
        match &node.value {
            Json::String(_) | Json::Number(_) => {
                <crate::reader::Returned as Reader<crate::outcome::Value>>::read(node, cx)
                    .map(CallResult::of)
            }
            _ => CallResult::read(node, cx),
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let result = generator.subschema_for::<CallResult>();
        json_schema!({ "anyOf": [{ "type": ["string", "integer"] }, result] })
    }
}

impl Read for Thread {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        match &node.value {
            Json::List(_) => Vec::read(node, cx).map(Thread::of),
            Json::Object(_) => Thread::read_record(node.fields()?, &[], cx),
            _ => Err(node.mismatch("a list of steps or an object")),
        }
    }
}

impl Serialize for Thread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Thread { steps, start, priority, mode, process } = self;
        let is_usual = (start, priority, mode, process)
            == (&Start::Now, &PRIORITY_NORMAL, &ThreadMode::User, &None);
        if is_usual {
            return steps.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        self.write_record(&mut map)?;
        map.end()
    }
}

impl JsonSchema for Thread {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Thread".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let steps = generator.subschema_for::<Vec<Step>>();
        let mut properties = Properties::new(generator);
        Thread::describe(&mut properties);
        let object = properties.object("");
        let doc = crate::read::plain_doc(Thread::DOC);
        json_schema!({ "description": doc, "anyOf": [steps, object] })
    }
}

impl Read for Step {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let fields = node.fields()?;
        cx.count_step(node.span)?;
        if fields.get("repeat").is_some() {
            return read_repeat(fields, cx).map(Step::Repeat);
        }
        let call = Call::read_record(fields, &["as"], cx)?;
        let label = fields.get("as").map(|node| read_label(node, cx)).transpose()?;
        Ok(Step::Call(CallStep { call, label }))
    }
}

fn read_repeat(fields: Fields<'_, '_>, cx: &mut Context) -> Result<Repeat, Fault> {
    if cx.repeat_depth == REPEAT_NESTING_MAX {
        let message = format!("repeats nest more than {REPEAT_NESTING_MAX} deep");
        return Err(Fault::new(fields.span, message));
    }
    cx.repeat_depth += 1;
    let repeat = Repeat::read_record(fields, &[], cx);
    cx.repeat_depth -= 1;
    let looks_at_last = |repeat: &Repeat| {
        repeat.condition.as_ref().is_some_and(|condition| condition.label.is_none())
    };
    match repeat {
        Ok(repeat)
            if looks_at_last(&repeat) && !matches!(repeat.steps.last(), Some(Step::Call(_))) =>
        {
            let message = "without a \"label\" the last step of the loop has to be a call";
            Err(Fault::new(fields.require("while")?.span, message))
        }
        repeat => repeat,
    }
}

fn read_label(node: &Node<'_>, cx: &mut Context) -> Result<String, Fault> {
    let name = node.text()?;
    cx.label(name, node.span)?;
    Ok(name.to_owned())
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Step::Call(step) => step.serialize(serializer),
            Step::Repeat(repeat) => repeat.serialize(serializer),
        }
    }
}

impl Serialize for CallStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.call.write_record(&mut map)?;
        if let Some(label) = &self.label {
            map.serialize_entry("as", label)?;
        }
        map.end()
    }
}

impl JsonSchema for Step {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut steps = vec![generator.subschema_for::<Repeat>()];
        steps.extend(Call::variants(generator, &|properties| {
            let label = json_schema!({ "type": "string", "minLength": 1 });
            properties.add("as", "The label under which the result is kept.", label, None, false);
        }));
        json_schema!({ "description": "A call, or steps several times.", "oneOf": steps })
    }
}

/// The scenario as a JSON document, laid out for people. It reads back as an equal scenario.
pub fn scenario_to_json(scenario: &Scenario) -> String {
    crate::layout::lay_out(&crate::layout::one_line(scenario))
}
