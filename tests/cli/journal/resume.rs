//! What is left to do, and which input the journal is for.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;

use super::{call, finish, ok, run, run_form, run_until_done, unknown_run};
use crate::numbers::{line, lines, numbers, received};
use crate::signals::send_signal;
use crate::support::cli::cent;
use crate::support::server::{Response, Server, Step, reject, respond};
use crate::{ApiForm, Current, Legacy, V1};

const SAME_INPUT: &str = "use the same input; another file for --journal would send all lines again";

#[test]
fn finished_journal_leaves_nothing_to_do() {
    for form in ApiForm::ALL {
        let server = form.server();
        let first = run_form(form, &server, &["publish"], &lines(1..=5), None);
        first.assert(0, "cent: 5 commands accepted\n");
        let requests = server.requests().len();
        let again = run_form(form, &server, &["publish"], &lines(1..=5), Some(&first.journal));
        again.assert(0, "cent: nothing left to do: lines 1-5 done earlier\n");
        assert_eq!((again.output.stdout(), &again.journal), (String::new(), &first.journal));
        let quiet = run_form(form, &server, &["publish", "-q"], &lines(1..=5), Some(&first.journal));
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
    let first = run(&server, &["publish", "-q"], lines(1..=3).trim_end(), None);
    first.assert(0, "");
    let second = run(&server, &["publish"], &lines(1..=5), Some(&first.journal));
    second.assert(0, "cent: 2 commands accepted; in all runs: 5 accepted\n");
    assert_eq!(second.output.stdout().lines().count(), 2);
    assert_eq!(received(&server), numbers(1..=5));
}

#[test]
fn blank_lines_are_counted() {
    let input = format!("\n{}\n{}\n\n{}\n\n", line(1), line(2), line(3));
    let server = Current.server().script(ok()).script(ok()).script(reject(&Response::new(503)));
    let first = run(&server, &["publish", "-q"], &input, None);
    assert_eq!(first.exit_code(), 5);
    let second = run(&server, &["publish"], &input, Some(&first.journal));
    second.assert(0, "cent: 1 command accepted; in all runs: 3 accepted\n");
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
    assert!(first.text().contains("\"rejected\":\"2\"}"), "{}", first.text());
    let again = run(&server, &["publish"], &input, Some(&first.journal));
    again.assert(1, "cent: line 2 was rejected in an earlier run\ncent: nothing left to do: lines 1-3 done earlier\n");
    assert_eq!(again.journal, first.journal);
    // Also if the rest was done later.
    let more = run(&server, &["publish"], &(input + &line(4)), Some(&first.journal));
    more.assert(
        1,
        "cent: line 2 was rejected in an earlier run\ncent: 1 command accepted; in all runs: 3 accepted, 1 rejected\n",
    );
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
        let server = form.server().script_for(form, ok()).script(ok()).script(reject(&Response::new(503)));
        let first = run_form(form, &server, &["publish"], &lines(1..=6), None);
        let url = form.batch_url(&server.address());
        first.assert(
            5,
            &format!(
                "cent: {url}: service unavailable (503); nothing was accepted: try again later\n\
                 cent: lines 1-2 done; line 3 onwards not accepted: run the same command again\n"
            ),
        );
        let second = run_form(form, &server, &["publish"], &lines(1..=6), Some(&first.journal));
        second.assert(0, "cent: 4 commands accepted; in all runs: 6 accepted\n");
        assert_eq!(second.output.stdout().lines().count(), 4);
        assert_eq!(received(&server), numbers(1..=6));
    }
}

#[test]
fn nothing_accepted_is_status_3() {
    // Before the first batch, and that.
    for (scripts, url) in [(vec![], "/api/info"), (vec![ok()], "/api/batch")] {
        let server = scripts.into_iter().fold(Current.server(), Server::script).script(reject(&Response::new(503)));
        let first = run(&server, &["publish"], &lines(1..=6), None);
        first.assert(
            3,
            &format!(
                "cent: {}{url}: service unavailable (503); nothing was accepted: try again later\n\
                 cent: no lines done; line 1 onwards not accepted: run the same command again\n",
                server.address()
            ),
        );
        assert_eq!(first.text().contains("\"sent\""), url == "/api/batch", "{}", first.text());
        assert_eq!(run_until_done(Current, &server, &["publish"], &lines(1..=6), Some(first.journal)), 1);
        assert_eq!(received(&server), numbers(1..=6));
    }
}

#[test]
fn outage_behind_proxy_heals_by_itself() {
    // Nothing shows whether a proxy has passed a request on.
    for form in ApiForm::ALL {
        let server = form.server().script(respond(&Response::plain(503, "no server available")));
        let first = run_form(form, &server, &["publish"], &lines(1..=6), None);
        assert_eq!(first.exit_code(), 3, "{}", first.stderr());
        let summary = "cent: no lines done; line 1 onwards not accepted: run the same command again\n";
        assert!(first.stderr().ends_with(summary), "{}", first.stderr());
        assert!(!first.text().contains("\"sent\""), "{}", first.text());
        assert_eq!(run_until_done(form, &server, &["publish"], &lines(1..=6), Some(first.journal)), 1);
        assert_eq!(received(&server), numbers(1..=6));
    }
}

#[test]
fn wrong_key_records_nothing_as_sent() {
    let server = Server::start(Current.centrifugo().with_credential("another"));
    let first = run(&server, &["publish"], &lines(1..=6), None);
    assert_eq!(first.exit_code(), 1);
    let summary = "cent: no lines done; line 1 onwards not accepted: fix it, then run the same command again\n";
    assert!(first.stderr().ends_with(summary), "{}", first.stderr());
    assert!(!first.text().contains("\"sent\""), "{}", first.text());
}

#[test]
fn first_batch_takes_a_new_connection() {
    // The server closes after each response, and does not say so.
    let server = Current.server().script(vec![Step::Respond, Step::Close]);
    run(&server, &["publish", "-q", "--batch=6"], &lines(1..=6), None).assert(0, "");
    assert_eq!((server.connections(), received(&server)), (2, numbers(1..=6)));
}

/// Makes the server reject a batch, and is found by halving it.
const INVALID: &str = "{\"channel\": 5, \"channel\": \"plain:a\", \"data\": 4}\n";

#[test]
fn invalid_line_is_rejected_and_done() {
    let server = Current.server();
    let input = lines(1..=3) + INVALID + &line(5);
    let first = run(&server, &["publish", "--batch=8"], &input, None);
    let error =
        "cent: line 4: publish: bad request (400); check the params for wrong types, or nesting that is too deep\n";
    first.assert(1, &format!("{error}cent: 5 commands: 4 accepted, 1 rejected\n"));
    assert!(first.text().contains("{\"done\":{\"line\":4,\"replies\":1,\"rejected\":\"4\"},"), "{}", first.text());
    run(&server, &["publish"], &input, Some(&first.journal))
        .assert(1, "cent: line 4 was rejected in an earlier run\ncent: nothing left to do: lines 1-5 done earlier\n");
    assert_eq!(received(&server), numbers([1, 2, 3, 5]));
    // Not so where the server takes nothing: then the lines are sent again.
    let server = Current.server();
    let first = run(&server, &["publish"], &INVALID.repeat(3), None);
    assert_eq!(first.exit_code(), 1);
    let summary = "cent: no lines done; line 1 onwards not accepted: fix it, then run the same command again\n";
    assert!(first.stderr().ends_with(summary), "{}", first.stderr());
    run(&server, &["publish"], &lines(1..=3), Some(&first.journal)).assert(0, "cent: 3 commands accepted\n");
    // Two lines at the start may be invalid.
    let server = Current.server();
    let input = INVALID.repeat(2) + &line(3);
    let first = run(&server, &["publish"], &input, None);
    assert!(first.stderr().ends_with("cent: 3 commands: 1 accepted, 2 rejected\n"), "{}", first.stderr());
    run(&server, &["publish", "-q"], &input, Some(&first.journal))
        .assert(1, "cent: lines 1-2 were rejected in an earlier run\n");
    let first = run(&server, &["publish"], &INVALID.repeat(2), None);
    assert!(first.stderr().ends_with("cent: 2 commands: 0 accepted, 2 rejected\n"), "{}", first.stderr());
    run(&server, &["publish", "-q"], &INVALID.repeat(2), Some(&first.journal))
        .assert(1, "cent: lines 1-2 were rejected in an earlier run\n");
}

#[test]
fn line_that_is_never_sent_can_be_fixed() {
    let server = Current.server();
    let bad = lines(1..=3) + "{}\n" + &line(5);
    let first = run(&server, &["publish", "-q"], &bad, None);
    assert_eq!(first.exit_code(), 5);
    run(&server, &["publish"], &lines(1..=5), Some(&first.journal))
        .assert(0, "cent: 2 commands accepted; in all runs: 5 accepted\n");
    assert_eq!(received(&server), numbers(1..=5));
}

#[test]
fn changed_input_is_an_error() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let requests = server.requests().len();
    let changed = |number: usize| lines(1..=6).replace(&format!("\"data\": {number}"), "\"data\": 7");
    for (input, problem) in [
        (changed(1), "differs in lines 1-2 from what was sent before"),
        (changed(3), "differs in lines 3-4 from what was sent before"),
        ("\n".to_owned() + &lines(1..=6), "differs in lines 1-2 from what was sent before"),
        (lines(1..=3), "ends after 3 lines, but 4 were sent before"),
        (String::new(), "ends after 0 lines, but 4 were sent before"),
    ] {
        for args in [&["publish", "--idempotent"][..], &["publish", "--unknown=skip"]] {
            let run = run(&server, args, &input, Some(&first.journal));
            run.assert(2, &format!("cent: state: standard input {problem}; {SAME_INPUT}\n"));
            assert_eq!((&run.journal, server.requests().len()), (&first.journal, requests));
        }
    }
    // What comes before lines that count as never sent may not, either.
    let sent = run(&server, &["publish", "--unknown=send"], &changed(1), Some(&first.journal));
    sent.assert(
        2,
        &format!("cent: state: standard input differs in lines 1-2 from what was sent before; {SAME_INPUT}\n"),
    );
    // Lines that were not sent yet may change.
    run(&server, &["publish", "--idempotent"], &changed(6), Some(&first.journal))
        .assert(0, "cent: 4 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(received(&server), numbers([1, 2, 3, 4, 5, 7]));
}

#[test]
fn journal_of_another_job_is_an_error() {
    let server = Current.server();
    let first = run(&server, &["publish", "-q"], &lines(1..=3), None);
    let address = server.address();
    let config =
        format!("[bananas]\naddress = {address}/rt\napi_key = k\n[apples]\naddress = {address}\napi_key = k\n");
    for (args, problem) in [
        (&["bananas", "broadcast"][..], "METHOD publish, not METHOD broadcast".to_owned()),
        (&["bananas"], "METHOD publish, not no METHOD".to_owned()),
        (&["apples", "publish"], "section bananas, not apples".to_owned()),
    ] {
        let cent = cent().config(config.replace("/rt", "")).file("state", &first.journal);
        let run = finish(cent.args(args).args(&["--lines", "--journal=state"]).stdin_bytes(lines(1..=3)));
        run.assert(
            2,
            &format!(
                "cent: state: the journal is for {problem}; repeat the command as it was; another file for --journal \
                 would send all lines again\n"
            ),
        );
        assert_eq!(run.journal, first.journal);
    }
    let cent = cent().config(&config).file("state", &first.journal);
    let run = finish(cent.args(&["bananas", "publish", "--lines", "--journal=state"]).stdin_bytes(lines(1..=3)));
    run.assert(
        2,
        &format!(
            "cent: state: the journal is for address {address}, not {address}/rt; repeat the command as it was; another \
             file for --journal would send all lines again\n"
        ),
    );
}

#[test]
fn closed_output_can_be_resumed() {
    let server = Current.server();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let first = finish(call(Current, &server, &["publish"], &lines(1..=6), None).stdout(writer));
    first.assert(
        5,
        "cent: standard output closed: lines 1-2 done; line 3 onwards not accepted: run the same command again\n",
    );
    assert_eq!(run_until_done(Current, &server, &["publish"], &lines(1..=6), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn pipe_with_the_same_lines_works() {
    let server = Current.server().script(ok()).script(ok()).script(reject(&Response::new(503)));
    let args = ["bananas", "publish", "--lines", "--journal=state", "--batch=2", "-q"];
    let first = finish(Current.cent(&server).args(&args).stdin_bytes(lines(1..=6)));
    assert!([3, 5].contains(&first.exit_code()), "{}", first.stderr());
    let second = Current.cent(&server).args(&args).file("state", &first.journal).stdin_bytes(lines(1..=6));
    finish(second).assert(0, "");
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn legacy_server_needs_no_keys_for_journal() {
    let server = Legacy.server();
    run_form(Legacy, &server, &["publish"], &lines(1..=5), None).assert(0, "cent: 5 commands accepted\n");
    let server = V1.server();
    run_form(V1, &server, &["publish"], &lines(1..=5), None).assert(0, "cent: 5 commands accepted\n");
}

#[test]
fn interrupted_run_can_be_resumed() {
    let server = Current.server();
    let cent = call(Current, &server, &["publish"], "", None);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (mut child, home) = cent.spawn_with(reader, std::process::Stdio::null(), std::process::Stdio::piped());
    writer.write_all(lines(1..=2).as_bytes()).unwrap();
    server.wait_for_requests(1);
    send_signal(child.id(), "-TERM");
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(15));
    let journal = fs::read(home.path().join("state")).unwrap();
    assert_eq!(run_until_done(Current, &server, &["publish"], &lines(1..=6), Some(journal)), 1);
    assert_eq!(received(&server), numbers(1..=6));
}
