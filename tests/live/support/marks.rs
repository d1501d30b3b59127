// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which stacks a script can have, by the marks in its comments: `#: name` on a line
//! where the function `name` can be, `#: name > callee` where it can also be calling
//! `callee`, several separated by `;`. Nothing can be at a line without a mark, except
//! at the first line of a function.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::support::target::scripts;
use crate::support::timeline::{Frame, Row};

/// The stacks that a script can have.
pub(crate) struct Marks {
    /// The path that its frames must show.
    file: String,
    source: Vec<String>,
    /// By line: the functions that can be there, each with what it can be calling.
    lines: HashMap<u32, Vec<(String, Option<String>)>>,
}

impl Marks {
    pub(crate) fn read(script: &str) -> Self {
        Self::of_copy(script, &scripts().join(script))
    }

    /// Reads the marks of a script that runs as another file.
    pub(crate) fn of_copy(script: &str, path: &Path) -> Self {
        let text = fs::read_to_string(scripts().join(script));
        let text = text.expect("it is part of the repository");
        let mut lines: HashMap<u32, Vec<_>> = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let here = lines.entry(number).or_default();
            let start = line.trim_start();
            let start = start.strip_prefix("async ").unwrap_or(start);
            if let Some((name, _)) = start.strip_prefix("def ").and_then(|it| it.split_once('(')) {
                here.push((name.to_owned(), None));
            }
            let marks = line.split_once("#: ").map_or("", |(_, marks)| marks);
            for mark in marks.split(';').filter(|mark| !mark.is_empty()) {
                let (name, callee) = match mark.split_once(" > ") {
                    Some((name, callee)) => (name, Some(callee.trim().to_owned())),
                    None => (mark, None),
                };
                here.push((name.trim().to_owned(), callee));
            }
        }
        Self {
            file: path.to_str().expect("the path is UTF-8").to_owned(),
            source: text.lines().map(|line| line.trim().to_owned()).collect(),
            lines,
        }
    }

    /// Returns the same marks for the script under another path.
    pub(crate) fn at(self, path: &str) -> Self {
        let file = path.to_owned();
        Self { file, ..self }
    }

    /// Whether a frame belongs to this script.
    pub(crate) fn owns(&self, frame: &Frame) -> bool {
        frame.file == self.file
    }

    /// Checks the frames of a row that belong to this script, from the module on: each
    /// must be at a line of its function, where it can be calling the next one. A frame
    /// of any other file must be `foreign`.
    pub(crate) fn check(&self, row: &Row, foreign: impl Fn(&Frame) -> bool) -> Result<(), String> {
        let wrong = |what: &str, frame: &Frame| {
            let chain: Vec<_> = row.frames.iter().map(shown).collect();
            Err(format!("{what} {} in {}", shown(frame), chain.join(" > ")))
        };
        if let Some(other) = row.frames.iter().find(|it| !self.owns(it) && !foreign(it)) {
            return wrong("a frame that cannot be,", other);
        }
        let own: Vec<&Frame> = row.frames.iter().filter(|it| self.owns(it)).collect();
        for (index, frame) in own.iter().enumerate() {
            let callee = own.get(index + 1);
            let marks = self.lines.get(&frame.line).map_or(&[][..], Vec::as_slice);
            let can_be = marks.iter().any(|(name, calls)| {
                let right_call = match (callee, calls) {
                    (None, _) => true,
                    (Some(callee), Some(calls)) => calls == "*" || callee.short_name() == calls,
                    (Some(_), None) => false,
                };
                name == frame.short_name() && right_call
            });
            if !can_be {
                return wrong("a line that cannot be,", frame);
            }
            let source = self.source.get(frame.line as usize - 1);
            if source != Some(&frame.source) {
                return wrong(&format!("the source {:?} at", frame.source), frame);
            }
        }
        Ok(())
    }
}

/// Formats a frame as `name@file:line`.
fn shown(frame: &Frame) -> String {
    let file = frame.file.rsplit('/').next().unwrap_or_default();
    format!("{}@{file}:{}", frame.function, frame.line)
}

/// Returns the names of a row's functions, outermost first.
pub(crate) fn names(row: &Row) -> Vec<&str> {
    row.frames.iter().map(Frame::short_name).collect()
}
