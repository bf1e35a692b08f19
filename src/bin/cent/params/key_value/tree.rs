//! Makes one JSON object of the keys and values of the arguments.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use super::parser::{KeyValue, Step};
use crate::quoting::shorten;

/// What the arguments so far describe. It is only as deep as a key can be, so that recursion is safe.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    root: Option<Node<'a>>,
    arguments: usize,
}

#[derive(Debug)]
struct Node<'a> {
    /// What set it first, and how many arguments came before that.
    argument: &'a KeyValue<'a>,
    order: usize,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    /// The value of the argument.
    Value,
    Object(BTreeMap<Cow<'a, str>, Node<'a>>),
    List(Vec<Node<'a>>),
}

impl Content<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Value => "a value",
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

impl<'a> Tree<'a> {
    /// Adds an argument where its key says.
    ///
    /// # Errors
    /// For a key that is set already, and for one that is a value and a container, or an object and a list.
    pub(crate) fn insert(&mut self, argument: &'a KeyValue<'a>) -> Result<(), ConflictError> {
        let new = Node::new(argument, self.arguments);
        self.arguments += 1;
        if let Some(root) = &mut self.root {
            return root.merge(new, 0);
        }
        self.root = Some(new);
        Ok(())
    }

    /// The object as JSON text, with the keys in the order in which they were first set. `push_value` adds the value of
    /// an argument.
    pub(crate) fn to_json<E>(
        &self,
        mut push_value: impl FnMut(&'a KeyValue<'a>, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut json = Vec::new();
        match &self.root {
            Some(root) => root.push(0, &mut json, &mut push_value)?,
            None => json.extend_from_slice(b"{}"),
        }
        Ok(json)
    }
}

impl<'a> Node<'a> {
    /// What an argument describes by itself: its value in a container for each step of its key.
    fn new(argument: &'a KeyValue<'a>, order: usize) -> Self {
        let value = Self { argument, order, content: Content::Value };
        argument.path.iter().enumerate().rev().fold(value, |inner, (depth, step)| {
            let content = match step {
                Step::Append => Content::List(vec![inner]),
                // The servers read a param in any case, but not what is inside of it.
                Step::Key(key) if depth == 0 => Content::Object([(key.to_ascii_lowercase().into(), inner)].into()),
                Step::Key(key) => Content::Object([(key.into(), inner)].into()),
            };
            Self { argument, order, content }
        })
    }

    /// Adds what another argument describes here, after so many steps of its key.
    fn merge(&mut self, new: Self, depth: usize) -> Result<(), ConflictError> {
        match (&mut self.content, new.content) {
            (Content::Object(members), Content::Object(new_members)) => {
                for (name, new_member) in new_members {
                    match members.entry(name) {
                        Entry::Occupied(member) => member.into_mut().merge(new_member, depth + 1)?,
                        Entry::Vacant(place) => drop(place.insert(new_member)),
                    }
                }
            }
            (Content::List(elements), Content::List(new_elements)) => elements.extend(new_elements),
            (content, new_content) => {
                let path = self.argument.path.get(..depth).unwrap_or_default();
                return Err(ConflictError {
                    key: shorten(&display(path)),
                    first: (shorten(self.argument.argument), content.name()),
                    second: (shorten(new.argument.argument), new_content.name()),
                });
            }
        }
        Ok(())
    }

    /// Adds the JSON text of this node, which is so many steps deep.
    fn push<E>(
        &self,
        depth: usize,
        json: &mut Vec<u8>,
        push_value: &mut impl FnMut(&'a KeyValue<'a>, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let ([open, close], nodes) = match &self.content {
            Content::Value => return push_value(self.argument, json),
            Content::List(elements) => ([b'[', b']'], elements.iter().collect()),
            Content::Object(members) => {
                let mut members: Vec<_> = members.values().collect();
                members.sort_unstable_by_key(|member| member.order);
                ([b'{', b'}'], members)
            }
        };
        json.push(open);
        for (index, node) in nodes.into_iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            if let Some(Step::Key(key)) = node.argument.path.get(depth) {
                json.extend_from_slice(to_json_string(key).as_bytes());
                json.push(b':');
            }
            node.push(depth + 1, json, push_value)?;
        }
        json.push(close);
        Ok(())
    }
}

/// A text as a JSON string.
pub(crate) fn to_json_string(text: &str) -> String {
    serde_json::to_string(text).expect("any text is a JSON string")
}

/// Makes the text from `start` on a JSON string, in place: it may be large, and is held once.
pub(crate) fn quote_from(json: &mut Vec<u8>, start: usize) {
    let ascii: Vec<String> = (0..128u8).map(|byte| to_json_string(char::from(byte).encode_utf8(&mut [0; 4]))).collect();
    // What is between the quotes; other bytes are as they are.
    let escape = |byte: u8| ascii.get(usize::from(byte)).map(|quoted| &quoted.as_bytes()[1..quoted.len() - 1]);
    let needs_escape = |byte: &u8| escape(*byte).is_some_and(|escape| escape.len() > 1);
    let growth = |byte: &u8| escape(*byte).map_or(0, |escape| escape.len() - 1);
    let (mut from, growth) = (json.len(), json[start..].iter().map(growth).sum::<usize>());
    // The closing quote stays.
    json.resize(from + growth + 2, b'"');
    let mut to = json.len() - 1;
    while let Some(index) = json[start..from].iter().rposition(needs_escape) {
        let index = start + index;
        to -= from - index - 1;
        json.copy_within(index + 1..from, to);
        let escape = escape(json[index]).unwrap_or_default();
        to -= escape.len();
        json[to..to + escape.len()].copy_from_slice(escape);
        from = index;
    }
    json.copy_within(start..from, start + 1);
    json[start] = b'"';
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

    use super::super::parser::{MAX_DEPTH, Operator, SPECIAL, parse};
    use super::*;

    fn build(arguments: &[&str]) -> Result<String, String> {
        let arguments: Vec<_> = arguments.iter().map(|argument| parse(argument).unwrap()).collect();
        let mut tree = Tree::default();
        for argument in &arguments {
            tree.insert(argument).map_err(|error| error.to_string())?;
        }
        let json = tree.to_json(|argument, json| {
            match argument.operator {
                Operator::Text => json.extend_from_slice(to_json_string(argument.value).as_bytes()),
                _ => json.extend_from_slice(argument.value.as_bytes()),
            }
            Ok(())
        });
        json.map(|json| String::from_utf8(json).unwrap())
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
    fn deepest_key_is_built() {
        let json = build(&[&format!("a{}=x", "[]".repeat(MAX_DEPTH))]).unwrap();
        assert_eq!(json, format!(r#"{{"a":{}"x"{}}}"#, "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)));
        let deepest = format!("a{}=x", "[b]".repeat(MAX_DEPTH));
        let message = format!("'{0}…' and '{0}…' both set {0}…", "a".to_owned() + &"[b]".repeat(13));
        assert_eq!(build(&[&deepest, &deepest]).unwrap_err().split(';').next(), Some(&*message));
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
        fn text_is_quoted_in_place(text in any::<String>()) {
            let mut json = format!("{{\"a\":{text}").into_bytes();
            quote_from(&mut json, 5);
            prop_assert_eq!(String::from_utf8(json).unwrap(), format!("{{\"a\":{}", to_json_string(&text)));
        }

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
