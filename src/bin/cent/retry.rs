//! One request: its attempts, as the library's policy decides; clock, sleep, randomness and messages are here.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use cent::{
    Client, Error, ErrorKind, HttpRequest, IdempotencySupport, NextStep, REPEAT_LIMIT, Repeat, Reply, RetryPolicy,
};

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

/// Sends requests, more than once where the policy allows it.
pub(crate) struct Retrier<OnRetry, Sleep> {
    policy: RetryPolicy,
    max_attempts: u32,
    /// Whether the server recognizes idempotency keys, once it was asked.
    recognizes_keys: Cell<Option<bool>>,
    /// How many attempts the last request took.
    attempts: Cell<u32>,
    /// Leaves out the messages for retries, because they may succeed.
    is_quiet: bool,
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
    pub(crate) fn new(max_retries: u32, idempotent: bool, is_quiet: bool, on_retry: OnRetry, sleep: Sleep) -> Self {
        let policy = RetryPolicy::new(max_retries);
        let policy = if idempotent { policy.with_keys() } else { policy };
        let max_attempts = max_retries.saturating_add(1);
        Self {
            policy,
            max_attempts,
            recognizes_keys: Cell::new(None),
            attempts: Cell::new(0),
            is_quiet,
            on_retry,
            sleep,
        }
    }

    /// Sends a request, and retries or repeats it as the policy allows.
    pub(crate) fn send(
        &self,
        client: &mut Client,
        request: &mut HttpRequest<'_>,
        first_attempt: FirstAttempt,
    ) -> Result<Vec<Reply>, Error> {
        let mut attempts = Attempts { failed: 0, first: first_attempt };
        loop {
            let result = client.send_request(request);
            let step = self.next_step(result.as_deref(), request.repeat(), &mut attempts);
            let is_next = self.back_off(step, &attempts, || failure_text(&result, request.url(), step))
                && (!matches!(step, NextStep::Repeat(_)) || self.may_repeat(client, &mut attempts));
            if !is_next {
                self.attempts.set(attempts.failed);
                return result;
            }
        }
    }

    /// What to add to the error of the last request, if its attempts were not reported.
    pub(crate) fn attempts_text(&self) -> String {
        let attempts = self.attempts.get();
        if self.is_quiet && attempts > 1 { format!(" (after {attempts} attempts)") } else { String::new() }
    }

    fn next_step(&self, result: Result<&[Reply], &Error>, repeat: Repeat, attempts: &mut Attempts) -> NextStep {
        attempts.failed = attempts.failed.saturating_add(1);
        self.policy.next_step(result, repeat, attempts.failed, attempts.first.elapsed(), random_jitter())
    }

    /// Waits before the next attempt; returns false if there is to be none.
    fn back_off(&self, step: NextStep, attempts: &Attempts, text: impl FnOnce() -> String) -> bool {
        let (backoff, action) = match step {
            NextStep::Retry(backoff) => (backoff, "retrying"),
            NextStep::Repeat(backoff) => (backoff, "repeating with idempotency keys"),
            NextStep::LongRetryAfter(delay) => {
                let seconds = delay.as_secs();
                (self.on_retry)(&format!("not retrying: the server's Retry-After ({seconds} s) exceeds 60 s"));
                return false;
            }
            NextStep::KeysExpired => {
                self.report_expired_keys();
                return false;
            }
            _ => return false,
        };
        let (failed, total, seconds) = (attempts.failed, self.max_attempts, backoff.as_secs_f64());
        if !self.is_quiet {
            (self.on_retry)(&format!("attempt {failed} of {total} failed: {}; {action} in {seconds:.1} s", text()));
        }
        (self.sleep)(backoff)
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
            self.report_expired_keys();
        }
        is_too_late
    }

    fn report_expired_keys(&self) {
        let minutes = REPEAT_LIMIT.as_secs() / 60;
        (self.on_retry)(&format!(
            "not repeating: the first attempt was over {minutes} minutes ago, and servers keep idempotency keys for 5"
        ));
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
                    let step = self.next_step(Err(&error), Repeat::Reads, attempts);
                    if !self.back_off(step, attempts, || error.to_string()) {
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

/// Why another attempt follows.
fn failure_text(result: &Result<Vec<Reply>, Error>, url: &str, step: NextStep) -> String {
    let is_repeat = matches!(step, NextStep::Repeat(_));
    let replies = match result {
        Err(error) if is_repeat => return without_hint(error),
        Err(error) => return error.to_string(),
        Ok(replies) => replies,
    };
    let kind = if is_repeat { ErrorKind::OutcomeUnknown } else { ErrorKind::SafeToRetry };
    let mut errors = replies.iter().flat_map(Reply::errors);
    let error = errors.find(|error| error.kind() == kind && error.is_repeatable());
    error.map_or_else(
        String::new,
        |error| if is_repeat { format!("{url}: {}", error.message()) } else { error.to_string() },
    )
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

/// A random number between 0 and 1. The standard library's hash keys are random enough for that.
fn random_jitter() -> f64 {
    f64::from(u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_random() {
        let jitters: Vec<_> = (0..100).map(|_| random_jitter()).collect();
        assert!(jitters.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        let any = |predicate: fn(&f64) -> bool| jitters.iter().any(predicate);
        assert!(any(|&jitter| jitter < 0.5) && any(|&jitter| jitter > 0.5), "{jitters:?}");
    }
}
