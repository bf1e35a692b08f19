//! Responses of proxies, of other protocols, and at the limits of HTTP.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener};
use std::thread;
use std::time::Duration;

use crate::support::cli::{Cent, cent};
use crate::support::server::{ApiForm, FullBacklog, HangingServer, Response, Script, Step, reject, respond};
use crate::{Current, Legacy, PLAIN, V1};

const CHECK_HINT: &str = "the command may have been executed: check before retrying";

fn publish(cent: Cent) -> Cent {
    cent.args(&["bananas", "publish", "--retry=1", "--params", PLAIN])
}

/// Publishes to a server with this script; checks exit status, message, and that there was one request.
#[track_caller]
fn assert_fails(form: ApiForm, script: Script, exit: i32, message: &str) {
    let server = form.server().script(script);
    let url = Current.url(&server.address());
    let url = if form == V1 { V1.url(&server.address()) } else { url };
    publish(form.cent(&server)).run().assert_output(exit, "", &format!("cent: {url}: {message}\n"));
    assert_eq!(server.wait_for_requests(1).len(), 1);
}

/// A response with this head, and with the reply to a publish as its body.
fn response(head: &str, form: ApiForm) -> Vec<u8> {
    let body = form.response_body(&[form.publish_reply()]);
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{head}\r\n{body}", body.len()).into_bytes()
}

#[track_caller]
fn assert_accepted(form: ApiForm, response: Vec<u8>) {
    let server = form.server().script(vec![Step::Execute, Step::Send(response)]);
    publish(form.cent(&server)).run().assert_output(0, form.published(), "");
}

#[test]
fn response_head_may_be_large() {
    for form in [V1, Current] {
        for bytes in [16_000, 17_000, 70_000, 255_000] {
            assert_accepted(form, response(&format!("X-Long: {}\r\n", "x".repeat(bytes)), form));
        }
    }
}

#[test]
fn response_head_may_arrive_in_pieces() {
    let sent = response("X-Piece: a\r\n", V1);
    for length in [1, 2, 60] {
        let pieces = sent.chunks(length).map(|piece| Step::Send(piece.to_vec()));
        let server = V1.server().script([Step::Execute].into_iter().chain(pieces).collect());
        publish(V1.cent(&server)).run().assert_output(0, V1.published(), "");
    }
}

#[test]
fn limits_of_responses_are_named() {
    let script = |bytes: Vec<u8>| vec![Step::Execute, Step::Send(bytes), Step::Close];
    for form in [V1, Current] {
        let long = response(&format!("X-Long: {}\r\n", "x".repeat(300_000)), form);
        assert_fails(form, script(long), 4, &format!("response headers larger than 256 KB; {CHECK_HINT}"));
        let many = response(&"X: x\r\n".repeat(128), form);
        assert_fails(form, script(many), 4, &format!("response has more than 128 headers; {CHECK_HINT}"));
        let chunk = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(300));
        let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let message = format!("response has an invalid chunk, or chunk extensions over 20 bytes; {CHECK_HINT}");
        assert_fails(form, vec![Step::Execute, Step::Send(chunked.into()), Step::Hang], 4, &message);
        for (head, reason) in [
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", "chunks in HTTP/1.0"),
            ("HTTP/1.1 2OO OK\r\nContent-Length: 2", "invalid response status"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3", "conflicting content-length headers"),
            ("HTTP/1.1 200 OK\r\nX: folded\r\n line\r\nContent-Length: 2", "invalid header name"),
        ] {
            let sent = format!("{head}\r\n\r\n{{}}").into_bytes();
            let message = format!("invalid HTTP response ({reason}); {CHECK_HINT}");
            assert_fails(form, script(sent), 4, &message);
        }
    }
}

#[test]
fn other_protocols_are_named() {
    // SETTINGS, as gRPC servers send it first; GOAWAY; a TLS alert.
    let http2 =
        "the server accepts only HTTP/2 on this port, as for gRPC; nothing was accepted: use the port of the HTTP API";
    let tls = "the server requires TLS on this port; nothing was accepted: use https:// in the address";
    for (sent, message) in [
        (&b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0"[..], http2),
        (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01", http2),
        (b"\x15\x03\x01\0\x02\x02\x46", tls),
    ] {
        for form in [V1, Current] {
            for end in [Step::Close, Step::Hang] {
                assert_fails(form, vec![Step::Read(1), Step::Send(sent.to_vec()), end], 3, message);
            }
        }
    }
}

#[test]
fn compressed_response_is_named() {
    let compressed = |coding: Option<&str>, body: &[u8]| {
        let response = Response { body: body.to_vec(), ..Response::json("") };
        respond(&coding.iter().fold(response, |response, coding| response.header("Content-Encoding", coding)))
    };
    let hint = format!("{CHECK_HINT}, and turn off compression in the server or proxy");
    for form in [V1, Current] {
        for (coding, body, name) in [
            (Some("gzip"), &b"\x1f\x8b\x08\0\0\0\0\0"[..], "gzip"),
            (None, b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
            (Some("br"), b"\x0b\x02\x80", "br"),
            (Some("deflate"), b"\x78\x9c\xab", "deflate"),
            (Some("zstd"), b"\x28\xb5\x2f\xfd\x04", "zstd"),
        ] {
            let message = format!("response is compressed ({name}), which was not requested; {hint}");
            assert_fails(form, compressed(coding, body), 4, &message);
        }
    }
    // Some proxies keep the header of what they have decompressed.
    let server = Current.server().script(compressed(Some("gzip"), b"{\"result\": {}}"));
    publish(Current.cent(&server)).run().assert_output(0, Current.published(), "");
}

fn page(status: u16, text: &str) -> Response {
    let body = format!("<html>\r\n<head><title>{text}</title></head>\r\n<body>{text}</body>\r\n</html>\r\n");
    Response { body: body.into_bytes(), ..Response::new(status).header("Content-Type", "text/html") }
}

#[test]
fn problem_with_client_certificate_is_rejected() {
    for (status, name, text, hint) in [
        (
            400,
            "bad request",
            "400 No required SSL certificate was sent",
            "the server requires a client certificate: set client_cert_file, or use an address that does not \
             require one",
        ),
        (
            400,
            "bad request",
            "400 The SSL certificate error",
            "the server rejected the client certificate: use a valid certificate of a CA that the server trusts for clients",
        ),
        (
            403,
            "forbidden",
            "Reason: Cannot perform Post-Handshake Authentication.",
            "the server requires a client certificate for some paths only, which is not supported: make it require one for \
             all",
        ),
    ] {
        // A page with status 403 makes others try the older form.
        for form in ApiForm::ALL.into_iter().filter(|form| status == 400 || *form == V1) {
            assert_fails(form, reject(&page(status, text)), 1, &format!("{name} ({status}); {hint}"));
            // Nothing was executed of several commands either, and no command is to blame.
            let server = form.server().script(reject(&page(status, text)));
            let line = format!("{PLAIN}\n");
            let output = form.cent(&server).stdin_bytes(line.repeat(3)).args(&["bananas", "publish", "--lines"]).run();
            assert_eq!(output.exit_code(), Some(1), "{}", output.stderr());
            assert!(output.stderr().contains(&format!(": {name} ({status}); {hint}")), "{}", output.stderr());
            assert_eq!((server.requests().len(), server.centrifugo().executed().len()), (1, 0));
        }
    }
}

#[test]
fn pages_of_proxies_are_told_from_responses_of_centrifugo() {
    let login = "use an address that does not require one";
    let basic = page(401, "401 Authorization Required").header("WWW-Authenticate", "Basic realm=\"x\"");
    let page_hint = "the response is a page of a proxy: check the address and the proxy in front of the server";
    for form in [V1, Current] {
        let message = format!("unauthorized (401); a proxy in front of the server requires a login (Basic): {login}");
        assert_fails(form, reject(&basic), 1, &message);
        assert_fails(form, reject(&page(401, "no")), 1, &format!("unauthorized (401); {page_hint}"));
        assert_fails(form, reject(&page(400, "Bad request")), 1, &format!("bad request (400); {page_hint}"));
        let message = "request headers too large (431); shorten the API key, or raise the limit of the proxy in front of \
                       the server";
        assert_fails(form, reject(&page(431, "no")), 1, message);
        assert_fails(form, reject(&page(414, "no")), 1, "URI too long (414); shorten the address or the method");
    }
}

#[test]
fn redirects_of_proxies_have_own_hints() {
    let server = Current.server();
    let (address, port) = (server.address(), server.port());
    for (location, hint) in [
        (format!("{address}/api/publish/"), "a proxy adds a slash: make it pass the path without one"),
        ("/api/publish/".to_owned(), "a proxy adds a slash: make it pass the path without one"),
        (format!("https://127.0.0.1:{port}/api/publish"), "the server requires TLS: use https:// in the address"),
        ("https://127.0.0.1/api/publish".to_owned(), "the server requires TLS: use https:// in the address"),
        (
            "/login".to_owned(),
            "a proxy in front of the server requires a login: use an address that does not require one",
        ),
        ("http://elsewhere.example/".to_owned(), "redirects are not followed: set address to the final URL"),
    ] {
        // An empty request to the same path gets the same.
        let moved = page(302, "302 Found").header("Location", &location);
        (0..2).for_each(|_| server.add_script(vec![Step::ReadAll, Step::respond(&moved)]));
        let message = format!("cent: {address}/api/publish: redirected (302) to {location}; {hint}\n");
        publish(Current.cent(&server)).run().assert_output(1, "", &message);
    }
}

#[test]
fn slash_added_to_older_form_is_not_centrifugo_1() {
    let server = Legacy.server();
    let location = format!("{}/api/", server.address());
    // Centrifugo keeps the connection after a 404.
    server.add_script(vec![Step::ReadAll, Step::respond(&Response::plain(404, "404 page not found\n"))]);
    let moved = page(301, "301 Moved Permanently").header("Location", &location);
    (0..2).for_each(|_| server.add_script(vec![Step::ReadAll, Step::respond(&moved)]));
    let hint = "a proxy adds a slash: make it pass the path without one";
    let message = format!("cent: {}/api: redirected (301) to {location}; {hint}\n", server.address());
    publish(Legacy.cent(&server)).run().assert_output(1, "", &message);
}

#[test]
fn quotes_and_comments_in_credential_are_named() {
    let quotes = "the quotes around it are part of the value: remove them";
    let comment = "the text after a ; or # is part of the value: put a comment on a line of its own";
    let secret = "wrong secret: copy it from the server's config";
    let key = "wrong API key, or the server has none: your api_key must equal http_api.key in the \
               server's config (before Centrifugo 6: api_key there)";
    for (form, value, hint) in [
        (V1, "\"x\"", format!("{secret}; {quotes}")),
        (V1, "'x'", format!("{secret}; {quotes}")),
        (V1, "x ; note", format!("{secret}; {comment}")),
        (V1, "x # note", format!("{secret}; {comment}")),
        (V1, "x;#note\"", secret.to_owned()),
        (Current, "\"x\"", format!("{key}; {quotes}")),
    ] {
        let server = form.server();
        let config = format!("[bananas]\naddress = {}\n{} = {value}\n", server.address(), form.config_key());
        let message = format!("cent: {}: unauthorized (401); {hint}\n", form.url(&server.address()));
        publish(cent().config(config)).run().assert_output(1, "", &message);
    }
    let config = "[bananas]\naddress = http://h\napi_key = x ; note\n";
    let message = format!("cent: ~/.centrc: line 3: API key contains a space; {comment}\n");
    publish(cent().config(config)).run().assert_output(2, "", &message);
}

#[test]
fn methods_of_later_versions_are_named() {
    let bad_request = reject(&Response::plain(400, "Bad Request\n"));
    for (method, params, since) in [
        ("broadcast", r#"{"channels": ["a"], "data": 1}"#, "; broadcast needs Centrifugo 1.2.0 or later"),
        ("node", "{}", "; node needs Centrifugo 1.4.0 or later"),
        ("stats", "{}", ""),
    ] {
        let server = V1.server().script(bad_request.clone());
        let message = format!(
            "cent: {}/api/: bad request (400); check the types of the params{since}; a server without a secret responds \
             the same way\n",
            server.address()
        );
        V1.cent(&server).args(&["bananas", method, "--params", params]).run().assert_output(1, "", &message);
    }
}

#[test]
fn overlong_values_are_invalid_before_anything_is_sent() {
    let server = Current.server().expect_no_connection();
    let address = server.address();
    let config = |address: &str, key: &str| cent().config(format!("[bananas]\naddress = {address}\napi_key = {key}\n"));
    let message = "cent: ~/.centrc: line 3: API key longer than 8 KB; copy it from the server's config\n";
    publish(config(&address, &"k".repeat(16_000))).run().assert_output(2, "", message);
    let message = "cent: ~/.centrc: line 2: address longer than 8 KB; shorten it\n";
    let long = format!("{address}/{}", "x".repeat(16_000));
    publish(config(&long, "k")).run().assert_output(2, "", message);
}

#[test]
fn overlong_method_is_invalid() {
    let server = Current.server().allow_no_connection();
    let method = "x".repeat(17_000);
    let output = Current.cent(&server).args(&["bananas", &method]).run();
    assert_eq!(output.exit_code(), Some(2), "{}", output.stderr());
    let hint = ": request line or header larger than 16 KB; shorten the address, the API key or the method\n";
    assert!(output.stderr().ends_with(hint), "{}", output.stderr());
    assert!(server.centrifugo().executed().is_empty());
}

#[test]
fn timeout_names_its_phase() {
    let hint = "nothing was sent: check the address, or raise the timeout";
    let proxy_hint = "nothing was sent: check the proxy URL and the address, or raise the timeout";
    let timed_out = |cent: Cent| cent.args(&["bananas", "publish", "--timeout=0.3", "--params", PLAIN]).run();
    let (full, silent) = (FullBacklog::bind(), HangingServer::start());
    let host = |address: &str| address.replace("http://", "");
    let output = timed_out(Current.cent_at(&full.address()));
    let during = format!("while connecting to {}", host(&full.address()));
    output.assert_output(
        3,
        "",
        &format!("cent: {}/api/publish: timed out after 0.3 s {during}; {hint}\n", full.address()),
    );
    let address = silent.address().replace("http:", "https:");
    let output = timed_out(Current.cent_at(&address));
    output.assert_output(
        3,
        "",
        &format!("cent: {address}/api/publish: timed out after 0.3 s in the TLS handshake; {hint}\n"),
    );
    let url = "https://h.example:8443/api/publish";
    let tunnel = |proxy: &str| timed_out(Current.cent_at("https://h.example:8443").env("https_proxy", proxy));
    let during = format!("while connecting to proxy {}", host(&full.address()));
    let message = format!("cent: {url}: timed out after 0.3 s {during}; {proxy_hint}\n");
    tunnel(&full.address()).assert_output(3, "", &message);
    let during = format!("while proxy {} connected to h.example:8443", host(&silent.address()));
    let message = format!("cent: {url}: timed out after 0.3 s {during}; {proxy_hint}\n");
    tunnel(&silent.address()).assert_output(3, "", &message);
}

#[test]
fn ipv6_address_has_brackets() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
    let port = listener.local_addr().expect("the socket is bound").port();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().expect("the client connects").0;
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("the socket is open");
        let (mut request, mut buffer) = (Vec::new(), [0; 1000]);
        while !request.ends_with(PLAIN.as_bytes()) {
            let count = stream.read(&mut buffer).expect("the client sends");
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(&response("Connection: close\r\n", Current)).expect("the client reads");
        String::from_utf8(request).expect("it is text")
    });
    let address = format!("http://[::1]:{port}");
    let output = publish(Current.cent_at(&address)).run();
    output.assert_output(0, Current.published(), "");
    let request = server.join().expect("the server saw a request");
    assert!(request.contains(&format!("\r\nhost: [::1]:{port}\r\n")), "{request}");
    // Nobody listens there now.
    let message = format!(
        "cent: {address}/api/publish: could not connect to [::1]:{port}: connection refused; nothing was sent: check that \
         the server is running and the port is correct\n"
    );
    Current.cent_at(&address).args(&["bananas", "publish", "--params", PLAIN]).run().assert_output(3, "", &message);
}
