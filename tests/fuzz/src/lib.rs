//! What holds for every input: one function for each fuzz target, which panics where it does not.

// The project's own sources: each is linted there, and has its own part used here.
#![allow(warnings)]

// They name the library by this name.
extern crate self as cent;

#[path = "../../../src/client.rs"]
mod client;
#[path = "../../../src/command.rs"]
mod command;
#[path = "../../../src/endpoint.rs"]
mod endpoint;
#[path = "../../../src/error.rs"]
mod error;
#[path = "../../../src/json.rs"]
mod json;
#[path = "../../../src/proxy.rs"]
mod proxy;
#[path = "../../../src/reply.rs"]
mod reply;
#[path = "../../../src/request.rs"]
mod request;
#[path = "../../../src/transport.rs"]
mod transport;
#[path = "../../../src/wire.rs"]
mod wire;

#[path = "../../support/configparser.rs"]
mod configparser;

/// The program: a folder, so that its modules find theirs.
#[path = "../../../src/bin/cent"]
mod program {
    pub(crate) mod args;
    pub(crate) mod color;
    pub(crate) mod completions;
    pub(crate) mod config;
    pub(crate) mod help;
    pub(crate) mod lines;
    pub(crate) mod output;
    pub(crate) mod report;
    pub(crate) mod slips;
}

pub(crate) use program::{args, color, completions, help, lines, report, slips};

pub use client::{Client, DEFAULT_TIMEOUT};
pub use command::{Command, known_methods, nearest, needs_no_params};
pub use endpoint::{Address, Endpoint, Scheme};
pub use error::{Error, ErrorKind};
pub use proxy::Proxy;
pub use reply::{Reply, ReplyError};
pub use request::HttpRequest;
pub use transport::{HttpResponse, MAX_RESPONSE_BYTES};

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use program::output;
use program::output::Layout;

fn signed() -> &'static Endpoint {
    static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
    ENDPOINT.get_or_init(|| Endpoint::with_secret(Address::parse("http://h").unwrap(), "secret").unwrap())
}

fn keyed() -> &'static Endpoint {
    static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
    ENDPOINT.get_or_init(|| Endpoint::with_api_key(Address::parse("http://h").unwrap(), "key").unwrap())
}

/// A config file is read as Python reads it, or refused.
pub fn config(data: &[u8]) {
    static FILE: OnceLock<std::path::PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::temp_dir().join(format!("cent-fuzz-{}", std::process::id())));
    fs::write(file, data).expect("a temporary file can be written");
    let path = program::config::locate(Some(file.into()), None, None).expect("it is named");
    let Ok(ours) = program::config::read(path) else { return };
    let text = std::str::from_utf8(data).expect("what is not UTF-8 is refused");
    let python = configparser::read(text.strip_prefix('\u{feff}').unwrap_or(text));
    let python = python.expect("what Python refuses is refused");
    let names: Vec<&str> = python.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(ours.names(), names);
    assert!(ours.section("no such section at all").is_err() || names.contains(&"no such section at all"));
    for (name, values) in &python {
        let Ok(section) = ours.section(name) else { continue };
        let value = |key: &str| {
            values.get(key).map(|raw| configparser::interpolated(raw).expect("what refers to a key is refused"))
        };
        let address = Address::parse(&value("address").expect("without an address it is refused")).unwrap();
        let credentials = ["secret", "api_key", "secret_file", "api_key_file"].map(|key| values.contains_key(key));
        let endpoint = match credentials {
            [true, false, false, false] => Endpoint::with_secret(address, &value("secret").unwrap()).unwrap(),
            [false, true, false, false] => Endpoint::with_api_key(address, &value("api_key").unwrap()).unwrap(),
            [false, false, false, false] => panic!("without a credential it is refused"),
            // A file, or one of its own that sets aside that of [DEFAULT].
            _ => section.endpoint.clone(),
        };
        assert_eq!(section.endpoint, endpoint);
        let timeout = value("timeout").map(|text| Duration::try_from_secs_f64(text.parse().unwrap()).unwrap());
        assert_eq!(section.timeout, timeout);
    }
}

/// Params are taken if, and only if, they are a JSON object; then they travel as they are.
pub fn params(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    let is_object = text.is_some_and(|text| {
        text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
            && serde_json::from_str::<IgnoredAny>(text).is_ok()
    });
    let command = Command::new("quux", data);
    assert_eq!(command.is_ok(), is_object, "{:?}", command.err());
    if let Ok(written_out) = Command::from_json(data) {
        let Value::Object(members) = whole(text.unwrap()).unwrap_or_default() else { return };
        assert_eq!(members.get("method").and_then(Value::as_str), Some(written_out.method()));
        let params = whole(written_out.params());
        assert_eq!(members.get("params").cloned().unwrap_or_else(|| serde_json::json!({})), params.unwrap());
    }
    let Ok(command) = command else {
        // The place that is shown lies in the text.
        let shown = Command::new("quux", data).unwrap_err().with_first_line(7).to_string();
        assert!(shown.contains(" at line ") && shown.contains(", column "), "{shown}");
        return;
    };
    let trimmed = text.unwrap().trim_matches([' ', '\t', '\n', '\r']);
    assert_eq!(command.params(), trimmed);
    let commands = [command.clone(), command];
    let body = |endpoint| HttpRequest::new(endpoint, &commands).unwrap().body().collect::<String>();
    let written = format!(r#"{{"method":"quux","params":{trimmed}}}"#);
    assert_eq!(body(signed()), format!("[{written},{written}]"));
    assert_eq!(body(keyed()), format!("{written}\n{written}"));
    checked(trimmed);
}

/// The JSON value that a text is, where serde_json can hold it.
fn whole(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The check of known methods finds what a plain reading of the params finds.
fn checked(params: &str) {
    let Some(Value::Object(members)) = whole(params) else { return };
    // Plain reading knows neither the servers' other spellings of a key nor what null does before another value.
    if members.iter().any(|(key, value)| !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') || value.is_null()) {
        return;
    }
    let name = |key: &str| members.get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let user = members.get("user").is_some_and(Value::is_string);
    let channels = members.get("channels").and_then(Value::as_array).is_some_and(|list| {
        !list.is_empty() && list.iter().all(|name| name.as_str().is_some_and(|name| !name.is_empty()))
    });
    let (data, b64) = (members.contains_key("data"), members.contains_key("b64data"));
    // A null that is followed by the same key again is not in the map.
    if params.contains("null") {
        return;
    }
    for (method, first, later) in [
        ("publish", name("channel") && data, name("channel") && (data || b64)),
        ("broadcast", channels && data, channels && (data || b64)),
        ("history", name("channel"), name("channel")),
        ("disconnect", user, user),
        ("unsubscribe", user, user && name("channel")),
        ("subscribe", true, user && name("channel")),
        ("info", true, true),
    ] {
        let command = Command::new(method, params).unwrap();
        assert_eq!(command.clone().checked(signed()).is_ok(), first, "{method} {params}");
        assert_eq!(command.checked(keyed()).is_ok(), later, "{method} {params}");
    }
}

/// An answer is judged by its status; what is read of it is, put together again, read as the same.
pub fn replies(data: &[u8]) {
    let [choice, length, body @ ..] = data else { return };
    let statuses = [200, 200, 200, 200, 201, 301, 400, 401, 404, 407, 408, 413, 429, 500, 502, 503];
    let status = statuses[usize::from(choice & 15)];
    let endpoint = if choice & 16 == 0 { signed() } else { keyed() };
    let (proxy, method) = (choice & 32 != 0, if choice & 64 == 0 { "publish" } else { "broadcast" });
    let command = Command::new(method, r#"{"channel": "a", "channels": ["a", "b"], "data": 1}"#).unwrap();
    let commands = vec![command; usize::from(length & 3) + 1];
    let request = HttpRequest::new(endpoint, &commands).unwrap();
    let answered = |body: Vec<u8>| {
        let proxy = proxy.then(|| "proxy:3128".to_owned());
        HttpResponse { status, location: None, retry_after: None, proxy, early: false, body }.into_replies(&request)
    };
    let result = answered(body.to_vec());
    let shown = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
    if status != 200 {
        let kind = match status {
            408 | 429 => ErrorKind::SafeToRetry,
            407 if proxy => ErrorKind::SafeToRetry,
            503 if body.is_empty() => ErrorKind::SafeToRetry,
            400 if commands.len() == 1 => ErrorKind::Rejected,
            301 | 401 | 404 | 407 | 413 => ErrorKind::Rejected,
            _ => ErrorKind::OutcomeUnknown,
        };
        assert_eq!(result.unwrap_err().kind(), kind, "{status}");
        return;
    }
    let replies = match &result {
        Ok(replies) => replies.as_slice(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{shown}");
            error.replies()
        }
    };
    assert!(result.is_err() || replies.len() == commands.len());
    let texts: Vec<&str> = replies.iter().map(Reply::text).collect();
    let text = String::from_utf8_lossy(body);
    // Nothing is left out but white space and what stands between the replies; after a failure, what follows it.
    let (open, between, close) = if choice & 16 == 0 { ("[", ",", "]") } else { ("", "", "") };
    let read = texts.iter().map(|text| tokens(text)).collect::<Vec<_>>().join(between);
    if !replies.is_empty() {
        assert!(tokens(&text).starts_with(&format!("{open}{read}")));
    }
    if result.is_err() {
        return;
    }
    assert_eq!(tokens(&text), format!("{open}{read}{close}"));
    let again = answered(if choice & 16 == 0 {
        format!(" [\n{}\t]\r\n", texts.join(" ,")).into_bytes()
    } else {
        texts.join("\n").into_bytes()
    });
    assert_eq!(again.unwrap(), replies);
    for reply in replies {
        serde_json::from_str::<&RawValue>(reply.data()).expect("data is JSON");
        let Some(value) = whole(reply.text()) else { continue };
        let has_error = value.get("error").is_some_and(|error| !error.is_null());
        // A broadcast has further ones inside.
        assert!(!has_error || reply.errors().len() == 1, "{reply:?}");
        let odd = matches!(reply.errors(), [error] if error.kind() == ErrorKind::OutcomeUnknown);
        assert!(has_error || method == "broadcast" || odd || reply.errors().is_empty(), "{reply:?}");
        reply.errors().iter().for_each(|error| assert!(error.to_string().contains(error.message())));
    }
}

/// The list that is printed has the tokens that the server wrote, each line indented by its depth.
pub fn output(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return;
    }
    let command = [Command::new("rpc", "{}").unwrap()];
    let request = HttpRequest::new(keyed(), &command).unwrap();
    let body = format!(r#"{{"result": {text}}}"#).into_bytes();
    let response = HttpResponse { status: 200, location: None, retry_after: None, proxy: None, early: false, body };
    let replies = response.into_replies(&request).unwrap();
    let printed = |compact, terminal| {
        let mut out = Vec::new();
        output::list(&replies, Layout { compact, terminal, color: false }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let expected = format!(r#"[{{"result":{}}}]"#, tokens(text));
    assert_eq!(printed(true, false), format!("{expected}\n"));
    let pretty = printed(false, false);
    assert_eq!(tokens(&pretty), expected);
    if let (Some(before), Some(after)) = (whole(&expected), whole(&pretty)) {
        assert_eq!(before, after);
    }
    indented(&pretty);
    for compact in [true, false] {
        let shown = printed(compact, true);
        assert!(!shown.chars().any(|c| ('\u{7f}'..='\u{9f}').contains(&c)));
        assert_eq!(whole(&shown), whole(&expected));
    }
    let mut out = Vec::new();
    output::list(&replies, Layout { compact: true, terminal: true, color: true }, &mut out).unwrap();
    let mut uncoloured = String::from_utf8(out).unwrap();
    for code in [color::KEY, color::STRING, color::NUMBER, color::LITERAL, color::END] {
        uncoloured = uncoloured.replace(code, "");
    }
    assert_eq!(uncoloured, printed(true, true));
    let mut out = Vec::new();
    output::lines(&replies, Layout { compact: false, terminal: false, color: false }, &mut out).unwrap();
    assert_eq!(out, format!("{}\n", &expected[1..expected.len() - 1]).into_bytes());
}

/// JSON without the white space between its tokens.
fn tokens(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    text.chars()
        .filter(|&c| {
            if in_string {
                in_string = escaped || c != '"';
                escaped = !escaped && c == '\\';
                return true;
            }
            in_string = c == '"';
            !matches!(c, ' ' | '\t' | '\n' | '\r')
        })
        .collect()
}

/// Holds each line to two spaces for each bracket that is open before it, those that it closes first not counted.
fn indented(pretty: &str) {
    let mut depth = 0;
    for line in pretty.lines() {
        let text = line.trim_start_matches(' ');
        let closing = text.starts_with([']', '}']);
        assert_eq!(line.len() - text.len(), 2 * (depth - usize::from(closing)), "{pretty}");
        // A line has one value at most, so brackets stand at its ends, or are an empty pair.
        depth -= usize::from(closing);
        depth += usize::from(text.ends_with(['[', '{']) && !closing);
    }
    assert_eq!(depth, 0, "{pretty}");
}
