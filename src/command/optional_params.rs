//! Optional params of the methods beside publish, broadcast and history: one type for each method.
//!
//! Which versions take a param is in the table of methods: see [`Method::params_in`](crate::Method::params_in). Those that
//! hold bytes as base64 are left to [`Command::with_param`](crate::Command::with_param).

use std::collections::BTreeMap;

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::to_json;
use crate::error::Error;
use crate::results::Position;

/// The JSON text of each param that was set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct OptionalParams(BTreeMap<&'static str, String>);

impl OptionalParams {
    fn with(mut self, name: &'static str, json: String) -> Self {
        self.0.insert(name, json);
        self
    }

    /// A value that always serializes, such as a text or a number.
    fn with_plain(self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Self {
        self.with(name, to_json(value).expect("texts, numbers and lists of them are valid params"))
    }
}

impl Serialize for OptionalParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, json) in &self.0 {
            let value: &RawValue = serde_json::from_str(json).map_err(S::Error::custom)?;
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A type whose functions set the params of the same names.
macro_rules! options {
    ($(#[$doc:meta])* $name:ident($($default:literal: $value:literal)?) {
        $($(#[$param_doc:meta])* $param:ident: $kind:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(OptionalParams);

        impl $name {
            /// No options.
            pub fn new() -> Self {
                Self(OptionalParams::default()$(.with($default, $value.to_owned()))?)
            }

            $(setter!($(#[$param_doc])* $param: $kind);)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

macro_rules! setter {
    ($(#[$doc:meta])* $param:ident: json) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a value that cannot be serialized as JSON.
        pub fn $param(self, value: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
            Ok(Self(self.0.with(stringify!($param), to_json(value)?)))
        }
    };
    ($(#[$doc:meta])* $param:ident: text) => {
        $(#[$doc])*
        #[must_use]
        pub fn $param(self, $param: impl Into<String>) -> Self {
            Self(self.0.with_plain(stringify!($param), &$param.into()))
        }
    };
    ($(#[$doc:meta])* $param:ident: $number:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $param(self, $param: $number) -> Self {
            Self(self.0.with_plain(stringify!($param), &$param))
        }
    };
}

options! {
    /// Optional params of [`subscribe`](crate::Command::subscribe_with).
    ///
    /// ```
    /// use cent::{Command, SubscribeOptions};
    ///
    /// let options = SubscribeOptions::new().client("8d1f").info(&["admin"])?;
    /// let command = Command::subscribe_with("42", "news", &options);
    /// assert_eq!(command.params(), r#"{"user":"42","channel":"news","client":"8d1f","info":["admin"]}"#);
    /// # Ok::<(), cent::Error>(())
    /// ```
    SubscribeOptions() {
        /// Subscribes only the connection with this id. Default: all of the user.
        client: text,
        /// Subscribes only the connection with this session. Default: all of the user.
        session: text,
        /// When the subscription expires, in seconds since 1970. Default: never.
        expire_at: i64,
        /// What `presence` shows of the subscription. Default: nothing.
        info: json,
        /// What the client gets with the subscription. Default: nothing.
        data: json,
    }
}

impl SubscribeOptions {
    /// Sends the client the publications since this position first. Default: none.
    #[must_use]
    pub fn recover_since(self, position: &Position) -> Self {
        Self(self.0.with_plain("recover_since", position))
    }

    /// Overrides options of the channel for this subscription, such as `{"presence": {"value": true}}`. Default: none.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a value that cannot be serialized as JSON.
    pub fn override_channel_options(self, options: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Ok(Self(self.0.with("override", to_json(options)?)))
    }
}

options! {
    /// Optional params of [`unsubscribe`](crate::Command::unsubscribe_with).
    ///
    /// ```
    /// use cent::{Command, UnsubscribeOptions};
    ///
    /// let command = Command::unsubscribe_with("42", "news", &UnsubscribeOptions::new().client("8d1f"));
    /// assert_eq!(command.params(), r#"{"user":"42","channel":"news","client":"8d1f"}"#);
    /// ```
    UnsubscribeOptions() {
        /// Unsubscribes only the connection with this id. Default: all of the user.
        client: text,
        /// Unsubscribes only the connection with this session. Default: all of the user.
        session: text,
    }
}

options! {
    /// Optional params of [`disconnect`](crate::Command::disconnect_with).
    ///
    /// ```
    /// use cent::{Command, DisconnectOptions};
    ///
    /// let options = DisconnectOptions::new().whitelist(["8d1f"]).reason(4501, "signed out");
    /// let command = Command::disconnect_with("42", &options);
    /// assert_eq!(
    ///     command.params(),
    ///     r#"{"user":"42","disconnect":{"code":4501,"reason":"signed out"},"whitelist":["8d1f"]}"#
    /// );
    /// ```
    DisconnectOptions() {
        /// Closes only the connection with this id. Default: all of the user.
        client: text,
        /// Closes only the connection with this session. Default: all of the user.
        session: text,
    }
}

impl DisconnectOptions {
    /// Leaves the connections with these ids open. Default: none.
    #[must_use]
    pub fn whitelist(self, clients: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let clients: Vec<_> = clients.into_iter().collect();
        Self(self.0.with_plain("whitelist", &clients.iter().map(AsRef::as_ref).collect::<Vec<&str>>()))
    }

    /// Code and reason that the clients get. Clients reconnect after codes below 3500 and from 4000 to 4499. Default: 3503
    /// and `force disconnect`.
    #[must_use]
    pub fn reason(self, code: u32, reason: &str) -> Self {
        #[derive(Serialize)]
        struct Disconnect<'a> {
            code: u32,
            reason: &'a str,
        }
        Self(self.0.with_plain("disconnect", &Disconnect { code, reason }))
    }
}

options! {
    /// Optional params of [`refresh`](crate::Command::refresh_with).
    ///
    /// ```
    /// use cent::{Command, RefreshOptions};
    ///
    /// let command = Command::refresh_with("42", &RefreshOptions::new().expire_at(1_900_000_000));
    /// assert_eq!(command.params(), r#"{"user":"42","expire_at":1900000000}"#);
    /// ```
    RefreshOptions() {
        /// Refreshes only the connection with this id. Default: all of the user.
        client: text,
        /// Refreshes only the connection with this session. Default: all of the user.
        session: text,
        /// Whether to close the connections as expired. Default: false.
        expired: bool,
        /// When the connections expire, in seconds since 1970. Default: never.
        expire_at: i64,
        /// What `presence` shows of the connections from now on. Default: nothing.
        info: json,
    }
}

options! {
    /// Optional params of [`map_publish`](crate::Command::map_publish_with).
    ///
    /// ```
    /// use cent::{Command, MapPublishOptions};
    ///
    /// let options = MapPublishOptions::new().key_mode("if_new");
    /// let command = Command::map_publish_with("stock", "apples", &17, &options)?;
    /// assert_eq!(command.params(), r#"{"channel":"stock","key":"apples","data":17,"key_mode":"if_new"}"#);
    /// # Ok::<(), cent::Error>(())
    /// ```
    MapPublishOptions() {
        /// Lets the server ignore a repetition of the command; see
        /// [`PublishOptions::idempotency_key`](crate::PublishOptions::idempotency_key). Keys are kept per channel and not
        /// per key of the map (seen on 6.9.1). Default: none.
        idempotency_key: text,
        /// When to set the value: `if_new` for new keys only, `if_exists` for existing ones. Default: always.
        key_mode: text,
        /// Whether subscribers may get only what changed. Default: false.
        delta: bool,
        /// The version of the value: the server ignores one that is not newer. Default: none.
        version: u64,
        /// What the version is of: versions of another epoch are newer. Default: none.
        version_epoch: text,
        /// Where the key is in an ordered map. Default: 0. Centrifugo 6.9 ignores it.
        score: i64,
        /// What the channel's stream gets instead of the data. Default: the data. Centrifugo 6.9 ignores it.
        stream_data: json,
    }
}

impl MapPublishOptions {
    /// Tags that are kept with the value, instead of those set before. Default: none.
    #[must_use]
    pub fn tags(self, tags: &BTreeMap<String, String>) -> Self {
        Self(self.0.with_plain("tags", tags))
    }
}

options! {
    /// Optional params of [`map_remove`](crate::Command::map_remove_with).
    MapRemoveOptions() {
        /// Lets the server ignore a repetition of the command; see [`MapPublishOptions::idempotency_key`]. Default: none.
        idempotency_key: text,
    }
}

options! {
    /// Optional params of [`map_read_state`](crate::Command::map_read_state_with).
    ///
    /// ```
    /// use cent::{Command, MapStateOptions};
    ///
    /// let command = Command::map_read_state_with("stock", &MapStateOptions::new().limit(100));
    /// assert_eq!(command.params(), r#"{"channel":"stock","limit":100}"#);
    /// ```
    // Without a limit there are no entries (seen on 6.9.1).
    MapStateOptions("limit": "-1") {
        /// The maximum number of entries, up to 2,147,483,647. Default: all.
        limit: u32,
        /// The [cursor](crate::MapEntries::cursor) of the page before. Default: the first page.
        cursor: text,
        /// Reads only this key. Default: all.
        key: text,
        /// Whether an ordered map begins with the lowest score. Default: false.
        asc: bool,
    }
}

impl MapStateOptions {
    /// The position of the first page, so that all pages are of the same map. If it has another epoch by now, the server
    /// rejects the command with code 112 (seen on 6.9.1). Default: any.
    #[must_use]
    pub fn revision(self, position: &Position) -> Self {
        let Position { offset, epoch } = position;
        Self(self.0.with_plain("revision_offset", offset).with_plain("revision_epoch", epoch))
    }
}

options! {
    /// Optional params of [`map_read_stream`](crate::Command::map_read_stream_with).
    ///
    /// ```
    /// use cent::{Command, MapStreamOptions};
    ///
    /// let command = Command::map_read_stream_with("stock", &MapStreamOptions::new().reverse(true));
    /// assert_eq!(command.params(), r#"{"channel":"stock","limit":-1,"reverse":true}"#);
    /// ```
    MapStreamOptions("limit": "-1") {
        /// The maximum number of entries, up to 2,147,483,647. Default: all.
        limit: u32,
        /// Whether the newest entries come first. Default: false.
        reverse: bool,
    }
}

impl MapStreamOptions {
    /// Returns the entries after this position. Default: all. If the stream no longer reaches back to it, or has another
    /// epoch, the server rejects the command with code 112.
    #[must_use]
    pub fn since(self, position: &Position) -> Self {
        let Position { offset, epoch } = position;
        Self(self.0.with_plain("since_offset", offset).with_plain("since_epoch", epoch))
    }
}

options! {
    /// Optional params of [`shared_poll_publish`](crate::Command::shared_poll_publish_with).
    SharedPollPublishOptions() {
        /// What the version is of: versions of another epoch are newer. Default: none.
        epoch: text,
    }
}
