//! HTTP proxy configuration.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::server::address::{bracketed, check_host, split_port};
use crate::server::secret::SecretString;

/// An HTTP proxy. `http://` requests are forwarded by the proxy; `https://` requests use a CONNECT tunnel.
///
/// ```
/// let proxy = cent::Proxy::parse("http://user:marked@proxy.example:3128")?;
/// assert!(!format!("{proxy:?}").contains("marked"));
/// assert!(cent::Proxy::parse("socks5://proxy.example").is_err());
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<SecretString>,
}

impl Proxy {
    /// Parses `[http://][user:password@]host[:port][/]`. The default port is 1080, as in curl. User and password may be
    /// percent-encoded.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - a scheme other than `http`: TLS and SOCKS proxies are not supported,
    /// - no host, or a port outside 1 to 65535.
    ///
    /// Errors never include the text, since it may contain a password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(invalid("unsupported proxy scheme (only http:// is supported)")),
            None => text,
        };
        let authority = rest.trim_end_matches('/');
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority).map_err(|_| invalid("invalid proxy port (expected 1 to 65535)"))?;
        check_host(host).map_err(|_| invalid("invalid proxy host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self { host: host.to_owned(), port: port.unwrap_or(1080), authorization: credentials.map(authorization) })
    }

    /// Host and port, for messages.
    pub fn name(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }
}

/// As [`Proxy::parse`].
impl FromStr for Proxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

fn invalid(message: &str) -> Error {
    Error::invalid(message).with_hint("use http://HOST:PORT, or no proxy")
}

fn authorization(credentials: &str) -> SecretString {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let mut pair: Vec<u8> = percent_decode_str(user).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(password));
    SecretString::new(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_port_and_slash_are_optional() {
        for text in ["http://proxy:3128", "HTTP://proxy:3128/", "proxy:3128"] {
            assert_eq!(Proxy::parse(text).unwrap().name(), "proxy:3128", "{text}");
        }
        assert_eq!("proxy".parse::<Proxy>().unwrap().name(), "proxy:1080");
        assert_eq!(Proxy::parse("http://[::1]:3128").unwrap().name(), "[::1]:3128");
    }

    #[test]
    fn credentials_are_decoded_and_hidden() {
        let proxy = Proxy::parse("http://us%65r:p%40ss@proxy:3128").unwrap();
        // The base64 of user:p@ss.
        assert_eq!(proxy.authorization.as_ref().unwrap().expose(), "Basic dXNlcjpwQHNz");
        assert!(!format!("{proxy:?}").contains("dXNlcjpwQHNz"));
    }

    #[test]
    fn rejects_invalid_proxy_without_echo() {
        for bad in [
            "socks5://proxy",
            "https://u:marked@proxy",
            "http://",
            "proxy:99999",
            "u:marked@",
            "pro xy",
            "http://[marked",
            "http://[::1",
            "http://::1",
            "proxy/marked",
        ] {
            let error = Proxy::parse(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid);
            assert!(!error.to_string().contains("marked"), "{error}");
        }
    }
}
