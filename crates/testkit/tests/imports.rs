//! No file of a crate imports another in a circle. The imports are drawn from `mod` and `use` of each crate's `src`, without tests.
//!
//! An arrow leads from a file to the file that *defines* an imported name: re-exports (`pub use`) are followed, and are no
//! arrows themselves unless the file uses the name, too. Paths in code (`super::name`, `child::name`) count like imports.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{files, text};
use std::collections::{BTreeMap, BTreeSet};

/// The crates of the workspace whose files are checked.
const CRATES: [&str; 13] = [
    "cli",
    "client",
    "conformance",
    "e2ee",
    "engine",
    "link",
    "primitives",
    "relay",
    "shred",
    "simulation",
    "tls",
    "websocket",
    "wire",
];

/// The path of a module below the crate's root, empty for the root itself.
type ModulePath = Vec<String>;

/// One source file, which is one module.
#[derive(Default)]
struct Module {
    file: String,
    /// The names that `use` brings in, and the path behind each.
    names: BTreeMap<String, ModulePath>,
    /// The paths that the file needs: of its imports, and those in its code.
    needs: BTreeSet<ModulePath>,
}

/// The modules of one crate by their paths.
#[derive(Default)]
struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    /// Reads source files, each as (path below `src`, text).
    fn read(sources: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut modules = Self::default();
        let sources: Vec<_> = sources.into_iter().map(|(file, text)| (file, code_of(&text))).collect();
        for (file, _) in &sources {
            let module = Module { file: file.clone(), ..Module::default() };
            modules.0.insert(path_of(file), module);
        }
        for (file, code) in &sources {
            modules.read_file(&path_of(file), code);
        }
        modules
    }

    fn read_file(&mut self, own: &ModulePath, code: &str) {
        let (mut names, mut needs, mut rest) = (BTreeMap::new(), BTreeSet::new(), String::new());
        let mut exports = Vec::new();
        let mut is_export = false;
        for (number, part) in split_uses(code).into_iter().enumerate() {
            if number % 2 == 0 {
                let head = part.trim_end().rsplit([';', '}', ']', '\n']).next().unwrap_or_default();
                is_export = head.trim_start().starts_with("pub");
                rest.push_str(&part);
                continue;
            }
            for (name, path) in expand(&part) {
                if is_export {
                    exports.push((name.clone(), path.clone()));
                } else {
                    needs.insert(path.clone());
                }
                names.insert(name, path);
            }
        }
        // A re-export that the file uses itself is an import, too.
        let words: BTreeSet<_> = rest.split(|char: char| !(char.is_alphanumeric() || char == '_')).collect();
        needs.extend(
            exports.into_iter().filter(|(name, _)| words.contains(name.as_str())).map(|(_, path)| path),
        );
        needs.extend(paths_in(&rest).into_iter().filter(|path| {
            let first = path[0].as_str();
            ["crate", "super", "self"].contains(&first) || self.0.contains_key(&join(own, first))
        }));
        let module = self.0.get_mut(own).unwrap();
        (module.names, module.needs) = (names, needs);
    }

    /// Returns the module that defines the name at the end of `path`, seen from the module `own`;
    /// `None` for a name from outside of the crate, and after 16 re-exports. `depth` is the number
    /// of re-exports followed so far.
    fn resolve(&self, own: &ModulePath, path: &[String], depth: usize) -> Option<&ModulePath> {
        if depth > 16 {
            return None;
        }
        let (mut module, mut path) = (own.clone(), path);
        let mut is_first = true;
        while let Some((segment, rest)) = path.split_first() {
            match segment.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => {
                    module.pop();
                }
                name if self.0.contains_key(&join(&module, name)) => module.push(name.to_owned()),
                name => {
                    let known = self.0.get(&module)?.names.get(name);
                    if let Some(target) = known.filter(|target| **target != *path) {
                        let target: Vec<_> = target.iter().chain(rest).cloned().collect();
                        return self.resolve(&module, &target, depth + 1);
                    }
                    // A first name that is not known here belongs to another crate.
                    return if is_first { None } else { self.0.get_key_value(&module).map(|(path, _)| path) };
                }
            }
            (path, is_first) = (rest, false);
        }
        self.0.get_key_value(&module).map(|(path, _)| path)
    }

    /// Returns for each file the files that it needs.
    fn arrows(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut arrows = BTreeMap::new();
        for (path, module) in &self.0 {
            let needed = module.needs.iter().filter_map(|need| self.resolve(path, need, 0));
            let needed = needed.map(|path| self.0[path].file.as_str());
            arrows.insert(module.file.as_str(), needed.filter(|file| *file != module.file).collect());
        }
        arrows
    }
}

/// Returns the circles: groups of files each of which needs all others, directly or not.
fn circles(arrows: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = arrows
        .keys()
        .map(|start| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![*start]);
            while let Some(file) = next.pop() {
                next.extend(arrows.get(file).into_iter().flatten().filter(|file| seen.insert(**file)));
            }
            (*start, seen)
        })
        .collect();
    let groups: BTreeSet<Vec<String>> = reach
        .iter()
        .filter(|(file, seen)| seen.contains(*file))
        .map(|(file, seen)| {
            seen.iter().filter(|other| reach[**other].contains(file)).map(|name| (*name).to_owned()).collect()
        })
        .collect();
    groups.into_iter().collect()
}

fn join(module: &ModulePath, name: &str) -> ModulePath {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// Returns the module of a file: `session/keys.rs` is the module `session::keys`; `lib.rs` and `main.rs` are the root.
fn path_of(file: &str) -> ModulePath {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if ["lib", "main"].contains(&path) { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Returns the code of a file without comments, strings and the test module.
fn code_of(text: &str) -> String {
    // What a macro names by `$crate` is needed where the macro is used.
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().replace("$crate", "macro_crate");
    let (mut code, mut chars, mut last) = (String::new(), text.chars().peekable(), ' ');
    while let Some(char) = chars.next() {
        match char {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|char| *char != '\n').is_some() {},
            '"' => {
                let mut escaped = false;
                for char in chars.by_ref() {
                    if char == '"' && !escaped {
                        break;
                    }
                    escaped = char == '\\' && !escaped;
                }
            }
            '\'' if last != '&' && last != '<' => {
                // A character literal: it ends within a few characters, and a lifetime does not.
                let mut ahead = chars.clone();
                let first = ahead.next();
                if first == Some('\\') || ahead.next() == Some('\'') {
                    chars.next();
                    if first == Some('\\') {
                        chars.next();
                    }
                    while chars.next().is_some_and(|char| char != '\'') {}
                }
            }
            _ => code.push(char),
        }
        last = char;
    }
    code
}

/// Splits code into pieces that alternate: code, then the tree of one `use` (the text behind the
/// word, up to the semicolon).
fn split_uses(code: &str) -> Vec<String> {
    let (mut parts, mut plain) = (Vec::new(), String::new());
    let mut uses = false;
    for piece in code.split_inclusive([' ', '\n', ';']) {
        if uses {
            let (tree, ends) = (parts.last_mut(), piece.ends_with(';'));
            let tree: &mut String = tree.unwrap();
            tree.push_str(piece);
            uses = !ends;
        } else if piece == "use "
            && plain.trim_end().ends_with(['\n', ';', '}', '{', ')', ']', 'b', ' ']) | plain.trim().is_empty()
        {
            parts.push(std::mem::take(&mut plain));
            parts.push(String::new());
            uses = true;
        } else {
            plain.push_str(piece);
        }
    }
    parts.push(plain);
    parts
}

/// Returns the names that a `use` tree brings in, and the path of each.
fn expand(tree: &str) -> Vec<(String, ModulePath)> {
    let tree: String = tree.trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    expand_into(&tree, &Vec::new(), &mut found);
    found
}

fn expand_into(tree: &str, front: &ModulePath, found: &mut Vec<(String, ModulePath)>) {
    let tree = tree.trim();
    if let Some((head, list)) = tree.split_once('{') {
        let front: ModulePath = front.iter().cloned().chain(segments(head)).collect();
        let (mut depth, mut item) = (0, String::new());
        for char in list.strip_suffix('}').unwrap_or(list).chars().chain([',']) {
            depth += i32::from(char == '{') - i32::from(char == '}');
            if char == ',' && depth == 0 {
                expand_into(&std::mem::take(&mut item), &front, found);
            } else {
                item.push(char);
            }
        }
    } else if !tree.is_empty() {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name)));
        let mut path: ModulePath = front.iter().cloned().chain(segments(path)).collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self" || last == "*") {
            path.pop();
        }
        let name = alias.map_or_else(|| path.last().unwrap().clone(), str::to_owned);
        found.push((name, path));
    }
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty())
}

/// Returns every path in code that contains `::`.
fn paths_in(code: &str) -> BTreeSet<ModulePath> {
    let words = code.split(|char: char| !(char.is_alphanumeric() || char == '_' || char == ':'));
    words
        .map(|word| segments(word.trim_end_matches(':')).collect::<ModulePath>())
        .filter(|path| path.len() > 1)
        .collect()
}

fn sources(krate: &str) -> Vec<(String, String)> {
    let folder = format!("crates/{krate}/src");
    let names = files(&folder, &[".rs"]).into_iter();
    let names = names.filter(|name| !name.contains("/tests/") && !name.ends_with("/tests.rs"));
    names.map(|name| (name[folder.len() + 1..].to_owned(), text(&name))).collect()
}

#[test]
fn no_file_imports_another_in_a_circle() {
    for krate in CRATES {
        let modules = Modules::read(sources(krate));
        let arrows = modules.arrows();
        assert!(arrows.values().any(|needed| !needed.is_empty()), "{krate} has no imports at all");
        let found = circles(&arrows);
        let show = |circle: &Vec<String>| {
            let of = |file: &String| {
                let within = arrows[file.as_str()].iter().filter(|to| circle.iter().any(|one| one == **to));
                format!("\n    {file} -> {}", within.copied().collect::<Vec<_>>().join(", "))
            };
            circle.iter().map(of).collect::<String>()
        };
        assert!(found.is_empty(), "{krate}: {}", found.iter().map(show).collect::<Vec<_>>().join("\n  and"));
    }
}

#[test]
fn a_circle_is_found() {
    let read = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        circles(&Modules::read(files).arrows())
    };
    let root = ("lib.rs", "mod a;\nmod b;\npub use a::{A, Deep};\npub use b::B;\n");
    // Nothing in a circle: b needs a, by its re-export at the root.
    assert!(read(&[root, ("a.rs", "pub struct A;"), ("b.rs", "use crate::A;\npub struct B(A);")]).is_empty());
    let circle = vec![vec!["a.rs".to_owned(), "b.rs".to_owned()]];
    let b = ("b.rs", "use crate::A;\npub struct B(A);");
    assert_eq!(read(&[root, ("a.rs", "use crate::{\n    B as Other,\n};\npub struct A;"), b]), circle);
    assert_eq!(read(&[root, ("a.rs", "fn f() { crate::b::make(); }"), b]), circle);
    assert_eq!(read(&[root, ("a.rs", "pub(crate) fn f() -> super::B {}"), b]), circle);
    // Comments, strings and tests are no imports.
    let quiet = "/// [`B`](crate::B)\npub struct A; const T: &str = \"crate::B\";\n#[cfg(test)]\nmod tests {\n    use crate::B;\n}\n";
    assert!(read(&[root, ("a.rs", quiet), b]).is_empty());
    // A parent that needs a child which needs the parent; a re-export alone is none.
    let child = ("a/deep.rs", "use super::A;\npub struct Deep(A);");
    let parent = ("a.rs", "mod deep;\npub use deep::Deep;\npub struct A;");
    assert!(read(&[root, parent, child, b]).is_empty());
    let parent = ("a.rs", "mod deep;\npub use deep::Deep;\npub struct A; fn f(_: deep::Deep) {}");
    assert_eq!(read(&[root, parent, child, b]), vec![vec!["a.rs".to_owned(), "a/deep.rs".to_owned()]]);
}
