//! Faults, written as what happens on the wire.

use std::time::Duration;

use super::http::Response;

/// What the server does in answer to one request, step by step.
///
/// A script begins when the first byte of its request has come. Where it ends without closing the connection, the next
/// request is awaited on it.
pub type Script = Vec<Step>;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Reads until so many bytes of the request, counted from its first, have been taken.
    Read(usize),
    /// Reads what is left of the request and runs it; its answer is what `SendRange`, `SendRest` and `SendSlowly` send.
    Execute,
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends the same bytes so many times, without holding them all.
    SendRepeated(Vec<u8>, usize),
    /// Sends the bytes of the answer, as it goes over the wire, from one position to another or to its end.
    SendRange(usize, usize),
    /// Sends the rest of the answer.
    SendRest,
    /// Sends the rest of the answer a byte at a time, with a pause after each.
    SendSlowly(Duration),
    /// Sends an end and lets the client close. A client that has more to send than fits on the way gets a reset.
    Close,
    /// Breaks the connection off with a reset, at once.
    Reset,
    /// Does nothing more, until the client closes (noticed once all it has sent was read) or the server is dropped.
    Hang,
}

impl Step {
    /// Sends a response of one's own.
    pub fn respond(response: &Response) -> Self {
        Self::Send(response.to_bytes())
    }
}

/// Stops after reading so many bytes of the request, without running it.
pub fn fail_during_request(bytes: usize, end: Step) -> Script {
    vec![Step::Read(bytes), end]
}

/// Runs the request and stops after so many bytes of the answer.
pub fn fail_during_response(bytes: usize, end: Step) -> Script {
    vec![Step::Execute, Step::SendRange(0, bytes), end]
}

/// Runs the request, sends so many bytes of the answer, and then something that is no HTTP.
pub fn corrupt_response(bytes: usize) -> Script {
    vec![Step::Execute, Step::SendRange(0, bytes), Step::Send(GARBAGE.to_vec()), Step::Close]
}

/// What no HTTP answer, chunk or JSON text holds.
pub const GARBAGE: &[u8] = b"\x00\xff\x16\x03garbage\r\n\r\n\x00";

/// Runs the request and answers something else.
pub fn respond(response: &Response) -> Script {
    vec![Step::Execute, Step::respond(response)]
}

/// Answers without running anything.
pub fn reject(response: &Response) -> Script {
    vec![Step::Read(1), Step::respond(response), Step::Close]
}

/// The answer of a port that speaks TLS to plain HTTP, as recorded: no headers.
pub fn plain_http_to_tls_port() -> Script {
    let response = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    vec![Step::Send(response.to_vec()), Step::Close]
}
