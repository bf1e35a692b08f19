//! What is known of the connection to a server.

use std::net::{IpAddr, SocketAddr};

/// The way to a server, as far as the last request got: see [`Client::connection`](crate::Client::connection). Each value
/// is that of the last connection that was opened for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The IP addresses of the host or, if there is a proxy, of the proxy; empty if they could not be looked up.
    pub ip_addresses: Vec<IpAddr>,
    /// The server or the proxy that accepted the TCP connection; `None` if none did.
    pub peer: Option<SocketAddr>,
    /// What the TLS handshake led to; `None` for `http://`, and if it failed.
    pub tls: Option<TlsInfo>,
    /// The form of the HTTP API that the server has; `None` until a response has shown it, and for Centrifugo 1, which has
    /// one form only.
    pub api_form: Option<ApiForm>,
}

/// A TLS connection, with a certificate that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The server's own certificate, in DER.
    pub certificate: Vec<u8>,
}

/// A form of the HTTP API with an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiForm {
    /// `/api/METHOD` and `/api/batch`, of Centrifugo 5 and later.
    Current,
    /// `/api`, of Centrifugo 2 to 6. Later versions behind a proxy that passes only this path have it, too.
    Legacy,
}

impl TlsInfo {
    pub(crate) fn new(version: &'static str, certificate: Vec<u8>) -> Self {
        Self { version, certificate }
    }
}
