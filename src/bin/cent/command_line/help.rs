//! The texts of help and man page besides the options.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::exit;

pub(crate) const ABOUT: &str = "Command-line client for Centrifugo, the real-time messaging server";

pub(crate) const USAGE: &str = "\
cent [OPTIONS] SECTION METHOD [KEY=VALUE]...
       cent [OPTIONS] --lines SECTION [METHOD] [KEY=VALUE]...";

const ARGUMENTS: &str = "SECTION: a server in ~/.centrc; METHOD: publish, info, ... (cent METHOD --help)";

const EXAMPLE: &str = "cent live publish channel=news 'data[text]=Hello!' 'data[n]:=1'";

const EXIT_SUMMARY: &str = "Exit: 0 success, 1 rejected, 2 usage, 3 safe to retry, 4 unknown, 5 part-way";

/// The longest line of the help, in characters.
const MAX_WIDTH: usize = 80;

/// What the program does, in paragraphs.
pub(crate) const DESCRIPTION: [&str; 3] = [
    "\
Sends one command to a Centrifugo server and pretty-prints its reply, in a JSON
list. SECTION is a section of the config file: it has the server's address and
the API key or secret. METHOD is a method of the server's HTTP API.",
    "\
KEY=VALUE arguments are the method's params: key=text sets a string, key:=json
any JSON, key@FILE and key:@FILE the same from a file (@-: standard input).
key[sub]=text sets it in an object, key[]=text appends it to a list. Put quotes
around brackets in zsh. --params takes all params as one JSON object instead.",
    "\
With --lines, sends one command per line of standard input and prints one reply
per line. A line contains the params or, with KEY@- or KEY:@-, the value of one.
Options may appear anywhere.",
];

/// A name and its description, in lines of at most 64 characters.
pub(crate) type HelpEntry = (&'static str, &'static str);

pub(crate) const FILES: [HelpEntry; 1] = [(
    "~/.centrc",
    "\
One section per server:
  [live]
  address = http://localhost:8000
  api_key = key-of-the-server
For Centrifugo 1, use secret instead of api_key. More keys, such as timeout
and ca_file: see CONFIGURATION FILE in the man page.",
)];

pub(crate) const ENVIRONMENT: [HelpEntry; 5] = [
    ("CENT_CONFIG", "Config file to use instead of ~/.centrc; --config overrides it."),
    ("HTTP_PROXY, HTTPS_PROXY, ALL_PROXY", "Proxy for http:// addresses, https:// addresses, or both."),
    ("NO_PROXY", "Comma-separated hosts to connect to directly; * for all."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "CA certificates (file, directory) to trust instead of the system's."),
    ("NO_COLOR, CLICOLOR_FORCE", "Disable color; force color without a terminal. --color overrides both."),
];

/// A task, and the text to copy.
pub(crate) const EXAMPLES: [HelpEntry; 5] = [
    ("See whether it works from here, and if not, where it stops:", "cent live --check"),
    ("Publish a message:", EXAMPLE),
    (
        "Any text in a variable, and see what would be sent:",
        r#"cent live publish channel=news "data[title]=$TITLE" --dry-run"#,
    ),
    (
        "Params as JSON, from a file or a pipe:",
        r#"cent live publish --params=@news.json
echo '{"channel": "news", "limit": 10}' | cent live history --compact"#,
    ),
    (
        "Send many commands, and resume at the line given in the summary:",
        "\
cent live publish --lines < news.jsonl
tail -n +5001 news.jsonl | cent live publish --lines",
    ),
];

/// More examples, for the man page only.
#[cfg(test)]
pub(crate) const MORE_EXAMPLES: [HelpEntry; 3] = [
    (
        "Send lines that are not JSON, such as those of a log or a list of users:",
        "\
tail -n 100 app.log | cent live publish --lines channel=log data@-
cent live disconnect --lines --rate=50 user@- < users.txt",
    ),
    (r"In a crontab (escape % as \%):", r"@daily cent live publish -q channel=a 'data=9\%'"),
    (
        "In a deploy script:",
        r#"cent live publish -q --retry=3 channel=news "data=$VERSION" || case $? in
  3) echo "not published: see above, then deploy again" >&2; exit 1 ;;
  4) echo "perhaps published: check before you deploy again" >&2; exit 1 ;;
  *) exit 1 ;;
esac"#,
    ),
];

/// The end of the short help, which must fit 24 lines together with the next prompt.
pub(crate) fn short_footer() -> String {
    format!("{ARGUMENTS}\nExample: {EXAMPLE}\n{EXIT_SUMMARY}")
}

/// Options that belong together: a heading, their long names, and what to know besides.
struct OptionGroup {
    heading: &'static str,
    options: &'static [&'static str],
    text: &'static str,
}

const OPTION_GROUPS: [OptionGroup; 5] = [
    OptionGroup {
        heading: "Call",
        options: &["params", "config", "timeout", "dry-run"],
        text: "Without params, most methods read a pipe or file on standard input.",
    },
    OptionGroup {
        heading: "Retries",
        options: &["retry", "retry-max-time", "idempotent"],
        text: "Only failures with status 3 are retried. With --idempotent, publishing is also \
               retried after 4, for 4 minutes: Centrifugo 5.2+ executes it once (not NATS).",
    },
    OptionGroup {
        heading: "Many commands",
        options: &["lines", "batch", "rate", "unordered", "journal", "unknown"],
        text: "A line has the params of METHOD or, without METHOD, a complete command: \
               {\"method\": ..., \"params\": ...}. For a job that must finish, use --journal and \
               --idempotent, and run the same command until it exits with 0, or with 1 for \
               rejected lines.",
    },
    OptionGroup { heading: "Output", options: &["compact", "quiet", "verbose", "color"], text: "" },
    OptionGroup {
        heading: "Instead of a call",
        options: &["check", "sections", "completions", "help", "version"],
        text: "cent METHOD --help explains a method and its params.",
    },
];

/// All about the program, in sections; shorter than the man page, which has the details of the options.
pub(crate) fn long_help(command: &Command) -> String {
    let mut text = format!("{ABOUT}\n\n{}\n\nUsage: {USAGE}\n", DESCRIPTION.join("\n\n"));
    for group in &OPTION_GROUPS {
        let _ = write!(text, "\n{}:\n", group.heading);
        let options = group.options.iter();
        options.filter_map(|name| command.get_arguments().find(|arg| arg.get_long() == Some(name))).for_each(|arg| {
            let usage = usage(arg);
            // Below a usage that is wider than its column.
            let end = if usage.chars().count() > 27 { format!("\n{:29}", "") } else { "  ".to_owned() };
            let _ = writeln!(text, "{usage:27}{end}{}", wrap(&summary(arg), 29));
        });
        if !group.text.is_empty() {
            let _ = writeln!(text, "  {}", wrap(group.text, 2));
        }
    }
    text.push_str("\nExit status:\n");
    for row in &exit::EXIT_TABLE {
        let [first, rest @ ..] = &row.paragraphs()[..] else { continue };
        let _ = writeln!(text, "  {:<13}  {}", row.codes, wrap(first, 17));
        for paragraph in rest {
            let _ = writeln!(text, "{:17}{}", "", wrap(paragraph, 17));
        }
    }
    text.push_str("\nFiles:\n");
    write_below(&mut text, &FILES);
    text.push_str("\nEnvironment:\n");
    for (name, meaning) in ENVIRONMENT {
        let line = format!("  {name}  {meaning}");
        if line.chars().count() <= MAX_WIDTH {
            let _ = writeln!(text, "{line}");
        } else {
            write_below(&mut text, &[(name, meaning)]);
        }
    }
    text.push_str("\nExamples:\n");
    write_below(&mut text, &EXAMPLES);
    text
}

/// Writes the lines of each entry below its name.
fn write_below(text: &mut String, entries: &[HelpEntry]) {
    for (name, lines) in entries {
        let _ = writeln!(text, "  {name}");
        for line in lines.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
}

/// An option as it is typed.
fn usage(arg: &Arg) -> String {
    let short = arg.get_short().map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values());
    let value = value.map_or_else(String::new, |names| format!(" <{}>", names.join(" ")));
    format!("  {short}--{}{value}", arg.get_long().unwrap_or_default())
}

fn summary(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

/// Breaks a text at spaces into lines that start at this column; the first one is there already.
pub(super) fn wrap(text: &str, column: usize) -> String {
    let mut wrapped = String::new();
    let mut end = column;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && end + 1 + length > MAX_WIDTH {
            let _ = write!(wrapped, "\n{:column$}", "");
            end = column;
        } else if index > 0 {
            wrapped.push(' ');
            end += 1;
        }
        wrapped.push_str(word);
        end += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line;

    #[test]
    fn each_option_is_in_one_group() {
        let command = command_line::command();
        let mut options: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        let mut grouped: Vec<&str> = OPTION_GROUPS.iter().flat_map(|group| group.options).copied().collect();
        options.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, options, "OPTION_GROUPS");
    }

    #[test]
    fn long_help_is_short_enough() {
        let help = long_help(&command_line::command());
        assert!(help.lines().count() <= 120, "{help}\n{} lines", help.lines().count());
        for line in help.lines() {
            assert!(line.chars().count() <= MAX_WIDTH, "{line}");
        }
    }

    #[test]
    fn wraps_at_spaces() {
        let word = "x".repeat(39);
        assert_eq!(wrap(&format!("{word} {word} {word}"), 1), format!("{word} {word}\n {word}"));
        assert_eq!(wrap(&format!("{word} {word} {word}"), 2), format!("{word}\n  {word}\n  {word}"));
        assert_eq!(wrap(&"x".repeat(100), 2), "x".repeat(100));
    }
}
