//! One server: sends requests to it, and finds out which form of the API it has.
//!
//! With an API key, the form of Centrifugo 5 and later comes first. Where a server, or a proxy in front of it, does not
//! have it, nothing was executed, and the older form is used from then on.

use std::fmt;
use std::time::{Duration, Instant};

use crate::api::{Form, HINT_SECRET, HttpRequest, HttpResponse, Known, Probe, RequestBuilder, is_missing};
use crate::command::Command;
use crate::connection::{ApiForm, ConnectionInfo};
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::http::Transport;
use crate::proxy::Proxy;
use crate::reply::Reply;

/// How long one attempt may take by default: 5 s, or 10 s with a `disconnect`, for which Centrifugo 5 waits 5.0 s if the
/// client does not respond. [`Client::with_timeout`](crate::Client::with_timeout) changes it.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client does with a request, for a log; see [`Client::with_log`](crate::Client::with_log).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A request is about to be sent.
    #[non_exhaustive]
    Request {
        /// Where to.
        url: &'a str,
        /// The size of its body.
        body_bytes: u64,
    },
    /// Its response is complete.
    #[non_exhaustive]
    Response {
        /// The HTTP status.
        status: u16,
        /// The size of its body.
        body_bytes: usize,
        /// Since the request.
        elapsed: Duration,
    },
    /// There was no response, or not all of it.
    #[non_exhaustive]
    NoResponse {
        /// Since the request.
        elapsed: Duration,
    },
}

type Log = Box<dyn Fn(&Event<'_>) + Send>;

pub(crate) struct Session {
    requests: RequestBuilder,
    timeout: Option<Duration>,
    transport: Transport,
    /// When the attempt began: finding out the form of the API takes its time, too.
    attempt_start: Instant,
    log: Option<Log>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("requests", &self.requests)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(requests: RequestBuilder) -> Self {
        let transport = Transport::new(requests.endpoint().address(), None);
        Self { requests, timeout: None, transport, attempt_start: Instant::now(), log: None }
    }

    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    pub(crate) fn with_proxy(self, proxy: Proxy) -> Self {
        let transport = Transport::new(self.requests.endpoint().address(), Some(proxy));
        Self { transport, ..self }
    }

    pub(crate) fn with_log(self, log: Log) -> Self {
        Self { log: Some(log), ..self }
    }

    pub(crate) fn requests(&self) -> &RequestBuilder {
        &self.requests
    }

    /// What the last connection observed.
    pub(crate) fn connection(&self) -> ConnectionInfo {
        let api_form = match self.requests.server_form().get() {
            Known::Nothing => None,
            Known::Current => Some(ApiForm::Current),
            Known::LegacyOnly => Some(ApiForm::Legacy),
        };
        ConnectionInfo { api_form, ..self.transport.connection() }
    }

    /// Sends a request, in the form of the API that the server has.
    pub(crate) fn send(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        if !request.is_for(self.requests.shared_endpoint()) {
            return Err(Error::invalid("the request was built for another server or credential")
                .with_hint("send it with the client that built it"));
        }
        self.attempt_start = Instant::now();
        match self.negotiate(request) {
            Err(error) if request.is_read_only() => Err(error.of_read_only_request()),
            result => request.judge(result),
        }
    }

    /// Sends a request in the form that is known, or finds out which one.
    fn negotiate(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        let known = self.requests.server_form().get();
        if known == Known::LegacyOnly && request.form().is_current() {
            return self.send_legacy(request);
        }
        let response = self.exchange(request)?;
        if known == Known::Nothing && request.form().is_current() {
            self.read_first(request, response)
        } else {
            self.read(request, response)
        }
    }

    /// Reads a response that may show that the server does not have the current form of the API.
    fn read_first(&mut self, request: &mut HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        if is_missing(&response, request.form() != Form::Method) {
            return self.fall_back(request, response);
        }
        if response.is_bad_request() && self.is_confirmed(Probe::Centrifugo1) {
            return response.into_replies(request).map_err(|error| error.with_hint(HINT_SECRET));
        }
        let result = self.read(request, response);
        if let Ok(replies) = &result {
            if is_misunderstood(request, replies) && self.is_confirmed(Probe::RootPath) {
                self.requests.server_form().set(Known::LegacyOnly);
                return self.send_legacy(request);
            }
            self.requests.server_form().set(Known::Current);
        }
        result
    }

    fn read(&mut self, request: &HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        let is_invalid_batch = response.is_bad_request() && matches!(request.form(), Form::Batch(_));
        match response.into_replies(request) {
            Err(error) if is_invalid_batch => Err(self.find_invalid(request, error)),
            result => result,
        }
    }

    /// Sends the commands in the older form, after a response which shows that nothing was executed.
    fn fall_back(&mut self, request: &mut HttpRequest<'_>, response: HttpResponse) -> Result<Vec<Reply>, Error> {
        if request.form().is_unordered() && response.status != 200 {
            let is_older_server = self.is_confirmed(Probe::LegacyApi);
            let result = response.into_replies(request);
            return result.map_err(|error| if is_older_server { error.with_hint(HINT_UNORDERED) } else { error });
        }
        let is_method = request.form() == Form::Method;
        let result = self.send_legacy(request);
        // A later server has the current form too, but not every method.
        if result.as_ref().is_ok_and(|replies| !(is_method && error_code(replies) == Some(104))) {
            self.requests.server_form().set(Known::LegacyOnly);
        }
        let is_missing_too = result.as_ref().is_err_and(|error| error.status() == Some(404));
        // The method may be unknown, and not the API missing.
        if is_method && is_missing_too && self.is_confirmed(Probe::CurrentApi) {
            request.reencode(Form::Method);
            return response.into_replies(request);
        }
        result
    }

    fn send_legacy(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        if request.form().is_unordered() {
            let error = Error::new(ErrorKind::Rejected, "the server has no /api/batch");
            return Err(error.with_subject(request.url()).with_hint(HINT_UNORDERED));
        }
        request.reencode(Form::Legacy);
        self.exchange(request)?.into_replies(request)
    }

    /// Finds the first invalid command of a batch that was rejected as a whole, by halving it. The commands before it are
    /// executed on the way.
    fn find_invalid(&mut self, request: &HttpRequest<'_>, error: Error) -> Error {
        let (mut start, mut end) = (0, request.commands().len());
        let mut replies = Vec::new();
        while end - start > 1 {
            let middle = start + (end - start) / 2;
            let part = request.part(start, middle);
            self.attempt_start = Instant::now();
            let result = match self.exchange(&part) {
                Ok(response) if response.is_bad_request() => {
                    end = middle;
                    continue;
                }
                Ok(response) => response.into_replies(&part),
                Err(error) => Err(error),
            };
            match result {
                Ok(more) => {
                    self.requests.server_form().set(Known::Current);
                    replies.extend(more);
                }
                Err(error) => return error.with_answered(replies),
            }
            start = middle;
        }
        let method = request.commands().get(start).map_or("", Command::method);
        error.with_invalid_command(start, method).with_answered(replies)
    }

    fn is_confirmed(&mut self, probe: Probe) -> bool {
        let request = probe.request(self.requests.shared_endpoint());
        self.exchange(&request).is_ok_and(|response| probe.is_confirmed_by(&response))
    }

    /// Sends a request once.
    fn exchange(&mut self, request: &HttpRequest<'_>) -> Result<HttpResponse, Error> {
        let log = |event: Event<'_>| self.log.iter().for_each(|log| log(&event));
        log(Event::Request { url: request.url(), body_bytes: request.body_len() });
        let (start, timeout) = (Instant::now(), self.timeout.unwrap_or_else(|| default_timeout(request.commands())));
        let result = self.transport.post(request, self.attempt_start, timeout);
        let elapsed = start.elapsed();
        log(match &result {
            Ok(response) => Event::Response { status: response.status, body_bytes: response.body.len(), elapsed },
            Err(_) => Event::NoResponse { elapsed },
        });
        result
    }
}

const HINT_UNORDERED: &str = "concurrent batches need Centrifugo 5.2 or later: send them in order";

/// Whether the only command failed as it would on a server whose API is at `/`.
fn is_misunderstood(request: &HttpRequest<'_>, replies: &[Reply]) -> bool {
    request.form() == Form::Method && error_code(replies) == Some(107)
}

/// The code of the first reply's error.
fn error_code(replies: &[Reply]) -> Option<u64> {
    replies.first()?.errors().first()?.code()
}

fn default_timeout(commands: &[Command]) -> Duration {
    let has_disconnect = commands.iter().any(|command| command.canonical_name() == "disconnect");
    if has_disconnect { DISCONNECT_TIMEOUT } else { DEFAULT_TIMEOUT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disconnect_has_more_time() {
        let timeout = |methods: &[&str]| {
            let commands: Vec<_> = methods.iter().map(|method| Command::new(method, "{}").unwrap()).collect();
            default_timeout(&commands)
        };
        assert_eq!(timeout(&["publish"]), Duration::from_secs(5));
        assert_eq!(timeout(&["publish", "disconnect"]), Duration::from_secs(10));
        assert_eq!(timeout(&["DISCONNECT"]), Duration::from_secs(10));
    }
}
