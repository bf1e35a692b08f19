//! Where the CA certificates to trust are, if a client was given none.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` take the place of the system's certificates; an empty variable counts as unset.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::errors::os_text;
use crate::server::certificates::CaCertificates;

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
    pub(super) fn load(&self) -> io::Result<CaCertificates> {
        let mut found = CaCertificates::empty();
        if let Some(file) = &self.file {
            add_file(&mut found, file)?;
        }
        self.dirs.iter().try_for_each(|dir| add_dir(&mut found, dir))?;
        Ok(found)
    }
}

fn add_file(found: &mut CaCertificates, path: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    let problem = match File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)) {
        Ok(length) if length as u64 == MAX_FILE_BYTES => {
            Some(format!("{} MB or larger", MAX_FILE_BYTES / (1024 * 1024)))
        }
        Ok(_) => found.add_pem(&bytes),
        Err(error) if is_temporary(&error) => return Err(error),
        Err(error) => Some(os_text(&error)),
    };
    if let Some(problem) = problem {
        found.add_problem(|| format!("{}: {problem}", path.display()));
    }
    Ok(())
}

/// Adds the certificates of all files in a directory, whatever their names. It may hold other files, such as a README.
fn add_dir(found: &mut CaCertificates, dir: &Path) -> io::Result<()> {
    let loaded = rustls_native_certs::load_certs_from_paths(None, Some(dir));
    for error in loaded.errors {
        match error.kind {
            rustls_native_certs::ErrorKind::Io { inner, .. } if is_temporary(&inner) => return Err(inner),
            rustls_native_certs::ErrorKind::Io { inner, path } => {
                found.add_problem(|| format!("{}: {}", path.display(), os_text(&inner)));
            }
            _ => found.add_problem(|| format!("{}: a certificate cannot be read", dir.display())),
        }
    }
    for certificate in loaded.certs {
        if !found.add(certificate) {
            found.add_problem(|| format!("{}: a certificate cannot be read", dir.display()));
        }
    }
    Ok(())
}

/// Whether the machine is short of something for now: files, memory, threads.
fn is_temporary(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no kind in the standard library; their numbers are the same on all Unixes.
    const TOO_MANY_OPEN_FILES: [i32; 2] = [24, 23];
    let is_busy = matches!(error.kind(), ErrorKind::OutOfMemory | ErrorKind::WouldBlock | ErrorKind::Interrupted);
    is_busy || error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_paths_are_problems() {
        let paths = RootPaths { file: Some("/missing/a".into()), dirs: vec!["/missing/b".into()] };
        assert_eq!(paths.load().unwrap().problem(), Some("/missing/a: no such file or directory"));
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
