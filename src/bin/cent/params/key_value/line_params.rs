//! The params of each line of `--lines`: KEY=VALUE arguments, one of which takes the line.

use anyhow::{bail, ensure};
use cent::{ApiVersion, Error, Method, Param, ParamType};
use sha2::{Digest, Sha256};

use super::parser::{KeyValue, Operator, Step};
use crate::quoting::for_shell;

const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// Params without the value that each line adds.
#[derive(Debug)]
pub(crate) struct LineParams {
    /// The JSON text around that value.
    start: Vec<u8>,
    end: Vec<u8>,
    /// Whether a line is JSON, not text.
    is_json: bool,
    /// The name of the param that has the value in it.
    line_param: String,
    /// The arguments without their values.
    keys: Vec<String>,
}

impl LineParams {
    /// Checks the arguments before their files are read.
    pub(super) fn check(arguments: &[KeyValue<'_>], method: Option<&Method>) -> anyhow::Result<()> {
        let mut takers = arguments.iter().filter(|argument| argument.takes_stdin());
        match (takers.next(), takers.next()) {
            (Some(_), None) => {}
            (Some(first), Some(second)) => {
                bail!("{} and {} both take the line; keep one of them", first.quoted(), second.quoted())
            }
            (None, _) => bail!("no param takes the line; {}", what_takes_line(arguments, method)),
        }
        let is_key = |argument: &&KeyValue<'_>| {
            !argument.takes_stdin() && param(argument).is_some_and(|name| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY))
        };
        if let Some(argument) = arguments.iter().find(is_key) {
            bail!(
                "{}: the server would ignore all lines but the first; use --idempotent for a key of each line",
                argument.quoted()
            );
        }
        Ok(())
    }

    /// From JSON text that lacks the value of a line at this place, in bytes.
    pub(super) fn new(arguments: &[KeyValue<'_>], mut json: Vec<u8>, line_at: usize) -> anyhow::Result<Self> {
        let taker = arguments.iter().find(|argument| argument.takes_stdin());
        ensure!(line_at <= json.len(), "the place of the line is in the params");
        let end = json.split_off(line_at);
        Ok(Self {
            start: json,
            end,
            is_json: taker.is_some_and(|argument| argument.operator == Operator::JsonFile),
            line_param: taker.and_then(param).unwrap_or_default().to_owned(),
            keys: arguments.iter().map(key).collect(),
        })
    }

    /// The params of a line, which may end with its newline; none if the line is empty.
    ///
    /// # Errors
    /// If the line is not UTF-8, or has to be JSON and is not.
    pub(crate) fn with_line(&self, line: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() {
            return Ok(None);
        }
        let text = if self.is_json { cent::check_json(line)?.trim_ascii() } else { cent::check_utf8(line)? };
        // With two quotes.
        let mut json = Vec::with_capacity(self.start.len() + text.len() + 2 + self.end.len());
        json.extend_from_slice(&self.start);
        if self.is_json {
            json.extend_from_slice(text.as_bytes());
        } else {
            serde_json::to_writer(&mut json, text).expect("any text is a JSON string");
        }
        json.extend_from_slice(&self.end);
        Ok(Some(json))
    }

    /// The params of some line, to check what is the same for all.
    pub(crate) fn example(&self) -> Vec<u8> {
        let value: &[u8] = if self.is_json { b"{}" } else { b"\"x\"" };
        [&self.start, value, &self.end].concat()
    }

    /// The name of the param that has the line in it.
    pub(crate) fn line_param(&self) -> &str {
        &self.line_param
    }

    /// The arguments as typed, without their values.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// A hash of the values.
    pub(crate) fn hash(&self) -> Sha256 {
        let mut hash = Sha256::new_with_prefix((self.start.len() as u64).to_be_bytes());
        hash.update(&self.start);
        hash.update(&self.end);
        hash
    }
}

/// What to type, so that a param takes the line.
fn what_takes_line(arguments: &[KeyValue<'_>], method: Option<&Method>) -> String {
    let has_file = |argument: &&KeyValue<'_>| matches!(argument.operator, Operator::TextFile | Operator::JsonFile);
    if let Some(argument) = arguments.iter().find(has_file) {
        let key = argument.argument.strip_suffix(argument.value).unwrap_or_default();
        return format!("use {} < {}", for_shell(&format!("{key}-")), for_shell(argument.value));
    }
    let is_missing = |required: &&Param| {
        let is_given = |argument| param(argument).is_some_and(|name| name.eq_ignore_ascii_case(required.name));
        required.is_required(ApiVersion::V2) && !arguments.iter().any(is_given)
    };
    match method.and_then(|method| method.params.iter().find(is_missing)) {
        Some(missing) if missing.param_type != ParamType::Any => format!("use {}@-", missing.name),
        _ => "add one with @- for text, such as data@-, or with :@- for JSON, such as data:@-".to_owned(),
    }
}

/// The name of the param that an argument is about.
fn param<'a>(argument: &'a KeyValue<'_>) -> Option<&'a str> {
    match argument.path.first() {
        Some(Step::Key(name)) => Some(name),
        Some(Step::Append) | None => None,
    }
}

/// The argument as typed, without its value; with `-` if it takes the line.
fn key(argument: &KeyValue<'_>) -> String {
    if argument.takes_stdin() {
        return argument.argument.to_owned();
    }
    let key = argument.argument.strip_suffix(argument.value).unwrap_or_default();
    key.trim_end_matches(['=', ':', '@']).to_owned()
}
