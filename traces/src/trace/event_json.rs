//! Reading and writing events.

use super::event::{EventKind, TraceEvent};
use super::{
    ApcKind, DpcEvent, IrpEvent, KapcEvent, ObjectEvent, PacketEvent, ProcessorMode, ThreadEvent,
    TimerEvent,
};
use crate::call::Call;
use crate::context::Context;
use crate::declare::read_field;
use crate::error::Fault;
use crate::json::Node;
use crate::kernel::Irql;
use crate::outcome::{ApcEntry, CallResult};
use crate::read::{Fields, Members, Properties, Read, Record, TARGET, Targets};
use crate::reader::{Plain, one_of};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;

/// The fields of every event.
const COMMON: [&str; 4] = ["n", "t", "thread", "ev"];

impl Read for TraceEvent<'static> {
    fn read(node: &Node<'_>, cx: &mut Context) -> Result<Self, Fault> {
        let fields = node.fields()?;
        Ok(TraceEvent {
            what: read_kind(fields, cx)?,
            n: required(fields, "n", cx)?,
            t: required(fields, "t", cx)?,
            thread: text(fields, "thread", cx)?,
        })
    }
}

fn required<T: Read>(fields: Fields<'_, '_>, name: &str, cx: &mut Context) -> Result<T, Fault> {
    read_field::<T, Plain>(fields, name, None, cx)
}

fn text(
    fields: Fields<'_, '_>,
    name: &str,
    cx: &mut Context,
) -> Result<Option<Cow<'static, str>>, Fault> {
    required::<Option<String>>(fields, name, cx).map(|text| text.map(Cow::Owned))
}

fn required_text(
    fields: Fields<'_, '_>,
    name: &str,
    cx: &mut Context,
) -> Result<Cow<'static, str>, Fault> {
    required::<String>(fields, name, cx).map(Cow::Owned)
}

fn read_kind(fields: Fields<'_, '_>, cx: &mut Context) -> Result<EventKind<'static>, Fault> {
    let name = one_of(fields.require("ev")?, "event", EventKind::NAMES)?;
    let only = |own: &[&str]| fields.only(own, &COMMON);
    Ok(match name {
        "call" => {
            let call = Call::read_record(fields.of_call(), &COMMON, cx)?;
            EventKind::Call { call: Cow::Owned(call) }
        }
        "return" => {
            let beside = [&COMMON[..], &["of"]].concat();
            let result = Cow::Owned(CallResult::read_record(fields, &beside, cx)?);
            EventKind::Return { of: required(fields, "of", cx)?, result }
        }
        "apc" => EventKind::Apc(Cow::Owned(ApcEntry::read_record(fields, &COMMON, cx)?)),
        "apc-return" => {
            EventKind::ApcReturn(Cow::Owned(ApcEntry::read_record(fields, &COMMON, cx)?))
        }
        "thread" => {
            only(&["what"])?;
            EventKind::Thread { what: required::<ThreadEvent>(fields, "what", cx)? }
        }
        "kapc" => {
            only(&["what", "mode", "kind", "routine", "data"])?;
            EventKind::Kapc {
                what: required::<KapcEvent>(fields, "what", cx)?,
                mode: required::<ProcessorMode>(fields, "mode", cx)?,
                kind: required::<ApcKind>(fields, "kind", cx)?,
                routine: text(fields, "routine", cx)?,
                data: required(fields, "data", cx)?,
            }
        }
        "irp" => {
            only(&["irp", "what", "device", "stack", "status"])?;
            EventKind::Irp {
                irp: required(fields, "irp", cx)?,
                what: required::<IrpEvent>(fields, "what", cx)?,
                device: text(fields, "device", cx)?,
                stack: required(fields, "stack", cx)?,
                status: text(fields, "status", cx)?,
            }
        }
        "packet" => {
            only(&["port", "what", "key", "overlapped"])?;
            EventKind::Packet {
                port: required_text(fields, "port", cx)?,
                what: required::<PacketEvent>(fields, "what", cx)?,
                key: required(fields, "key", cx)?,
                overlapped: text(fields, "overlapped", cx)?,
            }
        }
        "timer" => {
            only(&["timer", "what"])?;
            EventKind::Timer {
                timer: required_text(fields, "timer", cx)?,
                what: required::<TimerEvent>(fields, "what", cx)?,
            }
        }
        "object" => {
            only(&["object", "what"])?;
            EventKind::Object {
                object: required_text(fields, "object", cx)?,
                what: required::<ObjectEvent>(fields, "what", cx)?,
            }
        }
        "irql" => {
            only(&["irql"])?;
            EventKind::Irql { irql: required::<Irql>(fields, "irql", cx)? }
        }
        "dpc" => {
            only(&["dpc", "what"])?;
            EventKind::Dpc {
                dpc: required_text(fields, "dpc", cx)?,
                what: required::<DpcEvent>(fields, "what", cx)?,
            }
        }
        "stop" => {
            only(&["bug_check"])?;
            EventKind::Stop { bug_check: required_text(fields, "bug_check", cx)? }
        }
        _ => {
            only(&["among", "picked"])?;
            read_choice(fields, cx)?
        }
    })
}

fn read_choice(fields: Fields<'_, '_>, cx: &mut Context) -> Result<EventKind<'static>, Fault> {
    let among: Vec<String> = required(fields, "among", cx)?;
    let index_max = (among.len() as i128) - 1;
    let picked = fields.require("picked")?.whole(0, index_max)?;
    let picked = usize::try_from(picked).unwrap_or_default();
    Ok(EventKind::Choice { among: among.into_iter().map(Cow::Owned).collect(), picked })
}

impl Serialize for TraceEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("n", &self.n)?;
        map.serialize_entry("t", &self.t)?;
        optional(&mut map, "thread", self.thread.as_ref())?;
        map.serialize_entry("ev", self.what.name())?;
        write_kind(&self.what, &mut map)?;
        map.end()
    }
}

fn optional<T: Serialize, M: SerializeMap>(
    map: &mut M,
    name: &str,
    value: Option<T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

fn write_kind<M: SerializeMap>(kind: &EventKind<'_>, map: &mut M) -> Result<(), M::Error> {
    match kind {
        EventKind::Call { call } => call.write_record(&mut Targets(map)),
        EventKind::Return { of, result } => {
            map.serialize_entry("of", of)?;
            result.write_record(map)
        }
        EventKind::Apc(entry) | EventKind::ApcReturn(entry) => entry.write_record(map),
        EventKind::Thread { what } => map.member("what", what),
        EventKind::Kapc { what, mode, kind, routine, data } => {
            map.serialize_entry("what", what)?;
            map.serialize_entry("mode", mode)?;
            map.serialize_entry("kind", kind)?;
            optional(map, "routine", routine.as_ref())?;
            optional(map, "data", *data)
        }
        EventKind::Irp { irp, what, device, stack, status } => {
            map.serialize_entry("irp", irp)?;
            map.serialize_entry("what", what)?;
            optional(map, "device", device.as_ref())?;
            optional(map, "stack", *stack)?;
            optional(map, "status", status.as_ref())
        }
        EventKind::Packet { port, what, key, overlapped } => {
            map.serialize_entry("port", port)?;
            map.serialize_entry("what", what)?;
            optional(map, "key", *key)?;
            optional(map, "overlapped", overlapped.as_ref())
        }
        EventKind::Timer { timer, what } => {
            map.serialize_entry("timer", timer)?;
            map.serialize_entry("what", what)
        }
        EventKind::Object { object, what } => {
            map.serialize_entry("object", object)?;
            map.serialize_entry("what", what)
        }
        EventKind::Irql { irql } => map.serialize_entry("irql", irql),
        EventKind::Dpc { dpc, what } => {
            map.serialize_entry("dpc", dpc)?;
            map.serialize_entry("what", what)
        }
        EventKind::Stop { bug_check } => map.serialize_entry("bug_check", bug_check),
        EventKind::Choice { among, picked } => {
            map.serialize_entry("among", among)?;
            map.serialize_entry("picked", picked)
        }
    }
}

/// A member of an event in the schema: its name, its schema, whether it must be there.
type Described = (&'static str, Schema, bool);

impl JsonSchema for TraceEvent<'_> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TraceEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut events = Call::variants(generator, &|properties| {
            if let Some(thread) = properties.members.remove("thread") {
                properties.members.insert(TARGET.to_owned(), thread);
                for name in properties.required.iter_mut().filter(|name| *name == "thread") {
                    TARGET.clone_into(name);
                }
            }
            describe_common(properties, "call");
        });
        events.push(record_event::<CallResult>(generator, "return", true));
        events.push(record_event::<ApcEntry>(generator, "apc", false));
        events.push(record_event::<ApcEntry>(generator, "apc-return", false));
        let others = EventKind::NAMES.iter().skip_while(|name| **name != "thread");
        for name in others.copied() {
            let members = described(generator, name);
            let mut properties = Properties::new(generator);
            describe_common(&mut properties, name);
            for (name, schema, is_required) in members {
                properties.add(name, "", schema, None, is_required);
            }
            events.push(properties.object(""));
        }
        json_schema!({ "description": "One event of a trace.", "oneOf": events })
    }
}

fn describe_common(properties: &mut Properties<'_>, name: &str) {
    let number = json_schema!({ "type": "integer", "minimum": 0 });
    let thread = json_schema!({ "type": "string" });
    properties.constant("ev", name);
    properties.add("n", "Its number; numbers go up.", number.clone(), None, true);
    properties.add("t", "When it happened, in nanoseconds.", number, None, true);
    properties.add(
        "thread",
        "The thread that did it or to which it happened.",
        thread,
        None,
        false,
    );
}

fn record_event<T: Record>(generator: &mut SchemaGenerator, name: &str, is_return: bool) -> Schema {
    let mut properties = Properties::new(generator);
    describe_common(&mut properties, name);
    if is_return {
        let of = json_schema!({ "type": "integer", "minimum": 0 });
        properties.add("of", "The number of the call's event.", of, None, true);
    }
    T::describe(&mut properties);
    properties.object("")
}

fn described(generator: &mut SchemaGenerator, event: &str) -> Vec<Described> {
    let text = || json_schema!({ "type": "string" });
    let number = || json_schema!({ "type": "integer", "minimum": 0 });
    match event {
        "thread" => vec![("what", generator.subschema_for::<ThreadEvent>(), true)],
        "kapc" => vec![
            ("what", generator.subschema_for::<KapcEvent>(), true),
            ("mode", generator.subschema_for::<ProcessorMode>(), true),
            ("kind", generator.subschema_for::<ApcKind>(), true),
            ("routine", text(), false),
            ("data", number(), false),
        ],
        "irp" => vec![
            ("irp", number(), true),
            ("what", generator.subschema_for::<IrpEvent>(), true),
            ("device", text(), false),
            ("stack", number(), false),
            ("status", text(), false),
        ],
        "packet" => vec![
            ("port", text(), true),
            ("what", generator.subschema_for::<PacketEvent>(), true),
            ("key", number(), false),
            ("overlapped", text(), false),
        ],
        "timer" => {
            vec![("timer", text(), true), ("what", generator.subschema_for::<TimerEvent>(), true)]
        }
        "object" => {
            vec![("object", text(), true), ("what", generator.subschema_for::<ObjectEvent>(), true)]
        }
        "irql" => vec![("irql", generator.subschema_for::<Irql>(), true)],
        "dpc" => {
            vec![("dpc", text(), true), ("what", generator.subschema_for::<DpcEvent>(), true)]
        }
        "stop" => vec![("bug_check", text(), true)],
        _ => vec![
            ("among", json_schema!({ "type": "array", "items": { "type": "string" } }), true),
            ("picked", number(), true),
        ],
    }
}
