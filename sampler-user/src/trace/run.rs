//! A run: rows of one track in columns, as they are in a segment. It refuses to
//! know the tables that its numbers point into.

use crate::timeline::varint::{put, take, unzigzag, zigzag};
use crate::timeline::{StackId, State, TrackId};

/// The rows of one run at most: its columns stay below 6 MB.
const MAXIMUM_ROWS: u64 = 1 << 18;

/// One row of a run; its time in microseconds since the trace's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunRow {
    pub(super) time: u64,
    pub(super) stack: StackId,
    pub(super) state: State,
}

/// A run that is being written.
#[derive(Debug)]
pub(super) struct RunWriter {
    track: TrackId,
    rows: u64,
    first: u64,
    last: u64,
    /// The last stack that was not empty.
    base: StackId,
    times: Vec<u8>,
    stacks: Vec<u8>,
    states: Vec<(State, u64)>,
    /// Whether a state is not the one that its stack implies.
    explicit: bool,
}

impl RunWriter {
    /// A run whose rows do not come before `earliest`.
    pub(super) fn new(track: TrackId, earliest: u64) -> Self {
        Self {
            track,
            rows: 0,
            first: earliest,
            last: earliest,
            base: StackId::EMPTY,
            times: Vec::new(),
            stacks: Vec::new(),
            states: Vec::new(),
            explicit: false,
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= MAXIMUM_ROWS
    }

    /// The time of the last row.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Appends a row, not before the last one.
    pub(super) fn push(&mut self, row: RunRow) {
        let time = row.time.max(self.last);
        if self.rows == 0 {
            self.first = time;
        } else {
            put(&mut self.times, time - self.last);
        }
        self.last = time;
        if row.stack == StackId::EMPTY {
            self.stacks.push(0);
        } else {
            put(&mut self.stacks, 1 + zigzag(self.base.0, row.stack.0));
            self.base = row.stack;
        }
        match self.states.last_mut() {
            Some((state, length)) if *state == row.state => *length += 1,
            _ => self.states.push((row.state, 1)),
        }
        self.explicit |= row.state != State::implied_by(row.stack);
        self.rows += 1;
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for number in [u64::from(self.track.0), self.rows, self.first] {
            put(out, number);
        }
        for column in [&self.times, &self.stacks] {
            put(out, column.len() as u64);
            out.extend(column);
        }
        let states: &[_] = if self.explicit { &self.states } else { &[] };
        put(out, states.len() as u64);
        for &(state, length) in states {
            put(out, u64::from(state.number()));
            put(out, length);
        }
    }
}

/// A run that is being read: an iterator over its rows, which stops early when
/// the bytes are not what they should be.
#[derive(Debug)]
pub(super) struct RunReader<'a> {
    pub(super) track: TrackId,
    pub(super) left: u64,
    time: u64,
    started: bool,
    base: StackId,
    times: &'a [u8],
    stacks: &'a [u8],
    states: &'a [u8],
    explicit: bool,
    state: State,
    state_left: u64,
}

impl<'a> RunReader<'a> {
    /// Takes a run off the front of `bytes`.
    pub(super) fn new(bytes: &mut &'a [u8]) -> Option<Self> {
        let track = TrackId(u32::try_from(take(bytes)?).ok()?);
        let left = take(bytes)?;
        let time = take(bytes)?;
        let times = column(bytes)?;
        let stacks = column(bytes)?;
        let runs = take(bytes)?;
        let before = *bytes;
        for _ in 0..runs {
            take(bytes)?;
            take(bytes)?;
        }
        let states = before.get(..before.len() - bytes.len())?;
        // A row takes a byte at least: more rows than bytes are not there.
        if left == 0 || left > stacks.len() as u64 {
            return None;
        }
        Some(Self {
            track,
            left,
            time,
            started: false,
            base: StackId::EMPTY,
            times,
            stacks,
            states,
            explicit: runs > 0,
            state: State::None,
            state_left: 0,
        })
    }

    fn row(&mut self) -> Option<RunRow> {
        if self.started {
            self.time = self.time.checked_add(take(&mut self.times)?)?;
        }
        self.started = true;
        let stack = match take(&mut self.stacks)?.checked_sub(1) {
            None => StackId::EMPTY,
            Some(distance) => {
                self.base = StackId(unzigzag(self.base.0, distance)?);
                self.base
            }
        };
        Some(RunRow {
            time: self.time,
            stack,
            state: self.state_for(stack)?,
        })
    }

    fn state_for(&mut self, stack: StackId) -> Option<State> {
        if !self.explicit {
            return Some(State::implied_by(stack));
        }
        if self.state_left == 0 {
            self.state = State::from_number(take(&mut self.states)?)?;
            self.state_left = take(&mut self.states)?;
        }
        self.state_left = self.state_left.checked_sub(1)?;
        Some(self.state)
    }
}

impl Iterator for RunReader<'_> {
    type Item = RunRow;

    fn next(&mut self) -> Option<RunRow> {
        if self.left == 0 {
            return None;
        }
        let row = self.row()?;
        self.left -= 1;
        Some(row)
    }
}

fn column<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(bytes)?).ok()?;
    let (column, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(column)
}

#[cfg(test)]
mod tests {
    use super::{RunReader, RunRow, RunWriter, StackId, State, TrackId};

    fn rows(states: [State; 4]) -> [RunRow; 4] {
        let [a, b, c, d] = states;
        [
            RunRow {
                time: 50,
                stack: StackId(9),
                state: a,
            },
            RunRow {
                time: 50,
                stack: StackId(0),
                state: b,
            },
            RunRow {
                time: 900_000,
                stack: StackId(3),
                state: c,
            },
            RunRow {
                time: 900_001,
                stack: StackId(u32::MAX),
                state: d,
            },
        ]
    }

    #[test]
    fn rows_come_back_with_and_without_their_own_states() {
        use State::{Io, None, Running};
        for states in [[Running, None, Running, Running], [Io, None, Io, Running]] {
            let mut run = RunWriter::new(TrackId(4), 50);
            rows(states).into_iter().for_each(|row| run.push(row));
            let mut bytes = Vec::new();
            run.encode(&mut bytes);
            let mut rest = bytes.as_slice();
            let reader = RunReader::new(&mut rest).unwrap();
            assert_eq!(reader.track, TrackId(4));
            assert_eq!(reader.collect::<Vec<_>>(), rows(states));
            assert!(rest.is_empty());
            for cut in 0..bytes.len() {
                assert!(RunReader::new(&mut &bytes[..cut]).is_none());
            }
        }
    }
}
