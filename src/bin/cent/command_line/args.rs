//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{ArgAction, Parser, ValueEnum};

use super::completions::Shell;
use super::help;
use crate::config::seconds::parse_time;
use crate::console::color::ColorChoice;
use crate::options::{Options, UnknownChoice};

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

    /// Time limit per attempt [default: 5, disconnect: 10]
    ///
    /// From DNS lookup to the last byte of the response: seconds, such as 5
    /// or 2.5, or with a unit: 500ms, 5s, 2m. Overrides the timeout of the
    /// section.
    #[arg(
        long,
        value_name = "SECONDS",
        verbatim_doc_comment,
        value_parser = parse_time,
        allow_negative_numbers = true
    )]
    pub(crate) timeout: Option<Duration>,

    /// Retry up to N times if safe (exit status 3)
    ///
    /// Only failures with exit status 3 are retried (nothing was executed,
    /// or the method only reads), with growing pauses. With --idempotent,
    /// what may have been executed is retried, too. [default: 0]
    #[arg(long, value_name = "N", verbatim_doc_comment, value_parser = parse_retries, allow_negative_numbers = true)]
    pub(super) retry: Option<u32>,

    /// With --retry: start no attempt later than this
    ///
    /// Counts from the first attempt of each request: seconds, or with a
    /// unit: 500ms, 90s, 2m. A pause that would end later is not begun.
    #[arg(
        long,
        value_name = "SECONDS",
        verbatim_doc_comment,
        hide_short_help = true,
        value_parser = parse_time,
        allow_negative_numbers = true
    )]
    pub(super) retry_max_time: Option<Duration>,

    /// Add idempotency keys, to retry status 4, too
    ///
    /// Adds an idempotency_key to publish, broadcast, map_publish and
    /// map_remove, unless the params have one. Centrifugo 5.2 and later then
    /// execute a repeated command once, and --retry also repeats these
    /// commands if they may have been executed, for up to 4 minutes. The
    /// call begins with info: an older server gets nothing else. Requires
    /// --retry or --journal. Do not use it with a NATS broker, which ignores
    /// keys.
    #[arg(long, verbatim_doc_comment)]
    pub(crate) idempotent: bool,

    /// Send one command per line of standard input
    ///
    /// Each line contains the params of METHOD or, without METHOD, a
    /// complete command: {"method": …, "params": …}. With KEY=VALUE, these
    /// params are the same for all lines, and the line is the value of one
    /// more: KEY@- as text, KEY:@- as JSON. Prints one reply per line.
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
        hide_short_help = true,
        value_parser = parse_batch_size,
        allow_negative_numbers = true
    )]
    pub(crate) batch: Option<usize>,

    /// With --lines: at most N commands per second
    ///
    /// Commands are sent evenly; fractions are allowed. After a pause, such
    /// as a retry, no faster than before. Default: no limit.
    #[arg(
        long,
        value_name = "N",
        verbatim_doc_comment,
        hide_short_help = true,
        value_parser = parse_rate,
        allow_negative_numbers = true
    )]
    pub(crate) rate: Option<f64>,

    /// With --lines: have commands executed concurrently
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
    /// 0, or with 1 for rejected lines: it skips the lines that are done
    /// (accepted or rejected), and goes on. With --idempotent, lines that
    /// may have been executed are sent again for up to 4 minutes. Otherwise
    /// the exit status is 4: see --unknown.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub(crate) journal: Option<OsString>,

    /// With --journal: send or skip unknown lines
    ///
    /// WHAT is send or skip, for the lines that an earlier run sent without
    /// learning the outcome. Check them first. With --idempotent, lines
    /// first sent less than 4 minutes ago are sent again, not skipped.
    #[arg(long, value_name = "WHAT", verbatim_doc_comment, hide_short_help = true)]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) unknown: Option<UnknownChoice>,

    /// Check config, connection, credential and server
    ///
    /// Needs no METHOD. Prints one line for each step as far as it gets,
    /// with --compact one JSON object. Changes nothing on the server. With
    /// --retry, waits for the server to be up, for at most N retries.
    #[arg(long, verbatim_doc_comment)]
    #[arg(conflicts_with_all = ["method", "params", "lines", "dry_run", "sections", "completions"])]
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
    /// used on a terminal, unless NO_COLOR is set; CLICOLOR_FORCE=1 forces
    /// it elsewhere, too. [default: auto]
    #[arg(long, value_name = "WHEN", verbatim_doc_comment, default_value = "auto", hide_default_value = true)]
    #[arg(value_enum, hide_possible_values = true, hide_short_help = true)]
    pub(crate) color: ColorChoice,

    /// List the sections of the config file
    #[arg(long, verbatim_doc_comment, conflicts_with_all = ["section", "method", "dry_run", "completions"])]
    pub(crate) sections: bool,

    /// Print a completion script: bash, zsh or fish
    ///
    /// COMPLETION in the man page says how to load it.
    #[arg(long, value_name = "SHELL", verbatim_doc_comment, conflicts_with_all = ["section", "method", "dry_run"])]
    #[arg(value_enum, hide_possible_values = true, hide_short_help = true)]
    pub(crate) completions: Option<Shell>,

    /// Print help (see more with --help)
    ///
    /// After METHOD, with or without SECTION: the params of that method,
    /// with an example.
    #[arg(short, long, verbatim_doc_comment, action = ArgAction::Help)]
    help: Option<bool>,

    /// Print version
    #[arg(short = 'V', long, verbatim_doc_comment, action = ArgAction::Version)]
    version: Option<bool>,
}

impl Args {
    pub(crate) fn into_options(self) -> Options {
        Options {
            section: self.section.unwrap_or_default(),
            params: self.params,
            key_values: self.key_values,
            max_retries: self.retry.unwrap_or(0),
            retry_max_time: self.retry_max_time,
            idempotent: self.idempotent,
            dry_run: self.dry_run,
            batch: self.batch,
            rate: self.rate,
            unordered: self.unordered,
            journal: self.journal,
            unknown: self.unknown,
        }
    }
}

/// Here, because nothing but the command line knows how values are written.
impl ValueEnum for UnknownChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Send, Self::Skip]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Send => "send",
            Self::Skip => "skip",
        }))
    }
}

impl ValueEnum for ColorChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }))
    }
}

fn parse_retries(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| "a whole number, such as 3".to_owned())
}

fn parse_batch_size(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| number > 0 && !text.starts_with('+'));
    number.ok_or_else(|| "a whole number above 0, such as 100".to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number.is_finite() && number > 0.0 && !text.starts_with('+'));
    number.ok_or_else(|| "a number above 0, such as 50 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_a_number_above_0() {
        assert_eq!((parse_rate("50"), parse_rate("0.5"), parse_rate("1e3")), (Ok(50.0), Ok(0.5), Ok(1000.0)));
        assert!(["", "0", "-1", "+1", "inf", "NaN", "1e999", "5/s"].into_iter().all(|bad| parse_rate(bad).is_err()));
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
