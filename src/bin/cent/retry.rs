//! One request: its attempts, and the backoff between them.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use cent::{Client, Error, ErrorKind, HttpRequest, Reply};

/// The first backoff. It doubles with each retry, up to the maximum.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A server that asks for a longer delay gets no retry.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Sends requests, and retries those that were not accepted.
pub(crate) struct Retrier<OnRetry, Sleep> {
    pub(crate) max_retries: u32,
    /// Gets a message for each retry, and one if the server asks for a delay that is too long.
    pub(crate) on_retry: OnRetry,
    /// Sleeps; returns false if the run was stopped.
    pub(crate) sleep: Sleep,
}

impl<OnRetry, Sleep> Retrier<OnRetry, Sleep>
where
    OnRetry: Fn(&str),
    Sleep: Fn(Duration) -> bool,
{
    /// Sends a request. Only an attempt of which nothing was accepted is followed by another one, so that no command is
    /// executed twice.
    pub(crate) fn send(&self, client: &mut Client, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        let mut failed_attempts = 0;
        loop {
            let result = client.send_request(request);
            let Some(failure) = Failure::of(&result, request.is_read_only()) else { return result };
            failed_attempts += 1;
            if failed_attempts > self.max_retries || !self.back_off(&failure, failed_attempts) {
                return result;
            }
        }
    }

    /// Waits before the next attempt; returns false if there is to be none.
    fn back_off(&self, failure: &Failure<'_>, failed_attempts: u32) -> bool {
        match decide(failed_attempts, failure.retry_after, SystemTime::now(), random_jitter()) {
            RetryDecision::RetryAfter(backoff) => {
                let (attempts, seconds) = (self.max_retries.saturating_add(1), backoff.as_secs_f64());
                (self.on_retry)(&format!(
                    "attempt {failed_attempts} of {attempts} failed: {}; retrying in {seconds:.1} s",
                    failure.text
                ));
                (self.sleep)(backoff)
            }
            RetryDecision::GiveUp(delay) => {
                let (seconds, max) = (delay.as_secs(), MAX_RETRY_AFTER.as_secs());
                (self.on_retry)(&format!("not retrying: the server's Retry-After ({seconds} s) exceeds {max} s"));
                false
            }
        }
    }
}

/// A failed attempt that is safe to retry.
struct Failure<'a> {
    text: String,
    retry_after: Option<&'a str>,
}

impl<'a> Failure<'a> {
    fn of(result: &'a Result<Vec<Reply>, Error>, is_read_only: bool) -> Option<Self> {
        match result {
            Err(error) => {
                error.is_retryable().then(|| Self { text: error.to_string(), retry_after: error.retry_after() })
            }
            // Other commands of the request may have been executed.
            Ok(_) if !is_read_only => None,
            Ok(replies) => {
                let mut errors = replies.iter().flat_map(Reply::errors);
                let error = errors.find(|error| error.kind() == ErrorKind::SafeToRetry)?;
                Some(Self { text: error.to_string(), retry_after: None })
            }
        }
    }
}

/// The replies to a request, also if they came with an error.
pub(crate) fn replies(result: &Result<Vec<Reply>, Error>) -> &[Reply] {
    result.as_deref().unwrap_or_else(|error| error.replies())
}

/// What follows a failed attempt that is safe to retry.
#[derive(Debug, PartialEq, Eq)]
enum RetryDecision {
    RetryAfter(Duration),
    /// The server asks for a delay of this length, which is too long.
    GiveUp(Duration),
}

/// Decides by the server's Retry-After, or without one by the number of failed attempts.
fn decide(failed_attempts: u32, retry_after: Option<&str>, now: SystemTime, jitter: f64) -> RetryDecision {
    match retry_after.and_then(|text| parse_retry_after(text, now)) {
        Some(delay) if delay > MAX_RETRY_AFTER => RetryDecision::GiveUp(delay),
        Some(delay) => RetryDecision::RetryAfter(delay),
        None => RetryDecision::RetryAfter(backoff(failed_attempts, jitter)),
    }
}

/// The backoff after so many failed attempts. Half of it is multiplied by the jitter, a number between 0 and 1, so that
/// clients that failed together do not retry together.
fn backoff(failed_attempts: u32, jitter: f64) -> Duration {
    let doubled = INITIAL_BACKOFF.saturating_mul(2_u32.saturating_pow(failed_attempts.saturating_sub(1)));
    let half = doubled.min(MAX_BACKOFF) / 2;
    half + half.mul_f64(jitter)
}

/// Parses both forms of `Retry-After` (RFC 9110, section 10.2.3). A date in the past means no delay.
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that overflows is too long a delay in any case.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A random number between 0 and 1. The standard library's hash keys are random enough for that.
fn random_jitter() -> f64 {
    f64::from(u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn decide_by_retry_after(retry_after: &str) -> RetryDecision {
        // 12:00 on the day of the dates below.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_966_400);
        decide(1, Some(retry_after), now, 1.0)
    }

    #[test]
    fn backoff_doubles_up_to_30_seconds() {
        let longest: Vec<_> = (1..9).map(|failed_attempts| backoff(failed_attempts, 1.0)).collect();
        assert_eq!(longest, [0.5, 1., 2., 4., 8., 16., 30., 30.].map(Duration::from_secs_f64));
        assert_eq!(backoff(u32::MAX, 1.0), MAX_BACKOFF);
    }

    #[test]
    fn half_of_backoff_is_jitter() {
        assert_eq!(backoff(2, 0.0), SECOND / 2);
        assert_eq!(backoff(2, 0.5), SECOND * 3 / 4);
        let jitters: Vec<_> = (0..100).map(|_| random_jitter()).collect();
        assert!(jitters.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        let any = |predicate: fn(&f64) -> bool| jitters.iter().any(predicate);
        assert!(any(|&jitter| jitter < 0.5) && any(|&jitter| jitter > 0.5), "{jitters:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_date() {
        use RetryDecision::{GiveUp, RetryAfter};
        assert_eq!(decide_by_retry_after("0"), RetryAfter(Duration::ZERO));
        assert_eq!(decide_by_retry_after(" 60 "), RetryAfter(60 * SECOND));
        assert_eq!(decide_by_retry_after("61"), GiveUp(61 * SECOND));
        assert_eq!(decide_by_retry_after("99999999999999999999999"), GiveUp(Duration::from_secs(u64::MAX)));
        assert_eq!(decide_by_retry_after("Thu, 02 Jan 2020 12:00:07 GMT"), RetryAfter(7 * SECOND));
        assert_eq!(decide_by_retry_after("Thu, 02 Jan 2020 11:00:00 GMT"), RetryAfter(Duration::ZERO));
        assert_eq!(decide_by_retry_after("Thu, 02 Jan 2020 13:00:00 GMT"), GiveUp(3600 * SECOND));
    }

    #[test]
    fn invalid_retry_after_is_ignored() {
        for text in ["", "soon", "-1", "1.5", "5 s"] {
            assert_eq!(decide_by_retry_after(text), RetryDecision::RetryAfter(SECOND / 2), "{text}");
        }
    }
}
