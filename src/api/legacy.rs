//! The API of Centrifugo 2 to 6 at `/api`: one command per line, with an API key.

use serde_json::value::RawValue;

use super::api_key;
use super::body::Body;
use super::method_hints;
use super::response::HttpResponse;
use crate::command::Command;
use crate::json::{self, Elements};
use crate::methods::ApiVersion;
use crate::reply::ReplyError;
use crate::server::address::Address;

pub(super) fn url(address: &Address) -> String {
    // With a slash at the end it is 404 (seen on 2.8.6 to 6.9.1).
    format!("{address}/api")
}

pub(super) fn encode(commands: &[Command]) -> Body {
    Body::from_commands(commands, "", "\n", "")
}

/// Splits a response into the texts of its replies, up to so many.
pub(super) fn split_replies(response: &str, limit: usize) -> serde_json::Result<Elements<'_>> {
    if let Some(elements) = json::equal_elements(response.trim_ascii_end(), '\n', limit) {
        return Ok(elements);
    }
    let mut replies = serde_json::Deserializer::from_str(response).into_iter();
    let first = replies.by_ref().take(limit).collect::<serde_json::Result<Vec<&RawValue>>>()?;
    let surplus = replies.try_fold(0, |count, reply| reply.map(|_| count + 1))?;
    Ok(Elements { count: first.len() + surplus, first })
}

/// The errors in a reply; `None` where it is no reply of this form.
pub(super) fn reply_errors(text: &str, command: &Command) -> Option<Vec<ReplyError>> {
    let reply = json::as_object(text)?;
    let is_reply = reply.is_empty() || ["id", "result", "error"].iter().any(|name| reply.get_last(name).is_some());
    if is_reply { api_key::errors_in(&reply, command, false) } else { None }
}

/// What to do about a status of this form of the API.
pub(super) fn status_hint(response: &HttpResponse, commands: &[Command]) -> Option<String> {
    match response.status {
        _ if is_centrifugo_1(response) => Some(api_key::HINT_SECRET.to_owned()),
        400 => method_hints::unknown_method(commands, ApiVersion::V2).or_else(|| {
            let since = method_hints::limited_method(commands, ApiVersion::V2);
            let since =
                since.as_deref().unwrap_or("this server version may not support the method or this nesting depth");
            Some(format!("check the params; {since}"))
        }),
        status => api_key::status_hint(status).map(str::to_owned),
    }
}

/// Whether the response is the redirect of Centrifugo 1 from `/api` to `/api/`: relative and without a body (seen on
/// 1.8.0). Proxies that add a slash redirect with a page, or to a complete URL.
pub(super) fn is_centrifugo_1(response: &HttpResponse) -> bool {
    let location = response.location.as_deref().unwrap_or_default();
    matches!(response.status, 301 | 307 | 308)
        && response.body.is_empty()
        && location.starts_with('/')
        && location.ends_with("/api/")
}
