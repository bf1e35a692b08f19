//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::bail;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::color::ColorChoice;
use crate::completions::Shell;
use crate::lines::journal::resume::UnknownChoice;
use crate::seconds::parse_seconds;
use crate::{argument_hints, help, method_help, usage_error};

/// The options. Help and man page are generated from them, and a test compares the completions with them.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[expect(clippy::doc_markdown, reason = "the doc comments are the help text")]
#[command(
    name = "cent",
    bin_name = "cent",
    version,
    about = help::ABOUT,
    override_usage = help::USAGE,
    help_template = "{before-help}{usage-heading} {usage}\n{options}{after-help}\n",
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
)]
pub(crate) struct Args {
    #[arg(value_name = "SECTION", hide = true, required_unless_present_any = ["sections", "completions"])]
    pub(crate) section: Option<String>,

    #[arg(value_name = "METHOD", hide = true, required_unless_present_any = ["sections", "completions", "lines", "check"])]
    pub(crate) method: Option<String>,

    #[arg(value_name = "KEY=VALUE", hide = true)]
    pub(crate) key_values: Vec<OsString>,

    /// Method params: a JSON object, @FILE, or - for stdin
    ///
    /// Without it and without KEY=VALUE, params are read from standard
    /// input when it is a pipe, a socket or a file (not by channels, info,
    /// stats and node); otherwise they are {}.
    #[arg(short, long, value_name = "JSON", verbatim_doc_comment, conflicts_with_all = ["sections", "completions"])]
    pub(crate) params: Option<OsString>,

    /// Config file [default: ~/.centrc]
    ///
    /// May be a pipe: cent --config <(pass show centrc) ...
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub(crate) config: Option<OsString>,

    /// Time limit per attempt [default: 5]
    ///
    /// From DNS lookup to the last byte of the response. Fractions are
    /// allowed. Overrides the timeout of the section. The default is 10
    /// for disconnect.
    #[arg(
        long,
        value_name = "SECONDS",
        verbatim_doc_comment,
        value_parser = parse_seconds,
        allow_negative_numbers = true
    )]
    pub(crate) timeout: Option<Duration>,

    /// Retry up to N times if safe (exit status 3)
    ///
    /// Only failures with exit status 3 are retried, with growing pauses.
    /// Without --idempotent, a request that may have been executed is never
    /// sent again. [default: 0]
    #[arg(long, value_name = "N", verbatim_doc_comment, value_parser = parse_retries, allow_negative_numbers = true)]
    retry: Option<u32>,

    /// Add idempotency keys, so that --retry can repeat more
    ///
    /// Adds an idempotency_key to publish, broadcast, map_publish and
    /// map_remove, unless the params have one. Centrifugo 5.2 and later then
    /// execute a repeated command once, and --retry also repeats these
    /// commands if they may have been executed, for up to 4 minutes. Not
    /// with a NATS broker, which ignores keys.
    #[arg(long, verbatim_doc_comment, hide_short_help = true)]
    pub(crate) idempotent: bool,

    /// Send one command per line of standard input
    ///
    /// Each line contains the params of METHOD or, without METHOD, a
    /// complete command: {"method": …, "params": …}. Prints one reply per
    /// line.
    #[arg(short, long, verbatim_doc_comment, conflicts_with_all = ["params", "sections", "completions"])]
    pub(crate) lines: bool,

    /// With --lines: at most N commands per request
    ///
    /// Without it, requests with an API key grow from 100 up to 10,000
    /// commands while the server responds quickly. With a secret (Centrifugo
    /// 1) they have up to 100.
    #[arg(
        long,
        value_name = "N",
        verbatim_doc_comment,
        value_parser = parse_batch_size,
        allow_negative_numbers = true
    )]
    pub(crate) batch: Option<usize>,

    /// With --lines: let the server run commands concurrently
    ///
    /// Several times faster if the server stores messages in Redis, slower
    /// if it stores them in memory. Messages are delivered out of order;
    /// replies are still printed in order. Requires an API key and
    /// Centrifugo 5.2 or later.
    #[arg(long, verbatim_doc_comment, hide_short_help = true)]
    pub(crate) unordered: bool,

    /// With --lines: record progress in FILE, to resume
    ///
    /// Run the same command with the same input again until it exits with
    /// 0 or 1: it skips the lines that are done (accepted or rejected), and
    /// goes on. With --idempotent, lines that may have been executed are
    /// sent again for up to 4 minutes. Otherwise the exit status is 4: see
    /// --unknown.
    #[arg(long, value_name = "FILE", verbatim_doc_comment, hide_short_help = true)]
    pub(crate) journal: Option<OsString>,

    /// With --journal: send or skip lines of unknown outcome
    ///
    /// WHAT is send or skip, and applies to all lines that an earlier run
    /// sent without learning the outcome. Check them first.
    #[arg(long, value_name = "WHAT", verbatim_doc_comment, hide_short_help = true)]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) unknown: Option<UnknownChoice>,

    /// Check config, connection, credential and server
    ///
    /// Needs no METHOD. Prints one line for each step as far as it gets,
    /// with --compact one JSON object. Changes nothing on the server.
    #[arg(long, verbatim_doc_comment)]
    #[arg(conflicts_with_all = ["method", "params", "lines", "retry", "dry_run", "sections", "completions"])]
    pub(crate) check: bool,

    /// Print JSON on one line
    #[arg(short, long, verbatim_doc_comment)]
    pub(crate) compact: bool,

    /// Print nothing but errors
    #[arg(short, long, verbatim_doc_comment)]
    pub(crate) quiet: bool,

    /// Print request, status, sizes and timing to stderr
    #[arg(short, long, verbatim_doc_comment)]
    pub(crate) verbose: bool,

    /// Validate and print the request without sending it
    ///
    /// The signature or API key is shown as [hidden].
    #[arg(short = 'n', long, verbatim_doc_comment)]
    pub(crate) dry_run: bool,

    /// When to use color: auto, always or never
    ///
    /// Applies to printed JSON and to error messages. With auto, color is
    /// used on a terminal, unless NO_COLOR is set. [default: auto]
    #[arg(long, value_name = "WHEN", verbatim_doc_comment, default_value = "auto", hide_default_value = true)]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) color: ColorChoice,

    /// List the sections of the config file
    #[arg(long, verbatim_doc_comment, conflicts_with_all = ["section", "method", "dry_run", "completions"])]
    pub(crate) sections: bool,

    /// Print a completion script: bash, zsh or fish
    #[arg(long, value_name = "SHELL", verbatim_doc_comment, conflicts_with_all = ["section", "method", "dry_run"])]
    #[arg(value_enum, hide_possible_values = true)]
    completions: Option<Shell>,

    /// Print help (see more with --help)
    ///
    /// After SECTION and METHOD: the params of that method, with an
    /// example.
    #[arg(short, long, verbatim_doc_comment, action = ArgAction::Help)]
    help: Option<bool>,

    /// Print version
    #[arg(short = 'V', long, verbatim_doc_comment, action = ArgAction::Version)]
    version: Option<bool>,
}

impl Args {
    pub(crate) fn max_retries(&self) -> u32 {
        self.retry.unwrap_or(0)
    }
}

/// What to do: run with these arguments, or print a text such as the help.
#[derive(Debug)]
pub(crate) enum Invocation {
    Run(Box<Args>),
    Print(String),
}

/// Parses the command line.
///
/// # Errors
/// For every usage error, with what is wrong and how to fix it.
pub(crate) fn parse(command_line: &[OsString]) -> anyhow::Result<Invocation> {
    let parse = |command: clap::Command| {
        command.try_get_matches_from(command_line).and_then(|mut matches| Args::from_arg_matches_mut(&mut matches))
    };
    // The texts around the help are added only if it is printed, because they take longer to build than all arguments
    // take to parse.
    let parsed = match parse(Args::command()) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => match method_help(command_line) {
            Some(text) => return Ok(Invocation::Print(text)),
            None => parse(command()),
        },
        parsed => parsed,
    };
    if let Some(message) = parsed.as_ref().ok().and_then(|args| misuse(args, command_line)) {
        bail!(message);
    }
    match parsed {
        Ok(args) => Ok(match args.completions {
            Some(_) if args.quiet => Invocation::Print(String::new()),
            Some(shell) => Invocation::Print(shell.script().to_owned()),
            None => Invocation::Run(Box::new(args)),
        }),
        Err(error) if !error.use_stderr() => Ok(Invocation::Print(error.render().to_string())),
        Err(error) => bail!(usage_error::to_message(&error, command_line, &Args::command())),
    }
}

/// The help about the method, if SECTION and a known METHOD are there.
fn method_help(command_line: &[OsString]) -> Option<String> {
    let command = Args::command().mut_arg("help", |help| help.action(ArgAction::SetTrue)).ignore_errors(true);
    let matches = command.try_get_matches_from(command_line).ok()?;
    let argument = |name| matches.try_get_one::<String>(name).ok().flatten();
    method_help::text(argument("section")?, argument("method")?)
}

/// What is wrong with arguments that the parser accepts.
fn misuse(args: &Args, command_line: &[OsString]) -> Option<String> {
    // clap's own `requires` is dropped where --lines conflicts with another option.
    if args.batch.is_some() && !args.lines {
        return Some(usage_error::BATCH_REQUIRES_LINES.to_owned());
    }
    if args.unordered && !args.lines {
        return Some(usage_error::UNORDERED_REQUIRES_LINES.to_owned());
    }
    if let Some(misuse) = journal_misuse(args) {
        return Some(misuse.to_owned());
    }
    if args.params.is_some() && argument_hints::has_single_dash_params(command_line) {
        return Some("unknown option -params; did you mean --params?".to_owned());
    }
    let names = || argument_hints::check(args.section.as_deref(), args.method.as_deref(), args.lines, Args::command);
    let key_values = |conflict| usage_error::of_key_values(&args.key_values, conflict, command_line, Args::command);
    if args.lines {
        // METHOD may be a file that was put after --lines.
        key_values(Some("--lines")).or_else(names)
    } else {
        names().or_else(|| key_values(args.params.as_ref().map(|_| "--params")))
    }
}

fn journal_misuse(args: &Args) -> Option<&'static str> {
    match &args.journal {
        None => args.unknown.map(|_| usage_error::UNKNOWN_REQUIRES_JOURNAL),
        Some(_) if !args.lines => Some(usage_error::JOURNAL_REQUIRES_LINES),
        Some(path) if path.is_empty() => Some(usage_error::JOURNAL_WITHOUT_NAME),
        Some(_) => args.dry_run.then_some(usage_error::JOURNAL_WITH_DRY_RUN),
    }
}

/// The parser with the texts around the help.
pub(crate) fn command() -> clap::Command {
    Args::command()
        .before_help(help::ABOUT)
        .after_help(help::short_footer())
        .before_long_help(help::long_header())
        .after_long_help(help::long_footer())
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

fn parse_retries(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| "a whole number, such as 3".to_owned())
}

fn parse_batch_size(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| number > 0 && !text.starts_with('+'));
    number.ok_or_else(|| "a whole number above 0, such as 100".to_owned())
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn retries_and_batch_size_are_plain_numbers() {
        assert_eq!((parse_retries("3"), parse_batch_size("1")), (Ok(3), Ok(1)));
        assert!(
            ["", "-1", "+1", "1.5", "x"]
                .into_iter()
                .all(|bad| parse_retries(bad).is_err() && parse_batch_size(bad).is_err())
        );
        assert!(parse_batch_size("0").is_err());
    }
}
