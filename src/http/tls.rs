//! TLS over a TCP connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::ResolvesClientCert;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
    StreamOwned,
};

use super::attempt::Attempt;
use super::errors::{ConnectError, with_phase};
use super::roots::RootPaths;
use super::socket::Socket;
use super::tls_errors::{UntrustedIssuer, error_inside, is_client_rejected, missing_client_certificate, weak_key};
use crate::connection::TlsInfo;

pub(super) type TlsStream = StreamOwned<ClientConnection, Socket>;

/// Makes the handshakes with a server.
#[derive(Debug)]
pub(super) struct Tls {
    host: String,
    /// Made with the first connection, which reads the CA certificates.
    config: OnceLock<Arc<ClientConfig>>,
    client_certificate: Arc<NoClientCertificate>,
    attempt: Arc<Attempt>,
}

impl Tls {
    pub(super) fn new(host: &str, attempt: &Arc<Attempt>) -> Self {
        Self {
            host: host.to_owned(),
            config: OnceLock::new(),
            client_certificate: Arc::default(),
            attempt: Arc::clone(attempt),
        }
    }

    /// The name that the server's certificate must have.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, ConnectError> {
        ServerName::try_from(self.host.clone()).map_err(|_| ConnectError::InvalidServerName)
    }

    pub(super) fn handshake(&self, name: ServerName<'static>, mut socket: Socket) -> Result<TlsStream, ureq::Error> {
        self.client_certificate.was_requested.store(false, Ordering::Release);
        let mut connection = ClientConnection::new(self.config()?, name).map_err(ConnectError::Tls)?;
        socket.is_plaintext = false;
        connection.complete_io(&mut socket).map_err(|error| match error_inside(&error) {
            Some(error) => ConnectError::Tls(self.explain(error)).into(),
            None => with_phase(error.into(), || "in the TLS handshake".to_owned()),
        })?;
        self.attempt.state().connection.tls = tls_info(&connection);
        Ok(StreamOwned::new(connection, socket))
    }

    /// Servers with TLS 1.2 have several alerts for a client without a certificate.
    fn explain(&self, error: &rustls::Error) -> rustls::Error {
        let was_requested = self.client_certificate.was_requested.load(Ordering::Acquire);
        if was_requested && is_client_rejected(error) { missing_client_certificate() } else { error.clone() }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(&provider)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(ConnectError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&self.client_certificate) as Arc<dyn ResolvesClientCert>);
        // A server that speaks HTTP/2 only then ends the handshake instead of reading the request.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}

fn tls_info(connection: &ClientConnection) -> Option<TlsInfo> {
    let version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_2 => "1.2",
        _ => "1.3",
    };
    Some(TlsInfo::new(version, connection.peer_certificates()?.first()?.to_vec()))
}

/// Records whether the server asks for a client certificate; there is none.
#[derive(Debug, Default)]
struct NoClientCertificate {
    was_requested: AtomicBool,
}

impl ResolvesClientCert for NoClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_requested.store(true, Ordering::Release);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Verifies certificates, and adds to the error of an unknown CA what may be its cause.
#[derive(Debug)]
struct Verifier {
    inner: Arc<dyn ServerCertVerifier>,
    /// Why a CA may be missing.
    roots_problem: Option<String>,
}

impl Verifier {
    fn new(provider: &Arc<CryptoProvider>) -> Result<Self, ConnectError> {
        let provider = Arc::clone(provider);
        let Some(paths) = RootPaths::find() else {
            let verifier = rustls_platform_verifier::Verifier::new(provider);
            let inner = Arc::new(verifier.map_err(|_| ConnectError::NoRoots(None))?);
            return Ok(Self { inner, roots_problem: None });
        };
        let roots = paths.load().map_err(ConnectError::Roots)?;
        let roots_problem = roots.problem;
        match WebPkiServerVerifier::builder_with_provider(Arc::new(roots.store), provider).build() {
            Ok(inner) => Ok(Self { inner, roots_problem }),
            Err(_) => Err(ConnectError::NoRoots(roots_problem)),
        }
    }

    fn explain(&self, error: rustls::Error, certificate: &CertificateDer<'_>, is_alone: bool) -> rustls::Error {
        if error != rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) {
            return error;
        }
        let is_chain_short = is_alone && !is_self_issued(certificate);
        UntrustedIssuer { is_chain_short, roots_problem: self.roots_problem.clone() }.into()
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
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| self.explain(error, end_entity, intermediates.is_empty()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss).map_err(weak_key)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss).map_err(weak_key)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
