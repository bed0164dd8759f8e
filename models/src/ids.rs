//! Small typed indices. Each names one thing of a model; none is ever reused or renumbered.

use crate::parts::{Entry, Key};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($integer:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $integer);

        impl $name {
            /// The position in the table that the id belongs to.
            pub fn index(self) -> usize {
                usize::from(self.0)
            }

            /// The id of the entry at `index`; the number of entries is bounded where a
            /// scenario is read.
            pub fn from_index(index: usize) -> Self {
                Self(index as $integer)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A thread. Its thread object is the dispatcher object of the same number.
    ThreadId(u8), "T"
);
id!(
    /// A dispatcher object: first the thread objects, then the declared objects.
    ObjectId(u16), "O"
);
id!(
    /// A handle of the first process: one for each thread and object, then the declared ones.
    HandleId(u16), "H"
);
id!(
    /// A routine that an APC or a timer runs.
    RoutineId(u16), "R"
);
id!(
    /// A label that keeps results.
    LabelId(u16), "L"
);
id!(
    /// A value that a program hands to an APC; the program's table holds the value.
    DatumId(u16), "D"
);
id!(
    /// A call in the program's table of calls: one place in the scenario.
    CallId(u16), "C"
);

id!(
    /// An OVERLAPPED or I/O status block: first the named ones, then a private one for each
    /// thread, for requests that name none.
    BlockId(u16), "B"
);
id!(
    /// An APC object of the program.
    KapcId(u8), "K"
);
id!(
    /// A DPC object.
    DpcId(u8), "P"
);
id!(
    /// A spin lock.
    SpinLockId(u8), "S"
);
id!(
    /// A fast or guarded mutex.
    FastMutexId(u8), "M"
);
id!(
    /// A place where drivers keep the address of a request packet.
    IrpVarId(u8), "V"
);
id!(
    /// A queue of request packets.
    IrpQueueId(u8), "U"
);
id!(
    /// A place in the program that issues requests.
    RequestId(u16), "Q"
);
id!(
    /// An I/O request packet while it exists.
    ///
    /// It is named by the status block that it will write, so that equal situations have equal
    /// names, whatever was issued before.
    IrpId(u16), "I"
);

impl IrpId {
    /// How many packets can name one status block at a time. More than one does only by a
    /// mistake of the program (IO-52).
    pub const PER_BLOCK: u16 = 8;

    pub(crate) fn new(block: BlockId, copy: u16) -> Self {
        IrpId(block.0 * Self::PER_BLOCK + copy)
    }

    /// The status block that it will write.
    pub fn block(self) -> BlockId {
        BlockId(self.0 / Self::PER_BLOCK)
    }
}

impl Entry for IrpId {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(self.0))
    }
}

impl Entry for ThreadId {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(self.0))
    }
}

impl Entry for ObjectId {
    fn digest(&self, key: Key) -> u64 {
        key.hash(u64::from(self.0))
    }
}

impl ThreadId {
    /// The thread object.
    pub fn object(self) -> ObjectId {
        ObjectId(u16::from(self.0))
    }
}
