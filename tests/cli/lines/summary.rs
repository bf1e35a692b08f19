//! The exact summary of a run that a failed request ends.

use super::{parse_summary, publish_lines, reply};
use crate::numbers::{lines, numbers, received};
use crate::support::server::{
    Centrifugo, Response, Script, Server, Step, corrupt_response, fail_during_request, fail_during_response, reject,
    respond,
};
use crate::{ApiForm, Legacy, V1};

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
    let output = publish_lines(form, &server).args(&["--batch=50", limit]).stdin_bytes(lines(1..=250)).run();
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
    let received = received(&server);
    assert!(
        received == numbers(1..=accepted) || (exit == 4 && received == numbers(1..=unknown)),
        "{text}: {received:?}"
    );
    assert_eq!(output.stdout(), reply(form).repeat(accepted));
    assert_eq!(server.requests().len(), requests);
}

#[test]
fn failed_request_stops_run_with_exact_summary() {
    let status = |code: u16| reject(&Response::new(code));
    let failures: [(Script, i32); 11] = [
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
fn quiet_hides_summary_unless_stopped() {
    let server = V1.server();
    publish_lines(V1, &server).args(&["--quiet"]).stdin_bytes(lines(1..=3)).run().assert_output(0, "", "");
    let server = Server::start(Centrifugo::version(1).with_credential("another"));
    let output = publish_lines(V1, &server).args(&["--quiet"]).stdin_bytes(lines(1..=3)).run();
    assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(1), ""));
    assert_eq!(parse_summary(&output.stderr()), (0, 0, Some(1)));
}
