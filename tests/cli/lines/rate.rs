//! `--rate`: commands per second.

use std::time::{Duration, Instant};

use super::{publish_lines, request_sizes};
use crate::numbers::{lines, numbers, received};
use crate::support::server::{Response, reject};
use crate::{ApiForm, Current};

#[test]
fn rate_spreads_commands_evenly() {
    for form in ApiForm::ALL {
        let server = form.server();
        let start = Instant::now();
        let output = publish_lines(form, &server).args(&["--rate=100"]).stdin_bytes(lines(1..=51)).run();
        // The last command is due half a second after the first.
        assert!(start.elapsed() >= Duration::from_millis(500));
        let text = output.stderr();
        assert!(text.starts_with("cent: 51 commands accepted in ") && text.ends_with("/s; at most 100/s)\n"), "{text}");
        assert_eq!(output.exit_code(), Some(0));
        assert_eq!(received(&server), numbers(1..=51));
        // Nothing is due with the first one.
        assert_eq!(request_sizes(&server)[form.requests_before()], 1);
    }
}

#[test]
fn high_rate_fills_requests_with_what_is_due() {
    let server = Current.server();
    let output = publish_lines(Current, &server).args(&["--rate=1e6", "-q"]).stdin_bytes(lines(1..=3000)).run();
    output.assert_output(0, "", "");
    assert_eq!(received(&server), numbers(1..=3000));
    assert!(request_sizes(&server).len() < 1000, "{:?}", request_sizes(&server));
}

#[test]
fn pause_before_retry_is_not_caught_up() {
    let server = Current.server().script(reject(&Response::new(503)));
    let start = Instant::now();
    let output = publish_lines(Current, &server).args(&["--rate=20", "--retry=1"]).stdin_bytes(lines(1..=5)).run();
    assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
    // Four intervals besides the pause, which is a quarter of a second at least.
    assert!(start.elapsed() >= Duration::from_millis(200 + 250));
    assert_eq!(received(&server), numbers(1..=5));
}

#[test]
fn dry_run_has_no_rate() {
    let server = Current.server().expect_no_connection();
    let output = publish_lines(Current, &server).args(&["--rate=0.001", "-n"]).stdin_bytes(lines(1..=3)).run();
    assert_eq!(output.stderr(), "cent: dry run: 3 commands in 1 request, nothing sent\n");
}
