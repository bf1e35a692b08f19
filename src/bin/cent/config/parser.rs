//! Python's reading of a config file, line by line, up to where rust-ini takes over.
//!
//! rust-ini joins lines after a backslash, stops a section's name at its first `]`, drops white space, and gives no line
//! numbers. So it gets a text of its own in which none of this can happen: keys of ours only, each with its line and its
//! value between bars.
//!
//! ```text
//! [|bananas|]
//! secret = 3|ends with \|
//! ```

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::{Context, bail, ensure};
use zeroize::Zeroizing;

/// The section that supplies keys to all others.
pub(super) const DEFAULT: &str = "DEFAULT";

/// The keys that are ours. All others are passed over.
pub(super) const KEYS: [&str; 6] = ["address", "secret", "secret_file", "api_key", "api_key_file", "timeout"];

/// Writes a config file anew for rust-ini.
///
/// # Errors
/// With the line, but without its text, for
/// - a line before any section, and one that is neither section nor key,
/// - a section header without end or name, or with a second `]`,
/// - a section or a key that stands twice,
/// - a value of ours that goes on in the next line.
pub(super) fn canonical(text: &str) -> anyhow::Result<Zeroizing<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A string that grows leaves copies behind, which nobody wipes.
    let out = Zeroizing::new(String::with_capacity(4 * text.len()));
    let mut pass = Pass { out, ..Pass::default() };
    for (number, line) in (1..).zip(lines(text)) {
        pass.line(number, line).with_context(|| format!("line {number}"))?;
    }
    Ok(pass.out)
}

/// A section's name as rust-ini knows it.
pub(super) fn wrapped(name: &str) -> String {
    format!("|{name}|")
}

/// The name that [`wrapped`] got.
pub(super) fn unwrapped(name: &str) -> Option<&str> {
    name.strip_prefix('|')?.strip_suffix('|')
}

/// Line and text of a value as rust-ini gives it.
pub(super) fn value(value: &str) -> Option<(usize, &str)> {
    let (line, text) = value.strip_suffix('|')?.split_once('|')?;
    Some((line.parse().ok()?, text))
}

/// Lines end at LF, CRLF or a lone CR.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// White space as Python has it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[derive(Default)]
struct Pass<'a> {
    out: Zeroizing<String>,
    section: Option<&'a str>,
    /// The last key since the section's header: a line indented deeper goes on with its value.
    last: Option<Key>,
    /// How many characters of white space the last header or key has before it.
    indent: usize,
    sections: HashMap<&'a str, usize>,
    keys: HashMap<(&'a str, String), usize>,
}

struct Key {
    line: usize,
    ours: Option<&'static str>,
}

impl<'a> Pass<'a> {
    fn line(&mut self, number: usize, line: &'a str) -> anyhow::Result<()> {
        let text = line.trim_matches(is_space);
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if let Some(key) = self.last.as_ref().filter(|_| indent > self.indent) {
            return key.goes_on();
        }
        self.indent = indent;
        if text.starts_with('[') { self.header(number, text) } else { self.key(number, text) }
    }

    fn header(&mut self, number: usize, text: &'a str) -> anyhow::Result<()> {
        // Python takes all up to the last bracket for the name and drops what follows.
        let name = text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map_or("", |(name, _)| name);
        ensure!(!name.is_empty(), "a section header without name or without ]; write [NAME]");
        // Such a name may hold a key and its value, and names are shown.
        ensure!(!name.contains(']'), "a second ] in a section header; write [NAME] alone on its line");
        if name != DEFAULT
            && let Some(first) = self.sections.insert(name, number)
        {
            bail!("section [{name}] stands twice, first in line {first}; join them or rename one");
        }
        self.section = Some(name);
        self.last = None;
        let _ = writeln!(self.out, "[{}]", wrapped(name));
        Ok(())
    }

    fn key(&mut self, number: usize, text: &str) -> anyhow::Result<()> {
        let Some(section) = self.section else { bail!("stands before any section; write [NAME] above it") };
        let Some((key, value)) = text.split_once(['=', ':']) else {
            bail!("neither [SECTION] nor KEY = VALUE; mend the line, or put a # before it");
        };
        ensure!(!key.is_empty(), "no key before the = or :; write KEY = VALUE");
        let key = key.trim_end_matches(is_space).to_lowercase();
        let ours = KEYS.into_iter().find(|&ours| ours == key);
        if let Some(first) = self.keys.insert((section, key), number) {
            // What is not ours may be a secret gone astray.
            let key = ours.unwrap_or("the key");
            bail!("{key} stands twice in [{section}], first in line {first}; keep one of them");
        }
        if let Some(key) = ours {
            let _ = writeln!(self.out, "{key} = {number}|{}|", value.trim_matches(is_space));
        }
        self.last = Some(Key { line: number, ours });
        Ok(())
    }
}

impl Key {
    /// Values over several lines are passed over with their key.
    fn goes_on(&self) -> anyhow::Result<()> {
        let Some(key) = self.ours else { return Ok(()) };
        let first = self.line;
        bail!(
            "indented deeper than {key} in line {first}, and so part of its value; indent both alike, or write the value in one line"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(text: &str, expected: &str) {
        let found = canonical(text).map_or_else(|error| format!("{error:#}"), |text| text.to_string());
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn only_our_keys_are_left_each_with_its_line() {
        becomes(
            "\u{feff}# note\r\n[ a ] ; note\r\n  Secret : x\\ \r\nname = x\r\n    secret = y\r\n[b|]\r\nTIMEOUT=5\r\n",
            "[| a |]\nsecret = 3|x\\|\n[|b||]\ntimeout = 7|5|\n",
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for name in ["", "a", "|", " a "] {
            assert_eq!(unwrapped(&wrapped(name)), Some(name));
        }
        assert_eq!(value("12|a|b||"), Some((12, "a|b|")));
        assert_eq!(value("12||"), Some((12, "")));
    }

    #[test]
    fn lines_end_as_pythons_do() {
        let all = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(all("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(all("a\r\r\n\rb"), ["a", "", "", "b"]);
        assert_eq!(all("a\u{85}\u{2028}\u{b}\u{c}b"), ["a\u{85}\u{2028}\u{b}\u{c}b"]);
    }

    #[test]
    fn a_deeper_line_goes_on_with_the_value_before_it() {
        let deeper = "and so part of its value; indent both alike, or write the value in one line";
        becomes("[a]\nsecret = x\n\n# note\n y", &format!("line 5: indented deeper than secret in line 2, {deeper}"));
        becomes("[a]\n timeout = 5\n  [b]", &format!("line 3: indented deeper than timeout in line 2, {deeper}"));
        becomes("  [a]\n    secret = x\n  timeout = 5", "[|a|]\nsecret = 2|x|\ntimeout = 3|5|\n");
    }

    #[test]
    fn what_stands_twice_is_refused_with_the_first_line() {
        becomes("[a]\n[b]\n[a]", "line 3: section [a] stands twice, first in line 1; join them or rename one");
        becomes("[a]\nsecret = x\nSECRET = y", "line 3: secret stands twice in [a], first in line 2; keep one of them");
        becomes("[a]\nx0 = 1\nx0 = 2", "line 3: the key stands twice in [a], first in line 2; keep one of them");
        becomes("[DEFAULT]\n[DEFAULT]", "[|DEFAULT|]\n[|DEFAULT|]\n");
    }

    #[test]
    fn lines_that_are_neither_section_nor_key_are_refused() {
        let neither = "neither [SECTION] nor KEY = VALUE; mend the line, or put a # before it";
        becomes("[a]\nsecret", &format!("line 2: {neither}"));
        becomes("[a]\n= x", "line 2: no key before the = or :; write KEY = VALUE");
        becomes("\n x = y", "line 2: stands before any section; write [NAME] above it");
        for header in ["[a", "[]", "[a = b", "[] = x"] {
            becomes(header, "line 1: a section header without name or without ]; write [NAME]");
        }
        for header in ["[a]]", "[a] # see [1]", "[a] secret = [x]"] {
            becomes(header, "line 1: a second ] in a section header; write [NAME] alone on its line");
        }
    }
}
