//! README and help match the program, and their examples run.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::cli::cent;
use crate::support::server::{SECRET, Server};

const README: &str = include_str!("../../README.md");

fn help(option: &str) -> String {
    cent().arg(option).run().stdout()
}

/// The README's section with this heading.
#[track_caller]
fn section(heading: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("\n## {heading}\n")).expect("the README has this heading");
    rest.split("\n## ").next().unwrap_or_default()
}

/// The code blocks in this language.
fn code_blocks(section: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    section.split(&begin).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn readme_usage_matches_short_help() {
    let found = code_blocks(section("Use"), "text").concat();
    assert!(found == help("-h"), "README.md, ## Use: copy the output of `cargo run -- -h` into the block");
}

/// The rows of the exit table in the help: status, meaning, advice.
fn exit_table() -> Vec<[String; 3]> {
    let help = help("--help");
    let (_, table) = help.split_once("\nExit status:\n").expect("the help has an exit table");
    let lines: Vec<&str> = table.lines().take_while(|line| !line.is_empty()).collect();
    let row = |pair: &[&str]| match pair {
        [first, second] => {
            let (status, meaning) = first.trim().split_once("  ")?;
            Some([status, meaning.trim().trim_end_matches(';'), second.trim()].map(str::to_owned))
        }
        _ => None,
    };
    lines.chunks(2).filter_map(row).collect()
}

#[test]
fn readme_exit_table_matches_help() {
    let rows = exit_table();
    assert_eq!(rows.len(), 6);
    let rows: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    let table = format!("\n| exit | meaning | what a script can do |\n|---|---|---|\n{}\n", rows.join("\n"));
    assert!(section("Exit status").starts_with(&table), "README.md, ## Exit status: expected this table:\n{table}");
}

/// Options of other programs in the README's commands.
const OPTIONS_OF_OTHER_PROGRAMS: [&str; 8] =
    ["--locked", "--path", "--example", "--arg", "--test", "--ignored", "--nocapture", "--fail"];

#[test]
fn readme_options_exist() {
    let help = help("-h");
    let known: Vec<&str> = options(&help);
    for option in options(README).into_iter().filter(|option| !OPTIONS_OF_OTHER_PROGRAMS.contains(option)) {
        assert!(
            known.contains(&option),
            "README.md: unknown option {option}; fix it, or add it to OPTIONS_OF_OTHER_PROGRAMS"
        );
    }
}

fn options(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---")).collect()
}

/// A home directory with the program, a server for [bananas] and [live], and the files of the examples.
struct Sandbox {
    home: TempDir,
    server: Server,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox =
            Self { home: tempfile::tempdir().expect("a temporary directory is created"), server: Server::version(1) };
        let section = format!("address = {}\nsecret = {SECRET}\n", sandbox.server.address());
        sandbox.file(".centrc", &format!("[bananas]\n{section}[live]\n{section}"));
        for name in ["news.json", "news.jsonl", "message.json", "deployed.json"] {
            sandbox.file(name, "{\"channel\": \"news\", \"data\": 1}\n");
        }
        for dir in ["bin", ".config", ".config/fish", ".config/fish/completions"] {
            fs::create_dir(sandbox.home.path().join(dir)).expect("the directory is created");
        }
        symlink(env!("CARGO_BIN_EXE_cent"), sandbox.home.path().join("bin/cent")).expect("the link is created");
        sandbox
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(name), text).expect("the file is written");
    }

    /// Runs a script with this standard input; returns its standard output.
    #[track_caller]
    fn run_shell(&self, script: &str, input: &str) -> String {
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", format!("{}/bin:/usr/bin:/bin", self.home.path().display()))
            .env("TITLE", "World Cup 2018")
            .current_dir(self.home.path())
            .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh starts");
        if let Some(mut stdin) = shell.stdin.take() {
            stdin.write_all(input.as_bytes()).expect("the shell reads");
        }
        let output = shell.wait_with_output().expect("sh ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "this script fails:\n{script}\n{stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The data of all messages in a channel.
    fn published_data(&self, channel: &str) -> Vec<String> {
        self.server.centrifugo().messages_as_text(channel)
    }
}

/// The command of a crontab line: without its schedule, `\%` is `%`.
fn from_crontab(line: &str) -> String {
    let (_, command) = line.split_once("cent ").expect("the line runs cent");
    format!("cent {command}").replace("\\%", "%")
}

#[test]
fn readme_first_example_matches_output() {
    let block = README
        .split("```console\n$ ")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the README has an example");
    let (command, expected) = block.split_once('\n').expect("the example has output");
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run_shell(command, ""), expected, "README.md: put what is printed below $ {command}");
    assert_eq!(sandbox.published_data("news"), [r#"{"title": "World Cup 2018"}"#]);
}

#[test]
fn readme_config_file_works() {
    let [ini] = &code_blocks(section("Config file"), "ini")[..] else { panic!("the README shows one config file") };
    for (section, url) in [("bananas", "http://localhost:8000/api/"), ("live", "https://rt.example.org/api")] {
        let call = cent().config(ini).file("live.key", "key\n").args(&[section, "channels", "--dry-run"]).run();
        assert_eq!(call.exit_code(), Some(0), "{}", call.stderr());
        assert!(call.stdout().starts_with(&format!("POST {url}\n")), "{}", call.stdout());
    }
}

#[test]
fn readme_completion_commands_work() {
    let sandbox = Sandbox::new();
    let block = code_blocks(section("Install"), "sh").into_iter().find(|block| block.contains("--completions"));
    sandbox.run_shell(&block.expect("the README has this example"), "");
    let read = |name: &str| fs::read_to_string(sandbox.home.path().join(name)).unwrap_or_default();
    assert_eq!(read(".config/fish/completions/cent.fish"), include_str!("../../completions/cent.fish"));
    assert_eq!(read(".bashrc"), "source <(cent --completions bash)\n");
    // The server of the sandbox must be called.
    sandbox.run_shell("cent bananas channels", "");
}

#[test]
fn readme_jobs_run() {
    let sandbox = Sandbox::new();
    let jobs = section("Jobs");
    let [shell, hook, deploy] = &code_blocks(jobs, "sh")[..] else { panic!("the README has three jobs for a shell") };
    let has_jq = Command::new("jq").arg("--version").output().is_ok();
    // The first command needs a database; the rest of the line is tested.
    let lines = shell.replace("psql -XAtc 'select row_to_json(m) from messages m'", "cat news.jsonl");
    for line in lines.lines().filter(|line| has_jq || !line.contains("jq ")) {
        sandbox.run_shell(line, "");
    }
    assert_eq!(sandbox.published_data("news").iter().filter(|data| *data == "1").count(), 2);
    assert!(!has_jq || sandbox.published_data("news").iter().any(|data| data.contains(r#""title": "World Cup 2018""#)));

    for line in code_blocks(jobs, "cron").concat().lines() {
        sandbox.run_shell(&from_crontab(line), "");
    }
    assert_eq!(sandbox.published_data("clock"), [r#"{"load": "100%"}"#]);

    sandbox.run_shell(hook, "1 2 refs/heads/main\n3 4 refs/heads/next\n");
    let pushed = [r#"{"ref": "refs/heads/main", "new": "2"}"#, r#"{"ref": "refs/heads/next", "new": "4"}"#];
    assert_eq!(sandbox.published_data("git"), pushed);

    assert_eq!(sandbox.run_shell(deploy, ""), "");
}

#[test]
fn help_examples_run() {
    let sandbox = Sandbox::new();
    let help = help("--help");
    let calls: Vec<&str> = help.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(calls.len(), 3);
    for call in calls {
        sandbox.run_shell(call, "");
    }
    let (_, examples) = help.split_once("\nExamples:\n").expect("the help has examples");
    let mut scripts: Vec<Vec<&str>> = Vec::new();
    for line in examples.lines() {
        match (line.strip_prefix("    "), scripts.last_mut()) {
            (Some(line), Some(script)) => script.push(line),
            _ => scripts.push(Vec::new()),
        }
    }
    assert_eq!(scripts.len(), 4);
    for script in scripts {
        let script = script.join("\n");
        sandbox.run_shell(&if script.starts_with('@') { from_crontab(&script) } else { script }, "");
    }
    assert_eq!(sandbox.published_data("a"), [r#""9%""#]);
}
