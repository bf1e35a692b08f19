//! Failures of a connection in words: what happened, and whether anything can have been accepted.

use std::io;
use std::time::Duration;

use super::attempt::{Attempt, Progress};
use super::foreign_protocol::ForeignProtocol;
use super::socket::{BUFFER_BYTES, MAX_HEAD_BYTES};
use super::tls_errors;
use crate::api::MAX_RESPONSE_BYTES;
use crate::error::Error;
use crate::error_kind::{ErrorKind, HINT_CHECK_BEFORE_RETRY};

/// What prevents a connection, where ureq's own errors cannot say it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("could not resolve host {0}")]
    Dns(String, #[source] io::Error),
    /// No address of the host accepted the connection; the error is that of the last one.
    #[error("could not connect to {0}")]
    Connect(String, #[source] io::Error),
    /// The time was up; the text says during what.
    #[error("timed out {0}")]
    TimedOut(String),
    /// The TLS handshake with this host failed.
    #[error("TLS handshake failed")]
    Tls {
        host: String,
        #[source]
        error: rustls::Error,
    },
    /// TLS needs a name that certificates can hold.
    #[error("hostname is not valid for TLS")]
    InvalidServerName,
    /// There are no CA certificates; the text says where they could not be read.
    #[error("no CA certificates")]
    NoRoots(Option<String>),
    /// This machine could not read CA certificates for now.
    #[error("could not read CA certificates")]
    Roots(#[source] io::Error),
    /// The proxy refused to open a tunnel.
    #[error("proxy responded with status {status}")]
    TunnelRefused { status: u16, schemes: Vec<String> },
    /// The proxy's response is not HTTP, or there was none.
    #[error("no valid response from proxy")]
    InvalidProxyResponse,
    /// The request line for a proxy does not fit into the buffer.
    #[error("address too long for a proxied request")]
    RequestLineTooLong,
}

impl From<ConnectError> for ureq::Error {
    fn from(error: ConnectError) -> Self {
        Self::Other(Box::new(error))
    }
}

/// Says during what the time was up; other errors stay.
pub(super) fn with_phase(error: ureq::Error, phase: impl FnOnce() -> String) -> ureq::Error {
    match unwrap_io(error) {
        ureq::Error::Timeout(_) => ConnectError::TimedOut(phase()).into(),
        error => error,
    }
}

/// The error before any byte of the request was handed to the connection.
pub(super) fn unsent_error(error: &ureq::Error, timeout: Duration, proxy: Option<&str>, attempt: &Attempt) -> Error {
    if let ureq::Error::Other(other) = error
        && let Some(error) = other.downcast_ref()
    {
        return connect_failure(error, timeout, proxy, attempt);
    }
    connection_failure(error, timeout).with_proxy(proxy)
}

fn connection_failure(error: &ureq::Error, timeout: Duration) -> Error {
    match error {
        ureq::Error::Timeout(_) => timed_out(timeout, "before the request was sent", None),
        ureq::Error::Io(error) => safe_to_retry(
            format!("connection lost: {}", os_text(error)),
            "nothing was sent: use http:// if the server does not use TLS",
        ),
        ureq::Error::Protocol(ureq_proto::Error::OutputOverflow) => request_too_large(),
        _ => safe_to_retry("connection failed", "nothing was sent: check the address"),
    }
}

/// No connection, or no tunnel through the proxy; where there is a proxy, it is what was connected to.
fn connect_failure(error: &ConnectError, timeout: Duration, proxy: Option<&str>, attempt: &Attempt) -> Error {
    let the_proxy = proxy.map_or_else(|| "proxy".to_owned(), |proxy| format!("proxy {proxy}"));
    match error {
        ConnectError::Dns(_, error) if proxy.is_some() => safe_to_retry(
            format!("could not resolve {the_proxy}: {}", os_text(error)),
            "nothing was sent: check the proxy URL and the network",
        ),
        ConnectError::Dns(host, error) => safe_to_retry(
            format!("could not resolve host {host}: {}", os_text(error)),
            "nothing was sent: check the hostname and the network",
        ),
        ConnectError::Connect(_, error) if proxy.is_some() => safe_to_retry(
            format!("could not connect to {the_proxy}: {}", os_text(error)),
            "nothing was sent: check that the proxy is running and its URL is correct",
        ),
        ConnectError::Connect(name, error) => safe_to_retry(
            format!("could not connect to {name}: {}", os_text(error)),
            "nothing was sent: check that the server is running and the port is correct",
        ),
        ConnectError::TimedOut(phase) => timed_out(timeout, phase, proxy),
        ConnectError::Tls { host, error } => {
            tls_errors::handshake_failure(error, host, attempt.state().client_auth).with_proxy(proxy)
        }
        ConnectError::InvalidServerName => {
            Error::invalid("hostname is not valid for TLS").with_hint("check the address").with_proxy(proxy)
        }
        ConnectError::NoRoots(problem) => tls_errors::no_roots(problem.as_deref()),
        ConnectError::Roots(error) => safe_to_retry(
            format!("could not read CA certificates: {}", os_text(error)),
            "nothing was sent: try again later",
        ),
        ConnectError::TunnelRefused { status: 407, schemes } => proxy_authentication(&the_proxy, schemes),
        ConnectError::TunnelRefused { status: status @ 500.., .. } => safe_to_retry(
            format!("{the_proxy} could not reach the server ({status})"),
            "nothing was sent: check the address and that the server is running, or add the host to the hosts without a proxy",
        ),
        ConnectError::TunnelRefused { status, .. } => safe_to_retry(
            format!("{the_proxy} refused the tunnel ({status})"),
            "nothing was sent: allow the host in the proxy, or add it to the hosts without a proxy",
        )
        .not_retryable(),
        ConnectError::InvalidProxyResponse => safe_to_retry(
            format!("no valid response from {the_proxy}"),
            "nothing was sent: check that the proxy URL points to an HTTP proxy",
        ),
        ConnectError::RequestLineTooLong => request_too_large().with_proxy(proxy),
    }
}

/// Only Basic is supported.
fn proxy_authentication(the_proxy: &str, schemes: &[String]) -> Error {
    let error = if schemes.is_empty() || schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("Basic")) {
        safe_to_retry(
            format!("{the_proxy} requires authentication (407)"),
            "nothing was sent: use valid credentials in the proxy URL, http://USER:PASSWORD@HOST:PORT",
        )
    } else {
        safe_to_retry(
            format!("{the_proxy} requires {} authentication (407), which is not supported", schemes.join(" or ")),
            "nothing was sent: use a proxy that accepts Basic, or add the host to the hosts without a proxy",
        )
    };
    error.not_retryable()
}

fn timed_out(timeout: Duration, phase: &str, proxy: Option<&str>) -> Error {
    let hint = match proxy {
        Some(_) => "nothing was sent: check the proxy URL and the address, or raise the timeout",
        None => "nothing was sent: check the address, or raise the timeout",
    };
    safe_to_retry(format!("timed out after {} s {phase}", timeout.as_secs_f64()), hint)
}

/// The error after at least one byte of the request was handed to the connection.
pub(super) fn sent_error(error: &ureq::Error, timeout: Duration, attempt: &Attempt) -> Error {
    if let Some(protocol) = attempt.state().foreign_protocol {
        return foreign_protocol(protocol);
    }
    match error {
        ureq::Error::Timeout(_) => {
            outcome_unknown(format!("timed out after {} s waiting for a response", timeout.as_secs_f64()))
                .with_hint(format!("{HINT_CHECK_BEFORE_RETRY}, or raise the timeout"))
        }
        ureq::Error::BodyExceedsLimit(_) => {
            outcome_unknown(format!("response larger than {} MB", MAX_RESPONSE_BYTES / (1024 * 1024)))
        }
        ureq::Error::LargeResponseHeader(..) => {
            outcome_unknown(format!("response headers larger than {} KB", MAX_HEAD_BYTES / 1024))
        }
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => outcome_unknown(CONNECTION_CLOSED),
        ureq::Error::Io(error) => match tls_errors::error_inside(error) {
            Some(error) => tls_failure(error, attempt),
            None => outcome_unknown(format!("connection lost: {}", os_text(error))),
        },
        ureq::Error::Protocol(ureq_proto::Error::OutputOverflow) => request_too_large(),
        // A close inside a chunk's frame is invalid HTTP too, but the close is the cause.
        _ if attempt.state().has_peer_closed => outcome_unknown(CONNECTION_CLOSED),
        ureq::Error::Protocol(error) => outcome_unknown(invalid_response(error)),
        _ => outcome_unknown("invalid HTTP response"),
    }
}

/// A server with TLS 1.3 rejects a client certificate when the client has begun to send already, but before it reads the
/// request (RFC 8446, section 6.2).
fn tls_failure(error: &rustls::Error, attempt: &Attempt) -> Error {
    let (progress, client_auth, requests, version) = {
        let state = attempt.state();
        let version = state.connection.tls.as_ref().map(|tls| tls.version);
        (state.progress, state.client_auth, state.requests, version)
    };
    // The verdict on a client certificate is a part of the handshake with TLS 1.2.
    if version == Some("1.2") && tls_errors::is_renegotiation(error) {
        // On a connection that is in use already, it may also be for fresh keys while a command is executed.
        return if requests > 1 || progress == Progress::Receiving {
            outcome_unknown(format!("connection lost: {}", tls_errors::RENEGOTIATION))
        } else {
            tls_errors::renegotiation()
        };
    }
    let rejected = tls_errors::client_rejected(error, client_auth).filter(|_| progress != Progress::Receiving);
    rejected.unwrap_or_else(|| outcome_unknown(format!("connection lost: {}", tls_errors::text(error))))
}

/// Nothing was executed: the server could not read the request.
fn foreign_protocol(protocol: ForeignProtocol) -> Error {
    let (message, hint) = match protocol {
        ForeignProtocol::Http2 => (
            "the server accepts only HTTP/2 on this port, as for gRPC",
            "nothing was accepted: use the port of the HTTP API",
        ),
        ForeignProtocol::Tls => {
            ("the server requires TLS on this port", "nothing was accepted: use https:// in the address")
        }
    };
    safe_to_retry(message, hint).not_retryable()
}

/// What in a response is invalid, or beyond the limits of ureq.
fn invalid_response(error: &ureq_proto::Error) -> String {
    match error {
        ureq_proto::Error::HttpParseTooManyHeaders => "response has more than 128 headers".to_owned(),
        ureq_proto::Error::ChunkExpectedCrLf => {
            "response has an invalid chunk, or chunk extensions over 20 bytes".to_owned()
        }
        ureq_proto::Error::HttpParseFail(reason) => format!("invalid HTTP response ({reason})"),
        error => format!("invalid HTTP response ({error})"),
    }
}

/// The request line or a header does not fit into the buffer.
fn request_too_large() -> Error {
    Error::invalid(format!("request line or header larger than {} KB", BUFFER_BYTES / 1024))
        .with_hint("shorten the address, the API key or the method")
}

const CONNECTION_CLOSED: &str = "connection closed before the response was complete";

fn safe_to_retry(message: impl Into<String>, hint: &str) -> Error {
    Error::new(ErrorKind::SafeToRetry, message).with_hint(hint)
}

fn outcome_unknown(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::OutcomeUnknown, message).with_hint(HINT_CHECK_BEFORE_RETRY)
}

/// The system's words for an error, without its number and what the standard library puts before them.
pub(super) fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// ureq's own error, where it is wrapped in an I/O error by a reader or by TLS.
pub(super) fn unwrap_io(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Io(error) => ureq::Error::from(error),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_errors_have_no_number_or_prefix() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(os_text(&refused), "connection refused");
        let lookup = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(os_text(&lookup), "name or service not known");
    }

    #[test]
    fn errors_before_send_are_safe_to_retry() {
        let timeout = Duration::from_secs(1);
        for error in [
            ureq::Error::Timeout(ureq::Timeout::Global),
            io::Error::from(io::ErrorKind::ConnectionReset).into(),
            ureq::Error::ConnectionFailed,
        ] {
            assert_eq!(
                unsent_error(&error, timeout, None, &Attempt::new(Duration::ZERO)).kind(),
                ErrorKind::SafeToRetry,
                "{error}"
            );
            assert_eq!(
                sent_error(&error, timeout, &Attempt::new(Duration::ZERO)).kind(),
                ErrorKind::OutcomeUnknown,
                "{error}"
            );
        }
    }

    #[test]
    fn tls_alert_after_send_is_unknown_unless_certificate_required() {
        use rustls::AlertDescription;
        let kind =
            |error| sent_error(&io::Error::other(error).into(), Duration::ZERO, &Attempt::new(Duration::ZERO)).kind();
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
    fn foreign_protocol_is_safe_but_not_retryable() {
        let attempt = Attempt::new(Duration::ZERO);
        for protocol in [ForeignProtocol::Http2, ForeignProtocol::Tls] {
            attempt.state().foreign_protocol = Some(protocol);
            let error = sent_error(&ureq::Error::ConnectionFailed, Duration::ZERO, &attempt);
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::SafeToRetry, false));
        }
        attempt.start(std::time::Instant::now(), Duration::ZERO);
        assert_eq!(attempt.state().foreign_protocol, None);
    }

    #[test]
    fn request_larger_than_buffer_is_invalid() {
        let error = ureq::Error::Protocol(ureq_proto::Error::OutputOverflow);
        assert_eq!(
            unsent_error(&error, Duration::ZERO, None, &Attempt::new(Duration::ZERO)).kind(),
            ErrorKind::Invalid
        );
        assert_eq!(sent_error(&error, Duration::ZERO, &Attempt::new(Duration::ZERO)).kind(), ErrorKind::Invalid);
        let error = ConnectError::RequestLineTooLong.into();
        assert_eq!(
            unsent_error(&error, Duration::ZERO, Some("p:1"), &Attempt::new(Duration::ZERO)).kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn certificate_errors_are_not_retryable() {
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let error = ConnectError::Tls { host: "h".to_owned(), error }.into();
        assert!(!unsent_error(&error, Duration::ZERO, None, &Attempt::new(Duration::ZERO)).is_retryable());
    }
}
