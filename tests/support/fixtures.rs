//! Exchanges recorded from real servers: `tests/fixtures/replies`.

#![allow(dead_code, unreachable_pub, missing_docs)]

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::server::Response;

/// The recorded versions, and the number of their recordings of the old forms of the API.
pub const VERSIONS: [(&str, usize); 5] =
    [("v1.8.0", 52), ("v2.8.6", 55), ("v3.2.3", 61), ("v5.4.9", 65), ("v6.9.1", 66)];

/// As [`VERSIONS`], for the current form.
pub const CURRENT_VERSIONS: [(&str, usize); 6] =
    [("v1.8.0", 6), ("v2.8.6", 7), ("v3.2.3", 3), ("v5.4.9", 10), ("v6.9.1", 63), ("v7like", 8)];

/// A recorded request and its response.
pub struct Fixture {
    pub version: String,
    pub name: String,
    /// What the recording shows, and what was executed.
    pub description: String,
    /// The HTTP method.
    pub verb: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Headers are sorted, and complete for Content-Type, Location and Connection.
    pub response: Response,
}

impl Fixture {
    pub fn load(version: &str, name: &str) -> Self {
        let path = version_dir(version).join(format!("{name}.json"));
        let text = fs::read_to_string(path).expect("the recording is readable");
        let exchange: Value = serde_json::from_str(&text).expect("the recording is JSON");
        let [request, response] = ["request", "response"].map(|message| &exchange[message]);
        let status = response["status"].as_u64().expect("the status is a number");
        Self {
            version: version.to_owned(),
            name: name.to_owned(),
            description: exchange["case"].as_str().expect("the description is a string").to_owned(),
            verb: request["verb"].as_str().unwrap_or("POST").to_owned(),
            path: request["path"].as_str().expect("the path is a string").to_owned(),
            headers: headers(request),
            body: body(request),
            response: Response {
                status: u16::try_from(status).expect("the status has three digits"),
                headers: headers(response),
                body: body(response),
            },
        }
    }

    /// All recordings of the old forms by a version.
    pub fn load_all(version: &str) -> Vec<Self> {
        Self::load_names(version, |name| !is_current(name))
    }

    /// All recordings of the current form by a version.
    pub fn load_all_current(version: &str) -> Vec<Self> {
        Self::load_names(version, is_current)
    }

    fn load_names(version: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Self> {
        let files = fs::read_dir(version_dir(version)).expect("the directory of a version is readable");
        let names = files.map(|file| file.expect("the file is readable").path());
        names
            .map(|path| path.file_stem().and_then(|name| name.to_str()).expect("the file has a name").to_owned())
            .filter(|name| is_wanted(name))
            .map(|name| Self::load(version, &name))
            .collect()
    }

    pub fn is_current(&self) -> bool {
        is_current(&self.name)
    }

    pub fn major(&self) -> u8 {
        self.version[1..2].parse().expect("the version starts with a number")
    }
}

fn is_current(name: &str) -> bool {
    name.starts_with("method-") || name.starts_with("batch-")
}

fn version_dir(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replies").join(version)
}

fn headers(message: &Value) -> Vec<(String, String)> {
    let headers = message["headers"].as_object().expect("the headers are an object").iter();
    let text = |value: &Value| value.as_str().expect("a header value is a string").to_owned();
    let mut headers: Vec<(String, String)> = headers.map(|(name, value)| (name.clone(), text(value))).collect();
    // Not recorded: Go sends it with each error in plain text.
    if message["status"].as_u64() >= Some(400) && headers.iter().any(|(_, value)| value.starts_with("text/plain")) {
        headers.push(("X-Content-Type-Options".to_owned(), "nosniff".to_owned()));
    }
    headers.sort();
    headers
}

fn body(message: &Value) -> Vec<u8> {
    match (message["body"].as_str(), message["body_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).expect("it is base64"),
        (None, None) => panic!("no body in {message}"),
    }
}
