//! The tally of a run: how many commands were accepted, which lines are unknown, which remain; and its summaries.

use std::time::Duration;

use cent::{Error, ErrorKind, Reply, ReplyError};

use super::queue::Remaining;

/// Lines up to [`last_replied_line`](Self::last_replied_line) have a reply, those after it up to
/// [`last_unknown_line`](Self::last_unknown_line) may have been executed, and nothing after that was accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Commands that have a reply.
    pub(super) replies: u64,
    /// Those of them that the server rejected.
    rejected: u64,
    /// Those of them that may have been executed despite an error.
    unknown: u64,
    /// Those of them that only read, and failed for now.
    failed: u64,
    /// The first line with such a command.
    first_failed_line: Option<u64>,
    /// The last line of the last request that succeeded; 0 if there is none.
    last_replied_line: u64,
    /// The last line of the request whose outcome is unknown.
    last_unknown_line: Option<u64>,
    /// Whether a request was rejected: its lines remain.
    pub(super) batch_rejected: bool,
    /// Whether any command was sent that changes something.
    has_changes: bool,
}

impl Tally {
    /// Adds the outcome of the commands of these lines, which may all be read-only.
    pub(super) fn add(&mut self, lines: &[u64], is_read_only: bool, result: &Result<Vec<Reply>, Error>) {
        let Some(&last) = lines.last() else { return };
        self.has_changes |= !is_read_only;
        if let Err(error) = result
            && let Some(&last_answered) = error.answered().checked_sub(1).and_then(|index| lines.get(index))
        {
            lines.iter().zip(error.replies()).for_each(|(line, reply)| self.add_reply(*line, reply));
            self.last_replied_line = last_answered;
        }
        match result {
            Ok(replies) => {
                lines.iter().zip(replies).for_each(|(line, reply)| self.add_reply(*line, reply));
                self.last_replied_line = last;
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => self.last_unknown_line = Some(last),
            Err(_) => self.batch_rejected = true,
        }
    }

    /// Whether all commands so far were read-only.
    pub(super) fn is_read_only(&self) -> bool {
        !self.has_changes
    }

    /// Whether any lines remain, if these do of the input.
    pub(super) fn lines_remain(&self, remaining: Remaining) -> bool {
        self.batch_rejected || remaining != Remaining::Nothing
    }

    /// Whether a command may have been executed and nobody knows.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown > 0 || self.last_unknown_line.is_some()
    }

    fn add_reply(&mut self, line: u64, reply: &Reply) {
        self.replies += 1;
        let has = |kind| reply.errors().iter().map(ReplyError::kind).any(|found| found == kind);
        if has(ErrorKind::OutcomeUnknown) {
            self.unknown += 1;
        } else if has(ErrorKind::SafeToRetry) {
            self.failed += 1;
            self.first_failed_line.get_or_insert(line);
        } else if !reply.errors().is_empty() {
            self.rejected += 1;
        }
    }

    /// The line to resume at: the first one that was not accepted and is not unknown either. A run that only reads resumes
    /// at the first one that failed for now.
    pub(super) fn resume_line(&self) -> u64 {
        let next = self.last_unknown_line.unwrap_or(self.last_replied_line) + 1;
        self.first_failed_line.filter(|_| self.is_read_only()).unwrap_or(next)
    }

    /// The summary of a run that reached the end of its input.
    pub(super) fn finished_summary(&self, elapsed: Duration) -> String {
        if self.replies == 0 {
            return "no commands on standard input".to_owned();
        }
        let (seconds, rate) = (elapsed.as_secs_f64(), rate(self.replies, elapsed));
        let (count, outcome) = (command_count(self.replies), self.outcome_counts());
        match outcome {
            Some(outcome) => format!("{count} in {seconds:.1} s ({rate}): {outcome}"),
            None => format!("{count} accepted in {seconds:.1} s ({rate})"),
        }
    }

    /// The summary of a run that was stopped: which lines were accepted, are unknown, remain, and how to resume. This
    /// remains of the input.
    pub(super) fn stopped_summary(&self, remaining: Remaining) -> String {
        let next = self.resume_line();
        let fix = if remaining == Remaining::InvalidLine { "fix it, then " } else { "" };
        let rest = match next {
            _ if !self.lines_remain(remaining) => "no lines remain".to_owned(),
            1 if self.replies == 0 => return format!("no lines accepted: {fix}run again from line 1"),
            1 => format!("{fix}run again from line 1"),
            _ if self.is_read_only() && self.failed > 0 => format!("line {next} failed: resume with tail -n +{next}"),
            _ => format!("line {next} onwards not accepted: {fix}resume with tail -n +{next}"),
        };
        let parts = [Some(self.replied_lines()), self.unknown_lines(), Some(rest)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn replied_lines(&self) -> String {
        let lines = line_range(1, self.last_replied_line);
        match self.outcome_counts() {
            _ if self.last_replied_line == 0 => "no lines accepted".to_owned(),
            Some(outcome) => format!("{lines}: {outcome}"),
            None => format!("{lines} accepted"),
        }
    }

    fn unknown_lines(&self) -> Option<String> {
        let (first, last) = (self.last_replied_line + 1, self.last_unknown_line?);
        let (lines, them) = (line_range(first, last), if first == last { "it" } else { "them" });
        Some(format!("{lines} may have been executed: check {them} (sed -n {first},{last}p)"))
    }

    /// How many commands had which outcome; none if all were accepted.
    fn outcome_counts(&self) -> Option<String> {
        let others = [(self.rejected, "rejected"), (self.failed, "failed"), (self.unknown, "unknown")];
        let accepted = self.replies - self.rejected - self.failed - self.unknown;
        let others = others.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
        let others: Vec<String> = others.collect();
        (!others.is_empty()).then(|| format!("{accepted} accepted, {}", others.join(", ")))
    }
}

/// The summary of a dry run.
pub(super) fn dry_run_summary(commands: u64, requests: u64) -> String {
    let plural = if requests == 1 { "" } else { "s" };
    format!("{} in {requests} request{plural}, nothing sent", command_count(commands))
}

/// Commands per second, with a decimal if there are few.
pub(super) fn rate(commands: u64, elapsed: Duration) -> String {
    let tenths = u128::from(commands) * 10_000 / elapsed.as_millis().max(1);
    if tenths < 100 { format!("{}.{}/s", tenths / 10, tenths % 10) } else { format!("{}/s", tenths / 10) }
}

pub(super) fn command_count(count: u64) -> String {
    format!("{count} command{}", if count == 1 { "" } else { "s" })
}

fn line_range(first: u64, last: u64) -> String {
    if first == last { format!("line {first}") } else { format!("lines {first}-{last}") }
}

#[cfg(test)]
mod tests {
    use super::Remaining::{InvalidLine, Lines, Nothing};
    use super::*;

    fn tally(replies: u64, rejected: u64, unknown: u64) -> Tally {
        Tally { replies, rejected, unknown, has_changes: true, ..Tally::default() }
    }

    #[test]
    fn stopped_summary_says_where_to_resume() {
        assert_eq!(tally(0, 0, 0).stopped_summary(Lines), "no lines accepted: run again from line 1");
        assert_eq!(tally(0, 0, 0).stopped_summary(Nothing), "no lines accepted; no lines remain");
        assert_eq!(
            Tally { last_replied_line: 200, ..tally(200, 0, 0) }.stopped_summary(Lines),
            "lines 1-200 accepted; line 201 onwards not accepted: resume with tail -n +201"
        );
        assert_eq!(
            Tally { last_replied_line: 200, last_unknown_line: Some(300), ..tally(199, 2, 1) }.stopped_summary(Lines),
            "lines 1-200: 196 accepted, 2 rejected, 1 unknown; lines 201-300 may have been executed: check them (sed -n \
             201,300p); line 301 onwards not accepted: resume with tail -n +301"
        );
        assert_eq!(
            Tally { last_replied_line: 1, last_unknown_line: Some(2), ..tally(1, 0, 0) }.stopped_summary(Nothing),
            "line 1 accepted; line 2 may have been executed: check it (sed -n 2,2p); no lines remain"
        );
    }

    #[test]
    fn run_that_only_reads_resumes_at_first_failed_line() {
        let failed = |line, has_changes| Tally {
            failed: 2,
            first_failed_line: Some(line),
            last_replied_line: 9,
            has_changes,
            ..tally(9, 1, 0)
        };
        let summary = "lines 1-9: 6 accepted, 1 rejected, 2 failed; ";
        let read = failed(4, false).stopped_summary(Lines);
        assert_eq!(read, format!("{summary}line 4 failed: resume with tail -n +4"));
        assert_eq!(failed(1, false).stopped_summary(Lines), format!("{summary}run again from line 1"));
        assert_eq!((failed(4, false).resume_line(), failed(4, true).resume_line()), (4, 10));
        let mixed = failed(4, true).stopped_summary(Lines);
        assert_eq!(mixed, format!("{summary}line 10 onwards not accepted: resume with tail -n +10"));
        let none_failed = Tally { last_replied_line: 9, has_changes: false, ..tally(9, 0, 0) }.stopped_summary(Lines);
        assert_eq!(none_failed, "lines 1-9 accepted; line 10 onwards not accepted: resume with tail -n +10");
    }

    #[test]
    fn invalid_line_has_to_be_fixed_first() {
        assert_eq!(
            tally(0, 0, 0).stopped_summary(InvalidLine),
            "no lines accepted: fix it, then run again from line 1"
        );
        let summary = Tally { last_replied_line: 2, ..tally(2, 0, 0) }.stopped_summary(InvalidLine);
        assert_eq!(summary, "lines 1-2 accepted; line 3 onwards not accepted: fix it, then resume with tail -n +3");
    }

    #[test]
    fn finished_summary_counts_commands() {
        let second = Duration::from_secs(1);
        assert_eq!(tally(0, 0, 0).finished_summary(second), "no commands on standard input");
        assert_eq!(tally(1, 0, 0).finished_summary(second), "1 command accepted in 1.0 s (1.0/s)");
        assert_eq!(
            tally(3000, 2, 0).finished_summary(2 * second),
            "3000 commands in 2.0 s (1500/s): 2998 accepted, 2 rejected"
        );
        assert_eq!(tally(1, 0, 1).finished_summary(second), "1 command in 1.0 s (1.0/s): 0 accepted, 1 unknown");
    }

    #[test]
    fn dry_run_summary_counts_requests() {
        assert_eq!(dry_run_summary(1, 1), "1 command in 1 request, nothing sent");
        assert_eq!(dry_run_summary(3, 2), "3 commands in 2 requests, nothing sent");
    }
}
