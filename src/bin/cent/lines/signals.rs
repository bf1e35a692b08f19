//! Signals that end a run.

use std::fs;
use std::io::{self, Read};
use std::process;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::input::queue::{Queue, StopReason};
use crate::exit::ExitStatus;

/// A signal that follows the first one within this time is the same one: `timeout` of the GNU core utilities sends each
/// twice, to the program and to its process group.
const SIGNAL_DEBOUNCE: Duration = Duration::from_millis(100);

/// The first Ctrl-C, SIGTERM or SIGHUP ends the run after the request in progress, the second one at once. One that is
/// ignored already stays ignored: shells start background jobs of scripts without SIGINT, and nohup without SIGHUP.
///
/// # Errors
/// If a pipe, a signal handler or a thread cannot be created.
pub(super) fn stop_on_signals(queue: &Arc<Queue>) -> anyhow::Result<()> {
    let first_signal_at = Arc::new(OnceLock::new());
    let ignored = ignored_signals();
    for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal, ignored)) {
        // A pipe for each signal, because signal-hook's own iterator panics if a read fails.
        let (mut signals, handler) = io::pipe().context("cannot install signal handlers")?;
        signal_hook::low_level::pipe::register(signal, handler).context("cannot install signal handlers")?;
        let (queue, first_signal_at) = (Arc::clone(queue), Arc::clone(&first_signal_at));
        thread::Builder::new()
            .spawn(move || {
                while signals.read_exact(&mut [0]).is_ok() {
                    let now = Instant::now();
                    if is_second(*first_signal_at.get_or_init(|| now), now) {
                        end_at_once(signal);
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

/// Dies of the signal, so that a parent process sees it. The kernel protects process 1 of a container from that.
fn end_at_once(signal: i32) {
    if process::id() != 1 {
        // If that fails there is the exit.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    process::exit(ExitStatus::Signal(signal).code().into());
}

/// The set of ignored signals, which the standard library does not report; 0 where the system does not either.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn is_ignored(signal: i32, ignored: u64) -> bool {
    ignored >> (signal - 1) & 1 == 1
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

    #[test]
    fn ignored_signals_are_bits_from_1() {
        assert!(is_ignored(SIGHUP, 0b1) && is_ignored(SIGINT, 0b11) && is_ignored(SIGTERM, 1 << 14));
        assert!(!is_ignored(SIGINT, 0b1) && !is_ignored(SIGTERM, 0b11) && !is_ignored(SIGHUP, 0));
    }
}
