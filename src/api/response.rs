//! A response as it arrived.

use std::time::Duration;

use memchr::memmem;

/// Maximum response size, in bytes: 64 MiB.
pub const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// A raw HTTP response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) www_authenticate: Option<String>,
    /// What each header of a proxy offers.
    pub(crate) proxy_authenticate: Vec<String>,
    /// Whether it has `X-Content-Type-Options: nosniff`.
    pub(crate) is_nosniff: bool,
    pub(crate) server: Option<String>,
    /// The proxy that the request was handed to; what comes through a tunnel is the server's own.
    pub(crate) proxy: Option<String>,
    /// Whether it arrived before the request was fully sent.
    pub(crate) is_early: bool,
    pub(crate) body: Vec<u8>,
}

/// In the response to plain HTTP on a TLS port: Go's (seen on 1.8.0 and 6.9.1), nginx's and Apache's.
const PLAIN_HTTP_TO_TLS: [&str; 3] = [
    "HTTP request to an HTTPS server",
    "HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server",
];

/// In the response to a client without a certificate: nginx's.
const NO_CLIENT_CERTIFICATE: &str = "No required SSL certificate was sent";

/// In the response to a client whose certificate is not trusted: nginx's.
const BAD_CLIENT_CERTIFICATE: &str = "The SSL certificate error";

/// In the response of an Apache that requires a certificate for some paths only.
const LATE_CLIENT_CERTIFICATE: &str = "Cannot perform Post-Handshake Authentication";

impl HttpResponse {
    /// Hides what a server may repeat of the request: its texts are printed. That is the header or, if it is too long to be
    /// a word of any text, the key alone.
    pub(crate) fn hide_credential(&mut self, header: &str) {
        const MIN_KEY_BYTES: usize = 16;
        self.hide(header);
        if let Some(key) = header.strip_prefix("apikey ").filter(|key| key.len() >= MIN_KEY_BYTES) {
            self.hide(key);
        }
    }

    fn hide(&mut self, credential: &str) {
        const HIDDEN: &str = "[hidden]";
        // Other text is not JSON, so that nothing of it is printed.
        if memmem::find(&self.body, credential.as_bytes()).is_some()
            && let Ok(text) = std::str::from_utf8(&self.body)
        {
            self.body = text.replace(credential, HIDDEN).into_bytes();
        }
        if let Some(location) = self.location.as_mut().filter(|location| location.contains(credential)) {
            *location = location.replace(credential, HIDDEN);
        }
    }

    /// Whether a batch was rejected as a whole, or a request by Centrifugo 1; not by a proxy, or by a TLS port.
    pub(crate) fn is_bad_request(&self) -> bool {
        self.status == 400 && !self.is_json() && !self.is_html() && self.tls_problem().is_none()
    }

    /// What to do where a server, or a proxy in front of it, rejected the connection rather than the request.
    pub(super) fn tls_problem(&self) -> Option<&'static str> {
        // A server could repeat a part of the request in plain text.
        if !self.is_html() && self.content_type.is_some() {
            return None;
        }
        let body = String::from_utf8_lossy(&self.body);
        let has_any = |texts: &[&str]| texts.iter().any(|text| body.contains(text));
        match self.status {
            400 if has_any(&PLAIN_HTTP_TO_TLS) => Some("the server requires TLS: use https:// in the address"),
            400 if has_any(&[NO_CLIENT_CERTIFICATE]) => Some(
                "the server requires a client certificate: configure a client certificate, or use an address that does not \
                 require one",
            ),
            400 if has_any(&[BAD_CLIENT_CERTIFICATE]) => Some(
                "the server rejected the client certificate: use a valid certificate of a CA that the server trusts for \
                 clients",
            ),
            403 if has_any(&[LATE_CLIENT_CERTIFICATE]) => Some(
                "the server requires a client certificate for some paths only, which is not supported: make it require \
                 one for all",
            ),
            _ => None,
        }
    }

    /// Its `Retry-After`, in both forms (RFC 9110, section 10.2.3). The server's clock need not be right: a date counts from
    /// the server's own.
    pub(super) fn retry_delay(&self) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // A number that overflows is too long a delay in any case.
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        let (date, now) =
            (httpdate::parse_http_date(text).ok()?, httpdate::parse_http_date(self.date.as_deref()?).ok()?);
        Some(date.duration_since(now).unwrap_or_default())
    }

    /// How the body is compressed, though that was not requested: what is not JSON can have any form.
    pub(super) fn compression(&self) -> Option<&str> {
        let header = self.content_encoding.as_deref().filter(|coding| !coding.eq_ignore_ascii_case("identity"));
        match self.body.as_slice() {
            [] | [b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n', ..] => None,
            [0x1f, 0x8b, ..] => Some("gzip"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
            _ => header,
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.has_type("application/json")
    }

    pub(super) fn is_html(&self) -> bool {
        self.has_type("text/html")
    }

    pub(super) fn has_type(&self, name: &str) -> bool {
        let sent = self.content_type.as_deref().unwrap_or_default();
        sent.split(';').next().is_some_and(|sent| sent.trim().eq_ignore_ascii_case(name))
    }

    /// The URL of a redirect without credentials and query, which can hold anything; empty where there is none.
    pub(super) fn redirect_target(&self) -> String {
        let location = self.location.as_deref().unwrap_or_default();
        let url = location.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = url.split_once("//").map_or(("", url), |(scheme, rest)| (scheme, rest));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) if url.contains("//") => format!("{scheme}//{host}{path}"),
            Some((_, host)) => format!("{host}{path}"),
            None => url.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_redirects_are_left_out() {
        for (location, target) in [
            ("https://user:marked@h/x?token=marked", "https://h/x"),
            ("//user:marked@h/x", "//h/x"),
            ("//user:ma@rked@h", "//h"),
            ("user:marked@h/x#marked", "h/x"),
            ("/@user/x", "/@user/x"),
            ("https://h/@user//x@y", "https://h/@user//x@y"),
        ] {
            let response = HttpResponse { location: Some(location.to_owned()), ..Default::default() };
            assert_eq!(response.redirect_target(), target);
        }
    }

    #[test]
    fn repeated_credential_is_hidden() {
        let body = br#"{"error": "apikey marked apikey marked \xff"}"#.to_vec();
        let location = Some("/apikey marked/".to_owned());
        let mut response = HttpResponse { location, body, ..Default::default() };
        response.hide_credential("apikey marked");
        assert_eq!(response.body, br#"{"error": "[hidden] [hidden] \xff"}"#);
        assert_eq!(response.location.as_deref(), Some("/[hidden]/"));
        // A shorter key may be a word of any text.
        for (key, body) in [("marked", "the marked key"), ("marked-and-longer", "the [hidden] key")] {
            let text = format!("the {key} key").into_bytes();
            let mut response = HttpResponse { body: text, ..Default::default() };
            response.hide_credential(&format!("apikey {key}"));
            assert_eq!(response.body, body.as_bytes());
        }
    }

    #[test]
    fn retry_after_is_seconds_or_date() {
        let delay = |text: &str, date: Option<&str>| {
            let (retry_after, date) = (Some(text.to_owned()), date.map(str::to_owned));
            HttpResponse { retry_after, date, ..Default::default() }.retry_delay().map(|delay| delay.as_secs())
        };
        let noon = Some("Thu, 02 Jan 2020 12:00:00 GMT");
        for (text, expected) in [
            ("0", Some(0)),
            (" 60 ", Some(60)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Thu, 02 Jan 2020 12:00:07 GMT", Some(7)),
            ("Thu, 02 Jan 2020 11:00:00 GMT", Some(0)),
            ("Thu, 02 Jan 2020 13:00:00 GMT", Some(3600)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("5 s", None),
        ] {
            assert_eq!(delay(text, noon), expected, "{text}");
        }
        let date = "Thu, 02 Jan 2020 13:00:00 GMT";
        assert_eq!((delay(date, None), delay(date, Some("now")), delay("7", None)), (None, None, Some(7)));
    }

    #[test]
    fn compression_is_header_or_magic_number() {
        let compression = |header: Option<&str>, body: &[u8]| {
            let response =
                HttpResponse { content_encoding: header.map(str::to_owned), body: body.to_vec(), ..Default::default() };
            response.compression().map(str::to_owned)
        };
        assert_eq!(compression(None, b"\x1f\x8b\x08").as_deref(), Some("gzip"));
        assert_eq!(compression(None, b"\x28\xb5\x2f\xfd").as_deref(), Some("zstd"));
        assert_eq!(compression(Some("br"), b"\x0b\x02").as_deref(), Some("br"));
        for (header, body) in
            [(None, &b"<html>"[..]), (Some("gzip"), b"{}"), (Some("gzip"), b""), (Some("identity"), b"x")]
        {
            assert_eq!(compression(header, body), None, "{header:?} {body:?}");
        }
    }

    #[test]
    fn bad_request_of_proxy_is_not_servers() {
        let is_bad_request = |content_type: Option<&str>, body: &str| {
            let content_type = content_type.map(str::to_owned);
            HttpResponse { status: 400, content_type, body: body.into(), ..Default::default() }.is_bad_request()
        };
        assert!(is_bad_request(Some("text/plain; charset=utf-8"), "Bad Request\n"));
        assert!(is_bad_request(None, ""));
        assert!(!is_bad_request(Some("text/html"), "<html>"));
        assert!(!is_bad_request(Some("application/json"), "{}"));
        assert!(!is_bad_request(None, "Client sent an HTTP request to an HTTPS server.\n"));
    }
}
