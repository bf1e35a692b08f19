//! A server in transport error mode: an error has a status of its own, and its code and message are the body.

use super::faults::decline;
use super::{LONG_TIMEOUT, RequestSpec, Response, Scenarios, Step, no_fault, not_accepted, rejected, unknown};

impl Scenarios {
    pub(super) fn transport_errors(&mut self) {
        for commands in [1, 3] {
            for is_first in [true, false] {
                let spec = RequestSpec { is_first, ..RequestSpec::new(6, commands) };
                for (status, code) in [
                    (400, 107),
                    (400, 108),
                    (400, 100),
                    (404, 102),
                    (404, 104),
                    (404, 111),
                    (408, 100),
                    (409, 113),
                    (416, 112),
                    (425, 100),
                    (429, 100),
                    (500, 100),
                    (500, 102),
                    (502, 102),
                    (503, 100),
                ] {
                    self.transport_error(spec, status, code);
                }
            }
        }
    }

    fn transport_error(&mut self, spec: RequestSpec, status: u16, code: u64) {
        let body = format!(r#"{{"code":{code},"message":"no"}}"#);
        let response = Response { status, ..Response::json(body) };
        // A code that says nothing about the execution counts only where it is the code of the one command.
        let is_unknown = spec.commands == 1 && matches!(code, 100 | 111);
        let is_early = matches!(status, 408 | 425 | 429);
        let expected = match status {
            _ if is_early => not_accepted(&["nothing was accepted: try again later"]),
            500.. => unknown(&["may have been executed"]),
            _ if is_unknown => unknown(&["may have been executed"]),
            _ => rejected(&["; "]),
        };
        let connections = if status == 404 { 1 } else { 2 };
        let name = format!("status {status} with code {code}");
        let mut scripts = vec![decline(&response)];
        if code == 107 && spec.commands == 1 && spec.is_first {
            // The client asks whether the API is at `/`.
            scripts.push(no_fault());
        }
        let declined = expected.clone().not_executed().on_connections(connections);
        self.add_conversation(LONG_TIMEOUT, &name, spec, scripts, declined);
        if expected.messages == ["may have been executed"] {
            let script = vec![Step::Execute, Step::respond(&response)];
            self.add(format!("{name}, executed"), spec, script, expected.on_connections(connections));
        }
    }
}
