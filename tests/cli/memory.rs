//! How much memory hostile input takes.

use std::fs::File;

use crate::V1;
use crate::support::cli::{Cent, CentOutput};

/// The size of the line.
const BYTES: usize = 60_000_000;

/// Runs with the file `line` on standard input, and with this address space, in KB. Each thread of `--lines` reserves some
/// that it does not use.
fn run(cent: Cent, kilobytes: u32) -> CentOutput {
    let input = File::open(cent.path("line")).expect("the file is there");
    cent.run_under(&["sh", "-c", &format!(r#"ulimit -v {kilobytes} && exec "$0" "$@""#)])
        .env("PATH", "/usr/bin:/bin")
        .stdin(input)
        .run()
}

#[track_caller]
fn assert_located(cent: Cent, kilobytes: u32, source: &str, summary: &str) {
    let output = run(cent, kilobytes);
    let message = format!("cent: {source}: invalid JSON: trailing comma at line 1, column {BYTES}; remove it\n");
    let shown = format!("cent:   {}\",}}\n", "x".repeat(35));
    let mark = format!("cent:   {}^\n", " ".repeat(36));
    output.assert_output(2, "", &format!("{message}{shown}{mark}{summary}"));
}

#[test]
fn error_in_long_line_takes_little_more_memory_than_the_line() {
    let server = V1.server().expect_no_connection();
    let start = r#"{"channel":"a","data":""#;
    let line = format!("{start}{}\",}}", "x".repeat(BYTES - start.len() - 2));
    let call = || V1.cent(&server).file("line", &line).args(&["bananas", "publish"]);
    assert_located(call().arg("--params=@line"), 180_000, "line", "");
    assert_located(call(), 180_000, "standard input", "");
    let summary = "cent: no lines accepted: fix it, then run again from line 1\n";
    assert_located(call().arg("--lines"), 420_000, "standard input", summary);
}

#[test]
fn params_from_file_are_held_once() {
    let server = V1.server().expect_no_connection();
    let line = format!("\"{}\"", "x".repeat(BYTES));
    for data in ["data@line", "data:@line", "data@-", "data:@-"] {
        let cent = V1.cent(&server).file("line", &line).args(&["bananas", "publish", "--dry-run", "--quiet"]);
        run(cent.args(&["channel=a", data]), 180_000).assert_output(0, "", "");
    }
}
