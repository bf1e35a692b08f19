//! The tally of a run: how many commands were accepted, which lines are unknown, which remain; and its summaries.

use std::time::Duration;

use cent::{Error, ErrorKind, Reply, ReplyError};

/// Lines up to [`last_answered_line`](Self::last_answered_line) have a reply, those after it up to
/// [`last_unknown_line`](Self::last_unknown_line) may have been executed, and nothing after that was accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Commands that have a reply.
    pub(super) replies: u64,
    /// Those of them that the server rejected.
    rejected: u64,
    /// Those of them that may have been executed in spite of an error.
    unknown: u64,
    /// The last line of the last request that succeeded; 0 if there is none.
    last_answered_line: u64,
    /// The last line of the request whose outcome is unknown.
    last_unknown_line: Option<u64>,
    /// Whether a request was rejected: its lines remain.
    pub(super) batch_rejected: bool,
}

impl Tally {
    /// Adds the outcome of the commands of these lines.
    pub(super) fn add(&mut self, lines: &[u64], result: &Result<Vec<Reply>, Error>) {
        let Some(&last) = lines.last() else { return };
        match result {
            Ok(replies) => {
                for reply in replies {
                    self.add_reply(reply);
                }
                self.last_answered_line = last;
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => self.last_unknown_line = Some(last),
            Err(_) => self.batch_rejected = true,
        }
    }

    fn add_reply(&mut self, reply: &Reply) {
        self.replies += 1;
        if reply.errors().iter().map(ReplyError::kind).any(|kind| kind != ErrorKind::Rejected) {
            self.unknown += 1;
        } else if !reply.errors().is_empty() {
            self.rejected += 1;
        }
    }

    /// The line to resume at: the first one that was not accepted and is not unknown either.
    fn first_unaccepted_line(&self) -> u64 {
        self.last_unknown_line.unwrap_or(self.last_answered_line) + 1
    }

    /// The summary of a run that reached the end of its input.
    pub(super) fn finished_summary(&self, elapsed: Duration) -> String {
        if self.replies == 0 {
            return "no commands on standard input".to_owned();
        }
        let (seconds, rate) = (elapsed.as_secs_f64(), rate(self.replies, elapsed));
        format!("{} {}, in {seconds:.1} s ({rate})", command_count(self.replies), self.outcome_counts())
    }

    /// The summary of a run that was stopped: which lines were accepted, are unknown, remain, and how to resume.
    pub(super) fn stopped_summary(&self, lines_remain: bool) -> String {
        let answered = match self.last_answered_line {
            0 => "no line accepted".to_owned(),
            last => format!("{} {}", line_range(1, last), self.outcome_counts()),
        };
        let unknown = self.last_unknown_line.map_or_else(String::new, |last| {
            let first = self.last_answered_line + 1;
            format!("; {} unknown, may have run: look first (tail -n +{first})", line_range(first, last))
        });
        let next = self.first_unaccepted_line();
        let remaining = if lines_remain {
            format!("; from line {next} on nothing was accepted: go on with tail -n +{next}")
        } else {
            "; no line is left".to_owned()
        };
        format!("{answered}{unknown}{remaining}")
    }

    fn outcome_counts(&self) -> String {
        let accepted = self.replies - self.rejected - self.unknown;
        match (self.rejected, self.unknown) {
            (0, 0) => "accepted".to_owned(),
            (rejected, 0) => format!("answered ({accepted} accepted, {rejected} refused)"),
            (0, unknown) => format!("answered ({accepted} accepted, {unknown} unknown)"),
            (rejected, unknown) => {
                format!("answered ({accepted} accepted, {rejected} refused, {unknown} unknown)")
            }
        }
    }
}

/// The summary of a dry run.
pub(super) fn dry_run_summary(commands: u64, requests: u64) -> String {
    let plural = if requests == 1 { "" } else { "s" };
    format!("{} in {requests} request{plural}: nothing was sent", command_count(commands))
}

/// Commands per second, with a decimal if there are few.
pub(super) fn rate(commands: u64, elapsed: Duration) -> String {
    let tenths = u128::from(commands) * 10_000 / elapsed.as_millis().max(1);
    if tenths < 100 { format!("{}.{} a second", tenths / 10, tenths % 10) } else { format!("{} a second", tenths / 10) }
}

fn command_count(count: u64) -> String {
    format!("{count} command{}", if count == 1 { "" } else { "s" })
}

fn line_range(first: u64, last: u64) -> String {
    if first == last { format!("line {first}") } else { format!("lines {first} to {last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(replies: u64, rejected: u64, unknown: u64) -> Tally {
        Tally { replies, rejected, unknown, ..Tally::default() }
    }

    #[test]
    fn stopped_summary_says_where_to_resume() {
        assert_eq!(
            tally(0, 0, 0).stopped_summary(true),
            "no line accepted; from line 1 on nothing was accepted: go on with tail -n +1"
        );
        assert_eq!(
            Tally { last_answered_line: 200, last_unknown_line: Some(300), ..tally(199, 2, 1) }.stopped_summary(true),
            "lines 1 to 200 answered (196 accepted, 2 refused, 1 unknown); lines 201 to 300 unknown, may have run: look \
             first (tail -n +201); from line 301 on nothing was accepted: go on with tail -n +301"
        );
        assert_eq!(
            Tally { last_answered_line: 1, last_unknown_line: Some(2), ..tally(1, 0, 0) }.stopped_summary(false),
            "line 1 accepted; line 2 unknown, may have run: look first (tail -n +2); no line is left"
        );
    }

    #[test]
    fn finished_summary_counts_commands() {
        let second = Duration::from_secs(1);
        assert_eq!(tally(0, 0, 0).finished_summary(second), "no commands on standard input");
        assert_eq!(tally(1, 0, 0).finished_summary(second), "1 command accepted, in 1.0 s (1.0 a second)");
        assert_eq!(
            tally(3000, 2, 0).finished_summary(2 * second),
            "3000 commands answered (2998 accepted, 2 refused), in 2.0 s (1500 a second)"
        );
        assert_eq!(
            tally(1, 0, 1).finished_summary(second),
            "1 command answered (0 accepted, 1 unknown), in 1.0 s (1.0 a second)"
        );
    }

    #[test]
    fn dry_run_summary_counts_requests() {
        assert_eq!(dry_run_summary(1, 1), "1 command in 1 request: nothing was sent");
        assert_eq!(dry_run_summary(3, 2), "3 commands in 2 requests: nothing was sent");
    }
}
