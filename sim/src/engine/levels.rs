//! The states that a search has still to go on from, and how they were reached.
//!
//! A level has states as many steps from the first one. They are reached from a few states of the
//! level above, and stay until all that lies below them was searched.

use super::explore::Summary;
use super::memo::{KnownStep, Memo, SlotSet};
use super::switches::Turn;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

/// A state on a level.
#[derive(Clone, Copy, Debug)]
struct Node<T> {
    /// No other node of the search has it.
    id: u64,
    /// The node that it is reached from, by its place in the level above.
    parent: u32,
    /// How; none on the first level.
    transition: Option<T>,
    /// The sum of all digests.
    sum: u64,
    /// Whose turn it was when it was reached.
    turn: Turn,
    /// In which slots it differs from its parent.
    changed: SlotSet,
    /// Where in the level the numbers of its steps begin.
    first_step: usize,
}

/// A level.
#[derive(Debug)]
struct Level<T> {
    nodes: Vec<Node<T>>,
    /// The digests of the slots, one node's after the other's.
    digests: Vec<u64>,
    /// The memo's answers about what is possible, by source, one node's after the other's.
    answers: Vec<u32>,
    /// What the memo knows of the steps, one node's after the other's.
    steps: Vec<KnownStep>,
    /// From so many of the nodes was gone on.
    expanded: usize,
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Level {
            nodes: Vec::new(),
            digests: Vec::new(),
            answers: Vec::new(),
            steps: Vec::new(),
            expanded: 0,
        }
    }
}

impl<T> Level<T> {
    fn clear(&mut self) {
        self.nodes.clear();
        self.digests.clear();
        self.answers.clear();
        self.steps.clear();
        self.expanded = 0;
    }
}

/// The levels of a search.
#[derive(Debug)]
pub(super) struct Levels<T> {
    all: Vec<Level<T>>,
    slot_count: usize,
    source_count: usize,
    next_id: u64,
}

impl<T: Copy + Eq + Debug> Levels<T> {
    /// No levels, of a system with so many slots and sources.
    pub(super) fn new(slot_count: usize, source_count: usize) -> Self {
        Levels { all: Vec::new(), slot_count, source_count, next_id: 1 }
    }

    /// Begins anew, with one node.
    pub(super) fn begin(&mut self, summary: &Summary) {
        let Summary { digests, sum, turn } = summary;
        self.clear(0);
        self.push(0, 0, None, (*sum, *turn), SlotSet::MAX);
        self.all[0].digests.extend_from_slice(digests);
    }

    /// Empties a level.
    pub(super) fn clear(&mut self, depth: usize) {
        match self.all.get_mut(depth) {
            Some(level) => level.clear(),
            None => self.all.push(Level::default()),
        }
    }

    /// Adds the node that a step from another one leads to.
    pub(super) fn add(
        &mut self,
        (depth, parent): (usize, usize),
        transition: T,
        step: u32,
        turn: Turn,
        memo: &Memo<T>,
    ) {
        let change = memo.change(step);
        let sum = self.all[depth].nodes[parent].sum.wrapping_add(change.sum);
        self.push(depth + 1, parent as u32, Some(transition), (sum, turn), change.slots);
        let (above, below) = self.all.split_at_mut(depth + 1);
        let to = &mut below[0].digests;
        let first = to.len();
        let from = &above[depth].digests[parent * self.slot_count..][..self.slot_count];
        to.extend_from_slice(from);
        memo.apply(step, &mut to[first..]);
    }

    fn push(
        &mut self,
        depth: usize,
        parent: u32,
        transition: Option<T>,
        (sum, turn): (u64, Turn),
        changed: SlotSet,
    ) {
        let id = self.next_id;
        self.next_id += 1;
        let node = Node { id, parent, transition, sum, turn, changed, first_step: 0 };
        self.all[depth].nodes.push(node);
    }

    /// Leaves only one node of the last level.
    pub(super) fn keep_one(&mut self, depth: usize, node: usize) {
        let slot_count = self.slot_count;
        let level = &mut self.all[depth];
        level.nodes.swap(0, node);
        level.nodes.truncate(1);
        level.digests.copy_within(node * slot_count..(node + 1) * slot_count, 0);
        level.digests.truncate(slot_count);
    }

    /// What is kept of a node.
    pub(super) fn summary(&self, depth: usize, node: usize) -> Summary {
        let Node { sum, turn, .. } = self.all[depth].nodes[node];
        Summary { digests: self.digests(depth, node).to_vec(), sum, turn }
    }

    /// Whose turn it was when a node was reached.
    pub(super) fn turn(&self, depth: usize, node: usize) -> Turn {
        self.all[depth].nodes[node].turn
    }

    /// What is left of the search, down to a level: schedules from the first level on, and after
    /// how many steps of each which others are still to be followed, the last one first; the first
    /// node is left if the second is true.
    #[allow(clippy::type_complexity, reason = "it is taken apart at once")]
    pub(super) fn branches(&self, depth: usize) -> (Vec<(Vec<T>, Vec<(usize, Vec<T>)>)>, bool) {
        let mut open: BTreeMap<(usize, usize), Vec<T>> = BTreeMap::new();
        for at in 1..=depth {
            for node in self.left(at) {
                let Node { parent, transition, .. } = self.all[at].nodes[node];
                open.entry((at - 1, parent as usize)).or_default().extend(transition);
            }
        }
        let mut branches = Vec::new();
        while let Some((at, node)) = open.keys().next_back().copied() {
            let mut schedule = Vec::new();
            self.trail(at, node).append_to(&mut schedule);
            let mut along = Vec::new();
            let (mut at, mut node) = (at, node);
            loop {
                if let Some(mut steps) = open.remove(&(at, node)) {
                    steps.reverse();
                    along.push((at, steps));
                }
                let Some(above) = at.checked_sub(1) else { break };
                node = self.all[at].nodes[node].parent as usize;
                at = above;
            }
            along.reverse();
            branches.push((schedule, along));
        }
        (branches, !self.left(0).is_empty())
    }

    /// The next nodes of a level to go on from, at most so many; none are left if it is empty.
    pub(super) fn take(&mut self, depth: usize, count_max: usize) -> Range<usize> {
        let level = &mut self.all[depth];
        let first = level.expanded;
        level.expanded = level.nodes.len().min(first.saturating_add(count_max));
        first..level.expanded
    }

    /// The nodes of a level that nobody has gone on from.
    pub(super) fn left(&self, depth: usize) -> Range<usize> {
        let level = &self.all[depth];
        level.expanded..level.nodes.len()
    }

    /// The digests of a node.
    pub(super) fn digests(&self, depth: usize, node: usize) -> &[u64] {
        &self.all[depth].digests[node * self.slot_count..][..self.slot_count]
    }

    /// The sum of all digests of a node.
    pub(super) fn sum(&self, depth: usize, node: usize) -> u64 {
        self.all[depth].nodes[node].sum
    }

    /// In which slots a node differs from its parent.
    pub(super) fn changed(&self, depth: usize, node: usize) -> SlotSet {
        self.all[depth].nodes[node].changed
    }

    /// Notes what is possible from the next node of a level, which has `steps_before` steps of
    /// the same batch before its own.
    pub(super) fn note_answers(
        &mut self,
        depth: usize,
        node: usize,
        answers: &[u32],
        steps_before: usize,
    ) {
        let level = &mut self.all[depth];
        debug_assert_eq!(level.answers.len(), node * self.source_count);
        level.nodes[node].first_step = level.steps.len() + steps_before;
        level.answers.extend_from_slice(answers);
    }

    /// Notes what the memo knows of the steps of a batch.
    pub(super) fn note_steps(&mut self, depth: usize, steps: impl Iterator<Item = KnownStep>) {
        self.all[depth].steps.extend(steps);
    }

    /// What was noted of what is possible from a node.
    pub(super) fn answers(&self, depth: usize, node: usize) -> &[u32] {
        &self.all[depth].answers[node * self.source_count..][..self.source_count]
    }

    /// What was noted of the parent of a node: the answers, and its steps and those of later
    /// nodes.
    pub(super) fn of_parent(&self, depth: usize, node: usize) -> Option<(&[u32], &[KnownStep])> {
        let level = &self.all[depth.checked_sub(1)?];
        let parent = self.all[depth].nodes[node].parent as usize;
        let answers = &level.answers[parent * self.source_count..][..self.source_count];
        Some((answers, &level.steps[level.nodes[parent].first_step..]))
    }

    /// The way to a node.
    pub(super) fn trail(&self, depth: usize, node: usize) -> Trail<'_, T> {
        Trail { levels: &self.all, depth, node }
    }

    /// The memory that they take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |level: &Level<T>| {
            level.nodes.capacity() * size_of::<Node<T>>()
                + level.digests.capacity() * 8
                + level.answers.capacity() * 4
                + level.steps.capacity() * size_of::<KnownStep>()
        };
        self.all.iter().map(bytes).sum::<usize>() as u64
    }
}

/// The way from the first level to a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail<'a, T> {
    levels: &'a [Level<T>],
    depth: usize,
    node: usize,
}

impl<T: Copy> Trail<'_, T> {
    /// How many steps it has.
    pub(super) fn depth(self) -> usize {
        self.depth
    }

    /// A number that only the node has.
    pub(super) fn id(self) -> u64 {
        self.levels[self.depth].nodes[self.node].id
    }

    /// The way without its last step, and this; none on the first level.
    pub(super) fn step(self) -> Option<(Self, T)> {
        let Node { parent, transition, .. } = self.levels[self.depth].nodes[self.node];
        let above = Trail { depth: self.depth.checked_sub(1)?, node: parent as usize, ..self };
        Some((above, transition?))
    }

    /// Appends its steps.
    pub(super) fn append_to(self, schedule: &mut Vec<T>) {
        let first = schedule.len();
        let mut at = self;
        while let Some((above, transition)) = at.step() {
            schedule.push(transition);
            at = above;
        }
        schedule[first..].reverse();
    }
}
