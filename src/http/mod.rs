//! Sends a request and returns the response, whatever its status; for failures it decides whether anything can have
//! been accepted.
//!
//! # What this relies on in ureq
//!
//! The chain of connectors lives in `ureq::unversioned`, outside of ureq's semver promise, so ureq is pinned. A new
//! version of it is fine if these still hold; each line names the test that fails where it does not.
//!
//! - A POST is sent once: no retry on a stale connection or on 401 and 408, no redirect is followed
//!   (`tests/fault_injection`: every scenario counts executions and connections).
//! - Proxies come only from the configuration, never from the environment, once `.proxy(None)` is set
//!   (`tests/client`: `environment_is_not_read`).
//! - Links are called from above to below, and the topmost sees the first byte of the request before any link below
//!   (`tests/fault_injection`: scenarios that stop before and after the first byte).
//! - The output of the first `transmit_output` begins with the request line, so that it can be made absolute
//!   (`tests/cli/proxy.rs`).
//! - `is_open` is asked when a connection goes back to the pool and again before it is used
//!   (`tests/client`, `tests/cli/http.rs`: reuse of connections).
//! - A failed write that is held back is followed by a read of the response
//!   (`tests/cli/http.rs`: early rejection of a large body).
//! - Errors of a connector come back as `ureq::Error::Other`, those inside a reader or TLS as `ureq::Error::Io`
//!   (`errors.rs`).

mod attempt;
mod connect_error;
mod connector;
mod errors;
mod keep_alive;
mod os_errors;
mod resolver;
mod response_head;
mod roots;
mod route;
mod socket;
mod tls;
mod tls_errors;
mod tls_mismatch;
mod transport;

pub(crate) use transport::Transport;
