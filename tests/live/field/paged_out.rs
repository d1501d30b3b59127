// SPDX-License-Identifier: MIT OR Apache-2.0

//! Outer frames that are paged out, as those of a thread that computes for hours on a
//! host short of memory: pyebpf brings them back, and stacks are whole again.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use tests::interpreters::Interpreter;

use crate::support::dumped::dump;
use crate::support::machine::machine;
use crate::support::marks::names;
use crate::support::programs::library;
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, scripts};
use crate::support::timeline::Row;

use super::layout_of;

const SCRIPT: &str = "paged_out.py";

/// The number of frames that `paged_out.c` makes.
const DEPTH: usize = 41;

/// The maximum number of times that memory may have to be read: one read brings back a
/// whole chain.
const MOST_READ: u64 = 5;

/// A target whose outer frames are paged out, until somebody reads them.
pub(crate) struct PagedOut {
    pub(crate) target: Target,
    /// Where its script is.
    _directory: Scratch,
}

impl PagedOut {
    /// Starts it with the compiled `paged_out.c`.
    pub(crate) fn start(library: &Path, interpreter: &Interpreter) -> Result<Self, String> {
        let own = Scratch::new();
        // Private roots see only the directory of the script.
        for file in [library, &scripts().join(SCRIPT)] {
            let name = file.file_name().expect("a file");
            fs::copy(file, own.path().join(name)).expect("our directory");
        }
        let mut arguments = vec![own.path().join("paged_out.so").display().to_string()];
        arguments.extend(offsets(interpreter).map(|it| it.to_string()));
        let mut target = Target::start_in(own.path(), interpreter, SCRIPT, &arguments);
        target.say("out");
        let left = target.next_line()["left"].as_u64();
        if left != Some(0) {
            return Err(format!(
                "{left:?} pages of {} could not be given back: TMPDIR must be on a disk",
                own.path().display()
            ));
        }
        Ok(Self {
            target,
            _directory: own,
        })
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn frames_that_are_paged_out_are_brought_back() {
    let machine = machine();
    let directory = Scratch::new();
    let library = library(directory.path(), "paged_out.c");
    machine.with_each("paged out", |interpreter| {
        let mut paged_out = PagedOut::start(&library, interpreter)?;
        let target = &mut paged_out.target;
        let pid = target.pid().to_string();
        let dumped = dump(machine, target.pid())?;
        if !dumped.threads.iter().any(|thread| is_whole(&thread.row)) {
            return Err(format!("a dump shows {:?}", dumped.threads));
        }
        target.say("out");
        target.next_line();
        let mut recording = Recording::start(machine, &["--hz", "200", "--pid", &pid]);
        recording.wait_until_it_shows(|timeline| timeline.stacks().any(is_whole));
        recording.signal(Signal::SIGINT);
        let timeline = recording.finish().timeline()?;
        for row in timeline.stacks().filter(|row| !is_whole(row)) {
            if !row.is_cut() || names(row)[1..].iter().any(|it| *it != "layer") {
                return Err(format!("a stack that cannot be: {:?}", names(row)));
            }
        }
        // In 3.11 and 3.12 the innermost frame, which is not on the data stack, is
        // known to belong to the chain only by its outer ones.
        let cut = timeline.count_if_any("cut_by_fault") + timeline.count_if_any("unlinked");
        let read = timeline.count("paged_in");
        if cut == 0 || read == 0 || read > MOST_READ {
            return Err(format!("{cut} cut, {read} readings: {:?}", timeline.counts));
        }
        Ok(format!("{cut} cut, then whole after {read} readings"))
    });
}

pub(crate) fn is_whole(row: &Row) -> bool {
    row.frames.len() == 1 + DEPTH && row.frames[0].function == "<module>"
}

/// Returns where an interpreter has the fields that the library writes.
fn offsets(interpreter: &Interpreter) -> [i32; 6] {
    let layout = layout_of(interpreter);
    let or_none = |offset: u16| i16::try_from(offset).map_or(-1, i32::from);
    [
        layout.thread.frame_head.into(),
        or_none(layout.thread.cframe_current_frame),
        layout.frame.previous.into(),
        layout.frame.executable.into(),
        layout.frame.instruction.into(),
        or_none(layout.code.adaptive),
    ]
}
