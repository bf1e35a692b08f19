//! The progress bar, and messages in its place.

use std::env;
use std::io::Write as _;
use std::time::{Duration, Instant};

use super::ledger::summary::{command_count, rate};
use crate::console::Console;
use crate::console::{blocking, stderr};

const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// In characters.
const BAR_WIDTH: usize = 24;

/// Erases the line. Drawn text does not wrap, so there is only one.
const CLEAR: &str = "\r\x1b[K";

#[derive(Debug, Clone)]
pub(super) struct Progress {
    console: Console,
    is_visible: bool,
    input_bytes: Option<u64>,
    /// With `--rate`.
    max_rate: Option<f64>,
    start: Instant,
    drawn_at: Option<Instant>,
}

impl Progress {
    /// Draws nothing yet. With the size of the input, in bytes, it shows a percentage.
    pub(super) fn new(console: Console, is_visible: bool, input_bytes: Option<u64>, max_rate: Option<f64>) -> Self {
        // A terminal without escape sequences.
        let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self {
            console,
            is_visible: is_visible && !is_dumb,
            input_bytes,
            max_rate,
            start: Instant::now(),
            drawn_at: None,
        }
    }

    /// Shows how many commands have a reply and how far in the input they are, in bytes.
    pub(super) fn update(&mut self, replies: u64, input_end: u64) {
        if self.drawn_at.is_none_or(|drawn_at| drawn_at.elapsed() >= REDRAW_INTERVAL) {
            self.drawn_at = Some(Instant::now());
            let bar = self.input_bytes.map_or_else(String::new, |bytes| bar(input_end, bytes));
            let commands = command_count(replies);
            let rate = rate(replies, self.start.elapsed(), self.max_rate);
            self.write(&format!("{CLEAR}\x1b[?7l{bar}{commands}, {rate}\x1b[?7h"));
        }
    }

    pub(super) fn print_message(&self, message: &str) {
        self.clear();
        stderr::print_message(message);
    }

    pub(super) fn print_error(&self, message: &str) {
        self.clear();
        self.console.print_error_message(message);
    }

    /// Removes the bar until the next update.
    pub(super) fn clear(&self) {
        self.write(CLEAR);
    }

    fn write(&self, text: &str) {
        if self.is_visible {
            // There is nowhere to report that standard error fails.
            let _ = blocking::stderr().write_all(text.as_bytes());
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Of ASCII, which every locale has.
fn bar(position: u64, end: u64) -> String {
    // Input that grew while it was read ends later.
    let percent = usize::try_from(position.min(end).saturating_mul(100) / end.max(1)).unwrap_or(100);
    format!("{:.<BAR_WIDTH$} {percent:>3} %  ", "#".repeat(percent * BAR_WIDTH / 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_shows_share_of_input() {
        let empty = ".".repeat(24);
        assert_eq!(bar(0, 200), format!("{empty}   0 %  "));
        assert_eq!(bar(99, 200), "###########.............  49 %  ");
        assert_eq!(bar(300, 200), format!("{} 100 %  ", "#".repeat(24)));
        assert_eq!(bar(0, 0), bar(0, 1));
    }
}
