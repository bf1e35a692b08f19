//! What the documentation shows, in one program that a service could be: the same for all versions.
//!
//! Against real servers, with the secret `secret` and the API key `key`, history, and no namespace `nope`:
//! `TOUR="1=http://localhost:9001 6=http://localhost:9006" cargo test --test client -- --ignored tour`

use std::time::{Duration, Instant};
use std::{process, thread};

use cent::{
    Client, Command, Error, ErrorKind, HistoryOptions, IdempotencyKey, NextStep, PublishOptions, Published, RetryPolicy,
};
use serde::{Deserialize, Serialize};

use super::{ALL_VERSIONS, client_for, start};
use crate::server::{Response, Server, Step};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    shop: String,
}

/// As the library's front page has it, with shorter pauses.
fn publish_reliably(client: &mut Client, channel: &str, data: &impl Serialize) -> Result<Published, Error> {
    let mut policy = RetryPolicy::new(3);
    if client.idempotency_support().is_ok_and(|support| support.is_supported()) {
        policy = policy.with_keys();
    }
    let options = PublishOptions::new().idempotency_key(IdempotencyKey::random()?);
    let mut request = client.requests().request(vec![Command::publish_with(channel, data, &options)?])?;
    let (start, mut failed) = (Instant::now(), 0);
    let replies = loop {
        let result = client.send_request(&mut request);
        failed += 1;
        match policy.next_step(result.as_deref(), request.repeat(), failed, start.elapsed(), 0.5) {
            NextStep::Retry(backoff) => thread::sleep(backoff / 100),
            NextStep::Repeat(backoff) => {
                thread::sleep(backoff / 100);
                if !client.idempotency_support().is_ok_and(|support| support.is_supported()) {
                    break result;
                }
            }
            _ => break result,
        }
    };
    replies?[0].published()
}

fn shown<T: ToString>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(error) if error.is_unknown_method() => "missing".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn page_through(client: &mut Client, channel: &str, reverse: bool) -> Result<String, Error> {
    let mut orders = Vec::new();
    let mut page = HistoryOptions::new().limit(2).reverse(reverse);
    loop {
        let history = client.history_with(channel, &page)?;
        for publication in &history.publications {
            orders.push(publication.parse::<Order>()?.id.to_string());
        }
        let Some(position) = history.next_since() else { break };
        page = page.since(position);
    }
    Ok(orders.join(" "))
}

/// One line for each step.
fn tour(client: &mut Client, channel: &str) -> Vec<String> {
    let order = |id| Order { id, shop: "Berlin".to_owned() };
    let ok = |()| "ok";
    let mut lines = Vec::new();
    let mut line = |step: &str, result: String| lines.push(format!("{step}: {result}"));

    line("publish", shown(client.publish(channel, &order(1)).map(drop).map(ok)));
    let once = PublishOptions::new().tag("shop", "Berlin").idempotency_key(IdempotencyKey::random().unwrap());
    let [first, second] = [(); 2].map(|()| client.publish_with(channel, &order(2), &once));
    line("same key", (first.unwrap() == second.unwrap()).to_string());
    let broadcast = client.broadcast([channel, "nope:x"], &order(3)).map(|broadcast| {
        let failed = broadcast.errors().map(|error| error.channel().unwrap().into_owned());
        failed.collect::<Vec<_>>().join(" ")
    });
    line("broadcast failed for", shown(broadcast));
    line("history", shown(page_through(client, channel, false)));
    line("newest first", shown(page_through(client, channel, true)));

    let [publish, nope] = [channel, "nope:x"].map(|channel| Command::publish(channel, &order(4)).unwrap());
    let replies = client.send_commands(&[publish.clone(), nope, Command::history(channel)]).unwrap();
    line("batch publish", shown(replies[0].published().map(drop).map(ok)));
    line("batch nope", shown(replies[1].published().map(drop).map(ok)));
    line("batch history", shown(replies[2].history().map(|it| it.publications.last().map_or(0, |_| 4))));
    line("publish as history", shown(replies[0].history().map(drop).map(ok)));

    line("presence", shown(client.presence(channel).map(|clients| clients.len())));
    line("presence_stats", shown(client.presence_stats(channel).map(|stats| stats.num_users)));
    line("channels", shown(client.channels().map(|channels| channels.contains_key(channel))));
    line("info", shown(client.info().map(|json| json.get().starts_with('{'))));
    line("stats", shown(client.stats().map(|json| json.get().starts_with('{'))));
    line("subscribe", shown(client.subscribe("42", channel).map(ok)));
    line("unsubscribe", shown(client.unsubscribe("42", channel).map(ok)));
    line("disconnect", shown(client.disconnect("42").map(ok)));
    line("refresh", shown(client.refresh("42").map(ok)));
    line("rpc", shown(client.rpc("sum", &[1, 2])));
    line("map_publish", shown(client.map_publish(channel, "a", &1).map(drop).map(ok)));
    match client.send_commands(&[publish, Command::refresh("42")]) {
        Ok(replies) => line("batch refresh", shown(replies[1].parse::<serde_json::Value>().map(|_| "ok"))),
        Err(error) => line("batch refresh", format!("{} {}", error.is_unknown_method(), error.is_repeatable())),
    }
    line("reliably", shown(publish_reliably(client, channel, &order(5)).map(drop).map(ok)));
    line("reliably nope", shown(publish_reliably(client, "nope:x", &order(5)).map(drop).map(ok)));
    line("history_remove", shown(client.history_remove(channel).map(ok)));
    lines
}

fn expected(major: u8) -> Vec<String> {
    let since = |first: u8, value: &'static str| if major < first { "missing" } else { value };
    let histories = match major {
        1 | 2 => ["1 2 2 3"; 2],
        3 | 4 => ["1 2 2 3", "3 2 2 1"],
        _ => ["1 2 3", "3 2 1"],
    };
    let lines = [
        ("publish", "ok"),
        // Without positions, results are always the same.
        ("same key", if matches!(major, 3 | 4) { "false" } else { "true" }),
        ("broadcast failed for", if major < 3 { "Rejected" } else { "nope:x" }),
        ("history", histories[0]),
        ("newest first", histories[1]),
        ("batch publish", "ok"),
        ("batch nope", "Rejected"),
        ("batch history", "4"),
        ("publish as history", "Undecodable"),
        ("presence", "0"),
        ("presence_stats", since(2, "0")),
        ("channels", "false"),
        ("info", since(2, "true")),
        ("stats", if major == 1 { "true" } else { "missing" }),
        ("subscribe", since(3, "ok")),
        ("unsubscribe", "ok"),
        ("disconnect", "ok"),
        ("refresh", since(3, "ok")),
        ("rpc", "missing"),
        ("map_publish", since(6, "Rejected")),
        ("batch refresh", if major < 3 { "true false" } else { "ok" }),
        ("reliably", "ok"),
        ("reliably nope", "Rejected"),
        ("history_remove", since(2, "ok")),
    ];
    lines.map(|(step, result)| format!("{step}: {result}")).to_vec()
}

#[test]
fn tour_is_the_same_for_all_versions() {
    for major in ALL_VERSIONS {
        let (_server, mut client) = start(major);
        assert_eq!(tour(&mut client, "orders"), expected(major), "{major}");
    }
}

#[test]
#[ignore = "needs real servers"]
fn tour_of_real_servers() {
    for server in std::env::var("TOUR").expect("TOUR has servers").split(' ') {
        let (major, address) = server.split_once('=').expect("MAJOR=ADDRESS");
        let client = if major == "1" { Client::new(address, "secret") } else { Client::with_api_key(address, "key") };
        let channel = format!("orders{}", process::id());
        assert_eq!(tour(&mut client.unwrap(), &channel), expected(major.parse().unwrap()), "{server}");
    }
}

/// `info` that fails after a publish of unknown outcome changes nothing about that outcome.
#[test]
fn unknown_outcome_is_not_forgotten() {
    let failing = Response::new(429).header("Connection", "close");
    for (after, is_known) in [(vec![Step::ReadAll, Step::respond(&failing)], false), (vec![Step::Respond], true)] {
        let lost = vec![Step::Execute, Step::Close];
        // To the questions for the version and for keys.
        let asked = || vec![Step::Respond];
        let server = Server::version(6).script(asked()).script(asked()).script(lost).script(after);
        let mut client = client_for(6, &server.address()).with_timeout(Duration::from_secs(2));
        let result = publish_reliably(&mut client, "news", &1).map(drop).map_err(|error| error.kind());
        assert_eq!(result, if is_known { Ok(()) } else { Err(ErrorKind::OutcomeUnknown) });
        assert_eq!(server.centrifugo().messages_as_text("news"), ["1"]);
    }
}
