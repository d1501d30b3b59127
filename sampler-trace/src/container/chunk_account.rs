// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a chunk counts of a recording that counts since it began.

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::container::info::{
    Counts, ProcessSummary, RateChange, Summary, ThreadCpuTime, TraceInfo, is_maximum,
};
use crate::model::identifiers::{ProcessIndex, TrackId};

/// What the chunks so far have counted.
#[derive(Debug, Default)]
pub(super) struct ChunkAccount {
    whole: Counted<Counts>,
    processes: FxHashMap<ProcessIndex, Counted<Counts>>,
    threads: FxHashMap<TrackId, Counted<[u64; 2]>>,
}

#[derive(Clone, Debug, Default)]
struct Counted<T> {
    /// In the chunks that are over.
    before: T,
    /// By the last account, if the current chunk has one.
    now: Option<T>,
}

impl ChunkAccount {
    /// Returns the part of an account that the current chunk has.
    pub(super) fn of_chunk(&mut self, so_far: &Summary, info: &TraceInfo) -> Summary {
        let processes = so_far.processes.iter().map(|of| {
            let counted = self.processes.entry(of.process).or_default();
            ProcessSummary {
                process: of.process,
                counts: counted.since(&of.counts),
            }
        });
        let processes = processes.collect();
        let threads = so_far.threads.iter().map(|of| {
            let counted = self.threads.entry(of.track).or_default();
            let times = [of.user_us, of.system_us];
            counted.now = Some(times);
            let [user, system] = counted.before;
            ThreadCpuTime {
                track: of.track,
                user_us: of.user_us.saturating_sub(user),
                system_us: of.system_us.saturating_sub(system),
            }
        });
        Summary {
            end: so_far.end,
            processes,
            threads: threads.collect(),
            counts: self.whole.since(&so_far.counts),
            rates: rates(&so_far.rates, info),
        }
    }

    /// Begins another chunk.
    pub(super) fn begin_chunk(&mut self) {
        self.whole.begin_chunk();
        self.processes.values_mut().for_each(Counted::begin_chunk);
        for counted in self.threads.values_mut() {
            if let Some([user, system]) = counted.now.take() {
                // The time in user mode is derived anew each time, and can shrink.
                let before = &mut counted.before;
                *before = [before[0].max(user), before[1].max(system)];
            }
        }
    }

    /// Forgets a process that has ended.
    pub(super) fn forget_process(&mut self, process: ProcessIndex) {
        self.processes.remove(&process);
    }
}

impl Counted<Counts> {
    fn since(&mut self, now: &Counts) -> Counts {
        self.now = Some(now.clone());
        let since = now.iter().map(|(name, count)| {
            let before = match is_maximum(name) {
                true => 0,
                false => self.before.get(name).copied().unwrap_or(0),
            };
            (name.clone(), count.saturating_sub(before))
        });
        since.collect()
    }

    fn begin_chunk(&mut self) {
        for (name, count) in self.now.take().unwrap_or_default() {
            let before = self.before.entry(name).or_default();
            *before = count.max(*before);
        }
    }
}

/// The changes of the rate in a chunk, which begins with the rate that holds at its start.
fn rates(all: &[RateChange], info: &TraceInfo) -> Vec<RateChange> {
    let later = all.partition_point(|change| change.time <= info.start);
    let (before, later) = all.split_at(later);
    let of_header = Duration::from_nanos(info.period_ns());
    let first = before.last().map(|last| RateChange {
        time: info.start,
        ..*last
    });
    let first = first.filter(|first| first.period != of_header);
    first.into_iter().chain(later.iter().copied()).collect()
}
