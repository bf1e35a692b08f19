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

impl Bench {
    pub(crate) fn distant_stub(&self) {
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
