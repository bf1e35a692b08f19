//! Signals that end a run.

use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::input::queue::{Queue, StopReason};
use crate::signals::{end_by, ending_signals};

/// A signal that follows the first one within this time is the same one: `timeout` of the GNU core utilities sends each
/// twice, to the program and to its process group.
const SIGNAL_DEBOUNCE: Duration = Duration::from_millis(100);

/// The first Ctrl-C, SIGTERM or SIGHUP ends the run after the request in progress, the second one at once.
///
/// # Errors
/// If a pipe, a signal handler or a thread cannot be created.
pub(super) fn stop_on_signals(queue: &Arc<Queue>) -> anyhow::Result<()> {
    let first_signal_at = Arc::new(OnceLock::new());
    for signal in ending_signals() {
        // A pipe for each signal, because signal-hook's own iterator panics if a read fails.
        let (mut signals, handler) = io::pipe().context("cannot install signal handlers")?;
        signal_hook::low_level::pipe::register(signal, handler).context("cannot install signal handlers")?;
        let (queue, first_signal_at) = (Arc::clone(queue), Arc::clone(&first_signal_at));
        thread::Builder::new()
            .spawn(move || {
                while signals.read_exact(&mut [0]).is_ok() {
                    let now = Instant::now();
                    if is_second(*first_signal_at.get_or_init(|| now), now) {
                        end_by(signal);
                    }
                    queue.stop(StopReason::Signal(signal));
                }
            })
            .context("cannot start the signal thread")?;
    }
    Ok(())
}

/// Says that a signal ended the run.
pub(super) fn signal_text(signal: i32) -> &'static str {
    match signal {
        SIGINT => "interrupted by SIGINT",
        SIGTERM => "interrupted by SIGTERM",
        SIGHUP => "interrupted by SIGHUP",
        _ => "interrupted by a signal",
    }
}

fn is_second(first: Instant, now: Instant) -> bool {
    now.saturating_duration_since(first) > SIGNAL_DEBOUNCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_repetition_is_the_same_signal() {
        let first = Instant::now();
        assert!(!is_second(first, first));
        assert!(!is_second(first, first + SIGNAL_DEBOUNCE));
        assert!(is_second(first, first + SIGNAL_DEBOUNCE + Duration::from_nanos(1)));
    }
}
