//! Shows the program at work without a real server: `cargo run --example quickstart`.
//!
//! Starts the test server as Centrifugo 6 and as Centrifugo 1, writes a config file into a temporary home directory, and
//! runs the real program against both. Fails if a call ends with another exit status than the text says.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::{env, iter};

use server::{API_KEY, SECRET, Server, Step};
use tempfile::TempDir;

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
    let (live, bananas) = (Server::version(6), Server::version(1));
    let shell = Shell { program: built_program()?, home: tempfile::tempdir()? };
    let config = format!(
        "[live]\naddress = {}\napi_key = {API_KEY}\n\n[bananas]\naddress = {}\nsecret = {SECRET}\n",
        live.address(),
        bananas.address()
    );
    shell.write(".centrc", &config)?;
    println!(
        "Two test servers are running, Centrifugo 6 and Centrifugo 1. This is ~/.centrc in a temporary home directory:\n\n{}",
        indented(&config)
    );

    shell.call(
        "Publish a message to Centrifugo 6. KEY=VALUE arguments make the params.",
        &["live", "publish", "channel=news", "data[title]=World Cup 2018", "data[year]:=2018"],
        0,
    )?;
    shell.call(
        "The same with the params as JSON.",
        &["live", "publish", r#"--params={"channel": "news", "data": {"title": "World Cup 2022", "year": 2022}}"#],
        0,
    )?;
    shell.call("Read the newest message.", &["live", "history", "channel=news", "limit:=1", "reverse:=true"], 0)?;
    shell.call(
        "The server rejects a command: the reply has the error, the message says what to do.",
        &["live", "publish", "channel=nope:news", "data=Hello"],
        1,
    )?;
    shell.call(
        "Centrifugo 1, as with Python's cent: this section has a secret.",
        &["bananas", "publish", r#"--params={"channel": "news", "data": {"title": "World Cup 2018"}}"#],
        0,
    )?;

    shell.write_shown("news.jsonl", &lines(["news", "nope:news", "news"]))?;
    shell.call_with_file(
        "One command per line of a file. The server rejects the second one, and the run goes on.",
        &["live", "publish", "--lines"],
        "news.jsonl",
        1,
    )?;
    shell.kill_job_and_finish_it(&live)?;
    println!("The servers and the home directory have been removed.");
    Ok(())
}

/// Lines with the params of a publish to each channel.
fn lines<'a>(channels: impl IntoIterator<Item = &'a str>) -> String {
    let line = |(channel, number)| format!("{{\"channel\": \"{channel}\", \"data\": {number}}}\n");
    channels.into_iter().zip(1..).map(line).collect()
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

/// Runs the program in a home directory, and prints what a user would see.
struct Shell {
    program: PathBuf,
    home: TempDir,
}

impl Shell {
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.home.path().join(name), text)
    }

    fn write_shown(&self, name: &str, text: &str) -> io::Result<()> {
        println!("This is {name}:\n\n{}", indented(text));
        self.write(name, text)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        command
    }

    fn call(&self, about: &str, args: &[&str], status: i32) -> io::Result<()> {
        show_command(about, args, "")?;
        show_output(&self.command(args).stdin(Stdio::null()).output()?, status)
    }

    fn call_with_file(&self, about: &str, args: &[&str], input: &str, status: i32) -> io::Result<()> {
        show_command(about, args, &format!(" < {input}"))?;
        show_output(&self.command(args).stdin(File::open(self.home.path().join(input))?).output()?, status)
    }

    /// A job that is killed after the server has executed lines whose replies never come, and then run again.
    fn kill_job_and_finish_it(&self, server: &Server) -> io::Result<()> {
        let args = ["live", "publish", "--lines", "--idempotent", "--journal=job.journal", "--timeout=60"];
        let input = lines(iter::repeat_n("job", 5));
        let (first, rest) = input.split_at(input.find('\n').map_or(0, |end| end + 1));
        self.write_shown("job.jsonl", &input)?;
        show_command(
            "A job with a journal. The server executes line 1 and responds; it executes the other lines, too, but then \
             the program is killed.",
            &args,
            " < job.jsonl",
        )?;
        let mut job = self.command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(mut stdin), Some(stdout)) = (job.stdin.take(), job.stdout.take()) else {
            return Err(io::Error::other("the job has no standard streams"));
        };
        stdin.write_all(first.as_bytes())?;
        let mut reply = String::new();
        BufReader::new(stdout).read_line(&mut reply)?;
        server.add_script(vec![Step::Execute, Step::Hang]);
        let requests = server.requests().len();
        stdin.write_all(rest.as_bytes())?;
        server.wait_for_requests(requests + 1);
        job.kill()?;
        job.wait()?;
        println!("{}    Killed\n", indented(&reply));

        self.call_with_file(
            "The same command again: it skips line 1, and sends the others with the keys that they had.",
            &args,
            "job.jsonl",
            0,
        )?;
        let executed = server.centrifugo().messages_as_text("job");
        if executed != ["1", "2", "3", "4", "5"] {
            return Err(io::Error::other(format!("the server has these messages: {executed:?}")));
        }
        self.call(
            "The server has executed each line once.",
            &["live", "history", "channel=job", "limit:=-1", "--compact"],
            0,
        )
    }
}

fn show_command(about: &str, args: &[&str], redirection: &str) -> io::Result<()> {
    let args: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
    println!("{about}\n\n    $ cent {}{redirection}", args.join(" "));
    io::stdout().flush()
}

fn show_output(output: &Output, status: i32) -> io::Result<()> {
    for bytes in [&output.stdout, &output.stderr] {
        print!("{}", indented(&String::from_utf8_lossy(bytes)));
    }
    println!("    $ echo $?\n    {}\n", output.status.code().map_or_else(|| "-".to_owned(), |code| code.to_string()));
    if output.status.code() == Some(status) {
        Ok(())
    } else {
        Err(io::Error::other(format!("the exit status is not {status}")))
    }
}

/// The argument as a user would type it.
fn quoted(arg: &str) -> String {
    match arg.split_once("={") {
        Some((option, value)) => format!("{option}='{{{value}'"),
        None if arg.contains(['[', ' ']) => format!("'{arg}'"),
        None => arg.to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
}
