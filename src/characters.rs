//! What characters are called where they are invalid.

/// What word processors and web pages put in the place of a quote.
pub(crate) fn is_typographic_quote(c: char) -> bool {
    matches!(c, '\u{2018}'..='\u{201f}' | '«' | '»' | '‹' | '›' | '′' | '″')
}

/// White space that looks like a plain space, or like nothing.
pub(crate) fn is_unusual_space(c: char) -> bool {
    !c.is_ascii() && c.is_whitespace() || ('\u{200b}'..='\u{200f}').contains(&c) || c == '\u{feff}'
}

/// A name for messages, with the code point where the character cannot be seen.
pub(crate) fn name(c: char) -> String {
    let name = match c {
        ' ' => return "a space".to_owned(),
        '\t' => return "a tab".to_owned(),
        '\n' | '\r' => return "a line break".to_owned(),
        c if c.is_ascii_graphic() => return format!("the character {c}"),
        c if is_typographic_quote(c) => "a typographic quote",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "a typographic dash",
        c if is_unusual_space(c) => "white space other than ASCII",
        c if c.is_control() => "a control character",
        _ => "the character",
    };
    let code = u32::from(c);
    if name == "the character" { format!("{name} U+{code:04X}") } else { format!("{name} (U+{code:04X})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_names() {
        for (c, expected) in [
            ('\n', "a line break"),
            (' ', "a space"),
            ('~', "the character ~"),
            ('“', "a typographic quote (U+201C)"),
            ('–', "a typographic dash (U+2013)"),
            ('\u{a0}', "white space other than ASCII (U+00A0)"),
            ('\u{7}', "a control character (U+0007)"),
            ('é', "the character U+00E9"),
        ] {
            assert_eq!(name(c), expected);
        }
    }
}
