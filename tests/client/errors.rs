//! The kind of each failure, and the hint of a wrong credential.

use std::time::{Duration, Instant};

use cent::{Address, Client, Command, DEFAULT_TIMEOUT, ErrorKind, Proxy, Remedy};

use super::{
    ALL_VERSIONS, WITH_API_KEY, WITH_CURRENT_FORM, client_for, command, invalid_publish, paths, publish, publishes,
    requests_before, start, texts,
};
use crate::server;
use crate::server::{API_KEY, ApiForm, Centrifugo, ClosedPort, HangingServer, Response, SECRET, Server, Step};

#[test]
fn failures_have_expected_error_kind() {
    for major in ALL_VERSIONS {
        let closed = ClosedPort::bind();
        let error = client_for(major, &closed.address()).publish("news", &1).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::SafeToRetry, true));

        let hanging = HangingServer::start();
        let mut client = client_for(major, &hanging.address()).with_timeout(Duration::from_millis(300));
        let start = Instant::now();
        assert_eq!(publish(&mut client), Err(ErrorKind::OutcomeUnknown));
        assert!(start.elapsed() < DEFAULT_TIMEOUT);

        let engine_down = Server::start(Centrifugo::version(major).engine_down());
        assert_eq!(publish(&mut client_for(major, &engine_down.address())), Err(ErrorKind::OutcomeUnknown));

        for (response, kind) in [
            (Response::new(503), ErrorKind::SafeToRetry),
            (Response::new(503).body("busy"), ErrorKind::OutcomeUnknown),
            (Response::new(429), ErrorKind::SafeToRetry),
            (Response::new(302).header("Location", "/elsewhere"), ErrorKind::OutcomeUnknown),
            (Response::new(204), ErrorKind::OutcomeUnknown),
            (Response::json("<html>"), ErrorKind::OutcomeUnknown),
            (ApiForm::of_version(major).replies("{\"error\":null}", 2), ErrorKind::OutcomeUnknown),
        ] {
            let text = format!("{major} {response:?}");
            let server = Server::version(major).script_for(ApiForm::of_version(major), server::respond(&response));
            assert_eq!(publish(&mut client_for(major, &server.address())), Err(kind), "{text}");
            let questions = usize::from(response.status == 302);
            assert_eq!(server.requests().len(), 1 + requests_before(major) + questions, "{text}");
        }
    }
}

#[test]
fn missing_method_is_recognized_in_all_versions() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        let missing = if major == 1 { Command::info() } else { Command::stats() };
        let late = Command::map_stats("a");
        for command in [missing, late, Command::new("quux", "{}").unwrap()] {
            // Versions with this method have no such channel.
            let is_missing = major < 6 || command.method() != "map_stats";
            let error = client.call(&command).unwrap_err();
            assert_eq!((error.kind(), error.is_unknown_method()), (ErrorKind::Rejected, is_missing), "{major} {error}");
            let commands = [Command::publish("a", &1).unwrap(), command];
            match client.send_commands(&commands) {
                // Versions 1 to 4 have executed the publish, and would again.
                Err(error) => {
                    assert!(major < 5 && error.is_unknown_method() && !error.is_repeatable(), "{major} {error}");
                    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
                }
                Ok(replies) => assert_eq!(replies[1].errors()[0].is_unknown_method(), is_missing, "{major}"),
            }
        }
        assert!(!client.publish("nope:a", &1).unwrap_err().is_unknown_method());
        assert_eq!(server.centrifugo().executed(), ["publish"; 3], "{major}");
    }
    let wrong_path = Server::start(Centrifugo::version(6).with_prefix("/rt"));
    let error = client_for(6, &wrong_path.address()).publish("a", &1).unwrap_err();
    assert_eq!((error.status(), error.is_unknown_method()), (Some(404), false));
}

#[test]
fn sources_do_not_repeat_the_text() {
    let closed = ClosedPort::bind();
    let hanging = HangingServer::start();
    let server = Server::start(Centrifugo::version(6));
    server.centrifugo().publish("a", "{}");
    let mut client = client_for(6, &server.address());
    let history = client.history("a").unwrap();
    let unserializable = std::collections::BTreeMap::from([([1], 2)]);
    let garbage = Server::version(6).script(server::respond(&Response::json("<html>")));
    let errors = [
        client_for(6, &closed.address()).publish("a", &1).unwrap_err(),
        client_for(6, "http://no-such-host.invalid").publish("a", &1).unwrap_err(),
        client_for(6, &hanging.address()).with_timeout(Duration::from_millis(100)).publish("a", &1).unwrap_err(),
        client_for(6, &garbage.address()).publish("a", &1).unwrap_err(),
        history.publications[0].parse::<String>().unwrap_err(),
        client.call(&Command::info()).unwrap().parse::<bool>().unwrap_err(),
        Command::publish("a", &unserializable).unwrap_err(),
        client.publish("nope:a", &1).unwrap_err(),
    ];
    for error in errors {
        let mut shown = error.to_string().to_lowercase();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            let text = error.to_string().to_lowercase();
            let text = text.trim_start_matches("other: ").trim_start_matches("io: ");
            assert!(!shown.contains(text.split(" (").next().unwrap()), "{shown}\n{text}");
            shown += text;
            source = error.source();
        }
    }
}

#[test]
fn worst_error_of_reply_decides_kind() {
    let refused = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
    let unknown = r#"{"error":{"code":100,"message":"internal server error"}}"#;
    for results in [[refused, unknown, refused], [unknown, refused, refused], [refused, refused, unknown]] {
        let reply = Response::json(format!(r#"{{"result":{{"responses":[{}]}}}}"#, results.join(",")));
        let server = Server::start(Centrifugo::version(6)).script(server::respond(&reply));
        let broadcast = client_for(6, &server.address()).broadcast(["a:a", "b", "c:c"], &1).unwrap();
        let error = broadcast.into_result().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{results:?}");
        assert!(error.to_string().contains("internal server error (100)"), "{error}");
    }
}

#[test]
fn wrong_credential_is_rejected_at_any_size() {
    for (major, size) in [(1, 10), (4, 10), (4, 8 << 20), (6, 10), (6, 8 << 20)] {
        let server = Server::start(Centrifugo::version(major).with_credential("another"));
        let error = client_for(major, &server.address()).publish("news", &"x".repeat(size)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{major} {size}: {error}");
        assert!(error.to_string().contains("(401)"), "{error}");
        assert_eq!(server.centrifugo().delivered(), [""; 0]);
    }
}

#[test]
fn wrong_credential_type_names_correct_one() {
    for major in WITH_API_KEY {
        let server = Server::version(major);
        let error = Client::new(&server.address(), SECRET).unwrap().publish("news", &1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("use an API key instead of a secret"), "{major} {error}");
    }
    let server = Server::version(1);
    let mut client = Client::with_api_key(&server.address(), API_KEY).unwrap();
    for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
        let error = client.send_commands(commands).unwrap_err();
        assert_eq!((error.kind(), error.command_index()), (ErrorKind::Rejected, None));
        assert!(error.to_string().contains("use a secret instead of an API key"), "{error}");
    }
    assert_eq!(paths(&server), ["/api/publish", "/api", "/api/batch", "/api"]);
    assert!(server.centrifugo().executed().is_empty());
}

#[test]
fn remedies_are_the_settings_in_the_hint() {
    let [v1, v6] = [1, 6].map(Server::version);
    let moved = Response::new(302).header("Location", "http://elsewhere.example/");
    let moved = vec![Step::ReadAll, Step::respond(&moved)];
    let moved = Server::version(6).script(moved.clone()).script(moved);
    let with_key = |server: &Server, key: &str| Client::with_api_key(&server.address(), key).unwrap();
    let tunnel = Server::version(6).script(server::respond(&Response::new(403)));
    let strict = Server::version(6).script(server::respond(
        &Response::new(400).header("Content-Type", "text/html").body("No required SSL certificate was sent"),
    ));
    let proxied = Client::with_api_key("https://rt.invalid", API_KEY).unwrap();
    let proxied = proxied.with_proxy(tunnel.address().parse().unwrap());
    for (mut client, remedies) in [
        (with_key(&v1, API_KEY), vec![Remedy::UseSecret]),
        (Client::new(&v6.address(), SECRET).unwrap(), vec![Remedy::UseApiKey]),
        (with_key(&v6, "another"), vec![Remedy::CorrectApiKey]),
        (Client::new(&v1.address(), "x ; y").unwrap(), vec![Remedy::RemoveComment]),
        (with_key(&moved, API_KEY), vec![Remedy::UseFinalUrl]),
        (with_key(&strict, API_KEY), vec![Remedy::SetClientCertificate]),
        (proxied, vec![Remedy::AvoidProxy]),
    ] {
        let error = client.publish("news", &1).unwrap_err();
        assert_eq!(error.remedies().collect::<Vec<_>>(), remedies, "{error}");
        assert!(remedies.iter().all(|remedy| error.hint().unwrap().contains(remedy.text())), "{error}");
    }
    for (error, remedies) in [
        (Address::parse("http://a@h").unwrap_err(), vec![Remedy::RemoveCredentials]),
        (Address::parse("http://h:x").unwrap_err(), vec![]),
        (Proxy::parse("socks5://h").unwrap_err(), vec![Remedy::CorrectProxy]),
    ] {
        assert_eq!(error.remedies().collect::<Vec<_>>(), remedies, "{error}");
    }
}

#[test]
fn bad_request_of_later_version_does_not_name_secret() {
    for major in WITH_CURRENT_FORM {
        for centrifugo in [Centrifugo::version(major), Centrifugo::version(major).insecure()] {
            let server = Server::start(centrifugo);
            let mut client = client_for(major, &server.address());
            for commands in [&[invalid_publish()][..], &[invalid_publish(), invalid_publish()]] {
                let error = client.send_commands(commands).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Rejected);
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            assert!(server.centrifugo().executed().is_empty());
        }
    }
}

#[test]
fn unwritable_reply_means_that_all_was_executed() {
    for major in WITH_CURRENT_FORM {
        let (server, mut client) = start(major);
        server.centrifugo().publish_binary("bin", b"\xff");
        let history = || command("history", r#"{"channel":"bin","limit":-1}"#);
        assert_eq!(client.send_commands(&[history()]).unwrap_err().kind(), ErrorKind::SafeToRetry);
        let [a, b] = publishes(["a", "b"]);
        let error = client.send_commands(&[a, history(), b]).unwrap_err();
        assert_eq!((error.kind(), error.answered()), (ErrorKind::OutcomeUnknown, 0));
        assert_eq!(server.centrifugo().delivered(), ["bin", "a", "b"]);
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn transport_mode_errors_are_replies() {
    for major in WITH_CURRENT_FORM {
        let server = Server::start(Centrifugo::version(major).transport_errors());
        let mut client = client_for(major, &server.address());
        let since = r#"{"channel":"a","limit":1,"since":{"offset":1,"epoch":"x"}}"#;
        for (method, params, text) in [
            ("publish", r#"{"channel":"nope:x","data":1}"#, r#"{"error":{"code":102,"message":"unknown channel"}}"#),
            ("rpc", r#"{"method":"x"}"#, r#"{"error":{"code":104,"message":"not found"}}"#),
            ("publish", r#"{"channel":"a","b64data":"!"}"#, r#"{"error":{"code":107,"message":"bad request"}}"#),
            ("presence", r#"{"channel":"plain:x"}"#, r#"{"error":{"code":108,"message":"not available"}}"#),
            ("history", since, r#"{"error":{"code":112,"message":"unrecoverable position"}}"#),
        ] {
            let replies = client.send_commands(&[command(method, params)]).unwrap();
            assert_eq!(texts(&replies), [text], "{major}");
            let errors: Vec<_> = replies[0].errors().iter().map(cent::ReplyError::kind).collect();
            assert_eq!(errors, [ErrorKind::Rejected]);
        }
        // The first 404 was an answer in this form.
        let asked = ["/api/publish", "/api/rpc", "/api/publish", "/api/presence", "/api/history"];
        assert_eq!(paths(&server), asked);
        let replies = client.send_commands(&publishes(["nope:x", "a"])).unwrap();
        assert_eq!(replies[0].errors()[0].code(), Some(102));
        assert_eq!(server.centrifugo().delivered(), ["a"]);

        let server = Server::start(Centrifugo::version(major).transport_errors().engine_down());
        let mut client = client_for(major, &server.address());
        let replies = client.send_commands(&publishes(["a"])).unwrap();
        assert_eq!(texts(&replies), [r#"{"error":{"code":100,"message":"internal server error"}}"#]);
        assert_eq!(replies[0].errors()[0].kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(paths(&server), ["/api/publish"]);
    }
}
