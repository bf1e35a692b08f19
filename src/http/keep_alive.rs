//! How long a kept connection may be idle before it is not used again.
//!
//! A request that is written while the server closes the connection looks like one that was lost. Servers close idle
//! connections after 1 to 75 s: whoever sends that slowly does not feel a new connection.

use std::time::Duration;

/// The longest idle time by default, whatever the server says.
pub(super) const MAX_IDLE: Duration = Duration::from_millis(500);

/// The idle time, of at most the limit, for a server that sent these `Keep-Alive` headers: half of what `timeout=` says,
/// since the request is on its way for some of it.
pub(super) fn max_idle<'a>(headers: impl Iterator<Item = &'a str>, limit: Duration) -> Duration {
    headers.flat_map(|header| header.split(',')).filter_map(timeout).map(|timeout| timeout / 2).fold(limit, Ord::min)
}

/// The seconds of a `timeout=5`; fractions are no standard, but some servers send them.
fn timeout(param: &str) -> Option<Duration> {
    let (name, value) = param.split_once('=')?;
    let seconds =
        value.trim().trim_matches('"').parse().ok().filter(|_| name.trim().eq_ignore_ascii_case("timeout"))?;
    // A number that is too large for a duration is no limit.
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_servers_timeout_counts() {
        let millis = |header: &str| max_idle([header].into_iter(), MAX_IDLE).as_millis();
        for (header, expected) in [
            ("timeout=5", 500),
            ("timeout=5, max=100", 500),
            ("max=100, Timeout = 0.3", 150),
            ("timeout=\"0.5\"", 250),
            ("timeout=1,timeout=0.2", 100),
            ("timeout=0", 0),
            ("timeout=-1", 500),
            ("timeout=nan", 500),
            ("timeout=1e300", 500),
            ("timeout=", 500),
            ("max=0", 500),
            ("idle-timeout=0", 500),
            ("", 500),
        ] {
            assert_eq!(millis(header), expected, "{header}");
        }
        assert_eq!(max_idle(std::iter::empty(), MAX_IDLE), MAX_IDLE);
        assert_eq!(max_idle(["max=5", "timeout=0.1"].into_iter(), MAX_IDLE), MAX_IDLE / 10);
        assert_eq!(max_idle(["timeout=75"].into_iter(), Duration::MAX), Duration::from_millis(37_500));
    }
}
