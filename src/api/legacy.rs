//! The API of Centrifugo 2 to 6 at `/api`: one command per line, with an API key.

use serde_json::value::RawValue;

use super::body::Body;
use super::response::HttpResponse;
use crate::address::Address;
use crate::command::Command;
use crate::error_kind::ErrorKind;
use crate::json;
use crate::methods::{self, ApiVersion};
use crate::reply::{self, ReplyError};
use crate::secret::SecretString;

pub(super) fn url(address: &Address) -> String {
    // With a slash at the end it is 404 (seen on 2.8.6 to 6.9.1).
    format!("{address}/api")
}

pub(super) fn encode(commands: &[Command]) -> Body {
    Body::of_commands(commands, "", "\n", "")
}

/// The header that authorizes a request.
pub(super) fn auth_header(api_key: &SecretString) -> (&'static str, SecretString) {
    ("Authorization", SecretString::new(format!("apikey {}", api_key.expose())))
}

/// Splits a response into the texts of its replies.
pub(super) fn split_replies(response: &str) -> serde_json::Result<Vec<&RawValue>> {
    serde_json::Deserializer::from_str(response).into_iter::<&RawValue>().collect()
}

/// The errors in a reply; `None` where it is no reply of this form.
pub(super) fn reply_errors(text: &str, command: Option<&Command>) -> Option<Vec<ReplyError>> {
    let reply = json::as_object(text)?;
    let is_reply = reply.is_empty() || ["id", "result", "error"].iter().any(|name| reply.get_last(name).is_some());
    let error = reply.get_last("error").map_or(Some(None), parse_error).filter(|_| is_reply)?;
    match error {
        Some(error) => Some(vec![error]),
        None => channel_errors(reply.get_last("result"), command),
    }
}

/// Parses an error object: `None` where it is not one, `Some(None)` where it is null.
#[expect(clippy::option_option, reason = "not an error object, no error, an error")]
fn parse_error(error: &str) -> Option<Option<ReplyError>> {
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
        100 | 111 => (ErrorKind::OutcomeUnknown, reply::HINT_CHECK_BEFORE_RETRY),
        _ if is_temporary => (ErrorKind::OutcomeUnknown, reply::HINT_CHECK_BEFORE_RETRY),
        102 => (ErrorKind::Rejected, reply::HINT_NAMESPACE),
        104 => (ErrorKind::Rejected, "this server or edition does not support the method"),
        107 => (ErrorKind::Rejected, "check the params for wrong types and missing keys"),
        108 => (ErrorKind::Rejected, reply::HINT_ENABLE),
        112 => (ErrorKind::Rejected, r#"omit "since": the history no longer reaches back to that position"#),
        _ => (ErrorKind::Rejected, "retrying will not help"),
    };
    ReplyError::new(kind, Some(code), message, hint)
}

/// The errors inside a broadcast's result, in the order of its channels; `None` where they are not understood.
fn channel_errors(result: Option<&str>, command: Option<&Command>) -> Option<Vec<ReplyError>> {
    let broadcast = command.filter(|command| methods::is_broadcast(command.method()));
    let (Some(result), Some(broadcast)) = (result.and_then(json::as_object), broadcast) else {
        return Some(Vec::new());
    };
    let Some(responses) = result.get_last("responses") else { return Some(Vec::new()) };
    let channels = methods::broadcast_channels(broadcast.params());
    let mut errors = Vec::new();
    for (index, response) in json::as_array(responses)?.into_iter().enumerate() {
        if let Some(error) = json::as_object(response)?.get_last("error").map_or(Some(None), parse_error)? {
            let channel = channels.get(index).map_or_else(|| (index + 1).to_string(), |&name| name.to_owned());
            errors.push(error.with_channel(channel));
        }
    }
    Some(errors)
}

/// What to do about a status of this form of the API.
pub(super) fn status_hint(response: &HttpResponse, commands: &[Command]) -> Option<String> {
    let hint = match response.status {
        // Centrifugo 1 redirects /api to /api/ (seen on 1.8.0).
        301 | 307 | 308 if response.redirect_target().ends_with("/api/") => {
            "this is Centrifugo 1: set secret instead of api_key"
        }
        400 => {
            return Some(
                methods::unknown_method_hint(commands.iter().map(Command::method), ApiVersion::V2).unwrap_or_else(
                    || {
                        "check the params; this server version may not support the method or this nesting depth"
                            .to_owned()
                    },
                ),
            );
        }
        401 => "wrong API key, or none configured on the server: copy api_key from the server's config",
        404 => {
            "check the path and port of the address: the API may be at another path, on an internal port, or disabled"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
