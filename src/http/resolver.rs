//! Name lookup with a time limit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::attempt::Attempt;
use super::errors::{ConnectError, unwrap_io};
use super::happy_eyeballs::interleave;
use super::route::Route;
use crate::server::address::Address;

/// The maximum number of addresses tried for a host: ureq's list holds no more.
const MAX_ADDRESSES: usize = 16;

/// Looks up the server, or the proxy in front of it.
#[derive(Debug)]
pub(super) struct DnsResolver {
    host: String,
    port: u16,
    /// For messages: the host or the proxy.
    description: String,
    attempt: Arc<Attempt>,
}

impl DnsResolver {
    pub(super) fn new(address: &Address, route: &Route, attempt: &Arc<Attempt>) -> Self {
        let (host, port, description) = match route.proxy() {
            Some(proxy) => (proxy.host.clone(), proxy.port, format!("proxy {}", proxy.name())),
            None => (address.host().to_owned(), address.port(), address.host().to_owned()),
        };
        Self { host, port, description, attempt: Arc::clone(attempt) }
    }

    fn find(&self) -> Result<Vec<SocketAddr>, ureq::Error> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        if is_localhost(&self.host) {
            return Ok(vec![(Ipv6Addr::LOCALHOST, self.port).into(), (Ipv4Addr::LOCALHOST, self.port).into()]);
        }
        let addresses: Vec<_> = interleave(self.look_up()?).take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err(ConnectError::Dns(self.host.clone(), io::ErrorKind::NotFound.into()).into());
        }
        Ok(addresses)
    }

    /// Asks the system, whose lookup has no time limit.
    fn look_up(&self) -> Result<Vec<SocketAddr>, ureq::Error> {
        let (host, port) = (self.host.clone(), self.port);
        let found = self.attempt.run(move || (host.as_str(), port).to_socket_addrs());
        let failed = |error| ConnectError::Dns(self.host.clone(), error);
        let found = found.map_err(|error| match unwrap_io(error.into()) {
            ureq::Error::Timeout(_) => ConnectError::TimedOut(format!("while resolving {}", self.description)),
            error => failed(error.into_io()),
        })?;
        Ok(found.map_err(failed)?.collect())
    }
}

impl Resolver for DnsResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        let found = self.find();
        let ip_addresses = found.iter().flatten().map(SocketAddr::ip).collect();
        self.attempt.state().connection.ip_addresses = ip_addresses;
        found?.into_iter().for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

/// Whether the name is localhost or below it: always the loopback addresses (RFC 6761, section 6.3), as curl has it. A
/// lookup would cost a thread and the files that it reads.
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let (_, last) = host.rsplit_once('.').unwrap_or(("", host));
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_below_localhost_are_local() {
        assert!(
            ["localhost", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST."].into_iter().all(is_localhost)
        );
        assert!(!["localhost.example", "mylocalhost", "local", "localhost..", ""].into_iter().any(is_localhost));
    }

    #[test]
    fn lookup_at_deadline_names_host_or_proxy() {
        let attempt = Arc::new(Attempt::new(Duration::ZERO));
        let address = Address::parse("http://h.invalid").unwrap();
        let message = |proxy: Option<&str>| {
            let route = Route::new(&address, proxy.map(|proxy| crate::server::proxy::Proxy::parse(proxy).unwrap()));
            DnsResolver::new(&address, &route, &attempt).look_up().unwrap_err().to_string()
        };
        assert_eq!(message(None), "other: timed out while resolving h.invalid");
        assert_eq!(message(Some("p.invalid:3128")), "other: timed out while resolving proxy p.invalid:3128");
    }
}
