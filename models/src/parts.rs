//! The parts of a state: how they are copied and fingerprinted without looking at all of them.
//!
//! A step changes few of the many lists and records of a machine. Each part knows whether it was
//! changed, so that going back to an earlier state copies only what differs, and keeps the sum of
//! one strong hash for each of its entries at its place, so that a changed entry alone is hashed
//! again.

use std::ops::BitOr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A part of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Threads,
    Objects,
    UserApcs,
    WaitObjects,
    WaitBlocks,
    OwnedMutants,
    ClosedHandles,
    StatusBlocks,
    Irps,
    ThreadIrps,
    FileIrps,
    DeviceQueues,
    KernelApcs,
    PipeReads,
    PipeData,
    PipeListens,
    Pipes,
    Packets,
    Removers,
    Received,
    /// How many threads are active at each port; follows from the threads.
    Activity,
    /// Which threads have ended, or have not begun; follows from the threads.
    Liveness,
    BugCheck,
    KernelThreads,
    KernelLists,
    Contexts,
    ContextObjects,
    Attachments,
    Kapcs,
    Dpcs,
    DpcQueue,
    TimerDpcs,
    SpinLocks,
    FastMutexes,
    DriverIrps,
    IrpVars,
    IrpQueues,
    DriverFrames,
    Sweeps,
    CurrentIrps,
    Stop,
    Frames,
    Loops,
    Conditions,
    Lengths,
    Told,
    History,
}

impl Part {
    /// How many parts there are.
    pub(crate) const COUNT: usize = Part::History as usize + 1;

    /// Every part, in the order of their numbers.
    #[cfg(debug_assertions)]
    pub(crate) const ALL: [Part; Part::COUNT] = [
        Part::Threads,
        Part::Objects,
        Part::UserApcs,
        Part::WaitObjects,
        Part::WaitBlocks,
        Part::OwnedMutants,
        Part::ClosedHandles,
        Part::StatusBlocks,
        Part::Irps,
        Part::ThreadIrps,
        Part::FileIrps,
        Part::DeviceQueues,
        Part::KernelApcs,
        Part::PipeReads,
        Part::PipeData,
        Part::PipeListens,
        Part::Pipes,
        Part::Packets,
        Part::Removers,
        Part::Received,
        Part::Activity,
        Part::Liveness,
        Part::BugCheck,
        Part::KernelThreads,
        Part::KernelLists,
        Part::Contexts,
        Part::ContextObjects,
        Part::Attachments,
        Part::Kapcs,
        Part::Dpcs,
        Part::DpcQueue,
        Part::TimerDpcs,
        Part::SpinLocks,
        Part::FastMutexes,
        Part::DriverIrps,
        Part::IrpVars,
        Part::IrpQueues,
        Part::DriverFrames,
        Part::Sweeps,
        Part::CurrentIrps,
        Part::Stop,
        Part::Frames,
        Part::Loops,
        Part::Conditions,
        Part::Lengths,
        Part::Told,
        Part::History,
    ];

    /// The key of the entry at a position of one of the part's lists.
    pub(crate) fn key(self, list: usize, position: usize) -> Key {
        let part = (self as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let list = (list as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
        let position = (position as u64).wrapping_mul(0xF135_7AEA_2E62_A9C5);
        Key(part.wrapping_add(list).wrapping_add(position))
    }
}

/// Some of the parts of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts(u64);

impl Parts {
    /// No part.
    pub const NONE: Self = Parts(0);
    /// Every part.
    pub const ALL: Self = Parts(u64::MAX);

    pub(crate) fn contains(self, part: Part) -> bool {
        self.0 & 1 << part as u32 != 0
    }

    pub(crate) fn insert_if(&mut self, is_in: bool, part: Part) {
        self.0 |= u64::from(is_in) << part as u32;
    }
}

impl BitOr for Parts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Parts(self.0 | other.0)
    }
}

/// A place in a state, as its entries are hashed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(u64);

impl Key {
    /// The strong hash of one word at this place.
    pub(crate) fn hash(self, word: u64) -> u64 {
        fold(word ^ self.0, FACTOR)
    }

    /// The strong hash of two words at this place.
    pub(crate) fn hash_pair(self, first: u64, second: u64) -> u64 {
        fold(first ^ self.0, second ^ self.0 ^ FACTOR)
    }

    /// The key for what does not fit into two words.
    pub(crate) fn next(self) -> Key {
        Key(self.0.rotate_left(23).wrapping_mul(FACTOR))
    }
}

const FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;

/// Multiplies to 128 bits and folds the halves together.
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Which of a part's records or lists were looked at: bit `i` stands for each whose number is `i`
/// modulo 64. Atomic only so that states can be shared; nobody else writes at the same time.
#[derive(Default, Debug)]
pub(crate) struct Marks(AtomicU64);

impl Marks {
    /// One was looked at.
    pub(crate) fn mark(&self, index: usize) {
        let marks = self.0.load(Ordering::Relaxed);
        self.0.store(marks | 1 << (index % 64), Ordering::Relaxed);
    }

    /// All were looked at.
    pub(crate) fn mark_all(&self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }

    /// None was looked at.
    pub(crate) fn clear(&mut self) {
        *self.0.get_mut() = 0;
    }

    /// Tells which of `count` were looked at since this was last asked.
    pub(crate) fn take(&self, count: usize, mut on_marked: impl FnMut(usize)) {
        let mut marks = self.0.load(Ordering::Relaxed);
        if marks == 0 {
            return;
        }
        self.0.store(0, Ordering::Relaxed);
        while marks != 0 {
            (marks.trailing_zeros() as usize..count).step_by(64).for_each(&mut on_marked);
            marks &= marks - 1;
        }
    }
}

/// What was looked at is no part of the state.
impl PartialEq for Marks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Marks {}

/// A copy has not been looked at.
impl Clone for Marks {
    fn clone(&self) -> Self {
        Marks::default()
    }
}

/// Something that a state has many of.
pub(crate) trait Entry: Copy + Eq {
    /// The strong hash of the entry at its place.
    fn digest(&self, key: Key) -> u64;
}

impl Entry for u32 {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(*self))
    }
}

impl Entry for u64 {
    fn digest(&self, key: Key) -> u64 {
        key.hash(*self)
    }
}

impl Entry for bool {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(*self))
    }
}

/// What can be looked at of a record or list by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aspect {
    /// What it says.
    Content,
    /// How long a list is. Its digest grows by the same for each entry, and an entry that is
    /// appended changes that of the content by what follows from the length, so that appending
    /// looks at nothing else.
    Length,
}

/// What can be done with every part of a state.
pub(crate) trait StatePart {
    /// Whether it was changed since this was last asked.
    fn take_touched(&mut self) -> bool;

    /// Hashes what was changed since this was last asked, and tells for each record or list, by
    /// its number, by how much its digest has changed.
    fn settle(&mut self, on_change: impl FnMut(Aspect, usize, u64));

    /// Tells which records or lists were looked at since this was last asked.
    fn take_marks(&self, on_marked: impl FnMut(Aspect, usize));

    /// No record or list was looked at.
    fn clear_marks(&mut self);

    /// The sum of all digests as they were when they were hashed last.
    fn settled_digest(&self) -> u64;

    /// The sum of all digests.
    fn digest(&self) -> u64;

    /// The memory beside itself, in bytes.
    fn heap_bytes(&self) -> usize;
}

/// Makes a vector equal to a slice, in the memory that it has.
pub(crate) fn copy_slice<T: Copy>(to: &mut Vec<T>, from: &[T]) {
    if to.len() == from.len() {
        to.copy_from_slice(from);
    } else {
        to.clear();
        to.extend_from_slice(from);
    }
}

/// Says of which parts a record consists, for everything that is done with each of them.
macro_rules! state_parts {
    ($record:ident { $($field:ident: $part:ident),* $(,)? }) => {
        impl $record {
            fn copy_own_parts(&mut self, source: &Self, parts: $crate::parts::Parts) {
                $(if parts.contains($crate::parts::Part::$part) {
                    self.$field.clone_from(&source.$field);
                })*
            }

            fn take_own_touched(&mut self) -> $crate::parts::Parts {
                let mut parts = $crate::parts::Parts::NONE;
                $(parts.insert_if(self.$field.take_touched(), $crate::parts::Part::$part);)*
                parts
            }

            fn settle_own_parts(
                &mut self,
                parts: $crate::parts::Parts,
                mut on_change: impl FnMut($crate::parts::Part, $crate::parts::Aspect, usize, u64),
            ) {
                $(if parts.contains($crate::parts::Part::$part) {
                    self.$field.settle(|aspect, index, change| {
                        on_change($crate::parts::Part::$part, aspect, index, change);
                    });
                })*
            }

            fn take_own_marks(
                &self,
                mut on_marked: impl FnMut($crate::parts::Part, $crate::parts::Aspect, usize),
            ) {
                $(self.$field.take_marks(|aspect, index| {
                    on_marked($crate::parts::Part::$part, aspect, index);
                });)*
            }

            fn clear_own_marks(&mut self) {
                $(self.$field.clear_marks();)*
            }

            fn differing_own_parts(&self, other: &Self) -> $crate::parts::Parts {
                let mut parts = $crate::parts::Parts::NONE;
                $(parts.insert_if(
                    self.$field.settled_digest() != other.$field.settled_digest(),
                    $crate::parts::Part::$part,
                );)*
                parts
            }

            fn own_digest(&self) -> u64 {
                0_u64$(.wrapping_add(self.$field.digest()))*
            }

            fn own_heap_bytes(&self) -> usize {
                0$( + self.$field.heap_bytes())*
            }
        }
    };
}
pub(crate) use state_parts;
