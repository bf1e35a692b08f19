//! KEY=VALUE arguments: params that need no JSON in the shell. Reads their values, and makes one JSON object of them.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{anyhow, bail};
use serde::de::IgnoredAny;

use crate::home::{expand_tilde, home_dir};
use crate::input::{self, MAX_PARAMS_BYTES};
use crate::stderr;
use builder::{Builder, to_json_string};
use parser::{KeyValue, Operator, parse};

mod builder;
mod parser;

pub(crate) use parser::{has_operator, shorten, type_hint};

/// The params that these arguments describe, as JSON text. With `notes`, a message points out a text that names a file.
///
/// # Errors
/// For arguments that cannot be split, contradict each other or have an invalid value, and for files that cannot be read.
pub(crate) fn read_params(arguments: &[OsString], notes: bool) -> anyhow::Result<String> {
    let arguments = arguments.iter().map(parse_argument).collect::<anyhow::Result<Vec<_>>>()?;
    let mut reader = Reader { stdin_argument: None, remaining_bytes: MAX_PARAMS_BYTES };
    let mut builder = Builder::new();
    for argument in &arguments {
        if let Some(note) = note(argument, is_file).filter(|_| notes) {
            stderr::print_message(&note);
        }
        let json = reader.json(argument)?;
        builder.insert(argument, json).map_err(|error| anyhow!("{error}"))?;
    }
    let json = builder.into_json();
    if json.len() as u64 > MAX_PARAMS_BYTES {
        bail!("params are larger than 1 GB; they must be smaller");
    }
    Ok(json)
}

fn is_file(path: &Path) -> bool {
    expand_tilde(path, home_dir().as_deref()).is_some_and(|path| path.is_file())
}

fn parse_argument(argument: &OsString) -> anyhow::Result<KeyValue<'_>> {
    let bytes = argument.as_encoded_bytes();
    let text = std::str::from_utf8(bytes)
        .map_err(|error| anyhow!("'{}': {}", shorten(&argument.to_string_lossy()), invalid_utf8(bytes, error)))?;
    parse(text).map_err(|error| anyhow!("'{}': column {}: {}", shorten(text), error.column(text), error.problem))
}

/// A note about a text that the user may have meant as a file, or as JSON.
fn note(argument: &KeyValue<'_>, is_file: impl Fn(&Path) -> bool) -> Option<String> {
    if argument.operator != Operator::Text {
        return None;
    }
    let key = argument.argument.strip_suffix(argument.value)?.strip_suffix('=')?;
    let (name, value) = (shorten(argument.argument), argument.value);
    match value.strip_prefix('@') {
        Some(file) if is_file(Path::new(file)) => {
            Some(format!("{name}: sent as text; to send the content of the file, use {key}@{file}"))
        }
        _ if value.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(value).is_ok() => {
            Some(format!("{name}: sent as text; to send it as JSON, use {key}:="))
        }
        _ => None,
    }
}

struct Reader<'a> {
    /// The argument that standard input is for.
    stdin_argument: Option<&'a str>,
    remaining_bytes: u64,
}

impl<'a> Reader<'a> {
    /// The value of an argument, as JSON text.
    fn json(&mut self, argument: &KeyValue<'a>) -> anyhow::Result<String> {
        match argument.operator {
            Operator::Text => Ok(to_json_string(argument.value)),
            Operator::Json => checked_json(argument, argument.value),
            Operator::TextFile => self.text(argument).map(|text| to_json_string(&text)),
            Operator::JsonFile => checked_json(argument, &self.text(argument)?),
        }
    }

    /// The content of an argument's file.
    fn text(&mut self, argument: &KeyValue<'a>) -> anyhow::Result<String> {
        let name = format!("'{}'", shorten(argument.argument));
        let bytes = if argument.value == "-" {
            if let Some(first) = self.stdin_argument.replace(argument.argument) {
                bail!("'{}' and {name} both read standard input; keep one of them", shorten(first));
            }
            input::read_stdin(&format!("{name}: cannot read standard input"), self.remaining_bytes)?
        } else {
            let stdin = argument.argument.strip_suffix(argument.value).unwrap_or_default();
            input::read_file(Path::new(argument.value), &name, &format!("{stdin}-"), self.remaining_bytes)?
        };
        self.remaining_bytes = self.remaining_bytes.saturating_sub(bytes.len() as u64);
        String::from_utf8(bytes)
            .map_err(|error| anyhow!("{name}: {}", invalid_utf8(error.as_bytes(), error.utf8_error())))
    }
}

fn invalid_utf8(bytes: &[u8], error: std::str::Utf8Error) -> String {
    let valid = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
    let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
    let (line, column) = end(&valid);
    format!("invalid UTF-8 (byte 0x{byte:02X}) at line {line}, column {column}; text must be UTF-8")
}

/// The line and column after a text, in characters.
fn end(text: &str) -> (usize, usize) {
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() + 1, last_line.chars().count() + 1)
}

/// JSON as written, white space around it apart.
fn checked_json(argument: &KeyValue<'_>, text: &str) -> anyhow::Result<String> {
    let json = text.trim_matches([' ', '\t', '\r', '\n']);
    match serde_json::from_str::<IgnoredAny>(json) {
        Ok(_) => Ok(json.to_owned()),
        Err(error) => bail!("'{}': {}", shorten(argument.argument), json_problem(argument, text, &error)),
    }
}

/// What is wrong with a text that is not JSON, and where.
fn json_problem(argument: &KeyValue<'_>, text: &str, error: &serde_json::Error) -> String {
    let json = text.trim_matches([' ', '\t', '\r', '\n']);
    let key = argument.argument.strip_suffix(argument.value).unwrap_or_default();
    let key = key.trim_end_matches([':', '=', '@']);
    if json.is_empty() {
        return "the value is empty; expected JSON: is a variable unset?".to_owned();
    }
    let text_operator = if argument.operator == Operator::Json { "=" } else { "@" };
    if !json.starts_with(['{', '[', '"']) {
        return format!("the value is not JSON; for text use {key}{text_operator}");
    }
    let before = text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let (line, column) = end(text.get(..before + offset(json, error)).unwrap_or(text));
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    format!("invalid JSON: {message} at line {line}, column {column} of the value")
}

/// Where an error is, in bytes.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let offset = (before + error.column()).saturating_sub(1).min(text.len());
    // Not inside of a character.
    (0..=offset).rev().find(|&offset| text.is_char_boundary(offset)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_file_or_json_has_a_note() {
        let note = |argument: &str| note(&parse(argument).unwrap(), |path| path == Path::new("body"));
        assert_eq!(
            note("data[a]=@body").as_deref(),
            Some("data[a]=@body: sent as text; to send the content of the file, use data[a]@body")
        );
        assert_eq!(
            note("data={\"a\":1}").as_deref(),
            Some("data={\"a\":1}: sent as text; to send it as JSON, use data:=")
        );
        for argument in ["data=@other", "data@body", "data:=[1]", "data={a}", "data=1", "data="] {
            assert_eq!(note(argument), None, "{argument}");
        }
    }
}
