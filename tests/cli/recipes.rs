//! The README's recipes do what they say.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::docs::{Sandbox, code_blocks, hostile_lines, section};
use crate::support::server::{API_KEY, Response, Server, reject};

/// A part of each recipe that is a shell command, by which its test finds it.
const PARTS: [&str; 8] =
    ["app.log", "psql", "cent other publish", "pattern=", "users.txt", "--check --quiet", "pass show", "CRITICAL"];

fn commands() -> Vec<String> {
    let block = code_blocks(section("Recipes"), "sh").swap_remove(0);
    block.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
fn command(part: &str) -> String {
    let found: Vec<String> = commands().into_iter().filter(|command| command.contains(part)).collect();
    let [command] = &found[..] else { panic!("README.md, ## Recipes: one with {part}") };
    command.clone()
}

impl Sandbox {
    /// A program of this name that is a shell script.
    fn program(&self, name: &str, script: &str) {
        let name = format!("bin/{name}");
        self.file(&name, &format!("#!/bin/sh\n{script}\n"));
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.home.path().join(name), executable).expect("the mode is set");
    }

    fn run_bash(&self, script: &str) -> String {
        self.file("script", script);
        self.run_shell("bash script", "")
    }
}

#[test]
fn each_recipe_has_a_test() {
    let untested: Vec<String> =
        commands().into_iter().filter(|command| !PARTS.iter().any(|part| command.contains(part))).collect();
    let untested: Vec<&String> = untested.iter().filter(|command| !command.contains("reverse:=true")).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn log_lines_become_messages() {
    let sandbox = Sandbox::new();
    let lines = hostile_lines();
    sandbox.file("app.log", &(lines.join("\n") + "\n"));
    // It would never end.
    sandbox.run_shell(&command("app.log").replace("tail -n 0 -F", "cat"), "");
    let texts: Vec<String> = sandbox.published_data("log");
    let texts: Vec<String> = texts.iter().map(|text| serde_json::from_str(text).expect("it is a string")).collect();
    assert!(texts == lines);
}

#[test]
fn database_rows_become_messages() {
    let sandbox = Sandbox::new();
    sandbox.program("psql", r#"printf '{"channel":"news","data":%s}\n' 1 2"#);
    assert_eq!(sandbox.run_shell(&command("psql"), ""), "");
    assert_eq!(sandbox.published_data("news"), ["1", "2"]);
}

#[test]
#[ignore = "needs jq"]
fn history_is_copied_to_another_server() {
    let (sandbox, other) = (Sandbox::new(), Server::version(6));
    let section = |name, address| format!("[{name}]\naddress = {address}\napi_key = {API_KEY}\n");
    sandbox.file(".centrc", &(section("live", sandbox.server.address()) + &section("other", other.address())));
    for text in ["{ \"a\": 1.0 }", "\"b\""] {
        sandbox.server.centrifugo().publish("news", text);
    }
    sandbox.run_shell(&command("cent other publish"), "");
    let copied = other.centrifugo().messages_as_text("news");
    assert_eq!(copied.len(), 2);
    assert_eq!(copied[1], "\"b\"");
}

#[test]
#[ignore = "needs jq"]
fn message_is_sent_to_channels_that_match() {
    let sandbox = Sandbox::new();
    for channel in ["plain:a", "plain:b", "other"] {
        sandbox.server.centrifugo().join(channel, channel, "42", "");
    }
    let command = command("pattern=");
    assert!(command.contains("pattern='news:*'"), "{command}");
    sandbox.run_shell(&command.replace("news:", "plain:"), "");
    let published = |channel| sandbox.published_data(channel).len();
    assert_eq!(["plain:a", "plain:b", "other"].map(published), [1, 1, 0]);
}

#[test]
fn listed_users_are_disconnected() {
    let sandbox = Sandbox::new();
    sandbox.file("users.txt", "42\nit's \"me\"\n");
    sandbox.run_shell(&command("users.txt"), "");
    let requests = sandbox.server.requests();
    let bodies: Vec<_> = requests.iter().map(|request| request.body_text()).collect();
    let disconnect = |user: &str| format!(r#"{{"commands":[{{"disconnect":{{"user":{user}}}}}]}}"#);
    assert_eq!(bodies, [disconnect(r#""42""#), disconnect(r#""it's \"me\"""#)]);
}

#[test]
fn waits_until_server_is_up() {
    let sandbox = Sandbox::new();
    sandbox.server.add_script(reject(&Response::new(503)));
    let output = sandbox.try_shell(&command("--check --quiet"), "");
    assert!(output.succeeded && output.stdout.is_empty(), "{}{}", output.stdout, output.stderr);
    assert_eq!(sandbox.server.requests().len(), 2);
}

#[test]
#[ignore = "needs jq"]
fn newest_messages_come_first() {
    let sandbox = Sandbox::new();
    (0..12).for_each(|number: u8| sandbox.server.centrifugo().publish("news", number.to_string()));
    let output = sandbox.run_shell(&command("reverse:=true"), "");
    assert_eq!(output, "11\n10\n9\n8\n7\n6\n5\n4\n3\n2\n");
}

#[test]
fn config_comes_from_password_store() {
    let sandbox = Sandbox::new();
    let config = fs::read_to_string(sandbox.home.path().join(".centrc")).expect("the file is there");
    sandbox.file("stored", &config);
    fs::remove_file(sandbox.home.path().join(".centrc")).expect("the file is there");
    sandbox.program("pass", r#"[ "$*" = "show centrc" ] && cat "$HOME/stored""#);
    sandbox.run_bash(&command("pass show"));
}

#[test]
fn nagios_gets_its_statuses() {
    let sandbox = Sandbox::new();
    let check = command("CRITICAL");
    assert_eq!(sandbox.run_shell(&check, ""), "OK\n");
    sandbox.server.add_script(reject(&Response::new(401)));
    let output = sandbox.try_shell(&format!("({check}\n); echo $?"), "");
    let (message, status) = output.stdout.trim_end().rsplit_once('\n').expect("two lines");
    assert!(message.starts_with("CRITICAL: http://localhost:8000/api/info: "), "{message}");
    assert_eq!((message.lines().count(), status), (1, "2"));
}

#[test]
fn systemd_service_gets_its_credential() {
    let mut sandbox = Sandbox::new();
    let unit = code_blocks(section("Recipes"), "ini").concat();
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{key}")).to_owned()
    };
    let (name, _) = value("LoadCredential")
        .split_once(':')
        .map(|(name, path)| (name.to_owned(), path.to_owned()))
        .expect("a name and a path");
    let config = fs::read(sandbox.home.path().join(".centrc")).expect("the file is there");
    fs::remove_file(sandbox.home.path().join(".centrc")).expect("the file is there");
    fs::create_dir(sandbox.home.path().join("credentials")).expect("the directory is created");
    fs::write(sandbox.home.path().join("credentials").join(name), config).expect("the file is written");
    let environment = value("Environment");
    let (variable, path) = environment.split_once('=').expect("a variable and its value");
    assert_eq!(variable, "CENT_CONFIG");
    sandbox.variables = vec![("CENT_CONFIG", path.replace("%d", "credentials"))];
    sandbox.run_shell(&value("ExecStart"), "");
}
