//! What is sent: queued commands, params, methods, and what is refused.

use cent::{Client, Command, ErrorKind};
use serde_json::json;

use super::{ALL_VERSIONS, WITH_API_KEY, client_for, command, publish, publishes, requests_before, start};
use crate::server;
use crate::server::{API_KEY, ApiForm, Centrifugo, SECRET, Server, Step};

#[test]
fn queued_commands_share_one_request_in_order() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        for n in 0..3 {
            client.add("publish", &json!({"channel": format!("c{n}"), "data": n})).unwrap();
        }
        client.add("publish", &json!({"channel": "nope:x", "data": 3})).unwrap();
        client.add("presence", &json!({"channel": "c0"})).unwrap();
        let replies = client.send().unwrap();
        let errors: Vec<usize> = replies.iter().map(|reply| reply.errors().len()).collect();
        assert_eq!(errors, [0, 0, 0, 1, 0], "{major}");
        let error = &replies[3].errors()[0];
        assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, (major > 1).then_some(102)));
        assert_eq!(error.message(), if major < 3 { "namespace not found" } else { "unknown channel" });
        assert!(replies[4].text().contains("{}"), "{}", replies[4].text());
        assert_eq!(server.centrifugo().delivered(), ["c0", "c1", "c2"]);
        assert_eq!(server.requests().len(), 1 + requests_before(major));
        // The queue is empty.
        assert_eq!(client.send().unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn params_are_sent_verbatim() {
    let data = r#"{"a" : 1.0,"b":1e400,"d":1234567890123456789012345678901234567890,"z":"\ud800","a":2}"#;
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        let commands = [
            Command::new("publish", format!(r#"{{"channel":"a","data":{data}}}"#)).unwrap(),
            Command::new("history", r#"{"channel":"a","limit":-1}"#).unwrap(),
        ];
        let replies = client.send_commands(&commands).unwrap();
        assert_eq!(server.centrifugo().messages_as_text("a"), [data], "{major}");
        let written = data.replace(' ', "");
        assert!(replies[1].text().contains(&written), "{}", replies[1].text());
    }
}

#[test]
fn failed_send_empties_queue() {
    for (failing, major) in [(Step::Close, 1), (Step::Reset, 4), (Step::Close, 4), (Step::Reset, 6)] {
        let form = ApiForm::of_version(major);
        let server = Server::version(major).script_for(form, server::fail_during_request(1, failing));
        let mut client = client_for(major, &server.address());
        client.add("publish", &json!({"channel": "lost", "data": 1})).unwrap();
        assert_eq!(client.send().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        client.add("publish", &json!({"channel": "next", "data": 1})).unwrap();
        assert_eq!(client.send().unwrap().len(), 1);
        assert_eq!(server.centrifugo().delivered(), ["next"]);
    }
}

#[test]
fn helper_call_keeps_queue() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        client.add("publish", &json!({"channel": "queued", "data": 1})).unwrap();
        client.publish("at once", &1).unwrap();
        client.publish("nope:x", &1).unwrap_err();
        assert_eq!(server.centrifugo().delivered(), ["at once"]);
        assert_eq!(client.send().unwrap().len(), 1);
        assert_eq!(server.centrifugo().delivered(), ["at once", "queued"]);
    }
}

#[test]
fn invalid_input_sends_nothing() {
    for major in ALL_VERSIONS {
        let server = Server::start(Centrifugo::version(major)).expect_no_connection();
        let mut client = client_for(major, &server.address());
        let assert_invalid =
            |result: Result<(), cent::Error>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Invalid);
        assert_invalid(client.add("", &json!({})));
        assert_invalid(client.add("publish", &[1]));
        assert_invalid(client.publish("", &1).map(drop));
        assert_invalid(client.broadcast([""; 0], &1).map(drop));
        client.add("disconnect", &json!({})).unwrap();
        assert_invalid(client.send().map(drop));
    }
    for address in ["localhost:8000", "ftp://localhost", "http://user:marked@localhost"] {
        assert_eq!(Client::new(address, SECRET).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(Client::with_api_key("http://localhost", "a b").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn request_of_another_client_is_refused() {
    let other = Server::version(6).expect_no_connection();
    let commands = publishes(["a"]);
    for client in [
        Client::with_api_key("http://localhost:1", API_KEY),
        Client::with_api_key(&format!("{}/rt", other.address()), API_KEY),
        Client::with_api_key(&other.address(), "another-key"),
        Client::new(&other.address(), SECRET),
    ] {
        let built_by = client.unwrap();
        let mut request = built_by.requests().request(&commands).unwrap();
        let error = client_for(6, &other.address()).send_request(&mut request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("was built for another server"), "{error}");
        assert!(!error.to_string().contains("key"), "{error}");
    }
    // One of another client of the same server is none of those.
    let (server, mut client) = start(6);
    let builder = client_for(6, &server.address()).requests().clone();
    let mut request = builder.request(&commands).unwrap();
    assert!(client.send_request(&mut request).is_ok());
}

#[test]
fn method_is_sent_in_lower_case() {
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        let publish = || command("PUBLISH", r#"{"channel":"a","data":1}"#);
        client.send_commands(&[publish()]).unwrap();
        client.send_commands(&[publish(), publish()]).unwrap();
        assert_eq!(server.requests()[0].path, "/api/publish");
        if major > 4 {
            let one = r#"{"publish":{"channel":"a","data":1}}"#;
            assert_eq!(server.requests()[1].body_text(), format!(r#"{{"commands":[{one},{one}]}}"#));
        }
        assert_eq!(server.requests().len(), 2 + requests_before(major));
        assert_eq!(server.centrifugo().executed(), ["publish"; 3]);
    }
}

#[test]
fn invalid_method_name_sends_nothing() {
    let server = Server::version(6).expect_no_connection();
    let mut client = client_for(6, &server.address());
    for method in ["batch", "Batch", "a/b", "..", "a b", "a?b", "é"] {
        let [publish] = publishes(["a"]);
        for commands in [&[command(method, "{}")][..], &[publish, command(method, "{}")]] {
            assert_eq!(client.send_commands(commands).unwrap_err().kind(), ErrorKind::Invalid, "{method}");
        }
    }
    // Centrifugo 1 has it in the body.
    let (server, mut client) = start(1);
    assert_eq!(client.send_commands(&[command("a/b", "{}")]).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn path_prefix_is_kept() {
    for major in ALL_VERSIONS {
        let server = Server::start(Centrifugo::version(major).with_prefix("/rt"));
        for path in ["/rt", "/rt/", "/rt/api", "/rt/api/"] {
            let mut client = client_for(major, &format!("{}{path}", server.address()));
            assert!(publish(&mut client).is_ok(), "{major} {path}");
        }
    }
}

#[test]
fn debug_output_hides_credentials() {
    for major in ALL_VERSIONS {
        let server = Server::start(Centrifugo::version(major).with_credential("another"));
        let mut client = client_for(major, &server.address());
        let before = format!("{client:?}");
        let error = client.publish("news", &1).unwrap_err();
        let printed = format!("{before} {client:?} {error} {error:?}");
        for request in server.requests() {
            let credential =
                request.header("X-API-Sign").or(request.header("Authorization")).expect("the request has a credential");
            for hidden in [SECRET, API_KEY, credential] {
                assert!(!printed.contains(hidden), "{printed}");
            }
        }
    }
}
