//! Compares the table with what is known of the servers: `tests/fixtures/api-params.md`.

use super::table::{Method, Param, ParamType};
use super::version::{ApiVersion, Versions};

const FACTS: &str = include_str!("../../tests/fixtures/api-params.md");

/// The section of the facts with this heading.
fn section(heading: &str) -> &'static str {
    let (_, rest) = FACTS.split_once(&format!("\n## {heading}\n")).expect("the facts have this heading");
    rest.split("\n## ").next().unwrap_or_default()
}

/// The text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start}"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end}")).0
}

/// `5.3 to 6.1` or `5.3`, as the facts have it.
fn span(versions: Versions, first: &str) -> String {
    let first = versions.first.unwrap_or(first);
    versions.last.map_or_else(|| first.to_owned(), |last| format!("{first} to {last}"))
}

fn type_in_facts(param: &Param) -> &'static str {
    match (param.param_type, param.name) {
        (ParamType::String | ParamType::NonEmptyString, _) => "string",
        (ParamType::Boolean, _) => "bool",
        (ParamType::Int32, _) => "int32",
        (ParamType::Int64, _) => "int64",
        (ParamType::Uint64 | ParamType::PositiveUint64, _) => "uint64",
        (ParamType::Strings | ParamType::NonEmptyStrings, _) => "repeated string",
        (ParamType::Any, _) => "bytes",
        (ParamType::StringMap, _) => "map<string, string>",
        (ParamType::Position, _) => "StreamPosition",
        (ParamType::Object(_), "label_filter") => "FilterNode",
        (ParamType::Object(_), "override") => "SubscribeOptionOverride",
        (ParamType::Object(_), _) => "Disconnect",
    }
}

/// A row as the facts have it, its params in alphabetical order.
fn row(method: &Method) -> Option<String> {
    let versions = method.versions(ApiVersion::V2).filter(|_| !method.is_pro)?;
    let mut params: Vec<String> = method
        .params
        .iter()
        .filter_map(|param| {
            let versions = param.versions(ApiVersion::V2)?;
            let span = if versions == Versions::ALL { String::new() } else { format!(", {}", span(versions, "2.0")) };
            Some(format!("`{}` {}{span}", param.name, type_in_facts(param)))
        })
        .collect();
    params.sort_unstable();
    let params = if params.is_empty() { "no params".to_owned() } else { params.join("; ") };
    Some(format!("**{}** (since {}): {params}.", method.name, span(versions, "2.0")))
}

#[test]
fn rows_agree_with_definitions_of_all_versions() {
    let mut expected: Vec<String> = section("Open-source methods (2 to 6)")
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (head, params) = line.trim_end_matches('.').split_once(": ").expect("a row has a colon");
            let mut params: Vec<&str> = params.split("; ").collect();
            params.sort_unstable();
            // The one param of this method is as old as it is.
            format!("{head}: {}.", params.join("; ").replace("`key` string, 5.3 to 6.1", "`key` string"))
        })
        .collect();
    let mut found: Vec<String> = Method::all().iter().filter_map(row).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "src/methods/table.rs");
}

#[test]
fn pro_methods_agree_with_definitions() {
    let facts = section("Centrifugo PRO only");
    let pro = || Method::all().iter().filter(|method| method.is_pro);
    let span = |method: &Method| span(method.versions(ApiVersion::V2).expect("it has versions"), "2.0");
    let found = pro().map(|method| format!("{} ({})", method.name, span(method))).collect::<Vec<_>>().join(", ");
    assert!(facts.contains(&format!("\n\n{found}.\n")), "{found}");
    let mut reads: Vec<&str> = between(facts, "Reads: ", ". ").split(", ").collect();
    reads.sort_unstable();
    let mut found: Vec<&str> = pro().filter(|method| method.is_read_only).map(|method| method.name).collect();
    found.sort_unstable();
    assert_eq!(found, reads);
    let mut required = Vec::new();
    for group in between(facts, "by the official SDK for Rust: ", "; the others none").split("; ") {
        let (methods, params) = group.split_once(" `").expect("a group has params");
        for method in methods
            .replace("get/update/delete_user_status", "get_user_status, update_user_status, delete_user_status")
            .split(", ")
        {
            required.push(format!("{method}: `{params}"));
        }
    }
    required.sort_unstable();
    let names = |method: &Method| method.params.iter().map(|param| format!("`{}`", param.name)).collect::<Vec<_>>();
    let mut found: Vec<String> = pro()
        .filter(|method| !method.params.is_empty())
        .map(|method| format!("{}: {}", method.name, names(method).join(", ")))
        .collect();
    found.sort_unstable();
    assert_eq!(found, required);
    assert!(pro().flat_map(|method| method.params).all(|param| param.is_required(ApiVersion::V2)));
}

#[test]
fn methods_of_centrifugo_1_agree() {
    // Versions are as in its tags, with three numbers.
    for (name, since, params) in [
        ("publish", None, "channel data client uid"),
        ("broadcast", Some("1.2.0"), "channels data client"),
        ("unsubscribe", None, "user channel"),
        ("disconnect", None, "user"),
        ("presence", None, "channel"),
        ("history", None, "channel"),
        ("channels", None, ""),
        ("stats", None, ""),
        ("node", Some("1.4.0"), ""),
    ] {
        let method = Method::find(name).expect("it is known");
        assert_eq!(method.versions(ApiVersion::V1).expect("it is in version 1").first, since, "{name}");
        let found: Vec<&str> = method.params_in(ApiVersion::V1).map(|param| param.name).collect();
        assert_eq!(found.join(" "), params, "{name}");
    }
    let v1 = Method::all().iter().filter(|method| method.versions(ApiVersion::V1).is_some());
    assert_eq!(v1.count(), 9);
}

#[test]
fn required_params_agree() {
    for method in Method::all().iter().filter(|method| !method.is_pro) {
        let required = match method.name {
            "publish" => "channel data",
            "broadcast" => "channels data",
            "subscribe" | "unsubscribe" => "user channel",
            "disconnect" | "refresh" => "user",
            "map_publish" | "map_remove" => "channel key",
            "shared_poll_publish" => "channel key version",
            "rpc" => "method",
            "channels" | "info" | "stats" | "node" | "reset_rate_limit" => "",
            _ => "channel",
        };
        let found = method.params.iter().filter(|param| param.is_required(ApiVersion::V2));
        assert_eq!(found.map(|param| param.name).collect::<Vec<_>>().join(" "), required, "{}", method.name);
    }
}

#[test]
fn methods_and_params_have_meanings() {
    for method in Method::all() {
        for text in method.params.iter().map(|param| param.meaning).chain([method.meaning]) {
            assert!(!text.is_empty() && !text.ends_with('.') && text.len() < 80, "{}: {text}", method.name);
        }
    }
}

#[test]
fn methods_are_found_in_any_case() {
    for name in ["disconnect", "DISCONNECT", "dıſconnect"] {
        assert_eq!(Method::find(name).unwrap().name, "disconnect");
    }
    assert_eq!(Method::find("quux"), None);
}

#[test]
fn required_params_come_first() {
    for method in Method::all() {
        for version in [ApiVersion::V1, ApiVersion::V2] {
            let required: Vec<bool> = method.params.iter().map(|param| param.is_required(version)).collect();
            assert!(required.is_sorted_by(|earlier, later| earlier >= later), "{}", method.name);
        }
    }
}

#[test]
fn alternatives_are_params_of_their_method() {
    for method in Method::all() {
        let has_param = |name: &&str| method.params.iter().any(|param| param.name == *name);
        assert!(method.params.iter().filter_map(|param| param.alternative).all(|name| has_param(&name)));
    }
}

#[test]
fn methods_that_only_read_are_known() {
    let read_only = |version| {
        let methods = Method::all().iter().filter(|method| method.is_current(version) && method.is_read_only);
        methods.map(|method| method.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(read_only(ApiVersion::V1), "presence history channels stats node");
    let expected = "presence presence_stats history channels info map_read_state map_read_stream map_stats";
    assert_eq!(read_only(ApiVersion::V2), expected);
}
