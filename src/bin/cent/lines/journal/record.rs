//! The text of a journal, format 2: JSON Lines, a header and then the records. The man page describes it.

use cent::IdempotencyKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::ledger::Entry;

const FORMAT: u64 = 2;

/// What a journal of format 1 begins with, which had a text format of its own.
const FORMAT_1: &str = "cent journal 1";

const NOT_A_JOURNAL: &str = "not a journal of cent; use another file for --journal";
const DAMAGED_HEADER: &str = "the header is damaged; check which lines were sent, and use another file for --journal";

/// What a journal belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The name of the section in the config file.
    pub(crate) section: String,
    /// The server's address.
    pub(crate) address: String,
    /// None if each line is a complete command.
    pub(crate) method: Option<String>,
    /// None if a line is more than the value of one param.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) params: Option<FixedParams>,
}

/// The params that are the same for all lines. Their values may be secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FixedParams {
    /// KEY=VALUE arguments without the value; the one that takes the line as it is.
    keys: Vec<String>,
    sha256: Digest,
}

impl FixedParams {
    pub(crate) fn new(keys: Vec<String>, values: &Sha256) -> Self {
        Self { keys, sha256: Digest::of(values) }
    }
}

/// The first line. Its names are checked before its values, which depend on the format.
#[derive(Serialize, Deserialize)]
struct Header {
    /// The format.
    cent_journal: u64,
    #[serde(flatten)]
    job: Job,
    id: String,
}

impl Job {
    /// A new header.
    pub(crate) fn header_with(&self, id: IdempotencyKey) -> String {
        line(&Header { cent_journal: FORMAT, job: self.clone(), id: id.to_string() })
    }

    /// Whether a text is a header of this job that a crash cut off: then nothing was sent.
    pub(crate) fn is_cut_header(&self, text: &str) -> bool {
        let whole = line(&Header { cent_journal: FORMAT, job: self.clone(), id: String::new() });
        let Some(start) = whole.strip_suffix("\"}\n") else { return false };
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let rest = text.strip_prefix(start).map(|rest| rest.trim_start_matches(is_digit));
        start.starts_with(text) || rest.is_some_and(|rest| "\"}".starts_with(rest))
    }

    /// Reads the id of a header that belongs to this job.
    ///
    /// # Errors
    /// Says what is wrong, and what to do.
    pub(crate) fn parse_header(&self, text: &str) -> Result<IdempotencyKey, String> {
        #[derive(Deserialize)]
        struct Format {
            cent_journal: u64,
        }
        if text.lines().next() == Some(FORMAT_1) {
            return Err(format!(
                "a journal of format 1, and this cent reads and writes format {FORMAT}; finish the job with the cent that \
                 wrote it, or check which lines were sent, and use another file for --journal"
            ));
        }
        let Format { cent_journal } = serde_json::from_str(text).map_err(|_| NOT_A_JOURNAL)?;
        if cent_journal != FORMAT {
            return Err(format!(
                "a journal of format {cent_journal}, and this cent reads and writes format {FORMAT}; use the cent that wrote it"
            ));
        }
        let header = serde_json::from_str::<Header>(text).map_err(|_| DAMAGED_HEADER)?;
        if let Some(difference) = self.difference_from(&header.job) {
            return Err(format!(
                "{difference}; repeat the command as it was; another file for --journal would send all lines again"
            ));
        }
        let id = header.id.parse().map_err(|_| DAMAGED_HEADER)?;
        if self.header_with(id) == text { Ok(id) } else { Err(DAMAGED_HEADER.to_owned()) }
    }

    fn difference_from(&self, found: &Self) -> Option<String> {
        let method = |job: &Self| job.method.as_ref().map_or("no METHOD".to_owned(), |name| format!("METHOD {name}"));
        let [section, address] =
            [(&found.section, &self.section, "section "), (&found.address, &self.address, "address ")]
                .map(|(found, ours, what)| (found != ours).then(|| format!("{what}{found}, not {ours}")));
        let method = (found.method != self.method).then(|| format!("{}, not {}", method(found), method(self)));
        let difference = section.or(address).or(method).or_else(|| self.params_difference(found))?;
        Some(format!("the journal is for {difference}"))
    }

    fn params_difference(&self, found: &Self) -> Option<String> {
        let keys = |job: &Self| job.params.as_ref().map_or("no KEY=VALUE".to_owned(), |params| params.keys.join(" "));
        let (found_keys, our_keys) = (keys(found), keys(self));
        if found_keys != our_keys {
            return Some(format!("{found_keys}, not {our_keys}"));
        }
        (found.params != self.params).then(|| format!("other values of {our_keys}"))
    }
}

/// The SHA-256 of the input up to the end of a line. Each line counts with a newline, also the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Of what was hashed so far.
    pub(crate) fn of(hasher: &Sha256) -> Self {
        Self(hasher.clone().finalize().into())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        hex::encode(digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map(|()| Self(digest))
    }
}

/// A line after the header: an entry of the ledger, and the digest of the input up to its last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) sha256: Digest,
}

impl Record {
    /// As a line.
    pub(crate) fn text(&self) -> String {
        line(self)
    }

    /// Reads a line with its newline. It has to be as [`text`](Self::text) writes it: anything else is damage.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str::<Self>(line).ok().filter(|record| record.text() == line)
    }
}

fn line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("all keys are strings, and no value fails to be written");
    text + "\n"
}

#[cfg(test)]
mod tests {
    use cent::Repeat;

    use super::super::super::ledger::{Answered, NotAccepted, Released, Sent, Skipped};
    use super::*;
    use crate::clock::Timestamp;

    fn job(method: Option<&str>) -> Job {
        Job {
            section: "live \"é\"".to_owned(),
            address: "http://localhost:8000".to_owned(),
            method: method.map(str::to_owned),
            params: None,
        }
    }

    fn with_params(keys: &[&str], value: &str) -> Job {
        let keys = keys.iter().map(ToString::to_string).collect();
        let params = FixedParams::new(keys, &Sha256::new_with_prefix(value));
        Job { params: Some(params), ..job(Some("publish")) }
    }

    fn id() -> IdempotencyKey {
        "000102030405060708090a0b0c0d0e0f".parse().unwrap()
    }

    #[test]
    fn header_is_one_json_object() {
        let header = job(Some("publish")).header_with(id());
        assert_eq!(
            header,
            r#"{"cent_journal":2,"section":"live \"é\"","address":"http://localhost:8000","method":"publish","id":"000102030405060708090a0b0c0d0e0f"}"#
                .to_owned() + "\n"
        );
        assert_eq!(job(Some("publish")).parse_header(&header), Ok(id()));
        assert!(job(None).header_with(id()).contains(r#""method":null,"#));
        assert_eq!(job(None).parse_header(&job(None).header_with(id())), Ok(id()));
    }

    #[test]
    fn header_of_another_job_names_difference() {
        let header = job(Some("publish")).header_with(id());
        let error = |other: Job| other.parse_header(&header).unwrap_err();
        let hint = "repeat the command as it was; another file for --journal would send all lines again";
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
    fn header_with_other_fixed_params_names_difference() {
        let ours = with_params(&["channel", "data@-"], "a");
        let header = ours.header_with(id());
        let params = r#","method":"publish","params":{"keys":["channel","data@-"],"sha256":"ca978112"#;
        assert!(header.contains(params), "{header}");
        assert_eq!(ours.parse_header(&header), Ok(id()));
        let hint = "repeat the command as it was; another file for --journal would send all lines again";
        for (other, difference) in [
            (with_params(&["channel", "data@-"], "b"), "other values of channel data@-"),
            (with_params(&["channel", "data:@-"], "a"), "channel data@-, not channel data:@-"),
            (job(Some("publish")), "channel data@-, not no KEY=VALUE"),
        ] {
            let error = other.parse_header(&header).unwrap_err();
            assert_eq!(error, format!("the journal is for {difference}; {hint}"));
        }
    }

    #[test]
    fn other_headers_are_errors() {
        let header = job(Some("publish")).header_with(id());
        for (from, to, start) in [
            ("cent_journal", "cent_joke", "not a journal"),
            ("{", "", "not a journal"),
            (":2,", ":3,", "a journal of format 3, and"),
            (":2,", ":-2,", "not a journal"),
            ("section", "sektion", "the header is damaged"),
            ("\"publish\"", "7", "the header is damaged"),
            ("\"id\":", "\"id\": ", "the header is damaged"),
            ("\"0001", "\"x001", "the header is damaged"),
            ("\"0001", "\"01", "the header is damaged"),
        ] {
            let error = job(Some("publish")).parse_header(&header.replace(from, to)).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
        assert!(job(None).parse_header("").is_err());
        let error = job(None).parse_header("cent journal 1\nsection \"live\"\n").unwrap_err();
        assert!(error.starts_with("a journal of format 1, and"), "{error}");
    }

    #[test]
    fn cut_header_is_recognized_at_each_byte() {
        let (job, header) = (job(Some("publish")), job(Some("publish")).header_with(id()));
        for end in (0..header.len()).filter(|&end| header.is_char_boundary(end)) {
            assert!(job.is_cut_header(&header[..end]), "{end}");
        }
        for foreign in ["hello", "cent journal 1", r#"{"cent_journal":3"#, &header, &header.replace("\"}\n", "x")] {
            assert!(!job.is_cut_header(foreign), "{foreign}");
        }
    }

    #[test]
    fn records_have_one_text() {
        let lines_of = |text: &str| text.parse().unwrap();
        let sha256 = Digest([1; 32]);
        let hex = "01".repeat(32);
        let answered = Answered { done: 100, ..Answered::default() };
        let sent = |lines, time, machine: Option<&str>, repeat| {
            let first = Timestamp { time, uptime: 7, machine: machine.map(str::to_owned) };
            Entry::Sent(Sent::new(lines_of(lines), first, repeat))
        };
        for (entry, text) in [
            (
                sent("1-100", 1_764_115_200, Some("0a1b"), Repeat::Keys),
                r#"{"sent":{"lines":"1-100","time":1764115200,"uptime":7,"machine":"0a1b","repeat":"keys"},"#,
            ),
            (
                sent("5,7-9", 0, None, Repeat::Nothing),
                r#"{"sent":{"lines":"5,7-9","time":0,"uptime":7,"machine":null,"repeat":"nothing"},"#,
            ),
            (
                sent("5", u64::MAX, None, Repeat::Reads),
                r#"{"sent":{"lines":"5","time":18446744073709551615,"uptime":7,"machine":null,"repeat":"reads"},"#,
            ),
            (Entry::NotAccepted(NotAccepted { done: 2 }), r#"{"not_accepted":{"line":2},"#),
            (Entry::Released(Released { lines: lines_of("3-4"), done: 2 }), r#"{"released":{"lines":"3-4","line":2},"#),
            (Entry::Answered(Answered::default()), r#"{"done":{"line":0,"replies":0},"#),
            (
                Entry::Answered(Answered {
                    rejected: lines_of("3,7-9"),
                    failed: lines_of("4"),
                    unknown: lines_of("5"),
                    ..answered
                }),
                r#"{"done":{"line":100,"replies":0,"rejected":"3,7-9","failed":"4","unknown":"5"},"#,
            ),
            (
                Entry::Skipped(Skipped { lines: lines_of("101-200"), done: 200 }),
                r#"{"skipped":{"lines":"101-200","line":200},"#,
            ),
        ] {
            let text = format!("{text}\"sha256\":\"{hex}\"}}\n");
            let record = Record { entry, sha256 };
            assert_eq!((record.text(), Record::parse(&text)), (text.clone(), Some(record)));
            for bad in [
                text.replace(',', ", "),
                text.replace("}\n", ",\"more\":1}\n"),
                text.replace("},", ",\"more\":1},"),
                text.to_uppercase(),
                text.replace("01\"}", "0\"}"),
                text.replace("\":{", "\":{\"replies\":1,"),
                text.trim_end().to_owned(),
            ] {
                assert_eq!(Record::parse(&bad), None, "{bad}");
            }
        }
        for number in ["-1", "1.0", "18446744073709551616", "null", "\"1\""] {
            let text = format!("{{\"done\":{{\"line\":{number}}},\"sha256\":\"{hex}\"}}\n");
            assert_eq!(Record::parse(&text), None, "{text}");
        }
        assert_eq!(Record::parse(""), None);
    }
}
