//! What a run says of its lines: at its end, and before it begins.

use std::time::Duration;

use cent::{REPEAT_LIMIT, Repeat};

use super::line_set::LineSet;
use super::{Ledger, NamedLines, Unknown};
use crate::clock::Timestamp;

/// How many ranges of lines a message names.
const MAX_NAMED_RANGES: usize = 10;

/// Why unknown lines are not sent again by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// They have no idempotency keys.
    NoKeys,
    /// They have, but this run adds none.
    KeysNotUsed,
    /// The server may have forgotten their keys.
    TooOld,
    /// Nobody knows how old their keys are.
    Restarted,
}

impl Ledger {
    /// The summary of a run that reached the end of its input.
    pub(crate) fn finished_summary(&self, elapsed: Duration, max_rate: Option<f64>) -> String {
        if self.run.replies == 0 {
            return self.finished_earlier().unwrap_or_else(|| "no commands on standard input".to_owned());
        }
        let (seconds, rate) = (elapsed.as_secs_f64(), rate(self.run.replies, elapsed, max_rate));
        let (count, outcome) = (command_count(self.run.replies), self.outcome_counts());
        let decimals = if seconds < 0.1 { 3 } else { 1 };
        let run = match outcome {
            Some(outcome) => format!("{count} in {seconds:.decimals$} s ({rate}): {outcome}"),
            None => format!("{count} accepted in {seconds:.decimals$} s ({rate})"),
        };
        self.job_counts().map_or_else(|| run.clone(), |job| format!("{run}; {job}"))
    }

    /// How many commands of this run and of earlier ones had which outcome; none if there were no earlier ones.
    fn job_counts(&self) -> Option<String> {
        let (rejected, skipped) = (self.rejected.count, self.skipped.count);
        let accepted = self.settled.saturating_sub(rejected);
        let others = [(rejected, "rejected"), (skipped, "skipped")];
        (self.settled_earlier > 0 || skipped > 0).then(|| format!("in all runs: {}", counts(accepted, &others)))
    }

    /// The summary of a run without lines to send; none if no line was ever sent.
    fn finished_earlier(&self) -> Option<String> {
        let skipped = match &self.skipped {
            NamedLines { count: 0, .. } => String::new(),
            skipped => format!(", but {} skipped", name_counted(skipped)),
        };
        let lines = LineSet::range(1, self.done);
        (!lines.is_empty()).then(|| format!("nothing left to do: {} done earlier{skipped}", name_lines(&lines)))
    }

    /// Names the lines that earlier runs found rejected.
    pub(crate) fn earlier_rejections(&self) -> Option<String> {
        let rejected = &self.rejected_earlier;
        let were = if rejected.count == 1 { "was" } else { "were" };
        (rejected.count > 0).then(|| format!("{} {were} rejected in an earlier run", name_counted(rejected)))
    }

    /// What the user has to decide before unknown lines are sent again, and why.
    pub(crate) fn question(&self, doubt: Doubt, now: &Timestamp) -> Option<String> {
        let Unknown { lines, first, .. } = self.unknown.as_ref()?;
        let why = match doubt {
            Doubt::NoKeys | Doubt::KeysNotUsed => "",
            Doubt::TooOld => ", too long ago to rely on their idempotency keys",
            Doubt::Restarted if now.machine.is_some() => {
                ", and the machine has restarted since, so that the age of their idempotency keys is unknown"
            }
            Doubt::Restarted => {
                ", and the system does not say whether it has restarted since, so that the age of their idempotency keys is \
                 unknown"
            }
        };
        let with_keys = minutes_left(first, now).filter(|_| doubt == Doubt::KeysNotUsed);
        let with_keys = with_keys
            .map_or_else(String::new, |minutes| format!("run again with --idempotent {}, or ", time_left(minutes)));
        let (hint, lines) = (self.choice_hint(lines), name_lines(lines));
        Some(format!("{lines} may have been executed by an earlier run{why}: {with_keys}{hint}"))
    }

    /// Says which lines are not sent again.
    pub(crate) fn skipped_lines(lines: &LineSet) -> String {
        format!("{} skipped: maybe never executed", name_lines(lines))
    }

    /// The summary of a run that was stopped: which lines are done, which are unknown, whether others remain, and how to
    /// resume, perhaps after something was fixed.
    pub(crate) fn stopped_summary(&self, lines_remain: bool, needs_fix: bool, now: &Timestamp) -> String {
        let fix = if needs_fix { "fix it, then " } else { "" };
        if !self.is_journaled && self.end() == 0 && lines_remain {
            return format!("no lines accepted: {fix}run again from line 1");
        }
        let unknown = self.unknown.as_ref().map(|unknown| {
            format!("{} may have been executed: {}", name_lines(&unknown.lines), self.unknown_hint(unknown, fix, now))
        });
        let rest = match self.is_journaled {
            true if self.is_journal_lost => Some(self.rest_without_journal(lines_remain)),
            true => self.rest_of_job(lines_remain, fix),
            false => Some(self.rest_of_input(lines_remain, fix)),
        };
        let parts = [Some(self.settled_lines()), unknown, rest];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn settled_lines(&self) -> String {
        let lines = LineSet::range(1, self.done);
        if self.is_journaled {
            let done = lines.without(&self.unsent);
            let done = self.unknown.as_ref().map_or(done.clone(), |unknown| done.without(&unknown.lines));
            return if done.is_empty() { "no lines done".to_owned() } else { format!("{} done", name_lines(&done)) };
        }
        match self.outcome_counts() {
            _ if lines.is_empty() => "no lines accepted".to_owned(),
            Some(outcome) => format!("{}: {outcome}", name_lines(&lines)),
            None => format!("{} accepted", name_lines(&lines)),
        }
    }

    /// What remains, and how another call without a journal resumes.
    fn rest_of_input(&self, lines_remain: bool, fix: &str) -> String {
        match self.next_line() {
            _ if !lines_remain => "no lines remain".to_owned(),
            1 => format!("{fix}run again from line 1"),
            next if self.is_read_only() && self.run.failed > 0 => {
                format!("line {next} failed: resume with tail -n +{next}")
            }
            next => format!("line {next} onwards not accepted: {fix}resume with tail -n +{next}"),
        }
    }

    /// What remains, and how the next run goes on.
    fn rest_of_job(&self, lines_remain: bool, fix: &str) -> Option<String> {
        let next = self.unsent.first().unwrap_or(self.end().saturating_add(1));
        match (&self.unknown, lines_remain) {
            (None, false) => Some("no lines remain".to_owned()),
            (None, true) => Some(format!("line {next} onwards not accepted: {fix}run the same command again")),
            (Some(_), false) => None,
            (Some(_), true) => Some(format!("line {next} onwards not accepted")),
        }
    }

    /// What remains, and how another job with another journal takes over.
    fn rest_without_journal(&self, lines_remain: bool) -> String {
        let next = self.end().saturating_add(1);
        if !self.unsent.is_empty() {
            let lines = name_lines(&self.unsent);
            return format!(
                "{lines} and line {next} onwards not accepted: send only these, with another file for --journal"
            );
        }
        if !lines_remain {
            return "no lines remain".to_owned();
        }
        format!("line {next} onwards not accepted: resume with tail -n +{next} and another file for --journal")
    }

    fn unknown_hint(&self, unknown: &Unknown, fix: &str, now: &Timestamp) -> String {
        if !self.is_journaled || self.is_journal_lost {
            return check_hint(&unknown.lines);
        }
        if unknown.repeat == Repeat::Reads {
            return format!("{fix}run the same command again");
        }
        let has_keys = unknown.repeat == Repeat::Keys && self.keys_help;
        match minutes_left(&unknown.first, now).filter(|_| has_keys) {
            Some(minutes) => format!("{fix}run the same command again {}", time_left(minutes)),
            None => self.choice_hint(&unknown.lines),
        }
    }

    fn choice_hint(&self, lines: &LineSet) -> String {
        let single = if self.has_invalid_line { "--batch=1, which finds the invalid one, and " } else { "" };
        format!("{}, then run again with {single}--unknown=send or --unknown=skip", check_hint(lines))
    }

    /// How many commands had which outcome; none if all were accepted.
    fn outcome_counts(&self) -> Option<String> {
        let run = &self.run;
        let others = [(run.rejected, "rejected"), (run.failed, "failed"), (run.unknown, "unknown")];
        let accepted = run.replies.saturating_sub(run.rejected + run.failed + run.unknown);
        others.iter().any(|(count, _)| *count > 0).then(|| counts(accepted, &others))
    }
}

/// As in "5 accepted, 1 rejected". Other outcomes that did not occur are left out.
fn counts(accepted: u64, others: &[(u64, &str)]) -> String {
    let others = others.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!(", {count} {name}"));
    format!("{accepted} accepted{}", others.collect::<String>())
}

fn check_hint(lines: &LineSet) -> String {
    let command = match lines.ranges() {
        [(first, last)] => format!(" (sed -n {first},{last}p)"),
        _ => String::new(),
    };
    format!("check {}{command}", if lines.count() == 1 { "it" } else { "them" })
}

/// Whole minutes, at least one, in which lines that were sent first at this time may be repeated.
fn minutes_left(first: &Timestamp, now: &Timestamp) -> Option<u64> {
    let left = REPEAT_LIMIT.checked_sub(first.age(now)?)?;
    Some(left.as_secs().saturating_sub(1) / 60).filter(|&minutes| minutes > 0)
}

fn time_left(minutes: u64) -> String {
    if minutes == 1 { "within a minute".to_owned() } else { format!("within {minutes} minutes") }
}

/// Names the first lines, and counts the others.
fn name_counted(lines: &NamedLines) -> String {
    let NamedLines { first, count } = lines;
    match count - first.count().min(*count) {
        0 => name_lines(first),
        others => format!("{} and {others} more", name_lines(first)),
    }
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

/// The summary of a dry run.
pub(crate) fn dry_run_summary(commands: u64, requests: u64, has_keys: bool, has_journal: bool) -> String {
    let plural = if requests == 1 { "" } else { "s" };
    let keys = if has_keys { "; the idempotency keys are examples" } else { "" };
    let journal = if has_journal { "; the journal was not read: these are all lines" } else { "" };
    format!("{} in {requests} request{plural}, nothing sent{keys}{journal}", command_count(commands))
}

/// Commands per second, with a decimal if there are few.
pub(crate) fn rate(commands: u64, elapsed: Duration, max: Option<f64>) -> String {
    let tenths = u128::from(commands) * 10_000 / elapsed.as_millis().max(1);
    let rate = if tenths < 100 { format!("{}.{}/s", tenths / 10, tenths % 10) } else { format!("{}/s", tenths / 10) };
    max.map_or_else(|| rate.clone(), |max| format!("{rate}; at most {max}/s"))
}

pub(crate) fn command_count(count: u64) -> String {
    format!("{count} command{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use self::Rest::{InvalidLine, Lines, Nothing};
    use super::super::{Answered, Entry, NotAccepted, Sent, Skipped, Totals};
    use super::*;

    /// What remains of the input.
    #[derive(Clone, Copy, PartialEq)]
    enum Rest {
        Nothing,
        Lines,
        InvalidLine,
    }

    fn at(uptime: u64) -> Timestamp {
        Timestamp { time: 0, uptime, machine: Some(String::new()) }
    }

    fn totals(replies: u64, rejected: u64, unknown: u64) -> Totals {
        Totals { replies, rejected, unknown, has_changes: true, ..Totals::default() }
    }

    fn ledger(done: u64, run: Totals) -> Ledger {
        Ledger { done, run, ..Ledger::default() }
    }

    fn with_unknown(ledger: Ledger, first: u64, end: u64) -> Ledger {
        let (lines, repeat) = (LineSet::range(first, end), Repeat::Nothing);
        Ledger { unknown: Some(Unknown { lines, first: at(0), repeat, end }), ..ledger }
    }

    fn stopped(ledger: &Ledger, rest: Rest) -> String {
        ledger.stopped_summary(rest != Nothing, rest == InvalidLine, &at(0))
    }

    #[test]
    fn stopped_summary_says_where_to_resume() {
        let none = ledger(0, totals(0, 0, 0));
        assert_eq!(stopped(&none, Lines), "no lines accepted: run again from line 1");
        assert_eq!(stopped(&none, Nothing), "no lines accepted; no lines remain");
        assert_eq!(
            stopped(&ledger(200, totals(200, 0, 0)), Lines),
            "lines 1-200 accepted; line 201 onwards not accepted: resume with tail -n +201"
        );
        assert_eq!(
            stopped(&with_unknown(ledger(200, totals(199, 2, 1)), 201, 300), Lines),
            "lines 1-200: 196 accepted, 2 rejected, 1 unknown; lines 201-300 may have been executed: check them (sed -n \
             201,300p); line 301 onwards not accepted: resume with tail -n +301"
        );
        assert_eq!(
            stopped(&with_unknown(ledger(1, totals(1, 0, 0)), 2, 2), Nothing),
            "line 1 accepted; line 2 may have been executed: check it (sed -n 2,2p); no lines remain"
        );
    }

    #[test]
    fn run_that_only_reads_resumes_at_first_failed_line() {
        let failed = |line, has_changes| {
            ledger(9, Totals { failed: 2, first_failed: Some(line), has_changes, ..totals(9, 1, 0) })
        };
        let summary = "lines 1-9: 6 accepted, 1 rejected, 2 failed; ";
        let read = stopped(&failed(4, false), Lines);
        assert_eq!(read, format!("{summary}line 4 failed: resume with tail -n +4"));
        assert_eq!(stopped(&failed(1, false), Lines), format!("{summary}run again from line 1"));
        assert_eq!((failed(4, false).next_line(), failed(4, true).next_line()), (4, 10));
        let mixed = stopped(&failed(4, true), Lines);
        assert_eq!(mixed, format!("{summary}line 10 onwards not accepted: resume with tail -n +10"));
        let none_failed = stopped(&ledger(9, Totals { has_changes: false, ..totals(9, 0, 0) }), Lines);
        assert_eq!(none_failed, "lines 1-9 accepted; line 10 onwards not accepted: resume with tail -n +10");
    }

    #[test]
    fn invalid_line_has_to_be_fixed_first() {
        assert_eq!(
            stopped(&ledger(0, totals(0, 0, 0)), InvalidLine),
            "no lines accepted: fix it, then run again from line 1"
        );
        let summary = stopped(&ledger(2, totals(2, 0, 0)), InvalidLine);
        assert_eq!(summary, "lines 1-2 accepted; line 3 onwards not accepted: fix it, then resume with tail -n +3");
    }

    #[test]
    fn finished_summary_counts_commands() {
        let second = Duration::from_secs(1);
        let finished = |run, elapsed| ledger(0, run).finished_summary(elapsed, None);
        assert_eq!(finished(totals(0, 0, 0), second), "no commands on standard input");
        assert_eq!(finished(totals(1, 0, 0), second), "1 command accepted in 1.0 s (1.0/s)");
        assert_eq!(finished(totals(100, 0, 0), second / 50), "100 commands accepted in 0.020 s (5000/s)");
        assert_eq!(
            finished(totals(3000, 2, 0), 2 * second),
            "3000 commands in 2.0 s (1500/s): 2998 accepted, 2 rejected"
        );
        assert_eq!(finished(totals(1, 0, 1), second), "1 command in 1.0 s (1.0/s): 0 accepted, 1 unknown");
    }

    #[test]
    fn last_summary_counts_all_runs() {
        let sent = |first, last| Entry::Sent(Sent::new(LineSet::range(first, last), at(0), Repeat::Keys));
        let answered = |done, replies, rejected: &str| {
            let rejected = if rejected.is_empty() { LineSet::default() } else { rejected.parse().unwrap() };
            Entry::Answered(Answered { done, replies, rejected, ..Answered::default() })
        };
        let finished = |earlier: &[Entry], entries: &[Entry]| {
            let mut ledger = Ledger::journaled();
            let add = |ledger: &mut Ledger, entries: &[Entry]| {
                for entry in entries {
                    ledger.add(entry).unwrap();
                }
            };
            add(&mut ledger, earlier);
            ledger.begin(true);
            add(&mut ledger, entries);
            ledger.finished_summary(Duration::from_secs(1), None)
        };
        // Line 4 is blank.
        let first = [sent(1, 5), answered(5, 4, "2-3"), sent(6, 7)];
        let rest = [sent(6, 7), answered(7, 2, "")];
        let run = "2 commands accepted in 1.0 s (2.0/s)";
        assert_eq!(finished(&first, &rest), format!("{run}; in all runs: 4 accepted, 2 rejected"));
        assert_eq!(finished(&[], &rest), run);
        let skipped = Entry::Skipped(Skipped { lines: LineSet::range(6, 7), done: 7 });
        let rest = [skipped, sent(8, 9), answered(9, 2, "")];
        assert_eq!(finished(&first, &rest), format!("{run}; in all runs: 4 accepted, 2 rejected, 2 skipped"));
        assert_eq!(finished(&first[2..], &rest), format!("{run}; in all runs: 2 accepted, 2 skipped"));
        // A line that failed is counted once it has a result, and one that was not to blame, once it is accepted.
        let failed = Answered { done: 2, replies: 2, failed: LineSet::range(1, 1), ..Answered::default() };
        let again = [sent(1, 1), answered(2, 1, "")];
        let summary = "1 command accepted in 1.0 s (1.0/s); in all runs: 2 accepted";
        assert_eq!(finished(&[sent(1, 2), Entry::Answered(failed)], &again), summary);
        let withdrawn = [sent(1, 1), answered(1, 1, ""), sent(2, 2), answered(2, 1, "2"), sent(3, 3)];
        let withdrawn = [&withdrawn[..], &[Entry::NotAccepted(NotAccepted { done: 1 })]].concat();
        let accepted = [sent(2, 3), answered(3, 2, "")];
        assert_eq!(finished(&withdrawn, &accepted), format!("{run}; in all runs: 3 accepted"));
    }

    /// The ledger of a journal whose request with lines 3-4 has no answer, at these seconds after it.
    fn after(repeat: Repeat, has_keys: bool, seconds: u64, rest: Rest) -> String {
        let sent = |first, last| Entry::Sent(Sent::new(LineSet::range(first, last), at(1000), repeat));
        let mut ledger = Ledger::journaled();
        ledger.begin(has_keys);
        for entry in [sent(1, 2), Entry::Answered(Answered { done: 2, ..Answered::default() }), sent(3, 4)] {
            ledger.add(&entry).unwrap();
        }
        ledger.stopped_summary(rest != Nothing, rest == InvalidLine, &at(1000 + seconds))
    }

    #[test]
    fn next_run_with_journal_goes_on() {
        let done = "lines 1-2 done; lines 3-4 may have been executed: ";
        let rest = "; line 5 onwards not accepted";
        let choice = "check them (sed -n 3,4p), then run again with --unknown=send or --unknown=skip";
        let again = "run the same command again";
        assert_eq!(after(Repeat::Reads, false, 999, Lines), format!("{done}{again}{rest}"));
        assert_eq!(after(Repeat::Nothing, true, 0, Lines), format!("{done}{choice}{rest}"));
        assert_eq!(after(Repeat::Keys, false, 0, Nothing), format!("{done}{choice}"));
        assert_eq!(after(Repeat::Keys, true, 0, Nothing), format!("{done}{again} within 3 minutes"));
        assert_eq!(after(Repeat::Keys, true, 170, Nothing), format!("{done}{again} within a minute"));
        assert_eq!(after(Repeat::Keys, true, 180, Nothing), format!("{done}{choice}"));
        assert_eq!(
            after(Repeat::Keys, true, 0, InvalidLine),
            format!("{done}fix it, then {again} within 3 minutes{rest}")
        );
        let keys = Unknown { lines: LineSet::range(3, 4), first: at(0), repeat: Repeat::Keys, end: 4 };
        let mut useless = Ledger { done: 2, unknown: Some(keys), keys_help: true, ..Ledger::journaled() };
        assert_eq!(stopped(&useless, Nothing), format!("{done}{again} within 3 minutes"));
        useless.set_keys_are_useless();
        assert_eq!(stopped(&useless, Nothing), format!("{done}{choice}"));
        useless.set_has_invalid_line();
        let single = choice.replace("with", "with --batch=1, which finds the invalid one, and");
        assert_eq!(stopped(&useless, Nothing), format!("{done}{single}"));
        let journaled = |done| Ledger { done, ..Ledger::journaled() };
        assert_eq!(stopped(&journaled(0), Lines), format!("no lines done; line 1 onwards not accepted: {again}"));
        assert_eq!(
            stopped(&journaled(2), InvalidLine),
            format!("lines 1-2 done; line 3 onwards not accepted: fix it, then {again}")
        );
        assert_eq!(stopped(&journaled(2), Nothing), "lines 1-2 done; no lines remain");
    }

    #[test]
    fn lost_journal_is_not_relied_on() {
        let lost = |unsent: &str| {
            let unsent = if unsent.is_empty() { LineSet::default() } else { unsent.parse().unwrap() };
            let mut ledger = Ledger { done: 9, unsent, ..Ledger::journaled() };
            ledger.set_journal_is_lost();
            ledger
        };
        let resume = "line 10 onwards not accepted: resume with tail -n +10 and another file for --journal";
        assert_eq!(stopped(&lost(""), Lines), format!("lines 1-9 done; {resume}"));
        assert_eq!(stopped(&lost(""), Nothing), "lines 1-9 done; no lines remain");
        assert_eq!(
            stopped(&lost("3"), Nothing),
            "lines 1-2, 4-9 done; line 3 and line 10 onwards not accepted: send only these, with another file for --journal"
        );
        assert_eq!(
            stopped(&with_unknown(lost(""), 10, 11), Lines),
            "lines 1-9 done; lines 10-11 may have been executed: check them (sed -n 10,11p); line 12 onwards not accepted: \
             resume with tail -n +12 and another file for --journal"
        );
    }

    #[test]
    fn lines_in_the_middle_are_not_done() {
        let ledger = Ledger { done: 9, unsent: "3,7".parse().unwrap(), ..Ledger::journaled() };
        let summary = "lines 1-2, 4-6, 8-9 done; line 3 onwards not accepted: run the same command again";
        assert_eq!(stopped(&ledger, Lines), summary);
    }

    #[test]
    fn question_says_why_and_names_what_helps() {
        let ledger = with_unknown(Ledger::journaled(), 3, 4);
        let question = |doubt, now: &Timestamp| ledger.question(doubt, now).unwrap();
        let (lines, choice) = (
            "lines 3-4 may have been executed by an earlier run",
            "check them (sed -n 3,4p), then run again with --unknown=send or --unknown=skip",
        );
        assert_eq!(question(Doubt::NoKeys, &at(1)), format!("{lines}: {choice}"));
        let option = format!("{lines}: run again with --idempotent within 3 minutes, or {choice}");
        assert_eq!(question(Doubt::KeysNotUsed, &at(1)), option);
        assert_eq!(question(Doubt::KeysNotUsed, &at(180)), format!("{lines}: {choice}"));
        let late = "too long ago to rely on their idempotency keys";
        assert_eq!(question(Doubt::TooOld, &at(240)), format!("{lines}, {late}: {choice}"));
        let age = "so that the age of their idempotency keys is unknown";
        let restarted = Timestamp { machine: Some("other".to_owned()), ..at(1) };
        assert_eq!(
            question(Doubt::Restarted, &restarted),
            format!("{lines}, and the machine has restarted since, {age}: {choice}")
        );
        let unknown = Timestamp { machine: None, ..at(1) };
        assert_eq!(
            question(Doubt::Restarted, &unknown),
            format!("{lines}, and the system does not say whether it has restarted since, {age}: {choice}")
        );
    }

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
        assert_eq!(hint("5-9"), "check them (sed -n 5,9p)");
        assert_eq!(hint("5"), "check it (sed -n 5,5p)");
        assert_eq!(hint("5,7"), "check them");
    }

    #[test]
    fn dry_run_summary_counts_requests() {
        assert_eq!(dry_run_summary(1, 1, false, false), "1 command in 1 request, nothing sent");
        let keys = "3 commands in 2 requests, nothing sent; the idempotency keys are examples";
        assert_eq!(dry_run_summary(3, 2, true, false), keys);
        let journal = "3 commands in 2 requests, nothing sent; the journal was not read: these are all lines";
        assert_eq!(dry_run_summary(3, 2, false, true), journal);
    }
}
