//! What is printed, what is told, and the exit status.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::program::{Cent, cent};
use crate::support::server::{Centrifugo, Response, Server, Step, answered};
use crate::{BOTH, Dialect, First, Later, PLAIN};

fn publish(cent: Cent) -> Cent {
    cent.args(&["bananas", "publish", "--params", PLAIN])
}

/// A history of Centrifugo 1 with this JSON text as its data.
fn history(data: &[u8]) -> Server {
    let mut body = br#"[{"method":"history","error":null,"body":{"channel":"a","data":["#.to_vec();
    body.extend_from_slice(data);
    body.extend_from_slice(b"]}}]");
    First.server().script(answered(&Response::json(body)))
}

fn ask_history(server: &Server) -> Cent {
    First.cent(server).args(&["bananas", "history", "--params", r#"{"channel": "a"}"#])
}

#[test]
fn the_list_is_pretty_printed_with_two_spaces() {
    let server = history(br#"{"a":[],"b":{},"c":[1,{"d":"x y"}]}"#);
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
    ask_history(&server).run().is(0, pretty, "");
}

#[test]
fn compact_is_one_line() {
    for word in ["-c", "--compact"] {
        let server = history(b"1");
        let line = "[{\"method\":\"history\",\"error\":null,\"body\":{\"channel\":\"a\",\"data\":[1]}}]\n";
        ask_history(&server).arg(word).run().is(0, line, "");
    }
}

#[test]
fn the_stream_of_later_versions_becomes_a_list() {
    for major in 2..=6 {
        let server = Server::later(major);
        server.centrifugo().publish("plain:a", b"1");
        let ran = publish(Later.cent(&server)).arg("-c").run();
        let reply = if major == 2 { "[{}]\n" } else { "[{\"result\":{}}]\n" };
        ran.is(0, reply, "");
    }
}

#[test]
fn the_servers_text_is_only_indented() {
    let odd =
        r#"[1.0,1e400,-0,1234567890123456789012345678901234567890,{"b":1,"a":2,"a":3},"\ud800\/\u0041é","\u003c"]"#;
    let server = history(odd.as_bytes());
    let ran = ask_history(&server).arg("-c").run();
    assert!(ran.stdout().contains(odd), "{}", ran.stdout());
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let server = history(deep.as_bytes());
    let ran = ask_history(&server).arg("-c").run();
    assert!(ran.stdout().contains(&deep));
}

#[test]
fn bytes_that_are_no_utf8_become_replacement_characters() {
    let server = history(b"\"a\xff\xc3b\"");
    let line =
        "[{\"method\":\"history\",\"error\":null,\"body\":{\"channel\":\"a\",\"data\":[\"a\u{fffd}\u{fffd}b\"]}}]\n";
    ask_history(&server).arg("-c").run().is(0, line, "");
}

#[test]
fn quiet_prints_nothing_but_errors() {
    for word in ["-q", "--quiet"] {
        for dialect in BOTH {
            let server = dialect.server();
            publish(dialect.cent(&server)).arg(word).run().is(0, "", "");
        }
    }
    let server = First.server();
    let ran =
        First.cent(&server).args(&["-q", "bananas", "publish", "--params", r#"{"channel": "nope:a", "data": 1}"#]);
    let message = "publish: namespace not found; the part of the channel before : has to be a namespace of the server's \
                   config";
    ran.run().is(1, "", &format!("cent: {}/api/: {message}\n", server.address()));
}

/// A call that the server refuses in its reply: the list is printed, the error told, and the exit is 1 or 4.
#[track_caller]
fn refused(dialect: Dialect, centrifugo: Centrifugo, method: &str, params: &str, exit: i32, errors: &[&str]) {
    let server = Server::start(centrifugo);
    let ran = dialect.cent(&server).args(&["bananas", method, "--compact", "--params", params]).run();
    let url = dialect.url(&server.address());
    let text: Vec<_> = errors.iter().map(|error| format!("cent: {url}: {method}: {error}")).collect();
    assert_eq!((ran.exit(), ran.stderr()), (Some(exit), text.join("\n") + "\n"));
    assert!(ran.stdout().starts_with("[{") && ran.stdout().ends_with("}]\n"), "{}", ran.stdout());
}

#[test]
fn errors_in_replies_are_told_with_a_remedy() {
    let namespace = "the part of the channel before : has to be a namespace of the server's config";
    let available = "switch it on for this channel in the server's config";
    let look = "the command may have run: look before repeating";
    let nope = r#"{"channel": "nope:a", "data": 1}"#;
    let plain = r#"{"channel": "plain:a"}"#;
    refused(First, Centrifugo::v1(), "publish", nope, 1, &[&format!("namespace not found; {namespace}")]);
    refused(First, Centrifugo::v1(), "history", plain, 1, &[&format!("not available; {available}")]);
    refused(First, Centrifugo::v1(), "presence", plain, 1, &[&format!("not available; {available}")]);
    refused(
        First,
        Centrifugo::v1().engine_down(),
        "publish",
        r#"{"channel": "a", "data": 1}"#,
        4,
        &[&format!("dial tcp 127.0.0.1:18299: connect: connection refused; {look}")],
    );
    refused(Later, Centrifugo::later(2), "publish", nope, 1, &[&format!("namespace not found (102); {namespace}")]);
    for major in 3..=6 {
        let centrifugo = || Centrifugo::later(major);
        refused(Later, centrifugo(), "publish", nope, 1, &[&format!("unknown channel (102); {namespace}")]);
        refused(Later, centrifugo(), "history", plain, 1, &[&format!("not available (108); {available}")]);
        let down = centrifugo().engine_down();
        let params = r#"{"channel": "a", "data": 1}"#;
        refused(Later, down, "publish", params, 4, &[&format!("internal server error (100); {look}")]);
    }
}

#[test]
fn a_broadcast_that_fails_in_part_names_the_channels() {
    let namespace = "the part of the channel before : has to be a namespace of the server's config";
    let params = r#"{"channels": ["plain:a", "nope:b", "plain:c", "nope:d"], "data": 1}"#;
    let errors = ["nope:b", "nope:d"].map(|name| format!("channel \"{name}\": unknown channel (102); {namespace}"));
    refused(Later, Centrifugo::later(6), "broadcast", params, 1, &[&errors[0], &errors[1]]);
    let whole = "the channels before the bad one may have got it; check the channels, their namespaces and the data";
    refused(First, Centrifugo::v1(), "broadcast", params, 1, &[&format!("namespace not found; {whole}")]);
    refused(Later, Centrifugo::later(2), "broadcast", params, 1, &[&format!("namespace not found (102); {whole}")]);
}

/// Verbose lines with their times left out.
fn without_times(text: &str) -> String {
    let without = |line: &str| match line.split_once(" after ") {
        Some((before, _)) => format!("{before} after … ms"),
        None => line.to_owned(),
    };
    text.lines().map(without).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn verbose_tells_the_way_of_the_request() {
    for dialect in BOTH {
        let server = dialect.server();
        let ran = publish(dialect.cent(&server)).arg("-v").run();
        let text = format!(
            "cent: config file ~/.centrc, section [bananas]\ncent: POST {} ({} bytes)\n\
             cent: status 200 ({} bytes) after … ms\n",
            dialect.url(&server.address()),
            dialect.body("publish", PLAIN).len(),
            if dialect == First { 47 } else { 13 },
        );
        assert_eq!((ran.exit(), without_times(&ran.stderr())), (Some(0), text));
        assert_eq!(ran.stdout(), dialect.published());
    }
}

#[test]
fn verbose_tells_the_time_in_milliseconds() {
    // Some hundred bytes, one after the other.
    let server = First.server().script(vec![Step::Execute, Step::Drip(Duration::from_millis(2))]);
    let start = Instant::now();
    let ran = publish(First.cent(&server)).args(&["-v", "--timeout=30"]).run();
    let took = start.elapsed().as_secs_f64() * 1000.0;
    let told = ran.stderr();
    let told = told.split_once(" after ").and_then(|(_, time)| time.strip_suffix(" ms\n")).expect("a time is told");
    let told: f64 = told.parse().expect("it is a number");
    assert!(told > 200.0 && told <= took, "{told} of {took}");
}

#[test]
fn a_dry_run_shows_the_request_and_sends_nothing() {
    for (dialect, proof) in [(First, "X-API-Sign"), (Later, "Authorization")] {
        let server = dialect.server().uncalled();
        let body = dialect.body("publish", PLAIN);
        let text = format!(
            "POST {}\nContent-Type: application/json\nContent-Length: {}\nUser-Agent: cent/{}\n{proof}: [hidden]\n\n{body}\n",
            dialect.url(&server.address()),
            body.len(),
            env!("CARGO_PKG_VERSION"),
        );
        publish(dialect.cent(&server)).arg("-n").run().is(0, &text, "");
        publish(dialect.cent(&server)).args(&["--dry-run", "--quiet"]).run().is(0, "", "");
        let wrong = dialect.cent(&server).args(&["bananas", "publish", "-n"]).run();
        assert_eq!((wrong.exit(), wrong.stdout().as_str()), (Some(2), ""));
    }
}

#[test]
fn a_dry_run_shows_twenty_megabytes_too() {
    let params = format!(r#"{{"channel": "a", "data": "{}"}}"#, "x".repeat(20_000_000));
    let ran = First.cent_at("http://127.0.0.1:1").input(params.clone()).args(&["bananas", "publish", "-n"]).run();
    assert_eq!((ran.exit(), ran.stderr().as_str()), (Some(0), ""));
    assert!(ran.stdout().ends_with(&format!("\n\n{}\n", First.body("publish", &params))));
}

#[test]
fn a_full_disk_is_told_after_the_command_has_run() {
    for dialect in BOTH {
        let server = dialect.server();
        let ran = publish(dialect.cent(&server)).stdout(File::create("/dev/full").unwrap()).run();
        let text = "cent: standard output: cannot be written (the command has run): no space left on device\n";
        ran.is(4, "", text);
        assert_eq!(server.centrifugo().executed(), ["publish"]);
    }
    let full = || Stdio::from(File::create("/dev/full").unwrap());
    let text = "cent: standard output: cannot be written: no space left on device\n";
    for words in [&["--help"][..], &["--version"], &["--sections"], &["bananas", "channels", "-n"]] {
        First.cent_at("http://127.0.0.1:1").args(words).stdout(full()).run().is(4, "", text);
    }
}

#[test]
fn a_closed_standard_output_keeps_the_exit_status() {
    for dialect in BOTH {
        for (params, exit) in [(PLAIN, 0), (r#"{"channel": "nope:a", "data": 1}"#, 1)] {
            let server = dialect.server();
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let ran = dialect.cent(&server).args(&["bananas", "publish", "--params", params]).stdout(writer).run();
            assert_eq!(ran.exit(), Some(exit), "{}", ran.stderr());
            assert_eq!(ran.stderr().is_empty(), exit == 0, "{}", ran.stderr());
        }
    }
}

#[test]
fn control_characters_of_an_answer_do_not_reach_the_terminal_through_an_error() {
    let reply = "[{\"method\":\"publish\",\"error\":\"\\u001b[2J\u{9b}2J\\nnext\",\"body\":null}]";
    let server = First.server().script(answered(&Response::json(reply)));
    let ran = publish(First.cent(&server)).arg("-q").run();
    let text = "publish: \\u{1b}[2J\\u{9b}2J\ncent: next; the command may have run: look before repeating";
    ran.is(4, "", &format!("cent: {}/api/: {text}\n", server.address()));
}

#[test]
fn every_message_line_begins_with_the_programs_name() {
    for words in [&[][..], &["bananas"], &["x", "y"], &["bananas", "publish", "--params", "{\n"], &["--frobnicate"]] {
        let ran = cent().args(words).run();
        assert_eq!((ran.exit(), ran.stdout().as_str()), (Some(2), ""));
        assert!(ran.stderr().lines().all(|line| line.starts_with("cent: ")), "{}", ran.stderr());
    }
}
