//! The files of certificates and keys that a section names.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use cent::{CaCertificates, Client, ClientCertificate, Error, Scheme};
use zeroize::Zeroizing;

use super::{Config, ConfigValue, Section, file_not_found, read_limited};

const TLS_KEYS: [&str; 3] = ["ca_file", "client_cert_file", "client_key_file"];

/// More than any bundle has.
const MAX_BYTES: u64 = 64_000_000;

/// What the files of a section hold.
#[derive(Debug, Default)]
pub(crate) struct TlsFiles {
    ca_certificates: Option<CaCertificates>,
    client_certificate: Option<ClientCertificate>,
    /// Keys without effect.
    ignored_keys: Vec<&'static str>,
}

impl TlsFiles {
    pub(crate) fn apply(self, mut client: Client) -> Client {
        if let Some(certificates) = self.ca_certificates {
            client = client.with_ca_certificates(certificates);
        }
        match self.client_certificate {
            Some(certificate) => client.with_client_certificate(certificate),
            None => client,
        }
    }

    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        self.client_certificate.as_ref().map(ClientCertificate::certificate)
    }

    /// The keys have no effect for an `http://` address; they may come from `[DEFAULT]`, for other sections.
    pub(crate) fn note(&self) -> Option<String> {
        (!self.ignored_keys.is_empty())
            .then(|| format!("{} ignored: the address does not begin with https://", self.ignored_keys.join(", ")))
    }
}

impl Config {
    /// Reads the files of a section. A pipe that nobody writes to ends the wait after this time.
    ///
    /// # Errors
    /// With the line number, for a file that cannot be read or does not hold what it should, a key without a certificate,
    /// and one that does not match.
    pub(crate) fn tls_files(&self, name: &str, section: &Section, timeout: Duration) -> anyhow::Result<TlsFiles> {
        if section.endpoint.address().scheme() == Scheme::Http {
            let ignored_keys = TLS_KEYS.into_iter().filter(|key| self.get(name, key).is_some()).collect();
            return Ok(TlsFiles { ignored_keys, ..TlsFiles::default() });
        }
        self.read_tls_files(name, timeout).with_context(|| self.path.to_string())
    }

    fn read_tls_files(&self, name: &str, timeout: Duration) -> anyhow::Result<TlsFiles> {
        let read = |key| self.get(name, key).map(|value| self.read_tls_file(value, timeout)).transpose();
        let ca_certificates = match read("ca_file")? {
            Some(file) => Some(CaCertificates::from_pem(&file.content).map_err(|error| file.error(error))?),
            None => None,
        };
        let client_certificate = match (read("client_cert_file")?, read("client_key_file")?) {
            (None, None) => None,
            (None, Some(key)) => bail!("line {}: client_key_file requires client_cert_file; add it", key.line),
            (Some(certificate), None) if !certificate.has_private_key() => bail!(
                "line {}: client_cert_file: {}: no PEM private key found; add it to the file, or set client_key_file",
                certificate.line,
                certificate.path.display()
            ),
            (Some(certificate), key) => Some(client_certificate(&certificate, key.as_ref().unwrap_or(&certificate))?),
        };
        Ok(TlsFiles { ca_certificates, client_certificate, ignored_keys: Vec::new() })
    }

    fn read_tls_file(&self, value: ConfigValue<'_>, timeout: Duration) -> anyhow::Result<TlsFile> {
        let (key, line) = (value.key, value.line);
        let path = value.parse(|text| self.file_path(key, text))?;
        let content =
            read_in_time(path.clone(), timeout).with_context(|| format!("line {line}: {key}: {}", path.display()))?;
        Ok(TlsFile { key, line, path, content })
    }

    /// The file of the client's private key, with its name for messages.
    pub(super) fn private_key_file(&self, section: &str) -> Option<(String, PathBuf)> {
        let value = self.get(section, "client_key_file").or_else(|| self.get(section, "client_cert_file"))?;
        let path = self.file_path(value.key, &value.text().ok()?).ok()?;
        Some((format!("{}: {}", value.key, path.display()), path))
    }
}

/// A file that was read.
struct TlsFile {
    key: &'static str,
    line: usize,
    path: PathBuf,
    content: Zeroizing<Vec<u8>>,
}

impl TlsFile {
    fn has_private_key(&self) -> bool {
        const END_OF_LABEL: &[u8] = b"PRIVATE KEY-----";
        self.content.windows(END_OF_LABEL.len()).any(|window| window == END_OF_LABEL)
    }

    /// Whether there are certificates, and each can be read.
    fn has_only_certificates(&self) -> bool {
        const LABEL: &[u8] = b"-----BEGIN CERTIFICATE-----";
        let labels = self.content.windows(LABEL.len()).enumerate().filter(|(_, window)| *window == LABEL);
        let starts: Vec<usize> = labels.map(|(start, _)| start).collect();
        let ends = starts.iter().skip(1).copied().chain([self.content.len()]);
        let mut certificates = starts.iter().zip(ends).map(|(&start, end)| &self.content[start..end]);
        !starts.is_empty() && certificates.all(|text| CaCertificates::from_pem(text).is_ok())
    }

    fn error(&self, error: Error) -> anyhow::Error {
        anyhow::Error::from(error).context(format!("line {}: {}: {}", self.line, self.key, self.path.display()))
    }
}

fn client_certificate(certificate: &TlsFile, key: &TlsFile) -> anyhow::Result<ClientCertificate> {
    ClientCertificate::from_pem(&certificate.content, &key.content).map_err(|error| {
        // The key is to blame, unless a certificate is.
        if certificate.has_only_certificates() { key.error(error) } else { certificate.error(error) }
    })
}

/// Reads a file on a thread, which is abandoned at the time limit: a file may be a pipe, or on a network.
fn read_in_time(path: PathBuf, timeout: Duration) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || sender.send(read_limited(&path, MAX_BYTES, file_not_found)))?;
    receiver.recv_timeout(timeout).unwrap_or_else(|_| {
        let text = format!("timed out after {} s; nothing was sent: check the file", timeout.as_secs_f64());
        Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
    })
}
