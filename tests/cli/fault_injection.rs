//! A sample of the injected faults, as the user of the program sees them.

use std::thread;

use crate::support::server::{
    Response, Script, Step, corrupt_response, fail_during_request, fail_during_response, reject, respond,
};
use crate::{ApiForm, PLAIN};

/// Runs one call against the script; checks exit status, messages, empty standard output and the number of requests.
#[track_caller]
fn assert_fails(form: ApiForm, script: &Script, exit: i32, message: &str) {
    // One for each attempt.
    let server = form.server().script_for(form, script.clone()).script(script.clone()).script(script.clone());
    let output = form.cent(&server).args(&["bananas", "publish", "--retry=2", "--params", PLAIN]).run();
    let (text, url) = (output.stderr(), form.url(&server.address()));
    let attempts = if exit == 3 { 3 } else { 1 };
    assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(exit), ""), "{script:?}: {text}");
    assert_eq!(text.lines().count(), attempts, "{text}");
    for (number, line) in (1..).zip(text.lines()) {
        let attempt = if number < attempts { format!("attempt {number} of 3 failed: ") } else { String::new() };
        assert!(line.starts_with(&format!("cent: {attempt}{url}: ")) && line.contains(message), "{text}");
    }
    // An empty request to the same path gets a redirect, too.
    let questions = usize::from(message.starts_with("redirected"));
    let requests = form.requests_before() + attempts + questions;
    assert_eq!(server.wait_for_requests(requests).len(), requests, "{text}");
    let executed = server.centrifugo().executed().len();
    assert_eq!(executed, usize::from(script.contains(&Step::Execute)), "{text}");
}

#[test]
fn faults_map_to_exit_status_and_retry() {
    const CLOSED: &str = "connection closed before the response was complete";
    let unavailable = |status| reject(&Response::new(status).header("Retry-After", "0"));
    let faults: Vec<(Script, i32, &str)> = vec![
        (fail_during_request(0, Step::Close), 4, CLOSED),
        (fail_during_request(150, Step::Close), 4, CLOSED),
        (fail_during_request(150, Step::Reset), 4, "connection reset by peer"),
        (fail_during_response(0, Step::Close), 4, CLOSED),
        (fail_during_response(12, Step::Close), 4, CLOSED),
        (fail_during_response(60, Step::Reset), 4, ""),
        (fail_during_response(120, Step::Close), 4, CLOSED),
        (corrupt_response(40), 4, "invalid HTTP response"),
        (respond(&Response::json("<html>")), 4, "HTML or XML"),
        (respond(&Response::new(204)), 4, "HTTP status 204"),
        (respond(&Response::new(502)), 4, "bad gateway (502)"),
        (respond(&Response::plain(503, "busy")), 4, "service unavailable (503)"),
        (reject(&Response::new(302).header("Location", "/x")), 1, "redirected (302) to /x"),
        (reject(&Response::new(410)), 1, "HTTP status 410"),
        (reject(&Response::new(407)), 1, "(407)"),
        (unavailable(408), 3, "request timeout (408)"),
        (unavailable(425), 3, "too early (425)"),
        (unavailable(429), 3, "too many requests (429)"),
        (unavailable(503), 3, "service unavailable (503)"),
    ];
    thread::scope(|scope| {
        for form in ApiForm::ALL {
            for (script, exit, message) in &faults {
                scope.spawn(move || assert_fails(form, script, *exit, message));
            }
        }
    });
}
