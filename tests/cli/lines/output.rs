//! Standard output that is closed or full.

use std::fs::File;
use std::io::Write;

use super::{parse_summary, publish_lines, wait_for_exit};
use crate::numbers::{line, lines, numbers, received};
use crate::{ApiForm, V1};

#[test]
fn closed_stdout_stops_run() {
    for form in ApiForm::ALL {
        let server = form.server();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let cent = publish_lines(form, &server).args(&["--batch=10"]).file("input", lines(1..=10_000));
        let input = File::open(cent.path("input")).unwrap();
        let output = cent.stdin(input).stdout(writer).run();
        let (accepted, unknown, next_line) = parse_summary(&output.stderr());
        assert_eq!((output.exit_code(), output.stderr().lines().count()), (Some(5), 1), "{}", output.stderr());
        assert!(output.stderr().starts_with("cent: standard output closed: lines 1-"), "{}", output.stderr());
        assert_eq!((unknown, next_line), (accepted, Some(accepted + 1)));
        assert_eq!(received(&server), numbers(1..=accepted));
        // The batch whose replies could not be written.
        assert_eq!(accepted, 10);
    }
}

#[test]
fn closed_stdout_after_last_line_is_ignored() {
    let server = V1.server();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let cent = publish_lines(V1, &server).file("input", lines(1..=5));
    let input = File::open(cent.path("input")).unwrap();
    let output = cent.stdin(input).stdout(writer).run();
    output.assert_output(0, "", "cent: standard output closed: lines 1-5 accepted; no lines remain\n");
}

#[test]
fn full_disk_stops_run() {
    let server = V1.server();
    let cent = publish_lines(V1, &server).args(&["--batch=10"]).file("input", lines(1..=10_000));
    let input = File::open(cent.path("input")).unwrap();
    let output = cent.stdin(input).stdout(File::create("/dev/full").unwrap()).run();
    let text = output.stderr();
    assert!(
        text.starts_with("cent: cannot write to standard output (the command was executed): no space left on device\n"),
        "{text}"
    );
    let (accepted, _, next_line) = parse_summary(&text);
    assert_eq!((output.exit_code(), next_line), (Some(4), Some(accepted + 1)));
    assert_eq!(received(&server), numbers(1..=accepted));
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
