//! Whatever the corpus holds reads, and reads back the same when it is written.

#![allow(clippy::unwrap_used)]

use alertable_traces::trace::{TraceReader, TraceWriter};
use alertable_traces::{
    DocumentKind, document_kind_of_file, read_observations, read_outcome, read_scenario,
    read_scenario_file, read_text_file, scenario_to_json,
};
use std::fs;
use std::path::{Path, PathBuf};

/// All files of the corpus.
fn corpus() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("json" | "jsonl") => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_document_of_the_corpus_reads_and_is_written_the_same() {
    for path in corpus() {
        let name = path.display();
        match document_kind_of_file(&path).unwrap_or_else(|error| panic!("{error}")) {
            DocumentKind::Scenario => {
                let read = read_scenario_file(&path).unwrap_or_else(|error| panic!("{error}"));
                let written = scenario_to_json(&read);
                let again = read_scenario(&written, Some("written")).unwrap();
                assert_eq!(read, again, "{name}");
                assert_eq!(written, scenario_to_json(&again), "{name}");
            }
            DocumentKind::Outcome => {
                let text = read_text_file(&path).unwrap();
                let read =
                    read_outcome(&text, None).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(read, read_outcome(&read.to_json(), None).unwrap(), "{name}");
            }
            DocumentKind::Observation => {
                let text = read_text_file(&path).unwrap();
                let read = read_observations(&text, Some(&name.to_string()));
                for observation in read.unwrap_or_else(|error| panic!("{error}")) {
                    let again = read_observations(&observation.to_json(), None).unwrap();
                    assert_eq!([observation], again[..], "{name}");
                }
            }
            DocumentKind::Trace => {
                let text = fs::read(&path).unwrap();
                let reader = TraceReader::new(&text[..], Some(&name.to_string()));
                let reader = reader.unwrap_or_else(|error| panic!("{error}"));
                let mut writer = TraceWriter::new(Vec::new(), reader.header()).unwrap();
                for event in reader {
                    writer.event(&event.unwrap_or_else(|error| panic!("{error}"))).unwrap();
                }
                let written = writer.finish().unwrap();
                let again: Vec<_> = TraceReader::new(&written[..], None).unwrap().collect();
                let first: Vec<_> = TraceReader::new(&text[..], None).unwrap().collect();
                assert_eq!(first, again, "{name}");
            }
        }
    }
}

/// Every call, with every argument that it can have.
const ALL_CALLS: &str = include_str!("all-calls.json");

#[test]
fn every_call_and_object_reads_and_is_written_as_it_was() {
    let read = read_scenario(ALL_CALLS, Some("all-calls.json")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(scenario_to_json(&read), ALL_CALLS);
    for call in alertable_traces::call::Call::NAMES {
        assert!(ALL_CALLS.contains(&format!("\"call\": \"{call}\"")), "{call} is missing");
    }
    for object in alertable_traces::scenario::Object::NAMES {
        assert!(ALL_CALLS.contains(&format!("\"type\": \"{object}\"")), "{object} is missing");
    }
}
