//! KEY=VALUE arguments: params that need no JSON in the shell. Reads their values, and makes one JSON object of them.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use cent::{Method, ParamType};
use serde::de::IgnoredAny;

use crate::config::home::{expand_tilde, home_dir};
use crate::console::Console;
use crate::params::input::{self, MAX_PARAMS_BYTES};
use crate::quoting::{for_shell, shorten};
use parser::{KeyValue, Operator, Step, parse};
use tree::{Tree, quote_from, to_json_string};

mod line_params;
#[cfg(test)]
mod line_params_tests;
mod mistakes;
mod parser;
mod suggestions;
mod tree;

pub(crate) use line_params::LineParams;
pub(crate) use mistakes::{LOST_QUOTES, lost_quotes};
pub(crate) use parser::has_operator;
pub(crate) use suggestions::{operator_for, param_hint, suggest};

/// The params of a method that these arguments describe, as JSON text.
///
/// # Errors
/// For arguments that cannot be split, contradict each other, have an invalid value or are probably a mistake, and for
/// files that cannot be read.
pub(crate) fn read_params(
    arguments: &[OsString],
    method: Option<&Method>,
    console: Console,
) -> anyhow::Result<Vec<u8>> {
    let arguments = parse_arguments(arguments)?;
    read(&arguments, method, console, Reader::default()).map(|(json, _)| json)
}

/// Reads arguments one of which takes each line of `--lines`: `key@-` as text, `key:@-` as JSON.
///
/// # Errors
/// The same, and if none or several of them take the line.
pub(crate) fn read_line_params(
    arguments: &[OsString],
    method: Option<&Method>,
    console: Console,
) -> anyhow::Result<LineParams> {
    let arguments = parse_arguments(arguments)?;
    LineParams::check(&arguments, method)?;
    let (json, reader) = read(&arguments, method, console, Reader { takes_line: true, ..Reader::default() })?;
    LineParams::new(&arguments, json, reader.line_at)
}

fn parse_arguments(arguments: &[OsString]) -> anyhow::Result<Vec<KeyValue<'_>>> {
    arguments.iter().map(parse_argument).collect()
}

/// The JSON text, and what the reader found.
fn read<'a>(
    arguments: &'a [KeyValue<'a>],
    method: Option<&Method>,
    console: Console,
    mut reader: Reader<'a>,
) -> anyhow::Result<(Vec<u8>, Reader<'a>)> {
    let mut tree = Tree::default();
    for argument in arguments {
        if let Some(mistake) = mistakes::find(argument, method) {
            bail!("{}: {mistake}", argument.quoted());
        }
        if let Some(note) = note(argument, method, console.shows_notes(), is_file) {
            console.print_message(&note);
        }
        // Where the shell removed the quotes, there are often two arguments with the same key.
        if argument.operator == Operator::Json {
            check_json(argument, argument.value.as_bytes())?;
        }
        tree.insert(argument).map_err(|error| anyhow!("{error}"))?;
    }
    let json = tree.to_json(|argument, json| reader.append(argument, method, console, json))?;
    if json.len() as u64 > MAX_PARAMS_BYTES {
        bail!("params are larger than 1 GB; they must be smaller");
    }
    Ok((json, reader))
}

fn is_file(path: &Path) -> bool {
    expand_tilde(path, home_dir().as_deref()).is_some_and(|path| path.is_file())
}

fn parse_argument(argument: &OsString) -> anyhow::Result<KeyValue<'_>> {
    let text = cent::check_utf8(argument.as_encoded_bytes())
        .with_context(|| format!("'{}'", shorten(&argument.to_string_lossy())))?;
    parse(text).map_err(|error| anyhow!("'{}': column {}: {}", shorten(text), error.column(text), error.problem))
}

/// A note about a text that the user may have meant as JSON or, if somebody reads it at a terminal, as a file.
fn note(
    argument: &KeyValue<'_>,
    method: Option<&Method>,
    has_reader: bool,
    is_file: impl Fn(&Path) -> bool,
) -> Option<String> {
    if argument.operator != Operator::Text {
        return None;
    }
    let key = argument.argument.strip_suffix(argument.value)?.strip_suffix('=')?;
    let (name, value) = (shorten(argument.argument), argument.value);
    match value.strip_prefix('@') {
        // In a script, the text may be anybody's.
        Some(file) if has_reader && is_file(Path::new(file)) => {
            Some(format!("{name}: sent as text; to send the content of the file, use {key}@{file}"))
        }
        _ if takes_any_json(argument, method) && is_object_or_list(value) => {
            Some(format!("{name}: sent as text; to send it as JSON, use {key}:="))
        }
        _ if takes_any_json(argument, method) && value.starts_with('{') && lost_quotes(value.as_bytes()) => {
            Some(format!("{name}: sent as text, without the quotes that the shell removed; for JSON, use '{key}:=…'"))
        }
        _ => None,
    }
}

/// Whether the argument is for a param that takes any JSON, as far as that is known.
fn takes_any_json(argument: &KeyValue<'_>, method: Option<&Method>) -> bool {
    let Some(Step::Key(name)) = argument.path.first() else { return false };
    let mut params = method.map_or(&[][..], |method| method.params).iter();
    params.find(|param| param.name.eq_ignore_ascii_case(name)).is_none_or(|param| param.param_type == ParamType::Any)
}

fn is_object_or_list(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[derive(Default)]
struct Reader<'a> {
    /// The argument that standard input is for.
    stdin_argument: Option<&'a str>,
    /// Whether `-` is a line of standard input that is not there yet.
    takes_line: bool,
    /// Where in the JSON it goes, in bytes.
    line_at: usize,
}

impl<'a> Reader<'a> {
    /// Appends the value of an argument, as JSON text.
    fn append(
        &mut self,
        argument: &KeyValue<'a>,
        method: Option<&Method>,
        console: Console,
        json: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let start = json.len();
        if self.takes_line && argument.takes_stdin() {
            self.line_at = start;
            return Ok(());
        }
        match argument.operator {
            Operator::Text => json.extend_from_slice(to_json_string(argument.value).as_bytes()),
            Operator::Json => json.extend_from_slice(argument.value.as_bytes().trim_ascii()),
            Operator::TextFile => {
                self.append_content(argument, json)?;
                let text = cent::check_utf8(&json[start..]).with_context(|| argument.quoted())?;
                if let Some(mistake) = mistakes::find_in_target(argument, text, method) {
                    bail!("{}: {mistake}", argument.quoted());
                }
                if takes_any_json(argument, method) && is_object_or_list(text.trim()) {
                    let key = argument.argument.strip_suffix(argument.value).unwrap_or_default().trim_end_matches('@');
                    let (name, file) = (shorten(argument.argument), argument.value);
                    console.print_message(&format!("{name}: sent as text; to send it as JSON, use {key}:@{file}"));
                }
                quote_from(json, start);
            }
            Operator::JsonFile => {
                self.append_content(argument, json)?;
                check_json(argument, &json[start..])?;
                json.truncate(json.trim_ascii_end().len());
                let white_space = json[start..].len() - json[start..].trim_ascii_start().len();
                json.drain(start..start + white_space);
            }
        }
        Ok(())
    }

    /// Appends the content of an argument's file.
    fn append_content(&mut self, argument: &KeyValue<'a>, json: &mut Vec<u8>) -> anyhow::Result<()> {
        let name = argument.quoted();
        if argument.takes_stdin() {
            if let Some(first) = self.stdin_argument.replace(argument.argument) {
                bail!("'{}' and {name} both read standard input; keep one of them", shorten(first));
            }
            return input::append_stdin(json, &format!("{name}: cannot read standard input"));
        }
        let stdin = argument.argument.strip_suffix(argument.value).unwrap_or_default();
        input::append_file(json, Path::new(argument.value), &name, &format!("{stdin}-"))
    }
}

fn check_json(argument: &KeyValue<'_>, text: &[u8]) -> anyhow::Result<()> {
    if let Some(problem) = json_problem(argument, text) {
        bail!("{}: {problem}", argument.quoted());
    }
    cent::check_json(text).with_context(|| argument.quoted())?;
    Ok(())
}

/// Why a text is not JSON, where the error of the JSON would not help.
fn json_problem(argument: &KeyValue<'_>, text: &[u8]) -> Option<String> {
    let json = text.trim_ascii();
    let key = argument.argument.strip_suffix(argument.value)?.trim_end_matches([':', '=', '@']);
    if json.is_empty() {
        return Some("the value is empty; expected JSON: is a variable unset?".to_owned());
    }
    let is_typed = argument.operator == Operator::Json;
    if is_typed && let Some(file) = argument.value.strip_prefix('@') {
        return Some(format!("the value is not JSON; to read a file, use {}", for_shell(&format!("{key}:@{file}"))));
    }
    if is_typed && lost_quotes(json) {
        return Some(format!("{LOST_QUOTES}: '{key}:=…'"));
    }
    if !json.starts_with(b"{") && !json.starts_with(b"[") && !json.starts_with(b"\"") && cent::check_json(json).is_err()
    {
        return Some(format!("the value is not JSON; for text use {key}{}", if is_typed { "=" } else { "@" }));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_file_or_json_has_a_note() {
        let note = |argument: &str, has_reader| {
            note(&parse(argument).unwrap(), Method::find("publish"), has_reader, |path| path == Path::new("body"))
        };
        assert_eq!(
            note("data[a]=@body", true).as_deref(),
            Some("data[a]=@body: sent as text; to send the content of the file, use data[a]@body")
        );
        assert_eq!(
            note("data={\"a\":1}", false).as_deref(),
            Some("data={\"a\":1}: sent as text; to send it as JSON, use data:=")
        );
        assert_eq!(
            note("data={a:1}", false).as_deref(),
            Some("data={a:1}: sent as text, without the quotes that the shell removed; for JSON, use 'data:=…'")
        );
        for argument in ["data=@other", "data@body", "data:=[1]", "data={a}", "data=1", "data=", "channel=[1]"] {
            assert_eq!(note(argument, true), None, "{argument}");
        }
        assert_eq!(note("data=@body", false), None);
    }
}
