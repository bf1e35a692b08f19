//! One line as a command, and what is wrong with input that is not one command per line.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::anyhow;
use cent::{Command, Endpoint, IdempotencyKey};
use serde_json::value::RawValue;

use crate::params::encoding_problem;
use crate::params::unknown::UnknownParams;

/// Makes commands of lines.
pub(in crate::lines) struct LineParser<OnNote> {
    /// That of all lines, which then hold its params; without it, each line is a complete command.
    pub(in crate::lines) method: Option<String>,
    pub(in crate::lines) endpoint: Endpoint,
    /// From which the idempotency keys of the lines derive.
    pub(in crate::lines) keys: Option<IdempotencyKey>,
    pub(in crate::lines) unknown_params: RefCell<UnknownParams>,
    /// Gets what is probably a mistake, though it can be sent.
    pub(in crate::lines) on_note: OnNote,
}

impl<OnNote: Fn(&str)> LineParser<OnNote> {
    /// Parses a line and its number.
    ///
    /// # Errors
    /// For what is no command, and for one that the server would reject or misinterpret.
    pub(in crate::lines) fn parse(&self, text: Vec<u8>, number: u64) -> anyhow::Result<Command> {
        let shape = Shape::of_line(&text);
        let mut problem = None;
        let command = match &self.method {
            Some(method) => Command::new(method, text),
            None => Command::from_json(&text).inspect_err(|_| problem = params_problem(&text)),
        };
        let command = command.and_then(|command| command.validated(&self.endpoint)).map_err(|error| {
            match problem.or_else(|| shape.problem()) {
                Some(problem) => anyhow!("line {number}: {problem}"),
                None => error.with_first_line(number).into(),
            }
        })?;
        for problem in self.unknown_params.borrow_mut().find(&command, &self.endpoint) {
            (self.on_note)(&format!("line {number}: {problem}"));
        }
        Ok(match self.keys {
            Some(keys) => command.with_idempotency_key(keys.derived(number)),
            None => command,
        })
    }
}

/// What to do where a line holds params, but each should be a command.
fn params_problem(text: &[u8]) -> Option<&'static str> {
    let members = serde_json::from_slice::<BTreeMap<&str, &RawValue>>(text).ok()?;
    let is_params = !members.is_empty() && !members.contains_key("method") && !members.contains_key("params");
    is_params.then_some("no key \"method\" in command; for lines of params, use cent SECTION METHOD --lines")
}

/// What a line begins and ends with, which says more than the error of its JSON.
struct Shape {
    beginning: [u8; 2],
    end: u8,
    has_nul: bool,
}

impl Shape {
    fn of_line(text: &[u8]) -> Self {
        let byte = |index: usize| text.get(index).copied().unwrap_or_default();
        let end = text.trim_ascii_end().last().copied().unwrap_or_default();
        Self { beginning: [byte(0), byte(1)], end, has_nul: memchr::memchr(0, text).is_some() }
    }

    fn problem(&self) -> Option<&'static str> {
        encoding_problem(&self.beginning).or(match (self.beginning[0], self.end) {
            _ if self.has_nul => Some("a NUL character; end each command with a newline: tr '\\0' '\\n'"),
            (b'[', _) => Some("an array; expected one JSON object per line: jq -c '.[]'"),
            (b'{', b'{' | b'[' | b',' | b':') => Some("JSON over several lines; expected one object per line: jq -c ."),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_other_input_are_recognized() {
        let problem = |text: &[u8]| Shape::of_line(text).problem().unwrap_or("none").split(';').next().unwrap();
        for (text, expected) in [
            (&b"{\n"[..], "JSON over several lines"),
            (b"{\"channel\": \"a\",\r\n", "JSON over several lines"),
            (b"[\n", "an array"),
            (b"[{}, {}]\n", "an array"),
            (b"{}\0{}\0", "a NUL character"),
            (b"{\0\"\0", "UTF-16"),
            (b"\xff\xfe{\0", "UTF-16"),
            (b"\0{\0\"", "UTF-16"),
            (b"\x1f\x8b\x08\x00", "compressed data (gzip)"),
            (b"{\"a\" 1}\n", "none"),
            (b"", "none"),
        ] {
            assert_eq!(problem(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_of_params_are_recognized() {
        assert!(params_problem(br#"{"channel": "a", "data": 1}"#).is_some());
        for text in ["{}", r#"{"method": "x", "uid": 1}"#, r#"{"params": {}}"#, "[]", "{"] {
            assert_eq!(params_problem(text.as_bytes()), None, "{text}");
        }
    }
}
