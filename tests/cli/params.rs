//! Where params come from, how they are checked, and that they are sent verbatim.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::support::cli::{Cent, cent};
use crate::support::server::Server;
use crate::{ApiForm, Current, Legacy, PLAIN, V1};

const CONFIG: &str =
    "[bananas]\naddress = http://127.0.0.1:1\nsecret = s\n\n[live]\naddress = http://127.0.0.1:1\napi_key = k\n";

/// Publishes with params set by `set`; checks the params in the request.
#[track_caller]
fn assert_sent(params: &str, set: impl Fn(Cent) -> Cent) {
    for form in ApiForm::ALL {
        let server = form.server();
        let output = set(form.cent(&server).args(&["bananas", "publish"])).run();
        output.assert_output(0, form.published(), "");
        assert_eq!(sent_body(form, &server), form.body("publish", params));
    }
}

/// The body of the first request in this form.
fn sent_body(form: ApiForm, server: &Server) -> String {
    server.requests()[form.requests_before()].body_text()
}

/// Expects an error before any request, and this message.
#[track_caller]
fn assert_rejected(args: &[&str], message: &str) {
    cent().config(CONFIG).args(args).run().assert_output(2, "", &format!("cent: {message}\n"));
}

#[test]
fn params_option_accepts_equals_sign_or_space() {
    assert_sent(PLAIN, |cent| cent.arg(format!("--params={PLAIN}")));
    assert_sent(PLAIN, |cent| cent.args(&["--params", PLAIN]));
    assert_sent(PLAIN, |cent| cent.args(&["--params", "{}", "--params", PLAIN]));
    assert_sent(PLAIN, |cent| cent.args(&["-p", "{}", "-p", PLAIN]));
    assert_sent(PLAIN, |cent| cent.arg(format!("-p{PLAIN}")));
    assert_sent(PLAIN, |cent| cent.file("message.json", PLAIN).arg("-p@message.json"));
}

#[test]
fn params_option_reads_file_or_stdin() {
    assert_sent(PLAIN, |cent| cent.file("message.json", PLAIN).args(&["--params", "@message.json"]));
    assert_sent(PLAIN, |cent| {
        cent.file("message.json", format!("\n {PLAIN}\r\n")).args(&["--params", "@message.json"])
    });
    assert_sent(PLAIN, |cent| cent.stdin_bytes(PLAIN).args(&["--params", "-"]));
    assert_sent(PLAIN, |cent| cent.stdin_bytes(PLAIN).args(&["--params=@-"]));
}

#[test]
fn stdin_device_is_never_read() {
    // With a memory limit: a program that reads the device would soon exceed it.
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".centrc"), CONFIG).unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 2000000 && exec \"$0\" bananas publish </dev/zero", env!("CARGO_BIN_EXE_cent")])
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.starts_with("cent: publish: missing param \"channel\" (a non-empty string); "), "{message}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn reads_stdin_pipe_file_or_socket() {
    assert_sent(PLAIN, |cent| cent.stdin_bytes(format!(" {PLAIN}\n")));
    assert_sent(PLAIN, |cent| {
        let cent = cent.file("message.json", PLAIN);
        let file = File::open(cent.path("message.json")).unwrap();
        cent.stdin(file)
    });
    assert_sent(PLAIN, |cent| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut ours, PLAIN.as_bytes()).unwrap();
        cent.stdin(OwnedFd::from(theirs))
    });
}

#[test]
fn params_option_never_reads_stdin() {
    assert_sent(PLAIN, |cent| cent.stdin_bytes("[nonsense").args(&["--params", PLAIN]));
    let server = V1.server();
    let script = r#"printf 'a\nb\nc\n' | while read -r line; do "$1" bananas publish -c --params="{\"channel\": \"plain:$line\", \"data\": 1}"; done"#;
    let cent = V1.cent(&server);
    let output = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_cent")])
        .env_clear()
        .env("HOME", cent.home())
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.centrifugo().delivered(), ["plain:a", "plain:b", "plain:c"]);
}

#[test]
fn params_default_to_empty_object() {
    for set in [
        (|cent| cent) as fn(Cent) -> Cent,
        |cent| cent.stdin_bytes(""),
        |cent| cent.stdin_bytes(" \n"),
        |cent| cent.stdin(Stdio::null()),
    ] {
        for form in ApiForm::ALL {
            let server = form.server();
            let output = set(form.cent(&server).args(&["bananas", "quux", "-q"])).run();
            assert_eq!(output.exit_code(), Some(1), "{}", output.stderr());
            assert_eq!(sent_body(form, &server), form.body("quux", "{}"));
        }
    }
}

#[test]
fn params_option_works_with_closed_stdin() {
    for form in ApiForm::ALL {
        let server = form.server();
        let cent = form.cent(&server);
        let output = Command::new("sh")
            .args(["-c", r#""$1" bananas publish --params "$2" <&-"#, "sh", env!("CARGO_BIN_EXE_cent"), PLAIN])
            .env_clear()
            .env("HOME", cent.home())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), form.published());
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    }
}

#[test]
fn methods_without_params_never_read_stdin() {
    let later = &["channels", "info", "INFO"][..];
    for (form, methods) in [(V1, &["channels", "stats", "node"][..]), (Legacy, later), (Current, later)] {
        for method in methods {
            let server = form.server();
            // Never written to and never closed: reading would block for ever.
            let (_ours, theirs) = UnixStream::pair().unwrap();
            let output = form.cent(&server).args(&["bananas", method, "-q"]).stdin(OwnedFd::from(theirs)).run();
            output.assert_output(0, "", "");
            assert_eq!(sent_body(form, &server), form.body(method, "{}"));
        }
    }
}

#[test]
fn rejects_blank_params_from_explicit_source() {
    let blank = "empty; expected a JSON object, or {} for none: is a variable unset?";
    for value in ["", " ", "\n"] {
        assert_rejected(&["bananas", "publish", "--params", value], &format!("--params: {blank}"));
    }
    assert_rejected(&["bananas", "channels", "--params="], &format!("--params: {blank}"));
    let piped = |args: &[&str]| cent().config(CONFIG).stdin_bytes(" \n").args(args).run();
    piped(&["bananas", "publish", "--params", "-"]).assert_output(2, "", &format!("cent: standard input: {blank}\n"));
    let file = cent().config(CONFIG).file("empty", "").args(&["bananas", "publish", "--params", "@empty"]).run();
    file.assert_output(2, "", &format!("cent: empty: {blank}\n"));
}

#[test]
fn unreadable_params_file_is_reported() {
    assert_rejected(
        &["bananas", "publish", "--params", "@none.json"],
        "--params: cannot read none.json: no such file or directory",
    );
    assert_rejected(&["bananas", "publish", "--params", "@."], "--params: cannot read .: is a directory");
    assert_rejected(
        &["bananas", "publish", "--params", "@"],
        "--params: missing file name after @; use @FILE, or - for standard input",
    );
}

#[test]
fn invalid_json_reports_location() {
    let object = "use an object such as {\"channel\": \"news\"}";
    let escape = r"escape it, for example a newline as \n";
    for (params, problem, hint, snippet, marker) in [
        ("[1]", "expected a JSON object, found an array at line 1, column 1", object, "[1]", "^"),
        ("  \"x\"", "expected a JSON object, found a string at line 1, column 3", object, "  \"x\"", "  ^"),
        ("null", "expected a JSON object, found null at line 1, column 1", object, "null", "^"),
        ("1", "expected a JSON object, found a number at line 1, column 1", object, "1", "^"),
        ("true", "expected a JSON object, found a boolean at line 1, column 1", object, "true", "^"),
        ("{", "invalid JSON: unexpected end of input at line 1, column 2", object, "{", " ^"),
        ("{\"a\": NaN}", "invalid JSON: expected value at line 1, column 7", object, "{\"a\": NaN}", "      ^"),
        (
            "{'a': 1}",
            "invalid JSON: object keys must be in double quotes at line 1, column 2",
            object,
            "{'a': 1}",
            " ^",
        ),
        (
            "{\"ä\": 1}}",
            "invalid JSON: unexpected text after the object at line 1, column 9",
            object,
            "{\"ä\": 1}}",
            "        ^",
        ),
        ("{\"a\": 01}", "invalid number at line 1, column 8", object, "{\"a\": 01}", "       ^"),
        (
            "{\n  \"a\": 1,\n}",
            "invalid JSON: trailing comma at line 2, column 9",
            "remove it",
            "  \"a\": 1,",
            "        ^",
        ),
        ("\u{feff}{}", "invalid JSON: byte order mark at line 1, column 1", "remove it", "\u{feff}{}", "^"),
        (
            "{\"a\": \"\n\"}",
            "invalid JSON: unescaped control character in a string at line 1, column 8",
            escape,
            "{\"a\": \"",
            "       ^",
        ),
        ("channel=news", "invalid JSON: expected value at line 1, column 1", object, "channel=news", "^"),
    ] {
        let text = format!("cent: --params: {problem}; {hint}\ncent:   {snippet}\ncent:   {marker}\n");
        cent().config(CONFIG).args(&["bananas", "publish", "--params", params]).run().assert_output(2, "", &text);
    }
}

#[test]
fn rejects_invalid_utf8() {
    let output = cent().config(CONFIG).stdin_bytes(b"{\"channel\": \"a\xff\"}").args(&["bananas", "publish"]).run();
    output.assert_output(
        2,
        "",
        "cent: standard input: invalid UTF-8 (byte 0xFF) at line 1, column 15; encode the text as UTF-8\n\
         cent:   {\"channel\": \"a\u{fffd}\"}\ncent:                 ^\n",
    );
}

#[test]
fn long_line_is_shown_around_error() {
    let params = format!("{{\"channel\": \"{}\", x}}", "a".repeat(10_000));
    let output = cent().config(CONFIG).args(&["bananas", "publish", "--params", &params]).run();
    assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(2), ""));
    assert!(output.stderr().lines().all(|line| line.chars().count() < 140), "{}", output.stderr());
    assert!(
        output.stderr().contains("object keys must be in double quotes at line 1, column 10017;"),
        "{}",
        output.stderr()
    );
}

#[test]
fn required_params_are_checked_before_sending() {
    let channel = r#"missing param "channel" (a non-empty string); add it to the params"#;
    let data = r#"missing param "data" (any JSON value); add it to the params"#;
    let data_or_b64 = r#"missing param "data" (any JSON value) or "b64data"; add one to the params"#;
    let user = r#"missing param "user" (a string); add it to the params"#;
    let array = r#"param "channels" must be an array of strings, found"#;
    for (section, method, params, problem) in [
        ("bananas", "publish", "{}", channel),
        ("bananas", "publish", r#"{"channel": "", "data": 1}"#, r#"param "channel" must not be empty"#),
        (
            "bananas",
            "publish",
            r#"{"channel": 5, "data": 1}"#,
            r#"param "channel" must be a non-empty string, found a number; put it in quotes"#,
        ),
        (
            "bananas",
            "publish",
            r#"{"channel": {}, "data": 1}"#,
            r#"param "channel" must be a non-empty string, found an object"#,
        ),
        (
            "bananas",
            "publish",
            r#"{"chanel": "a", "data": 1}"#,
            r#"missing param "channel" (a non-empty string); did you mean "channel" instead of "chanel"?"#,
        ),
        ("bananas", "publish", r#"{"channel": "a"}"#, data),
        ("bananas", "publish", r#"{"channel": "a", "b64data": ""}"#, data),
        ("live", "publish", r#"{"channel": "a"}"#, data_or_b64),
        ("bananas", "broadcast", r#"{"channels": [], "data": 1}"#, r#"param "channels" must not be empty"#),
        ("live", "broadcast", r#"{"channels": "a", "data": 1}"#, &format!("{array} a string; put it in brackets")),
        ("live", "broadcast", r#"{"channels": 1, "data": 1}"#, &format!("{array} a number")),
        (
            "live",
            "broadcast",
            r#"{"channels": [1], "data": 1}"#,
            r#"param "channels" contains an empty or non-string entry"#,
        ),
        (
            "bananas",
            "broadcast",
            r#"{"data": 1}"#,
            r#"missing param "channels" (an array of strings); add it to the params"#,
        ),
        ("bananas", "broadcast", r#"{"channels": ["a"]}"#, data),
        ("live", "broadcast", r#"{"channels": ["a"]}"#, data_or_b64),
        ("bananas", "history", "{}", channel),
        ("live", "presence_stats", "{}", channel),
        ("live", "history_remove", "{}", channel),
        ("bananas", "disconnect", "{}", user),
        ("live", "disconnect", r#"{"user": null}"#, r#"param "user" must be a string, found null"#),
        ("live", "disconnect", r#"{"user": 42}"#, r#"param "user" must be a string, found a number; put it in quotes"#),
        ("live", "DISCONNECT", "{}", user),
        ("live", "refresh", "{}", user),
        ("live", "subscribe", r#"{"channel": "a"}"#, user),
        ("live", "subscribe", r#"{"user": "a"}"#, channel),
        ("live", "unsubscribe", r#"{"user": "a"}"#, channel),
        ("bananas", "unsubscribe", r#"{"channel": "a"}"#, user),
    ] {
        assert_rejected(&[section, method, "--params", params], &format!("{method}: {problem}"));
    }
}

#[test]
fn rejects_empty_method() {
    assert_rejected(&["live", ""], "METHOD is empty; is a variable unset?");
}

#[test]
fn param_keys_match_like_server() {
    let params = r#"{"channel": "", "CHANNEL": "plain:a", "d\u0061ta": 1}"#;
    assert_sent(params, |cent| cent.args(&["--params", params]));
}

#[test]
fn empty_user_is_sent() {
    for (form, exit) in [(V1, 1), (Legacy, 0), (Current, 0)] {
        let server = form.server();
        let output = form.cent(&server).args(&["bananas", "disconnect", "-q", "--params", r#"{"user": ""}"#]).run();
        assert_eq!(output.exit_code(), Some(exit), "{}", output.stderr());
        assert_eq!(server.requests().len(), form.requests_before() + 1);
    }
}

/// Sends the params from standard input; compares the body byte by byte.
#[track_caller]
fn assert_sent_verbatim(form: ApiForm, params: &str) {
    let server: Server = form.server();
    // A debug build on a busy machine needs time for megabytes.
    let output = form.cent(&server).stdin_bytes(params).args(&["bananas", "publish", "--quiet", "--timeout=60"]).run();
    output.assert_output(0, "", "");
    // Not assert_eq: it would print megabytes.
    assert!(sent_body(form, &server) == form.body("publish", params));
}

#[test]
fn params_are_sent_verbatim() {
    let unusual = [
        r#"{"data" : 1.0 ,"channel":"plain:a"}"#.to_owned(),
        r#"{"channel": "plain:a", "data": [1e400, -0, 1E+2, 0.10, 1234567890123456789012345678901234567890]}"#
            .to_owned(),
        r#"{"channel": "plain:a", "data": {"a": 1, "a": 2, "\u0061": 3}}"#.to_owned(),
        r#"{"channel": "plain:a", "data": "\ud800 \/ \u00e9 é \u0000"}"#.to_owned(),
        "{\r\n\t\"channel\": \"plain:a\",\n\n \"data\": \"\u{2028}\u{7f}\"}".to_owned(),
        format!(r#"{{"channel": "plain:a", "data": {}{}}}"#, "[".repeat(1_000), "]".repeat(1_000)),
        format!(r#"{{"channel": "plain:a", "data": "{}"}}"#, "x".repeat(20_000_000)),
    ];
    for form in ApiForm::ALL {
        for params in &unusual {
            assert_sent_verbatim(form, params);
        }
    }
}

#[test]
fn deep_params_are_sent() {
    let deep = format!(r#"{{"channel": "plain:a", "data": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for form in ApiForm::ALL {
        let server = form.server();
        let output = form.cent(&server).stdin_bytes(deep.clone()).args(&["bananas", "publish", "--timeout=60"]).run();
        assert_eq!(output.exit_code(), Some(1), "{}", output.stderr());
        // The test server cannot take such a command apart.
        let body = if form == Current { deep.clone() } else { form.body("publish", &deep) };
        assert!(sent_body(form, &server) == body);
    }
}

#[test]
fn text_in_no_encoding_of_json_is_named() {
    for (content, problem) in [
        (&b"\x1f\x8b\x08\0"[..], "compressed data (gzip); decompress it: gunzip -c FILE"),
        (b"\0{\0}", "UTF-16; convert it to UTF-8: iconv -f UTF-16BE -t UTF-8"),
        (b"{}\0", "a NUL character; expected one JSON object"),
    ] {
        let cent = cent().config("[a]\naddress = http://localhost:1\nsecret = s\n").file("params", content);
        let output = cent.args(&["a", "publish", "--params=@params"]).run();
        output.assert_output(2, "", &format!("cent: params: {problem}\n"));
    }
}
