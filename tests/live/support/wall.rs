// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recordings in wall-clock mode.

use std::time::Duration;

use crate::support::machine::Machine;
use crate::support::recording::{Recording, pace};
use crate::support::timeline::{Thread, Timeline};

/// Records one process in wall-clock mode.
pub(crate) fn record_wall(
    machine: &Machine,
    pid: u32,
    hz: u32,
    duration: Duration,
) -> Result<Timeline, String> {
    let mut arguments = ["--mode", "wall", "--pid"].map(str::to_owned).to_vec();
    arguments.push(pid.to_string());
    arguments.extend(pace(hz, duration));
    Recording::start(machine, &arguments).finish().timeline()
}

/// Returns the threads with that name, of which there must be at least one.
pub(crate) fn named<'a>(timeline: &'a Timeline, name: &str) -> Result<Vec<&'a Thread>, String> {
    let found: Vec<_> = timeline
        .threads
        .iter()
        .filter(|it| it.name == name)
        .collect();
    if found.is_empty() {
        let names: Vec<_> = timeline.threads.iter().map(|it| &it.name).collect();
        return Err(format!("no thread {name} among {names:?}"));
    }
    Ok(found)
}
