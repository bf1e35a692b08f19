//! A sample of the fault matrix as the program's user sees it.

use std::thread;

use crate::support::server::{
    Response, Script, Step, answered, garbled, refused, stopped_in_answer, stopped_in_request,
};
use crate::{BOTH, Dialect, PLAIN};

/// One call meets the script: status, one line on standard error, nothing on standard output, and how many requests.
#[track_caller]
fn fails(dialect: Dialect, script: &Script, exit: i32, says: &str) {
    let server = dialect.server();
    // Enough of the same for every try.
    for _ in 0..3 {
        server.add_script(script.clone());
    }
    let ran = dialect.cent(&server).args(&["bananas", "publish", "--retry=2", "--params", PLAIN]).run();
    let (text, url) = (ran.stderr(), dialect.url(&server.address()));
    let tries = if exit == 3 { 3 } else { 1 };
    assert_eq!((ran.exit(), ran.stdout().as_str()), (Some(exit), ""), "{script:?}: {text}");
    assert_eq!(text.lines().count(), tries, "{text}");
    assert!(text.lines().all(|line| line.starts_with(&format!("cent: {url}: ")) && line.contains(says)), "{text}");
    assert_eq!(server.settled(tries).len(), tries, "{text}");
    let executed = server.centrifugo().executed().len();
    assert_eq!(executed, usize::from(script.contains(&Step::Execute)), "{text}");
}

#[test]
fn faults_are_told_with_their_status_and_only_what_was_turned_away_is_sent_again() {
    const CLOSED: &str = "the connection was closed before the answer was whole";
    let turned_away = |status| refused(&Response::new(status).header("Retry-After", "0"));
    let faults: Vec<(Script, i32, &str)> = vec![
        (stopped_in_request(0, Step::Close), 4, CLOSED),
        (stopped_in_request(150, Step::Close), 4, CLOSED),
        (stopped_in_request(150, Step::Reset), 4, "connection reset by peer"),
        (stopped_in_answer(0, Step::Close), 4, CLOSED),
        (stopped_in_answer(12, Step::Close), 4, CLOSED),
        (stopped_in_answer(60, Step::Reset), 4, ""),
        (stopped_in_answer(120, Step::Close), 4, CLOSED),
        (garbled(40), 4, "the answer is no proper HTTP"),
        (answered(&Response::json("<html>")), 4, "HTML or XML"),
        (answered(&Response::new(204)), 4, "HTTP status 204"),
        (answered(&Response::new(502)), 4, "bad gateway (502)"),
        (answered(&Response::plain(503, "busy")), 4, "service unavailable (503)"),
        (refused(&Response::new(302).header("Location", "/x")), 1, "redirected (302) to /x"),
        (refused(&Response::new(403)), 1, "forbidden (403)"),
        (refused(&Response::new(407)), 1, "(407)"),
        (turned_away(408), 3, "request timeout (408)"),
        (turned_away(425), 3, "too early (425)"),
        (turned_away(429), 3, "too many requests (429)"),
        (turned_away(503), 3, "service unavailable (503)"),
    ];
    thread::scope(|scope| {
        for dialect in BOTH {
            for (script, exit, says) in &faults {
                scope.spawn(move || fails(dialect, script, *exit, says));
            }
        }
    });
}
