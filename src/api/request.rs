//! Commands encoded as one HTTP request.

use std::borrow::Cow;

use super::body::Body;
use super::{legacy, v1};
use crate::command::Command;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::methods::ApiVersion;
use crate::secret::SecretString;

/// One POST of one or more commands, ready to be sent.
///
/// Its `Debug` output, and its headers as [`headers`](Self::headers) returns them, hide signature and API key.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    pub(crate) url: String,
    /// All headers but the one that authorizes the request.
    pub(crate) plain_headers: Vec<(&'static str, String)>,
    pub(crate) auth_header: (&'static str, SecretString),
    body: Body,
    pub(super) version: ApiVersion,
    commands: Cow<'a, [Command]>,
}

impl<'a> HttpRequest<'a> {
    /// Builds a request in the format of the endpoint's server. With owned commands the request is `'static` and can be
    /// sent to another thread.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - no commands,
    /// - a command that the server would reject without a reason or misinterpret, such as a publish without a channel
    ///   or a disconnect without a user.
    pub fn new(endpoint: &Endpoint, commands: impl Into<Cow<'a, [Command]>>) -> Result<Self, Error> {
        let (commands, version) = (commands.into(), endpoint.version());
        if commands.is_empty() {
            return Err(Error::invalid("no commands to send").with_hint("add one first"));
        }
        commands.iter().try_for_each(|command| command.validate(version))?;
        let (body, auth_header) = match version {
            ApiVersion::V1 => {
                let body = v1::encode(&commands);
                let header = v1::auth_header(endpoint.credential(), body.chunks(&commands));
                (body, header)
            }
            ApiVersion::V2 => (legacy::encode(&commands), legacy::auth_header(endpoint.credential())),
        };
        let plain_headers = vec![
            // Centrifugo 1 takes any other type for a form and responds with 400.
            ("Content-Type", "application/json".to_owned()),
            ("Content-Length", body.len().to_string()),
            ("User-Agent", concat!("cent/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        Ok(Self { url: url(endpoint), plain_headers, auth_header, body, version, commands })
    }

    /// The commands in this request.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Returns the commands, cloning them if they were borrowed.
    pub fn into_commands(self) -> Vec<Command> {
        self.commands.into_owned()
    }

    /// The URL that is requested.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers, with the signature or API key replaced by `[hidden]`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plain_headers.iter().map(|(name, value)| (*name, value.as_str())).chain([(self.auth_header.0, "[hidden]")])
    }

    /// The body, as consecutive chunks.
    pub fn body(&self) -> impl Iterator<Item = &str> {
        self.body.chunks(&self.commands)
    }

    /// The size of the body, in bytes.
    pub fn body_len(&self) -> u64 {
        self.body.len()
    }
}

/// The URL that requests to an endpoint go to.
pub(crate) fn url(endpoint: &Endpoint) -> String {
    match endpoint.version() {
        ApiVersion::V1 => v1::url(endpoint.address()),
        ApiVersion::V2 => legacy::url(endpoint.address()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn commands() -> [Command; 2] {
        [
            Command::new("publish", " {\"channel\": \"a\",\r\n \"data\": 1.0} \n").unwrap(),
            Command::new("qu\"ux", "{}").unwrap(),
        ]
    }

    fn address() -> Address {
        Address::parse("http://localhost:8000/rt").unwrap()
    }

    fn body(request: &HttpRequest<'_>) -> String {
        request.body().collect()
    }

    #[test]
    fn v1_request_is_a_signed_array() {
        let endpoint = Endpoint::with_secret(address(), "secret-of-the-test-server").unwrap();
        let command = [Command::new("publish", r#"{"channel":"news","data":{"title":"World Cup 2018"}}"#).unwrap()];
        let request = HttpRequest::new(&endpoint, &command).unwrap();
        assert_eq!(request.url(), "http://localhost:8000/rt/api/");
        assert_eq!(
            body(&request),
            r#"[{"method":"publish","params":{"channel":"news","data":{"title":"World Cup 2018"}}}]"#
        );
        // As recorded from Centrifugo 1.8.0: replies/v1.8.0/publish-ok.json.
        assert_eq!(request.auth_header.0, "X-API-Sign");
        assert_eq!(request.auth_header.1.expose(), "c3db50f0b11aa24ca151488dc513e0f0057162b7949515e3bdd66d9885d32068");
    }

    #[test]
    fn several_commands_are_an_array_or_one_per_line() {
        let commands = commands();
        let signed = Endpoint::with_secret(address(), "s").unwrap();
        let keyed = Endpoint::with_api_key(address(), "k").unwrap();
        let publish = "{\"method\":\"publish\",\"params\":{\"channel\": \"a\",\r\n \"data\": 1.0}}";
        let quux = r#"{"method":"qu\"ux","params":{}}"#;
        assert_eq!(body(&HttpRequest::new(&signed, &commands).unwrap()), format!("[{publish},{quux}]"));
        let request = HttpRequest::new(&keyed, &commands).unwrap();
        assert_eq!(body(&request), format!("{publish}\n{quux}"));
        assert_eq!(request.url(), "http://localhost:8000/rt/api");
        assert_eq!((request.auth_header.0, request.auth_header.1.expose()), ("Authorization", "apikey k"));
    }

    #[test]
    fn content_length_counts_bytes() {
        let endpoint = Endpoint::with_secret(address(), "s").unwrap();
        let command = [Command::new("publish", r#"{"channel":"ä","data":1}"#).unwrap()];
        let request = HttpRequest::new(&endpoint, &command).unwrap();
        assert_eq!(request.body_len(), body(&request).len() as u64);
        assert!(request.headers().any(|header| header == ("Content-Length", &body(&request).len().to_string())));
    }

    #[test]
    fn debug_and_headers_hide_credentials() {
        for endpoint in [Endpoint::with_secret(address(), "marked"), Endpoint::with_api_key(address(), "marked")] {
            let endpoint = endpoint.unwrap();
            let commands = commands();
            let request = HttpRequest::new(&endpoint, &commands).unwrap();
            let shown = format!("{request:?} {:?}", request.headers().collect::<Vec<_>>());
            assert!(!shown.contains("marked") && !shown.contains(request.auth_header.1.expose()), "{shown}");
        }
    }

    #[test]
    fn no_commands_is_an_error() {
        assert!(HttpRequest::new(&Endpoint::with_secret(address(), "s").unwrap(), Vec::new()).is_err());
    }
}
