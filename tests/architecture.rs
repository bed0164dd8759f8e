//! What the parts of the workspace may know of each other, and of the world: the crates depend
//! on each other in one direction, the machine is deterministic, the engine knows no Windows,
//! and no file names a place on somebody's machine.
//!
//! These are questions about texts, asked of manifests and sources.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sources in a folder of the workspace and below it, sorted, with paths from the workspace.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = Path::new(folder).join(entry.unwrap().file_name());
        if root().join(&path).is_dir() {
            files.extend(sources(path.to_str().unwrap()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The lines of code, with their numbers, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        (index + 1, code)
    })
}

fn is_part_of_name(character: Option<char>) -> bool {
    character.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Whether a text has a word or path as such, not as a part of a longer name.
fn mentions(text: &str, what: &str) -> bool {
    let is_path = what.ends_with("::");
    text.match_indices(what).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + what.len()..]);
        let ends = is_path || !is_part_of_name(after.chars().next());
        ends && !is_part_of_name(before.chars().next_back())
    })
}

#[test]
fn words_are_found_as_such() {
    assert!(mentions("use alertable::run;", "alertable::"));
    assert!(!mentions("use not_alertable::run;", "alertable::"));
    assert!(mentions("let at = Instant::now();", "Instant"));
    assert!(!mentions("enum Instantly {}", "Instant"));
}

/// Every place in the code of some folders where one of these words is.
fn places(folders: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| sources(folder)).collect();
    assert!(!files.is_empty(), "there are sources in {folders:?}");
    for file in files {
        for (number, line) in code_lines(&read(&file)) {
            for word in words.iter().filter(|word| mentions(line, word)) {
                found.push(format!("{}:{number}: {word}", file.display()));
            }
        }
    }
    found
}

#[track_caller]
fn assert_nowhere(folders: &[&str], words: &[&str]) {
    let found = places(folders, words);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The names in the sections of a manifest that list dependencies.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut listing = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_matches(['[', ']']);
            let (parent, name) = section.rsplit_once('.').unwrap_or(("", section));
            listing = name.ends_with("dependencies");
            if parent.ends_with("dependencies") {
                names.push(name.to_owned());
            }
        } else if listing && !line.is_empty() && !line.starts_with('#') {
            names.push(line.split(['.', '=', ' ']).next().unwrap().to_owned());
        }
    }
    names
}

fn own_dependencies(member: &str) -> Vec<String> {
    let names = dependencies(&read(format!("{member}/Cargo.toml")));
    assert!(names.len() > 1, "{member} depends on something");
    names.into_iter().filter(|name| name.starts_with("alertable")).collect()
}

#[test]
fn dependencies_are_found_in_every_form() {
    let manifest = "[dependencies]\na.workspace = true\nb = \"1\"\n\n[lints]\nworkspace = true\n\
                    [dev-dependencies.c]\npath = \"c\"\n[target.'cfg(unix)'.dependencies]\n\
                    # none\nd = { version = \"1\" }\n";
    assert_eq!(dependencies(manifest), ["a", "b", "c", "d"]);
}

#[test]
fn traces_depends_on_no_other_crate_of_the_workspace() {
    assert_eq!(own_dependencies("traces"), [""; 0]);
    assert_nowhere(&["traces/src", "traces/tests"], &["alertable_models", "alertable::"]);
}

#[test]
fn models_depends_on_traces_alone() {
    assert_eq!(own_dependencies("models"), ["alertable-traces"]);
    assert_nowhere(&["models/src"], &["alertable::"]);
}

#[test]
fn sim_depends_on_models_and_traces() {
    assert_eq!(own_dependencies("sim"), ["alertable-models", "alertable-traces"]);
}

#[test]
fn unsafe_code_is_forbidden_in_every_crate() {
    let workspace = read("Cargo.toml");
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    for member in members(&workspace) {
        let manifest = read(format!("{member}/Cargo.toml"));
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{member} inherits the lints");
    }
}

/// The folders that the manifest of the workspace lists.
fn members(workspace: &str) -> Vec<String> {
    let list = workspace.split_once("\nmembers = [").unwrap().1.split_once(']').unwrap().0;
    let members: Vec<String> =
        list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect();
    assert!(members.contains(&"models".to_owned()));
    members.into_iter().filter(|name| !name.is_empty()).collect()
}

#[test]
fn machine_and_documents_know_no_time_and_no_chance() {
    let words = [
        "std::time",
        "Instant",
        "SystemTime",
        "std::thread",
        "thread::spawn",
        "thread_local",
        "rand",
        "RandomState",
        "std::env",
        "std::process",
        "std::net",
        "static mut",
    ];
    assert_nowhere(&["models/src", "traces/src"], &words);
}

#[test]
fn machine_reads_and_writes_nothing() {
    let words = ["std::fs", "std::io", "File::", "println", "eprintln", "print", "dbg"];
    assert_nowhere(&["models/src"], &words);
}

/// Clippy's `iter_over_hash_type` sees loops; this sees chains of iterators too.
#[test]
fn order_of_hash_maps_does_not_matter_to_the_machine() {
    assert!(read("Cargo.toml").contains("\niter_over_hash_type = "));
    for file in sources("models/src") {
        let text = read(&file);
        let code: Vec<(usize, &str)> = code_lines(&text).collect();
        let maps: Vec<&str> = code.iter().filter_map(|(_, line)| hash_map_in(line)).collect();
        for (number, line) in &code {
            let iterated = maps.iter().find(|map| iterates(line, map));
            assert_eq!(iterated, None, "{}:{number}: {line}", file.display());
        }
    }
}

/// The name of a field, parameter or variable that is declared as a hash map or set.
fn hash_map_in(line: &str) -> Option<&str> {
    let start = ["HashMap<", "HashSet<", "HashMap::", "HashSet::"]
        .iter()
        .filter_map(|kind| line.find(kind))
        .min()?;
    let declared = line[..start].trim_end_matches(['&', ' ', '=', ':']);
    let name = declared.rsplit(|c: char| !is_part_of_name(Some(c))).next()?;
    (!name.is_empty() && name != "mut" && name != "collections").then_some(name)
}

fn iterates(line: &str, map: &str) -> bool {
    const METHODS: [&str; 7] =
        ["iter", "iter_mut", "into_iter", "keys", "values", "values_mut", "drain"];
    line.match_indices(map).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + map.len()..]);
        let before = before.strip_suffix("self.").unwrap_or(before);
        let is_another = before.ends_with('.') || is_part_of_name(before.chars().next_back());
        let in_loop = before.trim_end_matches("&mut ").trim_end_matches('&').ends_with(" in ");
        let called = METHODS.iter().any(|method| after.starts_with(&format!(".{method}(")));
        !is_another && (called || in_loop && after.starts_with(" {"))
    })
}

#[test]
fn iterating_over_a_hash_map_would_be_seen() {
    let declaration = "    threads: HashMap<String, ThreadId>,";
    assert_eq!(hash_map_in(declaration), Some("threads"));
    assert_eq!(hash_map_in("let mut places = HashSet::new();"), Some("places"));
    assert!(iterates("for id in self.threads.values() {", "threads"));
    assert!(iterates("for (name, id) in &threads {", "threads"));
    assert!(!iterates("let id = self.threads[name];", "threads"));
    assert!(!iterates("for thread in scenario.threads.keys() {", "threads"));
}

#[test]
fn engine_knows_no_windows() {
    let engine = "sim/src/engine";
    assert_nowhere(&[engine], &["alertable_models", "alertable_traces", "models", "traces"]);
    for file in sources(engine) {
        let text = read(&file);
        for (number, line) in code_lines(&text) {
            for (start, _) in line.match_indices("crate::") {
                let inside = line[start..].starts_with("crate::engine");
                assert!(inside, "{}:{number}: {line}", file.display());
            }
        }
    }
}

#[test]
fn time_and_environment_are_for_the_commands_only() {
    let words = ["Instant", "SystemTime", "std::env", "env::var", "println", "eprintln", "print"];
    let found = places(&["sim/src"], &words);
    let found: Vec<_> =
        found.iter().filter(|place| !place.starts_with("sim/src/commands/")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Cargo finds tests by itself in the crate's own folder only.
#[test]
fn every_test_is_in_the_manifest() {
    let manifest = read("sim/Cargo.toml");
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name).extension().is_some_and(|end| end == "rs") {
            let path = format!("\npath = \"../tests/{name}\"\n");
            assert!(manifest.contains(&path), "tests/{name} would never run");
        }
    }
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let listed = Command::new("git").arg("ls-files").arg("-z").current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        // A copy of the sources without their history.
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    // In pieces, because this file is one of them.
    let folders =
        [["/", "home/"], ["/", "Users/"], ["/", "root/"], ["/", "work/"], ["../", "shared"]];
    let folders = folders.map(|pieces| pieces.concat());
    let mut found = Vec::new();
    for file in listed.split_terminator('\0') {
        // A file that was removed is listed until the removal is committed.
        let Ok(bytes) = fs::read(root().join(file)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        for (index, line) in text.lines().enumerate() {
            let named = folders.iter().any(|folder| names_folder(line, folder));
            if named {
                found.push(format!("{file}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Whether a folder begins there, rather than going on from a name before it.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !is_part_of_name(before) && before != Some('.') && before != Some('/')
    })
}
