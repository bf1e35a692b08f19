//! Commands: a method and its params, checked before anything is sent.

use std::borrow::Cow;
use std::fmt;

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::json::{self, Flaw, Members};

/// One command of the API: a method and its params, a JSON object that travels byte for byte as written.
///
/// ```
/// use cent::Command;
///
/// let command = Command::new("publish", r#"{"channel": "news", "data": 1.0}"#)?;
/// assert_eq!(command.params(), r#"{"channel": "news", "data": 1.0}"#);
/// assert!(Command::new("publish", "[]").is_err());
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Borrowed where it is one of [`METHODS`], so that a stream of commands need not copy it.
    method: Cow<'static, str>,
    params: String,
    /// What its params lack, if anything, found while they were read anyway.
    lacks: Option<Box<Lacks>>,
}

impl Command {
    /// Makes a command of a method's name and the text of its params.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for
    /// - an empty method,
    /// - params that are not one JSON object in UTF-8; the error shows line, column and place.
    pub fn new(method: impl AsRef<str>, params: impl Into<Vec<u8>>) -> Result<Self, Error> {
        const HINT: &str = r#"params are one JSON object, such as {"channel": "news"}"#;
        let method = method.as_ref();
        if method.is_empty() {
            // Centrifugo 2 and later run a command without a method as publish.
            return Err(Error::invalid("the method is empty").hint("name one, such as publish"));
        }
        let params = String::from_utf8(params.into())
            .map_err(|error| no_object(error.as_bytes(), &json::no_utf8(error.as_bytes(), error.utf8_error()), HINT))?;
        let members = json::object(&params).map_err(|flaw| no_object(params.as_bytes(), &flaw, HINT))?;
        let lacks = Lacks::of(method, &members);
        let method = exactly(method).map_or_else(|| method.to_owned().into(), |known| known.name.into());
        Ok(Self { method, params, lacks })
    }

    /// Reads a command that is written out: `{"method": …, "params": …}`; without params they are `{}`.
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
    /// - a text that is not one JSON object in UTF-8,
    /// - a method that is missing, empty, or no string,
    /// - params that are no object,
    /// - any further key, and any that is there twice.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self, Error> {
        const FORM: &str = r#"write {"method": "publish", "params": {…}}"#;
        let text = text.as_ref();
        let members = std::str::from_utf8(text)
            .map_err(|error| json::no_utf8(text, error))
            .and_then(json::object)
            .map_err(|flaw| no_object(text, &flaw, FORM))?;
        let (mut method, mut params) = (None, None);
        for (key, value) in members.iter() {
            let known = match &*key {
                "method" => &mut method,
                "params" => &mut params,
                _ => return Err(Error::invalid(format!("a command has no key {key:?}")).hint(FORM)),
            };
            if known.replace(value).is_some() {
                return Err(Error::invalid(format!("the command has two keys {key:?}")).hint(FORM));
            }
        }
        let method = method.ok_or_else(|| Error::invalid("the command names no method").hint(FORM))?;
        let method: String = serde_json::from_str(method)
            .map_err(|_| Error::invalid(format!("the method is {}, no string", json::kind(method))).hint(FORM))?;
        let params = params.unwrap_or("{}");
        if !params.starts_with('{') {
            return Err(Error::invalid(format!("the params are {}, no object", json::kind(params))).hint(FORM));
        }
        Self::new(method, params)
    }

    /// Checks what the servers of this endpoint's form would refuse without a reason or take for something else, so
    /// that it need not be found when the command stands in a request with others.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a known method without the params that it needs, such as a
    /// publish without a channel or a disconnect without a user.
    pub fn checked(self, endpoint: &Endpoint) -> Result<Self, Error> {
        self.check(endpoint.rules())?;
        Ok(self)
    }

    /// The method's name.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The params as written, without white space around them.
    pub fn params(&self) -> &str {
        self.params.trim_ascii()
    }

    /// The text that the params were made of, white space included.
    pub fn into_params(self) -> String {
        self.params
    }

    /// The channels of a broadcast as they are written, quotes included.
    pub(crate) fn channels(&self) -> Vec<&str> {
        json::members(self.params())
            .and_then(|params| value(&params, "channels"))
            .and_then(json::elements)
            .unwrap_or_default()
    }

    /// Checks what the servers of these rules would refuse without a reason, or would take for something else.
    pub(crate) fn check(&self, rules: Rules) -> Result<(), Error> {
        let lack = self.lacks.as_ref().and_then(|lacks| match rules {
            Rules::First => lacks.first,
            Rules::Later => lacks.later,
        });
        lack.map_or(Ok(()), |Lack { need, flaw }| {
            Err(Error::invalid(format!("{} needs {need}: {flaw}", self.method))
                .hint(format!("add {} to the params", need.key())))
        })
    }
}

fn no_object(text: &[u8], flaw: &Flaw, hint: &str) -> Error {
    Error::invalid(format!("no JSON object: {}", flaw.what)).hint(hint).place(json::place(text, flaw.offset))
}

/// Shows the size of the params only: they can be megabytes.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:?}, {} bytes of params)", self.method, self.params.len())
    }
}

/// Which methods there are, and what they need: Centrifugo 1 differs from its successors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Centrifugo 1: methods in lower case only.
    First,
    /// Centrifugo 2 to 6: methods in any case.
    Later,
}

/// What params lack by the rules of either form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lacks {
    first: Option<Lack>,
    later: Option<Lack>,
}

impl Lacks {
    fn of(method: &str, params: &Members<'_>) -> Option<Box<Self>> {
        let needs = |rules| known(method, rules).map_or(NOTHING, |known| known.needs(rules));
        let (needed, needed_later) = (needs(Rules::First), needs(Rules::Later));
        let first = Lack::of(needed, params);
        // What the first rules did not miss need not be looked for again.
        let is_met = |need: &Need| first.is_none() && needed.iter().any(|met| met.implies(*need));
        let later = needed_later.iter().filter(|need| !is_met(need)).find_map(|&need| Lack::in_need(need, params));
        (first.is_some() || later.is_some()).then(|| Box::new(Self { first, later }))
    }
}

/// The first need that params do not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lack {
    need: Need,
    flaw: &'static str,
}

impl Lack {
    fn of(needs: &[Need], params: &Members<'_>) -> Option<Self> {
        needs.iter().find_map(|&need| Self::in_need(need, params))
    }

    fn in_need(need: Need, params: &Members<'_>) -> Option<Self> {
        Some(Self { need, flaw: need.flaw(params)? })
    }
}

/// A param that a method cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A string that is not empty.
    Name(&'static str),
    /// A string; an empty one is the user's choice, but its absence an accident: from Centrifugo 3 on it means all
    /// connections without a user (seen on 3.2.3 to 6.9.1).
    User,
    /// A list, not empty, of strings that are not empty.
    Channels,
    /// Any value, null too.
    Data,
    /// The same, where `b64data` will do.
    DataOrB64,
}

impl Need {
    fn implies(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Data, Self::DataOrB64)
    }

    fn key(self) -> &'static str {
        match self {
            Self::Name(key) => key,
            Self::User => "user",
            Self::Channels => "channels",
            Self::Data | Self::DataOrB64 => "data",
        }
    }

    /// What is wrong with it in these params, if anything.
    fn flaw(self, params: &Members<'_>) -> Option<&'static str> {
        let value = value(params, self.key());
        match self {
            Self::Name(_) => name_flaw(value),
            Self::User => {
                value.map_or(Some("it is missing"), |user| (!user.starts_with('"')).then_some("it is no string"))
            }
            Self::Channels => channels_flaw(value),
            Self::Data => value.is_none().then_some("it is missing"),
            Self::DataOrB64 => (value.is_none() && self::value(params, "b64data").is_none()).then_some("it is missing"),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())?;
        f.write_str(match self {
            Self::Name(_) => ", a string that is not empty",
            Self::User => ", a string",
            Self::Channels => ", a list of channels",
            Self::Data => ", any JSON value",
            Self::DataOrB64 => ", any JSON value, or b64data",
        })
    }
}

fn name_flaw(value: Option<&str>) -> Option<&'static str> {
    match value {
        None => Some("it is missing"),
        Some("\"\"") => Some("it is empty"),
        Some(value) if !value.starts_with('"') => Some("it is no string"),
        Some(_) => None,
    }
}

fn channels_flaw(value: Option<&str>) -> Option<&'static str> {
    let Some(value) = value else { return Some("it is missing") };
    match json::elements(value) {
        None => Some("it is no list"),
        Some(channels) if channels.is_empty() => Some("it is empty"),
        Some(channels) => channels
            .into_iter()
            .any(|channel| name_flaw(Some(channel)).is_some())
            .then_some("a channel in it is no string, or empty"),
    }
}

/// The value that the servers find under a key: in any letter case, of several the last.
///
/// null counts as absent, except for data, which may be null; before another value of the same key it leaves that one
/// in place (encoding/json of Go; seen on 1.8.0 and 6.9.1).
fn value<'a>(params: &Members<'a>, name: &str) -> Option<&'a str> {
    let mut values = params.values(name).rev();
    match name {
        "data" => values.next(),
        // A list, unlike a string, is emptied by null.
        "channels" => values.next().filter(|&value| value != "null"),
        _ => values.find(|&value| value != "null"),
    }
}

/// A method that this crate knows.
struct Known {
    name: &'static str,
    /// What Centrifugo 1 needs; nothing where it has no such method.
    first: Option<&'static [Need]>,
    /// What Centrifugo 2 to 6 need; nothing where they have no such method.
    later: Option<&'static [Need]>,
}

impl Known {
    fn needs(&self, rules: Rules) -> &'static [Need] {
        match rules {
            Rules::First => self.first,
            Rules::Later => self.later,
        }
        .unwrap_or_default()
    }
}

const CHANNEL: Need = Need::Name("channel");
const KEY: Need = Need::Name("key");
const NOTHING: &[Need] = &[];

const fn both(name: &'static str, first: &'static [Need], later: &'static [Need]) -> Known {
    Known { name, first: Some(first), later: Some(later) }
}

const fn first(name: &'static str, needs: &'static [Need]) -> Known {
    Known { name, first: Some(needs), later: None }
}

const fn later(name: &'static str, needs: &'static [Need]) -> Known {
    Known { name, first: None, later: Some(needs) }
}

/// The methods of Centrifugo 1.8.0 and of 2.8.6 to 6.9.1 (libcentrifugo/api of the one, internal/api of the others).
const METHODS: &[Known] = &[
    both("publish", &[CHANNEL, Need::Data], &[CHANNEL, Need::DataOrB64]),
    both("broadcast", &[Need::Channels, Need::Data], &[Need::Channels, Need::DataOrB64]),
    later("subscribe", &[Need::User, CHANNEL]),
    both("unsubscribe", &[Need::User], &[Need::User, CHANNEL]),
    both("disconnect", &[Need::User], &[Need::User]),
    later("refresh", &[Need::User]),
    both("presence", &[CHANNEL], &[CHANNEL]),
    later("presence_stats", &[CHANNEL]),
    both("history", &[CHANNEL], &[CHANNEL]),
    later("history_remove", &[CHANNEL]),
    both("channels", NOTHING, NOTHING),
    first("stats", NOTHING),
    first("node", NOTHING),
    later("info", NOTHING),
    later("rpc", NOTHING),
    later("map_publish", &[CHANNEL, KEY]),
    later("map_remove", &[CHANNEL, KEY]),
    later("map_read_state", &[CHANNEL]),
    later("map_read_stream", &[CHANNEL]),
    later("map_stats", &[CHANNEL]),
    later("map_clear", &[CHANNEL]),
    later("shared_poll_publish", &[CHANNEL, KEY]),
];

fn known(method: &str, rules: Rules) -> Option<&'static Known> {
    let in_any_case = || METHODS.iter().find(|known| rules == Rules::Later && same_method(known.name, method));
    exactly(method).or_else(in_any_case).filter(|known| match rules {
        Rules::First => known.first.is_some(),
        Rules::Later => known.later.is_some(),
    })
}

fn exactly(method: &str) -> Option<&'static Known> {
    METHODS.iter().find(|known| known.name == method)
}

/// In upper case, as the servers compare: it takes ı and ſ for I and S.
fn same_method(name: &str, method: &str) -> bool {
    name.chars().flat_map(char::to_uppercase).eq(method.chars().flat_map(char::to_uppercase))
}

/// The names of the methods under these rules.
pub(crate) fn method_names(rules: Rules) -> impl Iterator<Item = &'static str> {
    METHODS
        .iter()
        .filter(move |known| match rules {
            Rules::First => known.first.is_some(),
            Rules::Later => known.later.is_some(),
        })
        .map(|known| known.name)
}

/// The names of all methods that this crate knows, whatever the version; [`Endpoint::known_methods`] tells those of one.
///
/// ```
/// assert!(cent::known_methods().any(|name| name == "publish"));
/// ```
pub fn known_methods() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|known| known.name)
}

/// Whether the method is one of those that this crate knows.
pub(crate) fn is_known(method: &str, rules: Rules) -> bool {
    known(method, rules).is_some()
}

/// Whether this is broadcast, whose reply can hold an error for each channel.
pub(crate) fn is_broadcast(method: &str) -> bool {
    known(method, Rules::Later).is_some_and(|known| known.name == "broadcast")
}

/// Whether a method does without params, whatever the version: `channels`, `stats`, `node` and `info`.
pub fn needs_no_params(method: &str) -> bool {
    ["channels", "stats", "node", "info"].iter().any(|name| same_method(name, method))
}

/// The candidate that `name` was most likely meant to be, if any is near enough to be worth naming.
///
/// ```
/// assert_eq!(cent::nearest("publsh", ["broadcast", "publish"]), Some("publish"));
/// assert_eq!(cent::nearest("rpc", ["broadcast", "publish"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        // One slip in three letters at most: further off, a guess misleads more than it helps.
        .filter(|(slips, candidate)| slips * 3 <= name.chars().count().max(candidate.chars().count()))
        .min_by_key(|&(slips, _)| slips)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Address;
    use crate::request::HttpRequest;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde::de::IgnoredAny;

    fn checked(method: &str, params: &str, rules: Rules) -> String {
        let command = Command::new(method, params).unwrap();
        command.check(rules).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[track_caller]
    fn fine(method: &str, params: &str) {
        assert_eq!(checked(method, params, Rules::First), "fine");
        assert_eq!(checked(method, params, Rules::Later), "fine");
    }

    #[track_caller]
    fn lacks(method: &str, params: &str, key: &str, flaw: &str) {
        for rules in [Rules::First, Rules::Later] {
            let found = checked(method, params, rules);
            assert!(found.starts_with(&format!("{method} needs {key}")), "{found}");
            assert!(found.contains(&format!(": {flaw}; add ")), "{found}");
        }
    }

    #[test]
    fn publish_needs_a_channel_and_data() {
        fine("publish", r#"{"channel": "news", "data": null}"#);
        lacks("publish", r#"{"data": 1}"#, "channel", "it is missing");
        lacks("publish", r#"{"channel": "", "data": 1}"#, "channel", "it is empty");
        lacks("publish", r#"{"channel": 5, "data": 1}"#, "channel", "it is no string");
        lacks("publish", r#"{"channel": null, "data": 1}"#, "channel", "it is missing");
        lacks("publish", r#"{"channel": "news"}"#, "data", "it is missing");
    }

    #[test]
    fn broadcast_needs_channels_and_data() {
        fine("broadcast", r#"{"channels": ["a", "b"], "data": {}}"#);
        lacks("broadcast", r#"{"data": 1}"#, "channels", "it is missing");
        lacks("broadcast", r#"{"channels": [], "data": 1}"#, "channels", "it is empty");
        lacks("broadcast", r#"{"channels": "a", "data": 1}"#, "channels", "it is no list");
        for bad in [r#"["a", ""]"#, r#"["a", null]"#, r#"["a", 1]"#] {
            let params = format!(r#"{{"channels": {bad}, "data": 1}}"#);
            lacks("broadcast", &params, "channels", "a channel in it is no string, or empty");
        }
        lacks("broadcast", r#"{"channels": ["a"], "channels": null, "data": 1}"#, "channels", "it is missing");
        lacks("broadcast", r#"{"channels": ["a"]}"#, "data", "it is missing");
    }

    #[test]
    fn user_may_be_empty_but_not_absent() {
        fine("disconnect", r#"{"user": ""}"#);
        lacks("disconnect", "{}", "user", "it is missing");
        lacks("disconnect", r#"{"user": null}"#, "user", "it is missing");
        lacks("disconnect", r#"{"user": 42}"#, "user", "it is no string");
        lacks("unsubscribe", r#"{"channel": "a"}"#, "user", "it is missing");
    }

    #[test]
    fn channel_methods_need_a_channel() {
        for method in ["presence", "history"] {
            fine(method, r#"{"channel": "a"}"#);
            lacks(method, "{}", "channel", "it is missing");
        }
        for method in ["presence_stats", "history_remove", "map_stats"] {
            assert_eq!(checked(method, "{}", Rules::First), "fine");
            assert_ne!(checked(method, "{}", Rules::Later), "fine");
        }
    }

    #[test]
    fn later_versions_need_the_channel_of_unsubscribe_and_subscribe() {
        assert_eq!(checked("unsubscribe", r#"{"user": "u"}"#, Rules::First), "fine");
        assert_ne!(checked("unsubscribe", r#"{"user": "u"}"#, Rules::Later), "fine");
        assert_ne!(checked("subscribe", r#"{"user": "u"}"#, Rules::Later), "fine");
        assert_ne!(checked("subscribe", r#"{"channel": "c"}"#, Rules::Later), "fine");
        assert_ne!(checked("refresh", r#"{"channel": "c"}"#, Rules::Later), "fine");
    }

    #[test]
    fn later_versions_take_b64data_for_data() {
        let params = r#"{"channel": "a", "b64data": "AA=="}"#;
        assert_ne!(checked("publish", params, Rules::First), "fine");
        assert_eq!(checked("publish", params, Rules::Later), "fine");
    }

    #[test]
    fn keys_are_read_as_the_servers_do() {
        fine("publish", r#"{"CHANNEL": "a", "d\u0061ta": 1}"#);
        fine("publish", r#"{"channel": 5, "Channel": "a", "data": 1}"#);
        fine("publish", r#"{"channel": "a", "channel": null, "data": 1}"#);
        fine("disconnect", r#"{"uſer": "a"}"#);
        lacks("publish", r#"{"channel": "a", "CHANNEL": "", "data": 1}"#, "channel", "it is empty");
    }

    #[test]
    fn methods_are_taken_in_any_case_by_later_versions_only() {
        assert_eq!(checked("DISCONNECT", "{}", Rules::First), "fine");
        assert_ne!(checked("DISCONNECT", "{}", Rules::Later), "fine");
        assert_ne!(checked("dıſconnect", "{}", Rules::Later), "fine");
    }

    #[test]
    fn unknown_methods_are_not_checked() {
        fine("quux", "{}");
    }

    #[test]
    fn an_empty_method_is_refused() {
        assert!(Command::new("", "{}").is_err());
    }

    #[test]
    fn a_command_written_out_has_a_method_and_params() {
        let command = Command::from_json(r#" {"params": {"a": 1.0}, "m\u0065thod": "pub\u006cish"} "#).unwrap();
        assert_eq!((command.method(), command.params()), ("publish", r#"{"a": 1.0}"#));
        assert_eq!(Command::from_json(r#"{"method": "info"}"#).unwrap().params(), "{}");
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for (bad, flaw) in [
            ("[]", "no JSON object: an array at line 1, column 1"),
            ("{", "no JSON object: the text ends too early at line 1, column 2"),
            ("{}", "the command names no method"),
            (r#"{"method": ""}"#, "the method is empty"),
            (r#"{"method": 1}"#, "the method is a number, no string"),
            (r#"{"method": "\ud800"}"#, "the method is a string, no string"),
            (r#"{"method": "x", "params": null}"#, "the params are null, no object"),
            (r#"{"method": "x", "params": [{}]}"#, "the params are an array, no object"),
            (r#"{"method": "x", "uid": "1"}"#, "a command has no key \"uid\""),
            (r#"{"method": "x", "METHOD": "y"}"#, "a command has no key \"METHOD\""),
            (r#"{"method": "x", "method": "x"}"#, "the command has two keys \"method\""),
        ] {
            let error = Command::from_json(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{flaw}; ")), "{error}");
        }
    }

    #[test]
    fn a_line_of_a_larger_text_is_counted_as_such() {
        let error = Command::new("publish", "{\"a\" 1}").unwrap_err().counted_from(5001).to_string();
        assert!(error.starts_with("no JSON object: expected `:` at line 5001, column 6; "), "{error}");
    }

    #[test]
    fn four_methods_do_without_params() {
        assert!(["channels", "stats", "node", "info", "INFO"].into_iter().all(needs_no_params));
        assert!(!needs_no_params("publish"));
        assert!(!needs_no_params("presence_stats"));
    }

    #[test]
    fn near_names_are_found() {
        assert_eq!(nearest("publsh", method_names(Rules::First)), Some("publish"));
        assert_eq!(nearest("PUBLISH", method_names(Rules::First)), Some("publish"));
        assert_eq!(nearest("histroy", method_names(Rules::Later)), Some("history"));
        assert_eq!(nearest("frobnicate", method_names(Rules::Later)), None);
    }
    /// Texts that are a JSON object about as often as not.
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
        fn params_are_taken_if_they_are_an_object_and_travel_unchanged(text in text()) {
            let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
            let is_object = trimmed.starts_with('{') && serde_json::from_str::<IgnoredAny>(&text).is_ok();
            let command = Command::new("quux", text.as_str());
            prop_assert_eq!(command.is_ok(), is_object);
            let Ok(command) = command else { return Ok(()) };
            let endpoint = Endpoint::with_secret(Address::parse("http://h").unwrap(), "s").unwrap();
            let commands = [command];
            let body: String = HttpRequest::new(&endpoint, &commands).unwrap().body().collect();
            prop_assert_eq!(body, format!(r#"[{{"method":"quux","params":{trimmed}}}]"#));
        }
    }
}
