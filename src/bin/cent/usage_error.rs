//! Slips on the command line: each is told in one line that says what to type.

use std::ffi::OsString;

use clap::Arg;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::args;

const CALL: &str = "type cent SECTION METHOD --params='{…}', or cent --help";

pub(crate) const BATCH_ALONE: &str = "--batch makes sense with --lines only; add --lines";

/// What is wrong with the call and what to type instead.
pub(crate) fn message(error: &Error, words: &[OsString]) -> String {
    let found = context(error, ContextKind::InvalidArg);
    let option = option(&found);
    let value = context(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::MissingRequiredArgument if found.contains("SECTION") => {
            format!("no SECTION and no METHOD; {CALL}")
        }
        ErrorKind::MissingRequiredArgument => no_method(method_as_section(words).as_deref()),
        ErrorKind::UnknownArgument if found.starts_with('-') && found != "-" => unknown_option(&found, words),
        ErrorKind::UnknownArgument => word_too_many(&found, words),
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{option} needs a value; type {}", example(&found))
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
        ErrorKind::ArgumentConflict => together(&option, &self::option(&context(error, ContextKind::PriorArg))),
        ErrorKind::InvalidUtf8 => "a word is not UTF-8; SECTION, METHOD and numbers are".to_owned(),
        // None of them is known to come up; in clap's words they are told still.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}; {CALL}", first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

/// What clap tells besides the kind, as one text.
fn context(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

/// The option alone, of what clap shows with its value: `--timeout` of `--timeout <SECONDS>`.
fn option(shown: &str) -> String {
    shown.split([' ', '=', ',']).next().unwrap_or_default().to_owned()
}

/// How an option is written with its value: `--timeout=SECONDS`.
fn example(shown: &str) -> String {
    shown.replace(" <", "=").replace('>', "")
}

/// The method, where it is the only word and was taken for the section.
fn method_as_section(words: &[OsString]) -> Option<String> {
    let is_method = |word: &&str| cent::known_methods().any(|known| known == *word);
    words.iter().skip(1).filter_map(|word| word.to_str()).find(is_method).map(str::to_owned)
}

fn no_method(method: Option<&str>) -> String {
    match method {
        Some(method) => format!("{method} is a METHOD, and the SECTION is missing; type cent SECTION {method}"),
        None => "no METHOD; type one after the SECTION, such as publish, history or channels".to_owned(),
    }
}

fn unknown_option(found: &str, words: &[OsString]) -> String {
    // Of -params, clap names -p.
    let short = !found.starts_with("--");
    let typed = words.iter().skip(1).filter_map(|word| word.to_str()).find(|word| short && word.starts_with(found));
    let typed = typed.unwrap_or(found).split('=').next().unwrap_or_default();
    let command = args::command();
    let options: Vec<String> =
        command.get_arguments().filter_map(Arg::get_long).map(|long| format!("--{long}")).collect();
    let written = format!("--{}", typed.trim_start_matches('-'));
    match cent::nearest(&written, options.iter().map(String::as_str)) {
        Some(guess) => format!("no option {typed}; did you mean {guess}?"),
        None => format!("no option {typed}; cent -h lists them"),
    }
}

fn word_too_many(word: &str, words: &[OsString]) -> String {
    let params = words.iter().filter_map(|word| word.to_str()).any(|word| word.starts_with("--params"));
    if word.trim_start().starts_with(['{', '@']) || word == "-" {
        "params are no word of their own; type --params= before them, as in --params='{…}'".to_owned()
    } else if params {
        format!("one word too many: {word}; put quotes around params, as in --params='{{…}}'")
    } else {
        format!("one word too many: {word}; {CALL}")
    }
}

fn together(first: &str, second: &str) -> String {
    let name = |shown: &str| shown.trim_matches(['[', ']', '<', '>']).to_owned();
    format!("{} and {} make no sense together; leave one out", name(first), name(second))
}
