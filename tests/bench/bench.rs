//! Speed of the program: `cargo bench`.
//!
//! Every figure is the ratio of two things measured alternately in the same run; only ratios carry over to other
//! machines. Before a figure is printed, the stub server has checked what was sent and the launcher what was printed.
//! Figures are lower deciles, with the medians beside them.
//!
//! `cargo bench -- lines` measures one part; the parts are `call`, `params`, `tls` and `lines`. `cargo bench -- budget`
//! compares the instructions of one call and of 10,000 lines with `budget.txt` in this directory. With
//! `CENT_BENCH_ADDRESS` and `CENT_BENCH_SECRET`, `--lines` is also measured against a real server.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use harness::{Cores, Invocation, Measurement, Samples, Stub, WorkDir, has};
use stub_server::{REPLY, SECRET};

mod harness;
mod lines;
mod single_call;
mod stub_server;

/// The program where the linker wrote it.
const LINKED: &str = env!("CARGO_BIN_EXE_cent");

/// Commands per request of `--lines`.
const BATCH: usize = 100;

fn main() -> io::Result<ExitCode> {
    // Cargo adds an argument of its own.
    let args: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["stub"] => stub_server::run(None)?,
        ["stub", chain, key] => stub_server::run(Some([chain, key]))?,
        ["budget"] => return Ok(budget()),
        ref parts if parts.iter().all(|part| PARTS.contains(part)) => print_figures(parts),
        _ => {
            eprintln!("usage: cargo bench [-- PART…], with parts {}; or cargo bench -- budget", PARTS.join(", "));
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

const PARTS: [&str; 4] = ["call", "params", "tls", "lines"];

/// Measures these parts, or all of them if there are none.
fn print_figures(parts: &[&str]) {
    let bench = Bench::new();
    println!("| figure | found | median | goal |\n|---|---|---|---|");
    for part in PARTS.iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        match *part {
            "call" => bench.one_call(),
            "params" => bench.large_params(),
            "tls" => bench.tls(),
            _ => bench.lines_figures(),
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
    None,
}

/// Prints a figure as a row of the table.
fn print_row(name: &str, found: f64, median: Option<f64>, target: Target) {
    let (target, is_met) = match target {
        Target::AtMost(most) => (format!("{most} or less"), found <= most),
        Target::AtLeast(least) => (format!("{least} or more"), found >= least),
        Target::None => ("–".to_owned(), true),
    };
    let median = median.map_or_else(|| "–".to_owned(), |median| format!("{median:.2}"));
    println!("| {name} | {found:.2} | {median} | {target}{} |", if is_met { "" } else { " (missed)" });
}

/// Prints the ratio of two series of samples.
fn print_ratio(name: &str, (first, second): &(Samples, Samples), target: Target) {
    print_row(name, first.decile() / second.decile(), Some(first.median() / second.median()), target);
}

fn print_skipped(what: &str, why: &str) {
    println!("skipped: {what} ({why})");
}

fn nanoseconds(measurement: Measurement) -> f64 {
    u32::try_from(measurement.nanoseconds / 100).map_or(f64::MAX, |hundreds| f64::from(hundreds) * 100.0)
}

/// Exact: no count here exceeds a `u32`.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Params with this number. The stub server counts commands by the `#` before it.
fn params(number: usize) -> String {
    format!(r##"{{"channel": "news", "data": {{"number": "#{number}", "title": "World Cup 2018"}}}}"##)
}

fn body<'a>(params: impl Iterator<Item = &'a str>) -> String {
    let commands: Vec<_> = params.map(|params| format!(r#"{{"method":"publish","params":{params}}}"#)).collect();
    format!("[{}]", commands.join(","))
}

/// Standard output of one publish.
const LIST: &str = r#"[
  {
    "method": "publish",
    "error": null,
    "body": null
  }
]
"#;

fn publish(cent: &str, section: &str, params: &str) -> Invocation {
    Invocation::new(&[cent, section, "publish", "--params", params]).expects_output(LIST)
}

struct Bench {
    dir: WorkDir,
    /// A copy of the program, as an installation leaves it. A call of the freshly linked file takes a seventh longer:
    /// linkers write into mapped memory, one page at a time, and the system maps it the same way.
    cent: String,
}

impl Bench {
    fn new() -> Self {
        let dir = WorkDir::new();
        let cent = dir.path("cent");
        fs::copy(LINKED, &cent).expect("the program is copied");
        Self { dir, cent: cent.display().to_string() }
    }

    fn publish(&self, section: &str, params: &str) -> Invocation {
        publish(&self.cent, section, params)
    }

    fn publish_lines(&self, input: &Path, lines: usize) -> Invocation {
        let printed = format!("{REPLY}\n").repeat(lines);
        Invocation::new(&[&self.cent, "ip", "publish", "--lines"]).input(input).expects_output(&printed)
    }

    /// Starts a stub server and writes a config file with sections for it: `ip`, `name` and, over TLS, `tls`.
    fn stub(&self, cores: Cores, tls: &[&Path]) -> Stub {
        let stub = Stub::start(cores, tls);
        self.config(&format!("127.0.0.1:{}", stub.port()), &format!("localhost:{}", stub.port()), SECRET);
        stub
    }

    fn config(&self, ip: &str, name: &str, secret: &str) {
        let sections = [("ip", "http", ip), ("name", "http", name), ("tls", "https", name)];
        let section =
            |(section, scheme, host)| format!("[{section}]\naddress = {scheme}://{host}\nsecret = {secret}\n");
        self.dir.write(".centrc", sections.map(section).concat());
    }

    fn timed(&self, call: &Invocation) -> impl Fn() -> f64 {
        || nanoseconds(self.dir.run(call))
    }

    /// Writes an input with this many lines for `--lines`.
    fn input(&self, lines: usize) -> PathBuf {
        self.dir.write("lines", (0..lines).map(|number| params(number) + "\n").collect::<String>())
    }

    /// The instructions of a call, all threads together.
    fn instructions(&self, call: &Invocation) -> Option<u64> {
        if !has("valgrind") {
            return None;
        }
        let run_under = call.clone().run_under(&["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let (_, output) = self.dir.capture(&run_under);
        let count = output.lines().find_map(|line| line.split_once("Collected : ").map(|(_, count)| count.trim()))?;
        count.parse().ok()
    }

    /// Installs Python's cent 1.3.0 into the directory of this run; `None` if that is not possible.
    fn python(&self) -> Option<PathBuf> {
        let programs = self.dir.path("python/bin");
        let run = |args: &[&str]| {
            let output = Command::new(args[0]).args(&args[1..]).output();
            output.is_ok_and(|output| output.status.success())
        };
        let in_dir = |name: &str| programs.join(name).display().to_string();
        let is_there = programs.join("cent").exists()
            || run(&["python3", "-m", "venv", &self.dir.path("python").display().to_string()])
                && run(&[&in_dir("pip"), "install", "--quiet", "cent==1.3.0"]);
        is_there.then_some(programs)
    }
}

/// Compares the instructions of the program with its budget: one figure per line, a name and a number.
///
/// The slack allows for other versions of the system's libraries. A change that saves more than that should lower the
/// budget.
fn budget() -> ExitCode {
    const SLACK_PERCENT: u64 = 10;
    let bench = Bench::new();
    let _stub = bench.stub(Cores::All, &[]);
    let input = bench.input(10_000);
    let mut is_within = true;
    for line in include_str!("budget.txt").lines() {
        let (name, budget) = line.rsplit_once(' ').expect("a line has a name and a number");
        let budget: u64 = budget.parse().expect("the budget is a number");
        let call = match name {
            "one call" => bench.publish("ip", &params(0)),
            "10,000 lines" => bench.publish_lines(&input, 10_000),
            _ => panic!("the budget has a figure that is not measured: {name}"),
        };
        let Some(found) = bench.instructions(&call) else {
            print_skipped("budget of instructions", "valgrind is not installed");
            return ExitCode::SUCCESS;
        };
        println!("{name}: {found} instructions, budget {budget}");
        let most = budget + budget * SLACK_PERCENT / 100;
        if found > most {
            eprintln!("{name}: more than {most}; find out why, or raise the budget and say in the commit what for");
            is_within = false;
        } else if found < budget - budget * SLACK_PERCENT / 100 {
            println!("{name}: well below the budget; lower it in tests/bench/budget.txt");
        }
    }
    if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
