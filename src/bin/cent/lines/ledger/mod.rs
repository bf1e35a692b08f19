//! The ledger of a run: what is known of each line. It is the sum of its entries; a journal keeps them for the next run.

use std::fmt;

use cent::{Error, ErrorKind, Repeat, Reply};
use serde::{Deserialize, Serialize};

use line_set::LineSet;

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
    /// The user decided that unknown lines are not sent again.
    Skipped(Skipped),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) lines: LineSet,
    /// When they were sent for the first time, in seconds since 1970.
    pub(crate) time: u64,
    #[serde(with = "RepeatName")]
    pub(crate) repeat: Repeat,
}

/// All lines up to `done` are settled, except those that are named as unknown or failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answered {
    #[serde(rename = "line")]
    pub(crate) done: u64,
    #[serde(default, skip_serializing_if = "LineSet::is_empty")]
    pub(crate) rejected: LineSet,
    /// Those that only read, and failed for now.
    #[serde(default, skip_serializing_if = "LineSet::is_empty")]
    pub(crate) failed: LineSet,
    /// Those that may have been executed despite an error.
    #[serde(default, skip_serializing_if = "LineSet::is_empty")]
    pub(crate) unknown: LineSet,
    /// How many lines have a reply. Earlier runs have printed theirs, so a journal need not keep it.
    #[serde(skip)]
    pub(crate) replies: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skipped {
    pub(crate) lines: LineSet,
    /// All lines up to this one are settled.
    pub(crate) done: u64,
}

impl Entry {
    /// The last line that it is about.
    pub(crate) fn last_line(&self) -> u64 {
        match self {
            Self::Sent(sent) => sent.lines.last().unwrap_or_default(),
            Self::Answered(Answered { done, .. }) | Self::Skipped(Skipped { done, .. }) => *done,
        }
    }
}

impl Answered {
    /// What a result says about the lines of a request; none if it leaves all of them unknown.
    pub(crate) fn new(lines: &[u64], result: &Result<Vec<Reply>, Error>, is_resend: bool, done: u64) -> Option<Self> {
        let replies = match result {
            Ok(replies) => replies,
            // An earlier attempt may have been executed, whatever happened to this one.
            Err(error) if is_resend || error.kind() == ErrorKind::OutcomeUnknown => return None,
            Err(_) => return Some(Self { done, ..Self::default() }),
        };
        let mut answered = Self { done: done.max(*lines.last()?), replies: replies.len() as u64, ..Self::default() };
        for (&line, reply) in lines.iter().zip(replies) {
            let has = |kind| reply.errors().iter().any(|error| error.kind() == kind);
            match reply.errors() {
                [] => {}
                _ if has(ErrorKind::OutcomeUnknown) => answered.unknown.push(line),
                _ if has(ErrorKind::SafeToRetry) => answered.failed.push(line),
                _ => answered.rejected.push(line),
            }
        }
        Some(answered)
    }
}

/// Lines that may have been executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) lines: LineSet,
    /// When the first of them was sent, in seconds since 1970.
    pub(crate) first_sent: u64,
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
        if lines.is_empty() || self.first.count() >= MAX_NAMED as u64 {
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    done: u64,
    unknown: Option<Unknown>,
    rejected: NamedLines,
    skipped: NamedLines,
    /// The lines of the request under way.
    in_flight: Option<LineSet>,
    /// Whether a later run can go on with it: then lines without a result are sent again, else they are counted.
    is_journaled: bool,
    /// Whether another run may rely on idempotency keys.
    keys_help: bool,
    /// Lines that earlier runs found rejected.
    rejected_earlier: NamedLines,
    run: Totals,
}

impl Ledger {
    /// The ledger of a journal.
    pub(crate) fn journaled() -> Self {
        Self { is_journaled: true, ..Self::default() }
    }

    /// Begins a run, after the entries of earlier ones.
    pub(crate) fn begin(&mut self, has_keys: bool) {
        (self.rejected_earlier, self.keys_help) = (self.rejected.clone(), has_keys);
        self.run = Totals { start: self.end(), ..Totals::default() };
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    pub(crate) fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_ref()
    }

    /// The last line that was sent and not turned away.
    pub(crate) fn end(&self) -> u64 {
        self.unknown.as_ref().map_or(self.done, |unknown| self.done.max(unknown.end))
    }

    /// How many commands of this run have a reply.
    pub(crate) fn replies(&self) -> u64 {
        self.run.replies
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
        self.next_line() > self.run.start.saturating_add(1)
    }

    /// The line to resume at: the first one that was not accepted and is not unknown either. A run that only reads resumes
    /// at the first one that failed for now.
    fn next_line(&self) -> u64 {
        self.run.first_failed.filter(|_| self.is_read_only()).unwrap_or(self.end().saturating_add(1))
    }

    /// Lets the summary recommend nothing that relies on keys: the server ignores them, has forgotten them, or rejects the
    /// commands.
    pub(crate) fn set_keys_are_useless(&mut self) {
        self.keys_help = false;
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// If it cannot follow the others; nothing is changed then.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), Contradiction> {
        match entry {
            Entry::Sent(sent) => self.add_sent(sent),
            Entry::Answered(answered) => self.add_answered(answered),
            Entry::Skipped(skipped) => self.add_skipped(skipped),
        }
    }

    /// Sent are either new lines, or some of those that are unknown.
    fn add_sent(&mut self, sent: &Sent) -> Result<(), Contradiction> {
        let Sent { lines, time, repeat } = sent;
        let (first, end) = lines.first().zip(lines.last()).ok_or(Contradiction)?;
        let is_valid = match &self.unknown {
            Some(unknown) => lines.is_subset_of(&unknown.lines),
            None => first > self.done,
        };
        if !is_valid {
            return Err(Contradiction);
        }
        let sent = Unknown { lines: lines.clone(), first_sent: *time, repeat: *repeat, end };
        self.in_flight = Some(lines.clone());
        self.run.has_changes |= *repeat != Repeat::Reads;
        let others = self.unknown.take().filter(|unknown| unknown.lines != *lines);
        self.unknown = Some(match others {
            Some(unknown) => Unknown {
                first_sent: unknown.first_sent.min(sent.first_sent),
                repeat: unknown.repeat.max(sent.repeat),
                end: unknown.end.max(sent.end),
                lines: unknown.lines,
            },
            None => sent,
        });
        Ok(())
    }

    fn add_answered(&mut self, answered: &Answered) -> Result<(), Contradiction> {
        let Answered { done, rejected, failed, unknown, replies } = answered;
        let nothing = LineSet::default();
        let sent = self.in_flight.as_ref().unwrap_or(&nothing);
        // Lines before those of the request may have been found rejected earlier.
        let earlier = rejected.without(sent);
        let end = [Some(self.done), sent.last(), earlier.last()].into_iter().max().flatten();
        let is_valid = (self.in_flight.is_some() || !earlier.is_empty())
            // A request is accepted as a whole, or not at all.
            && (*done == self.done || Some(*done) == end)
            && [failed, unknown].iter().all(|lines| lines.is_subset_of(sent))
            && earlier.is_subset_of(&LineSet::range(self.done.saturating_add(1), *done));
        if !is_valid {
            return Err(Contradiction);
        }
        let open = if self.is_journaled { failed.union(unknown) } else { LineSet::default() };
        if let Some(earlier) = self.unknown.take() {
            let lines = earlier.lines.without(sent).union(&open);
            self.unknown = (!lines.is_empty()).then_some(Unknown { lines, ..earlier });
        }
        (self.done, self.in_flight) = (*done, None);
        self.rejected.add(rejected);
        let run = &mut self.run;
        run.replies += replies;
        run.rejected += rejected.count();
        run.failed += failed.count();
        run.unknown += unknown.count();
        run.first_failed = run.first_failed.or(failed.first());
        Ok(())
    }

    fn add_skipped(&mut self, skipped: &Skipped) -> Result<(), Contradiction> {
        let unknown = self.unknown.as_ref().filter(|unknown| unknown.lines == skipped.lines);
        unknown.filter(|_| skipped.done == self.end()).ok_or(Contradiction)?;
        (self.done, self.unknown, self.in_flight) = (skipped.done, None, None);
        self.skipped.add(&skipped.lines);
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

    fn sent(lines: &str, time: u64) -> Entry {
        Entry::Sent(Sent { lines: set(lines), time, repeat: Repeat::Keys })
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
        assert_eq!((unknown.lines.to_string().as_str(), unknown.first_sent), ("101-200", 20));
    }

    #[test]
    fn answer_settles_the_request() {
        let mut all = vec![sent("1-100", 10), done(100, "3", "")];
        assert_eq!(ledger(&all).end(), 100);
        assert_eq!(unknown_lines(&ledger(&all)), "");
        // Nothing of it was accepted.
        all.extend([sent("101-200", 20), done(100, "", "")]);
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
        assert_eq!((unknown.lines.to_string().as_str(), unknown.first_sent), ("1-100", 10));
        all.push(done(50, "", ""));
        assert_eq!((ledger(&all).done(), unknown_lines(&ledger(&all))), (50, "51-100".to_owned()));
        // All that remains is sent at a time of its own.
        all.push(sent("51-100", 500));
        assert_eq!(ledger(&all).unknown.unwrap().first_sent, 500);
        all.push(done(100, "", ""));
        assert_eq!((ledger(&all).done(), unknown_lines(&ledger(&all))), (100, String::new()));
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
    fn impossible_entries_are_errors() {
        let first = [sent("1-100", 10), done(100, "", "")];
        let unknown = [sent("1-100", 10)];
        for (before, entry) in [
            (&[][..], done(1, "", "")),
            (&[], done(0, "", "")),
            (&[], done(2, "1", "")),
            (&[], done(0, "1", "")),
            (&[], done(1, "1", "1")),
            (&[], skipped("1", 1)),
            (&[], sent("", 1)),
            (&first, done(100, "", "")),
            (&first, done(101, "100-101", "")),
            (&first, sent("100-101", 1)),
            (&first, sent("50", 1)),
            (&first, skipped("101", 101)),
            (&unknown, sent("101", 1)),
            (&unknown, sent("100-101", 1)),
            (&unknown, done(101, "", "")),
            (&unknown, done(99, "", "")),
            (&unknown, done(100, "101", "")),
            (&unknown, done(100, "", "101")),
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
    fn rejected_lines_before_the_request_are_settled_with_it() {
        let all = [sent("1", 10), done(0, "", ""), sent("2", 10), done(0, "", ""), sent("3-4", 10)];
        for last in [done(4, "1-2", ""), done(4, "1-2,4", "")] {
            let mut ledger = ledger(&all);
            ledger.add(&last).unwrap();
            assert_eq!((ledger.done(), unknown_lines(&ledger)), (4, String::new()));
        }
        // Also without a request after them.
        assert_eq!(ledger(&[done(2, "1-2", "")]).done(), 2);
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
