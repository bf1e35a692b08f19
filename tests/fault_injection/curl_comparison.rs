//! What curl does with the same faults, as a table.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cent::ErrorKind;

use crate::case::{Case, RequestSpec, SHORT_TIMEOUT};
use crate::scenarios::{self, Coverage};
use crate::server::API_KEY;

/// The row of the table for a case.
fn row(case: &Case) -> String {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                Content-Length: 42\r\n\r\n";
    let name = case.name.split(" (version").next().unwrap_or_default();
    let number = name.split([' ', ',']).find_map(|word| word.parse::<usize>().ok()).unwrap_or_default();
    let end = name.split(" after").next().unwrap_or_default();
    if name.ends_with("of the request") {
        format!("{end} inside the request")
    } else if name.ends_with("of a response") {
        let place = match number {
            0 => "before the response",
            number if number < head.len() => "inside the response headers",
            number if number < head.len() + 42 => "inside the response body",
            _ => "after the response",
        };
        format!("{end} {place}")
    } else if name.ends_with("a response without a length") || name.ends_with("a response in chunks") {
        format!("{end} inside {}", name.rsplit("bytes of ").next().unwrap_or_default())
    } else if name.contains("too small") {
        "a length that is too small".to_owned()
    } else if name.starts_with("status") {
        let status =
            if matches!(number, 400..=404 | 408 | 429 | 500 | 502 | 503) { number } else { number / 100 * 100 };
        format!("status {status}{}", if name.contains(", 0 bytes") { ", no body" } else { "" })
    } else {
        name.to_owned()
    }
}

/// Results and how often each occurred.
type Counts = BTreeMap<String, usize>;

/// Sends the request of a case with curl; its exit status, and whether it succeeded without output.
fn curl(case: &Case, options: &[&str]) -> String {
    // curl sends one request.
    let server = case.spec.server().script(case.scripts[0].clone());
    let timeout = if case.timeout == SHORT_TIMEOUT { "0.3" } else { "20" };
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", timeout])
        .args(options)
        .args(["--header", &format!("Authorization: apikey {API_KEY}"), "--header", "Content-Type: application/json"])
        .args(["--data-binary", r#"{"channel":"news","data":1}"#])
        .arg(case.spec.form().url(&server.address()))
        .stdin(Stdio::null())
        .output()
        .expect("curl starts");
    let exit_status = output.status.code().unwrap_or(-1);
    let is_empty = exit_status == 0 && output.stdout.is_empty();
    format!("{exit_status}{}", if is_empty { " with nothing printed" } else { "" })
}

fn exit_status(outcome: Option<ErrorKind>) -> i32 {
    match outcome {
        None => 0,
        Some(ErrorKind::Rejected) => 1,
        Some(ErrorKind::Invalid) => 2,
        Some(ErrorKind::SafeToRetry) => 3,
        Some(_) => 4,
    }
}

#[test]
#[ignore = "needs curl; prints a table"]
fn prints_curl_comparison_table() {
    let one = RequestSpec::new(6, 1);
    let is_comparable = |case: &Case| case.spec == one && (case.scripts.len() == 1 || case.name.starts_with("status"));
    let cases: Vec<Case> = scenarios::all(Coverage::EveryByte).into_iter().filter(is_comparable).collect();
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<String, (usize, [Counts; 3])>::new()));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcomes = case.expected.outcomes.iter().map(|&outcome| exit_status(outcome).to_string());
                    let found = [outcomes.collect::<Vec<_>>().join(" or "), curl(case, &[]), curl(case, &["--fail"])];
                    let mut rows = rows.lock().expect("no case panics");
                    let (count, columns) = rows.entry(row(case)).or_default();
                    *count += 1;
                    for (column, found) in columns.iter_mut().zip(found) {
                        *column.entry(found).or_default() += 1;
                    }
                }
            });
        }
    });
    println!("| fault | cases | cent | curl | curl --fail |\n|---|---|---|---|---|");
    for (row, (count, columns)) in rows.into_inner().expect("no case panics") {
        let [cent, plain, fail] = columns.map(|column| {
            let parts: Vec<String> =
                column.iter().map(|(exit_status, times)| format!("{exit_status} ({times})")).collect();
            if let [only] = column.keys().collect::<Vec<_>>()[..] { only.clone() } else { parts.join(", ") }
        });
        println!("| {row} | {count} | {cent} | {plain} | {fail} |");
    }
}
