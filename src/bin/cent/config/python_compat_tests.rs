//! Compares the config parser with Python: what `configparser` reads must be read as the same value or rejected, and what
//! it rejects must be rejected, except for a lone `%`, a byte order mark and a fractional timeout.

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

use super::parser::KNOWN_KEYS;
use super::{CREDENTIAL_KEYS, Config, ConfigPath, ConfigValue, parse};

#[path = "../../../../tests/support/configparser.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets share it")]
mod configparser;

const CORPUS: &str = include_str!("../../../../tests/fixtures/config/corpus.json");

/// Writes the corpus, or reads texts and writes what Python makes of each.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config/python.py");

const RANDOM_TEXTS: u32 = 50_000;

/// How many are compared with the reference parser on every run of the tests.
const REFERENCE_TEXTS: u32 = 2_000;

#[derive(Deserialize)]
struct CorpusCase {
    text: String,
    cent: Outcome,
    python: PythonOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    #[serde(rename = "reads")]
    Accepted,
    #[serde(rename = "refuses")]
    Rejected,
}

/// What the script writes about a text.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PythonOutcome {
    Error(String),
    Sections(Vec<(String, BTreeMap<String, Value>, Option<serde_json::Number>)>),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Value {
    Read(String),
    /// A value whose interpolation fails.
    Raw {
        raw: String,
    },
}

impl Value {
    /// What the config parser may read it as, if anything.
    fn allowed(&self) -> Option<String> {
        match self {
            Self::Read(value) => Some(value.clone()),
            Self::Raw { raw } => Some(raw.replace("%%", "%")).filter(|_| !raw.replace("%%", "").contains("%(")),
        }
    }
}

/// Checks that a text is read as Python does. Returns whether all of it was accepted.
fn compare(text: &str, python: &PythonOutcome) -> Result<Outcome, String> {
    let Ok((ini, near_misses)) = parse(text.as_bytes()) else { return Ok(Outcome::Rejected) };
    let path = ConfigPath { file: "x".into(), display: "x".into(), origin: "", home_dir: None };
    let config = Config { path, ini, near_misses };
    let sections = match python {
        PythonOutcome::Error(error) => return Err(format!("Python rejects it: {error}")),
        PythonOutcome::Sections(sections) => sections,
    };
    let names: Vec<_> = sections.iter().map(|(name, ..)| name.as_str()).collect();
    if config.names() != names {
        return Err(format!("sections {:?}, in Python {names:?}", config.names()));
    }
    let mut all = Outcome::Accepted;
    for (name, values, seconds) in sections {
        for key in KNOWN_KEYS {
            let theirs = values.get(key).map(Value::allowed);
            match (config.get(name, key).map(ConfigValue::text), theirs) {
                (None, None) => {}
                (Some(Err(_)), Some(_)) => all = Outcome::Rejected,
                (Some(Ok(ours)), Some(Some(theirs))) if *ours == theirs => {}
                (ours, theirs) => return Err(format!("[{name}] {key}: {ours:?}, in Python {theirs:?}")),
            }
        }
        compare_section(&config, name, values, seconds.as_ref())?;
    }
    Ok(all)
}

/// Checks that a section has the endpoint and timeout that it has in Python.
fn compare_section(
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
        // A section's credential overrides one in [DEFAULT]; Python has no such rule.
        _ if CREDENTIAL_KEYS.iter().filter(|key| values.contains_key(**key)).count() > 1 => {
            Ok(section.endpoint.clone())
        }
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
fn corpus_matches_parser() {
    let corpus: Vec<CorpusCase> = serde_json::from_str(CORPUS).unwrap();
    assert!(corpus.len() >= 150);
    for CorpusCase { text, cent, python } in corpus {
        assert_eq!(compare(&text, &python), Ok(cent), "{text:?}");
    }
}

/// A Python process that reads one text after the other.
struct Python {
    child: Child,
    texts: ChildStdin,
    outcomes: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut command = Command::new("python3");
        let mut child =
            command.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
        let texts = child.stdin.take().unwrap();
        let outcomes = BufReader::new(child.stdout.take().unwrap());
        Self { child, texts, outcomes }
    }

    fn read(&mut self, text: &str) -> PythonOutcome {
        writeln!(self.texts, "{}", serde_json::to_string(text).unwrap()).unwrap();
        let mut line = String::new();
        self.outcomes.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn end(mut self) {
        drop(self.texts);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
#[ignore = "needs python3 of version 3.11"]
fn corpus_matches_python() {
    let mut python = Python::start();
    for CorpusCase { text, python: recorded, .. } in serde_json::from_str::<Vec<CorpusCase>>(CORPUS).unwrap() {
        assert_eq!(python.read(&text), recorded, "{text:?}; regenerate it: tests/fixtures/config/python.py corpus");
    }
    python.end();
}

#[test]
#[ignore = "needs python3 of version 3.11"]
fn random_configs_match_python() {
    let python = RefCell::new(Python::start());
    let counts = RefCell::new(BTreeMap::<(bool, bool), u32>::new());
    let settings = Settings { cases: RANDOM_TEXTS, failure_persistence: None, ..Settings::default() };
    let result = TestRunner::new(settings).run(&text(), |text| {
        let outcome = python.borrow_mut().read(&text);
        let ours = compare(&text, &outcome).map_err(TestCaseError::fail)?;
        prop_assert!(agrees(&reference_outcome(&text), &outcome), "{:?}", (reference_outcome(&text), outcome));
        *counts
            .borrow_mut()
            .entry((ours == Outcome::Accepted, matches!(outcome, PythonOutcome::Sections(_))))
            .or_default() += 1;
        Ok(())
    });
    python.into_inner().end();
    result.unwrap();
    let counts = counts.into_inner();
    println!("(read by cent, read by Python): {counts:?}");
    // Otherwise the texts are too random to test anything.
    assert!(counts.get(&(true, true)).is_some_and(|&read| read > RANDOM_TEXTS / 4));
}

#[test]
fn random_configs_match_reference_parser() {
    let settings = Settings { cases: REFERENCE_TEXTS, failure_persistence: None, ..Settings::default() };
    let read = RefCell::new(0);
    TestRunner::new(settings)
        .run(&text(), |text| {
            let ours = compare(&text, &reference_outcome(&text)).map_err(TestCaseError::fail)?;
            *read.borrow_mut() += u32::from(ours == Outcome::Accepted);
            Ok(())
        })
        .unwrap();
    assert!(read.into_inner() > REFERENCE_TEXTS / 4);
}

/// What the reference parser, a port of Python's, makes of a text, in the form of the script.
fn reference_outcome(text: &str) -> PythonOutcome {
    let Some(sections) = configparser::read(text.strip_prefix('\u{feff}').unwrap_or(text)) else {
        return PythonOutcome::Error(String::new());
    };
    let value = |raw: String| match configparser::interpolated(&raw) {
        Some(value) if !raw.replace("%%", "").contains('%') => Value::Read(value),
        _ => Value::Raw { raw },
    };
    let seconds = |values: &BTreeMap<String, Value>| match values.get("timeout") {
        Some(Value::Read(text)) => text.parse::<u64>().ok().map(serde_json::Number::from),
        _ => None,
    };
    let section = |(name, values): (String, BTreeMap<String, String>)| {
        let values = values.into_iter().map(|(key, raw)| (key, value(raw))).collect();
        let seconds = seconds(&values);
        (name, values, seconds)
    };
    PythonOutcome::Sections(sections.into_iter().map(section).collect())
}

/// Whether the reference parser agrees with Python on known keys, except for what it does not know: the kinds of errors,
/// references to other keys, and what `getint` accepts besides digits. Other keys may have another lower case in Python's
/// older version of Unicode.
fn agrees(ours: &PythonOutcome, python: &PythonOutcome) -> bool {
    let (ours, python) = match (ours, python) {
        (PythonOutcome::Sections(ours), PythonOutcome::Sections(python)) => (ours, python),
        (ours, python) => return matches!((ours, python), (PythonOutcome::Error(_), PythonOutcome::Error(_))),
    };
    let refers = |value: &Value| matches!(value, Value::Raw { raw } if configparser::interpolated(raw).is_none());
    ours.len() == python.len()
        && ours.iter().zip(python).all(|((name, ours, _), (theirs, python, _))| {
            let is_same = |key: &str| match (ours.get(key), python.get(key)) {
                (Some(ours), Some(theirs)) => ours == theirs || refers(ours),
                (ours, theirs) => ours.is_none() && theirs.is_none(),
            };
            name == theirs && KNOWN_KEYS.into_iter().all(is_same)
        })
}

/// Config texts, about half of them invalid.
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
        8 => select(KNOWN_KEYS.to_vec()),
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
