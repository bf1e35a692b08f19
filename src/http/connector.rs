//! Opens connections, directly or through a proxy: the only [`Connector`].

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ureq::unversioned::transport::{ConnectionDetails, Connector};

use super::attempt::{Attempt, ClientAuth};
use super::connection::{Connection, Stream};
use super::errors::{ConnectError, unwrap_io, with_phase};
use super::happy_eyeballs::connect_to_first;
use super::route::Route;
use super::settings::Settings;
use super::socket::{MAX_HEAD_BYTES, Socket};
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
    pub(super) fn new(address: &Address, settings: &Settings, route: &Route, attempt: &Arc<Attempt>) -> Self {
        let Settings { ca_certificates, client_certificate, .. } = settings.clone();
        let tls = || Tls::new(address.host(), ca_certificates, client_certificate, attempt);
        let tls = (address.scheme() == Scheme::Https).then(tls);
        Self { address: address.clone(), route: route.clone(), tls, attempt: Arc::clone(attempt) }
    }

    fn open(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ureq::Error> {
        let mut state = self.attempt.state();
        (state.connection.peer, state.connection.tls) = (None, None);
        (state.max_idle, state.client_auth) = (state.idle_limit, ClientAuth::NotRequested);
        drop(state);
        let stream = connect_to_first(addresses, &self.attempt).map_err(|error| match unwrap_io(error.into()) {
            ureq::Error::Io(error) => {
                let name = self.route.proxy().map_or_else(|| self.name(), Proxy::name);
                ConnectError::Connect(name, error).into()
            }
            error => error,
        })?;
        self.attempt.state().connection.peer = stream.peer_addr().ok();
        Ok(stream)
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
            Some(status) => {
                let schemes = auth_schemes(&String::from_utf8_lossy(&response));
                Err(ConnectError::TunnelRefused { status, schemes }.into())
            }
            None => Err(ConnectError::InvalidProxyResponse.into()),
        }
    }
}

/// Sends the head of a request, and reads that of the response, a byte at a time so that nothing after it is consumed.
fn exchange_heads(socket: &mut Socket, request: &[u8]) -> io::Result<Vec<u8>> {
    socket.write_all(request)?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD_BYTES {
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

/// The schemes that the `Proxy-Authenticate` headers of a response offer, such as `Negotiate`. A header of several schemes
/// looks like one with parameters, so of those only the first is found.
fn auth_schemes(head: &str) -> Vec<String> {
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let offers = headers.filter(|(name, _)| name.eq_ignore_ascii_case("Proxy-Authenticate"));
    offers.filter_map(|(_, offer)| offer.split([' ', ',']).find(|word| !word.is_empty()).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnel_status_is_parsed() {
        assert_eq!(tunnel_status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(tunnel_status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        assert_eq!(tunnel_status(b"SSH-2.0"), None);
        assert_eq!(tunnel_status(b"HTTP/1.1"), None);
    }
}
