//! How far a long search is, on standard error.

use super::output;
use alertable::engine::explore::Control;
use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What goes on beside a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch<'a> {
    /// What is searched.
    pub(super) title: &'a str,
    /// Show progress though nobody may look at it.
    pub(super) is_wanted: bool,
    /// Ask the search to halt so often.
    pub(super) halt_every: Option<Duration>,
}

/// Nothing is shown of a search that takes less.
const QUIET: Duration = Duration::from_millis(1_000);

/// Between two looks at a search.
const LOOK: Duration = Duration::from_millis(20);

/// Between two lines of progress.
const LINE: Duration = Duration::from_millis(200);

/// Runs a search, shows how far it is, and asks it to halt from time to time.
pub(super) fn watched<T: Send>(
    control: &Control,
    watch: Watch<'_>,
    work: impl FnOnce() -> T + Send,
) -> T {
    let is_shown = watch.is_wanted || std::io::stderr().is_terminal();
    if !is_shown && watch.halt_every.is_none() {
        return work();
    }
    std::thread::scope(|scope| {
        let worker = scope.spawn(work);
        let start = Instant::now();
        let mut line_due = start + QUIET;
        let mut halted = start;
        while !worker.is_finished() {
            std::thread::sleep(LOOK.min(watch.halt_every.unwrap_or(LOOK)));
            let now = Instant::now();
            if is_shown && now >= line_due {
                show(&line(control, watch.title, now - start));
                line_due = now + LINE;
            }
            if control.halt.load(Ordering::Relaxed) {
                halted = now;
            } else if watch.halt_every.is_some_and(|every| now - halted >= every) {
                control.halt.store(true, Ordering::Relaxed);
            }
        }
        if is_shown && line_due > start + QUIET {
            show("");
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn line(control: &Control, title: &str, elapsed: Duration) -> String {
    let states = control.state_count.load(Ordering::Relaxed);
    let rate = states as f64 / elapsed.as_secs_f64() / 1e6;
    format!("{title}: {states} states, {rate:.2} million a second")
}

/// Writes a line over the last one.
fn show(text: &str) {
    let room = output::width().saturating_sub(1);
    let text: String = text.chars().take(room).collect();
    // Progress is for whoever looks; nobody need.
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
}
