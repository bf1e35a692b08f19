//! Standard error, and the exit status: the one place that turns what happened into a number.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use cent::{ErrorKind, Reply};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::color;
use crate::lines::Account;

/// How many refused replies are named; a count stands for the rest.
const MAX_NAMED: usize = 20;

/// What a call comes to, one for each row of the exit table; of several the worst counts, which is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Done,
    Refused,
    Invalid,
    NotReached,
    /// Ended by the signal of this number.
    Signal(i32),
    Unknown,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Invalid => 2,
            Self::NotReached => 3,
            // As shells have it: 130 for Ctrl-C, 143 for SIGTERM.
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
            Self::Unknown => 4,
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Rejected => Self::Refused,
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::SafeToRetry => Self::NotReached,
            // Also what a later library may add: unknown is the careful answer.
            _ => Self::Unknown,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The rows of the exit table: status, what it means, what a script can do.
const EXITS: [(Exit, &str, &str); 5] = [
    (Exit::Done, "done: every reply is free of errors", "go on"),
    (Exit::Refused, "the server said no", "repeating does not help"),
    (Exit::Invalid, "wrong arguments, config or params: nothing was sent", "mend the call"),
    (Exit::NotReached, "not reached, or turned away for now: nothing was accepted", "repeat, it is safe"),
    (Exit::Unknown, "unknown: the time was over or the connection lost on the way", "it may have run: look first"),
];

/// The row of the signals that a run of `--lines` ends after in good order.
const SIGNALS: (&str, &str, &str) =
    ("130, 143", "--lines: ended by Ctrl-C, by SIGTERM", "go on with the line that the summary names");

/// Stands below the table.
pub(crate) const WORST: &str = "Of several outcomes of --lines the worst counts: 4, then 130 and 143, 3, 2, 1.";

/// The exit table, as help, man page and README show it.
pub(crate) fn exits() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    let rows = EXITS.iter().map(|&(exit, meaning, advice)| (exit.code().to_string(), meaning, advice));
    rows.chain([(SIGNALS.0.to_owned(), SIGNALS.1, SIGNALS.2)])
}

/// A failed write to standard output.
#[derive(Debug, thiserror::Error)]
#[error("standard output: cannot be written{}", if *sent { " (the command has run)" } else { "" })]
pub(crate) struct OutputError {
    source: io::Error,
    /// Whether the request went out before.
    sent: bool,
}

impl OutputError {
    /// What a failed write comes to: a reader that went away is none of our business, a full disk is.
    pub(crate) fn check(result: io::Result<()>, sent: bool) -> Result<(), Self> {
        match result {
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Self { source, sent }),
            _ => Ok(()),
        }
    }
}

/// The exit status of a failure. What is neither the library's nor the output's was found before anything was sent.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(error) = error.downcast_ref::<cent::Error>() {
        error.kind().into()
    } else if error.is::<OutputError>() {
        Exit::Unknown
    } else {
        Exit::Invalid
    }
}

/// How errors are told: like all messages, but in a colour if there are any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alarm {
    pub(crate) color: bool,
}

impl Alarm {
    /// Writes an error to standard error.
    pub(crate) fn error(self, message: &str) {
        if self.color { write(message, &format!("{}{PREFIX}{}", color::ERROR, color::END)) } else { say(message) }
    }

    /// Tells of a failure: the places it happened in, from outside in, then what happened.
    pub(crate) fn failure(self, error: &anyhow::Error) {
        let mut text = String::new();
        for cause in error.chain() {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&words(cause));
            // It holds all that its own causes say.
            if cause.is::<cent::Error>() {
                break;
            }
        }
        self.error(&text);
    }
}

/// What an error says; of the system's errors the words only, without their number.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    match error.downcast_ref::<io::Error>().and_then(|_| text.split_once(" (os error")) {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// The errors in replies: the first ones are named, a count stands for the others.
#[derive(Debug)]
pub(crate) struct Refusals {
    count: usize,
    worst: Exit,
}

impl Refusals {
    pub(crate) fn new() -> Self {
        Self { count: 0, worst: Exit::Done }
    }

    /// Names the errors of a reply, as far as there are not too many; `place` says what was refused.
    pub(crate) fn add(&mut self, reply: &Reply, place: impl Fn() -> String, say: impl Fn(&str)) {
        for error in reply.errors() {
            if self.count < MAX_NAMED {
                say(&format!("{}: {error}", place()));
            }
            self.count += 1;
            self.worst = self.worst.max(error.kind().into());
        }
    }

    /// Counts the errors that were not named; gives back the worst of all.
    pub(crate) fn conclude(self, say: impl Fn(&str)) -> Exit {
        if let Some(more @ 1..) = self.count.checked_sub(MAX_NAMED) {
            say(&format!("{more} more errors in replies"));
        }
        self.worst
    }
}

/// The way of `--lines`, shown on a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    alarm: Alarm,
    bar: Option<ProgressBar>,
    start: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// Shows nothing yet; with the size of the input, in bytes, it shows the share that is done.
    pub(crate) fn new(alarm: Alarm, shown: bool, input_bytes: Option<u64>) -> Self {
        let bar = shown.then(|| {
            let style = ProgressStyle::with_template(if input_bytes.is_some() { SHARE } else { COUNT });
            let bar = ProgressBar::with_draw_target(input_bytes, ProgressDrawTarget::stderr());
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { alarm, bar, start: Instant::now(), drawn: None }
    }

    /// Draws how far it is, commands that were accepted and bytes of the input, unless it was drawn just now.
    pub(crate) fn advance(&mut self, accepted: u64, input_end: u64) {
        if let Some(bar) = self.bar.as_ref().filter(|_| self.drawn.is_none_or(|drawn| drawn.elapsed() >= UNDRAWN)) {
            self.drawn = Some(Instant::now());
            bar.set_message(format!("{accepted} commands, {}", rate(accepted, self.start.elapsed())));
            bar.set_position(input_end);
        }
    }

    /// As [`say`], above the bar.
    pub(crate) fn say(&self, message: &str) {
        self.above(|| say(message));
    }

    /// As [`Alarm::error`], above the bar.
    pub(crate) fn error(&self, message: &str) {
        self.above(|| self.alarm.error(message));
    }

    fn above(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// How long the bar is left as it is: it is drawn ten times a second at most, and twice at a time, for its message and its
/// length. The limit of the bar itself lets twenty pass at once.
const UNDRAWN: Duration = Duration::from_millis(200);
const SHARE: &str = "{bar:24} {percent:>3} %  {msg}";
const COUNT: &str = "{spinner} {msg}";

/// How many a second; with a digit after the point where it is a small number.
fn rate(count: u64, elapsed: Duration) -> String {
    let tenths = u128::from(count) * 10_000 / elapsed.as_millis().max(1);
    if tenths < 100 { format!("{}.{} a second", tenths / 10, tenths % 10) } else { format!("{} a second", tenths / 10) }
}

/// The summary of a run of `--lines` that is through.
pub(crate) fn through(account: &Account, elapsed: Duration) -> String {
    if account.answered == 0 {
        return "no commands on standard input".to_owned();
    }
    let (seconds, rate) = (elapsed.as_secs_f64(), rate(account.answered, elapsed));
    format!("{} {}, in {seconds:.1} s ({rate})", commands(account.answered), answered(account))
}

/// The summary of one that was stopped: which lines are accepted, unknown, and left, and how to go on.
pub(crate) fn stopped(account: &Account, left: bool) -> String {
    let first = match account.answered_to {
        0 => "no line accepted".to_owned(),
        last => format!("{} {}", span(1, last), answered(account)),
    };
    let unknown = account.unknown_to.map_or_else(String::new, |last| {
        let first = account.answered_to + 1;
        format!("; {} unknown, may have run: look first (tail -n +{first})", span(first, last))
    });
    let unsent = account.unsent_from();
    let rest = if left {
        format!("; from line {unsent} on nothing was accepted: go on with tail -n +{unsent}")
    } else {
        "; no line is left".to_owned()
    };
    format!("{first}{unknown}{rest}")
}

/// What the replies say: which lines they are about was told above.
fn answered(account: &Account) -> String {
    let accepted = account.answered - account.refused - account.unknown;
    match (account.refused, account.unknown) {
        (0, 0) => "accepted".to_owned(),
        (refused, 0) => format!("answered ({accepted} accepted, {refused} refused)"),
        (0, unknown) => format!("answered ({accepted} accepted, {unknown} unknown)"),
        (refused, unknown) => format!("answered ({accepted} accepted, {refused} refused, {unknown} unknown)"),
    }
}

/// The summary of a dry run.
pub(crate) fn dry(count: u64, requests: u64) -> String {
    format!("{} in {requests} request{}: nothing was sent", commands(count), if requests == 1 { "" } else { "s" })
}

fn commands(count: u64) -> String {
    format!("{count} command{}", if count == 1 { "" } else { "s" })
}

fn span(first: u64, last: u64) -> String {
    if first == last { format!("line {first}") } else { format!("lines {first} to {last}") }
}

/// Writes a message to standard error, each line with the program's name before it.
///
/// A standard error that is closed or full cannot be told of anywhere; the exit status stands.
pub(crate) fn say(message: &str) {
    write(message, PREFIX);
}

const PREFIX: &str = "cent:";

fn write(message: &str, prefix: &str) {
    let mut text = String::new();
    for line in message.lines().filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(text, "{prefix} {}", Harmless(line));
    }
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A text that cannot drive a terminal: control characters and those that turn the direction of writing are escaped.
struct Harmless<'a>(&'a str);

impl fmt::Display for Harmless<'_> {
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
    fn each_kind_has_its_row() {
        assert_eq!(Exit::from(ErrorKind::Rejected).code(), 1);
        assert_eq!(Exit::from(ErrorKind::Invalid).code(), 2);
        assert_eq!(Exit::from(ErrorKind::SafeToRetry).code(), 3);
        assert_eq!(Exit::from(ErrorKind::OutcomeUnknown).code(), 4);
        assert_eq!((Exit::Signal(2).code(), Exit::Signal(15).code()), (130, 143));
    }

    #[test]
    fn rows_are_in_order_and_complete() {
        for (number, (exit, ..)) in EXITS.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), number);
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert!(OutputError::check(Err(io::ErrorKind::BrokenPipe.into()), true).is_ok());
        let full = OutputError::check(Err(io::ErrorKind::StorageFull.into()), true).unwrap_err();
        assert!(full.to_string().ends_with(" (the command has run)"), "{full}");
        assert_eq!(exit_of(&full.into()), Exit::Unknown);
    }

    #[test]
    fn what_the_program_finds_itself_was_found_before_sending() {
        assert_eq!(exit_of(&anyhow::anyhow!("no such file")), Exit::Invalid);
    }

    fn account(answered: u64, refused: u64, unknown: u64) -> Account {
        Account { answered, refused, unknown, ..Account::default() }
    }

    #[test]
    fn the_summary_of_a_stopped_run_says_how_to_go_on() {
        assert_eq!(
            stopped(&account(0, 0, 0), true),
            "no line accepted; from line 1 on nothing was accepted: go on with tail -n +1"
        );
        assert_eq!(
            stopped(&Account { answered_to: 200, unknown_to: Some(300), ..account(199, 2, 1) }, true),
            "lines 1 to 200 answered (196 accepted, 2 refused, 1 unknown); lines 201 to 300 unknown, may have run: look \
             first (tail -n +201); from line 301 on nothing was accepted: go on with tail -n +301"
        );
        assert_eq!(
            stopped(&Account { answered_to: 1, unknown_to: Some(2), ..account(1, 0, 0) }, false),
            "line 1 accepted; line 2 unknown, may have run: look first (tail -n +2); no line is left"
        );
    }

    #[test]
    fn the_summary_of_a_run_that_is_through_counts() {
        let second = Duration::from_secs(1);
        assert_eq!(through(&account(0, 0, 0), second), "no commands on standard input");
        assert_eq!(through(&account(1, 0, 0), second), "1 command accepted, in 1.0 s (1.0 a second)");
        assert_eq!(
            through(&account(3000, 2, 0), 2 * second),
            "3000 commands answered (2998 accepted, 2 refused), in 2.0 s (1500 a second)"
        );
        assert_eq!(
            through(&account(1, 0, 1), second),
            "1 command answered (0 accepted, 1 unknown), in 1.0 s (1.0 a second)"
        );
        assert_eq!(dry(1, 1), "1 command in 1 request: nothing was sent");
    }

    #[test]
    fn the_templates_of_the_bar_are_understood() {
        for input_bytes in [None, Some(100)] {
            let mut progress = Progress::new(Alarm { color: false }, true, input_bytes);
            progress.advance(1, 50);
            progress.clear();
        }
        assert!(ProgressStyle::with_template(SHARE).is_ok() && ProgressStyle::with_template(COUNT).is_ok());
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(Harmless("a\u{1b}[2J\u{9b}\u{202e}é").to_string(), "a\\u{1b}[2J\\u{9b}\\u{202e}é");
    }
}
