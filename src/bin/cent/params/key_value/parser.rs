//! The grammar of KEY=VALUE arguments, and how one is split.
//!
//! ```text
//! argument  = key operator value
//! operator  = "="     value is text: a JSON string
//!           | ":="    value is JSON
//!           | "@"     value is a file whose content is text ("-": standard input)
//!           | ":@"    value is a file whose content is JSON
//! key       = name { "[" [ name ] "]" }
//! name      = 1 * ( character | "\" special )
//! special   = "[" | "]" | "=" | ":" | "@" | "\"
//! ```
//!
//! A name in brackets is a key of the object before it; empty brackets append to the list before them. A special character
//! without a backslash may be in a name where it cannot be misread: `:` if no operator begins there, and `=`, `:` and `@`
//! in brackets. A backslash before any other character is a backslash.
//!
//! The first operator outside brackets splits the argument. The value is never interpreted: it has no escapes, and a text
//! that begins with `@` is that text. So a variable can hold anything, whoever wrote it.

use crate::quoting::shorten;

/// How many brackets a key may have. The JSON is built and read without a limit of its own.
pub(super) const MAX_DEPTH: usize = 1000;

/// What a backslash makes plain.
pub(super) const SPECIAL: [char; 6] = ['[', ']', '=', ':', '@', '\\'];

/// How the value is meant. The longer ones come first, because they begin or end like the others.
const OPERATORS: [(&str, Operator); 4] =
    [(":=", Operator::Json), (":@", Operator::JsonFile), ("=", Operator::Text), ("@", Operator::TextFile)];

/// What the value of an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Text,
    Json,
    TextFile,
    JsonFile,
}

/// A part of a key: where a value goes in what contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into an object, under this key.
    Key(String),
    /// To the end of a list.
    Append,
}

/// An argument, split.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyValue<'a> {
    /// As it was typed, for messages.
    pub(crate) argument: &'a str,
    /// Begins with a key.
    pub(crate) path: Vec<Step>,
    pub(crate) operator: Operator,
    pub(crate) value: &'a str,
}

impl KeyValue<'_> {
    /// As messages name it.
    pub(crate) fn quoted(&self) -> String {
        format!("'{}'", shorten(self.argument))
    }

    /// Whether the value is standard input.
    pub(crate) fn takes_stdin(&self) -> bool {
        matches!(self.operator, Operator::TextFile | Operator::JsonFile) && self.value == "-"
    }
}

/// Why an argument cannot be split.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyError {
    /// What is wrong, and what to do.
    pub(crate) problem: &'static str,
    /// Where, in bytes.
    offset: usize,
}

impl KeyError {
    /// The place in this argument in characters, counted from 1.
    pub(crate) fn column(&self, argument: &str) -> usize {
        argument.get(..self.offset).unwrap_or(argument).chars().count() + 1
    }
}

/// Whether an argument seems to be KEY=VALUE, perhaps with an error.
pub(crate) fn has_operator(argument: &str) -> bool {
    argument.contains(['=', '@'])
}

/// Splits an argument.
///
/// # Errors
/// For a missing key or operator, for brackets that do not match, and for too many of them.
pub(crate) fn parse(argument: &str) -> Result<KeyValue<'_>, KeyError> {
    let mut parser = Parser { argument, offset: 0 };
    let mut path = vec![Step::Key(parser.root()?)];
    while parser.rest().starts_with('[') {
        if path.len() > MAX_DEPTH {
            return parser.error("more than 1,000 brackets; set the inner part as JSON with :=");
        }
        path.push(parser.subkey()?);
    }
    let operator = parser.operator()?;
    Ok(KeyValue { argument, path, operator, value: parser.rest() })
}

struct Parser<'a> {
    argument: &'a str,
    /// How far it is parsed, in bytes.
    offset: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.argument.get(self.offset..).unwrap_or_default()
    }

    fn error<T>(&self, problem: &'static str) -> Result<T, KeyError> {
        Err(KeyError { problem, offset: self.offset })
    }

    fn skip(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.offset += token.len();
        }
        is_next
    }

    /// The next character of a name. An escaped one is plain.
    fn next_char(&mut self) -> Option<char> {
        let mut chars = self.rest().chars();
        let first = chars.next()?;
        let escaped = chars.next().filter(|c| first == '\\' && SPECIAL.contains(c));
        self.offset += first.len_utf8() + usize::from(escaped.is_some());
        Some(escaped.unwrap_or(first))
    }

    /// The name before the first bracket or operator.
    fn root(&mut self) -> Result<String, KeyError> {
        let mut name = String::new();
        while !self.rest().starts_with('[') && self.peek_operator().is_none() {
            if self.rest().starts_with(']') {
                return self.error(r"] without [; write \] for the character itself");
            }
            match self.next_char() {
                Some(c) => name.push(c),
                None => return self.error("missing operator; add =, :=, @ or :@ and a value"),
            }
        }
        if name.is_empty() { self.error("missing key; params are KEY=VALUE") } else { Ok(name) }
    }

    /// What is in brackets.
    fn subkey(&mut self) -> Result<Step, KeyError> {
        let start = self.offset;
        self.skip("[");
        let mut name = String::new();
        while !self.skip("]") {
            if self.rest().starts_with('[') {
                return self.error(r"[ in brackets; close them with ] first, or write \[ for the character itself");
            }
            let Some(c) = self.next_char() else {
                let problem = r"[ without ]; add ], or write \[ for the character itself";
                return Err(KeyError { problem, offset: start });
            };
            name.push(c);
        }
        Ok(if name.is_empty() { Step::Append } else { Step::Key(name) })
    }

    fn peek_operator(&self) -> Option<(&'static str, Operator)> {
        OPERATORS.into_iter().find(|(text, _)| self.rest().starts_with(text))
    }

    /// The operator, after the key.
    fn operator(&mut self) -> Result<Operator, KeyError> {
        match self.peek_operator() {
            Some((text, operator)) => {
                self.offset += text.len();
                Ok(operator)
            }
            None if self.rest().is_empty() => self.error("missing operator; add =, :=, @ or :@ and a value"),
            None => self.error("unexpected text after ]; expected another [, or =, :=, @ or :@"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Operator::{Json, JsonFile, Text, TextFile};
    use super::*;

    /// The path as `a.b.[]`.
    fn path(argument: &str) -> String {
        let steps = parse(argument).unwrap().path.into_iter();
        steps.map(|step| if let Step::Key(key) = step { key } else { "[]".to_owned() }).collect::<Vec<_>>().join(".")
    }

    fn split(argument: &str) -> (String, Operator, &str) {
        let KeyValue { operator, value, .. } = parse(argument).unwrap();
        (path(argument), operator, value)
    }

    #[track_caller]
    fn assert_error(argument: &str, column: usize, problem: &str) {
        let error = parse(argument).unwrap_err();
        assert_eq!(error.column(argument), column, "{argument}");
        assert!(error.problem.starts_with(problem), "{argument}: {}", error.problem);
    }

    #[test]
    fn first_operator_splits() {
        assert_eq!(split("a=b=c:=d@e"), ("a".into(), Text, "b=c:=d@e"));
        assert_eq!(split("a:=1=2"), ("a".into(), Json, "1=2"));
        assert_eq!(split("a@b=c"), ("a".into(), TextFile, "b=c"));
        assert_eq!(split("a:@b:=c"), ("a".into(), JsonFile, "b:=c"));
        assert_eq!(split("a="), ("a".into(), Text, ""));
        assert_eq!(split("a==b"), ("a".into(), Text, "=b"));
        assert_eq!(split("a=:=b"), ("a".into(), Text, ":=b"));
        assert_eq!(split("a b:c=d"), ("a b:c".into(), Text, "d"));
        assert_eq!(split("a::=1"), ("a:".into(), Json, "1"));
    }

    #[test]
    fn values_are_not_interpreted() {
        for value in ["@x", "=@x", r"\", r"\@\=", "[a]", "a[b]=c", "{\"a\": 1}", "\n", "-", "", "é😀"] {
            for (operator, meant) in OPERATORS {
                let argument = format!("data[a]{operator}{value}");
                assert_eq!(split(&argument), ("data.a".into(), meant, value));
            }
        }
    }

    #[test]
    fn brackets_nest() {
        assert_eq!(path("a[b][c]=1"), "a.b.c");
        assert_eq!(path("a[]=1"), "a.[]");
        assert_eq!(path("a[][b][]:=1"), "a.[].b.[]");
        assert_eq!(path("a[b=c:d@e:=f]=1"), "a.b=c:d@e:=f");
        assert_eq!(path("a[ b ]=1"), "a. b ");
    }

    #[test]
    fn backslash_makes_special_characters_plain() {
        assert_eq!(path(r"\[\]\=\:\@\\=1"), r"[]=:@\");
        assert_eq!(path(r"a\=[b\]\[\=]=1"), "a=.b][=");
        assert_eq!(split(r"a\:=1"), ("a:".into(), Text, "1"));
        assert_eq!(path(r"a\b=1"), r"a\b");
        assert_eq!(path(r"a[\]]=1"), "a.]");
    }

    #[test]
    fn errors_name_the_column() {
        assert_error("=a", 1, "missing key");
        assert_error("@a", 1, "missing key");
        assert_error("[a]=1", 1, "missing key");
        assert_error("é]=1", 2, "] without [");
        assert_error("é[a=1", 2, "[ without ]");
        assert_error("é[a[b]=1", 4, "[ in brackets");
        assert_error("a[b]c=1", 5, "unexpected text after ]");
        assert_error("a[b]:1", 5, "unexpected text after ]");
        assert_error("a[b]", 5, "missing operator");
        assert_error("ab", 3, "missing operator");
        assert_error(r"a\=b", 5, "missing operator");
        assert_error("", 1, "missing operator");
        assert!(parse(&format!("a{}=1", "[]".repeat(MAX_DEPTH))).is_ok());
        assert_error(&format!("a{}=1", "[]".repeat(MAX_DEPTH + 1)), 2002, "more than 1,000 brackets");
    }

    proptest::proptest! {
        #[test]
        fn any_argument_is_split_or_has_a_place(argument in r"([a\[\]=:@\\]{0,12}|\PC*)") {
            match parse(&argument) {
                Ok(split) => proptest::prop_assert!(argument.ends_with(split.value)),
                Err(error) => proptest::prop_assert!(error.column(&argument) <= argument.chars().count() + 1),
            }
        }
    }
}
