//! One attempt to send a request: its deadline, and what its connection observed.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Timeout;

use super::foreign_protocol::ForeignProtocol;
use crate::connection::ConnectionInfo;

/// What is known of one attempt, shared with its connection. Only one request is in flight at a time.
#[derive(Debug)]
pub(super) struct Attempt(Mutex<State>);

#[derive(Debug)]
pub(super) struct State {
    /// For everything from name lookup to the last byte of the response.
    deadline: Instant,
    pub(super) progress: Progress,
    /// How many requests began on its connection, this one included.
    pub(super) requests: usize,
    /// Whether a part of the request could not be written: the response arrived, or the connection broke, before.
    pub(super) has_write_failed: bool,
    /// Whether the peer has closed the connection other than by a reset.
    pub(super) has_peer_closed: bool,
    /// What the response begins with, where that is not HTTP/1.
    pub(super) foreign_protocol: Option<ForeignProtocol>,
    /// Whether the connection's server asked for a client certificate.
    pub(super) client_auth: ClientAuth,
    /// Whether a connection was closed when it was used again: its server closes after each response without saying so.
    pub(super) was_closed_silently: bool,
    /// How long connections may be idle and still be used again.
    pub(super) idle_limit: Duration,
    /// How long this connection may be; zero if it must not be used again.
    pub(super) max_idle: Duration,
    /// The last connection, which may be older than this attempt.
    pub(super) connection: ConnectionInfo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Connecting,
    /// A byte of the request was handed to the connection.
    Sending,
    /// A byte of the response has arrived.
    Receiving,
}

/// What the server got when it asked for a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    NotRequested,
    /// There was none to send.
    Missing,
    Sent,
}

impl Attempt {
    pub(super) fn new(idle_limit: Duration) -> Self {
        Self(Mutex::new(State {
            deadline: Instant::now(),
            progress: Progress::Connecting,
            requests: 0,
            has_write_failed: false,
            has_peer_closed: false,
            foreign_protocol: None,
            client_auth: ClientAuth::NotRequested,
            was_closed_silently: false,
            idle_limit,
            max_idle: idle_limit,
            connection: ConnectionInfo::default(),
        }))
    }

    /// Starts an attempt that may take this long, counted from `start`.
    pub(super) fn start(&self, start: Instant, timeout: Duration) {
        let mut state = self.state();
        // A timeout beyond what the clock can hold is none; a century is as good.
        state.deadline = start.checked_add(timeout).unwrap_or(start + Duration::from_secs(100 * 365 * 24 * 60 * 60));
        (state.has_write_failed, state.has_peer_closed) = (false, false);
        (state.progress, state.foreign_protocol) = (Progress::Connecting, None);
    }

    /// Not to be held while anything is read or written: the connection uses it, too.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time until the deadline; never zero, which sockets take for "no timeout".
    ///
    /// # Errors
    /// A [`ureq::Error::Timeout`] inside, once the deadline has passed.
    pub(super) fn remaining(&self) -> io::Result<Duration> {
        let remaining = self.state().deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(timed_out()) } else { Ok(remaining) }
    }

    /// Runs what has no time limit of its own on a thread, which is abandoned at the deadline.
    ///
    /// # Errors
    /// As [`remaining`](Self::remaining); if there is no thread for now.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::Builder::new().spawn(move || sender.send(work()))?;
        receiver.recv_timeout(self.remaining()?).map_err(|_| timed_out())
    }
}

fn timed_out() -> io::Error {
    ureq::Error::Timeout(Timeout::Global).into_io()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_deadline_is_a_timeout() {
        let attempt = Attempt::new(Duration::ZERO);
        attempt.start(Instant::now(), Duration::ZERO);
        let error = attempt.remaining().unwrap_err();
        assert!(matches!(ureq::Error::from(error), ureq::Error::Timeout(_)));
        attempt.start(Instant::now(), Duration::MAX);
        assert!(attempt.remaining().is_ok());
    }

    #[test]
    fn new_attempt_resets_progress() {
        let attempt = Attempt::new(Duration::ZERO);
        attempt.state().progress = Progress::Sending;
        attempt.start(Instant::now(), Duration::from_secs(1));
        assert_eq!(attempt.state().progress, Progress::Connecting);
    }
}
