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

/// Nothing is shown of a search that takes less, unless it is wanted.
const QUIET: Duration = Duration::from_secs(1);

/// From one estimate to the next: at first, and at most. They take a moment of the search.
const ESTIMATES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

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
    // There is an estimate before the first step where somebody waits for it.
    control.estimates.now.store(watch.is_wanted, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let worker = scope.spawn(work);
        let start = Instant::now();
        let quiet = if watch.is_wanted { Duration::ZERO } else { QUIET };
        let mut line_due = start + quiet;
        let (mut estimate_due, mut estimate_every) = (start + QUIET, ESTIMATES.0);
        let mut halted = start;
        while !worker.is_finished() {
            std::thread::sleep(LOOK.min(watch.halt_every.unwrap_or(LOOK)));
            let now = Instant::now();
            if is_shown && now >= line_due {
                show(&line(control, watch.title, now - start));
                line_due = now + LINE;
            }
            if is_shown && now >= estimate_due {
                control.estimates.now.store(true, Ordering::Relaxed);
                estimate_due = now + estimate_every;
                estimate_every = (estimate_every * 3 / 2).min(ESTIMATES.1);
            }
            if control.halt.load(Ordering::Relaxed) {
                halted = now;
            } else if watch.halt_every.is_some_and(|every| now - halted >= every) {
                control.halt.store(true, Ordering::Relaxed);
            }
        }
        if is_shown && line_due > start + quiet {
            show("");
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn line(control: &Control, title: &str, elapsed: Duration) -> String {
    let states = control.state_count.load(Ordering::Relaxed);
    let rate = states as f64 / elapsed.as_secs_f64() / 1e6;
    let depth = control.depth_max.load(Ordering::Relaxed);
    let mebibytes = control.bytes.load(Ordering::Relaxed) >> 20;
    let whole = match control.estimates.states.load(Ordering::Relaxed) {
        0 => String::new(),
        whole => {
            let percent = (states as f64 / whole as f64 * 100.0).min(99.0);
            format!(", {percent:.0} % of an estimated {}", rounded(whole))
        }
    };
    format!(
        "{states} states{whole}, {rate:.2} million a second, {depth} steps deep, {mebibytes} MiB: \
         {title}"
    )
}

/// A number that is not exact, with the digits that say something.
pub(super) fn rounded(number: u64) -> String {
    let number = number as f64;
    match number {
        1e9.. => format!("{:.1} billion", number / 1e9),
        1e6.. => format!("{:.1} million", number / 1e6),
        1e4.. => format!("{:.0} thousand", number / 1e3),
        _ => format!("{number}"),
    }
}

/// Writes a line over the last one.
fn show(text: &str) {
    let room = output::width().saturating_sub(1);
    let text: String = text.chars().take(room).collect();
    // Progress is for whoever looks; nobody need.
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
}
