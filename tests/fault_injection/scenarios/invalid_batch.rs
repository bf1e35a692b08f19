//! A batch that the server rejects because of one command: the client halves it until it knows which, and executes the
//! commands before it on the way.

use std::ops::Range;

use super::fallback::misunderstood;
use super::faults::{self, Fault, decline};
use super::{
    Coverage, LONG_TIMEOUT, NOT_REPLIES, RequestSpec, Response, SOME, Scenarios, Step, WRONG_NUMBER, no_fault,
    rejected, unknown,
};
use crate::case::Executed;
use crate::server::ApiForm;

const COMMANDS: usize = 5;

/// The parts that the client sends after the whole batch: always the first half of what is left.
fn parts(commands: usize, invalid: usize) -> Vec<Range<usize>> {
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
            }
        }
        let all_bad = decline(&Response::plain(400, "Bad Request"));
        let spec = RequestSpec { is_first: false, ..RequestSpec::new(6, COMMANDS) };
        let expected = rejected(&["because of command 1 (publish)"]).invalid(0);
        self.add_conversation(LONG_TIMEOUT, "400 whatever is sent", spec, vec![all_bad; 3], expected);
    }

    fn invalid_batch(&mut self, spec: RequestSpec, invalid: usize) {
        let parts = parts(spec.commands, invalid);
        let batch = format!("batch with invalid command {}", invalid + 1);
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
            for (number, fault) in faults_in(part, is_valid).into_iter().enumerate() {
                // Each fault of a sample is tried in some of the parts.
                if self.coverage == Coverage::Rotating && !(number + invalid + index).is_multiple_of(4) {
                    continue;
                }
                let mut scripts = vec![no_fault(); before + index];
                let (timeout, name) = (fault.timeout(), format!("{batch}, in part {}: {}", index + 1, fault.name));
                scripts.push(fault.script);
                self.add_conversation(timeout, name, spec, scripts, fault.expected);
            }
        }
    }
}

/// Faults in the request with this part of the commands. All commands before it were answered, those of an invalid part
/// are never executed.
fn faults_in(part: &Range<usize>, is_valid: bool) -> Vec<Fault> {
    // The server has responded in this form: no other one is tried.
    let mut faults = faults::faults();
    for status in [403, 404, 405] {
        let page = Response::new(status).header("Content-Type", "text/html").body("<html>");
        faults.push(Fault::declined(format!("{status} in HTML"), &page, unknown(SOME).not_executed()));
    }
    // Smaller parts follow a 413 to several commands.
    faults.retain(|fault| fault.name != "status 413" || part.len() == 1);
    faults.push(Fault::declined("error 107", &misunderstood(), unknown(NOT_REPLIES).not_executed()));
    for times in [0, part.len() - 1, part.len() + 1, COMMANDS + 1] {
        let replies = ApiForm::Current.batch_replies(r#"{"result":{}}"#, times);
        let script = vec![Step::Execute, Step::respond(&replies)];
        faults.push(Fault::new(format!("{times} replies"), script, unknown(WRONG_NUMBER)));
    }
    for fault in &mut faults {
        let is_executed = fault.expected.executed == Executed::All && is_valid;
        let executed = Executed::First(if is_executed { part.end } else { part.start });
        fault.expected = fault.expected.clone().after_answered(part.start).executed(executed);
    }
    faults
}
