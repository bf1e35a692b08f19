//! Which server certificates are trusted.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::tls_errors::{UntrustedCause, UntrustedIssuer, weak_key};
use crate::server::certificates::CaCertificates;

#[derive(Debug)]
enum Trust {
    /// Those that the client was given.
    Client(CaCertificates),
    /// Those of the environment or the system.
    System(CaCertificates),
    /// The system's store, where it is in no file.
    Platform(rustls_platform_verifier::Verifier),
}

/// Verifies certificates, and adds to the error of an unknown CA what may be its cause.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn of_client(certificates: CaCertificates, provider: &CryptoProvider) -> Self {
        Self { trust: Trust::Client(certificates), algorithms: provider.signature_verification_algorithms }
    }

    pub(super) fn of_system(certificates: CaCertificates, provider: &CryptoProvider) -> Self {
        Self { trust: Trust::System(certificates), algorithms: provider.signature_verification_algorithms }
    }

    pub(super) fn of_platform(provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let trust = Trust::Platform(rustls_platform_verifier::Verifier::new(Arc::clone(provider))?);
        Ok(Self { trust, algorithms: provider.signature_verification_algorithms })
    }

    fn verify(
        &self,
        trusted: &CaCertificates,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let verify = |anchors: &RootCertStore, intermediates: &[CertificateDer<'_>]| {
            verify_server_cert_signed_by_trust_anchor(&parsed, anchors, intermediates, now, self.algorithms.all)
        };
        if trusted.contains(certificate) {
            // It vouches for itself. Without anchors, webpki checks all that does not depend on them, such as the dates,
            // before it misses an issuer or comes to the CA flag.
            match verify(&RootCertStore::empty(), &[]) {
                Err(error) if !is_only_unissued(&error) => return Err(error),
                _ => {}
            }
        } else {
            verify(trusted.anchors(), intermediates)?;
        }
        verify_server_name(&parsed, name)
    }

    /// Adds to the error of an unknown CA what may be its cause.
    fn explain(&self, error: Error, certificate: &CertificateDer<'_>, is_alone: bool) -> Error {
        // The CA was made anew under its old name, or its key is too small.
        let is_other_key = error == CertificateError::BadSignature.into();
        let cause = match &error {
            error if (is_other_key || is_only_unissued(error)) && is_self_issued(certificate) => {
                UntrustedCause::SelfSigned
            }
            _ if is_other_key => UntrustedCause::OtherKey,
            Error::InvalidCertificate(CertificateError::UnknownIssuer) if is_alone => UntrustedCause::ShortChain,
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => UntrustedCause::UnknownCa,
            _ => return error,
        };
        let (is_system, problem) = match &self.trust {
            Trust::Client(certificates) => (false, certificates.problem()),
            Trust::System(certificates) => (true, certificates.problem()),
            Trust::Platform(_) => (true, None),
        };
        let problem = problem.filter(|_| cause != UntrustedCause::OtherKey).map(ToOwned::to_owned);
        UntrustedIssuer { cause, is_system, problem }.into()
    }
}

fn is_only_unissued(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        _ => false,
    }
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = match &self.trust {
            Trust::Client(trusted) | Trust::System(trusted) => {
                self.verify(trusted, end_entity, intermediates, server_name, now)
            }
            Trust::Platform(platform) => {
                platform.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).map(drop)
            }
        };
        result.map_err(|error| self.explain(error, end_entity, intermediates.is_empty()))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms).map_err(weak_key)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms).map_err(weak_key)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
