//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::bail;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::color::ColorChoice;
use crate::completions::Shell;
use crate::{help, usage_error};

/// The one table of options: help, man page, and the test of the completions come from it.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[expect(clippy::doc_markdown, reason = "what users read is no Markdown")]
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

    #[arg(value_name = "METHOD", hide = true, required_unless_present_any = ["sections", "completions", "lines"])]
    pub(crate) method: Option<String>,

    /// Params: a JSON object, @FILE, or - (standard input)
    ///
    /// Without it they are read from standard input if that is a pipe or
    /// a file, and else they are {}.
    #[arg(long, value_name = "JSON", verbatim_doc_comment, conflicts_with_all = ["sections", "completions"])]
    pub(crate) params: Option<OsString>,

    /// Config file instead of ~/.centrc
    ///
    /// Any readable file, a pipe too.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub(crate) config: Option<OsString>,

    /// Limit for one try; default 5
    ///
    /// From name lookup to the last byte; fractions allowed. It beats the
    /// section's timeout, which beats the default.
    #[arg(
        long,
        value_name = "SECONDS",
        verbatim_doc_comment,
        value_parser = seconds,
        allow_negative_numbers = true
    )]
    pub(crate) timeout: Option<Duration>,

    /// Tries after the first, if nothing was accepted
    ///
    /// A request that surely was not accepted (exit 3) is tried again so
    /// many times at most, with growing pauses. Default: 0.
    #[arg(long, value_name = "N", verbatim_doc_comment, value_parser = retry, allow_negative_numbers = true)]
    retry: Option<u32>,

    /// Many commands: params a line of standard input
    ///
    /// Without METHOD each line is a whole command,
    /// {"method": …, "params": …}. Prints a reply a line.
    #[arg(short, long, verbatim_doc_comment, conflicts_with_all = ["params", "sections", "completions"])]
    pub(crate) lines: bool,

    /// With --lines: commands a request; default 100
    #[arg(
        long,
        value_name = "N",
        verbatim_doc_comment,
        value_parser = batch,
        allow_negative_numbers = true
    )]
    batch: Option<usize>,

    /// One line instead of pretty-printed
    #[arg(short, long, verbatim_doc_comment)]
    pub(crate) compact: bool,

    /// Nothing on standard output; errors still are told
    #[arg(short, long, verbatim_doc_comment)]
    pub(crate) quiet: bool,

    /// Request, status, sizes, times on standard error
    #[arg(short, long, verbatim_doc_comment)]
    pub(crate) verbose: bool,

    /// Check all, print the request, send nothing
    ///
    /// Signature or API key are shown as [hidden].
    #[arg(short = 'n', long, verbatim_doc_comment)]
    pub(crate) dry_run: bool,

    /// Colours: auto, always or never
    ///
    /// Those of the printed JSON and of errors. auto, the default: on a
    /// terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", verbatim_doc_comment, default_value = "auto", hide_default_value = true)]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) color: ColorChoice,

    /// Names of the config file's sections, a line each
    #[arg(long, verbatim_doc_comment, conflicts_with_all = ["section", "method", "dry_run", "completions"])]
    pub(crate) sections: bool,

    /// Completion script of bash, zsh or fish
    #[arg(long, value_name = "SHELL", verbatim_doc_comment, conflicts_with_all = ["section", "method", "dry_run"])]
    #[arg(value_enum, hide_possible_values = true)]
    completions: Option<Shell>,

    /// Help; --help tells more
    #[arg(short, long, verbatim_doc_comment, action = ArgAction::Help)]
    help: Option<bool>,

    /// Version
    #[arg(short = 'V', long, verbatim_doc_comment, action = ArgAction::Version)]
    version: Option<bool>,
}

impl Args {
    /// How many commands go into one request.
    pub(crate) fn batch(&self) -> usize {
        self.batch.unwrap_or(100)
    }

    /// How many further tries a request gets that surely was not accepted.
    pub(crate) fn retry(&self) -> u32 {
        self.retry.unwrap_or(0)
    }
}

/// What a call comes to: arguments to go by, or a text to print and be done.
#[derive(Debug)]
pub(crate) enum Call {
    Run(Box<Args>),
    Print(String),
}

/// Reads the command line.
///
/// # Errors
/// A message that says what is wrong and what to type, for everything that clap refuses.
pub(crate) fn parse(words: &[OsString]) -> anyhow::Result<Call> {
    let parse = |command: clap::Command| {
        command.try_get_matches_from(words).and_then(|mut matches| Args::from_arg_matches_mut(&mut matches))
    };
    // What stands around the help takes longer to write than all arguments to read.
    let parsed = match parse(Args::command()) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => parse(command()),
        parsed => parsed,
    };
    match parsed {
        // Not left to clap: it drops the requirement where --lines conflicts with what is there.
        Ok(args) if args.batch.is_some() && !args.lines => bail!("{}", usage_error::BATCH_ALONE),
        Ok(args) => Ok(match args.completions {
            Some(_) if args.quiet => Call::Print(String::new()),
            Some(shell) => Call::Print(shell.script().to_owned()),
            None => Call::Run(Box::new(args)),
        }),
        Err(error) if !error.use_stderr() => Ok(Call::Print(error.render().to_string())),
        Err(error) => bail!(usage_error::message(&error, words)),
    }
}

pub(crate) fn command() -> clap::Command {
    Args::command()
        .before_help(help::opening())
        .after_help(help::EXITS_IN_SHORT)
        .before_long_help(help::long_opening())
        .after_long_help(help::long_end())
}

/// What `--color` says. It is looked for in the words themselves: errors have their colour in a call, too, that cannot
/// be read.
pub(crate) fn color(words: &[OsString]) -> ColorChoice {
    let mut found = ColorChoice::Auto;
    let mut words = words.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('=').map(|value| value.to_owned().into()),
            None => None,
        };
        if let Some(when) = value.and_then(|value| ColorChoice::from_str(&value, false).ok()) {
            found = when;
        }
    }
    found
}

fn retry(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| "not a whole number, such as 3".to_owned())
}

fn batch(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| number > 0 && !text.starts_with('+'));
    number.ok_or_else(|| "not a whole number above 0, such as 100".to_owned())
}

/// Seconds, whole or fractional, above 0.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse().ok().filter(|_| digits).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "not a number of seconds above 0, such as 5 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Vec<OsString> {
        ["cent"].iter().chain(words).map(OsString::from).collect()
    }

    fn refused(words: &[&str]) -> String {
        parse(&typed(words)).unwrap_err().to_string()
    }

    fn run(words: &[&str]) -> Args {
        match parse(&typed(words)).unwrap() {
            Call::Run(args) => *args,
            Call::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn options_stand_anywhere_and_the_last_one_counts() {
        let args = run(&["-c", "bananas", "--params={}", "publish", "--params", "-", "-c", "--timeout", "0.5"]);
        assert_eq!(args.section.as_deref(), Some("bananas"));
        assert_eq!(args.method.as_deref(), Some("publish"));
        assert_eq!(args.params, Some(OsString::from("-")));
        assert_eq!(args.timeout, Some(Duration::from_millis(500)));
        assert!(args.compact);
    }

    #[test]
    fn a_section_may_be_called_like_a_method_or_help() {
        assert_eq!(run(&["help", "publish"]).section.as_deref(), Some("help"));
    }

    #[test]
    fn a_value_that_looks_like_an_option_is_refused() {
        assert_eq!(
            refused(&["bananas", "publish", "--params", "--compact"]),
            "--params needs a value; type --params=JSON"
        );
    }

    #[test]
    fn sections_and_completions_need_no_words() {
        assert!(run(&["--sections"]).sections);
        assert!(
            matches!(parse(&typed(&["--completions", "fish"])), Ok(Call::Print(text)) if text.contains("complete -c cent"))
        );
        assert!(matches!(parse(&typed(&["--completions=fish", "-q"])), Ok(Call::Print(text)) if text.is_empty()));
    }

    #[test]
    fn the_colour_of_errors_is_known_before_the_words_are_understood() {
        assert_eq!(color(&typed(&["--color=never", "--frobnicate", "--color", "always"])), ColorChoice::Always);
        assert_eq!(color(&typed(&["--color", "always", "--color=never"])), ColorChoice::Never);
        assert_eq!(color(&typed(&["--color=red", "--colors=never", "--color"])), ColorChoice::Auto);
        assert_eq!(color(&typed(&["--", "--color=never"])), ColorChoice::Auto);
    }

    #[test]
    fn counts_are_plain_numbers() {
        assert_eq!((retry("3"), batch("1")), (Ok(3), Ok(1)));
        assert!(["", "-1", "+1", "1.5", "x"].into_iter().all(|bad| retry(bad).is_err() && batch(bad).is_err()));
        assert!(batch("0").is_err());
    }

    #[test]
    fn timeouts_are_plain_numbers_above_zero() {
        for good in ["5", "0.5", ".5", "5."] {
            assert!(seconds(good).is_ok(), "{good}");
        }
        for bad in ["0", "-1", "", ".", "1e3", "inf", "nan", "5s", "0.0000000001", "+5"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
