//! A connection as ureq uses it: the only [`Transport`].

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::attempt::Attempt;
use super::errors::ConnectError;
use super::foreign_protocol::ForeignProtocol;
use super::socket::{BUFFER_BYTES, MAX_HEAD_BYTES, Socket};
use super::tls::TlsStream;

#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

impl Stream {
    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes),
        }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
    /// `http://host:port` for a proxy that forwards requests.
    origin: Option<String>,
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
            received_bytes: 0,
            was_response_awaited: false,
            last_read: Instant::now(),
            attempt: Arc::clone(attempt),
        }
    }

    /// Records the moment at which a request begins to leave. Returns its length, which is another one for a proxy.
    fn start_request(&mut self, amount: usize) -> Result<usize, ureq::Error> {
        self.received_bytes = 0;
        let amount = match &self.origin {
            Some(origin) => to_absolute_form(self.buffers.output(), amount, origin)?,
            None => amount,
        };
        // Before the write: nobody knows how much of a failed write has left.
        self.attempt.state().has_send_started = true;
        Ok(amount)
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, mut amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let is_first = !self.attempt.state().has_send_started;
        if is_first {
            amount = self.start_request(amount)?;
        }
        Ok(self.stream.write_all(self.buffers.output().get(..amount).unwrap_or_default())?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.was_response_awaited = true;
        make_room(&mut self.buffers)?;
        let count = self.stream.read(self.buffers.input_append_buf())?;
        self.last_read = Instant::now();
        self.buffers.input_appended(count);
        self.received_bytes += count;
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
        let socket = self.stream.socket();
        idle < self.attempt.state().max_idle
            && !socket.has_write_failed()
            && (is_just_used || socket.is_idle().unwrap_or(false))
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
    fn proxy_gets_absolute_form() {
        let mut output = [b'.'; 40];
        output[..16].copy_from_slice(b"POST /api/ HTTP/");
        let amount = to_absolute_form(&mut output, 16, "http://h:8000").unwrap();
        assert_eq!(&output[..amount], b"POST http://h:8000/api/ HTTP/");
        assert!(to_absolute_form(&mut output, 29, "http://h:8000").is_err());
    }
}
