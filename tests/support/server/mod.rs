//! A Centrifugo to test against: real sockets, one thread per connection, and faults on demand.
//!
//! ```ignore
//! let server = Server::version(1);
//! let mut client = ApiForm::V1.client(&server.address());
//! client.publish("news", &1)?;
//! assert_eq!(server.centrifugo().messages_as_text("news"), ["1"]);
//! assert_eq!(server.requests()[0].path, "/api/");
//!
//! let server = Server::version(6).script(fail_during_response(20, Step::Reset));
//! ```

// Each test crate uses a part of this.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

mod api_form;
mod current;
mod fake_centrifugo;
mod fault_script;
mod http;
mod json;
mod legacy;
mod methods;
mod v1;

use self::http::RequestReader;
#[allow(unused_imports, reason = "each crate uses its own part")]
pub use self::{
    api_form::ApiForm,
    fake_centrifugo::{API_KEY, Centrifugo, SECRET},
    fault_script::*,
    http::{Request, Response, Stream},
    v1::sign,
};

/// Wraps an accepted connection, for example in TLS.
type Acceptor = dyn Fn(Socket) -> io::Result<Box<dyn Stream>> + Send + Sync;

/// A running server. When dropped, it closes its connections and fails the test if no client connected.
pub struct Server {
    shared: Arc<Shared>,
    port: u16,
    accept_thread: Option<JoinHandle<()>>,
    expected: ExpectedConnections,
}

/// The connections that the server must have had when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExpectedConnections {
    AtLeastOne,
    None,
    Any,
}

struct Shared {
    /// The first one; those that replace it have the same state.
    centrifugo: Arc<Centrifugo>,
    current: Mutex<Arc<Centrifugo>>,
    acceptor: Box<Acceptor>,
    scripts: Mutex<VecDeque<Script>>,
    requests: Mutex<Vec<Arc<Request>>>,
    accepted: AtomicUsize,
    connections: Mutex<Connections>,
    changed: Condvar,
}

#[derive(Default)]
struct Connections {
    /// Set when the server stops: the address of the connection that wakes the accepting thread.
    waker: Option<SocketAddr>,
    /// Connections made by [`Server::connections`], which are not counted.
    probes: Vec<SocketAddr>,
    /// How many requests were responded to, or have passed the last step of their script that reads or sends.
    handled_requests: usize,
    sockets: Vec<Arc<TcpStream>>,
    /// The numbers of the closed connections.
    closed: Vec<usize>,
    threads: Vec<JoinHandle<()>>,
    /// Whether a thread that has ended panicked.
    has_panicked: bool,
}

impl Connections {
    /// Joins the threads that have ended: each keeps its stack until then.
    fn join_ended(&mut self) {
        let (ended, running): (Vec<_>, _) =
            std::mem::take(&mut self.threads).into_iter().partition(JoinHandle::is_finished);
        self.threads = running;
        for thread in ended {
            self.has_panicked |= thread.join().is_err();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Serves the newest recorded release of this major version, from 1 to 7.
    pub fn version(major: u8) -> Self {
        Self::start(Centrifugo::version(major))
    }

    /// Serves this Centrifugo, which other servers can share.
    pub fn start(centrifugo: impl Into<Arc<Centrifugo>>) -> Self {
        Self::start_with(centrifugo, |socket| Ok(Box::new(socket)))
    }

    /// Serves this Centrifugo over wrapped connections.
    pub fn start_with(
        centrifugo: impl Into<Arc<Centrifugo>>,
        acceptor: impl Fn(Socket) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("the socket is bound").port();
        let centrifugo = centrifugo.into();
        let shared = Arc::new(Shared {
            current: Mutex::new(Arc::clone(&centrifugo)),
            centrifugo,
            acceptor: Box::new(acceptor),
            scripts: Mutex::default(),
            requests: Mutex::default(),
            accepted: AtomicUsize::new(0),
            connections: Mutex::default(),
            changed: Condvar::new(),
        });
        let accept_thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { shared, port, accept_thread: Some(accept_thread), expected: ExpectedConnections::AtLeastOne }
    }

    /// Expects that no client connects.
    pub fn expect_no_connection(mut self) -> Self {
        self.expected = ExpectedConnections::None;
        self
    }

    /// Allows that no client connects.
    pub fn allow_no_connection(mut self) -> Self {
        self.expected = ExpectedConnections::Any;
        self
    }

    /// Runs this script for the next request without one. Requests without a script get Centrifugo's response.
    pub fn script(self, script: Script) -> Self {
        self.add_script(script);
        self
    }

    /// Runs this script for a new client's first request in this form; those before it get Centrifugo's response.
    pub fn script_for(self, form: ApiForm, script: Script) -> Self {
        (0..form.requests_before()).for_each(|_| self.add_script(vec![Step::Execute, Step::SendRest]));
        self.script(script)
    }

    /// As [`script`](Self::script), for a running server.
    pub fn add_script(&self, script: Script) {
        lock(&self.shared.scripts).push_back(script);
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for a config file.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests in order of their first bytes, as far as they were read.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        lock(&self.shared.requests).clone()
    }

    /// Waits until this many requests were responded to or have reached the end of their script. A client that timed
    /// out may be faster than the server.
    pub fn wait_for_requests(&self, count: usize) -> Vec<Arc<Request>> {
        let connections = lock(&self.shared.connections);
        let is_waiting = |connections: &mut Connections| connections.handled_requests < count;
        let wait = self.shared.changed.wait_timeout_while(connections, DEADLINE, is_waiting);
        assert!(wait.is_ok_and(|(_, wait)| !wait.timed_out()), "fewer than {count} requests");
        self.requests()
    }

    /// Also returns when the connections from this number on, counted from 0, are closed: a client that timed out before
    /// sending leaves no request. A request that never comes is waited for only so long.
    pub fn wait_for_requests_or_close(&self, count: usize, connection: usize) -> Vec<Arc<Request>> {
        if lock(&self.shared.connections).handled_requests < count {
            let accepted = self.connections();
            let connections = lock(&self.shared.connections);
            let is_waiting = |connections: &mut Connections| {
                connections.handled_requests < count
                    && (connection..accepted).any(|number| !connections.closed.contains(&number))
            };
            drop(self.shared.changed.wait_timeout_while(connections, MAX_WAIT, is_waiting));
        }
        self.requests()
    }

    /// How many connections there were, including those closed before they were accepted.
    pub fn connections(&self) -> usize {
        // Connections are accepted in order: after this one, all earlier ones have been accepted.
        let mut connections = lock(&self.shared.connections);
        let probe = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server listens");
        let address = probe.local_addr().expect("the socket is connected");
        connections.probes.push(address);
        let is_waiting = |connections: &mut Connections| connections.probes.contains(&address);
        drop(self.shared.changed.wait_timeout_while(connections, DEADLINE, is_waiting));
        self.accepted_connections()
    }

    /// How many connections were accepted so far.
    pub fn accepted_connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// The Centrifugo that is served, to inspect and change its state.
    pub fn centrifugo(&self) -> &Centrifugo {
        &self.shared.centrifugo
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Locked before connecting, so that the accepting thread recognizes this connection. Earlier ones are accepted
        // and counted first.
        let mut connections = lock(&self.shared.connections);
        let waker = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server listens");
        connections.waker = Some(waker.local_addr().expect("the socket is connected"));
        drop(connections);
        self.shared.changed.notify_all();
        let mut failed = self.accept_thread.take().is_some_and(|thread| thread.join().is_err());
        for socket in &lock(&self.shared.connections).sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let mut connections = lock(&self.shared.connections);
        failed |= connections.has_panicked;
        let threads = std::mem::take(&mut connections.threads);
        drop(connections);
        for thread in threads {
            failed |= thread.join().is_err();
        }
        if thread::panicking() {
            return;
        }
        assert!(!failed, "the test server panicked: see above");
        match self.expected {
            ExpectedConnections::AtLeastOne => {
                assert!(self.accepted_connections() > 0, "no client connected to the test server");
            }
            ExpectedConnections::None => {
                assert!(self.accepted_connections() == 0, "a client connected to the test server");
            }
            ExpectedConnections::Any => {}
        }
    }
}

/// Accepts connections until the server stops.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let mut connections = lock(&shared.connections);
        if connections.waker.is_some() && stream.peer_addr().ok() == connections.waker {
            return;
        }
        let probe = connections.probes.iter().position(|probe| stream.peer_addr().is_ok_and(|peer| peer == *probe));
        if let Some(probe) = probe {
            connections.probes.swap_remove(probe);
            shared.changed.notify_all();
            continue;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let stream = Arc::new(stream);
        connections.sockets.push(Arc::clone(&stream));
        connections.join_ended();
        connections.threads.push(thread::spawn({
            let shared = Arc::clone(shared);
            move || {
                // A connection may end in any way that the client or a script chooses.
                let _ = serve(&shared, &stream);
                // Otherwise the socket would stay open until the server is dropped.
                let mut connections = lock(&shared.connections);
                connections.sockets.retain(|other| !Arc::ptr_eq(other, &stream));
                connections.closed.push(number);
                drop(connections);
                shared.changed.notify_all();
            }
        }));
    }
}

/// Handles the requests of one connection.
fn serve(shared: &Shared, socket: &Arc<TcpStream>) -> io::Result<()> {
    // Every write must leave at once.
    socket.set_nodelay(true)?;
    let mut reader = RequestReader::new((shared.acceptor)(Socket(Arc::clone(socket)))?);
    while reader.wait_for_byte()? {
        let mut exchange = Exchange::new(shared, socket, &mut reader);
        let script = lock(&shared.scripts).pop_front();
        let flow = match script {
            None => exchange.respond(),
            Some(script) => exchange.run_script(script),
        };
        if let AfterResponse::Close = flow? {
            break;
        }
    }
    Ok(())
}

/// What to do with the connection after a response.
enum AfterResponse {
    KeepOpen,
    Close,
}

/// One request and its response.
struct Exchange<'a> {
    shared: &'a Shared,
    socket: &'a TcpStream,
    reader: &'a mut RequestReader,
    /// The index in the list of requests.
    index: usize,
    raw: Vec<u8>,
    response: Vec<u8>,
    sent: usize,
    is_handled: bool,
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        self.mark_handled();
    }
}

/// Go's server reads at most this much of a rejected request's body to keep the connection.
const MAX_UNREAD_BYTES: usize = 256 * 1024;
/// Go's server waits half a second so that a client can read the response before the reset.
const RESET_DELAY: Duration = Duration::from_millis(100);
/// How long a request is waited for that has to come.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a request is waited for that may never come: longer than a busy machine needs.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Up to this size a request is read to its end before the connection closes or hangs; a larger one blocks the client.
const MAX_DISCARDED_BYTES: usize = 64 * 1024;

impl<'a> Exchange<'a> {
    fn new(shared: &'a Shared, socket: &'a TcpStream, reader: &'a mut RequestReader) -> Self {
        let mut requests = lock(&shared.requests);
        requests.push(Arc::default());
        let index = requests.len() - 1;
        Self { shared, socket, reader, index, raw: Vec::new(), response: Vec::new(), sent: 0, is_handled: false }
    }

    /// Sends Centrifugo's response.
    fn respond(&mut self) -> io::Result<AfterResponse> {
        self.reader.read_head(&mut self.raw)?;
        let head = self.record(Request::parse(self.raw.clone()));
        let rejection = self.centrifugo().early_rejection(&head).filter(|_| head.content_length() > MAX_UNREAD_BYTES);
        if let Some(rejection) = rejection {
            self.send(&rejection.header("Connection", "close").to_bytes())?;
            self.socket.shutdown(Shutdown::Write)?;
            self.pause(RESET_DELAY);
            return Ok(AfterResponse::Close);
        }
        let Ok(request) = self.request() else {
            // The body was truncated; the client may still read.
            self.send(&Response::plain(500, "Internal Server Error").header("Connection", "close").to_bytes())?;
            return self.close();
        };
        let response = self.centrifugo().handle(&request);
        let keep_alive = request.keeps_alive();
        let response = if keep_alive { response } else { response.header("Connection", "close") };
        self.send(&response.to_bytes())?;
        if keep_alive { Ok(AfterResponse::KeepOpen) } else { self.close() }
    }

    fn run_script(&mut self, script: Script) -> io::Result<AfterResponse> {
        for step in script {
            match step {
                Step::Read(length) => {
                    let read = self.reader.read(&mut self.raw, length);
                    self.record(Request::parse(self.raw.clone()));
                    read?;
                }
                Step::Execute => {
                    let request = self.request()?;
                    self.response = self.centrifugo().handle(&request).to_bytes();
                }
                Step::ReadAll => drop(self.request()?),
                Step::Replace(major, release) => {
                    let replacement = self.centrifugo().replacement(major, release);
                    *lock(&self.shared.current) = Arc::new(replacement);
                }
                Step::Respond => return self.respond(),
                Step::Send(bytes) => self.send(&bytes)?,
                Step::SendRepeated(bytes, times) => (0..times).try_for_each(|_| self.send(&bytes))?,
                Step::SendRange(from, to) => self.send_range(from, to)?,
                Step::SendRest => self.send_range(self.sent, usize::MAX)?,
                Step::SendSlowly(pause) => {
                    while self.sent < self.response.len() {
                        self.send_range(self.sent, self.sent + 1)?;
                        if self.pause(pause) {
                            return Ok(AfterResponse::Close);
                        }
                    }
                }
                Step::Close => return self.close(),
                Step::Reset => {
                    // Unlike a close, this takes effect before the step ends.
                    rustix::net::connect_unspec(self.socket)?;
                    return Ok(AfterResponse::Close);
                }
                Step::Hang => {
                    self.mark_handled();
                    if !self.reader.discard(MAX_DISCARDED_BYTES) {
                        self.pause(Duration::MAX);
                    }
                    return Ok(AfterResponse::Close);
                }
            }
        }
        Ok(AfterResponse::KeepOpen)
    }

    fn centrifugo(&self) -> Arc<Centrifugo> {
        Arc::clone(&lock(&self.shared.current))
    }

    /// Reads the rest of the request.
    fn request(&mut self) -> io::Result<Arc<Request>> {
        let request = self.reader.read_request(&mut self.raw);
        match request {
            Ok(request) => Ok(self.record(request)),
            Err(error) => {
                self.record(Request::parse(self.raw.clone()));
                Err(error)
            }
        }
    }

    /// Records the request as far as it was read.
    fn record(&self, request: Request) -> Arc<Request> {
        let request = Arc::new(request);
        lock(&self.shared.requests)[self.index] = Arc::clone(&request);
        request
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.stream.write_all(bytes)?;
        self.reader.stream.flush()
    }

    fn send_range(&mut self, from: usize, to: usize) -> io::Result<()> {
        let to = to.min(self.response.len());
        self.sent = to;
        let part = self.response.get(from..to).unwrap_or_default().to_vec();
        self.send(&part)
    }

    fn close(&mut self) -> io::Result<AfterResponse> {
        self.socket.shutdown(Shutdown::Write)?;
        self.mark_handled();
        // Unread data would turn the close into a reset.
        self.reader.discard(MAX_DISCARDED_BYTES);
        Ok(AfterResponse::Close)
    }

    /// Counts the request as handled.
    fn mark_handled(&mut self) {
        if !std::mem::replace(&mut self.is_handled, true) {
            lock(&self.shared.connections).handled_requests += 1;
            self.shared.changed.notify_all();
        }
    }

    /// Waits; returns whether the server is stopping.
    fn pause(&self, length: Duration) -> bool {
        let connections = lock(&self.shared.connections);
        let wait =
            self.shared.changed.wait_timeout_while(connections, length, |connections| connections.waker.is_none());
        wait.map_or(true, |(connections, _)| connections.waker.is_some())
    }
}

/// A TCP connection that the server can shut down from another thread.
pub struct Socket(Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

/// A port that refuses connections: bound, so that no one else gets it, but not listening.
pub struct ClosedPort {
    port: u16,
    _socket: OwnedFd,
}

impl ClosedPort {
    pub fn bind() -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket is created");
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = getsockname(&socket).expect("the socket is bound");
        let address = SocketAddrV4::try_from(address).expect("it is an IPv4 address");
        Self { port: address.port(), _socket: socket }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A port with a full backlog: the system does not respond to further connections.
pub struct FullBacklog {
    port: u16,
    _listener: OwnedFd,
    _queued: Vec<OwnedFd>,
}

impl FullBacklog {
    pub fn bind() -> Self {
        use rustix::net::{
            AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket, socket_with,
        };
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket is created");
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        listen(&listener, 0).expect("the socket listens");
        let address = SocketAddrV4::try_from(getsockname(&listener).expect("the socket is bound"))
            .expect("it is an IPv4 address");
        // A backlog of 0 holds one connection; the others wait.
        let queued = (0..3).map(|_| {
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None);
            let socket = socket.expect("a socket is created");
            // Stays in progress.
            let _ = connect(&socket, &address);
            socket
        });
        Self { port: address.port(), _queued: queued.collect(), _listener: listener }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A server that accepts connections and never responds.
pub struct HangingServer(TcpListener);

impl HangingServer {
    pub fn start() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free"))
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("the socket is bound"))
    }
}
