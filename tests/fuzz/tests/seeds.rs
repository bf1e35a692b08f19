//! The seeds hold: they run here without libFuzzer, and show that the checks still compile against the sources.

use std::fs;
use std::path::Path;

fn all(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

#[test]
fn config_seeds_match_python() {
    all("config", cent_fuzz::config);
}

#[test]
fn params_seeds_are_sent_verbatim() {
    all("params", cent_fuzz::params);
}

#[test]
fn reply_seeds_roundtrip() {
    all("replies", cent_fuzz::replies);
}

#[test]
fn output_seeds_keep_tokens() {
    all("output", cent_fuzz::output);
}
