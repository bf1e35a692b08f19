//! A connection as ureq uses it: the only [`Transport`].

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::attempt::{Attempt, Progress};
use super::errors::ConnectError;
use super::foreign_protocol::ForeignProtocol;
use super::socket::{BUFFER_BYTES, MAX_HEAD_BYTES, Socket, has_ended};
use super::tls::TlsStream;

#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_mut(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match self {
                Self::Plain(socket) => socket.read(buffer),
                Self::Tls(stream) => stream.read(buffer),
            };
            match result {
                // TLS writes what is left before it reads.
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.notice_early_response(true)?,
                result => return result,
            }
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && !self.socket().has_write_failed() {
            let result = match self {
                Self::Plain(socket) => socket.write(bytes),
                Self::Tls(stream) => stream.write(bytes),
            };
            let is_blocked = match result {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    false
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => true,
                Err(error) => return Err(error),
            };
            self.notice_early_response(is_blocked)?;
        }
        Ok(())
    }

    /// Gives up writing where the response is there already, or the connection has ended: a server that rejects a request
    /// early (401, 413) may not read the rest of it.
    fn notice_early_response(&mut self, is_blocked: bool) -> io::Result<()> {
        let is_early = match self {
            Self::Plain(_) if !is_blocked => false,
            Self::Plain(socket) => {
                let mut head = [0; INTERIM_HEAD.len()];
                let count = socket.peek(&mut head)?;
                is_final(&head[..count])
            }
            // Where a write blocks, rustls reads. Not all that arrives is a part of the response.
            Self::Tls(stream) => {
                let state = stream.conn.process_new_packets().map_err(io::Error::other)?;
                state.plaintext_bytes_to_read() > 0 && is_final(stream.conn.reader().fill_buf()?)
            }
        };
        if is_early {
            let error = io::Error::other("response received before the request was fully sent");
            self.socket().give_up_writing(error);
        }
        Ok(())
    }
}

/// How long after its first response a connection is watched for a close, before it is used again.
const CLOSE_DELAY: Duration = Duration::from_millis(1);

const INTERIM_HEAD: &[u8] = b"HTTP/1.1 1";

/// Whether a response that begins like this is the last one. An interim one such as 100 Continue is not.
fn is_final(head: &[u8]) -> bool {
    !(head.starts_with(b"HTTP/1.") && head.get(INTERIM_HEAD.len() - 2..INTERIM_HEAD.len()) == Some(b" 1"))
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
    /// `http://host:port` for a proxy that forwards requests.
    origin: Option<String>,
    /// Requests that began on it.
    requests: usize,
    /// Bytes of the response so far.
    received_bytes: usize,
    /// Whether a response was awaited since the last call of `is_open`.
    was_response_awaited: bool,
    /// When the last bytes arrived.
    last_read: Instant,
    attempt: Arc<Attempt>,
}

impl Connection {
    pub(super) fn new(stream: Stream, origin: Option<String>, attempt: &Arc<Attempt>) -> Self {
        Self {
            stream,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            origin,
            requests: 0,
            received_bytes: 0,
            was_response_awaited: false,
            last_read: Instant::now(),
            attempt: Arc::clone(attempt),
        }
    }

    /// Records the moment at which a request begins to leave. Returns its length, which is another one for a proxy.
    fn start_request(&mut self, amount: usize) -> Result<usize, ureq::Error> {
        (self.requests, self.received_bytes) = (self.requests + 1, 0);
        let amount = match &self.origin {
            Some(origin) => to_absolute_form(self.buffers.output(), amount, origin)?,
            None => amount,
        };
        // Before the write: nobody knows how much of a failed write has left.
        let mut state = self.attempt.state();
        (state.progress, state.requests) = (Progress::Sending, self.requests);
        Ok(amount)
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, mut amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let is_first = self.attempt.state().progress == Progress::Connecting;
        if is_first {
            amount = self.start_request(amount)?;
        }
        Ok(self.stream.write_all(self.buffers.output().get(..amount).unwrap_or_default())?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.was_response_awaited = true;
        make_room(&mut self.buffers)?;
        let result = self.stream.read(self.buffers.input_append_buf());
        if self.requests > 1 && self.received_bytes == 0 && has_ended(&result) {
            self.attempt.state().was_closed_silently = true;
        }
        let count = result?;
        self.last_read = Instant::now();
        self.buffers.input_appended(count);
        self.received_bytes += count;
        if count > 0 {
            self.attempt.state().progress = Progress::Receiving;
        }
        // ureq consumes nothing before the headers are complete.
        if self.received_bytes == self.buffers.input().len() {
            self.attempt.state().foreign_protocol = ForeignProtocol::detect(self.buffers.input());
        }
        Ok(count > 0)
    }

    /// ureq asks when it is done with a connection and again before it uses it: the second result counts.
    fn is_open(&mut self) -> bool {
        let is_just_used = std::mem::take(&mut self.was_response_awaited);
        let idle = if is_just_used { Duration::ZERO } else { self.last_read.elapsed() };
        // A server that closes after each response without saying so does it at once, the first time too.
        let wait = if self.requests == 1 { CLOSE_DELAY.saturating_sub(idle) } else { Duration::ZERO };
        let is_kept = {
            let state = self.attempt.state();
            idle < state.max_idle && !state.was_closed_silently
        };
        let socket = self.stream.socket();
        is_kept && !socket.has_write_failed() && (is_just_used || socket.stays_idle(wait))
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

/// Doubles an input buffer that is full. To read on without room would look like the end.
fn make_room(buffers: &mut LazyBuffers) -> Result<(), ureq::Error> {
    if !buffers.input_append_buf().is_empty() {
        return Ok(());
    }
    let input = buffers.input();
    if input.len() >= MAX_HEAD_BYTES {
        return Err(ureq::Error::LargeResponseHeader(input.len(), MAX_HEAD_BYTES));
    }
    let mut larger = LazyBuffers::new(2 * input.len(), BUFFER_BYTES);
    larger.input_append_buf()[..input.len()].copy_from_slice(input);
    larger.input_appended(input.len());
    *buffers = larger;
    Ok(())
}

/// Turns `POST /path` into `POST http://host/path`, the form for a proxy (RFC 9112, section 3.2.2); ureq knows only
/// CONNECT, which many proxies refuse to ports other than 443.
fn to_absolute_form(output: &mut [u8], amount: usize, origin: &str) -> Result<usize, ureq::Error> {
    let start = output.iter().position(|&byte| byte == b' ').map_or(0, |space| space + 1);
    let end = start + origin.len();
    if amount + origin.len() > output.len() {
        return Err(ConnectError::RequestLineTooLong.into());
    }
    output.copy_within(start..amount, end);
    output[start..end].copy_from_slice(origin.as_bytes());
    Ok(amount + origin.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_response_is_not_final() {
        for (head, expected) in [
            ("HTTP/1.1 100 Continue", false),
            ("HTTP/1.0 1", false),
            ("HTTP/1.1 413 No", true),
            ("HTTP/1.1 ", true),
            ("SSH-2.0-OpenSSH 1", true),
            ("", true),
        ] {
            assert_eq!(is_final(head.as_bytes()), expected, "{head}");
        }
    }

    #[test]
    fn proxy_gets_absolute_form() {
        let mut output = [b'.'; 40];
        output[..16].copy_from_slice(b"POST /api/ HTTP/");
        let amount = to_absolute_form(&mut output, 16, "http://h:8000").unwrap();
        assert_eq!(&output[..amount], b"POST http://h:8000/api/ HTTP/");
        assert!(to_absolute_form(&mut output, 29, "http://h:8000").is_err());
    }
}
