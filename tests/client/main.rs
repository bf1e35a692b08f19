//! The library as another crate sees it, against the test server.

#[path = "../support/fixtures.rs"]
mod fixtures;
#[path = "../support/server/mod.rs"]
mod server;

mod batch;
mod connection;
mod errors;
mod form;
mod idempotency;
mod methods;
mod recorded;
mod requests;
mod tour;
mod traits;

use cent::{Client, Command, Error, ErrorKind, Published, Reply};

use crate::fixtures::Fixture;
use crate::server::{ApiForm, Response, Server, Step};

const ALL_VERSIONS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

const WITH_API_KEY: [u8; 6] = [2, 3, 4, 5, 6, 7];

const WITH_CURRENT_FORM: [u8; 3] = [5, 6, 7];

/// A client with the credential of the test servers.
fn client_for(major: u8, address: &str) -> Client {
    ApiForm::of_version(major).client(address)
}

fn start(major: u8) -> (Server, Client) {
    let server = Server::version(major);
    let client = client_for(major, &server.address());
    (server, client)
}

/// How many requests precede the first one that a version can answer.
fn requests_before(major: u8) -> usize {
    ApiForm::of_version(major).requests_before()
}

/// The paths of all requests.
fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path.clone()).collect()
}

fn command(method: &str, params: &str) -> Command {
    Command::new(method, params).unwrap()
}

/// Publishes to channels of these names; their data is 1.
fn publishes<const N: usize>(channels: [&str; N]) -> [Command; N] {
    channels.map(|channel| command("publish", &format!(r#"{{"channel":"{channel}","data":1}}"#)))
}

/// A publish that servers reject for its type, and the library does not: a later value of the same key is right.
fn invalid_publish() -> Command {
    command("publish", r#"{"channel":5,"channel":"invalid","data":1}"#)
}

/// The commands in a batch, even if there is only one.
fn send_batch(client: &mut Client, commands: &[Command]) -> Result<Vec<Reply>, Error> {
    let mut request = client.requests().batch(commands)?;
    client.send_request(&mut request)
}

fn texts(replies: &[Reply]) -> Vec<&str> {
    replies.iter().map(Reply::text).collect()
}

/// Publishes once; the kind of the error, if any.
fn publish(client: &mut Client) -> Result<Published, ErrorKind> {
    client.publish("news", &1).map_err(|error| error.kind())
}

/// Sends this without executing anything, once the request line is there.
fn respond_early(response: &Response) -> server::Script {
    vec![Step::Read(60), Step::respond(&response.clone().header("Connection", "close")), Step::Close]
}

/// Valid params of any method, with as many channels as the recorded request has.
fn params(body: &[u8], more: &str) -> String {
    let body = String::from_utf8_lossy(body);
    let list = body.split_once(r#""channels":["#).and_then(|(_, rest)| rest.split_once(']'));
    let list = list.map_or("", |(list, _)| list).replace(r#""""#, r#""empty""#);
    let list = if list.is_empty() { r#""a","b","c""# } else { &list };
    format!(r#"{{"channel":"a","channels":[{list}],"data":1,"user":"42",{more}}}"#)
}

/// The commands of a recorded request, with valid params; one publish if the request had no readable command.
fn commands(fixture: &Fixture) -> Vec<Command> {
    let params = params(&fixture.body, r#""method":"x","key":"k","version":1"#);
    let objects: Vec<serde_json::Value> = match fixture.major() {
        1 => serde_json::from_slice(&fixture.body).ok().filter(|body: &Vec<_>| !body.is_empty()),
        _ => serde_json::Deserializer::from_slice(&fixture.body).into_iter().collect::<Result<_, _>>().ok(),
    }
    .unwrap_or_default();
    let methods = objects.iter().map(|object| object["method"].as_str().unwrap_or("publish"));
    let commands: Vec<Command> = methods.map(|method| Command::new(method, &*params).unwrap()).collect();
    if commands.is_empty() { vec![Command::new("publish", &*params).unwrap()] } else { commands }
}
