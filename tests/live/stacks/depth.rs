// SPDX-License-Identifier: MIT OR Apache-2.0

//! Deep recursion: up to 1024 frames are shown; a deeper stack is cut and marked.

use std::time::Duration;

use crate::support::machine::machine;
use crate::support::marks::Marks;
use crate::support::recording::{Walk, record_walking};
use crate::support::target::Target;
use crate::support::timeline::{Frame, Row};

/// The maximum number of frames in a sample.
const MOST: usize = 1024;

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_recursion_of_1000_frames_whole() {
    recursion(998, Walk::OfThisKernel, is_whole);
}

#[test]
#[ignore = "needs root and BPF"]
fn cuts_a_recursion_of_1500_frames_and_says_so() {
    recursion(1498, Walk::OfThisKernel, is_cut);
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_and_cuts_recursions_without_bpf_loop() {
    recursion(998, Walk::GlobalFunctions, is_whole);
    recursion(1498, Walk::GlobalFunctions, is_cut);
}

fn is_whole(row: &Row, marks: &Marks) -> Result<(), String> {
    marks.check(row, |_| false)?;
    // The module and the innermost function are two more.
    (row.frames.len() == 1000)
        .then_some(())
        .ok_or_else(|| format!("a row has {} frames", row.frames.len()))
}

fn is_cut(row: &Row, marks: &Marks) -> Result<(), String> {
    let (marker, inner) = row.frames.split_first().ok_or("an empty row")?;
    if !marker.function.starts_with("<outer frames left out") || inner.len() != MOST {
        return Err(format!(
            "{} frames below {:?}",
            inner.len(),
            marker.function
        ));
    }
    marks.check(row, |frame: &Frame| frame == marker)
}

fn recursion(depth: usize, walk: Walk, check: impl Fn(&Row, &Marks) -> Result<(), String>) {
    let machine = machine();
    let marks = Marks::read("recursion.py");
    let title = match walk {
        Walk::OfThisKernel => format!("recursion of {depth}"),
        Walk::GlobalFunctions => format!("recursion of {depth} by calls"),
    };
    machine.with_each_build(&title, |interpreter| {
        let target = Target::start(interpreter, "recursion.py", &[depth.to_string()]);
        let duration = Duration::from_millis(600);
        let timeline = record_walking(machine, target.pid(), 200, duration, walk)?;
        for row in timeline.uncut_stacks()? {
            check(row, &marks)?;
        }
        let (shown, truncated) = (timeline.count("shown"), timeline.count_if_any("truncated"));
        if truncated != if depth > MOST { shown } else { 0 } {
            return Err(format!("{truncated} of {shown} samples are counted as cut"));
        }
        if shown < 10 || timeline.count("refused") * 100 > shown {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        Ok(format!("{shown} samples, {truncated} cut"))
    });
}
