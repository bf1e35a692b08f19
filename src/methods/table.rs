//! The table of methods and their params.
//!
//! From the servers' sources: libcentrifugo/api of 1.8.0, internal/api of 2.8.6 to 6.9.1, and the protocol definitions of
//! all versions between (internal/apiproto/api.proto).

use std::fmt;

use super::version::{ApiVersion, Versions};
use crate::json::{self, RawObject};

/// A method that this crate knows. Others are sent as they are.
///
/// ```
/// use cent::{ApiVersion, Method};
///
/// let publish = Method::find("publish").unwrap();
/// let required: Vec<_> = publish.params_in(ApiVersion::V2).filter(|param| param.is_required(ApiVersion::V2)).collect();
/// assert_eq!(required[0].name, "channel");
/// assert_eq!(required[0].param_type.to_string(), "a non-empty string");
/// assert_eq!(Method::find("map_clear").unwrap().availability(ApiVersion::V2).unwrap(), "Centrifugo 6.8 or later");
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Method {
    /// Its name, in lower case.
    pub name: &'static str,
    /// What it does, in a few words.
    pub meaning: &'static str,
    /// Whether it changes nothing, so that it is safe to retry whatever happened.
    pub is_read_only: bool,
    /// Whether it is one of Centrifugo PRO. Of those, this crate knows the required params only.
    pub is_pro: bool,
    /// Its params in any version: required ones first.
    pub params: &'static [Param],
    v1: Option<Versions>,
    v2: Option<Versions>,
}

impl Method {
    /// All methods of any version.
    pub fn all() -> &'static [Self] {
        METHODS
    }

    /// The method with this name in any letter case, as Centrifugo 2 and later find it.
    pub fn find(name: &str) -> Option<&'static Self> {
        METHODS
            .iter()
            .find(|method| method.name == name)
            .or_else(|| METHODS.iter().find(|method| method.is_named(name)))
    }

    /// Compares in upper case, as the servers do: they take ı and ſ for I and S.
    fn is_named(&self, name: &str) -> bool {
        self.name.chars().flat_map(char::to_uppercase).eq(name.chars().flat_map(char::to_uppercase))
    }

    /// Which versions of a generation have it; `None` if none has.
    pub fn versions(&self, version: ApiVersion) -> Option<Versions> {
        match version {
            ApiVersion::V1 => self.v1,
            ApiVersion::V2 => self.v2,
        }
    }

    /// Which servers of a generation have it, such as "Centrifugo 6.8 or later"; `None` if all or none have.
    pub fn availability(&self, version: ApiVersion) -> Option<std::string::String> {
        let name = if self.is_pro { "Centrifugo PRO" } else { "Centrifugo" };
        match self.versions(version)? {
            Versions { first: None, last: None } => self.is_pro.then(|| name.to_owned()),
            Versions { first: Some(first), last: None } => Some(format!("{name} {first} or later")),
            Versions { first: None, last: Some(last) } => Some(format!("{name} up to {last}")),
            Versions { first: Some(first), last: Some(last) } => Some(format!("{name} {first} to {last}")),
        }
    }

    /// Whether the newest open-source server of a generation has it.
    pub(crate) fn is_current(&self, version: ApiVersion) -> bool {
        !self.is_pro && self.versions(version).is_some_and(|versions| versions.last.is_none())
    }

    /// The params that the newest version of a generation takes.
    pub fn params_in(&self, version: ApiVersion) -> impl Iterator<Item = &'static Param> + use<> {
        self.params.iter().filter(move |param| param.versions(version).is_some_and(|versions| versions.last.is_none()))
    }

    /// The rows of params that are written like the first ones of the table, in their order; `None` if they are not. Most
    /// are, and then there is no need to search for each.
    pub(crate) fn rows_in_order(&self, params: &RawObject<'_>) -> Option<&'static [Param]> {
        let rows = self.params.get(..params.len())?;
        let is_same = |(param, key): (&Param, &str)| json::is_plain_key(key, param.name);
        rows.iter().zip(params.quoted_keys()).all(is_same).then_some(rows)
    }

    /// Whether it takes an idempotency key, since Centrifugo 5.2.
    pub fn takes_idempotency_key(&self) -> bool {
        self.params.iter().any(|param| param.name == IDEMPOTENCY_KEY.name)
    }

    /// One of all versions.
    const fn new(name: &'static str, meaning: &'static str, params: &'static [Param]) -> Self {
        let all = Some(Versions::ALL);
        Self { name, meaning, is_read_only: false, is_pro: false, params, v1: all, v2: all }
    }

    /// One of Centrifugo PRO, since this version.
    const fn pro(name: &'static str, first: &'static str, meaning: &'static str, params: &'static [Param]) -> Self {
        Self { is_pro: true, ..Self::new(name, meaning, params).v2_since(first) }
    }

    const fn v1_only(self) -> Self {
        Self { v2: None, ..self }
    }

    const fn v2_only(self) -> Self {
        Self { v1: None, ..self }
    }

    const fn v1_since(self, first: &'static str) -> Self {
        Self { v1: Some(Versions { first: Some(first), last: None }), ..self }
    }

    const fn v2_since(self, first: &'static str) -> Self {
        Self { v1: None, v2: Some(Versions { first: Some(first), last: None }), ..self }
    }

    const fn v2_between(self, first: &'static str, last: &'static str) -> Self {
        Self { v1: None, v2: Some(Versions { first: Some(first), last: Some(last) }), ..self }
    }

    const fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }
}

/// A param of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Param {
    /// Its key.
    pub name: &'static str,
    /// What it means, in a few words.
    pub meaning: &'static str,
    /// What it consists of.
    pub param_type: ParamType,
    /// The param that may replace it, for the versions that have that one.
    pub alternative: Option<&'static str>,
    /// Whether only Centrifugo PRO reads it.
    pub is_pro: bool,
    v1: Option<Versions>,
    v2: Option<Versions>,
    pub(super) is_required_in_v1: bool,
    pub(super) is_required_in_v2: bool,
}

impl Param {
    /// Which versions of a generation have it, where they have its method; `None` if none has.
    pub fn versions(&self, version: ApiVersion) -> Option<Versions> {
        match version {
            ApiVersion::V1 => self.v1,
            ApiVersion::V2 => self.v2,
        }
    }

    /// Whether a generation of the API requires it, or the param that may replace it.
    pub fn is_required(&self, version: ApiVersion) -> bool {
        match version {
            ApiVersion::V1 => self.is_required_in_v1,
            ApiVersion::V2 => self.is_required_in_v2,
        }
    }

    const fn required(name: &'static str, param_type: ParamType, meaning: &'static str) -> Self {
        Self {
            name,
            meaning,
            param_type,
            alternative: None,
            is_pro: false,
            v1: Some(Versions::ALL),
            v2: Some(Versions::ALL),
            is_required_in_v1: true,
            is_required_in_v2: true,
        }
    }

    /// One of Centrifugo 2 and later.
    const fn optional(name: &'static str, param_type: ParamType, meaning: &'static str) -> Self {
        let (is_required_in_v1, is_required_in_v2) = (false, false);
        Self { v1: None, is_required_in_v1, is_required_in_v2, ..Self::required(name, param_type, meaning) }
    }

    /// One that only Centrifugo PRO reads, since this version.
    const fn pro(name: &'static str, first: &'static str, param_type: ParamType, meaning: &'static str) -> Self {
        Self { is_pro: true, ..Self::optional(name, param_type, meaning).v2_since(first) }
    }

    const fn meaning(self, meaning: &'static str) -> Self {
        Self { meaning, ..self }
    }

    const fn optional_in_v1(self) -> Self {
        Self { is_required_in_v1: false, ..self }
    }

    const fn v1_only(self) -> Self {
        Self { v1: Some(Versions::ALL), v2: None, ..self }
    }

    const fn v1_since(self, first: &'static str) -> Self {
        Self { v1: Some(Versions { first: Some(first), last: None }), ..self }
    }

    const fn v2_since(self, first: &'static str) -> Self {
        Self { v2: Some(Versions { first: Some(first), last: None }), ..self }
    }

    const fn v2_until(self, last: &'static str) -> Self {
        Self { v2: Some(Versions { first: None, last: Some(last) }), ..self }
    }

    const fn or(self, alternative: &'static str) -> Self {
        Self { alternative: Some(alternative), ..self }
    }
}

/// What a param consists of; as text with its article. The servers reject another type without a name, and with it a
/// whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParamType {
    /// A string that may be empty.
    String,
    /// A string that must not be empty.
    NonEmptyString,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A whole number of 64 bits that is not negative.
    Uint64,
    /// A whole number of 64 bits above 0.
    PositiveUint64,
    /// A list of strings.
    Strings,
    /// A list of strings, of which there is at least one, and none is empty.
    NonEmptyStrings,
    /// Any JSON value, null included.
    Any,
    /// An object whose values are strings.
    StringMap,
    /// `{"offset": …, "epoch": …}`.
    Position,
    /// An object such as this one.
    Object(&'static str),
}

impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any JSON value",
            Self::String => "a string",
            Self::NonEmptyString => "a non-empty string",
            Self::Boolean => "true or false",
            Self::Int32 | Self::Int64 => "a whole number",
            Self::Uint64 => "a whole number of at least 0",
            Self::PositiveUint64 => "a whole number of at least 1",
            Self::Strings | Self::NonEmptyStrings => "an array of strings",
            Self::StringMap => "an object whose values are strings",
            Self::Position => r#"an object such as {"offset": 5, "epoch": "xyz"}"#,
            Self::Object(example) => return write!(f, "an object such as {example}"),
        })
    }
}

use ParamType::{
    Any, Boolean, Int32, Int64, NonEmptyString, NonEmptyStrings, Object, Position, PositiveUint64, String, StringMap,
    Strings, Uint64,
};

const CHANNEL: Param = Param::required("channel", NonEmptyString, "the channel");
const CHANNELS: Param = Param::required("channels", NonEmptyStrings, "the channels");
const KEY: Param = Param::required("key", NonEmptyString, "the key in the channel's map");
/// An empty user is the caller's choice; a missing one is an accident, and since Centrifugo 3 it means all connections
/// without a user (seen on 3.2.3 to 6.9.1).
const USER: Param = Param::required("user", String, "the user's ID").or("all_users");
const DATA: Param = Param::required("data", Any, "what the subscribers get").or("b64data");
const B64DATA: Param = Param::optional("b64data", String, "the data, in base64");
const SKIP_HISTORY: Param = Param::optional("skip_history", Boolean, "keep it out of the history");
const TAGS: Param = Param::optional("tags", StringMap, "labels that are sent with the data");
const IDEMPOTENCY_KEY: Param =
    Param::optional("idempotency_key", String, "commands with the same key are executed once within 5 minutes");
const DELTA: Param = Param::optional("delta", Boolean, "send differences to subscribers that negotiated them");
const VERSION: Param =
    Param::optional("version", Uint64, "version of the data: the server drops one that is not newer");
const VERSION_EPOCH: Param = Param::optional("version_epoch", String, "versions of another epoch are not compared");
const CLIENT: Param = Param::optional("client", String, "only the connection with this client ID");
const SESSION: Param = Param::optional("session", String, "only the connection with this session ID");
const ALL_USERS: Param = Param::pro("all_users", "6.8.2", Boolean, "every user, instead of one");
const LABEL_FILTER: Param = Param::pro(
    "label_filter",
    "6.8.2",
    Object(r#"{"key": "tenant", "cmp": "eq", "val": "a"}"#),
    "only connections whose labels match",
);
const LIMIT: Param = Param::optional("limit", Int32, "how many at most; -1 for all");
const REVERSE: Param = Param::optional("reverse", Boolean, "newest first");
const EXPIRE_AT: Param = Param::optional("expire_at", Int64, "when it expires, in Unix seconds");
/// It was dropped when Centrifugo 3 came, and is ignored since.
const UID: Param = Param::optional("uid", String, "ID of the message").v2_until("2.1");
const PUBLISHER: Param = Param::optional("client", String, "client ID of the sender").v1_only();

const METHODS: &[Method] = &[
    Method::new(
        "publish",
        "send data to the subscribers of a channel",
        &[
            CHANNEL,
            DATA,
            B64DATA.v2_since("3.0"),
            SKIP_HISTORY.v2_since("3.0"),
            TAGS.v2_since("3.2"),
            IDEMPOTENCY_KEY.v2_since("5.2"),
            DELTA.v2_since("5.4"),
            VERSION.v2_since("6.2"),
            VERSION_EPOCH.v2_since("6.2"),
            PUBLISHER,
            UID.v1_since("1.7.7"),
        ],
    ),
    Method::new(
        "broadcast",
        "send data to the subscribers of several channels",
        &[
            CHANNELS,
            DATA,
            B64DATA.v2_since("3.0"),
            SKIP_HISTORY.v2_since("3.0"),
            TAGS.v2_since("3.2"),
            IDEMPOTENCY_KEY.v2_since("5.2"),
            DELTA.v2_since("5.4"),
            VERSION.v2_since("6.2"),
            VERSION_EPOCH.v2_since("6.2"),
            PUBLISHER,
            UID,
        ],
    )
    .v1_since("1.2.0"),
    Method::new(
        "subscribe",
        "subscribe a user's connections to a channel",
        &[
            USER,
            CHANNEL,
            EXPIRE_AT.meaning("when the subscription expires, in Unix seconds"),
            Param::optional("info", Any, "about the subscription, for presence and join messages"),
            Param::optional("b64info", String, "the info, in base64"),
            CLIENT,
            Param::optional("data", Any, "data that the client gets with the subscription"),
            B64DATA,
            Param::optional("recover_since", Position, "send what was published after this position"),
            Param::optional(
                "override",
                Object(r#"{"presence": {"value": true}}"#),
                "options of the channel for this subscription",
            ),
            SESSION.v2_since("3.2"),
            LABEL_FILTER,
            ALL_USERS,
        ],
    )
    .v2_since("3.0"),
    Method::new(
        "unsubscribe",
        "unsubscribe a user's connections from a channel",
        &[USER, CHANNEL.optional_in_v1(), CLIENT.v2_since("3.0"), SESSION.v2_since("3.2"), LABEL_FILTER, ALL_USERS],
    ),
    Method::new(
        "disconnect",
        "close a user's connections",
        &[
            USER,
            Param::optional(
                "disconnect",
                Object(r#"{"code": 4000, "reason": "bye"}"#),
                "code and reason for the client, which does not reconnect from code 4500 on",
            )
            .v2_since("3.0"),
            CLIENT.v2_since("3.0"),
            Param::optional("whitelist", Strings, "client IDs of connections to keep").v2_since("3.0"),
            SESSION.v2_since("3.2"),
            LABEL_FILTER,
            ALL_USERS,
        ],
    ),
    Method::new(
        "refresh",
        "extend a user's connections, or let them expire",
        &[
            USER,
            CLIENT,
            Param::optional("expired", Boolean, "close the connections as expired"),
            EXPIRE_AT.meaning("when the connections expire, in Unix seconds"),
            Param::optional("info", Any, "new info about the connections"),
            SESSION.v2_since("3.2"),
            LABEL_FILTER,
            ALL_USERS,
        ],
    )
    .v2_since("3.0"),
    Method::new("presence", "list the clients that are subscribed to a channel", &[CHANNEL]).read_only(),
    Method::new("presence_stats", "count the clients and users of a channel", &[CHANNEL]).v2_only().read_only(),
    Method::new(
        "history",
        "list the publications in a channel's history",
        &[
            CHANNEL,
            LIMIT.v2_since("3.0").meaning("how many at most, oldest first; -1: all; 0 or left out: only the position"),
            Param::optional("since", Position, "only publications after this position").v2_since("3.0"),
            REVERSE.v2_since("3.0"),
        ],
    )
    .read_only(),
    Method::new("history_remove", "remove the history of a channel", &[CHANNEL]).v2_only(),
    Method::new(
        "channels",
        "list the channels with subscribers",
        &[Param::optional("pattern", String, "only names that match it, such as chat:*").v2_since("3.0")],
    )
    .read_only(),
    Method::new("stats", "numbers about the nodes of the server", &[]).v1_only().read_only(),
    Method::new("node", "numbers about the node that replies", &[]).v1_only().v1_since("1.4.0").read_only(),
    Method::new("info", "list the nodes of the server", &[]).v2_only().read_only(),
    Method::new(
        "rpc",
        "call a method that an extension of the server registers",
        &[
            Param::required("method", NonEmptyString, "name of the extension's method"),
            Param::optional("params", Any, "params of that method"),
        ],
    )
    .v2_since("2.6"),
    Method::new(
        "reset_rate_limit",
        "forget how often a rate limit was used",
        &[Param::optional("key", String, "the key of the rate limit")],
    )
    .v2_between("5.3", "6.1"),
    Method::new(
        "map_publish",
        "set a key in the map of a channel",
        &[
            CHANNEL,
            KEY,
            Param::optional("data", Any, "the value of the key"),
            B64DATA,
            Param::optional("stream_data", Any, "what subscribers of the stream get; not read by 6.9"),
            Param::optional("b64stream_data", String, "the stream data, in base64; not read by 6.9"),
            TAGS,
            IDEMPOTENCY_KEY,
            DELTA,
            VERSION,
            VERSION_EPOCH,
            Param::optional("score", Int64, "place in an ordered map; not read by 6.9"),
            Param::optional("key_mode", String, "such as if_new: only if the map has no such key"),
        ],
    )
    .v2_since("6.8"),
    Method::new("map_remove", "remove a key from the map of a channel", &[CHANNEL, KEY, IDEMPOTENCY_KEY])
        .v2_since("6.8"),
    Method::new(
        "map_read_state",
        "list the keys of a channel's map",
        &[
            CHANNEL,
            Param::optional("cursor", String, "go on after the page whose reply had this cursor"),
            LIMIT,
            Param::optional("key", String, "only this key"),
            Param::optional("asc", Boolean, "ascending, in an ordered map"),
            Param::optional("revision_offset", Uint64, "offset at which the first page was read"),
            Param::optional("revision_epoch", String, "epoch at which the first page was read"),
        ],
    )
    .v2_since("6.8")
    .read_only(),
    Method::new(
        "map_read_stream",
        "list the changes of a channel's map",
        &[
            CHANNEL,
            Param::optional("since_offset", Uint64, "only changes after this offset"),
            Param::optional("since_epoch", String, "the epoch of that offset"),
            LIMIT.meaning("how many at most, oldest first; -1 for all"),
            REVERSE,
        ],
    )
    .v2_since("6.8")
    .read_only(),
    Method::new("map_stats", "count the keys of a channel's map", &[CHANNEL]).v2_since("6.8").read_only(),
    Method::new("map_clear", "remove all keys from the map of a channel", &[CHANNEL]).v2_since("6.8"),
    Method::new(
        "shared_poll_publish",
        "set a key of a channel with shared polling",
        &[
            CHANNEL,
            KEY.meaning("the key in the channel"),
            Param::required("version", PositiveUint64, "version of the data: one that is not newer is dropped"),
            Param::optional("data", Any, "the value of the key"),
            B64DATA,
            Param::optional("epoch", String, "versions of another epoch are not compared"),
        ],
    )
    .v2_since("6.8"),
    Method::pro("user_connections", "3.0", "list a user's connections", &[]).v2_between("3.0", "3.2.3").read_only(),
    Method::pro("update_user_status", "3.0", "mark users as active now", &[USERS]),
    Method::pro("get_user_status", "3.0", "list when users were active", &[USERS]).read_only(),
    Method::pro("delete_user_status", "3.0", "forget when users were active", &[USERS]),
    Method::pro("block_user", "3.1", "close a user's connections, and refuse new ones", &[PRO_USER]),
    Method::pro("unblock_user", "3.1", "let a blocked user connect again", &[PRO_USER]),
    Method::pro(
        "revoke_token",
        "3.1",
        "refuse a token from now on",
        &[Param::required("uid", NonEmptyString, "ID of the token: its jti claim")],
    ),
    Method::pro("invalidate_user_tokens", "3.1", "refuse the tokens that a user has so far", &[PRO_USER]),
    Method::pro("connections", "4.0", "list connections, with their channels", &[]).read_only(),
    Method::pro(
        "device_register",
        "4.1.3",
        "add or update a device for push notifications",
        &[
            Param::required("provider", NonEmptyString, "service that delivers to it, such as fcm"),
            Param::required("token", NonEmptyString, "the service's token for the device"),
            Param::required("platform", NonEmptyString, "such as ios, android or web"),
        ],
    ),
    Method::pro("device_update", "4.1.3", "change what is known of devices", &[]),
    Method::pro("device_remove", "4.1.3", "remove devices", &[]),
    Method::pro("device_list", "4.1.3", "list devices", &[]).read_only(),
    Method::pro("device_topic_list", "4.1.3", "list the topics of devices", &[]).read_only(),
    Method::pro("user_topic_list", "4.1.3", "list the topics of users", &[]).read_only(),
    Method::pro("device_topic_update", "4.1.3", "add, remove or set topics of a device", &[DEVICE_ID, TOPIC_OPERATION]),
    Method::pro("user_topic_update", "4.1.3", "add, remove or set topics of a user", &[PRO_USER, TOPIC_OPERATION]),
    Method::pro(
        "send_push_notification",
        "4.1.3",
        "send a push notification to devices",
        &[
            Param::required("recipient", Object(r#"{"filter": {"topics": ["news"]}}"#), "which devices get it"),
            Param::required("notification", Object(r#"{"fcm": {"message": {}}}"#), "what each service delivers"),
        ],
    ),
    Method::pro(
        "update_push_status",
        "4.1.3",
        "record what became of a push notification",
        &[
            Param::required("analytics_uid", NonEmptyString, "ID of the notification in the statistics"),
            Param::required("status", NonEmptyString, "delivered or interacted"),
            DEVICE_ID,
        ],
    ),
    Method::pro(
        "cancel_push",
        "5.0.3",
        "cancel a push notification that is due later",
        &[Param::required("uid", NonEmptyString, "ID of the notification")],
    ),
    Method::pro("rate_limit", "5.0.4", "use a rate limit, and check whether it allows more", &[])
        .v2_between("5.0.4", "6.1"),
];

const USERS: Param = Param::required("users", NonEmptyStrings, "the users' IDs");
const PRO_USER: Param = Param::required("user", NonEmptyString, "the user's ID");
const DEVICE_ID: Param = Param::required("device_id", NonEmptyString, "the device's ID");
const TOPIC_OPERATION: Param = Param::required("op", NonEmptyString, "add, remove or set");
