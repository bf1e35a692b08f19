//! Usage errors, help, and color.

use std::process::{Command, Stdio};

use crate::support::cli::{Cent, cent};
use crate::{ApiForm, Current, Legacy, PLAIN, V1};

const CONFIG: &str = "[apples]\naddress = http://localhost:1\nsecret = marked\n\
                      [bananas]\naddress = http://localhost:1\nsecret = marked\n";

/// Expects one message, and exit status 2.
#[track_caller]
fn assert_usage_error(args: &[&str], message: &str) {
    cent().config(CONFIG).args(args).run().assert_output(2, "", &format!("cent: {message}\n"));
}

const USAGE_HINT: &str = "usage: cent SECTION METHOD [KEY=VALUE]... (see cent --help)";

#[test]
fn missing_arguments_are_rejected() {
    assert_usage_error(&[], &format!("missing SECTION and METHOD; {USAGE_HINT}"));
    assert_usage_error(&["bananas"], "missing METHOD after SECTION; for example publish, history or channels");
    assert_usage_error(&["publish"], "missing SECTION before publish; usage: cent SECTION publish");
    assert_usage_error(
        &["bananas", "channel=news", "data=1"],
        "missing METHOD before 'channel=news'; usage: cent SECTION METHOD [KEY=VALUE]...",
    );
    assert_usage_error(
        &["publish", "channel=news", "data=1"],
        "missing SECTION before publish; usage: cent SECTION publish [KEY=VALUE]...",
    );
    assert_usage_error(&["--lines"], "missing SECTION; usage: cent --lines SECTION [METHOD] (see cent --help)");
}

#[test]
fn unexpected_arguments_are_rejected() {
    let unexpected = |argument: &str, message: &str| {
        assert_usage_error(&["bananas", "publish", argument], &format!("unexpected argument {message}"));
    };
    let params = r#"{"channel": "news", "data": 1}"#;
    unexpected(params, &format!("'{params}'; pass params with --params='{{…}}'"));
    unexpected("{\n  \"channel\": \"news\"}", "'{…'; pass params with --params='{…}'");
    unexpected("@news.json", "'@news.json'; use --params=@news.json");
    unexpected("-", "'-'; use --params=-");
    unexpected("news.json", "'news.json'; use --params=@news.json");
    unexpected("help", "'help'; use cent publish --help");
    assert_usage_error(
        &["bananas", "disconnect", "anna"],
        "unexpected argument 'anna'; params are KEY=VALUE without spaces around the =, such as user=42",
    );
    let key_value = "params are KEY=VALUE without spaces around the =, such as channel=news";
    unexpected("news", &format!("'news'; {key_value}"));
    unexpected("channel:", &format!("'channel:'; {key_value}"));
    assert_usage_error(
        &["bananas", "publish", "channel", "=", "news"],
        &format!("unexpected argument 'channel'; {key_value}"),
    );
    assert_usage_error(
        &["bananas", "publish", "channel=news", "data=World", "Cup"],
        "unexpected argument 'Cup'; quote a value with spaces: data=\"…\"",
    );
    assert_usage_error(
        &["bananas", "publish", "data:={title:", "Hi}"],
        "unexpected argument 'Hi}'; quote the value: 'data:=…'",
    );
    assert_usage_error(
        &["bananas", "publish", "--params={channel:", "news}"],
        "unexpected argument 'news}'; quote the params: --params='{…}'",
    );
    assert_usage_error(
        &["bananas", "publish", "-p", "{channel:", "news}"],
        "unexpected argument 'news}'; quote the params: --params='{…}'",
    );
    assert_usage_error(
        &["bananas", "publish", "channel=news", "--params={}"],
        "'channel=news' cannot be used with --params",
    );
    let no_line = "no param takes the line; use channel@-";
    assert_usage_error(&["bananas", "publish", "data:=1", "--lines"], no_line);
}

#[test]
fn unknown_section_suggests_nearest() {
    assert_usage_error(
        &["banana", "publish"],
        "~/.centrc: section [banana] not found; did you mean bananas? sections: [apples], [bananas]",
    );
}

#[test]
fn unknown_method_suggests_nearest_or_lists_all() {
    let later_methods = "publish, broadcast, subscribe, unsubscribe, disconnect, refresh, presence, presence_stats, history, \
         history_remove, channels, info, rpc, map_publish, map_remove, map_read_state, map_read_stream, map_stats, \
         map_clear, shared_poll_publish";
    for (form, path, status, known_methods) in [
        (
            V1,
            "/api/",
            "bad request (400)",
            "publish, broadcast, unsubscribe, disconnect, presence, history, channels, stats, node",
        ),
        (Legacy, "/api", "bad request (400)", later_methods),
        (Current, "/api/METHOD", "not found (404)", later_methods),
    ] {
        let list = format!("known methods: {known_methods}");
        for (method, hint) in [("publsh", "did you mean publish?"), ("frobnicate", &list)] {
            let server = form.server();
            let url = format!("{}{}", server.address(), path.replace("METHOD", method));
            let message = format!("cent: {url}: {status}; unknown method {method}, or invalid params; {hint}\n");
            form.cent(&server).args(&["bananas", method]).run().assert_output(1, "", &message);
        }
    }
}

#[test]
fn unknown_options_are_rejected() {
    assert_usage_error(&["bananas", "publish", "--param", "{}"], "unknown option --param; did you mean --params?");
    assert_usage_error(&["bananas", "publish", "--param={}"], "unknown option --param; did you mean --params?");
    assert_usage_error(&["bananas", "publish", "-params={}"], "unknown option -params; did you mean --params?");
    assert_usage_error(&["bananas", "publish", "--frobnicate=5"], "unknown option --frobnicate; see cent -h");
    assert_usage_error(&["bananas", "publish", "-z"], "unknown option -z; see cent -h");
    let param = |option: &str| format!("unknown option {option}; params have no dashes: channel=news");
    assert_usage_error(&["bananas", "publish", "--channel", "news"], &param("--channel"));
    assert_usage_error(&["--channel=news", "bananas", "publish"], &param("--channel"));
    assert_usage_error(&["bananas", "info", "--channel=news"], "unknown option --channel; see cent -h");
}

#[test]
fn invalid_values_are_rejected() {
    assert_usage_error(
        &["bananas", "publish", "--timeout=abc"],
        "invalid value 'abc' for --timeout; expected a time above 0, such as 5, 2.5s, 500ms or 2m",
    );
    assert_usage_error(
        &["bananas", "publish", "--timeout", "-1"],
        "invalid value '-1' for --timeout; expected a time above 0, such as 5, 2.5s, 500ms or 2m",
    );
    assert_usage_error(
        &["bananas", "publish", "--lines", "--batch", "0"],
        "invalid value '0' for --batch; expected a whole number above 0, such as 100",
    );
    assert_usage_error(
        &["bananas", "publish", "--retry=-1"],
        "invalid value '-1' for --retry; expected a whole number, such as 3",
    );
    assert_usage_error(
        &["--sections", "--color=red"],
        "invalid value 'red' for --color; expected auto, always or never",
    );
    assert_usage_error(&["--completions=tcsh"], "invalid value 'tcsh' for --completions; expected bash, zsh or fish");
    assert_usage_error(&["bananas", "publish", "--quiet=1"], "unexpected value '1' for --quiet; remove =1");
}

#[test]
fn missing_values_are_rejected() {
    assert_usage_error(&["bananas", "publish", "--params"], "missing value for --params; usage: --params=JSON");
    assert_usage_error(
        &["bananas", "publish", "--params", "--compact"],
        "missing value for --params; usage: --params=JSON",
    );
    assert_usage_error(&["bananas", "publish", "--timeout"], "missing value for --timeout; usage: --timeout=SECONDS");
    assert_usage_error(&["--color"], "missing value for --color; usage: --color=WHEN");
}

#[test]
fn conflicting_options_are_rejected() {
    let conflict = |first: &str, second: &str| format!("{first} cannot be used with {second}");
    assert_usage_error(&["bananas", "publish", "--params={}", "--lines"], &conflict("--params", "--lines"));
    assert_usage_error(&["--sections", "bananas"], &conflict("--sections", "SECTION"));
    assert_usage_error(&["--sections", "--params={}"], &conflict("--sections", "--params"));
    assert_usage_error(&["--sections", "-n"], &conflict("--sections", "--dry-run"));
    assert_usage_error(&["--sections", "--lines"], &conflict("--sections", "--lines"));
    assert_usage_error(&["--completions", "bash", "bananas"], &conflict("--completions", "SECTION"));
    assert_usage_error(&["--completions", "bash", "--sections"], &conflict("--completions", "--sections"));
    assert_usage_error(&["bananas", "publish", "--batch", "5"], "--batch requires --lines");
    assert_usage_error(&["bananas", "publish", "--unordered"], "--unordered requires --lines");
    assert_usage_error(&["bananas", "publish", "--unordered", "--params={}"], "--unordered requires --lines");
    assert_usage_error(&["bananas", "publish", "--rate=5"], "--rate requires --lines");
    assert_usage_error(&["bananas", "publish", "--rate=5"], "--rate requires --lines");
    assert_usage_error(
        &["bananas", "publish", "--lines", "--rate=0"],
        "invalid value '0' for --rate; expected a number above 0, such as 50 or 0.5",
    );
    assert_usage_error(&["bananas", "publish", "--retry-max-time=5"], "--retry-max-time requires --retry");
    assert_usage_error(
        &["bananas", "publish", "--retry=1", "--retry-max-time=1h"],
        "invalid value '1h' for --retry-max-time; expected a time above 0, such as 5, 2.5s, 500ms or 2m",
    );
    assert_usage_error(&["bananas", "publish", "--journal=state"], "--journal requires --lines");
    assert_usage_error(&["bananas", "publish", "--lines", "--journal="], "--journal: missing file name");
    assert_usage_error(&["bananas", "publish", "--lines", "--unknown=send"], "--unknown requires --journal");
    assert_usage_error(
        &["bananas", "publish", "--lines", "--journal=state", "--unknown=maybe"],
        "invalid value 'maybe' for --unknown; expected send or skip",
    );
}

#[test]
fn short_help_fits_screen_without_config() {
    let help = cent().arg("-h").run();
    assert!(help.stderr().is_empty() && help.exit_code() == Some(0));
    assert!(help.stdout().lines().count() <= 23, "more than 24 lines, prompt included");
    for help in [help.stdout(), cent().arg("--help").run().stdout()] {
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "over 80 columns: {long:#?}");
    }
}

#[test]
fn completions_match_files_without_config() {
    for (shell, script) in [
        ("bash", include_str!("../../completions/cent.bash")),
        ("zsh", include_str!("../../completions/_cent")),
        ("fish", include_str!("../../completions/cent.fish")),
    ] {
        cent().args(&["--completions", shell]).run().assert_output(0, script, "");
    }
}

const UNSUBSCRIBE_HELP: &str = "\
unsubscribe: unsubscribe a user's connections from a channel

Params:
  user          required: the user's ID (a string; all_users replaces it)
  channel       required: the channel (a non-empty string)
  client        only the connection with this client ID (a string; since 3.0)
  session       only the connection with this session ID (a string; since 3.2)
  label_filter  only connections whose labels match (an object such as {\"key\":
                \"tenant\", \"cmp\": \"eq\", \"val\": \"a\"}; Centrifugo PRO; since 6.8.2)
  all_users     every user, instead of one (true or false; Centrifugo PRO; since
                6.8.2)

Example: cent live unsubscribe user=42 channel=news
Options, KEY=VALUE, exit status: cent --help
More about methods and params: https://centrifugal.dev/docs/server/server_api
";

const PRESENCE_HELP: &str = "\
presence: list the clients that are subscribed to a channel

Params, Centrifugo 2 and later:
  channel  required: the channel (a non-empty string)

Params, Centrifugo 1:
  channel  required: the channel (a non-empty string)

Example: cent SECTION presence channel=news
Options, KEY=VALUE, exit status: cent --help
More about methods and params: https://centrifugal.dev/docs/server/server_api
";

#[test]
fn help_about_a_method_lists_params_of_the_section() {
    let config = "[live]\naddress = http://h\napi_key = k\n[old]\naddress = http://h\nsecret = k\n";
    let help = |args: &[&str]| cent().config(config).args(args).run();
    for args in [
        &["live", "unsubscribe", "--help"][..],
        &["--help", "live", "unsubscribe"],
        &["live", "-c", "unsubscribe", "channel=a", "-h"],
        &["live", "unsubscribe", "--params={", "--help"],
    ] {
        help(args).assert_output(0, UNSUBSCRIBE_HELP, "");
    }
    let other = cent().file("other", config).args(&["--config=other", "live", "unsubscribe", "--help"]).run();
    other.assert_output(0, UNSUBSCRIBE_HELP, "");
    let old = help(&["old", "unsubscribe", "--help"]).stdout();
    let params =
        "Params:\n  user     required: the user's ID (a string)\n  channel  the channel (a non-empty string)\n\n";
    assert!(old.contains(params) && old.contains("\nExample: cent old unsubscribe user=42\n"), "{old}");
    let lacking = help(&["old", "info", "--help"]).stdout();
    let message = "\nThis section is for Centrifugo 1, which does not have the method.\n\nOptions, KEY=VALUE, ";
    assert!(lacking.starts_with("info: list the nodes of the server\n") && lacking.contains(message), "{lacking}");
    let pro = help(&["live", "block_user", "-h"]).stdout();
    assert!(pro.contains(" (Centrifugo PRO 3.1\nor later)\n\nParams:\n  user  required: the user's ID "), "{pro}");
}

#[test]
fn help_about_a_method_needs_no_section() {
    for args in [&["presence", "--help"][..], &["--help", "Presence"], &["presence", "channel=a", "-h"]] {
        cent().args(args).run().assert_output(0, PRESENCE_HELP, "");
    }
    // Nor a config file that is valid.
    let unknown = cent().config("[x").args(&["SECTION", "presence", "--help"]).run();
    unknown.assert_output(0, PRESENCE_HELP, "");
    for args in [&["live", "--help"][..], &["live", "frobnicate", "--help"]] {
        cent().args(args).run().assert_output(0, &cent().arg("--help").run().stdout(), "");
    }
    for (method, meant) in [("publsh", "publish"), ("pub", "publish"), ("nod", "node")] {
        let misspelled = cent().args(&["live", method, "--help"]).run();
        let text = format!("{method}: unknown method; did you mean {meant}?\nOptions: cent --help\n");
        misspelled.assert_output(0, &text, "");
    }
}

#[test]
fn dry_run_suggests_known_method() {
    let config = "[live]\naddress = http://h\napi_key = k\n";
    let dry_run = |method| cent().config(config).args(&["live", method, "--params={}", "--dry-run"]);
    let misspelled = dry_run("publsh").run();
    assert_eq!(
        (misspelled.exit_code(), misspelled.stderr().as_str()),
        (Some(0), "cent: publsh: unknown method; did you mean publish?\n")
    );
    assert!(misspelled.stdout().starts_with("POST http://h/api/publsh\n"), "{}", misspelled.stdout());
    let beginning = dry_run("pub").run().stderr();
    assert_eq!(beginning, "cent: pub: unknown method; did you mean publish?\n");
    for output in [dry_run("frobnicate").run(), dry_run("INFO").run(), dry_run("publsh").arg("-q").run()] {
        assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""));
    }
}

const COLORED: &str = "\x1b[1;34m\"method\"\x1b[0m: \x1b[32m\"publish\"\x1b[0m";
const RED: &str = "\x1b[1;31mcent:\x1b[0m ";

#[test]
fn piped_output_is_plain_unless_forced() {
    let colored = |configure: &dyn Fn(Cent) -> Cent| {
        let server = V1.server();
        let publish = V1.cent(&server).args(&["bananas", "publish"]).arg(format!("--params={PLAIN}"));
        configure(publish).run().stdout().contains(COLORED)
    };
    assert!(!colored(&|cent| cent));
    assert!(!colored(&|cent| cent.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")));
    assert!(!colored(&|cent| cent.env("CLICOLOR_FORCE", "1").arg("--color=never")));
    assert!(colored(&|cent| cent.env("CLICOLOR_FORCE", "1")));
    assert!(colored(&|cent| cent.env("NO_COLOR", "1").arg("--color=always")));
}

#[test]
fn colored_reply_has_same_text() {
    for form in ApiForm::ALL {
        let server = form.server();
        let publish = || form.cent(&server).args(&["bananas", "publish"]).arg(format!("--params={PLAIN}"));
        let mut stdout = publish().arg("--color=always").run().stdout();
        for color in ["\x1b[1;34m", "\x1b[32m", "\x1b[36m", "\x1b[35m", "\x1b[0m"] {
            stdout = stdout.replace(color, "");
        }
        assert_eq!(stdout, form.published());
    }
}

#[test]
fn usage_errors_are_colored() {
    let error = "unknown option --frobnicate; see cent -h\n";
    cent().args(&["--frobnicate", "--color=always"]).run().assert_output(2, "", &format!("{RED}{error}"));
    cent().arg("--frobnicate").env("CLICOLOR_FORCE", "1").run().assert_output(2, "", &format!("{RED}{error}"));
    cent().arg("--frobnicate").run().assert_output(2, "", &format!("cent: {error}"));
    let missing = "~/.centrc: section [x] not found; the file has no sections: add a [x] header\n";
    cent().config("").args(&["x", "y", "--color", "always"]).run().assert_output(2, "", &format!("{RED}{missing}"));
}

/// The output of a call on a terminal, which `script` provides.
fn run_on_terminal(terminal: &str, args: &str, no_color: bool) -> String {
    let cent = cent();
    let mut command = Command::new("script");
    command.args(["--quiet", "--command", &format!("{} {args}", env!("CARGO_BIN_EXE_cent")), "/dev/null"]);
    command.env_clear().env("HOME", cent.home()).env("SHELL", "/bin/sh").env("TERM", terminal).stdin(Stdio::null());
    if no_color {
        command.env("NO_COLOR", "1");
    }
    String::from_utf8_lossy(&command.output().expect("script runs").stdout).into_owned()
}

#[test]
#[ignore = "needs script"]
fn terminal_output_is_colored_by_default() {
    assert!(run_on_terminal("xterm", "bananas", false).contains(RED));
    assert!(!run_on_terminal("dumb", "bananas", false).contains('\x1b'));
    assert!(!run_on_terminal("xterm", "bananas", true).contains('\x1b'));
    assert!(!run_on_terminal("xterm", "bananas --color=never", false).contains('\x1b'));
}
