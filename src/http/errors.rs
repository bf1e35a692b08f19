//! Failures of a connection in words: what happened, and whether anything can have been accepted.

use std::io;
use std::time::Duration;

use super::connect_error::ConnectError;
use super::tls_errors;
use crate::api::MAX_RESPONSE_BYTES;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::reply::HINT_CHECK_BEFORE_RETRY;

/// The error before any byte of the request was handed to the connection.
pub(super) fn before_send(error: &ureq::Error, timeout: Duration, proxy: Option<&str>) -> Error {
    match error {
        ureq::Error::Other(other) if let Some(error) = other.downcast_ref() => connect_failure(error, proxy),
        error => connection_failure(error, timeout).via_proxy(proxy),
    }
}

fn connection_failure(error: &ureq::Error, timeout: Duration) -> Error {
    match error {
        ureq::Error::Timeout(_) => safe_to_retry(
            format!("connection timed out after {} s", timeout.as_secs_f64()),
            "nothing was sent: check the address, or raise the timeout",
        ),
        ureq::Error::Rustls(error) => tls_errors::tls_failure(error),
        ureq::Error::Io(error) => match tls_errors::inside(error) {
            Some(error) => tls_errors::tls_failure(error),
            None => safe_to_retry(
                format!("connection lost: {}", os_error_text(error)),
                "nothing was sent: use http:// if the server does not use TLS",
            ),
        },
        _ => safe_to_retry("connection failed", "nothing was sent: check the address"),
    }
}

/// No connection, or no tunnel through the proxy; where there is a proxy, it is what was connected to.
fn connect_failure(error: &ConnectError, proxy: Option<&str>) -> Error {
    let the_proxy = proxy.map_or_else(|| "proxy".to_owned(), |proxy| format!("proxy {proxy}"));
    match error {
        ConnectError::Dns(_, error) if proxy.is_some() => safe_to_retry(
            format!("could not resolve {the_proxy}: {}", os_error_text(error)),
            "nothing was sent: check the proxy URL and the network",
        ),
        ConnectError::Dns(host, error) => safe_to_retry(
            format!("could not resolve host {host}: {}", os_error_text(error)),
            "nothing was sent: check the hostname and the network",
        ),
        ConnectError::Connect(_, error) if proxy.is_some() => safe_to_retry(
            format!("could not connect to {the_proxy}: {}", os_error_text(error)),
            "nothing was sent: check that the proxy is running and its URL is correct",
        ),
        ConnectError::Connect(name, error) => safe_to_retry(
            format!("could not connect to {name}: {}", os_error_text(error)),
            "nothing was sent: check that the server is running and the port is correct",
        ),
        ConnectError::TunnelRefused(407) => safe_to_retry(
            format!("{the_proxy} requires authentication (407)"),
            "nothing was sent: use valid credentials in the proxy URL, http://USER:PASSWORD@HOST:PORT",
        ),
        ConnectError::TunnelRefused(status @ 500..) => safe_to_retry(
            format!("{the_proxy} could not reach the server ({status})"),
            "nothing was sent: check the address and that the server is running, or add the host to NO_PROXY",
        ),
        ConnectError::TunnelRefused(status) => safe_to_retry(
            format!("{the_proxy} refused the tunnel ({status})"),
            "nothing was sent: allow the host in the proxy, or add it to NO_PROXY",
        ),
        ConnectError::InvalidProxyResponse => safe_to_retry(
            format!("no valid response from {the_proxy}"),
            "nothing was sent: check that the proxy URL points to an HTTP proxy",
        ),
        ConnectError::RequestLineTooLong => safe_to_retry(
            "address too long for a proxied request",
            "nothing was sent: shorten the path, or add the host to NO_PROXY",
        ),
    }
}

/// The error after at least one byte of the request was handed to the connection.
pub(super) fn after_send(error: &ureq::Error, timeout: Duration, has_peer_closed: bool) -> Error {
    match error {
        ureq::Error::Timeout(_) => {
            outcome_unknown(format!("timed out after {} s waiting for a response", timeout.as_secs_f64()))
                .with_hint(format!("{HINT_CHECK_BEFORE_RETRY}, or raise the timeout"))
        }
        ureq::Error::BodyExceedsLimit(_) => {
            outcome_unknown(format!("response larger than {} MB", MAX_RESPONSE_BYTES / (1024 * 1024)))
        }
        ureq::Error::LargeResponseHeader(..) => outcome_unknown("response headers too large"),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => outcome_unknown(CONNECTION_CLOSED),
        ureq::Error::Io(error) => match tls_errors::inside(error) {
            Some(error) if tls_errors::is_certificate_required(error) => tls_errors::tls_failure(error),
            _ => outcome_unknown(format!("connection lost: {}", os_error_text(error))),
        },
        // A close inside a chunk's frame is invalid HTTP too, but the close is the cause.
        _ => outcome_unknown(if has_peer_closed { CONNECTION_CLOSED } else { "invalid HTTP response" }),
    }
}

const CONNECTION_CLOSED: &str = "connection closed before the response was complete";

fn safe_to_retry(message: impl Into<String>, hint: &str) -> Error {
    Error::new(ErrorKind::SafeToRetry, message).with_hint(hint)
}

fn outcome_unknown(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::OutcomeUnknown, message).with_hint(HINT_CHECK_BEFORE_RETRY)
}

/// ureq's own error, where it is wrapped in an I/O error by a reader or by TLS.
pub(super) fn unwrap_io(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Io(error) => ureq::Error::from(error),
        error => error,
    }
}

/// The system's words for an error, without its number and what the standard library puts before them.
fn os_error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_errors_have_no_number_or_prefix() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(os_error_text(&refused), "connection refused");
        let lookup = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(os_error_text(&lookup), "name or service not known");
    }

    #[test]
    fn errors_before_send_are_safe_to_retry() {
        let timeout = Duration::from_secs(1);
        for error in [
            ureq::Error::Timeout(ureq::Timeout::Global),
            io::Error::from(io::ErrorKind::ConnectionReset).into(),
            ureq::Error::ConnectionFailed,
        ] {
            assert_eq!(before_send(&error, timeout, None).kind(), ErrorKind::SafeToRetry, "{error}");
            assert_eq!(after_send(&error, timeout, false).kind(), ErrorKind::OutcomeUnknown, "{error}");
        }
    }

    #[test]
    fn tls_alert_after_send_is_unknown_unless_certificate_required() {
        use rustls::AlertDescription;
        let kind = |error| after_send(&io::Error::other(error).into(), Duration::ZERO, false).kind();
        for error in [
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
            rustls::Error::DecryptError,
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
            rustls::Error::AlertReceived(AlertDescription::InternalError),
        ] {
            assert_eq!(kind(error.clone()), ErrorKind::OutcomeUnknown, "{error}");
        }
        assert_eq!(kind(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)), ErrorKind::SafeToRetry);
    }

    #[test]
    fn certificate_errors_are_not_retryable() {
        let error = ureq::Error::Rustls(rustls::Error::InvalidCertificate(rustls::CertificateError::Expired));
        assert!(!before_send(&error, Duration::ZERO, None).is_retryable());
    }
}
