//! What the parser rejects: each message is one line that says how to fix the command line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::mistakes::{self, is_method, lines_file};

const USAGE_HINT: &str = "usage: cent SECTION METHOD [KEY=VALUE]... (see cent --help)";

/// The message for an error of this parser about these arguments.
pub(crate) fn to_message(error: &Error, command_line: &[OsString]) -> String {
    let found = detail(error, ContextKind::InvalidArg);
    let option = option_name(&found);
    let value = detail(error, ContextKind::InvalidValue);
    if matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument)
        && let Some(message) = misread_option(command_line)
    {
        return message;
    }
    match error.kind() {
        ErrorKind::MissingRequiredArgument if !found.contains("SECTION") => missing_method(command_line),
        ErrorKind::MissingRequiredArgument if found.contains("METHOD") => {
            format!("missing SECTION and METHOD; {USAGE_HINT}")
        }
        ErrorKind::MissingRequiredArgument if command_line.iter().any(|arg| arg == "--check") => {
            "missing SECTION, a section of the config file; usage: cent SECTION --check".to_owned()
        }
        ErrorKind::MissingRequiredArgument => {
            "missing SECTION; usage: cent --lines SECTION [METHOD] (see cent --help)".to_owned()
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("missing value for {option}; usage: {}", option_example(&found))
        }
        ErrorKind::InvalidValue => {
            let expected = replace_last(&detail(error, ContextKind::ValidValue), ", ", " or ");
            format!("invalid value '{value}' for {option}; expected {expected}")
        }
        ErrorKind::ValueValidation => {
            let expected = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
            format!("invalid value '{value}' for {option}; expected {expected}")
        }
        ErrorKind::TooManyValues if option == "--lines" => lines_file("unexpected value", &value),
        ErrorKind::TooManyValues => format!("unexpected value '{value}' for {option}; remove ={value}"),
        ErrorKind::ArgumentConflict => conflict(&option, &option_name(&detail(error, ContextKind::PriorArg))),
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
fn misread_option(command_line: &[OsString]) -> Option<String> {
    let args = command_line.iter().skip(1).filter_map(|arg| arg.to_str());
    mistakes::option_after_double_dash(command_line).or_else(|| mistakes::typographic_option(args))
}

/// A detail of clap's error as text.
fn detail(error: &Error, kind: ContextKind) -> String {
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
    command_line.iter().skip(1).filter_map(|arg| arg.to_str()).find(|arg| is_method(arg)).map(str::to_owned)
}

fn missing_method(command_line: &[OsString]) -> String {
    if let Some(method) = method_as_section(command_line) {
        return format!("missing SECTION before {method}; usage: cent SECTION {method}");
    }
    let hint = mistakes::option_without_dashes(command_line);
    format!("missing METHOD after SECTION; {}", hint.as_deref().unwrap_or("for example publish, history or channels"))
}

fn replace_last(text: &str, from: &str, to: &str) -> String {
    text.rsplit_once(from).map_or_else(|| text.to_owned(), |(before, after)| format!("{before}{to}{after}"))
}

fn conflict(first: &str, second: &str) -> String {
    let name = |text: &str| text.trim_matches(['[', ']', '<', '>']).to_owned();
    format!("{} cannot be used with {}", name(first), name(second))
}
