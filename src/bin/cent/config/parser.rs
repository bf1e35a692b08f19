//! Parses a config file line by line as Python does, and normalizes it for rust-ini.
//!
//! rust-ini joins lines after a backslash, ends a section name at its first `]`, trims white space, and gives no line
//! numbers. So it gets a normalized text in which none of this matters: known keys only, each with its line number and
//! with its value between bars.
//!
//! ```text
//! [|bananas|]
//! secret = 3|ends with \|
//! ```

use std::collections::HashMap;
use std::fmt::{self, Write};

use anyhow::{Context, bail, ensure};
use zeroize::Zeroizing;

use crate::did_you_mean::closest_match;

/// The section that supplies keys to all others.
pub(super) const DEFAULT: &str = "DEFAULT";

/// The known keys. All others are ignored.
pub(super) const KNOWN_KEYS: [&str; 9] = [
    "address",
    "secret",
    "secret_file",
    "api_key",
    "api_key_file",
    "timeout",
    "ca_file",
    "client_cert_file",
    "client_key_file",
];

/// Normalizes a config file for rust-ini.
///
/// # Errors
/// With the line number, but not the text of the line, which may hold a secret, for
/// - a key before any section, and a line that is neither section nor key,
/// - a section header without name or `]`, or with a second `]`,
/// - a duplicate section or key,
/// - a value of a known key that continues on the next line.
pub(super) fn normalize(text: &str) -> anyhow::Result<Normalized> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Large enough to never grow: growing leaves copies of secrets behind that nobody wipes.
    let out = Zeroizing::new(String::with_capacity(4 * text.len()));
    let mut parser = Parser { out, ..Parser::default() };
    for (number, line) in (1..).zip(lines(text)) {
        parser.parse_line(number, line).with_context(|| format!("line {number}"))?;
    }
    Ok(Normalized { text: parser.out, near_misses: parser.near_misses })
}

/// A config file for rust-ini.
#[derive(Debug)]
pub(super) struct Normalized {
    pub(super) text: Zeroizing<String>,
    pub(super) near_misses: Vec<NearMiss>,
}

/// A key that is not known, but probably meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NearMiss {
    pub(super) section: String,
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) meant: &'static str,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} has {}: did you mean {}?", self.line, self.key, self.meant)
    }
}

/// The known key that was probably meant.
fn meant_key(key: &str) -> Option<&'static str> {
    match key {
        "url" | "uri" | "addr" | "host" | "server" | "endpoint" => Some("address"),
        "key" | "token" => Some("api_key"),
        "ca" | "ca_cert" | "cacert" => Some("ca_file"),
        "cert" | "client_cert" => Some("client_cert_file"),
        _ => closest_match(key, KNOWN_KEYS),
    }
}

/// A section name as it is written for rust-ini.
pub(super) fn encode_name(name: &str) -> String {
    format!("|{name}|")
}

/// Undoes [`encode_name`].
pub(super) fn decode_name(name: &str) -> Option<&str> {
    name.strip_prefix('|')?.strip_suffix('|')
}

/// The line number and the text of a value as rust-ini returns it.
pub(super) fn decode_value(value: &str) -> Option<(usize, &str)> {
    let (line, text) = value.strip_suffix('|')?.split_once('|')?;
    Some((line.parse().ok()?, text))
}

/// Lines end at LF, CRLF or a lone CR.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// White space as Python defines it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[derive(Default)]
struct Parser<'a> {
    out: Zeroizing<String>,
    section: Option<&'a str>,
    /// The last key since the section header: a line that is indented deeper continues its value.
    last_key: Option<KeyLine>,
    /// The indentation of the last header or key, in characters.
    indent: usize,
    sections: HashMap<&'a str, usize>,
    keys: HashMap<(&'a str, String), usize>,
    near_misses: Vec<NearMiss>,
}

/// Where a key is.
struct KeyLine {
    line: usize,
    /// None if it is not a known key.
    known_key: Option<&'static str>,
}

impl<'a> Parser<'a> {
    fn parse_line(&mut self, number: usize, line: &'a str) -> anyhow::Result<()> {
        let text = line.trim_matches(is_space);
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if let Some(key) = self.last_key.as_ref().filter(|_| indent > self.indent) {
            return key.reject_continuation();
        }
        self.indent = indent;
        if text.starts_with('[') { self.parse_header(number, text) } else { self.parse_key(number, text) }
    }

    fn parse_header(&mut self, number: usize, text: &'a str) -> anyhow::Result<()> {
        // In Python the name extends to the last bracket, and what follows is ignored.
        let name = text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map_or("", |(name, _)| name);
        ensure!(!name.is_empty(), "invalid section header; expected [NAME]");
        // Such a name may contain a key and its value, and names are printed.
        ensure!(!name.contains(']'), "unexpected ] in section header; expected [NAME] alone on the line");
        if name != DEFAULT
            && let Some(first) = self.sections.insert(name, number)
        {
            bail!("duplicate section [{name}], first defined on line {first}; merge them or rename one");
        }
        self.section = Some(name);
        self.last_key = None;
        let _ = writeln!(self.out, "[{}]", encode_name(name));
        Ok(())
    }

    fn parse_key(&mut self, number: usize, text: &str) -> anyhow::Result<()> {
        let Some(section) = self.section else { bail!("text before the first section; add a [NAME] header above it") };
        let Some((key, value)) = text.split_once(['=', ':']) else {
            bail!("expected [SECTION] or KEY = VALUE; fix the line or comment it out with #");
        };
        ensure!(!key.is_empty(), "missing key before = or :; expected KEY = VALUE");
        let key = key.trim_end_matches(is_space).to_lowercase();
        let known_key = KNOWN_KEYS.into_iter().find(|&known| known == key);
        if known_key.is_none()
            && let Some(meant) = meant_key(&key)
        {
            let section = section.to_owned();
            self.near_misses.push(NearMiss { section, line: number, key: key.clone(), meant });
        }
        if let Some(first) = self.keys.insert((section, key), number) {
            // An unknown key may be a misplaced secret, so it is not printed.
            let key = known_key.map_or_else(String::new, |key| format!(" {key}"));
            bail!("duplicate key{key} in [{section}], first defined on line {first}; keep one");
        }
        if let Some(key) = known_key {
            let _ = writeln!(self.out, "{key} = {number}|{}|", value.trim_matches(is_space));
        }
        self.last_key = Some(KeyLine { line: number, known_key });
        Ok(())
    }
}

impl KeyLine {
    /// Values of known keys must be on one line. Those of unknown keys are ignored.
    fn reject_continuation(&self) -> anyhow::Result<()> {
        let Some(key) = self.known_key else { return Ok(()) };
        let first = self.line;
        bail!(
            "continues the value of {key} on line {first} (indented deeper); indent both keys equally, or put the value on one line"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_normalized(text: &str, expected: &str) {
        let found = normalize(text).map_or_else(|error| format!("{error:#}"), |normalized| normalized.text.to_string());
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn keeps_known_keys_with_line_numbers() {
        assert_normalized(
            "\u{feff}# note\r\n[ a ] ; note\r\n  Secret : x\\ \r\nname = x\r\n    secret = y\r\n[b|]\r\nTIMEOUT=5\r\n",
            "[| a |]\nsecret = 3|x\\|\n[|b||]\ntimeout = 7|5|\n",
        );
    }

    #[test]
    fn keys_near_known_ones_are_recognized() {
        for (key, meant) in [
            ("adress", "address"),
            ("url", "address"),
            ("apikey", "api_key"),
            ("api-key", "api_key"),
            ("key", "api_key"),
            ("token", "api_key"),
            ("secrets", "secret"),
            ("apikey_file", "api_key_file"),
            ("time_out", "timeout"),
        ] {
            assert_eq!(meant_key(key), Some(meant), "{key}");
        }
        for key in ["name", "project_id", "password", "comment", "namespace", "retries"] {
            assert_eq!(meant_key(key), None, "{key}");
        }
    }

    #[test]
    fn encoded_names_and_values_are_decoded() {
        for name in ["", "a", "|", " a "] {
            assert_eq!(decode_name(&encode_name(name)), Some(name));
        }
        assert_eq!(decode_value("12|a|b||"), Some((12, "a|b|")));
        assert_eq!(decode_value("12||"), Some((12, "")));
    }

    #[test]
    fn lines_end_as_in_python() {
        let all = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(all("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(all("a\r\r\n\rb"), ["a", "", "", "b"]);
        assert_eq!(all("a\u{85}\u{2028}\u{b}\u{c}b"), ["a\u{85}\u{2028}\u{b}\u{c}b"]);
    }

    #[test]
    fn deeper_indent_continues_value() {
        let deeper = "(indented deeper); indent both keys equally, or put the value on one line";
        assert_normalized(
            "[a]\nsecret = x\n\n# note\n y",
            &format!("line 5: continues the value of secret on line 2 {deeper}"),
        );
        assert_normalized(
            "[a]\n timeout = 5\n  [b]",
            &format!("line 3: continues the value of timeout on line 2 {deeper}"),
        );
        assert_normalized("  [a]\n    secret = x\n  timeout = 5", "[|a|]\nsecret = 2|x|\ntimeout = 3|5|\n");
    }

    #[test]
    fn duplicates_report_first_line() {
        assert_normalized(
            "[a]\n[b]\n[a]",
            "line 3: duplicate section [a], first defined on line 1; merge them or rename one",
        );
        assert_normalized(
            "[a]\nsecret = x\nSECRET = y",
            "line 3: duplicate key secret in [a], first defined on line 2; keep one",
        );
        assert_normalized("[a]\nx0 = 1\nx0 = 2", "line 3: duplicate key in [a], first defined on line 2; keep one");
        assert_normalized("[DEFAULT]\n[DEFAULT]", "[|DEFAULT|]\n[|DEFAULT|]\n");
    }

    #[test]
    fn rejects_invalid_lines() {
        let neither = "expected [SECTION] or KEY = VALUE; fix the line or comment it out with #";
        assert_normalized("[a]\nsecret", &format!("line 2: {neither}"));
        assert_normalized("[a]\n= x", "line 2: missing key before = or :; expected KEY = VALUE");
        assert_normalized("\n x = y", "line 2: text before the first section; add a [NAME] header above it");
        for header in ["[a", "[]", "[a = b", "[] = x"] {
            assert_normalized(header, "line 1: invalid section header; expected [NAME]");
        }
        for header in ["[a]]", "[a] # see [1]", "[a] secret = [x]"] {
            assert_normalized(header, "line 1: unexpected ] in section header; expected [NAME] alone on the line");
        }
    }
}
