//! Python 3.11's `configparser.ConfigParser` with default settings, translated literally from its source
//! (`RawConfigParser._read`): the reference for our parser.

use std::collections::{BTreeMap, HashSet};

/// A section's name and its values before interpolation, including those of `[DEFAULT]`.
pub type Section = (String, BTreeMap<String, String>);

/// The sections in order; `None` where Python raises an error.
pub fn read(text: &str) -> Option<Vec<Section>> {
    let mut defaults = BTreeMap::<String, Vec<String>>::new();
    let mut sections = Vec::<(String, BTreeMap<String, Vec<String>>)>::new();
    let mut added = HashSet::<(String, Option<String>)>::new();
    let mut section: Option<String> = None;
    let mut option: Option<String> = None;
    let mut indent = 0;
    let mut failed = false;
    // The dictionary of a section.
    macro_rules! current {
        ($name:expr) => {
            match $name.as_str() {
                "DEFAULT" => &mut defaults,
                name => &mut sections.iter_mut().find(|(known, _)| known == name)?.1,
            }
        };
    }
    for line in text.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        let value = line.trim_matches(is_space);
        let comment = value.starts_with('#') || value.starts_with(';');
        if value.is_empty() || comment {
            if let (false, Some(section), Some(option)) = (comment, &section, &option) {
                current!(section).get_mut(option)?.push(String::new());
            }
            continue;
        }
        let level = line.chars().position(|c| !is_space(c)).unwrap_or(0);
        if let (Some(section), Some(option), true) = (&section, &option, level > indent) {
            current!(section).get_mut(option)?.push(value.to_owned());
            continue;
        }
        indent = level;
        let header = value.strip_prefix('[').and_then(|rest| rest.rfind(']').map(|end| &rest[..end]));
        if let Some(name) = header.filter(|name| !name.is_empty()) {
            if name != "DEFAULT" {
                if !added.insert((name.to_owned(), None)) {
                    return None;
                }
                sections.push((name.to_owned(), BTreeMap::new()));
            }
            section = Some(name.to_owned());
            option = None;
            continue;
        }
        let section = section.as_ref()?;
        let Some(delimiter) = value.find(['=', ':']) else {
            failed = true;
            continue;
        };
        let (name, rest) = value.split_at(delimiter);
        failed |= name.is_empty();
        let name = name.trim_end_matches(is_space).to_lowercase();
        if !added.insert((section.clone(), Some(name.clone()))) {
            return None;
        }
        current!(section).insert(name.clone(), vec![rest[1..].trim_matches(is_space).to_owned()]);
        option = Some(name);
    }
    if failed {
        return None;
    }
    let joined = |values: Vec<String>| values.join("\n").trim_end_matches(is_space).to_owned();
    let defaults: BTreeMap<_, _> = defaults.into_iter().map(|(name, values)| (name, joined(values))).collect();
    let with_defaults = |values: BTreeMap<String, Vec<String>>| {
        let mut all = defaults.clone();
        all.extend(values.into_iter().map(|(name, values)| (name, joined(values))));
        all
    };
    Some(sections.into_iter().map(|(name, values)| (name, with_defaults(values))).collect())
}

/// The value that `get` returns, but with a lone `%` as itself; `None` if it refers to another key.
pub fn interpolated(raw: &str) -> Option<String> {
    let mut value = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find('%') {
        value.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        match rest.chars().next() {
            Some('(') => return None,
            Some('%') => rest = &rest[1..],
            _ => {}
        }
    }
    Some(value + rest)
}

/// What `str.strip` removes.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
