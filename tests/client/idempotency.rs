//! Requests with idempotency keys.

use cent::{ErrorKind, IdempotencySupport, Repeat, Reply};

use super::{WITH_CURRENT_FORM, client_for, command, publishes};
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
    for (major, release, is_supported) in
        [(3, "3.2.3", false), (5, "5.1.0", false), (5, "5.2.0", true), (6, "6.9.1 OSS", true), (6, "0.0.0", true)]
    {
        let server = Server::start(Centrifugo::version(major).with_release(release));
        let support = client_for(major, &server.address()).idempotency_support().unwrap();
        assert_eq!(support == IdempotencySupport::Supported, is_supported, "{release}");
    }
    let server = Server::version(1).expect_no_connection();
    assert_eq!(client_for(1, &server.address()).idempotency_support().unwrap_err().kind(), ErrorKind::Invalid);
}
