//! KEY=VALUE arguments.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::ApiForm;
use crate::support::cli::{Cent, cent};

const CONFIG: &str = "[live]\naddress = http://127.0.0.1:1\napi_key = marked\n";

fn configured(args: &[&str]) -> Cent {
    cent().config(CONFIG).args(&["live", "publish"]).args(args)
}

/// The params of a dry run with these arguments.
#[track_caller]
fn params_of(cent: Cent) -> String {
    let output = cent.arg("--dry-run").run();
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""));
    let stdout = output.stdout();
    let (_, body) = stdout.split_once("\n\n").expect("the dry run shows the body");
    body.trim_end().to_owned()
}

#[track_caller]
fn assert_params(args: &[&str], params: &str) {
    assert_eq!(params_of(configured(args)), params);
}

#[track_caller]
fn assert_rejected(args: &[&str], message: &str) {
    configured(args).run().assert_output(2, "", &format!("cent: {message}\n"));
}

#[test]
fn arguments_become_params_in_all_forms() {
    for form in ApiForm::ALL {
        let server = form.server();
        let output = form.cent(&server).args(&["bananas", "publish", "channel=plain:a", "data[n]:=1"]).run();
        output.assert_output(0, form.published(), "");
        let body = &server.requests()[form.requests_before()].body_text();
        assert_eq!(*body, form.body("publish", r#"{"channel":"plain:a","data":{"n":1}}"#));
    }
}

#[test]
fn values_are_text_or_json() {
    assert_params(
        &[
            "channel=a",
            "data[title]=World \"Cup\"\n2018\\",
            "data[n]:= 1.0 ",
            "data[tags][]=a",
            "data[tags][]:=[\"b\"]",
        ],
        r#"{"channel":"a","data":{"title":"World \"Cup\"\n2018\\","n":1.0,"tags":["a",["b"]]}}"#,
    );
    let dash = configured(&["--dry-run", "--", "channel=a", "-x=1", "data:=null"]).run().stdout();
    assert!(dash.ends_with("\n\n{\"channel\":\"a\",\"-x\":\"1\",\"data\":null}\n"), "{dash}");
}

#[test]
fn options_may_appear_between_arguments() {
    assert_params(&["channel=a", "--compact", "data=1", "--timeout", "3"], r#"{"channel":"a","data":"1"}"#);
}

#[test]
fn variables_cannot_read_files_or_change_the_structure() {
    for value in ["@secret", "=@secret", ":=1", "[x]=1", "\\", "-", "@-", "a\",\"b\":\"", "$(date)", "%", "🍌"] {
        let cent = configured(&["channel=a"]).file("secret", "marked").arg(format!("data[title]={value}"));
        let params: serde_json::Value = serde_json::from_str(&params_of(cent)).unwrap();
        assert_eq!(params, serde_json::json!({"channel": "a", "data": {"title": value}}));
    }
}

#[test]
fn files_are_text_or_json() {
    let with_files = |args: &[&str]| {
        configured(args).file("text", "a \"b\"\n").file("data.json", " {\"a\" : 1.0}\r\n").file("x=y", "z")
    };
    assert_eq!(params_of(with_files(&["channel=a", "data@text"])), r#"{"channel":"a","data":"a \"b\"\n"}"#);
    assert_eq!(params_of(with_files(&["channel=a", "data:@data.json"])), r#"{"channel":"a","data":{"a" : 1.0}}"#);
    assert_eq!(params_of(with_files(&["channel=a", "data@~/text"])), r#"{"channel":"a","data":"a \"b\"\n"}"#);
    assert_eq!(params_of(with_files(&["channel=a", "data@x=y"])), r#"{"channel":"a","data":"z"}"#);
}

#[test]
fn standard_input_is_read_for_dash_only() {
    let piped = |args: &[&str]| configured(args).stdin_bytes("{\"a\": \"é\"}\n");
    assert_eq!(params_of(piped(&["channel=a", "data:@-"])), r#"{"channel":"a","data":{"a": "é"}}"#);
    let text = configured(&["channel=a", "data@-"]).stdin_bytes("\"é\"\n");
    assert_eq!(params_of(text), r#"{"channel":"a","data":"\"é\"\n"}"#);
    assert_eq!(params_of(piped(&["channel=a", "data=-"])), r#"{"channel":"a","data":"-"}"#);
    // Never written to and never closed: reading would block for ever.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let cent = configured(&["channel=a", "data=1"]).stdin(std::os::fd::OwnedFd::from(theirs));
    assert_eq!(params_of(cent), r#"{"channel":"a","data":"1"}"#);
    piped(&["b64data@-", "data:@-"]).run().assert_output(
        2,
        "",
        "cent: 'b64data@-' and 'data:@-' both read standard input; keep one of them\n",
    );
}

#[test]
fn large_texts_arrive() {
    let text = "x\"".repeat(50_000);
    let cent = configured(&["channel=a"]).arg(format!("data={text}"));
    assert!(params_of(cent) == format!(r#"{{"channel":"a","data":"{}"}}"#, "x\\\"".repeat(50_000)));
    let cent = configured(&["channel=a", "data@large"]).file("large", "x".repeat(20_000_000));
    assert!(params_of(cent) == format!(r#"{{"channel":"a","data":"{}"}}"#, "x".repeat(20_000_000)));
}

#[test]
fn invalid_keys_name_argument_and_column() {
    let rejected = |argument: &str, message: &str| assert_rejected(&["channel=a", argument], message);
    rejected("=x", "'=x': column 1: missing key; params are KEY=VALUE");
    rejected("data[a=x", r"'data[a=x': column 5: [ without ]; add ], or write \[ for the character itself");
    rejected("data]=x", r"'data]=x': column 5: ] without [; write \] for the character itself");
    rejected("d[a]b=x", "'d[a]b=x': column 5: unexpected text after ]; expected another [, or =, :=, @ or :@");
    rejected(
        "d[[a]]=x",
        r"'d[[a]]=x': column 3: [ in brackets; close them with ] first, or write \[ for the character itself",
    );
    let (deep, shown) = ("[]".repeat(1001), "[]".repeat(18));
    let message = format!("'data{shown}…': column 2005: more than 1,000 brackets; set the inner part as JSON with :=");
    rejected(&format!("data{deep}=x"), &message);
}

#[test]
fn contradictions_name_both_arguments() {
    assert_rejected(
        &["data=1", "data=2"],
        "'data=1' and 'data=2' both set data; keep one, or use data[] twice for a list",
    );
    // The server reads params in any case, but not what is inside of them.
    assert_rejected(
        &["channel=a", "Channel=b"],
        "'channel=a' and 'Channel=b' both set channel; keep one, or use channel[] twice for a list",
    );
    assert_params(&["channel=a", "data[a]=1", "data[A]=2"], r#"{"channel":"a","data":{"a":"1","A":"2"}}"#);
    assert_rejected(
        &["data=1", "data[a]=2"],
        "data is a value in 'data=1', but an object in 'data[a]=2'; keep one of them",
    );
    assert_rejected(
        &["data[][a]=1", "data[b]=2"],
        "data is a list in 'data[][a]=1', but an object in 'data[b]=2'; keep one of them",
    );
}

#[test]
fn invalid_values_name_the_place() {
    assert_rejected(&["data:=hello"], "'data:=hello': the value is not JSON; for text use data=");
    assert_rejected(&["data:="], "'data:=': the value is empty; expected JSON: is a variable unset?");
    assert_rejected(
        &["data:={\"é\": x}"],
        "'data:={\"é\": x}': invalid JSON: expected value at line 1, column 7\ncent:   {\"é\": x}\ncent:         ^",
    );
    assert_rejected(
        &["data:=[1,\n 2,]"],
        "'data:=[1,…': invalid JSON: trailing comma at line 2, column 3; remove it\ncent:    2,]\ncent:     ^",
    );
    assert_rejected(
        &["data:={} {}"],
        "'data:={} {}': invalid JSON: unexpected text after the value at line 1, column 4\ncent:   {} {}\ncent:      ^",
    );
    assert_rejected(
        &["data:={title: \"x\"}"],
        "'data:={title: \"x\"}': invalid JSON: object keys must be in double quotes at line 1, column 2\n\
         cent:   {title: \"x\"}\ncent:    ^",
    );
    let lost =
        "invalid JSON: object keys must be in double quotes, which the shell removes; use single quotes around it";
    assert_rejected(&["data:={title:Hi}"], &format!("'data:={{title:Hi}}': {lost}: 'data:=…'"));
    assert_rejected(&["data:=title:Hi", "data:=n:1"], &format!("'data:=title:Hi': {lost}: 'data:=…'"));
    for text in ["12:30", "https://a", "Note: Hi"] {
        let message = format!("'data:={text}': the value is not JSON; for text use data=");
        assert_rejected(&[&format!("data:={text}")], &message);
    }
    let bad = configured(&["data:@bad.json"]).file("bad.json", "\n{\"a\": 01}");
    let message = "cent: 'data:@bad.json': invalid number at line 2, column 8\ncent:   {\"a\": 01}\ncent:          ^\n";
    bad.run().assert_output(2, "", message);
    let text = configured(&["data:@bad.txt"]).file("bad.txt", "hello");
    text.run().assert_output(2, "", "cent: 'data:@bad.txt': the value is not JSON; for text use data@\n");
}

#[test]
fn invalid_utf8_is_rejected() {
    let argument = configured(&["channel=a"]).arg(OsStr::from_bytes(b"data=\xc3\xa9\xff"));
    let message = "cent: 'data=é\u{fffd}': invalid UTF-8 (byte 0xFF) at line 1, column 7; encode the text as UTF-8\ncent:   data=é\u{fffd}\ncent:         ^\n";
    argument.run().assert_output(2, "", message);
    let file = configured(&["channel=a", "data@x"]).file("x", b"a\n\xc3\xa9\xff");
    file.run().assert_output(
        2,
        "",
        "cent: 'data@x': invalid UTF-8 (byte 0xFF) at line 2, column 2; encode the text as UTF-8\ncent:   é\u{fffd}\ncent:    ^\n",
    );
}

#[test]
fn unreadable_files_are_reported() {
    assert_rejected(&["data@none"], "'data@none': cannot read none: no such file or directory");
    assert_rejected(&["data:@."], "'data:@.': cannot read .: is a directory");
    assert_rejected(&["data@"], "'data@': missing file name after @; use @FILE, or - for standard input");
}

#[test]
fn names_are_one_line() {
    let disconnect = |argument: &str| {
        let call = cent().config(CONFIG).args(&["live", "disconnect", argument]);
        let call = call.file("one file", "anna\n").file("two", "anna\nbert\n").file("empty", "");
        call.stdin_bytes("anna\n").run()
    };
    for (argument, problem) in [
        ("user@two", "the user has several lines; for a command per line, use --lines user@- < two"),
        ("user@one file", "the user would end with a newline; use \"user=$(cat 'one file')\""),
        ("user@-", "the user would end with a newline; use \"user=$(cat)\""),
        ("user@empty", "the file is empty (for an empty user, use user:='\"\"')"),
        ("USER@two", "the USER has several lines; for a command per line, use --lines USER@- < two"),
        ("USER=", "the value is empty: is a variable unset? (for an empty USER, use USER:='\"\"')"),
    ] {
        disconnect(argument).assert_output(2, "", &format!("cent: '{argument}': {problem}\n"));
    }
    let nothing = cent().config(CONFIG).args(&["live", "disconnect", "user@-"]).stdin_bytes("").run();
    let problem = "standard input is empty (for an empty user, use user:='\"\"')";
    nothing.assert_output(2, "", &format!("cent: 'user@-': {problem}\n"));
    let problem = "the user has several lines; for a command per line, use --lines user@-";
    disconnect("user=a\nb").assert_output(2, "", &format!("cent: 'user=a…': {problem}\n"));
    assert_eq!(params_of(configured(&["channel:=\"a\\n\"", "data=1"])), r#"{"channel":"a\n","data":"1"}"#);
    assert_eq!(params_of(configured(&["channel=a", "data=b\nc"])), r#"{"channel":"a","data":"b\nc"}"#);
}

#[test]
fn misspelled_key_is_suggested_before_missing_one() {
    assert_rejected(
        &["chanel=a", "data=1"],
        "publish: missing param \"channel\" (a non-empty string); did you mean \"channel\" instead of \"chanel\"?",
    );
}

#[test]
fn json_sent_as_text_has_a_note() {
    for (argument, other) in [("data@body", "data:@body"), ("data[a]@-", "data[a]:@-")] {
        let output = configured(&["channel=a", "-n", argument]).file("body", " [1]\n").stdin_bytes("{}\n").run();
        let note = format!("cent: {argument}: sent as text; to send it as JSON, use {other}\n");
        assert_eq!((output.exit_code(), output.stderr()), (Some(0), note));
        let quiet = configured(&["channel=a", argument, "-nq"]).file("body", "[1]").stdin_bytes("{}").run();
        assert_eq!((quiet.exit_code(), quiet.stderr()), (Some(0), String::new()));
    }
    for (argument, text) in [("data@body", "[1] 2"), ("data@body", "1"), ("b64data@body", "[1]")] {
        let output = configured(&["channel=a", "-n", argument]).file("body", text).run();
        assert_eq!((output.exit_code(), output.stderr()), (Some(0), String::new()), "{argument}");
    }
}

#[test]
fn required_params_are_checked() {
    assert_rejected(
        &["channel=a"],
        "publish: missing param \"data\" (any JSON value) or \"b64data\"; add data=TEXT or data:=JSON, or data@- or data:@- for standard input",
    );
    let history = |limit: &str| cent().config(CONFIG).args(&["live", "history", "channel=a", limit]);
    let message = "cent: history: param \"limit\" must be a whole number, found a string; use limit:=10\n";
    history("limit=10").run().assert_output(2, "", message);
    // The hint is about the param that is wrong.
    assert_rejected(&["channel=", "data=1"], "publish: param \"channel\" must not be empty; is a variable unset?");
    assert_rejected(&["data=1"], "publish: missing param \"channel\" (a non-empty string); add channel=…");
    assert_eq!(params_of(history("limit:=10")), r#"{"channel":"a","limit":10}"#);
}

#[test]
fn arguments_that_are_probably_mistakes_are_rejected() {
    for (argument, message) in [
        ("data[0]=x", r#"lists have no numbers: use 'data[]=x'; for an object with the key "0", use :="#),
        ("channel==news", "there are two =; use channel=news"),
        ("channel=\"news\"", "the quotes are part of the value; use channel=news"),
        ("channel=news\r", "the value ends with a carriage return; use channel=news"),
        (
            "channel=news delta:=true data=x",
            "the quotes are around several arguments; use channel=news delta:=true data=x",
        ),
        ("data:=@f.json", "the value is not JSON; to read a file, use data:@f.json"),
        ("data.title.a=x", "use 'data[title][a]=x'"),
        ("skip_history:=True", "expected true or false; use skip_history:=true"),
        ("version:=ten", "expected a whole number of at least 0"),
        (
            "tags:={a:b}",
            "invalid JSON: object keys must be in double quotes, which the shell removes; use single quotes around it: 'tags:=…'",
        ),
    ] {
        let shown = if argument.ends_with('\r') { "channel=news" } else { argument };
        let shown = if argument.contains("delta") { argument } else { shown };
        // The carriage return is in the middle of the line.
        assert_rejected(&[argument, "--compact"], &format!("'{shown}': {message}"));
    }
    let disconnect = |argument: &str| cent().config(CONFIG).args(&["live", "disconnect", argument, "client=a"]).run();
    let empty = "the value is empty: is a variable unset? (for an empty user, use user:='\"\"')";
    disconnect("user=").assert_output(2, "", &format!("cent: 'user=': {empty}\n"));
    let unknown = cent().config(CONFIG).args(&["live", "frobnicate", "session="]).run();
    let empty = "the value is empty: is a variable unset? (for an empty session, use session:='\"\"')";
    unknown.assert_output(2, "", &format!("cent: 'session=': {empty}\n"));
    // What belongs to data is never interpreted.
    for argument in ["data[a]==x", "data[a]=\"x\"", "data[a]=x limit:=1", "data[a]=", "data=\"x\"", "data= channel=a"] {
        let output = configured(&["channel=a", argument, "--dry-run"]).run();
        assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""), "{argument}");
    }
    let written_out = cent().config(CONFIG).args(&["live", "disconnect", "user:=\"\"", "--dry-run"]).run();
    assert!(written_out.stdout().ends_with("\n\n{\"user\":\"\"}\n"));
}

#[test]
fn params_near_those_of_the_method_are_rejected() {
    let rejected = |args: &[&str], message: &str| {
        cent().config(CONFIG).args(&["live"]).args(args).run().assert_output(2, "", &format!("cent: {message}\n"));
    };
    rejected(&["disconnect", "user=42", "clinet=a"], r#"disconnect: unknown param "clinet"; did you mean client?"#);
    rejected(
        &["publish", "channel=a", "data=x", "idempotency-key=1"],
        r#"publish: unknown param "idempotency-key"; did you mean idempotency_key?"#,
    );
    rejected(&["history", "channel=a", "limt:=1"], r#"history: unknown param "limt"; did you mean limit?"#);
    let old = CONFIG.replace("api_key", "secret");
    let old = |args: &[&str]| cent().config(&old).args(&["live", "publish", "channel=a", "data=x"]).args(args).run();
    let message = "cent: publish: Centrifugo 1 has no param \"skip_history\"; remove it\n";
    old(&["skip_history:=true"]).assert_output(2, "", message);
    // What is near none may be of a later version.
    for args in [&["disconnect", "user=42", "force:=true"][..], &["frobnicate", "chanel=a"]] {
        let output = cent().config(CONFIG).args(&["live"]).args(args).arg("--dry-run").run();
        assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""), "{args:?}");
    }
    // The server reads it in any case.
    let output = cent().config(CONFIG).args(&["live", "disconnect", "user=42", "Client=a", "--dry-run"]).run();
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""));
}

#[test]
fn params_near_those_of_the_method_have_a_note_in_json() {
    let params = r#"--params={"user": "42", "clinet": "a", "clinet": "b", "force": true}"#;
    let disconnect = |args: &[&str]| {
        let output = cent().config(CONFIG).args(&["live", "disconnect", params, "--dry-run"]).args(args).run();
        assert_eq!(output.exit_code(), Some(0));
        output.stderr()
    };
    assert_eq!(disconnect(&[]), "cent: disconnect: unknown param \"clinet\"; did you mean client?\n");
    assert_eq!(disconnect(&["--quiet"]), "");
}

#[test]
fn text_that_is_json_has_a_note() {
    let output = configured(&["channel=a", "data={\"a\":1}", "--dry-run"]).run();
    let note = "cent: data={\"a\":1}: sent as text; to send it as JSON, use data:=\n";
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), note));
    for args in [&["channel=a", "data={\"a\":1}", "--dry-run", "--quiet"][..], &["channel=[1]", "data=[", "--dry-run"]]
    {
        assert_eq!(configured(args).run().stderr(), "");
    }
}

#[test]
fn all_users_of_pro_needs_no_user() {
    let disconnect = |args: &[&str]| cent().config(CONFIG).args(&["live", "disconnect"]).args(args).arg("-n").run();
    assert_eq!(disconnect(&["all_users:=true"]).exit_code(), Some(0));
    for (args, hint) in [(&["all_users:=false"][..], "add user=…"), (&[], "add it to the params")] {
        let message = format!("cent: disconnect: missing param \"user\" (a string); {hint}\n");
        disconnect(args).assert_output(2, "", &message);
    }
    let filter = disconnect(&["user=42", "label_filter=a"]);
    let message = "cent: disconnect: param \"label_filter\" must be an object such as {\"key\": \"tenant\", \"cmp\": \"eq\", \"val\": \"a\"}, found a string\n";
    filter.assert_output(2, "", message);
}

#[test]
fn shell_examples_arrive() {
    let cent = cent().config(CONFIG);
    let script = r#"TITLE='it'\''s "quoted" $(date) 100% \ 🍌
next line'; cent live publish channel=news "data[title]=$TITLE" --dry-run"#;
    let output = Command::new("sh")
        .args(["-c", &script.replace("cent ", &format!("{} ", env!("CARGO_BIN_EXE_cent")))])
        .env_clear()
        .env("HOME", cent.home())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let (_, body) = stdout.split_once("\n\n").unwrap();
    let params: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(params["data"]["title"], "it's \"quoted\" $(date) 100% \\ 🍌\nnext line");
}

/// What a call prints to a terminal, which `script` provides.
fn run_on_terminal(cent: &Cent, args: &str) -> String {
    let mut command = Command::new("script");
    command.args(["--quiet", "--command", &format!("{} {args}", env!("CARGO_BIN_EXE_cent")), "/dev/null"]);
    command.env_clear().env("HOME", cent.home()).current_dir(cent.home()).env("SHELL", "/bin/sh");
    let output = command.stdin(File::open("/dev/null").unwrap()).output().expect("script runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "needs script"]
fn text_that_looks_like_a_file_or_json_has_a_note_on_a_terminal() {
    let cent = cent().config(CONFIG).file("body", "x");
    let note = "cent: data=@body: sent as text; to send the content of the file, use data@body\r\n";
    assert!(run_on_terminal(&cent, "live publish channel=a data=@body -n").starts_with(note));
    let note = "cent: data={\"a\":1}: sent as text; to send it as JSON, use data:=\r\n";
    assert!(run_on_terminal(&cent, "live publish channel=a 'data={\"a\":1}' -n").starts_with(note));
    for args in ["channel=a data=@none -n", "channel=a data=@body -n -q", "channel=a data@body -n"] {
        let output = run_on_terminal(&cent, &format!("live publish {args}"));
        assert!(!output.contains("sent as text"), "{output}");
    }
}
