//! `--lines`: batches, order, and a true account of what is accepted, unknown and left.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;

use crate::support::program::{Cent, Ran, cent};
use crate::support::server::{
    Centrifugo, Response, Script, Server, Step, answered, garbled, refused, stopped_in_answer, stopped_in_request,
};
use crate::{BOTH, Dialect, First, Later};

/// Params of a publish, a line each, with the numbers of the lines as data.
fn publishes(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(line).collect::<Vec<_>>().concat()
}

fn line(number: usize) -> String {
    format!("{{\"channel\": \"plain:a\", \"data\": {number}}}\n")
}

fn publish_lines(dialect: Dialect, server: &Server) -> Cent {
    dialect.cent(server).args(&["bananas", "publish", "--lines"])
}

fn reply(dialect: Dialect) -> &'static str {
    match dialect {
        First => "{\"method\":\"publish\",\"error\":null,\"body\":null}\n",
        Later => "{\"result\":{}}\n",
    }
}

/// Standard error without the duration, which differs.
fn told(ran: &Ran) -> String {
    without_duration(&ran.stderr())
}

fn without_duration(text: &str) -> String {
    text.lines().map(|line| line.split(", in ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The numbers that arrived, in their order.
fn arrived(server: &Server) -> Vec<usize> {
    server.centrifugo().texts("plain:a").iter().map(|text| text.parse().expect("a number")).collect()
}

fn numbers(from: usize, to: usize) -> Vec<usize> {
    (from..=to).collect()
}

/// That no request holds more commands; fewer it may, if the machine is slow.
#[track_caller]
fn holds_at_most(server: &Server, commands: usize) {
    for request in server.requests() {
        let held = request.body_text().matches("\"method\"").count();
        assert!(held <= commands, "{held} commands in a request");
    }
}

#[test]
fn lines_arrive_in_order_over_one_connection_a_hundred_a_request() {
    for dialect in BOTH {
        let server = dialect.server();
        let ran = publish_lines(dialect, &server).input(publishes(1..=1050)).run();
        assert_eq!((ran.exit(), told(&ran).as_str()), (Some(0), "cent: 1050 commands accepted"));
        assert_eq!(ran.stdout(), reply(dialect).repeat(1050));
        assert_eq!(arrived(&server), numbers(1, 1050));
        holds_at_most(&server, 100);
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_batch_has_as_many_commands_as_it_is_told() {
    for (batch, least) in [(1, 7), (3, 3), (1000, 1)] {
        let server = First.server();
        let ran = publish_lines(First, &server).args(&["--batch", &batch.to_string()]).input(publishes(1..=7)).run();
        assert_eq!((ran.exit(), arrived(&server)), (Some(0), numbers(1, 7)));
        assert!(server.requests().len() >= least);
        holds_at_most(&server, batch);
    }
}

#[test]
fn a_request_is_no_larger_than_a_megabyte_unless_a_line_is() {
    for dialect in BOTH {
        let server = dialect.server();
        let sized = |bytes: usize| format!("{{\"channel\":\"plain:a\",\"data\":\"{}\"}}\n", "x".repeat(bytes));
        let input = sized(300_000).repeat(7) + &sized(3_000_000) + &sized(1).repeat(2);
        let ran = publish_lines(dialect, &server).args(&["-q", "--timeout=60"]).input(input).run();
        ran.is(0, "", "");
        assert_eq!(server.centrifugo().executed().len(), 10);
        for request in server.requests() {
            let (size, commands) = (request.body().len(), request.body_text().matches("\"method\"").count());
            assert!(size <= 1_000_000 || commands == 1, "{commands} commands in {size} bytes");
        }
    }
}

#[test]
fn blank_lines_are_counted_but_not_sent() {
    let server = First.server();
    let input = format!("\n{}\r\n \t\n{}\n{{\"channel\": \"nope:a\", \"data\": 1}}", line(1).trim(), line(2).trim());
    let ran = publish_lines(First, &server).input(input).run();
    let refusal = "line 5: publish: namespace not found; the part of the channel before : has to be a namespace of the \
                   server's config";
    assert_eq!(told(&ran), format!("cent: {refusal}\ncent: 3 commands answered (2 accepted, 1 refused)"));
    assert_eq!(ran.exit(), Some(1));
    assert_eq!(arrived(&server), [1, 2]);
}

#[test]
fn no_lines_are_no_request() {
    for input in ["", "\n\n \n"] {
        let server = First.server().uncalled();
        publish_lines(First, &server).input(input).run().is(0, "", "cent: no commands on standard input\n");
        publish_lines(First, &server).args(&["-q"]).input(input).run().is(0, "", "");
    }
}

#[test]
fn without_a_method_each_line_is_a_whole_command() {
    for dialect in BOTH {
        let server = dialect.server();
        let input = "{\"method\": \"publish\", \"params\": {\"channel\": \"plain:a\", \"data\": 7}}\n{\"method\": \"channels\"}\n";
        let ran = dialect.cent(&server).args(&["--lines", "bananas"]).input(input).run();
        assert_eq!((ran.exit(), told(&ran).as_str()), (Some(0), "cent: 2 commands accepted"));
        assert_eq!(server.centrifugo().executed(), ["publish", "channels"]);
    }
}

#[test]
fn a_line_that_is_no_command_is_refused_with_its_number() {
    let form = r#"write {"method": "publish", "params": {…}}"#;
    for (text, message) in [
        ("{}", format!("the command names no method; {form}")),
        (r#"{"method": "channels", "uid": "1"}"#, format!("a command has no key \"uid\"; {form}")),
        (r#"{"method": ""}"#, "the method is empty; name one, such as publish".to_owned()),
        (r#"{"method": "channels", "params": []}"#, format!("the params are an array, no object; {form}")),
        (
            r#"{"method": "history"}"#,
            "history needs channel, a string that is not empty: it is missing; add channel to the params".to_owned(),
        ),
        (r#"{"method": 1} "#, format!("the method is a number, no string; {form}")),
    ] {
        let server = First.server();
        let ran =
            First.cent(&server).args(&["bananas", "-l"]).input(format!("{{\"method\": \"node\"}}\n\n{text}\n")).run();
        let summary = "line 1 accepted; from line 2 on nothing was accepted: go on with tail -n +2";
        assert_eq!(ran.stderr(), format!("cent: standard input, line 3: {message}\ncent: {summary}\n"));
        assert_eq!((ran.exit(), ran.stdout().lines().count()), (Some(2), 1));
    }
}

#[test]
fn the_first_bad_line_stops_the_run_after_what_came_before_it() {
    for dialect in BOTH {
        let server = dialect.server();
        let input = publishes(1..=5000) + "{\"channel\": \"plain:a\", 5001}\n" + &publishes(5002..=10_000);
        let ran = publish_lines(dialect, &server).input(input).run();
        let object = "params are one JSON object, such as {\"channel\": \"news\"}";
        assert_eq!(
            ran.stderr(),
            format!(
                "cent: standard input, line 5001: no JSON object: key must be a string at line 5001, column 24; {object}\n\
                 cent:   {{\"channel\": \"plain:a\", 5001}}\ncent:                          ^\n\
                 cent: lines 1 to 5000 accepted; from line 5001 on nothing was accepted: go on with tail -n +5001\n"
            )
        );
        assert_eq!(ran.exit(), Some(2));
        assert_eq!(ran.stdout(), reply(dialect).repeat(5000));
        assert_eq!(arrived(&server), numbers(1, 5000));
    }
}

#[test]
fn errors_in_replies_are_named_by_line_and_counted_from_the_twentieth_on() {
    let server = Later.server();
    let bad = "{\"channel\": \"nope:a\", \"data\": 1}\n";
    let ran = publish_lines(Later, &server).input(line(1) + &bad.repeat(25) + &line(27)).run();
    let text = told(&ran);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 22, "{text}");
    for (number, line) in (2..).zip(&lines[..20]) {
        assert!(line.starts_with(&format!("cent: line {number}: publish: unknown channel (102); ")), "{line}");
    }
    assert_eq!(lines[20..], ["cent: 5 more errors in replies", "cent: 27 commands answered (2 accepted, 25 refused)"]);
    assert_eq!(ran.exit(), Some(1));
    assert_eq!(arrived(&server), [1, 27]);
}

#[test]
fn a_channel_of_a_broadcast_is_an_error_of_its_line() {
    let server = Later.server();
    let input = "{\"channels\": [\"plain:a\", \"nope:b\"], \"data\": 1}\n";
    let ran = Later.cent(&server).args(&["bananas", "broadcast", "--lines", "-q"]).input(input).run();
    let remedy = "the part of the channel before : has to be a namespace of the server's config";
    ran.is(1, "", &format!("cent: line 1: broadcast: channel \"nope:b\": unknown channel (102); {remedy}\n"));
}

#[test]
fn an_error_that_leaves_the_outcome_open_is_the_worst() {
    for dialect in BOTH {
        let server = Server::start(dialect.centrifugo().engine_down());
        let input = "{\"channel\": \"a\", \"data\": 1}\n".repeat(3);
        let ran = publish_lines(dialect, &server).input(input).run();
        assert_eq!(ran.exit(), Some(4), "{}", ran.stderr());
        assert!(told(&ran).ends_with("\ncent: 3 commands answered (0 accepted, 3 unknown)"), "{}", ran.stderr());
    }
}

/// The account that the last line of a stopped run gives: accepted to, unknown to, left from.
fn account(text: &str) -> (usize, usize, Option<usize>) {
    let summary = text.lines().last().expect("a stopped run has a summary").strip_prefix("cent: ").expect("it is ours");
    let number = |words: &str| words.rsplit(' ').next().and_then(|word| word.parse::<usize>().ok());
    let parts: Vec<&str> = summary.split("; ").collect();
    let accepted = parts[0].strip_suffix(" accepted").map_or(0, |words| number(words).unwrap_or(0));
    let unknown =
        parts[1..].iter().find_map(|part| part.split_once(" unknown")).map(|(words, _)| number(words).unwrap());
    let left = summary.split_once("go on with tail -n +").map(|(_, from)| from.parse().expect("a number"));
    (accepted, unknown.unwrap_or(accepted), left)
}

/// Runs 250 lines, 50 a request, of which the request of this index meets the script, and holds the account to what the
/// server has seen.
#[track_caller]
fn accounts_for_all(dialect: Dialect, index: usize, script: Script, exit: i32) {
    let server = dialect.server();
    for _ in 0..index {
        server.add_script(vec![Step::Execute, Step::Rest]);
    }
    // Waited for where it has to be, and otherwise out of the way of a machine under load.
    let limit = if script.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
    server.add_script(script);
    let ran = publish_lines(dialect, &server).args(&["--batch=50", limit]).input(publishes(1..=250)).run();
    let text = ran.stderr();
    assert_eq!(ran.exit(), Some(exit), "{text}");
    let (accepted, unknown, left) = account(&text);
    // Without gap and without overlap: the three follow one upon the other.
    assert!(accepted <= 50 * index, "{text}");
    assert!(if exit == 4 { accepted < unknown && unknown <= accepted + 50 } else { accepted == unknown }, "{text}");
    assert_eq!(left, (unknown < 250).then_some(unknown + 1), "{text}");
    assert!(left.is_some() || text.ends_with("; no line is left\n"), "{text}");
    server.settled(index + 1);
    let arrived = arrived(&server);
    assert!(arrived == numbers(1, accepted) || (exit == 4 && arrived == numbers(1, unknown)), "{text}: {arrived:?}");
    assert_eq!(ran.stdout(), reply(dialect).repeat(accepted));
    assert_eq!(server.requests().len(), index + 1);
}

#[test]
fn a_request_that_fails_stops_the_run_and_leaves_a_true_account() {
    let status = |code: u16| refused(&Response::new(code));
    let modes: [(Script, i32); 13] = [
        (stopped_in_request(1, Step::Close), 4),
        (stopped_in_request(200, Step::Reset), 4),
        (stopped_in_request(100, Step::Hang), 4),
        (stopped_in_answer(0, Step::Close), 4),
        (stopped_in_answer(100, Step::Reset), 4),
        (stopped_in_answer(30, Step::Hang), 4),
        (garbled(50), 4),
        (answered(&Response::plain(502, "bad gateway")), 4),
        (answered(&Response::plain(400, "Bad Request")), 4),
        (status(503), 3),
        (status(429), 3),
        (status(401), 1),
        (status(413), 1),
    ];
    std::thread::scope(|scope| {
        for dialect in BOTH {
            for (script, exit) in &modes {
                scope.spawn(move || {
                    for index in [0, 2, 4] {
                        accounts_for_all(dialect, index, script.clone(), *exit);
                    }
                });
            }
        }
    });
}

#[test]
fn a_request_of_the_wrong_number_of_replies_is_unknown_and_they_are_printed() {
    let server = Later.server().script(answered(&Response::json("{}\n{}")));
    let ran = publish_lines(Later, &server).input(publishes(1..=5)).run();
    let look = "the command may have run: look before repeating, and check the address";
    let summary = "no line accepted; lines 1 to 5 unknown, may have run: look first (tail -n +1); no line is left";
    ran.is(
        4,
        "{}\n{}\n",
        &format!("cent: {}/api: 2 replies for 5 commands; {look}\ncent: {summary}\n", server.address()),
    );
}

#[test]
fn a_run_goes_on_where_the_summary_says() {
    for dialect in BOTH {
        let first = dialect.server();
        for _ in 0..30 {
            first.add_script(vec![Step::Execute, Step::Rest]);
        }
        first.add_script(stopped_in_answer(0, Step::Reset));
        let input = publishes(1..=10_000);
        let stopped = publish_lines(dialect, &first).input(input.clone()).run();
        let (_, unknown, left) = account(&stopped.stderr());
        assert_eq!((stopped.exit(), left), (Some(4), Some(unknown + 1)));
        let mut history = arrived(&first);
        // Another process, as after a crash.
        drop(first);
        let second = dialect.server();
        let rest: String = input.split_inclusive('\n').skip(left.unwrap() - 1).collect();
        let ran = publish_lines(dialect, &second).input(rest).run();
        assert_eq!(ran.exit(), Some(0), "{}", ran.stderr());
        history.extend(arrived(&second));
        assert_eq!(history, numbers(1, 10_000));
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_costs_no_more_than_the_batch_that_is_named() {
    const LAST: usize = 3000;
    for dialect in BOTH {
        // It outlives the servers.
        let history = Arc::new(dialect.centrifugo());
        let input = publishes(1..=LAST);
        let (mut done, mut unknown) = (0, Vec::new());
        for killed_at in [400, 1500, usize::MAX] {
            let server = Server::start(Arc::clone(&history));
            let rest: String = input.split_inclusive('\n').skip(done).collect();
            let call = publish_lines(dialect, &server).arg("--batch=10").input(rest);
            let running = thread::spawn(|| call.run());
            while history.messages("plain:a").len() < killed_at && !running.is_finished() {
                thread::yield_now();
            }
            drop(server);
            let ran = running.join().unwrap();
            if ran.exit() == Some(0) {
                done = LAST;
                break;
            }
            let (accepted, unknown_to, left) = account(&ran.stderr());
            assert!(
                matches!((ran.exit(), unknown_to - accepted), (Some(3), 0) | (Some(4), 1..=10)),
                "{}",
                ran.stderr()
            );
            unknown.extend(done + accepted + 1..=done + unknown_to);
            done += left.unwrap_or(LAST + 1 - done) - 1;
        }
        assert_eq!(done, LAST);
        let history: Vec<usize> = history.texts("plain:a").iter().map(|text| text.parse().unwrap()).collect();
        // Each once and in order, but for the unknown ones, which may be missing.
        assert!(history.is_sorted_by(|one, next| one < next), "{history:?}");
        let missing: Vec<usize> = numbers(1, LAST).into_iter().filter(|number| !history.contains(number)).collect();
        assert!(missing.iter().all(|number| unknown.contains(number)), "{missing:?} of {unknown:?}");
    }
}

#[test]
fn a_connection_that_the_server_closes_between_requests_does_no_harm() {
    for dialect in BOTH {
        let server = dialect.server();
        for _ in 0..5 {
            server.add_script(vec![Step::Execute, Step::Rest, Step::Close]);
        }
        let (mut child, _home) = publish_lines(dialect, &server).args(&["--batch=1"]).spawn();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for number in 1..=5 {
            input.write_all(line(number).as_bytes()).unwrap();
            let mut text = String::new();
            output.read_line(&mut text).unwrap();
            assert_eq!(text, reply(dialect));
            // Once it has settled, the end of the connection is on its way.
            server.settled(number);
        }
        drop(input);
        let (exit, text) = ended(child);
        assert_eq!((exit.code(), without_duration(&text).as_str()), (Some(0), "cent: 5 commands accepted"));
        assert_eq!((arrived(&server), server.connections()), (numbers(1, 5), 5));
    }
}

/// Waits for the end; standard error with it.
fn ended(mut child: Child) -> (std::process::ExitStatus, String) {
    let mut text = String::new();
    child.stderr.take().expect("it was piped").read_to_string(&mut text).expect("it is text");
    (child.wait().expect("it ends"), text)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}

#[test]
fn a_reply_does_not_wait_for_the_next_line() {
    for dialect in BOTH {
        let server = dialect.server();
        let (mut child, _home) = publish_lines(dialect, &server).spawn();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for number in 1..=3 {
            input.write_all(line(number).as_bytes()).unwrap();
            let mut text = String::new();
            // Before the next line is written: it would wait for ever if a batch had to be full.
            output.read_line(&mut text).unwrap();
            assert_eq!(text, reply(dialect));
        }
        drop(input);
        assert_eq!(ended(child).0.code(), Some(0));
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn a_signal_ends_the_run_with_a_true_summary() {
    for (name, exit) in [("-INT", 130), ("-TERM", 143)] {
        let server = First.server();
        let (mut child, _home) = publish_lines(First, &server).spawn();
        let mut input = child.stdin.take().unwrap();
        input.write_all(publishes(1..=250).as_bytes()).unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        assert_eq!(output.lines().take(250).flatten().count(), 250);
        signal(&child, name);
        // The input stays open: nothing but the signal ends the run.
        let (status, text) = ended(child);
        let summary = "lines 1 to 250 accepted; from line 251 on nothing was accepted: go on with tail -n +251";
        assert_eq!((status.code(), text), (Some(exit), format!("cent: {summary}\n")));
        drop(input);
        assert_eq!(arrived(&server), numbers(1, 250));
    }
}

#[test]
fn a_signal_lets_the_request_under_way_end_and_a_second_one_does_not() {
    let hanging = || First.server().script(vec![Step::Read(10), Step::Hang]);
    let server = hanging();
    let (mut child, _home) = publish_lines(First, &server).args(&["--timeout=2", "--batch=2"]).spawn();
    child.stdin.take().unwrap().write_all(publishes(1..=6).as_bytes()).unwrap();
    server.settled(1);
    signal(&child, "-TERM");
    let (status, text) = ended(child);
    let summary = "no line accepted; lines 1 to 2 unknown, may have run: look first (tail -n +1); from line 3 on nothing \
                   was accepted: go on with tail -n +3";
    assert!(text.ends_with(&format!("\ncent: {summary}\n")), "{text}");
    assert_eq!(status.code(), Some(4));

    let server = hanging();
    let (mut child, _home) = publish_lines(First, &server).args(&["--timeout=600"]).spawn();
    let mut input = child.stdin.take().unwrap();
    input.write_all(publishes(1..=100).as_bytes()).unwrap();
    server.settled(1);
    // The second may come before the first was noticed, and the two be one: so until it has ended.
    while child.try_wait().unwrap().is_none() {
        signal(&child, "-TERM");
        std::thread::yield_now();
    }
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_signal_ends_a_pause_and_no_other_try_follows() {
    let server = First.server().script(answered(&Response::new(503).header("Retry-After", "60")));
    let (mut child, _home) = publish_lines(First, &server).args(&["--retry=3"]).spawn();
    let mut input = child.stdin.take().unwrap();
    input.write_all(publishes(1..=2).as_bytes()).unwrap();
    let mut output = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    assert!(text.ends_with("; try 1 of 4, the next one in 60.0 s\n"), "{text}");
    signal(&child, "-TERM");
    text.clear();
    output.read_to_string(&mut text).unwrap();
    let error = format!("{}/api/: service unavailable (503); nothing was accepted: try again later", server.address());
    let summary = "no line accepted; from line 1 on nothing was accepted: go on with tail -n +1";
    assert_eq!(text, format!("cent: {error}\ncent: {summary}\n"));
    assert_eq!((child.wait().unwrap().code(), server.requests().len()), (Some(143), 1));
    drop(input);
}

#[test]
fn a_closed_standard_output_ends_the_run() {
    for dialect in BOTH {
        let server = dialect.server();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let cent = publish_lines(dialect, &server).args(&["--batch=10"]).file("input", publishes(1..=10_000));
        let input = File::open(cent.path("input")).unwrap();
        let ran = cent.stdin(input).stdout(writer).run();
        let (accepted, unknown, left) = account(&ran.stderr());
        assert_eq!((ran.exit(), ran.stderr().lines().count()), (Some(4), 1), "{}", ran.stderr());
        assert_eq!((unknown, left), (accepted, Some(accepted + 1)));
        assert_eq!(arrived(&server), numbers(1, accepted));
        // Those whose replies nobody took.
        assert_eq!(accepted, 10);
    }
}

#[test]
fn a_closed_standard_output_does_not_matter_where_no_line_is_left() {
    let server = First.server();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = publish_lines(First, &server).input(publishes(1..=5)).stdout(writer).run();
    assert_eq!(ran.exit(), Some(0), "{}", ran.stderr());
}

#[test]
fn a_full_disk_ends_the_run() {
    let server = First.server();
    let cent = publish_lines(First, &server).args(&["--batch=10"]).file("input", publishes(1..=10_000));
    let input = File::open(cent.path("input")).unwrap();
    let ran = cent.stdin(input).stdout(File::create("/dev/full").unwrap()).run();
    let text = ran.stderr();
    assert!(
        text.starts_with("cent: standard output: cannot be written (the command has run): no space left on device\n"),
        "{text}"
    );
    let (accepted, _, left) = account(&text);
    assert_eq!((ran.exit(), left), (Some(4), Some(accepted + 1)));
    assert_eq!(arrived(&server), numbers(1, accepted));
}

#[test]
fn a_dry_run_shows_each_request_with_a_blank_line_between() {
    for dialect in BOTH {
        let server = dialect.server().uncalled();
        let ran = publish_lines(dialect, &server).args(&["-n", "--batch=2"]).input(publishes(1..=3)).run();
        assert_eq!(
            (ran.exit(), ran.stderr().as_str()),
            (Some(0), "cent: 3 commands in 2 requests: nothing was sent\n")
        );
        let text = ran.stdout();
        let url = dialect.url(&server.address());
        assert_eq!(text.matches(&format!("POST {url}\n")).count(), 2, "{text}");
        assert!(text.contains(&format!("\n\nPOST {url}\n")) && text.contains(": [hidden]\n\n"), "{text}");
        let bad = publish_lines(dialect, &server).args(&["-n"]).input(line(1) + "x\n").run();
        assert_eq!(bad.exit(), Some(2));
        assert!(bad.stdout().starts_with("POST "), "{}", bad.stdout());
    }
}

#[test]
fn a_dry_run_ends_with_a_signal() {
    let (mut child, _home) = publish_lines(First, &First.server().uncalled()).args(&["-n"]).spawn();
    let mut input = child.stdin.take().unwrap();
    input.write_all(publishes(1..=1).as_bytes()).unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    signal(&child, "-TERM");
    let (status, text) = ended(child);
    assert_eq!((status.code(), text.as_str()), (Some(143), "cent: 1 command in 1 request: nothing was sent\n"));
    drop(input);
}

#[test]
fn a_dry_run_ends_when_its_reader_goes_away() {
    let (mut child, _home) = publish_lines(First, &First.server().uncalled()).args(&["-n", "--batch=1"]).spawn();
    let mut input = child.stdin.take().unwrap();
    drop(child.stdout.take());
    // Far more than a pipe holds: if it read on for ever, so would this write.
    while input.write_all(line(1).as_bytes()).is_ok() {}
    assert_eq!(ended(child).0.code(), Some(0));
}

#[test]
fn an_input_without_line_ends_is_refused_before_it_fills_the_memory() {
    let server = First.server().uncalled();
    let ran = publish_lines(First, &server).stdin(File::open("/dev/zero").unwrap()).run();
    let message = "longer than 64 MB; is its line end missing? params that large go with --params";
    let summary = "no line accepted; from line 1 on nothing was accepted: go on with tail -n +1";
    ran.is(2, "", &format!("cent: standard input, line 1: {message}\ncent: {summary}\n"));
}

#[test]
fn quiet_says_nothing_of_a_run_that_is_through_but_where_a_stopped_one_stopped() {
    let server = First.server();
    publish_lines(First, &server).args(&["--quiet"]).input(publishes(1..=3)).run().is(0, "", "");
    let server = Server::start(Centrifugo::v1().with_credential("another"));
    let ran = publish_lines(First, &server).args(&["--quiet"]).input(publishes(1..=3)).run();
    assert_eq!((ran.exit(), ran.stdout().as_str()), (Some(1), ""));
    assert_eq!(account(&ran.stderr()), (0, 0, Some(1)));
}

#[test]
fn an_input_that_cannot_be_read_is_told() {
    let cent = cent().config("[bananas]\naddress = http://127.0.0.1:1\nsecret = s\n");
    let folder = File::open(cent.home()).unwrap();
    let ran = cent.args(&["bananas", "publish", "--lines"]).stdin(folder).run();
    let summary = "no line accepted; from line 1 on nothing was accepted: go on with tail -n +1";
    ran.is(2, "", &format!("cent: standard input, line 1: cannot be read: is a directory\ncent: {summary}\n"));
}
