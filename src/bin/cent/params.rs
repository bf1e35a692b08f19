//! Where params come from, and their reading.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cent::Command;

/// A place that params are read from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The option itself.
    Text(Vec<u8>),
    /// The file after `@`.
    File(PathBuf),
    /// Standard input, because the option says so.
    NamedInput,
    /// Standard input, because something waits there.
    Input,
    /// No params: an empty object.
    Nothing,
}

/// Chooses the source.
///
/// The Python console took standard input whenever it was no terminal, and so ignored `--params` under cron and ate the
/// input of a `while read` loop; here the option wins always.
fn source(option: Option<&OsStr>, method: &str, input_holds_data: impl FnOnce() -> bool) -> Source {
    match option.map(OsStr::as_encoded_bytes) {
        Some(b"-" | b"@-") => Source::NamedInput,
        Some([b'@', ..]) => Source::File(after_at(option)),
        Some(text) => Source::Text(text.to_vec()),
        None if cent::needs_no_params(method) => Source::Nothing,
        None if input_holds_data() => Source::Input,
        None => Source::Nothing,
    }
}

fn after_at(option: Option<&OsStr>) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let path = option.map_or(&b""[..], |option| option.as_bytes().get(1..).unwrap_or_default());
    PathBuf::from(OsStr::from_bytes(path))
}

/// Makes the command of a method and its params, wherever they come from.
///
/// # Errors
/// For what cannot be read, is blank though it was named, or is no JSON object.
pub(crate) fn read_command(option: Option<&OsStr>, method: &str) -> anyhow::Result<Command> {
    if method.is_empty() {
        bail!("METHOD is empty; name one, such as publish: is a variable not set?");
    }
    let source = source(option, method, input_holds_data);
    let (name, text) = match source {
        Source::Nothing => ("params".to_owned(), b"{}".to_vec()),
        Source::Text(text) => ("--params".to_owned(), text),
        Source::File(path) => (path.display().to_string(), read_file(&path)?),
        Source::NamedInput => ("standard input".to_owned(), read_input()?),
        Source::Input => {
            let text = read_input()?;
            ("standard input".to_owned(), if is_blank(&text) { b"{}".to_vec() } else { text })
        }
    };
    if is_blank(&text) {
        bail!("{name}: blank; params are one JSON object, {{}} for none: is a variable not set?");
    }
    Command::new(method, text).context(name)
}

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}

fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str().is_empty() {
        bail!("--params: no file is named after the @; write @FILE, or @- for standard input");
    }
    std::fs::read(path).with_context(|| format!("{}: the params cannot be read", path.display()))
}

fn read_input() -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).context("standard input: the params cannot be read")?;
    Ok(text)
}

/// Whether standard input is a pipe, a socket or a regular file.
///
/// Terminals, /dev/null and other devices hold no params; a closed standard input is /dev/null by the time that a Rust
/// program runs.
fn input_holds_data() -> bool {
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

    fn chosen(option: Option<&str>, method: &str, data: bool) -> Source {
        source(option.map(OsStr::new), method, || data)
    }

    #[test]
    fn the_option_wins_over_waiting_input() {
        assert_eq!(chosen(Some("{}"), "publish", true), Source::Text(b"{}".to_vec()));
        assert_eq!(chosen(Some(""), "publish", true), Source::Text(Vec::new()));
    }

    #[test]
    fn the_option_does_not_even_look_at_the_input() {
        source(Some(OsStr::new("{}")), "publish", || panic!("looked"));
        source(Some(OsStr::new("@file")), "publish", || panic!("looked"));
    }

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(chosen(Some("-"), "publish", false), Source::NamedInput);
        assert_eq!(chosen(Some("@-"), "channels", false), Source::NamedInput);
    }

    #[test]
    fn an_at_sign_names_a_file() {
        assert_eq!(chosen(Some("@a b"), "publish", true), Source::File("a b".into()));
        assert_eq!(chosen(Some("@"), "publish", true), Source::File("".into()));
    }

    #[test]
    fn waiting_input_is_read_where_a_method_needs_params() {
        assert_eq!(chosen(None, "publish", true), Source::Input);
        assert_eq!(chosen(None, "quux", true), Source::Input);
        assert_eq!(chosen(None, "publish", false), Source::Nothing);
    }

    #[test]
    fn methods_without_params_leave_the_input_alone() {
        for method in ["channels", "stats", "node", "info"] {
            source(None, method, || panic!("looked"));
        }
    }
}
