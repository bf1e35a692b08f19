//! Client for the HTTP API of Centrifugo, the real-time messaging server, versions 1 to 6.
//!
//! What the program `cent` is built on. It prints nothing, never exits, and reads no environment, save what the system's
//! trust store reads itself (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
//!
//! ```no_run
//! let mut client = cent::Client::new("http://localhost:8000", "long-secret")?;
//! client.publish("news", &serde_json::json!({"title": "World Cup 2018"}))?;
//! # Ok::<(), cent::Error>(())
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod client;
mod command;
mod endpoint;
mod error;
mod json;
mod proxy;
mod reply;
mod request;
mod transport;
mod wire;

pub use client::{Client, DEFAULT_TIMEOUT};
pub use command::{Command, known_methods, nearest, needs_no_params};
pub use endpoint::{Address, Endpoint, Scheme};
pub use error::{Error, ErrorKind};
pub use proxy::Proxy;
pub use reply::{Reply, ReplyError};
pub use request::HttpRequest;
pub use transport::{HttpResponse, MAX_ANSWER_BYTES};
