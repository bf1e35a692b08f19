//! Requests with idempotency keys.

use std::time::Duration;

use cent::{ErrorKind, IdempotencySupport, Repeat, Reply};

use super::{WITH_CURRENT_FORM, client_for, command, paths, publishes};
use crate::server;
use crate::server::{ApiForm, Centrifugo, Response, Server, Step};

#[test]
fn keyed_request_is_executed_once() {
    for major in WITH_CURRENT_FORM {
        for fault in [vec![Step::Execute, Step::Close], vec![Step::ReadAll, Step::Close]] {
            let server = Server::version(major).script(fault);
            let mut client = client_for(major, &server.address());
            let key = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
            let commands = [command("publish", r#"{"channel":"news","data":1}"#).with_idempotency_key(key)];
            let mut request = client.requests().request(&commands[..]).unwrap();
            assert_eq!(request.repeat(), Repeat::Keys);
            assert_eq!(client.send_request(&mut request).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
            assert!(client.send_request(&mut request).unwrap()[0].errors().is_empty());
            assert_eq!(server.centrifugo().messages_as_text("news"), ["1"]);
            let bodies: Vec<_> = server.requests().iter().map(|request| request.body().to_vec()).collect();
            assert_eq!(bodies[0], bodies[1]);
        }
    }
}

#[test]
fn failure_after_unknown_attempt_is_unknown() {
    for form in ApiForm::ALL {
        let unauthorized = vec![Step::ReadAll, Step::respond(&Response::new(401))];
        let server = form.server().script_for(form, vec![Step::Execute, Step::Close]).script(unauthorized);
        let mut client = form.client(&server.address());
        let mut request = client.requests().request(publishes(["news"]).to_vec()).unwrap();
        assert_eq!(request.repeat(), Repeat::Nothing);
        assert_eq!(client.send_request(&mut request).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        let error = client.send_request(&mut request).unwrap_err();
        assert_eq!((error.kind(), error.is_repeatable()), (ErrorKind::OutcomeUnknown, false));
        assert_eq!(error.hint(), Some("an earlier attempt may have been executed: check before retrying"));
        // It is about this request only.
        client.send_commands(&publishes(["news"])).unwrap();
    }
}

#[test]
fn assumed_attempt_makes_rejection_unknown() {
    let server = Server::version(7);
    let mut client = client_for(7, &server.address());
    let mut request = client.requests().request(publishes(["nope:a"]).to_vec()).unwrap();
    let kind = |replies: Vec<Reply>| replies[0].errors()[0].kind();
    assert_eq!(kind(client.send_request(&mut request).unwrap()), ErrorKind::Rejected);
    request.assume_sent();
    assert_eq!(kind(client.send_request(&mut request).unwrap()), ErrorKind::OutcomeUnknown);
}

#[test]
fn support_of_keys_depends_on_version() {
    let unknown = |support: &IdempotencySupport| matches!(support, IdempotencySupport::UnknownVersion { .. });
    for (major, release, is_supported, is_unknown) in [
        (3, "3.2.3", false, false),
        (5, "v5.1.0", false, false),
        (5, "5.2.0", true, false),
        (6, "6.9.1 OSS", true, false),
        (6, "0.0.0 OSS", true, true),
        (5, "", true, true),
        // It has no form that could tell.
        (3, "0.0.0", false, true),
    ] {
        let server = Server::start(Centrifugo::version(major).with_release(release));
        let support = client_for(major, &server.address()).idempotency_support().unwrap();
        assert_eq!((support.is_supported(), unknown(&support)), (is_supported, is_unknown), "{release}");
        let asked = paths(&server).iter().any(|path| path == "/api/publish");
        assert_eq!((asked, server.centrifugo().executed()), (is_unknown && major > 4, vec!["info".to_owned()]));
    }
    let server = Server::version(1).expect_no_connection();
    assert_eq!(client_for(1, &server.address()).idempotency_support().unwrap_err().kind(), ErrorKind::Invalid);
    for info in [r#"{"result":{}}"#, r#"{"result":{"nodes":[]}}"#] {
        let server = Server::version(6).script(server::respond(&Response::json(info)));
        let support = client_for(6, &server.address()).idempotency_support().unwrap();
        assert_eq!((support.is_supported(), support), (false, IdempotencySupport::NoNodes), "{info}");
        assert_eq!(paths(&server), ["/api/info"]);
    }
}

/// Requests whose keys are relied on go to no server that has only the older form; others go on to.
#[test]
fn keys_that_are_relied_on_keep_the_form() {
    let key = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
    let [plain] = publishes(["a"]);
    let keyed = plain.clone().with_idempotency_key(key);
    let replaced = |asks: bool| {
        let server = Server::start(Centrifugo::version(6).with_release("6.9.1"));
        let mut client = client_for(6, &server.address());
        if asks {
            assert!(client.idempotency_support().unwrap().is_supported());
        } else {
            client.info().unwrap();
        }
        server.add_script(vec![Step::Replace(4, Some("4.1.3")), Step::Respond]);
        (server, client)
    };
    for commands in [&[keyed.clone()][..], &[keyed.clone(), keyed.clone()], &[keyed.clone(), command("channels", "{}")]]
    {
        let (server, mut client) = replaced(true);
        let error = client.send_commands(commands).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::SafeToRetry, true));
        assert_eq!(server.centrifugo().executed(), ["info"]);
        // The older form is known by then.
        client.send_commands(std::slice::from_ref(&plain)).unwrap();
        assert_eq!(client.send_commands(commands).unwrap_err().kind(), ErrorKind::SafeToRetry);
        assert_eq!(server.centrifugo().executed(), ["info", "publish"]);
        server.add_script(vec![Step::Replace(6, Some("6.9.1")), Step::Respond]);
        client.send_commands(commands).unwrap();
        assert_eq!(server.centrifugo().executed().len(), 2 + commands.len());

        let (server, mut client) = replaced(false);
        client.send_commands(commands).unwrap();
        assert_eq!(server.centrifugo().executed().len(), 1 + commands.len());
    }
    // One of these would not be sent again.
    let (server, mut client) = replaced(true);
    client.send_commands(&[keyed.clone(), plain.clone()]).unwrap();
    // The last answer counts.
    assert!(!client.idempotency_support().unwrap().is_supported());
    client.send_commands(std::slice::from_ref(&keyed)).unwrap();
    assert_eq!(server.centrifugo().executed(), ["info", "publish", "publish", "info", "publish"]);
    // A later version, of which a proxy passes the older path only.
    let not_found = || vec![Step::ReadAll, Step::respond(&Response::plain(404, "404 page not found"))];
    let server = Server::start(Centrifugo::version(6).with_release("6.9.1")).script(not_found());
    let mut client = client_for(6, &server.address());
    assert!(client.idempotency_support().unwrap().is_supported());
    client.send_commands(&[keyed]).unwrap();
    assert_eq!(paths(&server), ["/api/info", "/api", "/api"]);
}

#[test]
fn question_about_keys_has_two_answers() {
    let error = |code: u16| Response::json(format!(r#"{{"error":{{"code":{code},"message":"bad request"}}}}"#));
    let html = Response::new(400).header("Content-Type", "text/html").body("<html>");
    for (response, answer) in [
        (Response::plain(400, "Bad Request"), Ok(true)),
        (error(107), Ok(false)),
        (Response { status: 400, ..Response::json(r#"{"code":107,"message":"bad request"}"#) }, Ok(false)),
        (error(100), Err(ErrorKind::SafeToRetry)),
        (Response::json(r#"{"result":{}}"#), Err(ErrorKind::SafeToRetry)),
        (Response::new(401), Err(ErrorKind::Rejected)),
        (html, Err(ErrorKind::Rejected)),
        (Response::new(502), Err(ErrorKind::SafeToRetry)),
    ] {
        let server = Server::start(Centrifugo::version(6).with_release("0.0.0 OSS"));
        let server = server.script(vec![Step::Execute, Step::SendRest]).script(server::respond(&response));
        let support = client_for(6, &server.address()).idempotency_support();
        let answered = support.map(|support| support.is_supported()).map_err(|error| error.kind());
        assert_eq!(answered, answer, "{response:?}");
        assert_eq!(server.requests()[1].body_text(), r#"{"idempotency_key":1}"#);
    }
}

#[test]
fn attempt_can_have_less_time() {
    let server = Server::version(7).script(vec![Step::ReadAll, Step::Hang]);
    let mut client = client_for(7, &server.address()).with_timeout(Duration::from_secs(60));
    let mut request = client.requests().request(publishes(["a"]).to_vec()).unwrap();
    let error = client.send_request_within(&mut request, Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().contains("timed out after 0.05 s"), "{error}");
    // It is about that attempt only, and no other way round.
    assert!(client.send_request(&mut request).is_ok());
    let mut client = client.with_timeout(Duration::from_millis(50));
    server.add_script(vec![Step::ReadAll, Step::Hang]);
    let error = client.send_request_within(&mut request, Duration::from_secs(60)).unwrap_err();
    assert!(error.to_string().contains("timed out after 0.05 s"), "{error}");
}
