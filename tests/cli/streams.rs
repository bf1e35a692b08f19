//! Standard streams that are non-blocking, full or closed.

use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{ioctl_fionbio, ioctl_fionread};

use crate::support::cli::Cent;
use crate::support::server::{Response, Script, Server, respond};
use crate::{ApiForm, Legacy, PLAIN, V1};

/// More than a pipe holds.
const LARGE_BYTES: usize = 500_000;

/// A pipe whose ends are both non-blocking, for every process that has one of them.
fn nonblocking_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe is created");
    ioctl_fionbio(&writer, true).expect("the pipe has the option");
    (reader, writer)
}

fn is_full(pipe: &PipeWriter) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT)], Some(&now));
    ready.expect("the pipe can be polled") == 0
}

/// Waits until the program cannot write any more, or has ended.
fn wait_until_full(child: &mut Child, pipe: &PipeWriter) {
    while !is_full(pipe) && child.try_wait().expect("it can be waited for").is_none() {
        thread::yield_now();
    }
}

/// Waits until the program has read what is in the pipe and sleeps, or has ended.
fn wait_until_idle(child: &mut Child, pipe: &PipeReader) {
    let has_input = || ioctl_fionread(pipe).expect("the pipe has a size") > 0;
    while (has_input() || !is_asleep(child)) && child.try_wait().expect("it can be waited for").is_none() {
        thread::yield_now();
    }
}

/// Whether all threads of the program sleep.
fn is_asleep(child: &Child) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id()));
    let mut states = tasks.into_iter().flatten().flatten().map(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('S'))
    });
    states.all(|sleeps| sleeps)
}

/// Lets the program fill the pipe, then reads it to its end.
fn read_slowly(child: &mut Child, mut reader: PipeReader, writer: PipeWriter) -> String {
    wait_until_full(child, &writer);
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it is UTF-8");
    text
}

fn publications(bytes: usize) -> String {
    format!(r#"[{{"data":"{}"}}]"#, "x".repeat(bytes))
}

/// The reply to a history with so much data.
fn history_reply(form: ApiForm, bytes: usize) -> String {
    let publications = publications(bytes);
    match form {
        V1 => format!(r#"{{"method":"history","error":null,"body":{publications}}}"#),
        Legacy | ApiForm::Current => format!(r#"{{"result":{{"publications":{publications}}}}}"#),
    }
}

fn large_history(form: ApiForm) -> Script {
    respond(&Response::json(form.response_body(&[history_reply(form, LARGE_BYTES)])))
}

fn history(cent: Cent) -> Cent {
    cent.args(&["bananas", "history", "--compact", "--params", r#"{"channel": "a"}"#])
}

fn publish_lines(form: ApiForm, server: &Server) -> Cent {
    form.cent(server).args(&["bananas", "publish", "--lines"])
}

#[test]
fn nonblocking_stdout_with_slow_reader_gets_everything() {
    for form in ApiForm::ALL {
        let server = form.server().script(large_history(form));
        let (reader, writer) = nonblocking_pipe();
        let output = writer.try_clone().unwrap();
        let (mut child, _home) = history(form.cent(&server)).spawn_with(Stdio::null(), output, Stdio::piped());
        let text = read_slowly(&mut child, reader, writer);
        assert_eq!(text.len(), history_reply(form, LARGE_BYTES).len() + "[]\n".len());
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    }
}

#[test]
fn nonblocking_stdout_of_lines_gets_every_reply() {
    const LINES: usize = 8000;
    for form in ApiForm::ALL {
        let server = form.server();
        let (reader, writer) = nonblocking_pipe();
        let output = writer.try_clone().unwrap();
        let cent = publish_lines(form, &server).file("input", format!("{PLAIN}\n").repeat(LINES));
        let input = File::open(cent.path("input")).unwrap();
        let (mut child, _home) = cent.spawn_with(input, output, Stdio::piped());
        let text = read_slowly(&mut child, reader, writer);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
        assert_eq!(text, format!("{}\n", form.publish_reply()).repeat(LINES));
        assert_eq!(server.centrifugo().executed().len(), LINES);
    }
}

#[test]
fn nonblocking_stdin_with_late_writer_is_waited_for() {
    let parts = PLAIN.split_at(10);
    for form in ApiForm::ALL {
        for args in [&[][..], &["--params=-"], &["--lines"]] {
            let server = form.server();
            let (input, mut writer) = nonblocking_pipe();
            ioctl_fionbio(&input, true).unwrap();
            let cent = form.cent(&server).args(&["bananas", "publish", "-q"]).args(args);
            let (mut child, _home) = cent.spawn_with(input.try_clone().unwrap(), Stdio::piped(), Stdio::piped());
            for part in ["", parts.0, parts.1] {
                writer.write_all(part.as_bytes()).unwrap();
                wait_until_idle(&mut child, &input);
            }
            drop(writer);
            let output = child.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), &*error), (Some(0), ""), "{form:?} {args:?}");
            assert_eq!(server.centrifugo().executed(), ["publish"]);
        }
    }
}

#[test]
fn nonblocking_stderr_gets_every_message() {
    const LINES: usize = 1500;
    let server = Legacy.server();
    let (reader, writer) = nonblocking_pipe();
    let errors = writer.try_clone().unwrap();
    let cent = publish_lines(Legacy, &server).args(&["--verbose", "--batch=1"]);
    let cent = cent.file("input", format!("{PLAIN}\n").repeat(LINES));
    let input = File::open(cent.path("input")).unwrap();
    let (mut child, _home) = cent.spawn_with(input, Stdio::null(), errors);
    let text = read_slowly(&mut child, reader, writer);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // The first batch is sent in the current form too.
    assert_eq!(text.matches("\ncent: POST ").count(), LINES + 1);
    assert_eq!(text.matches("\ncent: status ").count(), LINES + 1);
    assert!(text.lines().last().unwrap().starts_with("cent: 1500 commands accepted in "), "{text}");
}

fn full() -> File {
    File::create("/dev/full").expect("the device is there")
}

const NO_SPACE: &str = "no space left on device\n";

#[test]
fn write_error_hides_no_other_error() {
    for form in [V1, Legacy] {
        let reply = form.publish_reply();
        let body = if form == V1 { format!("[{reply},{reply}]") } else { format!("{reply}\n{reply}") };
        let server = form.server();
        if form == Legacy {
            server.add_script(respond(&Response::plain(404, "404 page not found\n")));
        }
        server.add_script(respond(&Response::json(body)));
        let output = form.cent(&server).args(&["bananas", "publish", "--params", PLAIN]).stdout(full()).run();
        let text = output.stderr();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((output.exit_code(), lines.len()), (Some(4), 2), "{text}");
        assert_eq!(
            lines[0],
            format!("cent: cannot write to standard output (the command was executed): {}", NO_SPACE.trim())
        );
        assert!(lines[1].contains(": expected 1 reply, got 2; "), "{text}");
    }
}

#[test]
fn write_error_has_status_of_what_was_sent() {
    for form in ApiForm::ALL {
        let server = form.server().allow_no_connection();
        let run = |args: &[&str]| form.cent(&server).args(args).stdin(Stdio::null()).stdout(full()).run();
        let message = format!("cent: cannot write to standard output: {NO_SPACE}");
        for args in [
            &["--sections"][..],
            &["--help"],
            &["-h"],
            &["--version"],
            &["--completions=bash"],
            &["bananas", "publish", "--dry-run", "--params", PLAIN],
        ] {
            run(args).assert_output(2, "", &message);
        }
        assert_eq!(server.requests().len(), 0);
        run(&["bananas", "history", "--params", r#"{"channel": "a"}"#]).assert_output(3, "", &message);
        let executed = message.replace("output:", "output (the command was executed):");
        run(&["bananas", "publish", "--params", PLAIN]).assert_output(4, "", &executed);
    }
}

#[test]
fn write_error_of_dry_run_with_lines_has_status_2() {
    let server = V1.server().expect_no_connection();
    let output = publish_lines(V1, &server).arg("-n").stdin_bytes(format!("{PLAIN}\n")).stdout(full()).run();
    output.assert_output(2, "", &format!("cent: cannot write to standard output: {NO_SPACE}"));
}

#[test]
fn file_size_limit_is_a_write_error() {
    for form in ApiForm::ALL {
        let server = form.server().script(large_history(form));
        // The limit is in blocks of 512 or 1024 bytes.
        let shell = ["sh", "-c", r#"ulimit -f 4 && exec "$0" "$@" >out"#];
        let output = history(form.cent(&server)).run_under(&shell).env("PATH", "/usr/bin:/bin").run();
        output.assert_output(3, "", "cent: cannot write to standard output: file too large\n");
        let written = fs::metadata(output.home.path().join("out")).unwrap().len();
        assert!(matches!(written, 2048 | 4096), "{written}");
    }
}

#[test]
fn file_size_limit_stops_lines_with_summary() {
    let server = V1.server();
    let shell = ["sh", "-c", r#"ulimit -f 4 && exec "$0" "$@" >out"#];
    let cent = publish_lines(V1, &server).arg("--batch=10").run_under(&shell).env("PATH", "/usr/bin:/bin");
    let output = cent.stdin_bytes(format!("{PLAIN}\n").repeat(5000)).run();
    let text = output.stderr();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(output.exit_code(), Some(4), "{text}");
    assert_eq!(lines[0], "cent: cannot write to standard output (the command was executed): file too large");
    let executed = server.centrifugo().executed().len();
    assert_eq!(
        lines[1..],
        [format!(
            "cent: lines 1-{executed} accepted; line {0} onwards not accepted: resume with tail -n +{0}",
            executed + 1
        )]
    );
}
