//! Support shared by the tests: the program in a clean environment, test servers, recorded responses.

// Each test crate uses a part of this.
#![allow(dead_code, unreachable_pub, missing_docs)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod fixtures;
pub mod proxy;
pub mod server;
pub mod tls;
