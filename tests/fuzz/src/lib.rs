//! One function per fuzz target; it panics if its invariant does not hold.

// The program's sources are linted in their own crate, and only a part of them is used here.
#![allow(warnings)]

#[path = "../../support/configparser.rs"]
mod configparser;

/// The program's modules; the path of the directory lets them find their submodules.
#[path = "../../../src/bin/cent"]
mod program {
    pub(crate) mod clock;
    pub(crate) mod config;
    pub(crate) mod console {
        pub(crate) mod blocking;
        pub(crate) mod color;
        pub(crate) mod stderr;
        pub(crate) mod stdout;
    }
    pub(crate) mod did_you_mean;
    pub(crate) mod exit;
    pub(crate) mod hints;
    pub(crate) mod lines {
        pub(crate) mod journal;
        pub(crate) mod ledger;
    }
    pub(crate) mod options;
}

pub(crate) use program::{clock, console, did_you_mean, exit, hints, options};

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use cent::{Address, Client, Command, Endpoint, Error, ErrorKind, Proxy, Reply, RequestBuilder};
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use program::console::stdout::JsonLayout;
use program::console::{color, stdout};

fn signed() -> &'static Endpoint {
    static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
    ENDPOINT.get_or_init(|| Endpoint::with_secret(Address::parse("http://h").unwrap(), "secret").unwrap())
}

fn keyed() -> &'static Endpoint {
    static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
    ENDPOINT.get_or_init(|| Endpoint::with_api_key(Address::parse("http://h").unwrap(), "key").unwrap())
}

/// A config file has the same values as in Python, or is rejected.
pub fn config(data: &[u8]) {
    static FILE: OnceLock<std::path::PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::temp_dir().join(format!("cent-fuzz-{}", std::process::id())));
    fs::write(file, data).expect("a temporary file is written");
    let path = program::config::locate(Some(file.into()), None, None).expect("the path is given");
    let Ok(ours) = program::config::read(path) else { return };
    let text = std::str::from_utf8(data).expect("invalid UTF-8 is rejected");
    let python = configparser::read(text.strip_prefix('\u{feff}').unwrap_or(text));
    let python = python.expect("what Python rejects is rejected");
    let names: Vec<&str> = python.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(ours.names(), names);
    assert!(ours.section("no such section at all").is_err() || names.contains(&"no such section at all"));
    for (name, values) in &python {
        let Ok(section) = ours.section(name) else { continue };
        let value = |key: &str| {
            values.get(key).map(|raw| configparser::interpolated(raw).expect("references to keys are rejected"))
        };
        let address = Address::parse(&value("address").expect("a missing address is rejected")).unwrap();
        let credentials = ["secret", "api_key", "secret_file", "api_key_file"].map(|key| values.contains_key(key));
        let endpoint = match credentials {
            [true, false, false, false] => Endpoint::with_secret(address, &value("secret").unwrap()).unwrap(),
            [false, true, false, false] => Endpoint::with_api_key(address, &value("api_key").unwrap()).unwrap(),
            [false, false, false, false] => panic!("a missing credential is rejected"),
            // A file, or a credential that overrides that of [DEFAULT].
            _ => section.endpoint.clone(),
        };
        assert_eq!(section.endpoint, endpoint);
        let timeout = value("timeout").map(|text| Duration::try_from_secs_f64(text.parse().unwrap()).unwrap());
        assert_eq!(section.timeout, timeout);
    }
}

/// A journal is read as it was written, or rejected; and what it adds up to stays possible.
pub fn journal(data: &[u8]) {
    use program::lines::journal::record::{Job, Record};
    use program::lines::journal::resume::decide;
    use program::lines::ledger::{Entry, Ledger};
    use program::options::UnknownChoice;

    let Ok(text) = std::str::from_utf8(data) else { return };
    let (section, address, method) = ("live".to_owned(), "http://h".to_owned(), Some("publish".to_owned()));
    let job = Job { section, address, method, params: None };
    let header = text.split_inclusive('\n').next().unwrap_or_default();
    if let Ok(id) = job.parse_header(header) {
        assert_eq!(job.header_with(id), header);
    }
    if job.is_cut_header(header) {
        assert!(!header.ends_with('\n'));
    }
    let mut ledger = Ledger::journaled();
    for line in text.split_inclusive('\n') {
        let Some(record) = Record::parse(line) else { continue };
        assert_eq!(record.text(), line);
        let before = ledger.clone();
        if ledger.add(&record.entry).is_err() {
            assert_eq!(ledger, before);
            continue;
        }
        // Lines are done once, unless a rejection is withdrawn, and nothing that was sent is forgotten.
        let is_withdrawn = matches!(record.entry, Entry::NotAccepted(_));
        assert!(is_withdrawn || ledger.done() >= before.done());
        assert!(ledger.end() >= ledger.done() && ledger.unsent().last() <= Some(ledger.done()));
        let Some(unknown) = ledger.unknown() else { continue };
        assert!(!unknown.lines.is_empty() && unknown.lines.last() <= Some(ledger.end()));
        for choice in [None, Some(UnknownChoice::Send), Some(UnknownChoice::Skip)] {
            decide(unknown, choice, true, &unknown.first);
        }
    }
}

/// Params are accepted if and only if they are a JSON object; then they are sent verbatim.
pub fn params(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    let is_object = text.is_some_and(|text| {
        text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
            && serde_json::from_str::<IgnoredAny>(text).is_ok()
    });
    let command = Command::new("quux", data);
    assert_eq!(command.is_ok(), is_object, "{:?}", command.err());
    if let Ok(whole_command) = Command::from_json(data) {
        let Value::Object(members) = parsed(text.unwrap()).unwrap_or_default() else { return };
        assert_eq!(members.get("method").and_then(Value::as_str), Some(whole_command.method()));
        let params = parsed(whole_command.params());
        assert_eq!(members.get("params").cloned().unwrap_or_else(|| serde_json::json!({})), params.unwrap());
    }
    let Ok(command) = command else {
        // The error has a location.
        let message = Command::new("quux", data).unwrap_err().with_first_line(7).to_string();
        assert!(message.contains(" at line ") && message.contains(", column "), "{message}");
        return;
    };
    let trimmed = text.unwrap().trim_matches([' ', '\t', '\n', '\r']);
    assert_eq!(command.params(), trimmed);
    let commands = [command.clone(), command];
    let body = |endpoint: &Endpoint| {
        RequestBuilder::new(endpoint.clone()).batch(&commands).unwrap().body().collect::<String>()
    };
    let written = format!(r#"{{"method":"quux","params":{trimmed}}}"#);
    assert_eq!(body(signed()), format!("[{written},{written}]"));
    assert_eq!(body(keyed()), format!(r#"{{"commands":[{{"quux":{trimmed}}},{{"quux":{trimmed}}}]}}"#));
    check_required_params(trimmed);
}

/// The value of a JSON text, if serde_json can represent it.
fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The check of required params agrees with a simple reading of the params.
fn check_required_params(params: &str) {
    let Some(Value::Object(members)) = parsed(params) else { return };
    // The simple reading knows neither other spellings of a key nor null before another value.
    if members.iter().any(|(key, value)| !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') || value.is_null()) {
        return;
    }
    let name = |key: &str| members.get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let user = members.get("user").is_some_and(Value::is_string);
    let channels = members.get("channels").and_then(Value::as_array).is_some_and(|list| {
        !list.is_empty() && list.iter().all(|name| name.as_str().is_some_and(|name| !name.is_empty()))
    });
    let (data, b64) = (members.contains_key("data"), members.contains_key("b64data"));
    // A null before the same key is not in the map.
    if params.contains("null") {
        return;
    }
    for (method, in_v1, in_legacy) in [
        ("publish", name("channel") && data, name("channel") && (data || b64)),
        ("broadcast", channels && data, channels && (data || b64)),
        ("history", name("channel"), name("channel")),
        ("disconnect", user, user),
        ("unsubscribe", user, user && name("channel")),
        ("subscribe", true, user && name("channel")),
        ("info", true, true),
    ] {
        let command = Command::new(method, params).unwrap();
        assert_eq!(command.clone().validated(signed()).is_ok(), in_v1, "{method} {params}");
        assert_eq!(command.validated(keyed()).is_ok(), in_legacy, "{method} {params}");
    }
}

/// A response of a server, received over a real connection.
struct Response<'a> {
    status: u16,
    body: &'a [u8],
    through_proxy: bool,
    /// Of a server with the current form; others answer a request in it as Centrifugo 2 to 4.
    is_current: bool,
}

impl Response<'_> {
    /// The replies of a client with this endpoint that gets the response to these commands.
    fn replies(&self, is_signed: bool, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        static LISTENER: Mutex<Option<TcpListener>> = Mutex::new(None);
        let mut listener = LISTENER.lock().unwrap();
        let listener = listener.get_or_insert_with(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let server = format!("http://{}", listener.local_addr().unwrap());
        let address = if self.through_proxy { "http://h" } else { &server };
        let client = if is_signed { Client::new(address, "secret") } else { Client::with_api_key(address, "key") };
        let mut client = client.unwrap().with_timeout(Duration::from_secs(60));
        if self.through_proxy {
            client = client.with_proxy(Proxy::parse(&server).unwrap());
        }
        thread::scope(|scope| {
            scope.spawn(|| while self.send(listener).expect("the client reads the response") {});
            let result = client.send_commands(commands);
            // A connection without a request ends the server.
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            result
        })
    }

    /// Sends it to the next client, or a 404 if the request is in the other form. Whether there was a request.
    fn send(&self, listener: &TcpListener) -> io::Result<bool> {
        let (stream, _) = listener.accept()?;
        let mut reader = BufReader::new(&stream);
        let mut request_line = String::new();
        if reader.read_line(&mut request_line)? == 0 {
            return Ok(false);
        }
        // The path of version 1 is /api/ itself.
        let is_current_form = request_line.contains("/api/") && !request_line.contains("/api/ ");
        let mut content_length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().to_lowercase().split_once(": ") {
                Some(("content-length", length)) => content_length = length.parse().map_err(io::Error::other)?,
                None if line == "\r\n" => break,
                _ => {}
            }
        }
        io::copy(&mut reader.take(content_length), &mut io::sink())?;
        let not_found = "Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n";
        let is_missing = is_current_form != self.is_current;
        let (status, headers, body) =
            if is_missing { (404, not_found, &b"404 page not found\n"[..]) } else { (self.status, "", self.body) };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} \r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n");
        (&stream).write_all(&[head.as_bytes(), body].concat())?;
        Ok(true)
    }
}

/// The status decides the outcome; replies that are joined again read as the same replies.
pub fn replies(data: &[u8]) {
    let [choice, length, body @ ..] = data else { return };
    let statuses = [200, 200, 200, 200, 201, 301, 400, 401, 404, 407, 408, 413, 429, 500, 502, 503];
    let status = statuses[usize::from(choice & 15)];
    let is_signed = choice & 16 == 0;
    let (through_proxy, method) = (choice & 32 != 0, if choice & 64 == 0 { "publish" } else { "broadcast" });
    let command = Command::new(method, r#"{"channel": "a", "channels": ["a", "b"], "data": 1}"#).unwrap();
    let commands = vec![command; usize::from(length & 3) + 1];
    if choice & 128 != 0 {
        let response = Response { status: 200, body, through_proxy, is_current: true };
        return check_current_replies(&response.replies(false, &commands), &commands, body);
    }
    let received =
        |body: &[u8]| Response { status, body, through_proxy, is_current: false }.replies(is_signed, &commands);
    let result = received(body);
    let message = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
    if status != 200 {
        let kind = match status {
            408 | 429 => ErrorKind::SafeToRetry,
            407 if through_proxy => ErrorKind::SafeToRetry,
            // What haproxy says: nothing was passed on.
            503 if body.is_empty() || contains(body, b"No server is available") => ErrorKind::SafeToRetry,
            400 if commands.len() == 1 => ErrorKind::Rejected,
            // An error of the API, in transport mode.
            404 if contains(body, b"\"code\"") => return,
            401 | 407 | 413 => ErrorKind::Rejected,
            _ => ErrorKind::OutcomeUnknown,
        };
        assert_eq!(result.unwrap_err().kind(), kind, "{status}");
        return;
    }
    let replies = match &result {
        Ok(replies) => replies.as_slice(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{message}");
            error.replies()
        }
    };
    assert!(result.is_err() || replies.len() == commands.len());
    let texts: Vec<&str> = replies.iter().map(Reply::text).collect();
    let text = String::from_utf8_lossy(body);
    // Only white space and the text between replies is missing; after a failure, also the rest.
    let (open, between, close) = if is_signed { ("[", ",", "]") } else { ("", "", "") };
    let read = texts.iter().map(|text| tokens(text)).collect::<Vec<_>>().join(between);
    if !replies.is_empty() {
        assert!(tokens(&text).starts_with(&format!("{open}{read}")));
    }
    if result.is_err() {
        return;
    }
    assert_eq!(tokens(&text), format!("{open}{read}{close}"));
    let joined = if is_signed { format!(" [\n{}\t]\r\n", texts.join(" ,")) } else { texts.join("\n") };
    assert_eq!(received(joined.as_bytes()).unwrap(), replies);
    for reply in replies {
        serde_json::from_str::<&RawValue>(reply.data()).expect("data is JSON");
        let Some(value) = parsed(reply.text()) else { continue };
        let has_error = value.get("error").is_some_and(|error| !error.is_null());
        // A broadcast has more errors inside.
        assert!(!has_error || reply.errors().len() == 1, "{reply:?}");
        let is_unrecognized = matches!(reply.errors(), [error] if error.kind() == ErrorKind::OutcomeUnknown);
        assert!(has_error || method == "broadcast" || is_unrecognized || reply.errors().is_empty(), "{reply:?}");
        reply.errors().iter().for_each(|error| assert!(error.to_string().contains(error.message())));
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

/// A success of the current form has one reply of its own method for each command.
fn check_current_replies(result: &Result<Vec<Reply>, Error>, commands: &[Command], body: &[u8]) {
    let replies = match result {
        Ok(replies) => replies,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}"),
    };
    assert_eq!(replies.len(), commands.len());
    let Some(value) = parsed(&String::from_utf8_lossy(body)) else { return };
    let method = commands[0].method();
    let written = match &value["replies"] {
        Value::Array(written) if commands.len() > 1 => {
            assert!(value.get("error").is_none_or(Value::is_null), "{value}");
            written.iter().map(|reply| (reply.get(method), reply.get("error"))).collect()
        }
        _ => vec![(value.get("result"), value.get("error"))],
    };
    assert_eq!(written.len(), commands.len());
    let is_result = |result: &Value| commands.len() == 1 || result.is_object();
    for (reply, (result, error)) in replies.iter().zip(written) {
        let has_error = error.is_some_and(|error| !error.is_null());
        assert!(has_error || result.is_some_and(is_result) || !reply.errors().is_empty(), "{reply:?}");
        assert!(!has_error || !reply.errors().is_empty(), "{reply:?}");
        // One response for each of the two channels.
        let responses = result.and_then(|result| result.get("responses")).and_then(Value::as_array).map_or(0, Vec::len);
        assert!(method != "broadcast" || responses == 2 || !reply.errors().is_empty(), "{reply:?}");
    }
}

/// The printed list has the server's tokens, and each line is indented by its depth.
pub fn output(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return;
    }
    let command = [Command::new("rpc", r#"{"method": "a"}"#).unwrap()];
    let body = format!(r#"{{"result": {text}}}"#);
    let response = Response { status: 200, body: body.as_bytes(), through_proxy: false, is_current: false };
    let replies = response.replies(false, &command).unwrap();
    let printed = |compact, terminal| {
        let mut out = Vec::new();
        stdout::print_list(&replies, JsonLayout { compact, terminal, color: false }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let expected = format!(r#"[{{"result":{}}}]"#, tokens(text));
    assert_eq!(printed(true, false), format!("{expected}\n"));
    let pretty = printed(false, false);
    assert_eq!(tokens(&pretty), expected);
    if let (Some(before), Some(after)) = (parsed(&expected), parsed(&pretty)) {
        assert_eq!(before, after);
    }
    assert_indented(&pretty);
    for compact in [true, false] {
        let shown = printed(compact, true);
        assert!(!shown.chars().any(|c| ('\u{7f}'..='\u{9f}').contains(&c)));
        assert_eq!(parsed(&shown), parsed(&expected));
    }
    let mut out = Vec::new();
    stdout::print_list(&replies, JsonLayout { compact: true, terminal: true, color: true }, &mut out).unwrap();
    let mut without_color = String::from_utf8(out).unwrap();
    for code in [color::KEY, color::STRING, color::NUMBER, color::LITERAL, color::END] {
        without_color = without_color.replace(code, "");
    }
    assert_eq!(without_color, printed(true, true));
    let mut out = Vec::new();
    stdout::print_lines(&replies, JsonLayout { compact: false, terminal: false, color: false }, &mut out).unwrap();
    assert_eq!(out, format!("{}\n", &expected[1..expected.len() - 1]).into_bytes());
}

/// JSON without white space between tokens.
fn tokens(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    text.chars()
        .filter(|&c| {
            if in_string {
                in_string = escaped || c != '"';
                escaped = !escaped && c == '\\';
                return true;
            }
            in_string = c == '"';
            !matches!(c, ' ' | '\t' | '\n' | '\r')
        })
        .collect()
}

/// Checks for two spaces per open bracket on each line, not counting brackets that the line closes first.
fn assert_indented(pretty: &str) {
    let mut depth = 0;
    for line in pretty.lines() {
        let text = line.trim_start_matches(' ');
        let closing = text.starts_with([']', '}']);
        assert_eq!(line.len() - text.len(), 2 * (depth - usize::from(closing)), "{pretty}");
        // A line has at most one value, so brackets are at its ends or form an empty pair.
        depth -= usize::from(closing);
        depth += usize::from(text.ends_with(['[', '{']) && !closing);
    }
    assert_eq!(depth, 0, "{pretty}");
}
