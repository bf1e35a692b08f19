//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::report;

/// Console client for Centrifugo, the real-time messaging server.
///
/// Reads address and secret or API key from a section of ~/.centrc, sends one command, pretty-prints the list of
/// replies.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(
    name = "cent",
    bin_name = "cent",
    version,
    about = "Console client for Centrifugo, the real-time messaging server",
    override_usage = "cent [OPTIONS] SECTION METHOD\n       cent [OPTIONS] --lines SECTION [METHOD]",
    help_template = HELP,
    after_help = SHORT_EXAMPLES,
    args_override_self = true,
    disable_help_subcommand = true,
)]
pub(crate) struct Args {
    #[arg(value_name = "SECTION", hide = true, required_unless_present = "sections")]
    pub(crate) section: Option<String>,

    #[arg(value_name = "METHOD", hide = true, required_unless_present_any = ["sections", "lines"])]
    pub(crate) method: Option<String>,

    /// Params of the method: a JSON object, the content of @FILE, or standard input (-)
    #[arg(long, value_name = "JSON", conflicts_with = "sections")]
    pub(crate) params: Option<OsString>,

    /// Try again what surely was not accepted, N times at most; default 0
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) retry: u32,

    /// Many commands: each line of standard input holds the params of one, or a whole command without METHOD
    #[arg(short, long, conflicts_with_all = ["params", "sections"])]
    pub(crate) lines: bool,

    /// With --lines: commands a request; default 100
    #[arg(long, value_name = "N", requires = "lines", value_parser = batch)]
    batch: Option<usize>,

    /// Config file instead of ~/.centrc
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<OsString>,

    /// Limit for one try, from name lookup to the last byte; default 5, or the section's timeout
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,

    /// One line instead of pretty-printed
    #[arg(short, long)]
    pub(crate) compact: bool,

    /// Nothing on standard output; errors still go to standard error
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Config file, request, status, sizes and time on standard error
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Check everything, print the request without its secret parts, send nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// The names of the config file's sections, a line each
    #[arg(long, conflicts_with_all = ["section", "method", "dry_run"])]
    pub(crate) sections: bool,
}

impl Args {
    /// How many commands go into one request.
    pub(crate) fn batch(&self) -> usize {
        self.batch.unwrap_or(100)
    }
}

/// The words are written out here: they are required, but clap would show them as if they were not, since `--sections`
/// does without.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

Arguments:
  SECTION  section of the config file: which server, which secret or API key
  METHOD   API method: publish, broadcast, unsubscribe, disconnect, presence, history, channels,
           stats and node of Centrifugo 1; info, subscribe, refresh and more of later ones

Options:
{options}{after-help}
";

const SHORT_EXAMPLES: &str = r#"Examples:
  cent bananas publish --params='{"channel": "news", "data": {"title": "World Cup 2018"}}'
  cent bananas history --params='{"channel": "news"}' --compact
  cent bananas publish --params=@message.json --dry-run

Exit status: 0 done, 1 refused, 2 wrong call, 3 not reached, 4 unknown; more with --help."#;

const FILES: &str = r"Files:
  ~/.centrc  sections of the form
               [bananas]
               address = http://localhost:8000
               secret = long-secret-key-for-bananas-project
             with api_key instead of secret for Centrifugo 2 to 6; optional: timeout = 5
             secret_file or api_key_file name a file that holds it instead

Environment:
  CENT_CONFIG                        config file instead of ~/.centrc; --config beats it
  HTTP_PROXY, HTTPS_PROXY,           proxy for http:// and https:// addresses, for both; hosts
  ALL_PROXY, NO_PROXY                that need none; in either case
  SSL_CERT_FILE, SSL_CERT_DIR        certificates to trust instead of the system's";

const EXAMPLES: &str = r#"Examples:
  In a shell, params from a file or a pipe:
    cent bananas publish --params=@message.json
    jq -n '{channel: "news", data: {title: $t}}' --arg t "$TITLE" | cent bananas publish
  In cron, where % means a new line unless it is written \%; errors come by mail:
    5 * * * *  cent bananas publish --quiet --params='{"channel": "clock", "data": "tick"}'
  In a deploy script:
    cent live publish --quiet --params=@deployed.json
    case $? in
      0) ;;
      3) echo "not reached: safe to run again" ;;
      *) exit 1 ;;
    esac"#;

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
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> anyhow::Result<Call> {
    let matches = match command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Call::Print(error.render().to_string())),
        Err(error) => return Err(anyhow::anyhow!(message(&error))),
    };
    Ok(Call::Run(Box::new(Args::from_arg_matches(&matches).map_err(|error| anyhow::anyhow!(message(&error)))?)))
}

fn command() -> clap::Command {
    Args::command().after_long_help(format!("Exit status:\n{}\n{FILES}\n\n{EXAMPLES}", report::exit_table()))
}

const USAGE: &str = "write cent [OPTIONS] SECTION METHOD, or cent --help";

/// What is wrong with the call and what to type instead, in one line.
fn message(error: &clap::Error) -> String {
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.as_str(),
        Some(ContextValue::Strings(words)) => words.first().map_or("", String::as_str),
        _ => "",
    };
    match error.kind() {
        ErrorKind::MissingRequiredArgument if word.contains("SECTION") => format!("no SECTION and no METHOD; {USAGE}"),
        ErrorKind::MissingRequiredArgument => format!("no METHOD, such as publish; {USAGE}"),
        ErrorKind::UnknownArgument if word.starts_with('-') && word != "-" => unknown_option(word),
        ErrorKind::UnknownArgument if word.trim_start().starts_with('{') => {
            "params are no word of their own; write them as --params='{…}'".to_owned()
        }
        ErrorKind::UnknownArgument => format!("one word too many: {word}; {USAGE}"),
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}; {USAGE}", first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

fn unknown_option(word: &str) -> String {
    let options: Vec<String> =
        command().get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
    let guess = cent::nearest(word, options.iter().map(String::as_str));
    let guess = guess.map_or_else(|| "see cent --help".to_owned(), |option| format!("did you mean {option}?"));
    format!("no option {word}; {guess}")
}

fn batch(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "not a whole number above 0, such as 100".to_owned())
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

    fn refused(words: &[&str]) -> String {
        parse(["cent"].iter().chain(words).map(OsString::from)).unwrap_err().to_string()
    }

    fn run(words: &[&str]) -> Args {
        match parse(["cent"].iter().chain(words).map(OsString::from)).unwrap() {
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
    fn slips_are_told_with_what_to_type() {
        assert_eq!(refused(&[]), format!("no SECTION and no METHOD; {USAGE}"));
        assert_eq!(refused(&["bananas"]), format!("no METHOD, such as publish; {USAGE}"));
        assert_eq!(refused(&["bananas", "publish", "--param", "x"]), "no option --param; did you mean --params?");
        assert_eq!(refused(&["bananas", "publish", "--frobnicate"]), "no option --frobnicate; see cent --help");
        assert_eq!(
            refused(&["bananas", "publish", "{}"]),
            "params are no word of their own; write them as --params='{…}'"
        );
        assert_eq!(refused(&["bananas", "publish", "news"]), format!("one word too many: news; {USAGE}"));
    }

    #[test]
    fn a_value_that_looks_like_an_option_is_refused() {
        assert!(refused(&["bananas", "publish", "--params", "--compact"]).starts_with("a value is required for"));
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        assert!(refused(&["--sections", "bananas"]).contains("cannot be used with"));
        assert!(refused(&["--sections", "--params={}"]).contains("cannot be used with"));
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
