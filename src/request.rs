//! Commands written as one HTTP request: both forms of the API, side by side.

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::command::{Command, Rules};
use crate::endpoint::{Credential, Endpoint, Hidden};
use crate::error::Error;
use crate::json;

/// One POST of one or more commands, ready to be sent.
///
/// Its `Debug`, and its headers as [`headers`](Self::headers) gives them, hold no signature and no API key.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    pub(crate) url: String,
    pub(crate) plain: Vec<(&'static str, String)>,
    pub(crate) proof: (&'static str, Hidden),
    body: Body,
    pub(crate) form: Form,
    commands: Cow<'a, [Command]>,
}

/// The form of request and answer: what Centrifugo 1 speaks, and what its successors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An array, signed.
    Signed,
    /// One object a line, with an API key.
    Keyed,
}

impl Form {
    pub(crate) fn rules(self) -> Rules {
        match self {
            Self::Signed => Rules::First,
            Self::Keyed => Rules::Later,
        }
    }
}

impl<'a> HttpRequest<'a> {
    /// Writes commands as the endpoint's server reads them. Commands that are handed over make a request that can travel
    /// from one thread to another.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - no commands,
    /// - a command that the server would refuse without a reason or take for something else, such as a publish
    ///   without a channel or a disconnect without a user.
    pub fn new(endpoint: &Endpoint, commands: impl Into<Cow<'a, [Command]>>) -> Result<Self, Error> {
        let commands = commands.into();
        let form = match endpoint.credential() {
            Credential::Secret(_) => Form::Signed,
            Credential::ApiKey(_) => Form::Keyed,
        };
        if commands.is_empty() {
            return Err(Error::invalid("no commands to send").hint("add one first"));
        }
        commands.iter().try_for_each(|command| command.check(form.rules()))?;
        let body = match form {
            Form::Signed => Body::written(&commands, "[", ",", "]"),
            Form::Keyed => Body::written(&commands, "", "\n", ""),
        };
        let proof = match endpoint.credential() {
            Credential::Secret(secret) => {
                ("X-API-Sign", Hidden::new(signature(secret.reveal(), body.pieces(&commands))))
            }
            Credential::ApiKey(key) => ("Authorization", Hidden::new(format!("apikey {}", key.reveal()))),
        };
        let plain = vec![
            // Centrifugo 1 takes any other type for a form and answers 400.
            ("Content-Type", "application/json".to_owned()),
            ("Content-Length", body.len.to_string()),
            ("User-Agent", concat!("cent/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        let url = url(endpoint);
        Ok(Self { url, plain, proof, body, form, commands })
    }

    /// The commands that the request is of.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The commands that the request was of, copied unless they were handed over.
    pub fn into_commands(self) -> Vec<Command> {
        self.commands.into_owned()
    }

    /// The URL that is requested.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers, with `[hidden]` for the signature or the API key.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plain.iter().map(|(name, value)| (*name, value.as_str())).chain([(self.proof.0, "[hidden]")])
    }

    /// The body, in pieces that make it up in this order.
    pub fn body(&self) -> impl Iterator<Item = &str> {
        self.body.pieces(&self.commands)
    }

    /// The size of the body, in bytes.
    pub fn body_len(&self) -> u64 {
        self.body.len
    }
}

/// The URL that requests to an endpoint go to.
pub(crate) fn url(endpoint: &Endpoint) -> String {
    let path = match endpoint.credential() {
        Credential::Secret(_) => "/api/",
        // With a slash it is 404 (seen on 2.8.6 to 6.9.1).
        Credential::ApiKey(_) => "/api",
    };
    format!("{}{path}", endpoint.address())
}

/// A body in pieces: small params are joined, large ones stay where they are, so that megabytes are not copied.
struct Body {
    pieces: Vec<Piece>,
    /// In bytes.
    len: u64,
}

enum Piece {
    Text(String),
    /// The params of the command at this index.
    Params(usize),
}

/// Params of this many bytes or more stay where they are.
const LARGE_BYTES: usize = 64 * 1024;

/// What a command takes in a body besides its method and its params: quotes, keys, what is between two.
const AROUND_COMMAND: usize = 32;

impl Body {
    fn written(commands: &[Command], open: &str, between: &str, close: &str) -> Self {
        let mut pieces = Vec::new();
        let small = |len| if len < LARGE_BYTES { len } else { 0 };
        let room = |command: &Command| AROUND_COMMAND + command.method().len() + small(command.params().len());
        let mut text = String::with_capacity(commands.iter().map(room).sum());
        text.push_str(open);
        for (index, command) in commands.iter().enumerate() {
            if index > 0 {
                text.push_str(between);
            }
            // Neither member is ever left out: a command without a method runs as publish on 2 and later.
            text.push_str("{\"method\":");
            json::push_quoted(&mut text, command.method());
            text.push_str(",\"params\":");
            let params = command.params();
            if params.len() < LARGE_BYTES {
                text.push_str(params);
            } else {
                pieces.extend([Piece::Text(std::mem::take(&mut text)), Piece::Params(index)]);
            }
            text.push('}');
        }
        text.push_str(close);
        pieces.push(Piece::Text(text));
        let len = texts(&pieces, commands).map(|text| text.len() as u64).sum();
        Self { pieces, len }
    }

    fn pieces<'a>(&'a self, commands: &'a [Command]) -> impl Iterator<Item = &'a str> {
        texts(&self.pieces, commands)
    }
}

fn texts<'a>(pieces: &'a [Piece], commands: &'a [Command]) -> impl Iterator<Item = &'a str> {
    pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text,
        Piece::Params(index) => commands.get(*index).map_or("", Command::params),
    })
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len)
    }
}

/// Lower-case hex of the HMAC-SHA256 of the pieces, keyed with the secret's UTF-8 bytes; upper case is 401 (seen on
/// 1.8.0).
fn signature<'a>(secret: &str, pieces: impl Iterator<Item = &'a str>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    pieces.for_each(|piece| mac.update(piece.as_bytes()));
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Address;

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

    // RFC 4231, test case 2.
    #[test]
    fn the_signature_is_the_published_one() {
        assert_eq!(
            signature("Jefe", ["what do ya want ", "for nothing?"].into_iter()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_signed_request_is_an_array_with_its_signature() {
        let endpoint = Endpoint::with_secret(address(), "secret-of-the-test-server").unwrap();
        let command = [Command::new("publish", r#"{"channel":"news","data":{"title":"World Cup 2018"}}"#).unwrap()];
        let request = HttpRequest::new(&endpoint, &command).unwrap();
        assert_eq!(request.url(), "http://localhost:8000/rt/api/");
        assert_eq!(
            body(&request),
            r#"[{"method":"publish","params":{"channel":"news","data":{"title":"World Cup 2018"}}}]"#
        );
        // As recorded from Centrifugo 1.8.0: replies/v1.8.0/publish-ok.json.
        assert_eq!(request.proof.0, "X-API-Sign");
        assert_eq!(request.proof.1.reveal(), "c3db50f0b11aa24ca151488dc513e0f0057162b7949515e3bdd66d9885d32068");
    }

    #[test]
    fn several_commands_are_one_array_or_one_object_a_line() {
        let commands = commands();
        let signed = Endpoint::with_secret(address(), "s").unwrap();
        let keyed = Endpoint::with_api_key(address(), "k").unwrap();
        let publish = "{\"method\":\"publish\",\"params\":{\"channel\": \"a\",\r\n \"data\": 1.0}}";
        let quux = r#"{"method":"qu\"ux","params":{}}"#;
        assert_eq!(body(&HttpRequest::new(&signed, &commands).unwrap()), format!("[{publish},{quux}]"));
        let request = HttpRequest::new(&keyed, &commands).unwrap();
        assert_eq!(body(&request), format!("{publish}\n{quux}"));
        assert_eq!(request.url(), "http://localhost:8000/rt/api");
        assert_eq!((request.proof.0, request.proof.1.reveal()), ("Authorization", "apikey k"));
    }

    #[test]
    fn the_length_is_that_of_the_body_in_bytes() {
        let endpoint = Endpoint::with_secret(address(), "s").unwrap();
        let command = [Command::new("publish", r#"{"channel":"ä","data":1}"#).unwrap()];
        let request = HttpRequest::new(&endpoint, &command).unwrap();
        assert_eq!(request.body_len(), body(&request).len() as u64);
        assert!(request.headers().any(|header| header == ("Content-Length", &body(&request).len().to_string())));
    }

    #[test]
    fn large_params_are_the_same_text_as_small_ones() {
        let endpoint = Endpoint::with_secret(address(), "s").unwrap();
        let large = format!(r#"{{"channel":"a","data":"{}"}}"#, "x".repeat(LARGE_BYTES));
        let small = r#"{"channel":"a","data":1}"#;
        let commands = [&large, small, &large].map(|params| Command::new("publish", params).unwrap());
        let [large, small] = [&large, small].map(|params| format!(r#"{{"method":"publish","params":{params}}}"#));
        let request = HttpRequest::new(&endpoint, &commands).unwrap();
        assert_eq!(body(&request), format!("[{large},{small},{large}]"));
        assert_eq!(request.body().count(), 5);
    }

    #[test]
    fn nothing_shown_holds_the_proof() {
        for endpoint in [Endpoint::with_secret(address(), "marked"), Endpoint::with_api_key(address(), "marked")] {
            let endpoint = endpoint.unwrap();
            let commands = commands();
            let request = HttpRequest::new(&endpoint, &commands).unwrap();
            let shown = format!("{request:?} {:?}", request.headers().collect::<Vec<_>>());
            assert!(!shown.contains("marked") && !shown.contains(request.proof.1.reveal()), "{shown}");
        }
    }

    #[test]
    fn no_commands_are_an_error() {
        assert!(HttpRequest::new(&Endpoint::with_secret(address(), "s").unwrap(), Vec::new()).is_err());
    }
}
