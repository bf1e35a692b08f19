//! Runs that are killed, system calls that fail, a journal that is cut off: each line is executed once.

use std::fs::{self, File};

use super::{Run, call, finish, last_number, ok, requests_before, run, run_form, run_until_done, without_address};
use crate::numbers::{lines, numbers, received};
use crate::support::server::{Server, Step};
use crate::{ApiForm, Current};

/// Kills the program while it waits for the response to a request, and runs it again.
fn kill_at_each_request(form: ApiForm, args: &[&str], finish_job: impl Fn(&Server, bool, Vec<u8>)) {
    for is_executed in [true, false] {
        for killed in 0..3 {
            let server = form.server();
            (0..killed + requests_before(form)).for_each(|_| server.add_script(ok()));
            let first = if is_executed { Step::Execute } else { Step::ReadAll };
            server.add_script(vec![first, Step::Hang]);
            let input = File::open("/dev/null").unwrap();
            let (mut child, home) = {
                let cent = call(form, &server, args, &lines(1..=6), None);
                let file = File::open(cent.path("input")).unwrap();
                drop(input);
                cent.spawn_with(file, std::process::Stdio::null(), std::process::Stdio::null())
            };
            server.wait_for_requests(requests_before(form) + killed + 1);
            child.kill().unwrap();
            child.wait().unwrap();
            let journal = fs::read(home.path().join("state")).unwrap();
            finish_job(&server, is_executed, journal);
            assert_eq!(received(&server), numbers(1..=6), "killed at request {killed}, executed: {is_executed}");
        }
    }
}

#[test]
fn killed_runs_execute_each_line_once_with_keys() {
    let args = ["publish", "--idempotent", "--timeout=60"];
    kill_at_each_request(Current, &args, |server, _, journal| {
        assert_eq!(run_until_done(Current, server, &args, &lines(1..=6), Some(journal)), 1);
    });
}

#[test]
fn killed_runs_execute_each_line_once_with_answers() {
    for form in ApiForm::ALL {
        let args = ["publish", "--timeout=60"];
        kill_at_each_request(form, &args, |server, is_executed, journal| {
            let asked = run_form(form, server, &args, &lines(1..=6), Some(&journal));
            assert_eq!(asked.exit_code(), 4, "{}", asked.stderr());
            let choice = if is_executed { "--unknown=skip" } else { "--unknown=send" };
            let done = run_form(form, server, &[&args[..], &[choice]].concat(), &lines(1..=6), Some(&asked.journal));
            assert_eq!(done.exit_code(), 0, "{}", done.stderr());
        });
    }
}

/// A run in which a system call kills the program, or fails.
fn with_injected(server: &Server, args: &[&str], input: &str, calls: &str, inject: &str) -> Run {
    let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{inject}"));
    let strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let cent = call(Current, server, args, input, None).run_under(&strace);
    let input = File::open(cent.path("input")).unwrap();
    finish(cent.stdin(input))
}

/// Kills the program at each system call of a kind; returns at how many. The next run has this exit status.
fn kill_at_each_call(args: &[&str], input: &str, calls: &str, exit: i32, expected: &[usize]) -> usize {
    for killed in 0.. {
        let server = Current.server().allow_no_connection();
        let inject = format!("signal=KILL:when={}", killed + 1);
        let first = with_injected(&server, args, input, calls, &inject);
        if let Some(status) = first.output.exit_code() {
            assert_eq!(status, exit, "{calls}: {}", first.stderr());
            return killed;
        }
        let mut second = run(&server, args, input, Some(&first.journal));
        // A line that may have been sent is rejected: the user decides.
        if exit == 1 && second.exit_code() == 4 {
            second = run(&server, &[args, &["--unknown=send"]].concat(), input, Some(&second.journal));
        }
        assert_eq!(second.exit_code(), exit, "{calls} {killed}: {}", second.stderr());
        assert_eq!(received(&server), expected, "{calls} {killed}");
    }
    unreachable!("the loop has no end")
}

#[test]
#[ignore = "needs strace"]
fn system_call_that_kills_executes_each_line_once() {
    let args = ["publish", "--idempotent", "--timeout=60"];
    // Its batch is halved three times.
    let invalid = "{\"channel\": 5, \"channel\": \"plain:a\", \"data\": 4}\n";
    let with_invalid = lines(1..=3) + invalid + &lines(5..=7);
    let in_one_batch = [&args[..], &["--batch=7"]].concat();
    for (calls, at_least) in [
        ("pwrite64", 7),
        ("fdatasync", 6),
        ("fsync", 2),
        ("sendto", 3),
        ("recvfrom", 3),
        ("write", 3),
        ("ftruncate", 1),
    ] {
        let killed = kill_at_each_call(&args, &lines(1..=6), calls, 0, &numbers(1..=6));
        assert!(killed >= at_least, "{calls}: {killed}");
        kill_at_each_call(&in_one_batch, &with_invalid, calls, 1, &numbers([1, 2, 3, 5, 6, 7]));
    }
}

#[test]
#[ignore = "needs strace"]
fn system_call_that_fails_ends_run_as_the_account_says() {
    let args = ["publish", "--idempotent", "--timeout=60"];
    for (calls, error) in [("pwrite64", "ENOSPC"), ("fdatasync", "EIO"), ("fsync", "EIO"), ("flock", "ENOLCK")] {
        for when in 1.. {
            let server = Current.server().allow_no_connection();
            let first = with_injected(&server, &args, &lines(1..=6), calls, &format!("error={error}:when={when}"));
            let sent = received(&server).len();
            if first.exit_code() == 0 {
                assert!(when > 1, "{calls}");
                break;
            }
            // Odd writes announce a request, even ones say that it was answered; a first one writes the header.
            let expected = match (calls, sent) {
                (_, 0) => 2,
                ("pwrite64", _) if when % 2 == 1 => 4,
                ("fdatasync", _) if when % 2 == 0 => 4,
                _ => 5,
            };
            assert_eq!(first.exit_code(), expected, "{calls} {when}: {}", first.stderr());
            assert!(first.stderr().starts_with("cent: state: cannot "), "{}", first.stderr());
            assert_eq!(run_until_done(Current, &server, &args, &lines(1..=6), Some(first.journal)), 1);
            assert_eq!(received(&server), numbers(1..=6), "{calls} {when}");
        }
    }
}

#[test]
#[ignore = "needs strace"]
fn directory_that_cannot_be_synced_is_no_error() {
    for error in ["EINVAL", "EACCES", "EPERM", "ENOSYS", "EOPNOTSUPP", "EBADF"] {
        let server = Current.server();
        // The first one is for the file.
        let run = with_injected(&server, &["publish", "-q"], &lines(1..=6), "fsync", &format!("error={error}:when=2"));
        run.assert(0, "");
        assert_eq!(received(&server), numbers(1..=6));
    }
}

#[test]
#[ignore = "needs strace"]
fn missing_locks_are_explained() {
    let server = Current.server().expect_no_connection();
    with_injected(&server, &["publish"], &lines(1..=6), "flock", "error=ENOLCK").assert(
        2,
        "cent: state: cannot lock the journal: no locks available; use a file on a local file system for --journal\n",
    );
}

/// Each byte of a journal is where a crash can cut it off. What it says by then has happened; the request that it announces
/// last may have been executed or not.
#[test]
fn journal_cut_at_each_byte_executes_each_line_once() {
    let args = ["publish", "--idempotent", "-q"];
    let centrifugo = Current.server();
    let uninterrupted = run(&centrifugo, &args, &lines(1..=6), None).text();
    let header_end = uninterrupted.find('\n').unwrap() + 1;
    let mut tested = 0;
    for end in (0..=uninterrupted.len()).filter(|&end| uninterrupted.is_char_boundary(end)) {
        let complete = &uninterrupted[..uninterrupted[..end].rfind('\n').map_or(0, |newline| newline + 1)];
        let is_boundary = end == complete.len();
        if !is_boundary && end % 7 != 0 {
            continue;
        }
        let announced = last_number(complete, "{\"sent\":{\"lines\":\"");
        let done = last_number(complete, "{\"done\":{\"line\":");
        for executed in if announced == done { vec![done] } else { vec![done, announced] } {
            let server = Current.server();
            let header = without_address(&uninterrupted.as_bytes()[..header_end], &server);
            // The same id, so the same keys.
            if executed > 0 {
                run(&server, &args, &lines(1..=executed), Some(&header)).assert(0, "");
            }
            let cut = without_address(&uninterrupted.as_bytes()[..end], &server);
            run(&server, &args, &lines(1..=6), Some(&cut)).assert(0, "");
            assert_eq!(received(&server), numbers(1..=6), "cut at {end}, {executed} executed");
            tested += 1;
        }
    }
    assert!(tested > 50, "{tested}");
}
