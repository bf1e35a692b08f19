//! A TCP connection that keeps the deadline of its attempt.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::Attempt;

/// Larger buffers gain nothing for responses of a few hundred bytes, and cost page faults at the start.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// The maximum size of response headers: the buffer grows up to it, because nothing is consumed before they are complete.
pub(super) const MAX_HEAD_BYTES: usize = 256 * 1024;

/// How long a write may block before a check whether the response is there already.
const WRITE_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Interval between deadline checks while reading. Constant while time remains, so that the socket timeout need not be
/// set for every read.
const READ_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Reads and writes until the deadline, whose [`ureq::Error::Timeout`] is inside the error then.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    /// Not yet written, so that headers and a small body leave in one packet; the next read writes it.
    write_buffer: Vec<u8>,
    /// A failed write, deferred: a server that rejects a request early (401, 413) closes before a large body is fully sent,
    /// and its response can still be read.
    write_error: Option<io::Error>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// Whether bytes that arrive during a write can only be the response; with TLS they need not be.
    pub(super) is_plaintext: bool,
    attempt: Arc<Attempt>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, attempt: &Arc<Attempt>) -> Self {
        Self {
            stream,
            write_buffer: Vec::new(),
            write_error: None,
            read_timeout: None,
            write_timeout: None,
            is_plaintext: true,
            attempt: Arc::clone(attempt),
        }
    }

    pub(super) fn has_write_failed(&self) -> bool {
        self.write_error.is_some()
    }

    /// Whether the connection is open and no unread bytes have arrived.
    pub(super) fn is_idle(&self) -> io::Result<bool> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        // Anything else is the end of the connection, or bytes that were not requested.
        Ok(matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock))
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

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let limit = self.attempt.remaining()?.min(WRITE_POLL_INTERVAL);
            if self.write_timeout.replace(limit) != Some(limit) {
                self.stream.set_write_timeout(Some(limit))?;
            }
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if is_transient(&error) => {
                    if self.is_plaintext && error.kind() != ErrorKind::Interrupted && self.has_early_response()? {
                        return Err(io::Error::other("response received before the request was fully sent"));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends bytes, unless a write has failed before: there may be a response that says more.
    fn send_or_defer(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.has_write_failed() {
            return Ok(());
        }
        match self.send(bytes) {
            // The deadline is that of reads, too.
            Err(error) if !is_deadline(&error) => {
                self.write_error = Some(error);
                self.attempt.state().has_write_failed = true;
                Ok(())
            }
            result => result,
        }
    }

    fn send_buffer(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.write_buffer);
        let result = self.send_or_defer(&buffer);
        buffer.clear();
        self.write_buffer = buffer;
        result
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let limit = self.attempt.remaining()?.min(READ_POLL_INTERVAL);
            if self.read_timeout.replace(limit) != Some(limit) {
                self.stream.set_read_timeout(Some(limit))?;
            }
            match self.stream.read(buffer) {
                Err(error) if is_transient(&error) => {}
                result => return result,
            }
        }
    }
}

/// Whether this is the error of [`Attempt::remaining`].
fn is_deadline(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<ureq::Error>)
}

/// Whether this is a signal, or the socket's timeout under either of its names; the deadline has its own error.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Write for Socket {
    /// Buffers bytes, and sends once there are many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.write_buffer.len() + bytes.len() > BUFFER_BYTES {
            self.send_buffer()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            self.send_or_defer(bytes)?;
        } else {
            self.write_buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    /// Does nothing: TLS flushes after each record, and the request can leave in one packet with the end of the handshake.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.send_buffer()?;
        let result = self.receive(buffer);
        if let Ok(count) = result {
            self.attempt.state().has_peer_closed = count == 0;
        }
        let has_ended = match &result {
            Ok(count) => *count == 0,
            Err(error) => !is_deadline(error),
        };
        // Nothing came after a write that failed, so that write is the cause.
        match self.write_error.take_if(|_| has_ended) {
            Some(error) => Err(error),
            None => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// Both ends of a connection.
    fn connection(attempt: &Arc<Attempt>) -> (Socket, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(stream, attempt), listener.accept().unwrap().0)
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
        assert!(is_deadline(&socket.write_all(&vec![0; BYTES]).unwrap_err()));
        attempt.start(Instant::now(), WRITE_POLL_INTERVAL);
        assert!(is_deadline(&socket.read(&mut [0]).unwrap_err()));
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
            socket.write_all(&vec![0; BYTES]).unwrap();
            let is_aborted = socket.has_write_failed();
            drop(socket);
            reader.join().unwrap();
            assert_eq!(is_aborted, !reads, "{sent}");
        }
    }
}
