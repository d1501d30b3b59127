// SPDX-License-Identifier: MIT OR Apache-2.0

//! When to probe processes that have just started a program and may have an interpreter in
//! a moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sampler_common::lifecycle::ProgramId;
use sampler_common::process::ProcessKey;

/// Milliseconds after the start of a program at which its process is probed. A
/// statically linked interpreter is there at once, a shared one when the dynamic loader
/// has mapped it, and an embedded one whenever the program loads it.
const PROBES: [u64; 9] = [0, 2, 5, 10, 20, 50, 150, 500, 2000];

/// Milliseconds after which a dynamic loader has mapped everything that a program needs.
const SETTLED: u64 = 20;

/// When to probe which process next.
#[derive(Default)]
pub(super) struct Pending {
    queue: BTreeMap<(Instant, ProcessKey), PendingProbe>,
}

/// A probe that is due.
#[derive(Clone, Copy)]
pub(super) struct PendingProbe {
    pub(super) key: ProcessKey,
    /// The program that the process runs.
    pub(super) program: ProgramId,
    /// Whether the program was found to have no Python, and to load none at its start.
    pub(super) is_non_python: bool,
    started: Instant,
    number: usize,
}

impl PendingProbe {
    /// Whether everything that the program needs at its start is mapped by now.
    pub(super) fn is_settled(&self) -> bool {
        PROBES[self.number] >= SETTLED
    }

    /// Whether no other probe follows.
    pub(super) fn is_last(&self) -> bool {
        self.number + 1 >= PROBES.len()
    }
}

impl Pending {
    /// Schedules probes of a process that began to run `program` at `started`.
    pub(super) fn add(&mut self, key: ProcessKey, program: ProgramId, started: Instant) {
        self.insert(PendingProbe {
            key,
            program,
            is_non_python: false,
            started,
            number: 0,
        });
    }

    /// Schedules the next probe after one that found nothing, unless that was the last.
    pub(super) fn again(&mut self, probe: PendingProbe) {
        if !probe.is_last() {
            self.insert(PendingProbe {
                number: probe.number + 1,
                ..probe
            });
        }
    }

    fn insert(&mut self, probe: PendingProbe) {
        let due = probe.started + Duration::from_millis(PROBES[probe.number]);
        self.queue.insert((due, probe.key), probe);
    }

    /// Takes out a probe that is due at `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<PendingProbe> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Returns when the next probe is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_again_with_growing_pauses_and_gives_up() {
        let start = Instant::now();
        let mut pending = Pending::default();
        pending.add(ProcessKey(1), bytemuck::Zeroable::zeroed(), start);
        let (mut probes, mut settled) = (0, 0);
        while let Some(next) = pending.next() {
            assert!(pending.take_due(next - Duration::from_nanos(1)).is_none());
            let probe = pending.take_due(next).expect("due");
            probes += 1;
            settled += usize::from(probe.is_settled());
            pending.again(probe);
        }
        assert_eq!(probes, PROBES.len());
        assert_eq!(settled, 5);
    }
}
