//! The help about one method: `cent SECTION METHOD --help`.

use std::fmt::Write as _;

use cent::{ApiVersion, Method, Param};

use crate::console::stderr;
use crate::did_you_mean::did_you_mean;
use crate::params::key_value;
use crate::quoting::for_shell;

/// Where the servers' documentation describes the params.
const API_DOCUMENTATION: &str = "https://centrifugal.dev/docs/server/server_api";

/// The params of a known method, with an example to copy; for a misspelled one, its name.
pub(crate) fn text(section: &str, method: &str) -> Option<String> {
    let Some(known) = Method::find(method) else {
        let suggestion = did_you_mean(method, Method::all().iter().map(|method| method.name))?;
        return Some(format!("{}: unknown method; {suggestion}\nOptions: cent --help\n", stderr::escaped(method)));
    };
    let method = known.name;
    let params: Vec<&Param> = known.params_in(ApiVersion::V2).collect();
    let mut text = match params.len() {
        0 => format!("{method}: a method without params\n"),
        _ => format!("{method}: params that cent knows\n"),
    };
    let width = params.iter().map(|param| param.name.len()).max().unwrap_or_default();
    for param in &params {
        let required = if param.is_required(ApiVersion::V2) { "required: " } else { "" };
        let alternative = param.alternative.map(|name| format!(", or {name:?}")).unwrap_or_default();
        let _ = writeln!(text, "  {:width$}  {required}{}{alternative}", param.name, param.param_type);
    }
    let _ = writeln!(text, "\nExample: cent {} {method}{}", for_shell(section), example(method, &params));
    let _ = writeln!(text, "Options, KEY=VALUE, exit status: cent --help");
    let _ = writeln!(text, "What the params mean, and other ones: {API_DOCUMENTATION}");
    Some(text)
}

/// The required params, with values. Without a limit, a history is empty.
fn example(method: &str, params: &[&Param]) -> String {
    let required = params.iter().filter(|param| param.is_required(ApiVersion::V2));
    let required = required.map(|param| match (param.name, key_value::operator_for(param.param_type)) {
        ("channel", _) => " channel=news".to_owned(),
        ("user", _) => " user=42".to_owned(),
        (name, "=") => format!(" {name}=a"),
        (name, "[]=") => format!(" '{name}[]=news' '{name}[]=sport'"),
        (name, _) => format!(" '{name}[text]=Hello!'"),
    });
    let limit = (method == "history").then(|| " limit:=10".to_owned());
    required.chain(limit).collect()
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
