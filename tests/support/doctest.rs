// What the examples in the library's documentation hide: servers that they run against. Each example includes this file
// as a module, so it cannot begin with `//!`.

#[path = "server/mod.rs"]
#[allow(unused_imports)]
mod server;

use std::time::Duration;

use cent::{Client, Endpoint, Proxy};
use server::{Centrifugo, ClosedPort, HangingServer, Server};

/// A client of a new server: Centrifugo 6.
#[allow(dead_code)]
pub fn client() -> Client {
    connected(Client::with_api_key("http://localhost:8000", "key-of-the-server").expect("they are valid"))
}

/// The client, connected to a new server: Centrifugo 1 if it has a secret, else 6. The server is reached as a proxy, so
/// that an example can show a usual address.
#[allow(dead_code)]
pub fn connected(client: Client) -> Client {
    let centrifugo = match client.requests().endpoint().is_signed() {
        true => Centrifugo::version(1).with_credential("secret"),
        false => Centrifugo::version(6).with_credential("key-of-the-server"),
    };
    // It serves until the example ends.
    let server = Box::leak(Box::new(Server::start(centrifugo)));
    client.with_proxy(Proxy::parse(&server.address()).expect("the address is a valid proxy"))
}

/// An endpoint of a new server: Centrifugo 6.
#[allow(dead_code)]
pub fn endpoint() -> Endpoint {
    let server = Box::leak(Box::new(Server::start(Centrifugo::version(6).with_credential("key-of-the-server"))));
    let address = server.address().parse().expect("the address is valid");
    Endpoint::with_api_key(address, "key-of-the-server").expect("they are valid")
}

/// A client whose server does not run.
#[allow(dead_code)]
pub fn unreachable() -> Client {
    let port = Box::leak(Box::new(ClosedPort::bind()));
    Client::with_api_key(&port.address(), "key-of-the-server").expect("they are valid")
}

/// A client whose server does not respond.
#[allow(dead_code)]
pub fn hanging() -> Client {
    let server = Box::leak(Box::new(HangingServer::start()));
    let client = Client::with_api_key(&server.address(), "key-of-the-server").expect("they are valid");
    client.with_timeout(Duration::from_millis(100))
}
