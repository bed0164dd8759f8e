//! Changes of api traces.

mod changes;
mod plain;
mod trace;

use crate::random::Random;
use crate::table::Table;
use changes::*;
use std::collections::{BTreeMap, BTreeSet};
use trace::{Events, Judgement, accepted};

/// How many changes are made, and with what seed they are chosen.
const CHANGE_COUNT: usize = 1_000;
const SEED: u64 = 20_261_127;

/// The most changes of one kind.
const KIND_COUNT_MAX: usize = 80;

/// Changes a trace in one place, if there is one for the change.
type Maker = fn(&Events, &mut Random) -> Option<Events>;

/// The kinds of changes.
const KINDS: &[(&str, Maker)] = &[
    ("two packets are swapped", swap_packets),
    ("a packet is lost", lose_packet),
    ("a packet is taken twice", double_packet),
    ("a packet has other bytes", other_packet_bytes),
    ("a routine is not run", drop_routine),
    ("two routines are swapped", swap_routines),
    ("a routine runs again", double_routine),
    ("a routine runs outside of its wait", routine_before_wait),
    ("a routine has another argument", other_argument),
    ("a plain wait returns WAIT_IO_COMPLETION", plain_wait_runs_apcs),
    ("a wait in which routines ran succeeds", apcs_end_no_wait),
    ("a wait ends with another index", other_index),
    ("a wait without a time-out times out", infinite_wait_times_out),
    ("a wait that timed out succeeds", timeout_succeeds),
    ("a wait times out before its time", early_timeout),
    ("a wait ends before anybody signals", wait_before_signal),
    ("a transfer has another length", other_length),
    ("a request that succeeded was cancelled", cancelled_instead),
    ("a call that succeeded fails", fails_instead),
    ("a call that failed succeeds", succeeds_instead),
    ("a count before a call is another", other_previous),
];

#[test]
fn changes_of_api_traces_are_noticed() {
    let traces = accepted();
    let mut table = Table::default();
    let mut random = Random(SEED);
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut known = BTreeSet::new();
    let mut attempts = 0;
    while made.values().sum::<usize>() < CHANGE_COUNT {
        attempts += 1;
        assert!(attempts < 500 * CHANGE_COUNT, "there is too little to change: {made:?}");
        let trace = &traces[random.below(traces.len())];
        // As many of each kind as there can be.
        let (kind, change) = KINDS[attempts % KINDS.len()];
        if made.get(kind).is_some_and(|count| *count >= KIND_COUNT_MAX) {
            continue;
        }
        let Some(mut changed) = change(&trace.events, &mut random) else { continue };
        changed.number();
        if changed == trace.events || !known.insert((trace.name.clone(), changed.to_string())) {
            continue;
        }
        let judgement = trace.judge(&changed);
        if judgement == Judgement::Malformed {
            continue;
        }
        *made.entry(kind).or_default() += 1;
        let row = table.row(kind);
        match judgement {
            Judgement::Rejected => row.rejected += 1,
            Judgement::Accepted if plain::is_a_schedule(trace, &changed) => {
                let argument = "another schedule does this, found by trying every one";
                *row.allowed.entry(argument).or_default() += 1;
            }
            _ => row.missed.push(format!("{judgement:?} {}\n{changed}", trace.name)),
        }
    }
    println!("{table}");
    assert_eq!(table.missed(), 0, "\n{table}");
    assert!(table.rejected() * 100 >= CHANGE_COUNT * 95, "\n{table}");
    for (kind, _) in KINDS {
        assert!(made.contains_key(kind), "no change: {kind}\n{table}");
    }
}
