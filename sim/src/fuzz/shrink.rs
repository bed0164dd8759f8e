//! Smaller scenarios that still show the same.

use alertable_traces::read_scenario;
use alertable_traces::scenario::Scenario;
use serde_json::{Map, Value};

/// Takes away whatever can be taken away while the scenario still fails: whole threads, then
/// steps, then routines and objects, each with all that names it; then fields of what is left, and
/// makes numbers smaller. The expectations stay as they are, and with them the names that they
/// use.
pub fn shrink(scenario: &Scenario, mut fails: impl FnMut(&Scenario) -> bool) -> Scenario {
    let mut smallest = scenario.clone();
    loop {
        let before = smallest.clone();
        for losses in [threads, steps, routines, objects, values] {
            let smaller =
                |scenario: &Scenario| losses(&serde_json::to_value(scenario).unwrap_or_default());
            let mut candidates = smaller(&smallest);
            let mut at = 0;
            while let Some(candidate) = candidates.get(at) {
                // What comes after the loss that was tried last is at its place when it is gone.
                match read_scenario(&candidate.to_string(), None) {
                    Ok(candidate) if candidate != smallest && fails(&candidate) => {
                        smallest = candidate;
                        candidates = smaller(&smallest);
                    }
                    _ => at += 1,
                }
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// The documents with a thread less.
fn threads(document: &Value) -> Vec<Value> {
    without_each(document, "threads")
}

/// The documents with a routine less.
fn routines(document: &Value) -> Vec<Value> {
    without_each(document, "routines")
}

/// The documents with an object less.
fn objects(document: &Value) -> Vec<Value> {
    without_each(document, "objects")
}

/// The documents with a step less, or with the steps of a loop in its place.
fn steps(document: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for (list, step) in all_steps(document) {
        let mut with = |instead: &[Value]| {
            let mut smaller = document.clone();
            if let Some(Value::Array(steps)) = smaller.pointer_mut(&list) {
                steps.splice(step..=step, instead.iter().cloned());
            }
            found.push(smaller);
        };
        with(&[]);
        if let Some(Value::Array(inner)) = document.pointer(&format!("{list}/{step}/steps")) {
            with(inner);
        }
    }
    found
}

/// The documents with a simpler step, object, thread or machine.
fn values(document: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let places = all_steps(document).into_iter().map(|(list, step)| format!("{list}/{step}"));
    let sections = ["objects", "threads"].into_iter().flat_map(|section| {
        let name = move |name: &String| format!("/{section}/{}", escaped(name));
        names(document, section).into_iter().map(name)
    });
    for place in places.chain(sections).chain(["/machine".to_owned()]) {
        let Some(Value::Object(fields)) = document.pointer(&place) else { continue };
        for simpler in simplifications(fields) {
            let mut smaller = document.clone();
            if let Some(value) = smaller.pointer_mut(&place) {
                *value = simpler.into();
            }
            found.push(smaller);
        }
    }
    found
}

fn names<'d>(document: &'d Value, section: &str) -> Vec<&'d String> {
    document[section].as_object().map(|section| section.keys().collect()).unwrap_or_default()
}

/// The documents without each thing of a section and all that names it.
fn without_each(document: &Value, section: &str) -> Vec<Value> {
    names(document, section).into_iter().map(|name| without(document, name)).collect()
}

/// A document without a thing, the steps that name it, and the objects that do, in the same way.
fn without(document: &Value, name: &str) -> Value {
    let mut smaller = document.clone();
    let mut gone = vec![name.to_owned()];
    while let Some(name) = gone.pop() {
        for section in ["threads", "routines", "objects"] {
            let Some(Value::Object(things)) = smaller.get_mut(section) else { continue };
            things.shift_remove(&name);
            for (other, thing) in things {
                let is_gone = match thing {
                    Value::Array(steps) => {
                        drop_naming(steps, &name);
                        false
                    }
                    Value::Object(fields) if section == "threads" => {
                        if let Some(Value::Array(steps)) = fields.get_mut("steps") {
                            drop_naming(steps, &name);
                        }
                        false
                    }
                    thing => section == "objects" && names_it(thing, &name),
                };
                if is_gone {
                    gone.push(other.clone());
                }
            }
        }
    }
    smaller
}

/// Drops the steps that name something.
fn drop_naming(steps: &mut Vec<Value>, name: &str) {
    steps.retain_mut(|step| match step.get_mut("steps") {
        Some(Value::Array(inner)) => {
            drop_naming(inner, name);
            !inner.is_empty()
        }
        _ => !names_it(step, name),
    });
}

fn names_it(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| names_it(item, name)),
        Value::Object(fields) => fields.values().any(|field| names_it(field, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Where each step is: the list that it is in, and its place there; loops before their steps.
fn all_steps(document: &Value) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for section in ["threads", "routines"] {
        for name in names(document, section) {
            let place = format!("/{section}/{}", escaped(name));
            let list = match document.pointer(&place) {
                Some(Value::Array(_)) => place,
                _ => format!("{place}/steps"),
            };
            add_steps(document, &list, &mut found);
        }
    }
    found
}

fn add_steps(document: &Value, list: &str, found: &mut Vec<(String, usize)>) {
    let Some(Value::Array(steps)) = document.pointer(list) else { return };
    for (at, step) in steps.iter().enumerate() {
        found.push((list.to_owned(), at));
        if step.get("steps").is_some() {
            add_steps(document, &format!("{list}/{at}/steps"), found);
        }
    }
}

/// The fields without one of them, with fewer items in a list, with a smaller number; what is
/// needed the reader asks for.
fn simplifications(fields: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let mut found = Vec::new();
    for (name, value) in fields {
        let mut with = |value: Option<Value>| {
            let mut simpler = fields.clone();
            match value {
                Some(value) => simpler.insert(name.clone(), value),
                None => simpler.shift_remove(name),
            };
            found.push(simpler);
        };
        match value {
            Value::Array(_) if name == "steps" => {}
            _ if ["call", "type"].contains(&name.as_str()) => {}
            Value::Array(items) if items.len() > 1 => {
                for at in 0..items.len() {
                    let mut fewer = items.clone();
                    fewer.remove(at);
                    with(Some(fewer.into()));
                }
            }
            Value::Bool(true) => with(Some(false.into())),
            Value::Number(number) => {
                with(None);
                let number = number.as_u64().unwrap_or_default();
                smaller_numbers(name, number).into_iter().for_each(|n| with(Some(n.into())));
            }
            Value::Array(_) | Value::Bool(_) | Value::String(_) | Value::Object(_) => with(None),
            Value::Null => {}
        }
    }
    found
}

/// Smaller numbers for a field. Times are those that a real system can tell apart.
fn smaller_numbers(field: &str, number: u64) -> Vec<u64> {
    let is_time = field == "ms" || field.ends_with("_ms");
    let smaller = if is_time { [0, 10, 20] } else { [0, 1, number / 2] };
    smaller.into_iter().filter(|smaller| *smaller < number).collect()
}

/// A key inside a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{Kind, generate};

    #[test]
    fn everything_that_does_not_matter_goes() {
        let has_sleep = |scenario: &Scenario| {
            serde_json::to_string(&scenario.threads).is_ok_and(|text| text.contains("SleepEx"))
        };
        let mut drawn = (0..1_000).map(|seed| generate(seed, Kind::Any));
        let scenario = drawn.find(has_sleep).expect("some draw sleeps");
        let smallest = shrink(&scenario, has_sleep);
        assert_eq!(smallest.threads.len(), 1);
        assert!(smallest.objects.is_empty() && smallest.routines.is_empty());
        let steps: usize = smallest.threads.values().map(|thread| thread.steps.len()).sum();
        assert_eq!(steps, 1);
    }

    /// The smallest scenario whose threads still mention a call.
    fn smallest_with(text: &str, call: &str) -> Value {
        let scenario = read_scenario(text, None).expect("it is a scenario");
        let smallest = shrink(&scenario, |smaller| {
            serde_json::to_string(&smaller.threads).is_ok_and(|text| text.contains(call))
        });
        serde_json::to_value(smallest).expect("it can be written")
    }

    #[test]
    fn what_names_a_thing_goes_with_it_and_loops_are_opened() {
        let smallest = smallest_with(
            r#"{"alertable": 1, "kind": "scenario", "title": "t",
                "objects": {"d": {"type": "device", "model": "hold"},
                            "f": {"type": "file", "device": "d"},
                            "e": {"type": "event", "reset": "auto", "signaled": true}},
                "routines": {"A": []},
                "threads": {
                  "a": [{"call": "QueueUserAPC", "thread": "b", "routine": "A", "data": 3}],
                  "b": [{"repeat": 5, "steps": [
                          {"call": "CancelIo", "file": "f"},
                          {"call": "WaitForSingleObject", "object": "e", "ms": 75, "as": "w"}]},
                        {"call": "SetEvent", "event": "e"}]}}"#,
            "WaitForSingleObject",
        );
        assert_eq!(
            smallest["threads"],
            serde_json::json!({
                "b": [{"call": "WaitForSingleObject", "object": "e", "ms": 0}]
            })
        );
        assert_eq!(
            smallest["objects"],
            serde_json::json!({ "e": {"type": "event", "reset": "auto"} })
        );
        assert!(smallest.get("routines").is_none(), "{smallest}");
    }

    #[test]
    fn names_that_the_expectations_use_stay() {
        let smallest = smallest_with(
            r#"{"alertable": 1, "kind": "scenario", "title": "t",
                "threads": {"a": [{"call": "NtTestAlert", "as": "x"}, {"call": "Sleep", "ms": 7}],
                            "b": [{"call": "Sleep", "ms": 20}]},
                "expect": {"sometimes": {"labels": {"x": "STATUS_SUCCESS"}}}}"#,
            "Sleep",
        );
        assert_eq!(
            smallest["threads"],
            serde_json::json!({
                "a": [{"call": "NtTestAlert", "as": "x"}, {"call": "Sleep", "ms": 0}]
            })
        );
    }
}
