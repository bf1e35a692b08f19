//! The texts of help and man page besides the options.

use std::fmt::Write as _;

use crate::exit;

pub(crate) const ABOUT: &str = "Console client for Centrifugo, the real-time messaging server";

pub(crate) const USAGE: &str = "cent [OPTIONS] SECTION METHOD    (with --lines: SECTION [METHOD])";

/// Calls to copy.
const SHORT_EXAMPLES: [&str; 3] = [
    r#"cent bananas publish --params='{"channel": "news", "data": {"n": 1}}'"#,
    "cent bananas publish --lines < news.jsonl",
    "cent bananas publish --params=@news.json --dry-run",
];

pub(crate) const EXIT_SUMMARY: &str = "Exit status: 0 done, 1 refused, 2 wrong call, 3 not reached, 4 unknown";

/// What the program does, in paragraphs.
pub(crate) const DESCRIPTION: [&str; 2] = [
    "\
Sends one command to the server that SECTION of the config file names, and
pretty-prints the list of replies. With --lines it sends one for each line of
standard input and prints a reply a line. Options may stand anywhere.",
    "\
The methods of Centrifugo 1 are publish, broadcast, unsubscribe, disconnect,
presence, history, channels, stats and node; later ones have no stats and node,
but info, subscribe, refresh, presence_stats, history_remove, rpc and more. A
method that is not known here is sent as it is.",
];

/// A name and its description, in lines of at most 66 characters.
pub(crate) type HelpEntry = (&'static str, &'static str);

pub(crate) const FILES: [HelpEntry; 1] = [(
    "~/.centrc",
    "\
Sections of the form
  [bananas]
  address = http://localhost:8000
  secret = long-secret-key-for-bananas-project
  timeout = 5
with api_key instead of secret for Centrifugo 2 to 6; timeout is
optional; secret_file or api_key_file name a file with it instead.",
)];

pub(crate) const ENVIRONMENT: [HelpEntry; 5] = [
    ("CENT_CONFIG", "Config file instead of ~/.centrc; --config beats it."),
    ("HTTP_PROXY, HTTPS_PROXY, ALL_PROXY", "Proxy for http:// addresses, for https:// ones, for both; in either case."),
    ("NO_PROXY", "Hosts that need no proxy, separated by commas; * for all."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Certificates to trust instead of the system's."),
    ("NO_COLOR, CLICOLOR_FORCE", "No colours; colours also where there is no terminal. --color beats both."),
];

/// A task, and the text to copy.
pub(crate) const EXAMPLES: [HelpEntry; 4] = [
    (
        "In a shell, params from a file or a pipe:",
        r#"cent bananas publish --params=@news.json
echo '{"channel": "news"}' | cent bananas history --compact"#,
    ),
    (
        r"In cron, where % ends the command unless it is written \%; errors are mailed:",
        r#"@daily cent bananas publish -q --params='{"channel":"a","data":"9\%"}'"#,
    ),
    (
        "In a deploy script:",
        r#"cent bananas publish --quiet --retry=3 --params=@news.json
case $? in
  0) ;;
  3) echo "not reached: safe to repeat" >&2; exit 1 ;;
  4) echo "may have run: look first" >&2; exit 1 ;;
  *) exit 1 ;;
esac"#,
    ),
    (
        "Many commands; where a run stopped, the summary says the line to go on with:",
        "\
cent bananas publish --lines < news.jsonl
tail -n +5001 news.jsonl | cent bananas publish --lines",
    ),
];

/// The beginning of the short help, which must fit 24 lines together with the next prompt.
pub(crate) fn short_header() -> String {
    SHORT_EXAMPLES.iter().fold(ABOUT.to_owned(), |text, call| format!("{text}\n  {call}"))
}

pub(crate) fn long_header() -> String {
    format!("{}\n\n{}", short_header(), DESCRIPTION.join("\n\n"))
}

pub(crate) fn long_footer() -> String {
    let mut text = "Exit status:\n".to_owned();
    for (status, meaning, advice) in exit::exit_table() {
        let _ = writeln!(text, "  {status:<8}  {meaning};\n            {advice}");
    }
    let _ = writeln!(text, "  {}", exit::PRECEDENCE_NOTE);
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
