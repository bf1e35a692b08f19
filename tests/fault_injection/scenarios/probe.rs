//! Faults in the requests that ask what a server has: they execute nothing, and their failure changes nothing.

use super::fallback::misunderstood;
use super::faults::decline;
use super::{
    Expected, LONG_TIMEOUT, RequestSpec, Response, SHORT_TIMEOUT, Scenarios, Script, Step, capture_last, no_fault,
    rejected, success,
};
use crate::server::GARBAGE;

/// A probe, and what comes before and after it.
struct Probe {
    name: &'static str,
    spec: RequestSpec,
    before: Vec<Script>,
    request_len: usize,
    /// A response that confirms what was asked.
    confirming: Vec<u8>,
    /// The outcome if the probe is not confirmed.
    refuted: Expected,
    /// The outcome if it is, and the requests that follow then.
    confirmed: (Expected, Vec<Script>),
}

impl Probe {
    fn new(
        name: &'static str,
        spec: RequestSpec,
        before: Vec<Script>,
        confirming: &Response,
        refuted: Expected,
        confirmed: (Expected, Vec<Script>),
    ) -> Self {
        let mut scripts = before.clone();
        scripts.push(vec![Step::ReadAll, Step::respond(&Response::new(500))]);
        let request_len = capture_last(spec, scripts).0.len();
        Self { name, spec, before, request_len, confirming: confirming.to_bytes(), refuted, confirmed }
    }

    fn scripts(&self, script: Script) -> Vec<Script> {
        [self.before.clone(), vec![script]].concat()
    }
}

impl Scenarios {
    pub(super) fn probes(&mut self) {
        let bad_request = decline(&Response::plain(400, "Bad Request"));
        let not_found = decline(&Response::plain(404, "404 page not found"));
        let moved = Response::new(301).header("Location", "/api/");
        let (one, several) = (RequestSpec::new(6, 1), RequestSpec::new(6, 3));
        let invalid_params = rejected(&["check the params for wrong types"]);
        for probe in [
            // The server has only the current form.
            Probe::new(
                "after two 404s",
                RequestSpec::new(7, 1),
                vec![not_found, no_fault()],
                &Response::new(401),
                rejected(&["check the path and port"]).on_connections(2),
                (rejected(&["does not support the method"]).on_connections(2), vec![]),
            ),
            Probe::new(
                "for Centrifugo 1",
                one,
                vec![bad_request.clone()],
                &moved,
                invalid_params.clone().on_connections(3),
                (rejected(&["use a secret instead of an API key"]).on_connections(3), vec![]),
            ),
            Probe::new(
                "for an API at the root",
                one,
                vec![decline(&misunderstood())],
                &misunderstood(),
                rejected(&["(107)"]).on_connections(2),
                // The server has the legacy form too.
                (success().on_connections(1), vec![no_fault()]),
            ),
        ] {
            self.fail_during_probe(&probe);
        }
        // A batch is halved whatever becomes of the probe.
        for (name, script) in [
            ("closed", vec![Step::ReadAll, Step::Close]),
            ("status 500", decline(&Response::new(500))),
            ("garbage", vec![Step::ReadAll, Step::Send(GARBAGE.to_vec()), Step::Close]),
        ] {
            let scripts = vec![bad_request.clone(), script, no_fault(), no_fault()];
            let expected = invalid_params.clone().invalid(2).on_connections(3);
            self.add_conversation(LONG_TIMEOUT, format!("{name} in a probe of a batch"), several, scripts, expected);
        }
        let scripts = vec![bad_request, decline(&moved)];
        let expected = rejected(&["use a secret instead of an API key"]).on_connections(3);
        self.add_conversation(LONG_TIMEOUT, "Centrifugo 1 rejects a batch", several, scripts, expected);
    }

    fn fail_during_probe(&mut self, probe: &Probe) {
        let Probe { name: which, spec, request_len, confirming, refuted, confirmed, .. } = probe;
        for bytes in self.stop_positions(*spec, *request_len) {
            let name = |end: &str| format!("{end} after {bytes} bytes of the probe {which}");
            for (end, steps) in ends() {
                let script = [vec![Step::Read(bytes)], steps].concat();
                self.fail_probe(probe, name(end), script);
            }
        }
        for bytes in self.stop_positions(*spec, confirming.len() - 1) {
            let name = |end: &str| format!("{end} after {bytes} bytes of the response to the probe {which}");
            for (end, steps) in ends() {
                let script = [vec![Step::ReadAll, Step::Send(confirming[..bytes].to_vec())], steps].concat();
                self.fail_probe(probe, name(end), script);
            }
        }
        for status in [200, 204, 301, 403, 404, 429, 500, 503] {
            let script = decline(&Response::new(status));
            // Connections differ.
            let expected = Expected { connections: None, ..refuted.clone() };
            let name = format!("status {status} to the probe {which}");
            self.add_conversation(LONG_TIMEOUT, name, *spec, probe.scripts(script), expected);
        }
        let script = vec![Step::ReadAll, Step::Send(confirming.clone())];
        let scripts = [probe.scripts(script), confirmed.1.clone()].concat();
        self.add_conversation(LONG_TIMEOUT, format!("the probe {which}"), *spec, scripts, confirmed.0.clone());
    }

    fn fail_probe(&mut self, probe: &Probe, name: String, script: Script) {
        let timeout = if script.last() == Some(&Step::Hang) { SHORT_TIMEOUT } else { LONG_TIMEOUT };
        self.add_conversation(timeout, name, probe.spec, probe.scripts(script), probe.refuted.clone());
    }
}

/// How a connection ends.
fn ends() -> [(&'static str, Script); 4] {
    [
        ("closed", vec![Step::Close]),
        ("reset", vec![Step::Reset]),
        ("silent", vec![Step::Hang]),
        ("garbage", vec![Step::Send(GARBAGE.to_vec()), Step::Close]),
    ]
}
