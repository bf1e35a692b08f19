//! A batch that the server rejects because of one line.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;

use super::{parse_summary, publish_lines, reply, request_sizes};
use crate::Current;
use crate::numbers::{line, lines, numbers, received, without_duration};
use crate::signals::send_signal;
use crate::support::cli::CentOutput;
use crate::support::server::{Response, Server, Step, fail_during_response, reject};

/// Passes the check of params, for which the last channel counts; the servers want all to be strings.
const WRONG_TYPE: &str = "{\"channel\": 5, \"channel\": \"plain:a\", \"data\": 0}\n";

/// What is reported of a line with a wrong type.
fn wrong_type_error(line: usize) -> String {
    format!(
        "cent: line {line}: publish: bad request (400); check the params for wrong types, or nesting that is too deep\n"
    )
}

#[track_caller]
fn assert_ends(output: &CentOutput, exit: i32, stderr: &str) {
    assert_eq!((output.exit_code(), without_duration(&output.stderr()).as_str()), (Some(exit), stderr));
}

#[test]
fn rejected_batch_is_halved_to_find_bad_lines() {
    // Line 2 is blank, lines 10 and 13 have wrong types.
    let input = line(1) + "\n" + &lines(3..=9) + WRONG_TYPE + &lines([11, 12]) + WRONG_TYPE;
    for major in 5..=7 {
        let server = Server::version(major);
        let output = publish_lines(Current, &server).stdin_bytes(input.clone() + &lines(14..=17)).run();
        let summary = "cent: 16 commands: 14 accepted, 2 rejected\n";
        assert_ends(&output, 1, &(wrong_type_error(10) + &wrong_type_error(13) + summary));
        assert_eq!(output.stdout(), reply(Current).repeat(14));
        assert_eq!(received(&server), [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17]);
        // All, the question whether this is version 1, and then halves.
        assert_eq!(request_sizes(&server), [16, 0, 8, 8, 4, 2, 1, 1, 2, 1, 1, 4]);
    }
}

#[test]
fn bad_line_may_be_first_last_or_in_later_batch() {
    let server = Current.server();
    let output = publish_lines(Current, &server).stdin_bytes(WRONG_TYPE.to_owned() + &lines(2..=3)).run();
    assert_ends(&output, 1, &(wrong_type_error(1) + "cent: 3 commands: 2 accepted, 1 rejected\n"));
    assert_eq!((request_sizes(&server), received(&server)), (vec![3, 0, 1, 2], numbers(2..=3)));

    let server = Current.server();
    let rejected = "{\"channel\": \"nope:a\", \"data\": 5}\n";
    let input = lines(1..=4) + rejected + &line(6) + &line(7) + WRONG_TYPE;
    let output = publish_lines(Current, &server).arg("--batch=4").stdin_bytes(input).run();
    let hint = "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
    let text = format!(
        "cent: line 5: publish: unknown channel (102); {hint}\n{}cent: 8 commands: 6 accepted, 2 rejected\n",
        wrong_type_error(8)
    );
    assert_ends(&output, 1, &text);
    assert_eq!((received(&server), request_sizes(&server)), (vec![1, 2, 3, 4, 6, 7], vec![4, 4, 2, 2, 1, 1]));
}

#[test]
fn server_that_accepts_nothing_stops_run() {
    let server = Current.server();
    let output = publish_lines(Current, &server).stdin_bytes(WRONG_TYPE.repeat(3) + &lines(4..=5)).run();
    let errors: String = (1..=3).map(wrong_type_error).collect();
    assert_ends(&output, 1, &(errors + "cent: no lines accepted: fix it, then run again from line 1\n"));
    assert_eq!((output.stdout(), received(&server)), (String::new(), Vec::new()));
    // Two may be bad. So may more, once the server has accepted one.
    let server = Current.server();
    let output = publish_lines(Current, &server).stdin_bytes(WRONG_TYPE.repeat(2)).run();
    assert_ends(
        &output,
        1,
        &(wrong_type_error(1) + &wrong_type_error(2) + "cent: 2 commands: 0 accepted, 2 rejected\n"),
    );
    let output = publish_lines(Current, &server).stdin_bytes(line(1) + &WRONG_TYPE.repeat(4)).run();
    let errors: String = (2..=5).map(wrong_type_error).collect();
    assert_ends(&output, 1, &(errors + "cent: 5 commands: 1 accepted, 4 rejected\n"));
    let output = publish_lines(Current, &server).stdin_bytes(WRONG_TYPE.repeat(2) + &line(3) + WRONG_TYPE).run();
    let errors: String = [1, 2, 4].map(wrong_type_error).concat();
    assert_ends(&output, 1, &(errors + "cent: 4 commands: 1 accepted, 3 rejected\n"));
}

#[test]
fn batch_that_is_accepted_in_halves_has_no_bad_line() {
    // As a gateway that rejects large requests in this way.
    let server = Current.server().script(reject(&Response::plain(400, "Bad Request")));
    let output = publish_lines(Current, &server).stdin_bytes(lines(1..=5)).run();
    assert_ends(&output, 0, "cent: 5 commands accepted\n");
    assert_eq!(received(&server), numbers(1..=5));
}

#[test]
fn failure_while_halving_leaves_exact_summary() {
    let answer = || vec![Step::Execute, Step::SendRest];
    // Requests: all 16, the question whether this is version 1, the first 8, the other 8, and the next 4.
    let input = lines(1..=12) + WRONG_TYPE + &lines(14..=16);
    let rejected = |requests| (0..requests).fold(Current.server(), |server, _| server.script(answer()));
    let lost = rejected(4).script(fail_during_response(0, Step::Reset));
    let output = publish_lines(Current, &lost).arg("--retry=3").stdin_bytes(input.clone()).run();
    assert_eq!((output.exit_code(), parse_summary(&output.stderr())), (Some(4), (8, 12, Some(13))));
    assert_eq!(output.stdout(), reply(Current).repeat(8));
    assert_eq!((received(&lost), request_sizes(&lost)), (numbers(1..=12), vec![16, 0, 8, 8, 4]));

    // What was not accepted is retried.
    for requests in 2..=5 {
        let unavailable = reject(&Response::new(503).header("Retry-After", "0"));
        let server = rejected(requests).script(unavailable);
        let output = publish_lines(Current, &server).arg("--retry=3").stdin_bytes(input.clone()).run();
        let text = without_duration(&output.stderr());
        assert!(text.starts_with("cent: attempt 1 of 4 failed: "), "{text}");
        let rest = wrong_type_error(13) + "cent: 16 commands: 15 accepted, 1 rejected\n";
        assert!(output.exit_code() == Some(1) && text.ends_with(&rest), "{text}");
        assert_eq!(received(&server), numbers((1..=12).chain(14..=16)));
    }
}

#[test]
fn signal_ends_halving() {
    let answer = || vec![Step::Execute, Step::SendRest];
    let unavailable = Response::new(503).header("Retry-After", "60");
    let server = Current.server().script(answer()).script(answer()).script(answer()).script(reject(&unavailable));
    let input = lines(1..=12) + WRONG_TYPE;
    let (mut child, _home) = publish_lines(Current, &server).args(&["--retry=3"]).spawn();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    stderr.read_line(&mut text).unwrap();
    assert!(text.ends_with("; retrying in 60.0 s\n"), "{text}");
    send_signal(child.id(), "-TERM");
    text.clear();
    stderr.read_to_string(&mut text).unwrap();
    let summary = "lines 1-6 accepted; line 7 onwards not accepted: resume with tail -n +7";
    assert!(text.ends_with(&format!("\ncent: interrupted by SIGTERM: {summary}\n")), "{text}");
    assert_eq!((child.wait().unwrap().signal(), received(&server)), (Some(15), numbers(1..=6)));
}
