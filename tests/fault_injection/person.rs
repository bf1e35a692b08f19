//! A person who only does what the messages of `--lines` say ends with each valid line executed once, whatever failed; with
//! `--journal` and without.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::THREADS;
use crate::case::no_fault;
use crate::scenarios::faults::{decline, faults};
use crate::server::{ApiForm, Centrifugo, Response, Script, Server, Step, respond};
use crate::support::cli::{Cent, cent};

const LONG: &str = "--timeout=30";
const SHORT: &str = "--timeout=1";

/// How often the person runs the program at most.
const MAX_RUNS: usize = 6;

/// A major version, and a release of it; without one it is built from source.
type Version = (u8, Option<&'static str>);

/// A job of `--lines` that publishes the numbers 1, 2 and so on.
#[derive(Debug, Clone)]
struct Job {
    /// The major version of the server.
    major: u8,
    release: Option<&'static str>,
    lines: usize,
    batch: usize,
    /// The line that is nested too deep for the server.
    invalid: Option<usize>,
    is_idempotent: bool,
    has_journal: bool,
    retries: usize,
    /// Short where it has to expire, else long enough for a busy machine.
    timeout: String,
}

impl Job {
    fn new(major: u8, is_idempotent: bool) -> Self {
        Self {
            major,
            release: None,
            lines: 6,
            batch: 2,
            invalid: None,
            is_idempotent,
            has_journal: true,
            retries: 0,
            timeout: LONG.to_owned(),
        }
    }

    /// All lines are in one batch, which the server rejects because of one of them.
    fn with_invalid(line: usize, is_idempotent: bool) -> Self {
        Self {
            major: 6,
            release: None,
            lines: 5,
            batch: 5,
            invalid: Some(line),
            is_idempotent,
            has_journal: true,
            retries: 0,
            timeout: LONG.to_owned(),
        }
    }

    fn centrifugo(&self) -> Centrifugo {
        match self.release {
            Some(release) => Centrifugo::version(self.major).with_release(release),
            None => Centrifugo::version(self.major),
        }
    }

    fn is_valid(&self, line: usize) -> bool {
        self.invalid != Some(line)
    }

    fn line(&self, line: usize) -> String {
        let data = if self.is_valid(line) { line.to_string() } else { "[".repeat(10_000) + &"]".repeat(10_000) };
        format!("{{\"channel\":\"news\",\"data\":{data}}}\n")
    }
}

/// What the person does next.
#[derive(Debug, PartialEq, Eq)]
enum Advice {
    Nothing,
    RunAgain,
    /// Check these lines, then choose.
    Choose(Vec<RangeInclusive<usize>>),
    /// Without idempotency keys, which the server ignores.
    WithoutKeys,
    /// Check which lines were sent, and send the others with another journal.
    AnotherFile,
    /// Without a journal: check these lines, and go on at the line with this number, if one is named.
    Resume(Vec<RangeInclusive<usize>>, Option<usize>),
}

/// How a run ended.
struct Ended {
    status: Option<i32>,
    text: String,
}

/// A person who runs a job until the messages say that nothing is left.
struct Person<'a> {
    job: &'a Job,
    server: &'a Server,
    dir: TempDir,
    /// The lines of the job that are left, and the name of the journal for them.
    input: Vec<usize>,
    journal: String,
    /// Lines that the person sends at the end: of those that were skipped, they were not executed.
    left: Vec<usize>,
    uses_keys: bool,
    batch: usize,
    /// A library that changes what time it is.
    faketime: Option<PathBuf>,
    runs: Vec<String>,
}

impl<'a> Person<'a> {
    fn new(job: &'a Job, server: &'a Server) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory is created");
        let (input, journal) = ((1..=job.lines).collect(), "state".to_owned());
        Self {
            job,
            server,
            dir,
            input,
            journal,
            left: Vec::new(),
            uses_keys: job.is_idempotent,
            batch: job.batch,
            faketime: None,
            runs: Vec::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(&self.journal)
    }

    /// The file that says by how much the clock is wrong.
    fn clock(&self) -> PathBuf {
        self.dir.path().join("clock")
    }

    fn set_clock(&self, offset: &str) {
        fs::write(self.clock(), offset).expect("the file is written");
    }

    fn call(&self, choice: Option<&str>) -> Cent {
        let form = ApiForm::of_version(self.job.major);
        let (address, key, credential) = (self.server.address(), form.config_key(), form.credential());
        let batch = format!("--batch={}", self.batch);
        let cent = cent().config(format!("[bananas]\naddress = {address}\n{key} = {credential}\n"));
        let cent = cent.args(&["bananas", "publish", "--lines", &self.job.timeout, &batch]);
        let cent = if self.job.has_journal { cent.arg("--journal").arg(self.path()) } else { cent };
        let cent = if self.uses_keys { cent.arg("--idempotent") } else { cent };
        let cent = cent.arg(format!("--retry={}", self.job.retries));
        let cent = match &self.faketime {
            Some(library) => cent
                .env("LD_PRELOAD", library)
                .env("FAKETIME_TIMESTAMP_FILE", self.clock())
                .env("FAKETIME_NO_CACHE", "1")
                .env("DONT_FAKE_MONOTONIC", "1"),
            None => cent,
        };
        choice.into_iter().fold(cent, Cent::arg)
    }

    fn end(&mut self, status: Option<i32>, text: &str, choice: Option<&str>) -> Ended {
        let text = text.replace(&self.server.address(), "");
        self.runs.push(format!("{} {status:?} {text}", choice.unwrap_or_default()));
        Ended { status, text }
    }

    fn run(&mut self, choice: Option<&str>) -> Ended {
        let lines: String = self.input.iter().map(|&line| self.job.line(line)).collect();
        let cent = self.call(choice).file("input", lines);
        let input = File::open(cent.path("input")).expect("the file is there");
        let output = cent.stdin(input).run();
        self.end(output.exit_code(), &output.stderr(), choice)
    }

    /// Runs while something happens to the journal after so many batches.
    fn run_while(&mut self, batches: usize, happen: impl Fn(&Path)) -> Ended {
        let (mut child, _home) = self.call(None).spawn();
        let mut input = child.stdin.take().expect("the stream is piped");
        let mut output = BufReader::new(child.stdout.take().expect("the stream is piped")).lines();
        for batch in self.input.chunks(self.job.batch).take(batches) {
            let lines: String = batch.iter().map(|&line| self.job.line(line)).collect();
            let _ = input.write_all(lines.as_bytes());
            // The program may have ended.
            output.by_ref().take(batch.len()).for_each(drop);
        }
        happen(&self.path());
        for &line in self.input.iter().skip(batches * self.job.batch) {
            // The program may have ended.
            let _ = input.write_all(self.job.line(line).as_bytes());
        }
        drop(input);
        let mut text = String::new();
        child.stderr.take().expect("the stream is piped").read_to_string(&mut text).expect("it is text");
        let status = child.wait().expect("it ends").code();
        self.end(status, &text, None)
    }

    /// How often the server has executed this line.
    fn executed(&self, line: usize) -> usize {
        let data = line.to_string();
        self.server.centrifugo().messages_as_text("news").iter().filter(|executed| **executed == data).count()
    }

    /// Sends these lines if none was executed, else sends those of them that were not at the end.
    fn choose(&mut self, unknown: &[RangeInclusive<usize>]) -> &'static str {
        let lines = unknown.iter().cloned().flatten().filter_map(|number| self.input.get(number - 1).copied());
        let (executed, missing): (Vec<_>, Vec<_>) =
            lines.filter(|&line| self.job.is_valid(line)).partition(|&line| self.executed(line) > 0);
        if executed.is_empty() {
            return "--unknown=send";
        }
        self.left.extend(missing);
        "--unknown=skip"
    }

    fn finish(mut self) -> Result<(), String> {
        let ended = self.run(None);
        self.finish_after(ended)
    }

    fn finish_after(mut self, ended: Ended) -> Result<(), String> {
        let result = self.follow_messages(ended).and_then(|()| self.verify());
        result.map_err(|error| format!("{error}; runs:\n  {}", self.runs.join("\n  ").trim()))
    }

    fn follow_messages(&mut self, mut ended: Ended) -> Result<(), String> {
        for _ in 1..MAX_RUNS {
            let mut choice = None;
            match ended.advice()? {
                Advice::Nothing if self.left.is_empty() => return Ok(()),
                Advice::Nothing => {
                    self.input = std::mem::take(&mut self.left);
                    self.journal.push('x');
                }
                Advice::RunAgain => {}
                Advice::Choose(unknown) => {
                    if ended.text.contains("run again with --batch=1,") {
                        self.batch = 1;
                    }
                    choice = Some(self.choose(&unknown));
                }
                Advice::WithoutKeys => self.uses_keys = false,
                Advice::AnotherFile => {
                    let is_left = |line: &usize| !self.job.is_valid(*line) || self.executed(*line) == 0;
                    self.input = self.input.iter().copied().filter(is_left).collect();
                    self.journal.push('x');
                }
                Advice::Resume(unknown, next) => {
                    // By their numbers in this run's input.
                    let is_next = |number| next.is_some_and(|next| number >= next);
                    let is_unknown = |number| unknown.iter().any(|range| range.contains(&number));
                    let is_missing = |line: usize| !self.job.is_valid(line) || self.executed(line) == 0;
                    let numbered = (1..).zip(self.input.iter().copied());
                    let left =
                        numbered.filter(|&(number, line)| is_next(number) || is_unknown(number) && is_missing(line));
                    self.input = left.map(|(_, line)| line).collect();
                }
            }
            ended = self.run(choice);
        }
        if ended.advice()? == Advice::Nothing && self.left.is_empty() {
            Ok(())
        } else {
            Err("too many runs".to_owned())
        }
    }

    fn verify(&self) -> Result<(), String> {
        let count = |line| if self.job.is_valid(line) { self.executed(line) } else { 1 };
        match (1..=self.job.lines).find(|&line| count(line) != 1) {
            Some(line) => Err(format!("line {line} was executed {} times", self.executed(line))),
            None => Ok(()),
        }
    }
}

impl Ended {
    /// The lines that the summary calls unknown, as in "lines 1-2, 4 may have been executed".
    fn unknown_lines(&self) -> Result<Option<Vec<RangeInclusive<usize>>>, String> {
        let summary = self.text.lines().last().unwrap_or_default();
        let Some((before, _)) = summary.split_once(" may have been executed") else { return Ok(None) };
        let lines = before.rsplit("line").next().unwrap_or_default();
        let range = |text: &str| {
            let (first, last) = text.trim().split_once('-').unwrap_or((text.trim(), text.trim()));
            Some(first.parse().ok()?..=last.parse().ok()?)
        };
        let ranges = lines.trim_start_matches('s').split(',').flat_map(|part| part.split(" and ")).map(range);
        ranges.collect::<Option<_>>().map(Some).ok_or_else(|| format!("no line numbers: {summary}"))
    }

    /// What the messages say to do.
    fn advice(&self) -> Result<Advice, String> {
        let summary = self.text.lines().last().unwrap_or_default();
        match self.status {
            Some(0) => Ok(Advice::Nothing),
            Some(2 | 4 | 5) if self.text.contains("check which lines were sent") => Ok(Advice::AnotherFile),
            Some(1) if self.text.contains("ignores idempotency keys") => Ok(Advice::WithoutKeys),
            Some(1) if !summary.contains("run again") && !summary.contains("run the same command again") => {
                Ok(Advice::Nothing)
            }
            Some(4) if summary.contains("--unknown=send or --unknown=skip") => {
                Ok(Advice::Choose(self.unknown_lines()?.ok_or("no lines are named")?))
            }
            Some(1 | 3) if summary.ends_with("run again from line 1") => Ok(Advice::Resume(Vec::new(), Some(1))),
            // Unknown replies are named one by one.
            Some(4) if summary.ends_with(" unknown") => Ok(Advice::Resume(vec![1..=usize::MAX], None)),
            Some(4 | 5) if summary.contains("tail -n +") || summary.ends_with("no lines remain") => {
                let next = summary.split_once("tail -n +").map(|(_, number)| number.parse().map_err(|_| "no number"));
                Ok(Advice::Resume(self.unknown_lines()?.unwrap_or_default(), next.transpose()?))
            }
            Some(1 | 3 | 4 | 5) if summary.contains("run the same command again") => Ok(Advice::RunAgain),
            status => Err(format!("nothing to follow after {status:?}")),
        }
    }
}

/// What a proxy says, or what the client cannot take for the answer to its commands, after they were executed or without.
fn pages() -> Vec<(String, Script)> {
    let html = |status| Response::new(status).header("Content-Type", "text/html").body("<html><h1>No</h1></html>\n");
    let json = |status, body: &str| Response { status, ..Response::json(body.to_owned()) };
    let publish = r#"{"publish":{}}"#;
    let responses = [
        ("403 in HTML", html(403)),
        ("404 in HTML", html(404)),
        ("405 in HTML", html(405)),
        ("a redirect", Response::new(302).header("Location", "https://status.example.org/")),
        ("502 in HTML", html(502)),
        ("503 in HTML", html(503)),
        ("an empty 200", Response::new(200)),
        ("a gateway's 404", json(404, r#"{"code":404,"message":"no Route matched"}"#)),
        ("a gateway's 503", json(503, r#"{"code":503,"message":"busy"}"#)),
        ("an empty object", json(200, "{}")),
        ("seven replies", json(200, &format!(r#"{{"replies":[{}]}}"#, [publish; 7].join(",")))),
        ("replies of another method", json(200, r#"{"replies":[{"broadcast":{}},{"broadcast":{}}]}"#)),
        ("null errors", json(200, r#"{"replies":[{"error":null},{"history":{},"error":null}]}"#)),
        ("null results", json(200, r#"{"replies":[{"publish":null},{"publish":5}]}"#)),
        ("messages", json(200, r#"{"replies":[{"message":"internal error"},{"message":"internal error"}]}"#)),
        (
            "an error beside replies",
            json(200, r#"{"error":{"code":100,"message":"no"},"replies":[{"publish":{}},{"publish":{}}]}"#),
        ),
    ];
    let after = |(name, response): &(&str, Response)| (format!("{name}, executed"), respond(response));
    let instead = |(name, response): &(&str, Response)| ((*name).to_owned(), decline(response));
    // To a single command this is the right answer, so it comes only after execution.
    let one_reply = ("one reply", json(200, &format!(r#"{{"replies":[{publish}]}}"#)));
    let pages = responses.iter().flat_map(|response| [after(response), instead(response)]);
    pages.chain([after(&one_reply)]).collect()
}

/// What the server says without having executed anything.
fn refusals() -> Vec<(String, Script)> {
    let outage = Response::new(503).header("Content-Type", "text/html").header("Connection", "close").body(
        "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
    );
    let too_large = Response::new(413).header("Content-Type", "text/html").body("<html>Too large</html>");
    vec![
        ("an outage".to_owned(), decline(&outage)),
        ("too large".to_owned(), decline(&too_large)),
        ("Go's 404".to_owned(), decline(&Response::plain(404, "404 page not found"))),
    ]
}

/// A job, and what happens to its requests one after the other.
struct Scenario {
    name: String,
    job: Job,
    scripts: Vec<Script>,
}

impl Scenario {
    /// The fault is in the request with this index.
    fn new(job: &Job, index: usize, (fault, script): &(String, Script)) -> Self {
        let name = format!("{fault} in request {}: {job:?}", index + 1);
        let scripts = (0..index).map(|_| no_fault()).chain([script.clone()]).collect();
        // A request may be shorter than what the server waits for.
        let is_silent = |step: &Step| matches!(step, Step::Hang | Step::Read(100..));
        let timeout = if script.iter().any(is_silent) { SHORT } else { LONG };
        Self { name, job: Job { timeout: timeout.to_owned(), ..job.clone() }, scripts }
    }

    /// The same fault in the next request, too.
    fn twice(job: &Job, index: usize, fault: &(String, Script)) -> Self {
        let mut scenario = Self::new(job, index, fault);
        scenario.scripts.push(fault.1.clone());
        scenario.name = format!("twice {}", scenario.name);
        scenario
    }

    fn run(&self) -> Result<(), String> {
        let server = Server::start(self.job.centrifugo()).allow_no_connection();
        self.scripts.iter().for_each(|script| server.add_script(script.clone()));
        Person::new(&self.job, &server).finish().map_err(|error| format!("{}: {error}", self.name))
    }
}

/// Tries each of these; fails with what went wrong.
#[track_caller]
fn try_all<T: Sync>(cases: &[T], run: impl Fn(&T) -> Result<(), String> + Sync) {
    let (start, next) = (Instant::now(), AtomicUsize::new(0));
    let worker = || {
        let mut failures = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            failures.extend(run(case).err());
        }
        failures
    };
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no case panics")).collect()
    });
    println!("a person: {} cases in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    let shown = &failures[..30.min(failures.len())];
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), shown.join("\n"));
}

/// How many requests a job has: the calls that only read, the batches, and what a page or an invalid line is followed by.
const REQUESTS: usize = 6;

fn jobs() -> Vec<Job> {
    let jobs = [(1, false), (4, false), (6, false), (6, true), (7, true)].map(|(major, keys)| Job::new(major, keys));
    let without_journal = [1, 4, 6].map(|major| Job { has_journal: false, ..Job::new(major, false) });
    jobs.into_iter().chain(without_journal).collect()
}

fn failed_requests() -> Vec<Scenario> {
    let faults: Vec<(String, Script)> = faults().into_iter().map(|fault| (fault.name, fault.script)).collect();
    let faults = [faults, pages(), refusals()].concat();
    let scenario = |job: &Job, index, fault: &(String, Script)| {
        // A redirect of the question, too, is no page after execution.
        let twice = (fault.0 != "a redirect, executed").then(|| Scenario::twice(job, index, fault));
        [Scenario::new(job, index, fault)].into_iter().chain(twice)
    };
    let mut scenarios = Vec::new();
    for job in jobs() {
        for fault in &faults {
            scenarios.extend((0..REQUESTS).flat_map(|index| scenario(&job, index, fault)));
        }
    }
    scenarios
}

/// An invalid line at every place of a batch, and a fault in every request that looks for it.
fn failed_halves() -> Vec<Scenario> {
    let lost = [("lost", vec![Step::ReadAll, Step::Close]), ("lost, executed", vec![Step::Execute, Step::Close])];
    let busy = ("busy", decline(&Response::new(503)));
    let faults = lost.into_iter().chain([busy]).map(|(name, script)| (name.to_owned(), script));
    let faults: Vec<(String, Script)> = faults.chain(pages()).chain(refusals()).collect();
    let mut scenarios = Vec::new();
    let older = (1..=5).flat_map(|line| [1, 4].map(|major| Job { major, ..Job::with_invalid(line, false) }));
    scenarios.extend(older.map(|job| Scenario { name: format!("{job:?}"), job, scripts: Vec::new() }));
    for job in (1..=5).flat_map(|line| [Job::with_invalid(line, false), Job::with_invalid(line, true)]) {
        for fault in &faults {
            scenarios.extend((0..2 * REQUESTS).map(|index| Scenario::new(&job, index, fault)));
            if !job.is_idempotent {
                let job = Job { has_journal: false, ..job.clone() };
                scenarios.extend((0..2 * REQUESTS).map(|index| Scenario::new(&job, index, fault)));
            }
        }
    }
    scenarios
}

/// A request is lost and repeated in the same run; the repetition fails, or the server finds an invalid line in it.
fn failed_repetitions() -> Vec<Scenario> {
    let lost = [("lost", vec![Step::ReadAll, Step::Close]), ("lost, executed", vec![Step::Execute, Step::Close])];
    let faults = lost.iter().map(|(name, script)| ((*name).to_owned(), script.clone()));
    let faults = faults.chain([("nothing".to_owned(), no_fault()), ("busy".to_owned(), decline(&Response::new(503)))]);
    let faults: Vec<(String, Script)> = faults.chain(refusals()).collect();
    let invalid = (1..=5).map(|line| Job::with_invalid(line, true));
    let jobs = invalid.chain([Job { batch: 4, ..Job::new(6, true) }]);
    let jobs = jobs.flat_map(|job| [Job { has_journal: false, ..job.clone() }, job]);
    let mut scenarios = Vec::new();
    for job in jobs.map(|job| Job { retries: 2, ..job }) {
        for ((first, script), (fault, repetition)) in
            lost.iter().flat_map(|lost| faults.iter().map(move |fault| (lost, fault)))
        {
            for index in 1..4 {
                let scripts = (0..index).map(|_| no_fault()).chain([script.clone(), no_fault(), repetition.clone()]);
                let name = format!("{first} in request {}, repeated, then {fault}: {job:?}", index + 1);
                scenarios.push(Scenario { name, job: job.clone(), scripts: scripts.collect() });
            }
        }
    }
    scenarios
}

/// Versions that differ in form, or in whether they know idempotency keys.
const VERSIONS: [Version; 6] =
    [(3, None), (4, Some("4.1.3")), (5, Some("5.1.0")), (5, Some("v5.1.0")), (6, None), (7, Some("7.0.0"))];

/// Another version takes the server's place between any two requests, for good or until it has executed one more; the
/// answer of the request before or of the one after may be lost.
fn replaced_servers() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (before, after) in VERSIONS.into_iter().flat_map(|before| VERSIONS.map(|after| (before, after))) {
        for (index, is_idempotent) in (0..REQUESTS).flat_map(|index| [(index, false), (index, true)]) {
            let job = Job { release: before.1, ..Job::new(before.0, is_idempotent) };
            let replace = Step::Replace(after.0, after.1);
            let replaced = vec![replace.clone(), Step::Respond];
            let lost = vec![Step::Execute, Step::Close];
            for (name, scripts) in [
                ("", vec![replaced.clone()]),
                (" after a lost answer", vec![lost, replaced]),
                (", whose answer is lost", vec![vec![replace.clone(), Step::Execute, Step::Close]]),
                (
                    " for two requests, the last of which is lost",
                    vec![
                        vec![replace, Step::Respond],
                        vec![Step::Execute, Step::Close],
                        vec![Step::Replace(before.0, before.1), Step::Respond],
                    ],
                ),
            ] {
                // These versions ignore keys and have the same form as the later ones that do not.
                if name.contains("two requests") && is_idempotent && after.0 == 5 && before.0 > 5 {
                    continue;
                }
                let name =
                    format!("{after:?} takes the place of {before:?}{name}, from request {}: {job:?}", index + 1);
                let scripts = (0..index).map(|_| no_fault()).chain(scripts).collect();
                scenarios.push(Scenario { name, job: job.clone(), scripts });
            }
        }
    }
    scenarios
}

/// A server that closes after each answer without saying so.
fn silent_closes() -> Vec<Scenario> {
    let script = vec![Step::Execute, Step::SendRest, Step::Close];
    let scenario =
        |job: Job| Scenario { name: format!("silent closes: {job:?}"), job, scripts: vec![script.clone(); 30] };
    jobs().into_iter().map(scenario).collect()
}

fn set_length(path: &Path, length: u64) {
    File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

type Happening = fn(&Path);

/// What can happen to a journal during a run.
const HAPPENINGS: [(&str, Happening); 7] = [
    ("nothing", |_| ()),
    ("removed", |path| fs::remove_file(path).unwrap()),
    ("renamed", |path| fs::rename(path, path.with_extension("old")).unwrap()),
    ("emptied", |path| set_length(path, 0)),
    ("shortened", |path| set_length(path, fs::metadata(path).unwrap().len() - 1)),
    ("appended to", |path| writeln!(File::options().append(true).open(path).unwrap(), "{{\"done\":1}}").unwrap()),
    ("replaced", |path| {
        let content = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    }),
];

#[test]
fn person_finishes_job_whatever_happens_to_the_journal() {
    for (name, happen) in HAPPENINGS {
        for (batches, is_idempotent) in [(1, false), (1, true), (2, false), (2, true)] {
            let job = Job::new(6, is_idempotent);
            let server = Server::start(job.centrifugo());
            let mut person = Person::new(&job, &server);
            let ended = person.run_while(batches, happen);
            let is_expected =
                if name == "nothing" { ended.status == Some(0) } else { matches!(ended.status, Some(4 | 5)) };
            assert!(is_expected, "{name}: {:?} {}", ended.status, ended.text);
            let result = person.finish_after(ended);
            assert_eq!(result, Ok(()), "{name} after {batches} batches");
        }
    }
}

/// A run that was cut, and what its journal says of when that was: how long ago by the clock that nobody can set, and by
/// the other one.
#[derive(Debug)]
struct Pause {
    uptime: i64,
    time: i64,
    is_restarted: bool,
    is_executed: bool,
    is_idempotent: bool,
}

impl Pause {
    fn all() -> Vec<Self> {
        let mut pauses = Vec::new();
        for (uptime, time) in [0, 100, 235, 245, 305, 3600]
            .into_iter()
            .flat_map(|uptime| [-1 << 40, -3600, -100, 0, 100, 305, 3600].map(|time| (uptime, time)))
        {
            for number in 0..8 {
                let [is_restarted, is_executed, is_idempotent] = [1, 2, 4].map(|bit| number & bit != 0);
                pauses.push(Self { uptime, time, is_restarted, is_executed, is_idempotent });
            }
        }
        // A machine that has not been up for so long cannot have such a journal.
        let up = fs::read_to_string("/proc/uptime").expect("the system has it");
        let up: f64 = up.split(' ').next().and_then(|seconds| seconds.parse().ok()).expect("it is a number");
        pauses.retain(|pause| Duration::from_secs(pause.uptime.unsigned_abs()).as_secs_f64() < up);
        pauses
    }

    /// The journal as it would be.
    fn edit(&self, journal: &str) -> String {
        let earlier = |line: &str, name: &str, seconds: i64| {
            let Some((before, after)) = line.split_once(&format!("\"{name}\":")) else { return line.to_owned() };
            let (number, rest) = after.split_at(after.find(',').expect("more follows"));
            let number: i64 = number.parse().expect("it is a number");
            format!("{before}\"{name}\":{}{rest}", (number - seconds).max(0))
        };
        let edited = |line: &str| {
            let line = earlier(&earlier(line, "time", self.time), "uptime", self.uptime);
            if self.is_restarted { line.replace("\"machine\":\"", "\"machine\":\"0") } else { line }
        };
        journal.lines().map(|line| edited(line) + "\n").collect()
    }

    fn run(&self) -> Result<(), String> {
        let job = Job::new(6, self.is_idempotent);
        let read = if self.is_executed { Step::Execute } else { Step::ReadAll };
        let server =
            Server::start(job.centrifugo()).script(no_fault()).script(no_fault()).script(vec![read, Step::Close]);
        let mut person = Person::new(&job, &server);
        let ended = person.run(None);
        let journal = fs::read_to_string(person.path()).expect("there is a journal");
        fs::write(person.path(), self.edit(&journal)).expect("the journal is written");
        if self.is_restarted || self.uptime > 300 {
            server.centrifugo().forget_keys();
        }
        person.finish_after(ended).map_err(|error| format!("{self:?}: {error}"))
    }
}

#[test]
fn person_finishes_job_however_long_the_pause() {
    try_all(&Pause::all(), Pause::run);
}

/// Where Debian has it.
fn faketime() -> PathBuf {
    let directories = fs::read_dir("/usr/lib").expect("there are libraries");
    let mut libraries = directories.map(|entry| entry.unwrap().path().join("faketime/libfaketime.so.1"));
    libraries.find(|library| library.exists()).expect("libfaketime is installed")
}

/// A clock that jumps between two batches, or between two runs, and a request that is lost.
struct Jump {
    before: &'static str,
    after: &'static str,
    batches: usize,
    lost: Script,
    index: usize,
    is_idempotent: bool,
}

impl Jump {
    fn all() -> Vec<Self> {
        let mut jumps = Vec::new();
        for (offset, lost) in ["-100y", "-300s", "-100s", "+0", "+100s", "+300s", "+1y"]
            .into_iter()
            .flat_map(|offset| [Step::Execute, Step::ReadAll].map(|step| (offset, vec![step, Step::Close])))
        {
            for (batches, index) in (0..=3).flat_map(|batches| (0..REQUESTS).map(move |index| (batches, index))) {
                for (before, after, is_idempotent) in
                    [("+0", offset, true), (offset, "+0", true), (offset, "+0", false)]
                {
                    jumps.push(Self { before, after, batches, lost: lost.clone(), index, is_idempotent });
                }
            }
        }
        jumps
    }

    fn run(&self) -> Result<(), String> {
        let job = Job::new(6, self.is_idempotent);
        let server = Server::start(job.centrifugo());
        (0..self.index).for_each(|_| server.add_script(no_fault()));
        server.add_script(self.lost.clone());
        let mut person = Person::new(&job, &server);
        person.faketime = Some(faketime());
        person.set_clock(self.before);
        let clock = person.clock();
        let ended = person.run_while(self.batches, |_| fs::write(&clock, self.after).expect("the file is written"));
        let Self { before, after, batches, lost, index, .. } = self;
        let name = || format!("{before}, {after} after {batches} batches, request {index}, {lost:?}");
        person.finish_after(ended).map_err(|error| format!("{}: {error}", name()))
    }
}

#[test]
#[ignore = "needs libfaketime"]
fn person_finishes_job_whatever_the_clock_says() {
    try_all(&Jump::all(), Jump::run);
}

/// A proxy that takes no large bodies: smaller batches go on in the same run.
#[test]
fn too_large_batches_are_halved() {
    for is_idempotent in [false, true] {
        let job = Job { lines: 40, batch: 40, ..Job::new(6, is_idempotent) };
        let server = Server::start(job.centrifugo().with_max_body(500));
        let mut person = Person::new(&job, &server);
        let ended = person.run(None);
        assert_eq!(ended.status, Some(0), "{}", ended.text);
        assert_eq!(person.finish_after(ended), Ok(()));
        let sizes: Vec<usize> = server.requests().iter().map(|request| request.body().len()).collect();
        let rejected = sizes.iter().filter(|&&size| size > 500).count();
        assert!(rejected <= 4, "{sizes:?}");
    }
}

fn all() -> Vec<Scenario> {
    let kinds = [failed_requests(), failed_halves(), failed_repetitions(), replaced_servers(), silent_closes()];
    kinds.into_iter().flatten().collect()
}

#[test]
fn person_finishes_sampled_jobs() {
    // A prime, so that each kind of fault and each request is among them.
    try_all(&all().into_iter().step_by(13).collect::<Vec<_>>(), Scenario::run);
}

#[test]
fn person_finishes_job_with_an_invalid_line_on_an_older_server() {
    let jobs: Vec<Scenario> = failed_halves().into_iter().filter(|scenario| scenario.job.major < 5).collect();
    assert_eq!(jobs.len(), 10);
    try_all(&jobs, Scenario::run);
}

#[test]
fn person_finishes_job_whose_repetition_fails() {
    try_all(&failed_repetitions(), Scenario::run);
}

#[test]
#[ignore = "takes minutes"]
fn person_finishes_job_whatever_request_fails() {
    try_all(&all(), Scenario::run);
}
