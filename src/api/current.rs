//! The API of Centrifugo 5 and later: `/api/METHOD` for one command, `/api/batch` for several, with an API key.
//!
//! Seen on 5.0.0 to 6.9.1, and on a 6.9.1 without the older `/api`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::api_key;
use super::body::Body;
use super::form::Order;
use super::method_hints;
use super::response::HttpResponse;
use crate::command::Command;
use crate::error_kind::ErrorKind;
use crate::json::{self, Elements, ElementsSeed, RawObject};
use crate::methods::ApiVersion;
use crate::reply::{ReplyError, TextRange};
use crate::server::address::Address;

pub(super) fn method_url(address: &Address, commands: &[Command]) -> String {
    // Method names are lower case in a path (seen on 5.4.9 and 6.9.1).
    let method = commands.first().map_or("", Command::canonical_name);
    format!("{address}/api/{method}")
}

pub(super) fn batch_url(address: &Address) -> String {
    format!("{address}/api/batch")
}

/// The params of the only command.
pub(super) fn encode_method(commands: &[Command]) -> Body {
    Body::join(commands, ["", "", ""], |_, _| {}, "")
}

pub(super) fn encode_batch(commands: &[Command], order: Order) -> Body {
    let push_method = |text: &mut String, command: &Command| {
        text.push('{');
        json::push_string(text, command.canonical_name());
        text.push(':');
    };
    let close = match order {
        Order::Kept => "]}",
        Order::Any => r#"],"parallel":true}"#,
    };
    Body::join(commands, [r#"{"commands":["#, ",", close], push_method, "}")
}

/// The replies of a batch, each as the same command would be answered alone.
pub(super) struct BatchReplies {
    pub(super) text: String,
    pub(super) ranges: Vec<TextRange>,
    /// How many there are; only as many as there are commands have a range.
    pub(super) count: usize,
    /// The indexes of those that are not about their command.
    pub(super) foreign: Vec<usize>,
    /// The error of the batch itself.
    pub(super) error: Option<ReplyError>,
}

/// What a response to a batch consists of.
#[derive(Default)]
struct Batch<'a> {
    replies: Option<Elements<'a>>,
    error: Option<&'a RawValue>,
}

/// Reads as many replies as there are commands.
struct BatchVisitor(usize);

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with replies")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut batch = Batch::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "replies" => batch.replies = Some(map.next_value_seed(ElementsSeed { limit: self.0 })?),
                "error" => batch.error = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(batch)
    }
}

/// Reads as many replies as this.
fn parse_batch(response: &str, limit: usize) -> serde_json::Result<Batch<'_>> {
    let list = response.trim_ascii_end().strip_prefix("{\"replies\":[").and_then(|text| text.strip_suffix("]}"));
    if let Some(replies) = list.and_then(|list| json::equal_elements(list, ',', limit)) {
        return Ok(Batch { replies: Some(replies), error: None });
    }
    let mut deserializer = serde_json::Deserializer::from_str(response);
    let batch = deserializer.deserialize_map(BatchVisitor(limit))?;
    deserializer.end().map(|()| batch)
}

/// Unwraps the replies of a batch: `{"publish": X}` becomes `{"result": X}`. `Ok(None)` where the response is no batch.
pub(super) fn unwrap_batch(response: &str, commands: &[Command]) -> serde_json::Result<Option<BatchReplies>> {
    let batch = match parse_batch(response, commands.len()) {
        Ok(batch) => batch,
        // JSON of another shape, if it is valid.
        Err(error) if error.is_data() => return serde_json::from_str::<IgnoredAny>(response).map(|_| None),
        Err(error) => return Err(error),
    };
    let error = batch.error.map_or(Some(None), |error| api_key::parse_error(error.get()));
    let (Some(replies), Some(error)) = (batch.replies, error) else { return Ok(None) };
    let mut text = String::with_capacity(response.len());
    let mut ranges: Vec<TextRange> = Vec::with_capacity(replies.first.len());
    let (mut last, mut foreign) = (None, Vec::new());
    for (index, (reply, command)) in replies.first.iter().zip(commands).enumerate() {
        let key = (reply.get(), command.canonical_name());
        // Most replies are the same as the one before: they can share its text.
        if last == Some(key)
            && let Some(range) = ranges.last().copied()
        {
            ranges.push(range);
            continue;
        }
        let start = text.len();
        if push_unwrapped(&mut text, reply.get(), command) {
            last = Some(key);
        } else {
            foreign.push(index);
        }
        ranges.push((start..text.len()).into());
    }
    Ok(Some(BatchReplies { text, ranges, count: replies.count, foreign, error }))
}

/// Adds a reply; false if it is not about this command.
fn push_unwrapped(text: &mut String, reply: &str, command: &Command) -> bool {
    let members = json::as_object(reply);
    let only = members.as_ref().and_then(|members| members.iter().next().filter(|_| members.len() == 1));
    match only {
        Some((name, result)) if name == command.canonical_name() && is_object(result) => {
            let _ = write!(text, r#"{{"result":{result}}}"#);
            true
        }
        _ => {
            text.push_str(reply);
            members.is_some_and(|members| has_error(&members))
        }
    }
}

/// Whether this JSON is an object, as all results are (seen on 5.0.0 to 6.9.1).
fn is_object(result: &str) -> bool {
    result.starts_with('{')
}

/// Whether a reply has an error; one that is null is none.
fn has_error(reply: &RawObject<'_>) -> bool {
    reply.get_last("error").is_some_and(|error| error != "null")
}

/// The errors in a reply; `None` where it is no reply of this form.
pub(super) fn reply_errors(text: &str, command: &Command) -> Option<Vec<ReplyError>> {
    let reply = json::as_object(text)?;
    let is_reply = has_error(&reply) || reply.get_last("result").is_some();
    if is_reply { api_key::errors_in(&reply, command, true) } else { None }
}

/// The reply that a status stands for: in transport error mode errors have a status of their own, and their code and
/// message are the body (since 5.1.0).
pub(super) fn transport_error(response: &HttpResponse) -> Option<(String, ReplyError)> {
    // These say that nothing was accepted, whatever the body says.
    let is_error = matches!(response.status, 400..=599) && !matches!(response.status, 408 | 425 | 429);
    let body = std::str::from_utf8(&response.body).ok().filter(|_| is_error && response.is_json())?;
    json::as_object(body).filter(|error| error.get_last("message").is_some())?;
    // Gateways repeat the status.
    let error = api_key::parse_error(body)?.filter(|error| !matches!(error.code(), Some(400..=599)))?;
    // A gateway in front of the server may use the same form for errors of its own.
    let kind = if response.status >= 500 { ErrorKind::OutcomeUnknown } else { error.kind() };
    Some((format!(r#"{{"error":{}}}"#, body.trim()), error.with_kind(kind)))
}

/// Whether the response is one error of the older form instead of a list of replies: that of a command without a channel,
/// for which a server whose API is at `/` takes a batch. An error of another kind may be a gateway's that has passed the
/// batch on.
pub(crate) fn is_single_error(response: &HttpResponse) -> bool {
    let Some(object) = std::str::from_utf8(&response.body).ok().and_then(json::as_object) else { return false };
    let error = object.get_last("error").and_then(api_key::parse_error).flatten();
    object.get_last("replies").is_none() && error.is_some_and(|error| error.code() == Some(107))
}

/// What to do about a status of this form of the API.
pub(super) fn status_hint(status: u16, is_batch: bool, commands: &[Command]) -> Option<String> {
    match status {
        400 => Some("check the params for wrong types, or nesting that is too deep".to_owned()),
        404 if !is_batch => method_hints::unknown_method(commands, ApiVersion::V2)
            .or_else(|| method_hints::limited_method(commands, ApiVersion::V2))
            .or_else(|| Some("this server version does not support the method".to_owned())),
        status => api_key::status_hint(status).map(str::to_owned),
    }
}
