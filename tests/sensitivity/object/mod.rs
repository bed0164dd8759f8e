//! Changes of object traces.

mod arguments;
mod changes;
mod trace;

use crate::random::Random;
use crate::table::Table;
use arguments::argument;
use changes::*;
use std::collections::BTreeMap;
use trace::*;

const CAPTURES: &str = "traces/corpus/captures/wine-server";

/// How many changes are made, and with what seed they are chosen.
const CHANGE_COUNT: usize = 1_000;
const SEED: u64 = 20_261_125;

type Maker = fn(&Trace, &mut Random) -> Option<Change>;

/// The kinds of changes.
const KINDS: &[(&str, Maker)] = &[
    ("two packets are swapped", swap_packets),
    ("a packet is lost", lose_packet),
    ("a packet is taken twice", double_packet),
    ("a user APC is not delivered", drop_user_apc),
    ("two user APCs are swapped", swap_user_apcs),
    ("a user APC is delivered at once again", double_user_apc),
    ("a wait without alertability returns USER_APC", plain_user_apc),
    ("a wait ends with another index", other_index),
    ("a wait without a time-out times out", infinite_timeout),
    ("a wait that blocked is over at once", never_blocked),
    ("a wait that was over at once blocks", blocks_instead),
    ("a wake is dropped", drop_wake),
    ("a wake comes twice", double_wake),
    ("another thread is woken", wake_another),
    ("two wakes are swapped", swap_wakes),
    ("a request ends twice", end_request_twice),
    ("a system APC is handed out twice", hand_request_twice),
    ("a system APC is for another request", hand_other_request),
    ("a system APC comes to another thread", hand_to_other_thread),
    ("an event that was set is not", drop_event_set),
    ("an event is reset instead of set", reset_instead_of_set),
    ("a state before a call is another", other_previous),
    ("a semaphore passes its limit", pass_limit),
    ("an abandoned mutex is not told of", hide_abandonment),
    ("a mutex is told of as abandoned", invent_abandonment),
    ("a mutex is released by another thread", release_by_other),
    ("a thread's end is dropped", drop_thread_end),
    ("an APC was never queued", drop_queue_apc),
    ("a mutex or semaphore was never released", drop_release),
    ("a packet was never posted", drop_post),
    ("a cancelled request is not found", cancel_finds_nothing_right),
];

fn captures() -> Vec<Trace> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(CAPTURES))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| Trace::of(file)).collect()
}

#[test]
fn changes_of_object_traces_are_noticed() {
    let traces = captures();
    let mut random = Random(SEED);
    let mut table = Table::default();
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = 0;
    while count < CHANGE_COUNT {
        let (kind, make) = KINDS[random.below(KINDS.len())];
        let trace = &traces[random.below(traces.len())];
        let Some(change) = make(trace, &mut random) else { continue };
        count += 1;
        *made.entry(kind).or_default() += 1;
        let row = table.row(kind);
        if !trace.accepts(&change) {
            row.rejected += 1;
        } else if let Some(argument) = argument(trace, &change) {
            *row.allowed.entry(argument).or_default() += 1;
        } else {
            row.missed.push(change.what);
        }
    }
    println!("{table}");
    assert_eq!(table.missed(), 0, "\n{table}");
    assert!(table.rejected() * 100 >= CHANGE_COUNT * 95, "\n{table}");
    for (kind, _) in KINDS {
        assert!(made.contains_key(kind), "no change: {kind}\n{table}");
    }
}
