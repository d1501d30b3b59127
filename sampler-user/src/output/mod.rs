//! The formats a trace can be written in and read from. It refuses to know
//! where a trace comes from and where the bytes go.

mod container;
mod format;
mod json_reader;
mod json_text;
mod timeline_json;
mod view;

use crate::timeline::{TimelineRow, TrackId};
use crate::trace::TraceError;

pub use container::ContainerSink;
pub use format::{Format, FormatError};
pub use json_reader::{JsonError, read_timeline, read_timeline_bytes};
pub use timeline_json::{TimelineJson, projected_bytes};
pub use view::{TraceView, drive};

/// The order of the rows in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One thread after the other, each in the order of time.
    #[default]
    Thread,
    /// All rows in the order of time.
    Time,
}

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The destination did not take the bytes.
    #[error("cannot write: {source}")]
    Write {
        /// What the system said.
        source: std::io::Error,
    },
    /// The container did not.
    #[error(transparent)]
    Container(#[from] TraceError),
}

impl From<std::io::Error> for SinkError {
    fn from(source: std::io::Error) -> Self {
        Self::Write { source }
    }
}

/// Takes the rows of a [`TraceView`] and writes them in one format.
///
/// A sink is made for a view, from which it has the names. Equal neighbours
/// have been merged, rows are cut to the view's times, and no thread begins
/// with the empty stack, so that every format agrees.
pub trait TraceSink {
    /// The order in which it wants the rows.
    fn order(&self) -> Order;

    /// A thread begins. In [`Order::Time`] all of them do before the first row.
    ///
    /// # Errors
    /// [`SinkError`].
    fn track(&mut self, track: TrackId) -> Result<(), SinkError>;

    /// A row.
    ///
    /// # Errors
    /// [`SinkError`].
    fn row(&mut self, row: &TimelineRow) -> Result<(), SinkError>;

    /// All rows were given.
    ///
    /// # Errors
    /// [`SinkError`].
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}
