//! The forms of the HTTP API: which version has which, and how each writes requests and responses.

use cent::Client;

use super::Server;
use super::fake_centrifugo::{API_KEY, Centrifugo, SECRET};
use super::http::Response;
use super::v1::sign;

/// A form of the API. The module of the same name implements it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiForm {
    /// Centrifugo 1: a signed request to `/api/`, an array of commands, an array of replies.
    V1,
    /// Centrifugo 2 to 6: a request with an API key to `/api`, one command per line, one reply per line.
    Legacy,
}

use ApiForm::{Legacy, V1};

impl ApiForm {
    pub const ALL: [Self; 2] = [V1, Legacy];

    /// The form of a major version.
    pub fn of_version(major: u8) -> Self {
        match major {
            1 => V1,
            2..=6 => Legacy,
            _ => panic!("version {major} is not supported here"),
        }
    }

    /// The newest version with this form.
    pub fn newest_version(self) -> u8 {
        match self {
            V1 => 1,
            Legacy => 6,
        }
    }

    /// The newest version with this form.
    pub fn centrifugo(self) -> Centrifugo {
        Centrifugo::version(self.newest_version())
    }

    /// Serves the newest version with this form.
    pub fn server(self) -> Server {
        Server::start(self.centrifugo())
    }

    /// A client of the library with the credential of the test servers.
    pub fn client(self, address: &str) -> Client {
        let client = match self {
            V1 => Client::new(address, SECRET),
            Legacy => Client::with_api_key(address, API_KEY),
        };
        client.expect("address and credential are valid")
    }

    /// The key of the config file that holds the credential.
    pub fn config_key(self) -> &'static str {
        match self {
            V1 => "secret",
            Legacy => "api_key",
        }
    }

    /// The credential of the test servers.
    pub fn credential(self) -> &'static str {
        match self {
            V1 => SECRET,
            Legacy => API_KEY,
        }
    }

    /// The header that authenticates a request with this body.
    pub fn auth_header(self, body: &[u8]) -> String {
        match self {
            V1 => format!("X-API-Sign: {}", sign(SECRET, body)),
            Legacy => format!("Authorization: apikey {API_KEY}"),
        }
    }

    /// The path of requests.
    pub fn path(self) -> &'static str {
        match self {
            V1 => "/api/",
            Legacy => "/api",
        }
    }

    /// The URL of requests to a server at this address.
    pub fn url(self, address: &str) -> String {
        format!("{address}{}", self.path())
    }

    /// The body of a request with these commands.
    pub fn request_body(self, commands: &[impl AsRef<str>]) -> String {
        self.list(commands)
    }

    /// The body of a response with these replies.
    pub fn response_body(self, replies: &[impl AsRef<str>]) -> String {
        self.list(replies)
    }

    /// A response with the same reply `count` times.
    pub fn replies(self, reply: &str, count: usize) -> Response {
        Response::json(self.response_body(&vec![reply; count]))
    }

    fn list(self, texts: &[impl AsRef<str>]) -> String {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        match self {
            V1 => format!("[{}]", texts.join(",")),
            Legacy => texts.join("\n"),
        }
    }
}
