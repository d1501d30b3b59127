// SPDX-License-Identifier: MIT OR Apache-2.0

//! The formats that a trace can be written in and read from.

mod aggregate;
mod chrome;
mod container;
mod filter;
mod firefox;
mod flame;
mod folded;
mod format;
mod functions;
mod html;
mod identity;
mod json_reader;
mod json_text;
mod labels;
mod out;
mod pprof;
mod size;
mod speedscope;
mod timeline_json;
mod used;
mod view;

use crate::timeline::{TimelineRow, TrackId};
use crate::trace::TraceError;

pub use aggregate::{Group, StackTime, StackTotals, stack_times};
pub use chrome::ChromeTrace;
pub use container::ContainerSink;
pub use filter::RowFilter;
pub use firefox::FirefoxProfile;
pub use flame::{Flame, FlameSvg};
pub use folded::{Folded, FoldedError, read_folded, read_folded_bytes};
pub use format::{FileFormat, Format, FormatError};
pub use functions::Functions;
pub use html::{HtmlSink, VIEWER};
pub use json_reader::{JsonError, read_timeline, read_timeline_bytes};
pub use pprof::Pprof;
pub use size::projected_bytes;
pub use speedscope::Speedscope;
pub use timeline_json::TimelineJson;
pub use view::{TraceView, drive};

/// The name and version of this program, for formats that name what wrote them.
const EXPORTER: &str = concat!("pyebpf ", env!("CARGO_PKG_VERSION"));

/// The order of the rows in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One thread after the other, each in the order of time.
    #[default]
    Thread,
    /// All rows in the order of time.
    Time,
}

/// What the caller can choose about an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The order of rows, where the format allows either.
    pub order: Order,
    /// Whether a format that adds up puts the threads of a process together.
    pub merge_threads: bool,
}

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The destination could not be written.
    #[error("cannot write: {source}")]
    Write {
        /// The system's error.
        source: std::io::Error,
    },
    /// The container could not be written.
    #[error(transparent)]
    Container(#[from] TraceError),
}

impl From<std::io::Error> for SinkError {
    fn from(source: std::io::Error) -> Self {
        Self::Write { source }
    }
}

/// Writes the rows of a [`TraceView`] in one format.
///
/// A sink is made for a view, from which it has the names. Equal neighbours have been
/// merged, rows are cut to the view's times, and no thread begins with a gap, so that
/// every format agrees.
///
/// A sink whose format consists of sums or of columns is given no rows: when it is
/// finished, it reads those of its view, as often as it needs to.
pub trait TraceSink {
    /// The order in which it wants the rows; `None` if it reads them from its view.
    fn order(&self) -> Option<Order> {
        None
    }

    /// Begins a thread. In [`Order::Time`], all threads begin before the first row.
    ///
    /// # Errors
    /// [`SinkError`].
    fn track(&mut self, _track: TrackId) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes a row.
    ///
    /// # Errors
    /// [`SinkError`].
    fn row(&mut self, _row: &TimelineRow) -> Result<(), SinkError> {
        Ok(())
    }

    /// Completes the output, after all rows were given.
    ///
    /// # Errors
    /// [`SinkError`].
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}
