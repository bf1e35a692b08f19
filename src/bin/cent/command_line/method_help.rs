//! The help about one method: `cent SECTION METHOD --help`.

use std::fmt::Write as _;

use cent::{KnownParam, ParamKind};

use crate::did_you_mean::did_you_mean;
use crate::stderr;

/// Where the servers' documentation describes the params.
const API_DOCUMENTATION: &str = "https://centrifugal.dev/docs/server/server_api";

/// The params of a known method, with an example to copy; for a misspelled one, its name.
pub(crate) fn text(section: &str, method: &str) -> Option<String> {
    let Some(method) = cent::known_methods().find(|known| known.eq_ignore_ascii_case(method)) else {
        let suggestion = did_you_mean(method, cent::known_methods())?;
        return Some(format!("{}: unknown method; {suggestion}\nOptions: cent --help\n", stderr::escaped(method)));
    };
    let params = cent::known_params(method);
    let mut text = match params.len() {
        0 => format!("{method}: a method without params\n"),
        _ => format!("{method}: params that cent knows\n"),
    };
    let width = params.iter().map(|param| param.name.len()).max().unwrap_or_default();
    for KnownParam { name, expected, is_required, .. } in &params {
        let required = if *is_required { "required: " } else { "" };
        let _ = writeln!(text, "  {name:width$}  {required}{expected}");
    }
    let _ = writeln!(text, "\nExample: cent {} {method}{}", quoted(section), example(method, &params));
    let _ = writeln!(text, "Options, KEY=VALUE, exit status: cent --help");
    let _ = writeln!(text, "What the params mean, and other ones: {API_DOCUMENTATION}");
    Some(text)
}

/// The required params, with values. Without a limit, a history is empty.
fn example(method: &str, params: &[KnownParam]) -> String {
    let required = params.iter().filter(|param| param.is_required).map(|param| match (param.name, param.kind) {
        ("channel", _) => " channel=news".to_owned(),
        ("user", _) => " user=42".to_owned(),
        (name, ParamKind::Text) => format!(" {name}=a"),
        (name, ParamKind::Texts) => format!(" '{name}[]=news' '{name}[]=sport'"),
        (name, ParamKind::Json) => format!(" '{name}[text]=Hello!'"),
    });
    let limit = (method == "history").then(|| " limit:=10".to_owned());
    required.chain(limit).collect()
}

/// A word as it is typed in a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+,".contains(c);
    if word.chars().all(is_plain) && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_have_all_required_params() {
        let example = |method| {
            text("it's", method)
                .and_then(|text| text.lines().find_map(|line| line.strip_prefix("Example: cent ").map(str::to_owned)))
        };
        for (method, expected) in [
            ("broadcast", r"'it'\''s' broadcast 'channels[]=news' 'channels[]=sport' 'data[text]=Hello!'"),
            ("map_remove", r"'it'\''s' map_remove channel=news key=a"),
            ("Info", r"'it'\''s' info"),
        ] {
            assert_eq!(example(method).as_deref(), Some(expected));
        }
        let misspelled = "publsh: unknown method; did you mean publish?\nOptions: cent --help\n";
        assert_eq!(text("live", "publsh").as_deref(), Some(misspelled));
        assert_eq!(text("live", "frobnicate"), None);
    }
}
