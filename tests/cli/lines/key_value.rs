//! KEY=VALUE with `--lines`: lines that are no JSON become the value of one param.

use super::{publish_lines, reply};
use crate::support::cli::{Cent, CentOutput};
use crate::support::server::Server;
use crate::{ApiForm, Current, V1};

fn run(cent: Cent, args: &[&str], input: impl Into<Vec<u8>>) -> CentOutput {
    cent.args(args).stdin_bytes(input).run()
}

/// The bodies of all requests.
fn bodies(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.body_text()).collect()
}

/// Expects the requests that these lines of JSON make without the arguments.
#[track_caller]
fn assert_same_requests(args: &[&str], input: &str, json: &str) {
    for form in ApiForm::ALL {
        let (server, other) = (form.server(), form.server());
        let output = run(form.cent(&server), &[&["bananas", "--lines", "-c"], args].concat(), input);
        let method = args[0];
        let expected = run(form.cent(&other), &["bananas", "--lines", "-c", method], json);
        let count = json.lines().filter(|line| !line.is_empty()).count();
        assert_eq!(output.stdout(), expected.stdout());
        assert_eq!((output.exit_code(), output.stdout().lines().count()), (Some(0), count), "{}", output.stderr());
        assert_eq!(bodies(&server), bodies(&other));
    }
}

#[test]
fn text_lines_become_strings() {
    assert_same_requests(
        &["publish", "channel=plain:a", "data@-"],
        "a \"b\"\n\n {\\}\t\r\n[\0\nlast",
        "{\"channel\":\"plain:a\",\"data\":\"a \\\"b\\\"\"}\n\n{\"channel\":\"plain:a\",\"data\":\" {\\\\}\\t\"}\n\
         {\"channel\":\"plain:a\",\"data\":\"[\\u0000\"}\n{\"channel\":\"plain:a\",\"data\":\"last\"}\n",
    );
}

#[test]
fn json_lines_are_kept_as_written() {
    assert_same_requests(
        &["broadcast", "channels[]=plain:a", "channels[]=plain:b", "data:@-"],
        "{\"n\" : 1.0}\n [1] \n",
        "{\"channels\":[\"plain:a\",\"plain:b\"],\"data\":{\"n\" : 1.0}}\n\
         {\"channels\":[\"plain:a\",\"plain:b\"],\"data\":[1]}\n",
    );
}

#[test]
fn any_method_takes_lines() {
    assert_same_requests(
        &["unsubscribe", "user=42", "channel@-"],
        "a
b
",
        "{\"user\":\"42\",\"channel\":\"a\"}
{\"user\":\"42\",\"channel\":\"b\"}
",
    );
    assert_same_requests(&["disconnect", "user@-"], "42\n", "{\"user\":\"42\"}\n");
}

#[test]
fn invalid_line_is_named() {
    for form in ApiForm::ALL {
        let server = form.server();
        let cent = publish_lines(form, &server).args(&["channel=plain:a"]);
        let resume = "cent: line 1 accepted; line 2 onwards not accepted: fix it, then resume with tail -n +2\n";
        run(cent, &["data:@-"], "1\n2,\"x\":3\n").assert_output(
            5,
            &reply(form),
            &format!(
                "cent: standard input: invalid JSON: unexpected text after the value at line 2, column 2\ncent:   2,\"x\":3\n\
                 cent:    ^\n{resume}"
            ),
        );
        let cent = publish_lines(form, &server).args(&["channel=plain:a"]);
        let output = run(cent, &["data@-"], b"a\n\xff\n");
        assert_eq!((output.exit_code(), output.stdout()), (Some(5), reply(form)));
        let text = output.stderr();
        assert!(text.starts_with("cent: standard input: invalid UTF-8") && text.contains("line 2"), "{text}");
        assert_eq!(server.centrifugo().messages_as_text("plain:a"), ["1", "\"a\""]);
    }
}

#[test]
fn wrong_arguments_are_found_before_the_first_line() {
    let call = |args: &[&str]| {
        let server = V1.server().expect_no_connection();
        run(V1.cent(&server), &[&["bananas", "publish", "--lines"], args].concat(), "a\n")
    };
    call(&["channel=a", "data=b"]).assert_output(
        2,
        "",
        "cent: no param takes the line; add one with @- for text, such as data@-, or with :@- for JSON, such as data:@-\n",
    );
    call(&["data@-x"]).assert_output(2, "", "cent: no param takes the line; use data@- < -x\n");
    call(&["data=b"]).assert_output(2, "", "cent: no param takes the line; use channel@-\n");
    call(&["channel@-", "data@-"]).assert_output(
        2,
        "",
        "cent: 'channel@-' and 'data@-' both take the line; keep one of them\n",
    );
    call(&["data@-"]).assert_output(
        2,
        "",
        "cent: publish: missing param \"channel\" (a non-empty string); add channel=…\n",
    );
    call(&["channel=a", "data@-", "idempotency_key=x"]).assert_output(
        2,
        "",
        "cent: 'idempotency_key=x': the server would ignore all lines but the first; use --idempotent for a key of each \
         line\n",
    );
    let server = V1.server().expect_no_connection();
    run(V1.cent(&server), &["bananas", "--lines", "data@-"], "a\n").assert_output(
        2,
        "",
        "cent: missing METHOD before 'data@-'; usage: cent SECTION METHOD [KEY=VALUE]...\n",
    );
}

#[test]
fn each_line_has_an_idempotency_key() {
    let server = Current.server();
    let cent = publish_lines(Current, &server).args(&["-q", "--idempotent", "--retry=1", "channel=plain:a"]);
    run(cent, &["data@-"], "x\nx\n").assert_output(0, "", "");
    let body = bodies(&server).pop().expect("there is a request");
    let keys: Vec<_> = body.split("\"idempotency_key\":\"").skip(1).map(|rest| &rest[..32]).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{body}");
    assert_eq!(server.centrifugo().messages_as_text("plain:a"), ["\"x\"", "\"x\""]);
}

#[test]
fn dry_run_shows_commands_of_lines() {
    let server = Current.server().expect_no_connection();
    let cent = publish_lines(Current, &server).args(&["--dry-run", "channel=a"]);
    let output = run(cent, &["data@-"], "x\ny\n");
    let body = r#"{"commands":[{"publish":{"channel":"a","data":"x"}},{"publish":{"channel":"a","data":"y"}}]}"#;
    assert!(output.stdout().ends_with(&format!("\n\n{body}\n")), "{}", output.stdout());
    assert_eq!(output.stderr(), "cent: dry run: 2 commands in 1 request, nothing sent\n");
}
