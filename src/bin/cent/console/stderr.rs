//! Everything that is written to standard error.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::time::Duration;

use cent::Event;

use super::{blocking, color};
use crate::hints;

const PREFIX: &str = "cent:";

/// Writes a message, each line with the program's name before it.
pub(crate) fn print_message(message: &str) {
    write_prefixed(message, PREFIX);
}

/// Prints what `--verbose` reports of a request.
pub(crate) fn print_event(event: &Event<'_>) {
    let milliseconds = |elapsed: Duration| elapsed.as_secs_f64() * 1000.0;
    print_message(&match *event {
        Event::Request { url, body_bytes, .. } => format!("POST {url} ({body_bytes} bytes)"),
        Event::Response { status, body_bytes, elapsed, .. } => {
            format!("status {status} ({body_bytes} bytes) after {:.1} ms", milliseconds(elapsed))
        }
        Event::NoResponse { elapsed, .. } => format!("no response after {:.1} ms", milliseconds(elapsed)),
        _ => return,
    });
}

/// Writes an error: like other messages, but with a colored prefix if colors are on.
pub(crate) fn print_error_message(message: &str, color: bool) {
    if color {
        write_prefixed(message, &format!("{}{PREFIX}{}", color::ERROR, color::END));
    } else {
        print_message(message);
    }
}

/// The text of an error after its contexts.
pub(crate) fn text_of(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error_text(cause));
        // Its text includes its causes.
        if cause.is::<cent::Error>() {
            break;
        }
    }
    text
}

/// A text from elsewhere, without characters that control the terminal.
pub(crate) fn escaped(text: &str) -> String {
    EscapeControl(text).to_string()
}

/// The text of an error; without the error number, if it is the operating system's.
fn error_text(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.downcast_ref::<cent::Error>().map_or_else(|| error.to_string(), hints::text_of);
    match error.downcast_ref::<io::Error>().and_then(|_| text.split_once(" (os error")) {
        Some((text, _)) => text.to_lowercase(),
        None => text,
    }
}

fn write_prefixed(message: &str, prefix: &str) {
    let mut text = String::new();
    for line in message.lines().filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(text, "{prefix} {}", EscapeControl(line));
    }
    // There is nowhere to report that standard error is closed or full.
    let _ = blocking::stderr().write_all(text.as_bytes());
}

/// Escapes control and bidirectional formatting characters, so that a text from elsewhere cannot control the terminal.
struct EscapeControl<'a>(&'a str);

impl fmt::Display for EscapeControl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", c.escape_unicode())
            }
            c if c.is_control() => write!(f, "{}", c.escape_unicode()),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_and_bidi_characters() {
        assert_eq!(EscapeControl("a\u{1b}[2J\u{9b}\u{202e}é").to_string(), "a\\u{1b}[2J\\u{9b}\\u{202e}é");
    }

    #[test]
    fn system_errors_have_no_number() {
        assert_eq!(error_text(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(error_text(&io::Error::other("Custom (text)")), "Custom (text)");
    }
}
