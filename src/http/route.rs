//! How a server is reached.

use crate::server::address::{Address, Scheme};
use crate::server::proxy::Proxy;

#[derive(Debug, Clone)]
pub(super) enum Route {
    Direct,
    /// The proxy forwards the request.
    Forward(Proxy),
    /// The proxy opens a connection to the server.
    Tunnel(Proxy),
}

impl Route {
    pub(super) fn new(address: &Address, proxy: Option<Proxy>) -> Self {
        match (proxy, address.scheme()) {
            (None, _) => Self::Direct,
            (Some(proxy), Scheme::Http) => Self::Forward(proxy),
            (Some(proxy), Scheme::Https) => Self::Tunnel(proxy),
        }
    }

    pub(super) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Direct => None,
            Self::Forward(proxy) | Self::Tunnel(proxy) => Some(proxy),
        }
    }
}
