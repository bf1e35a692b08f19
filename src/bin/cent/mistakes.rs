//! Usual mistakes in arguments: what the parser accepts, or reports in a way that would mislead.

use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, Command};

use crate::did_you_mean::did_you_mean;
use crate::key_value::shorten;

/// Hyphens, dashes and minus signs that word processors and web pages put in the place of one or two ASCII ones.
const TYPOGRAPHIC_DASHES: [char; 8] =
    ['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2015}', '\u{2212}', '\u{ad}'];

const TYPOGRAPHIC_QUOTES: [char; 8] = ['“', '”', '„', '‟', '‘', '’', '‚', '‛'];

/// Checks SECTION and METHOD without the config file.
pub(crate) fn check(
    section: Option<&str>,
    method: Option<&str>,
    lines: bool,
    command: impl FnOnce() -> Command,
) -> Option<String> {
    let empty = |name| Some(format!("{name} is empty; is a variable unset?"));
    if section.is_some_and(str::is_empty) {
        return empty("SECTION");
    }
    let method = method?;
    if method.trim().is_empty() {
        return empty("METHOD");
    }
    let option = not_an_option(method, command).or_else(|| lines_file_as("METHOD", method, lines));
    option.or_else(|| section.filter(|_| method.contains('=')).map(|section| missing_before_key_value(section, method)))
}

/// KEY=VALUE in the place of METHOD. A method's name in the place of SECTION is rather METHOD.
fn missing_before_key_value(section: &str, arg: &str) -> String {
    if cent::known_methods().any(|known| known == section) {
        format!("missing SECTION before {section}; usage: cent SECTION {section} [KEY=VALUE]...")
    } else {
        format!("missing METHOD before '{}'; usage: cent SECTION METHOD [KEY=VALUE]...", shorten(arg))
    }
}

/// An option that is read as SECTION or METHOD.
fn not_an_option(arg: &str, command: impl FnOnce() -> Command) -> Option<String> {
    if arg.starts_with(TYPOGRAPHIC_DASHES) {
        return typographic_option([arg], &command());
    }
    (arg.starts_with('-') && arg != "-").then(|| after_double_dash(arg))
}

fn lines_file_as(name: &str, arg: &str, lines: bool) -> Option<String> {
    (lines && is_path_like(arg)).then(|| lines_file(&format!("unexpected {name}"), arg))
}

/// What is wrong with a SECTION that the config file does not have, if that is more than its spelling.
pub(crate) fn unknown_section(
    section: &str,
    method: Option<&str>,
    lines: bool,
    exists: impl Fn(&str) -> bool,
    command: impl Fn() -> Command,
) -> Option<String> {
    let is_method = cent::known_methods().any(|known| known == section);
    match method.filter(|_| is_method) {
        Some(method) if exists(method) => {
            let option = if lines { "--lines " } else { "" };
            return Some(format!("SECTION comes before METHOD; did you mean cent {option}{method} {section}?"));
        }
        _ if is_method => return Some(format!("section [{section}] not found; usage: cent SECTION {section}")),
        _ => {}
    }
    not_an_option(section, &command)
        .or_else(|| lines_file_as("SECTION", section, lines))
        .or_else(|| option_as_section(section, method, command))
}

/// A SECTION with the name of an option, as in `cent help publish`.
pub(crate) fn option_as_section(
    section: &str,
    method: Option<&str>,
    command: impl FnOnce() -> Command,
) -> Option<String> {
    let option = option_named(section, &command()).filter(|option| option.starts_with("--"))?;
    let method = method.filter(|method| option == "--help" && cent::known_methods().any(|known| known == *method));
    let about_method = method.map_or_else(String::new, |method| format!(" or cent SECTION {method} --help"));
    Some(format!("section [{section}] not found; did you mean cent {option}{about_method}?"))
}

/// A file where no argument or METHOD is expected.
pub(crate) fn lines_file(what: &str, arg: &str) -> String {
    let file = arg.trim_start_matches('@');
    if file == "-" || file.is_empty() {
        return format!("{what} '{arg}'; --lines always reads standard input: remove it");
    }
    format!("{what} '{arg}'; --lines reads standard input: use < {file}")
}

/// Whether an argument that has no other meaning seems to be a file, or standard input.
pub(crate) fn is_file_like(arg: &str) -> bool {
    is_path_like(arg) || Path::new(arg).is_file()
}

/// Whether an argument is written like a path. What files there are must not change the meaning of a call.
fn is_path_like(arg: &str) -> bool {
    let is_path = arg.contains(['.', '/']) && !arg.contains(['{', '=', ':']);
    arg == "-" || arg.starts_with('@') || is_path
}

/// The file that follows `--lines`.
pub(crate) fn file_after_lines(command_line: &[OsString]) -> Option<&str> {
    let mut args = command_line.iter().skip(1).map_while(|arg| arg.to_str());
    args.by_ref().find(|arg| matches!(*arg, "--lines" | "-l"))?;
    args.next().filter(|arg| is_file_like(arg))
}

/// Whether `--params` has one dash only, so that it is read as `-p` with a value.
pub(crate) fn has_single_dash_params(command_line: &[OsString]) -> bool {
    let mut args = command_line.iter().filter_map(|arg| arg.to_str());
    args.any(|arg| arg == "-params" || arg.starts_with("-params="))
}

pub(crate) fn has_lines(command_line: &[OsString]) -> bool {
    command_line.iter().any(|arg| arg == "--lines" || arg == "-l")
}

fn after_double_dash(arg: &str) -> String {
    let name = arg.split('=').next().unwrap_or_default();
    format!("{name} is not read as an option after --; remove the --")
}

/// The first option after `--`.
pub(crate) fn option_after_double_dash(command_line: &[OsString]) -> Option<String> {
    let after = command_line.iter().skip_while(|arg| *arg != "--").skip(1).filter_map(|arg| arg.to_str());
    after.into_iter().find(|arg| arg.len() > 1 && arg.starts_with('-')).map(after_double_dash)
}

/// An option that begins with a typographic dash.
pub(crate) fn typographic_option<'a>(args: impl IntoIterator<Item = &'a str>, command: &Command) -> Option<String> {
    args.into_iter().find_map(|arg| {
        let dash = arg.chars().next().filter(|dash| TYPOGRAPHIC_DASHES.contains(dash))?;
        let typed = arg.split('=').next().unwrap_or_default();
        let option = option_named(typed.trim_start_matches(|c| c == '-' || TYPOGRAPHIC_DASHES.contains(&c)), command)?;
        Some(format!("'{typed}' begins with a typographic dash (U+{:04X}); use {option}", u32::from(dash)))
    })
}

/// Whether an argument begins as this program's options do.
pub(crate) fn is_option(arg: &str, command: &Command) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    let option = option_named(name.trim_start_matches('-'), command);
    option.is_some_and(|option| option == name)
}

/// The option with this long or short name.
fn option_named(name: &str, command: &Command) -> Option<String> {
    if let Some(long) = command.get_arguments().filter_map(Arg::get_long).find(|long| *long == name) {
        return Some(format!("--{long}"));
    }
    let mut shorts = command.get_arguments().filter_map(Arg::get_short);
    shorts.find(|short| name.chars().eq([*short])).map(|short| format!("-{short}"))
}

/// A word such as `help` in the place of SECTION: "did you mean cent --help?".
pub(crate) fn option_without_dashes(command_line: &[OsString], command: &Command) -> Option<String> {
    let word = command_line.get(1)?.to_str()?;
    let mut longs = command.get_arguments().filter_map(Arg::get_long);
    longs.find(|long| *long == word).map(|long| format!("did you mean cent --{long}?"))
}

/// Whether any argument contains a typographic quote, which the shell does not take for a quote.
pub(crate) fn has_typographic_quotes(command_line: &[OsString]) -> bool {
    command_line.iter().any(|arg| arg.to_string_lossy().contains(TYPOGRAPHIC_QUOTES))
}

/// "did you mean --params?"
pub(crate) fn closest_option(typed: &str, command: &Command) -> Option<String> {
    let long_options = command.get_arguments().filter_map(Arg::get_long);
    let options: Vec<String> = long_options.map(|long| format!("--{long}")).collect();
    did_you_mean(&format!("--{}", typed.trim_start_matches('-')), options.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_like_arguments_are_paths() {
        assert!(["x.jsonl", "./x", "@x", "-", "~/x"].into_iter().all(is_path_like));
        assert!(!["publish", "{\"a\":1.0}", "data:=1.5", "url=http://h/"].into_iter().any(is_path_like));
    }

    #[test]
    fn swapped_section_and_method_are_recognized() {
        let unknown = |section, method, lines| {
            unknown_section(
                section,
                method,
                lines,
                |name| name == "live",
                || Command::new("cent").arg(Arg::new("help").long("help")),
            )
        };
        assert_eq!(
            unknown("publish", Some("live"), false).as_deref(),
            Some("SECTION comes before METHOD; did you mean cent live publish?")
        );
        assert_eq!(
            unknown("publish", Some("live"), true).as_deref(),
            Some("SECTION comes before METHOD; did you mean cent --lines live publish?")
        );
        assert_eq!(
            unknown("publish", None, true).as_deref(),
            Some("section [publish] not found; usage: cent SECTION publish")
        );
        assert_eq!(
            unknown("help", Some("publish"), false).as_deref(),
            Some("section [help] not found; did you mean cent --help or cent SECTION publish --help?")
        );
        assert_eq!(unknown("lvie", Some("publish"), false), None);
    }
}
