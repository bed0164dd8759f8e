//! Damaged scenarios never panic the readers, and what is still accepted round-trips.

#![allow(clippy::unwrap_used)]

use alertable_traces::trace::TraceReader;
use alertable_traces::{
    document_kind, read_observations, read_outcome, read_scenario, scenario_to_json,
};
use proptest::prelude::*;

const TEXT: &str = include_str!("all-calls.json");

/// One kind of damage, with places and lengths as fractions of the text.
#[derive(Clone, Debug)]
enum Damage {
    Truncate(usize),
    Flip(usize, u8),
    Delete(usize, usize),
    Duplicate(usize, usize),
    Swap(usize, usize, usize),
    Insert(usize, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..TEXT.len();
    let length = 1..60_usize;
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u",
        "\\ud800",
        "-",
        "1e9",
        "99999999999999999999",
        "null",
        "true",
        "\"ret\"",
        "\"as\"",
        "\"repeat\"",
        "ä",
        "\u{0}",
        "\"\"",
        "// ",
    ];
    prop_oneof![
        at.clone().prop_map(Damage::Truncate),
        (at.clone(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at.clone(), length.clone()).prop_map(|(at, length)| Damage::Delete(at, length)),
        (at.clone(), length.clone()).prop_map(|(at, length)| Damage::Duplicate(at, length)),
        (at.clone(), at.clone(), length).prop_map(|(a, b, length)| Damage::Swap(a, b, length)),
        (at, prop::sample::select(pieces.to_vec()))
            .prop_map(|(at, piece)| Damage::Insert(at, piece)),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    let size = bytes.len();
    let range = |at: usize, length: usize| at.min(size)..(at + length).min(size);
    match damage {
        Damage::Truncate(at) => bytes.truncate(*at),
        Damage::Flip(at, bit) => {
            if let Some(byte) = bytes.get_mut(*at) {
                *byte ^= 1 << bit;
            }
        }
        Damage::Delete(at, length) => drop(bytes.drain(range(*at, *length))),
        Damage::Duplicate(at, length) => {
            let chunk = bytes[range(*at, *length)].to_vec();
            bytes.splice(range(*at, 0), chunk);
        }
        Damage::Swap(a, b, length) => {
            for offset in 0..*length {
                if a + offset < size && b + offset < size {
                    bytes.swap(a + offset, b + offset);
                }
            }
        }
        Damage::Insert(at, piece) => drop(bytes.splice(range(*at, 0), piece.bytes())),
    }
}

fn check_error(error: &alertable_traces::Error, text: &str) {
    assert!(!error.message.is_empty());
    assert!(error.source_line.get(error.mark()).is_some(), "{error:?}");
    assert!((error.offset + error.size) as usize <= text.len(), "{error:?}");
    assert_eq!(error.to_string().lines().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_scenarios_never_panic(damages in prop::collection::vec(damage(), 1..4)) {
        let mut bytes = TEXT.as_bytes().to_vec();
        for damage in &damages {
            apply(damage, &mut bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        match read_scenario(&text, Some("damaged.json")) {
            Ok(scenario) => {
                let written = scenario_to_json(&scenario);
                prop_assert_eq!(read_scenario(&written, None).unwrap(), scenario);
            }
            Err(error) => check_error(&error, &text),
        }
        let _ = document_kind(&text, None);
        let _ = read_outcome(&text, None);
    }

    #[test]
    fn damaged_lines_never_panic(damages in prop::collection::vec(damage(), 1..4)) {
        let one_line = TEXT.replace('\n', " ");
        let header = r#"{"alertable":1,"kind":"trace","level":"full","source":{},"scenario":"#;
        let event = r#"{"n":1,"t":0,"ev":"return","of":0,"ret":"TRUE","entries":[]}"#;
        let mut bytes = format!("{header}{one_line}}}\n{event}\n").into_bytes();
        for damage in &damages {
            apply(damage, &mut bytes);
        }
        if let Ok(reader) = TraceReader::new(&bytes[..], None) {
            reader.for_each(drop);
        }
        let _ = read_observations(&String::from_utf8_lossy(&bytes), None);
    }
}
