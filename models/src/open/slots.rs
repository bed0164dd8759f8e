//! Places that are taken and given back.

/// Which of a number of places are taken. The lowest free one is taken first.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    free: std::collections::BTreeSet<usize>,
    room: usize,
}

impl Slots {
    pub(super) fn new(room: usize) -> Self {
        Slots { free: (0..room).collect(), room }
    }

    /// A free place; none if there is none.
    pub(super) fn take(&mut self) -> Option<usize> {
        self.free.pop_first()
    }

    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    pub(super) fn give_back(&mut self, place: usize) {
        debug_assert!(place < self.room);
        self.free.insert(place);
    }

    pub(super) fn room(&self) -> usize {
        self.room
    }

    pub(super) fn used(&self) -> usize {
        self.room - self.free.len()
    }

    pub(super) fn grow(&mut self, room: usize) {
        self.free.extend(self.room..room);
        self.room = room;
    }
}
