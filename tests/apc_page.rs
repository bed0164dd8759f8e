//! The page that goes through Microsoft's page on APCs: what it names is there, and shows what it
//! says.

#![allow(clippy::unwrap_used)]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod program;

use alertable_models::rule::{self, Standing};
use alertable_traces::read_scenario_file;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/apc-page.md";

/// One numbered statement of the page: its number and its text, links included.
struct Statement {
    number: usize,
    text: String,
}

impl Statement {
    /// The files that it links to, from the folder of the workspace.
    fn scenarios(&self) -> Vec<PathBuf> {
        let links = self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = links.map(|link| Path::new("docs").join(link));
        files.filter(|file| file.extension().is_some_and(|extension| extension == "json")).collect()
    }

    /// The rules that it names.
    fn rules(&self) -> BTreeSet<String> {
        let words = self.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let is_id = |word: &&str| {
            word.contains('-')
                && word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.ends_with(|c: char| c.is_ascii_digit())
        };
        words.filter(is_id).map(str::to_owned).collect()
    }
}

fn page() -> String {
    std::fs::read_to_string(program::root().join(PAGE)).unwrap()
}

fn statements() -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    for line in page().lines() {
        let number = line.split_once(". ").and_then(|(number, _)| number.parse().ok());
        match (number, statements.last_mut()) {
            (Some(number), _) => statements.push(Statement { number, text: line.to_owned() }),
            (None, Some(last)) if line.starts_with("  ") => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            _ => {}
        }
    }
    statements
}

#[test]
fn statements_are_numbered_without_a_gap() {
    let numbers: Vec<usize> = statements().iter().map(|statement| statement.number).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
    assert_eq!(numbers.len(), 25);
}

#[test]
fn each_statement_has_scenarios_that_name_one_of_its_rules() {
    for statement in statements() {
        let number = statement.number;
        let scenarios = statement.scenarios();
        assert!(!scenarios.is_empty(), "statement {number} has no scenario");
        for path in scenarios {
            let scenario = read_scenario_file(&program::root().join(&path));
            let scenario = scenario.unwrap_or_else(|error| panic!("statement {number}: {error}"));
            let shown = scenario.rules.iter().any(|id| statement.rules().contains(id));
            let (path, rules) = (path.display(), &scenario.rules);
            assert!(shown, "statement {number} names no rule of {path}: {rules:?}");
        }
    }
}

#[test]
fn links_are_named_after_their_scenarios() {
    for statement in statements() {
        for path in statement.scenarios() {
            let folder = path.parent().and_then(Path::file_name).unwrap().to_string_lossy();
            let name = format!("[{folder}/{}]", path.file_stem().unwrap().to_string_lossy());
            assert!(statement.text.contains(&name), "statement {}: {name}", statement.number);
        }
    }
}

#[test]
fn rules_are_modelled() {
    for statement in statements() {
        let rules = statement.rules();
        assert!(!rules.is_empty(), "statement {} names no rule", statement.number);
        for id in rules {
            let known = rule::find(&id).unwrap_or_else(|| panic!("there is no rule {id}"));
            assert_eq!(known.rule().standing, Standing::Modelled, "{id}");
        }
    }
}
