//! Params of lines: what each line becomes.

use std::ffi::OsString;

use sha2::Digest as _;

use super::{LineParams, read_line_params};
use crate::console::Console;
use crate::console::color::ColorChoice;

fn line_params(arguments: &[&str]) -> Result<LineParams, String> {
    let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
    read_line_params(&arguments, None, Console::new(ColorChoice::Never)).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_params(arguments: &[&str], line: &str, params: Option<&str>) {
    let found = line_params(arguments).unwrap().with_line(line.as_bytes()).unwrap();
    assert_eq!(found.map(|json| String::from_utf8(json).unwrap()).as_deref(), params);
}

#[test]
fn text_line_is_a_json_string() {
    let arguments = ["channel=a", "data@-", "tags[b]=c"];
    assert_params(&arguments, "x\n", Some(r#"{"channel":"a","data":"x","tags":{"b":"c"}}"#));
    assert_params(&arguments, " \"\\\t\r\n", Some(r#"{"channel":"a","data":" \"\\\t","tags":{"b":"c"}}"#));
    assert_params(&arguments, "\r", Some(r#"{"channel":"a","data":"\r","tags":{"b":"c"}}"#));
}

#[test]
fn json_line_is_kept_as_written() {
    let arguments = ["channels[]=a", "channels[]=b", "data[x]:@-"];
    assert_params(&arguments, " {\"n\" : 1.0} \r\n", Some(r#"{"channels":["a","b"],"data":{"x":{"n" : 1.0}}}"#));
    let error = |line: &str| line_params(&arguments).unwrap().with_line(line.as_bytes()).unwrap_err();
    // What would be JSON only together with what is around it.
    for line in ["1},\"y\":{", "1,\"y\":2", "", "{", " "].into_iter().filter(|line| !line.is_empty()) {
        assert!(error(line).to_string().contains("JSON") || error(line).to_string().contains("empty"), "{line}");
    }
}

#[test]
fn empty_lines_have_no_params() {
    for line in ["\n", "\r\n", ""] {
        assert_params(&["user@-"], line, None);
    }
    assert_params(&["user@-"], " \n", Some(r#"{"user":" "}"#));
}

#[test]
fn exactly_one_param_takes_the_line() {
    let none =
        "no param takes the line; add one with @- for text, such as data@-, or with :@- for JSON, such as data:@-";
    assert_eq!(line_params(&["channel=a", "data=-"]).unwrap_err(), none);
    assert_eq!(
        line_params(&["channel@-", "data:@-"]).unwrap_err(),
        "'channel@-' and 'data:@-' both take the line; keep one of them"
    );
}

#[test]
fn idempotency_key_differs_between_lines() {
    assert_eq!(
        line_params(&["channel=a", "data@-", "Idempotency_Key=x"]).unwrap_err(),
        "'Idempotency_Key=x': the server would ignore all lines but the first; use --idempotent for a key of each line"
    );
    assert_params(&["idempotency_key@-"], "x", Some(r#"{"idempotency_key":"x"}"#));
}

#[test]
fn keys_have_no_values() {
    let params = line_params(&["channel=secret", "data[a]:@-", "n:=1"]).unwrap();
    assert_eq!(params.keys(), ["channel", "data[a]:@-", "n"]);
    let hash = |arguments: &[&str]| line_params(arguments).unwrap().hash().finalize();
    assert_ne!(hash(&["a=1", "b@-"]), hash(&["a=2", "b@-"]));
    assert_ne!(hash(&["a=1", "b@-"]), hash(&["b@-", "a=1"]));
}
