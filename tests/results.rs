//! Typed results of each recorded reply of each version: `tests/fixtures/replies`.

use std::collections::BTreeMap;

use cent::{Client, Command, Error, ErrorKind, Position, Reply};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/server/mod.rs"]
mod server;

use fixtures::{CURRENT_VERSIONS, Fixture, VERSIONS};
use server::ApiForm::{Current, Legacy, V1};
use server::{ApiForm, Step};

fn form_of(fixture: &Fixture) -> ApiForm {
    match fixture.path.as_str() {
        "/api/" => V1,
        "/api" => Legacy,
        _ => Current,
    }
}

/// The only command of a recorded request; none if it has several, or if the library refuses to send it.
fn command_of(fixture: &Fixture) -> Option<Command> {
    let body = std::str::from_utf8(&fixture.body).ok()?;
    let command = match form_of(fixture) {
        V1 => match serde_json::from_str::<Vec<&RawValue>>(body).ok()?[..] {
            [command] => Command::from_json(command.get()),
            _ => return None,
        },
        Legacy => Command::from_json(body),
        Current => Command::new(fixture.path.strip_prefix("/api/")?, body),
    };
    let endpoint = form_of(fixture).client("http://localhost:1").requests().endpoint().clone();
    command.and_then(|command| command.validated(&endpoint)).ok()
}

/// A client whose server gives the recorded response to the next command.
fn client_of(fixture: &Fixture) -> (server::Server, Client) {
    let form = form_of(fixture);
    let server = form.server().script_for(form, vec![Step::Execute, Step::respond(&fixture.response)]);
    let client = form.client(&server.address());
    (server, client)
}

/// The recorded replies to one command, with it and with the result that the library returns.
fn recorded() -> impl Iterator<Item = (Fixture, Command, Result<Reply, Error>)> {
    let old = VERSIONS.iter().flat_map(|(version, _)| Fixture::load_all(version));
    let current = CURRENT_VERSIONS.iter().flat_map(|(version, _)| Fixture::load_all_current(version));
    let current = current.filter(|fixture| fixture.name.starts_with("method-"));
    old.chain(current).filter(|fixture| fixture.response.status == 200).filter_map(|fixture| {
        let command = command_of(&fixture)?;
        let (_server, mut client) = client_of(&fixture);
        let result = client.call(&command);
        Some((fixture, command, result))
    })
}

/// The recorded successes of a method, with their data as version 2 and later have it.
fn successes(method: &str) -> Vec<(Fixture, Reply)> {
    let successes = recorded().filter(|(_, command, _)| command.method() == method);
    let successes: Vec<_> = successes.filter_map(|(fixture, _, result)| Some((fixture, result.ok()?))).collect();
    let has = |version: &str| successes.iter().any(|(fixture, _)| fixture.version == version);
    assert!(VERSIONS.iter().all(|(version, _)| has(version) || has_not(method, version)), "{method}");
    successes
}

/// Whether the version has no such method.
fn has_not(method: &str, version: &str) -> bool {
    method == "presence_stats" && version == "v1.8.0"
}

fn position_in(data: &Value) -> Option<Position> {
    Some(Position { offset: data.get("offset")?.as_u64()?, epoch: data["epoch"].as_str()?.to_owned() })
}

#[test]
fn errors_in_recorded_replies_are_errors() {
    let mut count = 0;
    for (fixture, command, result) in recorded() {
        let body = String::from_utf8_lossy(&fixture.response.body);
        // An engine's error of version 1 is a text too.
        let is_error = body.starts_with(r#"{"error""#) || body.contains(r#""error":""#);
        let is_partial = body.contains(r#""responses""#) && body.contains(r#""error":{"#);
        let context = format!("{} {}", fixture.version, fixture.name);
        match result {
            Ok(reply) => assert!(!is_error && !is_partial && reply.result().is_ok(), "{context}"),
            Err(error) => {
                assert!(is_error || is_partial, "{context}: {error}");
                let reply_error = error.reply_error().expect("it is the server's error");
                assert!(error.message().starts_with(&format!("{}: ", command.method())), "{context}: {error}");
                assert!(error.message().contains(reply_error.message()), "{context}: {error}");
                assert_eq!((error.kind(), error.hint()), (reply_error.kind(), Some(&*reply_error.hint())), "{context}");
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn published_has_recorded_position() {
    for (fixture, reply) in successes("publish") {
        let published = reply.published().unwrap();
        let data: Value = serde_json::from_str(reply.data()).unwrap();
        assert_eq!(published.position, position_in(&data), "{} {}", fixture.version, fixture.name);
        assert_eq!(published.position.is_some(), fixture.major() > 2, "{} {}", fixture.version, fixture.name);
    }
}

#[test]
fn broadcast_has_result_of_each_channel() {
    for name in ["broadcast-ok", "broadcast-unknown-namespace"] {
        for (version, _) in VERSIONS {
            let fixture = Fixture::load(version, name);
            let body: Value = serde_json::from_slice(&fixture.body).unwrap();
            let params = if fixture.major() == 1 { &body[0]["params"] } else { &body["params"] };
            let channels: Vec<&str> =
                params["channels"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            let (_server, mut client) = client_of(&fixture);
            let result = client.broadcast(&channels, &params["data"]);
            if fixture.major() < 3 {
                assert_eq!(result.is_ok(), name == "broadcast-ok", "{version}");
                if let Ok(broadcast) = result {
                    assert!(broadcast.into_result().unwrap().iter().all(|published| published.position.is_none()));
                }
                continue;
            }
            let broadcast = result.unwrap();
            let response: Value = serde_json::from_slice(&fixture.response.body).unwrap();
            let responses = response["result"]["responses"].as_array().unwrap();
            assert_eq!((broadcast.channels.len(), responses.len()), (channels.len(), channels.len()));
            for ((result, response), channel) in broadcast.channels.iter().zip(responses).zip(channels) {
                match result {
                    Ok(published) => assert_eq!(published.position, position_in(&response["result"])),
                    Err(error) => {
                        assert_eq!((error.channel().as_deref(), error.code()), (Some(channel), Some(102)));
                        assert_eq!(response["error"]["message"], error.message());
                    }
                }
            }
            assert_eq!(broadcast.errors().count(), usize::from(name != "broadcast-ok"));
        }
    }
}

#[test]
fn history_keeps_recorded_data() {
    #[derive(Deserialize)]
    struct Recorded<'a> {
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        uid: Option<String>,
        offset: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Result<'a> {
        #[serde(borrow)]
        publications: Vec<Recorded<'a>>,
        epoch: Option<String>,
        offset: Option<u64>,
    }
    for (fixture, reply) in successes("history") {
        let context = format!("{} {}", fixture.version, fixture.name);
        let history = reply.history().unwrap();
        let recorded = if fixture.major() == 1 {
            // Newest first.
            let mut publications: Vec<Recorded<'_>> = serde_json::from_str(reply.data()).unwrap();
            publications.reverse();
            Result { publications, epoch: None, offset: None }
        } else {
            serde_json::from_str(reply.data()).unwrap()
        };
        assert_eq!(history.publications.len(), recorded.publications.len(), "{context}");
        for (publication, recorded) in history.publications.iter().zip(&recorded.publications) {
            assert_eq!(publication.data.get(), recorded.data.map_or("null", RawValue::get), "{context}");
            assert_eq!((publication.offset, &publication.uid), (recorded.offset, &recorded.uid), "{context}");
            assert!(publication.info.is_none() && publication.tags.is_empty());
        }
        let position = recorded.epoch.zip(recorded.offset).map(|(epoch, offset)| Position { offset, epoch });
        assert_eq!((history.position.is_some(), &history.position), (fixture.major() > 2, &position), "{context}");
        let last = history.publications.last().and_then(|last| last.offset);
        assert_eq!(history.next_since().map(|position| position.offset), last, "{context}");
    }
}

#[test]
fn publications_are_decoded() {
    for (version, _) in VERSIONS {
        let name = if version > "v3" { "history-limit-all" } else { "history" };
        let (_server, mut client) = client_of(&Fixture::load(version, name));
        let history = client.history("hist").unwrap();
        let numbers: Vec<BTreeMap<String, u8>> =
            history.publications.iter().map(|kept| kept.parse().unwrap()).collect();
        assert_eq!(numbers.iter().map(|data| data["n"]).collect::<Vec<_>>(), [0, 1], "{version}");
        let error = history.publications[0].parse::<String>().unwrap_err();
        assert_eq!((error.kind(), error.is_repeatable()), (ErrorKind::Undecodable, false));
        assert_eq!(error.message(), "the publication's data has another type");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.starts_with("invalid type: map"), "{source}");
    }
}

#[test]
fn presence_has_recorded_clients() {
    for (fixture, reply) in successes("presence") {
        let data: Value = serde_json::from_str(reply.data()).unwrap();
        let (recorded, info) =
            if fixture.major() == 1 { (&data, "default_info") } else { (&data["presence"], "conn_info") };
        let presence = reply.presence().unwrap();
        assert_eq!(presence.len(), recorded.as_object().unwrap().len());
        for (id, client) in &presence {
            let recorded = &recorded[id];
            assert_eq!((&recorded["user"], &recorded["client"]), (&(&*client.user).into(), &(&*client.client).into()));
            assert_eq!(client.conn_info.as_ref().unwrap().get(), recorded[info].to_string());
            assert!(client.chan_info.is_none());
        }
    }
    for (_, reply) in successes("presence_stats") {
        let stats = reply.presence_stats().unwrap();
        assert_eq!((stats.num_clients, stats.num_users), (2, 2));
    }
}

#[test]
fn channels_have_names() {
    for (fixture, reply) in successes("channels") {
        let channels = reply.channels().unwrap();
        // The one with the engine down has none.
        let expected: Vec<&str> = if fixture.name == "channels" { vec!["news"] } else { vec![] };
        assert_eq!(channels.keys().collect::<Vec<_>>(), expected, "{} {}", fixture.version, fixture.name);
        assert!(channels.values().all(|info| info.num_clients == (fixture.major() > 2).then_some(2)));
    }
}

#[test]
fn metrics_are_raw_json() {
    for (version, name) in [
        ("v1.8.0", "stats"),
        ("v1.8.0", "node"),
        ("v2.8.6", "info"),
        ("v3.2.3", "info"),
        ("v5.4.9", "info"),
        ("v6.9.1", "info"),
    ] {
        let fixture = Fixture::load(version, name);
        let (_server, mut client) = client_of(&fixture);
        let json = match name {
            "stats" => client.stats(),
            "node" => client.node(),
            _ => client.info(),
        };
        let json = json.unwrap();
        assert!(String::from_utf8_lossy(&fixture.response.body).contains(json.get()), "{version} {name}");
        let node: Value = serde_json::from_str(json.get()).unwrap();
        let node = if name == "node" { &node } else { &node["nodes"][0] };
        assert!(node["uid"].is_string(), "{version} {name}");
    }
}

#[test]
fn methods_without_result_return_nothing() {
    for (version, _) in VERSIONS {
        let client = |name| client_of(&Fixture::load(version, name));
        client("unsubscribe").1.unsubscribe("42", "news").unwrap();
        client("disconnect").1.disconnect("42").unwrap();
        if version > "v2" {
            client("history-remove").1.history_remove("b1").unwrap();
        }
        if version > "v3" {
            client("subscribe").1.subscribe("42", "news").unwrap();
            client("refresh").1.refresh("42").unwrap();
        }
    }
}
