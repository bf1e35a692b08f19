//! The first bytes of a response, before ureq parses them.

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

/// The input with each folded header line made one (RFC 9112, section 5.2), which ureq rejects; `None` where there is
/// none. The length stays the same.
pub(super) fn unfold(input: &[u8]) -> Option<Vec<u8>> {
    let head = &input[..find(input, b"\r\n\r\n").unwrap_or(input.len())];
    let is_fold = |window: &[u8]| matches!(window, [b'\r', b'\n', b' ' | b'\t']);
    if !input.starts_with(b"HTTP/1.") || !head.windows(3).any(is_fold) {
        return None;
    }
    let mut unfolded = input.to_vec();
    for start in (0..head.len()).filter(|&start| input[start..].get(..3).is_some_and(is_fold)) {
        unfolded[start..start + 2].fill(b' ');
    }
    Some(unfolded)
}

/// Whether the headers of the final response are complete.
pub(super) fn is_complete(input: &[u8]) -> bool {
    const INTERIM: usize = b"HTTP/1.1 ".len();
    find(input, b"\r\n\r\n").is_some() && input.get(INTERIM) != Some(&b'1')
}

fn find(input: &[u8], pattern: &[u8]) -> Option<usize> {
    input.windows(pattern.len()).position(|window| window == pattern)
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

    #[test]
    fn folded_lines_are_joined_in_headers_only() {
        let unfolded = |input: &str| unfold(input.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        let folded = "HTTP/1.1 200 OK\r\nA: 1,\r\n 2,\r\n\t3\r\n\r\n{\r\n }";
        assert_eq!(unfolded(folded).unwrap(), "HTTP/1.1 200 OK\r\nA: 1,   2,  \t3\r\n\r\n{\r\n }");
        assert_eq!(unfolded("HTTP/1.1 200 OK\r\nA: 1,\r\n 2").unwrap(), "HTTP/1.1 200 OK\r\nA: 1,   2");
        for other in ["HTTP/1.1 200 OK\r\nA: 1\r\n\r\n{\r\n }", "{\r\n }", "HTTP/1.1 200 OK\r\n", ""] {
            assert_eq!(unfolded(other), None, "{other}");
        }
    }

    #[test]
    fn interim_response_is_not_final() {
        assert!(is_complete(b"HTTP/1.1 200 OK\r\n\r\n{"));
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\n\r"));
        assert!(!is_complete(b"HTTP/1.1 103 Early Hints\r\n\r\n"));
    }
}
