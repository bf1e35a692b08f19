//! A batch that the server rejects because of one command: the client halves it until it knows which, and executes the
//! commands before it on the way.

use std::ops::Range;
use std::time::Duration;

use super::fallback::{decline, misunderstood};
use super::{
    CLOSED, CORRUPT, Coverage, Expected, INVALID_HTTP, LONG_TIMEOUT, NOT_REPLIES, RESET, RequestSpec, Response,
    SHORT_TIMEOUT, Scenarios, Script, Step, TIMED_OUT, WRONG_NUMBER, no_fault, not_accepted, rejected, unknown,
};
use crate::case::Executed;
use crate::server::{ApiForm, GARBAGE, corrupt_response, fail_during_request, fail_during_response};

const COMMANDS: usize = 5;

/// The parts that the client sends after the whole batch: always the first half of what is left.
pub(crate) fn parts(commands: usize, invalid: usize) -> Vec<Range<usize>> {
    let (mut start, mut end, mut parts) = (0, commands, Vec::new());
    while end - start > 1 {
        let middle = start + (end - start) / 2;
        parts.push(start..middle);
        if invalid < middle { end = middle } else { start = middle }
    }
    parts
}

impl Scenarios {
    pub(super) fn invalid_batches(&mut self) {
        for invalid in 0..COMMANDS {
            for is_first in [true, false] {
                let spec = RequestSpec { is_first, invalid: Some(invalid), ..RequestSpec::new(6, COMMANDS) };
                self.invalid_batch(spec, invalid);
                if !is_first {
                    self.invalid_batch(RequestSpec { is_unordered: true, ..spec }, invalid);
                }
            }
        }
        let all_bad = decline(&Response::plain(400, "Bad Request"));
        let spec = RequestSpec { is_first: false, ..RequestSpec::new(6, COMMANDS) };
        let expected = rejected(&["because of command 1 (publish)"]).invalid(0);
        self.add_conversation(LONG_TIMEOUT, "400 whatever is sent", spec, vec![all_bad; 3], expected);
    }

    fn invalid_batch(&mut self, spec: RequestSpec, invalid: usize) {
        let parts = parts(spec.commands, invalid);
        let order = if spec.is_unordered { "unordered " } else { "" };
        let batch = format!("{order}batch with invalid command {}", invalid + 1);
        // The whole batch, and the probe for Centrifugo 1.
        let before = 1 + usize::from(spec.is_first);
        let scripts = vec![no_fault(); before + parts.len()];
        self.add_conversation(
            LONG_TIMEOUT,
            &batch,
            spec,
            scripts,
            rejected(&["bad request (400) because of command "]).invalid(invalid),
        );
        for (index, part) in parts.iter().enumerate() {
            let is_valid = !part.contains(&invalid);
            for (number, (fault, timeout, script, expected)) in faults(part, is_valid).into_iter().enumerate() {
                // Each fault of a sample is tried in some of the parts.
                if self.coverage == Coverage::Rotating && !(number + invalid + index).is_multiple_of(4) {
                    continue;
                }
                let mut scripts = vec![no_fault(); before + index];
                scripts.push(script);
                let name = format!("{batch}, in part {}: {fault}", index + 1);
                self.add_conversation(timeout, name, spec, scripts, expected);
            }
        }
    }
}

/// Faults in the request with this part of the commands. All commands before it were answered, those of an invalid part
/// are never executed.
fn faults(part: &Range<usize>, is_valid: bool) -> Vec<(String, Duration, Script, Expected)> {
    let mut faults = Vec::new();
    let mut add = |name: String, script: Script, expected: Expected| {
        let timeout = if expected.messages == TIMED_OUT { SHORT_TIMEOUT } else { LONG_TIMEOUT };
        let is_executed = expected.executed == Executed::All && is_valid;
        let executed = Executed::First(if is_executed { part.end } else { part.start });
        let expected = expected.after_answered(part.start).executed(executed);
        faults.push((name, timeout, script, expected));
    };
    for bytes in [0, 1, 100, 200] {
        let name = |end: &str| format!("{end} after {bytes} bytes of the request");
        let during = |end: Step| fail_during_request(bytes, end);
        add(name("closed"), during(Step::Close), unknown(CLOSED).not_executed());
        add(name("reset"), during(Step::Reset), unknown(RESET).not_executed());
        add(name("silent"), during(Step::Hang), unknown(TIMED_OUT).not_executed());
        let garbled = vec![Step::Read(bytes), Step::Send(GARBAGE.to_vec()), Step::Close];
        add(name("garbage"), garbled, unknown(INVALID_HTTP).not_executed());
    }
    for bytes in [0, 1, 20, 100, 120] {
        let name = |end: &str| format!("{end} after {bytes} bytes of the response");
        let during = |end: Step| fail_during_response(bytes, end);
        add(name("closed"), during(Step::Close), unknown(CLOSED));
        add(name("reset"), during(Step::Reset), unknown(RESET));
        add(name("silent"), during(Step::Hang), unknown(TIMED_OUT));
        add(name("garbage"), corrupt_response(bytes), unknown(CORRUPT));
    }
    let later: &[&str] = &["nothing was accepted: try again later"];
    let some: &[&str] = &["may have been executed"];
    for (status, expected) in [
        (301, rejected(&["redirects are not followed"])),
        (401, rejected(&["unauthorized (401)"])),
        (403, rejected(&["forbidden (403)"])),
        // The server has responded in this form: no other one is tried.
        (404, rejected(&["not found (404)"])),
        (408, not_accepted(later)),
        (413, rejected(&["is too large (413)"])),
        (429, not_accepted(later)),
        (500, unknown(some).not_executed()),
        (503, not_accepted(later)),
    ] {
        add(format!("status {status}"), decline(&Response::new(status)), expected);
    }
    let page = Response::new(405).header("Content-Type", "text/html").body("<html>");
    add("405 in HTML".to_owned(), decline(&page), rejected(&["method not allowed (405)"]));
    for status in [500, 502] {
        let script = vec![Step::Execute, Step::respond(&Response::new(status))];
        add(format!("status {status}, executed"), script, unknown(some));
    }
    add("error 107".to_owned(), decline(&misunderstood()), unknown(NOT_REPLIES).not_executed());
    for times in [0, part.len() - 1, part.len() + 1, COMMANDS + 1] {
        let replies = ApiForm::Current.batch_replies(r#"{"result":{}}"#, times);
        let script = vec![Step::Execute, Step::respond(&replies)];
        add(format!("{times} replies"), script, unknown(WRONG_NUMBER));
    }
    faults
}
