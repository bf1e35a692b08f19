//! The exit statuses: a script that follows the table never loses or doubles a line, and commands that only read are
//! safe to retry.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use crate::numbers::{line, received};
use crate::support::cli::{Cent, CentOutput};
use crate::support::server::{
    ClosedPort, Response, Script, Server, Step, corrupt_response, fail_during_request, fail_during_response, reject,
    respond,
};
use crate::{ApiForm, Current, Legacy, V1};

/// How many lines a run has, and how many of them are in a request.
const LINES: usize = 250;
const BATCH: usize = 50;

fn numbered_lines() -> Vec<String> {
    (1..=LINES).map(line).collect()
}

fn publish_lines(form: ApiForm, address: &str) -> Cent {
    form.cent_at(address).args(&["bananas", "publish", "--lines", "--batch", &BATCH.to_string(), "--timeout=60"])
}

/// The line to resume at, by the summary.
fn resume_line(text: &str) -> usize {
    let summary = text.lines().last().unwrap_or_default();
    match summary.split_once("resume with tail -n +") {
        Some((_, number)) => number.parse().expect("it is a number"),
        // On a slow machine a signal may come before the first response.
        None if summary.ends_with("no lines accepted: run again from line 1") => 1,
        None => panic!("no line to resume at: {text}"),
    }
}

/// The first and the last unknown line, by the summary.
fn unknown_lines(text: &str) -> (usize, usize) {
    let summary = text.lines().last().unwrap_or_default();
    let (before, _) = summary.split_once(" may have been executed: check ").expect("unknown lines are named");
    let range = before.rsplit(' ').next().unwrap_or_default();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    (first.parse().expect("it is a number"), last.parse().expect("it is a number"))
}

/// What a script has done that follows the exit table.
#[derive(Debug)]
struct Followed {
    statuses: Vec<i32>,
    /// The lines from this one on are left.
    next: usize,
    /// The lines whose outcome is unknown.
    unknown: Option<(usize, usize)>,
}

/// Runs the lines until they are done or only a person can help: 3 runs again, 5 resumes at the named line, the others
/// end it.
fn follow_table(lines: &[String], run: impl Fn(String) -> CentOutput) -> Followed {
    let mut followed = Followed { statuses: Vec::new(), next: 1, unknown: None };
    loop {
        let output = run(lines[followed.next - 1..].concat());
        let (status, text) = (output.exit_code().expect("it exits"), output.stderr());
        followed.statuses.push(status);
        let before = followed.next - 1;
        match status {
            0 => {
                followed.next = lines.len() + 1;
                return followed;
            }
            3 if followed.statuses.len() < 5 => {}
            5 => {
                followed.next = before + resume_line(&text);
                assert!(followed.next > before + 1, "5 without progress: {text}");
            }
            4 => {
                let (first, last) = unknown_lines(&text);
                followed.unknown = Some((before + first, before + last));
                followed.next = before + last + 1;
                return followed;
            }
            1 | 2 => return followed,
            _ => panic!("status {status}: {text}"),
        }
    }
}

/// Each line was received once and in order; only unknown ones may be missing.
#[track_caller]
fn assert_exact(followed: &Followed, received: &[usize], context: &str) {
    assert!(received.is_sorted_by(|one, next| one < next), "{context}: doubled or out of order: {received:?}");
    let is_unknown = |number: &usize| followed.unknown.is_some_and(|(first, last)| (first..=last).contains(number));
    let missing: Vec<usize> = (1..followed.next).filter(|number| !received.contains(number)).collect();
    assert!(missing.iter().all(is_unknown), "{context}: lost {missing:?} in {followed:?}");
    assert!(received.iter().all(|number| *number < followed.next), "{context}: {received:?} in {followed:?}");
}

/// A fault, and the statuses of the runs that follow the table: if it meets the first request, and a later one.
struct Fault {
    name: &'static str,
    script: Script,
    first: &'static [i32],
    later: &'static [i32],
}

fn faults(form: ApiForm) -> Vec<Fault> {
    let fault = |name, script, first, later| Fault { name, script, first, later };
    let status = |code: u16| reject(&Response::new(code));
    let unknown = |name, script| fault(name, script, &[4], &[4]);
    let mut faults = vec![
        fault("503", status(503), &[3, 0], &[5, 0]),
        fault("429", status(429), &[3, 0], &[5, 0]),
        fault("425", status(425), &[3, 0], &[5, 0]),
        fault("408", status(408), &[3, 0], &[5, 0]),
        fault("401", status(401), &[1], &[5, 0]),
        // Smaller requests are accepted.
        fault("413", status(413), &[0], &[0]),
        unknown("302", reject(&Response::new(302).header("Location", "http://h/"))),
        unknown("closed at the first byte", fail_during_request(1, Step::Close)),
        unknown("reset in the headers", fail_during_request(100, Step::Reset)),
        unknown("closed in the body", fail_during_request(400, Step::Close)),
        unknown("no response", vec![Step::Execute, Step::Close]),
        unknown("reset in the response", fail_during_response(100, Step::Reset)),
        unknown("closed in the response", fail_during_response(30, Step::Close)),
        unknown("garbage in the response", corrupt_response(50)),
        unknown("502", respond(&Response::plain(502, "bad gateway"))),
        unknown("503 with a body", respond(&Response::plain(503, "from a proxy"))),
        unknown("too few replies", respond(&form.batch_replies(form.publish_reply(), BATCH - 1))),
    ];
    // A batch of the current form is rejected as a whole, so it is sent in halves, and the server accepts those; else parts
    // may have been executed.
    let bad_request = reject(&Response::plain(400, "Bad Request"));
    faults.push(match form {
        Current => fault("400", bad_request, &[0], &[0]),
        V1 | Legacy => unknown("400", bad_request),
    });
    faults
}

/// After how many requests the fault comes: before any batch is answered, or after one or four of them. The first request
/// to a server with the older form only is sent in the current form before.
fn positions(form: ApiForm, fault: &Fault) -> Vec<(usize, bool)> {
    match form {
        // A bad request in the current form says nothing about the older one.
        Legacy if fault.name == "400" => vec![(1, true), (2, false), (5, false)],
        V1 | Current => vec![(0, true), (1, false), (4, false)],
        Legacy => vec![(0, true), (1, true), (2, false), (5, false)],
    }
}

/// Runs a check for each form of the API, fault and position, the faults at the same time.
fn for_each_fault(check: fn(ApiForm, &Fault, usize, bool)) {
    thread::scope(|scope| {
        for form in ApiForm::ALL {
            for fault in faults(form) {
                scope.spawn(move || {
                    for (requests, is_first) in positions(form, &fault) {
                        check(form, &fault, requests, is_first);
                    }
                });
            }
        }
    });
}

/// A server on which the fault comes after so many requests.
fn server_with_fault(form: ApiForm, fault: &Fault, requests: usize) -> Server {
    let server = form.server();
    for _ in 0..requests {
        server.add_script(vec![Step::Execute, Step::SendRest]);
    }
    server.add_script(fault.script.clone());
    server
}

#[test]
fn script_that_follows_table_loses_and_doubles_nothing() {
    for_each_fault(assert_followed);
}

#[track_caller]
fn assert_followed(form: ApiForm, fault: &Fault, requests: usize, is_first: bool) {
    let context = format!("{form:?}, {} after {requests} requests", fault.name);
    let server = server_with_fault(form, fault, requests);
    let address = server.address();
    let followed = follow_table(&numbered_lines(), |input| publish_lines(form, &address).stdin_bytes(input).run());
    assert_eq!(followed.statuses, if is_first { fault.first } else { fault.later }, "{context}");
    server.wait_for_requests(requests + 1);
    assert_exact(&followed, &received(&server), &context);
}

#[test]
fn rejected_lines_are_done() {
    for form in ApiForm::ALL {
        for bad in [1, 120, LINES] {
            let server = form.server();
            let mut lines = numbered_lines();
            lines[bad - 1] = "{\"channel\": \"nope:a\", \"data\": 1}\n".to_owned();
            let address = server.address();
            let followed = follow_table(&lines, |input| publish_lines(form, &address).stdin_bytes(input).run());
            assert_eq!(followed.statuses, [1]);
            assert_eq!(received(&server), (1..=LINES).filter(|number| *number != bad).collect::<Vec<_>>());
        }
    }
}

#[test]
fn invalid_line_has_status_2_only_if_it_is_first() {
    for form in ApiForm::ALL {
        for bad in ["{\"channel\": \"plain:a\", 1}\n", "[]\n", "{\"channel\": \"plain:a\"}\n", "\u{feff}{}\n"] {
            for (number, statuses) in [(1, &[2][..]), (2, &[5, 2]), (120, &[5, 2]), (LINES, &[5, 2])] {
                let server = form.server().allow_no_connection();
                let mut lines = numbered_lines();
                lines[number - 1] = bad.to_owned();
                let address = server.address();
                let followed = follow_table(&lines, |input| publish_lines(form, &address).stdin_bytes(input).run());
                assert_eq!(followed.statuses, statuses, "{form:?} {bad} {number}");
                assert_eq!((followed.next, received(&server)), (number, (1..number).collect()));
            }
        }
    }
}

#[test]
fn command_that_rejects_its_batch_is_a_rejected_line() {
    let bad_request = || reject(&Response::plain(400, "Bad Request"));
    let accept = || vec![Step::Execute, Step::SendRest];
    // The batch, the probe for Centrifugo 1, and the first half of the batch.
    let first = vec![bad_request(), accept(), bad_request()];
    let later = vec![accept(), bad_request(), bad_request()];
    for (scripts, executed) in [(first, [2, 3, 4]), (later, [1, 2, 4])] {
        let server = Current.server();
        for script in scripts {
            server.add_script(script);
        }
        let address = server.address();
        let followed = follow_table(&numbered_lines()[..4], |input| {
            publish_lines(Current, &address).arg("--batch=2").stdin_bytes(input).run()
        });
        assert_eq!((followed.statuses, received(&server)), (vec![1], executed.to_vec()));
    }
}

#[test]
fn refused_connection_has_status_3_or_5() {
    for form in ApiForm::ALL {
        let input = numbered_lines();
        let output = publish_lines(form, &ClosedPort::bind().address()).stdin_bytes(input.concat()).run();
        assert_eq!(output.exit_code(), Some(3), "{}", output.stderr());
        assert!(output.stderr().ends_with("\ncent: no lines accepted: run again from line 1\n"), "{}", output.stderr());

        // Shared by both servers, as if one had been started again.
        let history = Arc::new(form.centrifugo());
        let server = Server::start(Arc::clone(&history));
        let (mut child, _home) = publish_lines(form, &server.address()).spawn();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input[..100].concat().as_bytes()).unwrap();
        let mut replies = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(replies.by_ref().take(100).flatten().count(), 100);
        drop(server);
        stdin.write_all(input[100..].concat().as_bytes()).unwrap();
        drop(stdin);
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((child.wait().unwrap().code(), resume_line(&text)), (Some(5), 101), "{text}");

        let server = Server::start(history);
        let output = publish_lines(form, &server.address()).stdin_bytes(input[100..].concat()).run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        assert_eq!(received(&server), (1..=LINES).collect::<Vec<_>>());
    }
}

#[test]
fn closed_stdout_with_lines_remaining_has_status_5() {
    for form in ApiForm::ALL {
        let server = form.server();
        let lines = numbered_lines();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let stopped = publish_lines(form, &server.address()).stdin_bytes(lines.concat()).stdout(writer).run();
        let text = stopped.stderr();
        assert_eq!(stopped.exit_code(), Some(5), "{text}");
        let next = resume_line(&text);
        assert_eq!(received(&server), (1..next).collect::<Vec<_>>());
        assert_eq!(
            text,
            format!(
                "cent: standard output closed: lines 1-{} accepted; line {next} onwards not accepted: resume with tail \
                 -n +{next}\n",
                next - 1
            )
        );
        let rest = publish_lines(form, &server.address()).stdin_bytes(lines[next - 1..].concat()).run();
        assert_eq!((rest.exit_code(), received(&server)), (Some(0), (1..=LINES).collect()));
    }
}

#[test]
fn interrupted_runs_resume_at_the_line_of_the_summary() {
    const LINES: usize = 3000;
    for form in ApiForm::ALL {
        let server = form.server();
        let lines: Vec<String> = (1..=LINES).map(line).collect();
        let mut next = 1;
        for (name, signal, at) in [("-HUP", 1, 300), ("-INT", 2, 900), ("-TERM", 15, 2000), ("", 0, usize::MAX)] {
            let cent = publish_lines(form, &server.address()).args(&["--batch=10", "--timeout=60"]);
            let cent = cent.file("input", lines[next - 1..].concat());
            let input = File::open(cent.path("input")).unwrap();
            let (mut child, _home) = cent.spawn_with(input, Stdio::null(), Stdio::piped());
            // A run before this one may have sent more than so many. Before the first request, no handlers are installed yet.
            while received(&server).len() < at.max(next) && child.try_wait().unwrap().is_none() {
                thread::yield_now();
            }
            if at < LINES {
                // Ended by itself on a machine that is slow enough.
                let _ = Command::new("kill").args([name, &child.id().to_string()]).output().expect("kill runs");
            }
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            let status = output.status;
            assert!(status.signal() == Some(signal) || status.success(), "{text}");
            next = if status.success() { LINES + 1 } else { next - 1 + resume_line(&text) };
            assert_eq!(received(&server), (1..next).collect::<Vec<_>>(), "{text}");
            if next > LINES {
                break;
            }
        }
        assert_eq!(next, LINES + 1);
    }
}

/// Params for history, and for publish too.
const HISTORY: &str = "{\"channel\": \"a\", \"data\": 1}\n";

#[test]
fn lines_that_only_read_are_never_unknown() {
    for_each_fault(assert_reading_followed);
}

#[track_caller]
fn assert_reading_followed(form: ApiForm, fault: &Fault, requests: usize, is_first: bool) {
    let context = format!("{form:?}, {} after {requests} requests", fault.name);
    let server = server_with_fault(form, fault, requests);
    let address = server.address();
    let followed = follow_table(&vec![HISTORY.to_owned(); LINES], |input| {
        form.cent_at(&address).args(&["bananas", "history", "--lines", "--batch=50"]).stdin_bytes(input).run()
    });
    let unknown = if is_first { &[3, 0] } else { &[5, 0] };
    let expected = if is_first { fault.first } else { fault.later };
    assert_eq!(followed.statuses, if expected == [4] { unknown } else { expected }, "{context}");
}

/// The error of a history in a batch of this form, and what the program says about it.
fn failed_history(form: ApiForm) -> (&'static str, &'static str) {
    match form {
        V1 => (
            r#"{"method":"history","error":"internal server error","body":null}"#,
            "history: internal server error; the method only reads: safe to retry",
        ),
        Legacy | Current => (
            r#"{"error":{"code":100,"message":"internal server error"}}"#,
            "history: internal server error (100); the method only reads: safe to retry",
        ),
    }
}

/// The response to a publish and a history that fails.
fn publish_and_failed_history(form: ApiForm) -> Response {
    let error = failed_history(form).0;
    let published = form.publish_reply();
    Response::json(match form {
        V1 => format!("[{published},{error}]"),
        Legacy => format!("{published}\n{error}"),
        Current => format!(r#"{{"replies":[{{"publish":{{}}}},{error}]}}"#),
    })
}

#[test]
fn read_that_failed_after_a_publish_does_not_repeat_it() {
    for form in ApiForm::ALL {
        let line = |method| format!("{{\"method\":\"{method}\",\"params\":{}}}\n", HISTORY.trim_end());
        let (publish, history) = (line("publish"), line("history"));
        let one_request = (&publish_and_failed_history(form), "--batch=2");
        let two_requests = (&form.batch_replies(failed_history(form).0, 1), "--batch=1");
        for (response, batch) in [one_request, two_requests] {
            let server = server_that_is_known(form);
            if batch == "--batch=1" {
                server.add_script(vec![Step::Execute, Step::SendRest]);
            }
            server.add_script(respond(response));
            if form == Legacy {
                server.add_script(vec![Step::Execute, Step::SendRest]);
            }
            let input = format!("{publish}{history}");
            let output = form.cent(&server).args(&["bananas", "--lines", batch]).stdin_bytes(input).run();
            let text = output.stderr();
            let (first, summary) = text.split_once('\n').expect("two messages");
            assert_eq!(first, format!("cent: line 2: {}", failed_history(form).1));
            assert!(summary.ends_with(": 1 accepted, 1 failed\n"), "{summary}");
            assert_eq!(output.exit_code(), Some(1), "{form:?} {batch}");
        }
    }
}

#[test]
fn read_that_failed_is_resumed_at() {
    for form in ApiForm::ALL {
        let server = server_that_is_known(form);
        server.add_script(vec![Step::Execute, Step::SendRest]);
        server.add_script(respond(&form.batch_replies(failed_history(form).0, 1)));
        let input = format!("{HISTORY}{HISTORY}{{\n");
        let output = form.cent(&server).args(&["bananas", "history", "--lines", "--batch=1"]).stdin_bytes(input).run();
        let text = output.stderr();
        let summary = "cent: lines 1-2: 1 accepted, 1 failed; line 2 failed: resume with tail -n +2\n";
        assert!(text.ends_with(summary), "{text}");
        assert_eq!(output.exit_code(), Some(5), "{text}");
    }
}

/// Ends of one command that leave the outcome of a publish unknown.
fn unknown_outcomes(form: ApiForm, method: &str) -> Vec<Script> {
    let error = match form {
        V1 => format!(r#"{{"method":"{method}","error":"internal server error","body":null}}"#),
        Legacy | Current => r#"{"error":{"code":100,"message":"internal server error"}}"#.to_owned(),
    };
    vec![
        vec![Step::Read(10), Step::Close],
        vec![Step::Execute, Step::Close],
        vec![Step::Execute, Step::Hang],
        respond(&Response::plain(502, "bad gateway")),
        respond(&Response::plain(503, "from a proxy")),
        respond(&form.replies(&error, 1)),
        respond(&Response::json("nonsense")),
    ]
}

/// A server that has shown that it has the older form only, if it has.
fn server_that_is_known(form: ApiForm) -> Server {
    let server = form.server();
    if form == Legacy { server.script(vec![Step::Execute, Step::SendRest]) } else { server }
}

fn call(form: ApiForm, server: &Server, script: &Script, args: &[&str]) -> CentOutput {
    // Short where the timeout has to expire, else long enough for a busy machine.
    let limit = if script.contains(&Step::Hang) { "--timeout=4" } else { "--timeout=60" };
    form.cent(server).args(&["bananas", limit, "--params", HISTORY]).args(args).run()
}

/// Runs a check for each form and script at the same time, because some wait.
fn for_each_unknown_outcome(method: &str, check: impl Fn(ApiForm, &Script) + Sync) {
    let check = &check;
    thread::scope(|scope| {
        for form in ApiForm::ALL {
            for script in unknown_outcomes(form, method) {
                scope.spawn(move || check(form, &script));
            }
        }
    });
}

#[test]
fn history_with_unknown_outcome_is_safe_to_retry() {
    for_each_unknown_outcome("history", |form, script| {
        let server = form.server().script(script.clone());
        let output = call(form, &server, script, &["history"]);
        let text = output.stderr();
        assert_eq!(output.exit_code(), Some(3), "{form:?} {script:?}: {text}");
        assert!(text.contains("safe to retry") && text.lines().count() == 1, "{text}");
    });
}

#[test]
fn retry_repeats_history() {
    for_each_unknown_outcome("history", |form, script| {
        let server = server_that_is_known(form).script(script.clone());
        let output = call(form, &server, script, &["history", "--retry=1"]);
        let text = output.stderr();
        assert_eq!(output.exit_code(), Some(0), "{form:?} {script:?}: {text}");
        assert!(text.starts_with("cent: attempt 1 of 2 failed: ") && text.lines().count() == 1, "{text}");
    });
}

#[test]
fn retry_never_repeats_publish() {
    for_each_unknown_outcome("publish", |form, script| {
        let server = server_that_is_known(form).script(script.clone());
        let output = call(form, &server, script, &["publish", "--retry=1"]);
        let text = output.stderr();
        assert_eq!((output.exit_code(), text.lines().count()), (Some(4), 1), "{form:?} {script:?}: {text}");
        let count = if form == Legacy { 2 } else { 1 };
        assert_eq!(server.wait_for_requests(count).len(), count);
    });
}
