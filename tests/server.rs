//! The test server is held to the servers that it stands for, and its faults to what they say.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

#[path = "support/recorded.rs"]
mod recorded;
#[path = "support/server/mod.rs"]
mod server;

use recorded::{Recorded, VERSIONS};
use server::{Centrifugo, GARBAGE, RefusedPort, Response, Server, SilentServer, Step};

/// The head that a recorded request was sent with, as far as it matters.
fn head(case: &Recorded) -> String {
    let mut head = format!("POST {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n", case.path, case.body.len());
    for (name, value) in &case.headers {
        head += &[name, ": ", value, "\r\n"].concat();
    }
    head + "\r\n"
}

/// Sends bytes and reads one answer; the connection stays open.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<Response> {
    stream.write_all(request)?;
    answer(stream)
}

fn answer(stream: &mut TcpStream) -> io::Result<Response> {
    let head = line_by_line(stream)?;
    let (status, lines) = head.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
    let fields: Vec<(&str, &str)> = lines.iter().filter_map(|line| line.split_once(": ")).collect();
    let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let mut body = Vec::new();
    if field("Transfer-Encoding") == Some("chunked") {
        while let Ok(size @ 1..) = usize::from_str_radix(&line(stream)?, 16) {
            stream.take(size as u64).read_to_end(&mut body)?;
            line(stream)?;
        }
        line(stream)?;
    } else if let Some(length) = field("Content-Length") {
        stream.take(length.parse().map_err(io::Error::other)?).read_to_end(&mut body)?;
    } else {
        stream.read_to_end(&mut body)?;
    }
    let mut headers: Vec<(String, String)> = fields
        .into_iter()
        // Those that recordings are complete for.
        .filter(|(name, _)| ["Content-Type", "Location", "Connection"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.sort();
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Response { status, headers, body })
}

fn line_by_line(stream: &mut TcpStream) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        match line(stream)? {
            line if line.is_empty() => return Ok(lines),
            line => lines.push(line),
        }
    }
}

fn line(stream: &mut TcpStream) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(io::Error::other)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the test server accepts");
    // A server that has gone wrong is to fail the test, not to hang it.
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("it is open");
    stream
}

/// The server that a case was recorded from.
fn server_of(case: &Recorded) -> Server {
    let centrifugo = if case.major() == 1 { Centrifugo::v1() } else { Centrifugo::later(case.major()) };
    match case.name.as_str() {
        "server-without-secret" | "server-without-key" => Server::start(centrifugo.without_credential()),
        "insecure-server" => Server::start(centrifugo.insecure()),
        "plain-http-to-tls-port" => Server::start(centrifugo).script(server::plain_http_to_tls_port()),
        name if name.starts_with("engine-down") => Server::start(centrifugo.engine_down()),
        _ => Server::start(centrifugo),
    }
}

/// Brings about what was there before: messages, connections, earlier requests.
fn prepare(server: &Server, case: &Recorded) {
    let centrifugo = server.centrifugo();
    match case.name.as_str() {
        "several-ok" | "insecure-server" => publish_news(centrifugo, 1),
        "several-one-error" => publish_news(centrifugo, 2),
        "several-trailing-newline" => publish_news(centrifugo, 4),
        "history" | "history-limit-all" | "history-no-limit" | "history-reverse" | "history-unrecoverable" => {
            centrifugo.publish("hist", r#"{"n":0}"#);
            centrifugo.publish("hist", r#"{"n":1}"#);
        }
        "history-deep" => centrifugo.publish(&case.name, "[".repeat(200) + &"]".repeat(200)),
        "history-invalid-utf8" => centrifugo.publish(&case.name, b"\"a\xff\xfeb\""),
        "history-rewritten" => {
            centrifugo.publish(&case.name, "{ \"html\": \"<b>&amp;</b>\",\n \"ls\": \"\u{2028}\" }");
        }
        "history-verbatim" => {
            let (_, data) = case.case.split_once(" published as ").expect("it says what was published");
            centrifugo.publish(&case.name, data.split_once(": kept").expect("and goes on").0);
        }
        "history-b64data" => send_before(server, case, &["publish-b64data"]),
        "idempotency-second" => send_before(server, case, &["idempotency-first"]),
        "idempotency-history" => send_before(server, case, &["idempotency-first", "idempotency-second"]),
        "internal-error-second" => centrifugo.publish_binary("binary", b"\x00\x01"),
        "channels" | "presence" | "presence-stats" => {
            for (client, user) in clients_of(case) {
                centrifugo.join("news", &client, &user, r#"{"name":"Ann"}"#);
            }
        }
        "unsubscribe-no-channel" => ["a", "b"].iter().for_each(|channel| centrifugo.join(channel, "c", "44", "")),
        "unsubscribe-no-user" | "disconnect-no-user" => centrifugo.join("news", "nobody", "", ""),
        _ => {}
    }
}

fn publish_news(centrifugo: &Centrifugo, times: usize) {
    (0..times).for_each(|_| centrifugo.publish("news", "0"));
}

fn send_before(server: &Server, case: &Recorded, names: &[&str]) {
    for name in names {
        let before = Recorded::of(&case.version, name);
        let request = [head(&before).as_bytes(), &before.body].concat();
        exchange(&mut connect(server), &request).expect("it is answered");
    }
}

/// The clients in the answer to presence, whose names differ in every run; two of them where it names none.
fn clients_of(case: &Recorded) -> Vec<(String, String)> {
    let answer: Value = serde_json::from_slice(&case.response.body).expect("the answer is JSON");
    let presence = if case.major() == 1 { &answer[0]["body"]["data"] } else { &answer["result"]["presence"] };
    let named = |(client, of): (&String, &Value)| (client.clone(), of["user"].as_str().expect("a user").to_owned());
    match presence.as_object() {
        Some(clients) => clients.iter().map(named).collect(),
        None => ["42", "43"].map(|user| (format!("client-of-{user}"), user.to_owned())).to_vec(),
    }
}

/// Puts x for letters and digits of what differs in every run: epochs, the names of messages and nodes, times.
fn normalised(body: &[u8]) -> String {
    let mut left = String::from_utf8_lossy(body).into_owned();
    // Without a length that was recorded, a uid is the client's own.
    for (before, lengths) in
        [("\"epoch\":\"", 4..=8), ("\"uid\":\"", 22..=36), ("\"started_at\":", 1..=20), ("\"uptime\":", 1..=20)]
    {
        let mut done = String::new();
        while let Some((head, tail)) = left.split_once(before) {
            let end = tail.find(['"', ',']).expect("it ends");
            let (value, rest) = tail.split_at(end);
            let hidden = if before.ends_with('"') {
                value.replace(|c: char| c.is_ascii_alphanumeric(), "x")
            } else {
                "x".to_owned()
            };
            let value = if lengths.contains(&value.len()) { hidden } else { value.to_owned() };
            done += &[head, before, &value].concat();
            left = rest.to_owned();
        }
        left = done + &left;
    }
    left
}

/// Replays one exchange, and looks whether that has run which the case says has.
fn replay(case: &Recorded) {
    let server = server_of(case);
    prepare(&server, case);
    let before = server.centrifugo().delivered().len();
    let request = [head(case).as_bytes(), &case.body].concat();
    let found = exchange(&mut connect(&server), &request).expect("it is answered");
    let at = format!("{} {}: {}", case.version, case.name, case.case);
    assert_eq!(found.status, case.response.status, "{at}");
    assert_eq!(found.headers, case.response.headers, "{at}");
    assert_eq!(normalised(&found.body), normalised(&case.response.body), "{at}");
    if !case.name.starts_with("plain-http") {
        assert_eq!(server.requests().last().expect("it was noted").raw, request, "{at}");
    }

    let delivered = server.centrifugo().delivered().split_off(before);
    if let Some((_, channels)) = case.case.split_once("the message was delivered to: ") {
        assert_eq!(delivered.join(", "), channels, "{at}");
    }
    if case.case.contains("the third has run") {
        assert_eq!(delivered.len(), 2, "{at}");
    }
    if case.case.contains("the third has not run") {
        assert_eq!(delivered.len(), 1, "{at}");
    }
    let centrifugo = server.centrifugo();
    match case.name.as_str() {
        "unsubscribe-no-channel" => {
            let are_gone = case.case.contains("both subscriptions are gone");
            assert_eq!(["a", "b"].map(|channel| centrifugo.clients(channel).is_empty()), [are_gone; 2], "{at}");
        }
        "unsubscribe-no-user" | "disconnect-no-user" => {
            let were_hit = case.case.contains("connections without a user id were hit");
            assert_eq!(centrifugo.clients("news").is_empty(), were_hit, "{at}");
        }
        _ => {}
    }
}

fn replay_all(index: usize) {
    let (version, count) = VERSIONS[index];
    let cases = Recorded::all(version);
    assert_eq!(cases.len(), count, "recorded exchanges of {version}");
    cases.iter().for_each(replay);
}

#[test]
fn it_answers_as_1_8_0_does() {
    replay_all(0);
}

#[test]
fn it_answers_as_2_8_6_does() {
    replay_all(1);
}

#[test]
fn it_answers_as_3_2_3_does() {
    replay_all(2);
}

#[test]
fn it_answers_as_5_4_9_does() {
    replay_all(3);
}

#[test]
fn it_answers_as_6_9_1_does() {
    replay_all(4);
}

/// A request with what lets it in.
fn let_in(major: u8, body: &str) -> Vec<u8> {
    let (path, proof) = match major {
        1 => ("/api/", format!("X-API-Sign: {}", server::sign(server::SECRET, body.as_bytes()))),
        _ => ("/api", format!("Authorization: apikey {}", server::API_KEY)),
    };
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{proof}\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn of_version(major: u8) -> Server {
    if major == 1 { Server::v1() } else { Server::later(major) }
}

/// Status and body of the answer to commands, in an array where the version wants one.
fn asked(server: &Server, major: u8, commands: &str) -> (u16, String) {
    let body = if major == 1 { format!("[{}]", commands.replace('\n', ",")) } else { commands.to_owned() };
    let found = exchange(&mut connect(server), &let_in(major, &body)).expect("it is answered");
    (found.status, normalised(&found.body))
}

const ALL: [u8; 6] = [1, 2, 3, 4, 5, 6];
const PUBLISH: &str = r#"{"method":"publish","params":{"channel":"a","data":1}}"#;

#[test]
fn keys_match_in_any_case_and_escaped_and_the_last_wins() {
    for major in ALL {
        let server = of_version(major);
        let params = r#"{"channel":"a","CHANNEL":"b","d\u0061ta":1,"Data":2,"channel":null}"#;
        assert_eq!(asked(&server, major, &format!(r#"{{"METHOD":"publish","Params":{params}}}"#)).0, 200);
        assert_eq!(server.centrifugo().delivered(), ["b"], "{major}");
        assert_eq!(server.centrifugo().texts("b"), ["2"], "{major}");
    }
}

#[test]
fn later_methods_are_known_in_any_case_and_by_number() {
    for major in ALL {
        let server = of_version(major);
        let upper = asked(&server, major, &PUBLISH.replace("publish", "PUBliSH"));
        let number = asked(&server, major, &PUBLISH.replace("\"publish\"", "0"));
        let escaped = asked(&server, major, &PUBLISH.replace("publish", "publi\\u0073h"));
        let statuses = (upper.0, number.0, escaped.0);
        assert_eq!(statuses, if major == 1 { (400, 400, 200) } else { (200, 200, 400) }, "{major}");
    }
}

#[test]
fn a_request_that_is_cut_short_runs_what_the_version_runs() {
    for major in ALL {
        let server = of_version(major);
        assert_eq!(asked(&server, major, &format!("{PUBLISH}\n{PUBLISH}\n{{\"method\":")).0, 400);
        // Version 1 reads all of it first.
        assert_eq!(server.centrifugo().executed().len(), if major == 1 { 0 } else { 2 }, "{major}");
    }
}

#[test]
fn a_body_that_is_cut_off_runs_nothing() {
    for major in ALL {
        let server = of_version(major);
        let mut stream = connect(&server);
        let request = let_in(major, &format!("{PUBLISH}\n{PUBLISH}"));
        stream.write_all(&request[..request.len() - 1]).expect("it is read");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        assert_eq!(answer(&mut stream).expect("it is answered").status, 500);
        assert_eq!(server.centrifugo().executed(), [""; 0]);
        assert_eq!(server.requests()[0].raw, request[..request.len() - 1]);
    }
}

#[test]
fn types_are_strict() {
    for (major, params) in ALL.iter().flat_map(|&major| {
        [r#"{"channel":"a","user":42}"#, r#"{"channel":true}"#, "[]", "5"].map(|params| (major, params))
    }) {
        let server = of_version(major);
        let method = if params.contains("user") { "unsubscribe" } else { "history" };
        let (status, body) = asked(&server, major, &format!(r#"{{"method":"{method}","params":{params}}}"#));
        let is_refused = if major == 1 { status == 400 } else { body.contains("\"code\":107") };
        assert!(is_refused, "{major} {params}: {status} {body}");
    }
    for limit in ["1.0", "\"1\"", "true"] {
        let params = format!(r#"{{"method":"history","params":{{"channel":"a","limit":{limit}}}}}"#);
        assert!(asked(&Server::later(6), 6, &params).1.contains("\"code\":107"), "{limit}");
    }
}

#[test]
fn names_lose_what_is_no_text() {
    for major in ALL {
        let server = of_version(major);
        let command = r#"{"method":"publish","params":{"channel":"<\ud800\ud83d\ude00>","data":1}}"#;
        asked(&server, major, command);
        assert_eq!(server.centrifugo().delivered(), ["<\u{fffd}\u{1f600}>"], "{major}");
    }
    let server = Server::v1();
    let history = asked(&server, 1, "{\"method\":\"history\",\"params\":{\"channel\":\"<\\u0001\u{2028}\"}}").1;
    assert!(history.contains(r#""channel":"\u003c\u0001\u2028""#), "{history}");
}

#[test]
fn data_nested_deeper_than_the_servers_read_is_bad_json() {
    let publish = |deep: usize| PUBLISH.replace(":1}", &format!(":{}{}}}", "[".repeat(deep), "]".repeat(deep)));
    for (major, most) in [(1, 9_997), (6, 9_998)] {
        let server = of_version(major);
        assert_eq!(asked(&server, major, &publish(most)).0, 200);
        assert_eq!(asked(&server, major, &publish(most + 1)).0, 400);
    }
}

#[test]
fn verbs_paths_and_proofs_are_looked_at_as_the_version_does() {
    for (major, change, status) in [
        (1, ("POST", "GET"), 200),
        (1, ("/api/", "/api/x/y?z"), 200),
        (1, ("/api/", "/rt//api/"), 301),
        (1, ("/api/", "/apis"), 404),
        (1, ("application/json", "application/json; charset=utf-8"), 200),
        (1, ("application/json", "text/json"), 400),
        (1, ("Sign: ", "Sign: A"), 401),
        (2, ("application/json", "application/octet-stream"), 400),
        (6, ("POST", "GET"), 405),
        (6, ("/api ", "/api/ "), 404),
        (6, ("/api ", "//api "), 307),
        (5, ("/api ", "//api "), 301),
        (6, ("/api ", "/api?x=/ "), 200),
        (6, ("apikey ", "APIKEY "), 200),
        (6, ("apikey ", "bearer "), 401),
        (6, ("apikey ", "apikey a "), 401),
        (6, ("application/json", "text/plain"), 200),
    ] {
        let server = of_version(major);
        let body = if major == 1 { format!("[{PUBLISH}]") } else { PUBLISH.to_owned() };
        let request = String::from_utf8(let_in(major, &body)).expect("it is text").replacen(change.0, change.1, 1);
        let found = exchange(&mut connect(&server), request.as_bytes()).expect("it is answered");
        assert_eq!(found.status, status, "{major} {change:?}");
        assert_eq!(server.centrifugo().executed().len(), usize::from(status == 200), "{major} {change:?}");
    }
}

#[test]
fn a_server_below_a_prefix_serves_there_only() {
    for major in [1, 6] {
        let centrifugo = if major == 1 { Centrifugo::v1() } else { Centrifugo::later(major) };
        let server = Server::start(centrifugo.with_prefix("/rt"));
        assert_eq!(asked(&server, major, PUBLISH).0, 404);
        let body = if major == 1 { format!("[{PUBLISH}]") } else { PUBLISH.to_owned() };
        let request = String::from_utf8(let_in(major, &body)).expect("it is text").replacen("/api", "/rt/api", 1);
        assert_eq!(exchange(&mut connect(&server), request.as_bytes()).expect("it is answered").status, 200);
        // As a proxy is asked.
        let request = request.replacen("/rt/api", "http://host:1/rt/api", 1);
        assert_eq!(exchange(&mut connect(&server), request.as_bytes()).expect("it is answered").status, 200);
    }
}

#[test]
fn one_connection_serves_many_requests_chunked_ones_too() {
    for major in ALL {
        let server = of_version(major);
        let mut stream = connect(&server);
        let body = if major == 1 { format!("[{PUBLISH}]") } else { PUBLISH.to_owned() };
        let plain = let_in(major, &body);
        let chunks = format!("1\r\n{}\r\n{:x};x=y\r\n{}\r\n0\r\n\r\n", &body[..1], body.len() - 1, &body[1..]);
        let head = String::from_utf8_lossy(&plain).replace(&body, "");
        let head = head.replace(&format!("Content-Length: {}", body.len()), "Transfer-Encoding: chunked");
        let chunked = (head + &chunks).into_bytes();
        // Two at once, too: the second one waits.
        for requests in [plain.clone(), chunked.clone(), [plain.clone(), chunked.clone()].concat()] {
            assert_eq!(exchange(&mut stream, &requests).expect("it is answered").status, 200);
        }
        assert_eq!(answer(&mut stream).expect("it is answered").status, 200);
        assert_eq!((server.connections(), server.centrifugo().texts("a").len()), (1, 4));
        assert_eq!(server.requests()[1].raw, chunked);
        assert_eq!(server.requests()[3].body_text(), body);
    }
}

#[test]
fn a_client_that_asks_for_it_is_left() {
    let server = Server::later(6);
    let request = String::from_utf8(let_in(6, PUBLISH)).expect("it is text");
    for request in [request.replace("Host:", "Connection: close\r\nHost:"), request.replace("HTTP/1.1", "HTTP/1.0")] {
        let mut stream = connect(&server);
        let found = exchange(&mut stream, request.as_bytes()).expect("it is answered");
        assert!(found.headers.contains(&("Connection".to_owned(), "close".to_owned())));
        assert_eq!(stream.read(&mut [0]).expect("it ends"), 0);
    }
}

#[test]
fn a_refusal_comes_before_a_large_body_and_closes() {
    for (length, closes) in [(256 * 1024, false), (256 * 1024 + 1, true)] {
        let server = Server::later(6);
        let mut stream = connect(&server);
        let head = format!("POST /api HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it is read");
        if !closes {
            stream.write_all(&vec![b' '; length]).expect("it is read");
        }
        let found = answer(&mut stream).expect("it is answered");
        assert_eq!((found.status, found.headers.is_empty()), (401, !closes));
    }
}

#[test]
fn long_answers_are_chunked() {
    let server = Server::v1();
    let mut stream = connect(&server);
    for (body, is_chunked) in [(format!("[{PUBLISH}]"), false), (r#"[{"method":"stats"}]"#.to_owned(), true)] {
        stream.write_all(&let_in(1, &body)).expect("it is read");
        let head = line_by_line(&mut stream).expect("it is answered").join("\n");
        assert_eq!(head.contains("Transfer-Encoding: chunked"), is_chunked, "{head}");
        assert_ne!(head.contains("Content-Length"), is_chunked, "{head}");
        stream.read_exact(&mut [0; 10]).expect("there is a body");
        stream = connect(&server);
    }
}

#[test]
fn a_large_body_is_taken_whole() {
    let server = Server::v1();
    let data = "x".repeat(8 << 20);
    assert_eq!(asked(&server, 1, &PUBLISH.replace(":1}", &format!(":\"{data}\"}}"))).0, 200);
    assert_eq!(server.centrifugo().messages("a")[0].len(), data.len() + 2);
}

// From here on, the faults.

fn request() -> Vec<u8> {
    let_in(1, &format!("[{PUBLISH}]"))
}

/// Sends the request and reads until the connection ends.
fn read_to_end(server: &Server, request: &[u8]) -> (Vec<u8>, io::Result<usize>) {
    let mut stream = connect(server);
    stream.write_all(request).expect("it goes into the socket");
    let mut found = Vec::new();
    let result = stream.read_to_end(&mut found);
    (found, result)
}

#[test]
fn stopping_inside_a_request_runs_nothing() {
    let request = request();
    for read in 0..=request.len() {
        for end in [Step::Close, Step::Reset] {
            let server = Server::v1().script(server::stopped_in_request(read, end.clone()));
            let (found, result) = read_to_end(&server, &request);
            let is_reset = result.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
            assert_eq!((found.len(), is_reset), (0, end == Step::Reset), "{read} {end:?}");
            assert_eq!(server.requests()[0].raw, request[..read], "{read} {end:?}");
            assert_eq!(server.centrifugo().executed(), [""; 0]);
        }
    }
}

#[test]
fn stopping_inside_an_answer_runs_everything() {
    let whole = read_to_end(&Server::v1().script(server::stopped_in_answer(usize::MAX, Step::Close)), &request()).0;
    assert!(whole.starts_with(b"HTTP/1.1 200 OK\r\n") && whole.ends_with(br#""body":null}]"#));
    for sent in 0..=whole.len() {
        let closed = Server::v1().script(server::stopped_in_answer(sent, Step::Close));
        let (found, result) = read_to_end(&closed, &request());
        assert_eq!((found.as_slice(), result.is_ok()), (&whole[..sent], true), "{sent}");
        assert_eq!(closed.centrifugo().executed(), ["publish"]);

        let reset = Server::v1().script(server::stopped_in_answer(sent, Step::Reset));
        assert!(read_to_end(&reset, &request()).1.is_err(), "{sent}");

        let garbled = Server::v1().script(server::garbled(sent));
        assert_eq!(read_to_end(&garbled, &request()).0, [&whole[..sent], GARBAGE].concat(), "{sent}");
    }
}

#[test]
fn a_hanging_server_sends_nothing_until_it_is_dropped() {
    for script in [server::stopped_in_request(0, Step::Hang), server::stopped_in_answer(5, Step::Hang)] {
        let sent = if script.len() == 2 { 0 } else { 5 };
        let server = Server::v1().script(script);
        let mut stream = connect(&server);
        stream.write_all(&request()).expect("it goes into the socket");
        let mut found = vec![0; sent];
        stream.read_exact(&mut found).expect("so much is sent");
        assert_eq!(server.settled(1).len(), 1);
        stream.set_nonblocking(true).expect("it is open");
        assert_eq!(stream.read(&mut [0]).expect_err("nothing comes").kind(), io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).expect("it is open");
        drop(server);
        // An end or a reset: it lasted until then.
        let after = stream.read(&mut [0]);
        assert!(matches!(after, Ok(0) | Err(_)), "{after:?}");
    }
}

#[test]
fn a_dripping_answer_comes_whole() {
    let server = Server::v1().script(vec![Step::Execute, Step::Drip(std::time::Duration::ZERO)]);
    let mut stream = connect(&server);
    assert_eq!(exchange(&mut stream, &request()).expect("it is answered").status, 200);
    // The connection goes on, and the next request has no script.
    assert_eq!(exchange(&mut stream, &request()).expect("it is answered").status, 200);
    assert_eq!((server.connections(), server.centrifugo().executed().len()), (1, 2));
}

#[test]
fn answers_of_ones_own_come_as_they_are() {
    let scripts = [
        server::answered(&server::replies(1, "{\"error\":null}", 2)),
        server::answered(&Response::new(503).header("Retry-After", "1")),
        vec![Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), Step::Execute, Step::Rest],
        vec![Step::Execute, Step::Answer(0, usize::MAX), Step::Answer(0, usize::MAX)],
    ];
    let server = scripts.into_iter().fold(Server::v1(), Server::script);
    let mut stream = connect(&server);
    let found = exchange(&mut stream, &request()).expect("it is answered");
    assert_eq!(found.body, br#"[{"error":null},{"error":null}]"#);
    assert_eq!(exchange(&mut stream, &request()).expect("it is answered").status, 503);
    stream.write_all(&request()).expect("it goes into the socket");
    assert_eq!(line_by_line(&mut stream).expect("it is sent"), ["HTTP/1.1 100 Continue"]);
    assert_eq!(answer(&mut stream).expect("it is answered").status, 200);
    assert_eq!(exchange(&mut stream, &request()).expect("it is answered").status, 200);
    assert_eq!(answer(&mut stream).expect("it is sent twice").status, 200);
    assert_eq!(server.centrifugo().executed().len(), 4);
}

#[test]
fn a_huge_answer_is_not_held() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".to_vec();
    let server = Server::v1().script(vec![Step::Execute, Step::Send(head), Step::Repeat(vec![b' '; 1 << 20], 100)]);
    let mut stream = connect(&server);
    stream.write_all(&request()).expect("it goes into the socket");
    line_by_line(&mut stream).expect("it is answered");
    assert_eq!(io::copy(&mut stream.take(100 << 20), &mut io::sink()).expect("it is sent"), 100 << 20);
}

#[test]
fn a_refused_port_refuses_and_a_silent_server_says_nothing() {
    let address = |address: String| address.trim_start_matches("http://").to_owned();
    let refused = RefusedPort::take();
    let error = TcpStream::connect(address(refused.address())).expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let silent = SilentServer::start();
    let mut stream = TcpStream::connect(address(silent.address())).expect("it listens");
    stream.write_all(&request()).expect("it goes into the socket");
    stream.set_nonblocking(true).expect("it is open");
    assert_eq!(stream.read(&mut [0]).expect_err("nothing comes").kind(), io::ErrorKind::WouldBlock);
}

#[test]
#[should_panic(expected = "nobody called the test server")]
fn a_server_that_nobody_called_fails_the_test() {
    let _server = Server::v1();
}

#[test]
#[should_panic(expected = "somebody called the test server")]
fn a_server_that_expects_no_call_fails_the_test_if_there_is_one() {
    let server = Server::v1().uncalled();
    exchange(&mut connect(&server), &request()).expect("it is answered");
}
