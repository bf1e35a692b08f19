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
            Self::Centrifugo1 | Self::LegacyApi => HttpRequest::probe(endpoint, Form::Legacy, legacy::url),
            Self::CurrentApi => HttpRequest::probe(endpoint, Form::Batch(Order::Kept), current::batch_url),
            Self::RootPath => HttpRequest::encode(endpoint, Form::Batch(Order::Kept), Cow::Borrowed(&[])),
        }
    }

    /// Whether the answer is yes.
    pub(crate) fn is_confirmed_by(self, response: &HttpResponse) -> bool {
        match self {
            Self::Centrifugo1 => legacy::is_centrifugo_1(response),
            // 400 is what a server says that needs no key.
            Self::CurrentApi | Self::LegacyApi => matches!(response.status, 400 | 401) && !response.is_from_proxy(),
            Self::RootPath => response.status == 200 && current::is_single_error(response),
        }
    }
}
