//! What a document declares and refers to, and the checking of references once it is read.

use crate::error::{Fault, Span, quoted};
use crate::json::Node;
use crate::limits::{EXPECTED_COUNT_MAX, NAME_LENGTH_MAX, OBJECT_COUNT_MAX, STEP_COUNT_MAX};
use crate::suggest::did_you_mean_or_list;
use indexmap::IndexMap;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Thread,
    Routine,
    Label,
    Event,
    Mutex,
    KernelMutex,
    Semaphore,
    Timer,
    Port,
    Overlapped,
    Device,
    Pipe,
    File,
    Iosb,
    Handle,
    Pool,
    PoolTimer,
    PoolWait,
    PoolIo,
    Kapc,
    Dpc,
    Interrupt,
    SpinLock,
    FastMutex,
    GuardedMutex,
    Irp,
    IrpQueue,
}

impl Kind {
    const ALL: [Kind; 27] = [
        Kind::Thread,
        Kind::Routine,
        Kind::Label,
        Kind::Event,
        Kind::Mutex,
        Kind::KernelMutex,
        Kind::Semaphore,
        Kind::Timer,
        Kind::Port,
        Kind::Overlapped,
        Kind::Device,
        Kind::Pipe,
        Kind::File,
        Kind::Iosb,
        Kind::Handle,
        Kind::Pool,
        Kind::PoolTimer,
        Kind::PoolWait,
        Kind::PoolIo,
        Kind::Kapc,
        Kind::Dpc,
        Kind::Interrupt,
        Kind::SpinLock,
        Kind::FastMutex,
        Kind::GuardedMutex,
        Kind::Irp,
        Kind::IrpQueue,
    ];

    /// The kind with its article.
    fn noun(self) -> &'static str {
        match self {
            Kind::Thread => "a thread",
            Kind::Routine => "a routine",
            Kind::Label => "a label",
            Kind::Event => "an event",
            Kind::Mutex => "a mutex",
            Kind::KernelMutex => "a kernel mutex",
            Kind::Semaphore => "a semaphore",
            Kind::Timer => "a timer",
            Kind::Port => "a port",
            Kind::Overlapped => "an overlapped",
            Kind::Device => "a device",
            Kind::Pipe => "a pipe",
            Kind::File => "a file",
            Kind::Iosb => "an iosb",
            Kind::Handle => "a handle",
            Kind::Pool => "a pool",
            Kind::PoolTimer => "a pool-timer",
            Kind::PoolWait => "a pool-wait",
            Kind::PoolIo => "a pool-io",
            Kind::Kapc => "a kapc",
            Kind::Dpc => "a dpc",
            Kind::Interrupt => "an interrupt",
            Kind::SpinLock => "a spin-lock",
            Kind::FastMutex => "a fast-mutex",
            Kind::GuardedMutex => "a guarded-mutex",
            Kind::Irp => "an irp",
            Kind::IrpQueue => "an irp-queue",
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(pub(crate) u32);

impl Kinds {
    pub(crate) const fn of(kind: Kind) -> u32 {
        1 << kind as u32
    }

    fn has(self, kind: Kind) -> bool {
        self.0 & Self::of(kind) != 0
    }

    /// What is wanted, with its article: one kind, or what the kinds have in common.
    fn noun(self) -> String {
        let kinds: Vec<_> = Kind::ALL.into_iter().filter(|kind| self.has(*kind)).collect();
        match kinds.as_slice() {
            [kind] => kind.noun().to_owned(),
            [first, last] => format!("{} or {}", first.noun(), last.noun()),
            _ if self.has(Kind::Pipe) => "an object".to_owned(),
            _ => "something that can be waited for".to_owned(),
        }
    }
}

/// Sets of kinds that fields refer to.
pub(crate) mod kinds {
    use super::{Kind, Kinds};

    pub(crate) const THREAD: u32 = Kinds::of(Kind::Thread);
    pub(crate) const ROUTINE: u32 = Kinds::of(Kind::Routine);
    pub(crate) const LABEL: u32 = Kinds::of(Kind::Label);
    pub(crate) const EVENT: u32 = Kinds::of(Kind::Event);
    pub(crate) const MUTEX: u32 = Kinds::of(Kind::Mutex);
    /// What KeReleaseMutex releases.
    pub(crate) const ANY_MUTEX: u32 = MUTEX | Kinds::of(Kind::KernelMutex);
    pub(crate) const SEMAPHORE: u32 = Kinds::of(Kind::Semaphore);
    pub(crate) const TIMER: u32 = Kinds::of(Kind::Timer);
    pub(crate) const PORT: u32 = Kinds::of(Kind::Port);
    pub(crate) const OVERLAPPED: u32 = Kinds::of(Kind::Overlapped);
    pub(crate) const DEVICE: u32 = Kinds::of(Kind::Device);
    pub(crate) const PIPE: u32 = Kinds::of(Kind::Pipe);
    pub(crate) const FILE: u32 = Kinds::of(Kind::File);
    pub(crate) const HANDLE: u32 = Kinds::of(Kind::Handle);
    pub(crate) const POOL: u32 = Kinds::of(Kind::Pool);
    pub(crate) const POOL_TIMER: u32 = Kinds::of(Kind::PoolTimer);
    /// What a routine's run may name as the timer that it is of.
    pub(crate) const ANY_TIMER: u32 = TIMER | POOL_TIMER;
    pub(crate) const POOL_WAIT: u32 = Kinds::of(Kind::PoolWait);
    pub(crate) const POOL_IO: u32 = Kinds::of(Kind::PoolIo);
    pub(crate) const KAPC: u32 = Kinds::of(Kind::Kapc);
    pub(crate) const DPC: u32 = Kinds::of(Kind::Dpc);
    pub(crate) const INTERRUPT: u32 = Kinds::of(Kind::Interrupt);
    pub(crate) const IRP: u32 = Kinds::of(Kind::Irp);
    pub(crate) const IRP_QUEUE: u32 = Kinds::of(Kind::IrpQueue);
    /// What runs routines.
    pub(crate) const RUNNER: u32 = THREAD | DPC | INTERRUPT;
    pub(crate) const SPIN_LOCK: u32 = Kinds::of(Kind::SpinLock);
    pub(crate) const FAST_MUTEX: u32 = Kinds::of(Kind::FastMutex);
    pub(crate) const GUARDED_MUTEX: u32 = Kinds::of(Kind::GuardedMutex);
    /// An OVERLAPPED begins with its status block, so either will do.
    pub(crate) const BLOCK: u32 = OVERLAPPED | Kinds::of(Kind::Iosb);
    pub(crate) const WAITABLE: u32 = THREAD | EVENT | MUTEX | SEMAPHORE | TIMER | PORT | FILE;
    /// What code in kernel mode can wait for, which needs no handle.
    pub(crate) const KERNEL_WAITABLE: u32 = WAITABLE | ANY_MUTEX;
    /// What has a handle.
    pub(crate) const HANDLED: u32 = WAITABLE | DEVICE | PIPE | HANDLE;
}

#[derive(Debug)]
struct Declared {
    kind: Kind,
    /// What a handle is a handle of.
    of: Option<(String, Span)>,
}

#[derive(Debug)]
struct Reference {
    name: String,
    span: Span,
    wanted: Kinds,
}

/// What a reader carries along.
#[derive(Debug)]
pub(crate) struct Context {
    is_strict: bool,
    /// Names must refer to something.
    refers: bool,
    declared: IndexMap<String, Declared>,
    labels: IndexMap<String, Span>,
    references: Vec<Reference>,
    object_count: usize,
    step_count: usize,
    expected_count: usize,
    pub(crate) repeat_depth: usize,
}

impl Context {
    /// For a scenario: names must refer to something, statuses and errors must be known.
    pub(crate) fn scenario() -> Self {
        Context {
            is_strict: true,
            refers: true,
            declared: IndexMap::new(),
            labels: IndexMap::new(),
            references: Vec::new(),
            object_count: 0,
            step_count: 0,
            expected_count: 0,
            repeat_depth: 0,
        }
    }

    /// For what was seen somewhere: names mean nothing here.
    pub(crate) fn captured() -> Self {
        Context { is_strict: false, refers: false, ..Self::scenario() }
    }

    /// For what was seen of a scenario: its names must be those that the scenario declares.
    pub(crate) fn captured_of(names: impl Iterator<Item = (String, Kind, Option<String>)>) -> Self {
        let declared = names.map(|(name, kind, of)| {
            let of = of.map(|of| (of, Span::new(0, 0)));
            (name, Declared { kind, of })
        });
        Context { is_strict: false, declared: declared.collect(), ..Self::scenario() }
    }

    /// Looks up what was referred to since this was last done.
    pub(crate) fn resolve_references(&mut self) -> Result<(), Fault> {
        let references = std::mem::take(&mut self.references);
        references.iter().try_for_each(|reference| self.look_up(reference))
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Counts a step against the limit.
    pub(crate) fn count_step(&mut self, span: Span) -> Result<(), Fault> {
        self.step_count += 1;
        if self.step_count > STEP_COUNT_MAX {
            return Err(Fault::new(span, format!("more than {STEP_COUNT_MAX} steps")));
        }
        Ok(())
    }

    /// Counts a part of the expectations against the limit.
    pub(crate) fn count_expected(&mut self, span: Span) -> Result<(), Fault> {
        self.expected_count += 1;
        if self.expected_count > EXPECTED_COUNT_MAX {
            let message = format!("more than {EXPECTED_COUNT_MAX} patterns and results");
            return Err(Fault::new(span, message));
        }
        Ok(())
    }

    /// Enters a name into the one namespace.
    pub(crate) fn declare(&mut self, name: &str, span: Span, kind: Kind) -> Result<(), Fault> {
        check_name(name, span)?;
        let is_object = !matches!(kind, Kind::Thread | Kind::Routine);
        self.object_count += usize::from(is_object);
        if self.object_count > OBJECT_COUNT_MAX {
            return Err(Fault::new(span, format!("more than {OBJECT_COUNT_MAX} objects")));
        }
        match self.declared.insert(name.to_owned(), Declared { kind, of: None }) {
            None => Ok(()),
            Some(before) => Err(taken(name, span, before.kind)),
        }
    }

    /// Says what a handle that has been declared is a handle of.
    pub(crate) fn declare_handle(&mut self, name: &str, of: &str, span: Span) {
        if let Some(declared) = self.declared.get_mut(name) {
            declared.of = Some((of.to_owned(), span));
        }
    }

    /// Enters a label, which several steps may share.
    pub(crate) fn label(&mut self, name: &str, span: Span) -> Result<(), Fault> {
        check_name(name, span)?;
        if !self.labels.contains_key(name) {
            self.labels.insert(name.to_owned(), span);
        }
        Ok(())
    }

    /// Notes that a node names something, to be looked up when all is read.
    pub(crate) fn refer(&mut self, node: &Node<'_>, wanted: Kinds) {
        if let Ok(name) = node.text() {
            self.refer_by_name(name, node.span, wanted);
        }
    }

    /// As [`refer`](Self::refer), for the key of an object.
    pub(crate) fn refer_by_name(&mut self, name: &str, span: Span, wanted: Kinds) {
        if self.refers {
            self.references.push(Reference { name: name.to_owned(), span, wanted });
        }
    }

    /// Notes that a node names an OVERLAPPED or status block and declares it, unless the name
    /// is declared. Objects are read before steps.
    pub(crate) fn refer_or_declare(&mut self, node: &Node<'_>, wanted: Kinds) -> Result<(), Fault> {
        if !self.refers {
            return Ok(());
        }
        let name = node.text()?;
        let kind = if wanted == Kinds(kinds::OVERLAPPED) { Kind::Overlapped } else { Kind::Iosb };
        match self.declared.get_mut(name) {
            None => self.declare(name, node.span, kind)?,
            Some(declared) if declared.kind == Kind::Iosb && kind == Kind::Overlapped => {
                declared.kind = kind;
            }
            Some(_) => {}
        }
        self.refer(node, wanted);
        Ok(())
    }

    /// Looks up everything that was referred to.
    pub(crate) fn resolve(&self) -> Result<(), Fault> {
        for (label, span) in &self.labels {
            if let Some(declared) = self.declared.get(label) {
                return Err(taken(label, *span, declared.kind));
            }
        }
        for (name, declared) in &self.declared {
            if let Some((_, span)) = &declared.of
                && self.target(name).is_none()
            {
                let message = format!("{name:?} is a handle of itself");
                return Err(Fault::new(*span, message));
            }
        }
        self.references.iter().try_for_each(|reference| self.look_up(reference))
    }

    fn look_up(&self, reference: &Reference) -> Result<(), Fault> {
        let Reference { name, span, wanted } = reference;
        let is_label = self.labels.contains_key(name).then_some(Kind::Label);
        let Some(kind) = self.declared.get(name).map(|declared| declared.kind).or(is_label) else {
            return Err(self.unknown(reference));
        };
        let target = self.target(name).unwrap_or(kind);
        if wanted.has(kind) || wanted.has(target) {
            return Ok(());
        }
        let message = match kind {
            Kind::KernelMutex if wanted.has(Kind::Mutex) => {
                let message = "is a kernel mutex, which has no handle: only code in kernel mode \
                               can use it";
                return Err(Fault::new(*span, format!("{name:?} {message}")));
            }
            Kind::Handle => format!("{name:?} is a handle of {}", target.noun()),
            _ => format!("{name:?} is {}", kind.noun()),
        };
        Err(Fault::new(*span, format!("{message}, not {}", wanted.noun())))
    }

    fn unknown(&self, reference: &Reference) -> Fault {
        let Reference { name, span, wanted } = reference;
        let labels = self.labels.keys().filter(|_| wanted.has(Kind::Label));
        let fits = |name: &str, declared: &Declared| {
            wanted.has(declared.kind) || self.target(name).is_some_and(|kind| wanted.has(kind))
        };
        let fitting = self.declared.iter().filter(|(name, declared)| fits(name, declared));
        let names: Vec<_> =
            fitting.map(|(name, _)| name).chain(labels).map(String::as_str).collect();
        let noun = wanted.noun();
        let noun = match noun.split_once(' ') {
            Some(("a" | "an", noun)) if !noun.contains(" or ") => noun,
            _ => "object",
        };
        let help = did_you_mean_or_list(name, &names);
        Fault::new(*span, format!("unknown {noun} {}", quoted(name))).with_help(help)
    }

    /// What a name stands for in the end, through handles of handles; none in a circle, and for
    /// a name that is not declared.
    fn target(&self, name: &str) -> Option<Kind> {
        let mut declared = self.declared.get(name)?;
        for _ in 0..=self.declared.len() {
            match &declared.of {
                None => return Some(declared.kind),
                Some((of, _)) => match self.declared.get(of) {
                    Some(next) => declared = next,
                    None => return Some(Kind::Handle),
                },
            }
        }
        None
    }
}

fn taken(name: &str, span: Span, kind: Kind) -> Fault {
    Fault::new(span, format!("{name:?} is already the name of {}", kind.noun()))
}

fn check_name(name: &str, span: Span) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::new(span, "a name may not be empty"));
    }
    if name.chars().any(char::is_control) {
        return Err(Fault::new(span, "a name may not have control characters"));
    }
    if name.chars().count() > NAME_LENGTH_MAX {
        let message = format!("a name may have at most {NAME_LENGTH_MAX} characters");
        return Err(Fault::new(span, message));
    }
    Ok(())
}
