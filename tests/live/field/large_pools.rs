// SPDX-License-Identifier: MIT OR Apache-2.0

//! Hundreds of processes forked from one: what each costs before the first sample is
//! taken.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::machine::{Machine, machine, say, slowness};
use crate::support::recording::{Recording, cpu_time};
use crate::support::target::Target;

/// The number of workers in the pool.
const WORKERS: u32 = 500;
/// The maximum CPU time that a recording uses for each worker before it samples, on a
/// machine that is busy with other things.
const MOST: Duration = Duration::from_micros(1500);

#[test]
#[ignore = "needs root and BPF"]
fn a_large_pool_is_looked_at_once() {
    let machine = machine();
    for mode in ["cpu", "wall"] {
        let of_pool = until_it_samples(machine, mode, WORKERS);
        let of_one = until_it_samples(machine, mode, 1);
        let each = of_pool.saturating_sub(of_one) / (WORKERS - 1);
        say(format!("  {mode} mode: {each:?} for each of a pool"));
        assert!(each < MOST * slowness(), "{of_pool:?}, {of_one:?} for one");
    }
}

/// Returns the CPU time that a recording uses until it samples.
fn until_it_samples(machine: &Machine, mode: &str, workers: u32) -> Duration {
    let target = Target::start(
        machine.interpreter(),
        "idle_pool.py",
        &[workers.to_string()],
    );
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--mode", mode, "--hz", "10", "--pid", &pid]);
    recording.wait_until_it_samples();
    let time = cpu_time(recording.pid());
    recording.signal(Signal::SIGINT);
    recording.finish();
    time
}
