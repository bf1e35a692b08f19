//! No output contains a secret, an API key, a signature or a proxy password, in any encoding.

use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{
    ClosedPort, GARBAGE, Response, Script, Server, Step, corrupt_response, fail_during_request, fail_during_response,
    reject, respond, sign,
};
use crate::{API_KEY, ApiForm, PLAIN, SECRET};

const PASSWORD: &str = "password-of-the-proxy";

/// A text in every encoding that could disguise it, in lower case.
fn encodings(text: &str) -> Vec<String> {
    let hex = hex::encode(text);
    let percent: String = hex.as_bytes().chunks(2).map(|byte| ["%", &String::from_utf8_lossy(byte)].concat()).collect();
    let mut encodings = vec![text.to_lowercase(), hex, percent, text.chars().rev().collect()];
    // Also inside another text, which shifts it by zero, one or two bytes.
    for before in 0..3 {
        let encoded = BASE64_STANDARD_NO_PAD.encode(format!("{}{text}", &"\0\0"[..before]));
        let (from, to) =
            ((before * 4).div_ceil(3), encoded.len() - usize::from(!(before + text.len()).is_multiple_of(3)));
        encodings.push(encoded[from..to].to_lowercase());
        encodings.push(encoded[from..to].replace('+', "-").replace('/', "_").to_lowercase());
    }
    encodings
}

#[track_caller]
fn assert_no_secret(output: &CentOutput, secrets: &[&str]) {
    let printed = (output.stdout() + &output.stderr()).to_lowercase();
    for secret in secrets {
        for encoding in encodings(secret) {
            assert!(!printed.contains(&encoding), "{encoding} of {secret} in {printed}");
        }
    }
}

#[test]
fn encodings_match_at_any_offset() {
    for text in ["secret", "secret-", "secret-o"] {
        for before in ["", "a", "ab", "abc", "user:"] {
            let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{before}{text} after")).to_lowercase();
            assert!(encodings(text).iter().any(|encoding| encoded.contains(encoding)), "{before} {text} {encoded}");
        }
    }
}

/// A sample of all faults that a server can cause.
fn fault_scripts(form: ApiForm) -> Vec<Script> {
    let echo = format!("Authorization: apikey {API_KEY}\r\nX-API-Sign: {}", sign(SECRET, b"x"));
    let location = |to: &str| Response::new(301).header("Location", to);
    let header = match form {
        ApiForm::V1 => sign(SECRET, form.body("publish", PLAIN).as_bytes()),
        _ => format!("apikey {API_KEY}"),
    };
    let error = match form {
        ApiForm::V1 => format!(r#"[{{"method":"publish","error":"header {header}","body":null}}]"#),
        _ => format!(r#"{{"error":{{"code":1,"message":"header {header}"}}}}"#),
    };
    let mut scripts = vec![
        respond(&Response::json(error.as_str())),
        reject(&location("//user:password-of-the-proxy@host/x")),
        vec![Step::Execute, Step::SendRest],
        fail_during_request(1, Step::Close),
        fail_during_request(100, Step::Reset),
        fail_during_request(100, Step::Hang),
        fail_during_response(0, Step::Close),
        fail_during_response(30, Step::Reset),
        fail_during_response(30, Step::Hang),
        corrupt_response(20),
        respond(&form.replies("{}", 2)),
        respond(&form.replies("5", 1)),
        respond(&Response::json("nothing")),
        respond(&Response::json("")),
        respond(&Response::plain(502, "<html>")),
        // Debug pages of servers echo the request.
        respond(&Response::plain(200, &echo)),
        reject(&Response::plain(400, &echo)),
        reject(&Response::new(404).header("Content-Type", "text/html").body(echo.as_str())),
        reject(&location(&format!("/login?key={API_KEY}&secret={SECRET}"))),
        reject(&location("/api/")),
        vec![Step::Send(GARBAGE.to_vec()), Step::Close],
    ];
    let statuses = [400, 401, 403, 404, 405, 407, 408, 413, 425, 429, 500, 502, 503, 504, 201, 204];
    scripts.extend(statuses.map(|status| reject(&Response::new(status).header("Retry-After", "0"))));
    scripts
}

/// The most verbose ways to call the program.
fn calls(cent: impl Fn() -> Cent) -> [Cent; 4] {
    let verbose = || {
        cent().env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace").args(&[
            "bananas",
            "publish",
            "-v",
            "--timeout=0.3",
        ])
    };
    let params = format!("--params={PLAIN}");
    [
        verbose().arg(&params),
        verbose().arg(&params).args(&["--retry=1", "--compact"]),
        verbose().args(&["--lines", "--batch=1"]).stdin_bytes(format!("{PLAIN}\n{PLAIN}\n")),
        verbose().arg(&params).arg("--dry-run"),
    ]
}

fn secrets(form: ApiForm) -> Vec<String> {
    let signature = sign(SECRET, form.body("publish", PLAIN).as_bytes());
    let proxy = format!("user:{PASSWORD}");
    [SECRET, API_KEY, PASSWORD, &proxy].map(str::to_owned).into_iter().chain([signature]).collect()
}

#[track_caller]
fn run_without_leak(form: ApiForm, cent: Cent) -> CentOutput {
    let output = cent.run();
    assert_no_secret(&output, &secrets(form).iter().map(String::as_str).collect::<Vec<_>>());
    output
}

#[test]
fn faults_never_leak_secrets() {
    thread::scope(|scope| {
        for form in ApiForm::ALL {
            for script in fault_scripts(form) {
                scope.spawn(move || {
                    for use_proxy in [false, true] {
                        // One server for each call: the dry run does not connect to its own.
                        for number in 0..4 {
                            let server = form.server().allow_no_connection().script_for(form, script.clone());
                            let proxy = server.address().replace("http://", &format!("http://user:{PASSWORD}@"));
                            let start = || {
                                if use_proxy {
                                    form.cent_at("http://centrifugo.test").env("http_proxy", &proxy)
                                } else {
                                    form.cent(&server)
                                }
                            };
                            let call = calls(start).into_iter().nth(number).expect("there are 4 calls");
                            run_without_leak(form, call);
                        }
                    }
                });
            }
        }
    });
}

#[test]
fn connect_errors_never_leak_secrets() {
    let closed_port = ClosedPort::bind();
    let port = closed_port.address().rsplit(':').next().expect("the address has a port").to_owned();
    for form in ApiForm::ALL {
        for call in calls(|| form.cent_at(&closed_port.address())) {
            run_without_leak(form, call);
        }
        for (variable, address) in [("http_proxy", "http://h.test"), ("https_proxy", "https://h.test")] {
            for proxy in [
                format!("http://user:{PASSWORD}@127.0.0.1:{port}"),
                format!("http://user:{PASSWORD}@127.0.0.1:99999"),
                format!("socks5://user:{PASSWORD}@127.0.0.1:{port}"),
                format!("user:{PASSWORD}"),
                format!("http://{PASSWORD}@{PASSWORD}@h:1"),
                format!("http://user:{PASSWORD}%@h:1"),
            ] {
                for call in calls(|| form.cent_at(address).env(variable, &proxy)) {
                    let output = run_without_leak(form, call);
                    assert!(matches!(output.exit_code(), Some(0 | 2 | 3)), "{}", output.stderr());
                }
            }
        }
    }
}

#[test]
fn config_and_usage_errors_never_leak_secrets() {
    for lines in [
        format!("secret = {SECRET}\nsecret = {SECRET}"),
        format!("secret = {SECRET}\napi_key = {API_KEY}"),
        format!("secret {SECRET}"),
        format!("secret = \n  {SECRET}"),
        format!("secret = %({SECRET})s"),
        format!("secret = {SECRET}\u{1b}"),
        format!("api_key = {API_KEY} {API_KEY}"),
        format!("api_key = {API_KEY}\u{e4}"),
        format!("[{SECRET}"),
        format!("[x] {SECRET} ]"),
        format!("secret = {SECRET}\ntimeout = {SECRET}"),
        format!("secret_file = nowhere\n{SECRET}"),
        format!("secret = {SECRET}\naddress = ftp://{SECRET}"),
        format!("secret = {SECRET}\naddress = http://u:{PASSWORD}@h"),
        format!("secret = {SECRET}\naddress = http://h/?key={API_KEY}"),
    ] {
        for args in
            [&["bananas", "channels"][..], &["bananas", "channels", "-v", "-n"], &["banana", "x"], &["--sections"]]
        {
            let text = format!("[bananas]\naddress = http://127.0.0.1:1\n{lines}\n");
            let output = cent().config(text).args(args).env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace").run();
            assert_no_secret(&output, &[SECRET, API_KEY, PASSWORD]);
        }
    }
    let server = Server::version(1).allow_no_connection();
    for args in [
        &["bananas", "publish", "--params={"][..],
        &["bananas", "publish", "--params=@nowhere"],
        &["bananas", "publish"],
        &["bananas", "nothing", "--params={}"],
        &["bananas", "--frobnicate", "x"],
        &["--help"],
    ] {
        for form in ApiForm::ALL {
            run_without_leak(form, form.cent(&server).args(args));
        }
    }
}
