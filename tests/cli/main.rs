//! The program as a user runs it, one module per topic.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod completions;
mod config;
mod docs;
mod exit_status;
mod fault_injection;
mod hints;
mod http;
mod http_compat;
mod idempotent;
mod imports;
mod journal;
mod keep_alive;
mod key_value;
mod lines;
mod memory;
mod notes;
mod numbers;
mod output;
mod params;
mod proxy;
mod recipes;
mod retry;
mod secrets;
mod server_versions;
mod signals;
mod slips;
mod sources;
mod streams;
mod system_calls;
mod terminal;
mod terminal_escapes;
mod tls;
mod tls_files;
mod tls_mismatch;
mod usage;
mod words;

use support::cli::{Cent, cent};
use support::server::ApiForm::{self, Current, Legacy, V1};
use support::server::{API_KEY, SECRET, Server};

/// What the program sends and prints in each form of the API.
impl ApiForm {
    /// A call with a section `bananas` for this address.
    fn cent_at(self, address: &str) -> Cent {
        let (key, credential) = (self.config_key(), self.credential());
        cent().config(format!("[bananas]\naddress = {address}\n{key} = {credential}\n"))
    }

    fn cent(self, server: &Server) -> Cent {
        self.cent_at(&server.address())
    }

    /// The body of a request with one command.
    fn body(self, method: &str, params: &str) -> String {
        self.request_body(&[format!(r#"{{"method":"{method}","params":{params}}}"#)])
    }

    /// The URL of the first request of a client with one publish.
    fn first_url(self, address: &str) -> String {
        let first = if self == Legacy { Current } else { self };
        first.url(address)
    }

    /// Standard output of a publish to a namespace without history.
    fn published(self) -> &'static str {
        match self {
            V1 => "[\n  {\n    \"method\": \"publish\",\n    \"error\": null,\n    \"body\": null\n  }\n]\n",
            Legacy | Current => "[\n  {\n    \"result\": {}\n  }\n]\n",
        }
    }

    /// The reply to such a publish.
    fn publish_reply(self) -> &'static str {
        match self {
            V1 => r#"{"method":"publish","error":null,"body":null}"#,
            Legacy | Current => r#"{"result":{}}"#,
        }
    }
}

/// Params of a publish to a namespace without history: its reply is the same every time.
const PLAIN: &str = r#"{"channel": "plain:a", "data": 1}"#;
