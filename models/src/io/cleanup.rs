//! The cleanup of a file by a driver of the program's own: its routine runs on the thread that
//! closes the last handle.

use super::packet::{IrpRef, Origin};
use crate::event::Observer;
use crate::ids::{HandleId, ObjectId, ThreadId};
use crate::io::setup::{FileTarget, Model};
use crate::ke::dispatcher::DispatcherObject;
use crate::ke::{Context, Kernel};
use crate::rule::cancel as rule;

impl Kernel {
    /// The last handle of a file is closed: the driver of its device gets a request that says so.
    ///
    /// CAN-28: in the context of the closing thread, before its call returns.
    pub(crate) fn begin_cleanup<O: Observer>(
        &mut self,
        cx: &mut Context<'_, O>,
        context: ThreadId,
        file: ObjectId,
        driver: usize,
    ) {
        cx.rules([rule::CAN_28, rule::CAN_29]);
        let irp = IrpRef::Cleanup(file);
        let stack_count = super::driver::stack_size(&cx.kernel_mode.drivers, driver);
        self.add_driver_irp(irp, Origin::Threaded(context), stack_count);
        self.km_mut().sweeps.push(context.index(), irp);
    }

    /// Whether a driver has not finished the cleanup of a file.
    pub(crate) fn is_in_cleanup(&self, file: ObjectId) -> bool {
        self.has_kernel_mode() && self.driver_irp(IrpRef::Cleanup(file)).is_some()
    }

    /// The driver to which a file's requests go first.
    pub(crate) fn driver_of_file<O>(&self, cx: &Context<'_, O>, file: ObjectId) -> Option<usize> {
        let FileTarget::Device(device) = cx.io.files[self.file_number(file)].target else {
            return None;
        };
        match cx.io.devices[device].model {
            Model::Driver(driver) => Some(driver),
            _ => None,
        }
    }

    /// Whether a process has a file open whose driver does something at its cleanup.
    pub(crate) fn has_cleanup_to_run<O>(&self, cx: &Context<'_, O>, process: u8) -> bool {
        if !cx.kernel_mode.drivers.iter().any(|driver| driver.cleanup.is_some()) {
            return false;
        }
        let is_one = |handle: &HandleId| {
            let object = cx.handles[handle.index()];
            cx.io.handle_processes[handle.index()] == process
                && !self.is_closed(*handle)
                && matches!(self.object(object), DispatcherObject::File(_))
                && self
                    .driver_of_file(cx, object)
                    .is_some_and(|driver| cx.kernel_mode.drivers[driver].cleanup.is_some())
        };
        (0..cx.handles.len()).map(HandleId::from_index).any(|handle| is_one(&handle))
    }

    /// Whether a request is of the file whose cleanup another one is.
    pub(crate) fn is_of_file<O>(&self, cx: &Context<'_, O>, irp: IrpRef, cleanup: IrpRef) -> bool {
        match (irp, cleanup) {
            (IrpRef::Service(id), IrpRef::Cleanup(file)) => self.request_of(cx, id).2 == file,
            _ => false,
        }
    }
}
