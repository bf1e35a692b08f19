//! What the tests share: the program with a scrubbed environment, and a test server.

// Each test crate uses its own part of this.
#![allow(dead_code, unreachable_pub, missing_docs)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod fixtures;
pub mod proxy;
pub mod server;
pub mod tls;
