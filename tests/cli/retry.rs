//! `--retry`: what surely was not accepted is tried again, and nothing else.

use crate::support::program::Cent;
use crate::support::server::{RefusedPort, Response, Script, Server, Step, refused};
use crate::{BOTH, Dialect, First, Later, PLAIN};

fn publish(cent: Cent) -> Cent {
    cent.args(&["bananas", "publish", "--params", PLAIN])
}

/// Turned away without a body, and asked to come back at once: a test need not wait.
fn busy(status: u16) -> Script {
    refused(&Response::new(status).header("Retry-After", "0"))
}

/// A line for a try that failed.
fn announced(dialect: Dialect, server: &Server, what: &str, tried: u32, all: u32) -> String {
    let url = dialect.url(&server.address());
    format!("cent: {url}: {what}; nothing was accepted: try again later; try {tried} of {all}, the next one in 0.0 s\n")
}

#[test]
fn what_was_turned_away_is_tried_until_it_is_taken() {
    for dialect in BOTH {
        let server = dialect.server().script(busy(503)).script(busy(503));
        let text = [1, 2].map(|tried| announced(dialect, &server, "service unavailable (503)", tried, 4)).concat();
        publish(dialect.cent(&server)).args(&["--retry", "3"]).run().is(0, dialect.published(), &text);
        assert_eq!(server.requests().len(), 3);
        assert_eq!(server.centrifugo().executed(), ["publish"]);
    }
}

#[test]
fn a_pause_without_retry_after_is_half_a_second_at_most_the_first_time() {
    let server = First.server().script(refused(&Response::new(503)));
    let ran = publish(First.cent(&server)).args(&["--retry=1"]).run();
    assert_eq!((ran.exit(), server.requests().len()), (Some(0), 2));
    let text = ran.stderr();
    let (_, pause) = text.trim_end().split_once("try 1 of 2, the next one in ").expect("it is announced");
    assert!(["0.3 s", "0.4 s", "0.5 s", "0.2 s"].contains(&pause), "{text}");
}

#[test]
fn the_last_try_is_told_as_it_would_be_without_retries() {
    for dialect in BOTH {
        let server = dialect.server().script(busy(429)).script(busy(429)).script(busy(429));
        let what = "too many requests (429)";
        let url = dialect.url(&server.address());
        let text = [1, 2].map(|tried| announced(dialect, &server, what, tried, 3)).concat()
            + &format!("cent: {url}: {what}; nothing was accepted: try again later\n");
        publish(dialect.cent(&server)).args(&["--retry=2"]).run().is(3, "", &text);
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn what_may_have_run_or_was_refused_is_not_tried_again() {
    for dialect in BOTH {
        let limit = |script: &Script| if script.contains(&Step::Hang) { "--timeout=2" } else { "--timeout=60" };
        for (script, exit) in [
            (vec![Step::Execute, Step::Hang], 4),
            (vec![Step::Execute, Step::Close], 4),
            (refused(&Response::new(502)), 4),
            (refused(&Response::plain(503, "from a proxy")), 4),
            (refused(&Response::new(401)), 1),
        ] {
            let limit = limit(&script);
            let server = dialect.server().script(script);
            let ran = publish(dialect.cent(&server)).args(&["--retry=3", limit]).run();
            assert_eq!((ran.exit(), ran.stderr().lines().count()), (Some(exit), 1), "{}", ran.stderr());
            assert_eq!(server.settled(1).len(), 1);
        }
    }
}

#[test]
fn a_server_that_asks_to_wait_longer_than_a_minute_gets_no_further_try() {
    for date in ["61", "Fri, 31 Dec 2100 23:59:59 GMT"] {
        let server = First.server().script(refused(&Response::new(503).header("Retry-After", date)));
        let ran = publish(First.cent(&server)).args(&["--retry=3"]).run();
        assert_eq!((ran.exit(), server.requests().len()), (Some(3), 1));
        let text = ran.stderr();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("cent: the server asks to wait "), "{text}");
        assert!(lines[0].ends_with(" s, over 60 s: no further try"), "{text}");
        let error = "service unavailable (503); nothing was accepted: try again later";
        assert_eq!(lines[1..], [format!("cent: {}/api/: {error}", server.address())]);
    }
}

#[test]
fn a_date_that_is_past_is_no_pause() {
    let past = Response::new(503).header("Retry-After", "Thu, 02 Jan 2020 12:00:07 GMT");
    let server = Later.server().script(refused(&past));
    let text = announced(Later, &server, "service unavailable (503)", 1, 2);
    publish(Later.cent(&server)).args(&["--retry=1"]).run().is(0, Later.published(), &text);
}

#[test]
fn a_server_that_is_not_there_is_tried_again() {
    let port = RefusedPort::take();
    let ran = publish(First.cent_at(&port.address())).args(&["--retry=1"]).run();
    let text = ran.stderr();
    assert_eq!((ran.exit(), text.lines().count()), (Some(3), 2), "{text}");
    assert!(text.contains("is the port right?; try 1 of 2, the next one in "), "{text}");
}

#[test]
fn a_batch_that_was_turned_away_is_tried_again_in_its_place() {
    for dialect in BOTH {
        let server = dialect.server();
        for script in [vec![Step::Execute, Step::Rest], busy(503), busy(425)] {
            server.add_script(script);
        }
        let input =
            [1, 2, 3, 4, 5].map(|number| format!("{{\"channel\": \"plain:a\", \"data\": {number}}}\n")).concat();
        let words = ["bananas", "publish", "--lines", "--batch=2", "--retry=2", "-q"];
        let ran = dialect.cent(&server).args(&words).input(input).run();
        assert_eq!((ran.exit(), ran.stderr().lines().count()), (Some(0), 2), "{}", ran.stderr());
        assert_eq!(server.centrifugo().texts("plain:a"), ["1", "2", "3", "4", "5"]);
        assert_eq!(server.requests().len(), 5);
    }
}
