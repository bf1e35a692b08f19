//! The completion scripts.

use clap::ValueEnum;

/// The shells that have a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub(crate) fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../../../completions/cent.bash"),
            Self::Zsh => include_str!("../../../../completions/_cent"),
            Self::Fish => include_str!("../../../../completions/cent.fish"),
        }
    }
}
