//! Servers that speak something else: what the first bytes of a response say, before ureq parses them.

/// What a server speaks that does not speak HTTP/1. It cannot have read the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForeignProtocol {
    /// HTTP/2, as gRPC uses it.
    Http2,
    /// TLS, where the address says `http://`.
    Tls,
}

impl ForeignProtocol {
    /// Recognizes the frame or record that a response begins with.
    pub(super) fn detect(response: &[u8]) -> Option<Self> {
        match response {
            // SETTINGS or GOAWAY of stream 0 (RFC 9113, sections 4.1, 6.5 and 6.8).
            [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] => Some(Self::Http2),
            // An alert of any version up to TLS 1.3 (RFC 8446, section 5.1).
            [21, 3, 0..=4, 0, 2, ..] => Some(Self::Tls),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_protocols_are_detected() {
        use ForeignProtocol::{Http2, Tls};
        for (response, protocol) in [
            (&b"\0\0\x06\x04\0\0\0\0\0\0\x05"[..], Some(Http2)),
            (b"\0\0\x08\x07\0\0\0\0\0", Some(Http2)),
            (b"\0\0\x08\x07\0\0\0\0\x01", None),
            (b"\x15\x03\x01\0\x02\x02\x46", Some(Tls)),
            (b"\x15\x03\x03\0\x10", None),
            (b"HTTP/1.1 200 OK", None),
            (b"SSH-2.0-OpenSSH", None),
            (b"", None),
        ] {
            assert_eq!(ForeignProtocol::detect(response), protocol, "{response:?}");
        }
    }
}
