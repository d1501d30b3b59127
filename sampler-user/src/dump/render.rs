// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a dump as text for people. Threads with the same stack are listed above it, so
//! that none is left out.

use std::fmt;

use sampler_trace::escape::escape_for_terminal;
use sampler_trace::model::track::ProcessPlace;

use crate::dump::document::{Dump, DumpedFrame, DumpedThread, StackQuality};

/// The greatest width to which functions and places are aligned.
const WIDEST: usize = 60;

impl fmt::Display for Dump {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = match self.cmdline.as_str() {
            "" => &self.name,
            command => command,
        };
        write!(out, "process {}", self.pid)?;
        let inside = self.place().inside();
        if !inside.is_empty() {
            write!(out, " ({})", escape_for_terminal(&inside))?;
        }
        writeln!(out, ": {}", escape_for_terminal(command))?;
        let python = match &self.python {
            Some(version) => format!("CPython {version}"),
            None => "not looked into".into(),
        };
        let number = self.threads.len();
        let plural = if number == 1 { "" } else { "s" };
        writeln!(out, "{python}, {number} thread{plural}; {}", self.holders())?;
        for problem in &self.problems {
            writeln!(out, "note: {}", escape_for_terminal(problem))?;
        }
        for group in self.groups() {
            writeln!(out)?;
            for thread in &group {
                self.head(out, thread)?;
            }
            // A group is never empty.
            if let Some(thread) = group.first() {
                frames(out, &thread.frames)?;
            }
        }
        Ok(())
    }
}

impl Dump {
    fn place(&self) -> ProcessPlace {
        let is_other = self.namespace_pid != self.pid;
        ProcessPlace {
            namespace_pid: if is_other { self.namespace_pid } else { 0 },
            container: self.container.clone(),
            cgroup: self.cgroup.clone(),
        }
    }

    fn holders(&self) -> String {
        let names: Vec<_> = self
            .threads
            .iter()
            .filter(|thread| thread.holds_gil)
            .map(|thread| format!("{} {}", thread.tid, escape_for_terminal(&thread.name)))
            .collect();
        match (&self.gil_holders, names.as_slice()) {
            (None, _) => "who holds the GIL is not known".into(),
            (Some(_), []) => "no thread holds the GIL".into(),
            (Some(_), names) => format!("the GIL is held by {}", names.join(" and ")),
        }
    }

    /// Returns the threads grouped by stack and state, in the order of the first thread
    /// of each group.
    fn groups(&self) -> Vec<Vec<&DumpedThread>> {
        let mut groups: Vec<Vec<&DumpedThread>> = Vec::new();
        for thread in &self.threads {
            let is_alike = |group: &&mut Vec<&DumpedThread>| {
                group.first().is_some_and(|first| {
                    (&first.frames, &first.state) == (&thread.frames, &thread.state)
                })
            };
            match groups.iter_mut().find(is_alike) {
                Some(group) => group.push(thread),
                None => groups.push(vec![thread]),
            }
        }
        groups
    }

    fn head(&self, out: &mut fmt::Formatter<'_>, thread: &DumpedThread) -> fmt::Result {
        let name = escape_for_terminal(&thread.name);
        write!(out, "thread {} {name}: {}", thread.tid, thread.state)?;
        if thread.holds_gil {
            write!(out, ", holds the GIL")?;
        }
        if thread.stack == StackQuality::Unproven {
            write!(out, "; it ran while being read, so this stack may be wrong")?;
        }
        if let Some(problem) = &thread.problem {
            write!(out, "; {}", escape_for_terminal(problem))?;
        } else if thread.ident.is_none() && self.python.is_some() {
            write!(out, "; runs no Python")?;
        }
        writeln!(out)
    }
}

fn frames(out: &mut fmt::Formatter<'_>, frames: &[DumpedFrame]) -> fmt::Result {
    let lines: Vec<_> = frames
        .iter()
        .map(|frame| {
            let place = match frame.file.as_str() {
                "" => String::new(),
                file => format!("{}:{}", escape_for_terminal(file), frame.line),
            };
            let function = escape_for_terminal(&frame.function).into_owned();
            (function, place, escape_for_terminal(&frame.source))
        })
        .collect();
    let width = |text: &String| text.chars().count();
    let widest = |of: &dyn Fn(&(String, String, _)) -> usize| {
        lines.iter().map(of).max().unwrap_or(0).min(WIDEST)
    };
    let function_width = widest(&|line| width(&line.0));
    let place_width = widest(&|line| width(&line.1));
    for (function, place, source) in &lines {
        let line = format!("  {function:function_width$}  {place:place_width$}  {source}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(tid: u32, name: &str, functions: &[&str]) -> DumpedThread {
        let frame = |function: &&str| DumpedFrame {
            file: "/srv/app.py".into(),
            line: 7,
            function: (*function).into(),
            source: "wait()".into(),
        };
        DumpedThread {
            tid,
            namespace_tid: tid,
            ident: Some(1),
            name: name.into(),
            state: "lock".into(),
            holds_gil: tid == 1,
            stack: StackQuality::Whole,
            problem: None,
            frames: functions.iter().map(frame).collect(),
        }
    }

    fn dump() -> Dump {
        let mut dump = Dump {
            pid: 1,
            cmdline: "python3 app.py".into(),
            python: Some("3.12.1".into()),
            gil_holders: Some(vec![1]),
            threads: vec![
                thread(1, "MainThread", &["work", "<module>"]),
                thread(2, "a\x1b[2J", &["idle"]),
                thread(3, "b", &["idle"]),
                thread(4, "openblas", &[]),
            ],
            ..Dump::default()
        };
        dump.threads[0].stack = StackQuality::Unproven;
        dump.threads[0].state = "running".into();
        dump.threads[3].ident = None;
        dump
    }

    #[test]
    fn people_see_every_thread() {
        let expected = "\
process 1: python3 app.py
CPython 3.12.1, 4 threads; the GIL is held by 1 MainThread

thread 1 MainThread: running, holds the GIL; it ran while being read, so this stack may be wrong
  work      /srv/app.py:7  wait()
  <module>  /srv/app.py:7  wait()

thread 2 a\\u{1b}[2J: lock
thread 3 b: lock
  idle  /srv/app.py:7  wait()

thread 4 openblas: lock; runs no Python
";
        assert_eq!(dump().to_string(), expected);
    }

    #[test]
    fn a_container_is_named() {
        let mut dump = dump();
        dump.namespace_pid = 7;
        dump.container = "docker:4f1c5a0de6b7".into();
        let text = dump.to_string();
        let expected = "process 1 (pid 7 inside docker:4f1c5a0de6b7): python3 app.py\n";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let mut dump = dump();
        dump.gil_holders = None;
        dump.python = None;
        dump.problems = vec!["its memory\nhangs".into()];
        dump.threads.truncate(1);
        let text = dump.to_string();
        let expected = "not looked into, 1 thread; who holds the GIL is not known\n\
            note: its memory\\nhangs\n";
        assert!(text.contains(expected), "{text}");
    }
}
