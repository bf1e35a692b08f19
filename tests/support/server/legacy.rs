//! The API form of Centrifugo 2 to 6: an API key, one command per line, one reply per line.

use super::fake_centrifugo::{Centrifugo, State};
use super::http::{Request, Response};
use super::json::{self, GoObject, TypeMismatch};
use super::methods::{self, ApiError, Call, Outcome};

/// Executes commands one by one, up to the first that is not JSON or names an unknown method.
pub(super) fn handle(server: &Centrifugo, request: &Request) -> Response {
    let bad_request = || Response::plain(400, "Bad Request");
    let content_type = match request.header("Content-Type") {
        Some(sent) if server.major == 2 => sent,
        _ => "application/json",
    };
    // Protobuf, which no test sends.
    if server.major == 2 && content_type.starts_with("application/octet-stream") || request.body().is_empty() {
        return bad_request();
    }
    let mut state = server.state();
    let mut replies: Vec<Vec<u8>> = Vec::new();
    let mut rest = request.body();
    while !json::is_blank(rest) {
        let Some((text, after)) = json::split_first(rest) else { return bad_request() };
        let Ok(command) = Command::parse(text, server.major) else { return bad_request() };
        let Some(reply) = run(server, &mut state, &command) else {
            return Response::plain(500, "Internal Server Error");
        };
        replies.push(reply);
        rest = after;
    }
    let mut body = replies.join(&b'\n');
    if server.major == 2 && !body.is_empty() {
        body.push(b'\n');
    }
    Response::new(200).header("Content-Type", content_type).body(body)
}

struct Command<'a> {
    id: u64,
    /// In lower case; `None` if it is a number without a method.
    method: Option<&'static str>,
    params: Option<&'a [u8]>,
}

impl<'a> Command<'a> {
    fn parse(text: &'a [u8], major: u8) -> Result<Self, TypeMismatch> {
        let members = GoObject::parse(text)?;
        Ok(Self {
            id: u64::try_from(members.integer("id")?).map_err(|_| TypeMismatch)?,
            method: members.raw("method").map_or(Ok(Some("publish")), |method| method_of(method, major))?,
            params: members.raw("params"),
        })
    }
}

/// In the order of their numbers.
const METHODS: [&str; 13] = [
    "publish",
    "broadcast",
    "unsubscribe",
    "disconnect",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "info",
    "rpc",
    "subscribe",
    "refresh",
];

/// The method of a name, in quotes and without escapes, or of a number.
pub(super) fn method_of(value: &[u8], major: u8) -> Result<Option<&'static str>, TypeMismatch> {
    let text = std::str::from_utf8(value).map_err(|_| TypeMismatch)?;
    let known = if major == 2 { &METHODS[..11] } else { &METHODS[..] };
    let index = match text.parse::<usize>() {
        Ok(number) => Some(number),
        Err(_) => known.iter().position(|name| name.to_uppercase() == text.trim_matches('"').to_uppercase()),
    };
    Ok(known.get(index.ok_or(TypeMismatch)?).copied())
}

/// One reply; `None` if it cannot be written as JSON, though the command was executed.
fn run(server: &Centrifugo, state: &mut State, command: &Command<'_>) -> Option<Vec<u8>> {
    let mut reply = vec![b'{'];
    if command.id > 0 {
        reply.extend_from_slice(format!("\"id\":{}", command.id).as_bytes());
    }
    let text = match execute(server, state, command) {
        Ok(Some(result)) => [b"\"result\":", result?.as_slice()].concat(),
        Ok(None) => Vec::new(),
        Err(error) => format!("\"error\":{}", error.to_json(server.major)).into_bytes(),
    };
    if command.id > 0 && !text.is_empty() {
        reply.push(b',');
    }
    reply.extend_from_slice(&text);
    reply.push(b'}');
    Some(reply)
}

/// Params of the wrong type are an API error, and so are missing ones, unless the method has none.
fn execute(server: &Centrifugo, state: &mut State, command: &Command<'_>) -> Outcome {
    let method = command.method.ok_or(ApiError::NotFound)?;
    let params = match method {
        "info" => b"{}",
        "channels" if server.major == 2 => b"{}",
        _ => command.params.ok_or(ApiError::BadRequest)?,
    };
    methods::execute(server, state, &Call::decode(method, params, server.major)?)
}
