//! Where the params of one command come from, and how they are read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cent::Command;

/// Where params come from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The option itself.
    Text(Vec<u8>),
    /// The file after `@`.
    File(PathBuf),
    /// Standard input, as the option says.
    ExplicitStdin,
    /// Standard input, because it may hold params.
    ImplicitStdin,
    /// No params: an empty object.
    None,
}

/// Chooses the source.
///
/// The option always wins. The Python console reads standard input whenever it is not a terminal, so it ignores `--params`
/// under cron and consumes the input of a `while read` loop.
fn params_source(option: Option<&OsStr>, method: &str, stdin_has_data: impl FnOnce() -> bool) -> Source {
    match option.map(OsStr::as_encoded_bytes) {
        Some(b"-" | b"@-") => Source::ExplicitStdin,
        Some([b'@', ..]) => Source::File(file_after_at(option)),
        Some(text) => Source::Text(text.to_vec()),
        None if cent::takes_no_params(method) => Source::None,
        None if stdin_has_data() => Source::ImplicitStdin,
        None => Source::None,
    }
}

fn file_after_at(option: Option<&OsStr>) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let path = option.map_or(&b""[..], |option| option.as_bytes().get(1..).unwrap_or_default());
    PathBuf::from(OsStr::from_bytes(path))
}

/// Reads the params of a method and makes them a command.
///
/// # Errors
/// For params that cannot be read, are blank though they were given, or are not a JSON object.
pub(crate) fn read_command(option: Option<&OsStr>, method: &str) -> anyhow::Result<Command> {
    if method.is_empty() {
        bail!("METHOD is empty; is a variable unset?");
    }
    let (name, text) = match params_source(option, method, stdin_has_data) {
        Source::None => ("params".to_owned(), b"{}".to_vec()),
        Source::Text(text) => ("--params".to_owned(), text),
        Source::File(path) => (path.display().to_string(), read_file(&path)?),
        Source::ExplicitStdin => ("standard input".to_owned(), read_stdin()?),
        Source::ImplicitStdin => {
            let text = read_stdin()?;
            ("standard input".to_owned(), if is_blank(&text) { b"{}".to_vec() } else { text })
        }
    };
    if is_blank(&text) {
        bail!("{name}: empty; expected a JSON object, or {{}} for none: is a variable unset?");
    }
    Command::new(method, text).context(name)
}

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}

fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str().is_empty() {
        bail!("--params: missing file name after @; use @FILE, or - for standard input");
    }
    std::fs::read(path).with_context(|| format!("--params: cannot read {}", path.display()))
}

fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).context("standard input: cannot read params")?;
    Ok(text)
}

/// Whether standard input is a pipe, a socket or a regular file.
///
/// Terminals, /dev/null and other devices hold no params. Rust opens /dev/null in place of a closed standard input.
fn stdin_has_data() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let kind = io::stdin().as_fd().try_clone_to_owned().map(File::from).and_then(|file| file.metadata());
    kind.is_ok_and(|kind| {
        let kind = kind.file_type();
        kind.is_fifo() || kind.is_socket() || kind.is_file()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(option: Option<&str>, method: &str, stdin_has_data: bool) -> Source {
        params_source(option.map(OsStr::new), method, || stdin_has_data)
    }

    #[test]
    fn params_option_overrides_piped_stdin() {
        assert_eq!(choose(Some("{}"), "publish", true), Source::Text(b"{}".to_vec()));
        assert_eq!(choose(Some(""), "publish", true), Source::Text(Vec::new()));
    }

    #[test]
    fn params_option_never_reads_stdin() {
        params_source(Some(OsStr::new("{}")), "publish", || panic!("checked"));
        params_source(Some(OsStr::new("@file")), "publish", || panic!("checked"));
    }

    #[test]
    fn dash_means_stdin() {
        assert_eq!(choose(Some("-"), "publish", false), Source::ExplicitStdin);
        assert_eq!(choose(Some("@-"), "channels", false), Source::ExplicitStdin);
    }

    #[test]
    fn at_sign_means_file() {
        assert_eq!(choose(Some("@a b"), "publish", true), Source::File("a b".into()));
        assert_eq!(choose(Some("@"), "publish", true), Source::File("".into()));
    }

    #[test]
    fn reads_piped_stdin_when_params_needed() {
        assert_eq!(choose(None, "publish", true), Source::ImplicitStdin);
        assert_eq!(choose(None, "quux", true), Source::ImplicitStdin);
        assert_eq!(choose(None, "publish", false), Source::None);
    }

    #[test]
    fn methods_without_params_never_read_stdin() {
        for method in ["channels", "stats", "node", "info"] {
            params_source(None, method, || panic!("checked"));
        }
    }
}
