//! What a search that leaves schedules out knows of a model.

use crate::exploration::Reduction;
use crate::system::System;
use alertable_models::deviation::Deviations;
use alertable_models::future::Futures;
use alertable_models::machine::{Model, Transition};
use alertable_models::symmetry::Symmetry;

/// What a search that leaves schedules out knows of a model; nothing, if it leaves none out.
#[derive(Debug, Default)]
pub struct Knowledge {
    /// What may still be done by whom.
    futures: Option<Futures>,
    /// Which states are alike.
    symmetry: Option<Symmetry>,
    /// The model with completions joined to their second stages.
    joined: Option<Model>,
}

impl Knowledge {
    /// All that a search with this reduction makes use of.
    pub fn of(model: &Model, reduction: Reduction) -> Self {
        if reduction == Reduction::None {
            return Knowledge::default();
        }
        let Model { program, settings } = model;
        let deviations = settings.deviations;
        let joins = deviations == Deviations::NONE && program.has_private_requests();
        Knowledge {
            futures: Futures::new(program, deviations),
            symmetry: match reduction {
                Reduction::WithoutSymmetry => None,
                _ => Symmetry::new(program, deviations),
            },
            joined: joins.then(|| Model {
                program: program.clone().with_joined_completions(),
                settings: *settings,
            }),
        }
    }

    /// Whether there is anything.
    pub(crate) fn is_any(&self) -> bool {
        self.futures.is_some() || self.symmetry.is_some() || self.joined.is_some()
    }

    /// The system for a search with what is known.
    pub fn system<'a>(&'a self, plain: System<'a>) -> System<'a> {
        System {
            model: self.joined.as_ref().unwrap_or(plain.model),
            futures: self.futures.as_ref(),
            symmetry: self.symmetry.as_ref(),
            ..plain
        }
    }

    /// The schedule of the model itself that does the same as one of the search: each second
    /// stage is a step of its own that its thread takes at once.
    pub(crate) fn whole(&self, model: &Model, schedule: Vec<Transition>) -> Vec<Transition> {
        let Some(joined) = &self.joined else { return schedule };
        let (mut machine, mut joined_machine) = (model.initial(), joined.initial());
        let mut whole = Vec::new();
        for transition in schedule {
            joined.step(&mut joined_machine, transition, &mut ());
            model.step(&mut machine, transition, &mut ());
            whole.push(transition);
            for thread in model.program.thread_ids() {
                let left = joined_machine.kernel().second_stage_count(thread);
                while machine.kernel().second_stage_count(thread) > left {
                    let second_stage = Transition::Interrupt(thread);
                    model.step(&mut machine, second_stage, &mut ());
                    whole.push(second_stage);
                }
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::Knowledge;
    use crate::engine::rng::Rng;
    use crate::exploration::Reduction;
    use alertable_models::machine::{Model, Settings};
    use alertable_models::program::compile;
    use alertable_traces::read_scenario;

    /// Three reads that a device completes at any moment, and a thread that cancels two of them.
    const READS: &str = r#"{
        "alertable": 1, "kind": "scenario", "title": "reads",
        "objects": { "device": { "type": "device", "model": "eventual" },
                     "file": { "type": "file", "device": "device" } },
        "routines": { "done": [] },
        "threads": {
            "a": [{ "call": "ReadFileEx", "file": "file", "bytes": 1, "overlapped": "x", "routine": "done" },
                  { "call": "ReadFileEx", "file": "file", "bytes": 1, "overlapped": "y", "routine": "done" },
                  { "call": "ReadFileEx", "file": "file", "bytes": 1, "overlapped": "z", "routine": "done" },
                  { "call": "SleepEx", "ms": "INFINITE", "alertable": true },
                  { "call": "SleepEx", "ms": "INFINITE", "alertable": true }],
            "b": [{ "call": "CancelIoEx", "file": "file", "overlapped": "x" },
                  { "call": "CancelIoEx", "file": "file", "overlapped": "y" }] } }"#;

    #[test]
    fn joined_schedules_are_made_whole() {
        let scenario = read_scenario(READS, None).expect("it is well formed");
        let model = Model {
            program: compile(&scenario).expect("it is complete"),
            settings: Settings::default(),
        };
        let knowledge = Knowledge::of(&model, Reduction::Persistent);
        let joined = knowledge.joined.as_ref().expect("its reads are private");
        let (mut rng, mut added) = (Rng::new(1), 0);
        for _ in 0..300 {
            let (mut machine, mut schedule) = (joined.initial(), Vec::new());
            let mut enabled = Vec::new();
            loop {
                enabled.clear();
                joined.enabled(&machine, &mut enabled);
                if enabled.is_empty() {
                    break;
                }
                schedule.push(enabled[rng.below(enabled.len())]);
                joined.step(&mut machine, schedule[schedule.len() - 1], &mut ());
            }
            let length = schedule.len();
            let whole = knowledge.whole(&model, schedule);
            added += whole.len() - length;
            let mut same = model.initial();
            for transition in whole {
                enabled.clear();
                model.enabled(&same, &mut enabled);
                assert!(enabled.contains(&transition), "{transition:?} is not possible");
                model.step(&mut same, transition, &mut ());
            }
            assert_eq!(same, machine);
        }
        assert!(added > 0, "no completion was joined that is not joined anyway");
    }
}
