//! `--unordered`: the server may run the commands of a request concurrently.

use super::{publish_lines, request_sizes};
use crate::numbers::lines;
use crate::support::server::Server;
use crate::{Current, Legacy, V1};

#[test]
fn unordered_replies_keep_input_order() {
    for major in 5..=7 {
        let server = Server::version(major);
        let input = "{\"channel\": \"a\", \"data\": 1}\n".repeat(100);
        let call = || publish_lines(Current, &server).args(&["--unordered", "--batch=25"]).stdin_bytes(input.clone());
        let output = call().run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        assert!(server.requests().iter().all(|request| request.body_text().ends_with("}}],\"parallel\":true}")));
        // The test server executes each batch from its end.
        let mut offset = 0;
        for (size, request) in request_sizes(&server).into_iter().zip(server.requests()) {
            assert_eq!((size <= 25, request.path.as_str()), (true, "/api/batch"));
            let replies: Vec<_> = output.stdout().lines().skip(offset).take(size).map(str::to_owned).collect();
            for (expected, reply) in (offset + 1..=offset + size).rev().zip(&replies) {
                assert!(reply.starts_with(&format!("{{\"result\":{{\"offset\":{expected},")), "{reply}");
            }
            offset += size;
        }
        assert_eq!(offset, 100);
        let printed = call().arg("--dry-run").run().stdout();
        assert_eq!(printed.matches("],\"parallel\":true}\n").count(), printed.matches("POST ").count());
    }
}

#[test]
fn unordered_requires_current_form() {
    let server = V1.server().expect_no_connection();
    let output = publish_lines(V1, &server).arg("--unordered").stdin_bytes(lines(1..=3)).run();
    output.assert_output(2, "", "cent: --unordered requires api_key and Centrifugo 5.2 or later, not secret\n");
    for major in 2..=4 {
        let server = Server::version(major);
        let output = publish_lines(Legacy, &server).arg("--unordered").stdin_bytes(lines(1..=300)).run();
        let hint = "concurrent batches need Centrifugo 5.2 or later: send them in order";
        let text = format!("cent: {}/api/batch: not found (404); {hint}\n", server.address());
        output.assert_output(1, "", &(text + "cent: no lines accepted: fix it, then run again from line 1\n"));
        assert!(server.centrifugo().executed().is_empty());
    }
}
