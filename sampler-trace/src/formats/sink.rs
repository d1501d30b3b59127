// SPDX-License-Identifier: MIT OR Apache-2.0

//! What every format implements, and how the rows of a view reach it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::container::error::TraceError;
use crate::model::identifiers::TrackId;
use crate::model::row::TimelineRow;
use crate::query::view::TraceView;

/// The name and version of this program, for formats that name what wrote them.
pub(super) const EXPORTER: &str = concat!("pyebpf ", env!("CARGO_PKG_VERSION"));

/// The order of the rows in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowOrder {
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
    pub order: RowOrder,
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
    fn order(&self) -> Option<RowOrder> {
        None
    }

    /// Begins a thread. In [`RowOrder::Time`], all threads begin before the first row.
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

/// Passes all rows of a view to a sink, in the order that it wants.
///
/// # Errors
/// Whatever the sink returns.
pub fn drive(view: &TraceView<'_>, mut sink: Box<dyn TraceSink + '_>) -> Result<(), SinkError> {
    match sink.order() {
        None => {}
        Some(RowOrder::Thread) => {
            for &track in view.tracks() {
                sink.track(track)?;
                for row in view.rows(track) {
                    sink.row(&row)?;
                }
            }
        }
        Some(RowOrder::Time) => by_time(view, &mut *sink)?,
    }
    sink.finish()
}

fn by_time(view: &TraceView<'_>, sink: &mut dyn TraceSink) -> Result<(), SinkError> {
    let mut rows: Vec<_> = view
        .tracks()
        .iter()
        .map(|&track| view.rows(track))
        .collect();
    let mut next: Vec<Option<TimelineRow>> = rows.iter_mut().map(Iterator::next).collect();
    let mut queue: BinaryHeap<_> = next
        .iter()
        .enumerate()
        .filter_map(|(position, row)| Some(Reverse((row.as_ref()?.start, position))))
        .collect();
    for &track in view.tracks() {
        sink.track(track)?;
    }
    while let Some(Reverse((_, position))) = queue.pop() {
        let (Some(rows), Some(slot)) = (rows.get_mut(position), next.get_mut(position)) else {
            continue;
        };
        if let Some(row) = slot.take() {
            sink.row(&row)?;
        }
        *slot = rows.next();
        if let Some(row) = slot {
            queue.push(Reverse((row.start, position)));
        }
    }
    Ok(())
}
