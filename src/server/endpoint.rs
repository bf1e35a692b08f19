//! A server to send to: address and credential, checked once, here, so that the rest of the crate can rely on them.

use crate::characters;
use crate::error::Error;
use crate::methods::{ApiVersion, Method};
use crate::server::address::Address;
use crate::server::secret::SecretString;

/// Servers and proxies reject headers that are much longer.
const MAX_KEY_BYTES: usize = 8 * 1024;

/// A server's address plus a secret or an API key. `Debug` output hides both.
///
/// ```
/// use cent::{Address, Endpoint};
///
/// let endpoint = Endpoint::with_api_key(Address::parse("http://localhost:8000")?, "key-of-the-server")?;
/// assert!(!format!("{endpoint:?}").contains("key-of-the-server"));
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    address: Address,
    /// What the kind of credential implies.
    version: ApiVersion,
    /// The secret of Centrifugo 1, or the API key of later versions.
    credential: SecretString,
}

impl Endpoint {
    /// An endpoint of Centrifugo 1, whose requests are signed with the project's secret.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for an empty secret and one with control characters.
    pub fn with_secret(address: Address, secret: &str) -> Result<Self, Error> {
        if secret.is_empty() {
            return Err(Error::invalid("secret is empty").with_hint("copy it from the server's config"));
        }
        if let Some(c) = secret.chars().find(|c| c.is_control()) {
            return Err(Error::invalid(format!("secret contains {}", characters::name(c))).with_hint(HINT_COPY));
        }
        Ok(Self { address, version: ApiVersion::V1, credential: SecretString::new(secret) })
    }

    /// An endpoint of Centrifugo 2 to 6, whose requests carry the API key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - an empty key, and one of more than 8 KB,
    /// - one that is not printable ASCII without whitespace: the servers split the header at whitespace and reject every
    ///   such key (seen on 2.8.6 to 6.9.1).
    pub fn with_api_key(address: Address, api_key: &str) -> Result<Self, Error> {
        if api_key.is_empty() {
            return Err(Error::invalid("API key is empty").with_hint("copy it from the server's config"));
        }
        if let Some(c) = api_key.chars().find(|c| !c.is_ascii_graphic()) {
            let hint = misread_hint(api_key).unwrap_or(match c {
                c if c.is_control() => HINT_COPY,
                c if characters::is_typographic_quote(c) || characters::is_unusual_space(c) => "remove it",
                _ => {
                    "the server accepts only printable ASCII without whitespace: change the key in the server's config"
                }
            });
            return Err(Error::invalid(format!("API key contains {}", characters::name(c))).with_hint(hint));
        }
        if api_key.len() > MAX_KEY_BYTES {
            return Err(Error::invalid(format!("API key longer than {} KB", MAX_KEY_BYTES / 1024))
                .with_hint("copy it from the server's config"));
        }
        Ok(Self { address, version: ApiVersion::V2, credential: SecretString::new(api_key) })
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The methods known for this generation of servers. Other methods are sent unchecked.
    ///
    /// ```
    /// let endpoint = cent::Endpoint::with_secret(cent::Address::parse("http://localhost:8000")?, "long-secret")?;
    /// assert!(endpoint.methods().any(|method| method.name == "stats"));
    /// assert!(!endpoint.methods().any(|method| method.name == "info"));
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn methods(&self) -> impl Iterator<Item = &'static Method> + use<> {
        let version = self.version;
        Method::all().iter().filter(move |method| method.versions(version).is_some())
    }

    /// Whether requests are signed with a secret, as for Centrifugo 1, instead of carrying an API key.
    pub fn is_signed(&self) -> bool {
        self.version == ApiVersion::V1
    }

    /// The generation of servers, as methods and params go.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// What may have got into the credential by mistake: servers reject it as any other wrong one.
    pub(crate) fn credential_hint(&self) -> Option<&'static str> {
        misread_hint(self.credential.expose())
    }

    pub(crate) fn credential(&self) -> &SecretString {
        &self.credential
    }
}

const HINT_COPY: &str = "copy it from the server's config, on one line";

/// Credentials are copied with their quotes, or with a comment after them.
fn misread_hint(credential: &str) -> Option<&'static str> {
    let is_between = |quote| credential.len() > 1 && credential.starts_with(quote) && credential.ends_with(quote);
    let has_typographic_quotes = [credential.chars().next(), credential.chars().last()]
        .iter()
        .all(|c| c.is_some_and(characters::is_typographic_quote));
    if is_between('"') || is_between('\'') || has_typographic_quotes {
        Some("the quotes around it are part of the value: remove them")
    } else if [" ;", " #"].iter().any(|comment| credential.contains(comment)) {
        Some("the text after a ; or # is part of the value: remove it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_rejects_control_characters_only() {
        let address = Address::parse("http://h").unwrap();
        for good in ["x", " a b ", "söcret", "\"'\\#;=%"] {
            assert!(Endpoint::with_secret(address.clone(), good).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "\u{7f}", "\u{85}", "\0"] {
            assert!(Endpoint::with_secret(address.clone(), bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn api_key_must_be_printable_ascii() {
        let address = Address::parse("http://h").unwrap();
        assert!(Endpoint::with_api_key(address.clone(), "a-B_9!~").is_ok());
        for bad in ["", "a b", "kéy", "a\tb", "\u{a0}"] {
            assert!(Endpoint::with_api_key(address.clone(), bad).is_err(), "{bad:?}");
        }
        assert!(Endpoint::with_api_key(address.clone(), &"x".repeat(MAX_KEY_BYTES)).is_ok());
        let error = Endpoint::with_api_key(address, &"x".repeat(MAX_KEY_BYTES + 1)).unwrap_err();
        assert_eq!(error.to_string(), "API key longer than 8 KB; copy it from the server's config");
    }

    #[test]
    fn quotes_and_comments_in_credential_are_noticed() {
        for text in ["\"x\"", "'x'", "''", "“x”", "«x»", "x ; note", "x #note"] {
            assert!(misread_hint(text).is_some(), "{text}");
        }
        for text in ["x", "\"", "\"x", "x;y", "x#y", "\"x'", ""] {
            assert_eq!(misread_hint(text), None, "{text}");
        }
    }

    #[test]
    fn debug_hides_credentials() {
        let address = Address::parse("http://h").unwrap();
        let secret = Endpoint::with_secret(address.clone(), "marked").unwrap();
        let key = Endpoint::with_api_key(address, "marked").unwrap();
        assert!(!format!("{secret:?}{key:?}").contains("marked"));
    }
}
