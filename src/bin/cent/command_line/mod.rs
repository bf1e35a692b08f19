//! The command line: what it says to do, and what is wrong with it.

use std::ffi::OsString;

use anyhow::bail;
use cent::Method;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, ValueEnum};

use crate::console::color::ColorChoice;
use args::Args;

pub(crate) mod args;
mod completions;
#[cfg(test)]
mod completions_tests;
mod help;
#[cfg(test)]
mod man_page_tests;
pub(crate) mod method_help;
pub(crate) mod mistakes;
mod unknown_options;
mod usage_errors;

/// What to do: run with these arguments, or print a text such as the help.
#[derive(Debug)]
pub(crate) enum Invocation {
    Run(Box<Args>),
    Print(String),
    /// The help about a method.
    MethodHelp(MethodHelp),
}

/// Which method help is about.
#[derive(Debug)]
pub(crate) struct MethodHelp {
    pub(crate) section: Option<String>,
    pub(crate) method: &'static Method,
    /// The option of this name.
    pub(crate) config: Option<OsString>,
}

/// Parses the command line.
///
/// # Errors
/// For every usage error, with what is wrong and how to fix it.
pub(crate) fn parse(command_line: &[OsString]) -> anyhow::Result<Invocation> {
    let parser = Args::command();
    if let Some(message) = unknown_option(command_line, &parser) {
        bail!(message);
    }
    let parse = |command: clap::Command| {
        command.try_get_matches_from(command_line).and_then(|mut matches| Args::from_arg_matches_mut(&mut matches))
    };
    // The texts around the help are added only if it is printed, because they take longer to build than all arguments
    // take to parse.
    let parsed = match parse(parser) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => match method_help(command_line) {
            Some(help) => return Ok(help),
            None if command_line.iter().any(|word| word == "--help") => {
                return Ok(Invocation::Print(help::long_help(&Args::command())));
            }
            None => parse(command()),
        },
        parsed => parsed,
    };
    if let Some(message) = parsed.as_ref().ok().and_then(|args| mistakes::find(args, command_line)) {
        bail!(message);
    }
    match parsed {
        Ok(args) => Ok(match args.completions {
            Some(_) if args.quiet => Invocation::Print(String::new()),
            Some(shell) => Invocation::Print(shell.script().to_owned()),
            None => Invocation::Run(Box::new(args)),
        }),
        Err(error) if !error.use_stderr() => Ok(Invocation::Print(error.render().to_string())),
        Err(error) => bail!(usage_errors::to_message(&error, command_line)),
    }
}

/// What is wrong with the first option that is none.
fn unknown_option(command_line: &[OsString], parser: &clap::Command) -> Option<String> {
    let words = || command_line.iter().skip(1);
    if !words().any(|word| word.as_encoded_bytes().starts_with(b"-")) {
        return None;
    }
    let method = words().find_map(|word| Method::find(word.to_str()?));
    unknown_options::find(command_line, parser, method.map_or(&[], |method| method.params))
}

/// The method that help is about, if there is one that is known or misspelled. It may stand without SECTION.
fn method_help(command_line: &[OsString]) -> Option<Invocation> {
    let command = Args::command().mut_arg("help", |help| help.action(ArgAction::SetTrue)).ignore_errors(true);
    let matches = command.try_get_matches_from(command_line).ok()?;
    let argument = |name| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let config = matches.try_get_one::<OsString>("config").ok().flatten().cloned();
    let (first, second) = (argument("section")?, argument("method"));
    if let Some(method) = second.as_deref().and_then(Method::find) {
        return Some(Invocation::MethodHelp(MethodHelp { section: Some(first), method, config }));
    }
    if let Some(method) = Method::find(&first) {
        return Some(Invocation::MethodHelp(MethodHelp { section: None, method, config }));
    }
    method_help::suggestion(&second?).map(Invocation::Print)
}

/// The parser with the texts around the short help.
pub(crate) fn command() -> clap::Command {
    Args::command().before_help(help::ABOUT).after_help(help::short_footer())
}

/// The value of `--color`, read without the parser, so that it applies to usage errors too.
pub(crate) fn color(command_line: &[OsString]) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    let mut arguments = command_line.iter().skip(1).map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--");
    while let Some(arg) = arguments.next() {
        let value = match arg.strip_prefix("--color") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('=').map(|value| value.to_owned().into()),
            None => None,
        };
        if let Some(valid) = value.and_then(|value| ColorChoice::from_str(&value, false).ok()) {
            choice = valid;
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn command_line(arguments: &[&str]) -> Vec<OsString> {
        ["cent"].iter().chain(arguments).map(OsString::from).collect()
    }

    fn usage_error(arguments: &[&str]) -> String {
        parse(&command_line(arguments)).unwrap_err().to_string()
    }

    fn parse_args(arguments: &[&str]) -> Args {
        match parse(&command_line(arguments)).unwrap() {
            Invocation::Run(args) => *args,
            Invocation::Print(text) => panic!("{text}"),
            Invocation::MethodHelp(help) => panic!("{help:?}"),
        }
    }

    #[test]
    fn clap_definition_is_valid() {
        command().debug_assert();
    }

    #[test]
    fn options_anywhere_and_last_one_counts() {
        let args = parse_args(&["-c", "bananas", "--params={}", "publish", "--params", "-", "-c", "--timeout", "0.5"]);
        assert_eq!(args.section.as_deref(), Some("bananas"));
        assert_eq!(args.method.as_deref(), Some("publish"));
        assert_eq!(args.params, Some(OsString::from("-")));
        assert_eq!(args.timeout, Some(Duration::from_millis(500)));
        assert!(args.compact);
    }

    #[test]
    fn section_named_like_method_is_allowed() {
        assert_eq!(parse_args(&["help", "publish"]).section.as_deref(), Some("help"));
    }

    #[test]
    fn rejects_option_as_value() {
        assert_eq!(
            usage_error(&["bananas", "publish", "--params", "--compact"]),
            "missing value for --params; usage: --params=JSON"
        );
    }

    #[test]
    fn sections_and_completions_need_no_arguments() {
        assert!(parse_args(&["--sections"]).sections);
        assert!(
            matches!(parse(&command_line(&["--completions", "fish"])), Ok(Invocation::Print(text)) if text.contains("complete -c cent"))
        );
        assert!(
            matches!(parse(&command_line(&["--completions=fish", "-q"])), Ok(Invocation::Print(text)) if text.is_empty())
        );
    }

    #[test]
    fn color_option_applies_to_usage_errors() {
        assert_eq!(color(&command_line(&["--color=never", "--frobnicate", "--color", "always"])), ColorChoice::Always);
        assert_eq!(color(&command_line(&["--color", "always", "--color=never"])), ColorChoice::Never);
        assert_eq!(color(&command_line(&["--color=red", "--colors=never", "--color"])), ColorChoice::Auto);
        assert_eq!(color(&command_line(&["--", "--color=never"])), ColorChoice::Auto);
    }
}
