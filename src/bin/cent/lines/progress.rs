//! The progress bar, and messages above it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally;
use crate::stderr::{self, ErrorPrinter};

/// The bar draws itself up to ten times a second, but lets twenty draws through at once, and each update draws twice, for
/// its message and its length.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

const BAR_TEMPLATE: &str = "{bar:24} {percent:>3} %  {msg}";
const SPINNER_TEMPLATE: &str = "{spinner} {msg}";

#[derive(Debug, Clone)]
pub(super) struct Progress {
    errors: ErrorPrinter,
    /// None if it is hidden.
    bar: Option<ProgressBar>,
    start: Instant,
    drawn_at: Option<Instant>,
}

impl Progress {
    /// Draws nothing yet. With the size of the input, in bytes, it shows a percentage.
    pub(super) fn new(errors: ErrorPrinter, is_visible: bool, input_bytes: Option<u64>) -> Self {
        let bar = is_visible.then(|| {
            let style =
                ProgressStyle::with_template(if input_bytes.is_some() { BAR_TEMPLATE } else { SPINNER_TEMPLATE });
            let bar = ProgressBar::with_draw_target(input_bytes, ProgressDrawTarget::stderr());
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { errors, bar, start: Instant::now(), drawn_at: None }
    }

    /// Shows how many commands have a reply and how far in the input they are, in bytes.
    pub(super) fn update(&mut self, replies: u64, input_end: u64) {
        let is_due = self.drawn_at.is_none_or(|drawn_at| drawn_at.elapsed() >= REDRAW_INTERVAL);
        if let Some(bar) = self.bar.as_ref().filter(|_| is_due) {
            self.drawn_at = Some(Instant::now());
            bar.set_message(format!("{replies} commands, {}", tally::rate(replies, self.start.elapsed())));
            bar.set_position(input_end);
        }
    }

    pub(super) fn print_message(&self, message: &str) {
        self.suspend(|| stderr::print_message(message));
    }

    pub(super) fn print_error(&self, message: &str) {
        self.suspend(|| self.errors.print(message));
    }

    fn suspend(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Removes the bar.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for input_bytes in [None, Some(100)] {
            let mut progress = Progress::new(ErrorPrinter { color: false }, true, input_bytes);
            progress.update(1, 50);
            progress.clear();
        }
        assert!([BAR_TEMPLATE, SPINNER_TEMPLATE].into_iter().all(|text| ProgressStyle::with_template(text).is_ok()));
    }
}
