//! The client: builds requests, sends them and parses their replies.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::{HttpRequest, RequestBuilder};
use crate::command::Command;
use crate::command::idempotency::IdempotencySupport;
use crate::command::optional_params::{
    DisconnectOptions, MapPublishOptions, MapRemoveOptions, MapStateOptions, MapStreamOptions, RefreshOptions,
    SharedPollPublishOptions, SubscribeOptions, UnsubscribeOptions,
};
use crate::command::options::{HistoryOptions, PublishOptions};
use crate::connection::ConnectionInfo;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::http::Settings;
use crate::reply::Reply;
use crate::results::decode::unexpected;
use crate::results::{Broadcast, ChannelInfo, ClientInfo, History, MapEntries, MapStats, PresenceStats, Published};
use crate::server::address::Address;
use crate::server::certificates::{CaCertificates, ClientCertificate};
use crate::server::endpoint::Endpoint;
use crate::server::proxy::Proxy;
use crate::session::{Event, Session};

/// A client of one server. It connects with the first request, and keeps the connection for the next ones.
///
/// Commands can be queued, and sent in one request:
///
/// ```
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// let mut client = cent::Client::with_api_key("http://localhost:8000", "key-of-the-server")?;
/// # let mut client = doctest::connected(client);
/// client.add("publish", &serde_json::json!({"channel": "news", "data": 1}))?;
/// client.add("history", &serde_json::json!({"channel": "news"}))?;
/// for reply in client.send()? {
///     println!("{}", reply.text());
/// }
/// # Ok::<(), cent::Error>(())
/// ```
///
/// A stream of commands goes in batches over the same connection:
///
/// ```
/// use cent::{Client, Command};
///
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// let commands = (0..1_000).map(|number| Command::publish("news", &number)).collect::<Result<Vec<_>, _>>()?;
/// let mut client = Client::with_api_key("http://localhost:8000", "key-of-the-server")?;
/// # let mut client = doctest::connected(client);
/// for batch in commands.chunks(100) {
///     client.send_commands(batch)?;
/// }
/// # assert_eq!(client.history("news")?.publications.len(), 1_000);
/// # Ok::<(), cent::Error>(())
/// ```
///
/// # Threads
/// A client sends one request at a time, and a new one costs little: it connects when it sends. Give each thread its own,
/// made of a clone of the [`Endpoint`]. Do not share one in a mutex: while the server hangs, each caller waits for the time
/// limits of all callers before it.
///
/// Where threads come and go, a pool keeps the clients and their connections:
///
/// ```
/// use std::sync::{Mutex, PoisonError};
/// use std::thread;
///
/// use cent::{Client, Endpoint};
///
/// struct Pool {
///     endpoint: Endpoint,
///     idle: Mutex<Vec<Client>>,
/// }
///
/// impl Pool {
///     fn call<T>(&self, call: impl FnOnce(&mut Client) -> T) -> T {
///         let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
///         let idle_client = idle().pop();
///         let mut client = idle_client.unwrap_or_else(|| Client::from_endpoint(self.endpoint.clone()));
///         let result = call(&mut client);
///         idle().push(client);
///         result
///     }
/// }
///
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// let endpoint = Endpoint::with_api_key("http://localhost:8000".parse()?, "key-of-the-server")?;
/// # let endpoint = doctest::endpoint();
/// let pool = Pool { endpoint, idle: Mutex::default() };
/// thread::scope(|scope| {
///     for number in 0..4 {
///         let pool = &pool;
///         scope.spawn(move || pool.call(|client| client.publish("news", &number)));
///     }
/// });
/// # assert_eq!(pool.call(|client| client.history("news"))?.publications.len(), 4);
/// # Ok::<(), cent::Error>(())
/// ```
///
/// # Async code
/// With [tokio](https://docs.rs/tokio), call a client in `spawn_blocking`, and take it from such a pool:
///
/// ```
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let mut client = cent::Client::with_api_key("http://localhost:8000", "key-of-the-server")?;
/// # let mut client = doctest::connected(client);
/// let task = tokio::task::spawn_blocking(move || client.publish("news", &1));
/// let published = task.await??;
/// # assert_eq!(published.position.map(|position| position.offset), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A library that is async itself is [the official SDK](crate#the-official-sdk).
#[derive(Debug)]
pub struct Client {
    session: Session,
    queue: Vec<Command>,
}

impl Client {
    /// A client of Centrifugo 1, which signs its requests with the project's secret. For later versions, use
    /// [`with_api_key`](Self::with_api_key).
    ///
    /// ```
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// let mut client = cent::Client::new("http://localhost:8000", "secret")?;
    /// # let mut client = doctest::connected(client);
    /// client.publish("news", "World Cup 2018")?;
    /// # Ok::<(), cent::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`Address::parse`] and [`Endpoint::with_secret`].
    pub fn new(address: &str, secret: &str) -> Result<Self, Error> {
        Ok(Self::from_endpoint(Endpoint::with_secret(Address::parse(address)?, secret)?))
    }

    /// A client of Centrifugo 2 to 6, whose requests carry the API key.
    ///
    /// ```
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// let mut client = cent::Client::with_api_key("http://localhost:8000", "key-of-the-server")?;
    /// # let mut client = doctest::connected(client);
    /// client.publish("news", "World Cup 2018")?;
    /// # Ok::<(), cent::Error>(())
    /// ```
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

    /// Sets the time limit of the calls that follow; `None` is the default again.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// client.set_timeout(Some(Duration::from_millis(200)));
    /// client.publish("news", "World Cup 2018")?;
    /// client.set_timeout(None);
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.session.set_timeout(timeout);
    }

    /// Sets how long the connection may be idle and still be used again. Default: 0.5 s. Zero: each request has a new one.
    /// A server that sends `Keep-Alive: timeout=` shortens it to half of that.
    ///
    /// A request that is sent at the moment at which the server, or a proxy before it, closes the idle connection has an
    /// unknown outcome. Proxies close after 1 s (nginx in many setups), 5 s (Apache, Varnish) or 75 s (nginx by default);
    /// Centrifugo itself does not. Set a longer time only if you know theirs.
    #[must_use]
    pub fn with_max_idle(self, max_idle: Duration) -> Self {
        Self { session: self.session.with_settings(|settings| settings.max_idle = Some(max_idle)), ..self }
    }

    /// Sets the proxy to use. Default: none; environment variables are not read.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        Self { session: self.session.with_settings(|settings| settings.proxy = Some(proxy)), ..self }
    }

    /// Sets the certificates to trust, instead of those of the system or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[must_use]
    pub fn with_ca_certificates(self, certificates: CaCertificates) -> Self {
        Self { session: self.session.with_settings(|settings| settings.ca_certificates = Some(certificates)), ..self }
    }

    /// Sets the client's own certificate, for a server that requires one. A proxy does not get it. Default: none.
    ///
    /// ```
    /// use cent::{Client, ClientCertificate};
    ///
    /// # fn client() -> Result<Client, Box<dyn std::error::Error>> {
    /// let certificate = ClientCertificate::from_pem(&std::fs::read("client.pem")?, &std::fs::read("client.key")?)?;
    /// let client = Client::with_api_key("https://localhost", "key")?.with_client_certificate(certificate);
    /// # Ok(client)
    /// # }
    /// ```
    #[must_use]
    pub fn with_client_certificate(self, certificate: ClientCertificate) -> Self {
        let change = |settings: &mut Settings| settings.client_certificate = Some(certificate);
        Self { session: self.session.with_settings(change), ..self }
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
    pub fn add(&mut self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.queue.push(Command::from_params(method, params)?);
        Ok(())
    }

    /// Sends the queued commands in one request and empties the queue, even on failure.
    ///
    /// Replies are in the order of the commands. Errors in them are no error of this function: see [`Reply::result`].
    ///
    /// # Errors
    /// As [`send_commands`](Self::send_commands).
    pub fn send(&mut self) -> Result<Vec<Reply>, Error> {
        let commands = std::mem::take(&mut self.queue);
        self.send_commands(&commands)
    }

    /// Sends these commands in one request. The queue is not touched.
    ///
    /// Where the server rejects them as a whole because of one command, which it does not name, they are sent in parts
    /// until it is known which one. The commands before it are executed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: see [`RequestBuilder::batch`]; others: see [`send_request`](Self::send_request).
    /// [`Error::command_index`] is the command that made the server reject all, and [`Error::answered`] how many were
    /// executed before the failure.
    pub fn send_commands(&mut self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        let mut request = self.session.requests().request(commands)?;
        self.session.send_halving(&mut request)
    }

    /// What is known of the way to the server, after a request that succeeded or failed. It makes no request itself.
    ///
    /// ```
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// let result = client.info();
    /// # assert!(result.is_ok() && client.connection().peer.is_some());
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
    /// only (Centrifugo 2 to 4), the request is changed to it and sent again; nothing was executed before. A later request
    /// finds it out anew after the server's own 404: another server has taken its place.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`]: the request was built for another server or credential;
    /// - [`ErrorKind::Rejected`]: a redirect that an empty request to the same path gets, too, before the server has answered
    ///   any commands; the server's own 404; and statuses from 400 to 499 except those named elsewhere. Where a batch was
    ///   rejected because of one of its commands, the error [says so](Error::rejects_whole_batch);
    /// - [`ErrorKind::SafeToRetry`]: nothing was sent: name lookup, connect, TLS or proxy failed, or timed out; or 408,
    ///   425, 429, 407 of a proxy, 503 without a body, or with the page of a proxy that has no server;
    /// - [`ErrorKind::OutcomeUnknown`]: the connection was lost or timed out after that; other statuses, among them other
    ///   redirects, and 403, 404 and 405 with a page of a proxy, which may have come in the place of a response; 400 for
    ///   several commands in the older forms of the API; a response that cannot be parsed, exceeds
    ///   [`MAX_RESPONSE_BYTES`](crate::MAX_RESPONSE_BYTES) or arrived before the request was fully sent; and the wrong
    ///   number of replies, which come with the [error](Error::replies). If all commands only read, such a failure is
    ///   [`ErrorKind::SafeToRetry`].
    ///
    /// After an attempt whose outcome is unknown, further attempts with the same request have that kind too, until one
    /// succeeds: nobody knows what the first one did. Another attempt executes nothing twice if each command has an
    /// [idempotency key](Command::with_idempotency_key) and the server [recognizes keys](Self::idempotency_support).
    pub fn send_request(&mut self, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        self.session.send(request)
    }

    /// The same, in at most this time if that is less than the client's own time limit: such as what is left until servers
    /// forget an idempotency key, 5 minutes after its first use.
    ///
    /// # Errors
    /// As for [`send_request`](Self::send_request).
    pub fn send_request_within(
        &mut self,
        request: &mut HttpRequest<'_>,
        time_limit: Duration,
    ) -> Result<Vec<Reply>, Error> {
        self.session.send_within(request, time_limit)
    }

    /// Lets the next request take a new connection: some servers close one after each response without saying so.
    pub fn close_connection(&mut self) {
        self.session.drop_connection();
    }

    /// Asks whether the server responds and accepts the credential: with `info`, or `stats` of Centrifugo 1. Where a proxy
    /// does not pass these, an empty request to the path of batches decides. Nothing is executed.
    ///
    /// # Errors
    /// As [`send_request`](Self::send_request); an error in the reply is none.
    pub fn check_server(&mut self) -> Result<(), Error> {
        self.session.check()
    }

    /// Asks the server whether it recognizes idempotency keys: with `info`, and where that does not say a version, with a
    /// publish that no server accepts. To ask once is not enough: another server may take its place.
    ///
    /// After the answer that it does, in the current form of the API, a request that can be repeated only because of
    /// [its keys](crate::Repeat::Keys) is not sent to a server that has no more than the older form, such as one that has
    /// taken its place: it would ignore the keys. Such a request fails with [`ErrorKind::SafeToRetry`]. So ask before the
    /// first attempt, too.
    ///
    /// It cannot detect whether the server's broker keeps them: NATS does not.
    ///
    /// ```
    /// use std::thread::sleep;
    /// use std::time::Instant;
    ///
    /// use cent::{Command, IdempotencyKey, NextStep, RetryPolicy};
    ///
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// let command = Command::publish("news", &1)?.with_idempotency_key(IdempotencyKey::random()?);
    /// let mut request = client.requests().request(vec![command])?;
    /// let mut policy = RetryPolicy::new(5);
    /// if client.idempotency_support()?.is_supported() {
    ///     policy = policy.with_keys();
    /// }
    /// let (start, mut failed) = (Instant::now(), 0);
    /// let replies = loop {
    ///     let result = client.send_request(&mut request);
    ///     failed += 1;
    ///     // A random number between 0 and 1.
    ///     let jitter = 0.7;
    ///     match policy.next_step(result.as_deref(), request.repeat(), failed, start.elapsed(), jitter) {
    ///         NextStep::Retry(backoff) => sleep(backoff),
    ///         NextStep::Repeat(backoff) => {
    ///             sleep(backoff);
    ///             // If that cannot be found out, the outcome of the attempt before stays unknown.
    ///             if !client.idempotency_support().is_ok_and(|support| support.is_supported()) {
    ///                 break result;
    ///             }
    ///         }
    ///         _ => break result,
    ///     }
    /// }?;
    /// # assert!(client.idempotency_support()?.is_supported());
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
        let support = match IdempotencySupport::from_info(self.info()?.get()) {
            Some(support) => support,
            None => IdempotencySupport::UnknownVersion { is_supported: self.session.knows_idempotency_keys()? },
        };
        self.session.rely_on_keys(support.is_supported());
        Ok(support)
    }
}

/// One function for each method: it sends one command at once, and returns its result. The queue is not touched.
///
/// Results have the same types for all server versions; what a version does not have is `None`. For other methods and
/// params, see [`call`](Self::call) and [`Command`]. The methods are those of the servers' sources: libcentrifugo/api of
/// 1.8.0, and internal/api of 2.8.6 to 6.9.1.
///
/// # Errors
/// - [`ErrorKind::Invalid`]: data that cannot be serialized as JSON, an empty channel, no channels;
/// - the [error](Error::reply_error) in the reply: [`ErrorKind::Rejected`] or [`ErrorKind::OutcomeUnknown`], or for the
///   functions that only read [`ErrorKind::SafeToRetry`];
/// - as [`send_request`](Self::send_request).
///
/// A result that cannot be read is an error too, of the kind [`ErrorKind::Undecodable`].
#[allow(clippy::missing_errors_doc, reason = "documented once, above")]
impl Client {
    /// Publishes data to a channel.
    pub fn publish(&mut self, channel: &str, data: &(impl Serialize + ?Sized)) -> Result<Published, Error> {
        self.publish_with(channel, data, &PublishOptions::new())
    }

    /// Publishes data to a channel, with options.
    pub fn publish_with(
        &mut self,
        channel: &str,
        data: &(impl Serialize + ?Sized),
        options: &PublishOptions,
    ) -> Result<Published, Error> {
        self.read(&Command::publish_with(channel, data, options)?, Reply::published)
    }

    /// Publishes the same data to several channels. A channel that fails does not fail the others: look at
    /// [`Broadcast::channels`], or use [`Broadcast::into_result`]. Centrifugo 1.2 and later.
    ///
    /// Centrifugo 1 and 2 stop at the first channel that fails, and do not name it: the call is an error of the kind
    /// [`ErrorKind::Rejected`], and the channels before that one may have received the message (seen on 1.8.0).
    ///
    /// ```
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// let broadcast = client.broadcast(["news", "nope:sport"], "World Cup 2018")?;
    /// for error in broadcast.errors() {
    ///     eprintln!("{error}");
    /// }
    /// # let errors: Vec<String> = broadcast.errors().map(ToString::to_string).collect();
    /// # assert!(errors[0].starts_with(r#"channel "nope:sport": unknown channel (102); "#), "{errors:?}");
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn broadcast(
        &mut self,
        channels: impl IntoIterator<Item = impl AsRef<str>>,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Broadcast, Error> {
        self.broadcast_with(channels, data, &PublishOptions::new())
    }

    /// Publishes the same data to several channels, with options.
    pub fn broadcast_with(
        &mut self,
        channels: impl IntoIterator<Item = impl AsRef<str>>,
        data: &(impl Serialize + ?Sized),
        options: &PublishOptions,
    ) -> Result<Broadcast, Error> {
        let channels: Vec<_> = channels.into_iter().collect();
        let command = Command::broadcast_with(&channels, data, options)?;
        self.read(&command, |reply| {
            let broadcast = reply.broadcast()?;
            if broadcast.channels.len() == channels.len() { Ok(broadcast) } else { Err(unexpected(reply)) }
        })
    }

    /// Subscribes a user's connections to a channel. Centrifugo 3 and later.
    pub fn subscribe(&mut self, user: &str, channel: &str) -> Result<(), Error> {
        self.call(&Command::subscribe(user, channel)).map(drop)
    }

    /// Subscribes a user's connections to a channel, with options.
    pub fn subscribe_with(&mut self, user: &str, channel: &str, options: &SubscribeOptions) -> Result<(), Error> {
        self.call(&Command::subscribe_with(user, channel, options)).map(drop)
    }

    /// Unsubscribes a user's connections from a channel.
    pub fn unsubscribe(&mut self, user: &str, channel: &str) -> Result<(), Error> {
        self.call(&Command::unsubscribe(user, channel)).map(drop)
    }

    /// Unsubscribes a user's connections from a channel, with options.
    pub fn unsubscribe_with(&mut self, user: &str, channel: &str, options: &UnsubscribeOptions) -> Result<(), Error> {
        self.call(&Command::unsubscribe_with(user, channel, options)).map(drop)
    }

    /// Closes a user's connections. With Centrifugo 3 and later, an empty user means the connections without a user.
    pub fn disconnect(&mut self, user: &str) -> Result<(), Error> {
        self.call(&Command::disconnect(user)).map(drop)
    }

    /// Closes a user's connections, with options.
    ///
    /// ```
    /// use cent::DisconnectOptions;
    ///
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// client.disconnect_with("42", &DisconnectOptions::new().reason(4501, "signed out"))?;
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn disconnect_with(&mut self, user: &str, options: &DisconnectOptions) -> Result<(), Error> {
        self.call(&Command::disconnect_with(user, options)).map(drop)
    }

    /// Refreshes a user's connections. Centrifugo 3 and later.
    pub fn refresh(&mut self, user: &str) -> Result<(), Error> {
        self.call(&Command::refresh(user)).map(drop)
    }

    /// Refreshes a user's connections, with options.
    pub fn refresh_with(&mut self, user: &str, options: &RefreshOptions) -> Result<(), Error> {
        self.call(&Command::refresh_with(user, options)).map(drop)
    }

    /// Returns the clients in a channel by their ids.
    pub fn presence(&mut self, channel: &str) -> Result<BTreeMap<String, ClientInfo>, Error> {
        self.read(&Command::presence(channel), Reply::presence)
    }

    /// Returns the number of clients and users in a channel. Centrifugo 2 and later.
    pub fn presence_stats(&mut self, channel: &str) -> Result<PresenceStats, Error> {
        self.read(&Command::presence_stats(channel), Reply::presence_stats)
    }

    /// Returns all publications in a channel's history, oldest first. One of more than
    /// [`MAX_RESPONSE_BYTES`](crate::MAX_RESPONSE_BYTES) is an error: use [pages](Self::history_with).
    pub fn history(&mut self, channel: &str) -> Result<History, Error> {
        self.history_with(channel, &HistoryOptions::new())
    }

    /// Returns a part of a channel's history.
    ///
    /// ```
    /// use cent::HistoryOptions;
    ///
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// # for number in 0..5 { client.publish("news", &number)?; }
    /// # let mut seen = 0;
    /// let mut page = HistoryOptions::new().limit(2);
    /// loop {
    ///     let history = client.history_with("news", &page)?;
    ///     for publication in &history.publications {
    ///         let number: i32 = publication.parse()?;
    ///         # assert_eq!(number, seen);
    ///         # seen += 1;
    ///     }
    ///     let Some(position) = history.next_since() else { break };
    ///     page = page.since(position);
    /// }
    /// # assert_eq!(seen, 5);
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn history_with(&mut self, channel: &str, options: &HistoryOptions) -> Result<History, Error> {
        self.read(&Command::history_with(channel, options), Reply::history)
    }

    /// Deletes a channel's history. Centrifugo 2 and later.
    pub fn history_remove(&mut self, channel: &str) -> Result<(), Error> {
        self.call(&Command::history_remove(channel)).map(drop)
    }

    /// Returns the active channels by their names.
    pub fn channels(&mut self) -> Result<BTreeMap<String, ChannelInfo>, Error> {
        self.read(&Command::channels(), Reply::channels)
    }

    /// Returns metrics of all nodes. Centrifugo 2 and later.
    pub fn info(&mut self) -> Result<Box<RawValue>, Error> {
        self.read(&Command::info(), Reply::raw)
    }

    /// Returns metrics of all nodes. Centrifugo 1 only.
    pub fn stats(&mut self) -> Result<Box<RawValue>, Error> {
        self.read(&Command::stats(), Reply::raw)
    }

    /// Returns metrics of the responding node. Centrifugo 1 only, since 1.4.
    pub fn node(&mut self) -> Result<Box<RawValue>, Error> {
        self.read(&Command::node(), Reply::raw)
    }

    /// Calls a procedure of the backend that the server is configured to proxy to, and returns its result. Centrifugo 2.6
    /// and later.
    pub fn rpc(&mut self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, Error> {
        self.read(&Command::rpc(method, params)?, Reply::rpc)
    }

    /// Sets the value of a key in a map channel. This and the following functions: Centrifugo 6.8 and later.
    pub fn map_publish(
        &mut self,
        channel: &str,
        key: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Published, Error> {
        self.map_publish_with(channel, key, data, &MapPublishOptions::new())
    }

    /// Sets the value of a key in a map channel, with options. The server may have reasons to
    /// [change nothing](Published::suppressed).
    pub fn map_publish_with(
        &mut self,
        channel: &str,
        key: &str,
        data: &(impl Serialize + ?Sized),
        options: &MapPublishOptions,
    ) -> Result<Published, Error> {
        self.read(&Command::map_publish_with(channel, key, data, options)?, Reply::published)
    }

    /// Removes a key of a map channel.
    pub fn map_remove(&mut self, channel: &str, key: &str) -> Result<Published, Error> {
        self.map_remove_with(channel, key, &MapRemoveOptions::new())
    }

    /// Removes a key of a map channel, with options.
    pub fn map_remove_with(
        &mut self,
        channel: &str,
        key: &str,
        options: &MapRemoveOptions,
    ) -> Result<Published, Error> {
        self.read(&Command::map_remove_with(channel, key, options), Reply::published)
    }

    /// Returns all keys and values of a map channel.
    pub fn map_read_state(&mut self, channel: &str) -> Result<MapEntries, Error> {
        self.map_read_state_with(channel, &MapStateOptions::new())
    }

    /// Returns a part of the keys and values of a map channel.
    pub fn map_read_state_with(&mut self, channel: &str, options: &MapStateOptions) -> Result<MapEntries, Error> {
        self.read(&Command::map_read_state_with(channel, options), Reply::map_entries)
    }

    /// Returns all changes of a map channel that it keeps, oldest first.
    pub fn map_read_stream(&mut self, channel: &str) -> Result<MapEntries, Error> {
        self.map_read_stream_with(channel, &MapStreamOptions::new())
    }

    /// Returns a part of the changes of a map channel.
    pub fn map_read_stream_with(&mut self, channel: &str, options: &MapStreamOptions) -> Result<MapEntries, Error> {
        self.read(&Command::map_read_stream_with(channel, options), Reply::map_entries)
    }

    /// Returns the number of keys in a map channel.
    pub fn map_stats(&mut self, channel: &str) -> Result<MapStats, Error> {
        self.read(&Command::map_stats(channel), Reply::map_stats)
    }

    /// Removes all keys of a map channel.
    pub fn map_clear(&mut self, channel: &str) -> Result<(), Error> {
        self.call(&Command::map_clear(channel)).map(drop)
    }

    /// Sets the value of a key in a channel that is polled. Versions count from 1.
    pub fn shared_poll_publish(
        &mut self,
        channel: &str,
        key: &str,
        version: u64,
        data: &(impl Serialize + ?Sized),
    ) -> Result<(), Error> {
        self.shared_poll_publish_with(channel, key, version, data, &SharedPollPublishOptions::new())
    }

    /// Sets the value of a key in a channel that is polled, with options.
    pub fn shared_poll_publish_with(
        &mut self,
        channel: &str,
        key: &str,
        version: u64,
        data: &(impl Serialize + ?Sized),
        options: &SharedPollPublishOptions,
    ) -> Result<(), Error> {
        self.call(&Command::shared_poll_publish_with(channel, key, version, data, options)?).map(drop)
    }

    /// Sends any one command, and returns its reply; a reply with an error is returned as an error.
    ///
    /// ```
    /// use cent::Command;
    ///
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// let command = Command::channels().with_param("pattern", "news*")?;
    /// let channels = client.call(&command)?.channels()?;
    /// # assert!(channels.is_empty());
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn call(&mut self, command: &Command) -> Result<Reply, Error> {
        self.read(command, |reply| reply.checked_data().map(|_| reply.clone()))
    }

    /// Sends a command and reads its reply.
    fn read<T>(&mut self, command: &Command, read: impl Fn(&Reply) -> Result<T, Error>) -> Result<T, Error> {
        let mut request = self.session.requests().request(std::slice::from_ref(command))?;
        let replies = self.send_request(&mut request)?;
        let Some(reply) = replies.first() else {
            return Err(Error::new(ErrorKind::OutcomeUnknown, "expected 1 reply, got 0"));
        };
        read(reply).map_err(|error| error.with_method(command.method(), request.url()))
    }
}
