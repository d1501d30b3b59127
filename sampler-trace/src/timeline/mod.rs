// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rows: what each thread did, from when to when.

mod builder;
mod hash_index;
mod identifiers;
mod intern;
mod row;
mod row_store;
mod symbols;
mod track;
pub(crate) mod varint;

pub use builder::TimelineBuilder;
pub use identifiers::{FrameId, KernelTime, ProcessIndex, StackId, StringId, TrackId};
pub use intern::SymbolInterner;
pub use row::{RowChange, State, TimelineRow, Weight};
pub use row_store::{RowStore, RowStoreFull, StoredRows};
pub(crate) use symbols::cut;
pub use symbols::{Frame, MAXIMUM_DEPTH, MAXIMUM_STRING, StackNode, Symbols, SymbolsError};
pub use track::{MAXIMUM_TEXT, MAXIMUM_TRACKS, ProcessInfo, ProcessPlace, Track, Tracks};
