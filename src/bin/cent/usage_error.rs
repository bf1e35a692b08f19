//! Usage errors: each message is one line that says what to type.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use crate::did_you_mean::did_you_mean;

const USAGE_HINT: &str = "type cent SECTION METHOD --params='{…}', or cent --help";

pub(crate) const BATCH_REQUIRES_LINES: &str = "--batch makes sense with --lines only; add --lines";

/// The message for an error of this parser about these arguments.
pub(crate) fn to_message(error: &Error, command_line: &[OsString], command: &Command) -> String {
    let found = context(error, ContextKind::InvalidArg);
    let option = option_name(&found);
    let value = context(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::MissingRequiredArgument if found.contains("SECTION") => {
            format!("no SECTION and no METHOD; {USAGE_HINT}")
        }
        ErrorKind::MissingRequiredArgument => missing_method(method_as_section(command_line).as_deref()),
        ErrorKind::UnknownArgument if found.starts_with('-') && found != "-" => {
            unknown_option(&found, command_line, command)
        }
        ErrorKind::UnknownArgument => unexpected_argument(&found, command_line),
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{option} needs a value; type {}", option_example(&found))
        }
        ErrorKind::InvalidValue => {
            let known = context(error, ContextKind::ValidValue);
            format!("{option}: no {value}; type {option}= and one of {known}")
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
            format!("{option}: {value} is {why}")
        }
        ErrorKind::TooManyValues => format!("{option} takes no value; leave ={value} out"),
        ErrorKind::ArgumentConflict => conflict(&option, &option_name(&context(error, ContextKind::PriorArg))),
        ErrorKind::InvalidUtf8 => "a word is not UTF-8; SECTION, METHOD and numbers are".to_owned(),
        // None of these is known to occur; if one does, clap's own text is better than none.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}; {USAGE_HINT}", first.strip_prefix("error: ").unwrap_or(first))
        }
    }
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

/// How to type an option with its value: `--timeout=SECONDS`.
fn option_example(text: &str) -> String {
    text.replace(" <", "=").replace('>', "")
}

/// The known method among the arguments: without a SECTION it is taken for one.
fn method_as_section(command_line: &[OsString]) -> Option<String> {
    let is_method = |arg: &&str| cent::known_methods().any(|known| known == *arg);
    command_line.iter().skip(1).filter_map(|arg| arg.to_str()).find(is_method).map(str::to_owned)
}

fn missing_method(method: Option<&str>) -> String {
    match method {
        Some(method) => format!("{method} is a METHOD, and the SECTION is missing; type cent SECTION {method}"),
        None => "no METHOD; type one after the SECTION, such as publish, history or channels".to_owned(),
    }
}

fn unknown_option(found: &str, command_line: &[OsString], command: &Command) -> String {
    // For -params, clap reports -p.
    let is_short = !found.starts_with("--");
    let typed =
        command_line.iter().skip(1).filter_map(|arg| arg.to_str()).find(|arg| is_short && arg.starts_with(found));
    let typed = typed.unwrap_or(found).split('=').next().unwrap_or_default();
    let long_options = command.get_arguments().filter_map(Arg::get_long);
    let options: Vec<String> = long_options.map(|long| format!("--{long}")).collect();
    let long = format!("--{}", typed.trim_start_matches('-'));
    let hint = did_you_mean(&long, options.iter().map(String::as_str));
    format!("no option {typed}; {}", hint.as_deref().unwrap_or("cent -h lists them"))
}

fn unexpected_argument(arg: &str, command_line: &[OsString]) -> String {
    let has_params = command_line.iter().filter_map(|arg| arg.to_str()).any(|arg| arg.starts_with("--params"));
    if arg.trim_start().starts_with(['{', '@']) || arg == "-" {
        "params are no word of their own; type --params= before them, as in --params='{…}'".to_owned()
    } else if has_params {
        format!("one word too many: {arg}; put quotes around params, as in --params='{{…}}'")
    } else {
        format!("one word too many: {arg}; {USAGE_HINT}")
    }
}

fn conflict(first: &str, second: &str) -> String {
    let name = |text: &str| text.trim_matches(['[', ']', '<', '>']).to_owned();
    format!("{} and {} make no sense together; leave one out", name(first), name(second))
}
