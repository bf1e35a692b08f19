//! One request: its tries, the waits between them, and what `--verbose` tells.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use cent::{Client, Error, HttpRequest, Reply};

/// The first pause between two tries; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A server that asks for a longer pause gets no further try.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How a request is sent.
pub(crate) struct Sender<Tell, Announce, Wait> {
    /// How many times a request that surely was not accepted is tried again.
    pub(crate) retries: u32,
    /// Gets what `--verbose` tells.
    pub(crate) tell: Tell,
    /// Gets a line for each try that failed and is followed by another.
    pub(crate) announce: Announce,
    /// Waits; false where there is to be no further try.
    pub(crate) wait: Wait,
}

impl<Tell: Fn(fmt::Arguments<'_>), Announce: Fn(&str), Wait: Fn(Duration) -> bool> Sender<Tell, Announce, Wait> {
    /// Sends a request and judges the answer.
    ///
    /// Only a try of which nothing was accepted is followed by another: a request never runs twice.
    pub(crate) fn send(&self, client: &mut Client, request: &HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        let mut tried = 0;
        loop {
            let result = self.try_once(client, request);
            let error = match &result {
                Err(error) if error.is_repeatable() && tried < self.retries => error,
                _ => return result,
            };
            tried += 1;
            match pause(tried, error.retry_after(), SystemTime::now(), random_share()) {
                Next::After(pause) => {
                    let (all, seconds) = (self.retries.saturating_add(1), pause.as_secs_f64());
                    (self.announce)(&format!("{error}; try {tried} of {all}, the next one in {seconds:.1} s"));
                    if !(self.wait)(pause) {
                        return result;
                    }
                }
                Next::TooLate(pause) => {
                    let (seconds, most) = (pause.as_secs(), LONGEST_RETRY_AFTER.as_secs());
                    (self.announce)(&format!("the server asks to wait {seconds} s, over {most} s: no further try"));
                    return result;
                }
            }
        }
    }

    fn try_once(&self, client: &mut Client, request: &HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        (self.tell)(format_args!("POST {} ({} bytes)", request.url(), request.body_len()));
        let start = Instant::now();
        let answer = client.exchange(request);
        let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
        match &answer {
            Ok(answer) => {
                let (status, bytes) = (answer.status(), answer.body_len());
                (self.tell)(format_args!("status {status} ({bytes} bytes) after {milliseconds:.1} ms"));
            }
            Err(_) => (self.tell)(format_args!("no answer after {milliseconds:.1} ms")),
        }
        answer?.into_replies(request)
    }
}

/// What comes after a try of which nothing was accepted.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    After(Duration),
    TooLate(Duration),
}

/// The pause after so many tries, or what the server asks for; `share` is between 0 and 1.
///
/// Half of a pause is left to chance, so that many clients that were turned away together do not come back together.
fn pause(tried: u32, retry_after: Option<&str>, now: SystemTime, share: f64) -> Next {
    match retry_after.and_then(|text| seconds_or_date(text, now)) {
        Some(asked) if asked > LONGEST_RETRY_AFTER => Next::TooLate(asked),
        Some(asked) => Next::After(asked),
        None => {
            let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1)));
            let half = doubled.min(LONGEST_PAUSE) / 2;
            Next::After(half + half.mul_f64(share))
        }
    }
}

/// Both forms of `Retry-After` (RFC 9110, section 10.2.3); a date that is past is no pause.
fn seconds_or_date(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are too long a pause in any case.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A number between 0 and 1, from the keys that the standard library's hash maps are given.
fn random_share() -> f64 {
    f64::from(u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn after(tried: u32, share: f64) -> Next {
        pause(tried, None, SystemTime::UNIX_EPOCH, share)
    }

    fn asked(retry_after: &str) -> Next {
        // 12:00 on the day of the date below.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_966_400);
        pause(1, Some(retry_after), now, 1.0)
    }

    #[test]
    fn pauses_double_to_thirty_seconds() {
        let longest: Vec<_> = (1..9).map(|tried| after(tried, 1.0)).collect();
        assert_eq!(longest, [0.5, 1., 2., 4., 8., 16., 30., 30.].map(|s| Next::After(Duration::from_secs_f64(s))));
        assert_eq!(after(u32::MAX, 1.0), Next::After(LONGEST_PAUSE));
    }

    #[test]
    fn half_of_a_pause_is_chance() {
        assert_eq!(after(2, 0.0), Next::After(SECOND / 2));
        assert_eq!(after(2, 0.5), Next::After(SECOND * 3 / 4));
        let shares: Vec<_> = (0..100).map(|_| random_share()).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        let spread = |wanted: fn(&f64) -> bool| shares.iter().any(wanted);
        assert!(spread(|&share| share < 0.5) && spread(|&share| share > 0.5), "{shares:?}");
    }

    #[test]
    fn the_server_may_ask_in_seconds_or_with_a_date() {
        assert_eq!(asked("0"), Next::After(Duration::ZERO));
        assert_eq!(asked(" 60 "), Next::After(60 * SECOND));
        assert_eq!(asked("61"), Next::TooLate(61 * SECOND));
        assert_eq!(asked("99999999999999999999999"), Next::TooLate(Duration::from_secs(u64::MAX)));
        assert_eq!(asked("Thu, 02 Jan 2020 12:00:07 GMT"), Next::After(7 * SECOND));
        assert_eq!(asked("Thu, 02 Jan 2020 11:00:00 GMT"), Next::After(Duration::ZERO));
        assert_eq!(asked("Thu, 02 Jan 2020 13:00:00 GMT"), Next::TooLate(3600 * SECOND));
    }

    #[test]
    fn what_is_neither_seconds_nor_a_date_does_not_count() {
        for text in ["", "soon", "-1", "1.5", "5 s"] {
            assert_eq!(asked(text), Next::After(SECOND / 2), "{text}");
        }
    }
}
