// SPDX-License-Identifier: MIT OR Apache-2.0

//! The chunks of the state directory: gives each its number, knows what time each covers,
//! and deletes those that are kept no longer.

use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::time::Duration;

use sampler_trace::container::error::TraceError;
use sampler_trace::container::index::read_index;
use sampler_trace::container::info::TraceInfo;
use sampler_trace::container::reader::TraceReader;
use sampler_trace::model::identifiers::KernelTime;

use crate::state::directory::{Folder, StateDirectory};
use crate::state::entry::ChunkNumber;
use crate::state::retention::{Deletions, Keeper, Retention, StoredChunk};

/// The time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Microseconds of Unix time.
    pub unix_us: u64,
    /// The kernel's monotonic clock.
    pub kernel: KernelTime,
}

/// The chunks.
#[derive(Debug)]
pub struct ChunkStore {
    /// Which run of the kernel this is.
    boot: String,
    /// Those that are complete, in the order of their numbers.
    known: Vec<Known>,
    next: u64,
    /// Those whose header cannot be read.
    damaged: usize,
    /// When this store was opened. Until the clock has agreed with the kernel's for a
    /// while, nothing of an earlier run of the kernel is too old.
    opened: Now,
}

#[derive(Clone, Debug)]
struct Known {
    number: ChunkNumber,
    bytes: u64,
    from_us: u64,
    to_us: u64,
    /// When it ended, by the clock of this run of the kernel; none for an earlier run.
    ended: Option<KernelTime>,
}

/// How long the clock has to agree with the kernel's.
const CLOCK_PROVEN: Duration = Duration::from_secs(600);
/// How far they may be apart by then: a clock that is being slewed is right.
const CLOCK_ERROR: Duration = Duration::from_secs(2);

impl ChunkStore {
    /// Looks at the chunks that earlier servers have left. `boot` names this run of the
    /// kernel, as in [`TraceInfo::boot`].
    ///
    /// # Errors
    /// The state directory cannot be read. A chunk that cannot be read is no error.
    pub fn open(state: &StateDirectory, boot: &str, now: Now) -> io::Result<Self> {
        let mut store = Self {
            boot: boot.to_owned(),
            known: Vec::new(),
            next: 1,
            damaged: 0,
            opened: now,
        };
        for listed in state.list(Folder::Chunks)? {
            store.next = listed.number.saturating_add(1);
            let number = ChunkNumber(listed.number);
            match state.open_chunk(listed.number).map(span) {
                Ok(Ok((info, end))) => store.add(number, listed.bytes, &info, end),
                Ok(Err(_)) | Err(_) => {
                    store.damaged += 1;
                    store.known.push(Known {
                        number,
                        bytes: listed.bytes,
                        from_us: 0,
                        to_us: 0,
                        ended: None,
                    });
                }
            }
        }
        Ok(store)
    }

    /// Creates the next chunk.
    ///
    /// # Errors
    /// As `open(2)`, for example on a file system that has gone read-only.
    pub fn create(&mut self, state: &StateDirectory) -> io::Result<(ChunkNumber, File)> {
        let number = self.next;
        let file = state.create_chunk(number)?;
        self.next = number.saturating_add(1);
        Ok((ChunkNumber(number), file))
    }

    /// Notes that a chunk is complete.
    pub fn add(&mut self, number: ChunkNumber, bytes: u64, info: &TraceInfo, end: KernelTime) {
        self.known.push(Known {
            number,
            bytes,
            from_us: info.unix_start_us,
            to_us: info.unix_microseconds(end),
            ended: (info.boot == self.boot).then_some(end),
        });
    }

    /// Puts the replacement of a chunk in its place, where it takes so many bytes on the disk.
    /// Does nothing for a chunk that has been deleted meanwhile.
    ///
    /// # Errors
    /// As `rename(2)`; then the chunk is as it was.
    pub fn replace(
        &mut self,
        state: &StateDirectory,
        number: ChunkNumber,
        bytes: u64,
    ) -> io::Result<()> {
        let known = self.known.iter_mut().find(|known| known.number == number);
        let Some(known) = known else {
            return state.discard_replacement();
        };
        state.replace_chunk(number.0)?;
        known.bytes = bytes;
        Ok(())
    }

    /// Returns how many chunks there are, with those that cannot be read.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Returns how many of them cannot be read.
    #[must_use]
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Returns how many bytes they take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.known.iter().map(|chunk| chunk.bytes).sum()
    }

    /// Returns the beginning of the oldest one that can be read, in Unix time.
    #[must_use]
    pub fn kept_from_us(&self) -> Option<u64> {
        let starts = self.known.iter().map(|chunk| chunk.from_us);
        starts.filter(|from| *from > 0).min()
    }

    /// Returns what is to be deleted now; `written` is the size of the chunk that is being
    /// written.
    #[must_use]
    pub fn plan(
        &self,
        retention: &Retention,
        keepers: &[Keeper],
        written: u64,
        now: Now,
    ) -> Deletions {
        let trusts_clock = self.trusts_clock(now);
        let chunk = |known: &Known| StoredChunk {
            number: known.number,
            bytes: known.bytes,
            from_us: known.from_us,
            to_us: known.to_us,
            age: match known.ended {
                Some(end) => Some(now.kernel.since(end)),
                None if trusts_clock => now
                    .unix_us
                    .checked_sub(known.to_us)
                    .map(Duration::from_micros),
                None => None,
            },
        };
        let chunks: Vec<_> = self.known.iter().map(chunk).collect();
        retention.plan(&chunks, keepers, written)
    }

    /// Whether the clock has run as the kernel's for long enough to judge what was
    /// recorded before this run of the kernel.
    fn trusts_clock(&self, now: Now) -> bool {
        let elapsed = now.kernel.since(self.opened.kernel);
        let by_clock = now.unix_us.checked_sub(self.opened.unix_us);
        let by_clock = by_clock.map(Duration::from_micros);
        elapsed >= CLOCK_PROVEN
            && by_clock.is_some_and(|clock| clock.abs_diff(elapsed) <= CLOCK_ERROR)
    }

    /// Deletes chunks. Those that cannot be deleted stay known, for the next time.
    ///
    /// # Errors
    /// The first that failed.
    pub fn delete(&mut self, state: &StateDirectory, chunks: &[ChunkNumber]) -> io::Result<()> {
        let mut outcome = Ok(());
        self.known.retain(|known| {
            if !chunks.contains(&known.number) {
                return true;
            }
            match state.delete(Folder::Chunks, known.number.0) {
                Ok(()) => false,
                Err(error) => {
                    outcome = Err(error);
                    true
                }
            }
        });
        outcome
    }
}

/// Returns the header of a chunk, and its end: the last moment up to which it is complete.
fn span(mut file: File) -> Result<(TraceInfo, KernelTime), TraceError> {
    let reader = TraceReader::open(&file)?;
    let info = reader.info().clone();
    if let Some(index) = read_index(&mut file, &info)?
        && let Some(last) = index.last()
    {
        return Ok((info, last.complete_until));
    }
    // It was cut off. Only its complete segments count.
    file.rewind()
        .map_err(|source| TraceError::Read { source })?;
    let mut reader = TraceReader::open(BufReader::new(file))?;
    while reader
        .next_segment(|_| Ok::<(), TraceError>(()))
        .unwrap_or(false)
    {}
    Ok((info, reader.complete_until()))
}

#[cfg(test)]
mod tests {
    use sampler_trace::container::info::Summary;
    use sampler_trace::container::writer::TraceWriter;
    use sampler_trace::model::symbols::Symbols;
    use sampler_trace::model::track::Tracks;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MINUTE_US: u64 = 60_000_000;

    fn info(boot: &str, minute: u64) -> TraceInfo {
        TraceInfo {
            start: KernelTime(minute * 60 * SECOND),
            unix_start_us: 1_000 * MINUTE_US + minute * MINUTE_US,
            boot: boot.to_owned(),
            ..TraceInfo::default()
        }
    }

    /// Writes a chunk of a minute; one that is torn lacks its end.
    fn write(state: &StateDirectory, number: u64, info: &TraceInfo, is_torn: bool) {
        let file = state.create_chunk(number).expect("created");
        let mut writer = TraceWriter::create(file, info).expect("written");
        let end = KernelTime(info.start.0 + 60 * SECOND);
        let (symbols, mut tracks) = (Symbols::default(), Tracks::default());
        writer.flush(end, &symbols, &mut tracks).expect("written");
        if !is_torn {
            let summary = Summary {
                end,
                ..Summary::default()
            };
            writer
                .finish(&summary, &symbols, &mut tracks)
                .expect("written");
        }
    }

    fn now(boot_minute: u64, unix_minute: u64) -> Now {
        Now {
            unix_us: unix_minute * MINUTE_US,
            kernel: KernelTime(boot_minute * 60 * SECOND),
        }
    }

    fn opened() -> (tempfile::TempDir, StateDirectory) {
        let directory = tempfile::tempdir().expect("a directory");
        let state = StateDirectory::open(&directory.path().join("s")).expect("created");
        (directory, state)
    }

    const LONG_AGO: Retention = Retention {
        keep: Duration::from_secs(90),
        max_bytes: 1 << 30,
    };

    #[test]
    fn whole_and_torn_chunks_are_known_by_their_time() {
        let (keep, state) = opened();
        write(&state, 3, &info("now", 1), false);
        write(&state, 4, &info("now", 2), true);
        std::fs::write(keep.path().join("s/chunks/00000009.pyebpf"), b"junk").expect("a file");
        let store = ChunkStore::open(&state, "now", now(4, 1_004)).expect("opened");
        assert_eq!((store.count(), store.damaged()), (3, 1));
        assert_eq!(store.kept_from_us(), Some(1_001 * MINUTE_US));
        let times: Vec<_> = store.known.iter().map(|it| it.to_us / MINUTE_US).collect();
        assert_eq!(times, [1_002, 1_003, 0]);
        // The first ended two minutes ago, the second one.
        let plan = store.plan(&LONG_AGO, &[], 0, now(4, 1_004));
        assert_eq!(plan.chunks, [ChunkNumber(3)]);
    }

    #[test]
    fn numbers_go_on_and_deleted_chunks_are_gone() {
        let (_keep, state) = opened();
        write(&state, 3, &info("now", 1), false);
        let mut store = ChunkStore::open(&state, "now", now(4, 1_004)).expect("opened");
        let (number, _) = store.create(&state).expect("created");
        assert_eq!(number, ChunkNumber(4));
        store.delete(&state, &[ChunkNumber(3)]).expect("deleted");
        assert_eq!(store.count(), 0);
        assert!(state.open_chunk(3).is_err() && state.open_chunk(4).is_ok());
    }

    #[test]
    fn a_replacement_counts_with_its_own_size() {
        let (_keep, state) = opened();
        write(&state, 3, &info("now", 1), false);
        let mut store = ChunkStore::open(&state, "now", now(4, 1_004)).expect("opened");
        for number in [3, 4] {
            state.create_replacement().expect("created");
            let replaced = store.replace(&state, ChunkNumber(number), 0);
            replaced.expect("replaced, or there is no such chunk");
        }
        assert_eq!((store.count(), store.bytes()), (1, 0));
        let chunk = state.open_chunk(3).expect("it exists");
        assert_eq!(chunk.metadata().expect("open").len(), 0);
        assert!(state.open_chunk(4).is_err());
    }

    #[test]
    fn what_an_earlier_kernel_ran_is_old_once_the_clock_is_proven() {
        let (_keep, state) = opened();
        write(&state, 1, &info("before", 1), false);
        let store = ChunkStore::open(&state, "now", now(1, 1_030)).expect("opened");
        let old = |at| store.plan(&LONG_AGO, &[], 0, at).chunks.len();
        assert_eq!(old(now(2, 1_031)), 0, "too early to say");
        assert_eq!(old(now(20, 1_049)), 1);
        assert_eq!(old(now(20, 2_000)), 0, "the clock was set");
    }
}
