//! What a run does with lines that an earlier one may have executed: a pure decision.

use cent::{REPEAT_LIMIT, Repeat};
use sha2::{Digest as _, Sha256};

use super::super::ledger::line_set::LineSet;
use super::super::ledger::summary::Doubt;
use super::super::ledger::{Ledger, Origin, Unknown};
use super::Checkpoint;
use super::record::Digest;
use crate::clock::Timestamp;
use crate::options::UnknownChoice;

/// What to do with unknown lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// To send them again; the server recognizes their keys.
    Repeat,
    /// To send them again; they only read.
    Read,
    /// To send them as if for the first time.
    Release,
    Skip,
    /// To let the user decide.
    Ask(Doubt),
}

pub(crate) fn decide(unknown: &Unknown, choice: Option<UnknownChoice>, idempotent: bool, now: &Timestamp) -> Decision {
    let doubt = match unknown.first.age(now) {
        _ if unknown.repeat != Repeat::Keys => Some(Doubt::NoKeys),
        None => Some(Doubt::Restarted),
        Some(age) if age >= REPEAT_LIMIT => Some(Doubt::TooOld),
        Some(_) => (!idempotent).then_some(Doubt::KeysNotUsed),
    };
    match (choice, doubt) {
        _ if unknown.repeat == Repeat::Reads => Decision::Read,
        (Some(UnknownChoice::Send), _) => Decision::Release,
        // Nothing is lost as long as it can be repeated: the choice may be in a crontab.
        (_, None) => Decision::Repeat,
        (Some(UnknownChoice::Skip), _) => Decision::Skip,
        (None, Some(doubt)) => Decision::Ask(doubt),
    }
}

/// What earlier runs know of the input.
#[derive(Debug, Clone)]
pub(crate) struct KnownInput {
    /// In ascending order; none if nothing was sent.
    checkpoints: Vec<Checkpoint>,
    /// The lines to send again.
    resend: LineSet,
    /// The lines to send that were left out.
    unsent: LineSet,
}

impl KnownInput {
    pub(crate) fn new(checkpoints: &[Checkpoint], ledger: &Ledger, decision: Option<Decision>) -> Self {
        let (mut resend, mut unsent, mut end) = (LineSet::default(), ledger.unsent().clone(), ledger.end());
        if let Some(unknown) = ledger.unknown() {
            match decision {
                Some(Decision::Repeat | Decision::Read) => resend = unknown.lines.clone(),
                Some(Decision::Release) => {
                    unsent = unsent.union(&unknown.lines.up_to(ledger.done()));
                    // What comes after the last line that is done counts as never sent, and may change.
                    end = ledger.done();
                }
                _ => {}
            }
        }
        let is_known = |checkpoint: &&Checkpoint| (1..=end).contains(&checkpoint.line);
        Self { checkpoints: checkpoints.iter().filter(is_known).copied().collect(), resend, unsent }
    }

    /// What earlier runs did with a line that is to be sent; none if it is settled.
    pub(crate) fn origin(&self, line: u64) -> Option<Origin> {
        let is_unsent = || self.unsent.contains(line).then_some(Origin::Unsent);
        if self.resend.contains(line) { Some(Origin::Unknown) } else { is_unsent() }
    }

    /// The last line that was sent; 0 if there is none.
    pub(crate) fn last_line(&self) -> u64 {
        self.checkpoints.last().map_or(0, |last| last.line)
    }

    /// Compares the input up to the end of a line with what was sent.
    ///
    /// # Errors
    /// Names the lines that differ.
    pub(crate) fn check(&self, line: u64, input: &InputHasher) -> Result<(), String> {
        let Some(index) = self.checkpoints.iter().position(|checkpoint| checkpoint.line == line) else { return Ok(()) };
        if self.checkpoints.get(index).is_none_or(|checkpoint| checkpoint.digest == input.digest()) {
            return Ok(());
        }
        let first = index
            .checked_sub(1)
            .and_then(|before| self.checkpoints.get(before))
            .map_or(1, |end| end.line.saturating_add(1));
        let lines = if first == line { format!("line {line}") } else { format!("lines {first}-{line}") };
        Err(format!("standard input differs in {lines} from what was sent before; {SAME_INPUT_HINT}"))
    }

    /// What is wrong if the input ends after so many lines.
    pub(crate) fn check_end(&self, lines: u64) -> Result<(), String> {
        let last = self.last_line();
        if lines >= last {
            return Ok(());
        }
        Err(format!("standard input ends after {lines} lines, but {last} were sent before; {SAME_INPUT_HINT}"))
    }
}

const SAME_INPUT_HINT: &str = "use the same input; another file for --journal would send all lines again";

/// Hashes the input line by line.
#[derive(Debug, Clone, Default)]
pub(crate) struct InputHasher(Sha256);

impl InputHasher {
    /// Adds a line. Its newline counts in any case, so that more lines can follow a last one without it.
    pub(crate) fn add(&mut self, line: &[u8]) {
        self.0.update(line.strip_suffix(b"\n").unwrap_or(line));
        self.0.update(b"\n");
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ledger::{Answered, Entry, Sent};
    use super::*;

    const SENT: u64 = 1_000_000;

    fn at(time: i64, uptime: i64, machine: &str) -> Timestamp {
        let at = |seconds| SENT.saturating_add_signed(seconds);
        Timestamp { time: at(time), uptime: at(uptime), machine: Some(machine.to_owned()) }
    }

    fn decide_at(repeat: Repeat, choice: Option<UnknownChoice>, idempotent: bool, now: &Timestamp) -> Decision {
        let unknown = Unknown { lines: LineSet::range(1, 2), first: at(0, 0, "m"), repeat, end: 2 };
        decide(&unknown, choice, idempotent, now)
    }

    fn decide_after(repeat: Repeat, choice: Option<UnknownChoice>, idempotent: bool, seconds: i64) -> Decision {
        decide_at(repeat, choice, idempotent, &at(seconds, seconds, "m"))
    }

    #[test]
    fn keys_allow_repetition_for_4_minutes_by_both_clocks() {
        let decide = |time, uptime| decide_at(Repeat::Keys, None, true, &at(time, uptime, "m"));
        assert_eq!([0, 1, 239].map(|age| decide(age, age)), [Decision::Repeat; 3]);
        assert_eq!([240, 86400].map(|age| decide(age, age)), [Decision::Ask(Doubt::TooOld); 2]);
        assert_eq!((decide(240, 239), decide(239, 240)), (Decision::Ask(Doubt::TooOld), Decision::Ask(Doubt::TooOld)));
        // A wall clock that was set back.
        assert_eq!((decide(-7200, 239), decide(-7200, 240)), (Decision::Repeat, Decision::Ask(Doubt::TooOld)));
    }

    #[test]
    fn restart_ends_use_of_keys() {
        let after = |choice, machine| decide_at(Repeat::Keys, choice, true, &at(1, 1, machine));
        assert_eq!(after(None, "n"), Decision::Ask(Doubt::Restarted));
        assert_eq!(after(Some(UnknownChoice::Skip), "n"), Decision::Skip);
        let unknown_machine = Timestamp { machine: None, ..at(1, 1, "m") };
        assert_eq!(decide_at(Repeat::Keys, None, true, &unknown_machine), Decision::Ask(Doubt::Restarted));
    }

    #[test]
    fn keys_count_only_in_both_runs() {
        assert_eq!(decide_after(Repeat::Keys, None, false, 1), Decision::Ask(Doubt::KeysNotUsed));
        assert_eq!(decide_after(Repeat::Keys, None, false, 240), Decision::Ask(Doubt::TooOld));
        assert_eq!(decide_after(Repeat::Nothing, None, true, 1), Decision::Ask(Doubt::NoKeys));
    }

    #[test]
    fn reading_is_always_repeated() {
        for choice in [None, Some(UnknownChoice::Send), Some(UnknownChoice::Skip)] {
            for seconds in [-1, 1, 86400] {
                assert_eq!(decide_after(Repeat::Reads, choice, false, seconds), Decision::Read);
            }
        }
    }

    #[test]
    fn choice_of_user_counts() {
        use UnknownChoice::{Send, Skip};
        for seconds in [1, 86400] {
            assert_eq!(decide_after(Repeat::Nothing, Some(Skip), true, seconds), Decision::Skip);
            assert_eq!(decide_after(Repeat::Keys, Some(Skip), false, seconds), Decision::Skip);
            // What can be repeated is not skipped.
            let keys = if seconds == 1 { Decision::Repeat } else { Decision::Skip };
            assert_eq!(decide_after(Repeat::Keys, Some(Skip), true, seconds), keys);
            for repeat in [Repeat::Keys, Repeat::Nothing] {
                assert_eq!(decide_after(repeat, Some(Send), true, seconds), Decision::Release);
            }
        }
    }

    /// What is known after two requests of 2 lines each, the second of which has no answer.
    fn known_input(lines: &[&str], decision: Decision) -> KnownInput {
        let checkpoint = |count: usize| {
            let mut input = InputHasher::default();
            lines[..count].iter().for_each(|line| input.add(line.as_bytes()));
            Checkpoint { line: count as u64, digest: input.digest() }
        };
        let sent = |first, last| Entry::Sent(Sent::new(LineSet::range(first, last), at(0, 0, "m"), Repeat::Keys));
        let mut ledger = Ledger::journaled();
        let done = Entry::Answered(Answered { done: 2, ..Answered::default() });
        for entry in [sent(1, 2), done, sent(3, 4)] {
            ledger.add(&entry).unwrap();
        }
        KnownInput::new(&[checkpoint(2), checkpoint(4)], &ledger, Some(decision))
    }

    fn check(known: &KnownInput, lines: &[&str]) -> Result<(), String> {
        let mut input = InputHasher::default();
        for (number, line) in (1..).zip(lines) {
            input.add(line.as_bytes());
            known.check(number, &input)?;
        }
        known.check_end(lines.len() as u64)
    }

    #[test]
    fn changed_input_is_found() {
        let lines = ["1\n", "2\n", "3\n", "4"];
        let known = known_input(&lines, Decision::Repeat);
        assert_eq!((known.last_line(), known.resend.to_string().as_str()), (4, "3-4"));
        assert_eq!(check(&known, &lines), Ok(()));
        assert_eq!(check(&known, &["1\n", "2\n", "3\n", "4\n", "5\n"]), Ok(()));
        let differs = |lines| format!("standard input differs in {lines} from what was sent before; {SAME_INPUT_HINT}");
        assert_eq!(check(&known, &["1\n", "x\n", "3\n", "4\n"]), Err(differs("lines 1-2")));
        assert_eq!(check(&known, &["1\n", "2\n", "3\n", "x\n"]), Err(differs("lines 3-4")));
        assert_eq!(check(&known, &["1\r\n", "2\n"]), Err(differs("lines 1-2")));
        assert_eq!(
            check(&known, &["1\n", "2\n", "3\n"]),
            Err(format!("standard input ends after 3 lines, but 4 were sent before; {SAME_INPUT_HINT}"))
        );
    }

    #[test]
    fn released_lines_may_change() {
        let lines = ["1\n", "2\n", "3\n", "4"];
        let known = known_input(&lines, Decision::Release);
        assert_eq!((known.last_line(), known.resend.is_empty()), (2, true));
        assert_eq!(check(&known, &["1\n", "2\n", "x\n"]), Ok(()));
        assert!(check(&known, &["1\n", "x\n", "3\n"]).is_err());
        let known = known_input(&lines, Decision::Skip);
        assert_eq!((known.last_line(), known.resend.is_empty()), (4, true));
    }

    #[test]
    fn each_line_to_be_sent_has_an_origin() {
        let mut ledger = Ledger::journaled();
        let answered = Answered { done: 4, unknown: "2-3".parse().unwrap(), ..Answered::default() };
        let sent = Sent::new(LineSet::range(1, 4), at(0, 0, "m"), Repeat::Keys);
        for entry in [Entry::Sent(sent), Entry::Answered(answered)] {
            ledger.add(&entry).unwrap();
        }
        let origins = |decision| {
            let known = KnownInput::new(&[], &ledger, Some(decision));
            [1, 2, 3, 4].map(|line| known.origin(line))
        };
        assert_eq!(origins(Decision::Repeat), [None, Some(Origin::Unknown), Some(Origin::Unknown), None]);
        assert_eq!(origins(Decision::Read), origins(Decision::Repeat));
        assert_eq!(origins(Decision::Release), [None, Some(Origin::Unsent), Some(Origin::Unsent), None]);
        assert_eq!(origins(Decision::Skip), [None; 4]);
    }

    #[test]
    fn new_journal_knows_nothing() {
        let start = Checkpoint { line: 0, digest: InputHasher::default().digest() };
        let known = KnownInput::new(&[start], &Ledger::journaled(), None);
        assert_eq!((known.last_line(), known.resend.is_empty()), (0, true));
        assert_eq!(check(&known, &[]), Ok(()));
    }
}
