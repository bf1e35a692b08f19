//! What the server answered, and what it means: the sole judge of statuses and answers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::command::{self, Command};
use crate::error::{Error, ErrorKind};
use crate::json;
use crate::request::{Form, HttpRequest};
use crate::transport::HttpResponse;

/// The server's answer to one command, as the server wrote it. All replies of a request share the memory of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    text: Part,
    errors: Vec<ReplyError>,
}

impl Reply {
    /// The JSON text of the reply: the server's own, but for bytes that are not UTF-8, which became U+FFFD.
    pub fn text(&self) -> &str {
        self.text.text()
    }

    /// What the server refused: nothing where the command has run, one error for the whole command, or one for each
    /// channel of a broadcast that did not get its message (Centrifugo 3 and later).
    pub fn errors(&self) -> &[ReplyError] {
        &self.errors
    }

    /// The data of the reply as JSON text: what `body.data`, `body` or `result` hold, or `null`.
    pub fn data(&self) -> &str {
        let Some(members) = json::members(self.text()) else { return "null" };
        let Some(body) = members.last("body") else { return members.last("result").unwrap_or("null") };
        json::members(body).and_then(|body| body.last("data")).unwrap_or(body)
    }
}

/// A part of an answer, which all its replies share.
#[derive(Clone)]
struct Part {
    answer: Arc<String>,
    place: Range<usize>,
}

impl Part {
    fn text(&self) -> &str {
        self.answer.get(self.place.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text(), f)
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Part {}

/// Why the server refused a command, or a channel of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyError {
    kind: ErrorKind,
    code: Option<u64>,
    message: String,
    channel: Option<String>,
    hint: &'static str,
    known: Option<String>,
}

impl ReplyError {
    /// [`ErrorKind::Refused`], or [`ErrorKind::Unknown`] where the command may have run in spite of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error's number; Centrifugo 1 has none.
    pub fn code(&self) -> Option<u64> {
        self.code
    }

    /// The server's words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The channel of a broadcast that is meant, as it was written.
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    fn new(kind: ErrorKind, code: Option<u64>, message: String, hint: &'static str) -> Self {
        Self { kind, code, message, channel: None, hint, known: None }
    }

    /// Centrifugo 1: a text; only these three come before anything has run (libcentrifugo of 1.8.0).
    fn first(message: String) -> Self {
        let (kind, hint) = match message.as_str() {
            "invalid message" => (ErrorKind::Refused, "check the params"),
            "namespace not found" => (ErrorKind::Refused, NAMESPACE),
            "not available" => (ErrorKind::Refused, AVAILABLE),
            _ => (ErrorKind::Unknown, LOOK),
        };
        Self::new(kind, None, message, hint)
    }

    /// Centrifugo 2 and later: a code and a text; texts change from version to version. An error that the server
    /// calls temporary, as 6.10 and later do, is no plain refusal.
    fn later(code: u64, message: String, temporary: bool) -> Self {
        let (kind, hint) = match code {
            100 | 111 => (ErrorKind::Unknown, LOOK),
            _ if temporary => (ErrorKind::Unknown, LOOK),
            102 => (ErrorKind::Refused, NAMESPACE),
            104 => (ErrorKind::Refused, "this server has no such method, or not in this edition"),
            107 => (ErrorKind::Refused, "check the params: the types of their values, and keys that are missing"),
            108 => (ErrorKind::Refused, AVAILABLE),
            112 => (ErrorKind::Refused, "the history was lost in between: read it without since"),
            _ => (ErrorKind::Refused, "repeating does not help"),
        };
        Self::new(kind, Some(code), message, hint)
    }
}

const NAMESPACE: &str = "the part of the channel before : has to be a namespace of the server's config";
const AVAILABLE: &str = "switch it on for this channel in the server's config";
const LOOK: &str = "the command may have run: look before repeating";

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(channel) = &self.channel {
            write!(f, "channel {channel}: ")?;
        }
        f.write_str(if self.message.is_empty() { "refused without a reason" } else { &self.message })?;
        if let Some(code) = self.code {
            write!(f, " ({code})")?;
        }
        write!(f, "; {}", self.hint)?;
        self.known.iter().try_for_each(|known| write!(f, "; {known}"))
    }
}

impl HttpResponse {
    /// Judges the answer to a request.
    ///
    /// The replies stand in the order of the commands, one for each; errors in them are no error of this function.
    ///
    /// # Errors
    /// - [`ErrorKind::Refused`]: redirects, and statuses from 400 to 499 but for those named below;
    /// - [`ErrorKind::NotAccepted`]: 408, 425, 429, 407 of a proxy, 503 without a body;
    /// - [`ErrorKind::Unknown`]: other statuses, 400 on several commands, an answer that is not understood or came
    ///   before the request was through, and one with too few or too many replies; those that there are come with the
    ///   [error](Error::replies).
    pub fn into_replies(self, request: &HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        if self.status != 200 {
            return Err(refusal(&self, request).of(request.url()));
        }
        // Servers run nothing before the whole body is there: whoever says 200 earlier has not read the commands.
        if self.early {
            return Err(unknown("answered before the request was through".to_owned()).of(request.url()));
        }
        let answer =
            String::from_utf8(self.body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        read(&Arc::new(answer), request).map_err(|error| match &self.proxy {
            Some(proxy) => error.of(format!("{} (by the proxy {proxy})", request.url())),
            None => error.of(request.url()),
        })
    }
}

/// Reads the replies of an answer with status 200.
fn read(answer: &Arc<String>, request: &HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
    let same = match request.form {
        Form::Signed => same_replies(answer, "[", ',', "]"),
        Form::Keyed => same_replies(answer, "", '\n', ""),
    };
    let are_same = same.is_some();
    let texts = same.map_or_else(|| replies_of(answer, request.form), Ok)?;
    let mut replies = Vec::with_capacity(texts.len());
    // Most replies are the same as the one before: those are not read again.
    let mut fine = None;
    for (index, &text) in texts.iter().enumerate() {
        let command = request.commands().get(index);
        let method = command.map(Command::method);
        let is_fine = fine.is_some_and(|(known, by)| by == method && (are_same || known == text));
        let found = if is_fine { Some(Vec::new()) } else { errors(text, request.form, command) };
        let Some(errors) = found.or_else(|| odd_reply(text)) else {
            return Err(unknown("the answer is JSON, but no list of replies".to_owned()).with_replies(replies));
        };
        if errors.is_empty() {
            fine = Some((text, method));
        }
        let start = text.as_ptr().addr() - answer.as_ptr().addr();
        let part = Part { answer: Arc::clone(answer), place: start..start + text.len() };
        replies.push(Reply { text: part, errors });
    }
    if replies.len() == request.commands().len() {
        return Ok(replies);
    }
    let counts = format!(
        "{} for {}",
        count(replies.len(), "reply", "replies"),
        count(request.commands().len(), "command", "commands")
    );
    Err(unknown(counts).with_replies(replies))
}

/// The texts of replies that are all the same, as they are where every command was plainly done.
fn same_replies<'a>(answer: &'a str, open: &str, separator: char, close: &str) -> Option<Vec<&'a str>> {
    let list = answer.strip_suffix('\n').unwrap_or(answer).strip_prefix(open)?.strip_suffix(close)?;
    json::repeated(list, separator)
}

/// The texts of the replies.
fn replies_of(answer: &str, form: Form) -> Result<Vec<&str>, Error> {
    let texts = match form {
        Form::Signed => serde_json::from_str::<Vec<&RawValue>>(answer),
        Form::Keyed => serde_json::Deserializer::from_str(answer).into_iter::<&RawValue>().collect(),
    };
    let texts = texts.map_err(|error| not_understood(answer, &error))?;
    Ok(texts.into_iter().map(RawValue::get).collect())
}

fn not_understood(answer: &str, error: &serde_json::Error) -> Error {
    let answer = answer.trim_start();
    if answer.is_empty() {
        unknown("the answer is empty".to_owned())
    } else if answer.starts_with('<') {
        unknown("the answer is HTML or XML, not JSON: it is not Centrifugo's".to_owned())
    } else if error.is_eof() {
        unknown("the answer is cut off".to_owned())
    } else {
        unknown("the answer is not the JSON it should be".to_owned())
    }
}

fn unknown(what: String) -> Error {
    Error::new(ErrorKind::Unknown, what).hint("the command may have run: look before repeating, and check the address")
}

/// Reads the errors of one reply; nothing where it is none.
fn errors(text: &str, form: Form, command: Option<&Command>) -> Option<Vec<ReplyError>> {
    let members = json::members(text)?;
    let mut errors: Vec<ReplyError> = match form {
        Form::Signed => first_error(members.last("error")?)?,
        Form::Keyed => {
            let is_reply =
                members.is_empty() || ["id", "result", "error"].iter().any(|name| members.last(name).is_some());
            let top = members.last("error").map_or(Some(None), later_error).filter(|_| is_reply)?;
            top.map_or_else(|| channel_errors(members.last("result"), command), |error| Some(vec![error]))?
        }
    };
    if let Some(command) = command {
        for error in &mut errors {
            explain(error, command, form);
        }
    }
    Some(errors)
}

/// An object that is no reply as it should be: it is shown, and what it says of its command is not known.
fn odd_reply(text: &str) -> Option<Vec<ReplyError>> {
    let error = ReplyError::new(ErrorKind::Unknown, None, "the reply is not understood".to_owned(), LOOK);
    text.starts_with('{').then(|| vec![error])
}

/// The error of a reply of Centrifugo 1: null or a text.
fn first_error(error: &str) -> Option<Vec<ReplyError>> {
    if error == "null" {
        return Some(Vec::new());
    }
    json::string(error).map(|message| vec![ReplyError::first(message.into_owned())])
}

/// An error object of Centrifugo 2 and later; nothing where it is none, no error where it is null.
#[expect(clippy::option_option, reason = "not understood, no error, an error")]
fn later_error(error: &str) -> Option<Option<ReplyError>> {
    if error == "null" {
        return Some(None);
    }
    let members = json::members(error)?;
    let code = members.last("code")?.parse().ok()?;
    let message = members.last("message").and_then(json::string).unwrap_or_default().into_owned();
    let temporary = members.last("temporary") == Some("true");
    Some(Some(ReplyError::later(code, message, temporary)))
}

/// The errors inside a broadcast's result, in the order of its channels; nothing where they are not understood.
fn channel_errors(result: Option<&str>, command: Option<&Command>) -> Option<Vec<ReplyError>> {
    let broadcast = command.filter(|command| command::is_broadcast(command.method()));
    let (Some(result), Some(broadcast)) = (result.and_then(json::members), broadcast) else { return Some(Vec::new()) };
    let Some(responses) = result.last("responses") else { return Some(Vec::new()) };
    let channels = broadcast.channels();
    let mut errors = Vec::new();
    for (index, response) in json::elements(responses)?.into_iter().enumerate() {
        if let Some(mut error) = json::members(response)?.last("error").map_or(Some(None), later_error)? {
            error.channel =
                Some(channels.get(index).map_or_else(|| format!("number {}", index + 1), |&name| name.to_owned()));
            errors.push(error);
        }
    }
    Some(errors)
}

/// Adds what the command tells of its error.
fn explain(error: &mut ReplyError, command: &Command, form: Form) {
    if error.code == Some(104) {
        error.known = Some(known_methods(command.method(), form));
    }
    let whole_broadcast = error.channel.is_none() && command::is_broadcast(command.method());
    if whole_broadcast && error.kind == ErrorKind::Refused {
        error.hint = BROADCAST;
    }
}

/// Centrifugo 1 and 2 stop at the bad channel and do not say which it is.
const BROADCAST: &str =
    "the channels before the bad one may have got it; check the channels, their namespaces and the data";

/// The methods there are, and the one that was most likely meant.
fn known_methods(method: &str, form: Form) -> String {
    let names: Vec<&str> = command::method_names(form.rules()).collect();
    let guess = command::nearest(method, names.iter().copied()).filter(|&name| name != method);
    let guess = guess.map_or_else(String::new, |name| format!(": did you mean {name}?"));
    format!("known methods are {}{guess}", names.join(", "))
}

/// What a caller can do after a status other than 200.
fn status_kind(status: u16, several: bool, proxy: bool, empty: bool) -> ErrorKind {
    match status {
        408 | 425 | 429 => ErrorKind::NotAccepted,
        407 if proxy => ErrorKind::NotAccepted,
        // One with a body comes from a proxy, which may have passed the request on before.
        503 if empty => ErrorKind::NotAccepted,
        // The commands before the one that is meant have run.
        400 if several => ErrorKind::Unknown,
        300..500 => ErrorKind::Refused,
        _ => ErrorKind::Unknown,
    }
}

/// The error of a status other than 200.
fn refusal(response: &HttpResponse, request: &HttpRequest<'_>) -> Error {
    let several = request.commands().len() > 1;
    let kind = status_kind(response.status, several, response.proxy.is_some(), response.body.is_empty());
    let what = match (response.status, &response.proxy) {
        (300..400, _) => format!("redirected ({}) to {}", response.status, target(response)),
        (413, _) => format!("a request of {} bytes is too large (413)", request.body_len()),
        (status, Some(proxy)) if status != 401 => format!("{} (by the proxy {proxy})", named(status)),
        (status, _) => named(status),
    };
    Error::new(kind, what).hint(remedy(response, request, kind)).with_retry_after(response.retry_after.clone())
}

/// The status with its name.
fn named(status: u16) -> String {
    let name = status_name(status);
    if name.is_empty() { format!("HTTP status {status}") } else { format!("{name} ({status})") }
}

/// The names of the statuses that users meet; the others speak for themselves.
fn status_name(status: u16) -> &'static str {
    match status {
        400 => "bad request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        407 => "proxy authentication required",
        408 => "request timeout",
        425 => "too early",
        429 => "too many requests",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "",
    }
}

/// The address of a redirect without its query, which can hold anything.
fn target(response: &HttpResponse) -> String {
    let location = response.location.as_deref().unwrap_or("an address that it does not name");
    let address = location.split(['?', '#']).next().unwrap_or_default();
    // Nor with credentials.
    match address.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
        Some((scheme, Some((before, rest)))) if !before.contains('/') => format!("{scheme}://{rest}"),
        _ => address.to_owned(),
    }
}

/// What to do about a status other than 200.
fn remedy(response: &HttpResponse, request: &HttpRequest<'_>, kind: ErrorKind) -> String {
    match (response.status, request.form) {
        // Centrifugo 1 leads /api to /api/ (seen on 1.8.0).
        (301 | 307 | 308, Form::Keyed) if target(response).ends_with("/api/") => {
            "this is Centrifugo 1: write secret instead of api_key in the section".to_owned()
        }
        (300..400, _) => "redirects are not followed: write the address that the server is really at".to_owned(),
        (400, _) if speaks_tls(&response.body) => "the server wants TLS: write https:// in the address".to_owned(),
        (400, form) => bad_request(request, form),
        (401, Form::Signed) => "the server signs with another secret: write the one of its config as secret".to_owned(),
        (401, Form::Keyed) => {
            "the server knows another API key, or none: write the one of its config as api_key".to_owned()
        }
        (404, Form::Signed) => {
            "if this is Centrifugo 2 or later, write api_key instead of secret; else check the address's path and port"
                .to_owned()
        }
        (404, Form::Keyed) => {
            "check the address's path and port: the API may be elsewhere, on an internal port, or off".to_owned()
        }
        (407, _) if response.proxy.is_some() => {
            "write the credentials into the proxy's URL, http://USER:PASSWORD@HOST:PORT".to_owned()
        }
        (413, _) if request.commands().len() > 1 => "send fewer commands at once, with a smaller --batch".to_owned(),
        (413, _) => "send less, or raise the limit of the proxy before the server".to_owned(),
        (408 | 425 | 429 | 503, _) if kind == ErrorKind::NotAccepted => {
            "nothing was accepted: try again later".to_owned()
        }
        _ if kind == ErrorKind::Unknown => LOOK.to_owned(),
        _ => "check the address, and any proxy before the server".to_owned(),
    }
}

/// What servers say to a plain request on their TLS port: Go's (seen on 1.8.0 and 6.9.1), nginx and Apache.
fn speaks_tls(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    [
        "HTTP request to an HTTPS server",
        "HTTP request was sent to HTTPS port",
        "speaking plain HTTP to an SSL-enabled server",
    ]
    .iter()
    .any(|words| body.contains(words))
}

/// The server does not say why: all that it can be.
fn bad_request(request: &HttpRequest<'_>, form: Form) -> String {
    if request.commands().len() > 1 {
        return "some of the commands may have run: look before repeating, and check their methods and params"
            .to_owned();
    }
    let methods: Vec<&str> = request.commands().iter().map(Command::method).collect();
    match methods.iter().find(|method| !command::is_known(method, form.rules())) {
        Some(method) => {
            format!("the server has no method {method}, or not with these params; {}", known_methods(method, form))
        }
        None if form == Form::Signed => {
            "check the types of the params' values; a server without a secret says the same".to_owned()
        }
        None => "check the params: this version may not have the method, or not nest this deep".to_owned(),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Address, Endpoint};
    use proptest::prelude::*;
    use proptest::sample::select;

    fn endpoint(form: Form) -> Endpoint {
        let address = Address::parse("http://h").unwrap();
        match form {
            Form::Signed => Endpoint::with_secret(address, "s"),
            Form::Keyed => Endpoint::with_api_key(address, "k"),
        }
        .unwrap()
    }

    fn commands(count: usize) -> Vec<Command> {
        vec![Command::new("history", r#"{"channel":"a"}"#).unwrap(); count]
    }

    fn judged(form: Form, commands: &[Command], status: u16, body: &str) -> Result<Vec<Reply>, Error> {
        let endpoint = endpoint(form);
        let request = HttpRequest::new(&endpoint, commands).unwrap();
        let (location, retry_after, proxy) = (None, None, None);
        HttpResponse { status, location, retry_after, proxy, early: false, body: body.into() }.into_replies(&request)
    }

    /// The kinds of the errors in the only reply.
    fn kinds(form: Form, answer: &str) -> Vec<ErrorKind> {
        let replies = judged(form, &commands(1), 200, answer).unwrap();
        replies[0].errors().iter().map(ReplyError::kind).collect()
    }

    #[track_caller]
    fn is_unknown(form: Form, answer: &str) {
        let error = judged(form, &commands(1), 200, answer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{answer}");
    }

    #[test]
    fn statuses_have_their_rows() {
        use ErrorKind::{NotAccepted, Refused, Unknown};
        for (status, several, proxy, empty, kind) in [
            (300, false, false, true, Refused),
            (301, false, false, true, Refused),
            (399, true, true, false, Refused),
            (400, false, false, false, Refused),
            (400, true, false, false, Unknown),
            (401, true, false, true, Refused),
            (404, false, false, false, Refused),
            (407, false, false, false, Refused),
            (407, false, true, false, NotAccepted),
            (408, true, false, false, NotAccepted),
            (413, true, false, false, Refused),
            (425, false, false, false, NotAccepted),
            (429, false, false, false, NotAccepted),
            (499, false, false, false, Refused),
            (500, false, false, true, Unknown),
            (502, false, true, true, Unknown),
            (503, false, false, true, NotAccepted),
            (503, false, false, false, Unknown),
            (201, false, false, false, Unknown),
            (204, false, false, true, Unknown),
            (101, false, false, true, Unknown),
            (999, false, false, true, Unknown),
        ] {
            assert_eq!(status_kind(status, several, proxy, empty), kind, "{status} {several} {proxy} {empty}");
        }
    }

    #[test]
    fn a_plain_refusal_is_told_from_a_failed_engine() {
        let first = |error: &str| kinds(Form::Signed, &format!(r#"[{{"method":"m","error":{error},"body":null}}]"#));
        assert_eq!(first("null"), []);
        for plain in [r#""invalid message""#, r#""namespace not found""#, r#""not available""#] {
            assert_eq!(first(plain), [ErrorKind::Refused], "{plain}");
        }
        for engine in [r#""internal server error""#, r#""dial tcp 127.0.0.1:6379: connection refused""#, r#""""#] {
            assert_eq!(first(engine), [ErrorKind::Unknown], "{engine}");
        }
    }

    #[test]
    fn codes_count_and_not_texts() {
        let later = |error: &str| kinds(Form::Keyed, &format!(r#"{{"error":{error}}}"#));
        for code in [102, 104, 106, 107, 108, 112, 113, 999] {
            assert_eq!(later(&format!(r#"{{"code":{code},"message":"internal server error"}}"#)), [ErrorKind::Refused]);
        }
        for code in [100, 111] {
            assert_eq!(later(&format!(r#"{{"code":{code},"message":"bad request"}}"#)), [ErrorKind::Unknown]);
        }
        assert_eq!(later(r#"{"code":102,"message":"x","temporary":true}"#), [ErrorKind::Unknown]);
        assert_eq!(later(r#"{"code":102,"message":"x","temporary":false}"#), [ErrorKind::Refused]);
        assert_eq!(later("null"), []);
    }

    #[test]
    fn success_is_the_absence_of_an_error() {
        for answer in
            ["{}", r#"{"result":{}}"#, r#"{"result":null}"#, r#"{"id":1,"result":{"offset":1}}"#, r#"{"id":1}"#, "{}\n"]
        {
            assert_eq!(kinds(Form::Keyed, answer), [], "{answer}");
        }
    }

    #[test]
    fn answers_that_are_no_replies_are_unknown() {
        for answer in ["", " ", "null", "{}", "[", "[1]", "<html>", r#"[{"error":null}] x"#, "[[]]"] {
            is_unknown(Form::Signed, answer);
        }
        for answer in ["", "[]", "1", "<html>", "{} x", "{"] {
            is_unknown(Form::Keyed, answer);
        }
    }

    #[test]
    fn objects_that_are_no_replies_are_shown_and_unknown() {
        for answer in ["[{}]", r#"[{"error":1}]"#, r#"[{"body":null}]"#] {
            assert_eq!(kinds(Form::Signed, answer), [ErrorKind::Unknown], "{answer}");
        }
        for answer in [r#"{"message":"hi"}"#, r#"{"error":"x"}"#, r#"{"error":{}}"#, r#"{"error":{"code":"107"}}"#] {
            assert_eq!(kinds(Form::Keyed, answer), [ErrorKind::Unknown], "{answer}");
        }
    }

    #[test]
    fn too_few_and_too_many_replies_are_unknown_and_shown() {
        for (given, expected) in
            [(0, "0 replies for 2 commands"), (1, "1 reply for 2 commands"), (3, "3 replies for 2 commands")]
        {
            let first = format!("[{}]", vec![r#"{"error":null}"#; given].join(","));
            let later = vec!["{}"; given].join("\n");
            for (form, answer) in [(Form::Signed, first), (Form::Keyed, later)] {
                let error = judged(form, &commands(2), 200, &answer).unwrap_err();
                assert_eq!((error.kind(), error.replies().len()), (ErrorKind::Unknown, given));
                assert!(error.to_string().contains(expected), "{error}");
            }
        }
    }

    #[test]
    fn errors_of_single_channels_are_named_by_their_channel() {
        let broadcast = [Command::new("BROADCAST", r#"{"channels":["a","nope:b"],"data":1}"#).unwrap()];
        let answer = r#"{"result":{"responses":[{"result":{}},{"error":{"code":100,"message":"x"}}]}}"#;
        let replies = judged(Form::Keyed, &broadcast, 200, answer).unwrap();
        let [error] = replies[0].errors() else { panic!("{replies:?}") };
        assert_eq!((error.channel(), error.kind()), (Some("\"nope:b\""), ErrorKind::Unknown));
        // The same data inside the result of another method is nobody's error.
        assert_eq!(kinds(Form::Keyed, answer), []);
    }

    #[test]
    fn an_unknown_method_is_told_with_the_known_ones() {
        let command = [Command::new("publsh", "{}").unwrap()];
        let refused = judged(Form::Signed, &command, 400, "Bad Request\n").unwrap_err().to_string();
        assert!(refused.contains("known methods are publish, broadcast,"), "{refused}");
        assert!(refused.ends_with(": did you mean publish?"), "{refused}");
        let replies = judged(Form::Keyed, &command, 200, r#"{"error":{"code":104,"message":"not found"}}"#).unwrap();
        assert!(replies[0].errors()[0].to_string().ends_with(": did you mean publish?"));
    }

    #[test]
    fn an_answer_before_the_end_of_the_request_is_no_success() {
        let (endpoint, commands) = (endpoint(Form::Keyed), commands(1));
        let request = HttpRequest::new(&endpoint, &commands).unwrap();
        let answer = |status, early| HttpResponse {
            status,
            location: None,
            retry_after: None,
            proxy: None,
            early,
            body: b"{}".to_vec(),
        };
        assert!(answer(200, false).into_replies(&request).is_ok());
        assert_eq!(answer(200, true).into_replies(&request).unwrap_err().kind(), ErrorKind::Unknown);
        assert_eq!(answer(401, true).into_replies(&request).unwrap_err().kind(), ErrorKind::Refused);
    }

    #[test]
    fn bytes_that_are_no_utf8_become_replacement_characters() {
        let endpoint = endpoint(Form::Signed);
        let commands = commands(1);
        let request = HttpRequest::new(&endpoint, &commands).unwrap();
        let body = b"[{\"error\":null,\"body\":\"\xff\"}]".to_vec();
        let answer = HttpResponse { status: 200, location: None, retry_after: None, proxy: None, early: false, body };
        assert_eq!(answer.into_replies(&request).unwrap()[0].text(), "{\"error\":null,\"body\":\"\u{fffd}\"}");
    }

    #[test]
    fn data_is_what_the_reply_carries() {
        let data = |text: &str| {
            let part = Part { answer: Arc::new(text.to_owned()), place: 0..text.len() };
            Reply { text: part, errors: Vec::new() }.data().to_owned()
        };
        assert_eq!(data(r#"{"method":"channels","error":null,"body":{"data":["a"]}}"#), r#"["a"]"#);
        assert_eq!(data(r#"{"method":"publish","error":null,"body":null}"#), "null");
        assert_eq!(data(r#"{"result":{"offset":1}}"#), r#"{"offset":1}"#);
        assert_eq!(data("{}"), "null");
    }
    const FIRST: [&str; 4] = [
        r#"{"method":"history","error":null,"body":{"data":[1.0,"\ud800]"]}}"#,
        r#"{"error" : "namespace not found"}"#,
        r#"{"uid":"1","error":"}{","body":null,"advice":"x"}"#,
        r#"{"error":"x","error":null}"#,
    ];
    const LATER: [&str; 4] = [
        "{}",
        r#"{"result":{"a":"}{"},"error":null}"#,
        r#"{"error" : {"code":102,"message":"x"}}"#,
        r#"{"id":1, "result":null}"#,
    ];

    /// Replies, and an answer made of them with white space between.
    fn answer() -> impl Strategy<Value = (Form, Vec<&'static str>, String)> {
        let space = || select(vec!["", " ", "\n", "\r\n\t"]);
        let first = prop::collection::vec(select(FIRST.to_vec()), 1..5);
        let later = prop::collection::vec(select(LATER.to_vec()), 1..5);
        prop_oneof![
            (first, space(), space()).prop_map(|(replies, before, after)| {
                let list = replies.join(&format!("{before},{after}"));
                (Form::Signed, replies, format!("{after}[{before}{list}{after}]{before}"))
            }),
            (later, space(), space()).prop_map(|(replies, between, around)| {
                let list = format!("{around}{}{around}", replies.join(between));
                (Form::Keyed, replies, list)
            }),
        ]
    }

    proptest! {
        #[test]
        fn replies_are_read_as_they_are_written((form, texts, answer) in answer()) {
            let commands = commands(texts.len());
            let replies = judged(form, &commands, 200, &answer).unwrap();
            prop_assert_eq!(replies.iter().map(Reply::text).collect::<Vec<_>>(), texts);
        }

        #[test]
        fn an_answer_that_is_cut_off_is_never_whole((form, texts, answer) in answer()) {
            let commands = commands(texts.len());
            for end in (0..answer.trim_end().len()).filter(|&end| answer.is_char_boundary(end)) {
                let error = judged(form, &commands, 200, &answer[..end]).unwrap_err();
                prop_assert_eq!(error.kind(), ErrorKind::Unknown);
                prop_assert!(error.replies().len() < texts.len());
            }
        }
    }
}
