//! What may be sent again after a failure, and when. Three verbs, and they mean nothing else in this crate:
//!
//! - **retry**: another attempt after one of which nothing was accepted, or whose commands only read. It cannot execute
//!   anything twice.
//! - **repeat**: another attempt though an earlier one may have been executed. Only with idempotency keys that the server
//!   recognizes, and only for as long as it keeps them.
//! - **resend**: what an earlier run of a program sent is sent by a later one, which remembers keys and times. It is a
//!   repetition, whose first attempt the earlier run made.
//!
//! Nothing here reads a clock, sleeps, or draws random numbers: those are arguments.

use std::time::Duration;

use crate::command::idempotency::REPEAT_LIMIT;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::reply::Reply;

/// The first backoff. It doubles with each retry, up to the maximum.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A server that asks for a longer delay gets no retry.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Whether a request may be sent again after an attempt whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repeat {
    /// Whatever happened: none of its commands changes anything.
    Reads,
    /// To a server that [recognizes idempotency keys](crate::Client::idempotency_support), as the one of the first attempt
    /// did: each command that changes anything has one. Within [`REPEAT_LIMIT`](crate::REPEAT_LIMIT) after the first
    /// attempt, it is executed once.
    Keys,
    /// No: it would be executed twice.
    Nothing,
}

/// Whether and when to send a request again, as a function of its results.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use cent::{Command, NextStep, RetryPolicy};
///
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # let mut client = doctest::client();
/// let command = Command::publish("news", &1)?;
/// let mut request = client.requests().request(vec![command])?;
/// let (policy, start, mut failed) = (RetryPolicy::new(3), Instant::now(), 0);
/// let replies = loop {
///     let result = client.send_request(&mut request);
///     failed += 1;
///     // A random number between 0 and 1.
///     let jitter = 0.7;
///     match policy.next_step(result.as_deref(), request.repeat(), failed, start.elapsed(), jitter) {
///         NextStep::Retry(backoff) => std::thread::sleep(backoff),
///         _ => break result?,
///     }
/// };
/// # assert_eq!(replies.len(), 1);
/// # Ok::<(), cent::Error>(())
/// ```
///
/// [`Client::idempotency_support`](crate::Client::idempotency_support) shows how to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    max_retries: u32,
    uses_keys: bool,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NextStep {
    /// Nothing: it succeeded, or another attempt could not help or do harm, or none is left.
    Finish,
    /// Nothing: the server asks for so long a delay before the next attempt; more than a minute is too long.
    LongRetryAfter(Duration),
    /// Nothing: the first attempt was made so long ago that the server may have forgotten the idempotency keys.
    KeysExpired,
    /// Another attempt after this backoff.
    Retry(Duration),
    /// Another attempt after this backoff, though the earlier one may have been executed: if the server
    /// [recognizes idempotency keys](crate::Client::idempotency_support) then.
    Repeat(Duration),
}

impl RetryPolicy {
    /// At most so many attempts after the first one, while nothing was accepted or the commands only read.
    pub fn new(max_retries: u32) -> Self {
        Self { max_retries, uses_keys: false }
    }

    /// Repeats requests that [have idempotency keys](Repeat::Keys), too. Only after the server has said, before the first
    /// attempt, that it [recognizes them](crate::Client::idempotency_support).
    #[must_use]
    pub fn with_keys(self) -> Self {
        Self { uses_keys: true, ..self }
    }

    /// Decides after an attempt with this result. `failed_attempts` counts it, and `elapsed` is the time since the first
    /// one. Half of the backoff is multiplied by `jitter`, a number between 0 and 1, so that clients that failed together
    /// do not retry together.
    pub fn next_step(
        &self,
        result: Result<&[Reply], &Error>,
        repeat: Repeat,
        failed_attempts: u32,
        elapsed: Duration,
        jitter: f64,
    ) -> NextStep {
        let has_reply = |kind| {
            let errors = result.iter().copied().flatten().flat_map(Reply::errors);
            errors.into_iter().any(|error| error.kind() == kind && error.is_repeatable())
        };
        let retries = match result {
            Err(error) => error.is_retryable(),
            Ok(_) => repeat == Repeat::Reads && has_reply(ErrorKind::SafeToRetry),
        };
        let repeats = self.uses_keys
            && match result {
                Err(error) => repeat != Repeat::Nothing && error.is_repeatable(),
                Ok(_) => repeat == Repeat::Keys && has_reply(ErrorKind::OutcomeUnknown),
            };
        if failed_attempts > self.max_retries || !retries && !repeats {
            return NextStep::Finish;
        }
        if !retries && elapsed >= REPEAT_LIMIT {
            return NextStep::KeysExpired;
        }
        let delay = match result.err().and_then(Error::retry_after) {
            Some(delay) if delay > MAX_RETRY_AFTER => return NextStep::LongRetryAfter(delay),
            // A server that asks for none would get all attempts at once.
            delay => delay.unwrap_or_default().max(backoff(failed_attempts, jitter)),
        };
        if retries { NextStep::Retry(delay) } else { NextStep::Repeat(delay) }
    }
}

/// The backoff after so many failed attempts.
fn backoff(failed_attempts: u32, jitter: f64) -> Duration {
    let doubled = INITIAL_BACKOFF.saturating_mul(2_u32.saturating_pow(failed_attempts.saturating_sub(1)));
    let half = doubled.min(MAX_BACKOFF) / 2;
    half + half.mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::reply::ReplyError;
    use ErrorKind::{OutcomeUnknown, Rejected, SafeToRetry};

    const SECOND: Duration = Duration::from_secs(1);

    fn step(policy: RetryPolicy, error: &Error, repeat: Repeat) -> NextStep {
        policy.next_step(Err(error), repeat, 1, Duration::ZERO, 1.0)
    }

    fn reply(kind: ErrorKind) -> Reply {
        let error = ReplyError::new(kind, None, "no".to_owned(), "hint");
        Reply::new(&Arc::new("{}".to_owned()), 0..2, vec![error])
    }

    #[test]
    fn backoff_doubles_up_to_30_seconds() {
        let longest: Vec<_> = (1..9).map(|failed_attempts| backoff(failed_attempts, 1.0)).collect();
        assert_eq!(longest, [0.5, 1., 2., 4., 8., 16., 30., 30.].map(Duration::from_secs_f64));
        assert_eq!(backoff(u32::MAX, 1.0), MAX_BACKOFF);
    }

    #[test]
    fn half_of_backoff_is_jitter() {
        assert_eq!((backoff(2, 0.0), backoff(2, 0.5)), (SECOND / 2, SECOND * 3 / 4));
    }

    #[test]
    fn only_safe_errors_are_retried() {
        for (kind, expected) in [
            (SafeToRetry, NextStep::Retry(SECOND / 2)),
            (OutcomeUnknown, NextStep::Finish),
            (Rejected, NextStep::Finish),
        ] {
            for repeat in [Repeat::Reads, Repeat::Keys, Repeat::Nothing] {
                assert_eq!(step(RetryPolicy::new(1), &Error::new(kind, "failed"), repeat), expected, "{kind:?}");
            }
        }
        let lasting = Error::new(SafeToRetry, "failed").not_retryable();
        assert_eq!(step(RetryPolicy::new(1).with_keys(), &lasting, Repeat::Keys), NextStep::Finish);
    }

    #[test]
    fn unknown_outcomes_are_repeated_with_keys() {
        let unknown = Error::new(OutcomeUnknown, "failed");
        let policy = RetryPolicy::new(1).with_keys();
        assert_eq!(step(policy, &unknown, Repeat::Keys), NextStep::Repeat(SECOND / 2));
        assert_eq!(step(policy, &unknown, Repeat::Nothing), NextStep::Finish);
        let rejected = Error::new(Rejected, "failed").into_unknown();
        assert_eq!(step(policy, &rejected, Repeat::Keys), NextStep::Finish);
    }

    #[test]
    fn errors_in_replies_count_too() {
        let step = |policy: RetryPolicy, kind, repeat| {
            policy.next_step(Ok(&[reply(Rejected), reply(kind)]), repeat, 1, Duration::ZERO, 1.0)
        };
        let (plain, keyed) = (RetryPolicy::new(1), RetryPolicy::new(1).with_keys());
        for policy in [plain, keyed] {
            assert_eq!(step(policy, SafeToRetry, Repeat::Reads), NextStep::Retry(SECOND / 2));
            // Other commands of the request may have been executed.
            assert_eq!(step(policy, SafeToRetry, Repeat::Keys), NextStep::Finish);
            assert_eq!(step(policy, OutcomeUnknown, Repeat::Nothing), NextStep::Finish);
            assert_eq!(step(policy, Rejected, Repeat::Keys), NextStep::Finish);
        }
        assert_eq!(step(keyed, OutcomeUnknown, Repeat::Keys), NextStep::Repeat(SECOND / 2));
        assert_eq!(step(plain, OutcomeUnknown, Repeat::Keys), NextStep::Finish);
    }

    #[test]
    fn retries_end_by_number_and_repetitions_by_time() {
        let policy = RetryPolicy::new(2).with_keys();
        let step = |kind, failed_attempts, elapsed| {
            policy.next_step(Err(&Error::new(kind, "failed")), Repeat::Keys, failed_attempts, elapsed, 1.0)
        };
        assert_eq!(step(SafeToRetry, 2, REPEAT_LIMIT), NextStep::Retry(SECOND));
        assert_eq!(step(SafeToRetry, 3, Duration::ZERO), NextStep::Finish);
        assert_eq!(step(OutcomeUnknown, 2, REPEAT_LIMIT.saturating_sub(SECOND)), NextStep::Repeat(SECOND));
        assert_eq!(step(OutcomeUnknown, 2, REPEAT_LIMIT), NextStep::KeysExpired);
        assert_eq!(step(OutcomeUnknown, 3, REPEAT_LIMIT), NextStep::Finish);
    }

    #[test]
    fn long_retry_after_ends_retries() {
        let after = |seconds| {
            let delay = Duration::from_secs(seconds);
            step(RetryPolicy::new(1), &Error::new(SafeToRetry, "failed").with_retry_after(Some(delay)), Repeat::Nothing)
        };
        assert_eq!((after(0), after(60)), (NextStep::Retry(SECOND / 2), NextStep::Retry(60 * SECOND)));
        assert_eq!(after(61), NextStep::LongRetryAfter(61 * SECOND));
    }
}
