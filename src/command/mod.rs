//! Commands: a method and its params, checked before anything is sent.

mod constructors;
pub(crate) mod idempotency;
pub(crate) mod optional_params;
pub(crate) mod options;

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::Serialize;

use crate::error::Error;
use crate::json::{self, RawObject, SyntaxError};
use crate::methods::{ApiVersion, Method, Param, ParamErrors};
use crate::server::endpoint::Endpoint;
use idempotency::IdempotencyKey;

/// One command of the API: a method and its params, a JSON object that is sent byte for byte.
///
/// There is a constructor for each method, such as [`publish`](Self::publish); [`new`](Self::new) takes params as text.
///
/// ```
/// use cent::Command;
///
/// assert_eq!(Command::publish("news", &[1, 2])?.params(), r#"{"channel":"news","data":[1,2]}"#);
/// let command = Command::new("publish", r#"{"channel": "news", "data": 1.0}"#)?;
/// assert_eq!(command.params(), r#"{"channel": "news", "data": 1.0}"#);
/// assert!(Command::new("publish", "[]").is_err());
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// None where the method is known by exactly this name: a stream of commands need not copy it.
    other_name: Option<Box<str>>,
    /// In any letter case, as Centrifugo 2 and later find it.
    method: Option<&'static Method>,
    params: String,
    /// Found while the params are parsed anyway; which of them counts depends on the endpoint.
    param_errors: Option<Box<ParamErrors>>,
    unknown_params: UnknownParams,
    idempotency_key: KeyParam,
}

/// Whether there are params that no server of a generation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnknownParams {
    v1: bool,
    v2: bool,
}

impl UnknownParams {
    fn find(method: &Method, rows: Option<&[Param]>, params: &RawObject<'_>) -> Self {
        if let Some(rows) = rows {
            let is_unknown = |version| rows.iter().any(|param| param.versions(version).is_none());
            return Self { v1: is_unknown(ApiVersion::V1), v2: is_unknown(ApiVersion::V2) };
        }
        let mut unknown = Self { v1: false, v2: false };
        for key in params.quoted_keys() {
            // Most keys are written as the table has them, which is fast to compare.
            let plain = method.params.iter().find(|param| json::is_plain_key(key, param.name));
            let param = plain.or_else(|| method.params.iter().find(|param| json::matches_key(key, param.name)));
            unknown.v1 |= param.is_none_or(|param| param.versions(ApiVersion::V1).is_none());
            unknown.v2 |= param.is_none_or(|param| param.versions(ApiVersion::V2).is_none());
        }
        unknown
    }
}

const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// Whether params have an idempotency key, as the server reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyParam {
    Missing,
    /// Empty or null, which the servers take for none (seen on 6.9.1).
    Empty,
    Present,
}

impl KeyParam {
    fn find(rows: Option<&[Param]>, params: &RawObject<'_>) -> Self {
        let mut key = Self::Missing;
        if rows.is_some_and(|rows| rows.iter().all(|param| param.name != IDEMPOTENCY_KEY)) {
            return key;
        }
        for value in params.get_all(IDEMPOTENCY_KEY) {
            let is_empty = key == Self::Empty || matches!(value, "\"\"" | "null");
            key = if is_empty { Self::Empty } else { Self::Present };
        }
        key
    }
}

impl Command {
    /// Creates a command from a method name and the JSON text of its params.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - an empty method,
    /// - params that are not one JSON object in UTF-8; the error shows line, column and the text there.
    pub fn new(method: impl AsRef<str>, params: impl Into<Vec<u8>>) -> Result<Self, Error> {
        const HINT: &str = r#"use an object such as {"channel": "news"}"#;
        let name = method.as_ref();
        if name.is_empty() {
            // Centrifugo 2 and later execute a command without a method as publish.
            return Err(Error::invalid("method is empty").with_hint("use a method name such as publish"));
        }
        let params = String::from_utf8(params.into()).map_err(|error| {
            not_an_object(error.as_bytes(), &json::invalid_utf8(error.as_bytes(), error.utf8_error()), HINT)
        })?;
        let object = json::parse_object(&params).map_err(|error| not_an_object(params.as_bytes(), &error, HINT))?;
        let method = Method::find(name);
        let rows = method.and_then(|method| method.rows_in_order(&object));
        let param_errors = method.and_then(|method| ParamErrors::find(method, rows, &object));
        let unknown_params =
            method.map_or(UnknownParams { v1: false, v2: false }, |method| UnknownParams::find(method, rows, &object));
        let idempotency_key = KeyParam::find(rows, &object);
        let other_name = method.is_none_or(|method| method.name != name).then(|| name.into());
        Ok(Self { other_name, method, params, param_errors, unknown_params, idempotency_key })
    }

    /// Parses a command from JSON: `{"method": …, "params": …}`. `params` defaults to `{}`.
    ///
    /// ```
    /// use cent::Command;
    ///
    /// let command = Command::from_json(r#"{"method": "history", "params": {"channel": "news"}}"#)?;
    /// assert_eq!(command.method(), "history");
    /// assert!(Command::from_json(r#"{"params": {}}"#).is_err());
    /// # Ok::<(), cent::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - text that is not one JSON object in UTF-8,
    /// - a method that is missing, empty, or not a string,
    /// - params that are not an object,
    /// - unknown or duplicate keys.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self, Error> {
        const HINT: &str = r#"expected {"method": "publish", "params": {…}}"#;
        let text = text.as_ref();
        let object = std::str::from_utf8(text)
            .map_err(|error| json::invalid_utf8(text, error))
            .and_then(json::parse_object)
            .map_err(|error| not_an_object(text, &error, HINT))?;
        let (mut method, mut params) = (None, None);
        for (key, value) in object.iter() {
            let known = match &*key {
                "method" => &mut method,
                "params" => &mut params,
                _ => return Err(Error::invalid(format!("unknown key {key:?} in command")).with_hint(HINT)),
            };
            if known.replace(value).is_some() {
                return Err(Error::invalid(format!("duplicate key {key:?} in command")).with_hint(HINT));
            }
        }
        let method = method.ok_or_else(|| Error::invalid(r#"missing key "method" in command"#).with_hint(HINT))?;
        let method: String = serde_json::from_str(method).map_err(|_| {
            Error::invalid(match json::type_name(method) {
                // One with a lone surrogate.
                "a string" => r#""method" is not valid Unicode"#.to_owned(),
                found => format!(r#""method" must be a string, found {found}"#),
            })
            .with_hint(HINT)
        })?;
        let params = params.unwrap_or("{}");
        if !params.starts_with('{') {
            return Err(Error::invalid(format!(r#""params" must be an object, found {}"#, json::type_name(params)))
                .with_hint(HINT));
        }
        Self::new(method, params)
    }

    /// Creates a command whose params are a value that serializes to a JSON object.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for an empty method, and for params that do not serialize to a
    /// JSON object.
    pub fn from_params(method: impl AsRef<str>, params: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Self::new(method, to_json(params)?)
    }

    /// Adds a param at the end, such as an optional one. It overrides one with the same key, since servers use the last.
    ///
    /// ```
    /// let command = cent::Command::disconnect("42").with_param("client", "8d1f")?;
    /// assert_eq!(command.params(), r#"{"user":"42","client":"8d1f"}"#);
    /// # Ok::<(), cent::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a value that cannot be serialized as JSON.
    pub fn with_param(self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let mut params = self.params().to_owned();
        // The closing brace.
        params.pop();
        if params.trim_ascii_end() != "{" {
            params.push(',');
        }
        json::push_string(&mut params, key);
        params.push(':');
        params.push_str(&to_json(value)?);
        params.push('}');
        Self::new(self.method(), params)
    }

    /// Validates the command against the rules of the endpoint's server version, so that an invalid command is found
    /// before it is batched with others.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a known method without the params that it requires, such as
    /// a publish without a channel or a disconnect without a user: the server would reject it without a reason or
    /// misinterpret it.
    pub fn validated(self, endpoint: &Endpoint) -> Result<Self, Error> {
        self.validate(endpoint.version())?;
        Ok(self)
    }

    /// Adds an idempotency key as the first param, so that a server from Centrifugo 5.2 on executes the command once
    /// within 5 minutes, even if it is sent several times.
    ///
    /// A command that has a key keeps it. A method that takes none is left as it is: only publish, broadcast, `map_publish`
    /// and `map_remove` do.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: IdempotencyKey) -> Self {
        if self.idempotency_key == KeyParam::Missing && self.takes_idempotency_key() {
            let start = self.params.find('{').map_or(0, |brace| brace + 1);
            let is_empty = self.params.get(start..).is_some_and(|rest| rest.trim_start().starts_with('}'));
            let separator = if is_empty { "" } else { "," };
            self.params.insert_str(start, &format!("\"idempotency_key\":\"{key}\"{separator}"));
            self.idempotency_key = KeyParam::Present;
        }
        self
    }

    /// Whether the command has an idempotency key that a server can recognize.
    pub fn has_idempotency_key(&self) -> bool {
        self.idempotency_key == KeyParam::Present && self.takes_idempotency_key()
    }

    fn takes_idempotency_key(&self) -> bool {
        self.method.is_some_and(Method::takes_idempotency_key)
    }

    /// The method's name, as written.
    pub fn method(&self) -> &str {
        self.other_name.as_deref().or(self.method.map(|method| method.name)).unwrap_or_default()
    }

    /// What is known of the method; `None` if this crate does not know it.
    pub fn known_method(&self) -> Option<&'static Method> {
        self.method
    }

    /// The params that no version of the endpoint's servers has: they are ignored without a word, so that a `disconnect`
    /// with a misspelled `client` closes all connections of the user. Each is named as it is written, escapes decoded.
    ///
    /// Empty where the method is unknown, and for methods of Centrifugo PRO.
    ///
    /// ```
    /// use cent::{Address, Command, Endpoint};
    ///
    /// let endpoint = Endpoint::with_api_key(Address::parse("http://localhost:8000")?, "key")?;
    /// let command = Command::new("disconnect", r#"{"user": "42", "clinet": "8d1f"}"#)?;
    /// assert_eq!(command.unknown_params(&endpoint), ["clinet"]);
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn unknown_params(&self, endpoint: &Endpoint) -> Vec<String> {
        let version = endpoint.version();
        let has_unknown = match version {
            ApiVersion::V1 => self.unknown_params.v1,
            ApiVersion::V2 => self.unknown_params.v2,
        };
        let Some(method) = self.method_in(version).filter(|method| has_unknown && !method.is_pro) else {
            return Vec::new();
        };
        let is_known = |key: &str| {
            let mut params = method.params.iter().filter(|param| param.versions(version).is_some());
            params.any(|param| json::keys_equal(key, param.name))
        };
        let object = json::as_object(&self.params);
        let keys = object.iter().flat_map(RawObject::iter).map(|(key, _)| key.into_owned());
        keys.filter(|key| !is_known(key)).collect()
    }

    /// What is known of the method, if servers of this version have it: Centrifugo 1 has names in lower case only.
    pub(crate) fn method_in(&self, version: ApiVersion) -> Option<&'static Method> {
        let is_found_by_name = version == ApiVersion::V2 || self.other_name.is_none();
        self.method.filter(|method| is_found_by_name && method.versions(version).is_some())
    }

    /// The name as the servers write it in paths and batches of Centrifugo 5 and later: that of a known method in lower
    /// case.
    pub(crate) fn canonical_name(&self) -> &str {
        self.method.map_or_else(|| self.method(), |method| method.name)
    }

    /// Whether this is a broadcast, whose reply can have an error for each channel.
    pub(crate) fn is_broadcast(&self) -> bool {
        self.canonical_name() == "broadcast"
    }

    /// The params as written, without surrounding whitespace.
    pub fn params(&self) -> &str {
        self.params.trim_ascii()
    }

    /// The text that the params were created of, surrounding whitespace included. A program that creates many commands can
    /// use its memory again.
    pub fn into_params(self) -> String {
        self.params
    }

    /// Whether the command changes nothing on a server of this version.
    pub(crate) fn is_read_only(&self, version: ApiVersion) -> bool {
        self.method_in(version).is_some_and(|method| method.is_read_only)
    }

    /// Rejects params that a server of this version would reject without a reason or misinterpret.
    pub(crate) fn validate(&self, version: ApiVersion) -> Result<(), Error> {
        if let Some((problem, hint)) = self.name_problem(version) {
            return Err(Error::invalid(format!("{}: {problem}", self.method())).with_hint(hint));
        }
        let errors = self.param_errors.as_ref().filter(|_| self.method_in(version).is_some());
        errors.and_then(|errors| errors.in_version(version)).map_or(Ok(()), |error| {
            let result = Error::invalid(format!("{}: {error}", self.method())).with_param(error.name());
            Err(match error.hint() {
                Some(hint) => result.with_hint(hint),
                None => result,
            })
        })
    }

    /// Why it cannot be sent to Centrifugo 5 and later, where the method's name is a part of the URL.
    fn name_problem(&self, version: ApiVersion) -> Option<(&'static str, &'static str)> {
        let is_segment = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if version == ApiVersion::V1 {
            None
        } else if self.method().eq_ignore_ascii_case("batch") {
            Some(("not a method of its own", "send the commands of the batch"))
        } else if self.method_in(version).is_none() && !self.method().chars().all(is_segment) {
            Some(("not a valid method name", "use letters, digits, _ and - only"))
        } else {
            None
        }
    }
}

fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| {
        Error::invalid("params cannot be serialized as JSON").with_hint("map keys must be strings").with_source(error)
    })
}

fn not_an_object(text: &[u8], error: &SyntaxError, hint: &str) -> Error {
    invalid_text(text, error).with_hint(error.hint.unwrap_or(hint))
}

fn invalid_text(text: &[u8], error: &SyntaxError) -> Error {
    let result = Error::invalid(&error.message).with_location(json::locate(text, error.offset));
    error.hint.into_iter().fold(result, Error::with_hint)
}

/// Checks that bytes are UTF-8, with the errors of [`Command::new`].
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the error shows line, column and the text there.
pub fn check_utf8(text: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(text).map_err(|error| invalid_text(text, &json::invalid_utf8(text, error)))
}

/// Checks that bytes are one JSON value, such as one that is to be a part of params, with the errors of
/// [`Command::new`].
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid); the error shows line, column and the text there.
pub fn check_json(text: &[u8]) -> Result<&str, Error> {
    let json = check_utf8(text)?;
    json::check_value(json).map_err(|error| invalid_text(text, &error))?;
    Ok(json)
}

/// All else follows from these.
impl Hash for Command {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.method(), &self.params).hash(state);
    }
}

/// Shows only the size of the params: they can be megabytes.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:?}, {} bytes of params)", self.method(), self.params.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RequestBuilder;
    use crate::server::address::Address;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde::de::IgnoredAny;

    #[test]
    fn rejects_empty_method() {
        assert!(Command::new("", "{}").is_err());
    }

    #[test]
    fn parses_command_json() {
        let command = Command::from_json(r#" {"params": {"a": 1.0}, "m\u0065thod": "pub\u006cish"} "#).unwrap();
        assert_eq!((command.method(), command.params()), ("publish", r#"{"a": 1.0}"#));
        assert_eq!(Command::from_json(r#"{"method": "info"}"#).unwrap().params(), "{}");
    }

    #[test]
    fn param_is_added_at_the_end() {
        let with_param = |params: &str, value: &str| {
            let command = Command::new("quux", params).unwrap().with_param("a b", value).unwrap();
            command.params().to_owned()
        };
        assert_eq!(with_param(" {} ", "x"), r#"{"a b":"x"}"#);
        assert_eq!(with_param("{\n}\n", "\""), "{\n\"a b\":\"\\\"\"}");
        assert_eq!(with_param(r#"{"a b":{}}"#, "x"), r#"{"a b":{},"a b":"x"}"#);
        let unserializable = std::collections::BTreeMap::from([([1], 2)]);
        let error = Command::info().with_param("a", &unserializable).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
    }

    #[test]
    fn rejects_invalid_command_json() {
        for (bad, message) in [
            ("[]", "expected a JSON object, found an array at line 1, column 1"),
            ("{", "invalid JSON: unexpected end of input at line 1, column 2"),
            ("{}", r#"missing key "method" in command"#),
            (r#"{"method": ""}"#, "method is empty"),
            (r#"{"method": 1}"#, r#""method" must be a string, found a number"#),
            (r#"{"method": "\ud800"}"#, r#""method" is not valid Unicode"#),
            (r#"{"method": "x", "params": null}"#, r#""params" must be an object, found null"#),
            (r#"{"method": "x", "params": [{}]}"#, r#""params" must be an object, found an array"#),
            (r#"{"method": "x", "uid": "1"}"#, "unknown key \"uid\" in command"),
            (r#"{"method": "x", "METHOD": "y"}"#, "unknown key \"METHOD\" in command"),
            (r#"{"method": "x", "method": "x"}"#, "duplicate key \"method\" in command"),
        ] {
            let error = Command::from_json(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{message}; ")), "{error}");
        }
    }

    #[test]
    fn error_line_can_start_later() {
        let error = Command::new("publish", "{\"a\" 1}").unwrap_err().with_first_line(5001).to_string();
        assert!(error.starts_with("invalid JSON: expected `:` at line 5001, column 6; "), "{error}");
    }

    #[test]
    fn method_names_fit_into_a_path_since_v2() {
        let problem = |name, version| Command::new(name, "{}").unwrap().name_problem(version);
        let is_fine = |name| problem(name, ApiVersion::V2).is_none();
        assert!(["publish", "PUBLISH", "dıſconnect", "x-y_Z0"].into_iter().all(is_fine));
        assert!(!["a/b", "..", "a b", "é", "a?b", "batch", "Batch"].into_iter().any(is_fine));
        assert_eq!(problem("a/b", ApiVersion::V1), None);
    }

    #[test]
    fn v1_methods_are_case_sensitive() {
        let is_read_only = |name, version| Command::new(name, "{}").unwrap().is_read_only(version);
        assert!(is_read_only("HISTORY", ApiVersion::V2) && !is_read_only("HISTORY", ApiVersion::V1));
        assert!(is_read_only("history", ApiVersion::V1) && !is_read_only("quux", ApiVersion::V2));
    }

    fn keyed(method: &str, params: &str) -> Command {
        let key = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        Command::new(method, params).unwrap().with_idempotency_key(key)
    }

    #[test]
    fn order_of_params_changes_no_check() {
        let values = ["\"a\"", "\"\"", "null", "1", "{}", "[]", "[\"a\"]", "[null]", "true"];
        for (method, keys) in [
            ("publish", ["channel", "data"]),
            ("publish", ["channel", "b64data"]),
            ("broadcast", ["channels", "data"]),
            ("subscribe", ["user", "channel"]),
            ("disconnect", ["user", "disconnect"]),
            ("map_remove", ["channel", "key"]),
            ("rpc", ["method", "params"]),
            ("publish", ["idempotency_key", "channel"]),
        ] {
            for (first, second) in values.iter().flat_map(|first| values.iter().map(move |second| (first, second))) {
                let [a, b] = [(keys[0], first), (keys[1], second)].map(|(key, value)| format!("\"{key}\":{value}"));
                let [ordered, reversed] =
                    [[&a, &b], [&b, &a]].map(|[a, b]| Command::new(method, format!("{{{a},{b}}}")).unwrap());
                assert!(ordered.param_errors == reversed.param_errors, "{method} {a} {b}");
                let facts = |command: &Command| (command.unknown_params, command.idempotency_key);
                assert_eq!(facts(&ordered), facts(&reversed), "{method} {a} {b}");
            }
        }
    }

    #[test]
    fn key_is_inserted_as_first_param() {
        const KEY: &str = r#""idempotency_key":"000102030405060708090a0b0c0d0e0f""#;
        for method in ["publish", "BROADCAST", "map_publish", "map_remove"] {
            let command = keyed(method, " {\r\n \"a\": 1.0} ");
            assert_eq!(command.params(), format!("{{{KEY},\r\n \"a\": 1.0}}"));
            assert!(command.has_idempotency_key());
            assert_eq!(keyed(method, "{ }").params(), format!("{{{KEY} }}"));
        }
    }

    #[test]
    fn own_key_is_kept() {
        for (own, is_key) in [
            (r#"{"a": 1, "idempotency_key": "k"}"#, true),
            (r#"{"Idempotency_Key":"k"}"#, true),
            (r#"{"idempotency_key": ""}"#, false),
            (r#"{"idempotency_key": null}"#, false),
            (r#"{"idempotency_key": "k", "idempotency_key": ""}"#, false),
        ] {
            let command = keyed("publish", own);
            assert_eq!((command.params(), command.has_idempotency_key()), (own, is_key));
        }
    }

    #[test]
    fn other_methods_take_no_key() {
        for method in ["history", "rpc", "quux"] {
            let command = keyed(method, r#"{"a":1}"#);
            assert_eq!((command.params(), command.has_idempotency_key()), (r#"{"a":1}"#, false));
        }
        assert!(!Command::new("rpc", r#"{"idempotency_key":"k"}"#).unwrap().has_idempotency_key());
    }

    /// Texts, about half of which are a JSON object.
    fn text() -> impl Strategy<Value = String> {
        let piece = select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\\",
            "\"a\":",
            "\"a\": 1.0,",
            "\"\\ud800\"",
            "1e400",
            "-0",
            "null",
            "true",
            "NaN",
            "{}",
            "[]",
            " ",
            "\t",
            "\r\n",
            "\u{feff}",
            "\u{a0}",
            "\0",
            "é",
            "01",
            "{\"a\":1}",
            "\"b\":{\"c\":[",
        ]);
        let pieces = || prop::collection::vec(piece.clone(), 0..8).prop_map(|pieces| pieces.concat());
        let member = ("[a-c]{0,2}", select(vec!["1", "\"x\"", "[{}]", "null", " 1.50 ", "\"\\u0041\""]));
        let members = prop::collection::vec(member, 0..5).prop_map(|members| {
            members.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect::<Vec<_>>().join(",\n ")
        });
        prop_oneof![
            pieces(),
            pieces().prop_map(|inside| format!("{{{inside}}}")),
            members.prop_map(|members| format!(" {{{members}}}\r\n")),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn params_are_sent_as_written(text in text()) {
            let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
            let is_object = trimmed.starts_with('{') && serde_json::from_str::<IgnoredAny>(&text).is_ok();
            let command = Command::new("quux", text.as_str());
            prop_assert_eq!(command.is_ok(), is_object);
            let Ok(command) = command else { return Ok(()) };
            let endpoint = Endpoint::with_secret(Address::parse("http://h").unwrap(), "s").unwrap();
            let commands = [command];
            let body: String = RequestBuilder::new(endpoint).request(&commands).unwrap().body().collect();
            prop_assert_eq!(body, format!(r#"[{{"method":"quux","params":{trimmed}}}]"#));
        }
    }
}
