//! JSON as Go's encoding/json reads and writes it: over bytes, which need not be UTF-8, and without decoding values.

use std::ops::Range;

/// One level more is bad JSON to the servers.
const MAX_DEPTH: usize = 10_000;

/// Where a text is read.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&wanted);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes over a whole value; a loop, as thousands of levels would be too much for the stack of a thread.
    fn value(&mut self) -> Option<Range<usize>> {
        self.space();
        let start = self.at;
        let mut open = Vec::new();
        loop {
            self.space();
            let byte = self.next()?;
            match byte {
                b'{' | b'[' => {
                    let close = byte + 2;
                    self.space();
                    if open.len() == MAX_DEPTH {
                        return None;
                    }
                    if !self.take(close) {
                        open.push(close);
                        if byte == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b'"' => self.rest_of_string()?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' | b'0'..=b'9' => self.rest_of_number(byte)?,
                _ => return None,
            }
            loop {
                let Some(&close) = open.last() else { return Some(start..self.at) };
                self.space();
                match self.next()? {
                    b',' => {
                        if close == b'}' {
                            self.key()?;
                        }
                        break;
                    }
                    byte if byte == close => drop(open.pop()),
                    _ => return None,
                }
            }
        }
    }

    /// A key and the colon after it.
    fn key(&mut self) -> Option<Range<usize>> {
        self.space();
        let start = self.at;
        (self.next()? == b'"').then_some(())?;
        self.rest_of_string()?;
        let key = start..self.at;
        self.space();
        self.take(b':').then_some(key)
    }

    fn rest_of_string(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'u' => {
                        for _ in 0..4 {
                            self.next()?.is_ascii_hexdigit().then_some(())?;
                        }
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    _ => return None,
                },
                0..b' ' => return None,
                _ => {}
            }
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        rest.iter().all(|&byte| self.take(byte)).then_some(())
    }

    fn rest_of_number(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.take(b'.') {
            self.next()?.is_ascii_digit().then(|| self.digits())?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.next()?.is_ascii_digit().then(|| self.digits())?;
        }
        Some(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
}

/// The value at the start of `bytes`, and what comes after it; nothing where it is no JSON.
pub fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = Scan { bytes, at: 0 }.value()?;
    Some((&bytes[value.clone()], &bytes[value.end..]))
}

/// The one value that `bytes` is, white space around it apart.
pub fn whole(bytes: &[u8]) -> Option<&[u8]> {
    first(bytes).filter(|(_, rest)| is_blank(rest)).map(|(value, _)| value)
}

/// Whether there is nothing but white space.
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| b" \t\n\r".contains(byte))
}

/// The members of an object in their order, keys decoded; nothing where the value is no object.
pub fn members(value: &[u8]) -> Option<Vec<(String, &[u8])>> {
    let mut scan = Scan { bytes: value, at: 0 };
    scan.take(b'{').then_some(())?;
    let mut members = Vec::new();
    scan.space();
    if scan.take(b'}') {
        return Some(members);
    }
    loop {
        let key = scan.key()?;
        let member = scan.value()?;
        members.push((text(&value[key])?, &value[member]));
        scan.space();
        if scan.next()? == b'}' {
            return Some(members);
        }
    }
}

/// The elements of an array; nothing where the value is no array.
pub fn elements(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut scan = Scan { bytes: value, at: 0 };
    scan.take(b'[').then_some(())?;
    let mut elements = Vec::new();
    scan.space();
    if scan.take(b']') {
        return Some(elements);
    }
    loop {
        elements.push(&value[scan.value()?]);
        scan.space();
        if scan.next()? == b']' {
            return Some(elements);
        }
    }
}

/// A string decoded; nothing where the value is none. What is no UTF-8, and a lone surrogate, becomes U+FFFD.
pub fn text(value: &[u8]) -> Option<String> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut decoded = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            decoded.push(byte);
            continue;
        }
        let (&escape, after) = rest.split_first()?;
        rest = after;
        match escape {
            b'b' => decoded.push(8),
            b'f' => decoded.push(12),
            b'n' => decoded.push(b'\n'),
            b'r' => decoded.push(b'\r'),
            b't' => decoded.push(b'\t'),
            b'u' => {
                let (c, after) = unicode(rest)?;
                rest = after;
                decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => decoded.push(other),
        }
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

/// The character of the four digits after `\u`, and of a second such escape where the two are a pair.
fn unicode(rest: &[u8]) -> Option<(char, &[u8])> {
    let unit = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits.get(..4)?).ok()?, 16).ok();
    let high = unit(rest)?;
    let rest = &rest[4..];
    if let Some(c) = char::from_u32(high) {
        return Some((c, rest));
    }
    let low = rest.strip_prefix(b"\\u").and_then(unit).filter(|low| (0xDC00..0xE000).contains(low));
    match low.filter(|_| high < 0xDC00) {
        Some(low) => {
            Some((char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, &rest["\\u1234".len()..]))
        }
        None => Some((char::REPLACEMENT_CHARACTER, rest)),
    }
}

/// Whether the servers take the two keys for the same: in any letter case, and with two letters outside ASCII that
/// Go folds into it.
pub fn same_key(key: &str, name: &str) -> bool {
    let folded = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(name.chars())
}

/// A value as the servers write it into a reply: without white space, some characters escaped, all else as it came.
pub fn rewritten(value: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(value.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        if !in_string && b" \t\n\r".contains(&byte) {
            rest = after;
            continue;
        }
        if byte == b'"' && !escaped {
            in_string = !in_string;
        }
        escaped = byte == b'\\' && !escaped;
        rest = push_escaped(&mut written, rest);
    }
    written
}

/// A text as a JSON string, as the servers write it.
pub fn quoted(text: &str) -> String {
    let mut written = vec![b'"'];
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..b' ' => {
                written.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                rest = after;
                continue;
            }
            _ => {
                rest = push_escaped(&mut written, rest);
                continue;
            }
        };
        written.extend_from_slice(escape.as_bytes());
        rest = after;
    }
    written.push(b'"');
    String::from_utf8(written).expect("characters were replaced as wholes")
}

/// Writes the first character of what is left, escaped where HTML or JavaScript could take it for its own.
fn push_escaped<'a>(written: &mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
    for (character, escape) in
        [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")]
    {
        if let Some(after) = rest.strip_prefix(character.as_bytes()) {
            written.extend_from_slice(escape.as_bytes());
            return after;
        }
    }
    written.push(rest[0]);
    &rest[1..]
}

/// The value of a member of another type than it has to have, or params that are no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong;

/// An object as Go decodes it into a struct: keys in any case, the last one counts, strict types, null is as good as
/// absent.
pub struct Object<'a>(Vec<(String, &'a [u8])>);

impl<'a> Object<'a> {
    pub fn read(value: &'a [u8]) -> Result<Self, Wrong> {
        if value == b"null" { Ok(Self(Vec::new())) } else { members(value).map(Self).ok_or(Wrong) }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(key, _)| same_key(key, name)).map(|(_, value)| *value)
    }

    /// Each of the values has to be of the type, even where a later one takes its place.
    fn last<T>(&self, name: &str, read: impl Fn(&'a [u8]) -> Option<T>) -> Result<Option<T>, Wrong> {
        let mut last = None;
        for value in self.all(name).filter(|&value| value != b"null") {
            last = Some(read(value).ok_or(Wrong)?);
        }
        Ok(last)
    }

    /// The value as written; null too.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).last()
    }

    /// The text, empty where there is none.
    pub fn text(&self, name: &str) -> Result<String, Wrong> {
        self.last(name, text).map(Option::unwrap_or_default)
    }

    pub fn integer(&self, name: &str) -> Result<i64, Wrong> {
        self.last(name, |value| std::str::from_utf8(value).ok()?.parse().ok()).map(Option::unwrap_or_default)
    }

    pub fn boolean(&self, name: &str) -> Result<bool, Wrong> {
        self.last(name, |value| std::str::from_utf8(value).ok()?.parse().ok()).map(Option::unwrap_or_default)
    }

    pub fn object(&self, name: &str) -> Result<Option<Self>, Wrong> {
        self.last(name, |value| Self::read(value).ok())
    }

    /// The list of texts, empty where there is none; null empties what came before.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Wrong> {
        let mut last = Vec::new();
        for value in self.all(name) {
            last.clear();
            if value != b"null" {
                for element in elements(value).ok_or(Wrong)? {
                    last.push(if element == b"null" { String::new() } else { text(element).ok_or(Wrong)? });
                }
            }
        }
        Ok(last)
    }
}
