//! The API form of Centrifugo 5 and later: an API key, and either one method per path or a batch of commands.

use super::fake_centrifugo::{Centrifugo, State};
use super::http::{Request, Response};
use super::json::{self, GoObject, TypeMismatch};
use super::legacy;
use super::methods::{self, ApiError, Call, Outcome};

/// In the order in which the servers look for them in a command of a batch.
const METHODS: [&str; 20] = [
    "publish",
    "broadcast",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "history",
    "history_remove",
    "presence",
    "presence_stats",
    "info",
    "rpc",
    "refresh",
    "channels",
    "map_publish",
    "map_remove",
    "map_read_state",
    "map_read_stream",
    "map_stats",
    "map_clear",
    "shared_poll_publish",
];

fn methods(major: u8) -> &'static [&'static str] {
    if major < 6 { &METHODS[..13] } else { &METHODS }
}

/// The method of a path.
pub(super) fn method_of(name: &str, major: u8) -> Option<&'static str> {
    methods(major).iter().copied().find(|method| *method == name)
}

fn bad_request() -> Response {
    Response::plain(400, "Bad Request")
}

/// The commands were executed, but a result is not JSON.
fn unwritable() -> Response {
    Response::plain(500, "Internal Server Error")
}

/// Executes the method of a path with the body as its params.
pub(super) fn handle_method(server: &Centrifugo, method: &'static str, request: &Request) -> Response {
    let params = json::parse_exact(request.body()).ok_or(TypeMismatch);
    let Ok(call) = params.and_then(|params| Call::decode(method, params, server.major)) else { return bad_request() };
    let outcome = methods::execute(server, &mut server.state(), &call);
    match outcome {
        Err(error) if server.transport_errors || request.header("X-Centrifugo-Error-Mode") == Some("transport") => {
            Response { status: error.status(), ..Response::json(error.to_json(server.major)) }
        }
        outcome => write_reply(outcome, "result", server.major).map_or_else(unwritable, Response::json),
    }
}

/// Executes the commands of a batch, once all of them are decoded.
pub(super) fn handle_batch(server: &Centrifugo, request: &Request) -> Response {
    let batch = json::parse_exact(request.body()).ok_or(TypeMismatch);
    let Ok(batch) = batch.and_then(|batch| Batch::decode(batch, server.major)) else { return bad_request() };
    let replies: Option<Vec<Vec<u8>>> = batch.execute(server).into_iter().collect();
    match replies {
        None => unwritable(),
        Some(replies) if replies.is_empty() => Response::json("{}"),
        Some(replies) => Response::json([b"{\"replies\":[", replies.join(&b',').as_slice(), b"]}"].concat()),
    }
}

/// An object with one key; `None` if the result cannot be written as JSON.
fn write_reply(outcome: Outcome, result_key: &str, major: u8) -> Option<Vec<u8>> {
    Some(match outcome {
        Ok(result) => {
            let result = result.expect("since version 4 all methods have a result")?;
            [format!("{{\"{result_key}\":").as_bytes(), &result, b"}"].concat()
        }
        Err(error) => format!("{{\"error\":{}}}", error.to_json(major)).into_bytes(),
    })
}

struct Batch<'a> {
    /// The error of a command without a call is its reply.
    commands: Vec<Result<Call<'a>, ApiError>>,
    is_parallel: bool,
}

impl<'a> Batch<'a> {
    /// One value of the wrong type rejects the batch.
    fn decode(body: &'a [u8], major: u8) -> Result<Self, TypeMismatch> {
        let members = GoObject::parse(body)?;
        let commands = members.array("commands")?.into_iter().map(|command| decode_command(command, major));
        Ok(Self { commands: commands.collect::<Result<_, _>>()?, is_parallel: members.boolean("parallel")? })
    }

    /// The replies, in the order of the commands.
    fn execute(&self, server: &Centrifugo) -> Vec<Option<Vec<u8>>> {
        let mut state = server.state();
        let mut reply = |command| execute(server, &mut state, command);
        if self.is_parallel {
            // The servers' order is random; this one is different from the usual one and the same in every run.
            let mut replies: Vec<_> = self.commands.iter().rev().map(reply).collect();
            replies.reverse();
            return replies;
        }
        self.commands.iter().map(&mut reply).collect()
    }
}

fn decode_command(command: &[u8], major: u8) -> Result<Result<Call<'_>, ApiError>, TypeMismatch> {
    if command == b"null" {
        assert!(major > 5, "Centrifugo 5 closes the connection, which is not implemented here");
        return Ok(Err(ApiError::BadRequest));
    }
    let members = GoObject::parse(command)?;
    if let Some(method) = members.raw("method").filter(|_| major == 5) {
        // Ignored, but decoded.
        legacy::method_of(method, major)?;
    }
    let present = methods(major).iter().filter_map(|&method| Some((method, members.raw(method)?)));
    let calls = present.filter(|(_, params)| *params != b"null");
    let calls: Vec<Call<'_>> =
        calls.map(|(method, params)| Call::decode(method, params, major)).collect::<Result<_, _>>()?;
    // The first of the list counts, wherever it is in the command.
    Ok(calls.into_iter().next().ok_or(ApiError::NotFound))
}

fn execute(server: &Centrifugo, state: &mut State, command: &Result<Call<'_>, ApiError>) -> Option<Vec<u8>> {
    match command {
        Ok(call) => write_reply(methods::execute(server, state, call), call.method, server.major),
        Err(error) => write_reply(Err(*error), "", server.major),
    }
}
