//! Checks the params of a command: the server would reject some without a reason, and misinterpret others.

use std::borrow::Cow;
use std::fmt;

use super::suggestion::closest_match;
use super::table::{Method, Param, ParamType};
use super::version::ApiVersion;
use crate::json::{self, RawObject};

/// What is wrong with a command's params, in either generation of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamErrors {
    v1: Option<ParamError>,
    v2: Option<ParamError>,
}

impl ParamErrors {
    /// Checks params for both generations; `None` where they are fine in both.
    /// `rows` are those of the params, if these are in the order of the table.
    pub(crate) fn find(
        method: &'static Method,
        rows: Option<&'static [Param]>,
        params: &RawObject<'_>,
    ) -> Option<Box<Self>> {
        if rows.is_some_and(|rows| are_required_ones(method, rows, params)) {
            return None;
        }
        let v1 = required_in(method, ApiVersion::V1).find_map(|param| param.check(method, ApiVersion::V1, params));
        // What was fine for version 1 need not be checked again.
        let is_fine = |param: &Param| {
            v1.is_none() && method.versions(ApiVersion::V1).is_some() && param.is_required(ApiVersion::V1)
        };
        let mut unchecked = required_in(method, ApiVersion::V2).filter(|param| !is_fine(param));
        let v2 = unchecked
            .find_map(|param| param.check(method, ApiVersion::V2, params))
            .or_else(|| check_optional(method, params));
        (v1.is_some() || v2.is_some()).then(|| Box::new(Self { v1, v2 }))
    }

    pub(crate) fn in_version(&self, version: ApiVersion) -> Option<&ParamError> {
        match version {
            ApiVersion::V1 => self.v1.as_ref(),
            ApiVersion::V2 => self.v2.as_ref(),
        }
    }
}

/// Whether the params, which are those of the rows, are exactly the required ones and fine.
fn are_required_ones(method: &Method, rows: &[Param], params: &RawObject<'_>) -> bool {
    let is_required = |param: &Param| param.is_required_in_v1 || param.is_required_in_v2;
    let is_fine = |(param, value): (&Param, &str)| param.param_type.problem(value).is_none();
    rows.len() == method.params.iter().take_while(|param| is_required(param)).count()
        && rows.iter().zip(params.values()).all(is_fine)
}

/// The params that a generation requires, if it has the method: the first ones in the table.
fn required_in(method: &'static Method, version: ApiVersion) -> impl Iterator<Item = &'static Param> {
    let params = if method.versions(version).is_some() { method.params } else { &[] };
    params.iter().take_while(move |param| param.is_required(version))
}

/// The first optional param of the wrong type, for Centrifugo 2 and later.
fn check_optional(method: &'static Method, params: &RawObject<'_>) -> Option<ParamError> {
    let required = || required_in(method, ApiVersion::V2);
    let is_replaced = |param: &Param| param.alternative.is_some() && !params.has_plain_key(param.name);
    // Most params are the required ones only.
    if params.len() <= required().count() && !required().any(is_replaced) {
        return None;
    }
    let mut optional = method.params_in(ApiVersion::V2).filter(|param| !param.is_required(ApiVersion::V2));
    optional.find_map(|param| param.check(method, ApiVersion::V2, params))
}

/// The first param that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamError {
    name: &'static str,
    expected: ParamType,
    /// The param that may replace it.
    alternative: Option<&'static str>,
    problem: Problem,
    /// What was probably meant to be the missing param.
    similar: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Missing,
    Empty,
    /// The type that it has instead, with its article.
    WrongType(&'static str),
    /// The value that it has instead, which is of the right type.
    WrongValue(String),
    /// A channel in the list is empty or not a string.
    InvalidEntry,
}

impl ParamError {
    /// The param.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What to do about it, where the message does not say so itself.
    pub(crate) fn hint(&self) -> Option<Cow<'static, str>> {
        use ParamType::{NonEmptyString, NonEmptyStrings, String, Strings};
        if let Some(similar) = &self.similar {
            return Some(format!("did you mean {:?} instead of {similar:?}?", self.name).into());
        }
        let hint = match (&self.problem, self.expected) {
            (Problem::Missing, _) if self.alternative.is_some() => "add one to the params",
            (Problem::Missing, _) => "add it to the params",
            (Problem::WrongType("a string"), Strings | NonEmptyStrings) => "put it in brackets",
            (Problem::WrongType("a number" | "a boolean"), String | NonEmptyString) => "put it in quotes",
            _ => return None,
        };
        Some(hint.into())
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, expected, problem, .. } = self;
        match problem {
            Problem::Missing => {
                write!(f, "missing param {name:?} ({expected})")?;
                self.alternative.map_or(Ok(()), |alternative| write!(f, " or {alternative:?}"))
            }
            Problem::Empty => write!(f, "param {name:?} must not be empty"),
            Problem::WrongType(found) => write!(f, "param {name:?} must be {expected}, found {found}"),
            Problem::WrongValue(found) => write!(f, "param {name:?} must be {expected}, found {found}"),
            Problem::InvalidEntry => write!(f, "param {name:?} contains an empty or non-string entry"),
        }
    }
}

impl Param {
    fn check(&self, method: &Method, version: ApiVersion, params: &RawObject<'_>) -> Option<ParamError> {
        let &Self { name, param_type: expected, .. } = self;
        let value = effective_value(params, name, expected.null());
        let alternative = if value.is_none() { self.alternative_in(method, version) } else { None };
        let problem = match value {
            Some(value) => expected.problem(value)?,
            None if !self.is_required(version) || alternative.is_some_and(|other| is_set(params, other.name)) => {
                return None;
            }
            None if params.get_all(name).next().is_some() => Problem::WrongType("null"),
            None => Problem::Missing,
        };
        let mut names = params.iter().map(|(key, _)| key).filter(|_| problem == Problem::Missing);
        let similar = names.find(|found| closest_match(found, [name]).is_some()).map(Cow::into_owned);
        // To name one of Centrifugo PRO would mislead most users.
        let alternative = alternative.filter(|other| !other.is_pro).map(|other| other.name);
        Some(ParamError { name, expected, alternative, problem, similar })
    }

    fn alternative_in<'a>(&self, method: &'a Method, version: ApiVersion) -> Option<&'a Self> {
        let is_alternative = |param: &&Self| Some(param.name) == self.alternative;
        method.params.iter().find(is_alternative).filter(|param| param.versions(version).is_some())
    }
}

impl ParamType {
    /// What is wrong with a value, if anything.
    fn problem(self, value: &str) -> Option<Problem> {
        let all = |values: Vec<&str>, accepts: fn(&str) -> bool| values.into_iter().all(accepts);
        let is_right = match self {
            Self::NonEmptyString if value == "\"\"" => return Some(Problem::Empty),
            Self::NonEmptyStrings => match json::as_array(value) {
                None => false,
                Some(entries) if entries.is_empty() => return Some(Problem::Empty),
                Some(entries) => {
                    let is_invalid = |entry: &&str| Self::NonEmptyString.problem(entry).is_some();
                    return entries.iter().any(is_invalid).then_some(Problem::InvalidEntry);
                }
            },
            Self::Any => true,
            Self::String | Self::NonEmptyString => value.starts_with('"'),
            Self::Boolean => matches!(value, "true" | "false"),
            // The servers take neither fractions nor exponents (limit-float, recorded on 6.9.1).
            Self::Int32 => value.parse::<i32>().is_ok(),
            Self::Int64 => value.parse::<i64>().is_ok(),
            Self::Uint64 => value.parse::<u64>().is_ok(),
            Self::PositiveUint64 => value.parse::<u64>().is_ok_and(|number| number > 0),
            Self::Object(_) => value.starts_with('{'),
            Self::Strings => json::as_array(value).is_some_and(|entries| all(entries, is_string_or_null)),
            Self::StringMap => {
                json::as_object(value).is_some_and(|map| map.iter().all(|(_, value)| is_string_or_null(value)))
            }
            Self::Position => json::as_object(value).is_some_and(|position| {
                let is_fine = |name, part: Self| {
                    let value = effective_value(&position, name, Null::Ignored);
                    value.is_none_or(|value| part.problem(value).is_none())
                };
                is_fine("offset", Self::Uint64) && is_fine("epoch", Self::String)
            }),
        };
        (!is_right).then(|| match json::type_name(value) {
            "a number" if self.is_number() => Problem::WrongValue(shorten(value)),
            found => Problem::WrongType(found),
        })
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Int32 | Self::Int64 | Self::Uint64 | Self::PositiveUint64)
    }

    fn null(self) -> Null {
        match self {
            Self::Any => Null::Kept,
            Self::NonEmptyStrings => Null::Empties,
            _ => Null::Ignored,
        }
    }
}

/// The beginning of a number that can be long.
fn shorten(number: &str) -> String {
    const MAX_DIGITS: usize = 24;
    number.get(..MAX_DIGITS).map_or_else(|| number.to_owned(), |beginning| format!("{beginning}…"))
}

/// null is an empty string to the servers.
fn is_string_or_null(value: &str) -> bool {
    value.starts_with('"') || value == "null"
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

/// Whether a param has a value that counts: null and false do not.
fn is_set(params: &RawObject<'_>, key: &str) -> bool {
    effective_value(params, key, Null::Ignored).is_some_and(|value| value != "false")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    const FINE: &str = "fine";

    fn check(method: &str, params: &str, version: ApiVersion) -> String {
        let error = Command::new(method, params).unwrap().validate(version).err();
        error.map_or_else(|| FINE.to_owned(), |error| error.to_string())
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
            let errors =
                ParamErrors::find(Method::find(method).unwrap(), None, &json::parse_object(params).unwrap()).unwrap();
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
            ("history", r#""LIMIT": null"#, r#""limit": 1.0"#, "a whole number, found 1.0"),
            ("history", r#""limit": 2147483647"#, r#""limit": 2147483648"#, "a whole number, found 2147483648"),
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
}
