//! A proxy that makes a server seem distant: every byte arrives later, by the same time.
//!
//! It adds delay and nothing else. Its capacity is not limited, there is no slow start of TCP, and clients connect at
//! once.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Forwards connections to a server until the benchmark ends, with this delay in each direction. Returns its port.
pub(crate) fn start(server: SocketAddr, delay: Duration) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // The client sees that its connection is closed.
            let _ = forward(&client, server, delay);
        }
    });
    Ok(port)
}

fn forward(client: &TcpStream, server: SocketAddr, delay: Duration) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    forward_one_way(client.try_clone()?, server.try_clone()?, delay);
    forward_one_way(server, client.try_clone()?, delay);
    Ok(())
}

/// One thread reads while the other waits, so that a large body is delayed once, not once for each of its parts.
fn forward_one_way(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, part) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&part).is_err() {
                break;
            }
        }
        // The other side may have closed the connection already.
        let _ = to.shutdown(Shutdown::Write);
    });
}
