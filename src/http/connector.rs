//! Opens connections, directly or through a proxy: the only [`Connector`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ureq::unversioned::transport::{ConnectionDetails, Connector};

use super::attempt::Attempt;
use super::connection::{Connection, Stream};
use super::errors::{ConnectError, with_phase};
use super::keep_alive::MAX_IDLE;
use super::route::Route;
use super::socket::{BUFFER_BYTES, Socket};
use super::tls::Tls;
use crate::server::address::{Address, Scheme, bracketed};
use crate::server::proxy::Proxy;

#[derive(Debug)]
pub(super) struct ServerConnector {
    address: Address,
    route: Route,
    /// For an `https://` address.
    tls: Option<Tls>,
    attempt: Arc<Attempt>,
}

impl Connector for ServerConnector {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Connection>, ureq::Error> {
        let tls = self.tls.as_ref().map(|tls| Ok::<_, ConnectError>((tls, tls.server_name()?))).transpose()?;
        let stream = self
            .open(&details.addrs)
            .map_err(|error| with_phase(error, || format!("while connecting to {}", self.description())))?;
        let mut socket = Socket::new(stream, &self.attempt);
        if let Route::Tunnel(proxy) = &self.route {
            let phase = || format!("while proxy {} connected to {}", proxy.name(), self.name());
            self.open_tunnel(&mut socket, proxy).map_err(|error| with_phase(error, phase))?;
        }
        let stream = match tls {
            Some((tls, name)) => Stream::Tls(Box::new(tls.handshake(name, socket)?)),
            None => Stream::Plain(socket),
        };
        Ok(Some(Connection::new(stream, self.origin(), &self.attempt)))
    }
}

impl ServerConnector {
    pub(super) fn new(address: &Address, route: &Route, attempt: &Arc<Attempt>) -> Self {
        let tls = (address.scheme() == Scheme::Https).then(|| Tls::new(address.host(), attempt));
        Self { address: address.clone(), route: route.clone(), tls, attempt: Arc::clone(attempt) }
    }

    fn open(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ureq::Error> {
        let mut last_error = io::Error::from(ErrorKind::NotFound);
        {
            let mut state = self.attempt.state();
            (state.connection.peer, state.connection.tls, state.max_idle) = (None, None, MAX_IDLE);
        }
        for (index, address) in addresses.iter().enumerate() {
            let timeout = per_address_timeout(self.attempt.remaining()?, addresses.len() - index);
            match TcpStream::connect_timeout(address, timeout) {
                Ok(stream) => {
                    self.attempt.state().connection.peer = Some(*address);
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last_error = error,
            }
        }
        self.attempt.remaining()?;
        let name = self.route.proxy().map_or_else(|| self.name(), Proxy::name);
        Err(ConnectError::Connect(name, last_error).into())
    }

    /// Host and port of the server.
    fn name(&self) -> String {
        format!("{}:{}", bracketed(self.address.host()), self.address.port())
    }

    /// What is connected to, for messages: the server or the proxy.
    fn description(&self) -> String {
        self.route.proxy().map_or_else(|| self.name(), |proxy| format!("proxy {}", proxy.name()))
    }

    /// `http://host:port` for a proxy that forwards requests.
    fn origin(&self) -> Option<String> {
        let origin = || format!("{}://{}", self.address.scheme().as_str(), self.address.authority());
        matches!(self.route, Route::Forward(_)).then(origin)
    }

    /// Asks the proxy for a connection to the server.
    fn open_tunnel(&self, socket: &mut Socket, proxy: &Proxy) -> Result<(), ureq::Error> {
        let name = self.name();
        let mut head = format!("CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n");
        if let Some(authorization) = &proxy.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(authorization.expose());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let response = exchange_heads(socket, head.as_bytes()).map_err(|error| match ureq::Error::from(error) {
            // A connection that is lost here was lost by the proxy.
            ureq::Error::Io(_) => ConnectError::InvalidProxyResponse.into(),
            error => error,
        })?;
        match tunnel_status(&response) {
            Some(200..300) => Ok(()),
            Some(status) => Err(ConnectError::TunnelRefused(status).into()),
            None => Err(ConnectError::InvalidProxyResponse.into()),
        }
    }
}

/// Sends the head of a request, and reads that of the response, a byte at a time so that nothing after it is consumed.
fn exchange_heads(socket: &mut Socket, request: &[u8]) -> io::Result<Vec<u8>> {
    socket.write_all(request)?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < BUFFER_BYTES {
        socket.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    Ok(head)
}

/// The status in the first line of a response: `HTTP/1.1 200 …`.
fn tunnel_status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok()
}

/// How long one address may take: half of what remains while others follow, all of it for the last one.
fn per_address_timeout(remaining: Duration, addresses_left: usize) -> Duration {
    if addresses_left > 1 { (remaining / 2).max(Duration::from_millis(1)) } else { remaining }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_timeout_is_shared_between_addresses() {
        let second = Duration::from_secs(1);
        assert_eq!(per_address_timeout(second, 3), second / 2);
        assert_eq!(per_address_timeout(second, 1), second);
        assert!(!per_address_timeout(Duration::from_nanos(1), 2).is_zero());
    }

    #[test]
    fn tunnel_status_is_parsed() {
        assert_eq!(tunnel_status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(tunnel_status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        assert_eq!(tunnel_status(b"SSH-2.0"), None);
        assert_eq!(tunnel_status(b"HTTP/1.1"), None);
    }
}
