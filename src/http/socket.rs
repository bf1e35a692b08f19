//! A TCP connection that keeps the deadline of its attempt.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{RecvFlags, recv};

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
    /// What is left of the bytes that had arrived when the deadline passed.
    late_bytes: Option<usize>,
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
            late_bytes: None,
            attempt: Arc::clone(attempt),
        }
    }

    pub(super) fn has_write_failed(&self) -> bool {
        self.write_error.is_some()
    }

    /// Whether the connection is open and no unread bytes have arrived.
    pub(super) fn is_idle(&self) -> bool {
        // Anything else is the end of the connection, or bytes that were not requested.
        matches!(self.peek(&mut [0]), Err(Errno::AGAIN))
    }

    /// Whether that stays so for this time.
    pub(super) fn stays_idle(&self, time: Duration) -> bool {
        let mut polled = [PollFd::new(&self.stream, PollFlags::IN)];
        // A failure shows in the peek.
        let _ = poll(&mut polled, Timespec::try_from(time).ok().as_ref());
        self.is_idle()
    }

    /// Looks at what has arrived, without waiting for it.
    pub(super) fn peek(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        recv(&self.stream, buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT).map(|(count, _)| count)
    }

    /// Discards what is not written yet, and all that follows.
    pub(super) fn give_up_writing(&mut self, error: io::Error) {
        self.write_buffer.clear();
        self.write_error = Some(error);
        self.attempt.state().has_write_failed = true;
    }

    /// Sends some of the bytes.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let limit = self.attempt.remaining()?.min(WRITE_POLL_INTERVAL);
            if self.write_timeout.replace(limit) != Some(limit) {
                self.stream.set_write_timeout(Some(limit))?;
            }
            match self.stream.write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_transient(&error) => {
                    if !self.is_idle() {
                        return Err(ErrorKind::WouldBlock.into());
                    }
                }
                result => return result,
            }
        }
    }

    /// Sends some of the bytes, or discards them if a write fails: there may be a response that says more.
    fn send_or_defer(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_write_failed() {
            return Ok(bytes.len());
        }
        match self.send(bytes) {
            // The deadline is that of reads, too.
            Err(error) if !is_deadline(&error) && error.kind() != ErrorKind::WouldBlock => {
                self.give_up_writing(error);
                Ok(bytes.len())
            }
            result => result,
        }
    }

    fn send_buffer(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.write_buffer);
        let mut sent = 0;
        while sent < buffer.len() {
            match self.send_or_defer(&buffer[sent..]) {
                Ok(count) => sent += count,
                Err(error) => {
                    buffer.drain(..sent);
                    self.write_buffer = buffer;
                    return Err(error);
                }
            }
        }
        buffer.clear();
        self.write_buffer = buffer;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let limit = match self.attempt.remaining() {
                Ok(remaining) => remaining.min(READ_POLL_INTERVAL),
                Err(error) => return self.receive_late(buffer, error),
            };
            self.late_bytes = None;
            if self.read_timeout.replace(limit) != Some(limit) {
                self.stream.set_read_timeout(Some(limit))?;
            }
            match self.stream.read(buffer) {
                Err(error) if is_transient(&error) => {}
                result => return result,
            }
        }
    }

    /// What has arrived when it is noticed that the deadline has passed still counts: the process may have been stopped
    /// meanwhile, or its container frozen.
    fn receive_late(&mut self, buffer: &mut [u8], deadline: io::Error) -> io::Result<usize> {
        let arrived = match self.late_bytes {
            Some(bytes) => bytes,
            None => usize::try_from(ioctl_fionread(&self.stream)?).unwrap_or_default(),
        };
        if arrived == 0 {
            return Err(deadline);
        }
        let limit = arrived.min(buffer.len());
        let count = self.stream.read(&mut buffer[..limit])?;
        self.late_bytes = Some(arrived - count);
        Ok(count)
    }
}

/// Whether nothing more can be read, other than because of the deadline.
pub(super) fn has_ended(read: &io::Result<usize>) -> bool {
    match read {
        Ok(count) => *count == 0,
        Err(error) => !is_deadline(error),
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
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if the peer reads nothing, but has sent something, which it may wait for.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.write_buffer.len() + bytes.len() > BUFFER_BYTES {
            self.send_buffer()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            return self.send_or_defer(bytes);
        }
        self.write_buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: TLS flushes after each record, and the request can leave in one packet with the end of the handshake.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.send_buffer() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => result?,
        }
        let result = self.receive(buffer);
        if let Ok(count) = result {
            self.attempt.state().has_peer_closed = count == 0;
        }
        // Nothing came after a write that failed, so that write is the cause.
        match self.write_error.take_if(|_| has_ended(&result)) {
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

    /// More than the buffers of a connection hold.
    const BYTES: usize = 30_000_000;

    #[test]
    fn reads_and_writes_end_at_deadline() {
        let attempt = Arc::new(Attempt::new(Duration::ZERO));
        let (mut socket, _server) = connection(&attempt);
        attempt.start(Instant::now(), 2 * WRITE_POLL_INTERVAL);
        assert!(is_deadline(&socket.write_all(&vec![0; BYTES]).unwrap_err()));
        attempt.start(Instant::now(), WRITE_POLL_INTERVAL);
        assert!(is_deadline(&socket.read(&mut [0]).unwrap_err()));
    }

    #[test]
    fn arrived_bytes_count_after_deadline() {
        let attempt = Arc::new(Attempt::new(Duration::ZERO));
        let (mut socket, mut server) = connection(&attempt);
        server.write_all(b"abc").unwrap();
        // Blocks until it has arrived.
        socket.stream.peek(&mut [0; 3]).unwrap();
        attempt.start(Instant::now(), Duration::ZERO);
        let mut read = || {
            let mut buffer = [0; 2];
            socket.read(&mut buffer).map(|count| buffer[..count].to_vec())
        };
        assert_eq!((read().unwrap(), server.write_all(b"d").is_ok()), (b"ab".to_vec(), true));
        assert_eq!(read().unwrap(), b"c");
        assert!(is_deadline(&read().unwrap_err()));
    }

    #[test]
    fn blocked_write_notices_what_has_arrived() {
        let attempt = Arc::new(Attempt::new(Duration::ZERO));
        attempt.start(Instant::now(), Duration::from_secs(20));
        let (mut socket, mut server) = connection(&attempt);
        server.write_all(b"a").unwrap();
        assert_eq!(socket.write_all(&vec![0; BYTES]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(socket.read(&mut [0; 2]).unwrap(), 1);
        assert!(!socket.has_write_failed());
        socket.give_up_writing(ErrorKind::BrokenPipe.into());
        socket.write_all(&vec![0; BYTES]).unwrap();
        drop(server);
        assert_eq!(socket.read(&mut [0; 2]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn slow_reader_is_waited_for() {
        let attempt = Arc::new(Attempt::new(Duration::ZERO));
        attempt.start(Instant::now(), Duration::from_secs(20));
        let (mut socket, mut server) = connection(&attempt);
        let reader = thread::spawn(move || {
            // This server is slow on purpose; nothing is waited for.
            thread::sleep(5 * WRITE_POLL_INTERVAL);
            io::copy(&mut server, &mut io::sink())
        });
        socket.write_all(&vec![0; BYTES]).unwrap();
        assert!(!socket.has_write_failed());
        drop(socket);
        reader.join().unwrap().unwrap();
    }
}
