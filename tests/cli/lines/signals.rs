//! Signals that end a run, a request or a pause.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use super::{publish_lines, wait_for_exit};
use crate::V1;
use crate::numbers::{lines, numbers, received};
use crate::support::server::{Response, Step, respond};

fn send_signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn signal_stops_run_with_exact_summary() {
    for (name, signal, reason) in [("-INT", 2, "interrupted by SIGINT"), ("-TERM", 15, "interrupted by SIGTERM")] {
        let server = V1.server();
        let (mut child, _home) = publish_lines(V1, &server).spawn();
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines(1..=250).as_bytes()).unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        assert_eq!(output.lines().take(250).flatten().count(), 250);
        send_signal(&child, name);
        // The input stays open: only the signal can end the run.
        let (status, text) = wait_for_exit(child);
        let summary = "lines 1-250 accepted; line 251 onwards not accepted: resume with tail -n +251";
        assert_eq!((status.signal(), text), (Some(signal), format!("cent: {reason}: {summary}\n")));
        drop(input);
        assert_eq!(received(&server), numbers(1..=250));
    }
}

#[test]
fn second_signal_aborts_request_in_progress() {
    let hanging = || V1.server().script(vec![Step::Read(10), Step::Hang]);
    let server = hanging();
    let (mut child, _home) = publish_lines(V1, &server).args(&["--timeout=2", "--batch=2"]).spawn();
    child.stdin.take().unwrap().write_all(lines(1..=6).as_bytes()).unwrap();
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
    input.write_all(lines(1..=100).as_bytes()).unwrap();
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
    input.write_all(lines(1..=2).as_bytes()).unwrap();
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
    assert_eq!((child.wait().unwrap().signal(), server.requests().len()), (Some(15), 1));
    drop(input);
}

#[test]
fn signal_stops_dry_run() {
    let (mut child, _home) = publish_lines(V1, &V1.server().expect_no_connection()).args(&["-n"]).spawn();
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines(1..=1).as_bytes()).unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    send_signal(&child, "-TERM");
    let (status, text) = wait_for_exit(child);
    let summary = "cent: interrupted by SIGTERM: 1 command in 1 request, nothing sent\n";
    assert_eq!((status.signal(), text.as_str()), (Some(15), summary));
    drop(input);
}
