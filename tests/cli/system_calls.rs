//! Failures of the operating system: closed or full streams, and every system call failing in turn.

use std::fs::File;
use std::thread;

use crate::support::cli::{Cent, CentOutput};
use crate::support::server::Server;
use crate::{ApiForm, PLAIN};

/// Whatever failed: a documented exit status, a message unless it is 0, and a status that matches what was executed.
#[track_caller]
fn assert_clean_exit(output: &CentOutput, server: &Server, commands: usize, context: &str) {
    let (exit, text) = (output.exit_code(), output.stderr());
    let executed = server.centrifugo().executed().len();
    assert!(matches!(exit, Some(0..=5)), "{context}: {:?} {text}", output.status());
    assert!(text.lines().all(|line| line.starts_with("cent: ")), "{context}: {text}");
    assert!(exit == Some(0) || !text.is_empty(), "{context}: status {exit:?} without a message");
    let is_consistent = match exit {
        Some(0) => executed == commands,
        Some(1) => executed < commands,
        Some(2 | 3) => executed == 0,
        // Lines before the failed one have been executed; the failure may also come after the last line.
        Some(5) => executed > 0 && commands > 1,
        _ => true,
    };
    assert!(is_consistent, "{context}: {exit:?}, {executed} executed, {text}");
}

/// Not looked up.
const LOCALHOST: &str = "localhost";
/// Looked up, and not found.
const UNKNOWN_HOST: &str = "nowhere.invalid";

/// All ways to read and write, each with its number of commands.
fn calls(
    form: ApiForm,
    (server, host): (&Server, &str),
    wrapper: impl Fn(&Cent) -> Vec<String>,
    timeout: &str,
) -> [(Cent, usize); 4] {
    let start = || {
        let address = server.address().replace("127.0.0.1", host);
        let cent = form.cent_at(&address).file("params.json", PLAIN).file("lines", format!("{PLAIN}\n").repeat(5));
        cent.file("out", "").args(&["bananas", "publish", "--timeout", timeout])
    };
    let wrap = |cent: Cent, input: &str| {
        let (input, output) = (cent.path(input), cent.path("out"));
        let args = wrapper(&cent);
        let cent = cent.run_under(&args.iter().map(String::as_str).collect::<Vec<_>>());
        cent.stdin(File::open(input).expect("the file exists")).stdout(File::create(output).expect("the file exists"))
    };
    [
        (wrap(start().arg("--params=@params.json"), "params.json"), 1),
        (wrap(start(), "params.json"), 1),
        (wrap(start().args(&["--lines", "--batch=2"]), "lines"), 5),
        (wrap(start().arg("-v"), "params.json"), 1),
    ]
}

#[test]
fn closed_or_full_streams_do_not_panic() {
    for form in ApiForm::ALL {
        for (stream, exits) in [
            // The Rust runtime opens closed streams as /dev/null.
            ("<&-", [Some(0), Some(2), Some(0), Some(2)]),
            (">&-", [Some(0); 4]),
            ("2>&-", [Some(0); 4]),
            ("2>/dev/full", [Some(0); 4]),
            (">/dev/full", [Some(4); 4]),
            ("<&- >&- 2>&-", [Some(0), Some(2), Some(0), Some(2)]),
            (">/dev/full 2>/dev/full", [Some(4); 4]),
        ] {
            let script = format!(r#"exec "$0" "$@" {stream}"#);
            for (number, exit) in exits.into_iter().enumerate() {
                let server = form.server().allow_no_connection();
                let (call, _) =
                    calls(form, (&server, LOCALHOST), |_| ["sh", "-c", &script].map(str::to_owned).to_vec(), "60")
                        .into_iter()
                        .nth(number)
                        .expect("there are 4 calls");
                let output = call.run();
                assert_eq!(output.exit_code(), exit, "{stream}, call {number}: {}", output.stderr());
                assert!(output.stderr().lines().all(|line| line.starts_with("cent: ")), "{}", output.stderr());
            }
        }
    }
}

/// System calls to fail, and the errors. With a path, only calls on that file fail: the system reads other files before
/// the program starts.
type Failure = (&'static str, &'static [&'static str], Option<&'static str>);

const FAILURES: [Failure; 16] = [
    ("openat", &["EINTR", "EIO", "EMFILE", "EACCES", "ENOENT"], Some(".centrc")),
    ("openat", &["EINTR", "EIO", "EMFILE", "EACCES", "ENOENT"], Some("params.json")),
    ("read", &["EINTR", "EIO", "EISDIR"], Some(".centrc")),
    ("read", &["EINTR", "EIO", "EISDIR"], Some("params.json")),
    ("read", &["EINTR", "EIO", "EISDIR"], Some("lines")),
    ("write", &["EINTR", "EIO", "ENOSPC", "EPIPE", "EBADF"], Some("out")),
    ("statx,fstat,newfstatat", &["EIO", "EACCES"], Some("params.json")),
    ("fcntl", &["EMFILE", "EINVAL"], None),
    ("socketpair", &["EMFILE", "ENFILE"], None),
    ("clone3,clone", &["EAGAIN", "ENOMEM"], None),
    ("socket", &["EMFILE", "ENFILE", "EACCES", "ENOBUFS"], None),
    ("connect", &["EINTR", "EIO", "EMFILE", "ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "EACCES"], None),
    ("setsockopt", &["EINVAL", "EIO"], None),
    ("sendto", &["EINTR", "EIO", "EPIPE", "ECONNRESET", "ENOBUFS"], None),
    ("recvfrom", &["EINTR", "EIO", "ECONNRESET", "ENOMEM"], None),
    ("ioctl", &["EIO"], None),
];

/// As [`FAILURES`], for what a name lookup calls.
const LOOKUP_FAILURES: [Failure; 3] = [
    ("openat", &["EIO", "EMFILE"], Some("/etc/hosts")),
    ("openat", &["EIO", "EMFILE"], Some("/etc/nsswitch.conf")),
    ("clone3,clone", &["EAGAIN", "ENOMEM"], None),
];

#[test]
#[ignore = "needs strace"]
fn failing_system_calls_do_not_panic() {
    thread::scope(|scope| {
        let failures = FAILURES.map(|failure| (LOCALHOST, failure)).into_iter();
        let failures = failures.chain(LOOKUP_FAILURES.map(|failure| (UNKNOWN_HOST, failure)));
        for (number, (host, (names, errors, path))) in failures.enumerate() {
            scope.spawn(move || {
                let form = ApiForm::ALL[number % ApiForm::ALL.len()];
                for error in errors {
                    for when in ["1", "2", "3", "1+"] {
                        // A call that is always interrupted is repeated for ever.
                        if *error != "EINTR" || when != "1+" {
                            for call in 0..4 {
                                run_with_failing_call(form, host, &inject(names, error, when), names, path, call);
                            }
                        }
                    }
                }
            });
        }
    });
}

/// The argument of strace that makes system calls fail.
fn inject(names: &str, error: &str, when: &str) -> String {
    format!("inject={names}:error={error}:when={when}")
}

fn run_with_failing_call(form: ApiForm, host: &str, inject: &str, names: &str, path: Option<&str>, number: usize) {
    let server = form.server().allow_no_connection();
    let trace = format!("trace={names}");
    let wrapper = |cent: &Cent| {
        let mut args =
            ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", inject].map(str::to_owned).to_vec();
        if let Some(path) = path {
            args.extend(["-P".to_owned(), cent.path(path).display().to_string()]);
        }
        args
    };
    // If a request could not be written but its connection is alive, only the timeout ends the call.
    let (call, commands) =
        calls(form, (&server, host), wrapper, "1").into_iter().nth(number).expect("there are 4 calls");
    let output = call.run();
    assert_clean_exit(&output, &server, commands, &format!("{inject} on {path:?}, call {number}"));
}

#[test]
#[ignore = "needs strace"]
fn slow_dns_times_out() {
    let delay = "inject=openat:delay_enter=2000000";
    let strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-P", "/etc/hosts", "-e", "trace=openat", "-e", delay];
    for form in ApiForm::ALL {
        let server = form.server().expect_no_connection();
        let call = form.cent_at(&server.address().replace("127.0.0.1", UNKNOWN_HOST));
        let output = call.args(&["bananas", "channels", "--timeout=0.5"]).run_under(&strace).run();
        assert_eq!(output.exit_code(), Some(3), "{}", output.stderr());
        assert!(
            output.stderr().contains("timed out after 0.5 s while resolving nowhere.invalid; nothing was sent"),
            "{}",
            output.stderr()
        );
    }
}
