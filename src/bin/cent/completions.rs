//! The completion scripts, held inside the program.

use clap::ValueEnum;

/// The shells that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub(crate) fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../../completions/cent.bash"),
            Self::Zsh => include_str!("../../../completions/_cent"),
            Self::Fish => include_str!("../../../completions/cent.fish"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

    impl Shell {
        /// How an option stands in the script, up to where its name ends.
        fn option(self, long: &str) -> String {
            if self == Self::Fish { format!("-l {long}") } else { format!("--{long}") }
        }

        /// How the list of this name begins and ends in the script.
        fn around_list(self, name: &str) -> (String, char) {
            match self {
                Self::Bash => (format!(" {name}='"), '\''),
                Self::Zsh => (format!(" {name}=("), ')'),
                // No backslash before it: the last line of the list.
                Self::Fish => (format!("set -l {name} "), '\n'),
            }
        }

        fn list(self, name: &str) -> Vec<String> {
            let (begin, end) = self.around_list(name);
            let script = self.script().replace("\\\n", " ");
            let (_, list) = script.split_once(&begin).expect("each script has both lists");
            let (list, _) = list.split_once(end).expect("the list ends");
            list.split_whitespace().map(str::to_owned).collect()
        }
    }

    /// Whether the text holds this, and not only as the beginning of a longer name.
    fn holds(text: &str, name: &str) -> bool {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        text.match_indices(name).any(|(start, _)| text.get(start + name.len()..).is_some_and(ends))
    }

    #[test]
    fn each_script_knows_every_option_and_its_values() {
        // Built, so that it holds what the parser adds.
        let mut command = args::command();
        command.build();
        for shell in SHELLS {
            for option in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let name = shell.option(option.get_long().expect("each option has a long name"));
                assert!(holds(shell.script(), &name), "completions: add {name} to the script for {shell:?}");
                for value in option.get_possible_values().iter().filter(|_| option.get_action().takes_values()) {
                    let value = value.get_name();
                    assert!(holds(shell.script(), value), "completions: add {value} to the script for {shell:?}");
                }
            }
        }
    }

    #[test]
    fn each_script_knows_the_methods_of_both_forms() {
        let address = || cent::Address::parse("http://localhost:8000").unwrap();
        let first = cent::Endpoint::with_secret(address(), "x").unwrap();
        let later = cent::Endpoint::with_api_key(address(), "x").unwrap();
        for shell in SHELLS {
            for (name, endpoint) in [("first", &first), ("later", &later)] {
                let known: Vec<&str> = endpoint.known_methods().collect();
                assert_eq!(shell.list(name), known, "completions: mend the list {name} in the script for {shell:?}");
            }
        }
    }
}
