// SPDX-License-Identifier: MIT OR Apache-2.0

//! Scans of the threads of some processes from user space. It does what the eBPF
//! program's task iterator does, for kernels that have none (before 5.18), and produces
//! the same records.
//!
//! A thread that is off CPU and whose count of context switches has not changed since its
//! last sample is left alone. The counts come from `/proc`, so a scan costs some
//! microseconds for each thread, even for one that sleeps. A thread that a tick has
//! sampled and that has left its CPU since is sampled once more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::Zeroable;
use sampler_common::account::KernelAccount;
use sampler_common::counter::{Counter, CounterValues};
use sampler_common::fate::Fate;
use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::sample::{RawFrame, RecordKind, SampleHeader};
use sampler_common::scan_order::ScanOrder;
use sampler_common::stop::StopReason;
use sampler_common::wait::{Origin, WaitFacts};

use crate::cpython::instance::Instance;
use crate::process::memory::ProcessMemory;
use crate::process::proc_file::threads;
use crate::process::task::TaskStatus;
use crate::remote::thread_probe::{RemoteThread, ThreadProbe, wait_facts};

/// A process to scan.
#[derive(Clone, Debug)]
pub struct ScanTarget {
    /// This life of the process.
    pub key: ProcessKey,
    /// Its thread group id.
    pub tgid: u32,
    /// Its interpreter.
    pub instance: Instance,
}

/// The processes to scan, by thread group id. All clones share one set.
#[derive(Clone, Debug, Default)]
pub struct ScanTargets(Arc<Mutex<HashMap<u32, ScanTarget>>>);

impl ScanTargets {
    /// Replaces the processes.
    pub fn set(&self, targets: impl Iterator<Item = ScanTarget>) {
        let targets = targets.map(|target| (target.tgid, target)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    fn get(&self, tgid: u32) -> Option<ScanTarget> {
        let targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        targets.get(&tgid).cloned()
    }
}

/// What scans count of each process, as the eBPF program does.
#[derive(Clone, Debug, Default)]
pub struct ScanAccounts(Arc<Mutex<HashMap<ProcessKey, KernelAccount>>>);

impl ScanAccounts {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProcessKey, KernelAccount>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, process: ProcessKey, fate: Fate) {
        self.lock().entry(process).or_default().add(fate, 1);
    }

    /// Returns what was counted of a process so far.
    pub fn get(&self, process: ProcessKey) -> KernelAccount {
        self.lock().get(&process).copied().unwrap_or_default()
    }

    /// Returns the same of a process that has ended, and forgets it.
    pub fn close(&self, process: ProcessKey) -> KernelAccount {
        self.lock().remove(&process).unwrap_or_default()
    }
}

/// What scans remember, and where their records go.
pub struct RemoteScan<Clock, Sink> {
    targets: ScanTargets,
    clock: Clock,
    send: Sink,
    counters: Arc<Mutex<CounterValues>>,
    accounts: ScanAccounts,
    probe: ThreadProbe,
    processes: HashMap<u32, SeenProcess>,
}

#[derive(Default)]
struct SeenProcess {
    key: Option<ProcessKey>,
    threads: HashMap<u32, SeenThread>,
    /// Thread pointers, by the number in the innermost pid namespace.
    pointers: BTreeMap<u32, u64>,
}

#[derive(Clone, Copy, Default)]
struct SeenThread {
    /// The count of context switches at its last sample.
    switches: u64,
    task_state: u32,
    is_sampled: bool,
    /// Its thread pointer at that sample.
    pointer: u64,
    /// The time of the scans that have found it unchanged since then and that no record
    /// has reported yet, in nanoseconds.
    unchanged: u64,
    /// How many scans knew no thread pointer.
    without_pointer: u32,
}

/// The process that a scan is in.
struct ScannedProcess<'a> {
    tgid: u32,
    instance: &'a Instance,
    config: ProcessConfig,
    memory: ProcessMemory,
}

impl<Clock, Sink> RemoteScan<Clock, Sink>
where
    Clock: FnMut() -> u64,
    Sink: FnMut(&SampleHeader, &[RawFrame]) -> bool,
{
    /// Returns a scan of `targets`. `clock` gives `CLOCK_MONOTONIC` in nanoseconds.
    /// `send` delivers one sample; it returns false when there is no room.
    pub fn new(targets: ScanTargets, clock: Clock, send: Sink) -> Self {
        Self {
            targets,
            clock,
            send,
            counters: Arc::default(),
            accounts: ScanAccounts::default(),
            probe: ThreadProbe::new(),
            processes: HashMap::new(),
        }
    }

    /// Returns the counters, which are those of the eBPF program.
    pub fn counters(&self) -> Arc<Mutex<CounterValues>> {
        Arc::clone(&self.counters)
    }

    /// Returns what is counted for each process.
    pub fn accounts(&self) -> ScanAccounts {
        self.accounts.clone()
    }

    /// Scans the processes with these thread group ids. One that has ended is not an
    /// error.
    pub fn run(&mut self, order: ScanOrder, tgids: &[u32]) {
        self.processes.retain(|tgid, _| tgids.contains(tgid));
        for tgid in tgids {
            let Some(target) = self.targets.get(*tgid) else {
                continue;
            };
            let Ok(tids) = threads(*tgid) else { continue };
            let mut process = self.processes.remove(tgid).unwrap_or_default();
            if process.key != Some(target.key) {
                process = SeenProcess {
                    key: Some(target.key),
                    ..SeenProcess::default()
                };
            }
            let scanned = ScannedProcess {
                tgid: *tgid,
                instance: &target.instance,
                config: target.instance.config(target.key),
                memory: ProcessMemory::new(*tgid),
            };
            let mut is_fresh = false;
            for tid in &tids {
                if order.is_last == 0 {
                    self.sample_thread(order, &scanned, &mut process, *tid, &mut is_fresh);
                } else if let Some(seen) = process.threads.get(tid) {
                    self.tell_unchanged(&scanned, *tid, seen);
                }
            }
            let alive: HashSet<u32> = tids.into_iter().collect();
            process.threads.retain(|tid, _| alive.contains(tid));
            self.processes.insert(*tgid, process);
        }
    }

    fn sample_thread(
        &mut self,
        order: ScanOrder,
        scanned: &ScannedProcess<'_>,
        process: &mut SeenProcess,
        tid: u32,
        is_fresh: &mut bool,
    ) {
        let Ok(status) = TaskStatus::read(scanned.tgid, tid) else {
            return;
        };
        if status.has_ended() {
            return;
        }
        if !status.is_waiting() {
            // The part of this time that ticks do not stand for belongs to what it waited
            // for before.
            if let Some(seen) = process.threads.get_mut(&tid) {
                seen.unchanged = seen.unchanged.saturating_add(order.weight);
            }
            return self.count(Counter::SeenRunning);
        }
        let seen = process.threads.entry(tid).or_default();
        let times = (order.weight, seen.unchanged);
        let mut is_same_stack = false;
        if seen.is_sampled && seen.switches == status.switches {
            if seen.task_state == status.task_state() {
                seen.unchanged = seen.unchanged.saturating_add(order.weight);
                return self.count(Counter::Unchanged);
            }
            is_same_stack = true;
        }
        let mut pointer = process.pointers.get(&status.namespace_tid).copied();
        if pointer.is_none() {
            seen.without_pointer = seen.without_pointer.saturating_add(1);
            // A thread of native code never gets one, so it is searched for less and less
            // often.
            if seen.without_pointer.is_power_of_two() && !*is_fresh {
                *is_fresh = true;
                let found = scanned.instance.python_threads(&scanned.memory).into_iter();
                process.pointers = found
                    .map(|it| (it.namespace_tid, it.thread_pointer))
                    .collect();
                pointer = process.pointers.get(&status.namespace_tid).copied();
            }
        }
        let key = scanned.config.key;
        self.record_fate(key, Fate::Taken);
        let thread = RemoteThread {
            tgid: scanned.tgid,
            tid,
            pointer: pointer.unwrap_or(0),
        };
        let Some(mut record) = self.record(scanned, thread, &status, is_same_stack) else {
            self.record_fate(key, Fate::TaskUnreadable);
            return self.count(Counter::TaskFault);
        };
        (record.0.wait.weight, record.0.wait.unchanged) = times;
        let is_moved = record.0.stop == StopReason::RanDuringWalk as u32;
        let is_sent = self.deliver(&record.0, &record.1);
        if is_sent {
            seen.unchanged = 0;
        }
        if is_sent && !is_moved {
            *seen = SeenThread {
                switches: status.switches,
                task_state: status.task_state(),
                is_sampled: true,
                pointer: thread.pointer,
                ..*seen
            };
        }
    }

    /// Reports for how long scans have found a thread unchanged.
    fn tell_unchanged(&mut self, scanned: &ScannedProcess<'_>, tid: u32, seen: &SeenThread) {
        if seen.unchanged == 0 {
            return;
        }
        let header = SampleHeader {
            kind: RecordKind::Sample as u32,
            process: scanned.config.key,
            tgid: scanned.tgid,
            tid,
            thread_id: seen.pointer,
            wait: WaitFacts {
                origin: Origin::Unchanged as u32,
                unchanged: seen.unchanged,
                ..WaitFacts::RUNNING
            },
            ..SampleHeader::zeroed()
        };
        let header = SampleHeader {
            time: (self.clock)(),
            ..header
        };
        (self.send)(&header, &[]);
    }

    /// Returns a record of the thread; `None` if it is gone or cannot be read.
    fn record(
        &mut self,
        scanned: &ScannedProcess<'_>,
        thread: RemoteThread,
        status: &TaskStatus,
        is_same_stack: bool,
    ) -> Option<(SampleHeader, Vec<RawFrame>)> {
        if thread.pointer != 0 && !is_same_stack {
            let ScannedProcess { memory, config, .. } = scanned;
            let probed = self.probe.off_cpu(memory, config, thread, status);
            let (header, frames) = probed.ok()?;
            return Some((header, frames.to_vec()));
        }
        let wait = wait_facts(thread, status).ok()?;
        let mut header = SampleHeader {
            kind: RecordKind::Sample as u32,
            process: scanned.config.key,
            tgid: thread.tgid,
            tid: thread.tid,
            thread_id: thread.pointer,
            comm: status.comm,
            ..SampleHeader::zeroed()
        };
        match wait {
            Some(wait) => header.wait = wait,
            None => header.stop = StopReason::RanDuringWalk as u32,
        }
        if thread.pointer == 0 {
            header.stop = StopReason::NoThreadState as u32;
        } else if is_same_stack && wait.is_some() {
            header.wait.origin = Origin::OffCpuSameStack as u32;
        }
        Some((header, Vec::new()))
    }

    fn deliver(&mut self, header: &SampleHeader, frames: &[RawFrame]) -> bool {
        let header = SampleHeader {
            time: (self.clock)(),
            ..*header
        };
        let is_sent = (self.send)(&header, frames);
        if is_sent {
            self.count(Counter::Sent);
        } else {
            self.record_fate(header.process, Fate::Lost);
        }
        is_sent
    }

    /// Records the fate of a sample of `process`: in total, and in the account of the
    /// process.
    fn record_fate(&self, process: ProcessKey, fate: Fate) {
        self.count(fate.counter());
        self.accounts.add(process, fate);
    }

    fn count(&self, counter: Counter) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.add(counter, 1);
    }
}
