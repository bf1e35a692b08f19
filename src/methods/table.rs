//! The table of methods and their params.
//!
//! From the servers' sources: libcentrifugo/api of 1.8.0, internal/api of 2.8.6 to 6.9.1, and the protocol definitions of
//! all versions between (internal/apiproto/api.proto).

use std::fmt;

use super::version::{ApiVersion, Versions};

/// A method that this crate knows. Others are sent as they are.
///
/// ```
/// use cent::{ApiVersion, Method};
///
/// let publish = Method::find("publish").unwrap();
/// let required: Vec<_> = publish.params_in(ApiVersion::V2).filter(|param| param.is_required(ApiVersion::V2)).collect();
/// assert_eq!(required[0].name, "channel");
/// assert_eq!(required[0].param_type.to_string(), "a non-empty string");
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Method {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Whether it changes nothing, so that it is safe to retry whatever happened.
    pub is_read_only: bool,
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

    /// The params that the newest version of a generation takes.
    pub fn params_in(&self, version: ApiVersion) -> impl Iterator<Item = &'static Param> + use<> {
        self.params.iter().filter(move |param| param.versions(version).is_some_and(|versions| versions.last.is_none()))
    }

    /// Whether it takes an idempotency key, since Centrifugo 5.2.
    pub fn takes_idempotency_key(&self) -> bool {
        self.params.iter().any(|param| param.name == IDEMPOTENCY_KEY.name)
    }

    const fn new(name: &'static str, params: &'static [Param]) -> Self {
        Self { name, is_read_only: false, params, v1: Some(Versions::ALL), v2: Some(Versions::ALL) }
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

    const fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }
}

/// A param of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Param {
    /// Its key.
    pub name: &'static str,
    /// What it consists of.
    pub param_type: ParamType,
    /// The param that may replace it, for the versions that have that one.
    pub alternative: Option<&'static str>,
    v1: Option<Versions>,
    v2: Option<Versions>,
    is_required_in_v1: bool,
    is_required_in_v2: bool,
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

    const fn required(name: &'static str, param_type: ParamType) -> Self {
        let all = Some(Versions::ALL);
        let (is_required_in_v1, is_required_in_v2) = (true, true);
        Self { name, param_type, alternative: None, v1: all, v2: all, is_required_in_v1, is_required_in_v2 }
    }

    /// One of Centrifugo 2 and later.
    const fn optional(name: &'static str, param_type: ParamType) -> Self {
        let (is_required_in_v1, is_required_in_v2) = (false, false);
        Self { v1: None, is_required_in_v1, is_required_in_v2, ..Self::required(name, param_type) }
    }

    const fn optional_in_v1(self) -> Self {
        Self { is_required_in_v1: false, ..self }
    }

    const fn v1_only(self, first: Option<&'static str>) -> Self {
        Self { v1: Some(Versions { first, last: None }), v2: None, ..self }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
            Self::Strings | Self::NonEmptyStrings => "an array of strings",
            Self::StringMap => "an object whose values are strings",
            Self::Position => r#"an object such as {"offset": 5, "epoch": "xyz"}"#,
        })
    }
}

use ParamType::{
    Any, Boolean, Int32, Int64, NonEmptyString, NonEmptyStrings, Position, String, StringMap, Strings, Uint64,
};

const CHANNEL: Param = Param::required("channel", NonEmptyString);
const KEY: Param = Param::required("key", NonEmptyString);
/// An empty user is the caller's choice; a missing one is an accident, and since Centrifugo 3 it means all connections
/// without a user (seen on 3.2.3 to 6.9.1).
const USER: Param = Param::required("user", String);
const DATA: Param = Param::required("data", Any).or("b64data");
const B64DATA: Param = Param::optional("b64data", String);
const SKIP_HISTORY: Param = Param::optional("skip_history", Boolean).v2_since("3");
const TAGS: Param = Param::optional("tags", StringMap);
const IDEMPOTENCY_KEY: Param = Param::optional("idempotency_key", String);
const DELTA: Param = Param::optional("delta", Boolean);
const VERSION: Param = Param::optional("version", Uint64);
const VERSION_EPOCH: Param = Param::optional("version_epoch", String);
const CLIENT: Param = Param::optional("client", String);
const SESSION: Param = Param::optional("session", String);
const LIMIT: Param = Param::optional("limit", Int32);
const EXPIRE_AT: Param = Param::optional("expire_at", Int64);
const REVERSE: Param = Param::optional("reverse", Boolean);
/// It was dropped when Centrifugo 3 came, and is ignored since.
const UID: Param = Param::optional("uid", String).v2_until("2.1");

const METHODS: &[Method] = &[
    Method::new(
        "publish",
        &[
            CHANNEL,
            DATA,
            B64DATA.v2_since("3"),
            SKIP_HISTORY,
            TAGS.v2_since("3.2"),
            IDEMPOTENCY_KEY.v2_since("5.2"),
            DELTA.v2_since("5.4"),
            VERSION.v2_since("6.2"),
            VERSION_EPOCH.v2_since("6.2"),
            CLIENT.v1_only(None),
            Param::optional("uid", String).v1_only(Some("1.7.7")),
            UID,
        ],
    ),
    Method::new(
        "broadcast",
        &[
            Param::required("channels", NonEmptyStrings),
            DATA,
            B64DATA.v2_since("3"),
            SKIP_HISTORY,
            TAGS.v2_since("3.2"),
            IDEMPOTENCY_KEY.v2_since("5.2"),
            DELTA.v2_since("5.4"),
            VERSION.v2_since("6.2"),
            VERSION_EPOCH.v2_since("6.2"),
            CLIENT.v1_only(None),
            UID,
        ],
    )
    .v1_since("1.2.0"),
    Method::new(
        "subscribe",
        &[
            USER,
            CHANNEL,
            EXPIRE_AT,
            Param::optional("b64info", String),
            CLIENT,
            B64DATA,
            Param::optional("recover_since", Position),
            SESSION.v2_since("3.2"),
            Param::optional("info", Any),
            Param::optional("data", Any),
            Param::optional("override", Any),
        ],
    )
    .v2_since("3"),
    Method::new("unsubscribe", &[USER, CHANNEL.optional_in_v1(), CLIENT.v2_since("3"), SESSION.v2_since("3.2")]),
    Method::new(
        "disconnect",
        &[
            USER,
            CLIENT.v2_since("3"),
            Param::optional("whitelist", Strings).v2_since("3"),
            SESSION.v2_since("3.2"),
            Param::optional("disconnect", Any).v2_since("3"),
        ],
    ),
    Method::new(
        "refresh",
        &[
            USER,
            CLIENT,
            Param::optional("expired", Boolean),
            EXPIRE_AT,
            SESSION.v2_since("3.2"),
            Param::optional("info", Any),
        ],
    )
    .v2_since("3"),
    Method::new("presence", &[CHANNEL]).read_only(),
    Method::new("presence_stats", &[CHANNEL]).v2_only().read_only(),
    Method::new(
        "history",
        &[CHANNEL, LIMIT.v2_since("3"), Param::optional("since", Position).v2_since("3"), REVERSE.v2_since("3")],
    )
    .read_only(),
    Method::new("history_remove", &[CHANNEL]).v2_only(),
    Method::new("channels", &[Param::optional("pattern", String).v2_since("3")]).read_only(),
    Method::new("stats", &[]).v1_only().read_only(),
    Method::new("node", &[]).v1_only().v1_since("1.4.0").read_only(),
    Method::new("info", &[]).v2_only().read_only(),
    Method::new("rpc", &[Param::optional("method", String), Param::optional("params", Any)]).v2_since("2.6"),
    Method::new(
        "map_publish",
        &[
            CHANNEL,
            KEY,
            Param::optional("data", Any),
            B64DATA,
            Param::optional("b64stream_data", String),
            TAGS,
            IDEMPOTENCY_KEY,
            DELTA,
            VERSION,
            VERSION_EPOCH,
            Param::optional("score", Int64),
            Param::optional("key_mode", String),
            Param::optional("stream_data", Any),
        ],
    )
    .v2_since("6.8"),
    Method::new("map_remove", &[CHANNEL, KEY, IDEMPOTENCY_KEY]).v2_since("6.8"),
    Method::new(
        "map_read_state",
        &[
            CHANNEL,
            Param::optional("cursor", String),
            LIMIT,
            Param::optional("key", String),
            Param::optional("asc", Boolean),
            Param::optional("revision_offset", Uint64),
            Param::optional("revision_epoch", String),
        ],
    )
    .v2_since("6.8")
    .read_only(),
    Method::new(
        "map_read_stream",
        &[CHANNEL, LIMIT, Param::optional("since_offset", Uint64), Param::optional("since_epoch", String), REVERSE],
    )
    .v2_since("6.8")
    .read_only(),
    Method::new("map_stats", &[CHANNEL]).v2_since("6.8").read_only(),
    Method::new("map_clear", &[CHANNEL]).v2_since("6.8"),
    Method::new(
        "shared_poll_publish",
        &[CHANNEL, KEY, Param::optional("data", Any), B64DATA, VERSION, Param::optional("epoch", String)],
    )
    .v2_since("6.8"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_in_any_case() {
        for name in ["disconnect", "DISCONNECT", "dıſconnect"] {
            assert_eq!(Method::find(name).unwrap().name, "disconnect");
        }
        assert_eq!(Method::find("quux"), None);
    }

    #[test]
    fn required_params_come_first() {
        for method in METHODS {
            for version in [ApiVersion::V1, ApiVersion::V2] {
                let required: Vec<bool> = method.params.iter().map(|param| param.is_required(version)).collect();
                assert!(required.is_sorted_by(|earlier, later| earlier >= later), "{}", method.name);
            }
        }
    }

    #[test]
    fn alternatives_are_params_of_their_method() {
        for method in METHODS {
            let has_param = |name: &&str| method.params.iter().any(|param| param.name == *name);
            assert!(method.params.iter().filter_map(|param| param.alternative).all(|name| has_param(&name)));
        }
    }

    #[test]
    fn ten_methods_are_read_only() {
        let read_only = |version| {
            let methods = METHODS.iter().filter(|method| method.versions(version).is_some() && method.is_read_only);
            methods.map(|method| method.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read_only(ApiVersion::V1), "presence history channels stats node");
        let expected = "presence presence_stats history channels info map_read_state map_read_stream map_stats";
        assert_eq!(read_only(ApiVersion::V2), expected);
    }
}
