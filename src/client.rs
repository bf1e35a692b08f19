//! The client: where request, transport and reply meet.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use crate::command::Command;
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};
use crate::proxy::Proxy;
use crate::reply::Reply;
use crate::request::{self, HttpRequest};
use crate::transport::{HttpResponse, Transport};

/// How long one try may take unless [`Client::with_timeout`] says otherwise: 5 s.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one server. It opens no connection before the first request, and keeps it for the next ones.
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
/// A stream of commands goes in batches over the same connection; after a failure its kind tells whether the batch may
/// be sent again:
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
    endpoint: Endpoint,
    timeout: Duration,
    transport: Transport,
    queue: Vec<Command>,
}

impl Client {
    /// A client of Centrifugo 1, which signs its requests with the project's secret.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`Address::parse`] and [`Endpoint::with_secret`].
    pub fn new(address: &str, secret: &str) -> Result<Self, Error> {
        Ok(Self::to(Endpoint::with_secret(Address::parse(address)?, secret)?))
    }

    /// A client of Centrifugo 2 to 6, whose requests carry the API key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`Address::parse`] and [`Endpoint::with_api_key`].
    pub fn with_api_key(address: &str, api_key: &str) -> Result<Self, Error> {
        Ok(Self::to(Endpoint::with_api_key(Address::parse(address)?, api_key)?))
    }

    /// A client of this endpoint.
    pub fn to(endpoint: Endpoint) -> Self {
        let transport = Transport::new(endpoint.address(), None);
        Self { endpoint, timeout: DEFAULT_TIMEOUT, transport, queue: Vec::new() }
    }

    /// Sets how long one try may take, from name lookup to the last byte. Default: [`DEFAULT_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the proxy to go through. Default: none; the environment is not looked at.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        let transport = Transport::new(self.endpoint.address(), Some(proxy));
        Self { transport, ..self }
    }

    /// Queues a command for [`send`](Self::send).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an empty method and params that do not become a JSON object.
    pub fn add(&mut self, method: &str, params: &impl Serialize) -> Result<(), Error> {
        self.queue.push(command(method, params)?);
        Ok(())
    }

    /// Sends the queued commands in one request; the queue is empty afterwards, whatever comes of it.
    ///
    /// The replies stand in the order of the commands. Errors in them are no error of this function: see
    /// [`Reply::errors`].
    ///
    /// # Errors
    /// As [`send_commands`](Self::send_commands).
    pub fn send(&mut self) -> Result<Vec<Reply>, Error> {
        let commands = std::mem::take(&mut self.queue);
        self.send_commands(&commands)
    }

    /// Sends these commands in one request and leaves queued ones alone.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`]: see [`request`](Self::request);
    /// - [`ErrorKind::Refused`], [`ErrorKind::NotAccepted`], [`ErrorKind::Unknown`]: see [`exchange`](Self::exchange) and
    ///   [`HttpResponse::into_replies`].
    pub fn send_commands(&mut self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        let request = HttpRequest::new(&self.endpoint, commands)?;
        self.exchange(&request)?.into_replies(&request)
    }

    /// The URL that requests go to.
    pub fn url(&self) -> String {
        request::url(&self.endpoint)
    }

    /// Writes the request that would send these commands.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`HttpRequest::new`].
    pub fn request<'a>(&self, commands: impl Into<Cow<'a, [Command]>>) -> Result<HttpRequest<'a>, Error> {
        HttpRequest::new(&self.endpoint, commands)
    }

    /// Sends a request once and brings back the answer, whatever it says.
    ///
    /// # Errors
    /// - [`ErrorKind::NotAccepted`]: no byte of the request was sent: name lookup, connect, TLS, proxy, time limit;
    /// - [`ErrorKind::Unknown`]: the connection was lost or the time over after that, or the answer is no HTTP or longer
    ///   than [`MAX_ANSWER_BYTES`](crate::MAX_ANSWER_BYTES).
    pub fn exchange(&mut self, request: &HttpRequest<'_>) -> Result<HttpResponse, Error> {
        self.transport.post(request, self.timeout)
    }
}

/// One command each, sent at once; what they give back is the reply's [data](Reply::data) as JSON text. Queued commands
/// are left alone.
///
/// # Errors
/// All of them as [`Client::send_commands`]; an error in the reply is an error here too.
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
impl Client {
    /// Publishes data into a channel.
    pub fn publish(&mut self, channel: &str, data: &impl Serialize) -> Result<String, Error> {
        self.call("publish", &Publish { channel, data })
    }

    /// Publishes the same data into several channels.
    pub fn broadcast(&mut self, channels: &[&str], data: &impl Serialize) -> Result<String, Error> {
        self.call("broadcast", &Broadcast { channels, data })
    }

    /// Unsubscribes a user from a channel.
    pub fn unsubscribe(&mut self, user: &str, channel: &str) -> Result<String, Error> {
        self.call("unsubscribe", &Membership { user, channel })
    }

    /// Closes a user's connections.
    pub fn disconnect(&mut self, user: &str) -> Result<String, Error> {
        self.call("disconnect", &User { user })
    }

    /// Who is in a channel.
    pub fn presence(&mut self, channel: &str) -> Result<String, Error> {
        self.call("presence", &Channel { channel })
    }

    /// The messages that a channel keeps. Centrifugo 3 and later give none without a limit: see
    /// [`history_with_limit`](Self::history_with_limit).
    pub fn history(&mut self, channel: &str) -> Result<String, Error> {
        self.call("history", &Channel { channel })
    }

    /// The active channels: a list of names, from Centrifugo 3 on a map from name to `{"num_clients": …}`.
    pub fn channels(&mut self) -> Result<String, Error> {
        self.call("channels", &Nothing {})
    }

    /// All nodes and their counters. Centrifugo 1 only.
    pub fn stats(&mut self) -> Result<String, Error> {
        self.call("stats", &Nothing {})
    }

    /// The node that answers, and its counters. Centrifugo 1 only.
    pub fn node(&mut self) -> Result<String, Error> {
        self.call("node", &Nothing {})
    }

    /// How many clients and users are in a channel. Centrifugo 2 and later.
    pub fn presence_stats(&mut self, channel: &str) -> Result<String, Error> {
        self.call("presence_stats", &Channel { channel })
    }

    /// The messages that a channel keeps, the oldest first: at most `limit` of them, all with -1. Centrifugo 3 and
    /// later; earlier versions give all of them whatever the limit.
    pub fn history_with_limit(&mut self, channel: &str, limit: i64) -> Result<String, Error> {
        self.call("history", &History { channel, limit })
    }

    /// Forgets the messages of a channel. Centrifugo 2 and later.
    pub fn history_remove(&mut self, channel: &str) -> Result<String, Error> {
        self.call("history_remove", &Channel { channel })
    }

    /// All nodes and their counters. Centrifugo 2 and later.
    pub fn info(&mut self) -> Result<String, Error> {
        self.call("info", &Nothing {})
    }

    /// Subscribes a user's connections to a channel. Centrifugo 3 and later.
    pub fn subscribe(&mut self, user: &str, channel: &str) -> Result<String, Error> {
        self.call("subscribe", &Membership { user, channel })
    }

    /// Refreshes a user's connections. Centrifugo 3 and later.
    pub fn refresh(&mut self, user: &str) -> Result<String, Error> {
        self.call("refresh", &User { user })
    }

    fn call(&mut self, method: &str, params: &impl Serialize) -> Result<String, Error> {
        let commands = [command(method, params)?];
        let replies = self.send_commands(&commands)?;
        // One command has one reply: anything else was an error already.
        let reply = replies.first().map_or("null", Reply::data).to_owned();
        match replies
            .first()
            .and_then(|reply| reply.errors().iter().max_by_key(|error| error.kind() == ErrorKind::Unknown))
        {
            None => Ok(reply),
            Some(error) => {
                Err(Error::new(error.kind(), format!("{method}: {error}")).of(self.url()).with_replies(replies))
            }
        }
    }
}

fn command(method: &str, params: &impl Serialize) -> Result<Command, Error> {
    let params = serde_json::to_string(params).map_err(|error| {
        Error::invalid("the params do not become JSON").hint("use maps with text keys").with_source(error)
    })?;
    Command::new(method, params)
}

#[derive(Serialize)]
struct Publish<'a, T> {
    channel: &'a str,
    data: &'a T,
}

#[derive(Serialize)]
struct Broadcast<'a, T> {
    channels: &'a [&'a str],
    data: &'a T,
}

#[derive(Serialize)]
struct Membership<'a> {
    user: &'a str,
    channel: &'a str,
}

#[derive(Serialize)]
struct User<'a> {
    user: &'a str,
}

#[derive(Serialize)]
struct Channel<'a> {
    channel: &'a str,
}

#[derive(Serialize)]
struct History<'a> {
    channel: &'a str,
    limit: i64,
}

#[derive(Serialize)]
struct Nothing {}
