//! `--check`: whether a call would work from here, and if not, where it stops.
//!
//! It makes a call with the same parts as any other, and reports what that observed.

use std::net::IpAddr;
use std::slice;
use std::thread;
use std::time::SystemTime;

use cent::{Client, Command, Endpoint, Reply, Scheme};
use serde::Deserialize;

use crate::console::Console;
use crate::console::stderr;
use crate::exit::{Effect, ExitStatus, OutputError, exit_status_for};
use crate::options::Options;
use crate::retry::Retrier;
pub(crate) use report::Report;

mod certificate;
mod report;

/// Runs a check, which adds to the report as far as it gets. Prints the report, and then the error as any call does.
pub(crate) fn run(console: Console, check: impl FnOnce(&mut Report) -> anyhow::Result<()>) -> ExitStatus {
    let mut report = Report::default();
    let result = check(&mut report);
    if let Err(error) = &result {
        report.add_error(stderr::text_of(error), exit_status_for(error));
    }
    let printed = if console.is_compact() {
        console.print_json(&report.to_json())
    } else {
        console.print_names(&report.lines().iter().map(String::as_str).collect::<Vec<_>>())
    };
    for error in report.errors() {
        console.print_error_message(error);
    }
    let output_error = OutputError::check(printed, if report.is_connected() { Effect::Read } else { Effect::Nothing })
        .err()
        .map(anyhow::Error::from);
    output_error.map_or(report.exit_status(), |error| {
        console.print_error(&error);
        report.exit_status().max(exit_status_for(&error))
    })
}

/// Calls a method that changes nothing, which every server has, and reports what is known afterwards.
pub(crate) fn call(client: Client, options: &Options, is_quiet: bool, report: &mut Report) -> anyhow::Result<()> {
    let endpoint = client.requests().endpoint().clone();
    let is_signed = endpoint.is_signed();
    let method = if is_signed { "stats" } else { "info" };
    let command = Command::new(method, "{}")?;
    let mut request = client.requests().request(slice::from_ref(&command))?;
    let sleep = Box::new(|backoff| {
        thread::sleep(backoff);
        true
    });
    let mut retrier = Retrier::new(client, options, is_quiet, Box::new(stderr::print_message), sleep);
    let first = retrier.now();
    let result = retrier.send(&mut request, &first, false);
    let connection = retrier.connection();
    report.set_connection(&connection, SystemTime::now());
    // The IP addresses may be those of a proxy.
    let ip_addresses = if report.has_proxy() { &[][..] } else { &connection.ip_addresses };
    if let Some(warning) = unencrypted_key(&endpoint, ip_addresses) {
        report.add_warning(warning);
    }
    let replies = result.map_err(|error| retrier.with_attempts(error))?;
    report.set_accepted(is_signed, connection.api_form);
    for error in replies.iter().flat_map(Reply::errors) {
        report.add_error(format!("{}: {method}: {error}", request.url()), error.kind().into());
    }
    match replies.first().and_then(nodes).filter(|nodes| !nodes.is_empty()) {
        Some(nodes) => {
            report.set_server(&nodes);
            report.set_time(method, retrier.last_attempt);
        }
        None if replies.iter().all(|reply| reply.errors().is_empty()) => {
            let problem =
                format!("{}: the reply to {method} lists no nodes; check that this is Centrifugo", request.url());
            report.add_error(problem, ExitStatus::Rejected);
        }
        None => {}
    }
    Ok(())
}

/// The versions of the nodes, in a reply to `info` or `stats`.
fn nodes(reply: &Reply) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Text {
        result: Option<Nodes>,
        body: Option<Body>,
    }
    #[derive(Deserialize)]
    struct Body {
        data: Nodes,
    }
    #[derive(Deserialize)]
    struct Nodes {
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        version: Option<String>,
    }
    let text: Text = serde_json::from_str(reply.text()).ok()?;
    let nodes = text.result.or(text.body.map(|body| body.data))?.nodes;
    Some(nodes.into_iter().map(|node| node.version.unwrap_or_default()).collect())
}

/// A warning about an API key that others on the network can read. The host has these IP addresses, if they are known.
fn unencrypted_key(endpoint: &Endpoint, ip_addresses: &[IpAddr]) -> Option<String> {
    let address = endpoint.address();
    let is_readable =
        address.scheme() == Scheme::Http && !endpoint.is_signed() && !is_loopback(address.host(), ip_addresses);
    is_readable.then(|| format!("the API key is sent unencrypted to {}: use https://", address.host()))
}

/// Whether a host is this machine.
fn is_loopback(host: &str, ip_addresses: &[IpAddr]) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => !ip_addresses.is_empty() && ip_addresses.iter().all(IpAddr::is_loopback),
    }
}

#[cfg(test)]
mod tests {
    use cent::Address;

    use super::*;

    #[test]
    fn key_is_unencrypted_over_http_to_other_hosts() {
        let warning = |address: &str, ip_addresses: &[IpAddr]| {
            let endpoint = Endpoint::with_api_key(Address::parse(address).unwrap(), "k").unwrap();
            unencrypted_key(&endpoint, ip_addresses).is_some()
        };
        let (local, other): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [192, 0, 2, 1].into());
        assert!(warning("http://192.0.2.1", &[other]) && warning("http://h", &[other]) && warning("http://h", &[]));
        assert!(warning("http://h", &[local, other]));
        assert!(!warning("https://h", &[other]) && !warning("http://127.0.0.2:8000", &[]));
        assert!(!warning("http://localhost", &[local]) && !warning("http://[::1]:8000", &[]));
        let signed = Endpoint::with_secret(Address::parse("http://h").unwrap(), "s").unwrap();
        assert_eq!(unencrypted_key(&signed, &[other]), None);
    }
}
