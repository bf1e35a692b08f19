//! The ledger of a run: what is known of each line. It is the sum of its entries; a journal keeps them for the next run.

use std::fmt;

use cent::{Error, ErrorKind, Repeat, Reply};
use serde::{Deserialize, Serialize};

use line_set::LineSet;

use crate::clock::Timestamp;

pub(crate) mod line_set;
pub(crate) mod summary;

/// How many rejected or skipped lines are remembered by number. The others are counted.
const MAX_NAMED: usize = 20;

/// How an entry is written that says [whether a request may be sent again](Repeat).
#[derive(Serialize, Deserialize)]
#[serde(remote = "Repeat", rename_all = "lowercase")]
enum RepeatName {
    Reads,
    Keys,
    Nothing,
}

/// What happens to lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Entry {
    /// A request with these lines is about to be sent.
    Sent(Sent),
    /// It was answered.
    #[serde(rename = "done")]
    Answered(Answered),
    /// Nothing of it was accepted.
    #[serde(rename = "not_accepted")]
    NotAccepted(NotAccepted),
    /// The user decided that unknown lines are not sent again.
    Skipped(Skipped),
    /// The user decided that unknown lines count as never sent.
    Released(Released),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) lines: LineSet,
    /// When they were sent for the first time, in seconds since 1970, and since the start of the machine.
    pub(crate) time: u64,
    pub(crate) uptime: u64,
    /// Whose uptime that is.
    pub(crate) machine: Option<String>,
    #[serde(with = "RepeatName")]
    pub(crate) repeat: Repeat,
}

impl Sent {
    pub(crate) fn new(lines: LineSet, first: Timestamp, repeat: Repeat) -> Self {
        let Timestamp { time, uptime, machine } = first;
        Self { lines, time, uptime, machine, repeat }
    }

    fn first(&self) -> Timestamp {
        Timestamp { time: self.time, uptime: self.uptime, machine: self.machine.clone() }
    }
}

/// All lines up to `done` are settled, except those that are named as unknown or failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answered {
    #[serde(rename = "line")]
    pub(crate) done: u64,
    /// How many lines have a reply; the others are blank.
    pub(crate) replies: u64,
    #[serde(default, skip_serializing_if = "LineSet::is_empty")]
    pub(crate) rejected: LineSet,
    /// Those that only read, and failed for now.
    #[serde(default, skip_serializing_if = "LineSet::is_empty")]
    pub(crate) failed: LineSet,
    /// Those that may have been executed despite an error.
    #[serde(default, skip_serializing_if = "LineSet::is_empty")]
    pub(crate) unknown: LineSet,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotAccepted {
    /// All lines up to this one stay settled, except those of the request. If that is before the last line that is done,
    /// the lines in between, which were all rejected, count as never sent.
    #[serde(rename = "line")]
    pub(crate) done: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skipped {
    pub(crate) lines: LineSet,
    /// All lines up to this one are settled.
    #[serde(rename = "line")]
    pub(crate) done: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Released {
    pub(crate) lines: LineSet,
    /// All lines up to this one stay settled, except those of them that are released.
    #[serde(rename = "line")]
    pub(crate) done: u64,
}

impl Entry {
    /// The last line that it is about.
    pub(crate) fn last_line(&self) -> u64 {
        match self {
            Self::Sent(sent) => sent.lines.last().unwrap_or_default(),
            Self::Answered(Answered { done, .. })
            | Self::NotAccepted(NotAccepted { done })
            | Self::Skipped(Skipped { done, .. })
            | Self::Released(Released { done, .. }) => *done,
        }
    }

    /// What a result says about the lines of a request; none if it leaves all of them unknown. `is_repetition` if they
    /// were unknown before, and `done` is the ledger's.
    pub(crate) fn from_result(
        lines: &[u64],
        result: &Result<Vec<Reply>, Error>,
        is_repetition: bool,
        done: u64,
    ) -> Option<Self> {
        match result {
            Ok(replies) => Some(Self::Answered(Answered::new(lines, replies, done))),
            // An earlier attempt may have been executed, whatever happened to this one.
            Err(error) if is_repetition || error.kind() == ErrorKind::OutcomeUnknown => None,
            Err(_) => Some(Self::NotAccepted(NotAccepted { done })),
        }
    }
}

impl Answered {
    /// What these replies say about the lines of a request, where all lines up to `done` were settled before.
    fn new(lines: &[u64], replies: &[Reply], done: u64) -> Self {
        let last = lines.last().copied().unwrap_or_default();
        let mut answered = Self { done: done.max(last), replies: replies.len() as u64, ..Self::default() };
        for (&line, reply) in lines.iter().zip(replies) {
            let has = |kind| reply.errors().iter().any(|error| error.kind() == kind);
            match reply.errors() {
                [] => {}
                _ if has(ErrorKind::OutcomeUnknown) => answered.unknown.push(line),
                _ if has(ErrorKind::SafeToRetry) => answered.failed.push(line),
                _ => answered.rejected.push(line),
            }
        }
        answered
    }

    /// Lines whose replies do not say what became of them.
    pub(crate) fn open(&self) -> LineSet {
        self.failed.union(&self.unknown)
    }
}

/// What earlier runs did with lines that are to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    New,
    /// They were left out between others that are done.
    Unsent,
    /// They may have been executed.
    Unknown,
}

/// Lines that may have been executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) lines: LineSet,
    /// When the first of them was sent.
    pub(crate) first: Timestamp,
    pub(crate) repeat: Repeat,
    /// The last line of the requests that they were in.
    pub(crate) end: u64,
}

/// The rejected or skipped lines: the first ones, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamedLines {
    pub(crate) first: LineSet,
    pub(crate) count: u64,
}

impl NamedLines {
    fn add(&mut self, lines: &LineSet) {
        self.count = self.count.saturating_add(lines.count());
        if self.first.count() >= MAX_NAMED as u64 {
            return;
        }
        let mut first = LineSet::default();
        for line in self.first.union(lines).take(MAX_NAMED) {
            first.push(line);
        }
        self.first = first;
    }
}

/// What a run did, without those before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Totals {
    /// The line before its first one.
    start: u64,
    /// Commands that have a reply.
    replies: u64,
    /// Those of them that the server rejected.
    rejected: u64,
    /// Those of them that only read, and failed for now.
    failed: u64,
    /// Those of them that may have been executed despite an error.
    unknown: u64,
    /// The first line that failed for now.
    first_failed: Option<u64>,
    /// Whether any command was sent that changes something.
    has_changes: bool,
}

/// An entry that cannot follow the others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// All lines up to [`done`](Self::done) are settled (accepted, rejected or skipped), except those that are
/// [unknown](Self::unknown). What comes after both was not sent, or not accepted.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the job")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    done: u64,
    unknown: Option<Unknown>,
    /// Lines up to `done` that were not executed, and are to be sent.
    unsent: LineSet,
    /// Up to where keys may have been used before, and when that was: until those lines are done, the time of their keys
    /// counts from there.
    keys_used: Option<(u64, Timestamp)>,
    rejected: NamedLines,
    /// How many commands were accepted or rejected.
    settled: u64,
    /// What `done` and `rejected` were before the last requests, if those were rejected as a whole.
    kept_rejections: (u64, NamedLines),
    skipped: NamedLines,
    /// The lines of the request under way.
    in_flight: Option<LineSet>,
    /// Whether a later run can go on with it: then lines without a result are sent again, else they are counted.
    is_journaled: bool,
    /// Whether no later run can do so after all.
    is_journal_lost: bool,
    /// Whether another run may rely on idempotency keys.
    keys_help: bool,
    /// Whether the server executed the commands before an invalid one, so that nobody knows which it is.
    has_invalid_line: bool,
    /// Lines that earlier runs found rejected.
    rejected_earlier: NamedLines,
    /// How many commands they found accepted or rejected.
    settled_earlier: u64,
    run: Totals,
}

impl Ledger {
    /// The ledger of a journal.
    pub(crate) fn journaled() -> Self {
        Self { is_journaled: true, ..Self::default() }
    }

    /// Begins a run, after the entries of earlier ones.
    pub(crate) fn begin(&mut self, has_keys: bool) {
        (self.rejected_earlier, self.settled_earlier) = (self.rejected.clone(), self.settled);
        self.keys_help = has_keys;
        self.run = Totals { start: self.end(), ..Totals::default() };
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    pub(crate) fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_ref()
    }

    /// Lines that come before the last one that is done, and are to be sent.
    pub(crate) fn unsent(&self) -> &LineSet {
        &self.unsent
    }

    /// When the key of a line was used for the first time, if that was before it counted as never sent.
    pub(crate) fn keys_used(&self, line: u64) -> Option<&Timestamp> {
        self.keys_used.as_ref().filter(|(end, _)| line <= *end).map(|(_, first)| first)
    }

    /// The last line that is done or unknown.
    pub(crate) fn end(&self) -> u64 {
        self.unknown.as_ref().map_or(self.done, |unknown| self.done.max(unknown.end))
    }

    /// The line before the last requests, if those were rejected as a whole.
    pub(crate) fn kept_end(&self) -> u64 {
        self.kept_rejections.0
    }

    /// How many commands of this run have a reply.
    pub(crate) fn replies(&self) -> u64 {
        self.run.replies
    }

    /// Whether the server accepted a command in an earlier run.
    pub(crate) fn has_earlier_acceptance(&self) -> bool {
        self.settled_earlier > self.rejected_earlier.count
    }

    /// Whether all commands of this run were read-only.
    pub(crate) fn is_read_only(&self) -> bool {
        !self.run.has_changes
    }

    /// Whether a command that changes something may have been executed, and nobody knows.
    pub(crate) fn has_unknown(&self) -> bool {
        self.run.unknown > 0 || self.unknown.as_ref().is_some_and(|unknown| unknown.repeat != Repeat::Reads)
    }

    /// Whether any line of this run is settled or unknown, so that not all have to be sent again.
    pub(crate) fn has_progress(&self) -> bool {
        self.next_line() > self.run.start.saturating_add(1) || self.is_journaled && self.run.replies > self.run.failed
    }

    /// The line to resume at: the first one that was not accepted and is not unknown either. A run that only reads resumes
    /// at the first one that failed for now.
    fn next_line(&self) -> u64 {
        self.run.first_failed.filter(|_| self.is_read_only()).unwrap_or(self.end().saturating_add(1))
    }

    /// Lets the summary recommend nothing that relies on the journal: what it does not say would be sent twice.
    pub(crate) fn set_journal_is_lost(&mut self) {
        self.is_journal_lost = true;
    }

    /// Lets the summary recommend nothing that relies on keys: the server ignores them, has forgotten them, or rejects the
    /// commands.
    pub(crate) fn set_keys_are_useless(&mut self) {
        self.keys_help = false;
    }

    /// Lets the summary recommend to send lines by themselves: one of those that are unknown is invalid.
    pub(crate) fn set_has_invalid_line(&mut self) {
        self.has_invalid_line = true;
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// If it cannot follow the others; nothing is changed then.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), Contradiction> {
        match entry {
            Entry::Sent(sent) => self.add_sent(sent),
            Entry::Answered(answered) => self.add_answered(answered),
            Entry::NotAccepted(not_accepted) => self.add_not_accepted(not_accepted),
            Entry::Skipped(skipped) => self.add_skipped(skipped),
            Entry::Released(released) => self.add_released(released),
        }
    }

    /// Sent are either new lines, or some of those that are unknown or were left out.
    fn add_sent(&mut self, sent: &Sent) -> Result<(), Contradiction> {
        let lines = &sent.lines;
        let (first, end) = lines.first().zip(lines.last()).ok_or(Contradiction)?;
        let is_valid = match &self.unknown {
            Some(unknown) => lines.is_subset_of(&unknown.lines),
            None => first > self.done || lines.is_subset_of(&self.unsent),
        };
        if !is_valid {
            return Err(Contradiction);
        }
        self.in_flight = Some(lines.clone());
        self.unsent = self.unsent.without(lines);
        self.run.has_changes |= sent.repeat != Repeat::Reads;
        let repeat = sent.repeat;
        let others = self.unknown.take().filter(|unknown| unknown.lines != *lines);
        self.unknown = Some(match others {
            // Those that are not in this request are the older ones.
            Some(unknown) => Unknown { repeat: unknown.repeat.max(repeat), ..unknown },
            None => Unknown { lines: lines.clone(), first: sent.first(), repeat, end },
        });
        Ok(())
    }

    fn add_answered(&mut self, answered: &Answered) -> Result<(), Contradiction> {
        let Answered { done, replies, rejected, failed, unknown } = answered;
        let sent = self.in_flight.as_ref().ok_or(Contradiction)?;
        let (open, is_accepted) = (answered.open(), rejected != sent);
        let is_valid = Some(*done) == sent.last().max(Some(self.done))
            && *replies <= sent.count()
            && rejected.is_subset_of(sent)
            && open.is_subset_of(sent);
        if !is_valid {
            return Err(Contradiction);
        }
        self.settled = self.settled.saturating_add(replies.saturating_sub(open.count()));
        let open = if self.is_journaled { open } else { LineSet::default() };
        self.settle_in_flight(&open);
        // Those that failed for now only read, whatever the others of the request do.
        if let Some(unknown) = self.unknown.as_mut().filter(|unknown| unknown.lines == *failed) {
            unknown.repeat = Repeat::Reads;
        }
        self.done = *done;
        self.rejected.add(rejected);
        let run = &mut self.run;
        run.replies += replies;
        run.rejected += rejected.count();
        run.failed += failed.count();
        run.unknown += unknown.count();
        run.first_failed = run.first_failed.or(failed.first());
        if is_accepted {
            self.keep_rejections();
        }
        Ok(())
    }

    fn add_not_accepted(&mut self, not_accepted: &NotAccepted) -> Result<(), Contradiction> {
        let sent = self.in_flight.as_ref().ok_or(Contradiction)?;
        let (kept, rejected) = &self.kept_rejections;
        // Of others that are unknown, an earlier attempt may have been executed.
        if self.unknown.as_ref().is_some_and(|unknown| unknown.lines != *sent) {
            return Err(Contradiction);
        }
        if not_accepted.done < self.done {
            // The server accepts nothing, so the lines before these are not to blame either.
            if not_accepted.done != *kept || !self.unsent.is_empty() {
                return Err(Contradiction);
            }
            let withdrawn = self.rejected.count.saturating_sub(rejected.count);
            (self.done, self.rejected) = (*kept, rejected.clone());
            self.settled = self.settled.saturating_sub(withdrawn);
            self.run.replies = self.run.replies.saturating_sub(withdrawn);
            self.run.rejected = self.run.rejected.saturating_sub(withdrawn);
        } else if not_accepted.done > self.done {
            return Err(Contradiction);
        }
        // Lines in the middle must not get lost.
        self.unsent = self.unsent.union(&sent.up_to(self.done));
        self.settle_in_flight(&LineSet::default());
        Ok(())
    }

    /// Lets the lines that were rejected so far be rejected for good: the server accepts others.
    fn keep_rejections(&mut self) {
        self.kept_rejections = (self.done, self.rejected.clone());
    }

    /// Takes the lines of the request for known, except those that are open.
    fn settle_in_flight(&mut self, open: &LineSet) {
        let sent = self.in_flight.take().unwrap_or_default();
        if let Some(unknown) = self.unknown.take() {
            let lines = unknown.lines.without(&sent).union(open);
            self.unknown = (!lines.is_empty()).then_some(Unknown { lines, ..unknown });
        }
    }

    fn add_skipped(&mut self, skipped: &Skipped) -> Result<(), Contradiction> {
        let unknown = self.unknown.as_ref().filter(|unknown| unknown.lines == skipped.lines);
        unknown.filter(|_| skipped.done == self.end()).ok_or(Contradiction)?;
        (self.done, self.unknown, self.in_flight) = (skipped.done, None, None);
        self.skipped.add(&skipped.lines);
        self.keep_rejections();
        Ok(())
    }

    fn add_released(&mut self, released: &Released) -> Result<(), Contradiction> {
        let unknown = self.unknown.as_ref().filter(|unknown| unknown.lines == released.lines);
        let unknown = unknown.filter(|_| released.done == self.done).ok_or(Contradiction)?;
        if unknown.repeat == Repeat::Keys {
            self.keys_used = Some((unknown.end, unknown.first.clone()));
        }
        self.unsent = self.unsent.union(&unknown.lines.up_to(self.done));
        (self.unknown, self.in_flight) = (None, None);
        self.keep_rejections();
        Ok(())
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal does not fit the input")
    }
}

impl std::error::Error for Contradiction {}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> LineSet {
        if text.is_empty() { LineSet::default() } else { text.parse().unwrap() }
    }

    fn first(time: u64) -> Timestamp {
        Timestamp { time, uptime: time, machine: Some("m".to_owned()) }
    }

    fn sent(lines: &str, time: u64) -> Entry {
        Entry::Sent(Sent::new(set(lines), first(time), Repeat::Keys))
    }

    fn not_accepted(done: u64) -> Entry {
        Entry::NotAccepted(NotAccepted { done })
    }

    fn released(lines: &str, done: u64) -> Entry {
        Entry::Released(Released { lines: set(lines), done })
    }

    fn done(done: u64, rejected: &str, unknown: &str) -> Entry {
        Entry::Answered(Answered { done, rejected: set(rejected), unknown: set(unknown), ..Answered::default() })
    }

    fn skipped(lines: &str, done: u64) -> Entry {
        Entry::Skipped(Skipped { lines: set(lines), done })
    }

    fn ledger(entries: &[Entry]) -> Ledger {
        let mut ledger = Ledger::journaled();
        for entry in entries {
            ledger.add(entry).unwrap();
        }
        ledger
    }

    fn unknown_lines(ledger: &Ledger) -> String {
        ledger.unknown().map_or_else(String::new, |unknown| unknown.lines.to_string())
    }

    #[test]
    fn sent_without_answer_is_unknown() {
        let ledger = ledger(&[sent("1-100", 10), done(100, "", ""), sent("101-200", 20)]);
        assert_eq!((ledger.done(), ledger.end()), (100, 200));
        let unknown = ledger.unknown().unwrap();
        assert_eq!((unknown.lines.to_string().as_str(), unknown.first.time), ("101-200", 20));
    }

    #[test]
    fn answer_settles_the_request() {
        let mut all = vec![sent("1-100", 10), done(100, "3", "")];
        assert_eq!(ledger(&all).end(), 100);
        assert_eq!(unknown_lines(&ledger(&all)), "");
        // Nothing of it was accepted.
        all.extend([sent("101-200", 20), not_accepted(100)]);
        assert_eq!((ledger(&all).done(), unknown_lines(&ledger(&all))), (100, String::new()));
        // Some replies leave it open what happened.
        all.extend([sent("101-200", 30), done(200, "120-121", "151-200")]);
        assert_eq!((ledger(&all).done(), unknown_lines(&ledger(&all))), (200, "151-200".to_owned()));
        assert_eq!(ledger(&all).rejected, NamedLines { first: set("3,120-121"), count: 3 });
    }

    #[test]
    fn resent_parts_keep_first_time() {
        let mut all = vec![sent("1-100", 10), sent("1-50", 20)];
        let unknown = ledger(&all).unknown.unwrap();
        assert_eq!((unknown.lines.to_string().as_str(), unknown.first.time), ("1-100", 10));
        all.push(done(50, "", ""));
        assert_eq!((ledger(&all).done(), unknown_lines(&ledger(&all))), (50, "51-100".to_owned()));
        // All that remains is sent at a time of its own.
        all.push(sent("51-100", 500));
        assert_eq!(ledger(&all).unknown.unwrap().first.time, 500);
        all.push(done(100, "", ""));
        assert_eq!((ledger(&all).done(), unknown_lines(&ledger(&all))), (100, String::new()));
    }

    #[test]
    fn part_that_only_reads_leaves_others_as_they_are() {
        let reads = Entry::Sent(Sent::new(set("1-2"), first(20), Repeat::Reads));
        let all = [sent("1-4", 10), reads.clone()];
        assert_eq!(ledger(&all).unknown.unwrap().repeat, Repeat::Keys);
        let changes = Entry::Sent(Sent::new(set("1-2"), first(20), Repeat::Nothing));
        assert_eq!(ledger(&[sent("1-4", 10), changes]).unknown.unwrap().repeat, Repeat::Nothing);
        // All that is left is judged by itself.
        let rest = [sent("1-4", 10), sent("3-4", 10), done(4, "", ""), reads];
        assert_eq!(ledger(&rest).unknown.unwrap().repeat, Repeat::Reads);
    }

    #[test]
    fn skipped_lines_are_done() {
        let all = [
            sent("1-100", 10),
            done(100, "", "5,7"),
            skipped("5,7", 100),
            sent("101-102", 11),
            skipped("101-102", 102),
        ];
        assert_eq!((ledger(&all).done(), unknown_lines(&ledger(&all))), (102, String::new()));
    }

    #[test]
    fn released_lines_count_as_never_sent() {
        let mut all = vec![sent("1-4", 10), done(4, "", "2"), sent("2", 10), not_accepted(4)];
        // It was not unknown before that request.
        assert_eq!((ledger(&all).unsent(), unknown_lines(&ledger(&all))), (&set("2"), String::new()));
        all.extend([sent("2", 10), done(4, "", "2"), released("2", 4)]);
        assert_eq!((ledger(&all).unsent(), unknown_lines(&ledger(&all))), (&set("2"), String::new()));
        assert_eq!((ledger(&all).keys_used(2), ledger(&all).keys_used(3)), (Some(&first(10)), None));
        all.extend([sent("2", 20), done(4, "2", "")]);
        assert_eq!((ledger(&all).unsent(), ledger(&all).done()), (&set(""), 4));
        // Those after the last line that is done were not sent at all.
        all.extend([sent("5-8", 30), released("5-8", 4)]);
        assert_eq!((ledger(&all).unsent(), ledger(&all).end()), (&set(""), 4));
        assert_eq!(ledger(&all).keys_used(8), Some(&first(30)));
        all.extend([sent("5", 30), not_accepted(4), sent("5-6", 40), done(6, "5", "")]);
        assert_eq!((ledger(&all).done(), ledger(&all).rejected.count), (6, 2));
    }

    #[test]
    fn impossible_entries_are_errors() {
        let first = [sent("1-100", 10), done(100, "", "")];
        let unknown = [sent("1-100", 10)];
        for (before, entry) in [
            (&[][..], done(1, "", "")),
            (&[], done(0, "", "")),
            (&[], done(1, "1", "")),
            (&[], not_accepted(0)),
            (&[], skipped("1", 1)),
            (&[], sent("", 1)),
            (&first, done(100, "", "")),
            (&first, sent("100-101", 1)),
            (&first, sent("50", 1)),
            (&first, skipped("101", 101)),
            (&unknown, sent("101", 1)),
            (&unknown, sent("100-101", 1)),
            (&unknown, done(101, "", "")),
            (&unknown, done(99, "", "")),
            (&unknown, done(0, "", "")),
            (&unknown, not_accepted(1)),
            (&unknown, released("1-99", 0)),
            (&unknown, released("1-100", 100)),
            (&first, not_accepted(100)),
            (&first, released("1-100", 100)),
            (&unknown, done(100, "101", "")),
            (&unknown, done(100, "", "101")),
            (&[sent("1-100", 10), sent("1-50", 20)], not_accepted(0)),
            (&unknown, Entry::Answered(Answered { done: 100, replies: 101, ..Answered::default() })),
            (&unknown, skipped("1-99", 100)),
            (&unknown, skipped("1-100", 99)),
        ] {
            let mut ledger = ledger(before);
            let unchanged = ledger.clone();
            assert_eq!(ledger.add(&entry), Err(Contradiction), "{entry:?}");
            assert_eq!(ledger, unchanged);
        }
        let last = [sent("18446744073709551615", 1), done(u64::MAX, "", "")];
        assert_eq!(ledger(&last).add(&sent("1", 1)), Err(Contradiction));
    }

    #[test]
    fn rejections_are_withdrawn_if_nothing_is_accepted() {
        let start = [sent("1-2", 10), done(2, "1", "")];
        let rejections = [sent("3", 10), done(3, "3", ""), sent("4", 10), done(4, "4", ""), sent("5", 10)];
        assert_eq!(ledger(&[&start[..], &rejections].concat()).kept_end(), 2);
        let all = [&start[..], &rejections, &[not_accepted(2)]].concat();
        assert_eq!((ledger(&all).done(), ledger(&all).rejected), (2, NamedLines { first: set("1"), count: 1 }));
        assert_eq!((ledger(&all).unsent(), ledger(&all).unknown()), (&set(""), None));
        assert_eq!(ledger(&[all, vec![sent("3-5", 20), done(5, "", "")]].concat()).done(), 5);
        // Those that were rejected stay so if only the next request is not accepted.
        let next = [&start[..], &[sent("3", 10), done(3, "3", ""), sent("4", 10), not_accepted(3)]].concat();
        assert_eq!((ledger(&next).done(), ledger(&next).rejected.count), (3, 2));
        // Nor while others of the same request are unknown.
        let others = [&start[..], &[sent("3-5", 10), sent("3", 10), done(3, "3", ""), sent("4", 10)]].concat();
        assert_eq!(ledger(&others).add(&not_accepted(2)), Err(Contradiction));
        // Nor those before an accepted line, nor a part of them.
        for line in [0, 1, 3] {
            let mut ledger = ledger(&[&start[..], &rejections].concat());
            assert_eq!(ledger.add(&not_accepted(line)), Err(Contradiction));
        }
        let mut kept = ledger(&[&rejections[..], &[done(5, "", ""), sent("6", 10)]].concat());
        assert_eq!(kept.add(&not_accepted(2)), Err(Contradiction));
        assert_eq!((kept.add(&not_accepted(5)), kept.done()), (Ok(()), 5));
    }

    #[test]
    fn entries_know_their_last_line() {
        let entries = [sent("3-9", 1), done(9, "", ""), not_accepted(9), skipped("1-2", 9), released("1-2", 9)];
        assert!(entries.iter().all(|entry| entry.last_line() == 9));
    }

    #[test]
    fn rejected_request_was_not_accepted_unless_it_is_a_repetition() {
        let result = Err(cent::Command::new("publish", "[]").unwrap_err());
        let entry = |is_repetition| Entry::from_result(&[3, 4], &result, is_repetition, 2);
        assert_eq!((entry(false), entry(true)), (Some(not_accepted(2)), None));
        let answered = Answered { done: 4, ..Answered::default() };
        assert_eq!(Entry::from_result(&[3, 4], &Ok(Vec::new()), true, 2), Some(Entry::Answered(answered)));
    }

    /// The ledger of a run after earlier ones.
    fn run_after(is_journaled: bool, earlier: &[Entry], entries: &[Entry]) -> Ledger {
        let mut ledger = Ledger { is_journaled, ..Ledger::default() };
        earlier.iter().try_for_each(|entry| ledger.add(entry)).unwrap();
        ledger.begin(true);
        entries.iter().try_for_each(|entry| ledger.add(entry)).unwrap();
        ledger
    }

    #[test]
    fn run_has_progress_once_a_line_is_settled_or_unknown() {
        let earlier = [sent("1-3", 1), done(3, "", "2")];
        let reply = |failed| {
            let answered = Answered { done: 3, replies: 1, failed: set(failed), ..Answered::default() };
            [sent("2", 1), Entry::Answered(answered)]
        };
        let progress = |entries: &[Entry]| run_after(true, &earlier, entries).has_progress();
        assert!(!progress(&[]));
        assert!(!progress(&[sent("2", 1)]));
        assert!(progress(&[sent("2", 1), done(3, "", ""), sent("4", 1)]));
        assert_eq!((progress(&reply("")), progress(&reply("2"))), (true, false));
        let first = |entries: &[Entry]| run_after(false, &[], entries).has_progress();
        assert_eq!((first(&[]), first(&[sent("1", 1), done(1, "", "")])), (false, true));
        // Without a journal, lines that failed for now are sent again with those after them.
        let failed = Answered { done: 1, replies: 1, failed: set("1"), ..Answered::default() };
        let reads = Entry::Sent(Sent::new(set("1"), self::first(1), Repeat::Reads));
        assert!(!first(&[reads, Entry::Answered(failed)]));
        let parts = [reply("2"), reply("2")].concat();
        assert!(!progress(&parts));
    }

    #[test]
    fn lines_that_failed_for_now_only_read() {
        let answered = |failed, unknown| {
            Entry::Answered(Answered { done: 4, failed: set(failed), unknown: set(unknown), ..Answered::default() })
        };
        let repeat = |failed, unknown| ledger(&[sent("1-4", 1), answered(failed, unknown)]).unknown.unwrap().repeat;
        assert_eq!((repeat("1,3", ""), repeat("1", "3"), repeat("", "3")), (Repeat::Reads, Repeat::Keys, Repeat::Keys));
        // Others are unknown, too.
        let parts = [sent("1-6", 1), sent("1-4", 1), answered("1", "")];
        assert_eq!(ledger(&parts).unknown.unwrap().repeat, Repeat::Keys);
    }

    #[test]
    fn acceptance_in_an_earlier_run_is_known() {
        let answered = |replies, rejected| {
            [
                sent("1-2", 1),
                Entry::Answered(Answered { done: 2, replies, rejected: set(rejected), ..Answered::default() }),
            ]
        };
        let has_acceptance =
            |replies, rejected| run_after(true, &answered(replies, rejected), &[]).has_earlier_acceptance();
        assert_eq!((has_acceptance(2, "1-2"), has_acceptance(2, "2"), has_acceptance(2, "")), (false, true, true));
        assert!(!run_after(true, &[], &answered(2, "")).has_earlier_acceptance());
    }

    #[test]
    fn lines_that_only_read_are_never_unknown() {
        let reads = |lines: &str| Entry::Sent(Sent::new(set(lines), first(1), Repeat::Reads));
        let state = |entries: &[Entry]| {
            let ledger = run_after(true, &[], entries);
            (ledger.is_read_only(), ledger.has_unknown())
        };
        assert_eq!(state(&[]), (true, false));
        assert_eq!(state(&[reads("1")]), (true, false));
        assert_eq!(state(&[sent("1", 1)]), (false, true));
        assert_eq!(state(&[sent("1", 1), done(1, "", ""), reads("2")]), (false, false));
        assert!(run_after(true, &[sent("1", 1), done(1, "", "")], &[reads("2")]).is_read_only());
        let unknown = Answered { done: 1, replies: 1, unknown: set("1"), ..Answered::default() };
        assert!(run_after(false, &[], &[sent("1", 1), Entry::Answered(unknown)]).has_unknown());
    }

    #[test]
    fn without_journal_open_lines_are_counted() {
        let answered = Answered { done: 9, unknown: set("3"), failed: set("5-6"), replies: 9, ..Answered::default() };
        let entries = [sent("1-9", 10), Entry::Answered(answered)];
        let mut ledger = Ledger::default();
        for entry in &entries {
            ledger.add(entry).unwrap();
        }
        assert_eq!((ledger.unknown(), ledger.has_unknown(), ledger.replies()), (None, true, 9));
        assert_eq!(ledger.add(&sent("10", 1)), Ok(()));
        assert_eq!(unknown_lines(&self::ledger(&entries)), "3,5-6");
    }

    #[test]
    fn rejected_lines_are_bounded() {
        let mut rejected = NamedLines::default();
        rejected.add(&set("1-15"));
        rejected.add(&set("21-40"));
        assert_eq!(rejected, NamedLines { first: set("1-15,21-25"), count: 35 });
        rejected.add(&set("50"));
        assert_eq!(rejected, NamedLines { first: set("1-15,21-25"), count: 36 });
    }
}
