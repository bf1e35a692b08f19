//! A response as it arrived.

/// Maximum response size, in bytes: 64 MiB.
pub const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// A raw HTTP response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    /// The proxy that the request was handed to; what comes through a tunnel is the server's own.
    pub(crate) proxy: Option<String>,
    /// Whether it arrived before the request was fully sent.
    pub(crate) is_early: bool,
    pub(crate) body: Vec<u8>,
}

impl HttpResponse {
    /// Whether a batch was rejected as a whole, or a request by Centrifugo 1; not by a proxy, or by a TLS port.
    pub(crate) fn is_bad_request(&self) -> bool {
        self.status == 400 && !self.is_json() && !self.is_html() && !self.is_plain_http_to_tls()
    }

    /// Recognizes the response to plain HTTP on a TLS port: Go's (seen on 1.8.0 and 6.9.1), nginx's and Apache's.
    pub(super) fn is_plain_http_to_tls(&self) -> bool {
        let body = String::from_utf8_lossy(&self.body);
        [
            "HTTP request to an HTTPS server",
            "HTTP request was sent to HTTPS port",
            "speaking plain HTTP to an SSL-enabled server",
        ]
        .iter()
        .any(|text| body.contains(text))
    }

    pub(super) fn is_json(&self) -> bool {
        self.has_type("application/json")
    }

    pub(super) fn is_html(&self) -> bool {
        self.has_type("text/html")
    }

    fn has_type(&self, name: &str) -> bool {
        let sent = self.content_type.as_deref().unwrap_or_default();
        sent.split(';').next().is_some_and(|sent| sent.trim().eq_ignore_ascii_case(name))
    }

    /// The URL of a redirect without credentials and query, which can hold anything; empty where there is none.
    pub(super) fn redirect_target(&self) -> String {
        let location = self.location.as_deref().unwrap_or_default();
        let url = location.split(['?', '#']).next().unwrap_or_default();
        match url.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
            Some((scheme, Some((before, rest)))) if !before.contains('/') => format!("{scheme}://{rest}"),
            _ => url.to_owned(),
        }
    }
}
