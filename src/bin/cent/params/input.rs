//! Reads files and standard input, up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::blocking::{self, Blocking};
use crate::config::home::{expand_tilde, home_dir};

/// The largest params that are read, whatever they are read from.
pub(crate) const MAX_PARAMS_BYTES: u64 = 1_000_000_000;

/// Standard input, as a path. It cannot be opened if it is a socket or belongs to another user.
const STDIN_PATHS: [&str; 4] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "/proc/thread-self/fd/0"];

/// Reads a file to its end. `argument` is what names the file, `stdin_argument` what to use for standard input.
///
/// # Errors
/// For a file that cannot be read, or is larger.
pub(crate) fn read_file(path: &Path, argument: &str, stdin_argument: &str, max_bytes: u64) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str().is_empty() {
        bail!("{argument}: missing file name after @; use @FILE, or - for standard input");
    }
    let Some(file) = expand_tilde(path, home_dir().as_deref()) else {
        bail!("{argument}: cannot read {}: HOME is not set; use an absolute path", path.display());
    };
    let is_stdin = STDIN_PATHS.iter().any(|stdin| Path::new(stdin) == file);
    let hint = if is_stdin { format!(" (for standard input use {stdin_argument})") } else { String::new() };
    let context = || format!("{argument}: cannot read {}{hint}", path.display());
    File::open(file).map_err(Into::into).and_then(|file| read_limited(file, max_bytes)).with_context(context)
}

/// Reads standard input to its end.
///
/// # Errors
/// If it cannot be read, or is larger.
pub(crate) fn read_stdin(context: &str, max_bytes: u64) -> anyhow::Result<Vec<u8>> {
    let input = blocking::stdin().map_err(Into::into);
    input.and_then(|input| read_limited(Blocking::new(input), max_bytes)).with_context(|| context.to_owned())
}

/// Reads to the end, unless it is too far: a device such as /dev/zero has none.
fn read_limited(input: impl Read, max_bytes: u64) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    input.take(max_bytes + 1).read_to_end(&mut text)?;
    ensure!(text.len() as u64 <= max_bytes, "larger than 1 GB; params must be smaller");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_params_are_not_read_to_the_end() {
        assert_eq!(read_limited(&b"12345"[..], 5).unwrap(), b"12345");
        let error = read_limited(std::io::repeat(b' '), 5).unwrap_err().to_string();
        assert_eq!(error, "larger than 1 GB; params must be smaller");
    }
}
