//! The formats a trace can be written in and read from. It refuses to know
//! where a trace comes from and where the bytes go.

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

/// This program, as formats name what wrote them.
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

/// What the caller chooses of an output's shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The order of rows, where the format leaves the choice.
    pub order: Order,
    /// In a format that adds up: the threads of a process together.
    pub merge_threads: bool,
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
///
/// A sink whose format is made of sums or of columns is given no rows: when it
/// is finished, it reads those of its view, as often as it needs to.
pub trait TraceSink {
    /// The order in which it wants the rows; `None` if it reads its view.
    fn order(&self) -> Option<Order> {
        None
    }

    /// A thread begins. In [`Order::Time`] all of them do before the first row.
    ///
    /// # Errors
    /// [`SinkError`].
    fn track(&mut self, _track: TrackId) -> Result<(), SinkError> {
        Ok(())
    }

    /// A row.
    ///
    /// # Errors
    /// [`SinkError`].
    fn row(&mut self, _row: &TimelineRow) -> Result<(), SinkError> {
        Ok(())
    }

    /// All rows were given.
    ///
    /// # Errors
    /// [`SinkError`].
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}
