//! A TCP connection that keeps the deadline of its attempt.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::attempt::Attempt;
use super::connect_error::ConnectError;

/// Larger buffers gain nothing for responses of a few hundred bytes, and cost page faults at the start.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// The maximum size of response headers: the buffer grows up to it, because nothing is consumed before they are complete.
pub(super) const MAX_HEAD_BYTES: usize = 256 * 1024;

/// How long a write may block before a check whether the response is there already.
const WRITE_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Interval between deadline checks while reading. Constant while time remains, so that the socket timeout need not be
/// set for every read.
const READ_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Whether this is the socket's timeout, under either of its names.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The timeouts that the socket was last given.
#[derive(Debug, Default)]
struct Timeouts {
    read: Option<Duration>,
    write: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// Not yet written, so that headers and a small body leave in one packet.
    write_buffer: Vec<u8>,
    /// Whether a response was awaited since the last call of `is_open`.
    response_awaited: bool,
    /// When the last bytes arrived.
    last_read: Instant,
    timeouts: Timeouts,
    /// Whether bytes that arrive during a write can only be the response; with TLS they need not be.
    is_plaintext: bool,
    attempt: Arc<Attempt>,
    /// A failed write, deferred: a server that rejects a request early (401, 413) closes before a large body is fully sent,
    /// and its response can still be read.
    write_error: Option<io::Error>,
}

impl TcpTransport {
    pub(super) fn new(stream: TcpStream, is_plaintext: bool, attempt: &Arc<Attempt>) -> Self {
        Self {
            stream,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            write_buffer: Vec::new(),
            response_awaited: false,
            last_read: Instant::now(),
            timeouts: Timeouts::default(),
            is_plaintext,
            attempt: Arc::clone(attempt),
            write_error: None,
        }
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), ureq::Error> {
        while !bytes.is_empty() {
            let limit = self.attempt.remaining()?.min(WRITE_POLL_INTERVAL);
            if self.timeouts.write.replace(limit) != Some(limit) {
                self.stream.set_write_timeout(Some(limit))?;
            }
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) => {
                    let blocked = is_timeout(&error);
                    self.ignore_transient(error)?;
                    if blocked && self.is_plaintext && self.has_early_response()? {
                        return Err(io::Error::other("response received before the request was fully sent").into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the response has begun, or the connection ended. An interim response such as 100 Continue does not count.
    fn has_early_response(&self) -> io::Result<bool> {
        const INTERIM: usize = b"HTTP/1.1 1".len();
        if self.is_idle()? {
            return Ok(false);
        }
        let mut head = [0; INTERIM];
        let count = self.stream.peek(&mut head)?;
        Ok(!(count == INTERIM && head.starts_with(b"HTTP/1.") && head.ends_with(b" 1")))
    }

    /// Buffers bytes, and writes once there are many.
    fn buffer_write(&mut self, bytes: &[u8]) -> Result<(), ureq::Error> {
        if self.write_buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush_buffer()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            return self.write_all(bytes);
        }
        self.write_buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush_buffer(&mut self) -> Result<(), ureq::Error> {
        let mut buffer = std::mem::take(&mut self.write_buffer);
        let result = self.write_all(&buffer);
        buffer.clear();
        self.write_buffer = buffer;
        result
    }

    /// Defers the error of a failed write: there may be a response that says more.
    fn defer_write_error(&mut self, written: Result<(), ureq::Error>) -> Result<(), ureq::Error> {
        match written {
            Err(ureq::Error::Io(error)) => {
                self.write_error = Some(error);
                self.attempt.mark_write_failed();
                Ok(())
            }
            written => written,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ureq::Error> {
        loop {
            let limit = self.attempt.remaining()?.min(READ_POLL_INTERVAL);
            if self.timeouts.read.replace(limit) != Some(limit) {
                self.stream.set_read_timeout(Some(limit))?;
            }
            match self.stream.read(buffer) {
                Ok(count) => {
                    self.last_read = Instant::now();
                    self.attempt.set_peer_closed(count == 0);
                    return Ok(count);
                }
                Err(error) => self.ignore_transient(error)?,
            }
        }
    }

    /// Reads the head of a proxy's response, a byte at a time so that nothing after it is consumed.
    pub(super) fn read_head(&mut self) -> Result<Vec<u8>, ureq::Error> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < BUFFER_BYTES {
            if self.read(&mut byte)? == 0 {
                return Err(ConnectError::InvalidProxyResponse.into());
            }
            head.extend_from_slice(&byte);
        }
        Ok(head)
    }

    /// Ignores interruptions by a signal or by the socket's timeout, as long as the deadline has not passed.
    fn ignore_transient(&self, error: io::Error) -> Result<(), ureq::Error> {
        if is_timeout(&error) || error.kind() == ErrorKind::Interrupted {
            return self.attempt.remaining().map(drop);
        }
        Err(error.into())
    }

    /// Whether the connection is open and no unread bytes have arrived.
    fn is_idle(&self) -> io::Result<bool> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        // Anything else is the end of the connection, or bytes that were not requested.
        Ok(matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock))
    }
}

/// Doubles an input buffer that is full. To read on without room would look like the end.
pub(super) fn make_room(buffers: &mut LazyBuffers) -> Result<(), ureq::Error> {
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

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.write_error.is_some() {
            return Ok(());
        }
        let mut buffers = std::mem::replace(&mut self.buffers, LazyBuffers::new(1, 1));
        let written = self.buffer_write(buffers.output().get(..amount).unwrap_or_default());
        self.buffers = buffers;
        self.defer_write_error(written)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.response_awaited = true;
        if self.write_error.is_none() {
            let written = self.flush_buffer();
            self.defer_write_error(written)?;
        }
        let mut buffers = std::mem::replace(&mut self.buffers, LazyBuffers::new(1, 1));
        let result = make_room(&mut buffers).and_then(|()| self.read(buffers.input_append_buf()));
        self.buffers = buffers;
        match (result, self.write_error.take()) {
            (Ok(count @ 1..), write_error) => {
                self.write_error = write_error;
                self.buffers.input_appended(count);
                Ok(true)
            }
            (Ok(_) | Err(ureq::Error::Io(_)), Some(write_error)) => Err(write_error.into()),
            (result, _) => result.map(|_| false),
        }
    }

    /// ureq asks when it is done with a connection and again before it uses it: the second result counts.
    fn is_open(&mut self) -> bool {
        let is_just_used = std::mem::take(&mut self.response_awaited);
        let idle = if is_just_used { Duration::ZERO } else { self.last_read.elapsed() };
        self.attempt.is_reusable_after(idle)
            && self.write_error.is_none()
            && (is_just_used || self.is_idle().unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// Both ends of a connection.
    fn connection(attempt: &Arc<Attempt>) -> (TcpTransport, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (TcpTransport::new(stream, true, attempt), listener.accept().unwrap().0)
    }

    #[test]
    fn early_response_is_final_unless_interim() {
        for (sent, is_final) in [
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
            ("HTTP/1.1 413 Content Too Large\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("SSH-2.0-OpenSSH 1", true),
            ("", true),
        ] {
            let (socket, mut server) = connection(&Arc::new(Attempt::new()));
            assert!(socket.is_idle().unwrap() && !socket.has_early_response().unwrap());
            server.write_all(sent.as_bytes()).unwrap();
            drop(server);
            // Blocks until it has arrived.
            socket.stream.peek(&mut [0]).unwrap();
            assert!(!socket.is_idle().unwrap());
            assert_eq!(socket.has_early_response().unwrap(), is_final, "{sent}");
        }
    }

    /// More than the buffers of a connection hold.
    const BYTES: usize = 30_000_000;

    #[test]
    fn reads_and_writes_end_at_deadline() {
        let attempt = Arc::new(Attempt::new());
        let (mut socket, _server) = connection(&attempt);
        attempt.start(Instant::now(), 2 * WRITE_POLL_INTERVAL);
        assert!(matches!(socket.write_all(&vec![0; BYTES]), Err(ureq::Error::Timeout(_))));
        attempt.start(Instant::now(), WRITE_POLL_INTERVAL);
        assert!(matches!(socket.read(&mut [0]), Err(ureq::Error::Timeout(_))));
    }

    #[test]
    fn slow_reader_is_fine_early_response_aborts() {
        let attempt = Arc::new(Attempt::new());
        for (sent, reads) in [("", true), ("HTTP/1.1 100 Continue\r\n\r\n", true), ("HTTP/1.1 413 No\r\n\r\n", false)] {
            let (mut socket, mut server) = connection(&attempt);
            attempt.start(Instant::now(), Duration::from_secs(20));
            server.write_all(sent.as_bytes()).unwrap();
            let reader = thread::spawn(move || {
                if reads {
                    // This server is slow on purpose; nothing is waited for.
                    thread::sleep(5 * WRITE_POLL_INTERVAL);
                    // A client that leaves received bytes unread closes with a reset.
                    let _ = io::copy(&mut server, &mut io::sink());
                }
                server
            });
            let written = socket.write_all(&vec![0; BYTES]);
            drop(socket);
            reader.join().unwrap();
            let is_aborted = matches!(written, Err(ureq::Error::Io(_)));
            assert!(if reads { written.is_ok() } else { is_aborted }, "{sent}: {written:?}");
        }
    }
}
