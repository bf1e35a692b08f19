//! The library as another crate sees it, against the test server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cent::{
    Client, Command, DEFAULT_TIMEOUT, Error, ErrorKind, Event, HistoryOptions, IdempotencySupport, Proxy,
    PublishOptions, Published, Reply, ReplyError,
};
use serde_json::json;
use serde_json::value::RawValue;

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/server/mod.rs"]
mod server;

use fixtures::{CURRENT_VERSIONS, Fixture, VERSIONS};
use server::ApiForm::{Current, Legacy, V1};
use server::{API_KEY, ApiForm, Centrifugo, ClosedPort, HangingServer, Response, SECRET, Server, Step};

const ALL_VERSIONS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];
const WITH_API_KEY: [u8; 6] = [2, 3, 4, 5, 6, 7];
const WITH_CURRENT_FORM: [u8; 3] = [5, 6, 7];

/// A client with the credential of the test servers.
fn client_for(major: u8, address: &str) -> Client {
    ApiForm::of_version(major).client(address)
}

fn start(major: u8) -> (Server, Client) {
    let server = Server::version(major);
    let client = client_for(major, &server.address());
    (server, client)
}

/// How many requests precede the first one that a version can answer.
fn requests_before(major: u8) -> usize {
    ApiForm::of_version(major).requests_before()
}

/// The paths of all requests.
fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path.clone()).collect()
}

fn command(method: &str, params: &str) -> Command {
    Command::new(method, params).unwrap()
}

/// Publishes to channels of these names; their data is 1.
fn publishes<const N: usize>(channels: [&str; N]) -> [Command; N] {
    channels.map(|channel| command("publish", &format!(r#"{{"channel":"{channel}","data":1}}"#)))
}

/// A publish that servers reject for its type, and the library does not: a later value of the same key is right.
fn invalid_publish() -> Command {
    command("publish", r#"{"channel":5,"channel":"invalid","data":1}"#)
}

/// The commands in a batch, even if there is only one.
fn send_batch(client: &mut Client, commands: &[Command]) -> Result<Vec<Reply>, Error> {
    let mut request = client.requests().batch(commands)?;
    client.send_request(&mut request)
}

fn send_unordered(client: &mut Client, commands: &[Command]) -> Result<Vec<Reply>, Error> {
    let mut request = client.requests().clone().unordered().batch(commands)?;
    client.send_request(&mut request)
}

fn texts(replies: &[Reply]) -> Vec<&str> {
    replies.iter().map(Reply::text).collect()
}

/// Publishes once; the kind of the error, if any.
fn publish(client: &mut Client) -> Result<Published, ErrorKind> {
    client.publish("news", &1).map_err(|error| error.kind())
}

#[test]
fn publish_reaches_channel() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        client.publish("news", &json!({"title": "World Cup 2018"})).unwrap();
        assert_eq!(server.centrifugo().messages_as_text("news"), [r#"{"title":"World Cup 2018"}"#], "{major}");
        let request = &server.requests()[requests_before(major)];
        assert_eq!((request.method.as_str(), request.header("Content-Type")), ("POST", Some("application/json")));
        let command = r#"{"method":"publish","params":{"channel":"news","data":{"title":"World Cup 2018"}}}"#;
        let form = ApiForm::of_version(major);
        let (path, body) = (form.path(), form.request_body(&[command]));
        assert_eq!((request.path.as_str(), request.body_text()), (path, body));
    }
}

/// The name of each channel, and its number of clients.
fn channel_infos(client: &mut Client) -> Vec<(String, Option<u64>)> {
    client.channels().unwrap().into_iter().map(|(name, info)| (name, info.num_clients)).collect()
}

#[test]
fn helpers_return_typed_results() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        server.centrifugo().join("news", "c1", "42", "");
        let offset = |published: &Published| published.position.as_ref().map(|position| position.offset);
        let first = (major >= 3).then_some(1);

        assert_eq!(offset(&client.publish("a", &1).unwrap()), first, "{major}");
        let broadcast = client.broadcast(["b", "plain:c"], &json!([2])).unwrap();
        let offsets: Vec<_> = broadcast.into_result().unwrap().iter().map(offset).collect();
        assert_eq!(offsets, [first, None], "{major}");
        assert_eq!(server.centrifugo().delivered(), ["a", "b", "plain:c"]);

        let presence = client.presence("news").unwrap();
        let clients: Vec<_> = presence.iter().map(|(id, info)| (id.as_str(), &*info.client, &*info.user)).collect();
        assert_eq!(clients, [("c1", "c1", "42")]);
        let history = client.history("a").unwrap();
        let publications: Vec<_> = history.publications.iter().map(|kept| (kept.data.get(), kept.offset)).collect();
        assert_eq!(publications, [("1", first)], "{major}");
        assert_eq!(channel_infos(&mut client), [("news".to_owned(), first)]);

        client.unsubscribe("42", "news").unwrap();
        assert_eq!(server.centrifugo().clients("news"), [""; 0]);
        client.disconnect("42").unwrap();
        let methods = ["publish", "broadcast", "presence", "history", "channels", "unsubscribe", "disconnect"];
        assert_eq!(server.centrifugo().executed(), methods, "{major}");
    }
}

#[test]
fn failed_channel_of_broadcast_is_named() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        let result = client.broadcast(vec!["a".to_owned(), "nope:b".to_owned(), "c".to_owned()], &1);
        if major < 3 {
            // They stop at the invalid channel and do not name it.
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.reply_error().unwrap().channel()), (ErrorKind::Rejected, None));
            assert!(error.message().starts_with("broadcast: namespace not found"), "{error}");
            assert_eq!(server.centrifugo().delivered(), ["a"]);
            continue;
        }
        let broadcast = result.unwrap();
        let is_ok: Vec<bool> = broadcast.channels.iter().map(Result::is_ok).collect();
        assert_eq!((is_ok, server.centrifugo().delivered()), (vec![true, false, true], vec!["a".into(), "c".into()]));
        let errors: Vec<&ReplyError> = broadcast.errors().collect();
        let [error] = errors[..] else { panic!("{errors:?}") };
        assert_eq!((error.channel().as_deref(), error.code()), (Some("nope:b"), Some(102)));
        let error = broadcast.into_result().unwrap_err();
        let reply_error = error.reply_error().unwrap();
        assert_eq!((reply_error.code(), reply_error.channel().as_deref()), (Some(102), Some("nope:b")));
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Rejected, r#"channel "nope:b": unknown channel (102)"#)
        );
        assert!(error.hint().unwrap().starts_with("check the spelling, or add the channel's namespace"), "{error}");
    }
}

#[test]
fn history_is_read_in_pages() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        for number in 0..5 {
            server.centrifugo().publish("a", number.to_string());
        }
        let (mut options, mut pages) = (HistoryOptions::new().limit(2), Vec::new());
        while pages.len() < 10 {
            let history = client.history_with("a", &options).unwrap();
            pages.push(history.publications.iter().map(|kept| kept.parse().unwrap()).collect::<Vec<u8>>());
            let Some(position) = history.next_since() else { break };
            options = options.since(position);
        }
        // Versions 1 and 2 return all at once, and version 1 the newest first: here the order is the same for all.
        let expected =
            if major < 3 { vec![vec![0, 1, 2, 3, 4]] } else { vec![vec![0, 1], vec![2, 3], vec![4], vec![]] };
        assert_eq!(pages, expected, "{major}");
    }
}

#[test]
fn error_has_message_hint_and_reply_error() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        let error = client.publish("nope:x", &1).unwrap_err();
        let reason = if major < 3 { "namespace not found" } else { "unknown channel" };
        let message = if major == 1 { format!("publish: {reason}") } else { format!("publish: {reason} (102)") };
        assert_eq!((error.message(), error.status()), (&*message, None));
        let url = ApiForm::of_version(major).url(&server.address());
        assert_eq!(error.to_string(), format!("{url}: {message}; {}", error.hint().unwrap()));
        let reply_error = error.reply_error().unwrap();
        assert_eq!((reply_error.code(), reply_error.message()), ((major > 1).then_some(102), reason));
        // It can be boxed and passed on.
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(reply_error.clone());
        assert_eq!(boxed.to_string(), format!("{}; {}", &message["publish: ".len()..], reply_error.hint()));

        let closed = ClosedPort::bind();
        let error = client_for(major, &closed.address()).publish("news", &1).unwrap_err();
        assert!(error.reply_error().is_none() && error.hint().is_some(), "{error}");
        let limited = server::respond(&Response::new(429).header("Retry-After", "7"));
        let server = Server::version(major).script_for(ApiForm::of_version(major), limited);
        let error = client_for(major, &server.address()).publish("news", &1).unwrap_err();
        assert_eq!((error.status(), error.retry_after(), error.is_retryable()), (Some(429), Some("7"), true));
    }
}

#[test]
fn options_are_sent() {
    let (server, mut client) = start(6);
    let options = PublishOptions::new().idempotency_key("k").tag("a", "b");
    let first = client.publish_with("news", &1, &options).unwrap();
    assert_eq!(client.publish_with("news", &2, &options).unwrap(), first);
    assert_eq!(server.centrifugo().messages_as_text("news"), ["1"]);
    let body = |server: &Server| server.requests().last().unwrap().body_text();
    let options = PublishOptions::new().skip_history(true);
    assert_eq!(client.broadcast_with(["a", "c"], &3, &options).unwrap().errors().count(), 0);
    assert_eq!(body(&server), r#"{"channels":["a","c"],"data":3,"skip_history":true}"#);
    let command = Command::disconnect("42").with_param("client", "c1").unwrap();
    client.call(&command).unwrap();
    assert_eq!(body(&server), r#"{"user":"42","client":"c1"}"#);
    client.call(&Command::publish_bytes("b", b"[1, 2]")).unwrap();
    assert_eq!(client.history("b").unwrap().publications[0].data.get(), "[1,2]");
}

#[test]
fn unreadable_result_is_an_error() {
    for (result, is_fine) in [
        (r#"{"publications":[{"data":1}]}"#, true),
        (r#"{"publications":null}"#, true),
        (r#"{"publications":{}}"#, false),
        (r#"{"publications":[1]}"#, false),
        ("[]", false),
        (r#""x""#, false),
    ] {
        let reply = Response::json(format!(r#"{{"result":{result}}}"#));
        let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
        let result = client_for(6, &server.address()).history("a");
        assert_eq!(result.is_ok(), is_fine, "{result:?}");
        let Err(error) = result else { continue };
        assert_eq!((error.kind(), error.is_retryable(), error.replies().len()), (ErrorKind::SafeToRetry, false, 1));
        assert!(error.message().starts_with("history: unexpected data in the reply"), "{error}");
    }
    // A publish that was accepted is none, whatever its result holds.
    for result in ["[]", "null", r#"{"offset":"1"}"#, "{}"] {
        let reply = Response::json(format!(r#"{{"result":{result}}}"#));
        let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
        let published = client_for(6, &server.address()).publish("a", &1).unwrap();
        assert_eq!(published.position, None, "{result}");
    }
    for responses in ["[{}]", "[{},{},{}]", "[1,2]"] {
        let reply = Response::json(format!(r#"{{"result":{{"responses":{responses}}}}}"#));
        let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
        let error = client_for(6, &server.address()).broadcast(["a", "b"], &1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{responses}");
    }
}

#[test]
fn methods_of_v1_only_work() {
    let (_server, mut client) = start(1);
    assert!(client.stats().unwrap().get().starts_with("{\"nodes\":[{\"uid\":"));
    assert!(client.node().unwrap().get().starts_with("{\"uid\":"));
    assert_eq!(client.info().unwrap_err().kind(), ErrorKind::Rejected);
}

#[test]
fn methods_since_v2_work() {
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        server.centrifugo().join("news", "c1", "42", "");
        server.centrifugo().publish("a", "1.0");
        let stats = client.presence_stats("news").unwrap();
        assert_eq!((stats.num_clients, stats.num_users), (1, 1));
        assert!(client.info().unwrap().get().starts_with("{\"nodes\":[{\"uid\":"));
        assert_eq!(client.history("a").unwrap().publications[0].data.get(), "1.0");
        client.history_remove("a").unwrap();
        assert_eq!(client.history_with("a", &HistoryOptions::new().limit(9)).unwrap().publications.len(), 0);
        assert_eq!(client.stats().unwrap_err().kind(), ErrorKind::Rejected);
        let refreshed = client.subscribe("42", "sport").and_then(|()| client.refresh("42"));
        // Version 2 has neither method.
        assert_eq!(refreshed.is_ok(), major > 2, "{major}");
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
        assert_eq!(server.requests().len(), 1 + requests_before(major));
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
    for (failing, major) in [(Step::Close, 1), (Step::Reset, 4), (Step::Close, 4), (Step::Reset, 6)] {
        let form = ApiForm::of_version(major);
        let server = Server::version(major).script_for(form, server::fail_during_request(1, failing));
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
        assert_eq!((server.connections(), server.requests().len()), (1, 40 + requests_before(major)), "{major}");
    }
}

#[test]
fn closed_connection_is_not_reused() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, vec![Step::Execute, Step::SendRest, Step::Close]);
        let mut client = form.client(&server.address());
        client.publish("news", &1).unwrap();
        server.wait_for_requests(1 + form.requests_before());
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
        assert_invalid(client.broadcast([""; 0], &1).map(drop));
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
            let server = Server::version(major).script_for(ApiForm::of_version(major), server::respond(&response));
            assert_eq!(publish(&mut client_for(major, &server.address())), Err(kind), "{text}");
            assert_eq!(server.requests().len(), 1 + requests_before(major), "{text}");
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
        let broadcast = client_for(6, &server.address()).broadcast(["a:a", "b", "c:c"], &1).unwrap();
        let error = broadcast.into_result().unwrap_err();
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
    assert_eq!(publish(&mut client), Ok(Published::default()));
    assert_eq!(proxy.requests()[0].header("Host"), Some("centrifugo.invalid"));
}

#[test]
fn wrong_credential_is_rejected_at_any_size() {
    for (major, size) in [(1, 10), (4, 10), (4, 8 << 20), (6, 10), (6, 8 << 20)] {
        let server = Server::start(Centrifugo::version(major).with_credential("another"));
        let error = client_for(major, &server.address()).publish("news", &"x".repeat(size)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{major} {size}: {error}");
        assert!(error.to_string().contains("(401)"), "{error}");
        assert_eq!(server.centrifugo().delivered(), [""; 0]);
    }
}

#[test]
fn wrong_credential_type_names_correct_one() {
    for major in WITH_API_KEY {
        let server = Server::version(major);
        let error = Client::new(&server.address(), SECRET).unwrap().publish("news", &1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("set api_key instead of secret"), "{major} {error}");
    }
    let server = Server::version(1);
    let mut client = Client::with_api_key(&server.address(), API_KEY).unwrap();
    for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
        let error = client.send_commands(commands).unwrap_err();
        assert_eq!((error.kind(), error.command_index()), (ErrorKind::Rejected, None));
        assert!(error.to_string().contains("set secret instead of api_key"), "{error}");
    }
    assert_eq!(paths(&server), ["/api/publish", "/api", "/api/batch", "/api"]);
    assert!(server.centrifugo().executed().is_empty());
}

#[test]
fn bad_request_of_later_version_does_not_name_secret() {
    for major in WITH_CURRENT_FORM {
        for centrifugo in [Centrifugo::version(major), Centrifugo::version(major).insecure()] {
            let server = Server::start(centrifugo);
            let mut client = client_for(major, &server.address());
            for commands in [&[invalid_publish()][..], &[invalid_publish(), invalid_publish()]] {
                let error = client.send_commands(commands).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Rejected);
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            assert!(server.centrifugo().executed().is_empty());
        }
    }
}

/// The wire of each version: one request for each call, and one more for the first call to a server of version 2 to 4.
#[test]
fn form_of_server_is_remembered() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        client.publish("a", &1).unwrap();
        client.publish("b", &2).unwrap();
        client.send_commands(&publishes(["c", "d"])).unwrap();
        send_batch(&mut client, &publishes(["e"])).unwrap();
        let expected = match major {
            1 => &["/api/", "/api/", "/api/", "/api/"][..],
            2..=4 => &["/api/publish", "/api", "/api", "/api", "/api"],
            _ => &["/api/publish", "/api/publish", "/api/batch", "/api/batch"],
        };
        assert_eq!(paths(&server), expected, "{major}");
        assert_eq!(server.connections(), 1);
        assert_eq!(server.centrifugo().delivered(), ["a", "b", "c", "d", "e"]);
    }
}

#[test]
fn first_call_can_be_a_batch() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        assert_eq!(send_batch(&mut client, &publishes(["plain:a"])).unwrap().len(), 1);
        client.publish("b", &2).unwrap();
        let expected = match major {
            1 => &["/api/", "/api/"][..],
            2..=4 => &["/api/batch", "/api", "/api"],
            _ => &["/api/batch", "/api/publish"],
        };
        assert_eq!(paths(&server), expected, "{major}");
        assert_eq!((server.connections(), server.centrifugo().delivered()), (1, vec!["plain:a".into(), "b".into()]));
    }
}

#[test]
fn request_built_before_fallback_is_sent_in_legacy_form() {
    let (server, mut client) = start(4);
    let commands = publishes(["b"]);
    let mut early = client.requests().request(&commands).unwrap();
    assert_eq!(early.url(), format!("{}/api/publish", server.address()));
    client.publish("a", &1).unwrap();
    client.send_request(&mut early).unwrap();
    assert_eq!(early.url(), format!("{}/api", server.address()));
    assert_eq!(paths(&server), ["/api/publish", "/api", "/api"]);
    assert_eq!(server.centrifugo().delivered(), ["a", "b"]);
}

#[test]
fn log_tells_of_both_forms() {
    let events = Arc::<Mutex<Vec<String>>>::default();
    let (server, client) = start(3);
    let log = Arc::clone(&events);
    let mut client = client.with_log(move |event| {
        log.lock().unwrap().push(match event {
            Event::Request { url, body_bytes, .. } => format!("{url} {body_bytes}"),
            Event::Response { status, body_bytes, .. } => format!("{status} {body_bytes}"),
            event => format!("{event:?}"),
        });
    });
    client.publish("plain:a", &1).unwrap();
    let address = server.address();
    let expected = [format!("{address}/api/publish 30"), "404 19".into(), format!("{address}/api 60"), "200 13".into()];
    assert_eq!(*events.lock().unwrap(), expected);
}

#[test]
fn fallback_shares_the_timeout() {
    // A slow 404, byte by byte, then no response.
    let slow_404 = vec![Step::Execute, Step::SendSlowly(Duration::from_millis(2))];
    let server = Server::version(3).script(slow_404).script(vec![Step::Hang]);
    let times = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&times);
    let timeout = Duration::from_secs(2);
    let mut client = client_for(3, &server.address()).with_timeout(timeout).with_log(move |event| match event {
        Event::Response { elapsed, .. } | Event::NoResponse { elapsed, .. } => log.lock().unwrap().push(*elapsed),
        _ => {}
    });
    let error = client.publish("news", &1).unwrap_err();
    assert!(error.to_string().contains("timed out after 2 s waiting for a response"), "{error}");
    let times = times.lock().unwrap();
    let [first, second] = times[..] else { panic!("{times:?}") };
    assert!(second < timeout, "{first:?} {second:?}");
}

/// Sends this without executing anything, once the request line is there.
fn respond_early(response: &Response) -> server::Script {
    vec![Step::Read(60), Step::respond(&response.clone().header("Connection", "close")), Step::Close]
}

#[test]
fn missing_current_form_is_followed_by_legacy() {
    let html = |status| Response::new(status).header("Content-Type", "text/html; charset=utf-8").body("<html></html>");
    let responses = [
        Response::plain(404, "404 page not found"),
        Response::new(404),
        html(403),
        html(404),
        html(405),
        // A gateway's: no code of the API.
        Response { status: 404, ..Response::json(r#"{"message":"no Route matched with those values"}"#) },
    ];
    for response in &responses {
        for (commands, path) in [(&publishes(["a"])[..], "/api/publish"), (&publishes(["a", "b"]), "/api/batch")] {
            let server = Server::version(6).script(respond_early(response));
            let mut client = client_for(6, &server.address());
            assert_eq!(client.send_commands(commands).unwrap().len(), commands.len(), "{response:?}");
            client.publish("last", &1).unwrap();
            assert_eq!(paths(&server), [path, "/api", "/api"], "{response:?}");
            assert_eq!(server.centrifugo().executed().len(), commands.len() + 1);
        }
    }
}

#[test]
fn other_responses_are_not_followed_by_legacy() {
    use ErrorKind::{OutcomeUnknown, Rejected, SafeToRetry};
    for (response, kind) in [
        (Response::new(403), Rejected),
        (Response::plain(403, "forbidden"), Rejected),
        (Response::new(405), Rejected),
        (Response::new(401), Rejected),
        (Response::new(410).header("Content-Type", "text/html"), Rejected),
        (Response::new(301).header("Location", "/api/"), Rejected),
        (Response::new(400).header("Content-Type", "text/html").body("<html></html>"), Rejected),
        (Response::new(429), SafeToRetry),
        (Response::new(503), SafeToRetry),
        // After the whole body this says that everything was executed.
        (Response::plain(500, "Internal Server Error"), OutcomeUnknown),
        (Response::json("{}"), OutcomeUnknown),
    ] {
        for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
            let server = Server::version(6).script(respond_early(&response));
            let result = client_for(6, &server.address()).send_commands(commands);
            let found = match &result {
                Err(error) => error.kind(),
                // One `{}` is printed, but not understood.
                Ok(replies) => replies[0].errors()[0].kind(),
            };
            assert_eq!((found, server.requests().len()), (kind, 1), "{response:?}");
        }
    }
}

#[test]
fn lost_connection_is_not_followed_by_legacy() {
    for script in [
        server::fail_during_request(100, Step::Close),
        server::fail_during_response(0, Step::Close),
        server::fail_during_response(0, Step::Reset),
        server::fail_during_response(30, Step::Close),
    ] {
        for major in WITH_API_KEY {
            for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
                let server = Server::version(major).script(script.clone());
                let error = client_for(major, &server.address()).send_commands(commands).unwrap_err();
                assert_eq!((error.kind(), server.requests().len()), (ErrorKind::OutcomeUnknown, 1));
            }
        }
    }
}

#[test]
fn lost_connection_after_fallback_is_unknown() {
    for script in [server::fail_during_request(100, Step::Close), server::fail_during_response(0, Step::Reset)] {
        let executed = usize::from(script.contains(&Step::Execute));
        let server = Server::version(4).script_for(Legacy, script);
        let mut client = client_for(4, &server.address());
        assert_eq!(publish(&mut client), Err(ErrorKind::OutcomeUnknown));
        assert_eq!(paths(&server), ["/api/publish", "/api"]);
        assert_eq!(server.centrifugo().executed().len(), executed);
    }
}

#[test]
fn unwritable_reply_means_that_all_was_executed() {
    for major in WITH_CURRENT_FORM {
        let (server, mut client) = start(major);
        server.centrifugo().publish_binary("bin", b"\xff");
        let history = || command("history", r#"{"channel":"bin","limit":-1}"#);
        assert_eq!(client.send_commands(&[history()]).unwrap_err().kind(), ErrorKind::SafeToRetry);
        let [a, b] = publishes(["a", "b"]);
        let error = client.send_commands(&[a, history(), b]).unwrap_err();
        assert_eq!((error.kind(), error.answered()), (ErrorKind::OutcomeUnknown, 0));
        assert_eq!(server.centrifugo().delivered(), ["bin", "a", "b"]);
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn large_body_is_delivered_once() {
    for major in [2, 3, 4] {
        let (server, mut client) = start(major);
        client.publish("news", &"x".repeat(8 << 20)).unwrap();
        assert_eq!(paths(&server), ["/api/publish", "/api"]);
        // The server closes a connection on which it did not read the body.
        assert_eq!((server.connections(), server.centrifugo().delivered().len()), (2, 1));
    }
}

#[test]
fn api_at_root_is_found() {
    for major in [2, 3, 4, 5, 6] {
        for (commands, first) in [
            (&publishes(["a"])[..], &["/api/publish", "/api/batch", "/api"][..]),
            (&publishes(["a", "b"]), &["/api/batch", "/api"]),
        ] {
            let server = Server::start(Centrifugo::version(major).at_root());
            let mut client = client_for(major, &server.address());
            assert_eq!(client.send_commands(commands).unwrap().len(), commands.len());
            client.publish("last", &1).unwrap();
            assert_eq!(paths(&server), [first, &["/api"]].concat(), "{major}");
            assert_eq!(server.connections(), 1);
            assert_eq!(server.centrifugo().delivered().len(), commands.len() + 1);
        }
    }
    let server = Server::start(Centrifugo::version(7).at_root());
    let error = client_for(7, &server.address()).publish("news", &1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("check the path"), "{error}");
}

/// One command that fails like every command to a server with its API at the root.
#[test]
fn rejected_params_are_no_sign_of_the_root() {
    for major in WITH_CURRENT_FORM {
        let (server, mut client) = start(major);
        let replies = client.send_commands(&[command("rpc", "{}")]).unwrap();
        assert_eq!(replies[0].errors()[0].code(), Some(107));
        client.send_commands(&[command("rpc", "{}")]).unwrap();
        // The second one asks, with a batch of no commands; then it is known.
        assert_eq!(paths(&server), ["/api/rpc", "/api/batch", "/api/rpc"]);
        assert_eq!(server.requests()[1].body_text(), r#"{"commands":[]}"#);
    }
}

#[test]
fn unknown_method_is_rejected() {
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        let error = client.send_commands(&[command("publsh", "{}")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let path = if major < 7 { "/api" } else { "/api/publsh" };
        let start = format!("{}{path}: ", server.address());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(error.to_string().ends_with("; did you mean publish?"), "{error}");
        let asked = if major < 7 { &["/api/publsh", "/api"][..] } else { &["/api/publsh", "/api", "/api/batch"] };
        assert_eq!(paths(&server), asked, "{major}");
        // It says nothing about the form.
        client.publish("news", &1).unwrap();
        let then = if major < 5 { &["/api/publish", "/api"][..] } else { &["/api/publish"] };
        assert_eq!(paths(&server), [asked, then].concat());
        assert_eq!(server.centrifugo().executed(), ["publish"]);
    }
}

#[test]
fn unknown_method_in_batch_has_a_reply() {
    let [first, last] = publishes(["a", "b"]);
    let commands = [first, command("publsh", "{}"), last];
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        let result = client.send_commands(&commands);
        if major < 5 {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
            assert_eq!(server.centrifugo().delivered(), ["a"]);
        } else {
            let errors: Vec<_> = result.unwrap().iter().map(|reply| reply.errors().first().cloned()).collect();
            let [None, Some(error), None] = &errors[..] else { panic!("{errors:?}") };
            assert_eq!((error.code(), error.kind()), (Some(104), ErrorKind::Rejected));
            assert!(error.to_string().contains("did you mean publish?"), "{error}");
            assert_eq!(server.centrifugo().delivered(), ["a", "b"]);
        }
        assert_eq!(server.requests().len(), 1 + requests_before(major));
    }
}

/// Centrifugo 5 and 6 know the methods of their paid edition in the legacy form only.
#[test]
fn paid_method_says_nothing_about_the_form() {
    let server = Server::version(6).script(vec![Step::Execute, Step::SendRest]);
    server.add_script(server::respond(&Response::json(r#"{"error":{"code":104,"message":"method not found"}}"#)));
    let mut client = client_for(6, &server.address());
    let replies = client.send_commands(&[command("connections", r#"{"user":"42"}"#)]).unwrap();
    assert_eq!(replies[0].errors()[0].code(), Some(104));
    client.publish("news", &1).unwrap();
    assert_eq!(paths(&server), ["/api/connections", "/api", "/api/publish"]);
}

#[test]
fn wrong_path_is_rejected() {
    for major in WITH_API_KEY {
        for (commands, asked) in [
            (&publishes(["a"])[..], &["/rt/api/publish", "/rt/api", "/rt/api/batch"][..]),
            (&publishes(["a", "b"]), &["/rt/api/batch", "/rt/api"]),
        ] {
            let server = Server::version(major);
            let error = client_for(major, &format!("{}/rt", server.address())).send_commands(commands).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            let start = format!("{}/rt/api: not found (404); check the path and port", server.address());
            assert!(error.to_string().starts_with(&start), "{error}");
            assert_eq!(paths(&server), asked, "{major}");
            assert_eq!(server.connections(), 1);
        }
    }
}

#[test]
fn later_404_is_a_rejection() {
    let page = Response::new(404).header("Content-Type", "text/html").body("<html></html>");
    for major in ALL_VERSIONS {
        // An answer is enough: it may be an error.
        for first in ["news", "nope:x"] {
            for response in [&Response::plain(404, "404 page not found"), &page] {
                let (server, mut client) = start(major);
                let _ = client.publish(first, &1);
                let requests = server.requests().len();
                server.add_script(respond_early(response));
                assert_eq!(publish(&mut client), Err(ErrorKind::Rejected));
                assert_eq!(server.requests().len(), requests + 1, "{major}");
                assert!(publish(&mut client).is_ok());
                assert_eq!(server.requests().len(), requests + 2, "{major}");
            }
        }
    }
}

#[test]
fn answered_part_of_a_batch_shows_the_form() {
    let (server, mut client) = start(6);
    let [first] = publishes(["a"]);
    client.send_commands(&[first, invalid_publish()]).unwrap_err();
    let requests = server.requests().len();
    server.add_script(respond_early(&Response::plain(404, "404 page not found")));
    assert_eq!(publish(&mut client), Err(ErrorKind::Rejected));
    assert_eq!(server.requests().len(), requests + 1);
}

#[test]
fn transport_mode_errors_are_replies() {
    for major in WITH_CURRENT_FORM {
        let server = Server::start(Centrifugo::version(major).transport_errors());
        let mut client = client_for(major, &server.address());
        let since = r#"{"channel":"a","limit":1,"since":{"offset":1,"epoch":"x"}}"#;
        for (method, params, text) in [
            ("publish", r#"{"channel":"nope:x","data":1}"#, r#"{"error":{"code":102,"message":"unknown channel"}}"#),
            ("rpc", r#"{"method":"x"}"#, r#"{"error":{"code":104,"message":"not found"}}"#),
            ("rpc", "{}", r#"{"error":{"code":107,"message":"bad request"}}"#),
            ("presence", r#"{"channel":"plain:x"}"#, r#"{"error":{"code":108,"message":"not available"}}"#),
            ("history", since, r#"{"error":{"code":112,"message":"unrecoverable position"}}"#),
        ] {
            let replies = client.send_commands(&[command(method, params)]).unwrap();
            assert_eq!(texts(&replies), [text], "{major}");
            let errors: Vec<_> = replies[0].errors().iter().map(cent::ReplyError::kind).collect();
            assert_eq!(errors, [ErrorKind::Rejected]);
        }
        // The first 404 was an answer in this form.
        let asked = ["/api/publish", "/api/rpc", "/api/rpc", "/api/presence", "/api/history"];
        assert_eq!(paths(&server), asked);
        let replies = client.send_commands(&publishes(["nope:x", "a"])).unwrap();
        assert_eq!(replies[0].errors()[0].code(), Some(102));
        assert_eq!(server.centrifugo().delivered(), ["a"]);

        let server = Server::start(Centrifugo::version(major).transport_errors().engine_down());
        let mut client = client_for(major, &server.address());
        let replies = client.send_commands(&publishes(["a"])).unwrap();
        assert_eq!(texts(&replies), [r#"{"error":{"code":100,"message":"internal server error"}}"#]);
        assert_eq!(replies[0].errors()[0].kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(paths(&server), ["/api/publish"]);
    }
}

#[test]
fn request_of_another_client_is_refused() {
    let other = Server::version(6).expect_no_connection();
    let commands = publishes(["a"]);
    for client in [
        Client::with_api_key("http://localhost:1", API_KEY),
        Client::with_api_key(&format!("{}/rt", other.address()), API_KEY),
        Client::with_api_key(&other.address(), "another-key"),
        Client::new(&other.address(), SECRET),
    ] {
        let built_by = client.unwrap();
        let mut request = built_by.requests().request(&commands).unwrap();
        let error = client_for(6, &other.address()).send_request(&mut request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("was built for another server"), "{error}");
        assert!(!error.to_string().contains("key"), "{error}");
    }
    // One of another client of the same server is none of those.
    let (server, mut client) = start(6);
    let builder = client_for(6, &server.address()).requests().clone();
    let mut request = builder.request(&commands).unwrap();
    assert!(client.send_request(&mut request).is_ok());
}

#[test]
fn invalid_command_of_batch_is_found() {
    const COUNT: usize = 9;
    let names: Vec<String> = (0..COUNT).map(|number| format!("c{number}")).collect();
    for major in WITH_CURRENT_FORM {
        for index in 0..COUNT {
            let (server, mut client) = start(major);
            let valid = |name: &String| publishes([name.as_str()]).into_iter().next().unwrap();
            let mut commands: Vec<Command> = names.iter().map(valid).collect();
            commands[index] = invalid_publish();
            let error = client.send_commands(&commands).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Rejected, false));
            assert_eq!((error.command_index(), error.answered(), error.replies().len()), (Some(index), index, index));
            let start = format!(
                "{}/api/batch: bad request (400) because of command {} (publish); ",
                server.address(),
                index + 1
            );
            assert!(error.to_string().starts_with(&start), "{error}");
            // Those before it were executed once and in order, those after it were not.
            assert_eq!(server.centrifugo().delivered(), names[..index], "{major}");
            assert!(error.replies().iter().all(|reply| reply.text().starts_with(r#"{"result":{"offset":1,"#)));
            // One that asks for version 1, and at most one for each time that 9 can be halved.
            assert!(server.requests().len() <= 2 + 4, "{:?}", paths(&server));
        }
    }
}

#[test]
fn two_invalid_commands_name_the_first() {
    let (server, mut client) = start(6);
    let [a, b, c] = publishes(["a", "nope:b", "c"]);
    let error = client.send_commands(&[a, b, invalid_publish(), c, invalid_publish()]).unwrap_err();
    assert_eq!((error.command_index(), error.answered()), (Some(2), 2));
    // Errors in replies do not stop it.
    assert_eq!(error.replies()[1].errors()[0].code(), Some(102));
    assert_eq!(server.centrifugo().delivered(), ["a"]);
}

#[test]
fn batch_of_one_invalid_command_names_it() {
    let (server, mut client) = start(6);
    let error = send_batch(&mut client, &[invalid_publish()]).unwrap_err();
    assert_eq!((error.kind(), error.command_index()), (ErrorKind::Rejected, Some(0)));
    assert_eq!(paths(&server), ["/api/batch", "/api"]);
    let error = send_unordered(&mut client, &[invalid_publish()]).unwrap_err();
    assert_eq!((error.kind(), error.command_index()), (ErrorKind::Rejected, Some(0)));
}

#[test]
fn lost_connection_while_halving_keeps_replies() {
    let [a, b, c, d] = publishes(["a", "b", "c", "d"]);
    let commands = [a, b, c, d, invalid_publish(), invalid_publish(), invalid_publish(), invalid_publish()];
    // The batch and the question for version 1; then a to d; then two of the others.
    let pass = || vec![Step::Execute, Step::SendRest];
    for (script, kind) in [
        (server::fail_during_response(0, Step::Close), ErrorKind::OutcomeUnknown),
        (respond_early(&Response::new(503)), ErrorKind::SafeToRetry),
    ] {
        let server = Server::version(6).script(pass()).script(pass()).script(pass()).script(script);
        let error = client_for(6, &server.address()).send_commands(&commands).unwrap_err();
        // To retry all of it would execute the first four again.
        assert_eq!((error.kind(), error.is_retryable()), (kind, false));
        assert_eq!((error.command_index(), error.answered(), error.replies().len()), (None, 4, 4));
        assert_eq!(server.centrifugo().delivered(), ["a", "b", "c", "d"]);
    }
}

#[test]
fn invalid_command_has_a_reply_in_legacy_form() {
    let [a, b] = publishes(["a", "b"]);
    let commands = [a, invalid_publish(), b];
    for major in [2, 3, 4] {
        let (server, mut client) = start(major);
        let replies = client.send_commands(&commands).unwrap();
        assert_eq!(replies[1].errors()[0].code(), Some(107));
        assert_eq!((server.requests().len(), server.centrifugo().delivered()), (2, vec!["a".into(), "b".into()]));
    }
}

#[test]
fn method_is_sent_in_lower_case() {
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        let publish = || command("PUBLISH", r#"{"channel":"a","data":1}"#);
        client.send_commands(&[publish()]).unwrap();
        client.send_commands(&[publish(), publish()]).unwrap();
        assert_eq!(server.requests()[0].path, "/api/publish");
        if major > 4 {
            let one = r#"{"publish":{"channel":"a","data":1}}"#;
            assert_eq!(server.requests()[1].body_text(), format!(r#"{{"commands":[{one},{one}]}}"#));
        }
        assert_eq!(server.requests().len(), 2 + requests_before(major));
        assert_eq!(server.centrifugo().executed(), ["publish"; 3]);
    }
}

#[test]
fn invalid_method_name_sends_nothing() {
    let server = Server::version(6).expect_no_connection();
    let mut client = client_for(6, &server.address());
    for method in ["batch", "Batch", "a/b", "..", "a b", "a?b", "é"] {
        let [publish] = publishes(["a"]);
        for commands in [&[command(method, "{}")][..], &[publish, command(method, "{}")]] {
            assert_eq!(client.send_commands(commands).unwrap_err().kind(), ErrorKind::Invalid, "{method}");
        }
    }
    // Centrifugo 1 has it in the body.
    let (server, mut client) = start(1);
    assert_eq!(client.send_commands(&[command("a/b", "{}")]).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn unordered_replies_keep_their_order() {
    let channels = ["plain:a", "nope:b", "c", "c"];
    for major in WITH_CURRENT_FORM {
        let (server, mut client) = start(major);
        let replies = send_unordered(&mut client, &publishes(channels)).unwrap();
        let offset = |reply: &Reply| reply.text().contains(r#""offset":2"#);
        assert_eq!(texts(&replies[..2]), [r#"{"result":{}}"#, r#"{"error":{"code":102,"message":"unknown channel"}}"#]);
        // The server began with the last one.
        assert_eq!([offset(&replies[2]), offset(&replies[3])], [true, false]);
        assert_eq!(server.centrifugo().delivered(), ["c", "c", "plain:a"]);
        send_unordered(&mut client, &publishes(["d"])).unwrap();
        client.send_commands(&publishes(["e", "f"])).unwrap();
        let bodies: Vec<bool> =
            server.requests().iter().map(|request| request.body_text().ends_with(r#"],"parallel":true}"#)).collect();
        assert_eq!((bodies, paths(&server)), (vec![true, true, false], vec!["/api/batch".to_owned(); 3]));
    }
}

#[test]
fn unordered_is_refused_before_anything_runs() {
    let commands = publishes(["a", "b"]);
    let hint = "concurrent batches need Centrifugo 5.2 or later";
    let refused = |client: &mut Client, server: &Server| {
        let error = send_unordered(client, &commands).unwrap_err();
        assert_eq!((error.kind(), error.answered()), (ErrorKind::Rejected, 0));
        assert!(error.to_string().starts_with(&format!("{}/api/batch: ", server.address())), "{error}");
        assert!(error.to_string().contains(hint), "{error}");
    };
    for major in [2, 3, 4] {
        let (server, mut client) = start(major);
        refused(&mut client, &server);
        // The second one tells an older server from a wrong path.
        assert_eq!(paths(&server), ["/api/batch", "/api"]);
        client.publish("c", &1).unwrap();
        // Now it is known.
        refused(&mut client, &server);
        assert_eq!(paths(&server), ["/api/batch", "/api", "/api/publish", "/api"]);
        assert_eq!(server.centrifugo().delivered(), ["c"]);
        let wrong_path = format!("{}/wrong", server.address());
        let error = send_unordered(&mut client_for(major, &wrong_path), &commands).unwrap_err().to_string();
        assert!(error.contains("check the path and port of the address") && !error.contains(hint), "{error}");
    }
    // A batch to a server with its API at the root is one bad command.
    for major in [2, 3, 4, 5, 6] {
        let server = Server::start(Centrifugo::version(major).at_root());
        refused(&mut client_for(major, &server.address()), &server);
        assert_eq!((paths(&server), server.centrifugo().delivered().len()), (vec!["/api/batch".to_owned()], 0));
    }
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
        for request in server.requests() {
            let credential =
                request.header("X-API-Sign").or(request.header("Authorization")).expect("the request has a credential");
            for hidden in [SECRET, API_KEY, credential] {
                assert!(!printed.contains(hidden), "{printed}");
            }
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

/// The outcome that the contract demands for a recorded response of an old form, by the name of its fixture.
fn expected_outcome(fixture: &Fixture) -> Outcome {
    use ErrorKind::{OutcomeUnknown, Rejected, SafeToRetry};
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
        "engine-down-history" => Outcome::ReplyError(SafeToRetry),
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

/// The outcome for the caller, and the texts of the replies.
fn outcome(result: Result<Vec<Reply>, Error>, commands: &[Command]) -> (Outcome, Vec<String>) {
    let replies = match result {
        Err(error) => return (Outcome::Error(error.kind()), Vec::new()),
        Ok(replies) => replies,
    };
    assert_eq!(replies.len(), commands.len());
    let errors = replies.iter().flat_map(Reply::errors).map(cent::ReplyError::kind);
    let gravest = errors.max_by_key(|&kind| kind == ErrorKind::OutcomeUnknown);
    let texts = replies.iter().map(|reply| reply.text().to_owned()).collect();
    (gravest.map_or(Outcome::Success, Outcome::ReplyError), texts)
}

#[test]
fn recorded_responses_have_expected_outcome() {
    for fixture in VERSIONS.iter().flat_map(|(version, _)| Fixture::load_all(version)) {
        let script = match fixture.name.as_str() {
            "plain-http-to-tls-port" => server::plain_http_to_tls_port(),
            _ => vec![Step::Execute, Step::respond(&fixture.response)],
        };
        let form = if fixture.major() == 1 { V1 } else { Legacy };
        let server = form.server().script_for(form, script);
        let commands = commands(&fixture);
        let (outcome, texts) = outcome(form.client(&server.address()).send_commands(&commands), &commands);
        let context = format!("{} {}: {}", fixture.version, fixture.name, fixture.description);
        if !texts.is_empty() {
            let body = String::from_utf8_lossy(&fixture.response.body).into_owned();
            let body = if form == V1 { body } else { body.trim_end().to_owned() };
            let joined = if form == V1 { format!("[{}]", texts.join(",")) } else { texts.join("\n") };
            assert_eq!(joined, body, "{context}");
        }
        assert_eq!(outcome, expected_outcome(&fixture), "{context}");
    }
}

/// A recording that is named after the current form, but may have another.
fn recorded_form(fixture: &Fixture) -> ApiForm {
    match fixture.path.as_str() {
        "/api/" => V1,
        "/api" => Legacy,
        _ => Current,
    }
}

/// As many commands as a recorded request has, with their methods and valid params.
fn current_commands(fixture: &Fixture) -> Vec<Command> {
    let params = r#"{"channel":"a","key":"k","channels":["p1","nope:x","p2"],"data":1,"user":"42","method":"x"}"#;
    let body: serde_json::Value = serde_json::from_slice(&fixture.body).unwrap_or_default();
    let methods: Vec<&str> = match (body["commands"].as_array(), fixture.path.rsplit('/').next()) {
        (Some(commands), _) => commands.iter().map(|command| first_key(command).unwrap_or("publish")).collect(),
        (None, Some(method)) if !matches!(method, "" | "api" | "batch") => vec![method],
        _ => vec!["publish"],
    };
    methods.into_iter().map(|method| command(method.split('?').next().unwrap_or_default(), params)).collect()
}

fn first_key(object: &serde_json::Value) -> Option<&str> {
    object.as_object()?.keys().next().map(String::as_str)
}

/// The texts that the library should make of a recorded response of the current form.
fn current_texts(fixture: &Fixture) -> Vec<String> {
    type Object<'a> = BTreeMap<&'a str, &'a RawValue>;
    let body = std::str::from_utf8(&fixture.response.body).unwrap().trim_end();
    if !fixture.name.starts_with("batch-") {
        let is_transport_error = fixture.response.status != 200;
        return vec![if is_transport_error { format!(r#"{{"error":{body}}}"#) } else { body.to_owned() }];
    }
    let batch: BTreeMap<&str, Vec<Object<'_>>> = serde_json::from_str(body).unwrap();
    let texts = batch["replies"].iter().map(|reply| {
        let (name, value) = reply.first_key_value().expect("a reply has one key");
        format!(r#"{{"{}":{value}}}"#, if *name == "error" { "error" } else { "result" })
    });
    texts.collect()
}

/// As [`expected_outcome`], for the recordings of the current form. After a response which shows that the server does not
/// have that form, the outcome is that of the legacy one.
fn expected_current_outcome(fixture: &Fixture) -> Outcome {
    use ErrorKind::{OutcomeUnknown, Rejected, SafeToRetry};
    match (fixture.major(), fixture.name.as_str()) {
        (_, "method-history-b64data-no-json") => Outcome::Error(SafeToRetry),
        (6, "batch-old-form-unknown-method") => Outcome::ReplyError(Rejected),
        (1, _)
        | (2 | 3, "method-old-route-x-api-key" | "method-root-prefix-x-api-key")
        | (7, "method-root-prefix" | "method-old-route" | "method-old-route-no-key" | "method-old-route-signed")
        | (
            _,
            "batch-bad-json"
            | "batch-channel-number"
            | "batch-empty-body"
            | "batch-get"
            | "batch-no-key"
            | "batch-old-form-unknown-method"
            | "batch-parallel-text"
            | "batch-params-text"
            | "method-both-keys-x-wrong"
            | "method-channel-number"
            | "method-empty-body"
            | "method-get-no-key"
            | "method-get-unknown"
            | "method-limit-string"
            | "method-map-publish"
            | "method-no-key"
            | "method-paid-method"
            | "method-server-without-key"
            | "method-trailing-text"
            | "method-transport-header-channel-number"
            | "method-transport-header-unknown-method"
            | "method-unknown-method-no-key",
        ) => Outcome::Error(Rejected),
        // No list of replies, or all was executed.
        (_, "batch-empty-object" | "batch-null-body" | "batch-old-form-one" | "batch-unwritable-reply") => {
            Outcome::Error(OutcomeUnknown)
        }
        (_, "batch-engine-down" | "method-engine-down-refresh" | "method-transport-header-engine-down-publish") => {
            Outcome::ReplyError(OutcomeUnknown)
        }
        (
            _,
            "batch-broadcast-no-data"
            | "batch-broadcast-unknown-namespace"
            | "batch-map"
            | "batch-null-command"
            | "batch-null-params"
            | "batch-one-error"
            | "batch-paid-method"
            | "batch-parallel-one-error"
            | "batch-transport-header"
            | "batch-unknown-method"
            | "method-broadcast-no-data"
            | "method-broadcast-unknown-namespace"
            | "method-null-body"
            | "method-old-route-params"
            | "method-rpc"
            | "method-transport-broadcast-no-data"
            | "method-transport-header-broadcast-unknown-namespace"
            | "method-transport-header-missing-channel"
            | "method-transport-header-old-route"
            | "method-transport-header-unknown-namespace"
            | "method-transport-header-unrecoverable"
            | "method-transport-unknown-namespace",
        ) => Outcome::ReplyError(Rejected),
        // Also where the legacy form followed.
        _ => Outcome::Success,
    }
}

#[test]
fn recorded_responses_of_current_form_have_expected_outcome() {
    for fixture in CURRENT_VERSIONS.iter().flat_map(|(version, _)| Fixture::load_all_current(version)) {
        let form = recorded_form(&fixture);
        let centrifugo = if form == Legacy { Legacy.centrifugo() } else { Centrifugo::version(fixture.major()) };
        let is_at_root = fixture.name.contains("root-prefix");
        let server = Server::start(if is_at_root { centrifugo.at_root() } else { centrifugo });
        let server = server.script_for(form, respond_early(&fixture.response));
        let commands = current_commands(&fixture);
        let mut client = form.client(&server.address());
        let is_batch = fixture.name.starts_with("batch-");
        let result = if is_batch { send_batch(&mut client, &commands) } else { client.send_commands(&commands) };
        let context = format!("{} {}: {}", fixture.version, fixture.name, fixture.description);
        let (outcome, texts) = outcome(result, &commands);
        assert_eq!(outcome, expected_current_outcome(&fixture), "{context}");
        // Not if other responses followed.
        if !texts.is_empty() && server.requests().len() == 1 + form.requests_before() {
            assert_eq!(texts, current_texts(&fixture), "{context}");
        }
    }
}

#[test]
fn connection_is_described_as_far_as_the_request_got() {
    let server = Server::version(6);
    let mut client = ApiForm::Current.client(&server.address());
    assert_eq!(client.connection(), cent::ConnectionInfo::default());
    client.info().unwrap();
    let connection = client.connection();
    assert_eq!(connection.ip_addresses, [std::net::Ipv4Addr::LOCALHOST]);
    assert_eq!(connection.peer.map(|peer| peer.port()), Some(server.port()));
    assert_eq!((connection.tls, connection.api_form), (None, Some(cent::ApiForm::Current)));
    client.info().unwrap();
    assert_eq!(client.connection().peer, connection.peer);

    let server = Server::version(2);
    let mut client = ApiForm::Legacy.client(&server.address());
    client.info().unwrap();
    assert_eq!(client.connection().api_form, Some(cent::ApiForm::Legacy));

    let closed = ClosedPort::bind();
    let mut client = ApiForm::Current.client(&closed.address());
    client.info().unwrap_err();
    let connection = client.connection();
    assert_eq!(connection.ip_addresses, [std::net::Ipv4Addr::LOCALHOST]);
    assert_eq!((connection.peer, connection.api_form), (None, None));
}

#[test]
fn keyed_request_is_executed_once() {
    for major in WITH_CURRENT_FORM {
        for fault in [vec![Step::Execute, Step::Close], vec![Step::ReadAll, Step::Close]] {
            let server = Server::version(major).script(fault);
            let mut client = client_for(major, &server.address());
            let key = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
            let commands = [command("publish", r#"{"channel":"news","data":1}"#).with_idempotency_key(key)];
            let mut request = client.requests().request(&commands[..]).unwrap();
            assert!(request.is_repeatable());
            assert_eq!(client.send_request(&mut request).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
            assert!(client.send_request(&mut request).unwrap()[0].errors().is_empty());
            assert_eq!(server.centrifugo().messages_as_text("news"), ["1"]);
            let bodies: Vec<_> = server.requests().iter().map(|request| request.body().to_vec()).collect();
            assert_eq!(bodies[0], bodies[1]);
        }
    }
}

#[test]
fn failure_after_unknown_attempt_is_unknown() {
    for form in ApiForm::ALL {
        let unauthorized = vec![Step::ReadAll, Step::respond(&Response::new(401))];
        let server = form.server().script_for(form, vec![Step::Execute, Step::Close]).script(unauthorized);
        let mut client = form.client(&server.address());
        let mut request = client.requests().request(publishes(["news"]).to_vec()).unwrap();
        assert!(!request.is_repeatable());
        assert_eq!(client.send_request(&mut request).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        let error = client.send_request(&mut request).unwrap_err();
        assert_eq!((error.kind(), error.is_repeatable()), (ErrorKind::OutcomeUnknown, false));
        assert_eq!(error.hint(), Some("an earlier attempt may have been executed: check before retrying"));
        // It is about this request only.
        client.send_commands(&publishes(["news"])).unwrap();
    }
}

#[test]
fn assumed_attempt_makes_rejection_unknown() {
    let server = Server::version(7);
    let mut client = client_for(7, &server.address());
    let mut request = client.requests().request(publishes(["nope:a"]).to_vec()).unwrap();
    let kind = |replies: Vec<Reply>| replies[0].errors()[0].kind();
    assert_eq!(kind(client.send_request(&mut request).unwrap()), ErrorKind::Rejected);
    request.assume_sent();
    assert_eq!(kind(client.send_request(&mut request).unwrap()), ErrorKind::OutcomeUnknown);
}

#[test]
fn support_of_keys_depends_on_version() {
    for (major, release, is_supported) in
        [(3, "3.2.3", false), (5, "5.1.0", false), (5, "5.2.0", true), (6, "6.9.1 OSS", true), (6, "0.0.0", true)]
    {
        let server = Server::start(Centrifugo::version(major).with_release(release));
        let support = client_for(major, &server.address()).idempotency_support().unwrap();
        assert_eq!(support == IdempotencySupport::Supported, is_supported, "{release}");
    }
    let server = Server::version(1).expect_no_connection();
    assert_eq!(client_for(1, &server.address()).idempotency_support().unwrap_err().kind(), ErrorKind::Invalid);
}
