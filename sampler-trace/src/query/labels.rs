// SPDX-License-Identifier: MIT OR Apache-2.0

//! The labels of processes, threads, frames and states, for formats that have one text
//! for each.

use std::fmt::Write;

use crate::escape::escape_for_terminal;
use crate::model::identifiers::FrameId;
use crate::model::row::State;
use crate::model::symbols::{Frame, Symbols};
use crate::model::track::{ProcessInfo, Track};

/// Replaces the name of a function or a file that has none.
const UNKNOWN: &str = "?";

/// `process 1234:"gunicorn"`, the root of a stack; for a process in a container
/// `process 1234:"gunicorn (pid 7 inside docker:4f1c5a0de6b7)"`.
pub(crate) fn process(process: &ProcessInfo) -> String {
    format!("process {}:\"{}\"", process.pid, plain(&process.title()))
}

/// `thread (1240): "MainThread"`, the second frame of a stack.
pub(crate) fn thread(track: &Track) -> String {
    format!("thread ({}): \"{}\"", track.tid, plain(&track.name))
}

/// Whether a thread in this state is known not to run.
pub(crate) const fn is_waiting(state: State) -> bool {
    !matches!(state, State::Running | State::None)
}

/// `[waiting for GIL]`, the innermost frame of a thread that does not run; `None` for one
/// that does.
pub(crate) fn state(state: State) -> Option<String> {
    is_waiting(state).then(|| format!("[{}]", state.name()))
}

/// `function (file:line)`, without the line when it is not known.
pub(crate) fn frame(symbols: &Symbols, id: FrameId) -> String {
    let Frame {
        file,
        function,
        line,
        ..
    } = symbols.frame(id).unwrap_or_default();
    let named = |text: &str| plain(if text.is_empty() { UNKNOWN } else { text });
    let mut label = named(symbols.string(function));
    label.push_str(" (");
    label.push_str(&named(symbols.string(file)));
    if line > 0 {
        write!(label, ":{line}").expect("a String takes any text");
    }
    label.push(')');
    label
}

/// Makes a text safe inside a line of stacks and in XML: escapes what a reader would
/// obey, and turns a semicolon, which separates frames, into a colon.
pub(crate) fn plain(text: &str) -> String {
    let escaped = escape_for_terminal(text);
    let mut plain = String::with_capacity(escaped.len());
    for letter in escaped.chars() {
        match letter {
            ';' => plain.push(':'),
            // XML 1.0 does not allow these characters (section 2.2).
            '\u{fffe}' | '\u{ffff}' => plain.push('\u{fffd}'),
            _ => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{plain, process, state, thread};
    use crate::model::row::State;
    use crate::model::track::{ProcessInfo, Track};

    #[test]
    fn no_label_parts_a_line_or_an_element() {
        assert_eq!(
            plain("a;b\nc\u{202e}d\u{ffff}"),
            "a:b\\nc\\u{202e}d\u{fffd}"
        );
        let named = ProcessInfo {
            pid: 7,
            name: "uwsgi;x".into(),
            ..ProcessInfo::default()
        };
        assert_eq!(process(&named), "process 7:\"uwsgi:x\"");
        let track = Track {
            tid: 8,
            name: "worker 1".into(),
            ..Track::default()
        };
        assert_eq!(thread(&track), "thread (8): \"worker 1\"");
        assert_eq!(state(State::Lock).as_deref(), Some("[lock]"));
        assert_eq!(state(State::Running), None);
    }
}
