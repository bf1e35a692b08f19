//! Nothing lost, nothing doubled: what the library says of a request is held against what the server has run, for every
//! fault that a connection can have.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

#[path = "../support/server/mod.rs"]
mod server;

mod cases;
mod curl;
mod matrix;
mod unreached;

use cases::Places;
use matrix::{Case, Servers};

/// Many cases wait for a server that is silent: more threads than cores.
const THREADS: usize = 16;

/// Runs every case; what the library gets wrong, by the name of the case.
fn run(cases: &[Case]) -> BTreeMap<&str, String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut servers = Servers::default();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = case.run(&mut servers) {
                        wrong.lock().expect("no case panics").insert(case.name.as_str(), what);
                    }
                }
            });
        }
    });
    wrong.into_inner().expect("no case panics")
}

#[track_caller]
fn all_is_true(places: Places) {
    let start = Instant::now();
    let cases = cases::all(places);
    let wrong = run(&cases);
    println!("fault matrix: {} cases in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    assert!(cases.len() >= 3_000, "the matrix has shrunk to {} cases", cases.len());
    let shown: Vec<String> = wrong.iter().take(40).map(|(name, what)| format!("{name}: {what}")).collect();
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{}", wrong.len(), cases.len(), shown.join("\n"));
}

#[test]
fn what_the_library_says_is_true_whatever_goes_wrong() {
    all_is_true(Places::Shared);
}

#[test]
#[ignore = "takes three times as long"]
fn what_the_library_says_is_true_wherever_it_goes_wrong() {
    all_is_true(Places::All);
}
