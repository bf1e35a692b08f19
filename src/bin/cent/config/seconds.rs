//! Times as a user writes them: seconds in the config file, with a unit if wanted on the command line.

use std::time::Duration;

/// Parses seconds, whole or fractional, above 0. The error says what is expected instead.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse().ok().filter(|_| is_plain).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "a number of seconds above 0, such as 5 or 0.5".to_owned())
}

/// Parses a time above 0: seconds, or a number with the unit `ms`, `s` or `m`. The error says what is expected instead.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    // The longer unit comes first, because it ends like the shorter one.
    let units = [("ms", Duration::from_millis(1)), ("s", Duration::from_secs(1)), ("m", Duration::from_secs(60))];
    let (number, unit) = units
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .unwrap_or((text, Duration::from_secs(1)));
    let scaled = parse_seconds(number).ok().and_then(|seconds| {
        let seconds = seconds.as_secs_f64() * unit.as_secs_f64();
        Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
    });
    scaled.ok_or_else(|| "a time above 0, such as 5, 2.5s, 500ms or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in
            [("5", 5000), ("2.5", 2500), ("5s", 5000), ("500ms", 500), ("2m", 120_000), (".5s", 500)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["", "s", "ms", "0s", "5 s", "5h", "-1s", "5sec", "1e3s", "0.0000001ms", "5S"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_plain_numbers_above_zero() {
        for good in ["5", "0.5", ".5", "5."] {
            assert!(parse_seconds(good).is_ok(), "{good}");
        }
        for bad in ["0", "-1", "", ".", "1e3", "inf", "nan", "5s", "0.0000000001", "+5"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
