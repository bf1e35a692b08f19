//! The program as a user runs it, without the caller's environment.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;

/// A call of the program in an empty home folder, with standard input at its end (`/dev/null`) unless told otherwise.
pub struct Cent {
    home: TempDir,
    command: Command,
    stdin_bytes: Option<Vec<u8>>,
}

/// Starts without anything of the caller's: home, proxies, `SSL_CERT_*`, `CENT_CONFIG`, back traces.
pub fn cent() -> Cent {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cent"));
    command.env_clear().env("HOME", home.path()).current_dir(home.path());
    Cent { home, command, stdin_bytes: None }
}

impl Cent {
    /// Writes `~/.centrc`.
    pub fn config(self, text: impl AsRef<[u8]>) -> Self {
        self.file(".centrc", text)
    }

    /// Writes a file into the home folder, which is the working folder too.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.home.path().join(name), content).expect("a file can be written");
        self
    }

    /// The home folder, which is the working folder too; removed when the call is dropped.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The path of a file in the home folder.
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

    /// Gives standard input this content, through a pipe.
    pub fn stdin_bytes(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin_bytes = Some(content.into());
        self
    }

    /// Runs these words instead, in the same home and environment.
    pub fn replace_command(mut self, args: &[&str]) -> Self {
        let mut command = Command::new(args[0]);
        command.args(&args[1..]).env_clear().current_dir(self.home.path());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = command;
        self
    }

    /// Has another program run it: these words, then the call as it is so far.
    pub fn run_under(self, args: &[&str]) -> Self {
        let inner: Vec<_> =
            [self.command.get_program()].into_iter().chain(self.command.get_args()).map(OsStr::to_owned).collect();
        let mut cent = self.replace_command(args);
        cent.command.args(inner);
        cent
    }

    /// Gives standard input; it is at its end otherwise.
    pub fn stdin(mut self, source: impl Into<Stdio>) -> Self {
        self.command.stdin(source);
        self
    }

    /// Gives standard output; it is kept for the test otherwise.
    pub fn stdout(mut self, output: impl Into<Stdio>) -> Self {
        self.command.stdout(output);
        self
    }

    /// Runs to the end.
    pub fn run(mut self) -> CentOutput {
        let output = match self.stdin_bytes.take() {
            Some(content) => run_with_stdin(&mut self.command, content),
            None => self.command.output().expect("the program starts"),
        };
        CentOutput { output, home: self.home }
    }

    /// Starts it, with all three streams as pipes for the test; the home folder lives as long as what comes second.
    pub fn spawn(mut self) -> (Child, TempDir) {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        (self.command.spawn().expect("the program starts"), self.home)
    }
}

/// Runs a command and feeds it from a thread, so that neither side waits for the other for ever.
fn run_with_stdin(command: &mut Command, content: Vec<u8>) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    let writer = std::thread::spawn(move || {
        // The program may end before it has read everything.
        let _ = stdin.write_all(&content);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the feeder does not panic");
    output
}

/// What came of a call.
pub struct CentOutput {
    output: Output,
    /// Kept, so that tests can look at what is there afterwards.
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

    /// As text, with `[HOME]` for the path of the home folder, which differs in every run.
    fn to_text(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(&*self.home.path().to_string_lossy(), "[HOME]")
    }

    /// Holds exit status, the whole of standard output and the whole of standard error to what is expected.
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
