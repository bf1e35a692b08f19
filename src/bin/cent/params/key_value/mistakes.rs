//! Arguments that are valid, but probably not what the user meant.
//!
//! A value is never interpreted, so only those of names (a channel, a user) are checked, and nothing inside of data.

use cent::{Method, Param, ParamType};

use super::parser::{KeyValue, Operator, Step};
use super::suggestions::{operator_for, suggest};
use crate::quoting::for_shell;

/// Params that name whom a command is about. An empty one would be about others.
const TARGETS: [&str; 5] = ["user", "client", "session", "channel", "idempotency_key"];

/// In any letter case, as the servers read keys.
fn is_target(name: &str) -> bool {
    TARGETS.iter().any(|target| target.eq_ignore_ascii_case(name))
}

/// What is wrong with an argument, and what to type instead.
pub(super) fn find(argument: &KeyValue<'_>, method: Option<&Method>) -> Option<String> {
    let Some(Step::Key(name)) = argument.path.first() else { return None };
    let params = method.map_or(&[][..], |method| method.params);
    let param = params.iter().find(|param| param.name.eq_ignore_ascii_case(name));
    find_number(argument)
        .or_else(|| if param.is_none() { find_other_separator(argument, name, params) } else { None })
        .or_else(|| find_in_text(argument, name, param, method))
        .or_else(|| param.and_then(|param| find_in_json(argument, param)))
}

/// A number in brackets, which would be a key of an object.
fn find_number(argument: &KeyValue<'_>) -> Option<String> {
    let is_number = |step: &Step| matches!(step, Step::Key(key) if key.bytes().all(|byte| byte.is_ascii_digit()));
    let number = argument.path.iter().skip(1).find(|step| is_number(step))?;
    let Step::Key(number) = number else { return None };
    let list = for_shell(&argument.argument.replacen(&format!("[{number}]"), "[]", 1));
    Some(format!(r#"lists have no numbers: use {list}; for an object with the key "{number}", use :="#))
}

/// A key such as `data.title`.
fn find_other_separator(argument: &KeyValue<'_>, name: &str, params: &[Param]) -> Option<String> {
    let (outer, inner) = name.split_once(['.', ':', '/'])?;
    let outer = params.iter().find(|param| param.name == outer && !inner.is_empty())?.name;
    let rest = argument.argument.get(name.len()..)?;
    let inner = inner.replace(['.', ':', '/'], "][");
    Some(format!("use {}", for_shell(&format!("{outer}[{inner}]{rest}"))))
}

/// A text that has what belongs around it.
fn find_in_text(argument: &KeyValue<'_>, name: &str, param: Option<&Param>, method: Option<&Method>) -> Option<String> {
    let (Operator::Text, [_], value) = (argument.operator, &argument.path[..], argument.value) else { return None };
    if let Some(problem) = find_in_target(argument, value, method) {
        return Some(problem);
    }
    let param = param.filter(|param| operator_for(param.param_type) == "=")?;
    let use_instead = |text: &str| suggest(param, text).map_or_else(String::new, |typed| format!("; use {typed}"));
    if value.ends_with('\r') {
        return Some(format!("the value ends with a carriage return{}", use_instead(value.trim_end())));
    }
    if let Some(text) = value.strip_prefix('=') {
        return Some(format!("there are two ={}", use_instead(text)));
    }
    let quoted = ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
    if let Some(text) = quoted {
        return Some(format!("the quotes are part of the value{}", use_instead(text)));
    }
    let is_argument = |word: &str| {
        let key = word.split(['=', ':', '@', '[']).next().unwrap_or_default();
        key.len() < word.len() && method.is_some_and(|method| method.params.iter().any(|param| param.name == key))
    };
    let (first, rest) = value.split_once(' ').filter(|(_, rest)| is_argument(rest))?;
    let rest: Vec<&str> = if rest.split(' ').all(is_argument) { rest.split(' ').collect() } else { vec![rest] };
    let arguments: Vec<String> = rest.into_iter().map(for_shell).collect();
    let first = for_shell(&format!("{name}={first}"));
    Some(format!("the quotes are around several arguments; use {first} {}", arguments.join(" ")))
}

/// The name of a user or channel that is empty, or has line breaks: a file without a name or with several ones, or the
/// newline at its end.
pub(super) fn find_in_target(argument: &KeyValue<'_>, text: &str, method: Option<&Method>) -> Option<String> {
    let [Step::Key(name)] = &argument.path[..] else { return None };
    if !is_target(name) {
        return None;
    }
    let file = (argument.operator == Operator::TextFile).then_some(argument.value);
    if text.is_empty() {
        let mut params = method.map_or(&[][..], |method| method.params).iter();
        let param = params.find(|param| param.name.eq_ignore_ascii_case(name));
        // One that must not be empty is checked anyway.
        let may_be_empty = !param.is_some_and(|param| param.param_type == ParamType::NonEmptyString);
        let found = match file {
            None => "the value is empty: is a variable unset?",
            Some("-") => "standard input is empty",
            Some(_) => "the file is empty",
        };
        return may_be_empty.then(|| format!("{found} (for an empty {name}, use {name}:='\"\"')"));
    }
    if !text.contains('\n') {
        return None;
    }
    let path = file.filter(|&file| file != "-").map(for_shell);
    if file.is_some() && text.trim_end().lines().count() <= 1 {
        let path = path.map(|path| format!(" {path}")).unwrap_or_default();
        return Some(format!("the {name} would end with a newline; use \"{name}=$(cat{path})\""));
    }
    let input = path.map(|path| format!(" < {path}")).unwrap_or_default();
    Some(format!("the {name} has several lines; for a command per line, use --lines {name}@-{input}"))
}

/// JSON where the param has another type, for which the error of the JSON would not help.
fn find_in_json(argument: &KeyValue<'_>, param: &Param) -> Option<String> {
    let (Operator::Json, [_], value) = (argument.operator, &argument.path[..], argument.value) else { return None };
    let has_hint = value.trim().is_empty() || value.starts_with('@') || lost_quotes(value.trim().as_bytes());
    if has_hint || cent::check_json(value.as_bytes()).is_ok() {
        return None;
    }
    match param.param_type {
        ParamType::Any | ParamType::String | ParamType::NonEmptyString => None,
        param_type => {
            let typed = suggest(param, value).map_or_else(String::new, |typed| format!("; use {typed}"));
            Some(format!("expected {param_type}{typed}"))
        }
    }
}

/// What to do where [`lost_quotes`].
pub(crate) const LOST_QUOTES: &str =
    "invalid JSON: object keys must be in double quotes, which the shell removes; use single quotes around it";

/// Whether a text looks like JSON from which the shell has removed the quotes, such as `{channel:news}`, or the braces too:
/// it makes an argument of each member, if there are several without spaces. URLs and times are none.
pub(crate) fn lost_quotes(text: &[u8]) -> bool {
    let has_brace = text.starts_with(b"{");
    let members = text.strip_prefix(b"{").unwrap_or(text).trim_ascii_start();
    let key = members.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let Some(value) = members.get(key..).and_then(|rest| rest.strip_prefix(b":")) else { return false };
    let is_member = has_brace || !(value.starts_with(b"//") || text.iter().any(u8::is_ascii_whitespace));
    let is_name = members.first().is_some_and(u8::is_ascii_alphabetic);
    is_name && is_member && !text.iter().any(|byte| matches!(byte, b'"' | b'\''))
}
