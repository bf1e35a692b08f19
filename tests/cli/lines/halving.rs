//! A batch that the server rejects because of one line.

use super::{parse_summary, publish_lines, reply, request_sizes};
use crate::Current;
use crate::numbers::{line, lines, numbers, received};
use crate::support::server::{Response, Server, Step, fail_during_response, reject};

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
    let input = line(1) + "\n" + &lines(3..=9) + WRONG_TYPE + &lines([11, 12]) + WRONG_TYPE;
    for major in 5..=7 {
        let server = Server::version(major);
        let output = publish_lines(Current, &server).stdin_bytes(input.clone() + &lines(14..=17)).run();
        let summary = "cent: lines 1-9 accepted; line 10 onwards not accepted: resume with tail -n +10\n";
        let text = wrong_type_error(&server, 10, 9) + summary;
        output.assert_output(5, &reply(Current).repeat(8), &text);
        assert_eq!(received(&server), [1, 3, 4, 5, 6, 7, 8, 9]);
        // All, the question whether this is version 1, 8 accepted ones, and what the ninth is found in.
        assert_eq!(request_sizes(&server), [16, 0, 8, 4, 2, 1]);
    }
}

#[test]
fn bad_line_may_be_first_or_in_later_batch() {
    let server = Current.server();
    let output = publish_lines(Current, &server).stdin_bytes(WRONG_TYPE.to_owned() + &lines(2..=3)).run();
    let text = wrong_type_error(&server, 1, 1) + "cent: no lines accepted: run again from line 1\n";
    output.assert_output(1, "", &text);
    assert_eq!((request_sizes(&server), server.centrifugo().executed().len()), (vec![3, 0, 1], 0));

    let server = Current.server();
    let rejected = "{\"channel\": \"nope:a\", \"data\": 5}\n";
    let input = lines(1..=4) + rejected + &line(6) + WRONG_TYPE + &line(8);
    let output = publish_lines(Current, &server).arg("--batch=4").stdin_bytes(input).run();
    let hint = "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
    let summary = "cent: lines 1-6: 5 accepted, 1 rejected; line 7 onwards not accepted: resume with tail -n +7\n";
    let text =
        format!("cent: line 5: publish: unknown channel (102); {hint}\n{}{summary}", wrong_type_error(&server, 7, 3));
    assert_eq!((output.exit_code(), output.stderr()), (Some(5), text));
    assert_eq!((received(&server), request_sizes(&server)), (vec![1, 2, 3, 4, 6], vec![4, 4, 2, 1]));
}

#[test]
fn failure_while_halving_leaves_exact_summary() {
    let answer = || vec![Step::Execute, Step::SendRest];
    // Requests: all 16, the question whether this is version 1, the first 8, and the next 4.
    let input = lines(1..=12) + WRONG_TYPE + &lines(14..=16);
    let rejected = || Current.server().script(answer()).script(answer());
    let lost = rejected().script(answer()).script(fail_during_response(0, Step::Reset));
    let output = publish_lines(Current, &lost).arg("--retry=3").stdin_bytes(input.clone()).run();
    assert_eq!((output.exit_code(), parse_summary(&output.stderr())), (Some(4), (8, 16, None)), "{}", output.stderr());
    assert_eq!(output.stdout(), reply(Current).repeat(8));
    assert_eq!((received(&lost), request_sizes(&lost)), (numbers(1..=12), vec![16, 0, 8, 4]));

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
    assert_eq!((received(&server), request_sizes(&server)), (numbers(1..=8), vec![16, 0, 8, 0]));

    let server = rejected().script(unavailable());
    let output = publish_lines(Current, &server).arg("--retry=3").stdin_bytes(input).run();
    // Nothing had been executed: it is.
    assert_eq!(
        (output.exit_code(), parse_summary(&output.stderr())),
        (Some(5), (12, 12, Some(13))),
        "{}",
        output.stderr()
    );
    assert_eq!(received(&server), numbers(1..=12));
}
