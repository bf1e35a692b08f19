//! The API of Centrifugo 5 and later: `/api/METHOD` for one command, `/api/batch` for several, with an API key.
//!
//! Seen on 5.0.0 to 6.9.1, and on a 6.9.1 without the older `/api`.

use std::fmt::Write as _;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::api_key;
use super::body::Body;
use super::form::Order;
use super::method_hints;
use super::response::HttpResponse;
use crate::command::Command;
use crate::error_kind::ErrorKind;
use crate::json;
use crate::methods::ApiVersion;
use crate::reply::ReplyError;
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
    pub(super) ranges: Vec<Range<usize>>,
}

/// Unwraps the replies of a batch: `{"publish": X}` becomes `{"result": X}`. `Ok(None)` where the response is no batch.
pub(super) fn unwrap_batch(response: &str) -> serde_json::Result<Option<BatchReplies>> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        replies: Option<Vec<&'a RawValue>>,
    }
    let batch: Batch<'_> = match serde_json::from_str(response) {
        Ok(batch) => batch,
        // Valid JSON of another shape.
        Err(error) if error.is_data() => return Ok(None),
        Err(error) => return Err(error),
    };
    // An array is read as a batch too.
    let Some(replies) = batch.replies.filter(|_| response.trim_start().starts_with('{')) else { return Ok(None) };
    let mut text = String::with_capacity(response.len());
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(replies.len());
    let mut last = None;
    for reply in replies {
        // Most replies are the same as the one before: they can share its text.
        if last != Some(reply.get()) {
            let start = text.len();
            push_unwrapped(&mut text, reply.get());
            ranges.push(start..text.len());
            last = Some(reply.get());
        } else if let Some(range) = ranges.last().cloned() {
            ranges.push(range);
        }
    }
    Ok(Some(BatchReplies { text, ranges }))
}

fn push_unwrapped(text: &mut String, reply: &str) {
    let members = json::as_object(reply);
    let only = members.as_ref().and_then(|members| members.iter().next().filter(|_| members.len() == 1));
    match only {
        Some((name, result)) if name != "error" => {
            let _ = write!(text, r#"{{"result":{result}}}"#);
        }
        _ => text.push_str(reply),
    }
}

/// The errors in a reply; `None` where it is no reply of this form.
pub(super) fn reply_errors(text: &str, command: Option<&Command>) -> Option<Vec<ReplyError>> {
    let reply = json::as_object(text)?;
    let is_reply = ["result", "error"].iter().any(|name| reply.get_last(name).is_some());
    if is_reply { api_key::errors_in(&reply, command) } else { None }
}

/// The reply that a status stands for: in transport error mode errors have a status of their own, and their code and
/// message are the body (since 5.1.0).
pub(super) fn transport_error(response: &HttpResponse) -> Option<(String, ReplyError)> {
    // These say that nothing was accepted, whatever the body says.
    let is_error = matches!(response.status, 400..=599) && !matches!(response.status, 408 | 425 | 429);
    let body = std::str::from_utf8(&response.body).ok().filter(|_| is_error && response.is_json())?;
    json::as_object(body).filter(|error| error.get_last("message").is_some())?;
    let error = api_key::parse_error(body)??;
    // A gateway in front of the server may use the same form for errors of its own.
    let kind = if response.status >= 500 { ErrorKind::OutcomeUnknown } else { error.kind() };
    Some((format!(r#"{{"error":{}}}"#, body.trim()), error.with_kind(kind)))
}

/// Whether the server, or a proxy in front of it, does not have this form of the API: nothing was executed, and the
/// older form may work.
///
/// Centrifugo 2 to 4 respond with 404. Proxies that pass only `/api` respond with a page of their own, and a server
/// whose API is at `/` takes the batch for a command of the older form.
pub(crate) fn is_missing(response: &HttpResponse, is_batch: bool) -> bool {
    match response.status {
        404 => transport_error(response).is_none(),
        403 | 405 => response.is_html(),
        200 => is_batch && is_single_error(response),
        _ => false,
    }
}

/// Whether the response is one error of the older form instead of a list of replies: that of a command without a channel,
/// for which a server whose API is at `/` takes a batch. An error of another kind may be a gateway's that has passed the
/// batch on.
pub(super) fn is_single_error(response: &HttpResponse) -> bool {
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
