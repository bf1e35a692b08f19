//! Why and where a text is not the JSON it should be, in the words of its writer.

use std::str::Utf8Error;

use serde_json::value::RawValue;

use super::raw::{RawObject, type_name};
use crate::characters;

/// Why and where a text is not the JSON it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// What was found there.
    pub(crate) message: String,
    /// How many bytes come before it.
    pub(crate) offset: usize,
    /// What to do about it, where that is more than writing JSON.
    pub(crate) hint: Option<&'static str>,
}

impl SyntaxError {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { message: message.into(), offset, hint: None }
    }

    fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// The error of bytes that are not UTF-8.
pub(crate) fn invalid_utf8(bytes: &[u8], error: Utf8Error) -> SyntaxError {
    let offset = error.valid_up_to();
    let byte = bytes.get(offset).copied().unwrap_or_default();
    SyntaxError::new(format!("invalid UTF-8 (byte 0x{byte:02X})"), offset).with_hint("encode the text as UTF-8")
}

/// Parses `text` as one JSON object, surrounding whitespace aside.
pub(crate) fn parse_object(text: &str) -> Result<RawObject<'_>, SyntaxError> {
    reject_byte_order_mark(text)?;
    let start = text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len();
    serde_json::from_str(text).map_err(|error| match serde_json::from_str::<&RawValue>(text) {
        // Valid JSON, so only its type can be wrong.
        Ok(value) => SyntaxError::new(format!("expected a JSON object, found {}", type_name(value.get())), start),
        Err(_) => syntax_error(&error, text, "object"),
    })
}

/// Checks that `text` is one JSON value, surrounding whitespace aside.
pub(crate) fn check_value(text: &str) -> Result<(), SyntaxError> {
    reject_byte_order_mark(text)?;
    serde_json::from_str::<&RawValue>(text).map(drop).map_err(|error| syntax_error(&error, text, "value"))
}

fn reject_byte_order_mark(text: &str) -> Result<(), SyntaxError> {
    if text.starts_with('\u{feff}') {
        return Err(SyntaxError::new("invalid JSON: byte order mark", 0).with_hint("remove it"));
    }
    Ok(())
}

/// The error of a text that is not one JSON object or value.
fn syntax_error(error: &serde_json::Error, text: &str, expected: &str) -> SyntaxError {
    if error.is_eof() {
        return unexpected_end(text);
    }
    let offset = offset(text, error.line(), error.column());
    if let Some(error) = typographic_character(text, offset).or_else(|| trailing_comma(text, offset)) {
        return error;
    }
    let message = error.to_string();
    let location = format!(" at line {} column {}", error.line(), error.column());
    match message.strip_suffix(&location).unwrap_or(&message) {
        "key must be a string" => SyntaxError::new("invalid JSON: object keys must be in double quotes", offset),
        // A literal such as NaN or none: shown from its first letter.
        "expected ident" => SyntaxError::new("invalid JSON: expected value", literal_start(text, offset)),
        "control character (\\u0000-\\u001F) found while parsing a string" => {
            let offset = control_character(text, offset);
            if text.get(offset..).unwrap_or_default().trim().is_empty() {
                // The newline after a text that was cut off.
                return unexpected_end(text);
            }
            SyntaxError::new("invalid JSON: unescaped control character in a string", offset)
                .with_hint(r"escape it, for example a newline as \n")
        }
        "trailing characters" => {
            SyntaxError::new(format!("invalid JSON: unexpected text after the {expected}"), offset)
        }
        // Such as a number.
        problem if problem.starts_with("invalid ") => SyntaxError::new(problem, offset),
        problem => SyntaxError::new(format!("invalid JSON: {problem}"), offset),
    }
}

/// The error of a character that word processors and web pages put in the place of another one.
fn typographic_character(text: &str, offset: usize) -> Option<SyntaxError> {
    let c = text.get(offset..)?.chars().next()?;
    let hint = if characters::is_typographic_quote(c) {
        "use straight quotes (\")"
    } else if characters::is_unusual_space(c) {
        "use plain spaces"
    } else {
        return None;
    };
    Some(SyntaxError::new(format!("invalid JSON: {}", characters::name(c)), offset).with_hint(hint))
}

/// The error of a comma before a closing bracket.
fn trailing_comma(text: &str, offset: usize) -> Option<SyntaxError> {
    let (before, after) = text.split_at_checked(offset)?;
    let comma = before.trim_end().strip_suffix(',')?.len();
    after
        .starts_with(['}', ']'])
        .then(|| SyntaxError::new("invalid JSON: trailing comma", comma).with_hint("remove it"))
}

fn unexpected_end(text: &str) -> SyntaxError {
    SyntaxError::new("invalid JSON: unexpected end of input", text.trim_end().len())
}

/// `serde_json` reports the byte before it in a value that it skips, and itself in a key.
fn control_character(text: &str, offset: usize) -> usize {
    offset + text.bytes().skip(offset).position(|byte| byte < b' ').unwrap_or_default()
}

fn literal_start(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or_default();
    before.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len()
}

/// The offset of `serde_json`'s line (from 1) and column (in bytes, from 1; 0 for the newline before it).
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column).saturating_sub(1).min(text.len())
}

/// A place in a text; line and column count from 1, columns in characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) line: u64,
    pub(crate) column: usize,
    /// The text around it and a caret below, on two lines.
    pub(crate) snippet: String,
}

/// Finds the line and column of an offset, and the text around it.
pub(crate) fn locate(bytes: &[u8], offset: usize) -> Location {
    /// How many characters are shown before and after the caret: a line of 80 columns in all.
    const SNIPPET_CHARS: usize = 36;
    let (before, after) = bytes.split_at(offset.min(bytes.len()));
    let line = before.split(|&byte| byte == b'\n').count() as u64;
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let before = before.get(line_start..).unwrap_or_default();
    // A line can have megabytes: nothing here is as long as it.
    let column = before.utf8_chunks().map(|chunk| count_chars(&chunk)).sum::<usize>() + 1;
    let shown = last_chars(before, SNIPPET_CHARS);
    let after = String::from_utf8_lossy(after.get(..4 * SNIPPET_CHARS).unwrap_or(after)).into_owned();
    let after = after.chars().take_while(|&c| c != '\n').take(SNIPPET_CHARS);
    let snippet: String = shown.chars().chain(after).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let snippet = format!("  {snippet}\n  {:>1$}", '^', shown.chars().count() + 1);
    Location { line, column, snippet }
}

/// As many characters as `String::from_utf8_lossy` makes of them.
fn count_chars(chunk: &std::str::Utf8Chunk<'_>) -> usize {
    chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty())
}

/// The last characters of a text.
fn last_chars(text: &[u8], count: usize) -> String {
    // A character has four bytes at most. The first one may be cut off, and is one more than is taken.
    let tail = text.get(text.len().saturating_sub(4 * (count + 1))..).unwrap_or_default();
    let tail = String::from_utf8_lossy(tail);
    let start = tail.char_indices().rev().nth(count.saturating_sub(1)).map_or(0, |(start, _)| start);
    tail.get(start..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, usize) {
        let error = parse_object(text).unwrap_err();
        (error.message, error.offset)
    }

    #[test]
    fn accepts_deep_nesting() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(parse_object(&deep).is_ok());
    }

    #[test]
    fn syntax_errors_have_offsets() {
        assert_eq!(error(""), ("invalid JSON: unexpected end of input".into(), 0));
        assert_eq!(error("{\"a\": 1"), ("invalid JSON: unexpected end of input".into(), 7));
        assert_eq!(error("{\"a\": \"b\r\n"), ("invalid JSON: unexpected end of input".into(), 8));
        assert_eq!(error(" [1]"), ("expected a JSON object, found an array".into(), 1));
        assert_eq!(error("null"), ("expected a JSON object, found null".into(), 0));
        assert_eq!(error("\"x\""), ("expected a JSON object, found a string".into(), 0));
        assert_eq!(error("{} x"), ("invalid JSON: unexpected text after the object".into(), 3));
        assert_eq!(error("{\"a\": NaN}"), ("invalid JSON: expected value".into(), 6));
        assert_eq!(error("{\"a\": nope}"), ("invalid JSON: expected value".into(), 6));
        assert_eq!(error("{a: 1}"), ("invalid JSON: object keys must be in double quotes".into(), 1));
        for (text, offset) in [("{\"a\": \"\n\"}", 7), ("{\"a\": \"é\n\"}", 9), ("{\"a\n\": 1}", 3)] {
            assert_eq!(error(text), ("invalid JSON: unescaped control character in a string".into(), offset));
        }
        assert_eq!(error("{\"a\": 01}"), ("invalid number".into(), 7));
        assert_eq!(error("{\n\"a\" 1}"), ("invalid JSON: expected `:`".into(), 6));
        assert_eq!(error("\u{feff}{}"), ("invalid JSON: byte order mark".into(), 0));
        for (text, offset) in [("“{}”", 0), (" {“a”: 1}", 2), ("{\"a\": ‘b’}", 6), ("{\"a\": 1}″", 8)] {
            let (message, found) = error(text);
            assert!(message.starts_with("invalid JSON: a typographic quote (U+20"), "{message}");
            assert_eq!(found, offset, "{text}");
        }
        for (text, offset) in [("{\u{a0}\"a\": 1}", 1), ("{\"a\":\u{2003}1}", 5), ("{}\u{feff}", 2)] {
            let (message, found) = error(text);
            assert!(message.starts_with("invalid JSON: white space other than ASCII (U+"), "{message}");
            assert_eq!(found, offset, "{text}");
        }
        for (text, offset) in [("{\"a\": 1,}", 7), ("{\"a\": [1, \n]}", 8), ("{\"a\": {\"b\": \"é\" ,}}", 17)] {
            assert_eq!(error(text), ("invalid JSON: trailing comma".into(), offset), "{text}");
        }
        assert_eq!(error("{,}"), ("invalid JSON: object keys must be in double quotes".into(), 1));
        // In a string they are text.
        assert_eq!(error("{\"“\": \"\u{a0}\", x}"), ("invalid JSON: object keys must be in double quotes".into(), 14));
        let bytes = [b"{\"a\": \"", &[0xff][..], b"\"}"].concat();
        let error = invalid_utf8(&bytes, std::str::from_utf8(&bytes).unwrap_err());
        assert_eq!((error.message.as_str(), error.offset), ("invalid UTF-8 (byte 0xFF)", 7));
    }

    #[track_caller]
    fn assert_located(bytes: &[u8], offset: usize, line: u64, column: usize, snippet: &str) {
        assert_eq!(locate(bytes, offset), Location { line, column, snippet: snippet.to_owned() });
    }

    #[test]
    fn snippet_cuts_no_characters() {
        for text in ["ä€😀".repeat(100), "😀".repeat(200), "x".repeat(7)] {
            let (location, chars) = (locate(text.as_bytes(), text.len()), text.chars().count());
            let last: String = text.chars().skip(chars.saturating_sub(36)).collect();
            assert_eq!(
                (location.column, location.snippet),
                (chars + 1, format!("  {last}\n  {:>1$}", '^', chars.min(36) + 1))
            );
        }
        let invalid = locate(&[b"\xff".repeat(50), b"{".to_vec()].concat(), 51);
        assert_eq!(invalid.column, 52);
    }

    #[test]
    fn location_counts_characters() {
        assert_located("{\n\"ä\": x}".as_bytes(), 8, 2, 6, "  \"ä\": x}\n       ^");
        assert_located(b"", 0, 1, 1, "  \n  ^");
        let long = "x".repeat(200);
        assert_located(long.as_bytes(), 100, 1, 101, &format!("  {}\n  {}^", "x".repeat(72), " ".repeat(36)));
    }
}
