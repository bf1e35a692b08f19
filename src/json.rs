//! JSON read without decoding it: texts stay as written, whatever their size and depth.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::Utf8Error;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Place;

/// The members of one JSON object in their order, duplicates included; keys with their quotes, all as written.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Members<'a> {
    /// Keys with their escapes decoded, and values as written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> + '_ {
        self.0.iter().map(|&(key, value)| (decoded(key), value))
    }

    /// The value of the last member with exactly this key.
    pub(crate) fn last(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| decoded(key) == name).map(|&(_, value)| value)
    }

    /// The values that the servers find under a key.
    pub(crate) fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| is_key(key, name)).map(|&(_, value)| value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                // As much room as it would take with the first one: a size that is known is had faster.
                let mut members = Vec::with_capacity(4);
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push((key.get(), value.get()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// The members of the object that `text` is, or nothing where it is no object.
pub(crate) fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

/// The elements of the array that `text` is, or nothing where it is no array.
pub(crate) fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// The texts that `list` consists of where they are all the same, with a separator between; nothing where they are not.
pub(crate) fn repeated(list: &str, separator: char) -> Option<Vec<&str>> {
    let first = serde_json::Deserializer::from_str(list).into_iter::<&RawValue>().next()?.ok()?.get();
    let rest = list.strip_prefix(first)?;
    let Some(others) = rest.strip_prefix(separator) else { return rest.is_empty().then(|| vec![first]) };
    // Then it is the same as itself, one text further on: a single comparison.
    let step = list.len() - others.len();
    let is_whole = (others.len() + separator.len_utf8()).is_multiple_of(step);
    if !is_whole || !list.starts_with(others) {
        return None;
    }
    (0..list.len()).step_by(step).map(|start| list.get(start..start + first.len())).collect()
}

/// The text of a JSON string, or nothing where `text` is no string.
///
/// One with lone surrogates, which servers keep but no Rust string can hold, is given as written.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    text.starts_with('"').then(|| decoded(text))
}

fn unquoted(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

fn decoded(quoted: &str) -> Cow<'_, str> {
    let inner = unquoted(quoted);
    if inner.contains('\\') {
        serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
    } else {
        Cow::Borrowed(inner)
    }
}

/// Adds `text` as a JSON string.
pub(crate) fn push_quoted(to: &mut String, text: &str) {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        to.push('"');
        to.push_str(text);
        to.push('"');
    } else {
        to.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Whether the servers take a key, as it is written, for this one.
fn is_key(quoted: &str, name: &str) -> bool {
    let inner = unquoted(quoted);
    match inner.len().cmp(&name.len()) {
        Ordering::Less => false,
        Ordering::Equal => inner == name || inner.eq_ignore_ascii_case(name),
        // Escapes, and letters outside ASCII, take more bytes than what they stand for.
        Ordering::Greater => (inner.contains('\\') || !inner.is_ascii()) && same_key(&decoded(quoted), name),
    }
}

/// Whether two keys are the same to the servers: in any letter case, with the two letters outside ASCII that Go folds
/// into it (seen on 1.8.0; encoding/json of Go).
fn same_key(key: &str, name: &str) -> bool {
    let folded = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(name.chars())
}

/// What kind of value a JSON text begins with, in words.
pub(crate) fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Where a text stops being the JSON it should be, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// What was found there.
    pub(crate) what: String,
    /// How many bytes come before it.
    pub(crate) offset: usize,
}

/// What is wrong with bytes that are no UTF-8.
pub(crate) fn no_utf8(bytes: &[u8], error: Utf8Error) -> Flaw {
    let offset = error.valid_up_to();
    Flaw { what: format!("invalid UTF-8 (byte 0x{:02X})", bytes.get(offset).copied().unwrap_or_default()), offset }
}

/// Reads `text` as one JSON object, white space around it apart.
pub(crate) fn object(text: &str) -> Result<Members<'_>, Flaw> {
    if text.starts_with('\u{feff}') {
        return Err(Flaw { what: "a byte order mark".to_owned(), offset: 0 });
    }
    let start = text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len();
    serde_json::from_str(text).map_err(|error| match serde_json::from_str::<&RawValue>(text) {
        // Whole JSON, so only its kind can be wrong.
        Ok(value) => Flaw { what: kind(value.get()).to_owned(), offset: start },
        Err(_) => syntax(&error, text),
    })
}

fn syntax(error: &serde_json::Error, text: &str) -> Flaw {
    if error.is_eof() {
        return Flaw { what: "the text ends too early".to_owned(), offset: text.trim_end().len() };
    }
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    Flaw {
        what: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
        offset: offset(text, error.line(), error.column()),
    }
}

/// The offset of `serde_json`'s line (from 1) and column (in bytes, from 1; 0 for the line end before it).
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column).saturating_sub(1).min(text.len())
}

/// The place of an offset, with the text around it.
pub(crate) fn place(bytes: &[u8], offset: usize) -> Place {
    /// How many characters are shown before and after the place: a line of 80 columns in all.
    const AROUND: usize = 36;
    let (before, after) = bytes.split_at(offset.min(bytes.len()));
    let line = before.split(|&byte| byte == b'\n').count() as u64;
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let before: Vec<char> = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default()).chars().collect();
    // Four bytes a character at most: no need to look at megabytes.
    let after = after.get(..4 * AROUND).unwrap_or(after);
    let after: Vec<char> = String::from_utf8_lossy(after).chars().take_while(|&c| c != '\n').take(AROUND).collect();
    let shown = before.get(before.len().saturating_sub(AROUND)..).unwrap_or_default();
    let picture: String = shown.iter().chain(&after).map(|&c| if c.is_control() { ' ' } else { c }).collect();
    let picture = format!("  {picture}\n  {:>1$}", '^', shown.len() + 1);
    Place { line, column: before.len() + 1, picture }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> (String, usize) {
        let flaw = object(text).unwrap_err();
        (flaw.what, flaw.offset)
    }

    #[test]
    fn members_keep_order_duplicates_and_lone_surrogates() {
        let members = members(r#"{"a":1.0,"\u0061":2,"\ud800":"\udfff"}"#).unwrap();
        let all: Vec<_> = members.iter().map(|(key, value)| (key.into_owned(), value)).collect();
        assert_eq!(all, [("a".into(), "1.0"), ("a".into(), "2"), ("\\ud800".into(), r#""\udfff""#)]);
        assert_eq!(members.last("a"), Some("2"));
    }

    #[test]
    fn the_same_over_and_over_is_read_once() {
        assert_eq!(repeated("{\"a\":1},{\"a\":1}", ','), Some(vec!["{\"a\":1}"; 2]));
        assert_eq!(repeated("{}", ','), Some(vec!["{}"]));
        assert_eq!(repeated("[\"ü,ü\"]\n[\"ü,ü\"]\n[\"ü,ü\"]", '\n'), Some(vec!["[\"ü,ü\"]"; 3]));
        for list in ["{},[]", "{},", ",{}", " {}", "{}{}", "{} ,{}", "", "{,{", "{}\n"] {
            assert_eq!(repeated(list, ','), None, "{list}");
        }
        for list in ["1,11", "11,1", "1,1,2", "1,1,", "1,,1", "1,1,1 ", "{},{},{", "{},{}}", "{}\n{}"] {
            assert_eq!(repeated(list, ','), None, "{list}");
        }
    }

    #[test]
    fn depth_is_no_matter() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(object(&deep).is_ok());
    }

    #[test]
    fn keys_are_the_same_as_the_servers_fold_them() {
        for key in ["users", "USERS", "uſers", "UſERS"] {
            assert!(same_key(key, "users"), "{key}");
        }
        assert!(same_key("\u{212a}ey", "key"));
        assert!(!same_key("user", "users"));
        assert!(!same_key("üsers", "users"));
    }

    #[test]
    fn flaws_are_named_with_their_place() {
        assert_eq!(flaw(""), ("the text ends too early".into(), 0));
        assert_eq!(flaw("{\"a\": 1"), ("the text ends too early".into(), 7));
        assert_eq!(flaw(" [1]"), ("an array".into(), 1));
        assert_eq!(flaw("null"), ("null".into(), 0));
        assert_eq!(flaw("\"x\""), ("a string".into(), 0));
        assert_eq!(flaw("{} x"), ("trailing characters".into(), 3));
        assert_eq!(flaw("{\"a\": NaN}"), ("expected value".into(), 6));
        assert_eq!(flaw("{\n\"a\" 1}"), ("expected `:`".into(), 6));
        assert_eq!(flaw("\u{feff}{}"), ("a byte order mark".into(), 0));
        let bytes = [b"{\"a\": \"", &[0xff][..], b"\"}"].concat();
        let flaw = no_utf8(&bytes, std::str::from_utf8(&bytes).unwrap_err());
        assert_eq!((flaw.what.as_str(), flaw.offset), ("invalid UTF-8 (byte 0xFF)", 7));
    }

    #[track_caller]
    fn is_at(bytes: &[u8], offset: usize, line: u64, column: usize, picture: &str) {
        assert_eq!(place(bytes, offset), Place { line, column, picture: picture.to_owned() });
    }

    #[test]
    fn a_place_is_counted_in_characters_and_shown() {
        is_at("{\n\"ä\": x}".as_bytes(), 8, 2, 6, "  \"ä\": x}\n       ^");
        is_at(b"", 0, 1, 1, "  \n  ^");
        let long = "x".repeat(200);
        is_at(long.as_bytes(), 100, 1, 101, &format!("  {}\n  {}^", "x".repeat(72), " ".repeat(36)));
    }
}
