//! One call: speed against a minimal client, curl and Python, with large params and over TLS, and its cost.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::harness::{Cores, Invocation, Stub, has, measure_interleaved};
use crate::stub_server::{REPLY, SECRET, sign};
use crate::{Bench, LINKED, Target, body, number, params, print_ratio, print_row, print_skipped, publish};

/// Where systems keep all CA certificates in one file.
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
        for (cent, which, section, host, target) in [
            (self.cent.as_str(), "", "ip", "127.0.0.1", Target::AtMost(1.65)),
            (&self.cent, "", "name", "localhost", Target::AtMost(1.75)),
            (LINKED, ", program not installed but as it was linked", "ip", "127.0.0.1", Target::None),
        ] {
            let head = format!("POST /api/ HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json");
            let request = format!("{head}\r\nContent-Length: {}\r\nX-API-Sign: {signature}\r\n\r\n{body}", body.len());
            let floor = self.dir.path("floor").display().to_string();
            let floor = Invocation::new(&[&floor, host, &port, &request]);
            let times = measure_interleaved(ROUNDS, self.timed(&publish(cent, section, &params)), self.timed(&floor));
            stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
            print_ratio(&format!("one call by {host}{which}: times that of a minimal C client"), &times, target);
        }
        self.against_curl(&mut stub, &params, &body);
        self.against_python(&mut stub, &params);
        self.cost_of_one_call();
    }

    fn against_curl(&self, stub: &mut Stub, params: &str, body: &str) {
        const ROUNDS: usize = 60;
        if !(has("curl") && has("openssl")) {
            return print_skipped("openssl and curl", "they are not installed");
        }
        let script = r#"sign=$(printf %s "$3" | openssl dgst -sha256 -hmac "$2" -r)
            exec curl -sf -H 'Content-Type: application/json' -H "X-API-Sign: ${sign%% *}" -d "$3" "$1""#;
        let url = format!("http://127.0.0.1:{}/api/", stub.port());
        let shell =
            Invocation::new(&["sh", "-c", script, "sh", &url, SECRET, body]).expects_output(&format!("[{REPLY}]"));
        let times = measure_interleaved(ROUNDS, self.timed(&shell), self.timed(&self.publish("ip", params)));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        print_ratio("one call: times faster than openssl and curl", &times, Target::AtLeast(6.0));
    }

    fn against_python(&self, stub: &mut Stub, params: &str) {
        const ROUNDS: usize = 20;
        let Some(python) = self.python() else {
            return print_skipped("Python's console", "pip has no cent 1.3.0 here");
        };
        // It reads params from standard input and ignores --params.
        let input = self.dir.write("params", params);
        let cent = python.join("cent").display().to_string();
        let console = Invocation::new(&[&cent, "ip", "publish"]).input(&input);
        let times = measure_interleaved(ROUNDS, self.timed(&console), self.timed(&self.publish("ip", params)));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        print_ratio("one call: times faster than Python's cent 1.3.0", &times, Target::AtLeast(30.0));
    }

    /// Memory, size, instructions, system calls and threads of one call.
    fn cost_of_one_call(&self) {
        let stub = self.stub(Cores::All, &[]);
        let call = self.publish("ip", &params(0));
        let measurement: Vec<_> = (0..20).map(|_| self.dir.run(&call)).collect();
        let most = measurement.iter().map(|measurement| measurement.kib).max().unwrap_or_default();
        print_row("one call: memory in MiB", number(most) / 1024.0, None, Target::AtMost(4.5));
        let faults = measurement.iter().map(|measurement| measurement.faults).max().unwrap_or_default();
        print_row("one call: page faults", number(faults), None, Target::None);
        let size = fs::metadata(&self.cent).expect("the program exists").len();
        print_row("program in MB", number(size) / 1e6, None, Target::AtMost(3.0));
        match self.instructions(&call) {
            Some(count) => {
                print_row("one call: instructions in millions", number(count) / 1e6, None, Target::AtMost(0.80));
            }
            None => print_skipped("instructions", "valgrind is not installed"),
        }
        match self.system_calls(&call) {
            Some((calls, threads)) => {
                print_row("one call: system calls", number(calls), None, Target::AtMost(100.0));
                print_row("one call: threads", number(threads), None, Target::AtMost(1.0));
            }
            None => print_skipped("system calls", "strace is not installed"),
        }
        drop(stub);
    }

    /// The system calls and the threads of a call.
    fn system_calls(&self, call: &Invocation) -> Option<(u64, u64)> {
        if !has("strace") {
            return None;
        }
        let counts = self.dir.path("counts").display().to_string();
        self.dir.capture(&call.clone().run_under(&["strace", "-f", "-c", "-U", "name,calls", "-o", &counts]));
        let counts = fs::read_to_string(counts).expect("strace has written its counts");
        let count = |wanted: &str| {
            let line = counts.lines().find_map(|line| line.trim().strip_prefix(wanted))?;
            line.trim().parse::<u64>().ok()
        };
        let started = ["clone ", "clone3 "].into_iter().filter_map(count).sum::<u64>();
        Some((count("total ")?, 1 + started))
    }

    /// Params of a thousand to ten million bytes, against curl with the same bytes and no signature.
    pub(crate) fn large_params(&self) {
        let mut stub = self.stub(Cores::All, &[]);
        for (name, bytes, rounds, target) in [
            ("1 KB", 1_000, 60, Target::None),
            ("100 KB", 100_000, 60, Target::None),
            ("10 MB", 10_000_000, 30, Target::AtMost(2.6)),
        ] {
            let params = format!(r##"{{"channel": "news", "data": "#0 {}"}}"##, "x".repeat(bytes));
            let file = self.dir.write("params", &params);
            let cent = self.publish("ip", &format!("@{}", file.display()));
            if has("curl") {
                let body = self.dir.write("body", body([params.as_str()].into_iter()));
                let url = format!("http://127.0.0.1:{}/api/", stub.port());
                let curl = curl(&url, &body, &[]);
                stub.stats();
                let times = measure_interleaved(rounds, self.timed(&cent), self.timed(&curl));
                let stats = stub.stats();
                let all = 2 * rounds as u64;
                assert_eq!(
                    (stats.requests, stats.commands, stats.unsigned, stats.wrongly_signed),
                    (all, all, all / 2, 0)
                );
                print_ratio(&format!("params of {name}: times that of curl, which does not sign"), &times, target);
            } else {
                print_skipped("params against curl", "it is not installed");
            }
            let kib = self.dir.run(&cent).kib;
            let rest = number(kib) / 1024.0 - 1.25 * number(params.len() as u64) / (1024.0 * 1024.0);
            print_row(
                &format!("params of {name}: memory in MiB beyond 1.25 times the params"),
                rest,
                None,
                Target::AtMost(4.0),
            );
        }
    }

    pub(crate) fn tls(&self) {
        const ROUNDS: usize = 60;
        if !has("curl") {
            return print_skipped("TLS", "curl is not installed");
        }
        let ca = self.ca();
        let (chain, key) = (self.dir.path("chain.pem"), self.dir.path("key.pem"));
        let mut stub = self.stub(Cores::All, &[&chain, &key]);
        let url = format!("https://localhost:{}/api/", stub.port());
        let params = params(0);
        let body = self.dir.write("body", self::body([params.as_str()].into_iter()));
        let bundle = SYSTEM_BUNDLES.iter().find_map(|bundle| fs::read_to_string(bundle).ok());
        let bundle = bundle.map(|bundle| self.dir.write("bundle.pem", bundle + &ca));
        let one = Some(self.dir.write("authority.pem", &ca));
        for (name, file, target) in [("one authority", one, 3.0), ("the system's authorities", bundle, 7.5)] {
            let Some(file) = file else { return print_skipped(name, "this system has no file of them") };
            let cent = self.publish("tls", &params).env("SSL_CERT_FILE", &file);
            let curl = curl(&url, &body, &["--cacert", &file.display().to_string()]);
            let times = measure_interleaved(ROUNDS, self.timed(&curl), self.timed(&cent));
            let stats = stub.stats();
            assert_eq!((stats.requests, stats.unsigned, stats.wrongly_signed), (2 * ROUNDS as u64, ROUNDS as u64, 0));
            print_ratio(&format!("TLS, {name}: times faster than curl"), &times, Target::AtLeast(target));
        }
    }

    /// Writes a certificate for localhost and its key; returns the certificate of its CA.
    fn ca(&self) -> String {
        let key = || KeyPair::generate().expect("a key is generated");
        let mut params = CertificateParams::new([]).expect("a CA needs no host");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of the benchmark");
        let ca = CertifiedIssuer::self_signed(params, key()).expect("the CA certificate is valid");
        let leaf_key = key();
        let leaf = CertificateParams::new(["localhost".to_owned()]).expect("the name is valid");
        let leaf = leaf.signed_by(&leaf_key, &ca).expect("the CA issues a certificate");
        self.dir.write("chain.pem", leaf.pem());
        self.dir.write("key.pem", leaf_key.serialize_pem());
        ca.pem()
    }
}

/// Posts a file without a signature and without waiting for `100 Continue`.
fn curl(url: &str, body: &Path, args: &[&str]) -> Invocation {
    let body = format!("@{}", body.display());
    let fixed = ["curl", "-sf", "-H", "Content-Type: application/json", "-H", "Expect:", "--data-binary", &body, url];
    Invocation::new(&[&fixed, args].concat()).expects_output(&format!("[{REPLY}]"))
}
