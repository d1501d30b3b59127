// SPDX-License-Identifier: MIT OR Apache-2.0

//! Judges stacks by the marks in a script's comments, which say which stacks the script
//! can have.
//!
//! `#: name` marks a line at which the function `name` can be, `#: name > callee` one
//! at which it can also be calling `callee`. Several marks are separated by `;`. At a
//! line without a mark no function can be, unless it is the first line of that
//! function.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// A stack, and how often it was seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stack {
    /// Outermost frame first.
    pub(super) frames: Vec<Frame>,
    /// How often it was seen.
    pub(super) count: u64,
}

/// A frame as any profiler shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The file's name, without its directory.
    pub(super) file: String,
    /// The function's name, without the class or function in which it is defined.
    pub(super) function: String,
    /// The line that it executes.
    pub(super) line: u32,
}

impl Frame {
    /// Creates a frame from the names that profilers give, of which the part after the
    /// last `/` or `.` is kept.
    pub(super) fn new(file: &str, function: &str, line: u32) -> Self {
        let last = |text: &str, end: char| text.rsplit(end).next().unwrap_or(text).to_owned();
        Self {
            file: last(file, '/'),
            function: last(function, '.'),
            line,
        }
    }
}

/// What [`Judge::judge`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// The number of stacks with a frame of the script.
    pub(super) judged: u64,
    /// The number of them that cannot exist.
    pub(super) impossible: u64,
    /// One of the impossible stacks.
    pub(super) example: Option<String>,
}

/// The stacks that a script can have.
pub(super) struct Judge {
    file: String,
    /// By line: the functions that can be there, each with what it can be calling.
    lines: HashMap<u32, Vec<(String, Option<String>)>>,
    /// The functions that can be the script's outermost frame.
    outermost: &'static [&'static str],
}

impl Judge {
    /// Reads the marks of a script.
    pub(super) fn read(script: &Path, outermost: &'static [&'static str]) -> anyhow::Result<Self> {
        let text = fs::read_to_string(script)
            .with_context(|| format!("cannot read {}", script.display()))?;
        let name = script.file_name().context("a script has a name")?;
        Ok(Self::of_text(&name.to_string_lossy(), &text, outermost))
    }

    fn of_text(file: &str, text: &str, outermost: &'static [&'static str]) -> Self {
        let mut lines: HashMap<u32, Vec<_>> = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let here = lines.entry(number).or_default();
            let definition = line.trim_start().strip_prefix("def ");
            if let Some((name, _)) = definition.and_then(|it| it.split_once('(')) {
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
            file: file.to_owned(),
            lines,
            outermost,
        }
    }

    /// Judges all stacks that have a frame of the script.
    pub(super) fn judge(&self, stacks: &[Stack]) -> Verdict {
        let mut verdict = Verdict::default();
        for stack in stacks {
            let own: Vec<_> = stack
                .frames
                .iter()
                .filter(|it| it.file == self.file)
                .collect();
            if own.is_empty() {
                continue;
            }
            verdict.judged += stack.count;
            if !(self.can_be(&own) && made_code_fits(&stack.frames)) {
                verdict.impossible += stack.count;
                verdict.example.get_or_insert_with(|| shown(&stack.frames));
            }
        }
        verdict
    }

    fn can_be(&self, own: &[&Frame]) -> bool {
        let begins = own
            .first()
            .is_some_and(|it| self.outermost.contains(&it.function.as_str()));
        begins
            && own.iter().enumerate().all(|(index, frame)| {
                let callee = own.get(index + 1).map(|it| it.function.as_str());
                let marks = self.lines.get(&frame.line).map_or(&[][..], Vec::as_slice);
                marks.iter().any(|(name, calls)| {
                    *name == frame.function && (callee.is_none() || calls.as_deref() == callee)
                })
            })
    }
}

/// Whether the frames of code that `chains.py` compiles are possible: the caller of
/// each is `made`, and its function is `<module>`, or `made_7` if its file is
/// `<made 7>`.
fn made_code_fits(frames: &[Frame]) -> bool {
    let number = |frame: &Frame| {
        let number = frame.file.strip_prefix("<made ")?.strip_suffix('>')?;
        Some(number.to_owned())
    };
    frames.iter().enumerate().all(|(index, frame)| {
        let Some(made) = number(frame) else {
            return true;
        };
        let caller = index.checked_sub(1).and_then(|it| frames.get(it));
        caller.is_some_and(|it| it.function == "made")
            && (frame.function == "<module>" || frame.function == format!("made_{made}"))
    })
}

fn shown(frames: &[Frame]) -> String {
    let frame = |it: &Frame| format!("{}:{}", it.function, it.line);
    frames.iter().map(frame).collect::<Vec<_>>().join(" > ")
}

#[cfg(test)]
mod tests {
    use super::{Frame, Judge, Stack};

    const SCRIPT: &str = "def a():\n    b()    #: a > b\n\ndef b():\n    pass    #: b\n\n\
                          a()    #: <module> > a\n";

    fn verdict(frames: &[(&str, &str, u32)]) -> (u64, u64) {
        let frames = frames
            .iter()
            .map(|(file, name, line)| Frame::new(file, name, *line));
        let stack = Stack {
            frames: frames.collect(),
            count: 3,
        };
        let verdict = Judge::of_text("s.py", SCRIPT, &["<module>"]).judge(&[stack]);
        (verdict.judged, verdict.impossible)
    }

    #[test]
    fn a_stack_that_can_be_is_not_impossible() {
        let whole = [
            ("/x/s.py", "<module>", 7),
            ("/x/s.py", "a", 2),
            ("/x/s.py", "b", 5),
        ];
        assert_eq!(verdict(&whole), (3, 0));
        assert_eq!(verdict(&[("/lib/threading.py", "run", 5)]), (0, 0));
    }

    #[test]
    fn mixed_up_stacks_are_found() {
        // `a` calls nothing at that line; the line is another function's; `b` cannot be
        // outermost.
        let wrong_call = [("s.py", "<module>", 7), ("s.py", "a", 1), ("s.py", "b", 5)];
        let wrong_line = [("s.py", "<module>", 7), ("s.py", "a", 5)];
        let no_base = [("s.py", "b", 5)];
        for frames in [&wrong_call[..], &wrong_line, &no_base] {
            assert_eq!(verdict(frames), (3, 3), "{frames:?}");
        }
    }

    #[test]
    fn made_code_has_one_number() {
        let stack = |name: &str| Stack {
            frames: vec![
                Frame::new("s.py", "<module>", 7),
                Frame::new("s.py", "a", 2),
                Frame::new("<made 12>", name, 13),
            ],
            count: 1,
        };
        let judge = Judge::of_text("s.py", &SCRIPT.replace("a > b", "made > b"), &["<module>"]);
        assert_eq!(judge.judge(&[stack("made_13")]).impossible, 1);
    }
}
