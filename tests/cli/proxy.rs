//! Proxies: which one is taken, what it is sent, what is told when it fails, and that its password stays hidden.

use std::time::Duration;

use crate::support::program::{Cent, Ran, cent};
use crate::support::proxy::{OPEN, Tunnelled};
use crate::support::server::{
    API_KEY, Centrifugo, RefusedPort, Request, Response, SECRET, Server, Step, answered, refused,
};
use crate::support::tls::Authority;

const LIST: &str = "[\n  {\n    \"method\": \"publish\",\n    \"error\": null,\n    \"body\": null\n  }\n]\n";

/// The base64 of `us%r:ma rked`, and the URL's way to write that.
const CODED: &str = "dXMlcjptYSBya2Vk";
const CREDENTIALS: &str = "us%25r:ma%20rked";

/// A call to `[a]` at this address, of Centrifugo 1.
fn to(address: &str) -> Cent {
    cent().config(format!("[a]\naddress = {address}\nsecret = {SECRET}\n"))
}

fn published(cent: Cent) -> Ran {
    cent.args(&["a", "publish", "--params", r#"{"channel": "news", "data": 1}"#]).run()
}

fn with_credentials(server: &Server) -> String {
    server.address().replace("http://", &format!("http://{CREDENTIALS}@"))
}

fn first_line(request: &Request) -> String {
    String::from_utf8_lossy(request.head()).lines().next().unwrap_or_default().to_owned()
}

/// A server behind a proxy that opens tunnels, and the authority that it is to be trusted by.
fn tunnelled(answer: &'static str) -> (Tunnelled, Authority) {
    let authority = Authority::new();
    let identity = authority.signed(&["rt.invalid"]);
    (Tunnelled::start(Centrifugo::v1(), answer, identity.acceptor()), authority)
}

/// A call to that server.
fn through(proxy: &str, authority: &Authority) -> Cent {
    to("https://rt.invalid").file("ca.pem", authority.pem()).env("SSL_CERT_FILE", "ca.pem").env("HTTPS_PROXY", proxy)
}

#[test]
fn a_proxy_for_http_gets_the_whole_address() {
    for (address, origin) in [
        ("http://rt.invalid:8000/path", "rt.invalid:8000"),
        ("http://rt.invalid/path/api", "rt.invalid"),
        ("http://[::1]:8000/path/", "[::1]:8000"),
    ] {
        let proxy = Server::v1();
        // The test server does not know the path.
        published(to(address).env("HTTP_PROXY", proxy.address()));
        let request = &proxy.requests()[0];
        assert_eq!(first_line(request), format!("POST http://{origin}/path/api/ HTTP/1.1"));
        assert_eq!(request.header("Host"), Some(origin));
        assert_eq!(request.header("Proxy-Authorization"), None);
    }
    let proxy = Server::later(6);
    let ran = cent()
        .config(format!("[a]\naddress = http://rt.invalid\napi_key = {API_KEY}\n"))
        .env("HTTP_PROXY", proxy.address())
        .args(&["a", "info", "--quiet"])
        .run();
    ran.is(0, "", "");
    assert_eq!(first_line(&proxy.requests()[0]), "POST http://rt.invalid/api HTTP/1.1");
}

#[test]
fn a_proxy_for_http_serves_many_lines_over_one_connection() {
    let proxy = Server::v1();
    let lines = "{\"channel\": \"news\", \"data\": 1}\n".repeat(20);
    let cent = to("http://rt.invalid").env("HTTP_PROXY", proxy.address()).input(lines);
    cent.args(&["a", "publish", "--lines", "--batch", "5", "--quiet"]).run().is(0, "", "");
    assert_eq!((proxy.connections(), proxy.requests().len()), (1, 4));
    for request in proxy.requests() {
        assert_eq!(first_line(&request), "POST http://rt.invalid/api/ HTTP/1.1");
    }
    assert_eq!(proxy.centrifugo().texts("news").len(), 20);
}

#[test]
fn the_scheme_and_the_case_choose_the_proxy() {
    let dead = RefusedPort::take().address();
    for (name, others) in [
        ("HTTP_PROXY", vec![("HTTPS_PROXY", dead.as_str()), ("ALL_PROXY", &dead)]),
        ("http_proxy", vec![("HTTP_PROXY", &dead), ("all_proxy", &dead)]),
        ("ALL_PROXY", vec![("https_proxy", &dead), ("http_proxy", "")]),
        ("all_proxy", vec![("ALL_PROXY", &dead), ("NO_PROXY", "invalid.rt,example.org")]),
        // Below a web server, HTTP_PROXY is what a visitor wrote into the header Proxy.
        ("http_proxy", vec![("HTTP_PROXY", &dead), ("REQUEST_METHOD", "GET")]),
        ("ALL_PROXY", vec![("HTTP_PROXY", &dead), ("REQUEST_METHOD", "GET")]),
    ] {
        let proxy = Server::v1();
        let mut cent = to("http://rt.invalid").env(name, proxy.address());
        for (other, value) in others {
            cent = cent.env(other, value);
        }
        published(cent).is(0, LIST, "");
        assert_eq!(proxy.requests().len(), 1, "{name}");
    }
}

#[test]
fn a_host_of_no_proxy_is_reached_directly() {
    let dead = RefusedPort::take().address();
    for (name, list) in [("NO_PROXY", "localhost, 127.0.0.1"), ("no_proxy", "127.0.0.0/8"), ("no_proxy", "*")] {
        let server = Server::v1();
        published(to(&server.address()).env("HTTP_PROXY", &dead).env(name, list)).is(0, LIST, "");
        assert_eq!(first_line(&server.requests()[0]), "POST /api/ HTTP/1.1");
    }
    // A variable that has no say is not looked at.
    let server = Server::v1();
    published(to(&server.address()).env("HTTPS_PROXY", "socks5://h").env("HTTP_PROXY", "")).is(0, LIST, "");
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_before_anything_is_sent() {
    let server = Server::v1().uncalled();
    for (value, flaw) in [
        ("socks5://marked:marked@127.0.0.1:1080", "only proxies of the scheme http:// are supported"),
        ("socks5h://127.0.0.1", "only proxies of the scheme http:// are supported"),
        ("https://127.0.0.1:3128", "only proxies of the scheme http:// are supported"),
        ("http://marked:marked@:3128", "its host is not valid"),
        ("http://", "its host is not valid"),
        ("127.0.0.1:99999", "its port is no number from 1 to 65535"),
        ("http://marked:mark/ed@h:port", "its port is no number from 1 to 65535"),
    ] {
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            let message =
                format!("cent: {name}: the proxy cannot be used: {flaw}; write http://HOST:PORT, or unset it\n");
            published(to(&server.address()).env(name, value)).is(2, "", &message);
            published(to(&server.address()).env(name, value).arg("--dry-run")).is(2, "", &message);
        }
    }
}

#[test]
fn a_proxy_for_https_opens_a_tunnel() {
    // Any 2xx opens one (RFC 9110, section 9.3.6); old proxies speak HTTP/1.0.
    for answer in [
        OPEN,
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200\r\nX: y\r\n\r\n",
    ] {
        let (end, authority) = tunnelled(answer);
        published(through(&end.server.address(), &authority)).is(0, LIST, "");
        assert_eq!(end.heads(), ["CONNECT rt.invalid:443 HTTP/1.1\r\nHost: rt.invalid:443\r\n\r\n"]);
        let request = &end.server.requests()[0];
        assert_eq!(first_line(request), "POST /api/ HTTP/1.1");
        assert_eq!(request.header("Host"), Some("rt.invalid"));
    }
}

#[test]
fn many_lines_go_through_one_tunnel() {
    let (end, authority) = tunnelled(OPEN);
    let cent = through(&end.server.address(), &authority).input("{\"channel\": \"news\", \"data\": 1}\n".repeat(20));
    cent.args(&["a", "publish", "--lines", "--batch", "5", "--quiet"]).run().is(0, "", "");
    assert_eq!((end.heads().len(), end.server.requests().len()), (1, 4));
}

#[test]
fn credentials_of_a_proxy_are_sent_to_it_and_never_shown() {
    let hidden = |ran: &Ran| {
        let shown = ran.stdout() + &ran.stderr();
        for form in ["marked", "ma%20rked", "ma rked", CODED, "us%25r", "us%r"] {
            assert!(!shown.contains(form), "{shown}");
        }
    };
    let basic = format!("Basic {CODED}");
    let proxy = Server::v1();
    for words in [&["--verbose"][..], &["--dry-run"], &["--verbose", "--dry-run"], &["--lines", "--quiet"]] {
        let cent = to("http://rt.invalid").env("HTTP_PROXY", with_credentials(&proxy)).args(words);
        let cent = cent.input("{\"channel\": \"news\", \"data\": 1}\n").args(&["a", "publish"]);
        let cent = if words.contains(&"--lines") { cent } else { cent.args(&["--params", "-"]) };
        let ran = cent.run();
        assert_eq!(ran.exit(), Some(0), "{}", ran.stderr());
        hidden(&ran);
    }
    assert_eq!(proxy.requests().len(), 2);
    for request in proxy.requests() {
        assert_eq!(request.header("Proxy-Authorization"), Some(basic.as_str()));
    }

    let (end, authority) = tunnelled(OPEN);
    let ran = published(through(&with_credentials(&end.server), &authority).arg("--verbose"));
    assert_eq!(ran.exit(), Some(0), "{}", ran.stderr());
    hidden(&ran);
    let connect = "CONNECT rt.invalid:443 HTTP/1.1\r\nHost: rt.invalid:443\r\n";
    assert_eq!(end.heads(), [format!("{connect}Proxy-Authorization: {basic}\r\n\r\n")]);
    // They are none of the server's business.
    assert_eq!(end.server.requests()[0].header("Proxy-Authorization"), None);

    let dead = RefusedPort::take().address().replace("http://", &format!("http://{CREDENTIALS}@"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        for address in ["http://rt.invalid", "https://rt.invalid"] {
            hidden(&published(to(address).env(name, &dead).arg("--verbose").args(&["--timeout", "1"])));
        }
    }
    let server = Server::v1().script(refused(&Response::new(407)));
    let ran = published(to("http://rt.invalid").env("HTTP_PROXY", with_credentials(&server)).arg("--verbose"));
    assert_eq!(ran.exit(), Some(3));
    hidden(&ran);
}

#[test]
fn a_proxy_that_is_down_is_named() {
    let dead = RefusedPort::take().address();
    let name = dead.trim_start_matches("http://");
    for address in ["http://rt.invalid", "https://rt.invalid"] {
        published(to(address).env("ALL_PROXY", &dead)).is(
            3,
            "",
            &format!(
                "cent: {address}/api/: cannot connect to the proxy {name}: connection refused; nothing was sent: is the \
                 proxy running, and is its URL right?\n"
            ),
        );
        let ran = published(to(address).env("ALL_PROXY", "no-such-host.invalid:3128"));
        assert_eq!((ran.exit(), ran.stdout().as_str()), (Some(3), ""));
        // The reason is the system's.
        let start = format!("cent: {address}/api/: cannot look up the proxy no-such-host.invalid:3128: ");
        assert!(ran.stderr().starts_with(&start), "{}", ran.stderr());
        assert!(
            ran.stderr().ends_with("; nothing was sent: check the proxy's URL and the network\n"),
            "{}",
            ran.stderr()
        );
    }
}

#[test]
fn a_tunnel_that_is_refused_is_told() {
    let wants = "wants credentials (407); nothing was sent: write the right ones into the proxy's URL, \
                 http://USER:PASSWORD@HOST:PORT";
    let refuses = |status| {
        format!(
            "refused to connect to the server ({status}); nothing was sent: allow it in the proxy, or name the host in \
             NO_PROXY"
        )
    };
    let cannot = |status| {
        format!(
            "could not connect to the server ({status}); nothing was sent: check the address, and that the server is \
             running, or name the host in NO_PROXY"
        )
    };
    for (status, message) in [
        (407, wants.to_owned()),
        (403, refuses(403)),
        (405, refuses(405)),
        (301, refuses(301)),
        (502, cannot(502)),
        (503, cannot(503)),
        (504, cannot(504)),
    ] {
        let proxy = Server::v1().script(refused(&Response::new(status).body("why")));
        let name = proxy.address().replace("http://", "");
        let ran = published(to("https://rt.invalid").env("HTTPS_PROXY", proxy.address()));
        ran.is(3, "", &format!("cent: https://rt.invalid/api/: the proxy {name} {message}\n"));
        assert_eq!(proxy.requests().len(), 1);
    }
}

#[test]
fn a_proxy_that_gives_no_proper_answer_is_told() {
    for (answer, end) in
        [("", Step::Close), ("HTTP/1.1 20", Step::Close), ("", Step::Reset), ("SSH-2.0-x\r\n\r\n", Step::Hang)]
    {
        let proxy = Server::v1().script(vec![Step::Read(1), Step::Send(answer.as_bytes().to_vec()), end]);
        let name = proxy.address().replace("http://", "");
        published(to("https://rt.invalid").env("HTTPS_PROXY", proxy.address())).is(
            3,
            "",
            &format!(
                "cent: https://rt.invalid/api/: the proxy {name} gave no proper answer; nothing was sent: check that the \
                 proxy's URL names an HTTP proxy\n"
            ),
        );
    }
}

#[test]
fn the_whole_limit_holds_against_a_proxy() {
    let pause = Duration::from_millis(100);
    for script in [vec![Step::Read(1), Step::Hang], vec![Step::Execute, Step::Drip(pause), Step::Hang]] {
        let proxy = Server::v1().script(script);
        let name = proxy.address().replace("http://", "");
        let start = std::time::Instant::now();
        published(to("https://rt.invalid").env("HTTPS_PROXY", proxy.address()).args(&["--timeout", "1.5"])).is(
            3,
            "",
            &format!(
                "cent: https://rt.invalid/api/: no connection within 1.5 s (by the proxy {name}); nothing was sent: \
                 check the address, or raise the timeout\n"
            ),
        );
        // Far below what the drip would take; the machine may be busy.
        assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    }
    let proxy = Server::v1().script(vec![Step::Execute, Step::Drip(pause)]);
    let name = proxy.address().replace("http://", "");
    published(to("http://rt.invalid").env("HTTP_PROXY", proxy.address()).args(&["--timeout", "2"])).is(
        4,
        "",
        &format!(
            "cent: http://rt.invalid/api/: no answer within 2 s (by the proxy {name}); the command may have run: look \
             before repeating, or raise the timeout\n"
        ),
    );
}

#[test]
fn what_a_proxy_answers_in_the_servers_place_is_judged() {
    let look = "the command may have run: look before repeating";
    let later = "nothing was accepted: try again later";
    let check = "check the address, and any proxy before the server";
    for (status, body, exit, message, remedy) in [
        (502, "<html>", 4, "bad gateway (502)", look),
        (503, "<html>", 4, "service unavailable (503)", look),
        (503, "", 3, "service unavailable (503)", later),
        (504, "", 4, "gateway timeout (504)", look),
        (403, "<html>", 1, "forbidden (403)", check),
        (429, "", 3, "too many requests (429)", later),
        (
            407,
            "<html>",
            3,
            "proxy authentication required (407)",
            "write the credentials into the proxy's URL, http://USER:PASSWORD@HOST:PORT",
        ),
    ] {
        let proxy = Server::v1().script(answered(&Response::new(status).body(body)));
        let name = proxy.address().replace("http://", "");
        published(to("http://rt.invalid").env("HTTP_PROXY", proxy.address())).is(
            exit,
            "",
            &format!("cent: http://rt.invalid/api/: {message} (by the proxy {name}); {remedy}\n"),
        );
        assert_eq!(proxy.requests().len(), 1);
    }
    let proxy = Server::v1().script(answered(&Response::new(200).body("<html>")));
    let name = proxy.address().replace("http://", "");
    published(to("http://rt.invalid").env("HTTP_PROXY", proxy.address())).is(
        4,
        "",
        &format!(
            "cent: http://rt.invalid/api/ (by the proxy {name}): the answer is HTML or XML, not JSON: it is not \
             Centrifugo's; {look}, and check the address\n"
        ),
    );
}

#[test]
fn what_comes_through_a_tunnel_is_the_servers_own() {
    for (status, exit, message) in [
        (407, 1, "proxy authentication required (407); check the address, and any proxy before the server"),
        (403, 1, "forbidden (403); check the address, and any proxy before the server"),
        (502, 4, "bad gateway (502); the command may have run: look before repeating"),
    ] {
        let (end, authority) = tunnelled(OPEN);
        end.server.add_script(answered(&Response::new(status)));
        let ran = published(through(&end.server.address(), &authority));
        ran.is(exit, "", &format!("cent: https://rt.invalid/api/: {message}\n"));
    }
}

#[test]
fn a_certificate_behind_a_tunnel_is_checked() {
    let (end, _) = tunnelled(OPEN);
    let name = end.server.address().replace("http://", "");
    let ran = published(through(&end.server.address(), &Authority::named("another")).args(&["--retry", "2"]));
    ran.is(
        3,
        "",
        &format!(
            "cent: https://rt.invalid/api/: the server's certificate is signed by an authority that is not trusted (by the \
             proxy {name}); nothing was sent: set SSL_CERT_FILE to the PEM file of that authority, or check the address\n"
        ),
    );
    assert_eq!((end.heads().len(), end.server.requests().len()), (1, 0));
}
