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
        /// Devices interrupt at it (DIRQL).
        Device = "DIRQL",
    }
}

names! {
    /// Which APC state of its thread an APC goes to.
    pub enum Environment: "environment" {
        /// That of the thread's own process (OriginalApcEnvironment).
        Original = "original",
        /// That of the process to which the thread is attached (AttachedApcEnvironment).
        Attached = "attached",
        /// The one in force when it is initialised (CurrentApcEnvironment).
        Current = "current",
        /// The one in force when it is queued (InsertApcEnvironment).
        Insert = "insert",
    }
}
