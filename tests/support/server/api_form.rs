//! The forms of the HTTP API: which version has which, and how each writes requests and responses.

use cent::Client;

use super::Server;
use super::fake_centrifugo::{API_KEY, Centrifugo, SECRET};
use super::http::Response;
use super::json;
use super::v1::sign;

/// A form of the API. The module of the same name implements it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiForm {
    /// Centrifugo 1: a signed request to `/api/`, an array of commands, an array of replies.
    V1,
    /// Centrifugo 2 to 6: a request with an API key to `/api`, one command per line, one reply per line.
    Legacy,
    /// Centrifugo 5 and later: a request with an API key to `/api/METHOD`, or to `/api/batch` for several commands.
    Current,
}

use ApiForm::{Current, Legacy, V1};

impl ApiForm {
    pub const ALL: [Self; 3] = [V1, Legacy, Current];

    /// The form that the client speaks to a major version.
    pub fn of_version(major: u8) -> Self {
        match major {
            1 => V1,
            2..=4 => Legacy,
            5..=7 => Current,
            _ => panic!("version {major} is not supported here"),
        }
    }

    /// The newest version with this form.
    pub fn newest_version(self) -> u8 {
        match self {
            V1 => 1,
            Legacy => 4,
            Current => 7,
        }
    }

    /// The newest version with this form: a release, which says its version.
    pub fn centrifugo(self) -> Centrifugo {
        let centrifugo = Centrifugo::version(self.newest_version());
        if self == Current { centrifugo.with_release("7.0.0 OSS") } else { centrifugo }
    }

    /// Serves the newest version with this form.
    pub fn server(self) -> Server {
        Server::start(self.centrifugo())
    }

    /// A client of the library with the credential of the test servers.
    pub fn client(self, address: &str) -> Client {
        let client = match self {
            V1 => Client::new(address, SECRET),
            Legacy | Current => Client::with_api_key(address, API_KEY),
        };
        client.expect("address and credential are valid")
    }

    /// The key of the config file that holds the credential.
    pub fn config_key(self) -> &'static str {
        match self {
            V1 => "secret",
            Legacy | Current => "api_key",
        }
    }

    /// The credential of the test servers.
    pub fn credential(self) -> &'static str {
        match self {
            V1 => SECRET,
            Legacy | Current => API_KEY,
        }
    }

    /// The header that authenticates a request with this body.
    pub fn auth_header(self, body: &[u8]) -> String {
        match self {
            V1 => format!("X-API-Sign: {}", sign(SECRET, body)),
            Legacy | Current => format!("Authorization: apikey {API_KEY}"),
        }
    }

    /// The path of a request with one publish.
    pub fn path(self) -> &'static str {
        match self {
            V1 => "/api/",
            Legacy => "/api",
            Current => "/api/publish",
        }
    }

    /// The path of a request with several commands.
    pub fn batch_path(self) -> &'static str {
        match self {
            V1 | Legacy => self.path(),
            Current => "/api/batch",
        }
    }

    /// How many requests precede a client's first one in this form: with an API key it tries the current form first.
    pub fn requests_before(self) -> usize {
        usize::from(self == Legacy)
    }

    /// The URL of a request with one publish to a server at this address.
    pub fn url(self, address: &str) -> String {
        format!("{address}{}", self.path())
    }

    /// The URL of a request with several commands to a server at this address.
    pub fn batch_url(self, address: &str) -> String {
        format!("{address}{}", self.batch_path())
    }

    /// The body of a request with these commands, each written as `{"method": …, "params": …}`. One command of the
    /// current form is its params.
    pub fn request_body(self, commands: &[impl AsRef<str>]) -> String {
        match (self, commands) {
            (Current, [command]) => method_and_params(command.as_ref()).1,
            _ => self.batch_request_body(commands),
        }
    }

    /// As [`request_body`](Self::request_body), but one command is a batch too.
    pub fn batch_request_body(self, commands: &[impl AsRef<str>]) -> String {
        if self != Current {
            return self.list(commands);
        }
        let command = |(method, params)| format!("{{\"{method}\":{params}}}");
        let commands: Vec<String> =
            commands.iter().map(|written| command(method_and_params(written.as_ref()))).collect();
        format!("{{\"commands\":[{}]}}", commands.join(","))
    }

    /// The body of a response with these replies. Those of the current form are written as to one publish:
    /// `{"result": …}` or `{"error": …}`; only one reply is not a batch.
    pub fn response_body(self, replies: &[impl AsRef<str>]) -> String {
        match (self, replies) {
            (Current, [reply]) => reply.as_ref().to_owned(),
            _ => self.batch_response_body(replies),
        }
    }

    /// As [`response_body`](Self::response_body), but one reply is a batch too.
    pub fn batch_response_body(self, replies: &[impl AsRef<str>]) -> String {
        if self != Current {
            return self.list(replies);
        }
        if replies.is_empty() {
            return "{}".to_owned();
        }
        let named = |reply: &str| match reply.strip_prefix("{\"result\":") {
            Some(result) => format!("{{\"publish\":{result}"),
            None => reply.to_owned(),
        };
        let replies: Vec<String> = replies.iter().map(|reply| named(reply.as_ref())).collect();
        format!("{{\"replies\":[{}]}}", replies.join(","))
    }

    /// A response with the same reply `count` times.
    pub fn replies(self, reply: &str, count: usize) -> Response {
        Response::json(self.response_body(&vec![reply; count]))
    }

    /// As [`replies`](Self::replies), but one reply is a batch too.
    pub fn batch_replies(self, reply: &str, count: usize) -> Response {
        Response::json(self.batch_response_body(&vec![reply; count]))
    }

    fn list(self, texts: &[impl AsRef<str>]) -> String {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        if self == V1 { format!("[{}]", texts.join(",")) } else { texts.join("\n") }
    }
}

/// The method of a command and the text of its params.
fn method_and_params(command: &str) -> (String, String) {
    let members = json::parse_object(command.as_bytes()).expect("a command is an object");
    let member = |name| members.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    let method = member("method").and_then(json::decode_string).expect("a command has a method");
    let params = member("params").unwrap_or(b"{}").to_vec();
    (method, String::from_utf8(params).expect("a part of a text is a text"))
}
