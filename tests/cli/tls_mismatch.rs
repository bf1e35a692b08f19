//! CA certificates from unusual files, and servers whose TLS does not match.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::OutboundPlainMessage;
use rustls::{
    ConnectionTrafficSecrets, ContentType, ProtocolVersion, ServerConnection, StreamOwned, SupportedCipherSuite,
};

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{Centrifugo, Server, Socket, Step};
use crate::support::tls::{Acceptor, TestCa, self_signed};
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
    let message = |problem| {
        format!(
            "server certificate is self-signed and not trusted{problem}; nothing was sent: set SSL_CERT_FILE to its PEM \
             file, or check the address"
        )
    };
    assert_fails(trust(server.port(), other.pem()), server.port(), &message(""));
    let problem = " (ca.pem: 1 of 2 certificates cannot be read)";
    assert_fails(trust(server.port(), other.pem() + &indented), server.port(), &message(problem));
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
        let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, AlertRewriter(socket))))
    });
    let cent = cent_at(server.port()).file("ca.pem", ca.pem()).env("SSL_CERT_FILE", "ca.pem");
    let message = "the server requires a client certificate; nothing was accepted: set client_cert_file, or use \
                   an address that does not require one";
    assert_fails(cent, server.port(), message);
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

/// Publishes to a server that answers the hello with this alert; expects this failure after one connection.
#[track_caller]
fn assert_alert(alert: u8, message: &str) {
    let script = vec![Step::Read(1), Step::Send(vec![21, 3, 3, 0, 2, 2, alert]), Step::Close];
    let server = Server::version(1).script(script);
    let cent = cent_at(server.port()).file("ca.pem", TestCa::new().pem()).env("SSL_CERT_FILE", "ca.pem");
    assert_fails(cent, server.port(), message);
    assert_eq!(server.connections(), 1);
}

#[test]
fn handshake_without_common_ground_names_what_is_supported() {
    // handshake_failure, illegal_parameter, insufficient_security.
    for alert in [40, 47, 71] {
        assert_alert(
            alert,
            "TLS handshake failed: the server rejected what the client offers; nothing was sent: the server needs TLS 1.2 \
             or 1.3; a cipher suite with AES-GCM or ChaCha20, in TLS 1.2 with ECDHE; the curve X25519, P-256 or P-384; a \
             certificate whose key is RSA (not RSA-PSS), P-256, P-384 or Ed25519; and signatures with SHA-256 or SHA-384",
        );
    }
}

/// Asks for another handshake when a request arrives after so many responses, and does not accept a refusal.
struct Renegotiator {
    stream: Option<StreamOwned<ServerConnection, Socket>>,
    responses: usize,
}

impl Renegotiator {
    fn acceptor(ca: &TestCa, responses: usize) -> Acceptor {
        let provider = CryptoProvider { cipher_suites: vec![SUITE], ..rustls::crypto::ring::default_provider() };
        let config = ca.issue(&["localhost"]).server_config_with(provider, &[&rustls::version::TLS12], None);
        let mut config = Arc::unwrap_or_clone(config);
        config.enable_secret_extraction = true;
        let config = Arc::new(config);
        Box::new(move |socket| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            Ok(Box::new(Self { stream: Some(StreamOwned::new(connection, socket)), responses }))
        })
    }
}

const SUITE: SupportedCipherSuite = rustls::crypto::ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;

impl Read for Renegotiator {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut stream) = self.stream.take_if(|_| self.responses == 0) else {
            return self.stream.as_mut().map_or(Ok(0), |stream| stream.read(buffer));
        };
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        // The request.
        stream.sock.read_exact(&mut [0])?;
        let (mut number, secrets) = stream.conn.dangerous_extract_secrets().map_err(io::Error::other)?.tx;
        let (SupportedCipherSuite::Tls12(suite), ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = (SUITE, secrets)
        else {
            return Err(io::Error::other("the server has one cipher suite"));
        };
        let (iv, nonce) = iv.as_ref().split_at(4);
        let mut encrypter = suite.aead_alg.encrypter(key, iv, nonce);
        let hello_request = (ContentType::Handshake, &[0, 0, 0, 0][..]);
        let handshake_failure = (ContentType::Alert, &[2, 40][..]);
        for (typ, payload) in [hello_request, handshake_failure] {
            let version = ProtocolVersion::TLSv1_2;
            let message = OutboundPlainMessage { typ, version, payload: payload.into() };
            let message = encrypter.encrypt(message, number).map_err(io::Error::other)?;
            stream.sock.write_all(&message.encode())?;
            number += 1;
        }
        io::copy(&mut stream.sock, &mut io::sink())?;
        Ok(0)
    }
}

impl Write for Renegotiator {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.as_mut().map_or(Ok(0), |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.responses = self.responses.saturating_sub(1);
        self.stream.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[test]
fn renegotiation_is_named() {
    let ca = TestCa::new();
    let server = |responses| Server::start_with(V1.centrifugo(), Renegotiator::acceptor(&ca, responses));
    let trust = |server: &Server| cent_at(server.port()).file("ca.pem", ca.pem()).env("SSL_CERT_FILE", "ca.pem");
    let first = server(0);
    assert_fails(
        trust(&first),
        first.port(),
        "the server requires TLS renegotiation, which is not supported; nothing was accepted: on the server, set client \
         certificates and cipher suites for all paths, not only for some",
    );
    assert_eq!((first.connections(), first.requests().len()), (1, 0));
    // Later on, a server may want fresh keys while it executes a command.
    let later = server(1);
    let lines = trust(&later).args(&["a", "publish", "--lines", "--batch=1", "--quiet"]);
    let output = lines.stdin_bytes(format!("{PLAIN}\n{PLAIN}\n")).run();
    let url = format!("https://localhost:{}/api/", later.port());
    let message = "connection lost: the server requires TLS renegotiation, which is not supported; the command may have been \
                   executed: check before retrying";
    let summary = "line 1 accepted; line 2 may have been executed: check it (sed -n 2,2p); no lines remain";
    output.assert_output(4, "", &format!("cent: {url}: {message}\ncent: {summary}\n"));
    assert_eq!((later.connections(), later.requests().len()), (1, 1));
}

#[test]
fn server_without_http_1_is_named() {
    // no_application_protocol (RFC 7301, section 3.2).
    assert_alert(
        120,
        "the server does not accept HTTP/1.1 on this port; nothing was sent: use the port of the HTTP API; this one may be \
         for gRPC or HTTP/2 only",
    );
}
