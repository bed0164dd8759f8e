//! What `alertable explore --executions` says of the executions that differ.

use super::Status;
use super::output::{DIM, GOOD, UNSURE, counted, say, styled, wrapped};
use alertable::engine::executions::Executions;
use alertable::engine::explore::{Control, Limits, Stop};
use alertable::executions::executions_of;
use alertable_models::machine::Model;
use serde_json::{Value, json};

/// The executions of a scenario that differ.
pub(super) struct Counted {
    found: Executions,
    outcome_count: usize,
}

impl Counted {
    pub(super) fn new(model: &Model, limits: &Limits, control: &Control) -> Self {
        let (found, outcomes) = executions_of(model, limits, control);
        Counted { found, outcome_count: outcomes.len() }
    }

    /// Good if all were counted.
    pub(super) fn status(&self) -> Status {
        if self.found.stop.is_none() { Status::Good } else { Status::Undecided }
    }

    pub(super) fn print(&self) {
        let Executions { complete, blocked, state_count, stop, .. } = &self.found;
        let states = counted(*state_count, "state");
        if let Some(stop) = stop {
            let why = match stop {
                Stop::States => "stopped at the limit of states",
                Stop::Memory => "stopped at the limit of memory",
                Stop::Interrupted => "interrupted",
                Stop::Steps | Stop::Switches => "some schedule has no end, or meets the step limit",
            };
            let word = styled(UNSURE, "executions not counted");
            say!("  {word}  {}", styled(DIM, format_args!("{why}: {states}")));
            return;
        }
        let number = match *complete {
            1 => "1 execution".to_owned(),
            u128::MAX => "more executions than 128 bits hold".to_owned(),
            complete => format!("{complete} executions that differ"),
        };
        let outcomes = counted(self.outcome_count as u64, "outcome");
        let text = format!("{outcomes}, {blocked} begun in vain; {states}");
        let number = styled(GOOD, format_args!("{number}:"));
        say!("{}", wrapped(&format!("{number} {}", styled(DIM, text)), 2));
    }

    pub(super) fn json(&self) -> Value {
        let Executions {
            complete,
            blocked,
            rests,
            state_count,
            transition_count,
            situation_count,
            stop,
        } = &self.found;
        let is_complete = stop.is_none();
        json!({
            "complete": is_complete,
            "executions": is_complete.then(|| number(*complete)),
            "outcomes": is_complete.then_some(self.outcome_count),
            "blocked": is_complete.then(|| number(*blocked)),
            "ends": is_complete.then_some(rests.len()),
            "states": state_count,
            "transitions": transition_count,
            "situations": situation_count,
        })
    }
}

/// A number; text where it is too large for most readers of JSON.
fn number(number: u128) -> Value {
    const EXACT_MAX: u128 = 1 << 53;
    if number <= EXACT_MAX { json!(number as u64) } else { json!(number.to_string()) }
}
