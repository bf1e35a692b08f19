//! Usage errors: each message is one line that says how to fix the command line.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::argument_hints::{self as hints, lines_file};
use crate::key_value::{self, shorten};

const USAGE_HINT: &str = "usage: cent SECTION METHOD [KEY=VALUE]... (see cent --help)";

pub(crate) const BATCH_REQUIRES_LINES: &str = "--batch requires --lines";

pub(crate) const UNORDERED_REQUIRES_LINES: &str = "--unordered requires --lines";

pub(crate) const JOURNAL_REQUIRES_LINES: &str = "--journal requires --lines";

pub(crate) const JOURNAL_WITHOUT_NAME: &str = "--journal: missing file name";

pub(crate) const UNKNOWN_REQUIRES_JOURNAL: &str = "--unknown requires --journal";

/// A dry run reads no journal, so it would print other requests than a real one.
pub(crate) const JOURNAL_WITH_DRY_RUN: &str = "--journal cannot be used with --dry-run";

/// Found once the section is known, before anything is sent.
pub(crate) const IDEMPOTENT_REQUIRES_KEY: &str =
    "--idempotent requires api_key and Centrifugo 5.2 or later, not secret";

/// The message for an error of this parser about these arguments.
pub(crate) fn to_message(error: &Error, command_line: &[OsString], command: &Command) -> String {
    let found = context(error, ContextKind::InvalidArg);
    let option = option_name(&found);
    let value = context(error, ContextKind::InvalidValue);
    if matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument)
        && let Some(message) = misread_option(command_line, command)
    {
        return message;
    }
    match error.kind() {
        ErrorKind::MissingRequiredArgument if !found.contains("SECTION") => missing_method(command_line, command),
        ErrorKind::MissingRequiredArgument if found.contains("METHOD") => {
            format!("missing SECTION and METHOD; {USAGE_HINT}")
        }
        ErrorKind::MissingRequiredArgument if command_line.iter().any(|arg| arg == "--check") => {
            "missing SECTION, a section of the config file; usage: cent SECTION --check".to_owned()
        }
        ErrorKind::MissingRequiredArgument => {
            "missing SECTION; usage: cent --lines SECTION [METHOD] (see cent --help)".to_owned()
        }
        ErrorKind::UnknownArgument => unknown_option(&found, command_line, command),
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("missing value for {option}; usage: {}", option_example(&found))
        }
        ErrorKind::InvalidValue => {
            let expected = replace_last(&context(error, ContextKind::ValidValue), ", ", " or ");
            format!("invalid value '{value}' for {option}; expected {expected}")
        }
        ErrorKind::ValueValidation => {
            let expected = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
            format!("invalid value '{value}' for {option}; expected {expected}")
        }
        ErrorKind::TooManyValues if option == "--lines" => lines_file("unexpected value", &value),
        ErrorKind::TooManyValues => format!("unexpected value '{value}' for {option}; remove ={value}"),
        ErrorKind::ArgumentConflict => conflict(&option, &option_name(&context(error, ContextKind::PriorArg))),
        ErrorKind::InvalidUtf8 => "invalid UTF-8 in an argument; SECTION, METHOD and numbers must be UTF-8".to_owned(),
        // None of these is known to occur; if one does, clap's own text is better than none.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}; see cent --help", first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

/// An option that is read as another argument.
fn misread_option(command_line: &[OsString], command: &Command) -> Option<String> {
    let args = command_line.iter().skip(1).filter_map(|arg| arg.to_str());
    hints::option_after_double_dash(command_line).or_else(|| hints::typographic_option(args, command))
}

/// A detail of clap's error as text.
fn context(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

/// The option alone: clap has `--timeout <SECONDS>`, this is `--timeout`.
fn option_name(text: &str) -> String {
    text.split([' ', '=', ',']).next().unwrap_or_default().to_owned()
}

/// An option with its value, as in `--timeout=SECONDS`.
fn option_example(text: &str) -> String {
    text.replace(" <", "=").replace('>', "")
}

/// The known method among the arguments: without a SECTION it is taken for one.
fn method_as_section(command_line: &[OsString]) -> Option<String> {
    let is_method = |arg: &&str| cent::known_methods().any(|known| known == *arg);
    command_line.iter().skip(1).filter_map(|arg| arg.to_str()).find(is_method).map(str::to_owned)
}

fn missing_method(command_line: &[OsString], command: &Command) -> String {
    if let Some(method) = method_as_section(command_line) {
        return format!("missing SECTION before {method}; usage: cent SECTION {method}");
    }
    let hint = hints::option_without_dashes(command_line, command);
    format!("missing METHOD after SECTION; {}", hint.as_deref().unwrap_or("for example publish, history or channels"))
}

/// A param of this name, if a method among the arguments has it.
fn param_of_method<'a>(name: &'a str, command_line: &[OsString]) -> Option<&'a str> {
    let methods = command_line.iter().skip(1).filter_map(|arg| arg.to_str());
    let has_param = methods.flat_map(cent::known_params).any(|param| param.name == name);
    has_param.then_some(name)
}

fn unknown_option(found: &str, command_line: &[OsString], command: &Command) -> String {
    // For -params, clap reports -p.
    let is_short = !found.starts_with("--");
    let typed =
        command_line.iter().skip(1).filter_map(|arg| arg.to_str()).find(|arg| is_short && arg.starts_with(found));
    let typed = typed.unwrap_or(found).split('=').next().unwrap_or_default();
    if let Some(param) = param_of_method(typed.trim_start_matches('-'), command_line) {
        return format!("unknown option {typed}; params have no dashes: {param}=…");
    }
    format!("unknown option {typed}; {}", hints::closest_option(typed, command).as_deref().unwrap_or("see cent -h"))
}

/// What is wrong with the arguments after METHOD. `conflict` is an option that excludes them.
pub(crate) fn of_key_values(
    key_values: &[OsString],
    conflict: Option<&str>,
    command_line: &[OsString],
    command: impl FnOnce() -> Command,
) -> Option<String> {
    let first = key_values.first()?.to_string_lossy();
    let args = || key_values.iter().filter_map(|arg| arg.to_str());
    if args().any(|arg| arg.starts_with('-') || !arg.is_ascii())
        && let Some(message) = misread_key_value(args(), command_line, &command())
    {
        return Some(message);
    }
    let mut before = None;
    for arg in key_values.iter().map(|arg| arg.to_string_lossy()) {
        if !is_key_value(&arg) {
            return Some(unexpected_argument(&arg, before.as_deref(), command_line));
        }
        before = Some(arg);
    }
    match conflict? {
        "--lines" if hints::file_after_lines(command_line).is_some() => {
            Some(unexpected_with_lines(&first, command_line))
        }
        option => Some(format!("'{}' cannot be used with {option}", shorten(&first))),
    }
}

/// An option among the arguments after METHOD.
fn misread_key_value<'a>(
    args: impl Iterator<Item = &'a str> + Clone,
    command_line: &[OsString],
    command: &Command,
) -> Option<String> {
    let is_option =
        |arg: &str| arg.len() > 1 && arg.starts_with('-') && (!is_key_value(arg) || hints::is_option(arg, command));
    let after = args.clone().any(is_option).then(|| hints::option_after_double_dash(command_line)).flatten();
    after.or_else(|| hints::typographic_option(args, command))
}

/// Whether an argument is meant as KEY=VALUE, though perhaps with an error in its key.
fn is_key_value(arg: &str) -> bool {
    key_value::has_operator(arg) && !arg.trim_start().starts_with(['{', '@'])
}

fn unexpected_argument(arg: &str, before: Option<&str>, command_line: &[OsString]) -> String {
    let is_params = |arg: &str| arg.starts_with("--params") || arg.starts_with("-p");
    let has_params = command_line.iter().filter_map(|arg| arg.to_str()).any(is_params);
    let shown = shorten(arg);
    if hints::has_lines(command_line) {
        unexpected_with_lines(arg, command_line)
    } else if hints::has_typographic_quotes(command_line) {
        let example = if has_params { "--params='{…}'" } else { "KEY=\"…\"" };
        format!("unexpected argument '{shown}'; use straight quotes: {example}")
    } else if arg.starts_with('@') || arg == "-" {
        format!("unexpected argument '{shown}'; use --params={shown}")
    } else if arg.trim_start().starts_with('{') {
        format!("unexpected argument '{shown}'; pass params with --params='{{…}}'")
    } else if has_params {
        format!("unexpected argument '{shown}'; quote the params: --params='{{…}}'")
    } else if let Some((key, _)) = before.and_then(|before| before.split_once(":=")) {
        // Double quotes outside would end at those of the JSON.
        format!("unexpected argument '{shown}'; quote the value: '{}:=…'", shorten(key))
    } else if let Some((key, _)) = before.and_then(|before| before.split_once('=')) {
        format!("unexpected argument '{shown}'; quote a value with spaces: {}=\"…\"", shorten(key))
    } else {
        format!("unexpected argument '{shown}'; params are KEY=VALUE without spaces around the =, such as channel=news")
    }
}

fn unexpected_with_lines(arg: &str, command_line: &[OsString]) -> String {
    let file = hints::file_after_lines(command_line).or_else(|| Some(arg).filter(|arg| hints::is_file_like(arg)));
    match file {
        Some(file) => lines_file("unexpected argument", file),
        None => format!("unexpected argument '{}'; --lines reads params from standard input", shorten(arg)),
    }
}

fn replace_last(text: &str, from: &str, to: &str) -> String {
    text.rsplit_once(from).map_or_else(|| text.to_owned(), |(before, after)| format!("{before}{to}{after}"))
}

fn conflict(first: &str, second: &str) -> String {
    let name = |text: &str| text.trim_matches(['[', ']', '<', '>']).to_owned();
    format!("{} cannot be used with {}", name(first), name(second))
}
