//! Questions to a server that execute nothing: what to make of its response to a request.

use std::borrow::Cow;
use std::sync::Arc;

use super::form::{Form, Order};
use super::request::HttpRequest;
use super::response::HttpResponse;
use super::{current, legacy};
use crate::server::endpoint::Endpoint;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Is this Centrifugo 1? It answers an API key with 400 in the current form, as later versions do for wrong types.
    Centrifugo1,
    /// Is the current form of the API there? A 404 in both forms is said of an unknown method too.
    CurrentApi,
    /// Is the older form of the API there? A 404 is said of a wrong path too.
    LegacyApi,
    /// Is the API's path `/`? The server then takes the params of the current form for a command of the older form.
    RootPath,
}

impl Probe {
    pub(crate) fn request(self, endpoint: &Arc<Endpoint>) -> HttpRequest<'static> {
        match self {
            Self::Centrifugo1 => HttpRequest::empty(endpoint, Form::Legacy).without_credential(),
            Self::LegacyApi => HttpRequest::empty(endpoint, Form::Legacy),
            Self::CurrentApi => HttpRequest::empty(endpoint, Form::Batch(Order::Kept)).without_credential(),
            Self::RootPath => HttpRequest::encode(endpoint, Form::Batch(Order::Kept), Cow::Borrowed(&[])),
        }
    }

    /// Whether the answer is yes.
    pub(crate) fn is_confirmed_by(self, response: &HttpResponse) -> bool {
        match self {
            Self::Centrifugo1 => legacy::is_centrifugo_1(response),
            Self::CurrentApi | Self::LegacyApi => response.is_from_centrifugo(),
            Self::RootPath => response.status == 200 && current::is_single_error(response),
        }
    }
}
