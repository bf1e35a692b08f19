//! Servers that no request ever reaches.

use std::time::Duration;

use cent::ErrorKind;

use crate::matrix::{Call, LONG};
use crate::server::{FullPort, RefusedPort, Server};

/// Not one byte was sent: the kind, and that the message says so.
#[track_caller]
fn never_sent(address: &str, limit: Duration, says: &str) {
    for call in Call::all() {
        let error = call.client(address).with_timeout(limit).send_commands(&call.commands()).expect_err("it fails");
        let message = error.to_string();
        assert_eq!(error.kind(), ErrorKind::SafeToRetry, "{message}");
        assert!(error.is_retryable() && message.contains(says) && message.contains("nothing was sent"), "{message}");
    }
}

#[test]
fn a_refused_port_was_sent_nothing() {
    never_sent(&RefusedPort::take().address(), LONG, "connection refused");
}

#[test]
fn a_name_that_is_none_was_sent_nothing() {
    // Longer than a label may be: the system says no without asking anybody.
    never_sent(&format!("http://{}.test:1", "a".repeat(70)), LONG, "cannot look up aaaa");
}

#[test]
fn a_port_that_never_answers_is_given_up_when_the_time_is_over() {
    never_sent(&FullPort::take().address(), Duration::from_millis(50), "no connection within 0.05 s");
}

#[test]
fn a_time_that_is_over_before_it_began_sends_nothing() {
    let server = Server::v1().perhaps_called();
    never_sent(&server.address(), Duration::ZERO, "no connection within 0 s");
    assert_eq!((server.requests().len(), server.centrifugo().executed().len()), (0, 0));
}
