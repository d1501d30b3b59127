// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keeps the CPU time that the kernel counts of each followed process and thread, from
//! when it was first seen until it was last read or it ended.

use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord, TaskTimes};
use sampler_common::process::ProcessKey;
use sampler_cpython::process::cpu_time;
use sampler_cpython::process::cpu_time::{ProcessCpuClock, ThreadCpuClock};
use sampler_trace::account::cpu_time::CpuTime;

use crate::capture::targets::registry::Targets;

/// The CPU times of all followed processes.
#[derive(Debug, Default)]
pub(super) struct CpuTimes {
    /// `None` for a process that could not be read.
    processes: FxHashMap<ProcessKey, Option<Process>>,
    /// Whether there was such a process.
    is_partial: bool,
}

#[derive(Debug, Default)]
struct Process {
    /// CPU time of all its threads when following began.
    before: CpuTime,
    /// CPU time of all its threads when it was last read.
    now: CpuTime,
    /// By thread id, CPU time of each thread that lived when following began; the others
    /// began with none.
    threads_before: FxHashMap<u32, CpuTime>,
    /// By thread id, CPU time of each living thread since following began.
    threads_now: FxHashMap<u32, CpuTime>,
    /// What was read the last time.
    read: Option<ProcessCpuClock>,
}

impl Process {
    fn starting_now(&self) -> Self {
        let mut threads_before = self.threads_before.clone();
        for (tid, used) in &self.threads_now {
            threads_before.entry(*tid).or_default().add(*used);
        }
        Self {
            before: self.now,
            now: self.now,
            threads_before,
            threads_now: FxHashMap::default(),
            read: self.read.clone(),
        }
    }
}

impl CpuTimes {
    /// Reads the CPU times of all processes that are followed already.
    pub(super) fn of_running(targets: &Targets) -> Self {
        let followed = targets.going_on();
        let followed: Vec<_> = followed.map(|it| (it.key, it.tgid)).collect();
        let answer = targets.inspector().ask(std::process::id(), move |_| {
            let times = followed.into_iter();
            times
                .map(|(key, tgid)| (key, cpu_time::of_process(tgid, None).ok()))
                .collect::<Vec<_>>()
        });
        let mut all = Self {
            is_partial: answer.is_err(),
            ..Self::default()
        };
        for (key, before) in answer.unwrap_or_default() {
            match before {
                Some(before) => all.begin(key, before),
                None => all.leave_unknown(key),
            }
        }
        all
    }

    /// Returns the CPU times from now on, of the same processes: what each has used by now,
    /// when it was last read, was before.
    pub(super) fn starting_now(&self) -> Self {
        let processes = self.processes.iter();
        Self {
            processes: processes
                .map(|(key, process)| (*key, process.as_ref().map(Process::starting_now)))
                .collect(),
            is_partial: self.is_partial,
        }
    }

    /// Whether all processes could be read.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_partial
    }

    /// Whether the process is in here, even if only as one that could not be read.
    pub(super) fn has(&self, process: ProcessKey) -> bool {
        self.processes.contains_key(&process)
    }

    /// Notes that the CPU time of the process cannot be known.
    pub(super) fn leave_unknown(&mut self, process: ProcessKey) {
        self.processes.insert(process, None);
        self.is_partial = true;
    }

    /// Begins to count a process that had used `before` when following began.
    pub(super) fn begin(&mut self, process: ProcessKey, before: ProcessCpuClock) {
        let threads = before.threads.iter();
        self.processes.insert(
            process,
            Some(Process {
                before: divided(&before.all),
                now: divided(&before.all),
                threads_before: threads.map(|(tid, time)| (*tid, divided(time))).collect(),
                threads_now: FxHashMap::default(),
                read: Some(before),
            }),
        );
    }

    /// Takes in a lifecycle record of the eBPF program. If it is the end of a thread, or of
    /// a program that its process replaces, returns the thread's id and the CPU time that it
    /// used in that program since following began.
    pub(super) fn learn(
        &mut self,
        record: &LifecycleRecord,
        event: LifecycleKind,
    ) -> Option<(u32, CpuTime)> {
        match event {
            LifecycleKind::Fork => {
                self.processes.insert(record.key, Some(Process::default()));
                None
            }
            LifecycleKind::Exec => {
                let ended = self.end_program(record);
                if record.key != ProcessKey(0) {
                    let before = whole(record);
                    let thread = nanoseconds(&record.times);
                    self.processes.insert(
                        record.key,
                        Some(Process {
                            before,
                            now: before,
                            threads_before: [(record.tgid, thread)].into_iter().collect(),
                            ..Process::default()
                        }),
                    );
                }
                ended
            }
            LifecycleKind::ThreadExit | LifecycleKind::Exit => {
                if record.times == TaskTimes::default() {
                    return None;
                }
                let process = self.processes.get_mut(&record.key)?.as_mut()?;
                if event == LifecycleKind::Exit {
                    process.now = whole(record);
                }
                process.threads_now.remove(&record.tid);
                let before = process.threads_before.remove(&record.tid);
                let time = nanoseconds(&record.times);
                Some((record.tid, time.since(before.unwrap_or_default())))
            }
        }
    }

    /// Ends the program before the one that an exec started.
    fn end_program(&mut self, exec: &LifecycleRecord) -> Option<(u32, CpuTime)> {
        let process = self.processes.get_mut(&exec.parent_key)?.as_mut()?;
        if exec.times == TaskTimes::default() {
            return None;
        }
        process.now = whole(exec);
        // The thread that is left has the number of the process, whichever it was.
        process.threads_now.remove(&exec.tgid);
        let before = process.threads_before.remove(&exec.tgid);
        let time = nanoseconds(&exec.times).since(before.unwrap_or_default());
        Some((exec.tgid, time))
    }

    /// Takes in the CPU time that a process has used by now.
    pub(super) fn update(&mut self, process: ProcessKey, now: ProcessCpuClock) {
        if let Some(Some(process)) = self.processes.get_mut(&process) {
            process.now = divided(&now.all);
            let before = |tid| process.threads_before.get(tid).copied().unwrap_or_default();
            let threads = now.threads.iter();
            process.threads_now = threads
                .map(|(tid, time)| (*tid, divided(time).since(before(tid))))
                .collect();
            process.read = Some(now);
        }
    }

    /// Takes what was read of a process the last time, for the next reading.
    pub(super) fn take_read(&mut self, process: ProcessKey) -> Option<ProcessCpuClock> {
        self.processes.get_mut(&process)?.as_mut()?.read.take()
    }

    /// Returns the CPU time of each living thread of a process since following began.
    pub(super) fn threads(&self, process: ProcessKey) -> impl Iterator<Item = (u32, CpuTime)> {
        let process = self.processes.get(&process).and_then(Option::as_ref);
        let threads = process.into_iter().flat_map(|process| &process.threads_now);
        threads.map(|(tid, time)| (*tid, *time))
    }

    /// Returns the CPU time of all threads of a process since following began.
    pub(super) fn of(&self, process: ProcessKey) -> CpuTime {
        let process = self.processes.get(&process).and_then(Option::as_ref);
        process.map_or(CpuTime::default(), |it| it.now.since(it.before))
    }

    /// Forgets a process that has ended.
    pub(super) fn forget(&mut self, process: ProcessKey) {
        self.processes.remove(&process);
    }
}

fn divided(time: &ThreadCpuClock) -> CpuTime {
    CpuTime::divided(time.all, time.user, time.system)
}

fn nanoseconds(times: &TaskTimes) -> CpuTime {
    CpuTime::divided(
        Duration::from_nanos(times.runtime),
        times.user,
        times.system,
    )
}

/// Returns the CPU time of all threads of a process at its end or at the start of its
/// program: that of the remaining thread, and of those that ended before.
fn whole(record: &LifecycleRecord) -> CpuTime {
    let (last, ended) = (&record.times, &record.ended);
    nanoseconds(&TaskTimes {
        runtime: last.runtime.saturating_add(ended.runtime),
        user: last.user.saturating_add(ended.user),
        system: last.system.saturating_add(ended.system),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;
    const KEY: ProcessKey = ProcessKey(7);

    fn record(tid: u32, runtime: u64, ended: u64) -> LifecycleRecord {
        let times = |milliseconds| TaskTimes {
            runtime: milliseconds * MILLISECOND,
            user: 3 * milliseconds,
            system: milliseconds,
        };
        LifecycleRecord {
            key: KEY,
            tgid: 7,
            tid,
            times: times(runtime),
            ended: times(ended),
            ..bytemuck::Zeroable::zeroed()
        }
    }

    fn time(milliseconds: u64) -> ThreadCpuClock {
        ThreadCpuClock {
            all: Duration::from_millis(milliseconds),
            user: 3,
            system: 1,
            ticks_at: Duration::from_millis(milliseconds),
        }
    }

    fn process(all: u64, threads: &[(u32, u64)]) -> ProcessCpuClock {
        let threads = threads.iter();
        ProcessCpuClock {
            all: time(all),
            threads: threads.map(|(tid, all)| (*tid, time(*all))).collect(),
        }
    }

    #[test]
    fn a_process_counts_from_when_it_is_followed() {
        let mut times = CpuTimes::default();
        times.begin(KEY, process(150, &[(7, 100), (8, 40)]));
        assert!(times.has(KEY) && !times.has(ProcessKey(8)));
        assert_eq!(times.of(KEY), CpuTime::default());
        times.update(KEY, process(230, &[(7, 160), (8, 40), (9, 20)]));
        assert_eq!(times.of(KEY).all.as_millis(), 80);
        assert_eq!(times.of(KEY).system().as_millis(), 20);
        let exit = LifecycleKind::ThreadExit;
        let milliseconds = |(tid, time): (u32, CpuTime)| (tid, time.all.as_millis());
        let ended = times.learn(&record(8, 60, 10), exit);
        assert_eq!(ended.map(milliseconds), Some((8, 20)));
        let mut living: Vec<_> = times.threads(KEY).map(milliseconds).collect();
        living.sort_unstable();
        assert_eq!(living, [(7, 60), (9, 20)]);
        // A new thread that reuses the id of an earlier one.
        let ended = times.learn(&record(8, 5, 70), exit);
        assert_eq!(ended.map(milliseconds), Some((8, 5)));
        times.learn(&record(7, 200, 95), LifecycleKind::Exit);
        assert_eq!(times.of(KEY).all.as_millis(), 145);
        times.forget(KEY);
        assert_eq!(times.of(KEY), CpuTime::default());
    }

    #[test]
    fn what_was_used_before_is_in_none_of_the_times_starting_now() {
        let mut times = CpuTimes::default();
        times.begin(KEY, process(150, &[(7, 100), (8, 40)]));
        times.leave_unknown(ProcessKey(8));
        times.update(KEY, process(230, &[(7, 160), (8, 50), (9, 20)]));
        let mut later = times.starting_now();
        assert!(later.has(ProcessKey(8)) && !later.is_complete());
        assert_eq!(later.of(KEY), CpuTime::default());
        later.update(KEY, process(260, &[(7, 170), (9, 40)]));
        assert_eq!(later.of(KEY).all.as_millis(), 30);
        let milliseconds = |(tid, time): (u32, CpuTime)| (tid, time.all.as_millis());
        let mut living: Vec<_> = later.threads(KEY).map(milliseconds).collect();
        living.sort_unstable();
        assert_eq!(living, [(7, 10), (9, 20)]);
        let ended = later.learn(&record(8, 55, 0), LifecycleKind::ThreadExit);
        assert_eq!(ended.map(milliseconds), Some((8, 5)));
    }

    #[test]
    fn a_fork_begins_with_nothing_and_a_program_with_what_was_used() {
        let mut times = CpuTimes::default();
        times.learn(&record(0, 0, 0), LifecycleKind::Fork);
        times.update(KEY, process(5, &[(7, 5)]));
        assert_eq!(times.of(KEY).all.as_millis(), 5);
        times.learn(&record(0, 30, 4), LifecycleKind::Exec);
        assert_eq!(times.of(KEY).all.as_millis(), 0);
        let ended = times.learn(&record(7, 45, 4), LifecycleKind::Exit);
        assert_eq!(ended.map(|(_, time)| time.all.as_millis()), Some(15));
        assert_eq!(times.of(KEY).all.as_millis(), 15);
    }

    #[test]
    fn a_program_that_is_replaced_keeps_what_it_used() {
        const NEXT: ProcessKey = ProcessKey(9);
        let mut times = CpuTimes::default();
        times.begin(KEY, process(150, &[(7, 100), (8, 50)]));
        let exec = LifecycleRecord {
            key: NEXT,
            parent_key: KEY,
            ..record(0, 130, 60)
        };
        let ended = times.learn(&exec, LifecycleKind::Exec);
        assert_eq!(
            ended.map(|(tid, time)| (tid, time.all.as_millis())),
            Some((7, 30))
        );
        assert_eq!(times.of(KEY).all.as_millis(), 40);
        assert_eq!(times.of(NEXT).all.as_millis(), 0);
        let exec = LifecycleRecord {
            key: ProcessKey(11),
            parent_key: NEXT,
            ..record(0, 155, 60)
        };
        let ended = times.learn(&exec, LifecycleKind::Exec);
        assert_eq!(ended.map(|(_, time)| time.all.as_millis()), Some(25));
        assert_eq!(times.of(NEXT).all.as_millis(), 25);
        assert_eq!(times.of(KEY).all.as_millis(), 40);
    }
}
