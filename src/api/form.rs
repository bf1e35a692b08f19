//! The forms of the API, and which of them a server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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

/// What is known about the forms that a server with an API key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    Current,
    LegacyOnly,
}

/// A server's form of the API, remembered from its first response; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerForm(Arc<AtomicU8>);

impl ServerForm {
    pub(crate) fn get(&self) -> Known {
        match self.0.load(Ordering::Relaxed) {
            1 => Known::Current,
            2 => Known::LegacyOnly,
            _ => Known::Nothing,
        }
    }

    pub(crate) fn set(&self, known: Known) {
        self.0.store(known as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_is_known() {
        let form = ServerForm::default();
        assert_eq!(form.get(), Known::Nothing);
        for known in [Known::Current, Known::LegacyOnly, Known::Nothing] {
            form.clone().set(known);
            assert_eq!(form.get(), known);
        }
    }
}
