//! The address of a server.

use std::fmt;
use std::str::FromStr;

use crate::characters;
use crate::error::Error;

/// Servers and proxies reject request lines that are much longer.
const MAX_BYTES: usize = 8 * 1024;

/// The scheme of an [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A server address: `http://` or `https://`, host, optional port and path prefix.
///
/// ```
/// use cent::Address;
///
/// let address = Address::parse("http://localhost:8000/api/")?;
/// assert_eq!(address.to_string(), "http://localhost:8000");
/// assert!(Address::parse("localhost:8000").is_err());
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: Option<u16>,
    /// Empty, or with a leading and without a trailing slash.
    prefix: String,
}

impl Address {
    /// Parses an address. A trailing `/`, `/api` or `/api/` is ignored; any other path is kept as a prefix. An IPv6 address
    /// is in brackets, and has no zone.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - a scheme other than `http` and `https`, or none,
    /// - credentials, a query or a fragment,
    /// - no host, or a port outside 1 to 65535,
    /// - more than 8 KB,
    /// - whitespace, control characters, non-ASCII and other characters that are not allowed in a URL.
    ///
    /// Errors never include the text, since it may contain credentials.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::invalid(format!("address longer than {} KB", MAX_BYTES / 1024)).with_hint("shorten it"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::invalid("address has no scheme").with_hint("add http:// or https://"));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ if scheme.starts_with(['"', '\'']) || scheme.starts_with(characters::is_typographic_quote) => {
                return Err(Error::invalid("address starts with a quote").with_hint("remove the quotes"));
            }
            _ => return Err(Error::invalid("unsupported scheme in address").with_hint("use http:// or https://")),
        };
        if let Some(c) = rest.chars().find(|&c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c)) {
            let hint = if characters::is_typographic_quote(c) || characters::is_unusual_space(c) {
                "remove it"
            } else {
                "use punycode for the host and percent-encode the path"
            };
            return Err(Error::invalid(format!("address contains {}", characters::name(c))).with_hint(hint));
        }
        // First, so that parts of a password are not reported as a port or a path.
        if rest.contains('@') {
            return Err(Error::invalid("address contains credentials (@)")
                .with_hint("remove them and use a secret or an API key instead"));
        }
        if rest.contains('?') {
            return Err(
                Error::invalid("address contains a query string").with_hint("remove the ? and everything after it")
            );
        }
        if rest.contains('#') {
            return Err(Error::invalid("address contains a fragment").with_hint("remove the # and everything after it"));
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        let path = path.trim_end_matches('/');
        let prefix = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/');
        Ok(Self {
            scheme,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            prefix: prefix.to_owned(),
        })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name or an IP address; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, by default that of the scheme: 80 or 443.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// Host and port as in a URL; the port only if it was given.
    pub(crate) fn authority(&self) -> String {
        let host = bracketed(&self.host);
        self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }
}

/// As [`Address::parse`].
impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// The address as a URL, without a trailing slash and without `/api`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.prefix)
    }
}

/// The host, with brackets around an IPv6 address as a URL requires.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Splits `host:port`; an IPv6 host is in brackets.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), Error> {
    let after_brackets = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[after_brackets..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_brackets + colon);
    match port[1..].parse() {
        Ok(number @ 1..) if port[1..].bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err(Error::invalid("invalid port in address (expected 1 to 65535)")
            .with_hint("use HOST:PORT, with brackets around an IPv6 address")),
    }
}

pub(crate) fn check_host(host: &str) -> Result<(), Error> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match bare {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    if valid {
        Ok(())
    } else if host.is_empty() {
        Err(Error::invalid("address has no host").with_hint("use http://HOST:PORT"))
    } else {
        Err(Error::invalid("invalid host in address")
            .with_hint("use a hostname, an IPv4 address, or an IPv6 address in brackets"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Address::parse(text).map_or_else(|error| error.to_string(), |address| address.to_string())
    }

    #[test]
    fn ignores_trailing_slash_and_api() {
        for end in ["", "/", "/api", "/api/", "//", "/api//"] {
            assert_eq!(shown(&format!("http://localhost:8000{end}")), "http://localhost:8000", "{end}");
            assert_eq!(shown(&format!("HTTPS://a.example/rt{end}")), "https://a.example/rt", "{end}");
        }
        assert_eq!(shown("http://h/myapi"), "http://h/myapi");
        assert_eq!("http://h/api".parse::<Address>().unwrap(), Address::parse("http://h/").unwrap());
    }

    #[test]
    fn port_defaults_to_that_of_scheme() {
        assert_eq!(Address::parse("http://h").unwrap().port(), 80);
        assert_eq!(Address::parse("https://h/x").unwrap().port(), 443);
        assert_eq!(Address::parse("https://[::1]:8443").unwrap().port(), 8443);
        assert_eq!(shown("https://[::1]:8443/api"), "https://[::1]:8443");
        assert_eq!(Address::parse("http://[::1]").unwrap().host(), "::1");
        assert_eq!(shown("http://[::]:8000"), "http://[::]:8000");
    }

    #[test]
    fn rejects_invalid_address_without_echo() {
        for bad in [
            "",
            "localhost:8000",
            "ftp://h",
            "://h",
            "http://",
            "http:///x",
            "http://u:marked@h",
            "http://h?marked",
            "http://h#marked",
            "http://h:0",
            "http://h:65536",
            "http://h:",
            "http://h:+1",
            "http://h:8000marked",
            "http://ma rked",
            "http://hö",
            "http://h\u{7f}",
            "http://h/ma rked",
            "http://h/ö",
            "http://h/a|b",
            "http://::1",
            "http://[marked]",
            "http://h]:1",
            "http://[::1]x:1",
            "http://[fe80::1%25marked]",
        ] {
            let error = Address::parse(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{bad}");
            assert!(!error.to_string().contains("marked"), "{bad}");
        }
    }

    #[test]
    fn length_is_limited() {
        let address = |bytes: usize| format!("http://h/{}", "x".repeat(bytes - "http://h/".len()));
        assert!(Address::parse(&address(MAX_BYTES)).is_ok());
        let error = Address::parse(&address(MAX_BYTES + 1)).unwrap_err();
        assert_eq!(error.to_string(), "address longer than 8 KB; shorten it");
    }
}
