//! What both forms of the API with an API key share: the header that authorizes a request, and errors in replies.

use crate::command::Command;
use crate::error_kind::{ErrorKind, HINT_CHECK_BEFORE_RETRY, HINT_ENABLE, HINT_NAMESPACE};
use crate::json::{self, RawObject};
use crate::methods;
use crate::reply::ReplyError;
use crate::server::secret::SecretString;

/// The header that authorizes a request. It works from 2.8.6 to 6.9.1; X-API-Key only since 5.0.0.
pub(super) fn auth_header(api_key: &SecretString) -> (&'static str, SecretString) {
    ("Authorization", SecretString::new(format!("apikey {}", api_key.expose())))
}

/// The errors in a reply with these members; `None` where they are not understood. `has_responses` is whether a broadcast
/// has a response for each channel: since Centrifugo 3.
pub(super) fn errors_in(reply: &RawObject<'_>, command: &Command, has_responses: bool) -> Option<Vec<ReplyError>> {
    if let Some(error) = reply.get_last("error").map_or(Some(None), parse_error)? {
        return Some(vec![error]);
    }
    if !command.is_broadcast() {
        return Some(Vec::new());
    }
    let responses = reply.get_last("result").and_then(json::as_object).and_then(|result| result.get_last("responses"));
    match responses {
        Some(responses) => channel_errors(responses, command),
        None => (!has_responses).then(Vec::new),
    }
}

/// Parses an error object: `None` where it is not one, `Some(None)` where it is null.
#[expect(clippy::option_option, reason = "not an error object, no error, an error")]
pub(super) fn parse_error(error: &str) -> Option<Option<ReplyError>> {
    if error == "null" {
        return Some(None);
    }
    let object = json::as_object(error)?;
    let code = object.get_last("code")?.parse().ok()?;
    let message = object.get_last("message").and_then(json::as_string).unwrap_or_default().into_owned();
    let is_temporary = object.get_last("temporary") == Some("true");
    Some(Some(reply_error(code, message, is_temporary)))
}

/// An error is a code and a text; texts change from version to version. Servers since 6.10 mark some errors as temporary;
/// those do not rule out that the command was executed.
fn reply_error(code: u64, message: String, is_temporary: bool) -> ReplyError {
    let (kind, hint) = match code {
        100 | 111 => (ErrorKind::OutcomeUnknown, HINT_CHECK_BEFORE_RETRY),
        _ if is_temporary => (ErrorKind::OutcomeUnknown, HINT_CHECK_BEFORE_RETRY),
        102 => (ErrorKind::Rejected, HINT_NAMESPACE),
        104 => (ErrorKind::Rejected, "this server or edition does not support the method"),
        107 => (ErrorKind::Rejected, "check the params for wrong types and missing keys"),
        108 => (ErrorKind::Rejected, HINT_ENABLE),
        112 => (
            ErrorKind::Rejected,
            r#"omit "since": the history no longer reaches back to that position, or has another epoch"#,
        ),
        _ => (ErrorKind::Rejected, "retrying will not help"),
    };
    ReplyError::new(kind, Some(code), message, hint)
}

/// The errors in the responses of a broadcast, one for each of its channels, in their order; `None` where they are not
/// understood.
fn channel_errors(responses: &str, broadcast: &Command) -> Option<Vec<ReplyError>> {
    let channels = methods::broadcast_channels(broadcast.params());
    let responses = json::first_elements(responses, channels.len()).ok()?;
    if responses.count != channels.len() {
        return None;
    }
    let mut errors = Vec::new();
    for (response, channel) in responses.first.into_iter().zip(channels) {
        if let Some(error) = json::as_object(response.get())?.get_last("error").map_or(Some(None), parse_error)? {
            errors.push(error.with_channel(channel.to_owned()));
        }
    }
    Some(errors)
}

pub(crate) const HINT_SECRET: &str = "this is Centrifugo 1: use a secret instead of an API key";

/// What to do about a status that means the same in both forms.
pub(super) fn status_hint(status: u16) -> Option<&'static str> {
    match status {
        401 => Some(
            "wrong API key, or the server has none: the key must equal http_api.key in the server's \
             config (before Centrifugo 6: api_key there)",
        ),
        404 => Some(
            "check the path and port of the address: the API may be at another path, on an internal port, or disabled",
        ),
        _ => None,
    }
}
