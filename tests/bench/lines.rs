//! Many commands with `--lines`: speed against wrk and Python's `Client`, and memory.

use std::env;

use crate::harness::{Cores, Invocation, has, measure_interleaved};
use crate::stub_server::{SECRET, sign};
use crate::{BATCH, Bench, Target, body, nanoseconds, number, params, print_ratio, print_row, print_skipped};

/// Where the replies go; wrk discards them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replies {
    Discarded,
    Kept,
}

impl Bench {
    pub(crate) fn lines_figures(&self) {
        // Three threads share two cores: with fewer rounds the lower decile would be a single lucky run.
        self.lines(Cores::All, Replies::Discarded, 40, Target::AtLeast(0.80));
        self.lines(Cores::All, Replies::Kept, 10, Target::None);
        self.lines(Cores::One, Replies::Discarded, 10, Target::AtLeast(0.17));
        self.lines_against_python();
        self.memory_of_lines();
        self.lines_of_a_real_server();
    }

    /// Against wrk, which sends the same bodies over one connection and checks only the status of a response.
    fn lines(&self, cores: Cores, replies: Replies, rounds: usize, target: Target) {
        const LINES: usize = 500_000;
        let cores_text = match cores {
            Cores::All => "all cores",
            Cores::One => "one core",
        };
        let replies_text = match replies {
            Replies::Discarded => "",
            Replies::Kept => ", replies in a file",
        };
        let name =
            format!("--lines, client and server on {cores_text}{replies_text}: share of wrk's messages per second");
        if !has("wrk") || (cores == Cores::One && !has("taskset")) {
            return print_skipped(&name, "wrk or taskset is not installed");
        }
        let mut stub = self.stub(cores, &[]);
        let cent = self.publish_lines(&self.input(LINES), LINES).on_cores(cores);
        let cent = if replies == Replies::Discarded { cent.discard_output() } else { cent };
        let wrk = self.wrk(&format!("http://127.0.0.1:{}", stub.port()), SECRET, LINES).on_cores(cores);
        let times = measure_interleaved(
            rounds,
            || self.message_of_wrk(&wrk),
            || {
                let stats = stub.stats();
                // wrk does not send the first request that the script gives it.
                assert!(stats.out_of_order <= 1 && stats.unsigned == 0 && stats.wrongly_signed == 0, "wrk: {stats:?}");
                let measurement = self.dir.run(&cent);
                stub.expect((LINES / BATCH) as u64, LINES as u64, 1);
                nanoseconds(measurement) / number(LINES as u64)
            },
        );
        print_ratio(&name, &times, target);
    }

    /// A call of wrk that sends the bodies of this many lines repeatedly for one second.
    fn wrk(&self, url: &str, secret: &str, lines: usize) -> Invocation {
        let script = self.dir.write("wrk.lua", include_str!("wrk.lua"));
        let all: Vec<_> = (0..lines).map(params).collect();
        let request = |params: &[String]| {
            let body = body(params.iter().map(String::as_str));
            format!("{} {body}\n", sign(secret, body.as_bytes()))
        };
        let bodies = self.dir.write("bodies", all.chunks(BATCH).map(request).collect::<String>());
        let [script, bodies] = [script, bodies].map(|path| path.display().to_string());
        Invocation::new(&["wrk", "-t1", "-c1", "-d1s", "-s", &script, url, "--", &bodies])
    }

    /// Nanoseconds per message, as wrk reports them.
    fn message_of_wrk(&self, wrk: &Invocation) -> f64 {
        let (output, _) = self.dir.capture(wrk);
        assert!(!output.contains("Non-2xx"), "{output}");
        let rate = output.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse::<f64>().ok());
        1e9 / number(BATCH as u64) / rate.expect("wrk prints its rate")
    }

    fn lines_against_python(&self) {
        const LINES: usize = 20_000;
        const ROUNDS: usize = 9;
        let Some(python) = self.python() else { return print_skipped("Python's Client", "pip has no cent 1.3.0 here") };
        let mut stub = self.stub(Cores::All, &[]);
        let input = self.input(LINES);
        let script = self.dir.write("client.py", include_str!("client.py")).display().to_string();
        let python = python.join("python").display().to_string();
        let url = format!("http://127.0.0.1:{}", stub.port());
        let client = Invocation::new(&[&python, &script, &url, SECRET]).input(&input);
        let cent = self.publish_lines(&input, LINES);
        let times = measure_interleaved(ROUNDS, self.timed(&client), self.timed(&cent));
        let rounds = 2 * ROUNDS;
        stub.expect((rounds * LINES / BATCH) as u64, (rounds * LINES) as u64, rounds as u64);
        print_ratio(
            "--lines: times faster than Python's Client, 100 commands per request",
            &times,
            Target::AtLeast(12.0),
        );
    }

    fn memory_of_lines(&self) {
        let mut stub = self.stub(Cores::All, &[]);
        let mut peak = |lines: usize| {
            let call = self.publish_lines(&self.input(lines), lines);
            let most = (0..5).map(|_| self.dir.run(&call).kib).max().unwrap_or_default();
            stub.expect((5 * lines / BATCH) as u64, 5 * lines as u64, 5);
            number(most)
        };
        let (some, many) = (peak(20_000), peak(200_000));
        print_row("--lines: memory in MiB, 200,000 lines", many / 1024.0, None, Target::AtMost(5.5));
        print_row("--lines: growth in KiB from 20,000 to 200,000 lines", many - some, None, Target::AtMost(384.0));
    }

    /// Against wrk again, with the server named by the environment.
    fn lines_of_a_real_server(&self) {
        const LINES: usize = 50_000;
        let (Ok(address), Ok(secret)) = (env::var("CENT_BENCH_ADDRESS"), env::var("CENT_BENCH_SECRET")) else {
            return print_skipped(
                "--lines with a real server",
                "CENT_BENCH_ADDRESS and CENT_BENCH_SECRET do not name one",
            );
        };
        let host = address.trim_start_matches("http://").trim_end_matches('/');
        self.config(host, host, &secret);
        let cent = self.publish_lines(&self.input(LINES), LINES).discard_output();
        let wrk = self.wrk(&address, &secret, LINES);
        let cent = || nanoseconds(self.dir.run(&cent)) / number(LINES as u64);
        let times = measure_interleaved(9, || self.message_of_wrk(&wrk), cent);
        print_ratio("--lines, a real server: share of wrk's messages per second", &times, Target::AtLeast(0.70));
    }
}
