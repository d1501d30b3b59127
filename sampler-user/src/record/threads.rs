// SPDX-License-Identifier: MIT OR Apache-2.0

//! Assigns a row of the timeline and a name to each thread.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use sampler_trace::model::identifiers::{KernelTime, ProcessIndex, TrackId};
use sampler_trace::model::track::{ProcessInfo, ProcessPlace, Track, Tracks};

use crate::capture::bpf::events::RawSample;
use crate::capture::scout::Scout;
use crate::capture::targets::followed::FollowedProcess;
use crate::record::names::{Naming, ThreadNames};

/// The threads that had samples, by process.
pub(super) struct Threads {
    /// Processes and threads, as they are in the trace.
    pub(super) tracks: Tracks,
    with_command_lines: bool,
    naming: Naming,
    scout: Scout,
    processes: FxHashMap<ProcessKey, ProcessThreads>,
}

struct ProcessThreads {
    index: ProcessIndex,
    names: ThreadNames,
    threads: FxHashMap<u32, Thread>,
    /// The thread that was last seen with each address (`thread_id`): the C library gives
    /// the address of a thread that has ended to a new one.
    owners: FxHashMap<u64, u32>,
    /// When threads ended, by thread id, since the last [`Threads::settle`].
    ended: FxHashMap<u32, KernelTime>,
    /// How many threads had samples.
    count: u32,
}

struct Thread {
    track: TrackId,
    ident: u64,
    samples: u64,
    /// Whether its name is from Python, not from the kernel.
    is_named: bool,
    /// The number of the reading that its name is from.
    reading: u32,
    /// Whether it had another row before, with another name.
    is_renamed: bool,
}

impl Threads {
    pub(super) fn new(with_command_lines: bool, naming: Naming, scout: Scout) -> Self {
        Self {
            tracks: Tracks::default(),
            with_command_lines,
            naming,
            scout,
            processes: FxHashMap::default(),
        }
    }

    /// Returns the row of the sampled thread. If the thread was renamed, this is a new
    /// row, and the one before is returned as well. `None` when the trace has as many
    /// processes and threads as it can have.
    pub(super) fn track(
        &mut self,
        sample: &RawSample,
        process: &FollowedProcess,
    ) -> Option<(TrackId, Option<TrackId>)> {
        if self.tracks.is_full() && self.known(sample).is_none() {
            return None;
        }
        let header = &sample.header;
        let tracks = &mut self.tracks;
        let known = self
            .processes
            .entry(header.process)
            .or_insert_with(|| ProcessThreads {
                index: tracks.add_process(info(process, self.with_command_lines)),
                names: ThreadNames::default(),
                threads: FxHashMap::default(),
                owners: FxHashMap::default(),
                ended: FxHashMap::default(),
                count: 0,
            });
        // The kernel reuses thread ids; then the thread's address differs.
        let before = known
            .threads
            .get(&header.tid)
            .filter(|it| it.ident == header.thread_id);
        let samples = before.map_or(1, |thread| thread.samples + 1);
        let is_named = before.is_some_and(|thread| thread.is_named);
        // Most threads are named right after their start, and few are renamed later.
        let time = KernelTime(header.time);
        let is_time = samples.is_power_of_two() || known.names.are_old(time);
        if let Some(before) = before
            && !is_time
            && before.reading == known.names.reading()
        {
            let track = before.track;
            if let Some(thread) = known.threads.get_mut(&header.tid) {
                thread.samples = samples;
            }
            return Some((track, None));
        }
        let owner = known.owners.insert(header.thread_id, header.tid);
        if owner.is_some_and(|tid| tid != header.tid) {
            known.names.forget(header.thread_id);
        }
        let (naming, threads) = (self.naming, &known.threads);
        let sampled = || match naming {
            Naming::All => None,
            Naming::Sampled => {
                let idents = threads.values().map(|thread| thread.ident);
                Some(idents.chain([header.thread_id]).collect::<BTreeSet<_>>())
            }
        };
        let name = known
            .names
            .of(
                process,
                header.thread_id,
                time,
                before.is_some() && is_time,
                &self.scout,
                sampled,
            )
            .cloned();
        let reading = known.names.reading();
        let is_now_named = is_named || name.is_some();
        let track = match (before, name) {
            (Some(before), None) => before.track,
            (Some(before), Some(name)) => {
                let is_other = tracks
                    .track(before.track)
                    .is_none_or(|track| track.name != name);
                if is_named && is_other && !tracks.is_full() {
                    tracks.add_track(new_track(known.index, sample, name))
                } else {
                    tracks.rename_track(before.track, &name);
                    before.track
                }
            }
            (None, name) => {
                let name = name.unwrap_or_else(|| kernel_name(sample));
                tracks.add_track(new_track(known.index, sample, name))
            }
        };
        known.count += u32::from(before.is_none());
        let replaced = before.map(|it| it.track).filter(|it| *it != track);
        let is_renamed = replaced.is_some() || before.is_some_and(|it| it.is_renamed);
        let thread = Thread {
            track,
            ident: header.thread_id,
            samples,
            is_named: is_now_named,
            reading,
            is_renamed,
        };
        known.threads.insert(header.tid, thread);
        Some((track, replaced))
    }

    /// Returns the row of a thread that had a sample before.
    pub(super) fn known(&self, sample: &RawSample) -> Option<TrackId> {
        let header = &sample.header;
        let thread = self
            .processes
            .get(&header.process)?
            .threads
            .get(&header.tid)?;
        (thread.ident == header.thread_id).then_some(thread.track)
    }

    /// Returns the row of a living thread that has had only one: the kernel counts the
    /// CPU time of a thread, not of each of its names.
    pub(super) fn row_of(&self, process: ProcessKey, tid: u32) -> Option<TrackId> {
        let thread = self.processes.get(&process)?.threads.get(&tid)?;
        (!thread.is_renamed).then_some(thread.track)
    }

    /// Forgets a thread that ended at `time`. Returns its row, if it had one.
    pub(super) fn end(
        &mut self,
        process: ProcessKey,
        tid: u32,
        time: KernelTime,
    ) -> Option<TrackId> {
        let known = self.processes.get_mut(&process)?;
        known.ended.insert(tid, time);
        known.threads.remove(&tid).map(|thread| thread.track)
    }

    /// Forgets the threads of a process that ended at `time`. Returns their rows.
    pub(super) fn end_all(&mut self, process: ProcessKey, time: KernelTime) -> Vec<TrackId> {
        let Some(known) = self.processes.get_mut(&process) else {
            return Vec::new();
        };
        let threads = known.threads.drain();
        threads
            .map(|(tid, thread)| {
                known.ended.insert(tid, time);
                thread.track
            })
            .collect()
    }

    /// Returns how many threads of a process had samples.
    pub(super) fn count(&self, process: ProcessKey) -> u32 {
        self.processes.get(&process).map_or(0, |known| known.count)
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

    /// Returns the number of a process in the trace, if it had samples.
    pub(super) fn index(&self, process: ProcessKey) -> Option<ProcessIndex> {
        self.processes.get(&process).map(|known| known.index)
    }

    /// Returns the number of a process in the trace, and gives it one if there is room.
    pub(super) fn index_anew(&mut self, process: &FollowedProcess) -> Option<ProcessIndex> {
        self.index(process.key).or_else(|| {
            let info = info(process, self.with_command_lines);
            (!self.tracks.is_full()).then(|| self.tracks.add_process(info))
        })
    }

    /// Returns the rows of the living threads of a process.
    pub(super) fn rows_of(&self, process: ProcessKey) -> Vec<TrackId> {
        let known = self.processes.get(&process);
        known
            .map(|it| it.threads.values().map(|thread| thread.track).collect())
            .unwrap_or_default()
    }

    /// Forgets a process that has ended; its rows stay in the trace.
    pub(super) fn forget(&mut self, process: ProcessKey) {
        self.processes.remove(&process);
    }
}

fn new_track(process: ProcessIndex, sample: &RawSample, name: String) -> Track {
    Track {
        process,
        tid: sample.header.tid,
        ident: sample.header.thread_id,
        name,
    }
}

/// Returns a name for a thread that Python has no name for, or that was too short-lived
/// to be asked for.
fn kernel_name(sample: &RawSample) -> String {
    let header = &sample.header;
    let comm = sample.comm();
    if header.tid == header.tgid {
        "MainThread".into()
    } else if comm.is_empty() {
        format!("Thread 0x{:x}", header.thread_id)
    } else {
        comm
    }
}

fn info(process: &FollowedProcess, with_command_line: bool) -> ProcessInfo {
    let python = process.python.as_ref();
    let identity = process.identity.as_ref();
    ProcessInfo {
        pid: process.tgid,
        start_time_ticks: identity.map_or(0, |it| it.start_time),
        name: identity.map(|it| it.comm.clone()).unwrap_or_default(),
        cmdline: identity
            .filter(|_| with_command_line)
            .map(|it| it.command_line.clone())
            .unwrap_or_default(),
        python: python
            .map(|it| it.instance.runtime.version.to_string())
            .unwrap_or_default(),
        place: place(process),
    }
}

/// Returns where a process lives: its cgroup and container, and its pid in there.
pub(super) fn place(process: &FollowedProcess) -> ProcessPlace {
    let cgroup = process.cgroup.clone().unwrap_or_default();
    let inside = process.identity.as_ref().map(|it| it.namespace_pid);
    ProcessPlace {
        namespace_pid: inside.filter(|pid| *pid != process.tgid).unwrap_or(0),
        container: cgroup.container.unwrap_or_default(),
        cgroup: cgroup.path,
    }
}
