//! One case: a request, what the server does with it, and the expected outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use cent::{Client, Command, Error, ErrorKind, Reply, ReplyError};

use crate::server::{ApiForm, Script, Server};

/// Longer than anything but a hanging server takes.
pub(crate) const LONG_TIMEOUT: Duration = Duration::from_secs(20);
/// The timeout for a hanging server.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(60);

/// A request to send: commands that publish 1, 2 and so on to `news`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestSpec {
    /// The major version of the server.
    pub(crate) major: u8,
    pub(crate) commands: usize,
    /// Additional data in each command.
    pub(crate) padding_bytes: usize,
}

impl RequestSpec {
    /// The requests that every fault is tried on: each form of the API, with one command and with several.
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

/// The expected outcome of a case.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Any of these; `None` is success. There are several where HTTP clients may differ.
    pub(crate) outcomes: &'static [Option<ErrorKind>],
    /// The message contains one of these.
    pub(crate) messages: &'static [&'static str],
    /// Whether the server executes all commands, or none.
    pub(crate) executed: bool,
    /// How many connections this request and the next one use.
    pub(crate) connections: Option<usize>,
    /// Whether the server responds on this connection afterwards.
    pub(crate) has_follow_up: bool,
}

pub(crate) fn success() -> Expected {
    Expected { outcomes: &[None], messages: &[], executed: true, connections: None, has_follow_up: true }
}

pub(crate) fn unknown(messages: &'static [&'static str]) -> Expected {
    Expected {
        outcomes: &[Some(ErrorKind::OutcomeUnknown)],
        messages,
        executed: true,
        connections: None,
        has_follow_up: true,
    }
}

pub(crate) fn rejected(messages: &'static [&'static str]) -> Expected {
    Expected {
        outcomes: &[Some(ErrorKind::Rejected)],
        messages,
        executed: false,
        connections: None,
        has_follow_up: true,
    }
}

pub(crate) fn not_accepted(messages: &'static [&'static str]) -> Expected {
    Expected {
        outcomes: &[Some(ErrorKind::SafeToRetry)],
        messages,
        executed: false,
        connections: None,
        has_follow_up: true,
    }
}

/// Both are correct.
pub(crate) fn success_or_unknown() -> Expected {
    Expected { outcomes: &[None, Some(ErrorKind::OutcomeUnknown)], ..success() }
}

impl Expected {
    pub(crate) fn not_executed(self) -> Self {
        Self { executed: false, ..self }
    }

    /// The server hangs, but the client cannot notice that.
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

/// One server per version, reused for many cases: a port for each case would be too many for some systems.
#[derive(Default)]
pub(crate) struct ServerPool(BTreeMap<u8, Server>);

/// The counters of a server before a case.
struct Baseline {
    requests: usize,
    connections: usize,
    executed: usize,
}

impl Case {
    /// Runs the script on a server; checks the client's result against what the server executed.
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
                Some(ErrorKind::SafeToRetry) => server.requests(),
                _ => server.wait_for_requests_or_close(baseline.requests + 1, baseline.connections),
            };
            // On a busy machine a short timeout can expire before anything is sent. The script has not started; it is
            // dropped with the server.
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
        // These rules hold for every case.
        let all_executed = executed.iter().eq(self.spec.data().collect::<Vec<_>>().iter());
        let is_correct = match kind {
            None => all_executed,
            Some(ErrorKind::OutcomeUnknown) => all_executed || executed.is_empty(),
            Some(_) => executed.is_empty(),
        };
        if !is_correct || requests != 1 {
            return Err(format!("wrong outcome: {found}"));
        }
        let expected = &self.expected;
        let has_message = expected.messages.is_empty()
            || kind.is_none()
            || expected.messages.iter().any(|expected| message.contains(expected));
        let has_check_hint = kind != Some(ErrorKind::OutcomeUnknown)
            || message.contains("may have been executed: check before retrying");
        let has_address = kind.is_none() || message.starts_with(&server.address()) && !message.contains('\n');
        let is_executed = executed.is_empty() != expected.executed;
        if expected.outcomes.contains(&kind) && has_message && has_check_hint && has_address && is_executed {
            Ok(())
        } else {
            Err(format!("{found}; expected {expected:?}"))
        }
    }

    /// After any fault, the next call of the same client works, exactly once.
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

/// The worst outcome of a request; `None` is success.
pub(crate) fn kind(result: &Result<Vec<Reply>, Error>) -> Option<ErrorKind> {
    match result {
        Ok(replies) => {
            let kinds = replies.iter().flat_map(Reply::errors).map(ReplyError::kind);
            kinds.max_by_key(|kind| *kind == ErrorKind::OutcomeUnknown)
        }
        Err(error) => Some(error.kind()),
    }
}

/// The message as one line; the address comes first, also for an error in a reply.
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
