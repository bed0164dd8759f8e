//! The states that lead to a node, made when somebody looks at them.
//!
//! A few states are kept for each length of the schedules that lead to them, so that a state is
//! seldom made from one that is far above it.

use super::levels::Trail;
use super::memo::{Lazy, Made};
use super::visited::fold;
use super::{Parts, TransitionSystem};

/// How many states of the same depth are kept.
const WAY_COUNT: usize = 4;

/// The states along the schedules that are being followed.
pub(super) struct Path<'a, S: TransitionSystem> {
    system: &'a S,
    /// How the first level of the search is reached.
    job: Vec<S::Transition>,
    /// By place: the states that are so many steps from the initial one.
    rows: Vec<Row<S>>,
    /// At so many places from the front the first state is the one that the job leads to.
    made: usize,
    monitor: S::Monitor,
    /// The steps to a state, the last one first, each with what stands for the state before it.
    missing: Vec<(u64, S::Transition)>,
}

/// States at one place.
struct Row<S: TransitionSystem> {
    kept: Vec<Kept<S>>,
    /// Which one is given up next.
    next: usize,
}

/// A state that is kept.
struct Kept<S: TransitionSystem> {
    state: S::State,
    /// It is hashed, and nobody has looked at it.
    is_settled: bool,
    /// What stands for the state that it was made from, and how; none if it is not to be found.
    from: Option<(u64, S::Transition)>,
}

/// Where a state is kept.
#[derive(Clone, Copy)]
struct Spot {
    place: usize,
    way: usize,
}

impl<'a, S: TransitionSystem> Path<'a, S> {
    pub(super) fn new(system: &'a S) -> Self {
        let mut state = system.initial();
        system.settle(&mut state, S::Parts::ALL);
        let initial = Kept { state, is_settled: true, from: None };
        Path {
            system,
            job: Vec::new(),
            rows: vec![Row { kept: vec![initial], next: 0 }],
            made: 1,
            monitor: S::Monitor::default(),
            missing: Vec::new(),
        }
    }

    /// The nodes are now those of another job, whose state a schedule leads to.
    pub(super) fn begin(&mut self, job: Vec<S::Transition>) {
        let same = self.job.iter().zip(&job).take_while(|(old, new)| old == new).count();
        self.made = self.made.min(same + 1);
        self.job = job;
    }

    /// How the first level is reached.
    pub(super) fn job(&self) -> &[S::Transition] {
        &self.job
    }

    /// Where a trail and some more steps lead, for a memo.
    pub(super) fn end<'p>(
        &'p mut self,
        trail: Trail<'p, S::Transition>,
        ahead: &'p [S::Transition],
    ) -> PathEnd<'p, 'a, S> {
        PathEnd { path: self, trail, ahead, made: None }
    }

    /// Makes the state where a trail and some more steps lead; where it is, and what stands for
    /// it.
    fn go_to(&mut self, trail: Trail<'_, S::Transition>, ahead: &[S::Transition]) -> (Spot, u64) {
        self.missing.clear();
        let mut at = trail;
        let mut spot = loop {
            let place = self.job.len() + at.depth();
            let Some((above, transition)) = at.step() else { break self.go_along_job() };
            let from = (above.id(), transition);
            if let Some(way) = self.find(place, from) {
                break Spot { place, way };
            }
            self.missing.push(from);
            at = above;
        };
        while let Some(from) = self.missing.pop() {
            spot = self.derive(spot, from);
        }
        let mut key = trail.id();
        for transition in ahead {
            let from = (key, *transition);
            spot = match self.find(spot.place + 1, from) {
                Some(way) => Spot { place: spot.place + 1, way },
                None => self.derive(spot, from),
            };
            key = fold(key ^ SEED, self.system.number(*transition) as u64 | 1 << 63);
        }
        (spot, key)
    }

    fn find(&self, place: usize, from: (u64, S::Transition)) -> Option<usize> {
        self.rows.get(place)?.kept.iter().position(|kept| kept.from == Some(from))
    }

    /// Makes the state of the job.
    fn go_along_job(&mut self) -> Spot {
        while self.made <= self.job.len() {
            let before = Spot { place: self.made - 1, way: 0 };
            if let Some(row) = self.rows.get_mut(self.made) {
                row.next = 0;
            }
            let (spot, changed) = self.make(before, self.job[self.made - 1]);
            self.settle(before, spot, changed);
            self.made += 1;
        }
        Spot { place: self.job.len(), way: 0 }
    }

    /// Makes the state after another one, and keeps it.
    fn derive(&mut self, before: Spot, from: (u64, S::Transition)) -> Spot {
        let (spot, changed) = self.make(before, from.1);
        self.settle(before, spot, changed);
        self.rows[spot.place].kept[spot.way].from = Some(from);
        spot
    }

    fn settle(&mut self, before: Spot, after: Spot, changed: S::Parts) {
        let after = &mut self.rows[after.place].kept[after.way];
        self.system.settle(&mut after.state, changed);
        after.is_settled = true;
        let before = &mut self.rows[before.place].kept[before.way];
        self.system.settle(&mut before.state, S::Parts::NONE);
    }

    /// Makes the state after another one, where one is given up; it is not settled.
    fn make(&mut self, before: Spot, transition: S::Transition) -> (Spot, S::Parts) {
        let place = before.place + 1;
        if self.rows.len() == place {
            self.rows.push(Row { kept: Vec::new(), next: 0 });
        }
        let (above, rest) = self.rows.split_at_mut(place);
        let source = &above[before.place].kept[before.way].state;
        let row = &mut rest[0];
        // The first one of those that a job leads along stays.
        let first = usize::from(place < self.made);
        let way = if row.next < first { first } else { row.next };
        row.next = if way + 1 == WAY_COUNT { 0 } else { way + 1 };
        let differing = match row.kept.get(way) {
            Some(kept) if kept.is_settled => self.system.differing(&kept.state, source),
            Some(_) => S::Parts::ALL,
            None => {
                let way = row.kept.len();
                row.next = (way + 1) % WAY_COUNT;
                row.kept.push(Kept { state: source.clone(), is_settled: true, from: None });
                S::Parts::NONE
            }
        };
        let way = way.min(row.kept.len() - 1);
        let kept = &mut row.kept[way];
        kept.from = None;
        kept.is_settled = false;
        self.system.copy(&mut kept.state, source, differing);
        let changed = self.system.step(&mut kept.state, transition, &mut self.monitor);
        (Spot { place, way }, changed)
    }

    /// The memory that the states take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let count = self.rows.iter().map(|row| row.kept.len()).sum::<usize>();
        (count * self.system.state_bytes(&self.rows[0].kept[0].state)) as u64
    }
}

const SEED: u64 = 0xB492_B66F_BE98_F273;

/// Where a trail and some more steps lead.
pub(super) struct PathEnd<'p, 'a, S: TransitionSystem> {
    path: &'p mut Path<'a, S>,
    trail: Trail<'p, S::Transition>,
    ahead: &'p [S::Transition],
    /// The state that was made last, and what it is found by once it is kept.
    made: Option<(Spot, (u64, S::Transition))>,
}

impl<S: TransitionSystem> Lazy<S> for PathEnd<'_, '_, S> {
    fn state(&mut self) -> &S::State {
        let (spot, _) = self.path.go_to(self.trail, self.ahead);
        &self.path.rows[spot.place].kept[spot.way].state
    }

    fn step(&mut self, transition: S::Transition) -> Made<'_, S> {
        let path = &mut *self.path;
        let (before, key) = path.go_to(self.trail, self.ahead);
        let (after, changed) = path.make(before, transition);
        self.made = Some((after, (key, transition)));
        let (above, below) = path.rows.split_at_mut(after.place);
        let before = &above[before.place].kept[before.way].state;
        let after = &mut below[0].kept[after.way].state;
        Made { before, after, changed, monitor: &path.monitor }
    }

    fn keep(&mut self) {
        let Some((spot, from)) = self.made.take() else { return };
        let kept = &mut self.path.rows[spot.place].kept[spot.way];
        (kept.is_settled, kept.from) = (true, Some(from));
    }
}
