//! What a scenario's steps make use of.

use alertable_traces::call::{Call, Timeout};
use alertable_traces::outcome::Value;
use alertable_traces::scenario::{CallStep, Object, Scenario, Step};
use std::collections::{BTreeMap, BTreeSet};

/// As what a routine is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum RoutineUse {
    Apc,
    Timer,
    /// A completion routine of the Win32 functions.
    Completion,
    /// A completion routine of the system services.
    NativeCompletion,
    Work,
    WorkItem,
    PoolTimer,
    PoolWait,
    PoolIo,
}

/// What the steps of a scenario name.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The labels, in the order of their first steps.
    pub(super) labels: Vec<String>,
    /// Every status block: whether it is an OVERLAPPED.
    pub(super) blocks: BTreeMap<String, bool>,
    pub(super) routines: BTreeSet<(String, RoutineUse)>,
    pub(super) native: bool,
    pub(super) requests: bool,
    pub(super) ports: bool,
    pub(super) special_apcs: bool,
    pub(super) created_later: bool,
    pub(super) closes_handles: bool,
    /// Threads are stopped or ended from outside, wherever they are.
    pub(super) stops_threads: bool,
    /// The most packets that a step takes at once.
    pub(super) entry_count_max: u32,
    /// All finite times of steps, in milliseconds, but for 0.
    pub(super) times_ms: Vec<u32>,
}

/// The calls of all threads and routines.
pub(super) fn calls(scenario: &Scenario) -> Vec<&CallStep> {
    fn add<'a>(steps: &'a [Step], found: &mut Vec<&'a CallStep>) {
        for step in steps {
            match step {
                Step::Call(call) => found.push(call),
                Step::Repeat(repeat) => add(&repeat.steps, found),
            }
        }
    }
    let mut found = Vec::new();
    let threads = scenario.threads.values().map(|thread| &thread.steps);
    threads.chain(scenario.routines.values()).for_each(|steps| add(steps, &mut found));
    found
}

impl Uses {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let mut uses = Uses { entry_count_max: 1, ..Uses::default() };
        for (name, object) in &scenario.objects {
            uses.object(name, object);
        }
        for step in calls(scenario) {
            if let Some(label) = &step.label
                && !uses.labels.contains(label)
            {
                uses.labels.push(label.clone());
            }
            uses.call(&step.call);
        }
        uses
    }

    fn object(&mut self, name: &str, object: &Object) {
        match object {
            Object::Overlapped { .. } => self.block(name, true),
            Object::Iosb => self.block(name, false),
            Object::PoolTimer { routine, .. } => self.routine(routine, RoutineUse::PoolTimer),
            Object::PoolWait { routine, .. } => self.routine(routine, RoutineUse::PoolWait),
            Object::PoolIo { routine, .. } => self.routine(routine, RoutineUse::PoolIo),
            Object::Port { .. } => self.ports = true,
            Object::File { .. } => self.requests = true,
            _ => {}
        }
    }

    fn block(&mut self, name: &str, is_overlapped: bool) {
        *self.blocks.entry(name.to_owned()).or_default() |= is_overlapped;
    }

    fn routine(&mut self, name: &str, used_as: RoutineUse) {
        self.routines.insert((name.to_owned(), used_as));
    }

    fn time(&mut self, time: Timeout) {
        if let Timeout::Finite(ms) = time
            && ms > 0
        {
            self.times_ms.push(ms);
        }
    }

    fn native_request(&mut self, routine: Option<&String>, context: Option<&Value>, iosb: &str) {
        self.native = true;
        self.block(iosb, false);
        if let Some(Value::Name(name)) = context {
            self.block(name, false);
        }
        if let Some(routine) = routine {
            self.routine(routine, RoutineUse::NativeCompletion);
        }
    }

    fn call(&mut self, call: &Call) {
        match call {
            Call::QueueUserApc { routine, .. } => self.routine(routine, RoutineUse::Apc),
            Call::QueueUserApc2 { routine, .. } => {
                self.special_apcs = true;
                self.routine(routine, RoutineUse::Apc);
            }
            Call::NtTestAlert
            | Call::NtAlertThread { .. }
            | Call::NtCancelIoFile { .. }
            | Call::NtRemoveIoCompletion { .. } => self.native = true,
            Call::NtCancelIoFileEx { iosb, .. } => {
                self.native = true;
                iosb.iter().for_each(|name| self.block(name, false));
            }
            Call::NtSetIoCompletion { value, .. } => {
                self.native = true;
                if let Value::Name(name) = value {
                    self.block(name, false);
                }
            }
            Call::NtReadFile { routine, context, iosb, .. }
            | Call::NtWriteFile { routine, context, iosb, .. }
            | Call::NtFsControlFile { routine, context, iosb, .. }
            | Call::NtDeviceIoControlFile { routine, context, iosb, .. } => {
                self.native_request(routine.as_ref(), context.as_ref(), iosb);
            }
            Call::ReadFileEx { overlapped, routine, .. }
            | Call::WriteFileEx { overlapped, routine, .. } => {
                self.block(overlapped, true);
                self.routine(routine, RoutineUse::Completion);
            }
            Call::ReadFile { overlapped, .. }
            | Call::WriteFile { overlapped, .. }
            | Call::DeviceIoControl { overlapped, .. }
            | Call::CancelIoEx { overlapped, .. }
            | Call::PostQueuedCompletionStatus { overlapped, .. } => {
                overlapped.iter().for_each(|name| self.block(name, true));
            }
            Call::GetOverlappedResult { overlapped, .. }
            | Call::GetOverlappedResultEx { overlapped, .. }
            | Call::HasOverlappedIoCompleted { overlapped } => self.block(overlapped, true),
            Call::SetWaitableTimer { routine: Some(routine), .. } => {
                self.routine(routine, RoutineUse::Timer);
            }
            Call::TrySubmitThreadpoolCallback { routine, .. } => {
                self.routine(routine, RoutineUse::Work);
            }
            Call::QueueUserWorkItem { routine, .. } => self.routine(routine, RoutineUse::WorkItem),
            Call::SuspendThread { .. } | Call::TerminateThread { .. } => {
                self.stops_threads = true;
            }
            Call::CreateThread { .. } => self.created_later = true,
            Call::CloseHandle { .. } => self.closes_handles = true,
            Call::GetQueuedCompletionStatusEx { max, .. } => {
                self.entry_count_max = self.entry_count_max.max(*max);
            }
            _ => {}
        }
        self.times(call);
    }

    fn times(&mut self, call: &Call) {
        match call {
            Call::Sleep { ms }
            | Call::SleepEx { ms, .. }
            | Call::WaitForSingleObject { ms, .. }
            | Call::WaitForSingleObjectEx { ms, .. }
            | Call::WaitForMultipleObjects { ms, .. }
            | Call::WaitForMultipleObjectsEx { ms, .. }
            | Call::MsgWaitForMultipleObjectsEx { ms, .. }
            | Call::SignalObjectAndWait { ms, .. }
            | Call::GetOverlappedResultEx { ms, .. }
            | Call::GetQueuedCompletionStatus { ms, .. }
            | Call::GetQueuedCompletionStatusEx { ms, .. }
            | Call::NtRemoveIoCompletion { ms, .. }
            | Call::SetThreadpoolWait { ms, .. } => self.time(*ms),
            Call::SetWaitableTimer { due_ms, period_ms, .. } => {
                self.time(Timeout::Finite(*due_ms));
                self.time(Timeout::Finite(u32::try_from(*period_ms).unwrap_or(0)));
            }
            Call::SetThreadpoolTimer { due_ms, period_ms, .. } => {
                self.time(Timeout::Finite(due_ms.unwrap_or(0)));
                self.time(Timeout::Finite(*period_ms));
            }
            _ => {}
        }
    }
}
