//! Signals: which ones end the program, and how.

use std::fs;
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::exit::ExitStatus;

/// The signals that end the program, without those that were ignored when it began, which stay ignored: shells start
/// background jobs of scripts without SIGINT, and nohup without SIGHUP.
pub(crate) fn ending_signals() -> impl Iterator<Item = i32> {
    let ignored = ignored_signals();
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(move |&signal| !is_ignored(signal, ignored))
}

/// The kernel protects process 1 of a container from signals without a handler.
pub(crate) fn end_as_process_1() {
    if !is_process_1() {
        return;
    }
    for signal in ending_signals() {
        // Without a handler it is as before.
        let status = ExitStatus::Signal(signal).code().into();
        let _ = signal_hook::flag::register_conditional_shutdown(signal, status, Arc::new(AtomicBool::new(true)));
    }
}

/// Dies of the signal, so that a parent process sees it: a loop of a shell ends, and systemd sees a clean stop.
pub(crate) fn end_by(signal: i32) -> ! {
    if !is_process_1() {
        // If that fails there is the exit.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    process::exit(ExitStatus::Signal(signal).code().into());
}

fn is_process_1() -> bool {
    process::id() == 1
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
    fn ignored_signals_are_bits_from_1() {
        assert!(is_ignored(SIGHUP, 0b1) && is_ignored(SIGINT, 0b11) && is_ignored(SIGTERM, 1 << 14));
        assert!(!is_ignored(SIGINT, 0b1) && !is_ignored(SIGTERM, 0b11) && !is_ignored(SIGHUP, 0));
    }
}
