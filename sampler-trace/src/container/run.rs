// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run: rows of one track, stored in columns as they are in a segment.

use crate::model::identifiers::{StackId, TrackId};
use crate::model::row::{State, Weight};
use crate::model::varint::{put, take, unzigzag, zigzag};

/// The most rows of one run: its columns stay below 6 MB.
const MAXIMUM_ROWS: u64 = 1 << 18;
/// The most rows of a run whose memory is used again.
const RECYCLED_ROWS: u64 = 256;

/// One row of a run. Its time is in microseconds since the trace's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunRow {
    pub(super) time: u64,
    pub(super) stack: StackId,
    pub(super) state: State,
    /// All weights of one run have the same unit.
    pub(super) weight: Weight,
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
    /// Whether any row has a state other than the one that its stack implies.
    explicit: bool,
    /// The counts of all rows but the last; `systems` likewise.
    weights: Vec<u8>,
    systems: Vec<u8>,
    /// The weight of the last row.
    weight: Weight,
    /// The unit of all weights; 0 before the first one.
    unit: u64,
}

impl RunWriter {
    /// Begins a run whose rows do not come before `earliest`.
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
            weights: Vec::new(),
            systems: Vec::new(),
            weight: Weight::ZERO,
            unit: 0,
        }
    }

    /// Begins a run as [`RunWriter::new`] does, with the memory of this one. Returns `None` if
    /// that is more than most runs need.
    pub(super) fn recycled(self, track: TrackId, earliest: u64) -> Option<Self> {
        if self.rows > RECYCLED_ROWS {
            return None;
        }
        let emptied = |mut bytes: Vec<u8>| {
            bytes.clear();
            bytes
        };
        let mut states = self.states;
        states.clear();
        Some(Self {
            times: emptied(self.times),
            stacks: emptied(self.stacks),
            states,
            weights: emptied(self.weights),
            systems: emptied(self.systems),
            ..Self::new(track, earliest)
        })
    }

    /// Whether a weight can be added to this run, whose weights all have one unit.
    pub(super) fn has_unit_of(&self, weight: Weight) -> bool {
        weight.is_zero() || self.unit == 0 || self.unit == weight.unit
    }

    /// Adds a weight with the run's unit to the last row.
    pub(super) fn weigh(&mut self, weight: Weight) {
        if !weight.is_zero() {
            self.unit = weight.unit;
        }
        self.weight.add(weight);
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

    /// Appends a row. A time before that of the last row is raised to it.
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
        if self.rows > 0 {
            put(&mut self.weights, self.weight.count);
            put(&mut self.systems, self.weight.system);
        }
        self.weight = Weight::ZERO;
        self.weigh(row.weight);
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

impl RunWriter {
    /// Appends the weights of its rows, in the form that [`WeightReader`] reads.
    pub(super) fn encode_weights(&self, out: &mut Vec<u8>) {
        put(out, self.unit);
        if self.unit == 0 {
            return;
        }
        let columns = [
            (&self.weights, self.weight.count),
            (&self.systems, self.weight.system),
        ];
        for (column, last) in columns {
            let mut column = column.clone();
            put(&mut column, last);
            put(out, column.len() as u64);
            out.extend(column);
        }
    }
}

/// The weights of a run that is being read.
#[derive(Debug, Default)]
pub(super) struct WeightReader<'a> {
    unit: u64,
    weights: &'a [u8],
    systems: &'a [u8],
}

impl<'a> WeightReader<'a> {
    /// Takes the weights of a run off the front of `bytes`.
    pub(super) fn new(bytes: &mut &'a [u8]) -> Option<Self> {
        let unit = take(bytes)?;
        if unit == 0 {
            return Some(Self::default());
        }
        Some(Self {
            unit,
            weights: column(bytes)?,
            systems: column(bytes)?,
        })
    }

    /// Returns the weight of the next row.
    pub(super) fn next(&mut self) -> Option<Weight> {
        if self.unit == 0 {
            return Some(Weight::ZERO);
        }
        let count = take(&mut self.weights)?;
        let system = take(&mut self.systems)?;
        (system <= count).then_some(Weight {
            unit: self.unit,
            count,
            system,
        })
    }
}

/// A run that is being read: an iterator over its rows, which stops early when the bytes
/// are invalid.
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
    weights: WeightReader<'a>,
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
        // A row takes at least one byte, so there cannot be more rows than bytes.
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
            weights: WeightReader::default(),
        })
    }

    /// Gives the rows their weights.
    pub(super) fn weigh(&mut self, weights: WeightReader<'a>) {
        self.weights = weights;
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
            weight: self.weights.next()?,
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
    use super::{RunReader, RunRow, RunWriter, StackId, State, TrackId, Weight, WeightReader};

    fn weight(count: u64, system: u64) -> Weight {
        Weight {
            unit: 10_000_000,
            count,
            system,
        }
    }

    fn rows(states: [State; 4]) -> [RunRow; 4] {
        let [a, b, c, d] = states;
        [
            RunRow {
                time: 50,
                stack: StackId(9),
                state: a,
                weight: weight(2, 1),
            },
            RunRow {
                time: 50,
                stack: StackId(0),
                state: b,
                weight: weight(0, 0),
            },
            RunRow {
                time: 900_000,
                stack: StackId(3),
                state: c,
                weight: weight(7, 0),
            },
            RunRow {
                time: 900_001,
                stack: StackId(u32::MAX),
                state: d,
                weight: weight(300, 299),
            },
        ]
    }

    #[test]
    fn rows_come_back_with_and_without_their_own_states() {
        use State::{Io, None, Running};
        for states in [[Running, None, Running, Running], [Io, None, Io, Running]] {
            let mut run = RunWriter::new(TrackId(4), 50);
            rows(states).into_iter().for_each(|row| run.push(row));
            let (mut bytes, mut weights) = (Vec::new(), Vec::new());
            run.encode(&mut bytes);
            run.encode_weights(&mut weights);
            let mut rest = bytes.as_slice();
            let mut reader = RunReader::new(&mut rest).unwrap();
            assert_eq!(reader.track, TrackId(4));
            let weights_read = WeightReader::new(&mut weights.as_slice());
            reader.weigh(weights_read.unwrap());
            assert_eq!(reader.collect::<Vec<_>>(), rows(states));
            for cut in 0..weights.len() {
                assert!(WeightReader::new(&mut &weights[..cut]).is_none());
            }
            assert!(rest.is_empty());
            for cut in 0..bytes.len() {
                assert!(RunReader::new(&mut &bytes[..cut]).is_none());
            }
        }
    }

    #[test]
    fn a_row_weighs_all_that_was_added_to_it() {
        let mut run = RunWriter::new(TrackId(4), 50);
        let row = |time, stack, weight| RunRow {
            time,
            stack: StackId(stack),
            state: State::Running,
            weight,
        };
        run.push(row(50, 1, Weight::ZERO));
        run.weigh(weight(1, 1));
        run.weigh(weight(1, 0));
        assert!(run.has_unit_of(Weight::ZERO) && run.has_unit_of(weight(1, 0)));
        assert!(!run.has_unit_of(Weight::of_samples(7, 1)));
        run.push(row(60, 2, weight(1, 0)));
        run.weigh(weight(3, 3));
        let (mut bytes, mut weights) = (Vec::new(), Vec::new());
        run.encode(&mut bytes);
        run.encode_weights(&mut weights);
        let mut rows = RunReader::new(&mut bytes.as_slice()).unwrap();
        rows.weigh(WeightReader::new(&mut weights.as_slice()).unwrap());
        let found: Vec<_> = rows.map(|row| row.weight).collect();
        assert_eq!(found, [weight(2, 1), weight(4, 3)]);
        // More samples in the kernel than in all make no valid weight.
        let mut wrong: &[u8] = &[1, 1, 2, 1, 3];
        assert_eq!(WeightReader::new(&mut wrong).unwrap().next(), None);
    }
}
