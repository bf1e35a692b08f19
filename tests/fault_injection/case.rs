//! One case of the matrix: a call, what the server does to it, and what has to come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use cent::{Client, Command, Error, ErrorKind, Reply, ReplyError};

use crate::server::{ApiForm, Script, Server};

/// Longer than anything takes that is not silent.
pub(crate) const LONG_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a silent server is waited for.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(60);

/// What is sent: commands that publish 1, 2 and so on into `news`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestSpec {
    /// The version of the server: 1 signs, the others have a key.
    pub(crate) major: u8,
    pub(crate) commands: usize,
    /// How much data there is besides, in bytes.
    pub(crate) padding_bytes: usize,
}

impl RequestSpec {
    /// The calls that every fault is tried on: both dialects, with one command and with several.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        ApiForm::ALL
            .into_iter()
            .flat_map(|form| [1, 3].map(|commands| Self { major: form.newest_version(), commands, padding_bytes: 0 }))
    }

    pub(crate) fn form(self) -> ApiForm {
        ApiForm::of_version(self.major)
    }

    pub(crate) fn server(self) -> Server {
        Server::version(self.major)
    }

    pub(crate) fn client(self, address: &str) -> Client {
        self.form().client(address)
    }

    fn data(self) -> impl Iterator<Item = String> {
        (1..=self.commands).map(move |number| match self.padding_bytes {
            0 => number.to_string(),
            padding_bytes => format!("[{number},\"{}\"]", "x".repeat(padding_bytes)),
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
    pub(crate) messages: &'static [&'static str],
    /// Whether the server runs the commands: all of them, or none.
    pub(crate) executed: bool,
    /// On how many connections the call and the one after it go.
    pub(crate) connections: Option<usize>,
    /// Whether the server answers on the same connection afterwards.
    pub(crate) has_follow_up: bool,
}

pub(crate) fn success() -> Expected {
    Expected { outcomes: &[None], messages: &[], executed: true, connections: None, has_follow_up: true }
}

pub(crate) fn unknown(messages: &'static [&'static str]) -> Expected {
    Expected { outcomes: &[Some(ErrorKind::Unknown)], messages, executed: true, connections: None, has_follow_up: true }
}

pub(crate) fn rejected(messages: &'static [&'static str]) -> Expected {
    Expected {
        outcomes: &[Some(ErrorKind::Refused)],
        messages,
        executed: false,
        connections: None,
        has_follow_up: true,
    }
}

pub(crate) fn not_accepted(messages: &'static [&'static str]) -> Expected {
    Expected {
        outcomes: &[Some(ErrorKind::NotAccepted)],
        messages,
        executed: false,
        connections: None,
        has_follow_up: true,
    }
}

/// Success or not: both are true.
pub(crate) fn success_or_unknown() -> Expected {
    Expected { outcomes: &[None, Some(ErrorKind::Unknown)], ..success() }
}

impl Expected {
    pub(crate) fn not_executed(self) -> Self {
        Self { executed: false, ..self }
    }

    /// The server is silent on a connection that nothing seems to be wrong with.
    pub(crate) fn connection_hangs(self) -> Self {
        Self { has_follow_up: false, ..self }
    }

    pub(crate) fn on_connections(self, connections: usize) -> Self {
        Self { connections: Some(connections), ..self }
    }
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) spec: RequestSpec,
    pub(crate) script: Script,
    pub(crate) timeout: Duration,
    pub(crate) expected: Expected,
}

/// Servers for one case after the other, of each version one: a port for every case is more than systems like.
#[derive(Default)]
pub(crate) struct ServerPool(BTreeMap<u8, Server>);

/// How far a server was before a case.
struct Baseline {
    requests: usize,
    connections: usize,
    executed: usize,
}

impl Case {
    /// Has a server play the script, and holds what the client says against what the server has done.
    pub(crate) fn run(&self, servers: &mut ServerPool) -> Result<(), String> {
        let mut timeout = self.timeout;
        loop {
            let server = servers.0.remove(&self.spec.major);
            let server = server.unwrap_or_else(|| self.spec.server().allow_no_connection());
            let baseline = Baseline {
                requests: server.requests().len(),
                connections: server.accepted_connections(),
                executed: server.centrifugo().messages("news").len(),
            };
            server.add_script(self.script.clone());
            let mut client = self.spec.client(&server.address()).with_timeout(timeout);
            let result = client.send_commands(&self.spec.commands());
            let requests = match kind(&result) {
                Some(ErrorKind::NotAccepted) => server.requests(),
                _ => server.wait_for_requests_or_close(baseline.requests + 1, baseline.connections),
            };
            // On a busy machine a short time is over before anything has left. The script has not begun: with the
            // server it goes.
            if requests.len() == baseline.requests && timeout < LONG_TIMEOUT {
                timeout *= 4;
                continue;
            }
            self.verify(&server, &baseline, &result)?;
            if self.expected.has_follow_up {
                self.verify_follow_up(&server, &baseline, client.with_timeout(LONG_TIMEOUT))?;
                servers.0.insert(self.spec.major, server);
            }
            return Ok(());
        }
    }

    fn verify(&self, server: &Server, baseline: &Baseline, result: &Result<Vec<Reply>, Error>) -> Result<(), String> {
        let (kind, requests) = (kind(result), server.requests().len() - baseline.requests);
        let executed = server.centrifugo().messages_as_text("news").split_off(baseline.executed);
        let message = message(result, &server.address());
        let found = format!("{kind:?} {message:?}, {requests} requests, {} executed", executed.len());
        // What holds of every case, whatever is expected of this one.
        let all_executed = executed.iter().eq(self.spec.data().collect::<Vec<_>>().iter());
        let is_correct = match kind {
            None => all_executed,
            Some(ErrorKind::Unknown) => all_executed || executed.is_empty(),
            Some(_) => executed.is_empty(),
        };
        if !is_correct || requests != 1 {
            return Err(format!("wrong outcome: {found}"));
        }
        let expected = &self.expected;
        let has_message = expected.messages.is_empty()
            || kind.is_none()
            || expected.messages.iter().any(|expected| message.contains(expected));
        let has_check_hint =
            kind != Some(ErrorKind::Unknown) || message.contains("may have run: look before repeating");
        let has_address = kind.is_none() || message.starts_with(&server.address()) && !message.contains('\n');
        let is_executed = executed.is_empty() != expected.executed;
        if expected.outcomes.contains(&kind) && has_message && has_check_hint && has_address && is_executed {
            Ok(())
        } else {
            Err(format!("{found}; expected {expected:?}"))
        }
    }

    /// Whatever happened, the next call of the same client works, once.
    fn verify_follow_up(&self, server: &Server, baseline: &Baseline, mut client: Client) -> Result<(), String> {
        let executed = |channel| server.centrifugo().messages(channel).len();
        let (news, others) = (executed("news"), executed("after"));
        client.publish("after", &0).map_err(|error| format!("the next call fails: {error}"))?;
        let requests = server.requests().len() - baseline.requests;
        let connections = server.accepted_connections() - baseline.connections;
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
            kinds.max_by_key(|kind| *kind == ErrorKind::Unknown)
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
