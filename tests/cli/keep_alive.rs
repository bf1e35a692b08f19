//! Connections that are kept, and servers that close them when they are idle.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::Current;
use crate::support::server::{Response, Server, Step};

/// Longer than a round trip on this machine, as on a network.
const DELAY: Duration = Duration::from_millis(10);

/// Accepts connections until the test ends.
fn listen(serve: impl Fn(TcpStream) -> io::Result<()> + Copy + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("the socket is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The other side may close as it likes.
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A server that closes kept connections after this idle time, which it can announce.
fn idle_limited_server(limit: Duration, is_announced: bool) -> SocketAddr {
    listen(move |mut stream| {
        stream.set_nodelay(true)?;
        let reply = Response::json(Current.response_body(&[Current.publish_reply()]));
        let announced = format!("timeout={}", limit.as_secs_f64());
        let reply = if is_announced { reply.header("Keep-Alive", &announced) } else { reply };
        let (mut request, mut buffer) = (Vec::new(), [0; 1000]);
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                count => request.extend_from_slice(&buffer[..count]),
            }
            if request.ends_with(b"}") {
                request.clear();
                stream.write_all(&reply.to_bytes())?;
                // The limit is for kept connections: a busy machine may be slow to send the first request.
                stream.set_read_timeout(Some(limit))?;
            }
        }
    })
}

/// A proxy that delays what it passes on, a close too.
fn delaying_proxy(server: SocketAddr) -> SocketAddr {
    fn pass_on(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        let mut buffer = [0; 10_000];
        loop {
            let count = from.read(&mut buffer)?;
            // The delay is what this proxy is for.
            thread::sleep(DELAY);
            if count == 0 {
                return to.shutdown(Shutdown::Write);
            }
            to.write_all(&buffer[..count])?;
        }
    }
    listen(move |client| {
        let server = TcpStream::connect(server)?;
        [&client, &server].into_iter().try_for_each(|stream| stream.set_nodelay(true))?;
        thread::scope(|scope| {
            scope.spawn(|| pass_on(&client, &server));
            pass_on(&server, &client)
        })
    })
}

#[test]
fn request_at_servers_idle_limit_is_not_lost() {
    // In parallel, because time passes between the requests.
    thread::scope(|scope| {
        for (millis, is_announced, count) in [(50, true, 40), (100, true, 20), (300, true, 7), (1000, false, 3)] {
            scope.spawn(move || {
                let limit = Duration::from_millis(millis);
                let server = delaying_proxy(idle_limited_server(limit, is_announced));
                let mut client = Current.client(&format!("http://{server}"));
                for number in 0..count {
                    let result = client.publish("plain:a", &1);
                    assert!(result.is_ok(), "{millis} ms, request {number}: {}", result.unwrap_err());
                    // The pace of the requests is what this test is about.
                    thread::sleep(limit);
                }
            });
        }
    });
}

#[test]
fn server_may_shorten_life_of_idle_connections() {
    for (keep_alive, connections) in [("timeout=0", 3), ("timeout=60", 1)] {
        let server = Server::start(Current.centrifugo());
        let reply = Response::json(Current.response_body(&[Current.publish_reply()])).header("Keep-Alive", keep_alive);
        (0..3).for_each(|_| server.add_script(vec![Step::Execute, Step::respond(&reply)]));
        let mut client = Current.client(&server.address());
        for _ in 0..3 {
            client.publish("plain:a", &1).expect("the server accepts");
        }
        assert_eq!(server.connections(), connections, "{keep_alive}");
    }
}
