//! One attempt to send a request: its deadline, and what its connection observed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Timeout;

use super::keep_alive::MAX_IDLE;
use super::response_head::ForeignProtocol;
use crate::connection::ConnectionInfo;

/// State of one attempt, shared with its connection. Only one request is in flight at a time.
#[derive(Debug)]
pub(super) struct Attempt {
    /// For everything from name lookup to the last byte of the response.
    deadline: Mutex<Instant>,
    /// Whether a byte of the request was handed to the connection.
    send_started: AtomicBool,
    /// How long the connection may be idle and still be used again; zero if it must not be.
    max_idle: Mutex<Duration>,
    /// Whether a part of the request could not be written.
    write_failed: AtomicBool,
    /// Whether the peer has closed the connection.
    peer_closed: AtomicBool,
    /// What the response begins with, where that is not HTTP/1.
    foreign_protocol: Mutex<Option<ForeignProtocol>>,
    /// The last connection, which may be older than this attempt.
    connection: Mutex<ConnectionInfo>,
}

impl Attempt {
    pub(super) fn new() -> Self {
        Self {
            deadline: Mutex::new(Instant::now()),
            send_started: false.into(),
            max_idle: Mutex::new(MAX_IDLE),
            write_failed: false.into(),
            peer_closed: false.into(),
            foreign_protocol: Mutex::default(),
            connection: Mutex::default(),
        }
    }

    /// Starts an attempt that may take this long, counted from `start`.
    pub(super) fn start(&self, start: Instant, timeout: Duration) {
        // A timeout beyond what the clock can hold is none; a century is as good.
        let deadline = start.checked_add(timeout).unwrap_or(start + Duration::from_secs(100 * 365 * 24 * 60 * 60));
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
        for flag in [&self.send_started, &self.write_failed, &self.peer_closed] {
            flag.store(false, Ordering::Release);
        }
        self.set_foreign_protocol(None);
    }

    /// The time until the deadline; never zero, which sockets take for "no timeout".
    pub(super) fn remaining(&self) -> Result<Duration, ureq::Error> {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(ureq::Error::Timeout(Timeout::Global)) } else { Ok(remaining) }
    }

    pub(super) fn has_send_started(&self) -> bool {
        self.send_started.load(Ordering::Acquire)
    }

    pub(super) fn mark_send_started(&self) {
        self.send_started.store(true, Ordering::Release);
    }

    /// Whether a connection that was idle for so long can be used again.
    pub(super) fn is_reusable_after(&self, idle: Duration) -> bool {
        idle < *self.max_idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how long the connection may be idle.
    pub(super) fn set_max_idle(&self, max_idle: Duration) {
        *self.max_idle.lock().unwrap_or_else(PoisonError::into_inner) = max_idle;
    }

    /// Marks the connection as not reusable. Servers and proxies often close it after rejecting a request, and a request
    /// written while the close is in transit would have an unknown outcome.
    pub(super) fn forbid_reuse(&self) {
        self.set_max_idle(Duration::ZERO);
    }

    /// Whether the response arrived, or the connection broke, before the request was fully sent.
    pub(super) fn has_write_failed(&self) -> bool {
        self.write_failed.load(Ordering::Acquire)
    }

    pub(super) fn mark_write_failed(&self) {
        self.write_failed.store(true, Ordering::Release);
    }

    /// Whether the peer has closed the connection other than by a reset.
    pub(super) fn has_peer_closed(&self) -> bool {
        self.peer_closed.load(Ordering::Acquire)
    }

    pub(super) fn foreign_protocol(&self) -> Option<ForeignProtocol> {
        *self.foreign_protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_foreign_protocol(&self, protocol: Option<ForeignProtocol>) {
        *self.foreign_protocol.lock().unwrap_or_else(PoisonError::into_inner) = protocol;
    }

    pub(super) fn connection(&self) -> ConnectionInfo {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records what a connection observed.
    pub(super) fn observe(&self, change: impl FnOnce(&mut ConnectionInfo)) {
        change(&mut self.connection.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn set_peer_closed(&self, is_closed: bool) {
        self.peer_closed.store(is_closed, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_deadline_is_a_timeout() {
        let attempt = Attempt::new();
        attempt.start(Instant::now(), Duration::ZERO);
        assert!(matches!(attempt.remaining(), Err(ureq::Error::Timeout(_))));
        attempt.start(Instant::now(), Duration::MAX);
        assert!(attempt.remaining().is_ok());
    }

    #[test]
    fn new_attempt_resets_send_started() {
        let attempt = Attempt::new();
        assert!(!attempt.has_send_started());
        attempt.mark_send_started();
        assert!(attempt.has_send_started());
        attempt.start(Instant::now(), Duration::from_secs(1));
        assert!(!attempt.has_send_started());
    }
}
