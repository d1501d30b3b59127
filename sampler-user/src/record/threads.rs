// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells the threads of each process apart, and decides at which of their samples their
//! names are asked for. Which row of the timeline a thread has is up to `thread_tracks`.

use std::collections::BTreeSet;
use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use sampler_trace::model::identifiers::KernelTime;

use crate::capture::bpf::events::RawSample;
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::followed::FollowedProcess;
use crate::record::thread_names::{NameRequest, ThreadNames};

/// How long after its first sample a thread is likely to get its name. Later than that, its
/// name is as old as those of all threads of its process may be.
const YOUNG: Duration = Duration::from_secs(10);

/// Whose names are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Those of all threads at once: each has a sample, which may be its only one.
    All,
    /// Those of threads with samples: the others may be many, and each costs time.
    Sampled,
}

/// The threads that had samples, by process.
pub(super) struct Threads {
    naming: Naming,
    inspector: ProcessInspector,
    processes: FxHashMap<ProcessKey, ProcessThreads>,
}

#[derive(Default)]
struct ProcessThreads {
    names: ThreadNames,
    /// By thread id.
    threads: FxHashMap<u32, Thread>,
    /// The thread that was last seen with each address (`thread_id`): the C library gives
    /// the address of a thread that has ended to a new one.
    owners: FxHashMap<u64, u32>,
    /// When threads ended, by thread id, since the last [`Threads::settle`].
    ended: FxHashMap<u32, KernelTime>,
}

struct Thread {
    /// The kernel reuses thread ids; then this address (`thread_id`) differs.
    ident: u64,
    samples: u64,
    /// The time of its first sample.
    since: KernelTime,
    /// The number of the reading that its name is from.
    reading: u32,
}

/// Whether the name of a thread was looked up at a sample.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameCheck {
    /// It was not time for that.
    NotDue,
    /// It was; this is Python's name of the thread, if that has one and it can be read.
    Checked(Option<String>),
}

impl Threads {
    pub(super) fn new(naming: Naming, inspector: ProcessInspector) -> Self {
        Self {
            naming,
            inspector,
            processes: FxHashMap::default(),
        }
    }

    /// Takes in a sample of a thread, and looks up the name of the thread if it is time.
    /// Most threads are named right after their start, and few are renamed later.
    pub(super) fn take(&mut self, sample: &RawSample, process: &FollowedProcess) -> NameCheck {
        let header = &sample.header;
        let (tid, ident, time) = (header.tid, header.thread_id, KernelTime(header.time));
        let known = self.processes.entry(header.process).or_default();
        let before = known.threads.get_mut(&tid).filter(|it| it.ident == ident);
        let is_new = before.is_none();
        let samples = before.as_ref().map_or(1, |thread| thread.samples + 1);
        let since = before.as_ref().map_or(time, |thread| thread.since);
        let is_young =
            samples.is_power_of_two() && time.since(since) < YOUNG && known.names.may_differ(time);
        let is_time = is_young || known.names.are_old(time);
        if let Some(thread) = before
            && !is_time
            && thread.reading == known.names.reading()
        {
            thread.samples = samples;
            return NameCheck::NotDue;
        }
        known.own(ident, tid);
        let threads = &known.threads;
        let sampled = || -> BTreeSet<u64> {
            let idents = threads.values().map(|thread| thread.ident);
            idents.chain([ident]).collect()
        };
        let request = NameRequest {
            process,
            ident,
            time,
            anew: !is_new && is_time,
            idents: match self.naming {
                Naming::All => None,
                Naming::Sampled => Some(&sampled),
            },
        };
        let name = known.names.find(&request, &self.inspector).cloned();
        let thread = Thread {
            ident,
            samples,
            since,
            reading: known.names.reading(),
        };
        known.threads.insert(tid, thread);
        NameCheck::Checked(name)
    }

    /// Returns Python's name of the sampled thread, as it was read last.
    pub(super) fn name(&self, sample: &RawSample) -> Option<String> {
        let known = self.processes.get(&sample.header.process)?;
        known.names.known(sample.header.thread_id).cloned()
    }

    /// Notes that a thread ended at `time`.
    pub(super) fn end(&mut self, process: ProcessKey, tid: u32, time: KernelTime) {
        if let Some(known) = self.processes.get_mut(&process) {
            known.ended.insert(tid, time);
            known.threads.remove(&tid);
        }
    }

    /// Notes that a process ended at `time`, and its threads with it.
    pub(super) fn end_all(&mut self, process: ProcessKey, time: KernelTime) {
        if let Some(known) = self.processes.get_mut(&process) {
            let tids = known.threads.drain().map(|(tid, _)| (tid, time));
            known.ended.extend(tids);
        }
    }

    /// Whether the thread has ended. A scan may be interrupted before it sends what it
    /// saw, and a tick may hit a thread that is about to exit. The kernel does not reuse
    /// a thread id that soon.
    pub(super) fn has_ended(&self, sample: &RawSample) -> bool {
        let known = self.processes.get(&sample.header.process);
        known.is_some_and(|known| known.ended.contains_key(&sample.header.tid))
    }

    /// Forgets threads that ended before `time`. Every sample taken before then must have
    /// arrived.
    pub(super) fn settle(&mut self, time: KernelTime) {
        for known in self.processes.values_mut() {
            known.ended.retain(|_, end| *end >= time);
        }
    }

    /// Forgets a process that has ended.
    pub(super) fn forget(&mut self, process: ProcessKey) {
        self.processes.remove(&process);
    }
}

impl ProcessThreads {
    /// Notes that the thread `tid` has the address `ident`. If another one had it before,
    /// its name goes with it.
    fn own(&mut self, ident: u64, tid: u32) {
        let owner = self.owners.insert(ident, tid);
        if owner.is_some_and(|owner| owner != tid) {
            self.names.forget(ident);
        }
    }
}
