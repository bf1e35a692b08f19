//! One case of the matrix: a call, what the server does to it, and what has to come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use cent::{Client, Command, Error, ErrorKind, Reply, ReplyError};

use crate::server::{API_KEY, Centrifugo, SECRET, Script, Server};

/// Longer than anything takes that is not silent.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// How long a silent server is waited for.
pub(crate) const SHORT: Duration = Duration::from_millis(60);

/// What is sent: commands that publish 1, 2 and so on into `news`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// The version of the server: 1 signs, the others have a key.
    pub(crate) major: u8,
    pub(crate) commands: usize,
    /// How much data there is besides, in bytes.
    pub(crate) ballast: usize,
}

impl Call {
    /// The calls that every fault is tried on: both dialects, with one command and with several.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [1, 6].into_iter().flat_map(|major| [1, 3].map(|commands| Self { major, commands, ballast: 0 }))
    }

    pub(crate) fn centrifugo(self) -> Centrifugo {
        if self.major == 1 { Centrifugo::v1() } else { Centrifugo::later(self.major) }
    }

    pub(crate) fn client(self, address: &str) -> Client {
        let client =
            if self.major == 1 { Client::new(address, SECRET) } else { Client::with_api_key(address, API_KEY) };
        client.expect("the address is one")
    }

    fn data(self) -> impl Iterator<Item = String> {
        (1..=self.commands).map(move |number| match self.ballast {
            0 => number.to_string(),
            ballast => format!("[{number},\"{}\"]", "x".repeat(ballast)),
        })
    }

    pub(crate) fn commands(self) -> Vec<Command> {
        let params = self.data().map(|data| format!(r#"{{"channel":"news","data":{data}}}"#));
        params.map(|params| Command::new("publish", params).expect("params are an object")).collect()
    }
}

/// What has to come of a case.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Any of these: nothing is success. Where several are true, HTTP clients differ.
    pub(crate) outcomes: &'static [Option<ErrorKind>],
    /// The message holds one of these.
    pub(crate) says: &'static [&'static str],
    /// Whether the server runs the commands: all of them, or none.
    pub(crate) executed: bool,
    /// On how many connections the call and the one after it go.
    pub(crate) connections: Option<usize>,
    /// Whether the server answers on the same connection afterwards.
    pub(crate) goes_on: bool,
}

pub(crate) fn done() -> Expected {
    Expected { outcomes: &[None], says: &[], executed: true, connections: None, goes_on: true }
}

pub(crate) fn unknown(says: &'static [&'static str]) -> Expected {
    Expected { outcomes: &[Some(ErrorKind::OutcomeUnknown)], says, executed: true, connections: None, goes_on: true }
}

pub(crate) fn refused(says: &'static [&'static str]) -> Expected {
    Expected { outcomes: &[Some(ErrorKind::Rejected)], says, executed: false, connections: None, goes_on: true }
}

pub(crate) fn turned_away(says: &'static [&'static str]) -> Expected {
    Expected { outcomes: &[Some(ErrorKind::SafeToRetry)], says, executed: false, connections: None, goes_on: true }
}

/// Success or not: both are true.
pub(crate) fn either() -> Expected {
    Expected { outcomes: &[None, Some(ErrorKind::OutcomeUnknown)], ..done() }
}

impl Expected {
    pub(crate) fn unexecuted(self) -> Self {
        Self { executed: false, ..self }
    }

    /// The server is silent on a connection that nothing seems to be wrong with.
    pub(crate) fn at_last(self) -> Self {
        Self { goes_on: false, ..self }
    }

    pub(crate) fn over(self, connections: usize) -> Self {
        Self { connections: Some(connections), ..self }
    }
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) call: Call,
    pub(crate) script: Script,
    pub(crate) limit: Duration,
    pub(crate) expected: Expected,
}

/// Servers for one case after the other, of each version one: a port for every case is more than systems like.
#[derive(Default)]
pub(crate) struct Servers(BTreeMap<u8, Server>);

/// How far a server was before a case.
struct Before {
    requests: usize,
    connections: usize,
    executed: usize,
}

impl Case {
    /// Has a server play the script, and holds what the client says against what the server has done.
    pub(crate) fn run(&self, servers: &mut Servers) -> Result<(), String> {
        let mut limit = self.limit;
        loop {
            let server = servers.0.remove(&self.call.major);
            let server = server.unwrap_or_else(|| Server::start(self.call.centrifugo()).perhaps_called());
            let before = Before {
                requests: server.requests().len(),
                connections: server.accepted(),
                executed: server.centrifugo().messages("news").len(),
            };
            server.add_script(self.script.clone());
            let mut client = self.call.client(&server.address()).with_timeout(limit);
            let result = client.send_commands(&self.call.commands());
            let seen = match kind(&result) {
                Some(ErrorKind::SafeToRetry) => server.requests(),
                _ => server.settled_or_left(before.requests + 1, before.connections),
            };
            // On a busy machine a short time is over before anything has left. The script has not begun: with the
            // server it goes.
            if seen.len() == before.requests && limit < LONG {
                limit *= 4;
                continue;
            }
            self.judge(&server, &before, &result)?;
            if self.expected.goes_on {
                self.go_on(&server, &before, client.with_timeout(LONG))?;
                servers.0.insert(self.call.major, server);
            }
            return Ok(());
        }
    }

    fn judge(&self, server: &Server, before: &Before, result: &Result<Vec<Reply>, Error>) -> Result<(), String> {
        let (kind, seen) = (kind(result), server.requests().len() - before.requests);
        let executed = server.centrifugo().texts("news").split_off(before.executed);
        let message = message(result, &server.address());
        let found = format!("{kind:?} {message:?}, {seen} requests, {} executed", executed.len());
        // What holds of every case, whatever is expected of this one.
        let is_whole = executed.iter().eq(self.call.data().collect::<Vec<_>>().iter());
        let is_true = match kind {
            None => is_whole,
            Some(ErrorKind::OutcomeUnknown) => is_whole || executed.is_empty(),
            Some(_) => executed.is_empty(),
        };
        if !is_true || seen != 1 {
            return Err(format!("untrue: {found}"));
        }
        let expected = &self.expected;
        let says =
            expected.says.is_empty() || kind.is_none() || expected.says.iter().any(|says| message.contains(says));
        let looks = kind != Some(ErrorKind::OutcomeUnknown) || message.contains("may have run: look before repeating");
        let names = kind.is_none() || message.starts_with(&server.address()) && !message.contains('\n');
        let is_executed = executed.is_empty() != expected.executed;
        if expected.outcomes.contains(&kind) && says && looks && names && is_executed {
            Ok(())
        } else {
            Err(format!("{found}; expected {expected:?}"))
        }
    }

    /// Whatever happened, the next call of the same client works, once.
    fn go_on(&self, server: &Server, before: &Before, mut client: Client) -> Result<(), String> {
        let executed = |channel| server.centrifugo().messages(channel).len();
        let (news, others) = (executed("news"), executed("after"));
        client.publish("after", &0).map_err(|error| format!("the next call fails: {error}"))?;
        let requests = server.requests().len() - before.requests;
        let connections = server.accepted() - before.connections;
        let is_expected = self.expected.connections.is_none_or(|expected| connections == expected);
        if executed("after") == others + 1 && executed("news") == news && requests == 2 && is_expected {
            Ok(())
        } else {
            Err(format!("after the next call: {requests} requests, {connections} connections, {news} executed"))
        }
    }
}

/// The worst that came of a call: nothing is success.
pub(crate) fn kind(result: &Result<Vec<Reply>, Error>) -> Option<ErrorKind> {
    match result {
        Ok(replies) => {
            let kinds = replies.iter().flat_map(Reply::errors).map(ReplyError::kind);
            kinds.max_by_key(|kind| *kind == ErrorKind::OutcomeUnknown)
        }
        Err(error) => Some(error.kind()),
    }
}

/// What a user is told, in one line; an error in a reply is told with the address before it.
fn message(result: &Result<Vec<Reply>, Error>, address: &str) -> String {
    match result {
        Ok(replies) => replies
            .iter()
            .flat_map(Reply::errors)
            .map(|error| format!("{address}: {error}"))
            .collect::<Vec<_>>()
            .join("; "),
        Err(error) => error.to_string(),
    }
}
