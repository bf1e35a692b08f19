//! Client for the HTTP API of Centrifugo, the real-time messaging server, versions 1 to 6.
//!
//! ```
//! # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
//! let mut client = cent::Client::with_api_key("http://localhost:8000", "key-of-the-server")?;
//! # let mut client = doctest::connected(client);
//! client.publish("news", &serde_json::json!({"title": "World Cup 2018"}))?;
//! # Ok::<(), cent::Error>(())
//! ```
//!
//! The package is `cent-cli`, and without its default features it is this library alone:
//! `cent-cli = { path = "PATH/TO/SOURCE", default-features = false }`. It requires `ureq` 3.5: Cargo reports a conflict if
//! another package requires a later 3.x.
//!
//! # Connecting
//! [`Client::with_api_key`] is for Centrifugo 2 to 6, and [`Client::new`] for Centrifugo 1, which has a secret instead of
//! an API key. A [`Client`] connects with its first request, and keeps the connection for the next ones. An attempt may
//! take 5 s: see [`Client::with_timeout`]. `https://` addresses use the system's CA certificates; proxies are values:
//! see [`Client::with_proxy`]. Nothing is printed, and no environment variable is read, except those of the system's
//! trust store (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
//!
//! A client blocks its thread, and sends one request at a time. A service has [one for each thread, or a small
//! pool](Client#threads). Async code calls it [in a thread](Client#async-code), or uses
//! [the official SDK](#the-official-sdk).
//!
//! # Methods and results
//! Each method of the API has a function of [`Client`], whose result has the same type for all server versions. Data is
//! anything that [serde](https://serde.rs) serializes; what comes back stays raw JSON until it is parsed.
//!
//! ```
//! use cent::{HistoryOptions, PublishOptions};
//!
//! # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
//! # let mut client = doctest::client();
//! client.publish_with("news", "final", &PublishOptions::new().idempotency_key("message-17"))?;
//! for publication in client.history_with("news", &HistoryOptions::new().limit(10))?.publications {
//!     let title: String = publication.parse()?;
//!     # assert_eq!(title, "final");
//! }
//! for (id, client) in client.presence("news")? {
//!     println!("{id}: user {}", client.user);
//! }
//! # Ok::<(), cent::Error>(())
//! ```
//!
//! # Batches
//! Several [`Command`]s go in one request, and each has a [`Reply`], in the same order. The servers do not
//! limit their number, but a proxy may limit the bytes of a request.
//!
//! ```
//! use cent::Command;
//!
//! # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
//! # let mut client = doctest::client();
//! let commands = [Command::publish("news", &1)?, Command::publish("nope:news", &2)?, Command::history("news")];
//! let replies = client.send_commands(&commands)?;
//! for (command, reply) in commands.iter().zip(&replies) {
//!     if let Err(error) = reply.result() {
//!         println!("{}: {error}", command.params());
//!     }
//! }
//! assert_eq!(replies[2].history()?.publications.len(), 1);
//! # assert!(replies[0].result().is_ok() && replies[1].result().is_err());
//! # Ok::<(), cent::Error>(())
//! ```
//!
//! # Errors and retries
//! An [`Error`] has one of five [kinds](ErrorKind), by what to do next:
//!
//! | kind | executed? | next |
//! |---|---|---|
//! | [`Invalid`](ErrorKind::Invalid) | no, nothing was sent | fix the call |
//! | [`Rejected`](ErrorKind::Rejected) | no, the server rejected it (a [broadcast](Client::broadcast) to Centrifugo 1 or 2: perhaps in part) | fix the call or the server's config |
//! | [`SafeToRetry`](ErrorKind::SafeToRetry) | no, or it only reads | retry if the error [is retryable](Error::is_retryable) |
//! | [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) | perhaps | check first, or [repeat](RetryPolicy) with a key |
//! | [`Undecodable`](ErrorKind::Undecodable) | yes, but its result is not what was to be read | look at the [reply](Error::replies) |
//!
//! ```
//! use std::{thread, time::Duration};
//!
//! # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
//! # let mut client = doctest::unreachable();
//! # let mut publish = || -> Result<cent::Published, cent::Error> {
//! let mut attempts = 1;
//! let published = loop {
//!     match client.publish("news", "final") {
//!         Err(error) if error.is_retryable() && attempts < 3 => thread::sleep(Duration::from_millis(500)),
//!         result => break result?,
//!     }
//!     attempts += 1;
//! };
//! # Ok(published)
//! # };
//! # assert!(publish().unwrap_err().is_retryable());
//! ```
//!
//! A function such as [`Client::publish_with`] makes a new request with each call, which knows nothing of the calls before:
//! after one of unknown outcome, a later failure would look as if nothing had been executed. One request that is sent again
//! remembers, and with an [`IdempotencyKey`] it is executed once. A [`RetryPolicy`] decides:
//!
//! ```
//! use std::{thread::sleep, time::Instant};
//!
//! use cent::{Client, Command, Error, IdempotencyKey, NextStep, PublishOptions, Published, RetryPolicy};
//!
//! fn publish_reliably(client: &mut Client, channel: &str, data: &str) -> Result<Published, Error> {
//!     let mut policy = RetryPolicy::new(5);
//!     if client.idempotency_support().is_ok_and(|support| support.is_supported()) {
//!         policy = policy.with_keys();
//!     }
//!     let options = PublishOptions::new().idempotency_key(IdempotencyKey::random()?);
//!     let mut request = client.requests().request(vec![Command::publish_with(channel, data, &options)?])?;
//!     let (start, mut failed) = (Instant::now(), 0);
//!     let result = loop {
//!         let result = client.send_request(&mut request);
//!         failed += 1;
//!         // Better a random number between 0 and 1.
//!         let jitter = 0.7;
//!         match policy.next_step(result.as_deref(), request.repeat(), failed, start.elapsed(), jitter) {
//!             NextStep::Retry(backoff) => sleep(backoff),
//!             NextStep::Repeat(backoff) => {
//!                 sleep(backoff);
//!                 // Another server may be there by now. If it cannot be asked, the outcome stays unknown.
//!                 if !client.idempotency_support().is_ok_and(|support| support.is_supported()) {
//!                     break result;
//!                 }
//!             }
//!             _ => break result,
//!         }
//!     };
//!     result?[0].published()
//! }
//! # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
//! # assert_eq!(publish_reliably(&mut doctest::client(), "news", "final")?.position.unwrap().offset, 1);
//! # Ok::<(), Error>(())
//! ```
//!
//! In a batch each reply has its own errors, with kinds of their own; [`Client::send_commands`] says when all of it fails,
//! and [`Error::answered`] how much of it was executed before.
//!
//! # The official SDK
//! For Centrifugo 6 there is the [`cent`](https://docs.rs/cent) of Centrifugo's authors, which is async, on tokio, and has
//! tokens and the methods of Centrifugo PRO. Both libraries are named `cent`. To use both, rename this one in `Cargo.toml`,
//! and write `centrifugo::Client`:
//!
//! ```toml
//! [dependencies]
//! cent = "0.2"
//! centrifugo = { package = "cent-cli", path = "PATH/TO/SOURCE", default-features = false }
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod api;
mod characters;
mod client;
mod command;
mod connection;
mod error;
mod error_kind;
mod http;
mod json;
mod methods;
mod remedy;
mod reply;
mod results;
mod retry;
mod server;
mod session;

pub use api::{HttpRequest, MAX_RESPONSE_BYTES, RequestBuilder};
pub use client::Client;
pub use command::idempotency::{IdempotencyKey, IdempotencySupport, REPEAT_LIMIT};
pub use command::optional_params::{
    DisconnectOptions, MapPublishOptions, MapRemoveOptions, MapStateOptions, MapStreamOptions, RefreshOptions,
    SharedPollPublishOptions, SubscribeOptions, UnsubscribeOptions,
};
pub use command::options::{HistoryOptions, PublishOptions};
pub use command::{Command, check_json, check_utf8};
pub use connection::{ApiForm, ConnectionInfo, TlsInfo};
pub use error::Error;
pub use error_kind::ErrorKind;
pub use methods::{ApiVersion, Method, Param, ParamType, Versions};
pub use remedy::Remedy;
pub use reply::{Reply, ReplyError};
pub use results::{
    Broadcast, ChannelInfo, ClientInfo, History, MapEntries, MapEntry, MapStats, Position, PresenceStats, Publication,
    Published,
};
pub use retry::{NextStep, Repeat, RetryPolicy};
pub use server::address::{Address, Scheme};
pub use server::certificates::{CaCertificates, ClientCertificate};
pub use server::endpoint::Endpoint;
pub use server::proxy::Proxy;
pub use session::{DEFAULT_TIMEOUT, Event};

#[cfg(any(doc, doctest))]
#[doc = include_str!("from_python.md")]
pub mod from_python {}
