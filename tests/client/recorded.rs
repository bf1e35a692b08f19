//! Responses recorded from servers of all versions.

use std::collections::BTreeMap;

use cent::{Command, Error, ErrorKind, Reply};
use serde_json::value::RawValue;

use super::{command, commands, respond_early, send_batch};
use crate::fixtures::{CURRENT_VERSIONS, Fixture, VERSIONS};
use crate::server;
use crate::server::ApiForm::{Current, Legacy, V1};
use crate::server::{ApiForm, Centrifugo, Server, Step};

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
    let params = super::params(&fixture.body, r#""key":"k","method":"x","version":1"#);
    let body: serde_json::Value = serde_json::from_slice(&fixture.body).unwrap_or_default();
    let methods: Vec<&str> = match (body["commands"].as_array(), fixture.path.rsplit('/').next()) {
        (Some(commands), _) => commands.iter().map(|command| first_key(command).unwrap_or("publish")).collect(),
        (None, Some(method)) if !matches!(method, "" | "api" | "batch") => vec![method],
        _ => vec!["publish"],
    };
    methods.into_iter().map(|method| command(method.split('?').next().unwrap_or_default(), &params)).collect()
}

/// Of several methods in a command the server executes publish.
fn first_key(object: &serde_json::Value) -> Option<&str> {
    let mut keys = object.as_object()?.keys().map(String::as_str);
    keys.clone().find(|key| *key == "publish").or_else(|| keys.next())
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
            | "batch-no-key"
            | "batch-old-form-unknown-method"
            | "batch-parallel-text"
            | "batch-params-text"
            | "method-both-keys-x-wrong"
            | "method-channel-number"
            | "method-empty-body"
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
        // A 405, which the server sends to no POST.
        (_, "batch-get" | "method-get-no-key") => Outcome::Error(OutcomeUnknown),
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
