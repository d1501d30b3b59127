// SPDX-License-Identifier: MIT OR Apache-2.0

//! The stacks that `chains.py` can have.

use crate::support::marks::Marks;
use crate::support::timeline::{Frame, Row};

/// Checks that a row can be one of `chains.py`.
pub(crate) fn check_chains(row: &Row, marks: &Marks) -> Result<(), String> {
    marks.check(row, |frame| made_number(frame).is_some())?;
    // Made code lies between `made` and the leaf, all of it or its beginning.
    let mut numbers = row.frames.iter().filter_map(made_number);
    if let Some(first) = numbers.next() {
        let all_the_same = numbers.all(|number| number == first);
        let called_by_made =
            row.frames
                .iter()
                .zip(row.frames.iter().skip(1))
                .all(|(caller, it)| {
                    made_number(it).is_none()
                        || caller.function == "made"
                        || made_number(caller).is_some()
                });
        if !all_the_same || !called_by_made {
            return Err(format!("made code out of place: {:?}", row.frames));
        }
    }
    Ok(())
}

/// Returns the number of a frame of made code, if its file, name and line agree on it.
fn made_number(frame: &Frame) -> Option<u32> {
    let number: u32 = frame
        .file
        .strip_prefix("<made ")?
        .strip_suffix('>')?
        .parse()
        .ok()?;
    let definition = number % 50 + 1;
    let fits = if frame.function == "<module>" {
        // Before its first instruction a module is at line 1, or 0 from 3.11.
        frame.line <= 1 || frame.line == definition
    } else {
        frame.function == format!("made_{number}")
            && (definition..=definition + 1).contains(&frame.line)
    };
    fits.then_some(number)
}
