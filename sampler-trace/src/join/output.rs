// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the joined trace goes: its file, which begins with the first header.

use std::io::Write;

use crate::container::error::TraceError;
use crate::container::info::TraceInfo;
use crate::container::writer::TraceWriter;
use crate::join::error::JoinError;

/// The output of a joined trace.
#[derive(Debug)]
pub(super) enum JoinedOutput<W> {
    /// Nothing is written yet.
    Waiting(W),
    /// The header is written.
    Begun(Box<TraceWriter<W>>),
    /// It could not be begun.
    Failed,
}

impl<W: Write> JoinedOutput<W> {
    /// Writes the header, unless it is written.
    pub(super) fn begin(&mut self, info: &TraceInfo) -> Result<(), JoinError> {
        *self = match std::mem::replace(self, Self::Failed) {
            Self::Waiting(output) => {
                let writer = TraceWriter::create(output, info);
                Self::Begun(Box::new(writer.map_err(JoinError::Output)?))
            }
            begun => begun,
        };
        Ok(())
    }

    pub(super) fn writer(&mut self) -> Result<&mut TraceWriter<W>, JoinError> {
        match self {
            Self::Begun(writer) => Ok(writer),
            Self::Waiting(_) | Self::Failed => Err(JoinError::Output(TraceError::Broken)),
        }
    }

    pub(super) fn into_writer(self) -> Result<TraceWriter<W>, JoinError> {
        match self {
            Self::Begun(writer) => Ok(*writer),
            Self::Waiting(_) | Self::Failed => Err(JoinError::Output(TraceError::Broken)),
        }
    }

    pub(super) fn get(&self) -> Option<&W> {
        match self {
            Self::Waiting(output) => Some(output),
            Self::Begun(writer) => Some(writer.output()),
            Self::Failed => None,
        }
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut W> {
        match self {
            Self::Waiting(output) => Some(output),
            Self::Begun(writer) => Some(writer.output_mut()),
            Self::Failed => None,
        }
    }
}
