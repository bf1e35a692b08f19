//! One call: against a minimal client, against curl and Python, with large params, over TLS, and what it costs.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::measure::{Call, Cores, Stub, has, paired};
use crate::stub::{REPLY, SECRET, sign};
use crate::{Bench, Goal, LINKED, body, number, params, publish, ratio, row, skipped};

/// Where systems keep the certificates of all authorities in one file.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Bench {
    pub(crate) fn one_call(&self) {
        const ROUNDS: usize = 400;
        let mut stub = self.stub(Cores::All, &[]);
        let port = stub.port().to_string();
        let params = params(0);
        let body = body([params.as_str()].into_iter());
        let signature = sign(SECRET, body.as_bytes());
        for (cent, which, section, host, goal) in [
            (self.cent.as_str(), "", "ip", "127.0.0.1", Goal::AtMost(1.65)),
            (&self.cent, "", "name", "localhost", Goal::AtMost(1.75)),
            (LINKED, ", program not installed but as it was linked", "ip", "127.0.0.1", Goal::None),
        ] {
            let head = format!("POST /api/ HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json");
            let request = format!("{head}\r\nContent-Length: {}\r\nX-API-Sign: {signature}\r\n\r\n{body}", body.len());
            let floor = self.folder.path("floor").display().to_string();
            let floor = Call::new(&[&floor, host, &port, &request]);
            let times = paired(ROUNDS, self.timed(&publish(cent, section, &params)), self.timed(&floor));
            stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
            ratio(&format!("one call by {host}{which}: times that of a minimal C client"), &times, goal);
        }
        self.against_curl(&mut stub, &params, &body);
        self.against_python(&mut stub, &params);
        self.cost_of_one_call();
    }

    fn against_curl(&self, stub: &mut Stub, params: &str, body: &str) {
        const ROUNDS: usize = 60;
        if !(has("curl") && has("openssl")) {
            return skipped("openssl and curl", "they are not installed");
        }
        let script = r#"sign=$(printf %s "$3" | openssl dgst -sha256 -hmac "$2" -r)
            exec curl -sf -H 'Content-Type: application/json' -H "X-API-Sign: ${sign%% *}" -d "$3" "$1""#;
        let url = format!("http://127.0.0.1:{}/api/", stub.port());
        let shell = Call::new(&["sh", "-c", script, "sh", &url, SECRET, body]).prints(&format!("[{REPLY}]"));
        let times = paired(ROUNDS, self.timed(&shell), self.timed(&self.publish("ip", params)));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        ratio("one call: times faster than openssl and curl", &times, Goal::AtLeast(6.0));
    }

    fn against_python(&self, stub: &mut Stub, params: &str) {
        const ROUNDS: usize = 20;
        let Some(python) = self.python() else { return skipped("Python's console", "pip has no cent 1.3.0 here") };
        // It takes standard input for the params, whatever --params says.
        let input = self.folder.write("params", params);
        let cent = python.join("cent").display().to_string();
        let console = Call::new(&[&cent, "ip", "publish"]).input(&input);
        let times = paired(ROUNDS, self.timed(&console), self.timed(&self.publish("ip", params)));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        ratio("one call: times faster than Python's cent 1.3.0", &times, Goal::AtLeast(30.0));
    }

    /// Memory, size, instructions, system calls and threads of one call.
    fn cost_of_one_call(&self) {
        let stub = self.stub(Cores::All, &[]);
        let call = self.publish("ip", &params(0));
        let took: Vec<_> = (0..20).map(|_| self.folder.run(&call)).collect();
        let most = took.iter().map(|took| took.kib).max().unwrap_or_default();
        row("one call: memory in MiB", number(most) / 1024.0, None, Goal::AtMost(4.5));
        let faults = took.iter().map(|took| took.faults).max().unwrap_or_default();
        row("one call: page faults", number(faults), None, Goal::None);
        let size = fs::metadata(&self.cent).expect("the program is there").len();
        row("program in MB", number(size) / 1e6, None, Goal::AtMost(3.0));
        match self.instructions(&call) {
            Some(count) => row("one call: instructions in millions", number(count) / 1e6, None, Goal::AtMost(0.80)),
            None => skipped("instructions", "valgrind is not installed"),
        }
        match self.system_calls(&call) {
            Some((calls, threads)) => {
                row("one call: system calls", number(calls), None, Goal::AtMost(100.0));
                row("one call: threads", number(threads), None, Goal::AtMost(1.0));
            }
            None => skipped("system calls", "strace is not installed"),
        }
        drop(stub);
    }

    /// How many system calls a call makes, and in how many threads.
    fn system_calls(&self, call: &Call) -> Option<(u64, u64)> {
        if !has("strace") {
            return None;
        }
        let counts = self.folder.path("counts").display().to_string();
        self.folder.told_by(&call.clone().through(&["strace", "-f", "-c", "-U", "name,calls", "-o", &counts]));
        let counts = fs::read_to_string(counts).expect("strace has written");
        let count = |wanted: &str| {
            let line = counts.lines().find_map(|line| line.trim().strip_prefix(wanted))?;
            line.trim().parse::<u64>().ok()
        };
        let started = ["clone ", "clone3 "].into_iter().filter_map(count).sum::<u64>();
        Some((count("total ")?, 1 + started))
    }

    /// Params of a thousand bytes to ten million, against what curl takes for the same bytes without a signature.
    pub(crate) fn large_params(&self) {
        let mut stub = self.stub(Cores::All, &[]);
        for (name, bytes, rounds, goal) in [
            ("1 KB", 1_000, 60, Goal::None),
            ("100 KB", 100_000, 60, Goal::None),
            ("10 MB", 10_000_000, 30, Goal::AtMost(2.6)),
        ] {
            let params = format!(r##"{{"channel": "news", "data": "#0 {}"}}"##, "x".repeat(bytes));
            let file = self.folder.write("params", &params);
            let cent = self.publish("ip", &format!("@{}", file.display()));
            if has("curl") {
                let body = self.folder.write("body", body([params.as_str()].into_iter()));
                let url = format!("http://127.0.0.1:{}/api/", stub.port());
                let curl = curl(&url, &body, &[]);
                stub.seen();
                let times = paired(rounds, self.timed(&cent), self.timed(&curl));
                let seen = stub.seen();
                let all = 2 * rounds as u64;
                assert_eq!((seen.requests, seen.commands, seen.unsigned, seen.badly_signed), (all, all, all / 2, 0));
                ratio(&format!("params of {name}: times that of curl, which does not sign"), &times, goal);
            } else {
                skipped("params against curl", "it is not installed");
            }
            let kib = self.folder.run(&cent).kib;
            let rest = number(kib) / 1024.0 - 1.25 * number(params.len() as u64) / (1024.0 * 1024.0);
            row(
                &format!("params of {name}: memory in MiB beyond 1.25 times the params"),
                rest,
                None,
                Goal::AtMost(4.0),
            );
        }
    }

    pub(crate) fn tls(&self) {
        const ROUNDS: usize = 60;
        if !has("curl") {
            return skipped("TLS", "curl is not installed");
        }
        let authority = self.authority();
        let (chain, key) = (self.folder.path("chain.pem"), self.folder.path("key.pem"));
        let mut stub = self.stub(Cores::All, &[&chain, &key]);
        let url = format!("https://localhost:{}/api/", stub.port());
        let params = params(0);
        let body = self.folder.write("body", self::body([params.as_str()].into_iter()));
        let bundle = SYSTEM_BUNDLES.iter().find_map(|bundle| fs::read_to_string(bundle).ok());
        let bundle = bundle.map(|bundle| self.folder.write("bundle.pem", bundle + &authority));
        let one = Some(self.folder.write("authority.pem", &authority));
        for (name, file, goal) in [("one authority", one, 3.0), ("the system's authorities", bundle, 7.5)] {
            let Some(file) = file else { return skipped(name, "this system has no file of them") };
            let cent = self.publish("tls", &params).env("SSL_CERT_FILE", &file);
            let curl = curl(&url, &body, &["--cacert", &file.display().to_string()]);
            let times = paired(ROUNDS, self.timed(&curl), self.timed(&cent));
            let seen = stub.seen();
            assert_eq!((seen.requests, seen.unsigned, seen.badly_signed), (2 * ROUNDS as u64, ROUNDS as u64, 0));
            ratio(&format!("TLS, {name}: times faster than curl"), &times, Goal::AtLeast(goal));
        }
    }

    /// Writes a certificate for localhost and its key; gives back that of the authority that signed it.
    fn authority(&self) -> String {
        let key = || KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([]).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of the benchmark");
        let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority signs itself");
        let leaf_key = key();
        let leaf = CertificateParams::new(["localhost".to_owned()]).expect("it is a name");
        let leaf = leaf.signed_by(&leaf_key, &authority).expect("an authority signs");
        self.folder.write("chain.pem", leaf.pem());
        self.folder.write("key.pem", leaf_key.serialize_pem());
        authority.pem()
    }
}

/// Posts a file's content without a signature, and without waiting whether the server will have it.
fn curl(url: &str, body: &Path, words: &[&str]) -> Call {
    let body = format!("@{}", body.display());
    let fixed = ["curl", "-sf", "-H", "Content-Type: application/json", "-H", "Expect:", "--data-binary", &body, url];
    Call::new(&[&fixed, words].concat()).prints(&format!("[{REPLY}]"))
}
