//! Completion in real shells, with the TAB key; run by `.ci/run`, which installs the shells.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::cli::{cent, start};

const CONFIG: &str = r#"[bananas]
address = http://bananas
secret = x
[basket]
address = http://basket
api_key = k
[my server]
address = http://mine
secret = x
[it's "$HOME" (& more)]
address = http://odd
api_key = k
[a:b=c@d]
address = http://breaks
secret = x
[бананы]
address = http://cyrillic
secret = x
"#;

const OTHER_CONFIG: &str = "[other]\naddress = http://other\napi_key = k\n";

/// Lines to type, with TABs, and the URL and the start of the body that they lead to.
const TYPED_LINES: [(&str, &str, &str); 20] = [
    ("cent ban\tpub\t--dr\t--params=@my\t", "http://bananas/api/", r#"[{"method":"publish","params":{"a":1,"#),
    ("cent ban\tpub\t-n --params @dir\tin\t", "http://bananas/api/", r#"[{"method":"publish","params":{"b":1,"#),
    ("cent -n my\tsta\t", "http://mine/api/", r#"[{"method":"stats""#),
    ("cent -n \"my\tsta\t", "http://mine/api/", r#"[{"method":"stats""#),
    ("cent -n bas\tinf\t", "http://basket/api/info", "{}"),
    ("cent -n it\tinf\t", "http://odd/api/info", "{}"),
    ("cent -n 'it\tinf\t", "http://odd/api/info", "{}"),
    ("cent -n a\tnod\t", "http://breaks/api/", r#"[{"method":"node""#),
    ("cent -n a:b=c@\tnod\t", "http://breaks/api/", r#"[{"method":"node""#),
    ("cent -n бан\tsta\t", "http://cyrillic/api/", r#"[{"method":"stats""#),
    ("cent -n --config=oth\toth\tinf\t", "http://other/api/info", "{}"),
    ("cent -n --config oth\toth\tinf\t", "http://other/api/info", "{}"),
    ("cent -n --config=~/oth\toth\tinf\t", "http://other/api/info", "{}"),
    ("cent -n --color=nev\tban\tsta\t", "http://bananas/api/", r#"[{"method":"stats""#),
    ("cent -n bas\tpub\tch\tx dat\t1", "http://basket/api/publish", r#"{"channel":"x","data":1}"#),
    ("cent -n bas\tpub\tcha\tx 'data[\ta]=1'", "http://basket/api/publish", r#"{"channel":"x","data":{"a":"1"}}"#),
    ("cent -n bas\tbroa\tcha\tx data=\t1", "http://basket/api/broadcast", r#"{"channels":["x"],"data":"1"}"#),
    ("cent -n bas\tpub\tch\tx data:@my\t", "http://basket/api/publish", r#"{"channel":"x","data":{"a":1,"#),
    ("cent -n bas\tpub\tchannel=x data@dir\tin\t", "http://basket/api/publish", r#"{"channel":"x","data":"{\"b\":1,"#),
    (
        "echo y | cent -nl bas\tpub\tchannel=x data@\t",
        "http://basket/api/batch",
        r#"{"commands":[{"publish":{"channel":"x","data":"y"}}"#,
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    Bash,
    BashCompletion,
    Zsh,
    Fish,
}

use Shell::{Bash, BashCompletion, Fish, Zsh};

impl Shell {
    /// The shell's name for `--completions`.
    fn name(self) -> &'static str {
        match self {
            Bash | BashCompletion => "bash",
            Zsh => "zsh",
            Fish => "fish",
        }
    }

    /// The shell's startup file with its content, and the command that starts the shell.
    fn start(self, home: &Path) -> (&'static str, String, &'static str) {
        let load = format!("{}/completions", home.display());
        match self {
            Bash => ("rc", format!("PS1='ready> '\nsource {load}\n"), "bash --noprofile --rcfile rc -i"),
            BashCompletion => {
                let first = "source /usr/share/bash-completion/bash_completion";
                ("rc", format!("PS1='ready> '\n{first}\nsource {load}\n"), "bash --noprofile --rcfile rc -i")
            }
            Zsh => {
                let first = "autoload -U compinit\ncompinit -u -D\nunsetopt zle_bracketed_paste prompt_sp";
                (".zshrc", format!("PS1='ready> '\n{first}\nsource {load}\n"), "zsh -i")
            }
            Fish => {
                let prompt = "function fish_greeting; end\nfunction fish_prompt; printf 'ready> '; end";
                ("rc", format!("{prompt}\nsource {load}\n"), "fish --no-config -i --init-command 'source rc'")
            }
        }
    }
}

/// A shell on its own terminal, in a home directory with the completions. It logs each call of `cent`.
struct Terminal {
    home: TempDir,
    child: Child,
    stdin: ChildStdin,
    stdout: Receiver<Vec<u8>>,
    output: String,
}

impl Terminal {
    fn open(shell: Shell, files: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory is created");
        let write = |name: &str, text: &str| fs::write(home.path().join(name), text).expect("the file is written");
        for dir in ["bin", "dir"] {
            fs::create_dir(home.path().join(dir)).expect("the directory is created");
        }
        for (name, text) in files {
            write(name, text);
        }
        write("completions", &cent().args(&["--completions", shell.name()]).run().stdout());
        let program = env!("CARGO_BIN_EXE_cent");
        write("bin/cent", &format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$HOME/calls\"\nexec {program} \"$@\"\n"));
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.path().join("bin/cent"), executable).expect("the mode is set");
        let (rc, text, command) = shell.start(home.path());
        write(rc, &text);
        // script provides the terminal.
        let mut child = start(
            Command::new("script")
                .args(["--quiet", "--command", command, "/dev/null"])
                .env_clear()
                .env("HOME", home.path())
                .env("PATH", format!("{}/bin:/usr/bin:/bin", home.path().display()))
                .env("SHELL", "/bin/sh")
                .envs([("LANG", "C.UTF-8"), ("TERM", "xterm"), ("COLUMNS", "500")])
                .current_dir(home.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let stdin = child.stdin.take().expect("the stream is piped");
        let stdout = read_in_background(child.stdout.take().expect("the stream is piped"));
        let mut terminal = Self { home, child, stdin, stdout, output: String::new() };
        terminal.wait_for("ready> ");
        terminal
    }

    /// Types a line and waits for these texts on the screen, one after the other.
    fn type_line(&mut self, keys: &str, expected: &[&str]) {
        self.output.clear();
        write!(self.stdin, "{keys}\r").expect("the shell reads");
        for text in expected {
            self.wait_for(text);
        }
        self.wait_for("ready> ");
    }

    /// Waits for a text on the screen and drops everything up to its end.
    fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some((_, rest)) = self.output.split_once(text) {
                self.output = rest.to_owned();
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.stdout.recv_timeout(left) else {
                panic!("{text:?} is missing; on the screen:\n{}", self.output);
            };
            self.output.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.home.path().join("calls")).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_in_background(mut stdout: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stdout.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn check_completion(shell: Shell) {
    let files = [
        (".centrc", CONFIG),
        ("other.rc", OTHER_CONFIG),
        ("my file.json", r#"{"a":1,"channel":"a","data":1}"#),
        ("dir/in it.json", r#"{"b":1,"channel":"a","data":1}"#),
    ];
    for (keys, url, body) in TYPED_LINES {
        // A new terminal for each line: lists and messages of the previous line would be on the screen.
        let mut terminal = Terminal::open(shell, &files);
        terminal.type_line(keys, &[&format!("POST {url}\r\n"), body]);
    }
}

/// The only call is the one that was typed.
fn check_missing_config(shell: Shell) {
    let mut terminal = Terminal::open(shell, &[]);
    terminal.type_line("cent ban\tanas pub\t", &["~/.centrc: file not found"]);
    assert_eq!(terminal.calls().lines().count(), 1, "{}", terminal.calls());
}

/// Reading the pipe would take its content from the program, and block if nobody writes.
fn check_pipe_as_config(shell: Shell) {
    let mut terminal = Terminal::open(shell, &[]);
    let status = Command::new("mkfifo").arg(terminal.home.path().join("pipe")).status().expect("mkfifo runs");
    assert!(status.success());
    terminal.type_line("cent --config pipe ban\tanas --version", &[concat!("cent ", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(terminal.calls(), "--config pipe bananas --version\n");
}

fn check_bad_config(shell: Shell) {
    let mut terminal = Terminal::open(shell, &[(".centrc", "secret = marked\n")]);
    terminal.type_line("cent ban\tanas --version", &[concat!("cent ", env!("CARGO_PKG_VERSION"))]);
    assert!(!terminal.output.contains("text before the first section"), "{}", terminal.output);
}

fn check_all(shell: Shell) {
    check_completion(shell);
    check_missing_config(shell);
    check_pipe_as_config(shell);
    check_bad_config(shell);
}

#[test]
#[ignore = "needs bash and script"]
fn bash_completes_live() {
    check_all(Bash);
}

#[test]
#[ignore = "needs bash, bash-completion and script"]
fn bash_with_bash_completion_completes_live() {
    check_all(BashCompletion);
}

#[test]
#[ignore = "needs zsh and script"]
fn zsh_completes_live() {
    check_all(Zsh);
}

#[test]
#[ignore = "needs fish and script"]
fn fish_completes_live() {
    check_all(Fish);
}
