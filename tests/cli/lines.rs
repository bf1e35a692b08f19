//! `--lines`: batches, order, and an exact summary of accepted, unknown and remaining lines.

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
use crate::{ApiForm, Legacy, V1};

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

/// Checks that no request has more commands; on a slow machine it may have fewer.
#[track_caller]
fn assert_max_commands(server: &Server, commands: usize) {
    for request in server.requests() {
        let count = request.body_text().matches("\"method\"").count();
        assert!(count <= commands, "{count} commands in a request");
    }
}

#[test]
fn lines_share_connection_in_batches_of_100() {
    for form in ApiForm::ALL {
        let server = form.server();
        let output = publish_lines(form, &server).stdin_bytes(publish_params(1..=1050)).run();
        assert_eq!(
            (output.exit_code(), stderr_without_duration(&output).as_str()),
            (Some(0), "cent: 1050 commands accepted")
        );
        assert_eq!(output.stdout(), reply(form).repeat(1050));
        assert_eq!(received_numbers(&server), numbers(1, 1050));
        assert_max_commands(&server, 100);
        assert_eq!(server.connections(), 1);
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
            let (size, commands) = (request.body().len(), request.body_text().matches("\"method\"").count());
            assert!(size <= 1_000_000 || commands == 1, "{commands} commands in {size} bytes");
        }
    }
}

#[test]
fn blank_lines_are_counted_but_not_sent() {
    let server = V1.server();
    let input = format!("\n{}\r\n \t\n{}\n{{\"channel\": \"nope:a\", \"data\": 1}}", line(1).trim(), line(2).trim());
    let output = publish_lines(V1, &server).stdin_bytes(input).run();
    let rejection = "line 5: publish: namespace not found; the channel's namespace (the part before the colon) must exist \
                   in the server's config";
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
        let summary = "line 1 accepted; line 2 onwards not accepted: resume with tail -n +2";
        assert_eq!(output.stderr(), format!("cent: standard input: line 3: {message}\ncent: {summary}\n"));
        assert_eq!((output.exit_code(), output.stdout().lines().count()), (Some(2), 1));
    }
}

#[test]
fn bad_line_stops_run_after_earlier_lines() {
    for form in ApiForm::ALL {
        let server = form.server();
        let input = publish_params(1..=5000) + "{\"channel\": \"plain:a\", 5001}\n" + &publish_params(5002..=10_000);
        let output = publish_lines(form, &server).stdin_bytes(input).run();
        let object = "use params such as {\"channel\": \"news\"}";
        assert_eq!(
            output.stderr(),
            format!(
                "cent: standard input: invalid JSON: object keys must be in double quotes at line 5001, column 24; {object}\n\
                 cent:   {{\"channel\": \"plain:a\", 5001}}\ncent:                          ^\n\
                 cent: lines 1-5000 accepted; line 5001 onwards not accepted: resume with tail -n +5001\n"
            )
        );
        assert_eq!(output.exit_code(), Some(2));
        assert_eq!(output.stdout(), reply(form).repeat(5000));
        assert_eq!(received_numbers(&server), numbers(1, 5000));
    }
}

#[test]
fn reports_first_twenty_reply_errors_by_line() {
    let server = Legacy.server();
    let bad = "{\"channel\": \"nope:a\", \"data\": 1}\n";
    let output = publish_lines(Legacy, &server).stdin_bytes(line(1) + &bad.repeat(25) + &line(27)).run();
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

#[test]
fn broadcast_channel_error_is_reported_by_line() {
    let server = Legacy.server();
    let input = "{\"channels\": [\"plain:a\", \"nope:b\"], \"data\": 1}\n";
    let output = Legacy.cent(&server).args(&["bananas", "broadcast", "--lines", "-q"]).stdin_bytes(input).run();
    let hint = "the channel's namespace (the part before the colon) must exist in the server's config";
    output.assert_output(
        1,
        "",
        &format!("cent: line 1: broadcast: channel \"nope:b\": unknown channel (102); {hint}\n"),
    );
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
    for _ in 0..index {
        server.add_script(vec![Step::Execute, Step::SendRest]);
    }
    // Short where the timeout has to expire, else long enough for a busy machine.
    let limit = if script.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
    server.add_script(script);
    let output = publish_lines(form, &server).args(&["--batch=50", limit]).stdin_bytes(publish_params(1..=250)).run();
    let text = output.stderr();
    assert_eq!(output.exit_code(), Some(exit), "{text}");
    let (accepted, unknown, next_line) = parse_summary(&text);
    // The three ranges adjoin: no gap, no overlap.
    assert!(accepted <= 50 * index, "{text}");
    assert!(if exit == 4 { accepted < unknown && unknown <= accepted + 50 } else { accepted == unknown }, "{text}");
    assert_eq!(next_line, (unknown < 250).then_some(unknown + 1), "{text}");
    assert!(next_line.is_some() || text.ends_with("; no lines remain\n"), "{text}");
    server.wait_for_requests(index + 1);
    let received_numbers = received_numbers(&server);
    assert!(
        received_numbers == numbers(1, accepted) || (exit == 4 && received_numbers == numbers(1, unknown)),
        "{text}: {received_numbers:?}"
    );
    assert_eq!(output.stdout(), reply(form).repeat(accepted));
    assert_eq!(server.requests().len(), index + 1);
}

#[test]
fn failed_request_stops_run_with_exact_summary() {
    let status = |code: u16| reject(&Response::new(code));
    let failures: [(Script, i32); 13] = [
        (fail_during_request(1, Step::Close), 4),
        (fail_during_request(200, Step::Reset), 4),
        (fail_during_request(100, Step::Hang), 4),
        (fail_during_response(0, Step::Close), 4),
        (fail_during_response(100, Step::Reset), 4),
        (fail_during_response(30, Step::Hang), 4),
        (corrupt_response(50), 4),
        (respond(&Response::plain(502, "bad gateway")), 4),
        (respond(&Response::plain(400, "Bad Request")), 4),
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
}

#[test]
fn wrong_reply_count_is_unknown_and_printed() {
    let server = Legacy.server().script(respond(&Response::json("{}\n{}")));
    let output = publish_lines(Legacy, &server).stdin_bytes(publish_params(1..=5)).run();
    let hint = "the command may have been executed: check before retrying, and check the address";
    let summary = "no lines accepted; lines 1-5 may have been executed: check them (sed -n 1,5p); no lines remain";
    output.assert_output(
        4,
        "{}\n{}\n",
        &format!("cent: {}/api: expected 5 replies, got 2; {hint}\ncent: {summary}\n", server.address()),
    );
}

#[test]
fn resume_from_summary_line() {
    for form in ApiForm::ALL {
        let first = form.server();
        for _ in 0..30 {
            first.add_script(vec![Step::Execute, Step::SendRest]);
        }
        first.add_script(fail_during_response(0, Step::Reset));
        let input = publish_params(1..=10_000);
        let stopped = publish_lines(form, &first).stdin_bytes(input.clone()).run();
        let (_, unknown, next_line) = parse_summary(&stopped.stderr());
        assert_eq!((stopped.exit_code(), next_line), (Some(4), Some(unknown + 1)));
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
    const LAST: usize = 3000;
    for form in ApiForm::ALL {
        // Shared by all servers of the test.
        let history = Arc::new(form.centrifugo());
        let input = publish_params(1..=LAST);
        let (mut done, mut unknown) = (0, Vec::new());
        for killed_at in [400, 1500, usize::MAX] {
            let server = Server::start(Arc::clone(&history));
            let rest: String = input.split_inclusive('\n').skip(done).collect();
            let call = publish_lines(form, &server).arg("--batch=10").stdin_bytes(rest);
            let running = thread::spawn(|| call.run());
            while history.messages("plain:a").len() < killed_at && !running.is_finished() {
                thread::yield_now();
            }
            drop(server);
            let output = running.join().unwrap();
            if output.exit_code() == Some(0) {
                done = LAST;
                break;
            }
            let (accepted, unknown_to, next_line) = parse_summary(&output.stderr());
            assert!(
                matches!((output.exit_code(), unknown_to - accepted), (Some(3), 0) | (Some(4), 1..=10)),
                "{}",
                output.stderr()
            );
            unknown.extend(done + accepted + 1..=done + unknown_to);
            done += next_line.unwrap_or(LAST + 1 - done) - 1;
        }
        assert_eq!(done, LAST);
        let history: Vec<usize> =
            history.messages_as_text("plain:a").iter().map(|text| text.parse().unwrap()).collect();
        // Each number once and in order; only unknown ones may be missing.
        assert!(history.is_sorted_by(|one, next| one < next), "{history:?}");
        let missing: Vec<usize> = numbers(1, LAST).into_iter().filter(|number| !history.contains(number)).collect();
        assert!(missing.iter().all(|number| unknown.contains(number)), "{missing:?} of {unknown:?}");
    }
}

#[test]
fn reconnects_after_close_between_requests() {
    for form in ApiForm::ALL {
        let server = form.server();
        for _ in 0..5 {
            server.add_script(vec![Step::Execute, Step::SendRest, Step::Close]);
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
            server.wait_for_requests(number);
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
        assert_eq!(server.requests().len(), 3);
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
        assert_eq!((output.exit_code(), output.stderr().lines().count()), (Some(4), 1), "{}", output.stderr());
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
    for form in ApiForm::ALL {
        let server = form.server().expect_no_connection();
        let output = publish_lines(form, &server).args(&["-n", "--batch=2"]).stdin_bytes(publish_params(1..=3)).run();
        assert_eq!(
            (output.exit_code(), output.stderr().as_str()),
            (Some(0), "cent: dry run: 3 commands in 2 requests, nothing sent\n")
        );
        let text = output.stdout();
        let url = form.url(&server.address());
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
    let summary = "no lines accepted: run again from line 1";
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
        "cent: standard input: read error at line 1: is a directory\ncent: no lines accepted: run again from line 1\n",
    );
}
