//! How messages show what was typed: shortened, or as it is typed in a shell.

/// How much of an argument is printed, in characters.
const MAX_PRINTED_CHARS: usize = 40;

/// The beginning of an argument's first line that is not blank.
pub(crate) fn shorten(argument: &str) -> String {
    let text = argument.trim();
    let shown: String = text.lines().next().unwrap_or_default().chars().take(MAX_PRINTED_CHARS).collect();
    if shown.len() < text.len() { shown + "…" } else { shown }
}

/// A word as it is typed in a shell.
pub(crate) fn for_shell(word: &str) -> String {
    // A shell expands the tilde of a word that begins with it, and zsh replaces one that begins with an equals sign.
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+,=".contains(c);
    if word.chars().all(is_plain) && !word.is_empty() && !word.starts_with('=') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arguments_are_shortened() {
        assert_eq!(shorten("news"), "news");
        assert_eq!(shorten(" {\n\"channel\": 1}\n"), "{…");
        assert_eq!(shorten(&"ä".repeat(41)), format!("{}…", "ä".repeat(40)));
        assert_eq!(shorten(&"ä".repeat(40)), "ä".repeat(40));
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for word in ["news", "limit:=10", "data@x.json", "a,b"] {
            assert_eq!(for_shell(word), word);
        }
        for (word, typed) in
            [("", "''"), ("a b", "'a b'"), ("data[a]=b", "'data[a]=b'"), ("it's", r"'it'\''s'"), ("=a", "'=a'")]
        {
            assert_eq!(for_shell(word), typed);
        }
    }
}
