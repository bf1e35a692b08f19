//! The methods of Centrifugo 2 and later, which the legacy and the current form share.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::fake_centrifugo::{Centrifugo, Channel, Message, Namespace, State};
use super::json::{self, GoObject, TypeMismatch, quote};
use super::v1::{recorded_metrics, subscriber_json};

/// The errors of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiError {
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
    /// Code and message as an object.
    pub(super) fn to_json(self, major: u8) -> String {
        let (code, message) = match self {
            Self::Internal => (100, "internal server error"),
            Self::UnknownChannel => (102, if major == 2 { "namespace not found" } else { "unknown channel" }),
            Self::NotFound => (104, if major < 5 { "method not found" } else { "not found" }),
            Self::BadRequest => (107, "bad request"),
            Self::NotAvailable => (108, "not available"),
            Self::Unrecoverable => (112, "unrecoverable position"),
        };
        format!("{{\"code\":{code},\"message\":\"{message}\"}}")
    }

    /// The HTTP status in transport error mode.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Internal => 500,
            Self::UnknownChannel | Self::NotFound => 404,
            Self::BadRequest | Self::NotAvailable => 400,
            Self::Unrecoverable => 416,
        }
    }
}

/// A method and its decoded params.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    params: Params<'a>,
}

/// Strings that are absent are empty.
enum Params<'a> {
    Publish(String, Payload<'a>),
    Broadcast(Vec<String>, Payload<'a>),
    Channel(String),
    User(String),
    UserAndChannel(String, String),
    History(String, Selection),
    Rpc(String),
    /// A glob pattern, or nothing for all channels.
    Channels(String),
    None,
}

/// What publish and broadcast send.
struct Payload<'a> {
    data: Option<&'a [u8]>,
    b64data: String,
    idempotency_key: String,
}

/// Which messages of a history are returned.
struct Selection {
    limit: i64,
    reverse: bool,
    since: Option<(u64, String)>,
}

impl<'a> Call<'a> {
    /// Decodes params strictly: a value of the wrong type is an error.
    pub(super) fn decode(method: &'static str, params: &'a [u8], major: u8) -> Result<Self, TypeMismatch> {
        let object = GoObject::parse(params)?;
        let (channel, user) = (|| object.string("channel"), || object.string("user"));
        let params = match method {
            "publish" => Params::Publish(channel()?, Payload::decode(&object, major)?),
            "broadcast" => Params::Broadcast(object.strings("channels")?, Payload::decode(&object, major)?),
            "subscribe" | "unsubscribe" => Params::UserAndChannel(user()?, channel()?),
            "disconnect" | "refresh" => Params::User(user()?),
            "history" => Params::History(channel()?, Selection::decode(&object, major)?),
            "rpc" => Params::Rpc(object.string("method")?),
            "channels" if major >= 3 => Params::Channels(object.string("pattern")?),
            "info" | "channels" => Params::None,
            _ => Params::Channel(channel()?),
        };
        Ok(Self { method, params })
    }
}

impl<'a> Payload<'a> {
    fn decode(params: &GoObject<'a>, major: u8) -> Result<Self, TypeMismatch> {
        let since = |first_major, name| if major < first_major { Ok(String::new()) } else { params.string(name) };
        Ok(Self {
            data: params.raw("data"),
            b64data: since(3, "b64data")?,
            idempotency_key: since(5, "idempotency_key")?,
        })
    }

    /// `data`, or decoded `b64data`.
    fn data(&self, major: u8, is_broadcast: bool) -> Result<Option<Vec<u8>>, ApiError> {
        let data = self.data.map(<[u8]>::to_vec);
        if self.b64data.is_empty() {
            return Ok(data);
        }
        let decoded = BASE64_STANDARD.decode(&self.b64data).map_err(|_| ApiError::BadRequest)?;
        // A bug of 3.2.3.
        Ok(if major == 3 && !is_broadcast { Some(data.unwrap_or_default()) } else { Some(decoded) })
    }
}

impl Selection {
    /// Version 2 does not read these params.
    fn decode(params: &GoObject<'_>, major: u8) -> Result<Self, TypeMismatch> {
        if major == 2 {
            return Ok(Self { limit: -1, reverse: false, since: None });
        }
        let position = |since: GoObject<'_>| {
            Ok((u64::try_from(since.integer("offset")?).map_err(|_| TypeMismatch)?, since.string("epoch")?))
        };
        Ok(Self {
            limit: params.integer("limit")?,
            reverse: params.boolean("reverse")?,
            since: params.object("since")?.map(position).transpose()?,
        })
    }

    fn select<'a>(&self, channel: &'a Channel) -> Result<Vec<&'a Message>, ApiError> {
        let mut selected: Vec<&Message> = channel.messages.iter().collect();
        if let Some((offset, epoch)) = &self.since {
            if *epoch != channel.epoch {
                return Err(ApiError::Unrecoverable);
            }
            selected.retain(|message| if self.reverse { message.offset < *offset } else { message.offset > *offset });
        }
        if self.reverse {
            selected.reverse();
        }
        selected.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        Ok(selected)
    }
}

/// The text of a result; `None` if it cannot be written as JSON.
type JsonText = Option<Vec<u8>>;
/// The result of a command; some methods have none.
pub(super) type Outcome = Result<Option<JsonText>, ApiError>;

#[expect(clippy::unnecessary_wraps, reason = "as all methods give it back")]
fn result(text: impl Into<Vec<u8>>) -> Outcome {
    Ok(Some(Some(text.into())))
}

/// The result of methods without data.
fn no_data(since: u8, major: u8) -> Outcome {
    if major < since { Ok(None) } else { result("{}") }
}

/// Executes a command and records it if it succeeds.
pub(super) fn execute(server: &Centrifugo, state: &mut State, call: &Call<'_>) -> Outcome {
    let outcome = run(server, state, call);
    if outcome.is_ok() {
        state.record_execution(call.method);
    }
    outcome
}

fn run(server: &Centrifugo, state: &mut State, call: &Call<'_>) -> Outcome {
    match (call.method, &call.params) {
        (_, Params::Publish(channel, payload)) => publish(server, state, channel, payload),
        (_, Params::Broadcast(channels, payload)) => broadcast(server, state, channels, payload),
        ("subscribe", Params::UserAndChannel(user, channel)) => subscribe(server, state, user, channel),
        (_, Params::UserAndChannel(user, channel)) => unsubscribe(server, state, user, channel),
        ("disconnect", Params::User(user)) => disconnect(server, state, user),
        (_, Params::User(user)) => check_user(server, user).and_then(|()| no_data(4, server.major)),
        (_, Params::History(channel, selection)) => history(server, state, channel, selection),
        ("presence", Params::Channel(channel)) => presence(server, state, channel),
        ("presence_stats", Params::Channel(channel)) => presence_stats(server, state, channel),
        ("history_remove", Params::Channel(channel)) => history_remove(server, state, channel),
        // No channel is a map or polled.
        (_, Params::Channel(_)) => Err(ApiError::BadRequest),
        // No RPC proxy is configured.
        (_, Params::Rpc(method)) => Err(if method.is_empty() { ApiError::BadRequest } else { ApiError::NotFound }),
        ("info", Params::None) => result(info(server, state)),
        (_, Params::Channels(pattern)) => channels(server, state, pattern),
        (_, Params::None) => channels(server, state, ""),
    }
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
    let key = Some(key).filter(|key| !key.is_empty() && server.recognizes_keys());
    if let Some(first) = key.and_then(|key| state.channel(server.major, channel).idempotent.get(key)) {
        return Ok(first.clone());
    }
    let position = state.deliver(server.major, channel, "", data);
    let answer = position.map_or_else(
        || "{}".to_owned(),
        |(offset, epoch)| format!("{{\"offset\":{offset},\"epoch\":{}}}", quote(&epoch)),
    );
    if let Some(key) = key {
        state.channel(server.major, channel).idempotent.insert(key.to_owned(), answer.clone());
    }
    Ok(answer)
}

fn publish(server: &Centrifugo, state: &mut State, channel: &str, payload: &Payload<'_>) -> Outcome {
    let data = payload.data(server.major, false)?;
    let answer = deliver(server, state, channel, &payload.idempotency_key, data.as_deref())?;
    if server.major == 2 { Ok(None) } else { result(answer) }
}

fn broadcast(server: &Centrifugo, state: &mut State, channels: &[String], payload: &Payload<'_>) -> Outcome {
    let data = payload.data(server.major, true)?;
    if channels.is_empty() || data.is_none() && server.major < 6 {
        return Err(ApiError::BadRequest);
    }
    let mut responses = Vec::new();
    for channel in channels {
        match deliver(server, state, channel, &payload.idempotency_key, data.as_deref()) {
            Ok(answer) => responses.push(format!("{{\"result\":{answer}}}")),
            // Delivered channel by channel: those before a bad one got the message.
            Err(error) if server.major == 2 => return Err(error),
            Err(error) => responses.push(format!("{{\"error\":{}}}", error.to_json(server.major))),
        }
    }
    if server.major == 2 { Ok(None) } else { result(format!("{{\"responses\":[{}]}}", responses.join(","))) }
}

/// Since version 3, no user means all connections without a user.
fn check_user(server: &Centrifugo, user: &str) -> Result<(), ApiError> {
    if user.is_empty() && server.major == 2 {
        return Err(ApiError::BadRequest);
    }
    if server.engine_down { Err(ApiError::Internal) } else { Ok(()) }
}

fn unsubscribe(server: &Centrifugo, state: &mut State, user: &str, channel: &str) -> Outcome {
    check_user(server, user)?;
    if !channel.is_empty() {
        state.unsubscribe(user, channel);
    }
    no_data(4, server.major)
}

fn disconnect(server: &Centrifugo, state: &mut State, user: &str) -> Outcome {
    check_user(server, user)?;
    state.disconnect(user);
    no_data(4, server.major)
}

fn subscribe(server: &Centrifugo, state: &mut State, user: &str, channel: &str) -> Outcome {
    check_user(server, user)?;
    match Namespace::of(channel) {
        _ if channel.is_empty() => return Err(ApiError::BadRequest),
        Namespace::Unknown => return Err(ApiError::UnknownChannel),
        Namespace::Keeping | Namespace::Plain => state.subscribe(user, channel),
    }
    no_data(4, server.major)
}

/// Checks that a channel has history and presence.
fn check_kept(server: &Centrifugo, channel: &str) -> Result<(), ApiError> {
    match Namespace::of(channel) {
        _ if channel.is_empty() => Err(ApiError::BadRequest),
        Namespace::Unknown => Err(ApiError::UnknownChannel),
        Namespace::Plain => Err(ApiError::NotAvailable),
        Namespace::Keeping if server.engine_down => Err(ApiError::Internal),
        Namespace::Keeping => Ok(()),
    }
}

fn presence(server: &Centrifugo, state: &State, channel: &str) -> Outcome {
    check_kept(server, channel)?;
    let mut subscribers: Vec<String> =
        state.subscribers(channel).map(|subscriber| subscriber_json(subscriber, "conn_info")).collect();
    subscribers.sort();
    result(format!("{{\"presence\":{{{}}}}}", subscribers.join(",")))
}

fn presence_stats(server: &Centrifugo, state: &State, channel: &str) -> Outcome {
    check_kept(server, channel)?;
    let mut users: Vec<&str> = state.subscribers(channel).map(|subscriber| subscriber.user.as_str()).collect();
    let clients = users.len();
    users.sort_unstable();
    users.dedup();
    result(format!("{{\"num_clients\":{clients},\"num_users\":{}}}", users.len()))
}

fn history(server: &Centrifugo, state: &mut State, channel: &str, selection: &Selection) -> Outcome {
    check_kept(server, channel)?;
    let channel = state.channel(server.major, channel);
    let is_v2 = server.major == 2;
    let selected: Option<Vec<Vec<u8>>> =
        selection.select(channel)?.into_iter().map(|kept| message(kept, !is_v2)).collect();
    let position = format!(",\"epoch\":{},\"offset\":{}", quote(&channel.epoch), channel.offset);
    let position = if is_v2 { "" } else { &position };
    Ok(Some(selected.map(|selected| {
        [b"{\"publications\":[", selected.join(&b',').as_slice(), b"]", position.as_bytes(), b"}"].concat()
    })))
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

fn history_remove(server: &Centrifugo, state: &mut State, channel: &str) -> Outcome {
    check_kept(server, channel)?;
    state.channel(server.major, channel).messages.clear();
    no_data(4, server.major)
}

/// Whether a name matches a pattern with at most one `*`; without a pattern, all do.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
        None => pattern.is_empty() || name == pattern,
    }
}

fn channels(server: &Centrifugo, state: &State, pattern: &str) -> Outcome {
    // Later versions ask the nodes, not the engine.
    if server.engine_down && server.major < 5 {
        return Err(ApiError::Internal);
    }
    let mut names = state.active_channels();
    if server.major == 2 {
        let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
        return result(format!("{{\"channels\":[{}]}}", names.join(",")));
    }
    names.retain(|name| matches(pattern, name));
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
    let version = server.release.unwrap_or(version);
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
