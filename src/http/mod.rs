//! Sends a request and returns the response, whatever its status; for failures it decides whether anything can have
//! been accepted.
//!
//! # What this relies on in ureq
//!
//! Its connectors and transports live in `ureq::unversioned`, outside of ureq's semver promise, so the manifest
//! stays below its next minor version. A new version is fine if these still hold; each line names the test that fails
//! where it does not.
//!
//! - A POST is sent once: no retry on a stale connection or on 401 and 408, no redirect is followed
//!   (`tests/fault_injection`: every scenario counts executions and connections).
//! - Proxies come only from the configuration, never from the environment, once `.proxy(None)` is set
//!   (`tests/client`: `environment_is_not_read`).
//! - All bytes of a request pass through `transmit_output` (`tests/fault_injection`: scenarios that stop before and after
//!   the first byte).
//! - The output of the first `transmit_output` begins with the request line, so that it can be made absolute
//!   (`tests/cli/proxy.rs`).
//! - `is_open` is asked when a connection goes back to the pool and again before it is used
//!   (`tests/client`, `tests/cli/http.rs`: reuse of connections).
//! - A failed write that is held back is followed by a read of the response
//!   (`tests/cli/http.rs`: early rejection of a large body).
//! - Errors of a connector come back as `ureq::Error::Other`, those inside a reader or TLS as `ureq::Error::Io`
//!   (`errors.rs`).

mod attempt;
mod connection;
mod connector;
mod errors;
mod foreign_protocol;
mod happy_eyeballs;
mod keep_alive;
mod resolver;
mod roots;
mod route;
mod settings;
mod socket;
mod tls;
mod tls_errors;
mod transport;
mod verifier;

pub(crate) use settings::Settings;
pub(crate) use transport::Transport;
