//! `--lines` as its user sees it: nothing is repeated that was answered, and a script that follows the exit table loses
//! and doubles nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::THREADS;
use crate::case::{Case, LONG_TIMEOUT, no_fault};
use crate::scenarios::{self, Coverage};
use crate::server::{
    API_KEY, ApiForm, Centrifugo, Response, Script, Server, Step, fail_during_request, fail_during_response,
};
use crate::support::cli::{CentOutput, cent};

const COMMANDS: usize = 5;

/// The lines; one is nested too deep for the server.
fn lines(invalid: usize) -> String {
    let data = |index: usize| match index {
        _ if index == invalid => "[".repeat(10_000) + &"]".repeat(10_000),
        _ => index.to_string(),
    };
    let lines: Vec<_> = (0..COMMANDS).map(|index| format!(r#"{{"channel":"news","data":{}}}"#, data(index))).collect();
    lines.join("\n")
}

/// The parts that follow the whole batch: both halves of each part that the server rejects.
fn parts(commands: Range<usize>, invalid: usize) -> Vec<Range<usize>> {
    if commands.len() == 1 || !commands.contains(&invalid) {
        return Vec::new();
    }
    let middle = commands.start + commands.len() / 2;
    let halves = [commands.start..middle, middle..commands.end];
    halves.into_iter().flat_map(|half| [vec![half.clone()], parts(half, invalid)].concat()).collect()
}

/// What happens in the request with a part of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing was accepted: the part is sent again.
    Retry,
    /// The commands before the part are done, those in it may have been executed.
    Unknown,
}

fn faults() -> Vec<(Script, Outcome)> {
    let decline = |response: Response| vec![Step::ReadAll, Step::respond(&response.header("Retry-After", "0"))];
    vec![
        (decline(Response::new(503)), Outcome::Retry),
        (decline(Response::new(429)), Outcome::Retry),
        (decline(Response::new(500)), Outcome::Unknown),
        (vec![Step::Execute, Step::respond(&Response::new(502))], Outcome::Unknown),
        (fail_during_request(100, Step::Close), Outcome::Unknown),
        (fail_during_response(50, Step::Reset), Outcome::Unknown),
    ]
}

#[track_caller]
fn assert_nothing_repeated(invalid: usize, index: usize, script: &Script, outcome: Outcome) {
    let server = Server::version(6);
    // The batch, the probe for Centrifugo 1, and the parts before this one.
    (0..2 + index).for_each(|_| server.add_script(no_fault()));
    server.add_script(script.clone());
    let config = format!("[bananas]\naddress = {}\napi_key = {API_KEY}\n", server.address());
    let cent = cent().config(config).args(&["bananas", "publish", "--lines", "--retry=2", "--timeout=60"]);
    // From a file: a busy machine may fill a pipe so slowly that the first lines are sent alone.
    let cent = cent.file("input", lines(invalid));
    let input = File::open(cent.path("input")).expect("the file is there");
    let output = cent.stdin(input).run();
    let context = format!("invalid {invalid}, part {index}, {script:?}: {}", output.stderr());
    let executed = server.centrifugo().messages_as_text("news");
    let part = parts(0..COMMANDS, invalid)[index].clone();
    let valid = |end: usize| (0..end).filter(|&command| command != invalid).map(|command| command.to_string());
    let (done, exit) = match outcome {
        Outcome::Retry => (COMMANDS, 1),
        Outcome::Unknown => (part.start, 4),
    };
    assert_eq!((output.exit_code(), output.stdout().lines().count()), (Some(exit), valid(done).count()), "{context}");
    let is_expected = |end| executed.iter().cloned().eq(valid(end));
    assert!(is_expected(done) || outcome == Outcome::Unknown && is_expected(part.end), "{context}: {executed:?}");
}

#[test]
fn retry_repeats_nothing_that_was_answered() {
    thread::scope(|scope| {
        for invalid in 0..COMMANDS {
            for index in 0..parts(0..COMMANDS, invalid).len() {
                scope.spawn(move || {
                    for (script, outcome) in faults() {
                        assert_nothing_repeated(invalid, index, &script, outcome);
                    }
                });
            }
        }
    });
}

/// What a script has done with the lines that follows the exit table.
#[derive(Debug, Default)]
struct Followed {
    statuses: Vec<i32>,
    /// So many lines are done, or unknown.
    settled: usize,
    /// How many lines from which index on are unknown.
    unknown: Vec<(usize, usize)>,
    /// The indices of lines that were named in an error.
    named: BTreeSet<usize>,
}

impl Followed {
    /// Does what the table says; returns whether to run again.
    fn follow(&mut self, output: &CentOutput, lines: usize) -> Result<bool, String> {
        let (status, text) = (output.exit_code(), output.stderr());
        let summary = text.lines().last().unwrap_or_default();
        let before = self.settled;
        let errors = text.lines().filter(|line| *line != summary);
        self.named.extend(errors.filter_map(|line| number_after(line, "cent: line ")).map(|line| before + line - 1));
        self.statuses.push(status.ok_or_else(|| format!("no status: {text}"))?);
        let resume = number_after(summary, "resume with tail -n +").map(|line| before + line - 1);
        match status {
            Some(0) => self.settled = lines,
            // Either everything was replied to, or the first request was rejected.
            Some(1) if summary.starts_with("cent: no lines accepted") => {}
            Some(1) => self.settled = resume.unwrap_or(lines),
            Some(3) if self.statuses.len() < 4 => return Ok(true),
            Some(4) => {
                let first = number_after(summary, "(sed -n ").map(|line| before + line - 1);
                self.settled = resume.unwrap_or(lines);
                // Replies that leave it open are named one by one; here all lines of the run count as unknown.
                let first = first.filter(|_| !summary.contains(" unknown")).unwrap_or(before);
                self.unknown.push((first, self.settled - first));
            }
            Some(5) => {
                self.settled =
                    resume.filter(|&resume| resume > before).ok_or_else(|| format!("no progress: {text}"))?;
                return Ok(true);
            }
            _ => return Err(format!("unexpected status {status:?}: {text}")),
        }
        Ok(false)
    }

    fn is_unknown(&self, index: usize) -> bool {
        self.unknown.iter().any(|&(first, count)| (first..first + count).contains(&index))
    }

    /// Each settled line was executed once, and no other; only unknown ones and those that were named may be missing.
    fn verify(&self, data: &[String], executed: &[String]) -> Result<(), String> {
        for (index, data) in data.iter().enumerate() {
            let count = executed.iter().filter(|executed| *executed == data).count();
            let may_be_missing = self.is_unknown(index) || self.named.contains(&index);
            let is_correct = match count {
                0 => index >= self.settled || may_be_missing,
                1 => index < self.settled,
                _ => false,
            };
            if !is_correct {
                return Err(format!("line {} was executed {count} times: {self:?}", index + 1));
            }
        }
        Ok(())
    }
}

/// The number after this text.
fn number_after(summary: &str, text: &str) -> Option<usize> {
    let (_, rest) = summary.split_once(text)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Runs the case's request as a batch of `--lines`, with a batch before it if it is not the first one, and two after it.
fn follow_table(case: &Case) -> Result<(), String> {
    let spec = case.spec;
    let centrifugo = Arc::new(Centrifugo::version(spec.major));
    let server = Server::start(Arc::clone(&centrifugo)).allow_no_connection();
    let plain = |name: char, count: usize| (0..count).map(move |number| format!("\"{name}{number}\""));
    let before = plain('a', if spec.is_first { 0 } else { spec.commands });
    let data: Vec<String> = before.chain(spec.data()).chain(plain('z', 2 * spec.commands)).collect();
    if !spec.is_first {
        server.add_script(no_fault());
        if spec.form() == ApiForm::Legacy {
            server.add_script(no_fault());
        }
    }
    case.scripts.iter().for_each(|script| server.add_script(script.clone()));
    let config = format!(
        "[bananas]\naddress = {}\n{} = {}\n",
        server.address(),
        spec.form().config_key(),
        spec.form().credential()
    );
    let (batch, timeout) = (spec.commands.to_string(), case.timeout.min(LONG_TIMEOUT).as_secs_f64().to_string());
    let mut args = vec!["bananas", "publish", "--lines", "--batch", &batch, "--timeout", &timeout];
    args.extend(spec.is_unordered.then_some("--unordered"));
    let mut followed = Followed::default();
    loop {
        let lines = data[followed.settled..].iter().map(|data| format!(r#"{{"channel":"news","data":{data}}}"#));
        let input = lines.collect::<Vec<_>>().join("\n");
        let output = cent().config(&config).args(&args).stdin_bytes(input).run();
        if !followed.follow(&output, data.len())? {
            // The server may still be busy with a request that the client has given up.
            drop(server);
            let executed = centrifugo.messages_as_text("news");
            return followed.verify(&data, &executed);
        }
    }
}

#[test]
#[ignore = "takes a minute"]
fn exit_table_followed_through_every_fault_loses_and_doubles_nothing() {
    let (start, next) = (Instant::now(), AtomicUsize::new(0));
    // In a batch, nothing was executed after a 400 or 404, whatever the code in its body.
    let is_possible = |case: &Case| !case.name.contains("with code") || !case.name.contains(", executed");
    let cases: Vec<Case> = scenarios::all(Coverage::Rotating).into_iter().filter(is_possible).collect();
    let failures: Vec<String> = thread::scope(|scope| {
        let worker = || {
            let mut failures = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                failures.extend(follow_table(case).err().map(|failure| format!("{}: {failure}", case.name)));
            }
            failures
        };
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no case panics")).collect()
    });
    println!("exit table: {} cases in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    assert!(cases.len() >= 8_000, "only {} cases are left", cases.len());
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        cases.len(),
        failures[..40.min(failures.len())].join("\n")
    );
}
