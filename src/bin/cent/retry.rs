//! One request: its attempts, and the backoff between them.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use cent::{Client, Error, ErrorKind, HttpRequest, IdempotencySupport, REPEAT_LIMIT, Reply, ReplyError};

/// The first backoff. It doubles with each retry, up to the maximum.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A server that asks for a longer delay gets no retry.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// When a request was sent for the first time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstAttempt {
    wall_clock: SystemTime,
    this_run: Instant,
}

impl FirstAttempt {
    pub(crate) fn now() -> Self {
        Self::at(SystemTime::now())
    }

    /// At a time of the wall clock, in an earlier run.
    pub(crate) fn at(wall_clock: SystemTime) -> Self {
        Self { wall_clock, this_run: Instant::now() }
    }

    /// The longer of two times: one clock stops while the machine sleeps, the other one can be set back.
    fn elapsed(self) -> Duration {
        self.this_run.elapsed().max(self.wall_clock.elapsed().unwrap_or_default())
    }
}

/// Sends requests, and retries those that were not accepted.
pub(crate) struct Retrier<OnRetry, Sleep> {
    max_retries: u32,
    /// Whether requests with idempotency keys are repeated, too, if they may have been executed.
    idempotent: bool,
    /// Whether the server recognizes idempotency keys, once it was asked.
    recognizes_keys: Cell<Option<bool>>,
    /// Gets a message for each retry, and one if there is to be none.
    on_retry: OnRetry,
    /// Sleeps; returns false if the run was stopped.
    sleep: Sleep,
}

impl<OnRetry, Sleep> Retrier<OnRetry, Sleep>
where
    OnRetry: Fn(&str),
    Sleep: Fn(Duration) -> bool,
{
    pub(crate) fn new(max_retries: u32, idempotent: bool, on_retry: OnRetry, sleep: Sleep) -> Self {
        Self { max_retries, idempotent, recognizes_keys: Cell::new(None), on_retry, sleep }
    }

    /// Sends a request. Another attempt follows only if nothing was accepted, or if idempotency keys let the server
    /// recognize the repetition, so that no command is executed twice.
    pub(crate) fn send(
        &self,
        client: &mut Client,
        request: &mut HttpRequest<'_>,
        first_attempt: FirstAttempt,
    ) -> Result<Vec<Reply>, Error> {
        let mut attempts = Attempts { failed: 0, first: first_attempt };
        loop {
            let result = client.send_request(request);
            let Some(failure) = Failure::of(&result, request, self.idempotent) else { return result };
            if !self.back_off(&failure, &mut attempts)
                || failure.may_be_executed && !self.may_repeat(client, &mut attempts)
            {
                return result;
            }
        }
    }

    /// Waits before the next attempt; returns false if there is to be none.
    fn back_off(&self, failure: &Failure<'_>, attempts: &mut Attempts) -> bool {
        attempts.failed = attempts.failed.saturating_add(1);
        if attempts.failed > self.max_retries || failure.may_be_executed && self.is_too_late(attempts) {
            return false;
        }
        match decide(attempts.failed, failure.retry_after, SystemTime::now(), random_jitter()) {
            RetryDecision::RetryAfter(backoff) => {
                let (failed, total, seconds) =
                    (attempts.failed, self.max_retries.saturating_add(1), backoff.as_secs_f64());
                let action = if failure.may_be_executed { "repeating with idempotency keys" } else { "retrying" };
                (self.on_retry)(&format!(
                    "attempt {failed} of {total} failed: {}; {action} in {seconds:.1} s",
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

    /// Whether a request that may have been executed can be sent again now.
    fn may_repeat(&self, client: &mut Client, attempts: &mut Attempts) -> bool {
        self.asks_for_keys(client, attempts) == Some(true) && !self.is_too_late(attempts)
    }

    /// Whether the server has said that it ignores idempotency keys.
    pub(crate) fn knows_that_keys_are_ignored(&self) -> bool {
        self.recognizes_keys.get() == Some(false)
    }

    /// Decides before the first attempt of this run about a request that an earlier run may have sent.
    pub(crate) fn may_resend(&self, client: &mut Client, first_attempt: FirstAttempt) -> Resend {
        let mut attempts = Attempts { failed: 0, first: first_attempt };
        match self.asks_for_keys(client, &mut attempts) {
            None => Resend::Later,
            Some(true) if !self.is_too_late(&attempts) => Resend::Now,
            Some(_) => Resend::Never,
        }
    }

    fn is_too_late(&self, attempts: &Attempts) -> bool {
        let is_too_late = attempts.first.elapsed() >= REPEAT_LIMIT;
        if is_too_late {
            let minutes = REPEAT_LIMIT.as_secs() / 60;
            (self.on_retry)(&format!(
                "not repeating: the first attempt was over {minutes} minutes ago, and servers keep idempotency keys for 5"
            ));
        }
        is_too_late
    }

    /// Asks the server whether it recognizes idempotency keys, until it has answered once in a run. That it cannot be asked
    /// counts as a failed attempt; none if no attempts remain.
    fn asks_for_keys(&self, client: &mut Client, attempts: &mut Attempts) -> Option<bool> {
        while self.recognizes_keys.get().is_none() {
            match client.idempotency_support() {
                Ok(support) => {
                    let problem = unsupported(&support);
                    self.recognizes_keys.set(Some(problem.is_none()));
                    if let Some(problem) = problem {
                        (self.on_retry)(&format!("not repeating: {problem}"));
                    }
                }
                Err(error) => {
                    let failure = Failure::of_error(&error);
                    if !failure.is_some_and(|failure| self.back_off(&failure, attempts)) {
                        (self.on_retry)(&format!(
                            "not repeating: cannot find out whether the server recognizes idempotency keys: {}",
                            without_hint(&error)
                        ));
                        return None;
                    }
                }
            }
        }
        self.recognizes_keys.get()
    }
}

/// What to do with a request that an earlier run may have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    Now,
    /// The server did not say whether it recognizes idempotency keys.
    Later,
    /// It ignores them, or has forgotten them by now.
    Never,
}

/// Why idempotency keys are of no use.
fn unsupported(support: &IdempotencySupport) -> Option<String> {
    let version = match support {
        IdempotencySupport::Supported => return None,
        IdempotencySupport::TooOld { version, .. } => format!("Centrifugo {version}"),
        _ => "the server".to_owned(),
    };
    Some(format!("{version} ignores idempotency keys; they require Centrifugo 5.2 or later"))
}

/// The attempts of one request.
struct Attempts {
    failed: u32,
    first: FirstAttempt,
}

/// A failed attempt after which another one is allowed.
struct Failure<'a> {
    text: String,
    retry_after: Option<&'a str>,
    /// Only with idempotency keys.
    may_be_executed: bool,
}

impl<'a> Failure<'a> {
    fn of(result: &'a Result<Vec<Reply>, Error>, request: &HttpRequest<'_>, idempotent: bool) -> Option<Self> {
        let is_repeatable = || idempotent && request.is_repeatable();
        match result {
            Err(error) => Self::of_error(error)
                .or_else(|| (error.is_repeatable() && is_repeatable()).then(|| Self::unknown_error(error))),
            Ok(replies) if request.is_read_only() => {
                let error = find_error(replies, ErrorKind::SafeToRetry)?;
                Some(Self { text: error.to_string(), retry_after: None, may_be_executed: false })
            }
            // Other commands of the request may have been executed.
            Ok(replies) => {
                let error = find_error(replies, ErrorKind::OutcomeUnknown)?;
                let text = format!("{}: {}", request.url(), error.message());
                is_repeatable().then_some(Self { text, retry_after: None, may_be_executed: true })
            }
        }
    }

    /// A failure after which nothing was accepted.
    fn of_error(error: &'a Error) -> Option<Self> {
        let (text, retry_after) = (error.to_string(), error.retry_after());
        error.is_retryable().then_some(Self { text, retry_after, may_be_executed: false })
    }

    fn unknown_error(error: &'a Error) -> Self {
        Self { text: without_hint(error), retry_after: error.retry_after(), may_be_executed: true }
    }
}

/// The first error of this kind after which a repetition could succeed.
fn find_error(replies: &[Reply], kind: ErrorKind) -> Option<&ReplyError> {
    replies.iter().flat_map(Reply::errors).find(|error| error.kind() == kind && error.is_repeatable())
}

/// The error without what a person would have to do about it.
fn without_hint(error: &Error) -> String {
    let text = error.to_string();
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    text.strip_suffix(&hint).unwrap_or(&text).to_owned()
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
