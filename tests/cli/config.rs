//! The config file: found, read as Python reads it, or rejected with the line; no message shows a secret.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::cli::{Cent, CentOutput, cent};

const BANANAS: &str = "[bananas]\naddress = http://localhost:8000\nsecret = marked\n";

const INDENTED_DEEPER: &str = "and so part of its value; indent both alike, or write the value in one line";
const NEITHER_HEADER_NOR_KEY: &str = "neither [SECTION] nor KEY = VALUE; mend the line, or put a # before it";
const NO_CREDENTIAL: &str = "section [bananas] has no secret and no api_key; write secret = … below it for Centrifugo 1, \
                             api_key = … for later ones";

/// What `--dry-run` prints for a signed request.
fn signed_request(url: &str) -> String {
    request(url, "35", "X-API-Sign: [hidden]", r#"[{"method":"channels","params":{}}]"#)
}

/// What `--dry-run` prints for a request with an API key.
fn keyed_request(url: &str) -> String {
    request(url, "33", "Authorization: [hidden]", r#"{"method":"channels","params":{}}"#)
}

fn request(url: &str, length: &str, credential: &str, body: &str) -> String {
    format!(
        "POST {url}\nContent-Type: application/json\nContent-Length: {length}\nUser-Agent: cent/{}\n{credential}\n\n{body}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Prints a request for `[bananas]` without sending it.
fn dry_run(cent: Cent) -> CentOutput {
    let output = cent.args(&["bananas", "channels", "--dry-run"]).run();
    assert_secret_hidden(&output);
    output
}

#[track_caller]
fn assert_secret_hidden(output: &CentOutput) {
    // Keys are converted to lower case when read.
    let printed = (output.stdout() + &output.stderr()).to_lowercase();
    assert!(!printed.contains("marked"), "{printed}");
}

/// Expects this single message, and no secret in the output of any call.
#[track_caller]
fn assert_rejected(text: impl AsRef<[u8]>, message: &str) {
    dry_run(cent().config(&text)).assert_output(2, "", &format!("cent: ~/.centrc: {message}\n"));
    assert_secret_hidden(&cent().config(&text).args(&["--verbose", "bananas", "channels", "--dry-run"]).run());
    assert_secret_hidden(&cent().config(&text).args(&["banana", "channels"]).run());
    assert_secret_hidden(&cent().config(&text).arg("--sections").run());
}

#[track_caller]
fn assert_accepted(text: impl AsRef<[u8]>) {
    dry_run(cent().config(text)).assert_output(0, &signed_request("http://localhost:8000/api/"), "");
}

fn write_to_fifo(path: &Path, content: &'static str) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
    let path = path.to_owned();
    // Not joined: it blocks if nobody reads, and then the test has failed.
    std::thread::spawn(move || fs::write(path, content));
}

#[test]
fn python_config_files_work_unchanged() {
    // The example in the documentation of Python's cent.
    assert_accepted(
        "[bananas]\naddress = http://localhost:8000\nsecret = marked\ntimeout = 5\n\n[football]\naddress = http://x\nsecret = y\n",
    );
    assert_accepted("[DEFAULT]\ntimeout = 3\n\n[bananas]\naddress = http://localhost:8000\nsecret = marked\n");
    assert_accepted("\u{feff}[bananas]\r\naddress = http://localhost:8000\r\nsecret = marked\r\n");
    assert_accepted("[bananas]\n\taddress:\thttp://localhost:8000\n\tsecret:\tmarked\n\ttimeout:\t5\n");
    assert_accepted("# servers\r[bananas]\rADDRESS=http://localhost:8000/api/\r\r; note\rSecret=\"marked\\\r");
    assert_accepted(
        "[bananas] # note\nname = x\n  secret = y\naddress = http://localhost:8000\nsecret = 100%% %marked#;=\\\n",
    );
}

#[test]
fn sections_are_listed_in_order() {
    let text = "[DEFAULT]\nsecret = marked\n[my server]\n[a.b]\n[бананы]\n[ x ]\n[DEFAULT]\n";
    cent().config(text).arg("--sections").run().assert_output(0, "my server\na.b\nбананы\n x \n", "");
    cent().config("").arg("--sections").run().assert_output(0, "", "");
}

#[test]
fn rejects_malformed_lines() {
    let header = "a section header without name or without ]; write [NAME]";
    let second = "a second ] in a section header; write [NAME] alone on its line";
    for (text, message) in [
        ("secret = marked\n[bananas]\n", "line 1: stands before any section; write [NAME] above it"),
        ("\n\n  marked\n[bananas]\n", "line 3: stands before any section; write [NAME] above it"),
        ("[bananas]\nmarked\n", &format!("line 2: {NEITHER_HEADER_NOR_KEY}")),
        ("[bananas]\nsecret marked\n", &format!("line 2: {NEITHER_HEADER_NOR_KEY}")),
        ("[bananas]\n= marked\n", "line 2: no key before the = or :; write KEY = VALUE"),
        ("[bananas\nsecret = marked\n", &format!("line 1: {header}")),
        ("[bananas]\r\n[]\r\nsecret = marked\r\n", &format!("line 2: {header}")),
        ("[bananas]\n[marked = x\n", &format!("line 2: {header}")),
        ("[bananas] secret = [marked]\n", &format!("line 1: {second}")),
        ("[bananas] # was [marked]\n", &format!("line 1: {second}")),
        ("[bananas]]\nsecret = marked\n", &format!("line 1: {second}")),
    ] {
        assert_rejected(text, message);
    }
}

#[test]
fn rejects_multiline_values_of_known_keys() {
    assert_rejected(
        "[bananas]\naddress = x\n  secret = marked\n",
        &format!("line 3: indented deeper than address in line 2, {INDENTED_DEEPER}"),
    );
    assert_rejected(
        "[bananas]\nsecret =\n\n\tmarked\n",
        &format!("line 4: indented deeper than secret in line 2, {INDENTED_DEEPER}"),
    );
    assert_rejected(
        "[a]\nAPI_KEY: mar\n# ked\n [bananas]\n",
        &format!("line 4: indented deeper than api_key in line 2, {INDENTED_DEEPER}"),
    );
}

#[test]
fn rejects_duplicates() {
    for (text, message) in [
        (
            "[bananas]\nsecret = marked\n[x]\n[bananas]\n",
            "line 4: section [bananas] stands twice, first in line 1; join them or rename one",
        ),
        (
            "[bananas]\nsecret = marked\nSECRET: marked\n",
            "line 3: secret stands twice in [bananas], first in line 2; keep one of them",
        ),
        (
            "[bananas]\nmarked== x\nMARKED== y\n",
            "line 3: the key stands twice in [bananas], first in line 2; keep one of them",
        ),
        (
            "[DEFAULT]\nsecret = marked\n[DEFAULT]\nsecret = marked\n",
            "line 4: secret stands twice in [DEFAULT], first in line 2; keep one of them",
        ),
    ] {
        assert_rejected(text, message);
    }
}

#[test]
fn rejects_invalid_utf8() {
    assert_rejected(b"[bananas]\r\nsecret = marked\xe9\r\n", "line 2: not UTF-8; save the file as UTF-8");
    assert_rejected(b"\xff\xfe[\0b\0]\0\r\0\n\0", "line 1: not UTF-8; save the file as UTF-8");
}

#[test]
fn missing_section_lists_sections() {
    let ask = |text: &str, name: &str| cent().config(text).args(&[name, "channels", "-n"]).run();
    ask("[apples]\n[bananas]\nsecret = marked\n", "banana").assert_output(
        2,
        "",
        "cent: ~/.centrc: no section [banana]; there are [apples], [bananas]: did you mean bananas?\n",
    );
    ask("[apples]\n[x\u{1b}]\n", "live").assert_output(
        2,
        "",
        "cent: ~/.centrc: no section [live]; there are [apples], [x\\u{1b}]\n",
    );
    ask("[Bananas]\n", "bananas").assert_output(
        2,
        "",
        "cent: ~/.centrc: no section [bananas]; there is [Bananas]: did you mean Bananas?\n",
    );
    ask("[a]\n", "live").assert_output(2, "", "cent: ~/.centrc: no section [live]; there is [a]\n");
    ask("# none\n", "live").assert_output(
        2,
        "",
        "cent: ~/.centrc: no section [live], nor any other; write [live] above its keys\n",
    );
    ask("[DEFAULT]\nsecret = marked\n", "DEFAULT").assert_output(
        2,
        "",
        "cent: ~/.centrc: [DEFAULT] is no section of its own, but supplies keys to the others; name one of them\n",
    );
}

#[test]
fn missing_and_conflicting_keys_are_reported() {
    for (text, message) in [
        (
            "[bananas]\nsecret = marked\n",
            "section [bananas] has no address; write address = http://HOST:PORT below it".to_owned(),
        ),
        ("[bananas]\naddress = http://h\nsekret = marked\n", NO_CREDENTIAL.to_owned()),
        (
            "[bananas]\naddress = http://h\napi_key = marked\n\nsecret = marked\n",
            "line 5: secret beside api_key in line 3; keep one (secret for Centrifugo 1, api_key for later ones)"
                .to_owned(),
        ),
        (
            "[bananas]\naddress = http://h\nsecret = marked\nsecret_file = x\n",
            "line 4: secret_file beside secret in line 3; keep one (secret for Centrifugo 1, api_key for later ones)"
                .to_owned(),
        ),
        (
            "[DEFAULT]\nsecret = marked\napi_key = marked\n[bananas]\naddress = http://h\n",
            "line 3: api_key beside secret in line 2; keep one (secret for Centrifugo 1, api_key for later ones)"
                .to_owned(),
        ),
    ] {
        assert_rejected(text, &message);
    }
}

#[test]
fn section_key_overrides_default_secret() {
    let text = "[DEFAULT]\naddress = http://h\nsecret = marked\n[bananas]\napi_key = marked\n";
    dry_run(cent().config(text)).assert_output(0, &keyed_request("http://h/api"), "");
}

#[test]
fn bad_values_report_line() {
    for (line, message) in [
        ("address =", "address is empty; write its value after the ="),
        ("address = marked:8000", "address has no scheme; add http:// or https://"),
        ("address = ftp://marked", "unsupported scheme in address; use http:// or https://"),
        ("address = \"http://marked\"", "address starts with a quote; remove the quotes"),
        ("address = 'http://marked'", "address starts with a quote; remove the quotes"),
        (
            "address = http://u:marked@h",
            "address contains credentials (@); remove them and set secret or api_key instead",
        ),
        ("address = http://h?marked", "address contains a query string; remove the ? and everything after it"),
        ("address = http://h#marked", "address contains a fragment; remove the # and everything after it"),
        (
            "address = http://%(marked)s:8000",
            "address holds %(, which refers to another key; write the value itself, and %%( for %(",
        ),
    ] {
        assert_rejected(format!("[bananas]\nsecret = marked\n{line}\n"), &format!("line 3: {message}"));
    }
    for (line, message) in [
        ("secret =", "secret is empty; write its value after the ="),
        ("secret = %(marked)s", "secret holds %(, which refers to another key; write the value itself, and %%( for %("),
        (
            "secret = marked%%%(x",
            "secret holds %(, which refers to another key; write the value itself, and %%( for %(",
        ),
        (
            "secret = mar\x07ked marked",
            "secret contains a control character (U+0007); copy it from the server's config, on one line",
        ),
        ("api_key = \t", "api_key is empty; write its value after the ="),
        (
            "api_key = markéd marked",
            "invalid character U+00E9 in API key; the server accepts only printable ASCII without whitespace: change the key \
             in the server's config",
        ),
        ("secret_file =", "secret_file is empty; write its value after the ="),
    ] {
        assert_rejected(format!("[bananas]\naddress = http://h\n{line}\n"), &format!("line 3: {message}"));
    }
    for timeout in ["0", "-1", "5s", "1e3", "marked", "0.0", "1_0", "inf"] {
        assert_rejected(
            format!("{BANANAS}timeout = {timeout}\n"),
            "line 4: timeout is not a number of seconds above 0, such as 5 or 0.5",
        );
    }
}

#[test]
fn errors_in_other_sections_are_ignored() {
    assert_accepted(format!("{BANANAS}[other]\naddress = marked\nsecret = %(x)s\ntimeout = soon\n"));
}

#[test]
fn missing_config_shows_example() {
    let example = "no such file; name another with --config, or write one such as\n\
                   cent:   [bananas]\n\
                   cent:   address = http://localhost:8000\n\
                   cent:   secret = long-secret-key-for-bananas-project\n\
                   cent: with api_key instead of secret for Centrifugo 2 and later\n";
    dry_run(cent()).assert_output(2, "", &format!("cent: ~/.centrc: {example}"));
    dry_run(cent().arg("--config=x")).assert_output(2, "", &format!("cent: x: {example}"));
    dry_run(cent().env("CENT_CONFIG", "x")).assert_output(2, "", &format!("cent: x (CENT_CONFIG): {example}"));
    cent().arg("--sections").run().assert_output(2, "", &format!("cent: ~/.centrc: {example}"));
}

#[test]
fn config_option_overrides_variable_and_home() {
    let text = |host| format!("[bananas]\naddress = http://{host}\nsecret = marked\n");
    let all = || cent().config(text("home")).file("flag", text("flag")).file("variable", text("variable"));
    dry_run(all()).assert_output(0, &signed_request("http://home/api/"), "");
    dry_run(all().env("CENT_CONFIG", "variable")).assert_output(0, &signed_request("http://variable/api/"), "");
    dry_run(all().env("CENT_CONFIG", "~/variable")).assert_output(0, &signed_request("http://variable/api/"), "");
    dry_run(all().env("CENT_CONFIG", "")).assert_output(0, &signed_request("http://home/api/"), "");
    dry_run(all().env("CENT_CONFIG", "variable").arg("--config=~/flag")).assert_output(
        0,
        &signed_request("http://flag/api/"),
        "",
    );
    dry_run(all().arg("--config=")).assert_output(2, "", "cent: --config names no file; is a variable not set?\n");
    dry_run(all().arg("--config=~/.centrc").arg("--verbose")).assert_output(
        0,
        &signed_request("http://home/api/"),
        "cent: config file ~/.centrc, section [bananas]\n",
    );
}

#[test]
fn missing_home_suggests_config_option() {
    let hint = "HOME is not set; name a config file by its whole path with --config";
    dry_run(cent().config(BANANAS).env_remove("HOME")).assert_output(2, "", &format!("cent: ~/.centrc: {hint}\n"));
    dry_run(cent().config(BANANAS).env("HOME", "")).assert_output(2, "", &format!("cent: ~/.centrc: {hint}\n"));
    dry_run(cent().env_remove("HOME").arg("--config=~/x")).assert_output(2, "", &format!("cent: ~/x: {hint}\n"));
    dry_run(cent().config(BANANAS).env_remove("HOME").arg("--config=.centrc")).assert_output(
        0,
        &signed_request("http://localhost:8000/api/"),
        "",
    );
    let text = "[bananas]\naddress = http://h\nsecret_file = ~/key\n";
    dry_run(cent().config(text).env_remove("HOME").arg("--config=.centrc")).assert_output(
        2,
        "",
        "cent: .centrc: line 3: secret_file: HOME is not set; write the whole path\n",
    );
}

#[test]
fn unreadable_config_reports_reason() {
    dry_run(cent().arg("--config=.")).assert_output(2, "", "cent: .: a directory; name a file\n");
    dry_run(cent().arg("--config=/dev/zero")).assert_output(
        2,
        "",
        "cent: /dev/zero: longer than 1 MB; name another file\n",
    );
    dry_run(cent().config(BANANAS).arg("--config=.centrc/x")).assert_output(
        2,
        "",
        "cent: .centrc/x: cannot be read; name another file: not a directory\n",
    );
    let cent = cent();
    symlink("gone", cent.path(".centrc")).unwrap();
    dry_run(cent).assert_output(2, "", "cent: ~/.centrc: a link to gone, which is not there; mend the link\n");
}

#[test]
fn unreadable_file_is_reported() {
    let cent = cent().config(BANANAS);
    let path = cent.path(".centrc");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    // The superuser can read it anyway.
    if fs::read(&path).is_err() {
        dry_run(cent).assert_output(
            2,
            "",
            "cent: ~/.centrc: not readable for this user; change its mode or its owner\n",
        );
    }
}

#[test]
fn config_can_be_a_pipe() {
    let expected = signed_request("http://localhost:8000/api/");
    dry_run(cent().arg("--config=/dev/stdin").stdin_bytes(BANANAS)).assert_output(0, &expected, "");
    let cent = cent();
    write_to_fifo(&cent.path("pipe"), BANANAS);
    dry_run(cent.arg("--config=pipe")).assert_output(0, &expected, "");
}

#[test]
fn config_can_be_a_process_substitution() {
    let call =
        r#""$0" --config <(printf '[bananas]\naddress=http://localhost:8000\nsecret=marked\n') -n bananas channels"#;
    let output =
        Command::new("bash").args(["-c", call, env!("CARGO_BIN_EXE_cent")]).env_clear().output().expect("bash starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), signed_request("http://localhost:8000/api/"));
}

#[test]
fn credential_can_be_in_a_file() {
    let text = |key: &str, path: &str| format!("[bananas]\naddress = http://h\n{key} = {path}\n");
    for content in ["marked", "marked\n", "marked\r\n", " marked \"'\\%%#;=é\n"] {
        dry_run(cent().config(text("secret_file", "key")).file("key", content)).assert_output(
            0,
            &signed_request("http://h/api/"),
            "",
        );
    }
    dry_run(cent().config(text("api_key_file", "key")).file("key", "marked\r\n")).assert_output(
        0,
        &keyed_request("http://h/api"),
        "",
    );
    dry_run(cent().config(text("api_key_file", "~/key")).file("key", "marked")).assert_output(
        0,
        &keyed_request("http://h/api"),
        "",
    );

    // Relative to the directory of the config file, not to the working directory.
    let cent = cent();
    fs::create_dir(cent.path("etc")).unwrap();
    fs::write(cent.path("etc/key"), "marked\n").unwrap();
    fs::write(cent.path("etc/centrc"), text("secret_file", "key")).unwrap();
    dry_run(cent.arg("--config=etc/centrc")).assert_output(0, &signed_request("http://h/api/"), "");
}

#[test]
fn secret_file_can_be_a_pipe() {
    let cent = cent().config("[bananas]\naddress = http://h\nsecret_file = pipe\n");
    write_to_fifo(&cent.path("pipe"), "marked\r\n");
    dry_run(cent).assert_output(0, &signed_request("http://h/api/"), "");
}

#[test]
fn bad_secret_file_names_both_files() {
    let one_line = "copy it from the server's config, on one line";
    for (content, message) in [
        (&b""[..], "secret is empty; copy it from the server's config".to_owned()),
        (b"\r\n", "secret is empty; copy it from the server's config".to_owned()),
        (b"marked\n\n", format!("secret contains a control character (U+000A); {one_line}")),
        (b"mar\tked marked", format!("secret contains a control character (U+0009); {one_line}")),
        (b"marked\nmarked\xe9\n", "line 2: not UTF-8; save the file as UTF-8".to_owned()),
        (b"\xef\xbb\xbfmarked\n", "begins with a byte order mark; save the file without it".to_owned()),
    ] {
        let cent = cent().config("[bananas]\naddress = http://h\n\nsecret_file = key\n").file("key", content);
        dry_run(cent).assert_output(2, "", &format!("cent: ~/.centrc: line 4: secret_file: [HOME]/key: {message}\n"));
    }
    let cent = cent().config("[bananas]\naddress = http://h\napi_key_file = key\n").file("key", "marked marked\n");
    dry_run(cent).assert_output(
        2,
        "",
        "cent: ~/.centrc: line 3: api_key_file: [HOME]/key: invalid character U+0020 in API key; the server accepts only \
         printable ASCII without whitespace: change the key in the server's config\n",
    );
}

#[test]
fn unreadable_secret_file_names_both_files() {
    for (path, message) in [
        ("gone", "[HOME]/gone: no such file; write it, or mend the path"),
        ("/", "/: a directory; name a file"),
        ("/dev/zero", "/dev/zero: longer than 1 MB; name another file"),
        ("/dev/null", "/dev/null: secret is empty; copy it from the server's config"),
    ] {
        let cent = cent().config(format!("[bananas]\naddress = http://h\nsecret_file = {path}\n"));
        dry_run(cent).assert_output(2, "", &format!("cent: ~/.centrc: line 3: secret_file: {message}\n"));
    }
}
