//! CA certificates from unusual files, and servers whose TLS does not match.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{Centrifugo, Server, Socket, Step};
use crate::support::tls::{TestCa, self_signed};
use crate::{PLAIN, V1};

fn cent_at(port: u16) -> Cent {
    cent().config(format!("[a]\naddress = https://localhost:{port}\nsecret = {}\n", V1.credential()))
}

/// Publishes, with a retry where that is allowed.
fn publish(cent: Cent) -> CentOutput {
    cent.args(&["a", "publish", "--retry", "1", "--params", PLAIN]).run()
}

#[track_caller]
fn assert_fails(cent: Cent, port: u16, message: &str) {
    publish(cent).assert_output(3, "", &format!("cent: https://localhost:{port}/api/: {message}\n"));
}

fn serve(ca: &TestCa) -> Server {
    Server::start_with(V1.centrifugo(), ca.issue(&["localhost"]).acceptor())
}

#[test]
fn empty_variables_count_as_unset() {
    let ca = TestCa::new();
    let server = serve(&ca);
    let cent = || cent_at(server.port()).file("ca.pem", ca.pem());
    let dir = cent();
    std::fs::create_dir(dir.path("dir")).expect("the directory is created");
    let dir = dir.file("dir/ca.pem", ca.pem()).env("SSL_CERT_DIR", "dir").env("SSL_CERT_FILE", "");
    publish(dir).assert_output(0, V1.published(), "");
    let file = cent().env("SSL_CERT_FILE", "ca.pem").env("SSL_CERT_DIR", "");
    publish(file).assert_output(0, V1.published(), "");
    // The test's CA is not among the system's, if there are any.
    let unset = publish(cent());
    for names in [&["SSL_CERT_FILE"][..], &["SSL_CERT_DIR"], &["SSL_CERT_FILE", "SSL_CERT_DIR"]] {
        let empty = names.iter().fold(cent(), |cent, name| cent.env(name, ""));
        publish(empty).assert_output(3, "", &unset.stderr());
    }
}

#[test]
fn byte_order_mark_costs_no_certificate() {
    let (ca, other) = (TestCa::new(), TestCa::with_name("another"));
    let server = serve(&ca);
    for bundle in [format!("\u{feff}{}", ca.pem()), format!("\u{feff}{}\u{feff}{}", other.pem(), ca.pem())] {
        let cent = cent_at(server.port()).file("ca.pem", bundle).env("SSL_CERT_FILE", "ca.pem");
        publish(cent).assert_output(0, V1.published(), "");
    }
}

const NO_CA: &str = "nothing was sent: check SSL_CERT_FILE or SSL_CERT_DIR, or install the system's CA certificates";

#[test]
fn useless_ca_files_are_named() {
    let ca = TestCa::new();
    let server = serve(&ca);
    let utf16: Vec<u8> = ca.pem().encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (content, problem) in [
        (&b"nothing"[..], "no PEM certificates found"),
        (&[&[0xff, 0xfe], &*utf16].concat(), "no PEM certificates found (UTF-16: save it as UTF-8)"),
        (&[0x30, 0x82, 1, 2], "no PEM certificates found (DER: convert it with openssl x509 -inform der)"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "1 of 1 certificates cannot be read"),
    ] {
        let cent = cent_at(server.port()).file("ca.pem", content).env("SSL_CERT_FILE", "ca.pem");
        assert_fails(cent, server.port(), &format!("no CA certificates found (ca.pem: {problem}); {NO_CA}"));
    }
    let missing = cent_at(server.port()).env("SSL_CERT_FILE", "missing.pem");
    let problem = "missing.pem: no such file or directory";
    assert_fails(missing, server.port(), &format!("no CA certificates found ({problem}); {NO_CA}"));
}

#[test]
fn unknown_ca_names_unreadable_certificates_and_short_chain() {
    let (ca, other) = (TestCa::new(), TestCa::with_name("another"));
    let indented = ca.pem().replace("-----BEGIN", "  -----BEGIN");
    let trust = |port, bundle: String| cent_at(port).file("ca.pem", bundle).env("SSL_CERT_FILE", "ca.pem");
    let server = serve(&ca);
    let hint = "nothing was sent: set SSL_CERT_FILE to the CA's PEM file, or make the server send its intermediate \
                certificate, or check the address";
    let message = format!("server certificate is signed by an unknown CA; {hint}");
    assert_fails(trust(server.port(), other.pem()), server.port(), &message);
    let problem = "ca.pem: 1 of 2 certificates cannot be read";
    let message = format!("server certificate is signed by an unknown CA ({problem}); {hint}");
    assert_fails(trust(server.port(), other.pem() + &indented), server.port(), &message);
    // Nobody has issued a certificate that is self-signed.
    let server = Server::start_with(V1.centrifugo(), self_signed(&["localhost"], false).0.acceptor());
    let message = "server certificate is signed by an unknown CA; nothing was sent: set SSL_CERT_FILE to the CA's PEM \
                   file, or check the address";
    assert_fails(trust(server.port(), other.pem()), server.port(), message);
}

/// Sends the alert that OpenSSL sends with TLS 1.2 for a missing client certificate.
struct AlertRewriter(Socket);

impl Read for AlertRewriter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for AlertRewriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes {
            [21, 3, 3, 0, 2, 2, 116] => self.0.write(&[21, 3, 3, 0, 2, 2, 40]),
            bytes => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn handshake_failure_after_certificate_request_is_explained() {
    let ca = TestCa::new();
    let config = ca.issue(&["localhost"]).server_config(&[&rustls::version::TLS12], Some(&ca));
    let server = Server::start_with(Centrifugo::version(1), move |socket| {
        let connection = rustls::ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        Ok(Box::new(rustls::StreamOwned::new(connection, AlertRewriter(socket))))
    });
    let cent = cent_at(server.port()).file("ca.pem", ca.pem()).env("SSL_CERT_FILE", "ca.pem");
    let message = "the server requires a client certificate; nothing was accepted: use an address that does not require \
                   one, since client certificates are not supported";
    assert_fails(cent, server.port(), message);
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

/// A record of a handshake with one message.
fn handshake_record(message_type: u8, message: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).expect("messages are short").to_be_bytes();
    let head = [&[22, 3, 3][..], &length(message.len() + 4), &[message_type, 0], &length(message.len())].concat();
    [head, message.to_vec()].concat()
}

fn server_hello(random: &[u8; 32], session: &[u8], suite: u16, extensions: &[u8]) -> Vec<u8> {
    let session_length = u8::try_from(session.len()).expect("a session id is short");
    let extensions_length = u16::try_from(extensions.len()).expect("extensions are short").to_be_bytes();
    let fields = [&[3, 3][..], random, &[session_length], session, &suite.to_be_bytes(), &[0]].concat();
    handshake_record(2, &[&fields, &extensions_length[..], extensions].concat())
}

/// The random of a `HelloRetryRequest` (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Rejects the first handshake with an alert, and responds to the hello of the second one with these bytes, which get the
/// session id of the client.
fn picky_server(respond: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let port = listener.local_addr().expect("the socket is bound").port();
    let hello = |stream: &mut TcpStream| {
        let mut head = [0; 5];
        stream.read_exact(&mut head).expect("the client sends a record");
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut record).expect("the record is complete");
        record
    };
    let server = thread::spawn(move || {
        let mut stream = listener.accept().expect("the client connects").0;
        let protocols = b"\0\x10\0\x0b\0\x09\x08http/1.1";
        assert!(hello(&mut stream).windows(protocols.len()).any(|window| window == protocols));
        stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).expect("the client reads");
        drop(stream);
        let mut stream = listener.accept().expect("the client connects again").0;
        let hello = hello(&mut stream);
        let session = &hello[39..39 + usize::from(hello[38])];
        stream.write_all(&respond(session)).expect("the client reads");
        // No third handshake, and no request.
        let _ = io::copy(&mut stream, &mut io::sink());
        listener.set_nonblocking(true).expect("the socket is open");
        assert!(listener.accept().is_err());
    });
    (port, server)
}

#[track_caller]
fn assert_mismatch(respond: impl Fn(&[u8]) -> Vec<u8> + Send + 'static, message: &str) {
    let (port, server) = picky_server(respond);
    assert_fails(cent_at(port).file("ca.pem", TestCa::new().pem()).env("SSL_CERT_FILE", "ca.pem"), port, message);
    server.join().expect("the server saw what it expected");
}

#[test]
fn mismatch_of_handshake_is_named() {
    assert_mismatch(
        |_| server_hello(&[1; 32], &[], 0xc013, &[0xff, 1, 0, 1, 0]),
        "TLS handshake failed: cipher suite TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA of the server is not supported; nothing \
         was sent: enable TLS 1.3 on the server, or a cipher suite with ECDHE and AES-GCM or ChaCha20",
    );
    // TLS 1.3, and secp521r1 as the group of the key share.
    assert_mismatch(
        |session| server_hello(&RETRY, session, 0x1301, &[0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 25]),
        "TLS handshake failed: curve secp521r1 of the server is not supported; nothing was sent: enable the curve \
         X25519, P-256 or P-384 on the server",
    );
    // ecdsa_secp521r1_sha512 signs the key exchange with X25519.
    let key_exchange = [&[3, 0, 29, 32][..], &[9; 32], &[6, 3, 0, 4, 1, 2, 3, 4]].concat();
    let (identity, _) = self_signed(&["localhost"], false);
    let certificate = identity.certificate_der();
    let length = |bytes: usize| u32::try_from(bytes).expect("it is short").to_be_bytes()[1..].to_vec();
    let chain = [length(certificate.len() + 3), length(certificate.len()), certificate].concat();
    assert_mismatch(
        move |_| {
            let hello = server_hello(&[1; 32], &[], 0xc02b, &[0xff, 1, 0, 1, 0]);
            [hello, handshake_record(11, &chain), handshake_record(12, &key_exchange), handshake_record(14, &[])]
                .concat()
        },
        "TLS handshake failed: signature algorithm ECDSA_NISTP521_SHA512 of the server is not supported; nothing was \
         sent: the server needs a certificate whose key is RSA, P-256, P-384 or Ed25519",
    );
    assert_mismatch(
        |_| vec![21, 3, 3, 0, 2, 2, 40],
        "TLS handshake failed: the server rejected what the client offers; nothing was sent: the server needs TLS 1.3, \
         or a cipher suite of TLS 1.2 with ECDHE and AES-GCM or ChaCha20; the curve X25519, P-256 or P-384; and a \
         certificate whose key is RSA, P-256, P-384 or Ed25519",
    );
}

#[test]
fn server_without_http_1_is_named() {
    // The alert no_application_protocol (RFC 7301, section 3.2).
    let alert = vec![Step::Read(1), Step::Send(vec![21, 3, 3, 0, 2, 2, 120]), Step::Close];
    let server = Server::version(1).script(alert);
    let message = "the server does not accept HTTP/1.1 on this port; nothing was sent: use the port of the HTTP API; this \
                   one may be for gRPC or HTTP/2 only";
    let cent = cent_at(server.port()).file("ca.pem", TestCa::new().pem()).env("SSL_CERT_FILE", "ca.pem");
    assert_fails(cent, server.port(), message);
    assert_eq!(server.connections(), 1);
}
