//! The cases: where the server stops, how, and what it says instead.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use cent::ErrorKind;

use crate::matrix::{Call, Case, Expected, LONG, SHORT, done, either, refused, turned_away, unknown};
use crate::server::{GARBAGE, Response, Script, Server, Step, refused as refused_early, replies};

/// How close the places lie where the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// After every byte, for every call.
    All,
    /// After every byte for one of the four calls, each in turn.
    Shared,
}

pub(crate) fn all(places: Places) -> Vec<Case> {
    let mut cases = Cases { places, cases: Vec::new() };
    for call in Call::all() {
        let exchange = Exchange::of(call);
        cases.stopped_in_request(&exchange);
        cases.stopped_in_answer(&exchange);
        cases.statuses(&exchange);
        cases.interim(&exchange);
        cases.lengths(&exchange);
        cases.chunks(&exchange);
        cases.other_heads(&exchange);
        cases.other_bodies(&exchange);
        cases.slow(&exchange);
        if call.commands == 1 {
            cases.too_long(&exchange);
        }
        cases.large_requests(call);
    }
    // Every reply ends with a line feed here.
    cases.stopped_in_answer(&Exchange::of(Call { major: 2, commands: 3, ballast: 0 }));
    cases.cases
}

/// A call as it goes over the wire.
struct Exchange {
    call: Call,
    request_len: usize,
    answer: Vec<u8>,
}

impl Exchange {
    /// Listens in.
    fn of(call: Call) -> Self {
        let server = Server::start(call.centrifugo());
        call.client(&server.address()).send_commands(&call.commands()).expect("nothing goes wrong");
        let request = server.requests().remove(0).raw.clone();
        // Another server of the same kind answers with the same bytes.
        let server = Server::start(call.centrifugo());
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
        stream.write_all(&request).expect("it reads");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        Self { call, request_len: request.len(), answer }
    }

    fn body(&self) -> &[u8] {
        let head = self.answer.windows(4).position(|window| window == b"\r\n\r\n").expect("there is a head");
        &self.answer[head + 4..]
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.body()).expect("it is text")
    }

    /// The same answer in chunks of at most so many bytes.
    fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in self.body().chunks(size) {
            bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    /// The same answer, ended by the end of the connection.
    fn open_ended(&self) -> Vec<u8> {
        [b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n", self.body()].concat()
    }
}

/// Runs the request and sends these bytes.
fn sends(bytes: impl Into<Vec<u8>>) -> Script {
    vec![Step::Execute, Step::Send(bytes.into())]
}

/// The same, and then ends the connection in this way.
fn sends_and(bytes: impl Into<Vec<u8>>, end: Step) -> Script {
    vec![Step::Execute, Step::Send(bytes.into()), end]
}

/// 200 with this length, whatever the body is.
fn of_length(length: impl std::fmt::Display, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes(), body].concat()
}

/// 200 with these headers too.
fn with_headers(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

const CLOSED: &[&str] = &["the connection was closed before the answer was whole"];
const RESET: &[&str] =
    &["the connection was lost: connection reset by peer", "the connection was closed before the answer was whole"];
const SILENT: &[&str] = &["no answer within 0.", "no answer within 3.84 s"];
const NO_HTTP: &[&str] = &["the answer is no proper HTTP"];
const GARBLED: &[&str] = &[
    "the answer is no proper HTTP",
    "the answer is not the JSON it should be",
    "the connection was closed before the answer was whole",
];
const CUT: &[&str] = &["the answer is cut off", "the answer is empty", "0 replies for "];
const NO_JSON: &[&str] = &["the answer is not the JSON it should be"];
const NO_REPLIES: &[&str] = &["the answer is JSON, but no list of replies", "the answer is not the JSON it should be"];
const EARLY: &[&str] = &["answered before the request was through"];

/// More than sockets take that nobody reads from: 5 MB on Linux.
const LARGE: usize = 8_000_000;

struct Cases {
    places: Places,
    cases: Vec<Case>,
}

impl Cases {
    fn add(&mut self, name: impl std::fmt::Display, call: Call, script: Script, expected: Expected) {
        self.add_within(LONG, name, call, script, expected);
    }

    fn add_within(
        &mut self,
        limit: Duration,
        name: impl std::fmt::Display,
        call: Call,
        script: Script,
        expected: Expected,
    ) {
        let Call { major, commands, .. } = call;
        let name = format!("{name} (version {major}, {commands} commands)");
        self.cases.push(Case { name, call, script, limit, expected });
    }

    /// Where to stop in so many bytes; the last few are always among them.
    fn places(&self, call: Call, length: usize) -> Vec<usize> {
        let turn = usize::from(call.major > 1) * 2 + usize::from(call.commands > 1);
        let is_meant = |&at: &usize| self.places == Places::All || at % 4 == turn || length - at < 4;
        (0..=length).filter(is_meant).collect()
    }

    fn stopped_in_request(&mut self, exchange: &Exchange) {
        let call = exchange.call;
        for bytes in self.places(call, exchange.request_len) {
            let stop = |end: Step| vec![Step::Read(bytes), end];
            let name = |end: &str| format!("{end} after {bytes} bytes of the request");
            self.add(name("closed"), call, stop(Step::Close), unknown(CLOSED).unexecuted().over(2));
            self.add(name("reset"), call, stop(Step::Reset), unknown(RESET).unexecuted().over(2));
            let silent = unknown(SILENT).unexecuted().over(2);
            self.add_within(SHORT, name("silent"), call, stop(Step::Hang), silent);
            let garbled = vec![Step::Read(bytes), Step::Send(GARBAGE.to_vec()), Step::Close];
            self.add(name("garbage"), call, garbled, unknown(NO_HTTP).unexecuted().over(2));
        }
        let mut script: Script = (0..=exchange.request_len).map(Step::Read).collect();
        script.extend([Step::Execute, Step::Rest]);
        self.add("a request that is read a byte at a time", call, script, done().over(1));
    }

    fn stopped_in_answer(&mut self, exchange: &Exchange) {
        let chunked = exchange.chunked(exchange.body().len() / 2 + 1);
        let open_ended = exchange.open_ended();
        // From how many bytes on the answer is whole if the connection ends then, and if it does not. The last line
        // end of a chunked one tells nothing any more. That of the last reply of version 2 neither.
        let line_end = usize::from(exchange.body().ends_with(b"\n"));
        self.stopped_after("", exchange.call, &exchange.answer, exchange.answer.len(), exchange.answer.len());
        self.stopped_after(" in chunks", exchange.call, &chunked, chunked.len() - 2, chunked.len());
        self.stopped_after(" without a length", exchange.call, &open_ended, open_ended.len() - line_end, usize::MAX);
    }

    fn stopped_after(&mut self, what: &str, call: Call, answer: &[u8], whole: usize, told: usize) {
        let body = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("there is a head") + 4;
        for bytes in self.places(call, answer.len()) {
            let (sent, is_last) = (&answer[..bytes], bytes == answer.len());
            let name = |end: &str| format!("{end} after {bytes} bytes of an answer{what}");
            let cut = || match (bytes >= whole, told == usize::MAX && bytes >= body) {
                // The last line end says nothing new.
                (true, _) => if is_last || told == usize::MAX { done() } else { either() }.over(2),
                (false, false) => unknown(RESET).over(2),
                // One command of several may have a reply already.
                (false, true) => {
                    unknown(if call.commands > 1 { &["the answer", "for 3 commands"] } else { CUT }).over(2)
                }
            };
            let closed = Expected { says: if cut().says == RESET { CLOSED } else { cut().says }, ..cut() };
            self.add(name("closed"), call, sends_and(sent, Step::Close), closed.clone());
            self.add(name("reset"), call, sends_and(sent, Step::Reset), cut());
            // Each of these is many packets.
            if told != usize::MAX && bytes >= body && (bytes % 16 == 0 || answer.len() - bytes < 8) {
                let mut bytewise = vec![Step::Execute, Step::Send(sent[..body].to_vec())];
                bytewise.extend(sent[body..].iter().map(|&byte| Step::Send(vec![byte])));
                bytewise.push(Step::Close);
                self.add(name("byte by byte, closed"), call, bytewise, closed);
            }
            if bytes >= told {
                self.add(name("silent"), call, sends_and(sent, Step::Hang), done().at_last());
            } else {
                self.add_within(SHORT, name("silent"), call, sends_and(sent, Step::Hang), unknown(SILENT).over(2));
            }
            let garbled = match (is_last && told != usize::MAX, bytes >= whole && told != usize::MAX) {
                (true, _) => done().over(2),
                (false, true) => either().over(2),
                (false, false) => unknown(GARBLED).over(2),
            };
            let script = vec![Step::Execute, Step::Send(sent.to_vec()), Step::Send(GARBAGE.to_vec()), Step::Close];
            self.add(name("garbage"), call, script, garbled);
        }
    }

    fn statuses(&mut self, exchange: &Exchange) {
        let call = exchange.call;
        let read = Step::Read(exchange.request_len);
        for status in 300..=599 {
            for body in ["", "no\n"] {
                let means_something = matches!(status, 300..=308 | 400..=431 | 451 | 500..=511 | 599);
                // 304 has no body: what comes after its head is the next answer.
                if !body.is_empty() && (status == 304 || !means_something) {
                    continue;
                }
                let expected = match (status, call.commands, body) {
                    (408 | 425 | 429, ..) | (503, _, "") => turned_away(&["nothing was accepted: try again later"]),
                    (400, 2.., _) => unknown(&["some of the commands may have run"]),
                    (300..400, ..) => refused(&["to an address that it does not name; redirects are not followed"]),
                    (400..500, ..) => refused(&["; "]),
                    _ => unknown(&["may have run"]),
                };
                let number = status.to_string();
                assert!(status == 413 || expected.says.len() == 1, "{number}");
                // Whoever turns a request away may be about to close: the next one goes over another connection.
                let expected = expected.over(2);
                let response = Response::new(status).body(body);
                let first = if expected.executed { Step::Execute } else { read.clone() };
                let script = vec![first, Step::respond(&response)];
                self.add(format!("status {status}, {} bytes of body", body.len()), call, script, expected.clone());
                if expected.outcomes == [Some(ErrorKind::OutcomeUnknown)] && means_something {
                    let script = vec![read.clone(), Step::respond(&response)];
                    let expected = expected.unexecuted();
                    self.add(format!("status {status}, nothing run, {body:?}"), call, script, expected);
                }
            }
        }
        for status in [201, 202, 203, 206, 226, 299, 600, 999] {
            let response = Response::new(status).body(exchange.body());
            self.add(format!("status {status}"), call, sends(response.to_bytes()), unknown(&["may have run"]).over(2));
        }
        for status in [204, 205] {
            let script = sends_and(Response::new(status).to_bytes(), Step::Close);
            self.add(format!("status {status}"), call, script, unknown(&["may have run"]));
        }
        for location in ["https://elsewhere/api/?token=x", "/login", ""] {
            let response = Response::new(302).header("Location", location);
            let script = vec![read.clone(), Step::respond(&response)];
            self.add(format!("redirected to {location:?}"), call, script, refused(&["redirected (302) to "]).over(2));
        }
    }

    /// Answers before the answer.
    fn interim(&mut self, exchange: &Exchange) {
        let call = exchange.call;
        for (name, interim) in [
            ("100", "HTTP/1.1 100 Continue\r\n\r\n"),
            ("102", "HTTP/1.1 102 Processing\r\n\r\n"),
            ("103", "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"),
            ("100, 102 and 103", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nA: b\r\n\r\n"),
        ] {
            let bytes = interim.as_bytes().to_vec();
            let early = vec![Step::Send(bytes.clone()), Step::Execute, Step::Rest];
            self.add(format!("{name} before the request is read"), call, early, done().over(1));
            let late = vec![Step::Execute, Step::Send(bytes.clone()), Step::Rest];
            self.add(format!("{name} after it has run"), call, late, done().over(1));
            let joined = [&bytes, exchange.answer.as_slice()].concat();
            self.add(format!("{name} in one packet with the answer"), call, sends(joined), done().over(1));
            let stopped = sends_and(bytes.clone(), Step::Close);
            self.add(format!("{name} and no more"), call, stopped, unknown(CLOSED).over(2));
            let silent = sends_and(bytes, Step::Hang);
            self.add_within(SHORT, format!("{name} and silence"), call, silent, unknown(SILENT).over(2));
        }
        // Rare, and refused by the HTTP library.
        let dated = [b"HTTP/1.1 100 Continue\r\nDate: x\r\n\r\n", exchange.answer.as_slice()].concat();
        self.add("100 with a header", call, sends(dated), either());
        let endless = Step::Repeat(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100), 100);
        self.add("10,000 times 100", call, vec![Step::Execute, endless, Step::Close], unknown(CLOSED).over(2));
        let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
        self.add("101", call, sends_and(switched, Step::Close), unknown(&["may have run"]));
    }

    fn lengths(&mut self, exchange: &Exchange) {
        let (call, body) = (exchange.call, exchange.body());
        for missing in 1..=body.len() {
            let told = body.len() - missing;
            let expected = unknown(&["the answer", "for 1 command;", "for 3 commands;"]).over(2);
            let script = sends_and(of_length(told, body), Step::Close);
            self.add(format!("a length that is {missing} too small"), call, script, expected);
        }
        for more in [1, 2, 100, 1 << 30] {
            let bytes = of_length(body.len() + more, body);
            let script = sends_and(bytes.clone(), Step::Close);
            self.add(format!("a length that is {more} too large, closed"), call, script, unknown(CLOSED).over(2));
            let script = sends_and(bytes, Step::Hang);
            self.add_within(SHORT, format!("a length that is {more} too large"), call, script, unknown(SILENT).over(2));
        }
        for length in ["-1", "x", "", "1e3", "99999999999999999999999", "+5", "5, 5"] {
            let script = sends_and(of_length(length, body), Step::Close);
            self.add(format!("the length {length:?}"), call, script, either());
        }
        let twice = with_headers("Content-Length: 3\r\n", body);
        self.add("two lengths", call, sends_and(twice, Step::Close), either());
        let both = with_headers("Transfer-Encoding: chunked\r\n", body);
        self.add("a length and chunks", call, sends_and(both, Step::Close), either());
        let none = sends_and(of_length(0, b""), Step::Close);
        self.add("an empty answer", call, none, unknown(CUT));
        for (name, extra) in [
            ("the answer twice", exchange.answer.as_slice()),
            ("an answer and a bit", b"H"),
            ("an answer and a line", b"\r\n"),
        ] {
            let joined = [exchange.answer.as_slice(), extra].concat();
            self.add(name, call, sends(joined), done().over(2));
        }
        let mut late = sends(exchange.answer.as_slice());
        late.extend([Step::respond(&Response::new(408)), Step::Close]);
        self.add("a time limit of the server after the answer", call, late, done().over(2));
    }

    fn chunks(&mut self, exchange: &Exchange) {
        let (call, body) = (exchange.call, exchange.body());
        for size in [1, 2, 7, 1000] {
            self.add(format!("chunks of {size}"), call, sends(exchange.chunked(size)), done().over(1));
        }
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let framed = |size: &str, end: &str| {
            sends_and([head, format!("{size}\r\n").as_bytes(), body, end.as_bytes()].concat(), Step::Close)
        };
        let size = format!("{:x}", body.len());
        self.add("an extension of a chunk", call, framed(&format!("{size};a=b"), "\r\n0\r\n\r\n"), either());
        self.add("a trailer after the chunks", call, framed(&size, "\r\n0\r\nA: b\r\n\r\n"), either());
        self.add("a chunk in upper case", call, framed(&size.to_uppercase(), "\r\n0\r\n\r\n"), done());
        for (name, size, end) in [
            ("a chunk of no size", "", "\r\n0\r\n\r\n"),
            ("a chunk of size x", "x", "\r\n0\r\n\r\n"),
            ("a chunk of negative size", "-5", "\r\n0\r\n\r\n"),
            ("a chunk of a size beyond numbers", "fffffffffffffffffffff", "\r\n0\r\n\r\n"),
            ("a chunk of too large a size", "7fffffff", "\r\n0\r\n\r\n"),
            ("a chunk of too small a size", "3", "\r\n0\r\n\r\n"),
            ("a chunk without its line end", size.as_str(), "0\r\n\r\n"),
            ("chunks without an end", size.as_str(), "\r\n"),
        ] {
            self.add(name, call, framed(size, end), unknown(GARBLED).over(2));
        }
    }

    fn other_heads(&mut self, exchange: &Exchange) {
        let (call, body) = (exchange.call, exchange.body());
        for (name, expected, headers) in [
            ("gzip that nobody asked for", either(), "Content-Encoding: gzip\r\n".to_owned()),
            ("a connection that is to be closed", done().over(2), "Connection: close\r\n".to_owned()),
            ("a header of 10 KB", done().over(1), format!("X: {}\r\n", "a".repeat(10_000))),
            ("60 headers", done().over(1), "X: a\r\n".repeat(60)),
            ("a header of 20 KB", either(), format!("X: {}\r\n", "a".repeat(20_000))),
            ("bytes in a header that are no text", done().over(1), "X: caf\u{e9} \u{2028}\r\n".to_owned()),
        ] {
            self.add(name, call, sends(with_headers(&headers, body)), expected);
        }
        let long =
            &["the head of the answer is too long", "the answer is no proper HTTP", "closed before the answer was"];
        for (name, headers) in [
            ("a header of 100 KB", format!("X: {}\r\n", "a".repeat(100_000))),
            ("10,000 headers", "X: a\r\n".repeat(10_000)),
        ] {
            self.add(name, call, sends_and(with_headers(&headers, body), Step::Close), unknown(long).over(2));
        }
        for (name, start) in [("a status line", "HTTP/1.1 200 "), ("a header", "HTTP/1.1 200 OK\r\nX: ")] {
            let endless = Step::Repeat(vec![b'a'; 10_000], 1000);
            let script = vec![Step::Execute, Step::Send(start.into()), endless, Step::Close];
            self.add(format!("{name} without an end"), call, script, unknown(long).over(2));
        }
        for (name, start) in [
            ("HTTP/0.9", ""),
            ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"),
            ("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"),
            ("no status", "HTTP/1.1 OK\r\n\r\n"),
            ("HTTP/2", "\0\0\u{c}\u{4}\0\0\0\0\0"),
            ("HTTP/3.0", "HTTP/3.0 200 OK\r\n\r\n"),
            ("another protocol", "220 mail.example.org ESMTP\r\n"),
            ("SSH", "SSH-2.0-OpenSSH_9.2\r\n"),
            ("TLS", "\u{15}\u{3}\u{1}\0\u{2}\u{2}F"),
            ("a header without a colon", "HTTP/1.1 200 OK\r\nabc\r\n\r\n"),
            ("a header without a name", "HTTP/1.1 200 OK\r\n: abc\r\n\r\n"),
            ("NUL in a header", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
        ] {
            let script = sends_and([start.as_bytes(), body].concat(), Step::Close);
            self.add(name, call, script, unknown(NO_HTTP).over(2));
        }
    }

    /// Whole answers of 200 that are no replies, or not those to these commands.
    fn other_bodies(&mut self, exchange: &Exchange) {
        let (call, text) = (exchange.call, exchange.text());
        let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x8b\xae\xad\x05\x00";
        let answer = |body: &[u8]| with_headers("", body);
        self.add("gzip without a word", call, sends(answer(gzip)), unknown(NO_JSON).over(1));
        let zipped = with_headers("Content-Encoding: gzip\r\n", gzip);
        self.add("gzip with its header", call, sends(zipped), unknown(NO_JSON).over(1));
        for body in ["null", "1", "\"x\"", "true", "[1]", "[[]]", "[null]"] {
            let script = sends(answer(body.as_bytes()));
            self.add(format!("the body {body}"), call, script, unknown(NO_REPLIES).over(1));
        }
        // Replies to look at, and one of them is too few for several commands.
        let odd = if call.major == 1 {
            ["[{\"message\":\"hello\"}]", "[{\"error\":1}]"]
        } else {
            ["{\"message\":\"hello\"}", "{\"error\":1}"]
        };
        for body in odd {
            let expected = unknown(&["the reply is not understood", "1 reply for 3 commands"]).over(1);
            self.add(format!("the body {body}"), call, sends(answer(body.as_bytes())), expected);
        }
        for (name, body, says) in [
            ("HTML", "<html><body>It works!</body></html>", "HTML or XML"),
            ("XML", "<?xml version=\"1.0\"?><a/>", "HTML or XML"),
            ("NaN", "[NaN]", "not the JSON it should be"),
            ("a byte order mark", "\u{feff}[{}]", "not the JSON it should be"),
        ] {
            let says: &'static [&'static str] = Box::leak(Box::new([says]));
            self.add(format!("{name} as the body"), call, sends(answer(body.as_bytes())), unknown(says).over(1));
        }
        self.add("blanks as the body", call, sends(answer(b" \n ")), unknown(CUT).over(1));
        let reply = if call.major == 1 { r#"{"method":"publish","error":null,"body":null}"# } else { "{}" };
        for times in [0, 1, 2, 3, 4, 100] {
            let expected = match times {
                _ if times == call.commands => done().over(1),
                0 if call.major == 6 => unknown(CUT),
                _ => unknown(if call.commands == 1 { &[" for 1 command;"] } else { &[" for 3 commands;"] }).over(1),
            };
            let script = sends(replies(call.major, reply, times).to_bytes());
            self.add(format!("{times} replies"), call, script, expected);
        }
        let turned =
            if call.major == 1 { format!("{{\"replies\":{text}}}") } else { format!("[{}]", text.replace('\n', ",")) };
        self.add("the other dialect", call, sends(answer(turned.as_bytes())), unknown(NO_REPLIES).over(1));
        let padded = format!(" \r\n\t{} \n\n", text.replace(',', " , ").replace('\n', " \r\n "));
        self.add("white space between", call, sends(answer(padded.as_bytes())), done().over(1));
        let behind = format!("{text}x");
        self.add("something behind the replies", call, sends(answer(behind.as_bytes())), unknown(NO_JSON).over(1));
        let odd = [b"\xff\xfe", "\u{2028}\u{1f600}".as_bytes()].concat();
        let odd = replies(call.major, "REPLY", call.commands)
            .body
            .split(|&byte| byte == b'R')
            .map(<[u8]>::to_vec)
            .fold(Vec::new(), |mut bytes: Vec<u8>, part| {
                if let Some(rest) = part.strip_prefix(b"EPLY") {
                    bytes.extend([b"{\"error\":null,\"body\":\"", odd.as_slice(), b"\"}", rest].concat());
                } else {
                    bytes.extend(part);
                }
                bytes
            });
        self.add("bytes that are no text", call, sends(answer(&odd)), done().over(1));
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        let expected = unknown(NO_REPLIES);
        self.add("depth", call, sends(answer(&deep)), expected.over(1));
    }

    /// Answers that come in time, a part at least.
    fn slow(&mut self, exchange: &Exchange) {
        let call = exchange.call;
        let drip = Duration::from_millis(20);
        self.add("drop by drop", call, vec![Step::Execute, Step::Drip(Duration::ZERO)], done().over(1));
        let script = vec![Step::Execute, Step::Drip(drip)];
        self.add_within(SHORT, "slower than the limit", call, script, unknown(SILENT).over(2));
        let script = vec![Step::Execute, Step::Answer(0, exchange.answer.len() - 1), Step::Rest];
        self.add("the last byte alone", call, script, done().over(1));
        let chunk = b"1\r\n \r\n".to_vec();
        let mut script = sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        script.extend((0..60).flat_map(|_| [Step::Send(chunk.clone()), Step::Drip(drip)]));
        self.add("chunk by chunk", call, script, unknown(&["the answer", "no answer within"]));
    }

    fn too_long(&mut self, exchange: &Exchange) {
        let call = exchange.call;
        let most = usize::try_from(cent::MAX_RESPONSE_BYTES).expect("it is small");
        let too_long = unknown(&["the answer is longer than 64 MB"]).over(2);
        let block = vec![b' '; 1 << 20];
        let told = Step::Send(of_length(most + 1, b""));
        let script = vec![Step::Execute, told, Step::Repeat(block.clone(), 64), Step::Send(b" ".to_vec()), Step::Close];
        self.add("an answer that is a byte too long", call, script, too_long.clone());
        let open_ended = Step::Send(b"HTTP/1.0 200 OK\r\n\r\n".to_vec());
        let script = vec![Step::Execute, open_ended, Step::Repeat(block.clone(), 1000), Step::Close];
        self.add("an answer without an end", call, script, too_long.clone());
        let chunk = [b"100000\r\n", block.as_slice(), b"\r\n"].concat();
        let script = vec![
            Step::Execute,
            Step::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
            Step::Repeat(chunk, 1000),
            Step::Close,
        ];
        self.add("chunks without an end", call, script, too_long);
        let body = exchange.body();
        let script = vec![
            Step::Execute,
            Step::Send(of_length(most, b"")),
            Step::Repeat(block[1..].to_vec(), 64),
            Step::Send(vec![b' '; 64 - body.len()]),
            Step::Send(body.to_vec()),
        ];
        self.add("an answer that is just not too long", call, script, done());
    }

    /// Requests that do not fit into the sockets, and answers that come before they are through.
    fn large_requests(&mut self, call: Call) {
        let call = Call { ballast: LARGE / call.commands, ..call };
        for bytes in if call.commands == 1 { &[0, 1, 1000, 20_000, 100_000][..] } else { &[1000] } {
            let bytes = *bytes;
            let name = |end: &str| format!("{end} after {bytes} bytes of 8 MB");
            let lost = &["the connection was lost: ", "the connection was closed before the answer was whole"];
            let stop = |end: Step| vec![Step::Read(bytes), end];
            self.add(name("closed"), call, stop(Step::Close), unknown(lost).unexecuted().over(2));
            self.add(name("reset"), call, stop(Step::Reset), unknown(lost).unexecuted().over(2));
            let silent = unknown(SILENT).unexecuted().over(2);
            self.add_within(Duration::from_millis(150), name("silent"), call, stop(Step::Hang), silent);
            for (status, expected) in [
                (401, refused(&["unauthorized (401)"])),
                (413, refused(&["bytes is too large (413)"])),
                (301, refused(&["redirected (301)"])),
                (503, turned_away(&["nothing was accepted"])),
                (500, unknown(&["internal server error (500)"]).unexecuted()),
                (200, unknown(EARLY).unexecuted()),
            ] {
                let response = Response::new(status);
                let response =
                    if status == 200 { replies(call.major, "{\"error\":null}", call.commands) } else { response };
                let answer = Step::respond(&response);
                let closed = vec![Step::Read(bytes), answer.clone(), Step::Close];
                self.add(name(&format!("{status}, closed")), call, closed, expected.clone().over(2));
                let open = vec![Step::Read(bytes), answer, Step::Hang];
                self.add(name(&format!("{status}, left open")), call, open, expected.over(2));
            }
        }
        if call.commands == 1 {
            let small = Call { ballast: 500_000, ..call };
            self.add("500 KB", small, vec![Step::Execute, Step::Rest], done().over(1));
            self.add("401 at once", call, refused_early(&Response::new(401)), refused(&["unauthorized (401)"]).over(2));
        }
    }
}
