//! The man page's table of what the versions of the server respond, compared with the recordings.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::support::fixtures::{Fixture, VERSIONS};
use crate::support::server::{ApiForm, Step};

const MAN_SECTIONS: &str = include_str!("../../man/sections.roff");

/// The recording of each call of the table. Of some there are two, under the names of different versions.
const RECORDINGS: [(&str, &[&str]); 7] = [
    ("disconnect user=42", &["disconnect"]),
    ("publish channel=news 'data[title]=World Cup 2018'", &["publish-ok"]),
    ("publish channel=nope:news data:={}", &["publish-unknown-namespace"]),
    ("broadcast 'channels[]=b1' 'channels[]=b2' 'data[x]:=1'", &["broadcast-ok"]),
    ("channels", &["channels"]),
    ("history channel=hist", &["history", "history-no-limit"]),
    ("history channel=hist limit:=1 reverse:=true", &["history-reverse"]),
];

/// A call of the table, and what it prints with each range of versions.
struct Entry {
    call: String,
    outputs: Vec<(RangeInclusive<u8>, String)>,
}

fn table() -> Vec<Entry> {
    let (_, section) = MAN_SECTIONS.split_once("\n.SS \"What the versions respond\"\n").expect("the page has it");
    let (_, table) = section.split_once("\n.nf\n").expect("the table is preformatted");
    let (table, _) = table.split_once("\n.fi\n").expect("the table ends");
    let mut entries: Vec<Entry> = Vec::new();
    for line in table.replace("\\(aq", "'").lines() {
        match (line.split_at_checked(10), entries.last_mut()) {
            (Some(("          ", rest)), Some(Entry { outputs, .. })) => {
                outputs.last_mut().expect("a continued line follows another").1.push_str(rest.trim_start());
            }
            (Some((versions, output)), Some(Entry { outputs, .. })) if versions.starts_with("  ") => {
                outputs.push((range(versions.trim()), output.to_owned()));
            }
            _ => entries.push(Entry { call: line.to_owned(), outputs: Vec::new() }),
        }
    }
    entries
}

/// `1`, `2, 3` or `3 to 6`.
fn range(versions: &str) -> RangeInclusive<u8> {
    let mut numbers = versions.split([',', ' ']).filter_map(|word| word.parse().ok());
    let first = numbers.next().expect("a number of a version");
    first..=numbers.next().unwrap_or(first)
}

/// JSON without the values that differ each time.
fn comparable(json: &str) -> Value {
    fn hide(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(hide),
            Value::Object(members) => {
                for (key, value) in members {
                    if ["epoch", "uid"].contains(&key.as_str()) { *value = Value::Null } else { hide(value) }
                }
            }
            _ => {}
        }
    }
    let mut value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    hide(&mut value);
    value
}

/// What the call prints when the server responds as recorded.
fn output_for(fixture: &Fixture, call: &str) -> String {
    let form = ApiForm::of_version(fixture.major());
    let server = form.server().script_for(form, vec![Step::Execute, Step::respond(&fixture.response)]);
    let output = form.cent(&server).replace_command(&["sh", "-c", &format!("\"$CENT\" bananas {call} --compact")]);
    let output = output.env("CENT", env!("CARGO_BIN_EXE_cent")).run();
    let requests = server.requests();
    let sent = requests.last().expect("the program sent a request").body_text();
    let params = |json: &str| {
        let value: Value = serde_json::from_str(json).expect("the body is JSON");
        let command = value.get(0).unwrap_or(&value);
        command.get("params").unwrap_or(command).clone()
    };
    assert_eq!(params(&sent), params(&String::from_utf8_lossy(&fixture.body)), "{call}");
    output.stdout()
}

#[test]
fn man_page_shows_recorded_outputs() {
    let table = table();
    assert_eq!(
        table.iter().map(|entry| entry.call.as_str()).collect::<Vec<_>>(),
        RECORDINGS.map(|(call, _)| call),
        "man/sections.roff: the calls of the table"
    );
    for (Entry { call, outputs }, (_, names)) in table.iter().zip(RECORDINGS) {
        for (version, _) in VERSIONS {
            let recordings = Fixture::load_all(version);
            let Some(fixture) = recordings.iter().find(|fixture| names.contains(&fixture.name.as_str())) else {
                continue;
            };
            let expected = outputs.iter().find(|(versions, _)| versions.contains(&fixture.major()));
            let (_, expected) = expected.unwrap_or_else(|| panic!("man/sections.roff: {call}: add {version}"));
            let found = output_for(fixture, call);
            assert_eq!(comparable(&found), comparable(expected), "man/sections.roff: {call}: fix {version}\n{found}");
        }
    }
}
