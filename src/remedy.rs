//! The settings that hints ask to change.

/// What the [hint](crate::Error::hint) of an error asks to change in the settings of a client.
///
/// Hints name settings as this library does. A program whose users set them in another place, such as a config file, can
/// say so in its own words:
///
/// ```
/// use cent::{Address, Remedy};
///
/// let error = Address::parse("http://user:password@localhost:8000").unwrap_err();
/// let mut text = error.to_string();
/// for remedy in error.remedies() {
///     if remedy == Remedy::RemoveCredentials {
///         text = text.replace(remedy.text(), "set CHAT_API_KEY instead");
///     }
/// }
/// assert_eq!(text, "address contains credentials (@); remove them and set CHAT_API_KEY instead");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// The server is Centrifugo 1: it takes a secret.
    UseSecret,
    /// The server is Centrifugo 2 or later: it takes an API key.
    UseApiKey,
    /// The API key is not the server's.
    CorrectApiKey,
    /// A comment is part of the secret or the API key.
    RemoveComment,
    /// The server has moved to another address.
    UseFinalUrl,
    /// The address contains a user or a password.
    RemoveCredentials,
    /// The proxy's URL is invalid.
    CorrectProxy,
    /// The proxy does not connect to the server.
    AvoidProxy,
    /// The server's certificate, or its CA's, is not among the certificates to trust.
    TrustCertificate,
    /// The server requires a client certificate.
    SetClientCertificate,
}

impl Remedy {
    pub(crate) const ALL: [Self; 10] = [
        Self::UseSecret,
        Self::UseApiKey,
        Self::CorrectApiKey,
        Self::RemoveComment,
        Self::UseFinalUrl,
        Self::RemoveCredentials,
        Self::CorrectProxy,
        Self::AvoidProxy,
        Self::TrustCertificate,
        Self::SetClientCertificate,
    ];

    /// The part of the hint that says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::UseSecret => "use a secret instead of an API key",
            Self::UseApiKey => "use an API key instead of a secret",
            Self::CorrectApiKey => "the key must equal http_api.key",
            Self::RemoveComment => "the text after a ; or # is part of the value: remove it",
            Self::UseFinalUrl => "use the final URL as the address",
            Self::RemoveCredentials => "use a secret or an API key instead",
            Self::CorrectProxy => "use http://HOST:PORT, or no proxy",
            Self::AvoidProxy => "the hosts without a proxy",
            Self::TrustCertificate => "to the certificates to trust",
            Self::SetClientCertificate => "configure a client certificate",
        }
    }
}
