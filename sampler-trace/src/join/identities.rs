// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells which processes and threads of different chunks are the same, and numbers those of
//! the joined trace.

use std::hash::{BuildHasher, RandomState};

use rustc_hash::FxHashMap;

use crate::join::error::JoinError;
use crate::join::options::JoinOptions;
use crate::model::identifiers::{ProcessIndex, TrackId};
use crate::model::track::{MAXIMUM_TEXT, MAXIMUM_TRACKS, ProcessInfo, Track, Tracks};

/// The number of a process of some chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ProcessNumber(u32);

/// The number of a thread of some chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ThreadNumber(u32);

impl ProcessNumber {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl ThreadNumber {
    /// The number of the thread at this position.
    pub(super) fn at(position: usize) -> Self {
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
struct Process {
    /// As the joined trace has it.
    info: ProcessInfo,
    /// The hash of its command line, which `info` may not have.
    cmdline: u64,
    is_wanted: bool,
    joined: Option<ProcessIndex>,
    /// The last chunk that has it.
    chunk: u32,
}

#[derive(Debug)]
struct ThreadEntry {
    process: ProcessNumber,
    tid: u32,
    ident: u64,
    name: String,
    is_wanted: bool,
    joined: Option<TrackId>,
    /// The last chunk that has it.
    chunk: u32,
}

/// A run of the kernel, and a pid and a start time in it.
type ProcessIdentity = (u32, u32, u64);
type ThreadIdentity = (ProcessNumber, u32, u64);

/// The processes and threads of all chunks so far. Those of which the joined trace has
/// something are in its tables too.
#[derive(Debug, Default)]
pub(super) struct Identities {
    processes: Vec<Process>,
    threads: Vec<ThreadEntry>,
    by_process: FxHashMap<ProcessIdentity, Vec<ProcessNumber>>,
    by_thread: FxHashMap<ThreadIdentity, Vec<ThreadNumber>>,
    hashes: RandomState,
    /// Bytes of the names.
    text: usize,
    /// The tables of the joined trace.
    pub(super) tracks: Tracks,
    /// The number of the current chunk, and of the run of the kernel that recorded it.
    chunk: u32,
    boot: u32,
    /// For each process and thread of the chunk, by its number there.
    chunk_processes: Vec<Option<ProcessNumber>>,
    chunk_threads: Vec<Option<ThreadNumber>>,
}

impl Identities {
    /// Begins a chunk.
    pub(super) fn begin_chunk(&mut self, is_same_boot: bool) {
        self.chunk += 1;
        self.boot += u32::from(!is_same_boot);
        self.chunk_processes.clear();
        self.chunk_threads.clear();
    }

    /// The number of the current chunk.
    pub(super) fn chunk(&self) -> u32 {
        self.chunk
    }

    /// Takes over what the chunk says anew about its processes and threads.
    pub(super) fn update(
        &mut self,
        of_chunk: &Tracks,
        (processes, tracks): (Vec<ProcessIndex>, Vec<TrackId>),
        options: &JoinOptions,
    ) {
        for index in processes {
            if let Some(number) = self.known_process(index)
                && let Some(info) = of_chunk.process(index)
            {
                self.update_process(number, info, options);
            }
        }
        for id in tracks {
            if let Some(number) = self.known_thread(id)
                && let Some(track) = of_chunk.track(id)
            {
                self.rename(number, &track.name, options);
            }
        }
    }

    fn update_process(&mut self, number: ProcessNumber, info: &ProcessInfo, options: &JoinOptions) {
        let cmdline = self.hashes.hash_one(&info.cmdline);
        if let Some(process) = self.processes.get_mut(number.index()) {
            process.is_wanted = options.processes.wants(info);
            process.cmdline = cmdline;
            process.chunk = self.chunk;
            let info = options.privacy.process(info);
            if process.info != info {
                self.text += text_of(&info);
                process.info = info;
                if let Some(joined) = process.joined {
                    self.tracks.update_process(joined, process.info.clone());
                }
            }
        }
    }

    fn rename(&mut self, number: ThreadNumber, name: &str, options: &JoinOptions) {
        if let Some(thread) = self.threads.get_mut(number.index())
            && thread.name != name
        {
            name.clone_into(&mut thread.name);
            self.text += name.len();
            thread.is_wanted = wants_name(options, name);
            if let Some(joined) = thread.joined {
                self.tracks.rename_track(joined, name);
            }
        }
    }

    fn known_process(&self, index: ProcessIndex) -> Option<ProcessNumber> {
        self.chunk_processes.get(index.index()).copied().flatten()
    }

    /// The number of a thread of the chunk, if it was asked for before.
    pub(super) fn known_thread(&self, id: TrackId) -> Option<ThreadNumber> {
        self.chunk_threads.get(id.index()).copied().flatten()
    }

    /// Returns the number of a process of the chunk.
    ///
    /// It is the one that an earlier chunk has with the same pid and start time. A process
    /// that starts another program keeps both; then its name and its command line differ.
    pub(super) fn process(
        &mut self,
        index: ProcessIndex,
        of_chunk: &Tracks,
        options: &JoinOptions,
    ) -> Result<Option<ProcessNumber>, JoinError> {
        if let Some(known) = self.known_process(index) {
            return Ok(Some(known));
        }
        let Some(info) = of_chunk.process(index) else {
            return Ok(None);
        };
        let key = (self.boot, info.pid, info.start_time_ticks);
        let cmdline = self.hashes.hash_one(&info.cmdline);
        let same = self.by_process.get(&key).and_then(|all| {
            let mut latest = all.iter().rev().copied();
            latest.find(|number| self.is_same(*number, info, cmdline))
        });
        let number = match same {
            Some(number) => number,
            None => self.add_process(key, info, cmdline)?,
        };
        self.update_process(number, info, options);
        set(&mut self.chunk_processes, index.index(), number);
        Ok(Some(number))
    }

    fn is_same(&self, number: ProcessNumber, info: &ProcessInfo, cmdline: u64) -> bool {
        let Some(known) = self.processes.get(number.index()) else {
            return false;
        };
        let has_name = known.info.name == info.name;
        let has_cmdline = known.cmdline == cmdline;
        let is_program = match info.start_time_ticks {
            0 => has_name && has_cmdline,
            _ => has_name || has_cmdline && !info.cmdline.is_empty(),
        };
        let (here, there) = (&known.info.place, &info.place);
        let is_place = !here.is_known()
            || !there.is_known()
            || (here.namespace_pid, &here.container) == (there.namespace_pid, &there.container);
        // A chunk has each process once, unless it started another program.
        known.chunk != self.chunk && is_program && is_place
    }

    fn add_process(
        &mut self,
        key: ProcessIdentity,
        info: &ProcessInfo,
        cmdline: u64,
    ) -> Result<ProcessNumber, JoinError> {
        let number = ProcessNumber(self.next_number(self.processes.len())?);
        self.processes.push(Process {
            info: ProcessInfo::default(),
            cmdline,
            is_wanted: false,
            joined: None,
            chunk: self.chunk,
        });
        self.text += info.name.len();
        self.by_process.entry(key).or_default().push(number);
        Ok(number)
    }

    /// Returns the number of a thread of the chunk.
    ///
    /// It is the one that an earlier chunk has with the same process, thread id, address
    /// and name. `was_open` tells of a thread whether its last row goes on in this chunk; its
    /// name may have been learnt in between.
    pub(super) fn thread(
        &mut self,
        id: TrackId,
        of_chunk: &Tracks,
        options: &JoinOptions,
        was_open: impl Fn(ThreadNumber) -> bool,
    ) -> Result<Option<ThreadNumber>, JoinError> {
        if let Some(known) = self.known_thread(id) {
            return Ok(Some(known));
        }
        let Some(track) = of_chunk.track(id) else {
            return Ok(None);
        };
        let Some(process) = self.process(track.process, of_chunk, options)? else {
            return Ok(None);
        };
        let key = (process, track.tid, track.ident);
        let candidates = self.by_thread.get(&key).map_or(&[][..], Vec::as_slice);
        let is_free = |number: &&ThreadNumber| {
            let thread = self.threads.get(number.index());
            thread.is_some_and(|thread| thread.chunk != self.chunk)
        };
        let has_name = |number: &&ThreadNumber| {
            let thread = self.threads.get(number.index());
            thread.is_some_and(|thread| thread.name == track.name)
        };
        let mut free = candidates.iter().rev().filter(is_free);
        let same = free
            .clone()
            .filter(has_name)
            .find(|number| was_open(**number))
            .or_else(|| free.clone().find(has_name))
            .or_else(|| free.find(|number| was_open(**number)))
            .copied();
        let number = match same {
            Some(number) => number,
            None => self.add_line(key, track, options)?,
        };
        self.rename(number, &track.name, options);
        if let Some(thread) = self.threads.get_mut(number.index()) {
            thread.chunk = self.chunk;
        }
        set(&mut self.chunk_threads, id.index(), number);
        Ok(Some(number))
    }

    fn add_line(
        &mut self,
        key: ThreadIdentity,
        track: &Track,
        options: &JoinOptions,
    ) -> Result<ThreadNumber, JoinError> {
        let number = ThreadNumber(self.next_number(self.threads.len())?);
        self.threads.push(ThreadEntry {
            process: key.0,
            tid: track.tid,
            ident: track.ident,
            name: track.name.clone(),
            is_wanted: wants_name(options, &track.name),
            joined: None,
            chunk: 0,
        });
        self.text += track.name.len();
        self.by_thread.entry(key).or_default().push(number);
        Ok(number)
    }

    fn next_number(&self, length: usize) -> Result<u32, JoinError> {
        if length >= MAXIMUM_TRACKS || self.text > MAXIMUM_TEXT {
            return Err(JoinError::Full);
        }
        u32::try_from(length).map_err(|_| JoinError::Full)
    }

    /// Whether the rows of a thread are wanted.
    pub(super) fn wants(&self, number: ThreadNumber) -> bool {
        let thread = self.threads.get(number.index());
        thread.is_some_and(|thread| thread.is_wanted && self.wants_process(thread.process))
    }

    /// Whether a process is wanted.
    pub(super) fn wants_process(&self, number: ProcessNumber) -> bool {
        let process = self.processes.get(number.index());
        process.is_some_and(|process| process.is_wanted)
    }

    /// Returns the number of a process in the joined trace, and gives it one.
    pub(super) fn joined_process(
        &mut self,
        number: ProcessNumber,
    ) -> Result<Option<ProcessIndex>, JoinError> {
        let Some(process) = self.processes.get_mut(number.index()) else {
            return Ok(None);
        };
        if process.joined.is_none() {
            if self.tracks.is_full() {
                return Err(JoinError::Full);
            }
            process.joined = Some(self.tracks.add_process(process.info.clone()));
        }
        Ok(process.joined)
    }

    /// Returns the number of a thread in the joined trace, and gives it one.
    pub(super) fn joined_track(&mut self, number: ThreadNumber) -> Result<TrackId, JoinError> {
        let Some(thread) = self.threads.get(number.index()) else {
            return Err(JoinError::Full);
        };
        if let Some(joined) = thread.joined {
            return Ok(joined);
        }
        let (tid, ident, name) = (thread.tid, thread.ident, thread.name.clone());
        let process = self
            .joined_process(thread.process)?
            .ok_or(JoinError::Full)?;
        if self.tracks.is_full() {
            return Err(JoinError::Full);
        }
        let joined = self.tracks.add_track(Track {
            process,
            tid,
            ident,
            name,
        });
        if let Some(thread) = self.threads.get_mut(number.index()) {
            thread.joined = Some(joined);
        }
        Ok(joined)
    }

    /// Returns the number of a process in the joined trace, if it has one.
    pub(super) fn known_joined_process(&self, number: ProcessNumber) -> Option<ProcessIndex> {
        self.processes.get(number.index())?.joined
    }

    /// Returns the number of a thread in the joined trace, if it has one.
    pub(super) fn known_joined_track(&self, number: ThreadNumber) -> Option<TrackId> {
        self.threads.get(number.index())?.joined
    }

    /// How many bytes of memory the processes and threads use, roughly.
    pub(super) fn bytes(&self) -> usize {
        // The tables of the joined trace have each of them again, the maps their numbers.
        2 * self.text
            + self.processes.len() * (2 * size_of::<ProcessInfo>() + 96)
            + self.threads.len() * (2 * size_of::<ThreadEntry>() + 96)
    }
}

fn text_of(info: &ProcessInfo) -> usize {
    let place = &info.place;
    let texts = [
        &info.name,
        &info.cmdline,
        &info.python,
        &place.container,
        &place.cgroup,
    ];
    texts.iter().map(|text| text.len()).sum()
}

fn wants_name(options: &JoinOptions, name: &str) -> bool {
    let wanted = options.thread.as_ref();
    wanted.is_none_or(|wanted| wanted.is_match(name))
}

fn set<T: Copy>(numbers: &mut Vec<Option<T>>, at: usize, number: T) {
    if numbers.len() <= at {
        numbers.resize(at + 1, None);
    }
    if let Some(slot) = numbers.get_mut(at) {
        *slot = Some(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::track::ProcessPlace;

    fn process(pid: u32, start: u64, name: &str, cmdline: &str) -> ProcessInfo {
        ProcessInfo {
            start_time_ticks: start,
            cmdline: cmdline.into(),
            ..ProcessInfo::titled(pid, name)
        }
    }

    /// The tables of a chunk with a process and its threads, each with its id and name.
    fn chunk(process: ProcessInfo, threads: &[(u32, &str)]) -> Tracks {
        let mut tracks = Tracks::default();
        let process = tracks.add_process(process);
        for (tid, name) in threads {
            tracks.add_track(Track {
                process,
                tid: *tid,
                ident: 5,
                name: (*name).into(),
            });
        }
        tracks
    }

    /// Takes in a chunk. Returns the numbers of its threads, of which those before had an
    /// open row.
    fn take(all: &mut Identities, tracks: &Tracks, is_same_boot: bool, open: &[u32]) -> Vec<u32> {
        all.begin_chunk(is_same_boot);
        let options = JoinOptions::default();
        let was_open = |number: ThreadNumber| open.contains(&number.0);
        (0..tracks.tracks().len() as u32)
            .map(|id| {
                let thread = all.thread(TrackId(id), tracks, &options, was_open);
                thread.unwrap().unwrap().0
            })
            .collect()
    }

    #[test]
    fn a_process_is_the_same_by_pid_start_and_place() {
        let mut all = Identities::default();
        let first = process(7, 100, "python3", "python3 app.py");
        let mut number_of = |info: &ProcessInfo, is_same_boot| {
            let tracks = chunk(info.clone(), &[]);
            all.begin_chunk(is_same_boot);
            let number = all.process(ProcessIndex(0), &tracks, &JoinOptions::default());
            number.unwrap().unwrap().0
        };
        assert_eq!(number_of(&first, false), 0);
        assert_eq!(number_of(&first, true), 0);
        assert_eq!(
            number_of(&process(7, 100, "app", "python3 app.py"), true),
            0
        );
        assert_eq!(number_of(&process(7, 100, "app", "app: worker"), true), 0);
        assert_eq!(
            number_of(&process(7, 100, "other", "other.py"), true),
            1,
            "an exec"
        );
        assert_eq!(number_of(&process(7, 200, "app", "app: worker"), true), 2);
        assert_eq!(number_of(&process(8, 100, "app", "app: worker"), true), 3);
        let inside = ProcessInfo {
            place: ProcessPlace {
                namespace_pid: 1,
                container: "docker:4f".into(),
                cgroup: String::new(),
            },
            ..process(8, 100, "app", "app: worker")
        };
        assert_eq!(number_of(&inside, true), 3, "it was not known before");
        let mut other = inside;
        other.place.namespace_pid = 9;
        assert_eq!(number_of(&other, true), 4);
        assert_eq!(number_of(&process(9, 0, "a", "b"), true), 5);
        assert_eq!(number_of(&process(9, 0, "a", "b"), true), 5);
        assert_eq!(
            number_of(&process(9, 0, "a", "c"), true),
            6,
            "its start is not known"
        );
        assert_eq!(number_of(&first, false), 7, "another run of the kernel");
    }

    #[test]
    fn a_thread_keeps_its_number_and_a_renamed_one_has_two() {
        let mut all = Identities::default();
        let app = || process(7, 100, "app", "app.py");
        let first = chunk(app(), &[(7, "MainThread"), (8, "job-1"), (8, "job-2")]);
        assert_eq!(take(&mut all, &first, false, &[]), [0, 1, 2]);
        // job-2 goes on; the thread is renamed once more later on.
        let second = chunk(app(), &[(8, "job-2"), (8, "job-3"), (7, "MainThread")]);
        assert_eq!(take(&mut all, &second, true, &[0, 2]), [2, 3, 0]);
        // The name of the open row was learnt in between.
        let third = chunk(app(), &[(8, "job-4"), (9, "job-4")]);
        assert_eq!(take(&mut all, &third, true, &[3]), [3, 4]);
        assert_eq!(all.threads[3].name, "job-4");
        // A name that comes again.
        assert_eq!(take(&mut all, &first, true, &[]), [0, 1, 2]);
        assert_eq!(take(&mut all, &first, false, &[]), [5, 6, 7]);
    }

    #[test]
    fn equal_threads_of_one_chunk_stay_apart() {
        let mut all = Identities::default();
        let twice = chunk(process(7, 100, "app", ""), &[(8, "a"), (8, "a")]);
        assert_eq!(take(&mut all, &twice, false, &[]), [0, 1]);
        // The open one is the one that goes on.
        assert_eq!(take(&mut all, &twice, true, &[0]), [0, 1]);
        assert_eq!(take(&mut all, &twice, true, &[1]), [1, 0]);
    }
}
