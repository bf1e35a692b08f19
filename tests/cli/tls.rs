//! TLS with real certificates: who is trusted, what is told of those who are not, and faults on the way.

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, NameConstraints, SanType, date_time_ymd,
};

use crate::support::program::{Cent, Ran, cent};
use crate::support::server::{
    API_KEY, Centrifugo, SECRET, Script, Server, SilentServer, Step, plain_http_to_tls_port, stopped_in_answer,
    stopped_in_request,
};
use crate::support::tls::{Authority, Identity, self_signed};

const PARAMS: &str = r#"{"channel": "news", "data": 1}"#;

/// Both forms of the API: what stands in the section, the path, and what a publish prints.
const FORMS: [(u8, &str, &str, &str); 2] = [
    (1, "secret", "/api/", "[\n  {\n    \"method\": \"publish\",\n    \"error\": null,\n    \"body\": null\n  }\n]\n"),
    (
        6,
        "api_key",
        "/api",
        "[\n  {\n    \"result\": {\n      \"offset\": 1,\n      \"epoch\": \"EPOCH\"\n    }\n  }\n]\n",
    ),
];

fn centrifugo(major: u8) -> Centrifugo {
    if major == 1 { Centrifugo::v1() } else { Centrifugo::later(major) }
}

fn serve(major: u8, identity: Identity) -> Server {
    Server::start_with(centrifugo(major), identity.acceptor())
}

/// A call to `[a]` at this address.
fn to(address: &str, key: &str) -> Cent {
    let credential = if key == "secret" { SECRET } else { API_KEY };
    cent().config(format!("[a]\naddress = {address}\n{key} = {credential}\n"))
}

fn at(host: &str, server: &Server, key: &str) -> Cent {
    to(&format!("https://{host}:{}", server.port()), key)
}

/// Trusts this authority and no other.
fn trusting(cent: Cent, pem: &str) -> Cent {
    cent.file("ca.pem", pem).env("SSL_CERT_FILE", "ca.pem")
}

/// Publishes, with leave to try again wherever that may help.
fn published(cent: Cent) -> Ran {
    cent.args(&["a", "publish", "--retry", "2", "--params", PARAMS]).run()
}

/// Holds a publish to success.
#[track_caller]
fn works(ran: &Ran, server: &Server, list: &str) {
    let epoch = ran.stdout().split('"').skip_while(|word| *word != "epoch").nth(2).unwrap_or("EPOCH").to_owned();
    ran.is(0, &list.replace("EPOCH", &epoch), "");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.centrifugo().texts("news"), ["1"]);
}

/// Holds a publish to both dialects of a server with this certificate to this failure, without a further try.
#[track_caller]
fn refused(identity: impl Fn() -> Identity, pem: &str, host: &str, message: &str) {
    for (major, key, path, _) in FORMS {
        let server = serve(major, identity());
        let ran = published(trusting(at(host, &server, key), pem));
        ran.is(3, "", &format!("cent: https://{host}:{}{path}: {message}\n", server.port()));
        assert_eq!((server.connections(), server.requests().len()), (1, 0));
    }
}

#[test]
fn an_authority_is_trusted_through_ssl_cert_file() {
    let authority = Authority::new();
    for (major, key, _, list) in FORMS {
        for (name, host) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("*.localhost", "a.localhost")] {
            let server = serve(major, authority.signed(&[name]));
            // Not every system looks up names below localhost.
            if host == "a.localhost" && std::net::ToSocketAddrs::to_socket_addrs(&(host, 1)).is_err() {
                drop(server.perhaps_called());
                continue;
            }
            works(&published(trusting(at(host, &server, key), &authority.pem())), &server, list);
        }
    }
}

#[test]
fn an_authority_is_trusted_through_ssl_cert_dir() {
    let authority = Authority::new();
    for (major, key, _, list) in FORMS {
        let server = serve(major, authority.signed(&["localhost"]));
        let cent = at("localhost", &server, key);
        for folder in ["empty", "certificates"] {
            std::fs::create_dir(cent.path(folder)).expect("a folder can be made");
        }
        let cent = cent.file("certificates/any name", authority.pem()).file("certificates/README", "no certificate");
        works(&published(cent.env("SSL_CERT_DIR", "missing:empty:certificates")), &server, list);
    }
}

#[test]
fn good_certificates_count_beside_bad_ones() {
    let authority = Authority::new();
    let server = serve(1, authority.signed(&["localhost"]));
    let bad = "text\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let pem = format!("{bad}{}{}", Authority::named("another").pem(), authority.pem());
    works(&published(trusting(at("localhost", &server, "secret"), &pem)), &server, FORMS[0].3);
}

#[test]
fn a_certificate_that_signs_itself_is_trusted_if_it_is_named() {
    let (identity, pem) = self_signed(&["localhost"], false);
    let server = serve(1, identity);
    works(&published(trusting(at("localhost", &server, "secret"), &pem)), &server, FORMS[0].3);
}

#[test]
fn both_safe_versions_of_tls_will_do() {
    let authority = Authority::new();
    for version in rustls::ALL_VERSIONS {
        let acceptor = authority.signed(&["localhost"]).acceptor_of(&[version], None);
        let server = Server::start_with(Centrifugo::v1(), acceptor);
        works(&published(trusting(at("localhost", &server, "secret"), &authority.pem())), &server, FORMS[0].3);
    }
}

const UNTRUSTED: &str = "the server's certificate is signed by an authority that is not trusted; nothing was sent: \
                         set SSL_CERT_FILE to the PEM file of that authority, or check the address";

#[test]
fn an_authority_that_is_not_trusted_is_told() {
    let (authority, other) = (Authority::new(), Authority::named("another"));
    refused(|| authority.signed(&["localhost"]), &other.pem(), "localhost", UNTRUSTED);
    // Made anew under its old name.
    refused(|| authority.signed(&["localhost"]), &Authority::new().pem(), "localhost", UNTRUSTED);
    refused(|| self_signed(&["localhost"], false).0, &authority.pem(), "localhost", UNTRUSTED);
}

#[test]
fn the_systems_authorities_do_not_sign_for_the_test() {
    let server = serve(1, Authority::new().signed(&["localhost"]));
    let ran = published(at("localhost", &server, "secret"));
    let url = format!("cent: https://localhost:{}/api/: ", server.port());
    assert_eq!(ran.exit(), Some(3));
    // A machine without any is told what to do too.
    assert!(
        [UNTRUSTED, NO_TRUST].iter().any(|message| ran.stderr() == format!("{url}{message}\n")),
        "{}",
        ran.stderr()
    );
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

#[test]
fn the_time_of_a_certificate_counts() {
    let authority = Authority::new();
    let signed = |change: fn(&mut CertificateParams)| authority.signed_as(&["localhost"], change);
    refused(
        || signed(|params| params.not_after = date_time_ymd(2001, 1, 1)),
        &authority.pem(),
        "localhost",
        "the server's certificate has expired; nothing was sent: renew it, or check this machine's clock",
    );
    refused(
        || signed(|params| params.not_before = date_time_ymd(3001, 1, 1)),
        &authority.pem(),
        "localhost",
        "the server's certificate is not valid yet; nothing was sent: check this machine's clock",
    );
}

#[test]
fn a_certificate_for_another_host_is_told() {
    let authority = Authority::new();
    let other = "the server's certificate is for another host; nothing was sent: write the name that the certificate is \
                 for in the address";
    refused(|| authority.signed(&["example.org", "*.localhost"]), &authority.pem(), "localhost", other);
    refused(|| authority.signed(&["localhost"]), &authority.pem(), "127.0.0.1", other);
    refused(|| authority.signed(&["127.0.0.2"]), &authority.pem(), "127.0.0.1", other);
    let only_common = |params: &mut CertificateParams| {
        params.subject_alt_names = Vec::<SanType>::new();
        params.distinguished_name.push(DnType::CommonName, "localhost");
    };
    refused(
        || authority.signed_as(&[], only_common),
        &authority.pem(),
        "localhost",
        "the server's certificate names no host; nothing was sent: the server needs one with its host as \
         subjectAltName; the common name does not count",
    );
}

#[test]
fn a_certificate_that_is_not_for_servers_is_told() {
    let authority = Authority::new();
    refused(
        || {
            authority.signed_as(&["localhost"], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            })
        },
        &authority.pem(),
        "localhost",
        "the server's certificate is not usable for servers; nothing was sent: the server needs one with the extended \
         key usage serverAuth",
    );
    let of_authority = "the server's certificate is that of an authority, not usable for servers; nothing was sent: the \
                        server needs one that an authority has signed, without the CA flag";
    refused(|| authority.itself(), &authority.pem(), "localhost", of_authority);
    for (major, key, path, _) in FORMS {
        let (identity, pem) = self_signed(&["localhost"], true);
        let server = serve(major, identity);
        let ran = published(trusting(at("localhost", &server, key), &pem));
        ran.is(3, "", &format!("cent: https://localhost:{}{path}: {of_authority}\n", server.port()));
    }
}

#[test]
fn a_certificate_that_its_authority_may_not_sign_is_told() {
    let elsewhere = vec![GeneralSubtree::DnsName("example.org".to_owned())];
    let authority = Authority::changed("authority of the test", |params| {
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: elsewhere, excluded_subtrees: Vec::new() });
    });
    refused(
        || authority.signed(&["localhost"]),
        &authority.pem(),
        "localhost",
        "the server's certificate cannot be checked; nothing was sent: the server needs one of X.509 version 3, signed \
         with a current algorithm, for a host that its authority may sign for",
    );
}

const NO_TRUST: &str = "no certificates to trust were found; nothing was sent: check the PEM file or the folder that \
                        SSL_CERT_FILE or SSL_CERT_DIR names; without them, install the system's CA certificates";

#[test]
fn nobody_is_trusted_where_no_certificates_are_found() {
    for (major, key, path, _) in FORMS {
        let server = serve(major, Authority::new().signed(&["localhost"]));
        let message = format!("cent: https://localhost:{}{path}: {NO_TRUST}\n", server.port());
        let garbage = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n\0\u{ff}";
        let calls = [
            at("localhost", &server, key).env("SSL_CERT_FILE", "missing.pem"),
            at("localhost", &server, key).env("SSL_CERT_FILE", ""),
            at("localhost", &server, key).env("SSL_CERT_DIR", "missing"),
            trusting(at("localhost", &server, key), ""),
            trusting(at("localhost", &server, key), garbage),
        ];
        let count = calls.len();
        for call in calls {
            published(call).is(3, "", &message);
        }
        // One each: it does not help to try again.
        assert_eq!((server.connections(), server.requests().len()), (count, 0));
    }
}

#[test]
fn a_server_with_old_tls_only_is_told() {
    // Version 3.1 of the record, fatal, protocol_version and handshake_failure (RFC 5246, section 7.2).
    for description in [70, 40] {
        let alert = vec![Step::Read(1), Step::Send(vec![21, 3, 1, 0, 2, 2, description]), Step::Close];
        let server = Server::v1().script(alert);
        at("localhost", &server, "secret").args(&["a", "publish", "--params", PARAMS]).run().is(
            3,
            "",
            &format!(
                "cent: https://localhost:{}/api/: the server offers no TLS that is safe; nothing was sent: TLS 1.2 or \
                 1.3 has to be switched on in the server\n",
                server.port()
            ),
        );
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_server_that_wants_a_certificate_of_its_client_is_told() {
    let authority = Authority::new();
    for version in rustls::ALL_VERSIONS {
        let acceptor = authority.signed(&["localhost"]).acceptor_of(&[version], Some(&authority));
        let server = Server::start_with(Centrifugo::v1(), acceptor);
        published(trusting(at("localhost", &server, "secret"), &authority.pem())).is(
            3,
            "",
            &format!(
                "cent: https://localhost:{}/api/: the server wants a certificate of its client; nothing was accepted: \
                 such are not supported; use an address of the server that does without\n",
                server.port()
            ),
        );
        assert_eq!((server.connections(), server.requests().len()), (1, 0));
    }
}

#[test]
fn the_wrong_scheme_is_told() {
    for (_, key, path, _) in FORMS {
        let server = Server::v1().script(vec![
            Step::Read(1),
            Step::Send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request".to_vec()),
            Step::Close,
        ]);
        at("localhost", &server, key).args(&["a", "publish", "--params", PARAMS]).run().is(
            3,
            "",
            &format!(
                "cent: https://localhost:{}{path}: the server does not speak TLS; nothing was sent: write http:// in \
                 the address, or the port that speaks TLS\n",
                server.port()
            ),
        );
        let server = Server::v1().script(plain_http_to_tls_port());
        published(to(&server.address(), key)).is(
            1,
            "",
            &format!(
                "cent: {}{path}: bad request (400); the server wants TLS: write https:// in the address\n",
                server.address()
            ),
        );
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_tls_server_that_gives_plain_http_no_answer_leaves_it_open() {
    let server = serve(1, Authority::new().signed(&["localhost"]));
    let ran = published(to(&server.address(), "secret"));
    assert_eq!((ran.exit(), ran.stdout().as_str()), (Some(4), ""));
    assert!(ran.stderr().starts_with(&format!("cent: {}/api/: the ", server.address())), "{}", ran.stderr());
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

#[test]
fn many_lines_go_over_one_connection() {
    let authority = Authority::new();
    for (major, key, _, _) in FORMS {
        let server = serve(major, authority.signed(&["localhost"]));
        let line = |number| format!("{{\"channel\": \"news\", \"data\": {number}}}");
        let lines = (0..50).map(line).collect::<Vec<_>>().join("\n");
        let ran = trusting(at("localhost", &server, key), &authority.pem())
            .args(&["a", "publish", "--lines", "--batch", "5", "--quiet"])
            .input(lines)
            .run();
        ran.is(0, "", "");
        assert_eq!((server.connections(), server.requests().len()), (1, 10));
        let texts: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(server.centrifugo().texts("news"), texts);
    }
}

/// Publishes and holds it to this failure.
#[track_caller]
fn fails(authority: &Authority, script: &Script, executed: bool, seconds: &str, message: &str) {
    for (major, key, path, _) in FORMS {
        let server = serve(major, authority.signed(&["localhost"])).script(script.clone());
        let ran = published(trusting(at("localhost", &server, key), &authority.pem()).args(&["--timeout", seconds]));
        ran.is(4, "", &format!("cent: https://localhost:{}{path}: {message}\n", server.port()));
        assert_eq!((server.connections(), server.settled(1).len()), (1, 1));
        assert_eq!(server.centrifugo().texts("news").len(), usize::from(executed));
    }
}

#[test]
fn a_fault_after_the_request_has_begun_leaves_it_open() {
    let authority = Authority::new();
    let look = "the command may have run: look before repeating";
    let closed = format!("the connection was closed before the answer was whole; {look}");
    let reset = format!("the connection was lost: connection reset by peer; {look}");
    let silent = format!("no answer within 3 s; {look}, or raise the timeout");
    // Side by side, since the silent ones take their whole time, which is ample for a handshake on a busy machine.
    std::thread::scope(|scope| {
        for (end, seconds, message) in
            [(Step::Close, "30", &closed), (Step::Reset, "30", &reset), (Step::Hang, "3", &silent)]
        {
            for bytes in [0, 1, 100] {
                let (authority, end) = (&authority, end.clone());
                scope.spawn(move || {
                    fails(authority, &stopped_in_request(bytes, end.clone()), false, seconds, message);
                    fails(authority, &stopped_in_answer(bytes, end), true, seconds, message);
                });
            }
        }
    });
}

#[test]
fn a_fault_in_the_handshake_is_none_of_the_request() {
    for (_, key, path, _) in FORMS {
        let silent = SilentServer::start();
        let address = silent.address().replace("http:", "https:");
        to(&address, key).args(&["a", "publish", "--timeout", "0.3", "--params", PARAMS]).run().is(
            3,
            "",
            &format!(
                "cent: {address}{path}: no connection within 0.3 s; nothing was sent: check the address, or raise the \
                 timeout\n"
            ),
        );
        for (end, reason) in [(Step::Close, "unexpected end of file"), (Step::Reset, "connection reset by peer")] {
            // A few bytes of what could be the server's first message.
            for sent in [&[][..], &[22, 3], &[22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3]] {
                let server = Server::v1().script(vec![Step::Read(1), Step::Send(sent.to_vec()), end.clone()]);
                at("localhost", &server, key).args(&["a", "publish", "--params", PARAMS]).run().is(
                    3,
                    "",
                    &format!(
                        "cent: https://localhost:{}{path}: connection lost before anything was sent: {reason}; is it a \
                         server that speaks TLS? if not, write http://\n",
                        server.port()
                    ),
                );
            }
        }
    }
}
