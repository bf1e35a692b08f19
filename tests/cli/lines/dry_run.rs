//! `--dry-run`: the requests are printed, and nothing is sent.

use super::publish_lines;
use crate::numbers::{line, lines};
use crate::{Current, V1};

#[test]
fn dry_run_separates_requests_by_blank_line() {
    // Without a server, nobody knows that it has the legacy form only.
    for form in [V1, Current] {
        let server = form.server().expect_no_connection();
        let output = publish_lines(form, &server).args(&["-n", "--batch=2"]).stdin_bytes(lines(1..=3)).run();
        assert_eq!(
            (output.exit_code(), output.stderr().as_str()),
            (Some(0), "cent: dry run: 3 commands in 2 requests, nothing sent\n")
        );
        let text = output.stdout();
        let url = form.batch_url(&server.address());
        assert_eq!(text.matches(&format!("POST {url}\n")).count(), 2, "{text}");
        assert!(text.contains(&format!("\n\nPOST {url}\n")) && text.contains(": [hidden]\n\n"), "{text}");
        let bad = publish_lines(form, &server).args(&["-n"]).stdin_bytes(line(1) + "x\n").run();
        assert_eq!(bad.exit_code(), Some(2));
        assert!(bad.stdout().starts_with("POST "), "{}", bad.stdout());
    }
}
