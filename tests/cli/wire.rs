//! What goes over the wire, what comes back, and what each refusal and each failure is told as.

use std::time::{Duration, Instant};

use crate::support::program::{Cent, cent};
use crate::support::server::{
    API_KEY, Centrifugo, GARBAGE, RefusedPort, Response, SECRET, Script, Server, SilentServer, Step, answered,
    plain_http_to_tls_port, refused, replies, sign, stopped_in_answer, stopped_in_request,
};
use crate::{BOTH, Dialect, First, Later, PLAIN};

const LOOK: &str = "the command may have run: look before repeating";

/// A publish of [`PLAIN`].
fn publish(cent: Cent) -> Cent {
    cent.args(&["bananas", "publish", "--params", PLAIN])
}

/// Long enough for megabytes from a debug build on a machine under load.
const PATIENT: &str = "--timeout=60";

/// Holds a publish to a server with this script to exit status and message, and the server to have got one request.
#[track_caller]
fn fails(dialect: Dialect, script: Script, exit: i32, message: &str) {
    let server = dialect.server().script(script);
    let url = dialect.url(&server.address());
    publish(dialect.cent(&server)).arg(PATIENT).run().is(exit, "", &format!("cent: {url}: {message}\n"));
    assert_eq!(server.settled(1).len(), 1);
}

#[track_caller]
fn answer_fails(dialect: Dialect, response: &Response, exit: i32, message: &str) {
    fails(dialect, answered(response), exit, message);
}

fn status(status: u16) -> Response {
    Response::new(status)
}

#[test]
fn a_signed_request_is_what_centrifugo_1_takes() {
    let server = First.server();
    publish(First.cent(&server)).run().is(0, First.published(), "");
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
fn a_request_with_a_key_is_what_later_ones_take() {
    let server = Later.server();
    publish(Later.cent(&server)).run().is(0, Later.published(), "");
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
fn addresses_may_end_in_slash_and_api_and_have_a_prefix() {
    for dialect in BOTH {
        for end in ["", "/", "/api", "/api/"] {
            let server = Server::start(dialect.centrifugo().with_prefix("/rt"));
            publish(dialect.cent_at(&format!("{}/rt{end}", server.address()))).run().is(0, dialect.published(), "");
        }
    }
}

#[test]
fn every_printable_character_of_a_secret_signs() {
    for c in '!'..='~' {
        let secret = format!("{c}x{c}y{c}");
        let server = Server::start(Centrifugo::v1().with_credential(&secret));
        let text = secret.replace('%', "%%");
        let config = format!("[bananas]\naddress = {}\nsecret = {text}\n", server.address());
        publish(cent().config(config)).run().is(0, First.published(), "");
    }
}

#[test]
fn a_secret_and_a_key_can_stand_in_files() {
    for (dialect, key, content) in [(First, "secret_file", SECRET), (Later, "api_key_file", API_KEY)] {
        let server = dialect.server();
        let config = format!("[bananas]\naddress = {}\n{key} = hidden\n", server.address());
        let cent = cent().config(config).file("hidden", format!("{content}\r\n"));
        publish(cent).run().is(0, dialect.published(), "");
    }
}

#[test]
fn a_wrong_secret_or_key_is_unauthorized() {
    for (dialect, remedy) in [
        (First, "the server signs with another secret: write the one of its config as secret"),
        (Later, "the server knows another API key, or none: write the one of its config as api_key"),
    ] {
        let server = Server::start(dialect.centrifugo().with_credential("another"));
        let url = dialect.url(&server.address());
        let message = format!("cent: {url}: unauthorized (401); {remedy}\n");
        publish(dialect.cent(&server)).run().is(1, "", &message);
        assert!(server.centrifugo().executed().is_empty());
    }
}

#[test]
fn a_refusal_before_a_large_body_is_through_is_told_as_such() {
    let server = Server::start(Centrifugo::later(6).with_credential("another"));
    let params = format!(r#"{{"channel": "a", "data": "{}"}}"#, "x".repeat(20_000_000));
    let ran = Later.cent(&server).input(params.clone()).args(&["bananas", "publish", PATIENT]).run();
    let remedy = "the server knows another API key, or none: write the one of its config as api_key";
    ran.is(1, "", &format!("cent: {}/api: unauthorized (401); {remedy}\n", server.address()));
    assert!(server.requests()[0].body().len() < params.len());
    // And where the other side leaves the connection open and reads no more.
    for dialect in BOTH {
        let server =
            dialect.server().script(vec![Step::Read(1000), Step::respond(&Response::plain(413, "no")), Step::Hang]);
        let ran = dialect.cent(&server).input(params.clone()).args(&["bananas", "publish", PATIENT]).run();
        assert_eq!(ran.exit(), Some(1), "{}", ran.stderr());
        assert!(ran.stderr().contains(" bytes is too large (413); send less, or raise the limit"), "{}", ran.stderr());
    }
}

#[test]
fn the_wrong_kind_of_key_is_told_with_the_right_one() {
    let later = Later.server();
    let message = "not found (404); if this is Centrifugo 2 or later, write api_key instead of secret; else check the \
                   address's path and port";
    let text = format!("cent: {}/api/: {message}\n", later.address());
    publish(First.cent(&later)).run().is(1, "", &text);

    let first = First.server();
    let message = "redirected (301) to /api/; this is Centrifugo 1: write secret instead of api_key in the section";
    let text = format!("cent: {}/api: {message}\n", first.address());
    publish(Later.cent(&first)).run().is(1, "", &text);
}

#[test]
fn redirects_are_named_without_their_query_and_not_followed() {
    for (dialect, code) in [(First, 301), (Later, 302), (First, 307), (Later, 308), (First, 303)] {
        let moved = status(code).header("Location", "https://user:marked@elsewhere.example/x?token=marked#marked");
        let remedy = "redirects are not followed: write the address that the server is really at";
        answer_fails(dialect, &moved, 1, &format!("redirected ({code}) to https://elsewhere.example/x; {remedy}"));
    }
    let remedy = "redirects are not followed: write the address that the server is really at";
    answer_fails(First, &status(304), 1, &format!("redirected (304) to an address that it does not name; {remedy}"));
}

#[test]
fn statuses_are_told_by_what_a_script_can_do() {
    let busy = "nothing was accepted: try again later";
    let address = "check the address, and any proxy before the server";
    for dialect in BOTH {
        for (code, exit, message) in [
            (403, 1, format!("forbidden (403); {address}")),
            (405, 1, format!("method not allowed (405); {address}")),
            (418, 1, format!("HTTP status 418; {address}")),
            (408, 3, format!("request timeout (408); {busy}")),
            (425, 3, format!("too early (425); {busy}")),
            (429, 3, format!("too many requests (429); {busy}")),
            (503, 3, format!("service unavailable (503); {busy}")),
            (500, 4, format!("internal server error (500); {LOOK}")),
            (502, 4, format!("bad gateway (502); {LOOK}")),
            (504, 4, format!("gateway timeout (504); {LOOK}")),
            (201, 4, format!("HTTP status 201; {LOOK}")),
            (204, 4, format!("HTTP status 204; {LOOK}")),
        ] {
            fails(dialect, refused(&status(code)), exit, &message);
        }
        fails(
            dialect,
            refused(&Response::plain(503, "upstream is gone")),
            4,
            &format!("service unavailable (503); {LOOK}"),
        );
    }
}

#[test]
fn a_server_that_wants_tls_is_told() {
    for dialect in BOTH {
        let remedy = "the server wants TLS: write https:// in the address";
        fails(dialect, plain_http_to_tls_port(), 1, &format!("bad request (400); {remedy}"));
    }
}

#[test]
fn a_bad_request_says_what_it_can_be() {
    answer_fails(
        First,
        &Response::plain(400, "Bad Request"),
        1,
        "bad request (400); check the types of the params' values; a server without a secret says the same",
    );
    answer_fails(
        Later,
        &Response::plain(400, "Bad Request"),
        1,
        "bad request (400); check the params: this version may not have the method, or not nest this deep",
    );
}

#[test]
fn answers_that_are_not_understood_may_come_after_the_command_ran() {
    let look = format!("{LOOK}, and check the address");
    for dialect in BOTH {
        let page = Response::plain(200, "<html><body>Welcome</body></html>");
        answer_fails(
            dialect,
            &page,
            4,
            &format!("the answer is HTML or XML, not JSON: it is not Centrifugo's; {look}"),
        );
        answer_fails(
            dialect,
            &Response::json("nonsense"),
            4,
            &format!("the answer is not the JSON it should be; {look}"),
        );
        answer_fails(dialect, &Response::json("[{"), 4, &format!("the answer is cut off; {look}"));
    }
    answer_fails(First, &status(200), 4, &format!("the answer is empty; {look}"));
    answer_fails(Later, &status(200), 4, &format!("0 replies for 1 command; {look}"));
    answer_fails(First, &Response::json("[1]"), 4, &format!("the answer is JSON, but no list of replies; {look}"));
    answer_fails(Later, &Response::json("[]"), 4, &format!("the answer is JSON, but no list of replies; {look}"));
}

#[test]
fn too_few_and_too_many_replies_are_printed_and_unknown() {
    let look = format!("{LOOK}, and check the address");
    let none = format!("0 replies for 1 command; {look}");
    answer_fails(First, &replies(1, "", 0), 4, &none);
    for (dialect, major, reply) in [(First, 1, r#"{"method":"publish","error":null,"body":null}"#), (Later, 6, "{}")] {
        let server = dialect.server().script(answered(&replies(major, reply, 2)));
        let ran = publish(dialect.cent(&server)).arg("-c").run();
        let text = format!("cent: {}: 2 replies for 1 command; {look}\n", dialect.url(&server.address()));
        ran.is(4, &format!("[{reply},{reply}]\n"), &text);
    }
}

#[test]
fn an_odd_reply_is_printed_and_unknown() {
    for (dialect, reply) in [(First, r#"{"error":1}"#), (Later, r#"{"message":"hi"}"#)] {
        let major = if dialect == First { 1 } else { 6 };
        let server = dialect.server().script(answered(&replies(major, reply, 1)));
        let text = format!("cent: {}: publish: the reply is not understood; {LOOK}\n", dialect.url(&server.address()));
        publish(dialect.cent(&server)).arg("-c").run().is(4, &format!("[{reply}]\n"), &text);
    }
}

#[test]
fn a_head_that_is_too_long_is_told_as_such() {
    for dialect in BOTH {
        let long = Response::new(200).header("X-Long", &"x".repeat(20_000));
        answer_fails(dialect, &long, 4, &format!("the head of the answer is too long; {LOOK}"));
    }
}

#[test]
fn an_interim_answer_does_not_end_an_upload() {
    for dialect in BOTH {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
        let server = dialect.server().script(vec![Step::Read(1000), Step::Send(interim), Step::Execute, Step::Rest]);
        let params = format!(r#"{{"channel": "plain:a", "data": "{}"}}"#, "x".repeat(20_000_000));
        let ran = dialect.cent(&server).input(params).args(&["bananas", "publish", PATIENT]).run();
        ran.is(0, dialect.published(), "");
    }
}

#[test]
fn an_answer_of_a_hundred_megabytes_is_too_long() {
    for dialect in BOTH {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
        let script = vec![Step::Execute, Step::Send(head), Step::Repeat(vec![b' '; 1_000_000], 100), Step::Close];
        fails(dialect, script, 4, &format!("the answer is longer than 64 MB; {LOOK}"));
    }
}

#[test]
fn a_connection_that_is_lost_on_the_way_leaves_the_outcome_open() {
    let closed = format!("the connection was closed before the answer was whole; {LOOK}");
    let reset = format!("the connection was lost: connection reset by peer; {LOOK}");
    for dialect in BOTH {
        fails(dialect, stopped_in_request(1, Step::Close), 4, &closed);
        fails(dialect, stopped_in_answer(0, Step::Close), 4, &closed);
        fails(dialect, stopped_in_answer(60, Step::Close), 4, &closed);
        fails(dialect, stopped_in_answer(0, Step::Reset), 4, &reset);
        fails(
            dialect,
            vec![Step::Execute, Step::Send(GARBAGE.to_vec()), Step::Close],
            4,
            &format!("the answer is no proper HTTP; {LOOK}"),
        );
    }
}

#[test]
fn a_refused_connection_is_safe_to_repeat() {
    for dialect in BOTH {
        let port = RefusedPort::take();
        let host = port.address().replace("http://", "");
        let text = format!(
            "cent: {}: cannot connect to {host}: connection refused; nothing was sent: is the server running, and is the \
             port right?\n",
            dialect.url(&port.address())
        );
        publish(dialect.cent_at(&port.address())).run().is(3, "", &text);
    }
}

#[test]
fn a_host_that_cannot_be_looked_up_is_safe_to_repeat() {
    // By the resolver's own rules: RFC 6761 keeps .invalid from ever being a host.
    let ran = publish(First.cent_at("http://nowhere.invalid:8000")).run();
    assert_eq!((ran.exit(), ran.stdout().as_str()), (Some(3), ""), "{}", ran.stderr());
    let text = ran.stderr();
    assert!(text.starts_with("cent: http://nowhere.invalid:8000/api/: cannot look up nowhere.invalid: "), "{text}");
    assert!(text.ends_with("; nothing was sent: check the host's name and the network\n"), "{text}");
}

/// Runs a publish with a limit of a second, ample for a machine under load to connect, and checks that it did not take
/// much longer.
#[track_caller]
fn times_out(dialect: Dialect, address: &str) {
    let start = Instant::now();
    let ran = publish(dialect.cent_at(address)).args(&["--timeout", "1"]).run();
    let message = format!("no answer within 1 s; {LOOK}, or raise the timeout");
    ran.is(4, "", &format!("cent: {}: {message}\n", dialect.url(address)));
    // Far above the limit, for a machine under load; far below the five seconds that are the default.
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_as_long_as_it_may_take() {
    // Side by side, since each takes its whole time.
    std::thread::scope(|scope| {
        for dialect in BOTH {
            for script in [
                vec![Step::Hang],
                stopped_in_request(50, Step::Hang),
                stopped_in_answer(0, Step::Hang),
                stopped_in_answer(30, Step::Hang),
                vec![Step::Execute, Step::Drip(Duration::from_millis(50))],
            ] {
                scope.spawn(move || {
                    let server = dialect.server().script(script);
                    times_out(dialect, &server.address());
                    assert_eq!(server.settled(1).len(), 1);
                });
            }
            scope.spawn(move || times_out(dialect, &SilentServer::start().address()));
        }
    });
}

#[test]
fn the_timeout_of_the_section_counts_and_the_option_beats_it() {
    let server = SilentServer::start();
    let with_timeout = |seconds: &str| {
        cent().config(format!("[bananas]\naddress = {}\nsecret = s\ntimeout = {seconds}\n", server.address()))
    };
    let text = |seconds: &str| {
        format!("cent: {}/api/: no answer within {seconds} s; {LOOK}, or raise the timeout\n", server.address())
    };
    publish(with_timeout("0.75")).run().is(4, "", &text("0.75"));
    publish(with_timeout("60")).args(&["--timeout=1.25"]).run().is(4, "", &text("1.25"));
}
