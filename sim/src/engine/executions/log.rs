//! Orders that are kept: who came after whom at something that orders those who come.

use crate::engine::visited::fold;
use std::collections::HashMap;

/// What some steps have added to the orders: for each place who came there, one after the other,
/// as a number for the list and one for its length. Sorted by place.
type Log = Vec<(u32, u64, u64)>;

/// The number of a log. Equal logs have equal numbers.
pub(super) type LogId = u32;

/// Nobody came anywhere.
pub(super) const EMPTY: LogId = 0;

const FACTOR: u64 = 0x9FB2_1C65_1E98_DF25;

/// Every log that there is.
#[derive(Debug)]
pub(super) struct Logs {
    known: Vec<Log>,
    numbers: HashMap<Log, LogId>,
    joined: HashMap<(LogId, LogId), LogId>,
}

impl Default for Logs {
    fn default() -> Self {
        Logs {
            known: vec![Log::new()],
            numbers: HashMap::from([(Log::new(), EMPTY)]),
            joined: HashMap::new(),
        }
    }
}

impl Logs {
    /// The log of one step: who came, and where.
    pub(super) fn of(&mut self, orders: &[(u32, u32)]) -> LogId {
        orders.iter().fold(EMPTY, |log, (place, who)| {
            let one = self.number(vec![(*place, fold(u64::from(*who) + 1, FACTOR), FACTOR)]);
            self.join(log, one)
        })
    }

    /// One log and then another one.
    pub(super) fn join(&mut self, first: LogId, then: LogId) -> LogId {
        if first == EMPTY || then == EMPTY {
            return first | then;
        }
        if let Some(joined) = self.joined.get(&(first, then)) {
            return *joined;
        }
        let mut log = self.known[first as usize].clone();
        for (place, list, length) in &self.known[then as usize] {
            match log.binary_search_by_key(place, |entry| entry.0) {
                Ok(at) => {
                    let (_, before, before_length) = log[at];
                    let list = before.wrapping_mul(*length).wrapping_add(*list);
                    log[at] = (*place, list, before_length.wrapping_mul(*length));
                }
                Err(at) => log.insert(at, (*place, *list, *length)),
            }
        }
        let joined = self.number(log);
        self.joined.insert((first, then), joined);
        joined
    }

    fn number(&mut self, log: Log) -> LogId {
        if let Some(number) = self.numbers.get(&log) {
            return *number;
        }
        let number = self.known.len() as LogId;
        self.known.push(log.clone());
        self.numbers.insert(log, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::{EMPTY, Logs};

    #[test]
    fn orders_at_different_places_are_apart() {
        let mut logs = Logs::default();
        let [a, b, c] = [(1, 7), (1, 8), (2, 7)].map(|one| logs.of(&[one]));
        assert_eq!(logs.join(a, c), logs.join(c, a));
        assert_ne!(logs.join(a, b), logs.join(b, a));
        assert_eq!(logs.join(a, EMPTY), a);
        let [ab, ca] = [logs.join(a, b), logs.join(c, a)];
        let one = logs.join(ab, ca);
        assert_eq!(one, logs.of(&[(1, 7), (1, 8), (2, 7), (1, 7)]));
        assert_eq!(one, logs.of(&[(2, 7), (1, 7), (1, 8), (1, 7)]));
        assert_ne!(one, logs.of(&[(1, 7), (1, 7), (1, 8), (2, 7)]));
    }
}
