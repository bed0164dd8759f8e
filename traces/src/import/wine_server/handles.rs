//! Which object each handle names.

use crate::trace::object::ObjectKind;
use std::collections::BTreeMap;

/// The number of an object in this trace. Never used again, so that names are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectId(pub(super) u64);

/// An object while handles name it.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Its name in the trace.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: ObjectKind,
    /// What others open it by, where the log tells.
    pub(super) key: Option<String>,
    handle_count: u32,
}

/// A handle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    /// What it names.
    pub(super) object: ObjectId,
    /// New processes get it too.
    pub(super) inherited: bool,
}

/// A process, or what is known of one whose number is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ProcessKey {
    /// The process of this number.
    Known(u32),
    /// That of the thread of this number.
    OfThread(u32),
}

/// The handle tables of all processes, and the objects that they name.
#[derive(Debug, Default)]
pub(super) struct Handles {
    tables: BTreeMap<ProcessKey, BTreeMap<u32, Handle>>,
    objects: BTreeMap<ObjectId, Object>,
    by_key: BTreeMap<String, ObjectId>,
    object_count: u64,
}

impl Handles {
    /// A new object without handles. Threads and processes are named by their numbers, others
    /// are counted.
    pub(super) fn add_object(
        &mut self,
        kind: ObjectKind,
        number: Option<u32>,
        key: Option<String>,
    ) -> ObjectId {
        self.object_count += 1;
        let id = ObjectId(self.object_count);
        let name = match number {
            Some(number) => format!("{kind}:{number:04x}"),
            None => format!("{kind}:{}", id.0),
        };
        if let Some(key) = &key {
            self.by_key.insert(key.clone(), id);
        }
        self.objects.insert(id, Object { name, kind, key, handle_count: 0 });
        id
    }

    /// The object that others open by this name.
    pub(super) fn named(&self, key: &str) -> Option<ObjectId> {
        self.by_key.get(key).copied()
    }

    /// An object, if a handle still names it.
    pub(super) fn object(&self, id: ObjectId) -> Option<&Object> {
        self.objects.get(&id)
    }

    /// The name of an object that a handle names, or is about to.
    pub(super) fn name(&self, id: ObjectId) -> String {
        self.object(id).map_or_else(String::new, |object| object.name.clone())
    }

    pub(super) fn get(&self, process: ProcessKey, handle: u32) -> Option<Handle> {
        self.tables.get(&process)?.get(&handle).copied()
    }

    /// Makes a handle name an object. What it named before was closed unseen.
    pub(super) fn open(&mut self, process: ProcessKey, handle: u32, names: Handle) {
        if let Some(object) = self.objects.get_mut(&names.object) {
            object.handle_count += 1;
        }
        self.tables.entry(process).or_default().insert(handle, names);
    }

    /// Changes whether new processes get a handle.
    pub(super) fn set_inherited(&mut self, process: ProcessKey, handle: u32, inherited: bool) {
        let table = self.tables.get_mut(&process);
        if let Some(names) = table.and_then(|table| table.get_mut(&handle)) {
            names.inherited = inherited;
        }
    }

    /// Closes a handle: the object that it named, and whether that was the last one.
    pub(super) fn close(&mut self, process: ProcessKey, handle: u32) -> Option<(Object, bool)> {
        let closed = self.tables.get_mut(&process)?.remove(&handle)?;
        let object = self.objects.get_mut(&closed.object)?;
        object.handle_count = object.handle_count.saturating_sub(1);
        if object.handle_count > 0 {
            return Some((object.clone(), false));
        }
        let object = self.objects.remove(&closed.object)?;
        if let Some(key) = &object.key
            && self.by_key.get(key) == Some(&closed.object)
        {
            self.by_key.remove(key);
        }
        Some((object, true))
    }

    /// Drops an object that never got a handle.
    pub(super) fn drop_unopened(&mut self, id: ObjectId) {
        if self.objects.get(&id).is_some_and(|object| object.handle_count == 0) {
            self.objects.remove(&id);
        }
    }

    /// The handles of a process.
    pub(super) fn of_process(&self, process: ProcessKey) -> Vec<(u32, Handle)> {
        let table = self.tables.get(&process);
        table.map_or_else(Vec::new, |table| table.iter().map(|(h, names)| (*h, *names)).collect())
    }

    /// The handle by which a process names an object.
    pub(super) fn handle_of(&self, process: ProcessKey, id: ObjectId) -> Option<u32> {
        let table = self.tables.get(&process)?;
        table.iter().find(|(_, names)| names.object == id).map(|(handle, _)| *handle)
    }

    /// A process of which only a thread was known turns out to be this one.
    pub(super) fn identify(&mut self, old: ProcessKey, process: u32) {
        let Some(known) = self.tables.remove(&old) else { return };
        let table = self.tables.entry(ProcessKey::Known(process)).or_default();
        for (handle, names) in known {
            table.entry(handle).or_insert(names);
        }
    }

    /// Forgets an emptied table.
    pub(super) fn remove_process(&mut self, process: ProcessKey) {
        self.tables.remove(&process);
    }

    /// How many handles and objects are kept.
    pub(super) fn kept(&self) -> usize {
        self.tables.values().map(BTreeMap::len).sum::<usize>() + self.objects.len()
    }
}
