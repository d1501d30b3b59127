// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chooses the row of the timeline that each thread has in one trace.

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use sampler_cpython::process::comm::unnamed_thread;
use sampler_trace::model::identifiers::{ProcessIndex, TrackId};
use sampler_trace::model::track::{ProcessInfo, ProcessPlace, Track, Tracks};

use crate::capture::bpf::events::RawSample;
use crate::capture::targets::followed::FollowedProcess;

/// The processes and threads of a trace.
pub(super) struct ThreadTracks {
    /// As they are in the trace.
    pub(super) tracks: Tracks,
    with_command_lines: bool,
    processes: FxHashMap<ProcessKey, ProcessTracks>,
}

struct ProcessTracks {
    index: ProcessIndex,
    /// The rows of living threads, by thread id.
    threads: FxHashMap<u32, ThreadTrack>,
    /// How many threads had samples.
    count: u32,
}

#[derive(Clone, Copy)]
struct ThreadTrack {
    track: TrackId,
    /// The kernel reuses thread ids; then this address (`thread_id`) differs.
    ident: u64,
    /// Whether its name is from Python, not from the kernel.
    is_named: bool,
    /// Whether it had another row before, with another name.
    is_renamed: bool,
}

/// The row of a thread of which a sample is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChosenTrack {
    pub(super) track: TrackId,
    /// The row that it had before, if the thread was renamed and thus has a new one.
    pub(super) replaced: Option<TrackId>,
}

impl ProcessTracks {
    fn new(index: ProcessIndex) -> Self {
        Self {
            index,
            threads: FxHashMap::default(),
            count: 0,
        }
    }
}

impl ThreadTracks {
    pub(super) fn new(with_command_lines: bool) -> Self {
        Self {
            tracks: Tracks::default(),
            with_command_lines,
            processes: FxHashMap::default(),
        }
    }

    /// Returns the threads of another trace, which has none yet.
    pub(super) fn successor(&self) -> Self {
        Self::new(self.with_command_lines)
    }

    /// Chooses the row of the sampled thread. `name` is Python's name of it, if that was
    /// looked up. If the thread was renamed, it gets a new row, as far as there is room.
    /// The trace must have room for a new thread, unless it is [known](Self::known).
    pub(super) fn choose(
        &mut self,
        sample: &RawSample,
        process: &FollowedProcess,
        name: Option<String>,
    ) -> ChosenTrack {
        let header = &sample.header;
        let tracks = &mut self.tracks;
        let known = self.processes.entry(header.process).or_insert_with(|| {
            let info = info(process, self.with_command_lines);
            ProcessTracks::new(tracks.add_process(info))
        });
        let before = known.threads.get(&header.tid).copied();
        let before = before.filter(|it| it.ident == header.thread_id);
        let was_named = before.is_some_and(|it| it.is_named);
        let is_named = was_named || name.is_some();
        let track = match (before, name) {
            (Some(before), None) => before.track,
            (Some(before), Some(name)) => {
                let current = tracks.track(before.track);
                let is_other = current.is_none_or(|track| track.name != name);
                if was_named && is_other && !tracks.is_full() {
                    tracks.add_track(new_track(known.index, sample, name))
                } else {
                    tracks.rename_track(before.track, &name);
                    before.track
                }
            }
            (None, name) => {
                let is_main = header.tid == header.tgid;
                let ident = Some(header.thread_id);
                let name = name.unwrap_or_else(|| unnamed_thread(is_main, ident, &header.comm));
                tracks.add_track(new_track(known.index, sample, name))
            }
        };
        known.count += u32::from(before.is_none());
        let replaced = before.map(|it| it.track).filter(|it| *it != track);
        let thread = ThreadTrack {
            track,
            ident: header.thread_id,
            is_named,
            is_renamed: replaced.is_some() || before.is_some_and(|it| it.is_renamed),
        };
        known.threads.insert(header.tid, thread);
        ChosenTrack { track, replaced }
    }

    /// Returns the rows of all living threads, each with its process and thread id.
    pub(super) fn living(&self) -> impl Iterator<Item = (ProcessKey, u32, TrackId)> {
        let processes = self.processes.iter();
        processes.flat_map(|(process, known)| {
            let threads = known.threads.iter();
            threads.map(|(tid, thread)| (*process, *tid, thread.track))
        })
    }

    /// Gives a thread of another trace a row in this one, under the name that it has.
    /// Returns `None` if there is no such thread, or no room.
    pub(super) fn carry_over(
        &mut self,
        from: &Self,
        process: ProcessKey,
        tid: u32,
    ) -> Option<TrackId> {
        let known = from.processes.get(&process)?;
        let thread = known.threads.get(&tid)?;
        let info = from.tracks.process(known.index)?;
        let row = from.tracks.track(thread.track)?;
        let tracks = &mut self.tracks;
        if tracks.is_full() {
            return None;
        }
        let own = self
            .processes
            .entry(process)
            .or_insert_with(|| ProcessTracks::new(tracks.add_process(info.clone())));
        let track = tracks.add_track(Track {
            process: own.index,
            ..row.clone()
        });
        own.count += 1;
        let is_renamed = false;
        let thread = ThreadTrack {
            track,
            is_renamed,
            ..*thread
        };
        own.threads.insert(tid, thread);
        Some(track)
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

    /// Forgets a thread that ended. Returns its row, if it had one.
    pub(super) fn end(&mut self, process: ProcessKey, tid: u32) -> Option<TrackId> {
        let known = self.processes.get_mut(&process)?;
        known.threads.remove(&tid).map(|thread| thread.track)
    }

    /// Forgets the threads of a process that ended. Returns their rows.
    pub(super) fn end_all(&mut self, process: ProcessKey) -> Vec<TrackId> {
        let Some(known) = self.processes.get_mut(&process) else {
            return Vec::new();
        };
        let threads = known.threads.drain();
        threads.map(|(_, thread)| thread.track).collect()
    }

    /// Returns how many threads of a process had samples.
    pub(super) fn count(&self, process: ProcessKey) -> u32 {
        self.processes.get(&process).map_or(0, |known| known.count)
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

fn info(process: &FollowedProcess, with_command_line: bool) -> ProcessInfo {
    let identity = process.identity.as_ref();
    ProcessInfo {
        pid: process.tgid,
        start_time_ticks: identity.map_or(0, |it| it.start_time),
        name: identity.map(|it| it.comm.clone()).unwrap_or_default(),
        cmdline: process.command_line(with_command_line),
        python: process.python_version(),
        place: place(process),
        uid: identity.and_then(|it| it.uid),
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
