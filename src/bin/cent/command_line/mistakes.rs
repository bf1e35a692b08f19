//! Usual mistakes in arguments: what the parser accepts, or reports in a way that would mislead.

use std::ffi::OsString;
use std::path::Path;

use cent::Method;
use clap::{Arg, CommandFactory};

use super::args::Args;
use crate::params::key_value::{has_operator, suggest};
use crate::quoting::{for_shell, shorten};

/// Hyphens, dashes and minus signs that word processors and web pages put in the place of one or two ASCII ones.
const TYPOGRAPHIC_DASHES: [char; 8] =
    ['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2015}', '\u{2212}', '\u{ad}'];

const TYPOGRAPHIC_QUOTES: [char; 8] = ['“', '”', '„', '‟', '‘', '’', '‚', '‛'];

/// Found once the section is known, before anything is sent.
pub(crate) const IDEMPOTENT_REQUIRES_KEY: &str =
    "--idempotent requires api_key and Centrifugo 5.2 or later, not secret";

/// What is wrong with arguments that the parser accepts.
pub(crate) fn find(args: &Args, command_line: &[OsString]) -> Option<String> {
    if let Some(mistake) = find_in_options(args) {
        return Some(mistake.to_owned());
    }
    if let Some(message) = find_carriage_return(command_line) {
        return Some(message);
    }
    let method = args.method.as_deref().and_then(Method::find);
    let in_names = || find_in_names(args);
    let in_key_values = |conflict| find_in_key_values(&args.key_values, method, conflict, command_line);
    if args.lines {
        // METHOD may be a file that was put after --lines.
        in_key_values(None).or_else(in_names)
    } else {
        in_names().or_else(|| in_key_values(args.params.as_ref().map(|_| "--params")))
    }
}

/// An option without the one that it belongs to. clap's own `requires` is dropped where --lines conflicts with another
/// option.
fn find_in_options(args: &Args) -> Option<&'static str> {
    match &args.journal {
        _ if args.batch.is_some() && !args.lines => Some("--batch requires --lines"),
        _ if args.rate.is_some() && !args.lines => Some("--rate requires --lines"),
        _ if args.unordered && !args.lines => Some("--unordered requires --lines"),
        _ if args.retry_max_time.is_some() && args.retry.is_none() => Some("--retry-max-time requires --retry"),
        Some(_) if !args.lines => Some("--journal requires --lines"),
        Some(path) if path.is_empty() => Some("--journal: missing file name"),
        Some(path) if path == "-" => Some("--journal: - is not a file; use the name of one, such as ./state"),
        None if args.unknown.is_some() => Some("--unknown requires --journal"),
        None if args.idempotent && args.retry.is_none() => {
            Some("--idempotent requires --retry or --journal: without them, nothing is sent again")
        }
        _ => None,
    }
}

/// What Windows line ends leave at the end of a script's lines. A value in the middle of a line may end so.
pub(super) fn find_carriage_return(command_line: &[OsString]) -> Option<String> {
    let (last, others) = command_line.split_last()?;
    let is_name = |word: &&OsString| !has_operator(&word.to_string_lossy());
    let mut words = [last].into_iter().chain(others.iter().skip(1).filter(is_name));
    let word = words.find(|word| word.as_encoded_bytes().ends_with(b"\r"))?;
    let word = shorten(&word.to_string_lossy());
    Some(format!(
        "'{word}' ends with a carriage return: the script has Windows line ends; run sed -i 's/\\r$//' SCRIPT"
    ))
}

/// A word that is no method, but asks for something else.
fn find_other_request(section: Option<&str>, method: &str) -> Option<String> {
    let section = for_shell(section?);
    let command = match method {
        "help" => "cent --help".to_owned(),
        "version" => "cent --version".to_owned(),
        "check" => format!("cent {section} --check"),
        "sections" | "list" => "cent --sections".to_owned(),
        "completions" => "cent --completions bash".to_owned(),
        _ => return None,
    };
    Some(format!("{method}: not a method; did you mean {command}?"))
}

/// What is wrong with SECTION and METHOD, without the config file.
fn find_in_names(args: &Args) -> Option<String> {
    let (section, method, lines) = (args.section.as_deref(), args.method.as_deref(), args.lines);
    let empty = |name| Some(format!("{name} is empty; is a variable unset?"));
    if section.is_some_and(str::is_empty) {
        return empty("SECTION");
    }
    let method = method?;
    if method.trim().is_empty() {
        return empty("METHOD");
    }
    find_unread_option(method)
        .or_else(|| find_lines_file("METHOD", method, lines))
        .or_else(|| find_other_request(section, method))
        .or_else(|| {
            section
                .filter(|_| method.contains('=') || lines && method.contains('@'))
                .map(|section| missing_before_key_value(section, method, args))
        })
}

/// Whether an argument is written like a known method.
pub(super) fn is_method(arg: &str) -> bool {
    Method::all().iter().any(|method| method.name == arg)
}

/// KEY=VALUE in the place of METHOD. A method's name in the place of SECTION is rather METHOD.
fn missing_before_key_value(section: &str, arg: &str, args: &Args) -> String {
    let next = args.key_values.first().and_then(|next| next.to_str());
    if let Some(method) = next.and_then(Method::find) {
        return format!(
            "METHOD comes before '{}'; did you mean cent {} {} …?",
            shorten(arg),
            for_shell(section),
            method.name
        );
    }
    if is_method(section) {
        format!("missing SECTION before {section}; usage: cent SECTION {section} [KEY=VALUE]...")
    } else {
        format!("missing METHOD before '{}'; usage: cent SECTION METHOD [KEY=VALUE]...", shorten(arg))
    }
}

/// An option that is read as SECTION or METHOD.
fn find_unread_option(arg: &str) -> Option<String> {
    if arg.starts_with(TYPOGRAPHIC_DASHES) {
        return typographic_option([arg]);
    }
    (arg.starts_with('-') && arg != "-").then(|| double_dash_message(arg))
}

fn find_lines_file(name: &str, arg: &str, lines: bool) -> Option<String> {
    (lines && is_path_like(arg)).then(|| lines_file(&format!("unexpected {name}"), arg))
}

/// What is wrong with a SECTION that the config file does not have, if that is more than its spelling.
pub(crate) fn unknown_section(section: &str, args: &Args, exists: impl Fn(&str) -> bool) -> Option<String> {
    let (method, lines) = (args.method.as_deref(), args.lines);
    let is_method = is_method(section);
    match method.filter(|_| is_method) {
        Some(method) if exists(method) => {
            let option = if lines { "--lines " } else { "" };
            let rest = if args.key_values.is_empty() { "" } else { " …" };
            return Some(format!("SECTION comes before METHOD; did you mean cent {option}{method} {section}{rest}?"));
        }
        _ if is_method => return Some(format!("section [{section}] not found; usage: cent SECTION {section}")),
        _ => {}
    }
    find_unread_option(section)
        .or_else(|| find_lines_file("SECTION", section, lines))
        .or_else(|| option_as_section(section, method))
        .or_else(|| find_other_section(section, method))
}

/// Something else in the place of SECTION.
fn find_other_section(section: &str, method: Option<&str>) -> Option<String> {
    if section.contains("://") {
        let text = "SECTION is a section of the config file, not a URL; set address there (see cent --help)";
        return Some(text.to_owned());
    }
    let method = method.filter(|_| has_operator(section))?;
    Some(format!("SECTION comes before '{}'; did you mean cent {} METHOD …?", shorten(section), for_shell(method)))
}

/// A SECTION with the name of an option, as in `cent help publish`.
pub(crate) fn option_as_section(section: &str, method: Option<&str>) -> Option<String> {
    let option = option_named(section).filter(|option| option.starts_with("--"))?;
    let method = method.filter(|method| option == "--help" && is_method(method));
    let about_method = method.map_or_else(String::new, |method| format!(" or cent SECTION {method} --help"));
    Some(format!("section [{section}] not found; did you mean cent {option}{about_method}?"))
}

/// What is wrong with the arguments after METHOD. `conflict` is an option that excludes them.
fn find_in_key_values(
    key_values: &[OsString],
    method: Option<&Method>,
    conflict: Option<&str>,
    command_line: &[OsString],
) -> Option<String> {
    let first = key_values.first()?.to_string_lossy();
    let args = || key_values.iter().filter_map(|arg| arg.to_str());
    if args().any(|arg| arg.starts_with('-') || !arg.is_ascii())
        && let Some(message) = find_option_after_method(args(), command_line)
    {
        return Some(message);
    }
    let texts: Vec<_> = key_values.iter().map(|arg| arg.to_string_lossy()).collect();
    if let Some(index) = texts.iter().position(|arg| !is_key_value(arg)) {
        let (previous, rest) = texts.split_at(index);
        let rest: Vec<&str> = rest.iter().map(|arg| &**arg).collect();
        return Some(unexpected_argument(&rest, previous.last().map(|arg| &**arg), method, command_line));
    }
    if let Some(message) = method.and_then(|method| texts.iter().find_map(|arg| option_as_param(arg, method))) {
        return Some(message);
    }
    match conflict? {
        "--lines" if file_after_lines(command_line).is_some() => Some(unexpected_with_lines(&first, command_line)),
        option => Some(format!("'{}' cannot be used with {option}", shorten(&first))),
    }
}

/// An option without its dashes. A method that is not known may have such a param.
fn option_as_param(arg: &str, method: &Method) -> Option<String> {
    let (name, value) = arg.split_once('=')?;
    // First, because the list of options takes long to build.
    let is_other = !method.params.iter().any(|param| param.name == name);
    let may_be_option = name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let option = if is_other && may_be_option { option_named(name) } else { None }?;
    Some(format!("'{}' has no dashes; did you mean {}?", shorten(arg), for_shell(&format!("{option}={value}"))))
}

/// An option among the arguments after METHOD.
fn find_option_after_method<'a>(
    args: impl Iterator<Item = &'a str> + Clone,
    command_line: &[OsString],
) -> Option<String> {
    let is_meant = |arg: &str| arg.len() > 1 && arg.starts_with('-') && (!is_key_value(arg) || is_option(arg));
    let unread = args.clone().any(is_meant).then(|| option_after_double_dash(command_line)).flatten();
    unread.or_else(|| typographic_option(args))
}

/// Whether an argument is meant as KEY=VALUE, though perhaps with an error in its key.
fn is_key_value(arg: &str) -> bool {
    has_operator(arg) && !arg.trim_start().starts_with(['{', '@'])
}

/// The message about the first of these arguments, which has no operator.
fn unexpected_argument(
    args: &[&str],
    previous: Option<&str>,
    method: Option<&Method>,
    command_line: &[OsString],
) -> String {
    let (arg, next) = (args.first().copied().unwrap_or_default(), args.get(1..).unwrap_or_default());
    let is_params = |arg: &str| arg.starts_with("--params") || arg.starts_with("-p");
    let has_params = command_line.iter().filter_map(|arg| arg.to_str()).any(is_params);
    let shown = shorten(arg);
    if has_lines(command_line) {
        unexpected_with_lines(arg, command_line)
    } else if has_typographic_quotes(command_line) {
        let example = if has_params { "--params='{…}'" } else { "KEY=\"…\"" };
        format!("unexpected argument '{shown}'; use straight quotes: {example}")
    } else if arg.starts_with('@') || arg == "-" {
        format!("unexpected argument '{shown}'; use --params={shown}")
    } else if arg.trim_start().starts_with('{') {
        format!("unexpected argument '{shown}'; pass params with --params='{{…}}'")
    } else if has_params {
        format!("unexpected argument '{shown}'; quote the params: --params='{{…}}'")
    } else if let Some((operator, typed)) = separated_by_spaces(arg, previous, next) {
        format!(
            "unexpected argument '{shown}'; params are KEY=VALUE without spaces around the {operator}, such as {typed}"
        )
    } else if let Some(typed) = method.and_then(|method| without_operator(arg, next, method)) {
        format!("unexpected argument '{shown}'; did you mean {typed}?")
    } else if let Some((key, _)) = previous.and_then(|previous| previous.split_once(":=")) {
        // Double quotes outside would end at those of the JSON.
        format!("unexpected argument '{shown}'; quote the value: '{}:=…'", shorten(key))
    } else if let Some((key, _)) = previous.and_then(|previous| previous.split_once('=')) {
        format!("unexpected argument '{shown}'; quote a value with spaces: {}=\"…\"", shorten(key))
    } else if is_file_like(arg) {
        format!("unexpected argument '{shown}'; use --params=@{shown}")
    } else if let Some(method) = method.filter(|_| arg == "help") {
        format!("unexpected argument 'help'; use cent {} --help", method.name)
    } else {
        let example = match method.and_then(|method| method.params.iter().find(|param| param.name == "user")) {
            Some(_) => "user=42",
            None => "channel=news",
        };
        format!("unexpected argument '{shown}'; params are KEY=VALUE without spaces around the =, such as {example}")
    }
}

/// The operator and the whole argument, where spaces made several arguments of it.
fn separated_by_spaces(arg: &str, previous: Option<&str>, next: &[&str]) -> Option<(&'static str, String)> {
    let operators = || [":=", ":@", "=", "@"].into_iter();
    if let Some(operator) = previous.and_then(|previous| operators().find(|operator| previous.ends_with(operator))) {
        return Some((operator, for_shell(&format!("{}{arg}", previous?))));
    }
    let operator = operators().find(|operator| next.first().is_some_and(|next| next.starts_with(operator)))?;
    let value = next.first()?.strip_prefix(operator).filter(|value| !value.is_empty()).or(next.get(1).copied())?;
    Some((operator, for_shell(&format!("{arg}{operator}{value}"))))
}

/// A param with another separator than an operator, or none.
fn without_operator(arg: &str, next: &[&str], method: &Method) -> Option<String> {
    let param = method.params.iter().find(|param| {
        let rest = arg.strip_prefix(param.name);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '['))
    })?;
    let rest = arg.strip_prefix(param.name)?.trim_start_matches([':', ';', ',', '-', '>', '|', '/', ' ']);
    suggest(param, if rest.is_empty() { next.first()? } else { rest })
}

fn unexpected_with_lines(arg: &str, command_line: &[OsString]) -> String {
    let file = file_after_lines(command_line).or_else(|| Some(arg).filter(|arg| is_file_like(arg)));
    match file {
        Some(file) => lines_file("unexpected argument", file),
        None => format!("unexpected argument '{}'; --lines reads params from standard input", shorten(arg)),
    }
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
fn is_file_like(arg: &str) -> bool {
    is_path_like(arg) || Path::new(arg).is_file()
}

/// Whether an argument is written like a path. What files there are must not change the meaning of a call.
fn is_path_like(arg: &str) -> bool {
    let is_path = arg.contains(['.', '/']) && !arg.contains(['{', '=', ':']);
    arg == "-" || arg.starts_with('@') || is_path
}

/// The file that follows `--lines`.
fn file_after_lines(command_line: &[OsString]) -> Option<&str> {
    let mut args = command_line.iter().skip(1).map_while(|arg| arg.to_str());
    args.by_ref().find(|arg| matches!(*arg, "--lines" | "-l"))?;
    args.next().filter(|arg| is_file_like(arg))
}

fn has_lines(command_line: &[OsString]) -> bool {
    command_line.iter().any(|arg| arg == "--lines" || arg == "-l")
}

fn double_dash_message(arg: &str) -> String {
    let name = arg.split('=').next().unwrap_or_default();
    format!("{name} is not read as an option after --; remove the --")
}

/// The first option after `--`.
pub(crate) fn option_after_double_dash(command_line: &[OsString]) -> Option<String> {
    let after = command_line.iter().skip_while(|arg| *arg != "--").skip(1).filter_map(|arg| arg.to_str());
    after.into_iter().find(|arg| arg.len() > 1 && arg.starts_with('-')).map(double_dash_message)
}

/// An option that begins with a typographic dash.
pub(crate) fn typographic_option<'a>(args: impl IntoIterator<Item = &'a str>) -> Option<String> {
    args.into_iter().find_map(|arg| {
        let dash = arg.chars().next().filter(|dash| TYPOGRAPHIC_DASHES.contains(dash))?;
        let typed = arg.split('=').next().unwrap_or_default();
        let option = option_named(typed.trim_start_matches(|c| c == '-' || TYPOGRAPHIC_DASHES.contains(&c)))?;
        Some(format!("'{typed}' begins with a typographic dash (U+{:04X}); use {option}", u32::from(dash)))
    })
}

/// Whether an argument begins as this program's options do.
fn is_option(arg: &str) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    let option = option_named(name.trim_start_matches('-'));
    option.is_some_and(|option| option == name)
}

/// The option with this long or short name.
fn option_named(name: &str) -> Option<String> {
    let command = Args::command();
    if let Some(long) = command.get_arguments().filter_map(Arg::get_long).find(|long| *long == name) {
        return Some(format!("--{long}"));
    }
    let mut shorts = command.get_arguments().filter_map(Arg::get_short);
    shorts.find(|short| name.chars().eq([*short])).map(|short| format!("-{short}"))
}

/// A word such as `help` in the place of SECTION: "did you mean cent --help?".
pub(crate) fn option_without_dashes(command_line: &[OsString]) -> Option<String> {
    let option = option_named(command_line.get(1)?.to_str()?).filter(|option| option.starts_with("--"))?;
    Some(format!("did you mean cent {option}?"))
}

/// Whether any argument contains a typographic quote, which the shell does not take for a quote.
fn has_typographic_quotes(command_line: &[OsString]) -> bool {
    command_line.iter().any(|arg| arg.to_string_lossy().contains(TYPOGRAPHIC_QUOTES))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn file_like_arguments_are_paths() {
        assert!(["x.jsonl", "./x", "@x", "-", "~/x"].into_iter().all(is_path_like));
        assert!(!["publish", "{\"a\":1.0}", "data:=1.5", "url=http://h/"].into_iter().any(is_path_like));
    }

    #[test]
    fn other_words_as_section_are_recognized() {
        for (words, message) in [
            (&["publish", "live"][..], "SECTION comes before METHOD; did you mean cent live publish?"),
            (&["publish", "live", "-l"], "SECTION comes before METHOD; did you mean cent --lines live publish?"),
            (&["publish", "live", "channel=a"], "SECTION comes before METHOD; did you mean cent live publish …?"),
            (&["publish", "--lines"], "section [publish] not found; usage: cent SECTION publish"),
            (
                &["help", "publish"],
                "section [help] not found; did you mean cent --help or cent SECTION publish --help?",
            ),
            (
                &["http://h", "publish"],
                "SECTION is a section of the config file, not a URL; set address there (see cent --help)",
            ),
            (&["channel=a", "live"], "SECTION comes before 'channel=a'; did you mean cent live METHOD …?"),
        ] {
            let args = Args::try_parse_from(["cent"].iter().chain(words)).unwrap();
            assert_eq!(unknown_section(words[0], &args, |name| name == "live").as_deref(), Some(message));
        }
        let args = Args::try_parse_from(["cent", "lvie", "publish"]).unwrap();
        assert_eq!(unknown_section("lvie", &args, |_| false), None);
    }
}
