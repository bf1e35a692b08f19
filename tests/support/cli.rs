//! Runs the program as a user does, without the caller's environment.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

/// Longer than any call takes on a busy machine.
const MAX_RUN: Duration = Duration::from_secs(180);

/// A call of the program in an empty home directory. Standard input is `/dev/null` by default.
pub struct Cent {
    home: TempDir,
    command: Command,
    stdin_bytes: Option<Vec<u8>>,
    /// Standard output, unless it is captured.
    stdout: Option<Stdio>,
}

/// Without the caller's home, proxies, `SSL_CERT_*`, `CENT_CONFIG` and backtraces.
pub fn cent() -> Cent {
    let home = tempfile::tempdir().expect("a temporary directory is created");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cent"));
    command.env_clear().env("HOME", home.path()).current_dir(home.path()).stdin(Stdio::null());
    Cent { home, command, stdin_bytes: None, stdout: None }
}

impl Cent {
    /// Writes `~/.centrc`.
    pub fn config(self, text: impl AsRef<[u8]>) -> Self {
        self.file(".centrc", text)
    }

    /// Writes a file into the home directory, which is also the working directory.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.home.path().join(name), content).expect("the file is written");
        self
    }

    /// The home directory, which is also the working directory; removed when the call is dropped.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The path of a file in the home directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sends this content to standard input through a pipe.
    pub fn stdin_bytes(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin_bytes = Some(content.into());
        self
    }

    /// Runs another command in the same home and environment.
    pub fn replace_command(mut self, args: &[&str]) -> Self {
        let mut command = Command::new(args[0]);
        command.args(&args[1..]).env_clear().current_dir(self.home.path()).stdin(Stdio::null());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        self
    }

    /// Runs the call so far as the arguments of another program.
    pub fn run_under(self, args: &[&str]) -> Self {
        let inner: Vec<_> =
            [self.command.get_program()].into_iter().chain(self.command.get_args()).map(OsStr::to_owned).collect();
        let mut cent = self.replace_command(args);
        cent.command.args(inner);
        cent
    }

    /// Sets standard input.
    pub fn stdin(mut self, source: impl Into<Stdio>) -> Self {
        self.command.stdin(source);
        self
    }

    /// Redirects standard output, which is captured by default.
    pub fn stdout(mut self, output: impl Into<Stdio>) -> Self {
        self.stdout = Some(output.into());
        self
    }

    /// Runs the program to its end.
    pub fn run(mut self) -> CentOutput {
        self.command.stdout(self.stdout.take().unwrap_or_else(Stdio::piped)).stderr(Stdio::piped());
        let output = match self.stdin_bytes.take() {
            Some(content) => run_with_stdin(&mut self.command, content),
            None => start(&mut self.command).wait_with_output().expect("the program ends"),
        };
        CentOutput { output, home: self.home }
    }

    /// Starts the program with all three streams as pipes. The home directory is removed when the second value is
    /// dropped.
    pub fn spawn(self) -> (Child, TempDir) {
        self.spawn_with(Stdio::piped(), Stdio::piped(), Stdio::piped())
    }

    /// As [`spawn`](Self::spawn), with these streams.
    pub fn spawn_with(
        mut self,
        stdin: impl Into<Stdio>,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
    ) -> (Child, TempDir) {
        self.command.stdin(stdin).stdout(stdout).stderr(stderr);
        (start(&mut self.command), self.home)
    }
}

/// Starts a program with the default action for each signal, and kills it if it does not end.
pub fn start(command: &mut Command) -> Child {
    reset_ignored_signals();
    let child = command.spawn().expect("the program starts");
    kill_after(MAX_RUN, &child);
    child
}

/// Kills a program that still runs then, so that no test waits for it without end.
pub fn kill_after(limit: Duration, child: &Child) {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("the program is not reaped yet");
    let limit = Timespec::try_from(limit).expect("the limit fits");
    thread::spawn(move || {
        if poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)) == Ok(0) {
            // It may have ended since.
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    });
}

/// A program inherits the signals that its parent ignores, but not those that the parent handles. `nohup` and shells
/// without job control ignore some.
fn reset_ignored_signals() {
    static RESET: Once = Once::new();
    RESET.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
        let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or_default();
        for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            if mask >> (signal - 1) & 1 == 1 {
                signal_hook::flag::register(signal, Arc::default()).expect("the signal can be handled");
            }
        }
    });
}

/// Writes standard input from a thread, because reading and writing in turn could deadlock.
fn run_with_stdin(command: &mut Command, content: Vec<u8>) -> Output {
    let mut child = start(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("the stream is piped");
    let writer = thread::spawn(move || {
        // The program may exit before it has read everything.
        let _ = stdin.write_all(&content);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer does not panic");
    output
}

/// The output and the exit status of a call.
pub struct CentOutput {
    output: Output,
    /// Kept so that tests can inspect its files.
    pub home: TempDir,
}

impl CentOutput {
    pub fn status(&self) -> ExitStatus {
        self.output.status
    }

    pub fn exit_code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub fn stdout(&self) -> String {
        self.to_text(&self.output.stdout)
    }

    pub fn stderr(&self) -> String {
        self.to_text(&self.output.stderr)
    }

    /// As text, with `[HOME]` for the path of the home directory, which differs in every run.
    fn to_text(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(&*self.home.path().to_string_lossy(), "[HOME]")
    }

    /// Compares exit status, complete standard output and complete standard error.
    #[track_caller]
    pub fn assert_output(&self, exit_code: i32, stdout: &str, stderr: &str) {
        let (actual_stdout, actual_stderr) = (self.stdout(), self.stderr());
        assert!(
            self.exit_code() == Some(exit_code) && actual_stdout == stdout && actual_stderr == stderr,
            "expected exit {exit_code}\n--- standard output\n{stdout}\n--- standard error\n{stderr}\n\
             found exit {:?}\n--- standard output\n{actual_stdout}\n--- standard error\n{actual_stderr}",
            self.output.status,
        );
    }
}
