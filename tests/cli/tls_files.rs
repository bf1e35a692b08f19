//! The certificates and keys that a section names, and what certificates to trust vouch for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rcgen::{ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P384_SHA384, date_time_ymd};

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{Centrifugo, Server};
use crate::support::tls::{Identity, TestCa, self_signed};
use crate::{PLAIN, V1};

/// A section with these keys for a server at this address.
fn cent_with(address: &str, keys: &str) -> Cent {
    cent().config(format!("[a]\naddress = {address}\nsecret = {}\n{keys}", V1.credential()))
}

fn cent_at(server: &Server, keys: &str) -> Cent {
    cent_with(&format!("https://localhost:{}", server.port()), keys)
}

fn publish(cent: Cent) -> CentOutput {
    cent.args(&["a", "publish", "--retry", "1", "--params", PLAIN]).run()
}

fn serve(identity: Identity) -> Server {
    Server::start_with(Centrifugo::version(1), identity.acceptor())
}

#[track_caller]
fn assert_published(cent: Cent) {
    publish(cent).assert_output(0, V1.published(), "");
}

#[track_caller]
fn assert_fails(server: &Server, cent: Cent, message: &str) {
    publish(cent).assert_output(3, "", &format!("cent: https://localhost:{}/api/: {message}\n", server.port()));
}

#[test]
fn ca_file_is_trusted_instead_of_others() {
    let (ca, other) = (TestCa::new(), TestCa::with_name("another"));
    let server = serve(ca.issue(&["localhost"]));
    let cent = || cent_at(&server, "ca_file = certs/ca.pem\n").env("SSL_CERT_FILE", "variable.pem");
    let with = |file: String, variable: String| {
        let cent = cent();
        fs::create_dir(cent.path("certs")).expect("the directory is created");
        cent.file("certs/ca.pem", file).file("variable.pem", variable)
    };
    assert_published(with(ca.pem(), other.pem()));
    assert_published(with(format!("\u{feff}note\n{}{}", other.pem(), ca.pem()), String::new()));
    let hint = "nothing was sent: add its CA to ca_file, or make the server send its intermediate \
                certificate, or check the address";
    assert_fails(
        &server,
        with(other.pem(), ca.pem()),
        &format!("server certificate is signed by an unknown CA; {hint}"),
    );
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let problem = "1 of 2 certificates cannot be read";
    assert_fails(
        &server,
        with(other.pem() + bad, ca.pem()),
        &format!("server certificate is signed by an unknown CA ({problem}); {hint}"),
    );
}

/// The keys of a section, or the variable, that make a file trusted.
const TRUST: [(&str, &str); 2] = [("ca_file = ca.pem\n", ""), ("", "ca.pem")];

#[test]
fn trusted_certificate_vouches_for_itself_while_valid() {
    for (keys, variable) in TRUST {
        let trust = |server: &Server, host: &str, pem: &str| {
            let address = format!("https://{host}:{}", server.port());
            cent_with(&address, keys).file("ca.pem", pem).env("SSL_CERT_FILE", variable)
        };
        // With the CA flag, as `openssl req -x509` makes it, and without.
        for is_ca in [true, false] {
            let (identity, pem) = self_signed(&["localhost"], is_ca);
            let server = serve(identity);
            assert_published(trust(&server, "localhost", &pem));
            let output = publish(trust(&server, "127.0.0.1", &pem));
            assert_eq!(output.exit_code(), Some(3));
            assert!(output.stderr().contains("does not match the hostname"), "{}", output.stderr());
        }
        // Nobody's CA has to be trusted for it.
        let ca = TestCa::new();
        let identity = ca.issue(&["localhost"]);
        let pem = identity.certificate_pem.clone();
        assert_published(trust(&serve(identity), "localhost", &pem));
        let identity = ca.issue_with(&["localhost"], |params| params.not_after = date_time_ymd(2001, 1, 1));
        let (pem, server) = (identity.certificate_pem.clone(), serve(identity));
        let message = "server certificate has expired; nothing was sent: renew it, or check this machine's clock";
        assert_fails(&server, trust(&server, "localhost", &pem), message);
        let for_clients = |params: &mut rcgen::CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        };
        let identity = ca.issue_with(&["localhost"], for_clients);
        let (pem, server) = (identity.certificate_pem.clone(), serve(identity));
        let message = "server certificate is not valid for servers; nothing was sent: it and its intermediate certificates \
             need the extended key usage serverAuth";
        assert_fails(&server, trust(&server, "localhost", &pem), message);
    }
}

#[test]
fn certificate_without_ca_flag_vouches_for_no_other() {
    let leaf = TestCa::without_flag();
    let server = serve(leaf.issue(&["localhost"]));
    for (keys, variable) in TRUST {
        let cent = cent_at(&server, keys).file("ca.pem", leaf.pem()).env("SSL_CERT_FILE", variable);
        let output = publish(cent);
        assert_eq!(output.exit_code(), Some(3));
        assert!(output.stderr().contains("is signed by an unknown CA"), "{}", output.stderr());
    }
    assert_eq!(server.requests().len(), 0);
}

/// A server that requires client certificates of this CA, with these versions of TLS.
fn strict_server(ca: &TestCa, versions: &[&'static rustls::SupportedProtocolVersion]) -> Server {
    Server::start_with(Centrifugo::version(1), ca.issue(&["localhost"]).acceptor_with(versions, Some(ca)))
}

const CLIENT_KEYS: &str = "ca_file = ca.pem\nclient_cert_file = client.pem\nclient_key_file = client.key\n";

fn with_client(cent: Cent, ca: &TestCa, client: &Identity) -> Cent {
    cent.file("ca.pem", ca.pem()).file("client.pem", &client.certificate_pem).file("client.key", &client.key_pem)
}

#[test]
fn client_certificate_is_sent() {
    let ca = TestCa::new();
    let client = ca.issue_to_client();
    for version in rustls::ALL_VERSIONS {
        let server = strict_server(&ca, &[version]);
        assert_published(with_client(cent_at(&server, CLIENT_KEYS), &ca, &client));
        // One file may hold both.
        let cent = cent_at(&server, "ca_file = ca.pem\nclient_cert_file = both.pem\n").file("ca.pem", ca.pem());
        assert_published(cent.file("both.pem", format!("{}{}", client.key_pem, client.certificate_pem)));
    }
    // A server that does not ask for it does not get it.
    let server = serve(ca.issue(&["localhost"]));
    assert_published(with_client(cent_at(&server, CLIENT_KEYS), &ca, &client));
}

#[test]
fn rejected_client_certificate_is_not_retried() {
    let (ca, other) = (TestCa::new(), TestCa::with_name("another"));
    let expired = ca.issue_with(&[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    for (client, alert) in [(other.issue_to_client(), "unknown_ca"), (expired, "certificate_expired")] {
        for version in rustls::ALL_VERSIONS {
            let server = strict_server(&ca, &[version]);
            let message = format!(
                "the server rejected the client certificate ({alert}); nothing was accepted: use a valid certificate of a \
                 CA that the server trusts for clients"
            );
            assert_fails(&server, with_client(cent_at(&server, CLIENT_KEYS), &ca, &client), &message);
            assert_eq!((server.connections(), server.requests().len()), (1, 0));
        }
    }
}

#[test]
fn unusable_files_are_errors_with_line() {
    let ca = TestCa::new();
    let client = ca.issue_to_client();
    let other_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key is generated").serialize_pem();
    let chain = format!("{}{}", ca.pem(), client.certificate_pem);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted =
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let (certificate, key) = (client.certificate_pem.as_str(), client.key_pem.as_str());
    let cut = format!("{certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (ca_file, certificate, key, message) in [
        ("none", certificate, key, "line 4: ca_file: ca.pem: no PEM certificates found"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            certificate,
            key,
            "line 4: ca_file: ca.pem: 1 of 1 certificates cannot be read",
        ),
        (certificate, "none", key, "line 5: client_cert_file: client.pem: no PEM certificates found"),
        (certificate, &cut, key, "line 5: client_cert_file: client.pem: a certificate cannot be read; copy it again"),
        (
            certificate,
            certificate,
            certificate,
            "line 6: client_key_file: client.key: no PEM private key found; it begins with -----BEGIN PRIVATE KEY-----",
        ),
        (
            certificate,
            certificate,
            encrypted,
            "line 6: client_key_file: client.key: private key is encrypted; decrypt it with openssl pkey -in FILE -out \
             NEW_FILE",
        ),
        (
            certificate,
            certificate,
            old_encrypted,
            "line 6: client_key_file: client.key: private key is encrypted; decrypt it with openssl pkey -in FILE -out \
             NEW_FILE",
        ),
        (
            certificate,
            certificate,
            &other_key,
            "line 6: client_key_file: client.key: private key does not match the certificate; use the key that the \
             certificate was issued for",
        ),
        (
            certificate,
            &chain,
            key,
            "line 6: client_key_file: client.key: private key does not match the certificate; put the certificate of the \
             key first",
        ),
    ] {
        let cent = cent_with("https://localhost:1", CLIENT_KEYS);
        let cent = cent.file("ca.pem", ca_file).file("client.pem", certificate).file("client.key", key);
        let message = message.replace(".pem:", ".PEM:").replace("ca.PEM", "[HOME]/ca.pem");
        let message = message.replace("client.PEM", "[HOME]/client.pem").replace("client.key:", "[HOME]/client.key:");
        publish(cent).assert_output(2, "", &format!("cent: ~/.centrc: {message}\n"));
    }
}

#[test]
fn key_requires_certificate_and_certificate_requires_key() {
    let client = TestCa::new().issue_to_client();
    let cent = cent_with("https://localhost:1", "client_key_file = client.key\n").file("client.key", &client.key_pem);
    let message = "cent: ~/.centrc: line 4: client_key_file requires client_cert_file; add it\n";
    publish(cent).assert_output(2, "", message);
    let cent = cent_with("https://localhost:1", "client_cert_file = client.pem\n");
    let message = "cent: ~/.centrc: line 4: client_cert_file: [HOME]/client.pem: no PEM private key found; add it to the \
                   file, or set client_key_file\n";
    publish(cent.file("client.pem", &client.certificate_pem)).assert_output(2, "", message);
    let missing = cent_with("https://localhost:1", "ca_file = ~/missing.pem\n");
    let message = "cent: ~/.centrc: line 4: ca_file: [HOME]/missing.pem: file not found; create it or fix the path\n";
    publish(missing).assert_output(2, "", message);
}

#[test]
fn tls_files_are_ignored_for_http() {
    let server = V1.server();
    let config = format!(
        "[DEFAULT]\nca_file = missing.pem\nclient_key_file = missing.key\n[a]\naddress = {}\nsecret = {}\n",
        server.address(),
        V1.credential()
    );
    assert_published(cent().config(&config));
    let output = publish(cent().config(&config).arg("--verbose"));
    let note = "ca_file, client_key_file ignored: the address does not begin with https://";
    assert!(output.stderr().contains(&format!("cent: ~/.centrc: {note}\n")), "{}", output.stderr());
    let output = cent().config(&config).args(&["a", "--check"]).run();
    assert!(output.stdout().contains(&format!("warning      ~/.centrc: {note}\n")), "{}", output.stdout());
}

/// A pipe that nobody writes to.
fn make_pipe(cent: &Cent, name: &str) {
    let status = Command::new("mkfifo").arg(cent.path(name)).status().expect("mkfifo is part of every Unix");
    assert!(status.success());
}

#[test]
fn time_limit_holds_for_pipes_of_certificates() {
    let server = serve(TestCa::new().issue(&["localhost"]));
    let cent = cent_at(&server, "").env("SSL_CERT_FILE", "pipe").args(&["--timeout", "0.3"]);
    make_pipe(&cent, "pipe");
    let hint = "nothing was sent: check the address, or raise the timeout";
    let message = format!("timed out after 0.3 s while reading CA certificates; {hint}");
    let url = format!("https://localhost:{}/api/", server.port());
    let output = cent.args(&["a", "publish", "--params", PLAIN]).run();
    output.assert_output(3, "", &format!("cent: {url}: {message}\n"));
    let cent = cent_at(&server, "ca_file = pipe\n").args(&["--timeout", "0.3"]);
    make_pipe(&cent, "pipe");
    let message = "line 4: ca_file: [HOME]/pipe: timed out after 0.3 s; nothing was sent: check the file";
    publish(cent).assert_output(3, "", &format!("cent: ~/.centrc: {message}\n"));
}

#[test]
fn check_reports_client_certificate() {
    let ca = TestCa::new();
    let client = ca.issue_to_client();
    let server = Server::start_with(Centrifugo::version(1), ca.issue(&["localhost"]).acceptor());
    let call = || {
        let cent = with_client(cent_at(&server, CLIENT_KEYS), &ca, &client).args(&["a", "--check"]);
        let mode = |name: &str, mode| {
            fs::set_permissions(cent.path(name), fs::Permissions::from_mode(mode)).expect("the mode is set");
        };
        mode(".centrc", 0o600);
        mode("client.key", 0o640);
        cent
    };
    let output = call().run();
    assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
    let line = "client cert  issued by authority of the test, ";
    assert!(output.stdout().lines().any(|text| text.starts_with(line) && text.ends_with(" days left")));
    let warning = "warning      client_key_file: [HOME]/client.key: other users can read it: run chmod 600 \
                   [HOME]/client.key\n";
    assert!(output.stdout().ends_with(warning), "{}", output.stdout());
    let json = "\"client_certificate\":{\"issuer\":\"authority of the test\",\"days_left\":";
    let output = call().arg("--compact").run();
    assert!(output.stdout().contains(json), "{}", output.stdout());
}
