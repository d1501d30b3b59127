// SPDX-License-Identifier: MIT OR Apache-2.0

//! Work in C code with the GIL released: the interpreter then has no current
//! thread state, but the Python stack is still there.

use std::time::Duration;

use crate::support::machine::{machine, slowness};
use crate::support::marks::Marks;
use crate::support::recording::record;
use crate::support::target::Target;

/// Samples for each second of CPU time.
const HZ: u64 = 500;

#[test]
#[ignore = "needs root and BPF"]
fn shows_the_stack_of_a_thread_that_hashes() {
    let machine = machine();
    let marks = Marks::read("hashing.py");
    machine.with_each_build("hashing", |interpreter| {
        let target = Target::start::<&str>(interpreter, "hashing.py", &[]);
        let timeline = record(
            machine,
            target.pid(),
            HZ as u32,
            Duration::from_millis(1000),
        )?;
        let hasher = timeline.threads.iter().find(|it| it.name == "hasher");
        let hasher = hasher.ok_or("there is no thread of that name")?;
        // It is the only one that uses CPU time.
        timeline.uncut_stacks()?;
        for row in hasher.stacks().filter(|row| !row.is_cut()) {
            marks.check(row, |frame| frame.file.ends_with("/threading.py"))?;
            let names = crate::support::marks::names(row);
            if !names.ends_with(&["work", "hash_it"]) {
                return Err(format!("a row shows {names:?}"));
            }
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        // What the kernel counts, not what the clock says: the thread may have had to wait.
        let hz = HZ / u64::from(slowness());
        let ticks = timeline.count("kernel_cpu_us") * hz / 1_000_000;
        // On a slow machine the first tick comes long after the kernel's count began.
        let least = if slowness() > 1 { 5 } else { 8 };
        if shown < 50 || shown * 10 < ticks * least || refused * 99 > shown {
            let counts = &timeline.counts;
            return Err(format!(
                "{shown} samples with a stack, {refused} without: {counts:?}"
            ));
        }
        Ok(format!("{shown} samples with a stack, {refused} without"))
    });
}
