//! Everything that is written to standard output.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use cent::{HttpRequest, Reply};

use super::color;

/// How JSON is formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonLayout {
    /// One line, without white space.
    pub(crate) compact: bool,
    /// Writes DEL and C1 characters as `\u00XX`: a terminal would interpret them.
    pub(crate) terminal: bool,
    /// Colors keys, strings, numbers and literals.
    pub(crate) color: bool,
}

/// Prints the list of replies and a newline.
pub(crate) fn print_list(replies: &[Reply], layout: JsonLayout, out: impl Write) -> io::Result<()> {
    let mut json = JsonFormatter::new(layout, io::BufWriter::new(out));
    json.write("[")?;
    for (index, reply) in replies.iter().enumerate() {
        if index > 0 {
            json.write(",")?;
        }
        json.write(reply.text())?;
    }
    json.write("]")?;
    json.out.write_all(b"\n")?;
    json.out.flush()
}

/// Prints one JSON value and a newline.
pub(crate) fn print_json(text: &str, layout: JsonLayout, out: impl Write) -> io::Result<()> {
    let mut json = JsonFormatter::new(layout, io::BufWriter::new(out));
    json.write(text)?;
    json.out.write_all(b"\n")?;
    json.out.flush()
}

/// Prints one reply per line, all of them in one write.
pub(crate) fn print_lines(replies: &[Reply], layout: JsonLayout, mut out: impl Write) -> io::Result<()> {
    let capacity = replies.iter().map(|reply| reply.text().len() + 1).sum();
    let mut json = JsonFormatter::new(JsonLayout { compact: true, ..layout }, Vec::with_capacity(capacity));
    for reply in replies {
        json.out.extend_from_slice(reply.text().as_bytes());
        json.out.push(b'\n');
    }
    // Servers usually write no white space, and then the text is printed as it is.
    if count_whitespace(&json.out) > replies.len() || layout.terminal || layout.color {
        json.out.clear();
        for reply in replies {
            json.write(reply.text())?;
            json.out.push(b'\n');
        }
    }
    out.write_all(&json.out)?;
    out.flush()
}

/// How many bytes are white space. It sums up blocks so that the compiler uses vector instructions.
fn count_whitespace(bytes: &[u8]) -> usize {
    let in_block = |block: &[u8]| block.iter().map(|&byte| u8::from(byte <= b' ')).sum::<u8>();
    bytes.chunks(u8::MAX.into()).map(|block| usize::from(in_block(block))).sum()
}

/// Prints a request as it would be sent: request line, headers, an empty line, the body. An empty line precedes all but the
/// first one. With `terminal`, characters that would control it are escaped.
pub(crate) fn print_request(
    request: &HttpRequest<'_>,
    is_first: bool,
    terminal: bool,
    out: impl Write,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    if !is_first {
        writeln!(out)?;
    }
    writeln!(out, "POST {}", request.url())?;
    for (name, value) in request.headers() {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out)?;
    for chunk in request.body() {
        if terminal {
            write!(out, "{}", Escaped(chunk))?;
        } else {
            out.write_all(chunk.as_bytes())?;
        }
    }
    writeln!(out)?;
    out.flush()
}

/// Prints one name per line. With `terminal`, characters that would control it are escaped.
pub(crate) fn print_names(names: &[&str], terminal: bool, out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for name in names {
        if terminal { writeln!(out, "{}", Escaped(name))? } else { writeln!(out, "{name}")? }
    }
    out.flush()
}

/// A text in which a terminal finds nothing but text and lines.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\n' | '\t' => f.write_char(c),
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c)),
            c => f.write_char(c),
        })
    }
}

/// Formats JSON without changing any token. It keeps no stack, so nesting may be as deep as it likes, except with colors,
/// where each level takes a byte. The text must be valid JSON.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the text so far")]
struct JsonFormatter<W> {
    layout: JsonLayout,
    out: W,
    depth: usize,
    in_string: bool,
    /// The last character was a backslash that is not itself escaped.
    escaped: bool,
    /// The last token was an opening bracket: the next one decides whether a new line comes first.
    after_open_bracket: bool,
    /// For each open bracket, whether it is an object's. Kept only to color keys unlike other strings.
    objects: Vec<bool>,
    /// The next string is a key.
    key_next: bool,
}

impl<W: Write> JsonFormatter<W> {
    fn new(layout: JsonLayout, out: W) -> Self {
        Self {
            layout,
            out,
            depth: 0,
            in_string: false,
            escaped: false,
            after_open_bracket: false,
            objects: Vec::new(),
            key_next: false,
        }
    }

    /// Writes the next part of the text, which must end between two tokens.
    fn write(&mut self, mut text: &str) -> io::Result<()> {
        while let Some(first) = text.chars().next() {
            let written = if self.in_string { self.write_in_string(text)? } else { self.write_token(first, text)? };
            text = text.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes the text up to the next special character inside a string, or that character.
    fn write_in_string(&mut self, text: &str) -> io::Result<usize> {
        let is_special = |c: char| c == '"' || c == '\\' || (self.layout.terminal && is_control(c));
        let first = text.chars().next().unwrap_or_default();
        if self.escaped {
            self.escaped = false;
            self.out.write_all(first.encode_utf8(&mut [0; 4]).as_bytes())?;
            return Ok(first.len_utf8());
        }
        let plain = text.find(is_special).unwrap_or(text.len());
        if plain > 0 {
            self.out.write_all(text.get(..plain).unwrap_or_default().as_bytes())?;
            return Ok(plain);
        }
        match first {
            '"' => {
                self.in_string = false;
                self.out.write_all(b"\"")?;
                self.end_color()?;
            }
            '\\' => {
                self.escaped = true;
                self.out.write_all(b"\\")?;
            }
            control => write!(self.out, "\\u{:04x}", u32::from(control))?,
        }
        Ok(first.len_utf8())
    }

    /// Writes one token outside strings, or the quote that begins a string.
    fn write_token(&mut self, first: char, text: &str) -> io::Result<usize> {
        match first {
            ' ' | '\t' | '\r' | '\n' => {}
            '}' | ']' => self.close_bracket(first)?,
            ',' => {
                self.key_next = self.objects.last().copied().unwrap_or_default();
                self.out.write_all(b",")?;
                self.start_line()?;
            }
            ':' => {
                self.key_next = false;
                self.out.write_all(if self.layout.compact { b":" } else { b": " })?;
            }
            '{' | '[' => self.open_bracket(first)?,
            '"' => {
                self.begin_value()?;
                self.in_string = true;
                self.begin_color(if self.key_next { color::KEY } else { color::STRING })?;
                self.out.write_all(b"\"")?;
            }
            _ => return self.write_number_or_literal(first, text),
        }
        Ok(1)
    }

    fn open_bracket(&mut self, bracket: char) -> io::Result<()> {
        self.begin_value()?;
        self.out.write_all(&[bracket as u8])?;
        self.depth += 1;
        self.after_open_bracket = true;
        if self.layout.color {
            self.key_next = bracket == '{';
            self.objects.push(self.key_next);
        }
        Ok(())
    }

    fn close_bracket(&mut self, bracket: char) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        self.objects.pop();
        if !std::mem::take(&mut self.after_open_bracket) {
            self.start_line()?;
        }
        self.out.write_all(&[bracket as u8])
    }

    fn write_number_or_literal(&mut self, first: char, text: &str) -> io::Result<usize> {
        self.begin_value()?;
        let is_end = |c: char| c.is_ascii_whitespace() || ",]}".contains(c);
        let end = text.find(is_end).unwrap_or(text.len());
        self.begin_color(if first.is_ascii_alphabetic() { color::LITERAL } else { color::NUMBER })?;
        self.out.write_all(text.get(..end).unwrap_or_default().as_bytes())?;
        self.end_color()?;
        Ok(end)
    }

    /// Begins a value: the first one in a list or object starts a line.
    fn begin_value(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.after_open_bracket) { self.start_line() } else { Ok(()) }
    }

    fn begin_color(&mut self, color: &str) -> io::Result<()> {
        if self.layout.color { self.out.write_all(color.as_bytes()) } else { Ok(()) }
    }

    fn end_color(&mut self) -> io::Result<()> {
        self.begin_color(color::END)
    }

    /// Starts an indented line. Spaces are written in blocks because replies can nest thousands of levels deep.
    fn start_line(&mut self) -> io::Result<()> {
        if self.layout.compact {
            return Ok(());
        }
        self.out.write_all(b"\n")?;
        let mut remaining = 2 * self.depth;
        while remaining > 0 {
            let block = remaining.min(SPACES.len());
            self.out.write_all(SPACES.get(..block).unwrap_or_default())?;
            remaining -= block;
        }
        Ok(())
    }
}

const SPACES: [u8; 64] = [b' '; 64];

/// DEL and the C1 characters. JSON strings hold no other control characters unescaped.
fn is_control(c: char) -> bool {
    ('\u{7f}'..='\u{9f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_escaped_for_a_terminal() {
        let printed = |terminal| {
            let mut out = Vec::new();
            print_names(&["a\u{1b}[31m", "\u{9b}\u{7f}é\t"], terminal, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(printed(true), "a\\u001b[31m\n\\u009b\\u007fé\t\n");
        assert_eq!(printed(false), "a\u{1b}[31m\n\u{9b}\u{7f}é\t\n");
    }

    fn formatted(parts: &[&str], layout: JsonLayout) -> String {
        let mut json = JsonFormatter::new(layout, Vec::new());
        for part in parts {
            json.write(part).unwrap();
        }
        String::from_utf8(json.out).unwrap()
    }

    const PRETTY: JsonLayout = JsonLayout { compact: false, terminal: false, color: false };
    const COMPACT: JsonLayout = JsonLayout { compact: true, terminal: false, color: false };

    #[test]
    fn lists_are_indented_by_two_spaces() {
        let text = r#"[{"a":[],"b":{},"c":[1,{"d":"x y"}]}]"#;
        let pretty = "[\n  {\n    \"a\": [],\n    \"b\": {},\n    \"c\": [\n      1,\n      {\n        \"d\": \"x y\"\n      }\n    ]\n  }\n]";
        assert_eq!(formatted(&[text], PRETTY), pretty);
        assert_eq!(formatted(&[pretty], COMPACT), text);
    }

    #[test]
    fn tokens_are_unchanged() {
        let text = r#"[1.0,1e400,-0,"\ud800\/\u0041é\\",{"a":1,"a":2},"\"]"]"#;
        assert_eq!(formatted(&[text], COMPACT), text);
    }

    #[test]
    fn escapes_control_chars_on_terminal_only() {
        let text = "[\"a\u{7f}\u{9b}b\"]";
        assert_eq!(formatted(&[text], COMPACT), text);
        assert_eq!(formatted(&[text], JsonLayout { terminal: true, ..COMPACT }), r#"["a\u007f\u009bb"]"#);
    }

    #[test]
    fn accepts_deep_nesting() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(formatted(&[&deep], COMPACT), deep);
        assert_eq!(formatted(&[&deep], JsonLayout { color: true, ..COMPACT }), deep);
    }

    #[test]
    fn keys_strings_numbers_literals_are_colored() {
        let text = r#"{"a":["b",{"c":-1.5e3}],"d":null,"e\"":{},"f":[true,"g"]}"#;
        let marked = formatted(&[text], JsonLayout { color: true, ..COMPACT })
            .replace(color::KEY, "<k>")
            .replace(color::STRING, "<s>")
            .replace(color::NUMBER, "<n>")
            .replace(color::LITERAL, "<l>")
            .replace(color::END, "</>");
        assert_eq!(
            marked,
            r#"{<k>"a"</>:[<s>"b"</>,{<k>"c"</>:<n>-1.5e3</>}],<k>"d"</>:<l>null</>,<k>"e\""</>:{},<k>"f"</>:[<l>true</>,<s>"g"</>]}"#
        );
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<String>().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn pretty_output_matches_serde_json(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(formatted(&[&text], PRETTY), serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(formatted(&[&serde_json::to_string_pretty(&value).unwrap()], COMPACT), text);
        }

        #[test]
        fn colors_change_nothing_else(value in json(), compact: bool) {
            let text = value.to_string();
            let plain = JsonLayout { compact, ..PRETTY };
            let mut colored = formatted(&[&text], JsonLayout { color: true, ..plain });
            // A JSON string never holds a raw escape character, so these are the formatter's.
            for color in [color::KEY, color::STRING, color::NUMBER, color::LITERAL, color::END] {
                colored = colored.replace(color, "");
            }
            prop_assert_eq!(colored, formatted(&[&text], plain));
        }
    }
}
