//! A chain of calls that is known: module, f, g, h.

use std::time::Duration;

use crate::machine::machine;
use crate::marks::{Marks, names};
use crate::recording::{Walk, record_walking};
use crate::target::Target;

/// The share of rows that must show the whole chain.
const RIGHT: f64 = 0.99;

#[test]
fn shows_a_known_chain_with_exact_lines() {
    shows_a_known_chain("known chain", Walk::OfThisKernel);
}

#[test]
fn shows_a_known_chain_without_bpf_loop() {
    shows_a_known_chain("known chain by calls", Walk::ByCalls);
}

fn shows_a_known_chain(title: &str, walk: Walk) {
    let Some(machine) = machine() else { return };
    let marks = Marks::of("known_chain.py");
    machine.with_each(title, |interpreter| {
        let target = Target::start::<&str>(interpreter, "known_chain.py", &[]);
        let duration = Duration::from_millis(1000);
        let timeline = record_walking(machine, target.pid(), 500, duration, walk)?;
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
        let shown = timeline.count("shown");
        // What the kernel had moved at that moment is for no walk to read.
        let faults = timeline.counts.get("fault").copied().unwrap_or(0);
        let delivered = shown + timeline.count("refused") - faults.min(shown / 20);
        if (shown as f64) < RIGHT * delivered as f64 || timeline.count("unknown_frames") > 0 {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        let threads: Vec<_> = timeline
            .threads
            .iter()
            .map(|it| (it.pid, it.name.as_str()))
            .collect();
        if threads != [(target.pid(), "MainThread")] {
            return Err(format!("its threads are {threads:?}"));
        }
        Ok(format!(
            "{right} of {} rows, {shown} of {delivered} samples",
            rows.len()
        ))
    });
}
