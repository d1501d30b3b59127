// SPDX-License-Identifier: MIT OR Apache-2.0

//! Code objects that replace each other in memory: what is remembered of one
//! must never be shown for the next.

use std::time::Duration;

use crate::support::machine::machine;
use crate::support::recording::record;
use crate::support::target::Target;
use crate::support::timeline::Row;

#[test]
#[ignore = "needs root and BPF"]
fn no_name_is_that_of_code_that_was_there_before() {
    let machine = machine();
    machine.with_each_build("replaced code", |interpreter| {
        let target = Target::start::<&str>(interpreter, "replaced_code.py", &[]);
        let addresses = target.ready["addresses"].as_u64().unwrap_or(u64::MAX);
        let timeline = record(machine, target.pid(), 1000, Duration::from_secs(2))?;
        let verdicts: Vec<Option<bool>> = timeline.stacks().map(is_right).collect();
        let made = verdicts.iter().flatten().count();
        let wrong = verdicts.iter().filter(|it| **it == Some(false)).count();
        let result = format!(
            "{made} rows with made code, {wrong} wrong, {addresses} addresses for 1000 functions"
        );
        // Unless many share an address, there is nothing to confuse.
        if made > 100 && wrong == 0 && addresses < 900 {
            Ok(result)
        } else {
            Err(result)
        }
    });
}

/// Whether the made function is the one that its caller calls; `None` for a row
/// without one.
fn is_right(row: &Row) -> Option<bool> {
    let place = row
        .frames
        .iter()
        .position(|frame| frame.short_name().starts_with("made_"))?;
    let caller = row.frames.get(place.checked_sub(1)?)?;
    let slot = caller.short_name().strip_prefix("slot_")?;
    Some(row.frames[place].short_name().strip_prefix("made_") == Some(slot))
}
