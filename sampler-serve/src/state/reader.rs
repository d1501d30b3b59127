// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the state directory while the recorder writes it. Everything is opened below one
//! descriptor and without following links, so that no name can lead out of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, openat};
use sampler_trace::container::info::TraceInfo;
use sampler_trace::container::reader::TraceReader;
use serde::de::DeserializeOwned;

use crate::state::entry::{ChunkNumber, MarkEntry, RecordingEntry};
use crate::state::files::{
    CHUNK_EXTENSION, CHUNKS, ENTRY_EXTENSION, MARKS, RECORDINGS, file_name, file_number,
};

/// How many files of a folder are read at most: those with the highest numbers.
const MOST_FILES: usize = 1 << 17;
/// The most marks, and the most recordings, that are read: the latest ones.
const MOST_ENTRIES: usize = 4096;
/// The longest file of a mark or a recording, in bytes.
const LONGEST_ENTRY: u64 = 64 << 10;
/// The longest possible chunk, for one whose end is unknown.
const LONGEST_CHUNK: Duration = Duration::from_secs(86_400);
/// A folder that changed so short a time before it was listed may change once more
/// without another time stamp.
const SETTLED: Duration = Duration::from_secs(2);

/// The state directory, for reading.
#[derive(Debug)]
pub struct StateReader {
    directory: OwnedFd,
    headers: Mutex<BTreeMap<ChunkNumber, Header>>,
    chunks: Mutex<Cached<Vec<ChunkNumber>>>,
    marks: Mutex<Cached<Vec<MarkEntry>>>,
    recordings: Mutex<Cached<Vec<RecordingEntry>>>,
}

/// What is known of a chunk.
#[derive(Clone, Debug)]
enum Header {
    Intact(Box<TraceInfo>),
    /// It is not a trace, or its header is incomplete.
    Damaged,
}

/// A list made from a folder, and the time stamp that the folder had.
#[derive(Debug, Default)]
struct Cached<T> {
    stamp: Option<(i64, u64)>,
    value: T,
}

/// A count of the chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Their number.
    pub chunks: usize,
    /// How many of them have no readable header.
    pub damaged: usize,
    /// When the first one begins, in microseconds of Unix time.
    pub from_us: Option<u64>,
}

impl StateReader {
    /// Reads the state directory that this descriptor is open on.
    #[must_use]
    pub fn new(directory: OwnedFd) -> Self {
        Self {
            directory,
            headers: Mutex::default(),
            chunks: Mutex::default(),
            marks: Mutex::default(),
            recordings: Mutex::default(),
        }
    }

    /// The numbers of all chunks, in order.
    ///
    /// # Errors
    /// The folder cannot be read. One that does not exist has no chunks.
    pub fn chunks(&self) -> io::Result<Vec<ChunkNumber>> {
        let mut cached = lock(&self.chunks);
        self.refresh(&mut cached, CHUNKS, |folder| {
            Ok(numbers(folder, CHUNK_EXTENSION, MOST_FILES)?
                .into_iter()
                .map(ChunkNumber)
                .collect())
        })?;
        Ok(cached.value.clone())
    }

    /// Opens a chunk.
    ///
    /// # Errors
    /// There is no such regular file, or it cannot be read.
    pub fn open_chunk(&self, number: ChunkNumber) -> io::Result<File> {
        let folder = self.folder(CHUNKS)?;
        open_regular(&folder, &file_name(number.0, CHUNK_EXTENSION))
    }

    /// The header of a chunk; `None` if it has none that can be read.
    #[must_use]
    pub fn header(&self, number: ChunkNumber) -> Option<TraceInfo> {
        match lock(&self.headers).get(&number) {
            Some(Header::Intact(info)) => return Some((**info).clone()),
            Some(Header::Damaged) => return None,
            None => {}
        }
        let file = self.open_chunk(number).ok()?;
        let read = TraceReader::open(BufReader::new(file));
        let info = read.ok().map(|reader| reader.info().clone());
        if let Some(info) = &info {
            let header = Header::Intact(Box::new(info.clone()));
            lock(&self.headers).insert(number, header);
        }
        info
    }

    /// Returns the headers of these chunks, all that there are now. What is wrong with a
    /// chunk that is not the last one stays wrong.
    fn all_headers(&self, chunks: &[ChunkNumber]) -> Vec<(ChunkNumber, Option<TraceInfo>)> {
        lock(&self.headers).retain(|number, _| chunks.binary_search(number).is_ok());
        let all: Vec<_> = chunks
            .iter()
            .map(|number| (*number, self.header(*number)))
            .collect();
        if let Some((_, complete)) = all.split_last() {
            let mut headers = lock(&self.headers);
            for (number, _) in complete.iter().filter(|(_, info)| info.is_none()) {
                headers.insert(*number, Header::Damaged);
            }
        }
        all
    }

    /// Counts the chunks.
    ///
    /// # Errors
    /// As [`StateReader::chunks`].
    pub fn survey(&self) -> io::Result<Survey> {
        let chunks = self.chunks()?;
        let headers = self.all_headers(&chunks);
        let complete = headers.split_last().map_or(&[][..], |(_, before)| before);
        let first = headers.iter().find_map(|(_, info)| info.as_ref());
        Ok(Survey {
            chunks: chunks.len(),
            damaged: complete.iter().filter(|(_, info)| info.is_none()).count(),
            from_us: first.map(|info| info.unix_start_us),
        })
    }

    /// The chunks that may have something of a time, in order of their numbers. Times are
    /// microseconds of Unix time. A clock that was set back leaves several chunks with the
    /// same times; all of them are returned.
    ///
    /// # Errors
    /// As [`StateReader::chunks`].
    pub fn chunks_between(
        &self,
        from_us: Option<u64>,
        to_us: Option<u64>,
    ) -> io::Result<Vec<ChunkNumber>> {
        let headers = self.all_headers(&self.chunks()?);
        let intact: Vec<_> = headers
            .iter()
            .filter_map(|(number, info)| Some((*number, info.as_ref()?)))
            .collect();
        let next = intact.iter().skip(1).map(|(_, info)| Some(*info));
        let is_wanted = |(info, next): (&TraceInfo, Option<&TraceInfo>)| {
            let begins = to_us.is_none_or(|to| info.unix_start_us <= to);
            begins && from_us.is_none_or(|from| last_moment(info, next) >= from)
        };
        Ok(intact
            .iter()
            .zip(next.chain([None]))
            .filter(|((_, info), next)| is_wanted((info, *next)))
            .map(|((number, _), _)| *number)
            .collect())
    }

    /// All marks, in order. Other files are left out.
    ///
    /// # Errors
    /// The folder cannot be read. If it does not exist, there are none.
    pub fn marks(&self) -> io::Result<Vec<MarkEntry>> {
        let mut cached = lock(&self.marks);
        self.refresh(&mut cached, MARKS, |folder| {
            entries(folder, |it: &MarkEntry| it.id.0)
        })?;
        Ok(cached.value.clone())
    }

    /// All recordings that were asked for, in order. Other files are left out.
    ///
    /// # Errors
    /// The folder cannot be read. If it does not exist, there are none.
    pub fn recordings(&self) -> io::Result<Vec<RecordingEntry>> {
        let mut cached = lock(&self.recordings);
        self.refresh(&mut cached, RECORDINGS, |folder| {
            entries(folder, |it: &RecordingEntry| it.id.0)
        })?;
        Ok(cached.value.clone())
    }

    fn folder(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.directory, name, flags, Mode::empty())?)
    }

    /// Makes a list anew if its folder has changed. Files are put there by renaming, which
    /// changes the time stamp of the folder.
    fn refresh<T: Default>(
        &self,
        cached: &mut Cached<T>,
        name: &str,
        make: impl Fn(&OwnedFd) -> io::Result<T>,
    ) -> io::Result<()> {
        let folder = match self.folder(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *cached = Cached::default();
                return Ok(());
            }
            folder => folder?,
        };
        let stat = fstat(&folder)?;
        let stamp = (stat.st_mtime, stat.st_mtime_nsec);
        if cached.stamp == Some(stamp) {
            return Ok(());
        }
        cached.value = make(&folder)?;
        cached.stamp = is_settled(stamp.0).then_some(stamp);
        Ok(())
    }
}

/// Whether a time stamp of a folder, in seconds, is old enough to be trusted.
fn is_settled(changed: i64) -> bool {
    let changed = u64::try_from(changed).unwrap_or(0);
    let changed = UNIX_EPOCH.checked_add(Duration::from_secs(changed));
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    age.is_some_and(|age| age > SETTLED)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is always replaced as a whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latest moment that a chunk may have something of, in microseconds of Unix time. The
/// kernel's clock tells how long it is, if the chunk after it was recorded by the same run
/// of the kernel; Unix time may have been set meanwhile.
fn last_moment(info: &TraceInfo, next: Option<&TraceInfo>) -> u64 {
    let until_next = next
        .filter(|next| next.boot == info.boot && next.start >= info.start)
        .map(|next| next.start.since(info.start))
        .filter(|length| *length <= LONGEST_CHUNK);
    let length = match (next, until_next) {
        // It is being written.
        (None, _) => return u64::MAX,
        (Some(_), length) => length.unwrap_or(LONGEST_CHUNK),
    };
    let length = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    info.unix_start_us.saturating_add(length)
}

/// The numbers of the files in a folder, in order; at most `most`, the highest ones.
fn numbers(folder: &OwnedFd, extension: &str, most: usize) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_str().ok();
        found.extend(name.and_then(|name| file_number(name, extension)));
    }
    found.sort_unstable();
    Ok(found.split_off(found.len().saturating_sub(most)))
}

fn open_regular(folder: &OwnedFd, name: &str) -> io::Result<File> {
    // Opening a pipe or device must not block.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file.into())
}

/// Reads the entries in a folder. The number in an entry has to be that of its file.
fn entries<T: DeserializeOwned>(
    folder: &OwnedFd,
    number_of: impl Fn(&T) -> u64,
) -> io::Result<Vec<T>> {
    let numbers = numbers(folder, ENTRY_EXTENSION, MOST_ENTRIES)?;
    let read = |number: u64| {
        let file = open_regular(folder, &file_name(number, ENTRY_EXTENSION)).ok()?;
        let mut text = Vec::new();
        file.take(LONGEST_ENTRY + 1).read_to_end(&mut text).ok()?;
        let is_short = text.len() as u64 <= LONGEST_ENTRY;
        let entry: T = is_short.then(|| serde_json::from_slice(&text).ok())??;
        (number_of(&entry) == number).then_some(entry)
    };
    Ok(numbers.into_iter().filter_map(read).collect())
}
