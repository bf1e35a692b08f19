//! Opens connections: the chain of ureq's connectors, with a TCP connector at its bottom and [`SendTracker`] on top, which
//! records the moment at which a request begins to leave.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::attempt::Attempt;
use super::connect_error::{ConnectError, with_phase};
use super::keep_alive::MAX_IDLE;
use super::response_head::{self, ForeignProtocol};
use super::route::Route;
use super::socket::TcpTransport;
use super::tls::TlsConnector;
use crate::address::{Address, Scheme, bracketed};
use crate::proxy::Proxy;

/// The chain of connectors for an address, from the bottom: TCP, TLS, [`SendTracker`].
pub(super) fn connector(
    address: &Address,
    route: &Route,
    attempt: &Arc<Attempt>,
) -> impl Connector<(), Out: Transport> {
    let tcp = TcpConnector {
        scheme: address.scheme(),
        host: address.host().to_owned(),
        port: address.port(),
        route: route.clone(),
        attempt: Arc::clone(attempt),
    };
    let origin = match route {
        Route::Forward(_) => Some(format!("{}://{}", address.scheme().as_str(), address.authority())),
        Route::Direct | Route::Tunnel(_) => None,
    };
    TlsConnector::new(address, tcp, attempt).chain(SendTracker { origin, attempt: Arc::clone(attempt) })
}

/// Opens TCP connections, to the server or through a proxy's tunnel.
#[derive(Debug)]
struct TcpConnector {
    scheme: Scheme,
    host: String,
    port: u16,
    route: Route,
    attempt: Arc<Attempt>,
}

impl Connector for TcpConnector {
    type Out = TcpTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<TcpTransport>, ureq::Error> {
        let stream = self
            .open(&details.addrs)
            .map_err(|error| with_phase(error, || format!("while connecting to {}", self.description())))?;
        self.attempt.set_max_idle(MAX_IDLE);
        let mut transport = TcpTransport::new(stream, self.scheme == Scheme::Http, &self.attempt);
        if let Route::Tunnel(proxy) = &self.route {
            let phase = || format!("while proxy {} connected to {}", proxy.name(), self.target());
            self.open_tunnel(&mut transport, proxy).map_err(|error| with_phase(error, phase))?;
        }
        Ok(Some(transport))
    }
}

impl TcpConnector {
    fn open(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ureq::Error> {
        let mut last_error = io::Error::from(ErrorKind::NotFound);
        self.attempt.observe(|connection| (connection.peer, connection.tls) = (None, None));
        for (index, address) in addresses.iter().enumerate() {
            let timeout = per_address_timeout(self.attempt.remaining()?, addresses.len() - index);
            match TcpStream::connect_timeout(address, timeout) {
                Ok(stream) => {
                    self.attempt.observe(|connection| connection.peer = Some(*address));
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

    /// Host and port of the server, for messages.
    fn name(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// Host and port of the server, for a proxy.
    fn target(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// What is connected to, for messages: the server or the proxy.
    fn description(&self) -> String {
        self.route.proxy().map_or_else(|| self.name(), |proxy| format!("proxy {}", proxy.name()))
    }

    /// Asks the proxy for a connection to the server.
    fn open_tunnel(&self, transport: &mut TcpTransport, proxy: &Proxy) -> Result<(), ureq::Error> {
        let target = self.target();
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &proxy.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(authorization.expose());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        transport.write_all(head.as_bytes()).map_err(as_tunnel_error)?;
        let response = transport.read_head().map_err(as_tunnel_error)?;
        match tunnel_status(&response) {
            Some(200..300) => Ok(()),
            Some(status) => Err(ConnectError::TunnelRefused(status).into()),
            None => Err(ConnectError::InvalidProxyResponse.into()),
        }
    }
}

/// A connection lost while the tunnel was requested was lost by the proxy.
fn as_tunnel_error(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Io(_) => ConnectError::InvalidProxyResponse.into(),
        error => error,
    }
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

/// The topmost connector: records when a request begins to leave, and makes the request line absolute for a proxy.
#[derive(Debug)]
struct SendTracker {
    /// `http://host:port` for a proxy that forwards requests.
    origin: Option<String>,
    attempt: Arc<Attempt>,
}

impl<In: Transport> Connector<In> for SendTracker {
    type Out = TrackedTransport<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|below| TrackedTransport {
            below,
            origin: self.origin.clone(),
            attempt: Arc::clone(&self.attempt),
            has_response_head: false,
        }))
    }
}

#[derive(Debug)]
struct TrackedTransport<In> {
    below: In,
    origin: Option<String>,
    attempt: Arc<Attempt>,
    /// Whether the headers of the response are complete.
    has_response_head: bool,
}

impl<In: Transport> TrackedTransport<In> {
    /// Looks at what has arrived of the response's headers.
    fn inspect_head(&mut self) {
        let buffers = self.below.buffers();
        if let Some(unfolded) = response_head::unfold(buffers.input()) {
            buffers.input_consume(unfolded.len());
            buffers.input_append_buf()[..unfolded.len()].copy_from_slice(&unfolded);
            buffers.input_appended(unfolded.len());
        }
        let protocol = ForeignProtocol::detect(buffers.input());
        self.has_response_head = protocol.is_some() || response_head::is_complete(buffers.input());
        if protocol.is_some() {
            self.attempt.set_foreign_protocol(protocol);
        }
    }
}

impl<In: Transport> Transport for TrackedTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.below.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !self.attempt.has_send_started() {
            if let Some(origin) = &self.origin {
                amount = to_absolute_form(self.below.buffers().output(), amount, origin)?;
            }
            self.has_response_head = false;
            // Before the write: nobody knows how much of a failed write has left.
            self.attempt.mark_send_started();
        }
        self.below.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let has_progressed = self.below.await_input(timeout)?;
        if !self.has_response_head {
            self.inspect_head();
        }
        Ok(has_progressed)
    }

    fn is_open(&mut self) -> bool {
        self.below.is_open()
    }

    fn is_tls(&self) -> bool {
        self.below.is_tls()
    }
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
    fn connect_timeout_is_shared_between_addresses() {
        let second = Duration::from_secs(1);
        assert_eq!(per_address_timeout(second, 3), second / 2);
        assert_eq!(per_address_timeout(second, 1), second);
        assert!(!per_address_timeout(Duration::from_nanos(1), 2).is_zero());
    }

    #[test]
    fn proxy_gets_absolute_form() {
        let mut output = [b'.'; 40];
        output[..16].copy_from_slice(b"POST /api/ HTTP/");
        let amount = to_absolute_form(&mut output, 16, "http://h:8000").unwrap();
        assert_eq!(&output[..amount], b"POST http://h:8000/api/ HTTP/");
        assert!(to_absolute_form(&mut output, 29, "http://h:8000").is_err());
    }

    #[test]
    fn tunnel_status_is_parsed() {
        assert_eq!(tunnel_status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(tunnel_status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        assert_eq!(tunnel_status(b"SSH-2.0"), None);
        assert_eq!(tunnel_status(b"HTTP/1.1"), None);
    }
}
