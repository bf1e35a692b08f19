//! Where requests go and what proves that they may: an address, and a secret or an API key.
//!
//! Everything is checked once, here, so that the rest of the crate need not doubt it.

use std::fmt;

use zeroize::Zeroizing;

use crate::command::{self, Rules};
use crate::error::Error;

/// A text that `Debug` does not show and that is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hidden(Zeroizing<String>);

impl Hidden {
    /// Takes a text that was made for this as it is: a copy would leave one that nobody wipes.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The scheme of an [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// The address of a server, as configured: `http://` or `https://`, a host, perhaps a port and a path prefix.
///
/// ```
/// use cent::Address;
///
/// let address = Address::parse("http://localhost:8000/api/")?;
/// assert_eq!(address.to_string(), "http://localhost:8000");
/// assert!(Address::parse("localhost:8000").is_err());
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: Option<u16>,
    /// Empty, or with a leading and without a trailing slash.
    prefix: String,
}

impl Address {
    /// Reads an address. A trailing `/`, `/api` or `/api/` does not count; a path before it is kept as a prefix.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - a scheme other than `http` and `https`, or none,
    /// - credentials, a query or a fragment,
    /// - no host, or a port outside 1 to 65535,
    /// - white space, control characters, non-ASCII and other characters that no URL holds.
    ///
    /// The text itself is never shown: credentials may stand in it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::invalid("the address has no scheme").hint("write http:// or https:// before it"));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(Error::invalid("the address has an unknown scheme").hint("write http:// or https://")),
        };
        if let Some(c) = rest.chars().find(|&c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c)) {
            return Err(Error::invalid(format!("the address holds {}", name_of(c)))
                .hint("write the host in its ASCII (punycode) form and percent-encode the path"));
        }
        // Before the rest, so that the parts of a password are not taken for a port or a path.
        if rest.contains('@') {
            return Err(Error::invalid("the address holds credentials (an @)")
                .hint("leave them out: the key secret or api_key proves who you are"));
        }
        if rest.contains('?') {
            return Err(Error::invalid("the address has a query").hint("leave out all from the ? on"));
        }
        if rest.contains('#') {
            return Err(Error::invalid("the address has a fragment").hint("leave out all from the # on"));
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

    /// The host: a name or an IP address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port as written, or the scheme's own: 80 or 443.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// Host and port as they stand in a URL, the port only if it was written.
    pub(crate) fn authority(&self) -> String {
        let host = bracketed(&self.host);
        self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }
}

/// The address as a URL, without a trailing slash and without `/api`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.prefix)
    }
}

/// The host with the brackets that an IPv6 address needs in a URL.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Splits `host:port`, where an IPv6 host stands in brackets.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), Error> {
    let after_brackets = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[after_brackets..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_brackets + colon);
    match port[1..].parse() {
        Ok(number @ 1..) if port[1..].bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err(Error::invalid("the port of the address is no number from 1 to 65535")
            .hint("write host:port, an IPv6 address in brackets")),
    }
}

fn check_host(host: &str) -> Result<(), Error> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match bare {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    if valid {
        Ok(())
    } else if host.is_empty() {
        Err(Error::invalid("the address has no host").hint("write http://HOST:PORT"))
    } else {
        Err(Error::invalid("the host of the address is not valid")
            .hint("write a name, an IPv4 address, or an IPv6 address in brackets"))
    }
}

fn name_of(c: char) -> String {
    if c.is_ascii_graphic() { format!("the character {c}") } else { format!("the character U+{:04X}", u32::from(c)) }
}

/// How a request proves that it may: the form of request and answer follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Signs requests: Centrifugo 1.
    Secret(Hidden),
    /// Travels with requests: Centrifugo 2 to 6.
    ApiKey(Hidden),
}

/// An address together with the secret or the API key that opens it. `Debug` shows neither.
///
/// ```
/// use cent::{Address, Endpoint};
///
/// let endpoint = Endpoint::with_secret(Address::parse("http://localhost:8000")?, "long-secret")?;
/// assert!(!format!("{endpoint:?}").contains("long-secret"));
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    address: Address,
    credential: Credential,
}

impl Endpoint {
    /// An endpoint of Centrifugo 1, whose requests are signed with the project's secret.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for an empty secret and one with control characters.
    pub fn with_secret(address: Address, secret: &str) -> Result<Self, Error> {
        if secret.is_empty() {
            return Err(Error::invalid("the secret is empty").hint("write the secret of the server's config"));
        }
        if let Some(c) = secret.chars().find(|c| c.is_control()) {
            return Err(Error::invalid(format!("the secret holds the control character U+{:04X}", u32::from(c)))
                .hint("write the secret of the server's config, on one line"));
        }
        Ok(Self { address, credential: Credential::Secret(Hidden::new(secret)) })
    }

    /// An endpoint of Centrifugo 2 to 6, whose requests carry the API key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for an empty key and one that is not printable ASCII without
    /// white space: the servers split the header at white space and so refuse every such key (seen on 2.8.6 to 6.9.1).
    pub fn with_api_key(address: Address, api_key: &str) -> Result<Self, Error> {
        if api_key.is_empty() {
            return Err(Error::invalid("the API key is empty").hint("write the API key of the server's config"));
        }
        if let Some(c) = api_key.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(Error::invalid(format!("the API key holds the character U+{:04X}", u32::from(c)))
                .hint("a key is printable ASCII without white space: choose such a key in the server's config"));
        }
        Ok(Self { address, credential: Credential::ApiKey(Hidden::new(api_key)) })
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The names of the methods that this crate knows of servers of this form; others are sent as they are.
    ///
    /// ```
    /// let endpoint = cent::Endpoint::with_secret(cent::Address::parse("http://localhost:8000")?, "long-secret")?;
    /// assert!(endpoint.known_methods().any(|name| name == "stats"));
    /// assert!(!endpoint.known_methods().any(|name| name == "info"));
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn known_methods(&self) -> impl Iterator<Item = &'static str> + use<> {
        command::method_names(self.rules())
    }

    /// The rules that commands have to keep.
    pub(crate) fn rules(&self) -> Rules {
        match self.credential {
            Credential::Secret(_) => Rules::First,
            Credential::ApiKey(_) => Rules::Later,
        }
    }

    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Address::parse(text).map_or_else(|error| error.to_string(), |address| address.to_string())
    }

    #[test]
    fn slashes_and_api_at_the_end_do_not_count() {
        for end in ["", "/", "/api", "/api/", "//", "/api//"] {
            assert_eq!(shown(&format!("http://localhost:8000{end}")), "http://localhost:8000", "{end}");
            assert_eq!(shown(&format!("HTTPS://a.example/rt{end}")), "https://a.example/rt", "{end}");
        }
        assert_eq!(shown("http://h/myapi"), "http://h/myapi");
    }

    #[test]
    fn ports_are_kept_or_follow_from_the_scheme() {
        assert_eq!(Address::parse("http://h").unwrap().port(), 80);
        assert_eq!(Address::parse("https://h/x").unwrap().port(), 443);
        assert_eq!(Address::parse("https://[::1]:8443").unwrap().port(), 8443);
        assert_eq!(shown("https://[::1]:8443/api"), "https://[::1]:8443");
        assert_eq!(Address::parse("http://[::1]").unwrap().host(), "::1");
        assert_eq!(shown("http://[::]:8000"), "http://[::]:8000");
    }

    #[test]
    fn what_is_no_address_is_refused_without_showing_it() {
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
        ] {
            let error = Address::parse(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{bad}");
            assert!(!error.to_string().contains("marked"), "{bad}");
        }
    }

    #[test]
    fn a_secret_may_hold_anything_but_control_characters() {
        let address = Address::parse("http://h").unwrap();
        for good in ["x", " a b ", "söcret", "\"'\\#;=%"] {
            assert!(Endpoint::with_secret(address.clone(), good).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "\u{7f}", "\u{85}", "\0"] {
            assert!(Endpoint::with_secret(address.clone(), bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_api_key_is_printable_ascii_without_white_space() {
        let address = Address::parse("http://h").unwrap();
        assert!(Endpoint::with_api_key(address.clone(), "a-B_9!~").is_ok());
        for bad in ["", "a b", "kéy", "a\tb", "\u{a0}"] {
            assert!(Endpoint::with_api_key(address.clone(), bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let address = Address::parse("http://h").unwrap();
        let secret = Endpoint::with_secret(address.clone(), "marked").unwrap();
        let key = Endpoint::with_api_key(address, "marked").unwrap();
        assert!(!format!("{secret:?}{key:?}").contains("marked"));
    }
}
