//! Where the params of one command come from, and how they are read.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use cent::{Command, Endpoint, Method};
use rustix::fs::FileType;
use serde::de::IgnoredAny;

use crate::console::{Console, stderr};
use key_value::{LOST_QUOTES, lost_quotes};

mod input;
pub(crate) mod key_value;
pub(crate) mod unknown;

/// How long standard input is read before a note says so.
const WAITING_NOTE_DELAY: Duration = Duration::from_secs(1);

/// A longer text is not the name of a file.
const MAX_FILE_NAME_BYTES: usize = 255;

/// Where params come from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The option itself.
    Text(Vec<u8>),
    /// KEY=VALUE arguments.
    KeyValues,
    /// The file after `@`.
    File(PathBuf),
    /// Standard input, as the option says.
    ExplicitStdin,
    /// Standard input, because it may hold params.
    ImplicitStdin,
    /// No params: an empty object.
    None,
    /// The same, because standard input is a terminal.
    UnreadTerminal,
}

/// What standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StdinKind {
    /// A pipe, a socket or a regular file: it may hold params.
    Data,
    Terminal,
    /// `/dev/null` or another device. Rust opens `/dev/null` in place of a closed standard input.
    Other,
}

/// Chooses the source.
///
/// The command line always wins. The Python console reads standard input whenever it is not a terminal, so it ignores `--params`
/// under cron and consumes the input of a `while read` loop.
fn params_source(
    option: Option<&OsStr>,
    has_key_values: bool,
    method: Option<&Method>,
    stdin_kind: impl FnOnce() -> StdinKind,
) -> Source {
    match option.map(OsStr::as_encoded_bytes) {
        Some(b"-" | b"@-") => Source::ExplicitStdin,
        Some([b'@', ..]) => Source::File(file_after_at(option)),
        Some(text) => Source::Text(text.to_vec()),
        None if has_key_values => Source::KeyValues,
        None if method.is_some_and(takes_no_params) => Source::None,
        None => match stdin_kind() {
            StdinKind::Data => Source::ImplicitStdin,
            StdinKind::Terminal => Source::UnreadTerminal,
            StdinKind::Other => Source::None,
        },
    }
}

/// Whether the method takes no params in any version, or only an optional one.
fn takes_no_params(method: &Method) -> bool {
    ["channels", "stats", "node", "info"].contains(&method.name)
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
pub(crate) fn read_command(
    option: Option<&OsStr>,
    key_values: &[OsString],
    method: &str,
    endpoint: &Endpoint,
    console: Console,
) -> anyhow::Result<Command> {
    let known_method = Method::find(method);
    let source = params_source(option, !key_values.is_empty(), known_method, stdin_kind);
    let name = name(&source);
    let mut text = Vec::new();
    match &source {
        Source::None => text.extend_from_slice(b"{}"),
        Source::UnreadTerminal => return command_without_params(method, endpoint),
        Source::Text(option) => text.clone_from(option),
        Source::KeyValues => text = key_value::read_params(key_values, known_method, console)?,
        Source::File(path) => input::append_file(&mut text, path, "--params", "--params=-")?,
        Source::ExplicitStdin => read_stdin(&mut text)?,
        Source::ImplicitStdin => {
            let has_note = console.shows_notes();
            if has_note { with_waiting_note(|| read_stdin(&mut text)) } else { read_stdin(&mut text) }?;
            if is_blank(&text) {
                text = b"{}".to_vec();
            }
        }
    }
    if let Some(problem) = problem(&source, &text) {
        bail!("{name}: {problem}");
    }
    Command::new(method, text).context(name)
}

/// The source as the user knows it.
fn name(source: &Source) -> String {
    match source {
        Source::Text(_) => "--params".to_owned(),
        Source::File(path) => path.display().to_string(),
        Source::ExplicitStdin | Source::ImplicitStdin => "standard input".to_owned(),
        Source::KeyValues | Source::None | Source::UnreadTerminal => "params".to_owned(),
    }
}

fn command_without_params(method: &str, endpoint: &Endpoint) -> anyhow::Result<Command> {
    let command = Command::new(method, "{}").and_then(|command| command.validated(endpoint));
    command.context("no params given (standard input is a terminal, which is not read)")
}

/// Why a text is not params, where the error of the JSON would not help.
fn problem(source: &Source, text: &[u8]) -> Option<String> {
    if is_blank(text) {
        return Some("empty; expected a JSON object, or {} for none: is a variable unset?".to_owned());
    }
    if let Some(problem) = encoding_problem(text) {
        return Some(problem.to_owned());
    }
    if memchr::memchr(0, text).is_some() {
        return Some("a NUL character; expected one JSON object".to_owned());
    }
    if has_several_lines_of_objects(text) {
        let lines = match source {
            Source::File(path) => format!("--lines < {}", path.display()),
            _ => "--lines".to_owned(),
        };
        return Some(format!("more than one JSON object; use {lines} to send one command per line"));
    }
    if matches!(source, Source::Text(_)) && lost_quotes(text.trim_ascii()) {
        return Some(format!("{LOST_QUOTES}: --params='{{…}}'"));
    }
    let file = matches!(source, Source::Text(_)).then(|| file_name(text, Path::exists))??;
    Some(format!("invalid JSON '{}'; to read a file, use --params=@{file}", String::from_utf8_lossy(text).trim()))
}

/// What to do about text that is in no encoding of JSON, by its first four bytes.
pub(crate) fn encoding_problem(text: &[u8]) -> Option<&'static str> {
    let is_text = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match *text {
        [0x1f, 0x8b, ..] => Some("compressed data (gzip); decompress it: gunzip -c FILE"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed data (zstd); decompress it: zstd -dc FILE"),
        [0xfd, b'7', b'z', b'X', ..] => Some("compressed data (xz); decompress it: xz -dc FILE"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some("compressed data (bzip2); decompress it: bunzip2 -c FILE"),
        [b'P', b'K', 3, 4, ..] => Some("compressed data (zip); decompress it: unzip -p FILE"),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some(UTF_32),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8"),
        // Without a byte order mark, iconv has to be told the order.
        [first, 0, 0, 0, ..] if is_text(first) => Some(UTF_32),
        [first, 0, ..] if is_text(first) => Some("UTF-16; convert it to UTF-8: iconv -f UTF-16LE -t UTF-8"),
        [0, second, ..] if is_text(second) => Some("UTF-16; convert it to UTF-8: iconv -f UTF-16BE -t UTF-8"),
        _ => None,
    }
}

const UTF_32: &str = "UTF-32; convert it to UTF-8: iconv -f UTF-32 -t UTF-8";

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}

/// Whether the first of several lines is an object by itself. Cheap for one object, even if it has many lines.
fn has_several_lines_of_objects(text: &[u8]) -> bool {
    let mut lines = text.trim_ascii().splitn(2, |&byte| byte == b'\n');
    let (Some(first), Some(rest)) = (lines.next().map(<[u8]>::trim_ascii), lines.next()) else { return false };
    let starts = |text: &[u8]| text.trim_ascii_start().starts_with(b"{");
    first.ends_with(b"}") && starts(first) && starts(rest) && serde_json::from_slice::<IgnoredAny>(first).is_ok()
}

/// The file that a text which is not JSON seems to name.
fn file_name(text: &[u8], exists: impl Fn(&Path) -> bool) -> Option<&str> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_FILE_NAME_BYTES)?.trim();
    if text.starts_with(['{', '[', '"']) || serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return None;
    }
    let name = text.strip_prefix("file://").unwrap_or(text);
    let looks_like_file = name.contains(['.', '/']) && !name.contains("://") && !name.contains(char::is_whitespace);
    (looks_like_file || exists(Path::new(name))).then_some(name)
}

fn read_stdin(text: &mut Vec<u8>) -> anyhow::Result<()> {
    input::append_stdin(text, "standard input: cannot read params")
}

/// Reads, and prints a note if that takes more than a second: a user may not know that standard input is read.
fn with_waiting_note<T>(read: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    // Without the thread there is no note.
    let _ = thread::Builder::new().spawn(move || {
        if waiting.recv_timeout(WAITING_NOTE_DELAY) == Err(RecvTimeoutError::Timeout) {
            stderr::print_message("waiting for params on standard input (use --params to not read it)");
        }
    });
    let result = read();
    drop(done);
    result
}

fn stdin_kind() -> StdinKind {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return StdinKind::Terminal;
    }
    // Without a copy of the descriptor, which could fail: input that is there would be taken for none.
    let kind = rustix::fs::fstat(&stdin).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if matches!(kind, Ok(FileType::Fifo | FileType::Socket | FileType::RegularFile)) {
        StdinKind::Data
    } else {
        StdinKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::StdinKind::{Data, Other, Terminal};
    use super::*;

    fn choose(option: Option<&str>, method: &str, stdin_kind: StdinKind) -> Source {
        params_source(option.map(OsStr::new), false, Method::find(method), || stdin_kind)
    }

    #[test]
    fn params_option_overrides_piped_stdin() {
        assert_eq!(choose(Some("{}"), "publish", Data), Source::Text(b"{}".to_vec()));
        assert_eq!(choose(Some(""), "publish", Data), Source::Text(Vec::new()));
    }

    #[test]
    fn params_option_never_reads_stdin() {
        params_source(Some(OsStr::new("{}")), false, Method::find("publish"), || panic!("checked"));
        params_source(Some(OsStr::new("@file")), false, Method::find("publish"), || panic!("checked"));
    }

    #[test]
    fn key_values_never_read_stdin() {
        for method in ["publish", "channels"] {
            assert_eq!(params_source(None, true, Method::find(method), || panic!("checked")), Source::KeyValues);
        }
    }

    #[test]
    fn dash_means_stdin() {
        assert_eq!(choose(Some("-"), "publish", Other), Source::ExplicitStdin);
        assert_eq!(choose(Some("@-"), "channels", Other), Source::ExplicitStdin);
    }

    #[test]
    fn at_sign_means_file() {
        assert_eq!(choose(Some("@a b"), "publish", Data), Source::File("a b".into()));
        assert_eq!(choose(Some("@"), "publish", Data), Source::File("".into()));
    }

    #[test]
    fn reads_piped_stdin_when_params_needed() {
        assert_eq!(choose(None, "publish", Data), Source::ImplicitStdin);
        assert_eq!(choose(None, "quux", Data), Source::ImplicitStdin);
        assert_eq!(choose(None, "publish", Other), Source::None);
        assert_eq!(choose(None, "publish", Terminal), Source::UnreadTerminal);
    }

    #[test]
    fn methods_without_params_never_read_stdin() {
        for method in ["channels", "stats", "node", "info"] {
            params_source(None, false, Method::find(method), || panic!("checked"));
        }
    }

    #[test]
    fn lines_of_objects_are_recognized() {
        for text in ["{}\n{}", " {\"a\": {}}\r\n\n{\"b\": 1}\n", "{}\n{"] {
            assert!(has_several_lines_of_objects(text.as_bytes()), "{text}");
        }
        for text in ["{}", "{}\n", "{\n\"a\": {}\n}", "{\"a\": {}\n}", "{}\n[]", "{}}\n{}", "[{}]\n{}", ""] {
            assert!(!has_several_lines_of_objects(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn text_that_names_a_file_is_recognized() {
        let file = |text: &'static str| file_name(text.as_bytes(), |path| path == Path::new("news"));
        for (text, name) in
            [("x.json", "x.json"), ("file:///tmp/x", "/tmp/x"), ("~/x", "~/x"), (" a/b\n", "a/b"), ("news", "news")]
        {
            assert_eq!(file(text), Some(name), "{text}");
        }
        for text in ["5", "0.5", "null", "other", "{x.json}", "[./x", "\"x.json", "http://h/x.json", "a. b", ""] {
            assert_eq!(file(text), None, "{text}");
        }
    }
}
