//! Requests that fail: each line is executed once.

use super::{executed_but_failed, ok, requests_before, run, run_form, run_until_done};
use crate::numbers::{lines, numbers, received};
use crate::support::server::{
    Response, Script, Server, Step, fail_during_request, fail_during_response, reject, respond,
};
use crate::{ApiForm, Current};

const FAULTS: [fn() -> Script; 8] = [
    || vec![Step::Execute, Step::Close],
    || vec![Step::ReadAll, Step::Close],
    || vec![Step::Execute, Step::Reset],
    || vec![Step::Execute, Step::SendRange(0, 60), Step::Close],
    executed_but_failed,
    || vec![Step::ReadAll, Step::respond(&Response::new(500))],
    || reject(&Response::new(503)),
    || vec![Step::Execute, Step::Hang],
];

/// Fails each request of a job in turn.
fn for_each_fault(form: ApiForm, test: impl Fn(&Server, &str, bool)) {
    for fault in FAULTS.map(|fault| fault()) {
        // A slow machine needs more time for the requests that work.
        let timeout = if fault.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
        let is_executed = fault.contains(&Step::Execute);
        for failing in 0..3 {
            let server = form.server();
            (0..failing + requests_before(form)).for_each(|_| server.add_script(ok()));
            server.add_script(fault.clone());
            test(&server, timeout, is_executed);
            assert_eq!(received(&server), numbers(1..=6), "request {failing}: {fault:?}");
        }
    }
}

fn as_commands(input: &str) -> String {
    let command = |line: &str| format!("{{\"method\": \"publish\", \"params\": {line}}}\n");
    input.lines().map(command).collect()
}

#[test]
fn failed_requests_are_executed_once_with_keys() {
    for_each_fault(Current, |server, timeout, _| {
        assert_eq!(run_until_done(Current, server, &["publish", "--idempotent", timeout], &lines(1..=6), None), 2);
    });
}

#[test]
fn failed_requests_of_whole_commands_are_executed_once_with_keys() {
    for_each_fault(Current, |server, timeout, _| {
        assert_eq!(run_until_done(Current, server, &["--idempotent", timeout], &as_commands(&lines(1..=6)), None), 2);
    });
}

/// Settles what is unknown by what the server has received.
fn settle(form: ApiForm, server: &Server, timeout: &str, is_executed: bool) {
    let mut run = run_form(form, server, &["publish", timeout], &lines(1..=6), None);
    if run.exit_code() == 4 {
        let unknown = run.stderr();
        let last: usize = received(server).len();
        // The lines that are named are those that were executed last, or those that come next.
        let (first, last) = if is_executed { (last - 1, last) } else { (last + 1, last + 2) };
        assert!(unknown.contains(&format!("; lines {first}-{last} may have been executed: ")), "{unknown}");
        let choice = if is_executed { "--unknown=skip" } else { "--unknown=send" };
        run = run_form(form, server, &["publish", timeout, choice], &lines(1..=6), Some(&run.journal));
    } else {
        run = run_form(form, server, &["publish", timeout], &lines(1..=6), Some(&run.journal));
    }
    assert_eq!(run.exit_code(), 0, "{}", run.stderr());
}

#[test]
fn failed_requests_are_executed_once_with_answers() {
    for form in ApiForm::ALL {
        for_each_fault(form, |server, timeout, is_executed| settle(form, server, timeout, is_executed));
    }
}

/// The second of three requests is lost at every third byte of the request and of its response.
#[test]
fn request_lost_at_each_byte_is_executed_once_with_keys() {
    let args = ["publish", "--idempotent", "-q", "--timeout=60"];
    let uninterrupted_server = Current.server();
    run(&uninterrupted_server, &args, &lines(1..=6), None).assert(0, "");
    let request = &uninterrupted_server.requests()[2];
    let request_bytes = request.head().len() + request.body().len();
    let faults = (1..request_bytes).step_by(3).map(|bytes| fail_during_request(bytes, Step::Close));
    let responses = (0..100).step_by(3).map(|bytes| fail_during_response(bytes, Step::Close));
    for fault in faults.chain(responses) {
        let server = Current.server().script(ok()).script(ok()).script(fault.clone());
        let first = run(&server, &args, &lines(1..=6), None);
        assert_eq!(first.exit_code(), 4, "{fault:?}: {}", first.stderr());
        assert_eq!(run_until_done(Current, &server, &args, &lines(1..=6), Some(first.journal)), 1);
        assert_eq!(received(&server), numbers(1..=6), "{fault:?}");
    }
}

#[test]
fn retries_finish_in_one_run() {
    let server = Current.server().script(ok());
    for _ in 0..3 {
        server.add_script(respond(&Response::new(500).header("Retry-After", "0")));
        // The question whether the server recognizes keys, and the repetition.
        server.add_script(ok());
        server.add_script(ok());
    }
    let run = run(&server, &["publish", "--idempotent", "--retry=3", "-q"], &lines(1..=6), None);
    assert_eq!(run.exit_code(), 0, "{}", run.stderr());
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn unordered_lines_are_executed_once() {
    for failing in 0..3 {
        let server = Current.server();
        (0..=failing).for_each(|_| server.add_script(ok()));
        server.add_script(executed_but_failed());
        assert_eq!(
            run_until_done(Current, &server, &["publish", "--idempotent", "--unordered"], &lines(1..=6), None),
            2
        );
        let mut all = received(&server);
        all.sort_unstable();
        assert_eq!(all, numbers(1..=6));
    }
}
