//! The API form of Centrifugo 2 to 6: an API key, one command per line, one reply per line.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::fake_centrifugo::{Centrifugo, Channel, Message, Namespace, State};
use super::http::{Request, Response};
use super::json::{self, GoObject, TypeMismatch, quote};
use super::v1::{recorded_metrics, subscriber_json};

/// The errors of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ApiError {
    Internal,
    UnknownChannel,
    NotFound,
    BadRequest,
    NotAvailable,
    Unrecoverable,
}

impl From<TypeMismatch> for ApiError {
    fn from(_: TypeMismatch) -> Self {
        Self::BadRequest
    }
}

impl ApiError {
    fn text(self, major: u8) -> String {
        let (code, message) = match self {
            Self::Internal => (100, "internal server error"),
            Self::UnknownChannel => (102, if major == 2 { "namespace not found" } else { "unknown channel" }),
            Self::NotFound => (104, if major < 5 { "method not found" } else { "not found" }),
            Self::BadRequest => (107, "bad request"),
            Self::NotAvailable => (108, "not available"),
            Self::Unrecoverable => (112, "unrecoverable position"),
        };
        format!("\"error\":{{\"code\":{code},\"message\":\"{message}\"}}")
    }
}

/// The response that rejects a request before its body is read, if any.
pub(super) fn early_rejection(server: &Centrifugo, head: &Request) -> Option<Response> {
    if head.method != "POST" {
        return Some(Response::new(405));
    }
    let authorization: Vec<&str> = head.header("Authorization").unwrap_or_default().split_whitespace().collect();
    let is_authorized = match (authorization.as_slice(), &server.credential) {
        ([scheme, key], Some(known)) => scheme.eq_ignore_ascii_case("apikey") && key == known,
        _ => false,
    };
    (!is_authorized && !server.insecure).then(|| Response::new(401))
}

pub(super) fn handle(server: &Centrifugo, request: &Request) -> Response {
    let bad_request = || Response::plain(400, "Bad Request");
    let content_type = match request.header("Content-Type") {
        Some(sent) if server.major == 2 => sent,
        _ => "application/json",
    };
    // Protobuf, which no test sends.
    if server.major == 2 && content_type.starts_with("application/octet-stream") || request.body().is_empty() {
        return bad_request();
    }
    let mut state = server.state();
    let mut replies: Vec<Vec<u8>> = Vec::new();
    let mut rest = request.body();
    while !json::is_blank(rest) {
        let Some((text, after)) = json::split_first(rest) else { return bad_request() };
        let Ok(command) = Command::parse(text, server.major) else { return bad_request() };
        let Some(reply) = run(server, &mut state, &command) else {
            return Response::plain(500, "Internal Server Error");
        };
        replies.push(reply);
        rest = after;
    }
    let mut body = replies.join(&b'\n');
    if server.major == 2 && !body.is_empty() {
        body.push(b'\n');
    }
    Response::new(200).header("Content-Type", content_type).body(body)
}

struct Command<'a> {
    id: u64,
    /// In lower case; `None` if the server knows the name but does not support the method.
    method: Option<&'static str>,
    params: Option<&'a [u8]>,
}

impl<'a> Command<'a> {
    fn parse(text: &'a [u8], major: u8) -> Result<Self, TypeMismatch> {
        let members = GoObject::parse(text)?;
        Ok(Self {
            id: u64::try_from(members.integer("id")?).map_err(|_| TypeMismatch)?,
            method: members.raw("method").map_or(Ok(Some("publish")), |method| method_of(method, major))?,
            params: members.raw("params"),
        })
    }
}

/// In the order of their numbers.
const METHODS: [&str; 13] = [
    "publish",
    "broadcast",
    "unsubscribe",
    "disconnect",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "info",
    "rpc",
    "subscribe",
    "refresh",
];

/// The method of a name, in quotes and without escapes, or of a number.
fn method_of(value: &[u8], major: u8) -> Result<Option<&'static str>, TypeMismatch> {
    let text = std::str::from_utf8(value).map_err(|_| TypeMismatch)?;
    let known = if major == 2 { &METHODS[..11] } else { &METHODS[..] };
    let index = match text.parse::<usize>() {
        Ok(number) => Some(number),
        Err(_) => known.iter().position(|name| name.to_uppercase() == text.trim_matches('"').to_uppercase()),
    };
    let name = known.get(index.ok_or(TypeMismatch)?).copied();
    // No RPC proxy is configured.
    Ok(name.filter(|&name| name != "rpc"))
}

/// One reply; `None` if it cannot be written as JSON, though the command was executed.
fn run(server: &Centrifugo, state: &mut State, command: &Command<'_>) -> Option<Vec<u8>> {
    let outcome = execute(server, state, command);
    if let (Ok(_), Some(method)) = (&outcome, command.method) {
        state.record_execution(method);
    }
    let mut reply = vec![b'{'];
    if command.id > 0 {
        reply.extend_from_slice(format!("\"id\":{}", command.id).as_bytes());
    }
    let text = match outcome {
        Ok(Some(result)) => [b"\"result\":", result?.as_slice()].concat(),
        Ok(None) => Vec::new(),
        Err(error) => error.text(server.major).into_bytes(),
    };
    if command.id > 0 && !text.is_empty() {
        reply.push(b',');
    }
    reply.extend_from_slice(&text);
    reply.push(b'}');
    Some(reply)
}

/// The text of a result; `None` if it cannot be written as JSON.
type JsonText = Option<Vec<u8>>;
/// The result of a command; some methods have none.
type Outcome = Result<Option<JsonText>, ApiError>;

#[expect(clippy::unnecessary_wraps, reason = "as all methods give it back")]
fn result(text: impl Into<Vec<u8>>) -> Outcome {
    Ok(Some(Some(text.into())))
}

/// The result of methods without data.
fn no_data(since: u8, major: u8) -> Outcome {
    if major < since { Ok(None) } else { result("{}") }
}

fn execute(server: &Centrifugo, state: &mut State, command: &Command<'_>) -> Outcome {
    let major = server.major;
    let Some(method) = command.method else { return Err(ApiError::NotFound) };
    if method == "info" {
        return result(info(server, state));
    }
    if method == "channels" && major == 2 {
        return channels(server, state);
    }
    let params = &GoObject::parse(command.params.ok_or(ApiError::BadRequest)?)?;
    match method {
        "publish" => publish(server, state, params),
        "broadcast" => broadcast(server, state, params),
        "unsubscribe" => unsubscribe(server, state, params),
        "disconnect" => disconnect(server, state, params),
        "subscribe" => subscribe(server, state, params),
        "refresh" => params.string("user").map_err(ApiError::from).and_then(|_| no_data(4, major)),
        "presence" => presence(server, state, params),
        "presence_stats" => presence_stats(server, state, params),
        "history" => history(server, state, params),
        "history_remove" => history_remove(server, state, params),
        _ => channels(server, state),
    }
}

/// What publish and broadcast send: `data`, or decoded `b64data`.
fn data(params: &GoObject<'_>, major: u8, is_broadcast: bool) -> Result<Option<Vec<u8>>, ApiError> {
    let data = params.raw("data").map(<[u8]>::to_vec);
    let encoded = if major == 2 { String::new() } else { params.string("b64data")? };
    if encoded.is_empty() {
        return Ok(data);
    }
    let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| ApiError::BadRequest)?;
    // A bug of 3.2.3.
    Ok(if major == 3 && !is_broadcast { Some(data.unwrap_or_default()) } else { Some(decoded) })
}

/// Delivers a message to one channel; returns the result of publish.
fn deliver(
    server: &Centrifugo,
    state: &mut State,
    channel: &str,
    key: &str,
    data: Option<&[u8]>,
) -> Result<String, ApiError> {
    let data = data.filter(|_| !channel.is_empty()).ok_or(ApiError::BadRequest)?;
    if Namespace::of(channel) == Namespace::Unknown {
        return Err(ApiError::UnknownChannel);
    }
    if server.engine_down {
        return Err(ApiError::Internal);
    }
    let key = Some(key).filter(|key| !key.is_empty() && server.major >= 5);
    if let Some(first) = key.and_then(|key| state.channel(server.major, channel).idempotent.get(key)) {
        return Ok(first.clone());
    }
    let position = state.deliver(server.major, channel, "", data);
    let result = position.map_or_else(
        || "{}".to_owned(),
        |(offset, epoch)| format!("{{\"offset\":{offset},\"epoch\":{}}}", quote(&epoch)),
    );
    if let Some(key) = key {
        state.channel(server.major, channel).idempotent.insert(key.to_owned(), result.clone());
    }
    Ok(result)
}

fn publish(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Outcome {
    let (channel, key) = (params.string("channel")?, params.string("idempotency_key")?);
    let data = data(params, server.major, false)?;
    let position = deliver(server, state, &channel, &key, data.as_deref())?;
    if server.major == 2 { Ok(None) } else { result(position) }
}

fn broadcast(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Outcome {
    let (channels, key) = (params.strings("channels")?, params.string("idempotency_key")?);
    let data = data(params, server.major, true)?;
    if channels.is_empty() || data.is_none() && server.major < 6 {
        return Err(ApiError::BadRequest);
    }
    let mut responses = Vec::new();
    for channel in &channels {
        match deliver(server, state, channel, &key, data.as_deref()) {
            Ok(result) => responses.push(format!("{{\"result\":{result}}}")),
            // Delivered channel by channel: those before a bad one got the message.
            Err(error) if server.major == 2 => return Err(error),
            Err(error) => responses.push(format!("{{{}}}", error.text(server.major))),
        }
    }
    if server.major == 2 { Ok(None) } else { result(format!("{{\"responses\":[{}]}}", responses.join(","))) }
}

/// Since version 3, no user means all connections without a user.
fn target_user(server: &Centrifugo, params: &GoObject<'_>) -> Result<String, ApiError> {
    let user = params.string("user")?;
    if user.is_empty() && server.major == 2 {
        return Err(ApiError::BadRequest);
    }
    if server.engine_down {
        return Err(ApiError::Internal);
    }
    Ok(user)
}

fn unsubscribe(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Outcome {
    let channel = params.string("channel")?;
    let user = target_user(server, params)?;
    if !channel.is_empty() {
        state.unsubscribe(&user, &channel);
    }
    no_data(4, server.major)
}

fn disconnect(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Outcome {
    let user = target_user(server, params)?;
    state.disconnect(&user);
    no_data(4, server.major)
}

fn subscribe(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Outcome {
    let channel = params.string("channel")?;
    let user = target_user(server, params)?;
    match Namespace::of(&channel) {
        _ if channel.is_empty() => return Err(ApiError::BadRequest),
        Namespace::Unknown => return Err(ApiError::UnknownChannel),
        Namespace::Keeping | Namespace::Plain => state.subscribe(&user, &channel),
    }
    no_data(4, server.major)
}

/// The channel of a method that needs history or presence.
fn kept_channel(server: &Centrifugo, params: &GoObject<'_>) -> Result<String, ApiError> {
    let channel = params.string("channel")?;
    match Namespace::of(&channel) {
        _ if channel.is_empty() => Err(ApiError::BadRequest),
        Namespace::Unknown => Err(ApiError::UnknownChannel),
        Namespace::Plain => Err(ApiError::NotAvailable),
        Namespace::Keeping if server.engine_down => Err(ApiError::Internal),
        Namespace::Keeping => Ok(channel),
    }
}

fn presence(server: &Centrifugo, state: &State, params: &GoObject<'_>) -> Outcome {
    let channel = kept_channel(server, params)?;
    let mut subscribers: Vec<String> =
        state.subscribers(&channel).map(|subscriber| subscriber_json(subscriber, "conn_info")).collect();
    subscribers.sort();
    result(format!("{{\"presence\":{{{}}}}}", subscribers.join(",")))
}

fn presence_stats(server: &Centrifugo, state: &State, params: &GoObject<'_>) -> Outcome {
    let channel = kept_channel(server, params)?;
    let mut users: Vec<&str> = state.subscribers(&channel).map(|subscriber| subscriber.user.as_str()).collect();
    let clients = users.len();
    users.sort_unstable();
    users.dedup();
    result(format!("{{\"num_clients\":{clients},\"num_users\":{}}}", users.len()))
}

fn history(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Outcome {
    let channel = kept_channel(server, params)?;
    let channel = state.channel(server.major, &channel);
    if server.major == 2 {
        let all: Option<Vec<Vec<u8>>> = channel.messages.iter().map(|kept| message(kept, false)).collect();
        return Ok(Some(all.map(|all| [b"{\"publications\":[", all.join(&b',').as_slice(), b"]}"].concat())));
    }
    let selected: Option<Vec<Vec<u8>>> =
        selected(channel, params)?.into_iter().map(|kept| message(kept, true)).collect();
    let position = format!("],\"epoch\":{},\"offset\":{}}}", quote(&channel.epoch), channel.offset);
    Ok(Some(
        selected
            .map(|selected| [b"{\"publications\":[", selected.join(&b',').as_slice(), position.as_bytes()].concat()),
    ))
}

/// The messages selected by limit, since and reverse.
fn selected<'a>(channel: &'a Channel, params: &GoObject<'_>) -> Result<Vec<&'a Message>, ApiError> {
    let (limit, reverse) = (params.integer("limit")?, params.boolean("reverse")?);
    let mut selected: Vec<&Message> = channel.messages.iter().collect();
    if let Some(since) = params.object("since")? {
        let offset = u64::try_from(since.integer("offset")?).map_err(|_| ApiError::BadRequest)?;
        if since.string("epoch")? != channel.epoch {
            return Err(ApiError::Unrecoverable);
        }
        selected.retain(|message| if reverse { message.offset < offset } else { message.offset > offset });
    }
    if reverse {
        selected.reverse();
    }
    selected.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(selected)
}

/// A message in a history; `None` if its data is not JSON.
fn message(message: &Message, with_offset: bool) -> JsonText {
    let mut members = Vec::new();
    if !message.data.is_empty() {
        members.push([b"\"data\":", json::rewrite_as_go(json::parse_exact(&message.data)?).as_slice()].concat());
    }
    if with_offset {
        members.push(format!("\"offset\":{}", message.offset).into_bytes());
    }
    Some([b"{", members.join(&b',').as_slice(), b"}"].concat())
}

fn history_remove(server: &Centrifugo, state: &mut State, params: &GoObject<'_>) -> Outcome {
    let channel = kept_channel(server, params)?;
    state.channel(server.major, &channel).messages.clear();
    no_data(4, server.major)
}

fn channels(server: &Centrifugo, state: &State) -> Outcome {
    if server.engine_down {
        return Err(ApiError::Internal);
    }
    let mut names = state.active_channels();
    if server.major == 2 {
        let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
        return result(format!("{{\"channels\":[{}]}}", names.join(",")));
    }
    names.sort();
    let counted = |name: &String| format!("{}:{{\"num_clients\":{}}}", quote(name), state.subscribers(name).count());
    let names: Vec<String> = names.iter().map(counted).collect();
    result(format!("{{\"channels\":{{{}}}}}", names.join(",")))
}

/// The only node, with recorded metrics, which make the response a long one.
fn info(server: &Centrifugo, state: &State) -> String {
    let (version, recorded) = match server.major {
        2 => ("", include_str!("../../fixtures/replies/v2.8.6/info.json")),
        3 | 4 => ("0.0.0", include_str!("../../fixtures/replies/v3.2.3/info.json")),
        5 => ("0.0.0", include_str!("../../fixtures/replies/v5.4.9/info.json")),
        _ => ("0.0.0 OSS", include_str!("../../fixtures/replies/v6.9.1/info.json")),
    };
    let mut users: Vec<&str> = state.subscribers.iter().map(|subscriber| subscriber.user.as_str()).collect();
    users.sort_unstable();
    users.dedup();
    let subscriptions: usize = state.subscribers.iter().map(|subscriber| subscriber.channels.len()).sum();
    let subscriptions = if server.major == 2 { String::new() } else { format!(",\"num_subs\":{subscriptions}") };
    format!(
        "{{\"nodes\":[{{\"uid\":\"00000000-0000-4000-8000-000000000001\",\"name\":\"server-1\",\
         \"version\":\"{version}\",\"num_clients\":{},\"num_users\":{},\"num_channels\":{},\"uptime\":1,\
         \"metrics\":{}{subscriptions}}}]}}",
        state.subscribers.len(),
        users.len(),
        state.active_channels().len(),
        recorded_metrics(recorded),
    )
}
