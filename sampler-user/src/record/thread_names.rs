// SPDX-License-Identifier: MIT OR Apache-2.0

//! The names that Python has given to the threads of a process, read at moments that keep
//! the cost small.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sampler_cpython::cpython::thread_names::{InternedNames, Wanted};
use sampler_cpython::process::memory::ProcessMemory;
use sampler_trace::model::identifiers::KernelTime;

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::followed::FollowedProcess;
use crate::record::clock::thread_cpu_time;

/// Reading names uses at most one part in `SHARE` of one CPU.
const SHARE: u32 = 50;
/// What a reading counts for at least, so that they do not follow each other at once.
const LEAST_COST: Duration = Duration::from_micros(20);
/// How old names may be after they have changed: Python code can rename a thread at any
/// time. Each time that nothing has changed, they may be twice as old the next time.
const OLDEST: Duration = Duration::from_secs(5);
/// How old names are at least when they are read again for a thread that has one.
const YOUNGEST: Duration = Duration::from_millis(250);
/// How old names may be in a process that never changes them.
const OLDEST_UNCHANGED: Duration = Duration::from_secs(80);

/// A request for the name of one thread.
pub(super) struct NameRequest<'a> {
    /// Its process.
    pub(super) process: &'a FollowedProcess,
    /// The thread (`threading.get_ident()`).
    pub(super) ident: u64,
    /// When the sample was taken that asks for the name.
    pub(super) time: KernelTime,
    /// Whether what was read earlier does not count, because the thread may have been
    /// renamed.
    pub(super) anew: bool,
    /// Returns the threads whose names are read; `None` to read those of all threads.
    pub(super) idents: Option<&'a dyn Fn() -> BTreeSet<u64>>,
}

/// The names of one process's threads, as of the last reading.
pub(super) struct ThreadNames {
    by_ident: BTreeMap<u64, String>,
    interned: InternedNames,
    /// How old they may be.
    oldest: Duration,
    not_before: Option<Instant>,
    /// How often they were read, and the time of the sample that asked for the last
    /// reading.
    asked: (u32, KernelTime),
}

impl Default for ThreadNames {
    fn default() -> Self {
        Self {
            by_ident: BTreeMap::new(),
            interned: InternedNames::default(),
            oldest: OLDEST,
            not_before: None,
            asked: (0, KernelTime(0)),
        }
    }
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
        time.0.saturating_sub(asked.0) >= self.oldest.as_nanos() as u64
    }

    /// Whether they were read long enough before `time` that a thread that has started or
    /// been renamed since is likely.
    pub(super) fn may_differ(&self, time: KernelTime) -> bool {
        let (readings, asked) = self.asked;
        readings == 0 || time.0.saturating_sub(asked.0) >= YOUNGEST.as_nanos() as u64
    }

    /// Returns the name of the thread `ident` as of the last reading.
    pub(super) fn known(&self, ident: u64) -> Option<&String> {
        self.by_ident.get(&ident)
    }

    /// Returns the name of a thread, if Python has given it one and it can be read.
    pub(super) fn find(
        &mut self,
        request: &NameRequest<'_>,
        inspector: &ProcessInspector,
    ) -> Option<&String> {
        let now = Instant::now();
        let is_wanted = request.anew || !self.by_ident.contains_key(&request.ident);
        let may_read = self.not_before.is_none_or(|time| now >= time);
        if is_wanted && may_read && !request.process.has_ended {
            let cost = self.read(request, inspector, now);
            self.not_before = Some(now + pause_after(cost));
            self.asked = (self.asked.0.wrapping_add(1), request.time);
        }
        self.known(request.ident)
    }

    /// Reads the names anew. Returns the CPU time that this used.
    fn read(
        &mut self,
        request: &NameRequest<'_>,
        inspector: &ProcessInspector,
        now: Instant,
    ) -> Duration {
        let Some(python) = &request.process.python else {
            return Duration::ZERO;
        };
        let (tgid, instance) = (request.process.tgid, python.instance.clone());
        let idents = request.idents.map(|idents| idents());
        let interned = std::mem::take(&mut self.interned);
        let answer = inspector.ask(tgid, move |_| {
            let wanted = idents.as_ref().map_or(Wanted::All, Wanted::Only);
            let memory = ProcessMemory::new(tgid);
            let (names, cost) = with_cost(|| instance.thread_names(&memory, wanted, &interned));
            (names, interned, cost)
        });
        let Ok((names, interned, cost)) = answer else {
            self.by_ident.clear();
            return now.elapsed();
        };
        self.interned = interned;
        self.replace(names, self.are_old(request.time));
        cost
    }

    /// Takes in what was read, because the names were old or for another reason.
    fn replace(&mut self, names: BTreeMap<u64, String>, were_old: bool) {
        if names != self.by_ident {
            self.oldest = OLDEST;
        } else if were_old {
            self.oldest = (self.oldest * 2).min(OLDEST_UNCHANGED);
        }
        self.by_ident = names;
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
    fn names_that_do_not_change_are_read_less_and_less_often() {
        let mut names = ThreadNames::default();
        let read = |name: &str| BTreeMap::from([(1, name.to_owned())]);
        let age = |seconds| KernelTime(Duration::from_secs(seconds).as_nanos() as u64);
        names.replace(read("one"), true);
        names.replace(read("one"), false);
        assert!(names.are_old(age(5)) && !names.are_old(age(4)));
        names.replace(read("one"), true);
        assert!(names.are_old(age(10)) && !names.are_old(age(9)));
        for _ in 0..9 {
            names.replace(read("one"), true);
        }
        assert!(names.are_old(age(80)) && !names.are_old(age(79)));
        names.replace(read("another"), false);
        assert!(names.are_old(age(5)));
    }

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
