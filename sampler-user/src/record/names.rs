// SPDX-License-Identifier: MIT OR Apache-2.0

//! The names that Python has given to the threads of a process, read at moments that keep
//! the cost small.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sampler_cpython::cpython::thread_names::Wanted;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_trace::model::identifiers::KernelTime;

use crate::capture::scout::Scout;
use crate::capture::targets::followed::FollowedProcess;
use crate::record::clock::thread_cpu_time;

/// Reading names uses at most one part in `SHARE` of one CPU.
const SHARE: u32 = 50;
/// What a reading counts for at least, so that they do not follow each other at once.
const LEAST_COST: Duration = Duration::from_micros(20);
/// How old names may be: Python code can rename a thread at any time.
const OLDEST: Duration = Duration::from_secs(5);

/// Whose names are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Those of all threads at once: each has a sample, which may be its only one.
    All,
    /// Those of threads with samples: the others may be many, and each costs time.
    Sampled,
}

/// The names of one process's threads, as of the last reading.
#[derive(Default)]
pub(super) struct ThreadNames {
    by_ident: BTreeMap<u64, String>,
    not_before: Option<Instant>,
    /// How often they were read, and the time of the sample that asked for the last
    /// reading.
    asked: (u32, KernelTime),
}

impl ThreadNames {
    /// Forgets the name of the thread `ident`, which is another thread than before.
    pub(super) fn forget(&mut self, ident: u64) {
        self.by_ident.remove(&ident);
    }

    /// Returns the number of the last reading: after another reading, names may differ.
    pub(super) fn reading(&self) -> u32 {
        self.asked.0
    }

    /// Whether they should be read anew for a sample taken at `time`.
    pub(super) fn are_old(&self, time: KernelTime) -> bool {
        let (_, asked) = self.asked;
        time.0.saturating_sub(asked.0) >= OLDEST.as_nanos() as u64
    }

    /// Returns the name of the thread `ident` (`threading.get_ident()`), if Python has
    /// given it one and it can be read. With `anew`, what was read earlier does not
    /// count, because the thread may have been renamed. If `sampled` returns `None`, the
    /// names of all threads are read.
    pub(super) fn of(
        &mut self,
        process: &FollowedProcess,
        ident: u64,
        time: KernelTime,
        anew: bool,
        scout: &Scout,
        sampled: impl FnOnce() -> Option<BTreeSet<u64>>,
    ) -> Option<&String> {
        let now = Instant::now();
        let is_missing = anew || !self.by_ident.contains_key(&ident);
        if is_missing && self.not_before.is_none_or(|time| now >= time) && !process.has_ended {
            if let Some(python) = &process.python {
                let (tgid, instance) = (process.tgid, python.instance.clone());
                let sampled = sampled();
                let answer = scout.ask(tgid, move |_| {
                    let wanted = sampled.as_ref().map_or(Wanted::All, Wanted::Only);
                    with_cost(|| instance.thread_names(&ProcessMemory::new(tgid), wanted))
                });
                let (names, cost) = match answer {
                    Ok((names, cpu_time)) => (names, cpu_time),
                    Err(_) => (BTreeMap::new(), now.elapsed()),
                };
                self.by_ident = names;
                self.not_before = Some(now + pause_after(cost));
            } else {
                self.not_before = Some(now + pause_after(Duration::ZERO));
            }
            self.asked = (self.asked.0.wrapping_add(1), time);
        }
        self.by_ident.get(&ident)
    }
}

/// Returns what `read` returns, and the CPU time that it used. What counts is not how long
/// it took: on a busy machine the thread that reads may wait for a CPU far longer than it
/// runs, and new threads would have no names meanwhile.
fn with_cost<R>(read: impl FnOnce() -> R) -> (R, Duration) {
    let start = thread_cpu_time();
    let result = read();
    (result, thread_cpu_time().saturating_sub(start))
}

/// Returns how long no names are read after a reading that cost so much CPU time.
fn pause_after(cost: Duration) -> Duration {
    cost.max(LEAST_COST) * SHARE
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn waiting_for_a_cpu_costs_nothing() {
        let wait = Duration::from_millis(200);
        let (_sender, receiver) = mpsc::channel::<()>();
        let (result, cost) = with_cost(|| receiver.recv_timeout(wait));
        assert_eq!(result, Err(mpsc::RecvTimeoutError::Timeout));
        assert!(pause_after(cost) < wait * SHARE / 4, "{cost:?}");
        let (_, cost) = with_cost(|| {
            let start = thread_cpu_time();
            while thread_cpu_time().saturating_sub(start) < LEAST_COST * 10 {}
        });
        assert!(pause_after(cost) >= LEAST_COST * 10 * SHARE, "{cost:?}");
    }
}
