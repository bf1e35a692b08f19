//! One server: sends requests to it, finds out which form of the API it has, and splits a batch that it rejects.

mod discovery;
mod halving;
mod questions;

use std::fmt;
use std::time::{Duration, Instant};

use crate::api::{HttpRequest, HttpResponse, RequestBuilder};
use crate::command::Command;
use crate::connection::{ApiForm, ConnectionInfo};
use crate::error::Error;
use crate::http::{Settings, Transport};
use crate::reply::Reply;
use crate::retry::Repeat;

/// How long one attempt may take by default: 5 s, or 10 s with a `disconnect`, for which Centrifugo 5 waits 5.0 s if the
/// client does not respond. [`Client::with_timeout`](crate::Client::with_timeout) changes it.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client does with a request, for a log; see [`Client::with_log`](crate::Client::with_log).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// What an attempt may take at most, whatever the timeout.
    time_limit: Duration,
    transport: Transport,
    /// When the attempt began: finding out the form of the API takes its time, too.
    attempt_start: Instant,
    /// In which form the server has said that it recognizes idempotency keys, if that was its last answer.
    keys_form: Option<ApiForm>,
    /// Whether a server has answered commands.
    has_answered: bool,
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
        let transport = Transport::new(requests.endpoint().address(), Settings::default());
        Self {
            requests,
            timeout: None,
            time_limit: Duration::MAX,
            transport,
            attempt_start: Instant::now(),
            keys_form: None,
            has_answered: false,
            log: None,
        }
    }

    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    pub(crate) fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    pub(crate) fn with_settings(self, change: impl FnOnce(&mut Settings)) -> Self {
        let transport = self.transport.with(self.requests.endpoint().address(), change);
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
        ConnectionInfo { api_form: self.requests.server_form().get(), ..self.transport.connection() }
    }

    /// Lets the next request take a new connection.
    pub(crate) fn drop_connection(&mut self) {
        self.transport.drop_connection();
    }

    pub(crate) fn send_within(
        &mut self,
        request: &mut HttpRequest<'_>,
        time_limit: Duration,
    ) -> Result<Vec<Reply>, Error> {
        self.time_limit = time_limit;
        let result = self.send(request);
        self.time_limit = Duration::MAX;
        result
    }

    /// Sends a request, in the form of the API that the server has.
    pub(crate) fn send(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        if !request.is_for(self.requests.shared_endpoint()) {
            return Err(Error::invalid("the request was built for another server or credential")
                .with_hint("send it with the client that built it"));
        }
        self.attempt_start = Instant::now();
        let result = self.negotiate(request);
        self.has_answered |= result.is_ok();
        let result = match result {
            Err(error) if request.repeat() == Repeat::Reads => Err(error.into_read_only()),
            result => request.judge(result),
        };
        result.map_err(|error| error.with_command_count(request.commands().len()))
    }

    /// Sends a request once.
    fn exchange(&mut self, request: &HttpRequest<'_>) -> Result<HttpResponse, Error> {
        let log = |event: Event<'_>| self.log.iter().for_each(|log| log(&event));
        log(Event::Request { url: request.url(), body_bytes: request.body_len() });
        let (start, timeout) = (Instant::now(), self.timeout.unwrap_or_else(|| default_timeout(request.commands())));
        let result = self.transport.post(request, self.attempt_start, timeout.min(self.time_limit));
        let elapsed = start.elapsed();
        log(match &result {
            Ok(response) => Event::Response { status: response.status, body_bytes: response.body.len(), elapsed },
            Err(_) => Event::NoResponse { elapsed },
        });
        result
    }
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
