//! Which calls have to be made again and again in a schedule without an end.
//!
//! A search that leaves schedules out must not put a step off for ever: where others go round in
//! a cycle of states and do not touch what the step touches, it would never be made. So each
//! cycle has a state from which everything is followed: that before a call which no turn of an
//! endless loop can do without. Cycles without a loop's turn are made by periodic timers, with
//! the passing of time, which is never left alone; and by routines that see to it that they run
//! again, for which every such call counts.

use super::Touch;
use super::relation::Relations;
use crate::ids::CallId;
use crate::program::{Instruction, Pc};
use crate::service::Service;

/// By instruction: whether it is such a call.
pub(super) fn calls(relations: &Relations<'_>, calls: &[Touch]) -> Vec<bool> {
    let code = &relations.program.code;
    let mut cyclic = vec![false; code.len()];
    for (end, instruction) in code.iter().enumerate() {
        if let Instruction::LoopEnd { body, counted: false } = instruction {
            let weight = |call: CallId| {
                let touch = calls[call.index()];
                (
                    touch.changed.count_ones() + touch.woken.count_ones(),
                    touch.looked_at.count_ones(),
                )
            };
            let best = unconditional(code, *body, end).max_by_key(|(_, call)| weight(*call));
            match best {
                Some((pc, _)) => cyclic[pc] = true,
                None => cyclic[*body as usize..end].fill(true),
            }
        }
    }
    for routine in &relations.program.routines {
        for (pc, instruction) in relations.body(routine.entry) {
            if let Instruction::Call(call) = instruction {
                cyclic[pc] |= queues_routine(relations, call);
            }
        }
    }
    cyclic
}

/// The calls of a loop that every turn makes: those that are in no loop within it.
fn unconditional(
    code: &[Instruction],
    body: Pc,
    end: usize,
) -> impl Iterator<Item = (usize, CallId)> + '_ {
    let mut depth = 0;
    (body as usize..end).filter_map(move |pc| match code[pc] {
        Instruction::LoopBegin { .. } => {
            depth += 1;
            None
        }
        Instruction::LoopEnd { .. } => {
            depth -= 1;
            None
        }
        Instruction::Call(call) if depth == 0 => Some((pc, call)),
        _ => None,
    })
}

fn queues_routine(relations: &Relations<'_>, call: CallId) -> bool {
    match &relations.program.call(call).service {
        Service::QueueApcThread { .. } => true,
        Service::Io { request } => relations.program.io.request(*request).routine.is_some(),
        _ => false,
    }
}
