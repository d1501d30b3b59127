// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs whose frames were not pushed by the evaluation of bytecode: compiled
//! Python, such as Nuitka's, and other evaluators. What is known of their stacks is
//! shown.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use sampler_common::layout::{EntryKind, FrameHead};
use tests::interpreters::Interpreter;

use crate::support::machine::machine;
use crate::support::programs::library;
use crate::support::recording::{Walk, record_work};
use crate::support::scratch::Scratch;
use crate::support::target::{Target, scripts};
use crate::support::timeline::{Row, Timeline};

use crate::support::layout::layout_of;

const SCRIPT: &str = "own_frames.py";

/// What is shown if nothing proves that a frame is the outermost one.
const MARK: &str = "<outer frames not known>";

/// The kinds of frames that `own_frames.c` makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Every frame lies in its own frame object.
    Compiled = 0,
    /// No frame does, and nothing marks the end of the stack.
    Evaluator = 1,
    /// There is only one frame, that of a module, in its own frame object.
    Module = 2,
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_frames_of_compiled_python_with_their_lines() {
    with_frames(
        Kind::Compiled,
        Walk::OfThisKernel,
        |seen, has_base, first| {
            let inner = [("outer", first + 2), ("inner", first + 6)];
            let called = [("outer", first + 2), ("inner", first + 7)];
            let alone = [("outer", first + 1)];
            seen.expect("in compiled code", |row| row == inner)?;
            seen.expect("called by compiled code", |row| {
                row.len() == 3 && row[..2] == called && row[2].0 == "called"
            })?;
            // Without a base frame, this one could be a frame that is not linked yet.
            seen.expect("alone", |row| match has_base {
                true => row == alone,
                false => row[0].0 == MARK && row[1..] == alone,
            })
        },
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_frames_of_compiled_python_without_bpf_loop() {
    with_frames(Kind::Compiled, Walk::GlobalFunctions, |seen, _, first| {
        let inner = [("outer", first + 2), ("inner", first + 6)];
        seen.expect("in compiled code", |row| row == inner)
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_compiled_module_as_a_whole_stack() {
    with_frames(Kind::Module, Walk::OfThisKernel, |seen, _, first| {
        seen.expect("of the module", |row| row == [("<module>", first + 1)])
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_and_marks_what_another_evaluator_runs() {
    with_frames(Kind::Evaluator, Walk::OfThisKernel, |seen, has_base, _| {
        let mark = (!has_base).then_some(MARK);
        let is = |row: &[(&str, u32)], names: &[&str]| {
            let names = mark.iter().chain(names);
            row.iter().map(|it| it.0).eq(names.copied())
        };
        seen.expect("in its code", |row| is(row, &["outer", "inner"]))?;
        // There is an entry frame between them, but it does not end the chain.
        seen.expect("called by its code", |row| {
            is(row, &["outer", "inner", "called"])
        })
    });
}

/// The stacks that were shown, as functions and lines, each with its number of rows.
struct Stacks<'a>(BTreeMap<Vec<(&'a str, u32)>, u64>);

impl<'a> Stacks<'a> {
    fn new(timeline: &'a Timeline) -> Self {
        let mut stacks = BTreeMap::new();
        for thread in timeline.threads.iter().filter(|it| it.tid != it.pid) {
            for row in thread.stacks() {
                *stacks.entry(stack(row)).or_default() += 1;
            }
        }
        Self(stacks)
    }

    /// Counts the matching rows and fails if there is none. One is enough: a thread
    /// that does the same for long has few rows.
    fn expect(&self, what: &str, is_it: impl Fn(&[(&str, u32)]) -> bool) -> Result<u64, String> {
        let rows = self.0.iter().filter(|(row, _)| is_it(row));
        match rows.map(|(_, count)| count).sum() {
            0 => Err(format!("{what}: too few of {:?}", self.0)),
            enough => Ok(enough),
        }
    }
}

fn stack(row: &Row) -> Vec<(&str, u32)> {
    let frames = row.frames.iter();
    frames.map(|it| (it.short_name(), it.line)).collect()
}

/// Records a thread with such frames in every interpreter whose frames are not objects.
/// `check` gets the stacks, whether every chain ends in the thread state, and the first
/// line of the outer function.
fn with_frames(
    kind: Kind,
    walk: Walk,
    check: impl Fn(&Stacks<'_>, bool, u32) -> Result<u64, String>,
) {
    let machine = machine();
    let directory = Scratch::new();
    let library = library(directory.path(), "own_frames.c");
    machine.with_each("frames of its own", |interpreter| {
        if interpreter.minor < 11 {
            return Ok("not run: its frames are objects".to_owned());
        }
        let own = Scratch::new();
        // Private roots see only the directory of the script.
        for file in [&library, &scripts().join(SCRIPT)] {
            let name = file.file_name().expect("a file");
            fs::copy(file, own.path().join(name)).expect("our directory");
        }
        let mut arguments = vec![own.path().join("own_frames.so").display().to_string()];
        arguments.push((kind as u8).to_string());
        arguments.extend(offsets(interpreter).map(|it| it.to_string()));
        let target = Target::start_in(own.path(), interpreter, SCRIPT, &arguments);
        let first = target.ready["first"].as_u64().expect("a line") as u32;
        let work = Duration::from_millis(400);
        let timeline = record_work(machine, target.pid(), 500, work, walk)?;
        let has_base = interpreter.minor >= 15;
        let found = check(&Stacks::new(&timeline), has_base, first);
        let rows = found.map_err(|error| format!("{error}; {:?}", timeline.counts))?;
        let shown = timeline.count("shown");
        let mut refused = timeline.count("refused");
        if kind == Kind::Evaluator {
            // A lone frame that nothing marks as the outermost one is refused.
            refused -= timeline.count_if_any("broken_chain");
        }
        // The thread pushes and pops frames all the time, and in between it has none.
        if shown < 30 || refused * 5 > shown || timeline.count("unknown_frames") > 0 {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        Ok(format!("{rows} rows, {shown} samples, {refused} refused"))
    });
}

/// Returns where an interpreter has the fields that the library writes.
fn offsets(interpreter: &Interpreter) -> [i32; 10] {
    let layout = layout_of(interpreter);
    let (thread, frame) = (&layout.thread, &layout.frame);
    let has_cframe = thread.head_kind == FrameHead::CFrame as u8;
    let is_entry = frame.entry_kind == EntryKind::IsEntry as u8;
    [
        thread.frame_head.into(),
        if has_cframe {
            thread.cframe_current_frame.into()
        } else {
            -1
        },
        frame.previous.into(),
        frame.executable.into(),
        frame.frame_obj.into(),
        frame.instruction.into(),
        // `stackpointer` (from 3.14).
        if interpreter.minor >= 14 { 64 } else { -1 },
        // In 3.11 `owner` comes after `is_entry`.
        i32::from(frame.owner) + i32::from(is_entry),
        layout.object.ob_type.into(),
        layout.code.adaptive.into(),
    ]
}
