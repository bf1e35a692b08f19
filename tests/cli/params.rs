//! Where params come from, what is checked before sending, and that they travel as written.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::support::program::{Cent, cent};
use crate::support::server::Server;
use crate::{BOTH, Dialect, First, Later, PLAIN};

const CONFIG: &str =
    "[bananas]\naddress = http://127.0.0.1:1\nsecret = s\n\n[live]\naddress = http://127.0.0.1:1\napi_key = k\n";

/// Publishes with what `set` says of params, and holds the request to have carried these.
#[track_caller]
fn carries(params: &str, set: impl Fn(Cent) -> Cent) {
    for dialect in BOTH {
        let server = dialect.server();
        let ran = set(dialect.cent(&server).args(&["bananas", "publish"])).run();
        ran.is(0, dialect.published(), "");
        assert_eq!(server.requests()[0].body_text(), dialect.body("publish", params));
    }
}

/// Refused without a request; the one line of standard error is this.
#[track_caller]
fn refused(words: &[&str], message: &str) {
    cent().config(CONFIG).args(words).run().is(2, "", &format!("cent: {message}\n"));
}

#[test]
fn the_option_takes_its_value_with_and_without_an_equals_sign() {
    carries(PLAIN, |cent| cent.arg(format!("--params={PLAIN}")));
    carries(PLAIN, |cent| cent.args(&["--params", PLAIN]));
    carries(PLAIN, |cent| cent.args(&["--params", "{}", "--params", PLAIN]));
}

#[test]
fn a_file_and_standard_input_can_be_named() {
    carries(PLAIN, |cent| cent.file("message.json", PLAIN).args(&["--params", "@message.json"]));
    carries(PLAIN, |cent| cent.file("message.json", format!("\n {PLAIN}\r\n")).args(&["--params", "@message.json"]));
    carries(PLAIN, |cent| cent.input(PLAIN).args(&["--params", "-"]));
    carries(PLAIN, |cent| cent.input(PLAIN).args(&["--params=@-"]));
}

#[test]
fn a_device_on_standard_input_is_not_read() {
    // Within a limit of memory, which a program that reads it would soon come to.
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".centrc"), CONFIG).unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 2000000 && exec \"$0\" bananas publish </dev/zero", env!("CARGO_BIN_EXE_cent")])
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.starts_with("cent: publish needs channel, "), "{message}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_pipe_a_file_or_a_socket_on_standard_input_is_read() {
    carries(PLAIN, |cent| cent.input(format!(" {PLAIN}\n")));
    carries(PLAIN, |cent| {
        let cent = cent.file("message.json", PLAIN);
        let file = File::open(cent.path("message.json")).unwrap();
        cent.stdin(file)
    });
    carries(PLAIN, |cent| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut ours, PLAIN.as_bytes()).unwrap();
        cent.stdin(OwnedFd::from(theirs))
    });
}

#[test]
fn params_flag_leaves_piped_stdin_untouched() {
    carries(PLAIN, |cent| cent.input("[nonsense").args(&["--params", PLAIN]));
    let server = First.server();
    let loop_ = r#"printf 'a\nb\nc\n' | while read -r line; do "$1" bananas publish -c --params="{\"channel\": \"plain:$line\", \"data\": 1}"; done"#;
    let cent = First.cent(&server);
    let output = Command::new("sh")
        .args(["-c", loop_, "sh", env!("CARGO_BIN_EXE_cent")])
        .env_clear()
        .env("HOME", cent.home())
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.centrifugo().delivered(), ["plain:a", "plain:b", "plain:c"]);
}

#[test]
fn without_a_source_params_are_an_empty_object() {
    for set in [
        (|cent| cent) as fn(Cent) -> Cent,
        |cent| cent.input(""),
        |cent| cent.input(" \n"),
        |cent| cent.stdin(Stdio::null()),
    ] {
        for dialect in BOTH {
            let server = dialect.server();
            let ran = set(dialect.cent(&server).args(&["bananas", "quux", "-q"])).run();
            assert_eq!(ran.exit(), Some(1), "{}", ran.stderr());
            assert_eq!(server.requests()[0].body_text(), dialect.body("quux", "{}"));
        }
    }
}

#[test]
fn a_closed_standard_input_is_no_source() {
    for dialect in BOTH {
        let server = dialect.server();
        let cent = dialect.cent(&server);
        let output = Command::new("sh")
            .args(["-c", r#""$1" bananas publish --params "$2" <&-"#, "sh", env!("CARGO_BIN_EXE_cent"), PLAIN])
            .env_clear()
            .env("HOME", cent.home())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), dialect.published());
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    }
}

#[test]
fn methods_without_params_do_not_wait_for_standard_input() {
    for (dialect, methods) in [(First, &["channels", "stats", "node"][..]), (Later, &["channels", "info", "INFO"])] {
        for method in methods {
            let server = dialect.server();
            // Never written to and never closed: a read would wait for ever.
            let (_ours, theirs) = UnixStream::pair().unwrap();
            let ran = dialect.cent(&server).args(&["bananas", method, "-q"]).stdin(OwnedFd::from(theirs)).run();
            ran.is(0, "", "");
            assert_eq!(server.requests()[0].body_text(), dialect.body(method, "{}"));
        }
    }
}

#[test]
fn blank_params_from_a_named_source_are_refused() {
    let blank = "blank; params are one JSON object, {} for none: is a variable not set?";
    for value in ["", " ", "\n"] {
        refused(&["bananas", "publish", "--params", value], &format!("--params: {blank}"));
    }
    refused(&["bananas", "channels", "--params="], &format!("--params: {blank}"));
    let piped = |words: &[&str]| cent().config(CONFIG).input(" \n").args(words).run();
    piped(&["bananas", "publish", "--params", "-"]).is(2, "", &format!("cent: standard input: {blank}\n"));
    let file = cent().config(CONFIG).file("empty", "").args(&["bananas", "publish", "--params", "@empty"]).run();
    file.is(2, "", &format!("cent: empty: {blank}\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    refused(
        &["bananas", "publish", "--params", "@none.json"],
        "none.json: the params cannot be read: no such file or directory",
    );
    refused(&["bananas", "publish", "--params", "@."], ".: the params cannot be read: is a directory");
    refused(
        &["bananas", "publish", "--params", "@"],
        "--params: no file is named after the @; write @FILE, or @- for standard input",
    );
}

#[test]
fn what_is_no_json_object_is_told_with_its_place() {
    let object = "params are one JSON object, such as {\"channel\": \"news\"}";
    for (params, found, shown, mark) in [
        ("[1]", "an array at line 1, column 1", "[1]", "^"),
        ("  \"x\"", "a string at line 1, column 3", "  \"x\"", "  ^"),
        ("null", "null at line 1, column 1", "null", "^"),
        ("1", "a number at line 1, column 1", "1", "^"),
        ("true", "a boolean at line 1, column 1", "true", "^"),
        ("{", "the text ends too early at line 1, column 2", "{", " ^"),
        ("{\"a\": NaN}", "expected value at line 1, column 7", "{\"a\": NaN}", "      ^"),
        ("{'a': 1}", "key must be a string at line 1, column 2", "{'a': 1}", " ^"),
        ("{\"ä\": 1}}", "trailing characters at line 1, column 9", "{\"ä\": 1}}", "        ^"),
        ("{\"a\": 01}", "invalid number at line 1, column 8", "{\"a\": 01}", "       ^"),
        ("{\n  \"a\": 1,\n}", "trailing comma at line 3, column 1", "}", "^"),
        ("\u{feff}{}", "a byte order mark at line 1, column 1", "\u{feff}{}", "^"),
        ("channel=news", "expected value at line 1, column 1", "channel=news", "^"),
    ] {
        let text = format!("cent: --params: no JSON object: {found}; {object}\ncent:   {shown}\ncent:   {mark}\n");
        cent().config(CONFIG).args(&["bananas", "publish", "--params", params]).run().is(2, "", &text);
    }
}

#[test]
fn invalid_utf8_is_refused() {
    let ran = cent().config(CONFIG).input(b"{\"channel\": \"a\xff\"}").args(&["bananas", "publish"]).run();
    let object = "params are one JSON object, such as {\"channel\": \"news\"}";
    ran.is(
        2,
        "",
        &format!(
            "cent: standard input: no JSON object: invalid UTF-8 (byte 0xFF) at line 1, column 15; {object}\n\
             cent:   {{\"channel\": \"a\u{fffd}\"}}\ncent:                 ^\n"
        ),
    );
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let params = format!("{{\"channel\": \"{}\", x}}", "a".repeat(10_000));
    let ran = cent().config(CONFIG).args(&["bananas", "publish", "--params", &params]).run();
    assert_eq!((ran.exit(), ran.stdout().as_str()), (Some(2), ""));
    assert!(ran.stderr().lines().all(|line| line.chars().count() < 140), "{}", ran.stderr());
    assert!(ran.stderr().contains("key must be a string at line 1, column 10017;"), "{}", ran.stderr());
}

#[test]
fn what_the_server_would_refuse_or_mistake_is_not_sent() {
    let channel = "channel, a string that is not empty";
    let (channels, data, user) = ("channels, a list of channels", "data, any JSON value", "user, a string");
    let b64 = "data, any JSON value, or b64data";
    for (section, method, params, need, flaw, key) in [
        ("bananas", "publish", "{}", channel, "it is missing", "channel"),
        ("bananas", "publish", r#"{"channel": "", "data": 1}"#, channel, "it is empty", "channel"),
        ("bananas", "publish", r#"{"channel": 5, "data": 1}"#, channel, "it is no string", "channel"),
        ("bananas", "publish", r#"{"chanel": "a", "data": 1}"#, channel, "it is missing", "channel"),
        ("bananas", "publish", r#"{"channel": "a"}"#, data, "it is missing", "data"),
        ("bananas", "publish", r#"{"channel": "a", "b64data": ""}"#, data, "it is missing", "data"),
        ("live", "publish", r#"{"channel": "a"}"#, b64, "it is missing", "data"),
        ("bananas", "broadcast", r#"{"channels": [], "data": 1}"#, channels, "it is empty", "channels"),
        ("bananas", "broadcast", r#"{"channels": ["a"]}"#, data, "it is missing", "data"),
        ("live", "broadcast", r#"{"channels": ["a"]}"#, b64, "it is missing", "data"),
        ("bananas", "history", "{}", channel, "it is missing", "channel"),
        ("live", "presence_stats", "{}", channel, "it is missing", "channel"),
        ("live", "history_remove", "{}", channel, "it is missing", "channel"),
        ("bananas", "disconnect", "{}", user, "it is missing", "user"),
        ("live", "disconnect", r#"{"user": null}"#, user, "it is missing", "user"),
        ("live", "DISCONNECT", "{}", user, "it is missing", "user"),
        ("live", "refresh", "{}", user, "it is missing", "user"),
        ("live", "subscribe", r#"{"channel": "a"}"#, user, "it is missing", "user"),
        ("live", "subscribe", r#"{"user": "a"}"#, channel, "it is missing", "channel"),
        ("live", "unsubscribe", r#"{"user": "a"}"#, channel, "it is missing", "channel"),
        ("bananas", "unsubscribe", r#"{"channel": "a"}"#, user, "it is missing", "user"),
    ] {
        let message = format!("{method} needs {need}: {flaw}; add {key} to the params");
        refused(&[section, method, "--params", params], &message);
    }
}

#[test]
fn an_empty_method_is_refused() {
    refused(&["live", ""], "METHOD is empty; name one, such as publish: is a variable not set?");
}

#[test]
fn keys_are_read_as_the_server_reads_them() {
    let params = r#"{"channel": "", "CHANNEL": "plain:a", "d\u0061ta": 1}"#;
    carries(params, |cent| cent.args(&["--params", params]));
}

#[test]
fn an_empty_user_is_the_users_choice() {
    for (dialect, exit) in [(First, 1), (Later, 0)] {
        let server = dialect.server();
        let ran = dialect.cent(&server).args(&["bananas", "disconnect", "-q", "--params", r#"{"user": ""}"#]).run();
        assert_eq!(ran.exit(), Some(exit), "{}", ran.stderr());
        assert_eq!(server.requests().len(), 1);
    }
}

/// Sends the text through standard input and holds the body to it, byte for byte.
#[track_caller]
fn travels(dialect: Dialect, params: &str) {
    let server: Server = dialect.server();
    // A debug build on a machine under load takes its time over megabytes.
    let ran = dialect.cent(&server).input(params).args(&["bananas", "publish", "--quiet", "--timeout=60"]).run();
    ran.is(0, "", "");
    // No assert_eq: what differs can be megabytes.
    assert!(server.requests()[0].body_text() == dialect.body("publish", params));
}

#[test]
fn params_arrive_as_they_were_written() {
    let odd = [
        r#"{"data" : 1.0 ,"channel":"plain:a"}"#.to_owned(),
        r#"{"channel": "plain:a", "data": [1e400, -0, 1E+2, 0.10, 1234567890123456789012345678901234567890]}"#
            .to_owned(),
        r#"{"channel": "plain:a", "data": {"a": 1, "a": 2, "\u0061": 3}}"#.to_owned(),
        r#"{"channel": "plain:a", "data": "\ud800 \/ \u00e9 é \u0000"}"#.to_owned(),
        "{\r\n\t\"channel\": \"plain:a\",\n\n \"data\": \"\u{2028}\u{7f}\"}".to_owned(),
        format!(r#"{{"channel": "plain:a", "data": {}{}}}"#, "[".repeat(1_000), "]".repeat(1_000)),
        format!(r#"{{"channel": "plain:a", "data": "{}"}}"#, "x".repeat(20_000_000)),
    ];
    for dialect in BOTH {
        for params in &odd {
            travels(dialect, params);
        }
    }
}

#[test]
fn the_depth_of_params_is_for_the_server_to_judge() {
    let deep = format!(r#"{{"channel": "plain:a", "data": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for dialect in BOTH {
        let server = dialect.server();
        let ran = dialect.cent(&server).input(deep.clone()).args(&["bananas", "publish", "--timeout=60"]).run();
        assert_eq!(ran.exit(), Some(1), "{}", ran.stderr());
        assert!(server.requests()[0].body_text() == dialect.body("publish", &deep));
    }
}
