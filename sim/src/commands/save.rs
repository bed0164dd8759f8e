//! What `alertable explore --save` writes: each thing that was found as a scenario in a file.

use super::Failure;
use super::output::{DIM, GOOD, counted, say, styled};
use super::run::shortened;
use alertable::describe::{picks, schedule_names};
use alertable::minimise::Keepsake;
use alertable_traces::scenario::{Scenario, Step, scenario_to_json};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where scenarios are written.
#[derive(Debug)]
pub(super) struct SaveFolder {
    path: PathBuf,
    /// The names of files that were written: scenarios in different folders can have the same.
    taken: BTreeSet<String>,
}

/// A file that was written.
#[derive(Debug)]
pub(super) struct Saved {
    file: PathBuf,
    what: String,
    /// How many threads and steps are left.
    size: (usize, usize),
    schedule: Option<(Vec<String>, Vec<usize>)>,
}

impl SaveFolder {
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(path)
            .map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
        Ok(SaveFolder { path: path.to_owned(), taken: BTreeSet::new() })
    }

    /// Writes what was found in the scenario of a file. A file of that name from an earlier run is
    /// written anew.
    pub(super) fn save(&mut self, of: &Path, found: &[Keepsake]) -> Result<Vec<Saved>, Failure> {
        let stem = of.file_stem().unwrap_or_default().to_string_lossy();
        let names = found.iter().map(|found| self.free_name(&format!("{stem}-{}", found.name)));
        let names: Vec<String> = names.collect();
        let saved = found.iter().zip(names).map(|(found, name)| {
            let file = self.path.join(&name);
            let schedule = found.schedule.as_ref().map(|schedule| {
                let program = &found.model.program;
                (schedule_names(program, schedule), picks(&found.model, schedule))
            });
            let doc = Some(description(of, &name, found, schedule.as_ref()));
            let scenario = Scenario { doc, ..found.scenario.clone() };
            alertable::file::write_whole(
                &file,
                format!("{}\n", scenario_to_json(&scenario)).as_bytes(),
            )
            .map_err(|error| Failure::Other(format!("{}: {error}", file.display())))?;
            Ok(Saved { file, what: found.what.clone(), size: size(&scenario), schedule })
        });
        saved.collect()
    }

    /// A file name that was not taken yet.
    fn free_name(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}-{number}.json"));
        let mut names = std::iter::once(format!("{wanted}.json")).chain(numbered);
        let name = names.find(|name| !self.taken.contains(name)).expect("names do not run out");
        self.taken.insert(name.clone());
        name
    }
}

/// What a reader of the scenario wants to know: what was found where, and how to see it.
fn description(
    of: &Path,
    name: &str,
    found: &Keepsake,
    schedule: Option<&(Vec<String>, Vec<usize>)>,
) -> String {
    let of = of.file_name().unwrap_or_default().to_string_lossy();
    let ids = found.unsaid.iter().map(|deviation| deviation.entry().id);
    let options: Vec<&str> = ids.flat_map(|id| [" --deviation ", id]).collect();
    let options = options.concat();
    let mut parts =
        vec![format!("Found by `alertable explore` in {of}, and made small: {}.", found.what)];
    if !options.is_empty() {
        parts.push(format!(
            "It shows with{options}; what is expected here is right without. See `alertable explore \
             {name}{options}`."
        ));
    }
    if let Some((names, picks)) = schedule {
        let picks: Vec<String> = picks.iter().map(usize::to_string).collect();
        let picks = if picks.is_empty() { "0".to_owned() } else { picks.join(",") };
        parts.push(format!("By: {}.", shortened(names)));
        parts.push(format!("Run it with `alertable run {name} --schedule {picks}{options}`."));
    }
    parts.join(" ")
}

/// How many threads and how many steps a scenario has.
fn size(scenario: &Scenario) -> (usize, usize) {
    fn count(steps: &[Step]) -> usize {
        let counts = steps.iter().map(|step| match step {
            Step::Call(_) => 1,
            Step::Repeat(repeat) => count(&repeat.steps),
        });
        counts.sum()
    }
    let threads = scenario.threads.values().map(|thread| count(&thread.steps));
    let routines = scenario.routines.values().map(|steps| count(steps));
    (scenario.threads.len(), threads.chain(routines).sum())
}

pub(super) fn print_saved(saved: &[Saved]) {
    for Saved { file, what, size: (threads, steps), .. } in saved {
        let (threads, steps) = (*threads as u64, *steps as u64);
        let size = format!("{}, {}", counted(threads, "thread"), counted(steps, "step"));
        say!("  {}  {what}", styled(GOOD, "saved"));
        say!("    {}  {}", file.display(), styled(DIM, size));
    }
}

pub(super) fn saved_json(saved: &[Saved]) -> Value {
    let saved = saved.iter().map(|saved| {
        json!({
            "file": saved.file.display().to_string(),
            "what": saved.what,
            "threads": saved.size.0,
            "steps": saved.size.1,
            "schedule": saved.schedule.as_ref().map(|(names, _)| names),
            "picks": saved.schedule.as_ref().map(|(_, picks)| picks),
        })
    });
    saved.collect()
}
