//! Several commands in one request: an invalid one is found, and replies keep their order.

use cent::{Client, Command, Error, ErrorKind, Reply};

use super::{
    WITH_CURRENT_FORM, client_for, invalid_publish, paths, publishes, respond_early, send_batch, start, texts,
};
use crate::server;
use crate::server::{Centrifugo, Response, Server, Step};

fn send_unordered(client: &mut Client, commands: &[Command]) -> Result<Vec<Reply>, Error> {
    let mut request = client.requests().clone().unordered().batch(commands)?;
    client.send_request(&mut request)
}

#[test]
fn invalid_command_of_batch_is_found() {
    const COUNT: usize = 9;
    let names: Vec<String> = (0..COUNT).map(|number| format!("c{number}")).collect();
    for major in WITH_CURRENT_FORM {
        for index in 0..COUNT {
            let (server, mut client) = start(major);
            let valid = |name: &String| publishes([name.as_str()]).into_iter().next().unwrap();
            let mut commands: Vec<Command> = names.iter().map(valid).collect();
            commands[index] = invalid_publish();
            let error = client.send_commands(&commands).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Rejected, false));
            assert_eq!((error.command_index(), error.answered(), error.replies().len()), (Some(index), index, index));
            let start = format!(
                "{}/api/batch: bad request (400) because of command {} (publish); ",
                server.address(),
                index + 1
            );
            assert!(error.to_string().starts_with(&start), "{error}");
            // Those before it were executed once and in order, those after it were not.
            assert_eq!(server.centrifugo().delivered(), names[..index], "{major}");
            assert!(error.replies().iter().all(|reply| reply.text().starts_with(r#"{"result":{"offset":1,"#)));
            // One that asks for version 1, and at most one for each time that 9 can be halved.
            assert!(server.requests().len() <= 2 + 4, "{:?}", paths(&server));
        }
    }
}

#[test]
fn two_invalid_commands_name_the_first() {
    let (server, mut client) = start(6);
    let [a, b, c] = publishes(["a", "nope:b", "c"]);
    let error = client.send_commands(&[a, b, invalid_publish(), c, invalid_publish()]).unwrap_err();
    assert_eq!((error.command_index(), error.answered()), (Some(2), 2));
    // Errors in replies do not stop it.
    assert_eq!(error.replies()[1].errors()[0].code(), Some(102));
    assert_eq!(server.centrifugo().delivered(), ["a"]);
}

#[test]
fn request_with_invalid_command_is_rejected_as_a_whole() {
    let (server, mut client) = start(6);
    let [valid] = publishes(["a"]);
    for commands in [&[invalid_publish()][..], &[valid, invalid_publish()]] {
        for error in [send_batch(&mut client, commands), send_unordered(&mut client, commands)].map(Result::unwrap_err)
        {
            assert!(error.rejects_whole_batch() && !error.is_retryable() && !error.is_repeatable());
            assert_eq!((error.kind(), error.command_index(), error.answered()), (ErrorKind::Rejected, None, 0));
        }
    }
    // Whether this is Centrifugo 1 is asked once.
    assert_eq!(paths(&server), ["/api/batch", "/api", "/api/batch", "/api/batch", "/api/batch"]);
    assert!(server.centrifugo().delivered().is_empty());
    let error = client.call(&invalid_publish()).unwrap_err();
    assert!(!error.rejects_whole_batch());
}

#[test]
fn rejected_batch_may_have_been_executed_before() {
    let (_server, mut client) = start(6);
    let [valid] = publishes(["a"]);
    let mut request = client.requests().batch(vec![valid, invalid_publish()]).unwrap();
    request.assume_sent();
    let error = client.send_request(&mut request).unwrap_err();
    assert_eq!((error.kind(), error.rejects_whole_batch()), (ErrorKind::OutcomeUnknown, true));
}

#[test]
fn lost_connection_while_halving_keeps_replies() {
    let [a, b, c, d] = publishes(["a", "b", "c", "d"]);
    let commands = [a, b, c, d, invalid_publish(), invalid_publish(), invalid_publish(), invalid_publish()];
    // The batch and the question for version 1; then a to d; then two of the others.
    let pass = || vec![Step::Execute, Step::SendRest];
    for (script, kind) in [
        (server::fail_during_response(0, Step::Close), ErrorKind::OutcomeUnknown),
        (respond_early(&Response::new(503)), ErrorKind::SafeToRetry),
    ] {
        let server = Server::version(6).script(pass()).script(pass()).script(pass()).script(script);
        let error = client_for(6, &server.address()).send_commands(&commands).unwrap_err();
        // To retry all of it would execute the first four again.
        assert_eq!((error.kind(), error.is_retryable()), (kind, false));
        assert_eq!((error.command_index(), error.answered(), error.replies().len()), (None, 4, 4));
        assert_eq!(server.centrifugo().delivered(), ["a", "b", "c", "d"]);
    }
}

#[test]
fn invalid_command_has_a_reply_in_legacy_form() {
    let [a, b] = publishes(["a", "b"]);
    let commands = [a, invalid_publish(), b];
    for major in [2, 3, 4] {
        let (server, mut client) = start(major);
        let replies = client.send_commands(&commands).unwrap();
        assert_eq!(replies[1].errors()[0].code(), Some(107));
        assert_eq!((server.requests().len(), server.centrifugo().delivered()), (2, vec!["a".into(), "b".into()]));
    }
}

#[test]
fn unordered_replies_keep_their_order() {
    let channels = ["plain:a", "nope:b", "c", "c"];
    for major in WITH_CURRENT_FORM {
        let (server, mut client) = start(major);
        let replies = send_unordered(&mut client, &publishes(channels)).unwrap();
        let offset = |reply: &Reply| reply.text().contains(r#""offset":2"#);
        assert_eq!(texts(&replies[..2]), [r#"{"result":{}}"#, r#"{"error":{"code":102,"message":"unknown channel"}}"#]);
        // The server began with the last one.
        assert_eq!([offset(&replies[2]), offset(&replies[3])], [true, false]);
        assert_eq!(server.centrifugo().delivered(), ["c", "c", "plain:a"]);
        send_unordered(&mut client, &publishes(["d"])).unwrap();
        client.send_commands(&publishes(["e", "f"])).unwrap();
        let bodies: Vec<bool> =
            server.requests().iter().map(|request| request.body_text().ends_with(r#"],"parallel":true}"#)).collect();
        assert_eq!((bodies, paths(&server)), (vec![true, true, false], vec!["/api/batch".to_owned(); 3]));
    }
}

#[test]
fn unordered_is_refused_before_anything_runs() {
    let commands = publishes(["a", "b"]);
    let hint = "concurrent batches need Centrifugo 5.2 or later";
    let refused = |client: &mut Client, server: &Server| {
        let error = send_unordered(client, &commands).unwrap_err();
        assert_eq!((error.kind(), error.answered()), (ErrorKind::Rejected, 0));
        assert!(error.to_string().starts_with(&format!("{}/api/batch: ", server.address())), "{error}");
        assert!(error.to_string().contains(hint), "{error}");
    };
    for major in [2, 3, 4] {
        let (server, mut client) = start(major);
        refused(&mut client, &server);
        // The second one tells an older server from a wrong path.
        assert_eq!(paths(&server), ["/api/batch", "/api"]);
        client.publish("c", &1).unwrap();
        // Now it is known.
        refused(&mut client, &server);
        assert_eq!(paths(&server), ["/api/batch", "/api", "/api/publish", "/api"]);
        assert_eq!(server.centrifugo().delivered(), ["c"]);
        let wrong_path = format!("{}/wrong", server.address());
        let error = send_unordered(&mut client_for(major, &wrong_path), &commands).unwrap_err().to_string();
        assert!(error.contains("check the path and port of the address") && !error.contains(hint), "{error}");
    }
    // A batch to a server with its API at the root is one bad command.
    for major in [2, 3, 4, 5, 6] {
        let server = Server::start(Centrifugo::version(major).at_root());
        refused(&mut client_for(major, &server.address()), &server);
        assert_eq!((paths(&server), server.centrifugo().delivered().len()), (vec!["/api/batch".to_owned()], 0));
    }
}
