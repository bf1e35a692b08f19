//! The API of Centrifugo 1: signed arrays of commands to `/api/`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::body::Body;
use super::method_hints;
use crate::command::Command;
use crate::error_kind::{ErrorKind, HINT_CHECK_BEFORE_RETRY, HINT_ENABLE, HINT_NAMESPACE};
use crate::json::{self, Elements};
use crate::methods::ApiVersion;
use crate::reply::ReplyError;
use crate::server::address::Address;
use crate::server::secret::SecretString;

/// How much is hashed at once, unless a single chunk is larger.
const MAX_JOINED_BYTES: usize = 16 * 1024;

pub(super) fn url(address: &Address) -> String {
    format!("{address}/api/")
}

pub(super) fn encode(commands: &[Command]) -> Body {
    Body::from_commands(commands, "[", ",", "]")
}

/// The header that authorizes a request.
pub(super) fn auth_header<'a>(
    secret: &SecretString,
    body: impl Iterator<Item = &'a str>,
) -> (&'static str, SecretString) {
    ("X-API-Sign", SecretString::new(signature(secret.expose(), body)))
}

/// Lower-case hex of the HMAC-SHA256 of the body, keyed with the secret's UTF-8 bytes; upper case is 401 (seen on 1.8.0).
fn signature<'a>(secret: &str, body: impl Iterator<Item = &'a str>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    // Hashing many small chunks takes longer than joining them before.
    let mut joined = Vec::with_capacity(MAX_JOINED_BYTES);
    for chunk in body.map(str::as_bytes) {
        if joined.len() + chunk.len() > MAX_JOINED_BYTES {
            mac.update(&joined);
            joined.clear();
        }
        if chunk.len() > MAX_JOINED_BYTES { mac.update(chunk) } else { joined.extend_from_slice(chunk) }
    }
    mac.update(&joined);
    hex::encode(mac.finalize().into_bytes())
}

/// Splits a response into the texts of its replies, up to so many.
pub(super) fn split_replies(response: &str, limit: usize) -> serde_json::Result<Elements<'_>> {
    json::first_elements(response, limit)
}

/// The errors in a reply; `None` where it is no reply of this form.
pub(super) fn reply_errors(text: &str) -> Option<Vec<ReplyError>> {
    match json::as_object(text)?.get_last("error")? {
        "null" => Some(Vec::new()),
        error => json::as_string(error).map(|message| vec![reply_error(message.into_owned())]),
    }
}

/// An error is a text; only these three come before anything was executed (libcentrifugo of 1.8.0).
fn reply_error(message: String) -> ReplyError {
    let (kind, hint) = match message.as_str() {
        "invalid message" => (ErrorKind::Rejected, "check the params"),
        "namespace not found" => (ErrorKind::Rejected, HINT_NAMESPACE),
        "not available" => (ErrorKind::Rejected, HINT_ENABLE),
        _ => (ErrorKind::OutcomeUnknown, HINT_CHECK_BEFORE_RETRY),
    };
    ReplyError::new(kind, None, message, hint)
}

/// What to do about a status of this form of the API.
pub(super) fn status_hint(status: u16, commands: &[Command]) -> Option<String> {
    let hint = match status {
        400 => {
            let unknown = method_hints::unknown_method(commands, ApiVersion::V1);
            let since = method_hints::limited_method(commands, ApiVersion::V1)
                .map(|since| format!("; {since}"))
                .unwrap_or_default();
            return Some(unknown.unwrap_or_else(|| {
                format!("check the types of the params{since}; a server without a secret responds the same way")
            }));
        }
        401 => "wrong secret: copy it from the server's config",
        404 => {
            "for Centrifugo 2 or later, use an API key instead of a secret; otherwise check the path and port of the \
             address"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_does_not_depend_on_chunks() {
        let text: String = ('a'..='z').cycle().take(5 * MAX_JOINED_BYTES).collect();
        let whole = signature("secret", [text.as_str()].into_iter());
        for sizes in [&[1][..], &[63, 65], &[MAX_JOINED_BYTES], &[10, MAX_JOINED_BYTES + 1, 0, MAX_JOINED_BYTES - 1]] {
            let (mut rest, mut chunks) = (text.as_str(), Vec::new());
            for size in sizes.iter().cycle() {
                let (chunk, other) = rest.split_at(rest.len().min(*size));
                chunks.push(chunk);
                rest = other;
                if rest.is_empty() {
                    break;
                }
            }
            assert_eq!(signature("secret", chunks.into_iter()), whole, "{sizes:?}");
        }
    }

    // RFC 4231, test case 2.
    #[test]
    fn signature_matches_rfc4231() {
        assert_eq!(
            signature("Jefe", ["what do ya want ", "for nothing?"].into_iter()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
