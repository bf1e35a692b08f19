//! A batch that is halved, as the user of `--lines --retry` sees it: nothing is repeated that was answered.

use std::thread;

use crate::case::no_fault;
use crate::scenarios::parts;
use crate::server::{API_KEY, Response, Script, Server, Step, fail_during_request, fail_during_response};
use crate::support::cli::cent;

const COMMANDS: usize = 5;

/// The lines; one is nested too deep for the server.
fn lines(invalid: usize) -> String {
    let data = |index: usize| match index {
        _ if index == invalid => "[".repeat(10_000) + &"]".repeat(10_000),
        _ => index.to_string(),
    };
    let lines: Vec<_> = (0..COMMANDS).map(|index| format!(r#"{{"channel":"news","data":{}}}"#, data(index))).collect();
    lines.join("\n")
}

/// What happens in the request with a part of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The commands before the part are answered; without any, the batch is sent again.
    Retry,
    /// The commands before the part are answered, those in it may have been executed.
    Unknown,
}

fn faults() -> Vec<(Script, After)> {
    let decline = |response: Response| vec![Step::ReadAll, Step::respond(&response.header("Retry-After", "0"))];
    vec![
        (decline(Response::new(503)), After::Retry),
        (decline(Response::new(429)), After::Retry),
        (decline(Response::new(500)), After::Unknown),
        (vec![Step::Execute, Step::respond(&Response::new(502))], After::Unknown),
        (fail_during_request(100, Step::Close), After::Unknown),
        (fail_during_response(50, Step::Reset), After::Unknown),
    ]
}

#[track_caller]
fn assert_nothing_repeated(invalid: usize, index: usize, script: &Script, after: After) {
    let server = Server::version(6);
    // The batch, the probe for Centrifugo 1, and the parts before this one.
    (0..2 + index).for_each(|_| server.add_script(no_fault()));
    server.add_script(script.clone());
    let config = format!("[bananas]\naddress = {}\napi_key = {API_KEY}\n", server.address());
    let cent = cent().config(config).args(&["bananas", "publish", "--lines", "--retry=2"]);
    let output = cent.stdin_bytes(lines(invalid)).run();
    let context = format!("invalid {invalid}, part {index}, {script:?}: {}", output.stderr());
    let answered = output.stdout().lines().count();
    let executed = server.centrifugo().messages_as_text("news");
    let part = parts(COMMANDS, invalid)[index].clone();
    // Without a reply so far, all of it is sent again.
    let expected_answers = if after == After::Retry && part.start == 0 { invalid } else { part.start };
    let expected: Vec<String> = (0..executed.len()).map(|number| number.to_string()).collect();
    assert_eq!((answered, &executed), (expected_answers, &expected), "{context}");
    match after {
        After::Retry => assert_eq!(executed.len(), answered, "{context}"),
        After::Unknown => assert!([part.start, part.end].contains(&executed.len()), "{context}"),
    }
    assert_eq!(output.exit_code() == Some(4), after == After::Unknown, "{context}");
    assert_ne!(output.exit_code(), Some(0), "{context}");
}

#[test]
fn retry_repeats_nothing_that_was_answered() {
    thread::scope(|scope| {
        for invalid in 0..COMMANDS {
            for index in 0..parts(COMMANDS, invalid).len() {
                scope.spawn(move || {
                    for (script, after) in faults() {
                        assert_nothing_repeated(invalid, index, &script, after);
                    }
                });
            }
        }
    });
}
