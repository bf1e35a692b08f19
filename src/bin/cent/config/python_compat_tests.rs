//! The rule that existing files rest on, held against Python: what `configparser` reads is read as the same value or
//! refused, and what it refuses is refused, save for a lone `%`, a byte order mark and a fractional timeout.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use cent::{Address, Endpoint};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config as Settings, TestRunner};
use serde::Deserialize;

use super::parser::KEYS;
use super::{CREDENTIALS, Config, ConfigPath, parsed};

#[path = "../../../../tests/support/configparser.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets share it")]
mod configparser;

const CORPUS: &str = include_str!("../../../../tests/fixtures/config/corpus.json");

/// Writes the corpus, and answers texts as long as it gets any.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config/python.py");

const RANDOM_TEXTS: u32 = 50_000;

/// How many are held against Python's source as we wrote it down, on every run of the tests.
const TEXTS_WITHOUT_PYTHON: u32 = 2_000;

#[derive(Deserialize)]
struct Entry {
    text: String,
    cent: Cent,
    python: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cent {
    Reads,
    Refuses,
}

/// What the script says of a text.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reading {
    Error(String),
    Sections(Vec<(String, BTreeMap<String, Value>, Option<serde_json::Number>)>),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Value {
    Read(String),
    /// What the interpolation fails on.
    Raw {
        raw: String,
    },
}

impl Value {
    /// What we may read, if anything.
    fn allowed(&self) -> Option<String> {
        match self {
            Self::Read(value) => Some(value.clone()),
            Self::Raw { raw } => Some(raw.replace("%%", "%")).filter(|_| !raw.replace("%%", "").contains("%(")),
        }
    }
}

/// Holds our reading of a text against Python's, and tells whether all of it was read.
fn judge(text: &str, python: &Reading) -> Result<Cent, String> {
    let Ok(ini) = parsed(text.as_bytes()) else { return Ok(Cent::Refuses) };
    let path = ConfigPath { file: "x".into(), shown: "x".into(), home: None };
    let config = Config { path, ini };
    let sections = match python {
        Reading::Error(error) => return Err(format!("Python refuses it: {error}")),
        Reading::Sections(sections) => sections,
    };
    let names: Vec<_> = sections.iter().map(|(name, ..)| name.as_str()).collect();
    if config.names() != names {
        return Err(format!("sections {:?}, in Python {names:?}", config.names()));
    }
    let mut all = Cent::Reads;
    for (name, values, seconds) in sections {
        for key in KEYS {
            let theirs = values.get(key).map(Value::allowed);
            match (config.entry(name, key).map(super::Entry::value), theirs) {
                (None, None) => {}
                (Some(Err(_)), Some(_)) => all = Cent::Refuses,
                (Some(Ok(ours)), Some(Some(theirs))) if *ours == theirs => {}
                (ours, theirs) => return Err(format!("[{name}] {key}: {ours:?}, in Python {theirs:?}")),
            }
        }
        judge_section(&config, name, values, seconds.as_ref())?;
    }
    Ok(all)
}

/// The same for what a section comes to in the end.
fn judge_section(
    config: &Config,
    name: &str,
    values: &BTreeMap<String, Value>,
    seconds: Option<&serde_json::Number>,
) -> Result<(), String> {
    let Ok(section) = config.section(name) else { return Ok(()) };
    let value = |key| values.get(key).and_then(Value::allowed);
    let address =
        Address::parse(&value("address").ok_or("no address in Python")?).map_err(|error| error.to_string())?;
    let endpoint = match (value("secret"), value("api_key")) {
        // What a section says itself sets aside [DEFAULT]: no matter for Python, which knows of just one key.
        _ if CREDENTIALS.iter().filter(|key| values.contains_key(**key)).count() > 1 => Ok(section.endpoint.clone()),
        (Some(secret), _) => Endpoint::with_secret(address, &secret),
        (_, Some(key)) => Endpoint::with_api_key(address, &key),
        (None, None) => return Err(format!("[{name}] a credential that Python does not have")),
    };
    if endpoint.ok().as_ref() != Some(&section.endpoint) {
        return Err(format!("[{name}] another endpoint"));
    }
    match (section.timeout, value("timeout"), seconds.and_then(serde_json::Number::as_u64)) {
        (None, None, _) => Ok(()),
        (Some(ours), _, Some(theirs)) if ours == Duration::from_secs(theirs) => Ok(()),
        (Some(_), Some(text), None) if text.contains('.') => Ok(()),
        found => Err(format!("[{name}] timeout and what Python has: {found:?}")),
    }
}

#[test]
fn the_corpus_is_read_as_python_reads_it() {
    let corpus: Vec<Entry> = serde_json::from_str(CORPUS).unwrap();
    assert!(corpus.len() >= 150);
    for Entry { text, cent, python } in corpus {
        assert_eq!(judge(&text, &python), Ok(cent), "{text:?}");
    }
}

/// A Python that answers text by text.
struct Python {
    child: Child,
    texts: ChildStdin,
    readings: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut command = Command::new("python3");
        let mut child =
            command.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
        let texts = child.stdin.take().unwrap();
        let readings = BufReader::new(child.stdout.take().unwrap());
        Self { child, texts, readings }
    }

    fn read(&mut self, text: &str) -> Reading {
        writeln!(self.texts, "{}", serde_json::to_string(text).unwrap()).unwrap();
        let mut line = String::new();
        self.readings.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn end(mut self) {
        drop(self.texts);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
#[ignore = "needs python3 of version 3.11"]
fn the_corpus_is_what_python_reads() {
    let mut python = Python::start();
    for Entry { text, python: recorded, .. } in serde_json::from_str::<Vec<Entry>>(CORPUS).unwrap() {
        assert_eq!(python.read(&text), recorded, "{text:?}; write it anew: tests/fixtures/config/python.py corpus");
    }
    python.end();
}

#[test]
#[ignore = "needs python3 of version 3.11"]
fn random_texts_are_read_as_python_reads_them() {
    let python = RefCell::new(Python::start());
    let counts = RefCell::new(BTreeMap::<(bool, bool), u32>::new());
    let settings = Settings { cases: RANDOM_TEXTS, failure_persistence: None, ..Settings::default() };
    let result = TestRunner::new(settings).run(&text(), |text| {
        let reading = python.borrow_mut().read(&text);
        let ours = judge(&text, &reading).map_err(TestCaseError::fail)?;
        prop_assert!(agrees(&written_down(&text), &reading), "{:?}", (written_down(&text), reading));
        *counts.borrow_mut().entry((ours == Cent::Reads, matches!(reading, Reading::Sections(_)))).or_default() += 1;
        Ok(())
    });
    python.into_inner().end();
    result.unwrap();
    let counts = counts.into_inner();
    println!("(read by cent, read by Python): {counts:?}");
    // Else the texts are too wild to tell anything.
    assert!(counts.get(&(true, true)).is_some_and(|&read| read > RANDOM_TEXTS / 4));
}

#[test]
fn random_texts_are_read_as_pythons_source_has_it() {
    let settings = Settings { cases: TEXTS_WITHOUT_PYTHON, failure_persistence: None, ..Settings::default() };
    let read = RefCell::new(0);
    TestRunner::new(settings)
        .run(&text(), |text| {
            let ours = judge(&text, &written_down(&text)).map_err(TestCaseError::fail)?;
            *read.borrow_mut() += u32::from(ours == Cent::Reads);
            Ok(())
        })
        .unwrap();
    assert!(read.into_inner() > TEXTS_WITHOUT_PYTHON / 4);
}

/// The reading of Python's source as we wrote it down, in the form of the script's.
fn written_down(text: &str) -> Reading {
    let Some(sections) = configparser::read(text.strip_prefix('\u{feff}').unwrap_or(text)) else {
        return Reading::Error(String::new());
    };
    let value = |raw: String| match configparser::interpolated(&raw) {
        Some(value) if !raw.replace("%%", "").contains('%') => Value::Read(value),
        _ => Value::Raw { raw },
    };
    let ours = |values: BTreeMap<String, String>| {
        let ours = values.into_iter().filter(|(key, _)| KEYS.contains(&key.as_str()));
        ours.map(|(key, raw)| (key, value(raw))).collect::<BTreeMap<_, _>>()
    };
    let seconds = |values: &BTreeMap<String, Value>| match values.get("timeout") {
        Some(Value::Read(text)) => text.parse::<u64>().ok().map(serde_json::Number::from),
        _ => None,
    };
    let section = |(name, values)| {
        let values = ours(values);
        let seconds = seconds(&values);
        (name, values, seconds)
    };
    Reading::Sections(sections.into_iter().map(section).collect())
}

/// Whether our writing down fits Python, save for what it does not know: the kinds of errors, where a reference to
/// another key leads, and what `getint` takes besides digits.
fn agrees(ours: &Reading, python: &Reading) -> bool {
    let (ours, python) = match (ours, python) {
        (Reading::Sections(ours), Reading::Sections(python)) => (ours, python),
        (ours, python) => return matches!((ours, python), (Reading::Error(_), Reading::Error(_))),
    };
    let refers = |value: &Value| matches!(value, Value::Raw { raw } if configparser::interpolated(raw).is_none());
    ours.len() == python.len()
        && ours.iter().zip(python).all(|((name, ours, _), (theirs, python, _))| {
            let keys = ours.keys().eq(python.keys());
            name == theirs && keys && ours.iter().all(|(key, value)| refers(value) || python.get(key) == Some(value))
        })
}

/// Config texts that go wrong about as often as not.
fn text() -> impl Strategy<Value = String> {
    let start = prop_oneof![8 => Just("[a]\n"), 4 => Just("[DEFAULT]\n"), 1 => Just("\u{feff}[b]\r\n"), 1 => Just("")];
    let lines = prop::collection::vec(line(), 0..8);
    (start, lines).prop_map(|(start, lines)| start.to_owned() + &lines.concat())
}

fn line() -> impl Strategy<Value = String> {
    let indent =
        prop_oneof![16 => Just(""), 3 => select(vec![" ", "  ", "    ", "\t", "\x0c", "\u{1c}", "\u{a0}", "\u{3000}"])];
    let end =
        prop_oneof![12 => Just("\n"), 4 => select(vec!["\r\n", "\r", "\n\n", "\n\r", "", "\\\n", " \t\n", "\u{85}\n"])];
    let body = prop_oneof![12 => pair(), 4 => header(), 2 => other()];
    (indent, body, end).prop_map(|(indent, body, end)| format!("{indent}{body}{end}"))
}

fn header() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        6 => select(vec!["b", "c", "d", "e", "DEFAULT"]),
        2 => select(vec!["a", "DEFAULT", "default", " a ", "a b", "a.b", "\u{e4}", "a[b", "a]b", "]", "", "a\\", "|", "a|", "a=b", "a#b", "\u{1f}"]),
    ];
    let after =
        prop_oneof![8 => Just(""), 2 => select(vec![" ", " # note", ";", " secret = x", "]", " [1]", "= x", "\\"])];
    (name, after).prop_map(|(name, after)| format!("[{name}]{after}"))
}

fn pair() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        8 => select(KEYS.to_vec()),
        2 => select(vec!["SECRET", "Address", "API_\u{212a}ey", "name", "a b", "", "secret\\", "\"secret\"", "\u{130}", "[", "[x", "\u{17f}ecret", "%"]),
    ];
    let delimiter = prop_oneof![6 => select(vec![" = ", "=", ":", " : "]), 1 => select(vec!["\t=\t", "\u{1e}:\u{2003}", "", " ", "==", ":="])];
    (key, delimiter, value()).prop_map(|(key, delimiter, value)| format!("{key}{delimiter}{value}"))
}

fn value() -> impl Strategy<Value = String> {
    let whole =
        select(vec!["http://h:8000", "https://h/x", "long-secret", "5", "0.5", "1_0", "05", "+5", "x\\", "%%x", ""]);
    let piece = select(vec![
        "x",
        "Y",
        "0",
        "5",
        ".",
        "\\",
        "\\\\",
        "\\n",
        "\\x0041",
        "%",
        "%%",
        "%(a)s",
        "%(",
        "%(name)s",
        ")s",
        "\"",
        "'",
        "#",
        " #",
        ";",
        " ; ",
        "=",
        ":",
        "[",
        "]",
        "[b]",
        " ",
        "\t",
        "|",
        "||",
        "3|",
        "$",
        "${x}",
        "{",
        "}",
        "`",
        "\u{e9}",
        "\u{1f34c}",
        "\u{1c}",
        "\u{1f}",
        "\0",
        "\x07",
        "\x0b",
        "\x0c",
        "\x7f",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "\u{200b}",
        "http://h",
        "//",
    ]);
    let character = any::<char>().prop_map(String::from);
    let pieces = prop_oneof![9 => piece.prop_map(str::to_owned), 1 => character];
    prop_oneof![3 => whole.prop_map(str::to_owned), 2 => prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())]
}

fn other() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "", "# note", "; note", "#", "\\", "# \\", "secret", "junk", "[", "]", "[]", "[x", "= x", ":", "=", "%",
        "// note", "\u{feff}", "\u{1c}", "x y", "[a = b]", "secret x", "\"", "|",
    ]);
    prop_oneof![4 => odd.prop_map(str::to_owned), 1 => "\\PC{0,12}"]
}
