//! Reads files and standard input, up to a limit.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::config::home::{expand_tilde, home_dir};
use crate::console::blocking;

/// The largest params, whatever they are read from.
pub(super) const MAX_PARAMS_BYTES: u64 = 1_000_000_000;

/// Standard input, as a path. It cannot be opened if it is a socket or belongs to another user.
const STDIN_PATHS: [&str; 4] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "/proc/thread-self/fd/0"];

/// Appends a file to `bytes`: params are large, and held once. `argument` is what names the file, `stdin_argument` what to use
/// for standard input.
///
/// # Errors
/// For a file that cannot be read, or makes the bytes more than [`MAX_PARAMS_BYTES`].
pub(crate) fn append_file(
    bytes: &mut Vec<u8>,
    path: &Path,
    argument: &str,
    stdin_argument: &str,
) -> anyhow::Result<()> {
    if path.as_os_str().is_empty() {
        bail!("{argument}: missing file name after @; use @FILE, or - for standard input");
    }
    let Some(file) = expand_tilde(path, home_dir().as_deref()) else {
        bail!("{argument}: cannot read {}: HOME is not set; use an absolute path", path.display());
    };
    let is_stdin = STDIN_PATHS.iter().any(|stdin| Path::new(stdin) == file);
    let hint = if is_stdin { format!(" (for standard input use {stdin_argument})") } else { String::new() };
    let context = || format!("{argument}: cannot read {}{hint}", path.display());
    File::open(file).map_err(Into::into).and_then(|file| append(bytes, file, MAX_PARAMS_BYTES)).with_context(context)
}

/// Appends standard input to `bytes`.
///
/// # Errors
/// If it cannot be read, or makes the bytes more than [`MAX_PARAMS_BYTES`].
pub(crate) fn append_stdin(bytes: &mut Vec<u8>, context: &str) -> anyhow::Result<()> {
    let input = blocking::stdin().map_err(Into::into);
    input.and_then(|input| append(bytes, input, MAX_PARAMS_BYTES)).with_context(|| context.to_owned())
}

/// Reads to the end, unless it is too far: a device such as /dev/zero has none.
fn append(bytes: &mut Vec<u8>, input: impl Read + AsFd, max_bytes: u64) -> anyhow::Result<()> {
    let remaining = (max_bytes + 1).saturating_sub(bytes.len() as u64);
    blocking::read_to_end(input, remaining, bytes)?;
    ensure!(bytes.len() as u64 <= max_bytes, "larger than 1 GB; params must be smaller");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;

    #[test]
    fn too_large_params_are_not_read_to_the_end() {
        let mut bytes = b"12".to_vec();
        let (input, mut writer) = io::pipe().unwrap();
        writer.write_all(b"345").unwrap();
        drop(writer);
        append(&mut bytes, input, 5).unwrap();
        assert_eq!(bytes, b"12345");
        let endless = File::open("/dev/zero").unwrap();
        let error = append(&mut bytes, endless, 8).unwrap_err().to_string();
        assert_eq!((error.as_str(), bytes.len()), ("larger than 1 GB; params must be smaller", 9));
    }
}
