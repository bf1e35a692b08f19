//! TLS over a TCP connection.

use std::sync::{Arc, OnceLock};

use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, SignatureScheme, StreamOwned};

use super::attempt::{Attempt, ClientAuth};
use super::errors::{ConnectError, with_phase};
use super::roots::RootPaths;
use super::socket::Socket;
use super::tls_errors::error_inside;
use super::verifier::Verifier;
use crate::connection::TlsInfo;
use crate::server::certificates::{CaCertificates, ClientCertificate};

pub(super) type TlsStream = StreamOwned<ClientConnection, Socket>;

/// Makes the handshakes with a server.
#[derive(Debug)]
pub(super) struct Tls {
    host: String,
    /// `None` for those of the environment or the system.
    ca_certificates: Option<CaCertificates>,
    client_certificate: Option<ClientCertificate>,
    /// Made with the first connection, which reads the CA certificates.
    config: OnceLock<Arc<ClientConfig>>,
    attempt: Arc<Attempt>,
}

impl Tls {
    pub(super) fn new(
        host: &str,
        ca_certificates: Option<CaCertificates>,
        client_certificate: Option<ClientCertificate>,
        attempt: &Arc<Attempt>,
    ) -> Self {
        let attempt = Arc::clone(attempt);
        Self { host: host.to_owned(), ca_certificates, client_certificate, config: OnceLock::new(), attempt }
    }

    /// The name that the server's certificate must have.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, ConnectError> {
        ServerName::try_from(self.host.clone()).map_err(|_| ConnectError::InvalidServerName)
    }

    pub(super) fn handshake(&self, name: ServerName<'static>, mut socket: Socket) -> Result<TlsStream, ureq::Error> {
        let failed = |error| ConnectError::Tls { host: self.host.clone(), error };
        let mut connection = ClientConnection::new(self.config()?, name).map_err(failed)?;
        connection.complete_io(&mut socket).map_err(|error| match error_inside(&error) {
            Some(error) => failed(error.clone()).into(),
            None => with_phase(error.into(), || "in the TLS handshake".to_owned()),
        })?;
        self.attempt.state().connection.tls = tls_info(&connection);
        Ok(StreamOwned::new(connection, socket))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, ureq::Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let resolver = CertificateResolver {
            certificate: self.client_certificate.as_ref().map(ClientCertificate::key),
            attempt: Arc::clone(&self.attempt),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|error| ConnectError::Tls { host: self.host.clone(), error })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(resolver));
        // A server that speaks HTTP/2 only then ends the handshake instead of reading the request.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, ureq::Error> {
        if let Some(certificates) = &self.ca_certificates {
            return Ok(Verifier::of_client(certificates.clone(), provider));
        }
        let Some(paths) = RootPaths::find() else {
            return Ok(Verifier::of_platform(provider).map_err(|_| ConnectError::NoRoots(None))?);
        };
        // A file may be a pipe, or on a network.
        let loaded = self.attempt.run(move || paths.load());
        let loaded = loaded.map_err(|error| with_phase(error.into(), || "while reading CA certificates".to_owned()))?;
        let certificates = loaded.map_err(ConnectError::Roots)?;
        if certificates.is_empty() {
            return Err(ConnectError::NoRoots(certificates.problem().map(ToOwned::to_owned)).into());
        }
        Ok(Verifier::of_system(certificates, provider))
    }
}

fn tls_info(connection: &ClientConnection) -> Option<TlsInfo> {
    let version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_2 => "1.2",
        _ => "1.3",
    };
    Some(TlsInfo::new(version, connection.peer_certificates()?.first()?.to_vec()))
}

/// Records whether the server asks for a client certificate, and gives it the one that there is.
#[derive(Debug)]
struct CertificateResolver {
    certificate: Option<Arc<CertifiedKey>>,
    attempt: Arc<Attempt>,
}

impl ResolvesClientCert for CertificateResolver {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.attempt.state().client_auth =
            if self.certificate.is_some() { ClientAuth::Sent } else { ClientAuth::Missing };
        self.certificate.clone()
    }

    fn has_certs(&self) -> bool {
        self.certificate.is_some()
    }
}
