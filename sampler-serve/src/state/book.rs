// SPDX-License-Identifier: MIT OR Apache-2.0

//! The marks and recordings of a server: which there are, what each keeps, and how often
//! samples are taken because of them. Every change is in the state directory before it is
//! reported.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::protocol::command::{NewMark, StartRecording};
use crate::protocol::message::{Failure, FailureCode};
use crate::state::directory::{Folder, StateDirectory};
use crate::state::entry::{
    MarkCause, MarkEntry, MarkId, RecordingEntry, RecordingId, RecordingState,
};
use crate::state::retention::{Keeper, KeeperId};

/// The most recordings that run at once.
pub const MOST_RUNNING: usize = 16;
/// The most marks, and the most recordings, that are kept.
pub const MOST_ENTRIES: usize = 1000;
/// The most marks that the server has set by itself. For another one, the oldest of them is
/// given up, so that there is always room for marks that somebody asks for.
pub const MOST_AUTOMATIC: usize = 200;
/// The longest name, in characters; the rest is cut off.
pub const LONGEST_NAME: usize = 200;
/// The longest time that a mark keeps on either side, and that a recording runs by
/// itself: a day.
pub const LONGEST_TIME: Duration = Duration::from_secs(86_400);

/// All marks and recordings.
#[derive(Debug, Default)]
pub struct Book {
    marks: Vec<MarkEntry>,
    recordings: Vec<RecordingEntry>,
    next_mark: u64,
    next_recording: u64,
    /// Files that could not be read.
    damaged: usize,
    /// Marks that were given up for later ones.
    replaced: u64,
    /// The time until which running recordings had come when the clock was set back, in
    /// microseconds of Unix time.
    before_clock_was_set: BTreeMap<RecordingId, u64>,
}

impl Book {
    /// Reads what earlier servers have left. A recording that ran then goes on, unless its
    /// time is over.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn read(state: &StateDirectory) -> io::Result<Self> {
        let (marks, damaged_marks) = state.read_entries::<MarkEntry>(Folder::Marks)?;
        let (recordings, damaged) = state.read_entries::<RecordingEntry>(Folder::Recordings)?;
        // The files that cannot be read have numbers as well.
        let highest = |folder| -> io::Result<u64> {
            Ok(state.list(folder)?.last().map_or(0, |last| last.number))
        };
        Ok(Self {
            marks,
            recordings,
            next_mark: highest(Folder::Marks)?.saturating_add(1),
            next_recording: highest(Folder::Recordings)?.saturating_add(1),
            damaged: damaged + damaged_marks,
            replaced: 0,
            before_clock_was_set: BTreeMap::new(),
        })
    }

    /// Returns all marks, oldest first.
    #[must_use]
    pub fn marks(&self) -> &[MarkEntry] {
        &self.marks
    }

    /// Returns all recordings, oldest first.
    #[must_use]
    pub fn recordings(&self) -> &[RecordingEntry] {
        &self.recordings
    }

    /// Returns how many entries could not be read.
    #[must_use]
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Returns how many marks of the server's own were given up for later ones.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Returns the rate that the running recordings ask for, at least `base`.
    #[must_use]
    pub fn wanted_hz(&self, base: u32) -> u32 {
        let running = self.running().map(|recording| recording.hz);
        running.fold(base, u32::max)
    }

    fn running(&self) -> impl Iterator<Item = &RecordingEntry> {
        let is_running = |it: &&RecordingEntry| it.state == RecordingState::Running;
        self.recordings.iter().filter(is_running)
    }

    /// Returns what keeps chunks, in the order in which it is given up if there is too little
    /// room: the oldest first, and before all others the marks that nobody asked for. A
    /// recording that runs keeps everything from its beginning.
    #[must_use]
    pub fn keepers(&self) -> Vec<Keeper> {
        let marks = self.marks.iter().map(|mark| {
            let keeper = Keeper {
                id: KeeperId::Mark(mark.id),
                from_us: mark.from_us,
                to_us: mark.to_us,
            };
            let is_asked_for = mark.cause == MarkCause::Request;
            ((is_asked_for, mark.at_us), keeper)
        });
        let recordings = self.recordings.iter().map(|recording| {
            let is_running = recording.state == RecordingState::Running;
            let keeper = Keeper {
                id: KeeperId::Recording(recording.id),
                from_us: recording.from_us,
                to_us: recording.to_us.filter(|_| !is_running).unwrap_or(u64::MAX),
            };
            ((true, recording.from_us), keeper)
        });
        let mut keepers: Vec<_> = marks.chain(recordings).collect();
        keepers.sort_by_key(|(rank, keeper)| (*rank, keeper.id));
        keepers.into_iter().map(|(_, keeper)| keeper).collect()
    }

    /// Begins a recording. `base_hz` is the rate without it, `highest_hz` the highest that
    /// there is.
    ///
    /// # Errors
    /// [`Failure`]: too many, a rate or a time out of range, or the disk.
    pub fn start(
        &mut self,
        state: &StateDirectory,
        asked: &StartRecording,
        (base_hz, highest_hz): (u32, u32),
        now_us: u64,
    ) -> Result<RecordingEntry, Failure> {
        let hz = asked.hz.unwrap_or(base_hz);
        if !(1..=highest_hz).contains(&hz) {
            return Err(invalid(format!(
                "a recording cannot have {hz} samples a second: give 1 to {highest_hz}"
            )));
        }
        let longest = LONGEST_TIME.as_secs();
        if asked
            .seconds
            .is_some_and(|it| it == 0 || u64::from(it) > longest)
        {
            return Err(invalid(format!("a recording takes 1 to {longest} seconds")));
        }
        if self.running().count() >= MOST_RUNNING {
            return Err(limit(format!(
                "{MOST_RUNNING} recordings run already; stop one of them"
            )));
        }
        if self.recordings.len() >= MOST_ENTRIES {
            return Err(limit(format!(
                "{MOST_ENTRIES} recordings are kept already; delete some of them"
            )));
        }
        let mut pids = asked.pids.clone();
        pids.sort_unstable();
        pids.dedup();
        let entry = RecordingEntry {
            id: RecordingId(self.next_recording),
            name: shortened(&asked.name),
            hz,
            pids,
            from_us: now_us,
            to_us: asked.seconds.map(|it| now_us + u64::from(it) * 1_000_000),
            state: RecordingState::Running,
        };
        write(state, Folder::Recordings, entry.id.0, &entry)?;
        self.next_recording += 1;
        self.recordings.push(entry.clone());
        Ok(entry)
    }

    /// Stops a recording.
    ///
    /// # Errors
    /// [`Failure`]: there is none with this number, or it has ended already.
    pub fn stop(
        &mut self,
        state: &StateDirectory,
        id: RecordingId,
        now_us: u64,
    ) -> Result<RecordingEntry, Failure> {
        let found = self.recordings.iter_mut().find(|it| it.id == id);
        let entry = found.ok_or_else(|| no_recording(id))?;
        if entry.state == RecordingState::Done {
            return Err(Failure {
                code: FailureCode::Conflict,
                message: format!("recording {} has ended already", id.0),
            });
        }
        // A clock that was set back does not turn the recording's time round.
        let before = self.before_clock_was_set.remove(&id).unwrap_or(0);
        let ended = RecordingEntry {
            to_us: Some(now_us.max(entry.from_us).max(before)),
            state: RecordingState::Done,
            ..entry.clone()
        };
        write(state, Folder::Recordings, id.0, &ended)?;
        *entry = ended.clone();
        Ok(ended)
    }

    /// Ends the recordings whose time is over. Returns them.
    ///
    /// # Errors
    /// [`Failure`]: the disk. They go on until it is well again.
    pub fn stop_due(
        &mut self,
        state: &StateDirectory,
        now_us: u64,
    ) -> Result<Vec<RecordingEntry>, Failure> {
        let is_due = |it: &&RecordingEntry| it.to_us.is_some_and(|to| to <= now_us);
        let due: Vec<_> = self
            .running()
            .filter(is_due)
            .map(|it| (it.id, it.to_us))
            .collect();
        let stop =
            |(id, to): (RecordingId, Option<u64>)| self.stop(state, id, to.unwrap_or(now_us));
        due.into_iter().map(stop).collect()
    }

    /// Notes that the clock was set from `before_us` to `now_us`. Recordings still take as long
    /// as they were to, and both they and the marks whose time is not over keep what came
    /// before this moment and what comes after it. If the clock was set back, they may keep
    /// more than that.
    ///
    /// # Errors
    /// [`Failure`]: the disk. Then the next server does not know of it.
    pub fn clock_was_set(
        &mut self,
        state: &StateDirectory,
        before_us: u64,
        now_us: u64,
    ) -> Result<(), Failure> {
        let moved = |time: u64| time.saturating_add(now_us).saturating_sub(before_us);
        let mut outcome = Ok(());
        let is_running = |it: &&mut RecordingEntry| it.state == RecordingState::Running;
        for recording in self.recordings.iter_mut().filter(is_running) {
            recording.to_us = recording.to_us.map(moved);
            if now_us < before_us {
                recording.from_us = recording.from_us.min(now_us);
                let before = self.before_clock_was_set.entry(recording.id).or_default();
                *before = before_us.max(*before);
            }
            let written = write(state, Folder::Recordings, recording.id.0, recording);
            outcome = outcome.and(written);
        }
        let is_pending = |it: &&mut MarkEntry| it.to_us > before_us;
        for mark in self.marks.iter_mut().filter(is_pending) {
            mark.to_us = mark.to_us.max(moved(mark.to_us));
            mark.from_us = mark.from_us.min(now_us);
            outcome = outcome.and(write(state, Folder::Marks, mark.id.0, mark));
        }
        outcome
    }

    /// Sets a mark at `now_us`.
    ///
    /// # Errors
    /// [`Failure`]: too many, a time out of range, or the disk.
    pub fn mark(
        &mut self,
        state: &StateDirectory,
        asked: &NewMark,
        (cause, details): (MarkCause, String),
        now_us: u64,
    ) -> Result<MarkEntry, Failure> {
        let longest = LONGEST_TIME.as_secs();
        if [asked.before_s, asked.after_s]
            .into_iter()
            .any(|it| u64::from(it) > longest)
        {
            return Err(invalid(format!(
                "a mark keeps at most {longest} seconds on either side"
            )));
        }
        if cause != MarkCause::Request {
            self.replace_oldest(state)?;
        }
        if self.marks.len() >= MOST_ENTRIES {
            return Err(limit(format!(
                "{MOST_ENTRIES} marks are kept already; delete some of them"
            )));
        }
        let microseconds = |seconds: u32| u64::from(seconds) * 1_000_000;
        let entry = MarkEntry {
            id: MarkId(self.next_mark),
            name: shortened(&asked.name),
            cause,
            at_us: now_us,
            from_us: now_us.saturating_sub(microseconds(asked.before_s)),
            to_us: now_us.saturating_add(microseconds(asked.after_s)),
            pid: asked.pid,
            details,
        };
        write(state, Folder::Marks, entry.id.0, &entry)?;
        self.next_mark += 1;
        self.marks.push(entry.clone());
        Ok(entry)
    }

    /// Gives up the oldest marks of the server's own, until there is room for another one.
    fn replace_oldest(&mut self, state: &StateDirectory) -> Result<(), Failure> {
        let own = self
            .marks
            .iter()
            .filter(|it| it.cause != MarkCause::Request);
        let own: Vec<_> = own.map(|it| it.id).collect();
        let excess = (own.len() + 1).saturating_sub(MOST_AUTOMATIC);
        for id in own.into_iter().take(excess) {
            self.delete_mark(state, id)?;
            self.replaced += 1;
        }
        Ok(())
    }

    /// Gives up a recording, which is stopped before if it runs.
    ///
    /// # Errors
    /// [`Failure`]: there is none with this number, or the disk.
    pub fn delete_recording(
        &mut self,
        state: &StateDirectory,
        id: RecordingId,
    ) -> Result<(), Failure> {
        let at = self.recordings.iter().position(|it| it.id == id);
        let at = at.ok_or_else(|| no_recording(id))?;
        state.delete(Folder::Recordings, id.0).map_err(failed)?;
        self.recordings.remove(at);
        Ok(())
    }

    /// Deletes a mark.
    ///
    /// # Errors
    /// [`Failure`]: there is none with this number, or the disk.
    pub fn delete_mark(&mut self, state: &StateDirectory, id: MarkId) -> Result<(), Failure> {
        let at = self.marks.iter().position(|it| it.id == id);
        let at = at.ok_or_else(|| Failure {
            code: FailureCode::NotFound,
            message: format!("there is no mark {}", id.0),
        })?;
        state.delete(Folder::Marks, id.0).map_err(failed)?;
        self.marks.remove(at);
        Ok(())
    }
}

fn write(
    state: &StateDirectory,
    folder: Folder,
    number: u64,
    entry: &impl serde::Serialize,
) -> Result<(), Failure> {
    state.write_entry(folder, number, entry).map_err(failed)
}

fn shortened(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

fn no_recording(id: RecordingId) -> Failure {
    Failure {
        code: FailureCode::NotFound,
        message: format!("there is no recording {}", id.0),
    }
}

fn invalid(message: String) -> Failure {
    Failure {
        code: FailureCode::Invalid,
        message,
    }
}

fn limit(message: String) -> Failure {
    Failure {
        code: FailureCode::Limit,
        message,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: io::Error) -> Failure {
    Failure {
        code: FailureCode::Failed,
        message: format!("the state directory cannot be written: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const RATES: (u32, u32) = (10, 10_000);

    fn opened() -> (tempfile::TempDir, StateDirectory) {
        let directory = tempfile::tempdir().expect("a directory");
        let state = StateDirectory::open(&directory.path().join("s")).expect("created");
        (directory, state)
    }

    fn at(hz: u32) -> StartRecording {
        StartRecording {
            hz: Some(hz),
            ..StartRecording::default()
        }
    }

    #[test]
    fn the_highest_rate_counts_until_its_recording_ends() {
        let (_keep, state) = opened();
        let mut book = Book::read(&state).expect("empty");
        assert_eq!(book.wanted_hz(10), 10);
        let first = book.start(&state, &at(100), RATES, 5).expect("room");
        let second = book.start(&state, &at(49), RATES, 6).expect("room");
        assert_eq!((first.id.0, second.id.0, book.wanted_hz(10)), (1, 2, 100));
        book.stop(&state, first.id, 9).expect("it runs");
        assert_eq!(book.wanted_hz(10), 49);
        let again = book.stop(&state, first.id, 9).expect_err("ended");
        assert_eq!(again.code, FailureCode::Conflict);
        let slow = book.start(&state, &at(1), RATES, 7).expect("room");
        book.stop(&state, second.id, 9).expect("it runs");
        assert_eq!((slow.hz, book.wanted_hz(10)), (1, 10));
    }

    #[test]
    fn a_recording_ends_by_itself_and_keeps_all_until_then() {
        let (_keep, state) = opened();
        let mut book = Book::read(&state).expect("empty");
        let asked = StartRecording {
            seconds: Some(60),
            ..at(100)
        };
        book.start(&state, &asked, RATES, SECOND).expect("room");
        assert_eq!(book.keepers()[0].to_us, u64::MAX);
        assert_eq!(book.stop_due(&state, 60 * SECOND).expect("none"), []);
        let ended = book.stop_due(&state, 99 * SECOND).expect("one");
        assert_eq!(ended[0].to_us, Some(61 * SECOND));
        assert_eq!(book.keepers()[0].to_us, 61 * SECOND);
    }

    /// A book with a recording that began at second 1000 and takes a minute, and a mark that
    /// was set then and keeps ten seconds on either side. The clock is set at second 1005.
    fn book_when_the_clock_is_set(to: u64) -> (tempfile::TempDir, StateDirectory, Book) {
        let (keep, state) = opened();
        let mut book = Book::read(&state).expect("empty");
        let asked = StartRecording {
            seconds: Some(60),
            ..at(100)
        };
        book.start(&state, &asked, RATES, 1000 * SECOND)
            .expect("room");
        let mark = NewMark {
            before_s: 10,
            after_s: 10,
            ..NewMark::default()
        };
        let cause = (MarkCause::Request, String::new());
        book.mark(&state, &mark, cause, 1000 * SECOND)
            .expect("room");
        book.clock_was_set(&state, 1005 * SECOND, to * SECOND)
            .expect("written");
        let read = Book::read(&state).expect("read");
        assert_eq!(
            (read.recordings(), read.marks()),
            (book.recordings(), book.marks())
        );
        (keep, state, book)
    }

    #[test]
    fn a_clock_set_forward_ends_no_recording_and_no_mark() {
        let (_keep, state, mut book) = book_when_the_clock_is_set(9005);
        assert_eq!(book.stop_due(&state, 9059 * SECOND).expect("none"), []);
        let ended = book.stop_due(&state, 9060 * SECOND).expect("one");
        let times = (ended[0].from_us, ended[0].to_us);
        assert_eq!(times, (1000 * SECOND, Some(9060 * SECOND)));
        let mark = &book.marks()[0];
        assert_eq!((mark.from_us, mark.to_us), (990 * SECOND, 9010 * SECOND));
    }

    #[test]
    fn a_clock_set_back_makes_no_recording_longer_and_nothing_is_lost() {
        let (_keep, state, mut book) = book_when_the_clock_is_set(505);
        assert_eq!(book.stop_due(&state, 559 * SECOND).expect("none"), []);
        let ended = book.stop_due(&state, 560 * SECOND).expect("one");
        // From what was sampled after it to what was sampled before.
        let times = (ended[0].from_us, ended[0].to_us);
        assert_eq!(times, (505 * SECOND, Some(1005 * SECOND)));
        let mark = &book.marks()[0];
        assert_eq!((mark.from_us, mark.to_us), (505 * SECOND, 1010 * SECOND));
        // What is over stays as it is.
        let before = book.marks().to_vec();
        book.clock_was_set(&state, 2000 * SECOND, 7 * SECOND)
            .expect("nothing to do");
        assert_eq!((book.marks(), book.recordings()), (&before[..], &ended[..]));
    }

    #[test]
    fn the_next_server_knows_all_and_gives_no_number_twice() {
        let (keep, state) = opened();
        let mut book = Book::read(&state).expect("empty");
        let recording = book.start(&state, &at(100), RATES, 5).expect("room");
        let cause = (MarkCause::Stall, "it stood".to_owned());
        let mark = NewMark {
            name: "x".repeat(500),
            ..NewMark::default()
        };
        let mark = book
            .mark(&state, &mark, cause, 1000 * SECOND)
            .expect("room");
        assert_eq!((mark.from_us, mark.to_us), (700 * SECOND, 1060 * SECOND));
        assert_eq!(mark.name.len(), LONGEST_NAME);
        let torn = keep.path().join("s/marks/00000009.json");
        std::fs::write(torn, b"{").expect("a file");
        let mut next = Book::read(&state).expect("read");
        assert_eq!((next.marks(), next.damaged()), (&[mark][..], 1));
        // It goes on, at its rate.
        assert_eq!(next.recordings()[0].state, RecordingState::Running);
        assert_eq!(next.wanted_hz(10), 100);
        let cause = (MarkCause::Request, String::new());
        let new = next
            .mark(&state, &NewMark::default(), cause, 0)
            .expect("room");
        assert_eq!(new.id.0, 10);
        next.delete_recording(&state, recording.id).expect("there");
        next.delete_mark(&state, new.id).expect("there");
        let gone = next.delete_mark(&state, new.id).expect_err("gone");
        assert_eq!(gone.code, FailureCode::NotFound);
        assert_eq!(Book::read(&state).expect("read").recordings(), []);
    }

    #[test]
    fn marks_that_nobody_asked_for_leave_room_for_the_others() {
        let (_keep, state) = opened();
        let mut book = Book::read(&state).expect("empty");
        let mark = |book: &mut Book, cause| {
            let cause = (cause, String::new());
            book.mark(&state, &NewMark::default(), cause, 5)
        };
        mark(&mut book, MarkCause::Request).expect("room");
        for _ in 0..MOST_AUTOMATIC + 3 {
            mark(&mut book, MarkCause::Condition).expect("room");
        }
        mark(&mut book, MarkCause::Request).expect("room");
        assert_eq!(
            (book.marks().len(), book.replaced()),
            (MOST_AUTOMATIC + 2, 3)
        );
        assert_eq!(book.marks()[0].cause, MarkCause::Request);
        assert_eq!(book.marks()[1].id.0, 5);
        // They are given up first if there is too little room on the disk.
        let order: Vec<_> = book.keepers().iter().map(|keeper| keeper.id).collect();
        let mark = |id| KeeperId::Mark(MarkId(id));
        assert_eq!(order[..2], [mark(5), mark(6)]);
        assert_eq!(order[MOST_AUTOMATIC..], [mark(1), mark(205)]);
    }

    #[test]
    fn what_is_out_of_range_is_refused_in_words() {
        let (_keep, state) = opened();
        let mut book = Book::read(&state).expect("empty");
        for hz in [0, 10_001] {
            let refused = book.start(&state, &at(hz), RATES, 5).expect_err("refused");
            assert_eq!(refused.code, FailureCode::Invalid);
            assert!(refused.message.contains(&hz.to_string()), "{refused}");
        }
        for _ in 0..MOST_RUNNING {
            book.start(&state, &at(10), RATES, 5).expect("room");
        }
        let refused = book.start(&state, &at(10), RATES, 5).expect_err("full");
        assert_eq!(refused.code, FailureCode::Limit);
    }
}
