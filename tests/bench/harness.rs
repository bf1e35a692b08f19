//! Runs programs alternately, measures them, and has a stub server check what they sent.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// For two programs that share one core.
const CORE: [&str; 3] = ["taskset", "-c", "0"];

/// Whether a tool is installed.
pub(crate) fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", tool]).status();
    found.is_ok_and(|status| status.success())
}

/// The directory with all files of a run.
pub(crate) struct WorkDir(TempDir);

impl WorkDir {
    /// Builds the two C programs in this directory.
    pub(crate) fn new() -> Self {
        let dir = Self(tempfile::tempdir().expect("a temporary directory is created"));
        for (name, source) in [("floor", include_str!("floor.c")), ("launch", include_str!("launch.c"))] {
            let source = dir.write(&format!("{name}.c"), source);
            let built = Command::new("cc").arg("-O2").arg("-o").arg(dir.path(name)).arg(source).status();
            assert!(built.is_ok_and(|status| status.success()), "cc does not build {name}.c");
        }
        dir
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the file is written");
        path
    }

    /// A command without the caller's environment; its home is the directory of this run.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.0.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(self.0.path());
        command
    }

    /// Standard output and standard error of a command, which must succeed.
    pub(crate) fn capture(&self, call: &Invocation) -> (String, String) {
        let mut command = self.command(&call.args[0]);
        let input = fs::File::open(&call.input).expect("the input is readable");
        let output = command.args(&call.args[1..]).envs(call.env.clone()).stdin(input).output();
        let output = output.expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{:?}: {:?}\n{out}{err}", call.args, output.status);
        (out, err)
    }

    /// Runs a command to its end, with its output in a file unless it is discarded.
    pub(crate) fn run(&self, call: &Invocation) -> Measurement {
        let printed = if call.discards_output { "/dev/null".into() } else { self.path("printed") };
        let mut command = self.command(self.path("launch"));
        command.arg(&call.input).arg(&printed).args(&call.args).envs(call.env.clone());
        let output = command.output().expect("the launcher starts");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<u64> = report.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [nanoseconds, kib, faults, 0] = numbers[..] else {
            panic!("{:?} failed: {report}{}", call.args, String::from_utf8_lossy(&output.stderr))
        };
        if let Some(expected) = &call.expects_output {
            let found = fs::read(&printed).expect("the output is readable");
            assert!(found == expected.as_bytes(), "{:?}: {}", call.args, String::from_utf8_lossy(&found));
        }
        Measurement { nanoseconds, kib, faults }
    }
}

/// How to call a program.
#[derive(Clone)]
pub(crate) struct Invocation {
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    input: PathBuf,
    expects_output: Option<String>,
    discards_output: bool,
}

impl Invocation {
    pub(crate) fn new(args: &[&str]) -> Self {
        let args = args.iter().map(ToString::to_string).collect();
        Self { args, env: Vec::new(), input: "/dev/null".into(), expects_output: None, discards_output: false }
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &Path) -> Self {
        self.env.push((name, value.display().to_string()));
        self
    }

    pub(crate) fn input(self, input: &Path) -> Self {
        Self { input: input.to_owned(), ..self }
    }

    /// Expects this text on standard output.
    pub(crate) fn expects_output(self, text: &str) -> Self {
        Self { expects_output: Some(text.to_owned()), ..self }
    }

    /// Discards standard output.
    pub(crate) fn discard_output(self) -> Self {
        Self { expects_output: None, discards_output: true, ..self }
    }

    /// Has another program run it.
    pub(crate) fn run_under(mut self, args: &[&str]) -> Self {
        self.args.splice(0..0, args.iter().map(ToString::to_string));
        self
    }

    pub(crate) fn on_cores(self, cores: Cores) -> Self {
        if cores == Cores::One { self.run_under(&CORE) } else { self }
    }
}

/// How many cores client and server share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    One,
    All,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurement {
    pub(crate) nanoseconds: u64,
    /// Peak memory.
    pub(crate) kib: u64,
    pub(crate) faults: u64,
}

/// One value per round, sorted.
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// The lower decile: what the program takes when nothing disturbs it.
    pub(crate) fn decile(&self) -> f64 {
        self.0[self.0.len() / 10]
    }

    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

/// Measures two things alternately, so that a disturbance affects both.
pub(crate) fn measure_interleaved(
    rounds: usize,
    mut first: impl FnMut() -> f64,
    mut second: impl FnMut() -> f64,
) -> (Samples, Samples) {
    let (mut firsts, mut seconds): (Vec<_>, Vec<_>) = (0..rounds).map(|_| (first(), second())).unzip();
    firsts.sort_by(f64::total_cmp);
    seconds.sort_by(f64::total_cmp);
    (Samples(firsts), Samples(seconds))
}

/// A stub server in its own process.
pub(crate) struct Stub {
    process: Child,
    ask: ChildStdin,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

/// What a stub server has received since the last request for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) requests: u64,
    pub(crate) commands: u64,
    /// How often the numbers of the commands started at 0.
    pub(crate) rounds: u64,
    pub(crate) out_of_order: u64,
    pub(crate) without_credential: u64,
    pub(crate) wrong_credential: u64,
}

impl Stub {
    /// With a certificate chain and a key, it uses TLS.
    pub(crate) fn start(ip: IpAddr, cores: Cores, tls: &[&Path]) -> Self {
        let this = std::env::current_exe().expect("the path of the benchmark is known");
        let mut command = match cores {
            Cores::All => Command::new(this),
            Cores::One => {
                let mut command = Command::new(CORE[0]);
                command.args(&CORE[1..]).arg(this);
                command
            }
        };
        command.arg("stub").arg(ip.to_string()).args(tls).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the stub server starts");
        let ask = process.stdin.take().expect("the stream is piped");
        let mut output = BufReader::new(process.stdout.take().expect("the stream is piped"));
        let port = line(&mut output).parse().expect("the stub server prints its port");
        Self { process, ask, output, address: SocketAddr::new(ip, port) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn stats(&mut self) -> Stats {
        self.ask.write_all(b"\n").expect("the stub server reads");
        let line = line(&mut self.output);
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [requests, commands, rounds, out_of_order, without_credential, wrong_credential] = numbers[..] else {
            panic!("{line}")
        };
        Stats { requests, commands, rounds, out_of_order, without_credential, wrong_credential }
    }

    /// Expects that every command was received once, in order and with the right credential, in this many requests.
    pub(crate) fn expect(&mut self, requests: u64, commands: u64, rounds: u64) {
        assert_eq!(self.expect_commands(commands, rounds), requests, "the number of requests");
    }

    /// The same for requests of any size; returns how many there were.
    pub(crate) fn expect_commands(&mut self, commands: u64, rounds: u64) -> u64 {
        let stats = self.stats();
        let requests = stats.requests;
        let expected =
            Stats { requests, commands, rounds, out_of_order: 0, without_credential: 0, wrong_credential: 0 };
        assert_eq!(stats, expected, "what the stub server received");
        requests
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("the stub server prints a line");
    line.trim_end().to_owned()
}
