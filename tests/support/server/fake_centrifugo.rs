//! Centrifugo's HTTP API with a memory engine, versions 1 to 6, as recorded in `tests/fixtures/replies`.
//!
//! Here is what all forms of the API share: paths and the state of channels. The forms are in [`v1`](super::v1) and
//! [`legacy`](super::legacy).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::api_form::ApiForm;
use super::http::{Request, Response};
use super::{json, legacy, v1};

/// The secret of version 1.
pub const SECRET: &str = "secret-of-the-test-server";
/// The API key of later versions.
pub const API_KEY: &str = "key-of-the-test-server";

/// Settings and state of a server.
///
/// Channels without a `:` have history and presence, those in the namespace `plain` do not; no other namespace exists.
pub struct Centrifugo {
    pub(super) major: u8,
    form: ApiForm,
    prefix: String,
    pub(super) credential: Option<String>,
    pub(super) insecure: bool,
    pub(super) engine_down: bool,
    state: Mutex<State>,
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
    /// The newest recorded release of this major version, from 1 to 6. Version 4 was not recorded: it responds as 3
    /// does, except that unsubscribe and similar methods have a result.
    pub fn version(major: u8) -> Self {
        let form = ApiForm::of_version(major);
        Self {
            major,
            form,
            prefix: String::new(),
            credential: Some(form.credential().to_owned()),
            insecure: false,
            engine_down: false,
            state: Mutex::default(),
        }
    }

    /// Serves the API below a path, such as `/rt`.
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
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
        let clean = without_double_slashes(&head.path);
        if clean != head.path {
            return Some(self.redirect(&clean));
        }
        let path = head.path.strip_prefix(self.prefix.as_str()).unwrap_or_default();
        let not_found = || Some(Response::plain(404, "404 page not found"));
        match (self.form, path) {
            (ApiForm::V1, "/api") => Some(self.redirect(&format!("{}/api/", self.prefix))),
            (ApiForm::V1, path) => (!path.starts_with("/api/")).then(not_found)?,
            (ApiForm::Legacy, "/api") => legacy::early_rejection(self, head),
            (ApiForm::Legacy, _) => not_found(),
        }
    }

    fn redirect(&self, location: &str) -> Response {
        Response::new(if self.major < 6 { 301 } else { 307 }).header("Location", location)
    }

    /// Executes a complete request and returns the response.
    pub fn handle(&self, request: &Request) -> Response {
        let early_rejection = self.early_rejection(request);
        early_rejection.unwrap_or_else(|| match self.form {
            ApiForm::V1 => v1::handle(self, request),
            ApiForm::Legacy => legacy::handle(self, request),
        })
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
