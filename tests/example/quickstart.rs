//! Shows the program at work without a real server: `cargo run --example quickstart`.
//!
//! Starts the test server as Centrifugo 1 and as Centrifugo 6, writes a config file into a temporary home directory,
//! and runs the real program against both.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use server::{API_KEY, SECRET, Server};

#[path = "../support/server/mod.rs"]
mod server;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let program = built_program()?;
    let (bananas, live) = (Server::version(1), Server::version(6));
    let home = tempfile::tempdir()?;
    let config = format!(
        "[bananas]\naddress = {}\nsecret = {SECRET}\n\n[live]\naddress = {}\napi_key = {API_KEY}\n",
        bananas.address(),
        live.address()
    );
    fs::write(home.path().join(".centrc"), &config)?;
    println!("Two servers of the tests are running. ~/.centrc, in a temporary home folder:\n\n{}", indented(&config));

    let call = |words: &[&str], about: &str| show(&program, home.path(), words, about);
    let news = r#"--params={"channel": "news", "data": {"title": "World Cup 2018"}}"#;
    call(&["bananas", "publish", news], "Publish into a channel of Centrifugo 1.")?;
    call(&["bananas", "history", r#"--params={"channel": "news"}"#], "What the channel keeps.")?;
    call(
        &["bananas", "publish", r#"--params={"channel": "nope:news", "data": 1}"#],
        "A publish that the server refuses: the reason on standard error, and an exit status to go by.",
    )?;
    call(&["live", "publish", news], "The same command line for Centrifugo 2 to 6; the section has an api_key.")?;
    println!("The servers, the home folder and all in it are gone now.");
    Ok(())
}

/// Builds the program: cargo does that for tests, but not for examples.
fn built_program() -> io::Result<PathBuf> {
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--bin", "cent"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !build.status()?.success() {
        return Err(io::Error::other("the program cannot be built"));
    }
    // This example runs from target/PROFILE/examples.
    let example = env::current_exe()?;
    let folder = example.ancestors().nth(2).unwrap_or(Path::new("."));
    Ok(folder.join("cent").with_extension(env::consts::EXE_EXTENSION))
}

/// Runs the program and prints what a user would see.
fn show(program: &Path, home: &Path, words: &[&str], about: &str) -> io::Result<()> {
    println!("{about}\n\n    $ cent {}", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
    io::stdout().flush()?;
    let output = Command::new(program).args(words).env_clear().env("HOME", home).output()?;
    for bytes in [&output.stdout, &output.stderr] {
        print!("{}", indented(&String::from_utf8_lossy(bytes)));
    }
    println!("    $ echo $?\n    {}\n", output.status.code().map_or_else(|| "-".to_owned(), |code| code.to_string()));
    Ok(())
}

/// The argument as a user would type it.
fn quoted(word: &str) -> String {
    match word.split_once("={") {
        Some((option, value)) => format!("{option}='{{{value}'"),
        None => word.to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
}
