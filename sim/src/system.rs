//! The machine as a transition system that the engine can search.

use crate::engine::memo::SlotSet;
use crate::engine::{self, Future, Touch, TransitionSystem};
use alertable_models::event::{Event, Observer};
use alertable_models::future::{self, Futures};
use alertable_models::invariant::{self, Violation};
use alertable_models::machine::{Machine, Model, Seen, Source, Time, Transition};
use alertable_models::parts::Parts;
use alertable_models::rule::{self, RuleId};
use alertable_models::symmetry::Symmetry;
use std::sync::atomic::{AtomicBool, Ordering};

/// A model, with or without its invariants.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// The model.
    pub model: &'a Model,
    /// Whether each step is checked.
    pub checked: bool,
    /// Where the rules that take effect are noted.
    pub hits: Option<&'a RuleHits>,
    /// What may still be done by whom: with it, a search leaves out schedules that come to the
    /// same as others.
    pub futures: Option<&'a Futures>,
    /// Which states come to the same: with it, a search goes on from one of them alone.
    pub symmetry: Option<&'a Symmetry>,
}

/// The rules that took effect, noted by any number of threads.
#[derive(Debug)]
pub struct RuleHits {
    counts: Vec<AtomicBool>,
}

impl Default for RuleHits {
    fn default() -> Self {
        RuleHits { counts: (0..rule::COUNT).map(|_| AtomicBool::new(false)).collect() }
    }
}

impl RuleHits {
    /// Whether a rule took effect.
    pub fn contains(&self, rule: RuleId) -> bool {
        self.counts[rule.index()].load(Ordering::Relaxed)
    }

    /// How many rules took effect.
    pub fn count(&self) -> usize {
        self.counts.iter().filter(|hit| hit.load(Ordering::Relaxed)).count()
    }

    /// The rules that took effect, by their places in the registry.
    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        let hits = self.counts.iter().enumerate();
        hits.filter(|(_, hit)| hit.load(Ordering::Relaxed)).map(|(rule, _)| rule)
    }

    fn note(&self, rule: RuleId) {
        self.counts[rule.index()].store(true, Ordering::Relaxed);
    }
}

/// Notes rules and passes events on.
struct RuleNoter<'a> {
    hits: &'a RuleHits,
    monitor: &'a mut StepEvents,
}

impl Observer for RuleNoter<'_> {
    fn event(&mut self, event: Event) {
        self.monitor.event(event);
    }

    fn rule(&mut self, rule: RuleId) {
        self.hits.note(rule);
    }
}

/// The events of a step.
#[derive(Debug, Default)]
pub struct StepEvents {
    /// In the order in which they happened.
    pub events: Vec<Event>,
}

impl Observer for StepEvents {
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

impl engine::Parts for Parts {
    const NONE: Self = Parts::NONE;
    const ALL: Self = Parts::ALL;

    fn union(self, other: Self) -> Self {
        self | other
    }
}

/// Threads are sources from the second on.
fn by_source(touch: future::Touch) -> Touch {
    let future::Touch { looked_at, changed, woken } = touch;
    Touch { looked_at, changed, woken: woken << 1 }
}

impl TransitionSystem for System<'_> {
    type State = Machine;
    type Parts = Parts;
    type Transition = Transition;
    type Monitor = StepEvents;
    type Violation = Violation;

    fn initial(&self) -> Machine {
        self.model.initial()
    }

    fn enabled(&self, state: &Machine, out: &mut Vec<Transition>) {
        self.model.enabled(state, out);
    }

    fn step(&self, state: &mut Machine, transition: Transition, monitor: &mut StepEvents) -> Parts {
        monitor.events.clear();
        match self.hits {
            Some(hits) => self.model.step(state, transition, &mut RuleNoter { hits, monitor }),
            None if self.checked => self.model.step(state, transition, monitor),
            None => self.model.step(state, transition, &mut ()),
        }
        state.take_touched()
    }

    fn copy(&self, state: &mut Machine, source: &Machine, parts: Parts) {
        state.copy_parts(source, parts);
    }

    fn fingerprint(&self, state: &mut Machine, changed: Parts) -> u64 {
        state.fingerprint(changed)
    }

    fn slot_count(&self) -> usize {
        self.model.slots().count()
    }

    fn update_digests(
        &self,
        before: Option<&Machine>,
        state: &mut Machine,
        changed: Parts,
        digests: &mut [u64],
    ) -> (SlotSet, u64) {
        let slots = self.model.slots();
        let (written, seen) = state.update_digests(changed, slots, digests);
        if let Some(before) = before {
            before.add_derived(slots, digests, false);
        }
        state.add_derived(slots, digests, true);
        (written, seen)
    }

    fn likeness(&self, before: &Machine, after: &Machine) -> (u64, SlotSet) {
        self.symmetry.map_or((0, 0), |symmetry| symmetry.growth(self.model, before, after))
    }

    #[cfg(debug_assertions)]
    fn slot_names(&self, slots: SlotSet) -> Vec<String> {
        self.model.slots().names(slots)
    }

    fn has_likeness(&self) -> bool {
        self.symmetry.is_some()
    }

    fn take_looked_at(&self, state: &Machine) -> SlotSet {
        state.take_looked_at(self.model.slots())
    }

    fn number(&self, transition: Transition) -> usize {
        let (kind, id) = match transition {
            Transition::Run(thread) => (0, thread.index()),
            Transition::Interrupt(thread) => (1, thread.index()),
            Transition::TimeOut(thread) => (2, thread.index()),
            Transition::Retire(thread) => (3, thread.index()),
            Transition::Expire(timer) => (4, timer.index()),
            Transition::Complete(irp) => (5, irp.index()),
            Transition::PassTime => (6, 0),
        };
        id * 7 + kind
    }

    fn source_count(&self) -> usize {
        self.model.source_count()
    }

    fn enabled_from(
        &self,
        state: &Machine,
        source: usize,
        seen: u8,
        out: &mut Vec<Transition>,
    ) -> u8 {
        self.model.enabled_from(state, source, Seen::from_bits(seen), out).bits()
    }

    fn heeded(&self, source: usize) -> u8 {
        self.model.heeded(source).bits()
    }

    fn differing(&self, one: &Machine, other: &Machine) -> Parts {
        one.differing_parts(other)
    }

    fn settle(&self, state: &mut Machine, changed: Parts) {
        state.settle_parts(changed);
    }

    fn heeds_others(&self, source: usize) -> bool {
        self.model.source(source) == Source::Time
    }

    fn has_futures(&self) -> bool {
        self.futures.is_some()
    }

    fn future(&self, state: &Machine, source: usize) -> Future {
        let Some(futures) = self.futures else { return Future::default() };
        let touch = by_source(futures.of(self.model, state, self.model.source(source)));
        let Source::Thread(thread) = self.model.source(source) else {
            return Future { touch, ..Future::default() };
        };
        Future {
            touch,
            next: futures.next_call(self.model, state, thread).map(by_source),
            waits: futures.waits(state, thread),
            holds: futures.holds(state, thread),
            cyclic: futures.is_cyclic(state, thread),
        }
    }

    fn has_rundown(&self) -> bool {
        self.futures.is_some_and(Futures::has_rundown)
    }

    fn woken(&self, source: usize) -> SlotSet {
        self.futures.map_or(SlotSet::MAX, |futures| futures.woken(source - 1))
    }

    fn is_barred(&self, source: usize, seen: u8) -> bool {
        let seen = Seen::from_bits(seen);
        let is_urgent = self.model.settings.time == Time::Urgent;
        self.model.source(source) == Source::Time
            && (seen.due || (is_urgent && seen.thread_can_step))
    }

    fn state_bytes(&self, state: &Machine) -> usize {
        state.bytes()
    }

    fn is_checked(&self) -> bool {
        self.checked
    }

    fn check(
        &self,
        before: &Machine,
        transition: Transition,
        after: &Machine,
        monitor: &StepEvents,
        out: &mut Vec<Violation>,
    ) {
        if self.checked {
            let step = invariant::Step::new(self.model, before, transition, &monitor.events, after);
            invariant::check(&step, out);
        }
    }

    fn can_be_preempted(&self, actor: usize) -> bool {
        actor < self.model.program.thread_ids().count()
    }

    fn actor(&self, transition: Transition) -> usize {
        let thread_count = self.model.program.thread_ids().count();
        match transition {
            Transition::Run(thread)
            | Transition::Interrupt(thread)
            | Transition::Retire(thread)
            | Transition::TimeOut(thread) => thread.index(),
            Transition::PassTime => thread_count,
            Transition::Expire(timer) => thread_count + 1 + timer.index(),
            Transition::Complete(irp) => {
                thread_count + 1 + self.model.program.object_count() + irp.index()
            }
        }
    }

    fn thread(&self, transition: Transition) -> Option<usize> {
        match transition {
            Transition::Run(thread)
            | Transition::Interrupt(thread)
            | Transition::Retire(thread)
            | Transition::TimeOut(thread) => Some(thread.index()),
            Transition::PassTime | Transition::Expire(_) | Transition::Complete(_) => None,
        }
    }
}
