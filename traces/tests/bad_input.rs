//! Every mistake gives one clear error: `bad-input/NAME.json` with its message in `NAME.txt`.
//!
//! `UPDATE_EXPECT=1 cargo test` writes the messages anew; read them before you keep them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn bad_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-input");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

fn message(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    match alertable_traces::read_scenario_file(path) {
        Ok(_) => format!("{name}: is accepted"),
        Err(mut error) => {
            assert!(error.source_line.get(error.mark()).is_some(), "{name}: bad mark");
            error.file = Some(name);
            error.to_string()
        }
    }
}

#[test]
fn every_bad_file_gives_its_message() {
    let files = bad_files();
    assert!(files.len() >= 30, "the corpus of bad files is there");
    let mut wrong = Vec::new();
    for path in files {
        let expected_path = path.with_extension("txt");
        let got = message(&path) + "\n";
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected_path, &got).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if got != expected {
            wrong.push(format!("expected {expected}     got {got}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_file_that_is_not_there_or_a_folder_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let error = alertable_traces::read_scenario_file(&folder.join("nothing.json")).unwrap_err();
    assert!(error.to_string().ends_with("nothing.json: no such file"), "{error}");
    let error = alertable_traces::read_scenario_file(folder).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let path =
        std::env::temp_dir().join(format!("alertable-too-large-{}.json", std::process::id()));
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = alertable_traces::read_scenario_file(&path).unwrap_err();
    fs::remove_file(&path).unwrap();
    assert!(error.to_string().ends_with(".json: larger than 16 MiB"), "{error}");
}
