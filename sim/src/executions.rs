//! How many executions of a program differ: the orders that somebody can tell apart.

use crate::engine::Ending;
use crate::engine::executions::{Executions, Orders, executions};
use crate::engine::explore::{Control, Limits, Stop};
use crate::exploration::outcome_key;
use crate::system::{StepEvents, System};
use alertable_models::event::{Event, ObjectChange};
use alertable_models::ke::dispatcher::{DispatcherObject, ResetKind};
use alertable_models::machine::Model;
use alertable_models::outcome::outcome_of;
use alertable_traces::outcome::Outcome;
use std::collections::{BTreeMap, BTreeSet};

/// Who gets what only one thread at a time can have comes after who had it before.
impl Orders for System<'_> {
    fn orders(&self, monitor: &StepEvents, out: &mut Vec<(u32, u32)>) {
        out.extend(monitor.events.iter().filter_map(|event| match event {
            Event::Object { object, change: ObjectChange::Acquired(thread) } => {
                let is_lock = match self.model.initial_object(*object) {
                    DispatcherObject::Mutant(_) => true,
                    DispatcherObject::Event(event) => event.kind == ResetKind::Auto,
                    DispatcherObject::Semaphore(semaphore) => semaphore.limit == 1,
                    _ => false,
                };
                is_lock.then_some((object.index() as u32, thread.index() as u32))
            }
            _ => None,
        }));
    }
}

/// Counts the executions of a model that differ. Returns as well the outcomes that they come to.
pub fn executions_of(
    model: &Model,
    limits: &Limits,
    control: &Control,
) -> (Executions, BTreeSet<Outcome>) {
    let system = System { model, checked: true, hits: None, futures: None, symmetry: None };
    let mut keys: BTreeMap<u32, u64> = BTreeMap::new();
    let mut outcomes: BTreeMap<u64, Outcome> = BTreeMap::new();
    let mut is_cut = false;
    let mut found = executions(&system, limits, control, |number, state, schedule| {
        is_cut |= state.has_full_stack();
        let key = outcome_key(state, Ending::Rest);
        keys.insert(number, key);
        outcomes.entry(key).or_insert_with(|| outcome_of(model, schedule, false));
    });
    if is_cut {
        found.stop.get_or_insert(Stop::Steps);
    }
    let reached = found.rests.iter().filter_map(|rest| outcomes.get(keys.get(rest)?).cloned());
    let reached = reached.collect();
    (found, reached)
}

#[cfg(test)]
mod tests {
    use super::executions_of;
    use crate::engine::executions::enumeration::Enumeration;
    use crate::engine::explore::{Control, Limits};
    use crate::system::System;
    use alertable_models::deviation::Deviations;
    use alertable_models::machine::{Model, Settings};
    use alertable_models::program::compile;
    use alertable_traces::read_scenario_file;
    use std::path::{Path, PathBuf};

    fn scenarios(folder: &Path, out: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
            .expect("the corpus is there")
            .map(|entry| entry.expect("it can be read").path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                scenarios(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                out.push(path);
            }
        }
    }

    /// Scenarios of the corpus that few schedules are possible in.
    #[test]
    fn as_many_executions_as_classes_in_the_corpus() {
        const SCHEDULE_COUNT_MAX: usize = 60;
        let mut paths = Vec::new();
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/scenarios");
        scenarios(&corpus, &mut paths);
        let limits = Limits { state_count_max: 400, ..Limits::default() };
        let (mut compared, mut more, mut several) = (0, Vec::new(), 0);
        for path in paths {
            let scenario = read_scenario_file(&path).expect("it is well formed");
            let settings = Settings { deviations: Deviations::NONE, ..Settings::default() };
            let model = Model { program: compile(&scenario).expect("it is complete"), settings };
            let (found, _) = executions_of(&model, &limits, &Control::default());
            let system =
                System { model: &model, checked: true, hits: None, futures: None, symmetry: None };
            let every = found.stop.is_none().then(|| Enumeration::new(&system, SCHEDULE_COUNT_MAX));
            let Some(mut every) = every.flatten() else { continue };
            let classes = every.class_count() as u128;
            assert!(found.complete >= classes, "{path:?}: {found:?}, {classes}");
            assert_eq!(found.rests.len(), every.rests().len(), "{path:?}");
            compared += 1;
            several += u32::from(classes > 1);
            if found.complete > classes {
                more.push((path, found.complete, classes));
            }
        }
        assert!(more.is_empty(), "{more:?}");
        assert!(several > 30 && compared > 500, "{several} of {compared} have several");
    }
}
