//! The library as another crate sees it, against the test server.

use std::time::{Duration, Instant};

use cent::{Client, Command, DEFAULT_TIMEOUT, ErrorKind, Proxy};
use serde_json::json;

#[path = "support/recorded.rs"]
mod recorded;
#[path = "support/server/mod.rs"]
mod server;

use recorded::{Recorded, VERSIONS};
use server::{API_KEY, Centrifugo, RefusedPort, Response, SECRET, Server, SilentServer, Step};

const ALL: [u8; 6] = [1, 2, 3, 4, 5, 6];

fn centrifugo(major: u8) -> Centrifugo {
    if major == 1 { Centrifugo::v1() } else { Centrifugo::later(major) }
}

/// A client that proves itself as the version wants it.
fn client_of(major: u8, address: &str) -> Client {
    let client = if major == 1 { Client::new(address, SECRET) } else { Client::with_api_key(address, API_KEY) };
    client.expect("address and credential are right")
}

fn started(major: u8) -> (Server, Client) {
    let server = Server::start(centrifugo(major));
    let client = client_of(major, &server.address());
    (server, client)
}

/// The kind of what comes of one publish.
fn publish(client: &mut Client) -> Result<String, ErrorKind> {
    client.publish("news", &1).map_err(|error| error.kind())
}

#[test]
fn a_publish_reaches_the_channel() {
    for major in ALL {
        let (server, mut client) = started(major);
        client.publish("news", &json!({"title": "World Cup 2018"})).unwrap();
        assert_eq!(server.centrifugo().texts("news"), [r#"{"title":"World Cup 2018"}"#], "{major}");
        let request = &server.requests()[0];
        assert_eq!((request.method.as_str(), request.header("Content-Type")), ("POST", Some("application/json")));
        let command = r#"{"method":"publish","params":{"channel":"news","data":{"title":"World Cup 2018"}}}"#;
        let (path, body) = if major == 1 { ("/api/", format!("[{command}]")) } else { ("/api", command.to_owned()) };
        assert_eq!((request.path.as_str(), request.body_text()), (path, body));
        assert_eq!(client.url(), format!("{}{path}", server.address()));
    }
}

#[test]
fn each_method_gives_back_its_data() {
    for major in ALL {
        let (server, mut client) = started(major);
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
fn methods_of_the_first_version_alone() {
    let (_server, mut client) = started(1);
    assert!(client.stats().unwrap().starts_with("{\"nodes\":[{\"uid\":"));
    assert!(client.node().unwrap().starts_with("{\"uid\":"));
    assert_eq!(client.info().unwrap_err().kind(), ErrorKind::Rejected);
}

#[test]
fn methods_of_later_versions_alone() {
    for major in [2, 3, 4, 5, 6] {
        let (server, mut client) = started(major);
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
        // Version 2 has neither.
        assert_eq!(refreshed.ok().as_deref(), (major > 2).then_some(no_data), "{major}");
        assert_eq!(server.centrifugo().clients("sport").len(), usize::from(major > 2));
    }
}

#[test]
fn several_commands_go_in_one_request_and_come_back_in_order() {
    for major in ALL {
        let (server, mut client) = started(major);
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
        // Nothing is left over.
        assert_eq!(client.send().unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn params_travel_as_they_were_written() {
    let data = r#"{"a" : 1.0,"b":1e400,"d":1234567890123456789012345678901234567890,"z":"\ud800","a":2}"#;
    for major in ALL {
        let (server, mut client) = started(major);
        let commands = [
            Command::new("publish", format!(r#"{{"channel":"a","data":{data}}}"#)).unwrap(),
            Command::new("history", r#"{"channel":"a","limit":-1}"#).unwrap(),
        ];
        let replies = client.send_commands(&commands).unwrap();
        assert_eq!(server.centrifugo().texts("a"), [data], "{major}");
        let written = data.replace(' ', "");
        assert!(replies[1].text().contains(&written), "{}", replies[1].text());
    }
}

#[test]
fn a_send_that_fails_empties_the_queue() {
    for (failing, major) in [(Step::Close, 1), (Step::Reset, 6)] {
        let server = Server::start(centrifugo(major)).script(server::stopped_in_request(1, failing));
        let mut client = client_of(major, &server.address());
        client.add("publish", &json!({"channel": "lost", "data": 1})).unwrap();
        assert_eq!(client.send().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        client.add("publish", &json!({"channel": "next", "data": 1})).unwrap();
        assert_eq!(client.send().unwrap().len(), 1);
        assert_eq!(server.centrifugo().delivered(), ["next"]);
    }
}

#[test]
fn one_command_leaves_the_queue_alone() {
    for major in ALL {
        let (server, mut client) = started(major);
        client.add("publish", &json!({"channel": "queued", "data": 1})).unwrap();
        client.publish("at once", &1).unwrap();
        client.publish("nope:x", &1).unwrap_err();
        assert_eq!(server.centrifugo().delivered(), ["at once"]);
        assert_eq!(client.send().unwrap().len(), 1);
        assert_eq!(server.centrifugo().delivered(), ["at once", "queued"]);
    }
}

#[test]
fn one_connection_is_kept_for_many_requests() {
    for major in ALL {
        let (server, mut client) = started(major);
        for n in 0..20 {
            client.publish("news", &n).unwrap();
            // A refusal keeps it as well.
            client.presence("plain:x").unwrap_err();
        }
        assert_eq!((server.connections(), server.requests().len()), (1, 40), "{major}");
    }
}

#[test]
fn a_connection_that_the_server_has_closed_is_not_used_again() {
    for major in [1, 6] {
        let (server, mut client) = started(major);
        server.add_script(vec![Step::Execute, Step::Rest, Step::Close]);
        client.publish("news", &1).unwrap();
        server.settled(1);
        client.publish("news", &2).unwrap();
        assert_eq!((server.connections(), server.centrifugo().texts("news").len()), (2, 2));
    }
}

#[test]
fn nothing_is_sent_for_what_is_wrong_already() {
    for major in ALL {
        let server = Server::start(centrifugo(major)).uncalled();
        let mut client = client_of(major, &server.address());
        let invalid = |result: Result<(), cent::Error>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Invalid);
        invalid(client.add("", &json!({})));
        invalid(client.add("publish", &[1]));
        invalid(client.publish("", &1).map(drop));
        invalid(client.broadcast(&[], &1).map(drop));
        client.add("disconnect", &json!({})).unwrap();
        invalid(client.send().map(drop));
    }
    for address in ["localhost:8000", "ftp://localhost", "http://user:marked@localhost"] {
        assert_eq!(Client::new(address, SECRET).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(Client::with_api_key("http://localhost", "a b").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn failures_are_told_apart_by_what_a_caller_can_do() {
    for major in ALL {
        let refused = RefusedPort::take();
        let error = client_of(major, &refused.address()).publish("news", &1).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::SafeToRetry, true));

        let silent = SilentServer::start();
        let mut client = client_of(major, &silent.address()).with_timeout(Duration::from_millis(300));
        let start = Instant::now();
        assert_eq!(publish(&mut client), Err(ErrorKind::OutcomeUnknown));
        assert!(start.elapsed() < DEFAULT_TIMEOUT);

        let engine_down = Server::start(centrifugo(major).engine_down());
        assert_eq!(publish(&mut client_of(major, &engine_down.address())), Err(ErrorKind::OutcomeUnknown));

        for (response, kind) in [
            (Response::new(503), ErrorKind::SafeToRetry),
            (Response::new(503).body("busy"), ErrorKind::OutcomeUnknown),
            (Response::new(429), ErrorKind::SafeToRetry),
            (Response::new(302).header("Location", "/elsewhere"), ErrorKind::Rejected),
            (Response::new(204), ErrorKind::OutcomeUnknown),
            (Response::json("<html>"), ErrorKind::OutcomeUnknown),
            (server::replies(major, "{\"error\":null}", 2), ErrorKind::OutcomeUnknown),
        ] {
            let text = format!("{major} {response:?}");
            let server = Server::start(centrifugo(major)).script(server::answered(&response));
            assert_eq!(publish(&mut client_of(major, &server.address())), Err(kind), "{text}");
            assert_eq!(server.requests().len(), 1, "{text}");
        }
    }
}

#[test]
fn of_several_errors_in_a_reply_the_worst_counts() {
    let refused = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
    let unknown = r#"{"error":{"code":100,"message":"internal server error"}}"#;
    for results in [[refused, unknown, refused], [unknown, refused, refused], [refused, refused, unknown]] {
        let reply = Response::json(format!(r#"{{"result":{{"responses":[{}]}}}}"#, results.join(",")));
        let server = Server::start(centrifugo(6)).script(server::answered(&reply));
        let error = client_of(6, &server.address()).broadcast(&["a:a", "b", "c:c"], &1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{results:?}");
        assert!(error.to_string().contains("internal server error (100)"), "{error}");
    }
}

#[test]
fn a_proxy_is_gone_through() {
    let done = Response::json(r#"[{"method":"publish","error":null,"body":null}]"#);
    let proxy = Server::v1().script(server::answered(&done));
    let client = client_of(1, "http://centrifugo.invalid");
    let mut client = client.with_proxy(Proxy::parse(&proxy.address()).unwrap());
    assert_eq!(publish(&mut client).as_deref(), Ok("null"));
    assert_eq!(proxy.requests()[0].header("Host"), Some("centrifugo.invalid"));
}

#[test]
fn a_wrong_credential_is_refused_whatever_the_size() {
    for (major, size) in [(1, 10), (6, 10), (6, 8 << 20)] {
        let server = Server::start(centrifugo(major).with_credential("another"));
        let error = client_of(major, &server.address()).publish("news", &"x".repeat(size)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{major} {size}: {error}");
        assert!(error.to_string().contains("(401)"), "{error}");
        assert_eq!(server.centrifugo().delivered(), [""; 0]);
    }
}

#[test]
fn a_wrong_dialect_is_told() {
    let later = Server::later(6);
    let error = Client::new(&later.address(), SECRET).unwrap().publish("news", &1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("write api_key instead of secret"), "{error}");
    let first = Server::v1();
    let error = Client::with_api_key(&first.address(), API_KEY).unwrap().publish("news", &1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("write secret instead of api_key"), "{error}");
}

#[test]
fn a_path_before_the_api_is_kept() {
    for major in ALL {
        let server = Server::start(centrifugo(major).with_prefix("/rt"));
        for path in ["/rt", "/rt/", "/rt/api", "/rt/api/"] {
            let mut client = client_of(major, &format!("{}{path}", server.address()));
            assert!(publish(&mut client).is_ok(), "{major} {path}");
        }
    }
}

#[test]
fn nothing_shown_holds_a_credential() {
    for major in ALL {
        let server = Server::start(centrifugo(major).with_credential("another"));
        let mut client = client_of(major, &server.address());
        let before = format!("{client:?}");
        let error = client.publish("news", &1).unwrap_err();
        let shown = format!("{before} {client:?} {error} {error:?}");
        let request = &server.requests()[0];
        let proof = request.header("X-API-Sign").or(request.header("Authorization")).expect("it proves itself");
        for hidden in [SECRET, API_KEY, proof] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}

/// What a caller gets for a recorded answer.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    /// An error in place of the replies.
    Failed(ErrorKind),
    /// Replies with an error in them; the gravest.
    Replied(ErrorKind),
}

/// What the contract says of a recorded answer, by the name of its case.
fn contract(case: &Recorded) -> Outcome {
    use ErrorKind::{OutcomeUnknown, Rejected};
    let is_first = case.major() == 1;
    match case.name.as_str() {
        // The commands before the one that is meant have run; or there is no reply to a command.
        "unknown-method-second" | "internal-error-second" | "blank-body" | "empty-array" => {
            Outcome::Failed(OutcomeUnknown)
        }
        "missing-params-second" if is_first => Outcome::Failed(OutcomeUnknown),
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
        | "wrong-key" => Outcome::Failed(Rejected),
        "channel-number" | "missing-channel" | "missing-data" | "missing-params" if is_first => {
            Outcome::Failed(Rejected)
        }
        "disconnect-no-user" | "unsubscribe-no-user" if case.major() > 2 => Outcome::Fine,
        name if name.starts_with("engine-down") => Outcome::Replied(OutcomeUnknown),
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
        | "unsubscribe-no-user" => Outcome::Replied(Rejected),
        _ => Outcome::Fine,
    }
}

/// The commands of a recorded request, with params that may be sent; one publish where it held none that can be read.
fn commands(case: &Recorded) -> Vec<Command> {
    let params = r#"{"channel":"a","channels":["a","b","c"],"data":1,"user":"42"}"#;
    let objects: Vec<serde_json::Value> = match case.major() {
        1 => serde_json::from_slice(&case.body).ok().filter(|body: &Vec<_>| !body.is_empty()),
        _ => serde_json::Deserializer::from_slice(&case.body).into_iter().collect::<Result<_, _>>().ok(),
    }
    .unwrap_or_default();
    let methods = objects.iter().map(|object| object["method"].as_str().unwrap_or("publish"));
    let commands: Vec<Command> = methods.map(|method| Command::new(method, params).unwrap()).collect();
    if commands.is_empty() { vec![Command::new("publish", params).unwrap()] } else { commands }
}

#[test]
fn every_recorded_answer_is_judged_as_the_contract_says() {
    for case in VERSIONS.iter().flat_map(|(version, _)| Recorded::all(version)) {
        let script = match case.name.as_str() {
            "plain-http-to-tls-port" => server::plain_http_to_tls_port(),
            _ => vec![Step::Execute, Step::respond(&case.response)],
        };
        let server = Server::start(centrifugo(case.major())).script(script);
        let commands = commands(&case);
        let outcome = match client_of(case.major(), &server.address()).send_commands(&commands) {
            Err(error) => Outcome::Failed(error.kind()),
            Ok(replies) => {
                assert_eq!(replies.len(), commands.len());
                let errors = replies.iter().flat_map(cent::Reply::errors).map(cent::ReplyError::kind);
                let gravest = errors.max_by_key(|&kind| kind == ErrorKind::OutcomeUnknown);
                let texts: Vec<&str> = replies.iter().map(cent::Reply::text).collect();
                let body = String::from_utf8_lossy(&case.response.body).into_owned();
                let body = if case.major() == 1 { body } else { body.trim_end().to_owned() };
                let joined = if case.major() == 1 { format!("[{}]", texts.join(",")) } else { texts.join("\n") };
                assert_eq!(joined, body, "{} {}", case.version, case.name);
                gravest.map_or(Outcome::Fine, Outcome::Replied)
            }
        };
        assert_eq!(outcome, contract(&case), "{} {}: {}", case.version, case.name, case.case);
    }
}
