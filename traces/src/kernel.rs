//! What only code in kernel mode names.

use crate::declare::names;

names! {
    /// An interrupt request level.
    pub enum Irql: "IRQL" {
        /// Threads run at it, and every APC is delivered.
        Passive = "PASSIVE_LEVEL",
        /// No APC is delivered.
        Apc = "APC_LEVEL",
        /// The processor runs no other thread.
        Dispatch = "DISPATCH_LEVEL",
    }
}
