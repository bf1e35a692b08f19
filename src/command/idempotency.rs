//! Idempotency keys: with them, a server executes a command once, however often it is sent.
//!
//! Known from Centrifugo 5.2.0, 5.4.9 and 6.9.1 (internal/api and the brokers of the centrifuge library, and tried on all
//! three): publish, broadcast, `map_publish` and `map_remove` take `idempotency_key`. The server keeps a key for 300 s from
//! its first use, per channel, in its memory or in Redis, and responds to a repetition as it did the first time. Older
//! servers ignore keys, and so does NATS.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::Error;
use crate::json;

/// How long after its first attempt a request may be repeated: 4 minutes, because servers keep keys for 5.
pub const REPEAT_LIMIT: Duration = Duration::from_secs(4 * 60);

/// The first version that recognizes keys, as major and minor number.
const FIRST_VERSION: (u64, u64) = (5, 2);

/// An idempotency key of 128 bits, written as 32 hexadecimal digits.
///
/// Keys of one length cannot be confused with others: the servers append them to the channel's name.
///
/// ```
/// use cent::{Command, IdempotencyKey};
///
/// let key: IdempotencyKey = "0123456789abcdef0123456789abcdef".parse()?;
/// let command = Command::new("publish", r#"{"channel": "news", "data": 1}"#)?.with_idempotency_key(key);
/// assert_eq!(
///     command.params(),
///     r#"{"idempotency_key":"0123456789abcdef0123456789abcdef","channel": "news", "data": 1}"#
/// );
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey([u8; 16]);

impl IdempotencyKey {
    /// A random key, from the operating system.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the system has no random numbers.
    pub fn random() -> Result<Self, Error> {
        let mut bits = [0; 16];
        let provider = rustls::crypto::ring::default_provider();
        let filled = provider.secure_random.fill(&mut bits);
        filled.map_err(|_| Error::invalid("the operating system has no random numbers"))?;
        Ok(Self(bits))
    }

    /// The key of one of many commands, always the same for the same number and params: the first 16 bytes of HMAC-SHA256,
    /// whose key is this one, and whose message is the number in decimal digits, a space and the params.
    #[must_use]
    pub fn derived(&self, number: u64, params: &str) -> Self {
        // HMAC pads shorter keys with zeros.
        let mut block = [0; 64];
        block.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(format!("{number} ").as_bytes());
        mac.update(params.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut bits = [0; 16];
        bits.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(bits)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// For [`PublishOptions`](crate::PublishOptions).
impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.to_string()
    }
}

impl FromStr for IdempotencyKey {
    type Err = Error;

    /// Parses 32 lowercase hexadecimal digits.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for any other text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bits = [0; 16];
        let is_lowercase = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bits) {
            Ok(()) if is_lowercase => Ok(Self(bits)),
            _ => Err(Error::invalid("an idempotency key must have 32 lowercase hexadecimal digits")),
        }
    }
}

/// Whether a server recognizes idempotency keys; see
/// [`Client::idempotency_support`](crate::Client::idempotency_support).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdempotencySupport {
    /// All nodes are new enough.
    Supported,
    /// A node is older than 5.2 and ignores keys.
    #[non_exhaustive]
    TooOld {
        /// Its version.
        version: String,
    },
    /// A node does not say which version it is, such as one that was built from source. The server was asked whether it
    /// knows keys.
    #[non_exhaustive]
    UnknownVersion {
        /// Its answer; false for a server that has only the older form of the API.
        is_supported: bool,
    },
    /// The response to `info` lists no nodes: nothing is known, and it may not be from Centrifugo.
    NoNodes,
}

impl IdempotencySupport {
    /// Whether a request with keys can be repeated.
    pub fn is_supported(&self) -> bool {
        matches!(self, Self::Supported | Self::UnknownVersion { is_supported: true })
    }

    /// Reads the data of a reply to `info`; `None` if a node's version cannot be read, and no other one is too old.
    pub(crate) fn from_info(data: &str) -> Option<Self> {
        let nodes = json::as_object(data).and_then(|info| info.get_last("nodes")).and_then(json::as_array);
        let Some(nodes) = nodes.filter(|nodes| !nodes.is_empty()) else { return Some(Self::NoNodes) };
        let mut result = Some(Self::Supported);
        for node in nodes {
            let version = version_of(node).unwrap_or_default();
            match parse_version(&version) {
                Some(numbers) if numbers < FIRST_VERSION => return Some(Self::TooOld { version }),
                Some(_) => {}
                None => result = None,
            }
        }
        result
    }
}

fn version_of(node: &str) -> Option<String> {
    let version = json::as_object(node)?.get_last("version")?;
    json::as_string(version).map(std::borrow::Cow::into_owned)
}

/// Major and minor number of a version such as `5.4.9`, `v5.1.0` or `6.9.1 OSS`; `None` for that of a build from source.
fn parse_version(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.strip_prefix('v').unwrap_or(version).split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u64>().ok();
    Some((number()?, number()?)).filter(|&numbers| numbers != (0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_32_lowercase_digits() {
        let text = "000102030405060708090a0b0c0d0e0f";
        assert_eq!((key(text).to_string(), String::from(key(text))), (text.to_owned(), text.to_owned()));
        for bad in ["", "00", &text.to_uppercase(), &format!("{text}00"), &format!("{}x0", &text[..30])] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn random_keys_differ() {
        let [first, second] = [(); 2].map(|()| IdempotencyKey::random().unwrap());
        assert_ne!(first, second);
    }

    /// As `printf '17 {"channel":"news"}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:…` prints it.
    #[test]
    fn derived_key_is_hmac_of_number_and_params() {
        let derived = key("000102030405060708090a0b0c0d0e0f").derived(17, r#"{"channel":"news"}"#).to_string();
        assert_eq!(derived, "7ef339dcadd871ba7ad7112ef31bb1dd");
    }

    #[test]
    fn versions_have_two_numbers() {
        for old in ["1.8.0", "2.8.6", "3.2.3", "4.1.3", "5.0.0", "5.1.9", "v5.1.0", "5.1.0 OSS", "0.9.0", "v3.2.3"] {
            assert!(parse_version(old).unwrap() < FIRST_VERSION, "{old}");
        }
        for new in ["5.2.0", "5.4.9", "v6.0.0", "6.9.1 OSS", "10.0.0"] {
            assert!(parse_version(new).unwrap() >= FIRST_VERSION, "{new}");
        }
        for none in ["0.0.0", "0.0.0 OSS", "v0.0.0", "", "dev", "5", "v", "vv5.1.0", "5.x"] {
            assert_eq!(parse_version(none), None, "{none}");
        }
    }

    #[test]
    fn oldest_node_decides() {
        let support = |data: &str| IdempotencySupport::from_info(data);
        let too_old = || Some(IdempotencySupport::TooOld { version: "v5.1.0".to_owned() });
        for (nodes, expected) in [
            (r#"{"version":"6.9.1 OSS"}"#, Some(IdempotencySupport::Supported)),
            (r#"{"version":"5.4.9"},{"version":"v5.1.0"}"#, too_old()),
            (r#"{"version":"0.0.0"},{"version":"v5.1.0"}"#, too_old()),
            (r#"{"version":"0.0.0"},{"version":"6.9.1 OSS"}"#, None),
            (r#"{"version":"6.9.1 OSS"},{"version":7}"#, None),
            ("{}", None),
        ] {
            assert_eq!(support(&format!(r#"{{"nodes":[{nodes}]}}"#)), expected, "{nodes}");
        }
        for empty in ["{}", "null", r#"{"nodes":[]}"#, r#"{"nodes":{}}"#] {
            assert_eq!(support(empty), Some(IdempotencySupport::NoNodes), "{empty}");
        }
    }
}
