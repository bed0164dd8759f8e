//! Which of the transitions that are possible need be followed.
//!
//! A set of transitions is persistent in a state if nothing that the others can do, one after the
//! other and without a transition of the set, is tied to one of the set: then every schedule from
//! there comes to the same rest as one that begins with a transition of the set, and the others
//! need not be followed (Godefroid, "Partial-Order Methods for the Verification of Concurrent
//! Systems", 1996).
//!
//! A set is all that some sources can do next. It is grown from one source until no other is tied
//! to it that can do something before the set does. Most are not because of the slots that they can
//! ever touch ([`Touch`]). Of one source that touches the same slots it is found out what it does by
//! itself, up to where it is blocked: if nobody outside of the set can disturb it, it does just that, and is not tied to the set if
//! each of its steps and each transition of the set, in either order, come to the same state.
//!
//! Steps that are not followed in a state are followed in one after it, unless states come back.
//! So a source is not chosen alone where every way back leads through its next transition
//! ([`Future::cyclic`]).

use super::levels::Trail;
use super::memo::{Change, Memo, SlotSet, SourceAnswer};
use super::path::Path;
use super::visited::scramble;
use super::{Future, Touch, TransitionSystem};

/// The most steps that are looked ahead.
const STEP_COUNT_MAX: usize = 100;

/// Slots that are looked at, and slots that are changed.
#[derive(Clone, Copy, Default, Debug)]
struct Footprint {
    looked_at: SlotSet,
    changed: SlotSet,
}

impl Footprint {
    fn add(&mut self, other: Self) {
        self.looked_at |= other.looked_at;
        self.changed |= other.changed;
    }

    fn is_tied_to(self, other: Self) -> bool {
        self.changed & (other.looked_at | other.changed) != 0 || self.looked_at & other.changed != 0
    }

    fn of_change(change: Change) -> Self {
        Footprint { looked_at: change.looked_at, changed: change.slots }
    }
}

/// A state from which steps can be tried.
#[derive(Default)]
struct Trial {
    digests: Vec<u64>,
    sum: u64,
}

impl Trial {
    fn copy(&mut self, other: &Self) {
        self.digests.clone_from(&other.digests);
        self.sum = other.sum;
    }
}

/// What can be done in the state that a set is wanted for.
#[derive(Clone, Copy)]
pub(super) struct Here<'a, T> {
    /// How it is reached.
    pub(super) trail: Trail<'a, T>,
    pub(super) digests: &'a [u64],
    pub(super) sum: u64,
    /// The memo's answer for each source.
    pub(super) answers: &'a [u32],
    /// Every possible transition, in the order of the sources.
    pub(super) transitions: &'a [T],
    /// What each of them does.
    pub(super) changes: &'a [Change],
}

/// Memory for the search of sets, to be used again.
pub(super) struct Chooser<S: TransitionSystem> {
    sources: Vec<Known>,
    /// Those that heed what others can do, a bit for each.
    heeding: u64,
    /// Those that hold the others; none if nobody has to be held.
    holding: u64,
    /// Those that must not be chosen alone.
    cyclic: u64,
    /// The source's own state, that after its step, and those after a transition of the set.
    alone: Trial,
    stepped: Trial,
    other: Trial,
    violations: Vec<S::Violation>,
    /// The steps that are tried.
    ahead: Vec<S::Transition>,
}

/// What is known of a source.
#[derive(Clone, Copy)]
struct Known {
    answer: SourceAnswer,
    /// What it can still do.
    future: Future,
    /// Its transitions among all: from here on, so many.
    first: usize,
    count: usize,
}

impl<S: TransitionSystem> Chooser<S> {
    pub(super) fn new() -> Self {
        Chooser {
            sources: Vec::new(),
            heeding: 0,
            holding: 0,
            cyclic: 0,
            alone: Trial::default(),
            stepped: Trial::default(),
            other: Trial::default(),
            violations: Vec::new(),
            ahead: Vec::new(),
        }
    }

    /// Marks in `chosen` the transitions of a persistent set with as few of them as were found.
    pub(super) fn choose(
        &mut self,
        system: &S,
        memo: &mut Memo<S::Transition>,
        path: &mut Path<'_, S>,
        here: Here<'_, S::Transition>,
        chosen: &mut Vec<bool>,
    ) {
        chosen.clear();
        chosen.resize(here.transitions.len(), true);
        self.sources.clear();
        let mut first = 0;
        for number in here.answers {
            let (answer, transitions) = memo.answer(*number as usize);
            let future = memo.future(*number as usize);
            self.sources.push(Known { answer, future, first, count: transitions.len() });
            first += transitions.len();
        }
        if self.sources.len() > 64 {
            return;
        }
        self.holding = self.set_of(|known| known.future.holds);
        #[cfg(debug_assertions)]
        self.hold_against_bounds(system, here);
        let enabled = self.set_of(|known| known.count > 0);
        let is_over = system.has_rundown() && self.holding == 0;
        if enabled.count_ones() < 2 || is_over || self.are_all_tied(enabled, here) {
            return;
        }
        let is_cyclic = |known: &Known| known.future.cyclic && system.is_checked();
        self.cyclic = self.set_of(is_cyclic);
        self.heeding = (0..self.sources.len())
            .filter(|source| system.heeds_others(*source))
            .fold(0, |set, source| set | 1 << source);
        let mut search = Search { chooser: self, system, memo, path, here, enabled };
        let mut best = (here.transitions.len(), 0, enabled);
        // Those that nobody is tied to are found without looking ahead.
        for look_ahead in [false, true] {
            if best.0 == 1 {
                break;
            }
            for source in bits(enabled & !search.chooser.cyclic) {
                let more = usize::from(system.has_likeness());
                if best.0 + more == 1 {
                    break;
                }
                let set = search.grow(source, best.0 + more, look_ahead);
                let count = search.count(set);
                // In like states like sets are chosen, whatever the names: of several, that whose
                // steps lead to the lower sums.
                if count < best.0 {
                    best = (count, search.rank(set), set);
                } else if count == best.0 && set != enabled && more == 1 {
                    best = best.min((count, search.rank(set), set));
                }
            }
        }
        for source in bits(enabled & !best.2) {
            let Known { first, count, .. } = self.sources[source];
            chosen[first..first + count].fill(false);
        }
    }

    /// Whether each of the sources that can do something changes some slot that each of them
    /// touches: then there is nothing to choose. Of two, one may still go its own way.
    fn are_all_tied(&self, enabled: u64, here: Here<'_, S::Transition>) -> bool {
        if enabled.count_ones() < 3 {
            return false;
        }
        let common = bits(enabled).fold(SlotSet::MAX, |common, source| {
            let Known { future, first, count, .. } = self.sources[source];
            let changes = here.changes[first..first + count].iter();
            let changed = changes.fold(0, |slots, change| slots | change.slots);
            common & changed & (future.touch.looked_at | future.touch.changed)
        });
        common != 0
    }

    /// No transition touches more than what its source says that it can.
    #[cfg(debug_assertions)]
    fn hold_against_bounds(&self, system: &S, here: Here<'_, S::Transition>) {
        let waits = self.set_of(|known| known.future.waits);
        for (source, Known { future, first, count, .. }) in self.sources.iter().enumerate() {
            if system.has_rundown() && self.holding & !(1 << source) == 0 {
                continue;
            }
            let touch = future.touch;
            let woken = bits(touch.woken & waits);
            let woken = woken.fold(0, |slots, other| slots | system.woken(other));
            let changed = touch.changed | woken;
            for at in *first..first + count {
                let (transition, change) = (here.transitions[at], here.changes[at]);
                let unexpected = system.slot_names(change.slots & !changed);
                assert!(unexpected.is_empty(), "{transition:?} changes {unexpected:?}");
                let bound = touch.looked_at | changed;
                let unexpected = system.slot_names(change.looked_at_by_step & !bound);
                assert!(unexpected.is_empty(), "{transition:?} looks at {unexpected:?}");
            }
        }
    }

    fn set_of(&self, is_in: impl Fn(&Known) -> bool) -> u64 {
        let members = self.sources.iter().enumerate().filter(|(_, known)| is_in(known));
        members.fold(0, |set, (source, _)| set | 1 << source)
    }
}

fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let first = (set != 0).then(|| set.trailing_zeros() as usize);
        set &= set.wrapping_sub(1);
        first
    })
}

/// The search for a set in one state.
struct Search<'x, 'p, S: TransitionSystem> {
    chooser: &'x mut Chooser<S>,
    system: &'x S,
    memo: &'x mut Memo<S::Transition>,
    path: &'x mut Path<'p, S>,
    here: Here<'x, S::Transition>,
    /// The sources that have transitions, a bit for each.
    enabled: u64,
}

impl<S: TransitionSystem> Search<'_, '_, S> {
    fn known(&self, source: usize) -> Known {
        self.chooser.sources[source]
    }

    fn count(&self, set: u64) -> usize {
        bits(set).map(|source| self.known(source).count).sum()
    }

    /// A number that hangs on nothing but the states that the steps of a set lead to.
    fn rank(&self, set: u64) -> u64 {
        let sums = bits(set).flat_map(|source| {
            let Known { first, count, .. } = self.known(source);
            &self.here.changes[first..first + count]
        });
        sums.fold(0, |rank, change| rank ^ scramble(self.here.sum.wrapping_add(change.sum)))
    }

    /// Grows a set from one source; gives up, with all sources, at `count_max` transitions.
    fn grow(&mut self, source: usize, count_max: usize, look_ahead: bool) -> u64 {
        let mut set = 1 << source;
        while self.count(set) < count_max && set & self.chooser.cyclic == 0 {
            let Some(outside) = self.outside(set) else { break };
            let mut own = self.footprint(set);
            let tied = self.tied_to(set, outside, own);
            if tied == 0 {
                return set;
            }
            if !look_ahead {
                break;
            }
            // Who heeds the others can do other things once these have gone on.
            if tied.is_power_of_two() && (tied | set) & self.chooser.heeding == 0 {
                let other = tied.trailing_zeros() as usize;
                if self.goes_its_own_way(other, set, outside, &mut own) {
                    return set;
                }
            }
            let added = self.added(tied, set, outside);
            if added == 0 {
                break;
            }
            set |= added;
        }
        self.enabled
    }

    /// What has to come into a set because of sources that are tied to it: those that can do
    /// something, and who could let the others do something.
    fn added(&self, tied: u64, set: u64, outside: u64) -> u64 {
        let mut all = tied;
        let mut left = tied & !self.enabled;
        while left != 0 {
            let source = left.trailing_zeros() as usize;
            left &= left - 1;
            let looked_at = self.known(source).answer.looked_at;
            let heeds = self.chooser.heeding & 1 << source != 0;
            let enablers = bits(outside & !all)
                .filter(|other| heeds || self.future(*other, set).changed & looked_at != 0)
                .fold(0_u64, |all, other| all | 1 << other);
            all |= enablers;
            left |= enablers & !self.enabled;
        }
        all & self.enabled
    }

    /// The sources that can do something, now or later, before the set does: those that can now,
    /// and those whose transitions depend on what such sources can change.
    ///
    /// None if nobody of them is held, and what they can do is not known.
    fn outside(&self, set: u64) -> Option<u64> {
        let seen = bits(set).fold(0, |seen, source| seen | self.known(source).answer.seen);
        let all = (0..self.chooser.sources.len()).fold(0, |all, source| all | 1 << source);
        let unbarred = bits(all & !set)
            .filter(|source| !self.system.is_barred(*source, seen))
            .fold(0_u64, |outside, source| outside | 1 << source);
        let mut outside = unbarred & (self.enabled | self.chooser.heeding);
        let mut changed = self.changed_by(outside, set);
        loop {
            let added = bits(unbarred & !outside)
                .filter(|source| self.known(*source).answer.looked_at & changed != 0)
                .fold(0_u64, |added, source| added | 1 << source);
            if added == 0 {
                break;
            }
            outside |= added;
            changed |= self.changed_by(added, set);
        }
        let is_held = !self.system.has_rundown() || self.chooser.holding & !outside != 0;
        is_held.then_some(outside)
    }

    /// What some sources can change as long as a set does nothing.
    fn changed_by(&self, sources: u64, set: u64) -> SlotSet {
        bits(sources).fold(0, |slots, source| slots | self.future(source, set).changed)
    }

    /// What the transitions of a set, and whether they are possible, depend on and change.
    fn footprint(&self, set: u64) -> Footprint {
        let mut all = Footprint::default();
        for source in bits(set) {
            let Known { answer, first, count, .. } = self.known(source);
            all.looked_at |= answer.looked_at;
            for change in &self.here.changes[first..first + count] {
                all.add(Footprint::of_change(*change));
            }
        }
        all
    }

    /// What a touch comes to as long as a set does nothing: of its sources, those that do not
    /// wait are not woken.
    fn resolved(&self, touch: Touch, set: u64) -> Footprint {
        let calm = bits(set)
            .filter(|source| !self.known(*source).future.waits)
            .fold(0, |calm, source| calm | 1 << source);
        let woken = bits(touch.woken & !calm);
        let woken = woken.fold(0, |slots, source| slots | self.system.woken(source));
        Footprint { looked_at: touch.looked_at | woken, changed: touch.changed | woken }
    }

    fn future(&self, source: usize, set: u64) -> Footprint {
        self.resolved(self.known(source).future.touch, set)
    }

    /// The sources outside of a set that can touch what the set depends on, or the reverse.
    fn tied_to(&self, set: u64, outside: u64, own: Footprint) -> u64 {
        bits(outside)
            .filter(|source| self.future(*source, set).is_tied_to(own))
            .fold(0, |tied, source| tied | 1 << source)
    }

    /// Whether what a source does by itself comes to the same before and after each transition
    /// of a set, and nobody else outside of the set can disturb that.
    ///
    /// `own` is what the set depends on and changes, and becomes that on the way.
    fn goes_its_own_way(
        &mut self,
        source: usize,
        set: u64,
        outside: u64,
        own: &mut Footprint,
    ) -> bool {
        let others = outside & !(1 << source);
        let disturbed =
            bits(others).fold(0, |slots, other| slots | self.future(other, set).changed);
        self.chooser.alone.digests.clear();
        self.chooser.alone.digests.extend_from_slice(self.here.digests);
        self.chooser.alone.sum = self.here.sum;
        let mut number = self.here.answers[source] as usize;
        let is_apart = 'alone: {
            for _ in 0..STEP_COUNT_MAX {
                let (answer, transitions) = self.memo.answer(number);
                if answer.looked_at & disturbed != 0 {
                    break 'alone false;
                }
                let transition = match transitions {
                    [] => break 'alone true,
                    [one] => *one,
                    _ => break 'alone false,
                };
                let future = self.memo.future(number);
                if !self.resolved(future.touch, set).is_tied_to(*own) {
                    break 'alone true;
                }
                let seen = answer.seen_before;
                let is_detached =
                    future.next.is_some_and(|touch| !self.resolved(touch, set).is_tied_to(*own));
                if !is_detached && !self.commutes(source, transition, seen, set, disturbed, own) {
                    break 'alone false;
                }
                if is_detached {
                    self.chooser.stepped.copy(&self.chooser.alone);
                    if self.step(transition, Which::Stepped).is_none() {
                        break 'alone false;
                    }
                }
                std::mem::swap(&mut self.chooser.alone, &mut self.chooser.stepped);
                self.chooser.ahead.push(transition);
                number = self.ask(source, seen, Which::Alone);
            }
            false
        };
        self.chooser.ahead.clear();
        // On the way the set may have come to depend on more.
        is_apart && self.tied_to(set, outside, *own) & !(1 << source) == 0
    }

    /// Whether a step of a source that is alone comes to the same before and after each
    /// transition of the set. Leaves the state after the step in `stepped`.
    fn commutes(
        &mut self,
        source: usize,
        transition: S::Transition,
        seen: u8,
        set: u64,
        disturbed: SlotSet,
        own: &mut Footprint,
    ) -> bool {
        self.chooser.stepped.copy(&self.chooser.alone);
        let Some(change) = self.step(transition, Which::Stepped) else { return false };
        if (change.looked_at | change.slots) & disturbed != 0 {
            return false;
        }
        for member in bits(set) {
            let Known { answer, first, count, .. } = self.known(member);
            for at in first..first + count {
                let other = self.here.transitions[at];
                // First the set's, then the source's.
                self.chooser.other.copy(&self.chooser.alone);
                let Some(set_change) = self.step(other, Which::Other) else { return false };
                own.add(Footprint::of_change(set_change));
                self.chooser.ahead.push(other);
                let number = self.ask(source, seen, Which::Other);
                let is_possible = self.memo.answer(number).1 == [transition];
                let then = if is_possible { self.step(transition, Which::Other) } else { None };
                self.chooser.ahead.pop();
                let Some(_) = then else { return false };
                let first_set = std::mem::take(&mut self.chooser.other);
                // First the source's, then the set's.
                self.chooser.other.copy(&self.chooser.stepped);
                self.chooser.ahead.push(transition);
                let still = answer.looked_at & change.slots == 0 || {
                    let number = self.ask(member, answer.seen_before, Which::Other);
                    let possible = self.memo.answer(number).1;
                    possible == &self.here.transitions[first..first + count]
                };
                let then = if still { self.step(other, Which::Other) } else { None };
                self.chooser.ahead.pop();
                let Some(set_change) = then else { return false };
                own.add(Footprint::of_change(set_change));
                let is_same = first_set.sum == self.chooser.other.sum;
                self.chooser.other = first_set;
                if !is_same {
                    return false;
                }
            }
        }
        true
    }

    /// Makes a step from one of the states that are tried; none if it breaks something.
    fn step(&mut self, transition: S::Transition, which: Which) -> Option<Change> {
        let chooser = &mut *self.chooser;
        let trial = which.of(&mut chooser.alone, &mut chooser.stepped, &mut chooser.other);
        let change = self.memo.step(
            self.system,
            &mut self.path.end(self.here.trail, &chooser.ahead),
            transition,
            &mut trial.digests,
            &mut chooser.violations,
        );
        trial.sum = trial.sum.wrapping_add(change.sum);
        let breaks = !chooser.violations.is_empty();
        chooser.violations.clear();
        (!breaks).then_some(change)
    }

    /// Asks for the transitions of a source in one of the states that are tried.
    fn ask(&mut self, source: usize, seen: u8, which: Which) -> usize {
        let chooser = &mut *self.chooser;
        let trial = which.of(&mut chooser.alone, &mut chooser.stepped, &mut chooser.other);
        let mut state = self.path.end(self.here.trail, &chooser.ahead);
        self.memo.source(self.system, &mut state, source, seen, &trial.digests)
    }
}

/// One of the states that are tried.
#[derive(Clone, Copy)]
enum Which {
    Alone,
    Stepped,
    Other,
}

impl Which {
    fn of<'t>(
        self,
        alone: &'t mut Trial,
        stepped: &'t mut Trial,
        other: &'t mut Trial,
    ) -> &'t mut Trial {
        match self {
            Which::Alone => alone,
            Which::Stepped => stepped,
            Which::Other => other,
        }
    }
}
