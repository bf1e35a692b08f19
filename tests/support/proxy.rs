//! A proxy that opens tunnels, and the server at their end, in one.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use super::server::{Centrifugo, Server};
use super::tls::Acceptor;

/// What a proxy says when a tunnel is open.
pub const TUNNEL_OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A server that is reached through tunnels only.
pub struct TunnelProxy {
    pub server: Server,
    connect_requests: Arc<Mutex<Vec<String>>>,
}

impl TunnelProxy {
    /// Answers each CONNECT so, then serves what comes through the tunnel.
    pub fn start(centrifugo: Centrifugo, response: &'static str, acceptor: Acceptor) -> Self {
        let connect_requests = Arc::<Mutex<Vec<String>>>::default();
        let server = Server::start_with(centrifugo, {
            let connect_requests = Arc::clone(&connect_requests);
            move |mut socket| {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    // Not a byte of what follows.
                    socket.read_exact(&mut byte)?;
                    head.extend_from_slice(&byte);
                }
                connect_requests.lock().expect("no thread panicked").push(String::from_utf8_lossy(&head).into_owned());
                socket.write_all(response.as_bytes())?;
                acceptor(socket)
            }
        });
        Self { server, connect_requests }
    }

    /// The heads of the requests for a tunnel, in that order.
    pub fn connect_requests(&self) -> Vec<String> {
        self.connect_requests.lock().expect("no thread panicked").clone()
    }
}
