//! What to type for a param.

use std::ffi::OsString;

use cent::{Error, Method, Param, ParamType};
use serde_json::Value;

use super::parser::{KeyValue, Operator, Step, parse};
use crate::quoting::for_shell;

/// A longer suggestion would hide the message.
const MAX_SUGGESTION_CHARS: usize = 100;

/// What follows the key of a param of this type.
pub(crate) fn operator_for(param_type: ParamType) -> &'static str {
    match param_type {
        ParamType::String | ParamType::NonEmptyString => "=",
        ParamType::Strings | ParamType::NonEmptyStrings => "[]=",
        _ => ":=",
    }
}

/// The arguments that set a param to what a user probably means by this text, as they are typed in a shell.
pub(crate) fn suggest(param: &Param, text: &str) -> Option<String> {
    let name = param.name;
    let json = serde_json::from_str::<Value>(text).ok();
    let set_json = || for_shell(&format!("{name}:={}", text.trim()));
    let typed = match (param.param_type, json) {
        (ParamType::Strings | ParamType::NonEmptyStrings | ParamType::Any, Some(Value::Array(_)))
        | (ParamType::Any, Some(Value::Object(_))) => set_json(),
        (ParamType::Strings | ParamType::NonEmptyStrings, _) => {
            let entries = text.split(',').map(|entry| for_shell(&format!("{name}[]={}", entry.trim())));
            entries.collect::<Vec<_>>().join(" ")
        }
        (ParamType::String | ParamType::NonEmptyString, Some(Value::String(text))) => {
            for_shell(&format!("{name}={text}"))
        }
        (ParamType::String | ParamType::NonEmptyString | ParamType::Any, _) => for_shell(&format!("{name}={text}")),
        (ParamType::Boolean, _) => format!("{name}:={}", boolean(text)?),
        (ParamType::Position, Some(Value::Number(offset))) => {
            format!("'{name}[offset]:={offset}' '{name}[epoch]=…'")
        }
        (ParamType::Int32 | ParamType::Int64 | ParamType::Uint64 | ParamType::PositiveUint64, Some(number))
            if number.is_i64() || number.is_u64() =>
        {
            format!("{name}:={number}")
        }
        (_, Some(Value::Object(_))) => set_json(),
        _ => return None,
    };
    Some(typed).filter(|typed| typed.chars().count() <= MAX_SUGGESTION_CHARS && !typed.contains('\n'))
}

/// What other programs take for true and false.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// What to type instead, where a param is missing, empty or of another type: `limit:=10` for `limit=10`. None where the
/// error suggests another key itself.
pub(crate) fn param_hint(arguments: &[OsString], method: &str, error: &Error) -> Option<String> {
    if error.hint().is_some_and(|hint| hint.starts_with("did you mean ")) {
        return None;
    }
    hint_about(arguments, Method::find(method)?, error.param()?)
}

fn hint_about(arguments: &[OsString], method: &Method, name: &str) -> Option<String> {
    let param = method.params.iter().find(|param| param.name == name)?;
    let arguments = || arguments.iter().filter_map(|argument| parse(argument.to_str()?).ok());
    let is_about_param = |argument: &KeyValue<'_>| matches!(argument.path.first(), Some(Step::Key(key)) if key.eq_ignore_ascii_case(name));
    match arguments().find(is_about_param) {
        None => arguments().next().map(|_| match operator_for(param.param_type) {
            "[]=" => format!("as in '{name}[]=…'"),
            // Standard input is for one argument only.
            _ if param.param_type == ParamType::Any && arguments().any(|argument| argument.takes_stdin()) => {
                format!("add {name}=TEXT or {name}:=JSON")
            }
            _ if param.param_type == ParamType::Any => {
                format!("add {name}=TEXT or {name}:=JSON, or {name}@- or {name}:@- for standard input")
            }
            operator => format!("add {name}{operator}…"),
        }),
        Some(KeyValue { operator: Operator::Text, value: "", .. }) => Some("is a variable unset?".to_owned()),
        Some(KeyValue { path, operator: Operator::Text | Operator::Json, value, .. }) if path.len() == 1 => {
            suggest(param, value).map(|typed| format!("use {typed}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_another_type_has_a_hint() {
        let hint = |argument: &str, method: &str, name: &str| {
            hint_about(&["a=b".into(), argument.into()], Method::find(method).unwrap(), name)
        };
        for (argument, method, name, expected) in [
            ("channel=a", "broadcast", "channels", "as in 'channels[]=…'"),
            ("channel=a", "publish", "data", "add data=TEXT or data:=JSON, or data@- or data:@- for standard input"),
            ("channel@-", "publish", "data", "add data=TEXT or data:=JSON"),
            ("channel=a", "disconnect", "user", "add user=…"),
            ("limit=10", "history", "channel", "add channel=…"),
            ("channel=", "publish", "channel", "is a variable unset?"),
            ("channels[]=", "broadcast", "channels", "is a variable unset?"),
            ("channels=a", "broadcast", "channels", "use 'channels[]=a'"),
            ("channels=a, b", "broadcast", "channels", "use 'channels[]=a' 'channels[]=b'"),
            (r#"channels=["a", "b"]"#, "broadcast", "channels", r#"use 'channels:=["a", "b"]'"#),
            ("limit=10", "history", "limit", "use limit:=10"),
            ("reverse=yes", "history", "reverse", "use reverse:=true"),
            ("since=5", "history", "since", "use 'since[offset]:=5' 'since[epoch]=…'"),
            ("user:=42", "disconnect", "user", "use user=42"),
            ("channel:=42", "history", "channel", "use channel=42"),
            (r#"disconnect={"code": 4000}"#, "disconnect", "disconnect", r#"use 'disconnect:={"code": 4000}'"#),
        ] {
            assert_eq!(hint(argument, method, name).as_deref(), Some(expected), "{argument}");
        }
        for (argument, method, name) in [("limit=ten", "history", "limit"), ("limit:=1.5", "history", "limit")] {
            assert_eq!(hint(argument, method, name), None, "{argument}");
        }
    }
}
