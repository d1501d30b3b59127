// SPDX-License-Identifier: MIT OR Apache-2.0

//! Adds up how long each stack was seen, for the formats that have no time axis.

use rustc_hash::FxHashMap;

use crate::model::identifiers::{ProcessIndex, StackId, TrackId};
use crate::model::row::State;
use crate::model::symbols::Symbols;
use crate::query::view::TraceView;

/// Threads whose times are added up together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The process they belong to.
    pub process: ProcessIndex,
    /// The thread, if threads are not merged.
    pub thread: Option<TrackId>,
    /// All threads of the group.
    pub tracks: Vec<TrackId>,
}

impl Group {
    /// Makes a group for each thread, or with `merged` for each process, in the order of
    /// their first row.
    #[must_use]
    pub fn all_of(view: &TraceView<'_>, merged: bool) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        let mut by_process: FxHashMap<ProcessIndex, usize> = FxHashMap::default();
        for &id in view.tracks() {
            let Some((track, _)) = view.thread(id) else {
                continue;
            };
            let process = track.process;
            let known = by_process.get(&process).filter(|_| merged);
            if let Some(group) = known.and_then(|&at| groups.get_mut(at)) {
                group.tracks.push(id);
                continue;
            }
            by_process.insert(process, groups.len());
            groups.push(Self {
                process,
                thread: (!merged).then_some(id),
                tracks: vec![id],
            });
        }
        groups
    }
}

/// How long a group had a stack in a state, according to its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StackTime {
    /// The stack, never the empty one.
    pub stack: StackId,
    /// The state.
    pub state: State,
    /// Microseconds, at least 1.
    pub microseconds: u64,
    /// The part of `microseconds` in the kernel.
    pub system: u64,
    /// How many samples the time comes from.
    pub samples: u64,
}

/// The sum for one stack in one state.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    nanoseconds: u64,
    system: u64,
    samples: u64,
}

/// Adds up the times of all stacks of these threads. They come in the order of stack and state.
#[must_use]
pub fn stack_times(view: &TraceView<'_>, tracks: &[TrackId]) -> Vec<StackTime> {
    let mut sums: FxHashMap<u64, Sum> = FxHashMap::default();
    let period = view.trace().info.period_ns();
    for &track in tracks {
        for row in view.rows(track) {
            if row.stack != StackId::EMPTY && !row.weight.is_zero() {
                let key = u64::from(row.stack.0) << 8 | u64::from(row.state.number());
                let sum = sums.entry(key).or_default();
                let (all, system) = (row.weight.nanoseconds(), row.weight.system_nanoseconds());
                sum.nanoseconds = sum.nanoseconds.saturating_add(all);
                sum.system = sum.system.saturating_add(system);
                sum.samples += row.weight.samples(period);
            }
        }
    }
    let times = sums.into_iter().filter_map(|(key, sum)| {
        let microseconds = whole_microseconds(sum.nanoseconds);
        (microseconds > 0).then_some(StackTime {
            stack: StackId(u32::try_from(key >> 8).ok()?),
            state: State::from_number(key & 0xff)?,
            microseconds,
            system: whole_microseconds(sum.system).min(microseconds),
            samples: sum.samples.max(1),
        })
    });
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times
}

/// Rounds to the nearest microsecond: truncation errors would add up.
fn whole_microseconds(nanoseconds: u64) -> u64 {
    nanoseconds.saturating_add(500) / 1000
}

/// How long stacks were seen, including all that they called. It is reused for one group
/// of threads after the other, and each costs only what it has.
#[derive(Debug)]
pub struct StackTotals<'a> {
    symbols: &'a Symbols,
    totals: Vec<u64>,
    touched: Vec<StackId>,
}

impl<'a> StackTotals<'a> {
    /// Begins with no time for any stack.
    #[must_use]
    pub fn new(symbols: &'a Symbols) -> Self {
        Self {
            symbols,
            totals: vec![0; symbols.stack_count() as usize],
            touched: Vec::new(),
        }
    }

    /// Forgets what was added before, and adds `times`.
    pub fn restart(&mut self, times: &[StackTime]) {
        for stack in self.touched.drain(..) {
            if let Some(total) = self.totals.get_mut(stack.index()) {
                *total = 0;
            }
        }
        for time in times {
            let mut at = time.stack;
            while let Some(node) = self.symbols.stack(at) {
                if let Some(total) = self.totals.get_mut(at.index()) {
                    if *total == 0 {
                        self.touched.push(at);
                    }
                    *total += time.microseconds;
                }
                at = node.parent;
            }
        }
    }

    /// The microseconds of a stack, with all that it called; 0 if it was not seen.
    #[must_use]
    pub fn of(&self, stack: StackId) -> u64 {
        self.totals.get(stack.index()).copied().unwrap_or(0)
    }

    /// The stacks that have a time.
    #[must_use]
    pub fn stacks(&self) -> &[StackId] {
        &self.touched
    }
}
