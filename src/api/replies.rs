//! Reads the replies in a response.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::current::{self, BatchReplies};
use super::form::Form;
use super::request::HttpRequest;
use super::response::HttpResponse;
use super::{legacy, method_hints, status, v1};
use crate::command::Command;
use crate::error::Error;
use crate::error_kind::{ErrorKind, HINT_CHECK_BEFORE_RETRY};
use crate::json::Elements;
use crate::methods;
use crate::reply::{Reply, ReplyError};

impl HttpResponse {
    /// Parses the response and classifies it.
    ///
    /// The replies are in the order of the commands, one for each; errors in them are no error of this function.
    ///
    /// # Errors
    /// - [`ErrorKind::Rejected`]: statuses from 400 to 499 except those named below;
    /// - [`ErrorKind::SafeToRetry`]: 408, 425, 429, 407 of a proxy, 503 without a body;
    /// - [`ErrorKind::OutcomeUnknown`]: other statuses, 400 for several commands, a response that cannot be parsed or
    ///   arrived before the request was fully sent, and the wrong number of replies; those received come with the
    ///   [error](Error::replies).
    pub(crate) fn into_replies(self, request: &HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
        if let (Form::Method, [command]) = (request.form(), request.commands())
            && let Some((text, error)) = current::transport_error(&self)
        {
            let error = with_hints(error, command, request.form());
            let len = text.len();
            let reply = Reply::new(&Arc::new(text), 0..len, vec![error]);
            return Ok(vec![with_command(reply, command, request.form())]);
        }
        if self.status != 200 {
            return Err(status::status_error(&self, request).with_subject(request.url()));
        }
        // Servers execute nothing before they have the complete body, so an early 200 says nothing about the commands.
        if self.is_early {
            return Err(unknown("response received before the request was fully sent").with_subject(request.url()));
        }
        if let Some(coding) = self.compression() {
            return Err(compressed(coding).with_subject(request.url()));
        }
        let text =
            String::from_utf8(self.body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        parse(text, request).map_err(|error| match &self.proxy {
            Some(proxy) => error.with_subject(format!("{} (via proxy {proxy})", request.url())),
            None => error.with_subject(request.url()),
        })
    }
}

fn compressed(coding: &str) -> Error {
    unknown(format!("response is compressed ({coding}), which was not requested")).with_hint(
        "the command may have been executed: check before retrying, and turn off compression in the server or proxy",
    )
}

/// Parses the body of a response with status 200.
fn parse(response: String, request: &HttpRequest<'_>) -> Result<Vec<Reply>, Error> {
    let (form, commands) = (request.form(), request.commands());
    let BatchReplies { text, ranges, count, foreign, error } = split(response, request)?;
    let response = Arc::new(text);
    let mut replies = Vec::with_capacity(ranges.len());
    // Most replies are the same as the one before: those are not parsed again.
    let mut last_success = None;
    for (index, (range, command)) in ranges.into_iter().zip(commands).enumerate() {
        let text = range.text(&response);
        let errors = if last_success == Some((text, command.method())) {
            Some(Vec::new())
        } else if foreign.contains(&index) {
            unrecognized_reply(text, form, command)
        } else {
            reply_errors(text, form, command).or_else(|| unrecognized_reply(text, form, command))
        };
        let Some(errors) = errors else {
            return Err(unknown("unexpected JSON in the response: not a list of replies").with_replies(replies));
        };
        // That of a broadcast depends on its channels, too.
        if errors.is_empty() && !command.is_broadcast() {
            last_success = Some((text, command.method()));
        }
        replies.push(with_command(Reply::new(&response, range, errors), command, form));
    }
    if let Some(error) = error {
        let error = if replies.is_empty() { error } else { error.with_kind(ErrorKind::OutcomeUnknown) };
        return Err(Error::from(error).with_replies(replies));
    }
    if count == commands.len() {
        return Ok(replies);
    }
    let (expected, s) = (commands.len(), if commands.len() == 1 { "reply" } else { "replies" });
    Err(unknown(format!("expected {expected} {s}, got {count}")).with_replies(replies))
}

/// Adds what the typed results need to know of the command.
fn with_command(reply: Reply, command: &Command, form: Form) -> Reply {
    // Later versions list the channels in the reply.
    let has_count = !form.is_current() && command.is_broadcast();
    let channels = has_count.then(|| methods::broadcast_channels(command.params()).len());
    reply.with_method(command.known_method(), channels)
}

/// Where the replies are in a response; the response itself, unless they had to be unwrapped.
fn split(response: String, request: &HttpRequest<'_>) -> Result<BatchReplies, Error> {
    let commands = request.commands();
    let elements = match request.form() {
        Form::V1 => v1::split_replies(&response, commands.len()),
        Form::Legacy | Form::Method => legacy::split_replies(&response, commands.len()),
        Form::Batch(_) => {
            let batch = current::unwrap_batch(&response, commands).map_err(|error| parse_error(&response, &error))?;
            return batch.ok_or_else(|| unknown("unexpected JSON in the response: not a list of replies"));
        }
    };
    let Elements { first, count } = elements.map_err(|error| parse_error(&response, &error))?;
    let start = |text: &str| text.as_ptr().addr() - response.as_ptr().addr();
    let ranges =
        first.into_iter().map(RawValue::get).map(|text| (start(text)..start(text) + text.len()).into()).collect();
    Ok(BatchReplies { text: response, ranges, count, foreign: Vec::new(), error: None })
}

fn parse_error(response: &str, error: &serde_json::Error) -> Error {
    let response = response.trim_start();
    unknown(if response.is_empty() {
        "empty response"
    } else if response.starts_with('<') {
        "response is HTML or XML, not JSON: not a Centrifugo API"
    } else if error.is_eof() {
        "truncated response"
    } else {
        "invalid JSON in the response"
    })
}

fn unknown(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::OutcomeUnknown, message)
        .with_hint("the command may have been executed: check before retrying, and check the address")
}

/// The errors in one reply; `None` where it is no reply.
fn reply_errors(text: &str, form: Form, command: &Command) -> Option<Vec<ReplyError>> {
    let errors = match form {
        Form::V1 => v1::reply_errors(text)?,
        Form::Legacy => legacy::reply_errors(text, command)?,
        Form::Method | Form::Batch(_) => current::reply_errors(text, command)?,
    };
    Some(errors.into_iter().map(|error| with_hints(error, command, form)).collect())
}

/// An object that is not a proper reply is printed, but does not say whether its command was executed.
fn unrecognized_reply(text: &str, form: Form, command: &Command) -> Option<Vec<ReplyError>> {
    let message = "unrecognized reply".to_owned();
    let error = ReplyError::new(ErrorKind::OutcomeUnknown, None, message, HINT_CHECK_BEFORE_RETRY);
    text.starts_with('{').then(|| vec![with_hints(error, command, form)])
}

/// Adds what follows from the command.
fn with_hints(error: ReplyError, command: &Command, form: Form) -> ReplyError {
    let error = if error.code() == Some(104) { with_unsupported_method(error, command, form) } else { error };
    let error = match error.kind() {
        ErrorKind::OutcomeUnknown if command.is_read_only(form.version()) => error.with_kind(ErrorKind::SafeToRetry),
        _ => error,
    };
    let whole_broadcast = !error.has_channel() && command.is_broadcast();
    if whole_broadcast && error.kind() == ErrorKind::Rejected { error.with_hint(HINT_BROADCAST) } else { error }
}

fn with_unsupported_method(error: ReplyError, command: &Command, form: Form) -> ReplyError {
    if command.canonical_name() == "rpc" {
        // The server has rpc itself (seen on 6.9.1).
        return error.with_hint("no extension of the server has this RPC method");
    }
    let suggestion = method_hints::unsupported_method(command, form.version());
    suggestion.into_iter().fold(error, ReplyError::with_suggestion)
}

/// Centrifugo 1 and 2 stop at the invalid channel and do not say which it is.
const HINT_BROADCAST: &str =
    "channels before the invalid one may have received the message; check the channels, namespaces and data";

#[cfg(test)]
mod tests {
    use super::super::form::Order;
    use super::*;
    use crate::server::address::Address;
    use crate::server::endpoint::Endpoint;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn commands(count: usize) -> Vec<Command> {
        vec![Command::new("publish", r#"{"channel":"a","data":1}"#).unwrap(); count]
    }

    fn request(form: Form, commands: &[Command]) -> HttpRequest<'_> {
        let address = Address::parse("http://h").unwrap();
        let endpoint = match form {
            Form::V1 => Endpoint::with_secret(address, "s"),
            _ => Endpoint::with_api_key(address, "k"),
        };
        HttpRequest::encode(&Arc::new(endpoint.unwrap()), form, commands.into())
    }

    fn response(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
        HttpResponse { status, body: body.into(), ..HttpResponse::default() }
    }

    fn into_replies(form: Form, commands: &[Command], status: u16, body: &str) -> Result<Vec<Reply>, Error> {
        response(status, body).into_replies(&request(form, commands))
    }

    /// The kinds of the errors in a single reply.
    fn error_kinds(form: Form, response: &str) -> Vec<ErrorKind> {
        let replies = into_replies(form, &commands(1), 200, response).unwrap();
        replies[0].errors().iter().map(ReplyError::kind).collect()
    }

    #[track_caller]
    fn assert_unknown(form: Form, response: &str) {
        let error = into_replies(form, &commands(1), 200, response).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{response}");
    }

    #[test]
    fn v1_distinguishes_rejection_from_engine_failure() {
        let v1 = |error: &str| error_kinds(Form::V1, &format!(r#"[{{"method":"m","error":{error},"body":null}}]"#));
        assert_eq!(v1("null"), []);
        for plain in [r#""invalid message""#, r#""namespace not found""#, r#""not available""#] {
            assert_eq!(v1(plain), [ErrorKind::Rejected], "{plain}");
        }
        for engine in [r#""internal server error""#, r#""dial tcp 127.0.0.1:6379: connection refused""#, r#""""#] {
            assert_eq!(v1(engine), [ErrorKind::OutcomeUnknown], "{engine}");
        }
    }

    #[test]
    fn v2_uses_error_code_not_message() {
        let v2 = |error: &str| error_kinds(Form::Legacy, &format!(r#"{{"error":{error}}}"#));
        for code in [102, 104, 106, 107, 108, 112, 113, 999] {
            assert_eq!(v2(&format!(r#"{{"code":{code},"message":"internal server error"}}"#)), [ErrorKind::Rejected]);
        }
        for code in [100, 111] {
            assert_eq!(v2(&format!(r#"{{"code":{code},"message":"bad request"}}"#)), [ErrorKind::OutcomeUnknown]);
        }
        assert_eq!(v2(r#"{"code":102,"message":"x","temporary":true}"#), [ErrorKind::OutcomeUnknown]);
        assert_eq!(v2(r#"{"code":102,"message":"x","temporary":false}"#), [ErrorKind::Rejected]);
        assert_eq!(v2("null"), []);
    }

    #[test]
    fn reply_without_error_is_success() {
        for response in
            ["{}", r#"{"result":{}}"#, r#"{"result":null}"#, r#"{"id":1,"result":{"offset":1}}"#, r#"{"id":1}"#, "{}\n"]
        {
            assert_eq!(error_kinds(Form::Legacy, response), [], "{response}");
        }
    }

    #[test]
    fn non_reply_responses_are_unknown() {
        for response in ["", " ", "null", "{}", "[", "[1]", "<html>", r#"[{"error":null}] x"#, "[[]]"] {
            assert_unknown(Form::V1, response);
        }
        for response in ["", "[]", "1", "<html>", "{} x", "{"] {
            assert_unknown(Form::Legacy, response);
        }
    }

    #[test]
    fn unrecognized_objects_are_printed_and_unknown() {
        for response in ["[{}]", r#"[{"error":1}]"#, r#"[{"body":null}]"#] {
            assert_eq!(error_kinds(Form::V1, response), [ErrorKind::OutcomeUnknown], "{response}");
        }
        for response in [r#"{"message":"hi"}"#, r#"{"error":"x"}"#, r#"{"error":{}}"#, r#"{"error":{"code":"107"}}"#] {
            assert_eq!(error_kinds(Form::Legacy, response), [ErrorKind::OutcomeUnknown], "{response}");
        }
        for response in [r#"{"error":null}"#, r#"{"error":null,"publish":{}}"#, r#"{"id":1,"error":null}"#, "{}"] {
            assert_eq!(error_kinds(Form::Method, response), [ErrorKind::OutcomeUnknown], "{response}");
        }
        assert_eq!(error_kinds(Form::Method, r#"{"result":{},"error":null}"#), []);
    }

    #[test]
    fn wrong_reply_count_is_unknown() {
        for (given, expected) in
            [(0, "expected 2 replies, got 0"), (1, "expected 2 replies, got 1"), (3, "expected 2 replies, got 3")]
        {
            let first = format!("[{}]", vec![r#"{"error":null}"#; given].join(","));
            let later = vec!["{}"; given].join("\n");
            for (form, response) in [(Form::V1, first), (Form::Legacy, later)] {
                let error = into_replies(form, &commands(2), 200, &response).unwrap_err();
                // No more than were asked for: a server could send millions.
                assert_eq!((error.kind(), error.replies().len()), (ErrorKind::OutcomeUnknown, given.min(2)));
                assert!(error.to_string().contains(expected), "{error}");
            }
        }
    }

    #[test]
    fn broadcast_errors_name_their_channel() {
        let broadcast = [Command::new("BROADCAST", r#"{"channels":["a","nope:b"],"data":1}"#).unwrap()];
        let response = r#"{"result":{"responses":[{"result":{}},{"error":{"code":100,"message":"x"}}]}}"#;
        let replies = into_replies(Form::Legacy, &broadcast, 200, response).unwrap();
        let [error] = replies[0].errors() else { panic!("{replies:?}") };
        assert_eq!((error.channel().as_deref(), error.kind()), (Some("nope:b"), ErrorKind::OutcomeUnknown));
        for count in [0, 1, 3, 1000] {
            let responses = vec![r#"{"result":{}}"#; count].join(",");
            let text = format!(r#"{{"result":{{"responses":[{responses}]}}}}"#);
            for form in [Form::Legacy, Form::Method] {
                let replies = into_replies(form, &broadcast, 200, &text).unwrap();
                assert_eq!(replies[0].errors()[0].kind(), ErrorKind::OutcomeUnknown, "{text}");
            }
        }
        // Centrifugo 2 has none.
        let no_responses = r#"{"result":{}}"#;
        assert!(into_replies(Form::Legacy, &broadcast, 200, no_responses).unwrap()[0].errors().is_empty());
        assert!(!into_replies(Form::Method, &broadcast, 200, no_responses).unwrap()[0].errors().is_empty());
        // The same data inside the result of another method is nobody's error.
        assert_eq!(error_kinds(Form::Legacy, response), []);
    }

    #[test]
    fn unknown_method_names_closest_and_known() {
        let command = [Command::new("publsh", "{}").unwrap()];
        let rejected = into_replies(Form::V1, &command, 400, "Bad Request\n").unwrap_err().to_string();
        let hint = "unknown method publsh, or invalid params; did you mean publish?";
        assert!(rejected.ends_with(&format!("; {hint}")), "{rejected}");
        let not_found = r#"{"error":{"code":104,"message":"not found"}}"#;
        let replies = into_replies(Form::Legacy, &command, 200, not_found).unwrap();
        assert!(replies[0].errors()[0].to_string().ends_with("; did you mean publish?"));
        let command = [Command::new("frobnicate", "{}").unwrap()];
        let replies = into_replies(Form::Legacy, &command, 200, not_found).unwrap();
        assert!(replies[0].errors()[0].to_string().contains("; known methods: publish, broadcast, subscribe, "));
        for (method, hint) in [
            ("rpc", "no extension of the server has this RPC method"),
            ("map_clear", "map_clear needs Centrifugo 6.8 or later"),
            ("block_user", "block_user needs Centrifugo PRO 3.1 or later"),
            ("publish", "this server or edition does not support the method"),
        ] {
            let command = [Command::new(method, "{}").unwrap()];
            let replies = into_replies(Form::Legacy, &command, 200, not_found).unwrap();
            let error = replies[0].errors()[0].to_string();
            assert!(error.ends_with(&format!("; {hint}")), "{error}");
        }
    }

    #[test]
    fn errors_of_read_only_methods_are_safe_to_retry() {
        let history = [Command::new("history", r#"{"channel":"a"}"#).unwrap()];
        for (form, body) in [
            (Form::V1, r#"[{"error":"internal server error"}]"#),
            (Form::Legacy, r#"{"error":{"code":100,"message":"internal server error"}}"#),
            (Form::Method, r#"{"unrecognized":1}"#),
            (Form::Batch(Order::Kept), r#"{"replies":[{"error":{"code":100,"message":""}}]}"#),
        ] {
            let replies = into_replies(form, &history, 200, body).unwrap();
            let error = &replies[0].errors()[0];
            assert_eq!(error.kind(), ErrorKind::SafeToRetry, "{body}");
            assert!(error.to_string().ends_with("; the method only reads: safe to retry"), "{error}");
        }
        let replies = into_replies(Form::Legacy, &history, 200, r#"{"error":{"code":102,"message":""}}"#).unwrap();
        assert_eq!(replies[0].errors()[0].kind(), ErrorKind::Rejected);
    }

    #[test]
    fn early_200_is_unknown() {
        let kind = |status, is_early| {
            let response = HttpResponse { is_early, ..response(status, "{}") };
            response.into_replies(&request(Form::Legacy, &commands(1))).map_err(|error| error.kind()).map(drop)
        };
        assert_eq!(kind(200, false), Ok(()));
        assert_eq!(kind(200, true), Err(ErrorKind::OutcomeUnknown));
        assert_eq!(kind(401, true), Err(ErrorKind::Rejected));
    }

    #[test]
    fn invalid_utf8_becomes_replacement_characters() {
        let response = response(200, b"[{\"error\":null,\"body\":\"\xff\"}]");
        let replies = response.into_replies(&request(Form::V1, &commands(1))).unwrap();
        assert_eq!(replies[0].text(), "{\"error\":null,\"body\":\"\u{fffd}\"}");
    }

    #[test]
    fn batch_replies_look_like_single_ones() {
        let batch =
            r#"{"replies":[{"publish":{"offset":1}},{"publish":{"offset":1}},{"error":{"code":102,"message":"x"}}]}"#;
        let replies = into_replies(Form::Batch(Order::Kept), &commands(3), 200, batch).unwrap();
        let result = r#"{"result":{"offset":1}}"#;
        let texts: Vec<&str> = replies.iter().map(Reply::text).collect();
        assert_eq!(texts, [result, result, r#"{"error":{"code":102,"message":"x"}}"#]);
        assert_eq!(replies[2].errors()[0].code(), Some(102));
        assert!(replies[0].errors().is_empty());
    }

    #[test]
    fn batch_replies_are_about_their_commands() {
        let commands = [("publish", r#"{"channel":"a","data":1}"#), ("HISTORY", r#"{"channel":"a"}"#), ("quux", "{}")];
        let commands = commands.map(|(method, params)| Command::new(method, params).unwrap());
        let kinds = |replies: [&str; 3]| {
            let body = format!(r#"{{"replies":[{}]}}"#, replies.join(","));
            let replies = into_replies(Form::Batch(Order::Kept), &commands, 200, &body).unwrap();
            let kind = |reply: &Reply| reply.errors().first().map(ReplyError::kind);
            let texts: Vec<String> = replies.iter().map(|reply| reply.text().to_owned()).collect();
            (replies.iter().map(kind).collect::<Vec<_>>(), texts)
        };
        let unknown = ErrorKind::OutcomeUnknown;
        let (fine, texts) = kinds([r#"{"publish":{}}"#, r#"{"history":{}}"#, r#"{"quux":{}}"#]);
        assert_eq!((fine, texts), (vec![None; 3], vec![r#"{"result":{}}"#.to_owned(); 3]));
        for foreign in [
            r#"{"message":"internal error"}"#,
            r#"{"result":{}}"#,
            r#"{"broadcast":{}}"#,
            "{}",
            r#"{"publish":1,"x":2}"#,
            r#"{"error":null}"#,
            r#"{"broadcast":{},"error":null}"#,
        ] {
            let (kinds, texts) = kinds([foreign; 3]);
            assert_eq!(kinds, [Some(unknown), Some(ErrorKind::SafeToRetry), Some(unknown)], "{foreign}");
            assert_eq!(texts, [foreign; 3]);
        }
        for result in ["null", "5", r#""x""#, "[]", "true"] {
            let replies = ["publish", "history", "quux"].map(|method| format!(r#"{{"{method}":{result}}}"#));
            let (kinds, texts) = kinds(replies.each_ref().map(String::as_str));
            assert_eq!(kinds, [Some(unknown), Some(ErrorKind::SafeToRetry), Some(unknown)], "{result}");
            assert_eq!(texts, replies);
        }
        // The same text is fine for one of them.
        assert_eq!(kinds([r#"{"publish":{}}"#; 3]).0, [None, Some(ErrorKind::SafeToRetry), Some(unknown)]);
        assert_eq!(kinds([r#"{"quux":{}}"#; 3]).0, [Some(unknown), Some(ErrorKind::SafeToRetry), None]);
    }

    #[test]
    fn error_beside_replies_is_that_of_the_batch() {
        let error = r#""error":{"code":102,"message":"no"}"#;
        for (body, kind, replies) in [
            (format!(r#"{{"replies":[{{"publish":{{}}}}],{error}}}"#), ErrorKind::OutcomeUnknown, 1),
            (format!(r#"{{{error},"replies":[]}}"#), ErrorKind::Rejected, 0),
        ] {
            let error = into_replies(Form::Batch(Order::Kept), &commands(1), 200, &body).unwrap_err();
            assert_eq!((error.kind(), error.replies().len()), (kind, replies), "{body}");
            assert!(error.to_string().starts_with("http://h/api/batch: no (102); "), "{error}");
        }
        let null = r#"{"error":null,"replies":[{"publish":{}}]}"#;
        assert!(into_replies(Form::Batch(Order::Kept), &commands(1), 200, null).is_ok());
        let odd = r#"{"error":"x","replies":[{"publish":{}}]}"#;
        assert_eq!(
            into_replies(Form::Batch(Order::Kept), &commands(1), 200, odd).unwrap_err().kind(),
            ErrorKind::OutcomeUnknown
        );
    }

    #[test]
    fn batch_without_replies_is_unknown() {
        for body in
            ["{}", r#"{"replies":null}"#, r#"{"replies":{}}"#, "[]", r#"{"error":{"code":107,"message":""}}"#, "{"]
        {
            let error = into_replies(Form::Batch(Order::Kept), &commands(1), 200, body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{body}");
        }
        let odd = into_replies(Form::Batch(Order::Kept), &commands(1), 200, r#"{"replies":[{}]}"#).unwrap();
        assert_eq!(odd[0].errors()[0].kind(), ErrorKind::OutcomeUnknown);
    }

    #[test]
    fn transport_mode_errors_are_replies() {
        let reply = |status, content_type: &str, body: &str| {
            let response = HttpResponse { content_type: Some(content_type.to_owned()), ..response(status, body) };
            let replies = response.into_replies(&request(Form::Method, &commands(1)));
            replies.map(|replies| (replies[0].text().to_owned(), replies[0].errors()[0].kind())).map_err(|e| e.kind())
        };
        let body = r#"{"code":102,"message":"unknown channel"}"#;
        let text = format!(r#"{{"error":{body}}}"#);
        assert_eq!(reply(404, "application/json", body), Ok((text.clone(), ErrorKind::Rejected)));
        // An error that a gateway may have made: the command may have been executed.
        assert_eq!(reply(502, "application/json; charset=utf-8", body), Ok((text, ErrorKind::OutcomeUnknown)));
        assert_eq!(reply(429, "application/json", body), Err(ErrorKind::SafeToRetry));
        // Pages.
        assert_eq!(reply(404, "text/plain", body), Err(ErrorKind::OutcomeUnknown));
        assert_eq!(reply(404, "application/json", r#"{"message":"no route"}"#), Err(ErrorKind::OutcomeUnknown));
        for (code, kind) in
            [(399, Ok(())), (400, Err(ErrorKind::OutcomeUnknown)), (599, Err(ErrorKind::OutcomeUnknown)), (600, Ok(()))]
        {
            let body = format!(r#"{{"code":{code},"message":"no route"}}"#);
            assert_eq!(reply(404, "application/json", &body).map(drop), kind, "{code}");
        }
    }

    const V1_REPLIES: [&str; 4] = [
        r#"{"method":"history","error":null,"body":{"data":[1.0,"\ud800]"]}}"#,
        r#"{"error" : "namespace not found"}"#,
        r#"{"uid":"1","error":"}{","body":null,"advice":"x"}"#,
        r#"{"error":"x","error":null}"#,
    ];
    const RESULTS: [&str; 3] =
        [r#"{"result":{"a":"}{"}}"#, r#"{"error":{"code":102,"message":"x"}}"#, r#"{"result":{}}"#];
    const V2_REPLIES: [&str; 4] = [
        "{}",
        r#"{"result":{"a":"}{"},"error":null}"#,
        r#"{"error" : {"code":102,"message":"x"}}"#,
        r#"{"id":1, "result":null}"#,
    ];

    /// Replies, and a response made of them with whitespace between.
    fn any_response() -> impl Strategy<Value = (Form, Vec<&'static str>, String)> {
        let space = || select(vec!["", " ", "\n", "\r\n\t"]);
        let first = prop::collection::vec(select(V1_REPLIES.to_vec()), 1..5);
        let later = prop::collection::vec(select(V2_REPLIES.to_vec()), 1..5);
        let batch = prop::collection::vec(select(RESULTS.to_vec()), 1..5);
        prop_oneof![
            (first, space(), space()).prop_map(|(replies, before, after)| {
                let list = replies.join(&format!("{before},{after}"));
                (Form::V1, replies, format!("{after}[{before}{list}{after}]{before}"))
            }),
            (later, space(), space()).prop_map(|(replies, between, around)| {
                let list = format!("{around}{}{around}", replies.join(between));
                (Form::Legacy, replies, list)
            }),
            (batch, space(), space()).prop_map(|(replies, before, after)| {
                let wrapped: Vec<String> =
                    replies.iter().map(|reply| reply.replace("{\"result\"", "{\"publish\"")).collect();
                let list = wrapped.join(&format!("{before},{after}"));
                (
                    Form::Batch(Order::Kept),
                    replies,
                    format!("{{{before}\"replies\":[{after}{list}{before}]{after}}}{before}"),
                )
            }),
        ]
    }

    proptest! {
        #[test]
        fn replies_are_verbatim((form, texts, response) in any_response()) {
            let commands = commands(texts.len());
            let replies = into_replies(form, &commands, 200, &response).unwrap();
            prop_assert_eq!(replies.iter().map(Reply::text).collect::<Vec<_>>(), texts);
        }

        #[test]
        fn truncated_response_is_an_error((form, texts, response) in any_response()) {
            let commands = commands(texts.len());
            for end in (0..response.trim_end().len()).filter(|&end| response.is_char_boundary(end)) {
                let error = into_replies(form, &commands, 200, &response[..end]).unwrap_err();
                prop_assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
                prop_assert!(error.replies().len() < texts.len());
            }
        }
    }
}
