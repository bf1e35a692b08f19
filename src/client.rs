//! The client: builds requests, sends them and parses their replies.

use std::time::Duration;

use serde::Serialize;

use crate::address::Address;
use crate::api::{HttpRequest, RequestBuilder};
use crate::command::Command;
use crate::connection::ConnectionInfo;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::idempotency::IdempotencySupport;
use crate::proxy::Proxy;
use crate::reply::Reply;
use crate::session::{Event, Session};

/// A client of one server. It connects with the first request, and keeps the connection for the next ones.
///
/// ```no_run
/// let mut client = cent::Client::new("http://localhost:8000", "secret")?;
/// client.publish("news", &serde_json::json!({"title": "World Cup 2018"}))?;
///
/// client.add("publish", &serde_json::json!({"channel": "news", "data": 1}))?;
/// client.add("history", &serde_json::json!({"channel": "news"}))?;
/// for reply in client.send()? {
///     println!("{}", reply.text());
/// }
/// # Ok::<(), cent::Error>(())
/// ```
///
/// A stream of commands goes in batches over the same connection; the kind of a failure says whether the batch can be
/// sent again:
///
/// ```no_run
/// use cent::{Client, Command};
///
/// let commands: Vec<Command> = (0..100_000)
///     .map(|number| Command::new("publish", format!(r#"{{"channel": "news", "data": {number}}}"#)))
///     .collect::<Result<_, _>>()?;
/// let mut client = Client::new("http://localhost:8000", "secret")?;
/// for batch in commands.chunks(100) {
///     client.send_commands(batch)?;
/// }
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    session: Session,
    queue: Vec<Command>,
}

impl Client {
    /// A client of Centrifugo 1, which signs its requests with the project's secret.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`Address::parse`] and [`Endpoint::with_secret`].
    pub fn new(address: &str, secret: &str) -> Result<Self, Error> {
        Ok(Self::from_endpoint(Endpoint::with_secret(Address::parse(address)?, secret)?))
    }

    /// A client of Centrifugo 2 to 6, whose requests carry the API key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`Address::parse`] and [`Endpoint::with_api_key`].
    pub fn with_api_key(address: &str, api_key: &str) -> Result<Self, Error> {
        Ok(Self::from_endpoint(Endpoint::with_api_key(Address::parse(address)?, api_key)?))
    }

    /// A client of this endpoint.
    pub fn from_endpoint(endpoint: Endpoint) -> Self {
        Self { session: Session::new(RequestBuilder::new(endpoint)), queue: Vec::new() }
    }

    /// Sets the time limit of one attempt, from name lookup to the last byte. Default:
    /// [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT).
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { session: self.session.with_timeout(timeout), ..self }
    }

    /// Sets the proxy to use. Default: none; environment variables are not read.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        Self { session: self.session.with_proxy(proxy), ..self }
    }

    /// Sets a function that is called before each HTTP request and after its response. It gets no credentials.
    #[must_use]
    pub fn with_log(self, log: impl Fn(&Event<'_>) + Send + 'static) -> Self {
        Self { session: self.session.with_log(Box::new(log)), ..self }
    }

    /// Queues a command for [`send`](Self::send).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an empty method, and for params that do not serialize to a JSON object.
    pub fn add(&mut self, method: &str, params: &impl Serialize) -> Result<(), Error> {
        self.queue.push(command(method, params)?);
        Ok(())
    }

    /// Sends the queued commands in one request and empties the queue, even on failure.
    ///
    /// Replies are in the order of the commands. Errors in them are no error of this function: see [`Reply::errors`].
    ///
    /// # Errors
    /// As [`send_commands`](Self::send_commands).
    pub fn send(&mut self) -> Result<Vec<Reply>, Error> {
        let commands = std::mem::take(&mut self.queue);
        self.send_commands(&commands)
    }

    /// Sends these commands in one request. The queue is not touched.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`RequestBuilder::batch`]; others: see [`send_request`](Self::send_request).
    pub fn send_commands(&mut self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        let mut request = self.session.requests().request(commands)?;
        self.send_request(&mut request)
    }

    /// What is known of the way to the server, after a request that succeeded or failed. It makes no request itself.
    ///
    /// ```no_run
    /// let mut client = cent::Client::with_api_key("https://localhost:8000", "key-of-the-server")?;
    /// let result = client.info();
    /// if let (Err(error), Some(peer)) = (result, client.connection().peer) {
    ///     println!("connected to {peer}, but {error}");
    /// }
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn connection(&self) -> ConnectionInfo {
        self.session.connection()
    }

    /// Builds requests for this client's server.
    pub fn requests(&self) -> &RequestBuilder {
        self.session.requests()
    }

    /// Sends a request and returns the replies, in the order of its commands.
    ///
    /// The first request to a server with an API key finds out which form of the API it has: where it has the older form
    /// only (Centrifugo 2 to 4), the request is changed to it and sent again; nothing was executed before.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`]: the request was built for another server or credential;
    /// - [`ErrorKind::Rejected`]: redirects, and statuses from 400 to 499 except those named elsewhere. Where a batch was
    ///   rejected because of one command, [`Error::command_index`] is that command, and those before it were executed:
    ///   see [`Error::answered`];
    /// - [`ErrorKind::SafeToRetry`]: nothing was sent: name lookup, connect, TLS or proxy failed, or timed out; or 408,
    ///   425, 429, 407 of a proxy, 503 without a body;
    /// - [`ErrorKind::OutcomeUnknown`]: the connection was lost or timed out after that; other statuses; 400 for several
    ///   commands in the older forms of the API; a response that cannot be parsed, exceeds
    ///   [`MAX_RESPONSE_BYTES`](crate::MAX_RESPONSE_BYTES) or arrived before the request was fully sent; and the wrong
    ///   number of replies, which come with the [error](Error::replies).
    ///
    /// After an attempt whose outcome is unknown, further attempts with the same request have that kind too, until one
    /// succeeds: nobody knows what the first one did. Another attempt executes nothing twice if each command has an
    /// [idempotency key](Command::with_idempotency_key) and the server [recognizes keys](Self::idempotency_support).
    pub fn send_request(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        self.session.send(request)
    }

    /// Asks the server, with `info`, whether it recognizes idempotency keys.
    ///
    /// It cannot tell whether the server's broker keeps them: NATS does not.
    ///
    /// ```no_run
    /// use std::time::{Duration, Instant};
    ///
    /// use cent::{Client, Command, ErrorKind, IdempotencyKey, IdempotencySupport, REPEAT_LIMIT};
    ///
    /// let mut client = Client::with_api_key("http://localhost:8000", "key-of-the-server")?;
    /// let command = Command::new("publish", r#"{"channel": "news", "data": 1}"#)?;
    /// let mut request = client.requests().request(vec![command.with_idempotency_key(IdempotencyKey::random()?)])?;
    /// let first_attempt = Instant::now();
    /// let replies = loop {
    ///     match client.send_request(&mut request) {
    ///         Err(error) if error.is_repeatable() && first_attempt.elapsed() < REPEAT_LIMIT => {
    ///             std::thread::sleep(Duration::from_secs(1));
    ///             let is_harmless = error.kind() == ErrorKind::SafeToRetry
    ///                 || client.idempotency_support()? == IdempotencySupport::Supported;
    ///             if !is_harmless {
    ///                 break Err(error);
    ///             }
    ///         }
    ///         result => break result,
    ///     }
    /// }?;
    /// # Ok::<(), cent::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a server with a secret, which has no `info`; others as for
    /// [`send_request`](Self::send_request), and an error in the reply.
    pub fn idempotency_support(&mut self) -> Result<IdempotencySupport, Error> {
        if self.requests().endpoint().is_signed() {
            return Err(Error::invalid("idempotency keys require an API key and Centrifugo 5.2 or later"));
        }
        IdempotencySupport::from_info(&self.info()?)
    }
}

/// Convenience methods: each sends one command immediately and returns the reply's [data](Reply::data) as JSON text. The
/// queue is not touched.
///
/// # Errors
/// Same as [`Client::send_commands`]; an error in the reply is also returned as an error.
#[allow(clippy::missing_errors_doc, reason = "documented once, above")]
impl Client {
    /// Publishes data to a channel.
    pub fn publish(&mut self, channel: &str, data: &impl Serialize) -> Result<String, Error> {
        self.call("publish", &PublishParams { channel, data })
    }

    /// Publishes the same data to several channels.
    pub fn broadcast(&mut self, channels: &[&str], data: &impl Serialize) -> Result<String, Error> {
        self.call("broadcast", &BroadcastParams { channels, data })
    }

    /// Unsubscribes a user from a channel.
    pub fn unsubscribe(&mut self, user: &str, channel: &str) -> Result<String, Error> {
        self.call("unsubscribe", &UserChannelParams { user, channel })
    }

    /// Closes a user's connections.
    pub fn disconnect(&mut self, user: &str) -> Result<String, Error> {
        self.call("disconnect", &UserParams { user })
    }

    /// Returns the clients present in a channel.
    pub fn presence(&mut self, channel: &str) -> Result<String, Error> {
        self.call("presence", &ChannelParams { channel })
    }

    /// Returns a channel's history. Centrifugo 3 and later return no messages without a limit: see
    /// [`history_with_limit`](Self::history_with_limit).
    pub fn history(&mut self, channel: &str) -> Result<String, Error> {
        self.call("history", &ChannelParams { channel })
    }

    /// Returns the active channels: an array of names, or since Centrifugo 3 an object mapping names to
    /// `{"num_clients": …}`.
    pub fn channels(&mut self) -> Result<String, Error> {
        self.call("channels", &NoParams {})
    }

    /// Returns metrics of all nodes. Centrifugo 1 only.
    pub fn stats(&mut self) -> Result<String, Error> {
        self.call("stats", &NoParams {})
    }

    /// Returns metrics of the responding node. Centrifugo 1 only.
    pub fn node(&mut self) -> Result<String, Error> {
        self.call("node", &NoParams {})
    }

    /// Returns the number of clients and users in a channel. Centrifugo 2 and later.
    pub fn presence_stats(&mut self, channel: &str) -> Result<String, Error> {
        self.call("presence_stats", &ChannelParams { channel })
    }

    /// Returns up to `limit` messages of a channel's history, oldest first; -1 returns all. Centrifugo 3 and later;
    /// earlier versions ignore the limit.
    pub fn history_with_limit(&mut self, channel: &str, limit: i64) -> Result<String, Error> {
        self.call("history", &HistoryParams { channel, limit })
    }

    /// Deletes a channel's history. Centrifugo 2 and later.
    pub fn history_remove(&mut self, channel: &str) -> Result<String, Error> {
        self.call("history_remove", &ChannelParams { channel })
    }

    /// Returns metrics of all nodes. Centrifugo 2 and later.
    pub fn info(&mut self) -> Result<String, Error> {
        self.call("info", &NoParams {})
    }

    /// Subscribes a user's connections to a channel. Centrifugo 3 and later.
    pub fn subscribe(&mut self, user: &str, channel: &str) -> Result<String, Error> {
        self.call("subscribe", &UserChannelParams { user, channel })
    }

    /// Refreshes a user's connections. Centrifugo 3 and later.
    pub fn refresh(&mut self, user: &str) -> Result<String, Error> {
        self.call("refresh", &UserParams { user })
    }

    fn call(&mut self, method: &str, params: &impl Serialize) -> Result<String, Error> {
        let commands = [command(method, params)?];
        let mut request = self.session.requests().request(&commands)?;
        let replies = self.send_request(&mut request)?;
        // One command has one reply; any other number was an error.
        let reply = replies.first().map_or("null", Reply::data).to_owned();
        match replies
            .first()
            .and_then(|reply| reply.errors().iter().max_by_key(|error| error.kind() == ErrorKind::OutcomeUnknown))
        {
            None => Ok(reply),
            Some(error) => Err(Error::new(error.kind(), format!("{method}: {error}"))
                .with_subject(request.url())
                .with_replies(replies)),
        }
    }
}

fn command(method: &str, params: &impl Serialize) -> Result<Command, Error> {
    let params = serde_json::to_string(params).map_err(|error| {
        Error::invalid("params cannot be serialized as JSON").with_hint("map keys must be strings").with_source(error)
    })?;
    Command::new(method, params)
}

#[derive(Serialize)]
struct PublishParams<'a, T> {
    channel: &'a str,
    data: &'a T,
}

#[derive(Serialize)]
struct BroadcastParams<'a, T> {
    channels: &'a [&'a str],
    data: &'a T,
}

#[derive(Serialize)]
struct UserChannelParams<'a> {
    user: &'a str,
    channel: &'a str,
}

#[derive(Serialize)]
struct UserParams<'a> {
    user: &'a str,
}

#[derive(Serialize)]
struct ChannelParams<'a> {
    channel: &'a str,
}

#[derive(Serialize)]
struct HistoryParams<'a> {
    channel: &'a str,
    limit: i64,
}

#[derive(Serialize)]
struct NoParams {}
