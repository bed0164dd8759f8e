//! What the names of a scenario stand for.

use super::Compiler;
use crate::ids::{
    BlockId, DatumId, DpcId, FastMutexId, HandleId, IrpQueueId, IrpVarId, KapcId, ObjectId,
    RequestId, RoutineId, SpinLockId, ThreadId,
};
use crate::io::setup::Request;
use crate::ke::Kernel;
use crate::ke::dispatcher::DispatcherObject;
use crate::win32::{Names, Overlapped};

impl Names for Compiler {
    fn block(&mut self, name: &str) -> BlockId {
        self.io.block(name, false)
    }

    fn overlapped(&mut self, name: &str) -> Overlapped {
        let block = self.io.block(name, true);
        let (event, suppress_port) = self.io.overlapped.get(name).cloned().unwrap_or_default();
        let event = event.map(|event| self.handles[&event]);
        Overlapped { block, event, suppress_port }
    }

    fn pool_wait(&self, name: &str) -> usize {
        self.io.pool_waits[name]
    }

    fn kapc(&self, name: &str) -> KapcId {
        self.kernel_mode.kapc(name)
    }

    fn dpc(&self, name: &str) -> DpcId {
        self.kernel_mode.dpc(name)
    }

    fn device_dpc(&self, name: &str) -> Option<DpcId> {
        self.kernel_mode.device_dpc(name)
    }

    fn irp_var(&self, name: &str) -> IrpVarId {
        self.kernel_mode.irp_var(name)
    }

    fn irp_queue(&self, name: &str) -> IrpQueueId {
        self.kernel_mode.irp_queue(name)
    }

    fn driver(&self, name: &str) -> Option<usize> {
        self.kernel_mode.driver(name)
    }

    fn spin_lock(&self, name: &str) -> SpinLockId {
        self.kernel_mode.spin_lock(name)
    }

    fn process(&mut self, name: &str) -> u8 {
        self.io.process(Some(name))
    }

    fn fast_mutex(&self, name: &str) -> FastMutexId {
        self.kernel_mode.fast_mutex(name)
    }

    fn request(&mut self, request: Request) -> RequestId {
        self.io.setup.requests.push(request);
        RequestId::from_index(self.io.setup.requests.len() - 1)
    }

    fn handle(&self, name: &str) -> HandleId {
        self.handles[name]
    }

    fn thread(&self, name: &str) -> ThreadId {
        self.threads[name]
    }

    fn routine(&self, name: &str) -> RoutineId {
        self.routines[name]
    }

    fn datum(&mut self, value: u64) -> DatumId {
        let data = &mut self.program.data;
        *self.data.entry(value).or_insert_with(|| {
            data.push(value);
            DatumId::from_index(data.len() - 1)
        })
    }

    fn message_queue(&mut self) -> HandleId {
        // Never signaled and without a name; each call may have one of its own.
        let kernel = &mut self.program.kernel;
        let mut objects = kernel.objects.iter().copied().collect::<Vec<_>>();
        objects.push(DispatcherObject::MessageQueue);
        *kernel = Kernel::new(kernel.threads.iter().copied().collect(), objects);
        self.program.objects.push(String::new());
        self.program.handles.push(ObjectId::from_index(self.program.objects.len() - 1));
        HandleId::from_index(self.program.handles.len() - 1)
    }
}
