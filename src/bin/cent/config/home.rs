//! The home directory, and `~/` at the start of a path.

use std::env;
use std::path::{Path, PathBuf};

/// The home directory. Without HOME there is none: a service must not read the file of the user that it runs as.
pub(crate) fn home_dir() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).and_then(|_| dirs::home_dir())
}

/// Replaces a leading `~/` by the home directory, because shells do not after `--config=` and `--params=@`.
pub(crate) fn expand_tilde(path: &Path, home_dir: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => home_dir.map(|home_dir| home_dir.join(rest)),
        Err(_) => Some(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_leading_tilde_only() {
        let home_dir = Some(Path::new("/home/u"));
        assert_eq!(expand_tilde(Path::new("~/x"), home_dir), Some("/home/u/x".into()));
        for other in ["x/~/y", "~user/x", "./~/x", "/~/x"] {
            assert_eq!(expand_tilde(Path::new(other), home_dir), Some(other.into()));
        }
        assert_eq!(expand_tilde(Path::new("~/x"), None), None);
    }
}
