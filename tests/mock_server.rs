//! The test server matches the real servers, and its faults do what they claim.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/server/mod.rs"]
mod server;

use fixtures::{CURRENT_VERSIONS, Fixture, VERSIONS};
use server::{ApiForm, Centrifugo, ClosedPort, GARBAGE, HangingServer, Response, Server, Step};

/// Request line and headers of a recorded request, as far as they matter.
fn request_head(fixture: &Fixture) -> String {
    let (verb, path, length) = (&fixture.verb, &fixture.path, fixture.body.len());
    let mut head = format!("{verb} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n");
    for (name, value) in &fixture.headers {
        head += &[name, ": ", value, "\r\n"].concat();
    }
    head + "\r\n"
}

/// Sends a request and reads one response; the connection stays open.
fn send(stream: &mut TcpStream, request: &[u8]) -> io::Result<Response> {
    stream.write_all(request)?;
    read_response(stream)
}

fn read_response(stream: &mut TcpStream) -> io::Result<Response> {
    let head = read_head(stream)?;
    let (status, lines) = head.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
    let fields: Vec<(&str, &str)> = lines.iter().filter_map(|read_line| read_line.split_once(": ")).collect();
    let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let mut body = Vec::new();
    if field("Transfer-Encoding") == Some("chunked") {
        while let Ok(size @ 1..) = usize::from_str_radix(&read_line(stream)?, 16) {
            stream.take(size as u64).read_to_end(&mut body)?;
            read_line(stream)?;
        }
        read_line(stream)?;
    } else if let Some(length) = field("Content-Length") {
        stream.take(length.parse().map_err(io::Error::other)?).read_to_end(&mut body)?;
    } else {
        stream.read_to_end(&mut body)?;
    }
    let mut headers: Vec<(String, String)> = fields
        .into_iter()
        // Recordings contain all of these headers.
        .filter(|(name, _)| ["Content-Type", "Location", "Connection", "X-Content-Type-Options"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.sort();
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Response { status, headers, body })
}

fn read_head(stream: &mut TcpStream) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        match read_line(stream)? {
            line if line.is_empty() => return Ok(lines),
            line => lines.push(line),
        }
    }
}

fn read_line(stream: &mut TcpStream) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(io::Error::other)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
    // A server that hangs by mistake must fail the test, not block it.
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("the connection is open");
    stream
}

/// A server with the settings of the recorded one.
fn server_for(fixture: &Fixture) -> Server {
    let mut centrifugo = Centrifugo::version(fixture.major());
    let name = fixture.name.trim_start_matches("method-").trim_start_matches("batch-");
    if name.starts_with("server-without-") {
        centrifugo = centrifugo.without_credential();
    }
    if name.starts_with("insecure-server") {
        centrifugo = centrifugo.insecure();
    }
    if name.starts_with("root-prefix") {
        centrifugo = centrifugo.at_root();
    }
    if name.contains("engine-down") {
        centrifugo = centrifugo.engine_down();
    }
    if name.starts_with("transport-") && !name.starts_with("transport-header-") {
        centrifugo = centrifugo.transport_errors();
    }
    let server = Server::start(centrifugo);
    if name == "plain-http-to-tls-port" { server.script(server::plain_http_to_tls_port()) } else { server }
}

/// Recreates the state before the recording: messages, subscribers, earlier requests.
fn set_up(server: &Server, fixture: &Fixture) {
    let centrifugo = server.centrifugo();
    match fixture.name.as_str() {
        "several-ok" | "insecure-server" => publish_news(centrifugo, 1),
        "several-one-error" => publish_news(centrifugo, 2),
        "several-trailing-newline" => publish_news(centrifugo, 4),
        "history" | "history-limit-all" | "history-no-limit" | "history-reverse" | "history-unrecoverable" => {
            centrifugo.publish("hist", r#"{"n":0}"#);
            centrifugo.publish("hist", r#"{"n":1}"#);
        }
        "history-deep" => centrifugo.publish(&fixture.name, "[".repeat(200) + &"]".repeat(200)),
        "history-invalid-utf8" => centrifugo.publish(&fixture.name, b"\"a\xff\xfeb\""),
        "history-rewritten" => {
            centrifugo.publish(&fixture.name, "{ \"html\": \"<b>&amp;</b>\",\n \"ls\": \"\u{2028}\" }");
        }
        "history-verbatim" => {
            let (_, data) =
                fixture.description.split_once(" published as ").expect("the description contains the data");
            centrifugo.publish(&fixture.name, data.split_once(": kept").expect("the description continues").0);
        }
        "history-b64data" => send_fixtures(server, fixture, &["publish-b64data"]),
        "idempotency-second" => send_fixtures(server, fixture, &["idempotency-first"]),
        "idempotency-history" => send_fixtures(server, fixture, &["idempotency-first", "idempotency-second"]),
        "internal-error-second" => centrifugo.publish_binary("binary", b"\x00\x01"),
        "method-history-b64data-no-json" | "batch-unwritable-reply" => centrifugo.publish_binary("bin", b"\x00\x01"),
        "batch-idempotency-after-method" => {
            let publish = r#"{"channel":"bim","data":1,"idempotency_key":"k"}"#;
            let request = authorized_request_to("/api/publish", publish);
            send(&mut connect(server), &request).expect("the server responds");
        }
        "channels" | "presence" | "presence-stats" | "batch-mixed" => {
            for (client, user) in clients_of(fixture) {
                centrifugo.join("news", &client, &user, r#"{"name":"Ann"}"#);
            }
        }
        "unsubscribe-no-channel" => ["a", "b"].iter().for_each(|channel| centrifugo.join(channel, "c", "44", "")),
        "unsubscribe-no-user" | "disconnect-no-user" => centrifugo.join("news", "nobody", "", ""),
        _ if fixture.is_current() => publish_news(centrifugo, earlier_messages(fixture)),
        _ => {}
    }
}

/// How many messages the recorded server had in `news`: the first offset of the response tells.
fn earlier_messages(fixture: &Fixture) -> usize {
    let [request, response] =
        [&fixture.body, &fixture.response.body].map(|body| String::from_utf8_lossy(body).into_owned());
    let offset = response.split_once("\"offset\":").filter(|_| request.contains("\"channel\":\"news\""));
    let offset = offset.map(|(_, rest)| rest.split(',').next().unwrap_or_default());
    offset.map_or(0, |offset| offset.parse::<usize>().expect("an offset is a number") - 1)
}

fn publish_news(centrifugo: &Centrifugo, times: usize) {
    (0..times).for_each(|_| centrifugo.publish("news", "0"));
}

fn send_fixtures(server: &Server, fixture: &Fixture, names: &[&str]) {
    for name in names {
        let before = Fixture::load(&fixture.version, name);
        let request = [request_head(&before).as_bytes(), &before.body].concat();
        send(&mut connect(server), &request).expect("the server responds");
    }
}

/// The clients in a presence response, whose ids differ in every recording; two clients if it has none.
fn clients_of(fixture: &Fixture) -> Vec<(String, String)> {
    let read_response: Value = serde_json::from_slice(&fixture.response.body).expect("the response is JSON");
    let presence = match fixture.name.as_str() {
        "batch-mixed" => &read_response["replies"][6]["presence"]["presence"],
        _ if fixture.major() == 1 => &read_response[0]["body"]["data"],
        _ => &read_response["result"]["presence"],
    };
    let named = |(client, of): (&String, &Value)| {
        (client.clone(), of["user"].as_str().expect("a client has a user").to_owned())
    };
    match presence.as_object() {
        Some(clients) => clients.iter().map(named).collect(),
        None => ["42", "43"].map(|user| (format!("client-of-{user}"), user.to_owned())).to_vec(),
    }
}

/// Masks letters and digits of values that differ in every run: epochs, ids, times.
fn normalize(body: &[u8]) -> String {
    let mut remaining = String::from_utf8_lossy(body).into_owned();
    // A uid of another length was sent by the client.
    for (before, lengths) in
        [("\"epoch\":\"", 4..=8), ("\"uid\":\"", 22..=36), ("\"started_at\":", 1..=20), ("\"uptime\":", 1..=20)]
    {
        let mut masked = String::new();
        while let Some((head, tail)) = remaining.split_once(before) {
            let end = tail.find(['"', ',']).expect("it ends");
            let (value, rest) = tail.split_at(end);
            let hidden = if before.ends_with('"') {
                value.replace(|c: char| c.is_ascii_alphanumeric(), "x")
            } else {
                "x".to_owned()
            };
            let value = if lengths.contains(&value.len()) { hidden } else { value.to_owned() };
            masked += &[head, before, &value].concat();
            remaining = rest.to_owned();
        }
        remaining = masked + &remaining;
    }
    remaining
}

/// Replays one exchange; checks which commands were executed against the description.
fn replay(fixture: &Fixture) {
    let server = server_for(fixture);
    set_up(&server, fixture);
    let before = server.centrifugo().delivered().len();
    let request = [request_head(fixture).as_bytes(), &fixture.body].concat();
    let received = send(&mut connect(&server), &request).expect("the server responds");
    let context = format!("{} {}: {}", fixture.version, fixture.name, fixture.description);
    assert_eq!(received.status, fixture.response.status, "{context}");
    assert_eq!(received.headers, fixture.response.headers, "{context}");
    assert_eq!(normalize(&received.body), normalize(&fixture.response.body), "{context}");
    if !fixture.name.starts_with("plain-http") {
        assert_eq!(server.requests().last().expect("the request is recorded").raw, request, "{context}");
    }

    let delivered = server.centrifugo().delivered().split_off(before);
    if let Some((_, channels)) = fixture.description.split_once("the message was delivered to: ") {
        assert_eq!(delivered.join(", "), channels, "{context}");
    }
    let centrifugo = server.centrifugo();
    if fixture.is_current() {
        assert_delivered_as_described(fixture, centrifugo, &delivered);
        return;
    }
    if fixture.description.contains("the third has run") {
        assert_eq!(delivered.len(), 2, "{context}");
    }
    if fixture.description.contains("the third has not run") {
        assert_eq!(delivered.len(), 1, "{context}");
    }
    match fixture.name.as_str() {
        "unsubscribe-no-channel" => {
            let are_gone = fixture.description.contains("both subscriptions are gone");
            assert_eq!(["a", "b"].map(|channel| centrifugo.clients(channel).is_empty()), [are_gone; 2], "{context}");
        }
        "unsubscribe-no-user" | "disconnect-no-user" => {
            let were_affected = fixture.description.contains("connections without a user id were hit");
            assert_eq!(centrifugo.clients("news").is_empty(), were_affected, "{context}");
        }
        _ => {}
    }
}

/// Checks the messages that a request of the current form left behind; an HTTP error or an API error delivers none.
fn assert_delivered_as_described(fixture: &Fixture, centrifugo: &Centrifugo, delivered: &[String]) {
    let (description, context) = (&fixture.description, format!("{} {}", fixture.version, fixture.name));
    let response = String::from_utf8_lossy(&fixture.response.body);
    if description.contains("the third has run") {
        let commands: Value = serde_json::from_slice(&fixture.body).expect("the request is JSON");
        for number in [0, 2] {
            let channel = commands["commands"][number]["publish"]["channel"].as_str().expect("it is a publish");
            assert!(delivered.iter().any(|name| name == channel), "{context}: {channel} in {delivered:?}");
        }
    } else if let Some((_, data)) = description.split_once("history: ") {
        assert_eq!(format!("[{}]", centrifugo.messages_as_text("bim").join(", ")), data, "{context}");
    } else if description.contains("published by publish: [2], by broadcast: []") {
        assert_eq!((delivered.len(), centrifugo.messages_as_text("tm-p")), (1, vec!["2".to_owned()]), "{context}");
    } else if !response.contains("\"offset\":") && !response.contains("Internal") {
        assert_eq!(delivered, [""; 0], "{context}");
    }
}

fn replay_all_current(index: usize) {
    let (version, count) = CURRENT_VERSIONS[index];
    let cases = Fixture::load_all_current(version);
    assert_eq!(cases.len(), count, "recordings of {version}");
    cases.iter().for_each(replay);
}

fn replay_all(index: usize) {
    let (version, count) = VERSIONS[index];
    let cases = Fixture::load_all(version);
    assert_eq!(cases.len(), count, "recordings of {version}");
    cases.iter().for_each(replay);
}

#[test]
fn matches_recorded_v1_8_0() {
    replay_all(0);
}

#[test]
fn matches_recorded_v2_8_6() {
    replay_all(1);
}

#[test]
fn matches_recorded_v3_2_3() {
    replay_all(2);
}

#[test]
fn matches_recorded_v5_4_9() {
    replay_all(3);
}

#[test]
fn matches_recorded_v6_9_1() {
    replay_all(4);
}

#[test]
fn matches_recorded_current_form_of_v1_8_0() {
    replay_all_current(0);
}

#[test]
fn matches_recorded_current_form_of_v2_8_6() {
    replay_all_current(1);
}

#[test]
fn matches_recorded_current_form_of_v3_2_3() {
    replay_all_current(2);
}

#[test]
fn matches_recorded_current_form_of_v5_4_9() {
    replay_all_current(3);
}

#[test]
fn matches_recorded_current_form_of_v6_9_1() {
    replay_all_current(4);
}

#[test]
fn matches_recorded_current_form_of_v7like() {
    replay_all_current(5);
}

/// The form before the current one.
fn old_form(major: u8) -> ApiForm {
    if major == 1 { ApiForm::V1 } else { ApiForm::Legacy }
}

/// A request of the current form with the credential of the test servers.
fn authorized_request_to(path: &str, body: &str) -> Vec<u8> {
    let (auth, length) = (ApiForm::Current.auth_header(b""), body.len());
    format!("POST {path} HTTP/1.1\r\nHost: test\r\n{auth}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Posts a body; status and body of the response.
fn post_to(server: &Server, path: &str, body: &str) -> (u16, String) {
    let received = send(&mut connect(server), &authorized_request_to(path, body)).expect("the server responds");
    (received.status, normalize(&received.body))
}

/// A request of an old form with the credential of the test servers.
fn authorized_request(major: u8, body: &str) -> Vec<u8> {
    let form = old_form(major);
    let auth = form.auth_header(body.as_bytes());
    let head = format!("POST {} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{auth}\r\n", form.path());
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Posts commands, given one per line; status and body of the response.
fn post_commands(server: &Server, major: u8, commands: &str) -> (u16, String) {
    let commands: Vec<&str> = commands.split('\n').collect();
    let body = old_form(major).request_body(&commands);
    let received = send(&mut connect(server), &authorized_request(major, &body)).expect("the server responds");
    (received.status, normalize(&received.body))
}

const ALL_VERSIONS: [u8; 6] = [1, 2, 3, 4, 5, 6];
const PUBLISH: &str = r#"{"method":"publish","params":{"channel":"a","data":1}}"#;

#[test]
fn keys_match_any_case_last_wins() {
    for major in ALL_VERSIONS {
        let server = Server::version(major);
        let params = r#"{"channel":"a","CHANNEL":"b","d\u0061ta":1,"Data":2,"channel":null}"#;
        assert_eq!(post_commands(&server, major, &format!(r#"{{"METHOD":"publish","Params":{params}}}"#)).0, 200);
        assert_eq!(server.centrifugo().delivered(), ["b"], "{major}");
        assert_eq!(server.centrifugo().messages_as_text("b"), ["2"], "{major}");
    }
}

#[test]
fn legacy_methods_match_any_case_or_number() {
    for major in ALL_VERSIONS {
        let server = Server::version(major);
        let upper = post_commands(&server, major, &PUBLISH.replace("publish", "PUBliSH"));
        let number = post_commands(&server, major, &PUBLISH.replace("\"publish\"", "0"));
        let escaped = post_commands(&server, major, &PUBLISH.replace("publish", "publi\\u0073h"));
        let statuses = (upper.0, number.0, escaped.0);
        assert_eq!(statuses, if major == 1 { (400, 400, 200) } else { (200, 200, 400) }, "{major}");
    }
}

#[test]
fn truncated_json_executes_earlier_commands_since_v2() {
    for major in ALL_VERSIONS {
        let server = Server::version(major);
        assert_eq!(post_commands(&server, major, &format!("{PUBLISH}\n{PUBLISH}\n{{\"method\":")).0, 400);
        // Version 1 parses the whole body first.
        assert_eq!(server.centrifugo().executed().len(), if major == 1 { 0 } else { 2 }, "{major}");
    }
}

#[test]
fn truncated_body_executes_nothing() {
    for major in ALL_VERSIONS {
        let server = Server::version(major);
        let mut stream = connect(&server);
        let request = authorized_request(major, &format!("{PUBLISH}\n{PUBLISH}"));
        stream.write_all(&request[..request.len() - 1]).expect("the request is sent");
        stream.shutdown(std::net::Shutdown::Write).expect("the connection is open");
        assert_eq!(read_response(&mut stream).expect("the server responds").status, 500);
        assert_eq!(server.centrifugo().executed(), [""; 0]);
        assert_eq!(server.requests()[0].raw, request[..request.len() - 1]);
    }
}

#[test]
fn param_types_are_strict() {
    for (major, params) in ALL_VERSIONS.iter().flat_map(|&major| {
        [r#"{"channel":"a","user":42}"#, r#"{"channel":true}"#, "[]", "5"].map(|params| (major, params))
    }) {
        let server = Server::version(major);
        let method = if params.contains("user") { "unsubscribe" } else { "history" };
        let (status, body) = post_commands(&server, major, &format!(r#"{{"method":"{method}","params":{params}}}"#));
        let is_rejected = if major == 1 { status == 400 } else { body.contains("\"code\":107") };
        assert!(is_rejected, "{major} {params}: {status} {body}");
    }
    for limit in ["1.0", "\"1\"", "true"] {
        let params = format!(r#"{{"method":"history","params":{{"channel":"a","limit":{limit}}}}}"#);
        assert!(post_commands(&Server::version(6), 6, &params).1.contains("\"code\":107"), "{limit}");
    }
}

#[test]
fn lone_surrogates_become_replacement_characters() {
    for major in ALL_VERSIONS {
        let server = Server::version(major);
        let command = r#"{"method":"publish","params":{"channel":"<\ud800\ud83d\ude00>","data":1}}"#;
        post_commands(&server, major, command);
        assert_eq!(server.centrifugo().delivered(), ["<\u{fffd}\u{1f600}>"], "{major}");
    }
    let server = Server::version(1);
    let history = post_commands(&server, 1, "{\"method\":\"history\",\"params\":{\"channel\":\"<\\u0001\u{2028}\"}}").1;
    assert!(history.contains(r#""channel":"\u003c\u0001\u2028""#), "{history}");
}

#[test]
fn too_deep_nesting_is_bad_json() {
    let publish = |depth: usize| PUBLISH.replace(":1}", &format!(":{}{}}}", "[".repeat(depth), "]".repeat(depth)));
    for (major, max_depth) in [(1, 9_997), (6, 9_998)] {
        let server = Server::version(major);
        assert_eq!(post_commands(&server, major, &publish(max_depth)).0, 200);
        assert_eq!(post_commands(&server, major, &publish(max_depth + 1)).0, 400);
    }
}

#[test]
fn request_checks_match_version() {
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
        let server = Server::version(major);
        let body = old_form(major).request_body(&[PUBLISH]);
        let request =
            String::from_utf8(authorized_request(major, &body)).expect("it is UTF-8").replacen(change.0, change.1, 1);
        let received = send(&mut connect(&server), request.as_bytes()).expect("the server responds");
        assert_eq!(received.status, status, "{major} {change:?}");
        assert_eq!(server.centrifugo().executed().len(), usize::from(status == 200), "{major} {change:?}");
    }
}

#[test]
fn prefixed_server_serves_only_its_prefix() {
    for major in [1, 6] {
        let server = Server::start(Centrifugo::version(major).with_prefix("/rt"));
        assert_eq!(post_commands(&server, major, PUBLISH).0, 404);
        let body = old_form(major).request_body(&[PUBLISH]);
        let request =
            String::from_utf8(authorized_request(major, &body)).expect("it is UTF-8").replacen("/api", "/rt/api", 1);
        assert_eq!(send(&mut connect(&server), request.as_bytes()).expect("the server responds").status, 200);
        // In absolute form, as sent to a proxy.
        let request = request.replacen("/rt/api", "http://host:1/rt/api", 1);
        assert_eq!(send(&mut connect(&server), request.as_bytes()).expect("the server responds").status, 200);
    }
    let server = Server::start(Centrifugo::version(7).with_prefix("/rt"));
    for (path, body, status) in [
        ("/api/info", "{}", 404),
        ("/rt/info", "{}", 404),
        ("/rt/api/info", "{}", 200),
        ("/api/batch", "{}", 404),
        ("/rt/api/batch", "{}", 200),
    ] {
        assert_eq!(post_to(&server, path, body).0, status, "{path}");
    }
}

#[test]
fn connection_serves_plain_and_chunked_requests() {
    for major in ALL_VERSIONS {
        let server = Server::version(major);
        let mut stream = connect(&server);
        let body = old_form(major).request_body(&[PUBLISH]);
        let plain = authorized_request(major, &body);
        let chunks = format!("1\r\n{}\r\n{:x};x=y\r\n{}\r\n0\r\n\r\n", &body[..1], body.len() - 1, &body[1..]);
        let head = String::from_utf8_lossy(&plain).replace(&body, "");
        let head = head.replace(&format!("Content-Length: {}", body.len()), "Transfer-Encoding: chunked");
        let chunked = (head + &chunks).into_bytes();
        // The last item is two requests at once: the second one is buffered.
        for requests in [plain.clone(), chunked.clone(), [plain.clone(), chunked.clone()].concat()] {
            assert_eq!(send(&mut stream, &requests).expect("the server responds").status, 200);
        }
        assert_eq!(read_response(&mut stream).expect("the server responds").status, 200);
        assert_eq!((server.connections(), server.centrifugo().messages_as_text("a").len()), (1, 4));
        assert_eq!(server.requests()[1].raw, chunked);
        assert_eq!(server.requests()[3].body_text(), body);
    }
}

#[test]
fn honors_connection_close() {
    let server = Server::version(6);
    let request = String::from_utf8(authorized_request(6, PUBLISH)).expect("it is UTF-8");
    for request in [request.replace("Host:", "Connection: close\r\nHost:"), request.replace("HTTP/1.1", "HTTP/1.0")] {
        let mut stream = connect(&server);
        let received = send(&mut stream, request.as_bytes()).expect("the server responds");
        assert!(received.headers.contains(&("Connection".to_owned(), "close".to_owned())));
        assert_eq!(stream.read(&mut [0]).expect("it ends"), 0);
    }
}

#[test]
fn large_body_is_rejected_early_and_closed() {
    for (length, is_closed) in [(256 * 1024, false), (256 * 1024 + 1, true)] {
        let server = Server::version(6);
        let mut stream = connect(&server);
        let head = format!("POST /api HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the request is sent");
        if !is_closed {
            stream.write_all(&vec![b' '; length]).expect("the request is sent");
        }
        let received = read_response(&mut stream).expect("the server responds");
        assert_eq!((received.status, received.headers.is_empty()), (401, !is_closed));
    }
}

#[test]
fn current_form_rejects_large_body_early() {
    let length = 256 * 1024 + 1;
    for (major, path, status) in [
        (4, "/api/publish", 404),
        (4, "/api/batch", 404),
        (7, "/api", 404),
        (7, "/api/nope", 404),
        (7, "/api/publish", 401),
        (7, "/api/batch", 401),
    ] {
        let server = Server::version(major);
        let mut stream = connect(&server);
        let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the request is sent");
        let received = read_response(&mut stream).expect("the server responds");
        let is_closed = received.headers.contains(&("Connection".to_owned(), "close".to_owned()));
        assert_eq!((received.status, is_closed), (status, true), "{major} {path}");
    }
}

#[test]
fn old_server_keeps_connection_after_404() {
    let server = Server::version(4);
    let mut stream = connect(&server);
    let body = ApiForm::Current.request_body(&[PUBLISH]);
    let current = authorized_request_to("/api/publish", &body);
    assert_eq!(send(&mut stream, &current).expect("the server responds").status, 404);
    assert_eq!(send(&mut stream, &authorized_request(4, PUBLISH)).expect("the server responds").status, 200);
    assert_eq!((server.connections(), server.centrifugo().messages("a").len()), (1, 1));
}

#[test]
fn versions_have_their_forms() {
    for (major, has_legacy, has_current) in
        [(2, true, false), (3, true, false), (4, true, false), (5, true, true), (6, true, true), (7, false, true)]
    {
        let server = Server::version(major);
        let status = |is_served| if is_served { 200 } else { 404 };
        assert_eq!(post_to(&server, "/api", PUBLISH).0, status(has_legacy), "{major}");
        let body = ApiForm::Current.request_body(&[PUBLISH]);
        assert_eq!(post_to(&server, ApiForm::Current.path(), &body).0, status(has_current), "{major}");
        let body = ApiForm::Current.request_body(&[PUBLISH, PUBLISH]);
        assert_eq!(post_to(&server, ApiForm::Current.batch_path(), &body).0, status(has_current), "{major}");
        let expected = usize::from(has_legacy) + 3 * usize::from(has_current);
        assert_eq!(server.centrifugo().executed(), vec!["publish"; expected], "{major}");
    }
}

#[test]
fn parallel_batch_reverses_messages_but_not_replies() {
    for (parallel, messages, offsets) in [("true", ["3", "2", "1"], [3, 2, 1]), ("false", ["1", "2", "3"], [1, 2, 3])] {
        let server = Server::version(7);
        let publish = |data: usize| PUBLISH.replace(":1}", &format!(":{data}}}"));
        let batch = ApiForm::Current.request_body(&[publish(1), publish(2), publish(3)]);
        let batch = batch.replacen('{', &format!("{{\"parallel\":{parallel},"), 1);
        let replies =
            offsets.map(|offset| format!(r#"{{"publish":{{"offset":{offset},"epoch":"xxxxxxxx"}}}}"#)).join(",");
        assert_eq!(post_to(&server, "/api/batch", &batch), (200, format!("{{\"replies\":[{replies}]}}")));
        assert_eq!(server.centrifugo().messages_as_text("a"), messages);
    }
}

#[test]
fn forms_share_idempotency_keys() {
    let server = Server::version(6);
    let command = PUBLISH.replace("\"data\"", "\"idempotency_key\":\"k\",\"data\"");
    let current = ApiForm::Current;
    for (path, body) in [
        ("/api/publish", current.request_body(&[&command])),
        ("/api", command.clone()),
        ("/api/batch", current.request_body(&[&command, &command])),
    ] {
        let (status, replies) = post_to(&server, path, &body);
        assert_eq!((status, replies.contains("\"offset\":1,")), (200, true), "{path}: {replies}");
    }
    assert_eq!(server.centrifugo().delivered(), ["a"]);
}

#[test]
fn current_form_rejects_too_deep_nesting() {
    for (commands, max_depth) in [(1, 9_999), (2, 9_996)] {
        for (depth, status) in [(max_depth, 200), (max_depth + 1, 400)] {
            let server = Server::version(7);
            let data = "[".repeat(depth) + &"]".repeat(depth);
            let form = ApiForm::Current;
            let (path, body) = if commands == 1 {
                (form.path(), form.request_body(&[PUBLISH]))
            } else {
                (form.batch_path(), form.request_body(&[PUBLISH, PUBLISH]))
            };
            let body = body.replace("\"data\":1", &format!("\"data\":{data}"));
            assert_eq!(post_to(&server, path, &body).0, status, "{path} {depth}");
        }
    }
}

#[test]
fn one_wrong_type_rejects_batch() {
    for bad in [r#"{"history":{"channel":"a","since":{"offset":-1}}}"#, r#"{"publish":1,"history":{}}"#, "[]", "5"] {
        let server = Server::version(7);
        let batch = ApiForm::Current.request_body(&[PUBLISH, PUBLISH]).replace("]}", &format!(",{bad}]}}"));
        assert_eq!(post_to(&server, "/api/batch", &batch), (400, "Bad Request\n".to_owned()), "{bad}");
        assert_eq!(server.centrifugo().executed(), [""; 0], "{bad}");
    }
}

#[test]
fn current_bodies_match_server() {
    let server = Server::version(7);
    let form = ApiForm::Current;
    let plain = PUBLISH.replace("\"a\"", "\"plain:a\"");
    let reply = r#"{"result":{}}"#;
    let one = post_to(&server, form.path(), &form.request_body(&[&plain]));
    assert_eq!(one, (200, form.response_body(&[reply])));
    let batch = post_to(&server, form.batch_path(), &form.batch_request_body(&[&plain]));
    assert_eq!(batch, (200, form.batch_response_body(&[reply])));
    let none = post_to(&server, form.batch_path(), &form.batch_request_body(&[""; 0]));
    assert_eq!(none, (200, form.batch_response_body(&[""; 0])));
    let error = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
    let mixed = form.request_body(&[&plain, &PUBLISH.replace("\"a\"", "\"nope:a\"")]);
    assert_eq!(post_to(&server, form.batch_path(), &mixed), (200, form.response_body(&[reply, error])));
}

#[test]
fn long_responses_are_chunked() {
    let server = Server::version(1);
    let mut stream = connect(&server);
    for (body, is_chunked) in [(format!("[{PUBLISH}]"), false), (r#"[{"method":"stats"}]"#.to_owned(), true)] {
        stream.write_all(&authorized_request(1, &body)).expect("the request is sent");
        let head = read_head(&mut stream).expect("the server responds").join("\n");
        assert_eq!(head.contains("Transfer-Encoding: chunked"), is_chunked, "{head}");
        assert_ne!(head.contains("Content-Length"), is_chunked, "{head}");
        stream.read_exact(&mut [0; 10]).expect("the response has a body");
        stream = connect(&server);
    }
}

#[test]
fn large_body_is_read_completely() {
    let server = Server::version(1);
    let data = "x".repeat(8 << 20);
    assert_eq!(post_commands(&server, 1, &PUBLISH.replace(":1}", &format!(":\"{data}\"}}"))).0, 200);
    assert_eq!(server.centrifugo().messages("a")[0].len(), data.len() + 2);
}

// Tests of the faults.

fn publish_request() -> Vec<u8> {
    authorized_request(1, &format!("[{PUBLISH}]"))
}

/// Sends the request and reads until the connection closes.
fn read_to_end(server: &Server, request: &[u8]) -> (Vec<u8>, io::Result<usize>) {
    let mut stream = connect(server);
    stream.write_all(request).expect("the request is sent");
    let mut received = Vec::new();
    let result = stream.read_to_end(&mut received);
    (received, result)
}

#[test]
fn failure_during_request_executes_nothing() {
    let request = publish_request();
    for bytes in 0..=request.len() {
        for end in [Step::Close, Step::Reset] {
            let server = Server::version(1).script(server::fail_during_request(bytes, end.clone()));
            let (received, result) = read_to_end(&server, &request);
            let is_reset = result.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
            assert_eq!((received.len(), is_reset), (0, end == Step::Reset), "{bytes} {end:?}");
            assert_eq!(server.requests()[0].raw, request[..bytes], "{bytes} {end:?}");
            assert_eq!(server.centrifugo().executed(), [""; 0]);
        }
    }
}

#[test]
fn failure_during_response_executes_everything() {
    let complete = read_to_end(
        &Server::version(1).script(server::fail_during_response(usize::MAX, Step::Close)),
        &publish_request(),
    )
    .0;
    assert!(complete.starts_with(b"HTTP/1.1 200 OK\r\n") && complete.ends_with(br#""body":null}]"#));
    for sent in 0..=complete.len() {
        let closed = Server::version(1).script(server::fail_during_response(sent, Step::Close));
        let (received, result) = read_to_end(&closed, &publish_request());
        assert_eq!((received.as_slice(), result.is_ok()), (&complete[..sent], true), "{sent}");
        assert_eq!(closed.centrifugo().executed(), ["publish"]);

        let reset = Server::version(1).script(server::fail_during_response(sent, Step::Reset));
        assert!(read_to_end(&reset, &publish_request()).1.is_err(), "{sent}");

        let garbled = Server::version(1).script(server::corrupt_response(sent));
        assert_eq!(read_to_end(&garbled, &publish_request()).0, [&complete[..sent], GARBAGE].concat(), "{sent}");
    }
}

#[test]
fn hang_step_sends_nothing_until_drop() {
    for script in [server::fail_during_request(0, Step::Hang), server::fail_during_response(5, Step::Hang)] {
        let sent = if script.len() == 2 { 0 } else { 5 };
        let server = Server::version(1).script(script);
        let mut stream = connect(&server);
        stream.write_all(&publish_request()).expect("the request is sent");
        let mut received = vec![0; sent];
        stream.read_exact(&mut received).expect("these bytes are sent");
        assert_eq!(server.wait_for_requests(1).len(), 1);
        stream.set_nonblocking(true).expect("the connection is open");
        assert_eq!(stream.read(&mut [0]).expect_err("nothing is sent").kind(), io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).expect("the connection is open");
        drop(server);
        // Closed or reset, but not before.
        let after = stream.read(&mut [0]);
        assert!(matches!(after, Ok(0) | Err(_)), "{after:?}");
    }
}

#[test]
fn slow_response_is_complete() {
    let server = Server::version(1).script(vec![Step::Execute, Step::SendSlowly(std::time::Duration::ZERO)]);
    let mut stream = connect(&server);
    assert_eq!(send(&mut stream, &publish_request()).expect("the server responds").status, 200);
    // The connection stays open, and the next request has no script.
    assert_eq!(send(&mut stream, &publish_request()).expect("the server responds").status, 200);
    assert_eq!((server.connections(), server.centrifugo().executed().len()), (1, 2));
}

#[test]
fn custom_responses_are_verbatim() {
    let scripts = [
        server::respond(&ApiForm::V1.replies("{\"error\":null}", 2)),
        server::respond(&Response::new(503).header("Retry-After", "1")),
        vec![Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), Step::Execute, Step::SendRest],
        vec![Step::Execute, Step::SendRange(0, usize::MAX), Step::SendRange(0, usize::MAX)],
    ];
    let server = scripts.into_iter().fold(Server::version(1), Server::script);
    let mut stream = connect(&server);
    let received = send(&mut stream, &publish_request()).expect("the server responds");
    assert_eq!(received.body, br#"[{"error":null},{"error":null}]"#);
    assert_eq!(send(&mut stream, &publish_request()).expect("the server responds").status, 503);
    stream.write_all(&publish_request()).expect("the request is sent");
    assert_eq!(read_head(&mut stream).expect("the response is sent"), ["HTTP/1.1 100 Continue"]);
    assert_eq!(read_response(&mut stream).expect("the server responds").status, 200);
    assert_eq!(send(&mut stream, &publish_request()).expect("the server responds").status, 200);
    assert_eq!(read_response(&mut stream).expect("the response is sent twice").status, 200);
    assert_eq!(server.centrifugo().executed().len(), 4);
}

#[test]
fn huge_response_is_not_buffered() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".to_vec();
    let server =
        Server::version(1).script(vec![Step::Execute, Step::Send(head), Step::SendRepeated(vec![b' '; 1 << 20], 100)]);
    let mut stream = connect(&server);
    stream.write_all(&publish_request()).expect("the request is sent");
    read_head(&mut stream).expect("the server responds");
    assert_eq!(io::copy(&mut stream.take(100 << 20), &mut io::sink()).expect("the response is sent"), 100 << 20);
}

#[test]
fn closed_port_refuses_and_hanging_server_hangs() {
    let address = |address: String| address.trim_start_matches("http://").to_owned();
    let closed = ClosedPort::bind();
    let error = TcpStream::connect(address(closed.address())).expect_err("the port is closed");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let hanging = HangingServer::start();
    let mut stream = TcpStream::connect(address(hanging.address())).expect("the server listens");
    stream.write_all(&publish_request()).expect("the request is sent");
    stream.set_nonblocking(true).expect("the connection is open");
    assert_eq!(stream.read(&mut [0]).expect_err("nothing is sent").kind(), io::ErrorKind::WouldBlock);
}

#[test]
#[should_panic(expected = "no client connected to the test server")]
fn unused_server_fails_test() {
    let _server = Server::version(1);
}

#[test]
#[should_panic(expected = "a client connected to the test server")]
fn unexpected_connection_fails_test() {
    let server = Server::version(1).expect_no_connection();
    send(&mut connect(&server), &publish_request()).expect("the server responds");
}
