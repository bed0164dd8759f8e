//! What a search that leaves schedules out knows of a model.

use crate::system::System;
use alertable_models::deviation::Deviations;
use alertable_models::future::Futures;
use alertable_models::machine::{Model, Transition};
use alertable_models::symmetry::Symmetry;

/// What a search that leaves schedules out knows of a model; nothing, if it leaves none out.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// What may still be done by whom; not known where a loop has no end.
    futures: Option<Futures>,
    /// Which states are alike.
    symmetry: Option<Symmetry>,
    /// The model with completions joined to their second stages.
    joined: Option<Model>,
}

impl Knowledge {
    /// All that is known of a model.
    pub(crate) fn of(model: &Model) -> Self {
        let Model { program, settings } = model;
        let deviations = settings.deviations;
        let ends = !program.may_run_for_ever();
        let joins = deviations == Deviations::NONE && program.has_private_requests();
        Knowledge {
            futures: if ends { Futures::new(program, deviations) } else { None },
            symmetry: Symmetry::new(program, deviations),
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
    pub(crate) fn system<'a>(&'a self, plain: System<'a>) -> System<'a> {
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
