//! Where to send: address and credential of a server, and a proxy on the way to it.

pub(crate) mod address;
pub(crate) mod certificates;
pub(crate) mod endpoint;
pub(crate) mod proxy;
pub(crate) mod secret;
