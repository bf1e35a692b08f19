//! TLS for the test server, with certificates made on the spot.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::server::{Socket, Stream};

/// An authority that signs certificates.
pub struct TestCa(CertifiedIssuer<'static, KeyPair>);

impl TestCa {
    pub fn new() -> Self {
        Self::with_name("authority of the test")
    }

    pub fn with_name(name: &str) -> Self {
        Self::with_params(name, |_| ())
    }

    /// With something changed.
    pub fn with_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        Self(CertifiedIssuer::self_signed(params, key()).expect("a certificate can be made"))
    }

    /// What `SSL_CERT_FILE` has to hold for it to be trusted.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for servers at these names and addresses.
    pub fn issue(&self, hosts: &[&str]) -> Identity {
        self.issue_with(hosts, |_| ())
    }

    /// The same with something changed.
    pub fn issue_with(&self, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (mut params, key) = (params(hosts), key());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate can be made");
        identity(certificate.into(), &key)
    }

    /// The authority's own certificate, as a careless server may use it.
    pub fn ca_identity(&self) -> Identity {
        identity(self.0.der().clone(), self.0.key())
    }
}

/// A certificate that signs itself, for these hosts; with the CA flag, as `openssl req -x509` makes it, or without.
pub fn self_signed(hosts: &[&str], is_ca: bool) -> (Identity, String) {
    let (mut params, key) = (params(hosts), key());
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).expect("a certificate can be made");
    let pem = certificate.pem();
    (identity(certificate.into(), &key), pem)
}

fn identity(certificate: CertificateDer<'static>, key: &KeyPair) -> Identity {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("it was serialized");
    Identity { certificate, key }
}

fn params(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    CertificateParams::new(hosts).expect("they are hosts")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

/// A certificate and its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// What lays something over the connections of a server: see `Server::start_with`.
pub type Acceptor = Box<dyn Fn(Socket) -> io::Result<Box<dyn Stream>> + Send + Sync>;

impl Identity {
    pub fn acceptor(self) -> Acceptor {
        self.acceptor_with(rustls::ALL_VERSIONS, None)
    }

    /// With these versions of TLS only, and clients that have to show a certificate of this authority, if any.
    pub fn acceptor_with(self, versions: &[&'static SupportedProtocolVersion], client_ca: Option<&TestCa>) -> Acceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("the provider has these versions");
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.0.der().clone()).expect("it is a certificate");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                config.with_client_cert_verifier(verifier.expect("there is a root"))
            }
        };
        let config =
            config.with_single_cert(vec![self.certificate], self.key).expect("key and certificate belong together");
        let config = Arc::new(config);
        Box::new(move |socket| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            Ok(Box::new(StreamOwned::new(connection, socket)))
        })
    }
}
