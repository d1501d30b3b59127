// SPDX-License-Identifier: MIT OR Apache-2.0

//! The file of a chunk. A disk that is full, or has gone read-only, does not end the
//! recording: what cannot be written is dropped and counted, and what was written until
//! then is readable.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::MetadataExt as _;

use sampler_serve::state::entry::ChunkNumber;

/// The file of a chunk while it is written.
#[derive(Debug)]
pub(super) struct ChunkFile {
    number: ChunkNumber,
    file: File,
    written: u64,
    dropped: u64,
    fault: Option<String>,
}

impl ChunkFile {
    pub(super) fn new(number: ChunkNumber, file: File) -> Self {
        Self {
            number,
            file,
            written: 0,
            dropped: 0,
            fault: None,
        }
    }

    pub(super) fn number(&self) -> ChunkNumber {
        self.number
    }

    /// Returns how many bytes were written, all of them complete blocks.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns how many bytes could not be written.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns why nothing is written any more, if so.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Returns how many bytes it takes on the disk.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        on_disk(&self.file).unwrap_or(self.written)
    }

    /// Returns the file of a chunk that is complete, to be read from its beginning.
    pub(super) fn into_file(mut self) -> io::Result<File> {
        self.file.rewind()?;
        Ok(self.file)
    }
}

/// Returns how many bytes a file takes on the disk.
pub(super) fn on_disk(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.blocks().saturating_mul(512))
}

impl Write for ChunkFile {
    /// Takes a block, which the writer of a trace hands over whole. Never fails.
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        if self.fault.is_none()
            && let Err(error) = self.file.write_all(block)
        {
            self.fault = Some(error.to_string());
            // A reader would stop at half a block anyway.
            self.file.set_len(self.written).ok();
        }
        match self.fault {
            None => self.written += block.len() as u64,
            Some(_) => self.dropped += block.len() as u64,
        }
        Ok(block.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tempdir::tempdir;

    #[test]
    fn a_full_disk_is_noted_and_fails_nobody() {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux");
        let mut chunk = ChunkFile::new(ChunkNumber(7), full);
        for _ in 0..2 {
            chunk.write_all(b"block").expect("never fails");
        }
        assert_eq!((chunk.written(), chunk.dropped()), (0, 10));
        assert!(chunk.fault().is_some_and(|it| it.contains("space")));
    }

    #[test]
    fn what_is_written_is_counted() {
        let directory = tempdir("chunk");
        let file = File::create_new(directory.join("7")).expect("a new file");
        let mut chunk = ChunkFile::new(ChunkNumber(7), file);
        chunk.write_all(b"block").expect("room");
        assert_eq!(
            (chunk.written(), chunk.dropped(), chunk.fault()),
            (5, 0, None)
        );
        assert!(chunk.bytes_on_disk().is_multiple_of(512));
        std::fs::remove_dir_all(directory).expect("ours");
    }
}
