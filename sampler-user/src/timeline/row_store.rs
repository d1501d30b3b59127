//! The rows of a whole trace, by track, in about three bytes each. It refuses
//! to know where they were read from.

use super::varint::{put, take, unzigzag, zigzag};
use super::{KernelTime, RowChange, StackId, State, TimelineRow, TrackId};

/// The most memory that rows may take: some 150 million of them.
const MAXIMUM_BYTES: usize = 1 << 29;
/// Times are kept in microseconds, as every format has them.
const NANOSECONDS: u64 = 1000;

/// A trace has more rows than fit into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the trace has more rows than fit into {MAXIMUM_BYTES} bytes; take a part of it by time or by thread"
)]
pub struct RowStoreFull;

#[derive(Debug)]
struct Column {
    track: TrackId,
    bytes: Vec<u8>,
    count: u64,
    first: u64,
    last: Cursor,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// Microseconds since the clock's start.
    time: u64,
    stack: StackId,
    state: State,
}

/// Rows as they come, kept by track. Equal neighbours become one row.
#[derive(Debug, Default)]
pub struct RowStore {
    columns: Vec<Column>,
    by_track: Vec<Option<u32>>,
    bytes: usize,
}

impl RowStore {
    /// Adds a change. Its time is cut to microseconds, and raised to that of
    /// the track's last change if it lies before it.
    ///
    /// # Errors
    /// [`RowStoreFull`].
    pub fn push(&mut self, change: &RowChange) -> Result<(), RowStoreFull> {
        let time = change.time.0 / NANOSECONDS;
        let next = Cursor {
            time,
            stack: change.stack,
            state: change.state,
        };
        let Some(column) = self.column(change.track) else {
            let number = u32::try_from(self.columns.len()).map_err(|_| RowStoreFull)?;
            let mut column = Column {
                track: change.track,
                bytes: Vec::new(),
                count: 0,
                first: time,
                last: next,
            };
            column.append(
                Cursor {
                    time,
                    ..Cursor::default()
                },
                next,
            );
            if self.by_track.len() <= change.track.index() {
                self.by_track.resize(change.track.index() + 1, None);
            }
            if let Some(slot) = self.by_track.get_mut(change.track.index()) {
                *slot = Some(number);
            }
            self.columns.push(column);
            return Ok(());
        };
        if column.last.stack == next.stack && column.last.state == next.state {
            return Ok(());
        }
        let before = column.bytes.len();
        let next = Cursor {
            time: next.time.max(column.last.time),
            ..next
        };
        column.append(column.last, next);
        column.last = next;
        let grown = column.bytes.len() - before;
        self.bytes += grown;
        if self.bytes > MAXIMUM_BYTES {
            Err(RowStoreFull)
        } else {
            Ok(())
        }
    }

    fn column(&mut self, track: TrackId) -> Option<&mut Column> {
        let number = self.by_track.get(track.index()).copied().flatten()?;
        self.columns.get_mut(number as usize)
    }

    /// The tracks that have rows, in the order of their first row, then of
    /// their numbers.
    #[must_use]
    pub fn tracks(&self) -> Vec<TrackId> {
        let mut order: Vec<_> = self.columns.iter().map(|c| (c.first, c.track)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, track)| track).collect()
    }

    /// The rows of one track; the last one ends at `end`, or where it starts
    /// if that is later.
    #[must_use]
    pub fn rows(&self, track: TrackId, end: KernelTime) -> StoredRows<'_> {
        let number = self.by_track.get(track.index()).copied().flatten();
        let column = number.and_then(|number| self.columns.get(number as usize));
        let mut rows = StoredRows {
            track,
            bytes: column.map_or(&[], |column| &column.bytes),
            at: Cursor {
                time: column.map_or(0, |column| column.first),
                ..Cursor::default()
            },
            pending: None,
            end,
        };
        rows.pending = rows.decode();
        rows
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.columns.iter().map(|column| column.count).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The time of the last change of any track.
    #[must_use]
    pub fn last_time(&self) -> Option<KernelTime> {
        let last = self.columns.iter().map(|column| column.last.time).max()?;
        Some(KernelTime(last * NANOSECONDS))
    }
}

impl Column {
    /// One row: the time since the row before; the distance to its stack, with
    /// the lowest bit set when a state follows, which it does when the stack
    /// does not imply it.
    fn append(&mut self, from: Cursor, to: Cursor) {
        // A sum of gaps cannot pass 2^53 us either: it is what the times differ.
        put(&mut self.bytes, to.time - from.time);
        let explicit = u64::from(to.state != State::implied_by(to.stack));
        put(
            &mut self.bytes,
            zigzag(from.stack.0, to.stack.0) << 1 | explicit,
        );
        if explicit == 1 {
            self.bytes.push(to.state.number());
        }
        self.count += 1;
    }
}

/// The rows of one track, one after the other.
#[derive(Debug)]
pub struct StoredRows<'a> {
    track: TrackId,
    bytes: &'a [u8],
    at: Cursor,
    pending: Option<Cursor>,
    end: KernelTime,
}

impl StoredRows<'_> {
    fn decode(&mut self) -> Option<Cursor> {
        let time = self.at.time.checked_add(take(&mut self.bytes)?)?;
        let code = take(&mut self.bytes)?;
        let stack = StackId(unzigzag(self.at.stack.0, code >> 1)?);
        let state = if code & 1 == 1 {
            let (&number, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            State::from_number(u64::from(number))?
        } else {
            State::implied_by(stack)
        };
        self.at = Cursor { time, stack, state };
        Some(self.at)
    }
}

impl Iterator for StoredRows<'_> {
    type Item = TimelineRow;

    fn next(&mut self) -> Option<TimelineRow> {
        let Cursor { time, stack, state } = self.pending.take()?;
        let start = KernelTime(time * NANOSECONDS);
        self.pending = self.decode();
        let end = match self.pending {
            Some(next) => KernelTime(next.time * NANOSECONDS),
            None => self.end.max(start),
        };
        Some(TimelineRow {
            track: self.track,
            start,
            end,
            stack,
            state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{KernelTime, RowChange, RowStore, StackId, State, TimelineRow, TrackId};

    #[test]
    fn rows_come_back_by_track_with_their_ends() {
        let mut store = RowStore::default();
        let change = |track, time: u64, stack, state| RowChange {
            track: TrackId(track),
            time: KernelTime(time * 1000),
            stack: StackId(stack),
            state,
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
}
