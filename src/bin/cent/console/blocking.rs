//! Standard streams that wait until they are ready: a neighbor such as ssh or node can make a pipe non-blocking, for all
//! processes that share it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A stream whose writes wait, whether it is non-blocking or not.
#[derive(Debug)]
pub(crate) struct Blocking<Stream>(Stream);

/// Standard input, without the buffer of the standard library.
///
/// # Errors
/// If it cannot be duplicated.
pub(crate) fn stdin() -> io::Result<File> {
    duplicate(&io::stdin())
}

/// Standard output, without the buffer of the standard library.
pub(crate) fn stdout() -> Blocking<io::Stdout> {
    Blocking(io::stdout())
}

pub(crate) fn stderr() -> Blocking<io::Stderr> {
    Blocking(io::stderr())
}

fn duplicate(stream: &impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

impl<Stream: Write + AsFd> Write for Blocking<Stream> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(self.0.as_fd(), PollFlags::OUT, None)?,
                result => return result,
            };
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.0.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(self.0.as_fd(), PollFlags::OUT, None)?,
                result => return result,
            };
        }
    }
}

/// Appends what there is to read up to the end, and at most this many bytes. Waits if the input is non-blocking.
///
/// # Errors
/// If it cannot be read. What was read before that is kept.
pub(crate) fn read_to_end(mut input: impl Read + AsFd, max_bytes: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let end = max_bytes.saturating_add(bytes.len() as u64);
    loop {
        let remaining = end.saturating_sub(bytes.len() as u64);
        // Of the input itself: for a reader of our own, the standard library fills the buffer with zeros, twice the memory.
        match input.by_ref().take(remaining).read_to_end(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(input.as_fd(), PollFlags::IN, None)?,
            result => return result.map(drop),
        };
    }
}

/// Waits until there is input, an end or an error to read. May return false before the timeout, after a signal.
///
/// # Errors
/// If the system cannot wait for it.
pub(crate) fn is_readable(input: &impl AsFd, timeout: Option<Duration>) -> io::Result<bool> {
    wait(input.as_fd(), PollFlags::IN, timeout)
}

fn wait(stream: BorrowedFd<'_>, flags: PollFlags, timeout: Option<Duration>) -> io::Result<bool> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(&mut [PollFd::from_borrowed_fd(stream, flags)], timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    /// More than a socket's buffers hold.
    const BYTES: usize = 4_000_000;

    #[test]
    fn nonblocking_streams_are_waited_for() {
        let (reader, writer) = UnixStream::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        writer.set_nonblocking(true).unwrap();
        let writing = thread::spawn(move || {
            let mut writer = Blocking(writer);
            writer.write_all(&vec![b'x'; BYTES]).and_then(|()| writer.flush())
        });
        let mut text = Vec::new();
        read_to_end(reader, u64::MAX, &mut text).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(text.len(), BYTES);
    }

    #[test]
    fn closed_reader_is_an_error() {
        let (reader, writer) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        drop(reader);
        assert_eq!(Blocking(writer).write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
