//! Devices: the rules.

use super::{Confidence, Level, Rule, Standing, Subject, rules};

rules! {
    base: super::exit::END;
    DEV_01 "DEV-01" NtSyscall Tested {
        statement: "A pipe instance is in one of the states disconnected, listening, connected, \
            closing; a new server end starts listening even before a listen request is made, so \
            a client can connect at once.",
        observe: "client open right after create; state query",
        sources: "R-npfs; W-pipe `pipe_for_each_state`",
        note: "",
        divergence: "",
    }
    DEV_02 "DEV-02" NtSyscall Tested {
        statement: "Listen (ConnectNamedPipe) on an asynchronous listening end pends until a \
            client opens; on an already connected end it fails inline with STATUS_PIPE_CONNECTED \
            (hence no notification), on a closing end with STATUS_PIPE_CLOSING, on a client end \
            with STATUS_ILLEGAL_FUNCTION.",
        observe: "four states",
        sources: "W-pipe `test_overlapped`, `test_pipe_state`, `test_create`",
        note: "",
        divergence: "",
    }
    DEV_03 "DEV-03" NtSyscall Tested {
        statement: "Read or write while listening → STATUS_PIPE_LISTENING; while disconnected → \
            STATUS_PIPE_DISCONNECTED; all inline errors without notification.",
        observe: "server end before connect / after disconnect",
        sources: "R-npfs; W-pipe `test_pipe_state`, `test_pipe_with_data_state`",
        note: "",
        divergence: "",
    }
    DEV_04 "DEV-04" NtSyscall Tested {
        statement: "When the peer closes its end: data it had written stays readable; reads on \
            an empty closing pipe fail with STATUS_PIPE_BROKEN, writes with STATUS_PIPE_CLOSING; \
            reads already pending complete with STATUS_PIPE_BROKEN, 0 bytes, full notification.",
        observe: "write K, close writer, read: K, then broken",
        sources: "R-npfs; W-pipe `read_pipe_test`",
        note: "",
        divergence: "",
    }
    DEV_05 "DEV-05" NtSyscall Tested {
        statement: "Disconnect by the server completes the pending requests of both ends with \
            STATUS_PIPE_DISCONNECTED and discards unread data; afterwards the server end can \
            listen again.",
        observe: "pending client read: 0xC00000B0; unread data lost",
        sources: "R-npfs; obs",
        note: "",
        divergence: "",
    }
    DEV_06 "DEV-06" NtSyscall Tested {
        statement: "Closing the end that owns the pending read completes that read with \
            STATUS_PIPE_BROKEN during cleanup (not STATUS_CANCELLED).",
        observe: "see CAN-29",
        sources: "W-file `test_file_io_completion`; obs",
        note: "",
        divergence: "",
    }
    DEV_07 "DEV-07" NtSyscall Tested {
        statement: "Reads on an empty connected pipe pend and are queued FIFO; a write satisfies \
            queued reads in order before storing the rest, inside the writer's call, so the \
            reader's completion (first stage) happens in the writer's context.",
        observe: "two 1-byte reads, one 2-byte write: first read gets the first byte; \
            completions precede the writer's return",
        sources: "W-pipe `read_pipe_test` (IOSB final right after the write); obs",
        note: "tested / observed (FIFO)",
        divergence: "Wine may need the reader to run before the IOSB is final.",
    }
    DEV_08 "DEV-08" NtSyscall Tested {
        statement: "Byte mode: a read returns whatever is available up to its size (partial is \
            success); message boundaries do not exist.",
        observe: "write 2, read 1, read 1: both STATUS_SUCCESS",
        sources: "W-pipe `read_pipe_test`",
        note: "",
        divergence: "",
    }
    DEV_09 "DEV-09" NtSyscall Tested {
        statement: "Message read mode: a read smaller than the message returns \
            STATUS_BUFFER_OVERFLOW with the bytes that fit; the remainder stays and the next \
            read continues the same message. A message-type pipe read in byte mode behaves like \
            byte mode.",
        observe: "write 2, read 1 → 0x80000005/1, read 1 → 0/1",
        sources: "W-pipe `read_pipe_test`",
        note: "",
        divergence: "Return value on port-bound handles: IO-15.",
    }
    DEV_10 "DEV-10" NtSyscall Inferred {
        statement: "A read that pended and then meets a longer message completes with the \
            warning STATUS_BUFFER_OVERFLOW and normal notification.",
        observe: "pend a 1-byte read, write a 2-byte message",
        sources: "DEV-09 + IRP-46",
        note: "",
        divergence: "",
    }
    DEV_11 "DEV-11" NtSyscall Tested {
        statement: "Zero-byte read on an empty byte pipe pends; a zero-byte write does not \
            complete it; a 1-byte write completes it with success and 0 bytes and leaves the \
            byte in the pipe.",
        observe: "exactly that",
        sources: "R-npfs; obs",
        note: "",
        divergence: "",
    }
    DEV_12 "DEV-12" NtSyscall Tested {
        statement: "A zero-byte write on a byte pipe is a successful no-op; on a message pipe it \
            creates a zero-length message that completes one read with success and 0 bytes.",
        observe: "both modes",
        sources: "R-npfs (byte); obs (message)",
        note: "tested / observed",
        divergence: "",
    }
    DEV_13 "DEV-13" NtSyscall Tested {
        statement: "Writes complete inline while the peer's quota has room; a write that exceeds \
            it pends (asynchronous) or blocks (synchronous) until enough has been read, or the \
            writes before it have been cancelled, to make room for it, and then completes with \
            its full byte count. Queued data is delivered in write order.",
        observe: "quota 256: write 256 ok, write 100 pends, completes with 100 once reads have \
            freed enough quota for all of it",
        sources: "R-npfs quota checks; R-npfsdata `NpCancelDataQueueIrp` (calls \
            `NpCompleteStalledWrites`); W-srvpipe `reselect_write_queue`; obs",
        note: "tested (quota accounting) / observed (pend, cancelled)",
        divergence: "The exact point at which a partially drained write completes differs \
            between implementations.",
    }
    DEV_14 "DEV-14" NtSyscall Tested missing "There is no call that asks how much quota is left." {
        statement: "A pending read consumes the writer's outbound quota view while it waits \
            (reported write quota available changes by the read size).",
        observe: "pipe local information with a pending read",
        sources: "R-npfs (`CheckServerQuota` with a pending read)",
        note: "",
        divergence: "Wine reports differently (todo).",
    }
    DEV_15 "DEV-15" NtSyscall Tested {
        statement: "Peek never pends for data; it returns available bytes and, for message pipes \
            with a small buffer, STATUS_BUFFER_OVERFLOW; on listening or disconnected server \
            ends it fails with STATUS_INVALID_PIPE_STATE.",
        observe: "peek in each state",
        sources: "W-pipe `test_pipe_state`, `read_pipe_test`",
        note: "",
        divergence: "Windows 8+ may return STATUS_PENDING with the IOSB already final (and then \
            posts a packet on bound handles despite skip-on-success).",
    }
    DEV_16 "DEV-16" NtSyscall Tested {
        statement: "Transceive writes a message and reads the reply in one request; it pends \
            until the peer writes.",
        observe: "transceive, peer writes 2 bytes: IOSB 0/2, event set",
        sources: "W-pipe `test_transceive`",
        note: "",
        divergence: "",
    }
    DEV_17 "DEV-17" NtSyscall Tested missing "There is no call that flushes." {
        statement: "Flush blocks until the peer has read everything, on any handle kind (IO-25).",
        observe: "",
        sources: "W-pipe `test_blocking`",
        note: "",
        divergence: "",
    }
    DEV_18 "DEV-18" NtSyscall Tested {
        statement: "Pending pipe reads, writes and listens are cancellable; cancellation \
            completes them with STATUS_CANCELLED and 0 bytes inside the cancel call.",
        observe: "CAN-19",
        sources: "W-pipe; obs",
        note: "",
        divergence: "",
    }
    DEV_19 "DEV-19" NtSyscall Tested {
        statement: "Cancelling a listen leaves the end in listening state: a client can still \
            connect.",
        observe: "alerted listen returns STATUS_CANCELLED, client open then succeeds",
        sources: "W-pipe `test_alertable` (client open asserted after the cancelled listen)",
        note: "",
        divergence: "",
    }
    DEV_20 "DEV-20" NtSyscall Documented
        missing "The serial device is not simulated; that its time-out is a success is shown with a delay device." {
        statement: "Reads are queued FIFO and completed by arriving characters or by time-outs; \
            a time-out completes the read with STATUS_TIMEOUT (0x102, a success severity) and \
            the bytes received so far, so it notifies as success and Win32 reports TRUE with a \
            short count.",
        observe: "total time-out with 0 or some bytes",
        sources: "MS \"IRP_MJ_READ (Serial)\", \"SerCxGetReadIntervalTimeout\" (a timed-out read \
            is a successful completion); W-nt (0x102 row treated as success)",
        note: "documented (severity effect tested)",
        divergence: "",
    }
    DEV_21 "DEV-21" NtSyscall Documented missing "The serial device is not simulated." {
        statement: "Wait-on-mask: one may be pending per port; it completes when a masked event \
            occurs, immediately if one occurred since the mask was set, and with STATUS_SUCCESS \
            and an empty mask when a new mask is set while it is pending.",
        observe: "WaitCommEvent pending, SetCommMask: completion with mask 0",
        sources: "MS \"IOCTL_SERIAL_WAIT_ON_MASK\", \"IOCTL_SERIAL_SET_WAIT_MASK\"",
        note: "",
        divergence: "",
    }
    DEV_22 "DEV-22" NtSyscall Documented missing "The serial device is not simulated." {
        statement: "A second wait-on-mask while one is pending fails with \
            STATUS_INVALID_PARAMETER inline (no notification).",
        observe: "two WaitCommEvent calls",
        sources: "MS \"IOCTL_SERIAL_WAIT_ON_MASK\"",
        note: "",
        divergence: "",
    }
    DEV_23 "DEV-23" NtSyscall Documented missing "The serial device is not simulated." {
        statement: "Purge with abort flags asks for cancellation of all queued reads and/or \
            writes; its own completion does not imply that the purged requests are already \
            completed.",
        observe: "purge, then wait for each request",
        sources: "MS \"IOCTL_SERIAL_PURGE\"",
        note: "",
        divergence: "",
    }
    DEV_24 "DEV-24" Model Inferred {
        statement: "Delay device: accepts (duration, status, information, data), marks the IRP \
            pending, makes it cancellable, and completes it at now + duration in a DPC-like \
            context; duration 0 has two variants — inline without marking, and inline after \
            marking.",
        observe: "all rows of IRP-45",
        sources: "mirrors W-drv `return_status`, `cancel_ioctl_irp`",
        note: "",
        divergence: "",
    }
    DEV_25 "DEV-25" Model Inferred {
        statement: "Latency disk: seekable, asynchronous, serves requests in scheduled order \
            (elevator or fixed latencies) so that completions overtake each other; end of file \
            pends and completes with STATUS_END_OF_FILE; cleanup does not cancel anything.",
        observe: "IO-20, IO-21, IO-54, CAN-30",
        sources: "W-file `read_file_test`; blog (R. Chen 2021-07-30)",
        note: "",
        divergence: "",
    }
    DEV_26 "DEV-26" Model Tested {
        statement: "Cached file: synchronous handle with a fast-I/O path as in IRP-59..61 and an \
            IRP path for the rest.",
        observe: "error with IOSB written, no APC",
        sources: "R-iorw",
        note: "tested behaviour to imitate",
        divergence: "",
    }
    DEV_27 "DEV-27" Model Tested {
        statement: "Notification device (directory-change or poll like): one long-pending \
            request completed by an external stimulus; ideal for cancel, exit and port tests \
            because it never completes by itself.",
        observe: "used by W-afd with a poll request",
        sources: "W-afd",
        note: "tested pattern",
        divergence: "",
    }
    DEV_28 "DEV-28" Model Documented {
        statement: "Filter stack: upper device attached over a lower one, with per-request \
            choice of forward-and-forget (skip), forward with completion routine (propagating or \
            not propagating pending, changing status or not), forward-and-wait, \
            stop-and-resume-later (STATUS_MORE_PROCESSING_REQUIRED), and split into associated \
            IRPs.",
        observe: "IRP-12, IRP-20..28, IRP-32",
        sources: "W-drv `completion_ioctl`, `completion_cb`; MS cheat sheet",
        note: "documented patterns",
        divergence: "",
    }
    DEV_29 "DEV-29" Model Inferred {
        statement: "Queue device: holds IRPs in a cancel-safe queue and completes them on \
            command in any order; each of the steps of CAN-09 is a separate schedulable point, \
            so that every race can be enumerated.",
        observe: "CAN-08..11",
        sources: "R-csq",
        note: "",
        divergence: "",
    }
    DEV_30 "DEV-30" Model Tested
        missing "Requests have sizes, not contents, so that copies cannot be told apart." {
        statement: "Buffering variants: each device should be available with buffered, direct \
            and neither transfer, since the copy-back rules (IRP-47, IRP-48) differ and the \
            deferred copy for ports (IRP-42) only matters for buffered ones.",
        observe: "",
        sources: "W-nt (three methods)",
        note: "tested behaviour to imitate",
        divergence: "",
    }
    DEV_31 "DEV-31" Model Inferred {
        statement: "Never completes, cancellable: exercises cancel, close, exit.",
        observe: "CAN-19, EXIT-04",
        sources: "",
        note: "",
        divergence: "",
    }
    DEV_32 "DEV-32" Model Documented {
        statement: "Never completes, ignores cancellation: no cancel routine; cancel sets only \
            the flag; asynchronous thread exit takes the five-minute path (EXIT-08), synchronous \
            callers become unkillable (IO-31), CancelIo may hang (CAN-20), CancelIoEx returns \
            TRUE without effect.",
        observe: "those outcomes",
        sources: "R-irp; \"Windows Internals\" (hang with IRP experiment)",
        note: "documented pattern",
        divergence: "",
    }
    DEV_33 "DEV-33" Model SourceDerived {
        statement: "Completes long after cancellation, with success or with STATUS_CANCELLED, \
            before or after dissociation (EXIT-10).",
        observe: "effects before, none after dissociation",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
    DEV_34 "DEV-34" Model SourceDerived {
        statement: "Completes twice: the second completion is a contract violation (0x44) that \
            the model must report with both trace positions.",
        observe: "IRP-30",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
    DEV_35 "DEV-35" Model Tested {
        statement: "Returns pending without marking, marks without returning pending, drops the \
            pending bit in a completion routine: IRP-16, IRP-17, IRP-22.",
        observe: "caller hangs / return value differs / notification lost",
        sources: "W-nt, W-drv",
        note: "tested / inferred",
        divergence: "",
    }
    DEV_36 "DEV-36" Model SourceDerived {
        statement: "Completes with the cancel routine still set, or reports more Information \
            than the buffer, or completes with status STATUS_PENDING: contract checks IRP-31, \
            CAN-07; over-long Information must be flagged because the second stage would copy \
            beyond the buffer.",
        observe: "violation report",
        sources: "R-irp",
        note: "",
        divergence: "",
    }
}

/// What this page of the registry is about.
pub(super) const SUBJECT: Subject = Subject {
    name: "device",
    title: "Devices",
    introduction: "How the devices behave that scenarios use: pipes as Windows has them, and \
        synthetic ones that obey, or break, the contract of drivers.",
    rules: RULES,
};
