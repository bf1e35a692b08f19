//! One call: speed against a minimal client, curl and Python, with large params and over TLS, and its cost.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::form::Form;
use crate::harness::{Cores, Invocation, Stub, has, measure_interleaved};
use crate::{Bench, CHANNEL, LINKED, Target, number, params, print_ratio, print_row, print_skipped, publish};

/// Where systems keep all CA certificates in one file.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Of the calls that take a millisecond.
pub(crate) const ROUNDS: usize = 400;

impl Bench {
    pub(crate) fn one_call(&self) {
        self.against_floor(Form::Signed, [Target::AtMost(1.65), Target::AtMost(1.75), Target::None]);
        self.against_floor(Form::Key, [Target::AtMost(1.65), Target::AtMost(1.75), Target::None]);
        self.localhost_against_ip();
        self.idempotent_against_plain();
        let mut stub = self.stub(Form::Signed, Cores::All, &[]);
        let params = params(CHANNEL, 0);
        self.against_curl(&mut stub, &params);
        self.against_python(&mut stub, &params);
        self.cost_of_one_call();
    }

    fn against_floor(&self, form: Form, [by_ip, by_name, as_linked]: [Target; 3]) {
        let mut stub = self.stub(form, Cores::All, &[]);
        let port = stub.port().to_string();
        let params = params(CHANNEL, 0);
        let body = form.publish_body(&params);
        for (cent, which, section, host, target) in [
            (self.cent.as_str(), "", "ip", "127.0.0.1", by_ip),
            (&self.cent, "", "name", "localhost", by_name),
            (LINKED, ", program not installed but as it was linked", "ip", "127.0.0.1", as_linked),
        ] {
            let request = format!(
                "POST {} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n{}: {}\r\n\r\n{body}",
                form.publish_path(),
                body.len(),
                form.header_name(),
                form.header_value(form.credential(), &body),
            );
            let floor = self.dir.path("floor").display().to_string();
            let floor = Invocation::new(&[&floor, host, &port, &request]);
            let cent = publish(cent, form, section, &params);
            let times = measure_interleaved(ROUNDS, self.timed(&cent), self.timed(&floor));
            stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
            let name = format!("one call by {host}{which}{}: times that of a minimal C client", form.suffix());
            print_ratio(&name, &times, target);
        }
    }

    /// The name costs no lookup. `::1` is tried first: where the server does not listen there, one connect is refused.
    fn localhost_against_ip(&self) {
        const CONNECTS: &str = "one call by localhost, server on 127.0.0.1 only: connects";
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            self.name_against_ip(Ipv6Addr::LOCALHOST.into(), Target::AtMost(1.03));
        } else {
            print_skipped("localhost against ::1", "this system has no IPv6");
        }
        self.name_against_ip(Ipv4Addr::LOCALHOST.into(), Target::None);
        let _stub = self.stub(Form::Key, Cores::All, &[]);
        match self.system_calls(&self.publish(Form::Key, "name", &params(CHANNEL, 0))) {
            Some(calls) => print_row(CONNECTS, number(calls.count("connect")), None, Target::AtMost(2.0)),
            None => print_skipped(CONNECTS, "strace is not installed"),
        }
    }

    fn name_against_ip(&self, ip: IpAddr, target: Target) {
        let mut stub = self.stub_at(ip, Form::Key, Cores::All, &[]);
        let call = |section| self.publish(Form::Key, section, &params(CHANNEL, 0));
        let times = measure_interleaved(ROUNDS, self.timed(&call("name")), self.timed(&call("ip")));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        print_ratio(&format!("one call by localhost, server on {ip} only: times that by {ip}"), &times, target);
    }

    /// It asks for the server's version before it relies on keys.
    fn idempotent_against_plain(&self) {
        let mut stub = self.stub(Form::Key, Cores::All, &[]);
        let plain = self.publish(Form::Key, "ip", &params(CHANNEL, 0));
        let idempotent = plain.clone().args(&["--idempotent", "--retry=1"]);
        let times = measure_interleaved(ROUNDS, self.timed(&idempotent), self.timed(&plain));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        print_ratio("one call with --idempotent --retry=1: times that without", &times, Target::None);
    }

    fn against_curl(&self, stub: &mut Stub, params: &str) {
        const ROUNDS: usize = 60;
        if !(has("curl") && has("openssl")) {
            return print_skipped("openssl and curl", "they are not installed");
        }
        let script = r#"sign=$(printf %s "$3" | openssl dgst -sha256 -hmac "$2" -r)
            exec curl -sf -H 'Content-Type: application/json' -H "X-API-Sign: ${sign%% *}" -d "$3" "$1""#;
        let url = format!("http://127.0.0.1:{}/api/", stub.port());
        let form = Form::Signed;
        let shell = Invocation::new(&["sh", "-c", script, "sh", &url, form.credential(), &form.publish_body(params)])
            .expects_output(&form.batch_response(1));
        let times = measure_interleaved(ROUNDS, self.timed(&shell), self.timed(&self.publish(form, "ip", params)));
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
        let console = python.join("cent").display().to_string();
        let console = Invocation::new(&[&console, "ip", "publish"]).input(&input);
        let cent = self.publish(Form::Signed, "ip", params);
        let times = measure_interleaved(ROUNDS, self.timed(&console), self.timed(&cent));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        print_ratio("one call: times faster than Python's cent 1.3.0", &times, Target::AtLeast(30.0));
    }

    /// Memory, size, instructions, system calls and threads of one call.
    fn cost_of_one_call(&self) {
        let stub = self.stub(Form::Signed, Cores::All, &[]);
        let call = self.publish(Form::Signed, "ip", &params(CHANNEL, 0));
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
            Some(calls) => {
                print_row("one call: system calls", number(calls.count("total")), None, Target::AtMost(100.0));
                let threads = 1 + calls.count("clone") + calls.count("clone3");
                print_row("one call: threads", number(threads), None, Target::AtMost(1.0));
            }
            None => print_skipped("system calls", "strace is not installed"),
        }
        drop(stub);
    }

    /// The system calls of a call, all threads together.
    pub(crate) fn system_calls(&self, call: &Invocation) -> Option<SystemCalls> {
        if !has("strace") {
            return None;
        }
        let counts = self.dir.path("counts").display().to_string();
        self.dir.capture(&call.clone().run_under(&["strace", "-f", "-c", "-U", "name,calls", "-o", &counts]));
        Some(SystemCalls(fs::read_to_string(counts).expect("strace has written its counts")))
    }

    /// Params of a thousand to ten million bytes, against curl with the same bytes and no signature.
    pub(crate) fn large_params(&self) {
        let form = Form::Signed;
        let mut stub = self.stub(form, Cores::All, &[]);
        for (name, bytes, rounds, target) in [
            ("1 KB", 1_000, 60, Target::None),
            ("100 KB", 100_000, 60, Target::None),
            ("10 MB", 10_000_000, 30, Target::AtMost(2.6)),
        ] {
            let params = format!(r##"{{"channel": "news", "data": "#0 {}"}}"##, "x".repeat(bytes));
            let file = self.dir.write("params", &params);
            let cent = self.publish(form, "ip", &format!("@{}", file.display()));
            if has("curl") {
                let body = self.dir.write("body", form.publish_body(&params));
                let url = format!("http://127.0.0.1:{}/api/", stub.port());
                let curl = curl(&url, &body, &[]);
                stub.stats();
                let times = measure_interleaved(rounds, self.timed(&cent), self.timed(&curl));
                let stats = stub.stats();
                let all = 2 * rounds as u64;
                assert_eq!(
                    (stats.requests, stats.commands, stats.without_credential, stats.wrong_credential),
                    (all, all, all / 2, 0)
                );
                print_ratio(&format!("params of {name}: times that of curl, which does not sign"), &times, target);
            } else {
                print_skipped("params against curl", "it is not installed");
            }
        }
        self.memory_of_params(form);
    }

    /// However 10 MB of params are given, a call holds them once.
    fn memory_of_params(&self, form: Form) {
        let data = "x".repeat(10_000_000);
        let params = self.dir.write("params", format!(r##"{{"channel":"news","data":"#0 {data}"}}"##));
        let text = self.dir.write("text", format!("#0 {data}"));
        let json = self.dir.write("json", format!(r##""#0 {data}""##));
        let [params_text, text, json] = [&params, &text, &json].map(|file| file.display().to_string());
        let publish = |args: &[&str]| Invocation::new(&[&[self.cent.as_str(), "ip", "publish"], args].concat());
        let _stub = self.stub(form, Cores::All, &[]);
        for (name, call) in [
            ("--params=@FILE", publish(&[&format!("--params=@{params_text}")])),
            ("a redirected file", publish(&[]).input(&params)),
            ("a pipe", publish(&[]).run_under(&["sh", "-c", r#"cat "$0" | "$@""#, &params_text])),
            ("data@FILE", publish(&["channel=news", &format!("data@{text}")])),
            ("data:@FILE", publish(&["channel=news", &format!("data:@{json}")])),
        ] {
            let kib = self.dir.run(&call.expects_output(form.printed())).kib;
            let name = format!("10 MB of params by {name}: memory in MB");
            print_row(&name, number(kib) * 1024.0 / 1e6, None, Target::AtMost(15.0));
        }
    }

    pub(crate) fn tls(&self) {
        const ROUNDS: usize = 60;
        if !has("curl") {
            return print_skipped("TLS", "curl is not installed");
        }
        let ca = self.ca();
        let (chain, key) = (self.dir.path("chain.pem"), self.dir.path("key.pem"));
        let mut stub = self.stub(Form::Signed, Cores::All, &[&chain, &key]);
        let url = format!("https://localhost:{}/api/", stub.port());
        let params = params(CHANNEL, 0);
        let body = self.dir.write("body", Form::Signed.publish_body(&params));
        let bundle = SYSTEM_BUNDLES.iter().find_map(|bundle| fs::read_to_string(bundle).ok());
        let bundle = bundle.map(|bundle| self.dir.write("bundle.pem", bundle + &ca));
        let one = Some(self.dir.write("authority.pem", &ca));
        for (name, file, target) in [("one authority", one, 3.0), ("the system's authorities", bundle, 7.5)] {
            let Some(file) = file else { return print_skipped(name, "this system has no file of them") };
            let cent = self.publish(Form::Signed, "tls", &params).env("SSL_CERT_FILE", &file);
            let curl = curl(&url, &body, &["--cacert", &file.display().to_string()]);
            let times = measure_interleaved(ROUNDS, self.timed(&curl), self.timed(&cent));
            let stats = stub.stats();
            let counts = (stats.requests, stats.without_credential, stats.wrong_credential);
            assert_eq!(counts, (2 * ROUNDS as u64, ROUNDS as u64, 0));
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
    Invocation::new(&[&fixed, args].concat()).expects_output(&Form::Signed.batch_response(1))
}

/// How often each system call occurred, as strace prints it.
pub(crate) struct SystemCalls(String);

impl SystemCalls {
    /// The count of a name; `total` is that of all.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let count = |line: &str| line.trim().strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        self.0.lines().find_map(count).unwrap_or_default()
    }
}
