//! Words that begin with a dash, but are none of this program's options: what was probably meant.
//!
//! The parser would take some of them for several short options, and print the help for `-check`.

use std::ffi::OsString;

use cent::{Param, ParamType};
use clap::{Arg, ArgAction, Command};

use crate::did_you_mean::{closest_match, did_you_mean, only_beginning};
use crate::params::key_value::{has_operator, operator_for, suggest};
use crate::quoting::{for_shell, shorten};

const CONFIG_HINT: &str = "set address and api_key in a section of the config file (see cent --help)";

/// What to do here, by the names of options of curl, xh, `mosquitto_pub`, gh, nats and kubectl.
const HABITS: [(&[&str], Habit); 19] = [
    (&["d", "data", "data-raw", "data-binary", "body", "m", "message"], Habit::Param("data")),
    (&["t", "topic", "subject"], Habit::Param("channel")),
    (&["e", "env", "profile", "context", "section"], Habit::Section),
    (
        &["k", "insecure", "no-verify", "verify", "insecure-skip-tls-verify"],
        Habit::Hint("certificates are always verified; to trust another one, set ca_file in the section"),
    ),
    (&["cacert", "capath", "cafile", "ca-file", "tlsca"], Habit::Hint("set ca_file in the section")),
    (&["E", "cert", "cert-file", "tlscert"], Habit::Hint("set client_cert_file in the section")),
    (&["key-file", "tlskey"], Habit::Hint("set client_key_file in the section")),
    (&["key"], Habit::Hint("set api_key or, for a client certificate, client_key_file in the section")),
    (&["tls", "ssl"], Habit::Hint("use https:// in the address of the section")),
    (&["x", "proxy"], Habit::Hint("set the variable HTTP_PROXY or HTTPS_PROXY")),
    (&["H", "header"], Habit::Hint("headers are fixed; set the API key as api_key in the section")),
    (&["X", "request"], Habit::Hint("requests are always POST; remove it")),
    (&["o", "output"], Habit::Hint("output is JSON; use > FILE to save it")),
    (&["j", "json", "pretty", "r", "raw", "raw-output"], Habit::Hint("output is JSON; remove it, or use --compact")),
    (&["f", "file", "input"], Habit::Hint("use --params=@FILE")),
    (&["s", "silent"], Habit::Hint("use --quiet")),
    (&["i", "include", "debug"], Habit::Hint("use --verbose")),
    (&["max-time", "connect-timeout"], Habit::Hint("use --timeout")),
    (
        &["u", "api-key", "apikey", "token", "url", "host", "server", "address", "endpoint", "secret"],
        Habit::Hint(CONFIG_HINT),
    ),
];

#[derive(Clone, Copy)]
enum Habit {
    /// The value is that of a param.
    Param(&'static str),
    /// The value is SECTION.
    Section,
    Hint(&'static str),
}

/// What a word is to the parser.
enum Word {
    /// No option, or a complete one.
    Complete,
    /// An option whose value is the next word.
    NeedsValue,
    Unknown,
}

/// The message about the first unknown option; `params` are those of METHOD.
pub(super) fn find(command_line: &[OsString], command: &Command, params: &'static [Param]) -> Option<String> {
    let words = command_line.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match classify(&word, command) {
            // An option without a value, such as --version, with that of a param.
            Word::Complete if is_param(&word, params) && words.peek().is_some_and(|next| is_value(next)) => {
                return Some(Unknown::new(&word, words.next().as_deref()).message(command, params));
            }
            Word::Complete => {}
            Word::NeedsValue => drop(words.next()),
            Word::Unknown => {
                let next = words.next().filter(|next| !next.starts_with('-'));
                return Some(Unknown::new(&word, next.as_deref()).message(command, params));
            }
        }
    }
    None
}

fn is_param(word: &str, params: &[Param]) -> bool {
    word.strip_prefix("--").is_some_and(|name| params.iter().any(|param| param.name == name))
}

fn is_value(word: &str) -> bool {
    !word.starts_with('-') && !has_operator(word)
}

/// Short options are exact: more would make options of typing errors.
fn classify(word: &str, command: &Command) -> Word {
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split('=').next().unwrap_or_default();
        return match command.get_arguments().find(|option| option.get_long() == Some(name)) {
            Some(option) if takes_value(option) && name == long => Word::NeedsValue,
            Some(_) => Word::Complete,
            None => Word::Unknown,
        };
    }
    let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { return Word::Complete };
    let option = |letter| command.get_arguments().find(|option| option.get_short() == Some(letter));
    let is_flag = |letter| option(letter).is_some_and(|option| matches!(option.get_action(), ArgAction::SetTrue));
    let mut rest = letters.chars();
    match (rest.next().and_then(option), rest.as_str()) {
        (Some(option), "") if takes_value(option) => Word::NeedsValue,
        (Some(_), "") => Word::Complete,
        (Some(option), value) if takes_value(option) && value.starts_with(['@', '{']) => Word::Complete,
        _ if letters.chars().all(is_flag) => Word::Complete,
        _ => Word::Unknown,
    }
}

fn takes_value(option: &Arg) -> bool {
    option.get_action().takes_values()
}

/// A word that is no option of this program.
struct Unknown<'a> {
    word: &'a str,
    /// Without dashes and value.
    name: &'a str,
    /// After its `=`, or else the next word.
    value: Option<&'a str>,
}

impl<'a> Unknown<'a> {
    fn new(word: &'a str, next: Option<&'a str>) -> Self {
        let (typed, attached) = word.split_once('=').map_or((word, None), |(typed, value)| (typed, Some(value)));
        Self { word, name: typed.trim_start_matches('-'), value: attached.or(next) }
    }

    fn message(&self, command: &Command, params: &'static [Param]) -> String {
        let typed = self.word.split('=').next().unwrap_or_default();
        let option = command.get_arguments().find(|option| option.get_long() == Some(self.name));
        let is_meant = |option: &&Arg| {
            takes_value(option) || self.value.is_none() || !is_param(&format!("--{}", self.name), params)
        };
        let hint = option
            .filter(is_meant)
            .map(|_| format!("did you mean --{}?", self.name))
            .or_else(|| Some(self.param(params.iter().find(|param| param.name == self.name)?)))
            .or_else(|| self.habit(self.name))
            .or_else(|| self.short_options(command))
            .or_else(|| closest_option(self.name, command))
            .or_else(|| self.closest_param(params))
            .or_else(|| self.habit(self.name.get(..1).filter(|_| !self.word.starts_with("--"))?));
        format!("unknown option {}; {}", shorten(typed), hint.as_deref().unwrap_or("see cent -h"))
    }

    /// A param that was typed as an option.
    fn param(&self, param: &Param) -> String {
        let typed = self.value.and_then(|value| match value.strip_prefix('@') {
            Some(file) => Some(for_shell(&format!("{}@{file}", param.name))),
            None => suggest(param, value),
        });
        let example = if param.param_type == ParamType::Boolean { "true" } else { "…" };
        let typed = typed.unwrap_or_else(|| format!("{}{}{example}", param.name, operator_for(param.param_type)));
        format!("params have no dashes: {typed}")
    }

    fn closest_param(&self, params: &'static [Param]) -> Option<String> {
        let names = || params.iter().map(|param| param.name);
        let name = closest_match(self.name, names()).or_else(|| only_beginning(self.name, names()))?;
        params.iter().find(|param| param.name == name).map(|param| self.param(param))
    }

    /// What to do instead of what an option of this name does in other programs.
    fn habit(&self, name: &str) -> Option<String> {
        let (_, habit) = HABITS.iter().find(|(names, _)| names.contains(&name))?;
        Some(match (habit, self.value) {
            (Habit::Hint(hint), _) => (*hint).to_owned(),
            (Habit::Param(name), None) => format!("params are KEY=VALUE: {name}=…"),
            (Habit::Param(name), Some(value)) => {
                let is_json = value.starts_with(['{', '[']);
                let (operator, file) = (if is_json { ":=" } else { "=" }, value.strip_prefix('@'));
                let typed = file.map_or_else(|| format!("{name}{operator}{value}"), |file| format!("{name}@{file}"));
                format!("params are KEY=VALUE: {}", for_shell(&typed))
            }
            (Habit::Section, None) => "SECTION comes first: cent SECTION METHOD".to_owned(),
            (Habit::Section, Some(section)) => format!("SECTION comes first: cent {} METHOD", for_shell(section)),
        })
    }

    /// Short options that cannot be written together, or with a value like this.
    fn short_options(&self, command: &Command) -> Option<String> {
        let letters = self.word.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
        let first = letters.get(..1)?;
        let option = command.get_arguments().find(|option| option.get_short() == first.chars().next())?;
        let rest = &letters[1..];
        if takes_value(option) && !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Some(format!("use -{first} {}", for_shell(rest.strip_prefix('=').unwrap_or(rest))));
        }
        let is_short = |letter| command.get_arguments().any(|option| option.get_short() == Some(letter));
        if let Some(value) = rest.strip_prefix('=') {
            return Some(format!("-{first} takes no value; remove ={}", shorten(value)));
        }
        let apart = || letters.chars().map(|letter| format!("-{letter}")).collect::<Vec<_>>().join(" ");
        letters.chars().all(is_short).then(|| format!("-h, -V and -p are written alone: {}", apart()))
    }
}

/// "did you mean --params?"
fn closest_option(name: &str, command: &Command) -> Option<String> {
    let options: Vec<String> =
        command.get_arguments().filter_map(Arg::get_long).map(|long| format!("--{long}")).collect();
    let (typed, options) = (format!("--{name}"), || options.iter().map(String::as_str));
    let beginning = || only_beginning(&typed, options()).map(|option| format!("did you mean {option}?"));
    did_you_mean(&typed, options()).or_else(beginning)
}

#[cfg(test)]
mod tests {
    use cent::Method;
    use clap::CommandFactory;

    use super::super::args::Args;
    use super::*;

    fn message(words: &[&str], method: &str) -> Option<String> {
        let command_line: Vec<OsString> = ["cent"].iter().chain(words).map(OsString::from).collect();
        find(&command_line, &Args::command(), Method::find(method).unwrap().params)
    }

    #[test]
    fn options_of_this_program_are_known() {
        for words in [
            &["-q", "-lqv", "-h", "-V", "-p", "{}", "-p@x", "-p{}", "-", "--timeout=5", "--color", "never"][..],
            &["--timeout", "-5", "--params", "-x", "--", "-check"],
            &["live", "publish", "channel=a", "data:=-1"],
        ] {
            assert_eq!(message(words, "publish"), None, "{words:?}");
        }
    }

    #[test]
    fn single_dashes_are_explained() {
        for (word, hint) in [
            ("-check", "unknown option -check; did you mean --check?"),
            ("-quiet", "unknown option -quiet; did you mean --quiet?"),
            ("-config=x", "unknown option -config; did you mean --config?"),
            ("---quiet", "unknown option ---quiet; did you mean --quiet?"),
            ("-channel=a", "unknown option -channel; params have no dashes: channel=a"),
            ("-chan", "unknown option -chan; params have no dashes: channel=…"),
            ("-skip_history", "unknown option -skip_history; params have no dashes: skip_history:=true"),
            ("-skip_history=yes", "unknown option -skip_history; params have no dashes: skip_history:=true"),
            ("-hc", "unknown option -hc; -h, -V and -p are written alone: -h -c"),
            ("-cp", "unknown option -cp; -h, -V and -p are written alone: -c -p"),
            ("-p[1]", "unknown option -p[1]; use -p '[1]'"),
            ("-p=@x", "unknown option -p; use -p @x"),
            ("-l=x", "unknown option -l; -l takes no value; remove =x"),
            ("--dry", "unknown option --dry; did you mean --dry-run?"),
            ("-version=10", "unknown option -version; params have no dashes: version:=10"),
            ("-version", "unknown option -version; did you mean --version?"),
            ("-zzz", "unknown option -zzz; see cent -h"),
        ] {
            assert_eq!(message(&[word], "publish").as_deref(), Some(hint), "{word}");
        }
    }

    #[test]
    fn habits_have_hints() {
        for (words, hint) in [
            (&["-d", "hello"][..], "params are KEY=VALUE: data=hello"),
            (&["-d", "{\"a\": 1}"], "params are KEY=VALUE: 'data:={\"a\": 1}'"),
            (&["--version", "10"], "params have no dashes: version:=10"),
            (&["--data=@x.json"], "params have no dashes: data@x.json"),
            (&["--data-binary=@x.json"], "params are KEY=VALUE: data@x.json"),
            (&["-m", "it's"], r"params are KEY=VALUE: 'data=it'\''s'"),
            (&["-t", "news"], "params are KEY=VALUE: channel=news"),
            (&["--topic"], "params are KEY=VALUE: channel=…"),
            (&["--context", "live"], "SECTION comes first: cent live METHOD"),
            (&["-host=x"], CONFIG_HINT),
            (&["-ojson"], "output is JSON; use > FILE to save it"),
            (&["-k"], "certificates are always verified; to trust another one, set ca_file in the section"),
            (&["--cert", "x.pem"], "set client_cert_file in the section"),
            (&["--key", "x.pem"], "set api_key or, for a client certificate, client_key_file in the section"),
            (&["-x", "http://proxy:3128"], "set the variable HTTP_PROXY or HTTPS_PROXY"),
        ] {
            let message = message(words, "publish").unwrap();
            assert!(message.ends_with(&format!("; {hint}")), "{message}");
        }
    }
}
