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

mod centrifugo;
mod first;
mod http;
mod json;
mod later;
mod script;

use self::http::Inbox;
#[allow(unused_imports, reason = "each crate uses its own part")]
pub use self::{
    centrifugo::{API_KEY, Centrifugo, SECRET},
    first::sign,
    http::{Request, Response, Stream},
    script::*,
};

/// Makes of an accepted connection what requests are read from: TLS, say.
type Acceptor = dyn Fn(Socket) -> io::Result<Box<dyn Stream>> + Send + Sync;

/// A running server; dropped, it ends its connections and fails the test if nobody called it.
pub struct Server {
    shared: Arc<Shared>,
    port: u16,
    accepting: Option<JoinHandle<()>>,
    expected: Expected,
}

/// What the server has to have seen when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Calls,
    NoCall,
    Anything,
}

struct Shared {
    centrifugo: Arc<Centrifugo>,
    acceptor: Box<Acceptor>,
    scripts: Mutex<VecDeque<Script>>,
    requests: Mutex<Vec<Arc<Request>>>,
    accepted: AtomicUsize,
    live: Mutex<Live>,
    changed: Condvar,
}

#[derive(Default)]
struct Live {
    /// Set when the server is to stop: the connection from here is the one that wakes the thread that accepts.
    waker: Option<SocketAddr>,
    /// Connections of [`Server::connections`], which are not counted.
    probes: Vec<SocketAddr>,
    /// How many requests were answered, or are past the last step that reads or sends.
    settled: usize,
    sockets: Vec<Arc<TcpStream>>,
    /// The numbers of the connections that have ended.
    ended: Vec<usize>,
    threads: Vec<JoinHandle<()>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Serves Centrifugo 1.8.0.
    pub fn v1() -> Self {
        Self::start(Centrifugo::v1())
    }

    /// Serves Centrifugo 2 to 6.
    pub fn later(major: u8) -> Self {
        Self::start(Centrifugo::later(major))
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
            live: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { shared, port, accepting: Some(accepting), expected: Expected::Calls }
    }

    /// Expects that nobody connects.
    pub fn uncalled(mut self) -> Self {
        self.expected = Expected::NoCall;
        self
    }

    /// Leaves open whether anybody connects.
    pub fn perhaps_called(mut self) -> Self {
        self.expected = Expected::Anything;
        self
    }

    /// Does this for the next request that has no script yet; those without one are answered as Centrifugo does.
    pub fn script(self, script: Script) -> Self {
        self.add_script(script);
        self
    }

    /// As [`script`](Self::script), while it runs.
    pub fn add_script(&self, script: Script) {
        locked(&self.shared.scripts).push_back(script);
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
        locked(&self.shared.requests).clone()
    }

    /// The same, once so many of them were answered or have come to where their script stops: a client whose time is
    /// over may ask before the server has seen anything of it.
    pub fn settled(&self, count: usize) -> Vec<Arc<Request>> {
        let live = locked(&self.shared.live);
        drop(self.shared.changed.wait_while(live, |live| live.settled < count));
        self.requests()
    }

    /// The same, or once the connection of this number, counted from 0, has ended: a client whose time is over before
    /// it has sent anything leaves no request behind.
    pub fn settled_or_left(&self, count: usize, connection: usize) -> Vec<Arc<Request>> {
        let live = locked(&self.shared.live);
        let goes_on = |live: &mut Live| live.settled < count && !live.ended.contains(&connection);
        drop(self.shared.changed.wait_while(live, goes_on));
        self.requests()
    }

    /// How many connections there were, also those whose client has gone before they could be accepted.
    pub fn connections(&self) -> usize {
        // Accepted in their order: once this one is, all before it are.
        let mut live = locked(&self.shared.live);
        let probe = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server listens");
        let address = probe.local_addr().expect("it is connected");
        live.probes.push(address);
        drop(self.shared.changed.wait_while(live, |live| live.probes.contains(&address)));
        self.accepted()
    }

    /// The same without a look at those that nobody has asked about yet: as many as have been served, at least.
    pub fn accepted(&self) -> usize {
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
        let mut live = locked(&self.shared.live);
        let waker = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server listens");
        live.waker = Some(waker.local_addr().expect("it is connected"));
        drop(live);
        self.shared.changed.notify_all();
        let mut failed = self.accepting.take().is_some_and(|thread| thread.join().is_err());
        for socket in &locked(&self.shared.live).sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let threads = std::mem::take(&mut locked(&self.shared.live).threads);
        for thread in threads {
            failed |= thread.join().is_err();
        }
        if thread::panicking() {
            return;
        }
        assert!(!failed, "the test server panicked: see above");
        match self.expected {
            Expected::Calls => assert!(self.accepted() > 0, "nobody called the test server"),
            Expected::NoCall => assert!(self.accepted() == 0, "somebody called the test server"),
            Expected::Anything => {}
        }
    }
}

/// Accepts until the server stops.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let mut live = locked(&shared.live);
        if live.waker.is_some() && stream.peer_addr().ok() == live.waker {
            return;
        }
        let probe = live.probes.iter().position(|probe| stream.peer_addr().is_ok_and(|peer| peer == *probe));
        if let Some(probe) = probe {
            live.probes.swap_remove(probe);
            shared.changed.notify_all();
            continue;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let stream = Arc::new(stream);
        live.sockets.push(Arc::clone(&stream));
        live.threads.push(thread::spawn({
            let shared = Arc::clone(shared);
            move || {
                // Whatever ends a connection is the client's business, or a script's.
                let _ = serve(&shared, &stream);
                // Else the socket would stay open until the server is dropped.
                let mut live = locked(&shared.live);
                live.sockets.retain(|other| !Arc::ptr_eq(other, &stream));
                live.ended.push(number);
                drop(live);
                shared.changed.notify_all();
            }
        }));
    }
}

/// Answers the requests of one connection.
fn serve(shared: &Shared, socket: &Arc<TcpStream>) -> io::Result<()> {
    // Pieces are to leave as they are written.
    socket.set_nodelay(true)?;
    let mut inbox = Inbox::new((shared.acceptor)(Socket(Arc::clone(socket)))?);
    while inbox.waits()? {
        let mut turn = Turn::new(shared, socket, &mut inbox);
        let script = locked(&shared.scripts).pop_front();
        let flow = match script {
            None => turn.usual(),
            Some(script) => turn.play(script),
        };
        if let Flow::End = flow? {
            break;
        }
    }
    Ok(())
}

/// Whether the connection stays open.
enum Flow {
    Next,
    End,
}

/// One request and its answer.
struct Turn<'a> {
    shared: &'a Shared,
    socket: &'a TcpStream,
    inbox: &'a mut Inbox,
    /// Its place in the list of requests.
    index: usize,
    raw: Vec<u8>,
    answer: Vec<u8>,
    sent: usize,
    is_settled: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

/// As much of a body as Go's server reads to keep a connection whose request it refused without it.
const MAX_UNREAD: usize = 256 * 1024;
/// Go's server waits half a second, so that a client can read the answer before the reset that ends its upload.
const BEFORE_RESET: Duration = Duration::from_millis(100);
/// A request of this size is read to the end before the connection closes or hangs; larger ones get stuck.
const MAX_DISCARDED: usize = 64 * 1024;

impl<'a> Turn<'a> {
    fn new(shared: &'a Shared, socket: &'a TcpStream, inbox: &'a mut Inbox) -> Self {
        let mut requests = locked(&shared.requests);
        requests.push(Arc::default());
        let index = requests.len() - 1;
        Self { shared, socket, inbox, index, raw: Vec::new(), answer: Vec::new(), sent: 0, is_settled: false }
    }

    /// Answers as Centrifugo does.
    fn usual(&mut self) -> io::Result<Flow> {
        self.inbox.take_head(&mut self.raw)?;
        let head = self.note(Request::of(self.raw.clone()));
        let refusal = self.shared.centrifugo.refusal(&head).filter(|_| head.content_length() > MAX_UNREAD);
        if let Some(refusal) = refusal {
            self.send(&refusal.header("Connection", "close").to_bytes())?;
            self.socket.shutdown(Shutdown::Write)?;
            self.pause(BEFORE_RESET);
            return Ok(Flow::End);
        }
        let Ok(request) = self.request() else {
            // The body was cut off; the client may still read.
            self.send(&Response::plain(500, "Internal Server Error").header("Connection", "close").to_bytes())?;
            return self.close();
        };
        let response = self.shared.centrifugo.answer(&request);
        let keeps = request.keeps_alive();
        let response = if keeps { response } else { response.header("Connection", "close") };
        self.send(&response.to_bytes())?;
        if keeps { Ok(Flow::Next) } else { self.close() }
    }

    fn play(&mut self, script: Script) -> io::Result<Flow> {
        for step in script {
            match step {
                Step::Read(length) => {
                    let read = self.inbox.take(&mut self.raw, length);
                    self.note(Request::of(self.raw.clone()));
                    read?;
                }
                Step::Execute => {
                    let request = self.request()?;
                    self.answer = self.shared.centrifugo.answer(&request).to_bytes();
                }
                Step::Send(bytes) => self.send(&bytes)?,
                Step::Repeat(bytes, times) => (0..times).try_for_each(|_| self.send(&bytes))?,
                Step::Answer(from, to) => self.send_answer(from, to)?,
                Step::Rest => self.send_answer(self.sent, usize::MAX)?,
                Step::Drip(pause) => {
                    while self.sent < self.answer.len() {
                        self.send_answer(self.sent, self.sent + 1)?;
                        if self.pause(pause) {
                            return Ok(Flow::End);
                        }
                    }
                }
                Step::Close => return self.close(),
                Step::Reset => {
                    // Unlike a close, it is done before this step is over.
                    rustix::net::connect_unspec(self.socket)?;
                    return Ok(Flow::End);
                }
                Step::Hang => {
                    self.settle();
                    if !self.inbox.discard(MAX_DISCARDED) {
                        self.pause(Duration::MAX);
                    }
                    return Ok(Flow::End);
                }
            }
        }
        Ok(Flow::Next)
    }

    /// Reads what is left of the request.
    fn request(&mut self) -> io::Result<Arc<Request>> {
        let request = self.inbox.take_request(&mut self.raw);
        match request {
            Ok(request) => Ok(self.note(request)),
            Err(error) => {
                self.note(Request::of(self.raw.clone()));
                Err(error)
            }
        }
    }

    /// Notes what has come of the request.
    fn note(&self, request: Request) -> Arc<Request> {
        let request = Arc::new(request);
        locked(&self.shared.requests)[self.index] = Arc::clone(&request);
        request
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inbox.stream.write_all(bytes)?;
        self.inbox.stream.flush()
    }

    fn send_answer(&mut self, from: usize, to: usize) -> io::Result<()> {
        let to = to.min(self.answer.len());
        self.sent = to;
        let part = self.answer.get(from..to).unwrap_or_default().to_vec();
        self.send(&part)
    }

    fn close(&mut self) -> io::Result<Flow> {
        self.socket.shutdown(Shutdown::Write)?;
        self.settle();
        // Else a part of the request that was not read would turn the end into a reset.
        self.inbox.discard(MAX_DISCARDED);
        Ok(Flow::End)
    }

    /// Counts the request as done with.
    fn settle(&mut self) {
        if !std::mem::replace(&mut self.is_settled, true) {
            locked(&self.shared.live).settled += 1;
            self.shared.changed.notify_all();
        }
    }

    /// Waits; whether the server is stopping.
    fn pause(&self, length: Duration) -> bool {
        let live = locked(&self.shared.live);
        let wait = self.shared.changed.wait_timeout_while(live, length, |live| live.waker.is_none());
        wait.map_or(true, |(live, _)| live.waker.is_some())
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
pub struct RefusedPort {
    port: u16,
    _socket: OwnedFd,
}

impl RefusedPort {
    pub fn take() -> Self {
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
pub struct FullPort {
    port: u16,
    _listener: OwnedFd,
    _queued: Vec<OwnedFd>,
}

impl FullPort {
    pub fn take() -> Self {
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
pub struct SilentServer(TcpListener);

impl SilentServer {
    pub fn start() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free"))
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("it is bound"))
    }
}
