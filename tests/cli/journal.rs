//! `--journal`: a run goes on where the last one ended, whatever ended it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::signals::send_signal;
use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{
    API_KEY, Centrifugo, Response, Script, Server, Step, fail_during_request, fail_during_response, reject, respond,
};
use crate::{ApiForm, Current, Legacy, V1};

const CHOICE: &str = "then run again with --unknown=send or --unknown=skip";
const CHECK: &str = "the command may have been executed: check before retrying";
const SAME_INPUT: &str = "use the same input, or another file for --journal";

fn line(number: usize) -> String {
    format!("{{\"channel\": \"plain:a\", \"data\": {number}}}\n")
}

/// Params of a publish for each number, one per line, with the number as data.
fn lines(count: usize) -> String {
    (1..=count).map(line).collect::<Vec<_>>().concat()
}

fn numbers(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}

fn received(server: &Server) -> Vec<String> {
    server.centrifugo().messages_as_text("plain:a")
}

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
        let without = |line: &str| match line.split_once("/s)") {
            Some((before, after)) => {
                format!("{}{after}\n", before.rsplit_once(" in ").expect("a rate has a duration").0)
            }
            None => format!("{line}\n"),
        };
        self.output.stderr().lines().map(without).collect()
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

fn executed_but_failed() -> Script {
    respond(&Response::new(500))
}

fn ok() -> Script {
    vec![Step::Respond]
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A journal with other times: those of requests become `time`.
fn at(journal: &[u8], time: u64) -> Vec<u8> {
    let text = String::from_utf8_lossy(journal);
    let with_time = |line: &str| match line.split_once(" at ") {
        Some((before, after)) => format!("{before} at {time} {}\n", after.split_once(' ').unwrap().1),
        None => format!("{line}\n"),
    };
    text.lines().map(with_time).collect::<String>().into_bytes()
}

/// The journal without what differs in every run: address, id, times and digests.
fn without_random(text: &str) -> String {
    let without = |line: &str| {
        let words = line.split(' ').map(|word| match word {
            word if word.starts_with("\"http:") => "ADDRESS",
            word if word.len() >= 32 => "HEX",
            word if word.len() >= 10 && word.chars().all(|c| c.is_ascii_digit()) => "TIME",
            word => word,
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    text.lines().map(without).collect()
}

#[test]
fn journal_is_plain_text_with_mode_0600() {
    let server = Current.server();
    let run = run(&server, &["publish", "-q"], &lines(3), None);
    run.assert(0, "");
    assert_eq!(
        without_random(&run.text()),
        "cent journal 1\nsection \"bananas\"\naddress ADDRESS\nmethod \"publish\"\nid HEX\n\
         sent 1-2 at TIME no-keys sha256 HEX\ndone 2 sha256 HEX\nsent 3 at TIME no-keys sha256 HEX\ndone 3 sha256 HEX\n"
    );
    let metadata = fs::metadata(run.output.home.path().join("state")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    // As sha256sum prints it for the input.
    let digest = hex::encode(Sha256::digest(lines(3)));
    assert!(run.text().ends_with(&format!("done 3 sha256 {digest}\n")), "{}", run.text());
    assert!(!run.text().contains(API_KEY));
}

#[test]
fn finished_journal_leaves_nothing_to_do() {
    for form in ApiForm::ALL {
        let server = form.server();
        let first = run_form(form, &server, &["publish"], &lines(5), None);
        first.assert(0, "cent: 5 commands accepted\n");
        let requests = server.requests().len();
        let again = run_form(form, &server, &["publish"], &lines(5), Some(&first.journal));
        again.assert(0, "cent: nothing left to do: lines 1-5 done earlier\n");
        assert_eq!((again.output.stdout(), &again.journal), (String::new(), &first.journal));
        let quiet = run_form(form, &server, &["publish", "-q"], &lines(5), Some(&first.journal));
        quiet.assert(0, "");
        assert_eq!((server.requests().len(), received(&server)), (requests, numbers(1..=5)));
    }
}

#[test]
fn empty_input_is_no_job() {
    let server = Current.server().expect_no_connection();
    let first = run(&server, &["publish"], "", None);
    first.assert(0, "cent: no commands on standard input\n");
    run(&server, &["publish"], "\n\n", Some(&first.journal)).assert(0, "cent: no commands on standard input\n");
}

#[test]
fn appended_lines_are_sent() {
    let server = Current.server();
    // The last line has no newline yet.
    let first = run(&server, &["publish", "-q"], lines(3).trim_end(), None);
    first.assert(0, "");
    let second = run(&server, &["publish"], &lines(5), Some(&first.journal));
    second.assert(0, "cent: 2 commands accepted\n");
    assert_eq!(second.output.stdout().lines().count(), 2);
    assert_eq!(received(&server), numbers(1..=5));
}

#[test]
fn blank_lines_are_counted() {
    let input = format!("\n{}\n{}\n\n{}\n\n", line(1), line(2), line(3));
    let server = Current.server().script(ok()).script(reject(&Response::new(503)));
    let first = run(&server, &["publish", "-q"], &input, None);
    assert_eq!(first.exit_code(), 5);
    let second = run(&server, &["publish"], &input, Some(&first.journal));
    second.assert(0, "cent: 1 command accepted\n");
    run(&server, &["publish"], &input, Some(&second.journal))
        .assert(0, "cent: nothing left to do: lines 1-7 done earlier\n");
    assert_eq!(received(&server), numbers(1..=3));
}

#[test]
fn rejected_lines_are_done_and_named_again() {
    let input = line(1) + "{\"channel\": \"nope:a\", \"data\": 2}\n" + &line(3);
    let server = Current.server();
    let first = run(&server, &["publish"], &input, None);
    let hint = "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
    first.assert(
        1,
        &format!("cent: line 2: publish: unknown channel (102); {hint}\ncent: 3 commands: 2 accepted, 1 rejected\n"),
    );
    assert!(first.text().contains(" rejected 2\n"), "{}", first.text());
    let again = run(&server, &["publish"], &input, Some(&first.journal));
    again.assert(1, "cent: line 2 was rejected in an earlier run\ncent: nothing left to do: lines 1-3 done earlier\n");
    assert_eq!(again.journal, first.journal);
    // Also if the rest was done later.
    let more = run(&server, &["publish"], &(input + &line(4)), Some(&first.journal));
    more.assert(1, "cent: line 2 was rejected in an earlier run\ncent: 1 command accepted\n");
    assert_eq!(received(&server), numbers([1, 3, 4]));
}

#[test]
fn many_rejected_lines_are_counted() {
    let bad = "{\"channel\": \"nope:a\", \"data\": 2}\n";
    let server = Current.server();
    let first = run(&server, &["publish", "-q"], &bad.repeat(30), None);
    assert_eq!(first.exit_code(), 1);
    run(&server, &["publish", "-q"], &bad.repeat(30), Some(&first.journal))
        .assert(1, "cent: lines 1-20 and 10 more were rejected in an earlier run\n");
}

#[test]
fn run_resumes_after_temporary_rejection() {
    for form in ApiForm::ALL {
        let server = form.server().script_for(form, ok()).script(reject(&Response::new(503)));
        let first = run_form(form, &server, &["publish"], &lines(6), None);
        let url = form.batch_url(&server.address());
        first.assert(
            5,
            &format!(
                "cent: {url}: service unavailable (503); nothing was accepted: try again later\n\
                 cent: lines 1-2 done; line 3 onwards not accepted: run the same command again\n"
            ),
        );
        let second = run_form(form, &server, &["publish"], &lines(6), Some(&first.journal));
        second.assert(0, "cent: 4 commands accepted\n");
        assert_eq!(second.output.stdout().lines().count(), 4);
        assert_eq!(received(&server), numbers(1..=6));
    }
}

#[test]
fn nothing_accepted_is_status_3() {
    let server = Current.server().script(reject(&Response::new(503)));
    let first = run(&server, &["publish"], &lines(6), None);
    let url = Current.batch_url(&server.address());
    first.assert(
        3,
        &format!(
            "cent: {url}: service unavailable (503); nothing was accepted: try again later\n\
             cent: no lines done; line 1 onwards not accepted: run the same command again\n"
        ),
    );
    assert_eq!(run_until_done(Current, &server, &["publish"], &lines(6), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers(1..=6));
}

/// A run whose second request of three is lost after it was executed, and its journal.
fn unknown_run(form: ApiForm, server: &Server, args: &[&str]) -> Run {
    for script in (0..=form.requests_before()).map(|_| ok()).chain([executed_but_failed()]) {
        server.add_script(script);
    }
    run_form(form, server, args, &lines(6), None)
}

#[test]
fn unknown_lines_wait_for_decision() {
    for form in ApiForm::ALL {
        let server = form.server();
        let first = unknown_run(form, &server, &["publish"]);
        let url = form.batch_url(&server.address());
        first.assert(
            4,
            &format!(
                "cent: {url}: internal server error (500); {CHECK}\n\
                 cent: lines 1-2 done; lines 3-4 may have been executed: check them (sed -n 3,4p), {CHOICE}; \
                 line 5 onwards not accepted\n"
            ),
        );
        let question = format!(
            "cent: state: lines 3-4 may have been executed by an earlier run: check them (sed -n 3,4p), {CHOICE}\n"
        );
        let asked = run_form(form, &server, &["publish"], &lines(6), Some(&first.journal));
        asked.assert(4, &question);
        assert_eq!(asked.journal, first.journal);

        let skipped = run_form(form, &server, &["publish", "--unknown=skip"], &lines(6), Some(&first.journal));
        skipped.assert(0, "cent: lines 3-4 skipped: maybe never executed\ncent: 2 commands accepted\n");
        assert_eq!(received(&server), numbers(1..=6));
        run_form(form, &server, &["publish"], &lines(6), Some(&skipped.journal))
            .assert(0, "cent: nothing left to do: lines 1-6 done earlier, but lines 3-4 skipped\n");

        let sent = run_form(form, &server, &["publish", "--unknown=send"], &lines(6), Some(&first.journal));
        sent.assert(0, "cent: 4 commands accepted\n");
        assert_eq!(received(&server), numbers([1, 2, 3, 4, 5, 6, 3, 4, 5, 6]));
    }
}

#[test]
fn unknown_lines_with_keys_are_repeated_for_4_minutes() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let url = Current.batch_url(&server.address());
    first.assert(
        4,
        &format!(
            "cent: {url}: internal server error (500); {CHECK}\n\
             cent: lines 1-2 done; lines 3-4 may have been executed: run the same command again within 3 minutes; \
             line 5 onwards not accepted\n"
        ),
    );
    let question = format!(
        "cent: state: lines 3-4 may have been executed by an earlier run, too long ago to rely on their idempotency keys: \
         check them (sed -n 3,4p), {CHOICE}\n"
    );
    // Too long ago, and at a time that has not come yet.
    for time in [now() - 240, now() + 100] {
        let journal = at(&first.journal, time);
        let asked = run(&server, &["publish", "--idempotent"], &lines(6), Some(&journal));
        asked.assert(4, &question);
        assert_eq!(asked.journal, journal);
    }
    // Without the option the keys would be missing.
    let asked = run(&server, &["publish"], &lines(6), Some(&first.journal));
    assert_eq!(asked.exit_code(), 4);
    let first_sent = now() - 200;
    let second = run(&server, &["publish", "--idempotent"], &lines(6), Some(&at(&first.journal, first_sent)));
    second.assert(0, "cent: 4 commands accepted\n");
    assert_eq!(received(&server), numbers(1..=6));
    // What is sent again has the time of the first attempt.
    assert_eq!(second.text().matches(&format!("sent 3-4 at {first_sent} keys")).count(), 2, "{}", second.text());
}

#[test]
fn read_that_failed_for_now_is_sent_again() {
    let history = "{\"channel\": \"a\"}\n";
    let server = Current.server();
    let error = r#"{"error":{"code":100,"message":"internal server error"}}"#;
    server.add_script(ok());
    server.add_script(respond(&Current.batch_replies(error, 2)));
    let first = run(&server, &["history"], &history.repeat(6), None);
    let error = |line| {
        format!("cent: line {line}: history: internal server error (100); the method only reads: safe to retry\n")
    };
    let summary = "cent: lines 1-2 done; lines 3-4 may have been executed: run the same command again; line 5 onwards not \
                   accepted\n";
    first.assert(5, &format!("{}{}{summary}", error(3), error(4)));
    let second = run(&server, &["history"], &history.repeat(6), Some(&first.journal));
    second.assert(0, "cent: 4 commands accepted\n");
    assert!(!second.text().contains("rejected"), "{}", second.text());
}

#[test]
fn rejected_resend_stays_unknown() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let url = Current.batch_url(&server.address());
    let earlier = "an earlier attempt may have been executed: check before retrying";
    let summary =
        "lines 3-4 may have been executed: run the same command again within 3 minutes; line 5 onwards not accepted";
    server.add_script(ok());
    server.add_script(vec![Step::ReadAll, Step::respond(&Response::new(401))]);
    let unauthorized = run(&server, &["publish", "--idempotent"], &lines(6), Some(&first.journal));
    unauthorized.assert(4, &format!("cent: {url}: unauthorized (401); {earlier}\ncent: lines 1-2 done; {summary}\n"));
    // Also if the server rejects each of the commands.
    let checked =
        format!("lines 3-4 may have been executed: check them (sed -n 3,4p), {CHOICE}; line 5 onwards not accepted");
    let error = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
    server.add_script(ok());
    server.add_script(vec![Step::ReadAll, Step::respond(&Current.batch_replies(error, 2))]);
    let rejected = run(&server, &["publish", "--idempotent"], &lines(6), Some(&unauthorized.journal));
    let line = |number| format!("cent: line {number}: publish: unknown channel (102); {earlier}\n");
    rejected.assert(4, &format!("{}{}cent: lines 1-2 done; {checked}\n", line(3), line(4)));
    assert_eq!(run_until_done(Current, &server, &["publish", "--idempotent"], &lines(6), Some(rejected.journal)), 1);
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn each_line_keeps_its_key() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    run(&server, &["publish", "--idempotent", "--batch=1"], &lines(6), Some(&first.journal))
        .assert(0, "cent: 4 commands accepted\n");
    let bodies: String = server.requests().iter().map(|request| request.body_text()).collect();
    let mut keys: Vec<&str> = bodies.split("\"idempotency_key\":\"").skip(1).map(|rest| &rest[..32]).collect();
    assert_eq!(keys.len(), 8);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

#[test]
fn server_that_ignores_keys_is_not_sent_unknown_lines() {
    for (major, release) in [(5, "5.1.0"), (3, "3.2.3")] {
        let form = ApiForm::of_version(major);
        let server = Server::start(Centrifugo::version(major).with_release(release));
        let first = unknown_run(form, &server, &["publish", "--idempotent"]);
        let asked = run_form(form, &server, &["publish", "--idempotent"], &lines(6), Some(&first.journal));
        asked.assert(
            4,
            &format!(
                "cent: not repeating: Centrifugo {release} ignores idempotency keys; they require Centrifugo 5.2 or later\n\
                 cent: lines 1-2 done; lines 3-4 may have been executed: check them (sed -n 3,4p), {CHOICE}; line 5 onwards \
                 not accepted\n"
            ),
        );
        assert_eq!(asked.journal, first.journal);
        assert_eq!(received(&server), numbers(1..=4));
        let skipped =
            run_form(form, &server, &["publish", "--idempotent", "--unknown=skip"], &lines(6), Some(&first.journal));
        skipped.assert(
            0,
            &format!(
                "cent: not repeating: Centrifugo {release} ignores idempotency keys; they require Centrifugo 5.2 or later\n\
                 cent: lines 3-4 skipped: maybe never executed\ncent: 2 commands accepted\n"
            ),
        );
        assert_eq!(received(&server), numbers(1..=6));
    }
}

#[test]
fn unknown_lines_wait_for_server() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    server.add_script(reject(&Response::new(503)));
    let info = format!("{}/api/info", server.address());
    let second = run(&server, &["publish", "--idempotent"], &lines(6), Some(&first.journal));
    second.assert(
        4,
        &format!(
            "cent: not repeating: cannot find out whether the server recognizes idempotency keys: {info}: service \
             unavailable (503)\n\
             cent: lines 1-2 done; lines 3-4 may have been executed: run the same command again within 3 minutes; line 5 \
             onwards not accepted\n"
        ),
    );
    assert_eq!(second.journal, first.journal);
    // With a retry there is a second question.
    server.add_script(reject(&Response::new(503).header("Retry-After", "0")));
    let third = run(&server, &["publish", "--idempotent", "--retry=1", "-q"], &lines(6), Some(&first.journal));
    assert_eq!((third.exit_code(), third.stderr().lines().count()), (0, 1), "{}", third.stderr());
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn retry_with_ignored_keys_recommends_check() {
    let server = Server::start(Centrifugo::version(5).with_release("5.1.0"));
    let first = unknown_run(Current, &server, &["publish", "--idempotent", "--retry=1"]);
    assert_eq!(first.exit_code(), 4);
    let summary = format!("check them (sed -n 3,4p), {CHOICE}; line 5 onwards not accepted\n");
    assert!(first.stderr().ends_with(&summary), "{}", first.stderr());
}

#[test]
fn keyless_lines_are_not_repeated() {
    let publish = r#"{"method": "publish", "params": {"channel": "plain:a", "data": 1}}"#;
    let keyless = r#"{"method": "disconnect", "params": {"user": "u"}}"#;
    let input = format!("{publish}\n{keyless}\n");
    let server = Current.server().script(executed_but_failed());
    let first = run(&server, &["--idempotent"], &input, None);
    assert_eq!(first.exit_code(), 4);
    let asked = run(&server, &["--idempotent"], &input, Some(&first.journal));
    assert_eq!((asked.exit_code(), server.requests().len()), (4, 1), "{}", asked.stderr());
}

#[test]
fn lines_that_only_read_are_always_repeated() {
    let input = "{\"channel\": \"a\"}\n".repeat(4);
    let server = Current.server();
    let first = run(&server, &["history", "-q"], &input, None);
    // As if the program had been killed long ago, while it waited for the last response.
    let text = first.text();
    let (killed, _) = text.trim_end().rsplit_once('\n').unwrap();
    let killed = at(killed.as_bytes(), 1);
    let second = run(&server, &["history"], &input, Some(&killed));
    second.assert(0, "cent: 2 commands accepted\n");

    let server = Current.server().script(executed_but_failed());
    let failed = run(&server, &["history"], &input, Some(&without_address(&killed, &server)));
    let url = Current.batch_url(&server.address());
    failed.assert(
        3,
        &format!(
            "cent: {url}: internal server error (500); the method only reads: safe to retry\n\
             cent: lines 1-2 done; lines 3-4 may have been executed: run the same command again\n"
        ),
    );
    run(&server, &["history", "-q"], &input, Some(&failed.journal)).assert(0, "");
}

/// The journal with the address of another server.
fn without_address(journal: &[u8], server: &Server) -> Vec<u8> {
    let address = format!("address \"{}\"", server.address());
    let replaced = |line: &str| if line.starts_with("address ") { address.clone() } else { line.to_owned() };
    let text = String::from_utf8_lossy(journal);
    text.lines().map(|line| replaced(line) + "\n").collect::<String>().into_bytes()
}

#[test]
fn unknown_replies_stop_run_and_are_sent_alone() {
    let ok_and_error = r#"{"replies":[{"publish":{}},{"error":{"code":100,"message":"internal server error"}}]}"#;
    let server = Current.server().script(ok()).script(respond(&Response::json(ok_and_error)));
    let first = run(&server, &["publish", "--idempotent"], &lines(6), None);
    first.assert(
        4,
        &format!(
            "cent: line 4: publish: internal server error (100); {CHECK}\n\
             cent: lines 1-3 done; line 4 may have been executed: run the same command again within 3 minutes; \
             line 5 onwards not accepted\n"
        ),
    );
    assert_eq!(first.output.stdout().lines().count(), 4);
    let second = run(&server, &["publish", "--idempotent"], &lines(6), Some(&first.journal));
    second.assert(0, "cent: 3 commands accepted\n");
    let sizes: Vec<_> =
        server.requests().iter().map(|request| request.body_text().matches("\"data\"").count()).collect();
    assert_eq!(sizes, [2, 2, 0, 1, 2]);
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn invalid_line_can_be_fixed_and_resumed() {
    // The server rejects a batch for it, and the program finds the line.
    let invalid = "{\"channel\": 5, \"channel\": \"plain:a\", \"data\": 4}\n";
    let server = Current.server();
    let first = run(&server, &["publish", "--batch=8"], &(lines(3) + invalid + &line(5)), None);
    assert_eq!(first.exit_code(), 5, "{}", first.stderr());
    assert!(
        first.stderr().ends_with("cent: lines 1-3 done; line 4 onwards not accepted: run the same command again\n")
    );
    let second = run(&server, &["publish", "--batch=8"], &lines(5), Some(&first.journal));
    second.assert(0, "cent: 2 commands accepted\n");
    assert_eq!(received(&server), numbers(1..=5));
    // So can one that is never sent.
    let server = Current.server();
    let bad = lines(3) + "{}\n" + &line(5);
    let first = run(&server, &["publish", "-q"], &bad, None);
    assert_eq!(first.exit_code(), 5);
    run(&server, &["publish"], &lines(5), Some(&first.journal)).assert(0, "cent: 2 commands accepted\n");
    assert_eq!(received(&server), numbers(1..=5));
}

#[test]
fn changed_input_is_an_error() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let requests = server.requests().len();
    let changed = |number: usize| lines(6).replace(&format!("\"data\": {number}"), "\"data\": 7");
    for (input, problem) in [
        (changed(1), "differs in lines 1-2 from what was sent before"),
        (changed(3), "differs in lines 3-4 from what was sent before"),
        ("\n".to_owned() + &lines(6), "differs in lines 1-2 from what was sent before"),
        (lines(3), "ends after 3 lines, but 4 were sent before"),
        (String::new(), "ends after 0 lines, but 4 were sent before"),
    ] {
        for args in [&["publish", "--idempotent"][..], &["publish", "--unknown=send"], &["publish", "--unknown=skip"]] {
            let run = run(&server, args, &input, Some(&first.journal));
            run.assert(2, &format!("cent: state: standard input {problem}; {SAME_INPUT}\n"));
            assert_eq!((&run.journal, server.requests().len()), (&first.journal, requests));
        }
    }
    // Lines that were not sent yet may change.
    run(&server, &["publish", "--idempotent"], &changed(6), Some(&first.journal))
        .assert(0, "cent: 4 commands accepted\n");
    assert_eq!(received(&server), numbers([1, 2, 3, 4, 5, 7]));
}

#[test]
fn journal_of_another_job_is_an_error() {
    let server = Current.server();
    let first = run(&server, &["publish", "-q"], &lines(3), None);
    let address = server.address();
    let config =
        format!("[bananas]\naddress = {address}/rt\napi_key = k\n[apples]\naddress = {address}\napi_key = k\n");
    for (args, problem) in [
        (&["bananas", "broadcast"][..], "METHOD publish, not METHOD broadcast".to_owned()),
        (&["bananas"], "METHOD publish, not no METHOD".to_owned()),
        (&["apples", "publish"], "section bananas, not apples".to_owned()),
    ] {
        let cent = cent().config(config.replace("/rt", "")).file("state", &first.journal);
        let run = finish(cent.args(args).args(&["--lines", "--journal=state"]).stdin_bytes(lines(3)));
        run.assert(
            2,
            &format!(
                "cent: state: the journal is for {problem}; repeat the command as it was, or use another file for --journal\n"
            ),
        );
        assert_eq!(run.journal, first.journal);
    }
    let cent = cent().config(&config).file("state", &first.journal);
    let run = finish(cent.args(&["bananas", "publish", "--lines", "--journal=state"]).stdin_bytes(lines(3)));
    run.assert(
        2,
        &format!(
            "cent: state: the journal is for address {address}, not {address}/rt; repeat the command as it was, or use \
             another file for --journal\n"
        ),
    );
}

#[test]
fn journal_is_no_standard_stream() {
    let server = Current.server().expect_no_connection();
    let message = "cent: state: is also standard input, output or error; use another file for --journal\n";
    let empty = |cent: &Cent| File::options().read(true).append(true).create(true).open(cent.path("state")).unwrap();
    let input = call(Current, &server, &["publish"], &lines(2), Some(b""));
    let state = empty(&input);
    let input = finish(input.stdin(state));
    assert_eq!((input.exit_code(), input.stderr().as_str(), input.journal.as_slice()), (2, message, &b""[..]));
    let output = call(Current, &server, &["publish"], &lines(2), Some(b""));
    let state = empty(&output);
    let output = finish(output.stdout(state));
    assert_eq!((output.exit_code(), output.stderr().as_str(), output.journal.as_slice()), (2, message, &b""[..]));
}

#[test]
fn foreign_or_damaged_file_is_left_as_it_is() {
    let server = Current.server();
    let good = run(&server, &["publish", "-q"], &lines(3), None);
    let requests = server.requests().len();
    let text = good.text();
    let foreign = "not a journal of cent; use another file for --journal";
    let damaged =
        |line| format!("line {line} is damaged; check which lines were sent, and use another file for --journal");
    for (content, problem) in [
        (b"hello".to_vec(), foreign.to_owned()),
        (b"channel,data\na,1\n".to_vec(), foreign.to_owned()),
        (b"\xff\xfe\n".to_vec(), foreign.to_owned()),
        (
            text.replace("journal 1", "journal 2").into_bytes(),
            "unknown journal version 2; this cent writes version 1".to_owned(),
        ),
        (
            text.replace("\nid ", "\nid x").into_bytes(),
            "the header is damaged; use another file for --journal".to_owned(),
        ),
        (text.replace("sent 1-2", "sent 1-x").into_bytes(), damaged(6)),
        (text.replace("done 2", "done 3").into_bytes(), damaged(7)),
        (text.replace("sent 3", "sent 2").into_bytes(), damaged(8)),
        ([text.as_bytes(), b"\n"].concat(), damaged(10)),
        ([text.as_bytes(), b"\xff\n"].concat(), damaged(10)),
    ] {
        let run = run(&server, &["publish"], &lines(3), Some(&content));
        run.assert(2, &format!("cent: state: {problem}\n"));
        assert_eq!((&run.journal, server.requests().len()), (&content, requests));
    }
}

#[test]
fn unusable_paths_are_errors_before_sending() {
    let server = Current.server().expect_no_connection();
    let run = |path: &str| {
        let cent = Current.cent(&server).args(&["bananas", "publish", "--lines", "--journal", path]);
        fs::create_dir(cent.path("dir")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(cent.path("fifo")).status().unwrap();
        assert!(fifo.success());
        cent.stdin_bytes(lines(3)).run()
    };
    let another = "is not a regular file; use another file for --journal";
    for (path, problem) in [
        ("dir", "is a directory; add the name of a file for --journal"),
        ("fifo", another),
        ("/dev/null", another),
        ("/dev/full", another),
        ("missing/state", "cannot open the journal for writing: no such file or directory"),
        (".centrc/state", "cannot open the journal: not a directory"),
    ] {
        run(path).assert_output(2, "", &format!("cent: {path}: {problem}\n"));
    }
    run("").assert_output(2, "", "cent: --journal: missing file name\n");
}

#[test]
fn journal_in_use_is_an_error() {
    let server = Current.server().expect_no_connection();
    let cent = call(Current, &server, &["publish"], &lines(3), Some(b""));
    let other = File::open(cent.path("state")).unwrap();
    other.lock().unwrap();
    let run = finish(cent);
    run.assert(2, "cent: state: another run uses this journal; wait until it ends\n");
    assert_eq!(run.journal, b"");
}

#[test]
fn tilde_is_the_home_directory() {
    let server = Current.server();
    let args = ["bananas", "publish", "--lines", "--journal=~/state", "-q"];
    finish(Current.cent(&server).args(&args).stdin_bytes(lines(1))).assert(0, "");
    let run = finish(Current.cent(&server).args(&args).stdin_bytes(lines(1)));
    assert!(run.text().starts_with("cent journal 1\n"));
}

/// A call whose files can have so many blocks of 512 bytes.
fn limited(blocks: usize, server: &Server, args: &[&str]) -> Run {
    let script = format!("ulimit -f {blocks}; exec \"$@\"");
    let cent = call(Current, server, args, &lines(20), None).run_under(&["sh", "-c", &script, "sh"]);
    let input = File::open(cent.path("input")).unwrap();
    finish(cent.stdin(input))
}

#[test]
fn full_disk_is_an_error_before_sending() {
    let server = Current.server().expect_no_connection();
    limited(0, &server, &["publish"]).assert(2, "cent: state: cannot write the journal: file too large\n");
}

#[test]
fn disk_that_fills_up_ends_run_after_request() {
    // The record of the third request does not fit.
    let server = Current.server();
    let first = limited(1, &server, &["publish", "--idempotent"]);
    first.assert(
        5,
        "cent: state: cannot write the journal: file too large\n\
         cent: lines 1-4 done; line 5 onwards not accepted: run the same command again\n",
    );
    assert_eq!((received(&server), first.output.stdout().lines().count()), (numbers(1..=4), 4));
    assert!(first.text().ends_with('\n'));
    assert_eq!(run_until_done(Current, &server, &["publish"], &lines(20), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers(1..=20));

    // That the eighth request was answered does not fit.
    let server = Current.server();
    let first = limited(3, &server, &["publish", "--idempotent"]);
    first.assert(
        4,
        "cent: state: cannot write the journal: file too large\n\
         cent: lines 1-14 done; lines 15-16 may have been executed: run the same command again within 3 minutes; line 17 \
         onwards not accepted\n",
    );
    assert_eq!((received(&server), first.output.stdout().lines().count()), (numbers(1..=16), 14));
    assert_eq!(run_until_done(Current, &server, &["publish", "--idempotent"], &lines(20), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers(1..=20));
}

#[test]
fn closed_output_can_be_resumed() {
    let server = Current.server();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let first = finish(call(Current, &server, &["publish"], &lines(6), None).stdout(writer));
    first.assert(
        5,
        "cent: standard output closed: lines 1-2 done; line 3 onwards not accepted: run the same command again\n",
    );
    assert_eq!(run_until_done(Current, &server, &["publish"], &lines(6), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers(1..=6));
}

const FAULTS: [fn() -> Script; 8] = [
    || vec![Step::Execute, Step::Close],
    || vec![Step::ReadAll, Step::Close],
    || vec![Step::Execute, Step::Reset],
    || vec![Step::Execute, Step::SendRange(0, 60), Step::Close],
    executed_but_failed,
    || vec![Step::ReadAll, Step::respond(&Response::new(500))],
    || reject(&Response::new(503)),
    || vec![Step::Execute, Step::Hang],
];

/// Fails each request of a job in turn.
fn for_each_fault(form: ApiForm, test: impl Fn(&Server, &str, bool)) {
    for fault in FAULTS.map(|fault| fault()) {
        // A slow machine needs more time for the requests that work.
        let timeout = if fault.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
        let is_executed = fault.contains(&Step::Execute);
        for failing in 0..3 {
            let server = form.server();
            (0..failing + form.requests_before()).for_each(|_| server.add_script(ok()));
            server.add_script(fault.clone());
            test(&server, timeout, is_executed);
            assert_eq!(received(&server), numbers(1..=6), "request {failing}: {fault:?}");
        }
    }
}

fn as_commands(input: &str) -> String {
    let command = |line: &str| format!("{{\"method\": \"publish\", \"params\": {line}}}\n");
    input.lines().map(command).collect()
}

#[test]
fn failed_requests_are_executed_once_with_keys() {
    for_each_fault(Current, |server, timeout, _| {
        assert_eq!(run_until_done(Current, server, &["publish", "--idempotent", timeout], &lines(6), None), 2);
    });
}

#[test]
fn failed_requests_of_whole_commands_are_executed_once_with_keys() {
    for_each_fault(Current, |server, timeout, _| {
        assert_eq!(run_until_done(Current, server, &["--idempotent", timeout], &as_commands(&lines(6)), None), 2);
    });
}

/// Settles what is unknown by what the server has received.
fn settle(form: ApiForm, server: &Server, timeout: &str, is_executed: bool) {
    let mut run = run_form(form, server, &["publish", timeout], &lines(6), None);
    if run.exit_code() == 4 {
        let unknown = run.stderr();
        let last: usize = received(server).len();
        // The lines that are named are those that were executed last, or those that come next.
        let (first, last) = if is_executed { (last - 1, last) } else { (last + 1, last + 2) };
        assert!(unknown.contains(&format!("; lines {first}-{last} may have been executed: ")), "{unknown}");
        let choice = if is_executed { "--unknown=skip" } else { "--unknown=send" };
        run = run_form(form, server, &["publish", timeout, choice], &lines(6), Some(&run.journal));
    } else {
        run = run_form(form, server, &["publish", timeout], &lines(6), Some(&run.journal));
    }
    assert_eq!(run.exit_code(), 0, "{}", run.stderr());
}

#[test]
fn failed_requests_are_executed_once_with_answers() {
    for form in ApiForm::ALL {
        for_each_fault(form, |server, timeout, is_executed| settle(form, server, timeout, is_executed));
    }
}

/// The second of three requests is lost at every third byte of the request and of its response.
#[test]
fn request_lost_at_each_byte_is_executed_once_with_keys() {
    let args = ["publish", "--idempotent", "-q", "--timeout=60"];
    let uninterrupted_server = Current.server();
    run(&uninterrupted_server, &args, &lines(6), None).assert(0, "");
    let request = &uninterrupted_server.requests()[1];
    let request_bytes = request.head().len() + request.body().len();
    let faults = (1..request_bytes).step_by(3).map(|bytes| fail_during_request(bytes, Step::Close));
    let responses = (0..100).step_by(3).map(|bytes| fail_during_response(bytes, Step::Close));
    for fault in faults.chain(responses) {
        let server = Current.server().script(ok()).script(fault.clone());
        let first = run(&server, &args, &lines(6), None);
        assert_eq!(first.exit_code(), 4, "{fault:?}: {}", first.stderr());
        assert_eq!(run_until_done(Current, &server, &args, &lines(6), Some(first.journal)), 1);
        assert_eq!(received(&server), numbers(1..=6), "{fault:?}");
    }
}

#[test]
fn retries_finish_in_one_run() {
    let server = Current.server();
    for _ in 0..3 {
        server.add_script(respond(&Response::new(500).header("Retry-After", "0")));
        server.add_script(ok());
    }
    let run = run(&server, &["publish", "--idempotent", "--retry=3", "-q"], &lines(6), None);
    assert_eq!(run.exit_code(), 0, "{}", run.stderr());
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn unordered_lines_are_executed_once() {
    for failing in 0..3 {
        let server = Current.server();
        (0..failing).for_each(|_| server.add_script(ok()));
        server.add_script(executed_but_failed());
        assert_eq!(run_until_done(Current, &server, &["publish", "--idempotent", "--unordered"], &lines(6), None), 2);
        let mut all = received(&server);
        all.sort();
        assert_eq!(all, numbers(1..=6));
    }
}

/// Kills the program while it waits for the response to a request, and runs it again.
fn kill_at_each_request(form: ApiForm, args: &[&str], finish_job: impl Fn(&Server, bool, Vec<u8>)) {
    for is_executed in [true, false] {
        for killed in 0..3 {
            let server = form.server();
            (0..killed + form.requests_before()).for_each(|_| server.add_script(ok()));
            let first = if is_executed { Step::Execute } else { Step::ReadAll };
            server.add_script(vec![first, Step::Hang]);
            let input = File::open("/dev/null").unwrap();
            let (mut child, home) = {
                let cent = call(form, &server, args, &lines(6), None);
                let file = File::open(cent.path("input")).unwrap();
                drop(input);
                cent.spawn_with(file, std::process::Stdio::null(), std::process::Stdio::null())
            };
            server.wait_for_requests(form.requests_before() + killed + 1);
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
        assert_eq!(run_until_done(Current, server, &args, &lines(6), Some(journal)), 1);
    });
}

#[test]
fn killed_runs_execute_each_line_once_with_answers() {
    for form in ApiForm::ALL {
        let args = ["publish", "--timeout=60"];
        kill_at_each_request(form, &args, |server, is_executed, journal| {
            let asked = run_form(form, server, &args, &lines(6), Some(&journal));
            assert_eq!(asked.exit_code(), 4, "{}", asked.stderr());
            let choice = if is_executed { "--unknown=skip" } else { "--unknown=send" };
            let done = run_form(form, server, &[&args[..], &[choice]].concat(), &lines(6), Some(&asked.journal));
            assert_eq!(done.exit_code(), 0, "{}", done.stderr());
        });
    }
}

/// A run in which a system call kills the program, or fails.
fn with_injected(server: &Server, args: &[&str], calls: &str, inject: &str) -> Run {
    let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{inject}"));
    let strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let cent = call(Current, server, args, &lines(6), None).run_under(&strace);
    let input = File::open(cent.path("input")).unwrap();
    finish(cent.stdin(input))
}

#[test]
#[ignore = "needs strace"]
fn system_call_that_kills_executes_each_line_once() {
    let args = ["publish", "--idempotent", "--timeout=60"];
    for (calls, at_least) in [
        ("pwrite64", 7),
        ("fdatasync", 6),
        ("fsync", 2),
        ("sendto", 3),
        ("recvfrom", 3),
        ("write", 3),
        ("ftruncate", 1),
    ] {
        let mut killed = 0;
        loop {
            let server = Current.server().allow_no_connection();
            let first = with_injected(&server, &args, calls, &format!("signal=KILL:when={}", killed + 1));
            if first.output.exit_code() == Some(0) {
                break;
            }
            assert_eq!(first.output.exit_code(), None, "{calls}: {}", first.stderr());
            killed += 1;
            assert_eq!(run_until_done(Current, &server, &args, &lines(6), Some(first.journal)), 1);
            assert_eq!(received(&server), numbers(1..=6), "{calls} {killed}");
        }
        assert!(killed >= at_least, "{calls}: {killed}");
    }
}

#[test]
#[ignore = "needs strace"]
fn system_call_that_fails_ends_run_as_the_account_says() {
    let args = ["publish", "--idempotent", "--timeout=60"];
    for (calls, error) in [("pwrite64", "ENOSPC"), ("fdatasync", "EIO"), ("fsync", "EIO"), ("flock", "ENOLCK")] {
        for when in 1.. {
            let server = Current.server().allow_no_connection();
            let first = with_injected(&server, &args, calls, &format!("error={error}:when={when}"));
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
            assert_eq!(run_until_done(Current, &server, &args, &lines(6), Some(first.journal)), 1);
            assert_eq!(received(&server), numbers(1..=6), "{calls} {when}");
        }
    }
}

/// Each byte of a journal is where a crash can cut it off. What it says by then has happened; the request that it announces
/// last may have been executed or not.
#[test]
fn journal_cut_at_each_byte_executes_each_line_once() {
    let args = ["publish", "--idempotent", "-q"];
    let centrifugo = Current.server();
    let uninterrupted = run(&centrifugo, &args, &lines(6), None).text();
    let header_end = uninterrupted.match_indices('\n').nth(4).unwrap().0 + 1;
    let mut tested = 0;
    for end in (0..=uninterrupted.len()).filter(|&end| uninterrupted.is_char_boundary(end)) {
        let complete = &uninterrupted[..uninterrupted[..end].rfind('\n').map_or(0, |newline| newline + 1)];
        let is_boundary = end == complete.len();
        if !is_boundary && end % 7 != 0 {
            continue;
        }
        let last = |name: &str| complete.lines().rfind(|line| line.starts_with(name));
        let announced = last("sent ").map_or(0, |line| {
            let range = line.split(' ').nth(1).unwrap();
            range.rsplit('-').next().unwrap().parse().unwrap()
        });
        let done: usize = last("done ").map_or(0, |line| line.split(' ').nth(1).unwrap().parse().unwrap());
        for executed in if announced == done { vec![done] } else { vec![done, announced] } {
            let server = Current.server();
            let header = without_address(&uninterrupted.as_bytes()[..header_end], &server);
            // The same id, so the same keys.
            if executed > 0 {
                run(&server, &args, &lines(executed), Some(&header)).assert(0, "");
            }
            let cut = without_address_cut(&uninterrupted[..end], &server);
            run(&server, &args, &lines(6), Some(&cut)).assert(0, "");
            assert_eq!(received(&server), numbers(1..=6), "cut at {end}, {executed} executed");
            tested += 1;
        }
    }
    assert!(tested > 50, "{tested}");
}

/// A journal that is cut off, with the address of another server.
fn without_address_cut(journal: &str, server: &Server) -> Vec<u8> {
    let Some((before, rest)) = journal.split_once("\naddress ") else { return journal.as_bytes().to_vec() };
    let address = format!("\"{}\"", server.address());
    match rest.split_once('\n') {
        Some((_, after)) => format!("{before}\naddress {address}\n{after}").into_bytes(),
        None => format!("{before}\naddress {}", &address[..rest.len().min(10)]).into_bytes(),
    }
}

#[test]
fn pipe_with_the_same_lines_works() {
    let server = Current.server().script(ok()).script(reject(&Response::new(503)));
    let args = ["bananas", "publish", "--lines", "--journal=state", "--batch=2", "-q"];
    let first = finish(Current.cent(&server).args(&args).stdin_bytes(lines(6)));
    assert!([3, 5].contains(&first.exit_code()), "{}", first.stderr());
    let second = Current.cent(&server).args(&args).file("state", &first.journal).stdin_bytes(lines(6));
    finish(second).assert(0, "");
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn forgotten_keys_are_the_limit() {
    // As README and man page say: a memory engine forgets the keys at a restart.
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    server.centrifugo().forget_keys();
    assert_eq!(run_until_done(Current, &server, &["publish", "--idempotent"], &lines(6), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers([1, 2, 3, 4, 3, 4, 5, 6]));
}

#[test]
fn legacy_server_needs_no_keys_for_journal() {
    let server = Legacy.server();
    run_form(Legacy, &server, &["publish"], &lines(5), None).assert(0, "cent: 5 commands accepted\n");
    let server = V1.server();
    run_form(V1, &server, &["publish"], &lines(5), None).assert(0, "cent: 5 commands accepted\n");
}

#[test]
fn interrupted_run_can_be_resumed() {
    let server = Current.server();
    let cent = call(Current, &server, &["publish"], "", None);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (mut child, home) = cent.spawn_with(reader, std::process::Stdio::null(), std::process::Stdio::piped());
    writer.write_all(lines(2).as_bytes()).unwrap();
    server.wait_for_requests(1);
    send_signal(child.id(), "-TERM");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143));
    let journal = fs::read(home.path().join("state")).unwrap();
    assert_eq!(run_until_done(Current, &server, &["publish"], &lines(6), Some(journal)), 1);
    assert_eq!(received(&server), numbers(1..=6));
}
