//! Client for the HTTP API of Centrifugo, the real-time messaging server, versions 1 to 6.

#![deny(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod command;
mod endpoint;
mod error;
mod json;
mod reply;

pub use command::{Command, nearest, needs_no_params};
pub use endpoint::{Address, Endpoint, Scheme};
pub use error::{Error, ErrorKind};
pub use reply::Reply;
