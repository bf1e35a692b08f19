//! One case: a request, what the server does with it and with what follows from it, and the expected outcome.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cent::{Client, Command, Error, ErrorKind, HttpRequest, Reply, ReplyError};

use crate::server::{ApiForm, Script, Server, Step};

/// Longer than anything but a hanging server takes.
pub(crate) const LONG_TIMEOUT: Duration = Duration::from_secs(20);
/// The timeout for a hanging server.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(60);

/// For how long the client uses a connection again.
const MAX_IDLE: Duration = Duration::from_millis(500);

/// A request to send: commands that publish 1, 2 and so on to `news`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestSpec {
    /// The major version of the server.
    pub(crate) major: u8,
    pub(crate) commands: usize,
    /// Additional data in each command.
    pub(crate) padding_bytes: usize,
    /// Whether it is the client's first one, whose response shows which form of the API the server has.
    pub(crate) is_first: bool,
    /// The index of a command that makes the server reject the whole batch: it is nested too deep.
    pub(crate) invalid: Option<usize>,
    /// Whether the server may execute the commands in any order.
    pub(crate) is_unordered: bool,
}

/// Deeper than a server reads JSON (seen on 5.4.9 and 6.9.1).
const INVALID_DEPTH: usize = 10_000;

impl RequestSpec {
    /// The first request of a client.
    pub(crate) fn new(major: u8, commands: usize) -> Self {
        Self { major, commands, padding_bytes: 0, is_first: true, invalid: None, is_unordered: false }
    }

    /// The requests that every fault is tried on: each form of the API, with one command and with several. The server of
    /// the current form has the legacy form too, so that a command that is sent in both is executed twice.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [1, 4, 6].into_iter().flat_map(|major| [1, 3].map(|commands| Self::new(major, commands)))
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

    /// Whether the server rejects the request as it is sent first, so that the faults are those of the legacy request that
    /// follows.
    pub(crate) fn falls_back(self) -> bool {
        self.form() == ApiForm::Legacy && self.is_first
    }

    pub(crate) fn data(self) -> impl Iterator<Item = String> {
        (1..=self.commands).map(move |number| match self.padding_bytes {
            _ if self.invalid == Some(number - 1) => "[".repeat(INVALID_DEPTH) + &"]".repeat(INVALID_DEPTH),
            0 => number.to_string(),
            padding_bytes => format!("[{number},\"{}\"]", "x".repeat(padding_bytes)),
        })
    }

    pub(crate) fn commands(self) -> Vec<Command> {
        let params = self.data().map(|data| format!(r#"{{"channel":"news","data":{data}}}"#));
        params.map(|params| Command::new("publish", params).expect("params are an object")).collect()
    }

    fn request(self, client: &Client, commands: Vec<Command>) -> HttpRequest<'static> {
        let requests = client.requests().clone();
        let requests = if self.is_unordered { requests.unordered() } else { requests };
        requests.request(commands).expect("the commands are valid")
    }
}

/// How many of the commands the server executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Executed {
    All,
    /// So many from the first one.
    First(usize),
    /// It depends on which of two packets is faster.
    AllOrNone,
}

/// The expected outcome of a case.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Any of these; `None` is success. There are several where HTTP clients may differ.
    pub(crate) outcomes: &'static [Option<ErrorKind>],
    /// The message contains one of these.
    pub(crate) messages: &'static [&'static str],
    pub(crate) executed: Executed,
    /// Whether it would be the same at the next attempt: safe to retry, but not repeated.
    pub(crate) is_lasting: bool,
    /// How many commands have a reply, in a request that fails.
    pub(crate) answered: usize,
    /// The index of the command that is found to be the cause.
    pub(crate) invalid: Option<usize>,
    /// How many connections this request and the next one use.
    pub(crate) connections: Option<usize>,
    /// Whether the server responds on this connection afterwards.
    pub(crate) has_follow_up: bool,
}

/// Every command is executed and succeeds.
pub(crate) fn success() -> Expected {
    Expected {
        outcomes: &[None],
        messages: &[],
        executed: Executed::All,
        is_lasting: false,
        answered: 0,
        invalid: None,
        connections: None,
        has_follow_up: true,
    }
}

/// Everything is executed, but the outcome is unknown.
pub(crate) fn unknown(messages: &'static [&'static str]) -> Expected {
    Expected { outcomes: &[Some(ErrorKind::OutcomeUnknown)], messages, ..success() }
}

pub(crate) fn rejected(messages: &'static [&'static str]) -> Expected {
    Expected { outcomes: &[Some(ErrorKind::Rejected)], messages, executed: Executed::First(0), ..success() }
}

pub(crate) fn not_accepted(messages: &'static [&'static str]) -> Expected {
    Expected { outcomes: &[Some(ErrorKind::SafeToRetry)], messages, executed: Executed::First(0), ..success() }
}

/// Both are correct.
pub(crate) fn success_or_unknown() -> Expected {
    Expected { outcomes: &[None, Some(ErrorKind::OutcomeUnknown)], ..success() }
}

impl Expected {
    pub(crate) fn not_executed(self) -> Self {
        Self { executed: Executed::First(0), ..self }
    }

    pub(crate) fn executed(self, executed: Executed) -> Self {
        Self { executed, ..self }
    }

    /// Before the request fails, so many commands are executed in requests of their own.
    pub(crate) fn after_answered(self, answered: usize) -> Self {
        Self { answered, executed: Executed::First(answered), ..self }
    }

    /// The command at this index is found to be the cause.
    pub(crate) fn invalid(self, index: usize) -> Self {
        Self { invalid: Some(index), ..self.after_answered(index) }
    }

    /// The server hangs, but the client cannot notice that; or it is of another version now.
    pub(crate) fn connection_hangs(self) -> Self {
        Self { has_follow_up: false, ..self }
    }

    pub(crate) fn on_connections(self, connections: usize) -> Self {
        Self { connections: Some(connections), ..self }
    }

    fn is_executed(&self, commands: usize, executed: usize) -> bool {
        match self.executed {
            Executed::All => executed == commands,
            Executed::First(count) => executed == count,
            Executed::AllOrNone => executed == 0 || executed == commands,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) spec: RequestSpec,
    /// One for each request that the client sends.
    pub(crate) scripts: Vec<Script>,
    pub(crate) timeout: Duration,
    pub(crate) expected: Expected,
}

/// The script of a request without a fault.
pub(crate) fn no_fault() -> Script {
    vec![Step::Respond]
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

/// What a client made of a request.
struct Outcome {
    kind: Option<ErrorKind>,
    message: String,
    /// How many commands have a reply; all of them without an error.
    answered: usize,
    invalid: Option<usize>,
    is_retryable: bool,
    is_error: bool,
}

impl Outcome {
    fn of(result: &Result<Vec<Reply>, Error>, address: &str) -> Self {
        let error = result.as_ref().err();
        Self {
            kind: kind(result),
            message: message(result, address),
            answered: error.map_or_else(|| result.as_ref().map_or(0, Vec::len), Error::answered),
            invalid: error.and_then(Error::command_index),
            is_retryable: error.is_some_and(Error::is_retryable),
            is_error: error.is_some(),
        }
    }
}

impl Case {
    /// Runs the scripts on a server; checks the client's result against what the server executed.
    pub(crate) fn run(&self, servers: &mut ServerPool) -> Result<(), String> {
        let mut timeout = self.timeout;
        loop {
            let server = servers.0.remove(&self.spec.major);
            let server = server.unwrap_or_else(|| self.spec.server().allow_no_connection());
            let mut client = self.spec.client(&server.address()).with_timeout(LONG_TIMEOUT);
            if !self.spec.is_first {
                client.publish("before", &0).map_err(|error| format!("the call before fails: {error}"))?;
            }
            let baseline = Baseline {
                requests: server.requests().len(),
                connections: server.accepted_connections() - usize::from(!self.spec.is_first),
                executed: server.centrifugo().messages("news").len(),
            };
            self.scripts.iter().for_each(|script| server.add_script(script.clone()));
            let start = Instant::now();
            let mut client = client.with_timeout(timeout);
            let mut request = self.spec.request(&client, self.spec.commands());
            let result = self.send(&mut client, &mut request);
            server.wait_for_requests_or_close(baseline.requests + self.scripts.len(), baseline.connections);
            let outcome = Outcome::of(&result, &server.address());
            self.verify_account(&server, &baseline, &outcome)?;
            if let Err(failure) = self.verify(&server, &baseline, &outcome) {
                // On a busy machine a short timeout can expire in an earlier request than the one meant, a probe for
                // example. A real fault fails with the longest timeout, too. Remaining scripts are dropped with the server.
                if timeout >= LONG_TIMEOUT {
                    return Err(failure);
                }
                timeout *= 4;
                continue;
            }
            if self.expected.has_follow_up {
                let mut client = client.with_timeout(LONG_TIMEOUT);
                if outcome.is_retryable {
                    self.verify_retry(&server, &baseline, &mut client, &mut request)?;
                }
                self.verify_follow_up(&server, &baseline, &outcome, &mut client, start)?;
                servers.0.insert(self.spec.major, server);
            }
            return Ok(());
        }
    }

    /// As the client's own sending does, which halves a batch. It sends no unordered ones.
    fn send(&self, client: &mut Client, request: &mut HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        if self.spec.invalid.is_some() || self.expected.invalid.is_some() {
            client.send_commands(request.commands())
        } else {
            client.send_request(request)
        }
    }

    /// How many commands the server executed; an error unless they are the first ones, each of them once.
    fn count_executed(&self, server: &Server, baseline: &Baseline) -> Result<usize, String> {
        let executed = server.centrifugo().messages("news").split_off(baseline.executed);
        let is_executed = |data: &String| executed.iter().any(|executed| **executed == *data.as_bytes());
        let is_correct = if self.spec.is_unordered {
            self.spec.data().filter(is_executed).count() == executed.len()
        } else {
            let mut data = self.spec.data();
            executed.iter().all(|executed| data.next().is_some_and(|data| **executed == *data.as_bytes()))
        };
        if is_correct {
            Ok(executed.len())
        } else {
            Err(format!("{} executed, but not one after another", executed.len()))
        }
    }

    /// Checks the rules that hold for every case: what was answered was executed, the rest was executed only if the
    /// outcome is unknown, and what can be retried was not executed at all.
    fn verify_account(&self, server: &Server, baseline: &Baseline, outcome: &Outcome) -> Result<(), String> {
        let executed = self.count_executed(server, baseline)?;
        let is_correct = match outcome.kind {
            None => executed == self.spec.commands,
            Some(ErrorKind::OutcomeUnknown) if outcome.is_error => executed >= outcome.answered,
            Some(ErrorKind::OutcomeUnknown) => true,
            Some(_) if outcome.is_error => executed == outcome.answered,
            Some(_) => executed == 0,
        };
        let is_retry_safe = !outcome.is_retryable || executed == 0;
        if is_correct && is_retry_safe {
            return Ok(());
        }
        Err(format!("wrong outcome: {:?} {:?}, {executed} executed", outcome.kind, outcome.message))
    }

    fn verify(&self, server: &Server, baseline: &Baseline, outcome: &Outcome) -> Result<(), String> {
        let Outcome { kind, message, answered, .. } = outcome;
        let (expected, requests) = (&self.expected, server.requests().len() - baseline.requests);
        let executed = self.count_executed(server, baseline)?;
        let found = format!("{kind:?} {message:?}, {requests} requests, {executed} executed, {answered} answered");
        let has_message = expected.messages.is_empty()
            || kind.is_none()
            || expected.messages.iter().any(|expected| message.contains(expected));
        let has_check_hint = *kind != Some(ErrorKind::OutcomeUnknown)
            || message.contains("may have been executed: check before retrying");
        let has_address = kind.is_none() || message.starts_with(&server.address()) && !message.contains('\n');
        let is_executed = expected.is_executed(self.spec.commands, executed);
        let is_answered = !outcome.is_error || *answered == expected.answered && outcome.invalid == expected.invalid;
        let is_retryable =
            outcome.is_retryable == (*kind == Some(ErrorKind::SafeToRetry) && *answered == 0 && !expected.is_lasting);
        // A request that depends on which of two packets is faster may be lost on its way.
        let is_sent = requests == self.scripts.len()
            || expected.executed == Executed::AllOrNone && (1..self.scripts.len()).contains(&requests);
        let is_expected = expected.outcomes.contains(kind) && is_executed && is_answered && is_retryable && is_sent;
        if is_expected && has_message && has_check_hint && has_address {
            Ok(())
        } else {
            Err(format!("{found}; expected {} requests, {expected:?}", self.scripts.len()))
        }
    }

    /// A retry executes each command once.
    fn verify_retry(
        &self,
        server: &Server,
        baseline: &Baseline,
        client: &mut Client,
        request: &mut HttpRequest<'_>,
    ) -> Result<(), String> {
        let result = self.send(client, request);
        let executed = self.count_executed(server, baseline)?;
        let is_success = kind(&result) == self.spec.invalid.map(|_| ErrorKind::Rejected);
        if is_success && executed == self.spec.invalid.unwrap_or(self.spec.commands) {
            Ok(())
        } else {
            Err(format!("after a retry: {:?}, {executed} executed", message(&result, "")))
        }
    }

    /// After any fault, the next call of the same client works, exactly once.
    fn verify_follow_up(
        &self,
        server: &Server,
        baseline: &Baseline,
        outcome: &Outcome,
        client: &mut Client,
        start: Instant,
    ) -> Result<(), String> {
        let executed = |channel| server.centrifugo().messages(channel).len();
        let (news, others, requests) = (executed("news"), executed("after"), server.requests().len());
        client.publish("after", &0).map_err(|error| format!("the next call fails: {error}"))?;
        let requests = server.requests().len() - requests;
        let connections = server.accepted_connections() - baseline.connections;
        // Unless a request succeeded, the client does not know yet which form of the API the server has.
        let is_sent_twice = self.spec.falls_back() && outcome.is_error;
        let expected = 1 + usize::from(is_sent_twice);
        let is_expected = outcome.is_retryable || requests == expected;
        // On a busy machine a connection can get too old to be used again.
        let is_slow = start.elapsed() >= MAX_IDLE;
        let is_count = |expected| connections == expected || is_slow && connections > expected;
        let is_expected = is_expected && self.expected.connections.is_none_or(is_count);
        if executed("after") == others + 1 && executed("news") == news && is_expected {
            Ok(())
        } else {
            Err(format!(
                "after the next call: {requests} requests, expected {expected}; {connections} connections, expected \
                 {:?}; {news} executed",
                self.expected.connections
            ))
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
