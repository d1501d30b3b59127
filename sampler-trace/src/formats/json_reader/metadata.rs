// SPDX-License-Identifier: MIT OR Apache-2.0

//! Parses the fifth element of the sentinel.

use std::fmt;

use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::container::info::{Counts, Mode};
use crate::model::row::State;

/// What the sentinel says about the file.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) head: Head,
    pub(super) tail: Tail,
}

impl Metadata {
    /// Parses the text. Returns `None` when it is not ours, and leaves the counters and
    /// columns empty when only they are invalid.
    ///
    /// The text is parsed twice: with one struct inside the other, the parser would hold
    /// the columns in memory in a form ten times their size.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let head = serde_json::from_slice(text).ok()?;
        Some(Self {
            head,
            tail: serde_json::from_slice(text).unwrap_or_default(),
        })
    }
}

/// How the trace was recorded, and its threads. Whatever is missing is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    pub(super) order: String,
    pub(super) hz: u32,
    pub(super) mode: Mode,
    pub(super) host: String,
    pub(super) kernel: String,
    pub(super) program: String,
    pub(super) command: Vec<String>,
    pub(super) start_us: u64,
    pub(super) threads: Vec<ThreadMetadata>,
}

/// The counters and the columns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tail {
    pub(super) counts: Counts,
    pub(super) processes: Vec<ProcessMetadata>,
    pub(super) rates: Vec<(u64, f64)>,
    pub(super) cols: Columns,
}

/// A thread of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ThreadMetadata {
    pub(super) rows: (u64, u64),
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) name: Option<String>,
    pub(super) process: String,
    pub(super) start_time_ticks: u64,
    pub(super) cmdline: String,
    pub(super) python: String,
    pub(super) namespace_pid: u32,
    pub(super) container: String,
    pub(super) cgroup: String,
    pub(super) user_us: Option<u64>,
    pub(super) system_us: u64,
}

/// The counters of one process.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProcessMetadata {
    pub(super) pid: u32,
    pub(super) start_time_ticks: u64,
    pub(super) counts: Counts,
}

/// The columns next to the rows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Columns {
    pub(super) state: StateCells,
    pub(super) thread: Vec<u32>,
    pub(super) weight: NumberCells,
    pub(super) system: NumberCells,
}

/// One number for each row and each further state of a row, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct NumberCells(pub(super) Vec<u64>);

impl<'de> Deserialize<'de> for NumberCells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = NumberCells;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<NumberCells, A::Error> {
        let mut cells = NumberCells::default();
        while list.next_element_seed(NumberCell(&mut cells))?.is_some() {}
        Ok(cells)
    }
}

/// One cell: a number, or a list of numbers.
struct NumberCell<'a>(&'a mut NumberCells);

impl<'de> DeserializeSeed<'de> for NumberCell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NumberCell<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, or a list of numbers")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.0.0.push(number);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(number) = list.next_element()? {
            self.0.0.push(number);
        }
        Ok(())
    }
}

/// The states of all rows.
#[derive(Debug, Default)]
pub(super) struct StateCells {
    /// The state in which each row begins.
    pub(super) first: Vec<u8>,
    /// Row, microseconds after its start, and the state from then on; in the order of rows.
    pub(super) changes: Vec<(u32, u64, State)>,
}

impl<'de> Deserialize<'de> for StateCells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = StateCells;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of states")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<StateCells, A::Error> {
        let mut cells = StateCells::default();
        while list.next_element_seed(Cell(&mut cells))?.is_some() {}
        Ok(cells)
    }
}

/// One cell: a state, or a list of the first state and pairs of offset and state.
struct Cell<'a>(&'a mut StateCells);

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a state, or a list of states with their offsets")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.0.first.push(state(number)?.number());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let row = u32::try_from(self.0.first.len()).map_err(A::Error::custom)?;
        let Some(first) = list.next_element()? else {
            return Err(A::Error::custom("an empty list of states"));
        };
        self.0.first.push(state::<A::Error>(first)?.number());
        while let Some((offset, number)) = list.next_element()? {
            self.0.changes.push((row, offset, state(number)?));
        }
        Ok(())
    }
}

fn state<E: Error>(number: u64) -> Result<State, E> {
    State::from_number(number).ok_or_else(|| E::custom(format!("no state has number {number}")))
}
