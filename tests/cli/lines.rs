//! `--lines`: batches, order, and an exact summary of accepted, unknown and remaining lines.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{
    Centrifugo, Response, Script, Server, Step, corrupt_response, fail_during_request, fail_during_response, reject,
    respond,
};
use crate::{ApiForm, Current, Legacy, V1};

/// Params of a publish for each number, one per line, with the number as data.
fn publish_params(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(line).collect::<Vec<_>>().concat()
}

fn line(number: usize) -> String {
    format!("{{\"channel\": \"plain:a\", \"data\": {number}}}\n")
}

fn publish_lines(form: ApiForm, server: &Server) -> Cent {
    form.cent(server).args(&["bananas", "publish", "--lines"])
}

fn reply(form: ApiForm) -> String {
    form.publish_reply().to_owned() + "\n"
}

/// Standard error without the duration, which differs in every run.
fn stderr_without_duration(output: &CentOutput) -> String {
    without_duration(&output.stderr())
}

fn without_duration(text: &str) -> String {
    // As in "3 commands in 0.1 s (30/s): 2 accepted, 1 rejected".
    let without = |line: &str| match line.split_once("/s)") {
        Some((before, after)) => format!("{}{after}", before.rsplit_once(" in ").expect("a rate has a duration").0),
        None => line.to_owned(),
    };
    text.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// The numbers that the server received, in order.
fn received_numbers(server: &Server) -> Vec<usize> {
    server.centrifugo().messages_as_text("plain:a").iter().map(|text| text.parse().expect("it is a number")).collect()
}

fn numbers(from: usize, to: usize) -> Vec<usize> {
    (from..=to).collect()
}

/// How many publishes each request has.
fn request_sizes(server: &Server) -> Vec<usize> {
    server.requests().iter().map(|request| request.body_text().matches("\"data\"").count()).collect()
}

/// The paths of all requests.
fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path.clone()).collect()
}

/// Checks that no request has more commands; on a slow machine it may have fewer.
#[track_caller]
fn assert_max_commands(server: &Server, commands: usize) {
    let sizes = request_sizes(server);
    assert!(sizes.iter().all(|&size| size <= commands), "{sizes:?}");
}

#[test]
fn lines_share_connection() {
    for form in ApiForm::ALL {
        let server = form.server();
        let output = publish_lines(form, &server).stdin_bytes(publish_params(1..=1050)).run();
        assert_eq!(
            (output.exit_code(), stderr_without_duration(&output).as_str()),
            (Some(0), "cent: 1050 commands accepted")
        );
        assert_eq!(output.stdout(), reply(form).repeat(1050));
        assert_eq!(received_numbers(&server), numbers(1, 1050));
        assert_eq!(server.connections(), 1);
    }
}

/// Publishes this many lines from a file, which is read without delay; returns the sizes of the requests that were
/// executed.
fn sizes_of_run(form: ApiForm, lines: usize, args: &[&str]) -> Vec<usize> {
    let server = form.server();
    let cent = publish_lines(form, &server).args(args).file("input", publish_params(1..=lines));
    let input = File::open(cent.path("input")).unwrap();
    let output = cent.stdin(input).args(&["--quiet", "--timeout=60"]).run();
    output.assert_output(0, "", "");
    assert!(received_numbers(&server) == numbers(1, lines));
    request_sizes(&server).split_off(form.requests_before())
}

#[test]
fn batches_grow_while_server_is_fast() {
    for form in [Legacy, Current] {
        for (args, max) in [(&[][..], 10_000), (&["--batch=300"], 300)] {
            let sizes = sizes_of_run(form, 20_000, args);
            assert!(sizes[0] <= 100, "{sizes:?}");
            let mut largest = 100;
            for &size in &sizes {
                assert!(size <= max.min(2 * largest), "{sizes:?}");
                largest = largest.max(size);
            }
            // A slow machine can end the growth there.
            assert!(largest >= max.min(400), "{sizes:?}");
        }
    }
}

#[test]
fn batches_are_fixed_with_secret_or_small_maximum() {
    for (form, args, max) in [
        (V1, &[][..], 100),
        (V1, &["--batch=50"], 50),
        (V1, &["--batch=150"], 150),
        (Legacy, &["--batch=50"], 50),
        (Current, &["--batch=50"], 50),
    ] {
        let sizes = sizes_of_run(form, 10 * max, args);
        assert!(sizes.len() >= 10 && sizes.iter().all(|&size| size <= max), "{sizes:?}");
        assert!(sizes.contains(&max), "{sizes:?}");
    }
}

#[test]
fn batch_option_sets_size() {
    for (batch, min_requests) in [(1, 7), (3, 3), (1000, 1)] {
        let server = V1.server();
        let output =
            publish_lines(V1, &server).args(&["--batch", &batch.to_string()]).stdin_bytes(publish_params(1..=7)).run();
        assert_eq!((output.exit_code(), received_numbers(&server)), (Some(0), numbers(1, 7)));
        assert!(server.requests().len() >= min_requests);
        assert_max_commands(&server, batch);
    }
}

#[test]
fn request_size_is_limited_to_one_megabyte() {
    for form in ApiForm::ALL {
        let server = form.server();
        let sized = |bytes: usize| format!("{{\"channel\":\"plain:a\",\"data\":\"{}\"}}\n", "x".repeat(bytes));
        let input = sized(300_000).repeat(7) + &sized(3_000_000) + &sized(1).repeat(2);
        let output = publish_lines(form, &server).args(&["-q", "--timeout=60"]).stdin_bytes(input).run();
        output.assert_output(0, "", "");
        assert_eq!(server.centrifugo().executed().len(), 10);
        for request in server.requests() {
            let (size, commands) = (request.body().len(), request.body_text().matches("\"data\"").count());
            assert!(size <= 1_000_000 || commands == 1, "{commands} commands in {size} bytes");
        }
    }
}

#[test]
fn blank_lines_are_counted_but_not_sent() {
    let server = V1.server();
    let input = format!("\n{}\r\n \t\n{}\n{{\"channel\": \"nope:a\", \"data\": 1}}", line(1).trim(), line(2).trim());
    let output = publish_lines(V1, &server).stdin_bytes(input).run();
    let rejection = "line 5: publish: namespace not found; check the spelling, or add the channel's namespace (the \
                   part before the colon) to the server's config";
    assert_eq!(
        stderr_without_duration(&output),
        format!("cent: {rejection}\ncent: 3 commands: 2 accepted, 1 rejected")
    );
    assert_eq!(output.exit_code(), Some(1));
    assert_eq!(received_numbers(&server), [1, 2]);
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
            (output.exit_code(), stderr_without_duration(&output).as_str()),
            (Some(0), "cent: 2 commands accepted")
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
fn bad_line_stops_run_after_earlier_lines() {
    for form in ApiForm::ALL {
        let server = form.server();
        let input = publish_params(1..=5000) + "{\"channel\": \"plain:a\", 5001}\n" + &publish_params(5002..=10_000);
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
        assert_eq!(received_numbers(&server), numbers(1, 5000));
    }
}

#[test]
fn reports_first_twenty_reply_errors_by_line() {
    for form in [Legacy, Current] {
        let server = form.server();
        let bad = "{\"channel\": \"nope:a\", \"data\": 1}\n";
        let output = publish_lines(form, &server).stdin_bytes(line(1) + &bad.repeat(25) + &line(27)).run();
        let text = stderr_without_duration(&output);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 22, "{text}");
        for (number, line) in (2..).zip(&lines[..20]) {
            assert!(line.starts_with(&format!("cent: line {number}: publish: unknown channel (102); ")), "{line}");
        }
        assert_eq!(lines[20..], ["cent: 5 more errors not shown", "cent: 27 commands: 2 accepted, 25 rejected"]);
        assert_eq!(output.exit_code(), Some(1));
        assert_eq!(received_numbers(&server), [1, 27]);
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
            stderr_without_duration(&output).ends_with("\ncent: 3 commands: 0 accepted, 3 unknown"),
            "{}",
            output.stderr()
        );
    }
}

/// The summary of a stopped run: the last accepted line, the last unknown line, and the line to resume with.
fn parse_summary(text: &str) -> (usize, usize, Option<usize>) {
    let summary = text
        .lines()
        .last()
        .expect("a stopped run has a summary")
        .strip_prefix("cent: ")
        .expect("the line starts with cent:");
    if summary == "no lines accepted: run again from line 1" {
        return (0, 0, Some(1));
    }
    let summary = summary.strip_prefix("standard output closed: ").unwrap_or(summary);
    // The last number of "line 1" and of "lines 1-7".
    let number = |words: &str| words.rsplit([' ', '-']).next().and_then(|word| word.parse::<usize>().ok());
    let parts: Vec<&str> = summary.split("; ").collect();
    let accepted = match parts[0].strip_suffix(" accepted") {
        Some("no lines") => 0,
        Some(words) => number(words).expect("it is a number"),
        None => panic!("{summary}"),
    };
    let unknown = parts[1..].iter().find_map(|part| part.split_once(" may have been executed: check "));
    let unknown = unknown.map_or(accepted, |(words, _)| number(words).expect("it is a number"));
    let next_line = summary.split_once("resume with tail -n +").map(|(_, from)| from.parse().expect("it is a number"));
    (accepted, unknown, next_line)
}

/// Runs 250 lines, 50 per request; the request with this index gets the script. Checks the summary against the state of
/// the server.
#[track_caller]
fn assert_exact_summary(form: ApiForm, index: usize, script: Script, exit: i32) {
    let server = form.server();
    for _ in 0..form.requests_before() + index {
        server.add_script(vec![Step::Execute, Step::SendRest]);
    }
    // Short where the timeout has to expire, else long enough for a busy machine.
    let limit = if script.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
    server.add_script(script);
    let output = publish_lines(form, &server).args(&["--batch=50", limit]).stdin_bytes(publish_params(1..=250)).run();
    let text = output.stderr();
    // Later requests leave a run that stopped part-way.
    let expected = if index > 0 && exit != 4 { 5 } else { exit };
    assert_eq!(output.exit_code(), Some(expected), "{text}");
    let (accepted, unknown, next_line) = parse_summary(&text);
    // The three ranges adjoin: no gap, no overlap.
    assert!(accepted <= 50 * index, "{text}");
    assert!(if exit == 4 { accepted < unknown && unknown <= accepted + 50 } else { accepted == unknown }, "{text}");
    assert_eq!(next_line, (unknown < 250).then_some(unknown + 1), "{text}");
    assert!(next_line.is_some() || text.ends_with("; no lines remain\n"), "{text}");
    let requests = form.requests_before() + index + 1;
    server.wait_for_requests(requests);
    let received_numbers = received_numbers(&server);
    assert!(
        received_numbers == numbers(1, accepted) || (exit == 4 && received_numbers == numbers(1, unknown)),
        "{text}: {received_numbers:?}"
    );
    assert_eq!(output.stdout(), reply(form).repeat(accepted));
    assert_eq!(server.requests().len(), requests);
}

#[test]
fn failed_request_stops_run_with_exact_summary() {
    let status = |code: u16| reject(&Response::new(code));
    let failures: [(Script, i32); 12] = [
        (fail_during_request(1, Step::Close), 4),
        (fail_during_request(200, Step::Reset), 4),
        (fail_during_request(100, Step::Hang), 4),
        (fail_during_response(0, Step::Close), 4),
        (fail_during_response(100, Step::Reset), 4),
        (fail_during_response(30, Step::Hang), 4),
        (corrupt_response(50), 4),
        (respond(&Response::plain(502, "bad gateway")), 4),
        (status(503), 3),
        (status(429), 3),
        (status(401), 1),
        (status(413), 1),
    ];
    std::thread::scope(|scope| {
        for form in ApiForm::ALL {
            for (script, exit) in &failures {
                scope.spawn(move || {
                    for index in [0, 2, 4] {
                        assert_exact_summary(form, index, script.clone(), *exit);
                    }
                });
            }
        }
    });
    // The current form executes nothing then: see the tests of rejected batches.
    for form in [V1, Legacy] {
        for index in [0, 2, 4] {
            assert_exact_summary(form, index, respond(&Response::plain(400, "Bad Request")), 4);
        }
    }
}

#[test]
fn older_versions_get_legacy_form_after_one_404() {
    for major in 2..=4 {
        let server = Server::version(major);
        let output = publish_lines(Legacy, &server).arg("--compact").stdin_bytes(publish_params(1..=5000)).run();
        let expected = (Some(0), "cent: 5000 commands accepted".to_owned());
        assert_eq!((output.exit_code(), stderr_without_duration(&output)), expected);
        let reply = if major == 2 { "{}\n" } else { "{\"result\":{}}\n" };
        assert!(output.stdout() == reply.repeat(5000));
        assert_eq!((server.connections(), received_numbers(&server)), (1, numbers(1, 5000)));
        let (paths, sizes) = (paths(&server), request_sizes(&server));
        assert_eq!((paths[0].as_str(), sizes[0]), ("/api/batch", sizes[1]));
        assert!(paths.len() > 2 && paths[1..].iter().all(|path| path == "/api"), "{paths:?}");
    }
    // A server that does not read the large body to its end closes the connection.
    let server = Legacy.server();
    let long = format!("{{\"channel\":\"plain:a\",\"data\":\"{}\"}}\n", "x".repeat(600_000));
    let output = publish_lines(Legacy, &server).args(&["--quiet", "--timeout=60"]).stdin_bytes(long.repeat(5)).run();
    output.assert_output(0, "", "");
    assert_eq!((server.connections(), server.centrifugo().delivered().len()), (2, 5));
}

/// Passes the check of params, for which the last channel counts; the servers want all to be strings.
const WRONG_TYPE: &str = "{\"channel\": 5, \"channel\": \"plain:a\", \"data\": 0}\n";

/// What is reported of the line with a wrong type.
fn wrong_type_error(server: &Server, line: usize, command: usize) -> String {
    format!(
        "cent: standard input, line {line}: {}/api/batch: bad request (400) because of command {command} (publish); \
         check the params for wrong types, or nesting that is too deep\n",
        server.address()
    )
}

#[test]
fn rejected_batch_is_halved_to_find_bad_line() {
    // Line 2 is blank, lines 10 and 13 have wrong types.
    let input = line(1) + "\n" + &publish_params(3..=9) + WRONG_TYPE + &publish_params([11, 12]) + WRONG_TYPE;
    for major in 5..=7 {
        let server = Server::version(major);
        let output = publish_lines(Current, &server).stdin_bytes(input.clone() + &publish_params(14..=17)).run();
        let summary = "cent: lines 1-9 accepted; line 10 onwards not accepted: resume with tail -n +10\n";
        let text = wrong_type_error(&server, 10, 9) + summary;
        output.assert_output(5, &reply(Current).repeat(8), &text);
        assert_eq!(received_numbers(&server), [1, 3, 4, 5, 6, 7, 8, 9]);
        // All, the question whether this is version 1, 8 accepted ones, and what the ninth is found in.
        assert_eq!(request_sizes(&server), [16, 0, 8, 4, 2, 1]);
    }
}

#[test]
fn bad_line_may_be_first_or_in_later_batch() {
    let server = Current.server();
    let output = publish_lines(Current, &server).stdin_bytes(WRONG_TYPE.to_owned() + &publish_params(2..=3)).run();
    let text = wrong_type_error(&server, 1, 1) + "cent: no lines accepted: run again from line 1\n";
    output.assert_output(1, "", &text);
    assert_eq!((request_sizes(&server), server.centrifugo().executed().len()), (vec![3, 0, 1], 0));

    let server = Current.server();
    let rejected = "{\"channel\": \"nope:a\", \"data\": 5}\n";
    let input = publish_params(1..=4) + rejected + &line(6) + WRONG_TYPE + &line(8);
    let output = publish_lines(Current, &server).arg("--batch=4").stdin_bytes(input).run();
    let hint = "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
    let summary = "cent: lines 1-6: 5 accepted, 1 rejected; line 7 onwards not accepted: resume with tail -n +7\n";
    let text =
        format!("cent: line 5: publish: unknown channel (102); {hint}\n{}{summary}", wrong_type_error(&server, 7, 3));
    assert_eq!((output.exit_code(), output.stderr()), (Some(5), text));
    assert_eq!((received_numbers(&server), request_sizes(&server)), (vec![1, 2, 3, 4, 6], vec![4, 4, 2, 1]));
}

#[test]
fn failure_while_halving_leaves_exact_summary() {
    let answer = || vec![Step::Execute, Step::SendRest];
    // Requests: all 16, the question whether this is version 1, the first 8, and the next 4.
    let input = publish_params(1..=12) + WRONG_TYPE + &publish_params(14..=16);
    let rejected = || Current.server().script(answer()).script(answer());
    let lost = rejected().script(answer()).script(fail_during_response(0, Step::Reset));
    let output = publish_lines(Current, &lost).arg("--retry=3").stdin_bytes(input.clone()).run();
    assert_eq!((output.exit_code(), parse_summary(&output.stderr())), (Some(4), (8, 16, None)), "{}", output.stderr());
    assert_eq!(output.stdout(), reply(Current).repeat(8));
    assert_eq!((received_numbers(&lost), request_sizes(&lost)), (numbers(1, 12), vec![16, 0, 8, 4]));

    let unavailable = || reject(&Response::new(503).header("Retry-After", "0"));
    let server = rejected().script(answer()).script(unavailable());
    let output = publish_lines(Current, &server).arg("--retry=3").stdin_bytes(input.clone()).run();
    // The first 8 have been executed: the batch must not be sent again.
    assert_eq!(
        (output.exit_code(), parse_summary(&output.stderr())),
        (Some(5), (8, 8, Some(9))),
        "{}",
        output.stderr()
    );
    assert_eq!((received_numbers(&server), request_sizes(&server)), (numbers(1, 8), vec![16, 0, 8, 0]));

    let server = rejected().script(unavailable());
    let output = publish_lines(Current, &server).arg("--retry=3").stdin_bytes(input).run();
    // Nothing had been executed: it is.
    assert_eq!(
        (output.exit_code(), parse_summary(&output.stderr())),
        (Some(5), (12, 12, Some(13))),
        "{}",
        output.stderr()
    );
    assert_eq!(received_numbers(&server), numbers(1, 12));
}

#[test]
fn unordered_replies_keep_input_order() {
    for major in 5..=7 {
        let server = Server::version(major);
        let input = "{\"channel\": \"a\", \"data\": 1}\n".repeat(100);
        let call = || publish_lines(Current, &server).args(&["--unordered", "--batch=25"]).stdin_bytes(input.clone());
        let output = call().run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        assert!(server.requests().iter().all(|request| request.body_text().ends_with("}}],\"parallel\":true}")));
        // The test server executes each batch from its end.
        let mut offset = 0;
        for (size, request) in request_sizes(&server).into_iter().zip(server.requests()) {
            assert_eq!((size <= 25, request.path.as_str()), (true, "/api/batch"));
            let replies: Vec<_> = output.stdout().lines().skip(offset).take(size).map(str::to_owned).collect();
            for (expected, reply) in (offset + 1..=offset + size).rev().zip(&replies) {
                assert!(reply.starts_with(&format!("{{\"result\":{{\"offset\":{expected},")), "{reply}");
            }
            offset += size;
        }
        assert_eq!(offset, 100);
        let printed = call().arg("--dry-run").run().stdout();
        assert_eq!(printed.matches("],\"parallel\":true}\n").count(), printed.matches("POST ").count());
    }
}

#[test]
fn unordered_requires_current_form() {
    let server = V1.server().expect_no_connection();
    let output = publish_lines(V1, &server).arg("--unordered").stdin_bytes(publish_params(1..=3)).run();
    output.assert_output(2, "", "cent: --unordered requires api_key and Centrifugo 5.2 or later, not secret\n");
    for major in 2..=4 {
        let server = Server::version(major);
        let output = publish_lines(Legacy, &server).arg("--unordered").stdin_bytes(publish_params(1..=300)).run();
        let hint = "concurrent batches need Centrifugo 5.2 or later: send them in order";
        let text = format!("cent: {}/api/batch: not found (404); {hint}\n", server.address());
        output.assert_output(1, "", &(text + "cent: no lines accepted: run again from line 1\n"));
        assert!(server.centrifugo().executed().is_empty());
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
fn wrong_reply_count_is_unknown_and_printed() {
    let hint = "the command may have been executed: check before retrying, and check the address";
    let summary = "no lines accepted; lines 1-5 may have been executed: check them (sed -n 1,5p); no lines remain";
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, respond(&form.batch_replies(form.publish_reply(), 2)));
        let output = publish_lines(form, &server).stdin_bytes(publish_params(1..=5)).run();
        let url = form.batch_url(&server.address());
        let text = format!("cent: {url}: expected 5 replies, got 2; {hint}\ncent: {summary}\n");
        output.assert_output(4, &reply(form).repeat(2), &text);
    }
}

#[test]
fn resume_from_summary_line() {
    for form in ApiForm::ALL {
        let first = form.server();
        for _ in 0..form.requests_before() + 10 {
            first.add_script(vec![Step::Execute, Step::SendRest]);
        }
        first.add_script(fail_during_response(0, Step::Reset));
        let input = publish_params(1..=10_000);
        let stopped = publish_lines(form, &first).stdin_bytes(input.clone()).run();
        let (accepted, unknown, next_line) = parse_summary(&stopped.stderr());
        assert_eq!((stopped.exit_code(), next_line), (Some(4), Some(unknown + 1)), "{}", stopped.stderr());
        // What is unknown is the last request.
        let sizes = request_sizes(&first).split_off(form.requests_before());
        assert_eq!((sizes.len(), sizes.iter().sum(), sizes[10]), (11, unknown, unknown - accepted), "{sizes:?}");
        let mut history = received_numbers(&first);
        // A new server process, as after a crash.
        drop(first);
        let second = form.server();
        let rest: String = input.split_inclusive('\n').skip(next_line.unwrap() - 1).collect();
        let output = publish_lines(form, &second).stdin_bytes(rest).run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        history.extend(received_numbers(&second));
        assert_eq!(history, numbers(1, 10_000));
    }
}

#[test]
fn killed_server_loses_at_most_named_batch() {
    for form in ApiForm::ALL {
        assert_kill_loses_one_batch(form, 3000, [400, 1500], "--batch=10");
        // Batches grow.
        assert_kill_loses_one_batch(form, 30_000, [4000, 15_000], "--compact");
    }
}

/// Runs lines against a server that is killed twice, when it has received that many.
#[track_caller]
fn assert_kill_loses_one_batch(form: ApiForm, lines: usize, killed_at: [usize; 2], option: &str) {
    // Shared by all servers of the test.
    let history = Arc::new(form.centrifugo());
    let input = publish_params(1..=lines);
    let (mut done, mut unknown) = (0, Vec::new());
    for killed_at in killed_at.into_iter().chain([usize::MAX]) {
        let server = Server::start(Arc::clone(&history));
        let rest: String = input.split_inclusive('\n').skip(done).collect();
        let call = publish_lines(form, &server).arg(option).stdin_bytes(rest);
        let running = thread::spawn(|| call.run());
        while history.messages("plain:a").len() < killed_at && !running.is_finished() {
            thread::yield_now();
        }
        drop(server);
        let output = running.join().unwrap();
        if output.exit_code() == Some(0) {
            done = lines;
            break;
        }
        let (accepted, unknown_to, next_line) = parse_summary(&output.stderr());
        // Batches at most double.
        let max = match (option, form) {
            ("--batch=10", _) => 10,
            (_, V1) => 100,
            (_, Legacy | Current) => 100.max(2 * accepted),
        };
        let lost = unknown_to - accepted;
        assert!(
            matches!((output.exit_code(), accepted, lost), (Some(3), 0, 0) | (Some(5), 1.., 0) | (Some(4), _, 1..))
                && lost <= max,
            "{}",
            output.stderr()
        );
        unknown.extend(done + accepted + 1..=done + unknown_to);
        done += next_line.unwrap_or(lines + 1 - done) - 1;
    }
    assert_eq!(done, lines);
    let history: Vec<usize> = history.messages_as_text("plain:a").iter().map(|text| text.parse().unwrap()).collect();
    // Each number once and in order; only unknown ones may be missing.
    assert!(history.is_sorted_by(|one, next| one < next), "{history:?}");
    let received: HashSet<usize> = history.into_iter().collect();
    let missing: Vec<usize> = numbers(1, lines).into_iter().filter(|number| !received.contains(number)).collect();
    assert!(missing.iter().all(|number| unknown.contains(number)), "{missing:?} of {unknown:?}");
}

#[test]
fn reconnects_after_close_between_requests() {
    for form in ApiForm::ALL {
        let answer_and_close = || vec![Step::Execute, Step::SendRest, Step::Close];
        let server = form.server().script_for(form, answer_and_close());
        for _ in 1..5 {
            server.add_script(answer_and_close());
        }
        let (mut child, _home) = publish_lines(form, &server).args(&["--batch=1"]).spawn();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for number in 1..=5 {
            input.write_all(line(number).as_bytes()).unwrap();
            let mut text = String::new();
            output.read_line(&mut text).unwrap();
            assert_eq!(text, reply(form));
            // After this the server has closed the connection.
            server.wait_for_requests(form.requests_before() + number);
        }
        drop(input);
        let (exit, text) = wait_for_exit(child);
        assert_eq!((exit.code(), without_duration(&text).as_str()), (Some(0), "cent: 5 commands accepted"));
        assert_eq!((received_numbers(&server), server.connections()), (numbers(1, 5), 5));
    }
}

/// Waits for the exit; returns standard error too.
fn wait_for_exit(mut child: Child) -> (std::process::ExitStatus, String) {
    let mut text = String::new();
    child.stderr.take().expect("the stream is piped").read_to_string(&mut text).expect("it is UTF-8");
    (child.wait().expect("it ends"), text)
}

fn send_signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn reply_arrives_before_next_line() {
    for form in ApiForm::ALL {
        let server = form.server();
        let (mut child, _home) = publish_lines(form, &server).spawn();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for number in 1..=3 {
            input.write_all(line(number).as_bytes()).unwrap();
            let mut text = String::new();
            // Read before the next line is written: if a batch had to be full, this would block for ever.
            output.read_line(&mut text).unwrap();
            assert_eq!(text, reply(form));
        }
        drop(input);
        assert_eq!(wait_for_exit(child).0.code(), Some(0));
        assert_eq!(server.requests().len(), form.requests_before() + 3);
    }
}

#[test]
fn signal_stops_run_with_exact_summary() {
    for (name, exit, reason) in [("-INT", 130, "interrupted by SIGINT"), ("-TERM", 143, "interrupted by SIGTERM")] {
        let server = V1.server();
        let (mut child, _home) = publish_lines(V1, &server).spawn();
        let mut input = child.stdin.take().unwrap();
        input.write_all(publish_params(1..=250).as_bytes()).unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        assert_eq!(output.lines().take(250).flatten().count(), 250);
        send_signal(&child, name);
        // The input stays open: only the signal can end the run.
        let (status, text) = wait_for_exit(child);
        let summary = "lines 1-250 accepted; line 251 onwards not accepted: resume with tail -n +251";
        assert_eq!((status.code(), text), (Some(exit), format!("cent: {reason}: {summary}\n")));
        drop(input);
        assert_eq!(received_numbers(&server), numbers(1, 250));
    }
}

#[test]
fn second_signal_aborts_request_in_progress() {
    let hanging = || V1.server().script(vec![Step::Read(10), Step::Hang]);
    let server = hanging();
    let (mut child, _home) = publish_lines(V1, &server).args(&["--timeout=2", "--batch=2"]).spawn();
    child.stdin.take().unwrap().write_all(publish_params(1..=6).as_bytes()).unwrap();
    server.wait_for_requests(1);
    send_signal(&child, "-TERM");
    let (status, text) = wait_for_exit(child);
    let summary = "interrupted by SIGTERM: no lines accepted; lines 1-2 may have been executed: check them (sed -n 1,2p); \
                   line 3 onwards not accepted: resume with tail -n +3";
    assert!(text.ends_with(&format!("\ncent: {summary}\n")), "{text}");
    assert_eq!(status.code(), Some(4));

    let server = hanging();
    let (mut child, _home) = publish_lines(V1, &server).args(&["--timeout=600"]).spawn();
    let mut input = child.stdin.take().unwrap();
    input.write_all(publish_params(1..=100).as_bytes()).unwrap();
    server.wait_for_requests(1);
    // Two signals may merge if the first has not been handled yet, so they are sent until the exit.
    while child.try_wait().unwrap().is_none() {
        send_signal(&child, "-TERM");
        std::thread::yield_now();
    }
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn signal_during_backoff_cancels_retry() {
    let server = V1.server().script(respond(&Response::new(503).header("Retry-After", "60")));
    let (mut child, _home) = publish_lines(V1, &server).args(&["--retry=3"]).spawn();
    let mut input = child.stdin.take().unwrap();
    input.write_all(publish_params(1..=2).as_bytes()).unwrap();
    let mut output = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    assert!(text.starts_with("cent: attempt 1 of 4 failed: ") && text.ends_with("; retrying in 60.0 s\n"), "{text}");
    send_signal(&child, "-TERM");
    text.clear();
    output.read_to_string(&mut text).unwrap();
    let error = format!("{}/api/: service unavailable (503); nothing was accepted: try again later", server.address());
    let summary = "interrupted by SIGTERM: no lines accepted: run again from line 1";
    assert_eq!(text, format!("cent: {error}\ncent: {summary}\n"));
    assert_eq!((child.wait().unwrap().code(), server.requests().len()), (Some(143), 1));
    drop(input);
}

#[test]
fn closed_stdout_stops_run() {
    for form in ApiForm::ALL {
        let server = form.server();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let cent = publish_lines(form, &server).args(&["--batch=10"]).file("input", publish_params(1..=10_000));
        let input = File::open(cent.path("input")).unwrap();
        let output = cent.stdin(input).stdout(writer).run();
        let (accepted, unknown, next_line) = parse_summary(&output.stderr());
        assert_eq!((output.exit_code(), output.stderr().lines().count()), (Some(5), 1), "{}", output.stderr());
        assert!(output.stderr().starts_with("cent: standard output closed: lines 1-"), "{}", output.stderr());
        assert_eq!((unknown, next_line), (accepted, Some(accepted + 1)));
        assert_eq!(received_numbers(&server), numbers(1, accepted));
        // The batch whose replies could not be written.
        assert_eq!(accepted, 10);
    }
}

#[test]
fn closed_stdout_after_last_line_is_ignored() {
    let server = V1.server();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let cent = publish_lines(V1, &server).file("input", publish_params(1..=5));
    let input = File::open(cent.path("input")).unwrap();
    let output = cent.stdin(input).stdout(writer).run();
    output.assert_output(0, "", "cent: standard output closed: lines 1-5 accepted; no lines remain\n");
}

#[test]
fn full_disk_stops_run() {
    let server = V1.server();
    let cent = publish_lines(V1, &server).args(&["--batch=10"]).file("input", publish_params(1..=10_000));
    let input = File::open(cent.path("input")).unwrap();
    let output = cent.stdin(input).stdout(File::create("/dev/full").unwrap()).run();
    let text = output.stderr();
    assert!(
        text.starts_with("cent: cannot write to standard output (the command was executed): no space left on device\n"),
        "{text}"
    );
    let (accepted, _, next_line) = parse_summary(&text);
    assert_eq!((output.exit_code(), next_line), (Some(4), Some(accepted + 1)));
    assert_eq!(received_numbers(&server), numbers(1, accepted));
}

#[test]
fn dry_run_separates_requests_by_blank_line() {
    // Without a server, nobody knows that it has the legacy form only.
    for form in [V1, Current] {
        let server = form.server().expect_no_connection();
        let output = publish_lines(form, &server).args(&["-n", "--batch=2"]).stdin_bytes(publish_params(1..=3)).run();
        assert_eq!(
            (output.exit_code(), output.stderr().as_str()),
            (Some(0), "cent: dry run: 3 commands in 2 requests, nothing sent\n")
        );
        let text = output.stdout();
        let url = form.batch_url(&server.address());
        assert_eq!(text.matches(&format!("POST {url}\n")).count(), 2, "{text}");
        assert!(text.contains(&format!("\n\nPOST {url}\n")) && text.contains(": [hidden]\n\n"), "{text}");
        let bad = publish_lines(form, &server).args(&["-n"]).stdin_bytes(line(1) + "x\n").run();
        assert_eq!(bad.exit_code(), Some(2));
        assert!(bad.stdout().starts_with("POST "), "{}", bad.stdout());
    }
}

#[test]
fn signal_stops_dry_run() {
    let (mut child, _home) = publish_lines(V1, &V1.server().expect_no_connection()).args(&["-n"]).spawn();
    let mut input = child.stdin.take().unwrap();
    input.write_all(publish_params(1..=1).as_bytes()).unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    send_signal(&child, "-TERM");
    let (status, text) = wait_for_exit(child);
    let summary = "cent: interrupted by SIGTERM: 1 command in 1 request, nothing sent\n";
    assert_eq!((status.code(), text.as_str()), (Some(143), summary));
    drop(input);
}

#[test]
fn closed_stdout_stops_dry_run() {
    let (mut child, _home) = publish_lines(V1, &V1.server().expect_no_connection()).args(&["-n", "--batch=1"]).spawn();
    let mut input = child.stdin.take().unwrap();
    drop(child.stdout.take());
    // Far more than a pipe holds: if the program kept reading, this would never end.
    while input.write_all(line(1).as_bytes()).is_ok() {}
    assert_eq!(wait_for_exit(child).0.code(), Some(0));
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
fn quiet_hides_summary_unless_stopped() {
    let server = V1.server();
    publish_lines(V1, &server).args(&["--quiet"]).stdin_bytes(publish_params(1..=3)).run().assert_output(0, "", "");
    let server = Server::start(Centrifugo::version(1).with_credential("another"));
    let output = publish_lines(V1, &server).args(&["--quiet"]).stdin_bytes(publish_params(1..=3)).run();
    assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(1), ""));
    assert_eq!(parse_summary(&output.stderr()), (0, 0, Some(1)));
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
