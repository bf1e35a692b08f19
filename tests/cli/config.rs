//! The config file: found, read as Python read it, or refused with the line; no refusal shows the secret.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::program::{Cent, Ran, cent};

const BANANAS: &str = "[bananas]\naddress = http://localhost:8000\nsecret = marked\n";

const DEEPER: &str = "and so part of its value; indent both alike, or write the value in one line";
const NEITHER: &str = "neither [SECTION] nor KEY = VALUE; mend the line, or put a # before it";
const NO_CREDENTIAL: &str = "section [bananas] has no secret and no api_key; write secret = … below it for Centrifugo 1, \
                             api_key = … for later ones";

/// What `--dry-run` prints of a signed request.
fn signed(url: &str) -> String {
    request(url, "35", "X-API-Sign: [hidden]", r#"[{"method":"channels","params":{}}]"#)
}

/// What it prints of a request with a key.
fn keyed(url: &str) -> String {
    request(url, "33", "Authorization: [hidden]", r#"{"method":"channels","params":{}}"#)
}

fn request(url: &str, length: &str, credential: &str, body: &str) -> String {
    format!(
        "POST {url}\nContent-Type: application/json\nContent-Length: {length}\nUser-Agent: cent/{}\n{credential}\n\n{body}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Asks for a request to `[bananas]` without sending it.
fn asked(cent: Cent) -> Ran {
    let ran = cent.args(&["bananas", "channels", "--dry-run"]).run();
    hides_the_secret(&ran);
    ran
}

#[track_caller]
fn hides_the_secret(ran: &Ran) {
    // The reader lowers the case of keys.
    let shown = (ran.stdout() + &ran.stderr()).to_lowercase();
    assert!(!shown.contains("marked"), "{shown}");
}

/// Holds the one line of a refusal to what is expected, and no call to show the secret.
#[track_caller]
fn refused(text: impl AsRef<[u8]>, message: &str) {
    asked(cent().config(&text)).is(2, "", &format!("cent: ~/.centrc: {message}\n"));
    hides_the_secret(&cent().config(&text).args(&["--verbose", "bananas", "channels", "--dry-run"]).run());
    hides_the_secret(&cent().config(&text).args(&["banana", "channels"]).run());
    hides_the_secret(&cent().config(&text).arg("--sections").run());
}

#[track_caller]
fn works(text: impl AsRef<[u8]>) {
    asked(cent().config(text)).is(0, &signed("http://localhost:8000/api/"), "");
}

fn fifo(path: &Path, content: &'static str) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo starts").success());
    let path = path.to_owned();
    // Not waited for: it hangs if nobody reads, and the test has failed then.
    std::thread::spawn(move || fs::write(path, content));
}

#[test]
fn files_that_python_read_work_unchanged() {
    // The example of Python cent's own documentation.
    works(
        "[bananas]\naddress = http://localhost:8000\nsecret = marked\ntimeout = 5\n\n[football]\naddress = http://x\nsecret = y\n",
    );
    works("[DEFAULT]\ntimeout = 3\n\n[bananas]\naddress = http://localhost:8000\nsecret = marked\n");
    works("\u{feff}[bananas]\r\naddress = http://localhost:8000\r\nsecret = marked\r\n");
    works("[bananas]\n\taddress:\thttp://localhost:8000\n\tsecret:\tmarked\n\ttimeout:\t5\n");
    works("# servers\r[bananas]\rADDRESS=http://localhost:8000/api/\r\r; note\rSecret=\"marked\\\r");
    works("[bananas] # note\nname = x\n  secret = y\naddress = http://localhost:8000\nsecret = 100%% %marked#;=\\\n");
}

#[test]
fn sections_are_listed_in_order() {
    let text = "[DEFAULT]\nsecret = marked\n[my server]\n[a.b]\n[бананы]\n[ x ]\n[DEFAULT]\n";
    cent().config(text).arg("--sections").run().is(0, "my server\na.b\nбананы\n x \n", "");
    cent().config("").arg("--sections").run().is(0, "", "");
}

#[test]
fn lines_out_of_order_are_refused() {
    let header = "a section header without name or without ]; write [NAME]";
    let second = "a second ] in a section header; write [NAME] alone on its line";
    for (text, message) in [
        ("secret = marked\n[bananas]\n", "line 1: stands before any section; write [NAME] above it"),
        ("\n\n  marked\n[bananas]\n", "line 3: stands before any section; write [NAME] above it"),
        ("[bananas]\nmarked\n", &format!("line 2: {NEITHER}")),
        ("[bananas]\nsecret marked\n", &format!("line 2: {NEITHER}")),
        ("[bananas]\n= marked\n", "line 2: no key before the = or :; write KEY = VALUE"),
        ("[bananas\nsecret = marked\n", &format!("line 1: {header}")),
        ("[bananas]\r\n[]\r\nsecret = marked\r\n", &format!("line 2: {header}")),
        ("[bananas]\n[marked = x\n", &format!("line 2: {header}")),
        ("[bananas] secret = [marked]\n", &format!("line 1: {second}")),
        ("[bananas] # was [marked]\n", &format!("line 1: {second}")),
        ("[bananas]]\nsecret = marked\n", &format!("line 1: {second}")),
    ] {
        refused(text, message);
    }
}

#[test]
fn values_over_several_lines_are_refused_if_they_are_ours() {
    refused(
        "[bananas]\naddress = x\n  secret = marked\n",
        &format!("line 3: indented deeper than address in line 2, {DEEPER}"),
    );
    refused("[bananas]\nsecret =\n\n\tmarked\n", &format!("line 4: indented deeper than secret in line 2, {DEEPER}"));
    refused(
        "[a]\nAPI_KEY: mar\n# ked\n [bananas]\n",
        &format!("line 4: indented deeper than api_key in line 2, {DEEPER}"),
    );
}

#[test]
fn what_stands_twice_is_refused() {
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
        refused(text, message);
    }
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    refused(b"[bananas]\r\nsecret = marked\xe9\r\n", "line 2: not UTF-8; save the file as UTF-8");
    refused(b"\xff\xfe[\0b\0]\0\r\0\n\0", "line 1: not UTF-8; save the file as UTF-8");
}

#[test]
fn a_missing_section_is_told_with_those_there_are() {
    let ask = |text: &str, name: &str| cent().config(text).args(&[name, "channels", "-n"]).run();
    ask("[apples]\n[bananas]\nsecret = marked\n", "banana").is(
        2,
        "",
        "cent: ~/.centrc: no section [banana]; there are [apples], [bananas]: did you mean bananas?\n",
    );
    ask("[apples]\n[x\u{1b}]\n", "live").is(
        2,
        "",
        "cent: ~/.centrc: no section [live]; there are [apples], [x\\u{1b}]\n",
    );
    ask("[Bananas]\n", "bananas").is(
        2,
        "",
        "cent: ~/.centrc: no section [bananas]; there is [Bananas]: did you mean Bananas?\n",
    );
    ask("[a]\n", "live").is(2, "", "cent: ~/.centrc: no section [live]; there is [a]\n");
    ask("# none\n", "live").is(
        2,
        "",
        "cent: ~/.centrc: no section [live], nor any other; write [live] above its keys\n",
    );
    ask("[DEFAULT]\nsecret = marked\n", "DEFAULT").is(
        2,
        "",
        "cent: ~/.centrc: [DEFAULT] is no section of its own, but supplies keys to the others; name one of them\n",
    );
}

#[test]
fn missing_and_surplus_keys_are_told() {
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
        refused(text, &message);
    }
}

#[test]
fn a_key_of_the_section_sets_aside_the_secret_of_default() {
    let text = "[DEFAULT]\naddress = http://h\nsecret = marked\n[bananas]\napi_key = marked\n";
    asked(cent().config(text)).is(0, &keyed("http://h/api"), "");
}

#[test]
fn bad_values_are_told_with_their_line() {
    let hint = "write http:// or https://";
    for (line, message) in [
        ("address =", "address is empty; write its value after the ="),
        ("address = marked:8000", &format!("the address has no scheme; {hint} before it")),
        ("address = ftp://marked", &format!("the address has an unknown scheme; {hint}")),
        (
            "address = http://u:marked@h",
            "the address holds credentials (an @); leave them out: the key secret or api_key proves who you are",
        ),
        ("address = http://h?marked", "the address has a query; leave out all from the ? on"),
        ("address = http://h#marked", "the address has a fragment; leave out all from the # on"),
        (
            "address = http://%(marked)s:8000",
            "address holds %(, which refers to another key; write the value itself, and %%( for %(",
        ),
    ] {
        refused(format!("[bananas]\nsecret = marked\n{line}\n"), &format!("line 3: {message}"));
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
            "the secret holds the control character U+0007; write the secret of the server's config, on one line",
        ),
        ("api_key = \t", "api_key is empty; write its value after the ="),
        (
            "api_key = markéd marked",
            "the API key holds the character U+00E9; a key is printable ASCII without white space: choose such a key in the \
             server's config",
        ),
        ("secret_file =", "secret_file is empty; write its value after the ="),
    ] {
        refused(format!("[bananas]\naddress = http://h\n{line}\n"), &format!("line 3: {message}"));
    }
    for timeout in ["0", "-1", "5s", "1e3", "marked", "0.0", "1_0", "inf"] {
        refused(
            format!("{BANANAS}timeout = {timeout}\n"),
            "line 4: timeout is not a number of seconds above 0, such as 5 or 0.5",
        );
    }
}

#[test]
fn a_fault_in_another_section_stands_back() {
    works(format!("{BANANAS}[other]\naddress = marked\nsecret = %(x)s\ntimeout = soon\n"));
}

#[test]
fn a_missing_file_is_told_with_one_to_copy() {
    let example = "no such file; name another with --config, or write one such as\n\
                   cent:   [bananas]\n\
                   cent:   address = http://localhost:8000\n\
                   cent:   secret = long-secret-key-for-bananas-project\n\
                   cent: with api_key instead of secret for Centrifugo 2 and later\n";
    asked(cent()).is(2, "", &format!("cent: ~/.centrc: {example}"));
    asked(cent().arg("--config=x")).is(2, "", &format!("cent: x: {example}"));
    asked(cent().env("CENT_CONFIG", "x")).is(2, "", &format!("cent: x (CENT_CONFIG): {example}"));
    cent().arg("--sections").run().is(2, "", &format!("cent: ~/.centrc: {example}"));
}

#[test]
fn the_option_beats_the_variable_which_beats_the_home_folder() {
    let text = |host| format!("[bananas]\naddress = http://{host}\nsecret = marked\n");
    let all = || cent().config(text("home")).file("flag", text("flag")).file("variable", text("variable"));
    asked(all()).is(0, &signed("http://home/api/"), "");
    asked(all().env("CENT_CONFIG", "variable")).is(0, &signed("http://variable/api/"), "");
    asked(all().env("CENT_CONFIG", "~/variable")).is(0, &signed("http://variable/api/"), "");
    asked(all().env("CENT_CONFIG", "")).is(0, &signed("http://home/api/"), "");
    asked(all().env("CENT_CONFIG", "variable").arg("--config=~/flag")).is(0, &signed("http://flag/api/"), "");
    asked(all().arg("--config=")).is(2, "", "cent: --config names no file; is a variable not set?\n");
    asked(all().arg("--config=~/.centrc").arg("--verbose")).is(
        0,
        &signed("http://home/api/"),
        "cent: config file ~/.centrc, section [bananas]\n",
    );
}

#[test]
fn without_home_the_option_is_named() {
    let hint = "HOME is not set; name a config file by its whole path with --config";
    asked(cent().config(BANANAS).env_remove("HOME")).is(2, "", &format!("cent: ~/.centrc: {hint}\n"));
    asked(cent().config(BANANAS).env("HOME", "")).is(2, "", &format!("cent: ~/.centrc: {hint}\n"));
    asked(cent().env_remove("HOME").arg("--config=~/x")).is(2, "", &format!("cent: ~/x: {hint}\n"));
    asked(cent().config(BANANAS).env_remove("HOME").arg("--config=.centrc")).is(
        0,
        &signed("http://localhost:8000/api/"),
        "",
    );
    let text = "[bananas]\naddress = http://h\nsecret_file = ~/key\n";
    asked(cent().config(text).env_remove("HOME").arg("--config=.centrc")).is(
        2,
        "",
        "cent: .centrc: line 3: secret_file: HOME is not set; write the whole path\n",
    );
}

#[test]
fn what_cannot_be_read_says_why() {
    asked(cent().arg("--config=.")).is(2, "", "cent: .: a directory; name a file\n");
    asked(cent().arg("--config=/dev/zero")).is(2, "", "cent: /dev/zero: longer than 1 MB; name another file\n");
    asked(cent().config(BANANAS).arg("--config=.centrc/x")).is(
        2,
        "",
        "cent: .centrc/x: cannot be read; name another file: not a directory\n",
    );
    let cent = cent();
    symlink("gone", cent.path(".centrc")).unwrap();
    asked(cent).is(2, "", "cent: ~/.centrc: a link to gone, which is not there; mend the link\n");
}

#[test]
fn a_file_without_read_permission_says_so() {
    let cent = cent().config(BANANAS);
    let path = cent.path(".centrc");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    // The superuser reads it all the same.
    if fs::read(&path).is_err() {
        asked(cent).is(2, "", "cent: ~/.centrc: not readable for this user; change its mode or its owner\n");
    }
}

#[test]
fn a_pipe_will_do_as_config_file() {
    let expected = signed("http://localhost:8000/api/");
    asked(cent().arg("--config=/dev/stdin").input(BANANAS)).is(0, &expected, "");
    let cent = cent();
    fifo(&cent.path("pipe"), BANANAS);
    asked(cent.arg("--config=pipe")).is(0, &expected, "");
}

#[test]
fn a_process_substitution_will_do_as_config_file() {
    let call =
        r#""$0" --config <(printf '[bananas]\naddress=http://localhost:8000\nsecret=marked\n') -n bananas channels"#;
    let output =
        Command::new("bash").args(["-c", call, env!("CARGO_BIN_EXE_cent")]).env_clear().output().expect("bash starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), signed("http://localhost:8000/api/"));
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let text = |key: &str, path: &str| format!("[bananas]\naddress = http://h\n{key} = {path}\n");
    for content in ["marked", "marked\n", "marked\r\n", " marked \"'\\%%#;=é\n"] {
        asked(cent().config(text("secret_file", "key")).file("key", content)).is(0, &signed("http://h/api/"), "");
    }
    asked(cent().config(text("api_key_file", "key")).file("key", "marked\r\n")).is(0, &keyed("http://h/api"), "");
    asked(cent().config(text("api_key_file", "~/key")).file("key", "marked")).is(0, &keyed("http://h/api"), "");

    // Relative to the folder of the config file, not to the working folder.
    let cent = cent();
    fs::create_dir(cent.path("etc")).unwrap();
    fs::write(cent.path("etc/key"), "marked\n").unwrap();
    fs::write(cent.path("etc/centrc"), text("secret_file", "key")).unwrap();
    asked(cent.arg("--config=etc/centrc")).is(0, &signed("http://h/api/"), "");
}

#[test]
fn a_secrets_file_may_be_a_pipe() {
    let cent = cent().config("[bananas]\naddress = http://h\nsecret_file = pipe\n");
    fifo(&cent.path("pipe"), "marked\r\n");
    asked(cent).is(0, &signed("http://h/api/"), "");
}

#[test]
fn a_secrets_file_that_will_not_do_is_told_with_both_files() {
    let one_line = "write the secret of the server's config, on one line";
    for (content, message) in [
        (&b""[..], "the secret is empty; write the secret of the server's config".to_owned()),
        (b"\r\n", "the secret is empty; write the secret of the server's config".to_owned()),
        (b"marked\n\n", format!("the secret holds the control character U+000A; {one_line}")),
        (b"mar\tked marked", format!("the secret holds the control character U+0009; {one_line}")),
        (b"marked\nmarked\xe9\n", "line 2: not UTF-8; save the file as UTF-8".to_owned()),
        (b"\xef\xbb\xbfmarked\n", "begins with a byte order mark; save the file without it".to_owned()),
    ] {
        let cent = cent().config("[bananas]\naddress = http://h\n\nsecret_file = key\n").file("key", content);
        asked(cent).is(2, "", &format!("cent: ~/.centrc: line 4: secret_file: [HOME]/key: {message}\n"));
    }
    let cent = cent().config("[bananas]\naddress = http://h\napi_key_file = key\n").file("key", "marked marked\n");
    asked(cent).is(
        2,
        "",
        "cent: ~/.centrc: line 3: api_key_file: [HOME]/key: the API key holds the character U+0020; a key is printable ASCII \
         without white space: choose such a key in the server's config\n",
    );
}

#[test]
fn a_secrets_file_that_cannot_be_read_is_told_with_both_files() {
    for (path, message) in [
        ("gone", "[HOME]/gone: no such file; write it, or mend the path"),
        ("/", "/: a directory; name a file"),
        ("/dev/zero", "/dev/zero: longer than 1 MB; name another file"),
        ("/dev/null", "/dev/null: the secret is empty; write the secret of the server's config"),
    ] {
        let cent = cent().config(format!("[bananas]\naddress = http://h\nsecret_file = {path}\n"));
        asked(cent).is(2, "", &format!("cent: ~/.centrc: line 3: secret_file: {message}\n"));
    }
}
