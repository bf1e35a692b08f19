//! The kinds of failure, below everything that can fail, and what to do about them.

/// Classifies a failure by what the caller can do about it.
///
/// [`Error`](crate::Error) shows how to decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server rejected the request; retrying does not help. Nothing was executed, except that a rejected broadcast to
    /// Centrifugo 1 or 2 may have reached the channels before the one that failed.
    Rejected,
    /// The call itself is invalid and nothing was sent; fix the call.
    Invalid,
    /// It is safe to retry: nothing was accepted, not even in part, or the commands only read.
    SafeToRetry,
    /// The commands may have been executed; check before retrying.
    OutcomeUnknown,
    /// The command was executed, but what came back is not what was to be read; another attempt would execute it again.
    /// The data is in [`Error::replies`](crate::Error::replies), or in the [`Publication`](crate::Publication).
    Undecodable,
}

pub(crate) const HINT_CHECK_BEFORE_RETRY: &str = "the command may have been executed: check before retrying";
pub(crate) const HINT_EARLIER_ATTEMPT: &str = "an earlier attempt may have been executed: check before retrying";
pub(crate) const HINT_READ_ONLY: &str = "the method only reads: safe to retry";

/// What to do about rejections that all versions have, each in its own words.
pub(crate) const HINT_NAMESPACE: &str =
    "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
pub(crate) const HINT_ENABLE: &str = "enable it for this channel in the server's config";
