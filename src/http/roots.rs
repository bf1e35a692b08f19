//! The CA certificates to trust.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` take the place of the system's certificates; an empty variable counts as unset.

use std::collections::HashSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::errors::os_text;

/// More than any bundle has. A device such as /dev/zero has no end.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Where CA certificates are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RootPaths {
    file: Option<PathBuf>,
    dirs: Vec<PathBuf>,
}

impl RootPaths {
    /// The places that the variables name, or else those of the system; `None` where the system has a store of another
    /// kind, as macOS has.
    pub(super) fn find() -> Option<Self> {
        let value = |name| env::var_os(name).filter(|value| !value.is_empty());
        let named = Self::from_values(value("SSL_CERT_FILE"), &value("SSL_CERT_DIR").unwrap_or_default());
        let system = || cfg!(all(unix, not(target_vendor = "apple"))).then(Self::of_system);
        [Some(named), system()].into_iter().flatten().find(|paths| *paths != Self::default())
    }

    fn from_values(file: Option<OsString>, dirs: &OsStr) -> Self {
        let dirs = env::split_paths(dirs).filter(|dir| !dir.as_os_str().is_empty());
        Self { file: file.map(PathBuf::from), dirs: dirs.collect() }
    }

    fn of_system() -> Self {
        let found = openssl_probe::probe();
        Self { file: found.cert_file, dirs: found.cert_dir }
    }

    /// Reads all certificates that are readable.
    ///
    /// # Errors
    /// If the machine cannot open files for now.
    pub(super) fn load(&self) -> io::Result<Roots> {
        let mut roots = Roots::default();
        if let Some(file) = &self.file {
            roots.add_file(file, true)?;
        }
        self.dirs.iter().try_for_each(|dir| roots.add_dir(dir))?;
        Ok(roots)
    }
}

/// The certificates that were found.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// The first file or directory that gave no certificates, or not all of them, and why.
    pub(super) problem: Option<String>,
    /// The system has most certificates twice: in a bundle, and in a directory full of links to the same files.
    read_certificates: HashSet<CertificateDer<'static>>,
}

impl Default for Roots {
    fn default() -> Self {
        Self { store: RootCertStore::empty(), problem: None, read_certificates: HashSet::new() }
    }
}

impl Roots {
    fn add_file(&mut self, path: &Path, is_named: bool) -> io::Result<()> {
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) if bytes.len() as u64 == MAX_FILE_BYTES => {
                self.add_problem(path, &format!("{} MB or larger", MAX_FILE_BYTES / (1024 * 1024)));
            }
            Ok(bytes) => self.add_bundle(path, &bytes, is_named),
            Err(error) => self.add_io_problem(path, error)?,
        }
        Ok(())
    }

    /// Adds the certificates of all files in a directory, whatever their names.
    fn add_dir(&mut self, dir: &Path) -> io::Result<()> {
        let found = rustls_native_certs::load_certs_from_paths(None, Some(dir));
        for error in found.errors {
            match error.kind {
                rustls_native_certs::ErrorKind::Io { inner, path } => self.add_io_problem(&path, inner)?,
                _ => self.add_problem(dir, "a certificate cannot be read"),
            }
        }
        for certificate in found.certs {
            if !self.add(certificate) {
                self.add_problem(dir, "a certificate cannot be read");
            }
        }
        Ok(())
    }

    /// Returns whether the certificate is valid.
    fn add(&mut self, certificate: CertificateDer<'static>) -> bool {
        self.read_certificates.contains(&certificate)
            || self.store.add(certificate.clone()).is_ok() && self.read_certificates.insert(certificate)
    }

    fn add_io_problem(&mut self, path: &Path, error: io::Error) -> io::Result<()> {
        if is_temporary(&error) {
            return Err(error);
        }
        self.add_problem(path, &os_text(&error));
        Ok(())
    }

    fn add_problem(&mut self, path: &Path, problem: &str) {
        self.problem.get_or_insert_with(|| format!("{}: {problem}", path.display()));
    }

    /// Directories may hold other files, such as a README; a file that the user names may not.
    fn add_bundle(&mut self, path: &Path, bytes: &[u8], is_named: bool) {
        let text = without_byte_order_marks(bytes);
        let certificates = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
        let added = certificates.map(|certificate| self.add(certificate)).filter(|&is_valid| is_valid).count();
        let written = count_certificates(&text);
        if added < written {
            self.add_problem(path, &format!("{} of {written} certificates cannot be read", written - added));
        } else if is_named && written == 0 {
            self.add_problem(path, &format!("no PEM certificates found{}", format_hint(&text)));
        }
    }
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

/// Whether the machine is short of something for now: files, memory, threads.
fn is_temporary(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no kind in the standard library; their numbers are the same on all Unixes.
    const TOO_MANY_OPEN_FILES: [i32; 2] = [24, 23];
    let is_busy = matches!(error.kind(), ErrorKind::OutOfMemory | ErrorKind::WouldBlock | ErrorKind::Interrupted);
    is_busy || error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
}

/// How many certificates a bundle claims to have, those with text before them in the line included.
fn count_certificates(text: &[u8]) -> usize {
    ["-----BEGIN CERTIFICATE", "-----BEGIN X509 CERTIFICATE", "-----BEGIN TRUSTED CERTIFICATE"]
        .iter()
        .map(|label| text.windows(label.len()).filter(|window| *window == label.as_bytes()).count())
        .sum()
}

/// What a file is instead of PEM.
fn format_hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => " (UTF-16: save it as UTF-8)",
        [0x30, 0x80..=0x84, ..] => " (DER: convert it with openssl x509 -inform der)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problem that a file with this content is reported with.
    fn problem(content: &[u8]) -> String {
        let mut roots = Roots::default();
        roots.add_bundle(Path::new("ca.pem"), content, true);
        roots.problem.unwrap_or_default()
    }

    #[test]
    fn unreadable_certificates_are_counted() {
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(problem(bad.as_bytes()), "ca.pem: 1 of 1 certificates cannot be read");
        let bundle = format!("text\n  {bad}{}", bad.replace("CERT", "TRUSTED CERT"));
        assert_eq!(problem(bundle.as_bytes()), "ca.pem: 2 of 2 certificates cannot be read");
    }

    #[test]
    fn file_without_certificates_is_named() {
        assert_eq!(problem(b""), "ca.pem: no PEM certificates found");
        assert_eq!(problem(b"\xff\xfe-\0-\0"), "ca.pem: no PEM certificates found (UTF-16: save it as UTF-8)");
        let der = "ca.pem: no PEM certificates found (DER: convert it with openssl x509 -inform der)";
        assert_eq!(problem(b"\x30\x82\x01\x02"), der);
    }

    #[test]
    fn byte_order_marks_are_removed_everywhere() {
        assert_eq!(without_byte_order_marks("\u{feff}a\n\u{feff}b".as_bytes()), b"a\nb");
    }

    #[test]
    fn unreadable_paths_are_problems() {
        let paths = RootPaths { file: Some("/missing/a".into()), dirs: vec!["/missing/b".into()] };
        let roots = paths.load().unwrap();
        assert_eq!(roots.problem.unwrap(), "/missing/a: no such file or directory");
    }

    #[test]
    fn empty_variables_and_entries_name_nothing() {
        assert_eq!(RootPaths::from_values(None, OsStr::new(":")), RootPaths::default());
        let paths = RootPaths { file: Some("a".into()), dirs: vec!["b".into(), "c".into()] };
        assert_eq!(RootPaths::from_values(Some("a".into()), OsStr::new("b::c")), paths);
    }

    #[test]
    fn shortages_are_temporary() {
        // EINTR, EAGAIN, ENOMEM, ENFILE, EMFILE of Linux.
        for code in [4, 11, 12, 23, 24] {
            assert!(is_temporary(&io::Error::from_raw_os_error(code)), "{code}");
        }
        // ENOENT, EACCES, EISDIR, EINVAL, ELOOP.
        for code in [2, 13, 21, 22, 40] {
            assert!(!is_temporary(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
