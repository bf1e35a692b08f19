//! The API form of Centrifugo 1: a signed array of commands, an array of replies.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::fake_centrifugo::{Centrifugo, Message, Namespace, State, Subscriber};
use super::http::{Request, Response};
use super::json::{self, GoObject, TypeMismatch, quote};

/// Replaces all replies if one command is invalid; earlier commands were executed.
struct BadRequest;

impl From<TypeMismatch> for BadRequest {
    fn from(_: TypeMismatch) -> Self {
        Self
    }
}

/// The message of the engine, as recorded.
const ENGINE_DOWN: &str = "dial tcp 127.0.0.1:18299: connect: connection refused";
const INVALID_MESSAGE: &str = "invalid message";
const UNKNOWN_NAMESPACE: &str = "namespace not found";

pub(super) fn handle(server: &Centrifugo, request: &Request) -> Response {
    let bad_request = || Response::plain(400, "Bad Request");
    let is_json =
        request.header("Content-Type").is_some_and(|value| value.to_lowercase().starts_with("application/json"));
    let body = request.body();
    // Any other type would be a form, which no test sends.
    if !is_json || body.is_empty() {
        return bad_request();
    }
    if !server.insecure {
        let (Some(signature), Some(secret)) = (request.header("X-API-Sign"), &server.credential) else {
            return bad_request();
        };
        if signature.is_empty() {
            return bad_request();
        }
        if signature != sign(secret, body) {
            return Response::plain(401, "Unauthorized");
        }
    }
    match commands(body).ok_or(BadRequest).and_then(|commands| run(server, &commands)) {
        Ok(replies) => Response::json(replies),
        Err(BadRequest) => bad_request(),
    }
}

/// The signature of a body.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

struct Command<'a> {
    uid: String,
    method: String,
    params: Option<&'a [u8]>,
}

/// The commands of a body; `None` if one is invalid.
fn commands(body: &[u8]) -> Option<Vec<Command<'_>>> {
    // The first byte decides: leading white space is rejected.
    let texts = match body.first()? {
        b'[' => json::parse_array(json::parse_exact(body)?)?,
        b'{' => vec![json::parse_exact(body)?],
        _ => return None,
    };
    let command = |text| {
        let members = GoObject::parse(text).ok()?;
        Some(Command {
            uid: members.string("uid").ok()?,
            method: members.string("method").ok()?,
            params: members.raw("params"),
        })
    };
    texts.into_iter().map(command).collect()
}

fn run(server: &Centrifugo, commands: &[Command<'_>]) -> Result<Vec<u8>, BadRequest> {
    let mut state = server.state();
    let mut replies = vec![b'['];
    for (index, command) in commands.iter().enumerate() {
        let outcome = execute(server, &mut state, command)?;
        if outcome.error.is_none() {
            state.record_execution(&command.method);
        }
        if index > 0 {
            replies.push(b',');
        }
        outcome.write(command, &mut replies);
    }
    replies.push(b']');
    Ok(replies)
}

/// The content of a reply.
struct Outcome {
    error: Option<&'static str>,
    /// Whether the reply has the advice "fix".
    with_advice: bool,
    body: Vec<u8>,
}

impl Outcome {
    fn success() -> Self {
        Self::with_body("null")
    }

    fn with_body(body: impl Into<Vec<u8>>) -> Self {
        Self { error: None, with_advice: false, body: body.into() }
    }

    fn error(error: &'static str) -> Self {
        Self { error: Some(error), ..Self::success() }
    }

    fn with_advice(error: &'static str) -> Self {
        Self { with_advice: true, ..Self::error(error) }
    }

    /// An error whose reply still has the channel.
    fn channel_error(channel: &str, error: &'static str) -> Self {
        Self { error: Some(error), ..Self::with_body(channel_body(channel, "null")) }
    }

    fn write(&self, command: &Command<'_>, replies: &mut Vec<u8>) {
        let uid = if command.uid.is_empty() { String::new() } else { format!("\"uid\":{},", quote(&command.uid)) };
        let error = self.error.map_or_else(|| "null".to_owned(), quote);
        let advice = if self.with_advice { ",\"advice\":\"fix\"" } else { "" };
        let before = format!("{{{uid}\"method\":{},\"error\":{error}{advice},\"body\":", quote(&command.method));
        replies.extend_from_slice(before.as_bytes());
        replies.extend_from_slice(&self.body);
        replies.push(b'}');
    }
}

fn channel_body(channel: &str, data: impl AsRef<[u8]>) -> Vec<u8> {
    let before = format!("{{\"channel\":{},\"data\":", quote(channel));
    [before.as_bytes(), data.as_ref(), b"}"].concat()
}

fn execute(server: &Centrifugo, state: &mut State, command: &Command<'_>) -> Result<Outcome, BadRequest> {
    let params = || GoObject::parse(command.params.ok_or(BadRequest)?).map_err(BadRequest::from);
    match command.method.as_str() {
        "publish" => publish(server, state, &params()?),
        "broadcast" => broadcast(server, state, &params()?),
        "unsubscribe" => unsubscribe(server, state, &params()?),
        "disconnect" => disconnect(server, state, &params()?),
        "presence" => presence(server, state, &params()?),
        "history" => history(server, state, &params()?),
        "channels" => Ok(channels(server, state)),
        "stats" => {
            Ok(Outcome::with_body(format!("{{\"data\":{{\"nodes\":[{}],\"metrics_interval\":60}}}}", node_json(STATS))))
        }
        "node" => Ok(Outcome::with_body(format!("{{\"data\":{}}}", node_json(NODE)))),
        _ => Err(BadRequest),
    }
}

fn publish(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Result<Outcome, BadRequest> {
    let (channel, client) = (params.string("channel")?, params.string("client")?);
    let data = params.raw("data").filter(|_| !channel.is_empty()).ok_or(BadRequest)?;
    Ok(match Namespace::of(&channel) {
        Namespace::Unknown => Outcome::with_advice(UNKNOWN_NAMESPACE),
        _ if server.engine_down => Outcome::error(ENGINE_DOWN),
        _ => {
            state.deliver(server.major, &channel, &client, data);
            Outcome::success()
        }
    })
}

/// Delivered channel by channel: those before a bad one get the message.
fn broadcast(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Result<Outcome, BadRequest> {
    let (channels, client) = (params.strings("channels")?, params.string("client")?);
    let Some(data) = params.raw("data").filter(|_| !channels.is_empty()) else {
        return Ok(Outcome::with_advice(INVALID_MESSAGE));
    };
    for channel in &channels {
        if channel.is_empty() {
            return Ok(Outcome::with_advice(INVALID_MESSAGE));
        }
        if Namespace::of(channel) == Namespace::Unknown {
            return Ok(Outcome::with_advice(UNKNOWN_NAMESPACE));
        }
        if server.engine_down {
            return Ok(Outcome::error(ENGINE_DOWN));
        }
        state.deliver(server.major, channel, &client, data);
    }
    Ok(Outcome::success())
}

fn unsubscribe(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Result<Outcome, BadRequest> {
    let (channel, user) = (params.string("channel")?, params.string("user")?);
    if user.is_empty() {
        return Ok(Outcome::error(INVALID_MESSAGE));
    }
    if server.engine_down {
        return Ok(Outcome::error(INTERNAL_ERROR));
    }
    state.unsubscribe(&user, &channel);
    Ok(Outcome::success())
}

const INTERNAL_ERROR: &str = "internal server error";

fn disconnect(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Result<Outcome, BadRequest> {
    let user = params.string("user")?;
    if user.is_empty() {
        return Ok(Outcome::error(INVALID_MESSAGE));
    }
    if server.engine_down {
        return Ok(Outcome::error(INTERNAL_ERROR));
    }
    state.disconnect(&user);
    Ok(Outcome::success())
}

/// The error for history or presence of this channel, if any.
fn kept_channel_error(server: &Centrifugo, channel: &str) -> Option<&'static str> {
    match Namespace::of(channel) {
        _ if channel.is_empty() => Some(INVALID_MESSAGE),
        Namespace::Unknown => Some(UNKNOWN_NAMESPACE),
        Namespace::Plain => Some("not available"),
        Namespace::Keeping => server.engine_down.then_some(INTERNAL_ERROR),
    }
}

fn presence(server: &Centrifugo, state: &State, params: &GoObject<'_>) -> Result<Outcome, BadRequest> {
    let channel = params.string("channel")?;
    if let Some(kept_channel_error) = kept_channel_error(server, &channel) {
        return Ok(Outcome::channel_error(&channel, kept_channel_error));
    }
    let mut subscribers: Vec<String> =
        state.subscribers(&channel).map(|subscriber| subscriber_json(subscriber, "default_info")).collect();
    subscribers.sort();
    Ok(Outcome::with_body(channel_body(&channel, format!("{{{}}}", subscribers.join(",")))))
}

/// A client in a presence reply.
pub(super) fn subscriber_json(subscriber: &Subscriber, info: &str) -> String {
    let client = quote(&subscriber.client);
    let user = quote(&subscriber.user);
    let info = if subscriber.info.is_empty() { String::new() } else { format!(",\"{info}\":{}", subscriber.info) };
    format!("{client}:{{\"user\":{user},\"client\":{client}{info}}}")
}

fn history(server: &Centrifugo, state: &State, params: &GoObject<'_>) -> Result<Outcome, BadRequest> {
    let channel = params.string("channel")?;
    if let Some(kept_channel_error) = kept_channel_error(server, &channel) {
        return Ok(Outcome::channel_error(&channel, kept_channel_error));
    }
    let messages = state.channels.get(&channel).map(|channel| channel.messages.as_slice()).unwrap_or_default();
    let messages: Vec<Vec<u8>> = messages.iter().rev().map(|kept| message(&channel, kept)).collect();
    Ok(Outcome::with_body(channel_body(&channel, [b"[", messages.join(&b',').as_slice(), b"]"].concat())))
}

fn message(channel: &str, message: &Message) -> Vec<u8> {
    let before = format!("{{\"uid\":{},\"channel\":{},\"data\":", quote(&message.uid), quote(channel));
    let client =
        if message.client.is_empty() { String::new() } else { format!(",\"client\":{}", quote(&message.client)) };
    [before.as_bytes(), &json::rewrite_as_go(&message.data), client.as_bytes(), b"}"].concat()
}

fn channels(server: &Centrifugo, state: &State) -> Outcome {
    if server.engine_down {
        return Outcome::error(INTERNAL_ERROR);
    }
    let names: Vec<String> = state.active_channels().iter().map(|name| quote(name)).collect();
    Outcome::with_body(format!("{{\"data\":[{}]}}", names.join(",")))
}

const STATS: &str = include_str!("../../fixtures/replies/v1.8.0/stats.json");
const NODE: &str = include_str!("../../fixtures/replies/v1.8.0/node.json");

/// A node with recorded metrics, some hundred values that make the response a long one.
fn node_json(recorded: &str) -> String {
    format!(
        "{{\"uid\":\"00000000-0000-4000-8000-000000000001\",\"version\":\"\",\"name\":\"server-1\",\
         \"started_at\":1700000000,\"metrics\":{}}}",
        recorded_metrics(recorded)
    )
}

/// The metrics in the body of a recorded response.
pub(super) fn recorded_metrics(recorded: &str) -> String {
    let exchange: serde_json::Value = serde_json::from_str(recorded).expect("the recording is JSON");
    let body = exchange["response"]["body"].as_str().expect("the body is a string");
    let (_, recorded_metrics) = body.split_once("\"metrics\":").expect("the body has metrics");
    let (recorded_metrics, _) = json::split_first(recorded_metrics.as_bytes()).expect("it is JSON");
    String::from_utf8(recorded_metrics.to_vec()).expect("the recording is UTF-8")
}
