//! Centrifugo's HTTP API with a memory engine, versions 1 to 7, as recorded in `tests/fixtures/replies`.
//!
//! Here is what all forms of the API share: paths, the API key and the state of channels. The forms are in
//! [`v1`](super::v1), [`legacy`](super::legacy) and [`current`](super::current).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::api_form::ApiForm;
use super::http::{Request, Response};
use super::{current, json, legacy, v1};

/// The secret of version 1.
pub const SECRET: &str = "secret-of-the-test-server";
/// The API key of later versions.
pub const API_KEY: &str = "key-of-the-test-server";

/// Settings and state of a server.
///
/// Channels without a `:` have history and presence, those in the namespace `plain` do not; no other namespace exists.
pub struct Centrifugo {
    pub(super) major: u8,
    /// Where the API is: `/api`, below a prefix, or empty for the root.
    api_path: String,
    pub(super) credential: Option<String>,
    pub(super) insecure: bool,
    pub(super) engine_down: bool,
    pub(super) transport_errors: bool,
    /// The version in `info`; that of the recorded build by default.
    pub(super) release: Option<&'static str>,
    /// The size of the largest body.
    max_body: usize,
    state: Arc<Mutex<State>>,
}

/// What serves a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    V1,
    RedirectToV1,
    Legacy,
    /// The current form with one command.
    Method(&'static str),
    /// The current form with any number of commands.
    Batch,
}

/// Channels and subscribers, and a log of what was executed.
#[derive(Default)]
pub(super) struct State {
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) subscribers: Vec<Subscriber>,
    executed: Vec<String>,
    delivered: Vec<(String, Arc<[u8]>)>,
    /// How many unique names were generated.
    unique_names: u64,
}

/// A channel with history.
pub(super) struct Channel {
    pub(super) epoch: String,
    /// The offset of the newest message.
    pub(super) offset: u64,
    pub(super) messages: Vec<Message>,
    /// The results of publishes with an idempotency key.
    pub(super) idempotent: BTreeMap<String, String>,
}

/// A message in a channel's history.
pub(super) struct Message {
    pub(super) offset: u64,
    pub(super) uid: String,
    pub(super) client: String,
    /// As sent; empty if there was no data.
    pub(super) data: Arc<[u8]>,
}

/// A client that is subscribed to channels.
pub(super) struct Subscriber {
    pub(super) client: String,
    pub(super) user: String,
    pub(super) info: String,
    pub(super) channels: Vec<String>,
}

/// What channels of a namespace have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Keeping,
    Plain,
    Unknown,
}

impl Namespace {
    pub(super) fn of(channel: &str) -> Self {
        match channel.split_once(':') {
            None => Self::Keeping,
            Some(("plain", _)) => Self::Plain,
            Some(_) => Self::Unknown,
        }
    }
}

impl Centrifugo {
    /// The newest recorded release of this major version, from 1 to 7. Version 4 was not recorded: it responds as 3
    /// does, except that unsubscribe and similar methods have a result. Version 7 is 6 without the legacy form.
    pub fn version(major: u8) -> Self {
        Self {
            major,
            api_path: "/api".to_owned(),
            credential: Some(ApiForm::of_version(major).credential().to_owned()),
            insecure: false,
            engine_down: false,
            transport_errors: false,
            release: None,
            max_body: usize::MAX,
            state: Arc::default(),
        }
    }

    /// Serves the API below a path, such as `/rt`.
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self { api_path: format!("{prefix}/api"), ..self }
    }

    /// Serves the API at `/` instead of `/api`; the legacy form then gets the requests to all other paths.
    pub fn at_root(self) -> Self {
        Self { api_path: String::new(), ..self }
    }

    /// Uses another secret or API key.
    pub fn with_credential(self, credential: &str) -> Self {
        Self { credential: Some(credential.to_owned()), ..self }
    }

    /// Has no secret and no API key.
    pub fn without_credential(self) -> Self {
        Self { credential: None, ..self }
    }

    /// Requires no signature and no API key.
    pub fn insecure(self) -> Self {
        Self { insecure: true, ..self }
    }

    /// Cannot reach its Redis engine.
    pub fn engine_down(self) -> Self {
        Self { engine_down: true, ..self }
    }

    /// Reports errors of single methods of the current form as HTTP statuses (transport error mode), as the header
    /// `X-Centrifugo-Error-Mode: transport` does for one request.
    pub fn transport_errors(self) -> Self {
        Self { transport_errors: true, ..self }
    }

    /// Is a release, such as `5.1.0`, and not a build from source; those before 5.2 ignore idempotency keys.
    pub fn with_release(self, release: &'static str) -> Self {
        Self { release: Some(release), ..self }
    }

    /// Is behind a proxy that rejects bodies of more bytes than this.
    pub fn with_max_body(self, bytes: usize) -> Self {
        Self { max_body: bytes, ..self }
    }

    /// Another version with the same engine.
    pub fn replacement(&self, major: u8, release: Option<&'static str>) -> Self {
        let (credential, api_path, state) = (self.credential.clone(), self.api_path.clone(), Arc::clone(&self.state));
        Self { credential, api_path, state, max_body: self.max_body, release, ..Self::version(major) }
    }

    pub(super) fn recognizes_keys(&self) -> bool {
        let is_old =
            |release: &str| ["5.0.", "5.1."].iter().any(|old| release.trim_start_matches('v').starts_with(old));
        self.major >= 5 && !self.release.is_some_and(is_old)
    }

    /// Forgets all idempotency keys, as a memory engine does at a restart.
    pub fn forget_keys(&self) {
        self.state().channels.values_mut().for_each(|channel| channel.idempotent.clear());
    }

    /// Subscribes a client to a channel; `info` is JSON text, or empty.
    pub fn join(&self, channel: &str, client: &str, user: &str, info: &str) {
        self.state().join(channel, client, user, info);
    }

    /// The clients that are subscribed to a channel.
    pub fn clients(&self, channel: &str) -> Vec<String> {
        self.state().subscribers(channel).map(|subscriber| subscriber.client.clone()).collect()
    }

    /// The methods of all successful commands, in order and in lower case. A broadcast that failed is not among them,
    /// though it may have reached some channels.
    pub fn executed(&self) -> Vec<String> {
        self.state().executed.clone()
    }

    /// The channel of each message, in order.
    pub fn delivered(&self) -> Vec<String> {
        self.state().delivered.iter().map(|(channel, _)| channel.clone()).collect()
    }

    /// The messages of a channel as sent, oldest first.
    pub fn messages(&self, channel: &str) -> Vec<Arc<[u8]>> {
        let state = self.state();
        let of_channel = state.delivered.iter().filter(|(name, _)| name == channel);
        of_channel.map(|(_, data)| Arc::clone(data)).collect()
    }

    /// The messages of a channel as text.
    pub fn messages_as_text(&self, channel: &str) -> Vec<String> {
        self.messages(channel).iter().map(|data| String::from_utf8_lossy(data).into_owned()).collect()
    }

    /// Publishes without a request.
    pub fn publish(&self, channel: &str, data: impl AsRef<[u8]>) {
        let data = json::parse_exact(data.as_ref()).expect("the data is JSON");
        self.state().deliver(self.major, channel, "", data);
    }

    /// Publishes bytes that are not JSON, as `b64data` can.
    pub fn publish_binary(&self, channel: &str, bytes: &[u8]) {
        self.state().deliver(self.major, channel, "", bytes);
    }

    /// The response that rejects a request before its body is read, if any.
    pub fn early_rejection(&self, head: &Request) -> Option<Response> {
        if head.content_length() > self.max_body {
            return Some(Response::new(413).header("Content-Type", "text/html").body("<html>Too large</html>"));
        }
        let clean = without_double_slashes(&head.path);
        if clean != head.path {
            return Some(self.redirect(&clean));
        }
        let Some(route) = self.route(&head.path) else { return Some(Response::plain(404, "404 page not found")) };
        match route {
            Route::RedirectToV1 => Some(self.redirect(&format!("{}/", self.api_path))),
            // The body is signed, so it is read first.
            Route::V1 => None,
            Route::Legacy | Route::Method(_) | Route::Batch if head.method != "POST" => Some(Response::new(405)),
            Route::Legacy | Route::Method(_) | Route::Batch => {
                (!self.insecure && !self.has_key(head)).then(|| Response::new(401))
            }
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        let below = path.strip_prefix(&self.api_path)?;
        let name = below.strip_prefix('/');
        if self.major == 1 {
            return name.map(|_| Route::V1).or_else(|| below.is_empty().then_some(Route::RedirectToV1));
        }
        let current = name.filter(|_| self.major >= 5).and_then(|name| match name {
            "batch" => Some(Route::Batch),
            method => current::method_of(method, self.major).map(Route::Method),
        });
        let is_legacy = self.major < 7 && (below.is_empty() || self.api_path.is_empty());
        current.or(is_legacy.then_some(Route::Legacy))
    }

    /// Whether a request has the API key. Since version 5 the key can also be in `X-API-Key`, which then counts instead
    /// of `Authorization`, or in the query.
    fn has_key(&self, head: &Request) -> bool {
        let Some(known) = &self.credential else { return false };
        let authorization: Vec<&str> = head.header("Authorization").unwrap_or_default().split_whitespace().collect();
        let is_authorized =
            matches!(authorization.as_slice(), [scheme, key] if scheme.eq_ignore_ascii_case("apikey") && key == known);
        if self.major < 5 {
            return is_authorized;
        }
        let key = head.header("X-API-Key").filter(|key| !key.is_empty());
        let mut query = head.query.split('&').filter_map(|param| param.strip_prefix("api_key="));
        key.map_or(is_authorized, |key| key == known) || query.next() == Some(known)
    }

    fn redirect(&self, location: &str) -> Response {
        Response::new(if self.major < 6 { 301 } else { 307 }).header("Location", location)
    }

    /// Executes a complete request and returns the response.
    pub fn handle(&self, request: &Request) -> Response {
        if let Some(rejection) = self.early_rejection(request) {
            return rejection;
        }
        match self.route(&request.path).expect("other paths were rejected") {
            Route::V1 | Route::RedirectToV1 => v1::handle(self, request),
            Route::Legacy => legacy::handle(self, request),
            Route::Method(method) => current::handle_method(self, method, request),
            Route::Batch => current::handle_batch(self, request),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn without_double_slashes(path: &str) -> String {
    let mut clean = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !clean.ends_with('/') {
            clean.push(c);
        }
    }
    clean
}

impl State {
    pub(super) fn record_execution(&mut self, method: &str) {
        self.executed.push(method.to_owned());
    }

    pub(super) fn join(&mut self, channel: &str, client: &str, user: &str, info: &str) {
        if let Some(subscriber) = self.subscribers.iter_mut().find(|subscriber| subscriber.client == client) {
            subscriber.channels.push(channel.to_owned());
            return;
        }
        self.subscribers.push(Subscriber {
            client: client.to_owned(),
            user: user.to_owned(),
            info: info.to_owned(),
            channels: vec![channel.to_owned()],
        });
    }

    /// The subscribers of a channel.
    pub(super) fn subscribers(&self, channel: &str) -> impl Iterator<Item = &Subscriber> {
        self.subscribers.iter().filter(move |subscriber| subscriber.channels.iter().any(|name| name == channel))
    }

    /// The channels with subscribers.
    pub(super) fn active_channels(&self) -> Vec<String> {
        let mut active: Vec<String> = Vec::new();
        for channel in self.subscribers.iter().flat_map(|subscriber| &subscriber.channels) {
            if !active.contains(channel) {
                active.push(channel.clone());
            }
        }
        active
    }

    /// Unsubscribes a user from one channel, or from all if the name is empty.
    pub(super) fn unsubscribe(&mut self, user: &str, channel: &str) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.user == user) {
            subscriber.channels.retain(|name| !channel.is_empty() && name != channel);
        }
    }

    pub(super) fn subscribe(&mut self, user: &str, channel: &str) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.user == user) {
            if !subscriber.channels.iter().any(|name| name == channel) {
                subscriber.channels.push(channel.to_owned());
            }
        }
    }

    pub(super) fn disconnect(&mut self, user: &str) {
        self.subscribers.retain(|subscriber| subscriber.user != user);
    }

    /// Delivers a message to a channel; returns its position if the channel has history.
    pub(super) fn deliver(&mut self, major: u8, channel: &str, client: &str, data: &[u8]) -> Option<(u64, String)> {
        // Shared by both: it can have hundreds of megabytes.
        let data: Arc<[u8]> = data.into();
        self.delivered.push((channel.to_owned(), Arc::clone(&data)));
        if Namespace::of(channel) != Namespace::Keeping {
            return None;
        }
        let uid = self.unique_name(22);
        let channel = self.channel(major, channel);
        channel.offset += 1;
        channel.messages.push(Message { offset: channel.offset, uid, client: client.to_owned(), data });
        Some((channel.offset, channel.epoch.clone()))
    }

    /// A channel's history, created when first used.
    pub(super) fn channel(&mut self, major: u8, name: &str) -> &mut Channel {
        if !self.channels.contains_key(name) {
            let epoch = self.unique_name(if major < 6 { 4 } else { 8 });
            let channel = Channel { epoch, offset: 0, messages: Vec::new(), idempotent: BTreeMap::new() };
            self.channels.insert(name.to_owned(), channel);
        }
        self.channels.get_mut(name).expect("the channel exists")
    }

    /// A new name of this many letters.
    fn unique_name(&mut self, length: u32) -> String {
        self.unique_names += 1;
        (0..length)
            .rev()
            .map(|place| letter(self.unique_names / 26_u64.checked_pow(place).unwrap_or(u64::MAX) % 26))
            .collect()
    }
}

fn letter(number: u64) -> char {
    char::from(b'a' + u8::try_from(number).expect("there are 26 letters"))
}
