//! A Centrifugo to test against: real sockets, a thread for each connection, and the faults of a bad day.
//!
//! ```ignore
//! let server = Server::v1();
//! let mut client = cent::Client::new(&server.address(), SECRET)?;
//! client.publish("news", &1)?;
//! assert_eq!(server.centrifugo().texts("news"), ["1"]);
//! assert_eq!(server.requests()[0].path, "/api/");
//!
//! let server = Server::later(6).script(stopped_in_answer(20, Step::Reset));
//! ```

// Each crate that includes this uses its own part of it.
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
mod fake_centrifugo;
mod fault_script;
mod http;
mod json;
mod legacy;
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

/// Makes of an accepted connection what requests are read from: TLS, say.
type Acceptor = dyn Fn(Socket) -> io::Result<Box<dyn Stream>> + Send + Sync;

/// A running server; dropped, it ends its connections and fails the test if nobody called it.
pub struct Server {
    shared: Arc<Shared>,
    port: u16,
    accept_thread: Option<JoinHandle<()>>,
    expected: ExpectedConnections,
}

/// What the server has to have seen when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExpectedConnections {
    AtLeastOne,
    None,
    Any,
}

struct Shared {
    centrifugo: Arc<Centrifugo>,
    acceptor: Box<Acceptor>,
    scripts: Mutex<VecDeque<Script>>,
    requests: Mutex<Vec<Arc<Request>>>,
    accepted: AtomicUsize,
    connections: Mutex<Connections>,
    changed: Condvar,
}

#[derive(Default)]
struct Connections {
    /// Set when the server is to stop: the connection from here is the one that wakes the thread that accepts.
    waker: Option<SocketAddr>,
    /// Connections of [`Server::connections`], which are not counted.
    probes: Vec<SocketAddr>,
    /// How many requests were answered, or are past the last step that reads or sends.
    handled_requests: usize,
    sockets: Vec<Arc<TcpStream>>,
    /// The numbers of the connections that have ended.
    closed: Vec<usize>,
    threads: Vec<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Serves the newest recorded release of this major version, from 1 to 6.
    pub fn version(major: u8) -> Self {
        Self::start(Centrifugo::version(major))
    }

    /// Serves this one; one that others serve too outlives the server.
    pub fn start(centrifugo: impl Into<Arc<Centrifugo>>) -> Self {
        Self::start_with(centrifugo, |socket| Ok(Box::new(socket)))
    }

    /// Serves this one over connections that something else is laid over first.
    pub fn start_with(
        centrifugo: impl Into<Arc<Centrifugo>>,
        acceptor: impl Fn(Socket) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            centrifugo: centrifugo.into(),
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

    /// Expects that nobody connects.
    pub fn expect_no_connection(mut self) -> Self {
        self.expected = ExpectedConnections::None;
        self
    }

    /// Leaves open whether anybody connects.
    pub fn allow_no_connection(mut self) -> Self {
        self.expected = ExpectedConnections::Any;
        self
    }

    /// Does this for the next request that has no script yet; those without one are answered as Centrifugo does.
    pub fn script(self, script: Script) -> Self {
        self.add_script(script);
        self
    }

    /// As [`script`](Self::script), while it runs.
    pub fn add_script(&self, script: Script) {
        lock(&self.shared.scripts).push_back(script);
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// As it stands in a config file.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests whose first byte has come, in that order, as far as they were read.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        lock(&self.shared.requests).clone()
    }

    /// The same, once so many of them were answered or have come to where their script stops: a client whose time is
    /// over may ask before the server has seen anything of it.
    pub fn wait_for_requests(&self, count: usize) -> Vec<Arc<Request>> {
        let connections = lock(&self.shared.connections);
        drop(self.shared.changed.wait_while(connections, |connections| connections.handled_requests < count));
        self.requests()
    }

    /// The same, or once the connection of this number, counted from 0, has ended: a client whose time is over before
    /// it has sent anything leaves no request behind.
    pub fn wait_for_requests_or_close(&self, count: usize, connection: usize) -> Vec<Arc<Request>> {
        let connections = lock(&self.shared.connections);
        let is_waiting = |connections: &mut Connections| {
            connections.handled_requests < count && !connections.closed.contains(&connection)
        };
        drop(self.shared.changed.wait_while(connections, is_waiting));
        self.requests()
    }

    /// How many connections there were, also those whose client has gone before they could be accepted.
    pub fn connections(&self) -> usize {
        // Accepted in their order: once this one is, all before it are.
        let mut connections = lock(&self.shared.connections);
        let probe = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server listens");
        let address = probe.local_addr().expect("it is connected");
        connections.probes.push(address);
        drop(self.shared.changed.wait_while(connections, |connections| connections.probes.contains(&address)));
        self.accepted_connections()
    }

    /// The same without a look at those that nobody has asked about yet: as many as have been served, at least.
    pub fn accepted_connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// What is served: its state can be looked at and changed.
    pub fn centrifugo(&self) -> &Centrifugo {
        &self.shared.centrifugo
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Under the lock, so that its connection is known for what it is. Those before it are accepted and counted.
        let mut connections = lock(&self.shared.connections);
        let waker = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server listens");
        connections.waker = Some(waker.local_addr().expect("it is connected"));
        drop(connections);
        self.shared.changed.notify_all();
        let mut failed = self.accept_thread.take().is_some_and(|thread| thread.join().is_err());
        for socket in &lock(&self.shared.connections).sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let threads = std::mem::take(&mut lock(&self.shared.connections).threads);
        for thread in threads {
            failed |= thread.join().is_err();
        }
        if thread::panicking() {
            return;
        }
        assert!(!failed, "the test server panicked: see above");
        match self.expected {
            ExpectedConnections::AtLeastOne => {
                assert!(self.accepted_connections() > 0, "nobody called the test server")
            }
            ExpectedConnections::None => assert!(self.accepted_connections() == 0, "somebody called the test server"),
            ExpectedConnections::Any => {}
        }
    }
}

/// Accepts until the server stops.
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
        connections.threads.push(thread::spawn({
            let shared = Arc::clone(shared);
            move || {
                // Whatever ends a connection is the client's business, or a script's.
                let _ = serve(&shared, &stream);
                // Else the socket would stay open until the server is dropped.
                let mut connections = lock(&shared.connections);
                connections.sockets.retain(|other| !Arc::ptr_eq(other, &stream));
                connections.closed.push(number);
                drop(connections);
                shared.changed.notify_all();
            }
        }));
    }
}

/// Answers the requests of one connection.
fn serve(shared: &Shared, socket: &Arc<TcpStream>) -> io::Result<()> {
    // Pieces are to leave as they are written.
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

/// Whether the connection stays open.
enum AfterResponse {
    KeepOpen,
    Close,
}

/// One request and its answer.
struct Exchange<'a> {
    shared: &'a Shared,
    socket: &'a TcpStream,
    reader: &'a mut RequestReader,
    /// Its place in the list of requests.
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

/// As much of a body as Go's server reads to keep a connection whose request it refused without it.
const MAX_UNREAD_BYTES: usize = 256 * 1024;
/// Go's server waits half a second, so that a client can read the answer before the reset that ends its upload.
const RESET_DELAY: Duration = Duration::from_millis(100);
/// A request of this size is read to the end before the connection closes or hangs; larger ones get stuck.
const MAX_DISCARDED_BYTES: usize = 64 * 1024;

impl<'a> Exchange<'a> {
    fn new(shared: &'a Shared, socket: &'a TcpStream, reader: &'a mut RequestReader) -> Self {
        let mut requests = lock(&shared.requests);
        requests.push(Arc::default());
        let index = requests.len() - 1;
        Self { shared, socket, reader, index, raw: Vec::new(), response: Vec::new(), sent: 0, is_handled: false }
    }

    /// Answers as Centrifugo does.
    fn respond(&mut self) -> io::Result<AfterResponse> {
        self.reader.read_head(&mut self.raw)?;
        let head = self.record(Request::parse(self.raw.clone()));
        let rejection =
            self.shared.centrifugo.early_rejection(&head).filter(|_| head.content_length() > MAX_UNREAD_BYTES);
        if let Some(rejection) = rejection {
            self.send(&rejection.header("Connection", "close").to_bytes())?;
            self.socket.shutdown(Shutdown::Write)?;
            self.pause(RESET_DELAY);
            return Ok(AfterResponse::Close);
        }
        let Ok(request) = self.request() else {
            // The body was cut off; the client may still read.
            self.send(&Response::plain(500, "Internal Server Error").header("Connection", "close").to_bytes())?;
            return self.close();
        };
        let response = self.shared.centrifugo.handle(&request);
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
                    self.response = self.shared.centrifugo.handle(&request).to_bytes();
                }
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
                    // Unlike a close, it is done before this step is over.
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

    /// Reads what is left of the request.
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

    /// Notes what has come of the request.
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
        // Else a part of the request that was not read would turn the end into a reset.
        self.reader.discard(MAX_DISCARDED_BYTES);
        Ok(AfterResponse::Close)
    }

    /// Counts the request as done with.
    fn mark_handled(&mut self) {
        if !std::mem::replace(&mut self.is_handled, true) {
            lock(&self.shared.connections).handled_requests += 1;
            self.shared.changed.notify_all();
        }
    }

    /// Waits; whether the server is stopping.
    fn pause(&self, length: Duration) -> bool {
        let connections = lock(&self.shared.connections);
        let wait =
            self.shared.changed.wait_timeout_while(connections, length, |connections| connections.waker.is_none());
        wait.map_or(true, |(connections, _)| connections.waker.is_some())
    }
}

/// A TCP connection; its owner can still end it from elsewhere.
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

/// A port that refuses connections: bound, so that nobody else gets it, but not listened to.
pub struct ClosedPort {
    port: u16,
    _socket: OwnedFd,
}

impl ClosedPort {
    pub fn bind() -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be made");
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = getsockname(&socket).expect("it is bound");
        let address = SocketAddrV4::try_from(address).expect("it is an IPv4 address");
        Self { port: address.port(), _socket: socket }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A port whose queue of connections is full: the system leaves every further one without an answer.
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
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be made");
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        listen(&listener, 0).expect("it can be listened to");
        let address =
            SocketAddrV4::try_from(getsockname(&listener).expect("it is bound")).expect("it is an IPv4 address");
        // A queue of no length holds one; those after it wait already.
        let queued = (0..3).map(|_| {
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None);
            let socket = socket.expect("a socket can be made");
            // In progress, with some luck for ever.
            let _ = connect(&socket, &address);
            socket
        });
        Self { port: address.port(), _queued: queued.collect(), _listener: listener }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A server that lets clients connect and send, and does nothing else.
pub struct HangingServer(TcpListener);

impl HangingServer {
    pub fn start() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free"))
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("it is bound"))
    }
}
