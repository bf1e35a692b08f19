//! What a run does with lines that an earlier one may have executed: a pure decision.

use cent::{REPEAT_LIMIT, Repeat};
use sha2::{Digest as _, Sha256};

use super::super::ledger::line_set::LineSet;
use super::super::ledger::{Ledger, Unknown};
use super::Checkpoint;
use super::record::Digest;
use crate::options::UnknownChoice;

/// The longest time that servers keep idempotency keys, in seconds.
const KEY_LIFETIME_SECONDS: u64 = 300;

/// What to do with unknown lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// To send them again; the server recognizes their keys.
    Repeat,
    /// To send them as if for the first time, at this time in seconds since 1970.
    Send {
        first_sent: u64,
    },
    Skip,
    /// To let the user decide.
    Ask,
}

/// Decides at a time in seconds since 1970.
pub(crate) fn decide(unknown: &Unknown, choice: Option<UnknownChoice>, idempotent: bool, now: u64) -> Decision {
    // None if the clock was set back.
    let age = now.checked_sub(unknown.first_sent);
    let is_early = age.is_some_and(|age| age < REPEAT_LIMIT.as_secs());
    match choice {
        _ if unknown.repeat == Repeat::Reads => Decision::Send { first_sent: now },
        Some(UnknownChoice::Send) => {
            // While the server may know the keys, their time counts from their first use.
            let is_forgotten = age.is_some_and(|age| age > KEY_LIFETIME_SECONDS);
            Decision::Send { first_sent: if is_forgotten { now } else { unknown.first_sent } }
        }
        // Nothing is lost as long as it can be repeated: the choice may be in a crontab.
        _ if unknown.repeat == Repeat::Keys && idempotent && is_early => Decision::Repeat,
        Some(UnknownChoice::Skip) => Decision::Skip,
        None => Decision::Ask,
    }
}

/// What earlier runs know of the input.
#[derive(Debug, Clone)]
pub(crate) struct KnownInput {
    /// In ascending order; none if nothing was sent.
    checkpoints: Vec<Checkpoint>,
    /// The lines to send again.
    pub(crate) resend: LineSet,
}

impl KnownInput {
    pub(crate) fn new(checkpoints: &[Checkpoint], ledger: &Ledger, resends: bool) -> Self {
        let checkpoints = checkpoints.iter().copied().filter(|checkpoint| checkpoint.line > 0).collect();
        let unknown = ledger.unknown().filter(|_| resends);
        Self { checkpoints, resend: unknown.map(|unknown| unknown.lines.clone()).unwrap_or_default() }
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

const SAME_INPUT_HINT: &str = "use the same input, or another file for --journal";

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

    fn decide_after(repeat: Repeat, choice: Option<UnknownChoice>, idempotent: bool, seconds: i64) -> Decision {
        let unknown = Unknown { lines: LineSet::range(1, 2), first_sent: SENT, repeat, end: 2 };
        decide(&unknown, choice, idempotent, SENT.saturating_add_signed(seconds))
    }

    #[test]
    fn keys_allow_repetition_for_4_minutes() {
        let decide = |seconds| decide_after(Repeat::Keys, None, true, seconds);
        assert_eq!([0, 1, 239].map(decide), [Decision::Repeat; 3]);
        assert_eq!([240, 86400].map(decide), [Decision::Ask; 2]);
        // A clock that was set back is no proof.
        assert_eq!(decide(-1), Decision::Ask);
    }

    #[test]
    fn keys_count_only_in_both_runs() {
        assert_eq!(decide_after(Repeat::Keys, None, false, 1), Decision::Ask);
        assert_eq!(decide_after(Repeat::Nothing, None, true, 1), Decision::Ask);
    }

    #[test]
    fn reading_is_always_repeated() {
        for seconds in [-1, 1, 86400] {
            let now = SENT.saturating_add_signed(seconds);
            assert_eq!(decide_after(Repeat::Reads, None, false, seconds), Decision::Send { first_sent: now });
        }
    }

    #[test]
    fn choice_of_user_counts() {
        use UnknownChoice::{Send, Skip};
        for seconds in [-1, 1, 86400] {
            assert_eq!(decide_after(Repeat::Nothing, Some(Skip), true, seconds), Decision::Skip);
            assert_eq!(decide_after(Repeat::Keys, Some(Skip), false, seconds), Decision::Skip);
            // What can be repeated is not skipped.
            let keys = if seconds == 1 { Decision::Repeat } else { Decision::Skip };
            assert_eq!(decide_after(Repeat::Keys, Some(Skip), true, seconds), keys);
            assert!(matches!(decide_after(Repeat::Reads, Some(Skip), true, seconds), Decision::Send { .. }));
        }
        let first_sent = |seconds| match decide_after(Repeat::Keys, Some(Send), true, seconds) {
            Decision::Send { first_sent } => first_sent,
            decision => panic!("{decision:?}"),
        };
        assert_eq!([-1, 1, 300].map(first_sent), [SENT; 3]);
        assert_eq!(first_sent(301), SENT + 301);
    }

    /// What is known after two requests of 2 lines each, the second of which has no answer.
    fn known_input(lines: &[&str]) -> KnownInput {
        let checkpoint = |count: usize| {
            let mut input = InputHasher::default();
            lines[..count].iter().for_each(|line| input.add(line.as_bytes()));
            Checkpoint { line: count as u64, digest: input.digest() }
        };
        let sent =
            |first, last| Entry::Sent(Sent { lines: LineSet::range(first, last), time: SENT, repeat: Repeat::Keys });
        let mut ledger = Ledger::journaled();
        let done = Entry::Answered(Answered { done: 2, ..Answered::default() });
        for entry in [sent(1, 2), done, sent(3, 4)] {
            ledger.add(&entry).unwrap();
        }
        KnownInput::new(&[checkpoint(2), checkpoint(4)], &ledger, true)
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
        let known = known_input(&lines);
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
    fn new_journal_knows_nothing() {
        let start = Checkpoint { line: 0, digest: InputHasher::default().digest() };
        let known = KnownInput::new(&[start], &Ledger::journaled(), true);
        assert_eq!((known.last_line(), known.resend.is_empty()), (0, true));
        assert_eq!(check(&known, &[]), Ok(()));
    }
}
