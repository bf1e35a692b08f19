//! Makes one JSON object of the keys and values of the arguments.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use super::parser::{KeyValue, Step, shorten};

/// The objects and lists so far. They refer to each other by number, because a key can have tens of thousands of levels.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    /// The first one is the object that is built.
    nodes: Vec<Node<'a>>,
    /// The value of each key of each object.
    members: HashMap<(usize, Cow<'a, str>), usize>,
}

#[derive(Debug)]
struct Node<'a> {
    content: Content<'a>,
    /// What set it first, and how many steps of its key lead here; none for the object that is built.
    origin: Option<(&'a KeyValue<'a>, usize)>,
}

#[derive(Debug)]
enum Content<'a> {
    /// Not known yet.
    Unset,
    /// A value as JSON text.
    Value(String),
    Object(Vec<(&'a str, usize)>),
    List(Vec<usize>),
}

impl Content<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Unset | Self::Value(_) => "a value",
            Self::Object(_) => "an object",
            Self::List(_) => "a list",
        }
    }
}

/// Two arguments that contradict each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConflictError {
    key: String,
    /// The arguments, and what they make of the key.
    first: (String, &'static str),
    second: (String, &'static str),
}

impl fmt::Display for ConflictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, first: (first, made), second: (second, makes) } = self;
        if made == makes {
            write!(f, "'{first}' and '{second}' both set {key}; keep one, or use {key}[] twice for a list")
        } else {
            write!(f, "{key} is {made} in '{first}', but {makes} in '{second}'; keep one of them")
        }
    }
}

/// A piece of the JSON text.
enum Piece<'a> {
    Node(usize),
    Key(&'a str),
    Punctuation(char),
}

impl<'a> Builder<'a> {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node { content: Content::Object(Vec::new()), origin: None }], members: HashMap::new() }
    }

    /// Puts a value, as JSON text, where the key of its argument says.
    ///
    /// # Errors
    /// For a key that is set already, and for one that is a value and a container, or an object and a list.
    pub(crate) fn insert(&mut self, argument: &'a KeyValue<'a>, json: String) -> Result<(), ConflictError> {
        let mut current = 0;
        for (index, step) in argument.path.iter().enumerate() {
            let next = self.nodes.len();
            current = match step {
                Step::Key(key) => self.member(current, key, argument)?,
                Step::Append => self.element(current, argument)?,
            };
            if current == next {
                self.nodes.push(Node { content: Content::Unset, origin: Some((argument, index + 1)) });
            }
        }
        self.set(current, Content::Value(json), argument)
    }

    /// The node of a key in an object: an earlier one, or the next.
    fn member(&mut self, object: usize, key: &'a str, argument: &KeyValue<'_>) -> Result<usize, ConflictError> {
        self.set(object, Content::Object(Vec::new()), argument)?;
        let next = self.nodes.len();
        // The servers read a param in any case.
        let name = if object == 0 { Cow::Owned(key.to_ascii_lowercase()) } else { Cow::Borrowed(key) };
        let id = *self.members.entry((object, name)).or_insert(next);
        if let Some(Node { content: Content::Object(members), .. }) = self.nodes.get_mut(object).filter(|_| id == next)
        {
            members.push((key, id));
        }
        Ok(id)
    }

    /// The next node, at the end of a list.
    fn element(&mut self, list: usize, argument: &KeyValue<'_>) -> Result<usize, ConflictError> {
        self.set(list, Content::List(Vec::new()), argument)?;
        let next = self.nodes.len();
        if let Some(Node { content: Content::List(elements), .. }) = self.nodes.get_mut(list) {
            elements.push(next);
        }
        Ok(next)
    }

    /// Gives a node its content, unless it is a container of this kind already.
    fn set(&mut self, id: usize, content: Content<'a>, argument: &KeyValue<'_>) -> Result<(), ConflictError> {
        let Some(node) = self.nodes.get_mut(id) else { return Ok(()) };
        match (&node.content, &content) {
            (Content::Object(_), Content::Object(_)) | (Content::List(_), Content::List(_)) => {}
            (Content::Unset, _) => node.content = content,
            (found, new) => return Err(conflict(node.origin, found, argument, new)),
        }
        Ok(())
    }

    /// The object as JSON text, with the keys in the order in which they were first set.
    pub(crate) fn into_json(self) -> String {
        let mut json = String::new();
        let mut pieces = vec![Piece::Node(0)];
        while let Some(piece) = pieces.pop() {
            match piece {
                Piece::Punctuation(c) => json.push(c),
                Piece::Key(key) => {
                    json.push_str(&to_json_string(key));
                    json.push(':');
                }
                Piece::Node(id) => self.push_node(id, &mut json, &mut pieces),
            }
        }
        json
    }

    /// Writes the beginning of a node, and plans the rest in reverse order: without recursion, for any depth.
    fn push_node(&self, id: usize, json: &mut String, pieces: &mut Vec<Piece<'a>>) {
        match self.nodes.get(id).map(|node| &node.content) {
            None | Some(Content::Unset) => {}
            Some(Content::Value(text)) => json.push_str(text),
            Some(Content::Object(members)) => {
                json.push('{');
                pieces.push(Piece::Punctuation('}'));
                for (index, &(key, id)) in members.iter().enumerate().rev() {
                    pieces.extend([Piece::Node(id), Piece::Key(key)]);
                    pieces.extend((index > 0).then_some(Piece::Punctuation(',')));
                }
            }
            Some(Content::List(elements)) => {
                json.push('[');
                pieces.push(Piece::Punctuation(']'));
                for (index, &id) in elements.iter().enumerate().rev() {
                    pieces.push(Piece::Node(id));
                    pieces.extend((index > 0).then_some(Piece::Punctuation(',')));
                }
            }
        }
    }
}

fn conflict(
    origin: Option<(&KeyValue<'_>, usize)>,
    found: &Content<'_>,
    argument: &KeyValue<'_>,
    new: &Content<'_>,
) -> ConflictError {
    let (first, depth) = origin.unwrap_or((argument, 0));
    let path = first.path.get(..depth).unwrap_or_default();
    ConflictError {
        key: shorten(&display(path)),
        first: (shorten(first.argument), found.name()),
        second: (shorten(argument.argument), new.name()),
    }
}

/// A text as a JSON string.
pub(crate) fn to_json_string(text: &str) -> String {
    serde_json::to_string(text).expect("any text is a JSON string")
}

/// A key as it is typed, without backslashes.
fn display(path: &[Step]) -> String {
    let mut text = String::new();
    for (index, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) if index == 0 => text.push_str(key),
            Step::Key(key) => text.extend(["[", key, "]"]),
            Step::Append => text.push_str("[]"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::parser::{Operator, SPECIAL, parse};
    use super::*;

    fn build(arguments: &[&str]) -> Result<String, String> {
        let arguments: Vec<_> = arguments.iter().map(|argument| parse(argument).unwrap()).collect();
        let mut builder = Builder::new();
        for argument in &arguments {
            let json = if argument.operator == Operator::Text {
                to_json_string(argument.value)
            } else {
                argument.value.to_owned()
            };
            builder.insert(argument, json).map_err(|error| error.to_string())?;
        }
        Ok(builder.into_json())
    }

    #[track_caller]
    fn assert_built(arguments: &[&str], json: &str) {
        assert_eq!(build(arguments).unwrap(), json);
    }

    #[track_caller]
    fn assert_conflict(arguments: &[&str], message: &str) {
        assert_eq!(build(arguments).unwrap_err(), message);
    }

    #[test]
    fn keys_keep_their_order() {
        assert_built(&[], "{}");
        assert_built(&["b=1", "a=2"], r#"{"b":"1","a":"2"}"#);
        assert_built(&["a[b]=1", "c=2", "a[d]=3"], r#"{"a":{"b":"1","d":"3"},"c":"2"}"#);
    }

    #[test]
    fn json_is_kept_as_written() {
        assert_built(&["a:= 1.0 ", r#"b:={"c" : [ ]}"#], r#"{"a": 1.0 ,"b":{"c" : [ ]}}"#);
    }

    #[test]
    fn empty_brackets_append() {
        assert_built(&["a[]=1", "a[]:=2", "a[][b]=3", "a[][]=4"], r#"{"a":["1",2,{"b":"3"},["4"]]}"#);
        assert_built(&["a[b][]=1", "a[b][]=2"], r#"{"a":{"b":["1","2"]}}"#);
    }

    #[test]
    fn contradictions_name_both_arguments() {
        assert_conflict(&["a=1", "a=2"], "'a=1' and 'a=2' both set a; keep one, or use a[] twice for a list");
        assert_conflict(
            &["a[b]=1", "a[b]:=2"],
            "'a[b]=1' and 'a[b]:=2' both set a[b]; keep one, or use a[b][] twice for a list",
        );
        let kinds = |key, made, first, makes, second| {
            format!("{key} is {made} in '{first}', but {makes} in '{second}'; keep one of them")
        };
        for (first, made, second, makes) in [
            ("a=1", "a value", "a[b]=2", "an object"),
            ("a[b]=2", "an object", "a=1", "a value"),
            ("a[b]=2", "an object", "a[]=1", "a list"),
            ("a:={}", "a value", "a[b][c]=1", "an object"),
        ] {
            assert_conflict(&[first, second], &kinds("a", made, first, makes, second));
        }
        assert_conflict(&["a[b]=1", "a[b][]=2"], &kinds("a[b]", "a value", "a[b]=1", "a list", "a[b][]=2"));
        let long = format!("a={}", "x".repeat(50));
        let shown = format!("a={}…", "x".repeat(38));
        assert_conflict(
            &[&long, "a=1\n2"],
            &format!("'{shown}' and 'a=1…' both set a; keep one, or use a[] twice for a list"),
        );
    }

    #[test]
    fn keys_may_be_deep() {
        let depth = 40_000;
        let json = build(&[&format!("a{}=x", "[]".repeat(depth))]).unwrap();
        assert_eq!(json, format!(r#"{{"a":{}"x"{}}}"#, "[".repeat(depth), "]".repeat(depth)));
    }

    /// A name as it is typed.
    fn escape(name: &str) -> String {
        let mut typed = String::new();
        for c in name.chars() {
            typed.extend(SPECIAL.contains(&c).then_some('\\'));
            typed.push(c);
        }
        typed
    }

    /// The arguments for a value: texts with `=`, empty containers and other values with `:=`.
    fn arguments(value: &Value, key: &str, list: &mut Vec<String>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    arguments(value, &format!("{key}[{}]", escape(name)), list);
                }
            }
            // A list in a list has several elements only as JSON: each [] appends.
            Value::Array(elements)
                if elements.iter().all(|element| !has_several_values(element)) && !elements.is_empty() =>
            {
                for value in elements {
                    arguments(value, &format!("{key}[]"), list);
                }
            }
            Value::String(text) => list.push(format!("{key}={text}")),
            value => list.push(format!("{key}:={value}")),
        }
    }

    fn has_several_values(value: &Value) -> bool {
        match value {
            Value::Object(members) => members.len() > 1 || members.values().any(has_several_values),
            Value::Array(elements) => elements.len() > 1 || elements.iter().any(has_several_values),
            _ => false,
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                // An empty key has no brackets of its own.
                prop::collection::btree_map(any_name(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof![r"[\[\]=:@\\a]{1,4}", any::<String>().prop_filter("not empty", |name| !name.is_empty())]
    }

    proptest! {
        #[test]
        fn any_text_arrives_exactly(text in any::<String>(), name in any_name()) {
            let json = build(&[&format!("{}[a]={text}", escape(&name))]).unwrap();
            let found: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(found[&name]["a"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn any_structure_arrives_exactly(members in prop::collection::btree_map(any_name(), any_value(), 0..4)) {
            let mut list = Vec::new();
            for (name, value) in &members {
                arguments(value, &escape(name), &mut list);
            }
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            let found: Value = serde_json::from_str(&build(&list).unwrap()).unwrap();
            prop_assert_eq!(found, Value::from(members.into_iter().collect::<serde_json::Map<_, _>>()));
        }
    }
}
