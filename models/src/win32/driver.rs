//! From a call of a driver to what the I/O manager does.

use super::Convention;
use super::lower::{Names, status_of};
use crate::io::dservice::DriverService as D;
use alertable_traces::call::Call;

/// The function behind a call of a driver; `None` for any other call, and for one that sends a
/// request to a device that is set up.
pub(super) fn driver_service(call: &Call, names: &mut impl Names) -> Option<(D, Convention)> {
    building(call, names)
        .or_else(|| passing_on(call, names))
        .or_else(|| completing(call, names))
        .or_else(|| keeping(call, names))
}

fn building(call: &Call, names: &mut impl Names) -> Option<(D, Convention)> {
    let name =
        |names: &mut dyn Names, irp: &Option<String>| irp.as_ref().map(|irp| names.irp_var(irp));
    Some(match call {
        Call::IoAllocateIrp { irp, stack } => {
            let var = names.irp_var(irp);
            let service = D::Allocate {
                var,
                stack_count: Some(*stack),
                driver: None,
                threaded: false,
                event: None,
                block: None,
            };
            (service, Convention::Void)
        }
        Call::IoBuildAsynchronousFsdRequest { irp, device, iosb } => {
            let service = D::Allocate {
                var: names.irp_var(irp),
                stack_count: None,
                driver: Some(names.driver(device)?),
                threaded: false,
                event: None,
                block: Some(names.block(iosb)),
            };
            (service, Convention::Void)
        }
        Call::IoBuildDeviceIoControlRequest { irp, device, event, iosb } => {
            let service = D::Allocate {
                var: names.irp_var(irp),
                stack_count: None,
                driver: Some(names.driver(device)?),
                threaded: true,
                event: Some(names.handle(event)),
                block: Some(names.block(iosb)),
            };
            (service, Convention::Void)
        }
        Call::IoMakeAssociatedIrp { irp, to, stack } => {
            let var = names.irp_var(to);
            let irp = name(names, irp);
            (D::MakeAssociated { irp, var, stack_count: *stack }, Convention::Void)
        }
        Call::SetIoStatus { irp, status, bytes } => {
            let (irp, status) = (name(names, irp), status_of(status));
            (D::SetStatus { irp, status, information: *bytes }, Convention::Void)
        }
        Call::IoReuseIrp { irp } => (D::Reuse { irp: name(names, irp) }, Convention::Void),
        Call::IoFreeIrp { irp } => (D::Free { irp: name(names, irp) }, Convention::Void),
        _ => return None,
    })
}

fn passing_on(call: &Call, names: &mut impl Names) -> Option<(D, Convention)> {
    let name =
        |names: &mut dyn Names, irp: &Option<String>| irp.as_ref().map(|irp| names.irp_var(irp));
    Some(match call {
        Call::IoCallDriver { device, irp } => {
            let driver = names.driver(device)?;
            (D::Call { irp: name(names, irp), driver }, Convention::Status)
        }
        Call::IoCopyCurrentIrpStackLocationToNext { irp } => {
            (D::CopyToNext { irp: name(names, irp) }, Convention::Void)
        }
        Call::IoSkipCurrentIrpStackLocation { irp } => {
            (D::SkipCurrent { irp: name(names, irp) }, Convention::Void)
        }
        Call::IoSetCompletionRoutine { irp, routine, on } => {
            let has = |case: &str| on.is_empty() || on.iter().any(|given| given == case);
            let service = D::SetCompletionRoutine {
                irp: name(names, irp),
                routine: routine.as_ref().map(|routine| names.routine(routine)),
                cases: [has("success"), has("error"), has("cancel")],
            };
            (service, Convention::Void)
        }
        Call::IoStartPacket { device, irp, cancel } => {
            let driver = names.driver(device)?;
            let cancel = cancel.as_ref().map(|routine| names.routine(routine));
            (D::StartPacket { irp: name(names, irp), driver, cancel }, Convention::Void)
        }
        Call::IoStartNextPacket { device } => {
            (D::StartNextPacket { driver: names.driver(device)? }, Convention::Void)
        }
        Call::Return { status } => {
            let status = status.as_ref().map(|status| status_of(status));
            (D::Return { status, loops: 0 }, Convention::Void)
        }
        _ => return None,
    })
}

fn completing(call: &Call, names: &mut impl Names) -> Option<(D, Convention)> {
    let name =
        |names: &mut dyn Names, irp: &Option<String>| irp.as_ref().map(|irp| names.irp_var(irp));
    Some(match call {
        Call::IoMarkIrpPending { irp, if_pending } => {
            let service = D::MarkPending { irp: name(names, irp), if_pending: *if_pending };
            (service, Convention::Void)
        }
        Call::IoCompleteRequest { irp, status, bytes, .. } => {
            let service = D::Complete {
                irp: name(names, irp),
                status: status.as_ref().map(|status| status_of(status)),
                information: *bytes,
            };
            (service, Convention::Void)
        }
        Call::IoSetCancelRoutine { irp, routine } => {
            let routine = routine.as_ref().map(|routine| names.routine(routine));
            (D::SetCancelRoutine { irp: name(names, irp), routine }, Convention::Truth)
        }
        Call::IoCancelIrp { irp } => (D::Cancel { irp: name(names, irp) }, Convention::Truth),
        Call::IrpCancel { irp } => (D::IsCancelled { irp: name(names, irp) }, Convention::Truth),
        Call::IoAcquireCancelSpinLock => (D::AcquireCancelSpinLock, Convention::Void),
        Call::IoReleaseCancelSpinLock => (D::ReleaseCancelSpinLock, Convention::Void),
        _ => return None,
    })
}

fn keeping(call: &Call, names: &mut impl Names) -> Option<(D, Convention)> {
    let name =
        |names: &mut dyn Names, irp: &Option<String>| irp.as_ref().map(|irp| names.irp_var(irp));
    let insert = |names: &mut dyn Names, queue: &str, irp: &Option<String>, cancel_safe| {
        let queue = names.irp_queue(queue);
        (D::Insert { irp: name(names, irp), queue, cancel_safe }, Convention::Void)
    };
    let remove = |names: &mut dyn Names, queue: &str, to: &str, cancel_safe, of_file| {
        let (queue, var) = (names.irp_queue(queue), names.irp_var(to));
        (D::RemoveHead { queue, var, cancel_safe, of_file }, Convention::Truth)
    };
    Some(match call {
        Call::SaveIrp { to, irp } => {
            let var = names.irp_var(to);
            (D::Save { irp: name(names, irp), var }, Convention::Void)
        }
        Call::InsertTailList { queue, irp } => insert(names, queue, irp, false),
        Call::IoCsqInsertIrp { queue, irp } => insert(names, queue, irp, true),
        Call::RemoveHeadList { queue, to } => remove(names, queue, to, false, false),
        Call::IoCsqRemoveNextIrp { queue, to, of_file } => remove(names, queue, to, true, *of_file),
        Call::RemoveEntryList { queue, irp } => {
            let queue = names.irp_queue(queue);
            (D::RemoveEntry { irp: name(names, irp), queue }, Convention::Truth)
        }
        _ => return None,
    })
}
