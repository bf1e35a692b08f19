//! A number of seconds as a user writes it, in `--timeout` and in the config file.

use std::time::Duration;

/// Parses seconds, whole or fractional, above 0. The error says what is expected instead.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse().ok().filter(|_| is_plain).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "a number of seconds above 0, such as 5 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
