// SPDX-License-Identifier: MIT OR Apache-2.0

//! The chunks that a recorder writes, one after the other, and what becomes of the older
//! ones.

use std::io;
use std::path::{Path, PathBuf};

use sampler_serve::state::book::Book;
use sampler_serve::state::chunks::{ChunkStore, Now};
use sampler_serve::state::directory::{Folder, StateDirectory};
use sampler_serve::state::files::{CHUNKS, MARKS, RECORDINGS};
use sampler_serve::state::retention::{KeeperId, Retention};
use sampler_trace::container::info::TraceInfo;
use sampler_trace::model::identifiers::KernelTime;
use tracing::debug;

use crate::record::clock::{monotonic_now, unix_now_us};
use crate::record::error::RecordError;
use crate::record::trace_output::TraceOutput;
use crate::serve::chunk_file::ChunkFile;
use crate::serve::condenser::Condensed;
use crate::serve::error::ServeError;

/// What became of the chunks so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    /// Bytes that could not be written.
    pub(super) dropped_bytes: u64,
    /// Chunks that were deleted to keep to the limits.
    pub(super) deleted: u64,
    /// Marks and recordings that were dropped because they kept too much.
    pub(super) given_up: u64,
}

/// The chunks of a state directory.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) state: StateDirectory,
    path: PathBuf,
    store: ChunkStore,
    retention: Retention,
    pub(super) losses: Losses,
    /// Why no new chunk could be started the last time, if so.
    not_begun: Option<String>,
    /// Why something could not be deleted the last time, if so.
    not_deleted: Option<String>,
}

/// The time now, by both clocks.
fn now() -> Now {
    Now {
        unix_us: unix_now_us(),
        kernel: monotonic_now(),
    }
}

impl Chunks {
    /// Opens the state directory.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(path: &Path, retention: Retention) -> Result<Self, ServeError> {
        let state = StateDirectory::open(path)?;
        // It would only take space.
        state.discard_replacement().ok();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let store = ChunkStore::open(&state, boot.trim(), now())
            .map_err(ServeError::system("read the state directory"))?;
        Ok(Self {
            state,
            path: path.to_owned(),
            store,
            retention,
            losses: Losses::default(),
            not_begun: None,
            not_deleted: None,
        })
    }

    /// Creates the next chunk.
    ///
    /// # Errors
    /// As of the file system.
    pub(super) fn begin(&mut self) -> Result<ChunkFile, RecordError> {
        match self.store.create(&self.state) {
            Ok((number, file)) => {
                self.not_begun = None;
                Ok(ChunkFile::new(number, file))
            }
            Err(source) => {
                self.not_begun = Some(source.to_string());
                let doing = "begin another chunk in the state directory";
                Err(RecordError::System { doing, source })
            }
        }
    }

    /// Takes a chunk that is complete. One without anything in it is deleted.
    pub(super) fn complete(&mut self, file: &ChunkFile, info: &TraceInfo, end: KernelTime) {
        self.losses.dropped_bytes += file.dropped();
        if file.written() == 0 {
            self.state.delete(Folder::Chunks, file.number().0).ok();
        } else {
            self.store
                .add(file.number(), file.bytes_on_disk(), info, end);
        }
    }

    /// Puts what was written anew of a chunk in its place, if it is to be replaced.
    pub(super) fn replace(&mut self, condensed: Option<Condensed>) {
        let replaced = match condensed {
            Some(Condensed { number, bytes }) => self.store.replace(&self.state, number, bytes),
            None => self.state.discard_replacement(),
        };
        if let Err(error) = replaced {
            debug!(%error, "a chunk is not replaced");
        }
    }

    /// Deletes what is kept no longer, beside the chunk that is being written.
    pub(super) fn retain(&mut self, book: &mut Book, current: &ChunkFile) {
        let written = current.bytes_on_disk();
        let plan = self
            .store
            .plan(&self.retention, &book.keepers(), written, now());
        let mut outcome = Ok(());
        for keeper in plan.keepers {
            let deleted = match keeper {
                KeeperId::Mark(id) => book.delete_mark(&self.state, id),
                KeeperId::Recording(id) => book.delete_recording(&self.state, id),
            };
            match deleted {
                Ok(()) => self.losses.given_up += 1,
                Err(failure) => outcome = Err(io::Error::other(failure.message)),
            }
        }
        let before = self.store.count();
        let deleted = self.store.delete(&self.state, &plan.chunks);
        self.losses.deleted += (before - self.store.count()) as u64;
        let failed = outcome.and(deleted).err();
        self.not_deleted = failed.map(|error| error.to_string());
    }

    /// Whether a chunk has grown so much that another should take over: the oldest of
    /// several can be deleted, and a single one cannot.
    pub(super) fn is_long(&self, current: &ChunkFile) -> bool {
        current.written() > self.retention.max_bytes / 16
    }

    /// Returns how many bytes all chunks take on the disk.
    pub(super) fn bytes(&self, current: &ChunkFile) -> u64 {
        self.store.bytes() + current.bytes_on_disk()
    }

    /// Returns what is wrong, in sentences for users.
    pub(super) fn problems(&self, current: &ChunkFile) -> Vec<String> {
        let path = self.path.display();
        let mut problems = Vec::new();
        if let Some(fault) = current.fault() {
            problems.push(format!(
                "{path} cannot be written ({fault}): what is sampled meanwhile is lost; it goes \
                 on by itself when there is room"
            ));
        } else if let Some(fault) = &self.not_begun {
            problems.push(format!(
                "no other chunk can be begun in {path} ({fault}): the last one goes on"
            ));
        }
        if let Some(fault) = &self.not_deleted {
            problems.push(format!("old chunks cannot be deleted from {path}: {fault}"));
        }
        problems
    }
}

impl TraceOutput for Chunks {
    type File = ChunkFile;

    fn directories(&self) -> Vec<PathBuf> {
        [CHUNKS, MARKS, RECORDINGS]
            .into_iter()
            .map(|folder| self.path.join(folder))
            .collect()
    }

    fn create(&mut self) -> Result<ChunkFile, RecordError> {
        self.begin()
    }

    fn discard(&self, file: ChunkFile) -> Result<(), RecordError> {
        let deleted = self.state.delete(Folder::Chunks, file.number().0);
        deleted.map_err(|source| RecordError::System {
            doing: "delete an empty chunk",
            source,
        })
    }
}
