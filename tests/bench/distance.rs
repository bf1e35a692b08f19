//! `--lines` to a distant server: a delaying proxy of the benchmark is in between.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::form::Form;
use crate::harness::{Cores, Invocation, measure_interleaved};
use crate::{BATCH, Bench, CHANNEL, Target, delaying_proxy, nanoseconds, number, print_ratio, print_row};

/// One way.
const DELAY: Duration = Duration::from_millis(10);

const LINES: usize = 200_000;

/// A loop with 100 commands per request takes 20 ms for each: more lines would only take longer.
const LOOP_LINES: usize = 5_000;

const ROUNDS: usize = 5;

/// Of the runs that are compared with the ideal.
const IDEAL_ROUNDS: usize = 5;

/// Round trips in milliseconds.
const ROUND_TRIPS: [u64; 3] = [5, 20, 100];

/// Requests of 100, 200, 400, … commands up to 10,000, each at once as large as the response times allow.
fn ideal_requests(lines: usize) -> u64 {
    let (mut size, mut sent, mut requests) = (100, 0, 0);
    while sent < lines {
        sent += size;
        size = (2 * size).min(10_000);
        requests += 1;
    }
    requests
}

impl Bench {
    /// Against the ideal: the round trips of requests that grow at once, and what the lines take without distance.
    fn ideal_distances(&self) {
        let form = Form::Key;
        for lines in [1_000, 10_000, 30_000, 100_000] {
            let mut stub = self.stub(form, Cores::All, &[]);
            let near = self.fastest_lines(stub.address(), 0, lines);
            print_row(&format!("--lines, {lines} lines without distance: milliseconds"), near, None, Target::None);
            for round_trip in ROUND_TRIPS {
                let ideal = number(ideal_requests(lines) * round_trip) + near;
                let found = self.fastest_lines(stub.address(), round_trip, lines);
                let name = format!("--lines, {lines} lines, round trip of {round_trip} ms: times the ideal");
                let target = if round_trip == 100 { Target::AtMost(1.3) } else { Target::None };
                print_row(&name, found / ideal, None, target);
            }
            let runs = (1 + ROUND_TRIPS.len()) * IDEAL_ROUNDS;
            stub.expect_commands((runs * lines) as u64, runs as u64);
        }
    }

    /// The milliseconds of the fastest run.
    fn fastest_lines(&self, server: SocketAddr, round_trip: u64, lines: usize) -> f64 {
        let form = Form::Key;
        let port = delaying_proxy::start(server, Duration::from_millis(round_trip) / 2).expect("the proxy starts");
        self.config(form, form.credential(), SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let publish = self.publish_lines(form, &self.input(CHANNEL, lines), lines).discard_output();
        (0..IDEAL_ROUNDS).map(|_| nanoseconds(self.dir.run(&publish)) / 1e6).fold(f64::MAX, f64::min)
    }

    pub(crate) fn distant_stub(&self) {
        self.ideal_distances();
        let form = Form::Key;
        let mut stub = self.stub(form, Cores::All, &[]);
        self.distant_lines("", form.credential(), stub.address(), CHANNEL);
        stub.expect_commands((ROUNDS * (LOOP_LINES + 2 * LINES)) as u64, 3 * ROUNDS as u64);
    }

    /// Against a loop that sends 100 commands per request through the same proxy.
    pub(crate) fn distant_lines(&self, server: &str, api_key: &str, address: SocketAddr, channel: &str) {
        let name = format!("--lines{server}, round trip of 20 ms");
        let port = delaying_proxy::start(address, DELAY).expect("the delaying proxy starts");
        self.config(Form::Key, api_key, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let publish = |lines: usize, args: &[&str]| {
            let args = [&[self.cent.as_str(), "ip", "publish", "--lines"], args].concat();
            Invocation::new(&args).input(&self.input(channel, lines)).discard_output()
        };
        let plain_loop = publish(LOOP_LINES, &["--batch", &BATCH.to_string()]);
        let lines = publish(LINES, &[]);
        let mut peak = 0;
        let times = measure_interleaved(
            ROUNDS,
            || nanoseconds(self.dir.run(&plain_loop)) / number(LOOP_LINES as u64),
            || {
                let measurement = self.dir.run(&lines);
                peak = peak.max(measurement.kib);
                nanoseconds(measurement) / number(LINES as u64)
            },
        );
        let target = Target::AtLeast(8.0);
        print_ratio(&format!("{name}: times the messages per second of 100 per request"), &times, target);
        let verbose = publish(LINES, &["--verbose"]);
        let longest = (0..ROUNDS).map(|_| self.longest_request(&verbose)).fold(0.0, f64::max);
        print_row(&format!("{name}: longest request in ms"), longest, None, Target::AtMost(300.0));
        print_row(&format!("{name}: memory in MiB"), number(peak) / 1024.0, None, Target::AtMost(12.0));
    }

    /// The longest response time in milliseconds, as `--verbose` prints it.
    fn longest_request(&self, verbose: &Invocation) -> f64 {
        let (_, messages) = self.dir.capture(verbose);
        let time = |line: &str| line.rsplit_once(" after ")?.1.strip_suffix(" ms")?.parse().ok();
        let times: Vec<f64> = messages.lines().filter_map(time).collect();
        assert!(!times.is_empty(), "--verbose prints no times: {messages}");
        times.into_iter().fold(0.0, f64::max)
    }
}
