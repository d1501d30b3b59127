//! The threads of a trace and the processes they belong to. It refuses to know
//! where their names come from.

use super::{ProcessIndex, TrackId};

/// A process, told apart from a later one with the same pid by its start time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// The pid in the initial pid namespace; 0 when it is not known.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of
    /// `/proc/<pid>/stat`); 0 when it is not known.
    pub start_time_ticks: u64,
    /// The short name, as `/proc/<pid>/comm` has it.
    pub name: String,
    /// The command line, its arguments joined by spaces.
    pub cmdline: String,
    /// The version of its Python, such as `3.12.1`; empty when not known.
    pub python: String,
}

/// A thread of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// The process it belongs to.
    pub process: ProcessIndex,
    /// The kernel's thread id; 0 when it is not known.
    pub tid: u32,
    /// `threading.get_ident()`: the pthread address.
    pub ident: u64,
    /// The thread's name in Python, or the kernel's when it has none there.
    pub name: String,
}

/// All processes and tracks of a trace, and which of them are new or changed.
///
/// The numbers it gives out are dense and never reused. A writer takes what
/// changed since it last asked with [`Tracks::take_changed`].
#[derive(Debug, Default)]
pub struct Tracks {
    processes: Vec<ProcessInfo>,
    tracks: Vec<Track>,
    changed_processes: Vec<ProcessIndex>,
    changed_tracks: Vec<TrackId>,
}

impl Tracks {
    /// Adds a process.
    pub fn add_process(&mut self, process: ProcessInfo) -> ProcessIndex {
        let index = ProcessIndex(handle(self.processes.len()));
        self.processes.push(process);
        self.changed_processes.push(index);
        index
    }

    /// Adds a track. Its process must have been added before.
    pub fn add_track(&mut self, track: Track) -> TrackId {
        let id = TrackId(handle(self.tracks.len()));
        self.tracks.push(track);
        self.changed_tracks.push(id);
        id
    }

    /// Replaces what is known of a process; the last word counts for the whole
    /// trace. Does nothing when it is not there or says nothing new.
    pub fn update_process(&mut self, index: ProcessIndex, process: ProcessInfo) {
        if let Some(known) = self.processes.get_mut(index.index())
            && *known != process
        {
            *known = process;
            self.changed_processes.push(index);
        }
    }

    /// Takes the command line from every process.
    pub fn forget_command_lines(&mut self) {
        for process in &mut self.processes {
            process.cmdline.clear();
        }
    }

    /// Gives a track another name, for its rows so far too.
    pub fn rename_track(&mut self, id: TrackId, name: &str) {
        if let Some(track) = self.tracks.get_mut(id.index())
            && track.name != name
        {
            name.clone_into(&mut track.name);
            self.changed_tracks.push(id);
        }
    }

    /// The process with this number.
    #[must_use]
    pub fn process(&self, index: ProcessIndex) -> Option<&ProcessInfo> {
        self.processes.get(index.index())
    }

    /// The track with this number.
    #[must_use]
    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.get(id.index())
    }

    /// All processes, in the order of their numbers.
    #[must_use]
    pub fn processes(&self) -> &[ProcessInfo] {
        &self.processes
    }

    /// All tracks, in the order of their numbers.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// What was added or changed since the last call, each number once, in
    /// the order of the numbers.
    pub fn take_changed(&mut self) -> (Vec<ProcessIndex>, Vec<TrackId>) {
        let mut processes = std::mem::take(&mut self.changed_processes);
        let mut tracks = std::mem::take(&mut self.changed_tracks);
        processes.sort_unstable();
        processes.dedup();
        tracks.sort_unstable();
        tracks.dedup();
        (processes, tracks)
    }
}

fn handle(length: usize) -> u32 {
    u32::try_from(length).expect("a table of 2^32 threads does not fit into memory")
}

#[cfg(test)]
mod tests {
    use super::{ProcessInfo, Track, Tracks};

    #[test]
    fn only_what_changed_is_taken() {
        let mut tracks = Tracks::default();
        let process = tracks.add_process(ProcessInfo {
            pid: 7,
            ..ProcessInfo::default()
        });
        let first = tracks.add_track(Track {
            process,
            tid: 7,
            ..Track::default()
        });
        let second = tracks.add_track(Track {
            process,
            tid: 8,
            ..Track::default()
        });
        assert_eq!(tracks.take_changed(), (vec![process], vec![first, second]));
        assert_eq!(tracks.take_changed(), (vec![], vec![]));
        tracks.rename_track(second, "worker");
        tracks.rename_track(second, "worker");
        tracks.update_process(
            process,
            ProcessInfo {
                pid: 7,
                ..ProcessInfo::default()
            },
        );
        assert_eq!(tracks.take_changed(), (vec![], vec![second]));
    }
}
