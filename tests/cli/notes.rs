//! Notes on standard error, which only a terminal gets; `script` provides it.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::support::cli::{Cent, cent, start};
use crate::support::server::API_KEY;
use crate::{ApiForm, Current, Legacy, PLAIN, V1};

const CONFIG: &str = "[live]\naddress = http://127.0.0.1:1\napi_key = marked\n";

/// Starts this command line of a shell on a terminal, with `cent` as `$CENT`.
fn start_on_terminal(cent: &Cent, command_line: &str) -> Child {
    start(
        Command::new("script")
            .args(["--quiet", "--command", command_line, "/dev/null"])
            .env_clear()
            .env("HOME", cent.home())
            .env("CENT", env!("CARGO_BIN_EXE_cent"))
            .env("SHELL", "/bin/sh")
            .env("TERM", "dumb")
            .current_dir(cent.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped()),
    )
}

fn run_on_terminal(cent: &Cent, command_line: &str) -> String {
    let output = start_on_terminal(cent, command_line).wait_with_output().expect("script ends");
    String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
}

/// The message about params that are awaited.
const WAITING: &str = "cent: waiting for params on standard input (use --params to not read it)";

#[test]
#[ignore = "needs script"]
fn waiting_for_standard_input_has_a_note_on_a_terminal() {
    let cent = cent().config(CONFIG);
    let pipe = cent.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut child = start_on_terminal(&cent, "\"$CENT\" live publish --dry-run < pipe");
    // Opens once the program reads.
    let mut params = OpenOptions::new().write(true).open(&pipe).expect("the pipe opens");
    let mut lines = BufReader::new(child.stdout.take().expect("the stream is piped")).lines();
    let first = lines.next().expect("there is a line").expect("it is text");
    assert_eq!(first.trim_end(), WAITING);
    params.write_all(PLAIN.as_bytes()).expect("the program reads");
    drop(params);
    assert!(lines.any(|line| line.is_ok_and(|line| line.trim_end() == PLAIN)), "the params were read");
    assert!(child.wait().expect("script ends").success());
}

#[test]
#[ignore = "needs script"]
fn params_that_are_there_have_no_note() {
    let cent = cent().config(CONFIG).file("message.json", PLAIN);
    for command_line in ["\"$CENT\" live publish -n < message.json", "\"$CENT\" live publish -n channel=a data=1"] {
        let output = run_on_terminal(&cent, command_line);
        assert!(output.starts_with("POST http://127.0.0.1:1/api/publish\n"), "{output}");
    }
}

#[test]
#[ignore = "needs script"]
fn empty_history_without_limit_has_a_note_on_a_terminal() {
    let note = "cent: history: without limit, Centrifugo 3 and later return no publications; add \"limit\" to the params \
                (limit:=-1 for all)\n";
    for (form, args, has_note) in [
        (Current, "channel=news", true),
        (Legacy, "channel=news", true),
        (Current, "channel=news limit:=5", false),
        (Current, "channel=news --quiet", false),
        (V1, "channel=news", false),
    ] {
        let server = form.server();
        let cent = form.cent(&server);
        let output = run_on_terminal(&cent, &format!("\"$CENT\" bananas history {args}"));
        assert_eq!(output.ends_with(note), has_note, "{args}: {output}");
    }
    let server = ApiForm::Current.server();
    server.centrifugo().publish("news", "1");
    let cent = cent().config(format!("[live]\naddress = {}\napi_key = {API_KEY}\n", server.address()));
    let output = run_on_terminal(&cent, "\"$CENT\" live history channel=news limit:=-1");
    assert!(output.contains("\"data\": 1") && !output.contains("without limit"), "{output}");
}
