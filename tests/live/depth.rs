//! Deep recursion: up to 1024 frames are shown, what is deeper is cut and marked.

use std::time::Duration;

use crate::machine::machine;
use crate::marks::Marks;
use crate::recording::{Walk, record_walking};
use crate::target::Target;
use crate::timeline::{Frame, Row};

/// The most frames a sample has.
const MOST: usize = 1024;

#[test]
fn shows_a_recursion_of_1000_frames_whole() {
    recursion(998, Walk::OfThisKernel, is_whole);
}

#[test]
fn cuts_a_recursion_of_1500_frames_and_says_so() {
    recursion(1498, Walk::OfThisKernel, is_cut);
}

#[test]
fn shows_and_cuts_recursions_without_bpf_loop() {
    recursion(998, Walk::ByCalls, is_whole);
    recursion(1498, Walk::ByCalls, is_cut);
}

fn is_whole(row: &Row, marks: &Marks) -> Result<(), String> {
    marks.check(row, |_| false)?;
    // The module and the function at the end are two more.
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
    let Some(machine) = machine() else { return };
    let marks = Marks::of("recursion.py");
    let title = match walk {
        Walk::OfThisKernel => format!("recursion of {depth}"),
        Walk::ByCalls => format!("recursion of {depth} by calls"),
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
