//! The HTTP API, without input or output: commands to a request, a response to replies or an error.
//!
//! One file for each form of the API: [`v1`], [`legacy`] and [`current`]. Each says where a request goes, how it is encoded and
//! authorized, how its replies are read, and what a status means there.

mod api_key;
mod body;
mod current;
mod earlier_attempts;
mod form;

mod legacy;
mod method_hints;
mod page;
mod probe;
mod replies;
mod request;
mod response;
mod status;
mod v1;

pub(crate) use api_key::HINT_SECRET;
pub(crate) use current::is_single_error;
pub(crate) use form::{Form, Order};
pub(crate) use probe::Probe;
pub use request::{HttpRequest, RequestBuilder};
pub(crate) use response::HttpResponse;
pub use response::MAX_RESPONSE_BYTES;
