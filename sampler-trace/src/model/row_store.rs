// SPDX-License-Identifier: MIT OR Apache-2.0

//! Stores the rows of a whole trace by track, in about three bytes each.

use crate::model::identifiers::{KernelTime, StackId, TrackId};
use crate::model::row::{RowChange, State, TimelineRow, Weight};
use crate::model::varint::{MAXIMUM, put, take, unzigzag, zigzag};

/// The most memory that rows may use, in bytes: some 150 million of them fit.
const MAXIMUM_BYTES: usize = 1 << 29;
/// Nanoseconds in a microsecond: times are kept in microseconds, as every format has
/// them.
const NANOSECONDS: u64 = 1000;

/// A row cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowStoreError {
    /// The trace has more rows than fit into memory.
    #[error(
        "the trace has more rows than fit into {MAXIMUM_BYTES} bytes; select a part of it by time or by thread"
    )]
    Full,
    /// A row is longer than 2^53 - 1 microseconds, some 285 years, which only a damaged or
    /// forged trace has.
    #[error("the trace is damaged: a row of it lasts more than 285 years")]
    TooLong,
}

#[derive(Debug)]
struct Column {
    track: TrackId,
    /// All rows but the last, encoded.
    bytes: Vec<u8>,
    count: u64,
    first: u64,
    /// The row before the last, or the start of the first one.
    before: Cursor,
    last: Cursor,
    sums: Sums,
}

/// The sums over all rows of a track but the last.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Microseconds with a stack or a state.
    life: u64,
    /// Of these, microseconds of waiting rows that have no weight of their own.
    unweighed: u64,
    /// The sum of all weights, in nanoseconds.
    weights: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// Microseconds since the clock's start.
    time: u64,
    stack: StackId,
    state: State,
    weight: Weight,
}

impl Cursor {
    fn is_gap(&self) -> bool {
        self.stack == StackId::EMPTY && self.state == State::None
    }

    /// Whether its weight follows from the weights of the other rows.
    fn is_unweighed(&self) -> bool {
        self.weight.is_zero() && self.state != State::Running && !self.is_gap()
    }
}

impl Sums {
    fn add(&mut self, row: &Cursor, end: u64) {
        let length = end.saturating_sub(row.time);
        if !row.is_gap() {
            self.life = self.life.saturating_add(length);
        }
        if row.is_unweighed() {
            self.unweighed = self.unweighed.saturating_add(length);
        }
        self.weights = self.weights.saturating_add(row.weight.nanoseconds());
    }

    /// Returns what a row counts for. Samples say how long the thread ran. Where its
    /// waits are known as well, they share the rest of its life.
    fn weight(&self, row: &Cursor, end: u64) -> Weight {
        let length = Weight::of_length(end.saturating_sub(row.time));
        if row.is_gap() || !row.weight.is_zero() {
            row.weight
        } else if self.weights == 0 {
            length
        } else if row.is_unweighed() {
            let rest = self.life.saturating_sub(self.weights / NANOSECONDS);
            length.scaled(rest, self.unweighed)
        } else {
            Weight::ZERO
        }
    }
}

/// Rows in the order in which they come, kept by track. Equal neighbours become one row.
#[derive(Debug, Default)]
pub struct RowStore {
    columns: Vec<Column>,
    by_track: Vec<Option<u32>>,
    bytes: usize,
}

impl RowStore {
    /// Adds a change. Its time is cut to microseconds, and raised to that of the track's
    /// last change if it is earlier.
    ///
    /// # Errors
    /// [`RowStoreError`]; the change is not stored then, unless memory is full.
    pub fn push(&mut self, change: &RowChange) -> Result<(), RowStoreError> {
        let time = change.time.0 / NANOSECONDS;
        let next = Cursor {
            time,
            stack: change.stack,
            state: change.state,
            weight: change.weight.fitting(),
        };
        let Some(column) = self.column(change.track) else {
            let number = u32::try_from(self.columns.len()).map_err(|_| RowStoreError::Full)?;
            let before = Cursor {
                time,
                ..Cursor::default()
            };
            if self.by_track.len() <= change.track.index() {
                self.by_track.resize(change.track.index() + 1, None);
            }
            if let Some(slot) = self.by_track.get_mut(change.track.index()) {
                *slot = Some(number);
            }
            self.columns.push(Column {
                track: change.track,
                bytes: Vec::new(),
                count: 1,
                first: time,
                before,
                last: next,
                sums: Sums::default(),
            });
            return Ok(());
        };
        if column.last.stack == next.stack && column.last.state == next.state {
            column.last.weight.add(next.weight);
            column.last.weight = column.last.weight.fitting();
            return Ok(());
        }
        if next.time.saturating_sub(column.last.time) > MAXIMUM {
            return Err(RowStoreError::TooLong);
        }
        let grown = column.append(next);
        self.bytes += grown;
        if self.bytes > MAXIMUM_BYTES {
            Err(RowStoreError::Full)
        } else {
            Ok(())
        }
    }

    fn column(&mut self, track: TrackId) -> Option<&mut Column> {
        let number = self.by_track.get(track.index()).copied().flatten()?;
        self.columns.get_mut(number as usize)
    }

    /// Returns the tracks that have rows, in the order of their first row, then of their
    /// numbers.
    #[must_use]
    pub fn tracks(&self) -> Vec<TrackId> {
        let mut order: Vec<_> = self.columns.iter().map(|c| (c.first, c.track)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, track)| track).collect()
    }

    /// Returns the rows of one track; the last one ends at `end`, or where it starts if
    /// that is later.
    #[must_use]
    pub fn rows(&self, track: TrackId, end: KernelTime) -> StoredRows<'_> {
        let number = self.by_track.get(track.index()).copied().flatten();
        let column = number.and_then(|number| self.columns.get(number as usize));
        let mut sums = column.map_or(Sums::default(), |column| column.sums);
        let last = column.map(|column| column.last);
        if let Some(last) = last {
            sums.add(&last, end.0 / NANOSECONDS);
        }
        let mut rows = StoredRows {
            track,
            bytes: column.map_or(&[], |column| &column.bytes),
            at: Cursor {
                time: column.map_or(0, |column| column.first),
                ..Cursor::default()
            },
            unit: 0,
            last,
            pending: None,
            sums,
            end,
        };
        rows.pending = rows.decode();
        rows
    }

    /// Whether the weights of a track come from samples, not from the lengths of its
    /// rows.
    #[must_use]
    pub fn is_weighed(&self, track: TrackId) -> bool {
        let number = self.by_track.get(track.index()).copied().flatten();
        let column = number.and_then(|number| self.columns.get(number as usize));
        column.is_some_and(|column| column.sums.weights > 0 || !column.last.weight.is_zero())
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.columns.iter().map(|column| column.count).sum()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Returns the time of the last change of any track.
    #[must_use]
    pub fn last_time(&self) -> Option<KernelTime> {
        let last = self.columns.iter().map(|column| column.last.time).max()?;
        Some(KernelTime(last * NANOSECONDS))
    }
}

impl Column {
    /// Closes the last row, and begins another one. Returns how many bytes that took.
    fn append(&mut self, next: Cursor) -> usize {
        let next = Cursor {
            time: next.time.max(self.last.time),
            ..next
        };
        let before = self.bytes.len();
        self.sums.add(&self.last, next.time);
        self.encode();
        self.before = self.last;
        self.last = next;
        self.count += 1;
        self.bytes.len() - before
    }

    /// Encodes the last row: the time since the row before, then the distance to its
    /// stack. The lowest bit of the distance is set when a state follows, because the
    /// stack does not imply it; the one above is set when a weight follows.
    fn encode(&mut self) {
        let Self {
            bytes,
            before: from,
            last: to,
            ..
        } = self;
        put(bytes, to.time - from.time);
        let explicit = u64::from(to.state != State::implied_by(to.stack));
        let weighed = u64::from(!to.weight.is_zero());
        let distance = zigzag(from.stack.0, to.stack.0);
        put(bytes, distance << 2 | weighed << 1 | explicit);
        if explicit == 1 {
            bytes.push(to.state.number());
        }
        if weighed == 1 {
            encode_weight(bytes, from.weight.unit, &to.weight);
        }
        // A weight that is left out leaves the unit unchanged.
        if weighed == 0 {
            to.weight.unit = from.weight.unit;
        }
    }
}

/// Encodes a weight: its count, with the lowest bit set when another unit follows, and
/// the one above when the part in the kernel does.
fn encode_weight(bytes: &mut Vec<u8>, unit: u64, weight: &Weight) {
    let other_unit = u64::from(weight.unit != unit);
    let has_system = u64::from(weight.system > 0);
    put(bytes, weight.count << 2 | has_system << 1 | other_unit);
    if has_system == 1 {
        put(bytes, weight.system);
    }
    if other_unit == 1 {
        put(bytes, weight.unit);
    }
}

/// Iterates over the rows of one track.
#[derive(Debug)]
pub struct StoredRows<'a> {
    track: TrackId,
    bytes: &'a [u8],
    at: Cursor,
    /// The unit of the last weight.
    unit: u64,
    /// The last row, which follows those in `bytes`.
    last: Option<Cursor>,
    pending: Option<Cursor>,
    sums: Sums,
    end: KernelTime,
}

impl StoredRows<'_> {
    fn decode(&mut self) -> Option<Cursor> {
        if self.bytes.is_empty() {
            return self.last.take();
        }
        let time = self.at.time.checked_add(take(&mut self.bytes)?)?;
        let code = take(&mut self.bytes)?;
        let stack = StackId(unzigzag(self.at.stack.0, code >> 2)?);
        let state = if code & 1 == 1 {
            let (&number, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            State::from_number(u64::from(number))?
        } else {
            State::implied_by(stack)
        };
        let weight = if code & 2 == 2 {
            self.decode_weight()?
        } else {
            Weight::ZERO
        };
        self.at = Cursor {
            time,
            stack,
            state,
            weight,
        };
        Some(self.at)
    }

    fn decode_weight(&mut self) -> Option<Weight> {
        let code = take(&mut self.bytes)?;
        let system = if code & 2 == 2 {
            take(&mut self.bytes)?
        } else {
            0
        };
        if code & 1 == 1 {
            self.unit = take(&mut self.bytes)?;
        }
        Some(Weight {
            unit: self.unit,
            count: code >> 2,
            system,
        })
    }
}

impl Iterator for StoredRows<'_> {
    type Item = TimelineRow;

    fn next(&mut self) -> Option<TimelineRow> {
        let row = self.pending.take()?;
        let start = KernelTime(row.time * NANOSECONDS);
        self.pending = self.decode();
        let end = match self.pending {
            Some(next) => KernelTime(next.time * NANOSECONDS),
            None => self.end.max(start),
        };
        Some(TimelineRow {
            track: self.track,
            start,
            end,
            stack: row.stack,
            state: row.state,
            weight: self.sums.weight(&row, end.0 / NANOSECONDS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_by_track_with_their_ends() {
        let mut store = RowStore::default();
        let change = |track, time: u64, stack, state| RowChange {
            track: TrackId(track),
            time: KernelTime(time * 1000),
            stack: StackId(stack),
            state,
            weight: Weight::ZERO,
        };
        for change in [
            change(5, 20, 7, State::Running),
            change(1, 10, 3, State::Running),
            change(1, 15, 3, State::Running),
            change(5, 40, 7, State::Io),
            change(1, 30, 0, State::None),
            change(5, 35, 2, State::Running),
        ] {
            store.push(&change).unwrap();
        }
        assert_eq!(store.tracks(), [TrackId(1), TrackId(5)]);
        assert_eq!(store.len(), 5);
        let row = |start: u64, end: u64, stack, state| TimelineRow {
            track: TrackId(5),
            start: KernelTime(start * 1000),
            end: KernelTime(end * 1000),
            stack: StackId(stack),
            state,
            weight: Weight::of_length(end - start),
        };
        let rows: Vec<_> = store.rows(TrackId(5), KernelTime(90_000)).collect();
        let expected = [
            row(20, 40, 7, State::Running),
            row(40, 40, 7, State::Io),
            row(40, 90, 2, State::Running),
        ];
        assert_eq!(rows, expected);
        assert_eq!(
            store.rows(TrackId(1), KernelTime(0)).last().unwrap().end.0,
            30_000
        );
        assert_eq!(store.rows(TrackId(9), KernelTime(0)).count(), 0);
    }

    #[test]
    fn a_row_that_no_recording_can_have_is_an_error() {
        let longest = MAXIMUM * NANOSECONDS;
        let mut store = RowStore::default();
        let change = |time, stack| RowChange {
            track: TrackId(0),
            time: KernelTime(time),
            stack: StackId(stack),
            state: State::Running,
            weight: Weight::ZERO,
        };
        store.push(&change(0, 1)).unwrap();
        // Equal rows become one, whose length adds up.
        store.push(&change(longest / 2, 1)).unwrap();
        let too_long = store.push(&change(longest + NANOSECONDS, 2));
        assert_eq!(too_long, Err(RowStoreError::TooLong));
        store.push(&change(longest, 2)).unwrap();
        store.push(&change(longest + NANOSECONDS, 3)).unwrap();
        let rows: Vec<_> = store.rows(TrackId(0), KernelTime(u64::MAX)).collect();
        let starts: Vec<_> = rows.iter().map(|row| row.start.0).collect();
        assert_eq!(starts, [0, longest, longest + NANOSECONDS]);
    }

    /// Returns the weights of the rows of one track in milliseconds: all of each, and the
    /// part in the kernel. Times are in milliseconds as well.
    fn weights(rows: &[(u64, u32, State, Weight)], end: u64) -> Vec<(u64, u64)> {
        let mut store = RowStore::default();
        for &(time, stack, state, weight) in rows {
            let change = RowChange {
                track: TrackId(0),
                time: KernelTime(time * 1_000_000),
                stack: StackId(stack),
                state,
                weight,
            };
            store.push(&change).unwrap();
        }
        let milliseconds = |nanoseconds: u64| (nanoseconds + 500_000) / 1_000_000;
        let rows = store.rows(TrackId(0), KernelTime(end * 1_000_000));
        rows.map(|row| {
            let weight = row.weight;
            [weight.nanoseconds(), weight.system_nanoseconds()].map(milliseconds)
        })
        .map(|[all, system]| (all, system))
        .collect()
    }

    #[test]
    fn samples_weigh_what_they_stand_for_however_long_their_row_is() {
        let ticks = |count, system| Weight {
            unit: 10_000_000,
            count,
            system,
        };
        let rows = [
            (0, 1, State::Running, ticks(2, 1)),
            (50, 1, State::Running, ticks(1, 0)),
            (70, 2, State::Running, ticks(1, 0)),
            (100, 0, State::None, Weight::ZERO),
            (120, 2, State::Running, Weight::of_samples(20_000_000, 1)),
            (150, 2, State::Running, ticks(1, 1)),
        ];
        let weights = weights(&rows, 400);
        assert_eq!(weights, [(30, 10), (10, 0), (0, 0), (30, 10)]);
    }

    #[test]
    fn what_waits_fills_up_the_life_of_its_thread() {
        let tick = Weight::of_samples(10_000_000, 3);
        let rows = [
            (0, 1, State::Running, tick),
            (10, 1, State::Io, Weight::ZERO),
            (50, 2, State::Lock, Weight::ZERO),
        ];
        assert_eq!(weights(&rows, 90), [(30, 0), (30, 0), (30, 0)]);
        // More samples than the thread lived leave nothing for waiting.
        assert_eq!(weights(&rows[..2], 20), [(30, 0), (0, 0)]);
    }
}
