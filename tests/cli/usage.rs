//! Usage errors, help, and color.

use std::process::{Command, Stdio};

use crate::support::cli::{Cent, cent};
use crate::{ApiForm, Legacy, PLAIN, V1};

const CONFIG: &str = "[apples]\naddress = http://localhost:1\nsecret = marked\n\
                      [bananas]\naddress = http://localhost:1\nsecret = marked\n";

/// Expects one message, and exit status 2.
#[track_caller]
fn assert_usage_error(args: &[&str], message: &str) {
    cent().config(CONFIG).args(args).run().assert_output(2, "", &format!("cent: {message}\n"));
}

const USAGE_HINT: &str = "type cent SECTION METHOD --params='{…}', or cent --help";
const PARAMS_HINT: &str = "params are no word of their own; type --params= before them, as in --params='{…}'";

#[test]
fn missing_arguments_are_rejected() {
    assert_usage_error(&[], &format!("no SECTION and no METHOD; {USAGE_HINT}"));
    assert_usage_error(&["bananas"], "no METHOD; type one after the SECTION, such as publish, history or channels");
    assert_usage_error(&["publish"], "publish is a METHOD, and the SECTION is missing; type cent SECTION publish");
    assert_usage_error(&["--lines"], &format!("no SECTION and no METHOD; {USAGE_HINT}"));
}

#[test]
fn unexpected_arguments_are_rejected() {
    assert_usage_error(&["bananas", "publish", r#"{"channel": "news", "data": 1}"#], PARAMS_HINT);
    assert_usage_error(&["bananas", "publish", "@news.json"], PARAMS_HINT);
    assert_usage_error(&["bananas", "publish", "-"], PARAMS_HINT);
    assert_usage_error(&["bananas", "publish", "news"], &format!("one word too many: news; {USAGE_HINT}"));
    assert_usage_error(
        &["bananas", "publish", "--params={channel:", "news}"],
        "one word too many: news}; put quotes around params, as in --params='{…}'",
    );
}

#[test]
fn unknown_section_suggests_nearest() {
    assert_usage_error(
        &["banana", "publish"],
        "~/.centrc: no section [banana]; there are [apples], [bananas]: did you mean bananas?",
    );
}

#[test]
fn unknown_method_suggests_nearest() {
    for (form, known_methods) in [
        (V1, "publish, broadcast, unsubscribe, disconnect, presence, history, channels, stats, node"),
        (
            Legacy,
            "publish, broadcast, subscribe, unsubscribe, disconnect, refresh, presence, presence_stats, history, \
             history_remove, channels, info, rpc, map_publish, map_remove, map_read_state, map_read_stream, map_stats, \
             map_clear, shared_poll_publish",
        ),
    ] {
        let server = form.server();
        let url = form.url(&server.address());
        let message = format!(
            "cent: {url}: bad request (400); unknown method publsh, or invalid params; did you mean publish? \
             (known methods: {known_methods})\n"
        );
        form.cent(&server).args(&["bananas", "publsh"]).run().assert_output(1, "", &message);
    }
}

#[test]
fn unknown_options_are_rejected() {
    assert_usage_error(&["bananas", "publish", "--param", "{}"], "no option --param; did you mean --params?");
    assert_usage_error(&["bananas", "publish", "--param={}"], "no option --param; did you mean --params?");
    assert_usage_error(&["bananas", "publish", "-params={}"], "no option -params; did you mean --params?");
    assert_usage_error(&["bananas", "publish", "--frobnicate=5"], "no option --frobnicate; cent -h lists them");
    assert_usage_error(&["bananas", "publish", "-x"], "no option -x; cent -h lists them");
}

#[test]
fn invalid_values_are_rejected() {
    assert_usage_error(
        &["bananas", "publish", "--timeout=abc"],
        "--timeout: abc is not a number of seconds above 0, such as 5 or 0.5",
    );
    assert_usage_error(
        &["bananas", "publish", "--timeout", "-1"],
        "--timeout: -1 is not a number of seconds above 0, such as 5 or 0.5",
    );
    assert_usage_error(
        &["bananas", "publish", "--lines", "--batch", "0"],
        "--batch: 0 is not a whole number above 0, such as 100",
    );
    assert_usage_error(&["bananas", "publish", "--retry=-1"], "--retry: -1 is not a whole number, such as 3");
    assert_usage_error(&["--sections", "--color=red"], "--color: no red; type --color= and one of auto, always, never");
    assert_usage_error(
        &["--completions=tcsh"],
        "--completions: no tcsh; type --completions= and one of bash, zsh, fish",
    );
    assert_usage_error(&["bananas", "publish", "--quiet=1"], "--quiet takes no value; leave =1 out");
}

#[test]
fn missing_values_are_rejected() {
    assert_usage_error(&["bananas", "publish", "--params"], "--params needs a value; type --params=JSON");
    assert_usage_error(&["bananas", "publish", "--params", "--compact"], "--params needs a value; type --params=JSON");
    assert_usage_error(&["bananas", "publish", "--timeout"], "--timeout needs a value; type --timeout=SECONDS");
    assert_usage_error(&["--color"], "--color needs a value; type --color=WHEN");
}

#[test]
fn conflicting_options_are_rejected() {
    let conflict = |first: &str, second: &str| format!("{first} and {second} make no sense together; leave one out");
    assert_usage_error(&["bananas", "publish", "--params={}", "--lines"], &conflict("--params", "--lines"));
    assert_usage_error(&["--sections", "bananas"], &conflict("--sections", "SECTION"));
    assert_usage_error(&["--sections", "--params={}"], &conflict("--sections", "--params"));
    assert_usage_error(&["--sections", "-n"], &conflict("--sections", "--dry-run"));
    assert_usage_error(&["--sections", "--lines"], &conflict("--sections", "--lines"));
    assert_usage_error(&["--completions", "bash", "bananas"], &conflict("--completions", "SECTION"));
    assert_usage_error(&["--completions", "bash", "--sections"], &conflict("--completions", "--sections"));
    assert_usage_error(&["bananas", "publish", "--batch", "5"], "--batch makes sense with --lines only; add --lines");
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
    let error = "no option --frobnicate; cent -h lists them\n";
    cent().args(&["--frobnicate", "--color=always"]).run().assert_output(2, "", &format!("{RED}{error}"));
    cent().arg("--frobnicate").env("CLICOLOR_FORCE", "1").run().assert_output(2, "", &format!("{RED}{error}"));
    cent().arg("--frobnicate").run().assert_output(2, "", &format!("cent: {error}"));
    let missing = "~/.centrc: no section [x], nor any other; write [x] above its keys\n";
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
