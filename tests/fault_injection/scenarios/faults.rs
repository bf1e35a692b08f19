//! The faults that any one of several requests can have; each ends its connection, or says no more than a status.

use std::time::Duration;

use super::{
    CLOSED, CORRUPT, Expected, INVALID_HTTP, LONG_TIMEOUT, RESET, Response, SHORT_TIMEOUT, SOME, Script, Step,
    TIMED_OUT, not_accepted, rejected, unknown,
};
use crate::server::{GARBAGE, corrupt_response, fail_during_request, fail_during_response};

/// A fault, and what it means for the request that has it.
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) expected: Expected,
}

impl Fault {
    pub(crate) fn new(name: impl Into<String>, script: Script, expected: Expected) -> Self {
        Self { name: name.into(), script, expected }
    }

    /// The server does not execute the request, but responds with this.
    pub(crate) fn declined(name: impl Into<String>, response: &Response, expected: Expected) -> Self {
        Self::new(name, decline(response), expected)
    }

    pub(crate) fn timeout(&self) -> Duration {
        if self.expected.messages == TIMED_OUT { SHORT_TIMEOUT } else { LONG_TIMEOUT }
    }
}

/// Responds without executing the request, and keeps the connection open.
pub(crate) fn decline(response: &Response) -> Script {
    vec![Step::ReadAll, Step::respond(response)]
}

pub(crate) fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for bytes in [0, 1, 100, 200] {
        let mut add = |end: &str, script: Script, messages| {
            let name = format!("{end} after {bytes} bytes of the request");
            faults.push(Fault::new(name, script, unknown(messages).not_executed()));
        };
        add("closed", fail_during_request(bytes, Step::Close), CLOSED);
        add("reset", fail_during_request(bytes, Step::Reset), RESET);
        add("silent", fail_during_request(bytes, Step::Hang), TIMED_OUT);
        add("garbage", vec![Step::Read(bytes), Step::Send(GARBAGE.to_vec()), Step::Close], INVALID_HTTP);
    }
    for bytes in [0, 1, 20, 100, 120] {
        let mut add = |end: &str, script: Script, messages| {
            let name = format!("{end} after {bytes} bytes of the response");
            faults.push(Fault::new(name, script, unknown(messages)));
        };
        add("closed", fail_during_response(bytes, Step::Close), CLOSED);
        add("reset", fail_during_response(bytes, Step::Reset), RESET);
        add("silent", fail_during_response(bytes, Step::Hang), TIMED_OUT);
        add("garbage", corrupt_response(bytes), CORRUPT);
    }
    let later: &[&str] = &["nothing was accepted: try again later"];
    for (status, expected) in [
        (301, unknown(SOME).not_executed()),
        (401, rejected(&["unauthorized (401)"])),
        (408, not_accepted(later)),
        (413, rejected(&["is too large (413)"])),
        (429, not_accepted(later)),
        (500, unknown(SOME).not_executed()),
        (503, not_accepted(later)),
    ] {
        faults.push(Fault::declined(format!("status {status}"), &Response::new(status), expected));
    }
    for status in [500, 502] {
        let script = vec![Step::Execute, Step::respond(&Response::new(status))];
        faults.push(Fault::new(format!("status {status}, executed"), script, unknown(SOME)));
    }
    faults
}
