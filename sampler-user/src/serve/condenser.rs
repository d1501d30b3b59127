// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes each complete chunk anew in one piece, which takes half the space. This is done in a
//! thread of its own, because the file must have reached the disk before it takes the place
//! of the chunk.

use std::fs::File;
use std::io::{self, BufReader};
use std::thread;

use sampler_serve::state::directory::StateDirectory;
use sampler_serve::state::entry::ChunkNumber;
use sampler_trace::container::condense::condense;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::debug;

use crate::platform::privileges::role::Role;
use crate::serve::chunk_file::{ChunkFile, on_disk};

/// Smaller chunks have next to nothing in them, and take one block of most file systems.
const SMALLEST: u64 = 4 << 10;
/// Larger chunks have large segments, and their rows would use too much memory.
const LARGEST: u64 = 2 << 20;

/// A chunk of which a smaller replacement is on the disk.
#[derive(Debug)]
pub(super) struct Condensed {
    pub(super) number: ChunkNumber,
    /// How many bytes the replacement takes there.
    pub(super) bytes: u64,
}

/// The chunk that is being written anew, if there is one.
#[derive(Debug)]
pub(super) struct Condenser {
    is_busy: bool,
    sender: UnboundedSender<Option<Condensed>>,
    outcomes: UnboundedReceiver<Option<Condensed>>,
}

impl Condenser {
    pub(super) fn new() -> Self {
        let (sender, outcomes) = unbounded_channel();
        Self {
            is_busy: false,
            sender,
            outcomes,
        }
    }

    /// Begins with a chunk that is complete. Leaves it as it is if it is not worth it, or
    /// while another one is being written.
    pub(super) fn begin(&mut self, state: &StateDirectory, chunk: ChunkFile) {
        let is_worth_it = (SMALLEST..=LARGEST).contains(&chunk.written());
        if self.is_busy || chunk.fault().is_some() || !is_worth_it {
            return;
        }
        let number = chunk.number();
        match self.start(state, chunk) {
            Ok(()) => self.is_busy = true,
            Err(error) => debug!(%error, number = number.0, "a chunk is not written anew"),
        }
    }

    fn start(&self, state: &StateDirectory, chunk: ChunkFile) -> io::Result<()> {
        let (number, written) = (chunk.number(), chunk.written());
        let (input, output) = (chunk.into_file()?, state.create_replacement()?);
        let sender = self.sender.clone();
        let work = move || {
            let condensed = write(input, output, written).unwrap_or_else(|error| {
                debug!(%error, number = number.0, "a chunk was not written anew");
                None
            });
            // Nobody receives it any more when the recorder ends.
            sender
                .send(condensed.map(|bytes| Condensed { number, bytes }))
                .ok();
        };
        let thread = thread::Builder::new().name("chunks".into()).spawn(work)?;
        drop(thread);
        Ok(())
    }

    /// Waits until a chunk has been written anew; for ever while there is none. Returns `None`
    /// if it is to be left as it is. Can be cancelled.
    pub(super) async fn next(&mut self) -> Option<Condensed> {
        match self.outcomes.recv().await {
            Some(outcome) => {
                self.is_busy = false;
                outcome
            }
            // The sender is here as well.
            None => std::future::pending().await,
        }
    }
}

/// Returns how many bytes the output takes on the disk; `None` if the input is not complete, or
/// the output no shorter than the `written` bytes of the input.
fn write(input: File, output: File, written: u64) -> io::Result<Option<u64>> {
    Role::Waiting.apply()?;
    let condensed = condense(BufReader::new(input), output).map_err(io::Error::other)?;
    let Some(output) = condensed else {
        return Ok(None);
    };
    if output.metadata()?.len() >= written {
        return Ok(None);
    }
    output.sync_data()?;
    on_disk(&output).map(Some)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sampler_serve::state::directory::Folder;
    use sampler_trace::container::info::{Summary, TraceInfo};
    use sampler_trace::container::load::Trace;
    use sampler_trace::container::writer::TraceWriter;
    use sampler_trace::model::identifiers::{KernelTime, StackId};
    use sampler_trace::model::row::{RowChange, State, Weight};
    use sampler_trace::model::symbols::Symbols;
    use sampler_trace::model::track::{ProcessInfo, Track, Tracks};

    use super::*;
    use crate::platform::tempdir::tempdir;

    /// Writes a chunk in which some threads sleep and wake up.
    fn recorded(chunk: ChunkFile) -> ChunkFile {
        let mut writer = TraceWriter::create(chunk, &TraceInfo::default()).expect("room");
        let (symbols, mut tracks) = (Symbols::default(), Tracks::default());
        let process = tracks.add_process(ProcessInfo::titled(7, "one"));
        let threads: Vec<_> = (0..200)
            .map(|tid| {
                let track = Track {
                    process,
                    tid,
                    ..Track::default()
                };
                tracks.add_track(track)
            })
            .collect();
        for second in 0..60 {
            let time = KernelTime(second * 1_000_000_000);
            for track in &threads {
                let change = RowChange {
                    track: *track,
                    time,
                    stack: StackId::EMPTY,
                    state: State::Sleeping,
                    weight: Weight::of_samples(100_000_000, 10),
                };
                match second {
                    0 => writer.change(&change),
                    _ => writer.weigh(*track, time, change.weight),
                }
            }
            writer.flush(time, &symbols, &mut tracks).expect("room");
        }
        let summary = Summary {
            end: KernelTime(60_000_000_000),
            ..Summary::default()
        };
        writer
            .finish(&summary, &symbols, &mut tracks)
            .expect("room")
    }

    #[tokio::test]
    async fn a_chunk_is_replaced_by_less_with_the_same_in_it() {
        let directory = tempdir("condenser");
        let state = StateDirectory::open(&directory).expect("created");
        let number = ChunkNumber(7);
        let file = state.create_chunk(number.0).expect("new");
        let chunk = recorded(ChunkFile::new(number, file));
        let read = || Trace::read(state.open_chunk(number.0).expect("there")).expect("intact");
        let (before, bytes) = (read(), chunk.bytes_on_disk());
        let mut condenser = Condenser::new();
        condenser.begin(&state, chunk);
        let condensed = condenser.next().await.expect("much smaller");
        assert_eq!(condensed.number, number);
        assert!(
            condensed.bytes * 2 < bytes,
            "{} of {bytes}",
            condensed.bytes
        );
        state.replace_chunk(number.0).expect("ours");
        let listed = state.list(Folder::Chunks).expect("a list");
        assert_eq!(listed[0].bytes, condensed.bytes);
        let after = read();
        assert_eq!((after.torn, &after.summary), (None, &before.summary));
        assert_eq!((after.rows.len(), before.rows.len()), (200, 200));
        std::fs::remove_dir_all(directory).expect("ours");
    }

    #[tokio::test]
    async fn what_is_not_worth_it_or_torn_stays() {
        let directory = tempdir("condenser-torn");
        let state = StateDirectory::open(&directory).expect("created");
        let mut condenser = Condenser::new();
        for (number, bytes) in [(1, 100), (2, 3 << 20)] {
            let file = state.create_chunk(number).expect("new");
            let mut chunk = ChunkFile::new(ChunkNumber(number), file);
            chunk.write_all(&vec![0; bytes]).expect("room");
            condenser.begin(&state, chunk);
            assert!(!condenser.is_busy);
        }
        let file = state.create_chunk(3).expect("new");
        let mut chunk = ChunkFile::new(ChunkNumber(3), file);
        chunk.write_all(&vec![7; 20_000]).expect("room");
        condenser.begin(&state, chunk);
        assert!(condenser.is_busy);
        assert!(condenser.next().await.is_none() && !condenser.is_busy);
        std::fs::remove_dir_all(directory).expect("ours");
    }
}
