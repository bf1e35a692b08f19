//! No text from a server or a config file reaches the user's terminal as a control sequence.

use std::time::Instant;

use crate::support::cli::cent;
use crate::support::server::{Response, respond};
use crate::{ApiForm, Current, Legacy, PLAIN, V1};

/// Sequences that reset or clear a terminal, set its title, inject input, or change the text direction.
const TERMINAL_SEQUENCES: &str = "\u{1b}c\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}2J\u{90}$q\u{202e}\u{2066}\u{7f}\r";

#[track_caller]
fn assert_escaped(text: &str) {
    let is_unsafe =
        |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    assert!(!text.is_empty() && !text.contains(is_unsafe), "{text:?}");
}

#[test]
fn names_in_errors_are_escaped() {
    let sequences = TERMINAL_SEQUENCES.trim_end();
    let config = format!("[a{}]\naddress = x\nsecret = y\n", sequences.replace(']', ""));
    for args in [
        &["b", "channels"][..],
        &[TERMINAL_SEQUENCES, "channels"],
        &["b", TERMINAL_SEQUENCES],
        &["--config", TERMINAL_SEQUENCES, "b", "channels"],
        &["b", "publish", "--params", TERMINAL_SEQUENCES],
        &[&format!("a{}", sequences.replace(']', "")), "channels", "-v"],
        &[&format!("--{TERMINAL_SEQUENCES}")],
        &["--color", TERMINAL_SEQUENCES, "b"],
    ] {
        let output = cent().config(&config).args(args).run();
        assert_eq!(output.exit_code(), Some(2), "{}", output.stderr());
        assert_escaped(&output.stderr());
    }
    for line in [
        TERMINAL_SEQUENCES,
        &format!("address = http://{TERMINAL_SEQUENCES}"),
        &format!("timeout = {TERMINAL_SEQUENCES}"),
    ] {
        let output =
            cent().config(format!("[b]\nsecret = x\naddress = http://h\n{line}\n")).args(&["b", "channels"]).run();
        assert_eq!(output.exit_code(), Some(2), "{}", output.stderr());
        assert_escaped(&output.stderr());
    }
}

#[test]
fn server_messages_in_errors_are_escaped() {
    let raw = "\u{9b}2J\u{90}\u{202e}\u{7f}";
    let escaped = "\\u001bc\\u001b[2J\\u001b]0;title\\u0007\\r\\n\\u009b";
    for form in ApiForm::ALL {
        let reply = match form {
            V1 => format!(r#"{{"method":"publish","error":"{raw}{escaped}","body":null}}"#),
            Legacy | Current => format!(r#"{{"error":{{"code":102,"message":"{raw}{escaped}"}}}}"#),
        };
        for response in [
            form.replies(&reply, 1),
            Response::new(302).header("Location", raw),
            Response::plain(502, TERMINAL_SEQUENCES),
            Response::json(TERMINAL_SEQUENCES),
        ] {
            for args in [&["-q"][..], &["-q", "-v"]] {
                let server = form.server().script_for(form, respond(&response));
                let output = form.cent(&server).args(&["bananas", "publish", "--params", PLAIN]).args(args).run();
                assert!(matches!(output.exit_code(), Some(1 | 4)), "{}", output.stderr());
                assert_escaped(&output.stderr());
            }
        }
    }
}

#[test]
#[ignore = "needs script"]
fn replies_are_escaped_on_terminal_only() {
    let raw = "a\u{7f}b\u{9b}2Jc\u{80}";
    let reply = format!(r#"{{"method":"publish","error":null,"body":"{raw}"}}"#);
    let call = |on_terminal: bool, args: &[&str]| {
        let server = V1.server().script(respond(&V1.replies(&reply, 1)));
        let cent = V1.cent(&server).file("params", PLAIN).args(&["bananas", "publish", "--params=@params"]).args(args);
        let line = format!("{} bananas publish --params=@params {}", env!("CARGO_BIN_EXE_cent"), args.join(" "));
        let cent = if on_terminal { cent.replace_command(&["script", "-qec", &line, "/dev/null"]) } else { cent };
        cent.run().stdout()
    };
    for args in [&["--color=never"][..], &["--color=never", "--compact"]] {
        assert!(call(false, args).contains(raw));
        let printed = call(true, args);
        assert!(printed.contains(r"a\u007fb\u009b2Jc\u0080"), "{printed:?}");
        assert_escaped(&printed.replace("\r\n", "\n"));
    }
}

#[test]
#[ignore = "needs script"]
fn progress_bar_redraw_rate_is_limited() {
    let server = V1.server();
    let lines = format!("{PLAIN}\n").repeat(5_000);
    let line = format!("{} bananas publish --lines --batch=1 <lines >replies", env!("CARGO_BIN_EXE_cent"));
    let cent = V1.cent(&server).file("lines", lines).env("TERM", "xterm").replace_command(&[
        "script",
        "-qec",
        &line,
        "/dev/null",
    ]);
    let start = Instant::now();
    let printed = cent.run().stdout();
    let max_redraws = 10 * (1 + start.elapsed().as_secs());
    let redraws = printed.matches(" commands, ").count() as u64;
    assert!(redraws > 0 && redraws <= max_redraws, "{redraws} of {max_redraws}");
    assert!(printed.contains("cent: 5000 commands accepted in "), "{printed}");
}
