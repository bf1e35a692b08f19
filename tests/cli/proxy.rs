//! Proxies: which one is used, what is sent to it, messages for its failures, and that its password is never printed.

use std::time::Duration;

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::proxy::{TUNNEL_OPEN, TunnelProxy};
use crate::support::server::{
    API_KEY, Centrifugo, ClosedPort, Request, Response, SECRET, Server, Step, reject, respond,
};
use crate::support::tls::TestCa;

const PUBLISHED: &str = "[\n  {\n    \"method\": \"publish\",\n    \"error\": null,\n    \"body\": null\n  }\n]\n";

/// The base64 form of `us%r:ma rked`, and its form in a URL.
const ENCODED_CREDENTIALS: &str = "dXMlcjptYSBya2Vk";
const CREDENTIALS: &str = "us%25r:ma%20rked";

/// A call with a section `[a]` of Centrifugo 1 for this address.
fn cent_for(address: &str) -> Cent {
    cent().config(format!("[a]\naddress = {address}\nsecret = {SECRET}\n"))
}

fn publish(cent: Cent) -> CentOutput {
    cent.args(&["a", "publish", "--params", r#"{"channel": "news", "data": 1}"#]).run()
}

fn address_with_credentials(server: &Server) -> String {
    server.address().replace("http://", &format!("http://{CREDENTIALS}@"))
}

fn request_line(request: &Request) -> String {
    String::from_utf8_lossy(request.head()).lines().next().unwrap_or_default().to_owned()
}

/// A server behind a tunneling proxy, and the CA of its certificate.
fn start_tunnel(response: &'static str) -> (TunnelProxy, TestCa) {
    let ca = TestCa::new();
    let identity = ca.issue(&["rt.invalid"]);
    (TunnelProxy::start(Centrifugo::version(1), response, identity.acceptor()), ca)
}

/// A call to that server.
fn cent_through(proxy: &str, ca: &TestCa) -> Cent {
    cent_for("https://rt.invalid").file("ca.pem", ca.pem()).env("SSL_CERT_FILE", "ca.pem").env("HTTPS_PROXY", proxy)
}

#[test]
fn http_proxy_gets_absolute_url() {
    for (address, origin) in [
        ("http://rt.invalid:8000/path", "rt.invalid:8000"),
        ("http://rt.invalid/path/api", "rt.invalid"),
        ("http://[::1]:8000/path/", "[::1]:8000"),
    ] {
        let proxy = Server::version(1);
        // The server does not serve this path; only the request counts.
        publish(cent_for(address).env("HTTP_PROXY", proxy.address()));
        let request = &proxy.requests()[0];
        assert_eq!(request_line(request), format!("POST http://{origin}/path/api/ HTTP/1.1"));
        assert_eq!(request.header("Host"), Some(origin));
        assert_eq!(request.header("Proxy-Authorization"), None);
    }
    let proxy = Server::version(6);
    let output = cent()
        .config(format!("[a]\naddress = http://rt.invalid\napi_key = {API_KEY}\n"))
        .env("HTTP_PROXY", proxy.address())
        .args(&["a", "info", "--quiet"])
        .run();
    output.assert_output(0, "", "");
    assert_eq!(request_line(&proxy.requests()[0]), "POST http://rt.invalid/api/info HTTP/1.1");
}

#[test]
fn legacy_form_follows_on_the_same_proxy_connection() {
    let call = |address: &str| {
        let config = format!("[a]\naddress = {address}\napi_key = {API_KEY}\n");
        cent().config(config).args(&["a", "info", "--quiet"])
    };
    let paths = |server: &Server| server.requests().iter().map(|request| request_line(request)).collect::<Vec<_>>();
    let proxy = Server::version(4);
    call("http://rt.invalid").env("HTTP_PROXY", proxy.address()).run().assert_output(0, "", "");
    let current = "POST http://rt.invalid/api/info HTTP/1.1";
    assert_eq!(paths(&proxy), [current, "POST http://rt.invalid/api HTTP/1.1"]);
    assert_eq!(proxy.connections(), 1);

    let ca = TestCa::new();
    let acceptor = ca.issue(&["rt.invalid"]).acceptor();
    let tunnel = TunnelProxy::start(Centrifugo::version(4), TUNNEL_OPEN, acceptor);
    let call = call("https://rt.invalid").file("ca.pem", ca.pem()).env("SSL_CERT_FILE", "ca.pem");
    call.env("HTTPS_PROXY", tunnel.server.address()).run().assert_output(0, "", "");
    assert_eq!(paths(&tunnel.server), ["POST /api/info HTTP/1.1", "POST /api HTTP/1.1"]);
    assert_eq!(tunnel.connect_requests().len(), 1);
}

#[test]
fn http_proxy_connection_is_reused_for_lines() {
    let proxy = Server::version(1);
    let lines = "{\"channel\": \"news\", \"data\": 1}\n".repeat(20);
    let cent = cent_for("http://rt.invalid").env("HTTP_PROXY", proxy.address()).stdin_bytes(lines);
    cent.args(&["a", "publish", "--lines", "--batch", "5", "--quiet"]).run().assert_output(0, "", "");
    assert_eq!((proxy.connections(), proxy.requests().len()), (1, 4));
    for request in proxy.requests() {
        assert_eq!(request_line(&request), "POST http://rt.invalid/api/ HTTP/1.1");
    }
    assert_eq!(proxy.centrifugo().messages_as_text("news").len(), 20);
}

#[test]
fn proxy_variable_depends_on_scheme_and_case() {
    let closed_port = ClosedPort::bind().address();
    for (name, others) in [
        ("HTTP_PROXY", vec![("HTTPS_PROXY", closed_port.as_str()), ("ALL_PROXY", &closed_port)]),
        ("http_proxy", vec![("HTTP_PROXY", &closed_port), ("all_proxy", &closed_port)]),
        ("ALL_PROXY", vec![("https_proxy", &closed_port), ("http_proxy", "")]),
        ("all_proxy", vec![("ALL_PROXY", &closed_port), ("NO_PROXY", "invalid.rt,example.org")]),
        // Under CGI, HTTP_PROXY holds the visitor's Proxy header (httpoxy).
        ("http_proxy", vec![("HTTP_PROXY", &closed_port), ("REQUEST_METHOD", "GET")]),
        ("ALL_PROXY", vec![("HTTP_PROXY", &closed_port), ("REQUEST_METHOD", "GET")]),
    ] {
        let proxy = Server::version(1);
        let mut cent = cent_for("http://rt.invalid").env(name, proxy.address());
        for (other, value) in others {
            cent = cent.env(other, value);
        }
        publish(cent).assert_output(0, PUBLISHED, "");
        assert_eq!(proxy.requests().len(), 1, "{name}");
    }
}

#[test]
fn no_proxy_hosts_are_contacted_directly() {
    let closed_port = ClosedPort::bind().address();
    for (name, list) in [("NO_PROXY", "localhost, 127.0.0.1"), ("no_proxy", "127.0.0.0/8"), ("no_proxy", "*")] {
        let server = Server::version(1);
        publish(cent_for(&server.address()).env("HTTP_PROXY", &closed_port).env(name, list))
            .assert_output(0, PUBLISHED, "");
        assert_eq!(request_line(&server.requests()[0]), "POST /api/ HTTP/1.1");
    }
    // Variables that do not apply are not validated.
    let server = Server::version(1);
    publish(cent_for(&server.address()).env("HTTPS_PROXY", "socks5://h").env("HTTP_PROXY", ""))
        .assert_output(0, PUBLISHED, "");
}

#[test]
fn invalid_proxy_is_rejected_before_sending() {
    let server = Server::version(1).expect_no_connection();
    for (value, reason) in [
        ("socks5://marked:marked@127.0.0.1:1080", "unsupported proxy scheme (only http:// is supported)"),
        ("socks5h://127.0.0.1", "unsupported proxy scheme (only http:// is supported)"),
        ("https://127.0.0.1:3128", "unsupported proxy scheme (only http:// is supported)"),
        ("http://marked:marked@:3128", "invalid proxy host"),
        ("http://", "invalid proxy host"),
        ("127.0.0.1:99999", "invalid proxy port (expected 1 to 65535)"),
        ("http://marked:mark/ed@h:port", "invalid proxy port (expected 1 to 65535)"),
    ] {
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            let message = format!("cent: {name}: {reason}; set http://HOST:PORT, or unset it\n");
            publish(cent_for(&server.address()).env(name, value)).assert_output(2, "", &message);
            publish(cent_for(&server.address()).env(name, value).arg("--dry-run")).assert_output(2, "", &message);
        }
    }
}

#[test]
fn https_proxy_opens_tunnel() {
    // Any 2xx opens a tunnel (RFC 9110, section 9.3.6); old proxies use HTTP/1.0.
    for response in [
        TUNNEL_OPEN,
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200\r\nX: y\r\n\r\n",
    ] {
        let (tunnel, ca) = start_tunnel(response);
        publish(cent_through(&tunnel.server.address(), &ca)).assert_output(0, PUBLISHED, "");
        assert_eq!(tunnel.connect_requests(), ["CONNECT rt.invalid:443 HTTP/1.1\r\nHost: rt.invalid:443\r\n\r\n"]);
        let request = &tunnel.server.requests()[0];
        assert_eq!(request_line(request), "POST /api/ HTTP/1.1");
        assert_eq!(request.header("Host"), Some("rt.invalid"));
    }
}

#[test]
fn tunnel_is_reused_for_lines() {
    let (tunnel, ca) = start_tunnel(TUNNEL_OPEN);
    let cent =
        cent_through(&tunnel.server.address(), &ca).stdin_bytes("{\"channel\": \"news\", \"data\": 1}\n".repeat(20));
    cent.args(&["a", "publish", "--lines", "--batch", "5", "--quiet"]).run().assert_output(0, "", "");
    assert_eq!((tunnel.connect_requests().len(), tunnel.server.requests().len()), (1, 4));
}

#[test]
fn proxy_credentials_are_sent_but_never_printed() {
    let assert_hidden = |output: &CentOutput| {
        let printed = output.stdout() + &output.stderr();
        for form in ["marked", "ma%20rked", "ma rked", ENCODED_CREDENTIALS, "us%25r", "us%r"] {
            assert!(!printed.contains(form), "{printed}");
        }
    };
    let basic = format!("Basic {ENCODED_CREDENTIALS}");
    let proxy = Server::version(1);
    for args in [&["--verbose"][..], &["--dry-run"], &["--verbose", "--dry-run"], &["--lines", "--quiet"]] {
        let cent = cent_for("http://rt.invalid").env("HTTP_PROXY", address_with_credentials(&proxy)).args(args);
        let cent = cent.stdin_bytes("{\"channel\": \"news\", \"data\": 1}\n").args(&["a", "publish"]);
        let cent = if args.contains(&"--lines") { cent } else { cent.args(&["--params", "-"]) };
        let output = cent.run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        assert_hidden(&output);
    }
    assert_eq!(proxy.requests().len(), 2);
    for request in proxy.requests() {
        assert_eq!(request.header("Proxy-Authorization"), Some(basic.as_str()));
    }

    let (tunnel, ca) = start_tunnel(TUNNEL_OPEN);
    let output = publish(cent_through(&address_with_credentials(&tunnel.server), &ca).arg("--verbose"));
    assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
    assert_hidden(&output);
    let connect = "CONNECT rt.invalid:443 HTTP/1.1\r\nHost: rt.invalid:443\r\n";
    assert_eq!(tunnel.connect_requests(), [format!("{connect}Proxy-Authorization: {basic}\r\n\r\n")]);
    // They must not reach the server.
    assert_eq!(tunnel.server.requests()[0].header("Proxy-Authorization"), None);

    let closed_port = ClosedPort::bind().address().replace("http://", &format!("http://{CREDENTIALS}@"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        for address in ["http://rt.invalid", "https://rt.invalid"] {
            assert_hidden(&publish(
                cent_for(address).env(name, &closed_port).arg("--verbose").args(&["--timeout", "1"]),
            ));
        }
    }
    let server = Server::version(1).script(reject(&Response::new(407)));
    let output =
        publish(cent_for("http://rt.invalid").env("HTTP_PROXY", address_with_credentials(&server)).arg("--verbose"));
    assert_eq!(output.exit_code(), Some(3));
    assert_hidden(&output);
}

#[test]
fn unreachable_proxy_is_named() {
    let closed_port = ClosedPort::bind().address();
    let name = closed_port.trim_start_matches("http://");
    for address in ["http://rt.invalid", "https://rt.invalid"] {
        publish(cent_for(address).env("ALL_PROXY", &closed_port)).assert_output(
            3,
            "",
            &format!(
                "cent: {address}/api/: could not connect to proxy {name}: connection refused; nothing was sent: check that \
                 the proxy is running and its URL is correct\n"
            ),
        );
        let output = publish(cent_for(address).env("ALL_PROXY", "no-such-host.invalid:3128"));
        assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(3), ""));
        // The reason comes from the operating system.
        let start = format!("cent: {address}/api/: could not resolve proxy no-such-host.invalid:3128: ");
        assert!(output.stderr().starts_with(&start), "{}", output.stderr());
        assert!(
            output.stderr().ends_with("; nothing was sent: check the proxy URL and the network\n"),
            "{}",
            output.stderr()
        );
    }
}

#[test]
fn refused_tunnel_is_reported() {
    let needs_credentials = "requires authentication (407); nothing was sent: use valid credentials in the proxy \
                 URL, http://USER:PASSWORD@HOST:PORT";
    let refused = |status| {
        format!(
            "refused the tunnel ({status}); nothing was sent: allow the host in the proxy, or add it to \
             NO_PROXY"
        )
    };
    let failed = |status| {
        format!(
            "could not reach the server ({status}); nothing was sent: check the address and that the server is \
             running, or add the host to NO_PROXY"
        )
    };
    for (status, message) in [
        (407, needs_credentials.to_owned()),
        (403, refused(403)),
        (405, refused(405)),
        (301, refused(301)),
        (502, failed(502)),
        (503, failed(503)),
        (504, failed(504)),
    ] {
        let proxy = Server::version(1).script(reject(&Response::new(status).body("why")));
        let name = proxy.address().replace("http://", "");
        let output = publish(cent_for("https://rt.invalid").env("HTTPS_PROXY", proxy.address()));
        output.assert_output(3, "", &format!("cent: https://rt.invalid/api/: proxy {name} {message}\n"));
        assert_eq!(proxy.requests().len(), 1);
    }
}

#[test]
fn refused_tunnel_is_not_retried_and_names_unsupported_schemes() {
    let basic = "requires authentication (407); nothing was sent: use valid credentials in the proxy URL, \
                 http://USER:PASSWORD@HOST:PORT";
    let other = "which is not supported; nothing was sent: use a proxy that accepts Basic, or add the host to NO_PROXY";
    let refused = "refused the tunnel (403); nothing was sent: allow the host in the proxy, or add it to NO_PROXY";
    for (status, offers, message) in [
        (407, &["Negotiate", "Basic realm=\"x\""][..], basic.to_owned()),
        (407, &["basic"], basic.to_owned()),
        (407, &["Negotiate", "NTLM"], format!("requires Negotiate or NTLM authentication (407), {other}")),
        (407, &["Digest realm=\"x\", qop=\"auth\""], format!("requires Digest authentication (407), {other}")),
        (403, &[], refused.to_owned()),
    ] {
        let response =
            offers.iter().fold(Response::new(status), |response, offer| response.header("Proxy-Authenticate", offer));
        let proxy = Server::version(1).script(reject(&response));
        let name = proxy.address().replace("http://", "");
        let cent = cent_for("https://rt.invalid").env("HTTPS_PROXY", proxy.address()).args(&["--retry", "3"]);
        publish(cent).assert_output(3, "", &format!("cent: https://rt.invalid/api/: proxy {name} {message}\n"));
        assert_eq!(proxy.requests().len(), 1);
    }
}

#[test]
fn forwarding_proxy_without_basic_is_named() {
    for (offer, hint) in [
        ("Basic realm=\"x\"", "use valid credentials in the proxy URL, http://USER:PASSWORD@HOST:PORT"),
        (
            "Negotiate",
            "the proxy does not offer Basic authentication, the only one that is supported: use a proxy that does, or add \
             the host to NO_PROXY",
        ),
    ] {
        let response = Response::new(407).header("Proxy-Authenticate", offer);
        let proxy = Server::version(1).script(respond(&response));
        let name = proxy.address().replace("http://", "");
        let cent = cent_for("http://rt.invalid").env("HTTP_PROXY", proxy.address()).args(&["--retry", "3"]);
        let message = format!("proxy authentication required (407) (via proxy {name}); {hint}");
        publish(cent).assert_output(3, "", &format!("cent: http://rt.invalid/api/: {message}\n"));
        assert_eq!(proxy.requests().len(), 1);
    }
}

#[test]
fn long_head_of_proxy_is_read() {
    let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(30_000));
    let (tunnel, ca) = start_tunnel(head.leak());
    publish(cent_through(&tunnel.server.address(), &ca)).assert_output(0, PUBLISHED, "");
}

#[test]
fn invalid_proxy_response_is_reported() {
    for (response, ending) in
        [("", Step::Close), ("HTTP/1.1 20", Step::Close), ("", Step::Reset), ("SSH-2.0-x\r\n\r\n", Step::Hang)]
    {
        let proxy = Server::version(1).script(vec![Step::Read(1), Step::Send(response.as_bytes().to_vec()), ending]);
        let name = proxy.address().replace("http://", "");
        publish(cent_for("https://rt.invalid").env("HTTPS_PROXY", proxy.address())).assert_output(
            3,
            "",
            &format!(
                "cent: https://rt.invalid/api/: no valid response from proxy {name}; nothing was sent: check that \
                 the proxy URL points to an HTTP proxy\n"
            ),
        );
    }
}

#[test]
fn timeout_applies_to_proxy() {
    let pause = Duration::from_millis(100);
    for script in [vec![Step::Read(1), Step::Hang], vec![Step::Execute, Step::SendSlowly(pause), Step::Hang]] {
        let proxy = Server::version(1).script(script);
        let name = proxy.address().replace("http://", "");
        let start = std::time::Instant::now();
        publish(cent_for("https://rt.invalid").env("HTTPS_PROXY", proxy.address()).args(&["--timeout", "1.5"]))
            .assert_output(
                3,
                "",
                &format!(
                    "cent: https://rt.invalid/api/: timed out after 1.5 s while proxy {name} connected to \
                 rt.invalid:443; nothing was sent: check the proxy URL and the address, or raise the timeout\n"
                ),
            );
        // Far less than the slow response would take; the machine may be busy.
        assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    }
    let proxy = Server::version(1).script(vec![Step::Execute, Step::SendSlowly(pause)]);
    let name = proxy.address().replace("http://", "");
    publish(cent_for("http://rt.invalid").env("HTTP_PROXY", proxy.address()).args(&["--timeout", "2"])).assert_output(
        4,
        "",
        &format!(
            "cent: http://rt.invalid/api/: timed out after 2 s waiting for a response (via proxy {name}); the \
             command may have been executed: check before retrying, or raise the timeout\n"
        ),
    );
}

#[test]
fn proxy_responses_map_to_exit_status() {
    let check_hint = "the command may have been executed: check before retrying";
    let retry_hint = "nothing was accepted: try again later";
    let page_hint = "this is a page of a proxy: the command may have been executed: check before retrying";
    for (status, body, exit, message, hint) in [
        (502, "<html>", 4, "bad gateway (502)", check_hint),
        (503, "<html>", 4, "service unavailable (503)", check_hint),
        (503, "", 3, "service unavailable (503)", retry_hint),
        (504, "", 4, "gateway timeout (504)", check_hint),
        (403, "<html>", 4, "forbidden (403)", page_hint),
        (429, "", 3, "too many requests (429)", retry_hint),
        (
            407,
            "<html>",
            3,
            "proxy authentication required (407)",
            "use valid credentials in the proxy URL, http://USER:PASSWORD@HOST:PORT",
        ),
    ] {
        let proxy = Server::version(1).script(respond(&Response::new(status).body(body)));
        let name = proxy.address().replace("http://", "");
        publish(cent_for("http://rt.invalid").env("HTTP_PROXY", proxy.address())).assert_output(
            exit,
            "",
            &format!("cent: http://rt.invalid/api/: {message} (via proxy {name}); {hint}\n"),
        );
        // Whose page it is was asked.
        assert_eq!(proxy.requests().len(), if status == 403 { 2 } else { 1 });
    }
    let proxy = Server::version(1).script(respond(&Response::new(200).body("<html>")));
    let name = proxy.address().replace("http://", "");
    publish(cent_for("http://rt.invalid").env("HTTP_PROXY", proxy.address())).assert_output(
        4,
        "",
        &format!(
            "cent: http://rt.invalid/api/ (via proxy {name}): response is HTML or XML, not JSON: not a \
             Centrifugo API; {check_hint}, and check the address\n"
        ),
    );
}

#[test]
fn tunnel_responses_are_not_attributed_to_proxy() {
    for (status, exit, message) in [
        (407, 1, "proxy authentication required (407); check the address and any proxy in front of the server"),
        (
            403,
            4,
            "forbidden (403); this is a page of a proxy: the command may have been executed: check before retrying",
        ),
        (502, 4, "bad gateway (502); the command may have been executed: check before retrying"),
    ] {
        let (tunnel, ca) = start_tunnel(TUNNEL_OPEN);
        tunnel.server.add_script(respond(&Response::new(status)));
        let output = publish(cent_through(&tunnel.server.address(), &ca));
        output.assert_output(exit, "", &format!("cent: https://rt.invalid/api/: {message}\n"));
    }
}

#[test]
fn tunnel_verifies_server_certificate() {
    let (tunnel, _) = start_tunnel(TUNNEL_OPEN);
    let name = tunnel.server.address().replace("http://", "");
    let output = publish(cent_through(&tunnel.server.address(), &TestCa::with_name("another")).args(&["--retry", "2"]));
    output.assert_output(
        3,
        "",
        &format!(
            "cent: https://rt.invalid/api/: server certificate is signed by an unknown CA (via \
             proxy {name}); nothing was sent: set SSL_CERT_FILE to the CA's PEM file, or make the server send its \
             intermediate certificate, or check the address\n"
        ),
    );
    assert_eq!((tunnel.connect_requests().len(), tunnel.server.requests().len()), (1, 0));
}
