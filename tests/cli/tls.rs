//! TLS with real certificates: which are trusted, messages for the others, and faults during the connection.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, NameConstraints, SanType, date_time_ymd,
};

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{
    Centrifugo, HangingServer, Response, Script, Server, Step, fail_during_request, fail_during_response,
    plain_http_to_tls_port,
};
use crate::support::tls::{Identity, TestCa, self_signed};
use crate::{ApiForm, Legacy, V1};

const PARAMS: &str = r#"{"channel": "news", "data": 1}"#;

fn serve(form: ApiForm, identity: Identity) -> Server {
    Server::start_with(form.centrifugo(), identity.acceptor())
}

/// Standard output of the first publish to a channel with history; `EPOCH` differs in every run.
fn published(form: ApiForm) -> &'static str {
    match form {
        V1 => V1.published(),
        Legacy | ApiForm::Current => {
            "[\n  {\n    \"result\": {\n      \"offset\": 1,\n      \"epoch\": \"EPOCH\"\n    }\n  }\n]\n"
        }
    }
}

/// A call with a section `[a]` for this address.
fn cent_for(address: &str, form: ApiForm) -> Cent {
    let (key, credential) = (form.config_key(), form.credential());
    cent().config(format!("[a]\naddress = {address}\n{key} = {credential}\n"))
}

fn https_address(host: &str, server: &Server) -> String {
    format!("https://{host}:{}", server.port())
}

fn cent_at(host: &str, server: &Server, form: ApiForm) -> Cent {
    cent_for(&https_address(host, server), form)
}

/// Trusts this CA and no other.
fn with_ca(cent: Cent, pem: &str) -> Cent {
    cent.file("ca.pem", pem).env("SSL_CERT_FILE", "ca.pem")
}

/// Publishes, with retries where they are allowed.
fn publish(cent: Cent) -> CentOutput {
    cent.args(&["a", "publish", "--retry", "2", "--params", PARAMS]).run()
}

/// Expects a successful publish.
#[track_caller]
fn assert_published(output: &CentOutput, server: &Server, form: ApiForm) {
    let epoch = output.stdout().split('"').skip_while(|word| *word != "epoch").nth(2).unwrap_or("EPOCH").to_owned();
    output.assert_output(0, &published(form).replace("EPOCH", &epoch), "");
    assert_eq!((server.connections(), server.requests().len()), (1, 1 + form.requests_before()));
    assert_eq!(server.centrifugo().messages_as_text("news"), ["1"]);
}

/// Publishes in each form of the API to a server with this certificate; expects this failure and no retry.
#[track_caller]
fn assert_rejected(identity: impl Fn() -> Identity, pem: &str, host: &str, message: &str) {
    for form in ApiForm::ALL {
        let server = serve(form, identity());
        let output = publish(with_ca(cent_at(host, &server, form), pem));
        output.assert_output(3, "", &format!("cent: {}: {message}\n", form.first_url(&https_address(host, &server))));
        assert_eq!((server.connections(), server.requests().len()), (1, 0));
    }
}

#[test]
fn ssl_cert_file_is_trusted() {
    let ca = TestCa::new();
    for form in ApiForm::ALL {
        for (name, host) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("*.localhost", "a.localhost")] {
            let server = serve(form, ca.issue(&[name]));
            // Not every system resolves names below localhost.
            if host == "a.localhost" && std::net::ToSocketAddrs::to_socket_addrs(&(host, 1)).is_err() {
                drop(server.allow_no_connection());
                continue;
            }
            assert_published(&publish(with_ca(cent_at(host, &server, form), &ca.pem())), &server, form);
        }
    }
}

#[test]
fn ssl_cert_dir_is_trusted() {
    let ca = TestCa::new();
    for form in ApiForm::ALL {
        let server = serve(form, ca.issue(&["localhost"]));
        let cent = cent_at("localhost", &server, form);
        for dir in ["empty", "certificates"] {
            std::fs::create_dir(cent.path(dir)).expect("the directory is created");
        }
        let cent = cent.file("certificates/any name", ca.pem()).file("certificates/README", "no certificate");
        assert_published(&publish(cent.env("SSL_CERT_DIR", "missing:empty:certificates")), &server, form);
    }
}

#[test]
fn invalid_certificates_in_bundle_are_skipped() {
    let ca = TestCa::new();
    let server = serve(V1, ca.issue(&["localhost"]));
    let bad = "text\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let pem = format!("{bad}{}{}", TestCa::with_name("another").pem(), ca.pem());
    assert_published(&publish(with_ca(cent_at("localhost", &server, V1), &pem)), &server, V1);
}

#[test]
fn trusts_self_signed_certificate_if_configured() {
    let (identity, pem) = self_signed(&["localhost"], false);
    let server = serve(V1, identity);
    assert_published(&publish(with_ca(cent_at("localhost", &server, V1), &pem)), &server, V1);
}

#[test]
fn accepts_tls_1_2_and_1_3() {
    let ca = TestCa::new();
    for version in rustls::ALL_VERSIONS {
        let acceptor = ca.issue(&["localhost"]).acceptor_with(&[version], None);
        let server = Server::start_with(Centrifugo::version(1), acceptor);
        assert_published(&publish(with_ca(cent_at("localhost", &server, V1), &ca.pem())), &server, V1);
    }
}

const UNTRUSTED_CA_OR_SHORT_CHAIN: &str = "server certificate is signed by an unknown CA; nothing was sent: set \
                         SSL_CERT_FILE to the CA's PEM file, or make the server send its intermediate certificate, or \
                         check the address";

#[test]
fn untrusted_ca_is_reported() {
    let (ca, other) = (TestCa::new(), TestCa::with_name("another"));
    assert_rejected(|| ca.issue(&["localhost"]), &other.pem(), "localhost", UNTRUSTED_CA_OR_SHORT_CHAIN);
    // A new CA with the same name.
    assert_rejected(
        || ca.issue(&["localhost"]),
        &TestCa::new().pem(),
        "localhost",
        "server certificate has a signature that does not match its CA's key; nothing was sent: set SSL_CERT_FILE to the \
         CA's current PEM file (an RSA key needs 2048 to 8192 bits), or check the address",
    );
}

#[test]
fn self_signed_certificate_is_reported() {
    let message = "server certificate is self-signed and not trusted; nothing was sent: set SSL_CERT_FILE to its PEM file, or \
                   check the address";
    for is_ca in [true, false] {
        let identity = || self_signed(&["localhost"], is_ca).0;
        assert_rejected(identity, &TestCa::new().pem(), "localhost", message);
        // One that was made anew.
        assert_rejected(identity, &self_signed(&["localhost"], is_ca).1, "localhost", message);
    }
}

#[test]
fn system_store_does_not_trust_test_ca() {
    let server = serve(V1, TestCa::new().issue(&["localhost"]));
    let output = publish(cent_at("localhost", &server, V1));
    let url = format!("cent: https://localhost:{}/api/: ", server.port());
    assert_eq!(output.exit_code(), Some(3));
    // A system without CA certificates reports that instead.
    assert!(
        [UNTRUSTED_CA_OR_SHORT_CHAIN, NO_CA_CERTIFICATES]
            .iter()
            .any(|message| output.stderr() == format!("{url}{message}\n")),
        "{}",
        output.stderr()
    );
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

#[test]
fn certificate_validity_period_is_checked() {
    let ca = TestCa::new();
    let signed = |change: fn(&mut CertificateParams)| ca.issue_with(&["localhost"], change);
    assert_rejected(
        || signed(|params| params.not_after = date_time_ymd(2001, 1, 1)),
        &ca.pem(),
        "localhost",
        "server certificate has expired; nothing was sent: renew it, or check this machine's clock",
    );
    assert_rejected(
        || signed(|params| params.not_before = date_time_ymd(3001, 1, 1)),
        &ca.pem(),
        "localhost",
        "server certificate is not valid yet; nothing was sent: check this machine's clock",
    );
}

#[test]
fn wrong_host_certificate_is_reported() {
    let ca = TestCa::new();
    let other = "server certificate does not match the hostname; nothing was sent: in the address, use the hostname that \
                 the certificate was issued for";
    assert_rejected(|| ca.issue(&["example.org", "*.localhost"]), &ca.pem(), "localhost", other);
    assert_rejected(|| ca.issue(&["localhost"]), &ca.pem(), "127.0.0.1", other);
    assert_rejected(|| ca.issue(&["127.0.0.2"]), &ca.pem(), "127.0.0.1", other);
    let common_name_only = |params: &mut CertificateParams| {
        params.subject_alt_names = Vec::<SanType>::new();
        params.distinguished_name.push(DnType::CommonName, "localhost");
    };
    assert_rejected(
        || ca.issue_with(&[], common_name_only),
        &ca.pem(),
        "localhost",
        "server certificate has no subjectAltName; nothing was sent: the certificate must list the hostname \
         there (the common name is ignored)",
    );
}

#[test]
fn wrong_usage_certificate_is_reported() {
    let ca = TestCa::new();
    assert_rejected(
        || {
            ca.issue_with(&["localhost"], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            })
        },
        &ca.pem(),
        "localhost",
        "server certificate is not valid for servers; nothing was sent: it and its intermediate certificates need \
         the extended key usage serverAuth",
    );
    let ca_message = "server certificate is a CA certificate; nothing was sent: the server needs a certificate issued by a \
                      CA, without the CA flag; or add this one to ca_file";
    let with_flag = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_rejected(|| ca.issue_with(&["localhost"], with_flag), &ca.pem(), "localhost", ca_message);
}

#[test]
fn name_constraint_violation_is_reported() {
    let message = "server certificate has a name that its CA must not certify; nothing was sent: issue it with names that the \
                   name constraints of its CA permit, or by another CA";
    let dns = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    for (permitted, excluded) in [(vec![dns("example.org")], vec![]), (vec![], vec![dns("localhost")])] {
        let ca = TestCa::with_params("authority of the test", |params| {
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded });
        });
        assert_rejected(|| ca.issue(&["localhost"]), &ca.pem(), "localhost", message);
    }
}

#[test]
fn unsupported_name_constraint_is_reported() {
    // An address with a mask that is not contiguous.
    let addresses = GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 255, 0]));
    let ca = TestCa::with_params("authority of the test", |params| {
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: vec![addresses], excluded_subtrees: Vec::new() });
    });
    assert_rejected(
        || ca.issue(&["127.0.0.1"]),
        &ca.pem(),
        "127.0.0.1",
        "server certificate has a CA with a name constraint that is not supported; nothing was sent: issue the CA \
         certificate without the constraint",
    );
}

/// Publishes to a server that sends intermediate certificates, too; expects this failure.
#[track_caller]
fn assert_chain_rejected(ca: &TestCa, intermediates: &[TestCa], message: &str) {
    let identity = intermediates.last().expect("there is one").issue(&["localhost"]).with_chain(intermediates);
    let server = serve(V1, identity);
    let output = publish(with_ca(cent_at("localhost", &server, V1), &ca.pem()));
    output.assert_output(3, "", &format!("cent: https://localhost:{}/api/: {message}\n", server.port()));
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

#[test]
fn invalid_chain_is_reported() {
    let ca = TestCa::new();
    let leaf = ca.issue_authority("no authority", |params| params.is_ca = IsCa::ExplicitNoCa);
    assert_chain_rejected(
        &ca,
        &[leaf],
        "server certificate is issued by a certificate that is not a CA; nothing was sent: issue it with a certificate that \
         has the CA flag (basicConstraints CA:TRUE)",
    );
    let last = ca.issue_authority("last", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let below = last.issue_authority("below the last", |_| ());
    assert_chain_rejected(
        &ca,
        &[last, below],
        "server certificate has a longer chain than one of its CAs permits; nothing was sent: issue it with a CA nearer to \
         the root, or the CA certificates with a greater pathlen",
    );
    let critical = ca.issue_authority("with an extension", |params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    assert_chain_rejected(
        &ca,
        &[critical],
        "server certificate has a critical extension that is not supported; nothing was sent: issue it, or the CA \
         certificate above it, without the extension",
    );
    let mut chain = vec![ca.issue_authority("0", |_| ())];
    for number in 1..7 {
        chain.push(chain[number - 1].issue_authority(&number.to_string(), |_| ()));
    }
    assert_chain_rejected(
        &ca,
        &chain,
        "server certificate has a chain of more than 6 intermediate certificates; nothing was sent: trust one of the \
         intermediate certificates, or issue it with a CA nearer to the root",
    );
    // The remedy.
    let server = serve(V1, chain[6].issue(&["localhost"]).with_chain(&chain));
    assert_published(&publish(with_ca(cent_at("localhost", &server, V1), &chain[3].pem())), &server, V1);
}

const NO_CA_CERTIFICATES: &str = "no CA certificates found; nothing was sent: check SSL_CERT_FILE or \
                                  SSL_CERT_DIR, or install the system's CA certificates";

#[test]
fn no_ca_certificates_rejects_all() {
    for form in ApiForm::ALL {
        let server = serve(form, TestCa::new().issue(&["localhost"]));
        let (found, hint) = NO_CA_CERTIFICATES.split_once(';').expect("the message has a hint");
        let garbage = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n\0\u{ff}";
        let calls = [
            (
                cent_at("localhost", &server, form).env("SSL_CERT_FILE", "missing.pem"),
                "missing.pem: no such file or directory",
            ),
            (cent_at("localhost", &server, form).env("SSL_CERT_DIR", "missing"), "missing: no such file or directory"),
            (with_ca(cent_at("localhost", &server, form), ""), "ca.pem: no PEM certificates found"),
            (with_ca(cent_at("localhost", &server, form), garbage), "ca.pem: 1 of 1 certificates cannot be read"),
        ];
        let (count, url) = (calls.len(), form.first_url(&https_address("localhost", &server)));
        for (call, problem) in calls {
            publish(call).assert_output(3, "", &format!("cent: {url}: {found} ({problem});{hint}\n"));
        }
        // One connection per call: there is no retry.
        assert_eq!((server.connections(), server.requests().len()), (count, 0));
    }
}

#[test]
fn outdated_tls_is_reported() {
    // TLS record version 3.1, a fatal alert: protocol_version (RFC 5246, section 7.2).
    let alert = vec![Step::Read(1), Step::Send(vec![21, 3, 1, 0, 2, 2, 70]), Step::Close];
    let server = Server::version(1).script(alert);
    publish(cent_at("localhost", &server, V1)).assert_output(
        3,
        "",
        &format!(
            "cent: https://localhost:{}/api/: TLS handshake failed: no common TLS version; nothing was sent: enable \
             TLS 1.2 or 1.3 on the server\n",
            server.port()
        ),
    );
    assert_eq!(server.connections(), 1);
}

#[test]
fn required_client_certificate_is_reported() {
    let ca = TestCa::new();
    for version in rustls::ALL_VERSIONS {
        let acceptor = ca.issue(&["localhost"]).acceptor_with(&[version], Some(&ca));
        let server = Server::start_with(Centrifugo::version(1), acceptor);
        publish(with_ca(cent_at("localhost", &server, V1), &ca.pem())).assert_output(
            3,
            "",
            &format!(
                "cent: https://localhost:{}/api/: the server requires a client certificate; nothing was accepted: \
                 set client_cert_file, or use an address that does not require one\n",
                server.port()
            ),
        );
        assert_eq!((server.connections(), server.requests().len()), (1, 0));
    }
}

#[test]
fn wrong_scheme_is_reported() {
    for form in ApiForm::ALL {
        let server = Server::version(1).script(vec![
            Step::Read(1),
            Step::Send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request".to_vec()),
            Step::Close,
        ]);
        publish(cent_at("localhost", &server, form)).assert_output(
            3,
            "",
            &format!(
                "cent: {}: the server does not use TLS on this port; nothing was sent: use http://, or \
                 the server's TLS port\n",
                form.first_url(&https_address("localhost", &server))
            ),
        );
        assert_eq!(server.connections(), 1);
        let server = Server::version(1).script(plain_http_to_tls_port());
        publish(cent_for(&server.address(), form)).assert_output(
            1,
            "",
            &format!(
                "cent: {}: bad request (400); the server requires TLS: use https:// in the address\n",
                form.first_url(&server.address())
            ),
        );
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn tls_alert_to_plain_http_is_reported() {
    let server = serve(V1, TestCa::new().issue(&["localhost"]));
    let output = publish(cent_for(&server.address(), V1));
    // The server's alert may be lost in a reset.
    let alert = "the server requires TLS on this port; nothing was accepted: use https:// in the address";
    let reset = "connection lost: connection reset by peer; the command may have been executed: check before retrying";
    let results = [(3, alert), (4, reset)]
        .map(|(exit, message)| (Some(exit), format!("cent: {}/api/: {message}\n", server.address())));
    assert!(results.contains(&(output.exit_code(), output.stderr())), "{}", output.stderr());
    assert_eq!(output.stdout(), "");
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

#[test]
fn connection_is_reused_for_lines() {
    let ca = TestCa::new();
    for form in ApiForm::ALL {
        let server = serve(form, ca.issue(&["localhost"]));
        let line = |number| format!("{{\"channel\": \"news\", \"data\": {number}}}");
        let lines = (0..50).map(line).collect::<Vec<_>>().join("\n");
        let output = with_ca(cent_at("localhost", &server, form), &ca.pem())
            .args(&["a", "publish", "--lines", "--batch", "5", "--quiet"])
            .stdin_bytes(lines)
            .run();
        output.assert_output(0, "", "");
        assert_eq!((server.connections(), server.requests().len()), (1, 10 + form.requests_before()));
        let texts: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(server.centrifugo().messages_as_text("news"), texts);
    }
}

#[test]
fn early_rejection_of_large_body_is_reported() {
    let ca = TestCa::new();
    let params = format!(r#"{{"channel": "a", "data": "{}"}}"#, "x".repeat(20_000_000));
    // The server leaves the connection open and stops reading.
    let script = vec![Step::Read(1000), Step::respond(&Response::plain(413, "no")), Step::Hang];
    for version in rustls::ALL_VERSIONS {
        let acceptor = ca.issue(&["localhost"]).acceptor_with(&[version], None);
        let server = Server::start_with(Centrifugo::version(1), acceptor).script(script.clone());
        let cent = with_ca(cent_at("localhost", &server, V1), &ca.pem()).stdin_bytes(params.clone());
        let output = cent.args(&["a", "publish", "--timeout=60"]).run();
        assert_eq!(output.exit_code(), Some(1), "{}", output.stderr());
        assert!(output.stderr().contains(" is too large (413); send less data"), "{}", output.stderr());
    }
}

/// Publishes and expects this failure.
#[track_caller]
fn assert_fails(ca: &TestCa, script: &Script, executed: bool, seconds: &str, message: &str) {
    for form in ApiForm::ALL {
        let server = serve(form, ca.issue(&["localhost"])).script_for(form, script.clone());
        let output = publish(with_ca(cent_at("localhost", &server, form), &ca.pem()).args(&["--timeout", seconds]));
        output.assert_output(4, "", &format!("cent: {}: {message}\n", form.url(&https_address("localhost", &server))));
        let requests = 1 + form.requests_before();
        assert_eq!((server.connections(), server.wait_for_requests(requests).len()), (1, requests));
        assert_eq!(server.centrifugo().messages_as_text("news").len(), usize::from(executed));
    }
}

#[test]
fn failure_after_send_is_unknown() {
    let ca = TestCa::new();
    let hint = "the command may have been executed: check before retrying";
    let closed = format!("connection closed before the response was complete; {hint}");
    let reset = format!("connection lost: connection reset by peer; {hint}");
    let silent = format!("timed out after 3 s waiting for a response; {hint}, or raise the timeout");
    // In parallel, because the hanging ones take the whole timeout, which is enough for a handshake on a busy machine.
    std::thread::scope(|scope| {
        for (step, seconds, message) in
            [(Step::Close, "30", &closed), (Step::Reset, "30", &reset), (Step::Hang, "3", &silent)]
        {
            for bytes in [0, 1, 100] {
                let (ca, step) = (&ca, step.clone());
                scope.spawn(move || {
                    assert_fails(ca, &fail_during_request(bytes, step.clone()), false, seconds, message);
                    assert_fails(ca, &fail_during_response(bytes, step), true, seconds, message);
                });
            }
        }
    });
}

#[test]
fn handshake_failure_is_not_accepted() {
    for form in ApiForm::ALL {
        let silent = HangingServer::start();
        let address = silent.address().replace("http:", "https:");
        cent_for(&address, form).args(&["a", "publish", "--timeout", "0.3", "--params", PARAMS]).run().assert_output(
            3,
            "",
            &format!(
                "cent: {}: timed out after 0.3 s in the TLS handshake; nothing was sent: check the address, or raise \
                 the timeout\n",
                form.first_url(&address)
            ),
        );
        for (step, reason) in [(Step::Close, "unexpected end of file"), (Step::Reset, "connection reset by peer")] {
            // The first bytes of a possible ServerHello.
            for sent in [&[][..], &[22, 3], &[22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3]] {
                let server = Server::version(1).script(vec![Step::Read(1), Step::Send(sent.to_vec()), step.clone()]);
                cent_at("localhost", &server, form).args(&["a", "publish", "--params", PARAMS]).run().assert_output(
                    3,
                    "",
                    &format!(
                        "cent: {}: connection lost: {reason}; nothing was sent: use http:// if the \
                         server does not use TLS\n",
                        form.first_url(&https_address("localhost", &server))
                    ),
                );
            }
        }
    }
}
