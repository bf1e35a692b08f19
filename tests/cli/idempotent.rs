//! `--idempotent`: keys for commands, and retries of what may have been executed.

use std::fs::File;

use crate::numbers::{lines, numbers, received, without_duration};
use crate::support::cli::{Cent, CentOutput};
use crate::support::server::{Centrifugo, Response, Script, Server, Step, reject, respond};
use crate::{ApiForm, Current, PLAIN, V1};

const OK: &str = "[\n  {\n    \"result\": {}\n  }\n]\n";
const CHECK: &str = "the command may have been executed: check before retrying";
const EARLIER: &str = "an earlier attempt may have been executed: check before retrying";

fn publish(form: ApiForm, server: &Server) -> Cent {
    form.cent(server).args(&["bananas", "publish", "--idempotent", "--retry=1", "--params", PLAIN])
}

/// A server that has answered the question for its version, which comes first, before these scripts.
fn server_with(scripts: impl IntoIterator<Item = Script>) -> Server {
    scripts.into_iter().fold(Current.server().script(vec![Step::Respond]), Server::script)
}

/// Executes the request, but reports an error, and that a retry need not wait.
fn executed_but_failed() -> Script {
    respond(&Response::new(500).header("Retry-After", "0"))
}

fn failed_attempt(url: &str, error: &str, attempt: u32, attempts: u32) -> String {
    format!("cent: attempt {attempt} of {attempts} failed: {url}: {error}; repeating with idempotency keys\n")
}

/// Checks exit status, standard output and, without pauses, standard error.
#[track_caller]
fn assert_output(output: &CentOutput, exit: i32, stdout: &str, stderr: &str) {
    assert_eq!(
        (output.exit_code(), output.stdout().as_str(), without_pauses(&output.stderr()).as_str()),
        (Some(exit), stdout, stderr)
    );
}

const ERROR_500: &str = "internal server error (500)";

/// Standard error without the length of pauses, which is random.
fn without_pauses(text: &str) -> String {
    let without = |line: &str| match line.rsplit_once(" in ") {
        Some((before, _)) if line.starts_with("cent: attempt") => format!("{before}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(without).collect()
}

fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path.clone()).collect()
}

/// The keys in the bodies of all requests, in order.
fn keys(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let bodies = requests.iter().map(|request| request.body_text());
    bodies.flat_map(|body| keys_in(&body)).collect()
}

fn keys_in(text: &str) -> Vec<String> {
    let after = text.split("{\"idempotency_key\":\"").skip(1);
    after.map(|rest| rest.split('"').next().expect("the key ends").to_owned()).collect()
}

#[track_caller]
fn assert_distinct_keys(keys: &[String], count: usize) {
    let mut sorted = keys.to_vec();
    sorted.sort();
    sorted.dedup();
    assert_eq!((keys.len(), sorted.len()), (count, count), "{keys:?}");
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    assert!(keys.iter().all(|key| key.len() == 32 && key.chars().all(is_digit)), "{keys:?}");
}

#[test]
fn key_is_first_param_and_differs_between_calls() {
    let server = Current.server();
    for _ in 0..2 {
        publish(Current, &server).run().assert_output(0, OK, "");
    }
    let sent = keys(&server);
    assert_distinct_keys(&sent, 2);
    let body = server.requests().last().map(|request| request.body_text()).unwrap_or_default();
    let params = PLAIN.replacen('{', &format!("{{\"idempotency_key\":\"{}\",", sent.last().unwrap()), 1);
    assert_eq!(body, Current.body("publish", &params));
}

#[test]
fn own_key_and_other_methods_are_sent_as_written() {
    let own = r#"{"channel": "plain:a", "data": 1, "idempotency_key": "mine"}"#;
    for (method, params, requests) in
        [("publish", own, 2), ("history_remove", r#"{"channel": "a"}"#, 1), ("info", "{}", 1)]
    {
        let server = Current.server();
        let args = ["bananas", method, "--idempotent", "--retry=1", "--params", params];
        let output = Current.cent(&server).args(&args).run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        // Where there is no key, nobody asks whether the server recognizes it.
        assert_eq!((server.requests().len(), server.requests()[requests - 1].body_text().as_ref()), (requests, params));
    }
}

#[test]
fn dry_run_shows_key() {
    let server = Current.server().expect_no_connection();
    let output = publish(Current, &server).arg("--dry-run").run();
    let note = "cent: the idempotency key is an example: each call has another\n";
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), note));
    assert_distinct_keys(&keys_in(&output.stdout()), 1);
    let args = ["bananas", "publish", "--lines", "--idempotent", "--retry=1", "--dry-run"];
    let output = Current.cent(&server).args(&args).stdin_bytes(lines(1..=2)).run();
    let summary = "cent: dry run: 2 commands in 1 request, nothing sent; the idempotency keys are examples\n";
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), summary));
    assert_distinct_keys(&keys_in(&output.stdout()), 2);
}

#[test]
fn each_line_has_its_own_key() {
    let server = Current.server();
    let commands = r#"{"method": "publish", "params": {"channel": "plain:a", "data": 1}}
{"method": "broadcast", "params": {"channels": ["plain:a"], "data": 2}}
{"method": "history", "params": {"channel": "a"}}
"#;
    let output = Current
        .cent(&server)
        .args(&["bananas", "--lines", "--idempotent", "--retry=1", "-q"])
        .stdin_bytes(commands)
        .run();
    assert_eq!((output.exit_code(), output.stderr()), (Some(0), String::new()));
    assert_distinct_keys(&keys(&server), 2);
    let args = ["bananas", "publish", "--lines", "--idempotent", "--retry=1", "-q"];
    Current.cent(&server).args(&args).stdin_bytes(lines(1..=250)).run();
    assert_distinct_keys(&keys(&server), 252);
}

#[test]
fn secret_is_an_error_before_sending() {
    let server = V1.server().expect_no_connection();
    let message = "cent: --idempotent requires api_key and Centrifugo 5.2 or later, not secret\n";
    publish(V1, &server).run().assert_output(2, "", message);
    publish(V1, &server).arg("--dry-run").run().assert_output(2, "", message);
    let args = ["bananas", "publish", "--lines", "--idempotent", "--retry=1"];
    V1.cent(&server).args(&args).stdin_bytes(lines(1..=1)).run().assert_output(2, "", message);
}

#[test]
fn keys_alone_are_an_error() {
    let server = Current.server().expect_no_connection();
    let message = "cent: --idempotent requires --retry or --journal: without them, nothing is sent again\n";
    for args in [&[][..], &["--dry-run"], &["--lines"]] {
        let args = [&["bananas", "publish", "--idempotent"], args].concat();
        Current.cent(&server).args(&args).run().assert_output(2, "", message);
    }
    let args = ["bananas", "publish", "--idempotent", "--retry=0", "--dry-run", "--params", PLAIN];
    assert_eq!(Current.cent(&server).args(&args).run().exit_code(), Some(0));
}

#[test]
fn unknown_outcome_is_repeated_once_executed() {
    for fault in [
        vec![Step::Execute, Step::Close],
        vec![Step::ReadAll, Step::Close],
        vec![Step::Execute, Step::Reset],
        executed_but_failed(),
        respond(&Response::plain(503, "from a proxy")),
        vec![Step::Execute, Step::SendRange(0, 40), Step::Close],
        vec![Step::Execute, Step::Hang],
        vec![Step::ReadAll, Step::Hang],
    ] {
        let limit = if fault.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
        let server = server_with([fault.clone()]);
        let output = publish(Current, &server).args(&["--retry=1", limit]).run();
        assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(0), OK), "{fault:?}: {}", output.stderr());
        assert_eq!(output.stderr().lines().count(), 1, "{}", output.stderr());
        assert_eq!(paths(&server), ["/api/info", "/api/publish", "/api/info", "/api/publish"]);
        let sent = keys(&server);
        assert_eq!((sent.len(), &sent[0]), (2, &sent[1]));
        assert_eq!(received(&server), [1], "{fault:?}");
    }
}

#[test]
fn repeated_attempt_is_reported() {
    let server = server_with([executed_but_failed(), executed_but_failed()]);
    // The second script is for info, which is retried, too.
    let url = Current.url(&server.address());
    let info = format!("{}/api/info", server.address());
    let text = failed_attempt(&url, ERROR_500, 1, 3)
        + &format!(
            "cent: attempt 2 of 3 failed: {info}: {ERROR_500}; the method only reads: safe to retry; retrying\n"
        );
    assert_output(&publish(Current, &server).arg("--retry=2").run(), 0, OK, &text);
}

#[test]
fn server_is_asked_before_each_repetition() {
    // Each of three batches fails once.
    let ok = || vec![Step::Respond];
    let server =
        server_with([executed_but_failed(), ok(), ok(), executed_but_failed(), ok(), ok(), executed_but_failed()]);
    let args = ["bananas", "publish", "--lines", "--idempotent", "--retry=1", "--batch=2"];
    let cent = Current.cent(&server).args(&args).file("input", lines(1..=6));
    let input = File::open(cent.path("input")).unwrap();
    let output = cent.stdin(input).run();
    let url = Current.batch_url(&server.address());
    let text = failed_attempt(&url, ERROR_500, 1, 2).repeat(3) + "cent: 6 commands accepted\n";
    assert_eq!((output.exit_code(), without_duration(&without_pauses(&output.stderr()))), (Some(0), text));
    let (batch, info) = ("/api/batch", "/api/info");
    assert_eq!(paths(&server), [info, batch, info, batch, batch, info, batch, batch, info, batch]);
    assert_eq!(received(&server), numbers(1..=6));
}

fn ignores_keys(release: &str) -> String {
    format!("Centrifugo {release} ignores idempotency keys; they require Centrifugo 5.2 or later")
}

#[test]
fn server_that_ignores_keys_gets_nothing() {
    for (major, release) in [(5, "5.1.0"), (5, "5.0.0"), (3, "3.2.3"), (2, "2.8.6")] {
        let form = ApiForm::of_version(major);
        let server = Server::start(Centrifugo::version(major).with_release(release));
        let text = format!("cent: {}; run without --idempotent, or upgrade the server\n", ignores_keys(release));
        publish(form, &server).arg("--retry=3").run().assert_output(1, "", &text);
        let args = ["bananas", "publish", "--lines", "--idempotent", "--retry=1"];
        let text = text + "cent: no lines accepted: fix it, then run again from line 1\n";
        form.cent(&server).args(&args).stdin_bytes(lines(1..=3)).run().assert_output(1, "", &text);
        assert!(received(&server).is_empty(), "{release}");
    }
}

#[test]
fn server_that_is_replaced_by_an_older_one_gets_no_repetition() {
    let old = r#"{"result":{"nodes":[{"version":"5.1.0"}]}}"#;
    let server = server_with([executed_but_failed(), respond(&Response::json(old))]);
    let url = Current.url(&server.address());
    let text = failed_attempt(&url, ERROR_500, 1, 4)
        + &format!("cent: not repeating: {}\ncent: {url}: {ERROR_500}; {CHECK}\n", ignores_keys("5.1.0"));
    assert_output(&publish(Current, &server).arg("--retry=3").run(), 4, "", &text);
    assert_eq!(received(&server), [1]);
}

/// After the question for its version, an older server takes the place of the one that recognizes keys, for two requests:
/// it would execute commands in the older form.
fn server_replaced_for_two_requests() -> Server {
    let older = vec![Step::Replace(3, Some("3.2.3")), Step::Respond];
    let newer = vec![Step::Replace(6, Some("6.9.1")), Step::Respond];
    server_with([older, vec![Step::Execute, Step::Close], newer])
}

const NO_KEYS: &str = "the server no longer has the API that recognizes idempotency keys (404); nothing was accepted: try \
                       again when Centrifugo 5.2 or later responds";

#[test]
fn older_server_for_a_while_executes_nothing_in_the_older_form() {
    let server = server_replaced_for_two_requests();
    let url = Current.url(&server.address());
    let text = format!("cent: attempt 1 of 2 failed: {url}: {NO_KEYS}; retrying\n");
    assert_output(&publish(Current, &server).run(), 0, OK, &text);
    assert_eq!(paths(&server), ["/api/info", "/api/publish", "/api/batch", "/api/publish"]);
    assert_eq!(received(&server), [1]);

    let server = server_replaced_for_two_requests();
    let url = Current.batch_url(&server.address());
    let args = ["bananas", "publish", "--lines", "--idempotent", "--retry=2"];
    let output = Current.cent(&server).args(&args).stdin_bytes(lines(1..=3)).run();
    let text = format!("cent: attempt 1 of 3 failed: {url}: {NO_KEYS}; retrying\n")
        + &failed_attempt(&url, "connection closed before the response was complete", 2, 3)
        + "cent: 3 commands accepted\n";
    assert_eq!((output.exit_code(), without_duration(&without_pauses(&output.stderr()))), (Some(0), text));
    assert_eq!(paths(&server), ["/api/info", "/api/batch", "/api/batch", "/api/info", "/api/batch"]);
    assert_eq!(received(&server), [1, 2, 3]);
}

#[test]
fn older_server_between_two_runs_executes_nothing_in_the_older_form() {
    let server = server_replaced_for_two_requests();
    let directory = tempfile::tempdir().unwrap();
    let run = || {
        let args = ["bananas", "publish", "--lines", "--idempotent", "--journal"];
        let cent = Current.cent(&server).args(&args).arg(directory.path().join("state"));
        cent.stdin_bytes(lines(1..=3)).run()
    };
    let first = run();
    let url = Current.batch_url(&server.address());
    let text = format!(
        "cent: {url}: {NO_KEYS}\ncent: no lines done; line 1 onwards not accepted: run the same command again\n"
    );
    assert_output(&first, 3, "", &text);
    assert_eq!((run().exit_code(), run().exit_code()), (Some(3), Some(0)));
    assert_eq!(paths(&server), ["/api/info", "/api/batch", "/api/info", "/api/info", "/api/batch"]);
    assert_eq!(received(&server), [1, 2, 3]);
}

#[test]
fn method_of_a_later_version_is_named_beside_keys() {
    let server = server_with([vec![Step::ReadAll, Step::respond(&Response::plain(404, "404 page not found"))]]);
    let args = ["bananas", "map_remove", "channel=plain:a", "key=b", "--idempotent", "--retry=1"];
    let url = format!("{}/api/map_remove", server.address());
    let text = format!("cent: {url}: not found (404); map_remove needs Centrifugo 6.8 or later\n");
    Current.cent(&server).args(&args).run().assert_output(1, "", &text);
    assert_eq!(paths(&server), ["/api/info", "/api/map_remove", "/api/batch"]);
}

#[test]
fn new_releases_get_repetition() {
    for (major, release) in [(5, "5.2.0"), (5, "5.4.9"), (6, "6.9.1 OSS")] {
        let server = Server::start(Centrifugo::version(major).with_release(release)).script(vec![Step::Respond]);
        let server = server.script(executed_but_failed());
        let text = failed_attempt(&Current.url(&server.address()), ERROR_500, 1, 2);
        assert_output(&publish(Current, &server).arg("--retry=1").run(), 0, OK, &text);
        assert_eq!(received(&server), [1], "{release}");
    }
}

#[test]
fn nothing_is_sent_without_info() {
    let server = Current.server().script(reject(&Response::new(410)));
    let info = format!("{}/api/info", server.address());
    let hint = "check the address and any proxy in front of the server";
    publish(Current, &server).run().assert_output(1, "", &format!("cent: {info}: HTTP status 410; {hint}\n"));
    let server = Current.server().script(reject(&Response::new(503)));
    let info = format!("{}/api/info", server.address());
    let output = publish(Current, &server).arg("--retry=0").run();
    let later = "service unavailable (503); nothing was accepted: try again later";
    output.assert_output(3, "", &format!("cent: {info}: {later}\n"));
    assert!(received(&server).is_empty());
}

#[test]
fn nothing_is_relied_on_without_nodes() {
    let no_nodes = || respond(&Response::json(r#"{"result":{"nodes":[]}}"#));
    let server = Current.server().script(no_nodes());
    let text = format!("cent: {}: the reply to info lists no nodes; check that this is Centrifugo\n", server.address());
    publish(Current, &server).arg("--retry=3").run().assert_output(1, "", &text);
    assert!(received(&server).is_empty());

    let server = server_with([executed_but_failed(), no_nodes()]);
    let url = Current.url(&server.address());
    let text = failed_attempt(&url, ERROR_500, 1, 4)
        + &format!(
            "cent: not repeating: cannot find out whether the server recognizes idempotency keys: the reply to info lists \
             no nodes\ncent: {url}: {ERROR_500}; {CHECK}\n"
        );
    assert_output(&publish(Current, &server).arg("--retry=3").run(), 4, "", &text);
    assert_eq!(received(&server), [1]);
}

#[test]
fn quiet_call_prints_no_attempts_that_were_retried() {
    let server = server_with([executed_but_failed()]);
    publish(Current, &server).arg("-q").run().assert_output(0, "", "");
    let server = server_with([executed_but_failed(), vec![Step::Respond], executed_but_failed()]);
    let url = Current.url(&server.address());
    let text = format!("cent: after 2 attempts: {url}: {ERROR_500}; {CHECK}\n");
    publish(Current, &server).arg("-q").run().assert_output(4, "", &text);
}

#[test]
fn nothing_is_repeated_without_info() {
    let server = server_with([executed_but_failed(), reject(&Response::new(410))]);
    let (url, info) = (Current.url(&server.address()), format!("{}/api/info", server.address()));
    let output = publish(Current, &server).arg("--retry=3").run();
    let text = failed_attempt(&url, ERROR_500, 1, 4)
        + &format!(
            "cent: not repeating: cannot find out whether the server recognizes idempotency keys: {info}: HTTP status 410\n\
             cent: {url}: {ERROR_500}; {CHECK}\n"
        );
    assert_output(&output, 4, "", &text);
    assert_eq!(received(&server), [1]);
}

#[test]
fn rejected_repetition_is_unknown() {
    let rejection = vec![Step::ReadAll, Step::respond(&Response::new(401))];
    let server = server_with([executed_but_failed(), vec![Step::Respond], rejection]);
    let url = Current.url(&server.address());
    let text = failed_attempt(&url, ERROR_500, 1, 4) + &format!("cent: {url}: unauthorized (401); {EARLIER}\n");
    assert_output(&publish(Current, &server).arg("--retry=3").run(), 4, "", &text);

    // Also in a reply.
    let reply = Response::json(r#"{"error":{"code":102,"message":"unknown channel"}}"#);
    let reply = vec![Step::ReadAll, Step::respond(&reply)];
    let server = server_with([executed_but_failed(), vec![Step::Respond], reply]);
    let url = Current.url(&server.address());
    let output = publish(Current, &server).args(&["--retry=3", "-c"]).run();
    assert_output(
        &output,
        4,
        "[{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}]\n",
        &(failed_attempt(&url, ERROR_500, 1, 4) + &format!("cent: {url}: publish: unknown channel (102); {EARLIER}\n")),
    );
}

#[test]
fn retries_that_run_out_are_unknown() {
    let ok = || vec![Step::Respond];
    let unavailable = reject(&Response::new(503).header("Retry-After", "0"));
    let server = server_with([executed_but_failed(), ok(), executed_but_failed(), ok(), unavailable]);
    let url = Current.url(&server.address());
    let text = failed_attempt(&url, ERROR_500, 1, 3)
        + &failed_attempt(&url, ERROR_500, 2, 3)
        + &format!("cent: {url}: service unavailable (503); {EARLIER}\n");
    assert_output(&publish(Current, &server).arg("--retry=2").run(), 4, "", &text);
    assert_eq!(received(&server), [1]);
}

#[test]
fn temporary_error_in_reply_is_repeated() {
    let reply = Response::json(r#"{"error":{"code":100,"message":"internal server error"}}"#);
    let server = server_with([respond(&reply)]);
    let output = publish(Current, &server).arg("--retry=1").run();
    let url = Current.url(&server.address());
    assert_eq!(
        (output.exit_code(), output.stdout().as_str(), without_pauses(&output.stderr())),
        (
            Some(0),
            OK,
            format!("cent: attempt 1 of 2 failed: {url}: internal server error; repeating with idempotency keys\n")
        )
    );
    assert_eq!(received(&server), [1]);
}

fn run_commands(server: &Server, commands: &str) -> CentOutput {
    let args = ["bananas", "--lines", "--idempotent", "--retry=1"];
    let cent = Current.cent(server).args(&args).file("input", commands);
    let input = File::open(cent.path("input")).unwrap();
    cent.stdin(input).run()
}

const KEYED: &str = r#"{"method": "publish", "params": {"channel": "plain:a", "data": 1}}"#;

#[test]
fn batch_with_keyless_command_is_not_repeated() {
    let rpc = r#"{"method": "disconnect", "params": {"user": "u"}}"#;
    for keyless in [rpc, r#"{"method":"publish","params":{"channel":"plain:a","data":2,"idempotency_key":""}}"#] {
        let server = Current.server().script(executed_but_failed());
        let url = Current.batch_url(&server.address());
        let text = format!(
            "cent: {url}: {ERROR_500}; {}\n\
             cent: no lines accepted; lines 1-2 may have been executed: check them (sed -n 1,2p); no lines remain\n",
            CHECK.replace("command", "commands")
        );
        run_commands(&server, &format!("{KEYED}\n{keyless}\n")).assert_output(4, "", &text);
        assert_eq!(paths(&server), ["/api/batch"]);
    }
}

#[test]
fn batch_with_read_only_command_is_repeated() {
    let server = server_with([executed_but_failed()]);
    let channels = r#"{"method": "channels"}"#;
    let output = run_commands(&server, &format!("{KEYED}\n{channels}\n"));
    assert_eq!((output.exit_code(), output.stdout().lines().count()), (Some(0), 2), "{}", output.stderr());
    assert_eq!(received(&server), [1]);
}

#[test]
fn own_keys_alone_repeat_nothing() {
    let server = Current.server().script(executed_but_failed());
    let params = r#"{"channel": "plain:a", "data": 1, "idempotency_key": "mine"}"#;
    let url = Current.url(&server.address());
    let output = Current.cent(&server).args(&["bananas", "publish", "--retry=3", "--params", params]).run();
    output.assert_output(4, "", &format!("cent: {url}: {ERROR_500}; {CHECK}\n"));
    assert_eq!(paths(&server), ["/api/publish"]);
}
