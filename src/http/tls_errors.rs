//! Failures of TLS in words.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, OtherError, PeerIncompatible, PeerMisbehaved};

use super::attempt::ClientAuth;
use crate::error::Error;
use crate::error_kind::ErrorKind;

/// The TLS error that an I/O error wraps, if any.
pub(super) fn error_inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// The failure of a handshake with this host.
pub(super) fn handshake_failure(error: &rustls::Error, host: &str, client_auth: ClientAuth) -> Error {
    use AlertDescription::{InternalError, NoApplicationProtocol, ProtocolVersion, UnrecognisedName};
    if let Some(rejected) = client_rejected(error, client_auth) {
        return rejected;
    }
    match error {
        rustls::Error::InvalidCertificate(error) => certificate_failure(error),
        // A plain HTTP response cannot be parsed as TLS.
        rustls::Error::InvalidMessage(_) => not_retryable(
            "the server does not use TLS on this port",
            "nothing was sent: use http://, or the server's TLS port",
        ),
        rustls::Error::AlertReceived(ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => not_retryable(
            "TLS handshake failed: no common TLS version",
            "nothing was sent: enable TLS 1.2 or 1.3 on the server",
        ),
        rustls::Error::AlertReceived(NoApplicationProtocol) => not_retryable(
            "the server does not accept HTTP/1.1 on this port",
            "nothing was sent: use the port of the HTTP API; this one may be for gRPC or HTTP/2 only",
        ),
        rustls::Error::AlertReceived(UnrecognisedName) => no_certificate(host),
        // Clients send no IP address in the handshake, and servers that choose a certificate by name have none then.
        rustls::Error::AlertReceived(InternalError) if is_ip_address(host) => no_certificate(host),
        error if is_mismatch(error) && is_ip_address(host) => no_certificate(host),
        error if is_mismatch(error) => {
            not_retryable("TLS handshake failed: the server rejected what the client offers", HINT_OFFER)
        }
        rustls::Error::PeerIncompatible(error) => {
            not_retryable(&format!("TLS handshake failed: {}", incompatibility(error)), HINT_OFFER)
        }
        // Go's servers send it where they have no certificate for a name; Caddy may get one later.
        rustls::Error::AlertReceived(InternalError) => safe_to_retry(
            format!("TLS handshake failed: {}", text(error)),
            &format!(
                "nothing was sent: check the server's TLS configuration, and that it has a certificate for {host}"
            ),
        ),
        error => safe_to_retry(
            format!("TLS handshake failed: {}", text(error)),
            "nothing was sent: check the server's TLS configuration",
        ),
    }
}

fn is_ip_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

fn no_certificate(host: &str) -> Error {
    not_retryable(
        &format!("the server has no certificate for {host}"),
        "nothing was sent: in the address, use a hostname that it has a certificate for",
    )
}

/// A server's rejection of the client's certificate, or of a client without one. With TLS 1.3 it comes only after the
/// handshake, before the server reads the request.
pub(super) fn client_rejected(error: &rustls::Error, client_auth: ClientAuth) -> Option<Error> {
    use AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = error else { return None };
    match (client_auth, alert) {
        (_, Alert::CertificateRequired)
        | (
            ClientAuth::Missing,
            // With TLS 1.2 there is no alert for this (seen on OpenSSL and Go).
            Alert::BadCertificate | Alert::CertificateUnknown | Alert::HandshakeFailure | Alert::AccessDenied,
        ) => Some(not_retryable(
            "the server requires a client certificate",
            "nothing was accepted: configure a client certificate, or use an address that does not require one",
        )),
        (
            ClientAuth::Sent,
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure,
        ) => Some(not_retryable(
            &format!("the server rejected the client certificate ({})", alert_name(*alert)),
            "nothing was accepted: use a valid certificate of a CA that the server trusts for clients",
        )),
        _ => None,
    }
}

/// Whether the server asked for another handshake on a connection with TLS 1.2. rustls refuses with a warning, which OpenSSL
/// answers with `handshake_failure`; after the handshake nothing else leads to it.
pub(super) fn is_renegotiation(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::NoRenegotiation)
            | rustls::Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests)
    )
}

pub(super) const RENEGOTIATION: &str = "the server requires TLS renegotiation, which is not supported";

/// Servers renegotiate before they read the request's body, for a path with TLS settings of its own (seen on Apache).
pub(super) fn renegotiation() -> Error {
    not_retryable(
        RENEGOTIATION,
        "nothing was accepted: on the server, set client certificates and cipher suites for all paths, not only for some",
    )
}

/// What rustls says, without the names of its types.
pub(super) fn text(error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(alert) => format!("the server sent the TLS alert {}", alert_name(*alert)),
        rustls::Error::InvalidMessage(_) => "the server sent an invalid TLS message".to_owned(),
        rustls::Error::DecryptError => "a TLS record cannot be decrypted".to_owned(),
        rustls::Error::PeerSentOversizedRecord => "the server sent a TLS record that is too large".to_owned(),
        rustls::Error::NoCertificatesPresented => "the server sent no certificate".to_owned(),
        rustls::Error::PeerMisbehaved(_) | rustls::Error::InappropriateMessage { .. } => {
            "the server violates the TLS protocol".to_owned()
        }
        _ => "TLS error".to_owned(),
    }
}

/// The name of an alert as the standards have it (RFC 8446, section 6).
fn alert_name(alert: AlertDescription) -> String {
    let code = u8::from(alert);
    let name = match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        71 => "insufficient_security",
        80 => "internal_error",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        116 => "certificate_required",
        _ => return code.to_string(),
    };
    name.to_owned()
}

/// Whether this is the alert for all that client and server do not have in common.
fn is_mismatch(error: &rustls::Error) -> bool {
    use AlertDescription::{HandshakeFailure, IllegalParameter, InsufficientSecurity};
    matches!(error, rustls::Error::AlertReceived(HandshakeFailure | IllegalParameter | InsufficientSecurity))
}

/// What a server must have. Its alert is the same whatever is missing.
const HINT_OFFER: &str = "nothing was sent: the server needs TLS 1.2 or 1.3; a cipher suite with AES-GCM or ChaCha20, in \
     TLS 1.2 with ECDHE; the curve X25519, P-256 or P-384; a certificate whose key is RSA (not RSA-PSS), P-256, P-384 or Ed25519; and \
     signatures with SHA-256 or SHA-384";

fn incompatibility(error: &PeerIncompatible) -> &'static str {
    match error {
        PeerIncompatible::NoCipherSuitesInCommon => "no common cipher suite",
        PeerIncompatible::NoKxGroupsInCommon => "no common curve",
        PeerIncompatible::NoSignatureSchemesInCommon => "no common signature algorithm",
        _ => "the server's TLS is not supported",
    }
}

pub(super) fn no_roots(problem: Option<&str>) -> Error {
    let problem = problem.map(|problem| format!(" ({problem})")).unwrap_or_default();
    not_retryable(
        &format!("no CA certificates found{problem}"),
        "nothing was sent: check SSL_CERT_FILE or SSL_CERT_DIR, or install the system's CA certificates",
    )
}

/// A certificate that no trusted CA has issued.
#[derive(Debug, thiserror::Error)]
#[error("unknown CA")]
pub(super) struct UntrustedIssuer {
    pub(super) cause: UntrustedCause,
    /// Whether the environment's or the system's certificates are trusted, and not those that the client was given.
    pub(super) is_system: bool,
    /// Where CA certificates could not be read.
    pub(super) problem: Option<String>,
}

/// Why it is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UntrustedCause {
    SelfSigned,
    UnknownCa,
    /// The server sent its own certificate alone, and another one has issued it.
    ShortChain,
    /// The key of the CA with the issuer's name does not verify the signature.
    OtherKey,
}

impl From<UntrustedIssuer> for rustls::Error {
    fn from(error: UntrustedIssuer) -> Self {
        CertificateError::Other(OtherError(Arc::new(error))).into()
    }
}

fn untrusted_issuer(error: &UntrustedIssuer) -> Error {
    let (what, file, trusted) = match error.cause {
        UntrustedCause::SelfSigned => ("is self-signed and not trusted", "its PEM file", "it"),
        UntrustedCause::UnknownCa | UntrustedCause::ShortChain => {
            ("is signed by an unknown CA", "the CA's PEM file", "its CA")
        }
        UntrustedCause::OtherKey => (
            "has a signature that does not match its CA's key",
            "the CA's current PEM file",
            "its CA's current certificate",
        ),
    };
    let problem = error.problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default();
    let trust = if error.is_system {
        format!("set SSL_CERT_FILE to {file}")
    } else {
        format!("add {trusted} to the certificates to trust")
    };
    let addition = match error.cause {
        UntrustedCause::ShortChain => ", or make the server send its intermediate certificate",
        UntrustedCause::OtherKey => " (an RSA key needs 2048 to 8192 bits)",
        UntrustedCause::SelfSigned | UntrustedCause::UnknownCa => "",
    };
    certificate_error(
        &format!("{what}{problem}"),
        &format!("nothing was sent: {trust}{addition}, or check the address"),
    )
}

fn certificate_failure(error: &CertificateError) -> Error {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            certificate_error("has expired", "nothing was sent: renew it, or check this machine's clock")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            certificate_error("is not valid yet", "nothing was sent: check this machine's clock")
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => certificate_error(
            "has no subjectAltName",
            "nothing was sent: the certificate must list the hostname there (the common name is ignored)",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => certificate_error(
            "does not match the hostname",
            "nothing was sent: in the address, use the hostname that the certificate was issued for",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => wrong_key_usage(),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => certificate_error(
            "is signed with an unsupported algorithm",
            "nothing was sent: it and its CA need keys of RSA (2048 to 8192 bits), P-256, P-384 or Ed25519, and \
             signatures with SHA-256 or SHA-384",
        ),
        CertificateError::Other(other) if other.0.is::<UntrustedIssuer>() => {
            other.0.downcast_ref().map_or_else(unverifiable, untrusted_issuer)
        }
        CertificateError::Other(other) if other.0.is::<WeakKey>() => certificate_error(
            "has a key of an unsupported size",
            "nothing was sent: an RSA key needs 2048 to 8192 bits",
        ),
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(error) => invalid_certificate(error),
            // The platform's verifier does not export the type that it uses for this.
            None => wrong_key_usage(),
        },
        _ => unverifiable(),
    }
}

/// What webpki rejects, and rustls has no words for.
fn invalid_certificate(error: &webpki::Error) -> Error {
    use webpki::Error;
    let (problem, hint) = match error {
        Error::CaUsedAsEndEntity => (
            "is a CA certificate",
            "nothing was sent: the server needs a certificate issued by a CA, without the CA flag; or add this one \
             to the certificates to trust",
        ),
        Error::EndEntityUsedAsCa => (
            "is issued by a certificate that is not a CA",
            "nothing was sent: issue it with a certificate that has the CA flag (basicConstraints CA:TRUE)",
        ),
        Error::UnsupportedCertVersion => (
            "has a version other than X.509 v3",
            "nothing was sent: issue it again, with a subjectAltName, as X.509 v3",
        ),
        Error::NameConstraintViolation => (
            "has a name that its CA must not certify",
            "nothing was sent: issue it with names that the name constraints of its CA permit, or by another CA",
        ),
        Error::PathLenConstraintViolated => (
            "has a longer chain than one of its CAs permits",
            "nothing was sent: issue it with a CA nearer to the root, or the CA certificates with a greater pathlen",
        ),
        Error::MaximumPathDepthExceeded => (
            "has a chain of more than 6 intermediate certificates",
            "nothing was sent: trust one of the intermediate certificates, or issue it with a CA nearer to the root",
        ),
        Error::UnsupportedCriticalExtension => (
            "has a critical extension that is not supported",
            "nothing was sent: issue it, or the CA certificate above it, without the extension",
        ),
        Error::UnsupportedNameType | Error::MalformedNameConstraint | Error::InvalidNetworkMaskConstraint => (
            "has a CA with a name constraint that is not supported",
            "nothing was sent: issue the CA certificate without the constraint",
        ),
        _ => return unverifiable(),
    };
    certificate_error(problem, hint)
}

fn wrong_key_usage() -> Error {
    certificate_error(
        "is not valid for servers",
        "nothing was sent: it and its intermediate certificates \
             need the extended key usage serverAuth",
    )
}

fn unverifiable() -> Error {
    certificate_error(
        "is invalid",
        "nothing was sent: issue it again, with a current version of OpenSSL or another tool",
    )
}

fn certificate_error(problem: &str, hint: &str) -> Error {
    not_retryable(&format!("server certificate {problem}"), hint)
}

fn safe_to_retry(message: impl Into<String>, hint: &str) -> Error {
    Error::new(ErrorKind::SafeToRetry, message).with_hint(hint)
}

/// A lasting mismatch: nothing was accepted, but a retry cannot succeed.
fn not_retryable(message: &str, hint: &str) -> Error {
    safe_to_retry(message, hint).not_retryable()
}

/// A signature of the handshake that cannot be verified: the key has a supported type, but not a supported size.
#[derive(Debug, thiserror::Error)]
#[error("unsupported key size")]
struct WeakKey;

/// A bad signature in the handshake, unlike one in a certificate, has no other cause in practice.
pub(super) fn weak_key(error: rustls::Error) -> rustls::Error {
    if error == CertificateError::BadSignature.into() {
        return CertificateError::Other(OtherError(Arc::new(WeakKey))).into();
    }
    error
}
