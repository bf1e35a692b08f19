//! Sends a request and brings back the answer, whatever it says; tells what surely was not accepted from what may have
//! been.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};
use crate::proxy::Proxy;
use crate::request::HttpRequest;
use crate::wire::{self, Fault, Lookup, Route, Try};

/// The longest answer that is read, in bytes: 64 MiB.
pub const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// How much room is made for a body before any of it has come.
const MAX_ROOM_BYTES: usize = 64 * 1024;

/// Servers close a connection after 30 s at the earliest (seen on 6.9.1), proxies sooner; a request written to one that
/// is just being closed is lost and looks like a crash.
const MAX_IDLE: Duration = Duration::from_secs(5);

/// An answer over HTTP, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) proxy: Option<String>,
    /// Whether it came before the request was through.
    pub(crate) early: bool,
    pub(crate) body: Vec<u8>,
}

impl HttpResponse {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The size of the body, in bytes.
    pub fn body_len(&self) -> usize {
        self.body.len()
    }
}

/// Connections to one server, kept for the next request.
#[derive(Debug)]
pub(crate) struct Transport {
    agent: Agent,
    route: Route,
    current: Arc<Try>,
}

impl Transport {
    /// Opens nothing yet.
    pub(crate) fn new(address: &Address, proxy: Option<Proxy>) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected POST loses its body.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_age(MAX_IDLE)
            // The default reads the environment; the route is ours.
            .proxy(None)
            .tls_config(tls)
            .accept("")
            .accept_encoding("")
            .build();
        let (route, current) = (Route::new(address, proxy), Arc::new(Try::new()));
        let agent = Agent::with_parts(
            config,
            wire::connector(address, &route, &current),
            Lookup::new(address, &route, &current),
        );
        Self { agent, route, current }
    }

    /// Sends a request, once, and reads the whole answer within the limit.
    ///
    /// Takes `&mut self`: the state of the try is shared with the connection, so one request is under way at a time.
    pub(crate) fn post(&mut self, request: &HttpRequest<'_>, limit: Duration) -> Result<HttpResponse, Error> {
        self.current.start(limit);
        self.exchange(request).map_err(|error| self.explain(error, limit).of(request.url()))
    }

    fn exchange(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, ureq::Error> {
        let mut post = self.agent.post(request.url());
        for (name, value) in &request.plain {
            post = post.header(*name, value);
        }
        post = post.header(request.proof.0, request.proof.1.reveal());
        if let Route::Forward(Proxy { authorization: Some(authorization), .. }) = &self.route {
            post = post.header("Proxy-Authorization", authorization.reveal());
        }
        let answer = post.send(ureq::SendBody::from_reader(&mut BodyReader::new(request)))?;
        if answer.status() != 200 {
            self.current.spend_connection();
        }
        let header =
            |name: &str| answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(HttpResponse {
            status: answer.status().as_u16(),
            location: header("location"),
            retry_after: header("retry-after"),
            proxy: match &self.route {
                Route::Forward(proxy) => Some(proxy.name()),
                // What comes through a tunnel is the server's own.
                Route::Direct | Route::Tunnel(_) => None,
            },
            early: self.current.was_cut(),
            body: whole(answer.into_body())?,
        })
    }

    /// Puts a failure into its row of the exit table: the line is whether a byte of the request was handed over.
    fn explain(&self, error: ureq::Error, limit: Duration) -> Error {
        let error = unwrapped(error);
        let proxy = self.route.proxy().map(Proxy::name);
        let explained = if self.current.has_begun() {
            lost(&error, limit, self.current.has_ended()).by(proxy.as_deref())
        } else if let Some(fault) = fault(&error) {
            faulty(fault, proxy.as_deref())
        } else {
            not_reached(&error, limit).by(proxy.as_deref())
        };
        explained.into_error().with_source(error)
    }
}

/// Reads a body to its end, for error statuses too: else the connection cannot be used again.
fn whole(body: ureq::Body) -> Result<Vec<u8>, ureq::Error> {
    let announced = body.content_length().and_then(|length| usize::try_from(length).ok());
    // A server may announce more than it sends, so not all of it is believed at once.
    let mut bytes = Vec::with_capacity(announced.unwrap_or_default().min(MAX_ROOM_BYTES));
    body.into_with_config().limit(MAX_ANSWER_BYTES).reader().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A failure in words: what happened and what to do.
struct Explained {
    kind: ErrorKind,
    what: String,
    hint: String,
    repeatable: bool,
}

impl Explained {
    fn not_accepted(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: ErrorKind::NotAccepted, what: what.into(), hint: hint.into(), repeatable: true }
    }

    /// Time does not mend what is wrong with trust.
    fn untrusted(what: impl Into<String>, hint: &str) -> Self {
        Self { repeatable: false, ..Self::not_accepted(what, hint) }
    }

    fn certificate(what: &str, hint: &str) -> Self {
        Self::untrusted(format!("the server's certificate {what}"), hint)
    }

    fn unknown(what: impl Into<String>) -> Self {
        let hint = "the command may have run: look before repeating".to_owned();
        Self { kind: ErrorKind::Unknown, what: what.into(), hint, repeatable: false }
    }

    /// Names the proxy in between, which a user may have forgotten.
    fn by(self, proxy: Option<&str>) -> Self {
        match proxy {
            Some(proxy) => Self { what: format!("{} (by the proxy {proxy})", self.what), ..self },
            None => self,
        }
    }

    fn into_error(self) -> Error {
        let error = Error::new(self.kind, self.what).hint(self.hint);
        if self.repeatable { error } else { error.not_repeatable() }
    }
}

/// What the connection below says that ureq cannot.
fn fault(error: &ureq::Error) -> Option<&Fault> {
    match error {
        ureq::Error::Other(other) => other.downcast_ref(),
        _ => None,
    }
}

/// No byte of the request was handed over.
fn not_reached(error: &ureq::Error, limit: Duration) -> Explained {
    match error {
        ureq::Error::Timeout(_) => Explained::not_accepted(
            format!("no connection within {} s", limit.as_secs_f64()),
            "nothing was sent: check the address, or raise the timeout",
        ),
        ureq::Error::Rustls(error) => tls(error),
        ureq::Error::Io(error) => match tls_error(error) {
            Some(error) => tls(error),
            None => Explained::not_accepted(
                format!("connection lost before anything was sent: {}", reason(error)),
                "is it a server that speaks TLS? if not, write http://",
            ),
        },
        _ => Explained::not_accepted("no connection", "nothing was sent: check the address"),
    }
}

/// No connection, or no tunnel through the proxy; where there is one, it is the proxy that was connected to.
fn faulty(fault: &Fault, proxy: Option<&str>) -> Explained {
    let the_proxy = proxy.map_or_else(|| "the proxy".to_owned(), |proxy| format!("the proxy {proxy}"));
    match fault {
        Fault::Lookup(_, error) if proxy.is_some() => Explained::not_accepted(
            format!("cannot look up {the_proxy}: {}", reason(error)),
            "nothing was sent: check the proxy's URL and the network",
        ),
        Fault::Lookup(host, error) => Explained::not_accepted(
            format!("cannot look up {host}: {}", reason(error)),
            "nothing was sent: check the host's name and the network",
        ),
        Fault::Connect(_, error) if proxy.is_some() => Explained::not_accepted(
            format!("cannot connect to {the_proxy}: {}", reason(error)),
            "nothing was sent: is the proxy running, and is its URL right?",
        ),
        Fault::Connect(name, error) => Explained::not_accepted(
            format!("cannot connect to {name}: {}", reason(error)),
            "nothing was sent: is the server running, and is the port right?",
        ),
        Fault::Tunnel(407) => Explained::not_accepted(
            format!("{the_proxy} wants credentials (407)"),
            "nothing was sent: write the right ones into the proxy's URL, http://USER:PASSWORD@HOST:PORT",
        ),
        Fault::Tunnel(status @ 500..) => Explained::not_accepted(
            format!("{the_proxy} could not connect to the server ({status})"),
            "nothing was sent: check the address, and that the server is running, or name the host in NO_PROXY",
        ),
        Fault::Tunnel(status) => Explained::not_accepted(
            format!("{the_proxy} refused to connect to the server ({status})"),
            "nothing was sent: allow it in the proxy, or name the host in NO_PROXY",
        ),
        Fault::TunnelAnswer => Explained::not_accepted(
            format!("{the_proxy} gave no proper answer"),
            "nothing was sent: check that the proxy's URL names an HTTP proxy",
        ),
        Fault::LongAddress => Explained::not_accepted(
            "the address is too long for a proxy",
            "nothing was sent: shorten its path, or name the host in NO_PROXY",
        ),
    }
}

/// At least a byte of the request was handed over.
fn lost(error: &ureq::Error, limit: Duration, has_ended: bool) -> Explained {
    match error {
        ureq::Error::Timeout(_) => {
            let explained = Explained::unknown(format!("no answer within {} s", limit.as_secs_f64()));
            Explained { hint: format!("{}, or raise the timeout", explained.hint), ..explained }
        }
        ureq::Error::BodyExceedsLimit(_) => {
            Explained::unknown(format!("the answer is longer than {} MB", MAX_ANSWER_BYTES / (1024 * 1024)))
        }
        ureq::Error::LargeResponseHeader(..) => Explained::unknown("the head of the answer is too long"),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Explained::unknown(CLOSED),
        ureq::Error::Io(error) => match tls_error(error) {
            Some(error) if wants_certificate(error) => tls(error),
            _ => Explained::unknown(format!("the connection was lost: {}", reason(error))),
        },
        // What is cut inside the frame of a chunk is no proper HTTP either, but that is not what is wrong.
        _ => Explained::unknown(if has_ended { CLOSED } else { "the answer is no proper HTTP" }),
    }
}

const CLOSED: &str = "the connection was closed before the answer was whole";

fn tls(error: &rustls::Error) -> Explained {
    match error {
        rustls::Error::InvalidCertificate(flaw) => certificate(flaw),
        // What a server that speaks plain HTTP sends cannot be read as TLS.
        rustls::Error::InvalidMessage(_) => Explained::not_accepted(
            "the server does not speak TLS",
            "nothing was sent: write http:// in the address, or the port that speaks TLS",
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Explained::untrusted(
            "the server wants a certificate of its client",
            "nothing was accepted: such are not supported; use an address of the server that does without",
        ),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
        | rustls::Error::PeerIncompatible(_) => Explained::not_accepted(
            "the server offers no TLS that is safe",
            "nothing was sent: TLS 1.2 or 1.3 has to be switched on in the server",
        ),
        // The trust store found none, wherever it looked.
        rustls::Error::General(_) => Explained::untrusted(
            "no certificates to trust were found",
            "nothing was sent: check the PEM file or the folder that SSL_CERT_FILE or SSL_CERT_DIR names; without \
             them, install the system's CA certificates",
        ),
        error => Explained::not_accepted(format!("TLS failed: {error}"), "nothing was sent: check the server's TLS"),
    }
}

fn certificate(flaw: &CertificateError) -> Explained {
    match flaw {
        // A bad signature comes of an authority made anew under its old name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Explained::certificate(
            "is signed by an authority that is not trusted",
            "nothing was sent: set SSL_CERT_FILE to the PEM file of that authority, or check the address",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Explained::certificate("has expired", "nothing was sent: renew it, or check this machine's clock")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Explained::certificate("is not valid yet", "nothing was sent: check this machine's clock")
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => Explained::certificate(
            "names no host",
            "nothing was sent: the server needs one with its host as subjectAltName; the common name does not count",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Explained::certificate(
            "is for another host",
            "nothing was sent: write the name that the certificate is for in the address",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => wrong_purpose(),
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => Explained::certificate(
                "is that of an authority, not usable for servers",
                "nothing was sent: the server needs one that an authority has signed, without the CA flag",
            ),
            Some(_) => refused(),
            // The platform's verifier keeps the type that it has for this to itself.
            None => wrong_purpose(),
        },
        _ => refused(),
    }
}

fn wrong_purpose() -> Explained {
    Explained::certificate(
        "is not usable for servers",
        "nothing was sent: the server needs one with the extended key usage serverAuth",
    )
}

fn refused() -> Explained {
    Explained::certificate(
        "cannot be checked",
        "nothing was sent: the server needs one of X.509 version 3, signed with a current algorithm, for a host that its \
         authority may sign for",
    )
}

/// Whether the server ended the connection for want of a certificate of the client's: with TLS 1.3 that comes to light
/// when the request is on its way, but before the server looks at it (RFC 8446, section 6.2).
fn wants_certificate(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::AlertReceived(AlertDescription::CertificateRequired))
}

/// The error of the TLS library that an I/O error wraps, if any.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// ureq's own error, where it travels inside an I/O error through a reader or through TLS.
fn unwrapped(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Io(error) => ureq::Error::from(error),
        error => error,
    }
}

/// The system's own words, without its number and what the standard library puts before them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Reads the pieces of a body one after the other.
struct BodyReader<'a> {
    pieces: Box<dyn Iterator<Item = &'a str> + 'a>,
    current: &'a [u8],
}

impl<'a> BodyReader<'a> {
    fn new(request: &'a HttpRequest<'_>) -> Self {
        Self { pieces: Box::new(request.body()), current: &[] }
    }
}

impl Read for BodyReader<'_> {
    /// Fills the buffer as far as there is anything left: many small pieces leave in one write.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.current.is_empty() {
                match self.pieces.next() {
                    Some(piece) => self.current = piece.as_bytes(),
                    None => break,
                }
            }
            filled += self.current.read(&mut buffer[filled..])?;
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_systems_own_words() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(reason(&refused), "connection refused");
        let lookup = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(reason(&lookup), "name or service not known");
    }

    #[test]
    fn what_happened_before_the_request_left_is_not_accepted() {
        for error in [
            ureq::Error::Timeout(ureq::Timeout::Global),
            io::Error::from(io::ErrorKind::ConnectionReset).into(),
            ureq::Error::ConnectionFailed,
        ] {
            assert_eq!(not_reached(&error, Duration::from_secs(1)).kind, ErrorKind::NotAccepted, "{error}");
            assert_eq!(lost(&error, Duration::from_secs(1), false).kind, ErrorKind::Unknown, "{error}");
        }
    }

    #[test]
    fn what_tls_says_after_the_request_has_left_leaves_it_open_but_for_a_certificate_that_is_wanted() {
        let kind = |error| lost(&io::Error::other(error).into(), Duration::ZERO, false).kind;
        for error in [
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
            rustls::Error::DecryptError,
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
            rustls::Error::AlertReceived(AlertDescription::InternalError),
        ] {
            assert_eq!(kind(error.clone()), ErrorKind::Unknown, "{error}");
        }
        assert_eq!(kind(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)), ErrorKind::NotAccepted);
    }

    #[test]
    fn a_refused_certificate_is_not_worth_repeating() {
        let error = ureq::Error::Rustls(rustls::Error::InvalidCertificate(CertificateError::Expired));
        assert!(!not_reached(&error, Duration::ZERO).repeatable);
    }
}
