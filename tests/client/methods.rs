//! The helpers, one per method, and their typed results.

use std::time::Duration;

use cent::{
    Client, Command, Error, ErrorKind, HistoryOptions, MapStateOptions, Position, PublishOptions, Published, ReplyError,
};
use serde_json::json;

use super::{ALL_VERSIONS, WITH_API_KEY, client_for, requests_before, start};
use crate::server;
use crate::server::{ApiForm, Centrifugo, ClosedPort, Response, Server};

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
        assert_eq!(
            (error.status(), error.retry_after(), error.is_retryable()),
            (Some(429), Some(Duration::from_secs(7)), true)
        );
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
        assert_undecodable(&error);
        assert!(error.message().starts_with("history: unexpected data in the reply"), "{error}");
    }
    // A publish that was accepted is none, whatever its result holds.
    for result in ["[]", "null", r#"{"offset":"1"}"#, "{}"] {
        let reply = Response::json(format!(r#"{{"result":{result}}}"#));
        let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
        let published = client_for(6, &server.address()).publish("a", &1).unwrap();
        assert_eq!(published.position, None, "{result}");
    }
    // What has no response for each channel does not even say that the command was executed.
    for responses in ["[{}]", "[{},{},{}]", "[1,2]"] {
        let reply = Response::json(format!(r#"{{"result":{{"responses":{responses}}}}}"#));
        let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
        let error = client_for(6, &server.address()).broadcast(["a", "b"], &1).unwrap_err();
        assert_eq!((error.kind(), error.replies().len()), (ErrorKind::OutcomeUnknown, 1), "{responses}");
    }
}

/// A client of a server that replies to the next command with this result.
fn client_with_result(result: &str) -> (Server, Client) {
    let reply = Response::json(format!(r#"{{"result":{result}}}"#));
    let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
    let client = client_for(6, &server.address());
    (server, client)
}

/// As recorded on 6.9.1.
#[test]
fn map_methods_return_typed_results() {
    let (_server, mut client) = client_with_result(r#"{"offset":1,"epoch":"rAMyMHRJ"}"#);
    let published = client.map_publish("mm:g", "a", &1).unwrap();
    let position = Some(Position { offset: 1, epoch: "rAMyMHRJ".to_owned() });
    assert_eq!((&published.position, published.suppressed), (&position, None));
    for reason in ["key_exists", "key_not_found"] {
        let result = format!(r#"{{"offset":1,"epoch":"rAMyMHRJ","suppressed":true,"suppress_reason":"{reason}"}}"#);
        let (_server, mut client) = client_with_result(&result);
        assert_eq!(client.map_remove("mm:g", "zz").unwrap().suppressed.as_deref(), Some(reason));
    }

    let (server, mut client) = client_with_result(
        r#"{"entries":[{"key":"a","data":1.0,"tags":{"x":"y"},"offset":1,"time":1795997310257},
            {"key":"b","offset":3,"removed":true,"time":1795997310311}],"offset":3,"epoch":"rAMyMHRJ","cursor":"b"}"#,
    );
    let page = client.map_read_state_with("mm:g", &MapStateOptions::new().limit(2).cursor("0")).unwrap();
    let [first, second] = &page.entries[..] else { panic!("{page:?}") };
    assert_eq!((&*first.key, first.data.get(), first.offset, first.is_removed), ("a", "1.0", Some(1), false));
    assert_eq!((&*first.tags["x"], first.parse::<f64>().unwrap()), ("y", 1.0));
    let time = first.time.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(time, Duration::from_millis(1_795_997_310_257));
    assert_eq!((&*second.key, second.data.get(), second.is_removed), ("b", "null", true));
    assert_eq!(second.parse::<u8>().unwrap_err().kind(), ErrorKind::Undecodable);
    assert_eq!((page.position.unwrap().offset, page.cursor.as_deref()), (3, Some("b")));
    let body = server.requests()[0].body_text();
    assert_eq!(body, r#"{"channel":"mm:g","cursor":"0","limit":2}"#);

    let (_server, mut client) = client_with_result(r#"{"entries":null,"offset":0,"epoch":""}"#);
    assert_eq!(client.map_read_stream("mm:g").unwrap().entries.len(), 0);
    let (_server, mut client) = client_with_result(r#"{"num_keys":1}"#);
    assert_eq!(client.map_stats("mm:g").unwrap().num_keys, 1);
    let (_server, mut client) = client_with_result("{}");
    client.map_clear("mm:g").unwrap();
    let (_server, mut client) = client_with_result("{}");
    client.shared_poll_publish("a", "k", 1, &2).unwrap();
    for (result, expected) in [(r#"{"data":[1.0]}"#, "[1.0]"), ("{}", "null")] {
        let (_server, mut client) = client_with_result(result);
        assert_eq!(client.rpc("sum", &[1, 2]).unwrap().get(), expected);
    }
    let (_server, mut client) = client_with_result("[{}]");
    assert_undecodable(&client.map_stats("mm:g").unwrap_err());
}

#[track_caller]
fn assert_undecodable(error: &Error) {
    assert_eq!((error.kind(), error.is_retryable(), error.is_repeatable()), (ErrorKind::Undecodable, false, false));
    assert_eq!(error.replies().len(), 1);
}

#[test]
fn result_of_another_method_is_an_error() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        server.centrifugo().join("a", "c1", "42", "");
        let commands = [
            Command::publish("a", &1).unwrap(),
            Command::broadcast(["a", "b"], &2).unwrap(),
            Command::history("a"),
            Command::presence("a"),
            Command::channels(),
        ];
        let replies = client.send_commands(&commands).unwrap();
        for (index, reply) in replies.iter().enumerate() {
            let results = [
                reply.published().map(drop),
                reply.broadcast().map(drop),
                reply.history().map(drop),
                reply.presence().map(drop),
                reply.channels().map(drop),
            ];
            for (function, result) in results.into_iter().enumerate() {
                assert_eq!(result.is_ok(), function == index, "{major} {}", reply.text());
                result.err().iter().for_each(assert_undecodable);
            }
            assert_undecodable(&reply.parse::<bool>().unwrap_err());
        }
        assert_eq!(replies[0].history().unwrap_err().message(), "not a reply to history");
        let broadcast = replies[1].broadcast().unwrap();
        assert_eq!((broadcast.channels.len(), broadcast.errors().count()), (2, 0), "{major}");
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
