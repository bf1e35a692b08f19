//! A constructor of [`Command`] for each method.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::Command;
use super::optional_params::{
    DisconnectOptions, MapPublishOptions, MapRemoveOptions, MapStateOptions, MapStreamOptions, RefreshOptions,
    SharedPollPublishOptions, SubscribeOptions, UnsubscribeOptions,
};
use super::options::{HistoryOptions, PublishOptions};
use crate::error::Error;

/// A constructor for each method, with the params that it requires: [`with_param`](Self::with_param) adds optional ones,
/// and [`new`](Self::new) takes any other method. Which versions have a method is said at the function of [`Client`] with
/// the same name.
///
/// An empty channel or list of channels is an error when the command is [validated](Self::validated) or sent.
///
/// [`Client`]: crate::Client
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), from those that take data: the data cannot be serialized as JSON.
#[allow(clippy::missing_errors_doc, reason = "documented once, above")]
impl Command {
    /// Publishes data to a channel.
    ///
    /// ```
    /// let command = cent::Command::publish("news", "World Cup 2018")?;
    /// assert_eq!(command.params(), r#"{"channel":"news","data":"World Cup 2018"}"#);
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn publish(channel: &str, data: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Self::publish_with(channel, data, &PublishOptions::new())
    }

    /// Publishes data to a channel, with options.
    pub fn publish_with(
        channel: &str,
        data: &(impl Serialize + ?Sized),
        options: &PublishOptions,
    ) -> Result<Self, Error> {
        Self::from_params("publish", &Publish { channel, data, options })
    }

    /// Publishes bytes that need not be JSON, in the param `b64data`. Centrifugo 4 and later: 3 publishes an empty
    /// message instead (seen on 3.2.3), and 1 and 2 reject it.
    ///
    /// Where a channel with history contains bytes that are not JSON, Centrifugo 5 and 6 respond to `history` with 500.
    pub fn publish_bytes(channel: &str, bytes: &[u8]) -> Self {
        Self::valid("publish", &PublishBytes { channel, b64data: &BASE64_STANDARD.encode(bytes) })
    }

    /// Publishes the same data to several channels.
    ///
    /// ```
    /// let command = cent::Command::broadcast(["news", "sport"], &2018)?;
    /// assert_eq!(command.params(), r#"{"channels":["news","sport"],"data":2018}"#);
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn broadcast(
        channels: impl IntoIterator<Item = impl AsRef<str>>,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Self, Error> {
        Self::broadcast_with(channels, data, &PublishOptions::new())
    }

    /// Publishes the same data to several channels, with options.
    pub fn broadcast_with(
        channels: impl IntoIterator<Item = impl AsRef<str>>,
        data: &(impl Serialize + ?Sized),
        options: &PublishOptions,
    ) -> Result<Self, Error> {
        let names: Vec<_> = channels.into_iter().collect();
        let channels = &names.iter().map(AsRef::as_ref).collect::<Vec<&str>>();
        Self::from_params("broadcast", &Broadcast { channels, data, options })
    }

    /// Subscribes a user's connections to a channel.
    pub fn subscribe(user: &str, channel: &str) -> Self {
        Self::subscribe_with(user, channel, &SubscribeOptions::new())
    }

    /// Subscribes a user's connections to a channel, with options.
    pub fn subscribe_with(user: &str, channel: &str, options: &SubscribeOptions) -> Self {
        Self::valid("subscribe", &UserChannel { user, channel, options })
    }

    /// Unsubscribes a user's connections from a channel.
    pub fn unsubscribe(user: &str, channel: &str) -> Self {
        Self::unsubscribe_with(user, channel, &UnsubscribeOptions::new())
    }

    /// Unsubscribes a user's connections from a channel, with options.
    pub fn unsubscribe_with(user: &str, channel: &str, options: &UnsubscribeOptions) -> Self {
        Self::valid("unsubscribe", &UserChannel { user, channel, options })
    }

    /// Closes a user's connections.
    pub fn disconnect(user: &str) -> Self {
        Self::disconnect_with(user, &DisconnectOptions::new())
    }

    /// Closes a user's connections, with options.
    pub fn disconnect_with(user: &str, options: &DisconnectOptions) -> Self {
        Self::valid("disconnect", &User { user, options })
    }

    /// Refreshes a user's connections.
    pub fn refresh(user: &str) -> Self {
        Self::refresh_with(user, &RefreshOptions::new())
    }

    /// Refreshes a user's connections, with options.
    pub fn refresh_with(user: &str, options: &RefreshOptions) -> Self {
        Self::valid("refresh", &User { user, options })
    }

    /// Asks for the clients in a channel.
    pub fn presence(channel: &str) -> Self {
        Self::valid("presence", &Channel { channel })
    }

    /// Asks for the number of clients and users in a channel.
    pub fn presence_stats(channel: &str) -> Self {
        Self::valid("presence_stats", &Channel { channel })
    }

    /// Asks for all publications in a channel's history, oldest first.
    pub fn history(channel: &str) -> Self {
        Self::history_with(channel, &HistoryOptions::new())
    }

    /// Asks for a part of a channel's history.
    pub fn history_with(channel: &str, options: &HistoryOptions) -> Self {
        Self::valid("history", &History { channel, options })
    }

    /// Deletes a channel's history.
    pub fn history_remove(channel: &str) -> Self {
        Self::valid("history_remove", &Channel { channel })
    }

    /// Asks for the active channels.
    pub fn channels() -> Self {
        Self::valid("channels", &NoParams {})
    }

    /// Asks for metrics of all nodes. Centrifugo 2 and later.
    pub fn info() -> Self {
        Self::valid("info", &NoParams {})
    }

    /// Asks for metrics of all nodes. Centrifugo 1.
    pub fn stats() -> Self {
        Self::valid("stats", &NoParams {})
    }

    /// Asks for metrics of the responding node. Centrifugo 1, since 1.4.
    pub fn node() -> Self {
        Self::valid("node", &NoParams {})
    }

    /// Calls a procedure of the backend that the server is configured to proxy to. Centrifugo 2.6 and later.
    pub fn rpc(method: &str, params: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Self::from_params("rpc", &Rpc { method, params })
    }

    /// Sets the value of a key in a map channel. This and the following need Centrifugo 6.8 or later.
    pub fn map_publish(channel: &str, key: &str, data: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Self::map_publish_with(channel, key, data, &MapPublishOptions::new())
    }

    /// Sets the value of a key in a map channel, with options.
    pub fn map_publish_with(
        channel: &str,
        key: &str,
        data: &(impl Serialize + ?Sized),
        options: &MapPublishOptions,
    ) -> Result<Self, Error> {
        Self::from_params("map_publish", &MapPublish { channel, key, data, options })
    }

    /// Removes a key of a map channel.
    pub fn map_remove(channel: &str, key: &str) -> Self {
        Self::map_remove_with(channel, key, &MapRemoveOptions::new())
    }

    /// Removes a key of a map channel, with options.
    pub fn map_remove_with(channel: &str, key: &str, options: &MapRemoveOptions) -> Self {
        Self::valid("map_remove", &ChannelKey { channel, key, options })
    }

    /// Asks for all keys and values of a map channel.
    pub fn map_read_state(channel: &str) -> Self {
        Self::map_read_state_with(channel, &MapStateOptions::new())
    }

    /// Asks for a part of the keys and values of a map channel.
    pub fn map_read_state_with(channel: &str, options: &MapStateOptions) -> Self {
        Self::valid("map_read_state", &MapRead { channel, options })
    }

    /// Asks for all changes of a map channel that it keeps, oldest first.
    pub fn map_read_stream(channel: &str) -> Self {
        Self::map_read_stream_with(channel, &MapStreamOptions::new())
    }

    /// Asks for a part of the changes of a map channel.
    pub fn map_read_stream_with(channel: &str, options: &MapStreamOptions) -> Self {
        Self::valid("map_read_stream", &MapRead { channel, options })
    }

    /// Asks for the number of keys in a map channel.
    pub fn map_stats(channel: &str) -> Self {
        Self::valid("map_stats", &Channel { channel })
    }

    /// Removes all keys of a map channel.
    pub fn map_clear(channel: &str) -> Self {
        Self::valid("map_clear", &Channel { channel })
    }

    /// Sets the value of a key in a channel that is polled. Versions count from 1. Needs Centrifugo 6.8 or later.
    pub fn shared_poll_publish(
        channel: &str,
        key: &str,
        version: u64,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Self, Error> {
        Self::shared_poll_publish_with(channel, key, version, data, &SharedPollPublishOptions::new())
    }

    /// Sets the value of a key in a channel that is polled, with options.
    pub fn shared_poll_publish_with(
        channel: &str,
        key: &str,
        version: u64,
        data: &(impl Serialize + ?Sized),
        options: &SharedPollPublishOptions,
    ) -> Result<Self, Error> {
        Self::from_params("shared_poll_publish", &SharedPollPublish { channel, key, version, data, options })
    }

    /// A command whose params are an object of texts and numbers.
    fn valid(method: &'static str, params: &impl Serialize) -> Self {
        Self::from_params(method, params).expect("texts and numbers in an object are valid params")
    }
}

#[derive(Serialize)]
struct Publish<'a, T: ?Sized> {
    channel: &'a str,
    data: &'a T,
    #[serde(flatten)]
    options: &'a PublishOptions,
}

#[derive(Serialize)]
struct PublishBytes<'a> {
    channel: &'a str,
    b64data: &'a str,
}

#[derive(Serialize)]
struct Broadcast<'a, T: ?Sized> {
    channels: &'a [&'a str],
    data: &'a T,
    #[serde(flatten)]
    options: &'a PublishOptions,
}

#[derive(Serialize)]
struct UserChannel<'a, O> {
    user: &'a str,
    channel: &'a str,
    #[serde(flatten)]
    options: &'a O,
}

#[derive(Serialize)]
struct User<'a, O> {
    user: &'a str,
    #[serde(flatten)]
    options: &'a O,
}

#[derive(Serialize)]
struct Channel<'a> {
    channel: &'a str,
}

#[derive(Serialize)]
struct History<'a> {
    channel: &'a str,
    #[serde(flatten)]
    options: &'a HistoryOptions,
}

#[derive(Serialize)]
struct NoParams {}

#[derive(Serialize)]
struct Rpc<'a, T: ?Sized> {
    method: &'a str,
    params: &'a T,
}

#[derive(Serialize)]
struct ChannelKey<'a> {
    channel: &'a str,
    key: &'a str,
    #[serde(flatten)]
    options: &'a MapRemoveOptions,
}

#[derive(Serialize)]
struct MapRead<'a, O> {
    channel: &'a str,
    #[serde(flatten)]
    options: &'a O,
}

#[derive(Serialize)]
struct MapPublish<'a, T: ?Sized> {
    channel: &'a str,
    key: &'a str,
    data: &'a T,
    #[serde(flatten)]
    options: &'a MapPublishOptions,
}

#[derive(Serialize)]
struct SharedPollPublish<'a, T: ?Sized> {
    channel: &'a str,
    key: &'a str,
    version: u64,
    data: &'a T,
    #[serde(flatten)]
    options: &'a SharedPollPublishOptions,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{ApiVersion, Method};
    use crate::results::Position;
    use serde_json::value::RawValue;

    /// A command of each constructor, with its params.
    fn all() -> Vec<(Command, &'static str)> {
        let options = PublishOptions::new().idempotency_key("k").skip_history(true).tag("b", "2").tag("a", "1");
        let since = Position { offset: 5, epoch: "xyz".to_owned() };
        let page = HistoryOptions::new().limit(0).since(since).reverse(true);
        let list = vec!["a".to_owned(), "b".to_owned()];
        vec![
            (Command::publish("a", "é\"").unwrap(), r#"{"channel":"a","data":"é\""}"#),
            (
                Command::publish_with("a", &[1.5], &options).unwrap(),
                r#"{"channel":"a","data":[1.5],"idempotency_key":"k","skip_history":true,"tags":{"a":"1","b":"2"}}"#,
            ),
            (Command::publish_bytes("a", b"\0\xff"), r#"{"channel":"a","b64data":"AP8="}"#),
            (Command::broadcast(&list, &()).unwrap(), r#"{"channels":["a","b"],"data":null}"#),
            (
                Command::broadcast_with(list, &1, &PublishOptions::new().skip_history(true)).unwrap(),
                r#"{"channels":["a","b"],"data":1,"skip_history":true}"#,
            ),
            (Command::subscribe("42", "a"), r#"{"user":"42","channel":"a"}"#),
            (Command::unsubscribe("42", "a"), r#"{"user":"42","channel":"a"}"#),
            (Command::disconnect(""), r#"{"user":""}"#),
            (Command::refresh("42"), r#"{"user":"42"}"#),
            (Command::presence("a"), r#"{"channel":"a"}"#),
            (Command::presence_stats("a"), r#"{"channel":"a"}"#),
            (Command::history("a"), r#"{"channel":"a","limit":-1}"#),
            (
                Command::history_with("a", &page),
                r#"{"channel":"a","limit":0,"since":{"offset":5,"epoch":"xyz"},"reverse":true}"#,
            ),
            (Command::history_remove("a"), r#"{"channel":"a"}"#),
            (Command::channels(), "{}"),
            (Command::info(), "{}"),
            (Command::stats(), "{}"),
            (Command::node(), "{}"),
            (Command::rpc("x", &[1]).unwrap(), r#"{"method":"x","params":[1]}"#),
            (Command::map_publish("a", "k", &1).unwrap(), r#"{"channel":"a","key":"k","data":1}"#),
            (Command::map_remove("a", "k"), r#"{"channel":"a","key":"k"}"#),
            (Command::map_read_state("a"), r#"{"channel":"a","limit":-1}"#),
            (Command::map_read_stream("a"), r#"{"channel":"a","limit":-1}"#),
            (Command::map_stats("a"), r#"{"channel":"a"}"#),
            (Command::map_clear("a"), r#"{"channel":"a"}"#),
            (
                Command::shared_poll_publish("a", "k", 1, &2).unwrap(),
                r#"{"channel":"a","key":"k","version":1,"data":2}"#,
            ),
        ]
    }

    #[test]
    fn each_method_has_a_constructor() {
        let is_current = |method: &&Method| [ApiVersion::V1, ApiVersion::V2].iter().any(|&v| method.is_current(v));
        for method in Method::all().iter().filter(is_current) {
            assert!(all().iter().any(|(command, _)| command.method() == method.name), "{}", method.name);
        }
    }

    #[test]
    fn constructed_params_are_valid() {
        for (command, params) in all() {
            assert_eq!(command.params(), params);
            for version in [ApiVersion::V1, ApiVersion::V2] {
                // Centrifugo 1 has no b64data.
                if command.method_in(version).is_some() && !(version == ApiVersion::V1 && params.contains("b64data")) {
                    assert!(command.validate(version).is_ok(), "{params}");
                }
            }
        }
    }

    /// A command of each method with options, all of which are set.
    fn with_all_options() -> Result<Vec<Command>, Error> {
        let since = Position { offset: 5, epoch: "xyz".to_owned() };
        let publish = PublishOptions::new().idempotency_key("k").skip_history(true).tag("a", "b").delta(true);
        let publish = publish.version(2).version_epoch("e");
        let subscribe = SubscribeOptions::new().client("c").session("s").expire_at(-1).info(&1)?.data(&[1])?;
        let subscribe = subscribe.recover_since(&since).override_channel_options(&())?;
        let unsubscribe = UnsubscribeOptions::new().client("c").session("s");
        let disconnect = DisconnectOptions::new().client("c").session("s").whitelist(["x"]).reason(3000, "bye");
        let refresh = RefreshOptions::new().client("c").session("s").expired(true).expire_at(1).info(&1)?;
        let map_publish = MapPublishOptions::new().idempotency_key("k").key_mode("if_new").delta(true).version(1);
        let map_publish = map_publish.version_epoch("e").score(-1).stream_data(&1)?.tags(&[].into());
        let state = MapStateOptions::new().limit(u32::MAX / 2).cursor("c").key("k").asc(true).revision(&since);
        let stream = MapStreamOptions::new().limit(0).reverse(true).since(&since);
        Ok(vec![
            Command::publish_with("a", &1, &publish)?,
            Command::broadcast_with(["a"], &1, &publish)?,
            Command::subscribe_with("u", "a", &subscribe),
            Command::unsubscribe_with("u", "a", &unsubscribe),
            Command::disconnect_with("u", &disconnect),
            Command::refresh_with("u", &refresh),
            Command::history_with("a", &HistoryOptions::new().since(since).reverse(true)),
            Command::rpc("x", &1)?,
            Command::map_publish_with("a", "k", &1, &map_publish)?,
            Command::map_remove_with("a", "k", &MapRemoveOptions::new().idempotency_key("k")),
            Command::map_read_state_with("a", &state),
            Command::map_read_stream_with("a", &stream),
            Command::shared_poll_publish_with("a", "k", 1, &1, &SharedPollPublishOptions::new().epoch("e"))?,
        ])
    }

    #[test]
    fn options_are_those_of_the_table() {
        let commands = with_all_options().unwrap();
        for command in &commands {
            assert!(command.validate(ApiVersion::V2).is_ok(), "{}", command.params());
            let params: serde_json::Map<_, _> = serde_json::from_str(command.params()).unwrap();
            let mut found: Vec<&str> = params.keys().map(String::as_str).collect();
            found.sort_unstable();
            let in_table = command.known_method().unwrap().params_in(ApiVersion::V2);
            let in_table = in_table.filter(|param| !param.is_pro).map(|param| param.name);
            let mut expected: Vec<&str> = in_table.filter(|name| !name.starts_with("b64")).collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{}", command.method());
        }
        // A pattern of channels is rare.
        for method in
            Method::all().iter().filter(|method| method.name != "channels" && method.is_current(ApiVersion::V2))
        {
            let has_options = method.params_in(ApiVersion::V2).any(|param| !param.is_required(ApiVersion::V2));
            assert_eq!(has_options, commands.iter().any(|command| command.method() == method.name), "{}", method.name);
        }
    }

    #[test]
    fn raw_data_is_sent_as_written() {
        let data = r#"{"z" : 1.0,"a":1e400,"a":"\ud800"}"#;
        let raw: &RawValue = serde_json::from_str(data).unwrap();
        let options = PublishOptions::new().tag("a", "b");
        for command in
            [Command::publish("c", raw), Command::publish_with("c", raw, &options), Command::broadcast(["c"], raw)]
        {
            let command = command.unwrap();
            assert!(command.params().contains(&format!(r#""data":{data}"#)), "{}", command.params());
        }
    }

    #[test]
    fn empty_names_are_found_before_sending() {
        for command in [
            Command::publish("", &1).unwrap(),
            Command::broadcast([""], &1).unwrap(),
            Command::broadcast([""; 0], &1).unwrap(),
            Command::presence(""),
        ] {
            assert!(command.validate(ApiVersion::V1).is_err() && command.validate(ApiVersion::V2).is_err());
        }
    }
}
