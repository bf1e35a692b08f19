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
    let start = start_of_final_head(input);
    let end = find(&input[start..], b"\r\n\r\n").map_or(input.len(), |length| start + length);
    let head = &input[start..end];
    let is_fold = |window: &[u8]| matches!(window, [b'\r', b'\n', b' ' | b'\t']);
    if !head.starts_with(b"HTTP/1.") || !head.windows(3).any(is_fold) {
        return None;
    }
    let mut unfolded = input.to_vec();
    for start in (start..end).filter(|&start| input[start..].get(..3).is_some_and(is_fold)) {
        unfolded[start..start + 2].fill(b' ');
    }
    Some(unfolded)
}

/// Whether the headers of the final response are complete.
pub(super) fn is_complete(input: &[u8]) -> bool {
    find(&input[start_of_final_head(input)..], b"\r\n\r\n").is_some()
}

/// Where the first head begins that is not that of an interim response, such as 100 Continue.
fn start_of_final_head(input: &[u8]) -> usize {
    const STATUS: usize = b"HTTP/1.1 ".len();
    let mut start = 0;
    while input.get(start + STATUS) == Some(&b'1')
        && let Some(length) = find(&input[start..], b"\r\n\r\n")
    {
        start += length + b"\r\n\r\n".len();
    }
    start
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
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: 1,\r\n 2\r\n\r\n";
        assert_eq!(unfolded(interim).unwrap(), interim.replace(",\r\n", ",  "));
        for other in ["HTTP/1.1 200 OK\r\nA: 1\r\n\r\n{\r\n }", "{\r\n }", "HTTP/1.1 200 OK\r\n", ""] {
            assert_eq!(unfolded(other), None, "{other}");
        }
    }

    #[test]
    fn interim_response_is_not_final() {
        assert!(is_complete(b"HTTP/1.1 200 OK\r\n\r\n{"));
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\n\r"));
        assert!(!is_complete(b"HTTP/1.1 103 Early Hints\r\n\r\n"));
        assert!(is_complete(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"));
    }
}
