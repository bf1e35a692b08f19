//! The help about one method: `cent SECTION METHOD --help`, also without SECTION.

use std::fmt::Write as _;

use cent::{ApiVersion, Method, Param, ParamType};

use super::help::wrap;
use crate::console::stderr;
use crate::quoting::for_shell;

/// Where the servers' documentation describes the params.
const API_DOCUMENTATION: &str = "https://centrifugal.dev/docs/server/server_api";

/// The params that the section's kind of server has, with an example to copy; of both kinds where that is not known.
pub(crate) fn text(section: Option<&str>, version: Option<ApiVersion>, method: &Method) -> String {
    let mut text = format!("{}: {}", method.name, method.meaning);
    let versions: Vec<ApiVersion> = [ApiVersion::V2, ApiVersion::V1]
        .into_iter()
        .filter(|&known| version.is_none_or(|version| version == known) && method.versions(known).is_some())
        .collect();
    match &versions[..] {
        [] => {
            let servers = generation(version.unwrap_or(ApiVersion::V2));
            let _ = writeln!(text, "\n\nThis section is for {servers}, which does not have the method.\n");
        }
        [version] => {
            let availability =
                method.availability(*version).or((*version == ApiVersion::V1).then(|| generation(*version)));
            let availability = availability.map(|servers| format!(" ({servers})")).unwrap_or_default();
            text = wrap(&format!("{text}{availability}"), 0);
            let _ = writeln!(text, "\n\n{}", params(method, *version, "Params"));
        }
        both => {
            text.push('\n');
            for &version in both {
                let servers = method.availability(version).unwrap_or_else(|| generation(version));
                let _ = writeln!(text, "\n{}", params(method, version, &format!("Params, {servers}")));
            }
        }
    }
    let example_version = versions.first().copied().unwrap_or(ApiVersion::V2);
    if !versions.is_empty() {
        let section = section.map_or_else(|| "SECTION".to_owned(), for_shell);
        let _ = writeln!(text, "\nExample: cent {section} {}{}", method.name, example(method, example_version));
    }
    let _ = writeln!(text, "Options, KEY=VALUE, exit status: cent --help");
    let _ = writeln!(text, "More about methods and params: {API_DOCUMENTATION}");
    text
}

/// The help about a misspelled method, if one of either generation was probably meant.
pub(super) fn suggestion(name: &str) -> Option<String> {
    let closest = Method::closest(name, ApiVersion::V2).or_else(|| Method::closest(name, ApiVersion::V1))?;
    let name = stderr::escaped(name);
    Some(format!("{name}: unknown method; did you mean {}?\nOptions: cent --help\n", closest.name))
}

fn generation(version: ApiVersion) -> String {
    match version {
        ApiVersion::V1 => "Centrifugo 1".to_owned(),
        ApiVersion::V2 => "Centrifugo 2 and later".to_owned(),
    }
}

/// A line or more for each param that servers of a generation have.
fn params(method: &Method, version: ApiVersion, heading: &str) -> String {
    let params: Vec<&Param> = method.params.iter().filter(|param| param.versions(version).is_some()).collect();
    let width = params.iter().map(|param| param.name.len()).max().unwrap_or_default();
    let mut text = format!("{heading}: {}", if params.is_empty() && !method.is_pro { "none" } else { "" });
    text.truncate(text.trim_end().len());
    for param in params {
        let _ = write!(text, "\n  {:width$}  {}", param.name, wrap(&describe(param, version), width + 4));
    }
    if method.is_pro {
        text.push_str("\n  Others are in the documentation of Centrifugo PRO.");
    }
    text
}

/// The meaning, the type, and the versions of a param.
pub(super) fn describe(param: &Param, version: ApiVersion) -> String {
    let required = if param.is_required(version) { "required: " } else { "" };
    let alternative = param.alternative.filter(|_| version == ApiVersion::V2);
    let alternative = alternative.map(|name| format!("; {name} replaces it")).unwrap_or_default();
    let pro = if param.is_pro { "; Centrifugo PRO" } else { "" };
    let versions = param.versions(version).unwrap_or_default();
    let since = versions.first.map(|first| format!("; since {first}")).unwrap_or_default();
    let until = versions.last.map(|last| format!("; until {last}")).unwrap_or_default();
    format!("{required}{} ({}{alternative}{pro}{since}{until})", param.meaning, param.param_type)
}

/// The required params, with values, and those without which a call makes little sense.
fn example(method: &Method, version: ApiVersion) -> String {
    let is_shown = |param: &&Param| {
        let is_useful = match param.name {
            // Without a limit, a history is empty.
            "limit" => true,
            "data" => matches!(method.name, "map_publish" | "shared_poll_publish"),
            _ => false,
        };
        param.versions(version).is_some() && (is_useful || param.is_required(version))
    };
    // Maps and polled channels are in namespaces of their own.
    let channel = match method.name {
        "shared_poll_publish" => "prices:1",
        name if name.starts_with("map_") => "scores:1",
        _ => "news",
    };
    let arguments = method.params.iter().filter(is_shown).map(|param| match (param.name, param.param_type) {
        ("channel", _) => format!(" channel={channel}"),
        ("channels", _) => " 'channels[]=news' 'channels[]=sport'".to_owned(),
        ("user", _) => " user=42".to_owned(),
        (name, ParamType::Strings | ParamType::NonEmptyStrings) => format!(" '{name}[]=42'"),
        (name, ParamType::Any) => format!(" '{name}[text]=Hello!'"),
        (name, ParamType::Object(example)) => format!(" '{name}:={example}'"),
        (name, ParamType::String | ParamType::NonEmptyString) => format!(" {name}=a"),
        (name, ParamType::Int32) => format!(" {name}:=10"),
        (name, _) => format!(" {name}:=1"),
    });
    arguments.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_have_all_required_params() {
        let example = |name, version| {
            let text = text(Some("it's"), Some(version), Method::find(name).unwrap());
            text.lines().find_map(|line| line.strip_prefix("Example: cent ").map(str::to_owned))
        };
        for (method, expected) in [
            ("broadcast", r"'it'\''s' broadcast 'channels[]=news' 'channels[]=sport' 'data[text]=Hello!'"),
            ("map_remove", r"'it'\''s' map_remove channel=scores:1 key=a"),
            (
                "shared_poll_publish",
                r"'it'\''s' shared_poll_publish channel=prices:1 key=a version:=1 'data[text]=Hello!'",
            ),
            ("history", r"'it'\''s' history channel=news limit:=10"),
            ("Info", r"'it'\''s' info"),
        ] {
            assert_eq!(example(method, ApiVersion::V2).as_deref(), Some(expected));
        }
        assert_eq!(example("history", ApiVersion::V1).as_deref(), Some(r"'it'\''s' history channel=news"));
        assert_eq!(example("info", ApiVersion::V1), None);
    }

    #[test]
    fn help_fits_into_80_columns() {
        for method in Method::all() {
            for version in [None, Some(ApiVersion::V1), Some(ApiVersion::V2)] {
                let text = text(Some("live"), version, method);
                let long: Vec<&str> =
                    text.lines().filter(|line| line.chars().count() > 80 && !line.starts_with("Example: ")).collect();
                assert!(long.is_empty(), "{long:#?}");
            }
        }
    }
}
