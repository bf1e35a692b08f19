//! The cases: where the server stops, how, and what it sends instead.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use cent::ErrorKind;

use crate::case::{
    Case, Executed, Expected, LONG_TIMEOUT, RequestSpec, SHORT_TIMEOUT, no_fault, not_accepted, rejected, success,
    success_or_unknown, unknown,
};
use crate::server::{ApiForm, GARBAGE, Response, Script, Step, reject};

mod fallback;
pub(crate) mod faults;
mod invalid_batch;
mod probe;
mod transport_errors;

/// After which bytes the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// After every byte of every request.
    EveryByte,
    /// After every byte of one of the six requests in turn.
    Rotating,
}

pub(crate) fn all(coverage: Coverage) -> Vec<Case> {
    let mut cases = Scenarios { coverage, cases: Vec::new() };
    for spec in RequestSpec::all() {
        let exchange = Exchange::capture(spec);
        cases.fail_during_request(&exchange);
        cases.fail_during_response(&exchange);
        cases.http_statuses(&exchange);
        cases.interim_responses(&exchange);
        cases.content_lengths(&exchange);
        cases.chunks(&exchange);
        cases.unusual_headers(&exchange);
        cases.unusual_bodies(&exchange);
        cases.slow_responses(&exchange);
        if spec.commands == 1 {
            cases.too_long_responses(&exchange);
        }
        cases.large_requests(spec);
    }
    // In version 2 every reply ends with a newline.
    cases.fail_during_response(&Exchange::capture(RequestSpec::new(2, 3)));
    // Once the client knows which form of the API the server has, a status means something else.
    for spec in RequestSpec::all().filter(|spec| spec.form() != ApiForm::V1) {
        cases.http_statuses(&Exchange::capture(RequestSpec { is_first: false, ..spec }));
    }
    cases.transport_errors();
    cases.missing_form();
    cases.replaced_servers();
    cases.probes();
    cases.invalid_batches();
    cases.cases
}

/// A request and its response as sent over the connection.
struct Exchange {
    spec: RequestSpec,
    request_len: usize,
    response: Vec<u8>,
}

/// The last request of a conversation on a new server, which has this script for each request; and its response.
fn capture_last(spec: RequestSpec, scripts: Vec<Script>) -> (Vec<u8>, Vec<u8>) {
    let server = spec.server();
    for script in scripts {
        server.add_script(script);
    }
    // Whatever the outcome is.
    let _ = spec.client(&server.address()).send_commands(&spec.commands());
    let request = server.requests().last().expect("there is a request").raw.clone();
    // A second server of the same version sends the same bytes.
    let server = spec.server();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
    stream.write_all(&request).expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("the connection is open");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("the server responds");
    (request, response)
}

impl Exchange {
    /// Records one exchange without a fault.
    fn capture(spec: RequestSpec) -> Self {
        let (request, response) = capture_last(spec, Vec::new());
        Self { spec, request_len: request.len(), response }
    }

    fn body(&self) -> &[u8] {
        let head = self.response.windows(4).position(|window| window == b"\r\n\r\n").expect("the headers are complete");
        &self.response[head + 4..]
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.body()).expect("it is UTF-8")
    }

    /// The same response in chunks of at most `size` bytes.
    fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in self.body().chunks(size) {
            bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    /// The same response, ended by closing the connection.
    fn open_ended(&self) -> Vec<u8> {
        [b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n", self.body()].concat()
    }
}

/// Executes the request and sends these bytes.
fn send(bytes: impl Into<Vec<u8>>) -> Script {
    vec![Step::Execute, Step::Send(bytes.into())]
}

/// Executes the request, sends these bytes and ends the connection with this step.
fn send_and(bytes: impl Into<Vec<u8>>, end: Step) -> Script {
    vec![Step::Execute, Step::Send(bytes.into()), end]
}

/// The outcome of a status with a body that is neither HTML nor JSON, and what the server does with the requests that
/// follow from it. A server that rejects a request may be about to close the connection, so the next one uses a new one,
/// except after a 404.
fn status_outcome(status: u16, body: &str, spec: RequestSpec) -> (Expected, Vec<Script>) {
    let expected = match (status, spec.form(), spec.commands) {
        // A page of a proxy proves nothing.
        (403..=405, form, commands) => {
            // Until the form is known, the client asks whether the server responds at this path, and at another one.
            let questions = match form {
                _ if !spec.is_first => 0,
                ApiForm::V1 => 1,
                ApiForm::Legacy => {
                    if commands == 1 {
                        2
                    } else {
                        1
                    }
                }
                ApiForm::Current => 2,
            };
            // The responses to them end the connection, except for the 404 that an older server sends to one of them.
            let ended = if form == ApiForm::Legacy { questions.min(1) } else { questions };
            let connections = 1 + ended + usize::from(status != 404);
            let expected = unknown(&["may have been executed"]).on_connections(connections);
            let expected = if questions == 0 { expected } else { expected.not_executed() };
            return (expected, vec![no_fault(); questions]);
        }
        // Until a server has answered, the client asks whether the path is redirected; the response ends the connection.
        (300..400, ..) => {
            let questions = usize::from(spec.is_first);
            let expected =
                unknown(&["without a Location header; this is a page of a proxy"]).on_connections(2 + questions);
            let expected = if questions == 0 { expected } else { expected.not_executed() };
            return (expected, vec![no_fault(); questions]);
        }
        // The client asks for Centrifugo 1, and then which command is invalid: the last one, where no other is.
        (400, ApiForm::Current, commands) => {
            let requests = usize::from(spec.is_first) + commands - 1;
            let connections = 2 + usize::from(spec.is_first);
            let expected = rejected(&["; "]).on_connections(connections);
            let expected = if commands == 1 { expected } else { expected.invalid(commands - 1) };
            return (expected, vec![no_fault(); requests]);
        }
        (408 | 425 | 429, ..) => not_accepted(&["nothing was accepted: try again later"]),
        (503, ..) if body.is_empty() => not_accepted(&["nothing was accepted: try again later"]),
        (400, _, 2..) => unknown(&["some commands may have been executed"]),
        (400..500, ..) => rejected(&["; "]),
        _ => unknown(&["may have been executed"]),
    };
    (expected.on_connections(2), vec![])
}

/// Replies that say nothing of the command: in the current form, also those without a result.
fn unrecognized_replies(spec: RequestSpec) -> Vec<&'static str> {
    let mut replies = vec![r#"{"message":"hello"}"#, r#"{"error":1}"#, r#"{"error":{"code":"timeout"}}"#];
    if spec.form() == ApiForm::Current {
        replies.push(r#"{"error":null}"#);
        if spec.commands > 1 {
            replies.extend([r#"{"result":null}"#, r#"{"result":5}"#, r#"{"result":"x"}"#]);
        }
    }
    replies
}

/// A 200 with this Content-Length, whatever the size of the body.
fn with_length(length: impl std::fmt::Display, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes(), body].concat()
}

/// A 200 with additional headers.
fn with_headers(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

const SOME: &[&str] = &["may have been executed"];
const CLOSED: &[&str] = &["connection closed before the response was complete"];
const RESET: &[&str] =
    &["connection lost: connection reset by peer", "connection closed before the response was complete"];
const TIMED_OUT: &[&str] = &["timed out after 0.", "timed out after 3.84 s waiting for a response"];
/// A loss before any response on a connection that was used before makes the client use none again, not even for the two
/// requests of the next call.
fn connections_after_loss(spec: RequestSpec) -> usize {
    2 + usize::from(spec.falls_back())
}

const INVALID_HTTP: &[&str] = &["invalid HTTP response"];
const CORRUPT: &[&str] = &[
    "invalid HTTP response",
    "invalid chunk",
    "invalid JSON in the response",
    "connection closed before the response was complete",
];
const TRUNCATED: &[&str] =
    &["truncated response", "empty response", "expected 1 reply, got 0", "expected 3 replies, got 0"];
/// The start of a response: cut inside a reply or between replies.
const SHORTENED: &[&str] =
    &["truncated response", "empty response", "expected 1 reply, got", "expected 3 replies, got"];
const COMPRESSED: &[&str] = &["response is compressed (gzip)"];
const INVALID_JSON: &[&str] = &["invalid JSON in the response"];
const NOT_REPLIES: &[&str] =
    &["unexpected JSON in the response: not a list of replies", "invalid JSON in the response"];
const UNRECOGNIZED: &[&str] = &[
    "unrecognized reply",
    "expected 3 replies, got 1",
    "unexpected JSON in the response: not a list of replies",
    "invalid JSON in the response",
];
const WRONG_NUMBER: &[&str] = &[
    "expected 1 reply, got",
    "expected 2 replies, got",
    "expected 3 replies, got",
    "empty response",
    "unexpected JSON in the response: not a list of replies",
];
const EARLY: &[&str] = &["response received before the request was fully sent"];

/// Go's server reads at most this much of a rejected request to keep the connection.
const MAX_KEPT_BYTES: usize = 256 * 1024;

/// More than the socket buffers hold if nobody reads: 5 MB on Linux.
const LARGE_BYTES: usize = 8_000_000;

struct Scenarios {
    coverage: Coverage,
    cases: Vec<Case>,
}

impl Scenarios {
    fn add(&mut self, name: impl std::fmt::Display, spec: RequestSpec, script: Script, expected: Expected) {
        self.add_with_timeout(LONG_TIMEOUT, name, spec, script, expected);
    }

    fn add_with_timeout(
        &mut self,
        timeout: Duration,
        name: impl std::fmt::Display,
        spec: RequestSpec,
        script: Script,
        expected: Expected,
    ) {
        self.add_after_fallback(timeout, name, spec, vec![script], expected);
    }

    /// The faults are in the first request that the server does not reject because of its form, and in those that follow
    /// from its response.
    fn add_after_fallback(
        &mut self,
        timeout: Duration,
        name: impl std::fmt::Display,
        spec: RequestSpec,
        mut scripts: Vec<Script>,
        mut expected: Expected,
    ) {
        if spec.falls_back() {
            scripts.insert(0, no_fault());
            // The server closes the connection of a large request.
            let closed = usize::from(spec.padding_bytes > MAX_KEPT_BYTES);
            expected.connections = expected.connections.map(|count| count + closed);
        }
        self.add_conversation(timeout, name, spec, scripts, expected);
    }

    /// The faults of each request that the client sends.
    fn add_conversation(
        &mut self,
        timeout: Duration,
        name: impl std::fmt::Display,
        spec: RequestSpec,
        scripts: Vec<Script>,
        expected: Expected,
    ) {
        let RequestSpec { major, commands, is_first, .. } = spec;
        let known = if is_first { "" } else { ", known form" };
        let name = format!("{name} (version {major}, {commands} commands{known})");
        self.cases.push(Case { name, spec, scripts, timeout, expected });
    }

    /// Whether to try the fault with this number on this request: a sample takes each fault for one of the six requests.
    fn is_selected(&self, spec: RequestSpec, number: usize) -> bool {
        let form = match spec.form() {
            ApiForm::V1 => 0,
            ApiForm::Legacy => 1,
            ApiForm::Current => 2,
        };
        self.coverage == Coverage::EveryByte || number % 6 == form * 2 + usize::from(spec.commands > 1)
    }

    /// The positions to stop at in a text of this length; the last few are always included.
    fn stop_positions(&self, spec: RequestSpec, length: usize) -> Vec<usize> {
        (0..=length).filter(|&at| self.is_selected(spec, at) || length - at < 4).collect()
    }

    fn fail_during_request(&mut self, exchange: &Exchange) {
        let spec = exchange.spec;
        for bytes in self.stop_positions(spec, exchange.request_len) {
            let stop = |end: Step| vec![Step::Read(bytes), end];
            let name = |end: &str| format!("{end} after {bytes} bytes of the request");
            let lost = |message| unknown(message).not_executed().on_connections(connections_after_loss(spec));
            self.add(name("closed"), spec, stop(Step::Close), lost(CLOSED));
            self.add(name("reset"), spec, stop(Step::Reset), lost(RESET));
            let silent = unknown(TIMED_OUT).not_executed().on_connections(2);
            self.add_with_timeout(SHORT_TIMEOUT, name("silent"), spec, stop(Step::Hang), silent);
            let garbled = vec![Step::Read(bytes), Step::Send(GARBAGE.to_vec()), Step::Close];
            self.add(name("garbage"), spec, garbled, unknown(INVALID_HTTP).not_executed().on_connections(2));
        }
        let mut script: Script = (0..=exchange.request_len).map(Step::Read).collect();
        script.extend([Step::Execute, Step::SendRest]);
        self.add("a request read byte by byte", spec, script, success().on_connections(1));
    }

    fn fail_during_response(&mut self, exchange: &Exchange) {
        let chunked = exchange.chunked(exchange.body().len() / 2 + 1);
        let open_ended = exchange.open_ended();
        // From which byte on the response is complete if the connection closes, and if it stays open. The last newline
        // of a chunked response and of the last reply of version 2 carries no information.
        let line_end = usize::from(exchange.body().ends_with(b"\n"));
        self.fail_after("", exchange.spec, &exchange.response, exchange.response.len(), exchange.response.len());
        self.fail_after(" in chunks", exchange.spec, &chunked, chunked.len() - 2, chunked.len());
        self.fail_after(" without a length", exchange.spec, &open_ended, open_ended.len() - line_end, usize::MAX);
    }

    fn fail_after(
        &mut self,
        kind: &str,
        spec: RequestSpec,
        response: &[u8],
        complete_if_closed: usize,
        complete_if_open: usize,
    ) {
        let body = response.windows(4).position(|window| window == b"\r\n\r\n").expect("the headers are complete") + 4;
        for bytes in self.stop_positions(spec, response.len()) {
            let (sent, is_last) = (&response[..bytes], bytes == response.len());
            let name = |end: &str| format!("{end} after {bytes} bytes of a response{kind}");
            let cut = || match (bytes >= complete_if_closed, complete_if_open == usize::MAX && bytes >= body) {
                // The last newline carries no information.
                (true, _) => if is_last || complete_if_open == usize::MAX { success() } else { success_or_unknown() }
                    .on_connections(2),
                (false, false) if bytes == 0 => unknown(RESET).on_connections(connections_after_loss(spec)),
                (false, false) => unknown(RESET).on_connections(2),
                // The first of several replies may be complete.
                (false, true) => unknown(if spec.commands > 1 { SHORTENED } else { TRUNCATED }).on_connections(2),
            };
            let closed = Expected { messages: if cut().messages == RESET { CLOSED } else { cut().messages }, ..cut() };
            if complete_if_open == usize::MAX && bytes == body {
                // It ends as an empty response does.
                self.add_empty(&name("closed"), spec, send_and(sent, Step::Close), 2);
                self.add_empty(&name("reset"), spec, send_and(sent, Step::Reset), 2);
            } else {
                self.add(name("closed"), spec, send_and(sent, Step::Close), closed.clone());
                self.add(name("reset"), spec, send_and(sent, Step::Reset), cut());
            }
            // Each of these takes many packets.
            if complete_if_open != usize::MAX && bytes >= body && (bytes % 16 == 0 || response.len() - bytes < 8) {
                let mut bytewise = vec![Step::Execute, Step::Send(sent[..body].to_vec())];
                bytewise.extend(sent[body..].iter().map(|&byte| Step::Send(vec![byte])));
                bytewise.push(Step::Close);
                self.add(name("byte by byte, closed"), spec, bytewise, closed);
            }
            if bytes >= complete_if_open {
                self.add(name("silent"), spec, send_and(sent, Step::Hang), success().connection_hangs());
            } else {
                self.add_with_timeout(
                    SHORT_TIMEOUT,
                    name("silent"),
                    spec,
                    send_and(sent, Step::Hang),
                    unknown(TIMED_OUT).on_connections(2),
                );
            }
            let garbled = match (
                is_last && complete_if_open != usize::MAX,
                bytes >= complete_if_closed && complete_if_open != usize::MAX,
            ) {
                (true, _) => success().on_connections(2),
                (false, true) => success_or_unknown().on_connections(2),
                (false, false) => unknown(CORRUPT).on_connections(2),
            };
            let script = vec![Step::Execute, Step::Send(sent.to_vec()), Step::Send(GARBAGE.to_vec()), Step::Close];
            self.add(name("garbage"), spec, script, garbled);
        }
    }

    fn http_statuses(&mut self, exchange: &Exchange) {
        let spec = exchange.spec;
        let read = Step::Read(exchange.request_len);
        for status in 300..=599 {
            for body in ["", "no\n"] {
                let means_something = matches!(status, 300..=308 | 400..=431 | 451 | 500..=511 | 599);
                // A 304 has no body: what follows its headers is the next response.
                if !body.is_empty() && (status == 304 || !means_something) {
                    continue;
                }
                if !means_something && !self.is_selected(spec, usize::from(status)) {
                    continue;
                }
                let (expected, rest) = status_outcome(status, body, spec);
                let number = status.to_string();
                assert!(status == 413 || expected.messages.len() == 1 || expected.outcomes == [None], "{number}");
                let response = Response::new(status).body(body);
                let is_executed = expected.executed == Executed::All && rest.is_empty();
                let first = if is_executed { Step::Execute } else { read.clone() };
                let is_last = rest.is_empty();
                let mut scripts = vec![vec![first, Step::respond(&response)]];
                scripts.extend(rest);
                let name = format!("status {status}, {} bytes of body", body.len());
                self.add_after_fallback(LONG_TIMEOUT, name, spec, scripts.clone(), expected.clone());
                if let [Some(ErrorKind::OutcomeUnknown)] = expected.outcomes
                    && expected.executed == Executed::First(0)
                {
                    let mut scripts = scripts;
                    scripts[0][0] = Step::Execute;
                    let expected = expected.clone().executed(Executed::All);
                    let name = format!("status {status}, executed, {body:?}");
                    self.add_after_fallback(LONG_TIMEOUT, name, spec, scripts, expected);
                }
                if expected.outcomes == [Some(ErrorKind::OutcomeUnknown)] && means_something && is_last {
                    let script = vec![read.clone(), Step::respond(&response)];
                    let expected = expected.not_executed();
                    self.add(format!("status {status}, nothing executed, {body:?}"), spec, script, expected);
                }
            }
        }
        for status in [201, 202, 203, 206, 226, 299, 600, 999] {
            let response = Response::new(status).body(exchange.body());
            self.add(
                format!("status {status}"),
                spec,
                send(response.to_bytes()),
                unknown(&["may have been executed"]).on_connections(2),
            );
        }
        for status in [204, 205] {
            let script = send_and(Response::new(status).to_bytes(), Step::Close);
            self.add(format!("status {status}"), spec, script, unknown(&["may have been executed"]));
        }
        for location in ["https://elsewhere/api/?token=x", "/login", ""] {
            let response = Response::new(302).header("Location", location);
            let name = format!("redirected to {location:?}");
            let script = vec![read.clone(), Step::respond(&response)];
            let message: &[&str] = &["redirected (302) to "];
            if spec.is_first {
                // The question, too.
                let scripts = vec![script, faults::decline(&response)];
                self.add_after_fallback(LONG_TIMEOUT, name, spec, scripts, rejected(message).on_connections(3));
            } else {
                self.add(name, spec, script, unknown(message).not_executed().on_connections(2));
            }
        }
    }

    /// Interim responses before the final one.
    fn interim_responses(&mut self, exchange: &Exchange) {
        let spec = exchange.spec;
        for (name, interim_responses) in [
            ("100", "HTTP/1.1 100 Continue\r\n\r\n"),
            ("102", "HTTP/1.1 102 Processing\r\n\r\n"),
            ("103", "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"),
            ("100, 102 and 103", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nA: b\r\n\r\n"),
        ] {
            let bytes = interim_responses.as_bytes().to_vec();
            let early = vec![Step::Send(bytes.clone()), Step::Execute, Step::SendRest];
            self.add(format!("{name} before the request is read"), spec, early, success().on_connections(1));
            let late = vec![Step::Execute, Step::Send(bytes.clone()), Step::SendRest];
            self.add(format!("{name} after execution"), spec, late, success().on_connections(1));
            let joined = [&bytes, exchange.response.as_slice()].concat();
            self.add(
                format!("{name} in one packet with the response"),
                spec,
                send(joined),
                success().on_connections(1),
            );
            let stopped = send_and(bytes.clone(), Step::Close);
            self.add(format!("{name}, then closed"), spec, stopped, unknown(CLOSED).on_connections(2));
            let silent = send_and(bytes, Step::Hang);
            self.add_with_timeout(
                SHORT_TIMEOUT,
                format!("{name} and silence"),
                spec,
                silent,
                unknown(TIMED_OUT).on_connections(2),
            );
        }
        // Rare; the HTTP library rejects it.
        let dated = [b"HTTP/1.1 100 Continue\r\nDate: x\r\n\r\n", exchange.response.as_slice()].concat();
        self.add("100 with a header", spec, send(dated), success_or_unknown());
        let endless = Step::SendRepeated(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100), 100);
        self.add(
            "10,000 times 100",
            spec,
            vec![Step::Execute, endless, Step::Close],
            unknown(CLOSED).on_connections(2),
        );
        let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
        self.add("101", spec, send_and(switched, Step::Close), unknown(&["may have been executed"]));
    }

    fn content_lengths(&mut self, exchange: &Exchange) {
        let (spec, body) = (exchange.spec, exchange.body());
        for missing in 1..body.len() {
            let length = body.len() - missing;
            let expected = unknown(SHORTENED).on_connections(2);
            let script = send_and(with_length(length, body), Step::Close);
            self.add(format!("a length that is {missing} too small"), spec, script, expected);
        }
        for more in [1, 2, 100, 1 << 30] {
            let bytes = with_length(body.len() + more, body);
            let script = send_and(bytes.clone(), Step::Close);
            self.add(
                format!("a length that is {more} too large, closed"),
                spec,
                script,
                unknown(CLOSED).on_connections(2),
            );
            let script = send_and(bytes, Step::Hang);
            self.add_with_timeout(
                SHORT_TIMEOUT,
                format!("a length that is {more} too large"),
                spec,
                script,
                unknown(TIMED_OUT).on_connections(2),
            );
        }
        for length in ["-1", "x", "", "1e3", "99999999999999999999999", "+5", "5, 5"] {
            let script = send_and(with_length(length, body), Step::Close);
            self.add(format!("the length {length:?}"), spec, script, success_or_unknown());
        }
        let twice = with_headers("Content-Length: 3\r\n", body);
        self.add("two Content-Length headers", spec, send_and(twice, Step::Close), success_or_unknown());
        let both = with_headers("Transfer-Encoding: chunked\r\n", body);
        self.add("a length and chunked encoding", spec, send_and(both, Step::Close), success_or_unknown());
        let closing = with_headers("Connection: close\r\n", b"");
        self.add_empty("an empty response", spec, send_and(closing, Step::Close), 2);
        for (name, extra) in [
            ("the response twice", exchange.response.as_slice()),
            ("the response and one byte", b"H"),
            ("the response and an empty line", b"\r\n"),
        ] {
            let joined = [exchange.response.as_slice(), extra].concat();
            self.add(name, spec, send(joined), success().on_connections(2));
        }
        let mut late = send(exchange.response.as_slice());
        late.extend([Step::respond(&Response::new(408)), Step::Close]);
        self.add("a 408 after the response", spec, late, success().on_connections(2));
    }

    /// A response without a body may be that of a proxy which does not pass the path: the client asks, until it knows the
    /// form, and the responses to its questions end the connections.
    fn add_empty(&mut self, name: &str, spec: RequestSpec, script: Script, connections: usize) {
        let questions = if spec.form() == ApiForm::Current { 2 } else { 0 };
        let scripts = [vec![script], vec![no_fault(); questions]].concat();
        let expected = unknown(TRUNCATED).on_connections(connections + questions);
        self.add_after_fallback(LONG_TIMEOUT, name, spec, scripts, expected);
    }

    fn chunks(&mut self, exchange: &Exchange) {
        let (spec, body) = (exchange.spec, exchange.body());
        for size in [1, 2, 7, 1000] {
            self.add(format!("chunks of {size}"), spec, send(exchange.chunked(size)), success().on_connections(1));
        }
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let framed = |size: &str, end: &str| {
            send_and([head, format!("{size}\r\n").as_bytes(), body, end.as_bytes()].concat(), Step::Close)
        };
        let size = format!("{:x}", body.len());
        self.add(
            "an extension of a chunk",
            spec,
            framed(&format!("{size};a=b"), "\r\n0\r\n\r\n"),
            success_or_unknown(),
        );
        self.add("a trailer after the chunks", spec, framed(&size, "\r\n0\r\nA: b\r\n\r\n"), success_or_unknown());
        self.add("a chunk size in upper case", spec, framed(&size.to_uppercase(), "\r\n0\r\n\r\n"), success());
        for (name, size, end) in [
            ("a chunk without a size", "", "\r\n0\r\n\r\n"),
            ("a chunk of size x", "x", "\r\n0\r\n\r\n"),
            ("a chunk of negative size", "-5", "\r\n0\r\n\r\n"),
            ("a chunk size that overflows", "fffffffffffffffffffff", "\r\n0\r\n\r\n"),
            ("a chunk size that is too large", "7fffffff", "\r\n0\r\n\r\n"),
            ("a chunk size that is too small", "3", "\r\n0\r\n\r\n"),
            ("a chunk without a newline", size.as_str(), "0\r\n\r\n"),
            ("chunks without the last one", size.as_str(), "\r\n"),
        ] {
            self.add(name, spec, framed(size, end), unknown(CORRUPT).on_connections(2));
        }
    }

    fn unusual_headers(&mut self, exchange: &Exchange) {
        let (spec, body) = (exchange.spec, exchange.body());
        for (name, expected, headers) in [
            ("a wrong Content-Encoding", success().on_connections(1), "Content-Encoding: gzip\r\n".to_owned()),
            ("Connection: close", success().on_connections(2), "Connection: close\r\n".to_owned()),
            ("a header of 10 KB", success().on_connections(1), format!("X: {}\r\n", "a".repeat(10_000))),
            ("60 headers", success().on_connections(1), "X: a\r\n".repeat(60)),
            ("a header of 100 KB", success().on_connections(1), format!("X: {}\r\n", "a".repeat(100_000))),
            ("a non-ASCII header", success().on_connections(1), "X: caf\u{e9} \u{2028}\r\n".to_owned()),
        ] {
            self.add(name, spec, send(with_headers(&headers, body)), expected);
        }
        let long = &[
            "response headers larger than 256 KB",
            "more than 128 headers",
            "invalid HTTP response",
            "empty response",
        ];
        for (name, headers) in [
            ("a header of 300 KB", format!("X: {}\r\n", "a".repeat(300_000))),
            ("10,000 headers", "X: a\r\n".repeat(10_000)),
        ] {
            self.add(name, spec, send_and(with_headers(&headers, body), Step::Close), unknown(long).on_connections(2));
        }
        for (name, start) in [("a status line", "HTTP/1.1 200 "), ("a header", "HTTP/1.1 200 OK\r\nX: ")] {
            let endless = Step::SendRepeated(vec![b'a'; 10_000], 1000);
            let script = vec![Step::Execute, Step::Send(start.into()), endless, Step::Close];
            self.add(format!("{name} without an end"), spec, script, unknown(long).on_connections(2));
        }
        for (name, start) in [
            ("HTTP/0.9", ""),
            ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"),
            ("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"),
            ("no status", "HTTP/1.1 OK\r\n\r\n"),
            ("HTTP/3.0", "HTTP/3.0 200 OK\r\n\r\n"),
            ("another protocol", "220 mail.example.org ESMTP\r\n"),
            ("SSH", "SSH-2.0-OpenSSH_9.2\r\n"),
            ("a header without a colon", "HTTP/1.1 200 OK\r\nabc\r\n\r\n"),
            ("a header without a name", "HTTP/1.1 200 OK\r\n: abc\r\n\r\n"),
            ("NUL in a header", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
        ] {
            let script = send_and([start.as_bytes(), body].concat(), Step::Close);
            self.add(name, spec, script, unknown(INVALID_HTTP).on_connections(2));
        }
        // A server that speaks another protocol cannot have read the request.
        for (name, start, message) in [
            ("HTTP/2", "\0\0\u{c}\u{4}\0\0\0\0\0", &["accepts only HTTP/2"]),
            ("TLS", "\u{15}\u{3}\u{1}\0\u{2}\u{2}F", &["requires TLS"]),
        ] {
            let script = vec![Step::ReadAll, Step::Send(start.into()), Step::Close];
            let expected = Expected { is_lasting: true, ..not_accepted(message) };
            self.add(name, spec, script, expected.on_connections(2));
        }
    }

    /// Complete 200 responses that are not replies, or not the replies to these commands.
    fn unusual_bodies(&mut self, exchange: &Exchange) {
        let (spec, text) = (exchange.spec, exchange.text());
        let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x8b\xae\xad\x05\x00";
        let response = |body: &[u8]| with_headers("", body);
        self.add("gzip without Content-Encoding", spec, send(response(gzip)), unknown(COMPRESSED).on_connections(1));
        let zipped = with_headers("Content-Encoding: gzip\r\n", gzip);
        self.add("gzip with Content-Encoding", spec, send(zipped), unknown(COMPRESSED).on_connections(1));
        for body in ["null", "1", "\"x\"", "true", "[1]", "[[]]", "[null]"] {
            let script = send(response(body.as_bytes()));
            self.add(format!("the body {body}"), spec, script, unknown(NOT_REPLIES).on_connections(1));
        }
        // Unrecognized replies; for several commands one reply is also too few, or no batch.
        for reply in unrecognized_replies(spec) {
            let mut bodies = vec![reply.to_owned(), spec.form().batch_response_body(&[reply])];
            bodies.dedup();
            for body in bodies {
                let script = send(response(body.as_bytes()));
                self.add(format!("the body {body}"), spec, script, unknown(UNRECOGNIZED).on_connections(1));
            }
        }
        for (name, body, messages) in [
            ("HTML", "<html><body>It works!</body></html>", "HTML or XML"),
            ("XML", "<?xml version=\"1.0\"?><a/>", "HTML or XML"),
            ("NaN", "[NaN]", "invalid JSON in the response"),
            ("a byte order mark", "\u{feff}[{}]", "invalid JSON in the response"),
        ] {
            let messages: &'static [&'static str] = Box::leak(Box::new([messages]));
            self.add(
                format!("{name} as the body"),
                spec,
                send(response(body.as_bytes())),
                unknown(messages).on_connections(1),
            );
        }
        self.add_empty("a blank body", spec, send(response(b" \n ")), 1);
        let reply = match spec.form() {
            ApiForm::V1 => r#"{"method":"publish","error":null,"body":null}"#,
            ApiForm::Legacy => "{}",
            ApiForm::Current => r#"{"result":{}}"#,
        };
        let wrong_number = match (spec.form(), spec.commands) {
            (ApiForm::Current, 1) => UNRECOGNIZED,
            _ => WRONG_NUMBER,
        };
        for times in [0, 1, 2, 3, 4, 100] {
            let expected = if times == spec.commands { success() } else { unknown(wrong_number) };
            // One reply of the current form is not a batch.
            let form = spec.form();
            let replies =
                if spec.commands == 1 { form.replies(reply, times) } else { form.batch_replies(reply, times) };
            if replies.body.is_empty() {
                self.add_empty("0 replies", spec, send(replies.to_bytes()), 1);
                continue;
            }
            self.add(format!("{times} replies"), spec, send(replies.to_bytes()), expected.on_connections(1));
        }
        let other_form = match spec.form() {
            ApiForm::V1 => format!("{{\"replies\":{text}}}"),
            ApiForm::Legacy | ApiForm::Current => format!("[{}]", text.replace('\n', ",")),
        };
        self.add(
            "the other form of the API",
            spec,
            send(response(other_form.as_bytes())),
            unknown(NOT_REPLIES).on_connections(1),
        );
        let spaced = format!(" \r\n\t{} \n\n", text.replace(',', " , ").replace('\n', " \r\n "));
        self.add("white space between tokens", spec, send(response(spaced.as_bytes())), success().on_connections(1));
        let trailing = format!("{text}x");
        self.add(
            "something behind the replies",
            spec,
            send(response(trailing.as_bytes())),
            unknown(INVALID_JSON).on_connections(1),
        );
        let unusual = [b"\xff\xfe", "\u{2028}\u{1f600}".as_bytes()].concat();
        let (start, end) = match (spec.form(), spec.commands) {
            (ApiForm::V1 | ApiForm::Legacy, _) => (r#"{"error":null,"body":""#, r#""}"#),
            (ApiForm::Current, 1) => (r#"{"result":{"body":""#, r#""}}"#),
            (ApiForm::Current, _) => (r#"{"publish":{"body":""#, r#""}}"#),
        };
        let unusual =
            spec.form().replies("REPLY", spec.commands).body.split(|&byte| byte == b'R').map(<[u8]>::to_vec).fold(
                Vec::new(),
                |mut bytes: Vec<u8>, part| {
                    if let Some(rest) = part.strip_prefix(b"EPLY") {
                        bytes.extend([start.as_bytes(), unusual.as_slice(), end.as_bytes(), rest].concat());
                    } else {
                        bytes.extend(part);
                    }
                    bytes
                },
            );
        self.add("invalid UTF-8", spec, send(response(&unusual)), success().on_connections(1));
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        let expected = unknown(NOT_REPLIES);
        self.add("deep nesting", spec, send(response(&deep)), expected.on_connections(1));
    }

    /// Responses that arrive slowly.
    fn slow_responses(&mut self, exchange: &Exchange) {
        let spec = exchange.spec;
        let drip = Duration::from_millis(20);
        self.add(
            "drop by drop",
            spec,
            vec![Step::Execute, Step::SendSlowly(Duration::ZERO)],
            success().on_connections(1),
        );
        let script = vec![Step::Execute, Step::SendSlowly(drip)];
        self.add_with_timeout(
            SHORT_TIMEOUT,
            "slower than the limit",
            spec,
            script,
            unknown(TIMED_OUT).on_connections(2),
        );
        let script = vec![Step::Execute, Step::SendRange(0, exchange.response.len() - 1), Step::SendRest];
        self.add("the last byte separately", spec, script, success().on_connections(1));
        let chunk = b"1\r\n \r\n".to_vec();
        let mut script = send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        script.extend((0..60).flat_map(|_| [Step::Send(chunk.clone()), Step::SendSlowly(drip)]));
        self.add("chunk by chunk", spec, script, unknown(&["invalid HTTP response", "timed out after"]));
    }

    fn too_long_responses(&mut self, exchange: &Exchange) {
        let spec = exchange.spec;
        let max_bytes = usize::try_from(cent::MAX_RESPONSE_BYTES).expect("the limit fits a usize");
        let too_long_responses = unknown(&["response larger than 64 MB"]).on_connections(2);
        let block = vec![b' '; 1 << 20];
        let headers = Step::Send(with_length(max_bytes + 1, b""));
        let script =
            vec![Step::Execute, headers, Step::SendRepeated(block.clone(), 64), Step::Send(b" ".to_vec()), Step::Close];
        self.add("a response one byte too long", spec, script, too_long_responses.clone());
        let open_ended = Step::Send(b"HTTP/1.0 200 OK\r\n\r\n".to_vec());
        let script = vec![Step::Execute, open_ended, Step::SendRepeated(block.clone(), 1000), Step::Close];
        self.add("an endless response", spec, script, too_long_responses.clone());
        let chunk = [b"100000\r\n", block.as_slice(), b"\r\n"].concat();
        let script = vec![
            Step::Execute,
            Step::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
            Step::SendRepeated(chunk, 1000),
            Step::Close,
        ];
        self.add("endless chunks", spec, script, too_long_responses);
        let body = exchange.body();
        let script = vec![
            Step::Execute,
            Step::Send(with_length(max_bytes, b"")),
            Step::SendRepeated(block[1..].to_vec(), 64),
            Step::Send(vec![b' '; 64 - body.len()]),
            Step::Send(body.to_vec()),
        ];
        self.add("a response of the maximum size", spec, script, success());
    }

    /// Requests larger than the socket buffers, and responses before the request is fully sent.
    fn large_requests(&mut self, spec: RequestSpec) {
        let spec = RequestSpec { padding_bytes: LARGE_BYTES / spec.commands, ..spec };
        let positions = if spec.commands == 1 { &[0, 1, 1000, 20_000, 100_000][..] } else { &[1000] };
        for (index, &bytes) in positions.iter().enumerate() {
            if index > 0 && !self.is_selected(spec, index) {
                continue;
            }
            let name = |end: &str| format!("{end} after {bytes} bytes of 8 MB");
            let lost = &["connection lost: ", "connection closed before the response was complete"];
            let stop = |end: Step| vec![Step::Read(bytes), end];
            self.add(name("closed"), spec, stop(Step::Close), unknown(lost).not_executed().on_connections(2));
            self.add(name("reset"), spec, stop(Step::Reset), unknown(lost).not_executed().on_connections(2));
            let silent = unknown(TIMED_OUT).not_executed().on_connections(2);
            self.add_with_timeout(Duration::from_millis(150), name("silent"), spec, stop(Step::Hang), silent);
            for (status, expected) in [
                (401, rejected(&["unauthorized (401)"])),
                (404, status_outcome(404, "", spec).0),
                (413, rejected(&["bytes is too large (413)"])),
                (301, status_outcome(301, "", spec).0),
                (503, not_accepted(&["nothing was accepted"])),
                (500, unknown(&["internal server error (500)"]).not_executed()),
                (200, unknown(EARLY).not_executed()),
            ] {
                let response = Response::new(status);
                let response =
                    if status == 200 { spec.form().replies("{\"error\":null}", spec.commands) } else { response };
                let is_questioned = matches!(status, 301 | 404);
                let rest = if is_questioned { status_outcome(status, "", spec).1 } else { vec![] };
                // This 404 ends its connection, as a 403 does.
                let like = if status == 404 { 403 } else { status };
                let connections = status_outcome(like, "", spec).0.connections.filter(|_| is_questioned);
                let expected = expected.on_connections(connections.unwrap_or(2));
                for (end, step) in [("closed", Step::Close), ("left open", Step::Hang)] {
                    let mut scripts = vec![vec![Step::Read(bytes), Step::respond(&response), step]];
                    scripts.extend(rest.clone());
                    let name = name(&format!("{status}, {end}"));
                    self.add_after_fallback(LONG_TIMEOUT, name, spec, scripts, expected.clone());
                }
            }
        }
        if spec.commands == 1 {
            let small = RequestSpec { padding_bytes: 500_000, ..spec };
            self.add("500 KB", small, vec![Step::Execute, Step::SendRest], success().on_connections(1));
            self.add(
                "401 at once",
                spec,
                reject(&Response::new(401)),
                rejected(&["unauthorized (401)"]).on_connections(2),
            );
        }
    }
}
