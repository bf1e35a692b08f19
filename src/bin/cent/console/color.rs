//! Colors: when to use them, and which.

use std::ffi::OsString;

/// The values of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// Whether an output is colored.
///
/// The option overrides the variables. `NO_COLOR` (<https://no-color.org>) overrides `CLICOLOR_FORCE`
/// (<https://bixense.com/clicolors>), which overrides the check for a terminal with colors.
pub(crate) fn use_color(
    choice: ColorChoice,
    env_var: impl Fn(&str) -> Option<OsString>,
    is_terminal: impl FnOnce() -> bool,
) -> bool {
    // Both conventions count an empty variable as unset.
    let set = |name| env_var(name).filter(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set("NO_COLOR").is_some() => false,
        ColorChoice::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColorChoice::Auto => set("TERM").is_none_or(|value| value != "dumb") && is_terminal(),
    }
}

// Four colors need no crate. They are from the terminal's own palette, so that they suit its background.
pub(crate) const KEY: &str = "\x1b[1;34m";
pub(crate) const STRING: &str = "\x1b[32m";
pub(crate) const NUMBER: &str = "\x1b[36m";
pub(crate) const LITERAL: &str = "\x1b[35m";
pub(crate) const ERROR: &str = "\x1b[1;31m";
pub(crate) const END: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(choice: ColorChoice, variables: &[(&str, &str)], terminal: bool) -> bool {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        use_color(choice, variable, || terminal)
    }

    #[test]
    fn auto_is_colored_on_terminal() {
        assert!(found(ColorChoice::Auto, &[], true));
        assert!(found(ColorChoice::Auto, &[("TERM", "xterm"), ("NO_COLOR", ""), ("CLICOLOR_FORCE", "")], true));
        assert!(!found(ColorChoice::Auto, &[("TERM", "xterm")], false));
        assert!(!found(ColorChoice::Auto, &[("TERM", "dumb")], true));
    }

    #[test]
    fn no_color_overrides_clicolor_force() {
        assert!(!found(ColorChoice::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(found(ColorChoice::Auto, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false));
        assert!(!found(ColorChoice::Auto, &[("CLICOLOR_FORCE", "0")], false));
    }

    #[test]
    fn option_overrides_both_variables() {
        assert!(found(ColorChoice::Always, &[("NO_COLOR", "1"), ("TERM", "dumb")], false));
        assert!(!found(ColorChoice::Never, &[("CLICOLOR_FORCE", "1")], true));
    }
}
