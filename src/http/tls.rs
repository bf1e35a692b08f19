//! TLS over a TCP connection.

use std::fmt;
use std::io::{Read, Write};
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
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::attempt::Attempt;
use super::connect_error::{ConnectError, with_phase};
use super::os_errors::tls_error_inside;
use super::roots::RootPaths;
use super::socket::{BUFFER_BYTES, TcpTransport, make_room};
use super::tls_errors::{UntrustedIssuer, is_client_rejected, is_mismatch, missing_client_certificate, weak_key};
use super::tls_mismatch;
use crate::address::{Address, Scheme};
use crate::connection::TlsInfo;

/// Adds TLS for an `https://` address.
#[derive(Debug)]
pub(super) struct TlsConnector<Tcp> {
    tcp: Tcp,
    /// `None` for `http://`.
    host: Option<String>,
    /// Made with the first connection, which reads the CA certificates.
    config: OnceLock<Arc<ClientConfig>>,
    client_certificate: Arc<NoClientCertificate>,
    attempt: Arc<Attempt>,
}

impl<Tcp: Connector<(), Out = TcpTransport>> TlsConnector<Tcp> {
    pub(super) fn new(address: &Address, tcp: Tcp, attempt: &Arc<Attempt>) -> Self {
        let host = (address.scheme() == Scheme::Https).then(|| address.host().to_owned());
        Self { tcp, host, config: OnceLock::new(), client_certificate: Arc::default(), attempt: Arc::clone(attempt) }
    }

    fn open(&self, details: &ConnectionDetails<'_>) -> Result<TcpTransport, ureq::Error> {
        self.tcp.connect(details, None)?.ok_or(ureq::Error::ConnectionFailed)
    }

    fn handshake(&self, host: &str, details: &ConnectionDetails<'_>) -> Result<TlsTransport, ureq::Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::InvalidServerName)?;
        let tcp = self.open(details)?;
        self.client_certificate.was_requested.store(false, Ordering::Release);
        let mut connection = ClientConnection::new(self.config()?, name.clone()).map_err(ConnectError::Tls)?;
        let mut tcp = TransportAdapter::new(tcp, details.current_time.clone());
        if let Err(error) = connection.complete_io(&mut tcp) {
            return Err(match tls_error_inside(&error).cloned() {
                Some(error) => ConnectError::Tls(self.explain(error, name, details)).into(),
                None => with_phase(error.into(), || "in the TLS handshake".to_owned()),
            });
        }
        self.attempt.observe(|info| info.tls = observed(&connection));
        let buffers = LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES);
        Ok(TlsTransport { buffers, stream: StreamOwned { conn: connection, sock: tcp } })
    }

    /// Finds the cause of an alert that has many.
    fn explain(
        &self,
        error: rustls::Error,
        host: ServerName<'static>,
        details: &ConnectionDetails<'_>,
    ) -> rustls::Error {
        // Servers with TLS 1.2 have several alerts for a client without a certificate.
        if self.client_certificate.was_requested.load(Ordering::Acquire) && is_client_rejected(&error) {
            return missing_client_certificate();
        }
        let find_mismatch = || {
            let mut tcp = TransportAdapter::new(self.open(details).ok()?, details.current_time.clone());
            tls_mismatch::find(&mut tcp, host)
        };
        let mismatch = if is_mismatch(&error) { find_mismatch() } else { None };
        mismatch.map_or(error, Into::into)
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

impl<Tcp: Connector<(), Out = TcpTransport>> Connector<()> for TlsConnector<Tcp> {
    type Out = Either<TcpTransport, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(Some(match &self.host {
            None => Either::A(self.open(details)?),
            Some(host) => Either::B(self.handshake(host, details)?),
        }))
    }
}

fn observed(connection: &ClientConnection) -> Option<TlsInfo> {
    let version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_2 => "1.2",
        _ => "1.3",
    };
    Some(TlsInfo::new(version, connection.peer_certificates()?.first()?.to_vec()))
}

pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter<TcpTransport>>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.buffers.output();
        self.stream.write_all(output.get(..amount).unwrap_or_default())?;
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        make_room(&mut self.buffers)?;
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
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
