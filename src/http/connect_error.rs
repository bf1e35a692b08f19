//! What prevents a connection, where ureq's own errors cannot say it.

use std::io;

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
    /// The TLS handshake failed.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
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
    #[error("proxy responded with status {0}")]
    TunnelRefused(u16),
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
    match ureq::Error::from(error.into_io()) {
        ureq::Error::Timeout(_) => ConnectError::TimedOut(phase()).into(),
        error => error,
    }
}
