//! A response as it arrived.

/// Maximum response size, in bytes: 64 MiB.
pub const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// A raw HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    /// The proxy that the request was handed to; what comes through a tunnel is the server's own.
    pub(crate) proxy: Option<String>,
    /// Whether it arrived before the request was fully sent.
    pub(crate) is_early: bool,
    pub(crate) body: Vec<u8>,
}

impl HttpResponse {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The size of the body, in bytes.
    pub fn body_len(&self) -> usize {
        self.body.len()
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
