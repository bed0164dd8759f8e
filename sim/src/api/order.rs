//! Events of one moment, in an order in which they can be explained.

use alertable_traces::Error;
use alertable_traces::trace::api::{ApiEvent, ApiReader};
use std::collections::VecDeque;
use std::io::BufRead;

/// The most events of one moment that are ordered; more come as they are.
const MOMENT_MAX: usize = 4_096;

/// The events of a trace. Of those with the same time nobody knows which came first: what is
/// written down before it takes effect comes before what is written down after, as far as the
/// order of each thread's events lets it.
pub(super) struct Ordered<R> {
    reader: ApiReader<R>,
    moment: VecDeque<ApiEvent>,
    /// The first event of the next moment.
    next: Option<ApiEvent>,
}

impl<R: BufRead> Ordered<R> {
    pub(super) fn new(reader: ApiReader<R>) -> Self {
        Ordered { reader, moment: VecDeque::new(), next: None }
    }

    pub(super) fn threads(&self) -> &[String] {
        self.reader.threads()
    }

    pub(super) fn next(&mut self) -> Result<Option<ApiEvent>, Error> {
        if self.moment.is_empty() {
            self.read_moment()?;
        }
        Ok(self.moment.pop_front())
    }

    fn read_moment(&mut self) -> Result<(), Error> {
        let first = match self.next.take() {
            Some(event) => event,
            None => match self.reader.next_event()? {
                Some(event) => event,
                None => return Ok(()),
            },
        };
        let t = first.t;
        self.moment.push_back(first);
        while self.moment.len() < MOMENT_MAX {
            match self.reader.next_event()? {
                Some(event) if event.t == t => self.moment.push_back(event),
                other => {
                    self.next = other;
                    break;
                }
            }
        }
        if self.moment.len() > 1 {
            self.moment = ordered(std::mem::take(&mut self.moment));
        }
        Ok(())
    }
}

/// First what is about to happen, then the first thing that has happened, and so on.
fn ordered(moment: VecDeque<ApiEvent>) -> VecDeque<ApiEvent> {
    let mut left = moment;
    let mut ordered = VecDeque::with_capacity(left.len());
    while !left.is_empty() {
        let mut held = Vec::new();
        let mut rest = VecDeque::with_capacity(left.len());
        for event in left.drain(..) {
            if event.what.is_intent() && !held.contains(&event.thread) {
                ordered.push_back(event);
            } else {
                held.push(event.thread);
                rest.push_back(event);
            }
        }
        ordered.extend(rest.pop_front());
        left = rest;
    }
    ordered
}
