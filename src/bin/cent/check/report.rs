//! The result of a check, as lines for people and as JSON for programs.

use std::time::{Duration, SystemTime};

use cent::{Address, ApiForm, ConnectionInfo, TlsInfo};
use serde::Serialize;

use super::certificate::Certificate;
use crate::console::stderr;
use crate::exit::ExitStatus;

/// A certificate that expires sooner has a warning.
const MIN_DAYS_LEFT: u64 = 14;

/// The steps so far. What is `None` was not reached. The names of the fields are the keys of the JSON object, which the man
/// page documents.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    exit_status: u8,
    errors: Vec<String>,
    warnings: Vec<String>,
    config: Option<String>,
    section: Option<String>,
    address: Option<String>,
    proxy: Option<String>,
    client_certificate: Option<ClientCertificate>,
    ip_addresses: Vec<String>,
    connected_to: Option<String>,
    tls: Option<Tls>,
    api: Option<&'static str>,
    credential: Option<&'static str>,
    versions: Option<Vec<String>>,
    nodes: Option<usize>,
    method: Option<&'static str>,
    milliseconds: Option<f64>,
    #[serde(skip)]
    status: Option<ExitStatus>,
}

#[derive(Debug, Serialize)]
struct Tls {
    version: &'static str,
    issuer: Option<String>,
    days_left: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ClientCertificate {
    issuer: Option<String>,
    days_left: u64,
}

impl Report {
    pub(crate) fn set_config(&mut self, path: String) {
        self.config = Some(path);
    }

    pub(crate) fn set_section(&mut self, name: &str) {
        self.section = Some(name.to_owned());
    }

    /// Where a call goes. `proxy` is its host and port, and the variable that it is from.
    pub(crate) fn set_route(&mut self, address: &Address, proxy: Option<String>) {
        (self.address, self.proxy) = (Some(address.to_string()), proxy);
    }

    /// The client's own certificate, in DER.
    pub(crate) fn set_client_certificate(&mut self, der: Option<&[u8]>, now: SystemTime) {
        let Some(Certificate { issuer, days_left }) = der.and_then(|der| Certificate::parse(der, now)) else { return };
        if days_left < MIN_DAYS_LEFT {
            self.add_warning(format!("the client certificate expires in {}: renew it", plural(days_left, "day")));
        }
        self.client_certificate = Some(ClientCertificate { issuer, days_left });
    }

    pub(super) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    pub(crate) fn add_warning(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub(crate) fn add_error(&mut self, text: String, status: ExitStatus) {
        self.errors.push(text);
        self.status = self.status.max(Some(status));
        self.exit_status = self.exit_status().code();
    }

    pub(super) fn errors(&self) -> &[String] {
        &self.errors
    }

    pub(super) fn exit_status(&self) -> ExitStatus {
        self.status.unwrap_or(ExitStatus::Success)
    }

    /// Whether a request may have been sent.
    pub(super) fn is_connected(&self) -> bool {
        self.connected_to.is_some()
    }

    pub(super) fn set_connection(&mut self, connection: &ConnectionInfo, now: SystemTime) {
        self.ip_addresses = connection.ip_addresses.iter().map(ToString::to_string).collect();
        self.connected_to = connection.peer.map(|peer| peer.to_string());
        if let Some(TlsInfo { version, certificate, .. }) = &connection.tls {
            let certificate = Certificate::parse(certificate, now);
            let days_left = certificate.as_ref().map(|certificate| certificate.days_left);
            if let Some(days) = days_left.filter(|days| *days < MIN_DAYS_LEFT) {
                self.add_warning(format!("the server's certificate expires in {}: renew it", plural(days, "day")));
            }
            self.tls = Some(Tls { version, issuer: certificate.and_then(|certificate| certificate.issuer), days_left });
        }
    }

    /// The server has accepted the credential.
    pub(super) fn set_accepted(&mut self, is_signed: bool, form: Option<ApiForm>) {
        self.credential = Some(if is_signed { "secret" } else { "api_key" });
        self.api = Some(match form {
            _ if is_signed => "signed",
            Some(ApiForm::Legacy) => "legacy",
            _ => "current",
        });
    }

    pub(super) fn set_server(&mut self, versions: &[String]) {
        self.nodes = Some(versions.len());
        let mut versions: Vec<String> = versions.iter().filter(|version| !version.is_empty()).cloned().collect();
        versions.sort();
        versions.dedup();
        self.versions = Some(versions);
    }

    pub(super) fn set_time(&mut self, method: &'static str, elapsed: Duration) {
        (self.method, self.milliseconds) = (Some(method), Some((elapsed.as_secs_f64() * 10_000.0).round() / 10.0));
    }

    pub(super) fn to_json(&self) -> String {
        // Its numbers are finite, and its keys are strings.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// One line per step that was reached, and one per warning.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut add = |label: &str, text: Option<String>| {
            lines.extend(text.map(|text| format!("{label:<13}{}", stderr::escaped(&text))));
        };
        add("config", self.config.clone());
        add("section", self.section.as_ref().map(|name| format!("[{name}]")));
        add("address", self.address.clone());
        add("proxy", self.address.as_ref().map(|_| self.proxy.clone().unwrap_or_else(|| "none".to_owned())));
        add("client cert", self.client_certificate.as_ref().map(ClientCertificate::text));
        add("resolves to", (!self.ip_addresses.is_empty()).then(|| self.ip_addresses.join(", ")));
        let via = if self.proxy.is_some() { " (the proxy)" } else { "" };
        add("connection", self.connected_to.as_ref().map(|peer| format!("TCP to {peer}{via}")));
        add("TLS", self.tls.as_ref().map(Tls::text));
        add("API", self.api.map(|api| api_text(api).to_owned()));
        add("credential", self.credential.map(|credential| format!("{credential} accepted")));
        add("server", self.server_text());
        let time = self.method.zip(self.milliseconds);
        add("time", time.map(|(method, milliseconds)| format!("{milliseconds:.1} ms for {method}")));
        self.warnings.iter().for_each(|warning| add("warning", Some(warning.clone())));
        lines
    }

    fn server_text(&self) -> Option<String> {
        let versions = match self.versions.as_ref()?.join(", ") {
            none if none.is_empty() => "of unknown version".to_owned(),
            versions => versions,
        };
        Some(format!("Centrifugo {versions}, {}", plural(u64::try_from(self.nodes?).ok()?, "node")))
    }
}

impl ClientCertificate {
    fn text(&self) -> String {
        let issuer = self.issuer.as_ref().map_or_else(String::new, |issuer| format!("issued by {issuer}, "));
        format!("{issuer}{} left", plural(self.days_left, "day"))
    }
}

impl Tls {
    fn text(&self) -> String {
        let issuer =
            self.issuer.as_ref().map_or_else(String::new, |issuer| format!("; certificate issued by {issuer}"));
        let days = self.days_left.map_or_else(String::new, |days| format!(", {} left", plural(days, "day")));
        format!("TLS {}{issuer}{days}", self.version)
    }
}

fn api_text(api: &str) -> &'static str {
    match api {
        "signed" => "signed requests to /api/ (Centrifugo 1)",
        "legacy" => "older form: /api (Centrifugo 2 to 4, or a proxy that passes only this path)",
        _ => "current form: /api/METHOD (Centrifugo 5 and later)",
    }
}

fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stop_where_the_check_stopped() {
        let mut report = Report::default();
        assert!(report.lines().is_empty());
        report.set_config("/home/u/.centrc".to_owned());
        report.add_warning("a\u{1b}b".to_owned());
        assert_eq!(report.lines(), ["config       /home/u/.centrc", "warning      a\\u{1b}b"]);
    }

    #[test]
    fn different_versions_are_listed() {
        let mut report = Report::default();
        report.set_server(&["6.1.0".to_owned(), String::new(), "6.0.0".to_owned(), "6.1.0".to_owned()]);
        assert_eq!(report.server_text().as_deref(), Some("Centrifugo 6.0.0, 6.1.0, 4 nodes"));
        report.set_server(&[String::new()]);
        assert_eq!(report.server_text().as_deref(), Some("Centrifugo of unknown version, 1 node"));
    }

    #[test]
    fn worst_error_sets_the_exit_status() {
        let mut report = Report::default();
        report.add_error("a".to_owned(), ExitStatus::SafeToRetry);
        report.add_error("b".to_owned(), ExitStatus::Rejected);
        assert_eq!((report.exit_status().code(), report.exit_status), (3, 3));
    }
}
