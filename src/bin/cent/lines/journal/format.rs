//! The text of a journal, version 1: a header of five lines, then one line per record. The man page describes it.

use std::fmt;
use std::str::FromStr;

use cent::IdempotencyKey;
use sha2::{Digest as _, Sha256};

use super::line_set::{LineSet, parse_number};

/// What every journal begins with; the number of the version follows.
const MAGIC: &str = "cent journal ";
const VERSION: &str = "1";

/// How many lines the header has.
pub(crate) const HEADER_LINES: usize = 5;

/// How many rejected or skipped lines are remembered by number. The others are counted.
const MAX_NAMED: usize = 20;

/// What a journal belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// The name of the section in the config file.
    pub(crate) section: String,
    /// The server's address.
    pub(crate) address: String,
    /// None if each line is a complete command.
    pub(crate) method: Option<String>,
}

impl Job {
    /// The header up to the random id.
    fn header(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let method = self.method.as_deref().map_or_else(|| "-".to_owned(), quoted);
        let (section, address) = (quoted(&self.section), quoted(&self.address));
        format!("{MAGIC}{VERSION}\nsection {section}\naddress {address}\nmethod {method}\nid ")
    }

    /// A new header.
    pub(crate) fn header_with(&self, id: IdempotencyKey) -> String {
        format!("{}{id}\n", self.header())
    }

    /// Whether a text is a header of this job that a crash cut off: then nothing was sent.
    pub(crate) fn is_cut_header(&self, text: &str) -> bool {
        let header = self.header();
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        header.starts_with(text)
            || text.strip_prefix(&header).is_some_and(|id| id.len() <= 32 && id.chars().all(is_digit))
    }

    /// Reads the id of a header that belongs to this job.
    ///
    /// # Errors
    /// Says what is wrong, and what to do.
    pub(crate) fn parse_header(&self, text: &str) -> Result<IdempotencyKey, String> {
        const NOT_A_JOURNAL: &str = "not a journal of cent; use another file for --journal";
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix(MAGIC)).ok_or(NOT_A_JOURNAL)?;
        if version != VERSION {
            return Err(format!("unknown journal version {version}; this cent writes version {VERSION}"));
        }
        let values: Vec<&str> = ["section ", "address ", "method ", "id "]
            .iter()
            .filter_map(|key| lines.next()?.strip_prefix(key))
            .collect();
        let [section, address, method, id] = values[..] else { return Err(DAMAGED_HEADER.to_owned()) };
        let method = if method == "-" { None } else { Some(parse_string(method)?) };
        let found = Self { section: parse_string(section)?, address: parse_string(address)?, method };
        if let Some(difference) = self.difference_from(&found) {
            return Err(format!("{difference}; repeat the command as it was, or use another file for --journal"));
        }
        id.parse().map_err(|_| DAMAGED_HEADER.to_owned())
    }

    fn difference_from(&self, found: &Self) -> Option<String> {
        let method = |job: &Self| job.method.as_ref().map_or("no METHOD".to_owned(), |name| format!("METHOD {name}"));
        let [section, address] =
            [(&found.section, &self.section, "section "), (&found.address, &self.address, "address ")]
                .map(|(found, ours, what)| (found != ours).then(|| format!("{what}{found}, not {ours}")));
        let method = (found.method != self.method).then(|| format!("{}, not {}", method(found), method(self)));
        let difference = section.or(address).or(method)?;
        Some(format!("the journal is for {difference}"))
    }
}

const DAMAGED_HEADER: &str = "the header is damaged; use another file for --journal";

fn parse_string(text: &str) -> Result<String, String> {
    serde_json::from_str(text).map_err(|_| DAMAGED_HEADER.to_owned())
}

/// The SHA-256 of the input up to the end of a line. Each line counts with a newline, also the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Of what was hashed so far.
    pub(crate) fn of(hasher: &Sha256) -> Self {
        Self(hasher.clone().finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| ())?;
        Some(Self(digest)).filter(|digest| digest.to_string() == text).ok_or(())
    }
}

/// A line of the input, and the digest of the input up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// 0 before the first line.
    pub(crate) line: u64,
    pub(crate) digest: Digest,
}

impl Checkpoint {
    fn start() -> Self {
        Self { line: 0, digest: Digest::of(&Sha256::new()) }
    }

    /// The later one.
    fn max(self, other: Self) -> Self {
        if other.line > self.line { other } else { self }
    }
}

/// What makes it harmless to repeat a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Repeat {
    /// Its methods only read.
    Reads,
    /// Idempotency keys, for some minutes.
    Keys,
    /// Nothing.
    Nothing,
}

impl Repeat {
    const ALL: [Self; 3] = [Self::Reads, Self::Keys, Self::Nothing];

    fn name(self) -> &'static str {
        match self {
            Self::Reads => "read-only",
            Self::Keys => "keys",
            Self::Nothing => "no-keys",
        }
    }
}

/// A line of the journal after its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A request with these lines is about to be sent.
    Sent {
        lines: LineSet,
        /// When it was sent for the first time, in seconds since 1970.
        first_sent: u64,
        repeat: Repeat,
        /// The digest up to the last of the lines.
        digest: Digest,
    },
    /// The request was answered: all lines up to this one are done, except those that are unknown.
    Done { done: Checkpoint, rejected: LineSet, unknown: LineSet },
    /// The user decided that these lines are not sent again: all lines up to this one are done.
    Skipped { lines: LineSet, done: Checkpoint },
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { lines, first_sent, repeat, digest } => {
                writeln!(f, "sent {lines} at {first_sent} {} sha256 {digest}", repeat.name())
            }
            Self::Done { done: Checkpoint { line, digest }, rejected, unknown } => {
                write!(f, "done {line} sha256 {digest}")?;
                for (name, lines) in [("rejected", rejected), ("unknown", unknown)] {
                    if !lines.is_empty() {
                        write!(f, " {name} {lines}")?;
                    }
                }
                f.write_str("\n")
            }
            Self::Skipped { lines, done: Checkpoint { line, digest } } => {
                writeln!(f, "skipped {lines} done {line} sha256 {digest}")
            }
        }
    }
}

impl FromStr for Record {
    type Err = ();

    /// Parses a line without its newline.
    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["sent", lines, "at", first_sent, repeat, "sha256", digest] => Ok(Self::Sent {
                lines: lines.parse()?,
                first_sent: parse_number(first_sent).ok_or(())?,
                repeat: Repeat::ALL.into_iter().find(|known| known.name() == repeat).ok_or(())?,
                digest: digest.parse()?,
            }),
            ["done", line, "sha256", digest, ref rest @ ..] => {
                let (rejected, unknown) = match *rest {
                    [] => ("", ""),
                    ["rejected", rejected] => (rejected, ""),
                    ["unknown", unknown] => ("", unknown),
                    ["rejected", rejected, "unknown", unknown] => (rejected, unknown),
                    _ => return Err(()),
                };
                let set = |text: &str| if text.is_empty() { Ok(LineSet::default()) } else { text.parse() };
                Ok(Self::Done {
                    done: parse_checkpoint(line, digest)?,
                    rejected: set(rejected)?,
                    unknown: set(unknown)?,
                })
            }
            ["skipped", lines, "done", line, "sha256", digest] => {
                Ok(Self::Skipped { lines: lines.parse()?, done: parse_checkpoint(line, digest)? })
            }
            _ => Err(()),
        }
    }
}

fn parse_checkpoint(line: &str, digest: &str) -> Result<Checkpoint, ()> {
    let line = if line == "0" { 0 } else { parse_number(line).ok_or(())? };
    Ok(Checkpoint { line, digest: digest.parse()? })
}

/// Lines that may have been executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) lines: LineSet,
    /// When the first of them was sent, in seconds since 1970.
    pub(crate) first_sent: u64,
    pub(crate) repeat: Repeat,
    /// The end of the requests that they were in.
    pub(crate) end: Checkpoint,
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
        let mut first = LineSet::default();
        for line in self.first.union(lines).take(MAX_NAMED) {
            first.push(line);
        }
        self.first = first;
    }
}

/// What the records of a journal add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// All lines up to this one are done, except those that are unknown.
    pub(crate) done: Checkpoint,
    pub(crate) rejected: NamedLines,
    pub(crate) skipped: NamedLines,
    pub(crate) unknown: Option<Unknown>,
    /// The lines of the last request, until it is answered.
    in_flight: Option<LineSet>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            done: Checkpoint::start(),
            rejected: NamedLines::default(),
            skipped: NamedLines::default(),
            unknown: None,
            in_flight: None,
        }
    }

    /// Up to where the input is known.
    pub(crate) fn end(&self) -> Checkpoint {
        self.unknown.as_ref().map_or(self.done, |unknown| self.done.max(unknown.end))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If it cannot follow the others; nothing is changed then.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), ()> {
        match record {
            Record::Sent { lines, first_sent, repeat, digest } => {
                let end = Checkpoint { line: lines.last().ok_or(())?, digest: *digest };
                self.apply_sent(lines, Unknown { lines: lines.clone(), first_sent: *first_sent, repeat: *repeat, end })
            }
            Record::Done { done, rejected, unknown } => self.apply_done(*done, rejected, unknown),
            Record::Skipped { lines, done } => {
                let settled = self.unknown.as_ref().filter(|unknown| unknown.lines == *lines);
                settled.filter(|_| done.line == self.end().line).ok_or(())?;
                (self.done, self.unknown, self.in_flight) = (*done, None, None);
                self.skipped.add(lines);
                Ok(())
            }
        }
    }

    /// Sent are either new lines, or some of those that are unknown.
    fn apply_sent(&mut self, lines: &LineSet, sent: Unknown) -> Result<(), ()> {
        let is_valid = match &self.unknown {
            Some(unknown) => lines.is_subset_of(&unknown.lines),
            None => lines.first() > Some(self.done.line),
        };
        if !is_valid {
            return Err(());
        }
        self.in_flight = Some(lines.clone());
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

    fn apply_done(&mut self, done: Checkpoint, rejected: &LineSet, unknown: &LineSet) -> Result<(), ()> {
        let sent = self.in_flight.as_ref().ok_or(())?;
        let is_valid = done.line >= self.done.line
            && Some(done.line) <= sent.last().max(Some(self.done.line))
            && rejected.is_subset_of(sent)
            && unknown.is_subset_of(sent);
        if !is_valid {
            return Err(());
        }
        if let Some(earlier) = self.unknown.take() {
            let lines = earlier.lines.without(sent).union(unknown);
            self.unknown = (!lines.is_empty()).then_some(Unknown { lines, ..earlier });
        }
        (self.done, self.in_flight) = (done, None);
        self.rejected.add(rejected);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(method: Option<&str>) -> Job {
        Job {
            section: "live \"é\"".to_owned(),
            address: "http://localhost:8000".to_owned(),
            method: method.map(str::to_owned),
        }
    }

    fn id() -> IdempotencyKey {
        "000102030405060708090a0b0c0d0e0f".parse().unwrap()
    }

    fn digest(number: u8) -> Digest {
        Digest([number; 32])
    }

    fn checkpoint(line: u64) -> Checkpoint {
        Checkpoint { line, digest: digest(u8::try_from(line % 251).unwrap()) }
    }

    fn set(text: &str) -> LineSet {
        if text.is_empty() { LineSet::default() } else { text.parse().unwrap() }
    }

    fn sent(lines: &str, first_sent: u64) -> Record {
        let lines = set(lines);
        let digest = checkpoint(lines.last().unwrap()).digest;
        Record::Sent { lines, first_sent, repeat: Repeat::Keys, digest }
    }

    fn done(line: u64, rejected: &str, unknown: &str) -> Record {
        Record::Done { done: checkpoint(line), rejected: set(rejected), unknown: set(unknown) }
    }

    fn skipped(lines: &str, line: u64) -> Record {
        Record::Skipped { lines: set(lines), done: checkpoint(line) }
    }

    fn state(records: &[Record]) -> State {
        let mut state = State::new();
        for record in records {
            state.apply(record).unwrap();
        }
        state
    }

    fn unknown_lines(state: &State) -> String {
        state.unknown.as_ref().map_or_else(String::new, |unknown| unknown.lines.to_string())
    }

    #[test]
    fn header_is_plain_text() {
        let header = job(Some("publish")).header_with(id());
        assert_eq!(
            header,
            "cent journal 1\nsection \"live \\\"é\\\"\"\naddress \"http://localhost:8000\"\nmethod \"publish\"\n\
             id 000102030405060708090a0b0c0d0e0f\n"
        );
        assert_eq!(header.lines().count(), HEADER_LINES);
        assert_eq!(job(Some("publish")).parse_header(&header), Ok(id()));
        assert_eq!(job(None).parse_header(&job(None).header_with(id())), Ok(id()));
    }

    #[test]
    fn header_of_another_job_names_difference() {
        let header = job(Some("publish")).header_with(id());
        let error = |other: Job| other.parse_header(&header).unwrap_err();
        let hint = "repeat the command as it was, or use another file for --journal";
        let section = Job { section: "test".to_owned(), ..job(Some("publish")) };
        assert_eq!(error(section), format!("the journal is for section live \"é\", not test; {hint}"));
        let address = Job { address: "http://other".to_owned(), ..job(Some("publish")) };
        let message = "the journal is for address http://localhost:8000, not http://other";
        assert_eq!(error(address), format!("{message}; {hint}"));
        assert_eq!(
            error(job(Some("broadcast"))),
            format!("the journal is for METHOD publish, not METHOD broadcast; {hint}")
        );
        assert_eq!(error(job(None)), format!("the journal is for METHOD publish, not no METHOD; {hint}"));
    }

    #[test]
    fn damaged_headers_are_errors() {
        let header = job(Some("publish")).header_with(id());
        for (from, to, start) in [
            ("cent journal", "cent joke", "not a journal"),
            ("journal 1", "journal 2", "unknown journal version 2"),
            ("section", "sektion", "the header is damaged"),
            ("\"publish\"", "publish", "the header is damaged"),
            ("id 0", "id x", "the header is damaged"),
            ("id 00", "id ", "the header is damaged"),
        ] {
            let error = job(Some("publish")).parse_header(&header.replace(from, to)).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
        assert!(job(None).parse_header("").is_err());
    }

    #[test]
    fn cut_header_is_recognized_at_each_byte() {
        let (job, header) = (job(Some("publish")), job(Some("publish")).header_with(id()));
        for end in (0..header.len()).filter(|&end| header.is_char_boundary(end)) {
            assert!(job.is_cut_header(&header[..end]), "{end}");
        }
        for foreign in ["hello", "cent journal 2", &format!("{}x", &header[..header.len() - 1])] {
            assert!(!job.is_cut_header(foreign), "{foreign}");
        }
    }

    #[test]
    fn records_roundtrip() {
        let texts = [
            format!("sent 1-100 at 1764115200 keys sha256 {}", digest(1)),
            format!("sent 5,7-9 at 1 no-keys sha256 {}", digest(2)),
            format!("sent 5 at 1 read-only sha256 {}", digest(2)),
            format!("done 0 sha256 {}", digest(3)),
            format!("done 100 sha256 {} rejected 3,7-9 unknown 5", digest(3)),
            format!("done 100 sha256 {} unknown 5", digest(3)),
            format!("skipped 101-200 done 200 sha256 {}", digest(4)),
        ];
        for text in texts {
            assert_eq!(text.parse::<Record>().unwrap().to_string(), format!("{text}\n"));
            for bad in
                [format!("{text} "), format!(" {text}"), text.replace("sha256 ", "sha256  "), text.to_uppercase()]
            {
                assert!(bad.parse::<Record>().is_err(), "{bad}");
            }
        }
        assert!("".parse::<Record>().is_err());
    }

    #[test]
    fn sent_without_done_is_unknown() {
        let state = state(&[sent("1-100", 10), done(100, "", ""), sent("101-200", 20)]);
        assert_eq!((state.done.line, state.end()), (100, checkpoint(200)));
        let unknown = state.unknown.unwrap();
        assert_eq!((unknown.lines.to_string().as_str(), unknown.first_sent), ("101-200", 20));
    }

    #[test]
    fn done_settles_the_request() {
        let mut all = vec![sent("1-100", 10), done(100, "3", "")];
        assert_eq!(state(&all).end(), checkpoint(100));
        assert_eq!(unknown_lines(&state(&all)), "");
        // Nothing of it was accepted.
        all.extend([sent("101-200", 20), done(100, "", "")]);
        assert_eq!((state(&all).done.line, unknown_lines(&state(&all))), (100, String::new()));
        // A part was answered, and the rest is unknown.
        all.extend([sent("101-200", 30), done(150, "120-121", "151-200")]);
        assert_eq!((state(&all).done.line, unknown_lines(&state(&all))), (150, "151-200".to_owned()));
        assert_eq!(state(&all).rejected, NamedLines { first: set("3,120-121"), count: 3 });
    }

    #[test]
    fn resent_parts_keep_first_time() {
        let mut all = vec![sent("1-100", 10), sent("1-50", 20)];
        let unknown = state(&all).unknown.unwrap();
        assert_eq!((unknown.lines.to_string().as_str(), unknown.first_sent), ("1-100", 10));
        all.push(done(50, "", ""));
        assert_eq!((state(&all).done.line, unknown_lines(&state(&all))), (50, "51-100".to_owned()));
        // All that remains is sent at a time of its own.
        all.push(sent("51-100", 500));
        assert_eq!(state(&all).unknown.unwrap().first_sent, 500);
        all.push(done(100, "", ""));
        assert_eq!((state(&all).done.line, unknown_lines(&state(&all))), (100, String::new()));
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
        assert_eq!((state(&all).done.line, unknown_lines(&state(&all))), (102, String::new()));
    }

    #[test]
    fn impossible_records_are_errors() {
        let first = [sent("1-100", 10), done(100, "", "")];
        let unknown = [sent("1-100", 10)];
        for (before, record) in [
            (&[][..], done(1, "", "")),
            (&[], skipped("1", 1)),
            (&first, done(100, "", "")),
            (&first, sent("100-101", 1)),
            (&first, sent("50", 1)),
            (&first, skipped("101", 101)),
            (&unknown, sent("101", 1)),
            (&unknown, sent("100-101", 1)),
            (&unknown, done(101, "", "")),
            (&unknown, done(100, "101", "")),
            (&unknown, done(100, "", "101")),
            (&unknown, skipped("1-99", 100)),
            (&unknown, skipped("1-100", 99)),
        ] {
            let mut state = state(before);
            let unchanged = state.clone();
            assert!(state.apply(&record).is_err(), "{record}");
            assert_eq!(state, unchanged);
        }
    }

    #[test]
    fn rejected_lines_are_bounded() {
        let mut rejected = NamedLines::default();
        rejected.add(&set("1-15"));
        rejected.add(&set("21-40"));
        assert_eq!(rejected, NamedLines { first: set("1-15,21-25"), count: 35 });
    }
}
