// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a recording writes its trace while it runs.

use std::io::Write;
use std::path::PathBuf;

use crate::platform::outfile::visible::VisibleFile;
use crate::record::error::RecordError;
use crate::record::outputs::Outputs;

/// Where the first trace file of a recording comes from.
pub trait TraceOutput {
    /// A trace file while it is written.
    type File: Write;

    /// Returns the directories in which files are still to be written, once privileges are
    /// dropped.
    fn directories(&self) -> Vec<PathBuf>;

    /// Creates the file. From then on a recording that fails calls [`Self::discard`].
    ///
    /// # Errors
    /// As of the file system.
    fn create(&mut self) -> Result<Self::File, RecordError>;

    /// Removes a file in which no sample is.
    ///
    /// # Errors
    /// As of the file system.
    fn discard(&self, file: Self::File) -> Result<(), RecordError>;
}

impl TraceOutput for Outputs {
    type File = VisibleFile;

    fn directories(&self) -> Vec<PathBuf> {
        self.directories()
    }

    fn create(&mut self) -> Result<VisibleFile, RecordError> {
        self.container()
    }

    fn discard(&self, file: VisibleFile) -> Result<(), RecordError> {
        self.discard(file)
    }
}
