//! The API methods: which versions have them and which params they require.
//!
//! From the servers' sources, libcentrifugo/api of 1.8.0 and internal/api of 2.8.6 to 6.9.1.

use std::borrow::Cow;
use std::fmt;

use crate::json::{self, RawObject};

/// The two generations of the API, as methods and their params go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiVersion {
    /// Centrifugo 1: method names in lower case only.
    V1,
    /// Centrifugo 2 to 6: method names in any case.
    V2,
}

/// A method that this crate knows.
struct MethodSpec {
    name: &'static str,
    /// What Centrifugo 1 requires; `None` where it lacks the method.
    v1: Option<&'static [RequiredParam]>,
    /// What Centrifugo 2 to 6 require; `None` where they lack the method.
    v2: Option<&'static [RequiredParam]>,
    /// What Centrifugo 2 to 6 accept besides.
    v2_optional: &'static [OptionalParam],
    /// Whether it changes nothing, so that it is safe to repeat whatever happened.
    is_read_only: bool,
}

impl MethodSpec {
    const fn with(self, v2_optional: &'static [OptionalParam]) -> Self {
        Self { v2_optional, ..self }
    }

    const fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }

    fn params_in(&self, version: ApiVersion) -> Option<&'static [RequiredParam]> {
        match version {
            ApiVersion::V1 => self.v1,
            ApiVersion::V2 => self.v2,
        }
    }
}

const CHANNEL: RequiredParam = RequiredParam::NonEmptyString("channel");
const KEY: RequiredParam = RequiredParam::NonEmptyString("key");
const NONE: &[RequiredParam] = &[];

const fn both(name: &'static str, v1: &'static [RequiredParam], v2: &'static [RequiredParam]) -> MethodSpec {
    MethodSpec { name, v1: Some(v1), v2: Some(v2), v2_optional: &[], is_read_only: false }
}

const fn v1_only(name: &'static str, params: &'static [RequiredParam]) -> MethodSpec {
    MethodSpec { name, v1: Some(params), v2: None, v2_optional: &[], is_read_only: false }
}

const fn v2_only(name: &'static str, params: &'static [RequiredParam]) -> MethodSpec {
    MethodSpec { name, v1: None, v2: Some(params), v2_optional: &[], is_read_only: false }
}

/// A param that a method accepts, and its type: one of another type costs a whole batch, and the server does not say which
/// it is (internal/apiproto/api.proto of 6.9.1).
type OptionalParam = (&'static str, ParamType);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParamType {
    String,
    Boolean,
    Int32,
    Int64,
    Uint64,
    Strings,
    /// Any JSON value.
    Any,
    /// An object whose values are strings.
    StringMap,
    /// `{"offset": …, "epoch": …}`.
    Position,
}

const PUBLISH: &[OptionalParam] = &[
    ("b64data", ParamType::String),
    ("skip_history", ParamType::Boolean),
    ("tags", ParamType::StringMap),
    IDEMPOTENCY_KEY,
    ("delta", ParamType::Boolean),
    ("version", ParamType::Uint64),
    ("version_epoch", ParamType::String),
];
const CLIENT: OptionalParam = ("client", ParamType::String);
const SESSION: OptionalParam = ("session", ParamType::String);
const LIMIT: OptionalParam = ("limit", ParamType::Int32);
const EXPIRE_AT: OptionalParam = ("expire_at", ParamType::Int64);
const IDEMPOTENCY_KEY: OptionalParam = ("idempotency_key", ParamType::String);

const METHODS: &[MethodSpec] = &[
    both("publish", &[CHANNEL, RequiredParam::Data], &[CHANNEL, RequiredParam::DataOrB64]).with(PUBLISH),
    both(
        "broadcast",
        &[RequiredParam::Channels, RequiredParam::Data],
        &[RequiredParam::Channels, RequiredParam::DataOrB64],
    )
    .with(PUBLISH),
    v2_only("subscribe", &[RequiredParam::User, CHANNEL]).with(&[
        EXPIRE_AT,
        ("b64info", ParamType::String),
        CLIENT,
        ("b64data", ParamType::String),
        ("recover_since", ParamType::Position),
        SESSION,
        ("info", ParamType::Any),
        ("data", ParamType::Any),
        ("override", ParamType::Any),
    ]),
    both("unsubscribe", &[RequiredParam::User], &[RequiredParam::User, CHANNEL]).with(&[CLIENT, SESSION]),
    both("disconnect", &[RequiredParam::User], &[RequiredParam::User]).with(&[
        CLIENT,
        ("whitelist", ParamType::Strings),
        SESSION,
        ("disconnect", ParamType::Any),
    ]),
    v2_only("refresh", &[RequiredParam::User]).with(&[
        CLIENT,
        ("expired", ParamType::Boolean),
        EXPIRE_AT,
        SESSION,
        ("info", ParamType::Any),
    ]),
    both("presence", &[CHANNEL], &[CHANNEL]).read_only(),
    v2_only("presence_stats", &[CHANNEL]).read_only(),
    both("history", &[CHANNEL], &[CHANNEL]).read_only().with(&[
        LIMIT,
        ("since", ParamType::Position),
        ("reverse", ParamType::Boolean),
    ]),
    v2_only("history_remove", &[CHANNEL]),
    both("channels", NONE, NONE).read_only().with(&[("pattern", ParamType::String)]),
    v1_only("stats", NONE).read_only(),
    v1_only("node", NONE).read_only(),
    v2_only("info", NONE).read_only(),
    v2_only("rpc", NONE).with(&[("method", ParamType::String), ("params", ParamType::Any)]),
    v2_only("map_publish", &[CHANNEL, KEY]).with(&[
        ("data", ParamType::Any),
        ("b64data", ParamType::String),
        ("b64stream_data", ParamType::String),
        ("tags", ParamType::StringMap),
        IDEMPOTENCY_KEY,
        ("delta", ParamType::Boolean),
        ("version", ParamType::Uint64),
        ("version_epoch", ParamType::String),
        ("score", ParamType::Int64),
        ("key_mode", ParamType::String),
        ("stream_data", ParamType::Any),
    ]),
    v2_only("map_remove", &[CHANNEL, KEY]).with(&[IDEMPOTENCY_KEY]),
    v2_only("map_read_state", &[CHANNEL]).read_only().with(&[
        ("cursor", ParamType::String),
        LIMIT,
        ("key", ParamType::String),
        ("asc", ParamType::Boolean),
        ("revision_offset", ParamType::Uint64),
        ("revision_epoch", ParamType::String),
    ]),
    v2_only("map_read_stream", &[CHANNEL]).read_only().with(&[
        LIMIT,
        ("since_offset", ParamType::Uint64),
        ("since_epoch", ParamType::String),
        ("reverse", ParamType::Boolean),
    ]),
    v2_only("map_stats", &[CHANNEL]).read_only(),
    v2_only("map_clear", &[CHANNEL]),
    v2_only("shared_poll_publish", &[CHANNEL, KEY]).with(&[
        ("data", ParamType::Any),
        ("b64data", ParamType::String),
        ("version", ParamType::Uint64),
        ("epoch", ParamType::String),
    ]),
];

fn find_method(method: &str, version: ApiVersion) -> Option<&'static MethodSpec> {
    let in_any_case = || METHODS.iter().find(|known| version == ApiVersion::V2 && same_method(known.name, method));
    find_exact(method).or_else(in_any_case).filter(|known| known.params_in(version).is_some())
}

fn find_exact(method: &str) -> Option<&'static MethodSpec> {
    METHODS.iter().find(|known| known.name == method)
}

/// Compares in upper case, as the servers do: they take ı and ſ for I and S.
fn same_method(name: &str, method: &str) -> bool {
    name.chars().flat_map(char::to_uppercase).eq(method.chars().flat_map(char::to_uppercase))
}

/// The name in static memory, of a method that is written as in the table.
pub(crate) fn static_name(method: &str) -> Option<&'static str> {
    find_exact(method).map(|known| known.name)
}

/// The name as the servers write it in paths and batches of Centrifugo 5 and later: that of a known method in lower case.
pub(crate) fn canonical_name(method: &str) -> &str {
    find_method(method, ApiVersion::V2).map_or(method, |known| known.name)
}

/// The names of the methods of this version.
pub(crate) fn method_names(version: ApiVersion) -> impl Iterator<Item = &'static str> {
    METHODS.iter().filter(move |known| known.params_in(version).is_some()).map(|known| known.name)
}

/// Names of all known methods of any version; see `Endpoint::known_methods` for one version.
///
/// ```
/// assert!(cent::known_methods().any(|name| name == "publish"));
/// ```
#[doc(hidden)]
pub fn known_methods() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|known| known.name)
}

/// A param of a method.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownParam {
    /// Its key.
    pub name: &'static str,
    /// Its type, with the article.
    pub expected: &'static str,
    /// Whether servers since Centrifugo 2 require it; for methods that only Centrifugo 1 has, whether that does.
    pub is_required: bool,
    /// What it consists of.
    pub kind: ParamKind,
}

/// What a param consists of, as far as it matters for how it is written.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// Any other JSON.
    Json,
}

/// The params of a known method: those of Centrifugo 2 and later, if they have the method.
#[doc(hidden)]
pub fn known_params(method: &str) -> Vec<KnownParam> {
    let Some(known) = find_exact(method).or_else(|| find_method(method, ApiVersion::V2)) else { return Vec::new() };
    let required = known.v2.or(known.v1).unwrap_or(NONE).iter().map(|param| KnownParam {
        name: param.key(),
        expected: param.expected(),
        is_required: true,
        kind: match param {
            RequiredParam::NonEmptyString(_) | RequiredParam::User => ParamKind::Text,
            RequiredParam::Channels => ParamKind::Texts,
            RequiredParam::Data | RequiredParam::DataOrB64 => ParamKind::Json,
        },
    });
    let optional = known.v2_optional.iter().map(|&(name, param_type)| KnownParam {
        name,
        expected: param_type.expected(),
        is_required: false,
        kind: match param_type {
            ParamType::String => ParamKind::Text,
            ParamType::Strings => ParamKind::Texts,
            _ => ParamKind::Json,
        },
    });
    required.chain(optional).collect()
}

fn is_known_method(method: &str, version: ApiVersion) -> bool {
    find_method(method, version).is_some()
}

/// Whether the method changes nothing on a server of this version. Unknown methods may.
pub(crate) fn is_read_only(method: &str, version: ApiVersion) -> bool {
    find_method(method, version).is_some_and(|known| known.is_read_only)
}

/// Whether the method takes an idempotency key, since Centrifugo 5.2: publish, broadcast, `map_publish` and `map_remove`.
pub(crate) fn takes_idempotency_key(method: &str) -> bool {
    find_method(method, ApiVersion::V2).is_some_and(|known| known.v2_optional.contains(&IDEMPOTENCY_KEY))
}

/// Whether this is broadcast, whose reply can hold an error for each channel.
pub(crate) fn is_broadcast(method: &str) -> bool {
    find_method(method, ApiVersion::V2).is_some_and(|known| known.name == "broadcast")
}

/// Whether the method takes no params in any version: `channels`, `stats`, `node` and `info`.
#[doc(hidden)]
pub fn takes_no_params(method: &str) -> bool {
    ["channels", "stats", "node", "info"].iter().any(|name| same_method(name, method))
}

/// The closest match for `name`, if any is close enough to suggest.
///
/// ```
/// assert_eq!(cent::closest_match("publsh", ["broadcast", "publish"]), Some("publish"));
/// assert_eq!(cent::closest_match("rpc", ["broadcast", "publish"]), None);
/// ```
#[doc(hidden)]
pub fn closest_match<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        // One typo in three letters at most: a wilder guess misleads more than it helps.
        .filter(|(typos, candidate)| typos * 3 <= name.chars().count().max(candidate.chars().count()))
        .min_by_key(|&(typos, _)| typos)
        .map(|(_, candidate)| candidate)
}

/// The method that was probably meant, and the known ones; `None` where this is one of them.
pub(crate) fn suggestion(method: &str, version: ApiVersion) -> Option<String> {
    if is_known_method(method, version) {
        return None;
    }
    Some(match closest_match(method, method_names(version)) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known methods: {}", method_names(version).collect::<Vec<_>>().join(", ")),
    })
}

/// What to do where one of these methods is unknown; `None` where all are known.
pub(crate) fn unknown_method_hint<'a>(
    mut methods: impl Iterator<Item = &'a str>,
    version: ApiVersion,
) -> Option<String> {
    let (method, suggestion) = methods.find_map(|method| Some((method, suggestion(method, version)?)))?;
    Some(format!("unknown method {method}, or invalid params; {suggestion}"))
}

/// What is wrong with a command's params, in either version of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamErrors {
    v1: Option<ParamError>,
    v2: Option<ParamError>,
}

impl ParamErrors {
    /// Checks params for both versions; `None` where they are fine in both.
    pub(crate) fn find(method: &str, params: &RawObject<'_>) -> Option<Box<Self>> {
        let known = find_exact(method).or_else(|| find_method(method, ApiVersion::V2))?;
        // Version 1 does not know the method in another case.
        let required_v1 = known.v1.filter(|_| known.name == method).unwrap_or(NONE);
        let required_v2 = known.v2.unwrap_or(NONE);
        let v1 = required_v1.iter().find_map(|param| param.check(params));
        // What was fine for version 1 need not be looked at again.
        let is_fine = |param: &RequiredParam| v1.is_none() && required_v1.iter().any(|fine| fine.implies(*param));
        let mut unchecked = required_v2.iter().filter(|param| !is_fine(param));
        let v2 = unchecked.find_map(|param| param.check(params)).or_else(|| check_optional(known, params));
        (v1.is_some() || v2.is_some()).then(|| Box::new(Self { v1, v2 }))
    }

    pub(crate) fn in_version(&self, version: ApiVersion) -> Option<&ParamError> {
        match version {
            ApiVersion::V1 => self.v1.as_ref(),
            ApiVersion::V2 => self.v2.as_ref(),
        }
    }
}

const ANY: &str = "any JSON value";
const DATA_OR_B64: &str = r#"any JSON value, or "b64data""#;
const STRINGS: &str = "an array of strings";

/// The first param that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamError {
    key: &'static str,
    /// The type that it should have, with its article.
    expected: &'static str,
    problem: Problem,
    /// What was probably meant to be the missing key.
    similar: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Missing,
    Empty,
    /// The type that it has instead, with its article.
    WrongType(&'static str),
    /// A channel in the list is empty or not a string.
    InvalidEntry,
}

impl ParamError {
    /// The param.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }

    /// What to do about it, where the message does not say so itself.
    pub(crate) fn hint(&self) -> Option<Cow<'static, str>> {
        if let Some(similar) = &self.similar {
            return Some(format!("did you mean {:?} instead of {similar:?}?", self.key).into());
        }
        let hint = match self.problem {
            Problem::Missing if self.expected == DATA_OR_B64 => Some("add one to the params"),
            Problem::Missing => Some("add it to the params"),
            Problem::WrongType("a string") if self.expected == STRINGS => Some("put it in brackets"),
            Problem::WrongType("a number" | "a boolean") if self.expected.ends_with("string") => {
                Some("put it in quotes")
            }
            Problem::Empty | Problem::WrongType(_) | Problem::InvalidEntry => None,
        };
        hint.map(Cow::Borrowed)
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, expected, problem, .. } = self;
        match problem {
            Problem::Missing if *expected == DATA_OR_B64 => write!(f, r#"missing param {key:?} ({ANY}) or "b64data""#),
            Problem::Missing => write!(f, "missing param {key:?} ({expected})"),
            Problem::Empty => write!(f, "param {key:?} must not be empty"),
            Problem::WrongType(found) => write!(f, "param {key:?} must be {expected}, found {found}"),
            Problem::InvalidEntry => write!(f, "param {key:?} contains an empty or non-string entry"),
        }
    }
}

/// A param that a method requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequiredParam {
    NonEmptyString(&'static str),
    /// A string. An empty one is the user's choice; a missing one is an accident, and since Centrifugo 3 it means all
    /// connections without a user (seen on 3.2.3 to 6.9.1).
    User,
    /// A non-empty list of non-empty strings.
    Channels,
    /// Any value, null included.
    Data,
    /// Any value, or `b64data` instead.
    DataOrB64,
}

impl RequiredParam {
    fn implies(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Data, Self::DataOrB64)
    }

    fn key(self) -> &'static str {
        match self {
            Self::NonEmptyString(key) => key,
            Self::User => "user",
            Self::Channels => "channels",
            Self::Data | Self::DataOrB64 => "data",
        }
    }

    fn null(self) -> Null {
        match self {
            Self::NonEmptyString(_) | Self::User => Null::Ignored,
            Self::Channels => Null::Empties,
            Self::Data | Self::DataOrB64 => Null::Kept,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::NonEmptyString(_) => "a non-empty string",
            Self::User => "a string",
            Self::Channels => STRINGS,
            Self::Data => ANY,
            Self::DataOrB64 => DATA_OR_B64,
        }
    }

    fn check(self, params: &RawObject<'_>) -> Option<ParamError> {
        let problem = self.problem(params)?;
        let (key, is_missing) = (self.key(), problem == Problem::Missing);
        let similar =
            params.iter().map(|(key, _)| key).find(|found| is_missing && closest_match(found, [key]).is_some());
        Some(ParamError { key, expected: self.expected(), problem, similar: similar.map(Cow::into_owned) })
    }

    /// What is wrong with it in these params, if anything.
    fn problem(self, params: &RawObject<'_>) -> Option<Problem> {
        let Some(value) = effective_value(params, self.key(), self.null()) else {
            let is_replaced = self == Self::DataOrB64 && effective_value(params, "b64data", Null::Ignored).is_some();
            let is_null = params.get_all(self.key()).next().is_some();
            let problem = if is_null { Problem::WrongType("null") } else { Problem::Missing };
            return (!is_replaced).then_some(problem);
        };
        match self {
            Self::NonEmptyString(_) => string_problem(value),
            Self::User => wrong_type(!value.starts_with('"'), value),
            Self::Channels => channels_problem(value),
            Self::Data | Self::DataOrB64 => None,
        }
    }
}

fn wrong_type(is_wrong: bool, value: &str) -> Option<Problem> {
    is_wrong.then(|| Problem::WrongType(json::type_name(value)))
}

fn string_problem(value: &str) -> Option<Problem> {
    if value == "\"\"" { Some(Problem::Empty) } else { wrong_type(!value.starts_with('"'), value) }
}

fn channels_problem(value: &str) -> Option<Problem> {
    match json::as_array(value) {
        None => wrong_type(true, value),
        Some(channels) if channels.is_empty() => Some(Problem::Empty),
        Some(channels) => channels.into_iter().find_map(string_problem).map(|_| Problem::InvalidEntry),
    }
}

/// The first optional param of the wrong type, for Centrifugo 2 and later.
fn check_optional(known: &MethodSpec, params: &RawObject<'_>) -> Option<ParamError> {
    // Most params are the required ones only.
    let required = known.v2.unwrap_or(NONE);
    let is_data_replaced = required.contains(&RequiredParam::DataOrB64) && !params.has_plain_key("data");
    if params.len() <= required.len() && !is_data_replaced {
        return None;
    }
    known.v2_optional.iter().find_map(|&(key, param_type)| {
        let value = effective_value(params, key, Null::Ignored)?;
        let problem = wrong_type(!param_type.accepts(value), value)?;
        Some(ParamError { key, expected: param_type.expected(), problem, similar: None })
    })
}

impl ParamType {
    fn accepts(self, value: &str) -> bool {
        let all = |values: Vec<&str>, accepts: fn(&str) -> bool| values.into_iter().all(accepts);
        match self {
            Self::Any => true,
            Self::String => value.starts_with('"'),
            Self::Boolean => matches!(value, "true" | "false"),
            // The servers take neither fractions nor exponents (limit-float, recorded on 6.9.1).
            Self::Int32 => value.parse::<i32>().is_ok(),
            Self::Int64 => value.parse::<i64>().is_ok(),
            Self::Uint64 => value.parse::<u64>().is_ok(),
            Self::Strings => json::as_array(value).is_some_and(|entries| all(entries, is_string_or_null)),
            Self::StringMap => {
                json::as_object(value).is_some_and(|map| map.iter().all(|(_, value)| is_string_or_null(value)))
            }
            Self::Position => json::as_object(value).is_some_and(|position| {
                effective_value(&position, "offset", Null::Ignored).is_none_or(|offset| Self::Uint64.accepts(offset))
                    && effective_value(&position, "epoch", Null::Ignored)
                        .is_none_or(|epoch| Self::String.accepts(epoch))
            }),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Any => ANY,
            Self::String => "a string",
            Self::Boolean => "true or false",
            Self::Int32 | Self::Int64 => "a whole number",
            Self::Uint64 => "a whole number of at least 0",
            Self::Strings => STRINGS,
            Self::StringMap => "an object whose values are strings",
            Self::Position => r#"an object such as {"offset": 5, "epoch": "xyz"}"#,
        }
    }
}

/// null is an empty string to the servers.
fn is_string_or_null(value: &str) -> bool {
    value.starts_with('"') || value == "null"
}

/// Why a method cannot be sent to Centrifugo 2 and later, where its name is a part of the URL.
pub(crate) fn name_problem(method: &str, version: ApiVersion) -> Option<(&'static str, &'static str)> {
    let is_segment = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if version == ApiVersion::V1 {
        None
    } else if method.eq_ignore_ascii_case("batch") {
        Some(("not a method of its own", "send the commands of the batch"))
    } else if find_method(method, version).is_none() && !method.chars().all(is_segment) {
        Some(("not a valid method name", "use letters, digits, _ and - only"))
    } else {
        None
    }
}

/// The channels of a broadcast as written, quotes included; none where the params hold no list of channels.
pub(crate) fn broadcast_channels(params: &str) -> Vec<&str> {
    json::as_object(params)
        .and_then(|params| effective_value(&params, "channels", Null::Empties))
        .and_then(json::as_array)
        .unwrap_or_default()
}

/// What null is to the servers, after another value of the same key (Go's encoding/json; seen on 1.8.0 and 6.9.1).
#[derive(Clone, Copy)]
enum Null {
    /// A value like any other: data may be null.
    Kept,
    /// It empties a list.
    Empties,
    /// The other value stays.
    Ignored,
}

/// The value that the servers use for a key: any letter case matches, the last of several counts.
fn effective_value<'a>(params: &RawObject<'a>, key: &str, null: Null) -> Option<&'a str> {
    let mut values = params.get_all(key).rev();
    match null {
        Null::Kept => values.next(),
        Null::Empties => values.next().filter(|&value| value != "null"),
        Null::Ignored => values.find(|&value| value != "null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "fine";

    fn check(method: &str, params: &str, version: ApiVersion) -> String {
        let errors = ParamErrors::find(method, &json::parse_object(params).unwrap());
        let error = errors.as_ref().and_then(|errors| errors.in_version(version));
        error.map_or_else(|| FINE.to_owned(), ToString::to_string)
    }

    #[track_caller]
    fn accepts(method: &str, params: &str) {
        assert_eq!(check(method, params, ApiVersion::V1), FINE);
        assert_eq!(check(method, params, ApiVersion::V2), FINE);
    }

    #[track_caller]
    fn rejects(method: &str, params: &str, key: &str, problem: &str) {
        for version in [ApiVersion::V1, ApiVersion::V2] {
            let error = check(method, params, version);
            assert!(error.contains(&format!("param {key:?}")) && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn similar_key_is_suggested() {
        let hint = |method, params: &str| {
            let errors = ParamErrors::find(method, &json::parse_object(params).unwrap()).unwrap();
            errors.in_version(ApiVersion::V2).unwrap().hint().unwrap().into_owned()
        };
        assert_eq!(hint("publish", r#"{"chanel":"a","data":1}"#), r#"did you mean "channel" instead of "chanel"?"#);
        assert_eq!(hint("broadcast", r#"{"channel":"a"}"#), r#"did you mean "channels" instead of "channel"?"#);
        assert_eq!(hint("publish", r#"{"data":1}"#), "add it to the params");
        assert_eq!(hint("publish", r#"{"channel":"a","b":1}"#), "add one to the params");
    }

    #[test]
    fn publish_requires_channel_and_data() {
        accepts("publish", r#"{"channel": "news", "data": null}"#);
        rejects("publish", r#"{"data": 1}"#, "channel", "missing param");
        rejects("publish", r#"{"channel": "", "data": 1}"#, "channel", "must not be empty");
        rejects("publish", r#"{"channel": 5, "data": 1}"#, "channel", "must be a non-empty string, found a number");
        rejects("publish", r#"{"channel": null, "data": 1}"#, "channel", "found null");
        rejects("publish", r#"{"channel": "news"}"#, "data", "missing param");
    }

    #[test]
    fn broadcast_requires_channels_and_data() {
        accepts("broadcast", r#"{"channels": ["a", "b"], "data": {}}"#);
        rejects("broadcast", r#"{"data": 1}"#, "channels", "missing param");
        rejects("broadcast", r#"{"channels": [], "data": 1}"#, "channels", "must not be empty");
        rejects(
            "broadcast",
            r#"{"channels": "a", "data": 1}"#,
            "channels",
            "must be an array of strings, found a string",
        );
        for bad in [r#"["a", ""]"#, r#"["a", null]"#, r#"["a", 1]"#] {
            let params = format!(r#"{{"channels": {bad}, "data": 1}}"#);
            rejects("broadcast", &params, "channels", "contains an empty or non-string entry");
        }
        rejects("broadcast", r#"{"channels": ["a"], "channels": null, "data": 1}"#, "channels", "found null");
        rejects("broadcast", r#"{"channels": ["a"]}"#, "data", "missing param");
    }

    #[test]
    fn user_may_be_empty_but_not_missing() {
        accepts("disconnect", r#"{"user": ""}"#);
        rejects("disconnect", "{}", "user", "missing param");
        rejects("disconnect", r#"{"user": null}"#, "user", "found null");
        rejects("disconnect", r#"{"user": 42}"#, "user", "must be a string, found a number");
        rejects("unsubscribe", r#"{"channel": "a"}"#, "user", "missing param");
    }

    #[test]
    fn channel_methods_require_channel() {
        for method in ["presence", "history"] {
            accepts(method, r#"{"channel": "a"}"#);
            rejects(method, "{}", "channel", "missing param");
        }
        for method in ["presence_stats", "history_remove", "map_stats"] {
            assert_eq!(check(method, "{}", ApiVersion::V1), FINE);
            assert_ne!(check(method, "{}", ApiVersion::V2), FINE);
        }
    }

    #[test]
    fn v2_requires_channel_to_unsubscribe_and_subscribe() {
        assert_eq!(check("unsubscribe", r#"{"user": "u"}"#, ApiVersion::V1), FINE);
        assert_ne!(check("unsubscribe", r#"{"user": "u"}"#, ApiVersion::V2), FINE);
        assert_ne!(check("subscribe", r#"{"user": "u"}"#, ApiVersion::V2), FINE);
        assert_ne!(check("subscribe", r#"{"channel": "c"}"#, ApiVersion::V2), FINE);
        assert_ne!(check("refresh", r#"{"channel": "c"}"#, ApiVersion::V2), FINE);
    }

    #[test]
    fn optional_params_have_types() {
        for (method, good, bad, expected) in [
            ("history", r#""limit": -1"#, r#""limit": "10""#, "a whole number, found a string"),
            ("history", r#""LIMIT": null"#, r#""limit": 1.0"#, "a whole number, found a number"),
            ("history", r#""limit": 2147483647"#, r#""limit": 2147483648"#, "a whole number, found a number"),
            ("history", r#""reverse": true"#, r#""reverse": 1"#, "true or false, found a number"),
            ("history", r#""since": {"offset": 1, "epoch": "x"}"#, r#""since": {"offset": -1}"#, "found an object"),
            ("history", r#""since": {}"#, r#""since": {"epoch": 1}"#, "found an object"),
            ("history", r#""since": null"#, r#""since": 5"#, "found a number"),
            ("publish", r#""data": 1, "tags": {"a": "b"}"#, r#""data": 1, "tags": {"a": 1}"#, "values are strings"),
            ("publish", r#""data": 1, "version": 0"#, r#""data": 1, "version": -1"#, "at least 0"),
            ("publish", r#""data": 1, "idempotency_key": """#, r#""data": 1, "idempotency_key": 7"#, "a string"),
            ("presence", r#""limit": "of another method""#, r#""channel": 1"#, "found a number"),
        ] {
            let with_channel = |member: &str| format!(r#"{{"channel": "a", {member}}}"#);
            assert_eq!(check(method, &with_channel(good), ApiVersion::V2), FINE, "{good}");
            let error = check(method, &with_channel(bad), ApiVersion::V2);
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(check("disconnect", r#"{"user": "u", "whitelist": ["a"]}"#, ApiVersion::V2), FINE);
        assert_ne!(check("disconnect", r#"{"user": "u", "whitelist": [1]}"#, ApiVersion::V2), FINE);
        assert_eq!(check("history", r#"{"channel": "a", "limit": "10"}"#, ApiVersion::V1), FINE);
    }

    #[test]
    fn v2_method_names_fit_into_a_path() {
        let is_fine = |name| name_problem(name, ApiVersion::V2).is_none();
        assert!(["publish", "PUBLISH", "dıſconnect", "x-y_Z0"].into_iter().all(is_fine));
        assert!(!["a/b", "..", "a b", "é", "a?b", "batch", "Batch"].into_iter().any(is_fine));
        assert!(name_problem("a/b", ApiVersion::V1).is_none());
    }

    #[test]
    fn v2_accepts_b64data() {
        let params = r#"{"channel": "a", "b64data": "AA=="}"#;
        assert_ne!(check("publish", params, ApiVersion::V1), FINE);
        assert_eq!(check("publish", params, ApiVersion::V2), FINE);
    }

    #[test]
    fn keys_are_read_as_servers_do() {
        accepts("publish", r#"{"CHANNEL": "a", "d\u0061ta": 1}"#);
        accepts("publish", r#"{"channel": 5, "Channel": "a", "data": 1}"#);
        accepts("publish", r#"{"channel": "a", "channel": null, "data": 1}"#);
        accepts("disconnect", r#"{"uſer": "a"}"#);
        rejects("publish", r#"{"channel": "a", "CHANNEL": "", "data": 1}"#, "channel", "must not be empty");
    }

    #[test]
    fn v2_methods_are_case_insensitive() {
        assert_eq!(check("DISCONNECT", "{}", ApiVersion::V1), FINE);
        assert_ne!(check("DISCONNECT", "{}", ApiVersion::V2), FINE);
        assert_ne!(check("dıſconnect", "{}", ApiVersion::V2), FINE);
    }

    #[test]
    fn unknown_methods_are_not_check() {
        accepts("quux", "{}");
    }

    #[test]
    fn ten_methods_are_read_only() {
        let read_only = |version| {
            let names = method_names(version).filter(|name| is_read_only(name, version));
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read_only(ApiVersion::V1), "presence history channels stats node");
        let expected = "presence presence_stats history channels info map_read_state map_read_stream map_stats";
        assert_eq!(read_only(ApiVersion::V2), expected);
        assert!(is_read_only("HISTORY", ApiVersion::V2) && !is_read_only("HISTORY", ApiVersion::V1));
        assert!(!is_read_only("quux", ApiVersion::V2));
    }

    #[test]
    fn four_methods_take_no_params() {
        assert!(["channels", "stats", "node", "info", "INFO"].into_iter().all(takes_no_params));
        assert!(!takes_no_params("publish"));
        assert!(!takes_no_params("presence_stats"));
    }

    #[test]
    fn closest_match_finds_typos() {
        assert_eq!(closest_match("publsh", method_names(ApiVersion::V1)), Some("publish"));
        assert_eq!(closest_match("PUBLISH", method_names(ApiVersion::V1)), Some("publish"));
        assert_eq!(closest_match("histroy", method_names(ApiVersion::V2)), Some("history"));
        assert_eq!(closest_match("frobnicate", method_names(ApiVersion::V2)), None);
    }
}
