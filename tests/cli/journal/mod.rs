//! `--journal`: a run goes on where the last one ended, whatever ended it.

mod faults;
mod file;
mod key_value;
mod kills;
mod resume;
mod unknown;

use std::fs::{self, File};

use crate::numbers::{lines, without_duration};
use crate::support::cli::{Cent, CentOutput};
use crate::support::server::{Response, Script, Server, Step, respond};
use crate::{ApiForm, Current};

/// The outcome of a run, and its journal.
struct Run {
    output: CentOutput,
    journal: Vec<u8>,
}

impl Run {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.journal).into_owned()
    }

    fn exit_code(&self) -> i32 {
        self.output.exit_code().expect("the program was not killed")
    }

    /// Standard error without durations.
    fn stderr(&self) -> String {
        without_duration(&self.output.stderr())
    }

    #[track_caller]
    fn assert(&self, exit_code: i32, stderr: &str) {
        assert_eq!((self.exit_code(), self.stderr().as_str()), (exit_code, stderr));
    }
}

/// A call with a journal of this content, and two lines per request, which are read without delay.
fn call(form: ApiForm, server: &Server, args: &[&str], input: &str, journal: Option<&[u8]>) -> Cent {
    let cent = form.cent(server).args(&["bananas", "--lines", "--journal=state", "--batch=2"]).args(args);
    let cent = cent.file("input", input);
    let file = File::open(cent.path("input")).unwrap();
    let cent = cent.stdin(file);
    match journal {
        Some(content) => cent.file("state", content),
        None => cent,
    }
}

fn finish(cent: Cent) -> Run {
    let output = cent.run();
    let journal = fs::read(output.home.path().join("state")).unwrap_or_default();
    Run { output, journal }
}

fn run_form(form: ApiForm, server: &Server, args: &[&str], input: &str, journal: Option<&[u8]>) -> Run {
    finish(call(form, server, args, input, journal))
}

fn run(server: &Server, args: &[&str], input: &str, journal: Option<&[u8]>) -> Run {
    run_form(Current, server, args, input, journal)
}

/// Runs until the exit status is 0, as a cron job does; returns how many runs it took.
#[track_caller]
fn run_until_done(form: ApiForm, server: &Server, args: &[&str], input: &str, journal: Option<Vec<u8>>) -> usize {
    let mut journal = journal;
    for runs in 1..=5 {
        let run = run_form(form, server, args, input, journal.as_deref());
        if run.exit_code() == 0 {
            return runs;
        }
        journal = Some(run.journal);
    }
    panic!("not done after five runs");
}

/// How many requests a run sends before its first batch: a call that changes nothing, and what shows the form of the API.
fn requests_before(form: ApiForm) -> usize {
    form.requests_before() + 1
}

fn executed_but_failed() -> Script {
    respond(&Response::new(500))
}

fn ok() -> Script {
    vec![Step::Respond]
}

/// The journal with another number after this name in each record.
fn with_number(journal: &[u8], name: &str, number: impl Fn(u64) -> u64) -> Vec<u8> {
    let text = String::from_utf8_lossy(journal);
    let mut parts = text.split(name);
    let mut changed = parts.next().unwrap().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let old = part[..part.len() - rest.len()].parse().unwrap();
        changed.extend([name, &number(old).to_string(), rest]);
    }
    changed.into_bytes()
}

/// A journal with other times of the wall clock: those of requests become `time`.
fn at(journal: &[u8], time: u64) -> Vec<u8> {
    with_number(journal, "\"time\":", |_| time)
}

/// A journal whose requests were sent this many seconds earlier, by the clock that counts from the start of the machine.
fn with_uptime(journal: &[u8], seconds: u64) -> Vec<u8> {
    with_number(journal, "\"uptime\":", |uptime| uptime.checked_sub(seconds).expect("the machine is not that young"))
}

/// A run whose second request of three is lost after it was executed, and its journal.
fn unknown_run(form: ApiForm, server: &Server, args: &[&str]) -> Run {
    for script in (0..=requests_before(form)).map(|_| ok()).chain([executed_but_failed()]) {
        server.add_script(script);
    }
    run_form(form, server, args, &lines(1..=6), None)
}

/// The journal with the address of another server, also if it is cut off.
fn without_address(journal: &[u8], server: &Server) -> Vec<u8> {
    let text = String::from_utf8_lossy(journal);
    let Some((before, rest)) = text.split_once("\"address\":\"") else { return journal.to_vec() };
    let address = server.address();
    match rest.split_once('"') {
        Some((_, after)) => format!("{before}\"address\":\"{address}\"{after}").into_bytes(),
        None => format!("{before}\"address\":\"{}", &address[..rest.len().min(10)]).into_bytes(),
    }
}

/// The number after the last of these names in a journal, and a hyphen if it is a range.
fn last_number(journal: &str, name: &str) -> usize {
    let Some((_, rest)) = journal.rsplit_once(name) else { return 0 };
    let range = rest.split(|c: char| !c.is_ascii_digit() && c != '-').next().unwrap();
    range.rsplit('-').next().unwrap().parse().unwrap()
}
