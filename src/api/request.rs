//! Commands encoded as one HTTP request.

use std::borrow::Cow;
use std::sync::Arc;

use super::body::Body;
use super::earlier_attempts::EarlierAttempts;
use super::form::{Form, Order, ServerForm};
use super::{api_key, current, legacy, v1};
use crate::command::Command;
use crate::connection::ApiForm;
use crate::error::Error;
use crate::methods::ApiVersion;
use crate::reply::Reply;
use crate::retry::Repeat;
use crate::server::address::Address;
use crate::server::endpoint::Endpoint;
use crate::server::secret::SecretString;

/// One POST of one or more commands, ready to be sent.
///
/// Sent again, it remembers what earlier attempts may have executed.
///
/// ```
/// use cent::Command;
///
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # let mut client = doctest::client();
/// let mut request = client.requests().request(vec![Command::publish("news", &1)?])?;
/// assert_eq!(request.body().collect::<String>(), r#"{"channel":"news","data":1}"#);
/// let replies = client.send_request(&mut request)?;
/// # assert!(replies[0].published().is_ok());
/// # Ok::<(), cent::Error>(())
/// ```
///
/// Its `Debug` output, and its headers as [`headers`](Self::headers) returns them, hide signature and API key.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    endpoint: Arc<Endpoint>,
    form: Form,
    url: String,
    /// All headers but the one that authorizes the request.
    pub(crate) plain_headers: Vec<(&'static str, String)>,
    /// Missing in a probe whose response does not depend on it.
    pub(crate) auth_header: Option<(&'static str, SecretString)>,
    body: Body,
    commands: Cow<'a, [Command]>,
    earlier_attempts: EarlierAttempts,
}

impl<'a> HttpRequest<'a> {
    /// Encodes commands that were validated.
    pub(crate) fn encode(endpoint: &Arc<Endpoint>, form: Form, commands: Cow<'a, [Command]>) -> Self {
        let url = url(endpoint.address(), form, &commands);
        let body = match form {
            Form::V1 => v1::encode(&commands),
            Form::Legacy => legacy::encode(&commands),
            Form::Method => current::encode_method(&commands),
            Form::Batch(order) => current::encode_batch(&commands, order),
        };
        let auth_header = Some(auth_header(endpoint, form, &body, &commands));
        let (endpoint, plain_headers) = (Arc::clone(endpoint), plain_headers(&body));
        let earlier_attempts = EarlierAttempts::default();
        Self { endpoint, form, url, plain_headers, auth_header, body, commands, earlier_attempts }
    }

    /// A request without a body: it executes nothing, and shows whether the server has the path. It has the credential, so
    /// that a gateway in front of the server lets it pass.
    pub(crate) fn empty(endpoint: &Arc<Endpoint>, form: Form) -> HttpRequest<'static> {
        let body = Body::empty();
        let url = url(endpoint.address(), form, &[]);
        let auth_header = Some(auth_header(endpoint, form, &body, &[]));
        let (endpoint, plain_headers) = (Arc::clone(endpoint), plain_headers(&body));
        let (commands, earlier_attempts) = (Cow::Borrowed(&[][..]), EarlierAttempts::default());
        HttpRequest { endpoint, form, url, plain_headers, auth_header, body, commands, earlier_attempts }
    }

    pub(super) fn without_credential(self) -> Self {
        Self { auth_header: None, ..self }
    }

    /// An [empty](Self::empty) request to the same path.
    pub(crate) fn without_commands(&self) -> HttpRequest<'static> {
        HttpRequest { url: self.url.clone(), ..Self::empty(&self.endpoint, self.form) }
    }

    /// The same commands in another form of the API.
    pub(crate) fn reencode(&mut self, form: Form) {
        let (commands, earlier_attempts) =
            (std::mem::take(&mut self.commands), std::mem::take(&mut self.earlier_attempts));
        *self = Self { earlier_attempts, ..Self::encode(&self.endpoint, form, commands) };
    }

    /// A part of the commands in the same form.
    pub(crate) fn part(&self, start: usize, end: usize) -> HttpRequest<'_> {
        let commands = self.commands.get(start..end).unwrap_or_default();
        HttpRequest::encode(&self.endpoint, self.form, commands.into())
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Whether it was built for this endpoint: another server must not see its credential.
    pub(crate) fn is_for(&self, endpoint: &Arc<Endpoint>) -> bool {
        Arc::ptr_eq(&self.endpoint, endpoint) || self.endpoint == *endpoint
    }

    /// Whether it may be sent again after an attempt whose outcome is unknown.
    pub fn repeat(&self) -> Repeat {
        let version = self.form.version();
        let is_safe = |command: &Command| {
            command.is_read_only(version) || version == ApiVersion::V2 && command.has_idempotency_key()
        };
        if !self.commands.iter().all(is_safe) {
            Repeat::Nothing
        } else if self.commands.iter().all(|command| command.is_read_only(version)) {
            Repeat::Reads
        } else {
            Repeat::Keys
        }
    }

    /// Remembers that an earlier attempt, such as one of a program that was killed, may have executed the commands: a
    /// later failure is then [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). The client does so itself
    /// for the attempts that it makes with this request.
    pub fn assume_sent(&mut self) {
        self.earlier_attempts = EarlierAttempts::all(self.commands.len());
    }

    /// Adds an attempt, and takes into account what earlier ones may have executed.
    pub(crate) fn judge(&mut self, result: Result<Vec<Reply>, Error>) -> Result<Vec<Reply>, Error> {
        self.earlier_attempts.judge(self.commands.len(), result)
    }

    /// What may have got into the credential by mistake.
    pub(super) fn credential_hint(&self) -> Option<&'static str> {
        self.endpoint.credential_hint()
    }

    /// The commands in this request.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Returns the commands, cloning them if they were borrowed.
    pub fn into_commands(self) -> Vec<Command> {
        self.commands.into_owned()
    }

    /// The URL that is requested.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers, with the signature or API key replaced by `[hidden]`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let plain = self.plain_headers.iter().map(|(name, value)| (*name, value.as_str()));
        plain.chain(self.auth_header.iter().map(|(name, _)| (*name, "[hidden]")))
    }

    /// The body, as consecutive chunks.
    pub fn body(&self) -> impl Iterator<Item = &str> {
        self.body.chunks(&self.commands)
    }

    /// The size of the body, in bytes.
    pub fn body_len(&self) -> u64 {
        self.body.len()
    }
}

fn url(address: &Address, form: Form, commands: &[Command]) -> String {
    match form {
        Form::V1 => v1::url(address),
        Form::Legacy => legacy::url(address),
        Form::Method => current::method_url(address, commands),
        Form::Batch(_) => current::batch_url(address),
    }
}

fn auth_header(endpoint: &Endpoint, form: Form, body: &Body, commands: &[Command]) -> (&'static str, SecretString) {
    match form.version() {
        ApiVersion::V1 => v1::auth_header(endpoint.credential(), body.chunks(commands)),
        ApiVersion::V2 => api_key::auth_header(endpoint.credential()),
    }
}

fn plain_headers(body: &Body) -> Vec<(&'static str, String)> {
    vec![
        // Centrifugo 1 takes any other type for a form and responds with 400.
        ("Content-Type", "application/json".to_owned()),
        ("Content-Length", body.len().to_string()),
        ("User-Agent", concat!("cent/", env!("CARGO_PKG_VERSION")).to_owned()),
    ]
}

/// Builds requests for one server. Clones can do so on other threads.
///
/// ```
/// use cent::Command;
///
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # let mut client = doctest::client();
/// let builder = client.requests().clone().unordered();
/// let building = std::thread::spawn(move || {
///     let commands = (0..100).map(|number| Command::publish("news", &number)).collect::<Result<Vec<_>, _>>()?;
///     builder.batch(commands)
/// });
/// let mut request = building.join().unwrap()?;
/// assert_eq!(client.send_request(&mut request)?.len(), 100);
/// # Ok::<(), cent::Error>(())
/// ```
///
/// With an API key, requests have the form of Centrifugo 5 and later, unless the [`Client`](crate::Client) that the
/// builder comes from has found that its server has the older one only.
#[derive(Debug, Clone)]
pub struct RequestBuilder {
    endpoint: Arc<Endpoint>,
    server_form: ServerForm,
    order: Order,
}

impl RequestBuilder {
    /// A builder for this endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint: Arc::new(endpoint), server_form: ServerForm::default(), order: Order::Kept }
    }

    /// Lets the server execute the commands of a batch concurrently; replies keep their order all the same.
    ///
    /// Needs an API key and Centrifugo 5.2 or later; 5.0 and 5.1 execute them in order, and for older versions sending
    /// fails with [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) before anything was executed.
    #[must_use]
    pub fn unordered(self) -> Self {
        Self { order: Order::Any, ..self }
    }

    /// Builds the request of one command, or of several in a batch.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn request<'a>(&self, commands: impl Into<Cow<'a, [Command]>>) -> Result<HttpRequest<'a>, Error> {
        let commands = commands.into();
        let form = if commands.len() == 1 { Form::Method } else { Form::Batch(self.order) };
        self.build(form, commands)
    }

    /// Builds the request of a batch, even if it has only one command. With owned commands the request is `'static` and
    /// can be sent to another thread.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - no commands,
    /// - a command that the server would reject without a reason or misinterpret, such as a publish without a channel
    ///   or a disconnect without a user.
    pub fn batch<'a>(&self, commands: impl Into<Cow<'a, [Command]>>) -> Result<HttpRequest<'a>, Error> {
        self.build(Form::Batch(self.order), commands.into())
    }

    fn build<'a>(&self, form: Form, commands: Cow<'a, [Command]>) -> Result<HttpRequest<'a>, Error> {
        if commands.is_empty() {
            return Err(Error::invalid("no commands to send").with_hint("add one first"));
        }
        commands.iter().try_for_each(|command| command.validate(self.endpoint.version()))?;
        let form = match (self.endpoint.version(), self.server_form.get()) {
            (ApiVersion::V1, _) => Form::V1,
            (ApiVersion::V2, Some(ApiForm::Legacy)) if self.order == Order::Kept => Form::Legacy,
            (ApiVersion::V2, _) => form,
        };
        Ok(HttpRequest::encode(&self.endpoint, form, commands))
    }

    /// The server.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn shared_endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    pub(crate) fn server_form(&self) -> &ServerForm {
        &self.server_form
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::idempotency::IdempotencyKey;
    use crate::server::address::Address;

    fn commands() -> [Command; 2] {
        [
            Command::new("PUBLISH", " {\"channel\": \"a\",\r\n \"data\": 1.0} \n").unwrap(),
            Command::new("quux", "{}").unwrap(),
        ]
    }

    fn address() -> Address {
        Address::parse("http://localhost:8000/rt").unwrap()
    }

    fn request<'a>(endpoint: &Endpoint, commands: &'a [Command]) -> Result<HttpRequest<'a>, Error> {
        RequestBuilder::new(endpoint.clone()).request(commands)
    }

    fn body(request: &HttpRequest<'_>) -> String {
        request.body().collect()
    }

    #[test]
    fn v1_request_is_a_signed_array() {
        let endpoint = Endpoint::with_secret(address(), "secret-of-the-test-server").unwrap();
        let command = [Command::new("publish", r#"{"channel":"news","data":{"title":"World Cup 2018"}}"#).unwrap()];
        let request = request(&endpoint, &command).unwrap();
        assert_eq!(request.url(), "http://localhost:8000/rt/api/");
        assert_eq!(
            body(&request),
            r#"[{"method":"publish","params":{"channel":"news","data":{"title":"World Cup 2018"}}}]"#
        );
        // As recorded from Centrifugo 1.8.0: replies/v1.8.0/publish-ok.json.
        assert_eq!(request.auth_header.as_ref().unwrap().0, "X-API-Sign");
        assert_eq!(
            request.auth_header.as_ref().unwrap().1.expose(),
            "c3db50f0b11aa24ca151488dc513e0f0057162b7949515e3bdd66d9885d32068"
        );
    }

    #[test]
    fn each_form_has_its_url_and_body() {
        let commands = commands();
        let publish = "{\"channel\": \"a\",\r\n \"data\": 1.0}";
        let keyed = RequestBuilder::new(Endpoint::with_api_key(address(), "k").unwrap());
        let sent = |request: HttpRequest<'_>| {
            let header = request.auth_header.as_ref().map(|(name, value)| (*name, value.expose()));
            assert_eq!(header, Some(("Authorization", "apikey k")));
            (request.url().to_owned(), body(&request))
        };
        let url = |path: &str| format!("http://localhost:8000/rt{path}");
        assert_eq!(sent(keyed.request(&commands[..1]).unwrap()), (url("/api/publish"), publish.to_owned()));
        let batch = format!("{{\"commands\":[{{\"publish\":{publish}}},{{\"quux\":{{}}}}]");
        assert_eq!(sent(keyed.request(&commands).unwrap()), (url("/api/batch"), format!("{batch}}}")));
        let one = format!("{{\"commands\":[{{\"publish\":{publish}}}]}}");
        assert_eq!(sent(keyed.batch(&commands[..1]).unwrap()), (url("/api/batch"), one));
        let unordered = keyed.clone().unordered().batch(&commands).unwrap();
        assert_eq!(sent(unordered), (url("/api/batch"), format!("{batch},\"parallel\":true}}")));
        let old = |method: &str, params: &str| format!("{{\"method\":\"{method}\",\"params\":{params}}}");
        let (publish, quux) = (old("PUBLISH", publish), old("quux", "{}"));
        let mut legacy = keyed.request(&commands).unwrap();
        legacy.reencode(Form::Legacy);
        assert_eq!(sent(legacy), (url("/api"), format!("{publish}\n{quux}")));
        let signed = Endpoint::with_secret(address(), "s").unwrap();
        assert_eq!(body(&request(&signed, &commands).unwrap()), format!("[{publish},{quux}]"));
    }

    #[test]
    fn least_repeatable_command_counts() {
        let key: IdempotencyKey = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        let [reads, plain] = [Command::history("a"), Command::publish("a", &1).unwrap()];
        let keyed = plain.clone().with_idempotency_key(key);
        let unkeyed = Command::disconnect("42").with_idempotency_key(key);
        let endpoints =
            [Endpoint::with_secret(address(), "s").unwrap(), Endpoint::with_api_key(address(), "k").unwrap()];
        for (commands, expected) in [
            (&[reads.clone()][..], [Repeat::Reads; 2]),
            (&[reads.clone(), keyed.clone()], [Repeat::Nothing, Repeat::Keys]),
            (&[plain, keyed.clone(), reads], [Repeat::Nothing; 2]),
            (&[keyed, unkeyed], [Repeat::Nothing; 2]),
        ] {
            assert_eq!(endpoints.each_ref().map(|endpoint| request(endpoint, commands).unwrap().repeat()), expected);
        }
    }

    #[test]
    fn builders_follow_what_the_server_has() {
        let commands = commands();
        let keyed = RequestBuilder::new(Endpoint::with_api_key(address(), "k").unwrap());
        keyed.clone().server_form().set(ApiForm::Legacy);
        assert_eq!(keyed.request(&commands).unwrap().form(), Form::Legacy);
        assert_eq!(keyed.clone().unordered().batch(&commands).unwrap().form(), Form::Batch(Order::Any));
        keyed.server_form().set(ApiForm::Current);
        assert_eq!(keyed.request(&commands).unwrap().form(), Form::Batch(Order::Kept));
    }

    #[test]
    fn content_length_counts_bytes() {
        let endpoint = Endpoint::with_secret(address(), "s").unwrap();
        let command = [Command::new("publish", r#"{"channel":"ä","data":1}"#).unwrap()];
        let request = request(&endpoint, &command).unwrap();
        assert_eq!(request.body_len(), body(&request).len() as u64);
        assert!(request.headers().any(|header| header == ("Content-Length", &body(&request).len().to_string())));
    }

    #[test]
    fn debug_and_headers_hide_credentials() {
        for endpoint in [Endpoint::with_secret(address(), "marked"), Endpoint::with_api_key(address(), "marked")] {
            let endpoint = endpoint.unwrap();
            let commands = commands();
            let request = request(&endpoint, &commands).unwrap();
            let shown = format!("{request:?} {:?}", request.headers().collect::<Vec<_>>());
            assert!(
                !shown.contains("marked") && !shown.contains(request.auth_header.as_ref().unwrap().1.expose()),
                "{shown}"
            );
        }
    }

    #[test]
    fn no_commands_is_an_error() {
        assert!(RequestBuilder::new(Endpoint::with_secret(address(), "s").unwrap()).request(Vec::new()).is_err());
    }
}
