//! Which lines share a request, and which requests a connection.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use super::{publish_lines, reply, request_sizes, wait_for_exit};
use crate::numbers::{line, lines, numbers, received, without_duration};
use crate::support::server::{Response, Server, Step, reject};
use crate::{ApiForm, Current, Legacy, V1};

/// The paths of all requests.
fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path.clone()).collect()
}

/// Checks that no request has more commands; on a slow machine it may have fewer.
#[track_caller]
fn assert_max_commands(server: &Server, commands: usize) {
    let sizes = request_sizes(server);
    assert!(sizes.iter().all(|&size| size <= commands), "{sizes:?}");
}

#[test]
fn lines_share_connection() {
    for form in ApiForm::ALL {
        let server = form.server();
        let output = publish_lines(form, &server).stdin_bytes(lines(1..=1050)).run();
        assert_eq!(
            (output.exit_code(), without_duration(&output.stderr()).as_str()),
            (Some(0), "cent: 1050 commands accepted\n")
        );
        assert_eq!(output.stdout(), reply(form).repeat(1050));
        assert_eq!(received(&server), numbers(1..=1050));
        assert_eq!(server.connections(), 1);
    }
}

/// Publishes this many lines from a file, which is read without delay; returns the sizes of the requests that were
/// executed.
fn sizes_of_run(form: ApiForm, count: usize, args: &[&str]) -> Vec<usize> {
    let server = form.server();
    let cent = publish_lines(form, &server).args(args).file("input", lines(1..=count));
    let input = File::open(cent.path("input")).unwrap();
    let output = cent.stdin(input).args(&["--quiet", "--timeout=60"]).run();
    output.assert_output(0, "", "");
    assert!(received(&server) == numbers(1..=count));
    request_sizes(&server).split_off(form.requests_before())
}

#[test]
fn batches_grow_while_server_is_fast() {
    for form in [Legacy, Current] {
        for (args, max) in [(&[][..], 10_000), (&["--batch=300"], 300)] {
            let sizes = sizes_of_run(form, 20_000, args);
            assert!(sizes[0] <= 100, "{sizes:?}");
            let mut largest = 100;
            for &size in &sizes {
                assert!(size <= max.min(2 * largest), "{sizes:?}");
                largest = largest.max(size);
            }
            // A slow machine can end the growth there.
            assert!(largest >= max.min(400), "{sizes:?}");
        }
    }
}

#[test]
fn pause_before_retry_does_not_shrink_batches() {
    let server = Current.server();
    (0..2).for_each(|_| server.add_script(vec![Step::Execute, Step::SendRest]));
    server.add_script(reject(&Response::new(503)));
    let output = publish_lines(Current, &server).args(&["-q", "--retry=1"]).stdin_bytes(lines(1..=1500)).run();
    output.assert_output(0, "", "");
    // The pause is longer than what would halve the size.
    let sizes: Vec<_> = request_sizes(&server).into_iter().filter(|&size| size > 0).collect();
    assert!(sizes[2] >= 200 && sizes[3] >= sizes[2], "{sizes:?}");
}

#[test]
fn batches_are_fixed_with_secret_or_small_maximum() {
    for (form, args, max) in [
        (V1, &[][..], 100),
        (V1, &["--batch=50"], 50),
        (V1, &["--batch=150"], 150),
        (Legacy, &["--batch=50"], 50),
        (Current, &["--batch=50"], 50),
    ] {
        let sizes = sizes_of_run(form, 10 * max, args);
        assert!(sizes.len() >= 10 && sizes.iter().all(|&size| size <= max), "{sizes:?}");
        assert!(sizes.contains(&max), "{sizes:?}");
    }
}

#[test]
fn batch_option_sets_size() {
    for (batch, min_requests) in [(1, 7), (3, 3), (1000, 1)] {
        let server = V1.server();
        let output = publish_lines(V1, &server).args(&["--batch", &batch.to_string()]).stdin_bytes(lines(1..=7)).run();
        assert_eq!((output.exit_code(), received(&server)), (Some(0), numbers(1..=7)));
        assert!(server.requests().len() >= min_requests);
        assert_max_commands(&server, batch);
    }
}

#[test]
fn request_size_is_limited_to_one_megabyte() {
    for form in ApiForm::ALL {
        let server = form.server();
        let sized = |bytes: usize| format!("{{\"channel\":\"plain:a\",\"data\":\"{}\"}}\n", "x".repeat(bytes));
        let input = sized(300_000).repeat(7) + &sized(3_000_000) + &sized(1).repeat(2);
        let output = publish_lines(form, &server).args(&["-q", "--timeout=60"]).stdin_bytes(input).run();
        output.assert_output(0, "", "");
        assert_eq!(server.centrifugo().executed().len(), 10);
        for request in server.requests() {
            let (size, commands) = (request.body().len(), request.body_text().matches("\"data\"").count());
            assert!(size <= 1_000_000 || commands == 1, "{commands} commands in {size} bytes");
        }
    }
}

#[test]
fn older_versions_get_legacy_form_after_one_404() {
    for major in 2..=4 {
        let server = Server::version(major);
        let output = publish_lines(Legacy, &server).arg("--compact").stdin_bytes(lines(1..=5000)).run();
        let expected = (Some(0), "cent: 5000 commands accepted\n".to_owned());
        assert_eq!((output.exit_code(), without_duration(&output.stderr())), expected);
        let reply = if major == 2 { "{}\n" } else { "{\"result\":{}}\n" };
        assert!(output.stdout() == reply.repeat(5000));
        assert_eq!((server.connections(), received(&server)), (1, numbers(1..=5000)));
        let (paths, sizes) = (paths(&server), request_sizes(&server));
        assert_eq!((paths[0].as_str(), sizes[0]), ("/api/batch", sizes[1]));
        assert!(paths.len() > 2 && paths[1..].iter().all(|path| path == "/api"), "{paths:?}");
    }
    // A server that does not read the large body to its end closes the connection.
    let server = Legacy.server();
    let long = format!("{{\"channel\":\"plain:a\",\"data\":\"{}\"}}\n", "x".repeat(600_000));
    let output = publish_lines(Legacy, &server).args(&["--quiet", "--timeout=60"]).stdin_bytes(long.repeat(5)).run();
    output.assert_output(0, "", "");
    assert_eq!((server.connections(), server.centrifugo().delivered().len()), (2, 5));
}

#[test]
fn reconnects_after_close_between_requests() {
    for form in ApiForm::ALL {
        let answer_and_close = || vec![Step::Execute, Step::SendRest, Step::Close];
        let server = form.server().script_for(form, answer_and_close());
        for _ in 1..5 {
            server.add_script(answer_and_close());
        }
        let (mut child, _home) = publish_lines(form, &server).args(&["--batch=1"]).spawn();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for number in 1..=5 {
            input.write_all(line(number).as_bytes()).unwrap();
            let mut text = String::new();
            output.read_line(&mut text).unwrap();
            assert_eq!(text, reply(form));
            // After this the server has closed the connection.
            server.wait_for_requests(form.requests_before() + number);
        }
        drop(input);
        let (exit, text) = wait_for_exit(child);
        assert_eq!((exit.code(), without_duration(&text).as_str()), (Some(0), "cent: 5 commands accepted\n"));
        assert_eq!((received(&server), server.connections()), (numbers(1..=5), 5));
    }
}

#[test]
fn reply_arrives_before_next_line() {
    for form in ApiForm::ALL {
        let server = form.server();
        let (mut child, _home) = publish_lines(form, &server).spawn();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for number in 1..=3 {
            input.write_all(line(number).as_bytes()).unwrap();
            let mut text = String::new();
            // Read before the next line is written: if a batch had to be full, this would block for ever.
            output.read_line(&mut text).unwrap();
            assert_eq!(text, reply(form));
        }
        drop(input);
        assert_eq!(wait_for_exit(child).0.code(), Some(0));
        assert_eq!(server.requests().len(), form.requests_before() + 3);
    }
}

#[test]
fn batch_that_is_too_large_is_halved_and_later_ones_are_smaller() {
    for form in ApiForm::ALL {
        let too_large = || reject(&Response::new(413));
        let server = form.server().script_for(form, too_large()).script(too_large());
        let cent = publish_lines(form, &server).arg("--batch=8").file("input", lines(1..=24));
        let input = File::open(cent.path("input")).unwrap();
        let output = cent.stdin(input).run();
        assert_eq!(
            (output.exit_code(), without_duration(&output.stderr()).as_str()),
            (Some(0), "cent: 24 commands accepted\n")
        );
        let sizes = request_sizes(&server).split_off(form.requests_before() + 2);
        assert_eq!((received(&server), sizes[..2].to_vec()), (numbers(1..=24), vec![2, 2]), "{sizes:?}");
    }
    // A single command that is too large ends the run.
    let server = Current.server().script(vec![Step::Execute, Step::SendRest]).script(reject(&Response::new(413)));
    let output = publish_lines(Current, &server).arg("--batch=1").stdin_bytes(lines(1..=2)).run();
    assert_eq!(output.exit_code(), Some(5));
    let summary = "cent: line 1 accepted; line 2 onwards not accepted: fix it, then resume with tail -n +2\n";
    assert!(output.stderr().ends_with(summary), "{}", output.stderr());
}
