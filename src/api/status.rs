//! What a status other than 200 means.

use super::form::Form;
use super::request::HttpRequest;
use super::response::HttpResponse;
use super::{current, legacy, method_hints, v1};
use crate::error::Error;
use crate::error_kind::{ErrorKind, HINT_CHECK_BEFORE_RETRY};

/// The error of a status other than 200.
pub(super) fn status_error(response: &HttpResponse, request: &HttpRequest<'_>) -> Error {
    let runs_before_400 = request.commands().len() > 1 && !request.form().is_current();
    let runs_before_400 = runs_before_400 && response.tls_problem().is_none();
    let kind = match response.status {
        403..=405 if response.is_page() => ErrorKind::OutcomeUnknown,
        300..=399 if response.is_redirect() => ErrorKind::OutcomeUnknown,
        _ if response.is_outage() => ErrorKind::SafeToRetry,
        status => status_kind(status, runs_before_400, response.proxy.is_some(), response.body.is_empty()),
    };
    let message = match response.status {
        300..=399 => redirect(response),
        413 => format!("request of {} bytes is too large (413)", request.body_len()),
        status => with_name(status),
    };
    let proxy = response.proxy.as_deref().filter(|_| !matches!(response.status, 300..=399 | 401 | 413));
    // In the older forms the commands before an invalid one were executed, and a method has a path of its own.
    let may_be_divided = match request.form() {
        Form::Batch(_) => true,
        Form::Method => false,
        Form::Legacy | Form::V1 => request.commands().len() == 1,
    };
    let is_batch = may_be_divided && response.is_bad_request();
    // Nothing is executed before the complete body has arrived.
    let is_too_large = response.status == 413 && request.commands().len() > 1;
    let error = Error::new(kind, message)
        .with_proxy(proxy)
        .with_hint(hint(response, request, kind))
        .with_status(response.status)
        .with_retry_after(response.retry_delay())
        .with_whole_batch_rejected(is_batch || is_too_large)
        .with_unknown_method(is_unknown_method(response, request, kind));
    // The same commands, or the same credentials for a proxy, are rejected each time.
    let is_lasting = response.status == 407 || response.status == 400 && runs_before_400;
    if is_lasting { error.not_retryable() } else { error }
}

/// Whether the server rejected a request because of a method that it does not have. The params of methods that this crate
/// knows were checked before.
fn is_unknown_method(response: &HttpResponse, request: &HttpRequest<'_>, kind: ErrorKind) -> bool {
    match request.form() {
        Form::Method => response.status == 404 && kind == ErrorKind::Rejected,
        Form::Batch(_) => false,
        form => response.is_bad_request() && method_hints::may_lack_any(request.commands(), form.version()),
    }
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
        414 => "URI too long",
        425 => "too early",
        426 => "upgrade required",
        429 => "too many requests",
        431 => "request headers too large",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        511 => "network authentication required",
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
    if let Some(hint) = response.tls_problem() {
        return hint.to_owned();
    }
    if let (401, Some(challenge)) = (response.status, &response.www_authenticate) {
        return login_hint(challenge);
    }
    if response.status == 407 && response.proxy.is_some() && !offers_basic(response) {
        return HINT_BASIC.to_owned();
    }
    match response.status {
        403..=405 if response.is_page() => HINT_PAGE_BETWEEN.to_owned(),
        300..=399 if response.is_redirect() => HINT_PAGE_BETWEEN.to_owned(),
        400 if several && !request.form().is_current() => {
            "some commands may have been executed: check before retrying, and check their methods and params".to_owned()
        }
        400 | 401 if response.is_html() => HINT_PAGE.to_owned(),
        status => {
            let commands = request.commands();
            let of_form = match request.form() {
                Form::V1 => v1::status_hint(status, commands),
                Form::Legacy => legacy::status_hint(response, commands),
                form => current::status_hint(status, form != Form::Method, commands),
            };
            let hint = of_form.unwrap_or_else(|| common_hint(response, several, kind).to_owned());
            match request.credential_hint().filter(|_| status == 401) {
                Some(credential_hint) => format!("{hint}; {credential_hint}"),
                None => hint,
            }
        }
    }
}

const HINT_PAGE_BETWEEN: &str = "this is a page of a proxy: the command may have been executed: check before retrying";

/// Centrifugo sends no HTML.
const HINT_PAGE: &str = "the response is a page of a proxy: check the address and the proxy in front of the server";

/// Only this one is supported; a proxy that says nothing may accept it.
fn offers_basic(response: &HttpResponse) -> bool {
    let schemes = || response.proxy_authenticate.iter().filter_map(|offer| offer.split([' ', ',']).next());
    schemes().next().is_none() || schemes().any(|scheme| scheme.eq_ignore_ascii_case("basic"))
}

const HINT_BASIC: &str = "the proxy does not offer Basic authentication, the only one that is supported: use a proxy that \
                          does, or add the host to the hosts without a proxy";

/// What to do where a proxy requires a login; Centrifugo itself names no scheme for one.
fn login_hint(challenge: &str) -> String {
    let scheme = challenge.split([' ', ',']).next().unwrap_or_default();
    format!("a proxy in front of the server requires a login ({scheme}): use an address that does not require one")
}

impl HttpResponse {
    /// What to do about a redirect of everything at this URL.
    pub(crate) fn redirect_hint(&self, url: &str) -> &'static str {
        let target = self.redirect_target();
        let is_login = || {
            ["login", "signin", "sign-in", "/sso", "sso.", "/auth", "oauth"].iter().any(|word| target.contains(word))
        };
        if path_of(&target).strip_suffix('/') == Some(path_of(url)) {
            "a proxy adds a slash: make it pass the path without one"
        } else if url.starts_with("http://") && target.starts_with("https://") && host_of(&target) == host_of(url) {
            "the server requires TLS: use https:// in the address"
        } else if is_login() {
            "a proxy in front of the server requires a login: use an address that does not require one"
        } else {
            "redirects are not followed: use the final URL as the address"
        }
    }
}

/// The path of a URL that may be relative.
fn path_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').map_or("", |slash| &after_scheme[slash..])
}

/// The host of a URL, without its port.
fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// What to do about a status that means the same in all forms of the API.
fn common_hint(response: &HttpResponse, several: bool, kind: ErrorKind) -> &'static str {
    match response.status {
        300..=399 => "redirects are not followed: use the final URL as the address",
        407 if response.proxy.is_some() => "use valid credentials in the proxy URL, http://USER:PASSWORD@HOST:PORT",
        413 if several => "send fewer commands per request",
        413 => "send less data, or raise the limit of the proxy in front of the server",
        414 => "shorten the address or the method",
        431 => "shorten the API key, or raise the limit of the proxy in front of the server",
        408 | 425 | 429 | 503 if kind == ErrorKind::SafeToRetry => "nothing was accepted: try again later",
        _ if kind == ErrorKind::OutcomeUnknown => HINT_CHECK_BEFORE_RETRY,
        _ => "check the address and any proxy in front of the server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_have_hints_by_target() {
        let hint = |location: &str| {
            let response = HttpResponse { location: Some(location.to_owned()), ..HttpResponse::default() };
            response.redirect_hint("http://h:8000/rt/api")
        };
        for (location, expected) in [
            ("http://h:8000/rt/api/", "a proxy adds a slash"),
            ("/rt/api/?x=1", "a proxy adds a slash"),
            ("https://h/rt/api", "the server requires TLS"),
            ("https://h:8443/", "the server requires TLS"),
            ("https://other/rt/api", "redirects are not followed"),
            ("/login?next=/rt/api", "a proxy in front of the server requires a login"),
            ("https://sso.example/x", "a proxy in front of the server requires a login"),
            ("http://h:8000/v2/api", "redirects are not followed"),
            ("", "redirects are not followed"),
        ] {
            assert!(hint(location).starts_with(expected), "{location}: {}", hint(location));
        }
    }

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
