// SPDX-License-Identifier: MIT OR Apache-2.0

//! Holds the commands and options that README.md and docs/ name against those that the
//! program has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, Parser as _};
use sampler_user::cli::arguments::CommandLine;

/// Options that the pages name and that other programs have.
const FOREIGN: [&str; 6] = [
    "--pid=host",
    "--privileged",
    "--readme",
    "--ambient-caps",
    "--quick",
    "--idle",
];

/// Returns the pages for users: their names and their texts.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let pages = pages.chain([root.join("README.md")]);
    pages
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Returns the lines in blocks of code other than `text`, and the code within lines.
fn code(page: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut lines, mut spans) = (Vec::new(), Vec::new());
    let mut block = None;
    for line in page.lines() {
        match (line.trim().strip_prefix("```"), block) {
            (Some(language), None) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            (None, Some("text")) => {}
            (None, Some(_)) => lines.push(line),
            (None, None) => spans.extend(line.split('`').skip(1).step_by(2)),
        }
    }
    (lines, spans)
}

/// Splits a line of a shell into commands, and those into words. What follows two spaces is a
/// remark, and so is what a redirection leads to.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut previous = ' ';
    for letter in line.trim_start().trim_start_matches("$ ").chars() {
        let words = commands.last_mut().expect("there is one at least");
        match letter {
            _ if quote == Some(letter) => quote = None,
            '\'' | '"' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ' ' if quote.is_none() && previous == ' ' && !words.is_empty() => break,
            ' ' if quote.is_none() => words.extend(word.take()),
            '>' if quote.is_none() => {
                // The number of a descriptor belongs to the redirection.
                word.take_if(|word| word.chars().all(|it| it.is_ascii_digit()));
                break;
            }
            '|' | ';' | '&' if quote.is_none() => {
                words.extend(word.take());
                commands.push(Vec::new());
            }
            letter => word.get_or_insert_default().push(letter),
        }
        previous = letter;
    }
    let words = commands.last_mut().expect("there is one at least");
    words.extend(word);
    commands
}

/// Returns the arguments of a command that runs pyebpf, with numbers for what stands for one.
fn arguments(mut words: Vec<String>) -> Option<Vec<String>> {
    if words.first().is_some_and(|word| word == "sudo") {
        words.remove(0);
    }
    let number = |word: String| match word.as_str() {
        "PID" | "ID" => "1".to_owned(),
        _ => word,
    };
    (words.first()? == "pyebpf").then(|| words.into_iter().map(number).collect())
}

/// Calls `visit` with a command and all commands below it.
fn visit<'a>(command: &'a Command, visitor: &mut impl FnMut(&'a Command)) {
    visitor(command);
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        visit(below, visitor);
    }
}

#[test]
fn every_command_in_the_book_is_one_that_the_program_has() {
    let (mut read, mut wrong) = (0, Vec::new());
    for (name, page) in pages() {
        let (lines, spans) = code(&page);
        let whole = lines.into_iter().map(|line| (line, false));
        for (line, is_name) in whole.chain(spans.into_iter().map(|span| (span, true))) {
            for arguments in commands(line).into_iter().filter_map(arguments) {
                read += 1;
                let Err(error) = CommandLine::try_parse_from(&arguments) else {
                    continue;
                };
                // A sentence may name a command without all that it takes.
                let is_short = [
                    ErrorKind::MissingRequiredArgument,
                    ErrorKind::MissingSubcommand,
                    ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                ]
                .contains(&error.kind());
                if !(is_name && is_short) {
                    wrong.push(format!("{name}: {line}\n{error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 80, "only {read} commands were found");
}

#[test]
fn every_option_is_in_the_book_and_no_other() {
    let all: String = pages().into_iter().map(|(_, page)| page).collect();
    let names = |option: &str| {
        all.match_indices(option).any(|(at, _)| {
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '-';
            !all[..at].ends_with(is_part) && !all[at + option.len()..].starts_with(is_part)
        })
    };
    let mut known = BTreeSet::new();
    let mut missing = Vec::new();
    let program = CommandLine::command();
    visit(&program, &mut |command| {
        for option in command.get_arguments().filter(|it| !it.is_hide_set()) {
            let Some(long) = option.get_long() else {
                continue;
            };
            let aliases = option.get_visible_aliases().unwrap_or_default();
            known.extend(
                aliases
                    .into_iter()
                    .chain([long])
                    .map(|it| format!("--{it}")),
            );
            let short = option.get_short().map(|short| format!("-{short}"));
            let is_named = names(&format!("--{long}")) || short.is_some_and(|it| names(&it));
            if !is_named && !["help", "version"].contains(&long) {
                missing.push(format!("{} --{long}", command.get_name()));
            }
        }
    });
    assert!(missing.is_empty(), "not in the book: {missing:?}");
    let mut unknown = Vec::new();
    for (name, page) in pages() {
        for span in code(&page).1 {
            let option = span.split([' ', '=']).next().unwrap_or_default();
            let is_known = known.contains(option) || FOREIGN.iter().any(|it| span.starts_with(it));
            if !is_known && option != "--" && option.starts_with("--") {
                unknown.push(format!("{name}: `{span}`"));
            }
        }
    }
    assert!(unknown.is_empty(), "no such option: {unknown:?}");
}

#[test]
fn a_line_is_split_as_a_shell_splits_it() {
    let found: Vec<_> = commands("$ S='a b' tail x | sudo pyebpf top --from -   a | remark");
    assert_eq!(found[0], ["S=a b", "tail", "x"]);
    assert_eq!(
        arguments(found[1].clone()).unwrap(),
        ["pyebpf", "top", "--from", "-"]
    );
    assert_eq!(found.len(), 2);
}
