//! What the program prints: results on standard output, everything else on standard error.

use std::env;
use std::io::{self, IsTerminal};

use cent::{HttpRequest, Reply};

use color::ColorChoice;
use stdout::JsonLayout;

pub(crate) mod blocking;
pub(crate) mod color;
pub(crate) mod stderr;
mod stdout;

/// Prints what belongs to a call, as its options say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    layout: JsonLayout,
    /// Whether nothing but errors is printed.
    is_quiet: bool,
    is_verbose: bool,
    /// Colors the program's name before errors.
    color_errors: bool,
}

impl Console {
    /// Prints in these colors, before anything else is known of the call.
    pub(crate) fn new(color: ColorChoice) -> Self {
        let stdout = io::stdout();
        let layout = JsonLayout { compact: false, terminal: stdout.is_terminal(), color: use_color(color, &stdout) };
        Self { layout, is_quiet: false, is_verbose: false, color_errors: use_color(color, &io::stderr()) }
    }

    pub(crate) fn with_options(self, compact: bool, is_quiet: bool, is_verbose: bool) -> Self {
        Self { layout: JsonLayout { compact, ..self.layout }, is_quiet, is_verbose, ..self }
    }

    pub(crate) fn is_compact(self) -> bool {
        self.layout.compact
    }

    pub(crate) fn is_quiet(self) -> bool {
        self.is_quiet
    }

    /// Whether a person reads notes.
    pub(crate) fn shows_notes(self) -> bool {
        !self.is_quiet && io::stderr().is_terminal()
    }

    /// Whether a progress bar disturbs nothing.
    pub(crate) fn shows_progress(self) -> bool {
        self.shows_notes() && !self.is_verbose && !self.layout.terminal
    }

    pub(crate) fn print_error_message(self, message: &str) {
        stderr::print_error_message(message, self.color_errors);
    }

    /// Prints an error after its contexts, the outermost first.
    pub(crate) fn print_error(self, error: &anyhow::Error) {
        self.print_error_message(&stderr::text_of(error));
    }

    /// Prints a message, unless nothing but errors is wanted.
    pub(crate) fn print_message(self, message: &str) {
        if !self.is_quiet {
            stderr::print_message(message);
        }
    }

    pub(crate) fn print_list(self, replies: &[Reply]) -> io::Result<()> {
        self.print(|| stdout::print_list(replies, self.layout, blocking::stdout()))
    }

    pub(crate) fn print_lines(self, replies: &[Reply]) -> io::Result<()> {
        self.print(|| stdout::print_lines(replies, self.layout, blocking::stdout()))
    }

    pub(crate) fn print_json(self, text: &str) -> io::Result<()> {
        self.print(|| stdout::print_json(text, self.layout, blocking::stdout()))
    }

    pub(crate) fn print_names(self, names: &[&str]) -> io::Result<()> {
        self.print(|| stdout::print_names(names, self.layout.terminal, blocking::stdout()))
    }

    /// Prints a request, after an empty line if it follows another one.
    pub(crate) fn print_request(self, request: &HttpRequest<'_>, is_first: bool) -> io::Result<()> {
        self.print(|| stdout::print_request(request, is_first, self.layout.terminal, blocking::stdout()))
    }

    fn print(self, print: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.is_quiet { Ok(()) } else { print() }
    }
}

fn use_color(choice: ColorChoice, output: &impl IsTerminal) -> bool {
    color::use_color(choice, |name| env::var_os(name), || output.is_terminal())
}
