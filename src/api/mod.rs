//! The HTTP API, without input or output: commands to a request, a response to replies or an error.
//!
//! One file for each form of the API: [`v1`] and [`legacy`]. Each says where a request goes, how it is encoded and
//! authorized, how its replies are read, and what a status means there.

mod body;
mod legacy;
mod replies;
mod request;
mod response;
mod status;
mod v1;

pub use request::HttpRequest;
pub(crate) use request::url;
pub use response::{HttpResponse, MAX_RESPONSE_BYTES};
