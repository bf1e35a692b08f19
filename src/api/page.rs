//! Who responded: Centrifugo, or a proxy in front of it with a page of its own.
//!
//! A page proves nothing: nginx with `error_page 502 504 =404`, for example, sends a 404 after the command was executed.

use super::response::HttpResponse;
use super::{current, legacy};

impl HttpResponse {
    /// Whether this is the 404 of Go's own router, in front of everything that executes commands: Centrifugo has no such
    /// path (seen on 1.8.0 to 6.9.1, with any key, with a body or without).
    pub(crate) fn is_missing_path(&self) -> bool {
        self.status == 404
            && self.has_type("text/plain")
            && self.is_nosniff
            && self.body.trim_ascii() == b"404 page not found"
    }

    /// Whether Centrifugo responded so to an empty request: it has no body to read (400), or it has no key or a wrong one.
    pub(crate) fn is_from_centrifugo(&self) -> bool {
        match self.status {
            400 => self.body.trim_ascii() == b"Bad Request",
            401 => self.body.is_empty() && self.www_authenticate.is_none(),
            _ => false,
        }
    }

    /// Whether this may be a page of a proxy, so that it does not say whether the commands were executed. Caddy sends an
    /// empty 200 for a path that it does not pass.
    pub(crate) fn is_page(&self) -> bool {
        match self.status {
            // What is wrong with the TLS connection is found before anything is passed on.
            403..=405 => {
                !self.is_missing_path() && current::transport_error(self).is_none() && self.tls_problem().is_none()
            }
            200 => self.body.trim_ascii().is_empty(),
            _ => false,
        }
    }

    /// Whether this is a redirect. It may be a page, too: nginx with `error_page 502 https://…`, for example, sends one after
    /// the command was executed. Centrifugo 1 redirects from the older path itself.
    pub(crate) fn is_redirect(&self) -> bool {
        matches!(self.status, 300..=399) && !legacy::is_centrifugo_1(self)
    }

    /// Whether a proxy says that it passed nothing on: haproxy without a server, Cloudflare without a connection to one.
    pub(super) fn is_outage(&self) -> bool {
        match self.status {
            503 => String::from_utf8_lossy(&self.body).contains("No server is available to handle this request"),
            521 | 523 | 525 | 526 | 530 => {
                self.server.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("cloudflare"))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, content_type: &str, body: &str) -> HttpResponse {
        HttpResponse {
            status,
            content_type: Some(content_type.to_owned()),
            body: body.into(),
            ..HttpResponse::default()
        }
    }

    #[test]
    fn missing_path_is_gos_own_404() {
        let go =
            HttpResponse { is_nosniff: true, ..response(404, "text/plain; charset=utf-8", "404 page not found\n") };
        assert!(go.is_missing_path() && !go.is_page());
        for other in [
            HttpResponse { is_nosniff: false, ..go.clone() },
            HttpResponse { status: 403, ..go.clone() },
            HttpResponse { content_type: Some("text/html".to_owned()), ..go.clone() },
            HttpResponse { content_type: None, ..go.clone() },
            HttpResponse { body: b"404 page not found, sorry\n".to_vec(), ..go },
        ] {
            assert!(!other.is_missing_path() && other.is_page(), "{other:?}");
        }
    }

    #[test]
    fn centrifugo_is_known_by_its_responses_to_nothing() {
        let bad_request = response(400, "text/plain; charset=utf-8", "Bad Request\n");
        let unauthorized = HttpResponse { status: 401, ..HttpResponse::default() };
        assert!(bad_request.is_from_centrifugo() && unauthorized.is_from_centrifugo());
        for other in [
            response(400, "text/html", "<html>"),
            HttpResponse { status: 404, ..bad_request },
            HttpResponse { www_authenticate: Some("Basic".to_owned()), ..unauthorized.clone() },
            HttpResponse { body: b"Unauthorized\n".to_vec(), ..unauthorized.clone() },
            HttpResponse { status: 200, ..unauthorized },
        ] {
            assert!(!other.is_from_centrifugo(), "{other:?}");
        }
    }

    #[test]
    fn api_errors_are_no_pages() {
        let json = |code: u16| response(404, "application/json", &format!(r#"{{"code":{code},"message":"x"}}"#));
        assert!(!json(102).is_page() && !json(399).is_page() && !json(600).is_page());
        // A gateway's.
        assert!(json(400).is_page() && json(404).is_page() && json(599).is_page());
        for (status, body, is_page) in [
            (402, "", false),
            (403, "", true),
            (405, "", true),
            (406, "", false),
            (200, "", true),
            (200, " \n", true),
            (200, "{}", false),
            (204, "", false),
        ] {
            assert_eq!(response(status, "text/html", body).is_page(), is_page, "{status} {body}");
        }
    }

    #[test]
    fn centrifugo_1_redirects_from_the_older_path() {
        let moved = |status, location: &str| {
            let location = Some(location.to_owned());
            HttpResponse { status, location, ..HttpResponse::default() }
        };
        for status in [300, 301, 304, 307, 308, 399] {
            assert!(moved(status, "https://status.example.org/").is_redirect(), "{status}");
        }
        assert!([301, 307, 308].iter().all(|&status| !moved(status, "/api/").is_redirect()));
        assert!(moved(302, "/api/").is_redirect() && moved(301, "http://h/api/").is_redirect());
        assert!(!moved(299, "/").is_redirect() && !moved(400, "/").is_redirect());
    }

    #[test]
    fn outage_pages_are_known() {
        let haproxy = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n";
        assert!(response(503, "text/html", haproxy).is_outage() && !response(500, "text/html", haproxy).is_outage());
        assert!(!response(503, "text/html", "<html>").is_outage());
        let from = |server: Option<&str>, status| {
            let server = server.map(str::to_owned);
            HttpResponse { server, ..response(status, "text/html", "<html>") }.is_outage()
        };
        let statuses = |server| (520..=530).filter(|&status| from(server, status)).collect::<Vec<u16>>();
        assert_eq!(statuses(Some("Cloudflare")), [521, 523, 525, 526, 530]);
        assert_eq!((statuses(Some("nginx")), statuses(None)), (vec![], vec![]));
    }
}
