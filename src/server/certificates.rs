//! Certificates of TLS: those that a client trusts, and its own.

use std::collections::HashSet;
use std::fmt;
use std::iter;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::error::Error;

/// Certificates to trust instead of the system's: see
/// [`Client::with_ca_certificates`](crate::Client::with_ca_certificates).
///
/// Those of authorities vouch for the certificates that they have issued, and for themselves if a server uses them, as
/// `openssl req -x509` makes them. Others, without the CA flag, vouch for nothing but themselves: a server that sends
/// exactly this certificate is trusted, for the names in it and while it is valid.
#[derive(Debug, Clone)]
pub struct CaCertificates {
    anchors: RootCertStore,
    all: HashSet<CertificateDer<'static>>,
    /// What could not be read, and where.
    problem: Option<String>,
}

impl CaCertificates {
    /// Reads the certificates in a PEM text; what else it holds is skipped.
    ///
    /// ```
    /// let error = cent::CaCertificates::from_pem(b"no certificate").unwrap_err();
    /// assert_eq!(error.to_string(), "no PEM certificates found");
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if it holds no certificate that can be read. One of several that
    /// cannot be read is mentioned once a server is not trusted.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let mut certificates = Self::empty();
        certificates.problem = certificates.add_pem(pem);
        match &certificates.problem {
            Some(problem) if certificates.is_empty() => Err(Error::invalid(problem)),
            _ => Ok(certificates),
        }
    }

    pub(crate) fn empty() -> Self {
        Self { anchors: RootCertStore::empty(), all: HashSet::new(), problem: None }
    }

    /// Adds the certificates in a PEM text, and returns what is wrong with it.
    pub(crate) fn add_pem(&mut self, pem: &[u8]) -> Option<String> {
        let text = without_byte_order_marks(pem);
        let readable = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
        let added = readable.filter(|certificate| self.add(certificate.clone())).count();
        let written = count_certificates(&text);
        if written == 0 {
            return Some(format!("no PEM certificates found{}", format_hint(&text)));
        }
        (added < written).then(|| format!("{} of {written} certificates cannot be read", written - added))
    }

    /// Returns whether it is a certificate.
    pub(crate) fn add(&mut self, certificate: CertificateDer<'static>) -> bool {
        // The system has most certificates twice: in a bundle, and in a directory.
        if self.all.contains(&certificate) {
            return true;
        }
        let Ok(anchor) = webpki::anchor_from_trusted_cert(&certificate) else { return false };
        if is_authority(&certificate).unwrap_or_default() {
            self.anchors.roots.push(anchor.to_owned());
        }
        self.all.insert(certificate)
    }

    /// Records the first problem.
    pub(crate) fn add_problem(&mut self, problem: impl FnOnce() -> String) {
        self.problem.get_or_insert_with(problem);
    }

    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that vouch for others.
    pub(crate) fn anchors(&self) -> &RootCertStore {
        &self.anchors
    }

    pub(crate) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.all.contains(certificate)
    }
}

/// A client's own certificate, for servers that require one: see
/// [`Client::with_client_certificate`](crate::Client::with_client_certificate). `Debug` output hides its key.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<CertifiedKey>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

impl ClientCertificate {
    /// Reads a certificate chain, the client's own certificate first, and its private key; both texts are PEM, and may be
    /// the same one. The key may be RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - a text without a certificate, or without a private key,
    /// - a key that is encrypted, of another type, or that does not match the first certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = read_chain(certificates)?;
        let key = ring::default_provider().key_provider.load_private_key(read_key(key)?).map_err(|_| {
            Error::invalid("private key cannot be used")
                .with_hint("it must be RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519")
        })?;
        let key = CertifiedKey::new(chain, key);
        if matches_key(&key, key.cert.first()) { Ok(Self { key: Arc::new(key) }) } else { Err(mismatch(&key)) }
    }

    /// The client's own certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |certificate| certificate)
    }

    pub(crate) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = without_byte_order_marks(pem);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err(Error::invalid(format!("no PEM certificates found{}", format_hint(&text))))
        }
        Ok(chain) if chain.iter().all(|certificate| public_key(certificate).is_some()) => Ok(chain),
        _ => Err(Error::invalid("a certificate cannot be read").with_hint("copy it again")),
    }
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    let has = |text: &str| pem.windows(text.len()).any(|window| window == text.as_bytes());
    if has("-----BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        return Err(
            Error::invalid("private key is encrypted").with_hint("decrypt it with openssl pkey -in FILE -out NEW_FILE")
        );
    }
    PrivateKeyDer::from_pem_slice(&without_byte_order_marks(pem)).map_err(|error| match error {
        pem::Error::NoItemsFound => Error::invalid(format!("no PEM private key found{}", format_hint(pem)))
            .with_hint("it begins with -----BEGIN PRIVATE KEY-----"),
        _ => Error::invalid("private key cannot be read").with_hint("copy it again"),
    })
}

/// Whether a certificate is that of the key. Only the server judges the rest: `openssl x509 -req` makes X.509 v1 of old.
fn matches_key(key: &CertifiedKey, certificate: Option<&CertificateDer<'_>>) -> bool {
    let Some(info) = key.key.public_key() else { return true };
    let info = elements(&info).next().map(|(_, content)| content);
    certificate.and_then(|certificate| public_key(certificate)) == info
}

/// The order of the certificates may be wrong, or the key is another one's.
fn mismatch(key: &CertifiedKey) -> Error {
    let hint = if key.cert.iter().any(|certificate| matches_key(key, Some(certificate))) {
        "put the certificate of the key first"
    } else {
        "use the key that the certificate was issued for"
    };
    Error::invalid("private key does not match the certificate").with_hint(hint)
}

/// Editors on Windows write byte order marks, and joining such files leaves them in the middle. PEM is ASCII.
fn without_byte_order_marks(mut bytes: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    while let Some(start) = bytes.windows(MARK.len()).position(|window| window == MARK) {
        text.extend_from_slice(&bytes[..start]);
        bytes = &bytes[start + MARK.len()..];
    }
    text.extend_from_slice(bytes);
    text
}

/// How many certificates a text claims to have, those with text before them in the line included.
fn count_certificates(text: &[u8]) -> usize {
    ["-----BEGIN CERTIFICATE", "-----BEGIN X509 CERTIFICATE", "-----BEGIN TRUSTED CERTIFICATE"]
        .iter()
        .map(|label| text.windows(label.len()).filter(|window| *window == label.as_bytes()).count())
        .sum()
}

/// What a text is instead of PEM.
fn format_hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => " (UTF-16: save it as UTF-8)",
        [0x30, 0x80..=0x84, ..] => " (DER: convert it with openssl x509 -inform der)",
        _ => "",
    }
}

/// Whether a certificate may issue others (RFC 5280, section 4.2.1.9). Version 1 has no flag for that: authorities that
/// old are self-signed, and OpenSSL accepts them, too. `None` if it cannot be read; webpki keeps the flag to itself.
fn is_authority(certificate: &[u8]) -> Option<bool> {
    const EXTENSIONS: u8 = 0xa3;
    const BASIC_CONSTRAINTS: &[u8] = &[6, 3, 0x55, 0x1d, 0x13];
    let (has_version, fields) = fields(certificate)?;
    if !has_version {
        return Some(fields.get(2)? == fields.get(4)?);
    }
    let (_, extensions) = fields.into_iter().find(|(tag, _)| *tag == EXTENSIONS)?;
    let (_, extensions) = elements(extensions).next()?;
    let (_, extension) = elements(extensions).find(|(_, extension)| extension.starts_with(BASIC_CONSTRAINTS))?;
    let (_, value) = elements(extension).last()?;
    let (_, constraints) = elements(value).next()?;
    Some(matches!(elements(constraints).next(), Some((1, [1..=0xff]))))
}

/// The content of a certificate's `SubjectPublicKeyInfo`.
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (_, fields) = fields(certificate)?;
    fields.get(5).map(|(_, content)| *content)
}

/// The fields of a certificate: serial number, algorithm, issuer, validity, subject, public key and others; and whether the
/// version is before them, which X.509 v1 has not.
fn fields(certificate: &[u8]) -> Option<(bool, Vec<Element<'_>>)> {
    const VERSION: u8 = 0xa0;
    let (_, certificate) = elements(certificate).next()?;
    let (_, content) = elements(certificate).next()?;
    let mut fields: Vec<_> = elements(content).collect();
    let has_version = fields.first()?.0 == VERSION;
    fields.drain(..usize::from(has_version));
    Some((has_version, fields))
}

/// A tag of DER, and its content.
type Element<'a> = (u8, &'a [u8]);

/// The elements of DER that stand one after the other.
fn elements(mut der: &[u8]) -> impl Iterator<Item = Element<'_>> {
    iter::from_fn(move || {
        let [tag, length, rest @ ..] = der else { return None };
        let (length, rest) = match *length {
            length @ ..=0x7f => (usize::from(length), rest),
            // The length of the length, which has no more bytes for anything that fits into memory.
            count @ 0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(usize::from(count - 0x80))?;
                (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        der = rest;
        Some((*tag, content))
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PublicKeyData};

    use super::*;

    /// The problem that a text is reported with.
    fn problem(content: &[u8]) -> String {
        CaCertificates::empty().add_pem(content).unwrap_or_default()
    }

    #[test]
    fn unreadable_certificates_are_counted() {
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(problem(bad.as_bytes()), "1 of 1 certificates cannot be read");
        let bundle = format!("text\n  {bad}{}", bad.replace("CERT", "TRUSTED CERT"));
        assert_eq!(problem(bundle.as_bytes()), "2 of 2 certificates cannot be read");
    }

    #[test]
    fn text_without_certificates_is_named() {
        assert_eq!(problem(b""), "no PEM certificates found");
        assert_eq!(problem(b"\xff\xfe-\0-\0"), "no PEM certificates found (UTF-16: save it as UTF-8)");
        let der = "no PEM certificates found (DER: convert it with openssl x509 -inform der)";
        assert_eq!(problem(b"\x30\x82\x01\x02"), der);
    }

    #[test]
    fn byte_order_marks_are_removed_everywhere() {
        assert_eq!(without_byte_order_marks("\u{feff}a\n\u{feff}b".as_bytes()), b"a\nb");
    }

    #[test]
    fn flag_makes_an_authority() {
        for (is_ca, expected) in [
            (IsCa::Ca(BasicConstraints::Unconstrained), Some(true)),
            (IsCa::Ca(BasicConstraints::Constrained(0)), Some(true)),
            (IsCa::ExplicitNoCa, Some(false)),
            (IsCa::NoCa, None),
        ] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned(); 30]).unwrap();
            params.is_ca = is_ca;
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(is_authority(certificate.der()), expected);
            for length in 0..certificate.der().len() {
                assert_eq!(is_authority(&certificate.der()[..length]), None, "{length}");
            }
        }
    }

    #[test]
    fn version_1_is_an_authority_if_self_issued() {
        let names = |issuer, subject| {
            [&[0x30, 15, 0x30, 13, 2, 1, 1, 0x30, 0][..], &[0x30, 1, issuer, 0x30, 0, 0x30, 1, subject]].concat()
        };
        assert_eq!(is_authority(&names(5, 5)), Some(true));
        assert_eq!(is_authority(&names(5, 6)), Some(false));
    }

    #[test]
    fn version_1_is_enough_for_clients() {
        let key = KeyPair::generate().unwrap();
        let info = key.subject_public_key_info();
        let length = u8::try_from(info.len()).unwrap() + 13;
        let head = [0x30, length + 2, 0x30, length, 2, 1, 1, 0x30, 0, 0x30, 1, 5, 0x30, 0, 0x30, 1, 6];
        let text = BASE64_STANDARD.encode([&head[..], &info].concat());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        assert!(ClientCertificate::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).is_ok());
        let other = KeyPair::generate().unwrap().serialize_pem();
        let error = ClientCertificate::from_pem(pem.as_bytes(), other.as_bytes()).unwrap_err();
        assert_eq!(error.message(), "private key does not match the certificate");
    }

    #[test]
    fn debug_hides_key() {
        let key = KeyPair::generate().unwrap();
        let pem = CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let certificate = ClientCertificate::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(format!("{certificate:?}"), "ClientCertificate { .. }");
    }
}
