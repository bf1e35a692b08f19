//! Raw JSON: objects and arrays are split without decoding them, so that texts stay as written, whatever their size and
//! depth.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object in their order, duplicates included; keys with their quotes, all as written.
#[derive(Debug)]
pub(crate) struct RawObject<'a>(Vec<(&'a str, &'a str)>);

impl<'a> RawObject<'a> {
    /// Keys with their escapes decoded, and values as written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> + '_ {
        self.0.iter().map(|&(key, value)| (decoded(key), value))
    }

    /// Whether a key is written exactly like this, without escapes.
    pub(crate) fn has_plain_key(&self, name: &str) -> bool {
        self.0.iter().any(|&(key, _)| is_plain_key(key, name))
    }

    /// Keys with their quotes, as written.
    pub(crate) fn quoted_keys(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().map(|&(key, _)| key)
    }

    /// Values as written.
    pub(crate) fn values(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().map(|&(_, value)| value)
    }

    /// The value of the last member with exactly this key.
    pub(crate) fn get_last(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| decoded(key) == name).map(|&(_, value)| value)
    }

    /// The values that the servers find under a key, in any letter case.
    pub(crate) fn get_all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| matches_key(key, name)).map(|&(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for RawObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                // What the first push would reserve anyway; a constant size is faster to allocate.
                let mut members = Vec::with_capacity(4);
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push((key.get(), value.get()));
                }
                Ok(RawObject(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// Splits an object; `None` where the text is not an object.
pub(crate) fn as_object(text: &str) -> Option<RawObject<'_>> {
    serde_json::from_str(text).ok()
}

/// Splits an array; `None` where the text is not an array.
pub(crate) fn as_array(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// The first elements of an array as written, and how many it has: a server could send millions.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    pub(crate) first: Vec<&'a RawValue>,
    pub(crate) count: usize,
}

/// Splits an array, up to so many elements.
pub(crate) fn first_elements(text: &str, limit: usize) -> serde_json::Result<Elements<'_>> {
    let list = text.trim_ascii().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(elements) = list.and_then(|list| equal_elements(list, ',', limit)) {
        return Ok(elements);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let elements = ElementsSeed { limit }.deserialize(&mut deserializer)?;
    deserializer.end().map(|()| elements)
}

/// Splits a list whose elements are all written the same, as the replies to a batch often are: the others are compared
/// with the first one, not parsed.
pub(crate) fn equal_elements(list: &str, separator: char, limit: usize) -> Option<Elements<'_>> {
    let first = serde_json::Deserializer::from_str(list).into_iter::<&RawValue>().next()?.ok()?;
    let others = match list.strip_prefix(first.get())? {
        "" => "",
        rest => rest.strip_prefix(separator)?,
    };
    let (element_len, list_len) = (first.get().len() + separator.len_utf8(), list.len() + separator.len_utf8());
    // Then the list is the same from its second element on.
    let are_equal = list_len.is_multiple_of(element_len) && list.starts_with(others);
    let count = list_len / element_len;
    are_equal.then(|| Elements { first: vec![first; count.min(limit)], count })
}

/// Splits an array, up to so many elements.
pub(crate) struct ElementsSeed {
    pub(crate) limit: usize,
}

impl<'de> DeserializeSeed<'de> for ElementsSeed {
    type Value = Elements<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ElementsSeed {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut first = Vec::with_capacity(self.limit);
        while first.len() < self.limit
            && let Some(element) = array.next_element()?
        {
            first.push(element);
        }
        let mut count = first.len();
        while first.len() == self.limit && array.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Elements { first, count })
    }
}

/// Decodes a string; `None` where the text is not a string.
///
/// One with lone surrogates, which servers keep but no Rust string can hold, is returned as written.
pub(crate) fn as_string(text: &str) -> Option<Cow<'_, str>> {
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
pub(crate) fn push_string(to: &mut String, text: &str) {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        to.push('"');
        to.push_str(text);
        to.push('"');
    } else {
        to.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Whether this key is written exactly like `name`, without escapes.
pub(crate) fn is_plain_key(quoted: &str, name: &str) -> bool {
    // Quotes are not a part of any other character.
    quoted.as_bytes().get(1..quoted.len().saturating_sub(1)) == Some(name.as_bytes())
}

/// Whether the servers read this key, as written, as `name`.
pub(crate) fn matches_key(quoted: &str, name: &str) -> bool {
    let inner = unquoted(quoted);
    match inner.len().cmp(&name.len()) {
        Ordering::Less => false,
        Ordering::Equal => inner == name || inner.eq_ignore_ascii_case(name),
        // Escapes, and letters outside ASCII, take more bytes than what they stand for.
        Ordering::Greater => (inner.contains('\\') || !inner.is_ascii()) && keys_equal(&decoded(quoted), name),
    }
}

/// Whether two keys are equal to the servers: in any letter case, with the two letters outside ASCII that Go folds into
/// it (seen on 1.8.0; Go's encoding/json).
pub(crate) fn keys_equal(key: &str, name: &str) -> bool {
    let folded = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(name.chars())
}

/// The type of the value that a JSON text begins with, with its article.
pub(crate) fn type_name(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surplus_elements_are_counted() {
        for (limit, first) in
            [(0, &[][..]), (1, &["1"]), (2, &["1", "{ }"]), (3, &["1", "{ }", "[2]"]), (9, &["1", "{ }", "[2]"])]
        {
            let elements = first_elements(" [1, { },[2]] ", limit).unwrap();
            assert_eq!(elements.first.iter().map(|element| element.get()).collect::<Vec<_>>(), first);
            assert_eq!(elements.count, 3);
        }
        for bad in ["{}", "[1", "[1,2", "[] x", "null"] {
            assert!(first_elements(bad, 1).is_err(), "{bad}");
        }
    }

    #[test]
    fn equal_elements_are_not_parsed_again() {
        let split = |list, separator| {
            let elements = equal_elements(list, separator, 2)?;
            let first: Vec<_> = elements.first.iter().map(|element| element.get()).collect();
            Some((first, elements.count))
        };
        assert_eq!(split("{}", ','), Some((vec!["{}"], 1)));
        assert_eq!(split("{\"a\":1},{\"a\":1}", ','), Some((vec!["{\"a\":1}"; 2], 2)));
        assert_eq!(split("[\"ü,ü\"]\n[\"ü,ü\"]\n[\"ü,ü\"]", '\n'), Some((vec!["[\"ü,ü\"]"; 2], 3)));
        for list in ["", " {}", "{},", ",{}", "{},[]", "{}{}", "{} ,{}", "{}\n", "{}\n{}", "{,{", "{},{},{", "{},{}}"] {
            assert_eq!(split(list, ','), None, "{list}");
        }
        for list in ["1,11", "11,1", "1,1,2", "2,1,1", "1,1,", "1,,1", "1,1,1 "] {
            assert_eq!(split(list, ','), None, "{list}");
        }
    }

    #[test]
    fn objects_keep_order_duplicates_and_lone_surrogates() {
        let members = as_object(r#"{"a":1.0,"\u0061":2,"\ud800":"\udfff"}"#).unwrap();
        let all: Vec<_> = members.iter().map(|(key, value)| (key.into_owned(), value)).collect();
        assert_eq!(all, [("a".into(), "1.0"), ("a".into(), "2"), ("\\ud800".into(), r#""\udfff""#)]);
        assert_eq!(members.get_last("a"), Some("2"));
    }

    #[test]
    fn keys_are_folded_as_in_go() {
        for key in ["users", "USERS", "uſers", "UſERS"] {
            assert!(keys_equal(key, "users"), "{key}");
        }
        assert!(keys_equal("\u{212a}ey", "key"));
        assert!(!keys_equal("user", "users"));
        assert!(!keys_equal("üsers", "users"));
    }
}
