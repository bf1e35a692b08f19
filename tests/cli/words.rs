//! Texts that users read are in the terms of the field.

use std::path::Path;

use crate::sources::{files, read, without_comments_and_tests};

/// Private words of earlier versions, and what to write instead.
const PRIVATE_WORDS: [(&str, &str); 48] = [
    ("answer", "response, reply"),
    ("answered", "(say what happened: accepted, rejected)"),
    ("answers", "response, reply"),
    ("tries", "attempts, retries"),
    ("tried again", "retried"),
    ("tell", "report, print, show"),
    ("told", "reported, printed, shown"),
    ("tells", "reports, prints, shows"),
    ("surely", "(leave it out)"),
    ("may have run", "may have been executed"),
    ("has run", "was executed"),
    ("look first", "check first"),
    ("look before", "check before"),
    ("turned away", "temporarily rejected, unavailable"),
    ("said no", "rejected"),
    ("says no", "rejects"),
    ("time is over", "timed out"),
    ("time was over", "timed out"),
    ("is through", "is sent, is finished"),
    ("was through", "was sent, was finished"),
    ("came through", "finished"),
    ("line end", "newline"),
    ("stand", "is in, may appear"),
    ("stands", "is in, appears"),
    ("stands twice", "duplicate"),
    ("is no", "is not a"),
    ("are no", "are not"),
    ("passed over", "ignored, skipped"),
    ("mend", "fix"),
    ("beats", "overrides"),
    ("wins over", "takes precedence over"),
    ("set aside", "overridden"),
    ("sets aside", "overrides"),
    ("wants", "requires"),
    ("one word too many", "unexpected argument"),
    ("slip", "usage error"),
    ("slips", "usage errors"),
    ("folder", "directory"),
    ("spoken to", "over"),
    ("a line each", "one per line"),
    ("a reply a line", "one reply per line"),
    ("go on with", "resume with"),
    ("on the way", "while sending"),
    ("no sense", "cannot be used with, requires"),
    ("colour", "color"),
    ("colours", "colors"),
    ("licence", "license"),
    ("wrong call", "usage error"),
];

/// The private words in a text, in any letter case, each with what to write instead.
fn private_words(text: &str) -> Vec<(&'static str, &'static str)> {
    let text = text.to_lowercase();
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let contains = |word: &str| {
        let mut places = text.match_indices(word);
        places.any(|(start, _)| {
            let (before, after) = (text[..start].chars().next_back(), text[start + word.len()..].chars().next());
            !is_letter(before) && !is_letter(after)
        })
    };
    PRIVATE_WORDS.into_iter().filter(|(word, _)| contains(word)).collect()
}

/// The texts between quotes in Rust code; of a text with quotes in it, the parts between them.
fn quoted_texts(code: &str) -> Vec<String> {
    let code = without_comments_and_tests(code).replace("\\\\", "").replace("\\\"", "'").replace("'\"'", "");
    assert_eq!(code.matches('"').count() % 2, 0, "a quote is not closed: {code}");
    code.split('"').skip(1).step_by(2).map(|text| text.replace("\\n", "\n")).collect()
}

#[track_caller]
fn assert_plain(file: &str, text: &str) {
    if let [(word, instead), ..] = private_words(text)[..] {
        panic!("{file}: instead of \"{word}\" write: {instead}. It is in this text:\n{text}");
    }
}

#[test]
fn printed_texts_have_no_private_words() {
    let mut count = 0;
    for file in files("src").into_iter().filter(|file| !file.ends_with("_tests.rs")) {
        for text in quoted_texts(&read(&file)) {
            assert_plain(&file, &text);
            count += 1;
        }
    }
    assert!(count > 300, "{count} texts");
}

#[test]
fn documents_have_no_private_words() {
    for path in ["man", "completions", "README.md", "CHANGELOG.md"] {
        for file in files(path) {
            for line in read(&file).lines() {
                assert_plain(&file, line);
            }
        }
    }
}

/// What only the program has: its options, config file, environment variables and exit statuses.
fn program_words(text: &str) -> Vec<&str> {
    let is_option = |word: &&str| {
        let name = word.trim_start_matches(|c: char| c != '-' && !c.is_alphanumeric()).strip_prefix("--");
        name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    let others = [
        "centrc",
        "CENT_",
        "exit status",
        "the program",
        "program `cent`",
        "standard input",
        "stdin",
        // Of the config file, and of the environment.
        "set address",
        "set secret",
        "set api_key",
        "your api_key",
        "ca_file",
        "cert_file",
        "line of its own",
        "PROXY",
    ];
    text.split_whitespace().filter(is_option).chain(others.into_iter().filter(|word| text.contains(word))).collect()
}

#[test]
fn library_texts_do_not_mention_the_program() {
    let mut count = 0;
    for file in files("src").into_iter().filter(|file| !file.starts_with("src/bin/") && !file.ends_with("_tests.rs")) {
        let code = read(&file);
        let is_doc = |line: &&str| ["//!", "///"].iter().any(|start| line.trim_start().starts_with(start));
        let is_page = Path::new(&file).extension().is_some_and(|extension| extension == "md");
        let docs = code.lines().filter(|line| is_page || is_doc(line)).map(str::to_owned);
        let literals = if is_page { Vec::new() } else { quoted_texts(&code) };
        for text in docs.chain(literals) {
            assert_eq!(program_words(&text), [""; 0], "{file}: {text}");
            count += 1;
        }
    }
    assert!(count > 1_500, "{count} texts");
}

#[test]
fn program_words_are_found() {
    assert_eq!(program_words("raise `--timeout`, or edit ~/.centrc"), ["`--timeout`,", "centrc"]);
    assert_eq!(program_words("a -- b, ---- c"), [""; 0]);
}

#[test]
fn private_words_are_found() {
    let found: Vec<_> = private_words("Mend it; the answer's end").into_iter().map(|(word, _)| word).collect();
    assert_eq!(found, ["answer", "mend"]);
    assert!(private_words("recommend, fiction, islip, untold stories of tellers").is_empty());
}

#[test]
fn quoted_texts_are_found() {
    let code = r##"
        // "comment"
        let name = "a\"b"; let bar = 'x'; let quote = '"'; let byte = b'"';
        let raw = r#"c "d" e"#; let lifetime: &'static str = "http://f"; // don't
        let backslash = "\\";
#[cfg(test)]
mod tests {
    const X: &str = "test";
"##;
    assert_eq!(quoted_texts(code), ["a'b", "c ", " e", "http://f", ""]);
}
