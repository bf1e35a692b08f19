//! Servers that cannot be reached.

use std::time::Duration;

use cent::ErrorKind;

use crate::case::{LONG_TIMEOUT, RequestSpec};
use crate::server::{ClosedPort, FullBacklog, Server};

/// Expects an error that says that nothing was sent.
#[track_caller]
fn assert_nothing_sent(address: &str, timeout: Duration, messages: &str) {
    for spec in RequestSpec::all() {
        let error =
            spec.client(address).with_timeout(timeout).send_commands(&spec.commands()).expect_err("the request fails");
        let message = error.to_string();
        assert_eq!(error.kind(), ErrorKind::SafeToRetry, "{message}");
        assert!(
            error.is_retryable() && message.contains(messages) && message.contains("nothing was sent"),
            "{message}"
        );
    }
}

#[test]
fn connection_refused_sends_nothing() {
    assert_nothing_sent(&ClosedPort::bind().address(), LONG_TIMEOUT, "connection refused");
}

#[test]
fn unresolvable_host_sends_nothing() {
    // Longer than a DNS label may be: rejected without a query.
    assert_nothing_sent(&format!("http://{}.test:1", "a".repeat(70)), LONG_TIMEOUT, "could not resolve host aaaa");
}

#[test]
fn full_backlog_times_out_without_sending() {
    assert_nothing_sent(
        &FullBacklog::bind().address(),
        Duration::from_millis(50),
        "timed out after 0.05 s while connecting to 127.0.0.1:",
    );
}

#[test]
fn zero_timeout_sends_nothing() {
    let server = Server::version(1).allow_no_connection();
    assert_nothing_sent(&server.address(), Duration::ZERO, "timed out after 0 s while connecting to 127.0.0.1:");
    assert_eq!((server.requests().len(), server.centrifugo().executed().len()), (0, 0));
}
