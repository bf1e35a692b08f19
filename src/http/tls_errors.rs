//! Failures of TLS in words.

use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::error::Error;
use crate::error_kind::ErrorKind;

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
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
        | rustls::Error::PeerIncompatible(_) => safe_to_retry(
            "TLS handshake failed: no common TLS version or cipher",
            "nothing was sent: enable TLS 1.2 or 1.3 with a modern cipher suite on the server",
        ),
        // The platform's verifier found no certificates anywhere.
        rustls::Error::General(_) => not_retryable(
            "no CA certificates found",
            "nothing was sent: check SSL_CERT_FILE or SSL_CERT_DIR, or install the system's CA certificates",
        ),
        error => safe_to_retry(format!("TLS error: {error}"), "nothing was sent: check the server's TLS configuration"),
    }
}

fn certificate_failure(error: &CertificateError) -> Error {
    match error {
        // A bad signature comes from an authority that was made anew under its old name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => certificate_error(
            "is signed by an unknown CA",
            "nothing was sent: set SSL_CERT_FILE to the CA's PEM file, or check the address",
        ),
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

/// The TLS error that an I/O error wraps, if any.
pub(super) fn inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
