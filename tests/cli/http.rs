//! Requests as sent, responses of all kinds, and the messages for rejections and failures.

use std::time::{Duration, Instant};

use crate::support::cli::{Cent, cent};
use crate::support::server::{
    API_KEY, Centrifugo, ClosedPort, GARBAGE, HangingServer, Response, SECRET, Script, Server, Step,
    fail_during_request, fail_during_response, plain_http_to_tls_port, reject, respond, sign,
};
use crate::{ApiForm, Legacy, PLAIN, V1};

const CHECK_HINT: &str = "the command may have been executed: check before retrying";

/// A publish of [`PLAIN`].
fn publish(cent: Cent) -> Cent {
    cent.args(&["bananas", "publish", "--params", PLAIN])
}

/// Enough for megabytes from a debug build on a busy machine.
const LONG_TIMEOUT: &str = "--timeout=60";

/// Publishes to a server with this script; checks exit status, message and that there was one request.
#[track_caller]
fn assert_fails(form: ApiForm, script: Script, exit: i32, message: &str) {
    let server = form.server().script(script);
    let url = form.url(&server.address());
    publish(form.cent(&server)).arg(LONG_TIMEOUT).run().assert_output(exit, "", &format!("cent: {url}: {message}\n"));
    assert_eq!(server.wait_for_requests(1).len(), 1);
}

#[track_caller]
fn assert_response_fails(form: ApiForm, response: &Response, exit: i32, message: &str) {
    assert_fails(form, respond(response), exit, message);
}

fn status(status: u16) -> Response {
    Response::new(status)
}

#[test]
fn signed_request_matches_v1_form() {
    let server = V1.server();
    publish(V1.cent(&server)).run().assert_output(0, V1.published(), "");
    let request = &server.requests()[0];
    let body = r#"[{"method":"publish","params":{"channel": "plain:a", "data": 1}}]"#;
    let head = format!(
        "POST /api/ HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         user-agent: cent/{}\r\nx-api-sign: {}\r\n\r\n",
        server.port(),
        body.len(),
        env!("CARGO_PKG_VERSION"),
        sign(SECRET, body.as_bytes()),
    );
    assert_eq!(String::from_utf8_lossy(&request.raw), head + body);
}

#[test]
fn api_key_request_matches_legacy_form() {
    let server = Legacy.server();
    publish(Legacy.cent(&server)).run().assert_output(0, Legacy.published(), "");
    let request = &server.requests()[0];
    let body = r#"{"method":"publish","params":{"channel": "plain:a", "data": 1}}"#;
    let head = format!(
        "POST /api HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         user-agent: cent/{}\r\nauthorization: apikey {API_KEY}\r\n\r\n",
        server.port(),
        body.len(),
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(String::from_utf8_lossy(&request.raw), head + body);
}

#[test]
fn address_allows_prefix_slash_and_api() {
    for form in ApiForm::ALL {
        for end in ["", "/", "/api", "/api/"] {
            let server = Server::start(form.centrifugo().with_prefix("/rt"));
            publish(form.cent_at(&format!("{}/rt{end}", server.address()))).run().assert_output(
                0,
                form.published(),
                "",
            );
        }
    }
}

#[test]
fn secret_accepts_all_printable_ascii() {
    for c in '!'..='~' {
        let secret = format!("{c}x{c}y{c}");
        let server = Server::start(Centrifugo::version(1).with_credential(&secret));
        let text = secret.replace('%', "%%");
        let config = format!("[bananas]\naddress = {}\nsecret = {text}\n", server.address());
        publish(cent().config(config)).run().assert_output(0, V1.published(), "");
    }
}

#[test]
fn credentials_from_files_are_used() {
    for (form, key, content) in [(V1, "secret_file", SECRET), (Legacy, "api_key_file", API_KEY)] {
        let server = form.server();
        let config = format!("[bananas]\naddress = {}\n{key} = hidden\n", server.address());
        let cent = cent().config(config).file("hidden", format!("{content}\r\n"));
        publish(cent).run().assert_output(0, form.published(), "");
    }
}

#[test]
fn wrong_credential_is_unauthorized() {
    for (form, hint) in [
        (V1, "wrong secret: copy it from the server's config"),
        (Legacy, "wrong API key, or none configured on the server: copy api_key from the server's config"),
    ] {
        let server = Server::start(form.centrifugo().with_credential("another"));
        let url = form.url(&server.address());
        let message = format!("cent: {url}: unauthorized (401); {hint}\n");
        publish(form.cent(&server)).run().assert_output(1, "", &message);
        assert!(server.centrifugo().executed().is_empty());
    }
}

#[test]
fn early_rejection_of_large_body_is_reported() {
    let server = Server::start(Centrifugo::version(6).with_credential("another"));
    let params = format!(r#"{{"channel": "a", "data": "{}"}}"#, "x".repeat(20_000_000));
    let output = Legacy.cent(&server).stdin_bytes(params.clone()).args(&["bananas", "publish", LONG_TIMEOUT]).run();
    let hint = "wrong API key, or none configured on the server: copy api_key from the server's config";
    output.assert_output(1, "", &format!("cent: {}/api: unauthorized (401); {hint}\n", server.address()));
    assert!(server.requests()[0].body().len() < params.len());
    // Also if the other side leaves the connection open and stops reading.
    for form in ApiForm::ALL {
        let server =
            form.server().script(vec![Step::Read(1000), Step::respond(&Response::plain(413, "no")), Step::Hang]);
        let output = form.cent(&server).stdin_bytes(params.clone()).args(&["bananas", "publish", LONG_TIMEOUT]).run();
        assert_eq!(output.exit_code(), Some(1), "{}", output.stderr());
        assert!(
            output.stderr().contains(" bytes is too large (413); send less data, or raise the limit"),
            "{}",
            output.stderr()
        );
    }
}

#[test]
fn wrong_credential_type_names_correct_one() {
    let later = Legacy.server();
    let message = "not found (404); for Centrifugo 2 or later, set api_key instead of secret; otherwise check the \
                   path and port of the address";
    let text = format!("cent: {}/api/: {message}\n", later.address());
    publish(V1.cent(&later)).run().assert_output(1, "", &text);

    let first = V1.server();
    let message = "redirected (301) to /api/; this is Centrifugo 1: set secret instead of api_key";
    let text = format!("cent: {}/api: {message}\n", first.address());
    publish(Legacy.cent(&first)).run().assert_output(1, "", &text);
}

#[test]
fn redirects_are_reported_without_query() {
    for (form, code) in [(V1, 301), (Legacy, 302), (V1, 307), (Legacy, 308), (V1, 303)] {
        let moved = status(code).header("Location", "https://user:marked@elsewhere.example/x?token=marked#marked");
        let hint = "redirects are not followed: set address to the final URL";
        assert_response_fails(form, &moved, 1, &format!("redirected ({code}) to https://elsewhere.example/x; {hint}"));
    }
    let hint = "redirects are not followed: set address to the final URL";
    assert_response_fails(V1, &status(304), 1, &format!("redirected (304) without a Location header; {hint}"));
}

#[test]
fn http_status_maps_to_exit_status() {
    let retry_hint = "nothing was accepted: try again later";
    let address = "check the address and any proxy in front of the server";
    for form in ApiForm::ALL {
        for (code, exit, message) in [
            (403, 1, format!("forbidden (403); {address}")),
            (405, 1, format!("method not allowed (405); {address}")),
            (418, 1, format!("HTTP status 418; {address}")),
            (408, 3, format!("request timeout (408); {retry_hint}")),
            (425, 3, format!("too early (425); {retry_hint}")),
            (429, 3, format!("too many requests (429); {retry_hint}")),
            (503, 3, format!("service unavailable (503); {retry_hint}")),
            (500, 4, format!("internal server error (500); {CHECK_HINT}")),
            (502, 4, format!("bad gateway (502); {CHECK_HINT}")),
            (504, 4, format!("gateway timeout (504); {CHECK_HINT}")),
            (201, 4, format!("HTTP status 201; {CHECK_HINT}")),
            (204, 4, format!("HTTP status 204; {CHECK_HINT}")),
        ] {
            assert_fails(form, reject(&status(code)), exit, &message);
        }
        assert_fails(
            form,
            reject(&Response::plain(503, "upstream is gone")),
            4,
            &format!("service unavailable (503); {CHECK_HINT}"),
        );
    }
}

#[test]
fn plain_http_to_tls_port_is_reported() {
    for form in ApiForm::ALL {
        let hint = "the server requires TLS: use https:// in the address";
        assert_fails(form, plain_http_to_tls_port(), 1, &format!("bad request (400); {hint}"));
    }
}

#[test]
fn bad_request_lists_possible_causes() {
    assert_response_fails(
        V1,
        &Response::plain(400, "Bad Request"),
        1,
        "bad request (400); check the types of the params; a server without a secret responds the same way",
    );
    assert_response_fails(
        Legacy,
        &Response::plain(400, "Bad Request"),
        1,
        "bad request (400); check the params; this server version may not support the method or this nesting depth",
    );
}

#[test]
fn invalid_response_is_unknown() {
    let hint = format!("{CHECK_HINT}, and check the address");
    for form in ApiForm::ALL {
        let page = Response::plain(200, "<html><body>Welcome</body></html>");
        assert_response_fails(
            form,
            &page,
            4,
            &format!("response is HTML or XML, not JSON: not a Centrifugo API; {hint}"),
        );
        assert_response_fails(form, &Response::json("nonsense"), 4, &format!("invalid JSON in the response; {hint}"));
        assert_response_fails(form, &Response::json("[{"), 4, &format!("truncated response; {hint}"));
    }
    assert_response_fails(V1, &status(200), 4, &format!("empty response; {hint}"));
    assert_response_fails(Legacy, &status(200), 4, &format!("expected 1 reply, got 0; {hint}"));
    assert_response_fails(
        V1,
        &Response::json("[1]"),
        4,
        &format!("unexpected JSON in the response: not a list of replies; {hint}"),
    );
    assert_response_fails(
        Legacy,
        &Response::json("[]"),
        4,
        &format!("unexpected JSON in the response: not a list of replies; {hint}"),
    );
}

#[test]
fn wrong_reply_count_is_unknown_and_printed() {
    let hint = format!("{CHECK_HINT}, and check the address");
    let none = format!("expected 1 reply, got 0; {hint}");
    assert_response_fails(V1, &V1.replies("", 0), 4, &none);
    for (form, reply) in [(V1, r#"{"method":"publish","error":null,"body":null}"#), (Legacy, "{}")] {
        let server = form.server().script(respond(&form.replies(reply, 2)));
        let output = publish(form.cent(&server)).arg("-c").run();
        let text = format!("cent: {}: expected 1 reply, got 2; {hint}\n", form.url(&server.address()));
        output.assert_output(4, &format!("[{reply},{reply}]\n"), &text);
    }
}

#[test]
fn unrecognized_reply_is_unknown_and_printed() {
    for (form, reply) in [(V1, r#"{"error":1}"#), (Legacy, r#"{"message":"hi"}"#)] {
        let server = form.server().script(respond(&form.replies(reply, 1)));
        let text = format!("cent: {}: publish: unrecognized reply; {CHECK_HINT}\n", form.url(&server.address()));
        publish(form.cent(&server)).arg("-c").run().assert_output(4, &format!("[{reply}]\n"), &text);
    }
}

#[test]
fn overlong_headers_are_reported() {
    for form in ApiForm::ALL {
        let long = Response::new(200).header("X-Long", &"x".repeat(20_000));
        assert_response_fails(form, &long, 4, &format!("response headers too large; {CHECK_HINT}"));
    }
}

#[test]
fn interim_response_does_not_stop_upload() {
    for form in ApiForm::ALL {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
        let server = form.server().script(vec![Step::Read(1000), Step::Send(interim), Step::Execute, Step::SendRest]);
        let params = format!(r#"{{"channel": "plain:a", "data": "{}"}}"#, "x".repeat(20_000_000));
        let output = form.cent(&server).stdin_bytes(params).args(&["bananas", "publish", LONG_TIMEOUT]).run();
        output.assert_output(0, form.published(), "");
    }
}

#[test]
fn response_over_64_mb_is_an_error() {
    for form in ApiForm::ALL {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
        let script = vec![Step::Execute, Step::Send(head), Step::SendRepeated(vec![b' '; 1_000_000], 100), Step::Close];
        assert_fails(form, script, 4, &format!("response larger than 64 MB; {CHECK_HINT}"));
    }
}

#[test]
fn lost_connection_is_unknown() {
    let closed = format!("connection closed before the response was complete; {CHECK_HINT}");
    let reset = format!("connection lost: connection reset by peer; {CHECK_HINT}");
    for form in ApiForm::ALL {
        assert_fails(form, fail_during_request(1, Step::Close), 4, &closed);
        assert_fails(form, fail_during_response(0, Step::Close), 4, &closed);
        assert_fails(form, fail_during_response(60, Step::Close), 4, &closed);
        assert_fails(form, fail_during_response(0, Step::Reset), 4, &reset);
        assert_fails(
            form,
            vec![Step::Execute, Step::Send(GARBAGE.to_vec()), Step::Close],
            4,
            &format!("invalid HTTP response; {CHECK_HINT}"),
        );
    }
}

#[test]
fn connection_refused_is_not_accepted() {
    for form in ApiForm::ALL {
        let port = ClosedPort::bind();
        let host = port.address().replace("http://", "");
        let text = format!(
            "cent: {}: could not connect to {host}: connection refused; nothing was sent: check that the server is \
             running and the port is correct\n",
            form.url(&port.address())
        );
        publish(form.cent_at(&port.address())).run().assert_output(3, "", &text);
    }
}

#[test]
fn dns_failure_is_not_accepted() {
    // RFC 6761 reserves .invalid: no resolver may find a host there.
    let output = publish(V1.cent_at("http://nowhere.invalid:8000")).run();
    assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(3), ""), "{}", output.stderr());
    let text = output.stderr();
    assert!(
        text.starts_with("cent: http://nowhere.invalid:8000/api/: could not resolve host nowhere.invalid: "),
        "{text}"
    );
    assert!(text.ends_with("; nothing was sent: check the hostname and the network\n"), "{text}");
}

/// Publishes with a timeout of one second, which is enough to connect on a busy machine; checks that the call does not
/// take much longer.
#[track_caller]
fn assert_times_out(form: ApiForm, address: &str) {
    let start = Instant::now();
    let output = publish(form.cent_at(address)).args(&["--timeout", "1"]).run();
    let message = format!("timed out after 1 s waiting for a response; {CHECK_HINT}, or raise the timeout");
    output.assert_output(4, "", &format!("cent: {}: {message}\n", form.url(address)));
    // Well above the timeout, for a busy machine; well below the default of five seconds.
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn waits_until_timeout() {
    // In parallel, because each takes the whole timeout.
    std::thread::scope(|scope| {
        for form in ApiForm::ALL {
            for script in [
                vec![Step::Hang],
                fail_during_request(50, Step::Hang),
                fail_during_response(0, Step::Hang),
                fail_during_response(30, Step::Hang),
                vec![Step::Execute, Step::SendSlowly(Duration::from_millis(50))],
            ] {
                scope.spawn(move || {
                    let server = form.server().script(script);
                    assert_times_out(form, &server.address());
                    assert_eq!(server.wait_for_requests(1).len(), 1);
                });
            }
            scope.spawn(move || assert_times_out(form, &HangingServer::start().address()));
        }
    });
}

#[test]
fn timeout_option_overrides_section() {
    let server = HangingServer::start();
    let with_timeout = |seconds: &str| {
        cent().config(format!("[bananas]\naddress = {}\nsecret = s\ntimeout = {seconds}\n", server.address()))
    };
    let text = |seconds: &str| {
        format!(
            "cent: {}/api/: timed out after {seconds} s waiting for a response; {CHECK_HINT}, or raise the timeout\n",
            server.address()
        )
    };
    publish(with_timeout("0.75")).run().assert_output(4, "", &text("0.75"));
    publish(with_timeout("60")).args(&["--timeout=1.25"]).run().assert_output(4, "", &text("1.25"));
}
