//! The config file: found, read as Python reads it, or rejected with the line; no message shows a secret.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::cli::{Cent, CentOutput, cent};

const BANANAS: &str = "[bananas]\naddress = http://localhost:8000\nsecret = marked\n";

const INDENTED_DEEPER: &str = "(indented deeper); indent both keys equally, or put the value on one line";
const NEITHER_HEADER_NOR_KEY: &str = "expected [SECTION] or KEY = VALUE; fix the line or comment it out with #";
const NO_CREDENTIAL: &str =
    "section [bananas]: no credential; add api_key = … (Centrifugo 2 to 6) or secret = … (Centrifugo 1)";

/// What `--dry-run` prints for a signed request.
fn signed_request(url: &str) -> String {
    request(url, "35", "X-API-Sign: [hidden]", r#"[{"method":"channels","params":{}}]"#)
}

/// What `--dry-run` prints for a request with an API key.
fn keyed_request(url: &str) -> String {
    request(url, "2", "Authorization: [hidden]", "{}")
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
    let header = "invalid section header; expected [NAME]";
    let second = "unexpected ] in section header; expected [NAME] alone on the line";
    for (text, message) in [
        ("secret = marked\n[bananas]\n", "line 1: text before the first section; add a [NAME] header above it"),
        ("\n\n  marked\n[bananas]\n", "line 3: text before the first section; add a [NAME] header above it"),
        ("[bananas]\nmarked\n", &format!("line 2: {NEITHER_HEADER_NOR_KEY}")),
        ("[bananas]\nsecret marked\n", &format!("line 2: {NEITHER_HEADER_NOR_KEY}")),
        ("[bananas]\n= marked\n", "line 2: missing key before = or :; expected KEY = VALUE"),
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
        &format!("line 3: continues the value of address on line 2 {INDENTED_DEEPER}"),
    );
    assert_rejected(
        "[bananas]\nsecret =\n\n\tmarked\n",
        &format!("line 4: continues the value of secret on line 2 {INDENTED_DEEPER}"),
    );
    assert_rejected(
        "[a]\nAPI_KEY: mar\n# ked\n [bananas]\n",
        &format!("line 4: continues the value of api_key on line 2 {INDENTED_DEEPER}"),
    );
}

#[test]
fn rejects_duplicates() {
    for (text, message) in [
        (
            "[bananas]\nsecret = marked\n[x]\n[bananas]\n",
            "line 4: duplicate section [bananas], first defined on line 1; merge them or rename one",
        ),
        (
            "[bananas]\nsecret = marked\nSECRET: marked\n",
            "line 3: duplicate key secret in [bananas], first defined on line 2; keep one",
        ),
        (
            "[bananas]\nmarked== x\nMARKED== y\n",
            "line 3: duplicate key in [bananas], first defined on line 2; keep one",
        ),
        (
            "[DEFAULT]\nsecret = marked\n[DEFAULT]\nsecret = marked\n",
            "line 4: duplicate key secret in [DEFAULT], first defined on line 2; keep one",
        ),
    ] {
        assert_rejected(text, message);
    }
}

#[test]
fn rejects_invalid_utf8() {
    assert_rejected(b"[bananas]\r\nsecret = marked\xe9\r\n", "line 2: invalid UTF-8; save the file as UTF-8");
    assert_rejected(b"\xff\xfe[\0b\0]\0\r\0\n\0", "line 1: invalid UTF-8; save the file as UTF-8");
}

#[test]
fn missing_section_lists_sections() {
    let ask = |text: &str, name: &str| cent().config(text).args(&[name, "channels", "-n"]).run();
    ask("[apples]\n[bananas]\nsecret = marked\n", "banana").assert_output(
        2,
        "",
        "cent: ~/.centrc: section [banana] not found; did you mean bananas? sections: [apples], [bananas]\n",
    );
    ask("[apples]\n[x\u{1b}]\n", "live").assert_output(
        2,
        "",
        "cent: ~/.centrc: section [live] not found; sections: [apples], [x\\u{1b}]\n",
    );
    ask("[Bananas]\n", "bananas").assert_output(
        2,
        "",
        "cent: ~/.centrc: section [bananas] not found; did you mean Bananas? sections: [Bananas]\n",
    );
    ask("[a]\n", "live").assert_output(2, "", "cent: ~/.centrc: section [live] not found; sections: [a]\n");
    ask("# none\n", "live").assert_output(
        2,
        "",
        "cent: ~/.centrc: section [live] not found; the file has no sections: add a [live] header\n",
    );
    ask("[DEFAULT]\nsecret = marked\n", "DEFAULT").assert_output(
        2,
        "",
        "cent: ~/.centrc: [DEFAULT] only provides default values; use another section\n",
    );
}

#[test]
fn missing_and_conflicting_keys_are_reported() {
    for (text, message) in [
        (
            "[bananas]\nsecret = marked\n",
            "section [bananas]: missing key address; add address = http://HOST:PORT".to_owned(),
        ),
        ("[bananas]\naddress = http://h\n", NO_CREDENTIAL.to_owned()),
        (
            "[bananas]\naddress = http://h\nsekret = marked\n",
            "section [bananas]: no credential; line 3 has sekret: did you mean secret?".to_owned(),
        ),
        (
            "[bananas]\naddress = http://h\napi_key = marked\n\nsecret = marked\n",
            "line 5: secret conflicts with api_key on line 3; keep one (api_key for Centrifugo 2 to 6, secret for Centrifugo 1)"
                .to_owned(),
        ),
        (
            "[bananas]\naddress = http://h\nsecret = marked\nsecret_file = x\n",
            "line 4: secret_file conflicts with secret on line 3; keep one (api_key for Centrifugo 2 to 6, secret for Centrifugo 1)"
                .to_owned(),
        ),
        (
            "[DEFAULT]\nsecret = marked\napi_key = marked\n[bananas]\naddress = http://h\n",
            "line 3: api_key conflicts with secret on line 2; keep one (api_key for Centrifugo 2 to 6, secret for Centrifugo 1)"
                .to_owned(),
        ),
    ] {
        assert_rejected(text, &message);
    }
}

#[test]
fn section_key_overrides_default_secret() {
    let text = "[DEFAULT]\naddress = http://h\nsecret = marked\n[bananas]\napi_key = marked\n";
    dry_run(cent().config(text)).assert_output(0, &keyed_request("http://h/api/channels"), "");
}

#[test]
fn bad_values_report_line() {
    for (line, message) in [
        ("address =", "address has no value; add it after the ="),
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
            "address uses %(…) interpolation, which is not supported; write the value itself, or %%( for a literal %(",
        ),
    ] {
        assert_rejected(format!("[bananas]\nsecret = marked\n{line}\n"), &format!("line 3: {message}"));
    }
    for (line, message) in [
        ("secret =", "secret has no value; add it after the ="),
        (
            "secret = %(marked)s",
            "secret uses %(…) interpolation, which is not supported; write the value itself, or %%( for a literal %(",
        ),
        (
            "secret = marked%%%(x",
            "secret uses %(…) interpolation, which is not supported; write the value itself, or %%( for a literal %(",
        ),
        (
            "secret = mar\x07ked marked",
            "secret contains a control character (U+0007); copy it from the server's config, on one line",
        ),
        ("api_key = \t", "api_key has no value; add it after the ="),
        (
            "api_key = markéd marked",
            "API key contains the character U+00E9; the server accepts only printable ASCII without whitespace: change the key \
             in the server's config",
        ),
        (
            "api_key = “marked”",
            "API key contains a typographic quote (U+201C); the quotes around it are part of the value: remove them",
        ),
        ("api_key = marked\u{200b}", "API key contains white space other than ASCII (U+200B); remove it"),
        ("secret_file =", "secret_file has no value; add it after the ="),
    ] {
        assert_rejected(format!("[bananas]\naddress = http://h\n{line}\n"), &format!("line 3: {message}"));
    }
    for timeout in ["0", "-1", "5s", "1e3", "marked", "0.0", "1_0", "inf"] {
        assert_rejected(
            format!("{BANANAS}timeout = {timeout}\n"),
            "line 4: invalid timeout; expected a number of seconds above 0, such as 5 or 0.5",
        );
    }
}

#[test]
fn errors_in_other_sections_are_ignored() {
    assert_accepted(format!("{BANANAS}[other]\naddress = marked\nsecret = %(x)s\ntimeout = soon\n"));
}

#[test]
fn missing_config_shows_example() {
    let example = "; use --config FILE, or create it, for example:\n\
                   cent:   [live]\n\
                   cent:   address = http://localhost:8000\n\
                   cent:   api_key = key-of-the-server\n\
                   cent: for Centrifugo 1, use secret instead of api_key\n";
    dry_run(cent()).assert_output(2, "", &format!("cent: ~/.centrc: file not found in [HOME]{example}"));
    dry_run(cent().arg("--config=x")).assert_output(2, "", &format!("cent: x: file not found{example}"));
    dry_run(cent().env("CENT_CONFIG", "x")).assert_output(
        2,
        "",
        &format!("cent: x (CENT_CONFIG): file not found{example}"),
    );
    let listed = cent().arg("--sections").run();
    listed.assert_output(2, "", &format!("cent: ~/.centrc: file not found in [HOME]{example}"));
    let other = dry_run(cent().env("CENT_CONFIG", "~/x"));
    other.assert_output(2, "", &format!("cent: ~/x (CENT_CONFIG): file not found in [HOME]{example}"));
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
    dry_run(all().arg("--config=")).assert_output(2, "", "cent: --config is empty; is a variable unset?\n");
    dry_run(all().arg("--config=~/.centrc").arg("--verbose")).assert_output(
        0,
        &signed_request("http://home/api/"),
        "cent: config file [HOME]/.centrc, section [bananas]\n",
    );
}

#[test]
fn missing_home_suggests_config_option() {
    let hint = "HOME is not set; use --config with an absolute path";
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
        "cent: .centrc: line 3: secret_file: HOME is not set; use an absolute path\n",
    );
}

#[test]
fn unreadable_config_reports_reason() {
    dry_run(cent().arg("--config=.")).assert_output(2, "", "cent: .: is a directory; expected a file\n");
    dry_run(cent().arg("--config=/dev/zero")).assert_output(
        2,
        "",
        "cent: /dev/zero: larger than 1 MB; use another file\n",
    );
    dry_run(cent().config(BANANAS).arg("--config=.centrc/x")).assert_output(
        2,
        "",
        "cent: .centrc/x: cannot be read: not a directory\n",
    );
    let cent = cent();
    symlink("gone", cent.path(".centrc")).unwrap();
    dry_run(cent).assert_output(2, "", "cent: ~/.centrc: broken symlink to gone; fix the link\n");
}

#[test]
fn unreadable_file_is_reported() {
    let cent = cent().config(BANANAS);
    let path = cent.path(".centrc");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    // The superuser can read it anyway.
    if fs::read(&path).is_err() {
        dry_run(cent).assert_output(2, "", "cent: ~/.centrc: permission denied; change the file's mode or owner\n");
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
        &keyed_request("http://h/api/channels"),
        "",
    );
    dry_run(cent().config(text("api_key_file", "~/key")).file("key", "marked")).assert_output(
        0,
        &keyed_request("http://h/api/channels"),
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
        (b"marked\n\n", format!("secret contains a line break; {one_line}")),
        (b"mar\tked marked", format!("secret contains a tab; {one_line}")),
        (b"marked\nmarked\xe9\n", "line 2: invalid UTF-8; save the file as UTF-8".to_owned()),
        (b"\xef\xbb\xbfmarked\n", "starts with a byte order mark; save the file without it".to_owned()),
    ] {
        let cent = cent().config("[bananas]\naddress = http://h\n\nsecret_file = key\n").file("key", content);
        dry_run(cent).assert_output(2, "", &format!("cent: ~/.centrc: line 4: secret_file: [HOME]/key: {message}\n"));
    }
    let cent = cent().config("[bananas]\naddress = http://h\napi_key_file = key\n").file("key", "marked marked\n");
    dry_run(cent).assert_output(
        2,
        "",
        "cent: ~/.centrc: line 3: api_key_file: [HOME]/key: API key contains a space; the server accepts only \
         printable ASCII without whitespace: change the key in the server's config\n",
    );
}

#[test]
fn missing_credential_file_is_not_named() {
    // Its name may be the credential.
    for (key, name) in [("api_key_file", "API key"), ("secret_file", "secret")] {
        for value in ["marked", "/marked/x", "~/marked", "marked\u{e9}+/=="] {
            let cent = cent().config(format!("[bananas]\naddress = http://h\n{key} = {value}\n"));
            let inline_key = key.trim_end_matches("_file");
            let message = format!(
                "cent: ~/.centrc: line 3: {key}: file not found; create it or fix the path, or use {inline_key} for the {name} \
                 itself\n"
            );
            dry_run(cent).assert_output(2, "", &message);
        }
    }
    let link = cent().config("[bananas]\naddress = http://h\nsecret_file = key\n");
    symlink("gone", link.path("key")).expect("the link is created");
    let message = "cent: ~/.centrc: line 3: secret_file: [HOME]/key: broken symlink to gone; fix the link\n";
    dry_run(link).assert_output(2, "", message);
}

#[test]
fn text_after_an_address_has_a_hint() {
    let comment = "text after the address is part of the value; put a comment on a line of its own";
    for (address, message) in [
        ("http://h:8000 ; local", comment),
        ("http://h:8000\t# local", comment),
        ("http://h:8000;", "address ends with ;, which is part of the value; remove it"),
    ] {
        let cent = cent().config(format!("[bananas]\naddress = {address}\nsecret = x\n"));
        dry_run(cent).assert_output(2, "", &format!("cent: ~/.centrc: line 2: {message}\n"));
    }
}

#[test]
fn unreadable_secret_file_names_both_files() {
    for (path, message) in [
        ("/", "/: is a directory; expected a file"),
        ("/dev/zero", "/dev/zero: larger than 1 MB; use another file"),
        ("/dev/null", "/dev/null: secret is empty; copy it from the server's config"),
    ] {
        let cent = cent().config(format!("[bananas]\naddress = http://h\nsecret_file = {path}\n"));
        dry_run(cent).assert_output(2, "", &format!("cent: ~/.centrc: line 3: secret_file: {message}\n"));
    }
}
