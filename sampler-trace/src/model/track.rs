// SPDX-License-Identifier: MIT OR Apache-2.0

//! The threads of a trace and the processes they belong to.

use std::borrow::Cow;

use crate::model::identifiers::{ProcessIndex, TrackId};
use crate::model::symbols::MAXIMUM_STRING;

/// A process. Its start time tells it from a later one with the same pid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// The pid as the recorder saw it: on a host, that of the initial pid namespace;
    /// 0 when it is not known.
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
    /// Where it lives, unless it is directly on the host.
    pub place: ProcessPlace,
    /// The user that it runs as: its effective user id in the recorder's user namespace.
    pub uid: Option<u32>,
}

/// Where a process lives: its pid namespace, container and cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessPlace {
    /// The pid in the innermost namespace it lives in; 0 when it is not known, or
    /// the same as the pid.
    pub namespace_pid: u32,
    /// Its container, such as `docker:4f1c5a0de6b7`; empty for none.
    pub container: String,
    /// The path of its cgroup; empty when it is not known, or the root.
    pub cgroup: String,
}

impl ProcessPlace {
    /// Whether anything is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        *self != Self::default()
    }

    /// Returns its pid inside and its container, for people: `pid 7 inside
    /// docker:4f1c5a0de6b7`; empty for a process of the host.
    #[must_use]
    pub fn inside(&self) -> String {
        match (self.namespace_pid, self.container.as_str()) {
            (0, container) => container.to_owned(),
            (pid, "") => format!("pid {pid} inside"),
            (pid, container) => format!("pid {pid} inside {container}"),
        }
    }
}

impl ProcessPlace {
    /// Splits a title with a pid into a name and a place; any other title is a name.
    fn of_title(title: &str) -> (&str, Self) {
        let split = || {
            let (name, inside) = title.strip_suffix(')')?.rsplit_once(" (pid ")?;
            let (pid, container) = inside.split_once(" inside")?;
            let place = Self {
                namespace_pid: pid.parse().ok()?,
                container: container.trim_start().to_owned(),
                cgroup: String::new(),
            };
            Some((name, place))
        };
        split().unwrap_or((title, Self::default()))
    }
}

impl ProcessInfo {
    /// Returns a process of which only its pid and a [`ProcessInfo::title`] are known.
    #[must_use]
    pub fn titled(pid: u32, title: &str) -> Self {
        let (name, place) = ProcessPlace::of_title(title);
        Self {
            pid,
            name: name.to_owned(),
            place,
            ..Self::default()
        }
    }

    /// Returns the name and where the process lives: `gunicorn (pid 7 inside
    /// docker:4f1c5a0de6b7)`.
    #[must_use]
    pub fn title(&self) -> Cow<'_, str> {
        match self.place.inside().as_str() {
            "" => Cow::Borrowed(&self.name),
            inside => Cow::Owned(format!("{} ({inside})", self.name)),
        }
    }
}

/// A thread of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// The process it belongs to.
    pub process: ProcessIndex,
    /// The kernel's thread id; 0 when it is not known.
    pub tid: u32,
    /// `threading.get_ident()`: the thread's `pthread_t`, an address.
    pub ident: u64,
    /// The thread's name in Python, or the kernel's when it has none there.
    pub name: String,
}

/// The most processes, and the most tracks, that a trace holds.
pub const MAXIMUM_TRACKS: usize = 1 << 20;
/// The most bytes of all their names and command lines.
pub const MAXIMUM_TEXT: usize = 1 << 27;

/// All processes and tracks of a trace, and which of them are new or changed.
///
/// Their numbers are dense and never reused. A writer gets what changed since its last
/// call with [`Tracks::take_changed`].
#[derive(Debug, Default)]
pub struct Tracks {
    processes: Vec<ProcessInfo>,
    tracks: Vec<Track>,
    changed_processes: Vec<ProcessIndex>,
    changed_tracks: Vec<TrackId>,
    /// Bytes of all names that were ever given, including replaced ones: a file has them
    /// all.
    text: usize,
}

impl Tracks {
    /// Whether nothing more should be added: no reader accepts more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let most = MAXIMUM_TRACKS - 1;
        self.processes.len() >= most
            || self.tracks.len() >= most
            || self.text > MAXIMUM_TEXT - 4 * MAXIMUM_STRING
    }

    /// Adds a process.
    pub fn add_process(&mut self, process: ProcessInfo) -> ProcessIndex {
        let index = ProcessIndex(handle(self.processes.len()));
        self.text += length(&process);
        self.processes.push(process);
        self.changed_processes.push(index);
        index
    }

    /// Adds a track. Its process must have been added before.
    pub fn add_track(&mut self, track: Track) -> TrackId {
        let id = TrackId(handle(self.tracks.len()));
        self.text += track.name.len();
        self.tracks.push(track);
        self.changed_tracks.push(id);
        id
    }

    /// Replaces what is known of a process, for the whole trace. Does nothing when the
    /// process does not exist, or nothing is new.
    pub fn update_process(&mut self, index: ProcessIndex, process: ProcessInfo) {
        if let Some(known) = self.processes.get_mut(index.index())
            && *known != process
        {
            self.text += length(&process);
            *known = process;
            self.changed_processes.push(index);
        }
    }

    /// Removes the command line of every process.
    pub fn forget_command_lines(&mut self) {
        for process in &mut self.processes {
            process.cmdline.clear();
        }
    }

    /// Gives a track another name, which holds for its rows so far as well.
    pub fn rename_track(&mut self, id: TrackId, name: &str) {
        if let Some(track) = self.tracks.get_mut(id.index())
            && track.name != name
        {
            self.text += name.len();
            name.clone_into(&mut track.name);
            self.changed_tracks.push(id);
        }
    }

    /// Returns the process with this number.
    #[must_use]
    pub fn process(&self, index: ProcessIndex) -> Option<&ProcessInfo> {
        self.processes.get(index.index())
    }

    /// Returns the track with this number.
    #[must_use]
    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.get(id.index())
    }

    /// Returns all processes, in the order of their numbers.
    #[must_use]
    pub fn processes(&self) -> &[ProcessInfo] {
        &self.processes
    }

    /// Returns all tracks, in the order of their numbers.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Returns what was added or changed since the last call, each number once, in the
    /// order of the numbers.
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

fn length(process: &ProcessInfo) -> usize {
    let ProcessInfo {
        name,
        cmdline,
        python,
        place,
        ..
    } = process;
    [name, cmdline, python, &place.container, &place.cgroup]
        .iter()
        .map(|text| text.len())
        .sum()
}

fn handle(length: usize) -> u32 {
    u32::try_from(length).expect("a table of 2^32 threads does not fit into memory")
}

#[cfg(test)]
mod tests {
    use super::{ProcessInfo, Track, Tracks};

    #[test]
    fn a_title_says_where_a_process_lives() {
        let mut process = ProcessInfo {
            name: "gunicorn".into(),
            ..ProcessInfo::default()
        };
        process.place.cgroup = "/system.slice/web.service".into();
        assert_eq!(process.title(), "gunicorn");
        process.place.namespace_pid = 7;
        assert_eq!(process.title(), "gunicorn (pid 7 inside)");
        process.place.container = "docker:4f1c5a0de6b7".into();
        assert_eq!(
            process.title(),
            "gunicorn (pid 7 inside docker:4f1c5a0de6b7)"
        );
        process.place.cgroup.clear();
        assert_eq!(ProcessInfo::titled(0, &process.title()), process);
        assert_eq!(
            ProcessInfo::titled(7, "a (b) (pid x inside c)").name,
            "a (b) (pid x inside c)"
        );
        process.place.namespace_pid = 0;
        assert_eq!(process.title(), "gunicorn (docker:4f1c5a0de6b7)");
    }

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
