// SPDX-License-Identifier: MIT OR Apache-2.0

//! The chain of calls of `known_chain.py`, which tests of many situations look for.

use crate::support::marks::{Marks, names};
use crate::support::timeline::Timeline;

/// The share of rows that must show the whole chain.
pub(crate) const RIGHT: f64 = 0.99;

/// Checks that a timeline shows the process `pid` in the chain of
/// `known_chain.py`, in one thread, and no other process.
pub(crate) fn check_known_chain(
    timeline: &Timeline,
    pid: u32,
    marks: &Marks,
) -> Result<String, String> {
    let rows: Vec<_> = timeline.stacks().collect();
    let expected = ["<module>", "f", "g", "h"];
    let right = rows
        .iter()
        .filter(|row| names(row) == expected && marks.check(row, |_| false).is_ok())
        .count();
    if (right as f64) < RIGHT * rows.len() as f64 || rows.len() < 20 {
        let wrong = rows
            .iter()
            .find_map(|row| marks.check(row, |_| false).err());
        return Err(format!(
            "{right} of {} rows are right: {wrong:?}",
            rows.len()
        ));
    }
    if timeline.count("unknown_frames") > 0 {
        return Err(format!("what was counted: {:?}", timeline.counts));
    }
    let threads: Vec<_> = timeline
        .threads
        .iter()
        .map(|it| (it.pid, it.name.as_str()))
        .collect();
    if threads != [(pid, "MainThread")] {
        return Err(format!("its threads are {threads:?}"));
    }
    Ok(format!("{right} of {} rows", rows.len()))
}
