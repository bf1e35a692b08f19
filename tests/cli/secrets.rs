//! No secret, API key, signature or password of a proxy in anything that is printed, in whatever coding.

use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::support::program::{Cent, Ran, cent};
use crate::support::server::{
    GARBAGE, RefusedPort, Response, Script, Server, Step, answered, garbled, refused, replies, sign, stopped_in_answer,
    stopped_in_request,
};
use crate::{API_KEY, BOTH, Dialect, First, Later, PLAIN, SECRET};

const PASSWORD: &str = "password-of-the-proxy";

/// A text in every coding that might hide it, in lower case.
fn codings(text: &str) -> Vec<String> {
    let hex = hex::encode(text);
    let percent: String = hex.as_bytes().chunks(2).map(|byte| ["%", &String::from_utf8_lossy(byte)].concat()).collect();
    let mut codings = vec![text.to_lowercase(), hex, percent, text.chars().rev().collect()];
    // In the middle of another text, too: what comes before shifts it by none, one or two bytes.
    for before in 0..3 {
        let coded = BASE64_STANDARD_NO_PAD.encode(format!("{}{text}", &"\0\0"[..before]));
        let (from, to) =
            ((before * 4).div_ceil(3), coded.len() - usize::from(!(before + text.len()).is_multiple_of(3)));
        codings.push(coded[from..to].to_lowercase());
        codings.push(coded[from..to].replace('+', "-").replace('/', "_").to_lowercase());
    }
    codings
}

#[track_caller]
fn holds_no_secret(ran: &Ran, secrets: &[&str]) {
    let shown = (ran.stdout() + &ran.stderr()).to_lowercase();
    for secret in secrets {
        for coding in codings(secret) {
            assert!(!shown.contains(&coding), "{coding} of {secret} in {shown}");
        }
    }
}

#[test]
fn codings_are_found_where_they_stand() {
    for text in ["secret", "secret-", "secret-o"] {
        for before in ["", "a", "ab", "abc", "user:"] {
            let coded = base64::prelude::BASE64_STANDARD.encode(format!("{before}{text} after")).to_lowercase();
            assert!(codings(text).iter().any(|coding| coded.contains(coding)), "{before} {text} {coded}");
        }
    }
}

/// What can go wrong on the wire, a sample of each kind.
fn faults(dialect: Dialect) -> Vec<Script> {
    let echo = format!("Authorization: apikey {API_KEY}\r\nX-API-Sign: {}", sign(SECRET, b"x"));
    let location = |to: &str| Response::new(301).header("Location", to);
    let major = if dialect == First { 1 } else { 6 };
    let mut scripts = vec![
        vec![Step::Execute, Step::Rest],
        stopped_in_request(1, Step::Close),
        stopped_in_request(100, Step::Reset),
        stopped_in_request(100, Step::Hang),
        stopped_in_answer(0, Step::Close),
        stopped_in_answer(30, Step::Reset),
        stopped_in_answer(30, Step::Hang),
        garbled(20),
        answered(&replies(major, "{}", 2)),
        answered(&replies(major, "5", 1)),
        answered(&Response::json("nothing")),
        answered(&Response::json("")),
        answered(&Response::plain(502, "<html>")),
        // Debugging aids of servers give back what they got.
        answered(&Response::plain(200, &echo)),
        refused(&Response::plain(400, &echo)),
        refused(&location(&format!("/login?key={API_KEY}&secret={SECRET}"))),
        refused(&location("/api/")),
        vec![Step::Send(GARBAGE.to_vec()), Step::Close],
    ];
    let statuses = [400, 401, 403, 404, 405, 407, 408, 413, 425, 429, 500, 502, 503, 504, 201, 204];
    scripts.extend(statuses.map(|status| refused(&Response::new(status).header("Retry-After", "0"))));
    scripts
}

/// The ways to call the program that tell the most.
fn calls(cent: impl Fn() -> Cent) -> [Cent; 4] {
    let loud = || {
        cent().env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace").args(&[
            "bananas",
            "publish",
            "-v",
            "--timeout=0.3",
        ])
    };
    let params = format!("--params={PLAIN}");
    [
        loud().arg(&params),
        loud().arg(&params).args(&["--retry=1", "--compact"]),
        loud().args(&["--lines", "--batch=1"]).input(format!("{PLAIN}\n{PLAIN}\n")),
        loud().arg(&params).arg("--dry-run"),
    ]
}

fn secrets(dialect: Dialect) -> Vec<String> {
    let signature = sign(SECRET, dialect.body("publish", PLAIN).as_bytes());
    let proxy = format!("user:{PASSWORD}");
    [SECRET, API_KEY, PASSWORD, &proxy].map(str::to_owned).into_iter().chain([signature]).collect()
}

#[track_caller]
fn tells_no_secret(dialect: Dialect, cent: Cent) -> Ran {
    let ran = cent.run();
    holds_no_secret(&ran, &secrets(dialect).iter().map(String::as_str).collect::<Vec<_>>());
    ran
}

#[test]
fn no_fault_brings_a_secret_to_light() {
    thread::scope(|scope| {
        for dialect in BOTH {
            for script in faults(dialect) {
                scope.spawn(move || {
                    for proxied in [false, true] {
                        // A server for each of the calls: the dry run leaves its own alone.
                        for number in 0..4 {
                            let server = dialect.server().perhaps_called();
                            server.add_script(script.clone());
                            let proxy = server.address().replace("http://", &format!("http://user:{PASSWORD}@"));
                            let start = || {
                                if proxied {
                                    dialect.cent_at("http://centrifugo.test").env("http_proxy", &proxy)
                                } else {
                                    dialect.cent(&server)
                                }
                            };
                            let call = calls(start).into_iter().nth(number).expect("there are four");
                            tells_no_secret(dialect, call);
                        }
                    }
                });
            }
        }
    });
}

#[test]
fn no_server_that_is_not_reached_brings_a_secret_to_light() {
    let refused = RefusedPort::take();
    let port = refused.address().rsplit(':').next().expect("there is a port").to_owned();
    for dialect in BOTH {
        for call in calls(|| dialect.cent_at(&refused.address())) {
            tells_no_secret(dialect, call);
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
                for call in calls(|| dialect.cent_at(address).env(variable, &proxy)) {
                    let ran = tells_no_secret(dialect, call);
                    assert!(matches!(ran.exit(), Some(0 | 2 | 3)), "{}", ran.stderr());
                }
            }
        }
    }
}

#[test]
fn no_config_file_and_no_slip_of_the_hand_brings_a_secret_to_light() {
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
        for words in
            [&["bananas", "channels"][..], &["bananas", "channels", "-v", "-n"], &["banana", "x"], &["--sections"]]
        {
            let text = format!("[bananas]\naddress = http://127.0.0.1:1\n{lines}\n");
            let ran = cent().config(text).args(words).env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace").run();
            holds_no_secret(&ran, &[SECRET, API_KEY, PASSWORD]);
        }
    }
    let server = Server::v1().perhaps_called();
    for words in [
        &["bananas", "publish", "--params={"][..],
        &["bananas", "publish", "--params=@nowhere"],
        &["bananas", "publish"],
        &["bananas", "nothing", "--params={}"],
        &["bananas", "--frobnicate", "x"],
        &["--help"],
    ] {
        for dialect in [First, Later] {
            tells_no_secret(dialect, dialect.cent(&server).args(words));
        }
    }
}
