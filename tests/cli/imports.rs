//! Imports point one way, down: neither files nor folders import each other in a circle, neither in the library nor in the
//! program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::sources::{files, read, without_comments_and_tests};

/// The names that lead to a file: `["api", "form"]` for `api/form.rs` and for `api/form/mod.rs`.
type Module = Vec<String>;

/// Names, other characters, and `\0` for `::`.
fn tokens(code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let spaced = |c: char| if is_name(c) { c.to_string() } else { format!(" {c} ") };
    let spaced: String = without_comments_and_tests(code).replace("::", "\0").chars().map(spaced).collect();
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// Adds the paths of a tree such as `crate::{a, b::{c, d}}` to `found`; returns the token after it.
fn collect_paths(tokens: &[String], mut at: usize, mut path: Module, found: &mut Vec<Module>) -> usize {
    loop {
        match tokens[at].as_str() {
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = if tokens[at] == "," { at + 1 } else { collect_paths(tokens, at, path.clone(), found) };
                }
                return at + 1;
            }
            "crate" => path.clear(),
            "super" => drop(path.pop()),
            "self" => {}
            name => path.push(name.to_owned()),
        }
        match tokens.get(at + 1).map(String::as_str) {
            Some("\0") => at += 2,
            next => {
                found.push(path);
                return at + if next == Some("as") { 3 } else { 1 };
            }
        }
    }
}

/// The modules that a file imports: in `use` and in paths in the code.
fn imports(module: &Module, code: &str, modules: &BTreeSet<Module>) -> BTreeSet<Module> {
    let (tokens, mut found, mut at) = (tokens(code), Vec::new(), 1);
    while at + 1 < tokens.len() {
        let child = [&module[..], &[tokens[at].clone()]].concat();
        let is_root = ["crate", "super", "self"].contains(&&*tokens[at]) || modules.contains(&child);
        // Not the middle of a path, nor where something is visible: `pub(in crate::x)`.
        let is_start = tokens[at + 1] == "\0" && tokens[at - 1] != "\0" && tokens[at - 1] != "in";
        at = if is_root && is_start { collect_paths(&tokens, at, module.clone(), &mut found) } else { at + 1 };
    }
    let file =
        |path: Module| (0..=path.len()).rev().map(|length| path[..length].to_vec()).find(|path| modules.contains(path));
    found.into_iter().filter_map(file).filter(|imported| imported != module).collect()
}

/// What is left of the imports among files and folders once all that are in no circle are taken away.
fn circles(crate_files: &[(String, String)]) -> Vec<String> {
    let module = |file: &str| -> Module {
        let names = file.trim_end_matches(".rs").split('/').filter(|name| !["lib", "main", "mod"].contains(name));
        names.map(str::to_owned).collect()
    };
    let modules: BTreeSet<Module> = crate_files.iter().map(|(file, _)| module(file)).collect();
    let mut arrows = BTreeMap::new();
    for (file, code) in crate_files {
        let from = module(file);
        for to in imports(&from, code, &modules) {
            // Between the two folders, or files, that are in the same folder.
            let common = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
            let place = |module: &Module| (module[..common].join("/"), module.get(common).cloned());
            arrows.insert((place(&from), place(&to)), format!("{file} imports {}", to.join("::")));
        }
    }
    loop {
        let count = arrows.len();
        let (from, to): (BTreeSet<_>, BTreeSet<_>) = arrows.keys().cloned().unzip();
        arrows.retain(|arrow, _| to.contains(&arrow.0) && from.contains(&arrow.1));
        if arrows.len() == count {
            return arrows.into_values().collect();
        }
    }
}

/// The files of a crate below this directory, but not those of another crate in it.
fn crate_files(directory: &str, other: &str) -> Vec<(String, String)> {
    let is_rust = |file: &String| Path::new(file).extension().is_some_and(|extension| extension == "rs");
    let is_code = |file: &String| is_rust(file) && !file.ends_with("_tests.rs") && !file.starts_with(other);
    let with_code = |file: String| (file[directory.len() + 1..].to_owned(), read(&file));
    files(directory).into_iter().filter(is_code).map(with_code).collect()
}

#[test]
fn imports_have_no_circles() {
    for (directory, other) in [("src", "src/bin/"), ("src/bin/cent", "-")] {
        let files = crate_files(directory, other);
        assert!(files.len() > 20, "{}", files.len());
        assert_eq!(circles(&files), [""; 0], "{directory}");
    }
}

#[test]
fn circles_are_found() {
    let circles = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|&(file, code)| (file.to_owned(), code.to_owned())).collect();
        circles(&files)
    };
    let lib = ("lib.rs", "mod a;\nmod b;\npub use a::A;\nuse crate::b::{self, B as C};\n");
    let used = ("b/mod.rs", "//! See `crate::a`.\nmod c;\npub(in crate::a) use c::D;\nuse std::a::X;\n");
    let down = ("a.rs", "use crate::{\n    b::{c::{D}, B},\n};\n#[cfg(test)]\nmod tests {\n    use crate::A;\n}\n");
    assert_eq!(circles(&[lib, used, down, ("b/c.rs", "pub struct D;\n")]), [""; 0]);
    // Between files, by a path in the code.
    let up = ("b/c.rs", "fn f() { super::super::a::f() }\n");
    assert_eq!(circles(&[lib, ("b/mod.rs", "mod c;\n"), down, up]), ["a.rs imports b::c", "b/c.rs imports a"]);
    // With the file that declares the module, and with the root.
    let parent = [("lib.rs", "mod b;\n"), ("b.rs", "mod c;\nfn f() { c::g() }\n"), ("b/c.rs", "use super::f;\n")];
    assert_eq!(circles(&parent), ["b.rs imports b::c", "b/c.rs imports b"]);
    assert_eq!(circles(&[lib, ("a.rs", "use crate::*;\n"), ("b.rs", "")]), ["lib.rs imports a", "a.rs imports "]);
    // Between folders whose files are in no circle.
    let folders =
        [("a/x.rs", "use crate::b::y::Y;\n"), ("a/z.rs", ""), ("b/y.rs", ""), ("b/w.rs", "use crate::a::z;\n")];
    assert_eq!(circles(&folders), ["a/x.rs imports b::y", "b/w.rs imports a::z"]);
}
