//! The texts of help and man page besides the options.

use std::fmt::Write as _;

use crate::exit;

pub(crate) const ABOUT: &str = "Command-line client for Centrifugo, the real-time messaging server";

pub(crate) const USAGE: &str = "\
cent [OPTIONS] SECTION METHOD [KEY=VALUE]...  SECTION: from ~/.centrc
       cent [OPTIONS] --lines SECTION [METHOD] [KEY=VALUE]...  METHOD: publish";

const EXAMPLE: &str = "cent live publish channel=news 'data[text]=Hello!' 'data[n]:=1'";

const EXIT_SUMMARY: &str = "Exit: 0 success, 1 rejected, 2 usage, 3 safe to retry, 4 unknown, 5 part-way";

/// The longest line of the help, in characters.
const MAX_WIDTH: usize = 80;

/// What the program does, in paragraphs.
pub(crate) const DESCRIPTION: [&str; 4] = [
    "\
Sends one command to a Centrifugo server and pretty-prints its reply, as a list
of one. SECTION is a section of the config file: it has the server's address and
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
    "\
Methods of Centrifugo 2 to 6: publish, broadcast, subscribe, unsubscribe,
disconnect, refresh, presence, presence_stats, history, history_remove,
channels, info, rpc and others. Methods of Centrifugo 1: publish, broadcast,
unsubscribe, disconnect, presence, history, channels, stats and node. A method
that cent does not know is sent unchecked.",
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
  timeout = 5
For Centrifugo 1, use secret instead of api_key. The timeout is
optional. api_key_file or secret_file read the credential from a
file.",
)];

pub(crate) const ENVIRONMENT: [HelpEntry; 5] = [
    ("CENT_CONFIG", "Config file to use instead of ~/.centrc; --config overrides it."),
    (
        "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY",
        "Proxy for http:// addresses, https:// addresses, or both.\nLowercase names work too and take precedence.",
    ),
    ("NO_PROXY", "Comma-separated hosts to connect to directly; * for all."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "CA certificates (file, directory) to trust instead of the system's."),
    ("NO_COLOR, CLICOLOR_FORCE", "Disable color; force color without a terminal. --color overrides both."),
];

/// A task, and the text to copy.
pub(crate) const EXAMPLES: [HelpEntry; 8] = [
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
    (r"In a crontab (escape % as \%):", r"@daily cent live publish -q channel=a 'data=9\%'"),
    (
        "In a deploy script:",
        r#"rc=0; cent live publish -q --retry=3 channel=news "data=$VERSION" || rc=$?
case $rc in
  0) ;;
  3) echo "not accepted: safe to retry" >&2; exit 1 ;;
  4) echo "may have been executed: check first" >&2; exit 1 ;;
  *) exit 1 ;;
esac"#,
    ),
    (
        "Send many commands, and resume at the line given in the summary:",
        "\
cent live publish --lines < news.jsonl
tail -n +5001 news.jsonl | cent live publish --lines",
    ),
    (
        "Send lines that are not JSON, such as those of a log or a list of users:",
        "\
tail -n 100 app.log | cent live publish --lines channel=log data@-
cent live disconnect --lines --rate=50 user@- < users.txt",
    ),
];

/// The end of the short help, which must fit 24 lines together with the next prompt.
pub(crate) fn short_footer() -> String {
    format!("Example: {EXAMPLE}\n{EXIT_SUMMARY}")
}

pub(crate) fn long_header() -> String {
    format!("{ABOUT}\n\n{}", DESCRIPTION.join("\n\n"))
}

pub(crate) fn long_footer() -> String {
    let mut text = "Exit status:\n".to_owned();
    for row in &exit::EXIT_TABLE {
        let [first, rest @ ..] = &row.paragraphs()[..] else { continue };
        let _ = writeln!(text, "  {:<13}  {}", row.codes, wrap(first, 17));
        for paragraph in rest {
            let _ = writeln!(text, "{:17}{}", "", wrap(paragraph, 17));
        }
    }
    for (heading, entries) in [("Files", &FILES[..]), ("Environment", &ENVIRONMENT), ("Examples", &EXAMPLES)] {
        let _ = write!(text, "\n{heading}:\n");
        for (name, lines) in entries {
            let _ = writeln!(text, "  {name}");
            for line in lines.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text.trim_end().to_owned()
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

    #[test]
    fn wraps_at_spaces() {
        let word = "x".repeat(39);
        assert_eq!(wrap(&format!("{word} {word} {word}"), 1), format!("{word} {word}\n {word}"));
        assert_eq!(wrap(&format!("{word} {word} {word}"), 2), format!("{word}\n  {word}\n  {word}"));
        assert_eq!(wrap(&"x".repeat(100), 2), "x".repeat(100));
    }
}
