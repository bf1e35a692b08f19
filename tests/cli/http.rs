//! Requests as sent, responses of all kinds, and the messages for rejections and failures.

use std::time::{Duration, Instant};

use crate::ApiForm::Current;
use crate::numbers::{lines, received};
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

/// Publishes to a server with this script; checks exit status, message and that nothing is sent after it.
#[track_caller]
fn assert_fails(form: ApiForm, script: Script, exit: i32, message: &str) {
    let server = form.server().script_for(form, script);
    let url = form.url(&server.address());
    publish(form.cent(&server)).arg(LONG_TIMEOUT).run().assert_output(exit, "", &format!("cent: {url}: {message}\n"));
    let requests = 1 + form.requests_before();
    assert_eq!(server.wait_for_requests(requests).len(), requests);
}

#[track_caller]
fn assert_response_fails(form: ApiForm, response: &Response, exit: i32, message: &str) {
    assert_fails(form, respond(response), exit, message);
}

fn status(status: u16) -> Response {
    Response::new(status)
}

/// The paths of all requests.
fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path.clone()).collect()
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

/// The exact bytes of a request with an API key.
fn request_with_key(server: &Server, path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         user-agent: cent/{}\r\nauthorization: apikey {API_KEY}\r\n\r\n{body}",
        server.port(),
        body.len(),
        env!("CARGO_PKG_VERSION"),
    )
}

#[test]
fn api_key_request_matches_current_form() {
    for major in [5, 6, 7] {
        let server = Server::version(major);
        publish(Current.cent(&server)).run().assert_output(0, Current.published(), "");
        let [request] = &server.requests()[..] else { panic!("there is one request") };
        assert_eq!(String::from_utf8_lossy(&request.raw), request_with_key(&server, "/api/publish", PLAIN));
    }
}

#[test]
fn legacy_form_follows_on_the_same_connection() {
    for (major, stdout) in [(2, "[\n  {}\n]\n"), (3, Legacy.published()), (4, Legacy.published())] {
        let server = Server::version(major);
        publish(Legacy.cent(&server)).run().assert_output(0, stdout, "");
        let [current, legacy] = &server.requests()[..] else { panic!("there are two requests") };
        assert_eq!(String::from_utf8_lossy(&current.raw), request_with_key(&server, "/api/publish", PLAIN));
        let body = r#"{"method":"publish","params":{"channel": "plain:a", "data": 1}}"#;
        assert_eq!(String::from_utf8_lossy(&legacy.raw), request_with_key(&server, "/api", body));
        assert_eq!((server.connections(), server.centrifugo().delivered().len()), (1, 1), "{major}");
    }
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
    for (form, key, content) in
        [(V1, "secret_file", SECRET), (Legacy, "api_key_file", API_KEY), (Current, "api_key_file", API_KEY)]
    {
        let server = form.server();
        let config = format!("[bananas]\naddress = {}\n{key} = hidden\n", server.address());
        let cent = cent().config(config).file("hidden", format!("{content}\r\n"));
        publish(cent).run().assert_output(0, form.published(), "");
    }
}

const WRONG_KEY: &str = "unauthorized (401); wrong API key, or the server has none: your api_key must equal \
                         http_api.key in the server's config (before Centrifugo 6: api_key there)";

#[test]
fn wrong_credential_is_unauthorized() {
    let wrong_secret = "unauthorized (401); wrong secret: copy it from the server's config";
    for major in 1..=7 {
        let form = ApiForm::of_version(major);
        let server = Server::start(Centrifugo::version(major).with_credential("another"));
        let (url, message) = (form.url(&server.address()), if major == 1 { wrong_secret } else { WRONG_KEY });
        publish(form.cent(&server)).run().assert_output(1, "", &format!("cent: {url}: {message}\n"));
        assert_eq!(server.requests().len(), 1 + form.requests_before());
        assert!(server.centrifugo().executed().is_empty());
    }
}

#[test]
fn early_rejection_of_large_body_is_reported() {
    let params = format!(r#"{{"channel": "a", "data": "{}"}}"#, "x".repeat(20_000_000));
    for form in [Legacy, Current] {
        let server = Server::start(form.centrifugo().with_credential("another"));
        let output = form.cent(&server).stdin_bytes(params.clone()).args(&["bananas", "publish", LONG_TIMEOUT]).run();
        output.assert_output(1, "", &format!("cent: {}: {WRONG_KEY}\n", form.url(&server.address())));
        assert_eq!(server.requests().len(), 1 + form.requests_before());
        assert!(server.requests().iter().all(|request| request.body().len() < params.len()));
    }
    // Also if the other side leaves the connection open and stops reading.
    for form in ApiForm::ALL {
        let script = vec![Step::Read(1000), Step::respond(&Response::plain(413, "no")), Step::Hang];
        let server = form.server().script_for(form, script);
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
fn large_body_is_sent_again_in_legacy_form() {
    let params = format!(r#"{{"channel": "plain:a", "data": "{}"}}"#, "x".repeat(20_000_000));
    let server = Legacy.server();
    let output = Legacy.cent(&server).stdin_bytes(params.clone()).args(&["bananas", "publish", LONG_TIMEOUT]).run();
    output.assert_output(0, Legacy.published(), "");
    assert_eq!(paths(&server), ["/api/publish", "/api"]);
    // The 404 came before the body was through, and ended the connection.
    assert!(server.requests()[0].body().len() < params.len());
    assert_eq!((server.connections(), server.centrifugo().delivered().len()), (2, 1));
}

#[test]
fn secret_for_later_version_names_api_key() {
    let message = "not found (404); for Centrifugo 2 or later, set api_key instead of secret; otherwise check the \
                   path and port of the address";
    for major in 2..=7 {
        let server = Server::version(major);
        let text = format!("cent: {}/api/: {message}\n", server.address());
        publish(V1.cent(&server)).run().assert_output(1, "", &text);
        assert_eq!(server.requests().len(), 1, "{major}");
    }
}

#[test]
fn api_key_for_version_1_names_secret() {
    let message = "bad request (400); this is Centrifugo 1: set secret instead of api_key";
    let v1 = || Centrifugo::version(1);
    for (centrifugo, path) in [(v1(), ""), (v1().insecure(), ""), (v1().with_prefix("/rt"), "/rt")] {
        let server = Server::start(centrifugo);
        let address = format!("{}{path}", server.address());
        let text = format!("cent: {address}/api/publish: {message}\n");
        publish(Current.cent_at(&address)).run().assert_output(1, "", &text);
        assert_eq!(paths(&server), [format!("{path}/api/publish"), format!("{path}/api")]);
        assert!(server.requests()[1].body().is_empty() && server.requests()[1].header("Authorization").is_none());
        assert!(server.centrifugo().executed().is_empty());
    }
}

#[test]
fn redirects_are_reported_without_query() {
    let hint = "redirects are not followed: set address to the final URL";
    // An empty request to the same path gets the same.
    let assert_redirected = |form: ApiForm, response: &Response, message: &str| {
        let script = vec![Step::ReadAll, Step::respond(response)];
        let server = form.server().script_for(form, script.clone()).script(script);
        let url = form.url(&server.address());
        publish(form.cent(&server)).run().assert_output(1, "", &format!("cent: {url}: {message}\n"));
        assert!(server.centrifugo().executed().is_empty());
    };
    for form in ApiForm::ALL {
        for code in [301, 302, 303, 307, 308] {
            let moved = status(code).header("Location", "https://user:marked@elsewhere.example/x?token=marked#marked");
            let message = format!("redirected ({code}) to https://elsewhere.example/x; {hint}");
            assert_redirected(form, &moved, &message);
        }
        assert_redirected(form, &status(304), &format!("redirected (304) without a Location header; {hint}"));
    }
}

#[test]
fn redirect_after_execution_is_unknown() {
    let page = "this is a page of a proxy: the command may have been executed: check before retrying";
    let moved = status(302).header("Location", "https://status.example.org/?from=api");
    let message = format!("redirected (302) to https://status.example.org/; {page}");
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, respond(&moved));
        let url = form.url(&server.address());
        publish(form.cent(&server)).run().assert_output(4, "", &format!("cent: {url}: {message}\n"));
        let server = form.server().script_for(form, respond(&moved));
        let url = form.batch_url(&server.address());
        let summary = "no lines accepted; lines 1-2 may have been executed: check them (sed -n 1,2p); no lines remain";
        let output = form.cent(&server).args(&["bananas", "publish", "--lines"]).stdin_bytes(lines(1..=2)).run();
        let message = message.replace("the command may", "the commands may");
        output.assert_output(4, "", &format!("cent: {url}: {message}\ncent: {summary}\n"));
        assert_eq!(received(&server), [1, 2]);
        let server = form.server().script_for(form, respond(&moved));
        let output = form.cent(&server).args(&["bananas", "history", "channel=plain:a"]).run();
        assert_eq!(output.exit_code(), Some(3), "{}", output.stderr());
        assert!(output.stderr().ends_with("; the method only reads: safe to retry\n"), "{}", output.stderr());
    }
}

#[test]
fn http_status_maps_to_exit_status() {
    let retry_hint = "nothing was accepted: try again later";
    let address = "check the address and any proxy in front of the server";
    for form in ApiForm::ALL {
        for (code, exit, message) in [
            (410, 1, format!("HTTP status 410; {address}")),
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

/// Type errors that the program does not find, because a later value of the same key is right.
#[test]
fn bad_request_of_later_version_does_not_name_secret() {
    for major in [5, 6, 7] {
        let server = Server::version(major);
        let params = r#"--params={"channel": 5, "channel": "plain:a", "data": 1}"#;
        let message = "bad request (400); check the params for wrong types, or nesting that is too deep";
        let text = format!("cent: {}/api/publish: {message}\n", server.address());
        Current.cent(&server).args(&["bananas", "publish", params]).run().assert_output(1, "", &text);
        // The second one asks whether it is version 1.
        assert_eq!(paths(&server), ["/api/publish", "/api"]);
        assert!(server.requests()[1].body().is_empty() && server.centrifugo().executed().is_empty());
    }
}

/// The methods that a message lists.
const KNOWN_METHODS: &str = "known methods: publish, broadcast, subscribe, unsubscribe, disconnect, refresh, presence, \
                             presence_stats, history, history_remove, channels, info, rpc, map_publish, map_remove, \
                             map_read_state, map_read_stream, map_stats, map_clear, shared_poll_publish";

#[test]
fn unknown_method_is_reported() {
    for major in 2..=7 {
        let server = Server::version(major);
        let hint = format!("unknown method puplic, or invalid params; {KNOWN_METHODS}");
        let (path, status) = if major < 7 { ("/api", "bad request (400)") } else { ("/api/puplic", "not found (404)") };
        let text = format!("cent: {}{path}: {status}; {hint}\n", server.address());
        Current.cent(&server).args(&["bananas", "puplic", "--params={}"]).run().assert_output(1, "", &text);
        let asked = if major < 7 { &["/api/puplic", "/api"][..] } else { &["/api/puplic", "/api", "/api/batch"] };
        assert_eq!(paths(&server), asked, "{major}");
        assert!(server.centrifugo().executed().is_empty());
    }
    // A method of a later version.
    let server = Server::version(5);
    let hint = "check the params; map_publish needs Centrifugo 6.8 or later";
    let text = format!("cent: {}/api: bad request (400); {hint}\n", server.address());
    let params = r#"--params={"channel": "a", "key": "k", "data": 1}"#;
    Current.cent(&server).args(&["bananas", "map_publish", params]).run().assert_output(1, "", &text);
}

#[test]
fn wrong_path_is_reported() {
    let hint =
        "check the path and port of the address: the API may be at another path, on an internal port, or disabled";
    for major in 2..=7 {
        let server = Server::version(major);
        let text = format!("cent: {}/rt/api: not found (404); {hint}\n", server.address());
        publish(Current.cent_at(&format!("{}/rt", server.address()))).run().assert_output(1, "", &text);
        // The third one asks whether only the method is missing.
        assert_eq!(paths(&server), ["/rt/api/publish", "/rt/api", "/rt/api/batch"]);
        assert!(server.requests()[2].body().is_empty() && server.requests()[2].header("Authorization").is_none());
        assert!(server.centrifugo().executed().is_empty());
    }
}

/// A proxy that passes only `/api`, and responds to other paths with a page of its own.
#[test]
fn page_of_a_proxy_is_followed_by_legacy_form() {
    for code in [403, 404, 405] {
        for content_type in ["text/html", "Text/HTML; charset=utf-8"] {
            let page = status(code).header("Content-Type", content_type).header("Connection", "close");
            let page = page.body("<html><body>nginx</body></html>");
            let again = vec![Step::ReadAll, Step::respond(&page), Step::Close];
            let server = Server::version(6).script(vec![Step::Read(100), Step::respond(&page), Step::Close]);
            let server = server.script(vec![Step::Execute, Step::SendRest]).script(again);
            publish(Current.cent(&server)).run().assert_output(0, Current.published(), "");
            assert_eq!(paths(&server), ["/api/publish", "/api", "/api/publish", "/api"]);
            assert_eq!(server.centrifugo().delivered().len(), 1);
        }
    }
}

/// A proxy that sends its own page after the command was executed.
#[test]
fn page_instead_of_a_response_is_unknown() {
    const BETWEEN: &str = "this is a page of a proxy: the command may have been executed: check before retrying";
    const ELSEWHERE: &str = "no Centrifugo responds at this address: check it";
    for (code, name) in [(403, "forbidden"), (404, "not found"), (405, "method not allowed")] {
        let page = status(code).header("Content-Type", "text/html").body("<html><body>nginx</body></html>");
        for form in ApiForm::ALL {
            let server = form.server().script_for(form, respond(&page));
            let url = form.url(&server.address());
            publish(form.cent(&server)).run().assert_output(
                4,
                "",
                &format!("cent: {url}: {name} ({code}); {BETWEEN}\n"),
            );
            assert_eq!(server.centrifugo().executed(), ["publish"]);
            let server = (0..4).fold(form.server(), |server, _| server.script(reject(&page)));
            let url = if form == V1 { form.url(&server.address()) } else { Current.url(&server.address()) };
            let text = format!("cent: {url}: {name} ({code}); {ELSEWHERE}; if it is right, {CHECK_HINT}\n");
            publish(form.cent(&server)).run().assert_output(4, "", &text);
            assert!(server.centrifugo().executed().is_empty());
            let server = (0..4).fold(form.server(), |server, _| server.script(reject(&page)));
            let url = url.replace("publish", "history").replace(&url_port(&url), &server.port().to_string());
            let output = form.cent(&server).args(&["bananas", "history", "channel=a"]).run();
            output.assert_output(3, "", &format!("cent: {url}: {name} ({code}); {ELSEWHERE}\n"));
        }
    }
}

fn url_port(url: &str) -> String {
    url.chars().skip("http://127.0.0.1:".len()).take_while(char::is_ascii_digit).collect()
}

#[test]
fn api_at_root_is_found() {
    for major in 2..=6 {
        let server = Server::start(Centrifugo::version(major).at_root());
        let stdout = if major == 2 { "[\n  {}\n]\n" } else { Legacy.published() };
        publish(Current.cent(&server)).run().assert_output(0, stdout, "");
        // The second one asks whether the API is there.
        assert_eq!(paths(&server), ["/api/publish", "/api/batch", "/api"]);
        assert_eq!((server.connections(), server.centrifugo().delivered().len()), (1, 1));
    }
    let server = Server::start(Centrifugo::version(7).at_root());
    let hint =
        "check the path and port of the address: the API may be at another path, on an internal port, or disabled";
    let text = format!("cent: {}/api: not found (404); {hint}\n", server.address());
    publish(Current.cent(&server)).run().assert_output(1, "", &text);
}

#[test]
fn transport_mode_errors_are_printed_like_others() {
    let since = r#"{"channel": "a", "limit": 1, "since": {"offset": 1, "epoch": "x"}}"#;
    for (major, method, params, engine_down, exit, error, message) in [
        (
            5,
            "publish",
            r#"{"channel": "nope:x", "data": 1}"#,
            false,
            1,
            r#"{"code":102,"message":"unknown channel"}"#,
            "unknown channel (102); check the spelling, or add the channel's namespace (the part before the colon) to the server's config",
        ),
        (
            6,
            "rpc",
            r#"{"method": "x"}"#,
            false,
            1,
            r#"{"code":104,"message":"not found"}"#,
            "not found (104); no extension of the server has this RPC method",
        ),
        (
            7,
            "map_stats",
            r#"{"channel": "a"}"#,
            false,
            1,
            r#"{"code":107,"message":"bad request"}"#,
            "bad request (107); check the params for wrong types and missing keys",
        ),
        (
            7,
            "history",
            since,
            false,
            1,
            r#"{"code":112,"message":"unrecoverable position"}"#,
            r#"unrecoverable position (112); omit "since": the history no longer reaches back to that position, or has another epoch"#,
        ),
        (
            6,
            "publish",
            r#"{"channel": "a", "data": 1}"#,
            true,
            4,
            r#"{"code":100,"message":"internal server error"}"#,
            "internal server error (100); the command may have been executed: check before retrying",
        ),
    ] {
        // The same as from a server in the usual mode.
        for transport_mode in [false, true] {
            let centrifugo = Centrifugo::version(major);
            let centrifugo = if engine_down { centrifugo.engine_down() } else { centrifugo };
            let centrifugo = if transport_mode { centrifugo.transport_errors() } else { centrifugo };
            let server = Server::start(centrifugo);
            let text = format!("cent: {}/api/{method}: {method}: {message}\n", server.address());
            let call = Current.cent(&server).args(&["bananas", method, "--compact", "--params", params]);
            call.run().assert_output(exit, &format!("[{{\"error\":{error}}}]\n"), &text);
            assert!(server.centrifugo().executed().is_empty());
        }
    }
}

#[test]
fn method_is_sent_in_lower_case() {
    for major in 2..=7 {
        let server = Server::version(major);
        let stdout = if major == 2 { "[\n  {}\n]\n" } else { Legacy.published() };
        Current.cent(&server).args(&["bananas", "PUBLISH", "--params", PLAIN]).run().assert_output(0, stdout, "");
        assert_eq!(server.requests()[0].path, "/api/publish");
        assert_eq!(server.requests().len(), 1 + ApiForm::of_version(major).requests_before());
    }
}

#[test]
fn invalid_method_name_sends_nothing() {
    let server = Server::version(6).expect_no_connection();
    for (method, message) in [
        ("batch", "batch: not a method of its own; send the commands of the batch; use --lines without METHOD"),
        ("BATCH", "BATCH: not a method of its own; send the commands of the batch; use --lines without METHOD"),
        ("a/b", "a/b: not a valid method name; use letters, digits, _ and - only"),
        ("..", "..: not a valid method name; use letters, digits, _ and - only"),
        ("publish?x", "publish?x: not a valid method name; use letters, digits, _ and - only"),
    ] {
        let call = Current.cent(&server).args(&["bananas", method, "--params={}"]);
        call.run().assert_output(2, "", &format!("cent: {message}\n"));
    }
}

#[test]
fn unordered_lines_are_answered_in_input_order() {
    let lines = "{\"channel\": \"a\", \"data\": 1}\n{\"channel\": \"nope:b\", \"data\": 2}\n{\"channel\": \"plain:c\", \"data\": 3}\n";
    let args = ["bananas", "publish", "--lines", "--unordered", "--quiet"];
    for major in [5, 6, 7] {
        let server = Server::version(major);
        let output = Current.cent(&server).args(&args[..4]).stdin_bytes(lines).run();
        let epoch = if major == 5 { "aaac" } else { "aaaaaaac" };
        let stdout = format!(
            "{{\"result\":{{\"offset\":1,\"epoch\":\"{epoch}\"}}}}\n\
             {{\"error\":{{\"code\":102,\"message\":\"unknown channel\"}}}}\n{{\"result\":{{}}}}\n"
        );
        assert_eq!((output.exit_code(), output.stdout()), (Some(1), stdout), "{}", output.stderr());
        assert_eq!(paths(&server), ["/api/batch"]);
        let body = server.requests()[0].body_text();
        assert!(body.ends_with(r#"{"publish":{"channel": "plain:c", "data": 3}}],"parallel":true}"#), "{body}");
        // The server did not keep the order.
        assert_eq!(server.centrifugo().delivered(), ["plain:c", "a"]);
    }
    for major in [2, 3, 4] {
        let server = Server::version(major);
        let output = Current.cent(&server).args(&args).stdin_bytes(lines).run();
        let hint = "concurrent batches need Centrifugo 5.2 or later: send them in order";
        let text = format!("{}/api/batch: not found (404); {hint}\n", server.address());
        assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(1), ""), "{}", output.stderr());
        assert!(output.stderr().contains(&text), "{}", output.stderr());
        // The second one tells an older server from a wrong path.
        assert_eq!(paths(&server), ["/api/batch", "/api"]);
        assert!(server.centrifugo().executed().is_empty());
    }
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
    for (form, body) in [(V1, "[1]"), (Legacy, "[]"), (Current, "[]")] {
        let message = format!("unexpected JSON in the response: not a list of replies; {hint}");
        assert_response_fails(form, &Response::json(body), 4, &message);
    }
}

#[test]
fn wrong_reply_count_is_unknown_and_printed() {
    let hint = format!("{CHECK_HINT}, and check the address");
    let none = format!("expected 1 reply, got 0; {hint}");
    assert_response_fails(V1, &V1.replies("", 0), 4, &none);
    for (form, reply, two) in [
        (V1, V1.publish_reply(), V1.replies(V1.publish_reply(), 2)),
        (Legacy, "{}", Legacy.replies("{}", 2)),
        // As of the legacy form: the current one has no list of replies to one command.
        (Current, Current.publish_reply(), Legacy.replies(Current.publish_reply(), 2)),
    ] {
        let server = form.server().script_for(form, respond(&two));
        let output = publish(form.cent(&server)).arg("-c").run();
        let text = format!("cent: {}: expected 1 reply, got 2; {hint}\n", form.url(&server.address()));
        // No more replies are kept than there are commands.
        output.assert_output(4, &format!("[{reply}]\n"), &text);
    }
}

#[test]
fn unrecognized_reply_is_unknown_and_printed() {
    for (form, reply) in [
        (V1, r#"{"error":1}"#),
        (Legacy, r#"{"message":"hi"}"#),
        (Current, r#"{"message":"hi"}"#),
        // What a batch is answered with.
        (Current, r#"{"replies":[{"publish":{}}]}"#),
        (Current, "{}"),
    ] {
        let server = form.server().script_for(form, respond(&form.replies(reply, 1)));
        let text = format!("cent: {}: publish: unrecognized reply; {CHECK_HINT}\n", form.url(&server.address()));
        publish(form.cent(&server)).arg("-c").run().assert_output(4, &format!("[{reply}]\n"), &text);
    }
}

#[test]
fn overlong_headers_are_reported() {
    for form in ApiForm::ALL {
        let long = Response::new(200).header("X-Long", &"x".repeat(300_000));
        assert_response_fails(form, &long, 4, &format!("response headers larger than 256 KB; {CHECK_HINT}"));
    }
}

#[test]
fn interim_response_does_not_stop_upload() {
    for form in ApiForm::ALL {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
        let script = vec![Step::Read(1000), Step::Send(interim), Step::Execute, Step::SendRest];
        let server = form.server().script_for(form, script);
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
            &format!("invalid HTTP response (invalid HTTP version); {CHECK_HINT}"),
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
            form.first_url(&port.address())
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
fn assert_times_out(form: ApiForm, address: &str, url: &str) {
    let start = Instant::now();
    let output = publish(form.cent_at(address)).args(&["--timeout", "1"]).run();
    let message = format!("timed out after 1 s waiting for a response; {CHECK_HINT}, or raise the timeout");
    output.assert_output(4, "", &format!("cent: {url}: {message}\n"));
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
                    let server = form.server().script_for(form, script);
                    assert_times_out(form, &server.address(), &form.url(&server.address()));
                    let requests = 1 + form.requests_before();
                    assert_eq!(server.wait_for_requests(requests).len(), requests);
                });
            }
            scope.spawn(move || {
                let server = HangingServer::start();
                let address = server.address();
                assert_times_out(form, &address, &form.first_url(&address));
            });
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
