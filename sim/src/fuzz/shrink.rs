//! Smaller scenarios that still show the same.

use alertable_traces::read_scenario;
use alertable_traces::scenario::Scenario;
use serde_json::Value;

/// Takes away whatever can be taken away while the scenario still fails: whole threads, steps,
/// routines, objects, fields of objects, labels; then makes times shorter.
pub fn shrink(scenario: &Scenario, mut fails: impl FnMut(&Scenario) -> bool) -> Scenario {
    let mut smallest = scenario.clone();
    loop {
        let document = serde_json::to_value(&smallest).unwrap_or_default();
        let smaller = candidates(&document).into_iter().find_map(|candidate| {
            let candidate = read_scenario(&candidate.to_string(), None).ok()?;
            fails(&candidate).then_some(candidate)
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// The documents with one thing less, the greatest losses first.
fn candidates(document: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let mut without = |pointer: String, key: &str| {
        let mut smaller = document.clone();
        if let Some(Value::Object(map)) = smaller.pointer_mut(&pointer)
            && map.shift_remove(key).is_some()
        {
            found.push(smaller);
        }
    };
    let keys = |section: &str| -> Vec<String> {
        let map = document[section].as_object();
        map.map(|map| map.keys().cloned().collect()).unwrap_or_default()
    };
    for section in ["threads", "routines", "objects"] {
        keys(section).iter().for_each(|key| without(format!("/{section}"), key));
    }
    for section in ["threads", "routines"] {
        for key in keys(section) {
            let list = format!("/{section}/{}", escaped(&key));
            let list = match document.pointer(&list) {
                Some(Value::Array(_)) => list,
                _ => format!("{list}/steps"),
            };
            let Some(Value::Array(steps)) = document.pointer(&list) else { continue };
            for at in 0..steps.len() {
                let mut smaller = document.clone();
                if let Some(Value::Array(steps)) = smaller.pointer_mut(&list) {
                    steps.remove(at);
                }
                found.push(smaller);
            }
            for (at, step) in steps.iter().enumerate() {
                simplifications(step).into_iter().for_each(|simpler| {
                    let mut smaller = document.clone();
                    if let Some(step) = smaller.pointer_mut(&format!("{list}/{at}")) {
                        *step = simpler;
                    }
                    found.push(smaller);
                });
            }
        }
    }
    for key in keys("objects") {
        for field in ["signaled", "owner", "port", "key", "event"] {
            let mut smaller = document.clone();
            let object = smaller.pointer_mut(&format!("/objects/{}", escaped(&key)));
            if let Some(Value::Object(object)) = object
                && object.shift_remove(field).is_some()
            {
                found.push(smaller);
            }
        }
    }
    found
}

/// A step without its label, with a shorter time, with one object less.
fn simplifications(step: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let mut with = |field: &str, value: Option<Value>| {
        let mut simpler = step.clone();
        if let Value::Object(map) = &mut simpler {
            match value {
                Some(value) => map.insert(field.to_owned(), value),
                None => map.shift_remove(field),
            };
        }
        found.push(simpler);
    };
    if step.get("as").is_some() {
        with("as", None);
    }
    if step.get("alertable") == Some(&Value::Bool(true)) {
        with("alertable", Some(Value::Bool(false)));
    }
    match step.get("ms") {
        Some(Value::Number(ms)) if ms.as_u64() == Some(20) => with("ms", Some(10.into())),
        Some(Value::Number(ms)) if ms.as_u64() == Some(10) => with("ms", Some(0.into())),
        _ => {}
    }
    if let Some(Value::Array(objects)) = step.get("objects")
        && objects.len() > 1
    {
        for at in 0..objects.len() {
            let mut fewer = objects.clone();
            fewer.remove(at);
            with("objects", Some(fewer.into()));
        }
    }
    found
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
}
