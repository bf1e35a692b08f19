//! Client for the HTTP API of Centrifugo, the real-time messaging server, versions 1 to 6.
//!
//! The library behind the program `cent`. It prints nothing, never exits, and reads no environment variables, except those
//! that the system's trust store reads itself (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
//!
//! ```no_run
//! let mut client = cent::Client::with_api_key("http://localhost:8000", "key-of-the-server")?;
//! client.publish("news", &serde_json::json!({"title": "World Cup 2018"}))?;
//! # Ok::<(), cent::Error>(())
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod address;
mod api;
mod client;
mod command;
mod connection;
mod constructors;
mod endpoint;
mod error;
mod error_kind;
mod http;
mod idempotency;
mod json;
mod methods;
mod options;
mod proxy;
mod reply;
mod results;
mod secret;
mod session;

pub use address::{Address, Scheme};
pub use api::{HttpRequest, MAX_RESPONSE_BYTES, RequestBuilder};
pub use client::Client;
pub use command::Command;
pub use connection::{ApiForm, ConnectionInfo, TlsInfo};
pub use endpoint::Endpoint;
pub use error::Error;
pub use error_kind::ErrorKind;
pub use idempotency::{IdempotencyKey, IdempotencySupport, REPEAT_LIMIT};
#[doc(hidden)]
pub use methods::{KnownParam, ParamKind, known_params};
#[doc(hidden)]
pub use methods::{closest_match, known_methods, takes_no_params};
pub use options::{HistoryOptions, PublishOptions};
pub use proxy::Proxy;
pub use reply::{Reply, ReplyError};
pub use results::{Broadcast, ChannelInfo, ClientInfo, History, Position, PresenceStats, Publication, Published};
pub use session::{DEFAULT_TIMEOUT, Event};
