//! How long each stack was seen, for the formats that have no time axis. It
//! refuses to know those formats.

use rustc_hash::FxHashMap;

use super::TraceView;
use crate::timeline::{ProcessIndex, StackId, State, Symbols, TrackId};

/// The threads whose times are added up together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The process they belong to.
    pub process: ProcessIndex,
    /// Which thread it is, when it is one.
    pub thread: Option<TrackId>,
    /// All of them.
    pub tracks: Vec<TrackId>,
}

impl Group {
    /// A group for each thread, or with `merged` for each process; in the order
    /// of their first row.
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

/// How long a group was seen with a stack and in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StackTime {
    /// The stack, never the empty one.
    pub stack: StackId,
    /// The state.
    pub state: State,
    /// Microseconds, at least 1.
    pub microseconds: u64,
}

/// The times of all stacks of these threads, in the order of stack and state.
#[must_use]
pub fn stack_times(view: &TraceView<'_>, tracks: &[TrackId]) -> Vec<StackTime> {
    let mut sums: FxHashMap<u64, u64> = FxHashMap::default();
    for &track in tracks {
        for row in view.rows(track) {
            let microseconds = row.microseconds();
            if row.stack != StackId::EMPTY && microseconds > 0 {
                let key = u64::from(row.stack.0) << 8 | u64::from(row.state.number());
                *sums.entry(key).or_default() += microseconds;
            }
        }
    }
    let times = sums.into_iter().filter_map(|(key, microseconds)| {
        Some(StackTime {
            stack: StackId(u32::try_from(key >> 8).ok()?),
            state: State::from_number(key & 0xff)?,
            microseconds,
        })
    });
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times
}

/// How long stacks were seen with all that they called. It is used for one
/// group of threads after the other, and costs each only what it has.
#[derive(Debug)]
pub struct StackTotals<'a> {
    symbols: &'a Symbols,
    totals: Vec<u64>,
    touched: Vec<StackId>,
}

impl<'a> StackTotals<'a> {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(symbols: &'a Symbols) -> Self {
        Self {
            symbols,
            totals: vec![0; symbols.stack_count() as usize],
            touched: Vec::new(),
        }
    }

    /// Forgets what was added before, and adds these.
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

    /// Microseconds of a stack.
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
