//! What a program could tell of its run so far, as one number.
//!
//! Two runs that lead to the same situation but were seen differently must stay apart, since
//! their outcomes differ. What was seen is a list for each label and each thread's routines; the
//! digest adds up one strong hash for each entry with its place in its list, so that it does not
//! depend on the order in which different lists grew. The lists themselves are read off a
//! schedule when they are wanted ([`crate::outcome`]).

use crate::event::IoResult;
use crate::ids::LabelId;
use crate::io::port::Packet;
use crate::ke::apc::{ApcSource, Kapc};
use crate::parts::{Aspect, StatePart, fold};
use crate::service::ServiceReturn;
use crate::win32::Convention;

/// What was seen so far.
#[derive(Debug)]
pub struct History {
    touched: bool,
    /// Its hash when it was last hashed.
    settled: u64,
    digest: u64,
}

impl PartialEq for History {
    // Equal digests stand for equal lists.
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for History {}

impl Clone for History {
    fn clone(&self) -> Self {
        History { touched: false, ..*self }
    }
}

// Nobody looks at it: it only grows.
impl StatePart for History {
    fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    fn settle(&mut self, mut on_change: impl FnMut(Aspect, usize, u64)) {
        let settled = std::mem::replace(&mut self.settled, self.digest);
        on_change(Aspect::Content, 0, self.digest.wrapping_sub(settled));
    }

    fn take_marks(&self, _: impl FnMut(Aspect, usize)) {}

    fn clear_marks(&mut self) {}

    fn settled_digest(&self) -> u64 {
        self.settled
    }

    fn digest(&self) -> u64 {
        self.digest
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl History {
    pub(crate) fn new() -> Self {
        History { touched: true, settled: 0, digest: 0 }
    }

    /// The digest of everything seen.
    pub fn seen(&self) -> u64 {
        self.digest
    }

    /// A result is kept under a label, where so many are already.
    pub(crate) fn record_result(
        &mut self,
        (label, place): (LabelId, u32),
        convention: Convention,
        result: ServiceReturn,
        packets: &[Packet],
    ) {
        self.record(label.index(), place, convention as u64, entry_of(result, packets));
    }

    /// What a label has told that had told this and gets one more result.
    pub(crate) fn told(
        before: u64,
        convention: Convention,
        result: ServiceReturn,
        packets: &[Packet],
    ) -> u64 {
        let kind = convention as u64 + 1;
        fold(fold(before ^ SEED, entry_of(result, packets) ^ PRIME), kind ^ SEED)
    }

    /// A thread, which has a list, has entered a routine after so many others.
    pub(crate) fn record_routine(
        &mut self,
        (list, place): (usize, u32),
        kapc: Kapc,
        result: IoResult,
    ) {
        // Whether an APC was special cannot be seen from its routine, nor which of several
        // requests with one status block has ended.
        let source = match kapc.source {
            ApcSource::Special => ApcSource::Queued,
            ApcSource::Io(irp) => ApcSource::FastIo(irp.block()),
            source => source,
        };
        let mut entry = Kapc { source, ..kapc }.word();
        if kapc.block().is_some() {
            let status = u64::from(result.status.0) << 32 | u64::from(result.information);
            entry = fold(entry ^ SEED, status ^ PRIME);
        }
        self.record(list, place, 0, entry);
    }

    fn record(&mut self, list: usize, place: u32, kind: u64, entry: u64) {
        let place = u64::from(place) << 24 | (list as u64) << 8 | kind;
        self.touched = true;
        self.digest = self.digest.wrapping_add(fold(fold(place ^ SEED, entry ^ PRIME), SEED));
    }
}

fn entry_of(result: ServiceReturn, packets: &[Packet]) -> u64 {
    packets.iter().fold(result.word(), |entry, packet| {
        let status = u64::from(packet.status.0) << 32 | u64::from(packet.information);
        fold(fold(entry ^ SEED, packet.word() ^ PRIME), status ^ SEED)
    })
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const PRIME: u64 = 0xD6E8_FEB8_6659_FD93;
