//! Client for the HTTP API of Centrifugo, the real-time messaging server, versions 1 to 6.

#![deny(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod command;
mod endpoint;
mod error;
mod reply;

pub use command::nearest;
pub use endpoint::{Address, Endpoint, Scheme};
pub use error::{Error, ErrorKind};
pub use reply::Reply;
