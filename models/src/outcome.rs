//! Outcomes: what an observer inside the program could know at the end.

use crate::event::{Event, IoResult, Observer};
use crate::ids::{LabelId, ThreadId};
use crate::io::port::Packet;
use crate::ke::Kernel;
use crate::ke::apc::{ApcSource, Kapc, KapcStage};
use crate::ke::thread::{ThreadRole, ThreadState};
use crate::machine::{Machine, Model};
use crate::program::Program;
use crate::win32::win32_error;
use alertable_traces::outcome::{ApcEntry, CallResult, End, Outcome, StatusBlock};
use std::collections::BTreeMap;

/// Collects what a run shows: the results under labels, and the routines that ran.
#[derive(Clone, Debug)]
pub struct Recorder<'a> {
    program: &'a Program,
    labels: Vec<Vec<CallResult>>,
    apcs: Vec<Vec<ApcEntry>>,
    /// The packets of the call that is about to return.
    received: Vec<Packet>,
}

impl<'a> Recorder<'a> {
    /// A recorder that has seen nothing.
    pub fn new(program: &'a Program) -> Self {
        Recorder {
            program,
            labels: vec![Vec::new(); program.labels.len()],
            apcs: vec![Vec::new(); program.threads.len()],
            received: Vec::new(),
        }
    }

    /// The results kept under a label so far.
    pub fn results(&self, label: LabelId) -> &[CallResult] {
        &self.labels[label.index()]
    }

    /// The outcome of a run that ended in this state, at the step limit or not.
    pub fn outcome(&self, machine: &Machine, at_step_limit: bool) -> Outcome {
        let kernel = &machine.kernel;
        let end = match (at_step_limit || machine.has_full_stack(), kernel.all_ended()) {
            (_, true) => End::Finished,
            (true, false) => End::Limit,
            (false, false) => End::Blocked,
        };
        let name = |thread: ThreadId| self.program.thread_name(thread).to_owned();
        let lists = |lists: &[Vec<CallResult>]| -> BTreeMap<_, _> {
            let is_seen = |label: usize| !self.program.labels[label].is_empty();
            let lists = lists.iter().enumerate();
            let filled = lists.filter(|(label, list)| !list.is_empty() && is_seen(*label));
            filled.map(|(label, list)| (self.program.labels[label].clone(), list.clone())).collect()
        };
        let apcs = self.apcs.iter().enumerate().filter(|(_, list)| !list.is_empty());
        let ended = kernel
            .thread_ids()
            .filter(|thread| kernel.thread(*thread).state == ThreadState::Terminated)
            .filter(|thread| {
                matches!(kernel.thread(*thread).role, ThreadRole::Program | ThreadRole::System)
            });
        let mut blocked: Vec<String> = match end {
            End::Blocked => unfinished(kernel).map(name).collect(),
            _ => Vec::new(),
        };
        blocked.sort();
        Outcome {
            end,
            labels: lists(&self.labels),
            apcs: apcs
                .map(|(thread, list)| (name(ThreadId::from_index(thread)), list.clone()))
                .collect(),
            blocked,
            overlapped: status_blocks(self.program, kernel),
            exits: ended.map(|thread| (name(thread), kernel.thread(thread).exit_code)).collect(),
        }
    }
}

/// The threads that were started and have not ended.
pub fn unfinished(kernel: &Kernel) -> impl Iterator<Item = ThreadId> + '_ {
    kernel.thread_ids().filter(|thread| {
        let record = kernel.thread(*thread);
        record.state != ThreadState::Terminated
            && !Kernel::never_started(record)
            && !kernel.is_system_waiting(*thread)
    })
}

impl Observer for Recorder<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Return { call, result, .. } => {
                let call = self.program.call(call);
                let packets = std::mem::take(&mut self.received);
                if let Some(label) = call.label {
                    let result = call.convention.result(self.program, result, &packets);
                    self.labels[label.index()].push(result);
                }
            }
            Event::Received { packet, .. } => self.received.push(packet),
            Event::ApcEntered { thread, kapc, result } => {
                self.apcs[thread.index()].push(apc_entry(self.program, kapc, result));
            }
            _ => {}
        }
    }
}

/// What the status blocks read: every OVERLAPPED, and whatever else has been written.
fn status_blocks(program: &Program, kernel: &Kernel) -> BTreeMap<String, StatusBlock> {
    let Some(io) = kernel.io.as_deref() else { return BTreeMap::new() };
    let shown = program.io.blocks.iter().zip(io.blocks.iter()).filter(|(_, block)| block.written);
    shown
        .map(|((name, _), block)| {
            let status = block.status.to_string();
            (name.clone(), StatusBlock { status, bytes: u64::from(block.information) })
        })
        .collect()
}

/// A routine's run as outcomes and traces show it, with what its status block reads.
pub fn apc_entry(program: &Program, kapc: Kapc, result: IoResult) -> ApcEntry {
    let routine = program.routine_name(kapc.routine).to_owned();
    match kapc.source {
        ApcSource::Queued
        | ApcSource::Special
        | ApcSource::Work
        | ApcSource::Object { stage: KapcStage::Normal | KapcStage::User, .. } => {
            ApcEntry { data: Some(program.datum(kapc.context)), ..ApcEntry::of(routine) }
        }
        ApcSource::Object { .. } | ApcSource::Dpc(_) | ApcSource::Driver(_) => {
            ApcEntry::of(routine)
        }
        ApcSource::Timer(timer) | ApcSource::WorkTimer(timer) => {
            let timer = program.object_name(timer).to_owned();
            ApcEntry { timer: Some(timer), ..ApcEntry::of(routine) }
        }
        ApcSource::Io(_) | ApcSource::FastIo(_) | ApcSource::WorkIo(_) => {
            let block = kapc.block().and_then(|block| program.io.block_name(block));
            ApcEntry {
                error: Some(win32_error(result.status).to_string()),
                bytes: Some(u64::from(result.information)),
                overlapped: block.map(str::to_owned),
                ..ApcEntry::of(routine)
            }
        }
    }
}

/// The outcome at the end of a schedule, by going along it once more.
///
/// Every transition has to be possible when its turn comes.
pub fn outcome_of(
    model: &Model,
    schedule: &[crate::machine::Transition],
    at_step_limit: bool,
) -> Outcome {
    let mut recorder = Recorder::new(&model.program);
    let mut machine = model.initial();
    for transition in schedule {
        model.step(&mut machine, *transition, &mut recorder);
    }
    recorder.outcome(&machine, at_step_limit)
}
