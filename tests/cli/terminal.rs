//! Nothing that a server or a config file says drives the user's terminal.

use std::time::Instant;

use crate::support::program::cent;
use crate::support::server::{Response, answered, replies};
use crate::{BOTH, First, PLAIN};

/// Sequences that reset a terminal, clear it, write into its title or its input, turn the direction of writing.
const HOSTILE: &str = "\u{1b}c\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}2J\u{90}$q\u{202e}\u{2066}\u{7f}\r";

#[track_caller]
fn is_harmless(text: &str) {
    let drives =
        |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    assert!(!text.is_empty() && !text.contains(drives), "{text:?}");
}

#[test]
fn names_in_errors_are_escaped() {
    let hostile = HOSTILE.trim_end();
    let config = format!("[a{}]\naddress = x\nsecret = y\n", hostile.replace(']', ""));
    for words in [
        &["b", "channels"][..],
        &[HOSTILE, "channels"],
        &["b", HOSTILE],
        &["--config", HOSTILE, "b", "channels"],
        &["b", "publish", "--params", HOSTILE],
        &[&format!("a{}", hostile.replace(']', "")), "channels", "-v"],
        &[&format!("--{HOSTILE}")],
        &["--color", HOSTILE, "b"],
    ] {
        let ran = cent().config(&config).args(words).run();
        assert_eq!(ran.exit(), Some(2), "{}", ran.stderr());
        is_harmless(&ran.stderr());
    }
    for line in [HOSTILE, &format!("address = http://{HOSTILE}"), &format!("timeout = {HOSTILE}")] {
        let ran =
            cent().config(format!("[b]\nsecret = x\naddress = http://h\n{line}\n")).args(&["b", "channels"]).run();
        assert_eq!(ran.exit(), Some(2), "{}", ran.stderr());
        is_harmless(&ran.stderr());
    }
}

#[test]
fn words_of_servers_are_escaped_in_errors() {
    let raw = "\u{9b}2J\u{90}\u{202e}\u{7f}";
    let quoted = "\\u001bc\\u001b[2J\\u001b]0;title\\u0007\\r\\n\\u009b";
    for dialect in BOTH {
        let (major, reply) = match dialect {
            First => (1, format!(r#"{{"method":"publish","error":"{raw}{quoted}","body":null}}"#)),
            crate::Later => (6, format!(r#"{{"error":{{"code":102,"message":"{raw}{quoted}"}}}}"#)),
        };
        for response in [
            replies(major, &reply, 1),
            Response::new(302).header("Location", raw),
            Response::plain(502, HOSTILE),
            Response::json(HOSTILE),
        ] {
            for words in [&["-q"][..], &["-q", "-v"]] {
                let server = dialect.server().script(answered(&response));
                let ran = dialect.cent(&server).args(&["bananas", "publish", "--params", PLAIN]).args(words).run();
                assert!(matches!(ran.exit(), Some(1 | 4)), "{}", ran.stderr());
                is_harmless(&ran.stderr());
            }
        }
    }
}

#[test]
#[ignore = "needs script"]
fn replies_on_a_terminal_are_escaped_and_in_a_pipe_they_are_not() {
    let raw = "a\u{7f}b\u{9b}2Jc\u{80}";
    let reply = format!(r#"{{"method":"publish","error":null,"body":"{raw}"}}"#);
    let call = |on_terminal: bool, words: &[&str]| {
        let server = First.server().script(answered(&replies(1, &reply, 1)));
        let cent =
            First.cent(&server).file("params", PLAIN).args(&["bananas", "publish", "--params=@params"]).args(words);
        let line = format!("{} bananas publish --params=@params {}", env!("CARGO_BIN_EXE_cent"), words.join(" "));
        let cent = if on_terminal { cent.instead(&["script", "-qec", &line, "/dev/null"]) } else { cent };
        cent.run().stdout()
    };
    for words in [&["--color=never"][..], &["--color=never", "--compact"]] {
        assert!(call(false, words).contains(raw));
        let shown = call(true, words);
        assert!(shown.contains(r"a\u007fb\u009b2Jc\u0080"), "{shown:?}");
        is_harmless(&shown.replace("\r\n", "\n"));
    }
}

#[test]
#[ignore = "needs script"]
fn the_progress_of_many_lines_is_drawn_ten_times_a_second_at_most() {
    let server = First.server();
    let lines = format!("{PLAIN}\n").repeat(5_000);
    let line = format!("{} bananas publish --lines --batch=1 <lines >replies", env!("CARGO_BIN_EXE_cent"));
    let cent =
        First.cent(&server).file("lines", lines).env("TERM", "xterm").instead(&["script", "-qec", &line, "/dev/null"]);
    let start = Instant::now();
    let shown = cent.run().stdout();
    let most = 10 * (1 + start.elapsed().as_secs());
    let drawn = shown.matches(" commands, ").count() as u64;
    assert!(drawn > 0 && drawn <= most, "{drawn} of {most}");
    assert!(shown.contains("cent: 5000 commands accepted, in "), "{shown}");
}
