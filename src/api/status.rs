//! What a status other than 200 means.

use super::form::Form;
use super::request::HttpRequest;
use super::response::HttpResponse;
use super::{current, legacy, v1};
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::reply;

/// The error of a status other than 200.
pub(super) fn status_error(response: &HttpResponse, request: &HttpRequest<'_>) -> Error {
    let runs_before_400 = request.commands().len() > 1 && !request.form().is_current();
    let kind = status_kind(response.status, runs_before_400, response.proxy.is_some(), response.body.is_empty());
    let message = match response.status {
        300..=399 => redirect(response),
        413 => format!("request of {} bytes is too large (413)", request.body_len()),
        status => with_name(status),
    };
    let proxy = response.proxy.as_deref().filter(|_| !matches!(response.status, 300..=399 | 401 | 413));
    Error::new(kind, message)
        .via_proxy(proxy)
        .with_hint(hint(response, request, kind))
        .with_status(response.status)
        .with_retry_after(response.retry_after.clone())
}

/// What a caller can do after a status other than 200.
fn status_kind(status: u16, runs_before_400: bool, proxy: bool, empty: bool) -> ErrorKind {
    match status {
        408 | 425 | 429 => ErrorKind::SafeToRetry,
        407 if proxy => ErrorKind::SafeToRetry,
        // One with a body comes from a proxy, which may have passed the request on before.
        503 if empty => ErrorKind::SafeToRetry,
        // In the older forms the commands before the invalid one were executed.
        400 if runs_before_400 => ErrorKind::OutcomeUnknown,
        300..500 => ErrorKind::Rejected,
        _ => ErrorKind::OutcomeUnknown,
    }
}

/// The status with its name.
fn with_name(status: u16) -> String {
    let name = status_name(status);
    if name.is_empty() { format!("HTTP status {status}") } else { format!("{name} ({status})") }
}

/// The names of the statuses that users meet.
fn status_name(status: u16) -> &'static str {
    match status {
        400 => "bad request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        407 => "proxy authentication required",
        408 => "request timeout",
        425 => "too early",
        429 => "too many requests",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "",
    }
}

/// A redirect with its target.
fn redirect(response: &HttpResponse) -> String {
    match response.location {
        Some(_) => format!("redirected ({}) to {}", response.status, response.redirect_target()),
        None => format!("redirected ({}) without a Location header", response.status),
    }
}

/// What to do about a status other than 200.
fn hint(response: &HttpResponse, request: &HttpRequest<'_>, kind: ErrorKind) -> String {
    let several = request.commands().len() > 1;
    let common = match response.status {
        400 if response.is_plain_http_to_tls() => "the server requires TLS: use https:// in the address",
        400 if several && !request.form().is_current() => {
            "some commands may have been executed: check before retrying, and check their methods and params"
        }
        status => {
            let commands = request.commands();
            let of_form = match request.form() {
                Form::V1 => v1::status_hint(status, commands),
                Form::Legacy => legacy::status_hint(response, commands),
                form => current::status_hint(status, form != Form::Method, commands),
            };
            return of_form.unwrap_or_else(|| common_hint(response, several, kind).to_owned());
        }
    };
    common.to_owned()
}

/// What to do about a status that means the same in all forms of the API.
fn common_hint(response: &HttpResponse, several: bool, kind: ErrorKind) -> &'static str {
    match response.status {
        300..=399 => "redirects are not followed: set address to the final URL",
        407 if response.proxy.is_some() => "use valid credentials in the proxy URL, http://USER:PASSWORD@HOST:PORT",
        413 if several => "send fewer commands per request",
        413 => "send less data, or raise the limit of the proxy in front of the server",
        408 | 425 | 429 | 503 if kind == ErrorKind::SafeToRetry => "nothing was accepted: try again later",
        _ if kind == ErrorKind::OutcomeUnknown => reply::HINT_CHECK_BEFORE_RETRY,
        _ => "check the address and any proxy in front of the server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_status_to_kind() {
        use ErrorKind::{OutcomeUnknown, Rejected, SafeToRetry};
        for (status, runs_before_400, proxy, empty, kind) in [
            (300, false, false, true, Rejected),
            (301, false, false, true, Rejected),
            (399, true, true, false, Rejected),
            (400, false, false, false, Rejected),
            (400, true, false, false, OutcomeUnknown),
            (401, true, false, true, Rejected),
            (404, false, false, false, Rejected),
            (407, false, false, false, Rejected),
            (407, false, true, false, SafeToRetry),
            (408, true, false, false, SafeToRetry),
            (413, true, false, false, Rejected),
            (425, false, false, false, SafeToRetry),
            (429, false, false, false, SafeToRetry),
            (499, false, false, false, Rejected),
            (500, false, false, true, OutcomeUnknown),
            (502, false, true, true, OutcomeUnknown),
            (503, false, false, true, SafeToRetry),
            (503, false, false, false, OutcomeUnknown),
            (201, false, false, false, OutcomeUnknown),
            (204, false, false, true, OutcomeUnknown),
            (101, false, false, true, OutcomeUnknown),
            (999, false, false, true, OutcomeUnknown),
        ] {
            assert_eq!(
                status_kind(status, runs_before_400, proxy, empty),
                kind,
                "{status} {runs_before_400} {proxy} {empty}"
            );
        }
    }
}
