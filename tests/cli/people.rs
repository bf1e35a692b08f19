//! The first ten minutes: slips and what is said of them, colours, help.

use std::process::{Command, Stdio};

use crate::support::program::{Cent, cent};
use crate::{BOTH, First, Later, PLAIN};

const CONFIG: &str = "[apples]\naddress = http://localhost:1\nsecret = marked\n\
                      [bananas]\naddress = http://localhost:1\nsecret = marked\n";

/// Holds the one line about a wrong call to what is expected.
#[track_caller]
fn slip(words: &[&str], message: &str) {
    cent().config(CONFIG).args(words).run().is(2, "", &format!("cent: {message}\n"));
}

const CALL: &str = "type cent SECTION METHOD --params='{…}', or cent --help";
const NO_WORD: &str = "params are no word of their own; type --params= before them, as in --params='{…}'";

#[test]
fn too_few_words() {
    slip(&[], &format!("no SECTION and no METHOD; {CALL}"));
    slip(&["bananas"], "no METHOD; type one after the SECTION, such as publish, history or channels");
    slip(&["publish"], "publish is a METHOD, and the SECTION is missing; type cent SECTION publish");
    slip(&["--lines"], &format!("no SECTION and no METHOD; {CALL}"));
}

#[test]
fn too_many_words() {
    slip(&["bananas", "publish", r#"{"channel": "news", "data": 1}"#], NO_WORD);
    slip(&["bananas", "publish", "@news.json"], NO_WORD);
    slip(&["bananas", "publish", "-"], NO_WORD);
    slip(&["bananas", "publish", "news"], &format!("one word too many: news; {CALL}"));
    slip(
        &["bananas", "publish", "--params={channel:", "news}"],
        "one word too many: news}; put quotes around params, as in --params='{…}'",
    );
}

#[test]
fn a_section_that_is_not_there() {
    slip(
        &["banana", "publish"],
        "~/.centrc: no section [banana]; there are [apples], [bananas]: did you mean bananas?",
    );
}

#[test]
fn a_method_that_the_server_does_not_know() {
    for (dialect, known) in [
        (First, "publish, broadcast, unsubscribe, disconnect, presence, history, channels, stats, node"),
        (
            Later,
            "publish, broadcast, subscribe, unsubscribe, disconnect, refresh, presence, presence_stats, history, \
             history_remove, channels, info, rpc, map_publish, map_remove, map_read_state, map_read_stream, map_stats, \
             map_clear, shared_poll_publish",
        ),
    ] {
        let server = dialect.server();
        let url = dialect.url(&server.address());
        let message = format!(
            "cent: {url}: bad request (400); the server has no method publsh, or not with these params; \
             known methods are {known}: did you mean publish?\n"
        );
        dialect.cent(&server).args(&["bananas", "publsh"]).run().is(1, "", &message);
    }
}

#[test]
fn options_that_there_are_not() {
    slip(&["bananas", "publish", "--param", "{}"], "no option --param; did you mean --params?");
    slip(&["bananas", "publish", "--param={}"], "no option --param; did you mean --params?");
    slip(&["bananas", "publish", "-params={}"], "no option -params; did you mean --params?");
    slip(&["bananas", "publish", "--frobnicate=5"], "no option --frobnicate; cent -h lists them");
    slip(&["bananas", "publish", "-x"], "no option -x; cent -h lists them");
}

#[test]
fn values_that_are_none() {
    slip(
        &["bananas", "publish", "--timeout=abc"],
        "--timeout: abc is not a number of seconds above 0, such as 5 or 0.5",
    );
    slip(
        &["bananas", "publish", "--timeout", "-1"],
        "--timeout: -1 is not a number of seconds above 0, such as 5 or 0.5",
    );
    slip(&["bananas", "publish", "--lines", "--batch", "0"], "--batch: 0 is not a whole number above 0, such as 100");
    slip(&["bananas", "publish", "--retry=-1"], "--retry: -1 is not a whole number, such as 3");
    slip(&["--sections", "--color=red"], "--color: no red; type --color= and one of auto, always, never");
    slip(&["--completions=tcsh"], "--completions: no tcsh; type --completions= and one of bash, zsh, fish");
    slip(&["bananas", "publish", "--quiet=1"], "--quiet takes no value; leave =1 out");
}

#[test]
fn values_that_are_missing() {
    slip(&["bananas", "publish", "--params"], "--params needs a value; type --params=JSON");
    slip(&["bananas", "publish", "--params", "--compact"], "--params needs a value; type --params=JSON");
    slip(&["bananas", "publish", "--timeout"], "--timeout needs a value; type --timeout=SECONDS");
    slip(&["--color"], "--color needs a value; type --color=WHEN");
}

#[test]
fn options_that_make_no_sense_together() {
    let together = |first: &str, second: &str| format!("{first} and {second} make no sense together; leave one out");
    slip(&["bananas", "publish", "--params={}", "--lines"], &together("--params", "--lines"));
    slip(&["--sections", "bananas"], &together("--sections", "SECTION"));
    slip(&["--sections", "--params={}"], &together("--sections", "--params"));
    slip(&["--sections", "-n"], &together("--sections", "--dry-run"));
    slip(&["--sections", "--lines"], &together("--sections", "--lines"));
    slip(&["--completions", "bash", "bananas"], &together("--completions", "SECTION"));
    slip(&["--completions", "bash", "--sections"], &together("--completions", "--sections"));
    slip(&["bananas", "publish", "--batch", "5"], "--batch makes sense with --lines only; add --lines");
}

#[test]
fn short_help_fits_a_screen_and_needs_no_config() {
    let help = cent().arg("-h").run();
    assert!(help.stderr().is_empty() && help.exit() == Some(0));
    assert!(help.stdout().lines().count() <= 23, "with the prompt there are more than 24 lines");
    for help in [help.stdout(), cent().arg("--help").run().stdout()] {
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "over 80 columns: {long:#?}");
    }
}

#[test]
fn completions_are_the_files_and_need_no_config() {
    for (shell, script) in [
        ("bash", include_str!("../../completions/cent.bash")),
        ("zsh", include_str!("../../completions/_cent")),
        ("fish", include_str!("../../completions/cent.fish")),
    ] {
        cent().args(&["--completions", shell]).run().is(0, script, "");
    }
}

const COLORED: &str = "\x1b[1;34m\"method\"\x1b[0m: \x1b[32m\"publish\"\x1b[0m";
const RED: &str = "\x1b[1;31mcent:\x1b[0m ";

#[test]
fn what_is_piped_has_no_colour_unless_it_is_asked_for() {
    let colored = |set: &dyn Fn(Cent) -> Cent| {
        let server = First.server();
        let publish = First.cent(&server).args(&["bananas", "publish"]).arg(format!("--params={PLAIN}"));
        set(publish).run().stdout().contains(COLORED)
    };
    assert!(!colored(&|cent| cent));
    assert!(!colored(&|cent| cent.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")));
    assert!(!colored(&|cent| cent.env("CLICOLOR_FORCE", "1").arg("--color=never")));
    assert!(colored(&|cent| cent.env("CLICOLOR_FORCE", "1")));
    assert!(colored(&|cent| cent.env("NO_COLOR", "1").arg("--color=always")));
}

#[test]
fn without_its_colours_a_reply_is_the_same() {
    for dialect in BOTH {
        let server = dialect.server();
        let publish = || dialect.cent(&server).args(&["bananas", "publish"]).arg(format!("--params={PLAIN}"));
        let mut stdout = publish().arg("--color=always").run().stdout();
        for color in ["\x1b[1;34m", "\x1b[32m", "\x1b[36m", "\x1b[35m", "\x1b[0m"] {
            stdout = stdout.replace(color, "");
        }
        assert_eq!(stdout, dialect.published());
    }
}

#[test]
fn errors_are_red_by_the_same_scheme_also_where_the_call_is_not_understood() {
    let none = "no option --frobnicate; cent -h lists them\n";
    cent().args(&["--frobnicate", "--color=always"]).run().is(2, "", &format!("{RED}{none}"));
    cent().arg("--frobnicate").env("CLICOLOR_FORCE", "1").run().is(2, "", &format!("{RED}{none}"));
    cent().arg("--frobnicate").run().is(2, "", &format!("cent: {none}"));
    let missing = "~/.centrc: no section [x], nor any other; write [x] above its keys\n";
    cent().config("").args(&["x", "y", "--color", "always"]).run().is(2, "", &format!("{RED}{missing}"));
}

/// What a call shows on a terminal, lent by `script`.
fn on_a_terminal(terminal: &str, words: &str, no_color: bool) -> String {
    let call = cent();
    let mut command = Command::new("script");
    command.args(["--quiet", "--command", &format!("{} {words}", env!("CARGO_BIN_EXE_cent")), "/dev/null"]);
    command.env_clear().env("HOME", call.home()).env("SHELL", "/bin/sh").env("TERM", terminal).stdin(Stdio::null());
    if no_color {
        command.env("NO_COLOR", "1");
    }
    String::from_utf8_lossy(&command.output().expect("script starts").stdout).into_owned()
}

#[test]
#[ignore = "needs script"]
fn a_terminal_has_colours_unless_it_is_dumb_or_they_are_not_wanted() {
    assert!(on_a_terminal("xterm", "bananas", false).contains(RED));
    assert!(!on_a_terminal("dumb", "bananas", false).contains('\x1b'));
    assert!(!on_a_terminal("xterm", "bananas", true).contains('\x1b'));
    assert!(!on_a_terminal("xterm", "bananas --color=never", false).contains('\x1b'));
}
