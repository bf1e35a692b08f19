//! `--retry`: only what was not accepted is retried.

use crate::support::cli::{Cent, CentOutput};
use crate::support::server::{ClosedPort, Response, Script, Server, Step, reject};
use crate::{ApiForm, PLAIN, V1};

fn publish(cent: Cent) -> Cent {
    cent.args(&["bananas", "publish", "--params", PLAIN])
}

/// A temporary rejection without a body that asks for a retry at once.
fn unavailable(status: u16) -> Script {
    reject(&Response::new(status).header("Retry-After", "0"))
}

/// The message after a failed attempt.
fn retry_notice(form: ApiForm, server: &Server, error: &str, attempt: u32, attempts: u32) -> String {
    let url = form.url(&server.address());
    format!(
        "cent: attempt {attempt} of {attempts} failed: {url}: {error}; nothing was accepted: try again later; \
         retrying\n"
    )
}

/// Compares all of the output but the length of pauses, which is random.
#[track_caller]
fn assert_output(output: &CentOutput, exit_code: i32, stdout: &str, stderr: &str) {
    let without_pause = |line: &str| match line.rsplit_once(" in ") {
        Some((before, pause)) if pause.ends_with(" s") => format!("{before}\n"),
        _ => format!("{line}\n"),
    };
    let text: String = output.stderr().lines().map(without_pause).collect();
    assert_eq!((output.exit_code(), output.stdout().as_str(), text.as_str()), (Some(exit_code), stdout, stderr));
}

#[test]
fn retries_until_accepted() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, unavailable(503)).script(unavailable(503));
        let text = [1, 2].map(|attempt| retry_notice(form, &server, "service unavailable (503)", attempt, 4)).concat();
        assert_output(&publish(form.cent(&server)).args(&["--retry", "3"]).run(), 0, form.published(), &text);
        assert_eq!(server.requests().len(), form.requests_before() + 3);
        assert_eq!(server.centrifugo().executed(), ["publish"]);
    }
}

#[test]
fn quiet_success_hides_retries() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, unavailable(503)).script(unavailable(503));
        publish(form.cent(&server)).args(&["--retry=3", "-q"]).run().assert_output(0, "", "");
    }
    let server = V1.server().script(unavailable(503));
    let cent = V1.cent(&server).args(&["bananas", "publish", "--lines", "-q", "--retry=1"]);
    cent.stdin_bytes(format!("{PLAIN}\n")).run().assert_output(0, "", "");
}

#[test]
fn first_backoff_is_at_most_half_second() {
    let server = V1.server().script(reject(&Response::new(503)));
    let output = publish(V1.cent(&server)).args(&["--retry=1"]).run();
    assert_eq!((output.exit_code(), server.requests().len()), (Some(0), 2));
    let text = output.stderr();
    assert!(text.starts_with("cent: attempt 1 of 2 failed: "), "{text}");
    let (_, pause) = text.trim_end().split_once("; retrying in ").expect("the retry is reported");
    assert!(["0.3 s", "0.4 s", "0.5 s", "0.2 s"].contains(&pause), "{text}");
}

/// Varnish sends such a header with 429.
#[test]
fn retry_after_is_never_shorter_than_backoff() {
    let past = "Thu, 02 Jan 2020 12:00:07 GMT";
    for retry_after in ["0", past] {
        let server = V1.server().script(reject(&Response::new(429).header("Retry-After", retry_after)));
        let text = publish(V1.cent(&server)).args(&["--retry=1"]).run().stderr();
        let (_, pause) = text.trim_end().split_once("; retrying in ").expect("the retry is reported");
        assert!(["0.3 s", "0.4 s", "0.5 s", "0.2 s"].contains(&pause), "{text}");
    }
}

#[test]
fn last_attempt_reports_plain_error() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, unavailable(429)).script(unavailable(429)).script(unavailable(429));
        let error = "too many requests (429)";
        let url = form.url(&server.address());
        let text = [1, 2].map(|attempt| retry_notice(form, &server, error, attempt, 3)).concat()
            + &format!("cent: {url}: {error}; nothing was accepted: try again later\n");
        assert_output(&publish(form.cent(&server)).args(&["--retry=2"]).run(), 3, "", &text);
        assert_eq!(server.requests().len(), form.requests_before() + 3);
    }
}

#[test]
fn never_retries_status_1_or_4() {
    for form in ApiForm::ALL {
        let limit = |script: &Script| if script.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
        for (script, exit) in [
            (vec![Step::Execute, Step::Hang], 4),
            (vec![Step::Execute, Step::Close], 4),
            (reject(&Response::new(502)), 4),
            (reject(&Response::plain(503, "from a proxy")), 4),
            (reject(&Response::new(401)), 1),
        ] {
            let limit = limit(&script);
            let server = form.server().script_for(form, script);
            let output = publish(form.cent(&server)).args(&["--retry=3", limit]).run();
            assert_eq!((output.exit_code(), output.stderr().lines().count()), (Some(exit), 1), "{}", output.stderr());
            let requests = form.requests_before() + 1;
            assert_eq!(server.wait_for_requests(requests).len(), requests);
        }
    }
}

#[test]
fn long_retry_after_stops_retrying() {
    for date in ["61", "Fri, 31 Dec 2100 23:59:59 GMT"] {
        let server = V1.server().script(reject(&Response::new(503).header("Retry-After", date)));
        let output = publish(V1.cent(&server)).args(&["--retry=3"]).run();
        assert_eq!((output.exit_code(), server.requests().len()), (Some(3), 1));
        let text = output.stderr();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("cent: not retrying: the server's Retry-After ("), "{text}");
        assert!(lines[0].ends_with(" s) exceeds 60 s"), "{text}");
        let error = "service unavailable (503); nothing was accepted: try again later";
        assert_eq!(lines[1..], [format!("cent: {}/api/: {error}", server.address())]);
    }
}

#[test]
fn past_retry_after_date_is_ignored() {
    let past = Response::new(503).header("Retry-After", "Thu, 02 Jan 2020 12:00:07 GMT");
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, reject(&past));
        let text = retry_notice(form, &server, "service unavailable (503)", 1, 2);
        assert_output(&publish(form.cent(&server)).args(&["--retry=1"]).run(), 0, form.published(), &text);
    }
}

#[test]
fn connection_refused_is_retried() {
    let port = ClosedPort::bind();
    let output = publish(V1.cent_at(&port.address())).args(&["--retry=1"]).run();
    let text = output.stderr();
    assert_eq!((output.exit_code(), text.lines().count()), (Some(3), 2), "{text}");
    assert!(text.contains("the port is correct; retrying in "), "{text}");
}

#[test]
fn unavailable_batch_is_retried_in_order() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, vec![Step::Execute, Step::SendRest]);
        let server = server.script(unavailable(503)).script(unavailable(425));
        let input =
            [1, 2, 3, 4, 5].map(|number| format!("{{\"channel\": \"plain:a\", \"data\": {number}}}\n")).concat();
        let words = ["bananas", "publish", "--lines", "--batch=2", "--retry=2"];
        let output = form.cent(&server).args(&words).stdin_bytes(input).run();
        assert_eq!((output.exit_code(), output.stderr().lines().count()), (Some(0), 3), "{}", output.stderr());
        assert_eq!(server.centrifugo().messages_as_text("plain:a"), ["1", "2", "3", "4", "5"]);
        assert_eq!(server.requests().len(), form.requests_before() + 5);
    }
}

#[test]
fn quiet_error_says_after_how_many_attempts() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, unavailable(503)).script(unavailable(503)).script(unavailable(503));
        let text = format!(
            "cent: after 3 attempts: {}: service unavailable (503); nothing was accepted: try again later\n",
            form.url(&server.address())
        );
        publish(form.cent(&server)).args(&["--retry=2", "-q"]).run().assert_output(3, "", &text);
        let server = form.server().script_for(form, unavailable(503)).script(unavailable(503));
        let lines = "{\"channel\": \"plain:a\", \"data\": 1}\n";
        let words = ["bananas", "publish", "--lines", "--retry=1", "-q"];
        let output = form.cent(&server).args(&words).stdin_bytes(lines).run();
        let text = format!(
            "cent: after 2 attempts: {}: service unavailable (503); nothing was accepted: try again later\n\
             cent: no lines accepted: run again from line 1\n",
            form.batch_url(&server.address())
        );
        output.assert_output(3, "", &text);
    }
}

#[test]
fn retry_max_time_ends_attempts() {
    for form in ApiForm::ALL {
        let error = "service unavailable (503)";
        let server = form.server().script_for(form, unavailable(503));
        server.add_script(reject(&Response::new(503).header("Retry-After", "30")));
        let output = publish(form.cent(&server)).args(&["--retry=9", "--retry-max-time=0.2m"]).run();
        let url = form.url(&server.address());
        let text = [
            retry_notice(form, &server, error, 1, 10),
            "cent: not retrying: the pause of 30.0 s would end later than --retry-max-time (12 s)\n".to_owned(),
            format!("cent: {url}: {error}; nothing was accepted: try again later\n"),
        ];
        assert_output(&output, 3, "", &text.concat());
        assert_eq!(server.requests().len(), form.requests_before() + 2);
    }
}

#[test]
fn retry_max_time_counts_for_each_request() {
    let server = V1.server();
    for _ in 0..5 {
        server.add_script(reject(&Response::new(503)));
        server.add_script(vec![Step::Execute, Step::SendRest]);
    }
    // The shortest pauses of five requests take longer, the longest one of a single request does not.
    let args = ["bananas", "publish", "--lines", "--batch=1", "--retry=1", "--retry-max-time=1200ms", "-q"];
    let output = V1.cent(&server).args(&args).stdin_bytes(format!("{PLAIN}\n").repeat(5)).run();
    output.assert_output(0, "", "");
    assert_eq!(server.requests().len(), 10);
}
