//! Lines of unknown outcome: repeated where idempotency keys allow it, else the user decides.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{at, executed_but_failed, ok, run, run_form, run_until_done, unknown_run, with_uptime, without_address};
use crate::numbers::{line, lines, numbers, received};
use crate::support::server::{Centrifugo, Response, Script, Server, Step, reject, respond};
use crate::{ApiForm, Current};

const CHOICE: &str = "then run again with --unknown=send or --unknown=skip";

const CHECK: &str = "the command may have been executed: check before retrying";

const CHECK_ALL: &str = "the commands may have been executed: check before retrying";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
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
                "cent: {url}: internal server error (500); {CHECK_ALL}\n\
                 cent: lines 1-2 done; lines 3-4 may have been executed: check them (sed -n 3,4p), {CHOICE}; \
                 line 5 onwards not accepted\n"
            ),
        );
        let question = format!(
            "cent: state: lines 3-4 may have been executed by an earlier run: check them (sed -n 3,4p), {CHOICE}\n"
        );
        let asked = run_form(form, &server, &["publish"], &lines(1..=6), Some(&first.journal));
        asked.assert(4, &question);
        assert_eq!(asked.journal, first.journal);

        let skipped = run_form(form, &server, &["publish", "--unknown=skip"], &lines(1..=6), Some(&first.journal));
        skipped.assert(0, "cent: lines 3-4 skipped: maybe never executed\ncent: 2 commands accepted; in all runs: 4 accepted, 2 skipped\n");
        assert_eq!(received(&server), numbers(1..=6));
        run_form(form, &server, &["publish"], &lines(1..=6), Some(&skipped.journal))
            .assert(0, "cent: nothing left to do: lines 1-6 done earlier, but lines 3-4 skipped\n");

        let sent = run_form(form, &server, &["publish", "--unknown=send"], &lines(1..=6), Some(&first.journal));
        sent.assert(0, "cent: 4 commands accepted; in all runs: 6 accepted\n");
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
            "cent: {url}: internal server error (500); {CHECK_ALL}\n\
             cent: lines 1-2 done; lines 3-4 may have been executed: run the same command again within 3 minutes; \
             line 5 onwards not accepted\n"
        ),
    );
    let question = format!(
        "cent: state: lines 3-4 may have been executed by an earlier run, too long ago to rely on their idempotency keys: \
         check them (sed -n 3,4p), {CHOICE}\n"
    );
    // By one clock or the other.
    for journal in [at(&first.journal, now() - 240), with_uptime(&first.journal, 240)] {
        let asked = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&journal));
        asked.assert(4, &question);
        assert_eq!(asked.journal, journal);
    }
    // Without the option the keys would be missing.
    let asked = run(&server, &["publish"], &lines(1..=6), Some(&first.journal));
    asked.assert(
        4,
        &format!(
            "cent: state: lines 3-4 may have been executed by an earlier run: run again with --idempotent within 3 minutes, \
             or check them (sed -n 3,4p), {CHOICE}\n"
        ),
    );
    let first_sent = now() - 200;
    let second = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&at(&first.journal, first_sent)));
    second.assert(0, "cent: 4 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(received(&server), numbers(1..=6));
    // What is sent again has the time of the first attempt.
    assert_eq!(
        second.text().matches(&format!("\"lines\":\"3-4\",\"time\":{first_sent},")).count(),
        2,
        "{}",
        second.text()
    );
}

#[test]
fn clock_that_was_set_changes_nothing() {
    // Back by two hours between the runs, or far ahead in the first one: the age is that since the start of the machine.
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let ahead = at(&first.journal, now() + 7200);
    run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&ahead))
        .assert(0, "cent: 4 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(received(&server), numbers(1..=6));
    let ahead = with_uptime(&ahead, 240);
    assert_eq!(run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&ahead)).exit_code(), 4);
    // A clock before 1970, and impossible numbers.
    for time in [0, 1, u64::MAX] {
        let asked = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&at(&first.journal, time)));
        assert_eq!(asked.exit_code(), if time == u64::MAX { 0 } else { 4 }, "{}", asked.stderr());
    }
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn restart_of_machine_ends_use_of_keys() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let requests = server.requests().len();
    let (_, machine) =
        first.text().split_once("\"machine\":").map(|(before, after)| (before.len(), after[..34].to_owned())).unwrap();
    for other in ["\"00000000000000000000000000000000\"", "null"] {
        let journal = first.text().replace(&machine, other).into_bytes();
        let asked = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&journal));
        asked.assert(
            4,
            &format!(
                "cent: state: lines 3-4 may have been executed by an earlier run, and the machine has restarted since, so \
                 that the age of their idempotency keys is unknown: check them (sed -n 3,4p), {CHOICE}\n"
            ),
        );
        assert_eq!((asked.journal, server.requests().len()), (journal, requests));
    }
}

#[test]
fn read_that_failed_for_now_is_sent_again() {
    let history = "{\"channel\": \"a\"}\n";
    let server = Current.server();
    let error = r#"{"error":{"code":100,"message":"internal server error"}}"#;
    server.add_script(ok());
    server.add_script(ok());
    server.add_script(respond(&Current.batch_replies(error, 2)));
    let first = run(&server, &["history"], &history.repeat(6), None);
    let error = |line| {
        format!("cent: line {line}: history: internal server error (100); the method only reads: safe to retry\n")
    };
    let summary = "cent: lines 1-2 done; lines 3-4 may have been executed: run the same command again; line 5 onwards not \
                   accepted\n";
    first.assert(5, &format!("{}{}{summary}", error(3), error(4)));
    assert_eq!(first.output.stdout().lines().count(), 2);
    let second = run(&server, &["history"], &history.repeat(6), Some(&first.journal));
    second.assert(0, "cent: 4 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(second.output.stdout().lines().count(), 4);
    assert!(!second.text().contains("rejected"), "{}", second.text());
}

#[test]
fn rejected_resend_stays_unknown() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let url = Current.batch_url(&server.address());
    let earlier = "an earlier attempt may have been executed: check before retrying";
    let summary = "lines 3-4 may have been executed: fix it, then run the same command again within 3 minutes; line 5 onwards not \
         accepted";
    server.add_script(ok());
    server.add_script(vec![Step::ReadAll, Step::respond(&Response::new(401))]);
    let unauthorized = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&first.journal));
    unauthorized.assert(4, &format!("cent: {url}: unauthorized (401); {earlier}\ncent: lines 1-2 done; {summary}\n"));
    // Also if the server rejects each of the commands.
    let checked =
        format!("lines 3-4 may have been executed: check them (sed -n 3,4p), {CHOICE}; line 5 onwards not accepted");
    let error = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
    server.add_script(ok());
    server.add_script(vec![Step::ReadAll, Step::respond(&Current.batch_replies(error, 2))]);
    let rejected = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&unauthorized.journal));
    let line = |number| format!("cent: line {number}: publish: unknown channel (102); {earlier}\n");
    rejected.assert(4, &format!("{}{}cent: lines 1-2 done; {checked}\n", line(3), line(4)));
    assert_eq!(
        run_until_done(Current, &server, &["publish", "--idempotent"], &lines(1..=6), Some(rejected.journal)),
        1
    );
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn each_line_keeps_its_key() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    run(&server, &["publish", "--idempotent", "--batch=1"], &lines(1..=6), Some(&first.journal))
        .assert(0, "cent: 4 commands accepted; in all runs: 6 accepted\n");
    let bodies: String = server.requests().iter().map(|request| request.body_text()).collect();
    let mut keys: Vec<&str> = bodies.split("\"idempotency_key\":\"").skip(1).map(|rest| &rest[..32]).collect();
    assert_eq!(keys.len(), 8);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

/// An older server that takes the place of the one before.
fn old_info() -> Script {
    respond(&Response::json(r#"{"result":{"nodes":[{"version":"5.1.0"}]}}"#))
}

const OLD: &str = "Centrifugo 5.1.0 ignores idempotency keys; they require Centrifugo 5.2 or later";

#[test]
fn server_that_ignores_keys_gets_nothing() {
    for (major, release) in [(5, "5.1.0"), (3, "3.2.3")] {
        let form = ApiForm::of_version(major);
        let server = Server::start(Centrifugo::version(major).with_release(release));
        let refused = run_form(form, &server, &["publish", "--idempotent"], &lines(1..=6), None);
        refused.assert(
            1,
            &format!(
                "cent: {}; run without --idempotent, or upgrade the server\n\
                 cent: no lines done; line 1 onwards not accepted: fix it, then run the same command again\n",
                OLD.replace("5.1.0", release)
            ),
        );
        assert_eq!((refused.text().lines().count(), received(&server)), (1, Vec::new()));
    }
}

#[test]
fn keys_are_checked_before_the_first_line_with_one() {
    let keyless = r#"{"method": "disconnect", "params": {"user": "u"}}"#;
    let keyed = r#"{"method": "publish", "params": {"channel": "plain:a", "data": 1}}"#;
    let server = Server::start(Centrifugo::version(5).with_release("5.1.0"));
    for args in [&["--idempotent", "--batch=1"][..], &["--idempotent", "--batch=1", "--unordered"]] {
        let stopped = run(&server, args, &format!("{keyless}\n{keyed}\n"), None);
        assert_eq!(stopped.exit_code(), 5, "{}", stopped.stderr());
        let summary = "line 1 done; line 2 onwards not accepted: fix it, then run the same command again\n";
        assert!(stopped.stderr().ends_with(&format!("upgrade the server\ncent: {summary}")), "{}", stopped.stderr());
    }
    assert_eq!(received(&server), numbers([]));
}

#[test]
fn older_server_is_not_sent_unknown_lines() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    server.add_script(old_info());
    let asked = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&first.journal));
    asked.assert(
        4,
        &format!(
            "cent: not repeating: {OLD}\n\
             cent: lines 1-2 done; lines 3-4 may have been executed: check them (sed -n 3,4p), {CHOICE}; line 5 onwards not \
             accepted\n"
        ),
    );
    assert_eq!(asked.journal, first.journal);
    assert_eq!(received(&server), numbers(1..=4));
    // As the advice says, and then as that of the next run.
    server.add_script(old_info());
    server.add_script(old_info());
    let choice = ["publish", "--idempotent", "--unknown=skip"];
    let skipped = run(&server, &choice, &lines(1..=6), Some(&first.journal));
    skipped.assert(
        1,
        &format!(
            "cent: not repeating: {OLD}\ncent: lines 3-4 skipped: maybe never executed\n\
             cent: {OLD}; run without --idempotent, or upgrade the server\n\
             cent: lines 1-4 done; line 5 onwards not accepted: fix it, then run the same command again\n"
        ),
    );
    run(&server, &["publish"], &lines(1..=6), Some(&skipped.journal))
        .assert(0, "cent: 2 commands accepted; in all runs: 4 accepted, 2 skipped\n");
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn unknown_lines_wait_for_server() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    server.add_script(reject(&Response::new(503)));
    let info = format!("{}/api/info", server.address());
    let second = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&first.journal));
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
    let third = run(&server, &["publish", "--idempotent", "--retry=1"], &lines(1..=6), Some(&first.journal));
    assert_eq!((third.exit_code(), third.stderr().lines().count()), (0, 2), "{}", third.stderr());
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn retry_with_ignored_keys_recommends_check() {
    let server = Current.server().script(ok()).script(ok()).script(executed_but_failed()).script(old_info());
    let first = run(&server, &["publish", "--idempotent", "--retry=1"], &lines(1..=6), None);
    assert_eq!(first.exit_code(), 4);
    let summary = format!("check them (sed -n 3,4p), {CHOICE}; line 5 onwards not accepted\n");
    assert!(first.stderr().ends_with(&summary), "{}", first.stderr());
}

#[test]
fn keyless_lines_are_not_repeated() {
    let publish = r#"{"method": "publish", "params": {"channel": "plain:a", "data": 1}}"#;
    let keyless = r#"{"method": "disconnect", "params": {"user": "u"}}"#;
    let input = format!("{publish}\n{keyless}\n");
    let server = Current.server().script(ok()).script(executed_but_failed());
    let first = run(&server, &["--idempotent"], &input, None);
    assert_eq!(first.exit_code(), 4);
    let asked = run(&server, &["--idempotent"], &input, Some(&first.journal));
    assert_eq!((asked.exit_code(), server.requests().len()), (4, 2), "{}", asked.stderr());
}

#[test]
fn lines_that_only_read_are_always_repeated() {
    let input = "{\"channel\": \"a\"}\n".repeat(4);
    let server = Current.server();
    let first = run(&server, &["history", "-q"], &input, None);
    // As if the program had been killed long ago, while it waited for the last response.
    let text = first.text();
    let (killed, _) = text.trim_end().rsplit_once('\n').unwrap();
    let killed = at(format!("{killed}\n").as_bytes(), 1);
    let second = run(&server, &["history"], &input, Some(&killed));
    second.assert(0, "cent: 2 commands accepted; in all runs: 4 accepted\n");

    let server = Current.server().script(ok()).script(executed_but_failed());
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

#[test]
fn unknown_replies_stop_run_and_are_sent_alone() {
    let ok_and_error = r#"{"replies":[{"publish":{}},{"error":{"code":100,"message":"internal server error"}}]}"#;
    let server = Current.server().script(ok()).script(ok()).script(respond(&Response::json(ok_and_error)));
    let first = run(&server, &["publish", "--idempotent"], &lines(1..=6), None);
    first.assert(
        4,
        &format!(
            "cent: line 4: publish: internal server error (100); {CHECK}\n\
             cent: lines 1-3 done; line 4 may have been executed: run the same command again within 3 minutes; \
             line 5 onwards not accepted\n"
        ),
    );
    // The reply to the line that is sent again is left to the next run.
    assert_eq!(first.output.stdout().lines().count(), 3);
    let second = run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&first.journal));
    second.assert(0, "cent: 3 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(second.output.stdout().lines().count(), 3);
    let sizes: Vec<_> =
        server.requests().iter().map(|request| request.body_text().matches("\"data\"").count()).collect();
    assert_eq!(sizes, [0, 2, 2, 0, 1, 2]);
    assert_eq!(received(&server), numbers(1..=6));
}

#[test]
fn forgotten_keys_are_the_limit() {
    // As README and man page say: a memory engine forgets the keys at a restart.
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    server.centrifugo().forget_keys();
    assert_eq!(run_until_done(Current, &server, &["publish", "--idempotent"], &lines(1..=6), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers([1, 2, 3, 4, 3, 4, 5, 6]));
}

#[test]
fn invalid_line_in_lost_batch_is_found_by_next_run() {
    let invalid = "{\"channel\": 5, \"channel\": \"plain:a\", \"data\": 4}\n";
    let input = lines(1..=3) + invalid + &line(5);
    let args = ["publish", "--idempotent", "--batch=8"];
    let server = Current.server().script(ok()).script(vec![Step::ReadAll, Step::Close]);
    let lost = run(&server, &args, &input, None);
    assert_eq!(lost.exit_code(), 4, "{}", lost.stderr());
    // The others are sent again with their keys; of the invalid one nobody knows.
    let found = run(&server, &args, &input, Some(&lost.journal));
    let error = "line 4: publish: bad request (400); an earlier attempt may have been executed: check before retrying";
    found.assert(
        4,
        &format!(
            "cent: {error}\n\
             cent: lines 1-3 done; lines 4-5 may have been executed: check them (sed -n 4,5p), {CHOICE}\n"
        ),
    );
    let sent = run(&server, &["publish", "--batch=8", "--unknown=send"], &input, Some(&found.journal));
    let error = "line 4: publish: bad request (400); check the params for wrong types, or nesting that is too deep";
    sent.assert(
        1,
        &format!("cent: {error}\ncent: 2 commands: 1 accepted, 1 rejected; in all runs: 4 accepted, 1 rejected\n"),
    );
    assert_eq!(received(&server), [1, 2, 3, 5]);
}

#[test]
fn released_line_that_was_changed_has_a_key_of_its_own() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--batch=1", "--idempotent"]);
    assert_eq!(received(&server), numbers(1..=2));
    let changed = lines(1..=6).replace("\"data\": 2", "\"data\": 7");
    let sent = run(&server, &["publish", "--unknown=send", "--idempotent"], &changed, Some(&first.journal));
    sent.assert(0, "cent: 5 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(received(&server), [1, 2, 7, 3, 4, 5, 6]);
    // One that was not changed is executed once.
    let same = run(&server, &["publish", "--unknown=send", "--idempotent"], &lines(1..=6), Some(&first.journal));
    same.assert(0, "cent: 5 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(received(&server), [1, 2, 7, 3, 4, 5, 6]);
}

#[test]
fn released_line_can_be_fixed_or_rejected() {
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--batch=1"]);
    assert_eq!(received(&server), numbers(1..=2));
    // Line 2 counts as never sent: it may have any text, and a rejection is one.
    let fixed = lines(1..=6).replace("\"data\": 2", "\"data\": 7");
    let sent = run(&server, &["publish", "--unknown=send"], &fixed, Some(&first.journal));
    sent.assert(0, "cent: 5 commands accepted; in all runs: 6 accepted\n");
    assert_eq!(received(&server), [1, 2, 7, 3, 4, 5, 6]);
    let rejected = lines(1..=6).replace("\"plain:a\", \"data\": 2", "\"nope:a\", \"data\": 2");
    let sent = run(&server, &["publish", "--unknown=send", "-q"], &rejected, Some(&first.journal));
    assert_eq!(sent.exit_code(), 1, "{}", sent.stderr());
    // So is an outage: the next run needs nobody.
    server.add_script(ok());
    server.add_script(reject(&Response::new(503)));
    let declined = run(&server, &["publish", "--unknown=send"], &lines(1..=6), Some(&first.journal));
    assert_eq!(declined.exit_code(), 3, "{}", declined.stderr());
    assert!(
        declined.stderr().ends_with("cent: line 1 done; line 2 onwards not accepted: run the same command again\n")
    );
    run(&server, &["publish"], &fixed, Some(&declined.journal))
        .assert(0, "cent: 5 commands accepted; in all runs: 6 accepted\n");
}

#[test]
fn released_line_between_others_is_not_lost() {
    let ok_and_error = r#"{"replies":[{"error":{"code":100,"message":"internal server error"}},{"publish":{}}]}"#;
    let server = Current.server().script(ok()).script(respond(&Response::json(ok_and_error)));
    let first = run(&server, &["publish"], &lines(1..=4), None);
    assert!(first.stderr().contains("line 2 done; line 1 may have been executed"), "{}", first.stderr());
    // It is declined again and again, and remains.
    let mut journal = first.journal;
    for args in [&["publish", "--unknown=send"][..], &["publish"], &["publish"]] {
        server.add_script(ok());
        server.add_script(reject(&Response::new(503)));
        let declined = run(&server, args, &lines(1..=4), Some(&journal));
        assert_eq!(declined.exit_code(), 3, "{}", declined.stderr());
        let summary = "cent: line 2 done; line 1 onwards not accepted: run the same command again\n";
        assert!(declined.stderr().ends_with(summary), "{}", declined.stderr());
        journal = declined.journal;
    }
    let before = received(&server);
    let done = run(&server, &["publish"], &lines(1..=4), Some(&journal));
    done.assert(0, "cent: 3 commands accepted; in all runs: 4 accepted\n");
    assert_eq!(received(&server)[before.len()..], [1, 3, 4]);
}

#[test]
fn released_lines_keep_the_time_of_their_keys() {
    // A key that the server may know counts from its first use, whatever the user decides.
    let server = Current.server();
    let first = unknown_run(Current, &server, &["publish", "--idempotent"]);
    let old = with_uptime(&first.journal, 230);
    server.add_script(ok());
    server.add_script(executed_but_failed());
    let sent = run(&server, &["publish", "--idempotent", "--unknown=send"], &lines(1..=6), Some(&old));
    assert_eq!(sent.exit_code(), 4);
    let later = with_uptime(&sent.journal, 20);
    assert_eq!(run(&server, &["publish", "--idempotent"], &lines(1..=6), Some(&later)).exit_code(), 4);
    // Once it is forgotten, it is as good as new.
    let old = at(&with_uptime(&first.journal, 400), now() - 400);
    server.add_script(ok());
    server.add_script(executed_but_failed());
    let sent = run(&server, &["publish", "--idempotent", "--unknown=send"], &lines(1..=6), Some(&old));
    assert_eq!(run_until_done(Current, &server, &["publish", "--idempotent"], &lines(1..=6), Some(sent.journal)), 1);
}
