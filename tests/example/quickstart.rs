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
    let (live, bananas) = (Server::version(6), Server::version(1));
    let home = tempfile::tempdir()?;
    let config = format!(
        "[live]\naddress = {}\napi_key = {API_KEY}\n\n[bananas]\naddress = {}\nsecret = {SECRET}\n",
        live.address(),
        bananas.address()
    );
    fs::write(home.path().join(".centrc"), &config)?;
    println!(
        "Two test servers are running, Centrifugo 6 and Centrifugo 1. This is ~/.centrc in a temporary home directory:\n\n{}",
        indented(&config)
    );

    let call = |args: &[&str], about: &str| show(&program, home.path(), args, about);
    let news = r#"--params={"channel": "news", "data": {"title": "World Cup 2018"}}"#;
    call(&["live", "publish", news], "Publish to a channel of Centrifugo 6.")?;
    call(&["live", "history", r#"--params={"channel": "news", "limit": 10}"#], "Read the history of the channel.")?;
    call(
        &["live", "publish", r#"--params={"channel": "nope:news", "data": 1}"#],
        "A rejected publish: the reason is on standard error, and the exit status is 1.",
    )?;
    call(&["bananas", "publish", news], "The same command for Centrifugo 1, whose section has a secret.")?;
    println!("The servers and the home directory have been removed.");
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
        return Err(io::Error::other("cannot build the program"));
    }
    // This example runs from target/PROFILE/examples.
    let example = env::current_exe()?;
    let dir = example.ancestors().nth(2).unwrap_or(Path::new("."));
    Ok(dir.join("cent").with_extension(env::consts::EXE_EXTENSION))
}

/// Runs the program and prints what a user would see.
fn show(program: &Path, home: &Path, args: &[&str], about: &str) -> io::Result<()> {
    println!("{about}\n\n    $ cent {}", args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(" "));
    io::stdout().flush()?;
    let output = Command::new(program).args(args).env_clear().env("HOME", home).output()?;
    for bytes in [&output.stdout, &output.stderr] {
        print!("{}", indented(&String::from_utf8_lossy(bytes)));
    }
    println!("    $ echo $?\n    {}\n", output.status.code().map_or_else(|| "-".to_owned(), |code| code.to_string()));
    Ok(())
}

/// The argument as a user would type it.
fn quoted(arg: &str) -> String {
    match arg.split_once("={") {
        Some((option, value)) => format!("{option}='{{{value}'"),
        None => arg.to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
}
