// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks that no files of a crate import each other in a circle, not even through others,
//! and that the rooms of `sampler-user` import each other one way only.
//!
//! What a file imports is told from the paths in it that begin with `crate`, `super`, `self`
//! or one of its own modules. Unit tests may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A file as the path of its module; the root of the crate is empty.
type Module = Vec<String>;
/// The text of each file.
type Files = BTreeMap<Module, String>;

/// Where the files of each crate are, below the root of the workspace.
const CRATES: [&str; 13] = [
    "bench/src",
    "sampler-common/src",
    "sampler-cpython/src",
    "sampler-ebpf/src",
    "sampler-serve/src",
    "sampler-top/src",
    "sampler-trace/src",
    "sampler-user/src",
    "tests/frozen_process",
    "tests/host",
    "tests/live",
    "tests/src",
    "xtask/src",
];

/// The rooms of `sampler-user`, and those that each may import
/// (docs/internals/modules.md).
const ROOMS: [(&str, &[&str]); 7] = [
    ("platform", &[]),
    ("cli", &["platform"]),
    ("capture", &["platform"]),
    ("record", &["capture", "cli", "platform"]),
    ("dump", &["capture", "platform"]),
    ("serve", &["record", "dump", "capture", "cli", "platform"]),
    (
        "commands",
        &["serve", "record", "dump", "capture", "cli", "platform"],
    ),
];

/// Reads the files below `directory`, which is the module `module`.
fn read(directory: &Path, module: &Module, files: &mut Files) {
    for entry in fs::read_dir(directory).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let stem = path.file_stem().expect("it has a name").to_string_lossy();
        let mut of_file = module.clone();
        if !matches!(&*stem, "lib" | "main" | "mod") {
            of_file.push(stem.into_owned());
        }
        if path.is_dir() {
            read(&path, &of_file, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).expect("it is text");
            files.entry(of_file).or_default().push_str(&text);
        }
    }
}

/// Splits a text into words, `::` and single signs, without comments and unit tests.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let code = text.lines().take_while(|line| *line != "mod tests {");
    for line in code.map(|line| line.split("//").next().unwrap_or_default()) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_other = |sign: char| !(sign.is_alphanumeric() || sign == '_');
            let end = match rest.find(is_other) {
                Some(0) if rest.starts_with("::") => 2,
                Some(0) => first.len_utf8(),
                end => end.unwrap_or(rest.len()),
            };
            let (token, more) = rest.split_at(end);
            found.push(token);
            rest = more.trim_start();
        }
    }
    found
}

/// Adds the paths that begin at `tokens[at]`, each after `before`: several if it has braces.
/// Returns the position behind them.
fn paths(tokens: &[&str], mut at: usize, before: &[String], found: &mut Vec<Module>) -> usize {
    let mut path = before.to_vec();
    loop {
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some(&"{"), _) if !path.is_empty() => {
                at += 1;
                while !matches!(tokens.get(at), None | Some(&"}")) {
                    at = match tokens[at] {
                        "," => at + 1,
                        "as" => at + 2,
                        _ => paths(tokens, at, &path, found),
                    };
                }
                return at + 1;
            }
            (Some(word), Some(&"::")) => path.push((*word).to_owned()),
            (Some(word), _) => {
                path.push((*word).to_owned());
                found.push(path);
                return at + 1;
            }
            (None, _) => return at,
        }
        at += 2;
    }
}

/// Returns the files that a file imports.
fn imports(module: &Module, files: &Files) -> BTreeSet<Module> {
    let tokens = tokens(&files[module]);
    let own = tokens
        .windows(3)
        .filter(|it| it[0] == "mod" && it[2] == ";");
    let own: BTreeSet<_> = own.map(|it| it[1]).collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at + 1 < tokens.len() {
        let begins = tokens[at + 1] == "::" && (at == 0 || tokens[at - 1] != "::");
        let is_known = matches!(tokens[at], "crate" | "self" | "super");
        at = match begins && (is_known || own.contains(tokens[at])) {
            true => paths(&tokens, at, &[], &mut all),
            false => at + 1,
        };
    }
    let file = |path: Module| {
        let mut place = module.clone();
        for word in path {
            match word.as_str() {
                "crate" => place.clear(),
                "self" => {}
                "super" => drop(place.pop()),
                _ => place.push(word),
            }
        }
        while !files.contains_key(&place) && !place.is_empty() {
            place.pop();
        }
        place
    };
    all.into_iter()
        .map(file)
        .filter(|it| it != module)
        .collect()
}

/// Returns files each of which imports the next, and the last the first, if there are any.
fn circle(files: &Files) -> Option<Vec<Module>> {
    let mut left: BTreeMap<_, _> = files.keys().map(|it| (it, imports(it, files))).collect();
    // A file that imports none of those that are left is in no circle.
    loop {
        let names: BTreeSet<_> = left.keys().copied().collect();
        let before = left.len();
        left.retain(|_, imports| imports.iter().any(|it| names.contains(it)));
        if left.len() == before {
            break;
        }
    }
    let mut way: Vec<&Module> = vec![left.keys().next()?];
    loop {
        let next = left[way.last()?].iter().find(|it| left.contains_key(it))?;
        if let Some(start) = way.iter().position(|it| *it == next) {
            return Some(way.split_off(start).into_iter().cloned().collect());
        }
        way.push(next);
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for of_crate in CRATES {
        let mut files = Files::new();
        read(&root.join(of_crate), &Module::new(), &mut files);
        assert!(files.len() > 3, "{of_crate} has hardly any files");
        let names = |it: Vec<Module>| it.iter().map(|it| it.join("::")).collect::<Vec<_>>();
        let circle = circle(&files).map(names);
        assert_eq!(circle, None, "in {of_crate}; an empty name is its root");
    }
}

#[test]
fn the_rooms_of_the_program_import_each_other_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sampler-user/src");
    let mut files = Files::new();
    read(&root, &Module::new(), &mut files);
    let upwards = upwards(&files, &ROOMS);
    assert!(upwards.is_empty(), "{upwards:#?}");
}

/// Returns which files import a room that theirs must not.
fn upwards(files: &Files, rooms: &[(&str, &[&str])]) -> Vec<String> {
    let is_code = |module: &&Module| module.last().is_none_or(|it| !it.ends_with("tests"));
    let mut found = Vec::new();
    for module in files.keys().filter(is_code) {
        let Some((room, below)) = rooms
            .iter()
            .find(|it| module.first().is_some_and(|of| of == it.0))
        else {
            continue;
        };
        for import in imports(module, files) {
            let other = import.first().map_or("", String::as_str);
            let is_room = rooms.iter().any(|it| it.0 == other);
            if is_room && other != *room && !below.contains(&other) {
                found.push(format!(
                    "{} imports {}",
                    module.join("::"),
                    import.join("::")
                ));
            }
        }
    }
    found
}

#[test]
fn an_import_of_a_room_above_is_found() {
    let texts = [
        ("low::a", "use crate::high::b::{c, d};"),
        ("low::tests", "use crate::high::b::c;"),
        ("high::b", "use crate::low::a::e;"),
        ("other", "use crate::high::b::c;"),
    ];
    let file = |(name, text): (&str, &str)| {
        let name = name.split("::").map(str::to_owned).collect();
        (name, text.to_owned())
    };
    let files = texts.into_iter().map(file).collect();
    let rooms = [("low", &[] as &[&str]), ("high", &["low"])];
    assert_eq!(upwards(&files, &rooms), ["low::a imports high::b"]);
}

#[test]
fn a_circle_is_found_however_it_is_imported() {
    let found = |texts: [&str; 3]| {
        let names = ["a", "a::b", "c"].map(|it| it.split("::").map(str::to_owned).collect());
        circle(&names.into_iter().zip(texts.map(str::to_owned)).collect())
    };
    let circles = [
        ["mod b;\nfn f() { b::g() }", "use super::f;", ""],
        ["mod b;\nuse self::b::g;", "fn g() { super::f() }", ""],
        ["use crate::{c::h, x};", "", "use crate::a::{b, f};"],
        [
            "use crate::c;",
            "use super::{X, Y};",
            "use crate::a::b::{self, Z};",
        ],
    ];
    for texts in circles {
        assert!(found(texts).is_some(), "{texts:?}");
    }
    let others = [
        [
            "mod b;\nfn f() { b::g() }",
            "pub(super) fn g() { crate::c::h() }",
            "",
        ],
        [
            "mod b;\nuse self::b::g;",
            "// super::f\nmod tests {\nuse super::super::f;",
            "",
        ],
        ["use crate::c::{h, i};", "use super::X;", "use std::a::b;"],
    ];
    for texts in others {
        assert_eq!(found(texts), None, "{texts:?}");
    }
}
