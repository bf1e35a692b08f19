//! What differs if a standard stream is a terminal.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{ApiForm, PLAIN};

/// Both ends of a terminal: what a user types and sees, and what the program has.
fn terminal() -> (File, File) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal is free");
    grantpt(&user).expect("it is ours");
    unlockpt(&user).expect("it is ours");
    let name = ptsname(&user, Vec::new()).expect("it has a name");
    let program = File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes()));
    (File::from(user), program.expect("the terminal opens"))
}

/// Reads what the user sees until it ends with this text.
fn read_until(terminal: &mut File, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let mut byte = [0];
        // Linux says EIO once the program has closed it.
        assert!(matches!(terminal.read(&mut byte), Ok(1)), "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8(seen).expect("it is text").replace("\r\n", "\n")
}

#[test]
fn terminal_on_stdin_is_never_read() {
    for form in ApiForm::ALL {
        let server = form.server().expect_no_connection();
        let (mut user, program) = terminal();
        user.write_all(PLAIN.as_bytes()).unwrap();
        form.cent(&server).args(&["bananas", "publish"]).stdin(program).run().assert_output(
            2,
            "",
            "cent: no params given (standard input is a terminal, which is not read): publish: missing param \"channel\" \
             (a non-empty string); add it to the params\n",
        );
    }
}

#[test]
fn open_pipe_on_stdin_gets_a_note_on_a_terminal() {
    for form in ApiForm::ALL {
        let server = form.server();
        let (mut user, program) = terminal();
        let cent = form.cent(&server).args(&["bananas", "publish", "--color=never"]);
        let (mut child, _home) = cent.spawn_with(Stdio::piped(), Stdio::piped(), program);
        let note = "cent: waiting for params on standard input (use --params to not read it)\n";
        assert_eq!(read_until(&mut user, "\n"), note);
        child.stdin.take().unwrap().write_all(PLAIN.as_bytes()).unwrap();
        assert_eq!(io::read_to_string(child.stdout.take().unwrap()).unwrap(), form.published());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn progress_bar_is_erased_before_the_summary() {
    for form in ApiForm::ALL {
        let server = form.server();
        let (mut user, program) = terminal();
        let cent = form.cent(&server).args(&["bananas", "publish", "--lines"]).env("TERM", "xterm");
        let input = cent.home().join("lines");
        fs::write(&input, format!("{PLAIN}\n")).unwrap();
        let (mut child, _home) = cent.spawn_with(File::open(input).unwrap(), Stdio::null(), program);
        let seen = read_until(&mut user, "\n");
        let bar = "#".repeat(24);
        let rest = seen.strip_prefix(&format!("\r\x1b[K\x1b[?7l{bar} 100 %  1 command, "));
        assert!(rest.is_some_and(|rest| rest.contains("/s\x1b[?7h\r\x1b[Kcent: 1 command accepted in 0")), "{seen:?}");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn terminal_without_escape_sequences_gets_no_progress_bar() {
    let server = ApiForm::V1.server();
    let (mut user, program) = terminal();
    let cent = ApiForm::V1.cent(&server).args(&["bananas", "publish", "--lines"]).env("TERM", "dumb");
    let (mut child, _home) = cent.spawn_with(Stdio::piped(), Stdio::null(), program);
    writeln!(child.stdin.take().unwrap(), "{PLAIN}").unwrap();
    let seen = read_until(&mut user, "\n");
    assert!(seen.starts_with("cent: 1 command accepted in 0"), "{seen:?}");
    assert!(child.wait().unwrap().success());
}
