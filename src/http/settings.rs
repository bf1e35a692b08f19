//! What a client was given to reach and trust its server.

use std::time::Duration;

use crate::server::certificates::{CaCertificates, ClientCertificate};
use crate::server::proxy::Proxy;

#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) proxy: Option<Proxy>,
    pub(crate) ca_certificates: Option<CaCertificates>,
    pub(crate) client_certificate: Option<ClientCertificate>,
    /// How long a kept connection may be idle, if not as long as by default.
    pub(crate) max_idle: Option<Duration>,
}
