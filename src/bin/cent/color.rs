//! Colours on a terminal: when, and which.

use std::ffi::OsString;

use clap::ValueEnum;

/// The values of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

/// Whether there are colours on an output.
///
/// The option beats the variables; `NO_COLOR` (<https://no-color.org>) beats `CLICOLOR_FORCE`
/// (<https://bixense.com/clicolors>), which beats the question whether this is a terminal that has colours.
pub(crate) fn wanted(when: When, variable: impl Fn(&str) -> Option<OsString>, terminal: impl FnOnce() -> bool) -> bool {
    // Both pages: set, and not empty.
    let set = |name| variable(name).filter(|value| !value.is_empty());
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR").is_some() => false,
        When::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        When::Auto => set("TERM").is_none_or(|value| value != "dumb") && terminal(),
    }
}

// No crate: four colours need none. Those of the terminal's own palette, so that they suit its background.
pub(crate) const KEY: &str = "\x1b[1;34m";
pub(crate) const STRING: &str = "\x1b[32m";
pub(crate) const NUMBER: &str = "\x1b[36m";
pub(crate) const LITERAL: &str = "\x1b[35m";
pub(crate) const ERROR: &str = "\x1b[1;31m";
pub(crate) const END: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(when: When, variables: &[(&str, &str)], terminal: bool) -> bool {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        wanted(when, variable, || terminal)
    }

    #[test]
    fn auto_means_on_a_terminal() {
        assert!(found(When::Auto, &[], true));
        assert!(found(When::Auto, &[("TERM", "xterm"), ("NO_COLOR", ""), ("CLICOLOR_FORCE", "")], true));
        assert!(!found(When::Auto, &[("TERM", "xterm")], false));
        assert!(!found(When::Auto, &[("TERM", "dumb")], true));
    }

    #[test]
    fn no_color_beats_clicolor_force_which_beats_the_terminal() {
        assert!(!found(When::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(found(When::Auto, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false));
        assert!(!found(When::Auto, &[("CLICOLOR_FORCE", "0")], false));
    }

    #[test]
    fn the_option_beats_both() {
        assert!(found(When::Always, &[("NO_COLOR", "1"), ("TERM", "dumb")], false));
        assert!(!found(When::Never, &[("CLICOLOR_FORCE", "1")], true));
    }
}
