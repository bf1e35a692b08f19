//! Runs the seeds without libFuzzer, which also shows that the fuzz targets compile.

use std::fs;
use std::path::Path;

fn run_seeds(target: &str, check: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

#[test]
fn config_seeds_match_python() {
    run_seeds("config", cent_fuzz::config);
}

#[test]
fn params_seeds_are_sent_verbatim() {
    run_seeds("params", cent_fuzz::params);
}

#[test]
fn reply_seeds_roundtrip() {
    run_seeds("replies", cent_fuzz::replies);
}

#[test]
fn journal_seeds_roundtrip() {
    run_seeds("journal", cent_fuzz::journal);
}

#[test]
fn output_seeds_keep_tokens() {
    run_seeds("output", cent_fuzz::output);
}
