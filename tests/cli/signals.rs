//! Signals: which end a run of `--lines`, which stay ignored, and how it ends as process 1.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ApiForm;
use crate::numbers::line;
use crate::support::cli::{Cent, cent, kill_after};
use crate::support::server::{Server, Step};

fn publish_lines(form: ApiForm, server: &Server) -> Cent {
    form.cent(server).args(&["bananas", "publish", "--lines", "--batch=1", "--timeout=600"])
}

/// A run that gets its lines one by one.
struct Run {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _home: TempDir,
}

impl Run {
    fn start(cent: Cent) -> Self {
        let (mut child, home) = cent.spawn();
        let input = child.stdin.take().expect("the stream is piped");
        let output = BufReader::new(child.stdout.take().expect("the stream is piped"));
        Self { child, input, output, _home: home }
    }

    /// Sends a line, and waits for its reply.
    fn accept(&mut self, number: usize) {
        self.input.write_all(line(number).as_bytes()).expect("the program reads");
        let mut reply = String::new();
        self.output.read_line(&mut reply).expect("it is UTF-8");
        assert!(!reply.is_empty(), "line {number} has no reply");
    }

    /// Waits for the end; returns how it ended, and standard error. The input stays open until then.
    fn wait(mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        self.child.stderr.take().expect("the stream is piped").read_to_string(&mut text).expect("it is UTF-8");
        (self.child.wait().expect("it ends"), text)
    }

    /// Waits until it has died of a signal; returns that and standard error.
    fn wait_for_death(self) -> (Option<i32>, String) {
        let (status, text) = self.wait();
        (status.signal(), text)
    }
}

pub(crate) fn send_signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// A shell that runs the program with this signal ignored.
fn with_ignored(cent: Cent, signal: &str) -> Cent {
    cent.run_under(&["sh", "-c", &format!(r#"trap "" {signal}; exec "$0" "$@""#)]).env("PATH", "/usr/bin:/bin")
}

fn summary(reason: &str, last: usize) -> String {
    let next = last + 1;
    format!(
        "cent: interrupted by {reason}: lines 1-{last} accepted; line {next} onwards not accepted: resume with tail -n \
         +{next}\n"
    )
}

#[test]
fn each_signal_ends_run_with_summary() {
    for form in ApiForm::ALL {
        for (name, signal) in [("HUP", 1), ("INT", 2), ("TERM", 15)] {
            let server = form.server();
            let mut run = Run::start(publish_lines(form, &server));
            (1..=2).for_each(|number| run.accept(number));
            send_signal(run.child.id(), &format!("-{name}"));
            assert_eq!(run.wait_for_death(), (Some(signal), summary(&format!("SIG{name}"), 2)));
            assert_eq!(server.centrifugo().messages_as_text("plain:a"), ["1", "2"]);
        }
    }
}

#[test]
fn signal_before_first_line_ends_run_with_summary() {
    for (name, signal) in [("HUP", 1), ("INT", 2), ("TERM", 15)] {
        let server = ApiForm::Current.server().expect_no_connection();
        let run = Run::start(publish_lines(ApiForm::Current, &server));
        wait_until_caught(run.child.id());
        send_signal(run.child.id(), &format!("-{name}"));
        let text = format!("cent: interrupted by SIG{name}: no lines accepted: run again from line 1\n");
        assert_eq!(run.wait_for_death(), (Some(signal), text));
    }
}

/// Waits until the program has its handlers for SIGHUP, SIGINT and SIGTERM.
fn wait_until_caught(process: u32) {
    const ALL: u64 = 1 << 14 | 1 << 1 | 1;
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or_default()
    };
    let start = Instant::now();
    while caught() & ALL != ALL {
        assert!(start.elapsed() < Duration::from_secs(60), "no handlers");
        thread::yield_now();
    }
}

#[test]
fn ignored_signal_stays_ignored() {
    for (ignored, other, signal) in [("INT", "TERM", 15), ("HUP", "TERM", 15), ("TERM", "HUP", 1)] {
        let server = ApiForm::Current.server();
        let mut run = Run::start(with_ignored(publish_lines(ApiForm::Current, &server), ignored));
        run.accept(1);
        send_signal(run.child.id(), &format!("-{ignored}"));
        // Enough round trips for the signal to end the run, if it did.
        (2..=50).for_each(|number| run.accept(number));
        send_signal(run.child.id(), &format!("-{other}"));
        assert_eq!(run.wait_for_death(), (Some(signal), summary(&format!("SIG{other}"), 50)), "{ignored} ignored");
    }
}

#[test]
fn tests_reset_signals_that_their_caller_ignores() {
    let tests = std::env::current_exe().unwrap();
    let ignore = r#"trap "" HUP INT TERM; exec "$0" --exact "$@""#;
    let own = "signals::each_signal_ends_run_with_summary";
    let output = Command::new("sh").args(["-c", ignore]).arg(tests).arg(own).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn program_that_does_not_end_is_killed() {
    let (mut child, _home) = cent().replace_command(&["sleep", "600"]).env("PATH", "/usr/bin:/bin").spawn();
    kill_after(Duration::from_millis(10), &child);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

/// The process that `unshare` has started, by its number outside.
fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

#[test]
#[ignore = "needs unshare with a namespace of its own"]
fn second_signal_ends_process_1_in_order() {
    let server = ApiForm::Current.server().script(vec![Step::Read(10), Step::Hang]);
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc"];
    let cent =
        publish_lines(ApiForm::Current, &server).run_under(&unshare).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    let mut run = Run::start(cent);
    run.input.write_all(line(1).as_bytes()).unwrap();
    server.wait_for_requests(1);
    let cent = child_of(run.child.id()).expect("unshare has a child");
    // Two signals may merge if the first has not been handled yet, so they are sent until the exit.
    while run.child.try_wait().unwrap().is_none() {
        // It may have ended since.
        let _ = Command::new("kill").args(["-TERM", &cent.to_string()]).output().expect("kill runs");
        thread::yield_now();
    }
    // From unshare, which passes the exit status of its child on.
    let (status, text) = run.wait();
    assert_eq!((status.code(), text), (Some(143), String::new()));
}

#[test]
#[ignore = "needs unshare with a namespace of its own"]
fn signal_ends_single_call_as_process_1() {
    for (name, exit) in [("-HUP", 129), ("-INT", 130), ("-TERM", 143)] {
        let server = ApiForm::Current.server().script(vec![Step::Read(10), Step::Hang]);
        let cent = ApiForm::Current.cent(&server).args(&["bananas", "info", "--timeout=600"]);
        let unshare = ["unshare", "--pid", "--fork", "--mount-proc"];
        let run = Run::start(cent.run_under(&unshare).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"));
        server.wait_for_requests(1);
        send_signal(child_of(run.child.id()).expect("unshare has a child"), name);
        let (status, text) = run.wait();
        assert_eq!((status.code(), text), (Some(exit), String::new()), "{name}");
    }
}

#[test]
fn loop_of_a_shell_ends_with_interrupted_run() {
    let server = ApiForm::Current.server();
    let script = r#"for run in 1 2; do "$0" "$@"; done; echo after"#;
    let cent = publish_lines(ApiForm::Current, &server).run_under(&["bash", "-c", script]);
    let mut run = Run::start(cent.env("PATH", "/usr/bin:/bin"));
    (1..=2).for_each(|number| run.accept(number));
    // As a terminal sends it, to the shell too.
    let cent = child_of(run.child.id()).expect("the shell has a child");
    send_signal(run.child.id(), "-INT");
    send_signal(cent, "-INT");
    let mut rest = String::new();
    run.output.read_to_string(&mut rest).unwrap();
    assert_eq!((run.wait_for_death(), rest.as_str()), ((Some(2), summary("SIGINT", 2)), ""));
}
