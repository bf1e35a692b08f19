//! A tunneling proxy and the server behind it, in one.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use super::server::{Centrifugo, Server};
use super::tls::Acceptor;

/// The response that opens a tunnel.
pub const TUNNEL_OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A server that is reached only through tunnels.
pub struct TunnelProxy {
    pub server: Server,
    connect_requests: Arc<Mutex<Vec<String>>>,
}

impl TunnelProxy {
    /// Sends this response to each CONNECT, then serves the tunneled requests.
    pub fn start(centrifugo: Centrifugo, response: &'static str, acceptor: Acceptor) -> Self {
        let connect_requests = Arc::<Mutex<Vec<String>>>::default();
        let server = Server::start_with(centrifugo, {
            let connect_requests = Arc::clone(&connect_requests);
            move |mut socket| {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    // Byte by byte: what follows belongs to the tunnel.
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

    /// Request line and headers of each CONNECT, in order.
    pub fn connect_requests(&self) -> Vec<String> {
        self.connect_requests.lock().expect("no thread panicked").clone()
    }
}
