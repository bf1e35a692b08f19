//! Where in the history of a channel something is.

use serde::{Deserialize, Serialize};

/// A position in the history of a channel. Centrifugo 3 and later.
///
/// [`HistoryOptions::since`](crate::HistoryOptions::since) continues after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The number of a publication in its channel, from 1; 0 is the position before the first one.
    pub offset: u64,
    /// Identifies a history: offsets of another epoch mean nothing, for example after the server lost its memory.
    pub epoch: String,
}

/// A position whose parts a server may leave out.
#[derive(Default, Deserialize)]
pub(super) struct MaybePosition {
    pub(super) offset: Option<u64>,
    pub(super) epoch: Option<String>,
}

impl MaybePosition {
    pub(super) fn into_position(self) -> Option<Position> {
        let Self { offset, epoch } = self;
        // Servers may leave out what is 0 or empty.
        (offset.is_some() || epoch.is_some())
            .then(|| Position { offset: offset.unwrap_or_default(), epoch: epoch.unwrap_or_default() })
    }
}
