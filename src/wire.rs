//! The connection below HTTP: name lookup, sockets, tunnels through proxies, and the two things that the HTTP client
//! does not tell, the moment a request begins to leave and the end of the time that it has.
//!
//! The links of the chain, from below: [`Sockets`], TLS as ureq has it, [`Watch`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};

use crate::endpoint::{Address, Scheme};
use crate::proxy::Proxy;

/// Larger ones bring nothing for answers of a few hundred bytes, and cost page faults at the start.
const BUFFER_BYTES: usize = 16 * 1024;

/// How long a write may be held up before a look at whether the answer is there already.
const BLOCKED: Duration = Duration::from_millis(200);

/// How long a read may wait before a look at the clock; always the same where time is left, so that the socket need not
/// be told anew for each.
const SILENT: Duration = Duration::from_secs(1);

/// What went wrong before a request could leave, where ureq's own errors cannot say it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The name of this host could not be looked up.
    #[error("cannot look up {0}")]
    Lookup(String, #[source] io::Error),
    /// No address of the host took the connection; this is what the last one said.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] io::Error),
    /// The proxy refused to open a tunnel.
    #[error("the proxy answered {0}")]
    Tunnel(u16),
    /// What the proxy answered is no HTTP, or nothing.
    #[error("the proxy gave no proper answer")]
    TunnelAnswer,
    /// The request line for a proxy does not fit into the buffer.
    #[error("the address is too long for a proxy")]
    LongAddress,
}

impl From<Fault> for ureq::Error {
    fn from(fault: Fault) -> Self {
        Self::Other(Box::new(fault))
    }
}

/// What a try and its connection know of each other. One request is under way at a time.
#[derive(Debug)]
pub(crate) struct Try {
    /// When the whole try is over, from name lookup to the last byte.
    deadline: Mutex<Instant>,
    /// Whether a byte of the request was handed to the connection.
    begun: AtomicBool,
    /// Whether the connection is not to be used again.
    spent: AtomicBool,
    /// Whether a part of the request could not be written.
    cut: AtomicBool,
    /// Whether the other side has ended the connection.
    ended: AtomicBool,
}

impl Try {
    pub(crate) fn new() -> Self {
        Self {
            deadline: Mutex::new(Instant::now()),
            begun: false.into(),
            cut: false.into(),
            ended: false.into(),
            spent: false.into(),
        }
    }

    /// Starts a try that may take this long.
    pub(crate) fn start(&self, limit: Duration) {
        let now = Instant::now();
        // A limit beyond what the clock can hold is none; a century is as good.
        let deadline = now.checked_add(limit).unwrap_or(now + Duration::from_secs(100 * 365 * 24 * 60 * 60));
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
        for flag in [&self.begun, &self.cut, &self.ended] {
            flag.store(false, Ordering::Release);
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Keeps the connection from being used again: servers and proxies that turn a request away often close it, and a
    /// request that is written while the end is on its way looks lost.
    pub(crate) fn spend_connection(&self) {
        self.spent.store(true, Ordering::Release);
    }

    /// Whether the answer came, or the connection broke, before the request was through.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Whether the other side has ended the connection, other than with a reset.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// The time that is left; never zero, which sockets take for "no limit".
    fn remaining(&self) -> Result<Duration, ureq::Error> {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(ureq::Error::Timeout(Timeout::Global)) } else { Ok(remaining) }
    }
}

/// How the server is reached.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    Direct,
    /// The proxy is handed the whole request.
    Forward(Proxy),
    /// The proxy opens a connection to the server.
    Tunnel(Proxy),
}

impl Route {
    pub(crate) fn new(address: &Address, proxy: Option<Proxy>) -> Self {
        match (proxy, address.scheme()) {
            (None, _) => Self::Direct,
            (Some(proxy), Scheme::Http) => Self::Forward(proxy),
            (Some(proxy), Scheme::Https) => Self::Tunnel(proxy),
        }
    }

    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Direct => None,
            Self::Forward(proxy) | Self::Tunnel(proxy) => Some(proxy),
        }
    }
}

/// The chain of links for an address.
pub(crate) fn connector(address: &Address, route: &Route, current: &Arc<Try>) -> impl Connector<(), Out: Transport> {
    let sockets = Sockets {
        scheme: address.scheme(),
        host: address.host().to_owned(),
        port: address.port(),
        route: route.clone(),
        current: Arc::clone(current),
    };
    // What a proxy needs to know of the server stands in the request line: http://host:port before the path.
    let origin = match route {
        Route::Forward(_) => Some(format!("{}://{}", address.scheme().as_str(), address.authority())),
        Route::Direct | Route::Tunnel(_) => None,
    };
    sockets.chain(RustlsConnector::default()).chain(Watch { origin, current: Arc::clone(current) })
}

/// Looks up the server, or the proxy before it.
#[derive(Debug)]
pub(crate) struct Lookup {
    host: String,
    port: u16,
    current: Arc<Try>,
}

impl Lookup {
    pub(crate) fn new(address: &Address, route: &Route, current: &Arc<Try>) -> Self {
        let (host, port) =
            route.proxy().map_or((address.host(), address.port()), |proxy| (proxy.host.as_str(), proxy.port));
        Self { host: host.to_owned(), port, current: Arc::clone(current) }
    }
}

impl Resolver for Lookup {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            found.push(SocketAddr::new(ip, self.port));
            return Ok(found);
        }
        // The system's lookup knows no time limit: it runs aside, and is left behind when the time is over.
        let (send, receive) = mpsc::sync_channel(1);
        let (host, port) = (self.host.clone(), self.port);
        thread::Builder::new()
            .spawn(move || send.send((host.as_str(), port).to_socket_addrs()))
            .map_err(|error| Fault::Lookup(self.host.clone(), error))?;
        let answer = receive
            .recv_timeout(self.current.remaining()?)
            .map_err(|_| ureq::Error::Timeout(Timeout::Global))?
            .map_err(|error| Fault::Lookup(self.host.clone(), error))?;
        // As many as the list of ureq holds.
        answer.take(16).for_each(|address| found.push(address));
        if found.is_empty() {
            return Err(Fault::Lookup(self.host.clone(), ErrorKind::NotFound.into()).into());
        }
        Ok(found)
    }
}

/// Opens TCP connections, to the server or through a proxy's tunnel.
#[derive(Debug)]
struct Sockets {
    scheme: Scheme,
    host: String,
    port: u16,
    route: Route,
    current: Arc<Try>,
}

impl Connector for Sockets {
    type Out = Socket;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Socket>, ureq::Error> {
        let stream = self.open(&details.addrs)?;
        self.current.spent.store(false, Ordering::Release);
        let mut socket = Socket::new(stream, self.scheme == Scheme::Http, &self.current);
        if let Route::Tunnel(proxy) = &self.route {
            self.tunnel(&mut socket, proxy)?;
        }
        Ok(Some(socket))
    }
}

impl Sockets {
    fn open(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ureq::Error> {
        let mut last = io::Error::from(ErrorKind::NotFound);
        for (index, address) in addresses.iter().enumerate() {
            let remaining = self.current.remaining()?;
            let share = share(remaining, addresses.len() - index);
            match TcpStream::connect_timeout(address, share) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        self.current.remaining()?;
        let name = self.route.proxy().map_or_else(|| format!("{}:{}", self.host, self.port), Proxy::name);
        Err(Fault::Connect(name, last).into())
    }

    /// Asks the proxy for a connection to the server.
    fn tunnel(&self, socket: &mut Socket, proxy: &Proxy) -> Result<(), ureq::Error> {
        let target = format!("{}:{}", crate::endpoint::bracketed(&self.host), self.port);
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &proxy.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(authorization.reveal());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        socket.write_whole(head.as_bytes()).map_err(in_tunnel)?;
        let answer = socket.read_head().map_err(in_tunnel)?;
        match tunnel_status(&answer) {
            Some(200..300) => Ok(()),
            Some(status) => Err(Fault::Tunnel(status).into()),
            None => Err(Fault::TunnelAnswer.into()),
        }
    }
}

/// A connection lost while the tunnel was asked for is the proxy's doing.
fn in_tunnel(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Io(_) => Fault::TunnelAnswer.into(),
        error => error,
    }
}

/// The status of an answer's first line: `HTTP/1.1 200 …`.
fn tunnel_status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok()
}

/// Whether this is the socket's own timer, under either of its names.
fn is_timer(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How long one address may take while others wait: half of what is left, the last one all of it.
fn share(remaining: Duration, addresses_left: usize) -> Duration {
    if addresses_left > 1 { (remaining / 2).max(Duration::from_millis(1)) } else { remaining }
}

/// How long a call of the socket may block, as it was told last.
#[derive(Debug, Default)]
struct Limits {
    read: Option<Duration>,
    write: Option<Duration>,
}

/// A TCP connection that keeps to the time of the try.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// What waits to be written, so that a head and a small body leave in one packet.
    waiting: Vec<u8>,
    /// Whether an answer was waited for since it was last asked whether the connection is open.
    used: bool,
    /// The time limits that the socket has been given.
    limits: Limits,
    /// Whether bytes that come while a request is being written can only be the answer: with TLS they need not.
    plain: bool,
    current: Arc<Try>,
    /// A failed write, held back: a server that refuses early (401, 413) closes before a large body is through, and
    /// its answer can still be read.
    broken: Option<io::Error>,
}

impl Socket {
    fn new(stream: TcpStream, plain: bool, current: &Arc<Try>) -> Self {
        Self {
            stream,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            waiting: Vec::new(),
            used: false,
            limits: Limits::default(),
            plain,
            current: Arc::clone(current),
            broken: None,
        }
    }

    fn write_whole(&mut self, mut bytes: &[u8]) -> Result<(), ureq::Error> {
        while !bytes.is_empty() {
            let limit = self.current.remaining()?.min(BLOCKED);
            if self.limits.write.replace(limit) != Some(limit) {
                self.stream.set_write_timeout(Some(limit))?;
            }
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) => {
                    let blocked = is_timer(&error);
                    self.unless_passing(error)?;
                    if blocked && self.plain && self.is_answered()? {
                        return Err(io::Error::other("answered before the request was through").into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an answer has come, or the end; one such as 100 Continue goes before the answer.
    fn is_answered(&self) -> io::Result<bool> {
        const INTERIM: usize = b"HTTP/1.1 1".len();
        if self.is_silent()? {
            return Ok(false);
        }
        let mut head = [0; INTERIM];
        let count = self.stream.peek(&mut head)?;
        Ok(!(count == INTERIM && head.starts_with(b"HTTP/1.") && head.ends_with(b" 1")))
    }

    /// Takes bytes to be written, and writes once there are many.
    fn write_later(&mut self, bytes: &[u8]) -> Result<(), ureq::Error> {
        if self.waiting.len() + bytes.len() > BUFFER_BYTES {
            self.write_waiting()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            return self.write_whole(bytes);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn write_waiting(&mut self) -> Result<(), ureq::Error> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let result = self.write_whole(&waiting);
        waiting.clear();
        self.waiting = waiting;
        result
    }

    /// Keeps a failed write to itself: there may be an answer that tells more.
    fn hold_back(&mut self, written: Result<(), ureq::Error>) -> Result<(), ureq::Error> {
        match written {
            Err(ureq::Error::Io(error)) => {
                self.broken = Some(error);
                self.current.cut.store(true, Ordering::Release);
                Ok(())
            }
            written => written,
        }
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, ureq::Error> {
        loop {
            let limit = self.current.remaining()?.min(SILENT);
            if self.limits.read.replace(limit) != Some(limit) {
                self.stream.set_read_timeout(Some(limit))?;
            }
            match self.stream.read(buffer) {
                Ok(count) => {
                    self.current.ended.store(count == 0, Ordering::Release);
                    return Ok(count);
                }
                Err(error) => self.unless_passing(error)?,
            }
        }
    }

    /// Reads the head of a proxy's answer, a byte at a time so that none of what follows is taken.
    fn read_head(&mut self) -> Result<Vec<u8>, ureq::Error> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < BUFFER_BYTES {
            if self.read_some(&mut byte)? == 0 {
                return Err(Fault::TunnelAnswer.into());
            }
            head.extend_from_slice(&byte);
        }
        Ok(head)
    }

    /// Passes over what a signal or the socket's own timer did; the time of the try is looked at in the next round.
    fn unless_passing(&self, error: io::Error) -> Result<(), ureq::Error> {
        if is_timer(&error) || error.kind() == ErrorKind::Interrupted {
            return self.current.remaining().map(drop);
        }
        Err(error.into())
    }

    /// Whether the connection is open and nothing has come that was not read yet.
    fn is_silent(&self) -> io::Result<bool> {
        self.stream.set_nonblocking(true)?;
        let waiting = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        // Anything else is the end of the connection, or bytes that nobody asked for.
        Ok(matches!(waiting, Err(error) if error.kind() == ErrorKind::WouldBlock))
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.broken.is_some() {
            return Ok(());
        }
        let mut buffers = std::mem::replace(&mut self.buffers, LazyBuffers::new(1, 1));
        let written = self.write_later(buffers.output().get(..amount).unwrap_or_default());
        self.buffers = buffers;
        self.hold_back(written)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.used = true;
        if self.broken.is_none() {
            let written = self.write_waiting();
            self.hold_back(written)?;
        }
        let mut buffers = std::mem::replace(&mut self.buffers, LazyBuffers::new(1, 1));
        let result = match buffers.input_append_buf() {
            // Nothing is taken out of the buffer before a head is whole; to read on would look like the end.
            [] => Err(ureq::Error::LargeResponseHeader(BUFFER_BYTES, BUFFER_BYTES)),
            free => self.read_some(free),
        };
        self.buffers = buffers;
        match (result, self.broken.take()) {
            (Ok(count @ 1..), broken) => {
                self.broken = broken;
                self.buffers.input_appended(count);
                Ok(true)
            }
            (Ok(_) | Err(ureq::Error::Io(_)), Some(broken)) => Err(broken.into()),
            (result, _) => result.map(|_| false),
        }
    }

    /// ureq asks when it is done with a connection and again when it takes it up: the second look is the one that counts.
    fn is_open(&mut self) -> bool {
        let spent = self.current.spent.load(Ordering::Acquire);
        let is_used = std::mem::take(&mut self.used);
        !spent && self.broken.is_none() && (is_used || self.is_silent().unwrap_or(false))
    }
}

/// The uppermost link: notes when a request begins to leave, and writes the request line as a proxy needs it.
#[derive(Debug)]
struct Watch {
    origin: Option<String>,
    current: Arc<Try>,
}

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|below| Watched { below, origin: self.origin.clone(), current: Arc::clone(&self.current) }))
    }
}

#[derive(Debug)]
struct Watched<In> {
    below: In,
    origin: Option<String>,
    current: Arc<Try>,
}

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.below.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !self.current.has_begun() {
            if let Some(origin) = &self.origin {
                amount = insert_origin(self.below.buffers().output(), amount, origin)?;
            }
            // Before the write: of one that fails half-way, nobody knows how much has left.
            self.current.begin();
        }
        self.below.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.below.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.below.is_open()
    }

    fn is_tls(&self) -> bool {
        self.below.is_tls()
    }
}

/// Makes `POST /path` a `POST http://host/path`, the form that a proxy takes (RFC 9112, section 3.2.2); ureq knows
/// CONNECT only, which many proxies refuse to ports other than 443.
fn insert_origin(output: &mut [u8], amount: usize, origin: &str) -> Result<usize, ureq::Error> {
    let start = output.iter().position(|&byte| byte == b' ').map_or(0, |space| space + 1);
    let end = start + origin.len();
    if amount + origin.len() > output.len() {
        return Err(Fault::LongAddress.into());
    }
    output.copy_within(start..amount, end);
    output[start..end].copy_from_slice(origin.as_bytes());
    Ok(amount + origin.len())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn an_address_leaves_time_for_those_after_it() {
        let second = Duration::from_secs(1);
        assert_eq!(share(second, 3), second / 2);
        assert_eq!(share(second, 1), second);
        assert!(!share(Duration::from_nanos(1), 2).is_zero());
    }

    #[test]
    fn a_time_that_is_over_is_an_error() {
        let current = Try::new();
        current.start(Duration::ZERO);
        assert!(matches!(current.remaining(), Err(ureq::Error::Timeout(_))));
        current.start(Duration::MAX);
        assert!(current.remaining().is_ok());
    }

    #[test]
    fn every_try_starts_unbegun() {
        let current = Try::new();
        assert!(!current.has_begun());
        current.begin();
        assert!(current.has_begun());
        current.start(Duration::from_secs(1));
        assert!(!current.has_begun());
    }

    /// Two ends of a connection.
    fn connection(current: &Arc<Try>) -> (Socket, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(stream, true, current), listener.accept().unwrap().0)
    }

    #[test]
    fn what_comes_before_a_request_is_through_is_its_answer_unless_another_follows() {
        for (sent, is_answer) in [
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
            ("HTTP/1.1 413 Content Too Large\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("SSH-2.0-OpenSSH 1", true),
            ("", true),
        ] {
            let (socket, mut server) = connection(&Arc::new(Try::new()));
            assert!(socket.is_silent().unwrap() && !socket.is_answered().unwrap());
            server.write_all(sent.as_bytes()).unwrap();
            drop(server);
            // Waits until it is there.
            socket.stream.peek(&mut [0]).unwrap();
            assert!(!socket.is_silent().unwrap());
            assert_eq!(socket.is_answered().unwrap(), is_answer, "{sent}");
        }
    }

    /// More than a connection holds that nobody reads from.
    const BYTES: usize = 30_000_000;

    #[test]
    fn writing_and_reading_end_with_the_time_of_the_try() {
        let current = Arc::new(Try::new());
        let (mut socket, _server) = connection(&current);
        current.start(2 * BLOCKED);
        assert!(matches!(socket.write_whole(&vec![0; BYTES]), Err(ureq::Error::Timeout(_))));
        current.start(BLOCKED);
        assert!(matches!(socket.read_some(&mut [0]), Err(ureq::Error::Timeout(_))));
    }

    #[test]
    fn a_server_may_be_slow_to_read_but_not_answer_before() {
        let current = Arc::new(Try::new());
        for (sent, goes_on) in [("", true), ("HTTP/1.1 100 Continue\r\n\r\n", true), ("HTTP/1.1 413 No\r\n\r\n", false)]
        {
            let (mut socket, mut server) = connection(&current);
            current.start(Duration::from_secs(20));
            server.write_all(sent.as_bytes()).unwrap();
            let reader = thread::spawn(move || {
                if goes_on {
                    // Not to wait for anything: to be slow is what this server is for.
                    thread::sleep(5 * BLOCKED);
                    // A client that leaves what was sent unread ends with a reset.
                    let _ = io::copy(&mut server, &mut io::sink());
                }
                server
            });
            let written = socket.write_whole(&vec![0; BYTES]);
            drop(socket);
            reader.join().unwrap();
            let is_cut = matches!(written, Err(ureq::Error::Io(_)));
            assert!(if goes_on { written.is_ok() } else { is_cut }, "{sent}: {written:?}");
        }
    }

    #[test]
    fn a_proxy_gets_the_whole_address_in_the_request_line() {
        let mut output = [b'.'; 40];
        output[..16].copy_from_slice(b"POST /api/ HTTP/");
        let amount = insert_origin(&mut output, 16, "http://h:8000").unwrap();
        assert_eq!(&output[..amount], b"POST http://h:8000/api/ HTTP/");
        assert!(insert_origin(&mut output, 29, "http://h:8000").is_err());
    }

    #[test]
    fn the_status_of_a_tunnel_is_read() {
        assert_eq!(tunnel_status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(tunnel_status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        assert_eq!(tunnel_status(b"SSH-2.0"), None);
        assert_eq!(tunnel_status(b"HTTP/1.1"), None);
    }
}
