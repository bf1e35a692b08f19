//! Replies with errors, each named by its line.

use super::{publish_lines, reply};
use crate::numbers::{line, lines, received, without_duration};
use crate::support::server::{Response, Server, respond};
use crate::{ApiForm, Current, Legacy};

#[test]
fn reports_first_twenty_reply_errors_by_line() {
    for form in [Legacy, Current] {
        let server = form.server();
        let bad = "{\"channel\": \"nope:a\", \"data\": 1}\n";
        let output = publish_lines(form, &server).stdin_bytes(line(1) + &bad.repeat(25) + &line(27)).run();
        let text = without_duration(&output.stderr());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 22, "{text}");
        for (number, line) in (2..).zip(&lines[..20]) {
            assert!(line.starts_with(&format!("cent: line {number}: publish: unknown channel (102); ")), "{line}");
        }
        assert_eq!(lines[20..], ["cent: 5 more errors not shown", "cent: 27 commands: 2 accepted, 25 rejected"]);
        assert_eq!(output.exit_code(), Some(1));
        assert_eq!(received(&server), [1, 27]);
    }
}

#[test]
fn broadcast_channel_error_is_reported_by_line() {
    let input = "{\"channels\": [\"plain:a\", \"nope:b\"], \"data\": 1}\n";
    let hint = "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
    let text = format!("cent: line 1: broadcast: channel \"nope:b\": unknown channel (102); {hint}\n");
    for form in [Legacy, Current] {
        let server = form.server();
        let output = form.cent(&server).args(&["bananas", "broadcast", "--lines", "-q"]).stdin_bytes(input).run();
        output.assert_output(1, "", &text);
    }
}

#[test]
fn unknown_reply_sets_exit_status_4() {
    for form in ApiForm::ALL {
        let server = Server::start(form.centrifugo().engine_down());
        let input = "{\"channel\": \"a\", \"data\": 1}\n".repeat(3);
        let output = publish_lines(form, &server).stdin_bytes(input).run();
        assert_eq!(output.exit_code(), Some(4), "{}", output.stderr());
        assert!(
            without_duration(&output.stderr()).ends_with("\ncent: 3 commands: 0 accepted, 3 unknown\n"),
            "{}",
            output.stderr()
        );
    }
}

#[test]
fn wrong_reply_count_is_unknown_and_printed() {
    let hint = "the commands may have been executed: check before retrying, and check the address";
    let summary = "no lines accepted; lines 1-5 may have been executed: check them (sed -n 1,5p); no lines remain";
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, respond(&form.batch_replies(form.publish_reply(), 2)));
        let output = publish_lines(form, &server).stdin_bytes(lines(1..=5)).run();
        let url = form.batch_url(&server.address());
        let text = format!("cent: {url}: expected 5 replies, got 2; {hint}\ncent: {summary}\n");
        output.assert_output(4, &reply(form).repeat(2), &text);
    }
}

#[test]
fn replies_to_other_commands_are_unknown() {
    let check = "the command may have been executed: check before retrying";
    let summary = "no lines accepted; lines 1-2 may have been executed: check them (sed -n 1,2p); no lines remain";
    let counted = "2 commands: 0 accepted, 2 unknown";
    let unrecognized = |line| format!("cent: line {line}: publish: unrecognized reply; {check}\n");
    let failed = |reason: &str| {
        let check = check.replace("command", "commands");
        format!("cent: URL: {reason}; {check}\ncent: {summary}\n")
    };
    let result = "{\"result\":{}}\n";
    for (body, printed, text) in [
        (
            r#"{"replies":[{"message":"internal error"},{"message":"internal error"}]}"#,
            "{\"message\":\"internal error\"}\n".repeat(2),
            format!("{}{}cent: {counted}\n", unrecognized(1), unrecognized(2)),
        ),
        (
            r#"{"replies":[{"broadcast":{}},{"broadcast":{}}]}"#,
            "{\"broadcast\":{}}\n".repeat(2),
            format!("{}{}cent: {counted}\n", unrecognized(1), unrecognized(2)),
        ),
        (
            r#"{"error":{"code":100,"message":"internal"},"replies":[{"publish":{}},{"publish":{}}]}"#,
            result.repeat(2),
            failed("internal (100)"),
        ),
    ] {
        let server = Current.server().script(respond(&Response::json(body)));
        let output = publish_lines(Current, &server).stdin_bytes(lines(1..=2)).run();
        let url = Current.batch_url(&server.address());
        let found = (output.exit_code(), output.stdout(), without_duration(&output.stderr()).replace(&url, "URL"));
        assert_eq!(found, (Some(4), printed, text), "{body}");
        assert_eq!(received(&server), [1, 2], "{body}");
    }
}

#[test]
fn reply_without_error_and_result_is_unknown() {
    for replies in [
        [r#"{"error":null}"#, r#"{"error":null}"#],
        [r#"{"history":{},"error":null}"#, r#"{"publish":{}}"#],
        [r#"{"publish":"x"}"#, r#"{"publish":5}"#],
    ] {
        let body = format!(r#"{{"replies":[{}]}}"#, replies.join(","));
        let server = Current.server().script(respond(&Response::json(body)));
        let output = publish_lines(Current, &server).stdin_bytes(lines(1..=2)).run();
        assert_eq!(output.exit_code(), Some(4), "{replies:?} {}", output.stderr());
        assert!(output.stderr().starts_with("cent: line 1: publish: unrecognized reply; "), "{}", output.stderr());
    }
}
