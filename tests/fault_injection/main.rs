//! No command is lost or executed twice: for every fault that a connection can have, the outcome that the library
//! reports is checked against what the server executed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

#[path = "../support/mod.rs"]
mod support;

mod case;
mod connect_errors;
mod curl_comparison;
#[cfg(feature = "cli")]
mod person;
#[cfg(feature = "cli")]
mod program;
mod scenarios;

use case::{Case, ServerPool};
use scenarios::Coverage;
use support::server;

/// More threads than cores, because many cases wait for a hanging server.
const THREADS: usize = 16;

/// Runs all cases; returns the failures by the name of the case.
fn run(cases: &[Case]) -> BTreeMap<&str, String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut servers = ServerPool::default();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = case.run(&mut servers) {
                        failures.lock().expect("no case panics").insert(case.name.as_str(), failure);
                    }
                }
            });
        }
    });
    failures.into_inner().expect("no case panics")
}

#[track_caller]
fn assert_all_correct(coverage: Coverage) {
    let start = Instant::now();
    let cases = scenarios::all(coverage);
    let failures = run(&cases);
    println!("fault injection: {} cases in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    assert!(cases.len() >= 8_000, "only {} cases are left", cases.len());
    let shown: Vec<String> = failures.iter().take(40).map(|(name, failure)| format!("{name}: {failure}")).collect();
    assert!(failures.is_empty(), "{} of {} cases are wrong:\n{}", failures.len(), cases.len(), shown.join("\n"));
}

#[test]
fn outcome_is_correct_for_sampled_faults() {
    assert_all_correct(Coverage::Rotating);
}

#[test]
#[ignore = "takes three times as long"]
fn outcome_is_correct_for_all_faults() {
    assert_all_correct(Coverage::EveryByte);
}
