//! What a line of collapsed stacks says. It refuses to keep anything of it.

use crate::timeline::State;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Id and name of the process, if its first frame tells.
    pub(super) process: Option<(u32, &'a str)>,
    /// Id and name of the thread, if a frame tells.
    pub(super) thread: Option<(u32, &'a str)>,
    /// The state, if the innermost frame is one.
    pub(super) state: Option<State>,
    /// The frames between; empty, if there are none.
    stack: &'a str,
    pub(super) count: u64,
}

impl<'a> Line<'a> {
    /// `None` when the line is not frames, a space and a number.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (stack, count) = text.rsplit_once(' ')?;
        // Some writers have weights with a fraction.
        let whole = count.split_once('.').map_or(count, |(whole, part)| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits { whole } else { count }
        });
        let count = whole.parse().ok()?;
        let mut line = Self {
            process: None,
            thread: None,
            state: None,
            stack: stack.trim_end(),
            count,
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

    /// The frames, from the outermost.
    pub(super) fn frames(&self) -> impl Iterator<Item = &'a str> {
        let frames = (!self.stack.is_empty()).then(|| self.stack.split(';'));
        frames.into_iter().flatten()
    }
}

/// `process 1234:"name"`, also without the quotes.
fn process(frame: &str) -> Option<(u32, &str)> {
    let (pid, name) = frame.strip_prefix("process ")?.split_once(':')?;
    Some((pid.parse().ok()?, unquoted(name)))
}

/// `thread (1240): "name"`, also without the name, or with a number that is no
/// thread id of the kernel.
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

/// `function (file:line)`, `function (file)`, or a function.
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
    use crate::timeline::State;

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
