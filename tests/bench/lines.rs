//! Many commands with `--lines`: speed against wrk and Python's `Client`, and memory.

use std::fs;

use crate::form::Form;
use crate::harness::{Cores, Invocation, Stub, has, measure_interleaved};
use crate::single_call::ROUNDS;
use crate::{BATCH, Bench, CHANNEL, Target, nanoseconds, number, params, print_ratio, print_row, print_skipped};

/// Where the replies go; wrk discards them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replies {
    Discarded,
    Kept,
}

impl Bench {
    pub(crate) fn lines_figures(&self) {
        // Three threads share two cores: with fewer rounds the lower decile would be a single lucky run.
        self.lines(Form::Signed, Cores::All, Replies::Discarded, 40, Target::AtLeast(0.80));
        self.lines(Form::Signed, Cores::All, Replies::Kept, 10, Target::None);
        self.lines(Form::Signed, Cores::One, Replies::Discarded, 10, Target::AtLeast(0.17));
        self.lines(Form::Key, Cores::All, Replies::Discarded, 40, Target::AtLeast(0.80));
        self.lines_against_python();
        self.memory_of_lines(Form::Signed, Target::AtMost(5.5), Target::AtMost(384.0));
        self.memory_of_lines(Form::Key, Target::AtMost(10.0), Target::None);
    }

    pub(crate) fn journal_figures(&self) {
        self.journal(&[]);
        self.journal(&["--idempotent"]);
        self.one_line_with_journal();
    }

    /// Against wrk, which sends the same commands over one connection, 100 per request, and checks only the status of a
    /// response.
    fn lines(&self, form: Form, cores: Cores, replies: Replies, rounds: usize, target: Target) {
        const LINES: usize = 500_000;
        let cores_text = match cores {
            Cores::All => "all cores",
            Cores::One => "one core",
        };
        let replies_text = match replies {
            Replies::Discarded => "",
            Replies::Kept => ", replies in a file",
        };
        let suffix = form.suffix();
        let name = format!(
            "--lines, client and server on {cores_text}{replies_text}{suffix}: share of wrk's messages per second"
        );
        if !has("wrk") || (cores == Cores::One && !has("taskset")) {
            return print_skipped(&name, "wrk or taskset is not installed");
        }
        let mut stub = self.stub(form, cores, &[]);
        let cent = self.publish_lines(form, &self.input(CHANNEL, LINES), LINES).on_cores(cores);
        let cent = if replies == Replies::Discarded { cent.discard_output() } else { cent };
        let url = format!("http://{}", stub.address());
        let wrk = self.wrk(&url, form, form.credential(), CHANNEL, LINES).on_cores(cores);
        let times = measure_interleaved(
            rounds,
            || self.message_of_wrk(&wrk),
            || {
                let stats = stub.stats();
                // wrk does not send the first request that the script gives it.
                let bad_credentials = stats.without_credential + stats.wrong_credential;
                assert!(stats.out_of_order <= 1 && bad_credentials == 0, "wrk: {stats:?}");
                let measurement = self.dir.run(&cent);
                stub.expect_lines(form, LINES, 1);
                nanoseconds(measurement) / number(LINES as u64)
            },
        );
        print_ratio(&name, &times, target);
    }

    /// A call of wrk that sends the commands of this many lines repeatedly for one second.
    pub(crate) fn wrk(&self, url: &str, form: Form, credential: &str, channel: &str, lines: usize) -> Invocation {
        let script = self.dir.write("wrk.lua", include_str!("wrk.lua"));
        let all: Vec<_> = (0..lines).map(|number| params(channel, number)).collect();
        let request = |params: &[String]| {
            let body = form.batch_body(params.iter().map(String::as_str));
            format!("{}\t{body}\n", form.header_value(credential, &body))
        };
        let bodies = self.dir.write("bodies", all.chunks(BATCH).map(request).collect::<String>());
        let [script, bodies] = [script, bodies].map(|path| path.display().to_string());
        let request = [&bodies, form.batch_path(), form.header_name()];
        Invocation::new(&[&["wrk", "-t1", "-c1", "-d1s", "-s", &script, url, "--"], &request[..]].concat())
    }

    /// Nanoseconds per message, as wrk reports them.
    pub(crate) fn message_of_wrk(&self, wrk: &Invocation) -> f64 {
        let (output, _) = self.dir.capture(wrk);
        assert!(!output.contains("Non-2xx"), "{output}");
        let rate = output.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse::<f64>().ok());
        1e9 / number(BATCH as u64) / rate.expect("wrk prints its rate")
    }

    fn lines_against_python(&self) {
        const LINES: usize = 20_000;
        const ROUNDS: usize = 9;
        let Some(python) = self.python() else { return print_skipped("Python's Client", "pip has no cent 1.3.0 here") };
        let form = Form::Signed;
        let mut stub = self.stub(form, Cores::All, &[]);
        let input = self.input(CHANNEL, LINES);
        let script = self.dir.write("client.py", include_str!("client.py")).display().to_string();
        let python = python.join("python").display().to_string();
        let url = format!("http://127.0.0.1:{}", stub.port());
        let client = Invocation::new(&[&python, &script, &url, form.credential()]).input(&input);
        let cent = self.publish_lines(form, &input, LINES);
        let times = measure_interleaved(ROUNDS, self.timed(&client), self.timed(&cent));
        let rounds = 2 * ROUNDS;
        stub.expect((rounds * LINES / BATCH) as u64, (rounds * LINES) as u64, rounds as u64);
        print_ratio(
            "--lines: times faster than Python's Client, 100 commands per request",
            &times,
            Target::AtLeast(12.0),
        );
    }

    /// With a journal and these options, against a run without both. The journal is on the disk of the temporary directory.
    fn journal(&self, options: &[&str]) {
        const LINES: usize = 200_000;
        const ROUNDS: usize = 10;
        let form = Form::Key;
        let mut stub = self.stub(form, Cores::All, &[]);
        let plain = self.publish_lines(form, &self.input(CHANNEL, LINES), LINES).discard_output();
        let journal = self.dir.path("journal");
        let option = format!("--journal={}", journal.display());
        let recorded = plain.clone().args(&[&option]).args(options);
        let run_recorded = || {
            // Missing before the first run.
            let _ = fs::remove_file(&journal);
            nanoseconds(self.dir.run(&recorded))
        };
        let times = measure_interleaved(ROUNDS, self.timed(&plain), run_recorded);
        stub.expect_commands((2 * ROUNDS * LINES) as u64, (2 * ROUNDS) as u64);
        let text = [&["--journal"], options].concat().join(" ");
        print_ratio(&format!("--lines {text}: share of the lines per second without"), &times, Target::None);
        if options.is_empty() {
            let _ = fs::remove_file(&journal);
            self.syncs_of_journal(&recorded, &mut stub);
        }
    }

    /// It asks the server for its version before anything counts as sent, then takes a new connection, and writes to the
    /// disk three times.
    fn one_line_with_journal(&self) {
        let form = Form::Key;
        let mut stub = self.stub(form, Cores::All, &[]);
        let plain = self.publish_lines(form, &self.input(CHANNEL, 1), 1);
        let journal = self.dir.path("journal");
        let recorded = plain.clone().args(&[&format!("--journal={}", journal.display())]);
        let run_recorded = || {
            // Missing before the first run.
            let _ = fs::remove_file(&journal);
            nanoseconds(self.dir.run(&recorded))
        };
        let times = measure_interleaved(ROUNDS, run_recorded, self.timed(&plain));
        stub.expect_commands(2 * ROUNDS as u64, 2 * ROUNDS as u64);
        print_ratio("--lines --journal, one line: times that without", &times, Target::None);
    }

    fn syncs_of_journal(&self, recorded: &Invocation, stub: &mut Stub) {
        let name = "--lines --journal: fdatasync calls per request";
        let Some(calls) = self.system_calls(recorded) else { return print_skipped(name, "strace is not installed") };
        let requests = stub.stats().requests;
        print_row(name, number(calls.count("fdatasync")) / number(requests), None, Target::AtMost(2.0));
    }

    fn memory_of_lines(&self, form: Form, memory: Target, growth: Target) {
        const ROUNDS: usize = 5;
        let mut stub = self.stub(form, Cores::All, &[]);
        let mut peak = |lines: usize| {
            let call = self.publish_lines(form, &self.input(CHANNEL, lines), lines);
            let most = (0..ROUNDS).map(|_| self.dir.run(&call).kib).max().unwrap_or_default();
            stub.expect_lines(form, lines, ROUNDS);
            number(most)
        };
        let (some, many) = (peak(20_000), peak(200_000));
        let suffix = form.suffix();
        print_row(&format!("--lines{suffix}: memory in MiB, 200,000 lines"), many / 1024.0, None, memory);
        let name = format!("--lines{suffix}: growth in KiB from 20,000 to 200,000 lines");
        print_row(&name, many - some, None, growth);
    }
}

impl Stub {
    /// Expects these lines, this many times, from `--lines`. With an API key, the size of requests adapts.
    fn expect_lines(&mut self, form: Form, lines: usize, rounds: usize) {
        let commands = rounds * lines;
        match form {
            Form::Signed => self.expect((commands / BATCH) as u64, commands as u64, rounds as u64),
            Form::Key => {
                self.expect_commands(commands as u64, rounds as u64);
            }
        }
    }
}
