//! README, man page, CONTRIBUTING and help match the program, and their examples run.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::{fs, iter};

use cent::{ApiVersion, Method, Versions};
use tempfile::TempDir;

use crate::sources::{files, read};
use crate::support::cli::{cent, start};
use crate::support::server::{API_KEY, Response, SECRET, Script, Server, Step, fail_during_response, reject, respond};

const README: &str = include_str!("../../README.md");
const CONTRIBUTING: &str = include_str!("../../CONTRIBUTING.md");
const MAN_PAGE: &str = include_str!("../../man/cent.1");
const MAN_SECTIONS: &str = include_str!("../../man/sections.roff");

fn help(option: &str) -> String {
    cent().arg(option).run().stdout()
}

/// The README's section with this heading.
#[track_caller]
pub(crate) fn section(heading: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("\n## {heading}\n")).expect("the README has this heading");
    rest.split("\n## ").next().unwrap_or_default()
}

/// The code blocks in this language.
pub(crate) fn code_blocks(section: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    section.split(&begin).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

/// The commands of a console block, each with the lines that it prints.
fn console_commands(block: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, output))) => output.extend([line, "\n"]),
            (None, None) => panic!("the block begins with a command"),
        }
    }
    commands
}

#[test]
fn readme_is_short() {
    assert!(README.lines().count() <= 180, "README.md: at most 180 lines; details belong into man/sections.roff");
    let is_text = |line: &str| !line.is_empty() && !line.starts_with(['|', '#', '-']);
    for (index, text) in README.split("\n```").enumerate().filter(|(index, _)| index % 2 == 0) {
        // The end of a fence belongs to no paragraph.
        let text = if index == 0 { text } else { text.split_once('\n').map_or("", |(_, text)| text) };
        let lines: Vec<&str> = text.lines().collect();
        for paragraph in lines.split(|line| !is_text(line)) {
            assert!(paragraph.len() <= 4, "README.md: this paragraph has over four lines:\n{}", paragraph.join("\n"));
        }
    }
    for cell in README.lines().filter(|line| line.starts_with('|')).flat_map(|row| row.split(" | ")) {
        assert!(cell.chars().count() <= 145, "README.md: this table cell is a paragraph: {cell}");
    }
}

/// The rows of the exit table in the help: status, one call, `--lines`, advice.
fn exit_table() -> Vec<[String; 4]> {
    let help = help("--help");
    let (_, table) = help.split_once("\nExit status:\n").expect("the help has an exit table");
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in table.lines().take_while(|line| !line.is_empty()) {
        let (status, text) = line.split_at_checked(17).expect("the table has two columns");
        match (status.trim(), rows.last_mut()) {
            ("", Some((_, row))) if text.starts_with("with --lines: ") || text.starts_with("what to do: ") => {
                row.extend(["\n", text]);
            }
            ("", Some((_, row))) => row.extend([" ", text]),
            (status, _) if status.starts_with(|c: char| c.is_ascii_digit()) => {
                rows.push((status.to_owned(), text.to_owned()));
            }
            // The note below the table.
            _ => break,
        }
    }
    let columns = |(status, text): (String, String)| {
        let cell = |prefix| text.lines().find_map(|line| line.strip_prefix(prefix));
        let single = text.lines().next().filter(|line| !line.starts_with("with --lines: ")).unwrap_or("–");
        let [lines, advice] = ["with --lines: ", "what to do: "].map(|prefix| cell(prefix).expect(prefix).to_owned());
        [status, single.to_owned(), lines, advice]
    };
    rows.into_iter().map(columns).collect()
}

#[test]
fn readme_exit_table_matches_help() {
    let rows = exit_table();
    assert_eq!(rows.len(), 7);
    let rows: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    let table =
        format!("| status | one call | with `--lines` | what to do |\n|---|---|---|---|\n{}\n", rows.join("\n"));
    assert!(section("Exit status").starts_with(&table), "README.md, ## Exit status: expected this table:\n{table}");
}

/// Which versions have a method, if not all have.
fn versions(method: &Method) -> String {
    let first_of_2 = |versions: Versions| versions.first.unwrap_or("2");
    match (method.versions(ApiVersion::V1), method.versions(ApiVersion::V2)) {
        (Some(v1), Some(_)) => v1.first.map_or_else(String::new, |first| format!("since {first}: ")),
        (Some(v1), None) => v1
            .first
            .map_or_else(|| "only Centrifugo 1: ".to_owned(), |first| format!("only Centrifugo 1, since {first}: ")),
        (None, Some(v2)) => match v2.last {
            Some(last) => format!("{} to {last}: ", first_of_2(v2)),
            None => format!("since {}: ", first_of_2(v2)),
        },
        (None, None) => panic!("{}", method.name),
    }
}

/// The values of a key, in the order in which the keys come.
fn entry<T>(map: &mut Vec<(String, Vec<T>)>, key: String) -> &mut Vec<T> {
    let index = map.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        map.push((key, Vec::new()));
        map.len() - 1
    });
    &mut map[index].1
}

type NamesByVersions = (String, Vec<String>);

/// The README's table of methods, by the params that they require.
fn method_table() -> String {
    let mut rows: Vec<(String, Vec<NamesByVersions>)> = Vec::new();
    for method in Method::all().iter().filter(|method| !method.is_pro) {
        let required = |version| {
            let required = method.params.iter().filter(move |param| param.is_required(version));
            required.map(|param| format!("`{}`", param.name)).collect::<Vec<_>>().join(", ")
        };
        let (in_v1, in_v2) = (required(ApiVersion::V1), required(ApiVersion::V2));
        let is_in_both = [ApiVersion::V1, ApiVersion::V2].iter().all(|&version| method.versions(version).is_some());
        let note = if is_in_both && in_v1 != in_v2 { format!(" (Centrifugo 1: only {in_v1})") } else { String::new() };
        let groups = entry(&mut rows, if in_v2.is_empty() { "none".to_owned() } else { in_v2 });
        entry(groups, versions(method)).push(format!("`{}`{note}", method.name));
    }
    let cell = |groups: &mut Vec<NamesByVersions>| {
        // Those that all versions have come first.
        groups.sort_by_key(|(versions, _)| !versions.is_empty());
        let groups = groups.iter().map(|(versions, names)| format!("{versions}{}", names.join(", ")));
        groups.collect::<Vec<_>>().join("; ")
    };
    let rows = rows.iter_mut().map(|(required, groups)| format!("| {required} | {} |\n", cell(groups)));
    rows.collect::<Vec<_>>().concat()
}

#[test]
fn readme_table_has_all_methods() {
    let table = method_table();
    assert!(
        section("Methods").contains(&format!("|---|---|\n{table}\n")),
        "README.md, ## Methods: the rows are\n{table}"
    );
}

/// Options of other programs in the README's commands.
const OPTIONS_OF_OTHER_PROGRAMS: [&str; 4] = ["--locked", "--path", "--example", "--unbuffered"];

#[test]
fn readme_options_exist() {
    let help = help("--help");
    let known: Vec<&str> = options(&help);
    for option in options(README).into_iter().filter(|option| !OPTIONS_OF_OTHER_PROGRAMS.contains(option)) {
        assert!(
            known.contains(&option),
            "README.md: unknown option {option}; fix it, or add it to OPTIONS_OF_OTHER_PROGRAMS"
        );
    }
}

#[test]
fn man_page_options_exist() {
    let (help, text) = (help("--help"), MAN_SECTIONS.replace("\\-", "-"));
    let known: Vec<&str> = options(&help);
    let found = options(&text);
    assert!(found.contains(&"--params"), "{found:?}");
    for option in found {
        assert!(known.contains(&option), "man/sections.roff: unknown option {option}");
    }
}

fn options(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---")).collect()
}

/// A home directory with the program, a server for [live], and the files of the examples.
pub(crate) struct Sandbox {
    pub(crate) home: TempDir,
    pub(crate) server: Server,
    /// More variables of the environment.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// How a script ended.
pub(crate) struct ScriptOutput {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory is created");
        let sandbox = Self { home, server: Server::version(6), variables: Vec::new() };
        sandbox.configure(&sandbox.server.address());
        for name in ["news.json", "news.jsonl", "message.json", "deployed.json"] {
            sandbox.file(name, "{\"channel\": \"news\", \"data\": 1}\n");
        }
        for name in ["app.log", "users.txt"] {
            sandbox.file(name, "42\n");
        }
        for dir in ["bin", ".config", ".config/fish", ".config/fish/completions"] {
            fs::create_dir(sandbox.home.path().join(dir)).expect("the directory is created");
        }
        symlink(env!("CARGO_BIN_EXE_cent"), sandbox.home.path().join("bin/cent")).expect("the link is created");
        sandbox
    }

    /// A home directory whose server need not be called.
    fn new_without_calls() -> Self {
        let sandbox = Self::new();
        Self { server: sandbox.server.allow_no_connection(), ..sandbox }
    }

    pub(crate) fn configure(&self, address: &str) {
        self.file(".centrc", &format!("[live]\naddress = {address}\napi_key = {API_KEY}\n"));
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(name), text).expect("the file is written");
    }

    /// Runs a script with this standard input, which must succeed; returns its standard output.
    #[track_caller]
    pub(crate) fn run_shell(&self, script: &str, input: &str) -> String {
        let output = self.try_shell(script, input);
        assert!(output.succeeded, "this script fails:\n{script}\n{}", output.stderr);
        output.stdout
    }

    pub(crate) fn try_shell(&self, script: &str, input: &str) -> ScriptOutput {
        let mut shell = start(
            Command::new("sh")
                .args(["-c", script])
                .env_clear()
                .env("HOME", self.home.path())
                .env("PATH", format!("{}/bin:/usr/bin:/bin", self.home.path().display()))
                .env("TITLE", r#"World "Cup" 2018"#)
                .envs(self.variables.iter().map(|(name, value)| (name, value)))
                .current_dir(self.home.path())
                .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        );
        if let Some(mut stdin) = shell.stdin.take() {
            stdin.write_all(input.as_bytes()).expect("the shell reads");
        }
        let output = shell.wait_with_output().expect("sh ends");
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.replace(&self.server.address(), "http://localhost:8000")
        };
        ScriptOutput { succeeded: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Runs a command of the README; returns all that it prints, as on a terminal.
    #[track_caller]
    fn run_console(&self, command: &str) -> String {
        self.run_shell(&format!("exec 2>&1\n{command}"), "")
    }

    /// The data of all messages in a channel.
    pub(crate) fn published_data(&self, channel: &str) -> Vec<String> {
        self.server.centrifugo().messages_as_text(channel)
    }
}

/// The command of a crontab line: without its schedule, `\%` is `%`.
fn from_crontab(line: &str) -> String {
    let (_, command) = line.split_once("cent ").expect("the line runs cent");
    format!("cent {command}").replace("\\%", "%")
}

/// The value of `"epoch"`, which differs in every run.
fn epoch(text: &str) -> &str {
    let (_, rest) = text.split_once("\"epoch\": \"").expect("the output has an epoch");
    rest.split('"').next().unwrap_or_default()
}

#[test]
fn readme_first_example_matches_output() {
    let blocks = code_blocks(README, "console");
    let [(command, expected)] = &console_commands(&blocks[0])[..] else { panic!("the block has one command") };
    let sandbox = Sandbox::new();
    let output = sandbox.run_console(command);
    let output = output.replace(epoch(&output), epoch(expected));
    assert_eq!(&output, expected, "README.md: put what is printed below $ {command}");
    assert_eq!(sandbox.published_data("news"), [r#"{"title":"World Cup 2018"}"#]);
}

#[test]
fn readme_first_steps_work() {
    let mut sandbox = Sandbox::new();
    let title = "a \"quoted\"\nback\\slash".to_owned();
    sandbox.variables = vec![("TITLE", title.clone())];
    sandbox.run_shell("chmod 600 ~/.centrc", "");
    let output = sandbox.run_shell(&code_blocks(section("Configure"), "sh").concat(), "");
    assert!(output.starts_with("config  ") && output.lines().last().is_some_and(|line| line.starts_with("time  ")));
    assert_texts(&sandbox, "news", "title", &[title]);
}

#[test]
fn readme_rejected_example_matches_output() {
    let blocks = code_blocks(section("Configure"), "console");
    let [(command, expected)] = &console_commands(&blocks[0])[..] else { panic!("the block has one command") };
    assert!(command.ends_with("; echo $?") && expected.ends_with("\n1\n"), "{expected}");
    let output = Sandbox::new().run_console(command);
    assert_eq!(&output, expected, "README.md: put what is printed below $ {command}");
}

#[test]
fn readme_call_of_python_matches_output() {
    let blocks = code_blocks(section("Coming from Python's cent"), "console");
    let [(show, config), (command, expected)] = &console_commands(&blocks[0])[..] else { panic!("two commands") };
    assert_eq!(*show, "cat ~/.centrc");
    let sandbox = Sandbox { server: Server::version(1), ..Sandbox::new_without_calls() };
    let config = config.replace("http://localhost:8000", &sandbox.server.address());
    sandbox.file(".centrc", &config.replace("secret-of-the-server", SECRET));
    assert_eq!(&sandbox.run_console(command), expected, "README.md: put what is printed below $ {command}");
}

/// The preformatted blocks in a section of the man page.
fn man_blocks(heading: &str) -> Vec<String> {
    let (_, section) = MAN_SECTIONS.split_once(&format!("\n.SH {heading}\n")).expect("the page has this heading");
    let section = section.split("\n.SH ").next().unwrap_or_default();
    let blocks = section.split("\n.nf\n").skip(1).filter_map(|rest| rest.split(".fi\n").next());
    blocks.map(|block| block.replace("\\-", "-").replace("\\(aq", "'")).collect()
}

#[test]
fn man_page_check_matches_output() {
    let blocks = man_blocks("CHECK");
    let [(check, expected)] = &console_commands(&blocks[0])[..] else { panic!("the block has one command") };
    let sandbox = Sandbox::new();
    sandbox.run_shell("chmod 600 ~/.centrc", "");
    let address = sandbox.server.address().replace("127.0.0.1", "localhost");
    sandbox.configure(&address);
    // On the test's port, and from its home.
    let output = sandbox.run_console(check).replace(&address, "http://localhost:8000");
    let output = output.replace(&format!("127.0.0.1:{}", sandbox.server.port()), "127.0.0.1:8000");
    let output = output.replace(&sandbox.home.path().display().to_string(), "/home/you");
    // The test server says what a build from source says.
    let output = output.replace("Centrifugo 0.0.0 OSS", "Centrifugo 6.9.1 OSS");
    let without_time =
        |text: &str| text.lines().filter(|line| !line.starts_with("time ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_time(&output), without_time(expected), "man/sections.roff: put what is printed below $ {check}");
    assert!([&output, expected].iter().all(|text| text.lines().any(|line| line.starts_with("time  "))));
}

/// How many requests of the example are accepted, and how many lines there are.
const ACCEPTED_REQUESTS: usize = 4;
const ALL_LINES: usize = 30_000;

/// A text without its numbers: on a slow machine a request may have fewer lines.
fn without_numbers(text: &str) -> String {
    text.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("N")
}

#[test]
fn readme_lines_example_matches_output() {
    let blocks = code_blocks(section("Many commands"), "console");
    let commands = console_commands(&blocks[0]);
    let [(command, expected), (check, _), (resume, resumed)] = &commands[..] else { panic!("three commands") };
    assert_eq!(resumed, "");
    let (_, range) = expected.split_once("check them (").expect("the summary says what to check");
    assert!(range.starts_with(check.split(" news.jsonl").next().unwrap_or_default()), "{check}");
    let sandbox = Sandbox::new();
    let line = |number: usize| format!("{{\"channel\": \"plain:a\", \"data\": {number}}}\n");
    sandbox.file("news.jsonl", &(1..=ALL_LINES).map(line).collect::<String>());
    for _ in 0..ACCEPTED_REQUESTS {
        sandbox.server.add_script(vec![Step::Execute, Step::SendRest]);
    }
    sandbox.server.add_script(fail_during_response(0, Step::Close));
    // It fails with status 4, as a part of the lines is unknown.
    let output = sandbox.run_console(&format!("{command}; [ $? = 4 ]"));
    assert_eq!(
        without_numbers(&output),
        without_numbers(expected),
        "README.md: put what is printed below $ {command}\n{output}"
    );
    let (_, next) = output.trim_end().rsplit_once('+').expect("the summary says where to resume");
    let (_, next_in_readme) = expected.trim_end().rsplit_once('+').expect("the summary says where to resume");
    assert!(resume.starts_with(&format!("tail -n +{next_in_readme} ")), "{resume}");
    let summary = sandbox.run_console(&resume.replace(next_in_readme, next));
    let next: usize = next.parse().expect("it is a number");
    assert!(summary.starts_with(&format!("cent: {} commands accepted in ", ALL_LINES + 1 - next)), "{summary}");
    let numbers: Vec<String> = (1..=ALL_LINES).map(|number| number.to_string()).collect();
    // The server executed the unknown lines, too.
    assert!(sandbox.published_data("plain:a") == numbers);
    let replies = fs::read_to_string(sandbox.home.path().join("replies.jsonl")).expect("the replies are in a file");
    let unknown = sandbox.server.requests()[ACCEPTED_REQUESTS].body_text().matches("\"data\"").count();
    assert_eq!(replies.lines().count(), ALL_LINES - unknown);
}

#[test]
fn readme_config_file_works() {
    let [ini] = &code_blocks(section("Configure"), "ini")[..] else { panic!("the README shows one config file") };
    let output = cent().config(ini).args(&["live", "channels", "--dry-run"]).run();
    assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
    assert!(output.stdout().starts_with("POST http://localhost:8000/api/channels\n"), "{}", output.stdout());
    assert!(output.stdout().contains("\nAuthorization: [hidden]\n"), "{}", output.stdout());
}

#[test]
fn man_page_completion_commands_work() {
    let sandbox = Sandbox::new();
    sandbox.run_shell(&man_blocks("COMPLETION").concat(), "");
    let read = |name: &str| fs::read_to_string(sandbox.home.path().join(name)).unwrap_or_default();
    assert_eq!(read(".config/fish/completions/cent.fish"), include_str!("../../completions/cent.fish"));
    assert_eq!(read(".bashrc"), "source <(cent --completions bash)\n");
    assert_eq!(read(".zshrc"), "source <(cent --completions zsh)\n");
    // The server of the sandbox must be called.
    sandbox.run_shell("cent live channels", "");
}

/// The library's documentation has the README's example, as a doctest; lines with a `#` are hidden there.
#[test]
fn readme_library_example_is_tested() {
    let [example] = &code_blocks(section("Library"), "rust")[..] else { panic!("the README has one example") };
    let doctest: String = example.lines().flat_map(|line| ["//! ", line, "\n"]).collect();
    let documentation = include_str!("../../src/lib.rs").lines().filter(|line| !line.starts_with("//! # let"));
    let documentation: String = documentation.flat_map(|line| [line, "\n"]).collect();
    assert!(documentation.contains(&doctest), "README.md and src/lib.rs differ in the example:\n{doctest}");
}

/// Texts that end badly where a shell, JSON or cron interprets them. None of them has a newline.
pub(crate) fn hostile_lines() -> Vec<String> {
    let texts = [
        "it's \"quoted\"",
        "$(touch hacked) `touch hacked` $HOME ${HOME}",
        "100% \\% %s \\n \\",
        "@news.json",
        "=:=@[x]\\",
        "\"},\"channel\":\"other\",\"x\":{\"",
        "🍌 é \u{7f}",
        "-n --params={}",
    ];
    texts.into_iter().map(str::to_owned).chain(["x\"".repeat(50_000)]).collect()
}

/// The same, and one over several lines.
fn hostile_texts() -> Vec<String> {
    [hostile_lines(), vec!["first\n\n\"third\"\ttab\r\n end".to_owned()]].concat()
}

/// Expects these texts under a key of the data in a channel.
#[track_caller]
fn assert_texts(sandbox: &Sandbox, channel: &str, key: &str, texts: &[String]) {
    let data = sandbox.published_data(channel);
    let found: Vec<serde_json::Value> =
        data.iter().map(|data| serde_json::from_str(data).expect("it is JSON")).collect();
    let found: Vec<&str> = found.iter().filter_map(|data| data[key].as_str()).collect();
    // Not assert_eq: it would print 100 KB.
    assert!(found == texts, "{channel}: {} texts", found.len());
    assert!(!sandbox.home.path().join("hacked").exists());
}

#[test]
fn readme_job_runs() {
    let sandbox = Sandbox::new();
    let job = code_blocks(section("Many commands"), "sh").concat();
    assert!(job.contains("--journal"), "{job}");
    // A job that is done changes nothing.
    for _ in 0..2 {
        sandbox.run_shell(&job, "");
        assert_eq!(sandbox.published_data("news"), ["1"]);
    }
}

#[test]
fn readme_crontab_runs() {
    let sandbox = Sandbox::new();
    let crontab = code_blocks(section("Recipes"), "cron").concat();
    let [_, line, job] = &crontab.lines().collect::<Vec<_>>()[..] else { panic!("a comment, a call and a job") };
    // A command whose output is hostile in the place of uptime.
    sandbox.file("bin/uptime", "#!/bin/sh\ncat \"$HOME/uptime\"\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(sandbox.home.path().join("bin/uptime"), executable).expect("the mode is set");
    let texts = hostile_texts();
    for text in &texts {
        sandbox.file("uptime", text);
        sandbox.run_shell(&from_crontab(line), "");
    }
    assert_texts(&sandbox, "clock", "uptime", &texts);
    assert_texts(&sandbox, "clock", "load", &vec!["100%".to_owned(); texts.len()]);
    for _ in 0..2 {
        assert_eq!(sandbox.run_shell(&from_crontab(job), ""), "");
    }
    assert_eq!(sandbox.published_data("news"), ["1"]);
}

/// The script of a deployment.
fn deployment() -> String {
    code_blocks(section("Recipes"), "sh").pop().expect("the README has this example")
}

/// Runs the deployment under `set -e`, with this script for each request; returns what it prints to standard error.
#[track_caller]
fn deploy(script: Option<&Script>, succeeds: bool) -> String {
    let sandbox = Sandbox::new();
    for script in iter::repeat_n(script, 4).flatten() {
        sandbox.server.add_script(script.clone());
    }
    let deployment = deployment();
    let output = sandbox.try_shell(&format!("set -e\n{deployment}\necho deployed"), "");
    assert_eq!(output.succeeded, succeeds, "{}", output.stderr);
    assert_eq!(output.stdout, if succeeds { "deployed\n" } else { "" });
    output.stderr
}

#[test]
fn readme_deployment_publishes_any_version() {
    let mut sandbox = Sandbox::new();
    let deployment = deployment();
    let texts = hostile_texts();
    for text in &texts {
        sandbox.variables = vec![("VERSION", text.clone())];
        sandbox.run_shell(&deployment, "");
    }
    assert_texts(&sandbox, "deploys", "version", &texts);
}

#[test]
fn readme_deployment_handles_each_status() {
    assert_eq!(deploy(None, true), "");
    let unavailable = reject(&Response::new(503).header("Retry-After", "0"));
    assert!(deploy(Some(&unavailable), false).ends_with("\nnot published: see above, then deploy again\n"));
    let unknown = respond(&Response::plain(502, "bad gateway"));
    assert!(deploy(Some(&unknown), false).ends_with("\nperhaps published: check before you deploy again\n"));
    let rejected = deploy(Some(&reject(&Response::new(401))), false);
    assert_eq!(rejected.lines().count(), 1, "{rejected}");
}

/// Runs examples, each of which may have several lines.
fn run_examples(examples: &[String]) -> Sandbox {
    let sandbox = Sandbox::new();
    for script in examples {
        sandbox.run_shell(&if script.starts_with('@') { from_crontab(script) } else { script.clone() }, "");
    }
    sandbox
}

#[test]
fn help_examples_run() {
    let help = help("--help");
    let (_, examples) = help.split_once("\nExamples:\n").expect("the help has examples");
    let mut scripts: Vec<String> = Vec::new();
    for line in examples.lines() {
        match (line.strip_prefix("    "), scripts.last_mut()) {
            (Some(line), Some(script)) => script.extend([line, "\n"]),
            _ => scripts.push(String::new()),
        }
    }
    assert_eq!(scripts.len(), 5);
    run_examples(&scripts);
}

#[test]
fn man_page_examples_run() {
    let (_, examples) = MAN_PAGE.split_once("\n.SH EXAMPLES\n").expect("the page has examples");
    let scripts = examples.split("\n.nf\n").skip(1).filter_map(|rest| rest.split("\n.fi\n").next());
    let scripts: Vec<String> =
        scripts.map(|script| script.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\\\", "\\")).collect();
    assert_eq!(scripts.len(), 8);
    assert_eq!(run_examples(&scripts).published_data("a"), [r#""9%""#]);
}

#[test]
fn short_help_example_runs() {
    let sandbox = Sandbox::new();
    let help = help("-h");
    let example = help.lines().find_map(|line| line.strip_prefix("Example: ")).expect("the help has an example");
    sandbox.run_shell(example, "");
    assert_eq!(sandbox.published_data("news"), [r#"{"text":"Hello!","n":1}"#]);
}

#[test]
fn contributing_lists_all_source_folders() {
    let (_, tables) = CONTRIBUTING.split_once("\n## Where things are\n").expect("it says where things are");
    let (library, rest) = tables.split_once("\nThe program, in").expect("it lists the program's folders");
    let (program, _) = rest.split_once("\nThe tests, in").expect("it lists the tests");
    let mut files = files("src");
    assert!(files.iter().any(|file| file == "src/lib.rs"), "{files:?}");
    let is_listed = |file: &String| {
        let (table, name) = match file.strip_prefix("src/bin/cent/") {
            Some(name) => (program, name),
            None => (library, file.trim_start_matches("src/")),
        };
        name.rsplit_once('/').is_none_or(|(folder, _)| table.contains(&format!("| `{folder}/` |")))
    };
    files.retain(|file| !is_listed(file));
    assert!(files.is_empty(), "CONTRIBUTING.md, ## Where things are: add the folders of {files:?}");
}

#[test]
fn first_line_says_what_file_is_about() {
    let mut files = files("src");
    files.retain(|file| !file.ends_with("from_python.md") && !read(file).starts_with("//! "));
    assert!(files.is_empty(), "{files:?}");
}
