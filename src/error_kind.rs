//! The kinds of failure, below everything that can fail.

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
}
