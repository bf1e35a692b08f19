//! `--lines` to real servers, which these variables specify:
//!
//! - `CENT_BENCH_ADDRESS` with `CENT_BENCH_SECRET`: Centrifugo 1;
//! - `CENT_BENCH_ADDRESS` with `CENT_BENCH_API_KEY`: Centrifugo 5.2 or later;
//! - `CENT_BENCH_REDIS_ADDRESS` with `CENT_BENCH_API_KEY`: the same with a Redis engine;
//! - `CENT_BENCH_CHANNEL`: where the messages go; default `news`.

use std::env;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::form::Form;
use crate::harness::{Invocation, Samples, has, measure_interleaved};
use crate::{Bench, CHANNEL, Target, nanoseconds, number, print_ratio, print_skipped};

/// A round takes half a second or more.
const ROUNDS: usize = 9;

/// The fewest lines with which the size of requests has adapted for most of them.
const LINES: usize = 50_000;

struct RealServer {
    address: SocketAddr,
    form: Form,
    credential: String,
    channel: String,
}

impl RealServer {
    /// The server that two variables specify.
    fn from_env(address: &str, form: Form) -> Option<Self> {
        let credential = match form {
            Form::Signed => "CENT_BENCH_SECRET",
            Form::Key => "CENT_BENCH_API_KEY",
        };
        let (Ok(address), Ok(credential)) = (env::var(address), env::var(credential)) else {
            print_skipped("--lines to a real server", &format!("no {address} or no {credential}"));
            return None;
        };
        let host = address.trim_start_matches("http://").trim_end_matches('/');
        let address = host.to_socket_addrs().ok().and_then(|mut found| found.next());
        let channel = env::var("CENT_BENCH_CHANNEL").unwrap_or_else(|_| CHANNEL.to_owned());
        Some(Self { address: address.expect("the address is http://HOST:PORT"), form, credential, channel })
    }
}

impl Bench {
    pub(crate) fn real_servers(&self) {
        if let Some(server) = RealServer::from_env("CENT_BENCH_ADDRESS", Form::Signed) {
            self.real_server_against_wrk(&server);
        }
        if let Some(server) = RealServer::from_env("CENT_BENCH_ADDRESS", Form::Key) {
            self.real_server_against_wrk(&server);
            let times = self.in_order_and_unordered(&server);
            let name = "--lines, a real server, API key: times the messages per second with --unordered";
            print_ratio(name, &times, Target::None);
            self.distant_lines(", a real server", &server.credential, server.address, &server.channel);
        }
        if let Some(server) = RealServer::from_env("CENT_BENCH_REDIS_ADDRESS", Form::Key) {
            let times = self.in_order_and_unordered(&server);
            let name = "--lines, a real server with Redis: times the messages per second with --unordered";
            print_ratio(name, &times, Target::AtLeast(2.5));
        }
    }

    fn real_server_against_wrk(&self, server: &RealServer) {
        let name = format!("--lines, a real server{}: share of wrk's messages per second", server.form.suffix());
        if !has("wrk") {
            return print_skipped(&name, "wrk is not installed");
        }
        let url = format!("http://{}", server.address);
        let wrk = self.wrk(&url, server.form, &server.credential, &server.channel, LINES);
        let cent = self.publish_to(server, &[]);
        let times = measure_interleaved(ROUNDS, || self.message_of_wrk(&wrk), || self.message(&cent));
        print_ratio(&name, &times, Target::AtLeast(0.70));
    }

    fn in_order_and_unordered(&self, server: &RealServer) -> (Samples, Samples) {
        let (in_order, unordered) = (self.publish_to(server, &[]), self.publish_to(server, &["--unordered"]));
        measure_interleaved(ROUNDS, || self.message(&in_order), || self.message(&unordered))
    }

    fn publish_to(&self, server: &RealServer, args: &[&str]) -> Invocation {
        self.config(server.form, &server.credential, server.address);
        let args = [&[self.cent.as_str(), "ip", "publish", "--lines"], args].concat();
        Invocation::new(&args).input(&self.input(&server.channel, LINES)).discard_output()
    }

    /// Nanoseconds per message. An error in a reply ends the benchmark.
    fn message(&self, call: &Invocation) -> f64 {
        nanoseconds(self.dir.run(call)) / number(LINES as u64)
    }
}
