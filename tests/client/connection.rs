//! Connections: reuse, proxy, and what a request has used.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use cent::{Client, Proxy, Published};

use super::{ALL_VERSIONS, client_for, publish, requests_before, start};
use crate::server;
use crate::server::{ApiForm, ClosedPort, HangingServer, Response, Server, Step};

#[test]
fn connection_is_reused() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        for n in 0..20 {
            client.publish("news", &n).unwrap();
            // A rejection keeps the connection too.
            client.presence("plain:x").unwrap_err();
        }
        assert_eq!((server.connections(), server.requests().len()), (1, 40 + requests_before(major)), "{major}");
    }
}

#[test]
fn closed_connection_is_not_reused() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, vec![Step::Execute, Step::SendRest, Step::Close]);
        let mut client = form.client(&server.address());
        client.publish("news", &1).unwrap();
        server.wait_for_requests(1 + form.requests_before());
        client.publish("news", &2).unwrap();
        assert_eq!((server.connections(), server.centrifugo().messages_as_text("news").len()), (2, 2));
    }
}

/// Reads the requests of a connection, and responds to this many of them.
fn respond_to(stream: &mut TcpStream, requests: usize) {
    let reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"result\": {}}";
    for _ in 0..requests {
        let mut received = Vec::new();
        while !received.ends_with(b"{}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            received.extend(byte);
        }
        stream.write_all(reply).unwrap();
    }
}

#[test]
fn no_connection_is_reused_after_one_was_closed_silently() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        // The second request of the first connection is lost.
        let mut stream = listener.accept().unwrap().0;
        respond_to(&mut stream, 1);
        stream.read_exact(&mut [0]).unwrap();
        drop(stream);
        let kept: Vec<_> = (0..2)
            .map(|_| {
                let mut stream = listener.accept().unwrap().0;
                respond_to(&mut stream, 1);
                stream
            })
            .collect();
        kept.len()
    });
    let mut client = cent::Client::with_api_key(&address, "key").unwrap();
    client.info().unwrap();
    assert_eq!(client.info().unwrap_err().kind(), cent::ErrorKind::SafeToRetry);
    client.info().unwrap();
    client.info().unwrap();
    assert_eq!(server.join().unwrap(), 2);
}

#[test]
fn connection_closed_with_its_first_response_is_not_reused() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        for _ in 0..20 {
            let mut stream = listener.accept().unwrap().0;
            // Response and close leave together.
            rustix::net::sockopt::set_tcp_cork(&stream, true).unwrap();
            respond_to(&mut stream, 1);
        }
    });
    let mut client = cent::Client::with_api_key(&address, "key").unwrap();
    (0..20).for_each(|_| drop(client.info().unwrap()));
    server.join().unwrap();
}

#[test]
fn uses_proxy() {
    let done = Response::json(r#"[{"method":"publish","error":null,"body":null}]"#);
    let proxy = Server::version(1).script(server::respond(&done));
    let client = client_for(1, "http://centrifugo.invalid");
    let mut client = client.with_proxy(Proxy::parse(&proxy.address()).unwrap());
    assert_eq!(publish(&mut client), Ok(Published::default()));
    assert_eq!(proxy.requests()[0].header("Host"), Some("centrifugo.invalid"));
}

#[test]
fn connection_is_described_as_far_as_the_request_got() {
    let server = Server::version(6);
    let mut client = ApiForm::Current.client(&server.address());
    assert_eq!(client.connection(), cent::ConnectionInfo::default());
    client.info().unwrap();
    let connection = client.connection();
    assert_eq!(connection.ip_addresses, [std::net::Ipv4Addr::LOCALHOST]);
    assert_eq!(connection.peer.map(|peer| peer.port()), Some(server.port()));
    assert_eq!((connection.tls, connection.api_form), (None, Some(cent::ApiForm::Current)));
    client.info().unwrap();
    assert_eq!(client.connection().peer, connection.peer);

    let server = Server::version(2);
    let mut client = ApiForm::Legacy.client(&server.address());
    client.info().unwrap();
    assert_eq!(client.connection().api_form, Some(cent::ApiForm::Legacy));

    let closed = ClosedPort::bind();
    let mut client = ApiForm::Current.client(&closed.address());
    client.info().unwrap_err();
    let connection = client.connection();
    assert_eq!(connection.ip_addresses, [std::net::Ipv4Addr::LOCALHOST]);
    assert_eq!((connection.peer, connection.api_form), (None, None));
}

#[test]
fn idle_time_can_be_set() {
    let connections = |max_idle: Option<Duration>, pause: u64| {
        let (server, mut client) = start(6);
        if let Some(max_idle) = max_idle {
            client = client.with_max_idle(max_idle);
        }
        client.publish("a", &1).unwrap();
        thread::sleep(Duration::from_millis(pause));
        client.publish("a", &1).unwrap();
        client.publish("a", &1).unwrap();
        server.connections()
    };
    // Longer than the default.
    assert_eq!(connections(None, 600), 2);
    assert_eq!(connections(Some(Duration::from_secs(60)), 600), 1);
    assert_eq!(connections(Some(Duration::MAX), 0), 1);
    assert_eq!(connections(Some(Duration::ZERO), 0), 3);
}

#[test]
fn time_limit_holds_for_calls_that_follow() {
    let hanging = HangingServer::start();
    let mut client = client_for(6, &hanging.address()).with_timeout(Duration::from_secs(60));
    client.set_timeout(Some(Duration::from_millis(100)));
    let error = client.publish("a", &1).unwrap_err();
    assert!(error.message().starts_with("timed out after 0.1 s"), "{error}");
    client.set_timeout(Some(Duration::from_millis(200)));
    let error = client.publish("a", &1).unwrap_err();
    assert!(error.message().starts_with("timed out after 0.2 s"), "{error}");
}

/// One in a mutex would take 20 time limits.
#[test]
fn clients_of_threads_do_not_wait_for_each_other() {
    let hanging = HangingServer::start();
    let client = client_for(6, &hanging.address());
    let endpoint = client.requests().endpoint();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..20 {
            let client = Client::from_endpoint(endpoint.clone()).with_timeout(Duration::from_millis(200));
            scope.spawn(move || { client }.publish("a", &1).unwrap_err());
        }
    });
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}
