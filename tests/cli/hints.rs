//! Hints for usual mistakes in arguments, params and config keys.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::support::cli::{Cent, cent};
use crate::support::server::Server;
use crate::{ApiForm, PLAIN, V1};

const CONFIG: &str = "[live]\naddress = http://127.0.0.1:1\napi_key = marked\n";

/// Two commands, one per line.
const TWO_LINES: &str = "{\"channel\": \"a\", \"data\": 1}\n{\"channel\": \"a\", \"data\": 2}\n";

fn configured() -> Cent {
    cent().config(CONFIG).file("x.json", PLAIN).file("x.jsonl", TWO_LINES).file("news", PLAIN)
}

/// Expects one message, and exit status 2.
#[track_caller]
fn assert_hint(args: &[&str], message: &str) {
    configured().args(args).run().assert_output(2, "", &format!("cent: {message}\n"));
}

#[test]
fn options_after_double_dash_are_recognized() {
    for (args, option) in [
        (&["--", "live", "publish", "--params={}"][..], "--params"),
        (&["live", "--", "publish", "-n"], "-n"),
        (&["live", "publish", "--", "--params", "{}"], "--params"),
        (&["live", "--", "--params={}", "publish"], "--params"),
        (&["live", "--", "--lines"], "--lines"),
        (&["--", "--sections"], "--sections"),
        (&["--", "--quiet", "publish"], "--quiet"),
    ] {
        assert_hint(args, &format!("{option} is not read as an option after --; remove the --"));
    }
    assert_hint(
        &["live", "publish", "--", "channel=a", "--params={}"],
        "--params is not read as an option after --; remove the --",
    );
}

#[test]
fn files_after_lines_are_recognized() {
    let redirect = "--lines reads standard input: use < x.jsonl";
    assert_hint(&["live", "publish", "--lines", "x.jsonl"], &format!("unexpected argument 'x.jsonl'; {redirect}"));
    assert_hint(&["live", "publish", "-l", "@x.jsonl"], &format!("unexpected argument '@x.jsonl'; {redirect}"));
    assert_hint(&["live", "publish", "x.jsonl", "--lines"], &format!("unexpected argument 'x.jsonl'; {redirect}"));
    assert_hint(&["live", "--lines", "x.jsonl", "publish"], &format!("unexpected argument 'x.jsonl'; {redirect}"));
    assert_hint(&["--lines", "x.jsonl", "live", "publish"], &format!("unexpected argument 'x.jsonl'; {redirect}"));
    assert_hint(&["live", "--lines", "@x.jsonl"], &format!("unexpected METHOD '@x.jsonl'; {redirect}"));
    assert_hint(&["--lines", "x.jsonl", "publish"], &format!("unexpected SECTION 'x.jsonl'; {redirect}"));
    assert_hint(&["live", "publish", "--lines=x.jsonl"], &format!("unexpected value 'x.jsonl'; {redirect}"));
    let file = "unexpected argument 'news'; --lines reads standard input: use < news";
    assert_hint(&["live", "publish", "--lines", "news"], file);
    let stdin = "unexpected argument '-'; --lines always reads standard input: remove it";
    assert_hint(&["live", "publish", "--lines", "-"], stdin);
    assert_hint(
        &["live", "publish", "--lines", "{\"channel\": \"a\"}"],
        "unexpected argument '{\"channel\": \"a\"}'; --lines reads params from standard input",
    );
}

#[test]
fn file_with_the_name_of_the_method_changes_nothing() {
    let server = V1.server();
    let cent = V1.cent(&server).file("publish", "").args(&["bananas", "--lines", "publish", "-q"]);
    cent.stdin_bytes(PLAIN).run().assert_output(0, "", "");
}

#[test]
fn params_that_name_a_file_are_recognized() {
    for (params, file) in [
        ("x.json", "x.json"),
        ("missing.json", "missing.json"),
        ("./x", "./x"),
        ("~/x.json", "~/x.json"),
        ("news", "news"),
        ("file://x.json", "x.json"),
        ("file:///tmp/x.json", "/tmp/x.json"),
    ] {
        let message = format!("--params: invalid JSON '{params}'; to read a file, use --params=@{file}");
        assert_hint(&["live", "publish", "--params", params], &message);
    }
    for params in ["no-such-file", "http://h/x.json", "{x.json}", "1.5"] {
        let output = configured().args(&["live", "publish", "--params", params]).run();
        assert_eq!(output.exit_code(), Some(2));
        assert!(!output.stderr().contains("to read a file"), "{}", output.stderr());
    }
}

#[test]
fn several_lines_without_lines_option_are_recognized() {
    let message = |name: &str, option: &str| {
        format!("{name}: more than one JSON object; use {option} to send one command per line")
    };
    assert_hint(&["live", "publish", "--params=@x.jsonl"], &message("x.jsonl", "--lines < x.jsonl"));
    assert_hint(&["live", "publish", "--params", TWO_LINES], &message("--params", "--lines"));
    for args in [&["live", "publish"][..], &["live", "publish", "--params=-"]] {
        let text = format!("cent: {}\n", message("standard input", "--lines"));
        configured().args(args).stdin_bytes(TWO_LINES).run().assert_output(2, "", &text);
    }
}

#[test]
fn typographic_dashes_are_recognized() {
    for (args, typed, code, option) in [
        (&["live", "publish", "–params={}"][..], "–params", "2013", "--params"),
        (&["live", "–params={}"], "–params", "2013", "--params"),
        (&["live", "—lines", "publish"], "—lines", "2014", "--lines"),
        (&["—lines", "live"], "—lines", "2014", "--lines"),
        (&["—sections"], "—sections", "2014", "--sections"),
        (&["live", "publish", "‐‐quiet"], "‐‐quiet", "2010", "--quiet"),
        (&["live", "publish", "−c"], "−c", "2212", "-c"),
    ] {
        assert_hint(args, &format!("'{typed}' begins with a typographic dash (U+{code}); use {option}"));
    }
    assert_hint(
        &["live", "publish", "–other"],
        "unexpected argument '–other'; params are KEY=VALUE without spaces around the =, such as channel=news",
    );
}

#[test]
fn typographic_quotes_and_spaces_are_recognized() {
    let quotes = "use straight quotes (\")";
    for (params, character, column, hint) in [
        ("“{}”", "a typographic quote (U+201C)", 1, quotes),
        ("{“channel”: 1}", "a typographic quote (U+201C)", 2, quotes),
        ("{\"channel\": ‘a’}", "a typographic quote (U+2018)", 13, quotes),
        ("{\"channel\":\u{a0}1}", "white space other than ASCII (U+00A0)", 12, "use plain spaces"),
        ("{\u{200b}\"channel\": 1}", "white space other than ASCII (U+200B)", 2, "use plain spaces"),
    ] {
        let output = configured().args(&["live", "publish", "--params", params]).run();
        let message = format!("invalid JSON: {character} at line 1, column {column}; {hint}\n");
        assert!(output.stderr().starts_with(&format!("cent: --params: {message}")), "{}", output.stderr());
        let lines = configured().args(&["live", "publish", "--lines"]).stdin_bytes(format!("{params}\n")).run();
        assert!(lines.stderr().starts_with(&format!("cent: standard input: {message}")), "{}", lines.stderr());
    }
    assert_hint(
        &["live", "publish", "--params=“{channel:", "news}”"],
        "unexpected argument 'news}”'; use straight quotes: --params='{…}'",
    );
    assert_hint(
        &["live", "publish", "channel=a", "data=“World", "Cup”"],
        "unexpected argument 'Cup”'; use straight quotes: KEY=\"…\"",
    );
}

#[test]
fn quotes_that_the_shell_removed_are_recognized() {
    let lost =
        "invalid JSON: object keys must be in double quotes, which the shell removes; use single quotes around it";
    let message = format!("--params: {lost}: --params='{{…}}'");
    assert_hint(&["live", "publish", "--params={channel: news, data: 1}"], &message);
    // What a shell makes of --params={"channel":"news","data":1}.
    assert_hint(&["live", "publish", "--params=channel:news", "--params=data:1"], &message);
}

#[test]
fn empty_names_are_recognized() {
    for args in [&["", "publish"][..], &["", "publish", "--params={}"], &["", "--lines"]] {
        assert_hint(args, "SECTION is empty; is a variable unset?");
    }
    for args in [&["live", ""][..], &["live", " ", "--params={}"], &["live", "", "--lines"]] {
        assert_hint(args, "METHOD is empty; is a variable unset?");
    }
}

#[test]
fn swapped_section_and_method_are_recognized() {
    assert_hint(&["publish", "live"], "SECTION comes before METHOD; did you mean cent live publish?");
    assert_hint(&["publish", "live", "-l"], "SECTION comes before METHOD; did you mean cent --lines live publish?");
    assert_hint(&["publish", "--lines"], "section [publish] not found; usage: cent SECTION publish");
    // A section may have the name of a method.
    let config = format!("[publish]\n{}", CONFIG.split_once('\n').unwrap().1);
    let output = cent().config(config).args(&["publish", "info", "--dry-run"]).run();
    assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
}

#[test]
fn names_of_options_without_dashes_are_recognized() {
    for word in ["help", "sections", "version", "completions"] {
        assert_hint(&[word], &format!("missing METHOD after SECTION; did you mean cent --{word}?"));
        assert_hint(&[word, "bash"], &format!("section [{word}] not found; did you mean cent --{word}?"));
    }
}

#[test]
fn help_about_a_method_has_a_hint() {
    let hint = "section [help] not found; did you mean cent --help or cent SECTION publish --help?";
    assert_hint(&["help", "publish"], hint);
    // Before there is a config file, too.
    cent().args(&["help", "publish"]).run().assert_output(2, "", &format!("cent: {hint}\n"));
    // A section may be called help.
    let config = CONFIG.replace("live", "help");
    let output = cent().config(config).args(&["help", "info", "--dry-run"]).run();
    assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
}

#[test]
fn home_directory_is_expanded_after_at_sign() {
    for form in ApiForm::ALL {
        let server = form.server();
        let cent = form.cent(&server).file("message.json", PLAIN);
        let other = tempfile::tempdir().unwrap();
        let shell = format!("cd {} && exec \"$0\" \"$@\"", other.path().display());
        let cent = cent.args(&["bananas", "publish", "--params=@~/message.json"]).run_under(&["sh", "-c", &shell]);
        cent.run().assert_output(0, form.published(), "");
    }
    let output = cent().env_remove("HOME").file("config", CONFIG);
    output.args(&["live", "publish", "--config=config", "--params=@~/message.json"]).run().assert_output(
        2,
        "",
        "cent: --params: cannot read ~/message.json: HOME is not set; use an absolute path\n",
    );
}

#[test]
fn stdin_path_that_cannot_be_opened_has_a_hint() {
    for path in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let cent = configured().args(&["live", "publish"]).arg(format!("--params=@{path}"));
        let message = format!(
            "cent: --params: cannot read {path} (for standard input use --params=-): no such device or address\n"
        );
        cent.stdin(OwnedFd::from(theirs)).run().assert_output(2, "", &message);
    }
    let server = Server::version(7);
    let cent = ApiForm::Current.cent(&server).file("message.json", PLAIN);
    let input = File::open(cent.path("message.json")).unwrap();
    let output = cent.args(&["bananas", "publish", "--params=@/dev/stdin"]).stdin(input).run();
    output.assert_output(0, ApiForm::Current.published(), "");
}

#[test]
fn misspelled_config_keys_are_named_where_a_key_is_missing() {
    let check = |keys: &str, message: &str| {
        let output = cent().config(format!("[live]\n{keys}")).args(&["live", "info", "-n"]).run();
        output.assert_output(2, "", &format!("cent: ~/.centrc: section [live]: {message}\n"));
    };
    for key in ["adress", "addres", "url", "host", "server"] {
        let hint = format!("line 2 has {key}: did you mean address?");
        check(&format!("{key} = http://h\napi_key = marked\n"), &format!("missing key address; {hint}"));
    }
    for key in ["apikey", "api-key", "key", "token"] {
        let hint = format!("line 3 has {key}: did you mean api_key?");
        check(&format!("address = http://h\n{key} = marked\n"), &format!("no credential; {hint}"));
    }
    check("address = http://h\nsecert = marked\n", "no credential; line 3 has secert: did you mean secret?");
    check("name = x\napi_key = marked\n", "missing key address; add address = http://HOST:PORT");
}

#[test]
fn verbose_reports_config_path_proxy_and_misspelled_keys() {
    let verbose = |cent: Cent| {
        let output = cent.args(&["live", "info", "-n", "-v"]).stdin(Stdio::null()).run();
        assert_eq!(output.exit_code(), Some(0), "{}", output.stderr());
        output.stderr()
    };
    let file = "cent: config file [HOME]/.centrc, section [live]\n";
    assert_eq!(verbose(configured()), file);
    let relative = configured().file("config", CONFIG);
    assert_eq!(
        verbose(relative.env("CENT_CONFIG", "config")),
        "cent: config file [HOME]/config (CENT_CONFIG), section [live]\n"
    );
    let proxied = configured().env("http_proxy", "http://user:marked@proxy.example:3128");
    assert_eq!(verbose(proxied), format!("{file}cent: proxy proxy.example:3128 (http_proxy)\n"));
    let exempt = configured().env("ALL_PROXY", "proxy.example").env("NO_PROXY", "*");
    assert_eq!(verbose(exempt), file);
    let misspelled = cent().config(format!("{CONFIG}time_out = 3\n"));
    assert_eq!(verbose(misspelled), format!("{file}cent: ~/.centrc: line 4 has time_out: did you mean timeout?\n"));
}

#[test]
fn misspelled_optional_key_is_not_reported_without_verbose() {
    let output = cent().config(format!("{CONFIG}time_out = 3\n")).args(&["live", "info", "-n"]).run();
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""));
}
