//! The library as another crate sees it, against the test server.

use std::time::{Duration, Instant};

use cent::{Client, Command, DEFAULT_TIMEOUT, ErrorKind, Proxy};
use serde_json::json;

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/server/mod.rs"]
mod server;

use fixtures::{Fixture, VERSIONS};
use server::{API_KEY, ApiForm, Centrifugo, ClosedPort, HangingServer, Response, SECRET, Server, Step};

const ALL_VERSIONS: [u8; 6] = [1, 2, 3, 4, 5, 6];

/// A client with the credential of the test servers.
fn client_for(major: u8, address: &str) -> Client {
    ApiForm::of_version(major).client(address)
}

fn start(major: u8) -> (Server, Client) {
    let server = Server::version(major);
    let client = client_for(major, &server.address());
    (server, client)
}

/// Publishes once; the kind of the error, if any.
fn publish(client: &mut Client) -> Result<String, ErrorKind> {
    client.publish("news", &1).map_err(|error| error.kind())
}

#[test]
fn publish_reaches_channel() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        client.publish("news", &json!({"title": "World Cup 2018"})).unwrap();
        assert_eq!(server.centrifugo().messages_as_text("news"), [r#"{"title":"World Cup 2018"}"#], "{major}");
        let request = &server.requests()[0];
        assert_eq!((request.method.as_str(), request.header("Content-Type")), ("POST", Some("application/json")));
        let command = r#"{"method":"publish","params":{"channel":"news","data":{"title":"World Cup 2018"}}}"#;
        let form = ApiForm::of_version(major);
        let (path, body) = (form.path(), form.request_body(&[command]));
        assert_eq!((request.path.as_str(), request.body_text()), (path, body));
        assert_eq!(client.url(), format!("{}{path}", server.address()));
    }
}

#[test]
fn helpers_return_reply_data() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        server.centrifugo().join("news", "c1", "42", "");
        let no_data = if major < 4 { "null" } else { "{}" };
        let is_position =
            |data: &str| if major < 3 { data == "null" } else { data.starts_with("{\"offset\":1,\"epoch\":") };

        assert!(is_position(&client.publish("a", &1).unwrap()), "{major}");
        let broadcast = client.broadcast(&["b", "plain:c"], &json!([2])).unwrap();
        assert!(
            if major < 3 { broadcast == "null" } else { broadcast.ends_with("}},{\"result\":{}}]}") },
            "{broadcast}"
        );
        assert_eq!(server.centrifugo().delivered(), ["a", "b", "plain:c"]);

        let member = r#"{"c1":{"user":"42","client":"c1"}}"#;
        let presence = if major == 1 { member.to_owned() } else { format!(r#"{{"presence":{member}}}"#) };
        assert_eq!(client.presence("news").unwrap(), presence);
        let history = client.history("a").unwrap();
        let kept = if major < 3 { "\"data\":1}]" } else { "\"publications\":[]," };
        assert!(history.contains(kept), "{history}");
        let channels = match major {
            1 => r#"["news"]"#,
            2 => r#"{"channels":["news"]}"#,
            _ => r#"{"channels":{"news":{"num_clients":1}}}"#,
        };
        assert_eq!(client.channels().unwrap(), channels);

        assert_eq!(client.unsubscribe("42", "news").unwrap(), no_data);
        assert_eq!(server.centrifugo().clients("news"), [""; 0]);
        assert_eq!(client.disconnect("42").unwrap(), no_data);
        let methods = ["publish", "broadcast", "presence", "history", "channels", "unsubscribe", "disconnect"];
        assert_eq!(server.centrifugo().executed(), methods, "{major}");
    }
}

#[test]
fn methods_of_v1_only_work() {
    let (_server, mut client) = start(1);
    assert!(client.stats().unwrap().starts_with("{\"nodes\":[{\"uid\":"));
    assert!(client.node().unwrap().starts_with("{\"uid\":"));
    assert_eq!(client.info().unwrap_err().kind(), ErrorKind::Rejected);
}

#[test]
fn methods_since_v2_work() {
    for major in [2, 3, 4, 5, 6] {
        let (server, mut client) = start(major);
        server.centrifugo().join("news", "c1", "42", "");
        server.centrifugo().publish("a", "1.0");
        assert_eq!(client.presence_stats("news").unwrap(), r#"{"num_clients":1,"num_users":1}"#);
        assert!(client.info().unwrap().starts_with("{\"nodes\":[{\"uid\":"));
        assert!(client.history_with_limit("a", -1).unwrap().starts_with(r#"{"publications":[{"data":1.0"#));
        client.history_remove("a").unwrap();
        assert!(client.history_with_limit("a", 9).unwrap().starts_with(r#"{"publications":[]"#));
        assert_eq!(client.stats().unwrap_err().kind(), ErrorKind::Rejected);
        let refreshed = client.subscribe("42", "sport").and_then(|_| client.refresh("42"));
        let no_data = if major < 4 { "null" } else { "{}" };
        // Version 2 has neither method.
        assert_eq!(refreshed.ok().as_deref(), (major > 2).then_some(no_data), "{major}");
        assert_eq!(server.centrifugo().clients("sport").len(), usize::from(major > 2));
    }
}

#[test]
fn queued_commands_share_one_request_in_order() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        for n in 0..3 {
            client.add("publish", &json!({"channel": format!("c{n}"), "data": n})).unwrap();
        }
        client.add("publish", &json!({"channel": "nope:x", "data": 3})).unwrap();
        client.add("presence", &json!({"channel": "c0"})).unwrap();
        let replies = client.send().unwrap();
        let errors: Vec<usize> = replies.iter().map(|reply| reply.errors().len()).collect();
        assert_eq!(errors, [0, 0, 0, 1, 0], "{major}");
        let error = &replies[3].errors()[0];
        assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, (major > 1).then_some(102)));
        assert_eq!(error.message(), if major < 3 { "namespace not found" } else { "unknown channel" });
        assert!(replies[4].text().contains("{}"), "{}", replies[4].text());
        assert_eq!(server.centrifugo().delivered(), ["c0", "c1", "c2"]);
        assert_eq!(server.requests().len(), 1);
        // The queue is empty.
        assert_eq!(client.send().unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn params_are_sent_verbatim() {
    let data = r#"{"a" : 1.0,"b":1e400,"d":1234567890123456789012345678901234567890,"z":"\ud800","a":2}"#;
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        let commands = [
            Command::new("publish", format!(r#"{{"channel":"a","data":{data}}}"#)).unwrap(),
            Command::new("history", r#"{"channel":"a","limit":-1}"#).unwrap(),
        ];
        let replies = client.send_commands(&commands).unwrap();
        assert_eq!(server.centrifugo().messages_as_text("a"), [data], "{major}");
        let written = data.replace(' ', "");
        assert!(replies[1].text().contains(&written), "{}", replies[1].text());
    }
}

#[test]
fn failed_send_empties_queue() {
    for (failing, major) in [(Step::Close, 1), (Step::Reset, 6)] {
        let server = Server::start(Centrifugo::version(major)).script(server::fail_during_request(1, failing));
        let mut client = client_for(major, &server.address());
        client.add("publish", &json!({"channel": "lost", "data": 1})).unwrap();
        assert_eq!(client.send().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        client.add("publish", &json!({"channel": "next", "data": 1})).unwrap();
        assert_eq!(client.send().unwrap().len(), 1);
        assert_eq!(server.centrifugo().delivered(), ["next"]);
    }
}

#[test]
fn helper_call_keeps_queue() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        client.add("publish", &json!({"channel": "queued", "data": 1})).unwrap();
        client.publish("at once", &1).unwrap();
        client.publish("nope:x", &1).unwrap_err();
        assert_eq!(server.centrifugo().delivered(), ["at once"]);
        assert_eq!(client.send().unwrap().len(), 1);
        assert_eq!(server.centrifugo().delivered(), ["at once", "queued"]);
    }
}

#[test]
fn connection_is_reused() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        for n in 0..20 {
            client.publish("news", &n).unwrap();
            // A rejection keeps the connection too.
            client.presence("plain:x").unwrap_err();
        }
        assert_eq!((server.connections(), server.requests().len()), (1, 40), "{major}");
    }
}

#[test]
fn closed_connection_is_not_reused() {
    for major in [1, 6] {
        let (server, mut client) = start(major);
        server.add_script(vec![Step::Execute, Step::SendRest, Step::Close]);
        client.publish("news", &1).unwrap();
        server.wait_for_requests(1);
        client.publish("news", &2).unwrap();
        assert_eq!((server.connections(), server.centrifugo().messages_as_text("news").len()), (2, 2));
    }
}

#[test]
fn invalid_input_sends_nothing() {
    for major in ALL_VERSIONS {
        let server = Server::start(Centrifugo::version(major)).expect_no_connection();
        let mut client = client_for(major, &server.address());
        let assert_invalid =
            |result: Result<(), cent::Error>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Invalid);
        assert_invalid(client.add("", &json!({})));
        assert_invalid(client.add("publish", &[1]));
        assert_invalid(client.publish("", &1).map(drop));
        assert_invalid(client.broadcast(&[], &1).map(drop));
        client.add("disconnect", &json!({})).unwrap();
        assert_invalid(client.send().map(drop));
    }
    for address in ["localhost:8000", "ftp://localhost", "http://user:marked@localhost"] {
        assert_eq!(Client::new(address, SECRET).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(Client::with_api_key("http://localhost", "a b").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn failures_have_expected_error_kind() {
    for major in ALL_VERSIONS {
        let closed = ClosedPort::bind();
        let error = client_for(major, &closed.address()).publish("news", &1).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::SafeToRetry, true));

        let hanging = HangingServer::start();
        let mut client = client_for(major, &hanging.address()).with_timeout(Duration::from_millis(300));
        let start = Instant::now();
        assert_eq!(publish(&mut client), Err(ErrorKind::OutcomeUnknown));
        assert!(start.elapsed() < DEFAULT_TIMEOUT);

        let engine_down = Server::start(Centrifugo::version(major).engine_down());
        assert_eq!(publish(&mut client_for(major, &engine_down.address())), Err(ErrorKind::OutcomeUnknown));

        for (response, kind) in [
            (Response::new(503), ErrorKind::SafeToRetry),
            (Response::new(503).body("busy"), ErrorKind::OutcomeUnknown),
            (Response::new(429), ErrorKind::SafeToRetry),
            (Response::new(302).header("Location", "/elsewhere"), ErrorKind::Rejected),
            (Response::new(204), ErrorKind::OutcomeUnknown),
            (Response::json("<html>"), ErrorKind::OutcomeUnknown),
            (ApiForm::of_version(major).replies("{\"error\":null}", 2), ErrorKind::OutcomeUnknown),
        ] {
            let text = format!("{major} {response:?}");
            let server = Server::start(Centrifugo::version(major)).script(server::respond(&response));
            assert_eq!(publish(&mut client_for(major, &server.address())), Err(kind), "{text}");
            assert_eq!(server.requests().len(), 1, "{text}");
        }
    }
}

#[test]
fn worst_error_of_reply_decides_kind() {
    let refused = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
    let unknown = r#"{"error":{"code":100,"message":"internal server error"}}"#;
    for results in [[refused, unknown, refused], [unknown, refused, refused], [refused, refused, unknown]] {
        let reply = Response::json(format!(r#"{{"result":{{"responses":[{}]}}}}"#, results.join(",")));
        let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
        let error = client_for(6, &server.address()).broadcast(&["a:a", "b", "c:c"], &1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{results:?}");
        assert!(error.to_string().contains("internal server error (100)"), "{error}");
    }
}

#[test]
fn uses_proxy() {
    let done = Response::json(r#"[{"method":"publish","error":null,"body":null}]"#);
    let proxy = Server::version(1).script(server::respond(&done));
    let client = client_for(1, "http://centrifugo.invalid");
    let mut client = client.with_proxy(Proxy::parse(&proxy.address()).unwrap());
    assert_eq!(publish(&mut client).as_deref(), Ok("null"));
    assert_eq!(proxy.requests()[0].header("Host"), Some("centrifugo.invalid"));
}

#[test]
fn wrong_credential_is_rejected_at_any_size() {
    for (major, size) in [(1, 10), (6, 10), (6, 8 << 20)] {
        let server = Server::start(Centrifugo::version(major).with_credential("another"));
        let error = client_for(major, &server.address()).publish("news", &"x".repeat(size)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{major} {size}: {error}");
        assert!(error.to_string().contains("(401)"), "{error}");
        assert_eq!(server.centrifugo().delivered(), [""; 0]);
    }
}

#[test]
fn wrong_credential_type_names_correct_one() {
    let v6 = Server::version(6);
    let error = Client::new(&v6.address(), SECRET).unwrap().publish("news", &1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("set api_key instead of secret"), "{error}");
    let v1 = Server::version(1);
    let error = Client::with_api_key(&v1.address(), API_KEY).unwrap().publish("news", &1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("set secret instead of api_key"), "{error}");
}

#[test]
fn path_prefix_is_kept() {
    for major in ALL_VERSIONS {
        let server = Server::start(Centrifugo::version(major).with_prefix("/rt"));
        for path in ["/rt", "/rt/", "/rt/api", "/rt/api/"] {
            let mut client = client_for(major, &format!("{}{path}", server.address()));
            assert!(publish(&mut client).is_ok(), "{major} {path}");
        }
    }
}

#[test]
fn debug_output_hides_credentials() {
    for major in ALL_VERSIONS {
        let server = Server::start(Centrifugo::version(major).with_credential("another"));
        let mut client = client_for(major, &server.address());
        let before = format!("{client:?}");
        let error = client.publish("news", &1).unwrap_err();
        let printed = format!("{before} {client:?} {error} {error:?}");
        let request = &server.requests()[0];
        let credential =
            request.header("X-API-Sign").or(request.header("Authorization")).expect("the request has a credential");
        for hidden in [SECRET, API_KEY, credential] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }
}

/// The result of a recorded response for the caller.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Success,
    /// No replies, only an error.
    Error(ErrorKind),
    /// Replies with errors; the worst kind.
    ReplyError(ErrorKind),
}

/// The outcome that the contract demands for a recorded response, by the name of its fixture.
fn expected_outcome(fixture: &Fixture) -> Outcome {
    use ErrorKind::{OutcomeUnknown, Rejected};
    let is_v1 = fixture.major() == 1;
    match fixture.name.as_str() {
        // Earlier commands were executed, or a command has no reply.
        "unknown-method-second" | "internal-error-second" | "blank-body" | "empty-array" => {
            Outcome::Error(OutcomeUnknown)
        }
        "missing-params-second" if is_v1 => Outcome::Error(OutcomeUnknown),
        "array-body"
        | "empty-body"
        | "leading-space"
        | "ndjson-body"
        | "no-content-type"
        | "no-sign"
        | "no-key"
        | "plain-http-to-tls-port"
        | "server-without-secret"
        | "server-without-key"
        | "unknown-method"
        | "wrong-mode-key"
        | "wrong-mode-key-slash"
        | "wrong-mode-signed"
        | "wrong-path"
        | "wrong-sign"
        | "wrong-key" => Outcome::Error(Rejected),
        "channel-number" | "missing-channel" | "missing-data" | "missing-params" if is_v1 => Outcome::Error(Rejected),
        "disconnect-no-user" | "unsubscribe-no-user" if fixture.major() > 2 => Outcome::Success,
        name if name.starts_with("engine-down") => Outcome::ReplyError(OutcomeUnknown),
        "broadcast-empty-channel"
        | "broadcast-no-channels"
        | "broadcast-no-data"
        | "broadcast-unknown-namespace"
        | "channel-number"
        | "channels-no-params"
        | "disconnect-no-user"
        | "history-missing-channel"
        | "history-not-available"
        | "history-unrecoverable"
        | "missing-channel"
        | "missing-data"
        | "missing-params"
        | "missing-params-second"
        | "not-served-method"
        | "publish-unknown-namespace"
        | "several-one-error"
        | "unsubscribe-no-user" => Outcome::ReplyError(Rejected),
        _ => Outcome::Success,
    }
}

/// The commands of a recorded request, with valid params; one publish if the request had no readable command.
fn commands(fixture: &Fixture) -> Vec<Command> {
    let params = r#"{"channel":"a","channels":["a","b","c"],"data":1,"user":"42"}"#;
    let objects: Vec<serde_json::Value> = match fixture.major() {
        1 => serde_json::from_slice(&fixture.body).ok().filter(|body: &Vec<_>| !body.is_empty()),
        _ => serde_json::Deserializer::from_slice(&fixture.body).into_iter().collect::<Result<_, _>>().ok(),
    }
    .unwrap_or_default();
    let methods = objects.iter().map(|object| object["method"].as_str().unwrap_or("publish"));
    let commands: Vec<Command> = methods.map(|method| Command::new(method, params).unwrap()).collect();
    if commands.is_empty() { vec![Command::new("publish", params).unwrap()] } else { commands }
}

#[test]
fn recorded_responses_have_expected_outcome() {
    for fixture in VERSIONS.iter().flat_map(|(version, _)| Fixture::load_all(version)) {
        let script = match fixture.name.as_str() {
            "plain-http-to-tls-port" => server::plain_http_to_tls_port(),
            _ => vec![Step::Execute, Step::respond(&fixture.response)],
        };
        let server = Server::start(Centrifugo::version(fixture.major())).script(script);
        let commands = commands(&fixture);
        let outcome = match client_for(fixture.major(), &server.address()).send_commands(&commands) {
            Err(error) => Outcome::Error(error.kind()),
            Ok(replies) => {
                assert_eq!(replies.len(), commands.len());
                let errors = replies.iter().flat_map(cent::Reply::errors).map(cent::ReplyError::kind);
                let gravest = errors.max_by_key(|&kind| kind == ErrorKind::OutcomeUnknown);
                let texts: Vec<&str> = replies.iter().map(cent::Reply::text).collect();
                let body = String::from_utf8_lossy(&fixture.response.body).into_owned();
                let body = if fixture.major() == 1 { body } else { body.trim_end().to_owned() };
                let joined = if fixture.major() == 1 { format!("[{}]", texts.join(",")) } else { texts.join("\n") };
                assert_eq!(joined, body, "{} {}", fixture.version, fixture.name);
                gravest.map_or(Outcome::Success, Outcome::ReplyError)
            }
        };
        assert_eq!(
            outcome,
            expected_outcome(&fixture),
            "{} {}: {}",
            fixture.version,
            fixture.name,
            fixture.description
        );
    }
}
