//! Standard output, messages about replies, and the exit status.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::cli::{Cent, cent};
use crate::support::server::{Centrifugo, Response, Server, Step, respond};
use crate::{ApiForm, Current, Legacy, PLAIN, V1};

fn publish(cent: Cent) -> Cent {
    cent.args(&["bananas", "publish", "--params", PLAIN])
}

/// A server whose history has this JSON text as its data.
fn server_with_history(data: &[u8]) -> Server {
    let mut body = br#"[{"method":"history","error":null,"body":{"channel":"a","data":["#.to_vec();
    body.extend_from_slice(data);
    body.extend_from_slice(b"]}}]");
    V1.server().script(respond(&Response::json(body)))
}

fn history_call(server: &Server) -> Cent {
    V1.cent(server).args(&["bananas", "history", "--params", r#"{"channel": "a"}"#])
}

#[test]
fn list_is_indented_by_two_spaces() {
    let server = server_with_history(br#"{"a":[],"b":{},"c":[1,{"d":"x y"}]}"#);
    let pretty = r#"[
  {
    "method": "history",
    "error": null,
    "body": {
      "channel": "a",
      "data": [
        {
          "a": [],
          "b": {},
          "c": [
            1,
            {
              "d": "x y"
            }
          ]
        }
      ]
    }
  }
]
"#;
    history_call(&server).run().assert_output(0, pretty, "");
}

#[test]
fn compact_prints_one_line() {
    for option in ["-c", "--compact"] {
        let server = server_with_history(b"1");
        let line = "[{\"method\":\"history\",\"error\":null,\"body\":{\"channel\":\"a\",\"data\":[1]}}]\n";
        history_call(&server).arg(option).run().assert_output(0, line, "");
    }
}

#[test]
fn reply_of_later_versions_becomes_a_list() {
    for major in 2..=7 {
        let server = Server::version(major);
        server.centrifugo().publish("plain:a", b"1");
        let output = publish(Current.cent(&server)).arg("-c").run();
        let reply = if major == 2 { "[{}]\n" } else { "[{\"result\":{}}]\n" };
        output.assert_output(0, reply, "");
    }
}

#[test]
fn server_text_is_only_reindented() {
    let odd =
        r#"[1.0,1e400,-0,1234567890123456789012345678901234567890,{"b":1,"a":2,"a":3},"\ud800\/\u0041é","\u003c"]"#;
    let server = server_with_history(odd.as_bytes());
    let output = history_call(&server).arg("-c").run();
    assert!(output.stdout().contains(odd), "{}", output.stdout());
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let server = server_with_history(deep.as_bytes());
    let output = history_call(&server).arg("-c").run();
    assert!(output.stdout().contains(&deep));
}

#[test]
fn invalid_utf8_becomes_replacement_characters() {
    let server = server_with_history(b"\"a\xff\xc3b\"");
    let line =
        "[{\"method\":\"history\",\"error\":null,\"body\":{\"channel\":\"a\",\"data\":[\"a\u{fffd}\u{fffd}b\"]}}]\n";
    history_call(&server).arg("-c").run().assert_output(0, line, "");
}

#[test]
fn quiet_prints_only_errors() {
    for option in ["-q", "--quiet"] {
        for form in ApiForm::ALL {
            let server = form.server();
            publish(form.cent(&server)).arg(option).run().assert_output(0, "", "");
        }
    }
    let server = V1.server();
    let output =
        V1.cent(&server).args(&["-q", "bananas", "publish", "--params", r#"{"channel": "nope:a", "data": 1}"#]);
    let message = "publish: namespace not found; check the spelling, or add the channel's namespace (the \
                   part before the colon) to the server's config";
    output.run().assert_output(1, "", &format!("cent: {}/api/: {message}\n", server.address()));
}

/// Runs a command that gets an error in its reply: the list is printed, the errors are reported, and the exit status is
/// 1 or 4.
#[track_caller]
fn assert_reply_errors(form: ApiForm, centrifugo: Centrifugo, method: &str, params: &str, exit: i32, errors: &[&str]) {
    let server = Server::start(centrifugo);
    let output = form.cent(&server).args(&["bananas", method, "--compact", "--params", params]).run();
    let url = match form {
        V1 | Legacy => form.url(&server.address()),
        Current => format!("{}/api/{method}", server.address()),
    };
    let text: Vec<_> = errors.iter().map(|error| format!("cent: {url}: {method}: {error}")).collect();
    assert_eq!((output.exit_code(), output.stderr()), (Some(exit), text.join("\n") + "\n"));
    assert!(output.stdout().starts_with("[{") && output.stdout().ends_with("}]\n"), "{}", output.stdout());
}

#[test]
fn reply_errors_have_hints() {
    let namespace =
        "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
    let available = "enable it for this channel in the server's config";
    let check_hint = "the command may have been executed: check before retrying";
    let unknown_namespace = r#"{"channel": "nope:a", "data": 1}"#;
    let plain_channel = r#"{"channel": "plain:a"}"#;
    assert_reply_errors(
        V1,
        Centrifugo::version(1),
        "publish",
        unknown_namespace,
        1,
        &[&format!("namespace not found; {namespace}")],
    );
    assert_reply_errors(
        V1,
        Centrifugo::version(1),
        "history",
        plain_channel,
        1,
        &[&format!("not available; {available}")],
    );
    assert_reply_errors(
        V1,
        Centrifugo::version(1),
        "presence",
        plain_channel,
        1,
        &[&format!("not available; {available}")],
    );
    assert_reply_errors(
        V1,
        Centrifugo::version(1).engine_down(),
        "publish",
        r#"{"channel": "a", "data": 1}"#,
        4,
        &[&format!("dial tcp 127.0.0.1:18299: connect: connection refused; {check_hint}")],
    );
    assert_reply_errors(
        Legacy,
        Centrifugo::version(2),
        "publish",
        unknown_namespace,
        1,
        &[&format!("namespace not found (102); {namespace}")],
    );
    for major in 3..=7 {
        let form = ApiForm::of_version(major);
        let centrifugo = || Centrifugo::version(major);
        assert_reply_errors(
            form,
            centrifugo(),
            "publish",
            unknown_namespace,
            1,
            &[&format!("unknown channel (102); {namespace}")],
        );
        assert_reply_errors(
            form,
            centrifugo(),
            "history",
            plain_channel,
            1,
            &[&format!("not available (108); {available}")],
        );
        let down = centrifugo().engine_down();
        let params = r#"{"channel": "a", "data": 1}"#;
        assert_reply_errors(form, down, "publish", params, 4, &[&format!("internal server error (100); {check_hint}")]);
    }
}

#[test]
fn partial_broadcast_failure_names_channels() {
    let namespace =
        "check the spelling, or add the channel's namespace (the part before the colon) to the server's config";
    let params = r#"{"channels": ["plain:a", "nope:b", "plain:c", "nope:d"], "data": 1}"#;
    let errors = ["nope:b", "nope:d"].map(|name| format!("channel \"{name}\": unknown channel (102); {namespace}"));
    for major in 3..=7 {
        let (form, centrifugo) = (ApiForm::of_version(major), Centrifugo::version(major));
        assert_reply_errors(form, centrifugo, "broadcast", params, 1, &[&errors[0], &errors[1]]);
    }
    let partial =
        "channels before the invalid one may have received the message; check the channels, namespaces and data";
    assert_reply_errors(
        V1,
        Centrifugo::version(1),
        "broadcast",
        params,
        1,
        &[&format!("namespace not found; {partial}")],
    );
    assert_reply_errors(
        Legacy,
        Centrifugo::version(2),
        "broadcast",
        params,
        1,
        &[&format!("namespace not found (102); {partial}")],
    );
}

/// Verbose output without its times.
fn mask_times(text: &str) -> String {
    let without = |line: &str| match line.split_once(" after ") {
        Some((before, _)) => format!("{before} after … ms"),
        None => line.to_owned(),
    };
    text.lines().map(without).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn verbose_logs_request_and_status() {
    for form in ApiForm::ALL {
        let server = form.server();
        let output = publish(form.cent(&server)).arg("-v").run();
        let missing_form = format!(
            "cent: POST {} ({} bytes)\ncent: status 404 (19 bytes) after … ms\n",
            form.first_url(&server.address()),
            PLAIN.len()
        );
        let text = format!(
            "cent: config file [HOME]/.centrc, section [bananas]\n{}cent: POST {} ({} bytes)\n\
             cent: status 200 ({} bytes) after … ms\n",
            missing_form.repeat(form.requests_before()),
            form.url(&server.address()),
            form.body("publish", PLAIN).len(),
            form.response_body(&[form.publish_reply()]).len(),
        );
        assert_eq!((output.exit_code(), mask_times(&output.stderr())), (Some(0), text));
        assert_eq!(output.stdout(), form.published());
    }
}

#[test]
fn verbose_logs_time_in_milliseconds() {
    // Some hundred bytes, one by one.
    let server = V1.server().script(vec![Step::Execute, Step::SendSlowly(Duration::from_millis(2))]);
    let start = Instant::now();
    let output = publish(V1.cent(&server)).args(&["-v", "--timeout=30"]).run();
    let elapsed_ms = start.elapsed().as_secs_f64() * 1000.0;
    let logged = output.stderr();
    let logged =
        logged.split_once(" after ").and_then(|(_, time)| time.strip_suffix(" ms\n")).expect("the output has a time");
    let logged: f64 = logged.parse().expect("it is a number");
    assert!(logged > 200.0 && logged <= elapsed_ms, "{logged} of {elapsed_ms}");
}

#[test]
fn dry_run_prints_request_without_sending() {
    // Without a server, nobody knows that it has the legacy form only.
    for (form, auth_header) in [(V1, "X-API-Sign"), (Current, "Authorization")] {
        let server = form.server().expect_no_connection();
        let body = form.body("publish", PLAIN);
        let text = format!(
            "POST {}\nContent-Type: application/json\nContent-Length: {}\nUser-Agent: cent/{}\n{auth_header}: [hidden]\n\n{body}\n",
            form.url(&server.address()),
            body.len(),
            env!("CARGO_PKG_VERSION"),
        );
        publish(form.cent(&server)).arg("-n").run().assert_output(0, &text, "");
        publish(form.cent(&server)).args(&["--dry-run", "--quiet"]).run().assert_output(0, "", "");
        let invalid = form.cent(&server).args(&["bananas", "publish", "-n"]).run();
        assert_eq!((invalid.exit_code(), invalid.stdout().as_str()), (Some(2), ""));
    }
}

#[test]
fn dry_run_prints_large_request() {
    let params = format!(r#"{{"channel": "a", "data": "{}"}}"#, "x".repeat(20_000_000));
    let output = V1.cent_at("http://127.0.0.1:1").stdin_bytes(params.clone()).args(&["bananas", "publish", "-n"]).run();
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""));
    assert!(output.stdout().ends_with(&format!("\n\n{}\n", V1.body("publish", &params))));
}

#[test]
fn full_disk_is_reported_after_execution() {
    for form in ApiForm::ALL {
        let server = form.server();
        let output = publish(form.cent(&server)).stdout(File::create("/dev/full").unwrap()).run();
        let text = "cent: cannot write to standard output (the command was executed): no space left on device\n";
        output.assert_output(4, "", text);
        assert_eq!(server.centrifugo().executed(), ["publish"]);
    }
    let full = || Stdio::from(File::create("/dev/full").unwrap());
    let text = "cent: cannot write to standard output: no space left on device\n";
    for args in [&["--help"][..], &["--version"], &["--sections"], &["bananas", "channels", "-n"]] {
        V1.cent_at("http://127.0.0.1:1").args(args).stdout(full()).run().assert_output(2, "", text);
    }
}

#[test]
fn closed_stdout_keeps_exit_status() {
    for form in ApiForm::ALL {
        for (params, exit) in [(PLAIN, 0), (r#"{"channel": "nope:a", "data": 1}"#, 1)] {
            let server = form.server();
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let output = form.cent(&server).args(&["bananas", "publish", "--params", params]).stdout(writer).run();
            assert_eq!(output.exit_code(), Some(exit), "{}", output.stderr());
            assert_eq!(output.stderr().is_empty(), exit == 0, "{}", output.stderr());
        }
    }
}

#[test]
fn control_characters_in_errors_are_escaped() {
    let reply = "[{\"method\":\"publish\",\"error\":\"\\u001b[2J\u{9b}2J\\nnext\",\"body\":null}]";
    let server = V1.server().script(respond(&Response::json(reply)));
    let output = publish(V1.cent(&server)).arg("-q").run();
    let text = "publish: \\u{1b}[2J\\u{9b}2J\ncent: next; the command may have been executed: check before retrying";
    output.assert_output(4, "", &format!("cent: {}/api/: {text}\n", server.address()));
}

#[test]
fn message_lines_start_with_program_name() {
    for args in [&[][..], &["bananas"], &["x", "y"], &["bananas", "publish", "--params", "{\n"], &["--frobnicate"]] {
        let output = cent().args(args).run();
        assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(2), ""));
        assert!(output.stderr().lines().all(|line| line.starts_with("cent: ")), "{}", output.stderr());
    }
}
