//! Why a server rejected a TLS handshake.
//!
//! Its alert is the same whatever does not match. So another handshake also offers what is not supported: what the server
//! chooses then is the reason. No request is sent over that connection.

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, ActiveKeyExchange, CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CipherSuite, CipherSuiteCommon, ClientConfig, ClientConnection, DigitallySignedStruct, NamedGroup, OtherError,
    SignatureScheme, SupportedCipherSuite, Tls12CipherSuite,
};

use super::os_errors::tls_error_inside;

/// What the server chose of the things that are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("cipher suite {}", .0.as_str().unwrap_or("unknown"))]
    CipherSuite(CipherSuite),
    #[error("curve {}", .0.as_str().unwrap_or("unknown"))]
    Curve(NamedGroup),
    #[error("signature algorithm {}", .0.as_str().unwrap_or("unknown"))]
    Signature(SignatureScheme),
    /// With TLS 1.2 a key of P-521 signs with the algorithms of other curves too.
    #[error("key type")]
    Key,
}

impl From<Mismatch> for rustls::Error {
    fn from(mismatch: Mismatch) -> Self {
        Self::Other(OtherError(Arc::new(mismatch)))
    }
}

/// Finds the reason on a new connection; `None` where the server rejects this handshake too, or chooses nothing unusual.
pub(super) fn find(stream: &mut (impl Read + Write), host: ServerName<'static>) -> Option<Mismatch> {
    let config = ClientConfig::builder_with_provider(Arc::new(generous_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(SignatureRecorder))
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), host).ok()?;
    let error = connection.complete_io(stream).err()?;
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    match suite.filter(|suite| UNSUPPORTED_SUITES.contains(suite)) {
        Some(suite) => Some(Mismatch::CipherSuite(suite)),
        None => match tls_error_inside(&error)? {
            rustls::Error::Other(error) => error.0.downcast_ref().copied(),
            _ => None,
        },
    }
}

/// Offers suites and curves without being able to use them.
fn generous_provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.extend(SUITES.iter().map(SupportedCipherSuite::Tls12));
    provider.kx_groups.extend([&CURVE_P521, &CURVE_X448] as [&dyn SupportedKxGroup; 2]);
    provider
}

/// Without perfect forward secrecy, with CBC, or with finite fields.
const UNSUPPORTED_SUITES: [CipherSuite; 21] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA256,
    CipherSuite::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
];

/// A supported suite under the names of those that are not.
static SUITES: LazyLock<Vec<Tls12CipherSuite>> = LazyLock::new(|| {
    let supported = ring::DEFAULT_CIPHER_SUITES.iter().find_map(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => Some(*suite),
        SupportedCipherSuite::Tls13(_) => None,
    });
    let renamed = |suite, like: &Tls12CipherSuite| Tls12CipherSuite {
        common: CipherSuiteCommon { suite, ..like.common },
        ..*like
    };
    supported.map_or_else(Vec::new, |like| UNSUPPORTED_SUITES.map(|suite| renamed(suite, like)).into())
});

/// A curve that is offered, but not supported.
#[derive(Debug)]
struct UnsupportedCurve(NamedGroup);

static CURVE_P521: UnsupportedCurve = UnsupportedCurve(NamedGroup::secp521r1);
static CURVE_X448: UnsupportedCurve = UnsupportedCurve(NamedGroup::X448);

impl SupportedKxGroup for UnsupportedCurve {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        Err(Mismatch::Curve(self.0).into())
    }

    fn name(&self) -> NamedGroup {
        self.0
    }
}

/// Accepts every certificate, since nothing is sent, and stops at a signature that is not supported.
#[derive(Debug)]
struct SignatureRecorder;

const UNSUPPORTED_SIGNATURES: [SignatureScheme; 3] =
    [SignatureScheme::ECDSA_NISTP521_SHA512, SignatureScheme::ED448, SignatureScheme::RSA_PKCS1_SHA1];

fn mismatch(scheme: SignatureScheme) -> Mismatch {
    if UNSUPPORTED_SIGNATURES.contains(&scheme) { Mismatch::Signature(scheme) } else { Mismatch::Key }
}

impl ServerCertVerifier for SignatureRecorder {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let result = crypto::verify_tls12_signature(message, certificate, signature, &algorithms);
        result.map_err(|_| mismatch(signature.scheme).into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let result = crypto::verify_tls13_signature(message, certificate, signature, &algorithms);
        result.map_err(|_| mismatch(signature.scheme).into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let supported = ring::default_provider().signature_verification_algorithms.supported_schemes();
        supported.into_iter().chain(UNSUPPORTED_SIGNATURES).collect()
    }
}
