//! A second way to count executions: every one is written down, and those that can be turned into
//! each other by exchanging independent neighbours are joined.

use super::Orders;
use crate::engine::Parts;
use petgraph::unionfind::UnionFind;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The transitions of an execution, by their numbers.
type Word = Vec<usize>;

/// Every execution of a system.
pub(crate) struct Enumeration<'a, S: Orders> {
    system: &'a S,
    /// Whether a transition is settling in the state of a fingerprint.
    settling: HashMap<(u64, usize), bool>,
    /// The settling steps from the state of a fingerprint on.
    ways: HashMap<u64, Word>,
    words: BTreeMap<Word, usize>,
}

/// For each place who came there, one after the other.
type Log = BTreeMap<u32, Vec<u32>>;

impl<'a, S: Orders> Enumeration<'a, S> {
    /// Of a system; none if there are more executions.
    pub(crate) fn new(system: &'a S, count_max: usize) -> Option<Self> {
        let (settling, ways, words) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        let mut every = Enumeration { system, settling, ways, words };
        every.enumerate(&system.initial(), &mut Word::new(), count_max).then_some(every)
    }

    /// The fingerprints of the states at rest.
    pub(crate) fn rests(&self) -> BTreeSet<u64> {
        let initial = self.system.initial();
        let ends = self.words.keys().filter_map(|word| self.after(&initial, word));
        ends.map(|state| self.fingerprint(&state)).collect()
    }

    /// How many classes of executions there are.
    pub(crate) fn class_count(&mut self) -> usize {
        let initial = self.system.initial();
        let words: Vec<Word> = self.words.keys().cloned().collect();
        let mut classes = UnionFind::<usize>::new(words.len());
        for word in &words {
            for at in 1..word.len() {
                if let Some(same) = self.exchanged(&initial, word, at - 1) {
                    classes.union(self.words[word], self.words[&same]);
                }
            }
        }
        classes.into_labeling().into_iter().collect::<BTreeSet<_>>().len()
    }

    fn enumerate(&mut self, state: &S::State, word: &mut Word, count_max: usize) -> bool {
        let possible = self.possible(state);
        if possible.is_empty() {
            let number = self.words.len();
            self.words.insert(word.clone(), number);
        }
        self.words.len() <= count_max
            && possible.into_iter().all(|transition| {
                word.push(transition);
                let after = self.after(state, &[transition]).expect("it is possible");
                let is_all = self.enumerate(&after, word, count_max);
                word.pop();
                is_all
            })
    }

    fn fingerprint(&self, state: &S::State) -> u64 {
        self.system.fingerprint(&mut state.clone(), S::Parts::ALL)
    }

    fn transitions(&self, state: &S::State) -> Vec<S::Transition> {
        let mut possible = Vec::new();
        self.system.enabled(state, &mut possible);
        possible
    }

    fn possible(&self, state: &S::State) -> Word {
        let transitions = self.transitions(state);
        transitions.into_iter().map(|transition| self.system.number(transition)).collect()
    }

    /// Makes a step; none if it is not possible. Tells whether it violates something.
    fn step(&self, state: &mut S::State, number: usize, log: &mut Log) -> Option<bool> {
        let transitions = self.transitions(state);
        let transition =
            transitions.into_iter().find(|transition| self.system.number(*transition) == number)?;
        let (before, mut monitor) = (state.clone(), S::Monitor::default());
        self.system.step(state, transition, &mut monitor);
        let (mut orders, mut violations) = (Vec::new(), Vec::new());
        self.system.orders(&monitor, &mut orders);
        orders.into_iter().for_each(|(place, who)| log.entry(place).or_default().push(who));
        self.system.check(&before, transition, state, &monitor, &mut violations);
        Some(!violations.is_empty())
    }

    fn after(&self, state: &S::State, word: &[usize]) -> Option<S::State> {
        word.iter().try_fold(state.clone(), |mut state, number| {
            self.step(&mut state, *number, &mut Log::new()).map(|_| state)
        })
    }

    fn is_settling(&mut self, state: &S::State, number: usize) -> bool {
        let key = (self.fingerprint(state), number);
        if let Some(known) = self.settling.get(&key) {
            return *known;
        }
        let possible = self.possible(state);
        let violates = self.step(&mut state.clone(), number, &mut Log::new()) != Some(false);
        let is_settling = !violates
            && possible.into_iter().filter(|other| *other != number).all(|other| {
                let then = self.after(state, &[other]).expect("it is possible");
                self.is_settling(&then, number) && self.is_independent(state, number, other)
            });
        self.settling.insert(key, is_settling);
        is_settling
    }

    fn is_independent(&mut self, state: &S::State, one: usize, other: usize) -> bool {
        let here = self.comes_to(state, [one, other]);
        here.is_some() && here == self.comes_to(state, [other, one])
    }

    /// The state that two steps come to once all is settled, and who came where; none if they are
    /// not possible or violate something.
    fn comes_to(&mut self, state: &S::State, pair: [usize; 2]) -> Option<(u64, Log)> {
        let (mut state, mut log) = (state.clone(), Log::new());
        for number in pair {
            if self.step(&mut state, number, &mut log)? {
                return None;
            }
        }
        for number in self.way(&state) {
            self.step(&mut state, number, &mut log)?;
        }
        Some((self.fingerprint(&state), log))
    }

    /// The settling steps from a state on.
    fn way(&mut self, state: &S::State) -> Word {
        let fingerprint = self.fingerprint(state);
        if let Some(way) = self.ways.get(&fingerprint) {
            return way.clone();
        }
        let possible = self.possible(state);
        let first = possible.into_iter().find(|number| self.is_settling(state, *number));
        let way = first.map_or_else(Vec::new, |first| {
            let next = self.after(state, &[first]).expect("it is possible");
            let mut way = vec![first];
            way.extend(self.way(&next));
            way
        });
        self.ways.insert(fingerprint, way.clone());
        way
    }

    /// An execution with two independent neighbours exchanged.
    fn exchanged(&mut self, initial: &S::State, word: &[usize], at: usize) -> Option<Word> {
        let (stem, rest) = word.split_at(at);
        let (pair, rest) = rest.split_at(2);
        let state = self.after(initial, stem)?;
        if pair[0] == pair[1] || !self.is_independent(&state, pair[0], pair[1]) {
            return None;
        }
        let exchanged = [pair[1], pair[0]];
        let [here, there] = [pair, &exchanged].map(|pair| self.after(&state, pair));
        let (here, there) = (here?, there?);
        let (way, other_way) = if here == there {
            (Word::new(), Word::new())
        } else {
            (self.way(&here), self.way(&there))
        };
        let rest = rest.strip_prefix(&way[..])?;
        Some([stem, &exchanged, &other_way, rest].concat())
    }
}
