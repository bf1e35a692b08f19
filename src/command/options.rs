//! Optional params of publish, broadcast and history.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::results::Position;

/// Optional params of [`publish`](crate::Command::publish_with) and [`broadcast`](crate::Command::broadcast_with).
///
/// Versions that do not know an option ignore it.
///
/// ```
/// use cent::{Command, PublishOptions};
///
/// let options = PublishOptions::new().idempotency_key("order-17").tag("shop", "berlin");
/// let command = Command::publish_with("orders", &17, &options)?;
/// assert_eq!(
///     command.params(),
///     r#"{"channel":"orders","data":17,"idempotency_key":"order-17","tags":{"shop":"berlin"}}"#
/// );
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct PublishOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    skip_history: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_false")]
    delta: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_epoch: Option<String>,
}

impl PublishOptions {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the server ignore the command if it already executed one with the same key for the same channel; then the
    /// result is that of the first. Default: none.
    ///
    /// Centrifugo 5.2 and later, with the memory and Redis engines, which keep keys for 5 minutes (seen on 5.4.9 and
    /// 6.9.1). Within that time a publish whose outcome is unknown can be sent again. It may also be an
    /// [`IdempotencyKey`](crate::IdempotencyKey).
    #[must_use]
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }

    /// Whether to keep the publication out of the channel's history. Default: false. Centrifugo 3 and later.
    #[must_use]
    pub fn skip_history(self, skip_history: bool) -> Self {
        Self { skip_history, ..self }
    }

    /// Adds a tag, which subscribers get with the publication. Default: none. Centrifugo 3.2 and later.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Whether subscribers may get only what changed since the publication before. Default: false. Centrifugo 5.4 and
    /// later.
    #[must_use]
    pub fn delta(self, delta: bool) -> Self {
        Self { delta, ..self }
    }

    /// The version of what the data describes: the server ignores a publication that is not newer than the last one.
    /// Default: none. Centrifugo 6.2 and later.
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// What the [version](Self::version) is of: versions of another epoch are newer. Default: none. Centrifugo 6.2 and
    /// later.
    #[must_use]
    pub fn version_epoch(self, epoch: impl Into<String>) -> Self {
        Self { version_epoch: Some(epoch.into()), ..self }
    }
}

/// Optional params of [`history`](crate::Command::history_with). Centrifugo 3 and later: 1 and 2 ignore them, and return
/// all they have.
///
/// ```
/// use cent::{Command, HistoryOptions};
///
/// let command = Command::history_with("news", &HistoryOptions::new().limit(10).reverse(true));
/// assert_eq!(command.params(), r#"{"channel":"news","limit":10,"reverse":true}"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct HistoryOptions {
    #[serde(serialize_with = "limit_or_all")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Position>,
    #[serde(skip_serializing_if = "is_false")]
    reverse: bool,
}

impl HistoryOptions {
    /// All publications, oldest first.
    pub fn new() -> Self {
        Self::default()
    }

    /// The maximum number of publications, up to 2,147,483,647. With 0 there is only the
    /// [position](crate::History::position). Default: all.
    #[must_use]
    pub fn limit(self, limit: u32) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Returns the publications after this position, or with [`reverse`](Self::reverse) those before it. Default: from
    /// the start.
    ///
    /// If the history no longer reaches back to it, or has another epoch, the server rejects the command with code 112.
    #[must_use]
    pub fn since(self, position: Position) -> Self {
        Self { since: Some(position), ..self }
    }

    /// Whether to return the newest publications first. Default: false.
    #[must_use]
    pub fn reverse(self, reverse: bool) -> Self {
        Self { reverse, ..self }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Centrifugo 3 and later return nothing without a limit, and all with -1.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn limit_or_all<S: Serializer>(limit: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(limit.map_or(-1, i64::from))
}
