//! The forms of the API, and which of them a server has.

use std::sync::{Arc, Mutex, PoisonError};

use crate::connection::ApiForm;
use crate::methods::ApiVersion;

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Centrifugo 1: a signed array of commands.
    V1,
    /// Centrifugo 2 to 6: one command per line.
    Legacy,
    /// Centrifugo 5 and later: the params of one command.
    Method,
    /// Centrifugo 5 and later: a list of commands.
    Batch(Order),
}

/// Whether the server may run the commands of a batch concurrently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Kept,
    Any,
}

impl Form {
    pub(super) fn version(self) -> ApiVersion {
        match self {
            Self::V1 => ApiVersion::V1,
            Self::Legacy | Self::Method | Self::Batch(_) => ApiVersion::V2,
        }
    }

    pub(crate) fn is_unordered(self) -> bool {
        self == Self::Batch(Order::Any)
    }

    pub(crate) fn is_current(self) -> bool {
        matches!(self, Self::Method | Self::Batch(_))
    }
}

/// A server's form of the API, remembered from its first response; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerForm(Arc<Mutex<Option<ApiForm>>>);

impl ServerForm {
    pub(crate) fn get(&self) -> Option<ApiForm> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, form: ApiForm) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(form);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_is_known() {
        let form = ServerForm::default();
        assert_eq!(form.get(), None);
        for known in [ApiForm::Current, ApiForm::Legacy] {
            form.clone().set(known);
            assert_eq!(form.get(), Some(known));
        }
    }
}
