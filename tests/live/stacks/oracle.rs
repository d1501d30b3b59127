// SPDX-License-Identifier: MIT OR Apache-2.0

//! Alternating chains, sampled fast: most samples fall near a call or a return, and
//! none may show a stack that cannot be. `PYEBPF_ORACLE_SAMPLES` sets the number of
//! samples of each interpreter (3000 by default), and `PYEBPF_ORACLE_HZ` the rate (1000
//! a second by default).

use std::time::Duration;

use crate::support::chains::check_chains;
use crate::support::machine::{machine, slowness};
use crate::support::marks::Marks;
use crate::support::recording::record;
use crate::support::target::Target;

/// Returns the number in an environment variable, or `otherwise` without it.
fn chosen(variable: &str, otherwise: u32) -> u32 {
    let chosen = std::env::var(variable);
    chosen.map_or(otherwise, |it| it.parse().expect("a number"))
}

#[test]
#[ignore = "needs root and BPF"]
fn no_stack_is_impossible() {
    let machine = machine();
    let samples = chosen("PYEBPF_ORACLE_SAMPLES", 3000);
    let hz = chosen("PYEBPF_ORACLE_HZ", 1000);
    let marks = Marks::read("chains.py");
    machine.with_each_build("alternating chains", |interpreter| {
        let target = Target::start::<&str>(interpreter, "chains.py", &[]);
        let duration = Duration::from_secs(1) * samples / hz;
        let timeline = record(machine, target.pid(), hz, duration)?;
        let mut impossible = Vec::new();
        let mut rows = 0;
        for row in timeline.stacks() {
            rows += 1;
            impossible.extend(check_chains(row, &marks).err());
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        let (lost, unknown) = (timeline.count("lost"), timeline.count("unknown_frames"));
        // A machine that is busy with something else gives fewer: what counts is for how
        // long the process ran. The kernel's count begins when the process was found, on
        // such a machine long before the first tick.
        let promised = timeline.count("kernel_cpu_us") * u64::from(hz / slowness()) / 1_000_000;
        let result = format!(
            "{shown} samples of {promised}, {rows} rows, {} impossible, {refused} refused, {lost} lost, {unknown} unknown frames",
            impossible.len()
        );
        let enough = (shown + refused + lost) * 10 >= promised * 5 && shown >= 100;
        if impossible.is_empty() && enough && refused * 20 < shown && unknown == 0 {
            Ok(result)
        } else {
            Err(format!("{result}: {:?}", impossible.iter().take(5).collect::<Vec<_>>()))
        }
    });
}
