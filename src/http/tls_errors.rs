//! Failures of TLS in words.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, OtherError, PeerIncompatible};

use crate::error::Error;
use crate::error_kind::ErrorKind;

/// The TLS error that an I/O error wraps, if any.
pub(super) fn error_inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

pub(super) fn tls_failure(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate_failure(error),
        // A plain HTTP response cannot be parsed as TLS.
        rustls::Error::InvalidMessage(_) => safe_to_retry(
            "the server does not use TLS on this port",
            "nothing was sent: use http://, or the server's TLS port",
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => not_retryable(
            "the server requires a client certificate",
            "nothing was accepted: use an address that does not require one, since client certificates are not supported",
        ),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => not_retryable(
            "TLS handshake failed: no common TLS version",
            "nothing was sent: enable TLS 1.2 or 1.3 on the server",
        ),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => not_retryable(
            "the server does not accept HTTP/1.1 on this port",
            "nothing was sent: use the port of the HTTP API; this one may be for gRPC or HTTP/2 only",
        ),
        error if is_mismatch(error) => {
            not_retryable("TLS handshake failed: the server rejected what the client offers", HINT_OFFER)
        }
        rustls::Error::PeerIncompatible(error) => {
            not_retryable(&format!("TLS handshake failed: {}", incompatibility(error)), HINT_OFFER)
        }
        error => other_failure(error),
    }
}

fn other_failure(error: &rustls::Error) -> Error {
    safe_to_retry(format!("TLS error: {error}"), "nothing was sent: check the server's TLS configuration")
}

/// Whether this is the alert for all that client and server do not have in common.
fn is_mismatch(error: &rustls::Error) -> bool {
    use AlertDescription::{HandshakeFailure, IllegalParameter, InsufficientSecurity};
    matches!(error, rustls::Error::AlertReceived(HandshakeFailure | IllegalParameter | InsufficientSecurity))
}

/// What a server must have. Its alert is the same whatever is missing.
const HINT_OFFER: &str = "nothing was sent: the server needs TLS 1.3, or a cipher suite of TLS 1.2 with ECDHE and AES-GCM or \
     ChaCha20; the curve X25519, P-256 or P-384; and a certificate whose key is RSA, P-256, P-384 or Ed25519";

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

/// An unknown CA, with what may be its cause.
#[derive(Debug, thiserror::Error)]
#[error("unknown CA")]
pub(super) struct UntrustedIssuer {
    /// The server sent its own certificate alone, and another one has issued it.
    pub(super) is_chain_short: bool,
    /// Where CA certificates could not be read.
    pub(super) roots_problem: Option<String>,
}

impl From<UntrustedIssuer> for rustls::Error {
    fn from(error: UntrustedIssuer) -> Self {
        CertificateError::Other(OtherError(Arc::new(error))).into()
    }
}

fn untrusted_issuer(error: &UntrustedIssuer) -> Error {
    let problem = error.roots_problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default();
    let hint = if error.is_chain_short { HINT_CHAIN } else { HINT_CA };
    certificate_error(&format!("is signed by an unknown CA{problem}"), hint)
}

const HINT_CA: &str = "nothing was sent: set SSL_CERT_FILE to the CA's PEM file, or check the address";
const HINT_CHAIN: &str = "nothing was sent: set SSL_CERT_FILE to the CA's PEM file, or make the server send its \
     intermediate certificate, or check the address";

fn certificate_failure(error: &CertificateError) -> Error {
    match error {
        // A bad signature comes from an authority that was made anew under its old name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            certificate_error("is signed by an unknown CA", HINT_CA)
        }
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
             signatures with SHA-256, SHA-384 or SHA-512",
        ),
        CertificateError::Other(other) if other.0.is::<UntrustedIssuer>() => {
            other.0.downcast_ref().map_or_else(unverifiable, untrusted_issuer)
        }
        CertificateError::Other(other) if other.0.is::<WeakKey>() => certificate_error(
            "has a key of an unsupported size",
            "nothing was sent: an RSA key needs 2048 to 8192 bits",
        ),
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => certificate_error(
                "is a CA certificate",
                "nothing was sent: the server needs a certificate issued by a CA, without the CA flag",
            ),
            Some(_) => unverifiable(),
            // The platform's verifier does not export the type that it uses for this.
            None => wrong_key_usage(),
        },
        _ => unverifiable(),
    }
}

fn wrong_key_usage() -> Error {
    certificate_error("is not valid for servers", "nothing was sent: it needs the extended key usage serverAuth")
}

fn unverifiable() -> Error {
    certificate_error(
        "cannot be verified",
        "nothing was sent: it must be X.509 v3, use a current signature algorithm, and satisfy its CA's name constraints",
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

/// Whether the server ended the connection because the client has no certificate. With TLS 1.3 that is known only after
/// the request has left, but before the server reads it (RFC 8446, section 6.2).
pub(super) fn is_certificate_required(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::AlertReceived(AlertDescription::CertificateRequired))
}

/// The alert of TLS 1.3 for a client without a certificate.
pub(super) fn missing_client_certificate() -> rustls::Error {
    rustls::Error::AlertReceived(AlertDescription::CertificateRequired)
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

/// Whether this is how servers with TLS 1.2 reject a client without a certificate (seen on OpenSSL and Go).
pub(super) fn is_client_rejected(error: &rustls::Error) -> bool {
    use AlertDescription::{AccessDenied, BadCertificate, CertificateUnknown, HandshakeFailure};
    matches!(error, rustls::Error::AlertReceived(BadCertificate | CertificateUnknown | HandshakeFailure | AccessDenied))
}
