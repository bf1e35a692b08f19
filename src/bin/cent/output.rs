//! Standard output.

use std::io::{self, Write};

use cent::{HttpRequest, Reply};

use crate::color;

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// One line, without white space.
    pub(crate) compact: bool,
    /// Writes DEL and C1 characters as `\u00XX`: a terminal would obey them.
    pub(crate) terminal: bool,
    /// Keys, strings, numbers and literals in colours of their own.
    pub(crate) color: bool,
}

/// Prints the list of replies and a line end.
pub(crate) fn list(replies: &[Reply], layout: Layout, out: impl Write) -> io::Result<()> {
    if layout.color { list_in::<true>(replies, layout, out) } else { list_in::<false>(replies, layout, out) }
}

fn list_in<const COLOR: bool>(replies: &[Reply], layout: Layout, out: impl Write) -> io::Result<()> {
    let mut json = Reindent::<_, COLOR>::new(layout, io::BufWriter::new(out));
    json.feed("[")?;
    for (index, reply) in replies.iter().enumerate() {
        if index > 0 {
            json.feed(",")?;
        }
        json.feed(reply.text())?;
    }
    json.feed("]")?;
    json.out.write_all(b"\n")?;
    json.out.flush()
}

/// Prints replies, a line each, in one write.
pub(crate) fn lines(replies: &[Reply], layout: Layout, out: impl Write) -> io::Result<()> {
    let layout = Layout { compact: true, ..layout };
    if layout.color { lines_in::<true>(replies, layout, out) } else { lines_in::<false>(replies, layout, out) }
}

fn lines_in<const COLOR: bool>(replies: &[Reply], layout: Layout, mut out: impl Write) -> io::Result<()> {
    let room = replies.iter().map(|reply| reply.text().len() + 1).sum();
    let mut json = Reindent::<_, COLOR>::new(layout, Vec::with_capacity(room));
    for reply in replies {
        json.out.extend_from_slice(reply.text().as_bytes());
        json.out.push(b'\n');
    }
    // Servers write no white space, and then there is nothing to leave out.
    if blanks(&json.out) > replies.len() || layout.terminal || COLOR {
        json.out.clear();
        for reply in replies {
            json.feed(reply.text())?;
            json.out.push(b'\n');
        }
    }
    out.write_all(&json.out)?;
    out.flush()
}

/// How many bytes are white space; in blocks, so that many are looked at at a time.
fn blanks(bytes: &[u8]) -> usize {
    let in_block = |block: &[u8]| block.iter().map(|&byte| u8::from(byte <= b' ')).sum::<u8>();
    bytes.chunks(u8::MAX.into()).map(|block| usize::from(in_block(block))).sum()
}

/// Prints a request as it would be sent: request line, headers, an empty line, the body.
pub(crate) fn request(request: &HttpRequest<'_>, out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    writeln!(out, "POST {}", request.url())?;
    for (name, value) in request.headers() {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out)?;
    for piece in request.body() {
        out.write_all(piece.as_bytes())?;
    }
    writeln!(out)?;
    out.flush()
}

/// Prints names, a line each.
pub(crate) fn names(names: &[&str], out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    names.iter().try_for_each(|name| writeln!(out, "{name}"))?;
    out.flush()
}

/// Lays JSON out anew and leaves every token as it is; neither depth nor size matters. The text has to be valid JSON.
///
/// Colours are a matter of the type: asked for at each token, they would cost a tenth of the time where there are none.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the text so far")]
struct Reindent<W, const COLOR: bool> {
    layout: Layout,
    out: W,
    depth: usize,
    in_string: bool,
    /// The last character was a backslash that is not itself escaped.
    escaped: bool,
    /// An opening bracket stands last: what follows decides whether a new line comes first.
    opened: bool,
    /// For each open bracket whether it is an object's; kept only where colours tell keys from other strings.
    objects: Vec<bool>,
    /// The next string is a key.
    key: bool,
}

impl<W: Write, const COLOR: bool> Reindent<W, COLOR> {
    fn new(layout: Layout, out: W) -> Self {
        Self { layout, out, depth: 0, in_string: false, escaped: false, opened: false, objects: Vec::new(), key: false }
    }

    /// Takes the next part of the text, which is whole tokens.
    fn feed(&mut self, mut text: &str) -> io::Result<()> {
        while let Some(first) = text.chars().next() {
            let taken = if self.in_string { self.string(text)? } else { self.outside(first, text)? };
            text = text.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes what comes before the next character of note inside a string, or that character.
    fn string(&mut self, text: &str) -> io::Result<usize> {
        let of_note = |c: char| c == '"' || c == '\\' || (self.layout.terminal && is_control(c));
        let first = text.chars().next().unwrap_or_default();
        if self.escaped {
            self.escaped = false;
            self.out.write_all(first.encode_utf8(&mut [0; 4]).as_bytes())?;
            return Ok(first.len_utf8());
        }
        let plain = text.find(of_note).unwrap_or(text.len());
        if plain > 0 {
            self.out.write_all(text.get(..plain).unwrap_or_default().as_bytes())?;
            return Ok(plain);
        }
        match first {
            '"' if COLOR => {
                self.in_string = false;
                self.out.write_all(b"\"")?;
                return self.end_color().map(|()| 1);
            }
            '"' => self.in_string = false,
            '\\' => self.escaped = true,
            control => {
                write!(self.out, "\\u{:04x}", u32::from(control))?;
                return Ok(control.len_utf8());
            }
        }
        self.out.write_all(&[first as u8])?;
        Ok(1)
    }

    /// Takes one character outside strings, or a run of those that stay as they are.
    fn outside(&mut self, first: char, text: &str) -> io::Result<usize> {
        match first {
            ' ' | '\t' | '\r' | '\n' => {}
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                if !std::mem::take(&mut self.opened) {
                    self.line()?;
                }
                self.out.write_all(&[first as u8])?;
                if COLOR {
                    self.objects.pop();
                }
            }
            ',' => {
                if COLOR {
                    self.key = self.objects.last().copied().unwrap_or_default();
                }
                self.out.write_all(b",")?;
                self.line()?;
            }
            ':' => {
                if COLOR {
                    self.key = false;
                }
                self.out.write_all(if self.layout.compact { b":" } else { b": " })?;
            }
            '{' | '[' => {
                self.begin()?;
                self.out.write_all(&[first as u8])?;
                self.depth += 1;
                self.opened = true;
                if COLOR {
                    self.key = first == '{';
                    self.objects.push(self.key);
                }
            }
            '"' => {
                self.begin()?;
                self.in_string = true;
                self.color(if self.key { color::KEY } else { color::STRING })?;
                self.out.write_all(b"\"")?;
            }
            _ => {
                self.begin()?;
                let end = |c: char| c.is_ascii_whitespace() || ",]}".contains(c);
                let literal = text.find(end).unwrap_or(text.len());
                self.color(if first.is_ascii_alphabetic() { color::LITERAL } else { color::NUMBER })?;
                self.out.write_all(text.get(..literal).unwrap_or_default().as_bytes())?;
                self.end_color()?;
                return Ok(literal);
            }
        }
        Ok(1)
    }

    /// Begins a value: the first one after a bracket stands on a line of its own.
    fn begin(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.opened) { self.line() } else { Ok(()) }
    }

    fn color(&mut self, color: &str) -> io::Result<()> {
        if COLOR { self.out.write_all(color.as_bytes()) } else { Ok(()) }
    }

    fn end_color(&mut self) -> io::Result<()> {
        self.color(color::END)
    }

    /// Starts a line; the spaces go a run at a time, since answers can nest thousands of levels deep.
    fn line(&mut self) -> io::Result<()> {
        if self.layout.compact {
            return Ok(());
        }
        self.out.write_all(b"\n")?;
        let mut left = 2 * self.depth;
        while left > 0 {
            let run = left.min(SPACES.len());
            self.out.write_all(SPACES.get(..run).unwrap_or_default())?;
            left -= run;
        }
        Ok(())
    }
}

const SPACES: [u8; 64] = [b' '; 64];

/// DEL and the C1 characters; JSON strings hold no others unescaped.
fn is_control(c: char) -> bool {
    ('\u{7f}'..='\u{9f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn laid_out(parts: &[&str], layout: Layout) -> String {
        if layout.color { laid_out_in::<true>(parts, layout) } else { laid_out_in::<false>(parts, layout) }
    }

    fn laid_out_in<const COLOR: bool>(parts: &[&str], layout: Layout) -> String {
        let mut json = Reindent::<_, COLOR>::new(layout, Vec::new());
        for part in parts {
            json.feed(part).unwrap();
        }
        String::from_utf8(json.out).unwrap()
    }

    const PRETTY: Layout = Layout { compact: false, terminal: false, color: false };
    const COMPACT: Layout = Layout { compact: true, terminal: false, color: false };

    #[test]
    fn lists_are_indented_by_two_spaces() {
        let text = r#"[{"a":[],"b":{},"c":[1,{"d":"x y"}]}]"#;
        let pretty = "[\n  {\n    \"a\": [],\n    \"b\": {},\n    \"c\": [\n      1,\n      {\n        \"d\": \"x y\"\n      }\n    ]\n  }\n]";
        assert_eq!(laid_out(&[text], PRETTY), pretty);
        assert_eq!(laid_out(&[pretty], COMPACT), text);
    }

    #[test]
    fn tokens_stay_as_the_server_wrote_them() {
        let text = r#"[1.0,1e400,-0,"\ud800\/\u0041é\\",{"a":1,"a":2},"\"]"]"#;
        assert_eq!(laid_out(&[text], COMPACT), text);
    }

    #[test]
    fn only_a_terminal_is_guarded_from_control_characters() {
        let text = "[\"a\u{7f}\u{9b}b\"]";
        assert_eq!(laid_out(&[text], COMPACT), text);
        assert_eq!(laid_out(&[text], Layout { terminal: true, ..COMPACT }), r#"["a\u007f\u009bb"]"#);
    }

    #[test]
    fn depth_does_not_matter() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(laid_out(&[&deep], COMPACT), deep);
        assert_eq!(laid_out(&[&deep], Layout { color: true, ..COMPACT }), deep);
    }

    #[test]
    fn keys_strings_numbers_and_literals_have_colours() {
        let text = r#"{"a":["b",{"c":-1.5e3}],"d":null,"e\"":{},"f":[true,"g"]}"#;
        let marked = laid_out(&[text], Layout { color: true, ..COMPACT })
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
        fn pretty_is_what_serde_json_makes_of_it(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(laid_out(&[&text], PRETTY), serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(laid_out(&[&serde_json::to_string_pretty(&value).unwrap()], COMPACT), text);
        }

        #[test]
        fn without_its_colours_it_is_the_same(value in json(), compact: bool) {
            let text = value.to_string();
            let plain = Layout { compact, ..PRETTY };
            let mut colored = laid_out(&[&text], Layout { color: true, ..plain });
            // JSON strings hold no escape character as such: these are ours.
            for color in [color::KEY, color::STRING, color::NUMBER, color::LITERAL, color::END] {
                colored = colored.replace(color, "");
            }
            prop_assert_eq!(colored, laid_out(&[&text], plain));
        }
    }
}
