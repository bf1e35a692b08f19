//! Connections to one server, kept for the next request.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Version};

use super::attempt::{Attempt, Progress};
use super::connector::ServerConnector;
use super::errors;
use super::keep_alive;
use super::resolver::DnsResolver;
use super::route::Route;
use super::settings::Settings;
use super::socket::MAX_HEAD_BYTES;
use crate::api::{HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};
use crate::connection::ConnectionInfo;
use crate::error::Error;
use crate::server::address::Address;
use crate::server::proxy::Proxy;

/// How much memory is reserved for a response before any of it has arrived.
const MAX_PREALLOC_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Transport {
    agent: Agent,
    settings: Settings,
    route: Route,
    attempt: Arc<Attempt>,
}

impl Transport {
    /// Opens no connection yet.
    pub(crate) fn new(address: &Address, settings: Settings) -> Self {
        let idle_limit = settings.max_idle.unwrap_or(keep_alive::MAX_IDLE);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected POST loses its body.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_age(idle_limit)
            // The default reads the environment.
            .proxy(None)
            .max_response_header_size(MAX_HEAD_BYTES)
            .accept("")
            .accept_encoding("")
            .build();
        let (route, attempt) = (Route::new(address, settings.proxy.clone()), Arc::new(Attempt::new(idle_limit)));
        let resolver = DnsResolver::new(address, &route, &attempt);
        let agent = Agent::with_parts(config, ServerConnector::new(address, &settings, &route, &attempt), resolver);
        Self { agent, settings, route, attempt }
    }

    /// A transport with other settings. Opens no connection yet.
    pub(crate) fn with(self, address: &Address, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings;
        change(&mut settings);
        Self::new(address, settings)
    }

    /// Lets the next request take a new connection.
    pub(crate) fn drop_connection(&mut self) {
        self.attempt.state().max_idle = Duration::ZERO;
    }

    /// What the last connection observed.
    pub(crate) fn connection(&self) -> ConnectionInfo {
        self.attempt.state().connection.clone()
    }

    /// Sends a request, once, and reads the complete response before the timeout, which counts from `start`.
    ///
    /// Takes `&mut self`: the state of the attempt is shared with the connection, so only one request is in flight.
    pub(crate) fn post(
        &mut self,
        request: &HttpRequest<'_>,
        start: Instant,
        timeout: Duration,
    ) -> Result<HttpResponse, Error> {
        self.attempt.start(start, timeout);
        self.exchange(request).map_err(|error| self.classify(error, timeout).with_subject(request.url()))
    }

    fn exchange(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, ureq::Error> {
        let mut post = self.agent.post(request.url());
        for (name, value) in &request.plain_headers {
            post = post.header(*name, value);
        }
        if let Some((name, value)) = &request.auth_header {
            post = post.header(*name, value.expose());
        }
        if let Route::Forward(Proxy { authorization: Some(authorization), .. }) = &self.route {
            post = post.header("Proxy-Authorization", authorization.expose());
        }
        let response = post.send(ureq::SendBody::from_reader(&mut BodyReader::new(request)))?;
        // It belongs to HTTP/1.1; ureq would return the chunks as they are.
        if response.version() == Version::HTTP_10 && response.headers().contains_key("transfer-encoding") {
            return Err(ureq_proto::Error::HttpParseFail("chunks in HTTP/1.0".to_owned()).into());
        }
        // Servers of Centrifugo 2 to 4 respond to the current form of the API with a 404, and the older form follows on the
        // same connection. After other statuses, servers and proxies often close it, and a request written while the close
        // is in transit would have an unknown outcome.
        let is_reusable = matches!(response.status().as_u16(), 200 | 404);
        let headers = response.headers();
        let keep_alive = headers.get_all("keep-alive").iter().filter_map(|value| value.to_str().ok());
        let mut state = self.attempt.state();
        state.max_idle = if is_reusable { keep_alive::max_idle(keep_alive, state.idle_limit) } else { Duration::ZERO };
        drop(state);
        let is_early = self.attempt.state().has_write_failed;
        let mut result = HttpResponse {
            status: response.status().as_u16(),
            proxy: match &self.route {
                Route::Forward(proxy) => Some(proxy.name()),
                Route::Direct | Route::Tunnel(_) => None,
            },
            is_early,
            ..HttpResponse::default()
        };
        set_headers(&mut result, headers);
        result.body = read_body(response.into_body())?;
        if let Some((_, value)) = &request.auth_header {
            result.hide_credential(value.expose());
        }
        Ok(result)
    }

    /// Classifies a failure. What decides is whether any byte of the request was handed to the connection.
    fn classify(&self, error: ureq::Error, timeout: Duration) -> Error {
        let error = errors::unwrap_io(error);
        let proxy = self.route.proxy().map(Proxy::name);
        let proxy = proxy.as_deref();
        // The error has no source: its message says what this one says.
        if self.attempt.state().progress == Progress::Connecting {
            errors::unsent_error(&error, timeout, proxy, &self.attempt)
        } else {
            errors::sent_error(&error, timeout, &self.attempt).with_proxy(proxy)
        }
    }
}

/// The first value of each header, in one pass: a search by name parses the name each time.
fn set_headers(response: &mut HttpResponse, headers: &HeaderMap) {
    for (name, value) in headers {
        let header = match name.as_str() {
            "content-type" => &mut response.content_type,
            "location" => &mut response.location,
            "retry-after" => &mut response.retry_after,
            "date" => &mut response.date,
            "content-encoding" => &mut response.content_encoding,
            "www-authenticate" => &mut response.www_authenticate,
            "server" => &mut response.server,
            "proxy-authenticate" => {
                response.proxy_authenticate.push(header_text(value));
                continue;
            }
            "x-content-type-options" => {
                response.is_nosniff |= value.as_bytes().eq_ignore_ascii_case(b"nosniff");
                continue;
            }
            _ => continue,
        };
        header.get_or_insert_with(|| header_text(value));
    }
}

fn header_text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Reads a body to its end, for error statuses too: otherwise the connection cannot be used again.
fn read_body(body: ureq::Body) -> Result<Vec<u8>, ureq::Error> {
    let announced = body.content_length().and_then(|length| usize::try_from(length).ok());
    // A server may announce more than it sends.
    let mut bytes = Vec::with_capacity(announced.unwrap_or_default().min(MAX_PREALLOC_BYTES));
    body.into_with_config().limit(MAX_RESPONSE_BYTES).reader().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the chunks of a request's body.
struct BodyReader<'a> {
    chunks: Box<dyn Iterator<Item = &'a str> + 'a>,
    current: &'a [u8],
}

impl<'a> BodyReader<'a> {
    fn new(request: &'a HttpRequest<'_>) -> Self {
        Self { chunks: Box::new(request.body()), current: &[] }
    }
}

impl Read for BodyReader<'_> {
    /// Fills the buffer as far as there is anything left, so that many small chunks leave in one write.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.current.is_empty() {
                match self.chunks.next() {
                    Some(chunk) => self.current = chunk.as_bytes(),
                    None => break,
                }
            }
            filled += self.current.read(&mut buffer[filled..])?;
        }
        Ok(filled)
    }
}
