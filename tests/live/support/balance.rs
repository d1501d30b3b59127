// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks that the accounts of a recording add up.

use crate::support::timeline::Timeline;

/// Checks that the account of the whole and that of each process add up, and that the
/// whole is the sum of the processes.
pub(crate) fn balance(timeline: &Timeline) -> Result<(), String> {
    balance_of_shown(timeline)?;
    let of_processes = |name: &str| -> u64 {
        let counts = timeline.processes.values();
        counts.map(|counts| counts.get(name).unwrap_or(&0)).sum()
    };
    for name in ["delivered", "lost"] {
        if of_processes(name) != timeline.count(name) {
            return Err(format!(
                "{name}: {:?}, {:?}",
                timeline.counts, timeline.processes
            ));
        }
    }
    Ok(())
}

/// Checks only that each account adds up, for recordings in which a process may have no
/// sample that is shown: a timeline has no account of such a process.
pub(crate) fn balance_of_shown(timeline: &Timeline) -> Result<(), String> {
    let wholes = timeline.processes.values().chain([&timeline.counts]);
    for counts in wholes {
        let of = |name: &str| counts.get(name).copied().unwrap_or(0);
        let sum = of("delivered") + of("lost") + of("refused");
        let parts = of("whole") + of("truncated") + of("cut_by_fault") + of("open_ended");
        if of("taken") == 0
            || of("taken") != sum
            || of("delivered") != of("shown") + of("restated")
            || of("shown") != parts
        {
            return Err(format!("{counts:?}"));
        }
    }
    Ok(())
}
