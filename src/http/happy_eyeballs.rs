//! Connects to a host with several addresses, as RFC 8305 says: one that does not answer delays the next by 250 ms only.

use std::cmp::Reverse;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

use super::attempt::Attempt;

/// How long the next address waits for the one before it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// IPv6 and IPv4 in turn, beginning with the family that the system puts first (RFC 8305, section 4).
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> impl Iterator<Item = SocketAddr> {
    let is_first_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first_ipv6);
    let count = first.len().max(second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    (0..count).flat_map(move |_| [first.next(), second.next()]).flatten()
}

/// Connects to the first address that answers.
///
/// # Errors
/// The deadline's, or that of the address whose error says most.
pub(super) fn connect_to_first(addresses: &[SocketAddr], attempt: &Attempt) -> io::Result<TcpStream> {
    let mut untried = addresses.iter();
    let mut pending = Vec::new();
    let mut errors = Vec::new();
    loop {
        let started = Instant::now();
        if let Some(address) = untried.next() {
            match start(address) {
                Ok(socket) => pending.push(socket),
                Err(error) => errors.push(error.into()),
            }
        }
        let has_more = !untried.as_slice().is_empty();
        // After a failure, the next address need not wait.
        let failures = errors.len();
        while !pending.is_empty() && errors.len() == failures {
            let remaining = attempt.remaining()?;
            let delay = ATTEMPT_DELAY.saturating_sub(started.elapsed());
            if has_more && delay.is_zero() {
                break;
            }
            if let Some(stream) =
                wait(&mut pending, if has_more { remaining.min(delay) } else { remaining }, &mut errors)?
            {
                return Ok(stream);
            }
        }
        if pending.is_empty() && !has_more {
            let error = errors.into_iter().min_by_key(|error| Reverse(significance(error)));
            return Err(error.unwrap_or_else(|| ErrorKind::NotFound.into()));
        }
    }
}

/// Begins to connect, without waiting for it.
fn start(address: &SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket(family, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    ioctl_fionbio(&socket, true)?;
    match connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// Waits until one of the sockets is connected or has failed.
fn wait(pending: &mut Vec<OwnedFd>, limit: Duration, errors: &mut Vec<io::Error>) -> io::Result<Option<TcpStream>> {
    let mut polled: Vec<_> = pending.iter().map(|socket| PollFd::new(socket, PollFlags::OUT)).collect();
    match poll(&mut polled, Timespec::try_from(limit).ok().as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(ready) = polled.iter().position(|socket| !socket.revents().is_empty()) else { return Ok(None) };
    let stream = TcpStream::from(pending.remove(ready));
    match finish(&stream) {
        Ok(()) => Ok(Some(stream)),
        Err(error) => {
            errors.push(error);
            Ok(None)
        }
    }
}

fn finish(stream: &TcpStream) -> io::Result<()> {
    sockopt::socket_error(stream)??;
    // On this machine, a port that nobody listens on may be the one that the system has just chosen for the client, which
    // then talks to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)
}

/// How much an error says: one of the host itself more than one of the way to it, and that more than none at all.
fn significance(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::AddrNotAvailable | ErrorKind::NetworkUnreachable | ErrorKind::Unsupported => 0,
        ErrorKind::HostUnreachable => 1,
        ErrorKind::TimedOut => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use rustix::net::bind;

    use super::*;

    fn attempt() -> Attempt {
        let attempt = Attempt::new(Duration::ZERO);
        attempt.start(Instant::now(), Duration::from_secs(20));
        attempt
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A port that nobody listens on, while the socket exists.
    fn closed_port() -> (OwnedFd, SocketAddr) {
        let bound = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&bound, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = TcpStream::from(bound.try_clone().unwrap()).local_addr().unwrap();
        (bound, address)
    }

    #[test]
    fn families_alternate() {
        let order = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
            interleave(addresses).map(|address| address.to_string()).collect::<Vec<_>>()
        };
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.0:1", "2.0.0.0:1"];
        assert_eq!(order(&all), ["[::1]:1", "1.0.0.0:1", "[::2]:1", "2.0.0.0:1", "[::3]:1"]);
        assert_eq!(order(&["1.0.0.0:1", "[::1]:1", "[::2]:1"]), ["1.0.0.0:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(order(&["1.0.0.0:1", "2.0.0.0:1"]), ["1.0.0.0:1", "2.0.0.0:1"]);
        assert!(order(&[]).is_empty());
    }

    #[test]
    fn refused_address_is_followed_by_the_next() {
        let ((_bound, closed), (_listener, open)) = (closed_port(), listener());
        let start = Instant::now();
        let stream = connect_to_first(&[closed, open], &attempt()).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(start.elapsed() < ATTEMPT_DELAY);
    }

    #[test]
    fn silent_address_delays_the_next_by_250_ms() {
        // Nothing answers at an address of a documentation network (RFC 5737), if it can be reached at all.
        let (_listener, open) = listener();
        let start = Instant::now();
        let stream = connect_to_first(&[SocketAddr::from(([192, 0, 2, 1], 9)), open], &attempt()).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(start.elapsed() < 4 * ATTEMPT_DELAY);
    }

    #[test]
    fn refused_says_more_than_unreachable() {
        let (_bound, closed) = closed_port();
        for addresses in [[closed, "[100::1]:9".parse().unwrap()], ["[100::1]:9".parse().unwrap(), closed]] {
            let attempt = Attempt::new(Duration::ZERO);
            attempt.start(Instant::now(), 2 * ATTEMPT_DELAY);
            let error = connect_to_first(&addresses, &attempt).unwrap_err();
            // Where IPv6 has a route, nothing answers.
            assert!([ErrorKind::ConnectionRefused, ErrorKind::Other].contains(&error.kind()), "{error}");
        }
        let order = [
            ErrorKind::NetworkUnreachable,
            ErrorKind::HostUnreachable,
            ErrorKind::TimedOut,
            ErrorKind::ConnectionRefused,
        ];
        assert!(order.map(|kind| significance(&kind.into())).is_sorted_by(|less, more| less < more));
    }

    #[test]
    fn connection_to_oneself_is_refused() {
        let (bound, address) = closed_port();
        connect(&bound, &address).unwrap();
        let error = finish(&TcpStream::from(bound)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
