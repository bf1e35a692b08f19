//! What a run does with its journal: before and after each request, and at its end.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cent::{Error, ErrorKind, IdempotencyKey, REPEAT_LIMIT, Reply, ReplyError, RequestBuilder};

use super::batch::Batch;
use super::journal::format::{Job, NamedLines, Repeat, Unknown};
use super::journal::line_set::LineSet;
use super::journal::resume::{Decision, KnownInput, UnknownChoice, decide};
use super::journal::{Journal, unix_seconds};
use super::queue::Remaining;
use crate::retry::FirstAttempt;

/// How many ranges of lines a message names.
const MAX_NAMED_RANGES: usize = 10;

#[derive(Debug)]
pub(super) struct Recorder {
    journal: Journal,
    idempotent: bool,
    /// The user's choice for unknown lines that cannot be sent again.
    choice: Option<UnknownChoice>,
    /// What to do with the lines that earlier runs left unknown; none if there are none.
    decision: Option<Decision>,
    /// Lines that earlier runs found rejected.
    earlier_rejected: NamedLines,
    /// Whether to send unknown lines again would not help: the server ignores idempotency keys, has forgotten them, or
    /// rejects the commands.
    keys_are_useless: bool,
}

impl Recorder {
    /// Opens the journal, and decides about the lines that earlier runs left unknown.
    ///
    /// # Errors
    /// If the journal cannot be used.
    pub(super) fn open(
        path: &Path,
        job: &Job,
        choice: Option<UnknownChoice>,
        idempotent: bool,
    ) -> anyhow::Result<Self> {
        let journal = Journal::open(path, job)?;
        let now = unix_seconds(SystemTime::now());
        let decision = journal.state().unknown.as_ref().map(|unknown| decide(unknown, choice, idempotent, now));
        let earlier_rejected = journal.state().rejected.clone();
        Ok(Self { journal, idempotent, choice, decision, earlier_rejected, keys_are_useless: false })
    }

    /// The journal, as the user wrote it.
    pub(super) fn path(&self) -> String {
        self.journal.path().display().to_string()
    }

    /// From which the idempotency keys of the lines derive.
    pub(super) fn keys(&self) -> IdempotencyKey {
        self.journal.id()
    }

    /// What the user has to decide before anything is sent.
    pub(super) fn question(&self) -> Option<String> {
        let unknown = self.journal.state().unknown.as_ref().filter(|_| self.decision == Some(Decision::Ask))?;
        let (path, lines) = (self.path(), name_lines(&unknown.lines));
        let is_late = self.idempotent && unknown.repeat == Repeat::Keys;
        let late = if is_late { ", too long ago to rely on their idempotency keys" } else { "" };
        let hint = check_hint(&unknown.lines);
        Some(format!("{path}: {lines} may have been executed by an earlier run{late}: {hint}"))
    }

    pub(super) fn known_input(&self) -> KnownInput {
        let resends = matches!(self.decision, Some(Decision::Repeat | Decision::Send { .. }));
        KnownInput::new(self.journal.state(), resends)
    }

    /// Begins, once the input is compared with what earlier runs sent. Returns which lines are skipped, if any are.
    pub(super) fn begin(&mut self) -> anyhow::Result<Option<String>> {
        let unknown = self.journal.state().unknown.as_ref().filter(|_| self.decision == Some(Decision::Skip));
        let Some(lines) = unknown.map(|unknown| name_lines(&unknown.lines)) else { return Ok(None) };
        self.journal.skip_unknown()?;
        Ok(Some(format!("{lines} skipped: maybe never executed")))
    }

    /// Skips the unknown lines, which cannot be sent again, if the user chose that. Returns which lines are skipped.
    pub(super) fn skip_instead(&mut self) -> anyhow::Result<Option<String>> {
        self.set_keys_are_useless();
        if self.choice != Some(UnknownChoice::Skip) {
            return Ok(None);
        }
        self.decision = Some(Decision::Skip);
        self.begin()
    }

    /// Whether a batch has lines that are not sent again.
    pub(super) fn skips(&self, batch: &Batch) -> bool {
        batch.is_resend && self.decision == Some(Decision::Skip)
    }

    /// Whether the server must recognize idempotency keys before this batch is sent.
    pub(super) fn relies_on_keys(&self, batch: &Batch) -> bool {
        batch.is_resend && self.decision == Some(Decision::Repeat)
    }

    /// Lets the summary recommend nothing that relies on keys.
    pub(super) fn set_keys_are_useless(&mut self) {
        self.keys_are_useless = true;
    }

    /// When a batch was sent for the first time, perhaps by an earlier run.
    pub(super) fn first_attempt(&self, batch: &Batch) -> FirstAttempt {
        if batch.is_resend {
            FirstAttempt::at(UNIX_EPOCH + Duration::from_secs(self.first_sent()))
        } else {
            FirstAttempt::now()
        }
    }

    /// In seconds since 1970, for lines that are sent again.
    fn first_sent(&self) -> u64 {
        match (self.decision, &self.journal.state().unknown) {
            (Some(Decision::Send { first_sent }), _) => first_sent,
            (_, Some(unknown)) => unknown.first_sent,
            (_, None) => unix_seconds(SystemTime::now()),
        }
    }

    /// Records that a batch is about to be sent.
    ///
    /// # Errors
    /// If that does not reach the disk: the batch must not be sent. And if no request can be built.
    pub(super) fn before(&mut self, batch: &mut Batch, requests: &RequestBuilder) -> anyhow::Result<()> {
        let relies_on_keys = self.relies_on_keys(batch);
        let request = batch.request(requests)?;
        if relies_on_keys {
            request.assume_sent();
        }
        let repeat = match request.repeat() {
            cent::Repeat::Reads => Repeat::Reads,
            cent::Repeat::Keys if self.idempotent => Repeat::Keys,
            _ => Repeat::Nothing,
        };
        let (Some(&first), Some(&last)) = (batch.lines.first(), batch.lines.last()) else { return Ok(()) };
        let Some(end) = batch.checkpoint(batch.lines.len() - 1) else { return Ok(()) };
        let (lines, first_sent) = match &self.journal.state().unknown {
            Some(unknown) if batch.is_resend => (unknown.lines.up_to(last), self.first_sent()),
            _ => (LineSet::range(first, last), unix_seconds(SystemTime::now())),
        };
        self.journal.sent(lines, first_sent, repeat, end)
    }

    /// Records the result of a batch. Returns whether all of its outcome is known.
    ///
    /// # Errors
    /// If that does not reach the disk: its lines stay unknown.
    pub(super) fn after(&mut self, batch: &Batch, result: &Result<Vec<Reply>, Error>) -> anyhow::Result<bool> {
        let errors = result.iter().flatten().flat_map(Reply::errors);
        // Another attempt would be rejected, too.
        self.keys_are_useless |= batch.is_resend && errors.into_iter().any(is_rejected_repetition);
        self.journal.answered(&batch.lines, batch.is_resend, result, |index| batch.checkpoint(index))
    }

    /// Whether a command that changes something may have been executed, and nobody knows.
    pub(super) fn has_unknown(&self) -> bool {
        self.journal.state().unknown.as_ref().is_some_and(|unknown| unknown.repeat != Repeat::Reads)
    }

    /// Names the lines that earlier runs found rejected.
    pub(super) fn earlier_rejections(&self) -> Option<String> {
        let rejected = &self.earlier_rejected;
        let were = if rejected.count == 1 { "was" } else { "were" };
        (rejected.count > 0).then(|| format!("{} {were} rejected in an earlier run", name_counted(rejected)))
    }

    /// The summary of a run without lines to send; none if no line was ever sent.
    pub(super) fn finished_before(&self) -> Option<String> {
        let last = self.journal.state().done.line;
        let skipped = match &self.journal.state().skipped {
            NamedLines { count: 0, .. } => String::new(),
            skipped => format!(", but {} skipped", name_counted(skipped)),
        };
        (last > 0)
            .then(|| format!("nothing left to do: {} done earlier{skipped}", name_lines(&LineSet::range(1, last))))
    }

    /// The summary of a run that was stopped: which lines are done, are unknown, remain, and what to do.
    /// `batch_remains` is about the last batch, and `remaining` about the input after it.
    pub(super) fn stopped_summary(&self, batch_remains: bool, remaining: Remaining) -> String {
        let state = self.journal.state();
        let mut done = if state.done.line == 0 { LineSet::default() } else { LineSet::range(1, state.done.line) };
        if let Some(unknown) = &state.unknown {
            done = done.without(&unknown.lines);
        }
        let done = if done.is_empty() { "no lines done".to_owned() } else { format!("{} done", name_lines(&done)) };
        let fix = if remaining == Remaining::InvalidLine { "fix it, then " } else { "" };
        let next = state.end().line + 1;
        let rest = match (&state.unknown, remaining) {
            (None, Remaining::Nothing) if !batch_remains => Some("no lines remain".to_owned()),
            (None, _) => Some(format!("line {next} onwards not accepted: {fix}run the same command again")),
            (Some(_), Remaining::Nothing) => None,
            (Some(_), _) => Some(format!("line {next} onwards not accepted")),
        };
        let unknown = state.unknown.as_ref().map(|unknown| self.unknown_summary(unknown));
        [Some(done), unknown, rest].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn unknown_summary(&self, unknown: &Unknown) -> String {
        let lines = name_lines(&unknown.lines);
        let hint = match unknown.repeat {
            Repeat::Reads => "run the same command again".to_owned(),
            Repeat::Keys | Repeat::Nothing => {
                let minutes = minutes_left(unknown.first_sent, unix_seconds(SystemTime::now()));
                let has_keys = unknown.repeat == Repeat::Keys && self.idempotent && !self.keys_are_useless;
                match minutes.filter(|_| has_keys) {
                    Some(1) => "run the same command again within a minute".to_owned(),
                    Some(minutes) => format!("run the same command again within {minutes} minutes"),
                    None => check_hint(&unknown.lines),
                }
            }
        };
        format!("{lines} may have been executed: {hint}")
    }
}

fn is_rejected_repetition(error: &ReplyError) -> bool {
    error.kind() == ErrorKind::OutcomeUnknown && !error.is_repeatable()
}

/// Whole minutes, at least one, in which lines that were sent first at this time may be repeated.
fn minutes_left(first_sent: u64, now: u64) -> Option<u64> {
    let left = REPEAT_LIMIT.as_secs().checked_sub(now.checked_sub(first_sent)?)?;
    Some(left.saturating_sub(1) / 60).filter(|&minutes| minutes > 0)
}

/// Names the first lines, and counts the others.
fn name_counted(lines: &NamedLines) -> String {
    let NamedLines { first, count } = lines;
    match count - first.count().min(*count) {
        0 => name_lines(first),
        others => format!("{} and {others} more", name_lines(first)),
    }
}

fn check_hint(lines: &LineSet) -> String {
    let command = match lines.ranges() {
        [(first, last)] => format!(" (sed -n {first},{last}p)"),
        _ => String::new(),
    };
    let them = if lines.count() == 1 { "it" } else { "them" };
    format!("check {them}{command}, then run again with --unknown=send or --unknown=skip")
}

/// As in "line 5" or "lines 3, 7-9 and 100 more".
fn name_lines(lines: &LineSet) -> String {
    let name = |&(first, last): &(u64, u64)| LineSet::range(first, last).to_string();
    let named: Vec<String> = lines.ranges().iter().take(MAX_NAMED_RANGES).map(name).collect();
    let others: u64 = lines.ranges().iter().skip(MAX_NAMED_RANGES).map(|&(first, last)| last - first + 1).sum();
    let plural = if lines.count() == 1 { "" } else { "s" };
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    format!("line{plural} {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_named() {
        let name = |text: &str| name_lines(&text.parse().unwrap());
        assert_eq!(name("5"), "line 5");
        assert_eq!(name("1-2,5"), "lines 1-2, 5");
        let odd = (1..=25).step_by(2).map(|line| line.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(name(&odd), "lines 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 3 more");
    }

    #[test]
    fn one_range_can_be_printed_by_sed() {
        let hint = |text: &str| check_hint(&text.parse().unwrap());
        let choice = "then run again with --unknown=send or --unknown=skip";
        assert_eq!(hint("5-9"), format!("check them (sed -n 5,9p), {choice}"));
        assert_eq!(hint("5"), format!("check it (sed -n 5,5p), {choice}"));
        assert_eq!(hint("5,7"), format!("check them, {choice}"));
    }
}
