// SPDX-License-Identifier: MIT OR Apache-2.0

//! A target whose outer frames are paged out.

use std::fs;
use std::path::Path;

use tests::interpreters::Interpreter;

use crate::support::layout::layout_of;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, scripts};
use crate::support::timeline::Row;

const SCRIPT: &str = "paged_out.py";

/// The number of frames that `paged_out.c` makes.
const DEPTH: usize = 41;

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
