//! Speed of the program: `cargo bench`.
//!
//! Every figure is the ratio of two things measured alternately in the same run; only ratios carry over to other
//! machines. Before a figure is printed, the stub server has checked what was sent and the launcher what was printed.
//! Figures are lower deciles, with the medians beside them.
//!
//! `cargo bench -- lines` measures one part; the parts are `call`, `params`, `tls`, `lines`, `journal`, `distance`, `old`
//! and `servers`. `cargo bench -- budget` compares the instructions of one call and of 10,000 lines with `budget.txt` in this
//! directory. `servers` are real ones, specified by variables: see [`real_servers`]. `old` is an older build of the
//! program: see [`old`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use form::Form;
use harness::{Cores, Invocation, Measurement, Samples, Stub, WorkDir, has};

mod delaying_proxy;
mod distance;
mod form;
mod harness;
mod lines;
mod old;
mod real_servers;
mod single_call;
mod stub_server;

/// The program where the linker wrote it.
const LINKED: &str = env!("CARGO_BIN_EXE_cent");

/// Commands per request of `--lines` with a secret, and of the clients that it is compared with.
const BATCH: usize = 100;

fn main() -> io::Result<ExitCode> {
    // Cargo adds an argument of its own.
    let args: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["stub", ip] => stub_server::run(parse_ip(ip), None)?,
        ["stub", ip, chain, key] => stub_server::run(parse_ip(ip), Some([chain, key]))?,
        ["budget"] => return Ok(budget()),
        ref parts if parts.iter().all(|part| PARTS.contains(part)) => print_figures(parts),
        _ => {
            eprintln!("usage: cargo bench [-- PART…], with parts {}; or cargo bench -- budget", PARTS.join(", "));
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_ip(ip: &str) -> IpAddr {
    ip.parse().expect("the benchmark passes an IP address")
}

const PARTS: [&str; 8] = ["call", "params", "tls", "lines", "journal", "distance", "old", "servers"];

/// Measures these parts, or all of them if there are none.
fn print_figures(parts: &[&str]) {
    let bench = Bench::new();
    println!("| figure | found | median | goal |\n|---|---|---|---|");
    for part in PARTS.iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        match *part {
            "call" => bench.one_call(),
            "params" => bench.large_params(),
            "tls" => bench.tls(),
            "lines" => bench.lines_figures(),
            "journal" => bench.journal_figures(),
            "distance" => bench.distant_stub(),
            "old" => bench.against_old(),
            _ => bench.real_servers(),
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

/// The channel of all commands, except to real servers.
const CHANNEL: &str = "news";

/// Params with this number. The stub server counts commands by the `#` before it.
fn params(channel: &str, number: usize) -> String {
    format!(r##"{{"channel": "{channel}", "data": {{"number": "#{number}", "title": "World Cup 2018"}}}}"##)
}

fn publish(cent: &str, form: Form, section: &str, params: &str) -> Invocation {
    Invocation::new(&[cent, section, "publish", "--params", params]).expects_output(form.printed())
}

fn publish_lines(cent: &str, form: Form, input: &Path, lines: usize) -> Invocation {
    let printed = format!("{}\n", form.reply()).repeat(lines);
    Invocation::new(&[cent, "ip", "publish", "--lines"]).input(input).expects_output(&printed)
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

    fn publish(&self, form: Form, section: &str, params: &str) -> Invocation {
        publish(&self.cent, form, section, params)
    }

    fn publish_lines(&self, form: Form, input: &Path, lines: usize) -> Invocation {
        publish_lines(&self.cent, form, input, lines)
    }

    /// Starts a stub server and writes a config file with sections for it: `ip`, `name` and, over TLS, `tls`.
    fn stub(&self, form: Form, cores: Cores, tls: &[&Path]) -> Stub {
        self.stub_at(Ipv4Addr::LOCALHOST.into(), form, cores, tls)
    }

    fn stub_at(&self, ip: IpAddr, form: Form, cores: Cores, tls: &[&Path]) -> Stub {
        let stub = Stub::start(ip, cores, tls);
        self.config(form, form.credential(), stub.address());
        stub
    }

    fn config(&self, form: Form, credential: &str, address: SocketAddr) {
        let (ip, name) = (address.to_string(), format!("localhost:{}", address.port()));
        let key = form.config_key();
        let sections = [("ip", "http", &ip), ("name", "http", &name), ("tls", "https", &name)];
        let section =
            |(section, scheme, host)| format!("[{section}]\naddress = {scheme}://{host}\n{key} = {credential}\n");
        self.dir.write(".centrc", sections.map(section).concat());
    }

    fn timed(&self, call: &Invocation) -> impl Fn() -> f64 {
        || nanoseconds(self.dir.run(call))
    }

    /// Writes an input with this many lines for `--lines`.
    fn input(&self, channel: &str, lines: usize) -> PathBuf {
        let text: String = (0..lines).map(|number| params(channel, number) + "\n").collect();
        self.dir.write(&format!("lines-{lines}"), text)
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
    let input = bench.input(CHANNEL, 10_000);
    let mut is_within = true;
    for line in include_str!("budget.txt").lines() {
        let (name, budget) = line.rsplit_once(' ').expect("a line has a name and a number");
        let budget: u64 = budget.parse().expect("the budget is a number");
        let (name, form) = name.strip_suffix(Form::Key.suffix()).map_or((name, Form::Signed), |name| (name, Form::Key));
        let _stub = bench.stub(form, Cores::All, &[]);
        let call = match name {
            "one call" => bench.publish(form, "ip", &params(CHANNEL, 0)),
            "10,000 lines" => bench.publish_lines(form, &input, 10_000),
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
