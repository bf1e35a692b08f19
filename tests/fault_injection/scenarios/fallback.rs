//! A server, or a proxy in front of it, that does not have the current form of the API: the response that says so, and the
//! request in the legacy form that follows it.

use super::faults::{Fault, decline, faults};
use super::{
    CLOSED, CORRUPT, LARGE_BYTES, LONG_TIMEOUT, NOT_REPLIES, RESET, RequestSpec, Response, SHORT_TIMEOUT, SOME,
    Scenarios, Script, Step, TIMED_OUT, no_fault, rejected, success, success_or_unknown, unknown,
};
use crate::case::Executed;
use crate::server::GARBAGE;

/// What Centrifugo 2 to 4 say.
fn not_found() -> Response {
    Response::plain(404, "404 page not found")
}

/// A page of a proxy.
fn html(status: u16) -> Response {
    Response::new(status).header("Content-Type", "text/html; charset=utf-8").body("<html><h1>No</h1></html>\n")
}

fn is_html(response: &Response) -> bool {
    response.headers.iter().any(|(_, value)| value.starts_with("text/html"))
}

/// What a server whose API is at `/` says to a batch.
pub(super) fn misunderstood() -> Response {
    Response::json(r#"{"error":{"code":107,"message":"bad request"}}"#)
}

impl Scenarios {
    pub(super) fn missing_form(&mut self) {
        for commands in [1, 3] {
            self.fail_during_not_found(RequestSpec::new(4, commands));
            self.fail_after_missing_form(RequestSpec::new(6, commands));
            self.form_is_known(RequestSpec { is_first: false, ..RequestSpec::new(6, commands) });
            self.fail_during_early_not_found(RequestSpec {
                padding_bytes: LARGE_BYTES / commands,
                ..RequestSpec::new(4, commands)
            });
        }
        self.unordered();
    }

    /// Faults in the 404 itself: the legacy form follows only a complete one.
    fn fail_during_not_found(&mut self, spec: RequestSpec) {
        let response = not_found().to_bytes();
        for bytes in self.stop_positions(spec, response.len()) {
            let name = |end: &str| format!("{end} after {bytes} bytes of a 404");
            let script = |end: &[Step]| [&[Step::Execute, Step::Send(response[..bytes].to_vec())], end].concat();
            let ends: [(&str, &[Step], _); 3] = [
                ("closed", &[Step::Close], CLOSED),
                ("reset", &[Step::Reset], RESET),
                ("garbage", &[Step::Send(GARBAGE.to_vec()), Step::Close], CORRUPT),
            ];
            for (end, steps, messages) in ends {
                let (mut scripts, mut expected) = (vec![script(steps)], unknown(messages).not_executed());
                let sent = bytes + if end == "garbage" { GARBAGE.len() } else { 0 };
                if bytes >= response.len() {
                    // Complete. The client may not have noticed the end of the connection yet.
                    scripts.push(no_fault());
                    expected = success_or_unknown().executed(Executed::AllOrNone);
                } else if sent >= response.len() {
                    // A page: its text is not the server's. The client asks for both forms.
                    scripts.extend([no_fault(), no_fault()]);
                    expected = unknown(SOME).executed(Executed::AllOrNone);
                }
                let connections = if expected.messages == SOME { 3 } else { 2 };
                self.add_conversation(LONG_TIMEOUT, name(end), spec, scripts, expected.on_connections(connections));
            }
            let silent = unknown(TIMED_OUT).not_executed().on_connections(2);
            self.add_conversation(SHORT_TIMEOUT, name("silent"), spec, vec![script(&[Step::Hang])], silent);
        }
        let closing = not_found().header("Connection", "close").to_bytes();
        let open_ended = b"HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n\r\n404 page not found\n".to_vec();
        for (name, bytes) in [("that closes the connection", closing), ("without a length", open_ended)] {
            let scripts = vec![vec![Step::Execute, Step::Send(bytes), Step::Close], no_fault()];
            self.add_conversation(LONG_TIMEOUT, format!("a 404 {name}"), spec, scripts, success().on_connections(2));
        }
        let interim = vec![Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), Step::Execute, Step::SendRest];
        let kept = success().on_connections(1);
        self.add_conversation(LONG_TIMEOUT, "a 404 after a 100", spec, vec![interim, no_fault()], kept);
    }

    /// The server has both forms here: what is executed in one of them must not be sent in the other.
    fn fail_after_missing_form(&mut self, spec: RequestSpec) {
        let mut missing = vec![("404 in plain text".to_owned(), not_found())];
        missing.extend([403, 404, 405].map(|status| (format!("{status} in HTML"), html(status))));
        if spec.commands > 1 {
            missing.push(("error 107 for a batch".to_owned(), misunderstood()));
        }
        for (name, response) in missing {
            let is_page = is_html(&response);
            let mut first = vec![decline(&response)];
            if is_page {
                // The server responds at the older path, and the page comes again.
                first.extend([no_fault(), decline(&response)]);
            }
            // Only these keep the connection.
            let is_kept = matches!(response.status, 200 | 404);
            let connections = match (is_page, is_kept) {
                (false, _) => 1,
                (true, true) => 2,
                (true, false) => 4,
            };
            let then = |scripts: &[Script]| [first.clone(), scripts.to_vec()].concat();
            self.add_conversation(
                LONG_TIMEOUT,
                &name,
                spec,
                then(&[no_fault()]),
                success().on_connections(connections),
            );
            let invalid = if spec.commands == 1 { rejected(&["; "]) } else { unknown(SOME).not_executed() };
            let invalid = Fault::declined("status 400", &Response::new(400), invalid);
            for fault in faults().into_iter().chain([invalid]) {
                // The client asks whether the path is redirected.
                let questions = usize::from(fault.name == "status 301");
                let (timeout, name) = (fault.timeout(), format!("{name}, then {}", fault.name));
                let expected = fault.expected.on_connections(connections + 1 + questions);
                let scripts = [vec![fault.script], vec![no_fault(); questions]].concat();
                self.add_conversation(timeout, name, spec, then(&scripts), expected);
            }
            let moved = Response::new(302).header("Location", "https://status.example.org/");
            let redirected = rejected(&["redirects are not followed"]).on_connections(connections + 2);
            let scripts = then(&[decline(&moved), decline(&moved)]);
            self.add_conversation(LONG_TIMEOUT, format!("{name}, then redirected"), spec, scripts, redirected);
            let scripts = then(&[vec![Step::Execute, Step::respond(&moved)], no_fault()]);
            let page = unknown(&["this is a page of a proxy"]).on_connections(connections + 2);
            self.add_conversation(LONG_TIMEOUT, format!("{name}, then a redirect"), spec, scripts, page);
            // The client asks whether the method is unknown.
            let questions = vec![no_fault(); usize::from(spec.commands == 1)];
            let mut scripts = then(&[decline(&not_found())]);
            scripts.extend(questions.clone());
            let expected = match (spec.commands, is_page) {
                (1, true) => unknown(SOME).not_executed(),
                (1, false) => rejected(&["does not support the method"]),
                _ => rejected(&["check the path and port"]),
            };
            let expected = expected.on_connections(connections + questions.len());
            self.add_conversation(LONG_TIMEOUT, format!("{name}, then 404"), spec, scripts, expected);
            for status in [403, 404, 405] {
                let mut scripts = then(&[decline(&html(status))]);
                scripts.extend(questions.clone());
                scripts.push(no_fault());
                let connections = connections + questions.len() + 1 + usize::from(status != 404);
                let expected = unknown(SOME).not_executed().on_connections(connections);
                self.add_conversation(LONG_TIMEOUT, format!("{name}, then {status} in HTML"), spec, scripts, expected);
            }
        }
    }

    /// A server that has responded in the current form has it, unless it says that it does not.
    fn form_is_known(&mut self, spec: RequestSpec) {
        for (status, connections) in [(403, 2), (404, 1), (405, 2)] {
            let expected = unknown(SOME).not_executed().on_connections(connections);
            self.add(format!("{status} in HTML"), spec, decline(&html(status)), expected);
        }
        let scripts = vec![decline(&not_found()), no_fault()];
        self.add_conversation(LONG_TIMEOUT, "404 in plain text", spec, scripts, success().on_connections(1));
        if spec.commands > 1 {
            let expected = unknown(NOT_REPLIES).not_executed().on_connections(1);
            self.add("error 107 for a batch", spec, decline(&misunderstood()), expected);
        }
    }

    /// Another version takes the server's place between two requests.
    pub(super) fn replaced_servers(&mut self) {
        for (before, after, has_form) in [(4, 6, true), (4, 7, false), (6, 4, false), (7, 4, false)] {
            for commands in [1, 3] {
                let spec = RequestSpec { is_first: false, ..RequestSpec::new(before, commands) };
                let replace = Step::Replace(after, None);
                let mut scripts = vec![vec![replace.clone(), Step::Respond]];
                let mut lost = unknown(CLOSED);
                if !has_form {
                    scripts.push(no_fault());
                    lost = lost.not_executed();
                }
                let name = format!("version {after} takes its place");
                // What follows would meet another version than its own.
                self.add_conversation(LONG_TIMEOUT, &name, spec, scripts, success().connection_hangs());
                let scripts = vec![vec![replace, Step::Execute, Step::Close]];
                let name = format!("{name}, whose response is lost");
                self.add_conversation(LONG_TIMEOUT, name, spec, scripts, lost.connection_hangs());
            }
        }
    }

    /// The server responds before it has read a large request, and closes: writing may fail.
    fn fail_during_early_not_found(&mut self, spec: RequestSpec) {
        let response = not_found().header("Connection", "close").to_bytes();
        let lost = &["connection lost: ", "connection closed before the response was complete"];
        for bytes in [0, 20, response.len() - 1] {
            let sent = Step::Send(response[..bytes].to_vec());
            for (name, end) in [("closed", Step::Close), ("reset", Step::Reset)] {
                let name = format!("{name} after {bytes} bytes of an early 404");
                let expected = unknown(lost).not_executed().on_connections(2);
                let script = vec![Step::Read(1000), sent.clone(), end];
                self.add_conversation(LONG_TIMEOUT, name, spec, vec![script], expected);
            }
        }
        for (name, end) in [("closed", Step::Close), ("left open", Step::Hang)] {
            let scripts = vec![vec![Step::Read(1000), Step::Send(response.clone()), end], no_fault()];
            let expected = success().on_connections(2);
            self.add_conversation(LONG_TIMEOUT, format!("an early 404, {name}"), spec, scripts, expected);
        }
    }

    /// Commands that may be executed in any order are sent in no other form.
    fn unordered(&mut self) {
        let spec = RequestSpec { is_unordered: true, ..RequestSpec::new(6, 3) };
        let hint = &["concurrent batches need Centrifugo 5.2 or later"];
        for (name, response, connections) in
            [("404", not_found(), 2), ("404 in HTML", html(404), 3), ("403", html(403), 5)]
        {
            for major in [4, 6] {
                let spec = RequestSpec { major, ..spec };
                let mut scripts = vec![decline(&response)];
                if is_html(&response) {
                    scripts.extend([no_fault(), decline(&response)]);
                }
                // The question whether this is an older server is answered.
                scripts.push(no_fault());
                let expected = rejected(hint).on_connections(connections);
                self.add_conversation(LONG_TIMEOUT, format!("unordered, {name}"), spec, scripts, expected);
            }
        }
        let older = RequestSpec { major: 4, is_first: false, ..spec };
        let expected = rejected(hint).on_connections(1);
        self.add_conversation(LONG_TIMEOUT, "unordered, an older server", older, vec![], expected);
        self.add("unordered", spec, no_fault(), success().on_connections(1));
        for fault in faults().into_iter().filter(|fault| !fault.name.starts_with("status")) {
            let (timeout, name) = (fault.timeout(), format!("unordered, {}", fault.name));
            self.add_conversation(timeout, name, spec, vec![fault.script], fault.expected.on_connections(2));
        }
    }
}
