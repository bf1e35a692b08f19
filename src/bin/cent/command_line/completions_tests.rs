//! Checks that each completion script has every option, description, value and method.

use cent::{ApiVersion, Method, Param};

use super::completions::Shell;
use crate::command_line;
use crate::params::key_value;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

impl Shell {
    /// How the script spells an option, up to the end of its name.
    fn option(self, long: &str) -> String {
        if self == Self::Fish { format!("-l {long}") } else { format!("--{long}") }
    }

    /// The beginning and the end of the list of this name.
    fn list_delimiters(self, name: &str) -> (String, char) {
        match self {
            Self::Bash => (format!(" {name}='"), '\''),
            Self::Zsh => (format!(" {name}=("), ')'),
            // A newline after a backslash continues the list.
            Self::Fish => (format!("set -l {name} "), '\n'),
        }
    }

    /// The beginning and the end of the list of a method's params.
    fn params_delimiters(self, method: &str) -> (String, char) {
        match self {
            Self::Bash => (format!("\n        {method}) params='"), '\''),
            Self::Zsh => (format!("\n    ({method}) params=("), ')'),
            Self::Fish => (format!("\n        case {method}\n            set params "), '\n'),
        }
    }

    fn list(self, name: &str) -> Vec<String> {
        self.list_between(self.list_delimiters(name))
    }

    fn list_between(self, (begin, end): (String, char)) -> Vec<String> {
        let script = self.script().replace("\\\n", " ");
        let (_, list) = script.split_once(&begin).unwrap_or_else(|| panic!("{self:?}: add {begin:?}"));
        let (list, _) = list.split_once(end).expect("the list ends");
        list.split_whitespace().map(str::to_owned).collect()
    }
}

/// Whether the text contains the name, and not only as the beginning of a longer one.
fn contains(text: &str, name: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    text.match_indices(name).any(|(start, _)| text.get(start + name.len()..).is_some_and(is_end))
}

#[test]
fn completions_have_all_options_and_values() {
    // Includes the arguments that clap adds.
    let mut command = command_line::command();
    command.build();
    for shell in SHELLS {
        for option in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let name = shell.option(option.get_long().expect("each option has a long name"));
            assert!(contains(shell.script(), &name), "completions: add {name} to the script for {shell:?}");
            for value in option.get_possible_values().iter().filter(|_| option.get_action().takes_values()) {
                let value = value.get_name();
                assert!(contains(shell.script(), value), "completions: add {value} to the script for {shell:?}");
            }
        }
    }
}

/// Bash shows no descriptions. Defaults and hints in brackets are left out: brackets have a meaning in zsh.
#[test]
fn descriptions_match_help() {
    let mut command = command_line::command();
    command.build();
    let zsh = Shell::Zsh.script().replace("\\:", ":");
    for option in command.get_arguments().filter(|arg| !arg.is_positional()) {
        let name = option.get_long().expect("each option has a long name");
        let help = option.get_help().expect("each option has a help text").to_string();
        let description = help.split(['[', '(']).next().unwrap_or_default().trim_end();
        let in_zsh =
            ["=", "", "}'", "=}'"].iter().any(|between| zsh.contains(&format!("--{name}{between}[{description}]")));
        assert!(in_zsh, "completions/_cent: describe --{name} as {description}");
        let fish_line = Shell::Fish
            .script()
            .lines()
            .find(|line| line.starts_with("complete -c cent ") && contains(line, &Shell::Fish.option(name)));
        let fish_line = fish_line.expect("the fish script describes the option");
        let expected = format!(" -d '{description}'");
        assert!(fish_line.ends_with(&expected), "completions/cent.fish: describe --{name} as {description}");
    }
}

/// Methods and params that the newest open-source server has. Others would be noise for most, and a `label_filter` that a
/// server does not read would close connections that it should keep.
fn is_offered(method: &Method, version: ApiVersion) -> bool {
    !method.is_pro && method.versions(version).is_some_and(|versions| versions.last.is_none())
}

#[test]
fn completions_have_methods_of_all_versions() {
    for shell in SHELLS {
        for (name, version) in [("v1", ApiVersion::V1), ("v2", ApiVersion::V2)] {
            let methods = Method::all().iter().filter(|method| is_offered(method, version));
            let methods: Vec<&str> = methods.map(|method| method.name).collect();
            assert_eq!(shell.list(name), methods, "completions: fix the list {name} in the script for {shell:?}");
        }
    }
}

#[test]
fn completions_have_params_of_all_methods() {
    for method in Method::all().iter().filter(|method| is_offered(method, ApiVersion::V2)) {
        let typed = |param: &Param| format!("{}{}", param.name, key_value::operator_for(param.param_type));
        let params: Vec<String> = method.params_in(ApiVersion::V2).filter(|param| !param.is_pro).map(typed).collect();
        let method = method.name;
        for shell in SHELLS.into_iter().filter(|_| !params.is_empty()) {
            let found = shell.list_between(shell.params_delimiters(method));
            // Brackets have a meaning in zsh.
            let found: Vec<String> = found.iter().map(|word| word.replace(['\'', '\\'], "")).collect();
            assert_eq!(found, params, "completions: fix the params of {method} in the script for {shell:?}");
        }
    }
}
