//! One line as a command, and what is wrong with input that is not one command per line.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use cent::{ApiVersion, Command, Endpoint, Error, IdempotencyKey, Method};
use serde_json::value::RawValue;

use super::super::journal::record::FixedParams;
use crate::console::Console;
use crate::options::Options;
use crate::params::encoding_problem;
use crate::params::key_value::{self, LineParams};
use crate::params::unknown::UnknownParams;

/// What a line is.
pub(in crate::lines) enum LineKind {
    /// A complete command.
    Command,
    /// The params of a method.
    Params { method: String },
    /// The value of one param.
    Value { method: String, params: LineParams },
}

impl LineKind {
    /// With KEY=VALUE arguments, these are the params of all lines, and one of them takes the line.
    ///
    /// # Errors
    /// For arguments that no line could make a valid command of.
    pub(in crate::lines) fn new(
        options: &Options,
        method: Option<&str>,
        endpoint: &Endpoint,
        console: Console,
    ) -> anyhow::Result<Self> {
        let Some(method) = method.map(str::to_owned) else { return Ok(Self::Command) };
        if options.key_values.is_empty() {
            return Ok(Self::Params { method });
        }
        let params = key_value::read_line_params(&options.key_values, Method::find(&method), console)?;
        check_fixed_params(options, &method, endpoint, &params)?;
        Ok(Self::Value { method, params })
    }

    pub(in crate::lines) fn fixed_params(&self) -> Option<FixedParams> {
        match self {
            Self::Value { params, .. } => Some(FixedParams::new(params.keys().to_vec(), &params.hash())),
            Self::Command | Self::Params { .. } => None,
        }
    }

    /// A line, which may end with its newline, as a command; none if it is blank. An error may come with what says more.
    fn command(&self, text: Vec<u8>) -> Result<Option<Command>, (Error, Option<&'static str>)> {
        let command = match self {
            Self::Value { method, params } => {
                let params = params.with_line(&text);
                params.and_then(|params| params.map(|params| Command::new(method, params)).transpose())
            }
            _ if text.iter().all(u8::is_ascii_whitespace) => Ok(None),
            Self::Params { method } => Command::new(method, text).map(Some),
            Self::Command => {
                return Command::from_json(&text).map(Some).map_err(|error| (error, params_problem(&text)));
            }
        };
        command.map_err(|error| (error, None))
    }

    fn method(&self) -> Option<&'static Method> {
        match self {
            Self::Command => None,
            Self::Params { method } | Self::Value { method, .. } => Method::find(method),
        }
    }

    /// None where any text is a line.
    fn shape(&self, text: &[u8]) -> Option<Shape> {
        match self {
            Self::Value { .. } => None,
            Self::Command | Self::Params { .. } => Some(Shape::of_line(text)),
        }
    }
}

/// Makes commands of lines.
pub(in crate::lines) struct LineParser<OnNote> {
    kind: LineKind,
    endpoint: Endpoint,
    /// From which the idempotency keys of the lines derive.
    keys: Option<IdempotencyKey>,
    unknown_params: RefCell<UnknownParams>,
    /// Gets what is probably a mistake, though it can be sent.
    on_note: OnNote,
}

impl<OnNote: Fn(&str)> LineParser<OnNote> {
    pub(in crate::lines) fn new(
        kind: LineKind,
        endpoint: &Endpoint,
        keys: Option<IdempotencyKey>,
        on_note: OnNote,
    ) -> Self {
        Self { kind, endpoint: endpoint.clone(), keys, unknown_params: RefCell::default(), on_note }
    }

    /// Parses a line and its number; none if the line is blank.
    ///
    /// # Errors
    /// For what is no command, and for one that the server would reject or misinterpret.
    pub(in crate::lines) fn parse(&self, text: Vec<u8>, number: u64) -> anyhow::Result<Option<Command>> {
        let shape = self.kind.shape(&text);
        let validated = |command: Command| command.validated(&self.endpoint).map_err(|error| (error, None));
        let command = self.kind.command(text).and_then(|command| command.map(validated).transpose());
        let command = command.map_err(|(error, problem)| {
            match problem.map(Cow::from).or_else(|| shape?.problem(self.kind.method())) {
                Some(problem) => anyhow!("line {number}: {problem}"),
                None => error.with_first_line(number).into(),
            }
        })?;
        let Some(command) = command else { return Ok(None) };
        for problem in self.unknown_params.borrow_mut().find(&command, &self.endpoint) {
            (self.on_note)(&format!("line {number}: {problem}"));
        }
        Ok(Some(match self.keys {
            Some(keys) => {
                let key = keys.derived(number, command.params());
                command.with_idempotency_key(key)
            }
            None => command,
        }))
    }
}

/// Checks what is the same for all lines before any is read, which may take a while to come.
fn check_fixed_params(options: &Options, method: &str, endpoint: &Endpoint, params: &LineParams) -> anyhow::Result<()> {
    let command = Command::new(method, params.example())?;
    if let Some(problem) = UnknownParams::default().find(&command, endpoint).into_iter().next() {
        bail!(problem);
    }
    let Err(error) = command.validated(endpoint) else { return Ok(()) };
    if error.param().is_some_and(|param| param.eq_ignore_ascii_case(params.line_param())) {
        return Ok(());
    }
    Err(match key_value::param_hint(&options.key_values, method, &error) {
        Some(hint) => anyhow!("{}; {hint}", error.message()),
        None => error.into(),
    })
}

/// What to do where a line holds params, but each should be a command.
fn params_problem(text: &[u8]) -> Option<&'static str> {
    let members = serde_json::from_slice::<BTreeMap<&str, &RawValue>>(text).ok()?;
    let is_params = !members.is_empty() && !members.contains_key("method") && !members.contains_key("params");
    is_params.then_some("no key \"method\" in command; for lines of params, use cent --lines SECTION METHOD")
}

const NO_OBJECT: &str = "not a JSON object; use KEY=VALUE, with data@- for text or data:@- for JSON: \
                         cent live publish --lines channel=news data@-";

/// What to type for lines of text.
fn no_object(method: Option<&Method>) -> Cow<'static, str> {
    let Some(method) = method.filter(|method| method.params.iter().all(|param| param.name != "data")) else {
        return NO_OBJECT.into();
    };
    let mut required = method.params.iter().filter(|param| param.is_required(ApiVersion::V2)).map(|param| param.name);
    let Some(first) = required.next() else { return "not a JSON object; use {} for no params".into() };
    let others: Vec<String> = required.map(|name| format!(" {name}=…")).collect();
    let command = format!("cent live {} --lines{} {first}@-", method.name, others.concat());
    format!("not a JSON object; use KEY=VALUE, with {first}@- for text: {command}").into()
}

/// What a line begins and ends with, which says more than the error of its JSON.
struct Shape {
    beginning: [u8; 4],
    /// The first byte that is no white space.
    first: u8,
    end: u8,
    has_nul: bool,
}

impl Shape {
    fn of_line(text: &[u8]) -> Self {
        let byte = |text: &[u8], index: usize| text.get(index).copied().unwrap_or_default();
        let end = text.trim_ascii_end().last().copied().unwrap_or_default();
        let start = text.trim_ascii_start();
        Self {
            beginning: [0, 1, 2, 3].map(|index| byte(text, index)),
            first: byte(start, 0),
            end,
            has_nul: memchr::memchr(0, text).is_some(),
        }
    }

    fn problem(&self, method: Option<&Method>) -> Option<Cow<'static, str>> {
        if let Some(problem) = encoding_problem(&self.beginning) {
            return Some(problem.into());
        }
        let problem = match (self.first, self.end) {
            _ if self.has_nul => "a NUL character; end each command with a newline: tr '\\0' '\\n'",
            (b'[', b'[' | b']' | b'{' | b',') => "an array; expected one JSON object per line: jq -c '.[]'",
            (b'{', b'{' | b'[' | b',' | b':') => "JSON over several lines; expected one object per line: jq -c .",
            (b'{', _) | (0, 0) => return None,
            // Typographic quotes have errors of their own.
            _ if self.beginning.starts_with(&[0xe2, 0x80]) => return None,
            _ => return Some(no_object(method)),
        };
        Some(problem.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_other_input_are_recognized() {
        let problem = |text: &[u8]| {
            let problem = Shape::of_line(text).problem(None).unwrap_or("none".into());
            problem.split(';').next().unwrap().to_owned()
        };
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
            (b"\x28\xb5\x2f\xfd\x00", "compressed data (zstd)"),
            (b"\xfd7zXZ\x00", "compressed data (xz)"),
            (b"BZh9", "compressed data (bzip2)"),
            (b"PK\x03\x04", "compressed data (zip)"),
            (b"{\0\0\0", "UTF-32"),
            (b"\xff\xfe\0\0", "UTF-32"),
            (b"{\"a\" 1}\n", "none"),
            (b"", "none"),
        ] {
            assert_eq!(problem(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_of_text_have_a_hint() {
        for (method, command) in [
            ("publish", "cent live publish --lines channel=news data@-"),
            ("disconnect", "cent live disconnect --lines user@-"),
            ("unsubscribe", "cent live unsubscribe --lines channel=… user@-"),
            ("presence", "cent live presence --lines channel@-"),
        ] {
            let problem = Shape::of_line(b"anna\n").problem(Method::find(method)).unwrap();
            assert!(problem.ends_with(&format!(": {command}")), "{problem}");
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
