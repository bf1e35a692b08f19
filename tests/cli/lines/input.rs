//! What a line may be, and what is said of one that cannot be sent.

use std::fs::File;

use super::{publish_lines, reply};
use crate::numbers::{line, lines, numbers, received, without_duration};
use crate::support::cli::cent;
use crate::{ApiForm, Current, V1};

#[test]
fn blank_lines_are_counted_but_not_sent() {
    let server = V1.server();
    let input = format!("\n{}\r\n \t\n{}\n{{\"channel\": \"nope:a\", \"data\": 1}}", line(1).trim(), line(2).trim());
    let output = publish_lines(V1, &server).stdin_bytes(input).run();
    let rejection = "line 5: publish: namespace not found; check the spelling, or add the channel's namespace (the \
                   part before the colon) to the server's config";
    assert_eq!(
        without_duration(&output.stderr()),
        format!("cent: {rejection}\ncent: 3 commands: 2 accepted, 1 rejected\n")
    );
    assert_eq!(output.exit_code(), Some(1));
    assert_eq!(received(&server), [1, 2]);
}

#[test]
fn empty_input_sends_nothing() {
    for input in ["", "\n\n \n"] {
        let server = V1.server().expect_no_connection();
        publish_lines(V1, &server).stdin_bytes(input).run().assert_output(
            0,
            "",
            "cent: no commands on standard input\n",
        );
        publish_lines(V1, &server).args(&["-q"]).stdin_bytes(input).run().assert_output(0, "", "");
    }
}

#[test]
fn without_method_lines_are_complete_commands() {
    for form in ApiForm::ALL {
        let server = form.server();
        let input = "{\"method\": \"publish\", \"params\": {\"channel\": \"plain:a\", \"data\": 7}}\n{\"method\": \"channels\"}\n";
        let output = form.cent(&server).args(&["--lines", "bananas"]).stdin_bytes(input).run();
        assert_eq!(
            (output.exit_code(), without_duration(&output.stderr()).as_str()),
            (Some(0), "cent: 2 commands accepted\n")
        );
        assert_eq!(server.centrifugo().executed(), ["publish", "channels"]);
    }
}

#[test]
fn invalid_command_reports_line_number() {
    let form = r#"expected {"method": "publish", "params": {…}}"#;
    for (text, message) in [
        ("{}", format!("missing key \"method\" in command; {form}")),
        (r#"{"method": "channels", "uid": "1"}"#, format!("unknown key \"uid\" in command; {form}")),
        (r#"{"method": ""}"#, "method is empty; use a method name such as publish".to_owned()),
        (r#"{"method": "channels", "params": []}"#, format!("\"params\" must be an object, found an array; {form}")),
        (
            r#"{"method": "history"}"#,
            "history: missing param \"channel\" (a non-empty string); add it to the params".to_owned(),
        ),
        (r#"{"method": 1} "#, format!("\"method\" must be a string, found a number; {form}")),
    ] {
        let server = V1.server();
        let output = V1
            .cent(&server)
            .args(&["bananas", "-l"])
            .stdin_bytes(format!("{{\"method\": \"node\"}}\n\n{text}\n"))
            .run();
        let summary = "line 1 accepted; line 2 onwards not accepted: fix it, then resume with tail -n +2";
        assert_eq!(output.stderr(), format!("cent: standard input: line 3: {message}\ncent: {summary}\n"));
        assert_eq!((output.exit_code(), output.stdout().lines().count()), (Some(5), 1));
    }
}

#[test]
fn input_of_another_kind_is_named() {
    let object = "expected one object per line: jq -c .";
    let text_lines =
        "not a JSON object; use KEY=VALUE, with data@- for text or data:@- for JSON: cent live publish --lines \
                      channel=news data@-"
            .to_owned();
    let method = "for lines of params, use cent --lines SECTION METHOD";
    for (args, text, message) in [
        (
            &["publish"][..],
            &b"{\n  \"channel\": \"a\",\n  \"data\": 1\n}\n"[..],
            format!("JSON over several lines; {object}"),
        ),
        (
            &["publish"],
            b"[\n  {\"channel\": \"a\"}\n]\n",
            "an array; expected one JSON object per line: jq -c '.[]'".to_owned(),
        ),
        (&["publish"], b"{}\0{}\0", r"a NUL character; end each command with a newline: tr '\0' '\n'".to_owned()),
        (&["publish"], b"{\0\"\0a\0", "UTF-16; convert it to UTF-8: iconv -f UTF-16LE -t UTF-8".to_owned()),
        (&["publish"], b"\0{\0\"\0a", "UTF-16; convert it to UTF-8: iconv -f UTF-16BE -t UTF-8".to_owned()),
        (&["publish"], b"\xff\xfe{\0", "UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8".to_owned()),
        (&["publish"], b"\xfd7zXZ\0", "compressed data (xz); decompress it: xz -dc FILE".to_owned()),
        (&["publish"], b"\x1f\x8b\x08\0\n", "compressed data (gzip); decompress it: gunzip -c FILE".to_owned()),
        (&[], br#"{"channel": "a", "data": 1}"#, format!("no key \"method\" in command; {method}")),
        (&["publish"], b"2026-11-30 12:00 started\n", text_lines.clone()),
        (&["publish"], b"[INFO] started\n", text_lines.clone()),
        (&[], b"\"a\"\n", text_lines),
    ] {
        let server = Current.server().expect_no_connection();
        let cent = Current.cent(&server).args(&["bananas", "--lines"]).args(args).stdin_bytes(text).run();
        let summary = "no lines accepted: fix it, then run again from line 1";
        let output = cent.stderr();
        assert_eq!(output.lines().next(), Some(&*format!("cent: standard input: line 1: {message}")), "{summary}");
        assert_eq!((cent.exit_code(), cent.stdout().as_str()), (Some(2), ""));
    }
}

#[test]
fn params_near_those_of_the_method_have_one_note() {
    let server = Current.server();
    let input = r#"{"channel": "plain:a", "data": 1, "skiphistory": true}
{"channel": "plain:a", "data": 2, "skiphistory": true, "other": 1}
{"channel": "plain:a", "data": 3, "delt": true}
"#;
    let output = publish_lines(Current, &server).stdin_bytes(input).run();
    let notes = "cent: line 1: publish: unknown param \"skiphistory\"; did you mean skip_history?\n\
                 cent: line 3: publish: unknown param \"delt\"; did you mean delta?\n";
    assert_eq!(output.exit_code(), Some(0));
    assert_eq!(without_duration(&output.stderr()), format!("{notes}cent: 3 commands accepted\n"));
    let quiet = publish_lines(Current, &server).arg("-q").stdin_bytes(input).run();
    assert_eq!((quiet.exit_code(), quiet.stderr().as_str()), (Some(0), ""));
}

#[test]
fn bad_line_stops_run_after_earlier_lines() {
    for form in ApiForm::ALL {
        let server = form.server();
        let input = lines(1..=5000) + "{\"channel\": \"plain:a\", 5001}\n" + &lines(5002..=10_000);
        let output = publish_lines(form, &server).stdin_bytes(input).run();
        let object = "use an object such as {\"channel\": \"news\"}";
        assert_eq!(
            output.stderr(),
            format!(
                "cent: standard input: invalid JSON: object keys must be in double quotes at line 5001, column 24; {object}\n\
                 cent:   {{\"channel\": \"plain:a\", 5001}}\ncent:                          ^\n\
                 cent: lines 1-5000 accepted; line 5001 onwards not accepted: fix it, then resume with tail -n +5001\n"
            )
        );
        assert_eq!(output.exit_code(), Some(5));
        assert_eq!(output.stdout(), reply(form).repeat(5000));
        assert_eq!(received(&server), numbers(1..=5000));
    }
}

#[test]
fn batch_is_not_a_method() {
    let server = Current.server();
    let input = "{\"method\": \"channels\"}\n{\"method\": \"batch\", \"params\": {\"commands\": []}}\n";
    let output = Current.cent(&server).args(&["bananas", "--lines"]).stdin_bytes(input).run();
    let problem = "batch: not a method of its own; send the commands of the batch";
    let summary = "line 1 accepted; line 2 onwards not accepted: fix it, then resume with tail -n +2";
    assert_eq!(output.stderr(), format!("cent: standard input: line 2: {problem}\ncent: {summary}\n"));
    assert_eq!((output.exit_code(), server.centrifugo().executed()), (Some(5), vec!["channels".to_owned()]));

    let server = Current.server().expect_no_connection();
    for (method, problem) in
        [("batch", problem), ("a b", "a b: not a valid method name; use letters, digits, _ and - only")]
    {
        let output = Current.cent(&server).args(&["bananas", method, "--lines"]).stdin_bytes("{}\n").run();
        let summary = "no lines accepted: fix it, then run again from line 1";
        output.assert_output(2, "", &format!("cent: standard input: line 1: {problem}\ncent: {summary}\n"));
    }
}

#[test]
fn overlong_line_is_rejected_early() {
    let server = V1.server().expect_no_connection();
    let output = publish_lines(V1, &server).stdin(File::open("/dev/zero").unwrap()).run();
    let message = "line 1 is larger than 64 MB; is a newline missing? (use --params for params this large)";
    let summary = "no lines accepted: fix it, then run again from line 1";
    output.assert_output(2, "", &format!("cent: standard input: {message}\ncent: {summary}\n"));
}

#[test]
fn unreadable_stdin_is_reported() {
    let cent = cent().config("[bananas]\naddress = http://127.0.0.1:1\nsecret = s\n");
    let dir = File::open(cent.home()).unwrap();
    let output = cent.args(&["bananas", "publish", "--lines"]).stdin(dir).run();
    output.assert_output(
        2,
        "",
        "cent: standard input: read error at line 1: is a directory\ncent: no lines accepted: fix it, then run again from line 1\n",
    );
}
