//! Faults as scripts of what the server does with a connection.

use std::time::Duration;

use super::http::Response;

/// What the server does with one request, step by step.
///
/// A script starts with the first byte of its request. If it does not close the connection, the next request is read
/// from it.
pub type Script = Vec<Step>;

/// A step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Reads until this many bytes of the request have been read in total.
    Read(usize),
    /// Reads the rest of the request without executing it.
    ReadAll,
    /// Reads the rest of the request and executes it. `SendRange`, `SendRest` and `SendSlowly` send its response.
    Execute,
    /// Another version with the same engine takes the server's place, from this request on.
    Replace(u8, Option<&'static str>),
    /// Does what a server without a script does, and ends the script: a large request may be rejected before it is read.
    Respond,
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends the same bytes repeatedly, without buffering them all.
    SendRepeated(Vec<u8>, usize),
    /// Sends bytes of the response from one position to another, or to its end.
    SendRange(usize, usize),
    /// Sends the rest of the response.
    SendRest,
    /// Sends the rest of the response byte by byte, with a pause after each byte.
    SendSlowly(Duration),
    /// Closes the sending side and waits for the client to close. If unread data exceeds the socket buffers, the client
    /// gets a reset.
    Close,
    /// Resets the connection at once.
    Reset,
    /// Does nothing until the client closes or the server is dropped. The close is noticed once everything sent was
    /// read.
    Hang,
}

impl Step {
    /// Sends this response.
    pub fn respond(response: &Response) -> Self {
        Self::Send(response.to_bytes())
    }
}

/// Stops after reading this many bytes of the request, without executing it.
pub fn fail_during_request(bytes: usize, end: Step) -> Script {
    vec![Step::Read(bytes), end]
}

/// Executes the request and stops after this many bytes of the response.
pub fn fail_during_response(bytes: usize, end: Step) -> Script {
    vec![Step::Execute, Step::SendRange(0, bytes), end]
}

/// Executes the request, sends this many bytes of the response, then garbage.
pub fn corrupt_response(bytes: usize) -> Script {
    vec![Step::Execute, Step::SendRange(0, bytes), Step::Send(GARBAGE.to_vec()), Step::Close]
}

/// Not valid in HTTP headers, chunks or JSON.
pub const GARBAGE: &[u8] = b"\x00\xff\x16\x03garbage\r\n\r\n\x00";

/// Executes the request, but sends this response.
pub fn respond(response: &Response) -> Script {
    vec![Step::Execute, Step::respond(response)]
}

/// Sends this response without executing the request.
pub fn reject(response: &Response) -> Script {
    vec![Step::Read(1), Step::respond(response), Step::Close]
}

/// The recorded response of a TLS port to plain HTTP; it has no headers.
pub fn plain_http_to_tls_port() -> Script {
    let response = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    vec![Step::Send(response.to_vec()), Step::Close]
}
