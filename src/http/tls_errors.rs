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
            "the server does not speak TLS",
            "nothing was sent: write http:// in the address, or the port that speaks TLS",
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => not_retryable(
            "the server wants a certificate of its client",
            "nothing was accepted: such are not supported; use an address of the server that does without",
        ),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
        | rustls::Error::PeerIncompatible(_) => safe_to_retry(
            "the server offers no TLS that is safe",
            "nothing was sent: TLS 1.2 or 1.3 has to be switched on in the server",
        ),
        // The platform's verifier found no certificates anywhere.
        rustls::Error::General(_) => not_retryable(
            "no certificates to trust were found",
            "nothing was sent: check the PEM file or the folder that SSL_CERT_FILE or SSL_CERT_DIR names; without \
             them, install the system's CA certificates",
        ),
        error => safe_to_retry(format!("TLS failed: {error}"), "nothing was sent: check the server's TLS"),
    }
}

fn certificate_failure(error: &CertificateError) -> Error {
    match error {
        // A bad signature comes from an authority that was made anew under its old name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => certificate_error(
            "is signed by an authority that is not trusted",
            "nothing was sent: set SSL_CERT_FILE to the PEM file of that authority, or check the address",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            certificate_error("has expired", "nothing was sent: renew it, or check this machine's clock")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            certificate_error("is not valid yet", "nothing was sent: check this machine's clock")
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => certificate_error(
            "names no host",
            "nothing was sent: the server needs one with its host as subjectAltName; the common name does not count",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => certificate_error(
            "is for another host",
            "nothing was sent: write the name that the certificate is for in the address",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => wrong_key_usage(),
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => certificate_error(
                "is that of an authority, not usable for servers",
                "nothing was sent: the server needs one that an authority has signed, without the CA flag",
            ),
            Some(_) => unverifiable(),
            // The platform's verifier does not export the type that it uses for this.
            None => wrong_key_usage(),
        },
        _ => unverifiable(),
    }
}

fn wrong_key_usage() -> Error {
    certificate_error(
        "is not usable for servers",
        "nothing was sent: the server needs one with the extended key usage serverAuth",
    )
}

fn unverifiable() -> Error {
    certificate_error(
        "cannot be checked",
        "nothing was sent: the server needs one of X.509 version 3, signed with a current algorithm, for a host that its \
         authority may sign for",
    )
}

fn certificate_error(problem: &str, hint: &str) -> Error {
    not_retryable(&format!("the server's certificate {problem}"), hint)
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
