//! `--check`: each situation that it distinguishes, with all of its output.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use rcgen::date_time_ymd;

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::proxy::TunnelProxy;
use crate::support::server::{
    API_KEY, Centrifugo, ClosedPort, FullBacklog, HangingServer, Response, SECRET, Server, Step,
    plain_http_to_tls_port, reject, respond,
};
use crate::support::tls::{Identity, TestCa};
use crate::{Current, Legacy, V1};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A check of a section `[live]`, whose file only its owner can read.
fn check(section: &str) -> Cent {
    let cent = cent().config(format!("[live]\n{section}\n")).args(&["live", "--check"]);
    fs::set_permissions(cent.path(".centrc"), fs::Permissions::from_mode(0o600)).expect("the mode is set");
    cent
}

fn check_at(address: &str) -> Cent {
    check(&format!("address = {address}\napi_key = {API_KEY}"))
}

/// The output with `N` for the time of the call, and `PORT` for the port of the address.
fn masked(output: &CentOutput, port: &str) -> (Option<i32>, String, String) {
    let mask = |text: String| {
        let text = if port.is_empty() { text } else { text.replace(port, "PORT") };
        let lines = text.split_inclusive('\n').map(|line| match line.strip_prefix("time         ") {
            Some(time) => {
                let (number, rest) = time.split_once(' ').expect("the time has a unit");
                assert!(number.parse::<f64>().is_ok_and(|number| number > 0.0), "{line}");
                format!("time         N {rest}")
            }
            None => line.to_owned(),
        });
        lines.collect::<String>()
    };
    for text in [output.stdout(), output.stderr()] {
        assert!(!text.contains(API_KEY) && !text.contains(SECRET), "{text}");
    }
    (output.exit_code(), mask(output.stdout()), mask(output.stderr()))
}

/// Runs the check; expects this status, report and message. The address's port is `PORT` in both.
#[track_caller]
fn assert_check(cent: Cent, port: u16, status: i32, report: &str, message: &str) {
    let port = if port == 0 { String::new() } else { port.to_string() };
    let (found_status, found_report, found_message) = masked(&cent.run(), &port);
    let message = if message.is_empty() { String::new() } else { format!("cent: {message}\n") };
    assert!(
        (found_status, found_report.as_str(), found_message.as_str()) == (Some(status), report, message.as_str()),
        "found {found_status:?}\n{found_report}---\n{found_message}\nexpected {status}\n{report}---\n{message}"
    );
}

/// The lines before the connection, for a server at this address.
fn route(address: &str) -> String {
    format!("config       [HOME]/.centrc\nsection      [live]\naddress      {address}\nproxy        none\n")
}

/// The same up to TCP.
fn connected(address: &str) -> String {
    format!("{}resolves to  127.0.0.1\nconnection   TCP to 127.0.0.1:PORT\n", route(address))
}

const LOCAL: &str = "http://127.0.0.1:PORT";

fn port(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the address has a port")
}

#[test]
fn right_setup_is_reported_in_all_forms() {
    for (form, section, api, server_text, method) in [
        (V1, "secret", "signed requests to /api/ (Centrifugo 1)", "of unknown version", "stats"),
        (
            Legacy,
            "api_key",
            "older form: /api (Centrifugo 2 to 4, or a proxy that passes only this path)",
            "0.0.0",
            "info",
        ),
        (Current, "api_key", "current form: /api/METHOD (Centrifugo 5 and later)", "7.0.0 OSS", "info"),
    ] {
        let server = form.server();
        let cent = check(&format!("address = {}\n{} = {}", server.address(), form.config_key(), form.credential()));
        let report = format!(
            "{}API          {api}\ncredential   {section} accepted\nserver       Centrifugo {server_text}, 1 node\n\
             time         N ms for {method}\n",
            connected(LOCAL)
        );
        assert_check(cent, server.port(), 0, &report, "");
        assert!(server.centrifugo().executed().iter().all(|command| command.contains(method)));
    }
}

#[test]
fn config_problems_stop_the_check() {
    let hint = "use --config FILE, or create it, for example:\ncent:   [live]\ncent:   address = http://localhost:8000\n\
                cent:   api_key = key-of-the-server\ncent: for Centrifugo 1, use secret instead of api_key";
    let missing = cent().args(&["live", "--check"]);
    assert_check(missing, 0, 2, "", &format!("~/.centrc: file not found in [HOME]; {hint}"));

    let config = "config       [HOME]/.centrc\n";
    let wrong_section = cent().config("[live]\n").args(&["lvie", "--check"]);
    fs::set_permissions(wrong_section.path(".centrc"), fs::Permissions::from_mode(0o600)).expect("the mode is set");
    let message = "~/.centrc: section [lvie] not found; did you mean live? sections: [live]";
    assert_check(wrong_section, 0, 2, config, message);

    let bad_address = check("address = localhost:8000\napi_key = k");
    assert_check(bad_address, 0, 2, config, "~/.centrc: line 2: address has no scheme; add http:// or https://");
    let no_key = check("address = http://h\napikey = k");
    let message = "~/.centrc: section [live]: no credential; line 3 has apikey: did you mean api_key?";
    assert_check(no_key, 0, 2, config, message);
}

#[test]
fn network_problems_stop_the_check() {
    let unknown = check_at("http://no-such-host.invalid:8000");
    let output = unknown.run();
    assert_eq!(output.exit_code(), Some(3));
    let warning = "warning      the API key is sent unencrypted to no-such-host.invalid: use https://\n";
    assert_eq!(output.stdout(), route("http://no-such-host.invalid:8000") + warning);
    // The rest is the system's.
    let message = "cent: http://no-such-host.invalid:8000/api/info: could not resolve host no-such-host.invalid: ";
    assert!(output.stderr().starts_with(message), "{}", output.stderr());

    let closed = ClosedPort::bind();
    assert_check(
        check_at(&closed.address()),
        port(&closed.address()),
        3,
        &(route(LOCAL) + "resolves to  127.0.0.1\n"),
        "http://127.0.0.1:PORT/api/info: could not connect to 127.0.0.1:PORT: connection refused; nothing was sent: \
         check that the server is running and the port is correct",
    );

    let full = FullBacklog::bind();
    assert_check(
        check_at(&full.address()).arg("--timeout=0.2"),
        port(&full.address()),
        3,
        &(route(LOCAL) + "resolves to  127.0.0.1\n"),
        "http://127.0.0.1:PORT/api/info: timed out after 0.2 s while connecting to 127.0.0.1:PORT; nothing was sent: check \
         the address, or raise the timeout",
    );

    let silent = HangingServer::start();
    assert_check(
        check_at(&silent.address()).arg("--timeout=0.2"),
        port(&silent.address()),
        3,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/info: timed out after 0.2 s waiting for a response; the method only reads: safe to retry",
    );
}

/// A server whose certificate is for localhost, and ends after this time.
fn serve_until(ca: &TestCa, end: SystemTime) -> Server {
    let since_epoch = end.duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let identity = ca.issue_with(&["localhost"], |params| params.not_after = date_time_ymd(1970, 1, 1) + since_epoch);
    serve(identity)
}

fn serve(identity: Identity) -> Server {
    Server::start_with(Centrifugo::version(6), identity.acceptor())
}

fn check_tls(server: &Server, host: &str, ca: &TestCa) -> Cent {
    check_at(&format!("https://{host}:{}", server.port())).file("ca.pem", ca.pem()).env("SSL_CERT_FILE", "ca.pem")
}

const LOCALHOST: &str = "https://localhost:PORT";

fn connected_to_localhost() -> String {
    format!("{}resolves to  ::1, 127.0.0.1\nconnection   TCP to 127.0.0.1:PORT\n", route(LOCALHOST))
}

const ACCEPTED: &str = "API          current form: /api/METHOD (Centrifugo 5 and later)\ncredential   api_key accepted\n\
                        server       Centrifugo 0.0.0 OSS, 1 node\ntime         N ms for info\n";

#[test]
fn certificate_is_described() {
    let ca = TestCa::new();
    let server = serve_until(&ca, SystemTime::now() + 90 * DAY + DAY / 2);
    let tls = "TLS          TLS 1.3; certificate issued by authority of the test, 90 days left\n";
    let report = connected_to_localhost() + tls + ACCEPTED;
    assert_check(check_tls(&server, "localhost", &ca), server.port(), 0, &report, "");

    let server = serve_until(&ca, SystemTime::now() + 10 * DAY + DAY / 2);
    let tls = "TLS          TLS 1.3; certificate issued by authority of the test, 10 days left\n";
    let warning = "warning      the server's certificate expires in 10 days: renew it\n";
    let report = connected_to_localhost() + tls + ACCEPTED + warning;
    assert_check(check_tls(&server, "localhost", &ca), server.port(), 0, &report, "");
}

#[test]
fn tls_problems_stop_the_check() {
    let (ca, other) = (TestCa::new(), TestCa::with_name("another"));
    let url = "https://localhost:PORT/api/info";
    let untrusted = serve(ca.issue(&["localhost"]));
    assert_check(
        check_tls(&untrusted, "localhost", &other),
        untrusted.port(),
        3,
        &connected_to_localhost(),
        &format!(
            "{url}: server certificate is signed by an unknown CA; nothing was sent: set SSL_CERT_FILE to the CA's PEM \
             file, or make the server send its intermediate certificate, or check the address"
        ),
    );
    let expired = serve_until(&ca, SystemTime::now() - DAY);
    assert_check(
        check_tls(&expired, "localhost", &ca),
        expired.port(),
        3,
        &connected_to_localhost(),
        &format!("{url}: server certificate has expired; nothing was sent: renew it, or check this machine's clock"),
    );
    let wrong_host = serve(ca.issue(&["example.org"]));
    assert_check(
        check_tls(&wrong_host, "localhost", &ca),
        wrong_host.port(),
        3,
        &connected_to_localhost(),
        &format!(
            "{url}: server certificate does not match the hostname; nothing was sent: in the address, use the hostname that the certificate was issued for"
        ),
    );
    let plain = Server::version(6).script(vec![
        Step::Read(1),
        Step::Send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request".to_vec()),
        Step::Close,
    ]);
    assert_check(
        check_tls(&plain, "localhost", &ca),
        plain.port(),
        3,
        &connected_to_localhost(),
        &format!(
            "{url}: the server does not use TLS on this port; nothing was sent: use http://, or the server's TLS port"
        ),
    );
    let tls_port = Server::version(6).script(plain_http_to_tls_port());
    assert_check(
        check_at(&tls_port.address()),
        tls_port.port(),
        1,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/info: bad request (400); the server requires TLS: use https:// in the address",
    );
}

#[test]
fn proxy_is_reported() {
    let proxy = Server::version(6);
    let through = |cent: Cent, name: &str, proxy: &str| cent.env(name, proxy);
    let route = |address: &str, name: &str| {
        route(address).replace("none", &format!("127.0.0.1:PORT ({name})"))
            + "resolves to  127.0.0.1\nconnection   TCP to 127.0.0.1:PORT (the proxy)\n"
    };
    let warning = "warning      the API key is sent unencrypted to rt.invalid: use https://\n";
    let report = route("http://rt.invalid", "http_proxy") + ACCEPTED + warning;
    let cent = through(check_at("http://rt.invalid"), "http_proxy", &proxy.address());
    assert_check(cent, proxy.port(), 0, &report, "");

    let ca = TestCa::new();
    let refusing = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let tunnel = TunnelProxy::start(Centrifugo::version(6), refusing, ca.issue(&["rt.invalid"]).acceptor());
    let cent = through(check_at("https://rt.invalid"), "https_proxy", &tunnel.server.address());
    assert_check(
        cent.file("ca.pem", ca.pem()).env("SSL_CERT_FILE", "ca.pem"),
        tunnel.server.port(),
        3,
        &route("https://rt.invalid", "https_proxy"),
        "https://rt.invalid/api/info: proxy 127.0.0.1:PORT refused the tunnel (403); nothing was sent: allow the host in \
         the proxy, or add it to NO_PROXY",
    );
}

const UNAUTHORIZED: &str = "http://127.0.0.1:PORT/api/info: unauthorized (401); wrong API key, or the server has none: \
                            your api_key must equal http_api.key in the server's config (before Centrifugo 6: api_key there)";

#[test]
fn rejected_credentials_stop_the_check() {
    let wrong_key = Server::start(Centrifugo::version(6).with_credential("another"));
    assert_check(check_at(&wrong_key.address()), wrong_key.port(), 1, &connected(LOCAL), UNAUTHORIZED);
    let no_key = Server::start(Centrifugo::version(6).without_credential());
    assert_check(check_at(&no_key.address()), no_key.port(), 1, &connected(LOCAL), UNAUTHORIZED);
    let signed = |server: &Server| check(&format!("address = {}\nsecret = {SECRET}", server.address()));
    let wrong_secret = Server::start(Centrifugo::version(1).with_credential("another"));
    assert_check(
        signed(&wrong_secret),
        wrong_secret.port(),
        1,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/: unauthorized (401); wrong secret: copy it from the server's config",
    );
    let no_secret = Server::start(Centrifugo::version(1).without_credential());
    assert_check(
        signed(&no_secret),
        no_secret.port(),
        1,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/: bad request (400); check the types of the params; a server without a secret responds the same way",
    );
    // The credential of another version.
    let later = Server::version(6);
    assert_check(
        signed(&later),
        later.port(),
        1,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/: not found (404); for Centrifugo 2 or later, set api_key instead of secret; otherwise check the path and port of the address",
    );
    let v1 = Server::version(1);
    assert_check(
        check_at(&v1.address()),
        v1.port(),
        1,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/info: bad request (400); this is Centrifugo 1: set secret instead of api_key",
    );
}

#[test]
fn other_servers_stop_the_check() {
    let page = Response::new(200).header("Content-Type", "text/html").body("<html></html>");
    let web = Server::version(6).script(respond(&page));
    assert_check(
        check_at(&web.address()),
        web.port(),
        3,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/info: response is HTML or XML, not JSON: not a Centrifugo API; the method only reads: safe to retry",
    );
    let missing =
        Response::new(404).header("Content-Type", "text/html").header("Connection", "close").body("<html></html>");
    let web = Server::version(6).script(reject(&missing)).script(reject(&missing)).script(reject(&missing));
    assert_check(
        check_at(&web.address()),
        web.port(),
        3,
        &connected(LOCAL),
        "http://127.0.0.1:PORT/api/info: not found (404); no Centrifugo responds at this address: check it",
    );
}

#[test]
fn reply_without_nodes_is_an_error() {
    for body in [r#"{"result":{}}"#, r#"{"result":null}"#, r#"{"result":{"nodes":[]}}"#] {
        let server = Server::version(6).script(respond(&Response::json(body)));
        let report = connected(LOCAL)
            + "API          current form: /api/METHOD (Centrifugo 5 and later)\ncredential   api_key accepted\n";
        let message = "http://127.0.0.1:PORT/api/info: the reply to info lists no nodes; check that this is Centrifugo";
        assert_check(check_at(&server.address()), server.port(), 1, &report, message);
    }
}

#[test]
fn error_in_the_reply_is_reported() {
    let body = r#"{"error":{"code":100,"message":"internal server error"}}"#;
    let server = Server::version(6).script(respond(&Response::json(body)));
    let report = connected(LOCAL)
        + "API          current form: /api/METHOD (Centrifugo 5 and later)\ncredential   api_key accepted\n";
    assert_check(
        check_at(&server.address()),
        server.port(),
        3,
        &report,
        "http://127.0.0.1:PORT/api/info: info: internal server error (100); the method only reads: safe to retry",
    );
}

#[test]
fn config_file_of_others_and_misspelled_keys_have_warnings() {
    let server = Server::version(6);
    let cent = check(&format!("address = {}\napi_key = {API_KEY}\ntime_out = 3", server.address()));
    fs::set_permissions(cent.path(".centrc"), fs::Permissions::from_mode(0o604)).expect("the mode is set");
    let warnings = "warning      ~/.centrc: other users can read it: run chmod 600 [HOME]/.centrc\n\
                    warning      ~/.centrc: line 4 has time_out: did you mean timeout?\n";
    assert_check(cent, server.port(), 0, &(connected(LOCAL) + ACCEPTED + warnings), "");
}

#[test]
fn compact_check_is_one_json_object() {
    let server = Server::version(6);
    let output = check_at(&server.address()).arg("-c").run();
    assert_eq!((output.exit_code(), output.stderr().as_str()), (Some(0), ""));
    let text = output.stdout();
    let (before, milliseconds) = text.split_once("\"milliseconds\":").expect("it has the time");
    let expected = format!(
        "{{\"exit_status\":0,\"errors\":[],\"warnings\":[],\"config\":\"[HOME]/.centrc\",\"section\":\"live\",\
         \"address\":\"http://127.0.0.1:{0}\",\"proxy\":null,\"client_certificate\":null,\"ip_addresses\":[\"127.0.0.1\"],\
         \"connected_to\":\"127.0.0.1:{0}\",\"tls\":null,\"api\":\"current\",\"credential\":\"api_key\",\
         \"versions\":[\"0.0.0 OSS\"],\"nodes\":1,\"method\":\"info\",",
        server.port()
    );
    assert_eq!(before, expected);
    assert!(milliseconds.ends_with("}\n") && milliseconds.lines().count() == 1, "{milliseconds}");

    let output = cent().config("[live]\n").args(&["lvie", "--check", "--compact"]).run();
    assert_eq!(output.exit_code(), Some(2));
    assert_eq!(output.stderr(), "cent: ~/.centrc: section [lvie] not found; did you mean live? sections: [live]\n");
    let report: serde_json::Value = serde_json::from_str(&output.stdout()).expect("it is JSON");
    assert_eq!(report["exit_status"], 2);
    assert_eq!(report["errors"][0], "~/.centrc: section [lvie] not found; did you mean live? sections: [live]");
    assert_eq!((&report["section"], &report["tls"]), (&serde_json::Value::Null, &serde_json::Value::Null));

    let ca = TestCa::new();
    let server = serve_until(&ca, SystemTime::now() + 2 * DAY);
    let output = check_tls(&server, "localhost", &ca).arg("-c").run();
    let report: serde_json::Value = serde_json::from_str(&output.stdout()).expect("it is JSON");
    let tls = serde_json::json!({"version": "1.3", "issuer": "authority of the test", "days_left": 1});
    assert_eq!(report["tls"], tls);
    assert_eq!(report["warnings"][0], "the server's certificate expires in 1 day: renew it");
}

#[test]
fn quiet_check_prints_errors_only() {
    let server = Server::version(6);
    check_at(&server.address()).arg("-q").run().assert_output(0, "", "");
    let closed = ClosedPort::bind();
    let output = check_at(&closed.address()).arg("-q").run();
    assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(3), ""));
    assert!(output.stderr().contains("connection refused"), "{}", output.stderr());
}

#[test]
fn check_excludes_other_actions() {
    for (args, other) in [
        (&["live", "publish", "--check"][..], "METHOD"),
        (&["live", "--check", "--lines"], "--lines"),
        (&["live", "--check", "--dry-run"], "--dry-run"),
        (&["live", "--check", "--params={}"], "--params"),
    ] {
        let output = cent().args(args).run();
        let message = output.stderr();
        assert_eq!((output.exit_code(), output.stdout().as_str()), (Some(2), ""));
        assert!(message.contains(other) && message.contains("cannot be used with"), "{message}");
    }
    let message = "cent: missing SECTION, a section of the config file; usage: cent SECTION --check\n";
    cent().arg("--check").run().assert_output(2, "", message);
}

#[test]
fn retry_waits_until_the_server_is_up() {
    for (form, compact) in [(V1, false), (Current, false), (Current, true)] {
        let unavailable = || reject(&Response::new(503));
        let server = form.server().script(unavailable()).script(unavailable());
        let (key, credential) = (form.config_key(), form.credential());
        let section = format!("address = {}\n{key} = {credential}", server.address());
        let waiting = check(&section).args(&["--retry=5", if compact { "--compact" } else { "--color=never" }]).run();
        let direct = check(&section).arg(if compact { "--compact" } else { "--color=never" }).run();
        let port = server.port().to_string();
        let mask = |output: &CentOutput| {
            let (status, report, message) = masked(output, &port);
            let report = report.split_once("\"milliseconds\":").map_or(report.clone(), |(report, _)| report.to_owned());
            (status, report, message)
        };
        let ((status, report, message), (_, expected, _)) = (mask(&waiting), mask(&direct));
        assert_eq!((status, report), (Some(0), expected));
        let attempts: Vec<_> = message.lines().filter_map(|line| line.split(" failed: ").next()).collect();
        assert_eq!(attempts, ["cent: attempt 1 of 6", "cent: attempt 2 of 6"], "{message}");
    }
}

#[test]
fn retries_that_run_out_report_the_last_attempt() {
    let closed = ClosedPort::bind();
    let output = check_at(&closed.address()).args(&["--retry=1", "--retry-max-time=60"]).run();
    let (status, report, message) = masked(&output, &port(&closed.address()).to_string());
    assert_eq!((status, report.matches("config ").count()), (Some(3), 1), "{report}");
    assert_eq!(message.matches("connection refused").count(), 2, "{message}");
}
