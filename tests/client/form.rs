//! Which form of the API the server speaks: found once, and never at the price of a second execution.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cent::{ErrorKind, Event};

use super::{
    ALL_VERSIONS, WITH_API_KEY, WITH_CURRENT_FORM, client_for, command, invalid_publish, paths, publish, publishes,
    requests_before, respond_early, send_batch, start,
};
use crate::server;
use crate::server::ApiForm::Legacy;
use crate::server::{ApiForm, Centrifugo, Response, Server, Step};

/// The wire of each version: one request for each call, and one more for the first call to a server of version 2 to 4.
#[test]
fn form_of_server_is_remembered() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        client.publish("a", &1).unwrap();
        client.publish("b", &2).unwrap();
        client.send_commands(&publishes(["c", "d"])).unwrap();
        send_batch(&mut client, &publishes(["e"])).unwrap();
        let expected = match major {
            1 => &["/api/", "/api/", "/api/", "/api/"][..],
            2..=4 => &["/api/publish", "/api", "/api", "/api", "/api"],
            _ => &["/api/publish", "/api/publish", "/api/batch", "/api/batch"],
        };
        assert_eq!(paths(&server), expected, "{major}");
        assert_eq!(server.connections(), 1);
        assert_eq!(server.centrifugo().delivered(), ["a", "b", "c", "d", "e"]);
    }
}

#[test]
fn first_call_can_be_a_batch() {
    for major in ALL_VERSIONS {
        let (server, mut client) = start(major);
        assert_eq!(send_batch(&mut client, &publishes(["plain:a"])).unwrap().len(), 1);
        client.publish("b", &2).unwrap();
        let expected = match major {
            1 => &["/api/", "/api/"][..],
            2..=4 => &["/api/batch", "/api", "/api"],
            _ => &["/api/batch", "/api/publish"],
        };
        assert_eq!(paths(&server), expected, "{major}");
        assert_eq!((server.connections(), server.centrifugo().delivered()), (1, vec!["plain:a".into(), "b".into()]));
    }
}

#[test]
fn request_built_before_fallback_is_sent_in_legacy_form() {
    let (server, mut client) = start(4);
    let commands = publishes(["b"]);
    let mut early = client.requests().request(&commands).unwrap();
    assert_eq!(early.url(), format!("{}/api/publish", server.address()));
    client.publish("a", &1).unwrap();
    client.send_request(&mut early).unwrap();
    assert_eq!(early.url(), format!("{}/api", server.address()));
    assert_eq!(paths(&server), ["/api/publish", "/api", "/api"]);
    assert_eq!(server.centrifugo().delivered(), ["a", "b"]);
}

#[test]
fn log_tells_of_both_forms() {
    let events = Arc::<Mutex<Vec<String>>>::default();
    let (server, client) = start(3);
    let log = Arc::clone(&events);
    let mut client = client.with_log(move |event| {
        log.lock().unwrap().push(match event {
            Event::Request { url, body_bytes, .. } => format!("{url} {body_bytes}"),
            Event::Response { status, body_bytes, .. } => format!("{status} {body_bytes}"),
            event => format!("{event:?}"),
        });
    });
    client.publish("plain:a", &1).unwrap();
    let address = server.address();
    let expected = [format!("{address}/api/publish 30"), "404 19".into(), format!("{address}/api 60"), "200 13".into()];
    assert_eq!(*events.lock().unwrap(), expected);
}

#[test]
fn fallback_shares_the_timeout() {
    // A slow 404, byte by byte, then no response.
    let slow_404 = vec![Step::Execute, Step::SendSlowly(Duration::from_millis(2))];
    let server = Server::version(3).script(slow_404).script(vec![Step::Hang]);
    let times = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&times);
    let timeout = Duration::from_secs(2);
    let mut client = client_for(3, &server.address()).with_timeout(timeout).with_log(move |event| match event {
        Event::Response { elapsed, .. } | Event::NoResponse { elapsed, .. } => log.lock().unwrap().push(*elapsed),
        _ => {}
    });
    let error = client.publish("news", &1).unwrap_err();
    assert!(error.to_string().contains("timed out after 2 s waiting for a response"), "{error}");
    let times = times.lock().unwrap();
    let [first, second] = times[..] else { panic!("{times:?}") };
    assert!(second < timeout, "{first:?} {second:?}");
}

/// Pages of proxies: none has an error of the API.
fn pages() -> [Response; 8] {
    let html = |status| Response::new(status).header("Content-Type", "text/html; charset=utf-8").body("<html></html>");
    let json = |body: &str| Response { status: 404, ..Response::json(body) };
    [
        Response::new(404),
        Response::new(404).header("Content-Type", "text/plain; charset=utf-8").body("404 page not found\n"),
        html(403),
        html(404),
        html(405),
        json(r#"{"message":"no Route matched with those values"}"#),
        json(r#"{"code":404,"message":"no Route matched"}"#),
        Response::new(200),
    ]
}

/// The server executes the request, and a proxy sends this instead of the response.
fn replace_response(page: &Response) -> server::Script {
    vec![Step::Execute, Step::respond(page)]
}

#[test]
fn missing_current_form_is_followed_by_legacy() {
    for (commands, path) in [(&publishes(["a"])[..], "/api/publish"), (&publishes(["a", "b"]), "/api/batch")] {
        let server = Server::version(6).script(respond_early(&Response::plain(404, "404 page not found")));
        let mut client = client_for(6, &server.address());
        assert_eq!(client.send_commands(commands).unwrap().len(), commands.len());
        client.publish("last", &1).unwrap();
        assert_eq!(paths(&server), [path, "/api", "/api"]);
        assert_eq!(server.centrifugo().executed().len(), commands.len() + 1);
    }
}

#[test]
fn path_that_a_proxy_does_not_pass_is_followed_by_legacy() {
    for page in &pages() {
        for (commands, path) in [(&publishes(["a"])[..], "/api/publish"), (&publishes(["a", "b"]), "/api/batch")] {
            let server = Server::version(6).script(respond_early(page)).script(vec![Step::Execute, Step::SendRest]);
            let server = server.script(vec![Step::ReadAll, Step::respond(page)]);
            let mut client = client_for(6, &server.address());
            assert_eq!(client.send_commands(commands).unwrap().len(), commands.len(), "{page:?}");
            client.publish("last", &1).unwrap();
            assert_eq!(paths(&server), [path, "/api", path, "/api", "/api"], "{page:?}");
            assert_eq!(server.centrifugo().executed().len(), commands.len() + 1);
            let questions = &server.requests()[1..3];
            assert!(questions.iter().all(|question| question.body().is_empty()));
        }
    }
}

#[test]
fn page_in_the_place_of_a_response_is_unknown() {
    for page in &pages() {
        for major in [1, 2, 5, 6, 7] {
            for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
                let form = ApiForm::of_version(major);
                let server = Server::version(major).script_for(form, replace_response(page));
                let error = client_for(major, &server.address()).send_commands(commands).unwrap_err();
                assert_eq!(
                    (error.kind(), error.is_repeatable()),
                    (ErrorKind::OutcomeUnknown, true),
                    "{major} {page:?}"
                );
                assert!(!error.to_string().contains("no Centrifugo"), "{error}");
                assert_eq!(server.centrifugo().executed().len(), commands.len());
                // The older form came after a 404 of the server's own, and is asked about once.
                let questions = match form {
                    ApiForm::Current => 2,
                    // Caddy does not pass paths of the current form.
                    _ if page.status == 200 => 0,
                    Legacy if commands.len() == 1 => 2,
                    _ => 1,
                };
                assert_eq!(server.requests().len(), form.requests_before() + 1 + questions, "{:?}", paths(&server));
            }
            let form = ApiForm::of_version(major);
            let server = Server::version(major).script_for(form, replace_response(page));
            let error = client_for(major, &server.address()).history("news").unwrap_err();
            assert_eq!(
                (error.kind(), error.hint()),
                (ErrorKind::SafeToRetry, Some("the method only reads: safe to retry"))
            );
        }
    }
}

#[test]
fn page_at_another_address_names_the_address() {
    for page in &pages() {
        for major in [1, 6].into_iter().filter(|&major| major > 1 || page.status != 200) {
            let everywhere = || vec![Step::ReadAll, Step::respond(page)];
            let server = Server::version(major).script(everywhere()).script(everywhere()).script(everywhere());
            let error = client_for(major, &server.address()).publish("news", &1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
            let hint = "no Centrifugo responds at this address: check it; if it is right, the command may have been \
                        executed: check before retrying";
            assert_eq!(error.hint(), Some(hint));
            let server = server.script(everywhere()).script(everywhere()).script(everywhere());
            let error = client_for(major, &server.address()).history("news").unwrap_err();
            let hint = "no Centrifugo responds at this address: check it";
            assert_eq!((error.kind(), error.hint()), (ErrorKind::SafeToRetry, Some(hint)));
        }
    }
}

#[test]
fn check_asks_at_the_path_of_batches_behind_a_page() {
    for page in &pages() {
        for major in [1, 6].into_iter().filter(|&major| major > 1 || page.status != 200) {
            let answer = vec![Step::Execute, Step::SendRest];
            let everywhere = vec![Step::ReadAll, Step::respond(page)];
            let check = |last: &server::Script| {
                // To the read-only call, and to the two questions about the page, of which Centrifugo 1 gets one.
                let server = (0..if major == 1 { 2 } else { 3 })
                    .fold(Server::version(major), |server, _| server.script(everywhere.clone()));
                let server = server.script(last.clone());
                let result = client_for(major, &server.address()).check_server();
                let path = if major == 1 { "/api/" } else { "/api/batch" };
                assert_eq!(
                    (paths(&server).last().unwrap().as_str(), server.requests().len()),
                    (path, if major == 1 { 3 } else { 4 })
                );
                assert_eq!(server.requests().last().unwrap().body(), b"");
                assert_eq!(server.centrifugo().executed().len(), 0);
                result.map_err(|error| (error.kind(), error.status()))
            };
            assert_eq!(check(&answer), Ok(()), "{page:?}");
            let unauthorized = vec![Step::ReadAll, Step::respond(&Response::new(401))];
            assert_eq!(check(&unauthorized), Err((ErrorKind::Rejected, Some(401))), "{page:?}");
            assert_eq!(check(&everywhere), Err((ErrorKind::SafeToRetry, Some(page.status))), "{page:?}");
        }
    }
    // Any other failure decides by itself.
    let server = Server::version(6).script(respond_early(&Response::new(401)));
    let error = client_for(6, &server.address()).check_server().unwrap_err();
    assert_eq!((error.kind(), paths(&server)), (ErrorKind::Rejected, vec!["/api/info".to_owned()]));
}

/// A redirect of an empty request to the same path, too, proves that nothing was executed.
#[test]
fn redirect_is_questioned_once() {
    use ErrorKind::{OutcomeUnknown, Rejected};
    let moved = |status| Response::new(status).header("Location", "https://status.example.org/");
    let decline = |response: &Response| vec![Step::ReadAll, Step::respond(response)];
    let answer = vec![Step::Execute, Step::SendRest];
    for major in ALL_VERSIONS {
        let form = ApiForm::of_version(major);
        for (question, kind) in [
            (decline(&moved(302)), Rejected),
            (decline(&moved(301)), OutcomeUnknown),
            (answer.clone(), OutcomeUnknown),
            (decline(&Response::new(401)), OutcomeUnknown),
            (decline(&Response::new(502)), OutcomeUnknown),
            (decline(&Response::new(404)), OutcomeUnknown),
            (vec![Step::ReadAll, Step::Close], OutcomeUnknown),
        ] {
            for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
                let first = if kind == Rejected { decline(&moved(302)) } else { replace_response(&moved(302)) };
                let server = Server::version(major).script_for(form, first).script(question.clone());
                let error = client_for(major, &server.address()).send_commands(commands).unwrap_err();
                assert_eq!((error.kind(), error.status()), (kind, Some(302)), "{major} {question:?}");
                assert!(error.message().starts_with("redirected (302) to https://status.example.org/"), "{error}");
                let asked = paths(&server);
                assert_eq!(asked.len(), form.requests_before() + 2, "{asked:?}");
                assert_eq!(asked[asked.len() - 1], asked[asked.len() - 2]);
                assert_eq!(server.requests()[asked.len() - 1].body(), b"");
            }
        }
        // Centrifugo has answered before.
        let (server, mut client) = start(major);
        client.publish("news", &1).unwrap();
        let requests = server.requests().len();
        server.add_script(replace_response(&moved(302)));
        assert_eq!(publish(&mut client), Err(OutcomeUnknown));
        server.add_script(replace_response(&moved(302)));
        assert_eq!(client.history("news").unwrap_err().kind(), ErrorKind::SafeToRetry);
        assert_eq!(server.requests().len(), requests + 2, "{major}");
    }
}

/// As behind a proxy that redirects all paths but that of batches.
#[test]
fn check_asks_at_the_path_of_batches_behind_a_redirect() {
    let moved = vec![Step::ReadAll, Step::respond(&Response::new(302).header("Location", "https://www.example.org/"))];
    let server = Server::version(6).script(moved.clone()).script(moved.clone());
    assert_eq!(client_for(6, &server.address()).check_server().map_err(|error| error.kind()), Ok(()));
    assert_eq!(paths(&server), ["/api/info", "/api/info", "/api/batch"]);
    let server = Server::version(6).script(moved.clone()).script(moved.clone()).script(moved);
    let error = client_for(6, &server.address()).check_server().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Rejected, Some(302)));
}

/// Nothing but an answer of Centrifugo and the page again prove that nothing was executed.
#[test]
fn lost_question_about_a_page_proves_nothing() {
    let page = &pages()[2];
    let (lost, error) = (vec![Step::ReadAll, Step::Close], vec![Step::ReadAll, Step::respond(&Response::new(502))]);
    let (answer, again) = (vec![Step::Execute, Step::SendRest], vec![Step::ReadAll, Step::respond(page)]);
    let other = vec![Step::ReadAll, Step::respond(&pages()[3])];
    for (first, second) in [
        (&lost, &again),
        (&error, &again),
        (&other, &again),
        (&answer, &lost),
        (&answer, &error),
        (&answer, &other),
        (&answer, &answer),
        (&lost, &answer),
    ] {
        let server = Server::version(6).script(replace_response(page)).script(first.clone()).script(second.clone());
        assert_eq!(publish(&mut client_for(6, &server.address())), Err(ErrorKind::OutcomeUnknown));
        assert_eq!(paths(&server), ["/api/publish", "/api", "/api/publish"]);
        assert_eq!(server.centrifugo().executed(), ["publish"]);
    }
}

#[test]
fn other_responses_are_not_followed_by_legacy() {
    use ErrorKind::{OutcomeUnknown, Rejected, SafeToRetry};
    for (response, kind) in [
        (Response::new(401), Rejected),
        (Response::new(410).header("Content-Type", "text/html"), Rejected),
        (Response::new(301).header("Location", "/api/"), Rejected),
        (Response::new(400).header("Content-Type", "text/html").body("<html></html>"), Rejected),
        (Response::new(429), SafeToRetry),
        (Response::new(503), SafeToRetry),
        // After the whole body this says that everything was executed.
        (Response::plain(500, "Internal Server Error"), OutcomeUnknown),
        (Response::new(204), OutcomeUnknown),
        (Response::json("{}"), OutcomeUnknown),
    ] {
        for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
            let server = Server::version(6).script(respond_early(&response));
            let result = client_for(6, &server.address()).send_commands(commands);
            let found = match &result {
                Err(error) => error.kind(),
                // One `{}` is printed, but not understood.
                Ok(replies) => replies[0].errors()[0].kind(),
            };
            assert_eq!((found, server.requests().len()), (kind, 1), "{response:?}");
        }
    }
}

#[test]
fn lost_connection_is_not_followed_by_legacy() {
    for script in [
        server::fail_during_request(100, Step::Close),
        server::fail_during_response(0, Step::Close),
        server::fail_during_response(0, Step::Reset),
        server::fail_during_response(30, Step::Close),
    ] {
        for major in WITH_API_KEY {
            for commands in [&publishes(["a"])[..], &publishes(["a", "b"])] {
                let server = Server::version(major).script(script.clone());
                let error = client_for(major, &server.address()).send_commands(commands).unwrap_err();
                assert_eq!((error.kind(), server.requests().len()), (ErrorKind::OutcomeUnknown, 1));
            }
        }
    }
}

#[test]
fn lost_connection_after_fallback_is_unknown() {
    for script in [server::fail_during_request(100, Step::Close), server::fail_during_response(0, Step::Reset)] {
        let executed = usize::from(script.contains(&Step::Execute));
        let server = Server::version(4).script_for(Legacy, script);
        let mut client = client_for(4, &server.address());
        assert_eq!(publish(&mut client), Err(ErrorKind::OutcomeUnknown));
        assert_eq!(paths(&server), ["/api/publish", "/api"]);
        assert_eq!(server.centrifugo().executed().len(), executed);
    }
}

#[test]
fn large_body_is_delivered_once() {
    for major in [2, 3, 4] {
        let (server, mut client) = start(major);
        client.publish("news", &"x".repeat(8 << 20)).unwrap();
        assert_eq!(paths(&server), ["/api/publish", "/api"]);
        // The server closes a connection on which it did not read the body.
        assert_eq!((server.connections(), server.centrifugo().delivered().len()), (2, 1));
    }
}

#[test]
fn api_at_root_is_found() {
    for major in [2, 3, 4, 5, 6] {
        for (commands, first) in [
            (&publishes(["a"])[..], &["/api/publish", "/api/batch", "/api"][..]),
            (&publishes(["a", "b"]), &["/api/batch", "/api"]),
        ] {
            let server = Server::start(Centrifugo::version(major).at_root());
            let mut client = client_for(major, &server.address());
            assert_eq!(client.send_commands(commands).unwrap().len(), commands.len());
            client.publish("last", &1).unwrap();
            assert_eq!(paths(&server), [first, &["/api"]].concat(), "{major}");
            assert_eq!(server.connections(), 1);
            assert_eq!(server.centrifugo().delivered().len(), commands.len() + 1);
        }
    }
    let server = Server::start(Centrifugo::version(7).at_root());
    let error = client_for(7, &server.address()).publish("news", &1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("check the path"), "{error}");
}

/// One command that fails like every command to a server with its API at the root.
#[test]
fn rejected_params_are_no_sign_of_the_root() {
    for major in WITH_CURRENT_FORM {
        let (server, mut client) = start(major);
        let invalid = [command("publish", r#"{"channel":"a","b64data":"!"}"#)];
        let replies = client.send_commands(&invalid).unwrap();
        assert_eq!(replies[0].errors()[0].code(), Some(107));
        client.send_commands(&invalid).unwrap();
        // The second one asks, with a batch of no commands; then it is known.
        assert_eq!(paths(&server), ["/api/publish", "/api/batch", "/api/publish"]);
        assert_eq!(server.requests()[1].body_text(), r#"{"commands":[]}"#);
    }
}

#[test]
fn unknown_method_is_rejected() {
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        let error = client.send_commands(&[command("publsh", "{}")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let path = if major < 7 { "/api" } else { "/api/publsh" };
        let start = format!("{}{path}: ", server.address());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(error.to_string().ends_with("; did you mean publish?"), "{error}");
        let asked = if major < 7 { &["/api/publsh", "/api"][..] } else { &["/api/publsh", "/api", "/api/batch"] };
        assert_eq!(paths(&server), asked, "{major}");
        // It says nothing about the form.
        client.publish("news", &1).unwrap();
        let then = if major < 5 { &["/api/publish", "/api"][..] } else { &["/api/publish"] };
        assert_eq!(paths(&server), [asked, then].concat());
        assert_eq!(server.centrifugo().executed(), ["publish"]);
    }
}

#[test]
fn unknown_method_in_batch_has_a_reply() {
    let [first, last] = publishes(["a", "b"]);
    let commands = [first, command("publsh", "{}"), last];
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        let result = client.send_commands(&commands);
        if major < 5 {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
            assert_eq!(server.centrifugo().delivered(), ["a"]);
        } else {
            let errors: Vec<_> = result.unwrap().iter().map(|reply| reply.errors().first().cloned()).collect();
            let [None, Some(error), None] = &errors[..] else { panic!("{errors:?}") };
            assert_eq!((error.code(), error.kind()), (Some(104), ErrorKind::Rejected));
            assert!(error.to_string().contains("did you mean publish?"), "{error}");
            assert_eq!(server.centrifugo().delivered(), ["a", "b"]);
        }
        assert_eq!(server.requests().len(), 1 + requests_before(major));
    }
}

/// Centrifugo 5 and 6 know the methods of their paid edition in the legacy form only.
#[test]
fn paid_method_says_nothing_about_the_form() {
    let server = Server::version(6).script(vec![Step::Execute, Step::SendRest]);
    server.add_script(server::respond(&Response::json(r#"{"error":{"code":104,"message":"method not found"}}"#)));
    let mut client = client_for(6, &server.address());
    let replies = client.send_commands(&[command("connections", r#"{"user":"42"}"#)]).unwrap();
    assert_eq!(replies[0].errors()[0].code(), Some(104));
    client.publish("news", &1).unwrap();
    assert_eq!(paths(&server), ["/api/connections", "/api", "/api/publish"]);
}

#[test]
fn wrong_path_is_rejected() {
    for major in WITH_API_KEY {
        for (commands, asked) in [
            (&publishes(["a"])[..], &["/rt/api/publish", "/rt/api", "/rt/api/batch"][..]),
            (&publishes(["a", "b"]), &["/rt/api/batch", "/rt/api"]),
        ] {
            let server = Server::version(major);
            let error = client_for(major, &format!("{}/rt", server.address())).send_commands(commands).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            let start = format!("{}/rt/api: not found (404); check the path and port", server.address());
            assert!(error.to_string().starts_with(&start), "{error}");
            assert_eq!(paths(&server), asked, "{major}");
            assert_eq!(server.connections(), 1);
        }
    }
}

#[test]
fn page_is_unknown_once_the_form_is_known() {
    for page in &pages() {
        for major in ALL_VERSIONS {
            // An answer is enough: it may be an error.
            for first in ["news", "nope:x"] {
                let (server, mut client) = start(major);
                let _ = client.publish(first, &1);
                let requests = server.requests().len();
                server.add_script(replace_response(page));
                assert_eq!(publish(&mut client), Err(ErrorKind::OutcomeUnknown));
                // Centrifugo 1 has one form, so that nothing is known of it.
                assert_eq!(
                    server.requests().len(),
                    requests + if major == 1 && page.status != 200 { 2 } else { 1 },
                    "{major}"
                );
                assert!(publish(&mut client).is_ok());
            }
        }
    }
}

#[test]
fn form_of_a_replaced_server_is_found_anew() {
    let missing = || respond_early(&Response::plain(404, "404 page not found"));
    for (commands, path) in [(&publishes(["a"])[..], "/api/publish"), (&publishes(["a", "b"]), "/api/batch")] {
        // It has both forms.
        let (server, mut client) = start(6);
        client.publish("first", &1).unwrap();
        server.add_script(missing());
        assert!(client.send_commands(commands).is_ok());
        assert!(client.send_commands(commands).is_ok());
        server.add_script(missing());
        assert!(client.send_commands(commands).is_ok());
        assert!(client.send_commands(commands).is_ok());
        assert_eq!(paths(&server), ["/api/publish", path, "/api", "/api", "/api", path, path]);
        assert_eq!(server.centrifugo().executed().len(), 1 + 4 * commands.len());
    }
}

#[test]
fn form_is_found_anew_once_per_request() {
    let missing = || respond_early(&Response::plain(404, "404 page not found"));
    for major in WITH_API_KEY {
        let (server, mut client) = start(major);
        client.publish("first", &1).unwrap();
        let requests = server.requests().len();
        let scripts = if major < 5 { 2 } else { 3 };
        (0..scripts).for_each(|_| server.add_script(missing()));
        assert_eq!(publish(&mut client), Err(ErrorKind::Rejected));
        assert_eq!(server.requests().len(), requests + scripts, "{major}");
        // An unknown method is missing, and not the form.
        let requests = server.requests().len();
        server.add_script(missing());
        let error = client.send_commands(&[command("publsh", "{}")]).unwrap_err();
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Rejected, requests + 1), "{major}");
        assert!(publish(&mut client).is_ok());
        assert_eq!(server.requests().len(), requests + 2, "{major}");
    }
}

#[test]
fn answered_part_of_a_batch_shows_the_form() {
    let (server, mut client) = start(6);
    let [first] = publishes(["a"]);
    client.send_commands(&[first, invalid_publish()]).unwrap_err();
    let requests = server.requests().len();
    server.add_script(respond_early(&pages()[0]));
    assert_eq!(publish(&mut client), Err(ErrorKind::OutcomeUnknown));
    assert_eq!(server.requests().len(), requests + 1);
}
