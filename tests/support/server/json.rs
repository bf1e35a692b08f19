//! JSON as Go's encoding/json reads and writes it: over bytes, which need not be UTF-8, and without decoding values.

use std::ops::Range;

/// The servers reject deeper nesting.
const MAX_DEPTH: usize = 10_000;

/// A position in a text.
struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.position).copied()?;
        self.position += 1;
        Some(byte)
    }

    fn consume(&mut self, wanted: u8) -> bool {
        let found = self.bytes.get(self.position) == Some(&wanted);
        self.position += usize::from(found);
        found
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.bytes.get(self.position), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    /// Skips a complete value. A loop, because recursion over thousands of levels would overflow the stack.
    fn value(&mut self) -> Option<Range<usize>> {
        self.skip_whitespace();
        let start = self.position;
        let mut open = Vec::new();
        loop {
            self.skip_whitespace();
            let byte = self.next()?;
            match byte {
                b'{' | b'[' => {
                    let close = byte + 2;
                    self.skip_whitespace();
                    if open.len() == MAX_DEPTH {
                        return None;
                    }
                    if !self.consume(close) {
                        open.push(close);
                        if byte == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b'"' => self.rest_of_string()?,
                b't' => self.expect_literal(b"rue")?,
                b'f' => self.expect_literal(b"alse")?,
                b'n' => self.expect_literal(b"ull")?,
                b'-' | b'0'..=b'9' => self.rest_of_number(byte)?,
                _ => return None,
            }
            loop {
                let Some(&close) = open.last() else { return Some(start..self.position) };
                self.skip_whitespace();
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
        self.skip_whitespace();
        let start = self.position;
        (self.next()? == b'"').then_some(())?;
        self.rest_of_string()?;
        let key = start..self.position;
        self.skip_whitespace();
        self.consume(b':').then_some(key)
    }

    fn rest_of_string(&mut self) -> Option<()> {
        loop {
            // Strings can have megabytes.
            let rest = self.bytes.get(self.position..)?;
            self.position += rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' ')).unwrap_or(rest.len());
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
                _ => return None,
            }
        }
    }

    fn expect_literal(&mut self, rest: &[u8]) -> Option<()> {
        rest.iter().all(|&byte| self.consume(byte)).then_some(())
    }

    fn rest_of_number(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.consume(b'.') {
            self.next()?.is_ascii_digit().then(|| self.digits())?;
        }
        if self.consume(b'e') || self.consume(b'E') {
            let _ = self.consume(b'+') || self.consume(b'-');
            self.next()?.is_ascii_digit().then(|| self.digits())?;
        }
        Some(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.position).is_some_and(u8::is_ascii_digit) {
            self.position += 1;
        }
    }
}

/// The value at the start of `bytes` and the rest; `None` if it is not JSON.
pub fn split_first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = Scanner { bytes, position: 0 }.value()?;
    Some((&bytes[value.clone()], &bytes[value.end..]))
}

/// The single value in `bytes`, without white space around it.
pub fn parse_exact(bytes: &[u8]) -> Option<&[u8]> {
    split_first(bytes).filter(|(_, rest)| is_blank(rest)).map(|(value, _)| value)
}

/// Whether there is only white space.
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| b" \t\n\r".contains(byte))
}

/// The members of an object in order, with decoded keys; `None` if the value is not an object.
pub fn parse_object(value: &[u8]) -> Option<Vec<(String, &[u8])>> {
    let mut scanner = Scanner { bytes: value, position: 0 };
    scanner.consume(b'{').then_some(())?;
    let mut members = Vec::new();
    scanner.skip_whitespace();
    if scanner.consume(b'}') {
        return Some(members);
    }
    loop {
        let key = scanner.key()?;
        let member = scanner.value()?;
        members.push((decode_string(&value[key])?, &value[member]));
        scanner.skip_whitespace();
        if scanner.next()? == b'}' {
            return Some(members);
        }
    }
}

/// The elements of an array; `None` if the value is not an array.
pub fn parse_array(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut scanner = Scanner { bytes: value, position: 0 };
    scanner.consume(b'[').then_some(())?;
    let mut elements = Vec::new();
    scanner.skip_whitespace();
    if scanner.consume(b']') {
        return Some(elements);
    }
    loop {
        elements.push(&value[scanner.value()?]);
        scanner.skip_whitespace();
        if scanner.next()? == b']' {
            return Some(elements);
        }
    }
}

/// A decoded string; `None` if the value is not a string. Invalid UTF-8 and lone surrogates become U+FFFD.
pub fn decode_string(value: &[u8]) -> Option<String> {
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

/// The character of the four digits after `\u`, or of a surrogate pair.
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

/// Whether the servers consider two keys equal: in any case, and with two letters outside ASCII that Go folds.
pub fn keys_equal_in_go(key: &str, name: &str) -> bool {
    let folded = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(name.chars())
}

/// A value as the servers write it into a reply: without white space, with some characters escaped.
pub fn rewrite_as_go(value: &[u8]) -> Vec<u8> {
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
pub fn quote(text: &str) -> String {
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
    String::from_utf8(written).expect("only whole characters are replaced")
}

/// Writes the next character, escaped if it is special in HTML or JavaScript.
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

/// A value has the wrong type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeMismatch;

/// An object as Go decodes it into a struct: keys match in any case, the last one counts, types are strict, null means
/// absent.
pub struct GoObject<'a>(Vec<(String, &'a [u8])>);

impl<'a> GoObject<'a> {
    pub fn parse(value: &'a [u8]) -> Result<Self, TypeMismatch> {
        if value == b"null" { Ok(Self(Vec::new())) } else { parse_object(value).map(Self).ok_or(TypeMismatch) }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(key, _)| keys_equal_in_go(key, name)).map(|(_, value)| *value)
    }

    /// Every value must have the type, also those that a later one overrides.
    fn last<T>(&self, name: &str, read: impl Fn(&'a [u8]) -> Option<T>) -> Result<Option<T>, TypeMismatch> {
        let mut last = None;
        for value in self.all(name).filter(|&value| value != b"null") {
            last = Some(read(value).ok_or(TypeMismatch)?);
        }
        Ok(last)
    }

    /// The value as written, also null.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).last()
    }

    /// The string, or an empty one.
    pub fn string(&self, name: &str) -> Result<String, TypeMismatch> {
        self.last(name, decode_string).map(Option::unwrap_or_default)
    }

    pub fn integer(&self, name: &str) -> Result<i64, TypeMismatch> {
        self.last(name, |value| std::str::from_utf8(value).ok()?.parse().ok()).map(Option::unwrap_or_default)
    }

    pub fn boolean(&self, name: &str) -> Result<bool, TypeMismatch> {
        self.last(name, |value| std::str::from_utf8(value).ok()?.parse().ok()).map(Option::unwrap_or_default)
    }

    pub fn object(&self, name: &str) -> Result<Option<Self>, TypeMismatch> {
        self.last(name, |value| Self::parse(value).ok())
    }

    /// The elements of the array, or none; null clears earlier values.
    pub fn array(&self, name: &str) -> Result<Vec<&'a [u8]>, TypeMismatch> {
        let elements = |value| if value == b"null" { Some(Vec::new()) } else { parse_array(value) };
        self.all(name).try_fold(Vec::new(), |_, value| elements(value).ok_or(TypeMismatch))
    }

    /// The list of strings, or an empty one; null clears earlier values.
    pub fn strings(&self, name: &str) -> Result<Vec<String>, TypeMismatch> {
        let mut last = Vec::new();
        for value in self.all(name) {
            last.clear();
            if value != b"null" {
                for element in parse_array(value).ok_or(TypeMismatch)? {
                    last.push(if element == b"null" {
                        String::new()
                    } else {
                        decode_string(element).ok_or(TypeMismatch)?
                    });
                }
            }
        }
        Ok(last)
    }
}
