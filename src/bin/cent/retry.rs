//! One request: its attempts, as the library's policy decides; clock, sleep, randomness and messages are here.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use cent::{
    Client, ConnectionInfo, Error, ErrorKind, HttpRequest, IdempotencySupport, NextStep, REPEAT_LIMIT, Repeat, Reply,
    RetryPolicy,
};

use crate::clock::{Clock, Timestamp};
use crate::exit::Rejection;
use crate::hints;
use crate::options::Options;

/// How long servers keep an idempotency key after its first use.
pub(crate) const KEY_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A repetition ends so much before its key does: timestamps have whole seconds.
const KEY_MARGIN: Duration = Duration::from_secs(2);

type Print<'a> = Box<dyn Fn(&str) + 'a>;
type Sleep<'a> = Box<dyn Fn(Duration) -> bool + 'a>;

/// Sends requests, more than once where the policy allows it.
pub(crate) struct Retrier<'a> {
    client: Client,
    policy: RetryPolicy,
    max_attempts: u32,
    /// From the first attempt of a request to the start of its last one.
    max_time: Option<Duration>,
    is_quiet: bool,
    clock: Clock,
    /// When the first attempt of the last request began.
    start: Instant,
    /// How many attempts of the last request failed.
    failed_attempts: u32,
    /// How long the last attempt of the last request took.
    pub(crate) last_attempt: Duration,
    /// Whether the server has said that it ignores idempotency keys.
    pub(crate) keys_are_ignored: bool,
    print: Print<'a>,
    /// Returns false if the run was stopped.
    sleep: Sleep<'a>,
}

impl<'a> Retrier<'a> {
    pub(crate) fn new(client: Client, options: &Options, is_quiet: bool, print: Print<'a>, sleep: Sleep<'a>) -> Self {
        let clock = if options.journal.is_some() { Clock::of_machine() } else { Clock::of_this_run() };
        let policy = RetryPolicy::new(options.max_retries);
        let policy = if options.idempotent { policy.with_keys() } else { policy };
        let max_attempts = options.max_retries.saturating_add(1);
        Self {
            client,
            policy,
            max_attempts,
            max_time: options.retry_max_time,
            is_quiet,
            clock,
            start: Instant::now(),
            failed_attempts: 0,
            last_attempt: Duration::ZERO,
            keys_are_ignored: false,
            print,
            sleep,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn connection(&self) -> ConnectionInfo {
        self.client.connection()
    }

    /// Sends a request, and retries or repeats it as the policy allows. It was sent first at this time, perhaps by an
    /// earlier run, whose outcome is unknown if `is_repetition`.
    pub(crate) fn send(
        &mut self,
        request: &mut HttpRequest<'_>,
        first: &Timestamp,
        mut is_repetition: bool,
    ) -> Result<Vec<Reply>, Error> {
        self.begin();
        loop {
            let start = Instant::now();
            let result = if is_repetition {
                self.client.send_request_within(request, key_time_left(first, &self.now()))
            } else {
                self.client.send_request(request)
            };
            self.last_attempt = start.elapsed();
            let step = self.next_step(result.as_deref(), request.repeat(), first);
            let is_next = self.back_off(step, || failure_text(&result, request.url(), step));
            let may_be_executed = matches!(step, NextStep::Repeat(_));
            if !is_next || may_be_executed && self.may_repeat(first) != Resend::Now {
                return result;
            }
            is_repetition |= may_be_executed;
        }
    }

    /// Calls the server without changing anything, so that nothing counts as sent while it cannot be reached.
    pub(crate) fn check_server(&mut self) -> Result<(), Error> {
        self.read(Client::check_server)
    }

    /// Checks that the server recognizes idempotency keys, before any of them is relied on.
    pub(crate) fn check_keys(&mut self) -> anyhow::Result<()> {
        let support = self.read(Client::idempotency_support)?;
        if support == IdempotencySupport::NoNodes {
            let address = self.client.requests().endpoint().address();
            return Err(Rejection(format!("{address}: {NO_NODES}; check that this is Centrifugo")).into());
        }
        ignorance(&support).map_or(Ok(()), |problem| {
            Err(Rejection(format!("{problem}; run without --idempotent, or upgrade the server")).into())
        })
    }

    /// Lets the next request take a new connection.
    pub(crate) fn disconnect(&mut self) {
        self.client.close_connection();
    }

    /// Decides about a request that may have been executed, at any time after its first attempt.
    pub(crate) fn may_resend(&mut self, first: &Timestamp) -> Resend {
        self.begin();
        self.may_repeat(first)
    }

    fn may_repeat(&mut self, first: &Timestamp) -> Resend {
        let problem = match self.read_again(Client::idempotency_support) {
            Ok(IdempotencySupport::NoNodes) => Err(NO_NODES.to_owned()),
            Ok(support) => Ok(ignorance(&support)),
            Err(error) => Err(without_hint(&error)),
        };
        let resend = match problem {
            Ok(None) => Resend::Now,
            Ok(Some(problem)) => {
                (self.print)(&format!("not repeating: {problem}"));
                self.keys_are_ignored = true;
                Resend::Never
            }
            Err(problem) => {
                (self.print)(&format!(
                    "not repeating: cannot find out whether the server recognizes idempotency keys: {problem}"
                ));
                Resend::Later
            }
        };
        // After the question, whose retries take their time.
        if resend == Resend::Now && is_too_late(first, &self.now()) {
            self.report_expired_keys();
            return Resend::Never;
        }
        resend
    }

    fn report_expired_keys(&self) {
        let minutes = REPEAT_LIMIT.as_secs() / 60;
        (self.print)(&format!(
            "not repeating: the first attempt was over {minutes} minutes ago, and servers keep idempotency keys for 5"
        ));
    }

    fn read<T>(&mut self, call: impl Fn(&mut Client) -> Result<T, Error>) -> Result<T, Error> {
        self.begin();
        self.read_again(call)
    }

    /// Begins to count attempts and their time.
    fn begin(&mut self) {
        (self.start, self.failed_attempts) = (Instant::now(), 0);
    }

    /// Makes a call that changes nothing, until it succeeds or no attempts remain. Those that failed before count.
    fn read_again<T>(&mut self, call: impl Fn(&mut Client) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            let error = match call(&mut self.client) {
                Err(error) => error,
                result => return result,
            };
            let step = self.next_step(Err(&error), Repeat::Reads, &self.now());
            if !self.back_off(step, || hints::text_of(&error)) {
                return Err(error);
            }
        }
    }

    fn next_step(&mut self, result: Result<&[Reply], &Error>, repeat: Repeat, first: &Timestamp) -> NextStep {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        let age = first.age(&self.now()).unwrap_or(Duration::MAX);
        self.policy.next_step(result, repeat, self.failed_attempts, age, random_jitter())
    }

    /// Waits before the next attempt; returns false if there is to be none.
    fn back_off(&self, step: NextStep, text: impl FnOnce() -> String) -> bool {
        let (backoff, action) = match step {
            NextStep::Retry(backoff) => (backoff, "retrying"),
            NextStep::Repeat(backoff) => (backoff, "repeating with idempotency keys"),
            NextStep::LongRetryAfter(delay) => {
                let seconds = delay.as_secs();
                (self.print)(&format!("not retrying: the server's Retry-After ({seconds} s) exceeds 60 s"));
                return false;
            }
            NextStep::KeysExpired => {
                self.report_expired_keys();
                return false;
            }
            _ => return false,
        };
        if let Some(max) = self.max_time.filter(|&max| self.start.elapsed() + backoff > max) {
            let (max, backoff) = (max.as_secs_f64(), backoff.as_secs_f64());
            let pause = format!("the pause of {backoff:.1} s would end later than --retry-max-time ({max} s)");
            (self.print)(&format!("not retrying: {pause}"));
            return false;
        }
        if !self.is_quiet {
            let (failed, total, seconds) = (self.failed_attempts, self.max_attempts, backoff.as_secs_f64());
            (self.print)(&format!("attempt {failed} of {total} failed: {}; {action} in {seconds:.1} s", text()));
        }
        (self.sleep)(backoff)
    }

    /// How many attempts an error took, if those before the last one were not reported; to be put before the error.
    pub(crate) fn attempts_text(&self) -> String {
        match self.failed_attempts {
            attempts @ 2.. if self.is_quiet => format!("after {attempts} attempts: "),
            _ => String::new(),
        }
    }

    /// Adds how many attempts an error took, if those before the last one were not reported.
    pub(crate) fn with_attempts(&self, error: impl Into<anyhow::Error>) -> anyhow::Error {
        let (error, text) = (error.into(), self.attempts_text());
        if text.is_empty() { error } else { error.context(text.trim_end_matches(": ").to_owned()) }
    }
}

/// What to do with a request that may have been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    Now,
    /// The server did not say whether it recognizes idempotency keys.
    Later,
    /// It ignores them, or has forgotten them by now.
    Never,
}

/// Whether a request that was sent first at this time must not be repeated any more.
fn is_too_late(first: &Timestamp, now: &Timestamp) -> bool {
    first.age(now).is_none_or(|age| age >= REPEAT_LIMIT)
}

/// How long a repetition may take, so that it ends before the server forgets its keys.
fn key_time_left(first: &Timestamp, now: &Timestamp) -> Duration {
    let age = first.age(now).unwrap_or(KEY_LIFETIME);
    KEY_LIFETIME.saturating_sub(age).saturating_sub(KEY_MARGIN)
}

const NO_NODES: &str = "the reply to info lists no nodes";

/// Why idempotency keys are of no use.
fn ignorance(support: &IdempotencySupport) -> Option<String> {
    let version = match support {
        support if support.is_supported() => return None,
        IdempotencySupport::TooOld { version, .. } => format!("Centrifugo {version}"),
        _ => "the server".to_owned(),
    };
    Some(format!("{version} ignores idempotency keys; they require Centrifugo 5.2 or later"))
}

/// Why another attempt follows.
fn failure_text(result: &Result<Vec<Reply>, Error>, url: &str, step: NextStep) -> String {
    let is_repeat = matches!(step, NextStep::Repeat(_));
    let replies = match result {
        Err(error) if is_repeat => return without_hint(error),
        Err(error) => return hints::text_of(error),
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

    fn at(seconds: u64) -> Timestamp {
        Timestamp { time: seconds, uptime: seconds, machine: Some("m".to_owned()) }
    }

    #[test]
    fn requests_are_repeated_for_four_minutes() {
        assert!(!is_too_late(&at(0), &at(239)) && is_too_late(&at(0), &at(240)));
        let restarted = Timestamp { machine: Some("other".to_owned()), ..at(1) };
        assert!(is_too_late(&at(0), &restarted));
    }

    #[test]
    fn repetition_ends_before_keys_do() {
        let left = |now: &Timestamp| key_time_left(&at(0), now).as_secs();
        assert_eq!([0, 239, 297, 298, 1000].map(|seconds| left(&at(seconds))), [298, 59, 1, 0, 0]);
        assert_eq!(left(&Timestamp { machine: None, ..at(1) }), 0);
    }

    #[test]
    fn jitter_is_random() {
        let jitters: Vec<_> = (0..100).map(|_| random_jitter()).collect();
        assert!(jitters.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        let any = |predicate: fn(&f64) -> bool| jitters.iter().any(predicate);
        assert!(any(|&jitter| jitter < 0.5) && any(|&jitter| jitter > 0.5), "{jitters:?}");
    }
}
