//! The program as users see it, a module for each section of its contract.

#[path = "../support/mod.rs"]
mod support;

mod completions;
mod config;
mod documents;
mod faults;
mod lines;
mod params;
mod people;
mod proxy;
mod result;
mod retry;
mod secrets;
mod system_calls;
mod terminal;
mod tls;
mod wire;

use support::program::{Cent, cent};
use support::server::{API_KEY, Centrifugo, SECRET, Server};

/// What a test does in both forms of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Centrifugo 1: a section with a secret.
    First,
    /// Centrifugo 2 to 6: a section with an API key.
    Later,
}

use Dialect::{First, Later};

const BOTH: [Dialect; 2] = [First, Later];

impl Dialect {
    fn centrifugo(self) -> Centrifugo {
        match self {
            First => Centrifugo::v1(),
            Later => Centrifugo::later(6),
        }
    }

    fn server(self) -> Server {
        Server::start(self.centrifugo())
    }

    /// A call for section `bananas` at this address.
    fn cent_at(self, address: &str) -> Cent {
        let credential = match self {
            First => format!("secret = {SECRET}"),
            Later => format!("api_key = {API_KEY}"),
        };
        cent().config(format!("[bananas]\naddress = {address}\n{credential}\n"))
    }

    fn cent(self, server: &Server) -> Cent {
        self.cent_at(&server.address())
    }

    /// The URL of requests.
    fn url(self, address: &str) -> String {
        match self {
            First => format!("{address}/api/"),
            Later => format!("{address}/api"),
        }
    }

    /// One command as a body.
    fn body(self, method: &str, params: &str) -> String {
        match self {
            First => format!(r#"[{{"method":"{method}","params":{params}}}]"#),
            Later => format!(r#"{{"method":"{method}","params":{params}}}"#),
        }
    }

    /// What is printed of a publish into a namespace without history.
    fn published(self) -> &'static str {
        match self {
            First => "[\n  {\n    \"method\": \"publish\",\n    \"error\": null,\n    \"body\": null\n  }\n]\n",
            Later => "[\n  {\n    \"result\": {}\n  }\n]\n",
        }
    }
}

/// A publish into a namespace without history: its reply is the same every time.
const PLAIN: &str = r#"{"channel": "plain:a", "data": 1}"#;
