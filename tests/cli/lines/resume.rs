//! The line that the summary names is the one to resume with.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use super::{parse_summary, publish_lines, request_sizes};
use crate::numbers::{lines, numbers, received};
use crate::support::server::{Server, Step, fail_during_response};
use crate::{ApiForm, Current, Legacy, V1};

#[test]
fn resume_from_summary_line() {
    for form in ApiForm::ALL {
        let first = form.server();
        for _ in 0..form.requests_before() + 5 {
            first.add_script(vec![Step::Execute, Step::SendRest]);
        }
        first.add_script(fail_during_response(0, Step::Reset));
        let input = lines(1..=10_000);
        let stopped = publish_lines(form, &first).stdin_bytes(input.clone()).run();
        let (accepted, unknown, next_line) = parse_summary(&stopped.stderr());
        assert_eq!((stopped.exit_code(), next_line), (Some(4), Some(unknown + 1)), "{}", stopped.stderr());
        // What is unknown is the last request.
        let sizes = request_sizes(&first).split_off(form.requests_before());
        assert_eq!((sizes.len(), sizes.iter().sum(), sizes[5]), (6, unknown, unknown - accepted), "{sizes:?}");
        let mut history = received(&first);
        // A new server process, as after a crash.
        drop(first);
        let second = form.server();
        let rest: String = input.split_inclusive('\n').skip(next_line.unwrap() - 1).collect();
        let output = publish_lines(form, &second).stdin_bytes(rest).run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        history.extend(received(&second));
        assert_eq!(history, numbers(1..=10_000));
    }
}

#[test]
fn killed_server_loses_at_most_named_batch() {
    for form in ApiForm::ALL {
        assert_kill_loses_one_batch(form, 3000, [400, 1500], "--batch=10");
        // Batches grow.
        assert_kill_loses_one_batch(form, 30_000, [4000, 15_000], "--compact");
    }
}

/// Runs lines against a server that is killed twice, when it has received that many.
#[track_caller]
fn assert_kill_loses_one_batch(form: ApiForm, count: usize, killed_at: [usize; 2], option: &str) {
    // Shared by all servers of the test.
    let history = Arc::new(form.centrifugo());
    let input = lines(1..=count);
    let (mut done, mut unknown) = (0, Vec::new());
    for killed_at in killed_at.into_iter().chain([usize::MAX]) {
        let server = Server::start(Arc::clone(&history));
        let rest: String = input.split_inclusive('\n').skip(done).collect();
        let call = publish_lines(form, &server).arg(option).stdin_bytes(rest);
        let running = thread::spawn(|| call.run());
        while history.messages("plain:a").len() < killed_at && !running.is_finished() {
            thread::yield_now();
        }
        drop(server);
        let output = running.join().unwrap();
        if output.exit_code() == Some(0) {
            done = count;
            break;
        }
        let (accepted, unknown_to, next_line) = parse_summary(&output.stderr());
        // Batches at most double.
        let max = match (option, form) {
            ("--batch=10", _) => 10,
            (_, V1) => 100,
            (_, Legacy | Current) => 100.max(2 * accepted),
        };
        let lost = unknown_to - accepted;
        assert!(
            matches!((output.exit_code(), accepted, lost), (Some(3), 0, 0) | (Some(5), 1.., 0) | (Some(4), _, 1..))
                && lost <= max,
            "{}",
            output.stderr()
        );
        unknown.extend(done + accepted + 1..=done + unknown_to);
        done += next_line.unwrap_or(count + 1 - done) - 1;
    }
    assert_eq!(done, count);
    let history: Vec<usize> = history.messages_as_text("plain:a").iter().map(|text| text.parse().unwrap()).collect();
    // Each number once and in order; only unknown ones may be missing.
    assert!(history.is_sorted_by(|one, next| one < next), "{history:?}");
    let received: HashSet<usize> = history.into_iter().collect();
    let missing: Vec<usize> = numbers(1..=count).into_iter().filter(|number| !received.contains(number)).collect();
    assert!(missing.iter().all(|number| unknown.contains(number)), "{missing:?} of {unknown:?}");
}
