// SPDX-License-Identifier: MIT OR Apache-2.0

//! Parses a line of collapsed stacks.

use crate::model::row::State;

/// A parsed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Id and name of the process, if the first frame gives them.
    pub(super) process: Option<(u32, &'a str)>,
    /// Id and name of the thread, if the next frame gives them.
    pub(super) thread: Option<(u32, &'a str)>,
    /// The state, if the innermost frame is one.
    pub(super) state: Option<State>,
    /// The frames in between; empty if there are none.
    stack: &'a str,
    pub(super) count: u64,
    /// Whether another number precedes the count. A name can end with a number; in a
    /// differential file every line has two counts.
    pub(super) has_two_counts: bool,
}

impl<'a> Line<'a> {
    /// Parses a line. Returns `None` when it is not frames, a space and a number.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (stack, count) = text.rsplit_once(' ')?;
        let count = number(count)?;
        let before = stack.trim_end().rsplit_once(' ');
        let mut line = Self {
            process: None,
            thread: None,
            state: None,
            stack: stack.trim_end(),
            count,
            has_two_counts: before.is_some_and(|(_, last)| number(last).is_some()),
        };
        if line.stack.is_empty() {
            return None;
        }
        line.process = line.take_first(process);
        line.thread = line.take_first(thread);
        line.take_state();
        Some(line)
    }

    fn take_first<T>(&mut self, parse: impl Fn(&'a str) -> Option<T>) -> Option<T> {
        let (first, rest) = self.stack.split_once(';').unwrap_or((self.stack, ""));
        let found = parse(first)?;
        self.stack = rest;
        Some(found)
    }

    fn take_state(&mut self) {
        let (rest, last) = self.stack.rsplit_once(';').unwrap_or(("", self.stack));
        let name = last
            .strip_prefix('[')
            .and_then(|last| last.strip_suffix(']'));
        let state = State::ALL
            .into_iter()
            .find(|state| Some(state.name()) == name);
        if state.is_some() {
            self.state = state;
            self.stack = rest;
        }
    }

    /// The frames, from the outermost inwards.
    pub(super) fn frames(&self) -> impl Iterator<Item = &'a str> {
        let frames = (!self.stack.is_empty()).then(|| self.stack.split(';'));
        frames.into_iter().flatten()
    }
}

/// Whether a line says something about the file, as those of Austin do: `# mode: wall`.
pub(super) fn is_comment(text: &str) -> bool {
    let rest = text.strip_prefix('#');
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Parses a count. Some writers give weights with a fraction, which is cut off.
fn number(text: &str) -> Option<u64> {
    let whole = text.split_once('.').map_or(text, |(whole, part)| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { whole } else { text }
    });
    whole.parse().ok()
}

/// Parses `process 1234:"name"`, with or without the quotes.
fn process(frame: &str) -> Option<(u32, &str)> {
    let (pid, name) = frame.strip_prefix("process ")?.split_once(':')?;
    Some((pid.parse().ok()?, unquoted(name)))
}

/// Parses `thread (1240): "name"`, with or without the name. A number that is not a
/// thread id of the kernel becomes the name if there is no other.
fn thread(frame: &str) -> Option<(u32, &str)> {
    let (id, name) = frame.strip_prefix("thread (")?.split_once(')')?;
    let name = unquoted(name.strip_prefix(": ").unwrap_or(name));
    match id.parse() {
        Ok(tid) => Some((tid, name)),
        Err(_) => Some((0, if name.is_empty() { id } else { name })),
    }
}

fn unquoted(name: &str) -> &str {
    name.strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .unwrap_or(name)
}

/// A frame of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code<'a> {
    pub(super) function: &'a str,
    pub(super) file: &'a str,
    /// 0 when the text has none.
    pub(super) line: u32,
}

/// Parses `function (file:line)`, `function (file)`, or a function alone.
pub(super) fn frame(text: &str) -> Code<'_> {
    let parts = text
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once(" ("));
    let Some((function, place)) = parts else {
        return Code {
            function: text,
            file: "",
            line: 0,
        };
    };
    let numbered = place
        .rsplit_once(':')
        .and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line) = numbered.unwrap_or((place, 0));
    Code {
        function,
        file,
        line,
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Line, frame};
    use crate::model::row::State;

    #[test]
    fn lines_of_ours_and_of_others() {
        let ours = "process 7:\"uwsgi\";thread (8): \"worker 1\";f (a b.py:3);[lock] 250";
        let line = Line::parse(ours).expect("is a line");
        assert_eq!(line.process, Some((7, "uwsgi")));
        assert_eq!(line.thread, Some((8, "worker 1")));
        assert_eq!(line.state, Some(State::Lock));
        assert_eq!(line.count, 250);
        assert_eq!(line.frames().collect::<Vec<_>>(), ["f (a b.py:3)"]);
        let other = Line::parse("thread (0x7F12);main;[unknown] 3.5").expect("is a line");
        assert_eq!((other.process, other.thread), (None, Some((0, "0x7F12"))));
        assert_eq!(other.frames().collect::<Vec<_>>(), ["main", "[unknown]"]);
        assert_eq!((other.state, other.count), (None, 3));
        for text in [
            "",
            "hello",
            "a;b x",
            " 7",
            "a -1",
            "a 1.x",
            "{\"a\": 1}",
            "a 99999999999999999999",
        ] {
            assert_eq!(Line::parse(text), None, "{text}");
        }
    }

    #[test]
    fn frames_with_and_without_a_place() {
        let code = |function, file, line| Code {
            function,
            file,
            line,
        };
        for (text, expected) in [
            ("f (a.py:12)", code("f", "a.py", 12)),
            ("f (C:/a.py)", code("f", "C:/a.py", 0)),
            ("operator() (x)", code("operator()", "x", 0)),
            ("f()", code("f()", "", 0)),
            ("f", code("f", "", 0)),
            ("f (a.py:99999999999)", code("f", "a.py:99999999999", 0)),
        ] {
            assert_eq!(frame(text), expected, "{text}");
        }
    }
}
