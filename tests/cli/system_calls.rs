//! A system that says no: streams that are closed or full, system calls that fail one by one.

use std::fs::File;
use std::thread;

use crate::support::program::{Cent, Ran};
use crate::support::server::Server;
use crate::{BOTH, Dialect, PLAIN};

/// Whatever happens: a status of the table, a reason where it is not 0, and no lie.
#[track_caller]
fn ends_well(ran: &Ran, server: &Server, commands: usize, what: &str) {
    let (exit, text) = (ran.exit(), ran.stderr());
    let executed = server.centrifugo().executed().len();
    assert!(matches!(exit, Some(0..=4)), "{what}: {:?} {text}", ran.output.status);
    assert!(text.lines().all(|line| line.starts_with("cent: ")), "{what}: {text}");
    assert!(exit == Some(0) || !text.is_empty(), "{what}: status {exit:?} without a reason");
    let is_true = match exit {
        Some(0) => executed == commands,
        // Of several lines, those before the one that failed have run; one that cannot be read may come after the last.
        Some(2) if commands > 1 => executed <= commands,
        Some(1..=3) => executed < commands,
        _ => true,
    };
    assert!(is_true, "{what}: {exit:?}, {executed} executed, {text}");
}

/// The ways to read and write that there are, each with how many commands it sends.
fn calls(
    dialect: Dialect,
    server: &Server,
    wrapper: impl Fn(&Cent) -> Vec<String>,
    timeout: &str,
) -> [(Cent, usize); 4] {
    let start = || {
        let address = server.address().replace("127.0.0.1", "localhost");
        let cent = dialect.cent_at(&address).file("params.json", PLAIN).file("lines", format!("{PLAIN}\n").repeat(5));
        cent.file("out", "").args(&["bananas", "publish", "--timeout", timeout])
    };
    let end = |cent: Cent, input: &str| {
        let (input, output) = (cent.path(input), cent.path("out"));
        let words = wrapper(&cent);
        let cent = cent.under(&words.iter().map(String::as_str).collect::<Vec<_>>());
        cent.stdin(File::open(input).expect("it was written")).stdout(File::create(output).expect("it was written"))
    };
    [
        (end(start().arg("--params=@params.json"), "params.json"), 1),
        (end(start(), "params.json"), 1),
        (end(start().args(&["--lines", "--batch=2"]), "lines"), 5),
        (end(start().arg("-v"), "params.json"), 1),
    ]
}

#[test]
fn streams_that_are_closed_or_full_are_no_reason_to_panic() {
    for dialect in BOTH {
        for (stream, exits) in [
            // Closed, they are /dev/null by the time that a Rust program runs.
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
                let server = dialect.server().perhaps_called();
                let (call, _) = calls(dialect, &server, |_| ["sh", "-c", &script].map(str::to_owned).to_vec(), "60")
                    .into_iter()
                    .nth(number)
                    .expect("4 calls");
                let ran = call.run();
                assert_eq!(ran.exit(), exit, "{stream}, call {number}: {}", ran.stderr());
                assert!(ran.stderr().lines().all(|line| line.starts_with("cent: ")), "{}", ran.stderr());
            }
        }
    }
}

/// What may fail, and with what. Where there is a path, only calls on that file are meant: the system reads files of
/// its own before the program begins.
const FAILURES: [(&str, &[&str], Option<&str>); 18] = [
    ("openat", &["EINTR", "EIO", "EMFILE", "EACCES", "ENOENT"], Some(".centrc")),
    ("openat", &["EINTR", "EIO", "EMFILE", "EACCES", "ENOENT"], Some("params.json")),
    ("openat", &["EIO", "EMFILE"], Some("/etc/hosts")),
    ("openat", &["EIO", "EMFILE"], Some("/etc/nsswitch.conf")),
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

#[test]
#[ignore = "needs strace"]
fn system_calls_that_fail_are_no_reason_to_panic() {
    thread::scope(|scope| {
        for (number, (calls_named, errors, path)) in FAILURES.iter().enumerate() {
            scope.spawn(move || {
                for error in *errors {
                    for when in ["1", "2", "3", "1+"] {
                        // A call that is interrupted for ever is tried for ever.
                        if *error != "EINTR" || when != "1+" {
                            for call in 0..4 {
                                fails_at(BOTH[number % 2], calls_named, error, *path, when, call);
                            }
                        }
                    }
                }
            });
        }
    });
}

fn fails_at(dialect: Dialect, names: &str, error: &str, path: Option<&str>, when: &str, number: usize) {
    let server = dialect.server().perhaps_called();
    let inject = format!("inject={names}:error={error}:when={when}");
    let trace = format!("trace={names}");
    let wrapper = |cent: &Cent| {
        let mut words =
            ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned).to_vec();
        if let Some(path) = path {
            words.extend(["-P".to_owned(), cent.path(path).display().to_string()]);
        }
        words
    };
    // A request that could not be written on a connection that is alive is waited for in vain.
    let (call, commands) = calls(dialect, &server, wrapper, "1").into_iter().nth(number).expect("4 calls");
    let ran = call.run();
    ends_well(&ran, &server, commands, &format!("{inject} on {path:?}, call {number}"));
}

#[test]
#[ignore = "needs strace"]
fn a_name_that_takes_longer_than_the_limit_to_look_up_is_given_up() {
    let delay = "inject=openat:delay_enter=2000000";
    let strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-P", "/etc/hosts", "-e", "trace=openat", "-e", delay];
    for dialect in BOTH {
        let server = dialect.server().uncalled();
        let call = dialect.cent_at(&server.address().replace("127.0.0.1", "localhost"));
        let ran = call.args(&["bananas", "channels", "--timeout=0.5"]).under(&strace).run();
        assert_eq!(ran.exit(), Some(3), "{}", ran.stderr());
        assert!(ran.stderr().contains("no connection within 0.5 s; nothing was sent"), "{}", ran.stderr());
    }
}
