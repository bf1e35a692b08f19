//! The files of this project.

use std::fs;
use std::path::Path;

/// The files below a directory of this project, or the file itself.
pub(crate) fn files(path: &str) -> Vec<String> {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if !full.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(full).expect("the directory can be read");
    let names = entries.map(|entry| entry.expect("the directory can be read").file_name());
    names.flat_map(|name| files(&format!("{path}/{}", name.to_string_lossy()))).collect()
}

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the file can be read")
}

/// Code without its comments, and without the tests at its end.
pub(crate) fn without_comments_and_tests(code: &str) -> String {
    let code = code.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    // Elsewhere, as in an address, it begins no comment.
    let is_comment = |before: &str| before.is_empty() || before.ends_with(' ');
    let without_comment = |line: &str| {
        let comment = line.match_indices("//").find(|&(at, _)| is_comment(&line[..at]));
        comment.map_or(line, |(at, _)| &line[..at]).to_owned() + "\n"
    };
    code.lines().map(without_comment).collect()
}
