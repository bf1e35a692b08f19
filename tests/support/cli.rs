//! Runs the program as a user does, without the caller's environment.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;

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
    command.env_clear().env("HOME", home.path()).current_dir(home.path());
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
        command.args(&args[1..]).env_clear().current_dir(self.home.path());
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
            None => self.command.output().expect("the program starts"),
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
        (self.command.spawn().expect("the program starts"), self.home)
    }
}

/// Writes standard input from a thread, because reading and writing in turn could deadlock.
fn run_with_stdin(command: &mut Command, content: Vec<u8>) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("the stream is piped");
    let writer = std::thread::spawn(move || {
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
